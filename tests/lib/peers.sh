# shellcheck shell=sh
# What others put on the line for the same release, each at its best for size. Source it, after TOP,
# LIB and the functions of bench-bytes. peer_NAME runs in an empty folder and finds
#
#   OLD, NEW                   the two trees
#   TREES/old.tar, new.tar     tars of them
#   TREES/was.tar, is.tar      tars of the old files that are gone or differ, and of the new files
#                              that are new or differ
#   TREES/was                  names of the former
#
# It encodes (measured, into "enc"), decodes with nothing but the old side and what would travel
# (measured, into "dec"), puts the number of bytes that travel into "bytes", and succeeds if what came
# back equals NEW. Making tars, commits and the like on either side is not measured.

# shellcheck disable=SC2034 # for who sources this
PEERS='xz-whole xz-changed rsync-z rsync-zstd git casync ostree xdelta3 bsdiff zstd'

peer_title() { # NAME
	case $1 in
	tagship) echo 'tagship' ;;
	xz-whole) echo 'whole, xz' ;;
	xz-changed) echo 'changed, tar.xz' ;;
	rsync-z) echo 'rsync -z' ;;
	rsync-zstd) echo 'rsync zstd 19 --fuzzy' ;;
	git) echo 'git thin pack' ;;
	casync) echo 'casync' ;;
	ostree) echo 'OSTree static delta' ;;
	xdelta3) echo 'xdelta3 -9' ;;
	bsdiff) echo 'bsdiff of tars' ;;
	zstd) echo 'zstd -22 --patch-from' ;;
	esac
}

# What is run, for people, and what is counted.
peer_method() { # NAME
	case $1 in
	tagship) echo '`tagship bundle make OLD NEW FILE`, `tagship bundle apply OLD FILE NEWDIR`; the size of the file' ;;
	xz-whole) echo '`xz -9e` of a tar of the new tree' ;;
	xz-changed) echo '`xz -9e` of a tar of the files that are new or differ' ;;
	rsync-z) echo '`rsync -a --checksum --delete-after -z`; bytes sent and received as `--stats` has them, which leaves out the last 150 or so' ;;
	rsync-zstd) echo '`rsync -a --checksum --delete-after --fuzzy -z --compress-choice=zstd --compress-level=19`; likewise' ;;
	git) echo '`git pack-objects --thin --revs --delta-base-offset --window=250 --depth=250`, `pack.compression=9`, from the old commit to the new; `git index-pack --fix-thin` and a checkout' ;;
	casync) echo '`casync make --without=all --with=permissions`; the chunks that the old tree has not, and the index; `casync extract --seed=OLD`' ;;
	ostree) echo '`ostree static-delta generate --inline --min-fallback-size=0 --max-bsdiff-size=1000` from commit to commit in a bare-user repository; `apply-offline` and a checkout' ;;
	xdelta3) echo '`xdelta3 -9 -S djw -A -W 16777216 -B 536870912` (-B more where the old tar is larger), tar of the old tree to tar of the new' ;;
	bsdiff) echo '`bsdiff` from tar of the old tree to tar of the new' ;;
	zstd) echo '`zstd -22 --ultra --long=31 --patch-from` from a tar of the old files that are gone or differ to a tar of the new ones' ;;
	esac
}

peer_program() { # NAME
	case $1 in
	xz-*) echo xz ;;
	rsync-*) echo rsync ;;
	*) echo "$1" ;;
	esac
}

peer_version() { # NAME
	case $1 in
	tagship) tagship --version | head -n 1 ;;
	xz-*) xz --version | head -n 1 | awk '{ print $NF }' ;;
	rsync-*) rsync --version | awk 'NR == 1 { print $3 }' ;;
	git) git --version | awk '{ print $3 }' ;;
	casync) casync --version | awk 'NR == 1 { print $2 }' ;;
	ostree) ostree --version | sed -n "s/^ *Version: *'\{0,1\}\([^']*\).*/\1/p" ;;
	xdelta3) xdelta3 -V 2>&1 | sed -n '1s/.*version \([^,]*\).*/\1/p' ;;
	# it cannot tell
	bsdiff) dpkg-query -W -f '${Version}' bsdiff 2>/dev/null || echo unknown ;;
	zstd) zstd --version | sed -n '1s/.* v\([^,]*\).*/\1/p' ;;
	esac
}

