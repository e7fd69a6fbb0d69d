/* SPDX-License-Identifier: ISC */
/* Archives put together again, and archives in them. */
#include "bundle/bundle-private.h"

/* Content on its way: counted, summed, passed on. */
typedef struct {
	DeltaFacts facts;
	guint64 max;
	BundleSink sink;
	gpointer user_data;
} Counted;

static gboolean counted_sink(gpointer user_data, const guint8 *data, gsize len, GError **error)
{
	Counted *counted = user_data;
	if (len > counted->max - counted->facts.bytes)
		return util_error_set(error, TS_ERROR_CORRUPT,
				      "a part becomes larger than its size");
	counted->facts.bytes += len;
	counted->facts.crc = delta_crc32(counted->facts.crc, data, len);
	return counted->sink(counted->user_data, data, len, error);
}

static gboolean nothing_sink(gpointer user_data, const guint8 *data, gsize len, GError **error)
{
	(void)user_data, (void)data, (void)len, (void)error; /* only counted */
	return TRUE;
}

/* What a part holds, from wherever it is. */
static gboolean give_content(const BundleTogether *from, guint index, BundleSink sink,
			     gpointer user_data, GError **error)
{
	const DeltaItem *item = delta_changes_item(from->changes, index);
	switch (item->source) {
	case DELTA_NEW:
		return from->content(from->user_data, index, sink, user_data, error);
	case DELTA_TWIN:
		return from->content(from->user_data, item->from, sink, user_data, error);
	case DELTA_TOGETHER:
		return bundle_put_together(from, index, sink, user_data, error);
	case DELTA_KEPT:
	case DELTA_COPIED:
	case DELTA_PACKED_COPY:
		break;
	}
	return bundle_list_read(from->old_list, item->from, 0, item->entry.size, sink, user_data,
				error);
}

/* Packs content as it was packed. */
static gboolean pack(const BundleTogether *from, guint index, Counted *counted, BundleSpool *spool,
		     GError **error)
{
	BundleUnpack packing;
	const DeltaItem *item = delta_changes_item(from->changes, index);
	if (!bundle_unpack_begin(&packing, delta_deflate_new(item->entry.way, error),
				 bundle_spool_sink, spool, error))
		return FALSE;
	*counted =
	    (Counted){.max = item->entry.size, .sink = bundle_unpack_sink, .user_data = &packing};
	gboolean ok = give_content(from, index, counted_sink, counted, error);
	return bundle_unpack_end(&packing, ok, error);
}

/* It came packed: what it unpacks to must be known all the same. */
static gboolean count_unpacked(const BundleSpool *spool, DeltaFacts *facts, GError **error)
{
	Counted counted = {.max = G_MAXUINT64, .sink = nothing_sink};
	BundleUnpack unpack;
	gboolean ok =
	    bundle_unpack_begin(&unpack, delta_inflate_new(), counted_sink, &counted, error);
	ok = ok && bundle_spool_read(spool, bundle_unpack_sink, &unpack, error);
	if (!bundle_unpack_end(&unpack, ok, error))
		return FALSE;
	*facts = counted.facts;
	return TRUE;
}

/* The packed bytes of a part into the spool, and what the archive says of them. */
static gboolean spool_part(const BundleTogether *from, guint index, DeltaPacking packing,
			   BundleSpool *spool, DeltaFacts *ret_facts, GError **error)
{
	const DeltaItem *item = delta_changes_item(from->changes, index);
	gboolean deflated = packing == DELTA_DEFLATED;
	Counted counted = {.max = item->entry.size, .sink = bundle_spool_sink, .user_data = spool};
	if (deflated && item->entry.way != 0) {
		if (!pack(from, index, &counted, spool, error))
			return FALSE;
	} else if (!give_content(from, index, counted_sink, &counted, error) ||
		   (deflated && !count_unpacked(spool, &counted.facts, error))) {
		return FALSE;
	}
	*ret_facts = counted.facts;
	ret_facts->packed_bytes = spool->len;
	return TRUE;
}

static gboolean put_head(DeltaArchive *archive, guint i, const DeltaFacts *facts, BundleSink sink,
			 gpointer user_data, GError **error)
{
	g_autoptr(GByteArray) head = g_byte_array_new();
	delta_archive_head(archive, i, facts, head);
	return head->len == 0 || sink(user_data, head->data, head->len, error);
}

static gboolean put_part(const BundleTogether *from, const DeltaTogether *together, guint i,
			 BundleSink sink, gpointer user_data, GError **error)
{
	DeltaArchive *archive = together->archive;
	guint index = together->first + i;
	const DeltaItem *item = delta_changes_item(from->changes, index);
	if (item->source == DELTA_PACKED_COPY) {
		const BundlePart *old = bundle_list_part(from->old_list, item->from);
		return put_head(archive, i, &old->facts, sink, user_data, error) &&
		       bundle_list_read_packed(from->old_list, item->from, sink, user_data, error);
	}
	g_auto(BundleSpool) spool = {0};
	DeltaFacts facts;
	bundle_spool_init(&spool, from->scratch_dirfd,
			  delta_changes_item(from->changes, together->item)->entry.size);
	DeltaPacking packing = g_array_index(archive->members, DeltaMember, i).packing;
	return spool_part(from, index, packing, &spool, &facts, error) &&
	       put_head(archive, i, &facts, sink, user_data, error) &&
	       bundle_spool_read(&spool, sink, user_data, error);
}

gboolean bundle_put_together(const BundleTogether *from, guint item, BundleSink sink,
			     gpointer sink_data, GError **error)
{
	const DeltaTogether *together = &g_array_index(
	    from->changes->archives, DeltaTogether, delta_changes_item(from->changes, item)->from);
	for (guint i = 0; i < together->count; i++)
		if (!put_part(from, together, i, sink, sink_data, error))
			return FALSE;
	g_autoptr(GByteArray) tail = g_byte_array_new();
	delta_archive_tail(together->archive, tail);
	return tail->len == 0 || sink(sink_data, tail->data, tail->len, error);
}
