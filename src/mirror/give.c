/* SPDX-License-Identifier: ISC */
/* Returns to central what it lost: the accepted ledger from where central's head still is in it. */
#include "mirror/mirror-private.h"

#define OBJECT_BYTES_MAX ((gsize)1024 * 1024)

static gboolean send_object(UtilStream *stream, Repo *repo, const char *oid, const char *word,
			    GError **error)
{
	RepoType type = REPO_BLOB;
	gsize len = 0;
	g_autoptr(GBytes) raw = repo_object_read(repo, oid, OBJECT_BYTES_MAX, &type, error);
	const void *data = raw ? g_bytes_get_data(raw, &len) : NULL;
	return raw && wire_part_write(stream, word, strlen(word), error) &&
	       wire_part_write(stream, data ? data : "", len, error);
}

static gboolean send_commit(UtilStream *stream, Repo *repo, const RepoCommit *commit,
			    GError **error)
{
	char blob[REPO_OID];
	if (!send_object(stream, repo, commit->oid, "commit", error) ||
	    !send_object(stream, repo, commit->tree, "tree", error))
		return FALSE;
	return !repo_tree_lookup(repo, commit->oid, "tag", blob, NULL) ||
	       send_object(stream, repo, blob, "blob", error);
}

/* From `accepted` back to what central has (or to the beginning). */
static gboolean send_all(UtilStream *stream, Repo *repo, const char *accepted, const char *have,
			 GError **error)
{
	g_autofree char *at = g_strdup(accepted);
	if (!wire_part_write(stream, accepted, strlen(accepted), error))
		return FALSE;
	while (*at && strcmp(at, have) != 0) {
		g_autoptr(RepoCommit) commit = repo_commit_read(repo, at, error);
		if (!commit || !send_commit(stream, repo, commit, error))
			return FALSE;
		g_free(at);
		at = g_strdup(commit->parent);
	}
	return wire_part_write(stream, "end", 3, error) && stream->shut(stream, error);
}

gboolean mirror_give(Mirror *mirror, const char *central_head, const char *accepted, GError **error)
{
	WireRequest request = {.verb = WIRE_GIVE};
	WireCall *call = mirror_call(mirror, &request, error);
	if (!call)
		return FALSE;
	UtilStream *stream = wire_call_stream(call);
	if (!send_all(stream, mirror->repo, accepted, central_head, error))
		return mirror_call_failed(call, error);
	if (!wire_reply_read(stream, NULL, error)) {
		(void)wire_call_finish(call, NULL); /* the reply has said it */
		return FALSE;
	}
	return wire_call_finish(call, error);
}
