/* SPDX-License-Identifier: ISC */
#include "export/export-private.h"

struct ExportReader {
	BundleTarReader *tar;
	ExportHead *head;
	char *text, *signature; /* of the head */
	guint next;             /* member */
	guint64 left;           /* of the current one */
	UtilSha256 *sha;        /* of the current one, until its end */
};

/* The content of a file in the tar; NUL behind it. */
static char *read_whole(BundleTarReader *tar, gsize len, GError **error)
{
	g_autofree char *data = g_malloc(len + 1);
	for (gsize done = 0; done < len;) {
		gssize n = bundle_tar_reader_read(tar, data + done, len - done, error);
		if (n <= 0)
			return NULL;
		done += (gsize)n;
	}
	data[len] = '\0';
	return g_steal_pointer(&data);
}

static char *read_first(BundleTarReader *tar, const char *name, guint64 max, gsize *ret_len,
			GError **error)
{
	const char *found = NULL;
	guint64 bytes = 0;
	if (!bundle_tar_reader_next(tar, &found, &bytes, error))
		return NULL;
	if (!found || strcmp(found, name) != 0 || bytes > max) {
		util_error_set(error, TS_ERROR_CORRUPT, "not an export file of tagship: no %s",
			       name);
		return NULL;
	}
	*ret_len = (gsize)bytes;
	return read_whole(tar, (gsize)bytes, error);
}

ExportReader *export_reader_new(int fd, GError **error)
{
	g_autoptr(ExportReader) reader = g_new0(ExportReader, 1);
	gsize len = 0, signature_len = 0;
	reader->tar = bundle_tar_reader_new(fd, error);
	if (!reader->tar)
		return NULL;
	reader->text = read_first(reader->tar, EXPORT_HEAD_NAME, EXPORT_HEAD_MAX, &len, error);
	if (!reader->text)
		return NULL;
	reader->head = export_head_parse(reader->text, len, error);
	if (!reader->head)
		return NULL;
	reader->signature =
	    read_first(reader->tar, EXPORT_HEAD_SIG, EXPORT_REPORT_MAX, &signature_len, error);
	if (!reader->signature)
		return NULL;
	if (strlen(reader->signature) != signature_len) {
		util_error_set(error, TS_ERROR_CORRUPT, EXPORT_HEAD_SIG ": a NUL in it");
		return NULL;
	}
	return g_steal_pointer(&reader);
}

const ExportHead *export_reader_head(const ExportReader *reader)
{
	return reader->head;
}

gboolean export_reader_verify(const ExportReader *reader, const char *const *keys, GError **error)
{
	if (util_sshsig_verify(keys, UTIL_SSHSIG_NS_EXPORT, reader->text, strlen(reader->text),
			       reader->signature, error))
		return TRUE;
	g_prefix_error(error, "the head of the file: ");
	return FALSE;
}

gboolean export_reader_next(ExportReader *reader, const ExportMember **ret_member, GError **error)
{
	const GPtrArray *members = reader->head->members;
	const ExportMember *member =
	    reader->next < members->len ? members->pdata[reader->next] : NULL;
	const char *name = NULL;
	guint64 bytes = 0;
	if (!bundle_tar_reader_next(reader->tar, &name, &bytes, error))
		return FALSE;
	if (g_strcmp0(name, member ? member->name : NULL) != 0 ||
	    (member && bytes != member->bytes))
		return util_error_set(error, TS_ERROR_CORRUPT,
				      "the file holds something else than its head says: %s%s",
				      member ? "no " : "more than ",
				      member ? member->name : "that");
	g_clear_pointer(&reader->sha, util_sha256_free);
	reader->next += member != NULL;
	reader->left = bytes;
	reader->sha = member ? util_sha256_new() : NULL;
	*ret_member = member;
	return TRUE;
}

/* At the end of the current member. */
static gboolean check_hash(ExportReader *reader, GError **error)
{
	const ExportMember *member = reader->head->members->pdata[reader->next - 1];
	guint8 digest[UTIL_SHA256_BYTES];
	char found[UTIL_SHA256_HEX];
	if (!reader->sha)
		return TRUE; /* was checked */
	util_sha256_finish(reader->sha, digest);
	g_clear_pointer(&reader->sha, util_sha256_free);
	util_hex_encode(digest, sizeof digest, found);
	return strcmp(found, member->sha256) == 0 ||
	       util_error_set(error, TS_ERROR_CORRUPT, "%s is damaged", member->name);
}

gssize export_reader_read(ExportReader *reader, void *buffer, gsize len, GError **error)
{
	gssize n = bundle_tar_reader_read(reader->tar, buffer, len, error);
	if (n < 0)
		return -1;
	if (reader->sha)
		util_sha256_update(reader->sha, buffer, (gsize)n);
	reader->left -= (guint64)n;
	return reader->left > 0 || check_hash(reader, error) ? n : -1;
}

char *export_reader_bytes(ExportReader *reader, GError **error)
{
	gsize len = (gsize)reader->left;
	g_autofree char *data = g_malloc(len + 1);
	char *at = data;
	do {
		gssize n = export_reader_read(reader, at, reader->left, error);
		if (n < 0)
			return NULL;
		at += n;
	} while (reader->left > 0);
	*at = '\0';
	return g_steal_pointer(&data);
}

void export_reader_free(ExportReader *reader)
{
	if (!reader)
		return;
	bundle_tar_reader_free(reader->tar);
	export_head_free(reader->head);
	util_sha256_free(reader->sha);
	g_free(reader->text);
	g_free(reader->signature);
	g_free(reader);
}
