/* SPDX-License-Identifier: ISC */
/* Housekeeping by git itself, so that one killed at it does not lock the repository for ever. */
#include <unistd.h>

#include "repo/repo-private.h"

#define GC_S 3600
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

/* The one part that takes locks. Its note stays where it failed, for whoever writes next. */
static gboolean pack_refs(Repo *repo, GError **error)
{
	const char *const argv[] = {"git", "-C", repo->path, "pack-refs", "--all", NULL};
	int fd = repo_update_begin(repo, REPO_UPDATE_ALL, error);

	if (fd < 0)
		return FALSE;
	if (run_git(repo, argv, error)) {
		repo_update_end(fd);
		return TRUE;
	}
	(void)close(fd); /* lets go */
	return FALSE;
}

gboolean repo_gc(Repo *repo, gboolean automatic, GError **error)
{
	const char *const argv[] = {
	    "git", "-C",    repo->path, "-c",      "gc.packRefs=false",
	    "-c",  GC_AUTO, "gc",       "--quiet", automatic ? "--auto" : NULL,
	    NULL};

	return pack_refs(repo, error) && run_git(repo, argv, error);
}
