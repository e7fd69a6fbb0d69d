/* SPDX-License-Identifier: ISC */
#include "delta/delta.h"

#define MIB ((guint64)1 << 20)
#define GENEROUS                                                      \
	{                                                             \
		.decode_bytes = 100 * MIB, .encode_bytes = 1100 * MIB \
	}

/* Files named and sized by rows; each content is its own. */
typedef struct {
	const char *path; /* old path, or NULL */
	guint64 old_bytes;
	const char *new_path; /* or NULL */
	guint64 new_bytes;
	DeltaKind kind;
} Row;

typedef struct {
	DeltaTree old_tree;
	DeltaTree new_tree;
	DeltaEntry entries[2][64];
	guint8 digests[2][64][UTIL_SHA256_BYTES];
	DeltaChanges *changes;
} World;

static gint by_path(gconstpointer a, gconstpointer b)
{
	return strcmp(((const DeltaEntry *)a)->path, ((const DeltaEntry *)b)->path);
}

static void add(World *world, guint side, DeltaTree *tree, const char *path, guint64 bytes)
{
	DeltaEntry *entry = &world->entries[side][tree->count];
	guint8 *digest = world->digests[side][tree->count];
	util_sha256_data(path, strlen(path), digest);
	digest[0] = (guint8)side;
	*entry = (DeltaEntry){
	    .path = path, .sha256 = digest, .size = bytes, .mode = 0644, .type = DELTA_FILE};
	tree->count++;
}

static World *world_new(const Row *rows, guint n)
{
	World *world = g_new0(World, 1);
	for (guint i = 0; i < n; i++) {
		if (rows[i].path)
			add(world, 0, &world->old_tree, rows[i].path, rows[i].old_bytes);
		if (rows[i].new_path)
			add(world, 1, &world->new_tree, rows[i].new_path, rows[i].new_bytes);
	}
	qsort(world->entries[0], world->old_tree.count, sizeof(DeltaEntry), by_path);
	qsort(world->entries[1], world->new_tree.count, sizeof(DeltaEntry), by_path);
	world->old_tree.entries = world->entries[0];
	world->new_tree.entries = world->entries[1];
	world->changes = delta_diff(&world->old_tree, &world->new_tree);
	for (guint k = 0; k < world->changes->items->len; k++) {
		DeltaItem *item = delta_changes_item(world->changes, k);
		for (guint i = 0; i < n; i++)
			if (g_strcmp0(rows[i].new_path, item->entry.path) == 0)
				item->kind = rows[i].kind;
	}
	return world;
}

