/* SPDX-License-Identifier: ISC */
/* Bytes kept for a while. */
#include <errno.h>
#include <fcntl.h>

#include "bundle/bundle-private.h"

int bundle_scratch_file(int dirfd, GError **error)
{
	int fd = openat(dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		util_error_errno(error, errno, "a scratch file");
	return fd;
}

void bundle_spool_init(BundleSpool *spool, int dirfd, guint64 max_bytes)
{
	*spool =
	    (BundleSpool){.bytes = g_byte_array_new(), .dirfd = dirfd, .fd = -1, .max = max_bytes};
}

void bundle_spool_clear(BundleSpool *spool)
{
	if (!spool->bytes)
		return;
	g_byte_array_unref(spool->bytes);
	util_closep(&spool->fd);
	spool->bytes = NULL;
}

gboolean bundle_spool_sink(gpointer user_data, const guint8 *data, gsize len, GError **error)
{
	BundleSpool *spool = user_data;
	if (len > spool->max - spool->len)
		return util_error_set(error, TS_ERROR_CORRUPT,
				      "a part is larger than the archive it is in");
	if (spool->fd < 0 && spool->len + len <= BUNDLE_SPOOL_BYTES) {
		g_byte_array_append(spool->bytes, data, (guint)len);
		spool->len += len;
		return TRUE;
	}
	if (spool->fd < 0) {
		spool->fd = bundle_scratch_file(spool->dirfd, error);
		if (spool->fd < 0 ||
		    !util_fs_write_all(spool->fd, spool->bytes->data, spool->bytes->len, error))
			return FALSE;
		g_byte_array_set_size(spool->bytes, 0);
	}
	spool->len += len;
	return util_fs_write_all(spool->fd, data, len, error);
}

gboolean bundle_spool_read(const BundleSpool *spool, BundleSink sink, gpointer user_data,
			   GError **error)
{
	if (spool->fd >= 0)
		return bundle_read_range(spool->fd, 0, spool->len, sink, user_data, error);
	return spool->len == 0 || sink(user_data, spool->bytes->data, spool->bytes->len, error);
}
