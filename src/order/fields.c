/* SPDX-License-Identifier: ISC */
#include "order/order-private.h"

void field_wrong(FieldReader *reader, const char *key, const char *format, ...)
{
	if (!reader->ok)
		return;
	va_list args;
	va_start(args, format);
	g_autofree char *what = g_strdup_vprintf(format, args);
	va_end(args);
	reader->ok = util_error_set(reader->error, TS_ERROR_CORRUPT, "%s: %s", key, what);
}

void field_text(FieldReader *reader, const char *key, FieldCheck check, gboolean optional,
		char **ret)
{
	const char *value = NULL;
	if (!reader->ok || (optional && !util_trailers_get(reader->trailers, key)))
		return;
	reader->ok = util_trailers_need(reader->trailers, key, &value, reader->error);
	if (!reader->ok)
		return;
	if (check(value)) {
		*ret = g_strdup(value);
		return;
	}
	g_autofree char *shown = util_text_printable(value, (gssize)MIN(strlen(value), 80));
	field_wrong(reader, key, "\"%s\" is not what must stand there", shown);
}

void field_int(FieldReader *reader, const char *key, gint64 min, gint64 max, gint64 *ret)
{
	if (reader->ok)
		reader->ok =
		    util_trailers_need_int(reader->trailers, key, min, max, ret, reader->error);
}

void field_uint(FieldReader *reader, const char *key, gint64 min, gint64 max, guint64 *ret)
{
	gint64 value = 0;
	g_assert(min >= 0);
	field_int(reader, key, min, max, &value);
	if (reader->ok)
		*ret = (guint64)value;
}

void field_time(FieldReader *reader, const char *key, gint64 *ret)
{
	if (reader->ok)
		reader->ok = util_trailers_need_time(reader->trailers, key, ret, reader->error);
}

void field_choice(FieldReader *reader, const char *key, const char *yes, const char *no,
		  gboolean *ret)
{
	const char *value = NULL;
	if (reader->ok)
		reader->ok = util_trailers_need(reader->trailers, key, &value, reader->error);
	if (!reader->ok)
		return;
	*ret = strcmp(value, yes) == 0;
	if (!*ret && strcmp(value, no) != 0)
		field_wrong(reader, key, "it must be %s or %s", yes, no);
}

gboolean field_is_name(const char *value)
{
	return util_name_check("name", value, NULL);
}

gboolean field_is_name_or_dash(const char *value)
{
	return strcmp(value, "-") == 0 || field_is_name(value);
}

gboolean field_is_version(const char *value)
{
	return util_version_check(value, NULL);
}

gboolean field_is_oid(const char *value)
{
	return util_oid_hex_ok(value);
}

gboolean field_is_root(const char *value)
{
	return util_sha256_hex_ok(value);
}

gboolean field_is_root_or_dash(const char *value)
{
	return strcmp(value, "-") == 0 || util_sha256_hex_ok(value);
}

gboolean field_is_line(const char *value)
{
	gsize len = strlen(value);
	return len > 0 && len <= ORDER_LINE_MAX && !strpbrk(value, "\n\t");
}

gboolean field_is_note(const char *value)
{
	gsize len = strlen(value);
	return len > 0 && len <= ORDER_NOTE_MAX;
}

static gboolean check_format(const UtilTrailers *trailers, const char *format, guint newest,
			     GError **error)
{
	guint64 known = 0;
	if (util_trailers_count(trailers) == 0 ||
	    strcmp(util_trailers_key(trailers, 0), format) != 0)
		return util_error_set(error, TS_ERROR_CORRUPT, "the first line is not \"%s: ...\"",
				      format);
	const char *number = util_trailers_value(trailers, 0);
	if (g_ascii_string_to_unsigned(number, 10, 1, newest, &known, NULL) && number[0] != '0')
		return TRUE;
	gsize digits = strspn(number, "0123456789");
	if (digits == 0 || digits > 9 || number[digits] != '\0' || number[0] == '0')
		return util_error_set(error, TS_ERROR_CORRUPT, "%s: not a format number", format);
	return util_error_set(
	    error, TS_ERROR_UNSUPPORTED,
	    "%s: format %s is newer than this tagship, which knows %u; upgrade it", format, number,
	    newest);
}

gboolean field_unknown(const char *key, GError **error)
{
	g_autofree char *shown = util_text_printable(key, (gssize)MIN(strlen(key), 80));
	return util_error_set(error, TS_ERROR_CORRUPT, "unknown key \"%s\"", shown);
}

UtilTrailers *field_parse(const char *format, guint newest, const char *const *keys,
			  const char *repeats, const char *text, gsize len, GError **error)
{
	if (len > ORDER_TEXT_MAX) {
		util_error_set(error, TS_ERROR_CORRUPT,
			       "%" G_GSIZE_FORMAT " bytes, more than the %d allowed", len,
			       ORDER_TEXT_MAX);
		return NULL;
	}
	g_autoptr(UtilTrailers) all = util_trailers_parse(text, len, error);
	g_autoptr(UtilTrailers) known = util_trailers_new();
	g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
	if (!all || !check_format(all, format, newest, error))
		return NULL;
	for (guint i = 0; i < util_trailers_count(all); i++) {
		const char *key = util_trailers_key(all, i);
		if (g_str_has_prefix(key, "X-"))
			continue;
		if (i > 0 && keys && !g_strv_contains(keys, key)) {
			field_unknown(key, error);
			return NULL;
		}
		if (!g_hash_table_add(seen, (gpointer)(guintptr)key) &&
		    g_strcmp0(key, repeats) != 0) {
			util_error_set(error, TS_ERROR_CORRUPT, "key %s stands twice", key);
			return NULL;
		}
		util_trailers_add(known, key, util_trailers_value(all, i));
	}
	return g_steal_pointer(&known);
}

gboolean field_check_canonical(const UtilTrailers *trailers, const char *canonical, GError **error)
{
	g_autofree char *text = util_trailers_format(trailers);
	if (strcmp(text, canonical) == 0)
		return TRUE;
	guint line = 1;
	for (gsize i = 0; text[i] != '\0' && text[i] == canonical[i]; i++)
		line += text[i] == '\n';
	return util_error_set(error, TS_ERROR_CORRUPT,
			      "line %u: a key out of its place, or a value not written the one way "
			      "it may be",
			      line);
}

void field_add_clipped(UtilTrailers *trailers, const char *key, const char *value, gsize max)
{
	if (!value || value[0] == '\0')
		return;
	gsize len = strlen(value);
	const char *end = NULL;
	if (len > max && !g_utf8_validate(value, (gssize)max, &end) &&
	    max - (gsize)(end - value) < 4)
		max = (gsize)(end - value); /* no half character at the end */
	g_autofree char *clipped = g_strndup(value, MIN(len, max));
	util_trailers_add(trailers, key, clipped);
}
