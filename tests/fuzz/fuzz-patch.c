/* SPDX-License-Identifier: ISC */
/*
 * Differences, by the first byte: 0 the rest is a text for old files that are always the same (the
 * second byte says how many of them, and how large the new ones are), 1 the rest is an old file, as
 * long as the second and third byte say, and a new one: what is made of them must give them back.
 */
#include "delta/patch.h"

#define OLD_FILES 3
#define TEXT_BYTES 300
#define BINARY_BYTES 5000            /* an edit is given in pieces of less than that */
#define PAIR_BYTES_MAX ((gsize)1536) /* making a text is slow */

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

static const gsize new_sizes[OLD_FILES][4] = {
    {0, 1, TEXT_BYTES, 2000}, {0, 5, 64, 4096}, {1, BINARY_BYTES - 1, BINARY_BYTES, 9000}};

/* What came out so far, and all that may. */
typedef struct {
	GByteArray *bytes;
	gsize most;
} Taken;

static gboolean take(gpointer user_data, const guint8 *data, gsize len, GError **error)
{
	Taken *taken = user_data;
	(void)error; /* never fails */
	g_assert(len > 0 && len <= taken->most - taken->bytes->len);
	g_byte_array_append(taken->bytes, data, (guint)len);
	return TRUE;
}

/* The text, an empty file, the binary: each of exactly its size, so that the sanitizer sees a read
 * outside of it. */
static void old_files(DeltaPatchPair *pairs)
{
	guint8 *text = g_malloc(TEXT_BYTES);
	guint8 *binary = g_malloc(BINARY_BYTES);
	for (guint i = 0; i < TEXT_BYTES; i++)
		text[i] = (guint8) "to be or not to be\n"[i % 19];
	for (guint i = 0; i < BINARY_BYTES; i++)
		binary[i] = (guint8)(i * 2654435761u >> 24);
	pairs[0] = (DeltaPatchPair){.old_data = text, .old_bytes = TEXT_BYTES};
	pairs[1] = (DeltaPatchPair){0};
	pairs[2] = (DeltaPatchPair){.old_data = binary, .old_bytes = BINARY_BYTES};
}

static void check_text(const guint8 *data, gsize size)
{
	static DeltaPatchPair pairs[OLD_FILES];
	g_autoptr(GError) error = NULL;
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	Taken taken = {bytes, 0};
	if (size == 0)
		return;
	if (!pairs[0].old_data)
		old_files(pairs);
	guint n = 1 + (data[0] & 3) % OLD_FILES;
	for (guint i = 0; i < n; i++) {
		pairs[i].new_bytes = new_sizes[i][data[0] >> (2 + 2 * i) & 3];
		taken.most += pairs[i].new_bytes;
	}
	gboolean ok = delta_patch_apply(data + 1, size - 1, pairs, n, take, &taken, &error);
	g_assert(ok == (error == NULL));
	g_assert(ok || g_error_matches(error, TS_ERROR, TS_ERROR_CORRUPT));
	g_assert(!ok || bytes->len == taken.most);
}

/* There and back in one text. */
static void check_pair(const guint8 *data, gsize size)
{
	if (size < 2)
		return;
	gsize left = MIN(size - 2, PAIR_BYTES_MAX);
	gsize old_bytes = MIN((gsize)(data[0] | data[1] << 8), left);
	gsize new_bytes = left - old_bytes;
	g_autofree guint8 *old_data = g_memdup2(data + 2, old_bytes);
	g_autofree guint8 *new_data = g_memdup2(data + 2 + old_bytes, new_bytes);
	DeltaPatchPair pairs[] = {{old_data, old_bytes, new_data, new_bytes},
				  {new_data, new_bytes, old_data, old_bytes}};
	g_autoptr(GError) error = NULL;
	g_autoptr(GByteArray) text = delta_patch_make(pairs, G_N_ELEMENTS(pairs));
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	Taken taken = {bytes, left};
	pairs[0].new_data = pairs[1].new_data = NULL; /* as the reader has them */
	gboolean ok = delta_patch_apply(text->data, text->len, pairs, G_N_ELEMENTS(pairs), take,
					&taken, &error);
	g_assert_no_error(error);
	g_assert(ok && bytes->len == left);
	g_assert(new_bytes == 0 || memcmp(bytes->data, new_data, new_bytes) == 0);
	g_assert(old_bytes == 0 || memcmp(bytes->data + new_bytes, old_data, old_bytes) == 0);
	pairs[0].new_data = new_data;
	(void)delta_patch_suits(&pairs[0]); /* either is fine */
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
	if (size == 0)
		return 0;
	if (data[0] % 2 == 0)
		check_text(data + 1, size - 1);
	else
		check_pair(data + 1, size - 1);
	return 0;
}
