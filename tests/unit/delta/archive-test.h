/* SPDX-License-Identifier: ISC */
/* Shared by the tests of archives: bytes that can be read, and what must hold for all formats. */
#pragma once

#include <zlib.h>

#include "delta/archive.h"

#define MEMORY ((guint64)16 * 1024 * 1024)

/* Reads fail from the `fails`th on, if that is not 0. */
typedef struct {
	const GByteArray *data;
	guint reads, fails;
} Source;

static inline gboolean read_source(gpointer user_data, guint64 offset, guint8 *out, gsize len,
				   GError **error)
{
	Source *source = user_data;
	g_assert_cmpuint(offset, <=, source->data->len);
	g_assert_cmpuint(len, <=, source->data->len - offset);
	if (++source->reads == source->fails)
		return util_error_set(error, TS_ERROR_FAILED, "no more reads");
	if (len > 0)
		memcpy(out, source->data->data + offset, len);
	return TRUE;
}

static inline DeltaArchive *parse(const GByteArray *data)
{
	g_autoptr(GError) error = NULL;
	Source source = {.data = data};
	DeltaBytes bytes = {read_source, &source, data->len};
	DeltaArchive *archive = delta_archive_parse(&bytes, &error);
	g_assert_no_error(error);
	return archive;
}

static inline const DeltaMember *member_of(const DeltaArchive *archive, guint i)
{
	g_assert_cmpuint(i, <, archive->members->len);
	return &g_array_index(archive->members, DeltaMember, i);
}

/* Puts `was` together by its form, with its facts and the bytes of `data`. */
static inline GByteArray *rebuild(const DeltaArchive *was, const GByteArray *data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(DeltaArchive) archive =
	    delta_archive_from_form(was->form->data, was->form->len, MEMORY, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(archive->members->len, ==, was->members->len);
	GByteArray *out = g_byte_array_new();
	for (guint i = 0; i < was->members->len; i++) {
		const DeltaMember *member = member_of(was, i);
		g_assert_cmpstr(member_of(archive, i)->name, ==, member->name);
		g_assert_cmpint(member_of(archive, i)->packing, ==, member->packing);
		delta_archive_head(archive, i, &member->facts, out);
		g_assert_cmpuint(out->len, ==, member->offset);
		g_byte_array_append(out, data->data + member->offset,
				    (guint)member->facts.packed_bytes);
	}
	delta_archive_tail(archive, out);
	return out;
}

/* TRUE if it is taken apart; then it must come back. */
static inline gboolean comes_back(const GByteArray *data)
{
	g_autoptr(DeltaArchive) archive = parse(data);
	if (!archive)
		return FALSE;
	g_autoptr(GByteArray) again = rebuild(archive, data);
	g_assert_cmpmem(again->data, again->len, data->data, data->len);
	return TRUE;
}

static inline void put(GByteArray *out, const void *data, gsize len)
{
	g_byte_array_append(out, data, (guint)len);
}

static inline void put_text(GByteArray *out, const char *text)
{
	put(out, text, strlen(text));
}

static inline void put_le(GByteArray *out, guint64 value, guint width)
{
	for (guint i = 0; i < width; i++) {
		guint8 byte = (guint8)(value >> 8 * i);
		put(out, &byte, 1);
	}
}

static inline GByteArray *deflated(const char *text)
{
	g_autoptr(DeltaDeflate) deflate = delta_deflate_new(69, NULL); /* level 6, memory 8 */
	GByteArray *out = g_byte_array_new();
	gboolean done = FALSE;
	g_byte_array_set_size(out, (guint)strlen(text) + 100);
	DeltaBuffers buffers = {(const guint8 *)text, strlen(text), out->data, out->len};
	g_assert_true(delta_deflate_step(deflate, &buffers, DELTA_LAST, &done, NULL) && done);
	g_byte_array_set_size(out, out->len - (guint)buffers.out_len);
	return out;
}

static inline guint32 crc_of(const char *text)
{
	return (guint32)crc32(0, (const Bytef *)text, (uInt)strlen(text));
}

/* No prefix of it is taken apart, and of those with a flipped byte only what comes back. */
static inline void check_damage(const GByteArray *data)
{
	g_autoptr(GByteArray) cut = g_byte_array_new();
	g_autoptr(GByteArray) flipped = g_byte_array_new();
	put(flipped, data->data, data->len);
	guint back = 0;
	for (guint i = 0; i < data->len; i++) {
		for (guint bit = 0; bit < 8; bit += 3) {
			flipped->data[i] ^= (guint8)(1u << bit);
			back += comes_back(flipped) ? 1 : 0;
			flipped->data[i] ^= (guint8)(1u << bit);
		}
		g_assert_false(comes_back(cut));
		put(cut, data->data + i, 1);
	}
	/* bytes of members, names and times may be any */
	g_assert_cmpuint(back, >, 0);
	g_assert_cmpuint(back, <, 3 * data->len);
}

/* A damaged form is CORRUPT, or makes an archive of some kind; never more. */
static inline void try_form(const guint8 *form, gsize len, guint64 memory)
{
	static const DeltaFacts facts = {5, 5, 0x1234};
	g_autoptr(GError) error = NULL;
	g_autoptr(GByteArray) out = g_byte_array_new();
	g_autoptr(DeltaArchive) archive = delta_archive_from_form(form, len, memory, &error);
	if (!archive) {
		g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
		return;
	}
	g_assert_no_error(error);
	for (guint i = 0; i < archive->members->len; i++)
		delta_archive_head(archive, i, &facts, out);
	delta_archive_tail(archive, out);
}

static inline void check_form_damage(const GByteArray *form)
{
	g_autofree guint8 *copy = g_memdup2(form->data, form->len);
	g_autofree guint8 *longer = g_malloc0((gsize)form->len + 1);
	for (guint i = 0; i < form->len; i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(DeltaArchive) cut =
		    delta_archive_from_form(form->data, i, MEMORY, &error);
		g_assert_null(cut);
		g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
		for (guint bit = 0; bit < 8; bit++) {
			copy[i] ^= (guint8)(1u << bit);
			try_form(copy, form->len, MEMORY);
			copy[i] ^= (guint8)(1u << bit);
		}
		/* whatever the memory, it is taken whole or not at all */
		try_form(form->data, form->len, i * 16);
	}
	memcpy(longer, form->data, form->len);
	g_autoptr(DeltaArchive) more =
	    delta_archive_from_form(longer, (gsize)form->len + 1, MEMORY, NULL);
	g_assert_null(more);
}

/* Every failed read ends in its error. */
static inline void check_failed_reads(const GByteArray *data)
{
	Source source = {.data = data};
	DeltaBytes bytes = {read_source, &source, data->len};
	g_autoptr(DeltaArchive) whole = delta_archive_parse(&bytes, NULL);
	g_assert_nonnull(whole);
	for (guint reads = source.reads; reads > 0; reads--) {
		g_autoptr(GError) error = NULL;
		source = (Source){.data = data, .fails = reads};
		g_autoptr(DeltaArchive) archive = delta_archive_parse(&bytes, &error);
		g_assert_null(archive);
		g_assert_error(error, TS_ERROR, TS_ERROR_FAILED);
	}
}

static inline void check_golden(const DeltaArchive *archive, const char *hex)
{
	g_autofree char *is = g_malloc(2 * (gsize)archive->form->len + 1);
	util_hex_encode(archive->form->data, archive->form->len, is);
	g_assert_cmpstr(is, ==, hex);
}
