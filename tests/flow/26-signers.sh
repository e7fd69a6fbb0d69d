#!/bin/sh
# Whose tags count: at central by STATE/signers, and again at a base that keeps signers of its own. Each
# attack by its name; central itself in wrong hands is the last of them.
. "$(dirname "$0")/../lib/world.sh"
. "$(dirname "$0")/../lib/forge.sh"
world_new
trap world_end EXIT
world_central shop 'sh build.sh' dist
sed -i 's/^#* *worker = .*/worker = "service";/' "$STATE/central.cfg"
world_base berlin Europe/Berlin
ROOT=$W/berlin/root
REPO=$W/shop.git
for _who in ana ben cy eve; do ssh-keygen -q -t ed25519 -N '' -C $_who -f "$W/$_who"; done
key_of() { cut -d' ' -f1,2 "$W/$1.pub"; }
cat > "$STATE/signers" <<END
# who may release what, and where
ana@example.com namespaces="git" $(key_of ana)
ben@example.com valid-before="20200101" $(key_of ben)
cy@example.com apps="shop",bases="@asia" $(key_of cy)
END
conf_set() { # FILE KEY VALUE
	sed -i "/^#* *$2 =/d" "$1"
	echo "$2 = $3;" >> "$1"
}
conf_set "$STATE/apps.d/shop.cfg" require_signed_tags true
git -C "$SRC" config gpg.format ssh
pull() { tagship-base -C "$ROOT" -q pull > "$W/pull" 2>&1; }
activate() { tagship-activate "$ROOT" --once > "$W/activate" 2>&1; }
worker() { tagship -C "$STATE" worker --once > "$W/worker" 2>&1; }
plan() { # AT [MORE]
	printf 'Shop %s\n\nRelease-At: %s\nRelease-To: all\n%s' "$n" "$1" "${2:-}"
}
sign() { # WHO NAME < message
	git -C "$SRC" tag -s -u "$W/$1" -F - --cleanup=verbatim "$2"
}
n=0
version() {
	n=$((n + 1))
	TAG=v$n
	world_commit $n
	git -C "$SRC" push -q -o nowait origin main > /dev/null 2>&1
}
push() { git -C "$SRC" push -q -o nowait "$@" > "$W/push" 2>&1; }
refused() { # WHAT WHY [REF]: this push is, and the ref is not there
	ok "refused: $1" not push origin "${3:-$TAG}"
	ok '  and says why' has "$W/push" "$2"
	git -C "$SRC" tag -d "$TAG" > /dev/null 2>&1
}
goes() { # what was pushed is built, ordered, fetched and activated
	worker
	pull
	activate
}

# ---- at central ----
version
plan now | world_tag $TAG
refused 'not signed' 'tag is not signed'
plan now | sign eve $TAG
refused 'foreign key' "which no line of signers has"
plan now | sign ben $TAG
refused 'expired key' 'which is not valid at'
plan now | sign cy $TAG
refused 'no right for this base' 'may not release at berlin'
printf 'only a version\n' | world_tag $TAG
refused 'a version without a plan, not signed' 'tag is not signed'
plan now | sign ana $TAG
git -C "$SRC" cat-file tag $TAG > "$W/tag"
_oid=$({ cat "$W/tag"; echo 'Release-To: all, -berlin'; } | git -C "$SRC" hash-object -t tag -w --stdin --literally)
ok 'refused: text appended after a signature' not push origin "$_oid:refs/tags/$TAG"
ok '  and says why' has "$W/push" 'text follows the signature'
_oid=$(sed 's/^Release-To: all/Release-To: berlin/' "$W/tag" | git -C "$SRC" hash-object -t tag -w --stdin)
ok 'refused: a signed plan that was altered' not push origin "$_oid:refs/tags/$TAG"
ok '  and says why' has "$W/push" "signature is wrong"
ok 'refused: a tag placed under another name' not push origin "$TAG:refs/tags/v9"
ok '  and says why' has "$W/push" 'calls itself "v1"'
is 'nothing of all that is there' "$(git -C "$REPO" tag)" ''
ok 'one of the signers may' push origin $TAG
goes
is 'it serves' "$(world_answer berlin)" 1
tagship -C "$STATE" log shop v1 > "$W/log" 2>&1
ok 'the record names who signed' has "$W/log" "ana@example.com SHA256:"

# what else a push may try with a live tag, and with refs
git -C "$SRC" tag -f -m 'another' $TAG HEAD~1 > /dev/null 2>&1
ok 'refused: forced move of a live tag' not push -f origin $TAG
ok 'refused: deletion of a live tag' not push origin ":refs/tags/$TAG"
ok '  and says why' has "$W/push" 'can no longer be moved or deleted'
git -C "$SRC" fetch -q -f origin "refs/tags/$TAG:refs/tags/$TAG"
ok 'refused: refs/replace' not push origin "HEAD:refs/replace/$(git -C "$SRC" rev-parse HEAD)"
ok '  and says why' has "$W/push" 'replacement refs'
# names that git itself would take
i=0
for _name in refs/tags/-rf refs/heads/-x refs/evil/x refs/tags/a/-b "refs/tags/$(printf '\342\200\256x')" "refs/tags/$(head -c 201 /dev/zero | tr '\0' a)"; do
	i=$((i + 1))
	ok "refused: hostile ref name $i" not push origin "HEAD:$_name"
done

