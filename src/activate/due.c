/* SPDX-License-Identifier: ISC */
#include "activate/activate-private.h"

/* More steps than this without an end would be a mistake of ours, not a long list. */
#define STEPS_MAX 10000

static UtilTrailers *order_record(const Order *order, const char *event, const char *reason)
{
	UtilTrailers *record = util_trailers_new();
	util_trailers_add(record, "Event", event);
	util_trailers_add(record, "Release", order->release);
	util_trailers_add_int(record, "Seq", (gint64)order->seq);
	util_trailers_add(record, "Version", order->version);
	if (reason && *reason)
		util_trailers_add(record, "Reason", reason);
	return record;
}

static gboolean journal_event(ActivateApp *app, const Order *order, const char *event,
			      const char *reason, GError **error)
{
	g_autoptr(UtilTrailers) record = order_record(order, event, reason);
	activate_say(&app->spec, order->version, "%s%s%s", event, reason && *reason ? ": " : "",
		     reason ? reason : "");
	return activate_record(app, record, error);
}

static gboolean miss(ActivateApp *app, const DecideOrder *order, const char *why, GError **error)
{
	const char *app_hold = NULL;
	gboolean app_held = decide_app_held(app->state, &app_hold);
	const char *hold = order->held ? order->hold_reason : app_held ? app_hold : order->reason;
	g_autofree char *reason =
	    hold && *hold ? g_strdup_printf("%s: %s", why, hold) : g_strdup(why);
	g_autoptr(Order) copy = order_copy(order->order);
	return journal_event(app, copy, "missed", reason, error);
}

/* CANCEL, TOO_LATE, SUPERSEDE, MISS */
static gboolean bookkeep(ActivateApp *app, const DecideStep *step, GError **error)
{
	g_autoptr(Order) order = order_copy(step->order->order);
	switch (step->kind) {
	case STEP_CANCEL:
		return journal_event(app, order, "cancelled", step->reason, error);
	case STEP_TOO_LATE: {
		g_autofree char *reason =
		    g_strdup_printf("the cancel%s%s%s came after the commit point: the order is %s",
				    *step->reason ? " (" : "", step->reason,
				    *step->reason ? ")" : "", order_state_name(step->order->state));
		return journal_event(app, order, "too-late", reason, error);
	}
	case STEP_SUPERSEDE:
		return journal_event(app, order, "superseded", step->reason, error);
	case STEP_MISS:
		return miss(app, step->order, step->reason, error);
	case STEP_NONE:
	case STEP_RECOVER:
	case STEP_STAGE:
	case STEP_PREPARE:
	case STEP_ACTIVATE:
		break;
	}
	g_assert_not_reached();
}

/* `after` of every order that ended and had `before` or more. */
static gboolean run_owed_after(ActivateApp *app, GError **error)
{
	const DecideOrder *owed = NULL;
	while ((owed = decide_app_owes_after(app->state))) {
		g_autoptr(Order) order = order_copy(owed->order);
		g_auto(PhaseResult) result = {0};
		const char *live = decide_app_live_tree(app->state);
		g_autofree char *live_link = live ? g_strconcat("releases/", live, NULL) : NULL;
		g_autofree char *own_link = owed->tree && g_strcmp0(owed->tree, live) != 0
						? g_strconcat("releases/", owed->tree, NULL)
						: NULL;
		g_autofree char *tree = activate_target_path(&app->spec, live_link);
		g_autofree char *previous = activate_target_path(&app->spec, own_link);
		PhaseEnv env = {.spec = &app->spec,
				.version = order->version,
				.tree = tree,
				.previous = previous,
				.outcome = order_state_name(owed->state)};
		/* it failed: said, and in the journal; what serves is not changed by it */
		(void)phase_run(&env, CONF_PHASE_AFTER, 0, &result);
		g_autoptr(UtilTrailers) record = order_record(order, "after", result.reason);
		if (!activate_record(app, record, error))
			return FALSE;
	}
	return TRUE;
}

