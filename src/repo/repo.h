/* SPDX-License-Identifier: ISC */
/*
 * Git repositories by libgit2, which is used only here. Object ids are 40 lower-case hex
 * digits in char[41]. Our own repositories are made with core.fsync=all and libgit2's
 * fsync is on: a ref that moved is durable, with everything it needs.
 *
 *   g_autoptr(Repo) repo = repo_open(path, error);
 *   repo_ref_get(repo, "refs/heads/orders", oid, error)
 *
 * Errors: NOT_FOUND for missing refs and objects, AGAIN for a ref that moved meanwhile or a line
 * that stalls, CORRUPT for what git cannot read, USAGE for what is no object id or ref name, FAILED
 * otherwise, with libgit2's own words. A repository of another user is FAILED, with what to do.
 *
 * Crash: objects without a ref are harmless. A ref is written under the kernel's lock on
 * REPO/tagship.lock, which also notes which of git's lock files a killed writer would leave; the
 * next writer removes them. Lock files of git itself are waited for (3 s), then AGAIN.
 * One thread at a time uses a Repo.
 */
#pragma once

#include "util/util.h"

/* In the git folder; locked by who changes refs. Beside objects/ and refs/ it is all that is
 * written once a repository is made. */
#define REPO_UPDATE_LOCK "tagship.lock"

#define REPO_OID 41
#define REPO_ZERO "0000000000000000000000000000000000000000"

typedef struct Repo Repo;

Repo *repo_open(const char *path, GError **error);
/* Inside a hook: honours GIT_DIR and the quarantine variables, so that pushed objects are seen.
 * Refs are never written through such a repository. */
Repo *repo_open_in_hook(GError **error);
/* Makes a bare repository (idempotent: an existing one is opened, a half-made one finished). An
 * existing one is only read, but for libgit2's temporary files of dead processes, which go after
 * a day. */
Repo *repo_create(const char *path, GError **error);
void repo_free(Repo *repo);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Repo, repo_free)
/* Absolute path of the git folder, without a slash at the end. */
const char *repo_path(Repo *repo);

typedef struct {
	char *name;
	char oid[REPO_OID]; /* not peeled */
} RepoRef;

/* Refs whose name starts with prefix, sorted; free with g_ptr_array_unref. Symbolic refs are
 * resolved. Like `git for-each-ref` it leaves out what is no ref: broken files, names git refuses,
 * symbolic refs that lead nowhere; unreadable packed-refs are an error. */
GPtrArray *repo_ref_list(Repo *repo, const char *prefix, GError **error);
gboolean repo_ref_get(Repo *repo, const char *name, char ret_oid[REPO_OID], GError **error);
/* Compare and swap: expected_old NULL: whatever it was; REPO_ZERO: must not exist; else must be
 * that, or AGAIN. */
gboolean repo_ref_set(Repo *repo, const char *name, const char *oid, const char *expected_old,
		      GError **error);
gboolean repo_ref_delete(Repo *repo, const char *name, const char *expected_old, GError **error);
/* HEAD as a symbolic ref to `branch` (which need not exist), for people who use git there. */
gboolean repo_head_set(Repo *repo, const char *branch, GError **error);

typedef enum { REPO_COMMIT, REPO_TREE, REPO_BLOB, REPO_TAG } RepoType;
/* Raw object; more than max_bytes is REFUSED. */
GBytes *repo_object_read(Repo *repo, const char *oid, gsize max_bytes, RepoType *ret_type,
			 GError **error);
gboolean repo_object_exists(Repo *repo, const char *oid);
/* The commit a tag, a chain of tags, or a commit leads to; NOT_FOUND if it leads to none. */
gboolean repo_peel_commit(Repo *repo, const char *oid, char ret_commit[REPO_OID], GError **error);

gboolean repo_blob_write(Repo *repo, const void *data, gsize len, char ret_oid[REPO_OID],
			 GError **error);
/* Appends a blob to fd. Loose ones are streamed, packed ones are in memory once. */
gboolean repo_blob_read_fd(Repo *repo, const char *oid, int fd,
			   guint8 ret_sha256[UTIL_SHA256_BYTES], guint64 *ret_len, GError **error);

typedef struct {
	const char *name;
	char oid[REPO_OID];
	guint mode; /* 0100644, 0100755, 0120000, 0040000; 0160000: a commit by its id alone */
} RepoTreeEntry;
/* Names that git itself refuses (".git", "git~1", "..") are REFUSED. */
gboolean repo_tree_write(Repo *repo, const RepoTreeEntry *entries, guint n, char ret_oid[REPO_OID],
			 GError **error);
/* The tree `base` (NULL: empty) with these entries added or replaced; here their names may be
 * paths, folders are made. */
gboolean repo_tree_add(Repo *repo, const char *base, const RepoTreeEntry *entries, guint n,
		       char ret_oid[REPO_OID], GError **error);
/* Object at a path ("tree/css/app.css") inside a commit's tree. */
gboolean repo_tree_lookup(Repo *repo, const char *commit, const char *path, char ret_oid[REPO_OID],
			  GError **error);

/* Many objects at once, as one pack: nothing of it is there before repo_pack_finish, all of it and
 * durable after. An object added twice is written once; one the repository has already is written
 * again (git gc drops one of them), so leave out what is known to be there. */
