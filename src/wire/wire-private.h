/* SPDX-License-Identifier: ISC */
/*
 * How a call is made of two halves. call.c has the stream: buffer, deadlines on progress, rate,
 * counting, and the words of errors. ssh-call.c and local.c have the steps: none of them blocks,
 * each says WIRE_WAIT when nothing can be done now, and `wait` sleeps until more can.
 */
#pragma once

#include "wire/wire.h"

#define WIRE_WAIT (-2)
#define WIRE_GONE (-3)                 /* write: the other side has ended this call */
#define WIRE_SAID_MAX (8 * 1024)       /* of stderr, the end is kept */
#define WIRE_BUFFER ((gsize)4 * 1024)  /* at first; see WireCall */
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
	/* What came from the peer so far, in whatever form. */
	guint64 (*heard)(WireCall *call);
	/* Sleeps until a step may get further, at most until the monotonic time given. FALSE: the
	 * peer is known to be dead. */
	gboolean (*wait)(WireCall *call, WireWaitFor what, gint64 until_us, GError **error);
	/* Within WIRE_CLOSE_US; marks the session broken if that was not enough. */
	void (*close)(WireCall *call);
	/* What to poll for news while nothing else is done on the line. */
	int (*poll_fd)(WireCall *call, short *ret_events);
	/* A clause for the error of a passed deadline ("the connection itself is alive"), or NULL.
	 */
	const char *(*verdict)(WireCall *call);
} WireOps;

/* What the kernel knows of a connection. */
typedef struct {
	guint64 in, ip_in; /* bytes towards us; with headers of IP and TCP */
	gint64 min_rtt_us; /* without what waits in queues; 0: not known */
} WireLine;

/* pace.c */
typedef struct {
	gint64 kbit; /* 0: no limit */
	gint64 next_us;
} WirePace;
gboolean wire_tcp_line(int fd, WireLine *ret);
/* Until when to take nothing; 0: there is room now. */
gint64 wire_pace_until(const WirePace *pace, gint64 now_us);
void wire_pace_take(WirePace *pace, guint64 bytes, gint64 now_us);

/* Three times what the line holds fills it though the window is opened in steps; more would only
 * wait in queues, and others behind it. */
#define WIRE_WINDOW_MIN (40 * 1024)
#define WIRE_WINDOW_MAX (256 * 1024)
gsize wire_window(gint64 bytes_s, gint64 rtt_us);

/* The least rate over a time spent waiting. */
typedef struct {
	gint64 waited_us;
	guint64 bytes;
} WireMeter;

#define WIRE_METER_US (15 * G_USEC_PER_SEC)
#define WIRE_METER_QUIET 256 /* answers to keepalives: no transfer that could be slow */
/* FALSE at the end of such a time of waiting that brought something, but less than min_rate a
 * second: twice that is the longest that a dripping peer can hold us. */
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
	gsize buffer_bytes;
	gsize start, end;
	gsize want_bytes; /* of the buffer, from the next read on */
	gboolean was_shut, at_end;
};

typedef struct WireSsh WireSsh;

struct WireSession {
	char *url;
	gint64 progress_us, min_rate_bytes_s;
	guint64 in, out;
	gint64 line_kbit; /* what the line gave lately; 0: not known */
	WireCall *call;   /* open now, or NULL */
	WireCall *watch;  /* beside it, or NULL */
	GString *said;    /* of the watch, not yet a whole line */
	char news[41];    /* the head it told last; "" once that was asked for */
	gboolean broken;
	WireSsh *ssh; /* or, for a path: */
	char *path, *base, *command;
};

/* call.c */
WireCall *wire_call_new(WireSession *session, const WireOps *ops, const char *verb_line);
/* wire_call, whatever else is open. */
WireCall *wire_call_open(WireSession *session, const char *verb_line, GError **error);
/* Keeps the end of what central says on stderr. */
void wire_call_said(WireCall *call, const char *text, gsize len);
/* ": " and its last lines, made printable; "" if it said nothing. */
char *wire_call_tail(const WireCall *call);

/* watch.c */
void wire_watch_end(WireSession *session);

/* local.c */
extern const WireOps wire_local_ops;
gboolean wire_local_check(const WirePeer *peer, GError **error);

/* ssh.c */
WireSsh *wire_ssh_connect(const char *url, gint64 connect_us, gint64 progress_us, GError **error);
gboolean wire_ssh_check_host_key(WireSsh *ssh, const char *const *pinned, GError **error);
/* "ssh-ed25519 AAAA…" as the server showed it. */
char *wire_ssh_host_key(WireSsh *ssh, GError **error);
gboolean wire_ssh_login(WireSsh *ssh, const char *key_file, gint64 connect_us, GError **error);
/* Takes at most so much of the line from now on; 0: all. */
void wire_ssh_limit(WireSsh *ssh, gint64 kbit);
gboolean wire_ssh_line(const WireSsh *ssh, WireLine *ret);
/* The shortest round trip so far; 0: not known. */
gint64 wire_ssh_rtt(const WireSsh *ssh);
void wire_ssh_free(WireSsh *ssh);

/* ssh-call.c */
extern const WireOps wire_ssh_ops;

/* tcp.c: a connected, non-blocking socket that the object owns; AGAIN within the timeout. */
typedef struct WireTcp WireTcp;
WireTcp *wire_tcp_connect(const char *host, guint16 port, gint64 connect_us, gint64 progress_us,
			  GError **error);
int wire_tcp_fd(const WireTcp *tcp);
void wire_tcp_free(WireTcp *tcp);
