/* SPDX-License-Identifier: ISC */
#include "order/order.h"

#define OID "0123456789abcdef0123456789abcdef01234567"
#define ROOT "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OLD "1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char *golden(const char *name, gsize *ret_len)
{
	g_autofree char *path = g_test_build_filename(G_TEST_DIST, "data", "formats", name, NULL);
	char *text = NULL;
	g_autoptr(GError) error = NULL;
	g_file_get_contents(path, &text, ret_len, &error);
	g_assert_no_error(error);
	return text;
}

/* These files are never changed: an order written today must be read for years. */
static void test_golden(void)
{
	static const struct {
		const char *name;
		OrderKind kind;
	} files[] = {{"order-1.txt", ORDER_KIND_ORDER},
		     {"cancel-1.txt", ORDER_KIND_CANCEL},
		     {"heartbeat-1.txt", ORDER_KIND_HEARTBEAT},
		     {"order-2.txt", ORDER_KIND_ORDER},
		     {"order-2-not-after.txt", ORDER_KIND_ORDER},
		     {"gate-2.txt", ORDER_KIND_GATE},
		     {"stop-2.txt", ORDER_KIND_STOP},
		     {"resume-2.txt", ORDER_KIND_RESUME},
		     {"keys-3.txt", ORDER_KIND_KEYS}};
	for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
		gsize len = 0;
		g_autofree char *text = golden(files[i].name, &len);
		g_autoptr(GError) error = NULL;
		g_autoptr(Order) order = order_parse(text, len, &error);
		g_assert_no_error(error);
		g_assert_cmpint(order->kind, ==, files[i].kind);
		g_autofree char *again = order_format(order);
		g_assert_cmpstr(again, ==, text);
		g_autoptr(Order) copy = order_copy(order);
		g_autofree char *copied = order_format(copy);
		g_assert_cmpstr(copied, ==, text);
	}
}

static void test_fields(void)
{
	gsize len = 0;
	g_autofree char *text = golden("order-1.txt", &len);
	g_autoptr(Order) order = order_parse(text, len, NULL);
	g_autofree char *written = util_time_format_utc(order->written_utc);
	g_autofree char *at = util_time_format_utc(order->at_utc);
	g_autofree char *summary = order_summary(order);
	g_assert_cmpuint(order->seq, ==, 12);
	g_assert_cmpstr(written, ==, "2026-11-24T07:20:00Z");
	g_assert_cmpstr(order->base, ==, "haikou");
	g_assert_cmpuint(strlen(order->release), ==, 40);
	g_assert_cmpstr(order->app, ==, "shop");
	g_assert_cmpstr(order->tag, ==, "plan/friday");
	g_assert_cmpstr(order->version, ==, "v1.4.0");
	g_assert_cmpuint(strlen(order->root), ==, 64);
	g_assert_cmpuint(strlen(order->commit), ==, 40);
	g_assert_cmpuint(order->files, ==, 7053);
	g_assert_cmpuint(order->bytes, ==, G_GUINT64_CONSTANT(18446744073));
	g_assert_cmpstr(at, ==, "2026-11-30T18:00:00Z");
	g_assert_false(order->is_now);
	g_assert_cmpint(order->grace_s, ==, 1800);
	g_assert_cmpint(order->max_outage_s, ==, 90);
	g_assert_true(order->cut_off_hold);
	g_assert_cmpstr(order->local_text, ==, "2026-12-01 02:00:00 +08:00");
	g_assert_cmpstr(order->reason, ==,
			"asked for by the shop's owner\n\n\tsecond thoughts: none");
	g_assert_cmpuint(order->bundles->len, ==, 2);
	const OrderBundle *first = g_ptr_array_index(order->bundles, 0);
	const OrderBundle *plain = order_find_bundle(order, "-");
	g_assert_true(order_find_bundle(order, first->old_root) == first);
	g_assert_null(order_find_bundle(order, order->root));
	g_assert_cmpuint(first->bytes, ==, 4711);
	g_assert_cmpstr(first->codec, ==, "lzma2-dict");
	g_assert_cmpuint(first->decoded_bytes, ==, 1048576);
	g_assert_cmpuint(first->memory_bytes, ==, 134217728);
	g_assert_cmpstr(plain->codec, ==, "tar.xz");
	g_assert_cmpstr(summary, ==, "order 12: shop v1.4.0 at 2026-11-30T18:00:00Z");
}

