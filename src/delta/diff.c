/* SPDX-License-Identifier: ISC */
/* What happened between two trees. */
#include "delta/delta-private.h"

DeltaChanges *delta_changes_new(void)
{
	DeltaChanges *changes = g_new0(DeltaChanges, 1);
	changes->items = g_array_new(FALSE, TRUE, sizeof(DeltaItem));
	changes->deleted = g_array_new(FALSE, FALSE, sizeof(guint));
	changes->order = g_array_new(FALSE, FALSE, sizeof(guint));
	changes->segments = g_array_new(FALSE, TRUE, sizeof(DeltaSegment));
	changes->refs = g_array_new(FALSE, TRUE, sizeof(DeltaRef));
	changes->strings = g_string_chunk_new(4096);
	return changes;
}

void delta_changes_free(DeltaChanges *changes)
{
	if (!changes)
		return;
	g_array_unref(changes->items);
	g_array_unref(changes->deleted);
	g_array_unref(changes->order);
	g_array_unref(changes->segments);
	g_array_unref(changes->refs);
	g_string_chunk_free(changes->strings);
	g_free(changes);
}

DeltaItem *delta_changes_item(const DeltaChanges *changes, guint index)
{
	g_assert(index < changes->items->len);
	return &g_array_index(changes->items, DeltaItem, index);
}

guint64 delta_changes_memory(const DeltaChanges *changes)
{
	guint64 most = 0;
	for (guint i = 0; i < changes->segments->len; i++) {
		DeltaStream stream =
		    delta_segment_stream(&g_array_index(changes->segments, DeltaSegment, i));
		most = MAX(most, delta_decoder_memory(&stream));
	}
	return most;
}

gboolean delta_item_added(const DeltaItem *item, const DeltaTree *old_tree)
{
	if (item->basis == DELTA_NONE)
		return TRUE;
	const DeltaEntry *before = &old_tree->entries[item->basis];
	return before->type != item->entry.type || strcmp(before->path, item->entry.path) != 0;
}

gboolean delta_counterpart(const DeltaItem *item, const DeltaTree *old_tree, DeltaRef *ret_ref)
{
	if (item->basis == DELTA_NONE)
		return FALSE;
	const DeltaEntry *old = &old_tree->entries[item->basis];
	*ret_ref = (DeltaRef){item->basis, 0, old->size};
	return old->type == DELTA_FILE && old->size > 0;
}

GByteArray *delta_changes_added_names(const DeltaChanges *changes, const DeltaTree *old_tree)
{
	GByteArray *names = g_byte_array_new();
	for (guint i = 0; i < changes->items->len; i++) {
		const DeltaItem *item = delta_changes_item(changes, i);
		if (!delta_item_added(item, old_tree))
			continue;
		const char *slash = strrchr(item->entry.path, '/');
		const char *name = slash ? slash + 1 : item->entry.path;
		g_byte_array_append(names, (const guint8 *)name, (guint)strlen(name));
		g_byte_array_append(names, (const guint8 *)"\n", 1);
		if (names->len > 2 * DELTA_ADDED_MAX)
			g_byte_array_remove_range(names, 0, names->len - DELTA_ADDED_MAX);
	}
	if (names->len > DELTA_ADDED_MAX)
		g_byte_array_remove_range(names, 0, names->len - DELTA_ADDED_MAX);
	return names;
}

static guint content_hash(gconstpointer key)
{
	guint hash;
	memcpy(&hash, key, sizeof hash);
	return hash;
}

static gboolean content_equal(gconstpointer a, gconstpointer b)
{
	return memcmp(a, b, UTIL_SHA256_BYTES) == 0;
}

/* Tables only read their keys. */
static gpointer content_key(const guint8 *sha256)
{
	return (gpointer)(guintptr)sha256;
}

static gboolean same_content(const DeltaEntry *a, const DeltaEntry *b)
{
	return a->size == b->size && content_equal(a->sha256, b->sha256);
}

