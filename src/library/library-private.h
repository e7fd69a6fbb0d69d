/* SPDX-License-Identifier: ISC */
/* What the files of the library room share. */
#pragma once

#include "library/library.h"
#include "tree/tree.h"

#define LIBRARY_AUTHOR "tagship"
#define LIBRARY_MANIFEST "manifest"
#define LIBRARY_TREE "tree"
#define LIBRARY_MANIFEST_MAX ((gsize)1024 * 1024 * 1024)

struct Library {
	Repo *repo;
};

/* One version's ref as it stands. */
typedef struct {
	char oid[REPO_OID]; /* of the commit */
	char tree[REPO_OID];
	LibraryVersion *version;
	gboolean removed; /* only the binding is left */
} LibraryRecord;
void library_record_free(LibraryRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LibraryRecord, library_record_free)

char *library_version_ref(const char *app, const char *version);
/* NOT_FOUND if there never was such a version; removed ones are found. */
LibraryRecord *library_record_read(Library *library, const char *app, const char *version,
				   GError **error);
/* Makes the record's text a commit and moves the ref from `expected_old`. removed_utc 0: it is
 * not. */
gboolean library_record_write(Library *library, const LibraryVersion *version, const char *tree,
			      const char *parent, const char *expected_old, gint64 removed_utc,
			      GError **error);
/* The manifest of a record, its root checked. */
Manifest *library_record_manifest(Library *library, const LibraryRecord *record, GError **error);
