/* SPDX-License-Identifier: ISC */
/*
 * One central and its bases in one process, under a simulated clock and line. What they do next is
 * decided by the same functions as in the programs (plan, order, decide, ledger_fold, the rules of
 * store/clock.h); the shells around them are small copies of publish, serve, mirror, stage and
 * activate, that keep in memory what those keep on disk, as the text that it would be there.
 *
 *   Sim *sim = sim_new(seed, &options);
 *   sim_run(sim);              a stormy time, then a calm one, in which all must come to an end
 *   sim->broken, sim->why      the first law that did not hold, LAW_NONE: all did
 *   sim_free(sim);
 *
 * The same seed makes the same history. Between any two durable writes a program may be killed;
 * a function that can be is TRUE if it got to its end, and whoever calls it goes on only then.
 */
#pragma once

#include "decide/base.h"
#include "decide/told.h"
#include "ledger/ledger.h"
#include "order/accepted.h"
#include "store/clock.h"

typedef struct Sim Sim;
typedef struct SimBase SimBase;
typedef struct SimApp SimApp;

#define HOUR 3600
#define DAY (24 * HOUR)
#define SIM_BASES_MAX 6
#define SIM_APPS_MAX 2
#define SIM_ACTS_MAX 32

/* ---- laws ---- */

