/* SPDX-License-Identifier: ISC */
/*
 * What a base does next with one app: pure functions of (state, facts). The state is folded from
 * the app's journal and the accepted orders; the shells in activate, stage and mirror perform the
 * action and journal what came of it. Nothing here does I/O or looks at a clock.
 *
 *   DecideApp *app = decide_app_new(name);
 *   for each journal record: decide_app_record(app, record, error);
 *   for each accepted order: decide_app_order(app, order, cancelled, cancel_seq, cancel_reason);
 *   DecideStep step; decide_app_next(app, &facts, FALSE, &step);
 *   decide_app_free(app);
 *
 * All pointers handed out belong to the DecideApp.
 *
 * Journal records are trailers with "Event", "Time" and, where they concern an order, "Release",
 * "Seq" and "Version". Events and their further keys ([]: may be missing):
 *
 *   staged        Root Tree                    complete tree (folder VERSION-ROOT8) beside live
 *   stage-failed  Reason                       will be tried again
 *   refused       Reason                       can never be staged here: the order has failed
 *   held, unheld  [Release] [Reason] [By]      without Release: the whole app
 *   before-begins                              `before` is about to run
 *   before        [Reason]                     `before` ran (Reason, in older journals: it failed,
 *                                              which "failed" follows)
 *   intent        Root Tree [At] Attempt [From-Target] [From-Tree] [From-Root] [From-Version]
 *                 [Dev Ino] [From-Dev From-Ino]
 *                 [By] [Hand] [Migrated] [Data] [Detail] [Supersedes...]
 *                 [Bridge-Link Bridge-Was Bridge...]
 *                                              the commit point: "activating" from here on;
 *                                              By: an operator goes back to Tree, or with "Hand:
 *                                              yes" activates the order; "Migrated: yes": the
 *                                              data is the new version's already; "Data: back":
 *                                              unmigrate stands for migrate, see DecideData;
 *                                              Supersedes: releases that end once this is live;
 *                                              Bridge-*: what the bridge is to be, see
 *                                              DecideBridge
 *   stopped                                    `stop` has ended
 *   migrated                                   `migrate` begins: data may change from here on; in
 *                                              the undo of a way back ("Data: back"): it was
 *                                              migrated again
 *   unmigrated                                 the reverse: in undo, `unmigrate` went well; in a
 *                                              way back, `unmigrate` begins
 *   switched                                   current points to Tree
 *   started                                    `start` begins: the new version may run
 *   undo          Reason                       undo begins
 *   live          Root Tree [At] Outage-Ms [By]    At: go-live time, else Time
 *   rolled-back   [Root Tree Serves-Version] Outage-Ms Reason [By]   what serves now
 *   down          Reason                       nothing healthy serves
 *   failed        Reason                       never switched, the old version was not touched
 *   missed, cancelled, superseded  Reason
 *   too-late      Reason                       a cancel came after intent; said once
 *   after         [Reason]                     `after` ran (Reason: it failed)
 *   report        Key                          the report of that key was put into ROOT/pending
 *   reported      Key Commit                   central has it
 *   pruned        Tree                         removed from disk
 *   pinned        Tree Version [By]            not to be removed until unpinned
 *   unpinned      Tree [Version] [By]
 *   maintenance-on   [Reason] [By]             the flag file is to be there
 *   maintenance-off  [By]
 *   unbridged                                  no tree is kept for the bridge any more
 *
 * Records that are reported may also carry Detail, Log-End, Serves, Order-Version, Order-Root and,
 * from the second on, Round: an intent of an order that has ended begins a new round of it, whose
 * end replaces the one before.
 *
 * An unknown event is CORRUPT. An event that cannot follow (an end for an order that has ended) is
 * read and changes nothing; a phase without its intent, and an intent within another one, are
 * CORRUPT.
 *
 * Rules. Orders of one app rank by (go-live time, sequence); when one goes live, every lower one
 * that has not ended is superseded. Of several that are due the highest goes first, so that
 * what it supersedes causes no outage; should it fail, the next is tried. A `now` order is due as
 * soon as it is staged, and missed 24 h after its time. A hold stops activation only; an order held
 * beyond its grace is missed. A cancel before `intent` ends the order, after it it is too late. A
 * newer revision of an order that has ended changes nothing. A revision with another root needs
 * staging again. An operator may activate, at any time and whatever is held here, what is staged
 * and what ended without serving, unless it was cancelled, a later order serves, or central stopped
 * the app. He brings it forward: it ranks by when it was done, so that what comes after it still
 * may; what it would have superseded at its time it supersedes then.
 *
 * An order that is gated waits for central's gate entry: open, it goes at its time; shut, it is
 * missed at once. A base that has read no ledger since the order's gate time is cut off: then the
 * order's policy holds, go or hold, also for an order that waits for nobody. With `go`, so does one
 * that lost its line after that, before central's word came. A stop by central is a
 * hold of the whole app that central ends.
 *
 * A base that keeps signers of its own refuses an order whose signed tag does not give it, unless
 * that comes after the commit point. One without a signed tag may only bring back what was live
 * last before what is live, or that itself; whenever it would do something else, it is refused.
 */
