#!/bin/sh
# What people are told without asking: notices on both sides, durably queued, never in the way of a
# release; the board that the worker keeps; status that is watched, and as metrics.
. "$(dirname "$0")/../lib/world.sh"
world_new
trap world_end EXIT
world_central shop 'sh build.sh' dist
cat > "$W/tell" <<END
#!/bin/sh
# a site's own program: one JSON object on standard input
test ! -e "$W/line-down" || { echo 'mail server away' >&2; exit 75; }
cat >> "\$1"
END
chmod +x "$W/tell"
printf 'notify = [ "%s", "%s" ];\nboard = "%s";\n' "$W/tell" "$W/central-told" "$W/board" >> "$STATE/central.cfg"
world_base berlin Europe/Berlin
ROOT=$W/berlin/root
sed -i "1i notify = [ \"$W/tell\", \"$W/base-told\" ];" "$ROOT/base.cfg"
base() { tagship-base -C "$ROOT" "$@"; }
central() { tagship -C "$STATE" "$@"; }
push() { # VERSION
	world_commit "$1"
	printf 'Shop %s\n\nRelease-At: now\nRelease-To: all\n' "$1" | world_tag "v$1"
	git -C "$SRC" push -q origin main "v$1" > "$W/push" 2>&1
	world_worker_ends
}
go_live() {
	base -q pull > "$W/pull" 2>&1
	base -q activate > "$W/activate" 2>&1
	base -q pull > "$W/pull" 2>&1
	world_worker_ends
	base -q notify
}
told() { # FILE EVENT VERSION
	grep "\"event\":\"$2\"" "$W/$1" | grep -q "\"version\":\"$3\""
}

# ---- notices ----
central notify > "$W/out"
base notify > "$W/out"
ok 'the first look tells no history' [ ! -e "$W/central-told" ]
push 1
ok 'built is told' world_wait 20 told central-told built v1
go_live
central -q notify
for where in central-told base-told; do
	ok "$where: staged" told $where staged v1
	ok "$where: live" told $where live v1
	ok "$where: one JSON object a line, of what it is" [ "$(tail -1 "$W/$where" | perl -MJSON::PP -ne 'print decode_json($_)->{text}')" = 'shop v1 at berlin: live' ]
done
is 'each once' "$(grep -c '"event":"live"' "$W/central-told")" 1
central -q notify
base -q notify
is 'and not again' "$(grep -c '"event":"live"' "$W/central-told") $(grep -c '"event":"live"' "$W/base-told")" '1 1'

central doctor > "$W/out" 2>&1
ok 'doctor: the program, and the board, are there' sh -c "grep -q 'ok   notify: $W/tell' '$W/out' && grep -q 'ok   board: $W/board' '$W/out'"
ok 'and who looks when nothing happens?' has "$W/out" 'the board and notices are not looked after'

# ---- the way is down: nothing waits, nothing is lost ----
touch "$W/line-down" "$SRC/sick"
push 2
ok 'a release goes on' [ "$(central status --json | grep -c '"next_version" : "v2"')" = 1 ]
go_live
rm "$SRC/sick"
is 'what could not be told waits for its minute' "$(base -q notify 2> "$W/err" ; echo $?)" 0
ok 'it waits on disk' [ "$(find "$ROOT/notices" -name '0*' | wc -l)" -ge 1 ]
ok 'and is said' world_wait 20 has "$STATE/log/worker.log" 'mail server away'
world_wait 20 grep -q . "$STATE/notices/seen"
central -q notify 2> "$W/err"
central doctor > "$W/out" 2>&1
ok 'doctor knows that it was not told' grep -q 'BAD  notify: [1-9]* could not be told so far' "$W/out"
chmod -x "$W/tell"
base doctor > "$W/out" 2>&1
ok 'and of a program that cannot be run' grep -q "BAD  notify: $W/tell cannot be run" "$W/out"
chmod +x "$W/tell"
rm "$W/line-down"
# as if the minute were over
for folder in "$ROOT/notices" "$STATE/notices"; do
	sed -i 's/^Next: .*/Next: 2020-01-01T00:00:00Z/' "$folder"/0*
done
base -q notify
central -q notify
ok 'then it is told, with the reason' grep -q '"event":"rolled-back".*"detail":"not healthy' "$W/base-told"
ok 'on both sides' grep -q '"event":"rolled-back".*"detail":"not healthy' "$W/central-told"
ok 'with the end of the log' grep -q '"log_end":"[^"]' "$W/central-told"
echo 'exit 1' > "$SRC/build.sh"
push 3
ok 'a build that fails is told' world_wait 20 told central-told failed v3
git -C "$SRC" checkout -q HEAD~1 -- build.sh

git -C "$SRC" push -q origin :v3 > "$W/push" 2>&1
printf 'Back\n\nRelease-At: now\nRelease-To: all\nRelease-Version: v1\n' | world_tag plan/back
git -C "$SRC" push -q origin plan/back > "$W/push" 2>&1
world_worker_ends
central -q notify
ok 'a plan is told as ordered' told central-told ordered v1
ok 'nothing that was not built is told as built' sh -c "! grep '\"event\":\"built\"' '$W/central-told' | grep -qv '\"version\":\"v[123]\"'"
go_live

