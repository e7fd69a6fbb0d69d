/* SPDX-License-Identifier: ISC */
/* Within the activate room. */
#pragma once

#include "activate/activate.h"
#include "order/accepted.h"

#define ACTIVATE_LOG_LINES 20
#define ACTIVATE_LOG_BYTES 2048

struct ActivateApp {
	ActivateSpec spec;
	int lock_fd;
	int app_dirfd; /* -1 until the folder is needed and there */
	StoreJournal *journal;
	GPtrArray *accepted; /* AcceptedOrder */
	AcceptedStop stop;
	DecideApp *state;
};

/* app.c */
/* "shop v1.4.0: TEXT", to spec.say. */
void activate_say(const ActivateSpec *spec, const char *version, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
/* Opens APP; an error names base.cfg. */
gboolean activate_open_dir(ActivateApp *app, GError **error);

/* ahead.c */
/* This tree was found as it should be a moment ago (activate_ahead). */
gboolean activate_is_checked(const ActivateApp *app, const char *tree, const char *root);

/* report.c */
/* Makes the reports of records whose key is not noted; problems are said. */
void activate_missing_reports(ActivateApp *app);
gboolean activate_reports_missing(const ActivateSpec *spec, const GPtrArray *records);
/* TRUE if central wants a report of this record, which is then made and noted. */
gboolean activate_is_reportable(const UtilTrailers *record);

/* due.c */
/* Finishes or undoes what the journal shows as begun. */
gboolean activate_end_open(ActivateApp *app, GError **error);
/* `after` of every order that ended and had `before` or more. */
gboolean activate_owed_after(ActivateApp *app, GError **error);

/* phase.c */
typedef struct {
	const ActivateSpec *spec;
	const char *version;
	const char *tree;     /* absolute or NULL */
	const char *previous; /* absolute or NULL */
	const char *outcome;  /* or NULL */
} PhaseEnv;

typedef struct {
	char *reason;  /* NULL: it went well; else "stop: exit status 3" */
	char *log_end; /* when it failed: the last lines of output, may be empty */
	gint64 wall_ms;
} PhaseResult;
void phase_result_clear(PhaseResult *result);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PhaseResult, phase_result_clear)

/* Runs the command of a phase (none: TRUE at once) with at most limit_ms (0: its own deadline). */
gboolean phase_run(const PhaseEnv *env, ConfPhase phase, gint64 limit_ms, PhaseResult *ret_result);
/* Tries health until it passes or the monotonic time until_us has come; at least once. */
gboolean phase_health(const PhaseEnv *env, gint64 until_us, PhaseResult *ret_result);
gboolean phase_has(const ActivateSpec *spec, ConfPhase phase);

/* trees.c */
/* What `current` is before an activation. */
typedef struct {
	char *target;  /* text of the link; NULL: there is none, or it leads nowhere */
	char *tree;    /* TREE of "releases/TREE"; NULL if it is something else */
	char *root;    /* NULL if unknown */
	char *version; /* NULL if unknown */
	guint64 dev, ino;
	char *note; /* when it is not what the journal says */
} CurrentTree;
void current_tree_clear(CurrentTree *current);
/* FAILED if there is something in its place that is no symlink. */
gboolean current_tree_read(ActivateApp *app, CurrentTree *ret_current, GError **error);
/* Absolute path of a link target of `current`; NULL for NULL. */
char *activate_target_path(const ActivateSpec *spec, const char *target);

/* Names of all trees on this disk (char *), of both folders. */
GPtrArray *activate_trees(const ActivateApp *app);
/* By the journal, else by its name; caller frees. */
char *activate_tree_version(const ActivateApp *app, const char *tree);
/* Where a tree stands beneath APP: pre-release/TREE (just staged) or releases/TREE; NULL: gone. */
char *activate_find_tree(const ActivateApp *app, const char *tree);
/* Is the tree of this root at `path` (beneath APP) what its manifest says? CORRUPT names files. */
gboolean activate_check_tree(const ActivateApp *app, const char *path, const char *root,
			     GError **error);
/* Moves pre-release/TREE to releases/TREE, if it is not there already. */
gboolean activate_move_tree(const ActivateApp *app, const char *tree, GError **error);
gboolean activate_tree_id(const ActivateApp *app, const char *path, guint64 *ret_dev,
			  guint64 *ret_ino);

