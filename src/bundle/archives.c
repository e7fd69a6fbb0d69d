/* SPDX-License-Identifier: ISC */
/* Which archives the writer takes apart, and the proof that they come back. */
#include "bundle/bundle-private.h"

static guint hash_of(gconstpointer key)
{
	guint hash;
	memcpy(&hash, key, sizeof hash);
	return hash;
}

static gboolean hash_equal(gconstpointer a, gconstpointer b)
{
	return memcmp(a, b, UTIL_SHA256_BYTES) == 0;
}

static GHashTable *contents_of(const BundleList *list)
{
	GHashTable *all = g_hash_table_new(hash_of, hash_equal);
	for (guint i = 0; i < list->tree.count; i++)
		if (list->tree.entries[i].sha256)
			g_hash_table_add(all, (gpointer)(guintptr)list->tree.entries[i].sha256);
	return all;
}

/* Archives whose content the other tree does not have. */
static GArray *candidates(const BundleList *list, const BundleList *other, const guint8 *refused)
{
	g_autoptr(GHashTable) there = contents_of(other);
	GArray *files = g_array_new(FALSE, FALSE, sizeof(guint));
	for (guint i = 0; i < list->tree.count; i++) {
		const DeltaEntry *entry = &list->tree.entries[i];
		if (entry->type == DELTA_FILE && !(refused && refused[i]) &&
		    !g_hash_table_contains(there, entry->sha256) &&
		    bundle_list_may_be_archive(list, i))
			g_array_append_val(files, i);
	}
	return files;
}

gboolean bundle_open_archives(BundleList *old_list, BundleList *new_list, const guint8 *refused,
			      const UtilProgress *progress, GError **error)
{
	g_autoptr(GArray) news = candidates(new_list, old_list, refused);
	if (!bundle_list_open(new_list, news, FALSE, error)) {
		g_prefix_error(error, "new tree: ");
		return FALSE;
	}
	if (new_list->opened->len == 0)
		return TRUE;
	g_autoptr(GArray) olds = candidates(old_list, new_list, NULL);
	if (!bundle_list_open(old_list, olds, FALSE, error)) {
		g_prefix_error(error, "old tree: ");
		return FALSE;
	}
	return bundle_lists_examine(old_list, new_list, progress, error);
}

typedef struct {
	const DeltaChanges *changes;
	const BundleList *new_list;
} Proof;

static gboolean new_content(gpointer user_data, guint index, BundleSink sink, gpointer sink_data,
			    GError **error)
{
	const Proof *proof = user_data;
	const DeltaItem *item = delta_changes_item(proof->changes, index);
	return bundle_list_read(proof->new_list, item->origin, 0, item->entry.size, sink, sink_data,
				error);
}

static gboolean hash_sink(gpointer user_data, const guint8 *data, gsize len, GError **error)
{
	(void)error; /* cannot fail */
	util_sha256_update(user_data, data, len);
	return TRUE;
}

guint bundle_prove_archives(const DeltaChanges *changes, const BundleList *old_list,
			    const BundleList *new_list, const UtilProgress *progress,
			    guint8 *ret_refused)
{
	Proof proof = {changes, new_list};
	BundleTogether from = {.changes = changes,
			       .old_list = old_list,
			       .scratch_dirfd = new_list->scratch_dirfd,
			       .content = new_content,
			       .user_data = &proof};
	guint refused = 0, done = 0;
	for (guint i = 0; i < changes->count; i++) {
		const DeltaItem *item = delta_changes_item(changes, i);
		guint8 digest[UTIL_SHA256_BYTES];
		if (item->source != DELTA_TOGETHER)
			continue;
		util_progress(progress, "trying archives", done++, changes->archives->len);
		g_autoptr(UtilSha256) sha = util_sha256_new();
		gboolean same = bundle_put_together(&from, i, hash_sink, sha, NULL);
		util_sha256_finish(sha, digest);
		if (same && memcmp(digest, item->entry.sha256, sizeof digest) == 0)
			continue;
		ret_refused[i] = 1;
		refused++;
	}
	return refused;
}
