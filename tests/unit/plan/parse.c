/* SPDX-License-Identifier: ISC */
#include "plan/plan.h"

#define ZONES "/usr/share/zoneinfo"
#define NOW "2026-11-24T07:20:00Z"
#define TITLE "Shop 1.4: new checkout\n\n"
#define AT "Release-At: 2026-12-01 02:00 base-local\n"
#define TO "Release-To: all\n"

static const char *const asia[] = {"asia", NULL};
static const char *const europe[] = {"europe", "old", NULL};
static const char *const spare[] = {"spare", NULL};
static const PlanBase bases[] = {
    {"haikou", "Asia/Shanghai", asia, TRUE, NULL},
    {"sanya", "Asia/Shanghai", asia, TRUE, NULL},
    {"berlin", "Europe/Berlin", europe, TRUE, NULL},
    {"saopaulo", "America/Sao_Paulo", NULL, TRUE, NULL},
    {"depot", "Europe/Berlin", spare, FALSE, NULL},
    {"newyork", "America/New_York", NULL, TRUE, NULL},
    {"lordhowe", "Australia/Lord_Howe", NULL, TRUE, NULL},
};
static const char *const apps[] = {"shop", NULL};
static const char *const versions[] = {"v1.2.0", "v1.3.0", NULL};

static PlanFacts make_facts(void)
{
	PlanFacts facts = {.bases = bases,
			   .n_bases = G_N_ELEMENTS(bases),
			   .app_names = apps,
			   .versions = versions,
			   .zone_dir = ZONES,
			   .outage_s = 300,
			   .gate_lead_s = 600};
	g_assert_true(util_time_parse_utc(NOW, &facts.now_utc, NULL));
	facts.pushed_utc = facts.now_utc;
	return facts;
}

/* Parse and, if that goes well, compile: as pre-receive does. */
static PlanTable *check(const char *message, Plan **ret_plan, GError **error)
{
	PlanFacts facts = make_facts();
	if (!plan_parse(message, strlen(message), ret_plan, error) || !*ret_plan)
		return NULL;
	return plan_compile(*ret_plan, "v1.4.0", &facts, error);
}

typedef struct {
	const char *message;
	const char *expect[3];
} BadPlan;

