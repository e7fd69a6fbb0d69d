/* SPDX-License-Identifier: ISC */
/* Trees as lists, changes as a manifest, files as pieces. */
#include <errno.h>
#include <unistd.h>

#include "bundle/bundle-private.h"

void bundle_list_init(BundleList *list, const BundleTree *from)
{
	const Manifest *manifest = from->manifest;
	guint count = manifest ? manifest_count(manifest) : 0;
	list->from = from;
	list->entries = g_array_sized_new(FALSE, TRUE, sizeof(DeltaEntry), count);
	list->parts = g_array_new(FALSE, TRUE, sizeof(BundlePart));
	list->opened = g_array_new(FALSE, TRUE, sizeof(DeltaOpened));
	list->archives = g_ptr_array_new_with_free_func((GDestroyNotify)delta_archive_free);
	list->strings = g_string_chunk_new(4096);
	list->scratch_fd = -1;
	list->scratch_bytes = list->scratch_peak = 0;
	list->scratch_max = BUNDLE_SCRATCH_BYTES_MAX;
	for (guint i = 0; i < count; i++) {
		const ManifestEntry *entry = manifest_entry(manifest, i);
		DeltaEntry out = {.path = entry->path,
				  .target = entry->target,
				  .sha256 = entry->type == MANIFEST_FILE ? entry->sha256 : NULL,
				  .size = entry->size,
				  .mtime_s = entry->mtime_s,
				  .mode = entry->mode,
				  .type = (DeltaType)entry->type};
		g_array_append_val(list->entries, out);
	}
	list->tree = (DeltaTree){.entries = (const DeltaEntry *)(gpointer)list->entries->data,
				 .count = count};
}

void bundle_list_clear(BundleList *list)
{
	if (!list->entries)
		return;
	g_array_unref(list->entries);
	g_array_unref(list->parts);
	g_array_unref(list->opened);
	g_ptr_array_unref(list->archives);
	g_string_chunk_free(list->strings);
	util_closep(&list->scratch_fd);
	list->entries = NULL;
}

void bundle_tree_root(const BundleTree *tree, char ret_root[UTIL_SHA256_HEX])
{
	if (tree->manifest)
		manifest_root(tree->manifest, ret_root);
	else
		g_strlcpy(ret_root, "-", UTIL_SHA256_HEX);
}

Manifest *bundle_changes_manifest(const DeltaChanges *changes, const Manifest *old_manifest,
				  GError **error)
{
	g_autoptr(Manifest) manifest = manifest_new();
	for (guint i = 0; i < changes->count; i++) {
		const DeltaItem *item = delta_changes_item(changes, i);
		union {
			const char *in;
			char *out;
		} path = {.in = item->entry.path}, target = {.in = item->entry.target};
		ManifestEntry entry = {.path = path.out, /* copied by manifest_add */
				       .target = target.out,
				       .size = item->entry.size,
				       .mtime_s = item->entry.mtime_s,
				       .type = (ManifestType)item->entry.type,
				       .mode = item->entry.mode};
		if (entry.type == MANIFEST_FILE &&
		    (item->source == DELTA_KEPT || item->source == DELTA_COPIED))
			memcpy(entry.sha256, manifest_entry(old_manifest, item->from)->sha256,
			       sizeof entry.sha256);
		manifest_add(manifest, &entry);
	}
	g_autoptr(GError) inner = NULL;
	if (manifest_seal(manifest, &inner))
		return g_steal_pointer(&manifest);
	util_error_set(error, TS_ERROR_CORRUPT, "bundle: %s", inner->message);
	return NULL;
}

/* Same path, same content; mode or time may differ. */
static gboolean stays(const DeltaItem *item, const DeltaTree *old_list)
{
	return item->source == DELTA_KEPT ||
	       (item->source == DELTA_COPIED &&
		strcmp(old_list->entries[item->from].path, item->entry.path) == 0);
}

void bundle_count_changes(const DeltaChanges *changes, const DeltaTree *old_list, BundleInfo *info)
{
	for (guint i = 0; i < changes->count; i++) {
		const DeltaItem *item = delta_changes_item(changes, i);
		if (item->entry.type != DELTA_FILE)
			continue;
		if (item->source == DELTA_NEW || item->source == DELTA_TOGETHER)
			info->files_changed++;
		else if (stays(item, old_list))
			info->files_kept++;
		else
			info->files_copied++;
	}
	for (guint i = 0; i < changes->deleted->len; i++)
		info->files_deleted +=
		    old_list->entries[g_array_index(changes->deleted, guint, i)].type == DELTA_FILE;
}

