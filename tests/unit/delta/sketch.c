/* SPDX-License-Identifier: ISC */
#include "delta/sketch.h"

#define KIB ((gsize)1024)

/* Bytes that have nothing in common with those of another seed. */
static guint8 *noise(guint32 seed, gsize len)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
	guint8 *data = g_malloc(len + 1);
	for (gsize i = 0; i < len; i++)
		data[i] = (guint8)g_rand_int(rand);
	return data;
}

static DeltaSketch sketch(const guint8 *data, gsize len)
{
	g_autoptr(DeltaSketcher) sketcher = delta_sketcher_new();
	DeltaSketch made;
	delta_sketcher_update(sketcher, data, len);
	delta_sketcher_finish(sketcher, &made);
	return made;
}

static DeltaSketch sketch_noise(guint32 seed, gsize len)
{
	g_autofree guint8 *data = noise(seed, len);
	return sketch(data, len);
}

static void assert_same(const DeltaSketch *a, const DeltaSketch *b)
{
	g_assert_cmpmem(a->slots, sizeof a->slots, b->slots, sizeof b->slots);
	g_assert_cmpuint(a->bytes, ==, b->bytes);
}

/* However the content comes, and whatever came before. */
static void test_pieces(void)
{
	g_autofree guint8 *data = noise(1, 10 * KIB);
	DeltaSketch whole = sketch(data, 10 * KIB);
	g_autoptr(DeltaSketcher) sketcher = delta_sketcher_new();
	g_autoptr(GRand) rand = g_rand_new_with_seed(7);
	for (guint round = 0; round < 50; round++) {
		DeltaSketch pieces;
		gint32 most = round < 10 ? 3 : 3000;
		for (gsize at = 0; at < 10 * KIB;) {
			gsize len = (gsize)g_rand_int_range(rand, 0, most);
			len = MIN(len, 10 * KIB - at);
			delta_sketcher_update(sketcher, data + at, len);
			at += len;
		}
		delta_sketcher_finish(sketcher, &pieces);
		assert_same(&whole, &pieces);
	}
}

/* The same on any machine, today and later: counterparts must not depend on either. */
static void test_known(void)
{
	g_autoptr(GString) text = g_string_new(NULL);
	for (guint i = 0; i < 1000; i++)
		g_string_append_printf(text, "line %u of a text\n", i);
	DeltaSketch made = sketch((const guint8 *)text->str, text->len);
	g_autoptr(GString) told = g_string_new(NULL);
	for (guint i = 0; i < DELTA_SKETCH_SLOTS; i += 8)
		g_string_append_printf(told, "%08x ", made.slots[i]);
	g_assert_cmpstr(told->str, ==, "015babf7 004b6d37 00ad2c0f 00514ec8 ");
	g_assert_cmpuint(made.bytes, ==, text->len);
}

static void test_alike(void)
{
	g_autofree guint8 *data = noise(1, 64 * KIB);
	g_autofree guint8 *other = noise(2, 64 * KIB);
	DeltaSketch before = sketch(data, 64 * KIB);
	DeltaSketch unlike = sketch(other, 64 * KIB);
	g_assert_cmpuint(delta_sketch_likeness(&before, &before), ==, DELTA_SKETCH_SLOTS);
	g_assert_cmpuint(delta_sketch_likeness(&before, &unlike), ==, 0);

	for (gsize i = 0; i < 64 * KIB; i += KIB) /* an edit per KiB spoils 16 pieces of it */
		data[i] ^= 1;
	DeltaSketch edited = sketch(data, 64 * KIB);
	g_assert_cmpuint(delta_sketch_likeness(&before, &edited), >=, 26);

	memcpy(data, other, 32 * KIB); /* a third of all pieces is in both */
	DeltaSketch half = sketch(data, 64 * KIB);
	g_assert_cmpuint(delta_sketch_likeness(&before, &half), >=, 4);
	g_assert_cmpuint(delta_sketch_likeness(&before, &half), <=, 20);
	g_assert_cmpuint(delta_sketch_likeness(&half, &before), ==,
			 delta_sketch_likeness(&before, &half));
}

/* Order and place do not count. */
static void test_moved(void)
{
	g_autofree guint8 *data = noise(1, 64 * KIB);
	g_autofree guint8 *moved = g_malloc(64 * KIB);
	memcpy(moved, data + 24 * KIB, 40 * KIB);
	memcpy(moved + 40 * KIB, data, 24 * KIB);
	DeltaSketch a = sketch(data, 64 * KIB);
	DeltaSketch b = sketch(moved, 64 * KIB);
	g_assert_cmpuint(delta_sketch_likeness(&a, &b), >=, 30);
}

