/* SPDX-License-Identifier: ISC */
/*
 * The two texts of a hello. Keys that are not known here are skipped, so that a newer peer can say
 * more; a number other than 1 behind Tagship-Hello is UNSUPPORTED. All strings are owned by the
 * struct, never NULL once parsed; lists are NULL-terminated.
 */
#pragma once

#include "util/util.h"

/* The newest that is read of each; all before it are. */
#define WIRE_HELLO_FORMATS "order=3 report=2 manifest=1 plain=1 delta=2"
#define WIRE_HELLO_LIST_MAX 256    /* Live and Held lines each */
#define WIRE_HELLO_REPORTED_MAX 64 /* Reported lines */

typedef struct {
	char *software;
	char *base;
	gint64 incarnation;
	char *formats;  /* "order=1 report=1 …", WIRE_HELLO_FORMATS */
	char *codecs;   /* "plain delta" */
	char *zlib;     /* how its zlib packs (bundle.h), or NULL: not said */
	char *features; /* of its kernel and disk: "landlock=7 openat2 reflink"; or NULL */
	gint64 line_kbit, line_rtt_ms; /* what its line gave lately; 0: not known */
	guint64 memory_bytes;
	guint64 disk_free_bytes; /* the least, where it keeps state and trees; 0: not said */
	char head[41];           /* accepted commit, or "-" */
	char **reported; /* commits of reports that central confirmed, see mirror/reported.c */
	gint64 now_utc, now_ms; /* and thousandths; 0 from programs that do not say them */
	gboolean offset_known;
	gint64 offset_ms; /* its clock minus central's, as measured at its last contact */
	char **live;      /* "APP ROOT VERSION" */
	char **held;      /* "APP [REASON]" */
} WireHello;

/* Lists and reasons that would not fit WIRE_HELLO_MAX are cut. */
char *wire_hello_format(const WireHello *hello);
/* CORRUPT for what is missing or not of its form. */
WireHello *wire_hello_parse(const char *text, gsize len, GError **error);
void wire_hello_free(WireHello *hello);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WireHello, wire_hello_free)

typedef struct {
	char *software;
	char head[41];          /* of orders, or "-" */
	gint64 now_utc, now_ms; /* as above */
	char reports_head[41];  /* or "-" */
	gboolean reports_lost;  /* its ledger lacks one of `reported` */
} WireHelloReply;

char *wire_hello_reply_format(const WireHelloReply *reply);
WireHelloReply *wire_hello_reply_parse(const char *text, gsize len, GError **error);
void wire_hello_reply_free(WireHelloReply *reply);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WireHelloReply, wire_hello_reply_free)
