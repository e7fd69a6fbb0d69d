#!/bin/sh
# What an operator does at one base at 02:00, with the line down: what waits, was missed or undone
# goes live by hand, a version is pinned, the app put in maintenance, a stop that hangs is killed; what
# belongs to the site and open pages go on. Central hears of all of it when the line is back.
. "$(dirname "$0")/../lib/world.sh"
world_new
trap world_end EXIT
world_central shop 'sh build.sh' dist
sed -i 's/^shared = .*/shared = [ "uploads", "data\/media" ];/' "$STATE/apps.d/shop.cfg"
sed -i 's/^#* *worker = .*/worker = "service";/' "$STATE/central.cfg"
world_base berlin Europe/Berlin 'bridge = "24h";'
ROOT=$W/berlin/root
APPDIR=$W/berlin/app
base() { tagship-base -C "$ROOT" "$@"; }
push() { # VERSION AT [COMMIT]
	rm -f "$SRC"/web/only-*
	echo "only in $1" > "$SRC/web/only-$1.css"
	world_commit "$1"
	printf 'Shop %s\n\nRelease-At: %s\nRelease-To: all\n' "$1" "$2" | world_tag "v$1"
	git -C "$SRC" push -q -o nowait origin main "v$1" > "$W/push" 2>&1
	tagship -C "$STATE" worker --once > "$W/worker" 2>&1
}
line_down() { mv "$STATE" "$STATE.away"; }
line_up() { mv "$STATE.away" "$STATE"; }
refused() { # TEXT PATTERN COMMAND...
	_what=$1 _pattern=$2
	shift 2
	"$@" > "$W/refused" 2>&1
	is "$_what: exit status" $? 3
	ok "$_what: says why" has "$W/refused" "$_pattern"
}

push 1 now
base -q pull > "$W/pull" 2>&1
base activate > /dev/null 2>&1
is 'v1 serves' "$(world_answer berlin)" 1
# ---- shared ----
ok 'the tree links to what all versions share' [ "$(readlink "$APPDIR/current/data/media")" = ../../../shared/data/media ]
echo "a user's" > "$APPDIR/shared/uploads/file.txt"
is 'and it is served' "$(world_answer berlin uploads/file.txt)" "a user's"
rmdir "$APPDIR/shared/data/media"
base doctor > "$W/doctor" 2>&1
ok 'doctor misses a shared folder' has "$W/doctor" "$APPDIR/shared/data/media is missing"
sed -i 's/^mkdir -p dist/mkdir -p dist\/uploads; echo x > dist\/uploads\/x.txt; &/' "$SRC/build.sh"
push 0-bad now
tagship -C "$STATE" log > "$W/jobs"
ok 'a build with files there is refused, by name' has "$W/jobs" 'uploads is shared: each base keeps its own, but the built tree has uploads/x.txt;'
git -C "$SRC" checkout -q HEAD~1 -- build.sh

push 2 '2098-01-01 02:00 base-local'
touch "$SRC/sick"
push 3 '2098-01-02 02:00 base-local'
rm "$SRC/sick"
base -q pull > "$W/pull" 2>&1
line_down

# ---- activate ----
refused 'two could be meant' 'say which version: v2 (staged), v3 (staged)' base activate shop
refused 'an unknown version' 'no order names it; there is: v2' base activate shop v9
refused 'what is live' 'it is live' base activate shop v1
base hold shop 'the fair' > /dev/null
base activate shop v2 > "$W/hand" 2>&1
is 'v2 goes live by hand, ahead of its time' $? 0
is 'and serves' "$(world_answer berlin)" 2
is 'an open page of v1 still finds its file' "$(cat "$APPDIR/bridge/assets/only-1.css")" 'only in 1'
ok 'status tells of the bridge' sh -c "tagship-base -C '$ROOT' status | grep 'bridge to 1 earlier version'"
ok 'the hold stays' sh -c "tagship-base -C '$ROOT' status | grep 'HELD  the fair'"
base hold shop > "$W/hold" 2>&1
is 'a hold without a reason: exit status' $? 2
ok 'says what to write' has "$W/hold" 'tagship-base hold shop REASON'
base unhold shop > /dev/null
base activate shop v3 > "$W/hand" 2>&1
is 'a sick v3 by hand fails' $? 1
ok 'and says what serves' has "$W/hand" 'what was live serves again'
is "the user's file, too" "$(world_answer berlin uploads/file.txt)" "a user's"
is 'the bridge is as it was' "$(cat "$APPDIR/bridge/assets/only-1.css") $(ls "$APPDIR/bridge/assets")" 'only in 1 only-1.css'
is 'v2 still serves' "$(world_answer berlin)" 2
base rollback shop > /dev/null 2>&1
is 'back to v1' "$(world_answer berlin)" 1
# the operator's terminal goes away meanwhile
: > "$W/hand" # what is waited for must not be of before
tagship-base -C "$ROOT" activate shop v2 >> "$W/hand" 2>&1 &
hand=$!
ok 'on to v2 again' world_wait 10 grep -q 'shop v2: stop' "$W/hand"
kill -HUP $hand
kill -INT $hand
wait $hand
is 'which ends though its terminal went away' $? 0
is 'and serves' "$(world_answer berlin)" 2

