/* SPDX-License-Identifier: ISC */
/* What must hold, whatever happens. */
#include "sim.h"

/* A clock that agreed with central may be off by a jump that is none, twice. */
#define CLOCK_SLACK_S (2 * STORE_CLOCK_JUMP_S + 5)

static const struct {
	const char *name, *text;
} laws[LAW_COUNT] = {
    [LAW_NONE] = {"none", "all laws held"},
    [LAW_TREE] = {"tree", "the live path shows a whole tree: the one that is activated, or the one "
			  "that was live before"},
    [LAW_AUTHENTIC] = {"authentic", "nothing activates but the root of an accepted order, or an "
				    "operator's way back to what was good here"},
    [LAW_TIME] = {"time", "nothing activates before its time by a clock that may be trusted"},
    [LAW_GRACE] = {"grace", "nothing activates after its grace, and nothing is missed before it "
			    "or by a clock that may be wrong"},
    [LAW_FREEZE] = {"freeze", "nothing activates in a freeze unless its plan overrides it"},
    [LAW_CANCEL] = {"cancel", "nothing activates after a cancel that was accepted before"},
    [LAW_TOO_LATE] = {"too-late", "an accepted cancel ends its order or is answered too-late"},
    [LAW_RANK] = {"rank", "go-live time, then sequence, rank orders: none activates below one that "
			  "went live, and none is superseded but by a higher one"},
    [LAW_GATE] = {"gate", "nothing activates against central's word on its gate"},
    [LAW_QUORUM] = {"quorum", "a gate opens only if enough targets are staged"},
    [LAW_WORD] = {"word", "the word on a gate is said once, in the record and in each ledger"},
    [LAW_WAVE] = {"wave", "a wave opens only when all of the wave before were live"},
    [LAW_CUT_OFF] = {"cut-off", "a base that has no word follows the policy of its order"},
    [LAW_STOP] = {"stop", "nothing activates while a stop is accepted, also not by hand"},
    [LAW_RESUME] = {"resume", "a stop ends only when somebody resumes it"},
    [LAW_HOLD] = {"hold", "nothing activates by itself while an operator holds it"},
    [LAW_DATA] = {"data", "a version is never started on newer or older data than it was live on"},
    [LAW_DOWN] = {"down", "an app serves what its journal says, or it is down and that is said"},
    [LAW_WAKE] = {"wake", "a base that waits looks again before there is something to do"},
    [LAW_ENDS] = {"ends",
		  "every accepted order ends once its time has passed and the line is back, "
		  "and central waits for nothing"},
    [LAW_ONE_END] = {"one-end", "no order ends twice in one round"},
    [LAW_VIEW] = {"view", "central sees what the bases did"},
    [LAW_LEDGER] = {"ledger", "ledgers only grow, one number after the other, and end the same at "
			      "both sides"},
    [LAW_ONCE] = {"once", "no release is ordered twice at a base but as a revision of the same"},
    [LAW_REPORT] = {"report", "every report comes, once for each key, with one text"},
    [LAW_FAN_OUT] = {"fan-out", "a ledger has all that the record says, and nothing else"},
    [LAW_DELETION] = {"deletion", "a missing tag cancels only with a recorded deletion"},
    [LAW_LAST_GOOD] = {"last-good",
		       "the last good version, and what waits for its time, is never removed"},
    [LAW_JOURNAL] = {"journal", "a journal can always be read, and says what was held in memory"},
    [LAW_TEXT] = {"text", "what is written can be read"},
};

const char *sim_law_name(SimLaw law)
{
	return laws[law].name;
}

const char *sim_law_text(SimLaw law)
{
	return laws[law].text;
}

static void broken(const SimApp *app, SimLaw law, const char *what)
{
	sim_broken(app->base->sim, law, "%s at %s: %s", app->name, app->base->name, what);
}

/* ---- at the commit point ---- */

