/* SPDX-License-Identifier: ISC */
/* What an operator does by hand: back to the last good version, or on to one that waits or ended
 * without serving. */
#include "activate/activate-private.h"

/* ---- rollback ---- */

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

/* What it began `after` ends, also if it fails, or we do. */
static gboolean run_before(Activation *a, GError **error)
{
	g_auto(PhaseResult) result = {0};
	gboolean went_well = FALSE;
	if (!phase_has(&a->app->spec, CONF_PHASE_BEFORE))
		return TRUE;
	if (!activation_before(a, &result, &went_well, error))
		return FALSE;
	if (went_well)
		return TRUE;
	if (!activate_owed_after(a->app, error))
		return FALSE;
	return util_error_set(error, TS_ERROR_FAILED,
			      "%s: %s; nothing was stopped. To go on without it, take `before` out "
			      "of base.cfg",
			      a->app->spec.app->name, result.reason);
}

static gboolean not_healthy(const Activation *a, GError **error)
{
	return util_error_set(error, TS_ERROR_FAILED, "%s: %s did not become healthy; %s",
			      a->app->spec.app->name, a->version,
			      decide_app_is_down(a->app->state) ? "the app is down"
								: "what was live serves again");
}

gboolean activate_rollback(ActivateApp *app, const char *who, GError **error)
{
	DecideOpen open;
	gboolean reached = FALSE;
	decide_app_open(app->state, &open);
	if ((open.order && !activate_end_open(app, error)) || !activate_open_dir(app, error))
		return FALSE;
	g_autoptr(Activation) a = find_way_back(app, error);
	if (!a)
		return FALSE;
	a->by = g_strdup(who);
	a->back = TRUE;
	if (!activation_plan_data(a, error) || !look_back(a, error) || !run_before(a, error) ||
	    !activation_run(a, &reached, error) || !activate_owed_after(app, error))
		return FALSE;
	return reached || not_healthy(a, error);
}

/* ---- activate ---- */

/* "operator alice: by hand (it was missed)" */
static void note_hand(Activation *a, const DecideOrder *order)
{
	const char *hold = NULL;
	gboolean held = decide_app_held(a->app->state, &hold) || order->held;
	const char *reason = order->held ? order->hold_reason : hold;
	gboolean because = held && reason && *reason;
	activation_note(a, "operator %s: by hand (it was %s%s%s%s)", a->by,
			order_state_name(order->state), held ? ", held" : "", because ? ": " : "",
			because ? reason : "");
}

/* The tree is there, and as it was ordered. */
static gboolean check_staged(const Activation *a, GError **error)
{
	g_autofree char *path = activate_find_tree(a->app, a->tree);
	g_autoptr(GError) altered = NULL;
	if (path && activate_check_tree(a->app, path, a->root, &altered))
		return TRUE;
	return util_error_set(error, TS_ERROR_REFUSED,
			      "%s %s: %s; ask central for it with a plan tag (Release-Version)",
			      a->app->spec.app->name, a->version,
			      altered ? altered->message : "its tree is not on this disk any more");
}

/* What is to go live before it by its plan, and so no more. */
static GPtrArray *lower_ones(const DecideApp *state, const DecideOrder *order)
{
	const GPtrArray *orders = decide_app_orders(state);
	GPtrArray *lower = g_ptr_array_new_with_free_func(g_free);
	for (guint i = 0; i < orders->len && orders->pdata[i] != order; i++) {
		const DecideOrder *other = orders->pdata[i];
		if (!order_state_ended(other->state))
			g_ptr_array_add(lower, g_strdup(other->order->release));
	}
	return lower;
}

static Activation *hand_activation(ActivateApp *app, const DecideOrder *order, const char *who)
{
	Activation *a = activation_of_order(app, order->order, order->tree);
	a->by = g_strdup(who);
	/* brought forward: what is ordered from now on comes after it */
	a->at_utc = MIN(a->at_utc, util_clock_now_utc(app->spec.clock));
	a->supersedes = lower_ones(app->state, order);
	return a;
}

gboolean activate_by_hand(ActivateApp *app, const char *version, const char *who, GError **error)
{
	DecideOpen open;
	gboolean reached = FALSE;
	decide_app_open(app->state, &open);
	if ((open.order && !activate_end_open(app, error)) || !activate_open_dir(app, error))
		return FALSE;
	const DecideOrder *order = decide_app_by_hand(app->state, version, error);
	if (!order)
		return FALSE;
	gboolean before_done = order->before_done;
	g_autoptr(Activation) a = hand_activation(app, order, who);
	if (!activation_plan_data(a, error) || !check_staged(a, error))
		return FALSE;
	note_hand(a, order);
	if (!current_tree_read(app, &a->from, error))
		return FALSE;
	activation_look_at_from(a);
	if ((!before_done && !run_before(a, error)) || !activation_run(a, &reached, error) ||
	    !activate_owed_after(app, error))
		return FALSE;
	return reached || not_healthy(a, error);
}
