/* SPDX-License-Identifier: ISC */
/* Parts of new archives: which are old ones, which travel, and what they resemble. */
#include "delta/archive.h"
#include "delta/delta-private.h"

/* The name of a part within its archive. */
static const char *part_name(const DeltaTree *tree, const DeltaOpened *opened, guint part)
{
	return tree->entries[part].path + strlen(tree->entries[opened->entry].path) + 1;
}

/* name -> 1 + index of the old part, of one archive; of equal names the first. Without a hash it is
 * damaged, or lies in the new tree as it is: nothing is to be coded after it. */
static GHashTable *names_of(const DeltaTree *tree, const DeltaOpened *opened)
{
	GHashTable *names = g_hash_table_new(g_str_hash, g_str_equal);
	for (guint i = opened->count; i-- > 0;) {
		guint part = opened->first + i;
		const char *name = part_name(tree, opened, part);
		if (!tree->entries[part].sha256)
			continue;
		g_hash_table_insert(names, (gpointer)(guintptr)name, GUINT_TO_POINTER(part + 1));
	}
	return names;
}

/* What is being compared. */
typedef struct {
	DeltaChanges *changes;
	const DeltaTree *old_tree, *new_tree;
	DeltaContents *contents;
	GArray *queue; /* const DeltaOpened *, as in changes->archives */
} Parts;

static void open_item(Parts *parts, guint item_index, const DeltaOpened *opened)
{
	DeltaItem *item = delta_changes_item(parts->changes, item_index);
	DeltaTogether together = {.item = item_index,
				  /* only lent: nothing of ours writes to it */
				  .archive = (DeltaArchive *)(guintptr)opened->archive};
	item->source = DELTA_TOGETHER;
	item->from = parts->changes->archives->len;
	g_array_append_val(parts->changes->archives, together);
	g_array_append_val(parts->queue, opened);
}

static void diff_part(Parts *parts, guint entry_index, guint basis)
{
	DeltaItem item = {.entry = parts->new_tree->entries[entry_index],
			  .source = DELTA_NEW,
			  .from = DELTA_NONE,
			  .basis = basis,
			  .origin = entry_index};
	guint index = parts->changes->items->len;
	gboolean copy = delta_contents_packed(parts->contents, &item.entry, &item.from);
	if (copy)
		item.source = DELTA_PACKED_COPY;
	g_array_append_val(parts->changes->items, item);
	if (copy)
		return;
	const DeltaOpened *opened = delta_tree_opened(parts->new_tree, entry_index);
	guint old = 0;
	if (opened && !delta_contents_old(parts->contents, &item.entry, &old))
		open_item(parts, index, opened);
	else
		delta_contents_source(parts->contents, parts->changes, index);
}

/* Archives in this archive whose names have changed with their versions. */
static void pair_archives(Parts *parts, guint first, const DeltaOpened *before)
{
	g_autoptr(GHashTable) used = g_hash_table_new(NULL, NULL);
	gboolean wanted = FALSE;
	for (guint i = first; i < parts->changes->items->len; i++) {
		const DeltaItem *item = delta_changes_item(parts->changes, i);
		wanted = wanted || (item->source == DELTA_TOGETHER && item->basis == DELTA_NONE);
		g_hash_table_add(used, GUINT_TO_POINTER(item->basis));
	}
	g_autoptr(GArray) candidates = g_array_new(FALSE, FALSE, sizeof(guint));
	for (guint i = before->first; wanted && i < before->first + before->count; i++)
		if (delta_tree_opened(parts->old_tree, i) &&
		    !g_hash_table_contains(used, GUINT_TO_POINTER(i)))
			g_array_append_val(candidates, i);
	if (candidates->len > 0)
		delta_pair(parts->changes, first, parts->old_tree, candidates);
}

/* The parts of one archive, paired by name with those of its counterpart. */
static void diff_archive(Parts *parts, guint number)
{
	const DeltaOpened *opened = g_array_index(parts->queue, const DeltaOpened *, number);
	guint owner = g_array_index(parts->changes->archives, DeltaTogether, number).item;
	guint basis = delta_changes_item(parts->changes, owner)->basis;
	const DeltaOpened *before =
	    basis == DELTA_NONE ? NULL : delta_tree_opened(parts->old_tree, basis);
	g_autoptr(GHashTable) names = before ? names_of(parts->old_tree, before) : NULL;
	guint first = parts->changes->items->len;
	for (guint i = 0; i < opened->count; i++) {
		guint part = opened->first + i;
		guint like = names ? GPOINTER_TO_UINT(g_hash_table_lookup(
					 names, part_name(parts->new_tree, opened, part)))
				   : 0;
		diff_part(parts, part, like ? like - 1 : DELTA_NONE);
	}
	if (before)
		pair_archives(parts, first, before);
	DeltaTogether *together = &g_array_index(parts->changes->archives, DeltaTogether, number);
	together->first = first;
	together->count = opened->count;
}

void delta_diff_parts(DeltaChanges *changes, const DeltaTree *old_tree, const DeltaTree *new_tree,
		      DeltaContents *contents)
{
	Parts parts = {.changes = changes,
		       .old_tree = old_tree,
		       .new_tree = new_tree,
		       .contents = contents,
		       .queue = g_array_new(FALSE, FALSE, sizeof(const DeltaOpened *))};
	contents->expected = old_tree->count;
	for (guint i = 0; i < changes->count; i++) {
		const DeltaItem *item = delta_changes_item(changes, i);
		const DeltaOpened *opened = delta_tree_opened(new_tree, i);
		if (opened && item->entry.type == DELTA_FILE && item->source == DELTA_NEW)
			open_item(&parts, i, opened);
	}
	for (guint i = 0; i < parts.queue->len; i++)
		diff_archive(&parts, i);
	g_array_unref(parts.queue);
}
