/* SPDX-License-Identifier: ISC */
/* Freezes: times in which nothing may activate, by the clock of each base. */
#include "plan/plan-private.h"

#define DAY_MIN 1440
#define WEEK_MIN (7 * DAY_MIN)
#define SEARCH_MIN (60 * DAY_MIN) /* so far ahead a free minute is looked for */
#define NAMES_SHOWN 8

#define DATE "(\\d{4}-\\d\\d-\\d\\d)(?: (\\d\\d:\\d\\d))?"
#define WEEKDAY "(Mon|Tue|Wed|Thu|Fri|Sat|Sun) (\\d\\d:\\d\\d)"
#define TO " to "

void plan_freeze_free(PlanFreeze *freeze)
{
	if (!freeze)
		return;
	g_free(freeze->text);
	g_free(freeze->reason);
	g_free(freeze);
}

/* "16:30", or NULL for the start of a day; at most 24:00. */
static gboolean minute_of(const char *text, gint64 *ret_minute)
{
	if (!text || !*text) {
		*ret_minute = 0;
		return TRUE;
	}
	*ret_minute = g_ascii_strtoll(text, NULL, 10) * 60 + g_ascii_strtoll(text + 3, NULL, 10);
	return *ret_minute <= DAY_MIN && g_ascii_strtoll(text + 3, NULL, 10) < 60;
}

static gboolean day_of(const char *text, gint64 *ret_day)
{
	g_autoptr(GDateTime) date = g_date_time_new_utc(
	    (int)g_ascii_strtoll(text, NULL, 10), (int)g_ascii_strtoll(text + 5, NULL, 10),
	    (int)g_ascii_strtoll(text + 8, NULL, 10), 0, 0, 0);
	if (date)
		*ret_day = g_date_time_to_unix(date) / (DAY_MIN * 60);
	return date != NULL;
}

/* A date alone ends with its day. */
static gboolean take_dates(char **part, PlanFreeze *freeze)
{
	gint64 from_day = 0, to_day = 0;
	gboolean whole = !part[4] || !*part[4];
	freeze->kind = PLAN_FREEZE_DATES;
	if (!day_of(part[1], &from_day) || !day_of(part[3], &to_day) ||
	    !minute_of(part[2], &freeze->from_min) || !minute_of(part[4], &freeze->to_min))
		return FALSE;
	freeze->from_min += from_day * DAY_MIN;
	freeze->to_min += (to_day + whole) * DAY_MIN;
	freeze->reason = g_strdup(part[5]);
	return freeze->from_min < freeze->to_min;
}

static gint64 weekday_of(const char *name)
{
	static const char names[] = "MonTueWedThuFriSatSun";
	return (strstr(names, name) - names) / 3;
}

static gboolean take_week(char **part, PlanFreeze *freeze)
{
	freeze->kind = PLAN_FREEZE_WEEKLY;
	if (!minute_of(part[2], &freeze->from_min) || !minute_of(part[4], &freeze->to_min))
		return FALSE;
	freeze->from_min = (freeze->from_min + weekday_of(part[1]) * DAY_MIN) % WEEK_MIN;
	freeze->to_min = (freeze->to_min + weekday_of(part[3]) * DAY_MIN) % WEEK_MIN;
	freeze->reason = g_strdup(part[5]);
	return freeze->from_min != freeze->to_min;
}

static gboolean take_day(char **part, PlanFreeze *freeze)
{
	freeze->kind = PLAN_FREEZE_DAILY;
	if (!minute_of(part[1], &freeze->from_min) || !minute_of(part[2], &freeze->to_min))
		return FALSE;
	freeze->from_min %= DAY_MIN;
	freeze->to_min %= DAY_MIN;
	freeze->reason = g_strdup(part[3]);
	return freeze->from_min != freeze->to_min;
}

PlanFreeze *plan_freeze_parse(const char *text, GError **error)
{
	static const struct {
		const char *pattern;
		gboolean (*take)(char **part, PlanFreeze *freeze);
	} forms[] = {{"^" DATE TO DATE " (\\S.*)$", take_dates},
		     {"^" WEEKDAY TO WEEKDAY " (\\S.*)$", take_week},
		     {"^(\\d\\d:\\d\\d)" TO "(\\d\\d:\\d\\d) (\\S.*)$", take_day}};
	for (guint i = 0; i < G_N_ELEMENTS(forms); i++) {
		g_autoptr(GRegex) regex = g_regex_new(forms[i].pattern, 0, 0, NULL);
		g_autoptr(GMatchInfo) match = NULL;
		g_assert(regex);
		if (!g_regex_match(regex, text, 0, &match))
			continue;
		g_auto(GStrv) parts = g_match_info_fetch_all(match);
		g_autoptr(PlanFreeze) freeze = g_new0(PlanFreeze, 1);
		freeze->text = g_strdup(text);
		if (forms[i].take(parts, freeze))
			return g_steal_pointer(&freeze);
	}
	g_autofree char *shown = plan_show(text);
	util_error_set(error, TS_ERROR_USAGE,
		       "\"%s\" is no freeze; write \"2026-12-24 to 2026-12-26 REASON\", "
		       "\"2026-12-24 18:00 to 2026-12-27 06:00 REASON\", \"Fri 16:00 to Mon 06:00 "
		       "REASON\" or \"08:00 to 18:00 REASON\"",
		       shown);
	return NULL;
}

static gboolean within(gint64 from, gint64 to, gint64 minute)
{
	return from < to ? from <= minute && minute < to : minute >= from || minute < to;
}

