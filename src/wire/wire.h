/* SPDX-License-Identifier: ISC */
/*
 * The line: a session to central, on which verbs are run. libssh2 only here. An upstream
 * "ssh://user@host[:port]" is our own non-blocking libssh2 session; an absolute path runs
 * "COMMAND -C PATH serve NAME" over a socket pair, with the verb in SSH_ORIGINAL_COMMAND, exactly
 * as sshd's forced command would.
 *
 *   WireSession *s = wire_connect(&peer, error);
 *   WireCall *c = wire_call(s, "get HASH 0", error);
 *   UtilStream *stream = wire_call_stream(c);       owned by the call
 *   ... read, write ...
 *   wire_call_finish(c, error)                      exit status and what central said on stderr
 *   wire_disconnect(s)                              bounded, never hangs
 *
 * Every step has a deadline; errors say the step, the peer and what to do. Deadline or cut: AGAIN.
 * Wrong host key or refused user key: NOT_AUTHENTIC. A session is used by one thread. After an
 * error on the line the session is broken: further calls are AGAIN, connect anew.
 *
 * Nothing is written to disk: a crash leaves a connection that the kernel closes.
 */
#pragma once

#include "wire/hello.h"
#include "wire/proto.h"

typedef struct {
	const char *url;
	const char *base_name;
	const char *const *host_keys; /* pinned, "ssh-ed25519 AAAA…", NULL-terminated */
	const char *key_file;
	const char *serve_command; /* for paths */
	gint64 connect_timeout_s;  /* connect, handshake, authentication: each */
	gint64 progress_timeout_s; /* no byte for so long is an error */
	gint64 min_rate_bytes_s;   /* over 15 s of waiting in which something came; 0: none */
	gint64 line_kbit; /* what the line gave lately, to choose windows by; 0: not known */
} WirePeer;

typedef struct WireSession WireSession;
typedef struct WireCall WireCall;

WireSession *wire_connect(const WirePeer *peer, GError **error);
void wire_disconnect(WireSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WireSession, wire_disconnect)

/* One call at a time is open on a session, beside the watch. */
WireCall *wire_call(WireSession *session, const char *verb_line, GError **error);
/* Reads give 0 only after a call that ended with status 0; else the error that
 * wire_call_finish would give. util_stream_free does nothing: the call owns it. */
UtilStream *wire_call_stream(WireCall *call);
/* Drains, closes, frees. Central's error text and code become the error: see proto.h. */
gboolean wire_call_finish(WireCall *call, GError **error);
/* Closes without caring (after an error). */
void wire_call_abort(WireCall *call);
/* Bytes in and out so far (payload). */
void wire_session_bytes(const WireSession *session, guint64 *ret_in, guint64 *ret_out);
/* FALSE once an error or an abort has left the line unusable. */
gboolean wire_session_usable(const WireSession *session);

/* At most so many kbit/s of IP packets come in from now on; 0: what the line gives. Other than ssh
 * is not limited. */
void wire_session_limit(WireSession *session, gint64 kbit);
/* Bytes of IP packets that came in, and the shortest round trip lately; FALSE where it is no line.
 */
gboolean wire_session_line(const WireSession *session, guint64 *ret_ip_in, gint64 *ret_rtt_us);

/* The quiet call "watch HEAD", one per session, open beside the calls: central tells each head of
 * the ledger that is not HEAD, as it comes. UNSUPPORTED: central is older and knows none. */
gboolean wire_watch(WireSession *session, const char *head, GError **error);
gboolean wire_watching(const WireSession *session);
/* Without waiting, also between the reads of a call: the head it told last, "" for none since
 * wire_watch_seen. */
const char *wire_watch_news(WireSession *session);
void wire_watch_seen(WireSession *session);
/* Sleeps until there is news, `fd` can be read (-1: none), or the monotonic time has come. LOST,
 * with error: connect anew. */
typedef enum { WIRE_WATCH_LOST, WIRE_WATCH_NEWS, WIRE_WATCH_FD, WIRE_WATCH_TIME } WireWatchEvent;
WireWatchEvent wire_watch_wait(WireSession *session, int fd, gint64 until_us, GError **error);

/* The host key of a server as "ssh-ed25519 AAAA…", for enrolment and doctor (not verified). */
char *wire_scan_host_key(const char *url, gint64 timeout_s, GError **error);
/* TRUE and parts for "ssh://user@host[:port][/path]"; user and path may be NULL. */
gboolean wire_parse_url(const char *url, char **ret_user, char **ret_host, guint16 *ret_port,
			char **ret_path, GError **error);
