#!/bin/sh
# What somebody on the line, on central's disk, with central's key, or beside us on the machine may try
# (the attack lists of TUF and Uptane, and some of our own): each by its name. What is live stays what it
# is, nothing is written where it does not belong, and it is said.
. "$(dirname "$0")/../lib/world.sh"
. "$(dirname "$0")/../lib/forge.sh"
world_new
trap world_end EXIT
chmod 755 "$W" # other users get as far as our folders' own modes let them
world_central shop 'sh build.sh' dist
sed -i 's/^#* *worker = .*/worker = "service";/' "$STATE/central.cfg"
world_base berlin Europe/Berlin
world_base haikou Asia/Shanghai
ROOT=$W/berlin/root
APPDIR=$W/berlin/app
LEDGER=$STATE/ledger/berlin.git
echo 'progress_timeout = 2;' >> "$ROOT/base.cfg"
# between the base and central stands who can do anything but sign: $W/evil.d/VERB answers in its place
mkdir "$W/evil.d"
cat > "$W/evil" <<END
#!/bin/sh
verb=\${SSH_ORIGINAL_COMMAND%% *}
[ ! -x "$W/evil.d/\$verb" ] || exec "$W/evil.d/\$verb"
exec "$BUILD/tagship" "\$@"
END
chmod +x "$W/evil"
sed -i "s#^serve_command = .*#serve_command = \"$W/evil\";#" "$ROOT/base.cfg"
evil() { # VERB < script
	{ echo '#!/bin/sh'; cat; } > "$W/evil.d/$1"
	chmod +x "$W/evil.d/$1"
}
good() { rm -f "$W"/evil.d/*; }

pull() {
	timeout 120 tagship-base -C "$ROOT" -q pull > "$W/pull" 2>&1
	RC=$?
	return $RC
}
activate() { tagship-activate "$ROOT" --once > "$W/activate" 2>&1; }
worker() { tagship -C "$STATE" worker --once > "$W/worker" 2>&1; }
accepted() { git -C "$ROOT/mirror.git" rev-parse -q --verify refs/tagship/accepted; }
n=0
release() { # AT
	n=$((n + 1))
	TAG=v$n
	world_commit $n
	printf 'Shop %s\n\nRelease-At: %s\nRelease-To: all\n' $n "$1" | world_tag $TAG
	git -C "$SRC" push -q -o nowait origin main $TAG > "$W/push" 2>&1
	worker
}
staged() { tagship-base -C "$ROOT" log shop 2>&1 | grep -q " staged .*Version=$1 "; }
# nothing came of it: not live, not accepted, and the pull said what is wrong
nothing_of() { # NAME TEXT
	is "$1: what is accepted stays" "$(accepted)" "$ACCEPTED"
	activate
	is '  what is live stays' "$(world_answer berlin)" "$LIVE"
	[ -z "$2" ] || ok '  and it is said' has "$W/pull" "$2"
}
NOW=$(date -u +%Y-%m-%dT%H:%M:%SZ)

release now
pull
activate
release now
pull
activate
is 'two versions came' "$(world_answer berlin)" 2
LIVE=2
release '2035-01-01 02:00 base-local'
pull
ok 'one more is staged for later' staged v3
ACCEPTED=$(accepted)
HONEST=$(git -C "$LEDGER" rev-parse orders)
honest() { git -C "$LEDGER" update-ref refs/heads/orders "$HONEST"; }

# ---- in the ledger ----
ssh-keygen -q -t ed25519 -N '' -f "$W/thief"
forge "s/^At: .*/At: $NOW/" "$W/thief"
pull
is 'arbitrary software: refused as not authentic' $RC 4
nothing_of 'arbitrary software' 'not made by a trusted key'
honest

git -C "$LEDGER" update-ref refs/heads/orders "$HONEST~1"
pull
nothing_of 'rollback: an older head' ''
ok '  and it is noted' has "$ROOT/contact" 'Behind: yes'
is '  and central has its ledger back' "$(git -C "$LEDGER" rev-parse orders)" "$HONEST"
# central's own key, but another history than the one that is accepted
git -C "$LEDGER" update-ref refs/heads/orders "$HONEST~1"
forge "s/^At: .*/At: $NOW/"
evil give <<'END'
cat > /dev/null
echo "ok"
END
pull
nothing_of 'rollback: a fork signed by central' ''
good
honest

forge_like orders "s/^Seq: .*/Seq: 4000000000/; s/^At: .*/At: $NOW/"
pull
is 'fast-forward of the counter: refused as corrupt' $RC 4
nothing_of 'fast-forward of the counter' 'sequence number 4000000000'
honest

forge "s/^Base: .*/Base: haikou/"
pull
is 'wrong base: refused as corrupt' $RC 4
nothing_of 'wrong base' 'is for base haikou, this is berlin'
honest
# a whole ledger of another base, as it is
mv "$LEDGER" "$LEDGER.own"
cp -r "$STATE/ledger/haikou.git" "$LEDGER"
evil give <<'END'
cat > /dev/null
echo "ok"
END
pull
good
rm -rf "$LEDGER"
mv "$LEDGER.own" "$LEDGER"
is 'wrong base, its whole ledger: what is accepted stays' "$(accepted)" "$ACCEPTED"

world_faketime
if [ -n "$FAKELIB" ]; then
	world_later 1 tagship-base -C "$ROOT" status > "$W/out" 2>&1
	ok 'freeze: within a day nothing is said' not has "$W/out" 'the newest word'
	world_later 3 tagship-base -C "$ROOT" status > "$W/out" 2>&1
	ok 'freeze: an old head is an alarm' has "$W/out" '! the newest word that central signed is 3 d'
	world_later 3 tagship-base -C "$ROOT" doctor > "$W/out" 2>&1
	ok '  doctor says it, too' grep -q 'BAD.*the newest word' "$W/out"
	evil hello <<END
export LD_PRELOAD='$FAKELIB' FAKETIME=+2d NO_FAKE_STAT=1
export ASAN_OPTIONS="verify_asan_link_order=0\${ASAN_OPTIONS:+:\$ASAN_OPTIONS}"
exec '$BUILD/tagship' -C '$STATE' serve berlin
END
	pull
	good
	ok '  a base that comes gets a heartbeat asked for' sh -c "grep -rq 'Hint: beat' '$STATE/queue/in'"
	world_later 2 tagship -C "$STATE" worker --once > /dev/null 2>&1
	ok '  which the worker signs' sh -c "git -C '$LEDGER' log -1 --format=%s orders | grep -q '^heartbeat'"
	pull
	ACCEPTED=$(accepted)
	HONEST=$(git -C "$LEDGER" rev-parse orders)
fi

# ---- on the line ----
evil hello <<'END'
cat > /dev/null
echo ok 60000
yes | head -c 200000000
END
pull
nothing_of 'endless data: a hello without end' ''
evil hello <<'END'
cat > /dev/null
yes ok | tr -d '\n' | head -c 200000000
END
pull
nothing_of 'endless data: a reply line without end' ''
good

release '2035-01-02 02:00 base-local'
_sha=$(git -C "$LEDGER" log -1 --format=%B orders | sed -n 's/^Bundle: [^ ]* \([0-9a-f]*\) .*/\1/p')
_size=$(git -C "$LEDGER" log -1 --format=%B orders | sed -n 's/^Bundle: [^ ]* [0-9a-f]* \([0-9]*\) .*/\1/p')
evil get <<END
echo "ok $_size"
yes | head -c 200000000
END
pull
ok 'endless data: a bundle without end' test "$RC" != 0
ok '  no more is kept than was ordered' test "$(du -sb "$ROOT/partial" | cut -f1)" -le $((_size + 8192))
ok '  and it is not staged' not staged v4
evil get <<END
echo "ok 99999999999"
yes | head -c 200000000
END
pull
ok 'endless data: a larger bundle than was ordered' test "$RC" != 0
ok '  no more is kept than was ordered' test "$(du -sb "$ROOT/partial" | cut -f1)" -le $((_size + 8192))
evil get <<END
echo "ok $_size"
head -c 100 /dev/zero
sleep 3600
END
pull
ok 'slow retrieval: a peer that stands still is left' test "$RC" != 124 -a "$RC" != 0
ok '  and it is said' has "$W/pull" 'no byte could be'
good

# ---- bundles ----
cp "$STATE/bundles/$_sha" "$W/bundle"
printf 'X' | dd of="$STATE/bundles/$_sha" bs=1 seek=200 conv=notrunc 2> /dev/null
rm -rf "${ROOT:?}"/partial/*
pull
ok "tampered bundle on central's disk: nothing is staged" not staged v4
ok '  and it is said' grep -q 'not what was ordered\|hash\|SHA-256' "$W/pull"
cp "$W/bundle" "$STATE/bundles/$_sha"
pull
ok '  the right one is taken then' staged v4

# central's key, and a bundle that was made for something else
tagship -q -C "$STATE" bundle make - shop@v1 "$W/other" > /dev/null 2>&1
place() { # FILE: among central's bundles
	_sum=$(sha256sum "$1" | cut -d' ' -f1)
	_len=$(stat -c %s "$1")
	cp "$1" "$STATE/bundles/$_sum"
	chmod 644 "$STATE/bundles/$_sum"
}
release '2035-01-03 02:00 base-local'
HONEST=$(git -C "$LEDGER" rev-parse orders)
_own=$(git -C "$LEDGER" log -1 --format=%B orders | sed -n 's/^Bundle: \([^ ]*\) .*/\1/p' | head -n 1)
place "$W/other"
forge "s/^Bundle: .*/Bundle: - $_sum $_len plain 10000000 134217728/"
pull
activate
ok 'mix-and-match: another bundle than the tree of the order' not staged v5
is '  nothing of it stays' "$(find "$APPDIR/pre-release" -mindepth 1 -maxdepth 1 -name 'v5*' | wc -l)" 0
is '  what is live stays' "$(world_answer berlin)" "$LIVE"
# the right tree and one file more
mkdir "$W/more"
tagship -q -C "$STATE" bundle make - shop@v5 "$W/v5.tar.xz" > /dev/null 2>&1
tagship -q bundle apply - "$W/v5.tar.xz" "$W/more/tree" > /dev/null 2>&1
echo 'echo all yours' > "$W/more/tree/backdoor.sh"
tagship -q bundle make --codec plain - "$W/more/tree" "$W/more.tar.xz" > /dev/null 2>&1
ok 'there is such a bundle' test -s "$W/more.tar.xz"
place "$W/more.tar.xz"
forge "s/^Bundle: .*/Bundle: - $_sum $_len plain 10000000 134217728/"
pull
activate
ok 'extraneous files: a file more than the tree of the order' not staged v5
is '  nothing of it stays' "$(find "$APPDIR" -name backdoor.sh | wc -l)" 0
tagship -q -C "$STATE" cancel shop v5 > /dev/null 2>&1
pull

# ---- at the base, between staging and going live ----
release now
pull
_tree=$(find "$APPDIR/pre-release" -mindepth 1 -maxdepth 1 -name "$TAG*")
ok 'tampered pre-release area: there is one' test -d "$_tree"
touch -r "$_tree/index.html" "$W/time"
sed -i 's/Shop/Shup/' "$_tree/index.html"
touch -r "$W/time" "$_tree/index.html"
activate
is '  it does not go live' "$(world_answer berlin)" "$LIVE"
ok '  and it is said' has "$W/activate" 'index.html (altered)'
pull
is '  central knows' "$(world_state shop $TAG berlin)" failed

# ---- reports and files, again ----
release now
evil report <<END
tee "$W/report" | '$BUILD/tagship' -C '$STATE' serve berlin
END
pull
activate
pull
good
LIVE=$n
is 'the next release serves' "$(world_answer berlin)" "$LIVE"
_reports=$(git -C "$LEDGER" rev-list --count reports)
SSH_ORIGINAL_COMMAND=report tagship -C "$STATE" serve berlin < "$W/report" > "$W/out" 2>&1
ok 'replayed report: central answers as before' grep -q '^ok' "$W/out"
is '  and keeps it once' "$(git -C "$LEDGER" rev-list --count reports)" "$_reports"
SSH_ORIGINAL_COMMAND=report tagship -C "$STATE" serve haikou < "$W/report" > "$W/out" 2>&1
ok 'replayed report, of another base: refused' grep -q '^error not-authentic' "$W/out"
sed 's/^Outage-Ms: .*/Outage-Ms: 7/' "$W/report" > "$W/report2"
SSH_ORIGINAL_COMMAND=report tagship -C "$STATE" serve berlin < "$W/report2" > "$W/out" 2>&1
ok 'an altered report: refused' grep -q '^error' "$W/out"
is '  nothing of it is kept' "$(git -C "$LEDGER" rev-list --count reports)" "$_reports"

sleep 1.1
tagship -q -C "$STATE" export --all berlin "$W/1.orders" > /dev/null 2>&1
release '2035-02-01 02:00 base-local'
pull
ACCEPTED=$(accepted)
tagship-base -C "$ROOT" import "$W/1.orders" > "$W/pull" 2>&1
is 'replayed export file: refused' $? 3
nothing_of 'replayed export file' 'older than what is here'

# ---- central's key stolen ----
mkdir "$W/stolen"
cp -r "$STATE/." "$W/stolen"
tagship -q -C "$STATE" key rotate > "$W/key" 2>&1
pull
tagship-base -C "$ROOT" doctor > "$W/doctor" 2>&1
ok 'key rotation: the base follows' has "$W/doctor" "central's key: changed since it was pinned"
ok '  and verifies its ledger to the end, across the change' has "$W/doctor" 'ledger: verified end to end'
release now
pull
activate
LIVE=$n
is '  and runs what is signed with the new key' "$(world_answer berlin)" "$LIVE"
ACCEPTED=$(accepted)
HONEST=$(git -C "$LEDGER" rev-parse orders)
forge "s/^At: .*/At: $NOW/; s/^Version: .*/Version: v1/" "$W/stolen/keys/central"
pull
is 'key compromise: the old key signs nothing any more' $RC 4
nothing_of 'key compromise, after the rotation' 'not made by a trusted key'
honest

# the new one is stolen, too, and its thief is between us: he orders what he likes
rm -rf "$W/stolen"
cp -r "$STATE/." "$W/stolen"
LEDGER=$W/stolen/ledger/berlin.git
sed -i "s#exec \"$BUILD/tagship\".*#exec \"$BUILD/tagship\" -C \"$W/stolen\" serve berlin#" "$W/evil"
tagship -q -C "$W/stolen" key rotate > /dev/null 2>&1
forge_like "$(git -C "$LEDGER" log --format=%H --grep='^order.* v2 ' orders | head -n 1)" \
	"s/^At: .*/At: $NOW/; s/^Release: .*/Release: 1111111111111111111111111111111111111111/" "$W/stolen/keys/central"
pull
ok 'key compromise: a stolen key is believed' test "$(accepted)" != "$ACCEPTED"
sed -i "s#exec \"$BUILD/tagship\".*#exec \"$BUILD/tagship\" \"\$@\"#" "$W/evil"
LEDGER=$STATE/ledger/berlin.git
pull
ok '  and leads astray from central' test "$RC" != 0
# whoever stole it may have taken it away, too
mv "$STATE/keys/central" "$W/central-key"
tagship -q -C "$STATE" key revoke "$W/revocation"
is 'revocation: a statement to sign' $? 0
mv "$W/central-key" "$STATE/keys/central"
tagship -q -C "$STATE" key revoke --signed "$W/revocation" > "$W/out" 2>&1
ok '  without a signature nothing happens' has "$W/out" 'revocation.sig'
ssh-keygen -q -Y sign -n keys@tagship -f "$STATE/keys/central" "$W/revocation" 2> /dev/null
tagship -q -C "$STATE" key revoke --signed "$W/revocation" > "$W/out" 2>&1
is "  nor with that of central's own key" $? 4
rm "$W/revocation.sig"
ssh-keygen -q -Y sign -n keys@tagship -f "$W/recovery-key" "$W/revocation" 2> /dev/null
tagship -q -C "$STATE" key revoke --signed "$W/revocation" > "$W/out" 2>&1
is '  with that of the recovery key it counts' $? 0
pull
is '  the base is back with central' "$(accepted)" "$(git -C "$LEDGER" rev-parse orders)"
activate
is '  what is live stays' "$(world_answer berlin)" "$LIVE"
release now
pull
activate
LIVE=$n
is '  and the next release serves' "$(world_answer berlin)" "$LIVE"
ACCEPTED=$(accepted)
LEDGER=$W/stolen/ledger/berlin.git
git -C "$LEDGER" fetch -q "$STATE/ledger/berlin.git" +refs/heads/orders:refs/heads/orders
forge "s/^At: .*/At: $NOW/" "$W/stolen/keys/central"
sed -i "s#exec \"$BUILD/tagship\".*#exec \"$BUILD/tagship\" -C \"$W/stolen\" serve berlin#" "$W/evil"
pull
nothing_of 'revocation: the thief is believed no more' 'not made by a trusted key'
sed -i "s#exec \"$BUILD/tagship\".*#exec \"$BUILD/tagship\" \"\$@\"#" "$W/evil"
LEDGER=$STATE/ledger/berlin.git

# ---- beside us on the machine ----
mkdir "$W/elsewhere"
for _name in partial accepted pending journal; do
	mv "$ROOT/$_name" "$W/$_name.own"
	ln -s "$W/elsewhere" "$ROOT/$_name"
	pull
	activate
	ok "symlinked state folders: ROOT/$_name: nothing goes there" test "$(find "$W/elsewhere" -mindepth 1 | wc -l)" = 0
	ok '  and it is said' has "$W/pull" "$ROOT/$_name is a link"
	rm "$ROOT/$_name"
	mv "$W/$_name.own" "$ROOT/$_name"
done
for _name in queue bundles ledger; do
	mv "$STATE/$_name" "$W/$_name.own"
	ln -s "$W/elsewhere" "$STATE/$_name"
	worker
	pull
	ok "symlinked state folders: STATE/$_name: nothing goes there" test "$(find "$W/elsewhere" -mindepth 1 | wc -l)" = 0
	ok '  and it is said' has "$W/worker" "$STATE/$_name is a link"
	rm "$STATE/$_name"
	mv "$W/$_name.own" "$STATE/$_name"
done
ok 'with the folders back all goes on' pull
is 'and what is live stays' "$(world_answer berlin)" "$LIVE"

if [ "$(id -u)" = 0 ]; then
	other() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
	for _path in "$STATE" "$STATE/keys" "$STATE/queue/in" "$STATE/queue/jobs" "$STATE/bundles" \
		"$LEDGER" "$STATE/library.git" "$STATE/apps.d" "$STATE/contacts" "$ROOT" "$ROOT/accepted" \
		"$ROOT/partial" "$ROOT/journal" "$ROOT/pending" "$ROOT/mirror.git" "$APPDIR" \
		"$APPDIR/pre-release" "$APPDIR/releases"; do
		ok "another local user cannot write to ${_path#"$W"/}" not other touch "$_path/x"
	done
	for _path in "$STATE/keys/central" "$ROOT/key"; do
		ok "another local user cannot read ${_path#"$W"/}" not other cat "$_path"
	done
	ok 'nor replace what is live' not other ln -sfn /tmp "$APPDIR/current"
	ok 'nor hold, activate or roll back' not other "$BUILD/tagship-base" -C "$ROOT" hold shop why
	ok 'nor stop a fleet' not other "$BUILD/tagship" -C "$STATE" stop why
	ok 'nor rotate a key' not other "$BUILD/tagship" -C "$STATE" key rotate
	is 'and what is live stays' "$(world_answer berlin)" "$LIVE"
fi
done_testing
