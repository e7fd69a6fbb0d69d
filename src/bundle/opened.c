/* SPDX-License-Identifier: ISC */
/* Archives of a tree taken apart, and archives in them. */
#include <fcntl.h>
#include <unistd.h>

#include "bundle/bundle-private.h"

/* An archive to be looked into. */
typedef struct {
	guint entry;
	guint file; /* where its bytes are: see BundlePart */
	guint64 at, size;
	guint depth;
} Candidate;

typedef struct {
	BundleList *list;
	GArray *queue; /* Candidate */
	int fd;        /* of the file of the tree looked into last, or -1 */
	guint fd_of;
} Opening;

static gboolean view(Opening *opening, guint file, GError **error)
{
	BundleList *list = opening->list;
	if (opening->fd >= 0 && opening->fd_of == file)
		return TRUE;
	util_closep(&opening->fd);
	opening->fd_of = file;
	opening->fd =
	    file == DELTA_NONE
		? fcntl(list->scratch_fd, F_DUPFD_CLOEXEC, 0)
		: tree_open_file(list->from->dirfd,
				 g_array_index(list->entries, DeltaEntry, file).path, error);
	return opening->fd >= 0;
}

typedef struct {
	int fd;
	guint64 at;
} Range;

static gboolean read_range(gpointer user_data, guint64 offset, guint8 *out, gsize len,
			   GError **error)
{
	const Range *range = user_data;
	return util_fs_pread_full(range->fd, out, len, range->at + offset, error);
}

static void refresh(BundleList *list)
{
	list->tree.entries = (const DeltaEntry *)(gpointer)list->entries->data;
	list->tree.parts = list->parts->len;
	list->tree.opened = (const DeltaOpened *)(gpointer)list->opened->data;
	list->tree.n_opened = list->opened->len;
}

static void add_parts(BundleList *list, const Candidate *candidate, DeltaArchive *archive)
{
	DeltaOpened opened = {.entry = candidate->entry,
			      .first = list->entries->len,
			      .count = archive->members->len,
			      .archive = archive};
	const char *owner = g_array_index(list->entries, DeltaEntry, candidate->entry).path;
	g_ptr_array_add(list->archives, archive);
	g_array_append_val(list->opened, opened);
	for (guint i = 0; i < archive->members->len; i++) {
		const DeltaMember *member = &g_array_index(archive->members, DeltaMember, i);
		g_autofree char *path = g_strconcat(owner, "/", member->name, NULL);
		DeltaEntry entry = {.path = g_string_chunk_insert(list->strings, path),
				    .size = member->packing == DELTA_STORED
						? member->facts.packed_bytes
						: member->facts.bytes,
				    .mode = 0644,
				    .type = DELTA_FILE};
		BundlePart part = {.file = candidate->file,
				   .at = candidate->at + member->offset,
				   .facts = member->facts,
				   .packing = member->packing};
		g_array_append_val(list->entries, entry);
		g_array_append_val(list->parts, part);
	}
	refresh(list);
}

gboolean bundle_list_may_be_archive(const BundleList *list, guint index)
{
	guint8 sample[DELTA_SNIFF_BYTES];
	gsize len = bundle_list_sample(list, index, sample, sizeof sample);
	return delta_archive_sniff(sample, len);
}

static gboolean scratch_sink(gpointer user_data, const guint8 *data, gsize len, GError **error)
{
	BundleList *list = user_data;
	if (len > list->scratch_max - list->scratch_bytes)
		return util_error_set(error, TS_ERROR_REFUSED,
				      "archives unpack to more than the %" G_GUINT64_FORMAT
				      " bytes allowed",
				      list->scratch_max);
	if (!util_fs_pwrite_all(list->scratch_fd, data, len, list->scratch_bytes, error))
		return FALSE;
	list->scratch_bytes += len;
	list->scratch_peak = MAX(list->scratch_peak, list->scratch_bytes);
	return TRUE;
}

/* A packed archive in another is unpacked first: it must be read here and there. */
static gboolean unpack_candidate(BundleList *list, guint index, Candidate *candidate,
				 GError **error)
{
	const BundlePart *part = bundle_list_part(list, index);
	candidate->size = g_array_index(list->entries, DeltaEntry, index).size;
	if (part->packing == DELTA_STORED) {
		candidate->file = part->file;
		candidate->at = part->at;
		return TRUE;
	}
	if (list->scratch_fd < 0) {
		list->scratch_fd = bundle_scratch_file(list->scratch_dirfd, error);
		if (list->scratch_fd < 0)
			return FALSE;
	}
	candidate->file = DELTA_NONE;
	candidate->at = list->scratch_bytes;
	return bundle_list_read(list, index, 0, candidate->size, scratch_sink, list, error);
}

