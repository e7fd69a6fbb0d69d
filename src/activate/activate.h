/* SPDX-License-Identifier: ISC */
/*
 * Activation at a base: at the preset time stop, switch, start, check health; or undo all of it.
 * Needs no line. Links neither libgit2 nor libssh2.
 *
 *   ROOT/accepted/APP      the accepted orders (written by mirror)
 *   ROOT/journal/APP       what was done (store/journal.h, events in decide/base.h)
 *   ROOT/lock/APP          held while orders are accepted and while activating
 *   ROOT/trees/            manifests and stat numbers of the trees held (written by stage)
 *   ROOT/pending/          reports for central: KEY, and KEY.sig written before it
 *   ROOT/log/APP/UTC-VERSION-PHASE.log    output of lifecycle commands
 *   ROOT/clock             what the clock is measured by (store/clock.h)
 *   APP/current            symlink to releases/TREE, replaced by rename
 *   APP/bridge             symlink to bridges/NAME, replaced by rename right before `current`:
 * links to what the new version lacks of those that were left (decide/base.h); NAME is made ahead,
 * or before the intent, and taken back in undo APP/maintenance        there while an operator has
 * the app in maintenance: why, since when. Activations leave it as it is
 *
 *   ActivateApp *app = activate_open(&spec, 0, error);
 *   activate_due(app, &next_utc, error);
 *   activate_close(app);
 *
 * Lifecycle of one order. All commands are optional; each has its deadline, at which its process
 * group gets SIGTERM and kill_after_s later SIGKILL.
 *
 *   before      lead_s ahead (after a check of the tree), else right before stop; failing:
 *               `failed`, nothing was stopped
 *   check       the staged tree against its stat numbers (a moment ahead, by activate_ahead);
 *               altered: `failed`, nothing was stopped
 *   intent      journaled: the commit point; then the tree moves to releases/,
 *               if activate_ahead did not move it
 *   stop        skipped if nothing is current. Failing or hanging: undo, since the old server may
 *               still run (but if the app is `down` it is only said)
 *   migrate     failing: undo
 *   switch      current -> releases/TREE
 *   start       failing or hanging: undo
 *   health      tried every health_every_ms until it passes, health_time_s are over, or undo has
 *               to begin to fit into the maximum outage (see below); at least once
 *   live        journaled, reported
 *   after       whatever the outcome, also for an order that ended otherwise after `before` ran
 *
 * Undo: stop (if start was called), unmigrate (if migrate was called; where there is none, or it
 * fails, old code is not started: `down`), switch back, start, health with its whole time. The
 * old version healthy: `rolled-back`; else `down`. With no health command, start decides. A
 * failing command never stops the undo; but if neither the new version could be stopped nor the old
 * one be started, whatever answers the health check is not trusted: `down`. The first activation
 * has nothing to go back to: undo removes `current` again, and the app is `down` (before the
 * switch, and if migrate did not run: `failed`).
 *
 * Maximum outage: the order's, else the app's. Time for the undo is set aside from what was seen in
 * this activation: twice stop plus start, one health try, one second; at most half of it.
 *
 * Environment: PATH, LANG, HOME=/, TAGSHIP_APP, TAGSHIP_PHASE, TAGSHIP_VERSION and TAGSHIP_TREE
 * (absolute folder: what is being gone to; in undo the old tree, in `after` what serves, empty if
 * nothing does), TAGSHIP_PREVIOUS_TREE (what is being left; may be empty), TAGSHIP_OUTCOME
 * (`after`: the order's end, or "staged" if only `before` was interrupted; in undo "undo"; else
 * empty), TAGSHIP_MAINTENANCE ("on" if
 * APP/maintenance is there, else empty). Working folder: APP. A server that start
 * leaves running is never killed, unless start hits its deadline.
 *
 * By hand an operator activates at any time, whatever is held, what is staged or ended without
 * serving (decide_app_by_hand). It takes this road from `check` on, with `before` if that did not
 * run; if `check` or `before` fail, the order stays as it was. Who did it stands in the intent and
 * in what is reported. The round of an order that had ended is reported as one of its own.
 *
 * An operator's rollback takes the same road, with unmigrate in the place of migrate if the release
 * that is left ran it (refused if there is no unmigrate), and migrate in that of unmigrate in its
 * undo.
 *
 * An order for the tree that is live already becomes `live` at its time with outage 0 and
 * "already live"; no command runs. If `current` is not what the journal says (changed by hand),
 * what it points to is what undo returns to, and the report says so; if it is no symlink the order
 * ends as `failed`. If the files of the version that is left were altered by hand, the report says
 * so.
 *
 * Crash: see decide_recovery; activate_due and what an operator does first end an open activation.
 * Recovery after the switch runs stop (if start was called), start and health once more; before it,
 * undo also runs stop, as a stop command of before the crash may still be at work. The outage
 * is then counted by the wall clock from intent.
 *
 * Reports: the journal record is written first and holds all that the report says; then the
 * report is put into ROOT/pending, then the journal notes its key ("report"). activate_open makes
 * those whose key is not noted: a report may be made twice, with the same text and key, never
 * lost.
 */
#pragma once

#include "conf/conf.h"
#include "decide/base.h"
#include "store/store.h"
#include "tree/tree.h"

/* A tree that was checked ahead of its time; zero before. */
typedef struct {
	char *tree, *root;
	gint64 checked_us; /* monotonic */
} ActivateReady;
void activate_ready_clear(ActivateReady *ready);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ActivateReady, activate_ready_clear)

