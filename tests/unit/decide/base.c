/* SPDX-License-Identifier: ISC */
#include "world.h"

/* What the journal holds for release 1 in each state. */
static const struct {
	OrderState state;
	const char *events[3];
} states[] = {
    {ORDER_ORDERED, {NULL}},
    {ORDER_STAGED, {"staged"}},
    {ORDER_ACTIVATING, {"staged", "intent"}},
    {ORDER_LIVE, {"staged", "intent", "live"}},
    {ORDER_ROLLED_BACK, {"staged", "intent", "rolled-back"}},
    {ORDER_DOWN, {"staged", "intent", "down"}},
    {ORDER_FAILED, {"staged", "failed"}},
    {ORDER_MISSED, {"missed"}},
    {ORDER_CANCELLED, {"cancelled"}},
    {ORDER_SUPERSEDED, {"superseded"}},
};

/* The state after each event: one letter per state above. '.': unchanged, '!': CORRUPT. */
static const char letters[] = "OSALRDFMCX";
static const struct {
	const char *event;
	const char *after;
} table[] = {
    {"staged", "S........."},        {"stage-failed", ".O........"},
    {"refused", "FF........"},       {"held", ".........."},
    {"unheld", ".........."},        {"before", ".........."},
    {"intent", "AA.AAAAAAA"},        {"stopped", "!!.!!!!!!!"},
    {"migrated", "!!.!!!!!!!"},      {"unmigrated", "!!.!!!!!!!"},
    {"switched", "!!.!!!!!!!"},      {"started", "!!.!!!!!!!"},
    {"undo", "!!.!!!!!!!"},          {"live", "LLL......."},
    {"rolled-back", "RRR......."},   {"down", "DDD......."},
    {"failed", "FFF......."},        {"missed", "MM........"},
    {"cancelled", "CC........"},     {"superseded", "XX........"},
    {"too-late", ".........."},      {"after", ".........."},
    {"report", ".........."},        {"reported", ".........."},
    {"pruned", ".........."},        {"pinned", ".........."},
    {"unpinned", ".........."},      {"maintenance-on", ".........."},
    {"unbridged", ".........."},     {"maintenance-off", ".........."},
    {"before-begins", ".........."}, {"something new", "!!!!!!!!!!"},
};

static void test_table(void)
{
	g_autofree char *id = release_id('1');
	g_assert_cmpuint(strlen(letters), ==, G_N_ELEMENTS(states));
	for (guint e = 0; e < G_N_ELEMENTS(table); e++) {
		for (guint s = 0; s < G_N_ELEMENTS(states); s++) {
			g_autoptr(DecideApp) app = decide_app_new("shop");
			char want = table[e].after[s];
			for (guint i = 0; i < 3 && states[s].events[i]; i++)
				g_assert_true(event(app, '1', states[s].events[i]));
			gboolean ok = event(app, '1', table[e].event);
			give(app, '1', NOON, 1);
			OrderState state = decide_app_find(app, id)->state;
			OrderState expected = states[s].state;
			if (want != '.' && want != '!')
				expected = states[strchr(letters, want) - letters].state;
			g_test_message("%s in %s", table[e].event,
				       order_state_name(states[s].state));
			g_assert_true(ok == (want != '!'));
			g_assert_cmpstr(order_state_name(state), ==, order_state_name(expected));
		}
	}
}

