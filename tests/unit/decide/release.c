/* SPDX-License-Identifier: ISC */
#include "decide/told.h"

#define ID "1111111111111111111111111111111111111111"
#define ROOT "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define NOON G_GINT64_CONSTANT(1800000000)

/* One decision: "Key", "value", ..., NULL. */
static void decide(DecideRelease *release, const char *name, ...)
{
	g_autoptr(UtilTrailers) text = util_trailers_new();
	va_list args;
	va_start(args, name);
	for (const char *key = NULL; (key = va_arg(args, const char *));)
		util_trailers_add(text, key, va_arg(args, const char *));
	va_end(args);
	const DecideDecision decision = {name, NOON, text};
	decide_release_fold(release, &decision);
}

static DecideRelease *accepted(void)
{
	DecideRelease *release = decide_release_new("shop", ID, NOON);
	decide(release, "accepted", "Version", "v1", "Target",
	       "haikou Asia/Shanghai 2027-01-15T08:00:00Z 2027-01-15 16:00:00 +08:00", NULL);
	return release;
}

static DecideTarget *only_target(DecideRelease *release)
{
	g_assert_cmpuint(release->targets->len, ==, 1);
	return release->targets->pdata[0];
}

static Order *make_order(void)
{
	Order *order = order_new(ORDER_KIND_ORDER);
	order->seq = 1;
	order->written_utc = order->at_utc = NOON;
	order->base = g_strdup("haikou");
	order->release = g_strdup(ID);
	order->app = g_strdup("shop");
	order->tag = g_strdup("v1");
	order->version = g_strdup("v1");
	order->root = g_strdup(ROOT);
	order->commit = g_strdup(ID);
	order->grace_s = 1800;
	return order;
}

static void report(DecideTarget *target, gint64 incarnation, gint64 round, ReportEvent event)
{
	g_autoptr(Report) one = report_new();
	one->incarnation = incarnation;
	one->round = round;
	one->event = event;
	one->event_utc = NOON;
	decide_target_report(target, one);
}

/* A job that was cut off between its orders and its end runs again. */
static void test_built_again(void)
{
	g_autoptr(DecideRelease) release = accepted();
	decide(release, "built", NULL);
	g_assert_cmpstr(release->state, ==, "bundling");
	decide(release, "ordered", NULL);
	decide(release, "built", NULL);
	g_assert_cmpstr(release->state, ==, "ordered");
	g_autoptr(Order) order = make_order();
	decide_target_order(only_target(release), order);
	report(only_target(release), 1, 1, REPORT_LIVE);
	decide_release_sum_up(release);
	g_assert_cmpstr(release->state, ==, "live");
}

/* What new hardware did counts, however often the old one had tried. */
static void test_replaced(void)
{
	g_autoptr(DecideRelease) release = accepted();
	DecideTarget *target = only_target(release);
	g_autoptr(Order) order = make_order();
	decide_target_order(target, order);
	report(target, 1, 1, REPORT_STAGED);
	report(target, 1, 1, REPORT_DOWN);
	report(target, 1, 2, REPORT_DOWN);
	report(target, 2, 1, REPORT_STAGED);
	g_assert_cmpint(target->state, ==, CENTRAL_STAGED);
	report(target, 2, 1, REPORT_MISSED);
	g_assert_cmpint(target->state, ==, CENTRAL_ENDED);
	g_assert_cmpint(target->event, ==, REPORT_MISSED);
	/* a late one of the old */
	report(target, 1, 3, REPORT_LIVE);
	g_assert_cmpint(target->event, ==, REPORT_MISSED);
}

/* The clock of a base was set back in between, and it sends the oldest first. */
static void test_staged_after_end(void)
{
	g_autoptr(DecideRelease) release = accepted();
	DecideTarget *target = only_target(release);
	g_autoptr(Order) order = make_order();
	decide_target_order(target, order);
	report(target, 1, 1, REPORT_ROLLED_BACK);
	report(target, 1, 1, REPORT_STAGED);
	g_assert_cmpint(target->state, ==, CENTRAL_ENDED);
	g_assert_cmpint(target->event, ==, REPORT_ROLLED_BACK);
}

static void test_replaced_and_cancelled(void)
{
	g_autoptr(DecideRelease) release = accepted();
	DecideTarget *target = only_target(release);
	decide(release, "cancelled", "Base", "haikou", NULL);
	report(target, 1, 1, REPORT_LIVE);
	g_assert_cmpint(target->state, ==, CENTRAL_ENDED);
	report(target, 2, 1, REPORT_STAGED);
	g_assert_cmpint(target->state, ==, CENTRAL_CANCEL_ASKED);
}

