/* SPDX-License-Identifier: ISC */
/* Shared between the files of the publish room. */
#pragma once

#include "publish/publish.h"

/* A job being run: where it says what it does. */
typedef struct {
	Central *central;
	Job *job;
	int log_fd;
	ConfApp *app;
} JobRun;

/* A line into the job's log, for the pusher and for people. */
void job_say(JobRun *run, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* Changes phase durably. */
gboolean job_phase(JobRun *run, const char *phase, GError **error);

/* One job to its end, whatever that is; FALSE only if the queue itself cannot be written. */
gboolean publish_run_job(Central *central, Job *job, GError **error);

/* jobs by kind; the text of *error is why the job failed */
gboolean publish_job_tag(JobRun *run, GError **error);
gboolean publish_job_branch(JobRun *run, GError **error);
gboolean publish_job_bundle(JobRun *run, GError **error);

/* REFUSED if running this job again can never succeed; the text says why and what to do. */
gboolean publish_may_retry(Central *central, const Job *job, GError **error);

/* remake.c: REFUSED if the job's tag is not at its object any more; *ret_moved: it is elsewhere. */
gboolean publish_check_tag(Central *central, const Job *job, gboolean *ret_moved, GError **error);
/* Makes the job of a release on its way that has none, as of its push; if its tag was moved, the
 * release is cancelled. */
gboolean publish_remake_job(Central *central, const PublishRelease *release, GError **error);

/* Takes the plan of a pushed tag into the release's record ("queued"), before its job is made. What
 * is recorded already stays. *ret_plan FALSE: no plan for this app, or none that can be read; its
 * job says what is wrong. */
gboolean publish_take_plan(Central *central, const ConfApp *app, const Job *job, GBytes *raw,
			   gboolean *ret_plan, GError **error);

/* Builds version `version` of run->app at `commit` into the library. */
gboolean publish_build(JobRun *run, const char *repo_path, const char *commit, const char *version,
		       gint64 tag_utc, LibraryVersion **ret_version, GError **error);

/* What a base reads, and what its line gives, by its last hello; without one all that this central
 * writes. */
typedef struct {
	gboolean old_orders;     /* only of format 1: neither waves nor gates nor stops */
	gboolean no_keys;        /* no orders of format 3: central's key must not change */
	gboolean plain;          /* no deltas of our format */
	gboolean whole_archives; /* its zlib packs otherwise */
	guint64 memory_bytes;    /* 0: the default */
	gint64 line_kbit;
	char *why; /* NULL: it reads everything */
} PublishReader;
void publish_reader(Central *central, const char *base, PublishReader *ret);
/* Of all targets (PublishTarget): targets that hold the same tree share one bundle, so it is made
 * to arrive soon where that takes longest. */
gint64 publish_slowest_kbit(Central *central, const GPtrArray *targets);
void publish_reader_clear(PublishReader *reader);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PublishReader, publish_reader_clear)

/* How a new bundle is made: with this effort, or (0) so that it arrives first over a line of this
 * rate, or (0) as small as can be. */
typedef struct {
	guint effort;
	gint64 arrive_kbit;
} BundleHaste;

/* The bundle from old_root ("-": nothing) to the tree of `version` for who reads like this: an
 * existing one or a new one, proved by applying it. */
OrderBundle *publish_bundle(JobRun *run, const char *old_root, const LibraryVersion *version,
			    BundleHaste haste, const PublishReader *reader, GError **error);
/* The one that is there already, or NULL. */
OrderBundle *publish_bundle_made(Central *central, const char *old_root,
				 const LibraryVersion *version, const PublishReader *reader);
/* The effort an ordered bundle was made with, by its codec ("delta-9"); 0 for others. */
guint publish_bundle_effort(const OrderBundle *bundle);

/* STATE/fanout.lock, for the close: decisions that depend on earlier ones, and what follows from
 * them in the ledgers, come one after another. -1 with error. */
int publish_lock(Central *central, GError **error);
/* The first decision of this name, or NULL; borrowed. */
const LibraryDecision *publish_decision(const GPtrArray *decisions, const char *name);
/* As the room decide takes them; what they point to is borrowed. */
DecideDecision *publish_decision_facts(const GPtrArray *decisions);
/* The cancel that holds at this base, its own or that of the whole; base NULL: of the whole. */
const LibraryDecision *publish_cancel_decision(const GPtrArray *decisions, const char *base);

/* From the accepted and built release to signed orders at all its targets. */
gboolean publish_order_release(JobRun *run, const char *release, const LibraryVersion *version,
			       GError **error);
/* Completes what decisions say and ledgers lack, for one release. Idempotent. A ledger that cannot
 * be written holds up no other; then FALSE (AGAIN, naming all of them), it is noted, and owed: the
 * worker tries again. */
gboolean publish_fan_out(Central *central, const char *app, const char *release, GError **error);
/* The same, the lock is held. Bases in `deaf` (may be NULL) get no orders. */
gboolean publish_fan_out_locked(Central *central, const char *app, const char *release,
				GHashTable *deaf, GError **error);
/* The same for who has recorded a decision and has no more to do: FALSE only if what is owed could
 * not even be marked as such. */