/* The step in each state: without and with a cancel; before, at, and after time and grace. */
static void test_steps(void)
{
	static const struct {
		gboolean stage, cancelled;
		gint64 now_utc;
		const char *steps; /* one letter per state of `states` */
	} rows[] = {
	    {FALSE, FALSE, NOON - 10, "--r-------"},
	    {TRUE, FALSE, NOON - 10, "s---------"},
	    {FALSE, FALSE, NOON, "-ar-------"},
	    {TRUE, FALSE, NOON, "s---------"},
	    {FALSE, FALSE, NOON + GRACE, "-ar-------"},
	    {FALSE, FALSE, NOON + GRACE + 1, "mmr-------"},
	    {TRUE, FALSE, NOON + GRACE + 1, "mm--------"},
	    {FALSE, TRUE, NOON - 10, "ccrttt----"},
	    {TRUE, TRUE, NOON - 10, "cctttt----"},
	    {FALSE, TRUE, NOON + GRACE + 1, "ccrttt----"},
	};
	static const char kinds[] = "-rctfxmspa"; /* in the order of DecideStepKind */
	for (guint r = 0; r < G_N_ELEMENTS(rows); r++) {
		for (guint s = 0; s < G_N_ELEMENTS(states); s++) {
			g_autoptr(DecideApp) app = decide_app_new("shop");
			g_autoptr(Order) order = make_order('1', NOON, 1);
			for (guint i = 0; i < 3 && states[s].events[i]; i++)
				g_assert_true(event(app, '1', states[s].events[i]));
			decide_app_order(app, order, rows[r].cancelled, 2, "a mistake");
			DecideStep step = next(app, rows[r].now_utc, rows[r].stage);
			g_test_message("row %u, %s: %c", r, order_state_name(states[s].state),
				       kinds[step.kind]);
			g_assert_cmpint(kinds[step.kind], ==, rows[r].steps[s]);
			/* all that ends or answers an order says why */
			if (strchr("ctfxm", kinds[step.kind]))
				g_assert_nonnull(step.reason);
			if (kinds[step.kind] != '-')
				g_assert_nonnull(step.order);
		}
	}
}

static void test_too_late_once(void)
{
	g_autoptr(DecideApp) app = decide_app_new("shop");
	g_autoptr(Order) order = make_order('1', NOON, 1);
	event(app, '1', "live");
	event(app, '1', "too-late");
	decide_app_order(app, order, TRUE, 2, NULL);
	g_assert_cmpint(next(app, NOON, FALSE).kind, ==, STEP_NONE);
}

static void test_next_moment(void)
{
	g_autoptr(DecideApp) app = decide_app_new("shop");
	DecideFacts facts = {.now_utc = NOON - 1000, .clock_trusted = TRUE, .lead_s = 300};
	DecideStep step;
	event(app, '1', "staged");
	give(app, '1', NOON, 1);
	decide_app_next(app, &facts, FALSE, &step);
	g_assert_cmpint(step.kind, ==, STEP_NONE);
	g_assert_cmpint(step.next_utc, ==, NOON - 300);
	facts.now_utc = NOON - 300;
	decide_app_next(app, &facts, FALSE, &step);
	g_assert_cmpint(step.kind, ==, STEP_PREPARE);
	event(app, '1', "before");
	decide_app_next(app, &facts, FALSE, &step);
	g_assert_cmpint(step.kind, ==, STEP_NONE);
	g_assert_cmpint(step.next_utc, ==, NOON);
	facts.now_utc = NOON;
	decide_app_next(app, &facts, FALSE, &step);
	g_assert_cmpint(step.kind, ==, STEP_ACTIVATE);
	/* not staged: only being missed is in sight */
	g_autoptr(DecideApp) other = decide_app_new("shop");
	give(other, '1', NOON, 1);
	decide_app_next(other, &facts, FALSE, &step);
	g_assert_cmpint(step.kind, ==, STEP_NONE);
	g_assert_cmpint(step.next_utc, ==, NOON + GRACE + 1);
	/* nothing at all */
	g_autoptr(DecideApp) empty = decide_app_new("shop");
	decide_app_next(empty, &facts, FALSE, &step);
	g_assert_cmpint(step.kind, ==, STEP_NONE);
	g_assert_cmpint(step.next_utc, ==, 0);
}

