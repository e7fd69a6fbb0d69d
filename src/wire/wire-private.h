/* SPDX-License-Identifier: ISC */
/*
 * How a call is made of two halves. call.c has the stream: buffer, deadlines on progress, rate,
 * counting, and the words of errors. ssh-call.c and local.c have the steps: none of them blocks,
 * each says WIRE_WAIT when nothing can be done now, and `wait` sleeps until more can.
 */
#pragma once

#include "wire/wire.h"

#define WIRE_WAIT (-2)
#define WIRE_GONE (-3)           /* write: the other side has ended this call */
#define WIRE_SAID_MAX (8 * 1024) /* of stderr, the end is kept */
#define WIRE_BUFFER (32 * 1024)
#define WIRE_CLOSE_US (G_USEC_PER_SEC) /* for a polite end; then the socket is closed */

typedef enum { WIRE_FOR_READ, WIRE_FOR_WRITE, WIRE_FOR_END } WireWaitFor;

typedef struct {
	gboolean (*start)(WireCall *call, GError **error);
	/* Bytes, 0 at the end of the other side's output, WIRE_WAIT, -1 with error; write also
	 * WIRE_GONE. */
	gssize (*read)(WireCall *call, void *buffer, gsize len, GError **error);
	gssize (*write)(WireCall *call, const void *data, gsize len, GError **error);
	/* 0 when done, WIRE_WAIT, -1 with error. */
	gssize (*shut)(WireCall *call, GError **error);
	/* 0 with the exit status (as a shell gives it) once the other side has ended. */
	gssize (*ended)(WireCall *call, int *ret_status, GError **error);
	/* Sleeps until a step may get further, at most until the monotonic time given. FALSE: the
	 * peer is known to be dead. */
	gboolean (*wait)(WireCall *call, WireWaitFor what, gint64 until_us, GError **error);
	/* Within WIRE_CLOSE_US; marks the session broken if that was not enough. */
	void (*close)(WireCall *call);
	/* A clause for the error of a passed deadline ("the connection itself is alive"), or NULL.
	 */
	const char *(*verdict)(WireCall *call);
} WireOps;

/* The least rate over each minute spent waiting. */
typedef struct {
	gint64 waited_us;
	guint64 bytes;
} WireMeter;

#define WIRE_METER_US (60 * G_USEC_PER_SEC)
/* FALSE at the end of a minute that brought less than min_rate a second. */
gboolean wire_meter_add(WireMeter *meter, gint64 waited_us, guint64 bytes, gint64 min_rate_bytes_s);

struct WireCall {
	UtilStream stream; /* first: the stream is the call */
	WireSession *session;
	const WireOps *ops;
	gpointer impl; /* of ops */
	char *verb_line;
	GString *said; /* the end of stderr */
	WireMeter meter;
	char *buffer;
	gsize start, end;
	gboolean was_shut, at_end;
};

typedef struct WireSsh WireSsh;

struct WireSession {
	char *url;
	gint64 progress_us, min_rate_bytes_s;
	guint64 in, out;
	WireCall *call; /* open now, or NULL */
	gboolean broken;
	WireSsh *ssh; /* or, for a path: */
	char *path, *base, *command;
};

/* call.c */
WireCall *wire_call_new(WireSession *session, const WireOps *ops, const char *verb_line);
/* Keeps the end of what central says on stderr. */
void wire_call_said(WireCall *call, const char *text, gsize len);
/* ": " and its last lines, made printable; "" if it said nothing. */
char *wire_call_tail(const WireCall *call);

/* local.c */
extern const WireOps wire_local_ops;
gboolean wire_local_check(const WirePeer *peer, GError **error);

/* ssh.c */
WireSsh *wire_ssh_connect(const char *url, gint64 connect_us, gint64 progress_us, GError **error);
gboolean wire_ssh_check_host_key(WireSsh *ssh, const char *const *pinned, GError **error);
/* "ssh-ed25519 AAAA…" as the server showed it. */
char *wire_ssh_host_key(WireSsh *ssh, GError **error);
gboolean wire_ssh_login(WireSsh *ssh, const char *key_file, gint64 connect_us, GError **error);
void wire_ssh_free(WireSsh *ssh);

/* ssh-call.c */
extern const WireOps wire_ssh_ops;

/* tcp.c: a connected, non-blocking socket that the object owns; AGAIN within the timeout. */
typedef struct WireTcp WireTcp;
WireTcp *wire_tcp_connect(const char *host, guint16 port, gint64 connect_us, gint64 progress_us,
			  GError **error);
int wire_tcp_fd(const WireTcp *tcp);
void wire_tcp_free(WireTcp *tcp);
