/* SPDX-License-Identifier: ISC */
#include "decide/base-private.h"
#include "decide/bug.h"

static const char *const state_names[ORDER_STATE_COUNT] = {
    [ORDER_ORDERED] = "ordered",
    [ORDER_FETCHING] = "fetching",
    [ORDER_STAGED] = "staged",
    [ORDER_ACTIVATING] = "activating",
    [ORDER_LIVE] = "live",
    [ORDER_ROLLED_BACK] = "rolled-back",
    [ORDER_DOWN] = "down",
    [ORDER_FAILED] = "failed",
    [ORDER_MISSED] = "missed",
    [ORDER_CANCELLED] = "cancelled",
    [ORDER_SUPERSEDED] = "superseded",
};

const char *order_state_name(OrderState state)
{
	return state_names[state];
}

gboolean order_state_ended(OrderState state)
{
	return state >= ORDER_LIVE;
}

static void entry_free(gpointer data)
{
	DecideEntry *entry = data;
	order_free(entry->pub.order);
	g_free(entry->pub.cancel_reason);
	g_free(entry->pub.hold_reason);
	g_free(entry->pub.gate_reason);
	g_free(entry->pub.trust_reason);
	g_free(entry->pub.tree);
	g_free(entry->pub.reason);
	g_free(entry->release);
	g_free(entry->staged_root);
	g_free(entry);
}

static void live_tree_free(gpointer data)
{
	DecideLive *live = data;
	g_free(live->tree);
	g_free(live->root);
	g_free(live->version);
	g_free(live->release);
	g_free(live);
}

void decide_set_text(char **text, const char *value)
{
	if (*text == value)
		return;
	g_free(*text);
	*text = g_strdup(value);
}

static void pin_free(gpointer data)
{
	DecidePin *pin = data;
	g_free(pin->tree);
	g_free(pin->version);
	g_free(pin);
}

DecideApp *decide_app_new(const char *name)
{
	DecideApp *app = g_new0(DecideApp, 1);
	app->name = g_strdup(name);
	app->entries = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, entry_free);
	app->orders = g_ptr_array_new();
	app->history = g_ptr_array_new_with_free_func(live_tree_free);
	app->pins = g_ptr_array_new_with_free_func(pin_free);
	app->bridge = g_ptr_array_new_with_free_func((GDestroyNotify)decide_bridge_free);
	app->data_of = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	return app;
}

void decide_app_free(DecideApp *app)
{
	if (!app)
		return;
	g_ptr_array_unref(app->orders);
	g_ptr_array_unref(app->history);
	g_ptr_array_unref(app->pins);
	g_ptr_array_unref(app->bridge);
	g_clear_pointer(&app->open_bridge, g_ptr_array_unref);
	g_free(app->maintenance_reason);
	g_hash_table_unref(app->entries);
	g_hash_table_unref(app->data_of);
	util_trailers_free(app->intent);
	g_free(app->hold_reason);
	g_free(app->stop_reason);
	g_free(app->down_release);
	g_free(app->name);
	g_free(app);
}

DecideEntry *decide_entry_for(DecideApp *app, const char *release)
{
	DecideEntry *entry = g_hash_table_lookup(app->entries, release);
	if (entry)
		return entry;
	entry = g_new0(DecideEntry, 1);
	entry->release = g_strdup(release);
	entry->pub.outage_ms = -1;
	entry->pub.round = 1;
	g_hash_table_insert(app->entries, entry->release, entry);
	return entry;
}

DecideLive *decide_history_top(const DecideApp *app)
{
	return app->history->len ? app->history->pdata[app->history->len - 1] : NULL;
}

DecideLive *decide_history_find(const DecideApp *app, const char *tree)
{
	for (guint i = app->history->len; tree && i > 0; i--) {
		DecideLive *live = app->history->pdata[i - 1];
		if (strcmp(live->tree, tree) == 0)
			return live;
	}
	return NULL;
}

gint decide_compare_rank(gint64 at_a, guint64 seq_a, gint64 at_b, guint64 seq_b)
{
	if (at_a != at_b)
		return at_a < at_b ? -1 : 1;
	if (seq_a != seq_b)
		return seq_a < seq_b ? -1 : 1;
	return 0;
}

/* Most come in their order, so the place is looked for from the end. */
static void insert_sorted(GPtrArray *orders, DecideOrder *order)
{
	guint i = orders->len;
	for (; i > 0; i--) {
		const Order *other = ((DecideOrder *)orders->pdata[i - 1])->order;
		if (decide_compare_rank(other->at_utc, other->seq, order->order->at_utc,
					order->order->seq) <= 0)
			break;
	}
	g_ptr_array_insert(orders, (gint)i, order);
}

void decide_app_order(DecideApp *app, const Order *order, gboolean cancelled, guint64 cancel_seq,
		      const char *cancel_reason)
{
	if (order->kind != ORDER_KIND_ORDER || g_strcmp0(order->app, app->name) != 0)
		return;
	DecideEntry *entry = decide_entry_for(app, order->release);
	DecideOrder *pub = &entry->pub;
	if (entry->accepted && pub->order->seq >= order->seq)
		return; /* an older revision */
	order_free(pub->order);
	pub->order = order_copy(order);
	pub->cancel_asked = cancelled;
	pub->cancel_seq = cancel_seq;
	decide_set_text(&pub->cancel_reason, cancelled ? cancel_reason : NULL);
	if (pub->state == ORDER_STAGED && g_strcmp0(entry->staged_root, order->root) != 0) {
		pub->state = ORDER_ORDERED;
		decide_set_text(&pub->tree, NULL);
	}
	if (entry->accepted)
		(void)g_ptr_array_remove(app->orders, pub); /* it may rank otherwise now */
	insert_sorted(app->orders, pub);
	entry->accepted = TRUE;
}

