/* SPDX-License-Identifier: ISC */
#include <poll.h>

#include "wire/ssh-private.h"

#define PACKET_BYTES (16 * 1024) /* what is lost of one when the line is cut */
#define PROBES_TO_DEATH 3
#define SAID_CHUNKS 64         /* per step, so that a flood cannot outrun the deadline */
#define STATUS_KILLED 255      /* by which signal does not matter */
#define RECHECK_US (10 * 1000) /* libssh2 holds data but said EAGAIN: it waits to write */

typedef struct {
	LIBSSH2_CHANNEL *channel;
	WireSshWindow window;
	guint first_window;
} SshCall;

static WireSsh *ssh_of(WireCall *call)
{
	return call->session->ssh;
}

static gssize line_lost(WireCall *call, const char *doing, GError **error)
{
	WireSsh *ssh = ssh_of(call);
	int code = 0;
	const char *reason = wire_ssh_last_error(ssh, &code);
	/* a cut is noticed by whichever of reading and writing comes first */
	gboolean cut = ssh->peer_closed || code == LIBSSH2_ERROR_SOCKET_SEND ||
		       code == LIBSSH2_ERROR_SOCKET_DISCONNECT;
	util_error_set(error, TS_ERROR_AGAIN, "%s: %s", doing,
		       cut ? "the connection was cut" : reason);
	return -1;
}

/* Between the two ends: TCP's own round trip may end at a proxy. */
gint64 wire_ssh_rtt(const WireSsh *ssh)
{
	WireLine line;
	if (ssh->rtt_us > 0)
		return ssh->rtt_us;
	return wire_tcp_line(ssh->fd, &line) ? line.min_rtt_us : 0;
}

/* Runs once; WIRE_WAIT while the server has not answered. */
static gssize open_channel(WireCall *call, GError **error)
{
	SshCall *self = call->impl;
	WireSsh *ssh = ssh_of(call);
	int code = 0;
	self->channel = libssh2_channel_open_ex(ssh->session, "session", strlen("session"),
						self->first_window, PACKET_BYTES, NULL, 0);
	if (self->channel)
		return 0;
	(void)wire_ssh_last_error(ssh, &code); /* the code alone is asked for */
	if (code == LIBSSH2_ERROR_EAGAIN)
		return WIRE_WAIT;
	return line_lost(call, "opening a channel", error);
}

static gssize exec_verb(WireCall *call, GError **error)
{
	SshCall *self = call->impl;
	int code =
	    libssh2_channel_process_startup(self->channel, "exec", strlen("exec"), call->verb_line,
					    (unsigned int)strlen(call->verb_line));
	if (code == LIBSSH2_ERROR_EAGAIN)
		return WIRE_WAIT;
	return code == 0 ? 0 : line_lost(call, "starting the command", error);
}

static gboolean ssh_wait(WireCall *call, WireWaitFor what, gint64 until_us, GError **error);
static const char *ssh_verdict(WireCall *call);

static gboolean run_step(WireCall *call, gssize (*step)(WireCall *, GError **), GError **error)
{
	gint64 until = g_get_monotonic_time() + call->session->progress_us;
	gssize done = 0;
	while ((done = step(call, error)) == WIRE_WAIT) {
		if (g_get_monotonic_time() >= until) {
			const char *verdict = ssh_verdict(call);
			return util_error_set(
			    error, TS_ERROR_AGAIN, "the command was not started within %d s%s",
			    (int)(call->session->progress_us / G_USEC_PER_SEC), verdict);
		}
		if (!ssh_wait(call, WIRE_FOR_READ, until, error))
			return FALSE;
	}
	return done == 0;
}

static gboolean ssh_start(WireCall *call, GError **error)
{
	WireSsh *ssh = ssh_of(call);
	gint64 began = g_get_monotonic_time();
	SshCall *self = call->impl = g_new0(SshCall, 1);
	self->first_window = wire_ssh_window_begin(call, &self->window);
	if (!run_step(call, open_channel, error))
		return FALSE;
	gint64 took = MAX(g_get_monotonic_time() - began, 1);
	ssh->rtt_us = ssh->rtt_us > 0 ? MIN(ssh->rtt_us, took) : took;
	return run_step(call, exec_verb, error);
}

static guint64 ssh_heard(WireCall *call)
{
	return ssh_of(call)->raw_in;
}

/* Takes what there is of stderr: unread, it would use up the window and hide the end. */
static gssize drain_said(WireCall *call, GError **error)
{
	SshCall *self = call->impl;
	char chunk[4096];
	for (guint i = 0; i < SAID_CHUNKS; i++) {
		ssize_t n = libssh2_channel_read_ex(self->channel, SSH_EXTENDED_DATA_STDERR, chunk,
						    sizeof chunk);
		if (n == LIBSSH2_ERROR_EAGAIN || n == 0)
			return 0;
		if (n < 0)
			return line_lost(call, "reading", error);
		wire_call_said(call, chunk, (gsize)n);
	}
	return 0;
}

static gssize ssh_read(WireCall *call, void *buffer, gsize len, GError **error)
{
	SshCall *self = call->impl;
	ssize_t n = libssh2_channel_read_ex(self->channel, 0, buffer, len);
	if (n > 0) {
		wire_ssh_window_read(call, self->channel, &self->window, (gsize)n);
		return n;
	}
	if (n < 0 && n != LIBSSH2_ERROR_EAGAIN)
		return line_lost(call, "reading", error);
	if (drain_said(call, error) < 0)
		return -1;
	return libssh2_channel_eof(self->channel) == 1 ? 0 : WIRE_WAIT;
}

