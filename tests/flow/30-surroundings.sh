#!/bin/sh
# Bad surroundings: builds that fail, hang, leave children, fill the disk, write what may not be
# released; bases whose commands hang or fail, whose disk is full, whose tree or `current` was
# changed by hand. Each ends in a said state, the old version serves, and the next release works.
. "$(dirname "$0")/../lib/world.sh"
world_new
trap world_end EXIT
world_central shop 'sh build.sh' dist --build-time 4
world_base berlin Europe/Berlin
ROOT=$W/berlin/root
APPDIR=$W/berlin/app
pull() { tagship-base -C "$ROOT" -q pull && tagship-base -C "$ROOT" -q activate; }
n=0
release() { # sets TAG; pushes a new version with the current tree
	n=$((n + 1))
	TAG=v$n
	world_commit $n
	printf 'Shop %s\n\nRelease-At: now\nRelease-To: all\n' $n | world_tag $TAG
	git -C "$SRC" push -q origin main $TAG > "$W/push" 2>&1
}
release_state() {
	tagship -C "$STATE" log shop "$1" --json | perl -MJSON::PP -0777 -e 'print decode_json(<STDIN>)->{state}'
}
good() { # the next release works
	git -C "$SRC" checkout -q "$GOOD" -- build.sh
	release
	pull > "$W/pull" 2>&1
	is "after $1 the next release works" "$(world_answer berlin)" "$n"
}
release
GOOD=$(git -C "$SRC" rev-parse HEAD)
pull > "$W/pull" 2>&1
is 'v1 serves' "$(world_answer berlin)" 1

# ---- builds ----
bad_build() { # WHAT BUILD.SH WANTED-TEXT
	printf '%s\n' "$2" > "$SRC/build.sh"
	release
	is "$1: the release says build-failed" "$(release_state $TAG)" build-failed
	ok "$1: the pusher is told why" grep -qF -- "$3" "$W/push"
	ok "$1: and how to retry without a new commit" grep -q "retry shop-$TAG-" "$W/push"
	is "$1: the old version serves" "$(world_answer berlin)" "$SERVES"
}
SERVES=1
bad_build 'a build that fails' 'echo about to fail; exit 3' 'exit 3'
ok 'with the last lines of its log' has "$W/push" 'about to fail'
bad_build 'a build that hangs' 'sleep 600' 'longer than 4 s'
ok 'nothing of it is left' sh -c "! pgrep -f 'sleep 600' | xargs -r ps -o args= -p | grep -x 'sleep 600'"
bad_build 'a build that writes a FIFO' 'mkdir -p dist && mkfifo dist/pipe' 'pipe: a FIFO'
bad_build 'a build that writes a setuid file' 'mkdir -p dist && echo x > dist/su && chmod 4755 dist/su' 'su'
bad_build 'a build whose link leaves the tree' 'mkdir -p dist && ln -s /etc/passwd dist/pw' 'pw'
bad_build 'a build whose link climbs out' 'mkdir -p dist/a && ln -s ../../x dist/a/up' 'a/up'
bad_build 'a build without output' 'true' 'dist'
good 'bad builds'
SERVES=$n

cat > "$SRC/build.sh" <<'END'
mkdir -p dist
cp VERSION dist/version.txt
echo ok > dist/healthz
(sleep 777 &) 
(setsid sleep 777 > /dev/null 2>&1 &)
END
release
is 'a build that leaves children behind is done' "$(release_state $TAG)" ordered
ok 'and they are gone' sh -c "! pgrep -x -f 'sleep 777'"
pull > "$W/pull" 2>&1