static void test_untrusted_clock(void)
{
	g_autoptr(DecideApp) app = decide_app_new("shop");
	DecideFacts facts = {.now_utc = NOON + 10 * GRACE, .clock_trusted = FALSE};
	DecideStep step;
	event(app, '1', "staged");
	give(app, '1', NOON, 1);
	decide_app_next(app, &facts, FALSE, &step);
	g_assert_cmpint(step.kind, ==, STEP_NONE); /* not missed, not activated */
	g_assert_cmpint(step.next_utc, ==, 0);
}

/* Both have to say so: what the clock says, and what it should say by the time since boot. */
static void test_projected(void)
{
	static const struct {
		gint64 now_utc, projected_utc;
		DecideStepKind kind;
		gint64 next_utc;
	} rows[] = {
	    {NOON - 3600, NOON - 100, STEP_NONE, NOON},
	    {NOON - 1, NOON + 3600, STEP_NONE, NOON},
	    {NOON, NOON + 3600, STEP_ACTIVATE, 0},
	    /* the clock is ahead: it is to be looked at when it says as much more */
	    {NOON + 10 * GRACE, NOON - 100, STEP_NONE, NOON + 10 * GRACE + 100},
	    {NOON + 10 * GRACE, NOON, STEP_ACTIVATE, 0},
	    {NOON + 10 * GRACE, NOON + GRACE, STEP_ACTIVATE, 0},
	    {NOON + 10 * GRACE, NOON + GRACE + 1, STEP_NONE, 0},
	};
	g_autoptr(DecideApp) app = decide_app_new("shop");
	event(app, '1', "staged");
	give(app, '1', NOON, 1);
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		DecideStep step;
		DecideFacts facts = {.now_utc = rows[i].now_utc,
				     .projected_utc = rows[i].projected_utc};
		decide_app_next(app, &facts, FALSE, &step);
		g_assert_cmpint(step.kind, ==, rows[i].kind);
		g_assert_cmpint(step.next_utc, ==, rows[i].next_utc);
		/* a clock that is trusted is all that counts */
		facts = (DecideFacts){
		    .now_utc = NOON - 1, .clock_trusted = TRUE, .projected_utc = NOON};
		decide_app_next(app, &facts, FALSE, &step);
		g_assert_cmpint(step.kind, ==, STEP_NONE);
	}
}

static void test_now_order(void)
{
	g_autoptr(DecideApp) app = decide_app_new("shop");
	g_autoptr(Order) order = make_order('1', NOON, 1);
	order->is_now = TRUE;
	decide_app_order(app, order, FALSE, 0, NULL);
	g_assert_cmpint(next(app, NOON + 2 * GRACE, TRUE).kind, ==, STEP_STAGE);
	g_assert_cmpint(next(app, NOON + 24 * 3600 + 1, TRUE).kind, ==, STEP_MISS);
	event(app, '1', "staged");
	/* due once staged, also if central's clock is a little ahead */
	g_assert_cmpint(next(app, NOON - 5, FALSE).kind, ==, STEP_ACTIVATE);
	g_assert_cmpint(next(app, NOON + 24 * 3600, FALSE).kind, ==, STEP_ACTIVATE);
	g_assert_cmpint(next(app, NOON + 24 * 3600 + 1, FALSE).kind, ==, STEP_MISS);
}

static gboolean wants(const DecideApp *app, char digit)
{
	g_autofree char *id = release_id(digit);
	return decide_app_wants(app, decide_app_find(app, id));
}

