/* SPDX-License-Identifier: ISC */
/*
 * Refs: list, read, compare and swap.
 *
 * A process killed between making "NAME.lock" and renaming it would block the ref for ever. So each
 * of our writers first takes the kernel's lock on "tagship.lock" in the git folder, which dies
 * with it, and notes there what it is about to lock; the next writer that finds a note knows whose
 * lock files those were. Lock files of git itself are waited for, never touched.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "repo/repo-private.h"

#define UPDATE_NOTE_BYTES 1024
#define REF_DEPTH_MAX 16
#define NOTES "refs/notes/"
#define UPDATE_WAIT_MS 10000
#define GIT_LOCK_TRIES 60
#define GIT_LOCK_PAUSE_US 50000

static gboolean update_note(int fd, const char *name, GError **error)
{
	char note[UPDATE_NOTE_BYTES] = {0};

	if (name && g_strlcpy(note, name, sizeof note) >= sizeof note)
		return util_error_set(error, TS_ERROR_USAGE, "the ref name %.40s… is too long",
				      name);
	return util_fs_pwrite_all(fd, note, sizeof note, 0, error) &&
	       (!name || util_fs_fsync(fd, error));
}

static gboolean remove_locks(Repo *repo, const char *folder, guint depth, GError **error)
{
	g_autoptr(GPtrArray) names = util_fs_list(repo->dirfd, folder, error);

	for (guint i = 0; names && i < names->len; i++) {
		g_autofree char *path = g_build_filename(folder, names->pdata[i], NULL);
		struct stat st;

		if (fstatat(repo->dirfd, path, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue; /* went meanwhile */
		if (S_ISDIR(st.st_mode) && depth < REF_DEPTH_MAX
			? !remove_locks(repo, path, depth + 1, error)
			: g_str_has_suffix(path, ".lock") &&
			      !util_fs_unlink(repo->dirfd, path, error))
			return FALSE;
	}
	return names != NULL;
}

/* Removes the lock files that a killed writer noted. */
static gboolean update_recover(Repo *repo, int fd, GError **error)
{
	char note[UPDATE_NOTE_BYTES + 1] = {0};
	g_autofree char *lock = NULL;
	gsize got = 0;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return util_error_errno(error, errno, "cannot read " REPO_UPDATE_LOCK " in %s",
					repo->path);
	if (!util_fs_read_full(fd, note, UPDATE_NOTE_BYTES, &got, error))
		return FALSE;
	if (!note[0])
		return TRUE;
	if (!g_str_equal(note, "HEAD") && !g_str_equal(note, REPO_UPDATE_CONFIG) &&
	    (!g_str_has_prefix(note, "refs/") || strstr(note, "..")))
		return TRUE; /* not a note of ours */
	lock = g_strconcat(note, ".lock", NULL);
	if (g_str_has_prefix(note, NOTES)) /* written by git, in a repository of others */
		return util_fs_unlink(repo->dirfd, lock, error);
	return (g_str_equal(note, REPO_UPDATE_ALL)
		    ? remove_locks(repo, "refs", 0, error) &&
			  util_fs_unlink(repo->dirfd, "packed-refs.new", error)
		    : util_fs_unlink(repo->dirfd, lock, error)) &&
	       util_fs_unlink(repo->dirfd, "packed-refs.lock", error);
}

int repo_update_begin(Repo *repo, const char *name, GError **error)
{
	util_autofd int fd = -1;

	if (repo->in_hook) {
		(void)util_error_set(
		    error, TS_ERROR_REFUSED,
		    "refs of %s are not written inside a hook: git may still refuse "
		    "the push",
		    repo->path);
		return -1;
	}
	fd = util_fs_lock(repo->dirfd, REPO_UPDATE_LOCK, UPDATE_WAIT_MS, error);
	if (fd < 0 || !update_recover(repo, fd, error) || !update_note(fd, name, error)) {
		g_prefix_error(error, "cannot update %s in %s: ", name, repo->path);
		return -1;
	}
	return g_steal_fd(&fd);
}

void repo_update_end(int fd)
{
	(void)update_note(fd, NULL, NULL); /* a note that stays names a lock that is gone */
	(void)close(fd);                   /* lets go; the note needs no sync */
}

int repo_ref_guard(Repo *repo, const char *name, GError **error)
{
	return repo_update_begin(repo, name, error);
}

void repo_ref_unguard(int fd, gboolean done)
{
	if (done)
		repo_update_end(fd);
	else
		(void)close(fd); /* the note stays for whoever writes next */
}

