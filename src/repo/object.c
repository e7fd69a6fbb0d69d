/* SPDX-License-Identifier: ISC */
/* Objects: raw reads, blobs, trees, annotated tags. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "repo/repo-private.h"

#define CHUNK_BYTES (256 * 1024)

gboolean repo_type_from_git(git_object_t git_type, RepoType *ret_type)
{
	static const git_object_t types[] = {GIT_OBJECT_COMMIT, GIT_OBJECT_TREE, GIT_OBJECT_BLOB,
					     GIT_OBJECT_TAG};

	for (guint i = 0; i < G_N_ELEMENTS(types); i++) {
		if (types[i] == git_type) {
			*ret_type = (RepoType)i;
			return TRUE;
		}
	}
	return FALSE;
}

git_object_t repo_type_to_git(RepoType type)
{
	switch (type) {
	case REPO_COMMIT:
		return GIT_OBJECT_COMMIT;
	case REPO_TREE:
		return GIT_OBJECT_TREE;
	case REPO_BLOB:
		return GIT_OBJECT_BLOB;
	case REPO_TAG:
		return GIT_OBJECT_TAG;
	}
	g_assert_not_reached();
}

static gboolean odb_of(Repo *repo, git_odb **ret_odb, GError **error)
{
	int code = git_repository_odb(ret_odb, repo->git);

	return code == 0 || repo_error(error, code, "cannot open the objects of %s", repo->path);
}

GBytes *repo_object_read(Repo *repo, const char *oid, gsize max_bytes, RepoType *ret_type,
			 GError **error)
{
	g_autoptr(git_odb) odb = NULL;
	g_autoptr(git_odb_object) object = NULL;
	git_object_t git_type = GIT_OBJECT_INVALID;
	RepoType type;
	git_oid id;
	size_t len = 0;
	int code;

	if (!repo_oid_parse(oid, &id, error) || !odb_of(repo, &odb, error))
		return NULL;
	code = git_odb_read_header(&len, &git_type, odb, &id);
	if (code == 0 && len > max_bytes) {
		(void)util_error_set(error, TS_ERROR_REFUSED,
				     "object %s of %s has %" G_GSIZE_FORMAT
				     " bytes, more than the %" G_GSIZE_FORMAT " allowed here",
				     oid, repo->path, (gsize)len, max_bytes);
		return NULL;
	}
	if (code == 0)
		code = git_odb_read(&object, odb, &id);
	if (code < 0) {
		(void)repo_error(error, code, "cannot read object %s of %s", oid, repo->path);
		return NULL;
	}
	if (!repo_type_from_git(git_odb_object_type(object), &type)) {
		(void)util_error_set(error, TS_ERROR_CORRUPT, "object %s of %s has no known type",
				     oid, repo->path);
		return NULL;
	}
	if (ret_type)
		*ret_type = type;
	return g_bytes_new(git_odb_object_data(object), git_odb_object_size(object));
}

gboolean repo_object_exists(Repo *repo, const char *oid)
{
	g_autoptr(git_odb) odb = NULL;
	git_oid id;

	if (!repo_oid_parse(oid, &id, NULL) || !odb_of(repo, &odb, NULL))
		return FALSE;
	return git_odb_exists(odb, &id) == 1;
}

gboolean repo_peel_commit(Repo *repo, const char *oid, char ret_commit[REPO_OID], GError **error)
{
	g_autoptr(git_object) object = NULL;
	g_autoptr(git_object) commit = NULL;
	git_oid id;
	int code;

	if (!repo_oid_parse(oid, &id, error))
		return FALSE;
	code = git_object_lookup(&object, repo->git, &id, GIT_OBJECT_ANY);
	if (code < 0)
		return repo_error(error, code, "cannot read object %s of %s", oid, repo->path);
	code = git_object_peel(&commit, object, GIT_OBJECT_COMMIT);
	if (code == GIT_EPEEL || code == GIT_EINVALIDSPEC || code == GIT_EAMBIGUOUS) {
		git_error_clear();
		return util_error_set(error, TS_ERROR_NOT_FOUND,
				      "%s in %s does not lead to a commit", oid, repo->path);
	}
	if (code < 0)
		return repo_error(error, code, "%s in %s does not lead to a commit", oid,
				  repo->path);
	repo_oid_text(git_object_id(commit), ret_commit);
	return TRUE;
}

gboolean repo_blob_write(Repo *repo, const void *data, gsize len, char ret_oid[REPO_OID],
			 GError **error)
{
	git_oid id;
	int code = git_blob_create_from_buffer(&id, repo->git, data ? data : "", len);

	if (code < 0)
		return repo_error(error, code, "cannot store %" G_GSIZE_FORMAT " bytes in %s", len,
				  repo->path);
	repo_oid_text(&id, ret_oid);
	return TRUE;
}

/* A loose object can be streamed; libgit2 reads packed ones only whole. */
static gboolean blob_stream_out(git_odb_stream *stream, guint64 size, int fd, UtilSha256 *sha,
				GError **error)
{
	g_autofree char *chunk = g_malloc(CHUNK_BYTES);
	guint64 done = 0;

	while (done < size) {
		gsize want = (gsize)MIN(size - done, (guint64)CHUNK_BYTES);
		int got = git_odb_stream_read(stream, chunk, want);

		if (got < 0)
			return repo_error(error, got, "a stored file cannot be read");
		if (got == 0)
			return util_error_set(error, TS_ERROR_CORRUPT, "a stored file ends early");
		util_sha256_update(sha, chunk, (gsize)got);
		if (!util_fs_write_all(fd, chunk, (gsize)got, error))
			return FALSE;
		done += (guint64)got;
	}
	return TRUE;
}

