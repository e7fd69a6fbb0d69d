/* SPDX-License-Identifier: ISC */
/* The part of a change list that says how contents are coded. */
#include "delta/parse-private.h"

static gboolean get_order(DeltaParser *parser, GError **error)
{
	guint count = parser->numbers->len;
	g_autofree guint8 *seen = g_malloc0((gsize)count + 1);
	guint expected = 0;
	for (guint i = 0; i < count - parser->together; i++) {
		guint n = 0;
		if (!delta_get_index(&parser->columns[COLUMN_ORDER], expected, count, &n) ||
		    seen[n])
			return delta_parser_corrupt(error, "column order");
		guint item = g_array_index(parser->numbers, guint, n);
		if (delta_changes_item(parser->changes, item)->source != DELTA_NEW)
			return delta_parser_corrupt(error, "column order");
		seen[n] = 1;
		expected = n + 1;
		g_array_append_val(parser->changes->order, item);
	}
	return TRUE;
}

static gboolean get_ref(DeltaParser *parser, guint *expected, DeltaRef *ret_ref)
{
	DeltaReader *refs = &parser->columns[COLUMN_REFS];
	guint64 value = 0;
	if (!delta_get_varint(refs, G_MAXUINT64 >> 1, &value))
		return FALSE;
	gint64 index = (gint64)*expected + delta_unzigzag(value >> 1);
	if (index < 0 || index >= (gint64)parser->old_tree->count + parser->old_tree->parts)
		return FALSE;
	const DeltaEntry *old = &parser->old_tree->entries[index];
	DeltaRef ref = {.old_index = (guint)index, .length = old->size};
	if (value & 1 && (!delta_get_varint(refs, old->size, &ref.offset) ||
			  !delta_get_varint(refs, old->size - ref.offset, &ref.length)))
		return FALSE;
	*expected = ref.old_index + 1;
	*ret_ref = ref;
	return old->type == DELTA_FILE;
}

static gboolean add_ref(DeltaParser *parser, DeltaSegment *segment, const DeltaRef *ref)
{
	if (ref->length > DELTA_BYTES_MAX - segment->ref_bytes)
		return FALSE;
	if (ref->length == parser->old_tree->entries[ref->old_index].size)
		parser->whole_in[ref->old_index] = parser->segment_number;
	segment->ref_bytes += ref->length;
	segment->n_refs++;
	g_array_append_val(parser->changes->refs, *ref);
	return TRUE;
}

/* What a segment says of itself; its references come later. */
static gboolean get_segment(DeltaParser *parser, DeltaSegment *segment)
{
	DeltaReader *in = &parser->columns[COLUMN_SEGMENTS];
	guint64 n_refs = 0;
	if (!delta_get_byte(in, &segment->codec) || !delta_get_byte(in, &segment->props) ||
	    !delta_get_byte(in, &segment->flags) ||
	    segment->flags > (DELTA_COUNTERPARTS | DELTA_ADDED_NAMES) ||
	    !delta_get_varint(in, parser->changes->content_bytes, &segment->bytes) ||
	    segment->bytes == 0 || !delta_get_varint(in, G_MAXUINT, &n_refs))
		return FALSE;
	segment->n_listed = (guint)n_refs;
	return TRUE;
}

static gboolean get_segments(DeltaParser *parser, GError **error)
{
	guint64 left = parser->changes->content_bytes;
	while (!delta_parser_empty(parser, COLUMN_SEGMENTS)) {
		DeltaSegment segment = {0};
		if (!delta_parser_charge(parser, 2 * sizeof segment) ||
		    !get_segment(parser, &segment) || segment.bytes > left)
			return delta_parser_corrupt(error, "a segment");
		if (!delta_codec_known(segment.codec))
			return util_error_set(error, TS_ERROR_UNSUPPORTED,
					      "codec %u is not known here: a newer tagship made "
					      "this bundle",
					      (guint)segment.codec);
		left -= segment.bytes;
		g_array_append_val(parser->changes->segments, segment);
	}
	return left == 0 || delta_parser_corrupt(error, "segments and contents differ in size");
}