/* libgit2 moves its lock file into place by link and unlink, and does not look whether the latter
 * worked: then both are one file. */
static gboolean drop_linked_lock(Repo *repo, const char *name)
{
	g_autofree char *path = g_strconcat(name, ".lock", NULL);
	struct stat ref, lock;
	if (fstatat(repo->dirfd, path, &lock, AT_SYMLINK_NOFOLLOW) != 0 ||
	    fstatat(repo->dirfd, name, &ref, AT_SYMLINK_NOFOLLOW) != 0 ||
	    ref.st_dev != lock.st_dev || ref.st_ino != lock.st_ino)
		return TRUE;
	return util_fs_unlink(repo->dirfd, path, NULL);
}

/* libgit2 removes its lock file, but where the disk failed it may not have been able to; if the
 * lock is another's, it is not ours to look for. */
static void update_over(Repo *repo, const char *name, int fd, int code)
{
	repo_ref_unguard(fd, code != GIT_ERROR && drop_linked_lock(repo, name));
}

static void repo_ref_free(gpointer data)
{
	RepoRef *ref = data;

	g_free(ref->name);
	g_free(ref);
}

static int ref_compare(gconstpointer a, gconstpointer b)
{
	const RepoRef *const *left = a;
	const RepoRef *const *right = b;

	return strcmp((*left)->name, (*right)->name);
}

/* Adds what the ref leads to; bad names and dangling symbolic refs are left out. */
static void ref_collect(GPtrArray *refs, const git_reference *found)
{
	g_autoptr(git_reference) resolved = NULL;
	const git_oid *oid = git_reference_target(found);
	RepoRef *ref;
	int valid = 0;

	if (git_reference_name_is_valid(&valid, git_reference_name(found)) < 0 || !valid)
		return;
	if (!oid && git_reference_resolve(&resolved, found) == 0)
		oid = git_reference_target(resolved);
	git_error_clear();
	if (!oid)
		return;
	ref = g_new0(RepoRef, 1);
	ref->name = g_strdup(git_reference_name(found));
	repo_oid_text(oid, ref->oid);
	g_ptr_array_add(refs, ref);
}

GPtrArray *repo_ref_list(Repo *repo, const char *prefix, GError **error)
{
	g_autoptr(GPtrArray) refs = g_ptr_array_new_with_free_func(repo_ref_free);
	g_autoptr(git_reference_iterator) iterator = NULL;
	g_autofree char *glob = g_strconcat(prefix, "*", NULL);
	int code;

	if (strpbrk(prefix, "*?[\\"))
		return g_steal_pointer(&refs); /* no ref name has these */
	code = git_reference_iterator_glob_new(&iterator, repo->git, glob);
	while (code == 0) {
		g_autoptr(git_reference) ref = NULL;

		code = git_reference_next(&ref, iterator);
		if (code == 0 && g_str_has_prefix(git_reference_name(ref), prefix))
			ref_collect(refs, ref);
	}
	if (code != GIT_ITEROVER) {
		(void)repo_error(error, code, "cannot list the refs of %s", repo->path);
		return NULL;
	}
	git_error_clear();
	g_ptr_array_sort(refs, ref_compare);
	return g_steal_pointer(&refs);
}

gboolean repo_ref_get(Repo *repo, const char *name, char ret_oid[REPO_OID], GError **error)
{
	git_oid oid;
	int code = git_reference_name_to_id(&oid, repo->git, name);

	if (code < 0)
		return repo_error(error, code, "cannot read the ref %s of %s", name, repo->path);
	repo_oid_text(&oid, ret_oid);
	return TRUE;
}

/* A ref cannot be a name and a folder of other names at once; libgit2 tells that badly. */
static gboolean ref_fits(Repo *repo, const char *name, GError **error)
{
	g_autofree char *above = g_strdup(name);
	g_autofree char *below = g_strconcat(name, "/", NULL);
	g_autoptr(GPtrArray) inside = NULL;
	const char *other = NULL;
	git_oid oid;
	char *slash;

	if (git_reference_name_to_id(&oid, repo->git, name) == 0)
		return TRUE;
	git_error_clear();
	inside = repo_ref_list(repo, below, error);
	if (!inside)
		return FALSE;
	if (inside->len > 0)
		other = ((const RepoRef *)g_ptr_array_index(inside, 0))->name;
	while (!other && (slash = strrchr(above, '/')) && strchr(above, '/') != slash) {
		*slash = '\0';
		if (git_reference_name_to_id(&oid, repo->git, above) == 0)
			other = above;
		git_error_clear();
	}
	if (other)
		return util_error_set(error, TS_ERROR_EXISTS,
				      "cannot set %s in %s: git cannot hold it beside %s", name,
				      repo->path, other);
	return TRUE;
}

