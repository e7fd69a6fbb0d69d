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
		    {"quiet", CENTRAL_ORDERED, REPORT_STAGED, NOW + 9, 1},
		    {"haikou", rows[i].state, rows[i].ended_as, rows[i].at_utc, 1}};
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

/* Targets as words "BASE WAVE STATE", words so far, now; and what is to be decided. */
static void test_gate(void)
{
	enum { AT = 1000, GRACE = 100 };
	static const struct {
		PlanGate gate;
		guint percent;
		const char *targets, *words;
		gint64 now;
		CentralGate word;
		guint wave;
		gint64 next;
		const char *reason;
	} rows[] = {
	    /* a gate: not before its time, then once */
	    {PLAN_GATE_ALL_STAGED, 0, "a1s b1s", "-", 899, CENTRAL_GATE_UNDECIDED, 0, 900, NULL},
	    {PLAN_GATE_ALL_STAGED, 0, "a1s b1s", "-", 900, CENTRAL_GATE_OPEN, 1, 0, "2 of 2"},
	    {PLAN_GATE_ALL_STAGED, 0, "a1s b1o", "-", 900, CENTRAL_GATE_SHUT, 1, 0, "not b"},
	    {PLAN_GATE_ALL_STAGED, 0, "a1s b1n", "-", 900, CENTRAL_GATE_SHUT, 1, 0, "not b"},
	    {PLAN_GATE_ALL_STAGED, 0, "a1s b1c", "-", 900, CENTRAL_GATE_OPEN, 1, 0, "1 of 1"},
	    {PLAN_GATE_ALL_STAGED, 0, "a1c b1c", "-", 900, CENTRAL_GATE_SHUT, 1, 0, "0 of 0"},
	    {PLAN_GATE_ALL_STAGED, 0, "a1s b1o", "s", 950, CENTRAL_GATE_UNDECIDED, 0, 0, NULL},
	    {PLAN_GATE_QUORUM, 50, "a1s b1o c1o", "-", 900, CENTRAL_GATE_SHUT, 1, 0,
	     "2 are needed"},
	    {PLAN_GATE_QUORUM, 50, "a1s b1s c1o", "-", 900, CENTRAL_GATE_OPEN, 1, 0, "2 of 3"},
	    /* waves: by what became of the one before */
	    {PLAN_GATE_ALONE, 0, "a1o b2o", "--", 1000, CENTRAL_GATE_UNDECIDED, 0, 2101, NULL},
	    {PLAN_GATE_ALONE, 0, "a1l b2s", "--", 1900, CENTRAL_GATE_OPEN, 2, 0, "is live"},
	    {PLAN_GATE_ALONE, 0, "a1l b1s c2s", "--", 1000, CENTRAL_GATE_UNDECIDED, 0, 2101, NULL},
	    /* not for good while there is time: it may yet be rolled back */
	    {PLAN_GATE_ALONE, 0, "a1l b2s", "--", 1899, CENTRAL_GATE_UNDECIDED, 0, 1900, NULL},
	    {PLAN_GATE_ALONE, 0, "a1r b2s", "--", 1899, CENTRAL_GATE_SHUT, 2, 0, "rolled-back"},
	    {PLAN_GATE_ALONE, 0, "a1r b1s c2s", "--", 1000, CENTRAL_GATE_SHUT, 2, 0,
	     "a of wave 1 is rolled-back"},
	    {PLAN_GATE_ALONE, 0, "a1m b2s", "--", 1000, CENTRAL_GATE_SHUT, 2, 0, "missed"},
	    {PLAN_GATE_ALONE, 0, "a1l b1c c2s", "--", 1900, CENTRAL_GATE_OPEN, 2, 0,
	     "that was not cancelled is live"},
	    {PLAN_GATE_ALONE, 0, "a1s b2s", "--", 2100, CENTRAL_GATE_UNDECIDED, 0, 2101, NULL},
	    {PLAN_GATE_ALONE, 0, "a1s b2s", "--", 2101, CENTRAL_GATE_SHUT, 2, 0, "wave 1: a"},
	    {PLAN_GATE_ALONE, 0, "a1r b2s c3s", "-s-", 1000, CENTRAL_GATE_SHUT, 3, 0,
	     "wave 2 was shut"},
	    {PLAN_GATE_ALONE, 0, "a1l b2l c3s", "-o-", 2900, CENTRAL_GATE_OPEN, 3, 0, "wave 2"},
	    {PLAN_GATE_ALONE, 0, "a1l b2s c3s", "-o-", 1000, CENTRAL_GATE_UNDECIDED, 0, 3101, NULL},
	    {PLAN_GATE_ALONE, 0, "a1l b2l c3l", "-oo", 5000, CENTRAL_GATE_UNDECIDED, 0, 0, NULL},
	    /* both */
	    {PLAN_GATE_ALL_STAGED, 0, "a1s b2o", "--", 900, CENTRAL_GATE_SHUT, 1, 0, "not b"},
	    {PLAN_GATE_ALL_STAGED, 0, "a1s b2o", "s-", 900, CENTRAL_GATE_SHUT, 2, 0, "was shut"},
	    {PLAN_GATE_ALL_STAGED, 0, "a1l b2s", "o-", 1900, CENTRAL_GATE_OPEN, 2, 0, "is live"},
	};
	static const struct {
		char letter;
		CentralState state;
		ReportEvent event;
	} states[] = {{'n', CENTRAL_NOT_ORDERED, 0},      {'o', CENTRAL_ORDERED, 0},
		      {'s', CENTRAL_STAGED, 0},           {'c', CENTRAL_CANCEL_ASKED, 0},
		      {'l', CENTRAL_ENDED, REPORT_LIVE},  {'r', CENTRAL_ENDED, REPORT_ROLLED_BACK},
		      {'m', CENTRAL_ENDED, REPORT_MISSED}};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_auto(GStrv) items = g_strsplit(rows[i].targets, " ", -1);
		CentralTarget targets[4] = {0};
		CentralGate words[4] = {0};
		/* each wave's a tenth of a wave ahead, but not before the one before it */
		const gint64 gates_at[] = {AT - 100, 2 * AT - 100, 3 * AT - 100};
		CentralGateStep step;
		guint n = g_strv_length(items);
		for (guint t = 0; t < n; t++) {
			const char *item = items[t];
			guint wave = (guint)(item[1] - '0');
			for (guint s = 0; s < G_N_ELEMENTS(states); s++)
				if (states[s].letter == item[2])
					targets[t] = (CentralTarget){.state = states[s].state,
								     .ended_as = states[s].event,
								     .at_utc = AT * wave,
								     .wave = wave};
			targets[t].base = t == 0 ? "a" : t == 1 ? "b" : "c";
		}
		for (guint w = 0; rows[i].words[w]; w++)
			words[w] = rows[i].words[w] == 'o'   ? CENTRAL_GATE_OPEN
				   : rows[i].words[w] == 's' ? CENTRAL_GATE_SHUT
							     : CENTRAL_GATE_UNDECIDED;
		const CentralRelease release = {.gate = rows[i].gate,
						.quorum_percent = rows[i].percent,
						.waves = (guint)strlen(rows[i].words),
						.gates_at_utc = gates_at,
						.grace_s = GRACE,
						.targets = targets,
						.n_targets = n,
						.words = words};
		g_test_message("row %u: %s", i, rows[i].targets);
		central_next_gate(&release, rows[i].now, &step);
		g_autofree char *reason = step.reason;
		g_assert_cmpint(step.word, ==, rows[i].word);
		g_assert_cmpuint(step.wave, ==, rows[i].wave);
		if (rows[i].word == CENTRAL_GATE_UNDECIDED)
			g_assert_cmpint(step.next_utc, ==, rows[i].next);
		else
			g_assert_nonnull(strstr(reason, rows[i].reason));
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/decide/central/withdraw", test_withdraw);
	g_test_add_func("/decide/central/refs", test_refs);
	g_test_add_func("/decide/central/version", test_version);
	g_test_add_func("/decide/central/arrival", test_arrival);
	g_test_add_func("/decide/central/lead", test_lead);
	g_test_add_func("/decide/central/gate", test_gate);
	return g_test_run();
}
