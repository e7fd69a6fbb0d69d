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

/* Where the kernel does not say, each boot looks like another one: nothing is projected then. */
static char *system_boot_id(UtilClock *clock)
{
	(void)clock; /* as above */
	char *id = NULL;
	if (!g_file_get_contents("/proc/sys/kernel/random/boot_id", &id, NULL, NULL))
		return g_strdup_printf("unknown-%08x", g_random_int());
	return g_strstrip(id);
}

UtilClock *util_clock_system(void)
{
	static UtilClock clock = {system_now, system_boot, system_random, system_boot_id};
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
	guint boots;
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

static char *fake_boot_id(UtilClock *clock)
{
	return g_strdup_printf("boot-%u", ((FakeClock *)clock)->boots);
}

UtilClock *util_clock_fake_new(gint64 now_utc)
{
	FakeClock *fake = g_new0(FakeClock, 1);
	fake->clock = (UtilClock){fake_now, fake_boot, fake_random, fake_boot_id};
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

void util_clock_fake_reboot(UtilClock *clock, gint64 now_utc)
{
	FakeClock *fake = (FakeClock *)clock;
	fake->boots++;
	fake->boot_us = 0;
	fake->now_us = now_utc * G_USEC_PER_SEC;
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
