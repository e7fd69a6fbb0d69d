# shellcheck shell=sh
# shellcheck disable=SC2154 # common.sh has the others
# From the end of stop to the beginning of start: beside `ln -s` and `mv -T` by hand, between the same two
# commands.

# The end of stop and the beginning of start, one line per switch.
switch_note() { echo "[ \"/bin/sh\", \"-c\", \"date +%s%N >> $W/$1\" ]"; }

switch_by_hand() { # COUNT
	mkdir -p "$W/hand/releases/v1" "$W/hand/releases/v2"
	ln -s releases/v1 "$W/hand/current"
	# a process of its own for each command, as in a script
	_i=0
	while [ $_i -lt "$1" ]; do
		/bin/sh -c "date +%s%N >> $W/hand-stopped"
		ln -s "releases/v$((_i % 2 + 1))" "$W/hand/next"
		mv -T "$W/hand/next" "$W/hand/current"
		/bin/sh -c "date +%s%N >> $W/hand-started"
		_i=$((_i + 1))
	done
}

switch_ms() { # STOPPED STARTED
	paste "$1" "$2" | awk '{ printf "%.2f\n", ($2 - $1) / 1000000 }'
}

section_switch() {
	_orders=${BENCH_SWITCH_ORDERS:-30}
	world_new
	shop_base "stop = $(switch_note stopped);" "start = $(switch_note started);" || return 1
	world_base_run haikou
	shop_versions || return 1
	rm -f "$W/stopped" "$W/started"
	shop_to_and_fro "$_orders" 2 || return 1
	switch_by_hand "$_orders"
	_ours=$(switch_ms "$W/stopped" "$W/started" | median) _hand=$(switch_ms "$W/hand-stopped" "$W/hand-started" | median)
	measured figure switch-extra-ms "$(calc %.2f "$_ours - $_hand")" 5 ms \
		"from the end of stop to the beginning of start: $_ours ms, by hand $_hand ms (medians of $_orders); more than by hand"
	beside "the longest of ours" "$(switch_ms "$W/stopped" "$W/started" | highest)" ms
	beside "the longest by hand" "$(switch_ms "$W/hand-stopped" "$W/hand-started" | highest)" ms
}