# A cached result is good for this very version and these very commands.
peer_key() { # NAME
	printf '%s %s\n' "$(peer_version "$1")" \
		"$(sed -n "/^peer_$(echo "$1" | tr - _)() /,/^}/p; /^peer_tools() /,\$p" "$LIB/peers.sh" | sha256sum | cut -c 1-16)"
}

peer_xz_whole() {
	encode xz -9e -T1 -k -c "$TREES/new.tar" > file || return 1
	size file > bytes
	mkdir out
	decode xz -dc file > out.tar && tar -xf out.tar -C out && same out
}

peer_xz_changed() {
	encode xz -9e -T1 -k -c "$TREES/is.tar" > file || return 1
	size file > bytes
	decode xz -dc file > out.tar && over_old out.tar
}

peer_rsync_z() {
	rsync_over_pipe -z
}

peer_rsync_zstd() {
	rsync_over_pipe --fuzzy -z --compress-choice=zstd --compress-level=19
}

peer_git() {
	git init -q --bare new.git && git init -q --bare old.git || return 1
	for _repo in new.git old.git; do
		# files as they are, whatever a package's own .gitattributes say
		echo '* -text -filter -ident -working-tree-encoding' > $_repo/info/attributes
	done
	_old=$(git_commit new.git "$OLD") && git_commit old.git "$OLD" > /dev/null &&
		_new=$(git_commit new.git "$NEW" -p "$_old") || return 1
	printf '%s\n^%s\n' "$_new" "$_old" > revs
	encode git --git-dir=new.git -c pack.compression=9 pack-objects -q --thin --stdout --revs \
		--delta-base-offset --window=250 --depth=250 < revs > file || return 1
	size file > bytes
	mkdir out
	cat > unpack <<-END
		export GIT_DIR=old.git
		git index-pack --fix-thin --stdin < file > index-pack.log && git read-tree $_new &&
			git --work-tree=out checkout-index -q -a
	END
	decode sh unpack && same_files out
}