/* One of its bases was cancelled, the other one is live: the release itself is not cancelled. */
static void test_cancelled_in_part(void)
{
	g_autoptr(DecideRelease) release = decide_release_new("shop", ID, NOON);
	g_autoptr(Order) order = make_order();
	decide(release, "accepted", "Version", "v1", "Target",
	       "haikou Asia/Shanghai 2027-01-15T08:00:00Z 2027-01-15 16:00:00 +08:00", "Target",
	       "hanoi Asia/Ho_Chi_Minh 2027-01-15T08:00:00Z 2027-01-15 15:00:00 +07:00", "Wave",
	       "1 haikou", "Wave", "2 hanoi", NULL);
	decide(release, "ordered", NULL);
	for (guint i = 0; i < 2; i++)
		decide_target_order(release->targets->pdata[i], order);
	decide(release, "cancelled", "Base", "hanoi", NULL);
	report(release->targets->pdata[1], 1, 1, REPORT_CANCELLED);
	report(release->targets->pdata[0], 1, 1, REPORT_LIVE);
	decide_release_sum_up(release);
	g_assert_cmpstr(release->state, ==, "cancelled"); /* the worst end */
	g_assert_false(decide_release_is_cancelled(release));
	g_assert_true(decide_release_awaits_gate(release));
	report(release->targets->pdata[0], 1, 2, REPORT_CANCELLED);
	g_assert_true(decide_release_is_cancelled(release));
}

/* ---- what is told ---- */

static void test_told(void)
{
	g_autoptr(Order) order = make_order();
	g_autofree char *order_text = order_format(order);
	g_autoptr(UtilTrailers) ordered = util_trailers_new();
	g_autoptr(UtilTrailers) cancelled = util_trailers_new();
	g_autoptr(UtilTrailers) elsewhere = util_trailers_new();
	g_autoptr(UtilTrailers) gate = util_trailers_new();
	util_trailers_add(ordered, "Order", order_text);
	util_trailers_add(elsewhere, "Base", "hanoi");
	util_trailers_add(cancelled, "Reason", "no");
	util_trailers_add_int(gate, "Wave", 1);
	const DecideDecision decisions[] = {{"cancelled", NOON, elsewhere},
					    {"ordered", NOON, ordered},
					    {"gate-opened", NOON, gate},
					    {"ordered", NOON, ordered},
					    {"cancelled", NOON, cancelled}};
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) told =
	    decide_told("shop", ID, decisions, G_N_ELEMENTS(decisions), &error);
	g_assert_no_error(error);
	static const OrderKind kinds[] = {ORDER_KIND_ORDER, ORDER_KIND_GATE, ORDER_KIND_ORDER,
					  ORDER_KIND_CANCEL};
	g_assert_cmpuint(told->len, ==, G_N_ELEMENTS(kinds));
	/* as each is appended, it is lacking no more; none is before its turn */
	DecideHeld held = {0};
	for (guint i = 0; i < told->len; i++) {
		const DecideTold *one = told->pdata[i];
		g_assert_cmpint(one->entry->kind, ==, kinds[i]);
		g_assert_true(decide_lacks(one, &held));
		held.wave = 1;
		held.orders += kinds[i] == ORDER_KIND_ORDER;
		held.gate_said |= kinds[i] == ORDER_KIND_GATE;
		held.cancelled |= kinds[i] == ORDER_KIND_CANCEL;
		for (guint n = 0; n <= i; n++)
			g_assert_false(decide_lacks(told->pdata[n], &held));
	}
	g_assert_true(decide_cancel_of(decisions, G_N_ELEMENTS(decisions), "hanoi") ==
		      &decisions[0]);
	g_assert_true(decide_cancel_of(decisions, G_N_ELEMENTS(decisions), NULL) == &decisions[4]);
	g_assert_null(decide_cancel_of(decisions, 4, "haikou"));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/decide/release/built-again", test_built_again);
	g_test_add_func("/decide/release/replaced", test_replaced);
	g_test_add_func("/decide/release/staged-after-end", test_staged_after_end);
	g_test_add_func("/decide/release/replaced-and-cancelled", test_replaced_and_cancelled);
	g_test_add_func("/decide/release/cancelled-in-part", test_cancelled_in_part);
	g_test_add_func("/decide/release/told", test_told);
	return g_test_run();
}