/* Gives git itself, which may hold the lock for a moment, some time. */
static int ref_create(Repo *repo, const char *name, const git_oid *oid, const git_oid *expected)
{
	int code = 0;

	for (guint i = 0; i < GIT_LOCK_TRIES; i++) {
		g_autoptr(git_reference) ref = NULL;

		code = git_reference_create_matching(&ref, repo->git, name, oid, 1, expected, NULL);
		if (code != GIT_ELOCKED)
			break;
		g_usleep(GIT_LOCK_PAUSE_US);
	}
	return code;
}

gboolean repo_ref_set(Repo *repo, const char *name, const char *oid, const char *expected_old,
		      GError **error)
{
	git_oid id, old;
	int fd, code;

	if (!repo_oid_parse(oid, &id, error) ||
	    (expected_old && !repo_oid_parse(expected_old, &old, error)))
		return FALSE;
	if (!repo_object_exists(repo, oid))
		return util_error_set(error, TS_ERROR_NOT_FOUND,
				      "cannot set %s in %s: it has no object %s", name, repo->path,
				      oid);
	fd = repo_update_begin(repo, name, error);
	if (fd < 0)
		return FALSE;
	if (!ref_fits(repo, name, error)) {
		repo_update_end(fd);
		return FALSE;
	}
	code = ref_create(repo, name, &id, expected_old ? &old : NULL);
	update_over(repo, name, fd, code);
	if (code == GIT_ENOTFOUND && expected_old) {
		git_error_clear();
		return util_error_set(error, TS_ERROR_AGAIN, "%s in %s is gone, it was %s", name,
				      repo->path, expected_old);
	}
	if (code < 0)
		return repo_error(error, code, "cannot set %s in %s", name, repo->path);
	return TRUE;
}

static int ref_delete(Repo *repo, const char *name, const git_oid *expected)
{
	int code = 0;

	for (guint i = 0; i < GIT_LOCK_TRIES; i++) {
		g_autoptr(git_reference) ref = NULL;
		const git_oid *now;

		code = git_reference_lookup(&ref, repo->git, name);
		if (code < 0)
			break;
		now = git_reference_target(ref);
		if (expected && (!now || !git_oid_equal(now, expected))) {
			code = GIT_EMODIFIED;
			break;
		}
		code = git_reference_delete(ref); /* itself compares under the lock */
		if (code != GIT_ELOCKED)
			break;
		g_usleep(GIT_LOCK_PAUSE_US);
	}
	return code;
}

gboolean repo_ref_delete(Repo *repo, const char *name, const char *expected_old, GError **error)
{
	git_oid old;
	int fd, code;

	if (expected_old && !repo_oid_parse(expected_old, &old, error))
		return FALSE;
	fd = repo_update_begin(repo, name, error);
	if (fd < 0)
		return FALSE;
	code = ref_delete(repo, name, expected_old ? &old : NULL);
	update_over(repo, name, fd, code);
	if (code == GIT_EMODIFIED) {
		git_error_clear();
		return util_error_set(error, TS_ERROR_AGAIN, "%s in %s moved meanwhile", name,
				      repo->path);
	}
	if (code < 0)
		return repo_error(error, code, "cannot delete %s in %s", name, repo->path);
	return TRUE;
}

gboolean repo_head_set(Repo *repo, const char *branch, GError **error)
{
	g_autoptr(git_reference) now = NULL;
	g_autoptr(git_reference) head = NULL;
	int fd, code;

	if (git_reference_lookup(&now, repo->git, "HEAD") == 0 &&
	    g_strcmp0(git_reference_symbolic_target(now), branch) == 0)
		return TRUE;
	git_error_clear();
	fd = repo_update_begin(repo, "HEAD", error);
	if (fd < 0)
		return FALSE;
	code = git_reference_symbolic_create(&head, repo->git, "HEAD", branch, 1, NULL);
	update_over(repo, "HEAD", fd, code);
	if (code < 0)
		return repo_error(error, code, "cannot make %s the main branch of %s", branch,
				  repo->path);
	return TRUE;
}