#pragma once

#include "order/order.h"

#define DECIDE_NOW_LIMIT_S (24 * 3600)

typedef enum {
	ORDER_ORDERED,
	ORDER_FETCHING,
	ORDER_STAGED,
	ORDER_ACTIVATING,
	ORDER_LIVE,
	ORDER_ROLLED_BACK,
	ORDER_DOWN,
	ORDER_FAILED,
	ORDER_MISSED,
	ORDER_CANCELLED,
	ORDER_SUPERSEDED
} OrderState;
#define ORDER_STATE_COUNT (ORDER_SUPERSEDED + 1)
const char *order_state_name(OrderState state);
gboolean order_state_ended(OrderState state);

/* One order as this base sees it. */
typedef struct {
	Order *order; /* newest accepted revision */
	OrderState state;
	gboolean cancel_asked; /* accepted cancel */
	guint64 cancel_seq;
	char *cancel_reason;
	gboolean held; /* this order */
	char *hold_reason;
	gboolean gate_decided, gate_open; /* central's word on a gated order */
	char *gate_reason;
	OrderTrust trust; /* by this base's own signers */
	char *trust_reason;
	char *tree;   /* once staged: VERSION-ROOT8 */
	char *reason; /* of the last failure */
	gint64 ended_utc;
	gint64 outage_ms;
	gboolean too_late_said;
	gboolean before_done; /* `before` ran to its end */
	gboolean after_owed;  /* `before` or more ran, and `after` did not yet */
	gint64 round;         /* 1, and one more each time it is taken up again after its end */
} DecideOrder;

typedef struct DecideApp DecideApp;

DecideApp *decide_app_new(const char *app);
void decide_app_free(DecideApp *app);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DecideApp, decide_app_free)

gboolean decide_app_record(DecideApp *app, const UtilTrailers *record, GError **error);
/* After all records. Orders of another app, cancels and heartbeats are left out. */
void decide_app_order(DecideApp *app, const Order *order, gboolean cancelled, guint64 cancel_seq,
		      const char *cancel_reason);
/* After decide_app_order: what this base's own signers make of it. */
void decide_app_trust(DecideApp *app, const char *release, OrderTrust trust, const char *reason);
/* After decide_app_order: central's gate entry for an accepted order, and its stop of the app. */
void decide_app_gate(DecideApp *app, const char *release, gboolean open, const char *reason);
void decide_app_stop(DecideApp *app, const char *reason);
/* DecideOrder array, by go-live time, then sequence. */
const GPtrArray *decide_app_orders(const DecideApp *app);
const DecideOrder *decide_app_find(const DecideApp *app, const char *release);
/* A `now` order that ranks above it is about to go live and supersede it. One that is held, or that
 * could not be staged, is not about to. */
gboolean decide_app_outranked(const DecideApp *app, const DecideOrder *order);
/* Worth fetching and staging now: it waits, nobody asked to cancel it, and it is not outranked. */
gboolean decide_app_wants(const DecideApp *app, const DecideOrder *order);
/* Live and last good trees by the journal; NULL if none. After `down` nothing is live, and
 * what was live before is the last good. */
const char *decide_app_live_tree(const DecideApp *app);
const char *decide_app_live_root(const DecideApp *app);
const char *decide_app_live_version(const DecideApp *app);
const char *decide_app_last_good_tree(const DecideApp *app);
gint64 decide_app_live_since(const DecideApp *app);
gboolean decide_app_held(const DecideApp *app, const char **ret_reason);
/* TRUE if central stopped it. */
gboolean decide_app_stopped(const DecideApp *app, const char **ret_reason);
/* TRUE after `down`, until something serves again. */
gboolean decide_app_is_down(const DecideApp *app);
/* The release (and the sequence number it had) that made live what is live, or after whose
 * activation the app is down; NULL if there was none. An operator's rollback is reported under it.
 */
const char *decide_app_last_release(const DecideApp *app, guint64 *ret_seq);
/* Version and root of a tree that was live here, NULL if it never was or is pruned. */
const char *decide_app_tree_version(const DecideApp *app, const char *tree);
const char *decide_app_tree_root(const DecideApp *app, const char *tree);
/* Trees an operator wants kept: DecidePin array, in the order of pinning. */
typedef struct {
	char *tree, *version;
} DecidePin;
const GPtrArray *decide_app_pins(const DecideApp *app);
/* Since when an operator has the app in maintenance, 0: he has not. */
gint64 decide_app_maintenance(const DecideApp *app, const char **ret_reason);
/* The bridge: files of versions that were left and that the new one lacks stay reachable for a
 * while, so that pages that are open go on working. Its sources are trees, newest first; each as
 * trailer value "TREE ROOT UNTIL". The intent names those that are to be; once its tree serves,
 * they are. */
