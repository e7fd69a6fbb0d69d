/* SPDX-License-Identifier: ISC */
/*
 * What a delta says and how it is coded: pure bytes, no files. The bundle room reads and writes.
 *
 *   writer   changes = delta_diff(&old, &new)               what happened, names paired
 *            delta_pair_similar(changes, &old, ...)         contents paired (may be left out)
 *            delta_plan(changes, &old, &limits)             order of contents, segments
 *            bytes = delta_changes_encode(changes, &old)    the "changes" member
 *            bytes = delta_parts_encode(changes, &old)      the "archives" member, if wanted
 *            per segment: coder = delta_encoder_new(...), delta_coder_step(...)
 *   reader   changes = delta_changes_decode(bytes, len, &old, max, &error)
 *            if delta_changes_wants_parts(changes): open the old archives it names, then
 *                delta_parts_decode(changes, bytes, len, &old, &error)
 *            per segment: coder = delta_decoder_new(...), delta_coder_step(...)
 *
 * Old and new trees are lists in byte order of path (DeltaTree), borrowed from a manifest that must
 * outlive the DeltaChanges made with it. Behind them stand the parts of archives that were taken
 * apart (delta/archive.h): they are paired, copied and coded like files. The reader trusts nothing:
 * every index, length and sum is checked before it is used, and the caller compares the root of
 * what came out.
 *
 * THE CHANGE LIST, format 2 (format 1 knew no archives and was never released). The member is
 *
 *   props (1 byte)  varint LEN  LEN bytes as raw LZMA2 with those lc/lp/pb
 *
 * whose preset dictionary is the old tree's paths, one a line, the last DELTA_NAMES_MAX bytes of
 * them, and whose dictionary size is that plus LEN. Varints are little-endian base 128, `z` marks
 * zigzag. The LEN bytes are: z DEFAULT-MTIME, then these columns, each as varint length and bytes:
 *
 *   ops      per stretch of the old tree: varint number of entries that stay as they are, then one
 *            op byte for the next entry (missing at the very end of the tree):
 *              bits 0-2  0 deleted  1 same content  2 new content  3 content of another file
 *                        4 new link target  5 put together from parts
 *              bit 3     the mode flips between 0644 and 0755
 *              bits 4-5  mtime: 0 DEFAULT-MTIME  1 as before  2 in column mtimes
 *   adds     per added path, ascending: one byte
 *              bits 0-2  0 new content  1 content of another new file  2 content of its basis
 *                        3 folder  4 link  5 put together from parts
 *              bit 3     mode 0755 (files)
 *              bits 4-5  mtime: 0 DEFAULT-MTIME  1 that of its basis  2 in column mtimes
 *   bases    per added path: varint 0: no basis; else 1 + z(index of an old entry - (the basis
 *            before + 1)): the name is like that entry's
 *   cuts     varint 0 or 1: the bytes kept of a basis are counted from its start or from its end;
 *            then per added path: varint bytes kept of the basis' path (no basis: of the start of
 *            the added path before), varint bytes left out of the basis there (no basis: missing,
 *            all the rest of the path before is left out), z (bytes put in their place - bytes left
 *            out (no basis: - 0))
 *   names    what is put in their place, for all added paths
 *   targets  link targets, each ending with NUL
 *   mtimes   z (mtime - DEFAULT-MTIME)
 *   sizes    per file with new content or put together: z (size - size before, or of its basis, or
 *            0)
 *   sources  per op 3: varint 2 * index of an old file, or 2 * n + 1: the n-th new content;
 *            per add 1: varint n
 *   opened   old files to be taken apart: z (index - (index before + 1))
 *   order    per new content that travels: z (n - (n before + 1)): the order in which contents
 *            follow each other
 *   segments per segment: codec byte, props byte, flags byte, varint content bytes, varint number
 *            of listed references
 *   refs     per reference: varint 2 * z (index of an old file or part - (index before + 1)), plus
 *            1 if only a part of it: varint offset, varint length
 *
 * New contents are numbered n = 0, 1, … first in order of ops, then of adds (those put together
 * from parts included, which do not travel themselves), then the new parts.
 *
 * PARTS. The opened old files, in order, are taken apart by delta_archive_parse; a part that is
 * itself an archive is opened after all those before it, DELTA_DEPTH deep. Their parts get the
 * indexes after the old tree's entries. The member "archives" is coded like the change list, after
 * the forms of all old archives (the last DELTA_FORMS_MAX bytes of them); its columns are
 *
 *   lengths  per new archive (files in byte order of path, then parts that are archives, each after
 *            all those before it): varint bytes of its form
 *   forms    their bytes
 *   parts    per stretch of the new parts, archive after archive: varint number of parts that are
 *            the packed bytes of the old part after the one before; then for the next part (missing
 *            at the very end) one byte: 0 packed bytes of an old part  1 new content  2 content of
 *            an old file or part  3 of a new one  4 put together from parts
 *   froms    per 0 and 2: z (index - (index before + 1)); per 3: varint n
 *   sizes    per 1 and 4: z (size - size of its basis or 0)
 *   bases    per 1 and 4: varint 0: none; else 1 + z(index of an old file or part - (basis before +
 * 1)) ways     per part of a deflated member that is not 0: its DeltaZlib; 0: it travels as packed
 *
 * CONTENTS. All new contents, one after the other in `order`, cut into segments at any byte. Each
 * segment is coded by itself, with a preset dictionary (reference) made of
 *   - its listed references;
 *   - flag 1: the old counterparts (basis, if a file) of the files that begin in it, in order, each
 *     once and not if it is listed whole;
 *   - flag 2: the last components of all added paths, one a line, the last DELTA_ADDED_MAX bytes of
 *     them: builds name their files by hashes, and refer to them by these names.
 * Codec 1 is raw LZMA2 with an end marker and a dictionary as large as reference and content
 * together.
 * Codec 2 (flag 1 alone, whole files, each with a counterpart): varint LEN, then LEN bytes as raw
 * LZMA2 without reference: the text of delta/patch.h for all pairs. LEN is at most
 * delta_patch_text_max() of the segment: half its content and 1024.
 * New codecs get new numbers, more ways to take files apart new op kinds and columns under a new
 * format number.
 */
