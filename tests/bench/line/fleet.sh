# shellcheck shell=sh
# shellcheck disable=SC2154 # common.sh has the others
# Many bases watch one central, all on this machine and with no line between: what they cost central,
# how soon they hear of an order, and how soon all are back when sshd was restarted. sshd has its
# default settings.

FLEET=${BENCH_FLEET:-200}

fleet() { # COMMAND: for each base
	for _base in $BASES; do "$1" "$_base"; done
}

fleet_init() {
	echo "  making $FLEET bases"
	chmod 711 "$W"
	git config --global safe.directory '*' # we look at their mirrors
	_n=0
	while [ $_n -lt "$FLEET" ]; do
		_n=$((_n + 1))
		line_base "b$_n" || return 1
	done
}

# Under several users, for the kernel counts what it allows (inotify) by user, and as many bases are as
# many machines.
fleet_start() { # BASE
	_user=$(echo daemon bin sys games | cut -d ' ' -f $((${1#b} % 4 + 1)))
	chown -R "$_user" "$W/$1"
	world_start "watch-$1" nsenter --net="/proc/$(netns_holder main central)/ns/net" -- \
		setpriv --reuid "$_user" --regid "$_user" --clear-groups tagship-base -C "$W/$1/root" -q watch
}

watching_since() { stat -c %.3Y "$W/$1/root/watching" 2> /dev/null || echo 0; }

# The earliest or latest of what COMMAND prints for the bases.
fleet_most() { # earliest|latest COMMAND
	_order=-n
	[ "$1" = earliest ] || _order=-rn
	fleet "$2" | sort $_order | head -n 1
}
all_watch() {
	for _base in $BASES; do [ -e "$W/$_base/root/watching" ] || return 1; done
}
none_watches() {
	for _base in $BASES; do [ ! -e "$W/$_base/root/watching" ] || return 1; done
}

# No program is started for it: on two cores that would be felt.
all_accepted() {
	for _base in $BASES; do
		read -r _order < "$STATE/ledger/$_base.git/refs/heads/orders" &&
			read -r _accepted < "$W/$_base/root/mirror.git/refs/tagship/accepted" &&
			[ "$_accepted" = "$_order" ] || return 1
	done
}

# Told by central, and having fetched and verified it.
told_of() { # BASE
	calc '%.3f\n' "$(watching_since "$1") - $(ordered_at "$1")"
}
notice_of() { # BASE
	calc '%.3f\n' "$(accepted_at "$1") - $(ordered_at "$1")"
}

fleet_connect() {
	_start=$(now_s)
	fleet fleet_start
	world_wait 300 all_watch || failed 'not all bases connect' || return 1
	beside "$FLEET bases that start at once are all served after" \
		"$(calc %.1f "$(fleet_most latest watching_since) - $_start")" s
}

pss_kb() { # PID...
	for _pid; do cat "/proc/$_pid/smaps_rollup" 2> /dev/null; done | awk '/^Pss:/ { n += $2 } END { print n + 0 }'
}

fleet_memory() {
	# shellcheck disable=SC2046 # process ids
	_kb=$(pss_kb $(descendants "$(cat "$W/pids/sshd")"))
	beside "memory of a watching base at central (PSS of its sshd and tagship serve; $FLEET bases)" \
		"$(calc %.2f "$_kb / 1024 / $FLEET")" MB
}

fleet_notice() {
	line_commit 2
	line_order v2 "$later" all b1 || return 1
	world_wait 300 all_accepted || failed 'not all bases notice the order' || return 1
	measured figure fleet-notice "$(fleet_most latest told_of)" 10 s \
		"one order for $FLEET bases: the last one to be told, from its ledger on"
	beside "the last one to have it, fetched and verified (central and all bases on the same cores)" \
		"$(fleet_most latest notice_of)" s
	beside "the same from the first ledger to the last base" \
		"$(calc %.2f "$(fleet_most latest accepted_at) - $(fleet_most earliest ordered_at)")" s
}

fleet_restart() {
	_pids=$(descendants "$(cat "$W/pids/sshd")")
	world_stop sshd
	# shellcheck disable=SC2086 # process ids
	kill $_pids 2> /dev/null
	world_wait 60 none_watches || failed 'a base still watches without sshd' || return 1
	_start=$(now_s)
	# shellcheck disable=SC2086 # SSH_IN is a command
	world_start sshd $SSH_IN "$(command -v sshd || echo /usr/sbin/sshd)" -D -e -f "$W/sshd/config"
	world_wait 300 all_watch || failed 'not all bases come back' || return 1
	measured figure fleet-back "$(calc %.1f "$(fleet_most latest watching_since) - $_start")" 90 s \
		"sshd restarted and all connections cut: the last of $FLEET bases is served again"
}

section_fleet() {
	line_begin fleet 10:30:100 && line_central && fleet_init || return 1
	fleet_connect && fleet_memory && fleet_notice && fleet_restart
}
