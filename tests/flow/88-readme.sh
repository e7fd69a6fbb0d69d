#!/bin/sh
# README's blocks, command by command. Above each block stands what becomes of it: the commands of one that
# has "<!-- run: NAME -->" are run here, and what it prints must be what happens; "<!-- plan: NAME -->" is a
# plan, "<!-- base.cfg -->" and "<!-- signers -->" are such files. Numbers, times and ids may differ; words and
# their order may not. The first release by packages: make check-deb.
. "$(dirname "$0")/../lib/world.sh"
world_new
trap world_end EXIT
README=$TOP/README.md

# The blocks of this mark, without their fences.
blocks() { # MARK
	awk -v mark="<!-- $1 -->" '
		{ bare = $0; indent = match($0, /[^ ]/) - 1; sub(/^ */, "", bare) }
		bare == mark { found = 1; next }
		found && bare ~ /^```/ { if (inside) found = 0; inside = found; by = indent; next }
		inside { print substr($0, by + 1) }' "$README"
}
# What it says is printed.
printed() { blocks "run: $1" | grep -v '^[a-z]*[#$] ' || :; }
# Paths and names of README, as they are here.
here() {
	sed -e "s|/srv/tagship|$STATE|g" -e "s|/srv/git/shop.git|$W/shop.git|g" -e "s|/media/stick|$W/stick|g" \
		-e "s|tagship-base init haikou|tagship-base -C $W/haikou init haikou|" -e 's|  *# .*||' \
		-e "s|~git/|$HOME/|" -e "s|/srv/shop|$W/srv-shop|" -e "s|2026-12-01|$DAY|" -e 's|v1.3.0|v1|' \
		-e "s|--join '[^']*'|--join '$(sed 's/&/\\&/g' "$W/join")'|"
}
# Words alone: numbers, ids, times and widths vary.
plain() {
	sed -e "s/AAAA[^ ']*/KEY/g" -e 's/[0-9a-f]\{12,\}/ID/g' -e 's/-[0-9a-f]\{7\}\b/-ID/g' -e 's/[0-9][0-9.,:TZ+-]*/N/g' -e 's/[[:space:]]\{1,\}/ /g' \
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
has_block() { [ -n "$(blocks "run: $1")" ]; }
# Runs what people type in it, after "$ " or "central$ ", one by one, into $W/out. A command whose quotes
# are open goes on in the next line.
type_it() { # NAME
	: > "$W/out"
	blocks "run: $1" | here > "$W/typed"
	command=
	while IFS= read -r line; do
		case $command$(expr "$line" : '[a-z]*[#$] ') in
		0) continue ;;
		[1-9] | [1-9][0-9]) command=${line#*[#$] } ;;
		*) command="$command
$line" ;;
		esac
		[ $(($(printf '%s' "$command" | tr -cd "'" | wc -c) % 2)) = 0 ] || continue
		sh -c "$command" >> "$W/out" 2>&1 < /dev/null || { echo "exit status $?: $command"; cat "$W/out"; return 1; }
		command=
	done < "$W/typed"
}

DAY=$(date -u -d '+7 days' +%F)
: > "$W/join"

# ---- all of it ----
# a block that nothing says of what becomes of it is not held to anything
# shellcheck disable=SC2016 # backticks of Markdown
awk '/^ *```/ && !inside { n++; if (before !~ /<!-- .* -->/) print "line " NR ": " $0 }
	/^ *```/ { inside = !inside } { before = $0 }
	/^<!-- first release -->/ { first = 1 } /^<!-- end -->/ { first = 0 }
	first { before = "<!-- first release -->" }' "$README" > "$W/unmarked"
is 'every block is held to something (but the drawing)' "$(cut -d: -f1 "$W/unmarked")" 'line 8'
ok 'nothing is a block by its indent alone' sh -c "! grep -nE '^(    |      )[^ ]' '$README' | grep -v '│'"
# shellcheck disable=SC2016 # backticks of Markdown
grep -oE '`tagship(-base)? [^`]*`' "$README" | tr -d '`' | sort -u > "$W/inline"
ok 'there are commands in its text' [ "$(wc -l < "$W/inline")" -ge 25 ]
while read -r program rest; do
	rest=${rest#-C STATE }
	# the command's name, and what it is to do, if that is not a NAME or a FILE
	name=$(echo "$rest" | grep -oE '^[a-z-]+( [a-z]{3,})?')
	# shellcheck disable=SC2086 # words
	$program $name --help > "$W/help" 2>&1 || echo "$program $rest: no such command"
	for option in $(echo "$rest" | grep -oE '(^| )--[a-z-]+'); do
		grep -q -e "$option\b" "$W/help" || echo "$program $rest: no $option"
	done
	for word in ${name#* }; do
		grep -q "\b$word\b" "$W/help" || echo "$program $rest: no $word"
	done
done < "$W/inline" > "$W/wrong"
is 'each is one that the programs know' "$(cat "$W/wrong")" ''
# shellcheck disable=SC2016 # backticks of Markdown
grep -oE '`[a-z_]+ = [^`]*`' "$README" | grep -oE '[a-z_]+ = ' | cut -d' ' -f1 | sort -u > "$W/keys"
ok 'there are settings in its text' [ "$(wc -l < "$W/keys")" -ge 5 ]
while read -r key; do
	grep -qE "^\.It Ic $key\b" "$TOP"/config/man/*.cfg.5 || echo "$key"
done < "$W/keys" > "$W/wrong"
is 'each has its place in a man page' "$(cat "$W/wrong")" ''
grep -oE '`make [a-z-]+' "$README" | cut -d' ' -f2 | sort -u > "$W/targets"
{ blocks make | grep '^make' | cut -d' ' -f2; cat "$W/targets"; } | while read -r target; do
	grep -q "^$target:" "$TOP/Makefile" || grep -qE "^\.PHONY:.* $target\b" "$TOP/Makefile" || echo "$target"
done > "$W/wrong"
is 'each target is in the Makefile' "$(cat "$W/wrong")" ''
"$TOP/scripts/demo" --help > "$W/help"
ok 'scripts/demo takes what it shows' grep -qxF "  $(blocks make | grep '^scripts/demo')" "$W/help"

world_source
git init -q --bare "$W/shop.git"
# shellcheck disable=SC2013 # names are words
for name in $(sed -n 's/^ *<!-- run: \(.*\) -->/\1/p' "$README"); do
	ok "$name: there is a block" has_block "$name"
	ok "$name: it is run here" grep -qE "type_it $name\b|same $name " "$TOP/tests/flow/88-readme.sh"
done

# ---- a demo with one's own repository ----
world_commit 1b
blocks make | sed -n "s|^scripts/demo|$TOP/scripts/demo|; s|PATH|$SRC|; s|old REV|old HEAD~1|; s|new REV|new HEAD|; s|CMD|'sh build.sh'|; s|DIR|dist|; /demo/p" | grep -v '^make' > "$W/demo.sh"
ok 'scripts/demo does what it shows' env TAGSHIP_DEMO="$W/demo" sh "$W/demo.sh"
is 'with the newer one in the end' "$(cat "$W/demo/berlin/app/current/version.txt")" 1b
TAGSHIP_DEMO=$W/demo "$TOP/scripts/demo" --clean > "$W/out"
ok 'and leaves nothing' [ ! -e "$W/demo" ]

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

# ---- enrolling ----
export TZ=Asia/Shanghai
ok 'base init' type_it enrol
unset TZ
ok 'prints the line that README shows' same enrol "$W/out"
sed -n 's/^tagship base add/& /p' "$W/out" | sed 's/ APP$/ shop --group asia/' > "$W/line"
ok 'which central takes' sh "$W/line"
sed -i '/^#* *groups = /d' "$STATE/bases.d/shanghai.cfg"
echo 'groups = [ "asia" ];' >> "$STATE/bases.d/shanghai.cfg"
mkdir -p "$HOME/.ssh"
ok 'authorized-keys' type_it keys
ok 'have it' grep -q 'serve haikou.*ssh-ed25519' "$HOME/.ssh/authorized_keys"

# ---- plans ----
cd "$SRC" || exit
world_commit 1.4
ok 'a planned release' type_it tag
ok 'each base goes by its own zone' grep -q "berlin .*$DAY 02:00:00 +0[12]:00" "$W/out"
ok 'a plan back' type_it back

ok 'is ordered' grep -q 'ordered: shop v1' "$W/out"
{ printf 'Shop in waves\n\n'; blocks 'plan: waves' | here; } > "$W/plan"
ok 'waves and a gate' tagship plan check --app shop "$W/plan"

# ---- signed ----
ssh-keygen -q -t ed25519 -N '' -f "$HOME/.ssh/id_ed25519"
git config --global gpg.format ssh
ROOT=$(tagship log shop v1.4.0 | sed -n 's/.*root \([0-9a-f]*\).*/\1/p')
printf 'Plan\n\nRelease-At: now\nRelease-To: berlin\nRelease-Version: v1.4.0\nRelease-Root: %s\n' "$ROOT" > "$W/plan"
export GIT_EDITOR="cp $W/plan"
ok 'a root, and a signed tag with it' type_it sign
ok 'the root is shown' grep -q "$ROOT" "$W/out"
ok 'and central takes the tag' git push origin plan/friday

# ---- files ----
sed -i '/^apps = ( );/d' "$W/haikou/base.cfg"
blocks base.cfg | here >> "$W/haikou/base.cfg"
printf 'zone = "Asia/Shanghai";\nsigners = "%s";\n' "$W/signers" >> "$W/haikou/base.cfg"
mkdir "$W/srv-shop"
blocks sshd_config | sed "s/User git/User $(id -un)/" > "$W/sshd_config"
ssh-keygen -q -t ed25519 -N '' -f "$W/host_key"
echo "HostKey $W/host_key" | cat - "$W/sshd_config" > "$W/sshd_config.whole"
[ "$(id -u)" != 0 ] || mkdir -p /run/sshd
ok 'sshd takes what README has for it' "$(command -v sshd || echo /usr/sbin/sshd)" -t -f "$W/sshd_config.whole"
blocks signers | sed "s|ssh-ed25519 AAAA.*|$(cut -d' ' -f1,2 "$HOME/.ssh/id_ed25519.pub")|; 2s|ssh-ed25519.*|$(cut -d' ' -f1,2 "$W/haikou/key.pub")|" > "$W/signers"
ok 'its base.cfg is one' tagship-base -C "$W/haikou" status
tagship-base -C "$W/haikou" doctor > "$W/out" 2>&1
ok 'and its signers are' has "$W/out" 'signers: 2'
cd "$W" || exit

# ---- by hand ----
mkdir allure-2.42.0 allure-2.42.1
seq 1 3000 > allure-2.42.0/app.js
sed 's/^17$/seventeen/' allure-2.42.0/app.js > allure-2.42.1/app.js
ok 'bundle make and show' type_it bundle
ok 'say what it costs' grep -q 'changed .*app.js' "$W/out"
done_testing