/* What must be well before anything is stopped. *ret_current: what serves now. */
static gboolean look_ahead(ActivateApp *app, const Order *order, const char *tree,
			   CurrentTree *ret_current, GError **error)
{
	if (!current_tree_read(app, ret_current, error))
		return FALSE;
	g_autofree char *path = activate_find_tree(app, tree);
	if (!path)
		return util_error_set(error, TS_ERROR_FAILED, "the staged tree %s is gone", tree);
	return activate_check_tree(app, path, order->root, error);
}

static gboolean run_before(ActivateApp *app, const Order *order, const char *tree,
			   const CurrentTree *current, gboolean *ret_went_well, GError **error)
{
	g_autofree char *found = activate_find_tree(app, tree);
	g_autofree char *path = activate_target_path(&app->spec, found);
	g_autofree char *previous = activate_target_path(&app->spec, current->target);
	g_auto(PhaseResult) result = {0};
	PhaseEnv env = {
	    .spec = &app->spec, .version = order->version, .tree = path, .previous = previous};
	*ret_went_well = phase_run(&env, CONF_PHASE_BEFORE, 0, &result);
	g_autoptr(UtilTrailers) record = order_record(order, "before", result.reason);
	if (!activate_record(app, record, error))
		return FALSE;
	if (*ret_went_well)
		return TRUE;
	g_autoptr(UtilTrailers) failed = order_record(order, "failed", result.reason);
	if (result.log_end && *result.log_end)
		util_trailers_add(failed, "Log-End", result.log_end);
	return activate_record(app, failed, error);
}

/* The checks, and `before` if it did not run yet. *ret_ready FALSE: the order has ended. */
static gboolean make_ready(ActivateApp *app, const DecideOrder *order, CurrentTree *ret_current,
			   gboolean *ret_ready, GError **error)
{
	g_autoptr(GError) failed = NULL;
	g_autoptr(Order) copy = order_copy(order->order);
	g_autofree char *tree = g_strdup(order->tree);
	*ret_ready = FALSE;
	if (!activate_open_dir(app, error))
		return FALSE;
	if (!look_ahead(app, copy, tree, ret_current, &failed))
		return journal_event(app, copy, "failed", failed->message, error);
	*ret_ready = TRUE;
	if (order->before_done || !phase_has(&app->spec, CONF_PHASE_BEFORE))
		return TRUE;
	return run_before(app, copy, tree, ret_current, ret_ready, error);
}

static gboolean ahead_of_time(ActivateApp *app, const DecideOrder *order, GError **error)
{
	CurrentTree current = {0};
	gboolean ready = FALSE;
	gboolean ok = make_ready(app, order, &current, &ready, error);
	current_tree_clear(&current);
	return ok;
}

/* Ordered is what serves already: no command runs. */
static gboolean already_live(ActivateApp *app, const Order *order, const char *tree, GError **error)
{
	g_autoptr(UtilTrailers) record = order_record(order, "live", NULL);
	util_trailers_add(record, "Root", order->root);
	util_trailers_add(record, "Tree", tree);
	util_trailers_add_time(record, "At", order->at_utc);
	util_trailers_add_int(record, "Outage-Ms", 0);
	util_trailers_add(record, "Serves", order->root);
	util_trailers_add(record, "Detail", "already live");
	activate_say(&app->spec, order->version, "already live");
	return activate_record(app, record, error);
}

static gboolean is_live_now(ActivateApp *app, const DecideOrder *order)
{
	CurrentTree current = {0};
	gboolean same = g_strcmp0(decide_app_live_root(app->state), order->order->root) == 0 &&
			g_strcmp0(decide_app_live_tree(app->state), order->tree) == 0 &&
			current_tree_read(app, &current, NULL) &&
			g_strcmp0(current.tree, order->tree) == 0;
	current_tree_clear(&current);
	return same;
}

