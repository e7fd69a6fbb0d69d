/* SPDX-License-Identifier: ISC */
/*
 * Codes segments, as many at a time as processors and memory allow, and writes them in order: the
 * bytes do not depend on how many ran at once.
 */
#include "bundle/bundle-private.h"

/* One segment of the work. */
typedef struct {
	guint first_item;   /* index into changes->order */
	guint64 offset;     /* into that item's content */
	guint64 memory;     /* while it is coded */
	GByteArray *output; /* when done */
} Job;

typedef struct {
	const BundleList *old_list, *new_list;
	const DeltaChanges *changes;
	guint8 effort;
	guint64 coded_bytes;
	Job *jobs;
	guint count;
	GMutex lock;
	GCond changed;
	guint next;     /* job to hand out */
	guint admitted; /* jobs that may have their memory: one after the other */
	guint64 in_use; /* memory of admitted jobs and of outputs not written yet */
	guint64 bytes_done;
	gboolean stop;
	GError *error;
} Work;

/* Where contents go on their way through a coder. */
typedef struct {
	Work *work;
	DeltaCoder *coder;
	GByteArray *output;
	guint8 *buffer;
	guint64 unreported;
} Encode;

static void report(Encode *encode, guint64 min_bytes)
{
	if (encode->unreported < min_bytes)
		return;
	g_mutex_lock(&encode->work->lock);
	encode->work->bytes_done += encode->unreported;
	g_mutex_unlock(&encode->work->lock);
	encode->unreported = 0;
}

static gboolean encode_run(Encode *encode, const guint8 *data, gsize len, DeltaRun run,
			   GError **error)
{
	DeltaBuffers buffers = {.in = data, .in_len = len};
	gboolean done = FALSE;
	do {
		buffers.out = encode->buffer;
		buffers.out_len = BUNDLE_CHUNK;
		if (!delta_coder_step(encode->coder, &buffers, run, &done, error))
			return FALSE;
		g_byte_array_append(encode->output, encode->buffer,
				    (guint)(BUNDLE_CHUNK - buffers.out_len));
	} while (run == DELTA_LAST ? !done : buffers.in_len > 0);
	return TRUE;
}

static gboolean encode_sink(gpointer user_data, const guint8 *data, gsize len, GError **error)
{
	Encode *encode = user_data;
	if (g_atomic_int_get(&encode->work->stop))
		return util_error_set(error, TS_ERROR_FAILED, "stopped");
	encode->unreported += len;
	report(encode, 4 * BUNDLE_CHUNK);
	return encode_run(encode, data, len, DELTA_MORE, error);
}

/* A piece of a file is not hashed while it is read: the whole file is, before. Parts were looked at
 * when their archive was opened. */
static gboolean check_whole(const BundleList *list, guint index, GError **error)
{
	guint8 digest[UTIL_SHA256_BYTES];
	if (index >= list->tree.count)
		return TRUE;
	const ManifestEntry *entry = manifest_entry(list->from->manifest, index);
	util_autofd int fd = tree_open_file(list->from->dirfd, entry->path, error);
	if (fd < 0 || !util_sha256_fd(fd, digest, NULL, error))
		return FALSE;
	if (memcmp(digest, entry->sha256, sizeof digest) == 0)
		return TRUE;
	g_autofree char *name = util_text_printable(entry->path, -1);
	return util_error_set(error, TS_ERROR_CORRUPT,
			      "%s: its content is not what the manifest says", name);
}

static gboolean check_partial_refs(const Work *work, const DeltaSegment *segment, GError **error)
{
	for (guint i = 0; i < segment->n_refs; i++) {
		const DeltaRef *ref =
		    &g_array_index(work->changes->refs, DeltaRef, segment->first_ref + i);
		if (ref->length != work->old_list->tree.entries[ref->old_index].size &&
		    !check_whole(work->old_list, ref->old_index, error)) {
			g_prefix_error(error, "old tree: ");
			return FALSE;
		}
	}
	return TRUE;
}

