/* SPDX-License-Identifier: ISC */
/*
 * Archives, by the first byte: 0 the rest is one (what is taken apart must come back), 1 it is the
 * form of one, 2 it is a deflate stream.
 */
#include <zlib.h>

#include "delta/archive.h"

#define MEMORY ((guint64)4 * 1024 * 1024)
#define UNPACKED_MAX ((gsize)1024 * 1024)

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

typedef struct {
	const guint8 *data;
	gsize len;
} Memory;

static gboolean read_memory(gpointer user_data, guint64 offset, guint8 *out, gsize len,
			    GError **error)
{
	const Memory *memory = user_data;
	(void)error; /* never fails */
	g_assert(offset <= memory->len && len <= memory->len - offset);
	if (len > 0)
		memcpy(out, memory->data + offset, len);
	return TRUE;
}

/* Puts it together with the members' bytes of the archive it was. */
static GByteArray *rebuild(const DeltaArchive *was, const guint8 *data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(DeltaArchive) archive =
	    delta_archive_from_form(was->form->data, was->form->len, G_MAXUINT64, &error);
	g_assert_no_error(error);
	g_assert(archive->members->len == was->members->len);
	GByteArray *out = g_byte_array_new();
	for (guint i = 0; i < was->members->len; i++) {
		const DeltaMember *member = &g_array_index(was->members, DeltaMember, i);
		delta_archive_head(archive, i, &member->facts, out);
		g_assert(out->len == member->offset);
		g_byte_array_append(out, data + member->offset, (guint)member->facts.packed_bytes);
	}
	delta_archive_tail(archive, out);
	return out;
}

static void check_archive(const guint8 *data, gsize size)
{
	g_autoptr(GError) error = NULL;
	Memory memory = {data, size};
	DeltaBytes bytes = {read_memory, &memory, size};
	g_autoptr(DeltaArchive) archive = delta_archive_parse(&bytes, &error);
	g_assert_no_error(error);
	if (!archive)
		return;
	g_autoptr(GByteArray) again = rebuild(archive, data);
	g_assert(again->len == size && memcmp(again->data, data, size) == 0);
}

/* A form that is taken goes with members of any kind. What it becomes may be an archive. */
static void check_form(const guint8 *form, gsize len)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(DeltaArchive) archive = delta_archive_from_form(form, len, MEMORY, &error);
	g_assert((archive != NULL) == (error == NULL));
	if (!archive)
		return;
	g_assert(archive->form->len == len && memcmp(archive->form->data, form, len) == 0);
	g_autoptr(GByteArray) out = g_byte_array_new();
	for (guint i = 0; i < archive->members->len; i++) {
		guint n = i % 5;
		DeltaFacts facts = {n, n, (guint32)crc32(0, (const Bytef *)"abcd", n)};
		delta_archive_head(archive, i, &facts, out);
		g_byte_array_append(out, (const guint8 *)"abcd", n);
	}
	delta_archive_tail(archive, out);
	check_archive(out->data, out->len);
}

static gsize unpack(const guint8 *data, gsize size, guint8 *out)
{
	g_autoptr(DeltaDeflate) inflate = delta_inflate_new();
	DeltaBuffers buffers = {data, size, out, UNPACKED_MAX};
	gboolean done = FALSE;
	while (!done && buffers.out_len > 0)
		if (!delta_deflate_step(inflate, &buffers, DELTA_LAST, &done, NULL))
			break;
	return UNPACKED_MAX - buffers.out_len;
}

static void check_deflate(const guint8 *data, gsize size)
{
	g_autofree guint8 *out = g_malloc(UNPACKED_MAX);
	gsize len = unpack(data, size, out);
	Memory memory = {data, size};
	DeltaBytes bytes = {read_memory, &memory, size};
	DeltaMember member = {.name = "",
			      .facts = {len, size, (guint32)crc32(0, out, (uInt)len)},
			      .packing = DELTA_DEFLATED};
	DeltaZlib way = 0;
	g_assert(delta_zlib_find(&bytes, &member, 0, &way, NULL));
	if (way == 0)
		return;
	g_autoptr(DeltaDeflate) deflate = delta_deflate_new(way, NULL);
	g_autofree guint8 *again = g_malloc(size + 1);
	DeltaBuffers buffers = {out, len, again, size + 1};
	gboolean done = FALSE;
	g_assert(delta_deflate_step(deflate, &buffers, DELTA_LAST, &done, NULL) && done);
	g_assert(buffers.out_len == 1 && memcmp(again, data, size) == 0);
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
	if (size == 0)
		return 0;
	if (data[0] % 3 == 0)
		check_archive(data + 1, size - 1);
	else if (data[0] % 3 == 1)
		check_form(data + 1, size - 1);
	else
		check_deflate(data + 1, size - 1);
	return 0;
}