peer_casync() {
	casync make --without=all --with=permissions --store=old.castr old.caidx "$OLD" > log 2>&1 || return 1
	encode casync make --without=all --with=permissions --store=new.castr new.caidx "$NEW" >> log 2>&1 || return 1
	mkdir lacks
	(cd new.castr && find . -name '*.cacnk') | while read -r _chunk; do
		[ -e "old.castr/$_chunk" ] || cp "new.castr/$_chunk" lacks/
	done
	find lacks new.caidx -type f -printf '%s\n' | awk '{ n += $1 } END { print n }' > bytes
	for _chunk in lacks/*; do
		[ -e "$_chunk" ] || continue
		_dir=line.castr/$(basename "$_chunk" | cut -c 1-4)
		mkdir -p "$_dir" && mv "$_chunk" "$_dir/"
	done
	mkdir -p line.castr
	decode casync extract --store=line.castr --seed="$OLD" new.caidx out >> log 2>&1 && same out
}

peer_ostree() {
	for _repo in new.repo old.repo; do
		ostree --repo=$_repo init --mode=bare-user || return 1
	done
	_old=$(ostree_commit new.repo "$OLD" 0) && _new=$(ostree_commit new.repo "$NEW" 1) &&
		ostree --repo=old.repo pull-local new.repo "$_old" > log 2>&1 || return 1
	encode ostree --repo=new.repo static-delta generate --inline --min-fallback-size=0 \
		--max-bsdiff-size=1000 --from="$_old" --to="$_new" --filename="$PWD/file" >> log 2>&1 || return 1
	size file > bytes
	cat > unpack <<-END
		ostree --repo=old.repo static-delta apply-offline file &&
			ostree --repo=old.repo checkout -U $_new out
	END
	decode sh unpack >> log 2>&1 && same out
}

peer_xdelta3() {
	encode xdelta3 -e -q -9 -S djw -A -W $((16 << 20)) -B "$(xdelta3_source)" -s "$TREES/old.tar" \
		"$TREES/new.tar" file || return 1
	size file > bytes
	mkdir out
	decode xdelta3 -d -q -B "$(xdelta3_source)" -s "$TREES/old.tar" file out.tar &&
		tar -xf out.tar -C out && same out
}

peer_bsdiff() {
	encode bsdiff "$TREES/old.tar" "$TREES/new.tar" file || return 1
	size file > bytes
	mkdir out
	decode bspatch "$TREES/old.tar" out.tar file && tar -xf out.tar -C out && same out
}

# Its frame holds whole files, and what is deleted does not travel at all.
peer_zstd() {
	encode zstd -q -22 --ultra --long=31 --patch-from="$TREES/was.tar" "$TREES/is.tar" -o file 2>> log || return 1
	size file > bytes
	decode zstd -q -d --long=31 --patch-from="$TREES/was.tar" file -o out.tar && over_old out.tar
}

# ---- what they share ----
# (everything from here on is part of every cache key)
peer_tools() { :; }

size() { stat -c %s "$1"; }
encode() { "$LIB/measure" enc "$@"; }
decode() { "$LIB/measure" dec "$@"; }
same() { diff -r "$NEW" "$1" > differs 2>&1; }

# For those that carry files only: the new tree's empty folders are given to them.
same_files() {
	(cd "$NEW" && find . -type d -empty -print0) | (cd "$1" && xargs -0 -r mkdir -p --) && same "$1"
}

over_old() { # TAR: it over the old tree, less the old files that are gone or differ
	cp -R "$OLD" out && (cd out && xargs -r -d '\n' rm -- < "$TREES/was") && tar -xf "$1" -C out &&
		find out -mindepth 1 -type d -empty -delete && same_files out
}

make_tar() { # TAR TREE NAME...|-T FILE
	_tar=$1 _tree=$2
	shift 2
	for _format in ustar gnu; do # ustar has no room for some long names
		tar --sort=name --format=$_format --owner=0 --group=0 --numeric-owner --mtime=@0 \
			-cf "$_tar" -C "$_tree" "$@" 2>/dev/null && return 0
	done
	return 1
}

prepare_trees() { # fills TREES
	mkdir -p "$TREES"
	prepare_side old "$OLD" && prepare_side new "$NEW" || return 1
	comm -23 "$TREES/old.sums" "$TREES/new.sums" | cut -c 67- | sort > "$TREES/was"
	comm -13 "$TREES/old.sums" "$TREES/new.sums" | cut -c 67- | sort > "$TREES/is"
	make_tar "$TREES/was.tar" "$OLD" --verbatim-files-from -T "$TREES/was" &&
		make_tar "$TREES/is.tar" "$NEW" --verbatim-files-from -T "$TREES/is"
}

prepare_side() { # NAME TREE
	make_tar "$TREES/$1.tar" "$2" . || return 1
	(cd "$2" && find . -type f -print0 | xargs -0 -r sha256sum) | sort > "$TREES/$1.sums"
}

# The remote side runs under its own measure. What "enc" has is the larger of the two, for the sender
# waits for the other.
rsync_over_pipe() { # OPTION...
	cp -a "$OLD" out
	cat > rsh <<-END
		#!/bin/sh
		shift
		exec "$LIB/measure" "$PWD/dec" "\$@"
	END
	chmod +x rsh
	# all npm packages have one mtime, so without --checksum a change within the same size is missed
	encode rsync -a --checksum --delete-after "$@" -e ./rsh --stats "$NEW/" "base:$PWD/out/" > log || return 1
	tr -d , < log | awk '/^Total bytes (sent|received):/ { n += $4 } END { print n }' > bytes
	sed -i 's/^[^ ]*/=/' dec # both sides at once
	same out
}

git_commit() { # REPO TREE [-p PARENT]: prints the commit
	_repo=$1 _work=$2
	shift 2
	rm -f "$_repo/index"
	git --git-dir="$_repo" --work-tree="$_work" add -fA . > /dev/null 2>&1 &&
		_object=$(git --git-dir="$_repo" write-tree) &&
		git --git-dir="$_repo" -c user.name=bench -c user.email=bench@example.com \
			commit-tree -m release "$@" "$_object"
}

ostree_commit() { # REPO TREE TIME: prints the commit
	ostree --repo="$1" commit -b app -s release --tree=dir="$2" --owner-uid=0 --owner-gid=0 \
		--no-xattrs --timestamp="@$3"
}

xdelta3_source() { # a window over all of the old tar, a power of two as it wants; under 512 MiB it finds less
	awk -v n="$(size "$TREES/old.tar")" 'BEGIN { b = 536870912; while (b < n) b *= 2; print b }'
}
