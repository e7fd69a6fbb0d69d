/* SPDX-License-Identifier: ISC */
/* Shared by the files of this room only. */
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include "bundle/bundle.h"
#include "delta/archive.h"
#include "delta/delta.h"
#include "delta/patch.h"
#include "tree/tree.h"

#define BUNDLE_FORMAT_PLAIN 1
#define BUNDLE_FORMAT_DELTA 2
#define BUNDLE_PLAIN_HEADER ".tagship-bundle"
#define BUNDLE_HEADER_MAX ((gsize)64 * 1024)
#define BUNDLE_MEMORY_BYTES ((guint64)128 * 1024 * 1024)
#define BUNDLE_DECODED_BYTES_MAX ((guint64)16 * 1024 * 1024 * 1024)
/* Both sides: buffers, libarchive, the hash, what the program itself needs. */
#define BUNDLE_FIXED_BYTES ((guint64)12 * 1024 * 1024)
/* All encoders together, their references and outputs. */
#define BUNDLE_ENCODE_BYTES ((guint64)1120 * 1024 * 1024)
/* The .xz around a delta holds nothing that a larger window would help. */
#define BUNDLE_DELTA_DICT ((guint64)64 * 1024)
/* lc; nothing is aligned in tar headers, nor in most files of web applications */
#define BUNDLE_DELTA_PROPS 1
#define BUNDLE_PLAIN_PROPS 3
#define BUNDLE_CHUNK ((gsize)256 * 1024)
#define BUNDLE_SPOOL_BYTES ((gsize)1024 * 1024)
#define BUNDLE_SCRATCH_BYTES_MAX ((guint64)16 * 1024 * 1024 * 1024)

/* ---- header ---- */

char *bundle_header_format(const BundleInfo *info);
/* UNSUPPORTED for another format or codec, else CORRUPT. */
BundleInfo *bundle_header_parse(const char *text, gsize len, GError **error);
/* The header against what the caller allows and expects. */
gboolean bundle_header_check(const BundleInfo *info, const BundleLimits *limits, GError **error);
/* The one check that is trusted: what was unpacked is the new tree. */
gboolean bundle_check_root(const BundleInfo *info, const Manifest *manifest, GError **error);
/* Memory a sealed manifest of this reader takes, and what is made of it. */
guint64 bundle_manifest_memory(const Manifest *manifest);

/* ---- tar.xz out ---- */

typedef struct BundleWriter BundleWriter;
/* names: the tree whose names will be written, NULL for plain ASCII. */
BundleWriter *bundle_writer_new(int fd, guint64 dict_bytes, guint8 props, const Manifest *names,
				GError **error);
void bundle_writer_free(BundleWriter *writer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BundleWriter, bundle_writer_free)
/* Exactly entry->size bytes of content must follow for files. */
gboolean bundle_writer_entry(BundleWriter *writer, const ManifestEntry *entry, GError **error);
gboolean bundle_writer_data(BundleWriter *writer, const void *data, gsize len, GError **error);
/* A whole member of mode 0644, time 0. incompressible: see above on flushing. */
gboolean bundle_writer_member(BundleWriter *writer, const char *name, const void *data, gsize len,
			      gboolean incompressible, GError **error);
/* Ends the file; sets info's sha256 and bytes. */
gboolean bundle_writer_finish(BundleWriter *writer, BundleInfo *info, GError **error);

/* ---- tar.xz in ---- */

typedef struct BundleReader BundleReader;
/* fd is read with pread from its start; the .xz decoder gets at most memory_bytes. */
BundleReader *bundle_reader_new(int fd, guint64 memory_bytes, GError **error);
void bundle_reader_free(BundleReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BundleReader, bundle_reader_free)
guint64 bundle_reader_memory(const BundleReader *reader);
/* The next entry, type, mode, name and all checked but not its hash, which is zero; path and target
 * are good until the next call. *ret_end instead at the end. */
gboolean bundle_reader_next(BundleReader *reader, ManifestEntry *ret_entry, gboolean *ret_end,
			    GError **error);
/* The next bytes of the entry's content; *ret_len 0 at its end. */
gboolean bundle_reader_block(BundleReader *reader, const guint8 **ret_data, gsize *ret_len,
			     GError **error);
/* The next entry must be the file `name`. */
gboolean bundle_reader_open_member(BundleReader *reader, const char *name, guint64 *ret_size,
				   GError **error);
/* The content of the entry just opened, at most max_bytes. */
gboolean bundle_reader_content(BundleReader *reader, guint64 size, gsize max_bytes,
			       GByteArray **ret_data, GError **error);
/* Both, of the file `name`. */
gboolean bundle_reader_member(BundleReader *reader, const char *name, gsize max_bytes,
			      GByteArray **ret_data, GError **error);