/* run.c */
/* One activation: of an order (when it is due, or by hand), or an operator's way back. */
typedef struct {
	ActivateApp *app;
	char *release, *version, *root, *tree;
	guint64 seq;
	gint64 at_utc;
	gint64 max_outage_s;
	char *by;      /* the operator who does it by hand, or NULL */
	gboolean back; /* his rollback; else the order is gone forward to */
	CurrentTree from;
	gboolean stopped, migrated, switched, started; /* as DecideOpen */
	gboolean data_back; /* unmigrate stands for migrate: it goes to a version of older data */
	gboolean data_same; /* neither is needed */
	GPtrArray *supersedes; /* releases (char *), see the intent; NULL: none */
	gboolean recovering;
	gboolean was_down;
	gint64 attempt;
	gint64 intent_utc;
	gint64 start_us;  /* monotonic, when stop was called (or recovery began) */
	gint64 before_ms; /* outage before start_us, by the wall clock (recovery) */
	gint64 stop_ms, migrate_ms, start_ms;
	GPtrArray *bridge; /* DecideBridge: what the bridge is to lead to */
	char *bridge_link; /* what its link is to be, "-": none; NULL: it stays as it is */
	char *bridge_was;  /* what it was; NULL: none */
	GString *detail;   /* notes for the report */
	char *log_end;
} Activation;

Activation *activation_new(ActivateApp *app, const char *release, guint64 seq);
/* Of an order, with `from` still to be read. */
Activation *activation_of_order(ActivateApp *app, const Order *order, const char *tree);
/* From the journal's open activation. */
Activation *activation_from_open(ActivateApp *app, const DecideOpen *open);
void activation_free(Activation *activation);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Activation, activation_free)
void activation_note(Activation *activation, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* A record of this activation, for activate_record. */
UtilTrailers *activation_record(const Activation *activation, const char *event);
/* From intent to the end. FALSE: the journal or the disk does not work. *ret_reached (may be
 * NULL): the tree that was gone to serves. */
gboolean activation_run(Activation *activation, gboolean *ret_reached, GError **error);
/* After a crash. */
gboolean activation_recover(Activation *activation, DecideRecovery how, gboolean *ret_reached,
			    GError **error);

/* Runs `before`; that it begins is journaled, so that `after` runs whatever comes of it. Failing
 * with the app down, it is noted: what serves nobody needs no drain. FALSE: the journal does not
 * work. */
gboolean activation_before(Activation *activation, PhaseResult *ret_result, gboolean *ret_went_well,
			   GError **error);
/* With version, root and back set: what is to be done to the data. REFUSED if it has to be taken
 * back, and there is nothing that does it. */
gboolean activation_plan_data(Activation *activation, GError **error);
/* What is done to the data on the way to the new tree, and what takes it back. Going to a version
 * of older data swaps the two. */
ConfPhase activation_data_phase(const Activation *activation, gboolean undo);
/* The event that notes it. */
const char *activation_data_event(const Activation *activation, gboolean undo);

/* bridge.c. What cannot be done is noted: a bridge never stops an activation. */
/* Before the intent: what it is to be; made, unless staging did. */
void activation_bridge_plan(Activation *activation);
void activation_bridge_intent(const Activation *activation, UtilTrailers *record);
void activation_bridge_from_open(Activation *activation, const UtilTrailers *intent);
/* Right before `current` is switched, and right after it is switched back. */
void activation_bridge_go(Activation *activation);
void activation_bridge_back(Activation *activation);
/* The new tree serves: a bridge that is to be none goes. */
void activation_bridge_reached(Activation *activation);

/* undo.c */
/* Journals that the old version serves, as before or again. */
gboolean activation_rolled_back(Activation *activation, const char *reason, gint64 outage_ms,
				GError **error);
/* Before anything is stopped: makes the link that undo would need, for then the disk may be full.
 */
gboolean activation_way_back(Activation *activation, GError **error);
void activation_way_back_done(Activation *activation);
/* Back to what was there; journals rolled-back or down (for an operator's rollback: live or down).
 */
gboolean activation_undo(Activation *activation, const char *reason, GError **error);
/* Nothing more is tried. */
gboolean activation_down(Activation *activation, const char *reason, GError **error);
gint64 activation_outage_ms(const Activation *activation);
/* Before the intent, with `from` read: notes what is to be said of it. If the app is down, `from`
 * is what undo can go back to; if the data was migrated for a version that `from` is not, undo must
 * not start it on that. */
void activation_look_at_from(Activation *activation);
/* Journals a phase; an error is said and does not stop anything. */
void activation_phase(Activation *activation, const char *event, const char *reason);
/* Environment of commands, going to the new tree or (undo) back. Free with env_clear. */
typedef struct {
	PhaseEnv env;
	char *tree, *previous;
} ActivationEnv;
void activation_env(const Activation *activation, gboolean undo, ActivationEnv *ret_env);
void activation_env_clear(ActivationEnv *env);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ActivationEnv, activation_env_clear)
/* Notes if the tree that was live is not what was released: altered or replaced by hand. */
void activation_look_at_old(Activation *activation);
/* Keeps the output of a failed phase for the report. */
void activation_keep_log(Activation *activation, PhaseResult *result);
