/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "delta/patch.h"

static gboolean append_sink(gpointer user_data, const guint8 *data, gsize len, GError **error)
{
	(void)error;
	g_byte_array_append(user_data, data, (guint)len);
	return TRUE;
}

static GByteArray *noise(guint32 seed, guint len, guint letters)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
	GByteArray *bytes = g_byte_array_new();
	for (guint i = 0; i < len; i++) {
		guint8 byte = (guint8)g_rand_int_range(rand, 0, (gint)letters);
		g_byte_array_append(bytes, &byte, 1);
	}
	return bytes;
}

static GByteArray *copy_of(const GByteArray *bytes)
{
	GByteArray *copy = g_byte_array_new();
	return g_byte_array_append(copy, bytes->data, bytes->len);
}

static DeltaPatchPair pair_of(const GByteArray *old, const GByteArray *now)
{
	return (DeltaPatchPair){old->data, old->len, now->data, now->len};
}

static GByteArray *apply(const GByteArray *text, const DeltaPatchPair *pairs, guint n,
			 GError **error)
{
	g_autofree DeltaPatchPair *blind = g_memdup2(pairs, n * sizeof *pairs);
	for (guint i = 0; i < n; i++)
		blind[i].new_data = NULL;
	g_autoptr(GByteArray) out = g_byte_array_new();
	if (!delta_patch_apply(text->data, text->len, blind, n, append_sink, out, error))
		return NULL;
	return g_steal_pointer(&out);
}

/* Each pair has what its own text would have, and that is where "within" ends. */
static void assert_shares(const GByteArray *text, const DeltaPatchPair *pairs, guint n)
{
	g_autoptr(GError) error = NULL;
	g_autofree guint64 *shares = g_new0(guint64, n);
	delta_patch_measure(text->data, text->len, pairs, n, shares, &error);
	g_assert_no_error(error);
	for (guint i = 0; i < n; i++) {
		g_autoptr(GByteArray) own = delta_patch_make_within(&pairs[i], shares[i]);
		g_assert_nonnull(own);
		g_assert_cmpuint(own->len, ==, shares[i]);
		g_assert_true(shares[i] == 0 || !delta_patch_make_within(&pairs[i], shares[i] - 1));
	}
}

static guint assert_round_trip(const DeltaPatchPair *pairs, guint n)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GByteArray) text = delta_patch_make(pairs, n);
	g_autoptr(GByteArray) again = delta_patch_make(pairs, n);
	g_assert_cmpmem(text->data, text->len, again->data, again->len);
	g_autoptr(GByteArray) out = apply(text, pairs, n, &error);
	g_assert_no_error(error);
	gsize at = 0;
	for (guint i = 0; i < n; i++) {
		g_assert_cmpuint(out->len - at, >=, pairs[i].new_bytes);
		g_assert_cmpmem(out->data + at, pairs[i].new_bytes, pairs[i].new_data,
				pairs[i].new_bytes);
		at += pairs[i].new_bytes;
	}
	g_assert_cmpuint(at, ==, out->len);
	assert_shares(text, pairs, n);
	return text->len;
}

static void test_edits(void)
{
	g_autoptr(GByteArray) old = noise(1, 100000, 256);
	g_autoptr(GByteArray) now = copy_of(old);
	DeltaPatchPair same = pair_of(old, now);
	g_assert_cmpuint(assert_round_trip(&same, 1), ==, 1);
	for (guint i = 0; i < 10; i++)
		now->data[5000 + i * 9000] ^= 0x55;
	DeltaPatchPair edited = pair_of(old, now);
	g_assert_cmpuint(assert_round_trip(&edited, 1), <, 60);
	g_assert_true(delta_patch_suits(&edited));
	/* a block moves from the front to the back, one is put in */
	g_autoptr(GByteArray) moved = g_byte_array_new();
	g_byte_array_append(moved, old->data + 30000, 70000);
	g_byte_array_append(moved, (const guint8 *)"put in between", 14);
	g_byte_array_append(moved, old->data, 30000);
	DeltaPatchPair seek = pair_of(old, moved);
	g_assert_cmpuint(assert_round_trip(&seek, 1), <, 60);
}

static void test_unlike(void)
{
	g_autoptr(GByteArray) old = noise(2, 20000, 256);
	g_autoptr(GByteArray) now = noise(3, 20000, 256);
	DeltaPatchPair pair = pair_of(old, now);
	g_assert_cmpuint(assert_round_trip(&pair, 1), <, 20600);
	g_assert_false(delta_patch_suits(&pair));
}

/* Counts of every size, from nothing, to nothing, and several pairs in one text. */
static void test_random(void)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed(4);
	for (guint round = 0; round < 300; round++) {
		DeltaPatchPair pairs[3];
		GByteArray *kept[6];
		for (guint i = 0; i < 3; i++) {
			guint len = (guint)g_rand_int_range(rand, 0, 3000);
			guint letters = g_rand_boolean(rand) ? 3 : 200;
			GByteArray *old = noise(round * 3 + i, len, letters);
			GByteArray *now = copy_of(old);
			for (gint edit = g_rand_int_range(rand, 0, 20); edit > 0 && now->len > 0;
			     edit--) {
				guint at = (guint)g_rand_int_range(rand, 0, (gint)now->len);
				guint n = (guint)g_rand_int_range(rand, 1, 80);
				n = MIN(n, now->len - at);
				if (edit % 3 == 0)
					g_byte_array_remove_range(now, at, n);
				else if (edit % 3 == 1)
					memset(now->data + at, edit, n / 8 + 1);
				else
					g_byte_array_append(now, old->data, MIN(old->len, n));
			}
			if (g_rand_int_range(rand, 0, 10) == 0)
				g_byte_array_set_size(now, 0);
			kept[2 * i] = old;
			kept[2 * i + 1] = now;
			pairs[i] = pair_of(old, now);
		}
		assert_round_trip(pairs, 3);
		for (guint i = 0; i < 6; i++)
			g_byte_array_unref(kept[i]);
	}
}

/* Every prefix is refused, and every flipped bit is refused or gives as many bytes. */
static void test_damage(void)
{
	g_autoptr(GByteArray) old = noise(5, 3000, 20);
	g_autoptr(GByteArray) now = copy_of(old);
	now->data[100]++;
	g_byte_array_remove_range(now, 500, 40);
	g_byte_array_append(now, old->data, 700);
	DeltaPatchPair pair = pair_of(old, now);
	g_autoptr(GByteArray) text = delta_patch_make(&pair, 1);
	for (guint len = 0; len < text->len; len++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(GByteArray) cut = g_byte_array_new();
		g_byte_array_append(cut, text->data, len);
		g_autoptr(GByteArray) out = apply(cut, &pair, 1, &error);
		g_assert_null(out);
		g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	}
	for (guint bit = 0; bit < text->len * 8; bit++) {
		g_autoptr(GByteArray) bad = copy_of(text);
		bad->data[bit / 8] ^= (guint8)(1 << bit % 8);
		g_autoptr(GByteArray) out = apply(bad, &pair, 1, NULL);
		g_assert_true(!out || out->len == now->len);
	}
	g_byte_array_append(text, (const guint8 *)"\0", 1);
	g_autoptr(GByteArray) longer = apply(text, &pair, 1, NULL);
	g_assert_null(longer);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/patch/edits", test_edits);
	g_test_add_func("/patch/unlike", test_unlike);
	g_test_add_func("/patch/random", test_random);
	g_test_add_func("/patch/damage", test_damage);
	return g_test_run();
}
