/* SPDX-License-Identifier: ISC */
/*
 * The library: a bare git repository of built trees, and the record of every decision on a release.
 *
 *   refs/versions/APP/VERSION      commit: tree = { manifest, tree/ }, message = trailer text; with
 *                                  "Bound: yes" once an order named it. Of a bound version that was
 *                                  removed a commit without tree stays ("Removed: TIME")
 *   refs/releases/APP/TAGOID       chain of commits, newest first: message = trailer text with
 *                                  "Decision: NAME"; the tree of all of them holds the tag object
 *                                  as the blob "tag"
 *   refs/seen/APP                  commit whose tree has the blob "refs": a line "OID NAME" for
 *                                  every source ref already dealt with
 *
 * Each write is objects first (a version's as one pack), then one ref by compare and swap (AGAIN if
 * it moved): after a crash a version, decision or "seen" map is there whole or not at all. Empty
 * folders are in the manifest only. `git gc` may pack the repository; only what a ref reaches
 * counts.
 */
#pragma once

#include "manifest/manifest.h"
#include "repo/repo.h"

typedef struct Library Library;

/* STATE/library.git, made if missing. */
Library *library_open(const char *state_path, GError **error);
void library_free(Library *library);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Library, library_free)
Repo *library_repo(Library *library);

typedef struct {
	char *app;
	char *version;
	char *commit; /* of the source */
	char *root;
	guint64 files, bytes;
	gint64 built_utc;
	char *job;      /* whose build it was */
	gboolean bound; /* an order named it: commit and root are fixed for ever */
} LibraryVersion;
LibraryVersion *library_version_new(void);
void library_version_free(LibraryVersion *version);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LibraryVersion, library_version_free)

/* Stores the tree at dirfd as app/version. `manifest` is its scan; mtimes are assigned here against
 * `previous` (NULL for none) and tag_utc; content that this version has already keeps the mtimes,
 * and so the root, it got then, and storing it again changes nothing. Sets version->root, files,
 * bytes, bound. REFUSED: a bound version with another commit or root; a version whose name is a
 * folder of other versions' names, or the other way round; files that git cannot hold (".git").
 * AGAIN: a file is not what the manifest says. */
gboolean library_store(Library *library, int dirfd, Manifest *manifest, const Manifest *previous,
		       gint64 tag_utc, LibraryVersion *version, GError **error);
LibraryVersion *library_version(Library *library, const char *app, const char *version,
				GError **error);
/* All versions of an app, newest build first. */
GPtrArray *library_versions(Library *library, const char *app, GError **error);
/* Any version of the app with this root; NOT_FOUND. */
LibraryVersion *library_by_root(Library *library, const char *app, const char *root,
				GError **error);
Manifest *library_manifest(Library *library, const char *app, const char *version, GError **error);
/* Writes the tree into the empty folder dest, modes and content by its manifest (mtimes too); not
 * synced. Content that is not as the manifest says is CORRUPT. ret_manifest may be NULL. */
gboolean library_export(Library *library, const char *app, const char *version, const char *dest,
			Manifest **ret_manifest, GError **error);
/* Marks as bound (an order is about to name it). */
gboolean library_bind(Library *library, const char *app, const char *version, GError **error);
/* Of a bound version the binding stays: storing it again from another commit is still REFUSED. */
gboolean library_remove(Library *library, const char *app, const char *version, GError **error);

/* One decision on a release, newest last. */
typedef struct {
	char oid[REPO_OID];
	char *decision; /* "queued", "accepted", "built", "build-failed", "bundled", "ordered",
			 * "cancelled", "history", … */
	gint64 time_utc;
	UtilTrailers *text; /* all of it, "Decision" first */
} LibraryDecision;

/* Appends; the first decision of a release takes the raw tag object, later ones pass NULL (or the
 * same; another is EXISTS). text may be NULL. Two writers: the second gets AGAIN. */
gboolean library_decide(Library *library, const char *app, const char *release,
			const char *decision, UtilTrailers *text, GBytes *tag_object,
			gint64 now_utc, GError **error);
/* LibraryDecision array; NOT_FOUND if the release is unknown. */
GPtrArray *library_decisions(Library *library, const char *app, const char *release,
			     GError **error);
GBytes *library_release_tag(Library *library, const char *app, const char *release, GError **error);
/* Ids of all releases of an app (char *). */
GPtrArray *library_releases(Library *library, const char *app, GError **error);

/* The source refs dealt with so far: ref name -> oid. An app never seen gives NULL without
 * error. */
GHashTable *library_seen(Library *library, const char *app, GError **error);
gboolean library_seen_set(Library *library, const char *app, GHashTable *seen, gint64 now_utc,
			  GError **error);
