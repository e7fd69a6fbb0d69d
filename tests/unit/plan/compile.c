/* SPDX-License-Identifier: ISC */
#include "plan/plan.h"

#define ZONES "/usr/share/zoneinfo"

static const char *const asia[] = {"asia", NULL};
static const char *const europe[] = {"europe", "asia-friends", NULL};
static const PlanBase bases[] = {
    {"sanya", "Asia/Shanghai", asia, TRUE, NULL},
    {"haikou", "Asia/Shanghai", asia, TRUE, NULL},
    {"berlin", "Europe/Berlin", europe, TRUE, NULL},
    {"saopaulo", "America/Sao_Paulo", NULL, TRUE, NULL},
    {"depot", "Asia/Tokyo", asia, FALSE, NULL},
};
static const char *const one_app[] = {"shop", NULL};
static const char *const two_apps[] = {"shop", "board", NULL};
static const char *const no_apps[] = {NULL};
static const char *const versions[] = {"v1.2.0", "v1.3.0", NULL};

static gint64 utc_of(const char *text)
{
	gint64 utc = 0;
	g_assert_true(util_time_parse_utc(text, &utc, NULL));
	return utc;
}

static PlanFacts make_facts(void)
{
	gint64 now = utc_of("2026-11-24T07:20:00Z");
	return (PlanFacts){.bases = bases,
			   .n_bases = G_N_ELEMENTS(bases),
			   .app_names = one_app,
			   .versions = versions,
			   .zone_dir = ZONES,
			   .now_utc = now,
			   .pushed_utc = now,
			   .outage_s = 300,
			   .gate_lead_s = 600};
}

static PlanTable *compile(const char *trailers, const char *tag, const PlanFacts *facts,
			  GError **error)
{
	g_autofree char *message = g_strconcat("Shop 1.4: new checkout\n\n", trailers, NULL);
	g_autoptr(Plan) plan = NULL;
	GError *parse_error = NULL;
	gboolean ok = plan_parse(message, strlen(message), &plan, &parse_error);
	g_assert_no_error(parse_error);
	g_assert_true(ok);
	g_assert_nonnull(plan);
	return plan_compile(plan, tag, facts, error);
}

static PlanTable *compile_good(const char *trailers, const char *tag, const PlanFacts *facts)
{
	GError *error = NULL;
	PlanTable *table = compile(trailers, tag, facts, &error);
	g_assert_no_error(error);
	g_assert_nonnull(table);
	return table;
}

/* "sanya haikou": the targets in the table's order. */
static char *names_of(const PlanTable *table)
{
	g_autoptr(GStrvBuilder) names = g_strv_builder_new();
	for (guint i = 0; i < table->targets->len; i++)
		g_strv_builder_add(names,
				   ((PlanTarget *)g_ptr_array_index(table->targets, i))->base);
	g_auto(GStrv) list = g_strv_builder_end(names);
	return g_strjoinv(" ", list);
}

static void test_base_local(void)
{
	PlanFacts facts = make_facts();
	g_autoptr(PlanTable) table = compile_good(
	    "Release-At: 2026-12-01 02:00 base-local\nRelease-To: all\n", "v1.4.0", &facts);
	g_autofree char *names = names_of(table);
	g_assert_cmpstr(table->app, ==, "shop");
	g_assert_cmpstr(table->version, ==, "v1.4.0");
	g_assert_cmpstr(table->title, ==, "Shop 1.4: new checkout");
	g_assert_false(table->is_now);
	g_assert_false(table->plan_only);
	g_assert_null(table->cut_off);
	g_assert_cmpint(table->grace_s, ==, 1800);
	g_assert_cmpint(table->max_outage_s, ==, 0);
	/* by time, then name */
	g_assert_cmpstr(names, ==, "haikou sanya berlin saopaulo");
	static const char *const expected[][3] = {
	    {"2026-11-30T18:00:00Z", "2026-12-01 02:00:00 +08:00", "Asia/Shanghai"},
	    {"2026-11-30T18:00:00Z", "2026-12-01 02:00:00 +08:00", "Asia/Shanghai"},
	    {"2026-12-01T01:00:00Z", "2026-12-01 02:00:00 +01:00", "Europe/Berlin"},
	    {"2026-12-01T05:00:00Z", "2026-12-01 02:00:00 -03:00", "America/Sao_Paulo"},
	};
	for (guint i = 0; i < table->targets->len; i++) {
		const PlanTarget *target = g_ptr_array_index(table->targets, i);
		g_autofree char *utc = util_time_format_utc(target->at_utc);
		g_assert_cmpstr(utc, ==, expected[i][0]);
		g_assert_cmpstr(target->local_text, ==, expected[i][1]);
		g_assert_cmpstr(target->zone, ==, expected[i][2]);
	}
}

