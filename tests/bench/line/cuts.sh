# shellcheck shell=sh
# shellcheck disable=SC2154 # common.sh has the others
# A download of 4 MiB on a line that is cut again and again, beside one on a good line.

CUT_BYTES=4194304
CUT_EVERY=65536
CUTS_MAX=200

cuts_order() { # VERSION
	film $CUT_BYTES
	line_commit "$1"
	line_order "$1" "$later" all haikou
}

# Pulls until one gets through; every other one must say "try again later".
cuts_pull() {
	_pulls=0
	while :; do
		_status=0
		base_do haikou pull || _status=$?
		[ $_status -ne 0 ] || return 0
		_pulls=$((_pulls + 1))
		[ $_status -eq 5 ] && [ $_pulls -le $CUTS_MAX ] || return 1
	done
}

section_cuts() {
	line_begin cuts && line_central && line_base haikou && netns_shape main "$RATE_KBIT" || return 1
	line_relay relay 2200 --cut $CUT_EVERY || return 1
	cuts_order v1 && weigh main base_do haikou pull || failed 'the download on a good line' || return 1
	_good=$bytes
	line_through haikou 2200
	cuts_order v2 && weigh main cuts_pull || failed "pull $_pulls ended with $_status" || return 1
	world_is shop v2 haikou staged || failed 'v2 is not staged' || return 1
	_cuts=$(grep -c ' cut ' "$W/relay.log")
	[ "$_cuts" -ge $((CUT_BYTES / CUT_EVERY)) ] || failed "only $_cuts cuts" || return 1
	measured figure cuts-wasted $((bytes - _good)) "$(calc %d "0.02 * $_good + 32768 * $_cuts")" bytes \
		"a download of 4 MiB cut $_cuts times, every 64 KiB: bytes over the $_good of an uncut one"
	beside 'the same for each cut' "$(((bytes - _good) / _cuts))" bytes
}
