/* SPDX-License-Identifier: ISC */
/* The quiet call "watch HEAD", which stays open beside others. */
#include <poll.h>

#include "wire/wire-private.h"

#define HEAD_CHARS 40
#define SAID_MAX 4096 /* unread; a head has 41 */

static gboolean watch_broken(WireSession *session, GError **error)
{
	session->broken = TRUE;
	g_prefix_error(error, "%s: watch: ", session->url);
	return FALSE;
}

gboolean wire_watch(WireSession *session, const char *head, GError **error)
{
	WireRequest request = {.verb = WIRE_WATCH};
	g_assert(!session->watch && !session->call);
	g_strlcpy(request.head, head, sizeof request.head);
	g_autofree char *line = wire_request_format(&request);
	WireCall *call = wire_call_open(session, line, error);
	if (!call)
		return FALSE;
	if (!wire_reply_read(wire_call_stream(call), NULL, error)) {
		(void)wire_call_finish(call, NULL); /* the reply has said it */
		return FALSE;
	}
	session->watch = call;
	session->said = g_string_new(NULL);
	session->news[0] = '\0';
	return TRUE;
}

gboolean wire_watching(const WireSession *session)
{
	return session->watch != NULL;
}

/* Takes whole lines; of several heads the last one counts. */
static gboolean take_lines(WireSession *session, GError **error)
{
	const char *end = NULL;
	while ((end = memchr(session->said->str, '\n', session->said->len))) {
		gsize len = (gsize)(end - session->said->str);
		g_autofree char *head = g_strndup(session->said->str, len);
		if (len != HEAD_CHARS || !util_oid_hex_ok(head))
			return util_error_set(error, TS_ERROR_CORRUPT,
					      "central told a head that is none");
		g_strlcpy(session->news, head, sizeof session->news);
		g_string_erase(session->said, 0, (gssize)len + 1);
	}
	return session->said->len < SAID_MAX ||
	       util_error_set(error, TS_ERROR_CORRUPT, "central told what is no head");
}

/* Central's side has ended the call, which it does not do by itself. */
static gboolean watch_ended(WireSession *session, GError **error)
{
	WireCall *call = g_steal_pointer(&session->watch);
	if (wire_call_finish(call, error))
		util_error_set(error, TS_ERROR_AGAIN, "%s: central ended the watch", session->url);
	session->broken = TRUE;
	return FALSE;
}

/* All that is there, without waiting. What the call's own buffer holds came with the reply. */
static gboolean take_said(WireSession *session, GError **error)
{
	WireCall *call = session->watch;
	char chunk[256];
	g_string_append_len(session->said, call->buffer + call->start,
			    (gssize)(call->end - call->start));
	call->start = call->end = 0;
	for (;;) {
		gssize n = call->ops->read(call, chunk, sizeof chunk, error);
		if (n == -1)
			return watch_broken(session, error);
		if (n == 0)
			return watch_ended(session, error);
		if (n == WIRE_WAIT)
			return take_lines(session, error) || watch_broken(session, error);
		g_string_append_len(session->said, chunk, n);
		session->in += (guint64)n;
		if (session->said->len >= SAID_MAX)
			return take_lines(session, error) || watch_broken(session, error);
	}
}

const char *wire_watch_news(WireSession *session)
{
	short events = 0;
	if (!session->watch || session->broken)
		return "";
	/* what another call has half written must go first */
	(void)session->watch->ops->poll_fd(session->watch, &events);
	if (!(events & POLLOUT))
		(void)take_said(session, NULL); /* an end shows at the next call or wait */
	return session->news;
}

WireWatchEvent wire_watch_wait(WireSession *session, int fd, gint64 until_us, GError **error)
{
	g_assert(!session->call);
	for (;;) {
		if (!session->watch || session->broken) {
			util_error_set(error, TS_ERROR_AGAIN, "%s: the connection was lost",
				       session->url);
			return WIRE_WATCH_LOST;
		}
		if (!take_said(session, error))
			return WIRE_WATCH_LOST;
		if (session->news[0])
			return WIRE_WATCH_NEWS;
		struct pollfd fds[2] = {{.fd = -1}, {fd, POLLIN, 0}};
		fds[0].fd = session->watch->ops->poll_fd(session->watch, &fds[0].events);
		gint64 left_ms = (until_us - g_get_monotonic_time() + 999) / 1000;
		/* interrupted or not: all is looked at again */
		int n = poll(fds, 2, (int)CLAMP(left_ms, 0, 24 * 3600 * 1000));
		if (n > 0 && fds[1].revents)
			return WIRE_WATCH_FD;
		if (n == 0 && g_get_monotonic_time() >= until_us)
			return WIRE_WATCH_TIME;
	}
}

void wire_watch_seen(WireSession *session)
{
	session->news[0] = '\0';
}

void wire_watch_end(WireSession *session)
{
	if (session->watch)
		wire_call_abort(g_steal_pointer(&session->watch));
	if (session->said)
		g_string_free(g_steal_pointer(&session->said), TRUE);
}