/* clang-format off */
static const BadPlan bad_plans[] = {
    /* where the trailers stand */
    {TITLE AT "\n" TO,
     {"Release-At: 2026-12-01 02:00 base-local (line 3 of the message)", "Each -m of git tag",
      "    Shop 1.4: new checkout\n\n    Release-At: 2026-12-01 02:00 base-local\n    Release-To: all"}},
    {TITLE AT TO "\nSigned-off-by: A <a@b>\n",
     {"last paragraph", "    Release-To: all\n    Signed-off-by: A <a@b>"}},
    {TITLE AT TO "\nSee the wiki.\n",
     {"last paragraph", "    Shop 1.4: new checkout\n\n    See the wiki.\n\n    Release-At:"}},
    {AT "\n" TO, {"last paragraph", "    A title: what is new in this release\n\n    Release-At:"}},
    {AT TO, {"only paragraph", "    A title"}},
    {"\n\n" AT TO "\n\n", {"(line 3 of the message)", "only paragraph"}},
    {"Shop 1.4\n" AT TO, {"an empty line must stand between", "    Shop 1.4\n\n    Release-At:"}},
    {TITLE "Deploy on Friday.\n" AT TO,
     {"its line \"Deploy on Friday.\" is none", "    Deploy on Friday.\n\n    Release-At:"}},
    {TITLE AT TO "Bye\n", {"its line \"Bye\" is none"}},
    {TITLE "Signed-off-by: A\n " AT TO, {"indented"}},
    {TITLE "  " AT TO, {"indented", "\n    Release-At: 2026-12-01"}},
    {TITLE "  " AT "\n" TO, {"last paragraph"}},
    {TITLE "Release-At : now\n" TO, {"plain colon", "    Release-At: now"}},
    {TITLE "Release-At\xef\xbc\x9anow\n" TO, {"plain colon", "    Release-At: now"}},
    {TITLE "\xc2\xa0Release-At: now\n" TO, {"indented", "    Release-At: now"}},
    {"\xef\xbb\xbfRelease-At: now\n" TO, {"Release-At: now (line 1"}},
    {"release-at: now\n\nShop\n", {"last paragraph", "    Shop\n\n    Release-At: now"}},
    {TITLE "RELEASE-TO: all\n\nRelease-At: now\n", {"RELEASE-TO: all (line 3", "\n    Release-To: all\n"}},
    /* names of trailers */
    {TITLE "release-at: now\n" TO, {"release-at: now: misspelt; write \"Release-At: ...\""}},
    {TITLE AT "Release-to: all\n", {"Release-to: all: misspelt; write \"Release-To: ...\""}},
    {TITLE AT TO "Release-If-cut-off: go\n", {"write \"Release-If-Cut-Off: ...\""}},
    {TITLE AT TO "Release-Grce: 5m\n", {"Release-Grce: 5m: misspelt; write \"Release-Grace: ...\""}},
    {TITLE AT TO "Release-Date: 5m\n", {"misspelt; write \"Release-At: ...\""}},
    {TITLE "Relase-At: now\n" TO, {"Relase-At: now: misspelt; write \"Release-At: ...\""}},
    {TITLE "ReleaseAt: now\n", {"ReleaseAt: now: misspelt"}},
    {TITLE "Release_At: now\n" TO, {"hyphens in the key", "    Release-At: now"}},
    {TITLE AT TO "Release-Notes: see the wiki\n",
     {"Release-Notes: see the wiki (line 5 of the message): a plan has no such trailer", "It may have: Release-At, "}},
    {TITLE "Release-\xe5\xb8\x82: x\n\nRelease-X: y\n", {"Release-X: y (line 5"}},
    {TITLE "Release-Notes: see the wiki\n\nBye\n", {"no such trailer", "does not begin"}},
    {TITLE AT AT TO, {"stands twice (lines 3 and 4 of the message)"}},
    {TITLE AT TO "Release-To: berlin\n", {"Release-To: berlin: it stands twice (lines 4 and 5"}},
    {TITLE TO, {"Release-At is missing", "\"Release-At: 2026-12-01 02:00 base-local\""}},
    {TITLE AT, {"Release-To is missing", "\"Release-To: all\""}},
    {TITLE AT "Release-To:\n", {"Release-To: it has no value"}},
    {TITLE "Release-At:   \n" TO, {"Release-At: it has no value"}},
    {TITLE AT "Release-To: all\x01\n", {"Release-To: all\\x01: it holds a control character"}},
    {TITLE AT "Release-To: all\x1b[2J\n", {"all\\x1b[2J"}},
    /* waves and gates */
    {TITLE AT TO "Release-Waves: haikou; @asia 30m\n", {"separated by commas"}},
    {TITLE AT TO "Release-Waves: haikou; @asia+30m\n", {"+30m", "stands at its end"}},
    {TITLE AT TO "Release-Waves: haikou; @asia +30\n", {"stands at its end"}},
    {TITLE AT TO "Release-Waves: haikou; @asia +8d\n", {"up to a week"}},
    {TITLE AT TO "Release-Waves: haikou; ; all +1h\n", {"empty"}},
    {TITLE AT TO "Release-Waves: haikou;\n", {"empty"}},
    {TITLE AT TO "Release-Waves: +30m\n", {"stands at its end"}},
    {TITLE AT TO "Release-Waves: haikou; -berlin +30m\n", {"leave bases out in Release-To"}},
    {TITLE AT TO "Release-Gate: quorum 0%\n", {"from 1% to 100%"}},
    {TITLE AT TO "Release-Gate: quorum 80\n", {"from 1% to 100%"}},
    {TITLE AT TO "Release-Gate: quorum\n", {"from 1% to 100%"}},
    {TITLE AT TO "Release-Root: 00\n", {"Release-Root: 00: a root is 64 hex digits"}},
    /* values */
    {TITLE AT TO "Release-Gate: alnoe\n", {"did you mean alone?"}},
    {TITLE AT TO "Release-If-Cut-Off: wait\n", {"Release-If-Cut-Off: wait: it must be go", "hold"}},
    {TITLE AT TO "Release-Grace: 30\n", {"Release-Grace: 30: not a duration", "no unit"}},
    {TITLE AT TO "Release-Grace: 30m1h\n", {"not a duration"}},
    {TITLE AT TO "Release-Grace: 1h 30m\n", {"not a duration"}},
    {TITLE AT TO "Release-Grace: -5m\n", {"not a duration"}},
    {TITLE AT TO "Release-Grace: 8d\n", {"it must be from 0s to 168h"}},
    {TITLE AT TO "Release-Grace: 99999999999d\n", {"not a duration"}},
    {TITLE AT TO "Release-Max-Outage: 0s\n", {"Release-Max-Outage: 0s: it must be from 1s to 24h"}},
    {TITLE AT TO "Release-Max-Outage: 25h\n", {"it must be from"}},
    {TITLE AT TO "Release-Max-Outage: soon\n", {"write a number and a unit"}},
    {TITLE AT TO "Release-Version: ../v1\n", {"Release-Version: ../v1: "}},
    {TITLE AT TO "Release-Version: v1.2 .0\n", {"without space"}},
    {TITLE AT TO "Release-Version: v1.2.1\n", {"no built version of shop; did you mean v1.2.0?"}},
    {TITLE AT TO "Release-Version: nightly\n", {"built: v1.2.0, v1.3.0"}},
    {TITLE AT TO "Release-App: Shop\n", {"Release-App: Shop: "}},
    {TITLE AT TO "Release-App: shp\n", {"did you mean shop?"}},
    /* times */
    {TITLE "Release-At: tomorrow\n" TO, {"Release-At: tomorrow: not a time", "Release-At: now "}},
    {TITLE "Release-At: Now\n" TO, {"small letters"}},
    {TITLE "Release-At: now!\n" TO, {"not a time"}},
    {TITLE "Release-At: now base-local\n" TO, {"now is no date like 2026-12-01"}},
    {TITLE "Release-At: 2026-12-01 02:00\n" TO, {"whose clock", "2026-12-01 02:00 base-local"}},
    {TITLE "Release-At: 2026-12-01T02:00\n" TO, {"no offset", "2026-12-01T02:00Z"}},
    {TITLE "Release-At: 2026-12-01T02:00 base-local\n" TO, {"2026-12-01T02:00 is no date"}},
    {TITLE "Release-At: 2026-12-01T02:00z\n" TO, {"must be Z or like +08:00"}},
    {TITLE "Release-At: 2026-12-01T02:00+8\n" TO, {"must be Z or like +08:00"}},
    {TITLE "Release-At: 2026-12-01T02:00+15:00\n" TO, {"-14:00 to +14:00"}},
    {TITLE "Release-At: 2026-12-01T02:00+08:60\n" TO, {"-14:00 to +14:00"}},
    {TITLE "Release-At: 2026-12-01T25:00Z\n" TO, {"no hour 25"}},
    {TITLE "Release-At: 2026-12-01 02:00 +08:00\n" TO, {"one word: 2026-12-01T02:00+08:00"}},
    {TITLE "Release-At: 2026-12-01 02:00 base local\n" TO, {"base-local, with a hyphen"}},
    {TITLE "Release-At: 2026-12-01 02:00 Base-Local\n" TO, {"did you mean base-local?"}},
    {TITLE "Release-At: 2026-12-01 2:00 base-local\n" TO, {"2:00 is no time"}},
    {TITLE "Release-At: 2026-12-01 02:00:5 base-local\n" TO, {"02:00:5 is no time"}},
    {TITLE "Release-At: 01.12.2026 02:00 base-local\n" TO, {"01.12.2026 is no date"}},
    {TITLE "Release-At: 2026-12-01 02:00 Asia/Shanghai please\n" TO, {"too many words"}},
    {TITLE "Release-At: 2027-02-30 02:00 base-local\n" TO, {"no day 30 in 2027-02, which ends with day 28"}},
    {TITLE "Release-At: 2027-13-01 02:00 base-local\n" TO, {"no month 13"}},
    {TITLE "Release-At: 2027-00-01 02:00 base-local\n" TO, {"no month 00"}},
    {TITLE "Release-At: 2027-01-00 02:00 base-local\n" TO, {"no day 00"}},
    {TITLE "Release-At: 2027-01-01 25:00 base-local\n" TO, {"no hour 25"}},
    {TITLE "Release-At: 2027-01-01 24:00 base-local\n" TO, {"00:00 of the next day"}},
    {TITLE "Release-At: 2027-01-01 02:60 base-local\n" TO, {"minutes and seconds"}},
    {TITLE "Release-At: 2027-01-01 02:00:60 base-local\n" TO, {"minutes and seconds"}},
    {TITLE "Release-At: 1999-12-31 02:00 base-local\n" TO, {"year must be 2000 to 2099"}},
    {TITLE "Release-At: 2100-01-01T02:00Z\n" TO, {"year must be 2000 to 2099"}},
    {TITLE "Release-At: 2026-12-01 02:00 /etc/passwd\n" TO,
     {"Release-At: 2026-12-01 02:00 /etc/passwd: /etc/passwd is no time zone listed"}},
    {TITLE "Release-At: 2026-12-01 02:00 ../x\n" TO, {"../x is no time zone listed", "base-local"}},
    {TITLE "Release-At: 2026-12-01 02:00 Asia/Shangai\n" TO, {"did you mean Asia/Shanghai?"}},
    {TITLE "Release-At: 2026-12-01 02:00 CST\n" TO, {"CST is no time zone listed", "name one like Asia/Shanghai"}},
    {TITLE "Release-At: 2027-03-28 02:30 base-local\n" TO,
     {"Release-At: 2027-03-28 02:30 base-local: this local time does not exist in Europe/Berlin (base berlin): "
      "clocks go from 02:00 to 03:00. Use 2027-03-28T00:30:00Z (01:30 local) or 2027-03-28T01:30:00Z (03:30 local)",
      "a tag of their own with Release-Version: v1.4.0"}},
    {TITLE "Release-At: 2027-10-31 02:30 base-local\n" TO, {"exists twice in Europe/Berlin (base berlin)"}},
    {TITLE "Release-At: 2027-03-14 02:30 base-local\n" TO, {"does not exist in America/New_York (base newyork)"}},
    {TITLE "Release-At: 2027-11-07 01:30 America/New_York\n" TO,
     {"exists twice in America/New_York: clocks go back from 02:00 to 01:00", "2027-11-07T05:30:00Z (the first"}},
    {TITLE "Release-At: 2027-10-03 02:15 base-local\n" TO, {"clocks go from 02:00 to 02:30"}},
    {TITLE "Release-At: 2026-11-24T07:20Z\n" TO, {"this time is past at 6 of 6 bases (it is 2026-11-24T07:20:00Z)"}},
    {TITLE "Release-At: 2026-11-24 10:00 base-local\n" TO, {"past at 3 of 6 bases", "haikou: 2026-11-24T02:00:00Z, 5 h 20 min ago"}},
    {TITLE "Release-At: 2026-11-01 02:00 Asia/Shanghai\n" TO, {"past"}},
    /* targets */
    {TITLE AT "Release-To: haikuo\n", {"Release-To: haikuo: no base has this name; did you mean haikou?"}},
    {TITLE AT "Release-To: paris\n", {"bases that run shop: berlin, haikou, lordhowe, newyork, sanya, saopaulo"}},
    {TITLE AT "Release-To: @asiaa\n", {"Release-To: @asiaa: no base is in a group of this name; did you mean @asia?"}},
    {TITLE AT "Release-To: @paris\n", {"groups are: asia, europe, old, spare"}},
    {TITLE AT "Release-To: asia\n", {"this is a group; write @asia"}},
    {TITLE AT "Release-To: all, -asia\n", {"write -@asia"}},
    {TITLE AT "Release-To: haikou, -paris, @nowhere\n", {"Release-To: -paris: ", "\nRelease-To: @nowhere: "}},
    {TITLE AT "Release-To: depot\n", {"Release-To: depot: this base does not run the app shop"}},
    {TITLE AT "Release-To: @spare\n", {"no base of this group runs the app shop"}},
    {TITLE AT "Release-To: -haikou\n", {"only leaves bases out", "all, -haikou"}},
    {TITLE AT "Release-To: -all\n", {"leaves nothing"}},
    {TITLE AT "Release-To: @asia, -haikou, -sanya\n", {"no base is left"}},
    {TITLE AT "Release-To: haikou, -haikou\n", {"Release-To: haikou: the base is named, but \"-haikou\" leaves it out"}},
    {TITLE AT "Release-To: haikou, -@asia\n", {"\"-@asia\" leaves it out"}},
    {TITLE AT "Release-To: haikou,,sanya\n", {"an empty item"}},
    {TITLE AT "Release-To: haikou,\n", {"an empty item"}},
    {TITLE AT "Release-To: haikou sanya\n", {"separated by commas"}},
    {TITLE AT "Release-To: haikou; sanya\n", {"separated by commas"}},
    {TITLE AT "Release-To: All\n", {"write all, in small letters"}},
    {TITLE AT "Release-To: ../../etc\n", {"Release-To: ../../etc: base"}},
    {TITLE AT "Release-To: Haikou\n", {"Release-To: Haikou: base"}},
    {TITLE AT "Release-To: @\n", {"group"}},
    {TITLE AT "Release-To: --haikou\n", {"base"}},
};
/* clang-format on */