static void test_other_times(void)
{
	static const struct {
		const char *at, *utc, *local;
	} rows[] = {
	    {"2026-12-01 02:00 Europe/Berlin", "2026-12-01T01:00:00Z",
	     "2026-12-01 09:00:00 +08:00"},
	    {"2026-12-01T02:00:05+08:00", "2026-11-30T18:00:05Z", "2026-12-01 02:00:05 +08:00"},
	    {"2026-11-24T07:20:01Z", "2026-11-24T07:20:01Z", "2026-11-24 15:20:01 +08:00"},
	    {"now", "2026-11-24T07:20:00Z", "2026-11-24 15:20:00 +08:00"},
	    {"2090-03-26 02:30 base-local", "2090-03-25T18:30:00Z", "2090-03-26 02:30:00 +08:00"},
	};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		PlanFacts facts = make_facts();
		g_autofree char *trailers =
		    g_strdup_printf("Release-At: %s\nRelease-To: haikou\n", rows[i].at);
		g_autoptr(PlanTable) table = compile_good(trailers, "v1.4.0", &facts);
		const PlanTarget *target = g_ptr_array_index(table->targets, 0);
		g_autofree char *utc = util_time_format_utc(target->at_utc);
		g_assert_cmpstr(utc, ==, rows[i].utc);
		g_assert_cmpstr(target->local_text, ==, rows[i].local);
		g_assert_cmpint(table->is_now, ==, strcmp(rows[i].at, "now") == 0);
	}
}

/* `now` counts from the push, and is good for 24 h. */
static void test_now(void)
{
	PlanFacts facts = make_facts();
	g_autoptr(GError) error = NULL;
	facts.now_utc = facts.pushed_utc + PLAN_NOW_VALID_S;
	g_autoptr(PlanTable) table =
	    compile_good("Release-At: now\nRelease-To: haikou\n", "v1.4.0", &facts);
	const PlanTarget *target = g_ptr_array_index(table->targets, 0);
	g_assert_cmpint(target->at_utc, ==, facts.pushed_utc);
	facts.now_utc++;
	g_autoptr(PlanTable) late =
	    compile("Release-At: now\nRelease-To: haikou\n", "v1.4.0", &facts, &error);
	g_assert_null(late);
	g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
	g_assert_nonnull(strstr(error->message, "over 24 h ago"));
}

static void test_targets(void)
{
	static const struct {
		const char *to, *names;
	} rows[] = {
	    {"all", "berlin haikou sanya saopaulo"},
	    {"haikou", "haikou"},
	    {"haikou, haikou", "haikou"},
	    {"haikou,sanya", "haikou sanya"},
	    {"@asia", "haikou sanya"}, /* depot does not run the app */
	    {"@asia, berlin", "berlin haikou sanya"},
	    {"all, -@asia", "berlin saopaulo"},
	    {"-haikou, all", "berlin sanya saopaulo"},
	    {"all, -depot", "berlin haikou sanya saopaulo"},
	    {"@asia, @europe, -sanya", "berlin haikou"},
	    {"@asia-friends", "berlin"},
	};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		PlanFacts facts = make_facts();
		g_autofree char *trailers =
		    g_strdup_printf("Release-At: 2026-12-01T02:00Z\nRelease-To: %s\n", rows[i].to);
		g_autoptr(PlanTable) table = compile_good(trailers, "v1.4.0", &facts);
		g_autofree char *names = names_of(table);
		g_assert_cmpstr(names, ==, rows[i].names);
	}
}

