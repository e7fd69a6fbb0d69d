/* SPDX-License-Identifier: ISC */
/* The writer looks into the parts of archives. */
#include "bundle/bundle-private.h"

static const guint8 *keep_hash(BundleList *list, UtilSha256 *sha)
{
	guint8 digest[UTIL_SHA256_BYTES];
	util_sha256_finish(sha, digest);
	return (const guint8 *)g_string_chunk_insert_len(list->strings, (const char *)digest,
							 sizeof digest);
}

static gboolean hash_sink(gpointer user_data, const guint8 *data, gsize len, GError **error)
{
	(void)error; /* cannot fail */
	util_sha256_update(user_data, data, len);
	return TRUE;
}

static DeltaEntry *part_entry(BundleList *list, guint i)
{
	return &g_array_index(list->entries, DeltaEntry, list->tree.count + i);
}

/* The packed bytes and what the archive says of them: parts that agree in this are the same. */
static gboolean hash_packed(BundleList *list, guint i, GError **error)
{
	const BundlePart *part = &g_array_index(list->parts, BundlePart, i);
	g_autoptr(UtilSha256) sha = util_sha256_new();
	const guint64 facts[] = {GUINT64_TO_LE(part->facts.bytes), GUINT64_TO_LE(part->facts.crc),
				 GUINT64_TO_LE((guint64)part->packing)};
	if (!bundle_list_read_packed(list, list->tree.count + i, hash_sink, sha, error))
		return FALSE;
	util_sha256_update(sha, facts, sizeof facts);
	part_entry(list, i)->packed_sha256 = keep_hash(list, sha);
	return TRUE;
}

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

static GHashTable *packed_of(BundleList *list)
{
	GHashTable *all = g_hash_table_new(hash_of, hash_equal);
	for (guint i = 0; i < list->parts->len; i++)
		g_hash_table_add(all, (gpointer)(guintptr)part_entry(list, i)->packed_sha256);
	return all;
}

/* FALSE without error: it is damaged. */
static gboolean hash_content(BundleList *list, guint i, GError **error)
{
	DeltaEntry *entry = part_entry(list, i);
	g_autoptr(UtilSha256) sha = util_sha256_new();
	g_autoptr(GError) inner = NULL;
	if (bundle_list_read(list, list->tree.count + i, 0, entry->size, hash_sink, sha, &inner)) {
		entry->sha256 = keep_hash(list, sha);
		return TRUE;
	}
	if (inner->code != TS_ERROR_CORRUPT)
		g_propagate_error(error, g_steal_pointer(&inner));
	return FALSE;
}

typedef struct {
	const BundleList *list;
	const BundlePart *part;
} Packed;

static gboolean fill_sink(gpointer user_data, const guint8 *data, gsize len, GError **error)
{
	guint8 **at = user_data;
	(void)error; /* cannot fail */
	memcpy(*at, data, len);
	*at += len;
	return TRUE;
}

/* Reads of the packed bytes, for delta_zlib_find. */
static gboolean packed_read(gpointer user_data, guint64 offset, guint8 *out, gsize len,
			    GError **error)
{
	const Packed *packed = user_data;
	guint8 *at = out;
	BundlePart piece = *packed->part;
	piece.packing = DELTA_STORED;
	piece.at += offset;
	piece.facts.packed_bytes = len;
	return bundle_part_read(packed->list, &piece, fill_sink, &at, error);
}

/* How it is packed; what zlib cannot pack again travels as it lies there. */
static gboolean find_way(BundleList *list, guint i, DeltaZlib *hint, GError **error)
{
	BundlePart *part = &g_array_index(list->parts, BundlePart, i);
	DeltaEntry *entry = part_entry(list, i);
	Packed packed = {list, part};
	DeltaBytes bytes = {packed_read, &packed, part->facts.packed_bytes};
	DeltaMember member = {.name = "", .facts = part->facts, .packing = part->packing};
	if (!delta_zlib_find(&bytes, &member, *hint, &entry->way, error))
		return FALSE;
	if (entry->way != 0) {
		*hint = entry->way;
		return TRUE;
	}
	part->packing = DELTA_STORED;
	part->opaque = TRUE;
	entry->size = part->facts.packed_bytes;
	return TRUE;
}

