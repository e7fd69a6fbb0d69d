/* SPDX-License-Identifier: ISC */
/* What is due at a base, and what is journaled: as activate/app.c, due.c, hand.c and report.c. */
#include "sim.h"

#define STEPS_MAX 10000

gint64 app_now_utc(const SimApp *app)
{
	return base_wall_utc(app->base) + app->spent_s;
}

/* ---- the state ---- */

void app_close(SimApp *app)
{
	g_clear_pointer(&app->state, decide_app_free);
	g_clear_pointer(&app->accepted, g_ptr_array_unref);
	accepted_stop_clear(&app->stop);
}

static DecideApp *fold(const SimApp *app, GPtrArray *accepted, const AcceptedStop *stop)
{
	DecideApp *state = decide_app_new(app->name);
	for (guint i = 0; i < app->journal->len; i++) {
		g_autoptr(GError) error = NULL;
		if (!decide_app_record(state, app->journal->pdata[i], &error))
			sim_broken(app->base->sim, LAW_JOURNAL, "record %u of %s at %s: %s", i + 1,
				   app->name, app->base->name, error->message);
	}
	for (guint i = 0; i < accepted->len; i++) {
		const AcceptedOrder *a = accepted->pdata[i];
		decide_app_order(state, a->order, a->cancelled, a->cancel_seq, a->cancel_reason);
		if (a->gate_decided)
			decide_app_gate(state, a->order->release, a->gate_open, a->gate_reason);
	}
	if (stop->seq > 0)
		decide_app_stop(state, stop->reason);
	return state;
}

static void missing_reports(SimApp *app);

gboolean app_open(SimApp *app)
{
	g_autoptr(GError) error = NULL;
	const char *text =
	    app->accepted_text ? app->accepted_text : "tagship-accepted 2\nstop 0 -\n";
	if (!app->base->up)
		return FALSE;
	if (app->state)
		return TRUE;
	app->accepted = accepted_parse(text, strlen(text), &app->stop, &error);
	if (!app->accepted) {
		sim_broken(app->base->sim, LAW_TEXT, "accepted orders cannot be read: %s",
			   error->message);
		return FALSE;
	}
	app->state = fold(app, app->accepted, &app->stop);
	missing_reports(app);
	return app->base->up;
}

/* ---- reports ---- */

static gboolean event_of(const UtilTrailers *record, ReportEvent *ret_event)
{
	const char *event = util_trailers_get(record, "Event");
	if (!util_trailers_get(record, "Release"))
		return FALSE;
	if (strcmp(event, "refused") == 0)
		event = "failed";
	return report_event_parse(event, ret_event);
}

static Report *report_of(const SimApp *app, const UtilTrailers *record)
{
	g_autoptr(Report) report = report_new();
	const char *reason = util_trailers_get(record, "Reason");
	gint64 seq = 0, round = 1;
	if (!event_of(record, &report->event) ||
	    !util_trailers_need_int(record, "Seq", 1, G_MAXINT64, &seq, NULL) ||
	    !util_trailers_opt_int(record, "Round", 1, G_MAXINT64, 1, &round, NULL) ||
	    !util_trailers_need_time(record, "Time", &report->event_utc, NULL) ||
	    !util_trailers_get(record, "Order-Version") || !util_trailers_get(record, "Order-Root"))
		return NULL;
	report->seq = (guint64)seq;
	report->round = round;
	report->base = g_strdup(app->base->name);
	report->incarnation = app->base->incarnation;
	report->release = g_strdup(util_trailers_get(record, "Release"));
	report->app = g_strdup(app->name);
	report->version = g_strdup(util_trailers_get(record, "Order-Version"));
	report->root = g_strdup(util_trailers_get(record, "Order-Root"));
	report->serves_root = g_strdup(util_trailers_get(record, "Serves"));
	report->detail = g_strdup(reason ? reason : "");
	return g_steal_pointer(&report);
}

/* FALSE: killed. */
static gboolean make_report(SimApp *app, const UtilTrailers *record)
{
	g_autoptr(Report) report = report_of(app, record);
	g_autofree char *key = report ? report_key(report) : NULL;
	if (!key || g_hash_table_contains(app->noted, key))
		return TRUE;
	if (!base_lives(app->base))
		return FALSE;
	g_hash_table_replace(app->base->pending, g_strdup(key), report_format(report));
	if (!base_lives(app->base))
		return FALSE;
	g_autoptr(UtilTrailers) note = app_event("report", NULL, NULL);
	util_trailers_add_time(note, "Time", app_now_utc(app));
	util_trailers_add(note, "Key", key);
	g_ptr_array_add(app->journal, g_steal_pointer(&note));
	(void)g_hash_table_add(app->noted, g_steal_pointer(&key));
	base_pull_in(app->base, app->spent_s + sim_between(app->base->sim, 0, 3));
	return TRUE;
}