static const AcceptedOrder *accepted_of(const SimApp *app, const char *release)
{
	for (guint i = 0; i < app->accepted->len; i++) {
		const AcceptedOrder *accepted = app->accepted->pdata[i];
		if (strcmp(accepted->order->release, release) == 0)
			return accepted;
	}
	return NULL;
}

static gboolean is_held(const SimApp *app, const char *release)
{
	gboolean whole = FALSE, own = FALSE;
	for (guint i = 0; i < app->journal->len; i++) {
		const UtilTrailers *record = app->journal->pdata[i];
		const char *event = util_trailers_get(record, "Event");
		const char *of = util_trailers_get(record, "Release");
		gboolean held = strcmp(event, "held") == 0;
		if (!held && strcmp(event, "unheld") != 0)
			continue;
		if (!of)
			whole = held;
		else if (strcmp(of, release) == 0)
			own = held;
	}
	return whole || own;
}

static gint64 limit_of(const Order *order)
{
	gint64 limit = order->at_utc + (order->is_now ? DECIDE_NOW_LIMIT_S : order->grace_s);
	return order->not_after_utc > 0 ? MIN(limit, order->not_after_utc) : limit;
}

/* Its clock and central's agreed since the machine was started. */
static gboolean clock_agreed(const SimBase *base)
{
	g_autofree char *boot = g_strdup_printf("%u", base->boots);
	return base->noted_clock && base->note.by == STORE_CLOCK_BY_AGREED &&
	       strcmp(base->note.boot, boot) == 0;
}

static void check_time(const SimApp *app, const Order *order, const DecideFacts *facts)
{
	gint64 really = app->base->sim->now_utc + app->spent_s;
	gboolean doubt = !facts->clock_trusted && facts->projected_utc > 0;
	gint64 most = doubt ? MAX(facts->now_utc, facts->projected_utc) : facts->now_utc;
	gint64 least = doubt ? MIN(facts->now_utc, facts->projected_utc) : facts->now_utc;
	gboolean agreed = clock_agreed(app->base) && facts->clock_trusted;
	if (!order->is_now &&
	    (least < order->at_utc || (agreed && really < order->at_utc - CLOCK_SLACK_S)))
		broken(app, LAW_TIME, order->release);
	if (doubt)
		app->base->sim->counts.untrusted++;
	/* within its grace `before` began, which takes its time */
	gint64 limit = limit_of(order) + app->spent_s;
	if ((facts->clock_trusted && most > limit) || least > limit ||
	    (agreed && really > limit + CLOCK_SLACK_S))
		broken(app, LAW_GRACE, order->release);
}

static gboolean is_overridden(Sim *sim, const char *release)
{
	const SimDecision *at = g_hash_table_lookup(sim->central.disk.records, release);
	while (at && strcmp(at->decision, "accepted") != 0)
		at = at->parent;
	return !at || util_trailers_get(at->text, "Override");
}

static void check_freeze(const SimApp *app, const Order *order, const DecideFacts *now)
{
	Sim *sim = app->base->sim;
	const PlanFacts facts = {.bases = sim->plan_bases,
				 .n_bases = sim->bases->len,
				 .zone_dir = sim_zone_dir(),
				 .freezes = sim->freezes};
	gint64 really = sim->now_utc + app->spent_s;
	/* an order that waits for a doubtful clock to say so may be late by what that is behind */
	if (sim->freezes->len == 0 || !clock_agreed(app->base) || !now->clock_trusted ||
	    is_overridden(sim, order->release))
		return;
	if (plan_freeze_begins(&facts, app->base->name, really - CLOCK_SLACK_S,
			       really - CLOCK_SLACK_S) > 0 &&
	    plan_freeze_begins(&facts, app->base->name, really + CLOCK_SLACK_S,
			       really + CLOCK_SLACK_S) > 0)
		broken(app, LAW_FREEZE, order->release);
}

