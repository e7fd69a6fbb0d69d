# SPDX-License-Identifier: ISC
# bash completion for tagship-base(1)
# shellcheck shell=bash

# Names of the apps, from the folder of the line that is typed.
_tagship_base_apps() {
	"${COMP_WORDS[0]}" ${_tagship_base_dir:+-C "$_tagship_base_dir"} --json status 2>/dev/null |
		sed -n 's/^ *"app" *: *"\([a-z0-9._-]*\)",\{0,1\}$/\1/p'
}

# Names of the nodes, likewise.
_tagship_base_nodes() {
	"${COMP_WORDS[0]}" ${_tagship_base_dir:+-C "$_tagship_base_dir"} --json node list 2>/dev/null |
		sed -n 's/^ *"node" *: *"\([a-z0-9._-]*\)",\{0,1\}$/\1/p'
}

_tagship_base_words() { # WORDS
	mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur")
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

_tagship_base() {
	local cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local command='' verb='' position=0 word i _tagship_base_dir=''
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		case $word in
		-C | --directory)
			i=$((i + 1))
			_tagship_base_dir=${COMP_WORDS[i]}
			;;
		--join | --zone | --app | --incarnation | --lines | --node | --key | --url | --host-key | -n) [[ $command == gc ]] || i=$((i + 1)) ;;
		-*) ;;
		*)
			if [[ -z $command ]]; then
				command=$word
			elif [[ ($command == node || $command == key) && -z $verb ]]; then
				verb=$word
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
	--host-key)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	--join | --app | --incarnation | --lines | --node | --key | --url) return ;;
	esac
	if [[ -z $command && $cur == -* ]]; then
		_tagship_base_words '-C -q -v --json --help --version'
	elif [[ -z $command ]]; then
		_tagship_base_words 'init pull stage activate watch run status log hold unhold rollback pin unpin maintenance import export clock notify doctor gc key node serve authorized-keys'
	elif [[ $cur == -* ]]; then
		_tagship_base_words "$(_tagship_base_options "$command" "$verb")"
	elif [[ $command == node && -z $verb ]]; then
		_tagship_base_words 'add list remove join'
	elif [[ $command == key && -z $verb ]]; then
		_tagship_base_words 'show rotate finish'
	elif [[ $command == maintenance && $position == 1 ]]; then
		_tagship_base_words 'on off'
	elif [[ $position == 0 ]]; then
		case "$command${verb:+ $verb}" in
		stage | status | log | activate | hold | unhold | rollback | pin | unpin | maintenance)
			_tagship_base_words "$(_tagship_base_apps)"
			;;
		clock) _tagship_base_words confirm ;;
		'node remove' | serve) _tagship_base_words "$(_tagship_base_nodes)" ;;
		import | export)
			compopt -o filenames 2>/dev/null
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			;;
		esac
	fi
}
complete -F _tagship_base tagship-base
