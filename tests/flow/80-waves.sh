#!/bin/sh
# Waves and gates: three waves over six bases, one of which fails in wave two; then all on one version;
# a gate that opens and one that stays shut; bases that are cut off.
. "$(dirname "$0")/../lib/world.sh"
world_new
trap world_end EXIT
world_central shop 'sh build.sh' dist
c() { tagship -C "$STATE" "$@"; }
conf_set() { # FILE KEY VALUE
	sed -i "/^$2 = /d" "$STATE/$1"
	echo "$2 = $3;" >> "$STATE/$1"
}
in_seconds() { date -u -d "@$(($(date +%s) + $1))" +%Y-%m-%dT%H:%M:%SZ; }
plan() { # TAG AT LINE...
	_tag=$1 _at=$2
	shift 2
	{
		printf 'Shop %s\n\nRelease-At: %s\n' "$_tag" "$_at"
		printf '%s\n' "$@"
	} | world_tag "$_tag"
}
push() { git -C "$SRC" push origin main "$1" > "$W/push" 2>&1; }
all() { for _who in a1 b1 b2 c1 c2 c3; do "$@" $_who || return 1; done; }
pull() { tagship-base -C "$W/$1/root" -q pull; }
answers() { all world_answer | tr '\n' ' '; }
states() { for _who in a1 b1 b2 c1 c2 c3; do world_state shop "$1" $_who; echo; done | tr '\n' ' '; }
states_are() { [ "$(states "$1")" = "$2" ]; }

conf_set central.cfg gate_lead 2
for base in a1 b1 b2 c1 c2 c3; do world_base $base Asia/Shanghai; done

# ---- refused, with what to do ----
world_commit 1
refused() { # TEXT WANTED LINE...
	_text=$1 _want=$2
	shift 2
	plan bad "$(in_seconds 600)" "$@"
	push bad
	ok "$_text is refused" has "$W/push" "$_want"
	git -C "$SRC" tag -d bad > /dev/null
}
refused 'a target in no wave' 'no wave has c3' 'Release-To: all' 'Release-Waves: a1; b1, b2, c1, c2 +30m'
refused 'a wave too soon' 'wave 2 begins at' 'Release-To: all' 'Release-Waves: a1; all +1m'
refused 'a wave that is none of the targets' '@nowhere' 'Release-To: a1, b1' 'Release-Waves: a1, @nowhere; all +30m'
refused 'a wave left empty' 'take it out' 'Release-To: a1' 'Release-Waves: a1; a1 +30m'
refused 'a bad gate' 'did you mean all-staged' 'Release-To: all' 'Release-Gate: all-stagd'
plan bad now 'Release-To: all' 'Release-Waves: a1; all +30m'
push bad
ok 'waves with now are refused' has "$W/push" 'waits for nobody'
git -C "$SRC" tag -d bad > /dev/null

# ---- freezes ----
conf_set bases.d/c3.cfg freeze '[ "00:00 to 23:59 stock taking", "23:59 to 00:00 stock taking" ]'
refused 'a time in a freeze' 'frozen' 'Release-To: all'
ok 'it says where and why' grep -q 'c3: .*stock taking' "$W/push"
refused 'an override by whoever comes' 'may not override' 'Release-To: all' 'Release-Override: it burns'
conf_set apps.d/shop.cfg override "[ \"${LOGNAME:-${USER:-$(id -un)}}\" ]"
plan v0 now 'Release-To: c3' 'Release-Override: it burns'
push v0
ok 'who may override it does' has "$W/push" 'ordered: shop v0'
c log shop v0 > "$W/out"
ok 'log shows it' has "$W/out" 'freezes do not count: it burns'
ok 'and it is recorded' sh -c "git -C '$STATE/library.git' log --all --format=%B | grep -q '^Override: it burns'"
conf_set bases.d/c3.cfg freeze '[ ]'
plan v0.0 "$(in_seconds 86400)" 'Release-To: b1, c3' 'Release-Version: v0' 'Release-Gate: all-staged'
push v0.0
conf_set bases.d/c3.cfg freeze '[ "00:00 to 23:59 stock taking", "23:59 to 00:00 stock taking" ]'
tagship -C "$STATE" plan list > "$W/list"
ok 'a freeze that came after a plan: plan list says so' grep -q '^! shop v0 at c3: .*stock taking.*Release-Override' "$W/list"
ok 'of nobody else' sh -c "! grep -q '^! .* at b1' '$W/list'"
ok 'doctor, too' sh -c "tagship -C '$STATE' doctor 2>&1 | grep -q 'at c3: .*stock taking'"
pull b1
tagship-base -C "$W/b1/root" status > "$W/out"
ok 'a base says when its gate is decided, and what if it is cut off then' grep -q 'gate .*all-staged: decided at 20.*; cut off then, it holds$' "$W/out"
tagship -q -C "$STATE" cancel shop v0.0
conf_set bases.d/c3.cfg freeze '[ ]'

