/* SPDX-License-Identifier: ISC */
#include "decide/base-private.h"

static void copy_record(DecideApp *app, const UtilTrailers *record)
{
	util_trailers_free(app->intent);
	app->intent = util_trailers_new();
	for (guint i = 0; i < util_trailers_count(record); i++)
		util_trailers_add(app->intent, util_trailers_key(record, i),
				  util_trailers_value(record, i));
}

/* One journal record being folded. */
typedef struct {
	DecideApp *app;
	DecideEntry *entry; /* NULL: it names no release */
	const UtilTrailers *record;
	gint64 time_utc;
	gint64 seq;
	const char *reason;
} Fold;

/* This tree serves from now on. */
static void history_push(Fold *f, const char *tree, const char *root, const char *version)
{
	DecideLive *top = decide_history_top(f->app);
	gboolean same = top && strcmp(top->tree, tree) == 0;
	if (!same) {
		top = g_new0(DecideLive, 1);
		g_ptr_array_add(f->app->history, top);
		decide_set_text(&top->tree, tree);
		decide_set_text(&top->release, f->entry->release);
		top->seq = (guint64)f->seq;
	}
	decide_set_text(&top->root, root);
	decide_set_text(&top->version, version);
	if (!same || f->app->down)
		top->since_utc = f->time_utc;
}

static gboolean fold_staged(Fold *f, GError **error)
{
	const char *root = NULL, *tree = NULL;
	if (!util_trailers_need(f->record, "Root", &root, error) ||
	    !util_trailers_need(f->record, "Tree", &tree, error))
		return FALSE;
	decide_set_text(&f->entry->pub.tree, tree);
	decide_set_text(&f->entry->staged_root, root);
	f->entry->pub.state = ORDER_STAGED;
	decide_set_text(&f->entry->pub.reason, NULL);
	return TRUE;
}

static gboolean fold_stage_failed(Fold *f, GError **error)
{
	(void)error; /* nothing can be missing */
	f->entry->pub.state = ORDER_ORDERED;
	decide_set_text(&f->entry->pub.reason, f->reason);
	return TRUE;
}

static gboolean fold_held(Fold *f, GError **error)
{
	(void)error; /* nothing can be missing */
	const char *reason = f->reason ? f->reason : "";
	if (f->entry) {
		f->entry->pub.held = TRUE;
		decide_set_text(&f->entry->pub.hold_reason, reason);
	} else {
		f->app->held = TRUE;
		decide_set_text(&f->app->hold_reason, reason);
	}
	return TRUE;
}

static gboolean fold_unheld(Fold *f, GError **error)
{
	(void)error; /* nothing can be missing */
	if (f->entry) {
		f->entry->pub.held = FALSE;
		decide_set_text(&f->entry->pub.hold_reason, NULL);
	} else {
		f->app->held = FALSE;
		decide_set_text(&f->app->hold_reason, NULL);
	}
	return TRUE;
}

static gboolean fold_before_begins(Fold *f, GError **error)
{
	(void)error; /* nothing can be missing */
	f->entry->pub.before_done = FALSE;
	f->entry->pub.after_owed = TRUE;
	return TRUE;
}

static gboolean fold_before(Fold *f, GError **error)
{
	(void)error; /* nothing can be missing */
	f->entry->pub.before_done = TRUE;
	f->entry->pub.after_owed = TRUE;
	return TRUE;
}

/* An order made from its intent, for a journal whose accepted orders were lost. */
static Order *order_of_intent(const Fold *f, const char *root, gint64 at_utc)
{
	Order *order = order_new(ORDER_KIND_ORDER);
	const char *version = util_trailers_get(f->record, "Version");
	decide_set_text(&order->release, f->entry->release);
	decide_set_text(&order->app, f->app->name);
	decide_set_text(&order->version, version ? version : "");
	decide_set_text(&order->root, root);
	order->seq = (guint64)f->seq;
	order->at_utc = at_utc;
	return order;
}

