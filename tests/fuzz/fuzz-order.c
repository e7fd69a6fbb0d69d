/* SPDX-License-Identifier: ISC */
/*
 * The texts of the order room. What one of its parsers takes, it writes back as it was (but for
 * keys of later versions, which begin with "X-").
 */
#include "order/accepted.h"

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

static void check_same(const char *text, gsize len, const char *again)
{
	if (len == strlen(again) && memcmp(text, again, len) == 0)
		return;
	g_assert(g_strstr_len(text, (gssize)len, "\nX-"));
}

static void try_order(const char *text, gsize len)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Order) order = order_parse(text, len, &error);
	g_assert((order != NULL) == (error == NULL));
	if (!order)
		return;
	g_autofree char *again = order_format(order);
	g_autofree char *summary = order_summary(order);
	g_assert(strlen(summary) > 0);
	check_same(text, len, again);
}

static void try_report(const char *text, gsize len)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Report) report = report_parse(text, len, &error);
	g_assert((report != NULL) == (error == NULL));
	if (!report)
		return;
	g_autofree char *again = report_format(report);
	g_autofree char *key = report_key(report);
	g_assert(!strchr(key, '/'));
	check_same(text, len, again);
}

static void try_accepted(const char *text, gsize len)
{
	g_autoptr(GError) error = NULL;
	g_auto(AcceptedStop) stop = {0};
	g_autoptr(GPtrArray) orders = accepted_parse(text, len, &stop, &error);
	g_assert((orders != NULL) == (error == NULL));
	if (!orders)
		return;
	g_autofree char *again = accepted_format(orders, &stop);
	/* format 1 is written anew as 2, which then stays */
	if (!g_str_has_prefix(text, "tagship-accepted 1\n")) {
		check_same(text, len, again);
		return;
	}
	g_autoptr(GPtrArray) second = accepted_parse(again, strlen(again), NULL, NULL);
	g_assert(second && second->len == orders->len);
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
	/* a copy of exactly this size, so that the sanitizer sees a read behind it */
	g_autofree char *copy = g_memdup2(data, size);
	const char *text = copy ? copy : "";
	try_order(text, size);
	try_report(text, size);
	try_accepted(text, size);
	g_autofree char *line = g_strndup(text, size);
	g_autoptr(OrderBundle) bundle = order_bundle_parse(line, NULL);
	if (bundle) {
		g_autofree char *again = order_bundle_format(bundle);
		g_assert(strcmp(again, line) == 0);
	}
	return 0;
}
