/* SPDX-License-Identifier: ISC */
#include "store/folders.h"

#include <sys/stat.h>
#include <unistd.h>

static const char *const root_folders[] = {"partial",  "pending", "journal", "log",        "lock",
					   "accepted", "trees",   "nodes",   "mirror.git", NULL};
static const char *const state_folders[] = {
    "apps.d", "bases.d",  "ledger",   "bundles",     "bundles/by-roots",
    "queue",  "queue/in", "log",      "queue/jobs",  "keys",
    "work",   "tmp",      "contacts", "library.git", NULL};

static int open_with(const char *path, const char *const *folders, GError **error)
{
	util_autofd int dirfd = util_fs_open_dir(AT_FDCWD, path, error);
	for (guint i = 0; dirfd >= 0 && folders[i]; i++) {
		struct stat st;
		/* not there, or not for us to look at: whoever needs it finds out */
		if (fstatat(dirfd, folders[i], &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		    S_ISDIR(st.st_mode))
			continue;
		util_error_set(
		    error, TS_ERROR_NOT_AUTHENTIC,
		    "%s/%s is %s where a folder of its own must be: what is written there "
		    "would go elsewhere. Make it a folder; to use another disk, mount it "
		    "there",
		    path, folders[i], S_ISLNK(st.st_mode) ? "a link" : "no folder");
		return -1;
	}
	int fd = dirfd;
	dirfd = -1;
	return fd;
}

int store_open_root(const char *path, GError **error)
{
	return open_with(path, root_folders, error);
}

int store_open_state(const char *path, GError **error)
{
	return open_with(path, state_folders, error);
}
