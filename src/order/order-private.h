/* SPDX-License-Identifier: ISC */
/* What the files of this room share; nobody else includes it. */
#pragma once

#include "order/order.h"

#define ORDER_BYTES_MAX (G_GINT64_CONSTANT(1) << 50)
#define ORDER_GRACE_MAX_S (7 * 24 * 3600)
#define ORDER_OUTAGE_MAX_S (24 * 3600)
#define ORDER_WAVES_MAX 1000

/* fields.c: checked reading of trailer text, for both formats. A reader keeps the first error and
 * makes all further calls do nothing, so that a parser is a list of fields. */
typedef struct {
	const UtilTrailers *trailers;
	GError **error;
	gboolean ok;
} FieldReader;

/* A text value that `check` accepts; absent is wrong unless `optional` (then *ret stays NULL). */
typedef gboolean (*FieldCheck)(const char *value);
void field_text(FieldReader *reader, const char *key, FieldCheck check, gboolean optional,
		char **ret);
void field_int(FieldReader *reader, const char *key, gint64 min, gint64 max, gint64 *ret);
void field_uint(FieldReader *reader, const char *key, gint64 min, gint64 max, guint64 *ret);
void field_time(FieldReader *reader, const char *key, gint64 *ret);
/* One of two words; *ret is TRUE for `yes`. */
void field_choice(FieldReader *reader, const char *key, const char *yes, const char *no,
		  gboolean *ret);
void field_wrong(FieldReader *reader, const char *key, const char *format, ...) G_GNUC_PRINTF(3, 4);

gboolean field_is_name(const char *value);
gboolean field_is_name_or_dash(const char *value);
gboolean field_is_version(const char *value);
gboolean field_is_oid(const char *value);
gboolean field_is_root(const char *value);
gboolean field_is_root_or_dash(const char *value);
gboolean field_is_line(const char *value); /* one line of 1 to 200 bytes */
gboolean field_is_note(const char *value); /* 1 to ORDER_NOTE_MAX bytes */

/* Parses, and checks that text begins with "FORMAT: N", N from 1 to `newest`, and has only known
 * keys (NULL: the caller checks them), none twice but `repeats`; keys that start with "X-" are
 * dropped. */
UtilTrailers *field_parse(const char *format, guint newest, const char *const *keys,
			  const char *repeats, const char *text, gsize len, GError **error);
/* CORRUPT; always FALSE. */
gboolean field_unknown(const char *key, GError **error);
/* CORRUPT with the line unless `trailers` format to exactly `canonical`. */
gboolean field_check_canonical(const UtilTrailers *trailers, const char *canonical, GError **error);
/* Adds a text value without its bytes behind `max`; NULL and "" add nothing. */
void field_add_clipped(UtilTrailers *trailers, const char *key, const char *value, gsize max);