static gboolean activate_order(ActivateApp *app, const DecideOrder *order, GError **error)
{
	g_autoptr(Order) copy = order_copy(order->order);
	g_autofree char *tree = g_strdup(order->tree);
	g_autoptr(Activation) a = activation_new(app, copy->release, copy->seq);
	gboolean ready = FALSE;
	if (!activate_open_dir(app, error))
		return FALSE;
	if (is_live_now(app, order))
		return already_live(app, copy, tree, error);
	if (!make_ready(app, order, &a->from, &ready, error))
		return FALSE;
	if (!ready)
		return TRUE;
	a->version = g_strdup(copy->version);
	a->root = g_strdup(copy->root);
	a->tree = g_steal_pointer(&tree);
	a->at_utc = copy->at_utc;
	if (copy->max_outage_s > 0)
		a->max_outage_s = copy->max_outage_s;
	if (a->from.note)
		activation_note(a, "%s", a->from.note);
	return activation_run(a, NULL, error);
}

static gboolean recover(ActivateApp *app, GError **error)
{
	DecideOpen open;
	decide_app_open(app->state, &open);
	if (!activate_open_dir(app, error))
		return FALSE;
	g_autoptr(Activation) a = activation_from_open(app, &open);
	DecideRecovery how =
	    decide_recovery(&open, phase_has(&app->spec, activation_data_phase(a, TRUE)));
	return activation_recover(a, how, NULL, error);
}

/* One step. *ret_done: nothing more to do now. */
static gboolean take_step(ActivateApp *app, gboolean *activated, gboolean *ret_done,
			  gint64 *ret_next_utc, GError **error)
{
	DecideFacts facts;
	DecideStep step;
	activate_facts(&app->spec, app->state, &facts);
	decide_app_next(app->state, &facts, FALSE, &step);
	switch (step.kind) {
	case STEP_NONE:
	case STEP_STAGE:
		*ret_next_utc = step.next_utc;
		*ret_done = TRUE;
		return TRUE;
	case STEP_RECOVER:
		return recover(app, error);
	case STEP_CANCEL:
	case STEP_TOO_LATE:
	case STEP_SUPERSEDE:
	case STEP_MISS:
		return bookkeep(app, &step, error);
	case STEP_PREPARE:
		return ahead_of_time(app, step.order, error);
	case STEP_ACTIVATE:
		*ret_next_utc = facts.now_utc;
		*ret_done = *activated;
		if (*activated)
			return TRUE;
		*activated = TRUE;
		return activate_order(app, step.order, error);
	}
	g_assert_not_reached();
}

gboolean activate_due(ActivateApp *app, gint64 *ret_next_utc, GError **error)
{
	gboolean activated = FALSE, done = FALSE;
	for (guint i = 0; i < STEPS_MAX; i++) {
		if (!run_owed_after(app, error) ||
		    !take_step(app, &activated, &done, ret_next_utc, error))
			return FALSE;
		if (done)
			return TRUE;
	}
	return util_error_set(error, TS_ERROR_FAILED, "%s: no end of steps to take",
			      app->spec.app->name);
}

/* A tree the journal calls good and that is still on this disk. */
static Activation *find_way_back(ActivateApp *app, GError **error)
{
	guint64 seq = 0;
	const char *release = decide_app_last_release(app->state, &seq);
	const char *tree = decide_app_last_good_tree(app->state);
	if (!release || !tree) {
		util_error_set(error, TS_ERROR_REFUSED,
			       "%s: no version was live before this one, so there is none to go "
			       "back to",
			       app->spec.app->name);
		return NULL;
	}
	g_autoptr(Activation) a = activation_new(app, release, seq);
	const DecideOrder *order = decide_app_find(app->state, release);
	a->tree = g_strdup(tree);
	a->root = g_strdup(decide_app_tree_root(app->state, tree));
	a->version = g_strdup(decide_app_tree_version(app->state, tree));
	a->at_utc = order ? order->order->at_utc : util_clock_now_utc(app->spec.clock);
	g_autofree char *path = activate_find_tree(app, tree);
	if (path && a->root && a->version)
		return g_steal_pointer(&a);
	util_error_set(error, TS_ERROR_REFUSED,
		       "%s: the last good version, %s, is not on this disk any more; ask central "
		       "for it with a plan tag",
		       app->spec.app->name, tree);
	return NULL;
}

