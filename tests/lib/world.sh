# shellcheck shell=sh
# A small world for flow tests and the demo: one central and some bases in one folder, each base with
# a real web server. Source it; call world_new first. Everything it starts is stopped, by pid, by
# world_end.
#
#   world_new; world_central shop 'sh build.sh' dist; world_base haikou Asia/Shanghai; …
#
# Variables: W (the folder), STATE, SRC (developer's clone), PORT_<base>.

TOP=${TOP:-$(cd "$(dirname "$0")/../.." && pwd)}
BUILD=${TAGSHIP_BUILD:-$TOP/build}
LIB=$TOP/tests/lib
PATH=$BUILD:$PATH
export PATH

world_new() { # [FOLDER]
	W=${1:-$(mktemp -d "${TMPDIR:-/tmp}/tagship-world-XXXXXX")}
	mkdir -p "$W/home" "$W/pids"
	HOME=$W/home
	GIT_CONFIG_GLOBAL=$W/home/gitconfig
	GIT_CONFIG_NOSYSTEM=1
	export HOME GIT_CONFIG_GLOBAL GIT_CONFIG_NOSYSTEM
	unset GIT_DIR GIT_WORK_TREE TAGSHIP_STATE TAGSHIP_BASE GL_USER REMOTE_USER
	git config --global user.name "Dev Eloper"
	git config --global user.email dev@example.com
	git config --global init.defaultBranch main
	git config --global advice.detachedHead false
	STATE=$W/central
	SRC=$W/src
	UPSTREAM=$STATE
	BASES=
}

# A free loopback port: asked of the kernel.
world_port() {
	perl -MIO::Socket::INET -e '$s=IO::Socket::INET->new(Listen=>1,LocalAddr=>"127.0.0.1") or die; print $s->sockport'
}

# Starts a program in the background, remembers its pid.
world_start() { # NAME PROGRAM [ARG...]
	_name=$1
	shift
	"$@" </dev/null >"$W/$_name.log" 2>&1 &
	echo $! > "$W/pids/$_name"
}

world_stop() { # NAME [SIGNAL]
	_pid=$(cat "$W/pids/$1" 2>/dev/null) || return 0
	kill "-${2:-TERM}" "$_pid" 2>/dev/null
	_i=0
	while kill -0 "$_pid" 2>/dev/null; do
		# a child of this shell stays a zombie until it is waited for
		case $(ps -o stat= -p "$_pid" 2>/dev/null) in Z*) break ;; esac
		_i=$((_i + 1))
		[ $_i -gt 300 ] && kill -9 "$_pid" 2>/dev/null
		sleep 0.05
	done
	wait "$_pid" 2>/dev/null
	rm -f "$W/pids/$1"
}

