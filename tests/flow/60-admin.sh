#!/bin/sh
# What admins and operators do: hooks beside hooks, two apps of one repository, detaching, branch
# checks, a worker that is down, keys, plans, cancelling, rollbacks, gc, doctor, holds, and how both
# programs answer to --help and to options they do not know.
. "$(dirname "$0")/../lib/world.sh"
world_new
trap world_end EXIT
world_central shop 'sh build.sh' dist --branch main --branch 'release/*' --incremental 2> "$W/setup"
world_base berlin Europe/Berlin
ROOT=$W/berlin/root
c() { tagship -C "$STATE" "$@"; }
b() { tagship-base -C "$ROOT" "$@"; }
pull() { b -q pull && b -q activate; }
plan() { # TAG AT TO [TRAILER]
	printf '%s\n\nRelease-At: %s\nRelease-To: %s\n%s' "$1" "$2" "$3" "${4:+$4
}" | world_tag "$1"
}
exits() { # WHAT WANTED COMMAND...: its exit status; output in $W/out
	_what=$1 _want=$2
	shift 2
	"$@" > "$W/out" 2>&1
	_rc=$?
	is "$_what" $_rc "$_want"
	[ $_rc = "$_want" ] || sed 's/^/# /' "$W/out" | head -n 20
}
says() { ok "$1" has "$W/out" "$2"; }
json_ok() { perl -MJSON::PP -0777 -e 'decode_json(<STDIN>)' < "$W/out"; }
later=2098-01-01T00:00:00Z

# ---- every command: --help, unknown options ----
bad=
for p in tagship tagship-base; do
	for cmd in $($p --help | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p'); do
		verbs='-'
		case $p/$cmd in
		tagship/app) verbs='add list show remove' ;;
		tagship/base) verbs='add list show key remove' ;;
		tagship/hook) verbs='install check remove' ;;
		tagship/plan) verbs='new check list' ;;
		tagship/bundle) verbs='make show apply' ;;
		tagship-base/node) verbs='add list remove join' ;;
		esac
		[ "$verbs" = - ] || $p "$cmd" --help > /dev/null 2>&1 || bad="$bad $p-$cmd--help"
		for verb in $verbs; do
			[ "$verb" != - ] || verb=
			$p "$cmd" ${verb:+"$verb"} --help > "$W/out" 2>&1 || bad="$bad $p-$cmd-$verb--help"
			grep -q '^Usage:' "$W/out" || bad="$bad $p-$cmd-$verb-usage"
			$p "$cmd" ${verb:+"$verb"} --no-such-option > "$W/out" 2>&1
			[ $? = 2 ] || bad="$bad $p-$cmd-$verb-unknown"
			grep -q 'no-such-option\|usage:' "$W/out" || bad="$bad $p-$cmd-$verb-unsaid"
		done
	done
	exits "$p --version" 0 $p --version
	exits "$p status --version" 0 $p status --version
	exits "$p --help" 0 $p --help
	exits "$p without a command" 2 $p
	exits "$p with an unknown option" 2 $p --frobnicate status
	exits "$p with a misspelt command" 2 $p statsu
	says "$p names the nearest" 'did you mean "status"'
done
is 'every command answers --help with 0, unknown options with 2, and says so' "$bad" ''