static void test_fields_2(void)
{
	static const struct {
		const char *name, *summary;
	} files[] = {{"gate-2.txt", "gate 14: shop release 4e4b162c shut: berlin rolled back"},
		     {"stop-2.txt", "stop 15: all apps: the payment service is down"},
		     {"resume-2.txt", "resume 16: shop"},
		     {"keys-3.txt", "keys 21: 2026-11-30T02:00:01Z"}};
	gsize len = 0;
	g_autofree char *text = golden("order-2.txt", &len);
	g_autoptr(Order) order = order_parse(text, len, NULL);
	g_autofree char *at = util_time_format_utc(order->gate_at_utc);
	g_assert_cmpuint(order->wave, ==, 2);
	g_assert_cmpuint(order->waves, ==, 3);
	g_assert_true(order->gated);
	g_assert_cmpint(order->gate, ==, PLAN_GATE_QUORUM);
	g_assert_cmpuint(order->quorum_percent, ==, 80);
	g_assert_cmpstr(at, ==, "2026-11-30T17:50:00Z");
	g_assert_cmpint(order->not_after_utc, ==, 0);
	g_autofree char *bounded = golden("order-2-not-after.txt", &len);
	g_autoptr(Order) until = order_parse(bounded, len, NULL);
	g_assert_cmpint(until->not_after_utc, ==, order->at_utc + 1200);
	for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
		g_autofree char *entry_text = golden(files[i].name, &len);
		g_autoptr(Order) entry = order_parse(entry_text, len, NULL);
		g_autofree char *summary = order_summary(entry);
		g_assert_cmpstr(summary, ==, files[i].summary);
	}
}

static Order *make_order(void)
{
	Order *order = order_new(ORDER_KIND_ORDER);
	order->seq = 1;
	order->base = g_strdup("berlin");
	order->release = g_strdup(OID);
	order->app = g_strdup("shop");
	order->tag = g_strdup("v1");
	order->version = g_strdup("v1");
	order->root = g_strdup(ROOT);
	order->commit = g_strdup(OID);
	return order;
}

static Order *round_trip(const Order *order)
{
	g_autofree char *text = order_format(order);
	GError *error = NULL;
	Order *again = order_parse(text, strlen(text), &error);
	g_assert_no_error(error);
	return again;
}

static void test_small(void)
{
	g_autoptr(Order) order = make_order();
	g_autoptr(Order) again = round_trip(order);
	g_assert_null(again->reason);
	g_assert_null(again->local_text);
	g_assert_cmpuint(again->bundles->len, ==, 0);
	order->is_now = TRUE;
	g_autoptr(Order) now = round_trip(order);
	g_assert_true(now->is_now);
	g_autofree char *summary = order_summary(now);
	g_assert_cmpstr(summary, ==, "order 1: shop v1 as soon as staged");
}

/* Whatever text comes in, what is written can be read. */
static void test_hostile_text(void)
{
	g_autoptr(Order) order = make_order();
	order->reason = g_strdup("a\nSeq: 9\r\n\x1b[2J \n");
	g_autoptr(Order) again = round_trip(order);
	g_assert_cmpuint(again->seq, ==, 1);
	g_assert_cmpstr(again->reason, ==, "a\nSeq: 9?\n?[2J \n");

	g_free(order->reason);
	g_autofree char *lots = g_strnfill(ORDER_NOTE_MAX - 1, 'x');
	order->reason = g_strconcat(lots, "ö and more", NULL);
	g_autoptr(Order) cut = round_trip(order);
	g_assert_cmpstr(cut->reason, ==, lots); /* not half of the ö */

	g_free(order->reason);
	order->reason = g_strdup("");
	g_autoptr(Order) none = round_trip(order);
	g_assert_null(none->reason);
}

static void test_summaries(void)
{
	gsize len = 0;
	g_autofree char *cancel_text = golden("cancel-1.txt", &len);
	g_autoptr(Order) cancel = order_parse(cancel_text, len, NULL);
	g_autofree char *heartbeat_text = golden("heartbeat-1.txt", &len);
	g_autoptr(Order) heartbeat = order_parse(heartbeat_text, len, NULL);
	g_autofree char *one = order_summary(cancel);
	g_autofree char *two = order_summary(heartbeat);
	g_assert_true(g_str_has_prefix(one, "cancel 13: shop release "));
	g_assert_true(g_str_has_suffix(one, ": tag deleted by Ann Example"));
	g_assert_cmpstr(two, ==, "heartbeat 14: 2026-11-25T08:00:00Z");
}

