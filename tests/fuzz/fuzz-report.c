/* SPDX-License-Identifier: ISC */
/* The text of a report, and of a bundle's line in an order (the first byte is 'b'). */
#include "order-texts.h"
#include "order/order.h"

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

static void try_report(const char *text, gsize len)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Report) report = report_parse(text, len, &error);
	g_assert((report != NULL) == (error == NULL));
	if (!report)
		return;
	g_autofree char *again = report_format(report);
	g_autofree char *key = report_key(report);
	g_assert(!strchr(key, '/') && key[0] != '.');
	check_same(text, len, again);
}

static void try_bundle(const char *text, gsize len)
{
	g_autofree char *line = g_strndup(text, len);
	g_autoptr(GError) error = NULL;
	g_autoptr(OrderBundle) bundle = order_bundle_parse(line, &error);
	g_assert((bundle != NULL) == (error == NULL));
	if (!bundle)
		return;
	g_autofree char *again = order_bundle_format(bundle);
	g_assert_cmpstr(again, ==, line);
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
	/* a copy of exactly this size, so that the sanitizer sees a read behind it */
	g_autofree char *copy = g_memdup2(data, size);
	if (size > 0 && data[0] == 'b')
		try_bundle(copy + 1, size - 1);
	else
		try_report(copy ? copy : "", size);
	return 0;
}