# ---- hooks that were there ----
git init -q --bare "$W/site.git"
HOOKS=$W/site.git/hooks
mkdir -p "$HOOKS"
rm -f "$HOOKS"/*
cat > "$HOOKS/pre-receive" <<END
#!/bin/sh
echo theirs before
while read -r old new ref; do
	git ls-tree -r --name-only "\$new" | grep -q '\.exe\$' && { echo 'theirs: no .exe files'; exit 1; }
done
exit 0
END
printf '#!/bin/sh\ncat > "%s/post"\necho theirs after\n' "$W" > "$HOOKS/post-receive"
chmod 755 "$HOOKS/pre-receive"
chmod 750 "$HOOKS/post-receive"
cp -a "$HOOKS" "$W/hooks-before"
git -C "$W/site.git" config --list --local | sort > "$W/config-before"
exits 'hook install before app add is refused' 2 c hook install "$W/site.git"
says 'with what to do' 'app add NAME'
exits 'app add' 0 c app add site "$W/site.git" --build 'sh build.sh' --output dist
exits 'hook install' 0 c hook install "$W/site.git"
says 'it tells what moved' 'pre-receive was there: it moved to tagship.d/pre-receive'
exits 'hook install again changes nothing' 0 c hook install "$W/site.git"
exits 'hook check' 0 c hook check "$W/site.git"
says 'hook check names the hook that runs first' 'pre-receive: ok, after tagship.d/pre-receive'
ssh-keygen -q -t ed25519 -N '' -f "$W/tokyo"
tokyo_key=$(cut -d' ' -f1,2 "$W/tokyo.pub")
exits 'base add with a bad zone' 2 c base add tokyo --zone Asia/Tokio --key "$tokyo_key" --app site
says 'names the nearest zone' 'Asia/Tokyo'
exits 'base add with a bad key' 2 c base add tokyo --zone Asia/Tokyo --key 'ssh-rsa AAAA' --app site
exits 'base add with an unknown app' 2 c base add tokyo --zone Asia/Tokyo --key "$tokyo_key" --app sit
says 'names the nearest app' 'did you mean site'
exits 'base add with a bad name' 2 c base add ../tokyo --zone Asia/Tokyo --key "$tokyo_key"
exits 'none of them was added' 1 c base show tokyo
exits 'base add' 0 c base add tokyo --zone Asia/Tokyo --key "$tokyo_key" --app site
exits 'base add a second time' 1 c base add tokyo --zone Asia/Tokyo --key "$tokyo_key" --app site
git -C "$SRC" remote add site "$W/site.git"
world_commit 1
plan s1 $later tokyo
exits 'a push to it' 0 git -C "$SRC" push site main s1
is 'their hook ran first, ours after' "$(sed -n 's/^remote: //; /theirs before/p; s/.*tagship: job site-s1-[0-9a-f]* *$/ours/p; /theirs after/p' "$W/out" | sed 's/ *$//' | tr '\n' ' ')" 'theirs before theirs after ours '
ok 'their post-receive got its input' grep -q 'refs/tags/s1$' "$W/post"
touch "$SRC/virus.exe"
world_commit 2
plan s2 $later tokyo
exits 'their refusal counts' 1 git -C "$SRC" push site s2
says 'with their words' 'theirs: no .exe files'
ok 'and ours did not even judge it' not has "$W/out" 'tagship: site'
git -C "$SRC" rm -q virus.exe
git -C "$SRC" commit -qm 'no virus'
git -C "$SRC" tag -d s2 > /dev/null

# ---- two apps of one repository ----
exits 'a second app' 0 c app add docs "$W/site.git" --build 'mkdir -p out && cp VERSION out' --output out
exits 'hook install knows both' 0 c hook install "$W/site.git"
sed -i 's/^apps = .*/apps = [ "site", "docs" ];/' "$STATE/bases.d/tokyo.cfg"
plan s3 $later tokyo
exits 'without Release-App it is refused' 1 git -C "$SRC" push site s3
says 'with the names' 'Release-App'
git -C "$SRC" tag -d s3 > /dev/null
plan s3 $later tokyo 'Release-App: docs'
exits 'with it' 0 git -C "$SRC" push site s3
is 'it is a release of docs' "$(world_state docs s3 tokyo)" ordered
exits 'and not of site' 1 c log site s3
c app list > "$W/out"
says 'app list has both' docs
c app show docs > "$W/out"
says 'app show has the file' 'mkdir -p out'
says 'and the version' 'version s3'
exits 'app list --json' 0 c app list --json
ok 'is JSON' json_ok

# ---- remove: what was there is back ----
exits 'hook remove' 0 c hook remove "$W/site.git"
ok 'the hooks are as they were' sh -c "diff -r '$HOOKS' '$W/hooks-before' && [ \$(stat -c %a '$HOOKS/post-receive') = 750 ]"
git -C "$W/site.git" config --list --local | sort > "$W/config-after"
ok 'and the configuration' diff "$W/config-before" "$W/config-after"
exits 'hook check says so' 1 c hook check "$W/site.git"
git -C "$SRC" tag -a -m 'Release-At: nonsense' s4
exits 'nothing of ours judges a push' 0 git -C "$SRC" push site s4
says 'theirs does' 'theirs before'