void decide_app_gate(DecideApp *app, const char *release, gboolean open, const char *reason)
{
	DecideEntry *entry = g_hash_table_lookup(app->entries, release);
	if (!entry || !entry->accepted)
		return;
	entry->pub.gate_decided = TRUE;
	entry->pub.gate_open = open;
	decide_set_text(&entry->pub.gate_reason, reason ? reason : "");
}

void decide_app_trust(DecideApp *app, const char *release, OrderTrust trust, const char *reason)
{
	DecideEntry *entry = g_hash_table_lookup(app->entries, release);
	if (!entry || !entry->accepted)
		return;
	entry->pub.trust = trust;
	decide_set_text(&entry->pub.trust_reason, reason);
}

void decide_app_stop(DecideApp *app, const char *reason)
{
	app->stopped = TRUE;
	decide_set_text(&app->stop_reason, reason ? reason : "");
}

const GPtrArray *decide_app_orders(const DecideApp *app)
{
	return app->orders;
}

const DecideOrder *decide_app_find(const DecideApp *app, const char *release)
{
	const DecideEntry *entry = g_hash_table_lookup(app->entries, release);
	return entry && entry->accepted ? &entry->pub : NULL;
}

static const DecideLive *live_now(const DecideApp *app)
{
	return app->down ? NULL : decide_history_top(app);
}

const char *decide_app_live_tree(const DecideApp *app)
{
	const DecideLive *live = live_now(app);
	return live ? live->tree : NULL;
}

const char *decide_app_live_root(const DecideApp *app)
{
	const DecideLive *live = live_now(app);
	return live ? live->root : NULL;
}

const char *decide_app_live_version(const DecideApp *app)
{
	const DecideLive *live = live_now(app);
	return live ? live->version : NULL;
}

gint64 decide_app_live_since(const DecideApp *app)
{
	const DecideLive *live = live_now(app);
	return live ? live->since_utc : 0;
}

const char *decide_app_last_good_tree(const DecideApp *app)
{
	const DecideLive *top = decide_history_top(app);
	if (!top || app->down)
		return top ? top->tree : NULL;
	for (guint i = app->history->len - 1; i > 0; i--) {
		const DecideLive *live = app->history->pdata[i - 1];
		if (strcmp(live->tree, top->tree) != 0)
			return live->tree;
	}
	return NULL;
}

gboolean decide_app_held(const DecideApp *app, const char **ret_reason)
{
	if (ret_reason)
		*ret_reason = app->hold_reason;
	return app->held;
}

gboolean decide_app_stopped(const DecideApp *app, const char **ret_reason)
{
	if (ret_reason)
		*ret_reason = app->stop_reason;
	return app->stopped;
}

gboolean decide_app_is_down(const DecideApp *app)
{
	return app->down;
}

const char *decide_app_last_release(const DecideApp *app, guint64 *ret_seq)
{
	const DecideLive *top = decide_history_top(app);
	if (ret_seq)
		*ret_seq = app->down ? app->down_seq : top ? top->seq : 0;
	if (app->down)
		return app->down_release;
	return top ? top->release : NULL;
}

const char *decide_app_tree_version(const DecideApp *app, const char *tree)
{
	const DecideLive *live = decide_history_find(app, tree);
	return live ? live->version : NULL;
}

const char *decide_app_tree_root(const DecideApp *app, const char *tree)
{
	const DecideLive *live = decide_history_find(app, tree);
	return live ? live->root : NULL;
}

gboolean decide_data_of(const DecideApp *app, const char *root, gint64 *ret_step)
{
	gpointer step = NULL;
	if (!root || !g_hash_table_lookup_extended(app->data_of, root, NULL, &step))
		return FALSE;
	*ret_step = GPOINTER_TO_INT(step);
	return TRUE;
}

DecideData decide_app_data(const DecideApp *app, const char *root)
{
	gint64 step = 0;
	if (!decide_data_of(app, root, &step))
		return DECIDE_DATA_UNKNOWN;
	if (decide_bug(DECIDE_BUG_DATA))
		return DECIDE_DATA_SAME;
	if (step < app->data)
		return DECIDE_DATA_OLDER;
	return step > app->data_low ? DECIDE_DATA_NEWER : DECIDE_DATA_SAME;
}

const GPtrArray *decide_app_pins(const DecideApp *app)
{
	return app->pins;
}

gint64 decide_app_maintenance(const DecideApp *app, const char **ret_reason)
{
	if (ret_reason)
		*ret_reason = app->maintenance_reason;
	return app->maintenance_utc;
}

const DecideOrder *decide_app_owes_after(const DecideApp *app)
{
	GHashTableIter iter;
	gpointer value = NULL;
	g_hash_table_iter_init(&iter, app->entries);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		const DecideOrder *order = value;
		if (order->after_owed && order->order &&
		    (order_state_ended(order->state) ||
		     (order->state != ORDER_ACTIVATING && !order->before_done)))
			return order;
	}
	return NULL;
}

void decide_app_open(const DecideApp *app, DecideOpen *ret_open)
{
	memset(ret_open, 0, sizeof *ret_open);
	if (!app->open_entry)
		return;
	*ret_open = app->open;
	ret_open->order = &app->open_entry->pub;
	ret_open->intent = app->intent;
	ret_open->data_back = decide_data_back(app->intent);
	ret_open->back =
	    util_trailers_get(app->intent, "By") && !util_trailers_get(app->intent, "Hand");
	ret_open->tree = util_trailers_get(app->intent, "Tree");
	ret_open->from_tree = util_trailers_get(app->intent, "From-Tree");
	ret_open->from_root = util_trailers_get(app->intent, "From-Root");
}
