/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <unistd.h>

#include "bundle/bundle-private.h"
#include "bundle/tar.h"

#define INPUT_CHUNK ((gsize)64 * 1024)
#define BLOCK_BYTES 512
#define END_BYTES ((gsize)1024)
#define MODE 0644

/* ---- out ---- */

struct BundleTarWriter {
	struct archive *archive;
	struct archive_entry *entry;
	int fd;
	gint64 mtime_utc;
	gboolean discard; /* the file is given up */
	GError *error;    /* what the callback failed with */
};

static la_ssize_t on_write(struct archive *archive, void *user_data, const void *data, size_t len)
{
	BundleTarWriter *writer = user_data;
	if (writer->discard ||
	    (!writer->error && util_fs_write_all(writer->fd, data, len, &writer->error)))
		return (la_ssize_t)len;
	archive_set_error(archive, EIO, "write failed");
	return -1;
}

static gboolean write_failed(BundleTarWriter *writer, GError **error)
{
	if (writer->error) {
		g_propagate_error(error, g_steal_pointer(&writer->error));
		return FALSE;
	}
	return util_error_set(error, TS_ERROR_FAILED, "writing a tar: %s",
			      archive_error_string(writer->archive));
}

BundleTarWriter *bundle_tar_writer_new(int fd, gint64 mtime_utc, GError **error)
{
	g_autoptr(BundleTarWriter) writer = g_new0(BundleTarWriter, 1);
	writer->fd = fd;
	writer->mtime_utc = mtime_utc;
	writer->archive = archive_write_new();
	writer->entry = archive_entry_new();
	g_assert(writer->archive && writer->entry);
	/* no blocking: every write passes straight on */
	if (archive_write_set_format_pax_restricted(writer->archive) == ARCHIVE_OK &&
	    archive_write_set_bytes_per_block(writer->archive, 0) == ARCHIVE_OK &&
	    archive_write_open(writer->archive, writer, NULL, on_write, NULL) == ARCHIVE_OK)
		return g_steal_pointer(&writer);
	write_failed(writer, error);
	return NULL;
}

gboolean bundle_tar_writer_begin(BundleTarWriter *writer, const char *name, guint64 bytes,
				 GError **error)
{
	struct archive_entry *out = writer->entry;
	archive_entry_clear(out);
	archive_entry_copy_pathname(out, name);
	archive_entry_set_filetype(out, AE_IFREG);
	archive_entry_set_perm(out, MODE);
	archive_entry_set_mtime(out, writer->mtime_utc, 0);
	archive_entry_set_size(out, (la_int64_t)bytes);
	return archive_write_header(writer->archive, out) == ARCHIVE_OK ||
	       write_failed(writer, error);
}

gboolean bundle_tar_writer_data(BundleTarWriter *writer, const void *data, gsize len,
				GError **error)
{
	for (const char *p = data; len > 0;) {
		la_ssize_t n = archive_write_data(writer->archive, p, len);
		if (n <= 0)
			return write_failed(writer, error);
		p += n;
		len -= (gsize)n;
	}
	return TRUE;
}

gboolean bundle_tar_writer_finish(BundleTarWriter *writer, GError **error)
{
	return archive_write_close(writer->archive) == ARCHIVE_OK || write_failed(writer, error);
}

void bundle_tar_writer_free(BundleTarWriter *writer)
{
	if (!writer)
		return;
	/* libarchive would write the end of a file that is not whole */
	writer->discard = TRUE;
	(void)archive_write_free(writer->archive); /* whatever was to be told has been */
	archive_entry_free(writer->entry);
	g_clear_error(&writer->error);
	g_free(writer);
}

/* ---- in ---- */

struct BundleTarReader {
	struct archive *archive;
	guint8 *input;
	int fd;
	guint64 offset, size; /* of the file */
	gboolean ended;
	char *name;
	guint64 left;  /* of the current file */
	GError *error; /* what the callback failed with */
};

static la_ssize_t on_read(struct archive *archive, void *user_data, const void **ret_buffer)
{
	BundleTarReader *reader = user_data;
	gsize len = (gsize)MIN(INPUT_CHUNK, reader->size - reader->offset);
	*ret_buffer = reader->input;
	if (!reader->error &&
	    util_fs_pread_full(reader->fd, reader->input, len, reader->offset, &reader->error)) {
		reader->offset += len;
		return (la_ssize_t)len;
	}
	archive_set_error(archive, EIO, "read failed");
	return -1;
}

static gboolean read_failed(BundleTarReader *reader, GError **error)
{
	if (reader->error) {
		g_propagate_error(error, g_steal_pointer(&reader->error));
		return FALSE;
	}
	const char *text = archive_error_string(reader->archive);
	return util_error_set(error, TS_ERROR_CORRUPT, "tar: %s", text ? text : "not a good one");
}

