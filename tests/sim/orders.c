/* SPDX-License-Identifier: ISC */
/* Jobs: plan, build, bundles, orders, as publish/tag.c and orders.c have it. */
#include "sim.h"

#define APP_OUTAGE_S 120
#define TREES_KEPT 4
#define ROOT_DIGITS 64
#define NO_TREE "-"

typedef struct {
	SimJob *job;
	guint run;
	char *root;            /* of a build */
	UtilTrailers *ordered; /* whose bundles are made */
} Going;

static void going_free(gpointer data)
{
	Going *going = data;
	g_free(going->root);
	util_trailers_free(going->ordered);
	g_free(going);
}

static void end_job(Sim *sim, SimJob *job)
{
	job->state = SIM_JOB_DONE;
	sim->central.job = NULL;
	if (job->tag)
		(void)g_hash_table_add(sim->central.waiting, g_strdup(job->tag->oid));
	central_wake(sim, 0);
}

static gboolean has_decision(Sim *sim, const char *release, const char *name)
{
	const SimDecision *at = g_hash_table_lookup(sim->central.disk.records, release);
	while (at && strcmp(at->decision, name) != 0)
		at = at->parent;
	return at != NULL;
}

static const UtilTrailers *decision_text(Sim *sim, const char *release, const char *name)
{
	const SimDecision *at = g_hash_table_lookup(sim->central.disk.records, release);
	while (at && strcmp(at->decision, name) != 0)
		at = at->parent;
	return at ? at->text : NULL;
}

static const DecideDecision *cancel_of(const DecideDecision *decisions, guint n, const char *base)
{
	return decide_cancel_of(decisions, n, base);
}

static gboolean is_cancelled(Sim *sim, const char *release)
{
	guint n = 0;
	g_autofree DecideDecision *decisions =
	    sim_decisions(g_hash_table_lookup(sim->central.disk.records, release), &n);
	return cancel_of(decisions, n, NULL) != NULL;
}

/* ---- accepting ---- */

static void add_targets(UtilTrailers *text, const PlanTable *table)
{
	for (guint i = 0; table->waves > 1 && i < table->targets->len; i++) {
		const PlanTarget *target = table->targets->pdata[i];
		g_autofree char *line = g_strdup_printf("%u %s", target->wave, target->base);
		util_trailers_add(text, "Wave", line);
	}
	for (guint i = 0; i < table->targets->len; i++) {
		const PlanTarget *target = table->targets->pdata[i];
		g_autofree char *when = util_time_format_utc(target->at_utc);
		g_autofree char *line = g_strdup_printf("%s %s %s %s", target->base, target->zone,
							when, target->local_text);
		util_trailers_add(text, "Target", line);
	}
}

static UtilTrailers *accepted_text(const SimJob *job, const PlanTable *table)
{
	UtilTrailers *text = util_trailers_new();
	g_autofree char *gate = plan_gate_format(table->gate, table->quorum_percent);
	util_trailers_add(text, "App", table->app);
	util_trailers_add(text, "Version", table->version);
	util_trailers_add(text, "Now", table->is_now ? "yes" : "no");
	util_trailers_add_int(text, "Grace", table->grace_s);
	util_trailers_add_int(text, "Max-Outage", table->max_outage_s);
	util_trailers_add(text, "Cut-Off", table->cut_off);
	if (table->gate != PLAN_GATE_ALONE)
		util_trailers_add(text, "Gate", gate);
	util_trailers_add_int(text, "Gate-Lead", 600);
	util_trailers_add_time(text, "Pushed", job->created_utc);
	util_trailers_add(text, "Override", table->override);
	add_targets(text, table);
	return text;
}

