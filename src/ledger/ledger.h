/* SPDX-License-Identifier: ISC */
/*
 * The ledger of one base: a small bare git repository (STATE/ledger/BASE.git, and its mirror).
 *
 *   refs/heads/orders    signed commits: message = summary line, empty line, order text; tree =
 *                        { tag } (the raw tag object) or empty; gpgsig = SSHSIG, namespace git;
 *                        an entry of kind "keys" changes who signs from then on
 *   refs/heads/reports   commits made by central: message = summary, empty line, report text;
 *                        tree = { signature, keys/ }: the keys of all reports before it, each
 *                        with its commit, so that a report sent twice is found without a walk
 *
 * HEAD names orders, so a plain `git log` reads well. A signed head vouches for all of its history.
 * Append is objects, then the ref by compare and swap (AGAIN if it moved): a crash leaves the entry
 * there or not.
 */
#pragma once

#include "order/accepted.h"
#include "order/order.h"
#include "repo/repo.h"
#include "trust/keys.h"

#define LEDGER_ORDERS "refs/heads/orders"
#define LEDGER_REPORTS "refs/heads/reports"
/* An older head is answered by central with a heartbeat; at a base, half a day later it is an
 * alarm: somebody may be keeping news from it. */
#define LEDGER_BEAT_S (24 * 3600)
#define LEDGER_STALE_S (36 * 3600)
#define LEDGER_SEEN "refs/tagship/seen"         /* mirror: fetched, not yet verified */
#define LEDGER_ACCEPTED "refs/tagship/accepted" /* mirror: verified */

typedef struct {
	char oid[REPO_OID];
	Order *order;
	char *tag_oid_blob; /* blob with the tag object, or NULL */
} LedgerEntry;

/* Creates (or opens) STATE/ledger/BASE.git. */
Repo *ledger_create(const char *state_path, const char *base, GError **error);
Repo *ledger_open(const char *state_path, const char *base, GError **error);

/* Sets order->seq to the last + 1 and appends, signed with key_file. tag_object may be NULL. An
 * order that would not read back, or is for another base than the entries before, is refused. */
gboolean ledger_append(Repo *ledger, Order *order, GBytes *tag_object, const char *key_file,
		       char ret_oid[REPO_OID], GError **error);
/* Entries from `ref` back to (not including) `until` (oid or NULL), oldest first. A missing
 * ref gives an empty array; one that does not descend from `until` is CORRUPT. */
GPtrArray *ledger_entries(Repo *ledger, const char *ref, const char *until, GError **error);
/* The raw tag object of an entry, or NULL without error if it has none. */
GBytes *ledger_entry_tag(Repo *ledger, const LedgerEntry *entry, GError **error);

/* The check before a mirror accepts `head`: signed by one of keys, as the new entries change them,
 * descends from `accepted` (REPO_ZERO, "" or NULL at first), every new entry parses, names this
 * base, holds at most a tag object, and the sequence goes on by one (from 1). NOT_AUTHENTIC: no
 * signature of these keys, a head that went back or was forked. CORRUPT: a signed ledger that is
 * wrong, with the commit. The accepted head itself is always fine. So is a fork with a revocation
 * that is not in what was accepted: that may be a thief's.
 * *keys: what counts as of `accepted`; on success, as of `head`. */
gboolean ledger_verify(Repo *mirror, const char *head, const char *accepted, const char *base,
		       TrustKeys **keys, GError **error);
/* The same by keys that do not change, for who signs himself. */
gboolean ledger_verify_by(Repo *mirror, const char *head, const char *accepted, const char *base,
			  const char *const *keys, GError **error);

/* Current orders folded from entries: newest revision of each release, cancels applied to
 * `cancelled`. Keys are release ids, values LedgerOrder. */
typedef struct {
	Order *order;       /* newest revision */
	gboolean cancelled; /* a cancel came after it */
	char *cancel_reason;
	guint64 cancel_seq;
	guint64 gate_seq; /* of the first gate entry, which is final; 0: none yet */
	gboolean gate_open;
	char *gate_reason;
} LedgerOrder;
GHashTable *ledger_fold(const GPtrArray *entries);
/* As a base keeps it (order/accepted.h). */
AcceptedOrder *ledger_order_accepted(const LedgerOrder *from);

/* What central stopped and did not resume. Keys are apps, "-" for all of them; values LedgerStop.
 */
typedef struct {
	guint64 seq;
	gint64 since_utc;
	char *reason;
} LedgerStop;
GHashTable *ledger_stops(const GPtrArray *entries);
/* The stop that holds this app, its own or that of all, or NULL. */
const LedgerStop *ledger_stop_of(GHashTable *stops, const char *app);

/* Idempotent by report_key: a report already there gives its commit id again. The signature is the
 * caller's to check. Two writers: the second tries again by itself. */
gboolean ledger_report_append(Repo *ledger, const Report *report, const char *text,
			      const char *signature, gint64 now_utc, char ret_oid[REPO_OID],
			      GError **error);
/* All reports, oldest first (Report *). */
GPtrArray *ledger_reports(Repo *ledger, GError **error);

/* A report by its key, and the commit that has it. */
typedef struct {
	char *key;
	char oid[REPO_OID];
} LedgerReported;
/* Those of the newest `max` reports, newest first. */
GPtrArray *ledger_reported(Repo *ledger, guint max, GError **error);

/* ---- a piece of a ledger as a stream of parts ---- */

#define LEDGER_PIECE_MAX (64 * 1024 * 1024) /* of all objects */

/* Part HEAD, then per object part "commit", "tree" or "blob" and part content, then part "end":
 * from `head` back to `have`, which is not sent ("-", or one that is not there: all). */
gboolean ledger_send(Repo *ledger, const char *head, const char *have, UtilStream *stream,
		     GError **error);
/* The objects into the repository, as one pack. No ref moves, and nothing is believed of them: that
 * is for ledger_verify. */
gboolean ledger_take(Repo *ledger, UtilStream *stream, char ret_head[REPO_OID], GError **error);
