/* SPDX-License-Identifier: ISC */
/*
 * Files named by their SHA-256 in one folder (STATE/bundles, ROOT/partial). A finished file is
 * never changed. A download in progress is "HASH.part"; bytes before its synced length are kept
 * over any crash, and bytes after it may be anything: only the hash of the whole is trusted.
 *
 *   int fd = store_partial_open(dirfd, sha256, &offset, error);
 *   ... write from offset on, store_partial_sync now and then ...
 *   store_partial_finish(dirfd, sha256, fd, bytes, error);
 *   close(fd)                                      (the descriptor stays the caller's)
 */
#pragma once

#include "util/util.h"

/* A temporary file in the folder for a writer that does not know the hash yet; *ret_name is for
 * store_blob_keep or util_fs_unlink. */
int store_blob_new(int dirfd, char **ret_name, GError **error);
/* Syncs fd, hashes it, renames it to its hash (an equal one already there is fine), syncs the
 * folder. */
gboolean store_blob_keep(int dirfd, const char *name, int fd, char ret_sha256[UTIL_SHA256_HEX],
			 guint64 *ret_bytes, GError **error);
/* Opens for reading; NOT_FOUND. */
int store_blob_open(int dirfd, const char *sha256, guint64 *ret_bytes, GError **error);
gboolean store_blob_exists(int dirfd, const char *sha256);

/* A download: opens or makes HASH.part for appending and tells where to go on. */
int store_partial_open(int dirfd, const char *sha256, guint64 *ret_offset, GError **error);
/* Syncs; call every now and then and at a cut. */
gboolean store_partial_sync(int fd, GError **error);
/* Checks length and hash and renames to HASH. Too few bytes: AGAIN, the partial file stays. Too
 * many or a wrong hash removes it and is NOT_AUTHENTIC, so that the caller may start once more from
 * 0. */
gboolean store_partial_finish(int dirfd, const char *sha256, int fd, guint64 bytes, GError **error);
