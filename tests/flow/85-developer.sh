#!/bin/sh
# What developers may ask central by ssh, by git-shell's commands and as gitolite runs them, under the
# rights of each app.
. "$(dirname "$0")/../lib/world.sh"
world_new
trap world_end EXIT
world_sshd 2> /dev/null
world_central shop 'sh build.sh' dist
APP=shop
world_base berlin Europe/Berlin
c() { tagship -C "$STATE" "$@"; }
conf_set() { # FILE KEY VALUE
	sed -i "/^$2 = /d" "$STATE/$1"
	echo "$2 = $3;" >> "$STATE/$1"
}
# One account for all, its shell is git-shell; who it is stands with the key.
ok 'the command is installed' tagship -q -C "$STATE" developer install "$W/git/git-shell-commands"
cd "$W" || exit
tagship -C "$STATE" developer install --help > "$W/out" 2>&1
ok 'its help makes no folder of that name' [ ! -e ./--help ]
for who in ana ben; do
	ssh-keygen -q -t ed25519 -N '' -f "$W/sshd/$who"
	printf 'restrict,command="HOME=%s TAGSHIP_USER=%s exec git-shell -c \\"$SSH_ORIGINAL_COMMAND\\"" %s\n' \
		"$W/git" "$who" "$(cat "$W/sshd/$who.pub")" >> "$W/sshd/authorized_keys"
done
as() { # WHO ARG...
	_key=$W/sshd/$1
	shift
	ssh -i "$_key" -o IdentitiesOnly=yes -o UserKnownHostsFile="$W/sshd/known_hosts" -p "$SSH_PORT" \
		"$(id -un)@$SSH_ADDRESS" "$@"
}
answers() { # WHAT EXIT TEXT WHO ARG...
	_what=$1 _exit=$2 _text=$3
	shift 3
	as "$@" < /dev/null > "$W/out" 2>&1
	is "$_what" $? "$_exit"
	ok "$_what: says so" has "$W/out" "$_text"
}

answers 'nobody looks who may not' 3 'adds who may to readers' ana tagship status shop
conf_set apps.d/shop.cfg readers '[ "ana", "ben" ]'
conf_set apps.d/shop.cfg operators '[ "ben" ]'
answers 'a reader looks' 0 'shop  berlin' ana tagship status shop
answers 'without a name' 0 'shop  berlin' ana tagship status
answers 'as JSON' 0 '"app"' ana tagship status --json
answers 'no other folder' 2 'not here' ana tagship status -C /etc
answers 'nor in a cluster' 2 'not here' ana tagship status -qC/etc
answers 'no other command' 2 'there are status' ana tagship gc
answers 'nothing is installed from there' 2 'there are status' ana tagship install "$W/git/elsewhere"
ok 'no folder either' [ ! -e "$W/git/elsewhere" ]
# a script of before "--" stood in it
sed 's/ -- / /' "$W/git/git-shell-commands/tagship" > "$W/old"
cat "$W/old" > "$W/git/git-shell-commands/old"
chmod +x "$W/git/git-shell-commands/old"
answers 'nor by an old script' 3 'install it anew' ana old install "$W/git/elsewhere"
ok 'no folder by that' [ ! -e "$W/git/elsewhere" ]
answers 'help' 0 'install FOLDER' ana tagship --help
answers 'an app that is none' 2 'shopp' ana tagship status shopp
answers 'no shell' 128 'unrecognized command' ana id

world_commit 1
printf 'Shop 1\n\nRelease-At: now\nRelease-To: all\n' | world_tag v1
GIT_SSH_COMMAND="ssh -i $W/sshd/ana -o IdentitiesOnly=yes -o UserKnownHostsFile=$W/sshd/known_hosts" \
	git -C "$SRC" push -q "ssh://$(id -un)@$SSH_ADDRESS:$SSH_PORT$W/shop.git" main v1 > "$W/push" 2>&1
ok 'a push by the same key' has "$W/push" 'ordered: shop v1'
job=$(sed -n 's/.*tagship: job \([^ ]*\).*/\1/p' "$W/push" | head -n 1)
answers 'wait' 0 'done' ana tagship wait "$job"
answers 'log of a job' 0 'built v1' ana tagship log "$job"
answers 'log of a release' 0 'berlin' ana tagship log shop v1
ok 'the pusher is known by name' sh -c "tagship -C '$STATE' log | grep -q ' ana '"
answers 'plan list' 0 'berlin' ana tagship plan list
printf 'T\n\nRelease-At: now\nRelease-To: berlin\n' | as ana tagship plan check --app shop > "$W/out" 2>&1
is 'plan check' $? 0
ok 'has the table' has "$W/out" 'berlin  20'
plan_check() { # LINE... : as a push by ana would be judged
	printf '%s\n' 'T' '' 'Release-To: berlin' "$@" | as ana tagship plan check --app shop --tag v1 > "$W/out" 2>&1
}
ok 'a version that is bound already is named' plan_check 'Release-At: now'
ok 'with its commit' has "$W/out" "! version v1 is bound to commit $(git -C "$SRC" rev-parse v1^{} | cut -c 1-12)"
conf_set central.cfg lead 7200
plan_check "Release-At: $(date -u -d '+1 hour' +%Y-%m-%dT%H:%M:%SZ)"
is 'plan check looks at the lead, as the push does' $? 3
ok 'and says so' has "$W/out" 'lead in central.cfg'
conf_set central.cfg lead 0
conf_set bases.d/berlin.cfg freeze '[ "00:00 to 23:59 stock taking", "23:59 to 00:00 stock taking" ]'
plan_check "Release-At: $(date -u -d '+1 day' +%Y-%m-%dT%H:%M:%SZ)" 'Release-Override: it burns'
is 'and at who may override a freeze' $? 3
ok 'and says so, too' has "$W/out" 'may not override'
conf_set bases.d/berlin.cfg freeze '[ ]'
answers 'a template' 0 'Release-At: 2099-01-01 02:00 base-local' ana tagship plan new --print --at "'2099-01-01 02:00 base-local'"
answers 'no editor at central' 2 'prints its template' ana tagship plan new
answers 'no file of central is written' 2 'prints its template' ana tagship plan new --print /tmp/x
answers 'no file of central' 2 'standard input' ana tagship plan check /etc/passwd

