/* SPDX-License-Identifier: ISC */
/*
 * ZIP (APPNOTE 6.3.10): shared by zip-scan.c, which writes the form, and zip.c, which goes by it.
 *
 * The form after the kind byte:
 *   varint entries
 *   varint length and bytes: what stands before the first entry
 *   varint: how many of these the offsets in the directory do not count
 *   end: one byte, ZIP_END_*; with ZIP_END_64 four more: versions of the zip64 record
 *   varint length and bytes: comment of the archive
 *   columns of values (see archive-private.h), in the order of ZipColumn
 *   names, one per entry
 *   per opaque entry: varint unpacked bytes, CRC-32
 */
#pragma once

#include "delta/archive-private.h"

#define ZIP_LOCAL_HEADER 30 /* bytes, without what varies */
#define ZIP_CENTRAL_HEADER 46
#define ZIP_END_HEADER 22
#define ZIP_END_64_HEADER 56
#define ZIP_LOCATOR_HEADER 20
#define ZIP_LOCAL_SIGNATURE 0x04034b50
#define ZIP_CENTRAL_SIGNATURE 0x02014b50
#define ZIP_END_SIGNATURE 0x06054b50
#define ZIP_END_64_SIGNATURE 0x06064b50
#define ZIP_LOCATOR_SIGNATURE 0x07064b50
#define ZIP_DESCRIPTOR_SIGNATURE 0x08074b50

#define ZIP_METHOD_STORED 0
#define ZIP_METHOD_DEFLATED 8
/* Encrypted in one way or another, or a patch: cannot be unpacked. */
#define ZIP_FLAGS_OPAQUE 0x2061

/* How the end of the archive is written. */
#define ZIP_END_64 1 /* there is a zip64 record, and where it says more than the old one: */
#define ZIP_END_COUNT_MAX 2
#define ZIP_END_SIZE_MAX 4
#define ZIP_END_OFFSET_MAX 8
#define ZIP_END_FLAGS 15

typedef enum {
	ZIP_SHAPES, /* ZIP_SHAPE_BYTES, see below */
	ZIP_TIMES,  /* time and date */
	/* extra fields, local and central, sizes and offsets of zip64 in them zeroed */
	ZIP_LOCAL_EXTRAS,
	ZIP_CENTRAL_EXTRAS,
	ZIP_COMMENTS
} ZipColumn;
#define ZIP_COLUMNS (ZIP_COMMENTS + 1)

/* All that an entry is beside its name, time and content: few are different in one archive.
 *   0  made by, needed, flags, method (of the central entry)
 *   8  internal and external attributes
 *  14  needed, flags, method, time, date: the local header's XOR the central entry's
 *  24  layout */
#define ZIP_SHAPE_BYTES 26
#define ZIP_SHAPE_FLAGS 4
#define ZIP_SHAPE_METHOD 6
#define ZIP_SHAPE_ATTRIBUTES 8
#define ZIP_SHAPE_XOR 14
#define ZIP_SHAPE_XOR_BYTES 10
#define ZIP_SHAPE_LAYOUT 24

/* Layout: how the numbers that follow from the member are written. */
#define ZIP_LOCAL_CRC_ZERO 0x0001
#define ZIP_LOCAL_PACKED 1        /* shift of a ZipField */
#define ZIP_LOCAL_BYTES 3         /* the same */
#define ZIP_LOCAL_BYTES_64 0x0020 /* in the local zip64 field it is the true number */
#define ZIP_LOCAL_PACKED_64 0x0040
#define ZIP_CENTRAL_BYTES_64 0x0080
#define ZIP_CENTRAL_PACKED_64 0x0100
#define ZIP_CENTRAL_OFFSET_64 0x0200
#define ZIP_DESCRIPTOR 0x0400
#define ZIP_DESCRIPTOR_SIGNED 0x0800
#define ZIP_DESCRIPTOR_LONG 0x1000
#define ZIP_OPAQUE 0x2000 /* size and CRC do not follow from the packed bytes */
#define ZIP_LAYOUT_BITS 0x3fff

typedef enum { ZIP_FIELD_TRUE, ZIP_FIELD_ZERO, ZIP_FIELD_MAX } ZipField;

static inline gsize zip_column_width(ZipColumn column)
{
	return column == ZIP_SHAPES ? ZIP_SHAPE_BYTES : column == ZIP_TIMES ? 4 : 0;
}

/* The values of the zip64 extra field, if there are at least `len` bytes of them; else NULL. */
const guint8 *zip_field_64(const guint8 *extra, gsize extra_len, gsize len);
/* TRUE for what only the archive itself can say of an entry. */
static inline gboolean zip_must_be_opaque(guint flags, guint method)
{
	return flags & ZIP_FLAGS_OPAQUE ||
	       (method != ZIP_METHOD_STORED && method != ZIP_METHOD_DEFLATED);
}

gboolean zip_scan(const DeltaBytes *bytes, DeltaScanned *scanned, GError **error);
