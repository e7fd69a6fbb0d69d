/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "wire/ssh-private.h"

#define HOST_KEY_TYPE "ssh-ed25519"
#define PROBES_PER_DEADLINE 4
#define PACED_READ ((size_t)4096)
#define FREE_TRIES 100 /* one per channel and state, really */

/* libssh2 moves its bytes through these, so that we see what passes and when. */
static LIBSSH2_SEND_FUNC(ssh_send)
{
	WireSsh *ssh = *abstract;
	if (ssh->dead)
		return -ECONNRESET;
	ssize_t n = send(socket, buffer, length, flags | MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0)
		return -errno;
	ssh->raw_out += (guint64)n;
	return n;
}

/* With its share of packet headers. */
static void take_pace(WireSsh *ssh, guint64 bytes)
{
	WireLine line;
	if (ssh->pace.kbit > 0 && wire_tcp_line(ssh->fd, &line) && line.in > 0)
		wire_pace_take(&ssh->pace, bytes * line.ip_in / line.in, ssh->heard_us);
}

static LIBSSH2_RECV_FUNC(ssh_recv)
{
	WireSsh *ssh = *abstract;
	if (ssh->dead)
		return -ECONNRESET;
	if (wire_pace_until(&ssh->pace, g_get_monotonic_time()) > 0)
		return -EAGAIN;
	/* little by little: the sender gets its window back the same way */
	if (ssh->pace.kbit > 0)
		length = MIN(length, PACED_READ);
	ssize_t n = recv(socket, buffer, length, flags | MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	if (n <= 0) {
		int err = n < 0 ? errno : 0;
		ssh->peer_closed = TRUE;
		return err ? -err : 0;
	}
	ssh->raw_in += (guint64)n;
	ssh->heard_us = g_get_monotonic_time();
	take_pace(ssh, (guint64)n);
	ssh->unanswered = 0;
	return n;
}

const char *wire_ssh_last_error(WireSsh *ssh, int *ret_code)
{
	char *text = NULL;
	int code = libssh2_session_last_error(ssh->session, &text, NULL, 0);
	if (ret_code)
		*ret_code = code;
	return text && text[0] ? text : "no reason given";
}

void wire_ssh_wait(WireSsh *ssh, gint64 until_us)
{
	int directions = libssh2_session_block_directions(ssh->session);
	struct pollfd pfd = {ssh->fd, 0, 0};
	if (directions & LIBSSH2_SESSION_BLOCK_INBOUND)
		pfd.events |= POLLIN;
	if (directions & LIBSSH2_SESSION_BLOCK_OUTBOUND)
		pfd.events |= POLLOUT;
	if (!pfd.events)
		pfd.events = POLLIN;
	gint64 paced_us = wire_pace_until(&ssh->pace, g_get_monotonic_time());
	if (paced_us > 0) {
		pfd.events &= (short)~POLLIN;
		until_us = MIN(until_us, paced_us);
	}
	gint64 left_ms = (until_us - g_get_monotonic_time() + 999) / 1000;
	/* interrupted or not: the caller tries its step and looks at the clock */
	(void)poll(&pfd, 1, (int)CLAMP(left_ms, 0, 3600 * 1000));
}

/* Ed25519 or nothing: an unset preference would silently mean libssh2's default. */
static gboolean set_methods(WireSsh *ssh, GError **error)
{
	if (libssh2_session_method_pref(ssh->session, LIBSSH2_METHOD_HOSTKEY, HOST_KEY_TYPE) == 0)
		return TRUE;
	return util_error_set(error, TS_ERROR_UNSUPPORTED, "this libssh2 has no %s host keys: %s",
			      HOST_KEY_TYPE, wire_ssh_last_error(ssh, NULL));
}

static gboolean handshake_failed(WireSsh *ssh, int code, gint64 connect_us, GError **error)
{
	int seconds = (int)(connect_us / G_USEC_PER_SEC);
	if (code == LIBSSH2_ERROR_EAGAIN && ssh->raw_in == 0)
		return util_error_set(error, TS_ERROR_AGAIN,
				      "connected, but no ssh banner came for %d s; is this "
				      "sshd's port?",
				      seconds);
	if (code == LIBSSH2_ERROR_EAGAIN)
		return util_error_set(error, TS_ERROR_AGAIN,
				      "the ssh handshake took longer than %d s", seconds);
	if (ssh->peer_closed && ssh->raw_in == 0)
		return util_error_set(error, TS_ERROR_AGAIN,
				      "the server closed the connection before its ssh banner; "
				      "is it busy (MaxStartups)?");
	if (code == LIBSSH2_ERROR_KEX_FAILURE || code == LIBSSH2_ERROR_METHOD_NONE)
		return util_error_set(error, TS_ERROR_FAILED,
				      "ssh handshake: %s; does the server have an ed25519 host "
				      "key?",
				      wire_ssh_last_error(ssh, NULL));
	if (ssh->peer_closed)
		return util_error_set(error, TS_ERROR_AGAIN,
				      "the server closed the connection during the ssh handshake");
	return util_error_set(error, TS_ERROR_AGAIN, "ssh handshake: %s",
			      wire_ssh_last_error(ssh, NULL));
}

static gboolean handshake(WireSsh *ssh, gint64 connect_us, GError **error)
{
	gint64 until = g_get_monotonic_time() + connect_us;
	int code = 0;
	while ((code = libssh2_session_handshake(ssh->session, ssh->fd)) == LIBSSH2_ERROR_EAGAIN) {
		if (g_get_monotonic_time() >= until)
			break;
		wire_ssh_wait(ssh, until);
	}
	return code == 0 || handshake_failed(ssh, code, connect_us, error);
}

static gboolean start_session(WireSsh *ssh, gint64 connect_us, GError **error)
{
	ssh->session = libssh2_session_init_ex(NULL, NULL, NULL, ssh);
	if (!ssh->session)
		return util_error_set(error, TS_ERROR_FAILED, "libssh2 gave no session");
	libssh2_session_set_blocking(ssh->session, 0);
	/* what was there before is libssh2's own: nothing to keep */
	(void)libssh2_session_callback_set(ssh->session, LIBSSH2_CALLBACK_SEND, (void *)ssh_send);
	(void)libssh2_session_callback_set(ssh->session, LIBSSH2_CALLBACK_RECV, (void *)ssh_recv);
	/* sent by our own clock, see ssh-call.c; 2 s is libssh2's shortest */
	libssh2_keepalive_config(ssh->session, 1, 2);
	return set_methods(ssh, error) && handshake(ssh, connect_us, error);
}

WireSsh *wire_ssh_connect(const char *url, gint64 connect_us, gint64 progress_us, GError **error)
{
	g_autofree char *user = NULL, *host = NULL, *path = NULL;
	guint16 port = 0;
	if (!wire_parse_url(url, &user, &host, &port, &path, error))
		return NULL;
	WireTcp *tcp = wire_tcp_connect(host, port, connect_us, progress_us, error);
	if (!tcp)
		return NULL;
	WireSsh *ssh = g_new0(WireSsh, 1);
	ssh->tcp = tcp;
	ssh->fd = wire_tcp_fd(tcp);
	ssh->user = g_steal_pointer(&user);
	ssh->host = g_steal_pointer(&host);
	ssh->port = port;
	ssh->heard_us = g_get_monotonic_time();
	ssh->probe_us = MAX(progress_us / PROBES_PER_DEADLINE, 2 * G_USEC_PER_SEC);
	if (start_session(ssh, connect_us, error))
		return ssh;
	wire_ssh_free(ssh);
	return NULL;
}

/* The key the server proved to hold in this handshake. */
static const guchar *shown_key(WireSsh *ssh, gsize *ret_len, GError **error)
{
	int type = 0;
	const char *blob = libssh2_session_hostkey(ssh->session, ret_len, &type);
	if (blob && type == LIBSSH2_HOSTKEY_TYPE_ED25519)
		return (const guchar *)blob;
	util_error_set(error, TS_ERROR_NOT_AUTHENTIC, "the server showed no ed25519 host key");
	return NULL;
}

char *wire_ssh_host_key(WireSsh *ssh, GError **error)
{
	gsize len = 0;
	const guchar *blob = shown_key(ssh, &len, error);
	if (!blob)
		return NULL;
	g_autofree char *text = g_base64_encode(blob, len);
	return g_strconcat(HOST_KEY_TYPE " ", text, NULL);
}

gboolean wire_ssh_check_host_key(WireSsh *ssh, const char *const *pinned, GError **error)
{
	gsize len = 0;
	const guchar *blob = shown_key(ssh, &len, error);
	if (!blob)
		return FALSE;
	for (guint i = 0; pinned[i]; i++) {
		if (!util_sshsig_key_ok(pinned[i]))
			return util_error_set(error, TS_ERROR_USAGE,
					      "host_keys: \"%.80s\" is not \"ssh-ed25519 AAAA…\"",
					      pinned[i]);
		gsize want_len = 0;
		g_autofree guchar *want =
		    g_base64_decode(pinned[i] + strlen(HOST_KEY_TYPE " "), &want_len);
		if (want_len == len && memcmp(want, blob, len) == 0)
			return TRUE;
	}
	g_autofree char *shown = g_base64_encode(blob, len);
	return util_error_set(error, TS_ERROR_NOT_AUTHENTIC,
			      "host key %s %s is none of those pinned in host_keys; if central's "
			      "key was changed on purpose, add it there, else somebody is in "
			      "between",
			      HOST_KEY_TYPE, shown);
}

static gboolean login_failed(WireSsh *ssh, int code, const char *key_file, gint64 connect_us,
			     GError **error)
{
	switch (code) {
	case LIBSSH2_ERROR_EAGAIN:
		return util_error_set(error, TS_ERROR_AGAIN, "logging in took longer than %d s",
				      (int)(connect_us / G_USEC_PER_SEC));
	case LIBSSH2_ERROR_AUTHENTICATION_FAILED:
	case LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED:
		return util_error_set(error, TS_ERROR_NOT_AUTHENTIC,
				      "user \"%s\" was refused with the key of %s; is this base's "
				      "line in central's authorized_keys?",
				      ssh->user, key_file);
	case LIBSSH2_ERROR_FILE:
		return util_error_set(error, TS_ERROR_FAILED,
				      "key file %s: %s; it must be an ed25519 key without a "
				      "passphrase",
				      key_file, wire_ssh_last_error(ssh, NULL));
	default: /* libssh2's codes, not ours */
		return util_error_set(error, TS_ERROR_AGAIN, "logging in: %s",
				      ssh->peer_closed ? "the server closed the connection"
						       : wire_ssh_last_error(ssh, NULL));
	}
}

gboolean wire_ssh_login(WireSsh *ssh, const char *key_file, gint64 connect_us, GError **error)
{
	if (!ssh->user)
		return util_error_set(error, TS_ERROR_USAGE,
				      "the URL names no user; write ssh://USER@HOST");
	gint64 until = g_get_monotonic_time() + connect_us;
	int code = 0;
	while ((code = libssh2_userauth_publickey_fromfile_ex(
		    ssh->session, ssh->user, (unsigned int)strlen(ssh->user), NULL, key_file,
		    "")) == LIBSSH2_ERROR_EAGAIN) {
		if (g_get_monotonic_time() >= until)
			break;
		wire_ssh_wait(ssh, until);
	}
	return code == 0 || login_failed(ssh, code, key_file, connect_us, error);
}

void wire_ssh_limit(WireSsh *ssh, gint64 kbit)
{
	if (kbit != ssh->pace.kbit)
		ssh->pace = (WirePace){.kbit = kbit};
}

gboolean wire_ssh_line(const WireSsh *ssh, WireLine *ret)
{
	return wire_tcp_line(ssh->fd, ret);
}

/* A goodbye within WIRE_CLOSE_US; libssh2 can go round on EAGAIN for ever here. */
static void say_goodbye(WireSsh *ssh)
{
	gint64 until = g_get_monotonic_time() + WIRE_CLOSE_US;
	while (!ssh->peer_closed && g_get_monotonic_time() < until) {
		if (libssh2_session_disconnect(ssh->session, "done") != LIBSSH2_ERROR_EAGAIN)
			return;
		wire_ssh_wait(ssh, until);
	}
}

void wire_ssh_free(WireSsh *ssh)
{
	if (!ssh)
		return;
	if (ssh->session) {
		say_goodbye(ssh);
		ssh->dead = TRUE; /* every socket call fails from here: free cannot wait */
		for (guint i = 0; i < FREE_TRIES; i++)
			if (libssh2_session_free(ssh->session) != LIBSSH2_ERROR_EAGAIN)
				break;
	}
	wire_tcp_free(ssh->tcp);
	g_free(ssh->user);
	g_free(ssh->host);
	g_free(ssh);
}
