/* SPDX-License-Identifier: ISC */
/* The libssh2 session, shared by ssh.c (up to the login) and ssh-call.c (what runs on it). */
#pragma once

#include <libssh2.h>

#include "wire/wire-private.h"

struct WireSsh {
	WireTcp *tcp;
	int fd;
	LIBSSH2_SESSION *session;
	char *user, *host;
	guint16 port;
	/* what passed the socket; libssh2 cannot be asked for it */
	guint64 raw_in, raw_out;
	gint64 heard_us;  /* last byte from the peer */
	gint64 probed_us; /* last keepalive sent */
	gint64 probe_us;  /* how often, while nothing is heard */
	WirePace pace;
	gint64 rtt_us;    /* shortest time from asking for a channel to having it; 0: none yet */
	guint unanswered; /* keepalives since the last byte */
	gboolean peer_closed; /* end of stream or reset */
	gboolean dead;        /* we are done: no more socket calls */
};

/* ssh-window.c: of one channel. */
typedef struct {
	gsize target;  /* what is let in flight */
	gsize opening; /* on its way; 0: nothing */
	gint64 rate;   /* bytes a second */
	guint64 total;
	gint64 since_us; /* when `bytes` began to be counted */
	guint64 bytes;
	gboolean bulk;
} WireSshWindow;
/* The window to open the channel with. */
guint wire_ssh_window_begin(WireCall *call, WireSshWindow *self);
/* After each read. */
void wire_ssh_window_read(WireCall *call, LIBSSH2_CHANNEL *channel, WireSshWindow *self, gsize n);
/* Before waiting for more: lets some of it come. */
void wire_ssh_window_gather(WireCall *call, const WireSshWindow *self, gint64 until_us);

/* Sleeps until the socket is ready for what libssh2 waits for. */
void wire_ssh_wait(WireSsh *ssh, gint64 until_us);
/* libssh2's words for its last error; *ret_code may be NULL. */
const char *wire_ssh_last_error(WireSsh *ssh, int *ret_code);
