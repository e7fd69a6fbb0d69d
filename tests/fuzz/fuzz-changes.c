/* SPDX-License-Identifier: ISC */
/*
 * Change lists against a small old tree: the first byte says whether the rest is the list itself or
 * the coded member. What is taken must be sound: the caller indexes trees with it.
 */
#include "delta/delta.h"

#define MEMORY ((guint64)1024 * 1024)

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

static const guint8 digest[UTIL_SHA256_BYTES];
static const DeltaEntry old_entries[] = {
    {"a", NULL, NULL, 0, 1000, 0755, DELTA_DIR},
    {"a/app-1a2b3c4d.js", NULL, digest, 5000, 1000, 0644, DELTA_FILE},
    {"a/run", NULL, digest, 10, 1001, 0755, DELTA_FILE},
    {"b", NULL, digest, 0, -5, 0644, DELTA_FILE},
    {"link", "a", NULL, 0, 1000, 0777, DELTA_LINK},
    {"z.jar", NULL, digest, 70000, 1000, 0644, DELTA_FILE},
};
static const DeltaTree old_tree = {old_entries, G_N_ELEMENTS(old_entries)};

static void check_item(const DeltaChanges *changes, const DeltaItem *item)
{
	g_assert(item->basis == DELTA_NONE || item->basis < old_tree.count);
	if (item->source == DELTA_KEPT || item->source == DELTA_COPIED) {
		g_assert(item->from < old_tree.count);
		g_assert(old_entries[item->from].size == item->entry.size);
		g_assert(old_entries[item->from].type == item->entry.type);
	} else if (item->source == DELTA_TWIN) {
		const DeltaItem *twin = delta_changes_item(changes, item->from);
		g_assert(twin->source == DELTA_NEW && twin->entry.type == DELTA_FILE);
		g_assert(twin->entry.size == item->entry.size);
	}
	g_assert((item->entry.type == DELTA_LINK) == (item->entry.target != NULL));
}

static void check_segments(const DeltaChanges *changes)
{
	guint64 bytes = 0;
	for (guint i = 0; i < changes->segments->len; i++) {
		const DeltaSegment *segment = &g_array_index(changes->segments, DeltaSegment, i);
		guint64 ref_bytes = 0;
		g_assert(segment->n_listed <= segment->n_refs);
		for (guint k = 0; k < segment->n_refs; k++) {
			g_assert(segment->first_ref + k < changes->refs->len);
			const DeltaRef *ref =
			    &g_array_index(changes->refs, DeltaRef, segment->first_ref + k);
			g_assert(ref->old_index < old_tree.count);
			g_assert(old_entries[ref->old_index].type == DELTA_FILE);
			g_assert(ref->length <= old_entries[ref->old_index].size);
			g_assert(ref->offset <= old_entries[ref->old_index].size - ref->length);
			ref_bytes += ref->length;
		}
		if (segment->flags & DELTA_ADDED_NAMES) {
			g_autoptr(GByteArray) names = delta_changes_added_names(changes, &old_tree);
			ref_bytes += names->len;
		}
		g_assert(ref_bytes == segment->ref_bytes);
		bytes += segment->bytes;
	}
	g_assert(bytes == changes->content_bytes);
}

static void check(const DeltaChanges *changes)
{
	guint64 bytes = 0;
	guint new_files = 0;
	for (guint i = 0; i < changes->items->len; i++) {
		const DeltaItem *item = delta_changes_item(changes, i);
		check_item(changes, item);
		g_assert(i == 0 || strcmp(delta_changes_item(changes, i - 1)->entry.path,
					  item->entry.path) < 0);
		if (item->entry.type != DELTA_FILE || item->source != DELTA_NEW)
			continue;
		bytes += item->entry.size;
		new_files++;
	}
	g_assert(bytes == changes->content_bytes);
	g_assert(new_files == changes->order->len);
	for (guint i = 0; i < changes->order->len; i++) {
		guint index = g_array_index(changes->order, guint, i);
		g_assert(delta_changes_item(changes, index)->source == DELTA_NEW);
	}
	check_segments(changes);
	g_assert(changes->list_bytes <= MEMORY);
	(void)delta_changes_memory(changes); /* any number is fine: the caller compares it */
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
	g_autoptr(GError) error = NULL;
	if (size == 0)
		return 0;
	g_autoptr(DeltaChanges) changes =
	    data[0] & 1 ? delta_changes_decode(data + 1, size - 1, &old_tree, MEMORY, &error)
			: delta_changes_parse(data + 1, size - 1, &old_tree, MEMORY, &error);
	g_assert((changes != NULL) == (error == NULL));
	if (changes)
		check(changes);
	return 0;
}
