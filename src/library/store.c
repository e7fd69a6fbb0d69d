/* SPDX-License-Identifier: ISC */
/* A built tree into the library: all new objects as one pack, then the ref. */
#include <string.h>

#include "library/library-private.h"

typedef struct {
	Library *library;
	RepoPack *pack;
	const Manifest *manifest;
	int dirfd;
	/* what the version before has already: hex SHA-256 -> path, in the commit `known` */
	GHashTable *known_paths;
	char known[REPO_OID];
	GHashTable *folders; /* path -> GArray of RepoTreeEntry, not yet written */
} Store;

static void entries_free(gpointer data)
{
	g_array_unref(data);
}

static void store_clear(Store *store)
{
	g_clear_pointer(&store->pack, repo_pack_free);
	g_clear_pointer(&store->known_paths, g_hash_table_unref);
	g_clear_pointer(&store->folders, g_hash_table_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Store, store_clear)

/* A name cannot be a folder of names as well (release and release/1.0). */
static gboolean name_fits(Library *library, const char *app, const char *version, GError **error)
{
	g_autofree char *below = g_strconcat("refs/versions/", app, "/", version, "/", NULL);
	g_autofree char *above = g_strdup(version);
	g_autofree char *other = NULL;
	g_autoptr(GPtrArray) inside = repo_ref_list(library->repo, below, error);
	char oid[REPO_OID];
	char *slash;

	if (!inside)
		return FALSE;
	if (inside->len > 0) {
		const RepoRef *ref = g_ptr_array_index(inside, 0);

		other = g_strdup(ref->name + strlen("refs/versions/") + strlen(app) + 1);
	}
	while (!other && (slash = strrchr(above, '/'))) {
		g_autofree char *ref = NULL;

		*slash = '\0';
		ref = library_version_ref(app, above);
		if (repo_ref_get(library->repo, ref, oid, NULL))
			other = g_strdup(above);
	}
	if (other)
		return util_error_set(
		    error, TS_ERROR_REFUSED,
		    "version %s of %s cannot be kept beside version %s: git cannot "
		    "hold a name that is also a folder of names; choose another "
		    "tag name",
		    version, app, other);
	return TRUE;
}

static gboolean same_content(const Manifest *a, const Manifest *b)
{
	if (manifest_count(a) != manifest_count(b))
		return FALSE;
	for (guint i = 0; i < manifest_count(a); i++) {
		const ManifestEntry *x = manifest_entry(a, i);
		const ManifestEntry *y = manifest_entry(b, i);

		if (!g_str_equal(x->path, y->path) || !manifest_entry_same(x, y))
			return FALSE;
	}
	return TRUE;
}

/* The same content stored again keeps the mtimes, and so the root, that it got the first time. */
static gboolean assign_mtimes(Library *library, const LibraryRecord *old, Manifest *manifest,
			      const Manifest *previous, gint64 tag_utc, GError **error)
{
	g_autoptr(Manifest) stored = NULL;

	if (old && !old->removed) {
		stored = library_record_manifest(library, old, error);
		if (!stored)
			return FALSE;
	}
	manifest_assign_mtimes(
	    manifest, stored && same_content(stored, manifest) ? stored : previous, tag_utc);
	return TRUE;
}

static gboolean known_load(Store *store, const char *app, const Manifest *previous, GError **error)
{
	g_autoptr(LibraryVersion) version = NULL;
	g_autoptr(LibraryRecord) record = NULL;
	g_autoptr(GError) local = NULL;
	char root[UTIL_SHA256_HEX];

	if (!previous)
		return TRUE;
	manifest_root(previous, root);
	version = library_by_root(store->library, app, root, &local);
	if (!version && g_error_matches(local, TS_ERROR, TS_ERROR_NOT_FOUND))
		return TRUE;
	if (version)
		record = library_record_read(store->library, app, version->version, &local);
	if (!record) {
		g_propagate_error(error, g_steal_pointer(&local));
		return FALSE;
	}
	(void)g_strlcpy(store->known, record->oid, sizeof store->known); /* the same size */
	for (guint i = 0; i < manifest_count(previous); i++) {
		const ManifestEntry *entry = manifest_entry(previous, i);
		char hex[UTIL_SHA256_HEX];

		if (entry->type != MANIFEST_FILE)
			continue;
		util_hex_encode(entry->sha256, sizeof entry->sha256, hex);
		(void)g_hash_table_insert(store->known_paths, g_strdup(hex), entry->path);
	}
	return TRUE;
}

/* TRUE if the version before has this content, then *ret_oid is its blob. */
static gboolean blob_is_known(Store *store, const ManifestEntry *entry, char ret_oid[REPO_OID])
{
	g_autofree char *path = NULL;
	char hex[UTIL_SHA256_HEX];
	const char *known;

	util_hex_encode(entry->sha256, sizeof entry->sha256, hex);
	known = g_hash_table_lookup(store->known_paths, hex);
	if (!known)
		return FALSE;
	path = g_strconcat(LIBRARY_TREE, "/", known, NULL);
	return repo_tree_lookup(store->library->repo, store->known, path, ret_oid, NULL) &&
	       repo_object_exists(store->library->repo, ret_oid);
}

static gboolean file_store(Store *store, const ManifestEntry *entry, char ret_oid[REPO_OID],
			   GError **error)
{
	guint8 sha256[UTIL_SHA256_BYTES];
	util_autofd int fd = -1;
	guint64 size = 0;

	if (blob_is_known(store, entry, ret_oid))
		return TRUE;
	fd = tree_open_file(store->dirfd, entry->path, error);
	if (fd < 0 || !repo_pack_add_fd(store->pack, fd, sha256, &size, ret_oid, error))
		return FALSE;
	if (size != entry->size || memcmp(sha256, entry->sha256, sizeof sha256) != 0)
		return util_error_set(
		    error, TS_ERROR_AGAIN,
		    "it changed while it was stored: does the build leave something "
		    "running?");
	return TRUE;
}

static GArray *folder_of(Store *store, const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	g_autofree char *parent = slash ? g_strndup(path, (gsize)(slash - path)) : g_strdup("");
	GArray *entries = g_hash_table_lookup(store->folders, parent);

	*ret_name = slash ? slash + 1 : path;
	if (!entries) {
		entries = g_array_new(FALSE, TRUE, sizeof(RepoTreeEntry));
		(void)g_hash_table_insert(store->folders, g_steal_pointer(&parent), entries);
	}
	return entries;
}

static gboolean entry_store(Store *store, const ManifestEntry *entry, GError **error)
{
	RepoTreeEntry item = {.mode = 0040000};
	const GArray *inside;

	switch (entry->type) {
	case MANIFEST_FILE:
		item.mode = 0100000 | (guint)entry->mode;
		if (!file_store(store, entry, item.oid, error))
			return FALSE;
		break;
	case MANIFEST_LINK:
		item.mode = 0120000;
		if (!repo_pack_add(store->pack, REPO_BLOB, entry->target, strlen(entry->target),
				   item.oid, error))
			return FALSE;
		break;
	case MANIFEST_DIR:
		inside = g_hash_table_lookup(store->folders, entry->path);
		if (!inside)
			return TRUE; /* an empty folder is in the manifest only */
		if (!repo_pack_add_tree(store->pack,
					(const RepoTreeEntry *)(gconstpointer)inside->data,
					inside->len, item.oid, error))
			return FALSE;
		(void)g_hash_table_remove(store->folders, entry->path); /* was there */
		break;
	}
	{
		GArray *entries = folder_of(store, entry->path, &item.name);

		g_array_append_val(entries, item);
	}
	return TRUE;
}

/* From the last entry to the first: what is in a folder comes after the folder. */
static gboolean tree_store(Store *store, char ret_tree[REPO_OID], GError **error)
{
	RepoTreeEntry top[2] = {{.name = LIBRARY_MANIFEST, .mode = 0100644},
				{.name = LIBRARY_TREE, .mode = 0040000}};
	g_autoptr(GBytes) text = manifest_format(store->manifest);
	const GArray *inside;

	for (guint i = manifest_count(store->manifest); i > 0; i--) {
		const ManifestEntry *entry = manifest_entry(store->manifest, i - 1);

		if (!entry_store(store, entry, error)) {
			g_prefix_error(error, "cannot store %s: ", entry->path);
			return FALSE;
		}
	}
	inside = g_hash_table_lookup(store->folders, "");
	return repo_pack_add_tree(
		   store->pack, inside ? (const RepoTreeEntry *)(gconstpointer)inside->data : NULL,
		   inside ? inside->len : 0, top[1].oid, error) &&
	       repo_pack_add(store->pack, REPO_BLOB, g_bytes_get_data(text, NULL),
			     g_bytes_get_size(text), top[0].oid, error) &&
	       repo_pack_add_tree(store->pack, top, G_N_ELEMENTS(top), ret_tree, error) &&
	       repo_pack_finish(store->pack, error);
}

static gboolean objects_store(Library *library, int dirfd, const Manifest *manifest,
			      const Manifest *previous, const char *app, char ret_tree[REPO_OID],
			      GError **error)
{
	g_auto(Store) store = {.library = library, .manifest = manifest, .dirfd = dirfd};

	store.known_paths = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	store.folders = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, entries_free);
	store.pack = repo_pack_begin(library->repo, error);
	return store.pack && known_load(&store, app, previous, error) &&
	       tree_store(&store, ret_tree, error);
}

