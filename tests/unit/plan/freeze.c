/* SPDX-License-Identifier: ISC */
#include "plan/plan.h"

#define ZONES "/usr/share/zoneinfo"

static void test_parse(void)
{
	static const struct {
		const char *text;
		guint kind;
		gint64 from_min, to_min; /* dates: after 2026-12-01 00:00 */
	} good[] = {
	    {"2026-12-02 to 2026-12-03 Christmas", PLAN_FREEZE_DATES, 1440, 3 * 1440},
	    {"2026-12-02 18:30 to 2026-12-03 06:00 stock taking", PLAN_FREEZE_DATES, 1440 + 1110,
	     2 * 1440 + 360},
	    {"2026-12-01 12:00 to 2026-12-01 afternoon", PLAN_FREEZE_DATES, 720, 1440},
	    {"Fri 16:00 to Mon 06:00 weekend", PLAN_FREEZE_WEEKLY, 4 * 1440 + 960, 360},
	    {"Sun 00:00 to Sun 24:00 day of rest", PLAN_FREEZE_WEEKLY, 6 * 1440, 0},
	    {"08:00 to 18:00 office hours", PLAN_FREEZE_DAILY, 480, 1080},
	    {"22:00 to 24:00 backups", PLAN_FREEZE_DAILY, 1320, 0},
	};
	static const char *const bad[] = {"",
					  "Christmas",
					  "2026-12-02 to 2026-12-03",
					  "2026-12-03 to 2026-12-02 x",
					  "2026-13-02 to 2026-12-03 x",
					  "2026-12-02 25:00 to 2026-12-03 x",
					  "2026-12-02 10:00 to 2026-12-02 10:00 x",
					  "fri 16:00 to Mon 06:00 x",
					  "Fri 16:00 to Fri 16:00 x",
					  "Fri to Mon x",
					  "08:00 to 08:00 x",
					  "08:60 to 09:00 x",
					  "24:01 to 09:00 x",
					  "8:00 to 9:00 x"};
	const gint64 december = G_GINT64_CONSTANT(1796083200) / 60; /* 2026-12-01 */
	for (guint i = 0; i < G_N_ELEMENTS(good); i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(PlanFreeze) freeze = plan_freeze_parse(good[i].text, &error);
		g_assert_no_error(error);
		gint64 base = good[i].kind == PLAN_FREEZE_DATES ? december : 0;
		g_assert_cmpuint(freeze->kind, ==, good[i].kind);
		g_assert_cmpint(freeze->from_min - base, ==, good[i].from_min);
		g_assert_cmpint(freeze->to_min - base, ==, good[i].to_min);
		g_assert_true(g_str_has_suffix(good[i].text, freeze->reason));
	}
	for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(GError) error = NULL;
		g_assert_null(plan_freeze_parse(bad[i], &error));
		g_assert_error(error, TS_ERROR, TS_ERROR_USAGE);
	}
}

static GPtrArray *list(const char *text)
{
	GPtrArray *freezes = g_ptr_array_new_with_free_func((GDestroyNotify)plan_freeze_free);
	GError *error = NULL;
	g_ptr_array_add(freezes, plan_freeze_parse(text, &error));
	g_assert_no_error(error);
	return freezes;
}

