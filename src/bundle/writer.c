/* SPDX-License-Identifier: ISC */
/* tar by libarchive, .xz around it by the delta room, hash and length on the way to the file. */
#include "bundle/bundle-private.h"

struct BundleWriter {
	struct archive *archive;
	struct archive_entry *entry;
	DeltaCoder *xz;
	UtilSha256 *sha;
	guint8 *buffer;
	int fd;
	guint64 bytes;
	gboolean discard; /* the file is given up */
	GError *error;    /* what a callback failed with */
};

/* Everything the coder gives for `data`. */
static gboolean write_coded(BundleWriter *writer, const void *data, gsize len, DeltaRun run,
			    GError **error)
{
	DeltaBuffers buffers = {.in = data, .in_len = len};
	gboolean done = FALSE;
	do {
		buffers.out = writer->buffer;
		buffers.out_len = BUNDLE_CHUNK;
		if (!delta_coder_step(writer->xz, &buffers, run, &done, error))
			return FALSE;
		gsize made = BUNDLE_CHUNK - buffers.out_len;
		util_sha256_update(writer->sha, writer->buffer, made);
		writer->bytes += made;
		if (made > 0 && !util_fs_write_all(writer->fd, writer->buffer, made, error)) {
			g_prefix_error(error, "writing the bundle: ");
			return FALSE;
		}
	} while (run == DELTA_MORE ? buffers.in_len > 0 || buffers.out_len == 0 : !done);
	return TRUE;
}

static la_ssize_t on_write(struct archive *archive, void *user_data, const void *data, size_t len)
{
	BundleWriter *writer = user_data;
	if (writer->discard)
		return (la_ssize_t)len;
	if (!writer->error && write_coded(writer, data, len, DELTA_MORE, &writer->error))
		return (la_ssize_t)len;
	archive_set_error(archive, EIO, "write failed");
	return -1;
}

/* Sets *error from libarchive, or from what the callback met. */
static gboolean archive_failed(BundleWriter *writer, GError **error)
{
	if (writer->error) {
		g_propagate_error(error, g_steal_pointer(&writer->error));
		return FALSE;
	}
	return util_error_set(error, TS_ERROR_FAILED, "writing the bundle: %s",
			      archive_error_string(writer->archive));
}

static gboolean is_ascii(const char *text)
{
	while (*text && (guchar)*text < 0x80)
		text++;
	return !*text;
}

/* pax, which uses its extensions only where ustar does not suffice. Names are bytes, whatever the
 * locale: as pax wants UTF-8, trees with other than ASCII names are written as GNU tar, whose
 * names are bytes too. It has no times before 1970 or after 2242; then pax it is, marked as binary
 * (of which GNU tar complains, reading it well). */
static int choose_format(struct archive *archive, const Manifest *names)
{
	gboolean ascii = TRUE;
	gboolean early = FALSE;
	for (guint i = 0; names && i < manifest_count(names); i++) {
		const ManifestEntry *entry = manifest_entry(names, i);
		ascii =
		    ascii && is_ascii(entry->path) && (!entry->target || is_ascii(entry->target));
		early = early || entry->mtime_s < 0 || entry->mtime_s > 077777777777;
	}
	if (!ascii && !early)
		return archive_write_set_format_gnutar(archive);
	int ret = archive_write_set_format_pax_restricted(archive);
	return ret == ARCHIVE_OK && !ascii ? archive_write_set_options(archive, "hdrcharset=BINARY")
					   : ret;
}

BundleWriter *bundle_writer_new(int fd, guint64 dict_bytes, guint8 props, const Manifest *names,
				GError **error)
{
	g_autoptr(BundleWriter) writer = g_new0(BundleWriter, 1);
	writer->fd = fd;
	writer->sha = util_sha256_new();
	writer->buffer = g_malloc(BUNDLE_CHUNK);
	writer->archive = archive_write_new();
	writer->entry = archive_entry_new();
	writer->xz = delta_xz_encoder_new(dict_bytes, props, error);
	if (!writer->xz)
		return NULL;
	g_assert(writer->archive && writer->entry);
	/* no blocking: every write passes straight on */
	if (choose_format(writer->archive, names) != ARCHIVE_OK ||
	    archive_write_set_bytes_per_block(writer->archive, 0) != ARCHIVE_OK ||
	    archive_write_open(writer->archive, writer, NULL, on_write, NULL) != ARCHIVE_OK) {
		archive_failed(writer, error);
		return NULL;
	}
	return g_steal_pointer(&writer);
}

