/* SPDX-License-Identifier: ISC */
#include "util/util.h"

#define NAME_MAX_BYTES 64
#define VERSION_MAX_BYTES 200

gboolean util_name_check(const char *what, const char *name, GError **error)
{
	gsize len = strlen(name);
	const char *why = NULL;
	if (len == 0 || len > NAME_MAX_BYTES)
		why = "it must have 1 to 64 characters";
	else if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") != len)
		why = "only a-z, 0-9, '.', '_' and '-' are allowed";
	else if (!g_ascii_isalnum(name[0]))
		why = "it must start with a letter or a digit";
	else if (strstr(name, ".."))
		why = "\"..\" is not allowed";
	else if (name[len - 1] == '.' || g_str_has_suffix(name, ".lock"))
		why = "it must not end in \".\" or \".lock\"";
	if (!why)
		return TRUE;
	g_autofree char *shown = util_text_printable(name, (gssize)MIN(len, 80));
	return util_error_set(error, TS_ERROR_USAGE, "%s \"%s\": %s", what, shown, why);
}

static const char *version_component_problem(const char *part)
{
	if (part[0] == '\0')
		return "it has an empty part";
	if (part[0] == '.' || part[0] == '-')
		return "no part may start with \".\" or \"-\"";
	if (g_str_has_suffix(part, ".lock"))
		return "no part may end in \".lock\"";
	return NULL;
}

static const char *version_problem(const char *name)
{
	gsize len = strlen(name);
	if (len == 0 || len > VERSION_MAX_BYTES)
		return "it must have 1 to 200 characters";
	for (const char *p = name; *p; p++)
		if (*p <= ' ' || *p > '~' || strchr("~^:?*[\\", *p))
			return "only printable ASCII without space ~^:?*[\\ is allowed";
	if (strstr(name, "..") || strstr(name, "@{"))
		return "\"..\" and \"@{\" are not allowed";
	if (name[len - 1] == '.')
		return "it must not end in \".\"";
	g_auto(GStrv) parts = g_strsplit(name, "/", -1);
	for (guint i = 0; parts[i]; i++) {
		const char *why = version_component_problem(parts[i]);
		if (why)
			return why;
	}
	return NULL;
}

gboolean util_version_check(const char *name, GError **error)
{
	const char *why = version_problem(name);
	if (!why)
		return TRUE;
	g_autofree char *shown = util_text_printable(name, (gssize)MIN(strlen(name), 80));
	return util_error_set(error, TS_ERROR_USAGE, "version \"%s\": %s", shown, why);
}

/* Edit distance with swapped neighbours as one edit (optimal string alignment), by three rows. */
static guint edit_distance(const char *a, const char *b)
{
	gsize n = strlen(b);
	g_autofree guint *rows = g_new0(guint, 3 * (n + 1));
	guint *before = rows, *last = rows + (n + 1), *row = rows + 2 * (n + 1);
	for (gsize j = 0; j <= n; j++)
		last[j] = (guint)j;
	for (gsize i = 0; a[i]; i++) {
		row[0] = (guint)i + 1;
		for (gsize j = 0; j < n; j++) {
			row[j + 1] = MIN(MIN(row[j], last[j + 1]) + 1, last[j] + (a[i] != b[j]));
			if (i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j])
				row[j + 1] = MIN(row[j + 1], before[j - 1] + 1);
		}
		guint *oldest = before;
		before = last;
		last = row;
		row = oldest;
	}
	return last[n];
}

const char *util_text_nearest(const char *word, const char *const *candidates)
{
	const char *best = NULL;
	guint best_distance = G_MAXUINT;
	g_autofree char *folded = g_ascii_strdown(word, -1);
	gsize len = strlen(word);
	if (len > 200)
		return NULL;
	for (guint i = 0; candidates && candidates[i]; i++) {
		g_autofree char *other = g_ascii_strdown(candidates[i], -1);
		guint distance = strlen(other) > 200 ? G_MAXUINT : edit_distance(folded, other);
		guint limit = MAX(1, (guint)MAX(len, strlen(other)) / 3);
		if (distance <= limit && distance < best_distance) {
			best = candidates[i];
			best_distance = distance;
		}
	}
	return best;
}

char *util_text_printable(const char *text, gssize len)
{
	GString *out = g_string_new(NULL);
	gsize left = len < 0 ? strlen(text) : (gsize)len;
	while (left > 0) {
		gunichar c = g_utf8_get_char_validated(text, (gssize)left);
		if (c == (gunichar)-1 || c == (gunichar)-2 || g_unichar_iscntrl(c) ||
		    g_unichar_type(c) == G_UNICODE_FORMAT) {
			g_string_append_printf(out, "\\x%02x", (guint8)*text);
			text++;
			left--;
			continue;
		}
		gsize size = (gsize)g_unichar_to_utf8(c, NULL);
		g_string_append_len(out, text, (gssize)size);
		text += size;
		left -= size;
	}
	return g_string_free(out, FALSE);
}

char *util_text_bytes(guint64 bytes)
{
	static const char *const units[] = {"KB", "MB", "GB", "TB"};
	if (bytes < 1000)
		return g_strdup_printf("%" G_GUINT64_FORMAT " B", bytes);
	double value = (double)bytes / 1000;
	guint unit = 0;
	while (value >= 999.95 && unit + 1 < G_N_ELEMENTS(units)) {
		value /= 1000;
		unit++;
	}
	return g_strdup_printf("%.1f %s", value, units[unit]);
}

char *util_text_duration(gint64 seconds)
{
	const char *sign = seconds < 0 ? "-" : "";
	gint64 s = ABS(seconds);
	if (s < 60)
		return g_strdup_printf("%s%d s", sign, (int)s);
	if (s < 3600)
		return g_strdup_printf("%s%d min %02d s", sign, (int)(s / 60), (int)(s % 60));
	if (s < 86400)
		return g_strdup_printf("%s%d h %02d min", sign, (int)(s / 3600),
				       (int)(s % 3600 / 60));
	return g_strdup_printf("%s%" G_GINT64_FORMAT " d %d h", sign, s / 86400,
			       (int)(s % 86400 / 3600));
}

const char *util_text_tail(const char *text, gsize len, guint lines, gsize max_bytes)
{
	const char *start = text + len;
	const char *floor = len > max_bytes ? text + len - max_bytes : text;
	guint seen = 0;
	if (start > floor && start[-1] == '\n')
		start--;
	while (start > floor) {
		if (start[-1] == '\n' && ++seen == lines)
			break;
		start--;
	}
	return start;
}

gboolean util_text_parse_count(const char *word, guint64 max, guint64 *ret_value)
{
	if (!g_ascii_isdigit(word[0]) || (word[0] == '0' && word[1] != '\0'))
		return FALSE;
	return g_ascii_string_to_unsigned(word, 10, 0, max, ret_value, NULL);
}