# a plan whose job waits behind another: it is seen, and can be cancelled; so can a rollback
(
	flock 9
	echo > "$W/locked"
	while [ ! -e "$W/unlock" ]; do sleep 0.1; done
) 9> "$STATE/worker.lock" &
holder=$!
world_wait 10 test -e "$W/locked"
c rollback shop --to v1 > "$W/rollback" 2>&1 &
rollback=$!
ok 'a queued plan is in plan list' world_wait 10 sh -c "tagship -C '$STATE' plan list shop | grep -q 'queued .*rollback/v1'"
tag=$(c plan list shop | grep -o 'rollback/v1[^ ]*')
answers 'it has no bases yet' 5 'is queued' ben tagship cancel shop "$tag" --base berlin
answers 'it can be cancelled' 0 'is recorded' ben tagship cancel shop "$tag"
touch "$W/unlock"
wait "$holder"
c worker --once > /dev/null 2>&1
wait "$rollback"
ok 'its job orders nothing' grep -q 'was cancelled; nothing to do' "$W/rollback"
is 'and it is over' "$(c log shop "$tag" | sed -n '1s/.*: //p')" cancelled

# what comes: who tagged, signed and pushed it, and what is too near
ssh-keygen -q -t ed25519 -N '' -f "$W/signer"
git -C "$SRC" config gpg.format ssh
git -C "$SRC" config user.signingkey "$W/signer"
for tag in one two; do
	printf 'Plan\n\nRelease-At: 2097-01-01T02:00:0%dZ\nRelease-To: all\nRelease-Version: v1\n' ${#tag} > "$W/message"
	git -C "$SRC" tag -s -F "$W/message" --cleanup=verbatim plan/$tag
done
git -C "$SRC" push -q origin plan/one plan/two > "$W/push" 2>&1
answers 'plan list has both' 0 'plan/two' ana tagship plan list shop
ok 'and who' grep -q 'plan/one .*, signed' "$W/out"
ok 'and the conflict' grep -q '^! shop at berlin: v1 (plan.*) and v1 (plan.*) are 0 s apart' "$W/out"
answers 'the log names the key' 0 "signed by $(ssh-keygen -lf "$W/signer" | cut -d ' ' -f 2)" ana tagship log shop plan/one

# the editor, and what it wrote
printf '#!/bin/sh\nsed -i "s/^What is new.*/Shop 2/" "$1"\n' > "$W/editor"
chmod +x "$W/editor"
is 'plan new' "$(EDITOR=$W/editor GIT_EDITOR='' VISUAL='' script -qec "$BUILD/tagship plan new --release-version v1 $W/new-plan" /dev/null > "$W/out" 2>&1; echo $?)" 0
is 'its first line' "$(head -n 1 "$W/new-plan")" 'Shop 2'
ok 'without comments' sh -c "! grep -q '^#' '$W/new-plan'"
ok 'a plan' tagship -q plan check "$W/new-plan"

answers 'a reader cancels nothing' 3 'adds who may to operators' ana tagship cancel shop v1
answers 'nor stops' 3 'operators' ana tagship stop shop why
answers 'nor stops all' 3 'all apps are meant' ana tagship stop why
answers 'an operator stops' 5 'nothing activates until' ben tagship stop shop "'the payment service is down'"
ok 'under his name' sh -c "tagship -C '$STATE' status | grep -q 'STOPPED by ben .*the payment service is down'"
answers 'and resumes' 5 'resumed' ben tagship resume shop
answers 'an operator cancels' 0 'is recorded' ben tagship cancel shop v1
ok 'under his name, too' sh -c "tagship -C '$STATE' log shop v1 | grep -q 'cancelled by ben'"
answers 'a job that is done is not retried' 3 'only a failed job' ben tagship retry "$job"

# as gitolite runs it: a file of its commands, the user in GL_USER
GL_USER=ben "$W/git/git-shell-commands/tagship" status shop > "$W/out"
is 'by gitolite' $? 0
GL_USER=eve "$W/git/git-shell-commands/tagship" status shop > "$W/out" 2>&1
is 'and for nobody else' $? 3
done_testing