/* Did this release migrate data, and was that not taken back since? */
static gboolean migration_in_effect(const ActivateApp *app, const char *release)
{
	const GPtrArray *records = store_journal_records(app->journal);
	for (guint i = records->len; i > 0; i--) {
		const UtilTrailers *record = records->pdata[i - 1];
		const char *event = util_trailers_get(record, "Event");
		if (g_strcmp0(util_trailers_get(record, "Release"), release) == 0 &&
		    (strcmp(event, "migrated") == 0 || strcmp(event, "unmigrated") == 0))
			return strcmp(event, "migrated") == 0;
	}
	return FALSE;
}

static gboolean check_data(Activation *a, GError **error)
{
	a->take_back = migration_in_effect(a->app, a->release);
	if (!a->take_back || phase_has(&a->app->spec, CONF_PHASE_UNMIGRATE))
		return TRUE;
	return util_error_set(error, TS_ERROR_REFUSED,
			      "%s: migrate ran for what is live, and base.cfg has no unmigrate: "
			      "%s must not run on that data. Give it one (/bin/true, if the data "
			      "fits both)",
			      a->app->spec.app->name, a->version);
}

/* What serves now, and what is to be said about both trees. */
static gboolean look_back(Activation *a, GError **error)
{
	g_autoptr(GError) altered = NULL;
	g_autofree char *path = activate_find_tree(a->app, a->tree);
	if (!current_tree_read(a->app, &a->from, error))
		return FALSE;
	if (a->from.note)
		activation_note(a, "%s", a->from.note);
	/* a way back is gone also if its files were altered */
	if (path && !activate_check_tree(a->app, path, a->root, &altered))
		activation_note(a, "%s", altered->message);
	return TRUE;
}

static gboolean before_way_back(const Activation *a, GError **error)
{
	g_auto(ActivationEnv) env = {0};
	g_auto(PhaseResult) result = {0};
	activation_env(a, FALSE, &env);
	if (phase_run(&env.env, CONF_PHASE_BEFORE, 0, &result))
		return TRUE;
	return util_error_set(
	    error, TS_ERROR_FAILED,
	    "%s: %s; nothing was stopped. To go back without it, take `before` out "
	    "of base.cfg",
	    a->app->spec.app->name, result.reason);
}

gboolean activate_rollback(ActivateApp *app, const char *who, GError **error)
{
	DecideOpen open;
	gboolean reached = FALSE;
	decide_app_open(app->state, &open);
	if ((open.order && !recover(app, error)) || !activate_open_dir(app, error))
		return FALSE;
	g_autoptr(Activation) a = find_way_back(app, error);
	if (!a || !check_data(a, error) || !look_back(a, error))
		return FALSE;
	a->by = g_strdup(who);
	if (!before_way_back(a, error) || !activation_run(a, &reached, error) ||
	    !run_owed_after(app, error))
		return FALSE;
	if (reached)
		return TRUE;
	return util_error_set(error, TS_ERROR_FAILED, "%s: %s did not become healthy; %s",
			      app->spec.app->name, a->version,
			      decide_app_is_down(app->state) ? "the app is down"
							     : "what was live serves again");
}

gboolean activate_prepare(const ActivateSpec *spec, const Order *order, const char *tree,
			  GError **error)
{
	static const char *const folders[] = {"pre-release", "releases"};
	g_auto(PhaseResult) result = {0};
	g_autofree char *path = NULL;
	for (guint i = 0; i < G_N_ELEMENTS(folders) && !path; i++) {
		path = g_build_filename(spec->app->dir, folders[i], tree, NULL);
		if (!g_file_test(path, G_FILE_TEST_IS_DIR))
			g_clear_pointer(&path, g_free);
	}
	g_autofree char *current = g_build_filename(spec->app->dir, "current", NULL);
	g_autofree char *link = g_file_read_link(current, NULL);
	g_autofree char *previous = activate_target_path(spec, link);
	PhaseEnv env = {
	    .spec = spec, .version = order->version, .tree = path, .previous = previous};
	if (phase_run(&env, CONF_PHASE_PREPARE, 0, &result))
		return TRUE;
	return util_error_set(error, TS_ERROR_FAILED, "%s%s%s", result.reason,
			      result.log_end && *result.log_end ? ":\n" : "",
			      result.log_end ? result.log_end : "");
}
