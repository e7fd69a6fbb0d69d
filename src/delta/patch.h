/* SPDX-License-Identifier: ISC */
/*
 * Scattered small edits: contents as byte-wise differences from their old counterparts, after
 * C. Percival, "Naive differences of executable code" (2003): stretches that match but for a few
 * bytes are kept together, and what differs in them is coded as new minus old. LZ matching pays for
 * every edit and for every 273 bytes of a match; this pays for edits only.
 *
 *   writer   text = delta_patch_make(pairs, n)         then coded like any content
 *   reader   delta_patch_apply(text, len, pairs, n, sink, user_data, &error)
 *
 * The text is part of the bundle format (see patch.c). The same pairs give the same text on any
 * machine. Pure bytes; the reader trusts nothing.
 */
#pragma once

#include "util/util.h"

/* One file: its counterpart and it. old_bytes may be 0. */
typedef struct {
	const guint8 *old_data;
	gsize old_bytes;
	const guint8 *new_data; /* the reader leaves it NULL */
	gsize new_bytes;
} DeltaPatchPair;

/* All pairs in one text, in columns, so that equal edits in many files cost little. Takes memory of
 * about four times the largest old_bytes, and time in proportion to all bytes. */
GByteArray *delta_patch_make(const DeltaPatchPair *pairs, guint n);

/* Gives the new bytes of all pairs, one after the other, in pieces. CORRUPT for any text that does
 * not fit the pairs exactly. */
typedef gboolean (*DeltaPatchSink)(gpointer user_data, const guint8 *data, gsize len,
				   GError **error);
gboolean delta_patch_apply(const guint8 *text, gsize len, const DeltaPatchPair *pairs, guint n,
			   DeltaPatchSink sink, gpointer user_data, GError **error);
