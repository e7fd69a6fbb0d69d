#!/bin/sh
# A site with a base and two more servers that have the base as upstream: what comes over the line
# comes once, all three go live at the same minute, each checks for itself, and central hears of every
# one of them.
. "$(dirname "$0")/../lib/world.sh"
world_new
trap world_end EXIT
world_central shop 'sh build.sh' dist
world_base haikou Asia/Shanghai
ROOT=$W/haikou/root
# what is asked of central
cat > "$W/central-serve" <<END
#!/bin/sh
echo "\$SSH_ORIGINAL_COMMAND" >> "$W/asked"
exec "$BUILD/tagship" "\$@"
END
chmod +x "$W/central-serve"
sed -i "s#^serve_command = .*#serve_command = \"$W/central-serve\";#" "$ROOT/base.cfg"
: > "$W/asked"
c() { tagship -C "$STATE" "$@"; }
b() { tagship-base -C "$ROOT" "$@"; }
n() { _n=$1; shift; tagship-base -C "$W/$_n/root" "$@"; }
exits() { # WHAT WANTED COMMAND...: its exit status; output in $W/out
	_what=$1 _want=$2
	shift 2
	"$@" > "$W/out" 2>&1
	_rc=$?
	is "$_what" $_rc "$_want"
	[ $_rc = "$_want" ] || sed 's/^/# /' "$W/out" | head -n 20
}
says() { ok "$1" has "$W/out" "$2"; }
gets() { grep -c '^get ' "$W/asked" || true; }
# States of the nodes of a release, as central knows them: "web1=live web2=failed"
node_states() { # TAG
	tagship -C "$STATE" log shop "$1" --json 2> /dev/null |
		perl -MJSON::PP -0777 -e '$r=decode_json(<STDIN>); print join " ", map { "$_->{node}=" . ($_->{state} // "-") } map { @{$_->{nodes}} } @{$r->{targets}}'
}
nodes_are() { [ "$(node_states "$1")" = "$2" ]; }
in_seconds() { date -u -d "@$(($(date +%s) + $1))" +%Y-%m-%dT%H:%M:%SZ; }
r=0
release() { # AT
	r=$((r + 1))
	TAG=v$r
	world_commit $r
	printf 'Shop %s\n\nRelease-At: %s\nRelease-To: all\n' $r "$1" | world_tag $TAG
	git -C "$SRC" push -q origin main $TAG > "$W/push" 2>&1
}
node() { # NAME
	_port=$(world_port)
	echo "$_port" > "$W/port-$1"
	tagship-base -q -C "$W/$1/root" init haikou --node "$1" --join "$JOIN" > "$W/enrol" || return 1
	mkdir -p "$W/$1/app"
	sed -i '/^apps = ( );/d' "$W/$1/root/base.cfg"
	cat >> "$W/$1/root/base.cfg" <<END
min_free_mb = 8;
watch = false;
pull_every = 1;
serve_command = "$BUILD/tagship-base";
apps = ( {
  name = "shop";
  dir = "$W/$1/app";
  stop = [ "$LIB/webserver", "stop", "$W/$1/app", "$_port" ];
  start = [ "$LIB/webserver", "start", "$W/$1/app", "$_port" ];
  health = [ "$LIB/webserver", "health", "$W/$1/app", "$_port" ];
  health_time = 3;
  health_every_ms = 200;
} );
END
	BASES="$BASES $1"
}
all() { for _who in haikou web1 web2; do "$@" $_who || return 1; done; }
pull() { tagship-base -C "$W/$1/root" -q pull; }
activate() { tagship-activate "$W/$1/root" --once; }

# ---- enrolment ----
exits 'a join line for nodes' 0 b -q node join
says 'names the base as upstream' "$ROOT#central="
JOIN=$(sed -n "s/.*--join '\(.*\)'/\1/p" "$W/out")
ok 'a node is made' node web1
key1=$(sed -n "s/.*--key '\([^']*\)'.*/\1/p" "$W/enrol")
ok 'it prints the line for the base' has "$W/enrol" 'tagship-base node add web1 --key'
exits 'it cannot pull yet' 1 n web1 -q pull
exits 'node add' 0 b node add web1 --key "$key1"
exits 'a second time' 1 b node add web1 --key "$key1"
exits 'node add with a bad key' 2 b node add web3 --key 'ssh-rsa AAAA'
exits 'node add with a bad name' 2 b node add ../x --key "$key1"
# the other one by ssh
world_sshd 2> /dev/null
exits 'a join line by ssh' 0 b -q node join --url "$UPSTREAM" --host-key "$W/sshd/host_key.pub"
says 'pins the host key' '&host='
JOIN=$(sed -n "s/.*--join '\(.*\)'/\1/p" "$W/out")
ok 'another node' node web2
key2=$(sed -n "s/.*--key '\([^']*\)'.*/\1/p" "$W/enrol")
exits 'node add' 0 b node add web2 --key "$key2"
exits 'authorized-keys' 0 b authorized-keys
says 'has a line each' "serve web2\" $key2 web2"
b authorized-keys > "$W/sshd/authorized_keys"
exits 'node list' 0 b node list
says 'has them' 'web2  never'
exits 'node list --json' 0 b node list --json
ok 'is JSON' sh -c "perl -MJSON::PP -0777 -e 'decode_json(<STDIN>)' < '$W/out'"