static void test_small(void)
{
	DeltaSketch empty = sketch(NULL, 0);
	g_assert_cmpuint(empty.bytes, ==, 0);
	g_assert_cmpuint(delta_sketch_likeness(&empty, &empty), ==, 0);
	DeltaSketch tiny = sketch_noise(1, 40);
	g_assert_cmpuint(delta_sketch_likeness(&tiny, &tiny), ==, 0);
	/* few pieces: slots without one do not make unlike contents alike */
	for (guint32 seed = 1; seed < 200; seed++) {
		DeltaSketch a = sketch_noise(seed, 60);
		DeltaSketch b = sketch_noise(seed + 1000, 70);
		g_assert_cmpuint(delta_sketch_likeness(&a, &a), ==, DELTA_SKETCH_SLOTS);
		g_assert_cmpuint(delta_sketch_likeness(&a, &b), ==, 0);
	}
	/* zeros are one piece only */
	g_autofree guint8 *zeros = g_malloc0(64 * KIB);
	DeltaSketch few = sketch(zeros, KIB);
	DeltaSketch many = sketch(zeros, 64 * KIB);
	g_assert_cmpuint(delta_sketch_likeness(&few, &many), ==, DELTA_SKETCH_SLOTS);
}

static void assert_found(DeltaSketches *index, const DeltaSketch *wanted, guint id, guint likeness)
{
	guint found = 77;
	guint how = 0;
	g_assert_true(delta_sketches_find(index, wanted, 1, &found, &how));
	g_assert_cmpuint(found, ==, id);
	g_assert_cmpuint(how, ==, likeness);
}

/* A sketch that agrees with sketch 0 in so many slots. */
static DeltaSketch agreeing(guint slots, guint64 bytes, guint32 otherwise)
{
	DeltaSketch made = {.bytes = bytes};
	for (guint i = 0; i < DELTA_SKETCH_SLOTS; i++)
		made.slots[i] = i < slots ? i : otherwise + i;
	return made;
}

static void test_find(void)
{
	g_autoptr(DeltaSketches) index = delta_sketches_new();
	DeltaSketch wanted = agreeing(32, 1000, 0);
	guint id = 77;
	guint likeness = 77;
	g_assert_false(delta_sketches_find(index, &wanted, 1, &id, &likeness));

	DeltaSketch sketches[] = {agreeing(3, 1000, 1000), agreeing(5, 9000, 2000),
				  agreeing(5, 1100, 3000), agreeing(5, 900, 4000),
				  agreeing(0, 1000, 5000)};
	for (guint i = 0; i < G_N_ELEMENTS(sketches); i++)
		delta_sketches_add(index, &sketches[i], 10 - i);
	/* 8 and 7 are as near in size: the lower id */
	assert_found(index, &wanted, 7, 5);
	g_assert_true(delta_sketches_find(index, &wanted, 5, &id, &likeness));
	id = likeness = 77;
	g_assert_false(delta_sketches_find(index, &wanted, 6, &id, &likeness));
	g_assert_cmpuint(id, ==, 77);
	g_assert_cmpuint(likeness, ==, 77);

	/* more may be added after a find */
	DeltaSketch better = agreeing(6, 100000, 6000);
	delta_sketches_add(index, &better, 3);
	assert_found(index, &wanted, 3, 6);
	/* what is too short is never found, and finds nothing */
	DeltaSketch tiny = agreeing(32, 5, 0);
	delta_sketches_add(index, &tiny, 1);
	assert_found(index, &wanted, 3, 6);
	g_assert_false(delta_sketches_find(index, &tiny, 1, &id, &likeness));
}

/* Thousands that agree in most slots: each still finds itself, in no time. */
static void test_family(void)
{
	enum { MANY = 20000 };
	g_autoptr(DeltaSketches) index = delta_sketches_new();
	for (guint i = 0; i < MANY; i++) {
		DeltaSketch one = agreeing(30, 1000 + i, 100 * (i + 1));
		delta_sketches_add(index, &one, i);
	}
	for (guint i = 0; i < MANY; i++) {
		DeltaSketch one = agreeing(30, 1000 + i, 100 * (i + 1));
		assert_found(index, &one, i, 32);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/sketch/pieces", test_pieces);
	g_test_add_func("/sketch/known", test_known);
	g_test_add_func("/sketch/alike", test_alike);
	g_test_add_func("/sketch/moved", test_moved);
	g_test_add_func("/sketch/small", test_small);
	g_test_add_func("/sketch/find", test_find);
	g_test_add_func("/sketch/family", test_family);
	return g_test_run();
}
