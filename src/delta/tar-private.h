/* SPDX-License-Identifier: ISC */
/*
 * tar (POSIX ustar and pax, GNU): shared by tar-scan.c, which writes the form, and tar.c, which
 * goes by it.
 *
 * The form after the kind byte:
 *   varint headers
 *   varint 0: zeros at the end fill the last record of 20 blocks, at least two blocks of them;
 *          else 1 + their bytes
 *   columns of values (see archive-private.h), in the order of TarColumn
 *   names, one per header: the field of that name; those of pax and GNU's own headers follow each
 *          other, and those of all others
 *   per header of the first kind: varint length and bytes of its data
 */
#pragma once

#include "delta/archive-private.h"

#define TAR_BLOCK 512
#define TAR_RECORD (20 * TAR_BLOCK)
#define TAR_END_MAX (1024 * 1024)
#define TAR_DATA_MAX (1024 * 1024) /* of one pax or GNU header */

#define TAR_NAME 0
#define TAR_NAME_BYTES 100
#define TAR_SIZE 124
#define TAR_SIZE_BYTES 12
#define TAR_MTIME 136
#define TAR_MTIME_BYTES 12
#define TAR_SUM 148
#define TAR_SUM_BYTES 8
#define TAR_TYPE 156
#define TAR_LINK 157
#define TAR_LINK_BYTES 100
#define TAR_MAGIC 257
#define TAR_PREFIX 345
#define TAR_PREFIX_BYTES 155

typedef enum {
	/* blocks, in which is zeroed what stands elsewhere or follows from the rest: texts of name,
	 * link and prefix up to their NUL, all of mtime; digits of size (where data follows) and
	 * checksum become '0' */
	TAR_BLOCKS,
	TAR_MTIMES,
	TAR_LINKS,
	TAR_PREFIXES
} TarColumn;
#define TAR_COLUMNS (TAR_PREFIXES + 1)

typedef enum {
	TAR_FILE,   /* a member follows */
	TAR_OWN,    /* data for the next headers follows, which is part of the form */
	TAR_NO_DATA /* folders, links, devices */
} TarKind;

static inline gsize tar_column_width(TarColumn column)
{
	return column == TAR_BLOCKS ? TAR_BLOCK : column == TAR_MTIMES ? TAR_MTIME_BYTES : 0;
}

/* FALSE for types that are not known. */
gboolean tar_kind(guint8 type, TarKind *ret_kind);
static inline gsize tar_padding(guint64 bytes)
{
	return (gsize)(TAR_BLOCK - bytes % TAR_BLOCK) % TAR_BLOCK;
}

/* Length of a text that ends with NUL or its field. */
gsize tar_text(const guint8 *field, gsize max);
gboolean tar_is_zero(const guint8 *data, gsize len);
/* Spaces, octal digits, and spaces or NULs up to the end. */
typedef struct {
	gsize start, digits;
	guint64 value;
} TarNumber;
gboolean tar_number(const guint8 *field, gsize len, TarNumber *ret_number);

gboolean tar_sniff(const guint8 *data, gsize len);
gboolean tar_scan(const DeltaBytes *bytes, DeltaScanned *scanned, GError **error);