static gboolean fold_intent(Fold *f, GError **error)
{
	DecideApp *app = f->app;
	const char *root = NULL, *tree = NULL;
	gint64 attempt = 0, at_utc = f->time_utc;
	if (!util_trailers_need(f->record, "Root", &root, error) ||
	    !util_trailers_need(f->record, "Tree", &tree, error) ||
	    !util_trailers_need_int(f->record, "Attempt", 1, G_MAXINT32, &attempt, error) ||
	    (util_trailers_get(f->record, "At") &&
	     !util_trailers_need_time(f->record, "At", &at_utc, error)))
		return FALSE;
	if (app->open_entry && app->open_entry != f->entry)
		return util_error_set(error, TS_ERROR_CORRUPT,
				      "it begins while the activation of %s is open",
				      app->open_entry->release);
	if (!f->entry->pub.order)
		f->entry->pub.order = order_of_intent(f, root, at_utc);
	if (!app->open_entry) {
		memset(&app->open, 0, sizeof app->open);
		copy_record(app, f->record);
		app->open.intent_utc = f->time_utc;
		if (!decide_fold_bridge(app, f->record, error))
			return FALSE;
		app->open.migrated = util_trailers_get(f->record, "Migrated") != NULL;
		app->data_before = app->data;
		app->data_before_low = app->data_low;
		app->open_entry = f->entry;
	}
	if (order_state_ended(f->entry->pub.state))
		f->entry->pub.round++;
	app->open.attempt = attempt;
	f->entry->pub.state = ORDER_ACTIVATING;
	f->entry->pub.after_owed = TRUE;
	return TRUE;
}

/* An operator's way back in an older journal has no Data. */
gboolean decide_data_back(const UtilTrailers *intent)
{
	const char *data = util_trailers_get(intent, "Data");
	return data ? strcmp(data, "back") == 0
		    : util_trailers_get(intent, "By") && !util_trailers_get(intent, "Hand");
}

static void set_data(DecideApp *app, gint64 low, gint64 high)
{
	app->data_low = low;
	app->data = high;
}

/* Forward `migrate` is under way, on a way back `unmigrate`. */
static void begin_data(DecideApp *app)
{
	gint64 step = 0;
	gboolean known = decide_data_of(app, util_trailers_get(app->intent, "Root"), &step);
	if (decide_data_back(app->intent))
		set_data(app, known ? MIN(app->data_low, step) : app->data_low, app->data);
	else /* a version that was live on newer data is migrated for again */
		set_data(app, app->data_low,
			 known && step > app->data_before ? step : ++app->data_most);
}

/* What was begun is taken back from now on, if there is anything to do for that. */
static void undo_data(DecideApp *app)
{
	gint64 from = app->data_before, root = 0;
	gboolean back = decide_data_back(app->intent);
	(void)decide_data_of(app, util_trailers_get(app->intent, "From-Root"), &from);
	if (!app->open.migrated ||
	    (back && decide_data_of(app, util_trailers_get(app->intent, "Root"), &root) &&
	     from <= root))
		return;
	set_data(app, MIN(app->data_low, from), MAX(app->data, back ? from : app->data));
}

/* A command that has begun and has not ended well leaves the data anywhere between. On a way back
 * what is there is known with the switch that comes next. */
static void fold_data(DecideApp *app, const char *event)
{
	gint64 step = app->data;
	gboolean data = strcmp(event, "migrated") == 0 || strcmp(event, "unmigrated") == 0;
	if (app->open.undoing && data) {
		if (decide_data_of(app, util_trailers_get(app->intent, "From-Root"), &step))
			set_data(app, step, step);
		else
			set_data(app, app->data_before_low, app->data_before);
	} else if (data) {
		begin_data(app);
	} else if (strcmp(event, "switched") == 0) {
		if (decide_data_back(app->intent))
			(void)decide_data_of(app, util_trailers_get(app->intent, "Root"), &step);
		set_data(app, step, step);
	} else if (strcmp(event, "undo") == 0) {
		undo_data(app);
	}
}

