/* SPDX-License-Identifier: ISC */
/* Making a delta. */
#include "bundle/bundle-private.h"

#define SAMPLE_BYTES ((gsize)16 * 1024)

/* What is being made. */
typedef struct {
	const BundleTree *old_tree, *new_tree;
	const BundleMakeOptions *options;
	BundleList old_list, new_list;
	DeltaChanges *changes;
	BundleInfo *info;
} Make;

/* Looks into each file with new content: the coder depends on what it holds. */
static void find_kinds(Make *make)
{
	g_autofree guint8 *sample = g_malloc(SAMPLE_BYTES);
	for (guint i = 0; i < make->changes->items->len; i++) {
		DeltaItem *item = delta_changes_item(make->changes, i);
		if (item->entry.type != DELTA_FILE || item->source != DELTA_NEW)
			continue;
		gsize len = bundle_list_sample(&make->new_list, item->origin, sample, SAMPLE_BYTES);
		item->kind = delta_kind(item->entry.path, sample, len);
	}
}

static guint choose_effort(const Make *make)
{
	guint64 ref_bytes = 0;
	if (make->options->effort > 0)
		return MIN(make->options->effort, BUNDLE_EFFORT_MAX);
	if (make->options->arrive_kbit == 0)
		return BUNDLE_EFFORT_DEFAULT;
	for (guint i = 0; i < make->changes->items->len; i++) {
		const DeltaItem *item = delta_changes_item(make->changes, i);
		if (item->source == DELTA_NEW && item->basis != DELTA_NONE)
			ref_bytes += make->old_list.tree.entries[item->basis].size;
	}
	return bundle_effort_for(make->changes->content_bytes, ref_bytes,
				 make->options->arrive_kbit);
}

/* What is coded after what, and how. */
static gboolean find_counterparts(Make *make, GError **error)
{
	const UtilProgress *progress = make->options->progress;
	find_kinds(make);
	return bundle_pair_similar(&make->old_list, &make->new_list, make->changes, progress,
				   error) &&
	       bundle_find_edited(&make->old_list, &make->new_list, make->changes,
				  make->info->effort, progress, error);
}

/* Memory of the reader but for the segment it decodes. */
static guint64 lists_memory(const Make *make)
{
	return BUNDLE_FIXED_BYTES + delta_xz_decoder_memory(BUNDLE_DELTA_DICT) +
	       bundle_manifest_memory(make->old_tree->manifest) +
	       bundle_manifest_memory(make->new_tree->manifest) +
	       bundle_list_memory(&make->old_list);
}

static gboolean plan(Make *make, GError **error)
{
	guint64 base_bytes = make->options->base_memory_bytes;
	guint64 taken =
	    lists_memory(make) + delta_changes_list_bytes(make->changes, &make->old_list.tree);
	DeltaLimits limits = {.decode_bytes = base_bytes > taken ? base_bytes - taken : 0,
			      .encode_bytes = BUNDLE_ENCODE_BYTES};
	if (delta_plan(make->changes, &make->old_list.tree, &limits, error))
		return TRUE;
	g_prefix_error(error,
		       "a delta of these trees cannot be unpacked within %" G_GUINT64_FORMAT
		       " bytes of memory: ",
		       base_bytes);
	return FALSE;
}

/* The two lists as they will travel. */
typedef struct {
	GByteArray *changes, *archives;
} Lists;

