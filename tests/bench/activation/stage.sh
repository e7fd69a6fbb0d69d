# shellcheck shell=sh
# shellcheck disable=SC2154 # common.sh has the others
# 50,000 files and 1 GB, of which 500 change: staged, the whole tree checked, beside `cp -al` and rsync,
# which check nothing. Alternating, with a warm cache.

STAGE_RUNS=${BENCH_STAGE_RUNS:-5}

# FOLDER VERSION: 1,000 folders of 50 files of 20 KB; every hundredth file differs between versions.
stage_app() {
	perl -e '
		my ($dir, $version) = @ARGV;
		my $body = join("", map { "line $_ of what all files have in common\n" } 1 .. 480);
		for my $d (0 .. 999) {
			mkdir "$dir/$d" or -d "$dir/$d" or die;
			for my $f (0 .. 49) {
				my $n = 50 * $d + $f;
				my $own = $n % 100 ? 1 : $version;
				open(my $out, ">", "$dir/$d/$f.txt") or die;
				print $out "file $n of version $own\n", $body;
				close $out or die;
			}
		}' "$1" "$2"
}

stage_built() { ! tagship -C "$STATE" log | grep -qE ' (queued|running) '; }

stage_release() { # VERSION AT
	stage_app "$SRC/web" "${1#v}"
	git -C "$SRC" add -A
	git -C "$SRC" commit -q --allow-empty -m "$1"
	printf '%s\n\nRelease-At: %s\nRelease-To: all\n' "$1" "$2" | world_tag "$1"
	git -C "$SRC" push -q origin main "$1" > "$W/push-$1.log" 2>&1
	world_wait 900 stage_built || failed "the build of $1 does not end" || return 1
	tagship-base -C "$W/haikou/root" -q pull >> "$W/pull.log" 2>&1
}

# A base with v1 live, and v2 ordered and downloaded: staging it is all that is left.
stage_world() {
	world_new
	mkdir -p "$SRC/web"
	git init -q "$SRC"
	echo /dist > "$SRC/.gitignore"
	stage_app "$SRC/web" 1
	git -C "$SRC" add -A
	git -C "$SRC" commit -qm 'The shop'
	world_central shop '' web > "$W/central.log" 2>&1 && world_base haikou Asia/Shanghai || return 1
	plain_app haikou "$@"
	stage_release v1 now && tagship-base -C "$W/haikou/root" -q activate > "$W/activate.log" 2>&1 || return 1
	cp -R "$W/haikou/root/journal" "$W/journal-v1"
	stage_release v2 2098-01-01T00:00:00Z || return 1
	[ "$(ls "$W/haikou/app/pre-release")" != '' ] || failed 'v2 is not staged'
}

# As before the pull that staged it. What was staged is moved away: to remove a second name changes the
# numbers of the first.
stage_again() { # NUMBER
	mkdir -p "$W/staged"
	mv "$W/haikou/app/pre-release"/* "$W/staged/$1"
	rm -r "$W/haikou/root/journal"
	cp -R "$W/journal-v1" "$W/haikou/root/journal"
	sync
}

# From an old tree of its own: a second name for its files would make the base's look altered.
stage_by_hand() { # NEW
	cp -al "$W/old" "$W/hand" && rsync -a --delete "$1/" "$W/hand/"
}

took_s() { # COMMAND [ARG...]
	_start=$(date +%s.%N)
	"$@" > "$W/took.log" 2>&1 || failed "$*: $(cat "$W/took.log")" || return 1
	calc "%.3f\\n" "$(date +%s.%N) - $_start"
}

stage_rounds() {
	cp -a "$W/haikou/app/pre-release"/* "$W/new"
	cp -a "$(readlink -f "$W/haikou/app/current")" "$W/old"
	_i=0
	while [ $_i -lt "$STAGE_RUNS" ]; do
		_i=$((_i + 1))
		stage_again $_i
		took_s tagship-stage "$W/haikou/root" >> "$W/ours-s" || return 1
		rm -rf "$W/hand"
		sync
		took_s stage_by_hand "$W/new" >> "$W/hand-s" || return 1
	done
}

section_stage() {
	stage_world 'hard_links = true;' && stage_rounds || return 1
	_ours=$(median < "$W/ours-s") _hand=$(median < "$W/hand-s")
	measured figure stage-times-by-hand "$(calc %.2f "$_ours / $_hand")" 1.5 times \
		"50,000 files and 1 GB, 500 changed, staged and checked: $_ours s; cp -al and rsync: $_hand s (medians of $STAGE_RUNS)"
}
