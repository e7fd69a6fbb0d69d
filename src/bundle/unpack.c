/* SPDX-License-Identifier: ISC */
/* Parts of archives as bytes. */
#include <unistd.h>

#include "bundle/bundle-private.h"

gboolean bundle_unpack_begin(BundleUnpack *unpack, DeltaDeflate *stream, BundleSink sink,
			     gpointer user_data, GError **error)
{
	(void)error; /* set by who made the stream */
	*unpack = (BundleUnpack){.stream = stream, .sink = sink, .user_data = user_data};
	if (stream)
		unpack->buffer = g_malloc(BUNDLE_CHUNK);
	return stream != NULL;
}

static gboolean run(BundleUnpack *unpack, DeltaBuffers *buffers, DeltaRun how, GError **error)
{
	do {
		buffers->out = unpack->buffer;
		buffers->out_len = BUNDLE_CHUNK;
		if (!delta_deflate_step(unpack->stream, buffers, how, &unpack->done, error))
			return FALSE;
		gsize made = BUNDLE_CHUNK - buffers->out_len;
		if (made > 0 && !unpack->sink(unpack->user_data, unpack->buffer, made, error))
			return FALSE;
	} while (how == DELTA_LAST ? !unpack->done : buffers->in_len > 0 || buffers->out_len == 0);
	return TRUE;
}

gboolean bundle_unpack_sink(gpointer user_data, const guint8 *data, gsize len, GError **error)
{
	DeltaBuffers buffers = {.in = data, .in_len = len};
	return run(user_data, &buffers, DELTA_MORE, error);
}

gboolean bundle_unpack_end(BundleUnpack *unpack, gboolean ok, GError **error)
{
	DeltaBuffers buffers = {0};
	ok = ok && run(unpack, &buffers, DELTA_LAST, error);
	delta_deflate_free(unpack->stream);
	g_free(unpack->buffer);
	*unpack = (BundleUnpack){0};
	return ok;
}

const BundlePart *bundle_list_part(const BundleList *list, guint index)
{
	g_assert(index >= list->tree.count);
	return &g_array_index(list->parts, BundlePart, index - list->tree.count);
}

static gboolean read_packed(const BundleList *list, const BundlePart *part, guint64 offset,
			    guint64 length, BundleSink sink, gpointer user_data, GError **error)
{
	if (part->file == DELTA_NONE)
		return bundle_read_range(list->scratch_fd, part->at + offset, length, sink,
					 user_data, error);
	return bundle_read_piece(list->from, part->file, part->at + offset, length, sink, user_data,
				 error);
}

gboolean bundle_part_read(const BundleList *list, const BundlePart *part, BundleSink sink,
			  gpointer user_data, GError **error)
{
	return read_packed(list, part, 0, part->facts.packed_bytes, sink, user_data, error);
}

gboolean bundle_list_read_packed(const BundleList *list, guint index, BundleSink sink,
				 gpointer user_data, GError **error)
{
	return bundle_part_read(list, bundle_list_part(list, index), sink, user_data, error);
}

/* Unpacked bytes on their way: only a piece of them is wanted, all are checked. */
typedef struct {
	guint64 skip, left; /* of the piece */
	guint64 bytes;
	guint32 crc;
	BundleSink sink;
	gpointer user_data;
} Piece;

static gboolean piece_sink(gpointer user_data, const guint8 *data, gsize len, GError **error)
{
	Piece *piece = user_data;
	piece->bytes += len;
	piece->crc = delta_crc32(piece->crc, data, len);
	gsize skip = (gsize)MIN(piece->skip, len);
	gsize part = (gsize)MIN(piece->left, len - skip);
	piece->skip -= skip;
	piece->left -= part;
	return part == 0 || piece->sink(piece->user_data, data + skip, part, error);
}

static gboolean read_unpacked(const BundleList *list, const BundlePart *part, guint64 offset,
			      guint64 length, BundleSink sink, gpointer user_data, GError **error)
{
	Piece piece = {.skip = offset, .left = length, .sink = sink, .user_data = user_data};
	BundleUnpack unpack;
	gboolean ok = bundle_unpack_begin(&unpack, delta_inflate_new(), piece_sink, &piece, error);
	ok = ok && read_packed(list, part, 0, part->facts.packed_bytes, bundle_unpack_sink, &unpack,
			       error);
	if (!bundle_unpack_end(&unpack, ok, error))
		return FALSE;
	return (piece.bytes == part->facts.bytes && piece.crc == part->facts.crc) ||
	       util_error_set(error, TS_ERROR_CORRUPT, "it does not unpack to what it should");
}

gboolean bundle_list_read(const BundleList *list, guint index, guint64 offset, guint64 length,
			  BundleSink sink, gpointer user_data, GError **error)
{
	if (index < list->tree.count)
		return bundle_read_piece(list->from, index, offset, length, sink, user_data, error);
	const BundlePart *part = bundle_list_part(list, index);
	gboolean ok = part->packing == DELTA_STORED
			  ? read_packed(list, part, offset, length, sink, user_data, error)
			  : read_unpacked(list, part, offset, length, sink, user_data, error);
	if (ok)
		return TRUE;
	g_autofree char *name = util_text_printable(list->tree.entries[index].path, -1);
	g_prefix_error(error, "%s: ", name);
	return FALSE;
}

/* The first bytes of something. */
typedef struct {
	guint8 *bytes;
	gsize len, max;
} Sample;

static gboolean sample_sink(gpointer user_data, const guint8 *data, gsize len, GError **error)
{
	Sample *sample = user_data;
	gsize part = MIN(len, sample->max - sample->len);
	memcpy(sample->bytes + sample->len, data, part);
	sample->len += part;
	return sample->len < sample->max || util_error_set(error, TS_ERROR_FAILED, "enough");
}

gsize bundle_list_sample(const BundleList *list, guint index, guint8 *out, gsize max)
{
	Sample sample = {out, 0, max};
	g_autoptr(GError) enough = NULL;
	/* it stops when it has seen enough; what else goes wrong is told where all of it is read */
	(void)bundle_list_read(list, index, 0, list->tree.entries[index].size, sample_sink, &sample,
			       &enough);
	return sample.len;
}