static void lists_clear(Lists *lists)
{
	g_clear_pointer(&lists->changes, g_byte_array_unref);
	g_clear_pointer(&lists->archives, g_byte_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Lists, lists_clear)

static gboolean lists_encode(const Make *make, Lists *lists, GError **error)
{
	const DeltaTree *old_tree = &make->old_list.tree;
	lists->changes = delta_changes_encode(make->changes, old_tree, error);
	lists->archives =
	    lists->changes ? delta_parts_encode(make->changes, old_tree, error) : NULL;
	return lists->archives != NULL;
}

static DeltaChanges *lists_decode(const Make *make, const Lists *lists, GError **error)
{
	const DeltaTree *old_tree = &make->old_list.tree;
	g_autoptr(DeltaChanges) changes = delta_changes_decode(
	    lists->changes->data, lists->changes->len, old_tree, G_MAXUINT64, error);
	if (!changes || (lists->archives->len > 0 &&
			 !delta_parts_decode(changes, lists->archives->data, lists->archives->len,
					     old_tree, error)))
		return NULL;
	return g_steal_pointer(&changes);
}

/* Reads the lists as a base will: they must lead to the new tree, and this is what they cost. */
static gboolean prove_lists(Make *make, const Lists *lists, GError **error)
{
	g_autoptr(DeltaChanges) changes = lists_decode(make, lists, error);
	g_autoptr(Manifest) manifest =
	    changes ? bundle_changes_manifest(changes, make->old_tree->manifest, error) : NULL;
	if (!manifest)
		return FALSE;
	for (guint i = 0; i < changes->count; i++) {
		const DeltaItem *item = delta_changes_item(changes, i);
		if (item->entry.type == DELTA_FILE && item->source != DELTA_KEPT &&
		    item->source != DELTA_COPIED)
			manifest_set_sha256(manifest, i,
					    manifest_entry(make->new_tree->manifest, i)->sha256);
	}
	char root[UTIL_SHA256_HEX];
	manifest_root(manifest, root);
	if (strcmp(root, make->info->new_root) != 0)
		return util_error_set(error, TS_ERROR_FAILED,
				      "the change list does not lead to the new tree (a defect in "
				      "tagship; use the plain codec and report it)");
	make->info->memory_bytes =
	    lists_memory(make) + changes->list_bytes + delta_changes_memory(changes);
	return TRUE;
}

/* Disk that the reader needs for a while. */
static guint64 scratch_bytes(const Make *make)
{
	guint64 bytes = make->old_list.scratch_peak;
	for (guint i = make->changes->count; i < make->changes->items->len; i++) {
		const DeltaItem *item = delta_changes_item(make->changes, i);
		bytes += item->source == DELTA_NEW ? item->entry.size : 0;
	}
	return bytes;
}

static gboolean write_delta(Make *make, const Lists *lists, int out_fd, GError **error)
{
	const UtilProgress *progress = make->options->progress;
	g_autofree char *header = bundle_header_format(make->info);
	g_autoptr(BundleWriter) writer =
	    bundle_writer_new(out_fd, BUNDLE_DELTA_DICT, BUNDLE_DELTA_PROPS, NULL, error);
	return writer &&
	       bundle_writer_member(writer, "header", header, strlen(header), FALSE, error) &&
	       bundle_writer_member(writer, "changes", lists->changes->data, lists->changes->len,
				    lists->changes->len >= 4096, error) &&
	       (lists->archives->len == 0 ||
		bundle_writer_member(writer, "archives", lists->archives->data,
				     lists->archives->len, lists->archives->len >= 4096, error)) &&
	       bundle_write_contents(writer, &make->old_list, &make->new_list, make->changes,
				     progress, make->info, error) &&
	       bundle_writer_finish(writer, make->info, error);
}

static void begin_lists(Make *make)
{
	bundle_list_init(&make->old_list, make->old_tree);
	bundle_list_init(&make->new_list, make->new_tree);
	make->old_list.scratch_dirfd = make->new_list.scratch_dirfd =
	    make->options->scratch_dirfd > 0 ? make->options->scratch_dirfd : AT_FDCWD;
}

static void end_lists(Make *make)
{
	g_clear_pointer(&make->changes, delta_changes_free);
	bundle_list_clear(&make->old_list);
	bundle_list_clear(&make->new_list);
}

/* Compares the trees; archives that turn out not to come back are left whole at the next try. */
static gboolean compare(Make *make, GError **error)
{
	const UtilProgress *progress = make->options->progress;
	g_autofree guint8 *refused = g_malloc0((gsize)manifest_count(make->new_tree->manifest) + 1);
	for (;;) {
		begin_lists(make);
		if (!make->options->whole_archives &&
		    !bundle_open_archives(&make->old_list, &make->new_list, refused, progress,
					  error))
			return FALSE;
		make->changes = delta_diff(&make->old_list.tree, &make->new_list.tree);
		if (bundle_prove_archives(make->changes, &make->old_list, &make->new_list, progress,
					  refused) == 0)
			break;
		end_lists(make);
	}
	if (make->changes->archives->len > 0 || make->old_list.opened->len == 0)
		return TRUE;
	/* no new archive is taken apart: the old ones need not be either */
	end_lists(make);
	begin_lists(make);
	make->changes = delta_diff(&make->old_list.tree, &make->new_list.tree);
	return TRUE;
}

static gboolean make_delta(Make *make, int out_fd, GError **error)
{
	g_auto(Lists) lists = {0};
	if (!compare(make, error))
		return FALSE;
	bundle_count_changes(make->changes, &make->old_list.tree, make->info);
	make->info->decoded_bytes = manifest_bytes(make->new_tree->manifest);
	make->info->scratch_bytes = scratch_bytes(make);
	if (make->changes->archives->len > 0)
		make->info->zlib = bundle_zlib_digest();
	make->info->effort = choose_effort(make);
	if (!find_counterparts(make, error) || !plan(make, error))
		return FALSE;
	return lists_encode(make, &lists, error) && prove_lists(make, &lists, error) &&
	       write_delta(make, &lists, out_fd, error);
}

gboolean bundle_make_delta(const BundleTree *old_tree, const BundleTree *new_tree, int out_fd,
			   const BundleMakeOptions *options, BundleInfo *info, GError **error)
{
	Make make = {.old_tree = old_tree, .new_tree = new_tree, .options = options, .info = info};
	gboolean ok = make_delta(&make, out_fd, error);
	end_lists(&make);
	return ok;
}
