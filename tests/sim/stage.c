/* SPDX-License-Identifier: ISC */
/* Fetching, staging and tidying up, as stage and cmd/tagship-stage and gc have it. */
#include "sim.h"

typedef struct {
	char *release, *root;
	guint run;
} Coming;

static void coming_free(gpointer data)
{
	Coming *coming = data;
	g_free(coming->release);
	g_free(coming->root);
	g_free(coming);
}

static SimTree *tree_with(SimApp *app, const char *root)
{
	GHashTableIter iter;
	gpointer value = NULL;
	SimTree *found = NULL;
	g_hash_table_iter_init(&iter, app->trees);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		SimTree *tree = value;
		if (strcmp(tree->root, root) == 0 &&
		    (!found || strcmp(tree->name, found->name) < 0))
			found = tree;
	}
	return found;
}

/* Still as when it was begun? */
static const Order *still_wanted(SimApp *app, const char *release, const char *root)
{
	const DecideOrder *now = decide_app_find(app->state, release);
	gboolean waits = now && (now->state == ORDER_ORDERED || now->state == ORDER_FETCHING) &&
			 !now->cancel_asked && strcmp(now->order->root, root) == 0;
	return waits ? now->order : NULL;
}

static gboolean journal(SimApp *app, const char *release, const char *root, const char *event,
			const char *tree, const char *reason)
{
	const Order *order = still_wanted(app, release, root);
	if (!order)
		return TRUE;
	g_autoptr(UtilTrailers) record = util_trailers_new();
	util_trailers_add(record, "Event", event);
	util_trailers_add(record, "Release", release);
	util_trailers_add(record, "Root", tree ? root : NULL);
	util_trailers_add(record, "Tree", tree);
	util_trailers_add(record, "Reason", reason);
	if (!app_record(app, record))
		return FALSE;
	app_look_in(app, 0);
	return TRUE;
}

/* What came is put together beside what is live. */
static gboolean unpack(SimApp *app, const Order *order)
{
	Sim *sim = app->base->sim;
	g_autofree char *release = g_strdup(order->release);
	g_autofree char *root = g_strdup(order->root);
	if (sim_killed(sim, 30))
		return journal(app, release, root, "stage-failed", NULL, "no space");
	if (sim_killed(sim, 2))
		return journal(app, release, root, "refused", NULL, "a newer format");
	SimTree *tree = tree_with(app, root);
	if (!tree) {
		tree = g_new0(SimTree, 1);
		tree->name = g_strdup_printf("%s-%.8s", order->version, root);
		tree->root = g_strdup(root);
		tree->version = g_strdup(order->version);
		tree->made_utc = sim->now_utc;
		g_hash_table_insert(app->trees, tree->name, tree);
	}
	return journal(app, release, root, "staged", tree->name, NULL);
}

static void came(Sim *sim, gpointer who, gpointer data)
{
	SimApp *app = who;
	Coming *coming = data;
	if (!app->base->up || coming->run != app->base->run)
		return;
	if (app->busy_until > sim->now_utc) {
		Coming *again = g_new0(Coming, 1);
		*again = (Coming){g_strdup(coming->release), g_strdup(coming->root), coming->run};
		sim_at(sim, app->busy_until, came, app, again, coming_free);
		return;
	}
	(void)g_hash_table_remove(app->base->asked, coming->release);
	if (!sim_line_is_up(app->base) || !app_open(app))
		return; /* cut: the next pull goes on */
	const Order *order = still_wanted(app, coming->release, coming->root);
	if (order && unpack(app, order))
		base_pull_in(app->base, sim_between(sim, 0, 3));
}

static void central_gets_want(Sim *sim, gpointer who, gpointer data)
{
	SimHint *hint = sim_hint_new(HINT_WANT);
	const SimHint *want = data;
	(void)who;
	hint->base = want->base;
	hint->app = g_strdup(want->app);
	hint->release = g_strdup(want->release);
	hint->old_root = g_strdup(want->old_root);
	if (sim->central.up)
		central_add_hint(sim, hint);
	else
		sim_hint_free(hint);
}

static gpointer copy_want(gconstpointer data)
{
	const SimHint *want = data;
	SimHint *copy = sim_hint_new(HINT_WANT);
	copy->base = want->base;
	copy->app = g_strdup(want->app);
	copy->release = g_strdup(want->release);
	copy->old_root = g_strdup(want->old_root);
	return copy;
}

