# shellcheck shell=bash
# The road of the fault runs, what must hold after a fault in it, and one run. Source it after
# world.sh and facts.sh; D is the folder of all runs, JOB the name of this one's world.

# The road: STEP, the version that serves when it is done and all has settled; "*": its points count.
ROAD='init - *
app - *
hook - *
enrol - *
base - *
push-1 1
worker-1 1
pull-1 1
activate-1 1
report-1 1
push-2 2 *
worker-2 2 *
pull-2 2 *
activate-2 2 *
report-2 2 *
push-3 2
worker-3 2
pull-3 2
activate-3 2 *
report-3 2 *
push-4 2
worker-4 2
pull-4 2
withdraw 2 *
worker-w 2 *
pull-w 2 *
back 1 *
report-back 1
forth 2 *
worker-forth 2
pull-forth 2
activate-forth 2
report-forth 2
stop 2 *
resume 2 *
hold 2 *
unhold 2 *
pin 2 *
unpin 2 *
maintenance 2 *
serving 2 *
push-5 5
worker-5 5
export 5 *
import 5 *
activate-5 5
reports 5 *
reported 5 *
gc 5 *
gc-base 5 *'
NEXT=6
STEP_IN_WORLD="BUILD='$BUILD'; . '$TOP/tests/fault/world.sh'; step"

# ---- a world of one's own ----

attach() { mount -o "loop,noatime$([ "$FS" != ext4 ] || echo ,noauto_da_alloc,commit=300)" "$D/$JOB.img" "$W"; }
detach() { umount "$W"; }
restore() { # STEP: as before it
	detach 2>/dev/null || ! mountpoint -q "$W" || umount -l "$W" || return
	cp --sparse=always "$D/before-$1.img" "$D/$JOB.img" && attach
}
snapshot() { # STEP
	detach && cp --sparse=always "$D/$JOB.img" "$D/before-$1.img" && attach
}
aim() { # STEP [OPTION...]
	local step=$1
	shift
	"$BUILD/fault/aim" --points "$BUILD/fault/points.so" --map "$D/$JOB.map" --root "$W" \
		--result "$D/$JOB.result" "$@" -- bash -c "$STEP_IN_WORLD $step" > "$D/$JOB.out" 2>&1 < /dev/null
}
versions() { # STEP: what served before it, and what serves in the end
	echo "$(cat "$D/live-$1")" "$(awk -v s="$1" '$1 == s { print $2 }' <<< "$ROAD")"
}

# ---- the laws ----

broken() { echo "BROKEN: $*"; }
whole_tree() { # VERSION...: the live path is one of these, whole
	local version sum
	[ -e "$APPDIR/current" ] || { [[ " $* " == *' - '* ]] || broken 'nothing is live'; return; }
	sum=$(tree_sum "$APPDIR/current/")
	for version in "$@"; do
		[ "$version" = - ] || [ "$sum" != "$(cat "$SRC.sum-$version")" ] || return 0
	done
	broken "the live path is none of $*"
}
# Setting up goes on to the first push; everything else happens by itself.
later_steps() { # STEP
	case $1 in init | app | hook | enrol | base) sed "0,/^$1\$/d" <<< "$SETTING_UP" ;; esac
}
SETTING_UP='init
app
hook
enrol
base
push-1'
retry_failed() { # a job that an error ended waits for an order to try again
	central log --json | grep -B1 '"state" : "failed"' | sed -n 's/.*"job" : "\(.*\)".*/\1/p' |
		while read -r job; do central retry "$job" 2>&1 && central worker --once; done
}
go_on() { # STEP STATUS: whoever was interrupted does it again, or needs not
	local old end
	read -r old end <<< "$(versions "$1")"
	case $1 in
	back | forth) # again it would go back from there
		settle > "$D/$JOB.settled" 2>&1 || cat "$D/$JOB.settled"
		[ "$(cat "$W/base/up")" != "$end" ] || return 0
		;;
	esac
	# a killed git leaves its locks, and says at the next try that a human must remove them
	case $1 in push-* | withdraw) find "$REPO" -name '*.lock' ! -name tagship.lock -delete ;; esac
	before "$1"
	[ "$2" = 0 ] && [ "$1" = enrol ] || # its line is there
		step "$1" > "$D/$JOB.again" 2>&1 || { echo "again: exit $?"; cat "$D/$JOB.again"; }
	case $1 in worker-*) retry_failed ;; esac
	for later in $(later_steps "$1"); do
		before "$later"
		step "$later" > "$D/$JOB.later" 2>&1 || { broken "then $later"; cat "$D/$JOB.later"; }
	done
}
rest() { # STEP
	settle > "$D/$JOB.settled" 2>&1 || { broken 'it does not settle'; cat "$D/$JOB.settled"; }
}
withheld() { # KEY STEP: the base withholds, until the step takes it back
	base status --json | grep -q "\"$1\" : \"" || broken "it is not $1"
	step "$2" > "$D/$JOB.$2" 2>&1 || { broken "$2 fails"; cat "$D/$JOB.$2"; }
}
next_release() { # STEP
	case $1 in
	stop) withheld stopped resume ;;
	hold) withheld held unhold ;;
	esac
	{ step push-$NEXT && settle; } > "$D/$JOB.next" 2>&1 || { broken 'the next release fails'; cat "$D/$JOB.next"; }
	whole_tree $NEXT
}