typedef struct {
	char *tree, *root;
	gint64 until_utc;
} DecideBridge;
#define DECIDE_BRIDGE_MAX 20
void decide_bridge_free(DecideBridge *bridge);
char *decide_bridge_format(const DecideBridge *bridge);
/* The sources in effect (DecideBridge array). */
const GPtrArray *decide_app_bridge(const DecideApp *app);
/* This tree is a source, or one of an activation that is open: it must not be removed. */
gboolean decide_app_bridges(const DecideApp *app, const char *tree);
/* What they become when `to_tree` takes the place of a tree (NULL: of none that is known) with the
 * bridge as long as this; 0: none. Free with g_ptr_array_unref. */
GPtrArray *decide_app_bridge_next(const DecideApp *app, const char *from_tree,
				  const char *from_root, const char *to_tree, gint64 now_utc,
				  gint64 bridge_s);
/* There are sources, and the time of all is over. */
gboolean decide_app_bridge_is_over(const DecideApp *app, gint64 now_utc);
/* An order whose `after` has to run now, or NULL: it has ended, or its `before` was interrupted. */
const DecideOrder *decide_app_owes_after(const DecideApp *app);

/* An activation the journal shows as begun and not ended: what was done so far. */
typedef struct {
	const DecideOrder *order;                               /* NULL: none open */
	gboolean stopped, migrated, switched, started, undoing; /* migrated: and not taken back */
	gboolean back;      /* an operator goes back to `tree` */
	gboolean data_back; /* unmigrate stands for migrate */
	gint64 attempt;
	const char *tree, *from_tree, *from_root; /* from_*: NULL if unknown */
	gint64 intent_utc;
	const UtilTrailers *intent; /* the whole record of the first attempt */
} DecideOpen;
void decide_app_open(const DecideApp *app, DecideOpen *ret_open);

/* What `migrate` makes of the data counts as a step; each version that was live is known to run on
 * the data of the step that it was live on. Where a command began and did not end well the data may
 * be of any step between two: then no version that was live fits it as it is. */
typedef enum {
	DECIDE_DATA_UNKNOWN, /* it was never live here */
	DECIDE_DATA_SAME,
	DECIDE_DATA_OLDER, /* it may start only after `unmigrate` */
	DECIDE_DATA_NEWER  /* it may start only after `migrate` */
} DecideData;
/* The data of this root (may be NULL) against what there is now. */
DecideData decide_app_data(const DecideApp *app, const char *root);

/* May an operator activate this order now, if its tree is still on the disk? */
gboolean decide_app_may_by_hand(const DecideApp *app, const DecideOrder *order);
/* The order an operator means by a version (NULL: the only one there is) and may activate now. Else
 * NULL and REFUSED, which says why, or which there are. The disk is not looked at. */
const DecideOrder *decide_app_by_hand(const DecideApp *app, const char *version, GError **error);

typedef struct {
	gint64 now_utc;
	gboolean clock_trusted;
	/* If it is not: what it should say by the time since boot; 0: not known. An order is then
	 * due only when both say so, and nothing is missed. */
	gint64 projected_utc;
	gint64 lead_s;        /* of the app's `before`; 0 if it has none */
	gint64 heard_utc;     /* when an authentic ledger was last read; 0: never */
	gboolean line_failed; /* and the last try to reach central did not work */
} DecideFacts;

/* May an order go as far as its gate and the line are concerned? */
typedef enum {
	GATE_GO,
	GATE_WAIT,   /* for central's word */
	GATE_CUT_OFF /* no central, and its policy is to hold */
} DecideGate;
DecideGate decide_gate(const DecideOrder *order, const DecideFacts *facts);

typedef enum {
	STEP_NONE,     /* wait until next_utc (0: for a pull) */
	STEP_RECOVER,  /* an open activation: finish or undo it first */
	STEP_CANCEL,   /* journal "cancelled" */
	STEP_TOO_LATE, /* journal "too-late" */
	STEP_REFUSE,   /* journal "refused" */
	STEP_SUPERSEDE,
	STEP_MISS,
	STEP_STAGE,   /* needs staging (pull and stage look here) */
	STEP_PREPARE, /* due within lead: check the tree, run `before` */
	STEP_ACTIVATE
} DecideStepKind;

typedef struct {
	DecideStepKind kind;
	const DecideOrder *order;
	gint64 next_utc;    /* NONE: when to look again */
	const char *reason; /* for people; NULL for NONE, RECOVER, STAGE, PREPARE, ACTIVATE */
} DecideStep;

/* The most urgent step. Staging steps are only given with stage TRUE, activation steps only with
 * stage FALSE, the bookkeeping ones (CANCEL, TOO_LATE, REFUSE, SUPERSEDE, MISS) with both. */
void decide_app_next(const DecideApp *app, const DecideFacts *facts, gboolean stage,
		     DecideStep *ret_step);

/* After a restart within an open activation (design section 7): */
typedef enum {
	RECOVER_UNDO,  /* before the switch, or a second interruption */
	RECOVER_GO_ON, /* after the switch: start and health once more */
	RECOVER_DOWN   /* migrated, no unmigrate: old code must not start */
} DecideRecovery;
/* has_unmigrate: for an operator's way back, whether there is a `migrate`. */
DecideRecovery decide_recovery(const DecideOpen *open, gboolean has_unmigrate);
