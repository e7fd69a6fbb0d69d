#!/bin/sh
# Time, by libfaketime: 02:30 on both nights of daylight saving in three zones and on a leap day; a
# waiting base whose clock is set, or wrong at boot; central's clock wrong. Never early, never twice,
# never wrongly missed.
#
# Every program is started at a second of its own and looks once, as from cron; nothing waits, for
# libfaketime knows no timerfd. It moves the time since boot together with the wall clock. A clock that
# is set leaves that alone: so the base's note of both (ROOT/clock) is moved instead.
. "$(dirname "$0")/../lib/world.sh"
world_faketime
[ -n "$FAKELIB" ] || { echo '1..0 # SKIP faketime is not installed: scripts/install-deps'; exit 0; }
world_new
trap world_end EXIT

utc() { date -u -d "$1" +%s; }
fake() { # SECOND COMMAND...
	(
		export LD_PRELOAD="$FAKELIB" FAKETIME="@$1" FAKETIME_FMT=%s NO_FAKE_STAT=1
		export ASAN_OPTIONS="verify_asan_link_order=0${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
		shift
		"$@"
	)
}

NOW=$(utc '2026-10-01 00:00Z')
world_central shop 'sh build.sh' dist
sed -i 's/^#* *worker = .*/worker = "service";/' "$STATE/central.cfg"
# what a base's pull starts: central, at the second in $W/central-now
cat > "$W/serve" <<END
#!/bin/sh
export LD_PRELOAD='$FAKELIB' FAKETIME="@\$(cat '$W/central-now')" FAKETIME_FMT=%s NO_FAKE_STAT=1
export ASAN_OPTIONS=verify_asan_link_order=0
exec '$BUILD/tagship' "\$@"
END
chmod +x "$W/serve"
for _pair in berlin:Europe/Berlin newyork:America/New_York lordhowe:Australia/Lord_Howe haikou:Asia/Shanghai; do
	world_base "${_pair%%:*}" "${_pair#*:}"
	# no server: what `current` leads to is what counts, and how often it was started
	sed -i "s|^serve_command = .*|serve_command = \"$W/serve\";|; s|^  start = .*|  start = [ \"true\" ];|; /^  stop = /d; /^  health/d" \
		"$W/${_pair%%:*}/root/base.cfg"
	echo 0 > "$W/off-${_pair%%:*}"
done

plan() { # TAG AT TO: of a version of its own
	world_commit "${1#v}"
	printf '%s\n\nRelease-At: %s\nRelease-To: %s\n' "$1" "$2" "$3" | world_tag "$1"
}
push() { # SECOND TAG...
	_at=$1
	shift
	fake "$_at" git -C "$SRC" push -q -o nowait origin main "$@" > "$W/push" 2>&1 &
	_push=$!
	# the push waits a while for somebody to take it up
	world_wait 10 sh -c "ls '$STATE/queue/in' | grep ." || cat "$W/push"
	fake "$_at" tagship -C "$STATE" worker --once > "$W/worker" 2>&1 && wait $_push
}
# A program of a base, when it is SECOND: its clock says what it is off.
at() { # BASE SECOND PROGRAM ARG...
	_base=$1 _second=$(($2 + $(cat "$W/off-$1")))
	shift 2
	fake "$_second" "$@"
}
base() { # BASE SECOND ARG...
	_who=$1 _when=$2
	shift 2
	at "$_who" "$_when" tagship-base -C "$W/$_who/root" "$@"
}
pull() { # BASE SECOND [CENTRAL-SECOND]
	echo "${3:-$2}" > "$W/central-now"
	base "$1" "$2" -q pull > "$W/pull-$1" 2>&1
}
serves() { cat "$W/$1/app/current/version.txt" 2> /dev/null || echo nothing; } # BASE
# What is live after it has looked.
look() { # BASE SECOND
	at "$1" "$2" tagship-activate "$W/$1/root" --once > "$W/look-$1" 2>&1
	serves "$1"
}
starts() { find "$W/$1/root/log/shop" -name "*-$2-start*.log" | wc -l; } # BASE TAG
# The clock is set: what it says is OFF seconds off from now on.
set_clock() { # BASE OFF
	_file=$W/$1/root/clock _by=$(($2 - $(cat "$W/off-$1")))
	_boot=$(sed -n 's/^Boot-Us: //p' "$_file")
	sed -i "s/^Boot-Us: .*/Boot-Us: $((_boot + _by * 1000000))/" "$_file"
	echo "$2" > "$W/off-$1"
}
reboot() { # BASE OFF
	sed -i 's/^Boot: .*/Boot: an earlier run of the machine/' "$W/$1/root/clock"
	echo "$2" > "$W/off-$1"
}

# ---- what comes ----
plan v1 now all
plan v10 '2026-10-04 02:30 base-local' lordhowe
plan v11 '2026-10-25T02:30+01:00' berlin
plan v12 '2026-11-01 02:30 base-local' newyork
plan v13 '2027-03-14T02:30-05:00' newyork
plan v14 '2027-03-28T02:30+01:00' berlin
plan v15 '2027-04-04 02:30 base-local' lordhowe
plan v16 '2028-02-29 02:30 base-local' '-haikou, all'
for day in 1 2 3 4 5 6; do plan "v2$day" "2026-11-0$day 02:30 base-local" haikou; done
ok 'all of it is pushed and built' push "$NOW" v1 v10 v11 v12 v13 v14 v15 v16 v21 v22 v23 v24 v25 v26
for who in $BASES; do
	pull "$who" $((NOW + 60))
	is "v1 serves at $who" "$(look "$who" $((NOW + 60)))" 1
