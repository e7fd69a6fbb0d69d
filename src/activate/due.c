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

/* CANCEL, TOO_LATE, REFUSE, SUPERSEDE, MISS */
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
	case STEP_REFUSE:
		return journal_event(app, order, "refused", step->reason, error);
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

gboolean activate_owed_after(ActivateApp *app, GError **error)
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

/* What must be well before anything is stopped; a->from becomes what serves now. */
static gboolean look_ahead(Activation *a, GError **error)
{
	if (!current_tree_read(a->app, &a->from, error))
		return FALSE;
	g_autofree char *path = activate_find_tree(a->app, a->tree);
	if (!path)
		return util_error_set(error, TS_ERROR_FAILED, "the staged tree %s is gone",
				      a->tree);
	return activate_is_checked(a->app, a->tree, a->root) ||
	       activate_check_tree(a->app, path, a->root, error);
}

/* *ret_ready FALSE: it failed, and the order has ended. */
static gboolean run_before(Activation *a, gboolean *ret_ready, GError **error)
{
	g_auto(PhaseResult) result = {0};
	if (!activation_before(a, &result, ret_ready, error))
		return FALSE;
	if (*ret_ready)
		return TRUE;
	g_autoptr(UtilTrailers) failed = activation_record(a, "failed");
	util_trailers_add(failed, "Reason", result.reason);
	if (result.log_end && *result.log_end)
		util_trailers_add(failed, "Log-End", result.log_end);
	return activate_record(a->app, failed, error);
}

/* The checks, and `before` if it did not run yet. *ret_ready FALSE: the order has ended. */
static gboolean make_ready(Activation *a, const Order *order, gboolean before_done,
			   gboolean *ret_ready, GError **error)
{
	g_autoptr(GError) failed = NULL;
	*ret_ready = FALSE;
	if (!activate_open_dir(a->app, error))
		return FALSE;
	if (!activation_plan_data(a, &failed) || !look_ahead(a, &failed))
		return journal_event(a->app, order, "failed", failed->message, error);
	*ret_ready = TRUE;
	return before_done || !phase_has(&a->app->spec, CONF_PHASE_BEFORE) ||
	       run_before(a, ret_ready, error);
}

static gboolean ahead_of_time(ActivateApp *app, const DecideOrder *order, GError **error)
{
	g_autoptr(Order) copy = order_copy(order->order);
	g_autoptr(Activation) a = activation_of_order(app, copy, order->tree);
	gboolean ready = FALSE;
	return make_ready(a, copy, order->before_done, &ready, error);
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
	g_autoptr(Activation) a = activation_of_order(app, copy, order->tree);
	gboolean ready = FALSE;
	if (!activate_open_dir(app, error))
		return FALSE;
	if (is_live_now(app, order))
		return already_live(app, copy, a->tree, error);
	if (!make_ready(a, copy, order->before_done, &ready, error))
		return FALSE;
	if (!ready)
		return TRUE;
	activation_look_at_from(a);
	return activation_run(a, NULL, error);
}

gboolean activate_end_open(ActivateApp *app, GError **error)
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
	activate_facts(&app->spec, &facts);
	decide_app_next(app->state, &facts, FALSE, &step);
	switch (step.kind) {
	case STEP_NONE:
	case STEP_STAGE:
		*ret_next_utc = step.next_utc;
		*ret_done = TRUE;
		return TRUE;
	case STEP_RECOVER:
		return activate_end_open(app, error);
	case STEP_CANCEL:
	case STEP_TOO_LATE:
	case STEP_REFUSE:
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
		if (!activate_owed_after(app, error) ||
		    !take_step(app, &activated, &done, ret_next_utc, error))
			return FALSE;
		if (done)
			return TRUE;
	}
	return util_error_set(error, TS_ERROR_FAILED, "%s: no end of steps to take",
			      app->spec.app->name);
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
