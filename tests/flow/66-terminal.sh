#!/bin/sh
# Status on terminals of all sizes: what is cut first, in place with --watch, and what it says where
# there is little to show, or a stop.
. "$(dirname "$0")/../lib/world.sh"
world_new
trap world_end EXIT
c() { tagship -C "$STATE" "$@"; }
bases() { for _b in berlin saopaulo; do tagship-base -C "$W/$_b/root" -q "$1" > "$W/$1-$_b" 2>&1; done; }

# Runs a command of ours on a terminal, and leaves what it wrote there in the file.
at() { # ROWS COLUMNS FILE COMMAND
	TERM=xterm LC_ALL=C.UTF-8 script -qec "stty rows $1 cols $2; $4" /dev/null < /dev/null > "$3"
}
status_at() { # ROWS COLUMNS
	at "$1" "$2" "$W/raw" "$BUILD/tagship -C $STATE status" && lines < "$W/raw" > "$W/out"
}
# Until it is ended, which is 124.
watch_at() { # ROWS COLUMNS
	at "$1" "$2" "$W/watch-$1-$2" "timeout --foreground 2 $BUILD/tagship -C $STATE status --watch"
	echo $? > "$W/watch-$1-$2.status"
}
# What is to be read of it.
lines() {
	perl -pe 's/\e\[[0-9;]*[A-Za-z]//g; s/\r//g'
}
# How many lines, and how wide is the widest, in cells of the terminal.
size() {
	lines | perl -CI -ne 'chomp; s/\p{Mn}//g; $w = length; $w++ while /[\p{Ea=W}\p{Ea=F}]/g;
		$most = $w if $w > $most; $n++ if length; END { printf "%d %d\n", $n, $most }'
}
fits() { # ROWS COLUMNS FILE
	size < "$3" > "$W/size"
	read -r _lines _width < "$W/size"
	echo "$3: $_lines lines, $_width wide" && [ "$_lines" -ge 1 ] && [ "$_lines" -le "$1" ] && [ "$_width" -le "$2" ]
}

# ---- nothing there yet ----
tagship -q init "$STATE" > "$W/join"
c status > "$W/out"
ok 'without apps it says what to do' has "$W/out" "next: tagship -C $STATE app add NAME"
ok 'not as JSON' sh -c "! tagship -C '$STATE' status --json | grep -q 'app add'"
world_central shop 'sh build.sh' dist
c status > "$W/out"
ok 'nor without bases' has "$W/out" 'no base takes shop yet; next, at each base: tagship-base init'

# ---- long names, a wave ----
world_base berlin Europe/Berlin
world_base saopaulo America/Sao_Paulo
c status > "$W/out"
ok 'with both nothing of it' not grep -q next: "$W/out"
printf 'Shop 1\n\nRelease-At: now\nRelease-To: all\n' | world_tag v1
git -C "$SRC" push -q origin main v1 > "$W/push" 2>&1
bases pull
bases activate
bases pull
world_commit 2
tag=v2.0.0-release-candidate-of-may
printf 'Shop 2\n\nRelease-At: %s\nRelease-To: all\nRelease-Waves: berlin; all +10m\n' \
	"$(date -u -d '+2 days' '+%Y-%m-%dT%H:%M:28Z')" | world_tag $tag
git -C "$SRC" push -q origin main $tag > "$W/push" 2>&1
bases pull
bases pull
c status > "$W/whole"
ok 'elsewhere nothing is cut' grep -q "^shop  saopaulo .* $tag 20.* -0.*  staged, waits for wave 1  .* ago$" "$W/whole"
is 'a row is a line' "$(wc -l < "$W/whole")" 3
times=$(grep -o '20[0-9-]* [0-9:]* [+-][0-9:]*' "$W/whole")

shows_all() { # TEXT...: what is in the output, beside the times
	printf '%s\n' "$times" | while read -r _time; do has "$W/out" "$_time" || exit 1; done &&
		for _wanted; do has "$W/out" "$_wanted" || return 1; done
}
ok 'at 200 columns' status_at 24 200
ok 'it is the same' shows_all "$tag 20" 'staged, waits for wave 1' ' ago'
ok 'at 105 columns' status_at 24 105
ok 'a long name is cut, not what it waits for' shows_all 'v2.0.0' '-of-may' 'staged, waits for wave 1'
ok 'it is one line still' sh -c "! grep -q $tag '$W/out' && [ \"\$(wc -l < '$W/out')\" = 3 ]"
ok 'at 80 columns' status_at 24 80
ok 'time and state are whole' shows_all shop saopaulo 'v2.0.0' 'waits for wave 1' 'AS OF'
ok 'and rows fit' fits 24 80 "$W/raw"
ok 'at 64 columns' status_at 24 64
ok 'time and state still are' shows_all 'waits for wave 1'
for columns in 40 20 7 1; do
	status_at 24 $columns
	ok "$columns columns: rows fit" fits 24 $columns "$W/raw"
done
ok 'the narrowest is there' [ -s "$W/out" ]

# ---- stopped ----
c stop shop --base saopaulo '支付服务今天停了所以我们等一等再说吧' > "$W/stop" 2>&1
c status > "$W/out"
ok 'a stop is in the row' grep -q '^shop  saopaulo .*  staged, stopped  ' "$W/out"
ok 'and in no other' grep -q '^shop  berlin .*  staged  ' "$W/out"
tagship-base -C "$W/berlin/root" -q hold shop 'moving the rack'
c stop shop 'all of it' > "$W/stop" 2>&1
bases pull
c status > "$W/out"
ok 'what is held, too' grep -q '^shop  berlin .*  held, stopped  ' "$W/out"

# ---- in place ----
sizes='1 80,1 5,2 20,3 20,4 9,5 80,24 20,24 40,24 80,1 1,50 300'
pids=
for size in $(echo "$sizes" | tr ' ,' 'x '); do
	watch_at "${size%x*}" "${size#*x}" &
	pids="$pids $!"
done
# shellcheck disable=SC2086 # a list
wait $pids
for size in $(echo "$sizes" | tr ' ,' 'x '); do
	rows=${size%x*} columns=${size#*x}
	is "$size: watch goes on" "$(cat "$W/watch-$rows-$columns.status")" 124
	ok "$size: it fits" fits "$rows" "$columns" "$W/watch-$rows-$columns"
done
lines < "$W/watch-3-20" > "$W/out"
ok 'it says what is not shown' grep -q '^[0-9]* more lines$' "$W/out"
lines < "$W/watch-5-80" > "$W/out"
is 'below' "$(sed -n '4p' "$W/out" | sed 's/[0-9]*//')" ' more lines'
lines < "$W/watch-50-300" > "$W/out"
ok 'all is shown where there is room' sh -c "! grep -q 'more lines' '$W/out' && grep -q '^! .*STOPPED' '$W/out'"
done_testing
