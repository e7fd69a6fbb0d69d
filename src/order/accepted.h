/* SPDX-License-Identifier: ISC */
/*
 * The accepted orders of one app at a base as one text file (ROOT/accepted/APP): mirror writes
 * it from the verified ledger, stage and activate read it, so that they need no git.
 * Format: "tagship-accepted 3\n", "stop SEQ REASON\n", then per order a line
 * "order LENGTH CANCEL_SEQ REASON GATE REASON TRUST REASON\n" followed by LENGTH bytes of order
 * text. A SEQ is 0 where there is no stop, and for an order that stands; GATE is "-", "open" or
 * "shut"; TRUST is "-" where the base keeps no signers, else "signed", "unsigned" or "refused".
 * REASON is "-", or quoted as g_strescape does: one line of ASCII. All orders must be of one app;
 * other kinds than ORDER have no place here. Format 2, which is read as well, has no TRUST REASON,
 * format 1 no stop line and no GATE REASON either.
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
	gboolean gate_decided, gate_open;
	char *gate_reason; /* NULL unless decided */
	OrderTrust trust;
	char *trust_reason; /* who signed it, or what is wrong; NULL without signers */
} AcceptedOrder;

/* Central lets nothing of this app activate. */
typedef struct {
	guint64 seq;  /* 0: it does not */
	char *reason; /* NULL if it does not */
} AcceptedStop;
void accepted_stop_clear(AcceptedStop *stop);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AcceptedStop, accepted_stop_clear)

void accepted_order_free(AcceptedOrder *accepted);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AcceptedOrder, accepted_order_free)

/* A GCompareFunc for arrays of AcceptedOrder: by sequence number. */
gint accepted_compare_seq(gconstpointer a, gconstpointer b);

/* GPtrArray of AcceptedOrder, freed with it; a damaged file is CORRUPT, a newer one UNSUPPORTED. */
GPtrArray *accepted_parse(const char *text, gsize len, AcceptedStop *ret_stop, GError **error);
char *accepted_format(const GPtrArray *accepted, const AcceptedStop *stop);
