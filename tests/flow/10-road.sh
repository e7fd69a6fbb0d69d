#!/bin/sh
# The road: tag, push, build, bundle, order, pull, stage, activate, report; then a sick version, a
# rollback by plan, a rollback from central, and cancelling.
. "$(dirname "$0")/../lib/world.sh"
world_new
trap world_end EXIT
world_central shop 'sh build.sh' dist
world_base shanghai Asia/Shanghai
world_base berlin Europe/Berlin
pull() { tagship-base -C "$W/$1/root" -q pull && tagship-base -C "$W/$1/root" -q activate; }
everywhere() { for b in shanghai berlin; do "$@" $b || return 1; done; }

world_commit 1
printf 'Shop 1\n\nRelease-At: now\nRelease-To: all\n' | world_tag v1
git -C "$SRC" push origin main v1 > "$W/push1" 2>&1
is 'push of a plan goes through' $? 0
ok 'the push prints the compiled plan' has "$W/push1" '+08:00'
ok 'the push prints the job' has "$W/push1" 'tagship: job shop-v1-'
ok 'the push shows the build' has "$W/push1" 'building version 1'
ok 'the push shows bytes per base' grep -E 'berlin +[0-9.]+ K?B \(plain\)' "$W/push1"
ok 'shanghai pulls and activates' pull shanghai
is 'shanghai serves v1' "$(world_answer shanghai)" 1
is 'berlin serves nothing yet' "$(world_answer berlin)" '(nothing)'
is 'central knows' "$(world_state shop v1 shanghai)" live
is 'and does not guess' "$(world_state shop v1 berlin)" ordered
ok 'berlin follows' pull berlin
is 'berlin serves v1' "$(world_answer berlin)" 1

world_commit 2
printf 'Shop 2\n\nRelease-At: now\nRelease-To: berlin\n' | world_tag v2
git -C "$SRC" push origin main v2 > "$W/push2" 2>&1
is 'a second version' $? 0
ok 'travels as a delta' grep -E 'berlin +[0-9.]+ K?B \(delta-[1-9]\)' "$W/push2"
ok 'berlin pulls' pull berlin
is 'berlin serves v2' "$(world_answer berlin)" 2
ok 'shanghai has nothing to do' pull shanghai
is 'shanghai serves v1' "$(world_answer shanghai)" 1

# every base's tree equals the library's, mtimes included
tree() { # DIR
	(cd "$1" && find . -mindepth 1 -printf '%P %y %m %s %T@ %l\n' | sed 's/ d \([0-7]*\) [0-9]* / d \1 - /' | LC_ALL=C sort; find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum)
}
tagship -C "$STATE" bundle make - shop@v2 "$W/v2.tar.xz" > /dev/null
mkdir "$W/plain"
tar -C "$W/plain" -xpf "$W/v2.tar.xz" --exclude=.tagship-bundle
tree "$W/plain" > "$W/tree-plain"
tree "$W/berlin/app/current/" > "$W/tree-berlin"
ok 'the live tree equals the built one, mode for mode and mtime for mtime' diff "$W/tree-plain" "$W/tree-berlin"

# v3 is sick
touch "$SRC/sick"
world_commit 3
printf 'Shop 3\n\nRelease-At: now\nRelease-To: all\n' | world_tag v3
git -C "$SRC" push -q origin main v3 2> "$W/push3"
pull shanghai > "$W/pull3" 2>&1
pull berlin >> "$W/pull3" 2>&1
is 'shanghai rolled back' "$(world_state shop v3 shanghai)" rolled-back
is 'berlin rolled back' "$(world_state shop v3 berlin)" rolled-back
is 'shanghai serves v1' "$(world_answer shanghai)" 1
is 'berlin serves v2' "$(world_answer berlin)" 2
tagship -C "$STATE" status > "$W/status3"
ok 'status says so' has "$W/status3" rolled-back
tagship -C "$STATE" log shop v3 > "$W/log3"
ok 'the log has the end of the health output' has "$W/log3" '404'
ok 'and a measured outage' grep -E 'outage [0-9.]+ s' "$W/log3"

# back to v1 by a plan tag: transfers nothing at shanghai and berlin, both held it
printf 'Back\n\nRelease-At: now\nRelease-To: all\nRelease-Version: v1\n' | world_tag plan/back
git -C "$SRC" push -q origin plan/back > "$W/push4" 2>&1
is 'a plan tag for an old version' $? 0
ok 'nothing is built for it' not grep -q 'building version' "$W/push4"
ok 'nothing is transferred' has "$W/push4" 'nothing to transfer'
pull shanghai > "$W/pull4" 2>&1
pull berlin >> "$W/pull4" 2>&1
is 'berlin serves v1 again' "$(world_answer berlin)" 1
is 'shanghai is live too' "$(world_state shop plan/back shanghai)" live

# rollback from central, by an admin
tagship -C "$STATE" rollback shop --to v2 --base berlin > "$W/rollback" 2>&1
is 'rollback on central' $? 0
pull berlin > "$W/pull5" 2>&1
is 'berlin serves v2' "$(world_answer berlin)" 2

# a plan for later, cancelled by deleting the tag
rm -f "$SRC/sick"
git -C "$SRC" add -A
world_commit 4
printf 'Shop 4\n\nRelease-At: 2099-01-01 02:00 base-local\nRelease-To: all\n' | world_tag v4
git -C "$SRC" push -q origin main v4 > "$W/push6" 2>&1
pull shanghai > /dev/null 2>&1
is 'a plan for later is staged' "$(world_state shop v4 shanghai)" staged
tagship -C "$STATE" plan list > "$W/plans"
ok 'plan list shows local time' has "$W/plans" '2099-01-01 02:00:00 +08:00'
git -C "$SRC" push -q origin :v4 > "$W/push7" 2>&1
is 'deleting the tag is allowed' $? 0
world_wait 10 world_is shop v4 shanghai cancel-asked
is 'central asks the base to cancel' "$(world_state shop v4 shanghai)" cancel-asked
pull shanghai > /dev/null 2>&1
is 'the base confirms' "$(world_state shop v4 shanghai)" cancelled
git -C "$SRC" push origin v4 > "$W/push8" 2>&1
is 'the cancelled tag object is refused' $? 1
ok 'with what to do' has "$W/push8" 'make a new one'

git -C "$SRC" push origin :v1 > "$W/push9" 2>&1
is 'the tag of a release that went live cannot be deleted' $? 1
ok 'naming the bases' has "$W/push9" 'shanghai: it is or was live there'

ok 'doctor at central finds its ledgers sound' sh -c "tagship -C '$STATE' doctor | grep 'base berlin: ledger verified'"
ok 'git verifies the ledger by itself' sh -c "
	printf 'tagship namespaces=\"git\" %s\n' \"\$(cut -d' ' -f1,2 '$STATE/keys/central.pub')\" > '$W/signers'
	git -C '$STATE/ledger/berlin.git' -c gpg.ssh.allowedSignersFile='$W/signers' verify-commit orders"
ok 'all repositories are sound' sh -c "for r in '$STATE'/library.git '$STATE'/ledger/*.git '$W'/*/root/mirror.git; do git -C \$r fsck --strict || exit 1; done"
done_testing