static void test_versions(void)
{
	static const struct {
		const char *tag, *trailer, *version;
		gboolean plan_only;
	} rows[] = {
	    {"v1.4.0", "", "v1.4.0", FALSE},
	    {"v1.4.0", "Release-Version: v1.4.0\n", "v1.4.0", FALSE},
	    {"v1.4.0", "Release-Version: v1.3.0\n", "v1.3.0", TRUE},
	    {"plan/friday", "Release-Version: v1.2.0\n", "v1.2.0", TRUE},
	    {"-odd", "Release-Version: v1.2.0\n", "v1.2.0", TRUE},
	    {"plan/friday", "", "plan/friday", FALSE},
	};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		PlanFacts facts = make_facts();
		g_autofree char *trailers =
		    g_strconcat("Release-At: now\nRelease-To: all\n", rows[i].trailer, NULL);
		g_autoptr(PlanTable) table = compile_good(trailers, rows[i].tag, &facts);
		g_assert_cmpstr(table->version, ==, rows[i].version);
		g_assert_cmpint(table->plan_only, ==, rows[i].plan_only);
	}
	PlanFacts facts = make_facts();
	g_autoptr(GError) error = NULL;
	g_autoptr(PlanTable) bad =
	    compile("Release-At: now\nRelease-To: all\n", "-odd", &facts, &error);
	g_assert_null(bad);
	g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
	g_assert_nonnull(strstr(error->message, "this tag's name cannot be a version"));
}

static void expect_refused(const char *trailers, const PlanFacts *facts, const char *expect)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PlanTable) table = compile(trailers, "v1.4.0", facts, &error);
	g_assert_null(table);
	g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
	if (!strstr(error->message, expect))
		g_error("\"%s\" lacks \"%s\"", error->message, expect);
}

static void test_apps(void)
{
	PlanFacts facts = make_facts();
	facts.app_names = two_apps;
	g_autoptr(PlanTable) table = compile_good(
	    "Release-At: now\nRelease-To: all\nRelease-App: board\n", "v1.4.0", &facts);
	g_assert_cmpstr(table->app, ==, "board");
	expect_refused("Release-At: now\nRelease-To: all\n", &facts,
		       "Release-App is missing: several apps are built from this repository (shop, "
		       "board)");
	expect_refused("Release-At: now\nRelease-To: all\nRelease-App: bord\n", &facts,
		       "did you mean board?");
	facts.app_names = no_apps;
	expect_refused("Release-At: now\nRelease-To: all\n", &facts, "no app is built");
	facts.app_names = NULL;
	expect_refused("Release-At: now\nRelease-To: all\n", &facts, "tagship app add");
}

/* Facts that are poor: no bases, no versions, a base whose zone is wrong, no zones at all. */
static void test_facts(void)
{
	static const PlanBase bad_zone[] = {{"haikou", "Asia/Haikou", asia, TRUE, NULL}};
	static const PlanBase hostile[] = {{"haikou", "../../etc/passwd", asia, TRUE, NULL}};
	PlanFacts facts = make_facts();
	facts.n_bases = 0;
	facts.bases = NULL;
	expect_refused("Release-At: now\nRelease-To: all\n", &facts, "no base is left");
	expect_refused("Release-At: now\nRelease-To: x\n", &facts, "bases that run shop: none");

	facts = make_facts();
	facts.versions = NULL;
	expect_refused("Release-At: now\nRelease-To: all\nRelease-Version: v1\n", &facts,
		       "built: none");

	facts = make_facts();
	facts.n_bases = 1;
	facts.bases = bad_zone;
	expect_refused(
	    "Release-At: now\nRelease-To: all\n", &facts,
	    "base haikou: its zone must be mended by the admin: Asia/Haikou is no time zone");
	facts.bases = hostile;
	expect_refused("Release-At: 2026-12-01 02:00 base-local\nRelease-To: all\n", &facts,
		       "is no time zone");

	facts = make_facts();
	facts.zone_dir = "/nonexistent";
	g_autoptr(GError) error = NULL;
	g_autoptr(PlanTable) table =
	    compile("Release-At: now\nRelease-To: all\n", "v1.4.0", &facts, &error);
	g_assert_null(table);
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
}

/* All bases whose clock leaves the time out are named, each zone with its instants. */
static void test_all_gaps(void)
{
	static const PlanBase many[] = {
	    {"berlin", "Europe/Berlin", NULL, TRUE, NULL},
	    {"munich", "Europe/Berlin", NULL, TRUE, NULL},
	    {"paris", "Europe/Paris", NULL, TRUE, NULL},
	    {"haikou", "Asia/Shanghai", NULL, TRUE, NULL},
	};
	static const char trailers[] = "Release-At: 2027-03-28 02:30 base-local\nRelease-To: all\n";
	PlanFacts facts = make_facts();
	facts.bases = many;
	facts.n_bases = G_N_ELEMENTS(many);
	expect_refused(trailers, &facts, "in Europe/Berlin (bases berlin, munich): clocks go from");
	expect_refused(trailers, &facts, "in Europe/Paris (base paris): clocks go from");
}