# ---- a hook that was gone round ----
version
plan now | sign eve $TAG
git -C "$SRC" push -q "$REPO" "$TAG:refs/tags/tmp" > /dev/null 2>&1
_oid=$(git -C "$SRC" rev-parse "refs/tags/$TAG")
git -C "$SRC" cat-file tag "$TAG" | git -C "$REPO" hash-object -t tag -w --stdin > /dev/null
git -C "$REPO" update-ref "refs/tags/$TAG" "$_oid"
tagship -C "$STATE" worker --once > "$W/worker" 2>&1
is 'refs moved behind the hook are judged again' "$(tagship -C "$STATE" log shop $TAG --json 2>/dev/null | perl -MJSON::PP -0777 -e '$r=decode_json(<STDIN>); print $r->{state}')" refused
git -C "$REPO" update-ref -d "refs/tags/$TAG"
git -C "$SRC" tag -d $TAG > /dev/null

# ---- content ----
ROOT1=$(sed -n 's/.*root \([0-9a-f]\{64\}\).*/\1/p' "$W/log")
TAG=plan/root
plan now "Release-Version: v1
Release-Root: $(echo "$ROOT1" | tr 0-9a-f 1-9a-f0)
" | sign ana $TAG
refused 'another tree than the plan names' "version v1 is the tree $ROOT1"
plan now "Release-Version: v1
Release-Root: $ROOT1
" | sign ana $TAG
ok 'the tree that the plan names' push origin $TAG

# ---- at a base that trusts nobody but its own signers ----
echo "ana@example.com $(key_of ana)" > "$W/base-signers"
sed -i '/^# *signers =/d; /^# *zone =/d' "$ROOT/base.cfg"
cat >> "$ROOT/base.cfg" <<END
signers = "$W/base-signers";
END
ok 'signers need a zone' sh -c "tagship-base -C '$ROOT' pull 2>&1 | grep -q 'base.cfg: zone: missing'"
echo 'zone = "Europe/Berlin";' >> "$ROOT/base.cfg"
version
plan now | sign ana $TAG
push origin $TAG
goes
is 'a signed release serves there' "$(world_answer berlin)" "$n"
GOOD=$TAG
ok 'and it is known by whom' grep -q "signed ana@example.com SHA256:" "$ROOT/trusted"
tagship-base -C "$ROOT" doctor > "$W/doctor" 2>&1
ok 'doctor counts the signers' has "$W/doctor" 'signers: 1; orders run only by their signed tags'
version
plan now | sign ana $TAG
push origin $TAG
goes
is 'the next one, too' "$(world_answer berlin)" "$n"
LIVE=$n

# central in wrong hands: it asks for no signatures, and signs what it likes
conf_set "$STATE/apps.d/shop.cfg" require_signed_tags false
version
plan now | world_tag $TAG
push origin $TAG
goes
is 'malicious central, arbitrary software: nothing changes' "$(world_answer berlin)" "$LIVE"
ok '  the base refused it' sh -c "tagship-base -C '$ROOT' log shop | grep -q 'refused'"
pull
is '  and central is told' "$(world_state shop $TAG berlin)" failed
ok '  with the reason' sh -c "tagship -C '$STATE' log shop $TAG | grep -q 'the tag is not signed'"
version
plan now | sign eve $TAG
push origin $TAG
goes
is 'malicious central, foreign key: nothing changes' "$(world_answer berlin)" "$LIVE"

version
plan '2035-01-01 02:00 base-local' | sign ana $TAG
push origin $TAG
worker
pull
ok 'a signed one for later is staged' sh -c "tagship-base -C '$ROOT' status | grep -q '$TAG.*staged'"
forge "s/^At: .*/At: $(date -u +%Y-%m-%dT%H:%M:%SZ)/"
pull
activate
is 'malicious central, another time: nothing changes' "$(world_answer berlin)" "$LIVE"
ok '  the signed tag says another one' grep -q 'time: the signed tag says 2035-01-01T01:00:00Z' "$ROOT/trusted"

version
plan '2035-02-01 02:00 base-local' | sign ana $TAG
push origin $TAG
worker
_old=$(git -C "$STATE/ledger/berlin.git" log --format=%H --grep="^order.*shop $GOOD " orders | tail -n 1)
forge_like "$_old" "s/^At: .*/At: $(date -u +%Y-%m-%dT%H:%M:%SZ)/"
pull
activate
is 'malicious central, an old tag again: nothing changes' "$(world_answer berlin)" "$LIVE"

# what needs no signature: to go back, and to withhold
tagship -q -C "$STATE" rollback shop --to v1 --base berlin > /dev/null 2>&1
goes
is 'unsigned, to a version of long ago: nothing changes' "$(world_answer berlin)" "$LIVE"
tagship -q -C "$STATE" rollback shop --to "$GOOD" --base berlin > /dev/null 2>&1
goes
is 'unsigned, to the last good version: it serves' "$(world_answer berlin)" "${GOOD#v}"
tagship -q -C "$STATE" cancel shop $TAG > /dev/null 2>&1
pull
activate
ok 'a cancel needs no signature' sh -c "tagship-base -C '$ROOT' status | grep -q '$TAG.*cancelled' || tagship-base -C '$ROOT' log shop | grep -q 'cancelled'"

# a signer is revoked where it counts, with the line down
version
plan '2035-03-01 02:00 base-local' | sign ana $TAG
push origin $TAG
worker
pull
ok 'one more is staged' sh -c "tagship-base -C '$ROOT' status | grep -q '$TAG.*staged'"
echo "ben@example.com $(key_of ben)" > "$W/base-signers"
mv "$STATE" "$STATE.away"
pull
activate
mv "$STATE.away" "$STATE"
ok 'revocation of a signer ends what he signed' sh -c "tagship-base -C '$ROOT' status --json | grep -q 'which no line of'"
echo 'ana@example.com nonsense' > "$W/base-signers"
ok 'a signers file that cannot be read accepts nothing new' not pull
ok '  and says where' has "$W/pull" "base-signers:1: "
done_testing
