/* SPDX-License-Identifier: ISC */
#include "manifest/manifest-private.h"

Manifest *manifest_new(void)
{
	Manifest *manifest = g_new0(Manifest, 1);
	manifest->entries = g_array_new(FALSE, TRUE, sizeof(ManifestEntry));
	manifest->names = g_string_chunk_new(16 * 1024);
	return manifest;
}

void manifest_free(Manifest *manifest)
{
	if (!manifest)
		return;
	g_array_unref(manifest->entries);
	g_string_chunk_free(manifest->names);
	g_free(manifest);
}

void manifest_add(Manifest *manifest, const ManifestEntry *entry)
{
	g_assert(!manifest->sealed);
	ManifestEntry copy = *entry;
	copy.path = g_string_chunk_insert(manifest->names, entry->path);
	copy.target = entry->target ? g_string_chunk_insert(manifest->names, entry->target) : NULL;
	g_array_append_val(manifest->entries, copy);
}

static gint compare_paths(gconstpointer a, gconstpointer b)
{
	const ManifestEntry *x = a;
	const ManifestEntry *y = b;
	return strcmp(x->path, y->path); /* unsigned bytes, as POSIX says */
}

/* What is wrong with this entry by itself, or NULL. */
static const char *entry_fault(const ManifestEntry *entry)
{
	if (entry->mtime_s < MANIFEST_MTIME_MIN || entry->mtime_s > MANIFEST_MTIME_MAX)
		return "its time is out of range";
	switch (entry->type) {
	case MANIFEST_DIR:
		return entry->mode == 0755 ? NULL : "a folder's mode must be 0755";
	case MANIFEST_FILE:
		if (entry->mode != 0644 && entry->mode != 0755)
			return "a file's mode must be 0644 or 0755";
		return entry->size <= MANIFEST_SIZE_MAX ? NULL : "it is too large";
	case MANIFEST_LINK:
		return entry->mode == 0777 ? NULL : "a link's mode must be 0777";
	}
	return "its type is unknown";
}

static gboolean check_entry(const ManifestEntry *entry, GError **error)
{
	if (!manifest_path_check(entry->path, error))
		return FALSE;
	const char *fault = entry_fault(entry);
	if (fault) {
		g_autofree char *name = util_text_printable(entry->path, -1);
		return util_error_set(error, TS_ERROR_REFUSED, "%s: %s", name, fault);
	}
	return entry->type != MANIFEST_LINK ||
	       manifest_link_check(entry->path, entry->target, error);
}

static gboolean check_parent(const Manifest *manifest, const ManifestEntry *entry, GError **error)
{
	const char *slash = strrchr(entry->path, '/');
	if (!slash)
		return TRUE;
	g_autofree char *parent = g_strndup(entry->path, (gsize)(slash - entry->path));
	const ManifestEntry *found = manifest_find(manifest, parent);
	if (found && found->type == MANIFEST_DIR)
		return TRUE;
	g_autofree char *name = util_text_printable(entry->path, -1);
	return util_error_set(error, TS_ERROR_REFUSED, "%s: its folder is %s", name,
			      found ? "no folder in the list" : "not in the list");
}

static gboolean check_order_and_size(Manifest *manifest, GError **error)
{
	for (guint i = 0; i < manifest->entries->len; i++) {
		const ManifestEntry *entry = manifest_entry(manifest, i);
		if (i > 0 && strcmp(manifest_entry(manifest, i - 1)->path, entry->path) == 0) {
			g_autofree char *name = util_text_printable(entry->path, -1);
			return util_error_set(error, TS_ERROR_REFUSED, "%s is listed twice", name);
		}
		if (entry->type != MANIFEST_FILE)
			continue;
		manifest->files++;
		manifest->bytes += entry->size;
		if (manifest->bytes > MANIFEST_SIZE_MAX)
			return util_error_set(error, TS_ERROR_REFUSED, "the tree is too large");
	}
	return TRUE;
}

gboolean manifest_seal(Manifest *manifest, GError **error)
{
	g_assert(!manifest->sealed);
	if (manifest->entries->len > MANIFEST_ENTRIES_MAX)
		return util_error_set(error, TS_ERROR_REFUSED, "more than %d entries",
				      MANIFEST_ENTRIES_MAX);
	for (guint i = 0; i < manifest->entries->len; i++)
		if (!check_entry(manifest_entry(manifest, i), error))
			return FALSE;
	g_array_sort(manifest->entries, compare_paths);
	if (!check_order_and_size(manifest, error))
		return FALSE;
	for (guint i = 0; i < manifest->entries->len; i++) {
		const ManifestEntry *entry = manifest_entry(manifest, i);
		if (!check_parent(manifest, entry, error))
			return FALSE;
		if (entry->type == MANIFEST_LINK && !manifest_link_resolves(manifest, entry, error))
			return FALSE;
	}
	manifest->sealed = TRUE;
	return TRUE;
}

void manifest_set_sha256(Manifest *manifest, guint index, const guint8 sha256[UTIL_SHA256_BYTES])
{
	g_assert(manifest->sealed && index < manifest->entries->len);
	ManifestEntry *entry = &g_array_index(manifest->entries, ManifestEntry, index);
	g_assert(entry->type == MANIFEST_FILE);
	memcpy(entry->sha256, sha256, UTIL_SHA256_BYTES);
}

guint manifest_count(const Manifest *manifest)
{
	return manifest->entries->len;
}

const ManifestEntry *manifest_entry(const Manifest *manifest, guint index)
{
	g_assert(index < manifest->entries->len);
	return &g_array_index(manifest->entries, ManifestEntry, index);
}

gboolean manifest_index(const Manifest *manifest, const char *path, guint *ret_index)
{
	guint low = 0;
	guint high = manifest->entries->len;
	while (low < high) {
		guint middle = low + (high - low) / 2;
		int order = strcmp(path, manifest_entry(manifest, middle)->path);
		if (order == 0) {
			*ret_index = middle;
			return TRUE;
		}
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return FALSE;
}

const ManifestEntry *manifest_find(const Manifest *manifest, const char *path)
{
	guint index = 0;
	return manifest_index(manifest, path, &index) ? manifest_entry(manifest, index) : NULL;
}

guint manifest_files(const Manifest *manifest)
{
	return manifest->files;
}

guint64 manifest_bytes(const Manifest *manifest)
{
	return manifest->bytes;
}

gboolean manifest_entry_same(const ManifestEntry *a, const ManifestEntry *b)
{
	if (a->type != b->type || a->mode != b->mode)
		return FALSE;
	switch (a->type) {
	case MANIFEST_DIR:
		return TRUE;
	case MANIFEST_FILE:
		return a->size == b->size && memcmp(a->sha256, b->sha256, UTIL_SHA256_BYTES) == 0;
	case MANIFEST_LINK:
		return strcmp(a->target, b->target) == 0;
	}
	return FALSE;
}

void manifest_assign_mtimes(Manifest *manifest, const Manifest *old, gint64 tag_utc)
{
	g_assert(manifest->sealed);
	for (guint i = 0; i < manifest->entries->len; i++) {
		ManifestEntry *entry = &g_array_index(manifest->entries, ManifestEntry, i);
		const ManifestEntry *before = old ? manifest_find(old, entry->path) : NULL;
		if (before && manifest_entry_same(before, entry)) {
			entry->mtime_s = before->mtime_s;
			continue;
		}
		gint64 mtime = before ? MAX(tag_utc, before->mtime_s + 1) : tag_utc;
		entry->mtime_s = CLAMP(mtime, MANIFEST_MTIME_MIN, MANIFEST_MTIME_MAX);
	}
}
