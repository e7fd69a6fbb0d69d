#!/bin/sh
# Wrong plans, hostile names and objects: each is refused with trailer, value and remedy, and the
# repository is unchanged after each.
. "$(dirname "$0")/../lib/world.sh"
world_new
trap world_end EXIT
world_central shop 'sh build.sh' dist
# bases without servers: nothing activates here
for b in shanghai:Asia/Shanghai berlin:Europe/Berlin newyork:America/New_York; do
	world_base "${b%%:*}" "${b#*:}"
done
sed -i 's/^groups = .*/groups = [ "europe" ];/' "$STATE/bases.d/berlin.cfg"
REPO=$W/shop.git
refs() { git -C "$REPO" for-each-ref --format='%(refname) %(objectname)'; }
refs > "$W/refs0"

# refused TEXT PUSHARGS...: pushes, must fail, must say TEXT; refs as before
refused() { # DESCRIPTION WANTED-TEXT REFSPEC...
	_what=$1 _text=$2
	shift 2
	_test=$((_test + 1))
	if git -C "$SRC" push origin "$@" > "$W/out" 2>&1; then
		echo "not ok $_test - $_what: was accepted"
	elif ! grep -qF -- "$_text" "$W/out"; then
		echo "not ok $_test - $_what: does not say \"$_text\""
		sed 's/^/# /' "$W/out"
	elif refs > "$W/refs1" && ! cmp -s "$W/refs0" "$W/refs1"; then
		echo "not ok $_test - $_what: the repository changed"
	else
		echo "ok $_test - $_what"
	fi
}
n=0
bad() { # DESCRIPTION WANTED-TEXT MESSAGE
	n=$((n + 1))
	printf '%b' "$3" | git -C "$SRC" tag -a -F - --cleanup=verbatim "t$n"
	refused "$1" "$2" "refs/tags/t$n"
}
world_commit 1

# ---- where trailers stand ----
bad 'trailers in two paragraphs' 'last paragraph' 'T\n\nRelease-At: now\n\nRelease-To: all\n'
bad 'trailers as the only paragraph' 'title' 'Release-At: now\nRelease-To: all\n'
bad 'a trailer in the middle of the text' 'Release-At' 'T\n\nRelease-At: now\nand more text\n\nSigned-off-by: x\n'
bad 'misspelt case' 'Release-At' 'T\n\nrelease-at: now\nRelease-To: all\n'
bad 'misspelt case in capitals' 'Release-To' 'T\n\nRelease-At: now\nRELEASE-TO: all\n'
bad 'an unknown trailer' 'Release-Grace' 'T\n\nRelease-At: now\nRelease-To: all\nRelease-Grade: 5m\n'
bad 'a repeated trailer' 'Release-To' 'T\n\nRelease-At: now\nRelease-To: all\nRelease-To: berlin\n'
bad 'no Release-At' 'Release-At' 'T\n\nRelease-To: all\n'
bad 'no Release-To' 'Release-To' 'T\n\nRelease-At: now\n'

# ---- where ----
bad 'an unknown base' 'berlin' 'T\n\nRelease-At: now\nRelease-To: berlim\n'
bad 'an unknown group' '@europe' 'T\n\nRelease-At: now\nRelease-To: @eurpe\n'
bad 'a hostile base name' 'Release-To' 'T\n\nRelease-At: now\nRelease-To: ../../etc\n'
bad 'a base name with a shell in it' 'Release-To' 'T\n\nRelease-At: now\nRelease-To: $(reboot)\n'
bad 'no targets left' 'Release-To' 'T\n\nRelease-At: now\nRelease-To: berlin, -berlin\n'
bad 'an empty list' 'Release-To' 'T\n\nRelease-At: now\nRelease-To: \n'

