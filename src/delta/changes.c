/* SPDX-License-Identifier: ISC */
/* The "changes" member: the change list, coded after the old tree's paths. */
#include "delta/delta-private.h"

/* Tried in this order; the smallest wins. Small values of one column after the other want no
 * position bits. */
static const guint8 candidates[] = {0, 3};

GByteArray *delta_old_names(const DeltaTree *old_tree)
{
	gsize total = 0;
	guint first = old_tree->count;
	while (first > 0 && total < DELTA_NAMES_MAX)
		total += strlen(old_tree->entries[--first].path) + 1;
	GByteArray *names = g_byte_array_sized_new((guint)total + 1);
	for (guint i = first; i < old_tree->count; i++) {
		const char *path = old_tree->entries[i].path;
		g_byte_array_append(names, (const guint8 *)path, (guint)strlen(path));
		g_byte_array_append(names, (const guint8 *)"\n", 1);
	}
	if (names->len > DELTA_NAMES_MAX)
		g_byte_array_remove_range(names, 0, names->len - DELTA_NAMES_MAX);
	return names;
}

guint64 delta_changes_list_bytes(const DeltaChanges *changes, const DeltaTree *old_tree)
{
	g_autoptr(GByteArray) list = delta_changes_format(changes, old_tree);
	g_autoptr(GByteArray) names = delta_old_names(old_tree);
	guint64 bytes = (guint64)old_tree->count * DELTA_LISTED * sizeof(DeltaItem) +
			(guint64)(old_tree->count + old_tree->parts) * sizeof(guint);
	guint files = 0;
	for (guint i = 0; i < changes->items->len; i++) {
		const DeltaItem *item = delta_changes_item(changes, i);
		const DeltaEntry *entry = &item->entry;
		files += entry->type == DELTA_FILE && item->source == DELTA_NEW;
		if (item->source == DELTA_KEPT || i >= changes->count)
			continue;
		bytes += DELTA_LISTED * sizeof *item + strlen(entry->path) + 1;
		bytes += entry->target ? strlen(entry->target) + 1 : 0;
	}
	/* order and references: at most that much text and memory each; slices of large files */
	guint64 refs = (guint64)files + changes->deleted->len + old_tree->parts;
	for (guint i = 0; i < changes->likes->len; i++)
		refs += g_array_index(changes->likes, guint, i) != DELTA_NONE;
	guint64 slices = changes->content_bytes / 4096 + 4096;
	return bytes + delta_parts_list_bytes(changes, old_tree) + 2 * (guint64)list->len +
	       refs * (2 * sizeof(DeltaRef) + 32) + slices +
	       delta_list_memory(names->len, list->len + 16 * refs + slices / 4);
}

static GByteArray *encode_with(const GByteArray *list, const GByteArray *before, guint8 props,
			       GError **error)
{
	DeltaStream stream = {DELTA_CODEC_LZMA2, props, list->len, before->len, DELTA_EFFORT_MAX};
	g_autoptr(GByteArray) out = g_byte_array_new();
	g_byte_array_append(out, &props, 1);
	delta_put_varint(out, list->len);
	g_autoptr(DeltaCoder) coder = delta_encoder_new(&stream, before->data, error);
	if (!coder || !delta_coder_all(coder, list->data, list->len, out, G_MAXUINT, error))
		return NULL;
	return g_steal_pointer(&out);
}

GByteArray *delta_list_encode(const GByteArray *list, const GByteArray *before, GError **error)
{
	g_autoptr(GByteArray) best = NULL;
	for (guint i = 0; i < G_N_ELEMENTS(candidates); i++) {
		g_autoptr(GByteArray) out = encode_with(list, before, candidates[i], error);
		if (!out)
			return NULL;
		if (best && best->len <= out->len)
			continue;
		g_clear_pointer(&best, g_byte_array_unref);
		best = g_steal_pointer(&out);
	}
	return g_steal_pointer(&best);
}

GByteArray *delta_changes_encode(const DeltaChanges *changes, const DeltaTree *old_tree,
				 GError **error)
{
	g_autoptr(GByteArray) list = delta_changes_format(changes, old_tree);
	g_autoptr(GByteArray) names = delta_old_names(old_tree);
	GByteArray *out = delta_list_encode(list, names, error);
	if (!out)
		g_prefix_error(error, "change list: ");
	return out;
}

/* As much as both lists' coders take: what stands before twice, the list twice. */
guint64 delta_list_memory(guint64 before_bytes, guint64 list_bytes)
{
	DeltaStream stream = {DELTA_CODEC_LZMA2, 0, list_bytes, before_bytes, 0};
	return delta_decoder_memory(&stream) + list_bytes;
}

GByteArray *delta_list_decode(const guint8 *data, gsize len, const GByteArray *before,
			      guint64 max_bytes, guint64 *ret_bytes, GError **error)
{
	DeltaReader reader = {data, len > 0 ? data + len : data};
	DeltaStream stream = {.codec = DELTA_CODEC_LZMA2, .ref_bytes = before->len};
	if (!delta_get_byte(&reader, &stream.props) ||
	    !delta_get_varint(&reader, G_MAXUINT32, &stream.content_bytes)) {
		util_error_set(error, TS_ERROR_CORRUPT, "it is damaged: its beginning");
		return NULL;
	}
	*ret_bytes = delta_list_memory(before->len, stream.content_bytes);
	if (delta_decoder_memory(&stream) == G_MAXUINT64 || *ret_bytes > max_bytes) {
		util_error_set(error, TS_ERROR_CORRUPT,
			       "it claims %" G_GUINT64_FORMAT
			       " bytes, more than the memory allowed",
			       stream.content_bytes);
		return NULL;
	}
	g_autoptr(DeltaCoder) coder = delta_decoder_new(&stream, before->data, error);
	g_autoptr(GByteArray) list = g_byte_array_new();
	if (!coder || !delta_coder_all(coder, reader.at, (gsize)(reader.end - reader.at), list,
				       stream.content_bytes, error))
		return NULL;
	if (list->len != stream.content_bytes) {
		util_error_set(error, TS_ERROR_CORRUPT, "it is damaged: its length");
		return NULL;
	}
	return g_steal_pointer(&list);
}

DeltaChanges *delta_changes_decode(const guint8 *data, gsize len, const DeltaTree *old_tree,
				   guint64 max_bytes, GError **error)
{
	guint64 coder = 0;
	g_autoptr(GByteArray) names = delta_old_names(old_tree);
	g_autoptr(GByteArray) list = delta_list_decode(data, len, names, max_bytes, &coder, error);
	if (!list) {
		g_prefix_error(error, "change list: ");
		return NULL;
	}
	DeltaChanges *changes =
	    delta_changes_parse(list->data, list->len, old_tree, max_bytes - coder, error);
	if (changes)
		delta_pending_charged(changes, coder);
	return changes;
}
