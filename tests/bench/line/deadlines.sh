# shellcheck shell=sh
# shellcheck disable=SC2154 # common.sh has the others
# Lines that die without a word: each must become an error in time, and the download goes on where it
# was once the line is good again.

TROUBLE_BYTES=600000
TROUBLE_AT=200000
DEADLINE_S=30
IDLE_DEADLINE_S=300

trouble_order() { # VERSION
	film $TROUBLE_BYTES
	line_commit "$1"
	line_order "$1" "$later" all haikou
}

# Central's relay at the port that the base calls.
trouble_line() { # [OPTION...]
	world_stop relay KILL
	line_relay relay 2200 "$@"
}

# When the relay noted this.
trouble_time() { # EVENT
	awk -v e="$1" '$2 == e { print $1; exit }' "$W/relay.log"
}

# The pull that is running ends, with "try again later"; SINCE is when the trouble began.
trouble_ended() { # NAME SINCE TEXT
	wait "$(cat "$W/pids/pull")"
	_status=$?
	_ended=$(now_s)
	rm "$W/pids/pull"
	sed "s/^/  $1: /" "$W/pull.log"
	[ $_status -eq 5 ] || failed "$1: the pull ended with $_status, not 5" || return 1
	measured figure "dead-$1" "$(calc %.1f "$_ended - $2")" $DEADLINE_S s "$3: an error after"
}

# The line is good again: the rest comes, and only the rest.
trouble_resumed() { # NAME VERSION
	_had=$(partial_bytes haikou)
	_rest=$(($(bundle_bytes haikou) - _had))
	trouble_line && weigh main base_do haikou pull || failed "$1: the pull afterwards" || return 1
	world_is shop "$2" haikou staged || failed "$1: $2 is not staged" || return 1
	[ "$bytes" -lt $((_rest * 11 / 10 + 40000)) ] ||
		failed "$1: $bytes bytes for the remaining $_rest"
}

trouble_pull() {
	world_start pull nsenter --net="/proc/$(netns_holder main base)/ns/net" -- \
		tagship-base -C "$W/haikou/root" -q pull
}

# A relay with this trouble; EVENT is where time starts.
trouble() { # NAME VERSION EVENT TEXT OPTION...
	_case=$1 _version=$2 _event=$3 _text=$4
	shift 4
	trouble_order "$_version" && trouble_line "$@" || return 1
	trouble_pull
	world_wait 60 grep -q " $_event " "$W/relay.log" || failed "$_case: no trouble" || return 1
	trouble_ended "$_case" "$(trouble_time "$_event")" "$_text" && trouble_resumed "$_case" "$_version"
}

# What central sends goes nowhere, acknowledgements included.
trouble_hole() { # VERSION
	trouble_order "$1" && trouble_line || return 1
	trouble_pull
	world_wait 60 partial_over haikou $TROUBLE_AT || failed 'hole: no download' || return 1
	_since=$(now_s)
	netns_hole main on && trouble_ended hole "$_since" 'black hole amid a download' &&
		netns_hole main off && trouble_resumed hole "$1"
}

# Central forgot the connection while the line was dead, and the base does not know.
trouble_half_open() { # VERSION
	trouble_order "$1" && trouble_line || return 1
	trouble_pull
	world_wait 60 partial_over haikou $TROUBLE_AT || failed 'half-open: no download' || return 1
	netns_hole main on && world_stop relay KILL && netns_hole main off || return 1
	_since=$(now_s)
	trouble_ended half-open "$_since" 'half-open amid a download' && trouble_resumed half-open "$1"
}

# A watch on which nothing moves, then an order that it cannot hear.
trouble_idle() { # VERSION
	trouble_line || return 1
	base_run haikou
	world_wait 60 test -e "$W/haikou/root/watching" || failed 'idle: it does not watch' || return 1
	sleep 10
	netns_hole main on || return 1
	_since=$(now_s)
	trouble_order "$1" || return 1
	world_wait $((IDLE_DEADLINE_S + 60)) test ! -e "$W/haikou/root/watching" ||
		failed 'idle: the black hole is not noticed' || return 1
	measured figure dead-idle "$(calc %.1f "$(now_s) - $_since")" $IDLE_DEADLINE_S s \
		'black hole on a watch that waits: noticed after'
	netns_hole main off
	_since=$(now_s)
	world_wait 600 has_accepted haikou || failed 'idle: the order is not noticed' || return 1
	beside 'an order of meanwhile is noticed once the line is good again, after' \
		"$(calc %.1f "$(accepted_at haikou) - $_since")" s
}

section_deadlines() {
	line_begin deadlines && line_central && line_base haikou && netns_shape main "$RATE_KBIT" &&
		line_through haikou 2200 || return 1
	trouble banner v1 open 'silent before the banner' --silent &&
		trouble silent v2 hole 'silent amid a download' --hole $TROUBLE_AT &&
		trouble drip v3 slow '300 bytes a second from amid a download on' --drip $TROUBLE_AT 300 &&
		trouble_hole v4 && trouble_half_open v5 && trouble_idle v6
}