# ---- core.hooksPath ----
mkdir "$W/path-hooks"
printf '#!/bin/sh\ncat > /dev/null\necho by path\n' > "$W/path-hooks/pre-receive"
chmod +x "$W/path-hooks/pre-receive"
git -C "$W/site.git" config core.hooksPath "$W/path-hooks"
exits 'hook install with core.hooksPath' 0 c hook install "$W/site.git"
ok 'goes there' test -L "$W/path-hooks/pre-receive" -a -L "$W/path-hooks/reference-transaction" -a -f "$W/path-hooks/tagship.d/pre-receive"
ok 'and not into hooks/' diff -r "$HOOKS" "$W/hooks-before"
plan s5 $later tokyo 'Release-App: site'
exits 'a push there' 0 git -C "$SRC" push site s5
says 'runs theirs' 'by path'
says 'and ours' 'tagship: job site-s5'
git init -q --bare "$W/wiki.git"
git -C "$W/wiki.git" config core.hooksPath "$W/path-hooks"
exits 'an app of another repository' 0 c app add wiki "$W/wiki.git" --build true --output .
exits 'with the same hooks' 0 c hook install "$W/wiki.git"
exits 'hook check of the first' 0 c hook check "$W/site.git"
exits 'hook remove for one of them' 0 c hook remove "$W/wiki.git"
says 'leaves them to the other' "the hooks stay in $W/path-hooks: $W/site.git uses them, too"
exits 'which is still guarded' 0 c hook check "$W/site.git"
exits 'app remove wiki' 0 c app remove wiki
ok 'doctor finds the hooks there' sh -c "tagship -C '$STATE' doctor | grep 'app site: repository and hooks'"
exits 'app remove' 0 c app remove docs
exits 'app show of a removed one' 1 c app show docs
exits 'its hooks go on for the other app' 0 c hook check "$W/site.git"
git -C "$SRC" tag -a -m 'for site alone' s6
exits 'and a push works' 0 git -C "$SRC" push site s6
exits 'base remove' 0 c base remove tokyo
c plan list > "$W/out"
ok 'nothing is to come there' not has "$W/out" tokyo
ok 'its ledger stays' test -d "$STATE/ledger/tokyo.git"

# ---- branches, incremental workspace ----
sed -i 's/^echo "building/[ ! -e kept ] || echo "warm workspace"; touch kept; echo "building/' "$SRC/build.sh"
world_commit 3
exits 'a checked branch' 0 git -C "$SRC" push origin main
says 'is built' 'branch main builds'
says 'for the check only' 'nothing is stored for branches'
exits 'another branch' 0 git -C "$SRC" push origin main:topic
ok 'is not' not has "$W/out" 'tagship:'
exits 'hook check knows no old note' 0 c hook check "$W/shop.git"
ok 'beside the hooks' not has "$W/out" 'pushes take longer'
sed -i 's/^branches = \[/& "topic",/' "$STATE/apps.d/shop.cfg"
exits 'after a change of the file' 0 c hook check "$W/shop.git"
says 'the note is old' 'pushes take longer'
git -C "$SRC" commit -q --allow-empty -m 'for the topic'
exits 'and the next push' 0 git -C "$SRC" push origin main:topic
says 'goes by the file' 'branch topic builds'
exits 'and has renewed' 0 c hook check "$W/shop.git"
ok 'the note' not has "$W/out" 'pushes take longer'
exits 'a pattern' 0 git -C "$SRC" push origin main:release/1
says 'matches' 'branch release/1 builds'
git -C "$SRC" checkout -qb broken
echo 'exit 7' > "$SRC/build.sh"
git -C "$SRC" commit -qam broken
exits 'a branch that does not build is pushed all the same' 0 git -C "$SRC" push origin broken:release/2
says 'and the pusher is told' 'exit 7'
git -C "$SRC" checkout -q main
is 'nothing of it is in the library' "$(c app show shop | grep -c '^# version')" 0
plan v1 now all
exits 'a release' 0 git -C "$SRC" push origin v1
ok 'does not share the workspace of branch builds' not has "$W/out" 'warm workspace'
pull > "$W/pull" 2>&1
world_commit 4
plan v2 now all
exits 'the next release' 0 git -C "$SRC" push origin v2
says 'finds its own workspace' 'warm workspace'
pull > "$W/pull" 2>&1
is 'v2 serves' "$(world_answer berlin)" 4

