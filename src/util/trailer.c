/* SPDX-License-Identifier: ISC */
#include "util/util.h"

typedef struct {
	char *key;
	char *value;
} Trailer;

/* A value being read: folded lines are added to it, in linear time. */
typedef struct {
	UtilTrailers *trailers;
	GString *value; /* of the last key, or NULL */
} Reading;

struct UtilTrailers {
	GArray *items;
};

static void trailer_clear(gpointer item)
{
	Trailer *trailer = item;
	g_free(trailer->key);
	g_free(trailer->value);
}

UtilTrailers *util_trailers_new(void)
{
	UtilTrailers *trailers = g_new0(UtilTrailers, 1);
	trailers->items = g_array_new(FALSE, FALSE, sizeof(Trailer));
	g_array_set_clear_func(trailers->items, trailer_clear);
	return trailers;
}

void util_trailers_free(UtilTrailers *trailers)
{
	if (!trailers)
		return;
	g_array_unref(trailers->items);
	g_free(trailers);
}

static gboolean is_bad_byte(char c)
{
	return ((guchar)c < 0x20 && c != '\t') || c == 0x7f;
}

/* Length of the key at the start of a line, 0 if there is none. */
static gsize key_length(const char *line, gsize len)
{
	gsize n = 0;
	while (n < len && (g_ascii_isalnum(line[n]) || (n > 0 && line[n] == '-')))
		n++;
	return n > 0 && g_ascii_isalpha(line[0]) ? n : 0;
}

static void take_value(Reading *reading)
{
	if (!reading->value)
		return;
	GArray *items = reading->trailers->items;
	Trailer *last = &g_array_index(items, Trailer, items->len - 1);
	last->value = g_string_free(g_steal_pointer(&reading->value), FALSE);
}

static const char *parse_line(Reading *reading, const char *line, gsize len)
{
	for (gsize i = 0; i < len; i++)
		if (is_bad_byte(line[i]))
			return "a control character";
	if (len > 0 && line[0] == ' ') {
		if (!reading->value)
			return "a continuation line without a key before it";
		g_string_append_c(reading->value, '\n');
		g_string_append_len(reading->value, line + 1, (gssize)len - 1);
		return NULL;
	}
	gsize key = key_length(line, len);
	if (key == 0 || key + 2 > len || line[key] != ':' || line[key + 1] != ' ')
		return "not of the form \"Key: value\"";
	take_value(reading);
	Trailer trailer = {g_strndup(line, key), NULL};
	g_array_append_val(reading->trailers->items, trailer);
	reading->value = g_string_new_len(line + key + 2, (gssize)(len - key - 2));
	return NULL;
}

UtilTrailers *util_trailers_parse(const char *text, gsize len, GError **error)
{
	g_autoptr(UtilTrailers) trailers = util_trailers_new();
	Reading reading = {trailers, NULL};
	const char *end = text + len;
	const char *why = NULL;
	guint number = 0;
	while (text < end && !why) {
		const char *newline = memchr(text, '\n', (gsize)(end - text));
		number++;
		why = newline ? parse_line(&reading, text, (gsize)(newline - text))
			      : "no newline at the end";
		text = newline ? newline + 1 : end;
	}
	take_value(&reading);
	if (!why)
		return g_steal_pointer(&trailers);
	util_error_set(error, TS_ERROR_CORRUPT, "line %u: %s", number, why);
	return NULL;
}

char *util_trailers_format(const UtilTrailers *trailers)
{
	GString *out = g_string_new(NULL);
	for (guint i = 0; i < trailers->items->len; i++) {
		const Trailer *trailer = &g_array_index(trailers->items, Trailer, i);
		g_string_append_printf(out, "%s: ", trailer->key);
		for (const char *p = trailer->value; *p; p++) {
			g_string_append_c(out, *p);
			if (*p == '\n')
				g_string_append_c(out, ' ');
		}
		g_string_append_c(out, '\n');
	}
	return g_string_free(out, FALSE);
}

void util_trailers_add(UtilTrailers *trailers, const char *key, const char *value)
{
	if (!value)
		return;
	g_assert(key_length(key, strlen(key)) == strlen(key));
	Trailer trailer = {g_strdup(key), g_strdup(value)};
	for (char *p = trailer.value; *p; p++)
		if (is_bad_byte(*p) && *p != '\n')
			*p = '?';
	g_array_append_val(trailers->items, trailer);
}

void util_trailers_add_int(UtilTrailers *trailers, const char *key, gint64 value)
{
	g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, value);
	util_trailers_add(trailers, key, text);
}

void util_trailers_add_time(UtilTrailers *trailers, const char *key, gint64 utc)
{
	g_autofree char *text = util_time_format_utc(utc);
	util_trailers_add(trailers, key, text);
}

guint util_trailers_count(const UtilTrailers *trailers)
{
	return trailers->items->len;
}

const char *util_trailers_key(const UtilTrailers *trailers, guint index)
{
	g_assert(index < trailers->items->len);
	return g_array_index(trailers->items, Trailer, index).key;
}

const char *util_trailers_value(const UtilTrailers *trailers, guint index)
{
	g_assert(index < trailers->items->len);
	return g_array_index(trailers->items, Trailer, index).value;
}

const char *util_trailers_get(const UtilTrailers *trailers, const char *key)
{
	for (guint i = 0; i < trailers->items->len; i++) {
		const Trailer *trailer = &g_array_index(trailers->items, Trailer, i);
		if (strcmp(trailer->key, key) == 0)
			return trailer->value;
	}
	return NULL;
}

gboolean util_trailers_need(const UtilTrailers *trailers, const char *key, const char **ret_value,
			    GError **error)
{
	const char *value = util_trailers_get(trailers, key);
	if (!value)
		return util_error_set(error, TS_ERROR_CORRUPT, "%s is missing", key);
	*ret_value = value;
	return TRUE;
}

gboolean util_trailers_need_int(const UtilTrailers *trailers, const char *key, gint64 min,
				gint64 max, gint64 *ret_value, GError **error)
{
	const char *text = NULL;
	if (!util_trailers_need(trailers, key, &text, error))
		return FALSE;
	g_autoptr(GError) bad = NULL;
	gint64 value = 0;
	if (!g_ascii_string_to_signed(text, 10, min, max, &value, &bad))
		return util_error_set(error, TS_ERROR_CORRUPT, "%s: %s", key, bad->message);
	*ret_value = value;
	return TRUE;
}

gboolean util_trailers_need_time(const UtilTrailers *trailers, const char *key, gint64 *ret_utc,
				 GError **error)
{
	const char *text = NULL;
	if (!util_trailers_need(trailers, key, &text, error))
		return FALSE;
	if (util_time_parse_utc(text, ret_utc, error))
		return TRUE;
	g_prefix_error(error, "%s: ", key);
	return FALSE;
}

gboolean util_trailers_opt_int(const UtilTrailers *trailers, const char *key, gint64 min,
			       gint64 max, gint64 fallback, gint64 *ret_value, GError **error)
{
	if (!util_trailers_get(trailers, key)) {
		*ret_value = fallback;
		return TRUE;
	}
	return util_trailers_need_int(trailers, key, min, max, ret_value, error);
}