static void test_many(void)
{
	PlanFacts facts = make_facts();
	g_autofree PlanBase *many = g_new0(PlanBase, PLAN_TARGETS_MAX + 1);
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	for (guint i = 0; i <= PLAN_TARGETS_MAX; i++) {
		g_ptr_array_add(names, g_strdup_printf("b%04u", i));
		many[i] = (PlanBase){names->pdata[i], "Europe/Berlin", asia, TRUE, NULL};
	}
	facts.bases = many;
	facts.n_bases = PLAN_TARGETS_MAX;
	g_autoptr(PlanTable) table = compile_good(
	    "Release-At: 2026-12-01 02:00 base-local\nRelease-To: @asia\n", "v1.4.0", &facts);
	g_assert_cmpuint(table->targets->len, ==, PLAN_TARGETS_MAX);
	facts.n_bases++;
	expect_refused("Release-At: now\nRelease-To: all\n", &facts,
		       "1001 bases are meant, a plan may have 1000");
}

#define AT "Release-At: 2026-12-01 02:00 Asia/Shanghai\n"

static void test_waves(void)
{
	static const struct {
		const char *waves, *names, *times; /* wave and UTC of each, in the table's order */
	} rows[] = {
	    {"haikou; @asia +30m; all +2h", "haikou sanya berlin saopaulo",
	     "1 18:00 2 18:30 3 20:00 3 20:00"},
	    {"@asia; berlin,saopaulo +1h5m", "haikou sanya berlin saopaulo",
	     "1 18:00 1 18:00 2 19:05 2 19:05"},
	    {"all", "berlin haikou sanya saopaulo", "1 18:00 1 18:00 1 18:00 1 18:00"},
	    {"berlin +10m; all +20m", "berlin haikou sanya saopaulo",
	     "1 18:10 2 18:20 2 18:20 2 18:20"},
	};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		PlanFacts facts = make_facts();
		g_autofree char *trailers =
		    g_strconcat(AT "Release-To: all\nRelease-Waves: ", rows[i].waves, "\n", NULL);
		g_autoptr(PlanTable) table = compile_good(trailers, "v1.4.0", &facts);
		g_autofree char *names = names_of(table);
		g_autoptr(GString) times = g_string_new(NULL);
		for (guint n = 0; n < table->targets->len; n++) {
			const PlanTarget *target = table->targets->pdata[n];
			g_autofree char *utc = util_time_format_utc(target->at_utc);
			g_string_append_printf(times, "%s%u %.5s", n > 0 ? " " : "", target->wave,
					       utc + 11);
		}
		g_assert_cmpstr(names, ==, rows[i].names);
		g_assert_cmpstr(times->str, ==, rows[i].times);
	}
}

/* Each base's own clock may already set waves apart. */
static void test_waves_local(void)
{
	PlanFacts facts = make_facts();
	g_autoptr(PlanTable) table =
	    compile_good("Release-At: 2026-12-01 02:00 base-local\nRelease-To: all\n"
			 "Release-Waves: @asia; berlin; saopaulo\nRelease-Gate: quorum 75%\n",
			 "v1.4.0", &facts);
	g_autofree char *text = plan_table_format(table, facts.now_utc);
	g_autofree char *gate = util_time_format_utc(table->gate_at_utc);
	g_assert_cmpuint(table->waves, ==, 3);
	g_assert_cmpstr(gate, ==, "2026-11-30T17:50:00Z");
	g_assert_nonnull(strstr(text, "time left    wave\n"));
	g_assert_nonnull(strstr(text, "gate: quorum 75%, decided at 2026-11-30T17:50:00Z\n"));
}