static void test_bad(void)
{
	g_assert_cmpuint(G_N_ELEMENTS(bad_plans), >=, 45);
	for (guint i = 0; i < G_N_ELEMENTS(bad_plans); i++) {
		const BadPlan *bad = &bad_plans[i];
		g_autoptr(Plan) plan = NULL;
		g_autoptr(GError) error = NULL;
		g_autoptr(PlanTable) table = check(bad->message, &plan, &error);
		if (!error)
			g_error("row %u was not refused:\n%s", i, bad->message);
		g_assert_null(table);
		g_test_message("%s\n--- gives:\n%s", bad->message, error->message);
		g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
		g_assert_true(g_utf8_validate(error->message, -1, NULL));
		for (const char *p = error->message; *p; p++)
			g_assert_true((guchar)*p >= ' ' || *p == '\n');
		for (guint e = 0; e < G_N_ELEMENTS(bad->expect) && bad->expect[e]; e++)
			if (!strstr(error->message, bad->expect[e]))
				g_error("row %u: \"%s\" lacks \"%s\"", i, error->message,
					bad->expect[e]);
	}
}

/* What a refusal shows as the corrected message is one. */
static void test_corrected(void)
{
	guint n = 0;
	for (guint i = 0; i < G_N_ELEMENTS(bad_plans); i++) {
		g_autoptr(Plan) plan = NULL;
		g_autoptr(GError) error = NULL;
		g_autoptr(PlanTable) table = check(bad_plans[i].message, &plan, &error);
		const char *shown = strstr(error->message, "The message should read:\n\n");
		if (!shown)
			continue;
		g_auto(GStrv) lines = g_strsplit(strstr(shown, "\n\n") + 2, "\n", -1);
		g_autoptr(GString) again = g_string_new(NULL);
		for (guint l = 0; lines[l]; l++) {
			g_assert_true(lines[l][0] == '\0' || g_str_has_prefix(lines[l], "    "));
			g_string_append_printf(again, "%s\n", lines[l][0] ? lines[l] + 4 : "");
		}
		g_autoptr(Plan) plan2 = NULL;
		g_autoptr(GError) error2 = NULL;
		gboolean ok = plan_parse(again->str, again->len, &plan2, &error2);
		if (!ok && strstr(error2->message, "is missing"))
			continue; /* nothing is made up */
		if (!ok)
			g_error("row %u: the corrected message\n%sis refused: %s", i, again->str,
				error2->message);
		g_assert_nonnull(plan2);
		n++;
	}
	g_assert_cmpuint(n, >=, 15);
}

