# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # the benchmarks that use it have these
# Figures of a benchmark in sections, and their rows in its table. BENCH is its name, section what
# runs; ROWS takes what report makes a table of.

row() { # TEXT VALUE LIMIT UNIT
	printf '%s\t%s\t%s\t%s\t%s\n' "$section" "$@" >> "$ROWS"
}

# A figure and its row in the table.
measured() { # figure|figure-min NAME VALUE LIMIT UNIT TEXT
	"$LIB/figure" "$1" "$BENCH-$2" "$3" "$4" "$5" || bad=1
	case $1 in
	*-min) _limit="at least $4" ;;
	*) _limit="at most $4" ;;
	esac
	echo "  $6"
	row "$6" "$3" "$_limit" "$5"
}

beside() { # TEXT VALUE UNIT: what others took
	echo "$1: $2 $3"
	row "$1" "$2" '' "$3"
}

failed() { # TEXT...
	echo "bench-$BENCH: $section: $*" >&2
	return 1
}

calc() { # FORMAT EXPRESSION
	awk "BEGIN { printf \"$1\", ($2) }"
}