void bundle_writer_free(BundleWriter *writer)
{
	if (!writer)
		return;
	/* libarchive would write the end of a file that is not whole; archive_write_fail, which is
	 * there to stop it, leaks */
	writer->discard = TRUE;
	(void)archive_write_free(writer->archive); /* whatever was to be told has been */
	archive_entry_free(writer->entry);
	delta_coder_free(writer->xz);
	util_sha256_free(writer->sha);
	g_clear_error(&writer->error);
	g_free(writer->buffer);
	g_free(writer);
}

static mode_t file_type(ManifestType type)
{
	switch (type) {
	case MANIFEST_DIR:
		return AE_IFDIR;
	case MANIFEST_FILE:
		return AE_IFREG;
	case MANIFEST_LINK:
		return AE_IFLNK;
	}
	g_assert_not_reached();
}

gboolean bundle_writer_entry(BundleWriter *writer, const ManifestEntry *entry, GError **error)
{
	struct archive_entry *out = writer->entry;
	archive_entry_clear(out);
	archive_entry_copy_pathname(out, entry->path);
	archive_entry_set_filetype(out, file_type(entry->type));
	archive_entry_set_perm(out, entry->mode);
	archive_entry_set_mtime(out, entry->mtime_s, 0);
	if (entry->type == MANIFEST_FILE)
		archive_entry_set_size(out, (la_int64_t)entry->size);
	if (entry->type == MANIFEST_LINK)
		archive_entry_copy_symlink(out, entry->target);
	if (archive_write_header(writer->archive, out) != ARCHIVE_OK) {
		g_autofree char *name = util_text_printable(entry->path, -1);
		archive_failed(writer, error);
		g_prefix_error(error, "%s: ", name);
		return FALSE;
	}
	return TRUE;
}

gboolean bundle_writer_data(BundleWriter *writer, const void *data, gsize len, GError **error)
{
	for (const char *p = data; len > 0;) {
		la_ssize_t n = archive_write_data(writer->archive, p, len);
		if (n <= 0)
			return archive_failed(writer, error);
		p += n;
		len -= (gsize)n;
	}
	return TRUE;
}

gboolean bundle_writer_member(BundleWriter *writer, const char *name, const void *data, gsize len,
			      gboolean incompressible, GError **error)
{
	ManifestEntry entry = {.size = len, .type = MANIFEST_FILE, .mode = 0644};
	g_autofree char *path = g_strdup(name);
	entry.path = path;
	if (!bundle_writer_entry(writer, &entry, error) ||
	    (incompressible && !write_coded(writer, NULL, 0, DELTA_FLUSH, error)) ||
	    !bundle_writer_data(writer, data, len, error) ||
	    (incompressible && !write_coded(writer, NULL, 0, DELTA_FLUSH, error)))
		return FALSE;
	return archive_write_finish_entry(writer->archive) == ARCHIVE_OK ||
	       archive_failed(writer, error);
}

gboolean bundle_writer_finish(BundleWriter *writer, BundleInfo *info, GError **error)
{
	guint8 digest[UTIL_SHA256_BYTES];
	char hex[UTIL_SHA256_HEX];
	if (archive_write_close(writer->archive) != ARCHIVE_OK)
		return archive_failed(writer, error);
	if (!write_coded(writer, NULL, 0, DELTA_LAST, error))
		return FALSE;
	util_sha256_finish(writer->sha, digest);
	util_hex_encode(digest, sizeof digest, hex);
	info->sha256 = g_strdup(hex);
	info->bytes = writer->bytes;
	return TRUE;
}