static void check_gate(const SimApp *app, const AcceptedOrder *accepted, const DecideFacts *facts)
{
	const Order *order = accepted->order;
	gboolean cut_off = facts->heard_utc < order->gate_at_utc;
	if (accepted->gate_decided && !accepted->gate_open)
		broken(app, LAW_GATE, order->release);
	if (accepted->gate_decided || (!order->gated && !order->cut_off_hold))
		return;
	if (cut_off)
		app->base->sim->counts.cut_off++;
	if (order->cut_off_hold ? cut_off || order->gated : !cut_off && !facts->line_failed)
		broken(app, LAW_CUT_OFF, order->release);
}

static gboolean is_below(const SimApp *app, gint64 at_utc, guint64 seq)
{
	return app->has_rank &&
	       (at_utc < app->rank_at_utc || (at_utc == app->rank_at_utc && seq < app->rank_seq));
}

static void check_due(const SimApp *app, const AcceptedOrder *accepted)
{
	const Order *order = accepted->order;
	DecideFacts facts;
	app_facts(app, &facts);
	check_time(app, order, &facts);
	check_freeze(app, order, &facts);
	check_gate(app, accepted, &facts);
	if (is_below(app, order->at_utc, order->seq) ||
	    g_hash_table_contains(app->overtaken, order->release))
		broken(app, LAW_RANK, order->release);
	if (is_held(app, order->release))
		broken(app, LAW_HOLD, order->release);
}

void laws_intent(SimApp *app, const UtilTrailers *intent, gboolean recovery)
{
	const char *release = util_trailers_get(intent, "Release");
	const char *root = util_trailers_get(intent, "Root");
	const char *by = util_trailers_get(intent, "By");
	const SimTree *tree = g_hash_table_lookup(app->trees, util_trailers_get(intent, "Tree"));
	const AcceptedOrder *accepted = accepted_of(app, release);
	if (!tree || strcmp(tree->root, root) != 0)
		broken(app, LAW_TREE, release);
	if (recovery)
		return;
	if (by && !util_trailers_get(intent, "Hand")) {
		if (!g_hash_table_contains(app->was_good, root))
			broken(app, LAW_AUTHENTIC, release);
		return;
	}
	if (!accepted || strcmp(accepted->order->root, root) != 0) {
		broken(app, LAW_AUTHENTIC, release);
		return;
	}
	if (accepted->cancelled)
		broken(app, LAW_CANCEL, release);
	if (app->stop.seq > 0)
		broken(app, LAW_STOP, release);
	if (!by)
		check_due(app, accepted);
}

/* ---- with each record ---- */

static gboolean is_end(const char *event, OrderState *ret_state)
{
	for (guint i = ORDER_LIVE; i < ORDER_STATE_COUNT; i++) {
		*ret_state = (OrderState)i;
		if (strcmp(order_state_name(*ret_state), event) == 0)
			return TRUE;
	}
	*ret_state = ORDER_FAILED;
	return strcmp(event, "refused") == 0;
}

static void check_serves(const SimApp *app, const UtilTrailers *record)
{
	const char *tree = util_trailers_get(record, "Tree");
	if (tree && g_strcmp0(app->current, tree) != 0)
		broken(app, LAW_TREE, "current does not show what serves by the journal");
	if (tree && g_strcmp0(app->running, tree) != 0)
		broken(app, LAW_DOWN, "what serves by the journal does not run");
}

static const UtilTrailers *last_intent(const SimApp *app, const char *release)
{
	for (guint i = app->journal->len; i > 0; i--) {
		const UtilTrailers *record = app->journal->pdata[i - 1];
		gint64 attempt = 1;
		if (strcmp(util_trailers_get(record, "Event"), "intent") != 0 ||
		    g_strcmp0(util_trailers_get(record, "Release"), release) != 0)
			continue;
		(void)util_trailers_opt_int(record, "Attempt", 1, G_MAXINT32, 1, &attempt, NULL);
		if (attempt == 1)
			return record;
	}
	return NULL;
}

