/* SPDX-License-Identifier: ISC */
/*
 * A folder on disk read as a manifest, and written entry by entry beneath a folder descriptor.
 * All names are resolved with openat2(RESOLVE_BENEATH|RESOLVE_NO_SYMLINKS); files are made with
 * O_EXCL. Nothing here is durable by itself: the caller ends with one util_fs_syncfs and a rename.
 * Times are whole seconds everywhere: fractions are cut when read and zero when written.
 */
#pragma once

#include "manifest/manifest.h"

typedef struct {
	guint64 max_bytes;            /* 0: no limit; more is REFUSED */
	const UtilProgress *progress; /* may be NULL */
	/* FALSE (strictest): modes must be exactly those of a manifest and mtimes are taken as they
	 * are. TRUE: modes become 0644, 0755 (any execute bit) and 0755 for folders. Files with
	 * set-uid or set-gid bits or capabilities, special files and links out of the tree are
	 * refused by name in both. */
	gboolean normalize;
	const char *const *skip; /* top-level names left out, NULL-terminated; may be NULL */
} TreeScan;

/* Reads and hashes everything (on all cores); sealed. AGAIN if a file changes meanwhile. options
 * may be NULL (strictest). */
Manifest *tree_scan(int dirfd, const TreeScan *options, GError **error);

/* Everything on disk must equal the manifest: names, types, modes, sizes, mtimes, hashes, nothing
 * more and nothing less. CORRUPT with the first few differences named. ret_altered (may be NULL):
 * all paths that differ, as GPtrArray of char *. ret_stats (may be NULL): device, inode, size,
 * mtime and ctime of every entry as text, for tree_stat_check; those of a file are from right
 * before it was hashed, so that no change after it goes unseen. */
gboolean tree_check(int dirfd, const Manifest *manifest, GPtrArray **ret_altered, char **ret_stats,
		    GError **error);

/* Numbers in `stats` that differ from those in `fresh`, of the same file, in ctime alone become
 * those of `fresh`: a second name was given to what has just been checked. NULL: there are none. */
char *tree_stat_renew(const char *stats, gsize len, const char *fresh, gsize fresh_len);
/* Compares the tree with the text of tree_check; entries whose numbers changed (or whose line is
 * damaged) are looked at in full and hashed again; anything that is not as the manifest says is
 * CORRUPT, named. */
gboolean tree_stat_check(int dirfd, const char *stats, gsize len, const Manifest *manifest,
			 GError **error);

gboolean tree_make_dir(int dirfd, const char *path, GError **error);
gboolean tree_make_link(int dirfd, const char *path, const char *target, GError **error);
/* New empty file for writing, mode 0600 until tree_finish; -1 with error. */
int tree_make_file(int dirfd, const char *path, GError **error);
/* For reading; CORRUPT if it is anything but a regular file. */
int tree_open_file(int dirfd, const char *path, GError **error);
/* Copies one regular file: reflink where the file system can, else copy; size and SHA-256 of what
 * was written are checked against `entry`: CORRUPT if they differ. */
gboolean tree_copy_file(int from_dirfd, const char *from_path, int to_dirfd, const char *to_path,
			const ManifestEntry *entry, GError **error);
/* How the files that an old tree has come into a new one. */
typedef enum {
	TREE_TAKE_CHECKED, /* as tree_copy_file */
	/* Reflinked, else copied by the kernel, and not hashed: the caller ends with tree_check. */
	TREE_TAKE_COPIES,
	/* The same file under a second name, where mode and time stay as they are; else as COPIES.
	 * Who writes into one tree then writes into both. */
	TREE_TAKE_LINKS
} TreeTake;
typedef struct TreeTaker TreeTaker;
TreeTaker *tree_taker_new(int from_dirfd, int to_dirfd, TreeTake how);
void tree_taker_free(TreeTaker *taker);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TreeTaker, tree_taker_free)
/* `from` is in the old tree, `to` the same content in the new one. */
gboolean tree_take_file(TreeTaker *taker, const ManifestEntry *from, const ManifestEntry *to,
			GError **error);

/* Many of them, on all cores where that pays. FALSE: of what failed, the first in the list. */
typedef struct {
	const ManifestEntry *from, *to;
} TreePair;
gboolean tree_take_files(int from_dirfd, int to_dirfd, TreeTake how, const GArray *pairs,
			 const UtilProgress *progress, GError **error);

/* Sets final modes and mtimes of every entry, folders after what is in them; the top folder gets
 * mode 0755. A file that has a second name (TREE_TAKE_LINKS) is left as it is. taken (may be NULL):
 * 1 at the index of each file that was taken and not just as TREE_TAKE_CHECKED: those are as they
 * should be already, and not looked at. */
gboolean tree_finish(int dirfd, const Manifest *manifest, const guint8 *taken, GError **error);
