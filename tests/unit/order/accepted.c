/* SPDX-License-Identifier: ISC */
#include "order/accepted.h"

#define HEAD "tagship-accepted 1\n"
#define HEAD_2 "tagship-accepted 2\nstop 0 -\n"
#define HEAD_3 "tagship-accepted 3\nstop 0 -\n"

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
	g_autofree char *text = golden("accepted-1.txt", &len);
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) orders = accepted_parse(text, len, NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(orders->len, ==, 3);
	const AcceptedOrder *first = g_ptr_array_index(orders, 0);
	const AcceptedOrder *second = g_ptr_array_index(orders, 1);
	const AcceptedOrder *third = g_ptr_array_index(orders, 2);
	g_assert_true(first->cancelled);
	g_assert_cmpuint(first->cancel_seq, ==, 13);
	g_assert_cmpstr(first->cancel_reason, ==, "deleted by \"Ann\"\nwörtlich");
	g_assert_cmpstr(first->order->version, ==, "v1.4.0");
	g_assert_false(second->cancelled);
	g_assert_cmpuint(second->cancel_seq, ==, 0);
	g_assert_null(second->cancel_reason);
	g_assert_true(second->order->is_now);
	g_assert_true(third->cancelled);
	g_assert_null(third->cancel_reason);
}

static void test_golden_2(void)
{
	gsize len = 0;
	g_autofree char *text = golden("accepted-2.txt", &len);
	g_auto(AcceptedStop) stop = {0};
	g_autoptr(GPtrArray) orders = accepted_parse(text, len, &stop, NULL);
	g_assert_nonnull(orders);
	g_assert_cmpuint(orders->len, ==, 3);
	const AcceptedOrder *first = g_ptr_array_index(orders, 0);
	const AcceptedOrder *second = g_ptr_array_index(orders, 1);
	const AcceptedOrder *third = g_ptr_array_index(orders, 2);
	g_assert_cmpint(first->trust, ==, ORDER_TRUST_CENTRAL);
	g_assert_cmpuint(stop.seq, ==, 17);
	g_assert_cmpstr(stop.reason, ==, "central's \"stop\"");
	g_assert_false(first->gate_decided);
	g_assert_true(second->gate_decided && second->gate_open);
	g_assert_cmpstr(second->gate_reason, ==, "all staged");
	g_assert_true(third->gate_decided && !third->gate_open);
}

static void test_golden_3(void)
{
	gsize len = 0;
	g_autofree char *text = golden("accepted-3.txt", &len);
	g_auto(AcceptedStop) stop = {0};
	g_autoptr(GPtrArray) orders = accepted_parse(text, len, &stop, NULL);
	g_assert_nonnull(orders);
	g_autofree char *again = accepted_format(orders, &stop);
	g_assert_cmpstr(again, ==, text);
	g_assert_cmpuint(orders->len, ==, 3);
	const AcceptedOrder *first = g_ptr_array_index(orders, 0);
	const AcceptedOrder *second = g_ptr_array_index(orders, 1);
	const AcceptedOrder *third = g_ptr_array_index(orders, 2);
	g_assert_cmpint(first->trust, ==, ORDER_TRUST_SIGNED);
	g_assert_cmpstr(first->trust_reason, ==, "ana@example.com SHA256:abc");
	g_assert_cmpint(second->trust, ==, ORDER_TRUST_UNSIGNED);
	g_assert_cmpint(third->trust, ==, ORDER_TRUST_REFUSED);
	g_assert_cmpstr(third->trust_reason, ==, "time: the signed tag says \"two\"");
}

static void test_empty(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) none = accepted_parse(HEAD, strlen(HEAD), NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(none->len, ==, 0);
	g_autofree char *text = accepted_format(none, NULL);
	g_assert_cmpstr(text, ==, HEAD_3);
}

