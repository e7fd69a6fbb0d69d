/* SPDX-License-Identifier: ISC */
/* The writer of patch texts: what patch.c reads. */
#include "delta/patch-private.h"

#define REPLACE_MIN 4 /* as many letters are new letters, not differences */

/* Of the new bytes, how small a part the text must be; and for small files, at most. LZ matching
 * pays about a bit for 900 bytes that match, and some bytes for every edit, but finds what is
 * inserted elsewhere in the reference. */
#define SUITS_PART 256
#define SUITS_SMALL_PART 16
#define SUITS_SMALL_BYTES 16

typedef struct {
	const DeltaPatchPair *pair;
	gsize old_at, new_at;
} Place;

static gboolean is_text(const guint8 *data, gsize len)
{
	for (gsize i = 0; i < len; i++)
		if (data[i] < 0x20 && data[i] != '\n' && data[i] != '\r' && data[i] != '\t')
			return FALSE;
	return TRUE;
}

/* New minus old, as the bytes of a little-endian number. */
static void put_values(GByteArray *out, const guint8 *old_data, const guint8 *new_data, gsize len)
{
	guint borrow = 0;
	for (gsize i = 0; i < len; i++) {
		guint less = old_data[i] + borrow;
		guint value = (guint)(new_data[i] - less) & 0xff;
		guint8 byte = (guint8)(value << 1 ^ (value & 0x80 ? 0xff : 0));
		borrow = new_data[i] < less;
		g_byte_array_append(out, &byte, 1);
	}
}

static PatchKind kind_of(const Place *place, const PatchOp *op)
{
	const DeltaPatchPair *pair = place->pair;
	gsize old_at = place->old_at + op->gap, new_at = place->new_at + op->gap;
	gboolean fits = op->count <= pair->old_bytes - old_at;
	if (new_at + op->count == pair->new_bytes && (op->seek != 0 || !fits))
		return PATCH_INSERT;
	if (op->seek == 0)
		return op->count >= REPLACE_MIN && is_text(pair->new_data + new_at, op->count)
			   ? PATCH_REPLACE
			   : PATCH_EDIT;
	return op->seek == -(gint64)op->count ? PATCH_INSERT : PATCH_SEEK;
}

static void put_op(GByteArray *out, Place *place, const PatchOp *op)
{
	const DeltaPatchPair *pair = place->pair;
	const guint8 *new_data = pair->new_data + place->new_at + op->gap;
	PatchKind kind = kind_of(place, op);
	delta_put_varint(out, op->gap + 1);
	delta_put_varint(out, (guint64)op->count << PATCH_KIND_BITS | kind);
	if (kind == PATCH_SEEK)
		delta_put_zigzag(out, op->seek);
	if (kind == PATCH_EDIT)
		put_values(out, pair->old_data + place->old_at + op->gap, new_data, op->count);
	else
		g_byte_array_append(out, new_data, (guint)op->count);
	place->new_at += op->gap + op->count;
	place->old_at = (gsize)((gint64)(place->old_at + op->gap + op->count) + op->seek);
}

/* FALSE where its text would surely have more than max_bytes. */
static gboolean put_pair(GByteArray *out, const DeltaPatchPair *pair, guint64 max_bytes)
{
	Place place = {.pair = pair};
	g_autoptr(GArray) ops = delta_patch_match(pair, max_bytes);
	if (!ops)
		return FALSE;
	for (guint i = 0; i < ops->len; i++)
		put_op(out, &place, &g_array_index(ops, PatchOp, i));
	if (place.new_at < pair->new_bytes)
		delta_put_varint(out, 0);
	return TRUE;
}

GByteArray *delta_patch_make(const DeltaPatchPair *pairs, guint n)
{
	GByteArray *text = g_byte_array_new();
	for (guint i = 0; i < n; i++)
		if (pairs[i].new_bytes > 0)
			put_pair(text, &pairs[i], G_MAXUINT64);
	return text;
}

GByteArray *delta_patch_make_within(const DeltaPatchPair *pair, guint64 max_bytes)
{
	g_autoptr(GByteArray) text = g_byte_array_new();
	if ((pair->new_bytes > 0 && !put_pair(text, pair, max_bytes)) || text->len > max_bytes)
		return NULL;
	return g_steal_pointer(&text);
}

gboolean delta_patch_suits(const DeltaPatchPair *pair)
{
	g_autoptr(GByteArray) text =
	    delta_patch_make_within(pair, MAX(pair->new_bytes / SUITS_PART, SUITS_SMALL_BYTES));
	guint64 bytes = text ? text->len : G_MAXUINT64 / SUITS_PART;
	return bytes * SUITS_PART <= pair->new_bytes ||
	       (bytes <= SUITS_SMALL_BYTES && bytes * SUITS_SMALL_PART <= pair->new_bytes);
}
