/* SPDX-License-Identifier: ISC */
/* Shared by the files of this room only. */
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include "bundle/bundle.h"
#include "delta/delta.h"
#include "tree/tree.h"

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
#define BUNDLE_CHUNK ((gsize)256 * 1024)

/* ---- header ---- */

char *bundle_header_format(const BundleInfo *info);
/* UNSUPPORTED for a newer format or codec, else CORRUPT. */
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
BundleWriter *bundle_writer_new(int fd, guint64 dict_bytes, const Manifest *names, GError **error);
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
/* That, and its whole content, at most max_bytes. */
gboolean bundle_reader_member(BundleReader *reader, const char *name, gsize max_bytes,
			      GByteArray **ret_data, GError **error);
/* Nothing more may follow, and the file's own check must be right. */
gboolean bundle_reader_finish(BundleReader *reader, GError **error);
/* Opens a bundle up to and including its header. */
BundleReader *bundle_open(int fd, guint64 memory_bytes, BundleInfo **ret_info, GError **error);

/* ---- trees ---- */

/* The manifest as delta's list; borrows from it. NULL is the empty tree. */
typedef struct {
	DeltaTree tree;
	DeltaEntry *entries;
} BundleList;
void bundle_list_init(BundleList *list, const Manifest *manifest);
void bundle_list_clear(BundleList *list);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BundleList, bundle_list_clear)

/* "-" or the root. */
void bundle_tree_root(const BundleTree *tree, char ret_root[UTIL_SHA256_HEX]);
/* The new tree as far as it is known: files with new content have a zero hash. */
Manifest *bundle_changes_manifest(const DeltaChanges *changes, const Manifest *old_manifest,
				  GError **error);
/* Kept, copied and so on, counted. */
void bundle_count_changes(const DeltaChanges *changes, const DeltaTree *old_list, BundleInfo *info);

typedef gboolean (*BundleSink)(gpointer user_data, const guint8 *data, gsize len, GError **error);
/* length bytes of a file from offset. Read as a whole it is hashed on the way, and when it is not
 * what the entry says CORRUPT names it; of a part only the file's size is checked. */
gboolean bundle_read_piece(int dirfd, const ManifestEntry *entry, guint64 offset, guint64 length,
			   BundleSink sink, gpointer user_data, GError **error);
/* Puts a segment's reference together; NULL if it is empty, with *ret_ok telling the two apart. */
guint8 *bundle_read_refs(const BundleTree *old_tree, const DeltaTree *old_list,
			 const DeltaChanges *changes, const DeltaSegment *segment, gboolean *ret_ok,
			 GError **error);

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
				  const BundleTree *old_tree, const BundleList *old_list,
				  guint64 memory_bytes, GError **error);

/* Codes the segments of changes and writes each as a member, in order. */
gboolean bundle_write_contents(BundleWriter *writer, const BundleTree *old_tree,
			       const DeltaTree *old_list, const BundleTree *new_tree,
			       const DeltaChanges *changes, const UtilProgress *progress,
			       GError **error);
