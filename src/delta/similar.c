/* SPDX-License-Identifier: ISC */
/* Which old file a new one resembles, by content. */
#include "delta/delta-private.h"

/* Of DELTA_SKETCH_SLOTS. A basis this much alike stays, whatever else there is. */
#define GOOD 24
/* Less than this much better is chance. */
#define MARGIN 3
/* A counterpart less alike than this needs another beside it. */
#define POOR 8
/* So much alike, the name follows, too. */
#define SURE 16
/* Less alike than this is chance, but for large ones. */
#define STRANGE 4
#define LARGE ((guint64)64 * 1024)

typedef struct {
	DeltaChanges *changes;
	const DeltaTree *old_tree;
	const DeltaSketch *new_sketches, *old_sketches;
} Similar;

/* The name of an added file is told by that of its basis, which is a file then. */
static gboolean may_be_basis(const Similar *similar, guint number, guint old_index)
{
	const DeltaItem *item = delta_changes_item(similar->changes, number);
	return number >= similar->changes->count ||
	       (old_index < similar->old_tree->count && delta_item_added(item, similar->old_tree));
}

static gboolean is_coded(const DeltaItem *item)
{
	return item->entry.type == DELTA_FILE && item->source == DELTA_NEW;
}

static void pair_item(Similar *similar, DeltaSketches *index, guint number)
{
	DeltaItem *item = delta_changes_item(similar->changes, number);
	const DeltaSketch *sketch = &similar->new_sketches[number];
	guint own = item->basis == DELTA_NONE
			? 0
			: delta_sketch_likeness(sketch, &similar->old_sketches[item->basis]);
	guint best = DELTA_NONE;
	guint likeness = own;
	if (own < GOOD &&
	    delta_sketches_find(index, sketch, own > 0 ? own + MARGIN : 1, &best, &likeness)) {
		if (likeness >= SURE && may_be_basis(similar, number, best))
			item->basis = best;
		else if (own < POOR && (likeness >= STRANGE || sketch->bytes >= LARGE))
			g_array_index(similar->changes->likes, guint, number) = best;
	}
}

gboolean delta_resembles(const DeltaSketch *sketch, const DeltaSketch *basis)
{
	return delta_sketch_likeness(sketch, basis) >= GOOD;
}

guint64 delta_resembling_min(guint64 bytes)
{
	return bytes / (DELTA_SKETCH_SLOTS / STRANGE);
}

void delta_pair_similar(DeltaChanges *changes, const DeltaTree *old_tree,
			const DeltaSketch *new_sketches, const DeltaSketch *old_sketches)
{
	Similar similar = {.changes = changes,
			   .old_tree = old_tree,
			   .new_sketches = new_sketches,
			   .old_sketches = old_sketches};
	guint none = DELTA_NONE;
	g_autoptr(DeltaSketches) index = delta_sketches_new();
	for (guint i = 0; i < old_tree->count + old_tree->parts; i++)
		delta_sketches_add(index, &old_sketches[i], i);
	g_array_set_size(changes->likes, 0);
	for (guint i = 0; i < changes->items->len; i++) {
		g_array_append_val(changes->likes, none);
		if (is_coded(delta_changes_item(changes, i)))
			pair_item(&similar, index, i);
	}
}