/* FALSE: killed, or refused (then it has ended). */
static gboolean accept_plan(Sim *sim, SimJob *job)
{
	const char *oid = job->tag->oid;
	g_autoptr(GError) refused = NULL;
	if (has_decision(sim, oid, "refused"))
		return FALSE;
	if (has_decision(sim, oid, "accepted") || is_cancelled(sim, oid))
		return TRUE;
	if (central_tag_moved(sim, job->tag))
		return central_cancel(sim, oid, NULL, "its tag was moved");
	g_autoptr(PlanTable) table = central_compile(sim, job->tag, job->created_utc, &refused);
	if (table) {
		g_autoptr(UtilTrailers) text = accepted_text(job, table);
		return central_decide(sim, oid, "accepted", text);
	}
	g_autoptr(UtilTrailers) text = util_trailers_new();
	util_trailers_add(text, "Reason", refused->message);
	(void)central_decide(sim, oid, "refused", text);
	return FALSE;
}

/* ---- building ---- */

static SimVersion *version_of(Sim *sim, const SimTag *tag, const Plan *plan)
{
	const char *name = plan && plan->version ? plan->version : tag->name;
	g_autofree char *key = g_strdup_printf("%s %s", tag->app, name);
	return g_hash_table_lookup(sim->central.disk.versions, key);
}

static gboolean decide_built(Sim *sim, const SimTag *tag, const Plan *plan,
			     const SimVersion *version)
{
	if (!plan)
		return TRUE;
	g_autoptr(UtilTrailers) text = util_trailers_new();
	util_trailers_add(text, "Version", version->version);
	util_trailers_add(text, "Root", version->root);
	return central_decide(sim, tag->oid, "built", text);
}

static gboolean plan_is_only(const Plan *plan, const SimTag *tag)
{
	return plan->version && strcmp(plan->version, tag->name) != 0;
}

static gboolean decide_failed(Sim *sim, const SimTag *tag, const char *reason)
{
	g_autoptr(UtilTrailers) text = util_trailers_new();
	util_trailers_add(text, "Reason", reason);
	return central_decide(sim, tag->oid, "build-failed", text);
}

static void keep_version(Sim *sim, const SimTag *tag, const char *root)
{
	SimVersion *version = g_new0(SimVersion, 1);
	version->version = g_strdup(tag->name);
	version->root = g_strdup(root);
	version->commit = g_strdup(tag->commit);
	g_hash_table_replace(sim->central.disk.versions,
			     g_strdup_printf("%s %s", tag->app, tag->name), version);
}

static gboolean known_fits(const SimTag *tag, const Plan *plan, const SimVersion *known)
{
	return known &&
	       ((plan && plan_is_only(plan, tag)) || strcmp(known->commit, tag->commit) == 0);
}

static void built(Sim *sim, gpointer who, gpointer data)
{
	Going *going = data;
	SimJob *job = going->job;
	g_autoptr(Plan) plan = NULL;
	(void)who;
	if (!sim->central.up || going->run != sim->central.run)
		return;
	(void)plan_parse(job->tag->message, strlen(job->tag->message), &plan, NULL);
	if (!going->root && plan && !decide_failed(sim, job->tag, "exit status 1"))
		return;
	if (going->root)
		keep_version(sim, job->tag, going->root);
	const SimVersion *version = going->root ? version_of(sim, job->tag, plan) : NULL;
	if (version && !decide_built(sim, job->tag, plan, version))
		return;
	if (version && plan)
		central_order(sim, job);
	else
		end_job(sim, job);
}

static void build(Sim *sim, SimJob *job)
{
	Going *going = g_new0(Going, 1);
	char root[ROOT_DIGITS + 1];
	gboolean growth = sim->options.growth;
	sim_hex(sim, root, ROOT_DIGITS);
	if (sim_chance(sim, growth ? 0 : 120))
		(void)g_hash_table_add(sim->sick, g_strdup(root));
	going->job = job;
	going->run = sim->central.run;
	going->root = sim_chance(sim, sim->calm || growth ? 0 : 80) ? NULL : g_strdup(root);
	sim_at(sim,
	       sim->now_utc + (growth                 ? sim_between(sim, 1, 20)
			       : sim_chance(sim, 100) ? sim_between(sim, 600, 4 * HOUR)
						      : sim_between(sim, 5, 300)),
	       built, NULL, going, going_free);
}