# ---- the first release: the nodes have nothing, and ask ----
release now
ok 'the base pulls' pull haikou
is 'the bundle came over the line' "$(gets)" 1
ok 'the nodes pull from the base' sh -c "tagship-base -C '$W/web1/root' -q pull && tagship-base -C '$W/web2/root' -q pull"
is 'and not over the line' "$(gets)" 1
all activate > "$W/activate" 2>&1
all pull > "$W/pull" 2>&1
is 'all serve v1' "$(world_answer haikou) $(world_answer web1) $(world_answer web2)" '1 1 1'
ok 'the base reports' pull haikou
is 'central knows of the base' "$(world_state shop v1 haikou)" live
is 'and of every node' "$(node_states v1)" 'web1=live web2=live'
exits 'tagship status' 0 c status
ok 'shows the nodes beneath their base' grep -q '^ *web2  *v1 .*live' "$W/out"
exits 'log' 0 c log shop v1
ok 'has them' grep -q 'node web1 .*live .*outage' "$W/out"
exits 'status at the base' 0 b status
says 'too' 'shop v1'
ok 'and doctor' sh -c "tagship-base -C '$ROOT' doctor | grep -q 'node web2: heard'"
reports=$(git -C "$STATE/ledger/haikou.git" rev-list --count reports)
ok 'another pull has nothing to tell' pull haikou
is 'no report twice' "$(git -C "$STATE/ledger/haikou.git" rev-list --count reports)" "$reports"
ok 'the ledger is sound' sh -c "tagship -C '$STATE' doctor | grep -q 'ledger verified'"