gboolean bundle_read_range(int fd, guint64 offset, guint64 length, BundleSink sink,
			   gpointer user_data, GError **error)
{
	g_autofree guint8 *chunk = g_malloc((gsize)MIN(length, BUNDLE_CHUNK) + 1);
	while (length > 0) {
		gsize len = (gsize)MIN(length, BUNDLE_CHUNK);
		if (!util_fs_pread_full(fd, chunk, len, offset, error) ||
		    !sink(user_data, chunk, len, error))
			return FALSE;
		offset += len;
		length -= len;
	}
	return TRUE;
}

/* A file on its way: hashed, then passed on. */
typedef struct {
	UtilSha256 *sha;
	BundleSink sink;
	gpointer user_data;
} Hashed;

static gboolean hashed_sink(gpointer user_data, const guint8 *data, gsize len, GError **error)
{
	Hashed *hashed = user_data;
	util_sha256_update(hashed->sha, data, len);
	return hashed->sink(hashed->user_data, data, len, error);
}

static gboolean read_checked(int fd, const ManifestEntry *entry, guint64 offset, guint64 length,
			     BundleSink sink, gpointer user_data, GError **error)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return util_error_errno(error, errno, "stat");
	if ((guint64)st.st_size != entry->size)
		return util_error_set(error, TS_ERROR_CORRUPT,
				      "it has %" G_GINT64_FORMAT " bytes, not %" G_GUINT64_FORMAT,
				      (gint64)st.st_size, entry->size);
	if (offset != 0 || length != entry->size)
		return bundle_read_range(fd, offset, length, sink, user_data, error);
	g_autoptr(UtilSha256) sha = util_sha256_new();
	Hashed hashed = {sha, sink, user_data};
	if (!bundle_read_range(fd, offset, length, hashed_sink, &hashed, error))
		return FALSE;
	guint8 digest[UTIL_SHA256_BYTES];
	util_sha256_finish(sha, digest);
	return memcmp(digest, entry->sha256, sizeof digest) == 0 ||
	       util_error_set(error, TS_ERROR_CORRUPT, "its content is not what the manifest says");
}

gboolean bundle_read_piece(const BundleTree *tree, guint index, guint64 offset, guint64 length,
			   BundleSink sink, gpointer user_data, GError **error)
{
	const ManifestEntry *entry = manifest_entry(tree->manifest, index);
	g_autoptr(GError) inner = NULL;
	util_autofd int fd = tree_open_file(tree->dirfd, entry->path, &inner);
	if (fd < 0) {
		/* of a tree whose manifest says it is there */
		gboolean gone = g_error_matches(inner, TS_ERROR, TS_ERROR_NOT_FOUND);
		return util_error_set(error, gone ? TS_ERROR_CORRUPT : (TsErrorCode)inner->code,
				      "%s", inner->message);
	}
	if (read_checked(fd, entry, offset, length, sink, user_data, error))
		return TRUE;
	g_autofree char *name = util_text_printable(entry->path, -1);
	g_prefix_error(error, "%s: ", name);
	return FALSE;
}

/* A buffer being filled. */
typedef struct {
	guint8 *at;
} Fill;

static gboolean fill_sink(gpointer user_data, const guint8 *data, gsize len, GError **error)
{
	Fill *fill = user_data;
	(void)error; /* cannot fail */
	if (len > 0)
		memcpy(fill->at, data, len);
	fill->at += len;
	return TRUE;
}

static gboolean fill_refs(const BundleList *old_list, const DeltaChanges *changes,
			  const DeltaSegment *segment, Fill *fill, GError **error)
{
	for (guint i = 0; i < segment->n_refs; i++) {
		const DeltaRef *ref =
		    &g_array_index(changes->refs, DeltaRef, segment->first_ref + i);
		if (!bundle_list_read(old_list, ref->old_index, ref->offset, ref->length, fill_sink,
				      fill, error))
			return FALSE;
	}
	return TRUE;
}

guint8 *bundle_read_refs(const BundleList *old_list, const DeltaChanges *changes,
			 const DeltaSegment *segment, gboolean *ret_ok, GError **error)
{
	*ret_ok = TRUE;
	if (segment->ref_bytes == 0)
		return NULL;
	g_autofree guint8 *buffer = g_try_malloc(segment->ref_bytes);
	*ret_ok = FALSE;
	if (!buffer) {
		util_error_set(error, TS_ERROR_FAILED,
			       "not enough memory for the reference of %" G_GUINT64_FORMAT " bytes",
			       segment->ref_bytes);
		return NULL;
	}
	Fill fill = {buffer};
	if (!fill_refs(old_list, changes, segment, &fill, error)) {
		g_prefix_error(error, "old tree: ");
		return NULL;
	}
	if (segment->flags & DELTA_ADDED_NAMES) {
		g_autoptr(GByteArray) names = delta_changes_added_names(changes, &old_list->tree);
		fill_sink(&fill, names->data, names->len, NULL);
	}
	g_assert(fill.at == buffer + segment->ref_bytes);
	*ret_ok = TRUE;
	return g_steal_pointer(&buffer);
}