/* It is healthy: a way back may lead to it, and this is the data it knows. */
static void note_serves(SimApp *app, const char *root)
{
	if (!root)
		return;
	(void)g_hash_table_add(app->was_good, g_strdup(root));
	if (!g_hash_table_contains(app->home, root))
		g_hash_table_insert(app->home, g_strdup(root), GINT_TO_POINTER((gint)app->data));
}

static void note_live(SimApp *app, const UtilTrailers *record, const char *release)
{
	const UtilTrailers *intent = last_intent(app, release);
	gint64 at_utc = 0, seq = 0;
	(void)util_trailers_need_time(record, "At", &at_utc, NULL);
	(void)util_trailers_opt_int(record, "Seq", 0, G_MAXINT64, 0, &seq, NULL);
	const char *root = util_trailers_get(record, "Root");
	if (!is_below(app, at_utc, (guint64)seq)) {
		app->has_rank = TRUE;
		app->rank_at_utc = at_utc;
		app->rank_seq = (guint64)seq;
	}
	(void)g_hash_table_add(app->lived, g_strdup(release));
	(void)g_hash_table_add(app->was_good, g_strdup(root));
	g_hash_table_replace(app->home, g_strdup(root), GINT_TO_POINTER((gint)app->data));
	for (guint i = 0; intent && i < util_trailers_count(intent); i++)
		if (strcmp(util_trailers_key(intent, i), "Supersedes") == 0)
			(void)g_hash_table_add(app->overtaken,
					       g_strdup(util_trailers_value(intent, i)));
}

static void check_missed(SimApp *app, const AcceptedOrder *accepted)
{
	DecideFacts facts;
	app_facts(app, &facts);
	if (accepted->gate_decided && !accepted->gate_open)
		return;
	if (!facts.clock_trusted || facts.now_utc <= limit_of(accepted->order) ||
	    (clock_agreed(app->base) &&
	     app->base->sim->now_utc < limit_of(accepted->order) - CLOCK_SLACK_S))
		broken(app, LAW_GRACE, "missed before its grace was over");
}

static void check_superseded(SimApp *app, const AcceptedOrder *accepted)
{
	const Order *order = accepted->order;
	if (!is_below(app, order->at_utc, order->seq) &&
	    !g_hash_table_contains(app->overtaken, order->release))
		broken(app, LAW_RANK, "superseded by nothing higher");
}

static void tell_record(const SimApp *app, const UtilTrailers *record)
{
	static const char *const shown[] = {"Tree", "From-Tree", "By",
					    "Data", "Migrated",  "Reason"};
	const char *release = util_trailers_get(record, "Release");
	g_autoptr(GString) more = g_string_new(NULL);
	if (!app->base->sim->options.verbose)
		return;
	for (guint i = 0; i < G_N_ELEMENTS(shown); i++)
		if (util_trailers_get(record, shown[i]))
			g_string_append_printf(more, ", %s %s", shown[i],
					       util_trailers_get(record, shown[i]));
	sim_say(app->base->sim, app->base->name, "%s %.7s %s%s", app->name, release ? release : "-",
		util_trailers_get(record, "Event"), more->str);
}

void laws_record(SimApp *app, const UtilTrailers *record)
{
	Sim *sim = app->base->sim;
	const char *event = util_trailers_get(record, "Event");
	const char *release = util_trailers_get(record, "Release");
	const DecideOrder *order = release ? decide_app_find(app->state, release) : NULL;
	const AcceptedOrder *accepted = release ? accepted_of(app, release) : NULL;
	OrderState state = ORDER_ORDERED;
	tell_record(app, record);
	if (strcmp(event, "staged") == 0)
		(void)g_hash_table_add(app->staged, g_strdup(release));
	if (!is_end(event, &state))
		return;
	sim->counts.ends[state]++;
	if (order && order_state_ended(order->state))
		broken(app, LAW_ONE_END, release);
	if (state == ORDER_LIVE || state == ORDER_ROLLED_BACK)
		check_serves(app, record);
	if (state == ORDER_ROLLED_BACK)
		note_serves(app, util_trailers_get(record, "Root"));
	if (state == ORDER_LIVE)
		note_live(app, record, release);
	if (state == ORDER_MISSED && accepted)
		check_missed(app, accepted);
	if (state == ORDER_SUPERSEDED && accepted)
		check_superseded(app, accepted);
}

