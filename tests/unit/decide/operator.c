/* SPDX-License-Identifier: ISC */
/* What an operator may do by hand, and what becomes of it. */
#include "decide/base-private.h"
#include "world.h"

static const char root_c[] = "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc";

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

/* Of release `digit`, from one tree to another, with this bridge ("-": none). */
static gboolean intent(DecideApp *app, char digit, const char *tree, const char *bridge)
{
	return record(app, digit, "intent", "Root", root_a, "Tree", tree, "Attempt", "1",
		      "Bridge-Link", *bridge == '-' ? "-" : "bridges/x", "Bridge-Was", "-",
		      *bridge == '-' ? NULL : "Bridge", bridge, NULL);
}

#define SOURCE(tree, until) \
	tree " aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa " until

static void test_bridge(void)
{
	g_autoptr(DecideApp) app = decide_app_new("shop");
	const char *v1 = SOURCE("v1-aaaaaaaa", "2027-01-15T09:00:00Z");
	g_assert_true(intent(app, '2', "v2-aaaaaaaa", v1));
	g_assert_true(decide_app_bridges(app, "v1-aaaaaaaa")); /* under way: it must stay */
	g_assert_cmpuint(decide_app_bridge(app)->len, ==, 0);
	/* undone: as if it had not been */
	record(app, '2', "rolled-back", "Root", root_a, "Tree", "v1-aaaaaaaa", NULL);
	g_assert_false(decide_app_bridges(app, "v1-aaaaaaaa"));
	g_assert_cmpuint(decide_app_bridge(app)->len, ==, 0);
	/* an operator's way back that failed leaves it, too: live again is another tree */
	g_assert_true(intent(app, '2', "v2-aaaaaaaa", v1));
	record(app, '2', "live", "Root", root_a, "Tree", "v1-aaaaaaaa", NULL);
	g_assert_cmpuint(decide_app_bridge(app)->len, ==, 0);
	g_assert_true(intent(app, '2', "v2-aaaaaaaa", v1));
	record(app, '2', "live", "Root", root_a, "Tree", "v2-aaaaaaaa", NULL);
	g_assert_cmpuint(decide_app_bridge(app)->len, ==, 1);
	g_autofree char *text = decide_bridge_format(decide_app_bridge(app)->pdata[0]);
	g_assert_cmpstr(text, ==, v1);
	gint64 until_utc = ((const DecideBridge *)decide_app_bridge(app)->pdata[0])->until_utc;
	g_assert_false(decide_app_bridge_is_over(app, until_utc - 1));
	g_assert_true(decide_app_bridge_is_over(app, until_utc));
	/* an activation without a word of it changes nothing; one that says none, ends it */
	record(app, '3', "intent", "Root", root_a, "Tree", "v3-aaaaaaaa", "Attempt", "1", NULL);
	record(app, '3', "live", "Root", root_a, "Tree", "v3-aaaaaaaa", NULL);
	g_assert_true(decide_app_bridges(app, "v1-aaaaaaaa"));
	g_assert_true(intent(app, '4', "v4-aaaaaaaa", "-"));
	g_assert_true(decide_app_bridges(app, "v1-aaaaaaaa"));
	record(app, '4', "rolled-back", "Root", root_a, "Tree", "v4-aaaaaaaa", "By", "alice", NULL);
	g_assert_false(decide_app_bridges(app, "v1-aaaaaaaa"));
	static const char *const bad[] = {
	    "v1", "v1-aaaaaaaa x 2027-01-15T09:00:00Z", SOURCE("v1-aaaaaaaa", "soon"),
	    SOURCE("../v1", "2027-01-15T09:00:00Z"), SOURCE("v1 x", "2027-01-15T09:00:00Z")};
	for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
		g_assert_false(intent(app, '5', "v5-aaaaaaaa", bad[i]));
}

static void test_bridge_next(void)
{
	g_autoptr(DecideApp) app = decide_app_new("shop");
	const char *root = root_b, *old = "v1-aaaaaaaa", *new = "v2-bbbbbbbb";
	g_autoptr(GPtrArray) off = decide_app_bridge_next(app, old, root, new, NOON, 0);
	g_assert_cmpuint(off->len, ==, 0);
	g_autoptr(GPtrArray) unknown = decide_app_bridge_next(app, NULL, NULL, new, NOON, 60);
	g_assert_cmpuint(unknown->len, ==, 0);
	g_autoptr(GPtrArray) same = decide_app_bridge_next(app, new, root, new, NOON, 60);
	g_assert_cmpuint(same->len, ==, 0);
	/* a chain: newest first, each once, what is gone to and what is over left out, not too many
	 */
	for (guint i = 0; i < 2 * DECIDE_BRIDGE_MAX; i++) {
		g_autofree char *from = g_strdup_printf("t%u", i);
		g_autofree char *to = g_strdup_printf("t%u", i + 1);
		g_autoptr(GPtrArray) next =
		    decide_app_bridge_next(app, from, root, to, NOON + i, 1000);
		g_assert_cmpuint(next->len, ==, MIN(i + 1, DECIDE_BRIDGE_MAX));
		const DecideBridge *first = next->pdata[0];
		g_assert_cmpstr(first->tree, ==, from);
		g_assert_cmpint(first->until_utc, ==, NOON + i + 1000);
		g_ptr_array_unref(app->bridge);
		app->bridge = g_steal_pointer(&next);
	}
	g_autoptr(GPtrArray) back =
	    decide_app_bridge_next(app, "t40", root, "t39", NOON + 40, 1000);
	g_assert_cmpuint(back->len, ==, DECIDE_BRIDGE_MAX);
	g_assert_cmpstr(((const DecideBridge *)back->pdata[1])->tree, ==, "t38");
	g_autoptr(GPtrArray) over =
	    decide_app_bridge_next(app, "t40", root, "x", NOON + 1030, 1000);
	g_assert_cmpuint(over->len, ==, 10); /* t31 to t40 */
}

