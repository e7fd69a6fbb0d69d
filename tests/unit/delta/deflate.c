/* SPDX-License-Identifier: ISC */
#include "archive-test.h"

#define WAYS 81

/* Words, noise and repetition, more than any block holds. */
static GByteArray *make_text(guint32 seed, gsize len)
{
	static const char *const words[] = {"function ",       "return ", "const ", "value",
					    "(0, _a.default)", ";\n",     "this.",  "="};
	g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
	GByteArray *text = g_byte_array_new();
	while (text->len < len) {
		if (g_rand_int_range(rand, 0, 4) > 0)
			put_text(text, words[g_rand_int_range(rand, 0, G_N_ELEMENTS(words))]);
		else
			put_le(text, g_rand_int(rand), 3);
	}
	g_byte_array_set_size(text, (guint)len);
	return text;
}

/* Everything that comes out, in steps of `step` bytes on both sides. */
static GByteArray *run_all(DeltaDeflate *stream, const GByteArray *data, gsize step, GError **error)
{
	g_autoptr(GByteArray) out = g_byte_array_new();
	g_autofree guint8 *chunk = g_malloc(step);
	gsize at = 0;
	gboolean done = FALSE;
	while (!done) {
		gsize len = MIN(step, data->len - at);
		DeltaBuffers buffers = {data->data + at, len, chunk, step};
		DeltaRun run = at + len == data->len ? DELTA_LAST : DELTA_MORE;
		if (!delta_deflate_step(stream, &buffers, run, &done, error))
			return NULL;
		at += len - buffers.in_len;
		put(out, chunk, step - buffers.out_len);
	}
	if (at < data->len) {
		util_error_set(error, TS_ERROR_CORRUPT, "bytes after the end");
		return NULL;
	}
	return g_steal_pointer(&out);
}

static GByteArray *pack(DeltaZlib way, const GByteArray *data, gsize step)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(DeltaDeflate) stream = delta_deflate_new(way, &error);
	g_assert_no_error(error);
	GByteArray *out = run_all(stream, data, step, &error);
	g_assert_no_error(error);
	return out;
}

static GByteArray *unpack(const GByteArray *data, gsize step, GError **error)
{
	g_autoptr(DeltaDeflate) stream = delta_inflate_new();
	return run_all(stream, data, step, error);
}

static void test_round_trip(void)
{
	static const gsize sizes[] = {0, 1, 100, 70000};
	static const gsize steps[] = {1, 7, 4096, 1 << 20};
	for (guint i = 0; i < G_N_ELEMENTS(sizes) * G_N_ELEMENTS(steps); i++) {
		gsize step = steps[i % G_N_ELEMENTS(steps)];
		g_autoptr(GByteArray) text = make_text(i, sizes[i / G_N_ELEMENTS(steps)]);
		g_autoptr(GByteArray) packed = pack(69, text, step);
		g_autoptr(GByteArray) at_once = pack(69, text, 1 << 20);
		/* however it is fed, it packs alike */
		g_assert_cmpmem(packed->data, packed->len, at_once->data, at_once->len);
		g_autoptr(GByteArray) back = unpack(packed, step, NULL);
		g_assert_cmpmem(back->data, back->len, text->data, text->len);
	}
}