/* Messages that have nothing to do with plans. */
static void test_none(void)
{
	static const char *const messages[] = {
	    "",
	    "\n\n",
	    "Shop 1.4\n",
	    "Shop 1.4\n\nSigned-off-by: A <a@b>\nReviewed-by: B\n",
	    "Release: 1.4\n\nWe release at: noon, in Berlin.\n",
	    "Release notes: see the wiki\n",
	    "Release-2: the second\n",
	    "Shop\n\nThe Release-At trailer is new; Release-To too.\n",
	    "Shop\n\nuse git interpret-trailers --trailer Release-At: now\n",
	    "Shop\n\nReleased-By: A\nReleased: 2026-01-01\nRe-At: x\n",
	};
	for (guint i = 0; i < G_N_ELEMENTS(messages); i++) {
		Plan *plan = (Plan *)&messages; /* must be overwritten */
		g_autoptr(GError) error = NULL;
		gboolean ok = plan_parse(messages[i], strlen(messages[i]), &plan, &error);
		g_assert_no_error(error);
		g_assert_true(ok);
		g_assert_null(plan);
	}
}

static void test_good(void)
{
	static const char message[] = "\n  Shop 1.4: new checkout  \n"
				      "\n"
				      "Body with a colon: here.\n"
				      "\n"
				      "Release-At:2026-12-01 02:00:30 base-local\r\n"
				      "Release-To: haikou,\n"
				      "\t@europe ,\n"
				      "  -berlin\n"
				      "Signed-off-by: A <a@b>\n"
				      " and B\n"
				      "Release-Version: v1.3.0\n"
				      "Release-App: shop\n"
				      "Release-Gate: alone\n"
				      "Release-If-Cut-Off: hold\n"
				      "Release-Grace: 1h30m\n"
				      "Release-Max-Outage: 90s\n"
				      "\n\n";
	g_autoptr(Plan) plan = NULL;
	g_autoptr(GError) error = NULL;
	g_assert_true(plan_parse(message, strlen(message), &plan, &error));
	g_assert_no_error(error);
	g_assert_cmpstr(plan->at_text, ==, "2026-12-01 02:00:30 base-local");
	g_assert_cmpint(plan->at, ==, PLAN_AT_BASE_LOCAL);
	g_assert_cmpint(plan->local.year, ==, 2026);
	g_assert_cmpint(plan->local.month, ==, 12);
	g_assert_cmpint(plan->local.day, ==, 1);
	g_assert_cmpint(plan->local.hour, ==, 2);
	g_assert_cmpint(plan->local.minute, ==, 0);
	g_assert_cmpint(plan->local.second, ==, 30);
	g_assert_null(plan->zone);
	g_assert_cmpuint(g_strv_length(plan->to), ==, 3);
	g_assert_cmpstr(plan->to[0], ==, "haikou");
	g_assert_cmpstr(plan->to[1], ==, "@europe");
	g_assert_cmpstr(plan->to[2], ==, "-berlin");
	g_assert_cmpstr(plan->version, ==, "v1.3.0");
	g_assert_cmpstr(plan->app, ==, "shop");
	g_assert_cmpstr(plan->cut_off, ==, "hold");
	g_assert_cmpint(plan->grace_s, ==, 5400);
	g_assert_cmpint(plan->max_outage_s, ==, 90);
	g_assert_cmpstr(plan->title, ==, "  Shop 1.4: new checkout");
}