/* ---- what the world sees ---- */

void laws_current(SimApp *app, const char *tree)
{
	DecideOpen open;
	decide_app_open(app->state, &open);
	if (tree && !g_hash_table_contains(app->trees, tree))
		broken(app, LAW_TREE, "current would lead nowhere");
	if (!open.order ||
	    (g_strcmp0(tree, open.tree) != 0 && g_strcmp0(tree, open.from_tree) != 0))
		broken(app, LAW_TREE, "current would show what nobody ordered");
}

void laws_start(SimApp *app, const char *tree)
{
	const SimTree *there = tree ? g_hash_table_lookup(app->trees, tree) : NULL;
	gint64 home = there ? GPOINTER_TO_INT(g_hash_table_lookup(app->home, there->root)) : 0;
	if (g_strcmp0(tree, app->current) != 0)
		broken(app, LAW_TREE, "what is started is not what current shows");
	gint64 knows = there ? GPOINTER_TO_INT(g_hash_table_lookup(app->knows, there->root)) : 0;
	if (home > 0 && app->data < home)
		broken(app, LAW_DATA, "on older data");
	if (home > 0 && app->data > MAX(home, knows))
		broken(app, LAW_DATA, tree);
}

void laws_rest(SimApp *app)
{
	DecideOpen open;
	if (!app->base->up || !app->state)
		return;
	decide_app_open(app->state, &open);
	if (open.order || decide_app_is_down(app->state))
		return;
	const char *live = decide_app_live_tree(app->state);
	if (g_strcmp0(app->current, live) != 0)
		broken(app, LAW_TREE, "current does not show what is live");
	if (g_strcmp0(app->running, live) != 0)
		broken(app, LAW_DOWN, "what is live does not run, and the app is not down");
}

/* At moments before it looks again, there is nothing to do either. */
void laws_wake(SimApp *app, gint64 next_utc)
{
	Sim *sim = app->base->sim;
	DecideFacts facts;
	DecideStep step;
	app_facts(app, &facts);
	gint64 until_s = next_utc ? next_utc - facts.now_utc - 1 : 3 * DAY;
	/* what waits for the line to be lost for good is looked at now and then */
	if (facts.line_failed)
		return;
	for (guint i = 0; i < 3 && until_s > 0; i++) {
		/* the last one, too: limits are what is forgotten */
		gint64 in_s = i == 0 ? until_s : sim_between(sim, 1, until_s);
		DecideFacts then = facts;
		then.now_utc += in_s;
		then.projected_utc += then.projected_utc ? in_s : 0;
		decide_app_next(app->state, &then, FALSE, &step);
		if (step.kind != STEP_NONE)
			sim_broken(sim, LAW_WAKE,
				   "%s at %s: step %d of %.7s is due in %" G_GINT64_FORMAT
				   " s, and it looks again in %" G_GINT64_FORMAT,
				   app->name, app->base->name, step.kind,
				   step.order->order->release, in_s,
				   next_utc ? next_utc - facts.now_utc : 0);
	}
}

/* ---- central ---- */

static SimApp *app_of(Sim *sim, const char *base, const char *app)
{
	return base_app(sim->bases->pdata[sim_base_index(base)], app);
}

static gboolean counts(const DecideTarget *target)
{
	return target->state != CENTRAL_CANCEL_ASKED &&
	       !(target->state == CENTRAL_ENDED && target->event == REPORT_CANCELLED);
}

