/* SPDX-License-Identifier: ISC */
#include "delta/delta.h"

#define TEXT_PROPS 2

static GByteArray *random_bytes(guint32 seed, gsize len)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
	GByteArray *bytes = g_byte_array_new();
	for (gsize i = 0; i < len; i++) {
		guint8 byte = (guint8)g_rand_int(rand);
		g_byte_array_append(bytes, &byte, 1);
	}
	return bytes;
}

static GByteArray *encode(const GByteArray *ref, const GByteArray *data, guint8 props)
{
	g_autoptr(GError) error = NULL;
	DeltaStream stream = {DELTA_CODEC_LZMA2, props, data->len, ref->len, 0};
	g_autoptr(DeltaCoder) coder = delta_encoder_new(&stream, ref->data, &error);
	g_assert_no_error(error);
	GByteArray *out = g_byte_array_new();
	delta_coder_all(coder, data->data, data->len, out, G_MAXUINT, &error);
	g_assert_no_error(error);
	return out;
}

static GByteArray *decode(const GByteArray *ref, const guint8 *coded, gsize len, gsize content,
			  GError **error)
{
	DeltaStream stream = {DELTA_CODEC_LZMA2, TEXT_PROPS, content, ref->len, 0};
	g_autoptr(DeltaCoder) coder = delta_decoder_new(&stream, ref->data, error);
	g_autoptr(GByteArray) out = g_byte_array_new();
	if (!coder || !delta_coder_all(coder, coded, len, out, content, error))
		return NULL;
	return g_steal_pointer(&out);
}

/* New content like the reference costs next to nothing, and comes back. */
static void test_reference(void)
{
	g_autoptr(GByteArray) ref = random_bytes(1, 100000);
	g_autoptr(GByteArray) data = random_bytes(1, 100000);
	g_autoptr(GError) error = NULL;
	memcpy(data->data + 5000, "changed", 7);
	g_autoptr(GByteArray) coded = encode(ref, data, TEXT_PROPS);
	g_assert_cmpuint(coded->len, <, 300);
	g_autoptr(GByteArray) back = decode(ref, coded->data, coded->len, data->len, &error);
	g_assert_no_error(error);
	g_assert_cmpmem(back->data, back->len, data->data, data->len);
}

static void test_empty(void)
{
	g_autoptr(GByteArray) nothing = g_byte_array_new();
	g_autoptr(GByteArray) ref = random_bytes(1, 10);
	g_autoptr(GByteArray) data = random_bytes(2, 5000);
	g_autoptr(GByteArray) none = encode(ref, nothing, TEXT_PROPS);
	g_autoptr(GByteArray) back = decode(ref, none->data, none->len, 0, NULL);
	g_assert_cmpuint(back->len, ==, 0);
	g_autoptr(GByteArray) alone = encode(nothing, data, TEXT_PROPS);
	g_autoptr(GByteArray) same = decode(nothing, alone->data, alone->len, data->len, NULL);
	g_assert_cmpmem(same->data, same->len, data->data, data->len);
}

/* Another reference, cut or longer streams: never what was sent. */
static void test_damage(void)
{
	g_autoptr(GByteArray) ref = random_bytes(1, 3000);
	g_autoptr(GByteArray) other = random_bytes(2, 3000);
	g_autoptr(GByteArray) data = random_bytes(1, 3000);
	g_autoptr(GByteArray) coded = encode(ref, data, TEXT_PROPS);
	g_autoptr(GByteArray) wrong = decode(other, coded->data, coded->len, data->len, NULL);
	g_assert_true(!wrong || wrong->len != data->len ||
		      memcmp(wrong->data, data->data, data->len) != 0);
	for (guint i = 0; i < coded->len; i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(GByteArray) cut = decode(ref, coded->data, i, data->len, &error);
		g_assert_null(cut);
		g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	}
	g_autoptr(GError) error = NULL;
	g_byte_array_append(coded, (const guint8 *)"\0", 1);
	g_autoptr(GByteArray) longer = decode(ref, coded->data, coded->len, data->len, &error);
	g_assert_null(longer);
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
}

