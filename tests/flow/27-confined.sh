#!/bin/sh
# What answers a base is confined: seen from outside while it waits, and by what it cannot reach
# though a file leads it there.
. "$(dirname "$0")/../lib/world.sh"
world_new
trap world_end EXIT
tagship -q init "$STATE" > "$W/join"
for base in berlin haikou; do
	ssh-keygen -q -t ed25519 -N '' -f "$W/$base"
	tagship -q -C "$STATE" base add $base --zone UTC --key "$(cut -d' ' -f1,2 "$W/$base.pub")"
done
LEDGER=$STATE/ledger/haikou.git
tagship -C "$STATE" doctor > "$W/doctor" 2>&1
ok 'doctor says how bases are served' grep -q 'serving bases: .*confined' "$W/doctor"
if ! grep -q 'serving bases: confined by Landlock' "$W/doctor"; then
	echo '# this kernel lacks Landlock or seccomp'
	done_testing
	exit 0
fi

serve() { # VERB: reads from the FIFO, so that it waits
	mkfifo "$W/in.$1"
	SSH_ORIGINAL_COMMAND="$2" tagship -C "$STATE" serve haikou < "$W/in.$1" > "$W/out.$1" 2>&1 &
	PID=$!
}
status_of() { sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"; }

serve watch 'watch -'
exec 8> "$W/in.watch"
ok 'a watch answers' world_wait 20 grep -q '^ok' "$W/out.watch"
is '  with a system call filter' "$(status_of $PID Seccomp)" 2
is '  and no way to more rights' "$(status_of $PID NoNewPrivs)" 1
is '  in one process' "$(cat "/proc/$PID/task/$PID/children")" ''
exec 8>&-
ok '  and ends when the base hangs up' wait $PID

serve hello 'hello'
exec 8> "$W/in.hello"
child() { CHILD=$(tr -d ' ' < "/proc/$PID/task/$PID/children") && [ -n "$CHILD" ]; }
waits_confined() { child && [ "$(status_of "$CHILD" Seccomp)" = 2 ]; }
ok 'other verbs have a confined child' world_wait 20 waits_confined
waits_confined
is '  with no way to more rights' "$(status_of "$CHILD" NoNewPrivs)" 1
is '  while the parent pokes the worker' "$(status_of "$PID" Seccomp)" 0
kill -KILL "$PID"
gone() { [ ! -e "/proc/$CHILD" ] || grep -q '^State:.*Z' "/proc/$CHILD/status"; }
ok '  and dies with it' world_wait 20 gone
exec 8>&-

# somebody made the ledger lead elsewhere: unconfined, this would be read
reach() { # WHAT
	rm -f "$LEDGER/packed-refs"
	ln -s "$1" "$LEDGER/packed-refs"
	SSH_ORIGINAL_COMMAND='want - 0000000000000000000000000000000000000000000000000000000000000001' \
		tagship -C "$STATE" serve haikou < /dev/null > "$W/reach" 2>&1
}
reach "$STATE/keys/central"
ok 'the signing key is out of reach' has "$W/reach" 'Permission denied'
reach "$STATE/ledger/berlin.git/HEAD"
ok "another base's ledger is out of reach" has "$W/reach" 'Permission denied'
reach /etc/hostname
ok 'what is not for programs is out of reach' has "$W/reach" 'Permission denied'
reach "$STATE/ledger/haikou.git/HEAD"
ok '  and its own is not' not has "$W/reach" 'Permission denied'
rm "$LEDGER/packed-refs"

# git's configuration may lie in files that others include
HOME=$W/home
export HOME
mkdir -p "$HOME/more"
printf '[include]\n\tpath = ~/more/git\n[include]\n\tpath = near\n' > "$HOME/.gitconfig"
printf '[core]\n\tabbrev = 12\n' > "$HOME/more/git"
cp "$HOME/more/git" "$HOME/near"
reach "$STATE/ledger/haikou.git/HEAD"
ok "git's configuration is read with what it includes" not has "$W/reach" 'Permission denied'
done_testing
