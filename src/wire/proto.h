/* SPDX-License-Identifier: ISC */
/*
 * What is said on the line. A call is one verb line (the ssh exec string), tokens separated by
 * single spaces, [A-Za-z0-9./:_-] only, at most 512 bytes: no quoting, no shell.
 *
 *   hello                   in: trailer text, then end of input; out: reply + trailer text
 *   git-upload-pack         git's protocol, own ledger only, no reply line before it
 *   want OLD NEW            out: reply; "again" while the bundle is being made
 *   get BUNDLE OFFSET       out: reply "ok LENGTH" + LENGTH raw bytes (from OFFSET to the end)
 *   report                  in: "SIZE\n" + report text, "SIZE\n" + signature, end of input;
 *                           out: "ok" + line with central's commit id
 *   give                    in: part HEAD, then per object part "commit", "tree" or "blob" and
 *                           part content, then part "end" (a part is "SIZE\n" + bytes); out: "ok".
 *                           The base returns what a restored central lost
 *   watch HEAD              out: "ok", then a line with the head of orders whenever it is another
 *                           than HEAD or the one told last; ends when the input does
 *
 * A reply is one line: "ok [LENGTH]" or "error CODE TEXT", CODE one of failed usage refused corrupt
 * not-authentic not-found again no-space unsupported exists, TEXT printable.
 *
 * hello, from the base: Tagship-Hello: 1, Software, Base, Incarnation, Formats, Codecs,
 * Memory-Bytes, Head (accepted commit or "-"), Now (UTC), Zlib, Features, Line-Kbit, Line-Rtt-Ms
 * and Disk-Free-Bytes where they are known, and one "Live: APP ROOT VERSION" per app that runs and
 * "Held: APP REASON" per hold. Reply: Tagship-Hello: 1, Software, Head (of orders, or "-"), Now,
 * Reports-Head. See wire/hello.h.
 */
#pragma once

#include "util/util.h"

#define WIRE_VERB_MAX 512
#define WIRE_HELLO_MAX (64 * 1024)
#define WIRE_REPLY_MAX 1024 /* a reply line; longer texts are cut */
/* Largest report and signature in a "report". */
#define WIRE_REPORT_MAX (256 * 1024)
#define WIRE_SIGNATURE_MAX (16 * 1024)

typedef enum {
	WIRE_HELLO,
	WIRE_UPLOAD_PACK,
	WIRE_WANT,
	WIRE_GET,
	WIRE_REPORT,
	WIRE_WATCH,
	WIRE_GIVE
} WireVerb;

typedef struct {
	WireVerb verb;
	char old_root[UTIL_SHA256_HEX]; /* WANT; "-" for nothing */
	char hash[UTIL_SHA256_HEX];     /* WANT: new root; GET: bundle */
	char head[41];                  /* WATCH; "-" for nothing */
	guint64 offset;                 /* GET */
} WireRequest;

/* Strict; USAGE for anything else. git's own spelling "git-upload-pack 'PATH'" is accepted, the
 * path ignored (identity decides). */
gboolean wire_request_parse(const char *line, gsize len, WireRequest *ret_request, GError **error);
char *wire_request_format(const WireRequest *request);

/* Writes "ok\n" or "ok LENGTH\n" (length >= 0). */
gboolean wire_reply_ok(UtilStream *stream, gint64 length, GError **error);
gboolean wire_reply_error(UtilStream *stream, const GError *reply, GError **error);
/* Reads a reply line; an "error" reply becomes *error with its code and "central: TEXT".
 * ret_length: -1 if none was given; may be NULL. */
gboolean wire_reply_read(UtilStream *stream, gint64 *ret_length, GError **error);

/* All up to the end of the stream, at most max_bytes (more is CORRUPT), with a NUL behind that the
 * length does not count. */
char *wire_read_all(UtilStream *stream, gsize max_bytes, gsize *ret_len, GError **error);
