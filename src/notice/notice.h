/* SPDX-License-Identifier: ISC */
/*
 * Notices: each event as one JSON object, for a command of the site's own, on its standard input.
 *
 *   DIR/notices/seen   what is known already (GKeyFile), so that nothing is told twice
 *   DIR/notices/NAME   one that waits: trailer text Tries, First (try), Next (not before), Json
 *
 * Whoever finds an event puts its notice, then writes `seen`, then delivers: after a crash it is
 * found again, and its name is the same. A notice is delivered once its command ends with 0; one
 * that was delivered just before a crash is delivered again. Nothing waits for any of this.
 */
#pragma once

#include "util/util.h"

/* Held from before `seen` is read until all is delivered; waits for another for some seconds, then
 * AGAIN. Close it to let go. */
int notice_lock(int dirfd, GError **error);

/* Strings may be NULL: then they are null in the JSON. */
typedef struct {
	const char *event; /* "live", "built", "silent", … */
	gboolean over;     /* a state that lasted, such as "silent", has ended */
	gint64 time_utc;
	const char *app, *base, *version, *release;
	const char *node; /* a server of the base's site */
	const char *detail, *log_end;
	gint64 outage_ms; /* -1: none */
} Notice;

/* key: what makes it this event and no other. Durable; put twice it is one. Within one second they
 * are told in the order in which they were put. */
gboolean notice_put(int dirfd, const char *key, const Notice *notice, GError **error);

/* What was seen, and FALSE in *ret_first; or nothing at all. Free with g_key_file_free. */
GKeyFile *notice_seen_load(int dirfd, gboolean *ret_first, GError **error);
/* Durable; not written if it says the same. */
gboolean notice_seen_save(int dirfd, GKeyFile *seen, GError **error);

/* How many wait that their command has failed for. */
guint notice_failed(int dirfd);

typedef struct {
	guint sent, waiting, given_up;
	char *failed; /* why the last that failed did, or NULL; owned */
} NoticeDelivered;

/* Runs argv once per notice that is due, oldest first, a minute each at most. One that fails is
 * tried again after a minute, then after twice as long each time up to an hour, and given up after
 * a week; after two failures in a row the rest waits for the next time. */
gboolean notice_deliver(int dirfd, const char *const *argv, gint64 now_utc,
			NoticeDelivered *ret_delivered, GError **error);
