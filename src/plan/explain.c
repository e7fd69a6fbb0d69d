/* SPDX-License-Identifier: ISC */
#include "plan/plan-private.h"

#define SYSTEM_ZONES "/usr/share/zoneinfo"

/* What the clock shows `off` seconds east of Greenwich; without the date if it is `date`. */
static char *clock_text(gint64 utc, gint32 off, const char *date)
{
	g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(utc + off);
	g_autofree char *day = g_date_time_format(time, "%Y-%m-%d");
	g_autofree char *clock =
	    g_date_time_format(time, g_date_time_get_second(time) ? "%H:%M:%S" : "%H:%M");
	if (g_strcmp0(day, date) == 0)
		return g_steal_pointer(&clock);
	return g_strdup_printf("%s %s", day, clock);
}

static char *offset_text(gint32 off)
{
	return g_strdup_printf("%c%02d:%02d", off < 0 ? '-' : '+', ABS(off) / 3600,
			       ABS(off) / 60 % 60);
}

char *plan_zones_explain(const char *zone, const char *where, const PlanLocal *local,
			 const PlanInstants *instants)
{
	g_autofree char *date =
	    g_strdup_printf("%04d-%02d-%02d", local->year, local->month, local->day);
	g_autofree char *from = clock_text(instants->at_utc, instants->old_off, date);
	g_autofree char *to = clock_text(instants->at_utc, instants->new_off, date);
	g_autofree char *first = util_time_format_utc(instants->utc[0]);
	g_autofree char *second = util_time_format_utc(instants->utc[1]);
	g_assert(instants->n != 1);
	if (instants->n == 2) {
		g_autofree char *first_off = offset_text(instants->off[0]);
		g_autofree char *second_off = offset_text(instants->off[1]);
		return g_strdup_printf(
		    "this local time exists twice in %s%s: clocks go back from %s to %s. "
		    "Use %s (the first, %s) or %s (the second, %s)",
		    zone, where, from, to, first, first_off, second, second_off);
	}
	g_autofree char *early = clock_text(instants->utc[0], instants->off[0], date);
	g_autofree char *late = clock_text(instants->utc[1], instants->off[1], date);
	return g_strdup_printf("this local time does not exist in %s%s: clocks go from %s to %s. "
			       "Use %s (%s local) or %s (%s local)",
			       zone, where, from, to, first, early, second, late);
}

gboolean plan_zone_check(const char *zone_dir, const char *zone, GError **error)
{
	g_autoptr(PlanZones) zones = plan_zones_load(zone_dir, error);
	return zones && plan_zones_check(zones, zone, error);
}

gboolean plan_zone_to_utc(const char *zone_dir, const char *zone, const PlanLocal *local,
			  gint64 *ret_utc, GError **error)
{
	g_autoptr(PlanZones) zones = plan_zones_load(zone_dir, error);
	PlanInstants instants;
	if (!zones || !plan_zones_instants(zones, zone, local, &instants, error))
		return FALSE;
	if (instants.n != 1) {
		g_autofree char *why = plan_zones_explain(zone, "", local, &instants);
		return util_error_set(error, TS_ERROR_REFUSED, "%04d-%02d-%02d %02d:%02d: %s",
				      local->year, local->month, local->day, local->hour,
				      local->minute, why);
	}
	*ret_utc = instants.utc[0];
	return TRUE;
}

char *plan_zone_alarm(const char *zone_dir, gint64 at_utc, const char *text)
{
	const char *zone = text ? strrchr(text, ' ') : NULL;
	g_auto(GStrv) words = g_strsplit(text ? text : "", " ", 5);
	if (g_strv_length(words) != 4)
		return NULL;
	g_autofree char *here =
	    plan_zone_format(zone_dir ? zone_dir : SYSTEM_ZONES, zone + 1, at_utc);
	g_autofree char *there = g_strndup(text, (gsize)(zone - text));
	if (strcmp(here, there) == 0)
		return NULL;
	return g_strdup_printf("the zone data here makes %s in %s of the time for which central's "
			       "says %s; it goes live at that instant all the same: update tzdata "
			       "on the side that is wrong, and plan again if that is central",
			       here, zone + 1, there);
}

char *plan_zone_format(const char *zone_dir, const char *zone, gint64 utc)
{
	g_autoptr(PlanZones) zones = plan_zones_load(zone_dir, NULL);
	if (!zones) {
		g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(utc);
		return time ? g_date_time_format(time, "%Y-%m-%d %H:%M:%S +00:00") : g_strdup("-");
	}
	return plan_zones_format(zones, zone, utc);
}
