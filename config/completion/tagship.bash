# SPDX-License-Identifier: ISC
# bash completion for tagship(1)
# shellcheck shell=bash

# The first column of a listing, with the state folder of the line that is typed. Only plain names:
# compgen expands what it is given.
_tagship_list() {
	"$1" ${_tagship_dir:+-C "$_tagship_dir"} "${@:2}" 2>/dev/null | awk 'NR > 1 && $1 ~ /^[A-Za-z0-9._-]+$/ {print $1}'
}

_tagship_versions() { # APP
	[[ -z $1 ]] || _tagship_list "$program" log "$1"
}

_tagship_words() { # WORDS
	mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur")
}

_tagship_paths() { # -d: folders, -f: files
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen "$1" -- "$cur")
}

_tagship_verbs() { # COMMAND
	case $1 in
	app) echo 'add list show remove' ;;
	base) echo 'add list show key remove' ;;
	hook) echo 'install check remove' ;;
	key) echo 'list rotate revoke recovery' ;;
	plan) echo 'new check list' ;;
	developer) echo 'install' ;;
	bundle) echo 'make show apply' ;;
	esac
}

_tagship_options() { # COMMAND VERB
	case "$1 $2" in
	'init '*) echo '--url --host-key --recovery-key --service' ;;
	'app add') echo '--new --build --output --branch --require-plan --sandbox --network --incremental --build-time --build-memory' ;;
	'base add') echo '--zone --key --group --app --line-kbit' ;;
	'base key') echo '--replace --key' ;;
	'key revoke') echo '--signed' ;;
	'status '*) echo '--watch --metrics' ;;
	'plan check') echo '--app --tag' ;;
	'plan new') echo '--at --to --release-version --title --print' ;;
	'log '*) echo '--follow' ;;
	'cancel '* | 'stop '* | 'resume '*) echo '--base' ;;
	'rollback '*) echo '--to --base' ;;
	'bundle make') echo '--codec --effort --line-kbit' ;;
	'bundle show') echo '--old' ;;
	'worker '*) echo '--once' ;;
	'export '*) echo '--all --plain --force' ;;
	'gc '*) echo '--dry-run' ;;
	esac
	echo '--json --quiet --verbose --directory --help --version'
}

_tagship_zones() {
	awk '$1 == "Z" {print $2} $1 == "L" {print $3}' /usr/share/zoneinfo/tzdata.zi 2>/dev/null
}

_tagship_value() { # OPTION; fails if its value is not known
	case $1 in
	-C | --directory | --output) _tagship_paths -d ;;
	--host-key | --recovery-key) _tagship_paths -f ;;
	--app) _tagship_words "$(_tagship_list "$program" app list)" ;;
	--base) _tagship_words "$(_tagship_list "$program" base list)" ;;
	--zone) _tagship_words "$(_tagship_zones)" ;;
	--sandbox) _tagship_words 'bwrap none' ;;
	--codec) _tagship_words 'plain delta' ;;
	--effort) _tagship_words '1 2 3 4 5 6 7 8 9 max' ;;
	--old) _tagship_paths -d ;;
	--to) _tagship_words "$(_tagship_versions "$app")" ;;
	--url | --build | --branch | --require-plan | --build-time | --build-memory | --key | \
		--group | --line-kbit | --tag) COMPREPLY=() ;;
	*) return 1 ;;
	esac
}

_tagship_argument() { # COMMAND VERB POSITION (the first is 1)
	case "$1 $2 $3" in
	'app show 1' | 'app remove 1' | 'plan list 1' | 'status  1' | 'cancel  1' | 'rollback  1' | 'stop  1' | 'resume  1')
		_tagship_words "$(_tagship_list "$program" app list)"
		;;
	'base show 1' | 'base key 1' | 'base remove 1' | 'serve  1' | 'export  1')
		_tagship_words "$(_tagship_list "$program" base list)"
		;;
	'wait  1' | 'retry  1') _tagship_words "$(_tagship_list "$program" log)" ;;
	'log  1')
		_tagship_words "$(_tagship_list "$program" log) $(_tagship_list "$program" app list)"
		;;
	'log  2' | 'cancel  2') _tagship_words "$(_tagship_versions "$app")" ;;
	'init  1' | 'app add 2' | 'hook '*' 1' | 'bundle make 1' | 'bundle make 2' | \
		'bundle apply 1' | 'bundle apply 3')
		_tagship_paths -d
		;;
	'plan check 1' | 'bundle make 3' | 'bundle show 1' | 'bundle apply 2' | 'export  2' | \
		'import  1' | 'key revoke 1' | 'key recovery 1')
		_tagship_paths -f
		;;
	esac
}

_tagship() {
	local cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local program=${COMP_WORDS[0]} command='' verb='' verbs='' position=0 word i _tagship_dir='' app=''
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		case $word in
		-C | --directory)
			i=$((i + 1))
			_tagship_dir=${COMP_WORDS[i]}
			;;
		--url | --host-key | --recovery-key | --build | --output | --branch | --require-plan | --sandbox | \
			--build-time | --build-memory | --zone | --key | --group | --app | --line-kbit | \
			--tag | --base | --to | --codec | --effort | --old) i=$((i + 1)) ;;
		-*) ;;
		*)
			if [[ -z $command ]]; then
				command=$word
				verbs=$(_tagship_verbs "$command")
			elif [[ -n $verbs && -z $verb ]]; then
				verb=$word
			else
				position=$((position + 1))
				[[ $position != 1 ]] || app=$word
			fi
			;;
		esac
	done
	if _tagship_value "$previous"; then
		return
	elif [[ -z $command && $cur == -* ]]; then
		_tagship_words '-C -q -v --json --help --version'
	elif [[ -z $command ]]; then
		_tagship_words 'init app base hook key plan status log wait retry cancel rollback stop resume developer bundle export import board notify doctor worker gc serve authorized-keys'
	elif [[ $cur == -* ]]; then
		_tagship_words "$(_tagship_options "$command" "$verb")"
	elif [[ -n $verbs && -z $verb ]]; then
		_tagship_words "$verbs"
	else
		_tagship_argument "$command" "$verb" $((position + 1))
	fi
}
complete -F _tagship tagship
