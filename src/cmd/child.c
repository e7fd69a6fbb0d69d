/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/child.h"

pid_t cmd_child_start(const Cmd *cmd, CmdChildRun run, gpointer user_data, GError **error)
{
	pid_t parent = getpid();
	pid_t pid = fork();
	if (pid < 0)
		util_error_errno(error, errno, "fork");
	if (pid != 0)
		return pid;
	g_autoptr(GError) failed = NULL;
	/* who is killed takes us along */
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent)
		_exit(1);
	exit(run(user_data, &failed) ? 0 : cmd_error_print(cmd, failed));
}

int cmd_child_wait(pid_t pid, const char *what, GError **error)
{
	int status = 0;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (!WIFSIGNALED(status))
		return WEXITSTATUS(status);
	util_error_set(error, TS_ERROR_FAILED, "\"%.40s\" ended by signal %d", what,
		       WTERMSIG(status));
	return -1;
}

gpointer cmd_child_memory(gsize len, GError **error)
{
	void *memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory != MAP_FAILED)
		return memory;
	util_error_errno(error, errno, "memory for a child");
	return NULL;
}