/* Nothing more may follow, and the file's own check must be right. */
gboolean bundle_reader_finish(BundleReader *reader, GError **error);
/* Opens a bundle up to and including its header. */
BundleReader *bundle_open(int fd, guint64 memory_bytes, BundleInfo **ret_info, GError **error);

/* ---- trees ---- */

/* Where the bytes of a part are. */
typedef struct {
	guint file; /* entry of the tree; DELTA_NONE: the scratch file */
	guint64 at;
	DeltaFacts facts;
	DeltaPacking packing; /* DELTA_STORED also for what is opaque */
	gboolean opaque;      /* zlib does not pack it again: it travels as it is packed */
} BundlePart;

/* A tree as delta's list, borrowed from its manifest, and its archives taken apart. Reading from
 * several threads is fine once it is complete. */
typedef struct {
	DeltaTree tree; /* views the arrays below */
	const BundleTree *from;
	GArray *entries; /* DeltaEntry */
	GArray *parts;   /* BundlePart */
	GArray *opened;  /* DeltaOpened */
	GPtrArray *archives;
	GStringChunk *strings;
	const char *scratch_dir; /* NULL: beside the new tree, or /tmp */
	int scratch_dirfd;       /* used if scratch_dir is NULL and this is not -1 */
	int scratch_fd;          /* archives that were packed in others */
	guint64 scratch_bytes, scratch_max;
	guint64 scratch_peak; /* damaged ones are given up only when they are unpacked */
} BundleList;
void bundle_list_init(BundleList *list, const BundleTree *from);
void bundle_list_clear(BundleList *list);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BundleList, bundle_list_clear)
/* Takes archives apart: those of `files` (guint, ascending), and those in them. Each file is hashed
 * first. `must`: one that is none is CORRUPT; else it is left whole. */
gboolean bundle_list_open(BundleList *list, const GArray *files, gboolean must, GError **error);
/* The writer's look at the parts of both trees: what they are like packed and unpacked, and how new
 * ones are packed again. Archives that would not come back bit for bit are left whole. */
gboolean bundle_lists_examine(BundleList *old_list, BundleList *new_list,
			      const UtilProgress *progress, GError **error);
/* Memory of the parts. */
guint64 bundle_list_memory(const BundleList *list);

/* "-" or the root. */
void bundle_tree_root(const BundleTree *tree, char ret_root[UTIL_SHA256_HEX]);
/* The new tree as far as it is known: files with new content have a zero hash. */
Manifest *bundle_changes_manifest(const DeltaChanges *changes, const Manifest *old_manifest,
				  GError **error);
/* Kept, copied and so on, counted. */
void bundle_count_changes(const DeltaChanges *changes, const DeltaTree *old_list, BundleInfo *info);

typedef gboolean (*BundleSink)(gpointer user_data, const guint8 *data, gsize len, GError **error);
/* length bytes of a file or part from offset. Read as a whole it is checked on the way (hash, of
 * parts CRC-32 and length), and when it is not what the entry says CORRUPT names it; of a piece
 * only the file's size is checked. */
gboolean bundle_list_read(const BundleList *list, guint index, guint64 offset, guint64 length,
			  BundleSink sink, gpointer user_data, GError **error);
/* Up to max bytes of its beginning; fewer if it is shorter, or cannot be read. */
gsize bundle_list_sample(const BundleList *list, guint index, guint8 *out, gsize max);
gboolean bundle_list_may_be_archive(const BundleList *list, guint index);
/* A part's bytes as they lie in its archive. */
gboolean bundle_list_read_packed(const BundleList *list, guint index, BundleSink sink,
				 gpointer user_data, GError **error);
/* The same for a part that need not be in the list. */
gboolean bundle_part_read(const BundleList *list, const BundlePart *part, BundleSink sink,
			  gpointer user_data, GError **error);
const BundlePart *bundle_list_part(const BundleList *list, guint index);
gboolean bundle_read_piece(const BundleTree *tree, guint index, guint64 offset, guint64 length,
			   BundleSink sink, gpointer user_data, GError **error);
gboolean bundle_read_range(int fd, guint64 offset, guint64 length, BundleSink sink,
			   gpointer user_data, GError **error);
/* Unpacks what it is given. */
typedef struct {
	DeltaDeflate *stream;
	guint8 *buffer;
	BundleSink sink;
	gpointer user_data;
	gboolean done;
} BundleUnpack;
gboolean bundle_unpack_begin(BundleUnpack *unpack, DeltaDeflate *stream, BundleSink sink,
			     gpointer user_data, GError **error);
gboolean bundle_unpack_sink(gpointer user_data, const guint8 *data, gsize len, GError **error);
/* The end of the packed bytes; frees what unpack holds, also after an error. */
gboolean bundle_unpack_end(BundleUnpack *unpack, gboolean ok, GError **error);
/* Puts a segment's reference together; NULL if it is empty, with *ret_ok telling the two apart. */
guint8 *bundle_read_refs(const BundleList *old_list, const DeltaChanges *changes,
			 const DeltaSegment *segment, gboolean *ret_ok, GError **error);

