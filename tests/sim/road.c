/* SPDX-License-Identifier: ISC */
/* One activation, from `before` to its end: as activate/run.c, undo.c, hand.c and trees.c. */
#include "sim.h"

typedef enum { PHASE_BEFORE, PHASE_STOP, PHASE_MIGRATE, PHASE_UNMIGRATE, PHASE_START } Phase;

typedef struct {
	SimApp *app;
	char *release, *version, *root, *tree;
	guint64 seq;
	gint64 at_utc;
	const char *by;
	gboolean back;
	char *from_target, *from_tree, *from_root, *from_version;
	gboolean stopped, migrated, switched, started;
	gboolean data_back, data_same, recovering, was_down;
	GPtrArray *supersedes;
	gint64 attempt;
} Road;

static void road_clear(Road *road)
{
	g_free(road->release);
	g_free(road->version);
	g_free(road->root);
	g_free(road->tree);
	g_free(road->from_target);
	g_free(road->from_tree);
	g_free(road->from_root);
	g_free(road->from_version);
	g_clear_pointer(&road->supersedes, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Road, road_clear)

/* ---- commands ---- */

static gboolean has_phase(const SimApp *app, Phase phase)
{
	switch (phase) {
	case PHASE_BEFORE:
		return app->has.before;
	case PHASE_MIGRATE:
		return app->has.migrate;
	case PHASE_UNMIGRATE:
		return app->has.unmigrate;
	case PHASE_STOP:
	case PHASE_START:
		return TRUE;
	}
	g_assert_not_reached();
}

static gint64 home_of(const SimApp *app, const char *root)
{
	return root ? GPOINTER_TO_INT(g_hash_table_lookup(app->home, root)) : 0;
}

/* What migrate and unmigrate make of the data: what that version was live on, or something new. */
static void change_data(SimApp *app, Phase phase, const char *root, gboolean undo)
{
	gint64 home = home_of(app, root);
	if (phase == PHASE_MIGRATE)
		app->data = home > app->data || (undo && home > 0) ? home : ++app->data_most;
	else if (home > 0)
		app->data = home;
	if (phase == PHASE_MIGRATE && root)
		g_hash_table_replace(app->knows, g_strdup(root), GINT_TO_POINTER((gint)app->data));
}

/* One command for `tree` of `root`. *ret_ok: how it ended. FALSE: we were killed. */
static gboolean run_data_phase(SimApp *app, Phase phase, const char *tree, const char *root,
			       gboolean is_undo, gboolean *ret_ok)
{
	Sim *sim = app->base->sim;
	*ret_ok = TRUE;
	if (!has_phase(app, phase))
		return TRUE;
	if (!base_lives(app->base))
		return FALSE;
	app->spent_s += sim_between(sim, 0, 20);
	*ret_ok = sim->calm || !sim_chance(sim, 30);
	gboolean did = *ret_ok || sim_chance(sim, 500);
	if (phase == PHASE_STOP && did)
		g_clear_pointer(&app->running, g_free);
	if ((phase == PHASE_MIGRATE || phase == PHASE_UNMIGRATE) && did)
		change_data(app, phase, root, is_undo);
	if (phase == PHASE_START) {
		laws_start(app, tree);
		if (did && !app->running)
			app->running = g_strdup(tree);
	}
	return base_lives(app->base);
}

static gboolean run_phase(SimApp *app, Phase phase, const char *tree, const char *root,
			  gboolean *ret_ok)
{
	return run_data_phase(app, phase, tree, root, FALSE, ret_ok);
}

static gboolean run_health(SimApp *app, const char *tree, const char *root, gboolean *ret_ok)
{
	Sim *sim = app->base->sim;
	if (!base_lives(app->base))
		return FALSE;
	*ret_ok = g_strcmp0(app->running, tree) == 0 &&
		  !(root && g_hash_table_contains(sim->sick, root)) &&
		  (sim->calm || !sim_chance(sim, 20));
	app->spent_s += *ret_ok ? sim_between(sim, 0, 10) : sim_between(sim, 10, 60);
	return base_lives(app->base);
}

/* ---- current ---- */

static gboolean set_current(SimApp *app, const char *tree)
{
	if (!base_lives(app->base))
		return FALSE;
	laws_current(app, tree);
	g_free(app->current);
	app->current = g_strdup(tree);
	return base_lives(app->base);
}

static void describe(Road *road, const char *tree)
{
	SimApp *app = road->app;
	const SimTree *there = tree ? g_hash_table_lookup(app->trees, tree) : NULL;
	g_clear_pointer(&road->from_target, g_free);
	g_clear_pointer(&road->from_tree, g_free);
	g_clear_pointer(&road->from_root, g_free);
	g_clear_pointer(&road->from_version, g_free);
	if (!there)
		return;
	road->from_target = g_strdup(tree);
	road->from_tree = g_strdup(tree);
	road->from_root = g_strdup(there->root);
	road->from_version = g_strdup(there->version);
}

static void look_at_from(Road *road)
{
	SimApp *app = road->app;
	if (!road->was_down)
		return;
	if (g_strcmp0(road->from_tree, road->tree) == 0)
		describe(road, decide_app_last_good_tree(app->state));
	road->migrated =
	    !road->data_back && decide_app_data(app->state, road->from_root) == DECIDE_DATA_OLDER;
}

/* ---- records ---- */

static UtilTrailers *record_of(const Road *road, const char *event)
{
	UtilTrailers *record = util_trailers_new();
	util_trailers_add(record, "Event", event);
	util_trailers_add(record, "Release", road->release);
	util_trailers_add_int(record, "Seq", (gint64)road->seq);
	util_trailers_add(record, "Version", road->version);
	return record;
}

static gboolean note(const Road *road, const char *event, const char *reason)
{
	g_autoptr(UtilTrailers) record = record_of(road, event);
	util_trailers_add(record, "Reason", reason);
	return app_record(road->app, record);
}

static gboolean journal_intent(Road *road)
{
	g_autoptr(UtilTrailers) record = record_of(road, "intent");
	util_trailers_add(record, "Root", road->root);
	util_trailers_add(record, "Tree", road->tree);
	util_trailers_add_time(record, "At", road->at_utc);
	util_trailers_add_int(record, "Attempt", road->attempt);
	util_trailers_add(record, "By", road->by);
	if (road->by && !road->back)
		util_trailers_add(record, "Hand", "yes");
	if (road->migrated && road->attempt == 1)
		util_trailers_add(record, "Migrated", "yes");
	if (road->data_back || road->back)
		util_trailers_add(record, "Data", road->data_back ? "back" : "forward");
	for (guint i = 0; road->supersedes && i < road->supersedes->len; i++)
		util_trailers_add(record, "Supersedes", road->supersedes->pdata[i]);
	util_trailers_add(record, "From-Target", road->from_target);
	util_trailers_add(record, "From-Tree", road->from_tree);
	util_trailers_add(record, "From-Root", road->from_root);
	util_trailers_add(record, "From-Version", road->from_version);
	laws_intent(road->app, record, road->recovering);
	road->app->base->sim->counts.activations++;
	return app_record(road->app, record);
}

static Phase data_phase(const Road *road, gboolean undo)
{
	return road->data_back == undo ? PHASE_MIGRATE : PHASE_UNMIGRATE;
}

static const char *data_event(const Road *road, gboolean undo)
{
	return road->data_back == undo ? "migrated" : "unmigrated";
}

/* ---- undo ---- */

static gboolean down(Road *road, const char *reason)
{
	g_autoptr(UtilTrailers) record = record_of(road, "down");
	util_trailers_add(record, "Reason", reason);
	util_trailers_add(record, "By", road->by);
	util_trailers_add(record, "Serves", "-");
	return app_record(road->app, record);
}

static gboolean stop_new(Road *road, gboolean *ret_stopped)
{
	gboolean unsure = road->recovering && !road->stopped && road->from_target;
	*ret_stopped = TRUE;
	return (!road->started && !unsure) ||
	       run_phase(road->app, PHASE_STOP, road->from_tree, road->from_root, ret_stopped);
}

static gboolean data_fits_from(const Road *road, DecideData data)
{
	if (!road->migrated)
		return !road->was_down || data == DECIDE_DATA_SAME || data == DECIDE_DATA_UNKNOWN;
	return !road->data_back || data == DECIDE_DATA_SAME || data == DECIDE_DATA_NEWER;
}

/* *ret_why: what was there must not start. FALSE: killed. */
static gboolean take_back(Road *road, const char **ret_why)
{
	SimApp *app = road->app;
	Phase phase = data_phase(road, TRUE);
	gboolean ok = TRUE;
	DecideData data = decide_app_data(app->state, road->from_root);
	if (!data_fits_from(road, data)) {
		*ret_why = "the data is not what that was live on";
		return TRUE;
	}
	if (!road->migrated || (road->data_back && data == DECIDE_DATA_SAME))
		return TRUE;
	if (!has_phase(app, phase)) {
		*ret_why = "it was migrated, and there is nothing that takes it back";
		return TRUE;
	}
	if (!run_data_phase(app, phase, road->from_tree, road->from_root, TRUE, &ok))
		return FALSE;
	if (!ok) {
		*ret_why = "what takes it back failed";
		return TRUE;
	}
	road->migrated = FALSE;
	return note(road, data_event(road, TRUE), NULL);
}

static gboolean rolled_back(Road *road, const char *reason)
{
	gboolean still_live = road->back && road->from_tree && road->from_root;
	g_autoptr(UtilTrailers) record = util_trailers_new();
	util_trailers_add(record, "Event", still_live ? "live" : "rolled-back");
	util_trailers_add(record, "Release", road->release);
	util_trailers_add_int(record, "Seq", (gint64)road->seq);
	util_trailers_add(record, "Version", still_live ? road->from_version : road->version);
	util_trailers_add(record, "Serves", road->from_root ? road->from_root : "-");
	util_trailers_add(record, "Root", road->from_root);
	util_trailers_add(record, "Tree", road->from_tree);
	util_trailers_add(record, "Serves-Version", road->from_version);
	util_trailers_add_time(record, "At", road->at_utc);
	util_trailers_add_int(record, "Outage-Ms", 1000);
	util_trailers_add(record, "Reason", reason);
	return app_record(road->app, record);
}

static gboolean restart_old(Road *road, gboolean new_stopped, const char **ret_why)
{
	SimApp *app = road->app;
	gboolean started = FALSE, healthy = FALSE;
	if (!run_phase(app, PHASE_START, road->from_tree, road->from_root, &started))
		return FALSE;
	if (!started && !new_stopped && road->started) {
		*ret_why = "neither could be stopped nor started";
		return TRUE;
	}
	if (!run_health(app, road->from_tree, road->from_root, &healthy))
		return FALSE;
	if (!healthy)
		*ret_why = "the old version is not healthy";
	return TRUE;
}

static gboolean undo(Road *road, const char *reason)
{
	const char *why = NULL;
	gboolean new_stopped = FALSE;
	if (!note(road, "undo", reason) || !stop_new(road, &new_stopped) || !take_back(road, &why))
		return FALSE;
	if (why)
		return down(road, why);
	if (g_strcmp0(road->app->current, road->from_target) != 0 &&
	    !set_current(road->app, road->from_target))
		return FALSE;
	if (!road->from_target)
		return road->switched || road->migrated ? down(road, "nothing was live before")
							: note(road, "failed", reason);
	if (!restart_old(road, new_stopped, &why))
		return FALSE;
	return why ? down(road, why) : rolled_back(road, reason);
}

/* ---- forward ---- */

/* What the way forward came to; NULL: well. */
typedef struct {
	const char *problem;
} Way;

static gboolean stop_old(Road *road, Way *way)
{
	gboolean ok = TRUE;
	if (!road->from_target)
		return TRUE;
	if (!run_phase(road->app, PHASE_STOP, road->tree, road->root, &ok))
		return FALSE;
	if (!ok && !road->was_down)
		way->problem = "stop failed";
	return TRUE;
}

static gboolean migrate(Road *road, Way *way)
{
	Phase phase = data_phase(road, FALSE);
	gboolean ok = TRUE;
	if (road->data_same || !has_phase(road->app, phase))
		return TRUE;
	road->migrated = TRUE;
	if (!note(road, data_event(road, FALSE), NULL) ||
	    !run_phase(road->app, phase, road->tree, road->root, &ok))
		return FALSE;
	if (!ok)
		way->problem = "migrate failed";
	return TRUE;
}

static gboolean start_and_check(Road *road, Way *way)
{
	gboolean ok = TRUE;
	road->started = TRUE;
	if (!note(road, "started", NULL) ||
	    !run_phase(road->app, PHASE_START, road->tree, road->root, &ok))
		return FALSE;
	if (!ok) {
		way->problem = "start failed";
		return TRUE;
	}
	if (!run_health(road->app, road->tree, road->root, &ok))
		return FALSE;
	if (!ok)
		way->problem = "it is not healthy";
	return TRUE;
}

static gboolean go_forward(Road *road, Way *way)
{
	if (!stop_old(road, way) || way->problem)
		return way->problem != NULL;
	road->stopped = TRUE;
	if (!note(road, "stopped", NULL) || !migrate(road, way) || way->problem)
		return way->problem != NULL;
	road->switched = TRUE;
	return set_current(road->app, road->tree) && note(road, "switched", NULL) &&
	       start_and_check(road, way);
}

static gboolean reached(Road *road)
{
	g_autoptr(UtilTrailers) record = record_of(road, road->back ? "rolled-back" : "live");
	util_trailers_add(record, "Root", road->root);
	util_trailers_add(record, "Tree", road->tree);
	util_trailers_add_time(record, "At", road->at_utc);
	util_trailers_add_int(record, "Outage-Ms", 1000);
	util_trailers_add(record, "Serves", road->root);
	util_trailers_add(record, "By", road->by);
	if (road->back) {
		util_trailers_add(record, "Reason", "an operator went back");
		util_trailers_add(record, "Serves-Version", road->version);
	}
	return app_record(road->app, record);
}

static gboolean run(Road *road)
{
	Way way = {NULL};
	if (!journal_intent(road) || !go_forward(road, &way))
		return FALSE;
	return way.problem ? undo(road, way.problem) : reached(road);
}

/* ---- ways to begin ---- */

static Road begin(SimApp *app, const char *release, guint64 seq)
{
	return (Road){.app = app,
		      .release = g_strdup(release),
		      .seq = seq,
		      .attempt = 1,
		      .was_down = decide_app_is_down(app->state)};
}

static Road begin_order(SimApp *app, const DecideOrder *order)
{
	Road road = begin(app, order->order->release, order->order->seq);
	road.version = g_strdup(order->order->version);
	road.root = g_strdup(order->order->root);
	road.tree = g_strdup(order->tree);
	road.at_utc = order->order->at_utc;
	return road;
}

/* FALSE: it must not run on that data. */
static gboolean plan_data(Road *road)
{
	DecideData data = decide_app_data(road->app->state, road->root);
	road->data_back = data == DECIDE_DATA_OLDER;
	road->data_same = road->back && (data == DECIDE_DATA_SAME || data == DECIDE_DATA_UNKNOWN);
	return !road->data_back || has_phase(road->app, PHASE_UNMIGRATE);
}

static gboolean tree_is_whole(const SimApp *app, const char *tree, const char *root)
{
	const SimTree *there = tree ? g_hash_table_lookup(app->trees, tree) : NULL;
	return there && strcmp(there->root, root) == 0;
}

/* FALSE: killed, or it failed. */
static gboolean before(Road *road, gboolean *ret_well)
{
	if (!note(road, "before-begins", NULL) ||
	    !run_phase(road->app, PHASE_BEFORE, road->tree, road->root, ret_well))
		return FALSE;
	if (!*ret_well && !road->was_down)
		return TRUE;
	*ret_well = TRUE;
	return note(road, "before", NULL);
}

/* *ret_ready FALSE: the order has ended. */
static gboolean make_ready(Road *road, gboolean before_done, gboolean *ret_ready)
{
	SimApp *app = road->app;
	gboolean data_fits = plan_data(road);
	*ret_ready = FALSE;
	describe(road, app->current);
	if (!tree_is_whole(app, road->tree, road->root))
		sim_broken(app->base->sim, LAW_LAST_GOOD, "%s at %s: %s was staged, and is gone",
			   app->name, app->base->name, road->tree);
	if (!data_fits || !tree_is_whole(app, road->tree, road->root))
		return note(road, "failed", data_fits ? "altered by hand" : "no unmigrate");
	*ret_ready = TRUE;
	if (before_done || !app->has.before)
		return TRUE;
	if (!before(road, ret_ready))
		return FALSE;
	return *ret_ready || note(road, "failed", "before failed");
}

gboolean road_ahead(SimApp *app, const DecideOrder *order)
{
	g_auto(Road) road = begin_order(app, order);
	gboolean ready = FALSE;
	return make_ready(&road, order->before_done, &ready);
}

static gboolean already_live(Road *road)
{
	g_autoptr(UtilTrailers) record = record_of(road, "live");
	util_trailers_add(record, "Root", road->root);
	util_trailers_add(record, "Tree", road->tree);
	util_trailers_add_time(record, "At", road->at_utc);
	util_trailers_add_int(record, "Outage-Ms", 0);
	util_trailers_add(record, "Serves", road->root);
	return app_record(road->app, record);
}

gboolean road_order(SimApp *app, const DecideOrder *order)
{
	g_auto(Road) road = begin_order(app, order);
	gboolean ready = FALSE;
	if (g_strcmp0(decide_app_live_root(app->state), road.root) == 0 &&
	    g_strcmp0(decide_app_live_tree(app->state), road.tree) == 0 &&
	    g_strcmp0(app->current, road.tree) == 0)
		return already_live(&road);
	if (!make_ready(&road, order->before_done, &ready))
		return FALSE;
	if (!ready)
		return TRUE;
	look_at_from(&road);
	return run(&road);
}

gboolean road_by_hand(SimApp *app, const DecideOrder *order)
{
	g_auto(Road) road = begin_order(app, order);
	const GPtrArray *orders = decide_app_orders(app->state);
	gboolean well = TRUE;
	road.by = "olga";
	road.at_utc = MIN(road.at_utc, app_now_utc(app));
	road.supersedes = g_ptr_array_new_with_free_func(g_free);
	for (guint i = 0; i < orders->len && orders->pdata[i] != order; i++) {
		const DecideOrder *other = orders->pdata[i];
		if (!order_state_ended(other->state))
			g_ptr_array_add(road.supersedes, g_strdup(other->order->release));
	}
	if (!plan_data(&road) || !tree_is_whole(app, road.tree, road.root))
		return TRUE;
	describe(&road, app->current);
	look_at_from(&road);
	if (!order->before_done && app->has.before && !before(&road, &well))
		return FALSE;
	app->base->sim->counts.hand++;
	return !well || run(&road);
}

gboolean road_back(SimApp *app)
{
	guint64 seq = 0;
	gboolean well = TRUE;
	const char *release = decide_app_last_release(app->state, &seq);
	const char *tree = decide_app_last_good_tree(app->state);
	if (!release || !tree)
		return TRUE;
	g_auto(Road) road = begin(app, release, seq);
	const DecideOrder *order = decide_app_find(app->state, release);
	road.tree = g_strdup(tree);
	road.root = g_strdup(decide_app_tree_root(app->state, tree));
	road.version = g_strdup(decide_app_tree_version(app->state, tree));
	road.at_utc = order ? order->order->at_utc : app_now_utc(app);
	road.by = "olga";
	road.back = TRUE;
	if (!tree_is_whole(app, tree, road.root)) {
		sim_broken(app->base->sim, LAW_LAST_GOOD, "%s at %s: %s is not on the disk",
			   app->name, app->base->name, tree);
		return FALSE;
	}
	if (!plan_data(&road))
		return TRUE;
	describe(&road, app->current);
	if (app->has.before && !before(&road, &well))
		return FALSE;
	app->base->sim->counts.back++;
	return !well || run(&road);
}

/* ---- after a restart ---- */

static Road begin_open(SimApp *app, const DecideOpen *open)
{
	const UtilTrailers *intent = open->intent;
	gint64 seq = 0;
	Road road = begin(app, util_trailers_get(intent, "Release"), 0);
	(void)util_trailers_opt_int(intent, "Seq", 0, G_MAXINT64, 0, &seq,
				    NULL); /* it was folded */
	road.seq = (guint64)seq;
	road.at_utc = open->intent_utc;
	(void)util_trailers_need_time(intent, "At", &road.at_utc, NULL); /* as above */
	road.version = g_strdup(util_trailers_get(intent, "Version"));
	road.root = g_strdup(util_trailers_get(intent, "Root"));
	road.tree = g_strdup(open->tree);
	road.by = util_trailers_get(intent, "By") ? "olga" : NULL;
	road.back = open->back;
	road.data_back = open->data_back;
	road.from_target = g_strdup(util_trailers_get(intent, "From-Target"));
	road.from_tree = g_strdup(open->from_tree);
	road.from_root = g_strdup(open->from_root);
	road.from_version = g_strdup(util_trailers_get(intent, "From-Version"));
	road.stopped = open->stopped;
	road.migrated = open->migrated;
	road.switched = open->switched;
	road.started = open->started;
	road.attempt = open->attempt;
	road.recovering = TRUE;
	return road;
}

gboolean road_end_open(SimApp *app)
{
	DecideOpen open;
	Way way = {NULL};
	gboolean ok = TRUE;
	decide_app_open(app->state, &open);
	g_auto(Road) road = begin_open(app, &open);
	switch (decide_recovery(&open, has_phase(app, data_phase(&road, TRUE)))) {
	case RECOVER_UNDO:
		return undo(&road, "interrupted");
	case RECOVER_DOWN:
		return down(&road, "interrupted after migrate began");
	case RECOVER_GO_ON:
		break;
	}
	road.attempt++;
	if (!journal_intent(&road) ||
	    (road.started && !run_phase(app, PHASE_STOP, road.tree, road.root, &ok)) ||
	    !start_and_check(&road, &way))
		return FALSE;
	return way.problem ? undo(&road, way.problem) : reached(&road);
}

/* ---- after ---- */

gboolean road_after(SimApp *app)
{
	const DecideOrder *owed = NULL;
	for (guint i = 0; (owed = decide_app_owes_after(app->state)); i++) {
		if (i > decide_app_orders(app->state)->len)
			sim_broken(app->base->sim, LAW_ENDS, "%s at %s: `after` has no end",
				   app->name, app->base->name);
		if (app->base->sim->broken)
			return FALSE;
		g_autoptr(UtilTrailers) record = app_event("after", owed->order, NULL);
		if (!base_lives(app->base) || !app_record(app, record))
			return FALSE;
	}
	return TRUE;
}
