/* SPDX-License-Identifier: ISC */
/* Small text helpers: names, spelling, and making foreign text safe to print. */
#pragma once

/* As every side calls itself on the line. */
#define TAGSHIP_SOFTWARE "tagship " TAGSHIP_VERSION

#include <glib.h>

/* Names of apps, bases and groups: 1 to 64 of [a-z0-9._-], starting with a letter or digit, no
 * "..", not ending in ".lock" or ".". Sets a USAGE error that says `what` and why. */
gboolean util_name_check(const char *what, const char *name, GError **error);

/* Version names are tag names: like git's check-ref-format, but only printable ASCII
 * without space ~^:?*[\ and at most 200 bytes; no component starts with "." or "-". */
gboolean util_version_check(const char *name, GError **error);

/* Nearest of `candidates` (NULL-terminated) by edit distance, if near enough to be
 * what was meant (at most a third of its length, at least 1), ignoring case; else NULL. */
const char *util_text_nearest(const char *word, const char *const *candidates);

/* Copy with control characters and invalid UTF-8 shown as \xHH: for terminals and logs. */
char *util_text_printable(const char *text, gssize len);

/* "950 B", "12.3 KB", "1.2 MB" (powers of 1000, as line rates are). */
char *util_text_bytes(guint64 bytes);
/* "42 s", "3 min 20 s", "2 h 05 min", "3 d 4 h"; negative gets "-" in front. */
char *util_text_duration(gint64 seconds);

/* The last `lines` lines of text, at most max_bytes; pointer into text. */
const char *util_text_tail(const char *text, gsize len, guint lines, gsize max_bytes);

/* Decimal digits as printf writes them, up to max: no sign, no zeros in front. */
gboolean util_text_parse_count(const char *word, guint64 max, guint64 *ret_value);