static gssize ssh_write(WireCall *call, const void *data, gsize len, GError **error)
{
	SshCall *self = call->impl;
	ssize_t n = libssh2_channel_write_ex(self->channel, 0, data, len);
	if (n > 0)
		return n;
	/* libssh2 would wait for ever for the window of a channel that the other side has closed */
	if (n == LIBSSH2_ERROR_CHANNEL_CLOSED ||
	    (n == LIBSSH2_ERROR_EAGAIN && libssh2_channel_wait_closed(self->channel) == 0)) {
		(void)drain_said(call, NULL); /* its words, if they are there */
		return WIRE_GONE;
	}
	if (n < 0 && n != LIBSSH2_ERROR_EAGAIN)
		return line_lost(call, "writing", error);
	return drain_said(call, error) < 0 ? -1 : WIRE_WAIT;
}

static gssize ssh_shut(WireCall *call, GError **error)
{
	SshCall *self = call->impl;
	int code = libssh2_channel_send_eof(self->channel);
	if (code == LIBSSH2_ERROR_EAGAIN)
		return WIRE_WAIT;
	return code == 0 ? 0 : line_lost(call, "ending the input", error);
}

static int exit_status(WireSsh *ssh, LIBSSH2_CHANNEL *channel)
{
	char *signal_name = NULL;
	/* also 0, with no name, where there was no signal */
	(void)libssh2_channel_get_exit_signal(channel, &signal_name, NULL, NULL, NULL, NULL, NULL);
	if (!signal_name)
		return libssh2_channel_get_exit_status(channel);
	libssh2_free(ssh->session, signal_name);
	return STATUS_KILLED;
}

static gssize ssh_ended(WireCall *call, int *ret_status, GError **error)
{
	SshCall *self = call->impl;
	if (drain_said(call, error) < 0)
		return -1;
	int code = libssh2_channel_wait_closed(self->channel);
	if (code == LIBSSH2_ERROR_EAGAIN)
		return WIRE_WAIT;
	if (code != 0)
		return line_lost(call, "waiting for the end", error);
	*ret_status = exit_status(ssh_of(call), self->channel);
	return 0;
}

/* A keepalive when nothing was heard for a while; counted, because libssh2 reports success as long
 * as the kernel takes the bytes. */
static void probe(WireSsh *ssh, gint64 now_us)
{
	guint64 before = ssh->raw_out;
	int next_s = 0;
	if (now_us - ssh->heard_us < ssh->probe_us || now_us - ssh->probed_us < ssh->probe_us)
		return;
	ssh->probed_us = now_us;
	/* a failure shows as a cut at the next step */
	(void)libssh2_keepalive_send(ssh->session, &next_s);
	if (ssh->raw_out > before)
		ssh->unanswered++;
}

static gboolean ssh_wait(WireCall *call, WireWaitFor what, gint64 until_us, GError **error)
{
	WireSsh *ssh = ssh_of(call);
	SshCall *self = call->impl;
	gint64 now = g_get_monotonic_time();
	unsigned long held = 0;
	probe(ssh, now);
	if (ssh->unanswered >= PROBES_TO_DEATH - 1 &&
	    now - ssh->heard_us >= PROBES_TO_DEATH * ssh->probe_us)
		return util_error_set(error, TS_ERROR_AGAIN,
				      "nothing was heard for %d s, %u keepalives unanswered: the "
				      "line is dead",
				      (int)((now - ssh->heard_us) / G_USEC_PER_SEC),
				      ssh->unanswered);
	if (self->channel)
		(void)libssh2_channel_window_read_ex(self->channel, &held, NULL);
	gint64 next_probe = MAX(ssh->heard_us, ssh->probed_us) + ssh->probe_us;
	if (held > 0)
		until_us = MIN(until_us, now + RECHECK_US);
	else if (what == WIRE_FOR_READ)
		wire_ssh_window_gather(call, &self->window, until_us);
	wire_ssh_wait(ssh, MIN(until_us, next_probe));
	return TRUE;
}

static const char *ssh_verdict(WireCall *call)
{
	WireSsh *ssh = ssh_of(call);
	if (ssh->unanswered > 0)
		return "; keepalives are not answered either: the line seems dead";
	if (ssh->probed_us > 0)
		return "; the connection itself is alive, central's side hangs";
	return "";
}

static int ssh_poll_fd(WireCall *call, short *ret_events)
{
	WireSsh *ssh = ssh_of(call);
	int directions = libssh2_session_block_directions(ssh->session);
	*ret_events = POLLIN;
	if (directions & LIBSSH2_SESSION_BLOCK_OUTBOUND)
		*ret_events |= POLLOUT;
	return ssh->fd;
}

static void ssh_close(WireCall *call)
{
	SshCall *self = call->impl;
	WireSsh *ssh = ssh_of(call);
	gint64 until = g_get_monotonic_time() + WIRE_CLOSE_US;
	int code = 0;
	while (self->channel && !call->session->broken &&
	       (code = libssh2_channel_free(self->channel)) == LIBSSH2_ERROR_EAGAIN) {
		if (g_get_monotonic_time() >= until)
			break;
		wire_ssh_wait(ssh, until);
	}
	/* what could not be freed now goes with the session */
	if (self->channel && code != 0)
		call->session->broken = TRUE;
	g_free(self);
}

const WireOps wire_ssh_ops = {ssh_start, ssh_read, ssh_write, ssh_shut,    ssh_ended,
			      ssh_heard, ssh_wait, ssh_close, ssh_poll_fd, ssh_verdict};
