/* SPDX-License-Identifier: ISC */
/*
 * Central's worker: from the queue to signed orders. One process (flock on STATE/worker.lock).
 *
 * A hint says that a repository's refs may have moved; the refs themselves are read and compared
 * with what was dealt with (library_seen). Jobs are durable before "seen" is; each phase of a job
 * is recorded in the library before its effect, and each effect is idempotent, so the worker may be
 * killed anywhere and started again.
 */
#pragma once

#include "build/build.h"
#include "bundle/bundle.h"
#include "conf/conf.h"
#include "decide/told.h"
#include "ledger/ledger.h"
#include "library/library.h"
#include "store/store.h"
#include "trust/keys.h"
#include "trust/trust.h"

/* Central's open state folder. */
typedef struct {
	char *path;
	int dirfd;
	int queue_dirfd;
	int bundles_dirfd;
	ConfCentral *conf;
	Library *library;
	UtilClock *clock;
	char *key_file; /* STATE/keys/central */
	gint64 again_s; /* how soon what failed is tried again at first; then in twice the time */
} Central;

/* Opens STATE; NOT_FOUND with what to do if it is none. */
Central *central_open(const char *state_path, GError **error);
void central_close(Central *central);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Central, central_close)
/* Adds settings to the text of central.cfg, and what else is to be there from the start. */
typedef gboolean (*CentralReady)(const char *state_path, GString *settings, gpointer user_data,
				 GError **error);
/* Makes a new STATE with key, library, queue, and central.cfg, which comes last: until then all
 * this can be done again, and then it is EXISTS. `ready` (may be NULL) is called before that. */
gboolean central_create(const char *state_path, CentralReady ready, gpointer user_data,
			GError **error);

/* Last contact of a base: trailer text of STATE/contacts/BASE (see serve/serve.h), or NULL. */
UtilTrailers *publish_contact(Central *central, const char *base);
/* Whether it should have been heard by now: not for `silent` seconds since *ret_since_utc, its last
 * contact or, without one (NULL), its enrolment; FALSE where its files are carried. */
gboolean publish_base_is_silent(const Central *central, const char *base,
				const UtilTrailers *contact, gint64 *ret_since_utc);
/* The base's clock minus ours at that contact, by the base's own measure where it told one; TRUE if
 * that is more than the two seconds that are nothing to speak of. */
gboolean publish_clock_is_off(const UtilTrailers *contact, gint64 *ret_offset_ms);

/* STATE/log/worker.log, to append to; -1 with error. */
int publish_open_log(Central *central, GError **error);

/* Called by the worker after whatever may have changed what people see; it must not wait. */
typedef struct {
	void (*tell)(gpointer user_data);
	gpointer user_data;
} PublishNews;
/* Runs until nothing is left to do (once) or for ever. news may be NULL. Lock held elsewhere:
 * AGAIN.
 */
gboolean publish_worker(Central *central, gboolean once, const PublishNews *news, GError **error);
/* TRUE if a worker holds the lock now. */
gboolean publish_worker_running(Central *central);

/* What pre-receive needs to judge plans: bases, apps, versions. Lives as long as the returned
 * object. */
typedef struct PublishFacts PublishFacts;
/* app NULL: only bases, zones and freezes. pusher: who may or may not override a freeze; NULL:
 * whoever rules central. */
PublishFacts *publish_facts_new(Central *central, const char *app, const char *const *app_names,
				const char *pusher, GError **error);
const PlanFacts *publish_facts_plan(const PublishFacts *facts);
void publish_facts_free(PublishFacts *facts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PublishFacts, publish_facts_free)

/* A tag object as it was pushed, and when. */
typedef struct {
	const PlanTag *tag;
	const Plan *plan; /* in its message; NULL for none */
	const char *raw;  /* what it was parsed from */
	gsize len;
	gint64 at_utc;
} PublishTagObject;

#define PUBLISH_SIGNERS "signers" /* STATE/signers, see trust/trust.h */
/* Who signed it: *ret_signer is NULL if nobody did. Where the app requires signed tags, one of
 * STATE/signers who may release this app, and at all bases of the table (NULL: none): else REFUSED
 * or NOT_AUTHENTIC. Otherwise only what the signature claims. */
