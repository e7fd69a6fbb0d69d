/* SPDX-License-Identifier: ISC */
/* Between contacts: the quiet call on which central tells that its ledger moved. */
#include "mirror/mirror-private.h"

gboolean mirror_watch_begin(Mirror *mirror, const char *head, GError **error)
{
	g_autoptr(GError) local = NULL;
	g_strlcpy(mirror->head, head, sizeof mirror->head);
	if (!mirror->spec->watch || mirror->no_watch || !mirror->session ||
	    wire_watching(mirror->session))
		return TRUE;
	if (wire_watch(mirror->session, head, &local))
		return TRUE;
	if (g_error_matches(local, TS_ERROR, TS_ERROR_UNSUPPORTED)) {
		mirror->no_watch = TRUE;
		return TRUE;
	}
	g_propagate_error(error, g_steal_pointer(&local));
	return FALSE;
}

gboolean mirror_has_news(Mirror *mirror)
{
	if (!mirror->session)
		return FALSE;
	const char *news = wire_watch_news(mirror->session);
	if (strcmp(news, mirror->head) != 0)
		return news[0] != '\0';
	wire_watch_seen(mirror->session); /* that is where we are */
	return FALSE;
}

gboolean mirror_watch(Mirror *mirror, int fd, gint64 until_us, MirrorEvent *ret_event,
		      GError **error)
{
	if (mirror->no_watch)
		return util_error_set(error, TS_ERROR_UNSUPPORTED,
				      "this central is older and tells nothing by itself");
	if (!mirror->session || !wire_watching(mirror->session))
		return util_error_set(error, TS_ERROR_AGAIN, "%s: the connection was lost",
				      mirror->upstream ? mirror->upstream : "upstream");
	for (;;) {
		switch (wire_watch_wait(mirror->session, fd, until_us, error)) {
		case WIRE_WATCH_LOST:
			return FALSE;
		case WIRE_WATCH_NEWS:
			if (!mirror_has_news(mirror))
				continue;
			*ret_event = MIRROR_NEWS;
			return TRUE;
		case WIRE_WATCH_FD:
			*ret_event = MIRROR_POKED;
			return TRUE;
		case WIRE_WATCH_TIME:
			*ret_event = MIRROR_TIME;
			return TRUE;
		}
	}
}
