/* SPDX-License-Identifier: ISC */
/* Making a delta. */
#include "bundle/bundle-private.h"

#define SAMPLE_BYTES ((gsize)16 * 1024)

/* Looks into each file with new content: the coder depends on what it holds. */
static gboolean find_kinds(const BundleTree *new_tree, DeltaChanges *changes, GError **error)
{
	g_autofree guint8 *sample = g_malloc(SAMPLE_BYTES);
	for (guint i = 0; i < changes->items->len; i++) {
		DeltaItem *item = delta_changes_item(changes, i);
		gsize len = 0;
		if (item->entry.type != DELTA_FILE || item->source != DELTA_NEW)
			continue;
		util_autofd int fd = tree_open_file(new_tree->dirfd, item->entry.path, error);
		if (fd < 0 || !util_fs_read_full(fd, sample, SAMPLE_BYTES, &len, error)) {
			g_prefix_error(error, "new tree: ");
			return FALSE;
		}
		item->kind = delta_kind(item->entry.path, sample, len);
	}
	return TRUE;
}

/* Memory of the reader but for the segment it decodes. */
static guint64 lists_memory(const BundleTree *old_tree, const BundleTree *new_tree)
{
	return BUNDLE_FIXED_BYTES + delta_xz_decoder_memory(BUNDLE_DELTA_DICT) +
	       bundle_manifest_memory(old_tree->manifest) +
	       bundle_manifest_memory(new_tree->manifest);
}

static gboolean plan(DeltaChanges *changes, const BundleTree *old_tree, const DeltaTree *old_list,
		     const BundleTree *new_tree, guint64 base_bytes, GError **error)
{
	guint64 taken =
	    lists_memory(old_tree, new_tree) + delta_changes_list_bytes(changes, old_list);
	DeltaLimits limits = {.decode_bytes = base_bytes > taken ? base_bytes - taken : 0,
			      .encode_bytes = BUNDLE_ENCODE_BYTES};
	if (delta_plan(changes, old_list, &limits, error))
		return TRUE;
	g_prefix_error(error,
		       "a delta of these trees cannot be unpacked within %" G_GUINT64_FORMAT
		       " bytes of memory: ",
		       base_bytes);
	return FALSE;
}

/* Reads the change list as a base will: it must lead to the new tree, and this is what it costs. */
static gboolean prove(const GByteArray *encoded, const BundleTree *old_tree,
		      const DeltaTree *old_list, const BundleTree *new_tree, BundleInfo *info,
		      GError **error)
{
	g_autoptr(DeltaChanges) changes =
	    delta_changes_decode(encoded->data, encoded->len, old_list, G_MAXUINT64, error);
	g_autoptr(Manifest) manifest =
	    changes ? bundle_changes_manifest(changes, old_tree->manifest, error) : NULL;
	if (!manifest)
		return FALSE;
	for (guint i = 0; i < changes->items->len; i++) {
		const DeltaItem *item = delta_changes_item(changes, i);
		if (item->entry.type == DELTA_FILE &&
		    (item->source == DELTA_NEW || item->source == DELTA_TWIN))
			manifest_set_sha256(manifest, i,
					    manifest_entry(new_tree->manifest, i)->sha256);
	}
	char root[UTIL_SHA256_HEX];
	manifest_root(manifest, root);
	if (strcmp(root, info->new_root) != 0)
		return util_error_set(error, TS_ERROR_FAILED,
				      "the change list does not lead to the new tree (a defect in "
				      "tagship; use the plain codec and report it)");
	info->memory_bytes =
	    lists_memory(old_tree, new_tree) + changes->list_bytes + delta_changes_memory(changes);
	return TRUE;
}

static gboolean write_delta(const BundleTree *old_tree, const DeltaTree *old_list,
			    const BundleTree *new_tree, const DeltaChanges *changes,
			    const GByteArray *encoded, int out_fd, const UtilProgress *progress,
			    BundleInfo *info, GError **error)
{
	g_autofree char *header = bundle_header_format(info);
	g_autoptr(BundleWriter) writer = bundle_writer_new(out_fd, BUNDLE_DELTA_DICT, NULL, error);
	return writer &&
	       bundle_writer_member(writer, "header", header, strlen(header), FALSE, error) &&
	       bundle_writer_member(writer, "changes", encoded->data, encoded->len,
				    encoded->len >= 4096, error) &&
	       bundle_write_contents(writer, old_tree, old_list, new_tree, changes, progress,
				     error) &&
	       bundle_writer_finish(writer, info, error);
}

gboolean bundle_make_delta(const BundleTree *old_tree, const BundleTree *new_tree, int out_fd,
			   const BundleMakeOptions *options, BundleInfo *info, GError **error)
{
	g_auto(BundleList) old_list = {0};
	g_auto(BundleList) new_list = {0};
	bundle_list_init(&old_list, old_tree->manifest);
	bundle_list_init(&new_list, new_tree->manifest);
	g_autoptr(DeltaChanges) changes = delta_diff(&old_list.tree, &new_list.tree);
	bundle_count_changes(changes, &old_list.tree, info);
	info->decoded_bytes = manifest_bytes(new_tree->manifest);
	if (!find_kinds(new_tree, changes, error) ||
	    !plan(changes, old_tree, &old_list.tree, new_tree, options->base_memory_bytes, error))
		return FALSE;
	g_autoptr(GByteArray) encoded = delta_changes_encode(changes, &old_list.tree, error);
	if (!encoded || !prove(encoded, old_tree, &old_list.tree, new_tree, info, error))
		return FALSE;
	return write_delta(old_tree, &old_list.tree, new_tree, changes, encoded, out_fd,
			   options->progress, info, error);
}
