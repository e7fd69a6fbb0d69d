# shellcheck shell=sh
# shellcheck disable=SC2034 # what the sections and bench-activation use
# What the sections of bench-activation share. A section is a function section_NAME in a world of its
# own; it fails if a step fails, not for a figure that misses its limit.

KEEP_ALWAYS=${KEEP_WORLD:-}

activation_end() {
	[ -n "$W" ] || return 0
	! command -v section_clean > /dev/null || section_clean
	world_end
	W=
}

# The base's commands are those of the section, not a web server's.
plain_app() { # BASE [LINE...]
	_file=$W/$1/root/base.cfg
	shift
	sed -i '/^  \(stop\|start\|health[a-z_]*\) = /d' "$_file"
	for _line; do sed -i "s|^  dir = .*|&\n  $_line|" "$_file"; done
}

at_utc() { # SECONDS SINCE 1970
	date -u -d "@$1" +%Y-%m-%dT%H:%M:%SZ
}

# Highest and middle of the numbers on standard input.
highest() { sort -g | tail -n 1; }
median() { sort -g | awk '{ a[NR] = $1 } END { print (NR % 2) ? a[(NR + 1) / 2] : (a[NR / 2] + a[NR / 2 + 1]) / 2 }'; }

# ---- a shop that goes to and fro ----

# Central and a base named haikou whose app has these lines.
shop_base() { # LINE...
	world_central shop 'sh build.sh' dist > "$W/central.log" 2>&1 && world_base haikou Asia/Shanghai || return 1
	plain_app haikou "$@"
}

shop_versions() {
	for _v in v1 v2; do
		world_commit $_v
		printf '%s\n\nRelease-At: now\nRelease-To: all\n' $_v | world_tag $_v
		git -C "$SRC" push -q origin main $_v > "$W/push-$_v.log" 2>&1 &&
			world_wait 60 world_is shop $_v haikou live || failed "$_v does not go live" || return 1
	done
}

shop_plans() { # COUNT EVERY_S FIRST
	_i=0
	while [ $_i -lt "$1" ]; do
		_at=$(($3 + _i * $2))
		printf 'plan\n\nRelease-Version: v%d\nRelease-At: %s\nRelease-To: all\n' $((_i % 2 + 1)) "$(at_utc $_at)" |
			world_tag "plan/$_at"
		_i=$((_i + 1))
	done
	git -C "$SRC" push -q origin --tags > "$W/push-plans.log" 2>&1 || failed 'the push of the plans'
}

shop_staged() { # COUNT
	[ "$(grep -c 'Event: staged' "$W/haikou/root/journal/shop")" -ge $(($1 + 2)) ]
}

# Plans for versions v1 and v2 in turn; returns after the last. The first second is in $first.
shop_to_and_fro() { # COUNT EVERY_S
	first=$(($(date +%s) + 30 + $1 / 2))
	shop_plans "$1" "$2" $first && world_wait 120 shop_staged "$1" || failed 'not all are staged' || return 1
	[ "$(date +%s)" -lt $first ] || failed 'the first second came too soon' || return 1
	sleep $((first + $1 * $2 - $(date +%s)))
}