static void test_defaults(void)
{
	g_autoptr(Plan) plan = NULL;
	g_assert_true(plan_parse("Shop\n\n" AT TO, strlen("Shop\n\n" AT TO), &plan, NULL));
	g_assert_null(plan->version);
	g_assert_null(plan->app);
	g_assert_cmpint(plan->grace_s, ==, 1800);
	g_assert_cmpint(plan->max_outage_s, ==, 0);
	g_assert_null(plan->cut_off);
}

static void test_times(void)
{
	static const struct {
		const char *value;
		PlanAtKind kind;
		const char *utc, *zone;
	} times[] = {
	    {"now", PLAN_AT_NOW, NULL, NULL},
	    {"2026-12-01T02:00+08:00", PLAN_AT_INSTANT, "2026-11-30T18:00:00Z", NULL},
	    {"2026-12-01T02:00:59-03:30", PLAN_AT_INSTANT, "2026-12-01T05:30:59Z", NULL},
	    {"2026-12-01T02:00Z", PLAN_AT_INSTANT, "2026-12-01T02:00:00Z", NULL},
	    {"2028-02-29T23:59:59Z", PLAN_AT_INSTANT, "2028-02-29T23:59:59Z", NULL},
	    {"2026-12-01 02:00 Asia/Shanghai", PLAN_AT_ZONE, NULL, "Asia/Shanghai"},
	    {"2026-12-01  02:00:00\tUTC", PLAN_AT_ZONE, NULL, "UTC"},
	    {"2026-12-01 02:00 base-local", PLAN_AT_BASE_LOCAL, NULL, NULL},
	};
	for (guint i = 0; i < G_N_ELEMENTS(times); i++) {
		g_autofree char *message =
		    g_strdup_printf("Shop\n\nRelease-At: %s\n" TO, times[i].value);
		g_autoptr(Plan) plan = NULL;
		g_autoptr(GError) error = NULL;
		gboolean ok = plan_parse(message, strlen(message), &plan, &error);
		g_assert_no_error(error);
		g_assert_true(ok);
		g_assert_cmpint(plan->at, ==, times[i].kind);
		g_assert_cmpstr(plan->zone, ==, times[i].zone);
		g_autofree char *utc = util_time_format_utc(plan->utc);
		if (times[i].utc)
			g_assert_cmpstr(utc, ==, times[i].utc);
	}
}