/* libarchive takes a tar without its end for a whole one. */
static gboolean check_end(BundleTarReader *reader, GError **error)
{
	static const guint8 zeros[END_BYTES];
	struct stat st;
	if (fstat(reader->fd, &st) != 0)
		return util_error_errno(error, errno, "fstat");
	if (!S_ISREG(st.st_mode))
		return util_error_set(error, TS_ERROR_USAGE, "not a regular file");
	reader->size = (guint64)st.st_size;
	if (reader->size >= END_BYTES && !util_fs_pread_full(reader->fd, reader->input, END_BYTES,
							     reader->size - END_BYTES, error))
		return FALSE;
	if (reader->size < END_BYTES || reader->size % BLOCK_BYTES != 0 ||
	    memcmp(reader->input, zeros, END_BYTES) != 0)
		return util_error_set(error, TS_ERROR_CORRUPT, "tar: no tar, or cut short");
	return TRUE;
}

BundleTarReader *bundle_tar_reader_new(int fd, GError **error)
{
	g_autoptr(BundleTarReader) reader = g_new0(BundleTarReader, 1);
	reader->fd = fd;
	reader->input = g_malloc(INPUT_CHUNK);
	reader->archive = archive_read_new();
	g_assert(reader->archive);
	if (!check_end(reader, error))
		return NULL;
	if (archive_read_support_format_tar(reader->archive) == ARCHIVE_OK &&
	    archive_read_open(reader->archive, reader, NULL, on_read, NULL) == ARCHIVE_OK)
		return g_steal_pointer(&reader);
	read_failed(reader, error);
	return NULL;
}

/* What a file that we wrote never has, or NULL. */
static const char *entry_fault(struct archive_entry *in)
{
	const char *name = archive_entry_pathname(in);
	if (!name || strlen(name) > BUNDLE_TAR_NAME_MAX)
		return "a name that cannot be";
	if (archive_entry_filetype(in) != AE_IFREG || archive_entry_hardlink(in))
		return "not a regular file";
	if (archive_entry_sparse_count(in) > 0)
		return "a sparse file";
	if (archive_entry_xattr_count(in) > 0 || archive_entry_acl_types(in) != 0 ||
	    archive_entry_fflags_text(in))
		return "extended attributes";
	if (archive_entry_perm(in) != MODE)
		return "its mode is not 0644";
	if (!archive_entry_size_is_set(in) || archive_entry_size(in) < 0)
		return "no size";
	return NULL;
}

/* libarchive stops at the end of the tar, which may be within what it was given. */
static gboolean only_zeros_left(BundleTarReader *reader, GError **error)
{
	guint64 at = (guint64)archive_filter_bytes(reader->archive, 0);
	gsize len = reader->size >= at ? (gsize)MIN(reader->size - at, INPUT_CHUNK) : 0;
	if (!util_fs_pread_full(reader->fd, reader->input, len, at, error))
		return FALSE;
	gboolean zeros = TRUE;
	for (gsize i = 0; i < len; i++)
		zeros = zeros && reader->input[i] == 0;
	return (zeros && at + len == reader->size) ||
	       util_error_set(error, TS_ERROR_CORRUPT, "tar: bytes after its end");
}

static gboolean reader_end(BundleTarReader *reader, const char **ret_name, GError **error)
{
	*ret_name = NULL;
	reader->ended = TRUE;
	return only_zeros_left(reader, error);
}

gboolean bundle_tar_reader_next(BundleTarReader *reader, const char **ret_name, guint64 *ret_bytes,
				GError **error)
{
	struct archive_entry *in = NULL;
	/* libarchive must not be asked again behind the end */
	int ret = reader->ended ? ARCHIVE_EOF : archive_read_next_header(reader->archive, &in);
	if (ret == ARCHIVE_EOF && !reader->error)
		return reader_end(reader, ret_name, error);
	if (ret != ARCHIVE_OK)
		return read_failed(reader, error);
	const char *fault = entry_fault(in);
	if (fault) {
		const char *name = archive_entry_pathname(in);
		g_autofree char *shown = util_text_printable(name ? name : "", -1);
		return util_error_set(error, TS_ERROR_CORRUPT, "tar: %.120s: %s", shown, fault);
	}
	g_free(reader->name);
	reader->name = g_strdup(archive_entry_pathname(in));
	reader->left = (guint64)archive_entry_size(in);
	*ret_name = reader->name;
	*ret_bytes = reader->left;
	return TRUE;
}

gssize bundle_tar_reader_read(BundleTarReader *reader, void *buffer, gsize len, GError **error)
{
	gsize want = (gsize)MIN(len, reader->left);
	la_ssize_t n = want > 0 ? archive_read_data(reader->archive, buffer, want) : 0;
	if (n < 0 || (want > 0 && n == 0)) {
		(void)read_failed(reader, error); /* always FALSE */
		return -1;
	}
	reader->left -= (guint64)n;
	return (gssize)n;
}

void bundle_tar_reader_free(BundleTarReader *reader)
{
	if (!reader)
		return;
	(void)archive_read_free(reader->archive); /* read only */
	g_clear_error(&reader->error);
	g_free(reader->input);
	g_free(reader->name);
	g_free(reader);
}
