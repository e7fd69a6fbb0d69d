/* SPDX-License-Identifier: ISC */
#include "plan/plan-private.h"

#define KEY "Release-At"
#define YEAR_MIN 2000
#define YEAR_MAX 2099
#define OFFSET_MAX_S (14 * 3600)

static const char forms[] =
    "It is one of\n"
    "    Release-At: 2026-12-01 02:00 base-local       each base's own clock\n"
    "    Release-At: 2026-12-01 02:00 Asia/Shanghai    the clock of one zone\n"
    "    Release-At: 2026-12-01T02:00+08:00            one instant; or ...Z\n"
    "    Release-At: now                               as soon as staged";

/* TRUE if text begins like pattern, in which '0' stands for any digit. */
static gboolean shaped(const char *text, const char *pattern)
{
	for (; *pattern; text++, pattern++)
		if (*pattern == '0' ? !g_ascii_isdigit(*text) : *text != *pattern)
			return FALSE;
	return TRUE;
}

static int two_digits(const char *text)
{
	return (text[0] - '0') * 10 + (text[1] - '0');
}

/* Length of a date "2026-12-01", 0 if it is none. */
static gsize scan_date(const char *text, PlanLocal *local)
{
	if (!shaped(text, "0000-00-00"))
		return 0;
	local->year = two_digits(text) * 100 + two_digits(text + 2);
	local->month = two_digits(text + 5);
	local->day = two_digits(text + 8);
	return 10;
}

/* Length of a time "02:00" or "02:00:30", 0 if it is none. */
static gsize scan_time(const char *text, PlanLocal *local)
{
	if (!shaped(text, "00:00"))
		return 0;
	local->hour = two_digits(text);
	local->minute = two_digits(text + 3);
	local->second = 0;
	if (text[5] != ':')
		return 5;
	if (!shaped(text + 5, ":00"))
		return 0;
	local->second = two_digits(text + 6);
	return 8;
}

/* Length of "Z" or "+08:00", 0 if it is none. */
static gsize scan_offset(const char *text, gint64 *ret_offset_s)
{
	*ret_offset_s = 0;
	if (text[0] == 'Z')
		return 1;
	if (!shaped(text, "+00:00") && !shaped(text, "-00:00"))
		return 0;
	int minutes = two_digits(text + 4);
	*ret_offset_s = two_digits(text + 1) * 3600 + minutes * 60;
	if (minutes > 59)
		*ret_offset_s = G_MAXINT64;
	else if (text[0] == '-')
		*ret_offset_s = -*ret_offset_s;
	return 6;
}

static gboolean check_local(const char *value, const PlanLocal *local, GError **error)
{
	if (local->year < YEAR_MIN || local->year > YEAR_MAX)
		return plan_refuse(error, KEY, value, "the year must be %d to %d", YEAR_MIN,
				   YEAR_MAX);
	if (local->month < 1 || local->month > 12)
		return plan_refuse(
		    error, KEY, value,
		    "there is no month %02d; dates are year-month-day, as 2026-12-01",
		    local->month);
	int days = g_date_get_days_in_month((GDateMonth)local->month, (GDateYear)local->year);
	if (local->day < 1 || local->day > days)
		return plan_refuse(error, KEY, value,
				   "there is no day %02d in %d-%02d, which ends with day %d",
				   local->day, local->year, local->month, days);
	if (local->hour == 24 && local->minute == 0)
		return plan_refuse(error, KEY, value,
				   "hours go from 00 to 23; write 00:00 of the next day");
	if (local->hour > 23)
		return plan_refuse(error, KEY, value,
				   "there is no hour %02d; hours go from 00 to 23", local->hour);
	if (local->minute > 59 || local->second > 59)
		return plan_refuse(error, KEY, value, "minutes and seconds go from 00 to 59");
	return TRUE;
}

