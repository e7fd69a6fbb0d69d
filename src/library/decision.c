/* SPDX-License-Identifier: ISC */
/* The record of a release: a chain of decisions, and the tag object it is about. */
#include <string.h>

#include "library/library-private.h"

#define RELEASES "refs/releases/"
#define TAG_NAME "tag"
#define TAG_MAX ((gsize)1024 * 1024)

static char *release_ref(const char *app, const char *release)
{
	return g_strconcat(RELEASES, app, "/", release, NULL);
}

static gboolean release_check(const char *app, const char *release, GError **error)
{
	if (!util_name_check("app", app, error))
		return FALSE;
	if (!util_oid_hex_ok(release))
		return util_error_set(error, TS_ERROR_USAGE,
				      "a release is named by the 40 hex digits of its tag object");
	return TRUE;
}

/* The newest decision's commit; NOT_FOUND if there is none. */
static gboolean release_head(Library *library, const char *app, const char *release,
			     char ret_oid[REPO_OID], GError **error)
{
	g_autofree char *ref = NULL;
	g_autoptr(GError) local = NULL;

	if (!release_check(app, release, error))
		return FALSE;
	ref = release_ref(app, release);
	if (repo_ref_get(library->repo, ref, ret_oid, &local))
		return TRUE;
	if (g_error_matches(local, TS_ERROR, TS_ERROR_NOT_FOUND))
		return util_error_set(error, TS_ERROR_NOT_FOUND, "%s has no release %.12s", app,
				      release);
	g_propagate_error(error, g_steal_pointer(&local));
	return FALSE;
}

static char *decision_text(const char *decision, const UtilTrailers *text)
{
	g_autoptr(UtilTrailers) all = util_trailers_new();

	util_trailers_add(all, "Decision", decision);
	for (guint i = 0; text && i < util_trailers_count(text); i++) {
		const char *key = util_trailers_key(text, i);

		if (!g_str_equal(key, "Decision"))
			util_trailers_add(all, key, util_trailers_value(text, i));
	}
	return util_trailers_format(all);
}

/* The tree with the tag object; an empty one without. */
static gboolean tag_store(Library *library, GBytes *tag_object, char ret_tree[REPO_OID],
			  GError **error)
{
	RepoTreeEntry entry = {.name = TAG_NAME, .mode = 0100644};
	gsize len = 0;
	const void *data;

	if (!tag_object)
		return repo_tree_write(library->repo, NULL, 0, ret_tree, error);
	data = g_bytes_get_data(tag_object, &len);
	if (len > TAG_MAX)
		return util_error_set(error, TS_ERROR_REFUSED,
				      "the tag object has %" G_GSIZE_FORMAT
				      " bytes, more than %" G_GSIZE_FORMAT,
				      len, TAG_MAX);
	return repo_blob_write(library->repo, data, len, entry.oid, error) &&
	       repo_tree_write(library->repo, &entry, 1, ret_tree, error);
}

/* The tree of the next decision: the one before's, so that the newest always has the tag. */
static gboolean decision_tree(Library *library, const char *head, GBytes *tag_object,
			      const char *release, char ret_tree[REPO_OID], GError **error)
{
	char given[REPO_OID];

	if (!head)
		return tag_store(library, tag_object, ret_tree, error);
	if (!repo_tree_lookup(library->repo, head, "", ret_tree, error))
		return FALSE;
	if (!tag_object)
		return TRUE;
	if (!tag_store(library, tag_object, given, error))
		return FALSE;
	if (!g_str_equal(given, ret_tree))
		return util_error_set(error, TS_ERROR_EXISTS,
				      "release %.12s is recorded with another tag object", release);
	return TRUE;
}

