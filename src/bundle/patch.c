/* SPDX-License-Identifier: ISC */
/* Segments of codec 2: byte-wise differences (delta/patch.h), coded. */
#include "bundle/bundle-private.h"
#include "delta/patch.h"

/* The files of a segment with their counterparts, in order. */
static DeltaPatchPair *pairs_of(const DeltaSegment *segment, const DeltaChanges *changes,
				guint first_item, const guint8 *refs, const guint8 *contents,
				guint *ret_n)
{
	DeltaPatchPair *pairs = g_new0(DeltaPatchPair, segment->n_refs);
	guint n = 0;
	guint64 left = segment->bytes;
	for (guint i = first_item; left > 0; i++) {
		const DeltaItem *item =
		    delta_changes_item(changes, g_array_index(changes->order, guint, i));
		if (item->entry.size == 0)
			continue;
		const DeltaRef *ref =
		    &g_array_index(changes->refs, DeltaRef, segment->first_ref + n);
		pairs[n++] = (DeltaPatchPair){refs, ref->length, contents, item->entry.size};
		refs += ref->length;
		contents += contents ? item->entry.size : 0;
		left -= item->entry.size;
	}
	*ret_n = n;
	return pairs;
}

GByteArray *bundle_patch_encode(const DeltaSegment *segment, const DeltaChanges *changes,
				guint first_item, const guint8 *refs, const guint8 *contents,
				GError **error)
{
	guint n = 0;
	DeltaStream all = delta_segment_stream(segment);
	g_autofree DeltaPatchPair *pairs =
	    pairs_of(segment, changes, first_item, refs, contents, &n);
	g_autoptr(GByteArray) text = delta_patch_make(pairs, n);
	if (text->len > delta_patch_text_max(segment->bytes)) {
		util_error_set(error, TS_ERROR_FAILED,
			       "files differ more than was planned (a defect in tagship)");
		return NULL;
	}
	DeltaStream stream = delta_patch_stream(&all, text->len);
	g_autoptr(GByteArray) out = g_byte_array_new();
	delta_varint_append(out, text->len);
	g_autoptr(DeltaCoder) coder = delta_encoder_new(&stream, NULL, error);
	if (!coder || !delta_coder_all(coder, text->data, text->len, out, G_MAXUINT, error))
		return NULL;
	return g_steal_pointer(&out);
}

static GByteArray *decode_text(const DeltaSegment *segment, const GByteArray *coded, GError **error)
{
	guint64 bytes = 0;
	gsize skip = 0;
	DeltaStream all = delta_segment_stream(segment);
	if (!delta_varint_read(coded->data, coded->len, &bytes, &skip) ||
	    bytes > delta_patch_text_max(segment->bytes)) {
		util_error_set(error, TS_ERROR_CORRUPT, "its length is damaged");
		return NULL;
	}
	DeltaStream stream = delta_patch_stream(&all, bytes);
	g_autoptr(GByteArray) text = g_byte_array_sized_new((guint)bytes);
	g_autoptr(DeltaCoder) coder = delta_decoder_new(&stream, NULL, error);
	if (!coder || !delta_coder_all(coder, coded->data + skip, coded->len - skip, text,
				       (gsize)bytes, error))
		return NULL;
	if (text->len == bytes)
		return g_steal_pointer(&text);
	util_error_set(error, TS_ERROR_CORRUPT, "it has not the length it claims");
	return NULL;
}

gboolean bundle_patch_decode(const DeltaSegment *segment, const DeltaChanges *changes,
			     guint first_item, const guint8 *refs, const GByteArray *coded,
			     BundleSink sink, gpointer user_data, GError **error)
{
	guint n = 0;
	g_autoptr(GByteArray) text = decode_text(segment, coded, error);
	if (!text)
		return FALSE;
	g_autofree DeltaPatchPair *pairs = pairs_of(segment, changes, first_item, refs, NULL, &n);
	return delta_patch_apply(text->data, text->len, pairs, n, sink, user_data, error);
}

guint64 *bundle_patch_costs(const DeltaSegment *segment, const DeltaChanges *changes,
			    guint first_item, const guint8 *refs, const GByteArray *coded,
			    GError **error)
{
	guint n = 0;
	guint64 so_far = 0;
	g_autoptr(GByteArray) text = decode_text(segment, coded, error);
	if (!text)
		return NULL;
	g_autofree DeltaPatchPair *pairs = pairs_of(segment, changes, first_item, refs, NULL, &n);
	g_autofree guint64 *costs = g_new0(guint64, (gsize)n + 1);
	if (!delta_patch_measure(text->data, text->len, pairs, n, costs, error))
		return NULL;
	for (guint i = 0; i < n; i++) {
		guint64 from = so_far;
		so_far += costs[i];
		costs[i] =
		    coded->len * so_far / MAX(text->len, 1) - coded->len * from / MAX(text->len, 1);
	}
	return g_steal_pointer(&costs);
}