# bwrap is missing: a mount namespace whose /usr/bin has all but it
without_bwrap() { # COMMAND...
	mkdir -p "$W/usr-bin"
	[ "$(id -u)" = 0 ] && as=-m || as=-rm
	unshare "$as" sh -c '
		real=$1
		shift
		mount --bind /usr/bin "$real" && mount -t tmpfs none /usr/bin &&
			"$real/ln" -s "$real"/* /usr/bin/ && rm /usr/bin/bwrap && "$@"
	' sh "$W/usr-bin" "$@"
}
SERVES=$n
git -C "$SRC" checkout -q "$GOOD" -- build.sh
n=$((n + 1))
TAG=v$n
world_commit $n
printf 'Shop %s\n\nRelease-At: now\nRelease-To: all\n' $n | world_tag $TAG
world_worker_ends
without_bwrap git -C "$SRC" push -q origin main $TAG > "$W/push" 2>&1
is 'without bwrap: the push is taken' "$(git -C "$W/shop.git" rev-parse -q --verify "$TAG^{commit}")" "$(git -C "$SRC" rev-parse HEAD)"
is 'the release says build-failed' "$(release_state $TAG)" build-failed
ok 'the pusher is told what is missing' grep -q 'bwrap' "$W/push"
ok 'and what to do' grep -q 'apt-get install bubblewrap' "$W/push"
without_bwrap tagship -C "$STATE" doctor > "$W/doctor" 2>&1
is 'doctor exits 1' $? 1
ok 'and names it, too' grep -q 'bwrap' "$W/doctor"
is 'nothing was built unconfined' "$(tagship -C "$STATE" app show shop | grep -c "# version $TAG")" 0
is 'without bwrap: the old version serves' "$(world_answer berlin)" "$SERVES"
job=$(sed -n 's/.*tagship: job \(shop-[^ ]*\).*/\1/p' "$W/push" | head -n 1)
world_worker_ends
ok 'with bwrap back, retry' tagship -C "$STATE" retry "$job"
ok 'builds it' tagship -C "$STATE" wait "$job"
pull > "$W/pull" 2>&1
is 'and the release works' "$(world_answer berlin)" "$n"

# a failed build is retried without a new commit, once its surroundings are mended
printf 'exit $(cat /etc/tagship-none 2>/dev/null || echo 1)\n' > "$SRC/build.sh"
release
is 'fails first' "$(release_state $TAG)" build-failed
job=$(sed -n 's/.*tagship: job \(shop-[^ ]*\).*/\1/p' "$W/push" | head -n 1)
sed -i 's/^build = .*/build = "mkdir -p dist; cp VERSION dist\/version.txt; echo ok > dist\/healthz";/' "$STATE/apps.d/shop.cfg"
ok 'retry' tagship -C "$STATE" retry "$job"
ok 'wait gives the build'\''s exit status' tagship -C "$STATE" wait "$job"
is 'now it is ordered' "$(release_state $TAG)" ordered
pull > "$W/pull" 2>&1
is 'and serves' "$(world_answer berlin)" "$n"
sed -i 's/^build = .*/build = "sh build.sh";/' "$STATE/apps.d/shop.cfg"

# the disk fills up: a build that writes for ever on a small disk
if [ "$(id -u)" = 0 ] && command -v mkfs.ext4 > /dev/null && truncate -s 64M "$W/disk" && mkfs.ext4 -q "$W/disk" 2> /dev/null; then
	mkdir "$W/small"
	if mount -o loop "$W/disk" "$W/small" 2> /dev/null; then
		cp -a "$STATE/work" "$W/work.before"
		rm -rf "$STATE/work"
		mkdir "$STATE/work"
		mount --bind "$W/small" "$STATE/work"
		sed -i 's/^#* *min_free_mb = .*/min_free_mb = 8;/' "$STATE/central.cfg"
		bad_fill() { bad_build 'a build that fills the disk' 'mkdir -p dist; i=0; while dd if=/dev/zero of=dist/f$i bs=1M count=4 2>/dev/null; do i=$((i+1)); sleep 0.05; done; sleep 3' 'free'; }
		SERVES=$n
		bad_fill
		umount "$STATE/work"
		umount "$W/small"
	fi
fi
good 'a full disk'
SERVES=$n

# ---- bases ----
cp "$ROOT/base.cfg" "$W/base.cfg"
command_is() { # PHASE ARGV-TEXT [MORE]
	sed -i "s#^  $1 = .*#  $1 = $2; ${3:-}#" "$ROOT/base.cfg"
}
bad_base() { # WHAT STATE TEXT-IN-LOG
	release
	pull > "$W/pull" 2>&1
	is "$1: central says $2" "$(world_state shop $TAG berlin)" "$2"
	tagship -C "$STATE" log shop $TAG > "$W/log"
	ok "$1: and why" grep -qi -- "$3" "$W/log"
	is "$1: the old version serves" "$(world_answer berlin)" "$SERVES"
	cp "$W/base.cfg" "$ROOT/base.cfg"
}
command_is stop '[ "sleep", "700" ]' 'stop_deadline = 1;'
bad_base 'a stop that hangs' rolled-back 'stop'
command_is start '[ "sh", "-c", "echo cannot start; exit 4" ]'
release
pull > "$W/pull" 2>&1
# the same start command serves both versions: nothing healthy serves, people must be told
is 'a start that always fails ends down' "$(world_state shop $TAG berlin)" down
tagship -C "$STATE" log shop $TAG > "$W/log"
ok 'with the output of start' has "$W/log" 'cannot start'
tagship-base -C "$ROOT" -q hold shop 'until somebody looked'
tagship-base -C "$ROOT" status > "$W/status"
ok 'status there says it is down' grep -q 'is DOWN: nothing healthy' "$W/status"
ok 'and why, held or not' grep -q "wrong $TAG down: start" "$W/status"
is 'for machines, too' "$(tagship-base -C "$ROOT" status --json | perl -MJSON::PP -0777 -e 'print decode_json(<STDIN>)->[0]{down}')" 1
ok 'doctor there fails for it' sh -c "! tagship-base -C '$ROOT' doctor > '$W/doctor' && grep -q 'shop is down' '$W/doctor'"
tagship-base -C "$ROOT" -q unhold shop
cp "$W/base.cfg" "$ROOT/base.cfg"
good 'a start that fails'
SERVES=$n
# shellcheck disable=SC2016
command_is start '[ "sh", "-c", "case $TAGSHIP_VERSION in *BAD*) exit 4;; esac; exec \\"$0\\" start \\"$1\\" \\"$2\\"", "'"$LIB"'/webserver", "'"$APPDIR"'", "'"$(cat "$W/port-berlin")"'" ]'
sed -i "s/BAD/v$((n + 1))/" "$ROOT/base.cfg"
bad_base 'a start that fails for the new version only' rolled-back 'start'
command_is health '[ "false" ]'
sed -i 's/^  health_time = .*/  health_time = 1;/' "$ROOT/base.cfg"
release
pull > "$W/pull" 2>&1
is 'a health check that never passes, not even for the old version, ends down' "$(world_state shop $TAG berlin)" down
cp "$W/base.cfg" "$ROOT/base.cfg"
good 'a health check that never passes'
SERVES=$n

# a report that is damaged here, or that central cannot read
echo 'no report' > "$ROOT/pending/damaged"
tagship-base -C "$ROOT" -q pull > "$W/pull" 2>&1
is 'a damaged report: the pull says so' $? 4
ok 'and which' has "$W/pull" 'pending/damaged'
release
tagship-base -C "$ROOT" -q pull > "$W/pull" 2>&1
tagship-base -C "$ROOT" -q activate > /dev/null 2>&1
is 'and keeps nothing back' "$(world_answer berlin)" "$n"
rm "$ROOT/pending/damaged"
SERVES=$n

# a disk that is full at the base
sed -i 's/^min_free_mb = .*/min_free_mb = 99999999;/' "$ROOT/base.cfg"
release
tagship-base -C "$ROOT" pull > "$W/pull" 2>&1
ok 'a full disk at the base is said' grep -qi 'free' "$W/pull"
tagship-base -C "$ROOT" -q activate > /dev/null 2>&1
is 'the old version serves' "$(world_answer berlin)" "$SERVES"
cp "$W/base.cfg" "$ROOT/base.cfg"
pull > "$W/pull" 2>&1
is 'with room again it goes live' "$(world_answer berlin)" "$n"
SERVES=$n

# the live tree was altered by hand: named, another way is taken, the release goes on
echo tampered >> "$APPDIR/current/version.txt"
release
tagship-base -C "$ROOT" pull > "$W/pull" 2>&1
ok 'an altered old file is named' grep -q 'version.txt' "$W/pull"
tagship-base -C "$ROOT" -q activate > /dev/null 2>&1
is 'and the release goes live all the same' "$(world_answer berlin)" "$n"
SERVES=$n

# the staged tree was altered between staging and activation
release
tagship-base -C "$ROOT" -q pull > "$W/pull" 2>&1
staged=$(ls -d "$APPDIR"/pre-release/*)
echo tampered >> "$staged/version.txt"
tagship-base -C "$ROOT" -q activate > "$W/activate" 2>&1
is 'an altered staged tree does not go live' "$(world_answer berlin)" "$SERVES"
tagship-base -C "$ROOT" -q pull > /dev/null 2>&1
is 'central says failed' "$(world_state shop $TAG berlin)" failed
tagship -C "$STATE" log shop $TAG > "$W/log"
ok 'with the file' has "$W/log" 'version.txt'
good 'an altered staged tree'
SERVES=$n

# `current` was changed by hand
live=$(basename "$(readlink "$APPDIR/current")")
for t in "$APPDIR"/releases/*; do
	other=$(basename "$t")
	[ "$other" = "$live" ] || break
done
ln -sfn "releases/$other" "$APPDIR/current"
ok 'doctor at the base sees a changed current' sh -c "tagship-base -C '$ROOT' doctor | grep -q 'changed it by hand'"
good 'current was changed by hand'
tagship -C "$STATE" log shop $TAG > "$W/log"
ok 'and the report says so' grep -q 'current' "$W/log"
# live, last good and two kept; not while something is due
tagship-base -C "$ROOT" -q pull
ok 'versions beyond the kept ones went by themselves' sh -c "
	test \$(ls -A '$APPDIR/releases' | wc -l) -le 4 && grep -q 'Event: pruned' '$ROOT/journal/shop'"
tagship-base -C "$ROOT" -q gc
is 'after gc nothing is left in pre-release' "$(ls -A "$APPDIR/pre-release")" ''
# a tree that goes takes second names of files with it, which changes the numbers of the others: by
# those that are kept nothing would have to be hashed again
sed -i 's/^  dir = .*/&\n  hard_links = true;/' "$ROOT/base.cfg"
for _ in 1 2 3 4 5; do good 'hard links'; done
tagship-base -C "$ROOT" -q pull
live=$(readlink -f "$APPDIR/current")
set -- "$APPDIR"/releases/*
is 'what is left shares files' "$(stat -c %h "$live/healthz")" $#
stats=$(ls "$ROOT"/trees/"${live##*-}"*.stat)
ok 'and has its numbers as they are' grep -q " $(stat -c %Z "$live/healthz")\.[0-9]* healthz\$" "$stats"
done_testing