typedef struct {
	const char *find;    /* in a good order, "" appends */
	const char *replace; /* what makes it bad */
	int code;
	const char *expect;
} Damage;

#define GOOD_BUNDLE "Bundle: " OLD " " ROOT " 10 lzma2 20 30\n"

static const Damage damages[] = {
    {"Tagship-Order: 1", "Tagship-Order: 4", TS_ERROR_UNSUPPORTED, "newer"},
    {"Tagship-Order: 1", "Tagship-Order: 2", TS_ERROR_CORRUPT, "line 1"}, /* nothing needs it */
    {"If-Cut-Off: go\n", "If-Cut-Off: go\nWave: 2/3\n", TS_ERROR_CORRUPT, "line 1"},
    {"If-Cut-Off: go\n", "If-Cut-Off: go\nWave: 1/1\n", TS_ERROR_CORRUPT, "Wave"},
    {"If-Cut-Off: go\n", "If-Cut-Off: go\nWave: 3/2\n", TS_ERROR_CORRUPT, "Wave"},
    {"If-Cut-Off: go\n", "If-Cut-Off: go\nWave: 2\n", TS_ERROR_CORRUPT, "Wave"},
    {"If-Cut-Off: go\n", "If-Cut-Off: go\nGate: all-staged\n", TS_ERROR_CORRUPT, "Gate-At"},
    {"If-Cut-Off: go\n", "If-Cut-Off: go\nGate: alone\nGate-At: 2026-12-01T01:50:00Z\n",
     TS_ERROR_CORRUPT, "nobody"},
    {"If-Cut-Off: go\n", "If-Cut-Off: go\nGate: quorum 101%\nGate-At: 2026-12-01T01:50:00Z\n",
     TS_ERROR_CORRUPT, "quorum"},
    {"If-Cut-Off: go\n", "If-Cut-Off: go\nGate: quorum 080%\nGate-At: 2026-12-01T01:50:00Z\n",
     TS_ERROR_CORRUPT, "quorum"},
    {"Tagship-Order: 1", "Tagship-Order: 0", TS_ERROR_CORRUPT, "not a format number"},
    {"Tagship-Order: 1", "Tagship-Order: 1.5", TS_ERROR_CORRUPT, "not a format number"},
    {"Tagship-Order: 1", "Tagship-Order: 01", TS_ERROR_CORRUPT, "not a format number"},
    {"Tagship-Order: 1", "Tagship-Report: 1", TS_ERROR_CORRUPT, "first line"},
    {"Tagship-Order: 1\n", "", TS_ERROR_CORRUPT, "first line"},
    {"Tagship-Order: 1", "X-Y: 1\nTagship-Order: 1", TS_ERROR_CORRUPT, "first line"},
    {"Kind: order", "Kind: orders", TS_ERROR_CORRUPT, "unknown kind \"orders\""},
    {"Kind: order\n", "", TS_ERROR_CORRUPT, "Kind is missing"},
    {"Kind: order", "Kind: cancel", TS_ERROR_CORRUPT, "key Tag has no place in kind cancel"},
    {"Kind: order", "Kind: heartbeat", TS_ERROR_CORRUPT, "no place in kind heartbeat"},
    {"Seq: 7", "Seq: 0", TS_ERROR_CORRUPT, "Seq"},
    {"Seq: 7", "Seq: -7", TS_ERROR_CORRUPT, "Seq"},
    {"Seq: 7", "Seq: 07", TS_ERROR_CORRUPT, "line 3"},
    {"Seq: 7", "Seq: 9223372036854775808", TS_ERROR_CORRUPT, "Seq"},
    {"Seq: 7", "Seq: 7\nSeq: 8", TS_ERROR_CORRUPT, "Seq stands twice"},
    {"Seq: 7\n", "", TS_ERROR_CORRUPT, "Seq is missing"},
    {"Base: haikou", "Base: ../haikou", TS_ERROR_CORRUPT, "Base: \"../haikou\""},
    {"Base: haikou", "Base: ", TS_ERROR_CORRUPT, "Base"},
    {"Base: haikou", "Base:haikou", TS_ERROR_CORRUPT, "line 5"},
    {"Base: haikou", "base: haikou", TS_ERROR_CORRUPT, "unknown key \"base\""},
    {"Base: haikou", "Base: haikou\nFoo: bar", TS_ERROR_CORRUPT, "unknown key \"Foo\""},
    {"Base: haikou", "Base: haikou\r", TS_ERROR_CORRUPT, "control character"},
    {"Release: 0", "Release: g", TS_ERROR_CORRUPT, "Release"},
    {"Release: 0", "Release: 00", TS_ERROR_CORRUPT, "Release"},
    {"App: shop", "App: Shop", TS_ERROR_CORRUPT, "App"},
    {"App: shop", "App: shop\n /etc", TS_ERROR_CORRUPT, "App"},
    {"Tag: v1", "Tag: v 1", TS_ERROR_CORRUPT, "Tag"},
    {"Version: v1", "Version: ../v1", TS_ERROR_CORRUPT, "Version"},
    {"Root: 0", "Root: A", TS_ERROR_CORRUPT, "Root"},
    {"Root: " ROOT, "Root: -", TS_ERROR_CORRUPT, "Root"},
    {"Commit: " OID "\n", "", TS_ERROR_CORRUPT, "Commit is missing"},
    {"Files: 3", "Files: 2147483648", TS_ERROR_CORRUPT, "Files"},
    {"Bytes: 4", "Bytes: 1125899906842625", TS_ERROR_CORRUPT, "Bytes"},
    {"Bytes: 4", "Bytes: 4k", TS_ERROR_CORRUPT, "Bytes"},
    {"At: 2026", "At: 26", TS_ERROR_CORRUPT, "At"},
    {"At: 2026-12", "At: 2026-13", TS_ERROR_CORRUPT, "At"},
    {"Now: no", "Now: maybe", TS_ERROR_CORRUPT, "it must be yes or no"},
    {"Grace-S: 5", "Grace-S: 604801", TS_ERROR_CORRUPT, "Grace-S"},
    {"Max-Outage-S: 6", "Max-Outage-S: 86401", TS_ERROR_CORRUPT, "Max-Outage-S"},
    {"If-Cut-Off: go", "If-Cut-Off: ask", TS_ERROR_CORRUPT, "it must be hold or go"},
    {"Local: x", "Local: ", TS_ERROR_CORRUPT, "Local"},
    {"Local: x", "Local: x\n y", TS_ERROR_CORRUPT, "Local"},
    {"Reason: r", "Reason: ", TS_ERROR_CORRUPT, "Reason"},
    {"Files: 3\nBytes: 4\n", "Bytes: 4\nFiles: 3\n", TS_ERROR_CORRUPT, "out of its place"},
    {GOOD_BUNDLE, GOOD_BUNDLE GOOD_BUNDLE, TS_ERROR_CORRUPT, "two for the same old root"},
    {" lzma2 ", " LZMA2 ", TS_ERROR_CORRUPT, "bundle"},
    {" lzma2 ", "  ", TS_ERROR_CORRUPT, "bundle"},
    {" 10 ", " 010 ", TS_ERROR_CORRUPT, "bundle"},
    {" 10 ", " -1 ", TS_ERROR_CORRUPT, "bundle"},
    {" 20 30\n", " 20 30 40\n", TS_ERROR_CORRUPT, "bundle"},
    {" 20 30\n", " 20\n", TS_ERROR_CORRUPT, "bundle"},
    {" 20 30\n", " 20 99999999999999999999\n", TS_ERROR_CORRUPT, "bundle"},
    {"", " and more\n", TS_ERROR_CORRUPT, "bundle"},
    {"", "Bundle", TS_ERROR_CORRUPT, "newline at the end"},
};

