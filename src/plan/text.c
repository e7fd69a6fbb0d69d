/* SPDX-License-Identifier: ISC */
#include "plan/plan-private.h"

#define SHOW_MAX_BYTES 120
#define LINE_MAX_BYTES 600

static char *show_up_to(const char *text, gsize max)
{
	gsize len = strlen(text);
	if (len <= max)
		return util_text_printable(text, (gssize)len);
	len = max;
	while (len > max - 4 && ((guchar)text[len] & 0xc0) == 0x80)
		len--;
	g_autofree char *start = util_text_printable(text, (gssize)len);
	return g_strconcat(start, "…", NULL);
}

char *plan_show(const char *text)
{
	return show_up_to(text, SHOW_MAX_BYTES);
}

/* Line by line, so that pieces of a hostile value inside it cannot draw on a terminal. */
static char *show_lines(const char *text)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	for (guint i = 0; lines[i]; i++) {
		g_autofree char *line = lines[i];
		lines[i] = show_up_to(line, LINE_MAX_BYTES);
	}
	return g_strjoinv("\n", lines);
}

gboolean plan_refuse(GError **error, const char *key, const char *value, const char *format, ...)
{
	g_autofree char *shown = plan_show(value);
	va_list args;
	va_start(args, format);
	g_autofree char *raw = g_strdup_vprintf(format, args);
	va_end(args);
	g_autofree char *what = show_lines(raw);
	return util_error_set(error, TS_ERROR_REFUSED, "%s: %s: %s", key, shown, what);
}

guint plan_count(const char *const *strings)
{
	guint n = 0;
	while (strings && strings[n])
		n++;
	return n;
}

char *plan_list(const char *const *names, guint max)
{
	GString *out = g_string_new(NULL);
	guint n = plan_count(names);
	for (guint i = 0; i < MIN(n, max); i++)
		g_string_append_printf(out, "%s%s", i > 0 ? ", " : "", names[i]);
	if (n > max)
		g_string_append_printf(out, " and %u more", n - max);
	if (n == 0)
		g_string_append(out, "none");
	return g_string_free(out, FALSE);
}