# ---- at the preset time, everywhere ----
at=$(in_seconds 12)
release "$at"
pull haikou > "$W/pull" 2>&1
is 'one delta came over the line' "$(gets)" 2
pull web1 > "$W/pull" 2>&1
pull web2 >> "$W/pull" 2>&1
is 'for all' "$(gets)" 2
ok 'staged at a node' sh -c "tagship-base -C '$W/web1/root' status | grep -q 'v2 .*, staged'"
for who in haikou web1 web2; do world_start "activate-$who" tagship-activate "$W/$who/root" --wait; done
ahead=
[ "$(date +%s)" -ge "$(date -d "$at" +%s)" ] || ahead=1
is_live() { grep -q 'Event: live' "$W/$1/root/pending/"*.live 2> /dev/null; }
for who in haikou web1 web2; do world_wait 40 is_live $who; done
times=$(cat "$W"/*/root/pending/*.live | sed -n 's/^Time: //p')
for who in haikou web1 web2; do world_stop "activate-$who"; done
is 'all serve v2' "$(world_answer haikou) $(world_answer web1) $(world_answer web2)" '2 2 2'
early=$(for t in $times; do [ "$(date -d "$t" +%s)" -ge "$(date -d "$at" +%s)" ] || echo "$t"; done)
is 'none before its time' "$early" ''
# where staging was done before, which a slow machine may not have managed
most=$(($(date -d "$at" +%s) + 60))
[ -z "$ahead" ] || is 'and in one minute' "$(for t in $times; do [ "$(date -d "$t" +%s)" -lt $most ] || echo "$t"; done)" ''
all pull > "$W/pull" 2>&1
pull haikou > "$W/pull" 2>&1
is 'central knows' "$(node_states v2)" 'web1=live web2=live'

# ---- a node whose tree is altered after staging ----
release "$(in_seconds 20)"
all pull > "$W/pull" 2>&1
tree=$(find "$W/web2/app/pre-release" -mindepth 1 -maxdepth 1 -name 'v3-*')
echo 'by hand' >> "$tree/index.html"
for who in haikou web1 web2; do world_start "activate-$who" tagship-activate "$W/$who/root" --wait; done
for who in haikou web1; do world_wait 60 is_live $who; done
world_wait 60 sh -c "ls '$W/web2/root/pending/' | grep -q 'failed\$'"
for who in haikou web1 web2; do world_stop "activate-$who"; done
is 'two serve v3, one does not' "$(world_answer haikou) $(world_answer web1) $(world_answer web2)" '3 3 2'
all pull > "$W/pull" 2>&1
pull haikou > "$W/pull" 2>&1
is 'the site says so' "$(node_states v3)" 'web1=live web2=failed'
is 'the base itself is live' "$(world_state shop v3 haikou)" live
exits 'status' 0 c status
ok 'has it among what went wrong' grep -q '^! shop at haikou, node web2: v3 failed: .*index.html' "$W/out"

# ---- a node that holds another tree: its bundle comes over the line for it ----
release now
pull haikou > "$W/pull" 2>&1
before=$(gets)
pull web2 > "$W/out" 2>&1
ok 'it asked at the base' sh -c "ls '$ROOT/nodes/web2/wants' | grep -q . || tagship-base -C '$W/web2/root' status | grep -q 'v4 .*, staged'"
ok 'the base gets it' world_wait 60 sh -c "tagship-base -C '$ROOT' -q pull; tagship-base -C '$W/web2/root' -q pull; tagship-base -C '$W/web2/root' status | grep -q 'v4 .*, staged'"
ok 'one more transfer at most' test "$(gets)" -le $((before + 1))
pull web1 > "$W/out" 2>&1
all activate > "$W/activate" 2>&1
all pull > "$W/pull" 2>&1
pull haikou > "$W/pull" 2>&1
is 'all serve v4' "$(world_answer haikou) $(world_answer web1) $(world_answer web2)" '4 4 4'
is 'central knows' "$(node_states v4)" 'web1=live web2=live'

# ---- bundles are kept for nodes ----
release now
pull haikou > "$W/pull" 2>&1
activate haikou > "$W/activate" 2>&1
pull haikou > "$W/pull" 2>&1
is 'the base is live first' "$(world_state shop v5 haikou)" live
before=$(gets)
exits 'gc at the base' 0 b gc
pull web1 > "$W/pull" 2>&1
pull web2 > "$W/pull" 2>&1
is 'what the nodes still need is there' "$(gets)" "$before"
all activate > "$W/activate" 2>&1
all pull > "$W/pull" 2>&1
is 'all serve v5' "$(world_answer haikou) $(world_answer web1) $(world_answer web2)" '5 5 5'
exits 'gc' 0 b gc
is 'then the bundles go' "$(find "$ROOT/partial" -type f | wc -l)" 0
pull haikou > "$W/pull" 2>&1

# ---- a node is told what is new ----
sed -i 's/^watch = false;/watch = true;/' "$W/web2/root/base.cfg"
world_start watch tagship-base -C "$W/web2/root" watch
release "$(in_seconds 3000)"
pull haikou > "$W/pull" 2>&1
ok 'and stages it' world_wait 60 sh -c "tagship-base -C '$W/web2/root' status | grep -q '$TAG .*, staged'"
world_stop watch
# a new one lacks what nobody has: a base that watches asks central for it, and fetches it, at once
sed -i 's/^pull_every = .*/pull_every = 86400;/' "$ROOT/base.cfg"
world_start base-watch tagship-base -C "$ROOT" watch
ok 'the base watches' world_wait 20 sh -c "tagship-base -C '$ROOT' status | grep -q 'watching since'"
node web3
b -q node add web3 --key "$(sed -n "s/.*--key '\([^']*\)'.*/\1/p" "$W/enrol")"
b authorized-keys > "$W/sshd/authorized_keys"
before=$(gets)
staged() { n "$1" -q pull > "$W/pull" 2>&1; n "$1" status | grep -q "$2 .*, staged"; }
ok 'a new node gets what it asked for' world_wait 60 staged web3 v5
n web3 activate > "$W/activate" 2>&1
is 'and goes live' "$(world_answer web3)" 5
ok 'then what comes later' world_wait 60 staged web3 $TAG
is 'once came what is whole, and nothing that was outdated already' "$(gets)" $((before + 1))
world_stop base-watch
b -q node remove web3
unset GIT_SSH_COMMAND
ok 'a plain git fetch works, too' git -C "$W/web2/root/mirror.git" fetch -q
is 'what it sees is what the base accepted' "$(git -C "$W/web2/root/mirror.git" rev-parse refs/tagship/seen)" "$(git -C "$ROOT/mirror.git" rev-parse refs/tagship/accepted)"
is 'and nothing else' "$(git -C "$W/web2/root/mirror.git" ls-remote -q | cut -f2)" refs/heads/orders
ok 'by a path as well' git -C "$W/web1/root/mirror.git" fetch -q

# ---- who is who ----
serve_as() { SSH_ORIGINAL_COMMAND=$2 tagship-base -C "$ROOT" serve "$1" < /dev/null; }
exits 'a node that is none' 1 serve_as web9 hello
exits 'no shell' 2 tagship-base -C "$ROOT" serve web1
exits 'give is not for nodes' 5 serve_as web1 give
cp "$W/web2/root/key" "$W/web1/root/key"
release now
pull haikou > "$W/pull" 2>&1
pull web1 > "$W/pull" 2>&1
is 'a report with the key of another is not taken' "$(find "$ROOT/nodes/web1/reports" -name "*$(git -C "$SRC" rev-parse $TAG)*" | wc -l)" 0
exits 'node remove' 0 b node remove web1
exits 'it is refused then' 1 n web1 -q pull
done_testing
