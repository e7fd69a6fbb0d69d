/* SPDX-License-Identifier: ISC */
/*
 * Trailer text: the one text format of orders, reports, records, jobs, journals' payloads and
 * wire headers. Lines of "Key: value", keys [A-Za-z][A-Za-z0-9-]*, one space after the
 * colon. A value that holds a newline is folded: each further line starts with one space.
 * No NUL, no CR, no other control characters but tab; UTF-8 is not enforced (paths), each line ends
 * with a newline. The order of keys is kept; keys may repeat where the reader says so.
 *
 *   g_autoptr(UtilTrailers) t = util_trailers_new();
 *   util_trailers_add(t, "App", "shop");
 *   g_autofree char *text = util_trailers_format(t);
 *   ... util_trailers_parse(text, strlen(text), &error)
 */
#pragma once

#include <glib.h>

typedef struct UtilTrailers UtilTrailers;

UtilTrailers *util_trailers_new(void);
void util_trailers_free(UtilTrailers *trailers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(UtilTrailers, util_trailers_free)

/* Strict: CORRUPT with the line number for anything that util_trailers_format would not write. */
UtilTrailers *util_trailers_parse(const char *text, gsize len, GError **error);
/* Canonical text; caller frees. */
char *util_trailers_format(const UtilTrailers *trailers);

/* A NULL value adds nothing. Control characters in the value (but newline and tab) become '?'. */
void util_trailers_add(UtilTrailers *trailers, const char *key, const char *value);
void util_trailers_add_int(UtilTrailers *trailers, const char *key, gint64 value);
/* As "2026-12-01T02:00:00Z". */
void util_trailers_add_time(UtilTrailers *trailers, const char *key, gint64 utc);

guint util_trailers_count(const UtilTrailers *trailers);
const char *util_trailers_key(const UtilTrailers *trailers, guint index);
const char *util_trailers_value(const UtilTrailers *trailers, guint index);

/* First value of the key, or NULL. Keys compare exactly. */
const char *util_trailers_get(const UtilTrailers *trailers, const char *key);
/* A missing or bad value is CORRUPT with the key named. */
gboolean util_trailers_need(const UtilTrailers *trailers, const char *key, const char **ret_value,
			    GError **error);
gboolean util_trailers_need_int(const UtilTrailers *trailers, const char *key, gint64 min,
				gint64 max, gint64 *ret_value, GError **error);
gboolean util_trailers_need_time(const UtilTrailers *trailers, const char *key, gint64 *ret_utc,
				 GError **error);
/* Missing gives `fallback`; bad is still CORRUPT. */
gboolean util_trailers_opt_int(const UtilTrailers *trailers, const char *key, gint64 min,
			       gint64 max, gint64 fallback, gint64 *ret_value, GError **error);