# one that begins soon: what is late, or is for now, ends before it
local_minute() { TZ=Asia/Shanghai date -d "@$(($(date +%s) + $1))" +%H:%M; }
conf_set bases.d/c3.cfg freeze "[ \"$(local_minute 7200) to $(local_minute 14400) stock taking\" ]"
plan v0.02 now 'Release-To: c3' 'Release-Version: v0'
push v0.02
ok 'what is for now ends before a freeze' sh -c "git -C '$STATE/ledger/c3.git' log -1 --format=%B orders | grep -q '^Not-After: '"
plan v0.03 "$(in_seconds 3600)" 'Release-To: c3' 'Release-Version: v0' 'Release-Grace: 2h'
push v0.03
grace=$(git -C "$STATE/ledger/c3.git" log -1 --format=%B orders | sed -n 's/^Grace-S: //p')
ok 'and so does the grace of a plan' test "$grace" -gt 3000 -a "$grace" -le 3660
for tag in v0.02 v0.03; do tagship -q -C "$STATE" cancel shop $tag; done
conf_set bases.d/c3.cfg freeze '[ ]'

# ---- too late for this line ----
conf_set apps.d/shop.cfg late '"refuse"'
conf_set bases.d/c2.cfg line_kbit 1
plan v0.1 "$(in_seconds 8)" 'Release-To: c1, c2' 'Release-Version: v0' 'Release-Grace: 2s'
push v0.1
ok 'an order that comes too late is not given' grep -q 'c2 .*not ordered: its bundle would come' "$W/push"
c log shop v0.1 > "$W/out"
ok 'log says so later, too' grep -q '^    c2 not ordered: its bundle would come' "$W/out"
ok 'others are' world_wait 10 sh -c "tagship -C '$STATE' log shop v0.1 | grep -q 'c1 .* ordered'"
ok 'once its time is over it is no longer to come' world_wait 30 sh -c "! tagship -C '$STATE' plan list | grep -q ' c2 .* v0.1 '"
c status > "$W/out"
ok 'nor next' grep -q '^shop  c2 .*  -  ' "$W/out"
tagship -q -C "$STATE" cancel shop v0.1
conf_set bases.d/c2.cfg line_kbit 0
conf_set apps.d/shop.cfg late '"warn"'

# ---- all serve v1 ----
plan v1 now 'Release-To: all'
push v1
# its version 2 is not healthy, while it is sick
sed -i "s#^  health = .*#  health = [ \"sh\", \"-c\", \"! [ -e sick ] || grep -qx 1 current/version.txt\" ];#" "$W/b2/root/base.cfg"
for base in a1 b1 b2 c1 c2 c3; do world_base_run $base; done
ok 'v1 is live everywhere' world_wait 60 states_are v1 'live live live live live live '

# ---- three waves, one base fails in the second ----
world_commit 2
touch "$W/b2/app/sick" # its health check fails
plan v2 "$(in_seconds 8)" 'Release-To: all' 'Release-Waves: a1; b1, b2 +9s; all +18s' \
	'Release-Max-Outage: 8s' 'Release-Grace: 20s'
