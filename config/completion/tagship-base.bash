# SPDX-License-Identifier: ISC
# bash completion for tagship-base(1), behind line.bash
# shellcheck shell=bash
# shellcheck disable=SC2034 # line.bash uses them

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
