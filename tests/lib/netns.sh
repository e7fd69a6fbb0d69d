# shellcheck shell=sh
# Lines for benchmarks: two network namespaces joined by a third, which is the line: a bridge whose two
# ports are shaped. (The sender's kernel lets nothing pile up in a queue of its own; in that of a modem
# it does.) Needs root; source it after world.sh. A namespace lives as long as the process that
# holds it, which world_end stops like everything else that world_start has started.
#
#   netns_line NAME; netns_shape NAME 1000; netns_in NAME base COMMAND…; netns_bytes NAME
#
# Side "central" has the address NETNS_CENTRAL, side "base" NETNS_BASE, on every line.

NETNS_CENTRAL=10.77.0.1
NETNS_BASE=10.77.0.2

netns_holder() { # NAME SIDE
	cat "$W/pids/netns-$1-$2"
}

netns_in() { # NAME SIDE COMMAND [ARG...]
	_in=/proc/$(netns_holder "$1" "$2")/ns/net
	shift 2
	nsenter --net="$_in" -- "$@"
}

# Makes one namespace.
netns_hold() { # NAME SIDE
	world_start "netns-$1-$2" unshare --net sleep infinity
	_held=/proc/$(netns_holder "$1" "$2")/ns/net
	_i=0
	while [ "$(readlink "$_held")" = "$(readlink /proc/self/ns/net)" ]; do
		_i=$((_i + 1))
		[ $_i -gt 100 ] && { echo "netns: no namespace for $1; are you root?" >&2; return 1; }
		sleep 0.05
	done
	netns_in "$1" "$2" ip link set lo up
}

# One segment a packet (gso_max_segs): a larger one would be counted with one header for all. No
# IPv6 address, for its announcements are not ours to count. Cubic, as Linux has it by itself,
# whatever this machine prefers.
netns_end() { # NAME SIDE ADDRESS
	netns_in "$1" "$2" ip link add name line type veth peer name "$2" \
		netns "$(netns_holder "$1" middle)" &&
		netns_in "$1" "$2" ip link set line addrgenmode none gso_max_segs 1 &&
		netns_in "$1" middle ip link set "$2" addrgenmode none master bridge &&
		netns_in "$1" middle ip link set "$2" up &&
		netns_in "$1" "$2" ip link set line up &&
		netns_in "$1" "$2" ip address add "$3/30" dev line noprefixroute &&
		netns_in "$1" "$2" ip route add 10.77.0.0/30 dev line src "$3" congctl cubic
}

netns_line() { # NAME
	netns_hold "$1" central && netns_hold "$1" middle && netns_hold "$1" base &&
		netns_in "$1" middle ip link add name bridge type bridge mcast_snooping 0 &&
		netns_in "$1" middle ip link set bridge addrgenmode none &&
		netns_in "$1" middle ip link set bridge up &&
		netns_end "$1" central $NETNS_CENTRAL && netns_end "$1" base $NETNS_BASE
}

# The rate counts whole Ethernet frames. The queue is deep, like that of many a real modem: what
# keeps it short is the sender.
netns_shape() { # NAME KBIT
	for _port in central base; do
		netns_in "$1" middle tc qdisc replace dev $_port root tbf rate "$2kbit" burst 1600 \
			limit 262144 || return 1
	done
}

# Bytes or packets that came out of the line at this side, Ethernet headers included.
netns_count() { # NAME SIDE bytes|packets
	_field=10
	[ "$3" = bytes ] || _field=11
	awk -v s="$2:" -v f="$_field" '$1 == s { print $f }' "/proc/$(netns_holder "$1" middle)/net/dev"
}

netns_bytes() { # NAME: both ways
	awk '$1 ~ /^(central|base):/ { n += $10 } END { print n }' \
		"/proc/$(netns_holder "$1" middle)/net/dev"
}

# Cuts the line without either side being told: what central sends goes nowhere.
netns_hole() { # NAME on|off
	if [ "$2" = on ]; then
		netns_in "$1" central ip route add blackhole "$NETNS_BASE/32"
	else
		netns_in "$1" central ip route delete blackhole "$NETNS_BASE/32"
	fi
}
