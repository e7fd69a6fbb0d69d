# shellcheck shell=sh
# shellcheck disable=SC2154 # common.sh has the others
# What four more servers at a site cost the line: nothing but their lines in the report. Two bases get
# the same release one after the other, one of them alone and one with four nodes.

SITE_NODES='n1 n2 n3 n4'

site_node() { # NAME: a node of base "site", as bare as line_base makes a base
	_join=$(tagship-base -C "$W/site/root" node join | sed -n "s/.*--join '\(.*\)'/\1/p")
	tagship-base -q -C "$W/$1/root" init site --node "$1" --join "$_join" > "$W/enrol-$1" || return 1
	tagship-base -C "$W/site/root" -q node add "$1" \
		--key "$(sed -n "s/.*--key '\([^']*\)'.*/\1/p" "$W/enrol-$1")" || return 1
	mkdir -p "$W/$1/app"
	sed -i '/^apps = ( );/d' "$W/$1/root/base.cfg"
	cat >> "$W/$1/root/base.cfg" <<END
min_free_mb = 8;
serve_command = "$BUILD/tagship-base";
apps = ( { name = "shop"; dir = "$W/$1/app"; } );
END
}

# From the order to the report, by the base and its nodes.
site_go_live() { # BASE NODE...
	for _who; do base_do "$_who" pull || failed "pull of $_who: $(cat "$W/$_who.log")" || return 1; done
	for _who; do
		at_base tagship-activate "$W/$_who/root" --once > "$W/activate-$_who.log" 2>&1 ||
			failed "activation of $_who: $(cat "$W/activate-$_who.log")" || return 1
	done
	_site=$1
	shift
	for _who in "$@" "$_site"; do base_do "$_who" pull || return 1; done
}

site_release() { # VERSION
	line_order "$1" now all site || return 1
	weigh main site_go_live one || return 1
	one=$bytes
	# shellcheck disable=SC2086 # names
	weigh main site_go_live site $SITE_NODES || return 1
	site=$bytes
	for _who in one site $SITE_NODES; do
		grep -q . "$W/$_who/app/current/version.txt" || failed "$1 is not live at $_who" || return 1
	done
	if ! world_is shop "$1" one live || ! world_is shop "$1" site live; then
		failed "$1 is not live at central"
	fi
}

section_site() {
	line_begin site && line_central && line_base one && line_base site || return 1
	for _node in $SITE_NODES; do site_node "$_node" || failed "no node $_node" || return 1; done
	netns_shape main "$RATE_KBIT" || return 1
	rm -r "$SRC/web"
	"$LIB/line-app" "$SRC/web" 1 0
	line_commit 1
	site_release v1 || return 1
	"$LIB/line-app" "$SRC/web" 2 "$CHANGED_KB"
	line_commit 2
	site_release v2 || return 1
	[ "$(tagship -C "$STATE" log shop v2 --json | grep -c '"node" *:')" = 4 ] ||
		failed 'central does not know of four nodes' || return 1
	beside 'a release for a base without nodes, bytes' "$one" bytes
	beside 'the same release for a base with four nodes, bytes' "$site" bytes
	measured figure site-bytes "$(calc %.4f "$site / $one")" 1.02 ratio \
		'a base with four nodes beside one without: bytes on the line'
}
