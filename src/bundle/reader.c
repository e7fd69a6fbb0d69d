/* SPDX-License-Identifier: ISC */
/* The way back: file, .xz, tar by libarchive; every entry looked at with suspicion. */
#include <errno.h>
#include <unistd.h>

#include "bundle/bundle-private.h"

#define INPUT_CHUNK ((gsize)64 * 1024)
/* Zeros that other tars put after the end of the archive. */
#define PADDING_MAX ((gsize)64 * 1024)

struct BundleReader {
	struct archive *archive;
	struct archive_entry *entry; /* libarchive's */
	DeltaCoder *xz;
	guint8 *input;
	guint8 *output;
	DeltaBuffers buffers;
	int fd;
	guint64 offset;     /* in the file */
	guint64 decoded;    /* bytes so far, … */
	guint64 zeros_last; /* … of which so many at the end are zero */
	guint64 left;       /* of the current entry */
	guint64 entry_done;
	gboolean file_ended; /* nothing more to read */
	gboolean xz_ended;
	gboolean tar_ended;
	char *path;    /* of the current entry */
	GError *error; /* what the callback failed with */
};

static gboolean read_input(BundleReader *reader, GError **error)
{
	ssize_t n = 0;
	do
		n = pread(reader->fd, reader->input, INPUT_CHUNK, (off_t)reader->offset);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return util_error_errno(error, errno, "reading the bundle");
	reader->buffers.in = reader->input;
	reader->buffers.in_len = (gsize)n;
	reader->offset += (guint64)n;
	reader->file_ended = n == 0;
	return TRUE;
}

static void note_decoded(BundleReader *reader, gsize len)
{
	gsize zeros = 0;
	while (zeros < len && reader->output[len - zeros - 1] == 0)
		zeros++;
	reader->decoded += len;
	reader->zeros_last = zeros == len ? reader->zeros_last + len : zeros;
}

/* The next decoded bytes; 0 only after the very end of the stream. */
static gssize read_decoded(BundleReader *reader, GError **error)
{
	reader->buffers.out = reader->output;
	reader->buffers.out_len = BUNDLE_CHUNK;
	while (!reader->xz_ended && reader->buffers.out_len == BUNDLE_CHUNK) {
		if (reader->buffers.in_len == 0 && !reader->file_ended &&
		    !read_input(reader, error))
			return -1;
		if (!delta_coder_step(reader->xz, &reader->buffers,
				      reader->file_ended ? DELTA_LAST : DELTA_MORE,
				      &reader->xz_ended, error)) {
			g_prefix_error(error, "bundle: ");
			return -1;
		}
	}
	note_decoded(reader, BUNDLE_CHUNK - reader->buffers.out_len);
	return (gssize)(BUNDLE_CHUNK - reader->buffers.out_len);
}

static la_ssize_t on_read(struct archive *archive, void *user_data, const void **ret_buffer)
{
	BundleReader *reader = user_data;
	gssize n = reader->error ? -1 : read_decoded(reader, &reader->error);
	if (n < 0)
		archive_set_error(archive, EIO, "read failed");
	*ret_buffer = reader->output;
	return n;
}

static gboolean archive_failed(BundleReader *reader, GError **error)
{
	if (reader->error) {
		g_propagate_error(error, g_steal_pointer(&reader->error));
		return FALSE;
	}
	const char *text = archive_error_string(reader->archive);
	return util_error_set(error, TS_ERROR_CORRUPT, "bundle: %s",
			      text ? text : "not a good archive");
}

BundleReader *bundle_reader_new(int fd, guint64 memory_bytes, GError **error)
{
	g_autoptr(BundleReader) reader = g_new0(BundleReader, 1);
	reader->fd = fd;
	reader->input = g_malloc(INPUT_CHUNK);
	reader->output = g_malloc(BUNDLE_CHUNK);
	reader->archive = archive_read_new();
	g_assert(reader->archive);
	reader->xz = delta_xz_decoder_new(memory_bytes, error);
	if (!reader->xz)
		return NULL;
	if (archive_read_support_format_tar(reader->archive) != ARCHIVE_OK ||
	    archive_read_open(reader->archive, reader, NULL, on_read, NULL) != ARCHIVE_OK) {
		archive_failed(reader, error);
		return NULL;
	}
	return g_steal_pointer(&reader);
}

void bundle_reader_free(BundleReader *reader)
{
	if (!reader)
		return;
	(void)archive_read_free(reader->archive); /* read only */
	delta_coder_free(reader->xz);
	g_clear_error(&reader->error);
	g_free(reader->input);
	g_free(reader->output);
	g_free(reader->path);
	g_free(reader);
}

