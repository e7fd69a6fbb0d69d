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

/* Sleeps until the socket is ready for what libssh2 waits for. */
void wire_ssh_wait(WireSsh *ssh, gint64 until_us);
/* libssh2's words for its last error; *ret_code may be NULL. */
const char *wire_ssh_last_error(WireSsh *ssh, int *ret_code);
