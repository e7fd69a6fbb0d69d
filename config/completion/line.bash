# SPDX-License-Identifier: ISC
# The line as it was typed, for the completion of both programs: install-files puts this in front of each,
# as neither needs the other to be installed.
# shellcheck shell=bash
# shellcheck disable=SC2154 # they set program and folder

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