/* What a `now` order is about to supersede is not fetched; what may go live after all is. */
static void test_wants(void)
{
	static const char *const not_about_to[] = {"stage-failed", "held", "refused", "cancelled"};
	for (guint i = 0; i <= G_N_ELEMENTS(not_about_to); i++) {
		g_autoptr(DecideApp) app = decide_app_new("shop");
		g_autoptr(Order) later = make_order('2', NOON, 2);
		later->is_now = TRUE;
		if (i < G_N_ELEMENTS(not_about_to))
			event(app, '2', not_about_to[i]);
		give(app, '1', NOON - 60, 1);
		decide_app_order(app, later, FALSE, 0, NULL);
		give(app, '3', NOON + 600, 3);
		g_assert_true(wants(app, '1') == (i < G_N_ELEMENTS(not_about_to)));
		g_assert_true(wants(app, '2') == (i < 2 || i == G_N_ELEMENTS(not_about_to)));
		g_assert_true(wants(app, '3'));
		event(app, '1', "staged");
		g_assert_false(wants(app, '1'));
	}
	g_autoptr(DecideApp) app = decide_app_new("shop");
	g_autoptr(Order) cancelled = make_order('2', NOON, 2);
	cancelled->is_now = TRUE;
	give(app, '1', NOON - 60, 1);
	decide_app_order(app, cancelled, TRUE, 3, "no");
	g_assert_true(wants(app, '1'));
	g_assert_false(wants(app, '2'));
}

/* Gated or not, policy, heard since the gate time, central's word: what becomes of it at its time,
 * and when its grace is over. */
static void test_gates(void)
{
	static const struct {
		gboolean gated, hold, heard;
		char word; /* 'o'pen, 's'hut, '-' */
		DecideStepKind at_time, after;
		const char *why;
	} rows[] = {
	    {FALSE, FALSE, FALSE, '-', STEP_ACTIVATE, STEP_MISS, "did not activate"},
	    {FALSE, TRUE, FALSE, '-', STEP_NONE, STEP_MISS, "cut off"},
	    {FALSE, TRUE, TRUE, '-', STEP_ACTIVATE, STEP_MISS, "did not activate"},
	    {TRUE, FALSE, TRUE, '-', STEP_NONE, STEP_MISS, "did not open"},
	    {TRUE, FALSE, FALSE, '-', STEP_ACTIVATE, STEP_MISS, "did not activate"},
	    {TRUE, TRUE, FALSE, '-', STEP_NONE, STEP_MISS, "cut off"},
	    {TRUE, TRUE, TRUE, '-', STEP_NONE, STEP_MISS, "did not open"},
	    {TRUE, TRUE, FALSE, 'o', STEP_ACTIVATE, STEP_MISS, "did not activate"},
	    {TRUE, FALSE, TRUE, 'o', STEP_ACTIVATE, STEP_MISS, "did not activate"},
	    {TRUE, FALSE, FALSE, 's', STEP_MISS, STEP_MISS, "berlin rolled back"},
	    {TRUE, TRUE, TRUE, 's', STEP_MISS, STEP_MISS, "berlin rolled back"},
	};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(DecideApp) app = decide_app_new("shop");
		g_autoptr(Order) order = make_order('1', NOON, 1);
		DecideFacts facts = {.now_utc = NOON,
				     .clock_trusted = TRUE,
				     .heard_utc = rows[i].heard ? NOON - 300 : NOON - 900};
		DecideStep step;
		order->gated = rows[i].gated;
		order->cut_off_hold = rows[i].hold;
		order->gate_at_utc = rows[i].gated || rows[i].hold ? NOON - 600 : 0;
		event(app, '1', "staged");
		decide_app_order(app, order, FALSE, 0, NULL);
		if (rows[i].word != '-')
			decide_app_gate(app, order->release, rows[i].word == 'o',
					"berlin rolled back");
		decide_app_next(app, &facts, FALSE, &step);
		g_assert_cmpint(step.kind, ==, rows[i].at_time);
		/* its line was lost since, and its plan says go: it waits for no word */
		facts.line_failed = TRUE;
		decide_app_next(app, &facts, FALSE, &step);
		g_assert_cmpint(step.kind, ==,
				rows[i].word == '-' && !rows[i].hold ? STEP_ACTIVATE
								     : rows[i].at_time);
		facts.line_failed = FALSE;
		facts.now_utc = NOON - 300;
		decide_app_next(app, &facts, FALSE, &step);
		g_assert_cmpint(step.kind, ==, rows[i].word == 's' ? STEP_MISS : STEP_NONE);
		facts.now_utc = NOON + GRACE + 1;
		decide_app_next(app, &facts, FALSE, &step);
		g_assert_cmpint(step.kind, ==, rows[i].after);
		g_assert_nonnull(strstr(step.reason, rows[i].why));
	}
}

