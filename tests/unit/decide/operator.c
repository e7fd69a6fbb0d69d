/* SPDX-License-Identifier: ISC */
/* What an operator may do by hand, and what becomes of it. */
#include "world.h"

/* May an operator activate it, and why not: every state, with and without its tree, cancelled, and
 * with a later one live. */
static void test_by_hand(void)
{
	static const struct {
		const char *events[3];
		const char *reason;    /* NULL: he may */
		const char *overtaken; /* the same with a later one live */
	} rows[] = {
	    {{NULL}, "not staged yet", "not staged yet"},
	    {{"staged"}, NULL, "a later one is live"},
	    {{"staged", "intent"}, "being activated", NULL},
	    {{"staged", "intent", "live"}, "it is live", "live before"},
	    {{"staged", "intent", "rolled-back"}, NULL, "a later one is live"},
	    {{"staged", "intent", "down"}, NULL, "a later one is live"},
	    {{"staged", "failed"}, NULL, "a later one is live"},
	    {{"staged", "missed"}, NULL, "a later one is live"},
	    {{"staged", "cancelled"}, "cancelled", "cancelled"},
	    {{"staged", "superseded"}, "a later one went live", "a later one went live"},
	    {{"missed"}, "never staged", "never staged"},
	    {{"refused"}, "never staged", "never staged"},
	};
	for (guint r = 0; r < G_N_ELEMENTS(rows); r++) {
		for (guint overtaken = 0; overtaken < 2; overtaken++) {
			const char *why = overtaken ? rows[r].overtaken : rows[r].reason;
			g_autoptr(DecideApp) app = decide_app_new("shop");
			g_autoptr(GError) error = NULL;
			for (guint i = 0; i < 3 && rows[r].events[i]; i++) {
				gboolean back = strcmp(rows[r].events[i], "rolled-back") == 0;
				record(app, '1', rows[r].events[i], "Root", root_a, "Tree",
				       back ? "v0-bbbbbbbb" : "v1-aaaaaaaa", "Attempt", "1", NULL);
			}
			if (overtaken && !why)
				continue; /* no other goes live within */
			if (overtaken)
				go_live(app, '2', NOON + 1);
			give(app, '1', NOON, 1);
			give(app, '2', NOON + 1, 1);
			if (r % 2)
				event(app, '-', "held"); /* changes nothing here */
			const DecideOrder *order = decide_app_by_hand(app, "v1", &error);
			g_test_message("row %u: %s", r, error ? error->message : "may");
			g_assert_true((order != NULL) == (why == NULL));
			if (!why)
				continue;
			g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
			g_assert_nonnull(strstr(error->message, why));
		}
	}
}

