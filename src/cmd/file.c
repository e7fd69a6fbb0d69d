/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <unistd.h>

#include "cmd/cmd.h"

int cmd_open_file(const char *path, GError **error)
{
	/* O_NONBLOCK: a FIFO must not hang us before it is found to be none */
	util_autofd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) != 0)
		util_error_errno(error, errno, "%s", path);
	else if (!S_ISREG(st.st_mode))
		util_error_set(error, TS_ERROR_USAGE, "%s: not a regular file", path);
	else
		return g_steal_fd(&fd);
	return -1;
}

gboolean cmd_file_make(CmdFile *file, const char *path, gboolean force, GError **error)
{
	*file = (CmdFile){.fd = -1};
	if (strcmp(path, "-") == 0) {
		file->fd = STDOUT_FILENO;
		return !isatty(STDOUT_FILENO) ||
		       util_error_set(
			   error, TS_ERROR_USAGE,
			   "it is not written to a terminal; give a FILE, or pipe it on");
	}
	if (!force && g_file_test(path, G_FILE_TEST_EXISTS | G_FILE_TEST_IS_SYMLINK))
		return util_error_set(error, TS_ERROR_EXISTS,
				      "%s is there already; --force replaces it", path);
	file->path = g_strdup(path);
	file->part = g_strconcat(path, ".part", NULL);
	file->fd = open(file->part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	return file->fd >= 0 || util_error_errno(error, errno, "%s", file->part);
}

gboolean cmd_file_keep(CmdFile *file, GError **error)
{
	if (!file->part)
		return TRUE;
	if (!util_fs_fsync(file->fd, error))
		return FALSE;
	if (close(g_steal_fd(&file->fd)) != 0)
		return util_error_errno(error, errno, "closing %s", file->part);
	if (!util_fs_rename_durable(AT_FDCWD, file->part, AT_FDCWD, file->path, error))
		return FALSE;
	g_clear_pointer(&file->part, g_free);
	return TRUE;
}

void cmd_file_clear(CmdFile *file)
{
	if (file->fd != STDOUT_FILENO)
		util_closep(&file->fd);
	if (file->part)
		(void)unlink(file->part); /* an error before is the one to tell */
	g_free(file->part);
	g_free(file->path);
}