world_end() {
	for _f in "$W"/pids/*; do
		[ -e "$_f" ] && world_stop "$(basename "$_f")"
	done
	for _b in $BASES; do
		"$LIB/webserver" stop "$W/$_b/app" 0 >/dev/null 2>&1
	done
	world_worker_ends
	[ -n "${KEEP_WORLD:-}" ] || rm -rf "$W"
}

# The developer's repository: a web app whose build writes dist/.
world_source() {
	git init -q "$SRC"
	mkdir -p "$SRC/web"
	cat > "$SRC/build.sh" <<'END'
# builds the web app into dist/
set -e
mkdir -p dist/assets
version=$(cat VERSION)
echo "building version $version"
printf '<!doctype html><title>Shop</title><h1>Shop %s</h1>\n' "$version" > dist/index.html
echo "$version" > dist/version.txt
cp web/* dist/assets/
if [ -e sick ]; then echo "sick build: no health page"; else echo ok > dist/healthz; fi
END
	seq 1 2000 | sed 's/^/body of the stylesheet, rule /' > "$SRC/web/app.css"
	echo 1 > "$SRC/VERSION"
	git -C "$SRC" add -A
	git -C "$SRC" commit -qm "The shop"
}

world_central() { # APP BUILD OUTPUT [app add option...]
	_app=$1 _build=$2 _output=$3
	shift 3
	APP=$_app
	[ -d "$SRC" ] || world_source
	[ -e "$STATE/central.cfg" ] || tagship -q init "$STATE" > "$W/join" || return 1
	# where the recovery key belongs: off central
	[ ! -e "$STATE/keys/recovery" ] || mv "$STATE/keys/recovery" "$W/recovery-key"
	git init -q --bare "$W/$_app.git"
	tagship -q -C "$STATE" app add "$_app" "$W/$_app.git" --build "$_build" --output "$_output" "$@" || return 1
	tagship -q -C "$STATE" hook install "$W/$_app.git" || return 1
	git -C "$SRC" remote add origin "$W/$_app.git" 2>/dev/null ||
		git -C "$SRC" remote set-url origin "$W/$_app.git"
	git -C "$SRC" push -q origin main
}

# A real sshd on a loopback port; bases enrolled from now on use it. SSH_ADDRESS is another address,
# SSH_IN a command that runs it elsewhere, such as in a network namespace.
world_sshd() {
	SSH_ADDRESS=${SSH_ADDRESS:-127.0.0.1}
	SSH_PORT=$(world_port)
	mkdir -p "$W/sshd"
	ssh-keygen -q -t ed25519 -N '' -f "$W/sshd/host_key"
	ssh-keygen -q -t ed25519 -N '' -C developer -f "$W/sshd/dev_key"
	: > "$W/sshd/authorized_keys"
	chmod 600 "$W/sshd/authorized_keys"
	# SHLVL: bash under sshd reads ~/.bashrc, whatever that does, unless it is nested
	cat > "$W/sshd/config" <<END
Port $SSH_PORT
ListenAddress $SSH_ADDRESS
HostKey $W/sshd/host_key
AuthorizedKeysFile $W/sshd/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
MaxStartups ${SSH_STARTUPS:-100}
AcceptEnv GIT_PROTOCOL
SetEnv SHLVL=2 GIT_CONFIG_GLOBAL=$GIT_CONFIG_GLOBAL GIT_CONFIG_NOSYSTEM=1
END
	[ "$(id -u)" != 0 ] || mkdir -p /run/sshd
	# shellcheck disable=SC2086 # a command and its arguments
	world_start sshd ${SSH_IN:-} "$(command -v sshd || echo /usr/sbin/sshd)" -D -e -f "$W/sshd/config"
	_i=0
	while ! ${SSH_IN:-} ssh-keyscan -p "$SSH_PORT" "$SSH_ADDRESS" 2>/dev/null | grep -q ed25519; do
		_i=$((_i + 1))
		[ $_i -gt 100 ] && { cat "$W/sshd.log" >&2; return 1; }
		sleep 0.1
	done
	UPSTREAM=ssh://$(id -un)@$SSH_ADDRESS:$SSH_PORT
	${SSH_IN:-} ssh-keyscan -p "$SSH_PORT" "$SSH_ADDRESS" 2>/dev/null > "$W/sshd/known_hosts"
	GIT_SSH_COMMAND="ssh -i $W/sshd/dev_key -o IdentitiesOnly=yes -o UserKnownHostsFile=$W/sshd/known_hosts"
	export GIT_SSH_COMMAND
	tagship -q init "$STATE" --url "$UPSTREAM" --host-key "$W/sshd/host_key.pub" > "$W/join"
}

world_sshd_keys() {
	{
		tagship -C "$STATE" authorized-keys
		cat "$W/sshd/dev_key.pub"
	} > "$W/sshd/authorized_keys.new"
	mv "$W/sshd/authorized_keys.new" "$W/sshd/authorized_keys"
}

# A base that runs $APP by a real web server. Further arguments are lines for its app in base.cfg.
world_base() { # NAME ZONE [LINE...]
	_base=$1 _zone=$2
	shift 2
	_port=$(world_port)
	eval "PORT_$(echo "$_base" | tr -- - _)=$_port"
	echo "$_port" > "$W/port-$_base"
	tagship-base -q -C "$W/$_base/root" init "$_base" --join "$(cat "$W/join")" --zone "$_zone" > "$W/enrol-$_base" || return 1
	_key=$(sed -n "s/.*--key '\([^']*\)'.*/\1/p" "$W/enrol-$_base")
	tagship -q -C "$STATE" base add "$_base" --zone "$_zone" --key "$_key" --app "$APP" || return 1
	mkdir -p "$W/$_base/app"
	sed -i '/^apps = ( );/d' "$W/$_base/root/base.cfg"
	cat >> "$W/$_base/root/base.cfg" <<END
pull_every = 2;
min_free_mb = 8;
serve_command = "$BUILD/tagship";
apps = ( {
  name = "$APP";
  dir = "$W/$_base/app";
  stop = [ "$LIB/webserver", "stop", "$W/$_base/app", "$_port" ];
  start = [ "$LIB/webserver", "start", "$W/$_base/app", "$_port" ];
  health = [ "$LIB/webserver", "health", "$W/$_base/app", "$_port" ];
  health_time = 3;
  health_every_ms = 200;
END
	for _line in "$@"; do echo "  $_line" >> "$W/$_base/root/base.cfg"; done
	echo "} );" >> "$W/$_base/root/base.cfg"
	BASES="$BASES $_base"
	[ ! -d "$W/sshd" ] || world_sshd_keys
}

world_base_run() { # NAME
	world_start "run-$1" tagship-base -C "$W/$1/root" run
}

# A commit with a new version number, tagged with a message from standard input.
world_commit() { # VERSION
	echo "$1" > "$SRC/VERSION"
	echo "rule of $1" >> "$SRC/web/app.css"
	git -C "$SRC" add -A
	git -C "$SRC" commit -qm "Version $1"
}

world_tag() { # NAME < message
	git -C "$SRC" tag -a -F - --cleanup=verbatim "$1"
}

# What a base's URL answers.
world_answer() { # BASE [PATH]
	curl -fsS --max-time 3 "http://127.0.0.1:$(cat "$W/port-$1")/${2:-version.txt}" 2>/dev/null || echo "(nothing)"
}

# Waits until a command succeeds, up to SECONDS.
world_wait() { # SECONDS COMMAND [ARG...]
	_until=$(($(date +%s) + $1))
	shift
	while ! "$@" >/dev/null 2>&1; do
		[ "$(date +%s)" -ge "$_until" ] && return 1
		sleep 0.1
	done
}

# Waits until no worker runs. One started by a hook ends by itself when idle,
# and until then serves what comes in the surroundings it was started in.
world_worker_ends() {
	[ ! -e "$STATE/worker.lock" ] || world_wait 30 flock -n "$STATE/worker.lock" true
}

# Sets FAKELIB, libfaketime's file, or nothing where it is not installed.
world_faketime() {
	# shellcheck disable=SC2016 # the inner shell's
	FAKELIB=$(faketime -f '+0s' sh -c 'echo "$LD_PRELOAD"' 2> /dev/null)
}

# Runs a command as if it were that many days later; after world_faketime.
world_later() { # DAYS COMMAND...
	_days=$1
	shift
	LD_PRELOAD="$FAKELIB" FAKETIME="+${_days}d" NO_FAKE_STAT=1 \
		ASAN_OPTIONS="verify_asan_link_order=0${ASAN_OPTIONS:+:$ASAN_OPTIONS}" "$@"
}

# State of a release at a base, as central knows it.
world_state() { # APP TAG BASE
	tagship -C "$STATE" log "$1" "$2" --json 2>/dev/null |
		perl -MJSON::PP -0777 -e '$r=decode_json(<STDIN>); for (@{$r->{targets}}) { print $_->{state} if $_->{base} eq $ARGV[0] }' "$3"
}
world_is() { # APP TAG BASE STATE
	[ "$(world_state "$1" "$2" "$3")" = "$4" ]
}

# ---- TAP ----
_test=0
ok() { # TEXT COMMAND [ARG...]
	_text=$1
	shift
	_test=$((_test + 1))
	if "$@" > "$W/ok.out" 2>&1; then
		echo "ok $_test - $_text"
	else
		echo "not ok $_test - $_text"
		echo "# failed: $*"
		sed 's/^/# /' "$W/ok.out" | tail -n 40
	fi
}
not() { ! "$@"; }
is() { # TEXT GOT WANTED
	_test=$((_test + 1))
	if [ "$2" = "$3" ]; then
		echo "ok $_test - $1"
	else
		echo "not ok $_test - $1"
		echo "# got:    $2"
		echo "# wanted: $3"
	fi
}
has() { # FILE TEXT: the file has this text
	grep -qF -- "$2" "$1" || { echo "not in $1: $2"; tail -n 40 "$1"; return 1; }
}
done_testing() { echo "1..$_test"; }