/* A stream that holds more than it should is stopped there. */
static void test_too_long(void)
{
	g_autoptr(GByteArray) nothing = g_byte_array_new();
	g_autoptr(GByteArray) zeros = g_byte_array_new();
	g_autoptr(GError) error = NULL;
	g_byte_array_set_size(zeros, 1 << 20);
	memset(zeros->data, 0, zeros->len);
	g_autoptr(GByteArray) coded = encode(nothing, zeros, TEXT_PROPS);
	g_assert_cmpuint(coded->len, <, 1000);
	g_autoptr(GByteArray) back = decode(nothing, coded->data, coded->len, 1000, &error);
	g_assert_null(back);
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
}

static void test_bad_streams(void)
{
	static const DeltaStream rows[] = {
	    {0, 0, 10, 10, 0}, /* no such codec */
	    {3, 0, 10, 10, 0},
	    {DELTA_CODEC_LZMA2, 225, 10, 10, 0}, /* no such props */
	    {DELTA_CODEC_LZMA2, 8, 10, 10, 0},   /* lc 8 */
	    {DELTA_CODEC_LZMA2, 0, G_MAXUINT64, 10, 0},
	    {DELTA_CODEC_LZMA2, 0, 10, G_MAXUINT64, 0},
	    {DELTA_CODEC_LZMA2, 0, G_MAXUINT32, G_MAXUINT32, 0},
	    {DELTA_CODEC_LZMA2, 0, 10, 10, DELTA_EFFORT_MAX + 1},
	};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = NULL;
		g_assert_cmpuint(delta_decoder_memory(&rows[i]), ==, G_MAXUINT64);
		g_assert_cmpuint(delta_encoder_memory(&rows[i]), ==, G_MAXUINT64);
		g_autoptr(DeltaCoder) coder = delta_decoder_new(&rows[i], NULL, &error);
		g_assert_null(coder);
		g_assert_nonnull(error);
	}
}

static void test_memory(void)
{
	DeltaStream stream = {DELTA_CODEC_LZMA2, TEXT_PROPS, 40 << 20, 40 << 20, 0};
	guint64 decoder = delta_decoder_memory(&stream);
	g_assert_cmpuint(decoder, >=, 80 << 20);
	g_assert_cmpuint(decoder, <, 82 << 20);
	/* a reference larger than the content: both copies of it live at once */
	stream.content_bytes = 1 << 20;
	g_assert_cmpuint(delta_decoder_memory(&stream), >=, 80 << 20);
	g_assert_cmpuint(delta_encoder_memory(&stream), >, 400 << 20);
}

/* .xz, in parts and with flushes as a bundle is written. */
static GByteArray *make_xz(const GByteArray *data, guint64 dict)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(DeltaCoder) coder = delta_xz_encoder_new(dict, 3, &error);
	g_assert_no_error(error);
	GByteArray *out = g_byte_array_new();
	guint8 chunk[512];
	static const DeltaRun runs[] = {DELTA_MORE, DELTA_FLUSH, DELTA_LAST};
	gsize at = 0;
	for (guint part = 0; part < 3; part++) {
		gsize len = part < 2 ? data->len / 3 : data->len - at;
		DeltaBuffers buffers = {.in = data->data + at, .in_len = len};
		gboolean done = FALSE;
		do {
			buffers.out = chunk;
			buffers.out_len = sizeof chunk;
			delta_coder_step(coder, &buffers, runs[part], &done, &error);
			g_assert_no_error(error);
			g_byte_array_append(out, chunk, (guint)(sizeof chunk - buffers.out_len));
		} while (part == 0 ? buffers.in_len > 0 || buffers.out_len == 0 : !done);
		at += len;
	}
	return out;
}

static GByteArray *read_xz(const guint8 *data, gsize len, guint64 memory, GError **error)
{
	g_autoptr(DeltaCoder) coder = delta_xz_decoder_new(memory, error);
	g_autoptr(GByteArray) out = g_byte_array_new();
	return delta_coder_all(coder, data, len, out, 1 << 24, error) ? g_steal_pointer(&out)
								      : NULL;
}

