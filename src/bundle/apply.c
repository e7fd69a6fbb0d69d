/* SPDX-License-Identifier: ISC */
/* Applying a delta: the new tree from the old one and a bundle. */
#include "bundle/bundle-private.h"

/* What is being built. */
typedef struct {
	BundleReader *reader;
	const BundleInfo *info;
	const BundleTree *old_tree;
	const BundleList *old_list;
	const DeltaChanges *changes;
	Manifest *manifest; /* of the new tree; hashes of new contents are filled in on the way */
	const UtilProgress *progress;
	TreeTake take;
	guint8 *taken; /* as tree_finish has it */
	int dirfd;
	/* the file whose content comes next */
	guint order_at;
	gboolean begun;
	int fd; /* -1: it is a part */
	UtilSha256 *sha;
	guint64 left;
	guint64 bytes_done; /* of contents */
	/* contents of new parts wait here until all are there */
	int scratch_fd;
	guint64 scratch_end;
	guint64 *part_at; /* per part: where */
} Apply;

/* Makes folders and links, in byte order of path: a folder before what is in it. */
static gboolean make_names(Apply *apply, GError **error)
{
	for (guint i = 0; i < manifest_count(apply->manifest); i++) {
		const ManifestEntry *entry = manifest_entry(apply->manifest, i);
		if (entry->type == MANIFEST_DIR && !tree_make_dir(apply->dirfd, entry->path, error))
			return FALSE;
		if (entry->type == MANIFEST_LINK &&
		    !tree_make_link(apply->dirfd, entry->path, entry->target, error))
			return FALSE;
	}
	return TRUE;
}

/* Files whose content the old tree has. */
static gboolean copy_files(Apply *apply, GError **error)
{
	g_autoptr(GArray) pairs = g_array_new(FALSE, FALSE, sizeof(TreePair));
	GError *inner = NULL;
	for (guint i = 0; i < apply->changes->count; i++) {
		const DeltaItem *item = delta_changes_item(apply->changes, i);
		TreePair pair = {.to = manifest_entry(apply->manifest, i)};
		if (item->entry.type != DELTA_FILE ||
		    (item->source != DELTA_KEPT && item->source != DELTA_COPIED))
			continue;
		pair.from = manifest_entry(apply->old_tree->manifest, item->from);
		apply->taken[i] = apply->take != TREE_TAKE_CHECKED;
		g_array_append_val(pairs, pair);
	}
	if (tree_take_files(apply->old_tree->dirfd, apply->dirfd, apply->take, pairs,
			    apply->progress, &inner))
		return TRUE;
	/* of a tree whose manifest says it is there */
	if (g_error_matches(inner, TS_ERROR, TS_ERROR_NOT_FOUND))
		inner->code = TS_ERROR_CORRUPT;
	g_propagate_prefixed_error(error, inner, "old tree: ");
	return FALSE;
}

static const DeltaItem *current_item(const Apply *apply, guint *ret_index)
{
	*ret_index = g_array_index(apply->changes->order, guint, apply->order_at);
	return delta_changes_item(apply->changes, *ret_index);
}

static gboolean begin_file(Apply *apply, GError **error)
{
	guint index = 0;
	const DeltaItem *item = current_item(apply, &index);
	apply->begun = TRUE;
	apply->left = item->entry.size;
	if (index >= apply->changes->count) {
		g_assert(apply->part_at); /* there are parts: prepare_scratch made it */
		apply->part_at[index - apply->changes->count] = apply->scratch_end;
		return TRUE;
	}
	apply->fd = tree_make_file(apply->dirfd, item->entry.path, error);
	apply->sha = util_sha256_new();
	return apply->fd >= 0;
}

static gboolean end_file(Apply *apply, GError **error)
{
	guint index = 0;
	guint8 digest[UTIL_SHA256_BYTES];
	(void)current_item(apply, &index); /* only the index is wanted */
	apply->begun = FALSE;
	apply->order_at++;
	if (index >= apply->changes->count)
		return TRUE;
	util_sha256_finish(apply->sha, digest);
	g_clear_pointer(&apply->sha, util_sha256_free);
	manifest_set_sha256(apply->manifest, index, digest);
	int fd = apply->fd;
	apply->fd = -1;
	return g_close(fd, error);
}

/* Bytes of the file or part that is being filled. */
static gboolean put_bytes(Apply *apply, const guint8 *data, gsize len, GError **error)
{
	if (apply->fd >= 0) {
		util_sha256_update(apply->sha, data, len);
		return util_fs_write_all(apply->fd, data, len, error);
	}
	if (!util_fs_pwrite_all(apply->scratch_fd, data, len, apply->scratch_end, error))
		return FALSE;
	apply->scratch_end += len;
	return TRUE;
}

