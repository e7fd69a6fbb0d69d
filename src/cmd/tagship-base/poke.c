/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "cmd/tagship-base/poke.h"

#define FOLDER "poke"
#define POKE FOLDER "/now"

int base_poke_open(const Base *base, GError **error)
{
	g_autofree char *folder = g_build_filename(base->root, FOLDER, NULL);
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (fd < 0) {
		util_error_errno(error, errno, "inotify");
		return -1;
	}
	if (util_fs_mkdir(base->dirfd, FOLDER, 0755, error) &&
	    (inotify_add_watch(fd, folder, IN_MOVED_TO) >= 0 ||
	     util_error_errno(error, errno, "watching %s", folder)))
		return fd;
	util_closep(&fd);
	return -1;
}

gboolean base_poke_take(const Base *base, int fd)
{
	char buffer[4096];
	while (read(fd, buffer, sizeof buffer) > 0)
		continue;
	if (faccessat(base->dirfd, POKE, F_OK, 0) != 0)
		return FALSE;
	(void)util_fs_unlink(base->dirfd, POKE, NULL); /* poked once more then: harmless */
	return TRUE;
}

gboolean base_poke_wait(int fd, gint64 until_us)
{
	struct pollfd pfd = {fd, POLLIN, 0};
	gint64 left_ms = (until_us - g_get_monotonic_time() + 999) / 1000;
	return poll(&pfd, 1, (int)CLAMP(left_ms, 0, 3600 * 1000)) > 0;
}

void base_poke(const Base *base)
{
	if (util_fs_mkdir(base->dirfd, FOLDER, 0755, NULL))
		(void)util_fs_write_file(base->dirfd, POKE, "", 0, 0644, NULL); /* as told above */
}