push v2
ok 'the table has the waves' grep -q 'c3 .* 3 *$' "$W/push"
ok 'wave three never starts' world_wait 60 states_are v2 'live live rolled-back missed missed missed '
is 'who serves what' "$(answers)" '2 2 1 1 1 1 '
c log shop v2 > "$W/out"
ok 'why, in the log' grep -q 'gate-shut, wave 3: b2 of wave 2 is rolled-back' "$W/out"
c status > "$W/out"
json() { c "$@" --json | perl -MJSON::PP -0777 -e '$r=decode_json(<STDIN>); $r=$r->[0] if ref $r eq "ARRAY"; print join(" ", $r->{waves}, $r->{gate}, (map { "$_->{base}:$_->{wave}$_->{cut_off}" } @{$r->{targets}}[0, 1]), map { "$_->{wave}=$_->{open}" } @{$r->{gates}}), "\n"'; }
is 'as JSON' "$(json log shop v2)" '3 alone a1:1go b1:2hold 2=1 3=0'
ok 'and in status' grep -q 'c1: v2 missed: b2 of wave 2 is rolled-back' "$W/out"
tagship-base -C "$W/c1/root" status > "$W/out"
ok 'and at the base' grep -q 'wrong v2 missed: b2 of wave 2 is rolled-back' "$W/out"

# ---- the fix under a new tag ----
rm "$W/b2/app/sick"
world_commit 3
plan v3 "$(in_seconds 7)" 'Release-To: all' 'Release-Waves: a1; b1, b2 +9s; all +18s' \
	'Release-Max-Outage: 8s' 'Release-Gate: all-staged' 'Release-Grace: 20s'
push v3
ok 'the fix is live everywhere' world_wait 60 states_are v3 'live live live live live live '
is 'all serve it' "$(answers)" '3 3 3 3 3 3 '
c log shop v3 > "$W/out"
ok 'the gate was opened' grep -q 'gate-opened, wave 1: 6 of 6 bases were staged' "$W/out"

# ---- outcomes, where developers look ----
note() { git -C "$SRC" fetch -q origin '+refs/notes/*:refs/notes/*' && git -C "$SRC" log -1 --format=%N --notes=releases "$1" > "$W/out"; }
noted() { note "$1" && grep -q "$2" "$W/out"; }
ok 'a note on the commit that is live' world_wait 20 noted v3 '^c3: live since 20.*Z, outage .* s (v3)$'
ok 'and on the one before' noted v2 '^a1: was live from 20.*Z to 20.*Z, outage .* s (v2)$'
ok 'with what went wrong' noted v2 '^b2: rolled-back .*not healthy.* (v2)$'

# ---- stop and resume ----
c stop shop --base b2 'the payment service is down' > "$W/out"
is 'a stop is read within seconds' $? 0
ok 'and says by whom' grep -q 'b2 .*has read it' "$W/out"
world_commit 31
plan v3.1 now 'Release-To: b2, c2'
push v3.1
ok 'elsewhere it goes on' world_wait 30 world_is shop v3.1 c2 live
ok 'here it is staged' world_wait 30 world_is shop v3.1 b2 staged
tagship-base -C "$W/b2/root" status > "$W/out"
ok 'the base says why it waits' grep -q 'STOPPED by central: the payment service is down' "$W/out"
c status > "$W/out"
ok 'central, too' grep -q '^! shop at b2 STOPPED by .*the payment service is down (heard)' "$W/out"
c resume > "$W/out" 2>&1
is 'a stop ends as it was made' $? 3
ok 'what stands is named' has "$W/out" 'shop at b2, stopped by'
c stop shop 'a wider one' > "$W/out"
c resume shop > "$W/out"
is 'and ends' $? 0
ok 'it says what goes on' has "$W/out" 'still stopped: shop at b2'
c resume shop --base b2 > "$W/out"
is 'resume' $? 0
ok 'then it goes live' world_wait 30 world_is shop v3.1 b2 live
c status > "$W/out"
ok 'nothing is stopped any more' sh -c "! grep -q STOPPED '$W/out'"
c stop shop > "$W/out" 2>&1
is 'a stop without a reason: exit status' $? 2
ok 'says what to write' has "$W/out" 'tagship stop shop REASON'
c stop 'everything' > "$W/out" 2>&1
is 'all apps, all bases' "$(grep -c 'has read it' "$W/out")" 6
c resume > "$W/out" 2>&1
is 'and resume' "$(grep -c 'has read it' "$W/out")" 6