# ---- when ----
bad 'a local time that does not exist in Berlin' 'Europe/Berlin' 'T\n\nRelease-At: 2027-03-28 02:30 base-local\nRelease-To: berlin\n'
bad 'a local time that exists twice in Berlin' '2027-10-31T00:30' 'T\n\nRelease-At: 2027-10-31 02:30 base-local\nRelease-To: berlin\n'
bad 'a local time that does not exist in New York' 'America/New_York' 'T\n\nRelease-At: 2027-03-14 02:30 base-local\nRelease-To: newyork\n'
bad 'a local time that exists twice in New York' 'America/New_York' 'T\n\nRelease-At: 2027-11-07 01:30 America/New_York\nRelease-To: all\n'
bad 'a local time that does not exist in Lord Howe' 'Australia/Lord_Howe' 'T\n\nRelease-At: 2027-10-03 02:15 Australia/Lord_Howe\nRelease-To: all\n'
bad 'a zone that is a path' '/etc/passwd' 'T\n\nRelease-At: 2027-06-01 02:00 /etc/passwd\nRelease-To: all\n'
bad 'a zone that climbs' '../x' 'T\n\nRelease-At: 2027-06-01 02:00 ../x\nRelease-To: all\n'
bad 'a misspelt zone' 'Asia/Shanghai' 'T\n\nRelease-At: 2027-06-01 02:00 Asia/Shangai\nRelease-To: all\n'
bad 'a time in the past' 'past' 'T\n\nRelease-At: 2020-06-01 02:00 base-local\nRelease-To: all\n'
bad 'a day that does not exist' '2027-02-30' 'T\n\nRelease-At: 2027-02-30 02:00 base-local\nRelease-To: all\n'
bad 'an hour that does not exist' 'Release-At' 'T\n\nRelease-At: 2027-02-20 25:00 base-local\nRelease-To: all\n'
bad 'a time without a zone' 'base-local' 'T\n\nRelease-At: 2027-02-20 02:00\nRelease-To: all\n'
bad 'tomorrow' 'Release-At' 'T\n\nRelease-At: tomorrow\nRelease-To: all\n'

# ---- what ----
bad 'an unknown version' 'Release-Version' 'T\n\nRelease-At: now\nRelease-To: all\nRelease-Version: v99\n'
bad 'an unknown app' 'Release-App' 'T\n\nRelease-At: now\nRelease-To: all\nRelease-App: shopp\n'
bad 'a bad grace' 'Release-Grace' 'T\n\nRelease-At: now\nRelease-To: all\nRelease-Grace: soon\n'
bad 'a bad outage' 'Release-Max-Outage' 'T\n\nRelease-At: now\nRelease-To: all\nRelease-Max-Outage: -5m\n'
bad 'waves with now' 'waits for nobody' 'T\n\nRelease-At: now\nRelease-To: all\nRelease-Waves: berlin; all +30m\n'
bad 'a gate with now' 'waits for nobody' 'T\n\nRelease-At: now\nRelease-To: all\nRelease-Gate: all-staged\n'
bad 'a cut-off policy that is none' 'Release-If-Cut-Off' 'T\n\nRelease-At: now\nRelease-To: all\nRelease-If-Cut-Off: maybe\n'

# ---- size and signature ----
{ printf 'T\n\n'; head -c 1048576 /dev/zero | tr '\0' x | fold -w 100; printf '\n\nRelease-At: now\nRelease-To: all\n'; } |
	git -C "$SRC" tag -a -F - --cleanup=verbatim big
refused 'a message of 1 MiB' '65536 bytes' refs/tags/big

raw_tag() { # NAME BODY-FILE: a tag object by hand
	{
		printf 'object %s\ntype commit\ntag %s\ntagger D <d@example.com> 1700000000 +0000\n\n' "$(git -C "$SRC" rev-parse HEAD)" "$1"
		cat "$2"
	} | git -C "$SRC" hash-object -t tag -w --stdin
}
ssh-keygen -q -t ed25519 -N '' -f "$W/signer"
git -C "$SRC" config gpg.format ssh
git -C "$SRC" config user.signingkey "$W/signer"
printf 'T\n\nRelease-At: now\nRelease-To: berlin\n' | git -C "$SRC" tag -s -F - signed
git -C "$SRC" cat-file tag signed > "$W/signed.raw"
{ cat "$W/signed.raw"; printf '\nRelease-To: all\n'; } | git -C "$SRC" hash-object -t tag -w --stdin > "$W/oid"
git -C "$SRC" update-ref refs/tags/signed "$(cat "$W/oid")"
refused 'text after the signature' 'signature' refs/tags/signed

printf 'T\n\nRelease-At: now\nRelease-To: all\n' > "$W/body"
git -C "$SRC" update-ref refs/tags/other "$(raw_tag inner "$W/body")"
refused 'a tag object under another name' 'calls itself "inner"' refs/tags/other