static const char good_order[] =
    "Tagship-Order: 1\nKind: order\nSeq: 7\nWritten: 2026-11-24T07:20:00Z\nBase: haikou\n"
    "Release: " OID "\nApp: shop\nTag: v1\nVersion: v1\nRoot: " ROOT "\nCommit: " OID "\n"
    "Files: 3\nBytes: 4\nAt: 2026-12-01T02:00:00Z\nNow: no\nGrace-S: 5\nMax-Outage-S: 6\n"
    "If-Cut-Off: go\nLocal: x\nReason: r\n" GOOD_BUNDLE;

static void test_damage(void)
{
	g_autoptr(Order) good = order_parse(good_order, strlen(good_order), NULL);
	g_assert_nonnull(good);
	for (guint i = 0; i < G_N_ELEMENTS(damages); i++) {
		const Damage *damage = &damages[i];
		const char *at = strstr(good_order, damage->find);
		if (damage->find[0] == '\0')
			at = good_order + strlen(good_order);
		g_assert_nonnull(at);
		g_autofree char *head = g_strndup(good_order, (gsize)(at - good_order));
		g_autofree char *text =
		    g_strconcat(head, damage->replace, at + strlen(damage->find), NULL);
		g_autoptr(GError) error = NULL;
		g_autoptr(Order) order = order_parse(text, strlen(text), &error);
		if (order)
			g_error("row %u was accepted:\n%s", i, text);
		g_assert_error(error, TS_ERROR, damage->code);
		if (!strstr(error->message, damage->expect))
			g_error("row %u: \"%s\" lacks \"%s\"", i, error->message, damage->expect);
	}
}

