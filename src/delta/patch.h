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
 * The same pairs give the same text on any machine. Pure bytes; the reader trusts nothing.
 *
 * THE TEXT is the ops of all pairs, one after the other. Varints are little-endian base 128 in
 * shortest form, `z` marks zigzag. From the start of the old file on until the new one is complete:
 *
 *   varint 0          the rest of the new file is as in the old one
 *   varint N + 1      N bytes as in the old file, then
 *     varint COUNT * 4 + KIND, and for
 *       0 edit        COUNT values, for as many old bytes
 *       1 insert      COUNT new bytes
 *       2 seek        z SEEK, COUNT new bytes (maybe none); the old file goes on COUNT + SEEK bytes
 *                     from where it was
 *       3 replace     COUNT new bytes in place of as many old ones
 *
 * Values are new minus old bytes, each in zigzag as a signed byte (0, -1, 1, -2, …); within an edit
 * they borrow as the bytes of a little-endian number.
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

/* All pairs in one text, so that equal edits in many files cost little. Takes memory of about four
 * times the largest old_bytes, and time in proportion to all bytes. */
GByteArray *delta_patch_make(const DeltaPatchPair *pairs, guint n);
/* The same of one pair; NULL where it would have more than max_bytes, which is often known long
 * before all of it is made. */
GByteArray *delta_patch_make_within(const DeltaPatchPair *pair, guint64 max_bytes);
/* TRUE where this text is surely smaller than what LZ matching would make of the pair: so few bytes
 * differ that matches cost more than edits. */
gboolean delta_patch_suits(const DeltaPatchPair *pair);

/* Gives the new bytes of all pairs, one after the other, in pieces. CORRUPT for any text that does
 * not fit the pairs exactly. */
typedef gboolean (*DeltaPatchSink)(gpointer user_data, const guint8 *data, gsize len,
				   GError **error);
gboolean delta_patch_apply(const guint8 *text, gsize len, const DeltaPatchPair *pairs, guint n,
			   DeltaPatchSink sink, gpointer user_data, GError **error);
/* How many bytes of the text each pair has; errors alike. */
gboolean delta_patch_measure(const guint8 *text, gsize len, const DeltaPatchPair *pairs, guint n,
			     guint64 *ret_bytes, GError **error);