/* Ends files that are complete and begins empty ones, until content is wanted again. */
static gboolean advance(Apply *apply, GError **error)
{
	while (apply->order_at < apply->changes->order->len) {
		if (!apply->begun && !begin_file(apply, error))
			return FALSE;
		if (apply->left > 0)
			return TRUE;
		if (!end_file(apply, error))
			return FALSE;
	}
	return TRUE;
}

/* Decoded bytes, on to the files in their order. Segments and files add up to the same: the change
 * list was checked for that, and the caller never gives more than a segment has. */
static gboolean put_content(Apply *apply, const guint8 *data, gsize len, GError **error)
{
	while (len > 0) {
		if (!advance(apply, error))
			return FALSE;
		g_assert(apply->left > 0);
		gsize part = (gsize)MIN(apply->left, len);
		if (!put_bytes(apply, data, part, error))
			return FALSE;
		apply->left -= part;
		apply->bytes_done += part;
		data += part;
		len -= part;
	}
	util_progress(apply->progress, "decoding", apply->bytes_done,
		      apply->changes->content_bytes);
	return TRUE;
}

/* Feeds one block of a member; *left: content bytes the segment may still give. */
static gboolean decode_block(Apply *apply, DeltaCoder *coder, guint8 *out, DeltaBuffers *buffers,
			     DeltaRun run, guint64 *left, gboolean *ret_done, GError **error)
{
	do {
		buffers->out = out;
		buffers->out_len = BUNDLE_CHUNK;
		if (!delta_coder_step(coder, buffers, run, ret_done, error))
			return FALSE;
		gsize made = BUNDLE_CHUNK - buffers->out_len;
		if (made > *left)
			return util_error_set(error, TS_ERROR_CORRUPT,
					      "a segment holds more than its size");
		*left -= made;
		if (!put_content(apply, out, made, error))
			return FALSE;
	} while (!*ret_done && (buffers->in_len > 0 || buffers->out_len == 0));
	return *ret_done
		   ? buffers->in_len == 0 ||
			 util_error_set(error, TS_ERROR_CORRUPT, "bytes after the end of a segment")
		   : TRUE;
}

static gboolean decode_member(Apply *apply, DeltaCoder *coder, guint64 left, GError **error)
{
	g_autofree guint8 *out = g_malloc(BUNDLE_CHUNK);
	gboolean done = FALSE;
	for (;;) {
		const guint8 *data = NULL;
		gsize len = 0;
		if (!bundle_reader_block(apply->reader, &data, &len, error))
			return FALSE;
		if (len > 0 && done)
			return util_error_set(error, TS_ERROR_CORRUPT,
					      "bytes after the end of a segment");
		DeltaBuffers buffers = {.in = data, .in_len = len};
		if (!done && !decode_block(apply, coder, out, &buffers,
					   len > 0 ? DELTA_MORE : DELTA_LAST, &left, &done, error))
			return FALSE;
		if (len == 0)
			break;
	}
	return left == 0 ||
	       util_error_set(error, TS_ERROR_CORRUPT, "a segment holds less than its size");
}

static gboolean content_sink(gpointer user_data, const guint8 *data, gsize len, GError **error)
{
	return put_content(user_data, data, len, error);
}

/* Codec 2 has its text as a whole. */
static gboolean decode_patch(Apply *apply, const DeltaSegment *segment, const guint8 *refs,
			     guint64 size, GError **error)
{
	guint64 most = delta_patch_text_max(segment->bytes);
	g_autoptr(GByteArray) coded = NULL;
	return advance(apply, error) &&
	       bundle_reader_content(apply->reader, size, (gsize)(most + most / 8 + 1024), &coded,
				     error) &&
	       bundle_patch_decode(segment, apply->changes, apply->order_at, refs, coded,
				   content_sink, apply, error);
}

static gboolean decode_stream(Apply *apply, const DeltaSegment *segment, guint8 *refs,
			      GError **error)
{
	DeltaStream stream = delta_segment_stream(segment);
	g_autoptr(DeltaCoder) coder = delta_decoder_new(&stream, refs, error);
	g_free(refs); /* the coder has its copy */
	return coder && decode_member(apply, coder, segment->bytes, error);
}

static gboolean decode_segment(Apply *apply, guint number, GError **error)
{
	const DeltaSegment *segment =
	    &g_array_index(apply->changes->segments, DeltaSegment, number);
	g_autofree char *name = g_strdup_printf("contents-%u", number + 1);
	guint64 size = 0;
	gboolean ok = FALSE;
	if (!bundle_reader_open_member(apply->reader, name, &size, error))
		return FALSE;
	guint8 *refs = bundle_read_refs(apply->old_list, apply->changes, segment, &ok, error);
	if (!ok)
		return FALSE;
	if (segment->codec == DELTA_CODEC_PATCH) {
		ok = decode_patch(apply, segment, refs, size, error);
		g_free(refs);
	} else {
		ok = decode_stream(apply, segment, refs, error);
	}
	if (!ok)
		g_prefix_error(error, "bundle: %s: ", name);
	return ok;
}

