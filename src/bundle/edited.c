/* SPDX-License-Identifier: ISC */
/*
 * Which contents travel as byte-wise differences: those of which few bytes differ, and programs
 * where a trial shows that it pays. There addresses have changed everywhere, each by as much.
 */
#include "bundle/bundle-private.h"
#include "delta/patch.h"

/* Both files together. */
#define PAIR_BYTES_MAX ((guint64)16 * 1024 * 1024)
#define TRIED_BYTES_MAX ((guint64)64 * 1024 * 1024)
/* Small files gain more from each other. */
#define TRIED_BYTES_MIN ((guint64)1024)
/* Higher ones would take longer, and come out a few percent smaller. */
#define TRIED_EFFORT_MAX 4

static gboolean collect_sink(gpointer user_data, const guint8 *data, gsize len, GError **error)
{
	(void)error; /* cannot fail */
	g_byte_array_append(user_data, data, (guint)len);
	return TRUE;
}

static gboolean coded_within(const DeltaStream *stream, const guint8 *ref, const guint8 *data,
			     gsize max_bytes, GByteArray *out)
{
	g_autoptr(DeltaCoder) coder = delta_encoder_new(stream, ref, NULL);
	return coder && delta_coder_all(coder, data, stream->content_bytes, out, max_bytes, NULL);
}

/* Both ways are gone; the other one only as far as it is smaller. */
static gboolean is_smaller(const DeltaPatchPair *pair, guint effort)
{
	g_autoptr(GByteArray) coded = g_byte_array_new();
	g_autoptr(GByteArray) other = g_byte_array_new();
	/* so that all texts of a segment are within delta_patch_text_max */
	g_autoptr(GByteArray) text = delta_patch_make_within(pair, pair->new_bytes / 2);
	if (!text)
		return FALSE;
	DeltaStream edited = {DELTA_CODEC_PATCH, delta_kind_props(DELTA_EDITED), pair->new_bytes,
			      pair->old_bytes, 0};
	DeltaStream as_text = delta_patch_stream(&edited, text->len);
	DeltaStream as_bytes = {DELTA_CODEC_LZMA2, delta_kind_props(DELTA_BINARY), pair->new_bytes,
				pair->old_bytes, (guint8)MIN(effort, TRIED_EFFORT_MAX)};
	return coded_within(&as_text, NULL, text->data, G_MAXUINT, coded) &&
	       !coded_within(&as_bytes, pair->old_data, pair->new_data,
			     coded->len + coded->len / 16, other);
}

static gboolean is_tried(const DeltaItem *item, const DeltaPatchPair *pair)
{
	return item->kind == DELTA_BINARY && pair->new_bytes >= TRIED_BYTES_MIN;
}

typedef struct {
	const BundleList *old_list, *new_list;
	guint effort;
} Edited;

static gboolean check_item(const Edited *edited, DeltaItem *item, const DeltaEntry *old,
			   GError **error)
{
	g_autoptr(GByteArray) before = g_byte_array_new();
	g_autoptr(GByteArray) after = g_byte_array_new();
	if (!bundle_list_read(edited->old_list, item->basis, 0, old->size, collect_sink, before,
			      error) ||
	    !bundle_list_read(edited->new_list, item->origin, 0, item->entry.size, collect_sink,
			      after, error))
		return FALSE;
	DeltaPatchPair pair = {before->data, before->len, after->data, after->len};
	if (is_tried(item, &pair) ? is_smaller(&pair, edited->effort) : delta_patch_suits(&pair))
		item->kind = DELTA_EDITED;
	return TRUE;
}

gboolean bundle_find_edited(const BundleList *old_list, const BundleList *new_list,
			    DeltaChanges *changes, guint effort, const UtilProgress *progress,
			    GError **error)
{
	Edited edited = {old_list, new_list, effort};
	for (guint i = 0; i < changes->items->len; i++) {
		DeltaItem *item = delta_changes_item(changes, i);
		if (item->entry.type != DELTA_FILE || item->source != DELTA_NEW ||
		    item->entry.size == 0 || item->basis == DELTA_NONE)
			continue;
		const DeltaEntry *old = &old_list->tree.entries[item->basis];
		guint64 most = item->kind == DELTA_BINARY ? TRIED_BYTES_MAX : PAIR_BYTES_MAX;
		if (old->type == DELTA_FILE && old->size > 0 &&
		    old->size + item->entry.size <= most && !check_item(&edited, item, old, error))
			return FALSE;
		util_progress(progress, "comparing", i, changes->items->len);
	}
	return TRUE;
}
