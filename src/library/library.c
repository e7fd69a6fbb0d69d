/* SPDX-License-Identifier: ISC */
/* Versions: their records, found by name and by root, bound and removed. */
#include <string.h>

#include "library/library-private.h"

#define VERSIONS "refs/versions/"
#define RECORD_FORMAT 1
#define BYTES_MAX ((gint64)1 << 60)

Library *library_open(const char *state_path, GError **error)
{
	g_autofree char *path = g_build_filename(state_path, "library.git", NULL);
	Repo *repo = repo_create(path, error);
	Library *library;

	if (!repo) {
		g_prefix_error(error, "the library: ");
		return NULL;
	}
	library = g_new0(Library, 1);
	library->repo = repo;
	return library;
}

void library_free(Library *library)
{
	if (!library)
		return;
	repo_free(library->repo);
	g_free(library);
}

Repo *library_repo(Library *library)
{
	return library->repo;
}

LibraryVersion *library_version_new(void)
{
	return g_new0(LibraryVersion, 1);
}

void library_version_free(LibraryVersion *version)
{
	if (!version)
		return;
	g_free(version->app);
	g_free(version->version);
	g_free(version->commit);
	g_free(version->root);
	g_free(version->job);
	g_free(version);
}

void library_record_free(LibraryRecord *record)
{
	if (!record)
		return;
	library_version_free(record->version);
	g_free(record);
}

char *library_version_ref(const char *app, const char *version)
{
	return g_strconcat(VERSIONS, app, "/", version, NULL);
}

static char *record_format(const LibraryVersion *version, gint64 removed_utc)
{
	g_autoptr(UtilTrailers) text = util_trailers_new();

	util_trailers_add_int(text, "Tagship-Version", RECORD_FORMAT);
	util_trailers_add(text, "App", version->app);
	util_trailers_add(text, "Version", version->version);
	util_trailers_add(text, "Commit", version->commit);
	util_trailers_add(text, "Root", version->root);
	util_trailers_add_int(text, "Files", (gint64)version->files);
	util_trailers_add_int(text, "Bytes", (gint64)version->bytes);
	util_trailers_add_time(text, "Built", version->built_utc);
	util_trailers_add(text, "Job", version->job);
	if (version->bound)
		util_trailers_add(text, "Bound", "yes");
	if (removed_utc)
		util_trailers_add_time(text, "Removed", removed_utc);
	return util_trailers_format(text);
}

static gboolean record_parse(LibraryRecord *record, const char *message, GError **error)
{
	g_autoptr(UtilTrailers) text = util_trailers_parse(message, strlen(message), error);
	LibraryVersion *version = library_version_new();
	gint64 format = 0, files = 0, bytes = 0;
	const char *app, *name, *commit, *root;

	record->version = version;
	if (!text || !util_trailers_need_int(text, "Tagship-Version", 1, G_MAXINT, &format, error))
		return FALSE;
	if (format != RECORD_FORMAT)
		return util_error_set(error, TS_ERROR_UNSUPPORTED,
				      "its format is %" G_GINT64_FORMAT ", made by a newer tagship",
				      format);
	if (!util_trailers_need(text, "App", &app, error) ||
	    !util_trailers_need(text, "Version", &name, error) ||
	    !util_trailers_need(text, "Commit", &commit, error) ||
	    !util_trailers_need(text, "Root", &root, error) ||
	    !util_trailers_need_int(text, "Files", 0, BYTES_MAX, &files, error) ||
	    !util_trailers_need_int(text, "Bytes", 0, BYTES_MAX, &bytes, error) ||
	    !util_trailers_need_time(text, "Built", &version->built_utc, error))
		return FALSE;
	if (!util_oid_hex_ok(commit) || !util_sha256_hex_ok(root))
		return util_error_set(error, TS_ERROR_CORRUPT, "its Commit or Root is none");
	version->app = g_strdup(app);
	version->version = g_strdup(name);
	version->commit = g_strdup(commit);
	version->root = g_strdup(root);
	version->job = g_strdup(util_trailers_get(text, "Job"));
	version->files = (guint64)files;
	version->bytes = (guint64)bytes;
	version->bound = util_trailers_get(text, "Bound") != NULL;
	record->removed = util_trailers_get(text, "Removed") != NULL;
	return TRUE;
}

