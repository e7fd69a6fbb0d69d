/* SPDX-License-Identifier: ISC */
/*
 * Central's end of the line: one verb for one base, as sshd's forced command (or over a socket
 * pair); or a base's end, for a node of its site (see site/site.h), with what the base has itself.
 * Identity is the name on the command line, never what the peer says. A base reaches its own ledger
 * and the bundles its ledger names, nothing else.
 *
 *   g_autoptr(UtilStream) stream = util_stream_from_fds(0, 1, timeout_ms);
 *   if (!serve_verb(&spec, ssh_original_command, stream, &error)) return
 * util_error_exit_status(error);
 *
 * Writes: reports (ledger, compare and swap), hints into queue/in (Hint: want, report), and
 * STATE/sending/BASE (trailer text, every few seconds of a "get": Time, Since, App, Version, and of
 * the bundle From, Offset, Bytes), STATE/contacts/BASE (trailer text: Time, Software, Formats,
 * Codecs, Memory-Bytes, Zlib, Features, Disk-Free-Bytes, Line-Kbit, Line-Rtt-Ms, Head, Ahead,
 * Clock-Offset-S, Clock-Offset-Ms (as the base measured it), Live and Held lines of the last hello;
 * Ahead is there if the base has accepted orders that this ledger lacks: central was restored;
 * By-File in place of the offset if it came in an export file, then with Want lines "OLD NEW"). A
 * crash leaves either done or not done; the base asks again.
 */
#pragma once

#include "ledger/ledger.h"
#include "store/store.h"
#include "wire/proto.h"

typedef struct {
	const char *state_path; /* a base's ROOT for a node */
	const char *base;
	const char *node;     /* NULL: central serves the base itself */
	const char *base_key; /* public key its (the node's) reports are signed with */
	gint64 incarnation;   /* not looked at for a node: it has its key */
	/* our own keys, to know what we signed (give), and the one we sign with; or NULL */
	const TrustKeys *own_keys;
	const char *own_key;
	UtilClock *clock;
	int state_dirfd; /* opened before confinement; 0: serve_verb opens it */
} ServeSpec;

/* Confines this process, once, before any thread, to what serve_verb of this spec needs (see
 * confine.h): it reads the base's own ledger and the bundles, writes objects, refs, contacts and
 * hints, runs git and ssh-keygen, and reaches neither private keys nor other bases' ledgers nor the
 * network. Makes the folders, and a ledger, that the verb might make. */
gboolean serve_confine(const ServeSpec *spec, const char *verb_line, GError **error);

/* Tells the peer, as it reads errors after this verb line: git has a packet for them. */
void serve_refuse(const char *verb_line, UtilStream *stream, const GError *reply);

/* Answers the verb line on the stream; upload-pack execs git on descriptors 0 and 1 and does not
 * return on success. An error reply was sent already when FALSE comes back (for the log and exit
 * status). */
gboolean serve_verb(const ServeSpec *spec, const char *verb_line, UtilStream *stream,
		    GError **error);

typedef struct {
	gint64 written_utc;   /* the file */
	gint64 heard_utc;     /* last contact before it, 0: never */
	guint reports, fresh; /* in the file; not in the ledger before */
	gboolean contact;     /* recorded: the file is newer than the last one */
	gboolean ledger;      /* it brought a ledger that was lost here */
	gboolean
	    reports_lost; /* it knows of reports that were lost here; the base can bring them */
	guint wants;      /* bundles that were not there, and are being made */
} ServeImported;

/* Takes in an export file that a base wrote: what it says as hello, report, want and give would on
 * the line. All of it is checked before anything is written. An old file changes nothing, and is no
 * error: nothing fresh, no contact. To be confined for that: serve_confine with "give". */
gboolean serve_import(const ServeSpec *spec, int fd, ServeImported *ret_imported, GError **error);