static void begin_tag(Sim *sim, SimJob *job)
{
	const SimTag *tag = job->tag;
	g_autoptr(Plan) plan = NULL;
	(void)plan_parse(tag->message, strlen(tag->message), &plan, NULL);
	if (plan && !accept_plan(sim, job)) {
		if (sim->central.up)
			end_job(sim, job);
		return;
	}
	const SimVersion *known = version_of(sim, tag, plan);
	gboolean over = plan && is_cancelled(sim, tag->oid);
	if (!over && known_fits(tag, plan, known)) {
		if (!decide_built(sim, tag, plan, known))
			return;
		if (plan) {
			central_order(sim, job);
			return;
		}
		over = TRUE;
	}
	gboolean refused = !over && ((known && known->bound) || (plan && plan_is_only(plan, tag)));
	if (refused && plan && !decide_failed(sim, tag, "another commit has that version"))
		return;
	if (over || refused)
		end_job(sim, job);
	else
		build(sim, job);
}

static void begin_bundle(Sim *sim, gpointer who, gpointer data)
{
	const Going *going = data;
	(void)who;
	if (!sim->central.up || going->run != sim->central.run)
		return;
	if (central_revise(sim, going->job->want))
		end_job(sim, going->job);
}

void central_job_start(Sim *sim)
{
	SimCentral *central = &sim->central;
	for (guint i = 0; !central->job && i < central->disk.jobs->len; i++) {
		SimJob *job = central->disk.jobs->pdata[i];
		if (job->state != SIM_JOB_QUEUED)
			continue;
		job->state = SIM_JOB_RUNNING;
		central->job = job;
		if (job->tag) {
			begin_tag(sim, job);
			return;
		}
		Going *going = g_new0(Going, 1);
		going->job = job;
		going->run = central->run;
		sim_at(sim, sim->now_utc + sim_between(sim, 1, 120), begin_bundle, NULL, going,
		       going_free);
	}
}

/* ---- what a base holds, by its reports ---- */

static gboolean is_root(const char *root)
{
	return root && util_sha256_hex_ok(root);
}

static const char *live_root(const SimView *view, const char *app)
{
	const char *root = NO_TREE;
	for (guint i = 0; i < view->reports->len; i++) {
		const Report *report = view->reports->pdata[i];
		if (strcmp(report->app, app) == 0 && is_root(report->serves_root))
			root = report->serves_root;
	}
	return root;
}

static gboolean had_root(const SimView *view, const char *app, const char *root)
{
	g_autoptr(GHashTable) newest = g_hash_table_new(g_str_hash, g_str_equal);
	for (guint i = view->reports->len; i > 0; i--) {
		const Report *report = view->reports->pdata[i - 1];
		if (strcmp(report->app, app) != 0 ||
		    (report->event != REPORT_STAGED && report->event != REPORT_LIVE))
			continue;
		if (strcmp(report->root, root) == 0)
			return TRUE;
		(void)g_hash_table_add(newest, report->root);
		if (g_hash_table_size(newest) >= TREES_KEPT)
			return FALSE;
	}
	return FALSE;
}

static void add_bundle(Sim *sim, Order *order, const char *old_root)
{
	char hash[ROOT_DIGITS + 1];
	guint64 bytes = 1000 + sim_below(sim, 4000000);
	sim_hex(sim, hash, ROOT_DIGITS);
	gboolean plain = strcmp(old_root, NO_TREE) == 0;
	order_add_bundle(order, old_root, hash, bytes, plain ? "plain" : "delta-6", bytes * 4,
			 1024 * 1024);
}

/* ---- orders ---- */

static void set_gate(Order *order, const DecideRelease *release, const DecideTarget *target)
{
	order->wave = target->wave;
	order->waves = release->waves;
	order->gate = release->gate;
	order->quorum_percent = release->quorum_percent;
	order->gated = plan_is_gated(release->gate, target->wave);
	order->cut_off_hold = plan_cut_off_hold(release->cut_off, release->gate, target->wave);
	if (order->gated || order->cut_off_hold)
		order->gate_at_utc = decide_release_gate_at(release, target->wave);
}