/* Feeds the contents of a segment: files one after the other, from the middle of the first. */
static gboolean feed(Work *work, const Job *job, guint64 left, BundleSink sink, Encode *encode,
		     GError **error)
{
	guint64 offset = job->offset;
	for (guint i = job->first_item; left > 0; i++) {
		const DeltaItem *item = delta_changes_item(
		    work->changes, g_array_index(work->changes->order, guint, i));
		guint64 size = item->entry.size;
		guint64 length = MIN(size - offset, left);
		if ((length != size && !check_whole(work->new_list, item->origin, error)) ||
		    !bundle_list_read(work->new_list, item->origin, offset, length, sink, encode,
				      error)) {
			g_prefix_error(error, "new tree: ");
			return FALSE;
		}
		left -= length;
		offset = 0;
	}
	return TRUE;
}

static gboolean collect_sink(gpointer user_data, const guint8 *data, gsize len, GError **error)
{
	Encode *encode = user_data;
	(void)error; /* cannot fail */
	g_byte_array_append(encode->output, data, (guint)len);
	encode->unreported += len;
	return TRUE;
}

static GByteArray *encode_patch(Work *work, guint number, const guint8 *refs, GError **error)
{
	const DeltaSegment *segment = &g_array_index(work->changes->segments, DeltaSegment, number);
	g_autoptr(GByteArray) contents = g_byte_array_sized_new((guint)segment->bytes);
	Encode encode = {.work = work, .output = contents};
	if (!feed(work, &work->jobs[number], segment->bytes, collect_sink, &encode, error))
		return NULL;
	GByteArray *output = bundle_patch_encode(
	    segment, work->changes, work->jobs[number].first_item, refs, contents->data, error);
	report(&encode, 0);
	return output;
}

static GByteArray *encode_stream(Work *work, guint number, DeltaCoder *coder, GError **error)
{
	const DeltaSegment *segment = &g_array_index(work->changes->segments, DeltaSegment, number);
	g_autoptr(GByteArray) output = g_byte_array_new();
	g_autofree guint8 *buffer = g_malloc(BUNDLE_CHUNK);
	Encode encode = {.work = work, .coder = coder, .output = output, .buffer = buffer};
	if (!feed(work, &work->jobs[number], segment->bytes, encode_sink, &encode, error) ||
	    !encode_run(&encode, NULL, 0, DELTA_LAST, error))
		return NULL;
	report(&encode, 0);
	return g_steal_pointer(&output);
}

static GByteArray *encode_segment(Work *work, guint number, GError **error)
{
	const DeltaSegment *segment = &g_array_index(work->changes->segments, DeltaSegment, number);
	DeltaStream stream = delta_segment_stream(segment);
	stream.effort = work->effort;
	gboolean ok = check_partial_refs(work, segment, error);
	if (!ok)
		return NULL;
	guint8 *refs = bundle_read_refs(work->old_list, work->changes, segment, &ok, error);
	if (ok && segment->codec == DELTA_CODEC_PATCH) {
		GByteArray *output = encode_patch(work, number, refs, error);
		g_free(refs);
		return output;
	}
	g_autoptr(DeltaCoder) coder = ok ? delta_encoder_new(&stream, refs, error) : NULL;
	g_free(refs); /* the coder has its copy */
	return coder ? encode_stream(work, number, coder, error) : NULL;
}

/* Takes the next job once its memory is free; FALSE when there is none. */
static gboolean take_job(Work *work, guint *ret_number)
{
	g_mutex_lock(&work->lock);
	guint number = work->next++;
	while (
	    number < work->count && !work->stop &&
	    (work->admitted != number ||
	     (work->in_use > 0 && work->in_use + work->jobs[number].memory > BUNDLE_ENCODE_BYTES)))
		g_cond_wait(&work->changed, &work->lock);
	gboolean taken = number < work->count && !work->stop;
	if (taken) {
		work->admitted++;
		work->in_use += work->jobs[number].memory;
		g_cond_broadcast(&work->changed);
	}
	g_mutex_unlock(&work->lock);
	*ret_number = number;
	return taken;
}

static gpointer encode_thread(gpointer user_data)
{
	Work *work = user_data;
	guint number = 0;
	while (take_job(work, &number)) {
		g_autoptr(GError) error = NULL;
		GByteArray *output = encode_segment(work, number, &error);
		g_mutex_lock(&work->lock);
		work->in_use -= work->jobs[number].memory;
		if (output) {
			work->jobs[number].output = output;
			work->in_use += output->len;
		} else if (!work->error) {
			work->error = g_steal_pointer(&error);
			g_atomic_int_set(&work->stop, TRUE);
		}
		g_cond_broadcast(&work->changed);
		g_mutex_unlock(&work->lock);
	}
	return NULL;
}