typedef enum {
	LAW_NONE,
	LAW_TREE,
	LAW_AUTHENTIC,
	LAW_TIME,
	LAW_GRACE,
	LAW_FREEZE,
	LAW_CANCEL,
	LAW_TOO_LATE,
	LAW_RANK,
	LAW_GATE,
	LAW_QUORUM,
	LAW_WORD,
	LAW_WAVE,
	LAW_CUT_OFF,
	LAW_STOP,
	LAW_RESUME,
	LAW_HOLD,
	LAW_DATA,
	LAW_DOWN,
	LAW_WAKE,
	LAW_ENDS,
	LAW_ONE_END,
	LAW_VIEW,
	LAW_LEDGER,
	LAW_ONCE,
	LAW_REPORT,
	LAW_FAN_OUT,
	LAW_DELETION,
	LAW_LAST_GOOD,
	LAW_JOURNAL,
	LAW_TEXT,
	LAW_COUNT
} SimLaw;
const char *sim_law_name(SimLaw law);
const char *sim_law_text(SimLaw law);
/* Only the first counts. */
void sim_broken(Sim *sim, SimLaw law, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* ---- the world ---- */

/* Chains: each knows what was there before it, so that a copy of the newest is a copy of all. */
typedef struct SimEntry {
	LedgerEntry entry; /* of a ledger: oid and order */
	const struct SimEntry *parent;
} SimEntry;

typedef struct SimReport {
	Report *report;
	char *key;
	const struct SimReport *parent;
	guint count;
} SimReport;

typedef struct SimDecision {
	char *decision;
	gint64 time_utc;
	UtilTrailers *text;
	const struct SimDecision *parent;
	guint count;
} SimDecision;

/* A tag object of the source repository (or of the library). */
typedef struct {
	char *oid, *app, *name, *message, *commit, *who;
} SimTag;

typedef struct {
	char *version, *root, *commit;
	gboolean bound;
} SimVersion;

typedef struct {
	char *app, *base; /* NULL: all */
	gint64 since_utc;
	char *reason;
	gboolean resumed;
} SimStop;

typedef enum { HINT_PUSH, HINT_WANT, HINT_GIVEN, HINT_CANCEL, HINT_REPORT } SimHintKind;
typedef struct {
	SimHintKind kind;
	char *app, *name, *oid; /* PUSH: a deletion of this tag, or no name */
	guint base;             /* WANT */
	char *release, *old_root;
} SimHint;

typedef struct {
	SimTag *tag;   /* NULL: a bundle job */
	SimHint *want; /* its own */
	gint64 created_utc;
	enum { SIM_JOB_QUEUED, SIM_JOB_RUNNING, SIM_JOB_DONE } state;
} SimJob;

/* What central has on its disk: a backup is a copy of it. */
typedef struct {
	GHashTable *records;  /* release -> SimDecision (newest) */
	GHashTable *versions; /* "APP VERSION" -> SimVersion */
	GHashTable *seen;     /* "APP TAG" -> oid */
	GPtrArray *stops;     /* SimStop */
	const SimEntry **orders;
	const SimReport **reports;
	GPtrArray *hints, *jobs;
	gboolean owed;
} SimState;

/* A ledger folded, and of which heads. */
typedef struct {
	const SimEntry *orders_head;
	const SimReport *reports_head;
	GHashTable *orders, *counts, *cancels, *stops;
	GPtrArray *reports; /* const Report */
	GHashTable *of;     /* release -> GPtrArray of its reports */
} SimView;

typedef struct {
	SimState disk;
	SimState backup;
	gboolean up, has_backup;
	guint run;             /* counts starts: what was scheduled before is void */
	GHashTable *waiting;   /* releases that wait for a word */
	SimJob *job;           /* the one that runs */
	SimView *views;        /* of each base */
	gint64 next_wake_utc;  /* 0: none */
	gboolean refs_changed; /* and no hint tells */
	gint64 restored_utc;
} SimCentral;

/* ---- a base ---- */

typedef struct {
	char *name, *root, *version;
	gint64 made_utc;
} SimTree;

typedef struct {
	gboolean before, migrate, unmigrate, health, stop;
	gint64 lead_s;
} SimCommands;

struct SimApp {
	SimBase *base;
	const char *name;
	SimCommands has;
	/* on its disk */
	GPtrArray *journal; /* UtilTrailers */
	char *accepted_text;
	GHashTable *trees; /* name -> SimTree */
	char *current;
	/* what runs there, and its data */
	char *running;
	gint64 data, data_most;
	GHashTable *home;  /* root -> the data it was live on */
	GHashTable *knows; /* root -> the newest data that its own migrate made */
	/* of the program, gone when it is killed */
	DecideApp *state;
	GPtrArray *accepted;
	AcceptedStop stop;
	gint64 busy_until,
	    spent_s;       /* its lock is held; by what runs now, that takes no time here */
	gint64 orders_utc; /* when the newest order in accepted_text was written */
	guint look;        /* counts scheduled looks: the newest one counts */
	/* what is true, for the laws */
	GHashTable *lived;     /* releases that went live here */
	GHashTable *staged;    /* releases that were staged here */
	GHashTable *overtaken; /* releases that an operator brought a later one before */
	GHashTable *was_good;  /* roots that were live here */
	GHashTable *noted;     /* keys of reports that were made, or that central has */
	gboolean has_rank;
	gint64 rank_at_utc;
	guint64 rank_seq;
};

struct SimBase {
	Sim *sim;
	guint index;
	char *name;
	const char *zone;
	const char *groups[2];
	gboolean runs[SIM_APPS_MAX];
	gint64 incarnation;
	UtilClock clock;
	gint64 off_us; /* wall clock minus true time */
	gint64 booted_utc;
	guint boots, run;
	gboolean up;
	gint64 line_down_until;
	gint64 line_kbit;
	/* on its disk */
	const SimEntry *accepted;
	const SimEntry *written; /* what the files of all apps have; only saves time */
	gboolean noted_clock;
	StoreClockNote note;
	gint64 good_utc;
	gboolean line_failed;
	GHashTable *pending;  /* key -> report text */
	GHashTable *reported; /* the same, of what central confirmed */
	GPtrArray *confirmed; /* keys of its newest ones, as mirror/reported.c has commits */
	GPtrArray *apps;      /* SimApp */
	/* of the program */
	guint hello;
	gboolean answered;
	gint64 next_pull_utc; /* 0: none */
	GHashTable *asked;    /* what was asked for or is on its way: release */
	/* for the laws: it lost what central knows, or the other way round */
	gboolean was_replaced;
};

typedef struct {
	gboolean verbose;
	guint bases, apps, acts; /* 0: as the seed has it */
	gint64 storm_s;
	gboolean growth; /* many releases to few bases each, and little trouble */
} SimOptions;

typedef struct {
	guint64 events, releases, refused, orders, reports, activations, kills, messages;
	guint64 ends[ORDER_STATE_COUNT];
	guint64 opened, shut, hand, back, give, replaced, restored, untrusted, cut_off, too_late;
} SimCounts;

struct Sim {
	guint64 seed, state; /* of the generator */
	SimOptions options;
	gint64 now_utc, began_utc;
	gboolean calm;
	guint kill_per_mille;        /* between two durable writes */
	guint weights[SIM_ACTS_MAX]; /* of what happens: each history has its own mix */
	GArray *heap;                /* events, soonest first */
	guint64 scheduled;
	SimCentral central;
	GPtrArray *bases; /* SimBase */
	GPtrArray *app_names;
	PlanBase *plan_bases;
	GPtrArray *freezes;  /* PlanFreeze */
	GHashTable *refs;    /* "APP TAG" -> SimTag: the source repositories */
	GHashTable *deleted; /* oids of tags that somebody deleted or moved */
	GHashTable *resumed; /* apps, or "-", that somebody resumed anywhere */
	GHashTable *sick;    /* roots that never become healthy */
	guint next_version, next_oid;
	gint64 planned_utc;                              /* of the plan that was written last */
	GPtrArray *tags, *entries, *decisions, *reports; /* all there ever were, to be freed */
	GPtrArray *releases; /* SimTag with a plan, in the order of pushing */
	SimCounts counts;
	SimLaw broken;
	char *why;
	gint64 broken_utc;
};

/* world.c */
Sim *sim_new(guint64 seed, const SimOptions *options);
void sim_run(Sim *sim);
void sim_free(Sim *sim);
void sim_zones_begin(void); /* once per program: a small folder of zones */
void sim_zones_end(void);
const char *sim_zone_dir(void);
guint64 sim_random(Sim *sim);
guint sim_below(Sim *sim, guint n);
gboolean sim_chance(Sim *sim, guint per_mille);
gint64 sim_between(Sim *sim, gint64 from, gint64 to);
void sim_hex(Sim *sim, char *ret, guint digits);
void sim_say(Sim *sim, const char *who, const char *format, ...) G_GNUC_PRINTF(3, 4);
typedef void (*SimFunc)(Sim *sim, gpointer who, gpointer data);
/* data is freed by free_data after the event, or when the history ends before it. */
void sim_at(Sim *sim, gint64 utc, SimFunc func, gpointer who, gpointer data,
	    GDestroyNotify free_data);
/* The line of a base: it comes late, twice or never. copy makes the data of the second one. */
void sim_send(Sim *sim, SimBase *base, SimFunc func, gpointer who, gpointer data,
	      gpointer (*copy)(gconstpointer data), GDestroyNotify free_data);
gboolean sim_line_is_up(const SimBase *base);
/* Killed here? */
gboolean sim_killed(Sim *sim, guint per_mille);

/* disk.c: chains, and central's disk */
SimEntry *sim_entry_new(Sim *sim, const SimEntry *parent, Order *order);
gboolean sim_entry_has(const SimEntry *head, const SimEntry *entry);
GPtrArray *sim_entries(const SimEntry *head);
SimDecision *sim_decision_new(Sim *sim, const SimDecision *parent, const char *decision,
			      const UtilTrailers *text);
DecideDecision *sim_decisions(const SimDecision *head, guint *ret_n);
const SimReport *sim_report_find(const SimReport *head, const char *key);
SimReport *sim_report_new(Sim *sim, const SimReport *parent, const char *text);
void sim_state_init(SimState *state, guint bases);
void sim_state_clear(SimState *state);
void sim_state_copy(Sim *sim, const SimState *from, SimState *to);
const SimView *sim_view(Sim *sim, guint base);
void sim_view_clear(SimView *view);
guint sim_base_index(const char *base);
int sim_by_name(const void *a, const void *b); /* for qsort of names */
SimHint *sim_hint_new(SimHintKind kind);
void sim_hint_free(gpointer hint);

/* central.c, intake.c, orders.c */
void central_begin(Sim *sim);
void central_boot(Sim *sim, gpointer who, gpointer data);
void central_kill(Sim *sim);
gboolean central_lives(Sim *sim);
void central_back_up(Sim *sim);
void central_restore(Sim *sim);
void central_wake(Sim *sim, gint64 in_s);
DecideRelease *central_release(Sim *sim, const char *release);
gboolean central_decide(Sim *sim, const char *release, const char *decision,
			const UtilTrailers *text);
gboolean central_fan_out(Sim *sim, const char *release, GHashTable *deaf);
gboolean central_cancel(Sim *sim, const char *release, const char *base, const char *reason);
gboolean central_stops_complete(Sim *sim);
void central_stop(Sim *sim, const char *app, const char *base, gboolean resume);
gboolean central_append(Sim *sim, guint base, Order *order);
void central_add_hint(Sim *sim, SimHint *hint);
PlanTable *central_compile(Sim *sim, const SimTag *tag, gint64 now_utc, GError **error);
void central_push(Sim *sim, const char *app, const char *name, const char *message);
void central_delete(Sim *sim, const char *app, const char *name, gboolean recorded);
void central_own_plan(Sim *sim, const char *app, const char *version, const char *base,
		      const char *what);
void central_settle(Sim *sim, const char *app, guint base);
gboolean central_take(Sim *sim); /* hints and refs */
gboolean central_reconcile(Sim *sim, const SimHint *hint);
/* There is another tag of its name. */
gboolean central_tag_moved(Sim *sim, const SimTag *tag);
gboolean central_remake_job(Sim *sim, SimTag *tag);
void central_order(Sim *sim, SimJob *job);
gboolean central_revise(Sim *sim, const SimHint *want);
void central_job_start(Sim *sim);

/* base.c */
SimBase *base_new(Sim *sim, guint index);
void base_free(gpointer base);
SimApp *base_app(const SimBase *base, const char *name);
void base_boot(Sim *sim, gpointer who, gpointer data);
void base_kill(SimBase *base);
void base_reboot(SimBase *base, gint64 off_us, gint64 asleep_s);
void base_replace(SimBase *base);
void base_news(SimBase *base);
void base_pull(Sim *sim, gpointer who, gpointer data);
void base_pull_in(SimBase *base, gint64 in_s);
void base_confirm_clock(SimBase *base);
gint64 base_orders_utc(const SimBase *base);
gint64 base_wall_utc(const SimBase *base);
gboolean base_lives(SimBase *base);

/* stage.c */
void stage_app(SimApp *app);
void stage_gc(SimApp *app);

/* activate.c */
gboolean app_open(SimApp *app);
void app_close(SimApp *app);
gboolean app_record(SimApp *app, UtilTrailers *record);
void app_facts(const SimApp *app, DecideFacts *ret_facts);
void app_look_in(SimApp *app, gint64 in_s);
void app_look(Sim *sim, gpointer who, gpointer data);
gboolean app_due(SimApp *app, gint64 *ret_next_utc);
gboolean app_by_hand(SimApp *app, const char *version);
gboolean app_rollback(SimApp *app);
gint64 app_now_utc(const SimApp *app);
UtilTrailers *app_event(const char *event, const Order *order, const char *reason);

/* road.c: one activation */
gboolean road_order(SimApp *app, const DecideOrder *order);
gboolean road_ahead(SimApp *app, const DecideOrder *order);
gboolean road_end_open(SimApp *app);
gboolean road_after(SimApp *app);
gboolean road_by_hand(SimApp *app, const DecideOrder *order);
gboolean road_back(SimApp *app);

/* gen.c */
void gen_world(Sim *sim);
void gen_storm(Sim *sim);
void gen_calm(Sim *sim);

/* laws.c */
void laws_intent(SimApp *app, const UtilTrailers *intent, gboolean recovery);
void laws_record(SimApp *app, const UtilTrailers *record);
void laws_current(SimApp *app, const char *tree);
void laws_start(SimApp *app, const char *tree);
void laws_rest(SimApp *app);
void laws_wake(SimApp *app, gint64 next_utc);
void laws_decision(Sim *sim, const char *release, const SimDecision *decision);
void laws_entry(Sim *sim, guint base, const SimEntry *entry);
void laws_accept(SimBase *base, const SimEntry *head);
void laws_end(Sim *sim);