static void test_flush(void)
{
	guint8 out[256];
	guint8 back[256];
	gboolean done = FALSE;
	g_autoptr(DeltaDeflate) deflate = delta_deflate_new(69, NULL);
	g_autoptr(DeltaDeflate) inflate = delta_inflate_new();
	DeltaBuffers packs = {(const guint8 *)"hello", 5, out, sizeof out};
	g_assert_true(delta_deflate_step(deflate, &packs, DELTA_FLUSH, &done, NULL));
	g_assert_true(done);
	DeltaBuffers unpacks = {out, sizeof out - packs.out_len, back, sizeof back};
	g_assert_true(delta_deflate_step(inflate, &unpacks, DELTA_MORE, &done, NULL));
	g_assert_false(done);
	g_assert_cmpmem(back, sizeof back - unpacks.out_len, "hello", 5);
	/* the end, and nothing after it */
	packs = (DeltaBuffers){NULL, 0, out, sizeof out};
	g_assert_true(delta_deflate_step(deflate, &packs, DELTA_LAST, &done, NULL));
	g_assert_true(done);
	packs = (DeltaBuffers){(const guint8 *)"x", 1, out, sizeof out};
	g_autoptr(GError) error = NULL;
	g_assert_false(delta_deflate_step(deflate, &packs, DELTA_LAST, &done, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
}

static void test_damage(void)
{
	g_autoptr(GByteArray) text = make_text(1, 3000);
	g_autoptr(GByteArray) packed = pack(69, text, 4096);
	g_autoptr(GByteArray) part = g_byte_array_new();
	for (guint i = 0; i < packed->len; i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(GByteArray) cut = unpack(part, 100, &error);
		g_assert_null(cut);
		g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
		put(part, packed->data + i, 1);
		packed->data[i] ^= 0x20;
		g_autoptr(GByteArray) flipped = unpack(packed, 100, NULL);
		/* the last bits of the last byte mean nothing */
		g_assert_true(!flipped || flipped->len != text->len || i + 1 == packed->len ||
			      memcmp(flipped->data, text->data, text->len) != 0);
		packed->data[i] ^= 0x20;
	}
	put(packed, "x", 1);
	g_autoptr(GByteArray) longer = unpack(packed, 100, NULL);
	g_assert_null(longer);
}

static void test_unknown_ways(void)
{
	static const DeltaZlib ways[] = {0, WAYS + 1, 0x80, 0xff};
	for (guint i = 0; i < G_N_ELEMENTS(ways); i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(DeltaDeflate) stream = delta_deflate_new(ways[i], &error);
		g_assert_null(stream);
		g_assert_error(error, TS_ERROR, TS_ERROR_UNSUPPORTED);
	}
}

/* ---- which way ---- */

static DeltaMember member_for(const GByteArray *packed, gsize offset, const GByteArray *text)
{
	DeltaMember member = {.name = "", .offset = offset, .packing = DELTA_DEFLATED};
	member.facts.bytes = text->len;
	member.facts.packed_bytes = packed->len;
	member.facts.crc = (guint32)crc32(0, text->data, text->len);
	return member;
}

/* Finds the way of a stream that stands in the middle of other bytes. */
static DeltaZlib find(const GByteArray *packed, const GByteArray *text, DeltaZlib hint)
{
	g_autoptr(GByteArray) around = g_byte_array_new();
	put_text(around, "before");
	put(around, packed->data, packed->len);
	put_text(around, "after");
	Source source = {.data = around};
	DeltaBytes bytes = {read_source, &source, around->len};
	DeltaMember member = member_for(packed, 6, text);
	DeltaZlib way = 0xee;
	g_assert_true(delta_zlib_find(&bytes, &member, hint, &way, NULL));
	return way;
}

static void check_found(const GByteArray *packed, const GByteArray *text, DeltaZlib hint)
{
	DeltaZlib way = find(packed, text, hint);
	g_assert_cmpuint(way, >, 0);
	g_assert_cmpuint(way, <=, WAYS);
	g_autoptr(GByteArray) again = pack(way, text, 10000);
	g_assert_cmpmem(again->data, again->len, packed->data, packed->len);
}

/* What any way packed is found, with any hint, if not as the same way. */
static void test_find(void)
{
	static const gsize sizes[] = {0, 1, 50, 130, 5000, 150000};
	for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
		g_autoptr(GByteArray) text = make_text(i, sizes[i]);
		for (guint way = 1; way <= WAYS; way += sizes[i] > 1000 ? 7 : 1) {
			g_autoptr(GByteArray) packed = pack((DeltaZlib)way, text, 4096);
			check_found(packed, text, 0);
			check_found(packed, text, (DeltaZlib)(way % 9 + 1));
			check_found(packed, text, 0xff);
			g_assert_cmpuint(find(packed, text, (DeltaZlib)way), ==, way);
		}
	}
}

/* Facts that are not true, and streams that do not end where they should. */
static void test_find_damaged(void)
{
	g_autoptr(GByteArray) text = make_text(1, 3000);
	g_autoptr(GByteArray) packed = pack(69, text, 4096);
	text->data[2999] ^= 1;
	g_assert_cmpuint(find(packed, text, 69), ==, 0);
	text->data[2999] ^= 1;
	g_byte_array_set_size(text, 2999);
	g_assert_cmpuint(find(packed, text, 69), ==, 0);
	g_byte_array_set_size(text, 3000);
	check_found(packed, text, 69);
	put(packed, "x", 1);
	g_assert_cmpuint(find(packed, text, 69), ==, 0);
	g_byte_array_set_size(packed, packed->len - 2);
	g_assert_cmpuint(find(packed, text, 69), ==, 0);
	g_byte_array_set_size(packed, 0);
	g_assert_cmpuint(find(packed, text, 69), ==, 0);
}

/* Whole streams that zlib does not make: stored blocks of a byte, and two blocks for a few. */
static void test_find_foreign(void)
{
	static const guint8 stored[] = {0, 1, 0, 0xfe, 0xff, 'a', 1, 1, 0, 0xfe, 0xff, 'b'};
	g_autoptr(GByteArray) text = g_byte_array_new();
	g_autoptr(GByteArray) foreign = g_byte_array_new();
	put_text(text, "ab");
	put(foreign, stored, sizeof stored);
	g_assert_cmpuint(find(foreign, text, 69), ==, 0);
	/* what a flush leaves in the stream */
	g_autoptr(DeltaDeflate) deflate = delta_deflate_new(69, NULL);
	guint8 out[256];
	gboolean done = FALSE;
	DeltaBuffers buffers = {text->data, 2, out, sizeof out};
	g_assert_true(delta_deflate_step(deflate, &buffers, DELTA_FLUSH, &done, NULL));
	g_assert_true(delta_deflate_step(deflate, &buffers, DELTA_LAST, &done, NULL) && done);
	g_byte_array_set_size(foreign, 0);
	put(foreign, out, sizeof out - buffers.out_len);
	g_assert_cmpuint(find(foreign, text, 0), ==, 0);
	DeltaMember member = member_for(foreign, 0, text);
	member.packing = DELTA_STORED;
	DeltaZlib way = 0xee;
	Source source = {.data = foreign};
	DeltaBytes bytes = {read_source, &source, foreign->len};
	g_assert_true(delta_zlib_find(&bytes, &member, 0, &way, NULL));
	g_assert_cmpuint(way, ==, 0);
}

static void test_find_failed_reads(void)
{
	g_autoptr(GByteArray) text = make_text(1, 100000);
	g_autoptr(GByteArray) packed = pack(77, text, 4096);
	DeltaMember member = member_for(packed, 0, text);
	Source source = {.data = packed};
	DeltaBytes bytes = {read_source, &source, packed->len};
	DeltaZlib way = 0;
	g_assert_true(delta_zlib_find(&bytes, &member, 0, &way, NULL));
	g_assert_cmpuint(way, ==, 77);
	for (guint reads = source.reads; reads > 0; reads--) {
		g_autoptr(GError) error = NULL;
		source = (Source){.data = packed, .fails = reads};
		g_assert_false(delta_zlib_find(&bytes, &member, 0, &way, &error));
		g_assert_error(error, TS_ERROR, TS_ERROR_FAILED);
	}
}

static void test_digest(void)
{
	guint8 one[UTIL_SHA256_BYTES] = {0};
	guint8 two[UTIL_SHA256_BYTES] = {0};
	g_assert_cmpmem(one, sizeof one, two, sizeof two);
	delta_zlib_digest(one);
	g_assert_cmpint(memcmp(one, two, sizeof one), !=, 0);
	delta_zlib_digest(two);
	g_assert_cmpmem(one, sizeof one, two, sizeof two);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/deflate/round-trip", test_round_trip);
	g_test_add_func("/deflate/flush", test_flush);
	g_test_add_func("/deflate/damage", test_damage);
	g_test_add_func("/deflate/unknown-ways", test_unknown_ways);
	g_test_add_func("/deflate/find", test_find);
	g_test_add_func("/deflate/find-damaged", test_find_damaged);
	g_test_add_func("/deflate/find-foreign", test_find_foreign);
	g_test_add_func("/deflate/find-failed-reads", test_find_failed_reads);
	g_test_add_func("/deflate/digest", test_digest);
	return g_test_run();
}
