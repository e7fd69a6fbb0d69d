/* SPDX-License-Identifier: ISC */
/*
 * Manifests. What the parser takes it writes back as it was, sealed: no path or link in it leaves
 * the tree. The same bytes as a path and a link target.
 */
#include "manifest/manifest.h"

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

static void try_manifest(const char *text, gsize len)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Manifest) manifest = manifest_parse(text, len, &error);
	g_assert((manifest != NULL) == (error == NULL));
	if (!manifest) {
		g_assert(g_error_matches(error, TS_ERROR, TS_ERROR_CORRUPT));
		return;
	}
	g_autoptr(GBytes) again = manifest_format(manifest);
	g_assert(g_bytes_get_size(again) == len);
	g_assert(memcmp(g_bytes_get_data(again, NULL), text, len) == 0);
	guint64 bytes = 0;
	for (guint i = 0; i < manifest_count(manifest); i++) {
		const ManifestEntry *entry = manifest_entry(manifest, i);
		g_assert(manifest_path_check(entry->path, NULL));
		g_assert(manifest_find(manifest, entry->path) == entry);
		g_assert(entry->type != MANIFEST_LINK ||
			 manifest_link_check(entry->path, entry->target, NULL));
		bytes += entry->size;
	}
	g_assert(bytes == manifest_bytes(manifest));
	manifest_assign_mtimes(manifest, manifest, 0);
}

static void try_names(const char *text, gsize len)
{
	g_autofree char *path = g_strndup(text, len);
	g_autofree char *quoted = manifest_quote(path);
	g_autofree char *back = manifest_unquote(quoted, strlen(quoted));
	g_assert(strcmp(back, path) == 0);
	g_autofree char *raw = manifest_unquote(text, len);
	if (raw) {
		g_autofree char *same = manifest_quote(raw);
		g_assert(strlen(same) == len && memcmp(same, text, len) == 0);
	}
	g_autoptr(GError) error = NULL;
	g_assert(manifest_path_check(path, &error) == (error == NULL));
	manifest_link_check("a/b", path, NULL);
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
	try_manifest((const char *)data, size);
	try_names((const char *)data, size);
	return 0;
}
