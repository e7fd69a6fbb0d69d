# shellcheck shell=bash
# The world of the fault runs: one central and one base below $W, by local path, no hook starts a
# worker; the developer's repository lies outside, for it is on another computer. Source it.
#
#   W (what a power cut hits), SRC, JOIN: set before. step NAME does one step of the road.

STATE=$W/central
REPO=$W/shop.git
ROOT=$W/base/root
APPDIR=$W/base/app
HOME=$W
GIT_CONFIG_GLOBAL=$SRC.config
GIT_CONFIG_NOSYSTEM=1
PATH=$BUILD:$PATH
export HOME GIT_CONFIG_GLOBAL GIT_CONFIG_NOSYSTEM PATH

# Every version and plan there will be, so that a run only has to push. v3 is sick.
source_make() {
	local n
	git init -q -b main "$SRC"
	git config --file "$GIT_CONFIG_GLOBAL" user.name Dev
	git config --file "$GIT_CONFIG_GLOBAL" user.email dev@example.com
	cat > "$SRC/build.sh" <<-'END'
		set -e
		mkdir -p dist/assets
		cp VERSION dist/version.txt
		cp style.css dist/assets/
		[ -e sick ] || echo ok > dist/healthz
	END
	for n in 1 2 3 4 5 6; do
		echo $n > "$SRC/VERSION"
		seq $n 300 > "$SRC/style.css"
		rm -f "$SRC/sick"
		[ $n != 3 ] || echo yes > "$SRC/sick"
		git -C "$SRC" add -A
		git -C "$SRC" commit -qm "Version $n"
		git -C "$SRC" tag -a -m "Shop $n" -m "Release-At: $(source_when $n)
Release-To: all" v$n
		tree_sum_source > "$SRC.sum-$n"
	done
	git -C "$SRC" tag -a -m Back -m 'Release-At: now
Release-To: all
Release-Version: v2' plan/back
}

source_when() { if [ "$1" = 4 ]; then echo '2098-01-01 02:00 base-local'; else echo now; fi; }

tree_sum() { # FOLDER: names and contents
	(cd "$1" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum) 2>&1 | sha256sum
}
tree_sum_source() {
	(cd "$SRC" && sh build.sh) && tree_sum "$SRC/dist" && rm -rf "$SRC/dist"
}

# Some wait for a worker or a base, of which there is none: below aim that takes no time.
quick() {
	if [ -n "${TAGSHIP_POINTS:-}" ]; then
		"$@"
	else
		"$BUILD/fault/aim" --points "$BUILD/fault/points.so" --map "$SRC.map-$JOB" --root "$W" -- "$@"
	fi
}
# aim sees by itself what hangs, and counts what is started; after the fault nobody else would see it.
limited() {
	if [ -n "${TAGSHIP_POINTS:-}" ]; then
		"$@"
	else
		timeout -k 5 300 "$@"
	fi
}
push() { quick git -C "$SRC" push -q -o nowait "$REPO" "$@"; }
central() { limited tagship -C "$STATE" -q "$@"; }
base() { limited tagship-base -C "$ROOT" -q "$@"; }
activate() { limited tagship-activate "$ROOT" --once; }

base_configure() {
	grep -q '^serve_command = ' "$ROOT/base.cfg" && return
	mkdir -p "$APPDIR"
	sed -i '/^apps = ( );/d' "$ROOT/base.cfg"
	cat >> "$ROOT/base.cfg" <<-END
		min_free_mb = 1;
		serve_command = "$BUILD/tagship";
		apps = ( {
		  name = "shop";
		  dir = "$APPDIR";
		  bridge = "1h";
		  migrate = [ "/bin/true" ];
		  unmigrate = [ "/bin/true" ];
		  stop = [ "/bin/rm", "-f", "$W/base/up" ];
		  start = [ "/bin/cp", "$APPDIR/current/version.txt", "$W/base/up" ];
		  health = [ "/bin/sh", "-c", "cd $APPDIR/current && test -e healthz && cmp version.txt $W/base/up" ];
		  health_time = 1;
		  health_every_ms = 100;
		} );
	END
}

# A step of the road. What surrounds it, such as an admin's hand on a file, is not part of it.
step() {
	case $1 in
	init) central init "$STATE" > "$W/join" ;;
	app) central app add shop "$REPO" --build 'sh build.sh' --output dist --sandbox none ;;
	hook) central hook install "$REPO" ;;
	enrol) base init berlin --join "$(cat "$W/join")" --zone Europe/Berlin > "$W/enrol" ;;
	base)
		central base add berlin --zone Europe/Berlin --app shop \
			--key "$(sed -n "s/.*--key '\([^']*\)'.*/\1/p" "$W/enrol")"
		;;
	push-*) push "v${1#push-}^{commit}:refs/heads/main" "v${1#push-}" ;;
	worker-*) central worker --once ;;
	pull-*) base pull ;;
	activate-*) activate ;;
	withdraw) push :v4 ;;
	back) base rollback shop ;;
	forth) central rollback shop --to v2 ;;
	stop) quick tagship -C "$STATE" -q stop shop enough || [ $? = 5 ] ;;
	resume) quick tagship -C "$STATE" -q resume shop || [ $? = 5 ] ;;
	hold) base hold shop waiting ;;
	unhold) base unhold shop ;;
	pin) base pin shop v2 ;;
	unpin) base unpin shop v2 ;;
	maintenance) base maintenance shop on ;;
	serving) base maintenance shop off ;;
	export) central export berlin "$W/orders" ;;
	import) base import "$W/orders" ;;
	reports) base export "$W/reports" ;;
	reported) central import "$W/reports" ;;
	gc) central gc ;;
	gc-base) base gc ;;
	esac
}

# What somebody does before the step.
before() {
	case $1 in
	app) grep -q '^worker = ' "$STATE/central.cfg" || printf 'worker = "service";\nmin_free_mb = 1;\n' >> "$STATE/central.cfg"
		[ -d "$REPO" ] || git init -q --bare "$REPO" ;;
	base) base_configure ;;
	esac
}

# What happens by itself as time goes by.
settle() {
	central worker --once && base pull && activate && base pull &&
		central worker --once && base pull
}