static void test_stopped(void)
{
	g_autoptr(DecideApp) app = decide_app_new("shop");
	event(app, '1', "staged");
	give(app, '1', NOON, 1);
	give(app, '2', NOON + 600, 2);
	decide_app_stop(app, "payments are down");
	g_assert_cmpint(next(app, NOON, FALSE).kind, ==, STEP_NONE);
	g_assert_cmpint(next(app, NOON, TRUE).kind, ==, STEP_STAGE); /* staging goes on */
	DecideStep step = next(app, NOON + GRACE + 1, FALSE);
	g_assert_cmpint(step.kind, ==, STEP_MISS);
	g_assert_nonnull(strstr(step.reason, "stopped"));
}

static void test_holds(void)
{
	for (guint whole = 0; whole < 2; whole++) {
		char digit = whole ? '-' : '1';
		g_autoptr(DecideApp) app = decide_app_new("shop");
		event(app, '1', "staged");
		event(app, digit, "held");
		give(app, '1', NOON, 1);
		g_assert_true(decide_app_held(app, NULL) == (whole == 1));
		g_assert_cmpint(next(app, NOON, FALSE).kind, ==, STEP_NONE);
		g_assert_cmpint(next(app, NOON, FALSE).next_utc, ==, NOON + GRACE + 1);
		DecideStep step = next(app, NOON + GRACE + 1, FALSE);
		g_assert_cmpint(step.kind, ==, STEP_MISS);
		g_assert_nonnull(strstr(step.reason, "held"));
		event(app, digit, "unheld");
		g_assert_cmpint(next(app, NOON, FALSE).kind, ==, STEP_ACTIVATE);
	}
}

/* A hold does not keep the next version from being staged. */
static void test_held_stages(void)
{
	g_autoptr(DecideApp) app = decide_app_new("shop");
	event(app, '-', "held");
	give(app, '1', NOON, 1);
	g_assert_cmpint(next(app, NOON - 100, TRUE).kind, ==, STEP_STAGE);
}

static void test_supersede(void)
{
	g_autoptr(DecideApp) app = decide_app_new("shop");
	for (char digit = '1'; digit <= '4'; digit++)
		event(app, digit, "staged");
	go_live(app, '2', NOON);      /* with Seq 1, as record() writes */
	give(app, '1', NOON - 60, 9); /* earlier time: superseded, whatever its sequence */
	give(app, '2', NOON, 1);
	give(app, '3', NOON, 5);      /* equal time, higher sequence: stands */
	give(app, '4', NOON + 60, 1); /* later: stands */
	DecideStep step = next(app, NOON - 3600, FALSE);
	g_assert_cmpint(step.kind, ==, STEP_SUPERSEDE);
	g_assert_cmpstr(step.order->order->version, ==, "v1");
	event(app, '1', "superseded");
	g_assert_cmpint(next(app, NOON - 3600, FALSE).kind, ==, STEP_NONE);
	/* of several that are due, the highest goes first */
	step = next(app, NOON + 60, FALSE);
	g_assert_cmpint(step.kind, ==, STEP_ACTIVATE);
	g_assert_cmpstr(step.order->order->version, ==, "v4");
	event(app, '4', "failed");
	step = next(app, NOON + 60, FALSE);
	g_assert_cmpint(step.kind, ==, STEP_ACTIVATE);
	g_assert_cmpstr(step.order->order->version, ==, "v3");
}

