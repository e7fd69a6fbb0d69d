# shellcheck shell=bash
# What can be seen of a world when it has come to rest, in lines that are the same after every
# road that is right: times, ids and counters are taken out. Source it after world.sh.

plain_names() { # ids, temporary names' numbers and times of day become letters
	sed -E 's/rollback-v2-[0-9a-f-]+/rollback-v2-X/; s/[0-9]{8}T[0-9]{6}Z/TIME/g; s/[0-9a-f]{40,64}/HASH/g
		s/(-|_git2_|tmp_obj_)[0-9a-zA-Z]{6,16}\b/\1X/g; s/\.[0-9]+\.log$/.N.log/'
}

# Files and folders but what git keeps as it likes, what only a gc takes away, what tells how often a
# command was run, and what is of use only while it is there. Litter is looked at by itself.
facts_files() {
	(cd "$W" && find . -path './*.git/objects/*' -prune -o -path './*.git/refs/*' -prune -o \
		-path './*.git/packed-refs' -prune -o -path './*.git/info/refs' -prune -o -path './base/root/partial/*' -prune -o \
		-path './base/root/log/shop/*' -prune -o -path './central/log/*' -prune -o -path './central/work/*' -prune -o \
		-path './base/root/reported/*' -prune -o -path ./base/root/zlib -prune -o -path ./central/zlib -prune -o \
		-path './*/hooks/*.sample' -prune -o -name lost+found -prune -o -name .aim-commit -prune -o \
		"${LITTER[@]}" -prune -o -print) |
		plain_names | sed 's/^/file /' | LC_ALL=C sort | uniq -c
}

# What a killed program may leave, if something takes it away when it is old.
LITTER=('(' -name '.tmp-*' -o -name '*_git2_*' -o -name 'tmp_*' -path '*/objects/*' -o -name '*.part' -o -path '*/info/refs_*' -o -path '*/objects/info/packs_*' -o -name gc.pid.lock -o -path './central/tmp/*' ')')
litter() { (cd "$W" && find . -path ./lost+found -prune -o -path ./shop.git/objects -prune -o "${LITTER[@]}" -prune -print); }

facts_base() {
	base status --json | grep -E '"(live_version|held|stopped|down|maintenance|version|state)"' | sed 's/^ */base /'
	echo "base runs $(cat "$W/base/up" 2>&1)"
	echo "base links $(readlink "$APPDIR/current" | plain_names)"
}

facts_ledger() {
	local ledger=$STATE/ledger/berlin.git
	git -C "$ledger" log --format=%s orders 2>/dev/null | sed -E 's/ at 20.*//; s/^/ledger /'
	git -C "$ledger" log --format=%s reports 2>/dev/null | sed -E 's/^/report /' | LC_ALL=C sort
}

facts_central() {
	central log --json | grep -E '"(job|state)"' | plain_names | sed 's/^ */central /'
	central status --json | grep -E '"(live_version|next_version|next_state|last_version|last_state)"' | sed 's/^ */central /'
	central doctor 2>&1 | grep -vE '^ok|worker: not running|doctor: ' | sed 's/^/central doctor /'
	base doctor 2>&1 | grep -vE '^ok|doctor: ' | sed 's/^/base doctor /'
}

facts_git() {
	local git_dir
	for git_dir in "$STATE/library.git" "$STATE/ledger/berlin.git" "$ROOT/mirror.git" "$REPO"; do
		[ -d "$git_dir" ] || continue
		git -C "$git_dir" fsck --strict --no-dangling --no-progress 2>&1 | sed 's/^/git /'
		git -C "$git_dir" for-each-ref --format="ref ${git_dir##*/} %(refname)" | plain_names
		find "$git_dir" -path '*/objects/*' -prune -o -name '*.lock' ! -name tagship.lock ! -name gc.pid.lock -print | sed "s,^$W,lock ,"
	done
}

facts() {
	facts_base
	facts_ledger
	facts_central
	facts_git
	facts_files
}