static void missing_reports(SimApp *app)
{
	guint count = app->journal->len;
	for (guint i = 0; i < count; i++)
		if (!make_report(app, app->journal->pdata[i]))
			return;
}

/* ---- the journal ---- */

UtilTrailers *app_event(const char *event, const Order *order, const char *reason)
{
	UtilTrailers *record = util_trailers_new();
	util_trailers_add(record, "Event", event);
	if (order) {
		util_trailers_add(record, "Release", order->release);
		util_trailers_add_int(record, "Seq", (gint64)order->seq);
		util_trailers_add(record, "Version", order->version);
	}
	if (reason && *reason)
		util_trailers_add(record, "Reason", reason);
	return record;
}

static void complete_record(SimApp *app, UtilTrailers *record)
{
	const char *release = util_trailers_get(record, "Release");
	const DecideOrder *order = release ? decide_app_find(app->state, release) : NULL;
	ReportEvent event;
	DecideOpen open;
	decide_app_open(app->state, &open);
	if (!order && open.order && g_strcmp0(open.order->order->release, release) == 0)
		order = open.order;
	if (!util_trailers_get(record, "Time"))
		util_trailers_add_time(record, "Time", app_now_utc(app));
	if (!order)
		return;
	if (!util_trailers_get(record, "Seq"))
		util_trailers_add_int(record, "Seq", (gint64)order->order->seq);
	if (!util_trailers_get(record, "Version"))
		util_trailers_add(record, "Version", order->order->version);
	if (!event_of(record, &event))
		return;
	if (order->round > 1)
		util_trailers_add_int(record, "Round", order->round);
	const char *live = decide_app_live_root(app->state);
	util_trailers_add(record, "Order-Version", order->order->version);
	util_trailers_add(record, "Order-Root", order->order->root);
	if (!util_trailers_get(record, "Serves"))
		util_trailers_add(record, "Serves", live ? live : "-");
}

gboolean app_record(SimApp *app, UtilTrailers *record)
{
	g_autoptr(GError) error = NULL;
	complete_record(app, record);
	if (!base_lives(app->base))
		return FALSE;
	g_autofree char *text = util_trailers_format(record);
	UtilTrailers *again = util_trailers_parse(text, strlen(text), &error);
	if (!again) {
		sim_broken(app->base->sim, LAW_TEXT, "a journal record cannot be read: %s\n%s",
			   error->message, text);
		return FALSE;
	}
	laws_record(app, again);
	if (!decide_app_record(app->state, again, &error)) {
		util_trailers_free(again);
		sim_broken(app->base->sim, LAW_JOURNAL, "%s at %s: %s", app->name, app->base->name,
			   error->message);
		return FALSE;
	}
	g_ptr_array_add(app->journal, again);
	return base_lives(app->base) && make_report(app, again);
}

/* ---- what is due ---- */

void app_facts(const SimApp *app, DecideFacts *ret_facts)
{
	const SimBase *base = app->base;
	StoreClock clock;
	store_clock_judge(base->noted_clock ? &base->note : NULL, (UtilClock *)(gsize)&base->clock,
			  base_orders_utc(base), &clock);
	*ret_facts = (DecideFacts){.now_utc = clock.now_utc + app->spent_s,
				   .clock_trusted = clock.trusted,
				   .projected_utc =
				       clock.projected_utc ? clock.projected_utc + app->spent_s : 0,
				   .heard_utc = base->good_utc,
				   .line_failed = base->line_failed,
				   .lead_s = app->has.before ? app->has.lead_s : 0};
}

static gboolean journal_event(SimApp *app, const Order *order, const char *event,
			      const char *reason)
{
	g_autoptr(UtilTrailers) record = app_event(event, order, reason);
	return app_record(app, record);
}