# ---- a hotfix planned after, going live before, a bigger release ----
world_commit 5
plan v5 "$(in_seconds 25)" 'Release-To: c2'
push v5
plan hotfix now 'Release-To: c2' 'Release-Version: v3'
git -C "$SRC" push -q origin hotfix > "$W/push" 2>&1
ok 'the hotfix goes at once' world_wait 24 world_is shop hotfix c2 live
ok 'and the bigger one at its time' world_wait 40 world_is shop v5 c2 live
is 'both happened' "$(world_state shop hotfix c2) $(world_answer c2)" 'live 5'

# ---- zone data that disagrees is said before the time ----
mkdir -p "$W/zones/Asia"
cp /usr/share/zoneinfo/tzdata.zi "$W/zones/"
cp /usr/share/zoneinfo/Asia/Tokyo "$W/zones/Asia/Shanghai"
world_stop run-c3
plan zones 2097-03-01T02:00Z 'Release-To: c3' 'Release-Version: v3.1'
push zones
TZDIR=$W/zones pull c3 > "$W/out" 2>&1
ok 'at the base' grep -q 'v3.1: the zone data here makes 2097-03-01 11:00:00 +09:00' "$W/out"
c status > "$W/out"
ok 'and at central' grep -q '^! shop at c3: v3.1 staged, but: the zone data' "$W/out"
tagship -q -C "$STATE" cancel shop zones
world_base_run c3

# ---- cut off ----
for base in a1 b1; do world_stop run-$base; done
world_commit 4
at=$(in_seconds 14)
plan v4 "$at" 'Release-To: a1, b1, c1' 'Release-Gate: quorum 60%' 'Release-Grace: 5s'
plan v4-go "$at" 'Release-To: b1' 'Release-Version: v4' 'Release-Gate: all-staged' 'Release-If-Cut-Off: go'
push v4
git -C "$SRC" push -q origin v4-go > "$W/push" 2>&1
pull a1
pull b1
is 'staged at the two without a line' "$(world_state shop v4 a1) $(world_state shop v4-go b1)" 'staged staged'
# from now on they have none, and activate by themselves
for base in a1 b1; do world_start "only-$base" tagship-activate "$W/$base/root" --wait; done
ok 'the quorum was met: who hears it goes' world_wait 40 world_is shop v4 c1 live
ok 'who is cut off goes, where the plan says so' world_wait 20 sh -c "ls '$W/b1/root/pending' | grep -q 'live\$'"
ok 'and holds, where it does not' world_wait 20 sh -c "ls '$W/a1/root/pending' | grep -q 'missed\$'"
is 'who serves what' "$(answers)" '3 4 31 4 5 3 '
ok 'a cancel' c -q cancel shop v4-go
c status > "$W/out"
ok 'central shows that it only asked' sh -c "grep 'b1 .*cancel-asked' '$W/out' || { cat '$W/out'; false; }"
pull b1
pull b1
ok 'a cancel that comes too late is answered so' sh -c "git -C '$STATE/ledger/b1.git' log --format=%B reports | grep -q '^Event: too-late'"
pull a1
is 'the reports come later, and are right' "$(world_state shop v4-go b1) $(world_state shop v4 a1)" 'live missed'
c log shop v4 > "$W/out"
ok 'with the reason' grep -q 'cut off from central' "$W/out"
done_testing
