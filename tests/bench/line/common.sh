# shellcheck shell=sh
# shellcheck disable=SC2034 # what the sections use
# What the sections of bench-line share. A section is a function section_NAME in a world of its own, from
# line_begin to line_end; it fails if a step fails, not for a figure that misses its limit.

KEEP_ALWAYS=${KEEP_WORLD:-}
RATE_KBIT=1000

# ---- the world ----

# A line, central with sshd at one end.
line_begin() { # SECTION [MAXSTARTUPS]
	section=$1
	world_new
	netns_line main || return 1
	SSH_ADDRESS=$NETNS_CENTRAL SSH_STARTUPS=${2:-100}
	SSH_IN="nsenter --net=/proc/$(netns_holder main central)/ns/net --"
	# in every namespace all ports are free
	world_sshd > "$W/sshd-start.log" 2>&1 || failed 'no sshd'
}

# Sessions that wait for a dead line outlive sshd, and their namespace with them. All that runs in
# central's namespace is ours.
line_end() {
	[ -n "$W" ] || return 0
	_holder=$(netns_holder main central 2> /dev/null) && _ns=$(readlink "/proc/$_holder/ns/net") &&
		[ "$_ns" != "$(readlink /proc/self/ns/net)" ] &&
		for _proc in /proc/[0-9]*; do
			[ "$_proc" = "/proc/$_holder" ] || [ "$(readlink "$_proc/ns/net" 2> /dev/null)" != "$_ns" ] ||
				kill "${_proc#/proc/}" 2> /dev/null
		done
	world_end
	W=
}

descendants() { # PID
	[ -n "$1" ] || return 0
	for _child in $(pgrep -P "$1"); do
		echo "$_child"
		descendants "$_child"
	done
}

ended() { # NAME: what world_start started is over
	case $(ps -o stat= -p "$(cat "$W/pids/$1")") in Z* | '') ;; *) return 1 ;; esac
}

# The developer's repository: what is in web/ is the app.
line_source() {
	git init -q "$SRC"
	mkdir -p "$SRC/web"
	printf 'rm -rf dist\ncp -R web dist\necho ok > dist/healthz\n' > "$SRC/build.sh"
	echo 0 > "$SRC/web/version.txt"
	git -C "$SRC" add -A
	git -C "$SRC" commit -qm 'The shop'
}

line_central() {
	line_source
	world_central shop 'sh build.sh' dist > "$W/central.log" 2>&1 || failed 'no central'
}

# A base with the settings that a base has by itself. Its app is nothing but files: how long a server
# takes to stop and start says nothing of the line.
line_base() { # NAME
	world_base "$1" Europe/Berlin > "$W/base-$1.log" 2>&1 || failed "no base $1" || return 1
	line_unset "$1" pull_every
	sed -i '/^  \(stop\|start\|health[a-z_]*\) = /d' "$W/$1/root/base.cfg"
}

line_unset() { # BASE KEY
	sed -i "/^$2 = /d" "$W/$1/root/base.cfg"
}

line_set() { # BASE KEY VALUE
	line_unset "$1" "$2"
	sed -i "1i $2 = $3;" "$W/$1/root/base.cfg"
}

line_through() { # BASE PORT: from now on by the relay
	line_set "$1" upstreams "[ \"ssh://$(id -un)@$NETNS_CENTRAL:$2\" ]"
}

line_relay() { # NAME PORT [OPTION...]
	_relay=$1 _port=$2
	shift 2
	# shellcheck disable=SC2086 # SSH_IN is a command
	world_start "$_relay" $SSH_IN "$LIB/relay" "$@" "$NETNS_CENTRAL:$_port" "$NETNS_CENTRAL:$SSH_PORT"
	world_wait 10 grep -q listens "$W/$_relay.log" || failed "the relay does not start"
}

at_base() { # COMMAND [ARG...]
	netns_in main base "$@"
}

base_do() { # BASE COMMAND [ARG...]: its output is kept
	_base=$1
	shift
	at_base tagship-base -C "$W/$_base/root" -q "$@" >> "$W/$_base.log" 2>&1
}

base_run() { # BASE
	# shellcheck disable=SC2086 # as above
	world_start "run-$1" nsenter --net="/proc/$(netns_holder main base)/ns/net" -- \
		tagship-base -C "$W/$1/root" run
}

# ---- releases ----

line_commit() { # VERSION
	echo "$1" > "$SRC/web/version.txt"
	git -C "$SRC" add -A
	git -C "$SRC" commit -qm "Version $1"
}

film() { # BYTES: nothing helps to code this
	head -c "$1" /dev/urandom > "$SRC/web/film.bin"
}

later=2098-01-01T00:00:00Z

# Pushes the version on main; returns when all ledgers have their orders.
line_push() { # VERSION AT TO
	printf '%s\n\nRelease-At: %s\nRelease-To: %s\n' "$1" "$2" "$3" | world_tag "$1"
	git -C "$SRC" push origin main "$1" > "$W/push-$1.log" 2>&1 || failed "the push of $1"
}

line_order() { # VERSION AT TO BASE: pushes, waits for the order of this base
	_before=$(head_of "$4")
	line_push "$1" "$2" "$3" || return 1
	world_wait 120 head_moved "$4" "$_before" || failed "no order of $1"
}

head_of() { # BASE: central's head of its ledger
	git -C "$STATE/ledger/$1.git" rev-parse -q --verify refs/heads/orders
}
head_moved() { # BASE HEAD
	_head=$(head_of "$1") && [ "$_head" != "$2" ]
}
accepted_of() { # BASE
	git -C "$W/$1/root/mirror.git" rev-parse -q --verify refs/tagship/accepted
}
has_accepted() { # BASE
	_head=$(head_of "$1") && [ "$(accepted_of "$1")" = "$_head" ]
}

# When central's order, its report and the base's acceptance were written: seconds with fractions.
ordered_at() { stat -c %.3Y "$STATE/ledger/$1.git/refs/heads/orders"; }
reported_at() { stat -c %.3Y "$STATE/ledger/$1.git/refs/heads/reports"; }
accepted_at() { stat -c %.3Y "$W/$1/root/mirror.git/refs/tagship/accepted"; }

bundle_bytes() { # BASE: of its newest order
	git -C "$STATE/ledger/$1.git" log -1 --format=%B orders | awk '/^Bundle: / { print $4; exit }'
}

partial_bytes() { # BASE
	cat "$W/$1/root/partial/"*.part 2> /dev/null | wc -c
}
partial_over() { # BASE BYTES
	[ "$(partial_bytes "$1")" -gt "$2" ]
}

now_s() { date +%s.%N; }

# Seconds and bytes on the line of a command, into $seconds and $bytes.
weigh() { # PAIR COMMAND [ARG...]
	_pair=$1
	shift
	_bytes=$(netns_bytes "$_pair")
	_start=$(now_s)
	"$@" || return 1
	seconds=$(calc %.2f "$(now_s) - $_start")
	sleep 1 # the goodbyes
	bytes=$(($(netns_bytes "$_pair") - _bytes))
}
