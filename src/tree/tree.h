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
	 * set-uid or set-gid bits, special files and links out of the tree are refused by name in
	 * both. */
	gboolean normalize;
	const char *const *skip; /* top-level names left out, NULL-terminated; may be NULL */
} TreeScan;

/* Reads and hashes everything (on all cores); sealed. AGAIN if a file changes meanwhile. options
 * may be NULL (strictest). */
Manifest *tree_scan(int dirfd, const TreeScan *options, GError **error);

/* Everything on disk must equal the manifest: names, types, modes, sizes, mtimes, hashes, nothing
 * more and nothing less. CORRUPT with the first few differences named. ret_altered (may be NULL):
 * all paths that differ, as GPtrArray of char *. */
gboolean tree_check(int dirfd, const Manifest *manifest, GPtrArray **ret_altered, GError **error);

/* Device, inode, size, mtime and ctime of every entry as text, taken right after a check. */
char *tree_stat_take(int dirfd, const Manifest *manifest, GError **error);
/* Compares the tree with that text; entries whose numbers changed (or whose line is damaged) are
 * looked at in full and hashed again; anything that is not as the manifest says is CORRUPT,
 * named. */
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
/* Sets final modes and mtimes of every entry, folders after what is in them; the top folder gets
 * mode 0755. */
gboolean tree_finish(int dirfd, const Manifest *manifest, GError **error);
