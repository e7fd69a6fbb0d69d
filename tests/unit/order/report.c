/* SPDX-License-Identifier: ISC */
#include "order/order.h"

#define OID "0123456789abcdef0123456789abcdef01234567"
#define ROOT "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char *golden(const char *name, gsize *ret_len)
{
	g_autofree char *path = g_test_build_filename(G_TEST_DIST, "data", "formats", name, NULL);
	char *text = NULL;
	g_autoptr(GError) error = NULL;
	g_file_get_contents(path, &text, ret_len, &error);
	g_assert_no_error(error);
	return text;
}

static void test_golden(void)
{
	gsize len = 0;
	g_autofree char *text = golden("report-1.txt", &len);
	g_autoptr(GError) error = NULL;
	g_autoptr(Report) report = report_parse(text, len, &error);
	g_assert_no_error(error);
	g_autofree char *again = report_format(report);
	g_autofree char *key = report_key(report);
	g_autofree char *expected_key = g_strdup_printf("%s.12.rolled-back.2", report->release);
	g_autofree char *time = util_time_format_utc(report->event_utc);
	g_assert_cmpstr(again, ==, text);
	g_assert_cmpstr(key, ==, expected_key);
	g_assert_cmpstr(report->base, ==, "haikou");
	g_assert_cmpint(report->incarnation, ==, 2);
	g_assert_cmpuint(report->seq, ==, 12);
	g_assert_cmpstr(report->app, ==, "shop");
	g_assert_cmpstr(report->version, ==, "v1.4.0");
	g_assert_cmpint(report->event, ==, REPORT_ROLLED_BACK);
	g_assert_cmpstr(time, ==, "2026-11-30T18:01:03Z");
	g_assert_cmpstr(report->serves_root, !=, report->root);
	g_assert_cmpint(report->outage_ms, ==, 61250);
	g_assert_cmpstr(report->detail, ==, "health did not pass in 60 s");
	g_assert_cmpstr(report->log_end, ==, "starting v1.4.0\npanic: größe\n\nexit status 2");
}

static void test_events(void)
{
	static const char *const names[] = {"staged",   "live",   "rolled-back", "down",
					    "failed",   "missed", "cancelled",   "superseded",
					    "too-late", "held",   "unheld",      "nodes"};
	static const gboolean ends[] = {FALSE, TRUE, TRUE,  TRUE,  TRUE,  TRUE,
					TRUE,  TRUE, FALSE, FALSE, FALSE, FALSE};
	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		ReportEvent event = REPORT_STAGED;
		g_assert_cmpstr(report_event_name((ReportEvent)i), ==, names[i]);
		g_assert_true(report_event_parse(names[i], &event));
		g_assert_cmpint(event, ==, i);
		g_assert_cmpint(report_event_ends(event), ==, ends[i]);
	}
	ReportEvent event = REPORT_LIVE;
	g_assert_cmpint(G_N_ELEMENTS(names), ==, REPORT_NODES + 1);
	g_assert_false(report_event_parse("Live", &event));
	g_assert_false(report_event_parse("", &event));
	g_assert_cmpint(event, ==, REPORT_LIVE);
}

static Report *make_report(void)
{
	Report *report = report_new();
	report->base = g_strdup("haikou");
	report->incarnation = 1;
	report->release = g_strdup(OID);
	report->seq = 3;
	report->app = g_strdup("shop");
	report->version = g_strdup("v1");
	report->root = g_strdup(ROOT);
	report->event = REPORT_STAGED;
	return report;
}

static Report *round_trip(const Report *report)
{
	g_autofree char *text = report_format(report);
	GError *error = NULL;
	Report *again = report_parse(text, strlen(text), &error);
	g_assert_no_error(error);
	return again;
}

static void test_small(void)
{
	g_autoptr(Report) report = make_report();
	g_autoptr(Report) again = round_trip(report);
	g_assert_cmpstr(again->serves_root, ==, "-");
	g_assert_cmpint(again->outage_ms, ==, -1);
	g_assert_cmpstr(again->detail, ==, "");
	g_assert_cmpstr(again->log_end, ==, "");
}

