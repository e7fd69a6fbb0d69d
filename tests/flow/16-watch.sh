#!/bin/sh
# A base that watches: told of what is new without asking, bundles at their hours only, urgent ones at
# once; what was put off comes when the hours say so; a central that goes away and comes back.
. "$(dirname "$0")/../lib/world.sh"
world_new
trap world_end EXIT
world_central shop 'sh build.sh' dist
world_base berlin Europe/Berlin
ROOT=$W/berlin/root
# asked once a day: whatever comes sooner was told
sed -i 's/^pull_every = .*/pull_every = 86400;/' "$ROOT/base.cfg"
hours() { # HOURS FROM NOW, LENGTH
	echo "[ \"$(date -d "+$1 hours" +%H:%M)-$(date -d "+$(($1 + $2)) hours" +%H:%M)\" ]"
}
echo "pull_hours = $(hours 3 2);" >> "$ROOT/base.cfg"
day_after() { date -u -d '+2 days' '+%Y-%m-%dT%H:%M:00Z'; }
accepted() { has "$ROOT/accepted/shop" "Version: $1"; }
watching() { tagship-base -C "$ROOT" status | grep -q 'watching since'; }
partials() { find "$ROOT/partial" -type f | wc -l; }

world_start watch tagship-base -C "$ROOT" watch
ok 'it connects, and says so' world_wait 20 watching

# a release with time to spare: known at once, downloaded at night
printf 'Shop 1\n\nRelease-At: %s\nRelease-To: all\n' "$(day_after)" | world_tag v1
git -C "$SRC" push -q origin main v1 2> "$W/push1"
ok 'the order is known at once' world_wait 20 accepted v1
sleep 2
is 'its bundle waits for its hours' "$(partials)" 0
is 'central knows it as ordered' "$(world_state shop v1 berlin)" ordered

# one for now comes at any hour
world_commit 2
printf 'Shop 2\n\nRelease-At: now\nRelease-To: all\n' | world_tag v2
git -C "$SRC" push -q origin main v2 2> "$W/push2"
ok 'an urgent one is fetched and staged' world_wait 30 world_is shop v2 berlin staged
ok 'activated' tagship-base -C "$ROOT" -q activate
ok 'it is live, and central was told without being asked' world_wait 30 world_is shop v2 berlin live
is 'the other still waits' "$(world_state shop v1 berlin)" ordered

# the hours are changed: read at the next occasion, which a poke is
sed -i "s/^pull_hours = .*/pull_hours = $(hours 0 2);/" "$ROOT/base.cfg"
: > "$ROOT/poke/new" && mv "$ROOT/poke/new" "$ROOT/poke/now"
ok 'in its hours the other one comes' world_wait 30 world_is shop v1 berlin staged

# base.cfg that cannot be read is said and changes nothing
cp "$ROOT/base.cfg" "$W/base.cfg"
echo 'pull_hours = 3;' >> "$ROOT/base.cfg"
: > "$ROOT/poke/new" && mv "$ROOT/poke/new" "$ROOT/poke/now"
ok 'a broken base.cfg is said' world_wait 20 has "$W/watch.log" 'going on with the configuration of before'
cp "$W/base.cfg" "$ROOT/base.cfg"

# central's state is away for a while (a mount, a move)
mv "$STATE" "$STATE.away"
for pid in $(pgrep -f "$STATE serve berlin"); do kill "$pid"; done
ok 'a lost central is said, with when it is tried again' world_wait 20 has "$W/watch.log" 'trying again in'
ok 'status no longer says that it watches' world_wait 20 sh -c "! tagship-base -C '$ROOT' status | grep -q 'watching since'"
mv "$STATE.away" "$STATE"
ok 'it comes back by itself' world_wait 60 watching
world_commit 3
printf 'Shop 3\n\nRelease-At: now\nRelease-To: all\n' | world_tag v3
git -C "$SRC" push -q origin main v3 2> "$W/push3"
ok 'and is told again' world_wait 30 world_is shop v3 berlin staged

is 'a second watch of the same base is refused' "$(tagship-base -C "$ROOT" watch 2>&1 >/dev/null | grep -c lock/watch)" 1
ok 'a pull by hand goes on beside it' tagship-base -C "$ROOT" -q pull
done_testing
