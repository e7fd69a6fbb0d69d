/* SPDX-License-Identifier: ISC */
/* The text of an order, of a heartbeat, and of all else that stands in a ledger of orders. */
#include "order-texts.h"
#include "order/order.h"

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
	/* a copy of exactly this size, so that the sanitizer sees a read behind it */
	g_autofree char *copy = g_memdup2(data, size);
	g_autoptr(GError) error = NULL;
	g_autoptr(Order) order = order_parse(copy ? copy : "", size, &error);
	g_assert((order != NULL) == (error == NULL));
	if (!order)
		return 0;
	g_autofree char *again = order_format(order);
	g_autofree char *summary = order_summary(order);
	g_assert(*summary);
	check_same(copy, size, again);
	return 0;
}