static void test_bad_waves(void)
{
	static const struct {
		const char *trailers, *expect;
	} rows[] = {
	    {AT "Release-To: all\nRelease-Waves: haikou; @asia +30m\n", "no wave has berlin"},
	    {AT "Release-To: all\nRelease-Waves: haikou; all +4m\n", "wave 2 begins at"},
	    {AT "Release-To: all\nRelease-Waves: haikou; all\n", "wave 2 begins at"},
	    {AT "Release-To: all\nRelease-Waves: haikou +2h; all +1h\n", "wave 2 begins at"},
	    {AT "Release-To: all, -berlin\nRelease-Waves: berlin; all +30m\n", "is no target"},
	    {AT "Release-To: haikou, sanya\nRelease-Waves: @asia; haikou +30m\n", "take it out"},
	    {"Release-At: now\nRelease-To: all\nRelease-Waves: haikou; all +1h\n",
	     "waits for nobody"},
	    {"Release-At: now\nRelease-To: all\nRelease-Gate: all-staged\n", "waits for nobody"},
	    {"Release-At: 2026-11-24T07:29:59Z\nRelease-To: all\nRelease-Gate: all-staged\n",
	     "which is past"},
	};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		PlanFacts facts = make_facts();
		expect_refused(rows[i].trailers, &facts, rows[i].expect);
	}
	/* a shorter outage lets waves be closer */
	PlanFacts facts = make_facts();
	g_autoptr(PlanTable) table = compile_good(
	    AT "Release-To: all\nRelease-Waves: haikou; all +4m\nRelease-Max-Outage: 3m\n",
	    "v1.4.0", &facts);
	g_assert_cmpuint(table->waves, ==, 2);
}

static void test_policies(void)
{
	static const struct {
		const char *cut_off;
		PlanGate gate;
		guint wave;
		gboolean gated, hold;
	} rows[] = {{NULL, PLAN_GATE_ALONE, 1, FALSE, FALSE},
		    {NULL, PLAN_GATE_ALONE, 2, TRUE, TRUE},
		    {NULL, PLAN_GATE_QUORUM, 1, TRUE, TRUE},
		    {"go", PLAN_GATE_QUORUM, 2, TRUE, FALSE},
		    {"hold", PLAN_GATE_ALONE, 1, FALSE, TRUE}};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_assert_true(plan_is_gated(rows[i].gate, rows[i].wave) == rows[i].gated);
		g_assert_true(plan_cut_off_hold(rows[i].cut_off, rows[i].gate, rows[i].wave) ==
			      rows[i].hold);
	}
}

static void test_format(void)
{
	PlanFacts facts = make_facts();
	g_autoptr(PlanTable) table =
	    compile_good("Release-At: 2026-11-24 18:25 base-local\nRelease-To: haikou, berlin, "
			 "saopaulo\n",
			 "v1.4.0", &facts);
	g_autofree char *text = plan_table_format(table, facts.now_utc);
	g_assert_cmpstr(
	    text, ==,
	    "base      local time                  UTC                   time left\n"
	    "haikou    2026-11-24 18:25:00 +08:00  2026-11-24T10:25:00Z  in 3 h 05 min\n"
	    "berlin    2026-11-24 18:25:00 +01:00  2026-11-24T17:25:00Z  in 10 h 05 min\n"
	    "saopaulo  2026-11-24 18:25:00 -03:00  2026-11-24T21:25:00Z  in 14 h 05 min\n");
	g_autofree char *later = plan_table_format(table, utc_of("2026-11-24T17:25:30Z"));
	g_assert_nonnull(strstr(later, "10:25:00Z  7 h 00 min ago\n"));
	g_assert_nonnull(strstr(later, "17:25:00Z  30 s ago\n"));

	g_autoptr(PlanTable) now =
	    compile_good("Release-At: now\nRelease-To: haikou\n", "v1.4.0", &facts);
	g_autofree char *now_text = plan_table_format(now, facts.now_utc);
	g_assert_cmpstr(
	    now_text, ==,
	    "base    local time                  UTC                   time left\n"
	    "haikou  2026-11-24 15:20:00 +08:00  2026-11-24T07:20:00Z  now (as soon as staged)\n");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/plan/compile/base-local", test_base_local);
	g_test_add_func("/plan/compile/other-times", test_other_times);
	g_test_add_func("/plan/compile/now", test_now);
	g_test_add_func("/plan/compile/targets", test_targets);
	g_test_add_func("/plan/compile/versions", test_versions);
	g_test_add_func("/plan/compile/apps", test_apps);
	g_test_add_func("/plan/compile/facts", test_facts);
	g_test_add_func("/plan/compile/all-gaps", test_all_gaps);
	g_test_add_func("/plan/compile/many", test_many);
	g_test_add_func("/plan/compile/waves", test_waves);
	g_test_add_func("/plan/compile/waves-local", test_waves_local);
	g_test_add_func("/plan/compile/bad-waves", test_bad_waves);
	g_test_add_func("/plan/compile/policies", test_policies);
	g_test_add_func("/plan/compile/format", test_format);
	return g_test_run();
}
