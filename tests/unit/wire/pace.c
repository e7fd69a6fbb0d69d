/* SPDX-License-Identifier: ISC */
/* The token bucket, and windows by rate and round trip. */
#include "wire/wire-private.h"

/* A reader that takes 4,096 bytes whenever it may, for a minute. */
static guint64 take_for_a_minute(WirePace *pace, gint64 from_us, gint64 pause_us)
{
	guint64 taken = 0;
	for (gint64 now = from_us; now < from_us + 60 * G_USEC_PER_SEC;) {
		gint64 until = wire_pace_until(pace, now);
		if (until > 0) {
			g_assert_cmpint(until, >, now);
			now = until;
			continue;
		}
		wire_pace_take(pace, 4096, now);
		taken += 4096;
		now += pause_us;
	}
	return taken;
}

static void test_rate(void)
{
	static const gint64 rates[] = {16, 300, 800, 1000, 100000};
	for (guint i = 0; i < G_N_ELEMENTS(rates); i++) {
		WirePace pace = {.kbit = rates[i]};
		guint64 right = (guint64)rates[i] * 125 * 60;
		guint64 taken = take_for_a_minute(&pace, G_USEC_PER_SEC, 1);
		g_assert_cmpuint(taken, <=, right + 4096 + right / 100);
		g_assert_cmpuint(taken + 4096, >=, right - right / 100);
	}
}

/* A pause is made up for only a little. */
static void test_after_a_pause(void)
{
	WirePace pace = {.kbit = 800};
	(void)take_for_a_minute(&pace, G_USEC_PER_SEC, 1);
	guint64 taken = take_for_a_minute(&pace, 1000 * G_USEC_PER_SEC, 1);
	g_assert_cmpuint(taken, <=, 800 * 125 * 60 + 10000 + 4096);
}

static void test_no_limit(void)
{
	WirePace pace = {0};
	wire_pace_take(&pace, 1000000, 5);
	g_assert_cmpint(wire_pace_until(&pace, 6), ==, 0);
}

static void test_window(void)
{
	g_assert_cmpuint(wire_window(125000, 0), ==, WIRE_WINDOW_MIN);
	g_assert_cmpuint(wire_window(125000, 50 * 1000), ==, WIRE_WINDOW_MIN);
	g_assert_cmpuint(wire_window(125000, 350 * 1000), ==, 131250);
	g_assert_cmpuint(wire_window(12500000, 350 * 1000), ==, WIRE_WINDOW_MAX);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/wire/pace/rate", test_rate);
	g_test_add_func("/wire/pace/after-a-pause", test_after_a_pause);
	g_test_add_func("/wire/pace/no-limit", test_no_limit);
	g_test_add_func("/wire/pace/window", test_window);
	return g_test_run();
}