/* Sorted by time, then sequence, whatever the order of arrival. */
static void test_sorted(void)
{
	g_autoptr(DecideApp) app = decide_app_new("shop");
	give(app, '3', NOON + 5, 1);
	give(app, '2', NOON, 7);
	give(app, '1', NOON, 2);
	const GPtrArray *orders = decide_app_orders(app);
	g_assert_cmpuint(orders->len, ==, 3);
	for (guint i = 0; i < 3; i++) {
		const DecideOrder *order = orders->pdata[i];
		g_assert_cmpint(order->order->version[1], ==, '1' + (int)i);
	}
	g_autoptr(Order) other = make_order('4', NOON, 1);
	g_free(other->app);
	other->app = g_strdup("blog");
	decide_app_order(app, other, FALSE, 0, NULL);
	g_assert_cmpuint(orders->len, ==, 3);
}

static void test_revisions(void)
{
	g_autoptr(DecideApp) app = decide_app_new("shop");
	event(app, '1', "staged");
	give(app, '1', NOON, 1);
	g_autoptr(Order) revision = make_order('1', NOON + 600, 3);
	decide_app_order(app, revision, FALSE, 0, NULL);
	give(app, '1', NOON, 2); /* an older one does not come back */
	g_assert_cmpint(state_of(app, '1'), ==, ORDER_STAGED);
	g_assert_cmpint(next(app, NOON, FALSE).kind, ==, STEP_NONE);
	g_assert_cmpint(next(app, NOON + 600, FALSE).kind, ==, STEP_ACTIVATE);
	g_autoptr(Order) other_root = make_order('1', NOON + 600, 4);
	g_free(other_root->root);
	other_root->root = g_strdup(root_b);
	decide_app_order(app, other_root, FALSE, 0, NULL);
	g_assert_cmpint(next(app, NOON, TRUE).kind, ==, STEP_STAGE);
	/* of an order that has ended: nothing */
	g_autoptr(DecideApp) ended = decide_app_new("shop");
	event(ended, '1', "missed");
	decide_app_order(ended, revision, FALSE, 0, NULL);
	g_assert_cmpint(state_of(ended, '1'), ==, ORDER_MISSED);
	g_assert_cmpint(next(ended, NOON + 600, FALSE).kind, ==, STEP_NONE);
}

static void test_last_good(void)
{
	g_autoptr(DecideApp) app = decide_app_new("shop");
	g_assert_null(decide_app_live_tree(app));
	g_assert_null(decide_app_last_good_tree(app));
	go_live(app, '1', NOON);
	g_assert_cmpstr(decide_app_live_tree(app), ==, "v1-aaaaaaaa");
	g_assert_cmpstr(decide_app_live_version(app), ==, "v1");
	g_assert_cmpstr(decide_app_live_root(app), ==, root_a);
	g_assert_null(decide_app_last_good_tree(app));
	go_live(app, '2', NOON + 1);
	go_live(app, '3', NOON + 2);
	g_assert_cmpstr(decide_app_last_good_tree(app), ==, "v2-aaaaaaaa");
	/* an undone release changes nothing */
	record(app, '4', "rolled-back", "Root", root_a, "Tree", "v3-aaaaaaaa", "Reason", "sick",
	       NULL);
	g_assert_cmpstr(decide_app_live_tree(app), ==, "v3-aaaaaaaa");
	g_assert_cmpstr(decide_app_last_good_tree(app), ==, "v2-aaaaaaaa");
	/* an operator goes back: what was live is no good any more */
	event(app, '3', "intent");
	record(app, '3', "rolled-back", "Root", root_a, "Tree", "v2-aaaaaaaa", "By", "root",
	       "Serves-Version", "v2", NULL);
	g_assert_cmpstr(decide_app_live_version(app), ==, "v2");
	g_assert_cmpstr(decide_app_last_good_tree(app), ==, "v1-aaaaaaaa");
	/* down: nothing is live, and what was is the last good */
	event(app, '5', "intent");
	event(app, '5', "down");
	g_assert_true(decide_app_is_down(app));
	g_assert_null(decide_app_live_tree(app));
	g_assert_cmpstr(decide_app_last_good_tree(app), ==, "v2-aaaaaaaa");
	guint64 seq = 0;
	g_autofree char *five = release_id('5');
	g_assert_cmpstr(decide_app_last_release(app, &seq), ==, five);
	go_live(app, '6', NOON + 6);
	g_assert_false(decide_app_is_down(app));
	g_assert_cmpstr(decide_app_last_good_tree(app), ==, "v2-aaaaaaaa");
	record(app, '-', "pruned", "Tree", "v2-aaaaaaaa", NULL);
	g_assert_cmpstr(decide_app_last_good_tree(app), ==, "v1-aaaaaaaa");
	g_assert_null(decide_app_tree_root(app, "v2-aaaaaaaa"));
	g_assert_cmpstr(decide_app_tree_version(app, "v1-aaaaaaaa"), ==, "v1");
}

