/* SPDX-License-Identifier: ISC */
/*
 * What each new content costs in a delta: segments are decoded from input given byte by byte, and a
 * content costs the bytes that were taken while it came out. (A coder is a few bytes ahead of what
 * it gives; the sum is right.)
 */
#include "bundle/bundle-private.h"

typedef struct {
	const DeltaChanges *changes;
	guint64 *costs;
	guint order_at;
	guint64 left; /* of the content that comes out now */
} Costs;

static const DeltaItem *current(const Costs *costs, guint *ret_index)
{
	*ret_index = g_array_index(costs->changes->order, guint, costs->order_at);
	return delta_changes_item(costs->changes, *ret_index);
}

static void skip_empty(Costs *costs)
{
	guint index = 0;
	while (costs->left == 0 && costs->order_at < costs->changes->order->len) {
		costs->left = current(costs, &index)->entry.size;
		costs->order_at += costs->left == 0;
	}
}

/* So much came out; the next input is for what comes then. */
static void came_out(Costs *costs, guint64 bytes)
{
	skip_empty(costs);
	while (bytes > 0 && costs->left > 0) {
		guint64 part = MIN(bytes, costs->left);
		bytes -= part;
		costs->left -= part;
		if (costs->left == 0) {
			costs->order_at++;
			skip_empty(costs);
		}
	}
}

static void charge(Costs *costs, guint64 bytes)
{
	guint index = 0;
	skip_empty(costs);
	if (costs->order_at == costs->changes->order->len) {
		/* the end of the last segment */
		costs->order_at--;
		(void)current(costs, &index);
		costs->order_at++;
	} else {
		(void)current(costs, &index);
	}
	costs->costs[index] += bytes;
}

static gboolean cost_stream(Costs *costs, const DeltaSegment *segment, const guint8 *refs,
			    const GByteArray *coded, GError **error)
{
	DeltaStream stream = delta_segment_stream(segment);
	g_autoptr(DeltaCoder) coder = delta_decoder_new(&stream, refs, error);
	g_autofree guint8 *out = g_malloc(BUNDLE_CHUNK);
	gboolean done = FALSE;
	for (guint i = 0; coder && i < coded->len; i++) {
		DeltaBuffers buffers = {.in = coded->data + i, .in_len = 1};
		charge(costs, 1);
		do {
			buffers.out = out;
			buffers.out_len = BUNDLE_CHUNK;
			if (!delta_coder_step(coder, &buffers, DELTA_MORE, &done, error))
				return FALSE;
			came_out(costs, BUNDLE_CHUNK - buffers.out_len);
		} while (!done && buffers.out_len == 0);
	}
	return coder != NULL;
}

/* Files of codec 2 are coded as one text: each has its share of it. */
static gboolean cost_patch(Costs *costs, const DeltaSegment *segment, const guint8 *refs,
			   const GByteArray *coded, GError **error)
{
	skip_empty(costs);
	g_autofree guint64 *shares =
	    bundle_patch_costs(segment, costs->changes, costs->order_at, refs, coded, error);
	if (!shares)
		return FALSE;
	for (guint n = 0; n < segment->n_refs; n++) {
		skip_empty(costs);
		guint64 size = costs->left;
		charge(costs, shares[n]);
		came_out(costs, size);
	}
	return TRUE;
}

static gboolean cost_segment(Costs *costs, BundleReader *reader, const BundleList *old_list,
			     guint number, GError **error)
{
	const DeltaSegment *segment =
	    &g_array_index(costs->changes->segments, DeltaSegment, number);
	g_autofree char *name = g_strdup_printf("contents-%u", number + 1);
	g_autoptr(GByteArray) coded = NULL;
	gboolean ok = FALSE;
	if (!bundle_reader_member(reader, name, G_MAXINT32, &coded, error))
		return FALSE;
	g_autofree guint8 *refs = bundle_read_refs(old_list, costs->changes, segment, &ok, error);
	if (!ok)
		return FALSE;
	return segment->codec == DELTA_CODEC_PATCH
		   ? cost_patch(costs, segment, refs, coded, error)
		   : cost_stream(costs, segment, refs, coded, error);
}

gboolean bundle_costs(BundleReader *reader, const DeltaChanges *changes, const BundleList *old_list,
		      guint64 *ret_costs, GError **error)
{
	Costs costs = {.changes = changes, .costs = ret_costs};
	for (guint i = 0; i < changes->segments->len; i++)
		if (!cost_segment(&costs, reader, old_list, i, error))
			return FALSE;
	return TRUE;
}

guint8 *bundle_codecs(const DeltaChanges *changes)
{
	guint8 *codecs = g_malloc0((gsize)changes->items->len + 1);
	guint segment = 0;
	guint64 left = 0;
	for (guint i = 0; i < changes->order->len; i++) {
		guint index = g_array_index(changes->order, guint, i);
		guint64 size = delta_changes_item(changes, index)->entry.size;
		while (left == 0 && size > 0 && segment < changes->segments->len)
			left = g_array_index(changes->segments, DeltaSegment, segment++).bytes;
		if (segment > 0)
			codecs[index] =
			    g_array_index(changes->segments, DeltaSegment, segment - 1).codec;
		while (size > left && segment < changes->segments->len) {
			size -= left;
			left = g_array_index(changes->segments, DeltaSegment, segment++).bytes;
		}
		left -= MIN(left, size);
	}
	return codecs;
}
