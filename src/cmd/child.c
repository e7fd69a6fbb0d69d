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

typedef struct {
	CmdChildAnswer run;
	gconstpointer asked;
	void *answer;
	gsize len;
	int fd;
} Asked;

static gboolean run_asked(gpointer user_data, GError **error)
{
	const Asked *asked = user_data;
	return asked->run(asked->asked, asked->answer, error) &&
	       util_fs_pwrite_all(asked->fd, asked->answer, asked->len, 0, error);
}

int cmd_child_run(const Cmd *cmd, CmdChildAnswer run, gconstpointer asked, gpointer answer,
		  gsize len, GError **error)
{
	util_autofd int fd = memfd_create("tagship", MFD_CLOEXEC);
	Asked all = {run, asked, answer, len, fd};
	if (fd < 0) {
		util_error_errno(error, errno, "memory for a child");
		return 1;
	}
	pid_t pid = cmd_child_start(cmd, run_asked, &all, error);
	int status = pid < 0 ? -1 : cmd_child_wait(pid, cmd->entry->name, error);
	if (status != 0)
		return MAX(status, 1);
	return util_fs_pread_full(fd, answer, len, 0, error) ? 0 : 1;
}
