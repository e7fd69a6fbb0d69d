# SPDX-License-Identifier: ISC
# bash completion for tagship(1), behind line.bash
# shellcheck shell=bash
# shellcheck disable=SC2034 # line.bash uses them

# ---- what the program knows ----

# Versions in the library, of one app or of all.
_tagship_versions() { # [APP]
	local app
	for app in ${1:-$(_tagship_list app app list)}; do
		_tagship_run app show "$app" | sed -n 's/^# version \([^ ]*\): root .*/\1/p'
	done
}

# What goes into Release-To.
_tagship_targets() {
	echo all
	_tagship_list base base list
	_tagship_groups | sed 's/^/@/'
}

_tagship_groups() {
	_tagship_run base list | awk '
		NR == 1 { from = index($0, "GROUPS"); to = index($0, "APPS") }
		NR > 1 { print substr($0, from, to - from) }' | tr -s ', ' '\n'
}

_tagship_failed_jobs() {
	_tagship_run log | awk '$2 == "failed" { print $1 }'
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
	--app) _tagship_offer < <(_tagship_list app app list) ;;
	--base) _tagship_offer < <(_tagship_list base base list) ;;
	--group) _tagship_offer < <(_tagship_groups) ;;
	--zone) _tagship_words "$(_tagship_zones)" ;;
	--sandbox) _tagship_words 'bwrap none' ;;
	--codec) _tagship_words 'plain delta' ;;
	--effort) _tagship_words '1 2 3 4 5 6 7 8 9 max' ;;
	--old) _tagship_paths -d ;;
	--to)
		if [[ $command == plan ]]; then
			_tagship_offer "${cur%"${cur##*[, ]}"}" < <(_tagship_targets)
		else
			_tagship_offer < <(_tagship_versions "$app")
		fi
		;;
	--release-version) _tagship_offer < <(_tagship_versions) ;;
	--url | --build | --branch | --require-plan | --build-time | --build-memory | --key | \
		--line-kbit | --tag | --at | --title) COMPREPLY=() ;;
	*) return 1 ;;
	esac
}

# A release is named by its tag: what it runs, its version, may be that of several.
_tagship_argument() { # COMMAND VERB POSITION (the first is 1)
	case "$1 $2 $3" in
	'app show 1' | 'app remove 1' | 'plan list 1' | 'status  1' | 'cancel  1' | 'rollback  1' | 'stop  1' | 'resume  1')
		_tagship_offer < <(_tagship_list app app list)
		;;
	'base show 1' | 'base key 1' | 'base remove 1' | 'serve  1' | 'export  1')
		_tagship_offer < <(_tagship_list base base list)
		;;
	'wait  1') _tagship_offer < <(_tagship_list job log) ;;
	'retry  1') _tagship_offer < <(_tagship_failed_jobs) ;;
	'log  1')
		_tagship_offer < <(
			_tagship_list job log
			_tagship_list app app list
		)
		;;
	'log  2') _tagship_offer < <(_tagship_list tag log "$app") ;;
	'cancel  2') _tagship_offer < <(_tagship_list tag plan list "$app") ;;
	'init  1' | 'app add 2' | 'hook '*' 1' | 'bundle make 1' | 'bundle make 2' | \
		'bundle apply 1' | 'bundle apply 3' | 'board  1' | 'developer install 1')
		_tagship_paths -d
		;;
	'plan new 1' | 'plan check 1' | 'bundle make 3' | 'bundle show 1' | 'bundle apply 2' | 'export  2' | \
		'import  1' | 'key revoke 1' | 'key recovery 1')
		_tagship_paths -f
		;;
	esac
}

_tagship_complete() {
	local command='' verb='' verbs='' position=0 i folder='' app=''
	for ((i = 1; i < ${#words[@]}; i++)); do
		case ${words[i]} in
		-C | --directory)
			i=$((i + 1))
			folder=${words[i]-}
			;;
		--url | --host-key | --recovery-key | --build | --output | --branch | --require-plan | --sandbox | \
			--build-time | --build-memory | --zone | --key | --group | --app | --line-kbit | \
			--tag | --base | --to | --codec | --effort | --old | --at | --release-version | --title) i=$((i + 1)) ;;
		-*) ;;
		*)
			if [[ -z $command ]]; then
				command=${words[i]}
				verbs=$(_tagship_verbs "$command")
			elif [[ -n $verbs && -z $verb ]]; then
				verb=${words[i]}
			else
				position=$((position + 1))
				[[ $position != 1 ]] || app=${words[i]}
			fi
			;;
		esac
	done
	if _tagship_value "${words[${#words[@]} - 1]}"; then
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

_tagship() {
	local cur head before quoted words
	_tagship_split
	local program=${words[0]}
	COMPREPLY=()
	_tagship_complete
	_tagship_reply
}
complete -F _tagship tagship
