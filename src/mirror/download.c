/* SPDX-License-Identifier: ISC */
#include <unistd.h>

#include "mirror/mirror-private.h"

#define CHUNK_BYTES (32 * 1024)
#define SYNC_BYTES (256 * 1024)

/* One bundle on its way. */
typedef struct {
	Mirror *mirror;
	const char *sha256;
	guint64 bytes;
	int dirfd; /* ROOT/partial */
	int fd;
	guint64 done; /* bytes in the file */
} Download;

gboolean mirror_check_space(const MirrorSpec *spec, int dirfd, guint64 need, GError **error)
{
	guint64 have = 0;
	guint64 reserve = (guint64)spec->conf->min_free_mb * 1024 * 1024;
	if (!util_fs_free_bytes(dirfd, &have, error))
		return FALSE;
	if (have >= reserve && have - reserve >= need)
		return TRUE;
	g_autofree char *have_text = util_text_bytes(have);
	g_autofree char *need_text = util_text_bytes(need);
	g_autofree char *reserve_text = util_text_bytes(reserve);
	return util_error_set(error, TS_ERROR_NO_SPACE,
			      "%s are free at %s; this bundle needs %s beside the %s kept free "
			      "(min_free_mb): make room",
			      have_text, spec->root_path, need_text, reserve_text);
}

static gboolean check_space(const Download *download, GError **error)
{
	return mirror_check_space(download->mirror->spec, download->dirfd,
				  download->bytes - download->done, error);
}

/* Reads the rest of the bundle into the file, synced every now and then. */
static gboolean receive(Download *download, UtilStream *stream, GError **error)
{
	g_autofree char *chunk = g_malloc(CHUNK_BYTES);
	guint64 synced = download->done;
	while (download->done < download->bytes) {
		if (mirror_has_news(download->mirror))
			return util_error_set(error, TS_ERROR_AGAIN,
					      "put off: central has something new");
		mirror_line_limit(download->mirror);
		gsize want = (gsize)MIN(CHUNK_BYTES, download->bytes - download->done);
		gssize n = stream->read(stream, chunk, want, error);
		if (n == 0)
			return util_error_set(error, TS_ERROR_AGAIN,
					      "central ended the call early");
		if (n < 0 || !util_fs_write_all(download->fd, chunk, (gsize)n, error))
			return FALSE;
		download->done += (guint64)n;
		if (download->done - synced >= SYNC_BYTES) {
			if (!store_partial_sync(download->fd, error))
				return FALSE;
			synced = download->done;
		}
		util_progress(download->mirror->spec->progress, "downloading", download->done,
			      download->bytes);
	}
	return TRUE;
}

static gboolean check_length(const Download *download, gint64 length, GError **error)
{
	guint64 want = download->bytes - download->done;
	if (length >= 0 && (guint64)length == want)
		return TRUE;
	return util_error_set(error, TS_ERROR_CORRUPT,
			      "central offers %" G_GINT64_FORMAT " bytes from offset "
			      "%" G_GUINT64_FORMAT ", the order says %" G_GUINT64_FORMAT " in all",
			      length, download->done, download->bytes);
}

static gboolean get_rest(Download *download, GError **error)
{
	WireRequest request = {.verb = WIRE_GET, .offset = download->done};
	gint64 length = -1;
	MirrorLine line;
	g_strlcpy(request.hash, download->sha256, sizeof request.hash);
	WireCall *call = mirror_call(download->mirror, &request, error);
	if (!call)
		return FALSE;
	UtilStream *stream = wire_call_stream(call);
	mirror_line_begin(download->mirror, &line);
	if (!mirror_read_reply(download->mirror, call, &length, error))
		return FALSE;
	gboolean ok = check_length(download, length, error) && receive(download, stream, error);
	mirror_line_end(download->mirror, &line);
	if (!ok) {
		wire_call_abort(call);
		/* what came is kept as far as it can be; a failure costs only bytes */
		(void)store_partial_sync(download->fd, NULL);
		g_prefix_error(error, "at %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " bytes: ",
			       download->done, download->bytes);
		return FALSE;
	}
	(void)wire_call_finish(call, NULL); /* all bytes are here, their hash will tell */
	return TRUE;
}

/* From what is there to a complete, checked file. */
static gboolean attempt(Download *download, GError **error)
{
	util_autofd int fd =
	    store_partial_open(download->dirfd, download->sha256, &download->done, error);
	if (fd < 0)
		return FALSE;
	download->fd = fd;
	/* longer than it should be: finish finds out and removes it */
	if (download->done < download->bytes &&
	    (!check_space(download, error) || !get_rest(download, error)))
		return FALSE;
	util_progress(download->mirror->spec->progress, "checking", download->bytes,
		      download->bytes);
	return store_partial_finish(download->dirfd, download->sha256, fd, download->bytes, error);
}

static gboolean run(Download *download, GError **error)
{
	g_autoptr(GError) local = NULL;
	if (attempt(download, &local))
		return TRUE;
	if (g_error_matches(local, TS_ERROR, TS_ERROR_NOT_AUTHENTIC) &&
	    download->done >= download->bytes) {
		util_progress(download->mirror->spec->progress,
			      "wrong hash, downloading once more from the start", 0,
			      download->bytes);
		g_clear_error(&local);
		if (attempt(download, &local))
			return TRUE;
	}
	g_propagate_prefixed_error(error, g_steal_pointer(&local),
				   "bundle %.8s: ", download->sha256);
	return FALSE;
}

gboolean mirror_download(Mirror *mirror, const char *sha256, guint64 bytes, GError **error)
{
	/* two programs must not append to one file */
	util_autofd int lock =
	    util_fs_lock(mirror->spec->root_dirfd, MIRROR_DOWNLOAD_LOCK, 0, error);
	if (lock < 0) {
		g_prefix_error(error, "another pull is downloading: ");
		return FALSE;
	}
	util_autofd int dirfd = util_fs_open_dir(mirror->spec->root_dirfd, "partial", error);
	if (dirfd < 0)
		return FALSE;
	if (store_blob_exists(dirfd, sha256))
		return TRUE;
	mirror->being_made = FALSE;
	Download download = {
	    .mirror = mirror, .sha256 = sha256, .bytes = bytes, .dirfd = dirfd, .fd = -1};
	return run(&download, error);
}