/* Cut anywhere, an order is refused, except where what is left is one: without its bundle or so. */
static void test_cut(void)
{
	for (gsize len = 0; len < strlen(good_order); len++) {
		g_autofree char *piece = g_malloc(len + 1);
		memcpy(piece, good_order, len);
		piece[len] = 'x'; /* not part of it */
		g_autoptr(GError) error = NULL;
		g_autoptr(Order) order = order_parse(piece, len, &error);
		if (!order) {
			g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
			continue;
		}
		g_assert_cmpint(good_order[len - 1], ==, '\n');
		g_assert_nonnull(g_strstr_len(piece, (gssize)len, "If-Cut-Off: go\n"));
	}
}

static void test_limits(void)
{
	g_autofree char *lots = g_strnfill(ORDER_TEXT_MAX, 'x');
	g_autofree char *text = g_strconcat(good_order, "X-Later: ", lots, "\n", NULL);
	g_autoptr(GError) error = NULL;
	g_autoptr(Order) order = order_parse(text, strlen(text), &error);
	g_assert_null(order);
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	g_clear_error(&error);

	/* keys of later versions pass, anywhere but first */
	g_autofree char *later =
	    g_strconcat("Tagship-Order: 1\nX-A: 1\n", good_order + strlen("Tagship-Order: 1\n"),
			"X-B: 2\n 3\nX-A: 1\n", NULL);
	g_autoptr(Order) read = order_parse(later, strlen(later), &error);
	g_assert_no_error(error);
	g_autofree char *again = order_format(read);
	g_assert_cmpstr(again, ==, good_order);

	static const char nul[] = "Tagship-Order: 1\0\nKind: order\n";
	g_autoptr(Order) none = order_parse(nul, sizeof(nul) - 1, &error);
	g_assert_null(none);
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
}

static void test_bundle(void)
{
	static const char *const good[] = {"- " ROOT " 0 a 0 0",
					   OLD " " ROOT " 1125899906842624 lzma2-dict.2+x 1 1"};
	static const char *const bad[] = {"",
					  "-",
					  "- " ROOT " 0 a 0",
					  "- - 0 a 0 0",
					  "-- " ROOT " 0 a 0 0",
					  "- " ROOT " 0 -a 0 0",
					  "- " ROOT " 0 a 0 0 ",
					  " - " ROOT " 0 a 0 0",
					  "- " ROOT " 1125899906842625 a 0 0",
					  "- " ROOT " 0 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 0 0",
					  "- " ROOT " +1 a 0 0",
					  "-\n" ROOT " 0 a 0 0"};
	for (guint i = 0; i < G_N_ELEMENTS(good); i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(OrderBundle) bundle = order_bundle_parse(good[i], &error);
		g_assert_no_error(error);
		g_autofree char *again = order_bundle_format(bundle);
		g_assert_cmpstr(again, ==, good[i]);
	}
	for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(OrderBundle) bundle = order_bundle_parse(bad[i], &error);
		g_assert_null(bundle);
		g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/order/golden", test_golden);
	g_test_add_func("/order/fields", test_fields);
	g_test_add_func("/order/fields-2", test_fields_2);
	g_test_add_func("/order/small", test_small);
	g_test_add_func("/order/hostile-text", test_hostile_text);
	g_test_add_func("/order/summaries", test_summaries);
	g_test_add_func("/order/damage", test_damage);
	g_test_add_func("/order/cut", test_cut);
	g_test_add_func("/order/limits", test_limits);
	g_test_add_func("/order/bundle", test_bundle);
	return g_test_run();
}