# What was left over goes away when it is a month old. Its change time is set from outside.
age_litter() { # OLD
	local path
	[ "$FS" = ext4 ] || return 0
	litter > "$D/$JOB.litter"
	[ -s "$D/$JOB.litter" ] || return 0
	detach
	while read -r path; do
		for field in ctime mtime; do echo "set_inode_field \"${path#.}\" $field @$(($(date +%s) - 30 * 86400))"; done
	done < "$D/$JOB.litter" | debugfs -w -f - "$D/$JOB.img" > /dev/null 2>&1
	attach
	{ central gc && base gc && settle; } > "$D/$JOB.gc" 2>&1 || { broken 'gc fails'; cat "$D/$JOB.gc"; }
	litter | sed 's/^/BROKEN: litter stays: /'
}

# What is not as it was without the fault. An activation may end well, be undone, or not begin; then
# it is said so, and what was never switched to is gone.
compare() { # STEP BASELINE FACTS
	local other='^$'
	case $1 in
	activate-*)
		other='^.(base "state" : "(live|rolled-back|failed)"'
		other+="|report berlin: shop v${1#*-} (live|rolled-back|failed), order"
		other+="| +[0-9]+ file ./base/(app/releases/v${1#*-}-X|app/bridge|root/trees/HASH)"
		other+='|central "(last_state|last_version|live_version)")'
		;;
	back) other='^.report berlin: shop v2 live, order' ;; # still, as is said again
	esac
	diff -U0 "$2" "$3" | grep '^[-+]' | grep -vE '^(---|\+\+\+)' | grep -vE "$other"
}

# ---- one run ----

# What is right after a step: made by the first that asks.
baseline() { # STEP
	local later
	[ ! -e "$D/facts-$1" ] || return 0
	restore "$1" || return
	before "$1" > /dev/null 2>&1
	step "$1" > /dev/null 2>&1
	for later in $(later_steps "$1"); do before "$later" && step "$later" > /dev/null 2>&1; done
	rest "$1"
	next_release "$1"
	facts > "$D/$JOB.facts" 2>&1
	mv "$D/$JOB.facts" "$D/facts-$1"
}

run() { # STEP POINT FAULT COUNT: what is broken, on standard output
	local step=$1 point=$2 fault=$3 old end status reached hung options=()
	read -r old end <<< "$(versions "$step")"
	{ flock 9 && baseline "$step"; } 9> "$D/lock-$step"
	restore "$step" || { broken 'no world'; return; }
	[ "$fault" != cut ] || options=(--image "$D/$JOB.img" --copy "$D/$JOB.cut")
	[ "$fault" != cut ] || [ $(($4 % 2)) = 0 ] || options+=(--commit)
	before "$step" > /dev/null 2>&1
	aim "$step" --at "$point" --fault "$fault" "${options[@]}"
	read -r status reached hung < "$D/$JOB.result"
	[ "$hung" = 0 ] || broken 'it hangs'
	if [ "$reached" = 0 ]; then
		echo MISSED
		return
	fi
	case $fault in
	cut)
		detach
		mv "$D/$JOB.cut" "$D/$JOB.img"
		attach || { broken 'no file system is left'; return; }
		;;
	kill) ;;
	*)
		[ "$status" -lt 126 ] || [[ $status-$point == 128-git-* ]] || broken "it ends with status $status"
		# git says what it could not write, but not always why
		[ "$status" = 0 ] || grep -qE 'No space left|Input/output error' "$D/$JOB.out" ||
			[[ $point == git-* && -s $D/$JOB.out ]] || echo "UNSAID: status $status"
		;;
	esac
	case $step in
	activate-*) whole_tree "$old" "${step#*-}" ;;
	back) whole_tree "$old" "$end" ;;
	*) whole_tree "$old" ;;
	esac
	go_on "$step" "$status"
	rest "$step"
	next_release "$step"
	facts > "$D/$JOB.facts" 2>&1
	compare "$step" "$D/facts-$step" "$D/$JOB.facts" | sed 's/^/DIFFERS: /'
	age_litter
}

one() { # N STEP POINT FAULT
	local log=$KEEP/$2-$3-$4 verdict=ok
	run "$2" "$3" "$4" "$1" > "$D/$JOB.log" 2>&1
	if grep -q '^MISSED' "$D/$JOB.log"; then
		verdict=missed
	elif grep -qE '^(BROKEN|DIFFERS|UNSAID)' "$D/$JOB.log"; then
		verdict=FAILED
		{
			echo "tests/fault/faults --step $2 --point $3 --fault $4"
			grep "^$3 " "$D/points-$2"
			cat "$D/$JOB.log"
			echo "--- said"
			cat "$D/$JOB.out"
		} > "$log"
	fi
	[ "$verdict" != ok ] || echo "$2 $3 $4" >> "$MADE"
	echo "$1 of $COUNT $2 $3 $4 $verdict"
	echo "$verdict" >> "$D/verdicts"
}

