#!/bin/sh
# The road over a real sshd with forced commands: join, pull, activate, report; keys and identities
# that are wrong; what a base may not reach; sshd down; a transfer that is cut; plain git fetch.
. "$(dirname "$0")/../lib/world.sh"
world_new
trap world_end EXIT
world_sshd
world_central shop 'sh build.sh' dist
git -C "$SRC" remote set-url origin "$UPSTREAM$W/shop.git"
world_base haikou Asia/Shanghai
world_base berlin Europe/Berlin
ok 'the join line names the server and pins its key' grep -q "^$UPSTREAM#central=[A-Za-z0-9+/=]*&host=AAAA" "$W/join"
is 'authorized-keys: a confined line for each base' \
	"$(grep -c '^restrict,command=".*/tagship -C .* serve [a-z]*" ssh-ed25519 AAAA' "$W/sshd/authorized_keys")" 2
pull() { tagship-base -C "$W/$1/root" -q pull && tagship-base -C "$W/$1/root" -q activate; }
plan() { printf '%s\n\nRelease-At: %s\nRelease-To: %s\n' "$1" "$2" "$3" | world_tag "$1"; }
in_seconds() { date -u -d "+$1 seconds" +%Y-%m-%dT%H:%M:%SZ; }
key_of() { ssh-keygen -y -f "$1" | cut -d' ' -f1,2; }
# copies of haikou, before it was ever in contact, each with something wrong
for bad in host central name stranger; do
	mkdir "$W/wrong-$bad"
	cp -a "$W/haikou/root" "$W/wrong-$bad/root"
done
ssh-keygen -q -t ed25519 -N '' -f "$W/other"

# ---- the road ----
world_commit 1
plan v1 now all
git -C "$SRC" push origin main v1 > "$W/push1" 2>&1
is 'a developer pushes over ssh' $? 0
ok 'and sees the plan' has "$W/push1" '+08:00'
ok 'the build' has "$W/push1" 'building version 1'
ok 'and the bytes' grep -qE 'haikou +[0-9.]+ K?B \(plain\)' "$W/push1"
ok 'haikou pulls and activates' pull haikou
ok 'berlin, too' pull berlin
is 'haikou serves v1' "$(world_answer haikou)" 1
is 'berlin serves v1' "$(world_answer berlin)" 1
is 'central has the report' "$(world_state shop v1 haikou)" live
world_commit 2
plan v2 now berlin
git -C "$SRC" push -q origin main v2 > "$W/push2" 2>&1
world_wait 10 world_is shop v2 berlin ordered
is 'v2 is for berlin only' "$(world_state shop v2 berlin)" ordered

# ---- wrong keys, wrong names ----
cp -a "$STATE/contacts" "$W/contacts"
refused() { # WHAT ROOT STATUS TEXT
	tagship-base -C "$2" -q pull > "$W/out" 2>&1
	is "$1: exit $3" $? "$3"
	ok "$1: says so" has "$W/out" "$4"
}
sed -i "s#^host_keys = .*#host_keys = [ \"$(key_of "$W/other")\" ];#" "$W/wrong-host/root/base.cfg"
refused 'a host key that is not pinned' "$W/wrong-host/root" 4 'is none of those pinned'
sed -i "s#^central_keys = .*#central_keys = [ \"$(key_of "$W/other")\" ];#" "$W/wrong-central/root/base.cfg"
refused 'a ledger that another key signed' "$W/wrong-central/root" 4 'not made by a trusted key'
ok 'nothing of it was accepted' sh -c "! ls '$W/wrong-central/root/accepted' | grep . && ! git -C '$W/wrong-central/root/mirror.git' rev-parse -q --verify refs/tagship/accepted"
cp "$W/berlin/root/key" "$W/wrong-name/root/key"
refused 'haikou with the key of berlin' "$W/wrong-name/root" 3 'belongs to base "berlin"'
cp "$W/haikou/root/key" "$W/wrong-name/root/key"
sed -i 's/^name = .*/name = "berlin";/' "$W/wrong-name/root/base.cfg"
refused 'haikou under the name of berlin' "$W/wrong-name/root" 3 'belongs to base "haikou"'
cp "$W/other" "$W/wrong-stranger/root/key"
refused 'a key that central does not know' "$W/wrong-stranger/root" 4 'authorized_keys'
ok 'central took none of that for a contact of berlin' cmp "$STATE/contacts/berlin" "$W/contacts/berlin"