static void check_opened(Sim *sim, const char *id, guint wave)
{
	g_autoptr(DecideRelease) release = central_release(sim, id);
	const SimDecision *first = g_hash_table_lookup(sim->central.disk.records, id);
	guint all = 0, staged = 0;
	while (first->parent)
		first = first->parent;
	for (guint i = 0; i < release->targets->len; i++) {
		const DecideTarget *target = release->targets->pdata[i];
		const SimApp *app =
		    app_of(sim, target->base, util_trailers_get(first->text, "App"));
		if (!counts(target))
			continue;
		/* what the old hardware did is known to central alone */
		gboolean replaced = app->base->was_replaced;
		all++;
		staged += replaced || g_hash_table_contains(app->staged, id);
		if (wave > 1 && !replaced && target->wave + 1 == wave &&
		    !g_hash_table_contains(app->lived, id))
			sim_broken(sim, LAW_WAVE,
				   "release %.7s: wave %u opens, and %s of the wave "
				   "before was never live",
				   id, wave, target->base);
	}
	guint percent = release->gate == PLAN_GATE_QUORUM ? release->quorum_percent : 100;
	if (wave == 1 && release->gate != PLAN_GATE_ALONE && staged * 100 < all * percent)
		sim_broken(sim, LAW_QUORUM, "release %.7s opens with %u of %u staged", id, staged,
			   all);
}

static void check_word(Sim *sim, const char *release, const SimDecision *decision)
{
	gint64 wave = 0, other = 0;
	(void)util_trailers_need_int(decision->text, "Wave", 1, PLAN_WAVES_MAX, &wave, NULL);
	for (const SimDecision *at = decision->parent; at; at = at->parent)
		if (g_str_has_prefix(at->decision, "gate-") &&
		    util_trailers_need_int(at->text, "Wave", 1, PLAN_WAVES_MAX, &other, NULL) &&
		    other == wave)
			sim_broken(sim, LAW_WORD, "release %.7s: two words on wave %d", release,
				   (int)wave);
	gboolean open = strcmp(decision->decision, "gate-opened") == 0;
	sim->counts.opened += open;
	sim->counts.shut += !open;
	if (open)
		check_opened(sim, release, (guint)wave);
}

void laws_decision(Sim *sim, const char *release, const SimDecision *decision)
{
	const char *reason = util_trailers_get(decision->text, "Reason");
	if (g_str_has_prefix(decision->decision, "gate-"))
		check_word(sim, release, decision);
	if (strcmp(decision->decision, "cancelled") == 0 && g_strcmp0(reason, "deleted") == 0 &&
	    !g_hash_table_contains(sim->deleted, release))
		sim_broken(sim, LAW_DELETION, "release %.7s was not deleted", release);
}

static guint ordered_in_record(Sim *sim, const char *release, const char *base)
{
	guint n = 0;
	g_autofree char *line = g_strdup_printf("\nBase: %s\n", base);
	for (const SimDecision *at = g_hash_table_lookup(sim->central.disk.records, release); at;
	     at = at->parent) {
		for (guint i = 0; i < util_trailers_count(at->text); i++) {
			if (strcmp(util_trailers_key(at->text, i), "Order") != 0)
				continue;
			n += strstr(util_trailers_value(at->text, i), line) != NULL;
		}
	}
	return n;
}

void laws_entry(Sim *sim, guint base, const SimEntry *entry)
{
	const Order *order = entry->entry.order;
	guint orders = 0;
	(void)base;
	if (order->kind == ORDER_KIND_RESUME &&
	    !g_hash_table_contains(sim->resumed, order->app ? order->app : "-"))
		sim_broken(sim, LAW_RESUME, "%s is resumed at %s, and nobody did",
			   order->app ? order->app : "all", order->base);
	if (order->kind == ORDER_KIND_HEARTBEAT || !order->release)
		return;
	for (const SimEntry *at = entry->parent; at; at = at->parent) {
		const Order *before = at->entry.order;
		if (g_strcmp0(before->release, order->release) != 0)
			continue;
		orders += before->kind == ORDER_KIND_ORDER;
		if (before->kind != order->kind)
			continue;
		if (order->kind == ORDER_KIND_GATE)
			sim_broken(sim, LAW_WORD, "release %.7s: two words to %s", order->release,
				   order->base);
		if (order->kind == ORDER_KIND_ORDER &&
		    (before->at_utc != order->at_utc || strcmp(before->root, order->root) != 0))
			sim_broken(sim, LAW_ONCE, "release %.7s is ordered anew at %s",
				   order->release, order->base);
	}
	if (order->kind == ORDER_KIND_ORDER &&
	    orders >= ordered_in_record(sim, order->release, order->base))
		sim_broken(sim, LAW_ONCE, "release %.7s is ordered at %s once more than decided",
			   order->release, order->base);
}