/* What is bound stays what it is. */
static gboolean may_replace(const LibraryRecord *old, const LibraryVersion *version, GError **error)
{
	if (!old || !old->version->bound)
		return TRUE;
	if (!g_str_equal(old->version->commit, version->commit))
		return util_error_set(
		    error, TS_ERROR_REFUSED,
		    "version %s of %s was ordered from commit %.12s and is bound to "
		    "it, not to %.12s; use a new tag name",
		    version->version, version->app, old->version->commit, version->commit);
	if (!g_str_equal(old->version->root, version->root))
		return util_error_set(
		    error, TS_ERROR_REFUSED,
		    "version %s of %s was ordered with root %.12s; commit %.12s "
		    "built again gives another tree, root %.12s; use a new tag name",
		    version->version, version->app, old->version->root, version->commit,
		    version->root);
	return TRUE;
}

gboolean library_store(Library *library, int dirfd, Manifest *manifest, const Manifest *previous,
		       gint64 tag_utc, LibraryVersion *version, GError **error)
{
	g_autoptr(LibraryRecord) old = NULL;
	g_autoptr(GError) local = NULL;
	char tree[REPO_OID], root[UTIL_SHA256_HEX];

	old = library_record_read(library, version->app, version->version, &local);
	if (!old && !g_error_matches(local, TS_ERROR, TS_ERROR_NOT_FOUND)) {
		g_propagate_error(error, g_steal_pointer(&local));
		return FALSE;
	}
	if ((!old && !name_fits(library, version->app, version->version, error)) ||
	    !assign_mtimes(library, old, manifest, previous, tag_utc, error))
		return FALSE;
	manifest_root(manifest, root);
	g_free(version->root);
	version->root = g_strdup(root);
	version->files = manifest_files(manifest);
	version->bytes = manifest_bytes(manifest);
	version->bound = old && old->version->bound;
	if (!may_replace(old, version, error))
		return FALSE;
	if (old && !old->removed && g_str_equal(old->version->commit, version->commit) &&
	    g_str_equal(old->version->root, version->root))
		return TRUE;
	return objects_store(library, dirfd, manifest, previous, version->app, tree, error) &&
	       library_record_write(library, version, tree, NULL, old ? old->oid : REPO_ZERO, 0,
				    error);
}