/* Where the writer looks for contents. */
typedef struct {
	const DeltaTree *old_tree;
	GHashTable *old_by_content; /* sha256 -> GArray of guint, ascending */
	GHashTable *new_by_content; /* sha256 -> item index + 1, of DELTA_NEW items */
	guint expected;             /* old file after the one used last: the cheapest to name */
} Contents;

static void array_free(gpointer array)
{
	g_array_unref(array);
}

static void contents_init(Contents *contents, const DeltaTree *old_tree)
{
	contents->old_tree = old_tree;
	contents->expected = 0;
	contents->new_by_content = g_hash_table_new(content_hash, content_equal);
	contents->old_by_content =
	    g_hash_table_new_full(content_hash, content_equal, NULL, array_free);
	for (guint i = 0; i < old_tree->count; i++) {
		const DeltaEntry *entry = &old_tree->entries[i];
		if (entry->type != DELTA_FILE)
			continue;
		GArray *list = g_hash_table_lookup(contents->old_by_content, entry->sha256);
		if (!list) {
			list = g_array_new(FALSE, FALSE, sizeof(guint));
			g_hash_table_insert(contents->old_by_content, content_key(entry->sha256),
					    list);
		}
		g_array_append_val(list, i);
	}
}

static void contents_clear(Contents *contents)
{
	g_hash_table_unref(contents->old_by_content);
	g_hash_table_unref(contents->new_by_content);
}

/* An old file with this content, the one that is cheapest to name. */
static gboolean contents_find_old(Contents *contents, const DeltaEntry *entry, guint *ret_index)
{
	const GArray *list = g_hash_table_lookup(contents->old_by_content, entry->sha256);
	if (!list)
		return FALSE;
	guint low = 0;
	guint high = list->len;
	while (low < high) { /* the first at or after the expected one, else the first of all */
		guint middle = low + (high - low) / 2;
		if (g_array_index(list, guint, middle) < contents->expected)
			low = middle + 1;
		else
			high = middle;
	}
	guint best = g_array_index(list, guint, low < list->len ? low : 0);
	if (!same_content(&contents->old_tree->entries[best], entry))
		return FALSE;
	contents->expected = best + 1;
	*ret_index = best;
	return TRUE;
}

/* Content of a file that is not what it was: copied, a twin, or new. */
static void find_source(Contents *contents, DeltaChanges *changes, guint index)
{
	DeltaItem *item = delta_changes_item(changes, index);
	if (contents_find_old(contents, &item->entry, &item->from)) {
		item->source = DELTA_COPIED;
		return;
	}
	guint first =
	    GPOINTER_TO_UINT(g_hash_table_lookup(contents->new_by_content, item->entry.sha256));
	if (first > 0) {
		item->source = DELTA_TWIN;
		item->from = first - 1;
		return;
	}
	g_hash_table_insert(contents->new_by_content, content_key(item->entry.sha256),
			    GUINT_TO_POINTER(index + 1));
	item->source = DELTA_NEW;
	item->from = DELTA_NONE;
	changes->content_bytes += item->entry.size;
}

/* An entry whose path the old tree has, with the same type. */
static void diff_same_path(const DeltaEntry *before, guint old_index, DeltaItem *item)
{
	const DeltaEntry *entry = &item->entry;
	gboolean same =
	    before->type == DELTA_DIR ||
	    (before->type == DELTA_LINK && strcmp(before->target, entry->target) == 0) ||
	    (before->type == DELTA_FILE && same_content(before, entry));
	item->basis = old_index;
	if (same && before->mode == entry->mode && before->mtime_s == entry->mtime_s)
		item->source = DELTA_KEPT;
	else if (same && before->type == DELTA_FILE)
		item->source = DELTA_COPIED;
	else
		item->source = DELTA_NEW;
	item->from = item->source == DELTA_NEW ? DELTA_NONE : old_index;
}

