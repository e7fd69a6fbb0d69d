/* SPDX-License-Identifier: ISC */
/* A writer of zip files that are sound, odd, or wrong in themselves, as their style says. */
#include <zlib.h>

#include "sweep.h"

#define ZIP64_16 0xffffU
#define ZIP64_32 0xffffffffU

/* A member on its way into the archive. */
typedef struct {
	const Member *member;
	GByteArray *packed;
	guint32 crc;
	guint32 noise; /* its extra fields and comment come from it */
	guint64 offset;
} Entry;

static void put(GByteArray *out, guint64 value, guint bytes)
{
	for (guint i = 0; i < bytes; i++) {
		guint8 byte = (guint8)(value >> (8 * i));
		g_byte_array_append(out, &byte, 1);
	}
}

static void deflate_piece(z_stream *stream, const guint8 *data, guint len, int flush,
			  GByteArray *out)
{
	guint8 buffer[16384];
	union { /* zlib's next_in is not const */
		const guint8 *data;
		guint8 *next;
	} in = {data};
	stream->next_in = in.next;
	stream->avail_in = len;
	do {
		stream->next_out = buffer;
		stream->avail_out = sizeof buffer;
		int status = deflate(stream, flush);
		g_assert(status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR);
		g_byte_array_append(out, buffer, (guint)(sizeof buffer - stream->avail_out));
	} while (stream->avail_out == 0);
}

GByteArray *pack_deflate(const GByteArray *bytes, const Packing *packing)
{
	z_stream stream = {0};
	GByteArray *out = g_byte_array_new();
	int status = deflateInit2(&stream, packing->level, Z_DEFLATED, -packing->window,
				  packing->memory_level, packing->strategy);
	g_assert(status == Z_OK);
	guint at = 0;
	while (packing->flags & PACK_FLUSHED && bytes->len - at > 1000) {
		deflate_piece(&stream, bytes->data + at, 1000, Z_SYNC_FLUSH, out);
		at += 1000;
	}
	deflate_piece(&stream, bytes->data ? bytes->data + at : NULL, bytes->len - at, Z_FINISH,
		      out);
	(void)deflateEnd(&stream);
	return out;
}

static Entry entry_pack(const Member *member, GRand *rand)
{
	const GByteArray *bytes = member->content->bytes;
	Entry entry = {.member = member, .noise = g_rand_int(rand)};
	entry.crc = (guint32)crc32(crc32(0, NULL, 0), bytes->data, bytes->len);
	if (member->packing.flags & PACK_WRONG_CRC)
		entry.crc ^= 1;
	if (member->packing.method == METHOD_DEFLATED) {
		entry.packed = pack_deflate(bytes, &member->packing);
	} else {
		entry.packed = g_byte_array_new();
		g_byte_array_append(entry.packed, bytes->data, bytes->len);
		for (guint i = 0; member->packing.method != METHOD_STORED && i < bytes->len; i++)
			entry.packed->data[i] ^= (guint8)g_rand_int(rand);
	}
	if (member->packing.flags & PACK_ENCRYPTED) { /* noise of its own and 12 bytes before it */
		guint len = entry.packed->len + 12;
		g_byte_array_set_size(entry.packed, 0);
		append_noise(entry.packed, rand, len);
	}
	return entry;
}

static guint entry_flags(const Entry *entry)
{
	guint flags = entry->member->packing.flags;
	return (flags & PACK_ENCRYPTED ? 1U : 0) | (flags & PACK_DESCRIPTOR ? 8U : 0) |
	       (flags & PACK_UTF8 ? 0x800U : 0) |
	       (entry->member->packing.level == 9 ? 2U : 0); /* "maximum" */
}

/* Version, flags, method, time, CRC and sizes: common to the local and the central header. */
static void put_common(const Entry *entry, gboolean central, GByteArray *out)
{
	const Packing *packing = &entry->member->packing;
	gboolean later = !central && packing->flags & PACK_DESCRIPTOR;
	gboolean wide = (packing->flags & PACK_ZIP64) != 0;
	put(out, wide ? 45 : 20, 2);
	put(out, entry_flags(entry), 2);
	put(out, packing->method, 2);
	put(out, packing->time, 4);
	put(out, later ? 0 : entry->crc, 4);
	put(out, wide ? ZIP64_32 : later ? 0 : entry->packed->len, 4);
	put(out, wide ? ZIP64_32 : later ? 0 : entry->member->content->bytes->len, 4);
	put(out, strlen(entry->member->name), 2);
}

static GByteArray *extra_fields(const Entry *entry, gboolean central)
{
	const Packing *packing = &entry->member->packing;
	GByteArray *extra = g_byte_array_new();
	g_autoptr(GRand) rand = g_rand_new_with_seed(entry->noise);
	gboolean later = !central && packing->flags & PACK_DESCRIPTOR;
	if (packing->flags & PACK_ZIP64) {
		put(extra, 1, 2);
		put(extra, 16, 2);
		put(extra, later ? 0 : entry->member->content->bytes->len, 8);
		put(extra, later ? 0 : entry->packed->len, 8);
	}
	if (!(packing->flags & PACK_EXTRA))
		return extra;
	switch (pick(rand, 4)) {
	case 0: /* time stamps: three locally, one centrally */
		put(extra, 0x5455, 2);
		put(extra, central ? 5 : 13, 2);
		put(extra, 7, 1);
		append_noise(extra, rand, central ? 4 : 12);
		break;
	case 1: /* a jar's first entry */
		put(extra, central ? 0 : 0xcafe, 2);
		put(extra, 0, 2);
		break;
	case 2: /* zeros, to align what follows */
		put(extra, 0, 1 + pick(rand, 4));
		break;
	default:
		put(extra, 0x7875, 2);
		put(extra, 11, 2);
		append_noise(extra, rand, 11);
	}
	return extra;
}

