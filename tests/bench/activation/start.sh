# shellcheck shell=sh
# shellcheck disable=SC2154 # common.sh has the others
# Is `stop` called at its second? 100 orders for one app, two seconds apart, which go to and fro between
# two versions, while a download of another app goes on. `stop` itself notes the time.

START_EVERY_S=2

# The other app: content that nothing helps to code, for the whole time.
start_bulk() { # BYTES
	SRC=$W/bulk-src
	git init -q "$SRC"
	head -c "$1" /dev/urandom > "$SRC/film.bin"
	git -C "$SRC" add -A
	git -C "$SRC" commit -qm 'A film'
	world_central bulk '' . > "$W/bulk.log" 2>&1
	sed -i 's/^apps = .*/apps = [ "shop", "bulk" ];/' "$STATE/bases.d/haikou.cfg"
	printf 'bulk\n\nRelease-At: 2098-01-01T00:00:00Z\nRelease-To: all\n' | world_tag b1
	git -C "$SRC" push -q origin main b1 >> "$W/bulk.log" 2>&1
}

start_world() { # KBIT
	world_new
	world_sshd > "$W/sshd-start.log" 2>&1 || failed 'no sshd' || return 1
	shop_base "stop = [ \"/bin/sh\", \"-c\", \"date +%s.%N >> $W/begun\" ];" \
		'start = [ "true" ];' || return 1
	mkdir "$W/haikou/bulk"
	sed -i "s|^} );|}, { name = \"bulk\"; dir = \"$W/haikou/bulk\"; } );|; 1i rate_kbit = $1;" \
		"$W/haikou/root/base.cfg"
	world_base_run haikou
}

start_loading() { [ -n "$(find "$W/haikou/root/partial" -name '*.part' -size +64k)" ]; }

section_start() {
	_kbit=8000 _orders=${BENCH_START_ORDERS:-100}
	start_world $_kbit && shop_versions || return 1
	_shop=$SRC
	start_bulk $((_kbit * 125 * (_orders * START_EVERY_S + 90)))
	SRC=$_shop
	world_wait 600 start_loading || failed 'the download does not start' || return 1
	: > "$W/begun"
	shop_to_and_fro "$_orders" $START_EVERY_S || return 1
	start_loading || failed 'the download ended too early' || return 1
	# in thousandths, of an order that may also have begun too early
	awk -v first="$first" -v every=$START_EVERY_S '{ split($1, t, "."); printf "%.1f\n", (t[1] - first - (NR - 1) * every) * 1000 + substr(t[2], 1, 6) / 1000 }' \
		"$W/begun" > "$W/late-ms"
	[ "$(wc -l < "$W/late-ms")" = "$_orders" ] ||
		failed "$(wc -l < "$W/late-ms") of $_orders began" || return 1
	measured figure start-worst-ms "$(highest < "$W/late-ms")" 50 ms \
		"stop is called after its second, worst of $_orders, beside a download at $_kbit kbit/s"
	measured figure-min start-earliest-ms "$(sort -g "$W/late-ms" | head -n 1)" 0 ms 'the earliest of them'
	beside "the median of them" "$(median < "$W/late-ms")" ms
}
