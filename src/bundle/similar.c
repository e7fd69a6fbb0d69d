/* SPDX-License-Identifier: ISC */
/* Counterparts by content. Old files are read only where a new content has no good counterpart by
 * its name, and only those of a size that could be one. */
#include "bundle/bundle-private.h"

typedef struct {
	const BundleList *old_list, *new_list;
	DeltaChanges *changes;
	const UtilProgress *progress;
	DeltaSketcher *sketcher;
	DeltaSketch *olds, *news;
	guint64 least, most; /* bytes of the old files that are wanted */
} Reading;

static gboolean sketch_sink(gpointer user_data, const guint8 *data, gsize len, GError **error)
{
	(void)error; /* cannot fail */
	delta_sketcher_update(user_data, data, len);
	return TRUE;
}

static gboolean sketch(const Reading *reading, const BundleList *list, guint index,
		       DeltaSketch *ret_sketch, GError **error)
{
	gboolean ok = bundle_list_read(list, index, 0, list->tree.entries[index].size, sketch_sink,
				       reading->sketcher, error);
	delta_sketcher_finish(reading->sketcher, ret_sketch);
	return ok;
}

/* A damaged part has no hash. */
static gboolean sketch_old(Reading *reading, guint index, GError **error)
{
	const DeltaEntry *entry = &reading->old_list->tree.entries[index];
	if (entry->type != DELTA_FILE || !entry->sha256 || reading->olds[index].bytes > 0)
		return TRUE;
	if (sketch(reading, reading->old_list, index, &reading->olds[index], error))
		return TRUE;
	g_prefix_error(error, "old tree: ");
	return FALSE;
}

/* Widens the sizes wanted, if its basis is no good. */
static gboolean sketch_item(Reading *reading, guint number, GError **error)
{
	const DeltaItem *item = delta_changes_item(reading->changes, number);
	DeltaSketch *own = &reading->news[number];
	if (!sketch(reading, reading->new_list, item->origin, own, error)) {
		g_prefix_error(error, "new tree: ");
		return FALSE;
	}
	if (item->basis != DELTA_NONE) {
		if (!sketch_old(reading, item->basis, error))
			return FALSE;
		if (delta_resembles(own, &reading->olds[item->basis]))
			return TRUE;
	}
	reading->least = MIN(reading->least, item->entry.size);
	reading->most = MAX(reading->most, item->entry.size);
	return TRUE;
}

static gboolean sketch_items(Reading *reading, GError **error)
{
	for (guint i = 0; i < reading->changes->items->len; i++) {
		const DeltaItem *item = delta_changes_item(reading->changes, i);
		if (item->entry.type == DELTA_FILE && item->source == DELTA_NEW &&
		    item->entry.size > 0 && item->kind != DELTA_PACKED &&
		    !sketch_item(reading, i, error))
			return FALSE;
		util_progress(reading->progress, "comparing", i, reading->changes->items->len);
	}
	return TRUE;
}

static gboolean sketch_wanted(Reading *reading, GError **error)
{
	const DeltaTree *tree = &reading->old_list->tree;
	for (guint i = 0; i < tree->count + tree->parts; i++) {
		guint64 size = tree->entries[i].size;
		if (size >= delta_resembling_min(reading->least) &&
		    delta_resembling_min(size) <= reading->most && !sketch_old(reading, i, error))
			return FALSE;
	}
	return TRUE;
}

gboolean bundle_pair_similar(const BundleList *old_list, const BundleList *new_list,
			     DeltaChanges *changes, const UtilProgress *progress, GError **error)
{
	const DeltaTree *tree = &old_list->tree;
	Reading reading = {.old_list = old_list,
			   .new_list = new_list,
			   .changes = changes,
			   .progress = progress,
			   .least = G_MAXUINT64};
	if (changes->content_bytes == 0 || tree->count == 0)
		return TRUE;
	g_autoptr(DeltaSketcher) sketcher = delta_sketcher_new();
	g_autofree DeltaSketch *olds = g_new0(DeltaSketch, (gsize)tree->count + tree->parts + 1);
	g_autofree DeltaSketch *news = g_new0(DeltaSketch, changes->items->len);
	reading.sketcher = sketcher;
	reading.olds = olds;
	reading.news = news;
	if (!sketch_items(&reading, error) || (reading.most > 0 && !sketch_wanted(&reading, error)))
		return FALSE;
	delta_pair_similar(changes, tree, news, olds);
	return TRUE;
}