/* A command's output may be anything, and much. */
static void test_log(void)
{
	g_autoptr(Report) report = make_report();
	report->log_end = g_strdup("\n\r\x1b[31mred\n\xff\n \n\tTab\n\n");
	g_autoptr(Report) again = round_trip(report);
	g_assert_cmpstr(again->log_end, ==, "\n??[31mred\n\xff\n \n\tTab\n\n");

	g_autoptr(GString) lots = g_string_new(NULL);
	while (lots->len < 3 * REPORT_LOG_MAX)
		g_string_append_printf(lots, "line at byte %07u of the log, and some more\n",
				       (guint)lots->len);
	g_string_append(lots, "end");
	g_free(report->log_end);
	report->log_end = g_strdup(lots->str);
	report->detail = g_strnfill(3 * ORDER_NOTE_MAX, 'd');
	g_autoptr(Report) cut = round_trip(report);
	g_assert_cmpstr(cut->log_end, ==, lots->str + lots->len - REPORT_LOG_MAX);
	g_assert_cmpuint(strlen(cut->detail), ==, ORDER_NOTE_MAX);

	/* folding doubles it at worst */
	g_free(report->log_end);
	report->log_end = g_strnfill(2 * REPORT_LOG_MAX, '\n');
	g_autofree char *worst = report_format(report);
	g_assert_cmpuint(strlen(worst), <, ORDER_TEXT_MAX);
}

/* A hold of the whole app belongs to no order. */
static void test_whole_app(void)
{
	g_autoptr(Report) report = report_new();
	report->base = g_strdup("haikou");
	report->incarnation = 1;
	report->app = g_strdup("shop");
	report->event = REPORT_HELD;
	report->detail = g_strdup("by hand");
	g_autoptr(Report) again = round_trip(report);
	g_assert_cmpstr(again->release, ==, "-");
	g_assert_cmpstr(again->version, ==, "-");
	g_assert_cmpstr(again->root, ==, "-");
	g_autofree char *key = report_key(report);
	g_assert_cmpstr(key, ==, "-.0.held");

	report->event = REPORT_LIVE;
	g_autofree char *text = report_format(report);
	g_autoptr(GError) error = NULL;
	g_autoptr(Report) bad = report_parse(text, strlen(text), &error);
	g_assert_null(bad);
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
}

/* What an order did after its end, or on other hardware, has an identity of its own. */
static void test_round(void)
{
	gsize len = 0;
	g_autofree char *text = golden("report-2.txt", &len);
	g_autoptr(GError) error = NULL;
	g_autoptr(Report) report = report_parse(text, len, &error);
	g_assert_no_error(error);
	g_autofree char *again = report_format(report);
	g_assert_cmpstr(again, ==, text);
	g_assert_cmpint(report->round, ==, 3);
	g_autofree char *key = report_key(report);
	g_assert_true(g_str_has_suffix(key, ".12.live-3.2"));
	report->incarnation = report->round = 1;
	g_autofree char *first = report_key(report);
	g_assert_true(g_str_has_suffix(first, ".12.live"));
	g_autofree char *without = report_format(report);
	g_assert_null(strstr(without, "Round"));
}

