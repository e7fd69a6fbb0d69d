/* SPDX-License-Identifier: ISC */
/* Folders with files for tests of the tree and bundle rooms. */
#pragma once

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tree/tree.h"

/* A temporary folder, removed again by folder_clear. */
typedef struct {
	char *path;
	int fd;
} Folder;

static inline void folder_init(Folder *folder)
{
	g_autoptr(GError) error = NULL;
	folder->path = g_dir_make_tmp("tagship-test-XXXXXX", &error);
	g_assert_no_error(error);
	folder->fd = util_fs_open_dir(AT_FDCWD, folder->path, &error);
	g_assert_no_error(error);
}

static inline void folder_clear(Folder *folder)
{
	g_autoptr(GError) error = NULL;
	if (!folder->path)
		return;
	util_closep(&folder->fd);
	util_fs_remove_tree(AT_FDCWD, folder->path, &error);
	g_assert_no_error(error);
	g_clear_pointer(&folder->path, g_free);
}

static inline Folder folder_new(void)
{
	Folder folder;
	folder_init(&folder);
	return folder;
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Folder, folder_clear)

#define MTIME 1700000000

static inline void set_time(const Folder *folder, const char *path, gint64 mtime_s)
{
	struct timespec times[2] = {{mtime_s, 0}, {mtime_s, 0}};
	g_assert_cmpint(utimensat(folder->fd, path, times, AT_SYMLINK_NOFOLLOW), ==, 0);
}

/* Replaces what is there. */
static inline void put_bytes(const Folder *folder, const char *path, const void *data, gsize len,
			     mode_t mode)
{
	g_autoptr(GError) error = NULL;
	(void)unlinkat(folder->fd, path, 0); /* may not be there */
	util_autofd int fd =
	    openat(folder->fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	g_assert_cmpint(fd, >=, 0);
	util_fs_write_all(fd, data, len, &error);
	g_assert_no_error(error);
	g_assert_cmpint(fchmod(fd, mode), ==, 0);
	set_time(folder, path, MTIME);
}

static inline void put_file(const Folder *folder, const char *path, const char *text)
{
	put_bytes(folder, path, text, strlen(text), 0644);
}

static inline void put_dir(const Folder *folder, const char *path)
{
	g_assert_cmpint(mkdirat(folder->fd, path, 0700), ==, 0);
	g_assert_cmpint(fchmodat(folder->fd, path, 0755, 0), ==, 0);
}

static inline void put_link(const Folder *folder, const char *path, const char *target)
{
	g_assert_cmpint(symlinkat(target, folder->fd, path), ==, 0);
	set_time(folder, path, MTIME);
}

static inline Manifest *scan_strict(const Folder *folder)
{
	g_autoptr(GError) error = NULL;
	Manifest *manifest = tree_scan(folder->fd, NULL, &error);
	g_assert_no_error(error);
	return manifest;
}

static inline Manifest *scan_normal(const Folder *folder)
{
	g_autoptr(GError) error = NULL;
	TreeScan options = {.normalize = TRUE};
	Manifest *manifest = tree_scan(folder->fd, &options, &error);
	g_assert_no_error(error);
	return manifest;
}

/* TRUE if the error has this code and all these words; says what it was otherwise. */
static inline void assert_failed(const GError *error, TsErrorCode code, const char *words)
{
	g_assert_nonnull(error);
	if (!g_error_matches(error, TS_ERROR, (gint)code) ||
	    (words && !strstr(error->message, words)))
		g_error("expected %d \"%s\", got %d \"%s\"", (int)code, words ? words : "",
			error->code, error->message);
}
