#!/bin/sh
# A real gitolite in front: developers push plans and ask central by the keys that gitolite knows, under
# the rights of each app; its own hooks and a later `gitolite setup` leave ours alone.
. "$(dirname "$0")/../lib/world.sh"
command -v gitolite > /dev/null || { echo '1..0 # SKIP no gitolite here (scripts/install-deps)'; exit 0; }
world_new
trap world_end EXIT
world_sshd 2> /dev/null
world_source
GL=$W/gl
mkdir -p "$GL"
for who in admin ana ben eve; do ssh-keygen -q -t ed25519 -N '' -C $who -f "$W/sshd/$who"; done
gl() { HOME=$GL gitolite "$@"; }
cp "$W/sshd/admin.pub" "$W/admin.pub"
# it looks at pushes to master alone
ok 'gitolite sets itself up' sh -c "HOME='$GL' GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=init.defaultBranch GIT_CONFIG_VALUE_0=master \\
	gitolite setup -pk '$W/admin.pub' > '$W/setup' 2>&1"

# Its account's home is of this test, and so is its sshd.
keys() {
	sed "s|^command=\"|command=\"HOME=$GL |" "$GL/.ssh/authorized_keys" > "$W/sshd/authorized_keys.new"
	tagship -C "$STATE" authorized-keys >> "$W/sshd/authorized_keys.new"
	mv "$W/sshd/authorized_keys.new" "$W/sshd/authorized_keys"
}
ssh_of() { echo "ssh -i $W/sshd/$1 -o IdentitiesOnly=yes -o UserKnownHostsFile=$W/sshd/known_hosts"; }
as() { # WHO ARG...
	_ssh=$(ssh_of "$1")
	shift
	$_ssh -p "$SSH_PORT" "$(id -un)@$SSH_ADDRESS" "$@"
}
URL=ssh://$(id -un)@$SSH_ADDRESS:$SSH_PORT
keys
GIT_SSH_COMMAND=$(ssh_of admin) git clone -q "$URL/gitolite-admin" "$W/gl-admin" 2> /dev/null
cp "$W/sshd/ana.pub" "$W/sshd/ben.pub" "$W/sshd/eve.pub" "$W/gl-admin/keydir/"
cat >> "$W/gl-admin/conf/gitolite.conf" << 'END'

repo shop
    -   refs/tags/forbidden = ana
    RW+ = ana ben
    R   = eve
END
git -C "$W/gl-admin" add -A
git -C "$W/gl-admin" commit -qm 'shop'
GIT_SSH_COMMAND=$(ssh_of admin) git -C "$W/gl-admin" push -q origin HEAD > "$W/out" 2>&1
keys
REPO=$GL/repositories/shop.git
ok 'it made the repository' test -d "$REPO"

# ---- hooks beside gitolite's ----
tagship -q -C "$STATE" app add shop "$REPO" --build 'sh build.sh' --output dist
ok 'hook install' tagship -q -C "$STATE" hook install "$REPO"
APP=shop
world_base berlin Europe/Berlin
keys
git -C "$SRC" remote add origin "$URL/shop"
push_as() { # WHO REF...
	_who=$1
	shift
	GIT_SSH_COMMAND=$(ssh_of "$_who") git -C "$SRC" push -q origin "$@" > "$W/push" 2>&1
}
ok 'a branch' push_as ana main
printf 'Shop 1\n\nRelease-At: now\nRelease-To: all\n' | world_tag v1
push_as eve v1
ok 'gitolite keeps out who may not push' has "$W/push" 'DENIED by'
printf 'Shop\n\nRelease-At: nwo\nRelease-To: all\n' | world_tag bad
push_as ana bad
ok 'a bad plan is refused, with what to do' has "$W/push" 'nwo'
push_as ana v1
ok 'a plan is ordered' has "$W/push" 'ordered: shop v1'
ok 'under the name that gitolite knows' sh -c "tagship -C '$STATE' log | grep -q ' ana '"
job=$(sed -n 's/.*tagship: job \([^ ]*\).*/\1/p' "$W/push" | head -n 1)
world_base_run berlin
ok 'and goes live' world_wait 30 world_is shop v1 berlin live