static Order *new_order(Sim *sim, const SimTag *tag, const DecideRelease *release,
			const DecideTarget *target, const SimVersion *version)
{
	const UtilTrailers *accepted = decision_text(sim, tag->oid, "accepted");
	Order *order = order_new(ORDER_KIND_ORDER);
	order->seq = 1;
	order->written_utc = sim->now_utc;
	order->base = g_strdup(target->base);
	order->release = g_strdup(tag->oid);
	order->app = g_strdup(tag->app);
	order->tag = g_strdup(tag->name);
	order->version = g_strdup(version->version);
	order->root = g_strdup(version->root);
	order->commit = g_strdup(version->commit);
	order->files = 10;
	order->bytes = 10000;
	order->at_utc = target->at_utc;
	order->is_now = release->is_now;
	order->grace_s = release->grace_s;
	(void)util_trailers_opt_int(accepted, "Max-Outage", 0, G_MAXINT64, 0, &order->max_outage_s,
				    NULL); /* our own record */
	if (order->max_outage_s == 0)
		order->max_outage_s = APP_OUTAGE_S;
	set_gate(order, release, target);
	order->local_text = g_strdup_printf("%s %s", target->local_text, target->zone);
	return order;
}

/* FALSE: there can be none. */
static gboolean mind_freezes(Sim *sim, const DecideRelease *release, Order *order)
{
	const PlanFacts facts = {.bases = sim->plan_bases,
				 .n_bases = sim->bases->len,
				 .zone_dir = sim_zone_dir(),
				 .freezes = sim->freezes};
	gint64 from = order->is_now ? sim->now_utc : order->at_utc;
	gint64 until = order->at_utc + (order->is_now ? PLAN_NOW_VALID_S : order->grace_s);
	gint64 begins = release->override || sim->freezes->len == 0
			    ? 0
			    : plan_freeze_begins(&facts, order->base, from, until);
	if (begins > 0 && begins <= from)
		return FALSE;
	if (begins > 0 && order->is_now)
		order->not_after_utc = begins - 1;
	else if (begins > 0)
		order->grace_s = begins - 1 - order->at_utc;
	return TRUE;
}

static void leave_out(UtilTrailers *ordered, const char *base, const char *why)
{
	g_autofree char *text = g_strdup_printf("%s %s", base, why);
	util_trailers_add(ordered, "Left-Out", text);
}

static void order_target(Sim *sim, const SimTag *tag, const DecideRelease *release,
			 const DecideTarget *target, const SimVersion *version,
			 UtilTrailers *ordered)
{
	const SimView *view = sim_view(sim, sim_base_index(target->base));
	g_autoptr(Order) order = new_order(sim, tag, release, target, version);
	if (!mind_freezes(sim, release, order)) {
		leave_out(ordered, target->base, "a freeze");
		return;
	}
	if (!had_root(view, tag->app, version->root))
		add_bundle(sim, order, live_root(view, tag->app));
	if (!order->is_now && sim->now_utc > order->at_utc + order->grace_s) {
		leave_out(ordered, target->base, "its time and its grace have passed");
		return;
	}
	g_autofree char *text = order_format(order);
	util_trailers_add(ordered, "Order", text);
}

/* Under the lock: nothing comes in between. FALSE: killed. */
static gboolean decide_orders(Sim *sim, const char *release, SimVersion *version,
			      const UtilTrailers *ordered)
{
	g_autoptr(GHashTable) deaf = g_hash_table_new(g_str_hash, g_str_equal);
	if (is_cancelled(sim, release))
		return TRUE;
	if (!util_trailers_get(ordered, "Order") && has_decision(sim, release, "ordered"))
		return TRUE;
	if (version && util_trailers_get(ordered, "Order"))
		version->bound = TRUE;
	return central_decide(sim, release, "ordered", ordered) && central_stops_complete(sim) &&
	       central_fan_out(sim, release, deaf);
}

