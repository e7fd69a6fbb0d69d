/* SPDX-License-Identifier: ISC */
/*
 * The accepted orders of one app at a base as one text file (ROOT/accepted/APP): mirror writes
 * it from the verified ledger, stage and activate read it, so that they need no git.
 * Format: "tagship-accepted 1\n", then per order a line
 * "order LENGTH CANCEL_SEQ REASON-quoted-or--\n" followed by LENGTH bytes of order text.
 * CANCEL_SEQ is 0 for an order that stands. REASON is quoted as g_strescape does: one line of
 * ASCII. All orders must be of one app; other kinds than ORDER have no place here.
 *
 * No crash behaviour: nothing is written (mirror writes the text as a durable file).
 */
#pragma once

#include "order/order.h"

typedef struct {
	Order *order;
	gboolean cancelled;
	guint64 cancel_seq;
	char *cancel_reason; /* NULL unless cancelled */
} AcceptedOrder;

void accepted_order_free(AcceptedOrder *accepted);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AcceptedOrder, accepted_order_free)

/* GPtrArray of AcceptedOrder, freed with it; a damaged file is CORRUPT, a newer one UNSUPPORTED. */
GPtrArray *accepted_parse(const char *text, gsize len, GError **error);
char *accepted_format(const GPtrArray *accepted);
