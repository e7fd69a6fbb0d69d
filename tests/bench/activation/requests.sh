# shellcheck shell=sh
# shellcheck disable=SC2154 # common.sh has the others
# 100,000 requests through nginx while the app it serves is switched to and fro 20 times between two
# versions of swagger-ui-dist. One page names assets that only its own version has, as built apps do, and
# asks for them a little later: with the bridge of the example none may be missing. BENCH_NO_BRIDGE=1 is
# without it.

. "$TOP/tests/lib/real.sh"
REQUESTS_MIN=100000
REQUESTS_SWITCHES=20

requests_version() { # VERSION OF-SWAGGER
	if ! _tree=$(npm_tree swagger-ui-dist "$2"); then
		failed 'the npm registry cannot be reached'
		return 1
	fi
	rm -rf "$SRC/web"
	cp -R "$_tree" "$SRC/web"
	mkdir "$SRC/web/assets"
	for _n in 1 2 3; do
		echo "body of asset $_n of $1" > "$SRC/web/assets/part$_n-$1.js"
		echo "asset: /assets/part$_n-$1.js"
	done > "$SRC/web/page.html"
	git -C "$SRC" add -A
	git -C "$SRC" commit -qm "$1"
	printf '%s\n\nRelease-At: now\nRelease-To: all\n' "$1" | world_tag "$1"
	git -C "$SRC" push -q origin main "$1" > "$W/push-$1.log" 2>&1 || return 1
	world_wait 60 world_is shop "$1" haikou live || failed "$1 does not go live"
}

requests_world() {
	world_new
	git init -q "$SRC"
	echo docs > "$SRC/README"
	git -C "$SRC" add -A
	git -C "$SRC" commit -qm 'The docs'
	world_central shop '' web > "$W/central.log" 2>&1 && real_base nginx docs || return 1
	sed -i 's/name = "docs"/name = "shop"/' "$W/haikou/root/base.cfg"
	[ -z "${BENCH_NO_BRIDGE:-}" ] || sed -i '/^ *bridge = /d' "$W/haikou/root/base.cfg"
	world_base_run haikou
	real_nginx && requests_version v1 5.34.1 && requests_version v2 5.35.0
}

section_requests() {
	requests_world || return 1
	_paths=$(cd "$SRC/web" && find . -maxdepth 1 -type f ! -name '*.map' | sed 's|^\.||' | sort)
	# shellcheck disable=SC2086 # one argument each
	world_start requests "$LIB/requests" "$PORT" "$W/enough" $_paths
	shop_to_and_fro $REQUESTS_SWITCHES 2 || return 1
	world_wait 5 world_is shop "plan/$((first + 2 * (REQUESTS_SWITCHES - 1)))" haikou live ||
		failed 'the last one is not live' || return 1
	: > "$W/enough"
	wait "$(cat "$W/pids/requests")" || failed "$(cat "$W/requests.log")" || return 1
	rm "$W/pids/requests"
	read -r _ asked _ missed _ pages _ broken < "$W/requests.log"
	[ "$asked" -ge $REQUESTS_MIN ] || failed "only $asked requests" || return 1
	measured figure requests-failed "$missed" 0 requests \
		"failed of $asked requests through nginx during $REQUESTS_SWITCHES switches"
	if [ -z "${BENCH_NO_BRIDGE:-}" ]; then
		measured figure requests-broken-pages "$broken" 0 pages "pages with bridge whose assets were missing, of $pages"
	else
		beside "pages without bridge whose assets were missing, of $pages" "$broken" pages
	fi
}
