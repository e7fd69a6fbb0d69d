# SPDX-License-Identifier: ISC
# bash completion for tagship-base(1)
# shellcheck shell=bash

# ---- the line as it was typed; the same in both files, which need not be installed together ----

# A word without its quotes and backslashes; with -x also with ~ and variables filled in, as the
# program will get it. Nothing else is expanded, so nothing is run.
_tagship_plain() { # WORD [-x]; sets `plain`
	local rest=$1 quote='' char name variable='^[$][{]?([A-Za-z_][A-Za-z0-9_]*)[}]?'
	plain=''
	if [[ -n ${2-} && ($rest == '~' || $rest == \~/*) ]]; then
		plain=$HOME
		rest=${rest:1}
	fi
	while [[ -n $rest ]]; do
		char=${rest:0:1}
		if [[ -n ${2-} && $quote != \' && $rest =~ $variable ]]; then
			name=${BASH_REMATCH[1]}
			plain+=${!name-}
			rest=${rest#"${BASH_REMATCH[0]}"}
			continue
		elif [[ $char == "$quote" ]]; then
			quote=''
		elif [[ -z $quote && $char == [\'\"] ]]; then
			quote=$char
		elif [[ $char == \\ && $quote != \' ]]; then
			rest=${rest:1}
			plain+=${rest:0:1}
		else
			plain+=$char
		fi
		rest=${rest:1}
	done
}

# bash cuts words at = and @, too, and leaves the quotes in. Sets `words`, plain and with options cut
# from their values; `cur`, the one that is typed, and `head`, what of it readline does not replace;
# `before`, what stands before `cur` in what readline does replace; `quoted`.
_tagship_split() {
	local rest=${COMP_LINE-} trimmed word i raw=() plain tail=${COMP_WORDS[COMP_CWORD]}
	for ((i = 0; i <= COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		trimmed=${rest#"${rest%%[![:space:]]*}"}
		if [[ $i -gt 0 && -n $rest && $rest == "$trimmed" ]]; then
			raw[${#raw[@]} - 1]+=$word
		else
			raw+=("$word")
		fi
		[[ $trimmed == "$word"* ]] || trimmed=$word
		rest=${trimmed#"$word"}
	done
	word=${raw[${#raw[@]} - 1]}
	case $tail in
	[=@:]*@ | @) tail=@ ;; # readline replaces an @ with what is behind it, and no other of these
	[=:\'\"]) tail='' ;;
	*) [[ $COMP_CWORD == 0 || ${COMP_WORDS[COMP_CWORD - 1]} != *@ || $word != *@"$tail" ]] || tail=@$tail ;;
	esac
	quoted=''
	[[ $word != *[\'\"]* ]] || quoted=1
	_tagship_plain "${word%"$tail"}"
	head=$plain
	_tagship_plain "$word"
	cur=$plain
	words=()
	for ((i = 0; i < ${#raw[@]} - 1; i++)); do
		_tagship_plain "${raw[i]}" -x
		[[ $plain != --*=* ]] || words+=("${plain%%=*}")
		[[ $plain != --*=* ]] || plain=${plain#*=}
		words+=("$plain")
	done
	before=''
	[[ $cur == --*=* ]] || return 0
	words+=("${cur%%=*}")
	[[ $head == --*=* ]] || before=${cur%%=*}=
	[[ $head != --*=* ]] || head=${head#*=}
	cur=${cur#*=}
}

# Of the lines of standard input those that the word may become; with a list before it, if it is one.
_tagship_offer() { # [LIST]
	local line
	while IFS= read -r line; do
		[[ -z $line || ${1-}$line != "$cur"* ]] || COMPREPLY+=("${1-}$line")
	done < <(sort -u)
}

_tagship_words() { # WORDS
	mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur")
}

_tagship_paths() { # -d: folders, -f: files
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen "$1" -- "$cur")
	quoted=paths # bash quotes them itself
}

# As readline wants it: without what it leaves alone, and quoted, as a tag may be called v1&more. Behind
# a quote that is open, such names are not offered: bash would take them as they are.
_tagship_reply() {
	local i word
	for i in "${!COMPREPLY[@]}"; do
		word=$before${COMPREPLY[i]#"$head"}
		if [[ $quoted != paths && $word == *[!A-Za-z0-9._/+@=,:%-]* ]]; then
			[[ -z $quoted ]] || { unset -v "COMPREPLY[i]"; continue; }
			printf -v word %q "$word"
		fi
		COMPREPLY[i]=$word
	done
	COMPREPLY=("${COMPREPLY[@]}")
}

# The values of a member of what is listed, as JSON: that of the list's objects, not of what is in them.
_tagship_list() { # MEMBER COMMAND...
	_tagship_run --json "${@:2}" | sed -n "s/^    \"$1\" : \"\(.*\)\",\{0,1\}\$/\1/p" | sed 's/\\\(.\)/\1/g'
}

_tagship_run() { # COMMAND...
	"$program" ${folder:+-C "$folder"} "$@" 2>/dev/null
}

# ---- what the program knows ----

# Versions that may be activated by hand: what is staged or ended without serving, and is not older than
# what is live. Orders are listed in the order in which they go live.
_tagship_base_waiting() { # APP
	_tagship_run --json status "$1" | sed -n 's/^        "\(version\|state\)" : "\(.*\)",\{0,1\}$/\1 \2/p' | awk '
		$1 == "version" { version = $2 }
		$1 == "state" && $2 == "live" { count = 0 }
		$1 == "state" && $2 ~ /^(staged|missed|rolled-back|failed|down)$/ { waiting[count++] = version }
		END { for (i = 0; i < count; i++) print waiting[i] }' | sed 's/\\\(.\)/\1/g'
}

# Versions whose trees are on this disk: staged, and not pruned since.
_tagship_base_here() { # APP
	_tagship_run --json log "$1" | sed -n 's/^    "\(event\|tree\|version\)" : "\(.*\)",\{0,1\}$/\1 \2/p
		s/^  },\{0,1\}$/end/p' | awk '
		$1 == "end" && event == "staged" { here[tree] = here[tree] version "\n" }
		$1 == "end" && event == "pruned" { delete here[tree] }
		$1 == "end" { event = tree = version = "" }
		$1 == "event" { event = $2 }
		$1 == "tree" { tree = $2 }
		$1 == "version" { version = $2 }
		END { for (tree in here) printf "%s", here[tree] }' | sed 's/\\\(.\)/\1/g'
}

_tagship_base_pinned() { # APP
	_tagship_run --json status "$1" | sed -n '/^    "pinned" : \[$/,/^    \]/s/^      "\(.*\)",\{0,1\}$/\1/p' |
		sed 's/\\\(.\)/\1/g'
}

_tagship_base_options() { # COMMAND VERB
	case "$1${2:+ $2}" in
	init) echo '--join --zone --app --incarnation --node' ;;
	'node add') echo '--key --replace' ;;
	'node join') echo '--url --host-key' ;;
	log) echo '--lines' ;;
	export) echo '--ledger --force' ;;
	gc) echo '--dry-run' ;;
	esac
	echo '--json --quiet --verbose --directory --help --version'
}

_tagship_base_value() { # OPTION; fails if its value is not known
	case $1 in
	-C | --directory) _tagship_paths -d ;;
	--zone) _tagship_words "$(awk '$1 == "Z" {print $2} $1 == "L" {print $3}' /usr/share/zoneinfo/tzdata.zi 2>/dev/null)" ;;
	--host-key) _tagship_paths -f ;;
	--join | --app | --incarnation | --lines | --node | --key | --url) COMPREPLY=() ;;
	*) return 1 ;;
	esac
}

_tagship_base_argument() { # COMMAND VERB POSITION (the first is 1)
	case "$1 $2 $3" in
	'stage  1' | 'status  1' | 'log  1' | 'activate  1' | 'hold  1' | 'unhold  1' | 'rollback  1' | \
		'pin  1' | 'unpin  1' | 'maintenance  1')
		_tagship_offer < <(_tagship_list app status)
		;;
	'activate  2') _tagship_offer < <(_tagship_base_waiting "$app") ;;
	'pin  2') _tagship_offer < <(_tagship_base_here "$app") ;;
	'unpin  2') _tagship_offer < <(_tagship_base_pinned "$app") ;;
	'maintenance  2') _tagship_words 'on off' ;;
	'clock  1') _tagship_words confirm ;;
	'node remove 1' | 'serve  1') _tagship_offer < <(_tagship_list node node list) ;;
	'import  1' | 'export  1') _tagship_paths -f ;;
	esac
}

_tagship_base_complete() {
	local command='' verb='' position=0 i folder='' app=''
	for ((i = 1; i < ${#words[@]}; i++)); do
		case ${words[i]} in
		-C | --directory)
			i=$((i + 1))
			folder=${words[i]-}
			;;
		--join | --zone | --app | --incarnation | --lines | --node | --key | --url | --host-key | -n) [[ $command == gc ]] || i=$((i + 1)) ;;
		-*) ;;
		*)
			if [[ -z $command ]]; then
				command=${words[i]}
			elif [[ ($command == node || $command == key) && -z $verb ]]; then
				verb=${words[i]}
			else
				position=$((position + 1))
				[[ $position != 1 ]] || app=${words[i]}
			fi
			;;
		esac
	done
	if _tagship_base_value "${words[${#words[@]} - 1]}"; then
		return
	elif [[ -z $command && $cur == -* ]]; then
		_tagship_words '-C -q -v --json --help --version'
	elif [[ -z $command ]]; then
		_tagship_words 'init pull stage activate watch run status log hold unhold rollback pin unpin maintenance import export clock notify doctor gc key node serve authorized-keys'
	elif [[ $cur == -* ]]; then
		_tagship_words "$(_tagship_base_options "$command" "$verb")"
	elif [[ $command == node && -z $verb ]]; then
		_tagship_words 'add list remove join'
	elif [[ $command == key && -z $verb ]]; then
		_tagship_words 'show rotate finish'
	else
		_tagship_base_argument "$command" "$verb" $((position + 1))
	fi
}

_tagship_base() {
	local cur head before quoted words
	_tagship_split
	local program=${words[0]}
	COMPREPLY=()
	_tagship_base_complete
	_tagship_reply
}
complete -F _tagship_base tagship-base