#pragma once

#include "delta/sketch.h"
#include "util/util.h"

#define DELTA_NAMES_MAX (4 * 1024 * 1024)
#define DELTA_ADDED_MAX (1024 * 1024)
#define DELTA_FORMS_MAX (16 * 1024 * 1024)
#define DELTA_DEPTH 4
/* Sizes, and sums of them, are at most this: none overflows. */
#define DELTA_BYTES_MAX (G_GUINT64_CONSTANT(1) << 50)
#define DELTA_NONE G_MAXUINT

typedef struct DeltaArchive DeltaArchive; /* delta/archive.h */

/* Flags of a segment. */
#define DELTA_COUNTERPARTS 1
#define DELTA_ADDED_NAMES 2

typedef enum { DELTA_DIR = 'd', DELTA_FILE = 'f', DELTA_LINK = 'l' } DeltaType;

/* One entry of a tree, or a part of an archive; pointers are borrowed. */
typedef struct {
	const char *path;     /* of a part: that of its archive, a slash, its name there */
	const char *target;   /* links */
	const guint8 *sha256; /* files, UTIL_SHA256_BYTES; the reader leaves it NULL */
	guint64 size;
	gint64 mtime_s;
	guint16 mode;
	DeltaType type;
	/* parts */
	const guint8 *packed_sha256; /* as it lies in its archive; the reader leaves it NULL */
	guint8 way; /* new parts: DeltaZlib that packs it so again, or 0: its content
		       is what is packed, or it is not */
} DeltaEntry;

/* An archive taken apart. */
typedef struct {
	guint entry;                 /* the file or part it is */
	guint first, count;          /* its parts among all entries */
	const DeltaArchive *archive; /* borrowed; its members in the same order */
} DeltaOpened;

typedef struct {
	const DeltaEntry *entries; /* in byte order of path, then the parts */
	guint count;               /* entries of the tree */
	guint parts;               /* behind them */
	const DeltaOpened *opened; /* files in order, then parts that are archives */
	guint n_opened;
} DeltaTree;

typedef enum {
	DELTA_KEPT,   /* as `from` in the old tree: same path, content, mode and mtime */
	DELTA_COPIED, /* content of the old file `from` */
	DELTA_NEW,    /* its content travels */
	DELTA_TWIN,   /* content of the item `from`, which is DELTA_NEW, or a file put together */
	DELTA_PACKED_COPY, /* a part: the packed bytes of the old part `from` */
	DELTA_TOGETHER     /* put together from parts: number `from` of changes->archives */
} DeltaSource;

/* Bytes of which a segment's coder can make something. */
typedef enum {
	DELTA_TEXT,
	DELTA_BINARY,
	DELTA_PACKED,
	DELTA_EDITED /* so like its counterpart that only a few bytes differ: codec 2 */
} DeltaKind;
#define DELTA_KINDS 4

/* One entry of the new tree, or a new part. For folders and links source is KEPT (from: the old
 * entry) or NEW. */
