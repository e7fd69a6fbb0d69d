#!/bin/sh
# Killed with SIGKILL at stages all along the road (fault points, see util/fault.h): the worker, the
# base's pull, its staging and its activation. After each the release still ends right, once.
. "$(dirname "$0")/../lib/world.sh"
world_new
trap world_end EXIT
FAULTS=$BUILD/faults
world_central shop 'sh build.sh' dist
# no hook starts a worker here: each run is ours
sed -i 's/^#* *worker = .*/worker = "service";/' "$STATE/central.cfg"
world_base berlin Europe/Berlin
ROOT=$W/berlin/root
n=0
push() {
	n=$((n + 1))
	TAG=v$n
	world_commit $n
	printf 'Shop %s\n\nRelease-At: now\nRelease-To: all\n' $n | world_tag $TAG
	git -C "$SRC" push -q -o nowait origin main $TAG > "$W/push" 2>&1
}
worker() { tagship -C "$STATE" worker --once; }
pull() { tagship-base -C "$ROOT" -q pull; }
stage() { tagship-stage "$ROOT"; }
activate() { tagship-activate "$ROOT" --once; }

# killed COMMAND...: runs with a fault point that kills; its exit status must say so
points() { # FILE COMMAND...: how many fault points the command passes
	_log=$1
	shift
	rm -f "$_log"
	TAGSHIP_FAULT_LOG=$_log "$@" > /dev/null 2>&1
	wc -l < "$_log"
}
orders_in_ledger() { git -C "$STATE/ledger/berlin.git" log --format=%s orders 2>/dev/null | grep -c "^order.* v$n " || true; }

push
ok 'a push while no worker runs says so' has "$W/push" 'worker'
W_POINTS=$(points "$W/points-worker" "$FAULTS/tagship" -C "$STATE" worker --once)
ok "the worker passes fault points ($W_POINTS)" test "$W_POINTS" -gt 20
P_POINTS=$(points "$W/points-pull" "$FAULTS/tagship-base" -C "$ROOT" -q pull)
A_POINTS=$(points "$W/points-activate" "$FAULTS/tagship-activate" "$ROOT" --app shop)
ok "activation passes fault points ($A_POINTS)" test "$A_POINTS" -gt 10
pull > /dev/null 2>&1
is 'v1 serves' "$(world_answer berlin)" 1

# some of the worker's points, spread over the run (LONG=1: many more of everything)
WORKER_KILLS=${LONG:+25}
WORKER_KILLS=${WORKER_KILLS:-3}
i=0
while [ $i -lt "$WORKER_KILLS" ]; do
	i=$((i + 1))
	at=$((W_POINTS * i / (WORKER_KILLS + 1)))
	push
	TAGSHIP_FAULT=$at=kill "$FAULTS/tagship" -C "$STATE" worker --once > /dev/null 2>&1
	is "worker killed at point $at" $? 137
	worker > "$W/worker" 2>&1
	is "the next worker finishes $TAG" $? 0
	is 'it is ordered once' "$(orders_in_ledger)" 1
	pull > /dev/null 2>&1
	activate > /dev/null 2>&1
	is "and serves" "$(world_answer berlin)" "$n"
done

# two of pull's, two of staging's
for i in 1 2; do
	push
	worker > "$W/worker" 2>&1
	at=$((P_POINTS * i / 3))
	TAGSHIP_FAULT=$at=kill "$FAULTS/tagship-base" -C "$ROOT" -q pull > /dev/null 2>&1
	is "pull killed at point $at" $? 137
	pull > "$W/pull" 2>&1
	activate > /dev/null 2>&1
	is "$TAG serves after the next pull" "$(world_answer berlin)" "$n"
done
for name in syncfs rename; do
	push
	worker > "$W/worker" 2>&1
	# only the download: another process holds the staging lock
	flock "$ROOT/lock/stage" tagship-base -C "$ROOT" -q pull > "$W/pull" 2>&1
	TAGSHIP_FAULT=$name=kill "$FAULTS/tagship-stage" "$ROOT" > "$W/stage" 2>&1
	ok "staging killed at its first $name: nothing half-made in pre-release" sh -c "! ls '$W/berlin/app/pre-release' | grep ."
	stage > "$W/stage" 2>&1
	activate > /dev/null 2>&1
	is "$TAG serves after staging again" "$(world_answer berlin)" "$n"
done

