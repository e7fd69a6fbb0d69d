/* SPDX-License-Identifier: ISC */
/* What a base's own signers forbid. */
#include "world.h"

/* v1 was live, then v2 (another root); the order asks for one of three roots. */
static DecideApp *after_two(const char *root, OrderTrust trust)
{
	DecideApp *app = decide_app_new("shop");
	g_autoptr(Order) order = make_order('3', NOON + 20, 3);
	g_autofree char *id = release_id('3');
	g_assert_true(
	    record(app, '1', "live", "Root", root_a, "Tree", "v1-aaaaaaaa", "Version", "v1", NULL));
	g_assert_true(
	    record(app, '2', "live", "Root", root_b, "Tree", "v2-bbbbbbbb", "Version", "v2", NULL));
	g_free(order->root);
	order->root = g_strdup(root);
	decide_app_order(app, order, FALSE, 0, NULL);
	decide_app_trust(app, id, trust, "no signed tag came with it");
	return app;
}

static void test_unsigned_only_goes_back(void)
{
	static const char other[] =
	    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc";
	static const struct {
		OrderTrust trust;
		const char *root;
		gboolean refused;
	} rows[] = {
	    {ORDER_TRUST_CENTRAL, other, FALSE},   {ORDER_TRUST_SIGNED, other, FALSE},
	    {ORDER_TRUST_UNSIGNED, root_a, FALSE}, /* the last good one */
	    {ORDER_TRUST_UNSIGNED, root_b, FALSE}, /* what is live */
	    {ORDER_TRUST_UNSIGNED, other, TRUE},   {ORDER_TRUST_REFUSED, root_a, TRUE},
	    {ORDER_TRUST_REFUSED, other, TRUE},
	};
	g_autofree char *id = release_id('3');
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(DecideApp) app = after_two(rows[i].root, rows[i].trust);
		const DecideOrder *order = decide_app_find(app, id);
		g_test_message("row %u", i);
		g_assert_true(decide_app_wants(app, order) == !rows[i].refused);
		for (gboolean stage = FALSE; stage <= TRUE; stage++) {
			DecideStep step = next(app, NOON, stage);
			g_assert_true((step.kind == STEP_REFUSE) == rows[i].refused);
			if (rows[i].refused)
				g_assert_cmpstr(step.reason, ==, "no signed tag came with it");
		}
	}
}

/* What was the last good version when it came may be another one when it is due. */
static void test_unsigned_is_asked_again(void)
{
	static const char third[] =
	    "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd";
	g_autoptr(DecideApp) app = after_two(root_a, ORDER_TRUST_UNSIGNED);
	g_assert_true(record(app, '3', "staged", "Root", root_a, "Tree", "v1-aaaaaaaa", NULL));
	g_assert_cmpint(next(app, NOON + 20, FALSE).kind, ==, STEP_ACTIVATE);
	g_assert_true(record(app, '4', "live", "Root", third, "Tree", "v4-dddddddd", "Version",
			     "v4", "At", "2027-01-15T08:00:00Z", NULL));
	g_assert_cmpint(next(app, NOON + 20, FALSE).kind, ==, STEP_REFUSE);
}

/* Signers that change after the commit point change nothing; an operator gets it by hand neither.
 */
static void test_ends(void)
{
	g_autofree char *id = release_id('3');
	g_autoptr(GError) error = NULL;
	g_autoptr(DecideApp) app = after_two(root_a, ORDER_TRUST_REFUSED);
	g_assert_true(record(app, '3', "staged", "Root", root_a, "Tree", "v1-aaaaaaaa", NULL));
	g_assert_null(decide_app_by_hand(app, "v3", &error));
	g_assert_nonnull(strstr(error->message, "no signed tag"));
	g_assert_true(record(app, '3', "intent", "Root", root_a, "Tree", "v1-aaaaaaaa", "Attempt",
			     "1", NULL));
	g_assert_cmpint(next(app, NOON + 20, FALSE).kind, ==, STEP_RECOVER);
	g_assert_true(record(app, '3', "live", "Root", root_a, "Tree", "v1-aaaaaaaa", "At",
			     "2027-01-15T08:00:20Z", NULL));
	g_assert_cmpint(next(app, NOON + 20, FALSE).kind, ==, STEP_NONE);
	g_assert_cmpint(state_of(app, '3'), ==, ORDER_LIVE);
}

/* It stages nothing, and so keeps nobody else waiting. */
static void test_refused_outranks_nobody(void)
{
	g_autofree char *one = release_id('1'), *two = release_id('2');
	g_autoptr(DecideApp) app = decide_app_new("shop");
	g_autoptr(Order) later = make_order('2', NOON + 5, 2);
	later->is_now = TRUE;
	give(app, '1', NOON, 1);
	decide_app_order(app, later, FALSE, 0, NULL);
	g_assert_true(decide_app_outranked(app, decide_app_find(app, one)));
	decide_app_trust(app, two, ORDER_TRUST_REFUSED, "no");
	g_assert_false(decide_app_outranked(app, decide_app_find(app, one)));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/decide/trust/unsigned-only-goes-back", test_unsigned_only_goes_back);
	g_test_add_func("/decide/trust/unsigned-is-asked-again", test_unsigned_is_asked_again);
	g_test_add_func("/decide/trust/ends", test_ends);
	g_test_add_func("/decide/trust/refused-outranks-nobody", test_refused_outranks_nobody);
	return g_test_run();
}