/* Walks both trees side by side. */
static void diff_paths(DeltaChanges *changes, const DeltaTree *old_tree, const DeltaTree *new_tree)
{
	guint o = 0;
	g_array_set_size(changes->items, new_tree->count);
	for (guint n = 0; n < new_tree->count; n++) {
		const DeltaEntry *entry = &new_tree->entries[n];
		DeltaItem *item = delta_changes_item(changes, n);
		*item = (DeltaItem){
		    .entry = *entry, .source = DELTA_NEW, .from = DELTA_NONE, .basis = DELTA_NONE};
		int order = 1;
		while (o < old_tree->count &&
		       (order = strcmp(old_tree->entries[o].path, entry->path)) < 0) {
			g_array_append_val(changes->deleted, o);
			o++;
		}
		if (o == old_tree->count || order != 0)
			continue;
		if (old_tree->entries[o].type == entry->type)
			diff_same_path(&old_tree->entries[o], o, item);
		else
			g_array_append_val(changes->deleted, o);
		o++;
	}
	for (; o < old_tree->count; o++)
		g_array_append_val(changes->deleted, o);
}

/* Old files whose path is gone and whose content is in no file of the new tree. */
static GArray *lost_files(const DeltaChanges *changes, const DeltaTree *old_tree)
{
	g_autoptr(GHashTable) alive = g_hash_table_new(content_hash, content_equal);
	for (guint i = 0; i < changes->items->len; i++) {
		const guint8 *sha256 = delta_changes_item(changes, i)->entry.sha256;
		if (sha256)
			g_hash_table_add(alive, content_key(sha256));
	}
	GArray *lost = g_array_new(FALSE, FALSE, sizeof(guint));
	for (guint i = 0; i < changes->deleted->len; i++) {
		guint index = g_array_index(changes->deleted, guint, i);
		const DeltaEntry *entry = &old_tree->entries[index];
		if (entry->type == DELTA_FILE && !g_hash_table_contains(alive, entry->sha256))
			g_array_append_val(lost, index);
	}
	return lost;
}

/* The mtime most changed entries share. */
static gint64 common_mtime(const DeltaChanges *changes, const DeltaTree *old_tree)
{
	g_autoptr(GHashTable) counts = g_hash_table_new(g_int64_hash, g_int64_equal);
	gint64 best = 0;
	guint best_count = 0;
	for (guint i = 0; i < changes->items->len; i++) {
		DeltaItem *item = delta_changes_item(changes, i);
		gint64 *mtime = &item->entry.mtime_s;
		if (item->source == DELTA_KEPT ||
		    (item->basis != DELTA_NONE && old_tree->entries[item->basis].mtime_s == *mtime))
			continue;
		guint count = GPOINTER_TO_UINT(g_hash_table_lookup(counts, mtime)) + 1;
		g_hash_table_replace(counts, mtime, GUINT_TO_POINTER(count));
		if (count > best_count) {
			best_count = count;
			best = *mtime;
		}
	}
	return best;
}

DeltaChanges *delta_diff(const DeltaTree *old_tree, const DeltaTree *new_tree)
{
	DeltaChanges *changes = delta_changes_new();
	Contents contents;
	diff_paths(changes, old_tree, new_tree);
	contents_init(&contents, old_tree);
	/* changed files first: of twins, the one with an old counterpart becomes the new content */
	for (guint added = 0; added < 2; added++)
		for (guint i = 0; i < changes->items->len; i++) {
			const DeltaItem *item = delta_changes_item(changes, i);
			if (item->entry.type == DELTA_FILE && item->source == DELTA_NEW &&
			    (item->basis == DELTA_NONE) == (added == 1))
				find_source(&contents, changes, i);
		}
	contents_clear(&contents);
	for (guint i = 0; i < changes->items->len; i++) {
		DeltaItem *item = delta_changes_item(changes, i);
		if (item->source == DELTA_COPIED && item->basis == DELTA_NONE)
			item->basis = item->from;
	}
	g_autoptr(GArray) lost = lost_files(changes, old_tree);
	delta_pair(changes, old_tree, lost);
	changes->default_mtime_s = common_mtime(changes, old_tree);
	return changes;
}
