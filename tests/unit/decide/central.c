/* SPDX-License-Identifier: ISC */
#include "decide/central.h"

#define NOW 1800000000

/* Every state and every end, before and after its time: may the release still be taken back? */
static void test_withdraw(void)
{
	static const struct {
		CentralState state;
		ReportEvent ended_as;
		gint64 at_utc;
		gboolean allowed;
	} rows[] = {
	    {CENTRAL_NOT_ORDERED, REPORT_STAGED, NOW - 1, TRUE},
	    {CENTRAL_ORDERED, REPORT_STAGED, NOW + 1, TRUE},
	    {CENTRAL_ORDERED, REPORT_STAGED, NOW, FALSE},
	    {CENTRAL_STAGED, REPORT_STAGED, NOW + 1, TRUE},
	    {CENTRAL_STAGED, REPORT_STAGED, NOW - 1, FALSE},
	    {CENTRAL_CANCEL_ASKED, REPORT_STAGED, NOW - 1, TRUE},
	    {CENTRAL_ENDED, REPORT_LIVE, NOW - 1, FALSE},
	    {CENTRAL_ENDED, REPORT_ROLLED_BACK, NOW - 1, FALSE},
	    {CENTRAL_ENDED, REPORT_DOWN, NOW - 1, FALSE},
	    {CENTRAL_ENDED, REPORT_FAILED, NOW - 1, TRUE},
	    {CENTRAL_ENDED, REPORT_MISSED, NOW - 1, TRUE},
	    {CENTRAL_ENDED, REPORT_CANCELLED, NOW - 1, TRUE},
	    {CENTRAL_ENDED, REPORT_SUPERSEDED, NOW - 1, TRUE},
	};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = NULL;
		CentralTarget targets[] = {
		    {"quiet", CENTRAL_ORDERED, REPORT_STAGED, NOW + 9},
		    {"haikou", rows[i].state, rows[i].ended_as, rows[i].at_utc}};
		gboolean allowed = central_may_withdraw("v1", targets, 2, NOW, &error);
		g_test_message("row %u", i);
		g_assert_cmpint(allowed, ==, rows[i].allowed);
		if (allowed)
			continue;
		g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
		g_assert_nonnull(strstr(error->message, "haikou"));
		g_assert_null(strstr(error->message, "quiet"));
		g_assert_nonnull(strstr(error->message, "Release-Version"));
	}
}

static void test_refs(void)
{
	static const char *const good[] = {"refs/heads/main", "refs/heads/feature/x-1",
					   "refs/tags/v1.0", "refs/notes/releases"};
	static const char *const bad[] = {
	    "refs/replace/x",  "refs/tagship/accepted", "HEAD",           "refs/heads/",
	    "refs/heads/-rf",  "refs/heads/a..b",       "refs/heads/a b", "refs/heads/\xc3\xa9",
	    "refs/tags/.x",    "refs/tags/x.lock",      "refs/tags/a//b", "refs/heads/a\x07",
	    "refs/heads/@{1}", "refs/pull/1/head"};
	for (guint i = 0; i < G_N_ELEMENTS(good); i++)
		g_assert_true(central_ref_check(good[i], NULL));
	for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(GError) error = NULL;
		g_assert_false(central_ref_check(bad[i], &error));
		g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
		g_assert_true(g_utf8_validate(error->message, -1, NULL));
	}
}

static void test_version(void)
{
	g_autoptr(GError) error = NULL;
	const char *a = "0123456789012345678901234567890123456789";
	const char *b = "9876543210987654321098765432109876543210";
	g_assert_true(central_version_check("v1", a, NULL, &error));
	g_assert_true(central_version_check("v1", a, a, &error));
	g_assert_false(central_version_check("v1", b, a, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
}

static void test_arrival(void)
{
	/* 1 MB at 1 Mbit/s: 8 s and 6 % for ssh */
	g_assert_cmpint(central_arrival_utc(NOW, 1000000, 0, 1000), ==, NOW + 9);
	g_assert_cmpint(central_arrival_utc(NOW, 1000000, 1000000, 1000), ==, NOW + 17);
	g_assert_cmpint(central_arrival_utc(NOW, 0, 0, 1000), ==, NOW);
	g_assert_cmpint(central_arrival_utc(NOW, 1000, 0, 0), >, NOW);
}

static void test_lead(void)
{
	g_autoptr(GError) error = NULL;
	g_assert_true(central_lead_check(NOW + 60, NOW, 60, &error));
	g_assert_true(central_lead_check(NOW, NOW, 0, &error));
	g_assert_false(central_lead_check(NOW + 59, NOW, 60, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
	g_assert_nonnull(strstr(error->message, "Release-At"));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/decide/central/withdraw", test_withdraw);
	g_test_add_func("/decide/central/refs", test_refs);
	g_test_add_func("/decide/central/version", test_version);
	g_test_add_func("/decide/central/arrival", test_arrival);
	g_test_add_func("/decide/central/lead", test_lead);
	return g_test_run();
}