static LibraryRecord *record_load(Library *library, const char *ref, const char *oid,
				  GError **error)
{
	g_autoptr(RepoCommit) commit = repo_commit_read(library->repo, oid, error);
	g_autoptr(LibraryRecord) record = g_new0(LibraryRecord, 1);
	g_autofree char *named = NULL;

	if (!commit || !record_parse(record, commit->message, error)) {
		g_prefix_error(error, "the version at %s: ", ref);
		return NULL;
	}
	named = library_version_ref(record->version->app, record->version->version);
	if (!g_str_equal(named, ref)) {
		(void)util_error_set(error, TS_ERROR_CORRUPT,
				     "%s holds the record of another version, %s", ref, named);
		return NULL;
	}
	(void)g_strlcpy(record->oid, commit->oid, sizeof record->oid);    /* the same size */
	(void)g_strlcpy(record->tree, commit->tree, sizeof record->tree); /* the same size */
	return g_steal_pointer(&record);
}

LibraryRecord *library_record_read(Library *library, const char *app, const char *version,
				   GError **error)
{
	g_autofree char *ref = NULL;
	g_autoptr(GError) local = NULL;
	char oid[REPO_OID];

	if (!util_name_check("app", app, error) || !util_version_check(version, error))
		return NULL;
	ref = library_version_ref(app, version);
	if (repo_ref_get(library->repo, ref, oid, &local))
		return record_load(library, ref, oid, error);
	if (!g_error_matches(local, TS_ERROR, TS_ERROR_NOT_FOUND))
		g_propagate_error(error, g_steal_pointer(&local));
	else
		(void)util_error_set(error, TS_ERROR_NOT_FOUND,
				     "the library has no version %s of %s", version, app);
	return NULL;
}

gboolean library_record_write(Library *library, const LibraryVersion *version, const char *tree,
			      const char *parent, const char *expected_old, gint64 removed_utc,
			      GError **error)
{
	g_autofree char *ref = library_version_ref(version->app, version->version);
	g_autofree char *message = record_format(version, removed_utc);
	RepoCommitSpec spec = {.parent = parent,
			       .tree = tree,
			       .message = message,
			       .author = LIBRARY_AUTHOR,
			       .time_utc = version->built_utc};
	char oid[REPO_OID];

	return repo_commit_write(library->repo, &spec, oid, error) &&
	       repo_ref_set(library->repo, ref, oid, expected_old, error);
}

/* A record with a tree; a removed version is as if it were not there. */
static LibraryRecord *record_need(Library *library, const char *app, const char *version,
				  GError **error)
{
	g_autoptr(LibraryRecord) record = library_record_read(library, app, version, error);

	if (record && record->removed) {
		(void)util_error_set(
		    error, TS_ERROR_NOT_FOUND,
		    "version %s of %s was removed from the library; build commit %s "
		    "again to have it back",
		    version, app, record->version->commit);
		return NULL;
	}
	return g_steal_pointer(&record);
}

LibraryVersion *library_version(Library *library, const char *app, const char *version,
				GError **error)
{
	g_autoptr(LibraryRecord) record = record_need(library, app, version, error);

	return record ? g_steal_pointer(&record->version) : NULL;
}

static int newest_first(gconstpointer a, gconstpointer b)
{
	const LibraryVersion *const *left = a;
	const LibraryVersion *const *right = b;

	if ((*left)->built_utc != (*right)->built_utc)
		return (*left)->built_utc > (*right)->built_utc ? -1 : 1;
	return strcmp((*left)->version, (*right)->version);
}