static gboolean blob_whole_out(Repo *repo, git_odb *odb, const git_oid *id, int fd, UtilSha256 *sha,
			       guint64 *ret_len, GError **error)
{
	g_autoptr(git_odb_object) object = NULL;
	int code = git_odb_read(&object, odb, id);
	gsize len;

	if (code < 0)
		return repo_error(error, code, "cannot read a stored file of %s", repo->path);
	if (git_odb_object_type(object) != GIT_OBJECT_BLOB)
		return util_error_set(error, TS_ERROR_CORRUPT, "an object of %s is no file",
				      repo->path);
	len = git_odb_object_size(object);
	util_sha256_update(sha, git_odb_object_data(object), len);
	*ret_len = len;
	return util_fs_write_all(fd, git_odb_object_data(object), len, error);
}

gboolean repo_blob_read_fd(Repo *repo, const char *oid, int fd,
			   guint8 ret_sha256[UTIL_SHA256_BYTES], guint64 *ret_len, GError **error)
{
	g_autoptr(git_odb) odb = NULL;
	g_autoptr(git_odb_stream) stream = NULL;
	g_autoptr(UtilSha256) sha = util_sha256_new();
	git_object_t type = GIT_OBJECT_INVALID;
	guint64 written = 0;
	size_t len = 0;
	git_oid id;

	if (!repo_oid_parse(oid, &id, error) || !odb_of(repo, &odb, error))
		return FALSE;
	if (git_odb_open_rstream(&stream, &len, &type, odb, &id) == 0 && type == GIT_OBJECT_BLOB) {
		if (!blob_stream_out(stream, len, fd, sha, error))
			return FALSE;
		written = len;
	} else {
		git_error_clear();
		if (!blob_whole_out(repo, odb, &id, fd, sha, &written, error))
			return FALSE;
	}
	util_sha256_finish(sha, ret_sha256);
	*ret_len = written;
	return TRUE;
}

gboolean repo_tree_name_ok(const char *name)
{
	/* what git calls .git on some file system: fsck and checkout refuse it */
	return *name && !strchr(name, '/') && !g_str_equal(name, ".") && !g_str_equal(name, "..") &&
	       g_ascii_strcasecmp(name, ".git") != 0 && g_ascii_strcasecmp(name, "git~1") != 0;
}

static gboolean name_refused(const char *name, GError **error)
{
	g_autofree char *shown = util_text_printable(name, -1);

	return util_error_set(
	    error, TS_ERROR_REFUSED,
	    "git cannot hold a file or folder named '%s': leave it out of the tree", shown);
}

