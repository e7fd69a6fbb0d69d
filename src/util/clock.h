/* SPDX-License-Identifier: ISC */
/*
 * A clock behind every wait and every "now", so that tests and the simulator can turn it.
 *
 *   UtilClock *clock = util_clock_system();       (static, never freed)
 *   gint64 now = util_clock_now_utc(clock);
 *
 * Tests: util_clock_fake_new(1700000000), util_clock_fake_set(); free with util_clock_fake_free.
 */
#pragma once

#include <glib.h>

typedef struct UtilClock UtilClock;

struct UtilClock {
	gint64 (*now_us)(UtilClock *clock);  /* CLOCK_REALTIME, microseconds since 1970 */
	gint64 (*boot_us)(UtilClock *clock); /* CLOCK_BOOTTIME, microseconds */
	guint32 (*random)(UtilClock *clock); /* jitter, never secrets */
	char *(*boot_id)(UtilClock *clock);  /* another one after each start of the machine */
};

UtilClock *util_clock_system(void);

/* Seconds since 1970, UTC. */
gint64 util_clock_now_utc(UtilClock *clock);

UtilClock *util_clock_fake_new(gint64 now_utc);
void util_clock_fake_set(UtilClock *clock, gint64 now_utc);
void util_clock_fake_advance(UtilClock *clock, gint64 seconds);
/* The machine starts anew; its wall clock says now_utc. */
void util_clock_fake_reboot(UtilClock *clock, gint64 now_utc);
void util_clock_fake_free(UtilClock *clock);

/* "2026-12-01T02:00:00Z"; caller frees. */
char *util_time_format_utc(gint64 utc);

/* Parses exactly the form above. */
gboolean util_time_parse_utc(const char *text, gint64 *ret_utc, GError **error);
