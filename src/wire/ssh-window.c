/* SPDX-License-Identifier: ISC */
/*
 * How much a channel lets be in flight, and how it reads, so that each byte of a bulk transfer
 * costs the line as little as it can.
 *
 * A channel begins with a small window, which is all that short answers need. Once it is bulk, the
 * kernel's buffer bounds what is in flight, to three times what the line holds. The channel's
 * window is larger, so that the sender always has a packet ready and fills its segments; it is
 * opened again in large steps, by packets of our own, because libssh2's are small and many. Reading
 * waits until some of it has come: a packet read at once is acknowledged at once, and
 * acknowledgements are what such a transfer costs most after TCP's headers. The small buffer makes
 * the kernel hold them back.
 */
#include <poll.h>
#include <sys/socket.h>

#include "wire/ssh-private.h"

#define LINE_KBIT 1000              /* of a line that is not known yet */
#define RATE_US G_USEC_PER_SEC      /* over which the rate is looked at */
#define SMALL_WINDOW (8 * 1024)     /* libssh2 adds to it once a quarter, less our read, is used */
#define SMALL_READ ((gsize)1024)    /* so small answers end before it does */
#define BULK_READ ((gsize)8 * 1024) /* likewise: always less than what stays open */
#define BULK_BYTES (2 * 1024)       /* more than an answer */
#define PACED_STEP (8 * 1024)       /* short bursts, for the sake of others */
#define AHEAD (64 * 1024)           /* what the sender may have ready beside that in flight */
#define STEP (32 * 1024)
#define GATHER_MAX_US (100 * 1000)

guint wire_ssh_window_begin(WireCall *call, WireSshWindow *self)
{
	WireSsh *ssh = call->session->ssh;
	gint64 kbit = call->session->line_kbit > 0 ? call->session->line_kbit : LINE_KBIT;
	if (ssh->pace.kbit > 0)
		kbit = MIN(kbit, ssh->pace.kbit);
	self->rate = kbit * 125;
	self->target = wire_window(self->rate, wire_ssh_rtt(ssh));
	call->want_bytes = SMALL_READ;
	return SMALL_WINDOW;
}

static void hold_acks_back(const WireSsh *ssh, const WireSshWindow *self)
{
	/* the kernel takes twice that, and needs less for its own */
	int bytes = (int)(self->target / 4 * 3);
	/* else they are merely more */
	(void)setsockopt(ssh->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

static void become_bulk(WireCall *call, WireSshWindow *self)
{
	self->bulk = TRUE;
	/* the round trip is better known by now: a busy server answers late */
	self->target = wire_window(self->rate, wire_ssh_rtt(call->session->ssh));
	self->since_us = g_get_monotonic_time();
	self->bytes = 0;
	call->want_bytes = BULK_READ;
	hold_acks_back(call->session->ssh, self);
}

/* A line that gives more than was thought gets more in flight. */
static void adapt(WireCall *call, WireSshWindow *self, gsize n)
{
	WireSsh *ssh = call->session->ssh;
	gint64 now = g_get_monotonic_time();
	self->bytes += n;
	if (now - self->since_us < RATE_US)
		return;
	if (now - self->since_us < 2 * RATE_US) {
		self->rate = (gint64)self->bytes * G_USEC_PER_SEC / (now - self->since_us);
		gsize target = wire_window(self->rate, wire_ssh_rtt(ssh));
		if (target > self->target) {
			self->target = target;
			hold_acks_back(ssh, self);
		}
	} /* else it was no steady flow */
	self->since_us = now;
	self->bytes = 0;
}

void wire_ssh_window_read(WireCall *call, LIBSSH2_CHANNEL *channel, WireSshWindow *self, gsize n)
{
	WireSsh *ssh = call->session->ssh;
	self->total += n;
	if (!self->bulk && self->total > BULK_BYTES)
		become_bulk(call, self);
	if (!self->bulk)
		return;
	adapt(call, self, n);
	gsize open = libssh2_channel_window_read_ex(channel, NULL, NULL);
	gsize target = self->target + AHEAD;
	gsize step = ssh->pace.kbit > 0 ? PACED_STEP : STEP;
	if (self->opening == 0 && open + step <= target)
		self->opening = target - open;
	/* what could not be sent now is with the next read; an error shows there, too */
	if (self->opening > 0 &&
	    libssh2_channel_receive_window_adjust2(channel, self->opening, 1, NULL) == 0)
		self->opening = 0;
}

void wire_ssh_window_gather(WireCall *call, const WireSshWindow *self, gint64 until_us)
{
	WireSsh *ssh = call->session->ssh;
	if (!self->bulk || ssh->pace.kbit > 0 || self->rate <= 0)
		return;
	gint64 us = (gint64)self->target / 5 * G_USEC_PER_SEC / self->rate;
	us = MIN(us, MIN(GATHER_MAX_US, until_us - g_get_monotonic_time()));
	if (us > 0)
		g_usleep((gulong)us);
}
