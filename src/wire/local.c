/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wire/wire-private.h"

#define SAID_CHUNKS 64 /* per step, so that a flood cannot outrun the deadline */

/* A child that serves one verb on a socket pair, as sshd's forced command would. */
typedef struct {
	int fd;      /* our end */
	int said_fd; /* its stderr; -1 once that has ended */
	int pid_fd;
	GPid pid; /* 0 once reaped */
	int status;
	guint64 heard; /* bytes of its output */
} LocalCall;

gboolean wire_local_check(const WirePeer *peer, GError **error)
{
	if (!peer->serve_command || !peer->serve_command[0])
		return util_error_set(error, TS_ERROR_USAGE,
				      "an upstream that is a path needs serve_command");
	if (!util_name_check("base", peer->base_name, error))
		return FALSE;
	if (g_file_test(peer->url, G_FILE_TEST_IS_DIR))
		return TRUE;
	/* as a host that does not answer: a mount may come back */
	return util_error_set(error, TS_ERROR_AGAIN, "no such folder; is central's state there?");
}

/* Runs in the child between fork and exec: only what is safe there. */
static void lead_group(gpointer user_data)
{
	(void)user_data;     /* none */
	(void)setpgid(0, 0); /* can only fail where it already leads */
}

static char *home_of_user(void)
{
	struct passwd entry, *found = NULL;
	char buffer[4096];
	if (getpwuid_r(geteuid(), &entry, buffer, sizeof buffer, &found) != 0 || !found)
		return g_strdup("HOME=/");
	return g_strconcat("HOME=", found->pw_dir, NULL);
}

static gboolean spawn(WireCall *call, LocalCall *self, int child_fd, int child_said, GError **error)
{
	const WireSession *session = call->session;
	g_autofree char *home = home_of_user();
	g_autofree char *verb = g_strconcat("SSH_ORIGINAL_COMMAND=", call->verb_line, NULL);
	char lang[] = "LANG=C.UTF-8", path[] = UTIL_CHILD_PATH, dash_c[] = "-C", serve[] = "serve";
	char *argv[] = {session->command, dash_c, session->path, serve, session->base, NULL};
	char *env[] = {path, lang, home, verb, NULL};
	g_autoptr(GError) local = NULL;
	if (g_spawn_async_with_fds(
		"/", argv, env, G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_SEARCH_PATH_FROM_ENVP,
		lead_group, NULL, &self->pid, child_fd, child_fd, child_said, &local))
		return TRUE;
	return util_error_set(error, TS_ERROR_FAILED,
			      "cannot run serve_command \"%s\": %s; give its absolute path",
			      session->command, local->message);
}

static gboolean local_start(WireCall *call, GError **error)
{
	LocalCall *self = call->impl = g_new0(LocalCall, 1);
	self->fd = self->said_fd = self->pid_fd = -1;
	int pair[2] = {-1, -1}, said[2] = {-1, -1};
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return util_error_errno(error, errno, "socketpair");
	self->fd = pair[0];
	util_autofd int child_fd = pair[1];
	if (pipe2(said, O_CLOEXEC) != 0)
		return util_error_errno(error, errno, "pipe");
	self->said_fd = said[0];
	util_autofd int child_said = said[1];
	if (!g_unix_set_fd_nonblocking(self->fd, TRUE, error) ||
	    !g_unix_set_fd_nonblocking(self->said_fd, TRUE, error) ||
	    !spawn(call, self, child_fd, child_said, error))
		return FALSE;
	self->pid_fd = pidfd_open(self->pid, 0);
	return self->pid_fd >= 0 || util_error_errno(error, errno, "pidfd_open");
}

static void drain_said(WireCall *call)
{
	LocalCall *self = call->impl;
	char chunk[4096];
	for (guint i = 0; i < SAID_CHUNKS && self->said_fd >= 0; i++) {
		ssize_t n = read(self->said_fd, chunk, sizeof chunk);
		if (n > 0) {
			wire_call_said(call, chunk, (gsize)n);
			continue;
		}
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		(void)close(self->said_fd); /* read to its end */
		self->said_fd = -1;
	}
}

static guint64 local_heard(WireCall *call)
{
	const LocalCall *self = call->impl;
	return self->heard;
}