static void test_damage(void)
{
	static const struct {
		const char *find, *replace;
		int code;
		const char *expect;
	} rows[] = {
	    {"Tagship-Report: 1", "Tagship-Report: 9", TS_ERROR_UNSUPPORTED, "newer"},
	    {"Tagship-Report: 1", "Tagship-Report: 2", TS_ERROR_CORRUPT, ""},
	    {"Seq: 3", "Seq: 3\nRound: 2", TS_ERROR_CORRUPT, ""},
	    {"Tagship-Report: 1", "Tagship-Order: 1", TS_ERROR_CORRUPT, "first line"},
	    {"Base: haikou", "Base: a/b", TS_ERROR_CORRUPT, "Base"},
	    {"Incarnation: 1", "Incarnation: 0", TS_ERROR_CORRUPT, "Incarnation"},
	    {"Release: 0", "Release: x", TS_ERROR_CORRUPT, "Release"},
	    {"Release: " OID, "Release: -", TS_ERROR_CORRUPT, "Release"},
	    {"Seq: 3", "Seq: 0", TS_ERROR_CORRUPT, "Seq"},
	    {"Seq: 3", "Seq: 03", TS_ERROR_CORRUPT, "line 5"},
	    {"Seq: 3", "Seq: 3\nRound: 1", TS_ERROR_CORRUPT, "Round"},
	    {"Seq: 3", "Seq: 3\nRound: two", TS_ERROR_CORRUPT, "Round"},
	    {"App: shop\n", "", TS_ERROR_CORRUPT, "App is missing"},
	    {"Version: v1", "Version: -", TS_ERROR_CORRUPT, "Version"},
	    {"Root: " ROOT, "Root: -", TS_ERROR_CORRUPT, "Root"},
	    {"Event: staged", "Event: stage", TS_ERROR_CORRUPT, "unknown event \"stage\""},
	    {"Time: 1970-01-01T00:00:00Z", "Time: 1970-01-01", TS_ERROR_CORRUPT, "Time"},
	    {"Serves: -", "Serves: none", TS_ERROR_CORRUPT, "Serves"},
	    {"Outage-Ms: -1", "Outage-Ms: -2", TS_ERROR_CORRUPT, "Outage-Ms"},
	    {"Outage-Ms: -1", "Outage-Ms: 2678400001", TS_ERROR_CORRUPT, "Outage-Ms"},
	    {"Outage-Ms: -1", "Outage-Ms: -1\nDetail: ", TS_ERROR_CORRUPT, "Detail"},
	    {"Outage-Ms: -1", "Outage-Ms: -1\nLog-End: ", TS_ERROR_CORRUPT, "Log-End"},
	    {"Outage-Ms: -1", "Outage-Ms: -1\nLog-End: a\nDetail: b", TS_ERROR_CORRUPT, "place"},
	    {"Outage-Ms: -1", "Outage-Ms: -1\nBundle: a", TS_ERROR_CORRUPT, "unknown key"},
	    {"Outage-Ms: -1", "Outage-Ms: -1\nDetail: a\nDetail: b", TS_ERROR_CORRUPT, "twice"},
	};
	g_autoptr(Report) report = make_report();
	g_autofree char *good = report_format(report);
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		const char *at = strstr(good, rows[i].find);
		g_assert_nonnull(at);
		g_autofree char *head = g_strndup(good, (gsize)(at - good));
		g_autofree char *text =
		    g_strconcat(head, rows[i].replace, at + strlen(rows[i].find), NULL);
		g_autoptr(GError) error = NULL;
		g_autoptr(Report) bad = report_parse(text, strlen(text), &error);
		if (bad)
			g_error("row %u was accepted:\n%s", i, text);
		g_assert_error(error, TS_ERROR, rows[i].code);
		if (!strstr(error->message, rows[i].expect))
			g_error("row %u: \"%s\" lacks \"%s\"", i, error->message, rows[i].expect);
	}
}

static void add_node(Report *report, const char *name, gboolean reported, const char *detail)
{
	ReportNode node = {.name = (char *)(gsize)name,
			   .reported = reported,
			   .event = REPORT_LIVE,
			   .time_utc = 1796090404,
			   .outage_ms = reported ? 1200 : -1,
			   .detail = (char *)(gsize)detail};
	report_add_node(report, &node);
}

