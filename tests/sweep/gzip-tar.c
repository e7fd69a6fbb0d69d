/* SPDX-License-Identifier: ISC */
/* Writers of gzip and tar files, sound or odd, as their style says. */
#include <zlib.h>

#include "sweep.h"

static void put_le(GByteArray *out, guint32 value)
{
	guint8 bytes[4] = {(guint8)value, (guint8)(value >> 8), (guint8)(value >> 16),
			   (guint8)(value >> 24)};
	g_byte_array_append(out, bytes, sizeof bytes);
}

static void append_string(GByteArray *out, const char *text) /* with its NUL */
{
	g_byte_array_append(out, (const guint8 *)text, (guint)strlen(text) + 1);
}

static void gzip_member(const Content *archive, const Member *member, GByteArray *out)
{
	const GByteArray *bytes = member->content->bytes;
	guint start = out->len;
	gboolean named = (archive->style & STYLE_NAME) != 0;
	guint8 head[10] = {0x1f, 0x8b, 8};
	guint32 crc = (guint32)crc32(crc32(0, NULL, 0), bytes->data, bytes->len);
	head[3] = (guint8)((named ? 0x1c : 0) | (archive->style & STYLE_CRC16 ? 2 : 0));
	for (guint i = 0; i < 4; i++)
		head[4 + i] = (guint8)(member->packing.time >> (8 * i));
	head[8] = member->packing.level == 9 ? 2 : member->packing.level == 1 ? 4 : 0;
	head[9] = archive->style & STYLE_WINDOWS_OS ? 11 : 3;
	g_byte_array_append(out, head, sizeof head);
	if (named) {
		static const guint8 extra[] = {6, 0, 'A', 'B', 2, 0, 1, 2};
		g_byte_array_append(out, extra, sizeof extra);
		append_string(out, member->name);
		append_string(out, "a comment");
	}
	if (archive->style & STYLE_CRC16) {
		guint32 sum =
		    (guint32)crc32(crc32(0, NULL, 0), out->data + start, out->len - start);
		guint8 low[2] = {(guint8)sum, (guint8)(sum >> 8)};
		g_byte_array_append(out, low, sizeof low);
	}
	g_autoptr(GByteArray) packed = pack_deflate(bytes, &member->packing);
	g_byte_array_append(out, packed->data, packed->len);
	put_le(out, crc ^ (member->packing.flags & PACK_WRONG_CRC ? 1 : 0));
	put_le(out, bytes->len);
}

void gzip_format(const Content *archive, GByteArray *out)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed(archive->noise);
	for (guint i = 0; i < archive->members->len; i++)
		gzip_member(archive, g_ptr_array_index(archive->members, i), out);
	if (archive->style & STYLE_JUNK)
		append_noise(out, rand, 1 + pick(rand, 100));
}

static void fill_block(GByteArray *out, guint block)
{
	static const guint8 zeros[10240];
	if (out->len % block)
		g_byte_array_append(out, zeros, block - out->len % block);
}

/* One header block; a name that is too long is cut, for headers before it to mend. */
static void tar_header(GByteArray *out, const char *name, char type, guint64 size, guint32 time,
		       gboolean gnu)
{
	char head[512] = "";
	guint sum = 8 * ' ';
	memcpy(head, name, MIN(strlen(name), 100));
	g_snprintf(head + 100, 8, "%07o", type == '5' ? 0755 : 0644);
	g_snprintf(head + 108, 8, "%07o", time % 2000);
	g_snprintf(head + 116, 8, "%07o", 0);
	g_snprintf(head + 124, 12, "%011o", (guint)size);
	g_snprintf(head + 136, 12, "%011o", time);
	if (gnu && size % 5 == 4) { /* sizes may be binary */
		memset(head + 124, 0, 12);
		head[124] = (char)0x80;
		for (guint i = 0; i < 8; i++)
			head[135 - i] = (char)(size >> (8 * i));
	}
	head[156] = type;
	if (gnu)
		memcpy(head + 257, "ustar  ", 8);
	else
		memcpy(head + 257, "ustar\00000", 8);
	g_snprintf(head + 265, 32, "%s", "root");
	g_snprintf(head + 297, 32, "%s", "root");
	for (guint i = 0; i < sizeof head; i++)
		sum += (guchar)head[i];
	g_snprintf(head + 148, 7, "%06o", sum);
	head[155] = ' ';
	g_byte_array_append(out, (const guint8 *)head, sizeof head);
}

/* "LENGTH path=NAME\n", the length counting itself. */
static char *pax_record(const char *name)
{
	gsize len = strlen(name) + 7;
	gsize digits = len < 9 ? 1 : len < 98 ? 2 : len < 997 ? 3 : 4;
	return g_strdup_printf("%" G_GSIZE_FORMAT " path=%s\n", len + digits, name);
}

static void tar_member(const Content *archive, const Member *member, GByteArray *out)
{
	const GByteArray *bytes = member->content->bytes;
	gboolean gnu = !(archive->style & STYLE_PAX);
	const char *name = member->name;
	if (!gnu) {
		g_autofree char *record = pax_record(name);
		tar_header(out, "PaxHeaders/x", 'x', strlen(record), member->packing.time, FALSE);
		g_byte_array_append(out, (const guint8 *)record, (guint)strlen(record));
		fill_block(out, 512);
	} else if (strlen(name) > 100) {
		tar_header(out, "././@LongLink", 'L', strlen(name) + 1, 0, TRUE);
		append_string(out, name);
		fill_block(out, 512);
	}
	gboolean folder = g_str_has_suffix(name, "/");
	guint size = folder ? 0 : bytes->len;
	tar_header(out, name,
		   folder                               ? '5'
		   : member->packing.flags & PACK_EXTRA ? '\0'
							: '0',
		   size, member->packing.time, gnu);
	if (size > 0)
		g_byte_array_append(out, bytes->data, size);
	fill_block(out, 512);
}

void tar_format(const Content *archive, GByteArray *out)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed(archive->noise);
	static const guint8 end[1024];
	for (guint i = 0; i < archive->members->len; i++)
		tar_member(archive, g_ptr_array_index(archive->members, i), out);
	if (!(archive->style & STYLE_NO_END))
		g_byte_array_append(out, end, sizeof end);
	if (archive->style & STYLE_BLOCKED)
		fill_block(out, 10240);
	if (archive->style & STYLE_JUNK)
		append_noise(out, rand, 1 + pick(rand, 100));
}