gboolean publish_judge_signer(Central *central, const ConfApp *app, const PublishTagObject *object,
			      const PlanTable *table, const PlanFacts *facts, char **ret_signer,
			      GError **error);
/* REFUSED if the plan has a root and the version another one. */
gboolean publish_judge_root(const Plan *plan, const LibraryVersion *version, GError **error);

/* A plan that is about to be pushed. */
typedef struct {
	const char *app;
	const char *const *app_names; /* all of its repository */
	const char *tag;
	const char *commit; /* NULL: not known yet, and so not checked against the version's */
	const char *pusher;
	const PublishTagObject *object; /* NULL: not made yet, and so not asked who signed it */
} PublishAsked;
/* Compiles and judges it as pre-receive does: bases, times, freezes, rights, signature, `lead`, and
 * whether the version is bound to another commit, or its tree is another one. REFUSED. */
PlanTable *publish_judge_plan(Central *central, const PublishAsked *asked, const Plan *plan,
			      GError **error);
/* REFUSED if this tag object is a release of another app: it is its id, everywhere. Only an
 * accepted one counts. */
gboolean publish_judge_unused(Central *central, const char *app, const char *release,
			      GError **error);
/* REFUSED if the version of this name is bound to another commit. */
gboolean publish_judge_version(Central *central, const char *app, const char *tag,
			       const char *commit, GError **error);
/* The commit that a version is bound to for ever, or NULL. */
char *publish_bound_commit(Central *central, const char *app, const char *version);

/* What a plan would bring over the line of each of its bases, and whether that comes in time, a
 * line each: by the bundle if it is made already, else by what the app's last releases took there.
 */
char *publish_estimate(Central *central, const PlanTable *table, GError **error);

/* A release folded from its record and the ledgers. */
typedef DecideRelease PublishRelease;
typedef DecideTarget PublishTarget;
typedef DecideWord PublishGate;
PublishRelease *publish_release(Central *central, const char *app, const char *release,
				GError **error);
/* What is to come at a base and falls into a freeze that was written after its plan, as
 * plan_freeze_alarm says it; NULL: all is well. facts: of any app, or none. */
char *publish_frozen(const PublishFacts *facts, const PublishRelease *release,
		     const PublishTarget *target);
/* No order was given for it, and its time and grace are over: it comes no more. */
gboolean publish_target_is_past(const PublishRelease *release, const PublishTarget *target,
				gint64 now_utc);
/* The ledgers of all bases, each read when it is first needed and then not again: one for the
 * releases of several apps. */
typedef GHashTable PublishLedgers;
PublishLedgers *publish_ledgers_new(void);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PublishLedgers, g_hash_table_unref)
/* All releases of an app, newest first, by when they were taken in; at most `max` (0: all). ledgers
 * NULL: read for these alone. */
GPtrArray *publish_releases(Central *central, PublishLedgers *ledgers, const char *app, guint max,
			    GError **error);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PublishRelease, decide_release_free)

/* Something that was decided is not in every ledger yet; the worker tries again each minute, later
 * less often. */
gboolean publish_is_owed(Central *central);

/* Records the decision, then asks every ledger (or only `base`) to cancel. A plan that is still
 * queued is cancelled, too: its job then orders nothing. TRUE once it is on record: see
 * publish_is_owed. */
gboolean publish_cancel(Central *central, const char *app, const char *release, const char *base,
			const char *reason, GError **error);
/* Nothing of an app activates at a base until a resume. */
typedef struct {
	char *app;  /* NULL: of all apps */
	char *base; /* NULL: at all bases */
	gint64 since_utc;
	char *who, *reason;
	gboolean resumed; /* it was ended then, by them; not among those of publish_stops */
} PublishStop;
GPtrArray *publish_stops(Central *central, GError **error);
/* Records it, then tells every ledger. Stopping again changes the reason; it is told anew only
 * where it was not told yet. */
gboolean publish_stop(Central *central, const char *app, const char *base, const char *who,
		      const char *reason, GError **error);
/* Has it to do with this app and base? NULL: with any. */
gboolean publish_stop_touches(const PublishStop *stop, const char *app, const char *base);
/* "shop at haikou, stopped by ana at TIME: REASON" */
char *publish_stop_text(const PublishStop *stop);
/* A stop ends as it was made. REFUSED, naming them, if only wider or narrower ones stand; NOT_FOUND
 * if there is none. Others that stand go on. */
