/* SPDX-License-Identifier: ISC */
/* Hours of the day: "08:00-18:00" or "08:00-18:00 300". */
#include <stdio.h>

#include "conf/conf-private.h"

#define DAY_MINUTES (24 * 60)

typedef struct {
	guint from, to; /* minutes of the day; from > to: over midnight */
	gint64 number;
} Span;

/* "HH:MM", 24:00 for the end of the day. */
static gboolean parse_minute(const char *text, guint *ret_minute)
{
	for (guint i = 0; i < 5; i++)
		if (i == 2 ? text[i] != ':' : !g_ascii_isdigit(text[i]))
			return FALSE;
	guint hour = (guint)(text[0] - '0') * 10 + (guint)(text[1] - '0');
	guint minute = (guint)(text[3] - '0') * 10 + (guint)(text[4] - '0');
	*ret_minute = hour * 60 + minute;
	return minute < 60 && *ret_minute <= DAY_MINUTES;
}

static gboolean parse_span(const char *text, gboolean numbered, Span *ret)
{
	guint64 number = 0;
	if (strlen(text) < strlen("00:00-24:00") || text[5] != '-' ||
	    !parse_minute(text, &ret->from) || !parse_minute(text + 6, &ret->to) ||
	    ret->from == ret->to || ret->from == DAY_MINUTES)
		return FALSE;
	if (!numbered)
		return text[11] == '\0';
	if (text[11] != ' ' ||
	    !g_ascii_string_to_unsigned(text + 12, 10, CONF_RATE_MIN, CONF_RATE_MAX, &number, NULL))
		return FALSE;
	ret->number = (gint64)number;
	return TRUE;
}

static gboolean covers(const Span *span, guint minute)
{
	if (span->from < span->to)
		return minute >= span->from && minute < span->to;
	return minute >= span->from || minute < span->to;
}

static guint minute_of_day(gint64 utc)
{
	g_autoptr(GDateTime) local = g_date_time_new_from_unix_local(utc);
	return local ? (guint)(g_date_time_get_hour(local) * 60 + g_date_time_get_minute(local))
		     : 0;
}

static const char *find(char *const *hours, guint minute, gboolean numbered, Span *ret)
{
	for (char *const *p = hours; *p; p++)
		if (parse_span(*p, numbered, ret) && covers(ret, minute))
			return *p;
	return NULL;
}

gint64 conf_hours_number(char *const *hours, gint64 utc, gint64 fallback)
{
	Span span = {0};
	return hours && find(hours, minute_of_day(utc), TRUE, &span) ? span.number : fallback;
}

gint64 conf_hours_opens_s(char *const *hours, gint64 utc)
{
	Span span = {0};
	if (!hours || !*hours || find(hours, minute_of_day(utc), FALSE, &span))
		return 0;
	/* minute by minute: clocks that are put forward or back need no thought */
	for (gint64 at = utc - utc % 60 + 60;; at += 60)
		if (find(hours, minute_of_day(at), FALSE, &span) || at - utc > 2 * 86400)
			return at - utc;
}

gboolean conf_check_hours(const char *value, GError **error)
{
	Span span = {0};
	if (parse_span(value, FALSE, &span))
		return TRUE;
	g_autofree char *shown = util_text_printable(value, -1);
	return util_error_set(error, TS_ERROR_USAGE,
			      "\"%s\" are no hours of the day; write \"02:00-06:00\"", shown);
}

gboolean conf_check_rate_hours(const char *value, GError **error)
{
	Span span = {0};
	if (parse_span(value, TRUE, &span))
		return TRUE;
	g_autofree char *shown = util_text_printable(value, -1);
	return util_error_set(error, TS_ERROR_USAGE,
			      "\"%s\" are no hours with a rate from %d to %d kbit/s; write "
			      "\"08:00-18:00 300\"",
			      shown, CONF_RATE_MIN, CONF_RATE_MAX);
}