typedef struct {
	DeltaEntry entry;
	DeltaSource source;
	guint from;     /* see DeltaSource; else DELTA_NONE */
	guint basis;    /* old entry of the same or most similar name, or DELTA_NONE */
	DeltaKind kind; /* of new contents; set by the writer before delta_plan */
	guint origin;   /* the writer's: its entry in the new tree */
} DeltaItem;

/* A new file or part that is put together. */
typedef struct {
	guint item;            /* which */
	guint first, count;    /* its parts among the items */
	guint depth;           /* of the reader: 0 for a file, 1 for a part of its, … */
	DeltaArchive *archive; /* the writer's is borrowed, the reader's belongs to the changes */
} DeltaTogether;

typedef struct {
	guint old_index; /* a file of the old tree */
	guint64 offset, length;
} DeltaRef;

typedef struct {
	guint8 codec, props, flags;
	guint64 bytes;     /* of content */
	guint64 ref_bytes; /* of the whole reference, added names included */
	guint first_ref, n_refs;
	guint n_listed; /* of those; the others are counterparts */
} DeltaSegment;

typedef struct DeltaPending DeltaPending;

typedef struct {
	GArray *items;    /* DeltaItem, in byte order of path: the new tree; then new parts */
	guint count;      /* items of the tree */
	GArray *archives; /* DeltaTogether */
	gboolean owns_archives;
	GArray *deleted;  /* guint: old entries whose path is gone, ascending */
	GArray *order;    /* guint: items with new content, in the order of their contents */
	GArray *segments; /* DeltaSegment */
	GArray *refs;     /* DeltaRef, of all segments */
	/* set by delta_pair_similar, for delta_plan only; empty without it */
	GArray *likes; /* guint per item: an old file or part that its content resembles beside its
			  basis, or DELTA_NONE */
	GStringChunk *strings;
	gint64 default_mtime_s;
	guint64 content_bytes; /* of all DELTA_NEW files */
	guint64 list_bytes;    /* memory that reading this list took; set by the reader */
	GArray *opened;        /* guint: old files to be taken apart; set by the reader */
	DeltaPending *pending; /* of the reader, until all is read */
} DeltaChanges;

void delta_changes_free(DeltaChanges *changes);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DeltaChanges, delta_changes_free)
DeltaItem *delta_changes_item(const DeltaChanges *changes, guint index);
/* Peak memory of decoding any one segment. */
guint64 delta_changes_memory(const DeltaChanges *changes);
/* The added names that a segment with DELTA_ADDED_NAMES has at the end of its reference. */
GByteArray *delta_changes_added_names(const DeltaChanges *changes, const DeltaTree *old_tree);

/* Both trees need their hashes. Pairs new names with old ones; order and segments are empty. */
DeltaChanges *delta_diff(const DeltaTree *old_tree, const DeltaTree *new_tree);

/* Gives new contents the old file or part that they resemble most, whatever its name, where that is
 * not their basis: added ones as basis, else in `likes`. Any old file may serve several. Sketches:
 * per item with new content, and per old entry and part (NULL hash: none); the others' have 0
 * bytes. The kinds of items must be known. */
void delta_pair_similar(DeltaChanges *changes, const DeltaTree *old_tree,
			const DeltaSketch *new_sketches, const DeltaSketch *old_sketches);

/* So alike that none better is looked for. */
gboolean delta_resembles(const DeltaSketch *sketch, const DeltaSketch *basis);
/* What has fewer bytes resembles no content of this size enough to matter; nor does what this size
 * is fewer for. */
guint64 delta_resembling_min(guint64 bytes);

/* What kind of bytes a file holds, by its beginning (some KiB) and name. */
DeltaKind delta_kind(const char *path, const guint8 *data, gsize len);

typedef struct {
	guint64 decode_bytes; /* memory a decoder may take for one segment */
	guint64 encode_bytes; /* the same for an encoder, output buffer included */
} DeltaLimits;

/* Fills order, segments and refs. REFUSED if the limits are too small for anything. */
gboolean delta_plan(DeltaChanges *changes, const DeltaTree *old_tree, const DeltaLimits *limits,
		    GError **error);

/* The bytes of the "changes" member. */
GByteArray *delta_changes_encode(const DeltaChanges *changes, const DeltaTree *old_tree,
				 GError **error);
/* CORRUPT for anything that does not fit together or would take more than max_bytes of memory
 * (known before it is taken). */
DeltaChanges *delta_changes_decode(const guint8 *data, gsize len, const DeltaTree *old_tree,
				   guint64 max_bytes, GError **error);
/* At least the list_bytes its reader will have, order and references included that the plan is
 * still to add. */
