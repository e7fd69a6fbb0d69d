/* SPDX-License-Identifier: ISC */
#include <errno.h>

#include "export/export-private.h"

#define CHUNK_BYTES ((gsize)256 * 1024)

struct ExportWriter {
	BundleTarWriter *tar;
	const ExportHead *head;
	guint next; /* member */
};

static gboolean write_whole(BundleTarWriter *tar, const char *name, const char *text,
			    GError **error)
{
	return bundle_tar_writer_begin(tar, name, strlen(text), error) &&
	       bundle_tar_writer_data(tar, text, strlen(text), error);
}

ExportWriter *export_writer_new(int fd, const ExportHead *head, const char *key_file,
				GError **error)
{
	g_autofree char *text = export_head_format(head);
	g_autoptr(ExportHead) again = export_head_parse(text, strlen(text), error);
	g_autofree char *signature =
	    again ? util_sshsig_sign(key_file, UTIL_SSHSIG_NS_EXPORT, text, strlen(text), error)
		  : NULL;
	if (!signature)
		return NULL;
	g_autoptr(ExportWriter) writer = g_new0(ExportWriter, 1);
	writer->head = head;
	writer->tar = bundle_tar_writer_new(fd, head->written_utc, error);
	if (!writer->tar || !write_whole(writer->tar, EXPORT_HEAD_NAME, text, error) ||
	    !write_whole(writer->tar, EXPORT_HEAD_SIG, signature, error))
		return NULL;
	return g_steal_pointer(&writer);
}

static gboolean begin(ExportWriter *writer, guint64 bytes, GError **error)
{
	g_assert(writer->next < writer->head->members->len);
	const ExportMember *member = writer->head->members->pdata[writer->next++];
	if (bytes != member->bytes)
		return util_error_set(error, TS_ERROR_CORRUPT,
				      "%s: %" G_GUINT64_FORMAT " bytes, where %" G_GUINT64_FORMAT
				      " must be",
				      member->name, bytes, member->bytes);
	return bundle_tar_writer_begin(writer->tar, member->name, bytes, error);
}

gboolean export_writer_add(ExportWriter *writer, const void *data, gsize len, GError **error)
{
	return begin(writer, len, error) && bundle_tar_writer_data(writer->tar, data, len, error);
}

gboolean export_writer_add_fd(ExportWriter *writer, int fd, GError **error)
{
	g_autofree guint8 *chunk = g_malloc(CHUNK_BYTES);
	struct stat st;
	if (fstat(fd, &st) != 0)
		return util_error_errno(error, errno, "fstat");
	guint64 size = (guint64)st.st_size;
	if (!begin(writer, size, error))
		return FALSE;
	for (guint64 done = 0; done < size;) {
		gsize len = (gsize)MIN(CHUNK_BYTES, size - done);
		if (!util_fs_pread_full(fd, chunk, len, done, error) ||
		    !bundle_tar_writer_data(writer->tar, chunk, len, error))
			return FALSE;
		done += len;
	}
	return TRUE;
}

gboolean export_writer_finish(ExportWriter *writer, GError **error)
{
	g_assert(writer->next == writer->head->members->len);
	return bundle_tar_writer_finish(writer->tar, error);
}

void export_writer_free(ExportWriter *writer)
{
	if (!writer)
		return;
	bundle_tar_writer_free(writer->tar);
	g_free(writer);
}