/* The reason of a cancel may be any text. */
static void test_reasons(void)
{
	static const char *const reasons[] = {"",   "-",       "\"",   "\\",       "a b",
					      "\n", "order 1", "\x01", "\xff\xfe", "\\n\"-"};
	gsize len = 0;
	g_autofree char *text = golden("accepted-1.txt", &len);
	g_autoptr(GPtrArray) orders = accepted_parse(text, len, NULL, NULL);
	AcceptedOrder *first = g_ptr_array_index(orders, 0);
	for (guint i = 0; i < G_N_ELEMENTS(reasons); i++) {
		g_free(first->cancel_reason);
		first->cancel_reason = g_strdup(reasons[i]);
		g_autofree char *written = accepted_format(orders, NULL);
		g_autoptr(GError) error = NULL;
		g_autoptr(GPtrArray) again = accepted_parse(written, strlen(written), NULL, &error);
		g_assert_no_error(error);
		g_assert_cmpuint(again->len, ==, 3);
		const AcceptedOrder *read = g_ptr_array_index(again, 0);
		g_assert_cmpstr(read->cancel_reason, ==, reasons[i]);
	}
	g_free(first->cancel_reason);
	first->cancel_reason = g_strnfill(2 * ORDER_NOTE_MAX, '\x02');
	g_autofree char *written = accepted_format(orders, NULL);
	g_autoptr(GPtrArray) again = accepted_parse(written, strlen(written), NULL, NULL);
	g_assert_nonnull(again);
	const AcceptedOrder *read = g_ptr_array_index(again, 0);
	g_assert_cmpuint(strlen(read->cancel_reason), ==, ORDER_NOTE_MAX);
}

static void expect_bad(const char *text, gsize len, int code, const char *expect)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) orders = accepted_parse(text, len, NULL, &error);
	if (orders)
		g_error("accepted:\n%s", text);
	g_assert_error(error, TS_ERROR, code);
	if (!strstr(error->message, expect))
		g_error("\"%s\" lacks \"%s\"", error->message, expect);
}

static void test_damage(void)
{
	static const struct {
		const char *head; /* "#": the right length */
		const char *expect;
	} heads[] = {
	    {"order # 0 x", "first line is damaged"},
	    {"order # 0 \"x\"", "first line is damaged"}, /* a reason without a cancel */
	    {"order # 1 x", "first line is damaged"},
	    {"order # 1 \"x", "first line is damaged"},
	    {"order # 1 \"", "first line is damaged"},
	    {"order # 1 \"\\q\"", "first line is damaged"},
	    {"order # 1 \"\\000\"", "first line is damaged"},
	    {"order # 1 \"\xc3\xb6\"", "first line is damaged"},
	    {"order # 01 -", "first line is damaged"},
	    {"order 0# 1 -", "first line is damaged"},
	    {"order  # 1 -", "first line is damaged"},
	    {"order # 1 - ", "first line is damaged"},
	    {"order # 1", "first line is damaged"},
	    {"orders # 1 -", "first line is damaged"},
	    {"order -# 1 -", "first line is damaged"},
	    {"order 0 1 -", "first line is damaged"},
	    {"order 999# 0 -", "first line is damaged"},
	    {"order 1# 0 -", "cut short"},
	    {"order 10 0 -", "newline"},
	    {"order # 0 - - -", "first line is damaged"}, /* of format 2 */
	};
	static const char *const heads_2[] = {
	    "order # 0 -",      "order # 0 - - \"x\"", "order # 0 - ajar -",
	    "order # 0 - open", "order # 0 - open x",  "order # 0 - open - -",
	    "stop 0 -"};
	static const char *const heads_3[] = {
	    "order # 0 - - -",          "order # 0 - - - signed",
	    "order # 0 - - - signed x", "order # 0 - - - believed -",
	    "order # 0 - - - - - -",    "order # 0 - - -  -"};
	static const char *const stops[] = {"stop 0 \"x\"", "stop -", "stop 1 x", "stop 01 -", ""};
	gsize len = 0;
	g_autofree char *order = golden("order-1.txt", &len);
	g_autofree char *number = g_strdup_printf("%" G_GSIZE_FORMAT, len);
	for (guint i = 0; i < G_N_ELEMENTS(heads); i++) {
		g_auto(GStrv) parts = g_strsplit(heads[i].head, "#", 2);
		g_autofree char *head = g_strjoinv(number, parts);
		g_autofree char *text = g_strconcat(HEAD, head, "\n", order, NULL);
		expect_bad(text, strlen(text), TS_ERROR_CORRUPT, heads[i].expect);
	}
	for (guint i = 0; i < G_N_ELEMENTS(heads_2); i++) {
		g_auto(GStrv) parts = g_strsplit(heads_2[i], "#", 2);
		g_autofree char *head = g_strjoinv(number, parts);
		g_autofree char *text = g_strconcat(HEAD_2, head, "\n", order, NULL);
		expect_bad(text, strlen(text), TS_ERROR_CORRUPT, "first line is damaged");
	}
	for (guint i = 0; i < G_N_ELEMENTS(heads_3); i++) {
		g_auto(GStrv) parts = g_strsplit(heads_3[i], "#", 2);
		g_autofree char *head = g_strjoinv(number, parts);
		g_autofree char *text = g_strconcat(HEAD_3, head, "\n", order, NULL);
		expect_bad(text, strlen(text), TS_ERROR_CORRUPT, "first line is damaged");
	}
	for (guint i = 0; i < G_N_ELEMENTS(stops); i++) {
		g_autofree char *text = g_strconcat("tagship-accepted 2\n", stops[i], "\n", NULL);
		expect_bad(text, strlen(text), TS_ERROR_CORRUPT, "stop");
	}
	expect_bad("", 0, TS_ERROR_CORRUPT, "first line");
	expect_bad("tagship-accepted 1", 18, TS_ERROR_CORRUPT, "first line");
	expect_bad("tagship-accepted 4\n", 19, TS_ERROR_UNSUPPORTED, "newer");
	expect_bad("tagship-accepted 0\n", 19, TS_ERROR_CORRUPT, "first line");
	expect_bad("tagship-accepted 1\r\n", 20, TS_ERROR_CORRUPT, "first line");
	expect_bad(HEAD "\n", strlen(HEAD) + 1, TS_ERROR_CORRUPT, "order 1");
	static const char nul[] = "tagship-accepted 1\0and more\n"; /* found by the fuzzer */
	expect_bad(nul, sizeof(nul) - 1, TS_ERROR_CORRUPT, "first line");
}

