/* SPDX-License-Identifier: ISC */
/*
 * Orders and reports: the text that travels in a ledger. Pure; formats are trailer text whose
 * first line is "Tagship-Order: 1" (to 3) or "Tagship-Report: 1" (or 2). An unknown format number
 * is UNSUPPORTED; an unknown key is CORRUPT unless it starts with "X-" (such lines are for later
 * versions, and formatting again drops them). One is of a newer format only if it has something
 * that older ones have not, so that who knows only those reads all that he can obey.
 *
 *   g_autoptr(Order) order = order_new(ORDER_KIND_ORDER);    fill in; strings are owned by it
 *   order_add_bundle(order, …);
 *   g_autofree char *text = order_format(order);
 *   g_autoptr(Order) again = order_parse(text, strlen(text), &error);
 *
 * There is one way to write an order: keys in the order below, none twice but Bundle, numbers
 * without leading zeros, no empty values. Anything else is CORRUPT, so that the text of a parsed
 * order formats to the same bytes. What each kind has (2, 3: only in that format, which has it):
 *
 *   Tagship-Order: 1 | 2 | 3
 *   Kind: order | cancel | heartbeat      2: gate | stop | resume      3: keys
 *   Seq: 1 and up
 *   Written: 2026-11-24T07:20:00Z
 *   Base: NAME                            heartbeat ends here
 *   Statement: 1 to 4,096 bytes           keys alone, which ends with
 *   Signature: 1 to 4,096 bytes           (trust/keys.h has what they are)
 *   Release: 40 hex digits                not for stop and resume
 *   App: NAME                             "-" for a stop or resume of all apps;
 *                                         cancel, stop, resume go on with Reason
 *   Gate-Open: yes | no                   gate alone, which goes on with Reason
 *   Tag: TAG NAME
 *   Version: TAG NAME
 *   Root: 64 hex digits
 *   Commit: 40 hex digits
 *   Files: 0 to 2^31 - 1
 *   Bytes: 0 to 2^50
 *   At: 2026-12-01T02:00:00Z
 *   Now: yes | no
 *   Grace-S: 0 to 7 days
 *   Max-Outage-S: 0 to 24 h
 *   If-Cut-Off: go | hold
 *   Wave: N/ALL                           2, absent if there is but one
 *   Gate: alone | all-staged | quorum N%  2, absent if it waits for nobody
 *   Gate-At: 2026-12-01T01:50:00Z         2, with Gate at least: see gate_at_utc
 *   Not-After: 2026-12-01T02:20:00Z       2, may be absent: the last second it may start at, if
 *                                         that is sooner than otherwise
 *   Local: one line of 1 to 200 bytes     may be absent
 *   Reason: 1 to 4,096 bytes              may be absent; lines after the first are folded
 *   Bundle: OLD SHA256 BYTES CODEC DECODED MEMORY     any number, a different OLD each
 *
 * A report likewise; every key but the last two must be there:
 *
 *   Tagship-Report: 1 | 2
 *   Base: NAME
 *   Incarnation: 1 and up
 *   Release: 40 hex digits                "-" where a whole app is held or unheld; then
 *   Seq: 1 and up                         0,
 *   Round: 2 and up                       format 2, which has it; else it is 1
 *   App: NAME
 *   Version: TAG NAME                     "-" and
 *   Root: 64 hex digits                   "-"
 *   Event: staged | live | …              see ReportEvent
 *   Time: 2026-12-01T02:00:04Z
 *   Serves: 64 hex digits | -
 *   Outage-Ms: -1 to 31 days
 *   Detail: 1 to 4,096 bytes              absent when empty
 *   Log-End: 1 to 65,536 bytes            absent when empty
 *   Node: NAME EVENT TIME OUTAGE-MS [DETAIL]    for event "nodes" alone: at least one, names
 *                                         ascending; or NAME -: it reported nothing of it yet
 *
 * Formatting cuts texts to these lengths (Log-End at its start) and replaces control characters by
 * '?'; fields that must be there and are NULL give text that parsing refuses.
 * No crash behaviour: nothing is written.
 */
#pragma once

#include "plan/plan.h"

#define ORDER_TEXT_MAX (256 * 1024)
#define ORDER_LINE_MAX 200         /* bytes of local_text */
#define ORDER_NOTE_MAX 4096        /* bytes of reason and detail */
#define REPORT_LOG_MAX (64 * 1024) /* bytes of log_end */

typedef enum {
	ORDER_KIND_ORDER,     /* run version at time */
	ORDER_KIND_CANCEL,    /* withdraw order `release` */
	ORDER_KIND_HEARTBEAT, /* nothing, but central was alive at written_utc */
	ORDER_KIND_GATE,      /* order `release` may activate, or shall not */
	ORDER_KIND_STOP,      /* nothing of the app activates until a resume */
	ORDER_KIND_RESUME,
	ORDER_KIND_KEYS /* central signs with another key from here on */
} OrderKind;

/* What a base that keeps signers of its own makes of an order. */
typedef enum {
	ORDER_TRUST_CENTRAL,  /* it keeps none: central's word is enough */
	ORDER_TRUST_SIGNED,   /* its signed tag says the same */
	ORDER_TRUST_UNSIGNED, /* no signed tag came: it may only go back */
	ORDER_TRUST_REFUSED   /* its tag says otherwise, or by nobody who may */
} OrderTrust;
/* "-", "signed", "unsigned", "refused", and back: FALSE for anything else. */
const char *order_trust_name(OrderTrust trust);
gboolean order_trust_parse(const char *name, OrderTrust *ret_trust);

