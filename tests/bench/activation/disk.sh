# shellcheck shell=sh
# shellcheck disable=SC2154 # common.sh has the others
# What a staged version takes of the disk: 1,000 files of 64 KB in 40 folders, of which 10 change, on file
# systems of their own (loop mounts).

disk_app() { # FOLDER VERSION
	perl -e '
		my ($dir, $version) = @ARGV;
		for my $n (0 .. 999) {
			my $sub = "$dir/" . int($n / 25);
			mkdir $sub or -d $sub or die;
			srand($n % 100 ? $n : $n + 100_000 * $version);
			open(my $out, ">", "$sub/$n.bin") or die;
			print $out pack("L*", map { int(rand(2**32)) } 1 .. 16384);
			close $out or die;
		}' "$1" "$2"
}

disk_mount() { # TYPE
	truncate -s 400M "$W/disk.img"
	case $1 in
	xfs) mkfs.xfs -q "$W/disk.img" ;;
	btrfs) mkfs.btrfs -q "$W/disk.img" > "$W/mkfs.log" 2>&1 ;;
	ext4) mkfs.ext4 -q -m 0 "$W/disk.img" ;;
	esac && mkdir "$W/disk" && mount -o loop "$W/disk.img" "$W/disk"
}

disk_used() {
	sync -f "$W/disk"
	df -B1 --output=used "$W/disk" | tail -n 1
}

section_clean() {
	! mountpoint -q "$W/disk" || umount "$W/disk"
}

disk_release() { # VERSION AT
	rm -rf "$SRC/web"
	mkdir -p "$SRC/web"
	disk_app "$SRC/web" "${1#v}"
	git -C "$SRC" add -A
	git -C "$SRC" commit -qm "$1"
	printf '%s\n\nRelease-At: %s\nRelease-To: all\n' "$1" "$2" | world_tag "$1"
	git -C "$SRC" push -q origin main "$1" > "$W/push-$1.log" 2>&1
	tagship-base -C "$W/haikou/root" -q pull >> "$W/pull.log" 2>&1 || failed "the pull of $1"
}

# Changed files in blocks of 4 KiB; folders; bytes of the whole tree.
disk_facts() {
	_old=$(echo "$W/disk/releases"/v1-*) _new=$(echo "$W/disk/pre-release"/v2-*)
	[ -d "$_old" ] && [ -d "$_new" ] || failed 'v2 is not staged' || return 1
	changed=$(cd "$_new" && find . -type f | while read -r _f; do
		cmp -s "$_f" "$_old/$_f" || stat -c %s "$_f"
	done | awk '{ n += int(($1 + 4095) / 4096) * 4096 } END { print n + 0 }')
	folders=$(find "$_new" -type d | wc -l)
	whole=$(find "$_new" -type f -printf '%s\n' | awk '{ n += $1 } END { print n }')
}

disk_on() { # TYPE LINE: the bytes that staging v2 takes, into $used
	world_new
	mkdir -p "$SRC"
	git init -q "$SRC"
	echo a shop > "$SRC/README"
	git -C "$SRC" add -A
	git -C "$SRC" commit -qm 'The shop'
	world_central shop '' web > "$W/central.log" 2>&1 && world_base haikou Asia/Shanghai && disk_mount "$1" || return 1
	plain_app haikou "$2"
	sed -i "s|^  dir = .*|  dir = \"$W/disk\";|" "$W/haikou/root/base.cfg"
	disk_release v1 now && tagship-base -C "$W/haikou/root" -q activate > "$W/activate.log" 2>&1 || return 1
	used=$(disk_used)
	disk_release v2 2098-01-01T00:00:00Z && disk_facts || return 1
	used=$(($(disk_used) - used))
}


section_disk() {
	for _type in xfs btrfs; do
		command -v mkfs.$_type > /dev/null || continue
		disk_on $_type 'keep = 2;' || return 1
		measured figure disk-$_type "$used" $((changed + whole / 50)) bytes \
			"a staged version on $_type: 10 of 1,000 files changed, $changed of $whole bytes"
		activation_end
	done
	disk_on ext4 'hard_links = true;' || return 1
	measured figure disk-ext4-hard-links "$used" $((changed + 4096 * folders + whole / 50)) bytes \
		"a staged version on ext4 with hard_links: the same, $folders folders"
	activation_end
	disk_on ext4 'keep = 2;' || return 1
	beside 'on ext4 without' "$used" bytes
}
