/* SPDX-License-Identifier: ISC */
/*
 * ROOT/accepted/APP: what stage and activate believe. The lengths in it make it hard to reach the
 * orders inside, so that the first byte 'o' takes the rest as the text of its only order.
 */
#include "order-texts.h"
#include "order/accepted.h"

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

static void try_accepted(const char *text, gsize len)
{
	g_autoptr(GError) error = NULL;
	g_auto(AcceptedStop) stop = {0};
	g_autoptr(GPtrArray) orders = accepted_parse(text, len, &stop, &error);
	g_assert((orders != NULL) == (error == NULL));
	g_assert(orders || (stop.seq == 0 && !stop.reason));
	if (!orders)
		return;
	g_assert((stop.seq > 0) == (stop.reason != NULL));
	g_autofree char *again = accepted_format(orders, &stop);
	/* older formats are written anew as 3, which then stays */
	if (g_str_has_prefix(text, "tagship-accepted 3\n")) {
		check_same(text, len, again);
		return;
	}
	g_autoptr(GPtrArray) second = accepted_parse(again, strlen(again), NULL, NULL);
	g_assert(second && second->len == orders->len);
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
	g_autofree char *copy = g_memdup2(data, size);
	if (size == 0 || data[0] != 'o') {
		try_accepted(copy ? copy : "", size);
		return 0;
	}
	g_autoptr(GString) file = g_string_new("tagship-accepted 3\nstop 0 -\n");
	g_string_append_printf(file, "order %" G_GSIZE_FORMAT " 0 - - - - -\n", size - 1);
	g_string_append_len(file, copy + 1, (gssize)size - 1);
	try_accepted(file->str, file->len);
	return 0;
}