static void test_nodes(void)
{
	gsize len = 0;
	g_autofree char *text = golden("report-nodes-1.txt", &len);
	g_autoptr(GError) error = NULL;
	g_autoptr(Report) report = report_parse(text, len, &error);
	g_assert_no_error(error);
	g_autofree char *again = report_format(report);
	g_assert_cmpstr(again, ==, text);
	g_assert_cmpint(report->event, ==, REPORT_NODES);
	g_assert_cmpuint(report->nodes->len, ==, 3);
	const ReportNode *one = report->nodes->pdata[0], *two = report->nodes->pdata[1],
			 *three = report->nodes->pdata[2];
	g_assert_cmpstr(one->name, ==, "web1");
	g_assert_cmpint(one->event, ==, REPORT_LIVE);
	g_assert_cmpint(one->outage_ms, ==, 1310);
	g_assert_cmpstr(one->detail, ==, "");
	g_assert_cmpint(two->event, ==, REPORT_FAILED);
	g_assert_cmpstr(two->detail, ==, "staged tree was altered: index.html");
	g_assert_false(three->reported);
	/* what the nodes did makes another report of it */
	g_autofree char *key = report_key(report);
	g_assert_nonnull(strstr(key, ".12.nodes-"));
	add_node(report, "web0", TRUE, NULL);
	g_autofree char *other = report_key(report);
	g_assert_cmpstr(key, !=, other);
}

static void test_nodes_made(void)
{
	g_autoptr(Report) report = make_report();
	report->event = REPORT_NODES;
	g_autofree char *many = g_strnfill(1000, 'x');
	add_node(report, "b", TRUE, "two\nlines\tand a tab");
	add_node(report, "a", FALSE, "unsaid");
	add_node(report, "c", TRUE, many);
	g_autoptr(Report) again = round_trip(report);
	const ReportNode *a = again->nodes->pdata[0], *b = again->nodes->pdata[1],
			 *c = again->nodes->pdata[2];
	g_assert_cmpstr(a->name, ==, "a");
	g_assert_false(a->reported);
	g_assert_cmpstr(b->detail, ==, "two lines and a tab");
	g_assert_cmpuint(strlen(c->detail), ==, REPORT_NODE_DETAIL_MAX);
}

static void test_nodes_bad(void)
{
	static const char *const rows[] = {"",
					   "Node: \n",
					   "Node: a\n",
					   "Node: a x\n",
					   "Node: ../a -\n",
					   "Node: a - x\n",
					   "Node: a live 2026-12-01T02:00:04Z\n",
					   "Node: a live yesterday 1\n",
					   "Node: a live 2026-12-01T02:00:04Z 01\n",
					   "Node: a live 2026-12-01T02:00:04Z -2\n",
					   "Node: a nodes 2026-12-01T02:00:04Z 1\n",
					   "Node: b -\nNode: a -\n",
					   "Node: a -\nNode: a -\n",
					   "Node: a live 2026-12-01T02:00:04Z 1 x\n y\n"};
	g_autoptr(Report) report = make_report();
	g_autofree char *staged = report_format(report);
	g_autofree char *stray = g_strconcat(staged, "Node: a -\n", NULL);
	g_assert_null(report_parse(stray, strlen(stray), NULL));
	report->event = REPORT_NODES;
	g_autofree char *head = report_format(report);
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = NULL;
		g_autofree char *text = g_strconcat(head, rows[i], NULL);
		g_assert_null(report_parse(text, strlen(text), &error));
		g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	}
	g_autofree char *good = g_strconcat(head, "Node: a -\n", NULL);
	g_autoptr(Report) fine = report_parse(good, strlen(good), NULL);
	g_assert_nonnull(fine);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/report/golden", test_golden);
	g_test_add_func("/report/events", test_events);
	g_test_add_func("/report/round", test_round);
	g_test_add_func("/report/small", test_small);
	g_test_add_func("/report/log", test_log);
	g_test_add_func("/report/whole-app", test_whole_app);
	g_test_add_func("/report/damage", test_damage);
	g_test_add_func("/report/nodes", test_nodes);
	g_test_add_func("/report/nodes-made", test_nodes_made);
	g_test_add_func("/report/nodes-bad", test_nodes_bad);
	return g_test_run();
}
