#!/bin/sh
# README's blocks, command by command: each that has a mark "<!-- run: NAME -->" above it is taken out of
# README, its commands are run here, and what it prints must be what happens. Numbers, times and ids may
# differ; words and their order may not. First releases by packages: make check-deb.
. "$(dirname "$0")/../lib/world.sh"
world_new
trap world_end EXIT
README=$TOP/README.md

# The block of this name, without its fence.
block() { # NAME
	awk -v mark="<!-- run: $1 -->" '
		{ bare = $0; sub(/^ */, "", bare) }
		bare == mark { found = 1; next }
		found && /^ *```/ { if (inside) exit; inside = 1; next }
		inside { sub(/^  /, ""); print }' "$README"
}
# What people type in it: after "$ " or "central$ ", and lines that go on within quotes.
commands() { block "$1" | sed -n 's/^[a-z]*[#$] *//p'; }
# What it says is printed.
printed() { block "$1" | grep -v '^[a-z]*[#$] ' || :; }
# Paths and names of README, as they are here.
here() {
	sed -e "s|/srv/tagship|$STATE|g" -e "s|/srv/git/shop.git|$W/shop.git|g" -e "s|/media/stick|$W/stick|g" \
		-e "s|tagship-base init haikou|tagship-base -C $W/haikou init haikou|" -e 's| # .*||'
}
# Words alone: numbers, ids, times and widths vary.
plain() {
	sed -e 's/[0-9a-f]\{12,\}/ID/g' -e 's/-[0-9a-f]\{7\}\b/-ID/g' -e 's/[0-9][0-9.,:TZ+-]*/N/g' -e 's/[[:space:]]\{1,\}/ /g' \
		-e 's/^ //' -e 's/ $//' -e 's/\bN \(B\|KB\|MB\)\b/N BYTES/g' -e 's/\bN \(s\|min\|h\|d\)\b/N TIME/g' -e 's/\(N TIME \)*N TIME/N TIME/g'
}
# Every line that README prints is there, in that order.
same() { # NAME FILE
	printed "$1" | here | plain > "$W/wanted"
	plain < "$2" > "$W/got"
	awk 'NR == FNR { want[++n] = $0; next } n > at && $0 == want[at + 1] { at++ }
		END { if (at < n) { print "not printed: " want[at + 1]; exit 1 } }' "$W/wanted" "$W/got" || {
		sed 's/^/got: /' "$W/got"
		return 1
	}
}
has_block() { [ -n "$(block "$1")" ]; }
type_it() { # NAME: runs its commands one by one, into $W/out
	: > "$W/out"
	commands "$1" | here > "$W/typed"
	while IFS= read -r line; do
		sh -c "$line" >> "$W/out" 2>&1 < /dev/null || { echo "exit status $?: $line"; return 1; }
	done < "$W/typed"
}

world_source
git init -q --bare "$W/shop.git"
# shellcheck disable=SC2013 # names are words
for name in $(sed -n 's/^ *<!-- run: \(.*\) -->/\1/p' "$README"); do
	ok "$name: there is a block" has_block "$name"
done

# ---- admins ----
sed -i 's/^printf/cp VERSION dist\/healthz; &/' "$SRC/build.sh"
git -C "$SRC" commit -qam 'A health page'
ok 'init, app add, hook install: as README says' type_it central
ok 'the join line is what README shows' grep -q '^ssh://git@central.example.com#central=[A-Za-z0-9+/=]*&' "$W/out"
mv "$STATE" "$W/first"
tagship -q -C "$W/first" app list > "$W/out"
ok 'the app is there' has "$W/out" shop

# ---- the story: three bases, v1 live, v2 planned ----
rm -rf "$W/shop.git" "$W/first"
world_central shop 'sh build.sh' dist
sed -i 's/^#* *worker = .*/worker = "service";/' "$STATE/central.cfg"
world_start worker tagship -C "$STATE" worker
for place in 'berlin Europe/Berlin' 'saopaulo America/Sao_Paulo' 'shanghai Asia/Shanghai'; do
	# shellcheck disable=SC2086 # two words
	world_base $place
done
now() { printf 'Shop %s\n\nRelease-At: now\nRelease-To: all\n' "$1" | world_tag "v$1"; }
everywhere() { for b in berlin saopaulo shanghai; do tagship-base -q -C "$W/$b/root" "$@" > "$W/$b.out" 2>&1; done; }
now 1
git -C "$SRC" push -q origin main v1 > "$W/push" 2>&1
everywhere pull
everywhere activate
everywhere pull
world_commit 2
printf 'Shop 2: new checkout\n\nRelease-At: %s UTC\nRelease-To: all\n' "$(date -u -d '+300 seconds' '+%Y-%m-%d %H:%M:%S')" | world_tag v2
cd "$SRC" || exit
ok 'a push' type_it push
sed -i 's/[[:space:]]*$//' "$W/out"
ok 'says what README shows' same push "$W/out"
printf 'Shop\n\nRelease-At: now\nRelease-To: berlim\n' | world_tag t21
git push origin t21 > "$W/out" 2>&1
sed -i 's/[[:space:]]*$//' "$W/out"
ok 'a refusal is what README shows' same refusal "$W/out"

# ---- operators ----
cd "$W" || exit
world_base_run shanghai
export TAGSHIP_BASE="$W/shanghai/root" TAGSHIP_STATE="$STATE"
world_wait 20 sh -c "tagship-base status | grep -q 'v2.*staged'"
world_wait 20 sh -c "tagship-base status | grep -q 'watching since'"
ok 'base status' type_it base-status
ok 'says what README shows' same base-status "$W/out"

# ---- what central sees ----
for b in berlin saopaulo; do tagship-base -q -C "$W/$b/root" pull > "$W/out" 2>&1; done
tagship-base -C "$W/berlin/root" activate shop v2 > "$W/out" 2>&1
touch "$SRC/sick"
sed -i 's/^printf/[ -e sick ] || &/; s/cp VERSION dist\/healthz; //' "$SRC/build.sh"
world_commit 3
rm "$SRC/sick"
printf 'Shop 3\n\nRelease-At: now\nRelease-To: berlin\n' | world_tag v3
git -C "$SRC" push -q origin main v3 > "$W/push" 2>&1
for what in pull activate pull; do tagship-base -q -C "$W/berlin/root" $what > "$W/out" 2>&1; done
ok 'status' type_it status
ok 'says what README shows' same status "$W/out"

# ---- without a line ----
mkdir "$W/stick"
world_base kerguelen Indian/Kerguelen
printf 'Plan\n\nRelease-At: now\nRelease-To: kerguelen\nRelease-Version: v1\n' | world_tag plan/kerguelen
git -C "$SRC" push -q origin plan/kerguelen > "$W/push" 2>&1
export TAGSHIP_BASE="$W/kerguelen/root"
ok 'export, import, there and back' type_it no-line
ok 'say what README shows' same no-line "$W/out"
ok 'and it is staged' sh -c "tagship-base status | grep -q 'v1.*staged'"

# ---- by hand ----
mkdir allure-2.42.0 allure-2.42.1
seq 1 3000 > allure-2.42.0/app.js
sed 's/^17$/seventeen/' allure-2.42.0/app.js > allure-2.42.1/app.js
ok 'bundle make and show' type_it bundle
ok 'say what it costs' grep -q 'changed .*app.js' "$W/out"
done_testing
