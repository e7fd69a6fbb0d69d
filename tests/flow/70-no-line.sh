#!/bin/sh
# A base without any line: orders and bundles go there as a file, reports come back as a file. What is
# damaged, old, or another's is refused; nothing is lost when a file is.
. "$(dirname "$0")/../lib/world.sh"
world_new
trap world_end EXIT
FAULTS=$BUILD/faults
world_central shop 'sh build.sh' dist
world_base kerguelen Indian/Kerguelen
world_base berlin Europe/Berlin
ROOT=$W/kerguelen/root
sed -i "s#^upstreams = .*#upstreams = [ \"$W/no-line\" ];#" "$ROOT/base.cfg"
c() { tagship -C "$STATE" "$@"; }
b() { tagship-base -C "$ROOT" "$@"; }
activate() { tagship-activate "$ROOT" --once > "$W/activate" 2>&1; }
exits() { # WHAT WANTED COMMAND...: its exit status; output in $W/out
	_what=$1 _want=$2
	shift 2
	"$@" > "$W/out" 2>&1
	_rc=$?
	is "$_what" $_rc "$_want"
	[ $_rc = "$_want" ] || sed 's/^/# /' "$W/out" | head -n 20
}
says() { ok "$1" has "$W/out" "$2"; }
n=0
release() { # AT
	n=$((n + 1))
	TAG=v$n
	world_commit $n
	printf 'Shop %s\n\nRelease-At: %s\nRelease-To: all\n' $n "$1" | world_tag $TAG
	git -C "$SRC" push -q origin main $TAG > "$W/push" 2>&1
}
in_seconds() { date -u -d "@$(($(date +%s) + $1))" +%Y-%m-%dT%H:%M:%SZ; }
# a file of a later second is a later file
tick() { sleep 1.1; }
accepted() { git -C "$ROOT/mirror.git" rev-parse -q --verify refs/tagship/accepted; }
pending() { find "$ROOT/pending" -type f ! -name '*.sig' | wc -l; }
# everything of the base that an import could change
state() { (accepted; cd "$ROOT" && find accepted partial pending trees journal -type f -exec sha256sum {} + | sort); }

ok 'there is no line' not b pull
exits 'nothing was ordered yet' 3 c export kerguelen "$W/none"
ok 'and no file is left' sh -c "! ls '$W'/none*"

# ---- there and back ----
release now
exits 'export' 0 c export kerguelen "$W/1.orders"
says 'tells what is in it' '1 bundles'
ok 'any tar lists it' sh -c "tar -tf '$W/1.orders' | head -n 1 | grep -qx tagship-export"
tar -xOf "$W/1.orders" tagship-export > "$W/head"
ok 'its head can be read' has "$W/head" 'Base: kerguelen'
exits 'a second export does not overwrite' 1 c export kerguelen "$W/1.orders"
says 'but says what would' '--force'
exits 'with --force it does' 0 c export --force kerguelen "$W/1.orders"
exits 'to standard output' 0 sh -c "tagship -C '$STATE' export kerguelen - | cmp - '$W/1.orders' | head -c 0"
exits 'import at the base' 0 b import "$W/1.orders"
says 'says so' 'new orders, 1 bundles'
ok 'staged' sh -c "tagship-base -C '$ROOT' status | grep -q 'v1 as soon as staged, staged'"
ok 'status knows where from' sh -c "tagship-base -C '$ROOT' status | grep -q 'central: a file of'"
activate
is 'v1 serves' "$(world_answer kerguelen)" 1
is 'central does not guess' "$(world_state shop v1 kerguelen)" ordered
exits 'export of the reports' 0 b export "$W/1.reports"
says 'tells how many' '2 reports'
ok 'any tar lists it' sh -c "tar -tf '$W/1.reports' | grep -q '^reports/.*live.sig\$'"
ok 'they stay pending: the file may be lost' test "$(pending)" = 2
exits 'import at central' 0 c import "$W/1.reports"
says 'tells what was new' '2 reports, 2 of them new'
is 'central says live' "$(world_state shop v1 kerguelen)" live
exits 'status at central' 0 c status
ok 'shows what runs there' grep -q 'kerguelen  *v1' "$W/out"
noted() { git -C "$W/shop.git" log -1 --format=%N --notes=releases v1 | grep -q '^kerguelen: live since'; }
ok 'and its outcome is noted on the commit' world_wait 20 noted
exits 'the same file again is no error' 0 c import "$W/1.reports"
says 'and changes nothing' 'nothing new'
if tagship -C "$STATE" doctor 2>&1 | grep -q 'serving bases: confined by Landlock'; then
	# taken in by a confined process: where a link leads it out of its ledger, it does not get
	LINK=$STATE/ledger/kerguelen.git/config
	mv "$LINK" "$W/config"
	ln -s "$STATE/keys/central" "$LINK"
	exits 'the signing key is out of its reach' 5 c import "$W/1.reports"
	says 'and that is said' 'Permission denied'
	mv "$W/config" "$LINK"