static void want(SimApp *app, const Order *order)
{
	SimHint *hint = sim_hint_new(HINT_WANT);
	const char *live = decide_app_live_root(app->state);
	hint->base = app->base->index;
	hint->app = g_strdup(app->name);
	hint->release = g_strdup(order->release);
	hint->old_root = g_strdup(live && tree_with(app, live) ? live : "-");
	sim_send(app->base->sim, app->base, central_gets_want, NULL, hint, copy_want,
		 sim_hint_free);
}

static void fetch(SimApp *app, const Order *order)
{
	Sim *sim = app->base->sim;
	const OrderBundle *found = NULL;
	for (guint i = 0; i < order->bundles->len; i++) {
		const OrderBundle *bundle = order->bundles->pdata[i];
		if (strcmp(bundle->old_root, "-") == 0 || tree_with(app, bundle->old_root))
			found = bundle;
	}
	if (!found) {
		want(app, order);
		return;
	}
	if (!g_hash_table_add(app->base->asked, g_strdup(order->release)))
		return;
	Coming *coming = g_new0(Coming, 1);
	*coming = (Coming){g_strdup(order->release), g_strdup(order->root), app->base->run};
	gint64 takes_s = (gint64)(found->bytes * 8 / 1000) / app->base->line_kbit + 1;
	sim_at(sim, sim->now_utc + takes_s, came, app, coming, coming_free);
}

void stage_app(SimApp *app)
{
	if (app->busy_until > app->base->sim->now_utc || !app_open(app))
		return;
	g_autoptr(GPtrArray) todo = g_ptr_array_new_with_free_func((GDestroyNotify)order_free);
	const GPtrArray *orders = decide_app_orders(app->state);
	for (guint i = 0; i < orders->len; i++)
		if (decide_app_wants(app->state, orders->pdata[i]))
			g_ptr_array_add(todo, order_copy(((DecideOrder *)orders->pdata[i])->order));
	for (guint i = 0; i < todo->len; i++) {
		const Order *order = todo->pdata[i];
		if (!tree_with(app, order->root))
			fetch(app, order);
		else if (!unpack(app, order))
			return;
	}
}

/* ---- tidying up ---- */

static gboolean is_needed(SimApp *app, const char *name)
{
	const DecideApp *state = app->state;
	const GPtrArray *orders = decide_app_orders(state), *pins = decide_app_pins(state);
	for (guint i = 0; i < orders->len; i++) {
		const DecideOrder *order = orders->pdata[i];
		g_autofree char *own =
		    g_strdup_printf("%s-%.8s", order->order->version, order->order->root);
		if (!order_state_ended(order->state) &&
		    (strcmp(own, name) == 0 || g_strcmp0(order->tree, name) == 0))
			return TRUE;
		if (order_state_ended(order->state) && g_strcmp0(order->tree, name) == 0 &&
		    decide_app_may_by_hand(state, order))
			return TRUE;
	}
	for (guint i = 0; i < pins->len; i++)
		if (strcmp(((const DecidePin *)pins->pdata[i])->tree, name) == 0)
			return TRUE;
	return g_strcmp0(decide_app_live_tree(state), name) == 0 ||
	       g_strcmp0(decide_app_last_good_tree(state), name) == 0 ||
	       g_strcmp0(app->current, name) == 0 || decide_app_bridges(state, name);
}

void stage_gc(SimApp *app)
{
	DecideOpen open;
	if (!app->base->up || app->busy_until > app->base->sim->now_utc || !app_open(app))
		return;
	decide_app_open(app->state, &open);
	if (open.order)
		return;
	guint n = 0;
	g_autofree char **names = (char **)g_hash_table_get_keys_as_array(app->trees, &n);
	qsort(names, n, sizeof *names, sim_by_name);
	for (guint i = 0; i < n; i++) {
		if (is_needed(app, names[i]))
			continue;
		g_autoptr(UtilTrailers) record = app_event("pruned", NULL, NULL);
		util_trailers_add(record, "Tree", names[i]);
		if (!app_record(app, record))
			return;
		(void)g_hash_table_remove(app->trees, names[i]);
	}
}