/* ---- archives ---- */

static gboolean new_content(gpointer user_data, guint index, BundleSink sink, gpointer sink_data,
			    GError **error)
{
	Apply *apply = user_data;
	guint64 size = delta_changes_item(apply->changes, index)->entry.size;
	if (index >= apply->changes->count)
		return bundle_read_range(apply->scratch_fd,
					 apply->part_at[index - apply->changes->count], size, sink,
					 sink_data, error);
	const ManifestEntry *entry = manifest_entry(apply->manifest, index);
	util_autofd int fd = tree_open_file(apply->dirfd, entry->path, error);
	return fd >= 0 && bundle_read_range(fd, 0, size, sink, sink_data, error);
}

static gboolean put_file_sink(gpointer user_data, const guint8 *data, gsize len, GError **error)
{
	Apply *apply = user_data;
	if (len > apply->left)
		return util_error_set(error, TS_ERROR_CORRUPT, "it becomes larger than its size");
	apply->left -= len;
	return put_bytes(apply, data, len, error);
}

static gboolean put_together(Apply *apply, guint index, GError **error)
{
	const DeltaItem *item = delta_changes_item(apply->changes, index);
	BundleTogether from = {.changes = apply->changes,
			       .old_list = apply->old_list,
			       .scratch_dirfd = apply->dirfd,
			       .content = new_content,
			       .user_data = apply};
	guint8 digest[UTIL_SHA256_BYTES];
	apply->fd = tree_make_file(apply->dirfd, item->entry.path, error);
	apply->sha = util_sha256_new();
	apply->left = item->entry.size;
	if (apply->fd < 0 || !bundle_put_together(&from, index, put_file_sink, apply, error))
		return FALSE;
	if (apply->left > 0)
		return util_error_set(error, TS_ERROR_CORRUPT, "it becomes smaller than its size");
	util_sha256_finish(apply->sha, digest);
	g_clear_pointer(&apply->sha, util_sha256_free);
	manifest_set_sha256(apply->manifest, index, digest);
	int fd = apply->fd;
	apply->fd = -1;
	return g_close(fd, error);
}

static gboolean put_archives_together(Apply *apply, GError **error)
{
	guint done = 0;
	for (guint i = 0; i < apply->changes->count; i++) {
		const DeltaItem *item = delta_changes_item(apply->changes, i);
		if (item->source != DELTA_TOGETHER)
			continue;
		util_progress(apply->progress, "packing archives", done++,
			      apply->changes->archives->len);
		if (!put_together(apply, i, error)) {
			g_autofree char *name = util_text_printable(item->entry.path, -1);
			g_prefix_error(error, "%s: ", name);
			return FALSE;
		}
	}
	return TRUE;
}

/* New files that have the content of another new file. */
static gboolean copy_twins(Apply *apply, GError **error)
{
	for (guint i = 0; i < apply->changes->count; i++) {
		const DeltaItem *item = delta_changes_item(apply->changes, i);
		if (item->entry.type != DELTA_FILE || item->source != DELTA_TWIN)
			continue;
		const ManifestEntry *twin = manifest_entry(apply->manifest, item->from);
		manifest_set_sha256(apply->manifest, i, twin->sha256);
		if (!tree_copy_file(apply->dirfd, twin->path, apply->dirfd, item->entry.path, twin,
				    error))
			return FALSE;
	}
	return TRUE;
}

static gboolean build(Apply *apply, GError **error)
{
	if (!make_names(apply, error) || !copy_files(apply, error))
		return FALSE;
	for (guint i = 0; i < apply->changes->segments->len; i++)
		if (!decode_segment(apply, i, error))
			return FALSE;
	return advance(apply, error) && bundle_reader_finish(apply->reader, error) &&
	       put_archives_together(apply, error) && copy_twins(apply, error);
}

/* When it went wrong: files used in part were not hashed on the way. An altered one explains the
 * failure better than what it led to. */