# ---- a push that does not wait ----
echo 'push_wait = 1;' >> "$STATE/central.cfg"
sed -i '/^push_wait = [^1]/d' "$STATE/central.cfg"
sed -i '$a sleep 4; exit 9' "$SRC/build.sh"
world_commit 5
plan v3 now all
exits 'a slow build' 0 git -C "$SRC" push origin v3
says 'detaches' 'goes on without you (build)'
job=$(sed -n 's/.*follow it: tagship -C [^ ]* wait \([^ ]*\).*/\1/p' "$W/out")
ok 'and says how to follow' test -n "$job"
exits 'wait gives the exit status of the build' 1 c wait "$job"
says 'and its log' 'exit 9'
sed -i '$d' "$SRC/build.sh"
sed -i '$a sleep 1' "$SRC/build.sh"
world_commit 6
plan v4 now all
exits 'push -o nowait' 0 git -C "$SRC" push -o nowait origin v4
says 'does not wait' 'goes on without you'
job=$(sed -n 's/.*follow it: tagship -C [^ ]* wait \([^ ]*\).*/\1/p' "$W/out")
exits 'wait for it' 0 c wait "$job"
says 'its log' 'building version 6'
exits 'log JOB' 0 c log "$job"
says 'is the same' 'building version 6'
exits 'log of a job that is none' 1 c log shop-nonsense
exits 'log' 0 c log
says 'lists the jobs' "$job"
sed -i '$d' "$SRC/build.sh"
sed -i 's/^push_wait = 1;/push_wait = 60;/' "$STATE/central.cfg"

# ---- a worker that is a service, and down ----
world_worker_ends
echo 'worker = "service";' >> "$STATE/central.cfg"
world_commit 7
plan v5 now all
exits 'a push while the worker is down' 0 git -C "$SRC" push origin v5
says 'says so' 'the worker is down'
exits 'doctor, too' 1 c doctor
says 'and what to do' 'tagship worker --once'
exits 'a worker starts' 0 c worker --once
is 'and the job is done' "$(world_state shop v5 berlin)" ordered
sed -i '/^worker = "service";/d' "$STATE/central.cfg"
pull > "$W/pull" 2>&1
is 'v5 serves' "$(world_answer berlin)" 7
is 'v4 did not go live after it' "$(world_state shop v4 berlin)" superseded

# ---- plans ----
printf 'Shop\n\nRelease-At: 2098-01-01 02:00 base-local\nRelease-To: all\n' > "$W/good"
printf 'Shop\n\nRelease-At: 2098-01-01 02:00\nRelease-To: all\n' > "$W/wrong"
exits 'plan check of a file' 0 tagship -C /nonexistent plan check "$W/good"
exits 'plan check of a wrong one' 3 tagship -C /nonexistent plan check "$W/wrong"
says 'with the remedy' 'base-local'
exits 'plan check of standard input' 0 sh -c "tagship plan check < '$W/good'"
exits 'plan check --app' 0 c plan check --app shop "$W/good"
says 'prints the table' '2098-01-01 02:00:00 +01:00'
exits 'plan check --app with an unknown app' 2 c plan check --app shopp "$W/good"
says 'names the nearest' 'did you mean shop'
world_commit 8
plan v6 $later all
exits 'a plan for later' 0 git -C "$SRC" push origin v6
exits 'plan list' 0 c plan list
says 'has it' 'v6'
exits 'plan list --json' 0 c plan list shop --json
ok 'is JSON' json_ok
is 'with it' "$(perl -MJSON::PP -0777 -e 'print join ",", map { "$_->{tag} $_->{targets}[0]{base}" } @{decode_json(<STDIN>)}' < "$W/out")" 'v6 berlin'
exits 'status --json' 0 c status --json
is 'is JSON' "$(perl -MJSON::PP -0777 -e '$s=decode_json(<STDIN>); print join ",", map { "$_->{app} $_->{live_version} $_->{next_version}" } grep { $_->{base} eq "berlin" } @{$s->{cells}}' < "$W/out")" 'shop v5 v6'
exits 'status of an unknown app' 1 c status shopp
says 'names the nearest' 'did you mean "shop"'
exits 'log APP' 0 c log shop
says 'lists its releases' 'v6'
exits 'log APP VERSION' 0 c log shop v6
says 'has the decisions' accepted
exits 'log of an unknown release' 1 c log shop v99
pull > "$W/pull" 2>&1
exits 'cancel --base' 0 c cancel shop v6 --base berlin
is 'is asked' "$(world_state shop v6 berlin)" cancel-asked
pull > "$W/pull" 2>&1
is 'and confirmed' "$(world_state shop v6 berlin)" cancelled
exits 'cancel at a base that is none' 1 c cancel shop v6 --base berlim
says 'names the nearest' 'did you mean "berlin"'

# ---- hold, rollback at the base, rollback at central ----
exits 'hold' 0 b hold shop 'moving the rack'
world_commit 9
plan v7 now all
exits 'a release while held' 0 git -C "$SRC" push -q origin v7
b -q pull > "$W/pull" 2>&1
b -q activate > "$W/pull" 2>&1
is 'is staged' "$(world_state shop v7 berlin)" staged
is 'and does not go live' "$(world_answer berlin)" 7
exits 'status at central' 0 c status
says 'shows the hold' 'held: moving the rack'
exits 'doctor at the base' 1 b doctor
says 'shows it, too' 'held: moving the rack'
exits 'status at the base' 0 b status
says 'as well' 'HELD  moving the rack'
exits 'unhold' 0 b unhold shop
pull > "$W/pull" 2>&1
is 'then it goes live' "$(world_answer berlin)" 9
ok 'central knows that the hold is over' sh -c "! tagship -C '$STATE' status | grep -q held"
exits 'an app that is none' 2 b hold shopp reason

