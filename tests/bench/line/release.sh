# shellcheck shell=sh
# shellcheck disable=SC2154 # common.sh has the others
# One release of about 1 MB, from order to report; rsync and git for the same change beside it.

BUNDLE_MIN=950000
BUNDLE_MAX=1050000
CHANGED_KB=1480 # makes a bundle of 1.0 MB

release_v1() {
	rm -r "$SRC/web"
	"$LIB/line-app" "$SRC/web" 1 0
	line_commit 1
	line_order v1 now all haikou || return 1
	base_run haikou
	world_wait 120 world_is shop v1 haikou live || failed 'v1 does not go live' || return 1
	sleep 5 # it watches, and nothing else is on the line
}

release_v2() {
	_count=$(netns_bytes main)
	"$LIB/line-app" "$SRC/web" 2 $CHANGED_KB
	line_commit 2
	line_order v2 now all haikou || return 1
	_ordered=$(ordered_at haikou)
	world_wait 120 world_is shop v2 haikou live || failed 'v2 does not go live' || return 1
	_bundle=$(bundle_bytes haikou)
	_bytes=$(($(netns_bytes main) - _count))
	_seconds=$(calc %.2f "$(reported_at haikou) - $_ordered")
	[ "$_bundle" -ge $BUNDLE_MIN ] && [ "$_bundle" -le $BUNDLE_MAX ] ||
		failed "the bundle has $_bundle bytes, not 1.0 MB" || return 1
	measured figure release-bytes "$_bytes" "$(calc %d "1.075 * $_bundle + 10000")" bytes \
		"a release with a bundle of $_bundle bytes: both ways, order to report, SSH included"
	measured figure release-seconds "$_seconds" \
		"$(calc %.2f "1.08 * $_bytes * 8 / ($RATE_KBIT * 1000)")" s \
		'from the order at central to the report there that it is live'
}

peer_ssh() { # COMMAND [ARG...]: at the base, with a key of its own
	at_base env GIT_SSH_COMMAND="$GIT_SSH_COMMAND" RSYNC_RSH="$GIT_SSH_COMMAND -p $SSH_PORT" \
		HOME="$HOME" "$@"
}

# The trees as the base has them.
release_trees() {
	for _v in v1 v2; do
		cp -a "$W/haikou/app/releases/$_v-"* "$W/$_v" || failed "no tree of $_v" || return 1
	done
}

release_rsync() {
	cp -a "$W/v1" "$W/rsync-at-base"
	weigh main peer_ssh rsync -az --delete "$(id -un)@$NETNS_CENTRAL:$W/v2/" "$W/rsync-at-base/" ||
		failed rsync || return 1
	diff -r "$W/v2" "$W/rsync-at-base" || failed 'rsync: the trees differ' || return 1
	beside 'rsync -az --delete over ssh, bytes' "$bytes" bytes
	beside 'rsync -az --delete over ssh, time' "$seconds" s
}

release_git() {
	git init -q --bare "$W/built.git"
	for _v in v1 v2; do
		git --git-dir="$W/built.git" --work-tree="$W/$_v" add -A > "$W/built.log" 2>&1 &&
			git --git-dir="$W/built.git" --work-tree="$W/$_v" commit -qm $_v || return 1
		[ $_v = v2 ] || cp -a "$W/built.git" "$W/git-at-base"
	done
	weigh main peer_ssh git -C "$W/git-at-base" fetch -q "$UPSTREAM$W/built.git" main || failed git || return 1
	beside 'git fetch of the built trees over ssh, bytes' "$bytes" bytes
	beside 'git fetch of the built trees over ssh, time' "$seconds" s
}

section_release() {
	line_begin release && line_central && line_base haikou && netns_shape main "$RATE_KBIT" && release_v1 && release_v2 || return 1
	world_stop run-haikou
	release_trees && release_rsync && release_git
}