static void test_kinds(void)
{
	static const char *const names[] = {"cancel-1.txt", "heartbeat-1.txt"};
	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		gsize len = 0;
		g_autofree char *order = golden(names[i], &len);
		g_autofree char *text =
		    g_strdup_printf(HEAD "order %" G_GSIZE_FORMAT " 0 -\n%s", len, order);
		expect_bad(text, strlen(text), TS_ERROR_CORRUPT, "of another kind");
	}
	gsize len = 0;
	g_autofree char *order = golden("order-1.txt", &len);
	g_auto(GStrv) parts = g_strsplit(order, "App: shop", 2);
	g_autofree char *other = g_strjoinv("App: exam", parts);
	g_autofree char *text = g_strdup_printf(HEAD "order %" G_GSIZE_FORMAT
						     " 0 -\n%sorder %" G_GSIZE_FORMAT " 0 -\n%s",
						len, order, len, other);
	expect_bad(text, strlen(text), TS_ERROR_CORRUPT, "of another app");
}

/* Cut anywhere but between two orders, the file is refused. */
static void test_cut(void)
{
	gsize whole = 0;
	g_autofree char *text = golden("accepted-3.txt", &whole);
	guint good = 0;
	for (gsize len = 0; len < whole; len++) {
		g_autofree char *piece = g_malloc(len + 1);
		memcpy(piece, text, len);
		piece[len] = 'x'; /* not part of it */
		g_autoptr(GPtrArray) orders = accepted_parse(piece, len, NULL, NULL);
		good += orders != NULL;
	}
	g_assert_cmpuint(good, ==, 3); /* none, one or two orders */
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/accepted/golden", test_golden);
	g_test_add_func("/accepted/golden-2", test_golden_2);
	g_test_add_func("/accepted/golden-3", test_golden_3);
	g_test_add_func("/accepted/empty", test_empty);
	g_test_add_func("/accepted/reasons", test_reasons);
	g_test_add_func("/accepted/damage", test_damage);
	g_test_add_func("/accepted/kinds", test_kinds);
	g_test_add_func("/accepted/cut", test_cut);
	return g_test_run();
}
