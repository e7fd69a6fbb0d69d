/* SPDX-License-Identifier: ISC */
/* What must hold for every change list that was taken: the caller indexes trees with it. */
#pragma once

#include "delta/archive.h"

static inline guint old_entries_of(const DeltaTree *old_tree, gboolean part)
{
	return old_tree->count + (part ? old_tree->parts : 0);
}

static inline void check_twin(const DeltaChanges *changes, guint index)
{
	const DeltaItem *item = delta_changes_item(changes, index);
	gboolean part = index >= changes->count;
	g_assert(item->from < (part ? changes->items->len : changes->count));
	const DeltaItem *twin = delta_changes_item(changes, item->from);
	g_assert(twin->source == DELTA_NEW || (twin->source == DELTA_TOGETHER && !part));
	g_assert(twin->entry.type == DELTA_FILE && item->entry.type == DELTA_FILE);
	g_assert(twin->entry.size == item->entry.size);
}

static inline void check_from(const DeltaChanges *changes, const DeltaTree *old_tree, guint index)
{
	const DeltaItem *item = delta_changes_item(changes, index);
	gboolean part = index >= changes->count;
	switch (item->source) {
	case DELTA_PACKED_COPY:
		g_assert(part && item->from >= old_tree->count);
		g_assert(item->from < old_entries_of(old_tree, TRUE));
		break;
	case DELTA_KEPT:
		g_assert(!part && item->from == item->basis);
		/* fall through */
	case DELTA_COPIED:
		g_assert(item->from < old_entries_of(old_tree, part));
		g_assert(item->source == DELTA_KEPT || item->entry.type == DELTA_FILE);
		g_assert(old_tree->entries[item->from].type == item->entry.type);
		g_assert(old_tree->entries[item->from].size == item->entry.size);
		break;
	case DELTA_TWIN:
		check_twin(changes, index);
		break;
	case DELTA_NEW:
		g_assert(item->from == DELTA_NONE);
		break;
	case DELTA_TOGETHER:
		g_assert(item->entry.type == DELTA_FILE);
		g_assert(changes->pending || item->from < changes->archives->len);
		break;
	}
}

static inline void check_items(const DeltaChanges *changes, const DeltaTree *old_tree)
{
	guint64 bytes = 0;
	g_assert(changes->count <= changes->items->len);
	for (guint i = 0; i < changes->items->len; i++) {
		const DeltaItem *item = delta_changes_item(changes, i);
		gboolean part = i >= changes->count;
		g_assert(item->basis == DELTA_NONE || item->basis < old_entries_of(old_tree, part));
		check_from(changes, old_tree, i);
		g_assert((item->entry.type == DELTA_LINK) == (item->entry.target != NULL));
		if (part)
			g_assert(item->entry.type == DELTA_FILE);
		else if (i > 0)
			g_assert(strcmp(delta_changes_item(changes, i - 1)->entry.path,
					item->entry.path) < 0);
		if (item->entry.type == DELTA_FILE && item->source == DELTA_NEW)
			bytes += item->entry.size;
	}
	g_assert(bytes == changes->content_bytes);
}

/* Old entries, ascending; files if they are `opened`. */
static inline void check_old_list(const GArray *list, const DeltaTree *old_tree, gboolean files)
{
	for (guint i = 0; i < list->len; i++) {
		guint index = g_array_index(list, guint, i);
		g_assert(index < old_tree->count);
		g_assert(i == 0 || index > g_array_index(list, guint, i - 1));
		g_assert(!files || old_tree->entries[index].type == DELTA_FILE);
	}
}

/* Their parts are all new parts, archive after archive, each behind the archive itself. */
static inline void check_archives(const DeltaChanges *changes)
{
	guint next = changes->count;
	guint together = 0;
	for (guint i = 0; i < changes->archives->len; i++) {
		const DeltaTogether *archive = &g_array_index(changes->archives, DeltaTogether, i);
		g_assert(archive->first == next && archive->item < next);
		g_assert(archive->count <= changes->items->len - next);
		g_assert(archive->archive && archive->archive->members->len == archive->count);
		const DeltaItem *item = delta_changes_item(changes, archive->item);
		g_assert(item->source == DELTA_TOGETHER && item->from == i);
		next += archive->count;
	}
	g_assert(next == changes->items->len);
	for (guint i = 0; i < changes->items->len; i++)
		together += delta_changes_item(changes, i)->source == DELTA_TOGETHER;
	g_assert(together == changes->archives->len);
}

