/* SPDX-License-Identifier: ISC */
/*
 * One verb of a peer, by a confined process. Where work follows that only an unconfined one can do,
 * the verb gets a child of its own; a watch, which may last for weeks, must not cost two processes.
 */
#include <unistd.h>

#include "cmd/child.h"
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
	serve_refuse(verb, stream, failed);
	g_propagate_error(error, g_steal_pointer(&failed));
	return FALSE;
}

static gboolean needs_child(const char *verb)
{
	WireRequest request;
	return wire_request_parse(verb, strlen(verb), &request, NULL) &&
	       request.verb != WIRE_WATCH && request.verb != WIRE_UPLOAD_PACK;
}

typedef struct {
	const ServeSpec *spec;
	const char *verb;
} Answering;

static gboolean answer(gpointer user_data, GError **error)
{
	const Answering *answering = user_data;
	return serve_confined(answering->spec, answering->verb, error);
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
	Answering answering = {spec, verb};
	pid_t pid = cmd_child_start(cmd, answer, &answering, error);
	if (pid < 0)
		return 1;
	gboolean free_line = let_go_of_line(error);
	int status = cmd_child_wait(pid, verb, free_line ? error : NULL);
	if (!free_line || status < 0)
		return 1;
	served->after(status, served->user_data);
	return status;
}