static void blame_old_file(const Apply *apply, GError **error)
{
	for (guint i = 0; i < apply->changes->refs->len; i++) {
		const DeltaRef *ref = &g_array_index(apply->changes->refs, DeltaRef, i);
		guint8 digest[UTIL_SHA256_BYTES] = {0};
		if (ref->old_index >= apply->old_list->tree.count)
			continue; /* of archives, which were hashed */
		const ManifestEntry *entry =
		    manifest_entry(apply->old_tree->manifest, ref->old_index);
		if (ref->length == entry->size)
			continue;
		util_autofd int fd = tree_open_file(apply->old_tree->dirfd, entry->path, NULL);
		if (fd >= 0 && util_sha256_fd(fd, digest, NULL, NULL) &&
		    memcmp(digest, entry->sha256, sizeof digest) == 0)
			continue;
		g_autofree char *name = util_text_printable(entry->path, -1);
		g_clear_error(error);
		util_error_set(error, TS_ERROR_CORRUPT,
			       "old tree: %s: its content is not what the manifest says", name);
		return;
	}
}

/* The sums that can be known before anything is written. */
static gboolean check_sums(const Apply *apply, guint64 memory_bytes, GError **error)
{
	guint64 memory = BUNDLE_FIXED_BYTES + bundle_reader_memory(apply->reader) +
			 bundle_manifest_memory(apply->old_tree->manifest) +
			 bundle_manifest_memory(apply->manifest) +
			 bundle_list_memory(apply->old_list) + apply->changes->list_bytes;
	guint64 segments = delta_changes_memory(apply->changes);
	guint64 scratch = apply->old_list->scratch_bytes, together = 0;
	for (guint i = apply->changes->count; i < apply->changes->items->len; i++) {
		const DeltaItem *item = delta_changes_item(apply->changes, i);
		scratch += item->source == DELTA_NEW ? item->entry.size : 0;
		together += item->source == DELTA_TOGETHER ? item->entry.size : 0;
	}
	if (manifest_bytes(apply->manifest) != apply->info->decoded_bytes ||
	    scratch > apply->info->scratch_bytes)
		return util_error_set(error, TS_ERROR_CORRUPT,
				      "bundle: header and change list differ in size");
	/* their parts wait on disk, one at each depth */
	if (together > BUNDLE_SCRATCH_BYTES_MAX)
		return util_error_set(error, TS_ERROR_REFUSED,
				      "bundle: archives in archives of %" G_GUINT64_FORMAT " bytes",
				      together);
	if (segments > memory_bytes || memory > memory_bytes - segments)
		return util_error_set(error, TS_ERROR_REFUSED,
				      "bundle: it needs more than the %" G_GUINT64_FORMAT
				      " bytes of memory allowed",
				      memory_bytes);
	return TRUE;
}

/* A place for the contents of parts, if there are any. */
static gboolean prepare_scratch(Apply *apply, GError **error)
{
	guint parts = apply->changes->items->len - apply->changes->count;
	if (parts == 0)
		return TRUE;
	apply->part_at = g_new0(guint64, parts);
	apply->scratch_fd = bundle_scratch_file(apply->dirfd, error);
	return apply->scratch_fd >= 0;
}

gboolean bundle_apply_delta(BundleReader *reader, const BundleInfo *info,
			    const BundleTree *old_tree, int new_dirfd, const BundleLimits *limits,
			    Manifest **ret_manifest, GError **error)
{
	guint64 memory = limits->memory_bytes ? limits->memory_bytes : BUNDLE_MEMORY_BYTES;
	g_auto(BundleList) old_list = {0};
	bundle_list_init(&old_list, old_tree);
	old_list.scratch_dirfd = new_dirfd;
	old_list.scratch_max = info->scratch_bytes;
	g_autoptr(DeltaChanges) changes =
	    bundle_read_changes(reader, info, &old_list, memory, error);
	g_autoptr(Manifest) manifest =
	    changes ? bundle_changes_manifest(changes, old_tree->manifest, error) : NULL;
	if (!manifest)
		return FALSE;
	Apply apply = {.reader = reader,
		       .info = info,
		       .old_tree = old_tree,
		       .old_list = &old_list,
		       .changes = changes,
		       .manifest = manifest,
		       .progress = limits->progress,
		       .take = limits->take,
		       .taken = g_malloc0((gsize)manifest_count(manifest) + 1),
		       .dirfd = new_dirfd,
		       .fd = -1,
		       .scratch_fd = -1};
	gboolean ok = check_sums(&apply, memory, error);
	if (ok && !(prepare_scratch(&apply, error) && build(&apply, error) &&
		    bundle_check_root(info, manifest, error))) {
		blame_old_file(&apply, error);
		ok = FALSE;
	}
	ok = ok && tree_finish(new_dirfd, manifest, apply.taken, error);
	util_closep(&apply.fd);
	util_closep(&apply.scratch_fd);
	g_free(apply.part_at);
	g_free(apply.taken);
	util_sha256_free(apply.sha);
	if (ok)
		*ret_manifest = g_steal_pointer(&manifest);
	return ok;
}