gboolean publish_resume(Central *central, const char *app, const char *base, const char *who,
			GError **error);
/* Has a base read its newest stop or resume? */
typedef enum {
	PUBLISH_HEARD_NOT_YET,
	PUBLISH_HEARD_YES,
	PUBLISH_HEARD_NEVER /* tagship there is too old for it */
} PublishHeard;
PublishHeard publish_stop_heard(Central *central, const char *base, GError **error);

/* ---- central's signing key ---- */

#define PUBLISH_KEY "keys/central"
#define PUBLISH_RECOVERY "keys/recovery" /* kept off line: only its .pub belongs into STATE */
/* What this .pub file in STATE holds, or NULL. */
char *publish_key_public(int state_dirfd, const char *path);
/* The public recovery key, or NULL. */
char *publish_key_recovery(Central *central);
/* Changes of the key, TrustChange, oldest first. */
GPtrArray *publish_key_history(Central *central, GError **error);
/* The keys that this central signs with and signed with before, to know its own ledgers by; NULL
 * without own_key, or where the changes cannot be read. */
TrustKeys *publish_own_keys(int state_dirfd, const char *own_key);
/* A new key takes the place of the one there is, which vouches for it; the old one is gone then.
 * Every ledger is told. REFUSED if a base could not follow. A crash leaves the old key, or the
 * new one once its statement is in the history; what is not told by then is owed. */
gboolean publish_key_rotate(Central *central, GError **error);
/* A statement that revokes all keys there were and names a new one, to be signed with the recovery
 * key (ssh-keygen -Y sign -n keys@tagship). Nothing changes yet. */
char *publish_key_revocation(Central *central, GError **error);
/* With that signature: as publish_key_rotate, but what went another way meanwhile comes back. */
gboolean publish_key_revoke(Central *central, const char *text, const char *signature,
			    GError **error);
/* How many changes this base's ledger lacks. */
gboolean publish_key_told(Central *central, const char *base, guint *ret_lacks, GError **error);

/* What its tag's name begins with, and a slash. */
#define PUBLISH_ROLLBACK "rollback"
/* Makes a plan tag object of our own in the library: run `version` now at `base` (NULL: all that
 * run the app); returns the job id. */
char *publish_rollback(Central *central, const char *app, const char *version, const char *base,
		       const char *who, GError **error);
/* The version that most bases of the app run (of several, what has been live longest), ordered now
 * for a base that was enrolled or replaced (by a plan tag object as for a rollback). NULL without
 * error if nothing is live yet. */
char *publish_settle(Central *central, const char *app, const char *base, const char *who,
		     GError **error);
/* Puts a failed job back. REFUSED if that can never succeed: its tag is at another object or gone,
 * its plan was refused, its release cancelled. */
gboolean publish_retry(Central *central, const char *job_id, GError **error);
/* Drops bundles, logs, versions and jobs no longer needed; says what it did through log_fd. */
gboolean publish_gc(Central *central, gboolean dry_run, GString *ret_said, GError **error);

/* Names of the apps built from this repository (NULL-terminated). */
char **publish_apps_of_repo(Central *central, const char *repo_path, GError **error);

/* Looks at the refs of the app's repository now, without a hint: at first sight all that is there
 * is history. */
gboolean publish_look(Central *central, const char *app, GError **error);

/* ---- without a line ---- */

typedef struct {
	gboolean all;   /* the whole ledger, whatever the base showed last */
	gboolean plain; /* bundles from nothing, too: whatever the base holds, it can stage */
} PublishExportOptions;

typedef struct {
	char from[41], head[41]; /* from: "-" for the whole ledger */
	guint entries;           /* of the ledger: orders, cancels, heartbeats */
	guint bundles;
	guint64 bundle_bytes;
} PublishExported;

/* Writes an export file for a base: what its ledger has after the head it last showed, the bundles
 * its open orders need (soonest go-live first), and which reports have come. REFUSED if nothing was
 * ordered yet, or the base is ahead (this ledger was restored from a backup). AGAIN if a bundle has
 * to be made first: the worker is asked. */
gboolean publish_export(Central *central, const char *base, const PublishExportOptions *options,
			int fd, PublishExported *ret_exported, GError **error);