/* What came up only when another was undone knows the data of then, as one that was live does. */
static void test_data_of_undone(void)
{
	g_autoptr(DecideApp) app = decide_app_new("shop");
	go_live(app, '1', NOON);
	g_assert_true(record(app, '2', "intent", "Root", root_b, "Tree", "v2-bbbbbbbb", "Attempt",
			     "1", NULL));
	g_assert_true(event(app, '2', "migrated"));
	g_assert_true(event(app, '2', "down"));
	g_assert_cmpint(decide_app_data(app, root_a), ==, DECIDE_DATA_OLDER);
	g_assert_cmpint(decide_app_data(app, root_b), ==, DECIDE_DATA_UNKNOWN);
	/* undone before it migrated, and what was switched to before is healthy by now */
	g_assert_true(record(app, '3', "intent", "Root", root_c, "Tree", "v3-cccccccc", "From-Tree",
			     "v2-bbbbbbbb", "From-Root", root_b, "Attempt", "1", NULL));
	g_assert_true(event(app, '3', "undo"));
	g_assert_true(record(app, '3', "rolled-back", "Root", root_b, "Tree", "v2-bbbbbbbb",
			     "Serves-Version", "v2", "Outage-Ms", "5", NULL));
	g_assert_cmpint(decide_app_data(app, root_b), ==, DECIDE_DATA_SAME);
	g_assert_true(record(app, '4', "intent", "Root", root_c, "Tree", "v3-cccccccc", "Attempt",
			     "1", NULL));
	g_assert_true(event(app, '4', "migrated"));
	g_assert_true(record(app, '4', "live", "Root", root_c, "Tree", "v3-cccccccc", "Outage-Ms",
			     "5", NULL));
	g_assert_cmpint(decide_app_data(app, root_b), ==, DECIDE_DATA_OLDER);
}

/* A way back whose undo could not migrate again: the data is of one or the other, nobody knows. */
static void test_data_unsure(void)
{
	g_autoptr(DecideApp) app = decide_app_new("shop");
	go_live(app, '1', NOON);
	g_assert_true(record(app, '2', "intent", "Root", root_b, "Tree", "v2-bbbbbbbb", "Attempt",
			     "1", NULL));
	g_assert_true(event(app, '2', "migrated"));
	g_assert_cmpint(decide_app_data(app, root_a), ==, DECIDE_DATA_OLDER);
	g_assert_true(event(app, '2', "switched"));
	g_assert_true(record(app, '2', "live", "Root", root_b, "Tree", "v2-bbbbbbbb", "Outage-Ms",
			     "5", NULL));
	g_assert_true(record(app, '3', "intent", "Root", root_a, "Tree", "v1-aaaaaaaa", "Attempt",
			     "1", "Data", "back", "From-Tree", "v2-bbbbbbbb", "From-Root", root_b,
			     NULL));
	g_assert_cmpint(decide_app_data(app, root_b), ==, DECIDE_DATA_SAME);
	g_assert_true(event(app, '3', "unmigrated"));
	g_assert_cmpint(decide_app_data(app, root_a), ==, DECIDE_DATA_OLDER);
	g_assert_cmpint(decide_app_data(app, root_b), ==, DECIDE_DATA_NEWER);
	g_assert_true(event(app, '3', "switched"));
	g_assert_cmpint(decide_app_data(app, root_a), ==, DECIDE_DATA_SAME);
	g_assert_true(event(app, '3', "undo"));
	g_assert_true(event(app, '3', "down"));
	g_assert_cmpint(decide_app_data(app, root_a), ==, DECIDE_DATA_OLDER);
	g_assert_cmpint(decide_app_data(app, root_b), ==, DECIDE_DATA_NEWER);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/decide/operator/by-hand", test_by_hand);
	g_test_add_func("/decide/operator/by-hand-which", test_by_hand_which);
	g_test_add_func("/decide/operator/rounds", test_rounds);
	g_test_add_func("/decide/operator/pins", test_pins);
	g_test_add_func("/decide/operator/data-of-undone", test_data_of_undone);
	g_test_add_func("/decide/operator/data-unsure", test_data_unsure);
	g_test_add_func("/decide/operator/bridge", test_bridge);
	g_test_add_func("/decide/operator/bridge-next", test_bridge_next);
	return g_test_run();
}