gboolean publish_tell(Central *central, const char *app, const char *release, GError **error);
/* For all releases, and stops, that could still lack something. What is owed before is owed no more
 * unless it fails again. */
gboolean publish_fan_out_all(Central *central, GError **error);
/* Notes that `what` could not be told to a ledger, and marks that something is owed. */
gboolean publish_owe(Central *central, const char *what, const GError *why, GError **error);

/* Writes what became of an app's versions as notes into its repository. Idempotent. Commits that
 * are gone from there are left out; one that fails does not keep back the others. */
gboolean publish_notes_write(Central *central, const char *app, GError **error);

/* Appends to a base's ledger, after every change of central's key that it lacks. The lock is held.
 */
gboolean publish_append(Central *central, Repo *ledger, Order *order, GBytes *tag, GError **error);
/* Tells every ledger of changes of central's key; one that cannot be told is owed. The lock is
 * held.
 */
gboolean publish_keys_complete(Central *central, GError **error);

/* Completes what STATE/stops says and ledgers lack. Idempotent. A base that cannot be told holds up
 * no other; it is noted, and owed. */
gboolean publish_stops_fan_out(Central *central, GError **error);
/* The same, the lock is held. Bases that could not be told join `deaf` (a set of char *; may be
 * NULL): one that came after a stop must hear of it before its first order. */
gboolean publish_stops_complete(Central *central, GHashTable *deaf, GError **error);

/* Releases that wait for central's word. */
typedef struct PublishGates PublishGates;
PublishGates *publish_gates_new(void);
void publish_gates_free(PublishGates *gates);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PublishGates, publish_gates_free)
/* All there are, and jobs that are not there (publish_remake_job); or one, that may be none. */
gboolean publish_gates_find(PublishGates *gates, Central *central, GError **error);
void publish_gates_add(PublishGates *gates, const char *app, const char *release);
/* Says what can be said now, durably, and tells the bases. */
gboolean publish_gates_decide(PublishGates *gates, Central *central, GError **error);
gboolean publish_gates_wait(const PublishGates *gates);
/* When to decide again if no report comes before; 0: no time is known. */
gint64 publish_gates_next_utc(const PublishGates *gates);

/* Between two tries of what failed: central->again_s, then twice as long each time, up to an hour.
 */
typedef struct {
	guint tries;
	gint64 until_us;
} PublishPause;
void publish_pause_begin(PublishPause *pause, const Central *central);
gboolean publish_pause_over(const PublishPause *pause);
/* Soon enough that a worker that has nothing else to do stays for it. */
gboolean publish_pause_worth(const PublishPause *pause);

/* Reads refs, makes jobs, moves `seen`. hint may be NULL. */
gboolean publish_reconcile(Central *central, const char *app, const UtilTrailers *hint,
			   GError **error);
/* Hints that could not be taken in stay, and are tried again after a pause. */
typedef struct PublishIntake PublishIntake;
PublishIntake *publish_intake_new(void);
void publish_intake_free(PublishIntake *intake);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PublishIntake, publish_intake_free)
/* TRUE while one is worth waiting for (see publish_pause_worth). */
gboolean publish_intake_waits(const PublishIntake *intake);
/* Every hint in the queue, each removed once everything it led to is durable. *ret_taken becomes
 * TRUE if there was one. FALSE only if the queue cannot be read. */
gboolean publish_take_hints(PublishIntake *intake, Central *central, gboolean *ret_taken,
			    GError **error);

/* The base was removed: central has no file of it any more. */
gboolean publish_base_is_gone(Central *central, const char *base);

/* What a base's ledger says: its orders folded, and its reports. */
typedef struct {
	GHashTable *orders;  /* release -> LedgerOrder */
	GHashTable *counts;  /* release -> number of order entries (GUINT_TO_POINTER) */
	GHashTable *cancels; /* releases with a cancel entry */
	GPtrArray *reports;  /* Report, oldest first */
} LedgerView;
LedgerView *ledger_view_load(Central *central, const char *base, GError **error);
void ledger_view_free(LedgerView *view);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LedgerView, ledger_view_free)
/* Root that serves `app` there now by its reports, or "-". */
const char *ledger_view_live_root(const LedgerView *view, const char *app);
/* TRUE if this root is among the newest that the base reported to hold, and so is still on its disk
 * by what a base keeps if it is not told otherwise; if it is gone, the base asks for a bundle. */
gboolean ledger_view_had_root(const LedgerView *view, const char *app, const char *root);

/* Bytes ordered for this base and not yet reported staged, but for this release. */
guint64 publish_queued_bytes(const LedgerView *view, const char *release);

LedgerView *publish_ledgers_get(PublishLedgers *ledgers, Central *central, const char *base,
				GError **error);
PublishRelease *publish_release_with(Central *central, PublishLedgers *ledgers, const char *app,
				     const char *release, GError **error);

/* publish_gc once a day, without what takes git long; says what it did in STATE/log/worker.log. Not
 * while a job runs. */
void publish_gc_daily(Central *central);

/* A line with time into STATE/log/worker.log; never fails loudly. */
void publish_note(Central *central, const char *format, ...) G_GNUC_PRINTF(2, 3);