static gboolean add_candidates(Opening *opening, const DeltaOpened *opened, guint depth,
			       GError **error)
{
	for (guint i = 0; i < opened->count && depth < DELTA_DEPTH; i++) {
		guint index = opened->first + i;
		Candidate candidate = {.entry = index, .depth = depth + 1};
		g_autoptr(GError) inner = NULL;
		if (!bundle_list_may_be_archive(opening->list, index))
			continue;
		guint64 before = opening->list->scratch_bytes;
		if (unpack_candidate(opening->list, index, &candidate, &inner)) {
			g_array_append_val(opening->queue, candidate);
		} else if (inner->code == TS_ERROR_CORRUPT) {
			opening->list->scratch_bytes = before; /* damaged: it stays closed */
		} else {
			g_propagate_error(error, g_steal_pointer(&inner));
			return FALSE;
		}
	}
	return TRUE;
}

static gboolean open_candidate(Opening *opening, guint number, gboolean must, GError **error)
{
	Candidate candidate = g_array_index(opening->queue, Candidate, number);
	if (!view(opening, candidate.file, error))
		return FALSE;
	Range range = {opening->fd, candidate.at};
	DeltaBytes bytes = {read_range, &range, candidate.size};
	GError *inner = NULL;
	DeltaArchive *archive = delta_archive_parse(&bytes, &inner);
	if (inner) {
		g_propagate_error(error, inner);
		return FALSE;
	}
	if (!archive)
		return !must || candidate.depth > 0 ||
		       util_error_set(error, TS_ERROR_CORRUPT,
				      "the bundle takes it for an archive, and it is none");
	add_parts(opening->list, &candidate, archive);
	DeltaOpened opened =
	    g_array_index(opening->list->opened, DeltaOpened, opening->list->opened->len - 1);
	return add_candidates(opening, &opened, candidate.depth, error);
}

/* The file is what the manifest says: from here on its pieces need no hash. */
static gboolean check_file(Opening *opening, guint file, GError **error)
{
	guint8 digest[UTIL_SHA256_BYTES];
	const ManifestEntry *entry = manifest_entry(opening->list->from->manifest, file);
	if (!view(opening, file, error) || !util_sha256_fd(opening->fd, digest, NULL, error))
		return FALSE;
	return memcmp(digest, entry->sha256, sizeof digest) == 0 ||
	       util_error_set(error, TS_ERROR_CORRUPT, "its content is not what the manifest says");
}

static gboolean named_error(const BundleList *list, guint entry, GError **error)
{
	g_autofree char *name =
	    util_text_printable(g_array_index(list->entries, DeltaEntry, entry).path, -1);
	g_prefix_error(error, "%s: ", name);
	return FALSE;
}

static gboolean open_all(Opening *opening, const GArray *files, gboolean must, GError **error)
{
	for (guint i = 0; i < files->len; i++) {
		guint file = g_array_index(files, guint, i);
		Candidate candidate = {
		    .entry = file,
		    .file = file,
		    .size = g_array_index(opening->list->entries, DeltaEntry, file).size};
		if (!check_file(opening, file, error))
			return named_error(opening->list, file, error);
		g_array_append_val(opening->queue, candidate);
	}
	for (guint i = 0; i < opening->queue->len; i++)
		if (!open_candidate(opening, i, must, error))
			return named_error(opening->list,
					   g_array_index(opening->queue, Candidate, i).entry,
					   error);
	return TRUE;
}

gboolean bundle_list_open(BundleList *list, const GArray *files, gboolean must, GError **error)
{
	Opening opening = {
	    .list = list, .queue = g_array_new(FALSE, TRUE, sizeof(Candidate)), .fd = -1};
	gboolean ok = open_all(&opening, files, must, error);
	g_array_unref(opening.queue);
	util_closep(&opening.fd);
	return ok;
}

guint64 bundle_list_memory(const BundleList *list)
{
	guint64 bytes = 0;
	for (guint i = 0; i < list->archives->len; i++)
		bytes += delta_archive_memory(g_ptr_array_index(list->archives, i));
	/* arrays grow by doubling */
	bytes += 2 * (list->parts->len * (sizeof(BundlePart) + sizeof(DeltaEntry)) +
		      list->opened->len * sizeof(DeltaOpened));
	for (guint i = 0; i < list->parts->len; i++)
		bytes +=
		    strlen(g_array_index(list->entries, DeltaEntry, list->tree.count + i).path) + 1;
	return bytes;
}