static void test_xz(void)
{
	g_autoptr(GByteArray) data = random_bytes(3, 100000);
	g_autoptr(GByteArray) xz = make_xz(data, 65536);
	g_autoptr(GError) error = NULL;
	/* random bytes are stored: 3 bytes per 64 KiB, and the frame */
	g_assert_cmpuint(xz->len, <, data->len + 100);
	g_autoptr(GByteArray) back =
	    read_xz(xz->data, xz->len, delta_xz_decoder_memory(65536), &error);
	g_assert_no_error(error);
	g_assert_cmpmem(back->data, back->len, data->data, data->len);
	for (guint i = 0; i < xz->len; i += i < 100 || i + 100 > xz->len ? 1 : 97) {
		g_autoptr(GByteArray) cut = read_xz(xz->data, i, 1 << 20, NULL);
		g_assert_null(cut);
		xz->data[i] ^= 0x10;
		g_autoptr(GByteArray) flipped = read_xz(xz->data, xz->len, 1 << 20, NULL);
		g_assert_null(flipped);
		xz->data[i] ^= 0x10;
	}
}

static void test_xz_limits(void)
{
	g_autoptr(GByteArray) data = random_bytes(3, 1000);
	g_autoptr(GByteArray) xz = make_xz(data, 32 << 20);
	g_autoptr(GError) error = NULL;
	g_autoptr(GByteArray) back = read_xz(xz->data, xz->len, 8 << 20, &error);
	g_assert_null(back);
	g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
	g_clear_error(&error);
	/* a second stream, or anything else, after the first */
	guint len = xz->len;
	g_autofree guint8 *copy = g_memdup2(xz->data, len);
	g_byte_array_append(xz, copy, len);
	g_autoptr(GByteArray) two = read_xz(xz->data, xz->len, 64 << 20, &error);
	g_assert_null(two);
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	g_clear_error(&error);
	g_autoptr(GByteArray) padded = read_xz(xz->data, len + 1, 64 << 20, &error);
	g_assert_null(padded);
	g_autoptr(GByteArray) other = read_xz((const guint8 *)"BZh91AY&SY", 10, 1 << 20, NULL);
	g_assert_null(other);
}

static void test_kinds(void)
{
	static const char text[] = "function f() {\n\treturn \"\xc3\xa4\";\n}\n";
	static const guint8 elf[] = {0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0};
	g_autoptr(GByteArray) noise = random_bytes(5, 16384);
	g_autoptr(GByteArray) words = g_byte_array_new();
	while (words->len < 16384)
		g_byte_array_append(words, (const guint8 *)text, sizeof text - 1);
	g_assert_cmpint(delta_kind("a.js", (const guint8 *)text, sizeof text - 1), ==, DELTA_TEXT);
	g_assert_cmpint(delta_kind("a.js", words->data, words->len), ==, DELTA_TEXT);
	g_assert_cmpint(delta_kind("a", NULL, 0), ==, DELTA_TEXT);
	g_assert_cmpint(delta_kind("a", elf, sizeof elf), ==, DELTA_BINARY);
	g_assert_cmpint(delta_kind("a", noise->data, noise->len), ==, DELTA_PACKED);
	g_assert_cmpint(delta_kind("a", (const guint8 *)"PK\3\4xxxx", 8), ==, DELTA_PACKED);
	/* base64 has 64 of 256 values: text, not noise */
	for (guint i = 0; i < noise->len; i++)
		noise->data[i] = (guint8)('0' + noise->data[i] % 64);
	g_assert_cmpint(delta_kind("a", noise->data, noise->len), ==, DELTA_TEXT);
	for (guint kind = 0; kind < DELTA_KINDS; kind++) {
		DeltaStream stream = {DELTA_CODEC_LZMA2, delta_kind_props((DeltaKind)kind), 1, 0,
				      0};
		g_assert_cmpuint(delta_decoder_memory(&stream), <, 1 << 20);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/coder/reference", test_reference);
	g_test_add_func("/coder/empty", test_empty);
	g_test_add_func("/coder/damage", test_damage);
	g_test_add_func("/coder/too-long", test_too_long);
	g_test_add_func("/coder/bad-streams", test_bad_streams);
	g_test_add_func("/coder/memory", test_memory);
	g_test_add_func("/coder/xz", test_xz);
	g_test_add_func("/coder/xz-limits", test_xz_limits);
	g_test_add_func("/coder/kinds", test_kinds);
	return g_test_run();
}
