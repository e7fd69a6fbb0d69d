/* SPDX-License-Identifier: ISC */
/*
 * One verb of a peer, by a confined process. Where work follows that only an unconfined one can do,
 * the verb gets a child of its own; a watch, which may last for weeks, must not cost two processes.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/serve.h"

#define IDLE_TIMEOUT_MS (120 * 1000)

static gboolean serve_confined(const ServeSpec *spec, const char *verb, GError **error)
{
	g_autoptr(UtilStream) stream =
	    util_stream_from_fds(STDIN_FILENO, STDOUT_FILENO, IDLE_TIMEOUT_MS);
	g_autoptr(GError) failed = NULL;
	if (serve_confine(spec, verb, &failed))
		return serve_verb(spec, verb, stream, error);
	g_prefix_error(&failed, "cannot be confined: ");
	(void)wire_reply_error(stream, failed, NULL); /* the peer may be gone */
	g_propagate_error(error, g_steal_pointer(&failed));
	return FALSE;
}

static gboolean needs_child(const char *verb)
{
	WireRequest request;
	return wire_request_parse(verb, strlen(verb), &request, NULL) &&
	       request.verb != WIRE_WATCH && request.verb != WIRE_UPLOAD_PACK;
}

/* Does not return. */
static void child(const Cmd *cmd, const ServeSpec *spec, const char *verb, pid_t parent)
{
	g_autoptr(GError) error = NULL;
	/* who is killed takes us along */
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent)
		_exit(1);
	gboolean ok = serve_confined(spec, verb, &error);
	exit(ok ? 0 : cmd_error_print(cmd, error));
}

/* The line is the child's alone: its end is seen when that one closes it. */
static gboolean let_go_of_line(GError **error)
{
	util_autofd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	return (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(null, STDOUT_FILENO) >= 0) ||
	       util_error_errno(error, errno, "/dev/null");
}

int cmd_serve_verb(const Cmd *cmd, const ServeSpec *spec, const char *verb, const CmdServed *served,
		   GError **error)
{
	if (!needs_child(verb))
		return serve_confined(spec, verb, error) ? 0 : 1;
	pid_t parent = getpid();
	pid_t pid = fork();
	if (pid < 0) {
		util_error_errno(error, errno, "fork");
		return 1;
	}
	if (pid == 0)
		child(cmd, spec, verb, parent);
	gboolean free_line = let_go_of_line(error);
	int status = 0;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (!free_line)
		return 1;
	if (WIFSIGNALED(status)) {
		util_error_set(error, TS_ERROR_FAILED, "\"%.40s\" ended by signal %d", verb,
			       WTERMSIG(status));
		return 1;
	}
	served->after(WEXITSTATUS(status), served->user_data);
	return WEXITSTATUS(status);
}
