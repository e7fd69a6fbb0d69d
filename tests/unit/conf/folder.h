/* SPDX-License-Identifier: ISC */
/* A folder with configuration files. */
#pragma once

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/conf.h"

#define KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILCoS3wiuM/XWEeob12mVGTTKeeqSjkly2hYbg4g1k2G"
#define KEY2 "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK42ZziduiASI+Y5Qmm0vAUcPCNeVdcMONskxpP4hFrW"

typedef struct {
	char *path;
	int dirfd;
} Folder;

G_GNUC_UNUSED static void folder_setup(Folder *folder, gconstpointer data)
{
	(void)data; /* the same for all */
	folder->path = g_dir_make_tmp("tagship-conf-XXXXXX", NULL);
	folder->dirfd = util_fs_open_dir(AT_FDCWD, folder->path, NULL);
	g_assert_cmpint(folder->dirfd, >=, 0);
	g_assert_true(util_fs_mkdir(folder->dirfd, "apps.d", 0755, NULL));
	g_assert_true(util_fs_mkdir(folder->dirfd, "bases.d", 0755, NULL));
}

G_GNUC_UNUSED static void folder_teardown(Folder *folder, gconstpointer data)
{
	(void)data; /* as above */
	close(folder->dirfd);
	g_assert_true(util_fs_remove_tree(AT_FDCWD, folder->path, NULL));
	g_free(folder->path);
}

G_GNUC_UNUSED static void put_bytes(Folder *folder, const char *file, const char *text, gsize len)
{
	g_assert_true(util_fs_write_file(folder->dirfd, file, text, len, 0644, NULL));
}

G_GNUC_UNUSED static void put(Folder *folder, const char *file, const char *text)
{
	put_bytes(folder, file, text, strlen(text));
}
