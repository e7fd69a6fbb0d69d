/* SPDX-License-Identifier: ISC */
/* The lists of a delta: what changed, and how archives are put together. */
#include "bundle/bundle-private.h"

static gboolean read_parts(BundleReader *reader, DeltaChanges *changes, BundleList *old_list,
			   guint64 left, GError **error)
{
	g_autoptr(GByteArray) encoded = NULL;
	if (!delta_changes_wants_parts(changes))
		return TRUE;
	if (!bundle_list_open(old_list, changes->opened, TRUE, error)) {
		g_prefix_error(error, "old tree: ");
		return FALSE;
	}
	return bundle_reader_member(reader, "archives", (gsize)MIN(left / 4, G_MAXUINT32 / 2),
				    &encoded, error) &&
	       delta_parts_decode(changes, encoded->data, encoded->len, &old_list->tree, error);
}

DeltaChanges *bundle_read_changes(BundleReader *reader, const BundleInfo *info,
				  BundleList *old_list, guint64 memory_bytes, GError **error)
{
	char root[UTIL_SHA256_HEX];
	bundle_tree_root(old_list->from, root);
	if (!g_str_has_prefix(root, info->old_root)) {
		util_error_set(error, TS_ERROR_CORRUPT,
			       "the bundle starts from root %s, but the old tree is %s",
			       info->old_root, root);
		return NULL;
	}
	guint64 taken = BUNDLE_FIXED_BYTES + bundle_reader_memory(reader) +
			bundle_manifest_memory(old_list->from->manifest);
	guint64 left = memory_bytes > taken ? memory_bytes - taken : 0;
	g_autoptr(GByteArray) encoded = NULL;
	/* coded it is smaller than what it takes when decoded */
	if (!bundle_reader_member(reader, "changes", (gsize)MIN(left / 4, G_MAXUINT32 / 2),
				  &encoded, error))
		return NULL;
	g_autoptr(DeltaChanges) changes =
	    delta_changes_decode(encoded->data, encoded->len, &old_list->tree, left, error);
	if (changes && read_parts(reader, changes, old_list, left, error))
		return g_steal_pointer(&changes);
	g_prefix_error(error, "bundle: ");
	return NULL;
}
