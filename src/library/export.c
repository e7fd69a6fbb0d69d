/* SPDX-License-Identifier: ISC */
/* A stored tree back into a folder, every file checked against its manifest. */
#include <string.h>

#include "library/library-private.h"

static gboolean file_write(Library *library, const LibraryRecord *record, int dirfd,
			   const ManifestEntry *entry, GError **error)
{
	g_autofree char *path = g_strconcat(LIBRARY_TREE, "/", entry->path, NULL);
	guint8 sha256[UTIL_SHA256_BYTES];
	char oid[REPO_OID];
	guint64 len = 0;
	int fd;

	if (!repo_tree_lookup(library->repo, record->oid, path, oid, error))
		return FALSE;
	fd = tree_make_file(dirfd, entry->path, error);
	if (fd < 0)
		return FALSE;
	if (!repo_blob_read_fd(library->repo, oid, fd, sha256, &len, error)) {
		(void)g_close(fd, NULL); /* an error is set already */
		return FALSE;
	}
	if (!g_close(fd, error))
		return FALSE;
	if (len != entry->size || memcmp(sha256, entry->sha256, sizeof sha256) != 0)
		return util_error_set(error, TS_ERROR_CORRUPT,
				      "the library holds other content than its manifest says");
	return TRUE;
}

static gboolean entry_write(Library *library, const LibraryRecord *record, int dirfd,
			    const ManifestEntry *entry, GError **error)
{
	switch (entry->type) {
	case MANIFEST_DIR:
		return tree_make_dir(dirfd, entry->path, error);
	case MANIFEST_LINK:
		return tree_make_link(dirfd, entry->path, entry->target, error);
	case MANIFEST_FILE:
		return file_write(library, record, dirfd, entry, error);
	}
	g_assert_not_reached();
}

static int empty_open(const char *dest, GError **error)
{
	util_autofd int fd = util_fs_open_dir(AT_FDCWD, dest, error);
	g_autoptr(GPtrArray) names = NULL;

	if (fd < 0)
		return -1;
	names = util_fs_list(fd, ".", error);
	if (!names)
		return -1;
	if (names->len > 0) {
		(void)util_error_set(error, TS_ERROR_EXISTS, "%s is not empty", dest);
		return -1;
	}
	return g_steal_fd(&fd);
}

gboolean library_export(Library *library, const char *app, const char *version, const char *dest,
			Manifest **ret_manifest, GError **error)
{
	g_autoptr(LibraryRecord) record = library_record_read(library, app, version, error);
	g_autoptr(Manifest) manifest = NULL;
	util_autofd int dirfd = -1;

	if (!record)
		return FALSE;
	if (record->removed)
		return util_error_set(error, TS_ERROR_NOT_FOUND,
				      "version %s of %s was removed from the library", version,
				      app);
	manifest = library_record_manifest(library, record, error);
	if (!manifest)
		return FALSE;
	dirfd = empty_open(dest, error);
	if (dirfd < 0)
		return FALSE;
	for (guint i = 0; i < manifest_count(manifest); i++) {
		const ManifestEntry *entry = manifest_entry(manifest, i);

		if (!entry_write(library, record, dirfd, entry, error)) {
			g_prefix_error(error, "cannot write %s of %s %s: ", entry->path, app,
				       version);
			return FALSE;
		}
	}
	if (!tree_finish(dirfd, manifest, NULL, error))
		return FALSE;
	if (ret_manifest)
		*ret_manifest = g_steal_pointer(&manifest);
	return TRUE;
}
