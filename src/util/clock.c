/* SPDX-License-Identifier: ISC */
#include <time.h>

#include "util/util.h"

static gint64 clock_us(clockid_t id)
{
	struct timespec ts = {0};
	int rc = clock_gettime(id, &ts);
	g_assert(rc == 0);
	return (gint64)ts.tv_sec * G_USEC_PER_SEC + ts.tv_nsec / 1000;
}

static gint64 system_now(UtilClock *clock)
{
	(void)clock; /* the system's has no state */
	return clock_us(CLOCK_REALTIME);
}

static gint64 system_boot(UtilClock *clock)
{
	(void)clock; /* as above */
	return clock_us(CLOCK_BOOTTIME);
}

static guint32 system_random(UtilClock *clock)
{
	(void)clock; /* as above */
	return g_random_int();
}

UtilClock *util_clock_system(void)
{
	static UtilClock clock = {system_now, system_boot, system_random};
	return &clock;
}

gint64 util_clock_now_utc(UtilClock *clock)
{
	return clock->now_us(clock) / G_USEC_PER_SEC;
}

typedef struct {
	UtilClock clock;
	gint64 now_us, boot_us;
	guint32 seed;
} FakeClock;

static gint64 fake_now(UtilClock *clock)
{
	return ((FakeClock *)clock)->now_us;
}

static gint64 fake_boot(UtilClock *clock)
{
	return ((FakeClock *)clock)->boot_us;
}

static guint32 fake_random(UtilClock *clock)
{
	FakeClock *fake = (FakeClock *)clock;
	fake->seed = fake->seed * 1664525u + 1013904223u;
	return fake->seed;
}

UtilClock *util_clock_fake_new(gint64 now_utc)
{
	FakeClock *fake = g_new0(FakeClock, 1);
	fake->clock = (UtilClock){fake_now, fake_boot, fake_random};
	fake->now_us = now_utc * G_USEC_PER_SEC;
	return &fake->clock;
}

void util_clock_fake_set(UtilClock *clock, gint64 now_utc)
{
	((FakeClock *)clock)->now_us = now_utc * G_USEC_PER_SEC;
}

void util_clock_fake_advance(UtilClock *clock, gint64 seconds)
{
	((FakeClock *)clock)->now_us += seconds * G_USEC_PER_SEC;
	((FakeClock *)clock)->boot_us += seconds * G_USEC_PER_SEC;
}

void util_clock_fake_free(UtilClock *clock)
{
	g_free(clock);
}

char *util_time_format_utc(gint64 utc)
{
	g_autoptr(GDateTime) when = g_date_time_new_from_unix_utc(utc);
	return when ? g_date_time_format(when, "%Y-%m-%dT%H:%M:%SZ") : g_strdup("?");
}

gboolean util_time_parse_utc(const char *text, gint64 *ret_utc, GError **error)
{
	g_autoptr(GDateTime) when = NULL;
	if (strlen(text) == strlen("2026-12-01T02:00:00Z"))
		when = g_date_time_new_from_iso8601(text, NULL);
	g_autofree char *again = when ? util_time_format_utc(g_date_time_to_unix(when)) : NULL;
	if (!again || strcmp(again, text) != 0)
		return util_error_set(error, TS_ERROR_CORRUPT,
				      "not a UTC time like 2026-12-01T02:00:00Z: %.40s", text);
	*ret_utc = g_date_time_to_unix(when);
	return TRUE;
}
