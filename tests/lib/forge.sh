# shellcheck shell=sh
# A central in wrong hands: entries for berlin's ledger that central's own key signs. Source it after
# world.sh.

# The newest entry again, altered by a sed program, as a new one; or one like COMMIT. KEY signs it.
forge() { forge_like orders "$@"; }
forge_like() { # COMMIT SED [KEY]
	_ledger=${LEDGER:-$STATE/ledger/berlin.git}
	_head=$(git -C "$_ledger" rev-parse orders)
	_seq=$(git -C "$_ledger" log -1 --format=%B orders | sed -n 's/^Seq: //p')
	git -C "$_ledger" log -1 --format=%B "$1" |
		sed "s/^Seq: .*/Seq: $((_seq + 1))/; $2" | git stripspace > "$W/forged"
	_new=$(git -C "$_ledger" -c gpg.format=ssh -c user.signingkey="${3:-$STATE/keys/central}" \
		commit-tree "$1^{tree}" -p "$_head" -S -F "$W/forged")
	git -C "$_ledger" update-ref refs/heads/orders "$_new"
}
