/* SPDX-License-Identifier: ISC */
/*
 * What a release's record says to the ledgers of its bases, and what of it a ledger lacks. The
 * ledgers are the fan-out of the record: it compares and appends, so that it may be interrupted
 * anywhere and run again. Pure.
 *
 *   g_autoptr(GPtrArray) told = decide_told(app, release, decisions, n_decisions, error);
 *   for each DecideTold of it, in this order:
 *           if (decide_lacks(told, &what its base's ledger holds by now)) append told->entry;
 */
#pragma once

#include "decide/release.h"

typedef struct {
	Order *entry; /* ORDER, CANCEL or GATE (with its wave); the ledger counts its seq */
	guint nth;    /* ORDER: of those for its base, from 1 */
} DecideTold;

/* What the ledger of a base holds of a release. */
typedef struct {
	guint orders; /* with all revisions */
	guint wave;   /* of its newest order */
	gboolean cancelled, gate_said;
} DecideHeld;

/* DecideTold array: orders as they were decided; a cancel or a word to every base that has an order
 * by then, or to the only one that is named. CORRUPT: an order or a wave that cannot be read. */
GPtrArray *decide_told(const char *app, const char *release, const DecideDecision *decisions,
		       guint n_decisions, GError **error);
gboolean decide_lacks(const DecideTold *told, const DecideHeld *held);
/* The cancel that holds at this base, its own or that of the whole; base NULL: of the whole. NULL:
 * there is none. */
const DecideDecision *decide_cancel_of(const DecideDecision *decisions, guint n_decisions,
				       const char *base);