guint64 delta_changes_list_bytes(const DeltaChanges *changes, const DeltaTree *old_tree);
/* TRUE if delta_parts_decode must follow, with the old archives of changes->opened taken apart. */
gboolean delta_changes_wants_parts(const DeltaChanges *changes);
/* The bytes of the "archives" member; empty where none is wanted. */
GByteArray *delta_parts_encode(const DeltaChanges *changes, const DeltaTree *old_tree,
			       GError **error);
/* old_tree now has the parts of all opened archives. Errors as above. */
gboolean delta_parts_decode(DeltaChanges *changes, const guint8 *data, gsize len,
			    const DeltaTree *old_tree, GError **error);
/* The part after decompression. */
GByteArray *delta_changes_format(const DeltaChanges *changes, const DeltaTree *old_tree);
DeltaChanges *delta_changes_parse(const guint8 *data, gsize len, const DeltaTree *old_tree,
				  guint64 max_bytes, GError **error);

/* ---- coders: one interface for all codecs ---- */

#define DELTA_CODEC_LZMA2 1
#define DELTA_CODEC_PATCH 2
/* The longest text that a segment of codec 2 may have. */
guint64 delta_patch_text_max(guint64 content_bytes);

/* Stream parameters, both sides need the same. */
typedef struct {
	guint8 codec;
	guint8 props; /* LZMA2: (pb * 5 + lp) * 9 + lc, lc + lp <= 4 */
	guint64 content_bytes;
	guint64 ref_bytes;
	guint8 effort; /* the encoder's: 1 (fast) to DELTA_EFFORT_MAX (small); 0: the default */
} DeltaStream;
#define DELTA_EFFORT_MAX 9

/* The stream of a text of codec 2. */
DeltaStream delta_patch_stream(const DeltaStream *stream, guint64 text_bytes);
/* A varint as in the lists; FALSE if there is none. */
void delta_varint_append(GByteArray *out, guint64 value);
gboolean delta_varint_read(const guint8 *data, gsize len, guint64 *ret_value, gsize *ret_bytes);
DeltaStream delta_segment_stream(const DeltaSegment *segment);
/* The props that suit a kind of bytes. */
guint8 delta_kind_props(DeltaKind kind);
guint8 delta_kind_codec(DeltaKind kind);
/* Memory of a coder, its copy of the reference and the caller's one included (which may be
 * dropped once the coder is made); G_MAXUINT64 for unknown codecs or sizes they cannot do. */
guint64 delta_encoder_memory(const DeltaStream *stream);
guint64 delta_decoder_memory(const DeltaStream *stream);

typedef struct DeltaCoder DeltaCoder;
/* The reference is copied (or no longer needed) when this returns. */
DeltaCoder *delta_encoder_new(const DeltaStream *stream, const guint8 *ref, GError **error);
DeltaCoder *delta_decoder_new(const DeltaStream *stream, const guint8 *ref, GError **error);
void delta_coder_free(DeltaCoder *coder);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DeltaCoder, delta_coder_free)

/* What is still to be read, and where there is still room; a step moves both on. */
typedef struct {
	const guint8 *in;
	gsize in_len;
	guint8 *out;
	gsize out_len;
} DeltaBuffers;

typedef enum {
	DELTA_MORE,  /* there will be more input */
	DELTA_FLUSH, /* encoders: all so far must come out; done when *ret_done */
	DELTA_LAST   /* this is the last input */
} DeltaRun;

/* One step; *ret_done when a flush is complete or the stream has ended. A decoder that needs more
 * than DELTA_LAST gave it, or gets more after its end, is CORRUPT. */
gboolean delta_coder_step(DeltaCoder *coder, DeltaBuffers *buffers, DeltaRun run,
			  gboolean *ret_done, GError **error);
/* What a decoder has taken so far; .xz only. */
guint64 delta_coder_memory(const DeltaCoder *coder);
/* All at once, for what fits in memory; appends to out. */
gboolean delta_coder_all(DeltaCoder *coder, const guint8 *data, gsize len, GByteArray *out,
			 gsize max_bytes, GError **error);

/* The .xz container: whole-file filter of bundles. Encoders take a flush between members, so that
 * coded contents, which do not shrink, are stored instead of coded again. props as in a stream. */
DeltaCoder *delta_xz_encoder_new(guint64 dict_bytes, guint8 props, GError **error);
/* One stream, checked to its end; a stream that needs more memory is REFUSED. */
DeltaCoder *delta_xz_decoder_new(guint64 memory_bytes, GError **error);
guint64 delta_xz_decoder_memory(guint64 dict_bytes);