static void world_free(World *world)
{
	delta_changes_free(world->changes);
	g_free(world);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(World, world_free)

static const DeltaSegment *segment(const World *world, guint index)
{
	g_assert_cmpuint(index, <, world->changes->segments->len);
	return &g_array_index(world->changes->segments, DeltaSegment, index);
}

static const DeltaRef *reference(const World *world, const DeltaSegment *of, guint index)
{
	g_assert_cmpuint(index, <, of->n_refs);
	return &g_array_index(world->changes->refs, DeltaRef, of->first_ref + index);
}

/* What holds for every plan. */
static void check_plan(const World *world, const DeltaLimits *limits)
{
	guint64 bytes = 0;
	for (guint i = 0; i < world->changes->segments->len; i++) {
		const DeltaSegment *one = segment(world, i);
		DeltaStream stream = delta_segment_stream(one);
		guint64 ref_bytes = 0;
		g_assert_cmpuint(one->bytes, >, 0);
		g_assert_cmpuint(delta_decoder_memory(&stream), <=, limits->decode_bytes);
		g_assert_cmpuint(delta_encoder_memory(&stream), <=, limits->encode_bytes);
		for (guint k = 0; k < one->n_refs; k++) {
			const DeltaRef *ref = reference(world, one, k);
			g_assert_cmpuint(ref->offset + ref->length, <=,
					 world->old_tree.entries[ref->old_index].size);
			ref_bytes += ref->length;
		}
		if (one->flags & DELTA_ADDED_NAMES) {
			g_autoptr(GByteArray) names =
			    delta_changes_added_names(world->changes, &world->old_tree);
			ref_bytes += names->len;
		}
		g_assert_cmpuint(ref_bytes, ==, one->ref_bytes);
		bytes += one->bytes;
	}
	g_assert_cmpuint(bytes, ==, world->changes->content_bytes);
	g_autoptr(GByteArray) list = delta_changes_format(world->changes, &world->old_tree);
	g_autoptr(GError) error = NULL;
	g_autoptr(DeltaChanges) back =
	    delta_changes_parse(list->data, list->len, &world->old_tree, 64 * MIB, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(back->segments->len, ==, world->changes->segments->len);
	for (guint i = 0; i < back->segments->len; i++)
		g_assert_cmpuint(g_array_index(back->segments, DeltaSegment, i).ref_bytes, ==,
				 segment(world, i)->ref_bytes);
}

static void plan(World *world, DeltaLimits limits)
{
	g_autoptr(GError) error = NULL;
	delta_plan(world->changes, &world->old_tree, &limits, &error);
	g_assert_no_error(error);
	check_plan(world, &limits);
}

static void test_one_segment(void)
{
	static const Row rows[] = {
	    {"b.js", 300000, "b.js", 310000, DELTA_TEXT},
	    {"a.js", 200000, "a.js", 210000, DELTA_TEXT},
	    {"a.css", 200000, "a.css", 210000, DELTA_TEXT},
	    {"gone.js", 1000, NULL, 0, DELTA_TEXT},
	    {"kept-empty", 0, "empty", 0, DELTA_TEXT},
	};
	g_autoptr(World) world = world_new(rows, G_N_ELEMENTS(rows));
	plan(world, (DeltaLimits)GENEROUS);
	g_assert_cmpuint(world->changes->segments->len, ==, 1);
	const DeltaSegment *one = segment(world, 0);
	g_assert_cmpuint(one->flags, ==, DELTA_COUNTERPARTS | DELTA_ADDED_NAMES);
	/* the deleted file comes first, counterparts in the order of their contents */
	g_assert_cmpuint(one->n_listed, ==, 1);
	static const char *const order[] = {"gone.js", "a.css", "a.js", "b.js"};
	g_assert_cmpuint(one->n_refs, ==, 4);
	for (guint i = 0; i < 4; i++)
		g_assert_cmpstr(world->old_tree.entries[reference(world, one, i)->old_index].path,
				==, order[i]);
}

/* Large kinds have segments of their own with their own props, small ones join. */
static void test_kinds(void)
{
	static const Row rows[] = {
	    {NULL, 0, "a.js", 500000, DELTA_TEXT},
	    {NULL, 0, "a.jar", 500000, DELTA_PACKED},
	    {NULL, 0, "tiny.bin", 500, DELTA_BINARY},
	    {"old.jar", 300000, NULL, 0, DELTA_TEXT},
	};
	g_autoptr(World) world = world_new(rows, G_N_ELEMENTS(rows));
	plan(world, (DeltaLimits)GENEROUS);
	g_assert_cmpuint(world->changes->segments->len, ==, 2);
	g_assert_cmpuint(segment(world, 0)->props, ==, delta_kind_props(DELTA_TEXT));
	g_assert_cmpuint(segment(world, 1)->props, ==, delta_kind_props(DELTA_PACKED));
	/* the old jar serves the new one */
	g_assert_cmpuint(segment(world, 0)->n_refs, ==, 0);
	g_assert_cmpuint(segment(world, 1)->n_refs, ==, 1);
	g_assert_cmpuint(segment(world, 0)->bytes + segment(world, 1)->bytes, ==, 1000500);
}

/* More than memory: several segments, each with the counterparts of its own files. */
static void test_many_segments(void)
{
	static Row rows[40];
	static char names[40][16];
	for (guint i = 0; i < 40; i++) {
		g_snprintf(names[i], sizeof names[i], "f%02u.js", i);
		rows[i] = (Row){names[i], MIB, names[i], MIB + i, DELTA_TEXT};
	}
	g_autoptr(World) world = world_new(rows, 40);
	DeltaLimits limits = {.decode_bytes = 10 * MIB, .encode_bytes = 1100 * MIB};
	plan(world, limits);
	g_assert_cmpuint(world->changes->segments->len, >=, 8);
	g_assert_cmpuint(world->changes->segments->len, <=, 12);
	guint files = 0;
	for (guint i = 0; i < world->changes->segments->len; i++)
		files += segment(world, i)->n_refs;
	g_assert_cmpuint(files, ==, 40);
	/* the encoder's limit counts too */
	g_autoptr(World) narrow = world_new(rows, 40);
	limits = (DeltaLimits){.decode_bytes = 1000 * MIB, .encode_bytes = 64 * MIB};
	plan(narrow, limits);
	g_assert_cmpuint(narrow->changes->segments->len, >=, 10);
}

/* One file larger than memory goes in slices, each with the part of the old one it is near. */
static void test_slices(void)
{
	static const Row rows[] = {
	    {"big.bin", 90 * MIB, "big.bin", 100 * MIB, DELTA_BINARY},
	    {"small.bin", MIB, "small.bin", MIB, DELTA_BINARY},
	};
	g_autoptr(World) world = world_new(rows, G_N_ELEMENTS(rows));
	DeltaLimits limits = {.decode_bytes = 16 * MIB, .encode_bytes = 1100 * MIB};
	plan(world, limits);
	guint count = world->changes->segments->len;
	g_assert_cmpuint(count, >=, 12);
	guint64 position = 0;
	for (guint i = 0; i + 1 < count; i++) {
		const DeltaSegment *one = segment(world, i);
		const DeltaRef *ref = reference(world, one, 0);
		g_assert_cmpuint(one->n_refs, ==, 1);
		guint64 same_place = position * 9 / 10;
		g_assert_cmpuint(ref->offset, <=, same_place);
		g_assert_cmpuint(ref->offset + ref->length + 16, >=,
				 same_place + one->bytes * 9 / 10);
		position += one->bytes;
	}
	g_assert_cmpuint(segment(world, count - 1)->bytes, ==, MIB);
}

/* New and large, with nothing old. */
static void test_slices_alone(void)
{
	static const Row rows[] = {{NULL, 0, "big.bin", 50 * MIB + 1, DELTA_BINARY}};
	g_autoptr(World) world = world_new(rows, 1);
	DeltaLimits limits = {.decode_bytes = 8 * MIB, .encode_bytes = 1100 * MIB};
	plan(world, limits);
	g_assert_cmpuint(world->changes->segments->len, >=, 7);
	g_assert_cmpuint(world->changes->refs->len, ==, 0);
}

/* A small file with a huge old counterpart still fits. */
static void test_huge_counterpart(void)
{
	static const Row rows[] = {{"log.txt", 500 * MIB, "log.txt", 10, DELTA_TEXT}};
	g_autoptr(World) world = world_new(rows, 1);
	g_autoptr(GError) error = NULL;
	DeltaLimits limits = {.decode_bytes = 16 * MIB, .encode_bytes = 1100 * MIB};
	delta_plan(world->changes, &world->old_tree, &limits, &error);
	g_assert_no_error(error);
	check_plan(world, &limits);
	g_assert_cmpuint(world->changes->segments->len, ==, 1);
	g_assert_cmpuint(segment(world, 0)->ref_bytes, >, 4 * MIB);

	static const Row larger[] = {{"log.txt", 5000 * MIB, "log.txt", 3 * MIB, DELTA_TEXT}};
	g_autoptr(World) slices = world_new(larger, 1);
	delta_plan(slices->changes, &slices->old_tree, &limits, &error);
	g_assert_no_error(error);
	check_plan(slices, &limits);
	g_assert_cmpuint(slices->changes->segments->len, <=, 6);
}

static void test_too_small(void)
{
	static const Row rows[] = {{NULL, 0, "f", 100 * MIB, DELTA_TEXT}};
	g_autoptr(World) world = world_new(rows, 1);
	g_autoptr(GError) error = NULL;
	DeltaLimits limits = {.decode_bytes = 1000, .encode_bytes = 1100 * MIB};
	g_assert_false(delta_plan(world->changes, &world->old_tree, &limits, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/plan/one-segment", test_one_segment);
	g_test_add_func("/plan/kinds", test_kinds);
	g_test_add_func("/plan/many-segments", test_many_segments);
	g_test_add_func("/plan/slices", test_slices);
	g_test_add_func("/plan/slices-alone", test_slices_alone);
	g_test_add_func("/plan/huge-counterpart", test_huge_counterpart);
	g_test_add_func("/plan/too-small", test_too_small);
	return g_test_run();
}
