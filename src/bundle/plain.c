/* SPDX-License-Identifier: ISC */
/* The plain codec: the whole tree in an ordinary .tar.xz. */
#include <unistd.h>

#include "bundle/bundle-private.h"

#define DICT_MIN ((guint64)64 * 1024)
#define DICT_MAX ((guint64)64 * 1024 * 1024)

/* Progress over the bytes of a tree. */
typedef struct {
	BundleWriter *writer;
	const UtilProgress *progress;
	const char *what;
	guint64 done, total;
} Copy;

static gboolean copy_sink(gpointer user_data, const guint8 *data, gsize len, GError **error)
{
	Copy *copy = user_data;
	copy->done += len;
	util_progress(copy->progress, copy->what, copy->done, copy->total);
	return bundle_writer_data(copy->writer, data, len, error);
}

/* The largest window that is of use and that the reader has memory for. */
static gboolean choose_dict(guint64 base_bytes, BundleInfo *info, guint64 lists_bytes,
			    guint64 *ret_dict, GError **error)
{
	guint64 dict = DICT_MIN;
	while (dict < info->decoded_bytes && dict < DICT_MAX)
		dict *= 2;
	guint64 fixed = BUNDLE_FIXED_BYTES + lists_bytes;
	while (dict > DICT_MIN && fixed + delta_xz_decoder_memory(dict) > base_bytes)
		dict /= 2;
	info->memory_bytes = fixed + delta_xz_decoder_memory(dict);
	*ret_dict = dict;
	return info->memory_bytes <= base_bytes ||
	       util_error_set(error, TS_ERROR_REFUSED,
			      "a tree of this size cannot be unpacked within %" G_GUINT64_FORMAT
			      " bytes of memory: raise the base's memory to %" G_GUINT64_FORMAT,
			      base_bytes, info->memory_bytes);
}

static gboolean write_tree(BundleWriter *writer, const BundleTree *tree,
			   const UtilProgress *progress, GError **error)
{
	Copy copy = {.writer = writer,
		     .progress = progress,
		     .what = "compressing",
		     .total = manifest_bytes(tree->manifest)};
	for (guint i = 0; i < manifest_count(tree->manifest); i++) {
		const ManifestEntry *entry = manifest_entry(tree->manifest, i);
		if (!bundle_writer_entry(writer, entry, error))
			return FALSE;
		if (entry->type == MANIFEST_FILE &&
		    !bundle_read_piece(tree, i, 0, entry->size, copy_sink, &copy, error))
			return FALSE;
	}
	return TRUE;
}

gboolean bundle_make_plain(const BundleTree *new_tree, int out_fd, const BundleMakeOptions *options,
			   BundleInfo *info, GError **error)
{
	guint64 dict = 0;
	info->files_changed = manifest_files(new_tree->manifest);
	info->decoded_bytes = manifest_bytes(new_tree->manifest);
	if (!choose_dict(options->base_memory_bytes, info,
			 bundle_manifest_memory(new_tree->manifest), &dict, error))
		return FALSE;
	g_autofree char *header = bundle_header_format(info);
	g_autoptr(BundleWriter) writer =
	    bundle_writer_new(out_fd, dict, BUNDLE_PLAIN_PROPS, new_tree->manifest, error);
	return writer &&
	       bundle_writer_member(writer, BUNDLE_PLAIN_HEADER, header, strlen(header), FALSE,
				    error) &&
	       write_tree(writer, new_tree, options->progress, error) &&
	       bundle_writer_finish(writer, info, error);
}

/* What is being unpacked. */
typedef struct {
	BundleReader *reader;
	const BundleInfo *info;
	const UtilProgress *progress;
	Manifest *manifest;
	GHashTable *folders; /* paths of those made */
	char *previous;
	guint64 bytes;  /* of contents so far */
	guint64 memory; /* of the manifest so far */
	guint64 memory_max;
	int dirfd;
} Unpack;

static gboolean write_content(Unpack *unpack, int fd, ManifestEntry *entry, GError **error)
{
	g_autoptr(UtilSha256) sha = util_sha256_new();
	for (;;) {
		const guint8 *data = NULL;
		gsize len = 0;
		if (!bundle_reader_block(unpack->reader, &data, &len, error))
			return FALSE;
		if (len == 0)
			break;
		util_sha256_update(sha, data, len);
		if (!util_fs_write_all(fd, data, len, error))
			return FALSE;
		unpack->bytes += len;
		util_progress(unpack->progress, "unpacking", unpack->bytes,
			      unpack->info->decoded_bytes);
	}
	util_sha256_finish(sha, entry->sha256);
	return TRUE;
}

static gboolean unpack_file(Unpack *unpack, ManifestEntry *entry, GError **error)
{
	if (entry->size > unpack->info->decoded_bytes - unpack->bytes)
		return util_error_set(error, TS_ERROR_CORRUPT,
				      "bundle: %s is larger than the header leaves room for",
				      entry->path);
	util_autofd int fd = tree_make_file(unpack->dirfd, entry->path, error);
	if (fd < 0 || !write_content(unpack, fd, entry, error))
		return FALSE;
	int done = fd;
	fd = -1;
	return g_close(done, error);
}