# ---- what lasts ----
base -q hold shop 'the database moves, größe'
base -q pull > "$W/pull" 2>&1
central -q notify
is 'in what it was written in' "$(LC_ALL=C.UTF-8 tagship -C "$STATE" status | grep -c 'held: the database moves, größe$')" 1
is 'as JSON, too, anywhere' "$(LC_ALL=C tagship -C "$STATE" status --json | grep -c '"held" : "the database moves, größe"')" 1
base -q hold shop "$(printf 'x\342\200\256y')"
LC_ALL=C.UTF-8 base status > "$W/out"
ok 'but nothing that turns the line round' has "$W/out" 'x\xe2\x80\xaey'
base -q hold shop 'the database moves, größe'
ok 'held is told' grep -q '"event":"held".*the database moves' "$W/central-told"
base -q unhold shop
base -q pull > "$W/pull" 2>&1
central -q notify
ok 'and that it is over' grep -q '"event":"held","over":true' "$W/central-told"
sed -i 's/^Time: .*/Time: 2020-01-01T00:00:00Z/' "$STATE/contacts/berlin"
central -q notify
ok 'a silent base is told' grep -q '"event":"silent".*"base":"berlin".*not heard since 2020' "$W/central-told"
is 'once' "$(central -q notify; grep -c '"event":"silent"' "$W/central-told")" 1

# ---- and the other kinds ----
sed -i '/^Clock-Offset-/d' "$STATE/contacts/berlin"
echo 'Clock-Offset-Ms: 4200' >> "$STATE/contacts/berlin"
touch -d '500 days ago' "$STATE/keys/central" "$ROOT/key"
central -q notify
ok 'a clock that is off is told' grep -q '"event":"clock-off".*"detail":"+4.200 s off' "$W/central-told"
ok 'an old key is told, with what to do' grep -q '"event":"key-old".*tagship key rotate' "$W/central-told"
central doctor > "$W/out" 2>&1
ok 'doctor notes it' has "$W/out" 'note signing key: over a year old'
base -q notify
ok "a base's, too" grep -q '"event":"key-old".*tagship-base key rotate' "$W/base-told"
base doctor > "$W/out" 2>&1
ok 'and its doctor' has "$W/out" 'note key: over a year old'
touch "$STATE/keys/central" "$ROOT/key"
central -q notify
ok 'and that it is none any more' grep -q '"event":"key-old","over":true' "$W/central-told"
head -c 900000 /dev/urandom > "$SRC/web/noise.bin" # more than the line takes in time
world_commit 3b
printf 'Shop\n\nRelease-At: %s\nRelease-To: all\nRelease-Grace: 0s\n' "$(date -u -d '+4 seconds' +%Y-%m-%dT%H:%M:%SZ)" | world_tag v3b
git -C "$SRC" push -q origin main v3b > "$W/push" 2>&1
world_worker_ends
central -q notify
ok 'late is told' grep -q '"event":"late".*"version":"v3b".*expected at' "$W/central-told"
world_faketime
if [ -n "$FAKELIB" ]; then
	world_later 1 tagship -C "$STATE" -q notify > "$W/out" 2>&1
	ok 'overdue is told' grep -q '"event":"overdue".*"version":"v3b"' "$W/central-told"
	world_later 3 tagship-base -C "$ROOT" -q notify > "$W/out" 2>&1
	ok 'an old head is told' grep -q '"event":"head-old".*"base":"berlin"' "$W/base-told"
fi
sleep 4 # its time is over
go_live
central -q notify
for where in central-told base-told; do
	ok "$where: missed" told $where missed v3b
done
git -C "$SRC" rm -q --cached web/noise.bin
rm "$SRC/web/noise.bin"
printf 'notify_events = [ "down" ];\n' >> "$STATE/central.cfg"
lines=$(wc -l < "$W/central-told")
push 4
central -q notify
is 'only what is asked for is told' "$(wc -l < "$W/central-told")" "$lines"

# ---- the board ----
central board > "$W/out"
ok 'the worker has kept the board' has "$W/board/index.html" 'v3b <span class="state s-missed">missed</span>'
ok 'what is printed by hand is the same' has "$W/out" "$W/board/index.html: "
central status --json > "$W/status"
ok 'its status is that of status --json' cmp -s "$W/status" "$W/board/status.json"
is 'another folder is not overwritten' "$(mkdir "$W/www"; echo mine > "$W/www/index.html"; central board "$W/www" 2> "$W/err"; echo $?)" 3
ok 'which is said' has "$W/err" 'is no board of ours'
is 'and stays' "$(cat "$W/www/index.html")" mine

# ---- metrics, and watching ----
central status --metrics > "$W/metrics"
ok 'metrics: what is live' has "$W/metrics" 'tagship_live_info{app="shop",base="berlin",version="v1"} 1'
ok 'metrics: how it ended' has "$W/metrics" 'tagship_end_state{app="shop",base="berlin",version="v3b",state="missed"} 1'
ok 'metrics: each line is one of Prometheus' perl -ne 'exit 1 unless /^# (HELP|TYPE) tagship_\w+ .+$|^tagship_\w+(\{(\w+="([^"\\]|\\.)*",?)+\})? -?[0-9.e+-]+$/' "$W/metrics"
ok 'the same beside the board' has "$W/board/metrics.prom" 'tagship_live_info{app="shop",base="berlin",version="v1"} 1'
world_start watch tagship -C "$STATE" status --watch
world_wait 10 has "$W/watch.log" 'berlin'
push 5
go_live
ok 'a watch shows what is new' world_wait 10 has "$W/watch.log" ' v5 '
world_stop watch INT
done_testing
