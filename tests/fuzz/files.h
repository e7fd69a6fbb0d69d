/* SPDX-License-Identifier: ISC */
/* A folder for targets that read files: made once, removed with the temporary folder it is in. */
#pragma once

#include <unistd.h>

#include "util/util.h"

typedef struct {
	char *path;
	int fd;
} FuzzWorld;

static inline const FuzzWorld *fuzz_world(void)
{
	static FuzzWorld world;
	if (!world.path) {
		world.path = g_dir_make_tmp("tagship-fuzz-XXXXXX", NULL);
		world.fd = util_fs_open_dir(AT_FDCWD, world.path, NULL);
		g_assert(world.fd >= 0);
	}
	return &world;
}

/* Without the care for power cuts that util_fs_write_file takes. */
static inline void fuzz_put(const FuzzWorld *world, const char *name, const guint8 *data, gsize len)
{
	util_autofd int fd =
	    openat(world->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	g_assert(fd >= 0 && util_fs_write_all(fd, data, len, NULL));
}

static inline char *fuzz_get(const FuzzWorld *world, const char *name)
{
	char *text = NULL;
	gsize len = 0;
	g_assert(util_fs_read_file(world->fd, name, 1 << 24, &text, &len, NULL));
	return text;
}

/* A refusal can be shown on a terminal. */
static inline void fuzz_check_error(const GError *error)
{
	g_assert(error->message && *error->message);
	g_assert(g_utf8_validate(error->message, -1, NULL));
	for (const char *p = error->message; *p; p++)
		g_assert(((guchar)*p >= ' ' && *p != 0x7f) || *p == '\n' || *p == '\t');
}