/* stopped, migrated, unmigrated, switched, started, undo */
static gboolean fold_phase(Fold *f, GError **error)
{
	DecideOpen *open = &f->app->open;
	const char *event = util_trailers_get(f->record, "Event");
	const struct {
		const char *event;
		gboolean *flag;
	} flags[] = {{"stopped", &open->stopped},     {"migrated", &open->migrated},
		     {"unmigrated", &open->migrated}, {"switched", &open->switched},
		     {"started", &open->started},     {"undo", &open->undoing}};
	if (f->app->open_entry != f->entry)
		return util_error_set(error, TS_ERROR_CORRUPT, "no activation of %s is open",
				      f->entry->release);
	for (guint i = 0; i < G_N_ELEMENTS(flags); i++)
		if (strcmp(flags[i].event, event) == 0)
			/* in undo, the data has been taken back */
			*flags[i].flag = !(open->undoing && flags[i].flag == &open->migrated);
	fold_data(f->app, event);
	if (f->reason)
		decide_set_text(&f->entry->pub.reason, f->reason);
	return TRUE;
}

static void end_entry(Fold *f, OrderState state)
{
	f->entry->pub.state = state;
	f->entry->pub.ended_utc = f->time_utc;
	decide_set_text(&f->entry->pub.reason, f->reason);
	if (f->app->open_entry == f->entry)
		f->app->open_entry = NULL;
}

static gboolean need_outage(Fold *f, GError **error)
{
	return util_trailers_opt_int(f->record, "Outage-Ms", -1, G_MAXINT64, -1,
				     &f->entry->pub.outage_ms, error);
}

/* An operator brought it forward: what it names ends. */
static void fold_supersedes(Fold *f)
{
	const UtilTrailers *intent = f->app->intent;
	if (f->app->open_entry != f->entry)
		return;
	for (guint i = 0; i < util_trailers_count(intent); i++)
		if (strcmp(util_trailers_key(intent, i), "Supersedes") == 0)
			decide_entry_for(f->app, util_trailers_value(intent, i))->overtaken = TRUE;
}

/* What serves says what the data is: of this root from now on. */
static void keep_data_of(DecideApp *app, const char *root)
{
	set_data(app, app->data, app->data);
	if (root)
		g_hash_table_replace(app->data_of, g_strdup(root),
				     GINT_TO_POINTER((gint)app->data));
}

static gboolean fold_live(Fold *f, GError **error)
{
	DecideApp *app = f->app;
	const char *root = NULL, *tree = NULL;
	gint64 at_utc = f->time_utc;
	if (!util_trailers_need(f->record, "Root", &root, error) ||
	    !util_trailers_need(f->record, "Tree", &tree, error) ||
	    (util_trailers_get(f->record, "At") &&
	     !util_trailers_need_time(f->record, "At", &at_utc, error)) ||
	    !need_outage(f, error))
		return FALSE;
	guint64 seq = (guint64)f->seq;
	if (!app->has_rank || at_utc > app->rank_at_utc ||
	    (at_utc == app->rank_at_utc && seq > app->rank_seq)) {
		app->has_rank = TRUE;
		app->rank_at_utc = at_utc;
		app->rank_seq = seq;
	}
	history_push(f, tree, root, util_trailers_get(f->record, "Version"));
	decide_set_text(&decide_history_top(app)->release, f->entry->release);
	decide_history_top(app)->seq = seq;
	decide_history_top(app)->at_utc = at_utc;
	keep_data_of(app, root);
	fold_supersedes(f);
	if (app->open_entry == f->entry)
		decide_adopt_bridge(app, tree);
	app->down = FALSE;
	end_entry(f, ORDER_LIVE);
	return TRUE;
}

