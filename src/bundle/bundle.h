/* SPDX-License-Identifier: ISC */
/*
 * Bundles: libarchive tarballs of what changed from one tree to another.
 *
 *   bundle_make(&old, &new, out_fd, &options, &info, error)    same input and options: same bytes
 *   bundle_apply(fd, &old, new_dirfd, &limits, &manifest, error)
 *
 * Neither is durable; a crash leaves a partial file or folder that the caller throws away.
 *
 * THE FILE is a .tar.xz (CRC32, one stream, nothing after it).
 *
 * The header of a plain bundle is trailer text; "Memory-Bytes" is what the reader needs for
 * everything, the caller's manifest included:
 *
 *   Format: 1
 *   Codec: plain
 *   Old-Root: -
 *   New-Root: 64 hex digits
 *   Files: CHANGED COPIED KEPT DELETED
 *   Decoded-Bytes: N                   of all files of the new tree
 *   Memory-Bytes: N
 *
 * That of a delta is one line (format 1, which looked like the above, was never released):
 *
 *   delta 2 OLD-ROOT NEW-ROOT CHANGED COPIED KEPT DELETED DECODED-BYTES MEMORY-BYTES
 *
 * OLD-ROOT is 8 or more hex digits of the old tree's root, or "-": an empty one. If archives are
 * taken apart there follow SCRATCH-BYTES and 8 hex digits of delta_zlib_digest() where it was made.
 *
 * plain  the first member is ".tagship-bundle" (the header), then follows the whole new tree in
 *        byte order of path, with modes and mtimes: any tar reads it.
 * delta  the members are "header"; "changes", the change list of delta/delta.h, coded after the
 *        old tree's paths; "archives", if any are taken apart; and one "contents-N" (N = 1, 2, …)
 * per segment of it, coded after the old files that are its reference. Nothing in the bundle says
 * what a changed file hashes to: the reader hashes what it decoded, rebuilds the new manifest and
 * compares its root. Only that check is trusted. The .xz around it is there for the tar headers; it
 * is flushed before and after contents, so that these are stored and cost 3 bytes per 64 KiB.
 *
 * Whatever is not exactly as expected ends the whole apply: CORRUPT if it is damaged, REFUSED if it
 * wants more than the limits (before it gets it), UNSUPPORTED if a newer tagship made it.
 */
#pragma once

#include "tree/tree.h"

/* A tree on disk. manifest NULL: nothing (an empty tree, root "-"). */
typedef struct {
	int dirfd;
	const Manifest *manifest;
} BundleTree;

typedef enum {
	BUNDLE_CODEC_AUTO, /* delta if there is an old tree, else plain */
	BUNDLE_CODEC_PLAIN,
	BUNDLE_CODEC_DELTA
} BundleCodec;

typedef struct {
	BundleCodec codec;
	guint64 base_memory_bytes; /* decoder's limit; 0: 128 MiB */
	/* 1 (fast) to 9 (smallest); 0: the default, or with arrive_kbit what arrives first over a
	 * line of that rate, making it included */
	guint effort;
	guint64 arrive_kbit;
	gboolean whole_archives; /* the reader's zlib packs otherwise: leave archives as they are */
	int scratch_dirfd;       /* where unnamed files may be made; 0: the current folder */
	const UtilProgress *progress;
} BundleMakeOptions;

typedef struct {
	char *codec;    /* "plain" or "delta" */
	char *old_root; /* "-" for nothing; of a delta that was read its first 8 digits */
	char *new_root;
	char *sha256; /* of the bundle file; set by bundle_make and bundle_show */
	char *zlib;   /* NULL: no archives are put together */
	guint64 bytes;
	guint64 decoded_bytes; /* all file contents the reader will write */
	guint64 memory_bytes;  /* what the decoder needs */
	guint64
	    scratch_bytes; /* disk it needs for a while, for archives in archives and their parts */
	guint files_changed, files_copied, files_kept, files_deleted;
	guint effort;        /* deltas, of bundle_make: with it and the same trees the same bytes
				come again */
	guint64 coded_bytes; /* of bundle_make: what the codecs put out, without any container */
} BundleInfo;

#define BUNDLE_EFFORT_DEFAULT 7
#define BUNDLE_EFFORT_MAX 9
/* The effort by which so much new content arrives first over a line of this rate. */
guint bundle_effort_for(guint64 content_bytes, guint64 ref_bytes, guint64 kbit);

/* How the zlib here packs, 8 hex digits: archives come back only from one that packs alike. Caller
 * frees. */
char *bundle_zlib_digest(void);
/* The same, and kept in the file "zlib" until the machine (boot: util_clock's boot_id) is started
 * again, for it takes 35 ms. */
char *bundle_zlib_digest_kept(int dirfd, const char *boot);

void bundle_info_free(BundleInfo *info);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BundleInfo, bundle_info_free)

/* Writes to out_fd (empty, read-write, positioned at 0). */
gboolean bundle_make(const BundleTree *old_tree, const BundleTree *new_tree, int out_fd,
		     const BundleMakeOptions *options, BundleInfo **ret_info, GError **error);

/* Zero values: 128 MiB memory, and exactly what the header declares, at most 16 GiB. */
typedef struct {
	guint64 memory_bytes;
	guint64 decoded_bytes;
	guint64 scratch_bytes;       /* 0: what the header declares, at most 16 GiB */
	const char *expect_new_root; /* NULL: not known */
	TreeTake take;               /* how unchanged files come from the old tree */
	const UtilProgress *progress;
} BundleLimits;

/* Builds the new tree in the empty folder new_dirfd: unchanged and moved files are copied
 * (reflinked) from old_tree with their hash checked (but see TreeTake), the rest is decoded, modes
 * and mtimes are set, the root compared. *ret_manifest is the new tree's. A missing or altered old
 * file is CORRUPT with its name. An entry that is not perfectly fine ends the whole apply. */
gboolean bundle_apply(int bundle_fd, const BundleTree *old_tree, int new_dirfd,
		      const BundleLimits *limits, Manifest **ret_manifest, GError **error);

/* Reads the header only. */
BundleInfo *bundle_show(int bundle_fd, GError **error);
/* The change list as text lines for people, per file; needs the old tree for a delta (may be NULL:
 * then only what the header says). */
char *bundle_list(int bundle_fd, const BundleTree *old_tree, GError **error);
