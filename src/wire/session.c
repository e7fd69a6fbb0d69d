/* SPDX-License-Identifier: ISC */
#include "wire/wire-private.h"

#define DEFAULT_CONNECT_S 20
#define DEFAULT_PROGRESS_S 30

static gint64 seconds_us(gint64 seconds, gint64 fallback_s)
{
	return (seconds > 0 ? MIN(seconds, 3600) : fallback_s) * G_USEC_PER_SEC;
}

static gboolean connect_ssh(WireSession *session, const WirePeer *peer, GError **error)
{
	gint64 connect_us = seconds_us(peer->connect_timeout_s, DEFAULT_CONNECT_S);
	if (!peer->host_keys || !peer->host_keys[0])
		return util_error_set(error, TS_ERROR_NOT_AUTHENTIC,
				      "no host key is pinned; put central's into host_keys "
				      "(its join line has them)");
	if (!peer->key_file)
		return util_error_set(error, TS_ERROR_USAGE, "no key file is given");
	if (!util_sshsig_check_key_file(peer->key_file, error))
		return FALSE;
	session->ssh = wire_ssh_connect(peer->url, connect_us, session->progress_us, error);
	return session->ssh && wire_ssh_check_host_key(session->ssh, peer->host_keys, error) &&
	       wire_ssh_login(session->ssh, peer->key_file, connect_us, error);
}

static gboolean connect_local(WireSession *session, const WirePeer *peer, GError **error)
{
	if (!wire_local_check(peer, error))
		return FALSE;
	session->path = g_strdup(peer->url);
	session->base = g_strdup(peer->base_name);
	session->command = g_strdup(peer->serve_command);
	return TRUE;
}

WireSession *wire_connect(const WirePeer *peer, GError **error)
{
	g_autoptr(WireSession) session = g_new0(WireSession, 1);
	session->url = util_text_printable(peer->url, -1);
	session->progress_us = seconds_us(peer->progress_timeout_s, DEFAULT_PROGRESS_S);
	session->min_rate_bytes_s = peer->min_rate_bytes_s;
	session->line_kbit = peer->line_kbit;
	gboolean ok = g_path_is_absolute(peer->url) ? connect_local(session, peer, error)
						    : connect_ssh(session, peer, error);
	if (ok)
		return g_steal_pointer(&session);
	g_prefix_error(error, "%s: ", session->url);
	return NULL;
}

void wire_disconnect(WireSession *session)
{
	if (!session)
		return;
	wire_watch_end(session);
	wire_call_abort(session->call);
	wire_ssh_free(session->ssh);
	g_free(session->url);
	g_free(session->path);
	g_free(session->base);
	g_free(session->command);
	g_free(session);
}

void wire_session_bytes(const WireSession *session, guint64 *ret_in, guint64 *ret_out)
{
	*ret_in = session->in;
	*ret_out = session->out;
}

void wire_session_limit(WireSession *session, gint64 kbit)
{
	if (session->ssh)
		wire_ssh_limit(session->ssh, kbit);
}

gboolean wire_session_line(const WireSession *session, guint64 *ret_ip_in, gint64 *ret_rtt_us)
{
	WireLine line;
	if (!session->ssh || session->broken || !wire_ssh_line(session->ssh, &line))
		return FALSE;
	*ret_ip_in = line.ip_in;
	*ret_rtt_us = wire_ssh_rtt(session->ssh);
	return TRUE;
}

gboolean wire_session_usable(const WireSession *session)
{
	return !session->broken;
}

char *wire_scan_host_key(const char *url, gint64 timeout_s, GError **error)
{
	gint64 timeout_us = seconds_us(timeout_s, DEFAULT_CONNECT_S);
	WireSsh *ssh = wire_ssh_connect(url, timeout_us, timeout_us, error);
	char *key = ssh ? wire_ssh_host_key(ssh, error) : NULL;
	if (!key)
		g_prefix_error(error, "%s: ", url);
	wire_ssh_free(ssh);
	return key;
}