gboolean repo_tree_write(Repo *repo, const RepoTreeEntry *entries, guint n, char ret_oid[REPO_OID],
			 GError **error)
{
	g_autoptr(git_treebuilder) builder = NULL;
	git_oid id;
	int code = git_treebuilder_new(&builder, repo->git, NULL);

	for (guint i = 0; code >= 0 && i < n; i++) {
		if (!repo_tree_name_ok(entries[i].name))
			return name_refused(entries[i].name, error);
		if (!repo_oid_parse(entries[i].oid, &id, error))
			return FALSE;
		code = git_treebuilder_insert(NULL, builder, entries[i].name, &id,
					      (git_filemode_t)entries[i].mode);
	}
	if (code >= 0)
		code = git_treebuilder_write(&id, builder);
	if (code < 0)
		return repo_error(error, code, "cannot store a tree in %s", repo->path);
	repo_oid_text(&id, ret_oid);
	return TRUE;
}

gboolean repo_tree_add(Repo *repo, const char *base, const RepoTreeEntry *entries, guint n,
		       char ret_oid[REPO_OID], GError **error)
{
	g_autoptr(git_tree) tree = NULL;
	g_autofree git_tree_update *updates = g_new0(git_tree_update, n);
	git_oid id;
	int code = 0;

	for (guint i = 0; i < n; i++) {
		updates[i].action = GIT_TREE_UPDATE_UPSERT;
		updates[i].filemode = (git_filemode_t)entries[i].mode;
		updates[i].path = entries[i].name;
		if (!repo_oid_parse(entries[i].oid, &updates[i].id, error))
			return FALSE;
	}
	if (base && !repo_oid_parse(base, &id, error))
		return FALSE;
	if (base)
		code = git_tree_lookup(&tree, repo->git, &id);
	if (code >= 0)
		code = git_tree_create_updated(&id, repo->git, tree, n, updates);
	if (code < 0)
		return repo_error(error, code, "cannot add to a tree of %s", repo->path);
	repo_oid_text(&id, ret_oid);
	return TRUE;
}

gboolean repo_tree_lookup(Repo *repo, const char *commit, const char *path, char ret_oid[REPO_OID],
			  GError **error)
{
	g_autoptr(git_commit) object = NULL;
	g_autoptr(git_tree) tree = NULL;
	g_autoptr(git_tree_entry) entry = NULL;
	git_oid id;
	int code;

	if (!repo_oid_parse(commit, &id, error))
		return FALSE;
	code = git_commit_lookup(&object, repo->git, &id);
	if (code >= 0)
		code = git_commit_tree(&tree, object);
	if (code < 0)
		return repo_error(error, code, "cannot read commit %s of %s", commit, repo->path);
	if (!*path) {
		repo_oid_text(git_tree_id(tree), ret_oid);
		return TRUE;
	}
	code = git_tree_entry_bypath(&entry, tree, path);
	if (code < 0)
		return repo_error(error, code, "commit %s of %s has no %s", commit, repo->path,
				  path);
	repo_oid_text(git_tree_entry_id(entry), ret_oid);
	return TRUE;
}

gboolean repo_tag_write(Repo *repo, const char *commit, const char *name, const char *message,
			const char *tagger, const char *email, gint64 time_utc,
			char ret_oid[REPO_OID], GError **error)
{
	g_autoptr(git_object) target = NULL;
	g_autoptr(git_signature) who = NULL;
	git_oid id;
	int code;

	if (!repo_oid_parse(commit, &id, error))
		return FALSE;
	code = git_object_lookup(&target, repo->git, &id, GIT_OBJECT_COMMIT);
	if (code >= 0)
		code = git_signature_new(&who, tagger, email, time_utc, 0);
	if (code >= 0)
		code = git_tag_annotation_create(&id, repo->git, name, target, who, message);
	if (code < 0)
		return repo_error(error, code, "cannot write the tag %s in %s", name, repo->path);
	repo_oid_text(&id, ret_oid);
	return TRUE;
}