/* FALSE without error: the archive this part is in cannot be put together again. */
static gboolean examine_new(BundleList *list, guint i, DeltaZlib *hint, GError **error)
{
	const BundlePart *part = &g_array_index(list->parts, BundlePart, i);
	/* damage shows while it is unpacked, before a way is looked for */
	if (!hash_content(list, i, error))
		return FALSE;
	if (part->packing == DELTA_STORED)
		return TRUE;
	return find_way(list, i, hint, error) &&
	       (part_entry(list, i)->way != 0 || hash_content(list, i, error));
}

typedef struct {
	BundleList *list;
	GHashTable *old_packed;
	const UtilProgress *progress;
	DeltaZlib hint;
} Examine;

/* *ret_pays: something of it is gained by taking it apart. */
static gboolean examine_archive(Examine *examine, const DeltaOpened *opened, gboolean *ret_good,
				GError **error)
{
	BundleList *list = examine->list;
	gboolean pays = FALSE;
	*ret_good = FALSE;
	for (guint p = 0; p < opened->count; p++) {
		guint i = opened->first + p - list->tree.count;
		g_autoptr(GError) inner = NULL;
		util_progress(examine->progress, "looking into archives", i, list->parts->len);
		if (g_hash_table_contains(examine->old_packed,
					  part_entry(list, i)->packed_sha256)) {
			pays = TRUE;
			continue;
		}
		if (!examine_new(list, i, &examine->hint, &inner)) {
			if (!inner)
				return TRUE;
			g_propagate_error(error, g_steal_pointer(&inner));
			return FALSE;
		}
		pays = pays || !g_array_index(list->parts, BundlePart, i).opaque;
	}
	*ret_good = pays;
	return TRUE;
}

/* Only what can be put together again stays open; of packed ones, what can be packed again. */
static gboolean examine_all_new(Examine *examine, GError **error)
{
	BundleList *list = examine->list;
	GArray *good = g_array_new(FALSE, TRUE, sizeof(DeltaOpened));
	gboolean ok = TRUE;
	for (guint i = 0; ok && i < list->opened->len; i++) {
		DeltaOpened opened = g_array_index(list->opened, DeltaOpened, i);
		gboolean keep = FALSE;
		ok = examine_archive(examine, &opened, &keep, error);
		if (opened.entry >= list->tree.count) {
			guint part = opened.entry - list->tree.count;
			const BundlePart *whole = &g_array_index(list->parts, BundlePart, part);
			keep = keep && !whole->opaque;
		}
		if (keep)
			g_array_append_val(good, opened);
	}
	g_array_unref(list->opened);
	list->opened = good;
	list->tree.opened = (const DeltaOpened *)(gpointer)good->data;
	list->tree.n_opened = good->len;
	return ok;
}

static gboolean examine_all_old(BundleList *list, GHashTable *new_packed, GError **error)
{
	for (guint i = 0; i < list->parts->len; i++) {
		g_autoptr(GError) inner = NULL;
		const guint8 *packed = part_entry(list, i)->packed_sha256;
		if (!g_hash_table_contains(new_packed, packed) && !hash_content(list, i, &inner) &&
		    inner) {
			g_propagate_error(error, g_steal_pointer(&inner));
			return FALSE;
		}
	}
	return TRUE;
}

static gboolean hash_all_packed(BundleList *list, GError **error)
{
	for (guint i = 0; i < list->parts->len; i++)
		if (!hash_packed(list, i, error))
			return FALSE;
	return TRUE;
}

gboolean bundle_lists_examine(BundleList *old_list, BundleList *new_list,
			      const UtilProgress *progress, GError **error)
{
	if (!hash_all_packed(old_list, error) || !hash_all_packed(new_list, error))
		return FALSE;
	g_autoptr(GHashTable) old_packed = packed_of(old_list);
	g_autoptr(GHashTable) new_packed = packed_of(new_list);
	Examine examine = {.list = new_list, .old_packed = old_packed, .progress = progress};
	return examine_all_old(old_list, new_packed, error) && examine_all_new(&examine, error);
}
