/* SPDX-License-Identifier: ISC */
/* What an operator may activate by hand. */
#include "decide/base-private.h"

#define PLAN_TAG "; ask central for it with a plan tag (Release-Version)"

/* A later order made live what serves now. */
static gboolean is_overtaken(const DecideApp *app, const DecideOrder *order)
{
	const DecideLive *live = app->down ? NULL : decide_history_top(app);
	return live && decide_compare_rank(order->order->at_utc, order->order->seq, live->at_utc,
					   live->seq) < 0;
}

static gboolean is_staged_here(const DecideOrder *order)
{
	const DecideEntry *entry = (const DecideEntry *)order; /* pub comes first */
	return order->tree && g_strcmp0(entry->staged_root, order->order->root) == 0;
}

static gboolean serves(const DecideApp *app, const DecideOrder *order)
{
	return is_staged_here(order) && g_strcmp0(decide_app_live_tree(app), order->tree) == 0;
}

/* Why not, or NULL. */
static const char *refusal(const DecideApp *app, const DecideOrder *order)
{
	if (serves(app, order))
		return "it is live";
	if (order->cancel_asked)
		return "it was cancelled" PLAN_TAG;
	if (decide_why_refused(app, order))
		return "no signed tag of this base's signers gives it" PLAN_TAG;
	switch (order->state) {
	case ORDER_ORDERED:
	case ORDER_FETCHING:
		return "it is not staged yet; \"tagship-base pull\" fetches and stages it, "
		       "\"tagship-base status\" says what is in the way";
	case ORDER_ACTIVATING:
		return "it is being activated";
	case ORDER_CANCELLED:
		return "it was cancelled" PLAN_TAG;
	case ORDER_SUPERSEDED:
		return "a later one went live" PLAN_TAG;
	case ORDER_LIVE:
		return "it was live before what is live now; \"tagship-base rollback\" goes back "
		       "to the last good version, a plan tag (Release-Version) to any";
	case ORDER_STAGED:
	case ORDER_ROLLED_BACK:
	case ORDER_DOWN:
	case ORDER_FAILED:
	case ORDER_MISSED:
		break;
	}
	if (!is_staged_here(order))
		return "it was never staged here" PLAN_TAG;
	return is_overtaken(app, order) ? "a later one is live" PLAN_TAG : NULL;
}

gboolean decide_app_may_by_hand(const DecideApp *app, const DecideOrder *order)
{
	return refusal(app, order) == NULL;
}

static const DecideOrder *refuse(const DecideApp *app, const char *version, const char *why,
				 GError **error)
{
	util_error_set(error, TS_ERROR_REFUSED, "%s%s%s: %s", app->name, version ? " " : "",
		       version ? version : "", why);
	return NULL;
}

/* "v2 (missed), v3 (staged)" of those that may; empty if there are none. */
static char *list_allowed(const DecideApp *app)
{
	g_autoptr(GString) list = g_string_new(NULL);
	for (guint i = 0; i < app->orders->len; i++) {
		const DecideOrder *order = app->orders->pdata[i];
		if (!refusal(app, order))
			g_string_append_printf(list, "%s%s (%s)", list->len ? ", " : "",
					       order->order->version,
					       order_state_name(order->state));
	}
	return g_strdup(list->str);
}

/* The only one that may; several orders of one version are one. */
static const DecideOrder *only_one(const DecideApp *app, const char *list, GError **error)
{
	const DecideOrder *found = NULL;
	for (guint i = 0; i < app->orders->len; i++) {
		const DecideOrder *order = app->orders->pdata[i];
		if (refusal(app, order))
			continue;
		if (found && strcmp(found->order->version, order->order->version) != 0) {
			g_autofree char *why = g_strdup_printf("say which version: %s", list);
			return refuse(app, NULL, why, error);
		}
		found = order;
	}
	return found;
}

const DecideOrder *decide_app_by_hand(const DecideApp *app, const char *version, GError **error)
{
	const char *why = NULL;
	if (app->stopped) {
		g_autofree char *stopped =
		    g_strdup_printf("central stopped it%s%s; \"tagship resume\" there ends that",
				    *app->stop_reason ? ": " : "", app->stop_reason);
		return refuse(app, NULL, stopped, error);
	}
	g_autofree char *list = list_allowed(app);
	g_autofree char *allowed =
	    *list ? g_strdup_printf("there is: %s", list)
		  : g_strdup("nothing is staged here, missed, rolled back, failed or down, that "
			     "could be activated");
	if (!version)
		return *list ? only_one(app, list, error) : refuse(app, NULL, allowed, error);
	/* the highest that may; else why the highest may not */
	for (guint i = app->orders->len; i > 0; i--) {
		const DecideOrder *order = app->orders->pdata[i - 1];
		if (strcmp(order->order->version, version) != 0)
			continue;
		const char *why_not = refusal(app, order);
		if (!why_not)
			return order;
		why = why ? why : why_not;
	}
	if (why)
		return refuse(app, version, why, error);
	g_autofree char *unknown = g_strdup_printf("no order names it; %s", allowed);
	return refuse(app, version, unknown, error);
}