guint64 bundle_reader_memory(const BundleReader *reader)
{
	return delta_coder_memory(reader->xz);
}

/* What a good entry never has, or NULL. */
static const char *entry_fault(struct archive_entry *in)
{
	if (!archive_entry_pathname(in))
		return "a name that cannot be read";
	if (archive_entry_hardlink(in))
		return "a hard link";
	if (archive_entry_sparse_count(in) > 0)
		return "a sparse file";
	if (archive_entry_xattr_count(in) > 0 || archive_entry_acl_types(in) != 0 ||
	    archive_entry_fflags_text(in))
		return "extended attributes";
	if (!archive_entry_mtime_is_set(in) || archive_entry_mtime_nsec(in) != 0)
		return "a time that is not in whole seconds";
	if (archive_entry_perm(in) & 07000)
		return "set-uid, set-gid or sticky bits";
	return NULL;
}

/* Fills what depends on the type; FALSE for types and modes no tree has. */
static gboolean entry_type(struct archive_entry *in, ManifestEntry *entry)
{
	entry->mode = (guint16)archive_entry_perm(in);
	gsize len = strlen(entry->path);
	switch (archive_entry_filetype(in)) {
	case AE_IFREG:
		entry->type = MANIFEST_FILE;
		entry->size = (guint64)archive_entry_size(in);
		return archive_entry_size_is_set(in) && archive_entry_size(in) >= 0 &&
		       (entry->mode == 0644 || entry->mode == 0755);
	case AE_IFDIR:
		entry->type = MANIFEST_DIR;
		/* tar writes folders with one slash at the end */
		if (len < 2 || entry->path[len - 1] != '/')
			return FALSE;
		entry->path[len - 1] = '\0';
		return entry->mode == 0755;
	case AE_IFLNK:
		entry->type = MANIFEST_LINK;
		entry->mode = 0777;
		union {
			const char *in;
			char *out;
		} target = {.in = archive_entry_symlink(in)};
		entry->target = target.out; /* only read */
		return target.in != NULL;
	default:
		return FALSE;
	}
}

static gboolean read_entry(BundleReader *reader, ManifestEntry *entry, GError **error)
{
	const char *fault = entry_fault(reader->entry);
	g_free(reader->path);
	reader->path = g_strdup(archive_entry_pathname(reader->entry));
	entry->path = reader->path;
	entry->mtime_s = archive_entry_mtime(reader->entry);
	if (!fault && !entry_type(reader->entry, entry))
		fault = "a type or mode that no tree has";
	if (!fault) {
		g_autoptr(GError) inner = NULL;
		gboolean own = strcmp(entry->path, BUNDLE_PLAIN_HEADER) == 0;
		if (own || manifest_path_check(entry->path, &inner))
			return TRUE;
		return util_error_set(error, TS_ERROR_CORRUPT, "bundle: %s", inner->message);
	}
	const char *path = reader->path ? reader->path : "";
	g_autofree char *name = util_text_printable(path, (gssize)strnlen(path, 200));
	return util_error_set(error, TS_ERROR_CORRUPT, "bundle: %s: %s", name, fault);
}

gboolean bundle_reader_next(BundleReader *reader, ManifestEntry *ret_entry, gboolean *ret_end,
			    GError **error)
{
	ManifestEntry entry = {0};
	/* libarchive must not be asked again behind the end */
	int ret = reader->tar_ended ? ARCHIVE_EOF
				    : archive_read_next_header(reader->archive, &reader->entry);
	*ret_end = reader->tar_ended = ret == ARCHIVE_EOF && !reader->error;
	if (*ret_end)
		return TRUE;
	if (ret != ARCHIVE_OK)
		return archive_failed(reader, error);
	if (!read_entry(reader, &entry, error))
		return FALSE;
	reader->left = entry.size;
	reader->entry_done = 0;
	*ret_entry = entry;
	return TRUE;
}

gboolean bundle_reader_block(BundleReader *reader, const guint8 **ret_data, gsize *ret_len,
			     GError **error)
{
	const void *data = NULL;
	size_t len = 0;
	la_int64_t offset = 0;
	int ret = ARCHIVE_OK;
	do /* an empty block is not yet the end */
		ret = archive_read_data_block(reader->archive, &data, &len, &offset);
	while (ret == ARCHIVE_OK && len == 0);
	*ret_len = 0;
	if (ret == ARCHIVE_EOF && reader->left == 0)
		return TRUE;
	if (ret != ARCHIVE_OK && ret != ARCHIVE_EOF)
		return archive_failed(reader, error);
	if (ret == ARCHIVE_EOF || len > reader->left || offset < 0 ||
	    (guint64)offset != reader->entry_done)
		return util_error_set(error, TS_ERROR_CORRUPT,
				      "bundle: %s has not the size it claims", reader->path);
	reader->left -= len;
	reader->entry_done += len;
	*ret_data = data;
	*ret_len = len;
	return TRUE;
}

