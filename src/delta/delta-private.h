/* SPDX-License-Identifier: ISC */
/* Shared by the files of this room only. */
#pragma once

#include "delta/delta.h"

/* The columns of a change list, in the order they are written. */
typedef enum {
	COLUMN_OPS,
	COLUMN_ADDS,
	COLUMN_BASES,
	COLUMN_CUTS,
	COLUMN_NAMES,
	COLUMN_TARGETS,
	COLUMN_MTIMES,
	COLUMN_SIZES,
	COLUMN_SOURCES,
	COLUMN_OPENED,
	COLUMN_ORDER,
	COLUMN_SEGMENTS,
	COLUMN_REFS
} DeltaColumn;
#define COLUMNS (COLUMN_REFS + 1)

/* Low bits of an op or add byte. */
#define KIND_MASK 7
#define OP_DELETED 0
#define OP_SAME 1
#define OP_NEW 2
#define OP_SOURCE 3
#define OP_TARGET 4
#define OP_TOGETHER 5
#define ADD_NEW 0
#define ADD_TWIN 1
#define ADD_COPIED 2
#define ADD_DIR 3
#define ADD_LINK 4
#define ADD_TOGETHER 5

/* The columns of the member "archives". */
typedef enum {
	PARTS_LENGTHS,
	PARTS_FORMS,
	PARTS_OPS,
	PARTS_FROMS,
	PARTS_SIZES,
	PARTS_BASES,
	PARTS_WAYS
} DeltaPartsColumn;
#define PARTS_COLUMNS (PARTS_WAYS + 1)
#define PART_PACKED_COPY 0
#define PART_NEW 1
#define PART_COPIED 2
#define PART_TWIN 3
#define PART_TOGETHER 4

#define FLAG_MODE 8 /* flipped, or of an added file: 0755 */
#define MTIME_SHIFT 4
#define MTIME_DEFAULT 0
#define MTIME_BEFORE 1
#define MTIME_GIVEN 2
#define FLAGS_MAX (MTIME_GIVEN << MTIME_SHIFT | FLAG_MODE | KIND_MASK)

/* While read, an item stands in two lists. */
#define DELTA_LISTED 2

static inline guint64 delta_zigzag(gint64 value)
{
	return (guint64)value << 1 ^ (value < 0 ? G_MAXUINT64 : 0);
}

static inline gint64 delta_unzigzag(guint64 value)
{
	return (gint64)(value >> 1 ^ (value & 1 ? G_MAXUINT64 : 0));
}

void delta_put_varint(GByteArray *out, guint64 value);
static inline void delta_put_zigzag(GByteArray *out, gint64 value)
{
	delta_put_varint(out, delta_zigzag(value));
}

/* Bytes being read; every getter is FALSE at or after the end. */
typedef struct {
	const guint8 *at;
	const guint8 *end;
} DeltaReader;

gboolean delta_get_byte(DeltaReader *reader, guint8 *ret_byte);
/* Shortest form only, at most max. */
gboolean delta_get_varint(DeltaReader *reader, guint64 max, guint64 *ret_value);
gboolean delta_get_zigzag(DeltaReader *reader, gint64 *ret_value);
/* base + a zigzag step, within 0 ... count - 1. */
gboolean delta_get_index(DeltaReader *reader, guint expected, guint count, guint *ret_index);
/* Text up to a NUL, which is consumed; borrowed. */
gboolean delta_get_text(DeltaReader *reader, const char **ret_text);

DeltaChanges *delta_changes_new(void);
/* What a reader keeps until all is read (parse.c). */
void delta_pending_free(DeltaChanges *changes);
/* Memory that was taken before the list was parsed, and is not in the parser's limit. */
void delta_pending_charged(DeltaChanges *changes, guint64 bytes);

/* Where the writer looks for contents. */
typedef struct {
	const DeltaTree *old_tree;
	GHashTable *old_by_content; /* sha256 -> GArray of guint, ascending */
	GHashTable *old_by_packed;  /* the same, of parts as they lie in their archives */
	GHashTable *new_by_content; /* sha256 -> item index + 1, of DELTA_NEW items */
	guint expected;             /* old file after the one used last: the cheapest to name */
} DeltaContents;

/* Sets source and from of an item: copied, a twin, or new. */
void delta_contents_source(DeltaContents *contents, DeltaChanges *changes, guint index);
/* An old file or part with this content. */
gboolean delta_contents_old(DeltaContents *contents, const DeltaEntry *entry, guint *ret_index);
/* An old part that lies in its archive byte for byte like this one. */
gboolean delta_contents_packed(DeltaContents *contents, const DeltaEntry *entry, guint *ret_index);
/* Appends the parts of new archives that are put together. */
void delta_diff_parts(DeltaChanges *changes, const DeltaTree *old_tree, const DeltaTree *new_tree,
		      DeltaContents *contents);
/* The archive that this entry is, or NULL. */
const DeltaOpened *delta_tree_opened(const DeltaTree *tree, guint entry);
/* Numbers new contents, and parts, as the reader meets them; caller frees. */
guint *delta_numbers(const DeltaChanges *changes, const DeltaTree *old_tree);
/* Columns, each with its length in front; frees them. */
GByteArray *delta_columns_join(GByteArray **columns, guint n);
/* The forms of all old archives, that both sides prime the member "archives" with. */
GByteArray *delta_old_forms(const DeltaTree *old_tree);
/* What reading the member "archives" takes. */
guint64 delta_parts_list_bytes(const DeltaChanges *changes, const DeltaTree *old_tree);
/* LZMA2 after a dictionary, with props and length in front: how lists are coded. */
GByteArray *delta_list_encode(const GByteArray *list, const GByteArray *before, GError **error);
/* *ret_bytes: memory it took, at most max_bytes. */
GByteArray *delta_list_decode(const guint8 *data, gsize len, const GByteArray *before,
			      guint64 max_bytes, guint64 *ret_bytes, GError **error);
guint64 delta_list_memory(guint64 before_bytes, guint64 list_bytes);
gboolean delta_codec_known(guint8 id);
/* The old paths that both sides prime the change list's coder with. */
GByteArray *delta_old_names(const DeltaTree *old_tree);

/* Its path was not there, or as something of another type. */
gboolean delta_item_added(const DeltaItem *item, const DeltaTree *old_tree);
/* The old file whose bytes a new content most likely resembles. */
gboolean delta_counterpart(const DeltaItem *item, const DeltaTree *old_tree, DeltaRef *ret_ref);

/* Gives items from `first` on with new content and without a basis one of the old files in
 * `candidates` (guint indexes, ascending) where a name is like theirs. Each is given once. Files of
 * the tree must not be given parts: their names are told by their basis. */
void delta_pair(DeltaChanges *changes, guint first, const DeltaTree *old_tree,
		const GArray *candidates);
/* Bytes that two texts begin with alike. */
gsize delta_shared_start(const char *a, const char *b);
/* File name extension with its dot, or "". */
const char *delta_extension(const char *path);