/* Waits for one output, telling how far the encoders are; NULL after an error. */
static GByteArray *wait_output(Work *work, guint number, const UtilProgress *progress)
{
	g_mutex_lock(&work->lock);
	while (!work->jobs[number].output && !work->error) {
		gint64 until = g_get_monotonic_time() + G_USEC_PER_SEC / 10;
		(void)g_cond_wait_until(&work->changed, &work->lock, until); /* either will do */
		guint64 so_far = work->bytes_done;
		g_mutex_unlock(&work->lock);
		util_progress(progress, "encoding", so_far, work->changes->content_bytes);
		g_mutex_lock(&work->lock);
	}
	GByteArray *output = work->error ? NULL : g_steal_pointer(&work->jobs[number].output);
	guint64 done = work->bytes_done;
	g_mutex_unlock(&work->lock);
	util_progress(progress, "encoding", done, work->changes->content_bytes);
	return output;
}

static void output_written(Work *work, GByteArray *output)
{
	g_mutex_lock(&work->lock);
	work->in_use -= output->len;
	g_cond_broadcast(&work->changed);
	g_mutex_unlock(&work->lock);
	g_byte_array_unref(output);
}

static gboolean write_outputs(Work *work, BundleWriter *writer, const UtilProgress *progress,
			      GError **error)
{
	for (guint i = 0; i < work->count; i++) {
		g_autofree char *name = g_strdup_printf("contents-%u", i + 1);
		GByteArray *output = wait_output(work, i, progress);
		if (!output)
			return FALSE;
		gboolean ok = bundle_writer_member(writer, name, output->data, output->len,
						   output->len >= 4096, error);
		work->coded_bytes += output->len;
		output_written(work, output);
		if (!ok)
			return FALSE;
	}
	return TRUE;
}

/* Where in the contents each segment begins. */
static void find_starts(Work *work)
{
	guint item = 0;
	guint64 offset = 0;
	for (guint i = 0; i < work->count; i++) {
		const DeltaSegment *segment =
		    &g_array_index(work->changes->segments, DeltaSegment, i);
		DeltaStream stream = delta_segment_stream(segment);
		guint64 left = segment->bytes;
		work->jobs[i] = (Job){item, offset, delta_encoder_memory(&stream), NULL};
		while (left > 0) {
			guint index = g_array_index(work->changes->order, guint, item);
			guint64 size = delta_changes_item(work->changes, index)->entry.size;
			guint64 part = MIN(size - offset, left);
			left -= part;
			offset += part;
			if (offset == size) {
				item++;
				offset = 0;
			}
		}
	}
}

static void work_stop(Work *work)
{
	g_mutex_lock(&work->lock);
	g_atomic_int_set(&work->stop, TRUE);
	g_cond_broadcast(&work->changed);
	g_mutex_unlock(&work->lock);
}

gboolean bundle_write_contents(BundleWriter *writer, const BundleList *old_list,
			       const BundleList *new_list, const DeltaChanges *changes,
			       const UtilProgress *progress, BundleInfo *info, GError **error)
{
	Work work = {.effort = (guint8)info->effort,
		     .old_list = old_list,
		     .new_list = new_list,
		     .changes = changes,
		     .count = changes->segments->len};
	if (work.count == 0)
		return TRUE;
	work.jobs = g_new0(Job, work.count);
	find_starts(&work);
	g_mutex_init(&work.lock);
	g_cond_init(&work.changed);
	guint n_threads = MIN(work.count, g_get_num_processors());
	g_autoptr(GPtrArray) threads = g_ptr_array_new();
	for (guint i = 0; i < n_threads; i++)
		g_ptr_array_add(threads, g_thread_new("encode", encode_thread, &work));
	gboolean ok = write_outputs(&work, writer, progress, error);
	info->coded_bytes = work.coded_bytes;
	work_stop(&work);
	for (guint i = 0; i < threads->len; i++)
		(void)g_thread_join(g_ptr_array_index(threads, i)); /* returns nothing */
	if (work.error && !ok && error && !*error)
		g_propagate_error(error, g_steal_pointer(&work.error));
	g_clear_error(&work.error);
	for (guint i = 0; i < work.count; i++)
		if (work.jobs[i].output)
			g_byte_array_unref(work.jobs[i].output);
	g_mutex_clear(&work.lock);
	g_cond_clear(&work.changed);
	g_free(work.jobs);
	return ok;
}
