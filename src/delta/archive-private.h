/* SPDX-License-Identifier: ISC */
/*
 * Shared by the files that take archives apart: archive.c asks the formats (zip.c, gzip.c, tar.c),
 * and these read through a window and write their forms in columns (values.c).
 */
#pragma once

#include "delta/archive.h"
#include "delta/delta-private.h"

/* ---- little-endian numbers ---- */

static inline guint16 delta_le16(const guint8 *at)
{
	return (guint16)(at[0] | at[1] << 8);
}

static inline guint32 delta_le32(const guint8 *at)
{
	return delta_le16(at) | (guint32)delta_le16(at + 2) << 16;
}

static inline guint64 delta_le64(const guint8 *at)
{
	return delta_le32(at) | (guint64)delta_le32(at + 4) << 32;
}

/* The low `width` bytes of value. */
static inline void delta_set_le(guint8 *at, guint64 value, guint width)
{
	for (guint i = 0; i < width; i++)
		at[i] = (guint8)(value >> 8 * i);
}

void delta_put_le(GByteArray *out, guint64 value, guint width);
void delta_put_zeros(GByteArray *out, gsize len);

/* ---- reading an archive ---- */

/* Bytes near each other are read at once. */
typedef struct {
	const DeltaBytes *bytes;
	guint64 start; /* of what `held` holds */
	GByteArray *held;
} DeltaWindow;

void delta_window_init(DeltaWindow *window, const DeltaBytes *bytes);
void delta_window_clear(DeltaWindow *window);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DeltaWindow, delta_window_clear)
/* len bytes at offset, until the next call; NULL if there are fewer, or with an error. */
const guint8 *delta_window_at(DeltaWindow *window, guint64 offset, gsize len, GError **error);

/* ---- columns of a form ---- */

typedef struct {
	const guint8 *data; /* borrowed */
	guint len;
} DeltaValue;

/* A form being read. */
typedef struct {
	DeltaReader reader;
	guint64 left_bytes; /* of the memory that it may take */
} DeltaForm;

/* FALSE when it is more than the caller allows. */
gboolean delta_form_charge(DeltaForm *form, guint64 bytes);
/* The next len bytes of the form itself. */
gboolean delta_form_bytes(DeltaForm *form, guint64 len, const guint8 **ret_data);
/* Up to max bytes with their length before them. */
gboolean delta_form_value(DeltaForm *form, guint64 max, DeltaValue *ret_value);

/*
 * A column of values of which most were there before, one per entry:
 *   runs     until all entries have their value: one byte, 0: a new value, else a place in the list
 *            of recent values, of which 0 would be the latest; varint (entries in a row - 1)
 *   values   the new ones, each `width` bytes, or with width 0: varint length and bytes
 * So the same order of other values costs these values only, and an entry more only its run.
 */
#define DELTA_RECENT_VALUES 128

typedef struct {
	DeltaValue values[DELTA_RECENT_VALUES]; /* the latest first */
	guint count;
} DeltaRecent;

typedef struct {
	gsize width;
	GByteArray *runs;
	GByteArray *values;
	GStringChunk *strings;
	DeltaRecent recent;
	guint run;
} DeltaValues;

void delta_values_init(DeltaValues *column, gsize width);
void delta_values_add(DeltaValues *column, const guint8 *data, gsize len);
/* Appends it to a form, and clears it. */
void delta_values_finish(DeltaValues *column, GByteArray *form);
void delta_values_clear(DeltaValues *column);
/* An array of `count`; NULL if the form is damaged. max: of the length with width 0. */
DeltaValue *delta_values_read(DeltaForm *form, guint count, gsize width, gsize max);

/* Names: varint (bytes shared with the beginning of the one before), the rest, NUL. `name` is the
 * one before, and then this one. */
void delta_name_put(GByteArray *out, GString *name, const char *next);
gboolean delta_name_get(DeltaForm *form, GString *name, gsize max);

/* ---- formats ---- */

typedef struct {
	GByteArray *form;
	GArray *members; /* DeltaMember, without names */
} DeltaScanned;

typedef struct {
	DeltaArchiveKind kind;
	gboolean (*sniff)(const guint8 *data, gsize len);
	/* FALSE without error if it is not of this format. */
	gboolean (*scan)(const DeltaBytes *bytes, DeltaScanned *scanned, GError **error);
	/* Reads archive->form after the kind byte: sets archive->parsed, appends the members. */
	gboolean (*read)(DeltaArchive *archive, DeltaForm *form);
	void (*head)(DeltaArchive *archive, guint i, const DeltaFacts *facts, GByteArray *out);
	void (*tail)(DeltaArchive *archive, GByteArray *out);
	void (*free)(gpointer parsed);
} DeltaFormat;

extern const DeltaFormat delta_zip_format;
extern const DeltaFormat delta_gzip_format;
extern const DeltaFormat delta_tar_format;

/* Copies the name; FALSE when there is no memory for one more. */
gboolean delta_archive_add_member(DeltaArchive *archive, DeltaForm *form, const char *name,
				  DeltaPacking packing);