/* ---- scratch ---- */

/* Bytes that are written once and read again: in memory while they are few. */
typedef struct {
	GByteArray *bytes;
	int dirfd; /* where the file is made, if it comes to that */
	int fd;
	guint64 len, max;
} BundleSpool;
/* More than max_bytes is CORRUPT. */
void bundle_spool_init(BundleSpool *spool, int dirfd, guint64 max_bytes);
void bundle_spool_clear(BundleSpool *spool);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BundleSpool, bundle_spool_clear)
gboolean bundle_spool_sink(gpointer user_data, const guint8 *data, gsize len, GError **error);
gboolean bundle_spool_read(const BundleSpool *spool, BundleSink sink, gpointer user_data,
			   GError **error);
/* A file without a name in this folder. */
int bundle_scratch_file(int dirfd, GError **error);

/* Puts an archive together: item `item` of changes, which is DELTA_TOGETHER. `content` gives what a
 * DELTA_NEW item holds. */
typedef struct {
	const DeltaChanges *changes;
	const BundleList *old_list;
	int scratch_dirfd;
	gboolean (*content)(gpointer user_data, guint item, BundleSink sink, gpointer sink_data,
			    GError **error);
	gpointer user_data;
} BundleTogether;
gboolean bundle_put_together(const BundleTogether *from, guint item, BundleSink sink,
			     gpointer sink_data, GError **error);

/* ---- the two codecs ---- */

gboolean bundle_make_plain(const BundleTree *new_tree, int out_fd, const BundleMakeOptions *options,
			   BundleInfo *info, GError **error);
gboolean bundle_make_delta(const BundleTree *old_tree, const BundleTree *new_tree, int out_fd,
			   const BundleMakeOptions *options, BundleInfo *info, GError **error);
gboolean bundle_apply_plain(BundleReader *reader, const BundleInfo *info, int new_dirfd,
			    const BundleLimits *limits, Manifest **ret_manifest, GError **error);
gboolean bundle_apply_delta(BundleReader *reader, const BundleInfo *info,
			    const BundleTree *old_tree, int new_dirfd, const BundleLimits *limits,
			    Manifest **ret_manifest, GError **error);
/* Reads and checks the change list of a delta. */
DeltaChanges *bundle_read_changes(BundleReader *reader, const BundleInfo *info,
				  BundleList *old_list, guint64 memory_bytes, GError **error);

/* What each item with new content costs in the bundle (per item, zeroed by the caller); reads all
 * members with contents. */
gboolean bundle_costs(BundleReader *reader, const DeltaChanges *changes, const BundleList *old_list,
		      guint64 *ret_costs, GError **error);
/* Per item: the codec of its (first) segment, or 0; caller frees. */
guint8 *bundle_codecs(const DeltaChanges *changes);

/* Takes apart the archives that only one of the trees has; not those new ones that are refused (per
 * entry, or NULL). */
gboolean bundle_open_archives(BundleList *old_list, BundleList *new_list, const guint8 *refused,
			      const UtilProgress *progress, GError **error);
/* Puts all new archives together and compares: how many are not what they should be, and marks
 * them. */
guint bundle_prove_archives(const DeltaChanges *changes, const BundleList *old_list,
			    const BundleList *new_list, const UtilProgress *progress,
			    guint8 *ret_refused);

/* Marks the contents that travel as byte-wise differences; the kinds must be known. The same effort
 * marks the same ones. */
gboolean bundle_find_edited(const BundleList *old_list, const BundleList *new_list,
			    DeltaChanges *changes, guint effort, const UtilProgress *progress,
			    GError **error);
/* Codes the segments of changes, with info->effort, and writes each as a member, in order; adds to
 * info->coded_bytes. */
gboolean bundle_write_contents(BundleWriter *writer, const BundleList *old_list,
			       const BundleList *new_list, const DeltaChanges *changes,
			       const UtilProgress *progress, BundleInfo *info, GError **error);
/* A segment of codec 2. `contents`: all its bytes. */
GByteArray *bundle_patch_encode(const DeltaSegment *segment, const DeltaChanges *changes,
				guint first_item, const guint8 *refs, const guint8 *contents,
				GError **error);
gboolean bundle_patch_decode(const DeltaSegment *segment, const DeltaChanges *changes,
			     guint first_item, const guint8 *refs, const GByteArray *coded,
			     BundleSink sink, gpointer user_data, GError **error);
/* What each of its files has of coded->len, in order; caller frees. */
guint64 *bundle_patch_costs(const DeltaSegment *segment, const DeltaChanges *changes,
			    guint first_item, const guint8 *refs, const GByteArray *coded,
			    GError **error);
/* Reads contents and finds counterparts by what they hold. */
gboolean bundle_pair_similar(const BundleList *old_list, const BundleList *new_list,
			     DeltaChanges *changes, const UtilProgress *progress, GError **error);