/* Every new content, once. */
static inline void check_order(const DeltaChanges *changes)
{
	guint new_files = 0;
	g_autofree guint8 *seen = g_malloc0((gsize)changes->items->len + 1);
	for (guint i = 0; i < changes->items->len; i++) {
		const DeltaItem *item = delta_changes_item(changes, i);
		new_files += item->entry.type == DELTA_FILE && item->source == DELTA_NEW;
	}
	g_assert(new_files == changes->order->len);
	for (guint i = 0; i < changes->order->len; i++) {
		guint index = g_array_index(changes->order, guint, i);
		g_assert(index < changes->items->len && !seen[index]);
		seen[index] = 1;
		g_assert(delta_changes_item(changes, index)->source == DELTA_NEW);
		g_assert(delta_changes_item(changes, index)->entry.type == DELTA_FILE);
	}
}

/* The sum of their lengths. */
static inline guint64 check_refs(const DeltaChanges *changes, const DeltaTree *old_tree,
				 const DeltaSegment *segment)
{
	guint64 bytes = 0;
	g_assert(segment->n_listed <= segment->n_refs);
	g_assert(segment->first_ref <= changes->refs->len);
	g_assert(segment->n_refs <= changes->refs->len - segment->first_ref);
	for (guint i = 0; i < segment->n_refs; i++) {
		const DeltaRef *ref =
		    &g_array_index(changes->refs, DeltaRef, segment->first_ref + i);
		g_assert(ref->old_index < old_entries_of(old_tree, TRUE));
		const DeltaEntry *old = &old_tree->entries[ref->old_index];
		g_assert(old->type == DELTA_FILE && ref->length <= old->size);
		g_assert(ref->offset <= old->size - ref->length);
		g_assert(ref->length <= G_MAXUINT64 - bytes);
		bytes += ref->length;
	}
	return bytes;
}

/* Whole files, each with its counterpart. Like any segment it moves *at and *into on to where the
 * next one begins. */
static inline void check_files(const DeltaChanges *changes, const DeltaSegment *segment, guint *at,
			       guint64 *into)
{
	guint files = 0;
	gboolean whole = *into == 0;
	for (guint64 left = segment->bytes; left > 0;) {
		const DeltaItem *item =
		    delta_changes_item(changes, g_array_index(changes->order, guint, *at));
		guint64 part = MIN(left, item->entry.size - *into);
		left -= part;
		files += part > 0;
		*into += part;
		if (*into < item->entry.size)
			break; /* and there is no more of this segment */
		*into = 0;
		(*at)++;
	}
	if (segment->codec == DELTA_CODEC_PATCH)
		g_assert(whole && *into == 0 && files == segment->n_refs);
}

static inline void check_segments(const DeltaChanges *changes, const DeltaTree *old_tree)
{
	guint at = 0;
	guint64 into = 0;
	guint64 bytes = 0;
	g_autoptr(GByteArray) names = delta_changes_added_names(changes, old_tree);
	for (guint i = 0; i < changes->segments->len; i++) {
		const DeltaSegment *segment = &g_array_index(changes->segments, DeltaSegment, i);
		guint64 ref_bytes = check_refs(changes, old_tree, segment);
		ref_bytes += segment->flags & DELTA_ADDED_NAMES ? names->len : 0;
		g_assert(ref_bytes == segment->ref_bytes);
		bytes += segment->bytes;
		g_assert(bytes <= changes->content_bytes);
		check_files(changes, segment, &at, &into);
	}
	g_assert(bytes == changes->content_bytes);
}

/* While parts are wanted there is no plan yet. */
static inline void check_changes(const DeltaChanges *changes, const DeltaTree *old_tree,
				 guint64 memory_bytes)
{
	check_items(changes, old_tree);
	check_old_list(changes->deleted, old_tree, FALSE);
	check_old_list(changes->opened, old_tree, TRUE);
	g_assert(changes->list_bytes <= memory_bytes);
	g_assert(!changes->pending || delta_changes_wants_parts(changes));
	if (changes->pending)
		return;
	check_archives(changes);
	check_order(changes);
	check_segments(changes, old_tree);
	(void)delta_changes_memory(changes); /* any number is fine: the caller compares it */
}