static void put_local(Entry *entry, GByteArray *out)
{
	const Packing *packing = &entry->member->packing;
	const char *name = entry->member->name;
	g_autoptr(GByteArray) extra = extra_fields(entry, FALSE);
	entry->offset = out->len;
	put(out, 0x04034b50, 4);
	put_common(entry, FALSE, out);
	put(out, extra->len, 2);
	g_byte_array_append(out, (const guint8 *)name, (guint)strlen(name));
	g_byte_array_append(out, extra->data, extra->len);
	g_byte_array_append(out, entry->packed->data, entry->packed->len);
	if (!(packing->flags & PACK_DESCRIPTOR))
		return;
	if (packing->flags & PACK_SIGNATURE)
		put(out, 0x08074b50, 4);
	put(out, entry->crc, 4);
	put(out, entry->packed->len, packing->flags & PACK_ZIP64 ? 8 : 4);
	put(out, entry->member->content->bytes->len, packing->flags & PACK_ZIP64 ? 8 : 4);
}

static void put_central(const Entry *entry, guint64 base, GByteArray *out)
{
	const Packing *packing = &entry->member->packing;
	const char *name = entry->member->name;
	g_autoptr(GByteArray) extra = extra_fields(entry, TRUE);
	guint comment = packing->flags & PACK_COMMENT ? 1 + entry->noise % 30 : 0;
	put(out, 0x02014b50, 4);
	put(out, packing->flags & PACK_UNIX ? 0x031e : 20, 2);
	put_common(entry, TRUE, out);
	put(out, extra->len, 2);
	put(out, comment, 2);
	put(out, 0, 2); /* disk */
	put(out, entry->noise & 1, 2);
	put(out, packing->flags & PACK_UNIX ? 0x81a40000 : 0, 4);
	put(out, entry->offset - base, 4);
	g_byte_array_append(out, (const guint8 *)name, (guint)strlen(name));
	g_byte_array_append(out, extra->data, extra->len);
	g_autoptr(GRand) rand = g_rand_new_with_seed(entry->noise + 1);
	append_noise(out, rand, comment);
}

static void put_end(const Content *archive, guint count, guint64 begin, guint64 base, GRand *rand,
		    GByteArray *out)
{
	guint64 end = out->len;
	gboolean wide = (archive->style & STYLE_ZIP64_END) != 0;
	guint comment = archive->style & STYLE_COMMENT ? 1 + pick(rand, 200) : 0;
	if (wide) {
		put(out, 0x06064b50, 4);
		put(out, 44, 8);
		put(out, 45, 2);
		put(out, 45, 2);
		put(out, 0, 8); /* disks */
		put(out, count, 8);
		put(out, count, 8);
		put(out, end - begin, 8);
		put(out, begin - base, 8);
		put(out, 0x07064b50, 4);
		put(out, 0, 4);
		put(out, end - base, 8);
		put(out, 1, 4);
	}
	put(out, 0x06054b50, 4);
	put(out, 0, 4); /* disks */
	put(out, wide ? ZIP64_16 : count, 2);
	put(out, wide ? ZIP64_16 : count, 2);
	put(out, wide ? ZIP64_32 : end - begin, 4);
	put(out, wide ? ZIP64_32 : begin - base, 4);
	put(out, comment, 2);
	append_noise(out, rand, comment);
}

static void entry_clear(gpointer data)
{
	g_byte_array_unref(((Entry *)data)->packed);
}

static guint put_directory(const Content *archive, const GArray *entries, guint64 base, GRand *rand,
			   GByteArray *out)
{
	guint count = 0;
	guint start = archive->style & STYLE_SHUFFLED ? pick(rand, entries->len) : 0;
	for (guint i = 0; i < entries->len; i++) {
		const Entry *entry = &g_array_index(entries, Entry, (start + i) % entries->len);
		if (entry->member->packing.flags & PACK_ABSENT)
			continue;
		put_central(entry, base, out);
		count++;
	}
	return count;
}

void zip_format(const Content *archive, GByteArray *out)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed(archive->noise);
	g_autoptr(GArray) entries = g_array_new(FALSE, FALSE, sizeof(Entry));
	g_array_set_clear_func(entries, entry_clear);
	guint start = out->len;
	if (archive->style & STYLE_PREFIX)
		append_noise(out, rand, 1 + pick(rand, 3000));
	/* offsets count from the prefix or, when they were not mended, from after it */
	guint64 base = one_in(rand, 2) ? out->len : start;
	for (guint i = 0; i < archive->members->len; i++) {
		Entry entry = entry_pack(g_ptr_array_index(archive->members, i), rand);
		if (archive->style & STYLE_GAPS && one_in(rand, 3))
			append_noise(out, rand, 1 + pick(rand, 40));
		put_local(&entry, out);
		g_array_append_val(entries, entry);
	}
	guint64 begin = out->len;
	guint count = put_directory(archive, entries, base, rand, out);
	put_end(archive, count, begin, base, rand, out);
	if (archive->style & STYLE_JUNK)
		append_noise(out, rand, 1 + pick(rand, 100));
}