mv "$STATE" "$W/away"
exits 'rollback at the base, the line down' 0 b rollback shop
is 'the last good version serves' "$(world_answer berlin)" 7
ok 'pull fails' not b pull
exits 'base status --json' 0 b status --json
ok 'is JSON' json_ok
exits 'base log' 0 b log -n 5
exits 'base log --json' 0 b log --json
ok 'is JSON' json_ok
mv "$W/away" "$STATE"
exits 'the line is back' 0 b -q pull
exits 'status at central' 0 c status
ok 'central learns what serves' grep -q 'berlin  *v5' "$W/out"
c log shop v7 > "$W/out"
ok 'and who went back' grep -qi 'roll' "$W/out"
world_commit 10
plan v8 now all
git -C "$SRC" push -q origin v8 > "$W/push" 2>&1
pull > "$W/pull" 2>&1
is 'the next release goes live' "$(world_answer berlin)" 10
exits 'rollback without --to' 0 c rollback shop
pull > "$W/pull" 2>&1
exits 'rollback of an app without releases' 1 c rollback site

# ---- gc ----
before=$(world_answer berlin)
exits 'gc -n at central' 0 c gc -n
exits 'gc at central' 0 c gc
exits 'gc -n at the base' 0 b gc -n
exits 'gc at the base' 0 b gc
is 'what serves still serves' "$(world_answer berlin)" "$before"
world_commit 11
plan v9 $later all
git -C "$SRC" push -q origin v9 > "$W/push" 2>&1
exits 'gc with an open order' 0 c gc
b -q pull > "$W/pull" 2>&1
exits 'gc at the base with a staged version' 0 b gc
is 'v9 is staged' "$(world_state shop v9 berlin)" staged
exits 'its plan is moved to now' 0 sh -c "cd '$SRC' && printf 'v9\n\nRelease-At: now\nRelease-To: all\n' | git tag -f -a -F - v9 && git push -f origin v9"
pull > "$W/pull" 2>&1
is 'and it goes live' "$(world_answer berlin)" 11
exits 'rollback after gc' 0 c rollback shop --base berlin
pull > "$W/pull" 2>&1
is 'works' "$(world_answer berlin)" "$before"
exits 'a second one would go forward again, and is refused' 3 c rollback shop --base berlin
says 'with what to do' 'by a rollback already; name the version you want with --to'

