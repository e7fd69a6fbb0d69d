/* SPDX-License-Identifier: ISC */
/*
 * Every writing system call of tagship goes through here, so that it is durable, stays beneath a
 * folder descriptor and is a fault point. Paths are relative to a folder descriptor `dirfd`
 * (AT_FDCWD is allowed only for paths an administrator gave).
 *
 * A durable write is: temporary name, write, fsync, rename, fsync of the folder. After a crash the
 * old content or the new one is there, never a mixture; a left-over temporary file
 * (".tmp-…") is harmless and removed by util_fs_sweep_tmp().
 */
#pragma once

#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <sys/stat.h>

/* Scope guard for descriptors: `util_autofd int fd = -1;` */
static inline void util_closep(int *fd)
{
	if (*fd >= 0)
		(void)g_close(*fd, NULL); /* read side or already synced: nothing is lost */
}
#define util_autofd __attribute__((cleanup(util_closep)))

/* Opens a folder: O_DIRECTORY|O_CLOEXEC. Returns -1 with error set. */
int util_fs_open_dir(int dirfd, const char *path, GError **error);

/* Makes a folder with `mode` if it is not there (the parents must be), syncs the parent. */
gboolean util_fs_mkdir(int dirfd, const char *path, mode_t mode, GError **error);

/* The same with parents; each made folder gets `mode`. */
gboolean util_fs_mkdir_parents(int dirfd, const char *path, mode_t mode, GError **error);

/* Durable replace of a whole file. `mode` as for open(2). */
gboolean util_fs_write_file(int dirfd, const char *path, const void *data, gsize len, mode_t mode,
			    GError **error);

/* Durable creation: TS_ERROR_EXISTS if the name is taken (link(2), never an overwrite). */
gboolean util_fs_create_file(int dirfd, const char *path, const void *data, gsize len, mode_t mode,
			     GError **error);

/* Whole file, at most `max_bytes` (more is CORRUPT); refuses symlinks and anything but a regular
 * file. The bytes are followed by a NUL that the length does not count. */
gboolean util_fs_read_file(int dirfd, const char *path, gsize max_bytes, char **ret_data,
			   gsize *ret_len, GError **error);

/* Whether the file says exactly `text`. FALSE as well where it cannot be read: for a caller who
 * would then write it anew. */
gboolean util_fs_file_says(int dirfd, const char *path, const char *text);

/* write(2) until all is written. */
gboolean util_fs_write_all(int fd, const void *data, gsize len, GError **error);
/* pwrite(2) likewise. */
gboolean util_fs_pwrite_all(int fd, const void *data, gsize len, guint64 offset, GError **error);
/* read(2) until `len` or end of file; *ret_len tells how much. */
gboolean util_fs_read_full(int fd, void *data, gsize len, gsize *ret_len, GError **error);
/* pread(2) of exactly len bytes; a short file is CORRUPT. */
gboolean util_fs_pread_full(int fd, void *data, gsize len, guint64 offset, GError **error);

gboolean util_fs_fsync(int fd, GError **error);
/* The content, and of the rest what is needed to read it again: not its times. */
gboolean util_fs_fdatasync(int fd, GError **error);
/* One syncfs(2) for the file system of fd. */
gboolean util_fs_syncfs(int fd, GError **error);
gboolean util_fs_rename(int from_dirfd, const char *from, int to_dirfd, const char *to,
			GError **error);
/* Rename, then fsync of both folders. */
gboolean util_fs_rename_durable(int from_dirfd, const char *from, int to_dirfd, const char *to,
				GError **error);
/* Replaces or makes the symlink `path` atomically (temporary name, rename), durable. */
gboolean util_fs_symlink_replace(int dirfd, const char *target, const char *path, GError **error);
gboolean util_fs_symlink(int dirfd, const char *target, const char *path, GError **error);
/* Missing is fine. */
gboolean util_fs_unlink(int dirfd, const char *path, GError **error);
gboolean util_fs_link(int from_dirfd, const char *from, int to_dirfd, const char *to,
		      GError **error);
/* Removes a file or a whole folder, never following links; missing is fine. Folders are made
 * writable on the way where needed. */
gboolean util_fs_remove_tree(int dirfd, const char *path, GError **error);
/* Target of a symlink, or NULL with error. */
char *util_fs_readlink(int dirfd, const char *path, GError **error);
/* Names in a folder, sorted by byte, without "." and ".." and without temporary files. */
GPtrArray *util_fs_list(int dirfd, const char *path, GError **error);
/* Removes left-over temporary files older than `age_s` in this one folder. */
gboolean util_fs_sweep_tmp(int dirfd, const char *path, gint64 age_s, GError **error);
/* The same in each of these folders (NULL-terminated) that is there. */
gboolean util_fs_sweep_tmp_all(int dirfd, const char *const *paths, gint64 age_s, GError **error);
/* Makes an unnamed-by-us unique folder "PREFIX-XXXXXX" beneath dirfd, returns its name. */
char *util_fs_mkdtemp(int dirfd, const char *prefix, GError **error);
/* Free bytes for an unprivileged writer. */
gboolean util_fs_free_bytes(int fd, guint64 *ret_bytes, GError **error);

/* Opens for reading beneath dirfd, never through a symlink, never outside (openat2
 * RESOLVE_BENEATH|RESOLVE_NO_SYMLINKS). */
int util_fs_open_beneath(int dirfd, const char *path, int flags, mode_t mode, GError **error);

/* An exclusive flock(2) on dirfd/path (made if missing). wait_ms: 0 does not wait, <0 waits for
 * ever. Held by somebody else: TS_ERROR_AGAIN. Close the descriptor to let go. */
int util_fs_lock(int dirfd, const char *path, int wait_ms, GError **error);
/* Whether somebody holds util_fs_lock on it; FALSE also where it cannot be opened. Looks with a
 * shared lock, for microseconds: looks do not see each other, and who takes a lock that others look
 * at waits UTIL_FS_LOOK_MS for it, so that no look keeps it from starting. */
gboolean util_fs_locked(int dirfd, const char *path);
#define UTIL_FS_LOOK_MS 200