static gssize local_read(WireCall *call, void *buffer, gsize len, GError **error)
{
	LocalCall *self = call->impl;
	drain_said(call);
	ssize_t n = recv(self->fd, buffer, len, 0);
	if (n > 0)
		self->heard += (guint64)n;
	if (n >= 0)
		return n;
	if (errno == EAGAIN || errno == EINTR)
		return WIRE_WAIT;
	if (errno == ECONNRESET)
		return 0; /* it ended without reading all we sent; its status tells */
	util_error_errno(error, errno, "read");
	return -1;
}

static gssize local_write(WireCall *call, const void *data, gsize len, GError **error)
{
	LocalCall *self = call->impl;
	drain_said(call);
	ssize_t n = send(self->fd, data, len, MSG_NOSIGNAL);
	if (n >= 0)
		return n;
	int err = errno;
	if (err == EAGAIN || err == EINTR)
		return WIRE_WAIT;
	if (err == EPIPE || err == ECONNRESET)
		return WIRE_GONE;
	util_error_errno(error, err, "write");
	return -1;
}

static gssize local_shut(WireCall *call, GError **error)
{
	LocalCall *self = call->impl;
	if (shutdown(self->fd, SHUT_WR) == 0 || errno == ENOTCONN)
		return 0;
	util_error_errno(error, errno, "shutdown");
	return -1;
}

/* Reaps the child if it has ended. */
static gboolean reap(LocalCall *self)
{
	if (self->pid == 0)
		return TRUE;
	pid_t pid = waitpid(self->pid, &self->status, WNOHANG);
	if (pid == 0 || (pid < 0 && errno == EINTR))
		return FALSE;
	self->pid = 0;
	return TRUE;
}

static gssize local_ended(WireCall *call, int *ret_status, GError **error)
{
	(void)error; /* cannot fail */
	LocalCall *self = call->impl;
	gboolean ended = reap(self);
	drain_said(call);
	if (!ended)
		return WIRE_WAIT;
	*ret_status =
	    WIFSIGNALED(self->status) ? 128 + WTERMSIG(self->status) : WEXITSTATUS(self->status);
	return 0;
}

static gboolean local_wait(WireCall *call, WireWaitFor what, gint64 until_us, GError **error)
{
	(void)error; /* a child is never thought dead: its end is seen */
	LocalCall *self = call->impl;
	struct pollfd fds[3] = {{self->fd, 0, 0}, {self->said_fd, POLLIN, 0}, {-1, POLLIN, 0}};
	if (what == WIRE_FOR_END) {
		fds[0].fd = -1;
		fds[2].fd = self->pid_fd;
	}
	fds[0].events = what == WIRE_FOR_READ ? POLLIN : POLLOUT;
	gint64 left_ms = (until_us - g_get_monotonic_time() + 999) / 1000;
	/* interrupted or not: the caller tries its step and looks at the clock */
	(void)poll(fds, G_N_ELEMENTS(fds), (int)CLAMP(left_ms, 0, 3600 * 1000));
	return TRUE;
}

static void kill_and_reap(LocalCall *self)
{
	struct pollfd pfd = {self->pid_fd, POLLIN, 0};
	/* gone already is fine, for both */
	(void)kill(-self->pid, SIGTERM);
	if (self->pid_fd >= 0)
		(void)poll(&pfd, 1, (int)(WIRE_CLOSE_US / 1000));
	if (reap(self))
		return;
	(void)kill(-self->pid, SIGKILL);
	while (waitpid(self->pid, &self->status, 0) < 0 && errno == EINTR)
		continue;
	self->pid = 0;
}

static void local_close(WireCall *call)
{
	LocalCall *self = call->impl;
	const int fds[] = {self->fd, self->said_fd, self->pid_fd};
	if (self->fd >= 0)
		(void)shutdown(self->fd, SHUT_RDWR); /* the child sees the end before any signal */
	if (!reap(self))
		kill_and_reap(self);
	for (guint i = 0; i < G_N_ELEMENTS(fds); i++)
		if (fds[i] >= 0)
			(void)close(fds[i]); /* nothing buffered */
	g_free(self);
}

static int local_poll_fd(WireCall *call, short *ret_events)
{
	const LocalCall *self = call->impl;
	*ret_events = POLLIN;
	return self->fd;
}

static const char *local_verdict(WireCall *call)
{
	LocalCall *self = call->impl;
	return reap(self) ? "; its program has ended, but something it started keeps the line open"
			  : "; its program hangs";
}

const WireOps wire_local_ops = {local_start, local_read, local_write, local_shut,    local_ended,
				local_heard, local_wait, local_close, local_poll_fd, local_verdict};