/* What was cancelled at a base while bundles were made is left out. */
static UtilTrailers *without_cancelled(Sim *sim, const char *release, const UtilTrailers *wanted)
{
	UtilTrailers *kept = util_trailers_new();
	guint n = 0;
	g_autofree DecideDecision *decisions =
	    sim_decisions(g_hash_table_lookup(sim->central.disk.records, release), &n);
	for (guint i = 0; i < util_trailers_count(wanted); i++) {
		const char *key = util_trailers_key(wanted, i);
		const char *value = util_trailers_value(wanted, i);
		g_autoptr(Order) order =
		    strcmp(key, "Order") == 0 ? order_parse(value, strlen(value), NULL) : NULL;
		if (order && cancel_of(decisions, n, order->base))
			leave_out(kept, order->base, "cancelled there");
		else
			util_trailers_add(kept, key, value);
	}
	return kept;
}

static void bundled(Sim *sim, gpointer who, gpointer data)
{
	Going *going = data;
	g_autoptr(Plan) plan = NULL;
	const SimTag *tag = going->job->tag;
	(void)who;
	if (!sim->central.up || going->run != sim->central.run)
		return;
	(void)plan_parse(tag->message, strlen(tag->message), &plan, NULL);
	g_autoptr(UtilTrailers) ordered = without_cancelled(sim, tag->oid, going->ordered);
	if (decide_orders(sim, tag->oid, version_of(sim, tag, plan), ordered))
		end_job(sim, going->job);
}

void central_order(Sim *sim, SimJob *job)
{
	g_autoptr(Plan) plan = NULL;
	const SimTag *tag = job->tag;
	(void)plan_parse(tag->message, strlen(tag->message), &plan, NULL);
	const SimVersion *version = version_of(sim, tag, plan);
	if (has_decision(sim, tag->oid, "ordered")) {
		if (central_fan_out(sim, tag->oid, NULL))
			end_job(sim, job);
		return;
	}
	guint n = 0;
	g_autofree DecideDecision *decisions =
	    sim_decisions(g_hash_table_lookup(sim->central.disk.records, tag->oid), &n);
	g_autoptr(DecideRelease) release = central_release(sim, tag->oid);
	UtilTrailers *ordered = util_trailers_new();
	util_trailers_add(ordered, "Version", version->version);
	util_trailers_add(ordered, "Root", version->root);
	for (guint i = 0; i < release->targets->len; i++) {
		const DecideTarget *target = release->targets->pdata[i];
		if (cancel_of(decisions, n, target->base))
			leave_out(ordered, target->base, "cancelled there");
		else
			order_target(sim, tag, release, target, version, ordered);
	}
	Going *going = g_new0(Going, 1);
	going->job = job;
	going->run = sim->central.run;
	going->ordered = ordered;
	gint64 most_s = sim->options.growth ? 10 : sim_chance(sim, 200) ? HOUR : 60;
	sim_at(sim, sim->now_utc + sim_between(sim, 0, most_s), bundled, NULL, going, going_free);
}

/* A base holds another tree: a revision that covers it. */
gboolean central_revise(Sim *sim, const SimHint *want)
{
	const SimView *view = sim_view(sim, want->base);
	const LedgerOrder *entry = g_hash_table_lookup(view->orders, want->release);
	guint n = 0;
	g_autofree DecideDecision *decisions =
	    sim_decisions(g_hash_table_lookup(sim->central.disk.records, want->release), &n);
	const char *base = ((const SimBase *)sim->bases->pdata[want->base])->name;
	if (!entry || entry->cancelled || n == 0 || cancel_of(decisions, n, base) ||
	    order_find_bundle(entry->order, want->old_root))
		return TRUE;
	g_autoptr(Order) revised = order_copy(entry->order);
	add_bundle(sim, revised, want->old_root);
	revised->written_utc = sim->now_utc;
	g_autofree char *text = order_format(revised);
	g_autoptr(UtilTrailers) ordered = util_trailers_new();
	util_trailers_add(ordered, "Version", revised->version);
	util_trailers_add(ordered, "Root", revised->root);
	util_trailers_add(ordered, "Order", text);
	return decide_orders(sim, want->release, NULL, ordered);
}