fi
exits "the base's file is nothing for a base" 3 b import "$W/1.reports"
exits "central's file is nothing for central" 3 c import "$W/1.orders"

# ---- at the preset time; the file only has what is new ----
tick
release "$(in_seconds 6)"
exits 'export of the next release' 0 c export kerguelen "$W/2.orders"
says 'has only what is new' '1 ledger entries'
ok 'and a delta' test "$(stat -c %s "$W/2.orders")" -lt "$(stat -c %s "$W/1.orders")"
exits 'import' 0 b import "$W/2.orders"
says 'word of the reports came with it' 'came to central'
is 'nothing of before is pending' "$(find "$ROOT/pending" -name '*.live' | wc -l)" 0
world_start activate tagship-activate "$ROOT" --wait
ok 'v2 goes live at its time' world_wait 20 sh -c "[ \"\$(curl -fsS http://127.0.0.1:$(cat "$W/port-kerguelen")/version.txt)\" = 2 ]"
ok 'and is reported' world_wait 10 sh -c "ls '$ROOT/pending' | grep -q 'live\$'"
world_stop activate
exits 'report' 0 b export "$W/2.reports"
exits 'at central' 0 c import "$W/2.reports"
is 'central says live' "$(world_state shop v2 kerguelen)" live

# ---- what is refused ----
state > "$W/before"
exits 'replay of the older file' 3 b import "$W/1.orders"
says 'with both dates' 'is accepted here'
exits 'replay of the newest' 3 b import "$W/2.orders"
says 'brings nothing' 'brings nothing new'
c import "$W/1.reports" > "$W/out" 2>&1
says 'an older report changes nothing' 'nothing new'
is 'nor what is live' "$(world_state shop v2 kerguelen)" live
exits "another base's file" 0 c export berlin "$W/berlin.orders"
exits 'is refused' 3 b import "$W/berlin.orders"
says 'with its name' '"berlin"'
tick
release "$(in_seconds 3000)"
exits 'export' 0 c export kerguelen "$W/3.orders"
exits 'a file that is none' 4 b import "$SRC/web/app.css"
exits 'a folder' 2 b import "$W"
size=$(stat -c %s "$W/3.orders")
bad=
for at in 100 600 1500 4000 $((size / 2)) $((size - 2000)) $((size - 1600)) $((size - 1)); do
	head -c $at "$W/3.orders" > "$W/short"
	b import "$W/short" > "$W/out" 2>&1
	[ $? = 4 ] || bad="$bad $at"
done
is 'truncated anywhere it is refused' "$bad" ''
# in the content of every member
flip() { perl -e 'local $/; open F, "<", $ARGV[0]; $_ = <F>; substr($_, $ARGV[2], 1) ^= chr(1 << $ARGV[2] % 8); open F, ">", $ARGV[1]; print F $_' "$W/3.orders" "$W/flipped" "$1"; }
perl -e 'open F, "<", $ARGV[0]; while (sysread(F, $h, 512) == 512) { last if $h =~ /^\0/; $s = oct(substr($h, 124, 11)); $at = sysseek(F, 0, 1); print $at + int($s * $_ / 4), "\n" for 0 .. 3; sysseek(F, $at + 512 * int(($s + 511) / 512), 0) }' "$W/3.orders" > "$W/places"
for at in 5 100 130 512 $(cat "$W/places"); do
	flip "$at"
	b import "$W/flipped" > "$W/out" 2>&1
	[ $? = 4 ] || bad="$bad $at"
done
is "a flipped byte is refused ($(wc -l < "$W/places") places in members)" "$bad" ''
state > "$W/after"
ok 'none of them moved anything' diff "$W/before" "$W/after"
tick
exits 'a report file' 0 b export "$W/3.reports"
size=$(stat -c %s "$W/3.reports")
head -c $((size / 2)) "$W/3.reports" > "$W/short"
exits 'truncated' 4 c import "$W/short"
ssh-keygen -q -t ed25519 -N '' -f "$W/thief"
mkdir "$W/forged"
cp -a "$ROOT/." "$W/forged/"
rm "$W/forged/key.pub"
cp "$W/thief" "$W/forged/key"
tagship-base -C "$W/forged" -q export "$W/forged.reports"
exits "a report that another key signed" 4 c import "$W/forged.reports"