typedef struct RepoPack RepoPack;
RepoPack *repo_pack_begin(Repo *repo, GError **error);
void repo_pack_free(RepoPack *pack);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RepoPack, repo_pack_free)
gboolean repo_pack_add(RepoPack *pack, RepoType type, const void *data, gsize len,
		       char ret_oid[REPO_OID], GError **error);
/* Streams a regular file into a blob; tells the SHA-256 and size of what went in. */
gboolean repo_pack_add_fd(RepoPack *pack, int fd, guint8 ret_sha256[UTIL_SHA256_BYTES],
			  guint64 *ret_len, char ret_oid[REPO_OID], GError **error);
gboolean repo_pack_add_tree(RepoPack *pack, const RepoTreeEntry *entries, guint n,
			    char ret_oid[REPO_OID], GError **error);
gboolean repo_pack_finish(RepoPack *pack, GError **error);

/* Signs `payload`; returns the armoured signature, or NULL with error. */
typedef char *(*RepoSign)(const char *payload, gsize len, gpointer user_data, GError **error);

typedef struct {
	const char *parent; /* NULL: a root commit */
	const char *tree;   /* NULL: the empty tree */
	const char *message;
	const char *author; /* name; the mail is "tagship@localhost" unless author_email is set */
	const char *author_email;
	gint64 time_utc;
	RepoSign sign; /* NULL: unsigned */
	gpointer sign_data;
} RepoCommitSpec;
gboolean repo_commit_write(Repo *repo, const RepoCommitSpec *spec, char ret_oid[REPO_OID],
			   GError **error);

#define REPO_COMMIT_MAX (16 * 1024 * 1024)

typedef struct {
	char oid[REPO_OID];
	char tree[REPO_OID];
	char parent[REPO_OID]; /* empty string: none; more than one parent is CORRUPT */
	char *message;
	gint64 time_utc;
	char *signature; /* armoured, ends with a newline; or NULL */
	char *payload;   /* what the signature covers; NULL if there is none */
	gsize payload_len;
} RepoCommit;
/* A commit object with a NUL byte is CORRUPT: git would not look at what stands behind it. More
 * than REPO_COMMIT_MAX bytes are REFUSED. */
RepoCommit *repo_commit_read(Repo *repo, const char *oid, GError **error);
void repo_commit_free(RepoCommit *commit);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RepoCommit, repo_commit_free)
/* TRUE if `ancestor` is `oid` or reachable from it by parents. */
gboolean repo_is_ancestor(Repo *repo, const char *ancestor, const char *oid, gboolean *ret_is,
			  GError **error);

/* Writes an annotated tag object (no ref). */
gboolean repo_tag_write(Repo *repo, const char *commit, const char *name, const char *message,
			const char *tagger, const char *email, gint64 time_utc,
			char ret_oid[REPO_OID], GError **error);

/* Writes the files of commit:PATH ("" for all) into the existing folder dest, modes 0644/0755,
 * links as links; submodules are left out; no filters, no attributes, no hooks. What is there
 * already is replaced, but files that are right already are not touched (their mtime stays). With
 * `prune`, files that the commit does not have and that an earlier checkout with `prune` made are
 * removed (incremental workspaces: what the build made stays); these files are listed in
 * ".tagship-checkout-NAME" beside the folder, to be removed together with it. Nothing is
 * synced; a checkout that was cut off is finished by the next one. */
gboolean repo_checkout(Repo *repo, const char *commit, const char *path, const char *dest,
		       gboolean prune, GError **error);

/* Fetch by one stream on which `git-upload-pack` talks (git_smart_subtransport). The stream is
 * freed at the end. Tags are not followed, FETCH_HEAD is not written. A ref that the other side
 * lacks is no error: nothing is set. Without "+" only forward, else REFUSED. More than
 * max_pack_bytes is REFUSED; a stalled or closed line is AGAIN, and no ref has moved. Objects may
 * swell when they are inflated: those who read them set their own limits (repo_object_read). */
typedef UtilStream *(*RepoConnect)(const char *service, gpointer user_data, GError **error);
typedef struct {
	RepoConnect connect;
	gpointer user_data;
	const char *refspec; /* e.g. "+refs/heads/orders:refs/tagship/seen" */
	guint64 max_pack_bytes;
	const UtilProgress *progress;
} RepoFetchSpec;
gboolean repo_fetch(Repo *repo, const RepoFetchSpec *spec, GError **error);

/* Around a git of ours that writes this ref: what it leaves locked when it is killed, the next one
 * takes away. done: it has ended well. */
int repo_ref_guard(Repo *repo, const char *name, GError **error);
void repo_ref_unguard(int fd, gboolean done);

/* What `git gc` does; automatic: where git finds it worth while, and then it may go on in the
 * background. Only for repositories that nobody else writes. */
gboolean repo_gc(Repo *repo, gboolean automatic, GError **error);

/* Repository configuration (its own file only). get: all values, NULL-terminated, maybe
 * empty. */
char **repo_config_get(Repo *repo, const char *key, GError **error);
gboolean repo_config_set(Repo *repo, const char *key, const char *value, GError **error);
/* Adds one value of many, if it is not there. */
gboolean repo_config_add(Repo *repo, const char *key, const char *value, GError **error);
gboolean repo_config_unset(Repo *repo, const char *key, GError **error);
/* Where git looks for the hooks of the repository at `path`: core.hooksPath is respected. */
char *repo_hooks_dir(const char *path, GError **error);
/* Files that git's configuration of this account and machine is in, with those that it includes (by
 * a relative name: beside the account's own); whoever opens a repository reads them. */
char **repo_config_files(void);
