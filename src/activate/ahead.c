/* SPDX-License-Identifier: ISC */
/* The check of a large tree takes longer than an order may be late: it is made just before. */
#include "activate/activate-private.h"

void activate_ready_clear(ActivateReady *ready)
{
	g_clear_pointer(&ready->tree, g_free);
	g_clear_pointer(&ready->root, g_free);
	ready->checked_us = 0;
}

gboolean activate_is_checked(const ActivateApp *app, const char *tree, const char *root)
{
	const ActivateReady *ready = app->spec.ready;
	return ready && g_strcmp0(ready->tree, tree) == 0 && g_strcmp0(ready->root, root) == 0 &&
	       g_get_monotonic_time() - ready->checked_us < ACTIVATE_AHEAD_S * G_USEC_PER_SEC * 2;
}

static const DecideOrder *staged_for(const DecideApp *state, gint64 at_utc)
{
	const GPtrArray *orders = decide_app_orders(state);
	for (guint i = orders->len; i > 0; i--) {
		const DecideOrder *order = orders->pdata[i - 1];
		if (order->state == ORDER_STAGED && order->order->at_utc == at_utc)
			return order;
	}
	return NULL;
}

static void check_ahead(ActivateApp *app, const DecideOrder *order)
{
	g_autofree char *path = activate_find_tree(app, order->tree);
	gint64 begun_us = g_get_monotonic_time();
	/* altered: it is found again, and said, at its time */
	if (!path || !activate_check_tree(app, path, order->order->root, NULL))
		return;
	activate_ready_clear(app->spec.ready);
	app->spec.ready->tree = g_strdup(order->tree);
	app->spec.ready->root = g_strdup(order->order->root);
	app->spec.ready->checked_us = begun_us;
	/* a rename that is synced takes time too; not done, it is done at its time */
	(void)activate_move_tree(app, order->tree, NULL);
}

gint64 activate_ahead(ActivateApp *app)
{
	DecideFacts facts;
	DecideStep step;
	activate_facts(&app->spec, &facts);
	decide_app_next(app->state, &facts, FALSE, &step);
	if (step.kind != STEP_NONE || step.next_utc <= facts.now_utc ||
	    step.next_utc > facts.now_utc + ACTIVATE_AHEAD_S ||
	    decide_app_owes_after(app->state) != NULL)
		return 0;
	const DecideOrder *order = staged_for(app->state, step.next_utc);
	if (order && app->spec.ready && activate_open_dir(app, NULL))
		check_ahead(app, order);
	return step.next_utc;
}