/* "2026-12-01T02:00+08:00" */
static gboolean set_instant(Plan *plan, const char *value, GError **error)
{
	PlanLocal local = {0};
	gint64 offset_s = 0;
	gsize at = scan_date(value, &local);
	if (at == 0 || value[at] != 'T')
		return plan_refuse(error, KEY, value, "not a time this can read. %s", forms);
	gsize used = scan_time(value + at + 1, &local);
	if (used == 0)
		return plan_refuse(error, KEY, value,
				   "no good time follows the T; write 02:00 or 02:00:00. %s",
				   forms);
	at += 1 + used;
	if (value[at] == '\0')
		return plan_refuse(
		    error, KEY, value,
		    "no offset from UTC follows the time; write %sZ for UTC or %s+08:00, "
		    "or name a zone as in \"2026-12-01 02:00 Asia/Shanghai\"",
		    value, value);
	used = scan_offset(value + at, &offset_s);
	if (used == 0 || value[at + used] != '\0')
		return plan_refuse(error, KEY, value,
				   "the offset after the time must be Z or like +08:00");
	if (!check_local(value, &local, error))
		return FALSE;
	if (ABS(offset_s) > OFFSET_MAX_S)
		return plan_refuse(error, KEY, value, "offsets go from -14:00 to +14:00");
	g_autoptr(GDateTime) time = g_date_time_new_utc(local.year, local.month, local.day,
							local.hour, local.minute, local.second);
	plan->at = PLAN_AT_INSTANT;
	plan->utc = g_date_time_to_unix(time) - offset_s;
	return TRUE;
}

/* "2026-12-01 02:00 ZONE" */
static gboolean set_local(Plan *plan, const char *value, char **words, GError **error)
{
	static const char *const base_local[] = {"base-local", NULL};
	const char *zone = words[2];
	gint64 offset_s = 0;
	gsize date = scan_date(words[0], &plan->local);
	if (date == 0 || words[0][date] != '\0')
		return plan_refuse(error, KEY, value, "%s is no date like 2026-12-01. %s", words[0],
				   forms);
	gsize time = scan_time(words[1], &plan->local);
	if (time == 0 || words[1][time] != '\0')
		return plan_refuse(
		    error, KEY, value,
		    "%s is no time like 02:00 or 02:00:00 (24 hours, two digits each)", words[1]);
	if (!zone)
		return plan_refuse(
		    error, KEY, value,
		    "it does not say whose clock; write \"%s base-local\" for each base's "
		    "own, or name a zone as in \"%s Asia/Shanghai\"",
		    value, value);
	if (scan_offset(zone, &offset_s) > 0)
		return plan_refuse(error, KEY, value,
				   "with an offset it is written in one word: %sT%s%s", words[0],
				   words[1], zone);
	if (!check_local(value, &plan->local, error))
		return FALSE;
	if (strcmp(zone, base_local[0]) == 0) {
		plan->at = PLAN_AT_BASE_LOCAL;
		return TRUE;
	}
	if (util_text_nearest(zone, base_local))
		return plan_refuse(error, KEY, value, "did you mean base-local?");
	plan->at = PLAN_AT_ZONE;
	plan->zone = g_strdup(zone);
	return TRUE;
}

/* Splits at blanks, without empty words. */
static char **split_words(const char *value)
{
	g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
	g_auto(GStrv) parts = g_strsplit_set(value, " \t", -1);
	for (guint i = 0; parts[i]; i++)
		if (parts[i][0] != '\0')
			g_strv_builder_add(builder, parts[i]);
	return g_strv_builder_end(builder);
}

gboolean plan_set_at(Plan *plan, const char *value, GError **error)
{
	g_auto(GStrv) words = split_words(value);
	guint n = g_strv_length(words);
	plan->at_text = g_strdup(value);
	if (n == 1 && strcmp(words[0], "now") == 0) {
		plan->at = PLAN_AT_NOW;
		return TRUE;
	}
	if (n == 1 && g_ascii_strcasecmp(words[0], "now") == 0)
		return plan_refuse(error, KEY, value, "write now, in small letters");
	if (n == 1)
		return set_instant(plan, words[0], error);
	if (n == 4 && g_ascii_strcasecmp(words[2], "base") == 0 &&
	    g_ascii_strcasecmp(words[3], "local") == 0)
		return plan_refuse(error, KEY, value, "write base-local, with a hyphen");
	if (n > 3)
		return plan_refuse(error, KEY, value, "too many words. %s", forms);
	return set_local(plan, value, words, error);
}