/* Freeze, of all or one base; Release-At; what is said, or NULL if it is fine. */
static void test_check(void)
{
	static const struct {
		const char *all, *berlin, *at, *says;
	} rows[] = {
	    {"2026-12-01 to 2026-12-02 x", NULL, "2026-11-30 23:59 base-local", NULL},
	    {"2026-12-01 to 2026-12-02 x", NULL, "2026-12-01 00:00 base-local", "at 2 of 2 bases"},
	    {"2026-12-01 to 2026-12-02 x", NULL, "2026-12-02 23:59:59 base-local",
	     "the next free minute is 2026-12-03 00:00:00 +08:00 (2026-12-02T16:00:00Z)"},
	    {"2026-12-01 to 2026-12-02 x", NULL, "2026-12-03 00:00 base-local", NULL},
	    {"2026-12-01 to 2026-12-02 x", NULL, "2026-12-02T20:00Z", "at 1 of 2 bases"},
	    /* 2026-12-04 is a Friday */
	    {"Fri 16:00 to Mon 06:00 x", NULL, "2026-12-04 15:59 base-local", NULL},
	    {"Fri 16:00 to Mon 06:00 x", NULL, "2026-12-04 16:00 base-local",
	     "is 2026-12-07 06:00:00 +01:00 (2026-12-07T05:00:00Z)"},
	    {"Fri 16:00 to Mon 06:00 x", NULL, "2026-12-06 12:00 base-local", "frozen Fri 16:00"},
	    {"Fri 16:00 to Mon 06:00 x", NULL, "2026-12-07 06:00 base-local", NULL},
	    {"22:00 to 06:00 x", NULL, "2026-12-04 05:59 base-local", "06:00:00 +08:00"},
	    {"22:00 to 06:00 x", NULL, "2026-12-04 06:00 base-local", NULL},
	    {NULL, "08:00 to 18:00 x", "2026-12-04 09:00 base-local", "berlin: "},
	    {NULL, "08:00 to 18:00 x", "2026-12-04 09:00 base-local", "at 1 of 2 bases"},
	    {NULL, "08:00 to 18:00 x", "2026-12-04 19:00 base-local", NULL},
	    /* the clock goes back on 2027-10-31 in Berlin: 02:00 to 03:00 is there twice */
	    {NULL, "02:00 to 03:00 x", "2027-10-31T01:30Z", "is 2027-10-31 03:00:00 +01:00"},
	    /* and leaves that hour out on 2027-03-28 */
	    {NULL, "02:00 to 03:00 x", "2027-03-28T01:00Z", NULL},
	    {"now", NULL, "now", NULL},
	};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		gboolean frozen_now = g_strcmp0(rows[i].all, "now") == 0;
		g_autoptr(GPtrArray) all = frozen_now    ? list("00:00 to 23:59 x")
					   : rows[i].all ? list(rows[i].all)
							 : NULL;
		g_autoptr(GPtrArray) own = rows[i].berlin ? list(rows[i].berlin) : NULL;
		const PlanBase bases[] = {{"haikou", "Asia/Shanghai", NULL, TRUE, NULL},
					  {"berlin", "Europe/Berlin", NULL, TRUE, own}};
		static const char *const apps[] = {"shop", NULL};
		PlanFacts facts = {.bases = bases,
				   .n_bases = 2,
				   .app_names = apps,
				   .zone_dir = ZONES,
				   .freezes = all};
		g_assert_true(util_time_parse_utc("2026-11-24T07:20:00Z", &facts.now_utc, NULL));
		facts.pushed_utc = facts.now_utc;
		for (guint may = 0; may < 3; may++) {
			g_autofree char *text =
			    g_strdup_printf("T\n\nRelease-At: %s\nRelease-To: all\n%s", rows[i].at,
					    may > 0 ? "Release-Override: it burns\n" : "");
			g_autoptr(Plan) plan = NULL;
			g_autoptr(GError) error = NULL;
			g_assert_true(plan_parse(text, strlen(text), &plan, &error));
			facts.may_override = may == 2;
			g_autoptr(PlanTable) table = plan_compile(plan, "v1", &facts, &error);
			g_test_message("row %u, %u", i, may);
			if ((!rows[i].says && !frozen_now) || may == 2) {
				g_assert_no_error(error);
				g_assert_cmpstr(table->override, ==, may ? "it burns" : NULL);
				continue;
			}
			g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
			if (may == 1)
				g_assert_nonnull(strstr(error->message, "may not override"));
			else if (rows[i].says)
				g_assert_nonnull(strstr(error->message, rows[i].says));
		}
	}
}

/* Found ahead, by the minute; and what an alarm says of a plan that was there before its freeze. */
static void test_begins(void)
{
	g_autoptr(GPtrArray) own = list("02:00 to 03:00 stock taking");
	const PlanBase bases[] = {{"haikou", "Asia/Shanghai", NULL, TRUE, NULL},
				  {"berlin", "Europe/Berlin", NULL, TRUE, own}};
	const PlanFacts facts = {.bases = bases, .n_bases = 2, .zone_dir = ZONES};
	gint64 at = 0, frozen = 0;
	g_assert_true(util_time_parse_utc("2026-12-01T00:59:30Z", &at, NULL));
	g_assert_true(util_time_parse_utc("2026-12-01T01:00:00Z", &frozen, NULL));
	g_assert_cmpint(plan_freeze_begins(&facts, "berlin", at, at + 29), ==, 0);
	g_assert_cmpint(plan_freeze_begins(&facts, "berlin", at, at + 30), ==, frozen);
	g_assert_cmpint(plan_freeze_begins(&facts, "berlin", at - 86400, at + 30), ==,
			frozen - 86400);
	g_assert_cmpint(plan_freeze_begins(&facts, "berlin", frozen + 7, at + 86400), ==,
			frozen + 7);
	g_assert_cmpint(plan_freeze_begins(&facts, "haikou", at, at + 86400), ==, 0);
	g_assert_cmpint(plan_freeze_begins(&facts, "oslo", at, at + 86400), ==, 0);
	g_autofree char *alarm = plan_freeze_alarm(&facts, "berlin", frozen);
	g_assert_cmpstr(
	    alarm, ==,
	    "2026-12-01 02:00:00 +01:00, frozen 02:00 to 03:00 stock taking; the next free "
	    "minute is 2026-12-01 03:00:00 +01:00 (2026-12-01T02:00:00Z)");
	g_assert_null(plan_freeze_alarm(&facts, "berlin", at));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/plan/freeze/parse", test_parse);
	g_test_add_func("/plan/freeze/check", test_check);
	g_test_add_func("/plan/freeze/begins", test_begins);
	return g_test_run();
}