done

# ---- nights of daylight saving, and a leap day ----
night() { # BASE TAG UTC [EARLIER]: live at its second, not before
	_second=$(utc "$3")
	_was=$(serves "$1")
	_earlier="$((_second - 70)) ${4:+$(utc "$4")}"
	for _early in $_earlier; do is "$1: not at $(date -u -d "@$_early")" "$(look "$1" "$_early")" "$_was"; done
	is "$1: $2 at $3" "$(look "$1" "$_second")" "${2#v}"
	is "$1: and an hour later" "$(look "$1" $((_second + 3600)))" "${2#v}"
	is "$1: it was started once" "$(starts "$1" "$2")" 1
}
night lordhowe v10 '2026-10-03 15:30Z'
night berlin v11 '2026-10-25 01:30Z' '2026-10-25 00:30Z'
night newyork v12 '2026-11-01 07:30Z' '2026-11-01 06:30Z'
night newyork v13 '2027-03-14 07:30Z' '2027-03-14 06:30Z'
night berlin v14 '2027-03-28 01:30Z' '2027-03-28 00:30Z'
night lordhowe v15 '2027-04-03 16:00Z' '2027-04-03 15:30Z'
night lordhowe v16 '2028-02-28 15:30Z'
night berlin v16 '2028-02-29 01:30Z'
night newyork v16 '2028-02-29 07:30Z'

# ---- a clock that is set ----
HOUR=3600
due() { utc "2026-11-0$1 02:30+08:00"; }
says() { # BASE SECOND TEXT: status and doctor show it, and the look that was last told it
	base "$1" "$2" status > "$W/status" 2>&1
	base "$1" "$2" doctor > "$W/doctor" 2>&1
	has "$W/status" "NOT TRUSTED, $3" && has "$W/doctor" "clock not trusted: $3" && has "$W/look-$1" "the clock is not trusted: $3"
}

T=$(due 1)
pull haikou $((T - 2 * HOUR))
set_clock haikou $((3 * HOUR + 30))
is 'ahead by 3 hours: not early' "$(look haikou $((T - HOUR)))" 1
ok 'it is said' says haikou $((T - HOUR)) 'it jumped 3 h 00 min ahead'
set_clock haikou 0
is 'right again: not early' "$(look haikou $((T - 600)))" 1
is 'v21 at its second' "$(look haikou "$T")" 21

T=$(due 2)
set_clock haikou $((3 * HOUR + 30))
is 'ahead for good: not early' "$(look haikou $((T - 70)))" 21
is 'v22 at its second' "$(look haikou "$T")" 22

T=$(due 3)
set_clock haikou $((-3 * HOUR))
is 'back by 3 hours: v23 not while it says less' "$(look haikou "$T")" 22
set_clock haikou 0
is 'right again within the grace: v23 is not missed' "$(look haikou $((T + 1200)))" 23

# ---- wrong at boot ----
T=$(due 4)
reboot haikou $((946684800 - T))
is 'a dead clock: nothing' "$(look haikou $((T - HOUR)))" 23
ok 'it is said' says haikou $((T - HOUR)) 'after a restart it is'
reboot haikou 0
is 'set right late, within the grace: v24' "$(look haikou $((T + 600)))" 24

T=$(due 5)
reboot haikou $((8 * HOUR + 30))
pull haikou $((T - HOUR))
is 'ahead by 8 hours, but central was reached: not early' "$(look haikou $((T - HOUR)))" 24
ok 'it is said' says haikou $((T - HOUR)) "it is 8 h 00 min ahead of central's"
is 'v25 at its second' "$(look haikou "$T")" 25

# ---- central's clock is ahead ----
T=$(due 6)
set_clock haikou 0
pull haikou $((T - 5 * HOUR))
plan v3 '2026-11-09 02:30 base-local' haikou
push $((T - HOUR)) v3
pull haikou $((T - 4 * HOUR)) $((T - HOUR))
is 'an order from three hours ahead' "$(look haikou $((T - 4 * HOUR)))" 25
ok 'is doubt' says haikou $((T - 4 * HOUR)) 'it is 3 h 00 min behind the newest order here'
base haikou $((T - 4 * HOUR)) clock confirm > "$W/confirm" 2>&1
base haikou $((T - 4 * HOUR)) status > "$W/status" 2>&1
ok 'that an operator ends' not grep 'NOT TRUSTED' "$W/status"
ok 'central is said to be off' has "$W/status" 'clock: WRONG, -10'
is 'v26 not at the second that central thinks it is' "$(look haikou $((T - 3 * HOUR)))" 25
is 'v26 at its second' "$(look haikou "$T")" 26

for tag in v1 v21 v22 v23 v24 v25 v26; do is "$tag was started once" "$(starts haikou $tag)" 1; done
base haikou "$T" log shop > "$W/log"
ok 'none was missed' not grep missed "$W/log"
done_testing