gboolean library_decide(Library *library, const char *app, const char *release,
			const char *decision, UtilTrailers *text, GBytes *tag_object,
			gint64 now_utc, GError **error)
{
	g_autofree char *ref = NULL;
	g_autofree char *message = decision_text(decision, text);
	g_autoptr(GError) local = NULL;
	char head[REPO_OID], tree[REPO_OID], oid[REPO_OID];
	RepoCommitSpec spec = {
	    .tree = tree, .message = message, .author = LIBRARY_AUTHOR, .time_utc = now_utc};

	if (!release_check(app, release, error))
		return FALSE;
	ref = release_ref(app, release);
	if (release_head(library, app, release, head, &local)) {
		spec.parent = head;
	} else if (!g_error_matches(local, TS_ERROR, TS_ERROR_NOT_FOUND)) {
		g_propagate_error(error, g_steal_pointer(&local));
		return FALSE;
	}
	return decision_tree(library, spec.parent, tag_object, release, tree, error) &&
	       repo_commit_write(library->repo, &spec, oid, error) &&
	       repo_ref_set(library->repo, ref, oid, spec.parent ? head : REPO_ZERO, error);
}

static void decision_free(gpointer data)
{
	LibraryDecision *decision = data;

	g_free(decision->decision);
	util_trailers_free(decision->text);
	g_free(decision);
}

/* Takes the commit's message apart; NULL with error. */
static LibraryDecision *decision_parse(const RepoCommit *commit, GError **error)
{
	UtilTrailers *text = util_trailers_parse(commit->message, strlen(commit->message), error);
	LibraryDecision *decision;
	const char *name = NULL;

	if (!text || !util_trailers_need(text, "Decision", &name, error)) {
		util_trailers_free(text);
		g_prefix_error(error, "the decision %.12s: ", commit->oid);
		return NULL;
	}
	decision = g_new0(LibraryDecision, 1);
	(void)g_strlcpy(decision->oid, commit->oid, sizeof decision->oid); /* the same size */
	decision->decision = g_strdup(name);
	decision->time_utc = commit->time_utc;
	decision->text = text;
	return decision;
}

GPtrArray *library_decisions(Library *library, const char *app, const char *release, GError **error)
{
	g_autoptr(GPtrArray) decisions = g_ptr_array_new_with_free_func(decision_free);
	char oid[REPO_OID];

	if (!release_head(library, app, release, oid, error))
		return NULL;
	while (*oid) {
		g_autoptr(RepoCommit) commit = repo_commit_read(library->repo, oid, error);
		LibraryDecision *decision = commit ? decision_parse(commit, error) : NULL;

		if (!decision)
			return NULL;
		g_ptr_array_add(decisions, decision);
		(void)g_strlcpy(oid, commit->parent, sizeof oid); /* the same size */
	}
	for (guint i = 0; i < decisions->len / 2; i++) {
		gpointer newer = decisions->pdata[i];

		decisions->pdata[i] = decisions->pdata[decisions->len - 1 - i];
		decisions->pdata[decisions->len - 1 - i] = newer;
	}
	return g_steal_pointer(&decisions);
}

GBytes *library_release_tag(Library *library, const char *app, const char *release, GError **error)
{
	char head[REPO_OID], oid[REPO_OID];

	if (!release_head(library, app, release, head, error) ||
	    !repo_tree_lookup(library->repo, head, TAG_NAME, oid, error)) {
		g_prefix_error(error, "the tag object of release %.12s: ", release);
		return NULL;
	}
	return repo_object_read(library->repo, oid, TAG_MAX, NULL, error);
}

GPtrArray *library_releases(Library *library, const char *app, GError **error)
{
	g_autoptr(GPtrArray) releases = g_ptr_array_new_with_free_func(g_free);
	g_autofree char *prefix = release_ref(app, "");
	g_autoptr(GPtrArray) refs = NULL;

	if (!util_name_check("app", app, error))
		return NULL;
	refs = repo_ref_list(library->repo, prefix, error);
	if (!refs)
		return NULL;
	for (guint i = 0; i < refs->len; i++) {
		const RepoRef *ref = g_ptr_array_index(refs, i);

		if (util_oid_hex_ok(ref->name + strlen(prefix)))
			g_ptr_array_add(releases, g_strdup(ref->name + strlen(prefix)));
	}
	return g_steal_pointer(&releases);
}
