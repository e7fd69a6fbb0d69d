#!/bin/sh
# What a restart must not lose: a push whose sender died, STATE restored from an older copy, a
# repository with old plans. Killed at every single point: tests/fault.
. "$(dirname "$0")/../lib/world.sh"
world_new
trap world_end EXIT
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
activate() { tagship-activate "$ROOT" --once; }

orders_in_ledger() { git -C "$STATE/ledger/berlin.git" log --format=%s orders 2>/dev/null | grep -c "^order.* v$n " || true; }

push
ok 'a push while no worker runs says so' has "$W/push" 'worker'
worker > "$W/worker" 2>&1
pull > /dev/null 2>&1
activate > /dev/null 2>&1
is 'v1 serves' "$(world_answer berlin)" 1

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
tagship-base -C "$ROOT" pull > "$W/pull" 2>&1
ok 'the base says that central lost reports' has "$W/pull" 'central lost reports that it had confirmed'
is 'it serves what it served' "$(world_answer berlin)" "$serves"
worker > "$W/worker" 2>&1
pull > "$W/pull" 2>&1
activate > /dev/null 2>&1
is 'still' "$(world_answer berlin)" "$serves"
is 'nothing is ordered twice' "$(orders_in_ledger)" 1
git -C "$STATE/ledger/berlin.git" log --format=%s reports > "$W/reports"
ok 'reports that central had confirmed and lost came again' has "$W/reports" "v$serves staged"
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
