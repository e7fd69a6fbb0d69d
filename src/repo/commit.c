/* SPDX-License-Identifier: ISC */
/* Commits, signed or not, and their ancestry. */
#include <string.h>

#include "repo/repo-private.h"

#define DEFAULT_EMAIL "tagship@localhost"
#define SIGNATURE_FIELD "gpgsig"

static int commit_buffer(Repo *repo, const RepoCommitSpec *spec, const git_oid *tree_id,
			 const git_oid *parent_id, git_buf *ret_buffer)
{
	g_autoptr(git_tree) tree = NULL;
	g_autoptr(git_commit) parent = NULL;
	g_autoptr(git_signature) who = NULL;
	const git_commit *parents[1];
	int code = git_tree_lookup(&tree, repo->git, tree_id);

	if (code >= 0 && parent_id)
		code = git_commit_lookup(&parent, repo->git, parent_id);
	if (code >= 0)
		code = git_signature_new(&who, spec->author,
					 spec->author_email ? spec->author_email : DEFAULT_EMAIL,
					 spec->time_utc, 0);
	if (code < 0)
		return code;
	parents[0] = parent;
	return git_commit_create_buffer(ret_buffer, repo->git, who, who, NULL, spec->message, tree,
					parent ? 1 : 0, parents);
}

gboolean repo_commit_write(Repo *repo, const RepoCommitSpec *spec, char ret_oid[REPO_OID],
			   GError **error)
{
	g_auto(git_buf) buffer = GIT_BUF_INIT;
	g_autofree char *signature = NULL;
	char tree[REPO_OID];
	git_oid tree_id, parent_id, id;
	int code;

	if (!spec->tree && !repo_tree_write(repo, NULL, 0, tree, error))
		return FALSE;
	if (!repo_oid_parse(spec->tree ? spec->tree : tree, &tree_id, error) ||
	    (spec->parent && !repo_oid_parse(spec->parent, &parent_id, error)))
		return FALSE;
	code = commit_buffer(repo, spec, &tree_id, spec->parent ? &parent_id : NULL, &buffer);
	if (code < 0)
		return repo_error(error, code, "cannot write a commit in %s", repo->path);
	if (spec->sign) {
		signature = spec->sign(buffer.ptr, buffer.size, spec->sign_data, error);
		if (!signature)
			return FALSE;
		g_strchomp(signature); /* else the header would end in an empty line */
	}
	code = git_commit_create_with_signature(&id, repo->git, buffer.ptr, signature,
						signature ? SIGNATURE_FIELD : NULL);
	if (code < 0)
		return repo_error(error, code, "cannot write a commit in %s", repo->path);
	repo_oid_text(&id, ret_oid);
	return TRUE;
}

static gboolean commit_signature(Repo *repo, git_oid *id, RepoCommit *commit, GError **error)
{
	g_auto(git_buf) signature = GIT_BUF_INIT;
	g_auto(git_buf) payload = GIT_BUF_INIT;
	int code =
	    git_commit_extract_signature(&signature, &payload, repo->git, id, SIGNATURE_FIELD);

	if (code == GIT_ENOTFOUND) {
		git_error_clear();
		return TRUE;
	}
	if (code < 0)
		return repo_error(error, code, "cannot read the signature of commit %s of %s",
				  commit->oid, repo->path);
	commit->signature = g_strdup_printf("%s\n", signature.ptr);
	commit->payload = g_strndup(payload.ptr, payload.size);
	commit->payload_len = payload.size;
	return TRUE;
}

/* libgit2 reads commits as C strings: what stands behind a NUL would be part of the object but of
 * nothing that is looked at or signed. */
static gboolean commit_is_sane(Repo *repo, const char *oid, GError **error)
{
	g_autoptr(GBytes) raw = NULL;
	RepoType type = REPO_BLOB;
	const char *data;
	gsize len = 0;

	raw = repo_object_read(repo, oid, REPO_COMMIT_MAX, &type, error);
	if (!raw)
		return FALSE;
	data = g_bytes_get_data(raw, &len);
	if (type != REPO_COMMIT)
		return util_error_set(error, TS_ERROR_CORRUPT, "%s of %s is no commit", oid,
				      repo->path);
	if (memchr(data, '\0', len))
		return util_error_set(error, TS_ERROR_CORRUPT, "commit %s of %s has a NUL byte",
				      oid, repo->path);
	return TRUE;
}

RepoCommit *repo_commit_read(Repo *repo, const char *oid, GError **error)
{
	g_autoptr(git_commit) object = NULL;
	g_autoptr(RepoCommit) commit = g_new0(RepoCommit, 1);
	git_oid id;
	int code;

	if (!repo_oid_parse(oid, &id, error) || !commit_is_sane(repo, oid, error))
		return NULL;
	code = git_commit_lookup(&object, repo->git, &id);
	if (code < 0) {
		(void)repo_error(error, code, "cannot read commit %s of %s", oid, repo->path);
		return NULL;
	}
	repo_oid_text(&id, commit->oid);
	if (git_commit_parentcount(object) > 1) {
		(void)util_error_set(error, TS_ERROR_CORRUPT, "commit %s of %s has %u parents", oid,
				     repo->path, git_commit_parentcount(object));
		return NULL;
	}
	repo_oid_text(git_commit_tree_id(object), commit->tree);
	if (git_commit_parentcount(object) == 1)
		repo_oid_text(git_commit_parent_id(object, 0), commit->parent);
	commit->message = g_strdup(git_commit_message_raw(object));
	commit->time_utc = git_commit_time(object);
	if (strstr(git_commit_raw_header(object), "\n" SIGNATURE_FIELD " ") &&
	    !commit_signature(repo, &id, commit, error))
		return NULL;
	return g_steal_pointer(&commit);
}

void repo_commit_free(RepoCommit *commit)
{
	if (!commit)
		return;
	g_free(commit->message);
	g_free(commit->signature);
	g_free(commit->payload);
	g_free(commit);
}

gboolean repo_is_ancestor(Repo *repo, const char *ancestor, const char *oid, gboolean *ret_is,
			  GError **error)
{
	git_oid old, new;
	int code;

	if (!repo_oid_parse(ancestor, &old, error) || !repo_oid_parse(oid, &new, error))
		return FALSE;
	if (git_oid_equal(&old, &new)) {
		*ret_is = TRUE;
		return TRUE;
	}
	code = git_graph_descendant_of(repo->git, &new, &old);
	if (code < 0)
		return repo_error(error, code, "cannot follow the history of %s in %s", oid,
				  repo->path);
	*ret_is = code == 1;
	return TRUE;
}