# ---- doctor ----
exits 'doctor at the base is content' 0 b doctor
says 'with its ledger' 'ledger: verified end to end'
exits 'as JSON' 0 b doctor --json
ok 'is JSON' json_ok
says 'that counts' '"bad" : 0'
mkdir "$W/alone"
cp "$(command -v tagship)" "$W/alone"
exits 'programs without their hooks' 1 "$W/alone/tagship" -C "$STATE" doctor
says 'are found' 'hooks: not there, or not executable: /'
# its hooks would have the base take in again what is there
mirror() { git -C "$ROOT/mirror.git" -c core.hooksPath=/dev/null "$@"; }
head=$(mirror rev-parse refs/tagship/accepted)
forged=$(mirror commit-tree -p "$head" -m 'Forged' "$head^{tree}")
mirror update-ref refs/tagship/accepted "$forged"
exits 'a ledger that somebody altered' 1 b doctor --json
ok 'is found, as JSON' perl -MJSON::PP -0777 -e '$r = decode_json(<> =~ s/^tagship-base.*//smr); exit !($r->{bad} == 1 && grep { $_->{level} eq "bad" && $_->{text} =~ /^ledger: .*put mirror.git back/ } @{$r->{findings}})' "$W/out"
mirror update-ref -d refs/tagship/accepted
exits 'one that forgot what was accepted' 1 b doctor
says 'is found' 'ledger: mirror.git has lost what was accepted'
mirror update-ref refs/tagship/accepted "$head"
exits 'doctor at central is content' 0 c doctor
chmod 644 "$STATE/keys/central"
exits 'a signing key that others can read' 1 c doctor
says 'is found' 'others can read it'
chmod 600 "$STATE/keys/central"
chmod 644 "$ROOT/key"
exits "a base's key that others can read" 1 b doctor
says 'is found' 'others can read it'
chmod 600 "$ROOT/key"
chmod o+w "$STATE/queue"
exits 'a folder that everybody can write' 1 c doctor
says 'is found' "chmod o-w $STATE/queue"
chmod o-w "$STATE/queue"
chmod o+w "$W/berlin/app"
exits 'likewise at the base' 1 b doctor
says 'is found' "and so change what serves: chmod o-w $W/berlin/app"
chmod o-w "$W/berlin/app"
[ "$(id -u)" != 0 ] || { chown 65534 "$STATE/queue"; exits "a folder of somebody else's" 1 c doctor; says 'is found' "chown -R $(id -un) $STATE/queue"; chown 0 "$STATE/queue"; }
cp "$STATE/central.cfg" "$W/central.cfg"
printf 'serve_url = "ssh://nobody@127.0.0.1/x";\n' >> "$STATE/central.cfg"
exits 'bases that come to an account without a shell' 1 c doctor
says 'are found' 'sshd: shell of nobody: /usr/sbin/nologin'
says 'sshd was asked' 'note sshd: AcceptEnv'
mv "$W/central.cfg" "$STATE/central.cfg"
mv "$W/shop.git/hooks/post-receive" "$W/post-receive"
printf '#!/bin/sh\n' > "$W/shop.git/hooks/post-receive"
chmod +x "$W/shop.git/hooks/post-receive"
exits 'a hook that somebody replaced' 1 c doctor
says 'is found' 'hook post-receive is not ours'
exits 'hook check finds it, too' 1 c hook check "$W/shop.git"
mkdir "$W/hooks"
ln -sf "$W/hooks/x" "$W/shop.git/hooks/post-receive"
printf '#!/bin/sh\n' > "$W/hooks/x"
chmod +x "$W/hooks/x"
exits 'or replaced by a link' 1 c doctor
mv "$W/post-receive" "$W/shop.git/hooks/post-receive"
world_commit 12
plan v10 $later all
git -C "$SRC" push -q origin v10 > "$W/push" 2>&1
git -C "$W/shop.git" -c core.hooksPath=/dev/null update-ref -d refs/tags/v10
exits 'a tag that vanished' 1 c doctor
says 'is found' 'refs/tags/v10 is gone'
world_worker_ends
exits 'a worker looks at it' 0 c worker --once
is 'and nothing is cancelled' "$(world_state shop v10 berlin)" ordered
says_note() { grep -q 'refs/tags/v10 is gone' "$STATE/log/worker.log"; }
ok 'but noted' says_note
exits 'as doctor says: cancel it' 0 c cancel shop v10
exits 'then doctor is content' 0 c doctor
exits 'a vanished tag without a plan' 0 sh -c "cd '$SRC' && git tag -a -m x plain && git push -q origin plain && git -C '$W/shop.git' -c core.hooksPath=/dev/null update-ref -d refs/tags/plain"
exits 'is found' 1 c doctor
says 'with the command that puts it back' "git -C $W/shop.git update-ref refs/tags/plain"
exits 'that command works' 0 sh -c "$(sed -n 's/.*Put it back: //p' "$W/out")"
exits 'and doctor is content' 0 c doctor

# ---- bundles by hand, and lists ----
mkdir "$W/t1" "$W/t2"
seq 1 500 > "$W/t1/kept"
seq 1 400 > "$W/t1/changed"
cp -p "$W/t1/kept" "$W/t2/kept"
seq 2 401 > "$W/t2/changed"
exits 'bundle make of two folders' 0 c bundle make "$W/t1" "$W/t2" "$W/hand"
exits 'bundle show' 0 c bundle show "$W/hand" --old "$W/t1"
says 'what changed' 'changed'
exits 'bundle show --json' 0 c bundle show "$W/hand" --json
ok 'is JSON' json_ok
exits 'bundle apply' 0 c bundle apply "$W/t1" "$W/hand" "$W/t3"
ok 'gives the new folder' diff -r "$W/t2" "$W/t3"
exits 'to the wrong folder' 4 c bundle apply "$W/t2" "$W/hand" "$W/t4"
head -c 200 "$W/hand" > "$W/half"
exits 'half a bundle' 4 c bundle apply "$W/t1" "$W/half" "$W/t4"
ok 'leave nothing behind' test ! -e "$W/t4"
exits 'a codec that is not known' 2 c bundle make "$W/t1" "$W/t2" "$W/never" --codec zpaq
exits 'base list' 0 c base list
says 'names the base' 'Europe/Berlin'
exits 'base list --json' 0 c base list --json
ok 'is JSON' json_ok

