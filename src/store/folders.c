/* SPDX-License-Identifier: ISC */
#include "store/folders.h"

#include <sys/stat.h>
#include <unistd.h>

typedef struct {
	const char *path; /* NULL: the end */
	mode_t mode;      /* 0: made by whoever needs it first */
} Folder;

static const Folder root_folders[] = {{"partial", 0755}, {"pending", 0755},  {"reported", 0755},
				      {"journal", 0755}, {"log", 0755},      {"lock", 0755},
				      {"trees", 0755},   {"accepted", 0755}, {"nodes", 0},
				      {"notices", 0},    {"mirror.git", 0},  {NULL, 0}};
static const Folder state_folders[] = {{"apps.d", 0755},
				       {"bases.d", 0755},
				       {"ledger", 0755},
				       {"bundles", 0755},
				       {"queue", 0755},
				       {"log", 0755},
				       {"keys", 0700},
				       {"work", 0755},
				       {"tmp", 0700},
				       {"contacts", 0755},
				       {"bundles/by-roots", 0755},
				       {"queue/in", 0},
				       {"queue/jobs", 0},
				       {"sending", 0},
				       {"notices", 0},
				       {"library.git", 0},
				       {NULL, 0}};

static gboolean make(int dirfd, const Folder *folders, GError **error)
{
	for (; folders->path; folders++)
		if (folders->mode && !util_fs_mkdir(dirfd, folders->path, folders->mode, error))
			return FALSE;
	return TRUE;
}

static int open_with(const char *path, const Folder *folders, GError **error)
{
	util_autofd int dirfd = util_fs_open_dir(AT_FDCWD, path, error);
	for (; dirfd >= 0 && folders->path; folders++) {
		struct stat st;
		/* not there, or not for us to look at: whoever needs it finds out */
		if (fstatat(dirfd, folders->path, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		    S_ISDIR(st.st_mode))
			continue;
		util_error_set(
		    error, TS_ERROR_NOT_AUTHENTIC,
		    "%s/%s is %s where a folder of its own must be: what is written there "
		    "would go elsewhere. Make it a folder; to use another disk, mount it "
		    "there",
		    path, folders->path, S_ISLNK(st.st_mode) ? "a link" : "no folder");
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

gboolean store_make_root(int dirfd, GError **error)
{
	return make(dirfd, root_folders, error);
}

gboolean store_make_state(int dirfd, GError **error)
{
	return make(dirfd, state_folders, error);
}