static void test_open(void)
{
	g_autoptr(DecideApp) app = decide_app_new("shop");
	DecideOpen open;
	decide_app_open(app, &open);
	g_assert_null(open.order);
	event(app, '1', "staged");
	record(app, '1', "intent", "Root", root_a, "Tree", "v1-aaaaaaaa", "Attempt", "1",
	       "From-Tree", "v0-bbbbbbbb", NULL);
	event(app, '1', "stopped");
	event(app, '1', "switched");
	/* the accepted orders were lost: it is still known what is open */
	decide_app_open(app, &open);
	g_assert_nonnull(open.order);
	g_assert_cmpstr(open.order->order->root, ==, root_a);
	g_assert_true(open.stopped && open.switched);
	g_assert_false(open.migrated || open.started || open.undoing);
	g_assert_cmpstr(open.from_tree, ==, "v0-bbbbbbbb");
	g_assert_null(open.from_root);
	/* a second attempt keeps what was done */
	event(app, '1', "started");
	record(app, '1', "intent", "Root", root_a, "Tree", "v1-aaaaaaaa", "Attempt", "2", NULL);
	decide_app_open(app, &open);
	g_assert_cmpint(open.attempt, ==, 2);
	g_assert_true(open.switched && open.started);
	g_assert_cmpstr(open.from_tree, ==, "v0-bbbbbbbb");
	/* no activation of another order begins within */
	g_assert_false(event(app, '2', "intent"));
	event(app, '1', "live");
	decide_app_open(app, &open);
	g_assert_null(open.order);
	/* and the next starts clean */
	g_assert_true(event(app, '2', "intent"));
	decide_app_open(app, &open);
	g_assert_false(open.switched || open.started || open.stopped);
	g_assert_cmpint(open.attempt, ==, 1);
}

static void test_recovery(void)
{
	static const struct {
		DecideOpen open;
		gboolean has_unmigrate;
		DecideRecovery expected;
	} rows[] = {
	    {{.attempt = 1}, FALSE, RECOVER_UNDO},
	    {{.attempt = 1, .stopped = TRUE}, FALSE, RECOVER_UNDO},
	    {{.attempt = 1, .stopped = TRUE, .migrated = TRUE}, TRUE, RECOVER_UNDO},
	    {{.attempt = 1, .stopped = TRUE, .migrated = TRUE}, FALSE, RECOVER_DOWN},
	    {{.attempt = 1, .stopped = TRUE, .switched = TRUE}, FALSE, RECOVER_GO_ON},
	    {{.attempt = 1, .migrated = TRUE, .switched = TRUE}, FALSE, RECOVER_GO_ON},
	    {{.attempt = 1, .switched = TRUE, .started = TRUE}, FALSE, RECOVER_GO_ON},
	    {{.attempt = 2, .switched = TRUE, .started = TRUE}, FALSE, RECOVER_UNDO},
	    {{.attempt = 2, .migrated = TRUE, .switched = TRUE}, FALSE, RECOVER_DOWN},
	    {{.attempt = 2, .migrated = TRUE, .switched = TRUE}, TRUE, RECOVER_UNDO},
	    {{.attempt = 1, .switched = TRUE, .undoing = TRUE}, FALSE, RECOVER_UNDO},
	    {{.attempt = 1, .migrated = TRUE, .switched = TRUE, .undoing = TRUE},
	     FALSE,
	     RECOVER_DOWN},
	};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
		g_assert_cmpint(decide_recovery(&rows[i].open, rows[i].has_unmigrate), ==,
				rows[i].expected);
}