# ---- what haikou may not have ----
as_haikou() {
	ssh -p "$SSH_PORT" -i "$W/haikou/root/key" -o IdentitiesOnly=yes -o BatchMode=yes -o LogLevel=ERROR \
		-o UserKnownHostsFile="$W/sshd/known_hosts" "$@" < /dev/null
}
git -C "$STATE/ledger/berlin.git" log -1 --format=%B orders > "$W/order"
bundle=$(sed -n 's/^Bundle: [^ ]* \([0-9a-f]*\) .*/\1/p' "$W/order" | head -n 1)
root=$(sed -n 's/^Root: //p' "$W/order")
old=$(sed -n 's/^Bundle: \([0-9a-f]\{64\}\) .*/\1/p' "$W/order" | head -n 1)
ok 'berlin has a bundle' test -s "$STATE/bundles/$bundle"
not_for_haikou() { # WHAT COMMAND...: fails, without anything of berlin
	_what=$1
	shift
	as_haikou "$(id -un)@127.0.0.1" -- "$@" > "$W/out" 2> "$W/err"
	_rc=$?
	ok "refused: $_what" sh -c "[ $_rc -ne 0 ] && [ \$(wc -c < '$W/out') -lt 600 ] && ! grep -qE 'berlin|root:|SSH SIG' '$W/out'"
}
not_for_haikou "berlin's bundle" "get $bundle 0"
sed "s/$(echo "$bundle" | cut -c1-8)/XXXXXXXX/" "$W/out" > "$W/out1"
none=$(printf '%064d' 0)
not_for_haikou 'a bundle that does not exist' "get $none 0"
sed 's/00000000/XXXXXXXX/' "$W/out" > "$W/out2"
ok 'and the two answers do not differ' cmp "$W/out1" "$W/out2"
not_for_haikou "a bundle to berlin's version" "want $old $root"
not_for_haikou "a whole bundle of berlin's version" "want - $root"
is 'and central was not put to work' "$(find "$STATE/queue/in" -type f | wc -l)" 0
not_for_haikou 'a path for a hash' 'get ../keys/central 0'
not_for_haikou 'an absolute path for a hash' "get $STATE/keys/central 0"
not_for_haikou 'a negative offset' "get $bundle -1"
not_for_haikou 'an offset past 64 bits' "get $bundle 99999999999999999999999"
not_for_haikou 'a leading dash' '-C / serve berlin'
not_for_haikou 'an option of git' "git-upload-pack --exec=sh 'x'"
not_for_haikou 'two words in quotes' "git-upload-pack 'a' 'b'"
not_for_haikou 'a quote in quotes' "git-upload-pack 'a'\\''b'"
not_for_haikou 'a second line' "hello
sh -c 'echo x > $W/pwned'"
not_for_haikou 'a second command' "hello; echo x > $W/pwned"
not_for_haikou 'a substitution' "\$(echo x > $W/pwned)"
not_for_haikou 'a shell' sh
not_for_haikou 'a shell with a command' "sh -c 'echo x > $W/pwned'"
not_for_haikou 'writing to the ledger' "git-receive-pack '$STATE/ledger/berlin.git'"
not_for_haikou 'an archive' "git-upload-archive '$STATE/ledger/berlin.git'"
not_for_haikou 'files by scp' "scp -f $STATE/keys/central"
not_for_haikou 'no command' 
ok 'and it is told that there is no shell' has "$W/err" 'there is no shell here'
ok 'no sftp' sh -c "! sftp -q -P $SSH_PORT -i '$W/haikou/root/key' -o IdentitiesOnly=yes -o BatchMode=yes -o UserKnownHostsFile='$W/sshd/known_hosts' '$(id -un)@127.0.0.1:$STATE/central.cfg' '$W/stolen' < /dev/null"
ok 'no port of central by forwarding' not as_haikou -W "127.0.0.1:$SSH_PORT" "$(id -un)@127.0.0.1"
ok 'no shell has run' test ! -e "$W/pwned"
# any path leads to the own ledger
own=$(git -C "$STATE/ledger/haikou.git" rev-parse orders)
heads() { # PATH: what git sees there with haikou's key
	GIT_SSH_COMMAND="ssh -i $W/haikou/root/key -o IdentitiesOnly=yes -o BatchMode=yes -o UserKnownHostsFile=$W/sshd/known_hosts" \
		git ls-remote "$UPSTREAM$1" 2>&1
}
for path in "$STATE/ledger/berlin.git" /berlin.git /../ledger/berlin.git "$W/shop.git" /--upload-pack=sh; do
	heads "$path" > "$W/heads"
	ok "git at $path sees haikou's own ledger" has "$W/heads" "$own"
	ok 'and not that of berlin' not has "$W/heads" "$(git -C "$STATE/ledger/berlin.git" rev-parse orders)"
done

# ---- a download that is cut ----
# haikou's forced command goes through this: it notes every call, and with $W/slow it answers at 1 MB/s
cat > "$W/line" <<END
#!/bin/sh
echo "\$SSH_ORIGINAL_COMMAND" >> "$W/calls"
case \$SSH_ORIGINAL_COMMAND in
get*)
	if [ -e "$W/slow" ]; then
		sh -c 'echo \$\$ > "$W/serving"; exec "$BUILD/tagship" -C "$STATE" serve haikou' |
			perl -e '\$| = 1; while ((\$n = sysread STDIN, \$b, 20000) > 0) { syswrite STDOUT, \$b, \$n; select undef, undef, undef, 0.02 }'
		exit
	fi ;;