static gboolean bookkeep(SimApp *app, const DecideStep *step)
{
	g_autoptr(Order) order = order_copy(step->order->order);
	switch (step->kind) {
	case STEP_CANCEL:
		return journal_event(app, order, "cancelled", step->reason);
	case STEP_TOO_LATE:
		app->base->sim->counts.too_late++;
		return journal_event(app, order, "too-late", "after the commit point");
	case STEP_REFUSE:
		return journal_event(app, order, "refused", step->reason);
	case STEP_SUPERSEDE:
		return journal_event(app, order, "superseded", step->reason);
	case STEP_MISS:
		return journal_event(app, order, "missed", step->reason);
	case STEP_NONE:
	case STEP_RECOVER:
	case STEP_STAGE:
	case STEP_PREPARE:
	case STEP_ACTIVATE:
		break;
	}
	g_assert_not_reached();
}

/* FALSE: killed. */
static gboolean take_step(SimApp *app, gboolean *activated, gboolean *ret_done,
			  gint64 *ret_next_utc)
{
	DecideFacts facts;
	DecideStep step;
	app_facts(app, &facts);
	decide_app_next(app->state, &facts, FALSE, &step);
	switch (step.kind) {
	case STEP_NONE:
	case STEP_STAGE:
		*ret_next_utc = step.next_utc;
		*ret_done = TRUE;
		return TRUE;
	case STEP_RECOVER:
		return road_end_open(app);
	case STEP_CANCEL:
	case STEP_TOO_LATE:
	case STEP_REFUSE:
	case STEP_SUPERSEDE:
	case STEP_MISS:
		return bookkeep(app, &step);
	case STEP_PREPARE:
		return road_ahead(app, step.order);
	case STEP_ACTIVATE:
		*ret_next_utc = facts.now_utc;
		*ret_done = *activated;
		if (*activated)
			return TRUE;
		*activated = TRUE;
		return road_order(app, step.order);
	}
	g_assert_not_reached();
}

gboolean app_due(SimApp *app, gint64 *ret_next_utc)
{
	gboolean activated = FALSE, done = FALSE;
	for (guint i = 0; i < STEPS_MAX; i++) {
		if (!road_after(app) || !take_step(app, &activated, &done, ret_next_utc))
			return FALSE;
		if (done || app->base->sim->broken)
			return TRUE;
	}
	sim_broken(app->base->sim, LAW_ENDS, "%s at %s: no end of steps to take", app->name,
		   app->base->name);
	return FALSE;
}

void app_look_in(SimApp *app, gint64 in_s)
{
	Sim *sim = app->base->sim;
	sim_at(sim, sim->now_utc + in_s, app_look, app, GUINT_TO_POINTER(++app->look), NULL);
}

/* What took time is over then, and its lock is free. */
static void settle(SimApp *app)
{
	app->busy_until = app->base->sim->now_utc + app->spent_s;
	app->spent_s = 0;
}

void app_look(Sim *sim, gpointer who, gpointer data)
{
	SimApp *app = who;
	gint64 next_utc = 0;
	if (!app->base->up || GPOINTER_TO_UINT(data) != app->look)
		return;
	if (app->busy_until > sim->now_utc) {
		app_look_in(app, app->busy_until - sim->now_utc);
		return;
	}
	if (!app_open(app) || !app_due(app, &next_utc))
		return;
	laws_rest(app);
	laws_wake(app, next_utc);
	gint64 in_s = MAX(next_utc - app_now_utc(app), 0) + app->spent_s;
	settle(app);
	if (next_utc > 0)
		app_look_in(app, in_s);
}

/* ---- by hand ---- */

static gboolean end_open(SimApp *app)
{
	DecideOpen open;
	if (!app_open(app) || app->busy_until > app->base->sim->now_utc)
		return FALSE;
	decide_app_open(app->state, &open);
	return !open.order || road_end_open(app);
}

gboolean app_by_hand(SimApp *app, const char *version)
{
	g_autoptr(GError) refused = NULL;
	if (!end_open(app))
		return FALSE;
	const DecideOrder *order = decide_app_by_hand(app->state, version, &refused);
	gboolean ok = order && road_by_hand(app, order) && road_after(app);
	if (app->base->up) {
		laws_rest(app);
		settle(app);
		app_look_in(app, app->busy_until - app->base->sim->now_utc);
	}
	return ok;
}

gboolean app_rollback(SimApp *app)
{
	if (!end_open(app))
		return FALSE;
	gboolean ok = road_back(app) && road_after(app);
	if (app->base->up) {
		laws_rest(app);
		settle(app);
		app_look_in(app, app->busy_until - app->base->sim->now_utc);
	}
	return ok;
}