static gboolean make_folder(Unpack *unpack, const char *path, GError **error)
{
	g_hash_table_add(unpack->folders, g_strdup(path));
	return tree_make_dir(unpack->dirfd, path, error);
}

static gboolean parent_made(const Unpack *unpack, const char *path)
{
	const char *slash = strrchr(path, '/');
	if (!slash)
		return TRUE;
	g_autofree char *parent = g_strndup(path, (gsize)(slash - path));
	return g_hash_table_contains(unpack->folders, parent);
}

/* In byte order of path a folder always comes before what is in it. */
static gboolean unpack_entry(Unpack *unpack, ManifestEntry *entry, GError **error)
{
	if (!manifest_path_check(entry->path, error))
		return FALSE;
	if (unpack->previous && strcmp(unpack->previous, entry->path) >= 0)
		return util_error_set(error, TS_ERROR_CORRUPT, "%s is out of order", entry->path);
	if (!parent_made(unpack, entry->path))
		return util_error_set(error, TS_ERROR_CORRUPT, "%s is in no folder", entry->path);
	g_free(unpack->previous);
	unpack->previous = g_strdup(entry->path);
	switch (entry->type) {
	case MANIFEST_DIR:
		return make_folder(unpack, entry->path, error);
	case MANIFEST_FILE:
		return unpack_file(unpack, entry, error);
	case MANIFEST_LINK:
		return manifest_link_check(entry->path, entry->target, error) &&
		       tree_make_link(unpack->dirfd, entry->path, entry->target, error);
	}
	g_assert_not_reached();
}

/* A refused name or link here means a bad bundle. */
static gboolean as_corrupt(GError **error, GError *inner)
{
	char *message = inner->message;
	inner->message = util_text_printable(message, -1);
	g_free(message);
	if (g_error_matches(inner, TS_ERROR, TS_ERROR_REFUSED))
		inner->code = TS_ERROR_CORRUPT;
	g_propagate_prefixed_error(error, inner, "bundle: ");
	return FALSE;
}

/* Counts an entry against the memory its manifest may take. */
static gboolean charge_entry(Unpack *unpack, const ManifestEntry *entry, GError **error)
{
	unpack->memory += 2 * sizeof *entry + strlen(entry->path) + 1 +
			  (entry->target ? strlen(entry->target) + 1 : 0);
	return (unpack->memory <= unpack->memory_max &&
		manifest_count(unpack->manifest) < MANIFEST_ENTRIES_MAX) ||
	       util_error_set(error, TS_ERROR_REFUSED,
			      "bundle: it has more entries than the memory allowed can hold");
}

static gboolean unpack_all(Unpack *unpack, GError **error)
{
	for (;;) {
		ManifestEntry entry = {0};
		GError *inner = NULL;
		gboolean end = FALSE;
		if (!bundle_reader_next(unpack->reader, &entry, &end, error))
			return FALSE;
		if (end)
			break;
		if (!charge_entry(unpack, &entry, error))
			return FALSE;
		if (!unpack_entry(unpack, &entry, &inner))
			return as_corrupt(error, inner);
		manifest_add(unpack->manifest, &entry);
	}
	if (unpack->bytes != unpack->info->decoded_bytes)
		return util_error_set(error, TS_ERROR_CORRUPT,
				      "bundle: it holds fewer bytes than its header says");
	return bundle_reader_finish(unpack->reader, error);
}

gboolean bundle_apply_plain(BundleReader *reader, const BundleInfo *info, int new_dirfd,
			    const BundleLimits *limits, Manifest **ret_manifest, GError **error)
{
	guint64 memory = limits->memory_bytes ? limits->memory_bytes : BUNDLE_MEMORY_BYTES;
	guint64 fixed = BUNDLE_FIXED_BYTES + bundle_reader_memory(reader);
	g_autoptr(Manifest) manifest = manifest_new();
	Unpack unpack = {.reader = reader,
			 .info = info,
			 .progress = limits->progress,
			 .manifest = manifest,
			 .memory_max = memory > fixed ? memory - fixed : 0,
			 .dirfd = new_dirfd};
	unpack.folders = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	gboolean ok = unpack_all(&unpack, error);
	g_hash_table_unref(unpack.folders);
	g_free(unpack.previous);
	if (!ok)
		return FALSE;
	GError *inner = NULL;
	if (!manifest_seal(manifest, &inner)) {
		inner->code = TS_ERROR_CORRUPT;
		g_propagate_prefixed_error(error, inner, "bundle: ");
		return FALSE;
	}
	if (!bundle_check_root(info, manifest, error) ||
	    !tree_finish(new_dirfd, manifest, NULL, error))
		return FALSE;
	*ret_manifest = g_steal_pointer(&manifest);
	return TRUE;
}