typedef struct {
	const char *root_path;
	int root_dirfd;
	const ConfBase *conf;
	const ConfBaseApp *app;
	UtilClock *clock;
	gint64 incarnation;
	/* told at each phase, for people; may be NULL */
	void (*say)(const char *line, gpointer user_data);
	gpointer user_data;
	ActivateReady *ready; /* between activate_ahead and activate_due; may be NULL */
} ActivateSpec;

/* The number in ROOT/incarnation, 1 if there is no such file. */
gboolean activate_incarnation(int root_dirfd, gint64 *ret_incarnation, GError **error);

/* The manifest of a tree this base holds, its root checked. */
Manifest *activate_manifest(int root_dirfd, const char *root, GError **error);

/* An app's state, loaded under its lock. */
typedef struct ActivateApp ActivateApp;
/* wait_ms as util_fs_lock; AGAIN if somebody else is at it. Copies the spec, not what it points
 * to. */
ActivateApp *activate_open(const ActivateSpec *spec, int wait_ms, GError **error);
void activate_close(ActivateApp *app);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ActivateApp, activate_close)
/* Valid until the next call that journals. */
const DecideApp *activate_state(const ActivateApp *app);
/* Read only, no lock (status). */
DecideApp *activate_read(const ActivateSpec *spec, GError **error);
/* When the newest order that was accepted here, of whatever app, was written; 0: there is none. */
gint64 activate_orders_utc(int root_dirfd);
/* Can the clock be trusted? By the note in ROOT/clock and by those orders (store/clock.h). */
void activate_clock(int root_dirfd, UtilClock *clock, StoreClock *ret_clock);
/* What decide_app_next wants to know: the clock, and whether it can be trusted; the lead. */
void activate_facts(const ActivateSpec *spec, DecideFacts *ret_facts);

/* When an authentic ledger was last read here, by the line or a file; 0: never. */
gint64 activate_heard_utc(const ActivateSpec *spec);

/* Is the flag file there? */
gboolean activate_in_maintenance(const ActivateSpec *spec);
/* Is there anything for activate_due to do? Read only, no lock. */
typedef enum {
	ACTIVATE_IDLE,   /* until *ret_next_utc (0: nothing in sight) */
	ACTIVATE_DUE,    /* a step, an open activation, an `after` that is owed */
	ACTIVATE_REPORTS /* only reports that could not be made */
} ActivateNeed;
gboolean activate_look(const ActivateSpec *spec, ActivateNeed *ret_need, gint64 *ret_next_utc,
		       GError **error);

/* Journals a record (Event and what it needs; Time, Version, Seq and the like are added) and, if
 * the event is one central wants, makes the signed report. A report that cannot be made now is said
 * and made later. Holds of a whole app are not reported: hello tells them. */
gboolean activate_record(ActivateApp *app, UtilTrailers *record, GError **error);

/* Runs `prepare` for a tree just staged. No lock, nothing journaled; FALSE: it failed. */
gboolean activate_prepare(const ActivateSpec *spec, const Order *order, const char *tree,
			  GError **error);

/* How long before its time an order is looked at. */
#define ACTIVATE_AHEAD_S 5
/* If nothing is to be done now but something is within ACTIVATE_AHEAD_S: when; and the tree of that
 * order is checked into spec.ready and moved to releases/, so that activate_due, of this app opened
 * anew at that second, need not. 0: activate_due is called now. The lock is not to be held while
 * waiting: a hold or a cancel of the last seconds counts. */
gint64 activate_ahead(ActivateApp *app);

/* Performs bookkeeping and at most one activation that is due, if any. ret_next_utc: when to look
 * again (0: nothing in sight). Returns FALSE only if this base cannot work (journal, disk);
 * a rolled-back release is TRUE and said. */
gboolean activate_due(ActivateApp *app, gint64 *ret_next_utc, GError **error);
/* The order that an operator means by a version (NULL: the only one that may be), now. REFUSED,
 * with why, or which there are: nothing was done. FAILED: as for activate_rollback. */
gboolean activate_by_hand(ActivateApp *app, const char *version, const char *who, GError **error);
/* Back to the last good tree now, as an operator's act; REFUSED if there is none. TRUE: done and
 * journaled as rolled-back of the release that was live; FAILED: the tree did not become
 * healthy, what was live before serves again or the app is down, as said. */
gboolean activate_rollback(ActivateApp *app, const char *who, GError **error);
/* Keeps the trees of a version from being removed; REFUSED, with the list of those that are here,
 * if there is none. */
gboolean activate_pin(ActivateApp *app, const char *version, const char *who, GError **error);
/* REFUSED, with the list of those that are, if it is not pinned. */
gboolean activate_unpin(ActivateApp *app, const char *version, const char *who, GError **error);
/* Journals it, then makes or removes the flag file: after a crash in between, the same again.
 * reason may be NULL. */
gboolean activate_maintenance(ActivateApp *app, gboolean on, const char *reason, const char *who,
			      GError **error);
/* Makes the bridge for a tree just staged, so that its activation finds it. No lock, nothing
 * journaled; FALSE: it could not, and activation tries again. */
gboolean activate_bridge_ahead(const ActivateSpec *spec, const char *tree, const char *root,
			       GError **error);
/* Ends the bridge whose time is over, and removes what no bridge or waiting order needs. While an
 * activation is open nothing is done. */
gboolean activate_bridge_gc(ActivateApp *app, gboolean dry_run, GError **error);
