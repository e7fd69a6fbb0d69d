# shellcheck shell=sh
# shellcheck disable=SC2154 # common.sh has the others
# What it takes to be told: a base that watches, beside git and rsync that look once a minute, each on a
# line of its own at the same time. Then an order comes.

IDLE_S=${BENCH_IDLE_S:-1800}
DAY_S=86400

# A line of its own for one that polls, with an sshd like the first.
idle_line() { # NAME
	netns_line "$1" && netns_shape "$1" "$RATE_KBIT" || return 1
	world_start "sshd-$1" nsenter --net="/proc/$(netns_holder "$1" central)/ns/net" -- \
		"$(command -v sshd || echo /usr/sbin/sshd)" -D -e -f "$W/sshd/config"
	world_wait 10 netns_in "$1" base ssh-keyscan -p "$SSH_PORT" "$NETNS_CENTRAL"
}

# Looks once a minute; counts its looks in a file.
idle_poll() { # NAME COMMAND...
	cat > "$W/poll-$1" <<END
while sleep 60; do
	$2 && echo >> "$W/polls-$1" || echo failed
done
END
	world_start "poll-$1" nsenter --net="/proc/$(netns_holder "$1" base)/ns/net" -- sh "$W/poll-$1"
}

idle_start() {
	_ssh="$GIT_SSH_COMMAND -p $SSH_PORT"
	mkdir "$W/rsync-at-base"
	cp -a "$W/haikou/app/current/." "$W/rsync-at-base/"
	git clone -q --bare "$SRC" "$W/built.git"
	git clone -q --bare "$W/built.git" "$W/git-at-base"
	idle_line git && idle_line rsync || failed 'no lines for git and rsync' || return 1
	git -C "$W/git-at-base" remote set-url origin "$UPSTREAM$W/built.git"
	idle_poll git "git -C '$W/git-at-base' fetch -q origin main"
	idle_poll rsync "rsync -naz --delete -e '$_ssh' '$(id -un)@$NETNS_CENTRAL:$W/rsync-at-base/' '$W/rsync-at-base/'"
}

idle_day() { # NAME: bytes of polling once a minute for a day
	_polls=$(wc -l < "$W/polls-$1")
	[ "$_polls" -gt 0 ] || failed "$1 polled nothing" || return 1
	calc %d "($(netns_bytes "$1") - $2) / $_polls * 1440"
}

idle_watch() {
	_main=$(netns_bytes main) _git=$(netns_bytes git) _rsync=$(netns_bytes rsync)
	_start=$(now_s)
	sleep "$IDLE_S"
	_bytes=$(($(netns_bytes main) - _main))
	_seconds=$(calc %.1f "$(now_s) - $_start")
	measured figure idle-day "$(calc %d "$_bytes * $DAY_S / $_seconds")" 400000 bytes \
		"watching for a day, from $_bytes bytes in $IDLE_S s"
	_day=$(idle_day git "$_git") || return 1
	beside 'git fetch once a minute for a day' "$_day" bytes
	_day=$(idle_day rsync "$_rsync") || return 1
	beside 'rsync -n once a minute for a day' "$_day" bytes
}

idle_notice() {
	line_commit 2
	line_order v2 "$later" all haikou || return 1
	world_wait 120 has_accepted haikou || failed 'the order is not noticed' || return 1
	measured figure notice "$(calc %.2f "$(accepted_at haikou) - $(ordered_at haikou)")" 2 s \
		'a new order is noticed: from central to accepted at the base'
}

section_idle() {
	line_begin idle && line_central && line_base haikou || return 1
	line_commit 1
	line_order v1 now all haikou || return 1
	base_run haikou
	world_wait 60 world_is shop v1 haikou live || failed 'v1 does not go live' || return 1
	netns_shape main "$RATE_KBIT" && idle_start || return 1
	sleep 10
	idle_watch && idle_notice || return 1
}