# ---- names ----
refused 'refs/replace/x' 'replacement refs' "HEAD:refs/replace/$(git -C "$SRC" rev-parse HEAD)"
refused 'a ref outside heads, tags and notes' 'only refs/heads/' HEAD:refs/tagship/accepted
refused 'a hostile branch name' 'printable ASCII' 'HEAD:refs/heads/a;reboot$(x)é'
refused 'a branch name like an option' 'starts with' 'HEAD:refs/heads/-rf'
refused 'a hostile tag name' 'printable ASCII' "HEAD:refs/tags/é"

# ---- policies ----
cp "$STATE/apps.d/shop.cfg" "$W/shop.cfg"
sed -i 's/^#* *require_plan = .*/require_plan = "v*";/' "$STATE/apps.d/shop.cfg"
git -C "$SRC" tag v5
refused 'a lightweight tag where a plan is required' 'lightweight' refs/tags/v5
git -C "$SRC" tag -a -m 'no plan' v6
refused 'a tag without a plan where one is required' 'without one' refs/tags/v6
cp "$W/shop.cfg" "$STATE/apps.d/shop.cfg"
cp "$STATE/central.cfg" "$W/central.cfg"
echo 'lead = 86400;' >> "$STATE/central.cfg"
bad 'sooner than the lead that the server wants' 'lead in central.cfg' "T\n\nRelease-At: $(date -u -d '+1 hour' +%Y-%m-%dT%H:%MZ)\nRelease-To: all\n"
cp "$W/central.cfg" "$STATE/central.cfg"

is 'no version, release or job came of all that' "$(tagship -C "$STATE" log --json | perl -MJSON::PP -0777 -e 'print scalar @{decode_json(<STDIN>)}')" 0

# ---- a version bound to another commit ----
printf 'Shop 1\n\nRelease-At: 2098-01-01 02:00 base-local\nRelease-To: all\n' | world_tag v1
git -C "$SRC" push -q origin main v1 > "$W/out" 2>&1
world_wait 20 world_is shop v1 berlin ordered
is 'v1 is ordered' "$(world_state shop v1 berlin)" ordered
refs > "$W/refs0"
world_commit 2
git -C "$SRC" tag -d v1 > /dev/null
printf 'Shop 1 again\n\nRelease-At: now\nRelease-To: all\n' | world_tag v1
refused 'a version bound to another commit' 'bound to commit' +refs/tags/v1

# ---- one bad ref refuses the push as a whole ----
refused 'a good branch beside a bad tag' 'Release-To is missing' main refs/tags/t9

# ---- tagship.cfg from a push ----
printf '@include "/etc/passwd"\nbuild = "true";\n' > "$SRC/tagship.cfg"
git -C "$SRC" add -A
git -C "$SRC" commit -qm 'hostile configuration'
sed -i 's/^build = .*/build = "";/' "$STATE/apps.d/shop.cfg"
printf 'T\n\nRelease-At: now\nRelease-To: all\n' | world_tag v7
git -C "$SRC" push origin v7 > "$W/out" 2>&1
ok '@include in a pushed tagship.cfg fails the build' grep -q '@include' "$W/out"
ok 'and nothing of the file leaks' not grep -q 'root:' "$W/out"
is 'the release says so' "$(tagship -C "$STATE" log shop v7 --json | perl -MJSON::PP -0777 -e 'print decode_json(<STDIN>)->{state}')" build-failed

# ---- what is fine stays fine ----
printf 'T\n\nSigned-off-by: D <d@example.com>\nRelease-At: 2098-02-01 02:00 base-local\nRelease-To: @europe\n' | git -C "$SRC" tag -a -F - good1 "$(git -C "$SRC" rev-parse HEAD~1)"
ok 'other trailers beside the plan are fine' git -C "$SRC" push -q -o nowait origin good1
git -C "$SRC" tag light
ok 'a lightweight tag is ordinary' git -C "$SRC" push -q origin light
ok 'dry-run refuses after the table' sh -c "git -C '$SRC' tag -d good1 >/dev/null; printf 'T\n\nRelease-At: now\nRelease-To: all\n' | git -C '$SRC' tag -a -F - good2; ! git -C '$SRC' push -o dry-run origin good2 2>'$W/dry' && grep -q 'dry run' '$W/dry' && grep -q berlin '$W/dry'"
ok 'with an estimate of what comes over the line' grep -qE 'berlin .*(about [0-9].*arrives about .*: as soon as staged|size is not known|nothing to transfer)' "$W/dry"
done_testing