/* One way to get the tree: from old_root ("-": from nothing) by this bundle. */
typedef struct {
	char *old_root;
	char *sha256; /* of the bundle file */
	guint64 bytes;
	char *codec;
	guint64 decoded_bytes;
	guint64 memory_bytes;
} OrderBundle;

typedef struct {
	OrderKind kind;
	guint64 seq; /* counts up by one per ledger; ranks revisions and equal times */
	gint64 written_utc;
	char *base;
	char *statement, *signature; /* KEYS alone, without their last newlines */
	/* all below: ORDER; CANCEL and GATE have release, app and reason, STOP and RESUME app and
	 * reason, HEARTBEAT and KEYS nothing */
	char *release;      /* tag object id, 40 hex */
	char *app;          /* NULL for a STOP or RESUME of all */
	gboolean gate_open; /* GATE */
	char *tag;          /* the plan tag's name */
	char *version;
	char *root;
	char *commit;
	guint64 files;
	guint64 bytes;   /* of all files */
	gint64 at_utc;   /* go-live; for is_now the time of the push */
	gboolean is_now; /* as soon as staged, until at_utc + 24 h */
	gint64 grace_s;
	gint64 max_outage_s; /* 0: the base's own */
	gboolean cut_off_hold;
	guint wave, waves; /* from 1; 1 of 1 without waves */
	/* It waits for a GATE entry: a gate that is not alone, or a wave that is not the first. */
	gboolean gated;
	PlanGate gate;
	guint quorum_percent;
	/* A base that has read no ledger since is cut off, and cut_off_hold tells; 0 in orders that
	 * wait for nobody and go. */
	gint64 gate_at_utc;
	gint64
	    not_after_utc; /* the last second it may start at; 0: as its grace, or `now`, has it */
	char *local_text;  /* go-live in the base's zone, and that zone, for people */
	char *reason;
	GPtrArray *bundles; /* OrderBundle; may be empty: the base is thought to hold the tree */
} Order;

Order *order_new(OrderKind kind);
Order *order_copy(const Order *order);
void order_free(Order *order);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Order, order_free)
/* Soonest go-live first, `now` before all; at equal times by sequence number. As strcmp. */
gint order_compare_due(const Order *a, const Order *b);
/* In place of the one from the same old root, if there is one. */
void order_add_bundle(Order *order, const char *old_root, const char *sha256, guint64 bytes,
		      const char *codec, guint64 decoded_bytes, guint64 memory_bytes);

/* One bundle as trailer value "OLD SHA256 BYTES CODEC DECODED MEMORY", and back. Records of
 * central use the same form. */
char *order_bundle_format(const OrderBundle *bundle);
OrderBundle *order_bundle_parse(const char *text, GError **error);
void order_bundle_free(OrderBundle *bundle);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(OrderBundle, order_bundle_free)
/* The entry for this old root, or NULL. */
const OrderBundle *order_find_bundle(const Order *order, const char *old_root);

char *order_format(const Order *order);
Order *order_parse(const char *text, gsize len, GError **error);
/* A line for people: "order 12: shop v1.4.0 at 2026-12-01T02:00:00Z". */
char *order_summary(const Order *order);

/* What a base did, or found. */
typedef enum {
	REPORT_STAGED,
	REPORT_LIVE,
	REPORT_ROLLED_BACK,
	REPORT_DOWN,
	REPORT_FAILED,
	REPORT_MISSED,
	REPORT_CANCELLED,
	REPORT_SUPERSEDED,
	REPORT_TOO_LATE, /* a cancel that came after the commit point */
	REPORT_HELD,     /* an operator holds it; text says why */
	REPORT_UNHELD,
	REPORT_NODES /* what the site's servers did that have this base as upstream */
} ReportEvent;
/* "staged", "live", "rolled-back", … */
const char *report_event_name(ReportEvent event);
gboolean report_event_parse(const char *name, ReportEvent *ret_event);
/* TRUE for the events after which the order is over. */
gboolean report_event_ends(ReportEvent event);

/* A server of the base's site, in a report of event "nodes". */
typedef struct {
	char *name;
	gboolean reported; /* else the rest says nothing */
	ReportEvent event;
	gint64 time_utc;
	gint64 outage_ms; /* -1: none */
	char *detail;     /* may be empty */
} ReportNode;
#define REPORT_NODES_MAX 200
#define REPORT_NODE_DETAIL_MAX 300

typedef struct {
	char *base;
	gint64 incarnation;
	char *release;
	guint64 seq;
	gint64 round; /* 1, and one more each time the order is taken up again after its end */
	char *app;
	char *version;
	char *root;        /* of the order */
	char *serves_root; /* what serves after the event, or "-" */
	ReportEvent event;
	gint64 event_utc;
	gint64 outage_ms; /* stop called to healthy, -1 if there was none */
	char *detail;     /* reason or note, may be empty */
	char *log_end;    /* last lines of output, may be empty */
	GPtrArray *nodes; /* ReportNode; empty unless the event is "nodes" */
} Report;

Report *report_new(void);
void report_free(Report *report);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Report, report_free)
char *report_format(const Report *report);
Report *report_parse(const char *text, gsize len, GError **error);
/* In the order of names; strings are copied. */
void report_add_node(Report *report, const ReportNode *node);
/* "RELEASE.SEQ.EVENT", its identity within one base and a file name ("-" for a NULL release). From
 * its second round on "-ROUND" stands behind it. Of event "nodes" there may be several, so that 8
 * digits of what it says stand there. Of a base that was replaced ".INCARNATION" follows: new
 * hardware does everything anew. */
char *report_key(const Report *report);