static gboolean fold_rolled_back(Fold *f, GError **error)
{
	DecideApp *app = f->app;
	const char *tree = util_trailers_get(f->record, "Tree");
	const char *root = util_trailers_get(f->record, "Root");
	if (!need_outage(f, error))
		return FALSE;
	DecideLive *known = decide_history_find(app, tree);
	/* an operator went back: what was live after that tree is no longer good */
	if (util_trailers_get(f->record, "By") && known)
		while (decide_history_top(app) != known)
			g_ptr_array_remove_index(app->history, app->history->len - 1);
	if (tree)
		history_push(f, tree, root, util_trailers_get(f->record, "Serves-Version"));
	/* after `down` it may be one that was never live until it served now */
	gint64 step = 0;
	if (tree && root &&
	    (!decide_data_of(app, root, &step) || util_trailers_get(f->record, "By")))
		keep_data_of(app, root);
	if (util_trailers_get(f->record, "By") && decide_history_top(app))
		decide_history_top(app)->since_utc = f->time_utc;
	if (app->open_entry == f->entry)
		decide_adopt_bridge(app, tree);
	app->down = FALSE;
	end_entry(f, ORDER_ROLLED_BACK);
	return TRUE;
}

static gboolean fold_down(Fold *f, GError **error)
{
	(void)error; /* nothing can be missing */
	f->app->down = TRUE;
	decide_set_text(&f->app->down_release, f->entry->release);
	f->app->down_seq = (guint64)f->seq;
	end_entry(f, ORDER_DOWN);
	return TRUE;
}

static gboolean fold_end(Fold *f, GError **error)
{
	(void)error; /* nothing can be missing */
	const char *event = util_trailers_get(f->record, "Event");
	OrderState state = ORDER_FAILED; /* failed, refused */
	for (guint i = ORDER_LIVE; i < ORDER_STATE_COUNT; i++)
		if (strcmp(event, order_state_name((OrderState)i)) == 0)
			state = (OrderState)i;
	end_entry(f, state);
	return TRUE;
}

static gboolean fold_too_late(Fold *f, GError **error)
{
	(void)error; /* nothing can be missing */
	f->entry->pub.too_late_said = TRUE;
	return TRUE;
}

static gboolean fold_after(Fold *f, GError **error)
{
	(void)error; /* nothing can be missing */
	f->entry->pub.after_owed = FALSE;
	f->entry->pub.before_done = FALSE; /* in another round it runs again */
	return TRUE;
}

static gboolean fold_report(Fold *f, GError **error)
{
	const char *key = NULL;
	return util_trailers_need(f->record, "Key", &key, error);
}

static void drop_pin(DecideApp *app, const char *tree)
{
	for (guint i = app->pins->len; i > 0; i--) {
		const DecidePin *pin = app->pins->pdata[i - 1];
		if (strcmp(pin->tree, tree) == 0)
			g_ptr_array_remove_index(app->pins, i - 1);
	}
}

/* pinned, unpinned */
static gboolean fold_pin(Fold *f, GError **error)
{
	const char *event = util_trailers_get(f->record, "Event");
	const char *tree = NULL, *version = NULL;
	gboolean pins = strcmp(event, "pinned") == 0;
	if (!util_trailers_need(f->record, "Tree", &tree, error) ||
	    (pins && !util_trailers_need(f->record, "Version", &version, error)))
		return FALSE;
	drop_pin(f->app, tree);
	if (!pins)
		return TRUE;
	DecidePin *pin = g_new0(DecidePin, 1);
	pin->tree = g_strdup(tree);
	pin->version = g_strdup(version);
	g_ptr_array_add(f->app->pins, pin);
	return TRUE;
}

/* maintenance-on, maintenance-off */
static gboolean fold_maintenance(Fold *f, GError **error)
{
	(void)error; /* nothing can be missing */
	const char *event = util_trailers_get(f->record, "Event");
	gboolean on = strcmp(event, "maintenance-on") == 0;
	f->app->maintenance_utc = on ? f->time_utc : 0;
	decide_set_text(&f->app->maintenance_reason, on ? f->reason : NULL);
	return TRUE;
}

static gboolean fold_unbridged(Fold *f, GError **error)
{
	(void)error; /* nothing can be missing */
	g_ptr_array_set_size(f->app->bridge, 0);
	return TRUE;
}

static gboolean fold_pruned(Fold *f, GError **error)
{
	const char *tree = NULL;
	if (!util_trailers_need(f->record, "Tree", &tree, error))
		return FALSE;
	drop_pin(f->app, tree);
	for (guint i = f->app->history->len; i > 0; i--) {
		DecideLive *live = f->app->history->pdata[i - 1];
		if (strcmp(live->tree, tree) == 0)
			g_ptr_array_remove_index(f->app->history, i - 1);
	}
	return TRUE;
}