void laws_accept(SimBase *base, const SimEntry *head)
{
	if (!sim_entry_has(head, base->accepted))
		sim_broken(base->sim, LAW_LEDGER, "the ledger of %s was rewritten", base->name);
	for (const SimEntry *at = head; at != base->accepted && at; at = at->parent) {
		guint64 before = at->parent ? at->parent->entry.order->seq : 0;
		if (at->entry.order->seq != before + 1)
			sim_broken(base->sim, LAW_LEDGER, "the ledger of %s leaves out a number",
				   base->name);
	}
}

/* ---- in the end ---- */

static void check_order_end(SimApp *app, const AcceptedOrder *accepted)
{
	const DecideOrder *order = decide_app_find(app->state, accepted->order->release);
	g_autofree char *what =
	    g_strdup_printf("%.7s is %s", accepted->order->release, order_state_name(order->state));
	if (!order_state_ended(order->state))
		broken(app, LAW_ENDS, what);
	gboolean past = order->state == ORDER_LIVE || order->state == ORDER_ROLLED_BACK ||
			order->state == ORDER_DOWN;
	if (accepted->cancelled && past && !order->too_late_said)
		broken(app, LAW_TOO_LATE, what);
}

static void check_folded(SimApp *app)
{
	g_autofree char *live = g_strdup(decide_app_live_tree(app->state));
	gboolean is_down = decide_app_is_down(app->state);
	g_autoptr(GString) states = g_string_new(NULL), again = g_string_new(NULL);
	for (guint i = 0; i < app->accepted->len; i++) {
		const AcceptedOrder *accepted = app->accepted->pdata[i];
		g_string_append(
		    states,
		    order_state_name(decide_app_find(app->state, accepted->order->release)->state));
	}
	app_close(app);
	if (!app_open(app))
		return;
	for (guint i = 0; i < app->accepted->len; i++) {
		const AcceptedOrder *accepted = app->accepted->pdata[i];
		g_string_append(
		    again,
		    order_state_name(decide_app_find(app->state, accepted->order->release)->state));
	}
	if (g_strcmp0(live, decide_app_live_tree(app->state)) != 0 ||
	    is_down != decide_app_is_down(app->state) || !g_string_equal(states, again))
		broken(app, LAW_JOURNAL, "read again, it says something else");
}

static void check_base_end(SimBase *base)
{
	Sim *sim = base->sim;
	for (guint i = 0; i < base->apps->len && base->up; i++) {
		SimApp *app = base->apps->pdata[i];
		if (!app_open(app))
			continue;
		for (guint n = 0; n < app->accepted->len; n++)
			check_order_end(app, app->accepted->pdata[n]);
		check_folded(app);
		laws_rest(app);
	}
	if (!base->up)
		sim_broken(sim, LAW_ENDS, "%s is not up", base->name);
	/* what was written just now is on its way */
	const SimEntry *head = sim->central.disk.orders[base->index];
	while (head && head->entry.order->written_utc > sim->now_utc - 3 * HOUR)
		head = head->parent;
	if (!sim_entry_has(base->accepted, head))
		sim_broken(sim, LAW_LEDGER, "%s has not accepted all of its ledger", base->name);
	if (g_hash_table_size(base->pending) > 0)
		sim_broken(sim, LAW_REPORT, "%u reports of %s have not come",
			   g_hash_table_size(base->pending), base->name);
}