# ---- the developers' door ----
tagship -q -C "$STATE" developer install "$GL/local/commands"
sed -i "s|^\( *\)# LOCAL_CODE .*HOME}/local.*|\1LOCAL_CODE => \"\$ENV{HOME}/local\",|
	s|^\( *\)'help',|\1'help',\n\1'tagship',|" "$GL/.gitolite.rc"
ok 'the command is enabled' gl setup
keys
answers() { # WHAT EXIT TEXT WHO ARG...
	_what=$1 _exit=$2 _text=$3
	shift 3
	as "$@" < /dev/null > "$W/out" 2>&1
	is "$_what" $? "$_exit"
	ok "$_what: says so" has "$W/out" "$_text"
}
answers 'nobody looks who may not' 3 'adds who may to readers' eve tagship status shop
sed -i '/^readers = /d; /^operators = /d' "$STATE/apps.d/shop.cfg"
echo 'readers = [ "ana" ]; operators = [ "ben" ];' >> "$STATE/apps.d/shop.cfg"
answers 'a reader looks' 0 'shop  berlin' ana tagship status shop
answers 'the log' 0 'built v1' ana tagship log "$job"
answers 'a reader stops nothing' 3 'operators' ana tagship stop shop why
answers 'an operator does' 0 'has read it' ben tagship stop shop why
answers 'and resumes' 0 'has read it' ben tagship resume shop
answers 'no option of ours leaves the door' 2 'not here' ana tagship status -C /etc

# ---- gitolite's own setup comes again, and hooks of its own for this repository ----
mkdir -p "$GL/local/hooks/repo-specific"
for hook in pre-receive post-receive; do
	printf '#!/bin/sh\necho "theirs: %s $(wc -l)" >> "%s/theirs"\n' $hook "$W" > "$GL/local/hooks/repo-specific/note-$hook"
done
printf '#!/bin/sh\ngrep -q refs/tags/evil && { echo no evil tags; exit 1; }; exit 0\n' > "$GL/local/hooks/repo-specific/no-evil"
chmod +x "$GL"/local/hooks/repo-specific/*
sed -i "s|^ *# LOCAL_CODE  *=>  *\"\$ENV{HOME}/local\",|LOCAL_CODE => \"$GL/local\",|; s|^ *# 'repo-specific-hooks',|'repo-specific-hooks',|" "$GL/.gitolite.rc"
cat >> "$W/gl-admin/conf/gitolite.conf" << 'END'

repo shop
    option hook.pre-receive = note-pre-receive no-evil
    option hook.post-receive = note-post-receive
END
git -C "$W/gl-admin" commit -qam 'hooks of its own'
GIT_SSH_COMMAND=$(ssh_of admin) git -C "$W/gl-admin" push -q origin HEAD > "$W/out" 2>&1
gl setup
keys
ok 'gitolite has put its own in the place of what was there' sh -c "readlink '$REPO/hooks/pre-receive' | grep -q multi-hook-driver"
ok 'our hooks are as they were' tagship -q -C "$STATE" hook check "$REPO"
ok 'hook install again changes nothing' tagship -q -C "$STATE" hook install "$REPO"
world_commit 2
printf 'Shop 2\n\nRelease-At: now\nRelease-To: all\n' | world_tag v2
push_as ben main v2
ok 'and the next release works' world_wait 30 world_is shop v2 berlin live
ok 'their pre-receive was run' has "$W/theirs" 'theirs: pre-receive 2'
ok 'and their post-receive' has "$W/theirs" 'theirs: post-receive 2'
git -C "$SRC" tag evil
ok 'what theirs refuse is refused' not push_as ben evil
ok 'by them' has "$W/push" 'no evil tags'
git -C "$SRC" tag forbidden
ok "and what gitolite's own update hook does" not push_as ana forbidden
ok 'by it' has "$W/push" 'forbidden'
printf 'Shop\n\nRelease-At: now\nRelease-To: berlim\n' | world_tag v3
ok 'a bad plan is refused by ours' not push_as ben v3
ok 'with the reason' has "$W/push" 'did you mean berlin'
ok 'hook remove' tagship -q -C "$STATE" hook remove "$REPO"
ok "leaves gitolite's" sh -c "readlink '$REPO/hooks/pre-receive' | grep -q multi-hook-driver && test ! -e '$REPO/tagship-hooks'"
git -C "$SRC" push -q --delete origin evil > /dev/null 2>&1
ok 'which still run' not push_as ben evil
done_testing
