/* SPDX-License-Identifier: ISC */
/* What happened between two trees. */
#include "delta/archive.h"
#include "delta/delta-private.h"

DeltaChanges *delta_changes_new(void)
{
	DeltaChanges *changes = g_new0(DeltaChanges, 1);
	changes->items = g_array_new(FALSE, TRUE, sizeof(DeltaItem));
	changes->archives = g_array_new(FALSE, TRUE, sizeof(DeltaTogether));
	changes->opened = g_array_new(FALSE, FALSE, sizeof(guint));
	changes->deleted = g_array_new(FALSE, FALSE, sizeof(guint));
	changes->order = g_array_new(FALSE, FALSE, sizeof(guint));
	changes->segments = g_array_new(FALSE, TRUE, sizeof(DeltaSegment));
	changes->refs = g_array_new(FALSE, TRUE, sizeof(DeltaRef));
	changes->likes = g_array_new(FALSE, FALSE, sizeof(guint));
	changes->strings = g_string_chunk_new(4096);
	return changes;
}

void delta_changes_free(DeltaChanges *changes)
{
	if (!changes)
		return;
	for (guint i = 0; changes->owns_archives && i < changes->archives->len; i++)
		delta_archive_free(g_array_index(changes->archives, DeltaTogether, i).archive);
	delta_pending_free(changes);
	g_array_unref(changes->items);
	g_array_unref(changes->archives);
	g_array_unref(changes->opened);
	g_array_unref(changes->deleted);
	g_array_unref(changes->order);
	g_array_unref(changes->segments);
	g_array_unref(changes->refs);
	g_array_unref(changes->likes);
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

const DeltaOpened *delta_tree_opened(const DeltaTree *tree, guint entry)
{
	guint low = 0, high = tree->n_opened;
	while (low < high) { /* opened in order of entry */
		guint middle = low + (high - low) / 2;
		if (tree->opened[middle].entry < entry)
			low = middle + 1;
		else
			high = middle;
	}
	return low < tree->n_opened && tree->opened[low].entry == entry ? &tree->opened[low] : NULL;
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
	for (guint i = 0; i < changes->count; i++) {
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

static void array_free(gpointer array)
{
	g_array_unref(array);
}

static void remember(GHashTable *table, const guint8 *sha256, guint index)
{
	if (!sha256)
		return;
	GArray *list = g_hash_table_lookup(table, sha256);
	if (!list) {
		list = g_array_new(FALSE, FALSE, sizeof(guint));
		g_hash_table_insert(table, content_key(sha256), list);
	}
	g_array_append_val(list, index);
}

static void contents_init(DeltaContents *contents, const DeltaTree *old_tree)
{
	contents->old_tree = old_tree;
	contents->expected = 0;
	contents->new_by_content = g_hash_table_new(content_hash, content_equal);
	contents->old_by_content =
	    g_hash_table_new_full(content_hash, content_equal, NULL, array_free);
	contents->old_by_packed =
	    g_hash_table_new_full(content_hash, content_equal, NULL, array_free);
	for (guint i = 0; i < old_tree->count + old_tree->parts; i++) {
		const DeltaEntry *entry = &old_tree->entries[i];
		if (entry->type == DELTA_FILE)
			remember(contents->old_by_content, entry->sha256, i);
		remember(contents->old_by_packed, entry->packed_sha256, i);
	}
}

static void contents_clear(DeltaContents *contents)
{
	g_hash_table_unref(contents->old_by_content);
	g_hash_table_unref(contents->old_by_packed);
	g_hash_table_unref(contents->new_by_content);
}

/* Of those with this hash, the one that is cheapest to name: the first at or after the expected
 * one, else the first of all. */
static gboolean find_in(DeltaContents *contents, GHashTable *table, const guint8 *sha256,
			guint *ret_index)
{
	const GArray *list = sha256 ? g_hash_table_lookup(table, sha256) : NULL;
	if (!list)
		return FALSE;
	guint low = 0;
	guint high = list->len;
	while (low < high) {
		guint middle = low + (high - low) / 2;
		if (g_array_index(list, guint, middle) < contents->expected)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_index = g_array_index(list, guint, low < list->len ? low : 0);
	contents->expected = *ret_index + 1;
	return TRUE;
}

gboolean delta_contents_packed(DeltaContents *contents, const DeltaEntry *entry, guint *ret_index)
{
	return find_in(contents, contents->old_by_packed, entry->packed_sha256, ret_index);
}

gboolean delta_contents_old(DeltaContents *contents, const DeltaEntry *entry, guint *ret_index)
{
	return find_in(contents, contents->old_by_content, entry->sha256, ret_index);
}

void delta_contents_source(DeltaContents *contents, DeltaChanges *changes, guint index)
{
	DeltaItem *item = delta_changes_item(changes, index);
	/* a file of the tree is copied from a file */
	if (delta_contents_old(contents, &item->entry, &item->from) &&
	    (index >= changes->count || item->from < contents->old_tree->count)) {
		item->source = DELTA_COPIED;
		return;
	}
	guint first =
	    GPOINTER_TO_UINT(g_hash_table_lookup(contents->new_by_content, item->entry.sha256));
	/* what is put together is there only when all files are */
	if (first > 0 && (index < changes->count ||
			  delta_changes_item(changes, first - 1)->source == DELTA_NEW)) {
		item->source = DELTA_TWIN;
		item->from = first - 1;
		return;
	}
	g_hash_table_insert(contents->new_by_content, content_key(item->entry.sha256),
			    GUINT_TO_POINTER(index + 1));
	item->source = DELTA_NEW;
	item->from = DELTA_NONE;
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
	changes->count = new_tree->count;
	for (guint n = 0; n < new_tree->count; n++) {
		const DeltaEntry *entry = &new_tree->entries[n];
		DeltaItem *item = delta_changes_item(changes, n);
		*item = (DeltaItem){.entry = *entry,
				    .source = DELTA_NEW,
				    .from = DELTA_NONE,
				    .basis = DELTA_NONE,
				    .origin = n};
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

/* Old files whose path is gone, and old parts, whose content is nowhere in the new tree. */
static GArray *lost_files(const DeltaChanges *changes, const DeltaTree *old_tree)
{
	g_autoptr(GHashTable) alive = g_hash_table_new(content_hash, content_equal);
	g_autofree guint8 *used = g_malloc0((gsize)old_tree->count + old_tree->parts + 1);
	for (guint i = 0; i < changes->items->len; i++) {
		const DeltaItem *item = delta_changes_item(changes, i);
		if (item->entry.sha256)
			g_hash_table_add(alive, content_key(item->entry.sha256));
		if (item->source == DELTA_PACKED_COPY)
			used[item->from] = 1;
		if (item->basis != DELTA_NONE)
			used[item->basis] = 1;
	}
	GArray *lost = g_array_new(FALSE, FALSE, sizeof(guint));
	for (guint i = 0; i < changes->deleted->len; i++) {
		guint index = g_array_index(changes->deleted, guint, i);
		const DeltaEntry *entry = &old_tree->entries[index];
		if (entry->type == DELTA_FILE && !used[index] &&
		    !g_hash_table_contains(alive, entry->sha256))
			g_array_append_val(lost, index);
	}
	/* parts are a possible counterpart of other parts only once those are known */
	guint parts = changes->items->len > changes->count ? old_tree->parts : 0;
	for (guint i = old_tree->count; i < old_tree->count + parts; i++) {
		const guint8 *sha256 = old_tree->entries[i].sha256;
		if (!used[i] && sha256 && !g_hash_table_contains(alive, sha256))
			g_array_append_val(lost, i);
	}
	return lost;
}

/* The mtime most changed entries share. */
static gint64 common_mtime(const DeltaChanges *changes, const DeltaTree *old_tree)
{
	g_autoptr(GHashTable) counts = g_hash_table_new(g_int64_hash, g_int64_equal);
	gint64 best = 0;
	guint best_count = 0;
	for (guint i = 0; i < changes->count; i++) {
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

static void find_sources(DeltaContents *contents, DeltaChanges *changes)
{
	/* changed files first: of twins, the one with an old counterpart becomes the new content */
	for (guint added = 0; added < 2; added++)
		for (guint i = 0; i < changes->count; i++) {
			const DeltaItem *item = delta_changes_item(changes, i);
			if (item->entry.type == DELTA_FILE && item->source == DELTA_NEW &&
			    (item->basis == DELTA_NONE) == (added == 1))
				delta_contents_source(contents, changes, i);
		}
	for (guint i = 0; i < changes->count; i++) {
		DeltaItem *item = delta_changes_item(changes, i);
		if (item->source == DELTA_COPIED && item->basis == DELTA_NONE)
			item->basis = item->from;
	}
}

DeltaChanges *delta_diff(const DeltaTree *old_tree, const DeltaTree *new_tree)
{
	DeltaChanges *changes = delta_changes_new();
	DeltaContents contents;
	diff_paths(changes, old_tree, new_tree);
	contents_init(&contents, old_tree);
	find_sources(&contents, changes);
	/* archives are paired before their parts */
	g_autoptr(GArray) files = lost_files(changes, old_tree);
	delta_pair(changes, 0, old_tree, files);
	delta_diff_parts(changes, old_tree, new_tree, &contents);
	contents_clear(&contents);
	g_autoptr(GArray) parts = lost_files(changes, old_tree);
	delta_pair(changes, changes->count, old_tree, parts);
	for (guint i = 0; i < changes->items->len; i++) {
		const DeltaItem *item = delta_changes_item(changes, i);
		if (item->entry.type == DELTA_FILE && item->source == DELTA_NEW)
			changes->content_bytes += item->entry.size;
	}
	changes->default_mtime_s = common_mtime(changes, old_tree);
	return changes;
}
