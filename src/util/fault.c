/* SPDX-License-Identifier: ISC */
#include "util/util.h"

#ifdef TAGSHIP_FAULTS
#include <errno.h>
#include <signal.h>
#include <unistd.h>
#ifdef TAGSHIP_COV
#include <gcov.h>
#endif

static int fault_counter;

static void fault_log(int number, const char *name)
{
	const char *path = g_getenv("TAGSHIP_FAULT_LOG");
	if (!path)
		return;
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	g_autofree char *line = g_strdup_printf("%d %s\n", number, name);
	if (write(fd, line, strlen(line)) < 0)
		g_warning("fault log: %s", g_strerror(errno));
	(void)close(fd); /* a test aid: nothing to lose */
}

int util_fault_point(const char *name)
{
	int number = g_atomic_int_add(&fault_counter, 1) + 1;
	fault_log(number, name);
	const char *spec = g_getenv("TAGSHIP_FAULT");
	const char *equals = spec ? strchr(spec, '=') : NULL;
	if (!equals)
		return 0;
	g_autofree char *which = g_strndup(spec, (gsize)(equals - spec));
	g_autofree char *mine = g_strdup_printf("%d", number);
	if (strcmp(which, mine) != 0 && strcmp(which, name) != 0)
		return 0;
	if (strcmp(equals + 1, "enospc") == 0)
		return ENOSPC;
	if (strcmp(equals + 1, "eio") == 0)
		return EIO;
#ifdef TAGSHIP_COV
	__gcov_dump();
#endif
	(void)kill(getpid(), SIGKILL); /* cannot fail for oneself */
	return EIO;
}
#else
/* An empty translation unit is not ISO C. */
extern int util_fault_points_are_off;
#endif