GPtrArray *library_versions(Library *library, const char *app, GError **error)
{
	g_autoptr(GPtrArray) versions =
	    g_ptr_array_new_with_free_func((GDestroyNotify)library_version_free);
	g_autofree char *prefix = library_version_ref(app, "");
	g_autoptr(GPtrArray) refs = NULL;

	if (!util_name_check("app", app, error))
		return NULL;
	refs = repo_ref_list(library->repo, prefix, error);
	for (guint i = 0; refs && i < refs->len; i++) {
		const RepoRef *ref = g_ptr_array_index(refs, i);
		g_autoptr(LibraryRecord) record = record_load(library, ref->name, ref->oid, error);

		if (!record)
			return NULL;
		if (!record->removed)
			g_ptr_array_add(versions, g_steal_pointer(&record->version));
	}
	if (!refs)
		return NULL;
	g_ptr_array_sort(versions, newest_first);
	return g_steal_pointer(&versions);
}

LibraryVersion *library_by_root(Library *library, const char *app, const char *root, GError **error)
{
	g_autoptr(GPtrArray) versions = library_versions(library, app, error);

	for (guint i = 0; versions && i < versions->len; i++) {
		const LibraryVersion *version = g_ptr_array_index(versions, i);

		if (g_str_equal(version->root, root))
			return g_ptr_array_steal_index(versions, i);
	}
	if (versions)
		(void)util_error_set(error, TS_ERROR_NOT_FOUND,
				     "the library has no version of %s with root %.12s", app, root);
	return NULL;
}

Manifest *library_record_manifest(Library *library, const LibraryRecord *record, GError **error)
{
	g_autoptr(GBytes) text = NULL;
	g_autoptr(Manifest) manifest = NULL;
	char oid[REPO_OID], root[UTIL_SHA256_HEX];
	const char *data;
	gsize len = 0;

	if (!repo_tree_lookup(library->repo, record->oid, LIBRARY_MANIFEST, oid, error))
		return NULL;
	text = repo_object_read(library->repo, oid, LIBRARY_MANIFEST_MAX, NULL, error);
	if (!text)
		return NULL;
	data = g_bytes_get_data(text, &len);
	manifest = manifest_parse(data, len, error);
	if (!manifest) {
		g_prefix_error(error, "the manifest of %s %s: ", record->version->app,
			       record->version->version);
		return NULL;
	}
	manifest_root(manifest, root);
	if (!g_str_equal(root, record->version->root)) {
		(void)util_error_set(error, TS_ERROR_CORRUPT,
				     "the manifest of %s %s has root %.12s, its record says %.12s",
				     record->version->app, record->version->version, root,
				     record->version->root);
		return NULL;
	}
	return g_steal_pointer(&manifest);
}

Manifest *library_manifest(Library *library, const char *app, const char *version, GError **error)
{
	g_autoptr(LibraryRecord) record = record_need(library, app, version, error);

	return record ? library_record_manifest(library, record, error) : NULL;
}

gboolean library_bind(Library *library, const char *app, const char *version, GError **error)
{
	g_autoptr(LibraryRecord) record = record_need(library, app, version, error);

	if (!record || record->version->bound)
		return record != NULL;
	record->version->bound = TRUE;
	return library_record_write(library, record->version, record->tree, record->oid,
				    record->oid, 0, error);
}

gboolean library_remove(Library *library, const char *app, const char *version, GError **error)
{
	g_autofree char *ref = library_version_ref(app, version);
	g_autoptr(LibraryRecord) record = record_need(library, app, version, error);

	if (!record)
		return FALSE;
	if (!record->version->bound)
		return repo_ref_delete(library->repo, ref, record->oid, error);
	/* no parent: the tree shall go, the binding stay */
	return library_record_write(library, record->version, NULL, NULL, record->oid,
				    util_clock_now_utc(util_clock_system()), error);
}