# ---- what bash completes ----
completes() { # WORD...: cut as bash cuts the line, at = and @, too; what is offered, in one line
	# shellcheck disable=SC2016 # for bash
	bash -c '. "$1/line.bash"
		. "$1/$2.bash"
		shift
		COMP_WORDS=("$@")
		COMP_CWORD=$(($# - 1))
		COMP_LINE=$*
		COMP_LINE=${COMP_LINE// = /=}
		COMP_LINE=${COMP_LINE//, @ /,@}
		"_${1//-/_}"
		echo "${COMPREPLY[*]}"' completes "$TOP/config/completion" "$@"
}
sed -i 's/^groups = .*/groups = [ "asia", "island" ];/' "$STATE/bases.d/berlin.cfg"
world_commit 13
plan 'v11+a&b' $later all
plan plan/back $later all 'Release-Version: v8'
git -C "$SRC" push -q origin 'v11+a&b' plan/back > "$W/push" 2>&1
world_worker_ends
pull > "$W/pull" 2>&1 # also tells that v10 was cancelled
is 'cancel: tags of what is to come' "$(completes tagship -C "$STATE" cancel shop '')" 'plan/back v11+a\&b'
is 'of which one goes on so' "$(completes tagship -C "$STATE" cancel shop pl)" plan/back
is 'behind an open quote none that bash would read' "$(completes tagship -C "$STATE" cancel shop '"')" plan/back
is 'log: all tags' "$(completes tagship -C "$STATE" log shop '' | tr ' ' '\n' | grep -c '^plan/back$\|^v9$\|^v10$')" 3
is 'each once' "$(completes tagship -C "$STATE" log shop '' | tr ' ' '\n' | sort | uniq -d)" ''
failed=$(c log --json | perl -MJSON::PP -0777 -e 'print join " ", sort map { $_->{job} } grep { $_->{state} eq "failed" } @{decode_json(<STDIN>)}')
is 'retry: jobs that failed' "$(completes tagship -C "$STATE" retry '' | tr ' ' '\n' | sort | xargs)" "$failed"
ok 'of which there are some' [ -n "$failed" ]
is 'wait: jobs' "$(completes tagship -C "$STATE" wait shop-plan-back)" "$(c log | sed -n 's/^\(shop-plan-back[^ ]*\) .*/\1/p')"
is 'rollback --to: versions in the library' "$(completes tagship -C "$STATE" rollback shop --to = v11 | cut -c1-3)" v11
is 'plan new --to: bases, groups, all' "$(completes tagship -C "$STATE" plan new --to '')" '@asia @island all berlin'
is 'and what comes next in the list' "$(completes tagship -C "$STATE" plan new --to berlin, @ as)" @asia
is 'plan new --release-version: versions' "$(completes tagship -C "$STATE" plan new --release-version v11)" 'v11+a\&b'
mkdir "$W/some folder"
for words in board 'developer install'; do
	# shellcheck disable=SC2086 # two words
	is "$words: folders" "$(completes tagship $words "$W/som")" "$W/some folder"
done
ln -s "$STATE" "$W/some folder/state"
is 'the state folder in quotes' "$(completes tagship -C "'$W/some folder/state'" status sho)" shop
is 'with backslashes' "$(completes tagship -C "$W/some\\ folder/state" status sho)" shop
is 'from a variable' "$(W=$W completes tagship -C "\"\$W/some folder/state\"" status sho)" shop
is 'behind =' "$(completes tagship --directory = "$STATE" status sho)" shop
is 'nothing in it is run' "$(completes tagship -C "\$(touch $W/run)\`touch $W/run\`" status ''; ls "$W/run" 2> "$W/err")" ''
waiting=$(completes tagship-base -C "$ROOT" activate shop '')
is 'activate: what is staged' "$waiting" 'v11+a\&b v8'
here=$(b pin shop none 2>&1 | sed -n 's/.*here are: //p' | tr -d ,)
is 'pin: what is on this disk' "$(completes tagship-base -C "$ROOT" pin shop '' | tr -d '\134')" "$here"
is 'unpin: nothing is pinned' "$(completes tagship-base -C "$ROOT" unpin shop '')" ''
b pin shop 'v11+a&b' > "$W/out"
is 'unpin: what is' "$(completes tagship-base --directory = "$ROOT" unpin shop '')" 'v11+a\&b'
b unpin shop 'v11+a&b' > "$W/out"

# ---- examples ----
EXAMPLES=$TOP/config/examples
c status --metrics > "$W/metrics"
is 'alert rules name metrics that there are' "$(grep -o 'tagship_[a-z_]*' "$EXAMPLES/alerts.yml" | sort -u | while read -r name; do grep -q "^# TYPE $name " "$W/metrics" || echo "$name"; done)" ''
rule() { sed -n "/alert: $1\$/,/summary/p" "$EXAMPLES/alerts.yml"; }
ok 'what arrives late is given time to arrive' sh -c "echo '$(rule TagshipArrivesLate)' | grep -q '^ *for: '"
ok 'also what is not built yet' sh -c "echo '$(rule TagshipArrivesLate)' | grep -q '=~\"building|bundling|'"
ok 'a failed build is in one of them' sh -c "echo '$(rule TagshipTrouble)' | grep -q 'expr: tagship_trouble > 0'"
if command -v promtool > "$W/out"; then
	ok 'promtool finds nothing' promtool check rules "$EXAMPLES/alerts.yml"
fi
mkdir "$W/bin"
printf '#!/bin/sh\necho "$@" > "%s/sent-as"\ncat > "%s/sent"\n' "$W" "$W" > "$W/bin/curl"
chmod +x "$W/bin/curl"
send() { printf '%s' "$2" | PATH=$W/bin:$PATH sh "$EXAMPLES/$1" "$3"; }
send notify-mail '{"event":"live","text":"shop v1 at berlin: live"}' ops@example.com
ok 'a mail goes by SMTP' grep -q -- '--mail-rcpt ops@example.com .*smtp://localhost$' "$W/sent-as"
tr -d '\r' < "$W/sent" > "$W/mail"
ok 'to somebody' grep -qx 'To: ops@example.com' "$W/mail"
ok 'with a subject' grep -qx 'Subject: tagship: shop v1 at berlin: live' "$W/mail"
send notify-mail "$(printf '{"event":"failed","text":"shop v1: \303\274ber\\nBcc: x %02000d","log_end":"%02000d"}' 0 0)" ops@example.com
ok 'no line of it is long, all are ASCII, and end as SMTP wants it' perl -ne 'exit 1 unless /^[\t -~]{0,78}\r\n$/' "$W/sent"
tr -d '\r' < "$W/sent" > "$W/mail"
is 'a text adds no header' "$(sed '/^$/q' "$W/mail" | grep -c '^Bcc')" 0
ok 'the subject is encoded' perl -MEncode -0777 -ne '/^Subject: (.*\n(?: .*\n)*)/m; exit decode("MIME-Header", $1) !~ /^tagship: shop v1: \x{fc}ber Bcc: x 0+\.\.\.$/' "$W/mail"
send notify-webhook '{"text":"v1 <!channel> @all & more"}' http://127.0.0.1/
is 'a chat is told, and nobody called' "$(perl -CO -MJSON::PP -0777 -ne 'print decode_json($_)->{text} =~ s/\x{200b}/_/gr' "$W/sent")" 'tagship: v1 &lt;!channel&gt; @_all &amp; more'

# ---- new hardware ----
exits 'base key' 0 c base key berlin
ok 'prints the key' grep -q '^ssh-ed25519 AAAA' "$W/out"
exits 'a join line with more around it is refused' 2 tagship-base -C "$W/berlin2" init berlin --join "$(printf '%s\n%s' 'a note' "$(cat "$W/join")")"
ok 'and nothing is made' [ ! -e "$W/berlin2/base.cfg" ]
tagship-base -q -C "$W/berlin2" init berlin --incarnation 2 --join "$(cat "$W/join")" --zone Europe/Berlin > "$W/enrol"
key=$(sed -n "s/.*--key '\([^']*\)'.*/\1/p" "$W/enrol")
exits 'base key --replace without a key' 2 c base key berlin --replace
exits 'base key --replace' 0 c base key berlin --replace --key "$key"
says 'a new incarnation' 'incarnation 2'
exits 'the old hardware is refused' 3 b -q pull
says 'and told why' 'incarnation'
sed -i '/^apps = ( );/d' "$W/berlin2/base.cfg"
sed -n '/^pull_every = 2;/,$p' "$ROOT/base.cfg" | sed "s#$W/berlin/app#$W/berlin2/app#" >> "$W/berlin2/base.cfg"
mkdir "$W/berlin2/app"
exits 'the new hardware is heard' 0 tagship-base -C "$W/berlin2" -q pull
c base show berlin > "$W/out"
says 'as incarnation 2' 'incarnation = 2'
done_testing