#define IN(state) (1u << (state))
#define ANY (~0u)
#define WAITING (IN(ORDER_ORDERED) | IN(ORDER_FETCHING) | IN(ORDER_STAGED))
#define NOT_ENDED (WAITING | IN(ORDER_ACTIVATING))

/* Which events there are, which must name a release, and in which states of its order they change
 * anything: in others they are read and leave all as it is. */
static const struct {
	const char *event;
	gboolean of_order;
	guint states;
	gboolean (*fold)(Fold *fold, GError **error);
} events[] = {
    {"staged", TRUE, WAITING, fold_staged},
    {"stage-failed", TRUE, WAITING, fold_stage_failed},
    {"refused", TRUE, WAITING, fold_end},
    {"held", FALSE, ANY, fold_held},
    {"unheld", FALSE, ANY, fold_unheld},
    {"before-begins", TRUE, ANY, fold_before_begins},
    {"before", TRUE, ANY, fold_before},
    {"intent", TRUE, ANY, fold_intent},
    {"stopped", TRUE, ANY, fold_phase},
    {"unmigrated", TRUE, ANY, fold_phase},
    {"migrated", TRUE, ANY, fold_phase},
    {"switched", TRUE, ANY, fold_phase},
    {"started", TRUE, ANY, fold_phase},
    {"undo", TRUE, ANY, fold_phase},
    {"live", TRUE, NOT_ENDED, fold_live},
    {"rolled-back", TRUE, NOT_ENDED, fold_rolled_back},
    {"down", TRUE, NOT_ENDED, fold_down},
    {"failed", TRUE, NOT_ENDED, fold_end},
    {"missed", TRUE, WAITING, fold_end},
    {"cancelled", TRUE, WAITING, fold_end},
    {"superseded", TRUE, WAITING, fold_end},
    {"too-late", TRUE, ANY, fold_too_late},
    {"after", TRUE, ANY, fold_after},
    {"report", FALSE, ANY, fold_report},
    {"reported", FALSE, ANY, fold_report},
    {"pruned", FALSE, ANY, fold_pruned},
    {"pinned", FALSE, ANY, fold_pin},
    {"unpinned", FALSE, ANY, fold_pin},
    {"maintenance-on", FALSE, ANY, fold_maintenance},
    {"maintenance-off", FALSE, ANY, fold_maintenance},
    {"unbridged", FALSE, ANY, fold_unbridged},
};

static gboolean fold_record(DecideApp *app, guint event, const UtilTrailers *record, GError **error)
{
	Fold f = {.app = app, .record = record, .reason = util_trailers_get(record, "Reason")};
	const char *release = util_trailers_get(record, "Release");
	if (events[event].of_order && !release)
		return util_error_set(error, TS_ERROR_CORRUPT, "Release is missing");
	if (util_trailers_get(record, "Time") &&
	    !util_trailers_need_time(record, "Time", &f.time_utc, error))
		return FALSE;
	if (!util_trailers_opt_int(record, "Seq", 0, G_MAXINT64, 0, &f.seq, error))
		return FALSE;
	if (release)
		f.entry = decide_entry_for(app, release);
	if (f.entry && !(events[event].states & IN(f.entry->pub.state)))
		return TRUE;
	return events[event].fold(&f, error);
}

gboolean decide_app_record(DecideApp *app, const UtilTrailers *record, GError **error)
{
	const char *event = NULL;
	if (!util_trailers_need(record, "Event", &event, error))
		return FALSE;
	for (guint i = 0; i < G_N_ELEMENTS(events); i++) {
		if (strcmp(events[i].event, event) != 0)
			continue;
		if (fold_record(app, i, record, error))
			return TRUE;
		g_prefix_error(error, "journal record \"%s\": ", event);
		return FALSE;
	}
	return util_error_set(error, TS_ERROR_CORRUPT,
			      "journal record \"%.40s\" is of no known event; was a newer tagship "
			      "here?",
			      event);
}