static void test_after_owed(void)
{
	g_autoptr(DecideApp) app = decide_app_new("shop");
	event(app, '1', "staged");
	give(app, '1', NOON, 1);
	event(app, '1', "missed");
	g_assert_null(decide_app_owes_after(app)); /* nothing ran */
	g_autoptr(DecideApp) other = decide_app_new("shop");
	event(other, '1', "staged");
	give(other, '1', NOON, 1);
	event(other, '1', "before");
	g_assert_null(decide_app_owes_after(other)); /* not over yet */
	event(other, '1', "cancelled");
	g_assert_nonnull(decide_app_owes_after(other));
	event(other, '1', "after");
	g_assert_null(decide_app_owes_after(other));
}

static void test_bad_records(void)
{
	g_autoptr(DecideApp) app = decide_app_new("shop");
	g_assert_false(record(app, '-', "staged", "Root", root_a, "Tree", "t", NULL));
	g_assert_false(record(app, '1', "staged", "Root", root_a, NULL));
	g_assert_false(record(app, '1', "intent", "Root", root_a, "Tree", "t", NULL));
	g_assert_false(
	    record(app, '1', "intent", "Root", root_a, "Tree", "t", "Attempt", "0", NULL));
	g_assert_false(record(app, '1', "live", "Tree", "t", NULL));
	g_assert_false(record(app, '1', "live", "Root", root_a, "Tree", "t", "At", "soon", NULL));
	g_assert_false(record(app, '-', "pruned", NULL));
	g_assert_false(record(app, '-', "pinned", "Tree", "t", NULL));
	g_assert_false(record(app, '-', "pinned", "Version", "v1", NULL));
	g_assert_false(record(app, '-', "unpinned", NULL));
	g_assert_false(record(app, '-', "reported", NULL));
	g_autoptr(GError) error = NULL;
	g_autoptr(UtilTrailers) empty = util_trailers_new();
	g_assert_false(decide_app_record(app, empty, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/decide/base/table", test_table);
	g_test_add_func("/decide/base/steps", test_steps);
	g_test_add_func("/decide/base/too-late-once", test_too_late_once);
	g_test_add_func("/decide/base/next-moment", test_next_moment);
	g_test_add_func("/decide/base/untrusted-clock", test_untrusted_clock);
	g_test_add_func("/decide/base/projected-clock", test_projected);
	g_test_add_func("/decide/base/now-order", test_now_order);
	g_test_add_func("/decide/base/wants", test_wants);
	g_test_add_func("/decide/base/gates", test_gates);
	g_test_add_func("/decide/base/stopped", test_stopped);
	g_test_add_func("/decide/base/holds", test_holds);
	g_test_add_func("/decide/base/held-stages", test_held_stages);
	g_test_add_func("/decide/base/supersede", test_supersede);
	g_test_add_func("/decide/base/sorted", test_sorted);
	g_test_add_func("/decide/base/revisions", test_revisions);
	g_test_add_func("/decide/base/last-good", test_last_good);
	g_test_add_func("/decide/base/open", test_open);
	g_test_add_func("/decide/base/recovery", test_recovery);
	g_test_add_func("/decide/base/after-owed", test_after_owed);
	g_test_add_func("/decide/base/bad-records", test_bad_records);
	return g_test_run();
}