gboolean bundle_reader_open_member(BundleReader *reader, const char *name, guint64 *ret_size,
				   GError **error)
{
	ManifestEntry entry = {0};
	gboolean end = FALSE;
	if (!bundle_reader_next(reader, &entry, &end, error))
		return FALSE;
	if (end || entry.type != MANIFEST_FILE || strcmp(entry.path, name) != 0)
		return util_error_set(error, TS_ERROR_CORRUPT,
				      "bundle: the member \"%s\" is missing", name);
	*ret_size = entry.size;
	return TRUE;
}

gboolean bundle_reader_content(BundleReader *reader, guint64 size, gsize max_bytes,
			       GByteArray **ret_data, GError **error)
{
	if (size > max_bytes)
		return util_error_set(
		    error, TS_ERROR_REFUSED,
		    "bundle: the member \"%s\" is larger than the %" G_GSIZE_FORMAT
		    " bytes allowed",
		    reader->path, max_bytes);
	g_autoptr(GByteArray) content = g_byte_array_new();
	for (;;) {
		const guint8 *data = NULL;
		gsize len = 0;
		if (!bundle_reader_block(reader, &data, &len, error))
			return FALSE;
		if (len == 0)
			break;
		g_byte_array_append(content, data, (guint)len);
	}
	*ret_data = g_steal_pointer(&content);
	return TRUE;
}

gboolean bundle_reader_member(BundleReader *reader, const char *name, gsize max_bytes,
			      GByteArray **ret_data, GError **error)
{
	guint64 size = 0;
	return bundle_reader_open_member(reader, name, &size, error) &&
	       bundle_reader_content(reader, size, max_bytes, ret_data, error);
}

gboolean bundle_reader_finish(BundleReader *reader, GError **error)
{
	ManifestEntry entry = {0};
	gboolean end = FALSE;
	if (!bundle_reader_next(reader, &entry, &end, error))
		return FALSE;
	if (!end)
		return util_error_set(error, TS_ERROR_CORRUPT,
				      "bundle: there is more in it than it should have");
	/* libarchive stops at the end of the tar, which may be within what it was given */
	guint64 used = (guint64)archive_filter_bytes(reader->archive, 0);
	gssize n = 0;
	do {
		guint64 after = reader->decoded - used;
		if (after > reader->zeros_last || after > PADDING_MAX)
			return util_error_set(error, TS_ERROR_CORRUPT,
					      "bundle: bytes after the end of the archive");
		n = read_decoded(reader, error);
	} while (n > 0);
	if (n < 0)
		return FALSE;
	if (reader->buffers.in_len == 0 && !read_input(reader, error))
		return FALSE;
	return reader->buffers.in_len == 0 ||
	       util_error_set(error, TS_ERROR_CORRUPT, "bundle: bytes after its end");
}

BundleReader *bundle_open(int fd, guint64 memory_bytes, BundleInfo **ret_info, GError **error)
{
	g_autoptr(BundleReader) reader =
	    bundle_reader_new(fd, memory_bytes ? memory_bytes : BUNDLE_MEMORY_BYTES, error);
	ManifestEntry entry = {0};
	gboolean end = FALSE;
	if (!reader || !bundle_reader_next(reader, &entry, &end, error))
		return NULL;
	gboolean plain = !end && strcmp(entry.path, BUNDLE_PLAIN_HEADER) == 0;
	if (end || entry.type != MANIFEST_FILE || (!plain && strcmp(entry.path, "header") != 0)) {
		util_error_set(error, TS_ERROR_CORRUPT, "not a tagship bundle");
		return NULL;
	}
	g_autoptr(GByteArray) text = NULL;
	if (!bundle_reader_content(reader, entry.size, BUNDLE_HEADER_MAX, &text, error))
		return NULL;
	g_autoptr(BundleInfo) info =
	    bundle_header_parse(text->len ? (const char *)text->data : "", text->len, error);
	if (!info)
		return NULL;
	if (plain != (strcmp(info->codec, "plain") == 0)) {
		util_error_set(error, TS_ERROR_CORRUPT,
			       "bundle: header and codec do not belong "
			       "together");
		return NULL;
	}
	*ret_info = g_steal_pointer(&info);
	return g_steal_pointer(&reader);
}
