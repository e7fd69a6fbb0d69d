/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <unistd.h>

#include "store/store.h"

#define PART_SUFFIX ".part"

int store_blob_new(int dirfd, char **ret_name, GError **error)
{
	for (guint i = 0; i < 100; i++) {
		g_autofree char *name = g_strdup_printf(".tmp-blob-%08x", g_random_int());
		g_autoptr(GError) failed = NULL;
		int fd =
		    util_fs_open_beneath(dirfd, name, O_RDWR | O_CREAT | O_EXCL, 0600, &failed);
		if (fd >= 0) {
			*ret_name = g_steal_pointer(&name);
			return fd;
		}
		if (!g_error_matches(failed, TS_ERROR, TS_ERROR_EXISTS)) {
			g_propagate_error(error, g_steal_pointer(&failed));
			return -1;
		}
	}
	util_error_set(error, TS_ERROR_FAILED, "no free temporary name for a new file");
	return -1;
}

gboolean store_blob_keep(int dirfd, const char *name, int fd, char ret_sha256[UTIL_SHA256_HEX],
			 guint64 *ret_bytes, GError **error)
{
	guint8 digest[UTIL_SHA256_BYTES];
	char sha256[UTIL_SHA256_HEX];
	guint64 bytes = 0;
	if (!util_fs_fsync(fd, error) || !util_sha256_fd(fd, digest, &bytes, error))
		return FALSE;
	util_hex_encode(digest, sizeof digest, sha256);
	/* an equal file is replaced by an equal one: readers notice nothing */
	if (!util_fs_rename_durable(dirfd, name, dirfd, sha256, error))
		return FALSE;
	memcpy(ret_sha256, sha256, sizeof sha256);
	*ret_bytes = bytes;
	return TRUE;
}

static gboolean check_hash_name(const char *sha256, GError **error)
{
	if (util_sha256_hex_ok(sha256))
		return TRUE;
	return util_error_set(error, TS_ERROR_CORRUPT, "not a SHA-256 in lower-case hex: %.80s",
			      sha256);
}

/* Size of an open regular file; anything else is CORRUPT. */
static gboolean regular_size(int fd, const char *name, guint64 *ret_bytes, GError **error)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return util_error_errno(error, errno, "%s", name);
	if (!S_ISREG(st.st_mode))
		return util_error_set(error, TS_ERROR_CORRUPT, "%s: not a regular file", name);
	*ret_bytes = (guint64)st.st_size;
	return TRUE;
}

int store_blob_open(int dirfd, const char *sha256, guint64 *ret_bytes, GError **error)
{
	guint64 bytes = 0;
	if (!check_hash_name(sha256, error))
		return -1;
	/* O_NONBLOCK: a FIFO put there must not hang us before fstat tells what it is */
	util_autofd int fd = util_fs_open_beneath(dirfd, sha256, O_RDONLY | O_NONBLOCK, 0, error);
	if (fd < 0 || !regular_size(fd, sha256, &bytes, error))
		return -1;
	if (ret_bytes)
		*ret_bytes = bytes;
	return g_steal_fd(&fd);
}

gboolean store_blob_exists(int dirfd, const char *sha256)
{
	struct stat st;
	return util_sha256_hex_ok(sha256) &&
	       fstatat(dirfd, sha256, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

int store_partial_open(int dirfd, const char *sha256, guint64 *ret_offset, GError **error)
{
	guint64 bytes = 0;
	if (!check_hash_name(sha256, error))
		return -1;
	g_autofree char *part = g_strconcat(sha256, PART_SUFFIX, NULL);
	util_autofd int fd = util_fs_open_beneath(
	    dirfd, part, O_RDWR | O_CREAT | O_APPEND | O_NONBLOCK, 0600, error);
	if (fd < 0 || !regular_size(fd, part, &bytes, error))
		return -1;
	*ret_offset = bytes;
	return g_steal_fd(&fd);
}

gboolean store_partial_sync(int fd, GError **error)
{
	return util_fs_fsync(fd, error);
}

gboolean store_partial_finish(int dirfd, const char *sha256, int fd, guint64 bytes, GError **error)
{
	guint8 digest[UTIL_SHA256_BYTES];
	char found[UTIL_SHA256_HEX];
	guint64 size = 0;
	if (!check_hash_name(sha256, error))
		return FALSE;
	g_autofree char *part = g_strconcat(sha256, PART_SUFFIX, NULL);
	if (!regular_size(fd, part, &size, error))
		return FALSE;
	if (size < bytes)
		return util_error_set(error, TS_ERROR_AGAIN,
				      "%s has %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
				      " bytes: the download goes on there",
				      part, size, bytes);
	if (!util_fs_fsync(fd, error) || !util_sha256_fd(fd, digest, &size, error))
		return FALSE;
	util_hex_encode(digest, sizeof digest, found);
	if (size == bytes && strcmp(found, sha256) == 0)
		return util_fs_rename_durable(dirfd, part, dirfd, sha256, error);
	if (!util_fs_unlink(dirfd, part, error))
		return FALSE;
	return util_error_set(error, TS_ERROR_NOT_AUTHENTIC,
			      "%s: %" G_GUINT64_FORMAT " bytes with SHA-256 %s arrived where "
			      "%" G_GUINT64_FORMAT " bytes were ordered; removed, to start again",
			      sha256, size, found, bytes);
}
