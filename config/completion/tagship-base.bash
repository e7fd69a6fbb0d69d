# SPDX-License-Identifier: ISC
# bash completion for tagship-base(1)
# shellcheck shell=bash

# Names of the apps, from the folder of the line that is typed.
_tagship_base_apps() {
	"${COMP_WORDS[0]}" ${_tagship_base_dir:+-C "$_tagship_base_dir"} --json status 2>/dev/null |
		sed -n 's/^ *"app" *: *"\([a-z0-9._-]*\)",\{0,1\}$/\1/p'
}

_tagship_base_words() { # WORDS
	mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur")
}

_tagship_base_options() { # COMMAND
	case $1 in
	init) echo '--join --zone --incarnation' ;;
	log) echo '--lines' ;;
	export) echo '--ledger --force' ;;
	gc) echo '--dry-run' ;;
	esac
	echo '--json --quiet --verbose --directory --help --version'
}

_tagship_base() {
	local cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local command='' position=0 word i _tagship_base_dir=''
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		case $word in
		-C | --directory)
			i=$((i + 1))
			_tagship_base_dir=${COMP_WORDS[i]}
			;;
		--join | --zone | --incarnation | --lines | -n) [[ $command == gc ]] || i=$((i + 1)) ;;
		-*) ;;
		*)
			if [[ -z $command ]]; then
				command=$word
			else
				position=$((position + 1))
			fi
			;;
		esac
	done
	case $previous in
	-C | --directory)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return
		;;
	--zone)
		_tagship_base_words "$(awk '$1 == "Z" {print $2} $1 == "L" {print $3}' /usr/share/zoneinfo/tzdata.zi 2>/dev/null)"
		return
		;;
	--join | --incarnation | --lines) return ;;
	esac
	if [[ -z $command && $cur == -* ]]; then
		_tagship_base_words '-C -q -v --json --help --version'
	elif [[ -z $command ]]; then
		_tagship_base_words 'init pull stage activate watch run status log hold unhold rollback import export doctor gc'
	elif [[ $cur == -* ]]; then
		_tagship_base_words "$(_tagship_base_options "$command")"
	elif [[ $position == 0 ]]; then
		case $command in
		stage | status | log | hold | unhold | rollback)
			_tagship_base_words "$(_tagship_base_apps)"
			;;
		import | export)
			compopt -o filenames 2>/dev/null
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			;;
		esac
	fi
}
complete -F _tagship_base tagship-base