static ReportEvent event_of_state(OrderState state)
{
	ReportEvent event = REPORT_STAGED;
	(void)report_event_parse(order_state_name(state), &event); /* ends are events */
	return event;
}

static void check_target(Sim *sim, const char *release, const char *app_name,
			 const DecideTarget *target)
{
	const SimApp *app = app_of(sim, target->base, app_name);
	const DecideOrder *order = app->state ? decide_app_find(app->state, release) : NULL;
	if (!order || target->seq == 0)
		return;
	if (target->state != CENTRAL_ENDED || target->event != event_of_state(order->state))
		sim_broken(sim, LAW_VIEW, "release %.7s at %s is %s, and central thinks %s%s",
			   release, target->base, order_state_name(order->state),
			   target->reported ? report_event_name(target->event) : "nothing",
			   target->state == CENTRAL_ENDED ? "" : " (not ended)");
}

static guint entries_of(const SimEntry *head, const char *release, OrderKind kind)
{
	guint n = 0;
	for (; head; head = head->parent)
		n += head->entry.order->kind == kind &&
		     g_strcmp0(head->entry.order->release, release) == 0;
	return n;
}

/* Nothing of the record is lacking in a ledger. */
static void check_fan_out(Sim *sim, const SimTag *tag)
{
	guint n = 0;
	g_autofree DecideDecision *decisions =
	    sim_decisions(g_hash_table_lookup(sim->central.disk.records, tag->oid), &n);
	g_autoptr(GPtrArray) told = decide_told(tag->app, tag->oid, decisions, n, NULL);
	for (guint i = 0; told && i < told->len; i++) {
		const DecideTold *one = told->pdata[i];
		const SimApp *app = app_of(sim, one->entry->base, tag->app);
		const SimEntry *head = sim->central.disk.orders[app->base->index];
		guint have = entries_of(head, tag->oid, one->entry->kind);
		const LedgerOrder *newest =
		    g_hash_table_lookup(sim_view(sim, app->base->index)->orders, tag->oid);
		gboolean of_wave = one->entry->kind != ORDER_KIND_GATE ||
				   (newest && newest->order->wave == one->entry->wave);
		if (of_wave && have < MAX(one->nth, 1))
			sim_broken(sim, LAW_FAN_OUT, "the ledger of %s lacks something of %.7s",
				   one->entry->base, tag->oid);
	}
}

static void check_release_end(Sim *sim, const SimTag *tag)
{
	static const char *const open[] = {"queued", "building", "bundling", "accepted", NULL};
	g_autoptr(DecideRelease) release = central_release(sim, tag->oid);
	if (!release)
		return;
	check_fan_out(sim, tag);
	/* central was killed between its record and its job, and the tag was gone before it was
	 * back: such a release does nothing */
	g_autofree char *key = g_strdup_printf("%s %s", tag->app, tag->name);
	gboolean idle =
	    strcmp(release->state, "queued") == 0 && !g_hash_table_lookup(sim->refs, key);
	if (g_strv_contains(open, release->state) && !idle)
		sim_broken(sim, LAW_ENDS, "release %.7s is %s", tag->oid, release->state);
	if (decide_release_is_ordered(release) && decide_release_awaits_gate(release))
		sim_broken(sim, LAW_ENDS, "release %.7s waits for a word", tag->oid);
	for (guint i = 0; i < release->targets->len; i++)
		check_target(sim, tag->oid, tag->app, release->targets->pdata[i]);
}

void laws_end(Sim *sim)
{
	for (guint i = 0; i < sim->bases->len && !sim->broken; i++)
		check_base_end(sim->bases->pdata[i]);
	for (guint i = 0; i < sim->releases->len && !sim->broken; i++)
		check_release_end(sim, sim->releases->pdata[i]);
}
