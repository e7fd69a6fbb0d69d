# shellcheck shell=sh
# shellcheck disable=SC2154 # common.sh has the others
# A download of 4 MB: what others on the line feel of it, whether it keeps to its rate, and whether
# it fills a line with a long way.

BULK_BYTES=4000000

# A base with an order of BULK_BYTES that nothing helps to code.
bulk_begin() { # SECTION
	line_begin "$1" && line_central && line_base haikou && netns_shape main "$RATE_KBIT" || return 1
	bulk_order v1
}

bulk_order() { # VERSION
	film $BULK_BYTES
	line_commit "$1"
	line_order "$1" "$later" all haikou
}

# Starts the download, returns in the middle of it.
bulk_start() {
	world_start pull nsenter --net="/proc/$(netns_holder main base)/ns/net" -- \
		tagship-base -C "$W/haikou/root" -q pull
	world_wait 120 partial_over haikou $((BULK_BYTES / 8)) || failed 'the download does not start'
}

bulk_end() {
	world_wait 300 ended pull ||
		failed 'the download does not end' || return 1
	wait "$(cat "$W/pids/pull")" || failed "the pull: $(cat "$W/pull.log")" || return 1
	rm "$W/pids/pull"
}

# Pings while the download goes on, to within its last eighth.
ping_during() { # NAME LIMIT TEXT
	bulk_start || return 1
	world_start ping nsenter --net="/proc/$(netns_holder main base)/ns/net" -- "$LIB/ping" "$NETNS_CENTRAL"
	_out=$(netns_count main base bytes)
	_start=$(now_s)
	world_wait 300 partial_over haikou $((BULK_BYTES * 7 / 8)) || failed 'the download stalls' || return 1
	_kbit=$(calc %.0f "($(netns_count main base bytes) - $_out) * 8 / 1000 / ($(now_s) - $_start)")
	_ping=$(cat "$W/pids/ping")
	kill "$_ping" && wait "$_ping" || failed "ping: $(cat "$W/ping.log")" || return 1
	rm "$W/pids/ping"
	read -r _sent _lost _average _longest < "$W/ping.log"
	measured figure "$1" "$_average" "$2" ms \
		"$3, at $_kbit kbit/s: average ping (longest $_longest ms, $_lost of $_sent lost)"
	bulk_end
}

section_ping() {
	bulk_begin ping && ping_during ping-full 400 'a download at full rate' || return 1
	line_set haikou rate_kbit 800
	bulk_order v2 && ping_during ping-800 100 'a download with rate_kbit = 800'
}

# What the line carries towards the base within SECONDS, in kbit/s, Ethernet headers included; IP
# packets alone into $ip_kbit.
bulk_rate() { # SECONDS
	_bytes=$(netns_count main base bytes) _packets=$(netns_count main base packets)
	_start=$(now_s)
	sleep "$1"
	_took=$(calc %.3f "$(now_s) - $_start")
	_bytes=$(($(netns_count main base bytes) - _bytes))
	_packets=$(($(netns_count main base packets) - _packets))
	kbit=$(calc %.1f "$_bytes * 8 / 1000 / $_took")
	ip_kbit=$(calc %.1f "($_bytes - 14 * $_packets) * 8 / 1000 / $_took")
	! ended pull || failed 'the download ended too early'
}

section_rate() {
	line_begin rate && line_central && line_base haikou && netns_shape main "$RATE_KBIT" || return 1
	line_set haikou rate_kbit 400
	bulk_order v1 && bulk_start && bulk_rate 60 || return 1
	measured figure rate-400-off "$(calc %.1f "($kbit > 400 ? $kbit - 400 : 400 - $kbit) / 4")" 3 '%' \
		"rate_kbit = 400 over 60 s: $kbit kbit/s of Ethernet frames ($ip_kbit of IP packets); off by"
	bulk_end
}

section_delay() {
	line_begin delay && line_central && line_base haikou && netns_shape main "$RATE_KBIT" || return 1
	line_relay relay 2200 --delay-ms 175 && line_through haikou 2200 || return 1
	bulk_order v1 && bulk_start && bulk_rate 15 || return 1
	measured figure-min delay-fill "$(calc %.1f "$kbit / $RATE_KBIT * 100")" 95 '%' \
		'of a line of 1 Mbit/s with 350 ms there and back is filled by a download'
	bulk_end
}