/* Codec 2 knows whole files only, each with a counterpart. */
static gboolean patch_fits(const DeltaSegment *segment, guint64 into, const DeltaItem *item,
			   gboolean counterpart, guint64 left)
{
	return segment->codec != DELTA_CODEC_PATCH || item->entry.size == 0 ||
	       (segment->flags == DELTA_COUNTERPARTS && segment->n_listed == 0 && into == 0 &&
		counterpart && item->entry.size <= left);
}

/* Codec 2 wants them file by file. */
static gboolean has_whole(const DeltaParser *parser, const DeltaSegment *segment,
			  const DeltaRef *ref)
{
	return segment->codec != DELTA_CODEC_PATCH &&
	       parser->whole_in[ref->old_index] == parser->segment_number;
}

/* Goes through the files in order and adds the counterparts of those that begin in a segment;
 * *at and *into say where the segment begins, and are moved to where the next one does. */
static gboolean add_counterparts(DeltaParser *parser, DeltaSegment *segment, guint *at,
				 guint64 *into)
{
	const GArray *order = parser->changes->order;
	guint64 left = segment->bytes;
	while (left > 0) {
		const DeltaItem *item =
		    delta_changes_item(parser->changes, g_array_index(order, guint, *at));
		DeltaRef ref;
		gboolean counterpart = delta_counterpart(item, parser->old_tree, &ref);
		if (!patch_fits(segment, *into, item, counterpart, left))
			return FALSE;
		if (segment->flags & DELTA_COUNTERPARTS && *into == 0 && item->entry.size > 0 &&
		    counterpart && !has_whole(parser, segment, &ref) &&
		    (!delta_parser_charge(parser, 2 * sizeof ref) ||
		     !add_ref(parser, segment, &ref)))
			return FALSE;
		guint64 part = MIN(left, item->entry.size - *into);
		left -= part;
		*into += part;
		if (*into < item->entry.size)
			continue;
		*into = 0;
		(*at)++;
	}
	return TRUE;
}

static gboolean get_segment_refs(DeltaParser *parser, DeltaSegment *segment, guint *expected,
				 GError **error)
{
	segment->first_ref = parser->changes->refs->len;
	for (guint k = 0; k < segment->n_listed; k++) {
		DeltaRef ref;
		if (!delta_parser_charge(parser, 2 * sizeof ref) ||
		    !get_ref(parser, expected, &ref) || !add_ref(parser, segment, &ref))
			return delta_parser_corrupt(error, "a reference");
	}
	return TRUE;
}

static gboolean get_all_refs(DeltaParser *parser, GError **error)
{
	g_autoptr(GByteArray) names = delta_changes_added_names(parser->changes, parser->old_tree);
	guint expected = 0;
	guint at = 0;
	guint64 into = 0;
	for (guint i = 0; i < parser->changes->segments->len; i++) {
		DeltaSegment *segment = &g_array_index(parser->changes->segments, DeltaSegment, i);
		parser->segment_number = i + 1;
		if (!get_segment_refs(parser, segment, &expected, error))
			return FALSE;
		if (!add_counterparts(parser, segment, &at, &into))
			return delta_parser_corrupt(error, "a segment's counterparts");
		if (segment->flags & DELTA_ADDED_NAMES)
			segment->ref_bytes += names->len;
	}
	return TRUE;
}

static gboolean get_refs(DeltaParser *parser, GError **error)
{
	gsize olds = (gsize)parser->old_tree->count + parser->old_tree->parts;
	if (!delta_parser_charge(parser, (guint64)olds * sizeof(guint)))
		return delta_parser_corrupt(error, "it is larger than the memory allowed");
	parser->whole_in = g_new0(guint, olds + 1);
	gboolean ok = get_all_refs(parser, error);
	g_clear_pointer(&parser->whole_in, g_free);
	return ok;
}

gboolean delta_parser_plan(DeltaParser *parser, GError **error)
{
	return get_order(parser, error) && get_segments(parser, error) && get_refs(parser, error);
}