static void refuse_by_hand(const DecideApp *app, const char *version, const char *why)
{
	g_autoptr(GError) error = NULL;
	g_assert_null(decide_app_by_hand(app, version, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
	g_test_message("%s", error->message);
	g_assert_nonnull(strstr(error->message, why));
}

static void test_by_hand_which(void)
{
	g_autoptr(DecideApp) app = decide_app_new("shop");
	refuse_by_hand(app, NULL, "nothing is staged here");
	record(app, '1', "staged", "Root", root_a, "Tree", "v1-aaaaaaaa", NULL);
	record(app, '2', "staged", "Root", root_a, "Tree", "v2-aaaaaaaa", NULL);
	give(app, '1', NOON, 1);
	g_assert_nonnull(decide_app_by_hand(app, NULL, NULL));
	give(app, '2', NOON + 1, 1);
	refuse_by_hand(app, NULL, "v1 (staged), v2 (staged)");
	refuse_by_hand(app, "v3", "v1 (staged), v2 (staged)");
	g_assert_cmpstr(decide_app_by_hand(app, "v1", NULL)->order->version, ==, "v1");
	/* a cancel that was accepted and not yet written down */
	g_autoptr(Order) cancelled = make_order('2', NOON + 1, 2);
	decide_app_order(app, cancelled, TRUE, 3, "no");
	refuse_by_hand(app, "v2", "cancelled");
	g_assert_cmpstr(decide_app_by_hand(app, NULL, NULL)->order->version, ==, "v1");
	/* a revision with another tree, after the end */
	event(app, '1', "missed");
	g_autoptr(Order) other = make_order('1', NOON, 5);
	g_free(other->root);
	other->root = g_strdup(root_b);
	decide_app_order(app, other, FALSE, 0, NULL);
	refuse_by_hand(app, "v1", "never staged");
	decide_app_stop(app, "a fire");
	refuse_by_hand(app, NULL, "central stopped it: a fire");
}

/* A second life: its end replaces the first one, and has a number of its own. */
static void test_rounds(void)
{
	static const char *const ends[] = {"live", "rolled-back", "down", "failed"};
	static const OrderState end_states[] = {ORDER_LIVE, ORDER_ROLLED_BACK, ORDER_DOWN,
						ORDER_FAILED};
	static const char *const firsts[] = {"missed", "rolled-back", "down", "failed", "live"};
	for (guint f = 0; f < G_N_ELEMENTS(firsts); f++) {
		for (guint e = 0; e < G_N_ELEMENTS(ends); e++) {
			g_autoptr(DecideApp) app = decide_app_new("shop");
			DecideOpen open;
			event(app, '1', "staged");
			event(app, '1', firsts[f]);
			event(app, '1', "after");
			give(app, '1', NOON, 1);
			g_autofree char *id = release_id('1');
			g_assert_cmpint(decide_app_find(app, id)->round, ==, 1);
			record(app, '1', "intent", "Root", root_a, "Tree", "v1-aaaaaaaa", "Attempt",
			       "1", "By", "alice", "Hand", "yes", NULL);
			g_assert_cmpint(state_of(app, '1'), ==, ORDER_ACTIVATING);
			decide_app_open(app, &open);
			g_assert_false(open.back);
			g_assert_cmpint(next(app, NOON, FALSE).kind, ==, STEP_RECOVER);
			event(app, '1', "switched");
			/* after a crash: the same round goes on */
			record(app, '1', "intent", "Root", root_a, "Tree", "v1-aaaaaaaa", "Attempt",
			       "2", "By", "alice", "Hand", "yes", NULL);
			g_assert_cmpint(decide_app_find(app, id)->round, ==, 2);
			event(app, '1', ends[e]);
			g_assert_cmpint(state_of(app, '1'), ==, end_states[e]);
			g_assert_cmpint(decide_app_find(app, id)->round, ==, 2);
			g_assert_nonnull(decide_app_owes_after(app));
			g_assert_cmpint(next(app, NOON + 2 * GRACE, FALSE).kind, ==, STEP_NONE);
		}
	}
	g_autoptr(DecideApp) app = decide_app_new("shop");
	DecideOpen open;
	record(app, '1', "intent", "Root", root_a, "Tree", "v1-aaaaaaaa", "Attempt", "1", "By",
	       "alice", "Migrated", "yes", NULL);
	decide_app_open(app, &open);
	g_assert_true(open.back && open.migrated);
}

static void test_pins(void)
{
	g_autoptr(DecideApp) app = decide_app_new("shop");
	const GPtrArray *pins = decide_app_pins(app);
	for (char digit = '1'; digit <= '3'; digit++) {
		g_autofree char *tree = g_strdup_printf("v%c-aaaaaaaa", digit);
		g_autofree char *version = g_strdup_printf("v%c", digit);
		for (guint twice = 0; twice < 2; twice++)
			g_assert_true(
			    record(app, '-', "pinned", "Tree", tree, "Version", version, NULL));
	}
	g_assert_cmpuint(pins->len, ==, 3);
	record(app, '-', "unpinned", "Tree", "v1-aaaaaaaa", NULL);
	record(app, '-', "pruned", "Tree", "v3-aaaaaaaa", NULL);
	g_assert_cmpuint(pins->len, ==, 1);
	g_assert_cmpstr(((const DecidePin *)pins->pdata[0])->version, ==, "v2");
	/* maintenance: the last word counts */
	const char *reason = NULL;
	g_assert_cmpint(decide_app_maintenance(app, NULL), ==, 0);
	record(app, '-', "maintenance-on", "Reason", "moving", NULL);
	g_assert_cmpint(decide_app_maintenance(app, &reason), ==, NOON);
	g_assert_cmpstr(reason, ==, "moving");
	record(app, '-', "maintenance-off", NULL);
	g_assert_cmpint(decide_app_maintenance(app, &reason), ==, 0);
	g_assert_null(reason);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/decide/operator/by-hand", test_by_hand);
	g_test_add_func("/decide/operator/by-hand-which", test_by_hand_which);
	g_test_add_func("/decide/operator/rounds", test_rounds);
	g_test_add_func("/decide/operator/pins", test_pins);
	return g_test_run();
}