esac
exec "$BUILD/tagship" -C "$STATE" serve haikou
END
sed -i "s#command=\"[^\"]* serve haikou\"#command=\"sh $W/line\"#" "$W/sshd/authorized_keys"
head -c 4000000 /dev/urandom > "$SRC/web/film.bin"
world_commit 3
plan v3 "$(in_seconds 3600)" haikou
git -C "$SRC" push -q origin main v3 > "$W/push3" 2>&1
touch "$W/slow"
tagship-base -C "$W/haikou/root" -q pull > "$W/cut" 2>&1 &
puller=$!
part_size() { cat "$W/haikou/root/partial/"*.part 2> /dev/null | wc -c; }
more_than_1mb() { [ "$(part_size)" -gt 1000000 ]; }
world_wait 20 more_than_1mb
kill -9 "$(cat "$W/serving")"
wait $puller
is 'the transfer is cut: exit 5' $? 5
ok 'it says where' grep -q 'at [0-9]* of [0-9]* bytes' "$W/cut"
have=$(part_size)
ok "what came is kept ($have bytes)" test "$have" -gt 1000000 -a "$have" -lt 4000000
rm "$W/slow"
ok 'the next pull ends it' tagship-base -C "$W/haikou/root" -q pull
is 'from the byte where it was cut' "$(sed -n 's/^get [0-9a-f]* //p' "$W/calls" | tail -n 1)" "$have"
is 'and it is staged' "$(world_state shop v3 haikou)" staged
ok 'cancel it' tagship -C "$STATE" cancel shop v3
ok 'haikou hears that' pull haikou
is 'v3 is cancelled' "$(world_state shop v3 haikou)" cancelled
world_sshd_keys

# ---- sshd down: nothing at go-live needs the line ----
rm "$SRC/web/film.bin"
world_commit 4
plan v4 "$(in_seconds 6)" all
git -C "$SRC" push -q origin main v4 > "$W/push4" 2>&1
ok 'haikou pulls' tagship-base -C "$W/haikou/root" -q pull
is 'v4 is staged' "$(world_state shop v4 haikou)" staged
world_stop sshd
tagship-base -C "$W/haikou/root" -q pull > "$W/down" 2>&1
is 'central is away: exit 5' $? 5
ok 'the message names the peer' has "$W/down" "127.0.0.1:$SSH_PORT"
ok 'and the step' has "$W/down" 'connect'
ok 'status at the base says it, too' sh -c "tagship-base -C '$W/haikou/root' status | grep -q 'central: last try .* failed: .*127.0.0.1:$SSH_PORT'"
ok 'haikou activates without the line' tagship-base -C "$W/haikou/root" -q activate
is 'haikou serves v4' "$(world_answer haikou)" 4
is 'central does not guess' "$(world_state shop v4 haikou)" staged
world_start sshd "$(command -v sshd || echo /usr/sbin/sshd)" -D -e -f "$W/sshd/config"
world_wait 10 ssh-keyscan -p "$SSH_PORT" 127.0.0.1
ok 'sshd is back: haikou pulls' tagship-base -C "$W/haikou/root" -q pull
is 'and has delivered its report' "$(world_state shop v4 haikou)" live

# ---- plain git fetch, with and without tagship-base run ----
git_fetch() { env -u GIT_SSH_COMMAND git -C "$W/haikou/root/mirror.git" fetch -q; }
world_commit 5
plan v5 2098-01-01T00:00:00Z haikou
git -C "$SRC" push -q origin main v5 > "$W/push5" 2>&1
ok 'plain git fetch in the mirror' git_fetch
ok 'leads to a pull' world_wait 10 world_is shop v5 haikou staged
no_pull() { flock -n "$W/haikou/root/lock/pull" true; }
world_wait 10 no_pull # it goes on after it has reported
sed -i 's/^pull_every = .*/pull_every = 3600;/' "$W/haikou/root/base.cfg"
pulls() { sed -n 's/^Time: //p' "$W/haikou/root/contact"; }
before=$(pulls)
sleep 1
world_base_run haikou
first_pull() { [ "$(pulls)" != "$before" ]; }
world_wait 10 first_pull
world_wait 10 no_pull
world_commit 6
plan v6 2098-02-01T00:00:00Z haikou
git -C "$SRC" push -q origin main v6 > "$W/push6" 2>&1
is 'run waits for its time' "$(world_state shop v6 haikou)" ordered
ok 'plain git fetch beside run' git_fetch
ok 'leads to a pull at once' world_wait 10 world_is shop v6 haikou staged
ok 'and run took the poke' world_wait 5 test ! -e "$W/haikou/root/poke/now"
world_stop run-haikou
done_testing