# ---- killed on the way ----
cp -a "$ROOT" "$W/root-before"
TAGSHIP_FAULT_LOG=$W/points "$FAULTS/tagship-base" -C "$ROOT" -q import "$W/3.orders" > "$W/out" 2>&1
points=$(wc -l < "$W/points")
ok "import passes fault points ($points)" test "$points" -gt 8
accepted > "$W/accepted"
step=${LONG:+1}
step=${step:-$(((points + 9) / 10))}
at=1
bad=
while [ "$at" -le "$points" ]; do
	rm -rf "$ROOT" "$W/kerguelen/app/pre-release"
	cp -a "$W/root-before" "$ROOT"
	TAGSHIP_FAULT=$at=kill "$FAULTS/tagship-base" -C "$ROOT" -q import "$W/3.orders" > "$W/out" 2>&1
	[ $? = 137 ] || bad="$bad $at:lived"
	b -q import "$W/3.orders" > "$W/out" 2>&1
	rc=$?
	# killed once the orders were accepted, there is nothing left to bring
	[ $rc = 0 ] || [ $rc = 3 ] || bad="$bad $at:$rc"
	[ "$(accepted)" = "$(cat "$W/accepted")" ] || bad="$bad $at:accepted"
	b status | grep -q 'v3 .*, staged' || bad="$bad $at:staged"
	at=$((at + step))
done
is 'killed at any of them, it can be repeated' "$bad" ''

# ---- what a base lacks it asks for ----
tick
tree=$(basename "$(readlink "$W/kerguelen/app/current")")
sed -i 1d "$W/kerguelen/app/releases/$tree/assets/app.css"
release now
exits 'a release' 0 c export kerguelen "$W/4.orders"
b import "$W/4.orders" > "$W/out4" 2>&1
ok 'the old tree was altered: it cannot be staged' not sh -c "tagship-base -C '$ROOT' status | grep -q 'v4 .*, staged'"
tick
exits 'the base says what it wants' 0 b export "$W/4.reports"
exits 'central hears it' 0 c import "$W/4.reports"
says 'and makes it' 'asks for 1 bundles'
ok 'the worker makes it' world_wait 30 sh -c "tagship -C '$STATE' export --force kerguelen '$W/5.orders'"
exits 'import' 0 b import "$W/5.orders"
activate
is 'v4 serves' "$(world_answer kerguelen)" 4

# ---- the line is there for once: both ways in step ----
tick
b export "$W/5.reports" > "$W/out" 2>&1
sed -i "s#^upstreams = .*#upstreams = [ \"$STATE\" ];#" "$ROOT/base.cfg"
exits 'a pull' 0 b -q pull
is 'central has all' "$(world_state shop v4 kerguelen)" live
is 'nothing is pending' "$(pending)" 0
tick
c import "$W/5.reports" > "$W/out" 2>&1
says 'the file then has nothing new' 'nothing new'

# ---- central restored from an older copy, and no line ----
sed -i "s#^upstreams = .*#upstreams = [ \"$W/no-line\" ];#" "$ROOT/base.cfg"
cp -a "$STATE" "$W/backup"
release now
c export kerguelen "$W/6.orders" > "$W/out" 2>&1
exits 'a release after the backup' 0 b import "$W/6.orders"
activate
is 'serves' "$(world_answer kerguelen)" 5
rm -rf "$STATE"
mv "$W/backup" "$STATE"
tick
b export "$W/6.reports" > "$W/out" 2>&1
exits 'central hears of what it lost' 0 c import "$W/6.reports"
exits 'and orders nothing on top' 3 c export kerguelen "$W/7.orders"
says 'but says what to do' 'export --ledger'
tick
exits 'the base gives it back' 0 b export --ledger "$W/7.reports"
exits 'central takes it' 0 c import "$W/7.reports"
says 'back' 'its ledger is back'
git -C "$STATE/ledger/kerguelen.git" log --format=%s reports > "$W/out"
says 'and the reports that it had confirmed' 'v4 live'
ok 'nothing is ordered twice' sh -c "tagship -C '$STATE' worker --once; [ -z \"\$(git -C '$STATE/ledger/kerguelen.git' log --format=%s orders | sed -n 's/.* \(v[0-9]*\) .*/\1/p' | sort | uniq -d | grep -v v4)\" ]"
tick
b export "$W/8.reports" > "$W/out" 2>&1
c import "$W/8.reports" > "$W/out" 2>&1
release now
exits 'the next release' 0 c export kerguelen "$W/8.orders"
exits 'comes as ever' 0 b import "$W/8.orders"
activate
is 'and serves' "$(world_answer kerguelen)" "$n"
done_testing