# ---- a stop that ignores SIGTERM ----
printf '#!/bin/sh\ntrap "" TERM\nwhile :; do sleep 1; done\n' > "$W/hang"
chmod +x "$W/hang"
cp "$ROOT/base.cfg" "$W/base.cfg"
sed -i "s|^  stop = .*|  stop = [ \"$W/hang\" ]; stop_deadline = 11; kill_after = 1;|" "$ROOT/base.cfg"
mkdir "$W/docs"
sed -i "s|^} );|}, { name = \"docs\"; dir = \"$W/docs\"; } );|" "$ROOT/base.cfg"
: > "$W/hand"
base rollback shop >> "$W/hand" 2>&1 &
hand=$!
ok 'a way back begins' world_wait 5 grep -q 'shop v1: stop' "$W/hand"
# ---- what meanwhile cannot be ----
base pin shop v2 > "$W/busy-pin" 2>&1 &
pin=$!
base hold 'the fair' > "$W/busy-hold" 2>&1
is 'a hold of all meanwhile: exit status' $? 5
wait $pin
is 'a pin: exit status' $? 5
ok 'it says what runs' grep -q 'shop is busy: the activation of v1 has run since 2[0-9TZ:-]*; nothing was changed' "$W/busy-pin"
ok 'the hold says whom it left out' has "$W/busy-hold" 'NOT held: shop; all others are'
ok 'and why' has "$W/busy-hold" 'the activation of v1 has run since'
ok 'the other app is held' sh -c "tagship-base -C '$ROOT' status docs | grep 'HELD  the fair'"
wait $hand
is 'the way back fails' $? 1
ok 'and the log says how the command ended' sh -c "tagship-base -C '$ROOT' log shop | grep 'nor 1 s after SIGTERM, killed'"
is 'what was live serves' "$(world_answer berlin)" 2
cp "$W/base.cfg" "$ROOT/base.cfg"

# ---- what an operator may still want stays ----
base -q gc
ok 'gc leaves alone what rolled back' test -d "$(echo "$APPDIR"/releases/v3-*)"

# ---- pin ----
sed -i 's|^  dir = .*|&\n  keep = 0;|' "$ROOT/base.cfg"
refused 'a version that is not here' 'not on this disk; here are: v1, v2, v3' base pin shop v9
base pin shop v3 > /dev/null
ok 'status shows what is pinned' sh -c "tagship-base -C '$ROOT' status | grep '^  pins  v3$'"
base gc > "$W/gc" 2>&1
ok 'gc leaves it alone' test -d "$(echo "$APPDIR"/releases/v3-*)"
base unpin shop v3 > /dev/null
base gc > "$W/gc" 2>&1
ok 'unpinned it goes' not test -d "$(echo "$APPDIR"/releases/v3-*)"
refused 'a tree that is gone' 'its tree is not on this disk any more' base activate shop v3

# ---- maintenance ----
base -q maintenance shop on 'moving the database'
ok 'the flag says why' has "$APPDIR/maintenance" 'moving the database'
is 'status, too' "$(base --json status | perl -MJSON::PP -0777 -e 'print decode_json(<STDIN>)->[0]{maintenance}')" 'moving the database'
base -q maintenance shop off
ok 'and it is gone' not test -e "$APPDIR/maintenance"

# ---- the line is back ----
line_up
base -q pull > "$W/pull" 2>&1
tagship -C "$STATE" log shop v2 > "$W/log2"
is 'central: v2 is live' "$(world_state shop v2 berlin)" live
ok 'by whom, it says' has "$W/log2" 'operator'
is 'central: v3 rolled back' "$(world_state shop v3 berlin)" rolled-back
is 'each of the five ends is in the ledger' "$(git -C "$STATE/ledger/berlin.git" log --format=%s reports | grep -c ' v[23] \(live\|rolled-back\),')" 5
done_testing