# activation: points spread over it
STEP=${LONG:+2}
STEP=${STEP:-$(((A_POINTS + 4) / 5))}
i=2
while [ "$i" -lt "$A_POINTS" ]; do
	push
	worker > "$W/worker" 2>&1
	pull > "$W/pull" 2>&1
	before=$(readlink "$W/berlin/app/current")
	TAGSHIP_FAULT=$i=kill "$FAULTS/tagship-activate" "$ROOT" --app shop > /dev/null 2>&1
	is "activation killed at point $i" $? 137
	live=$(readlink -f "$W/berlin/app/current")
	ok 'current points at a whole tree' test -f "$live/version.txt"
	activate > "$W/activate" 2>&1
	pull > /dev/null 2>&1
	state=$(world_state shop $TAG berlin)
	# interrupted before the switch it is undone, after it finished: both are right, and said
	case $state in
	live) is "$TAG is live and serves" "$(world_answer berlin)" "$n" ;;
	rolled-back) is "$TAG was undone; the old one serves" "$(readlink "$W/berlin/app/current")" "$before" ;;
	*) is "$TAG ended live or rolled back" "$state" live ;;
	esac
	i=$((i + STEP))
done

push
worker > "$W/worker" 2>&1
pull > /dev/null 2>&1
activate > /dev/null 2>&1
is 'after all that the next release works' "$(world_answer berlin)" "$n"

# ---- the pusher dies in pre-receive ----
mkdir -p "$W/shop.git/hooks/tagship.d"
printf '#!/bin/sh\ncat > /dev/null\ntouch "%s/in-pre-receive"\nsleep 1\n' "$W" > "$W/shop.git/hooks/tagship.d/pre-receive"
chmod +x "$W/shop.git/hooks/tagship.d/pre-receive"
i=0
while [ $i -lt "${KILLS:-20}" ]; do
	i=$((i + 1))
	n=$((n + 1))
	world_commit $n
	printf 'Shop %s\n\nRelease-At: 2098-01-01 02:00 base-local\nRelease-To: all\n' $n | world_tag v$n
	rm -f "$W/in-pre-receive"
	git -C "$SRC" push -q origin v$n > /dev/null 2>&1 &
	pusher=$!
	world_wait 10 test -e "$W/in-pre-receive"
	kill -9 $pusher
	wait $pusher 2> /dev/null
done
rm "$W/shop.git/hooks/tagship.d/pre-receive"
world_wait 10 sh -c "[ \$(git -C '$W/shop.git' for-each-ref refs/tags | wc -l) -eq $n ]"
worker > "$W/worker" 2>&1
is "the pusher killed $i times: every tag became a build" "$(tagship -C "$STATE" log --json | perl -MJSON::PP -0777 -e 'print scalar grep { $_->{state} eq "done" && $_->{attempt} == 1 && $_->{job} =~ /-v(\d+)-/ && $1 > $ARGV[0] } @{decode_json(<STDIN>)}' $((n - i)))" "$i"
is 'each ordered exactly once' "$(git -C "$STATE/ledger/berlin.git" log --format=%s orders | grep '^order' | sed 's/.* \(v[0-9]*\) .*/\1/' | sort | uniq -d)" ''

# ---- STATE restored from an older copy ----
pull > /dev/null 2>&1
cp -a "$STATE" "$W/backup"
push
worker > "$W/worker" 2>&1
pull > /dev/null 2>&1
activate > /dev/null 2>&1
serves=$n
is 'a release after the backup serves' "$(world_answer berlin)" "$serves"
rm -rf "$STATE"
mv "$W/backup" "$STATE"
pull > "$W/pull" 2>&1
ok 'the base goes on' true
is 'it serves what it served' "$(world_answer berlin)" "$serves"
worker > "$W/worker" 2>&1
pull > "$W/pull" 2>&1
activate > /dev/null 2>&1
is 'still' "$(world_answer berlin)" "$serves"
is 'nothing is ordered twice' "$(orders_in_ledger)" 1
push
worker > "$W/worker" 2>&1
pull > "$W/pull" 2>&1
activate > /dev/null 2>&1
is 'and the next release works' "$(world_answer berlin)" "$n"

# ---- hooks on a repository with old plan tags ----
git init -q --bare "$W/old.git"
git -C "$SRC" push -q "$W/old.git" main v1 v2 v3
jobs_before=$(tagship -C "$STATE" log --json | grep -c '"job"')
tagship -q -C "$STATE" app add old "$W/old.git" --build 'sh build.sh' --output dist
tagship -q -C "$STATE" hook install "$W/old.git"
worker > "$W/worker" 2>&1
is 'old plan tags are history, none is acted on' "$(tagship -C "$STATE" log --json | grep -c '"job"')" "$jobs_before"
done_testing
