/* SPDX-License-Identifier: ISC */
/* The mount points of what a base keeps from version to version, put into a tree. */
#include "manifest/manifest-private.h"

static gboolean refuse(const char *path, const char *there, GError **error)
{
	g_autofree char *name = util_text_printable(path, -1);
	g_autofree char *what = util_text_printable(there, -1);
	return util_error_set(error, TS_ERROR_REFUSED,
			      "%s is shared: each base keeps its own, but the built tree has %s; "
			      "let the build leave it out, or take it from the app's `shared`",
			      name, what);
}

/* Something the tree has beneath this folder, or NULL. */
static const ManifestEntry *first_beneath(const Manifest *manifest, const char *path)
{
	gsize len = strlen(path);
	for (guint i = 0; i < manifest_count(manifest); i++) {
		const ManifestEntry *entry = manifest_entry(manifest, i);
		if (strncmp(entry->path, path, len) == 0 && entry->path[len] == '/')
			return entry;
	}
	return NULL;
}

static gboolean check_place(const Manifest *manifest, const char *path, GError **error)
{
	const ManifestEntry *at = manifest_find(manifest, path);
	const ManifestEntry *beneath = first_beneath(manifest, path);
	if (beneath)
		return refuse(path, beneath->path, error);
	if (at && at->type != MANIFEST_DIR && !manifest_is_shared_link(at))
		return refuse(path, at->path, error);
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		g_autofree char *parent = g_strndup(path, (gsize)(slash - path));
		const ManifestEntry *found = manifest_find(manifest, parent);
		if (found && found->type != MANIFEST_DIR)
			return refuse(path, parent, error);
	}
	return TRUE;
}

/* The folders above a mount point that the tree lacks. */
static void add_parents(Manifest *to, const Manifest *from, GHashTable *made, const char *path)
{
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		char *parent = g_strndup(path, (gsize)(slash - path));
		gboolean there = manifest_find(from, parent) != NULL;
		ManifestEntry entry = {.path = parent, .type = MANIFEST_DIR, .mode = 0755};
		if (!there && !g_hash_table_contains(made, parent))
			manifest_add(to, &entry);
		(void)g_hash_table_add(made, parent); /* owns it now */
	}
}

Manifest *manifest_with_shared(const Manifest *manifest, const char *const *paths, GError **error)
{
	g_autoptr(Manifest) with = manifest_new();
	g_autoptr(GHashTable) made = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	for (guint i = 0; i < manifest_count(manifest); i++) {
		const ManifestEntry *entry = manifest_entry(manifest, i);
		if (!g_strv_contains(paths, entry->path))
			manifest_add(with, entry);
	}
	for (guint i = 0; paths[i]; i++) {
		g_autofree char *path = g_strdup(paths[i]);
		g_autofree char *target = manifest_shared_target(path);
		ManifestEntry entry = {
		    .path = path, .target = target, .type = MANIFEST_LINK, .mode = 0777};
		if (!check_place(manifest, path, error))
			return NULL;
		add_parents(with, manifest, made, path);
		manifest_add(with, &entry);
	}
	return manifest_seal(with, error) ? g_steal_pointer(&with) : NULL;
}