static void test_durations(void)
{
	static const struct {
		const char *value;
		gint64 s;
	} good[] = {{"0s", 0},     {"90s", 90},     {"30m", 1800},       {"2h", 7200},
		    {"1d", 86400}, {"1h30m", 5400}, {"1d2h3m4s", 93784}, {"7d", 604800}};
	for (guint i = 0; i < G_N_ELEMENTS(good); i++) {
		g_autofree char *message =
		    g_strdup_printf("Shop\n\n" AT TO "Release-Grace: %s\n", good[i].value);
		g_autoptr(Plan) plan = NULL;
		g_autoptr(GError) error = NULL;
		g_assert_true(plan_parse(message, strlen(message), &plan, &error));
		g_assert_no_error(error);
		g_assert_cmpint(plan->grace_s, ==, good[i].s);
	}
}

/* Sizes and NUL count only where there might be a plan. */
static void test_big(void)
{
	g_autofree char *body = g_strnfill(1024 * 1024, 'x');
	g_autofree char *message = g_strconcat(TITLE, body, "\n\n" AT TO, NULL);
	g_autofree char *plain = g_strconcat(TITLE, body, "\n", NULL);
	g_autoptr(Plan) plan = NULL;
	g_autoptr(GError) error = NULL;
	g_assert_false(plan_parse(message, strlen(message), &plan, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
	g_assert_nonnull(strstr(error->message, "may have 65536 bytes"));
	g_assert_true(plan_parse(plain, strlen(plain), &plan, NULL));
	g_assert_null(plan);
	g_clear_error(&error);

	/* just within, in one line */
	gsize rest = strlen("\n\n" AT TO);
	g_autofree char *line = g_strnfill(PLAN_MESSAGE_MAX - rest, 'x');
	g_autofree char *fits = g_strconcat(line, "\n\n" AT TO, NULL);
	g_assert_true(plan_parse(fits, strlen(fits), &plan, &error));
	g_assert_no_error(error);
	g_assert_cmpuint(strlen(plan->title), <=, 210);

	static const char nul[] = "Shop\n\0\n" AT TO;
	static const char nul_plain[] = "Shop\n\0\nbye\n";
	g_autoptr(Plan) none = NULL;
	g_assert_false(plan_parse(nul, sizeof(nul) - 1, &none, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
	g_assert_nonnull(strstr(error->message, "NUL"));
	g_assert_true(plan_parse(nul_plain, sizeof(nul_plain) - 1, &none, NULL));
	g_assert_null(none);
}

/* Long and hostile values come out short and harmless. */
static void test_hostile(void)
{
	g_autofree char *lots = g_strnfill(60000, 'a');
	static const char *const keys[] = {"Release-At",  "Release-To",    "Release-Version",
					   "Release-App", "Release-Grace", "Release-Gate"};
	for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
		g_autofree char *message =
		    g_strdup_printf("Shop\n\n%s: %s\xe2\x80\xae\xff\n", keys[i], lots);
		g_autoptr(Plan) plan = NULL;
		g_autoptr(GError) error = NULL;
		g_assert_false(plan_parse(message, strlen(message), &plan, &error));
		g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
		g_assert_true(g_str_has_prefix(error->message, keys[i]));
		g_assert_cmpuint(strlen(error->message), <, 2000);
		g_assert_true(g_utf8_validate(error->message, -1, NULL));
	}
	g_autofree char *words =
	    g_strdup_printf("Shop\n\nRelease-At: 2026-12-01 02:00\xe2\x80\xae%s x\n", lots);
	g_autoptr(Plan) plan = NULL;
	g_autoptr(GError) error = NULL;
	g_assert_false(plan_parse(words, strlen(words), &plan, &error));
	g_assert_null(strstr(error->message, "\xe2\x80\xae"));
	g_assert_cmpuint(strlen(error->message), <, 2000);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/plan/parse/bad", test_bad);
	g_test_add_func("/plan/parse/corrected", test_corrected);
	g_test_add_func("/plan/parse/none", test_none);
	g_test_add_func("/plan/parse/good", test_good);
	g_test_add_func("/plan/parse/defaults", test_defaults);
	g_test_add_func("/plan/parse/times", test_times);
	g_test_add_func("/plan/parse/durations", test_durations);
	g_test_add_func("/plan/parse/big", test_big);
	g_test_add_func("/plan/parse/hostile", test_hostile);
	return g_test_run();
}
