/* SPDX-License-Identifier: ISC */
/* Housekeeping by git itself, so that one killed at it does not lock the repository for ever. */
#include <sys/stat.h>

#include "repo/repo-private.h"

#define GC_S 3600
#define PID_LOCK "gc.pid.lock"
#define STALE_S 600
#define GC_OUTPUT_MAX 65536
#define GC_AUTO "gc.auto=6700" /* git's own measure; it is off in our files: only we start it */

static gboolean run_git(Repo *repo, const char *const *argv, GError **error)
{
	g_autofree char *errors = NULL;
	int status = 0;

	if (!util_child_capture(argv, NULL, NULL, GC_S, GC_OUTPUT_MAX, NULL, &errors, &status,
				error))
		return FALSE;
	return status == 0 || util_error_set(error, TS_ERROR_FAILED, "git gc in %s: %s", repo->path,
					     g_strstrip(errors));
}

/* The one part that takes locks. Its note stays: whoever writes next looks for those that are left,
 * for git calls it success where it could not remove one. */
static gboolean pack_refs(Repo *repo, GError **error)
{
	const char *const argv[] = {"git", "-C", repo->path, "pack-refs", "--all", NULL};
	util_autofd int fd = repo_update_begin(repo, REPO_UPDATE_ALL, error);

	return fd >= 0 && run_git(repo, argv, error);
}

/* git holds this for a moment only, while it writes who is at it; after a power cut it would be in
 * the way for ever. */
static void drop_stale_lock(Repo *repo)
{
	gint64 now = util_clock_now_utc(util_clock_system());
	struct stat st;

	if (fstatat(repo->dirfd, PID_LOCK, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_mtime < now - STALE_S)
		(void)util_fs_unlink(repo->dirfd, PID_LOCK, NULL); /* else git says it */
}

gboolean repo_gc(Repo *repo, gboolean automatic, GError **error)
{
	const char *const argv[] = {
	    "git", "-C",    repo->path, "-c",      "gc.packRefs=false",
	    "-c",  GC_AUTO, "gc",       "--quiet", automatic ? "--auto" : NULL,
	    NULL};

	drop_stale_lock(repo);
	return pack_refs(repo, error) && run_git(repo, argv, error);
}