/* minute: of the base's clock, since 1970 (which began on a Thursday). */
static gboolean covers(const PlanFreeze *freeze, gint64 minute)
{
	switch (freeze->kind) {
	case PLAN_FREEZE_DATES:
		return freeze->from_min <= minute && minute < freeze->to_min;
	case PLAN_FREEZE_WEEKLY:
		return within(freeze->from_min, freeze->to_min, (minute + 3 * DAY_MIN) % WEEK_MIN);
	case PLAN_FREEZE_DAILY:
		return within(freeze->from_min, freeze->to_min, minute % DAY_MIN);
	}
	return FALSE;
}

static const PlanFreeze *find(const GPtrArray *freezes, gint64 minute)
{
	for (guint i = 0; freezes && i < freezes->len; i++)
		if (covers(freezes->pdata[i], minute))
			return freezes->pdata[i];
	return NULL;
}

/* The freeze this instant falls into at this base, or NULL. */
static const PlanFreeze *freeze_at(PlanZones *zones, const PlanFacts *facts, const PlanBase *base,
				   gint64 utc)
{
	gint64 minute = (utc + plan_zones_offset(zones, base->zone, utc)) / 60;
	const PlanFreeze *found = find(facts->freezes, minute);
	return found ? found : find(base->freezes, minute);
}

/* By the minute; 0: none for a long time. */
static gint64 next_free(PlanZones *zones, const PlanFacts *facts, const PlanBase *base, gint64 utc)
{
	gint64 from = (utc + 59) / 60 * 60;
	for (gint64 n = 0; n < SEARCH_MIN; n++)
		if (!freeze_at(zones, facts, base, from + n * 60))
			return from + n * 60;
	return 0;
}

static void add_problem(GString *text, PlanZones *zones, const PlanFacts *facts,
			const PlanBase *base, gint64 at_utc, const PlanFreeze *freeze)
{
	gint64 free_utc = next_free(zones, facts, base, at_utc);
	g_autofree char *local = plan_zones_format(zones, base->zone, at_utc);
	g_autofree char *free_local = plan_zones_format(zones, base->zone, free_utc);
	g_autofree char *free_text = util_time_format_utc(free_utc);
	g_autofree char *shown = plan_show(freeze->text);
	g_string_append_printf(text, "%s, frozen %s", local, shown);
	if (free_utc > 0)
		g_string_append_printf(text, "; the next free minute is %s (%s)", free_local,
				       free_text);
}

gboolean plan_freezes_check(PlanZones *zones, const Plan *plan, const PlanFacts *facts,
			    const GPtrArray *bases, const PlanTable *table, GError **error)
{
	g_autoptr(GString) text = g_string_new(NULL);
	guint n = 0;
	for (guint i = 0; i < bases->len; i++) {
		const PlanTarget *target = table->targets->pdata[i];
		const PlanFreeze *freeze = freeze_at(zones, facts, bases->pdata[i], target->at_utc);
		if (!freeze || ++n > NAMES_SHOWN)
			continue;
		g_string_append_printf(text, "\n    %s: ", target->base);
		add_problem(text, zones, facts, bases->pdata[i], target->at_utc, freeze);
	}
	if (n > NAMES_SHOWN)
		g_string_append_printf(text, "\n    and %u more", n - NAMES_SHOWN);
	if (n == 0 || (plan->override && facts->may_override))
		return TRUE;
	if (plan->override)
		return plan_refuse(error, "Release-Override", plan->override,
				   "you may not override a freeze of this app; those who may stand "
				   "in `override` of its file at central:%s",
				   text->str);
	return plan_refuse(error, "Release-At", plan->at_text,
			   "it falls into a freeze at %u of %u bases; choose another time, or have "
			   "someone who may push it with \"Release-Override: REASON\":%s",
			   n, bases->len, text->str);
}

/* NULL also where it has no freeze, which is mostly so: then no zones need to be read. */
static const PlanBase *find_frozen_base(const PlanFacts *facts, const char *name)
{
	for (guint i = 0; i < facts->n_bases; i++) {
		const PlanBase *base = &facts->bases[i];
		gboolean any = (facts->freezes && facts->freezes->len > 0) ||
			       (base->freezes && base->freezes->len > 0);
		if (strcmp(base->name, name) == 0)
			return any ? base : NULL;
	}
	return NULL;
}

char *plan_freeze_alarm(const PlanFacts *facts, const char *name, gint64 at_utc)
{
	const PlanBase *base = find_frozen_base(facts, name);
	g_autoptr(PlanZones) zones = base ? plan_zones_load(facts->zone_dir, NULL) : NULL;
	const PlanFreeze *freeze = zones ? freeze_at(zones, facts, base, at_utc) : NULL;
	if (!freeze)
		return NULL;
	g_autoptr(GString) text = g_string_new(NULL);
	add_problem(text, zones, facts, base, at_utc, freeze);
	return g_string_free(g_steal_pointer(&text), FALSE);
}

gint64 plan_freeze_begins(const PlanFacts *facts, const char *name, gint64 from_utc,
			  gint64 until_utc)
{
	const PlanBase *base = find_frozen_base(facts, name);
	g_autoptr(PlanZones) zones = base ? plan_zones_load(facts->zone_dir, NULL) : NULL;
	for (gint64 utc = from_utc; zones && utc <= until_utc; utc = (utc / 60 + 1) * 60)
		if (freeze_at(zones, facts, base, utc))
			return utc;
	return 0;
}
