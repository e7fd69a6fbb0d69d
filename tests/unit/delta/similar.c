/* SPDX-License-Identifier: ISC */
#include "delta/delta.h"

#define MIB ((guint64)1 << 20)
#define ROWS_MAX 64

/* A file: what it holds is a number of blocks of one of two kinds, told apart by letters. */
typedef struct {
	gboolean is_new;
	const char *path;
	const char *blocks; /* each letter a block of 1 KiB */
	DeltaKind kind;     /* new ones */
} Row;

typedef struct {
	DeltaTree trees[2];
	DeltaEntry entries[2][ROWS_MAX];
	guint8 digests[2][ROWS_MAX][UTIL_SHA256_BYTES];
	DeltaSketch sketches[2][ROWS_MAX];
	const Row *rows;
	guint n;
	DeltaChanges *changes;
} World;

/* The same letter, the same bytes. */
static void append_block(GByteArray *data, char letter)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed((guint32)letter);
	for (guint i = 0; i < 256; i++) {
		guint32 word = g_rand_int(rand);
		g_byte_array_append(data, (const guint8 *)&word, sizeof word);
	}
}

static void add_row(World *world, const Row *row)
{
	DeltaTree *tree = &world->trees[row->is_new];
	DeltaEntry *entry = &world->entries[row->is_new][tree->count];
	guint8 *digest = world->digests[row->is_new][tree->count];
	g_autoptr(GByteArray) data = g_byte_array_new();
	for (const char *p = row->blocks; *p; p++)
		append_block(data, *p);
	util_sha256_data(data->data, data->len, digest);
	*entry = (DeltaEntry){.path = row->path,
			      .sha256 = digest,
			      .size = data->len,
			      .mode = 0644,
			      .type = DELTA_FILE};
	g_autoptr(DeltaSketcher) sketcher = delta_sketcher_new();
	delta_sketcher_update(sketcher, data->data, data->len);
	delta_sketcher_finish(sketcher, &world->sketches[row->is_new][tree->count]);
	tree->count++;
	g_assert_cmpuint(tree->count, <, ROWS_MAX);
}

/* Rows of each side in byte order of path. */
static World *world_new(const Row *rows, guint n)
{
	World *world = g_new0(World, 1);
	world->trees[0].entries = world->entries[0];
	world->trees[1].entries = world->entries[1];
	for (guint i = 0; i < n; i++)
		add_row(world, &rows[i]);
	world->changes = delta_diff(&world->trees[0], &world->trees[1]);
	for (guint k = 0; k < world->changes->items->len; k++) {
		DeltaItem *item = delta_changes_item(world->changes, k);
		for (guint i = 0; i < n; i++)
			if (rows[i].is_new && strcmp(rows[i].path, item->entry.path) == 0)
				item->kind = rows[i].kind;
	}
	delta_pair_similar(world->changes, &world->trees[0], world->sketches[1],
			   world->sketches[0]);
	return world;
}

static void world_free(World *world)
{
	delta_changes_free(world->changes);
	g_free(world);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(World, world_free)

static guint item_of(const World *world, const char *path)
{
	for (guint i = 0; i < world->changes->items->len; i++)
		if (strcmp(delta_changes_item(world->changes, i)->entry.path, path) == 0)
			return i;
	g_assert_not_reached();
}

static const char *old_path(const World *world, guint index)
{
	return index == DELTA_NONE ? NULL : world->trees[0].entries[index].path;
}

static const char *basis_of(const World *world, const char *path)
{
	return old_path(world, delta_changes_item(world->changes, item_of(world, path))->basis);
}

static const char *like_of(const World *world, const char *path)
{
	return old_path(world, g_array_index(world->changes->likes, guint, item_of(world, path)));
}

/* References of a segment, in order: paths, one a line. */
static char *refs_of(const World *world, const DeltaChanges *changes, guint number)
{
	g_assert_cmpuint(number, <, changes->segments->len);
	const DeltaSegment *segment = &g_array_index(changes->segments, DeltaSegment, number);
	GString *told = g_string_new(NULL);
	for (guint i = 0; i < segment->n_refs; i++) {
		const DeltaRef *ref =
		    &g_array_index(changes->refs, DeltaRef, segment->first_ref + i);
		g_string_append_printf(told, "%s%s\n", i == segment->n_listed ? "- " : "",
				       old_path(world, ref->old_index));
	}
	return g_string_free(told, FALSE);
}

/* Plans; the reader must come to the same references. */
static void plan(World *world, guint64 decode_bytes)
{
	g_autoptr(GError) error = NULL;
	DeltaLimits limits = {.decode_bytes = decode_bytes, .encode_bytes = 1100 * MIB};
	DeltaChanges *changes = world->changes;
	guint64 promised = delta_changes_list_bytes(changes, &world->trees[0]);
	delta_plan(changes, &world->trees[0], &limits, &error);
	g_assert_no_error(error);
	g_autoptr(GByteArray) list = delta_changes_encode(changes, &world->trees[0], &error);
	g_assert_no_error(error);
	g_autoptr(DeltaChanges) back =
	    delta_changes_decode(list->data, list->len, &world->trees[0], 64 * MIB, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(back->list_bytes, <=, promised);
	g_assert_cmpuint(back->segments->len, ==, changes->segments->len);
	for (guint i = 0; i < changes->segments->len; i++) {
		g_autofree char *here = refs_of(world, changes, i);
		g_autofree char *there = refs_of(world, back, i);
		g_assert_cmpstr(there, ==, here);
		const DeltaSegment *segment = &g_array_index(changes->segments, DeltaSegment, i);
		g_assert_cmpuint(g_array_index(back->segments, DeltaSegment, i).ref_bytes, ==,
				 segment->ref_bytes);
		DeltaStream stream = delta_segment_stream(segment);
		g_assert_cmpuint(delta_decoder_memory(&stream), <=, decode_bytes);
	}
}

static void assert_refs(const World *world, guint number, const char *expected)
{
	g_autofree char *told = refs_of(world, world->changes, number);
	g_assert_cmpstr(told, ==, expected);
}

/* Names of a web build say nothing; each file finds where it comes from. */
static void test_hashed_names(void)
{
	static const Row rows[] = {
	    {0, "app/B1.js", "abcdefgh", 0}, {0, "app/C2.js", "ijklmnop", 0},
	    {0, "app/D3.js", "qrstuvwx", 0}, {1, "app/A9.js", "qrstuvwy", 0},
	    {1, "app/B8.js", "ijklmnoz", 0}, {1, "app/E7.js", "abcdefgA", 0},
	};
	g_autoptr(World) world = world_new(rows, G_N_ELEMENTS(rows));
	g_assert_cmpstr(basis_of(world, "app/A9.js"), ==, "app/D3.js");
	g_assert_cmpstr(basis_of(world, "app/B8.js"), ==, "app/C2.js");
	g_assert_cmpstr(basis_of(world, "app/E7.js"), ==, "app/B1.js");
	for (guint i = 0; i < world->changes->likes->len; i++)
		g_assert_cmpuint(g_array_index(world->changes->likes, guint, i), ==, DELTA_NONE);
	plan(world, 100 * MIB);
	assert_refs(world, 0, "- app/D3.js\napp/C2.js\napp/B1.js\n");
}

/* A good counterpart by name stays, even where another is a little more alike. */
static void test_good_name(void)
{
	static const Row rows[] = {
	    {0, "core-1.0.js", "abcdefghijklmnopqrstuvwxyz012345", 0},
	    {0, "fork.js", "abcdefghijklmnopqrstuvwxyz01234X", 0},
	    {1, "core-1.1.js", "abcdefghijklmnopqrstuvwxyz01234XY", 0},
	    {1, "fork.js", "abcdefghijklmnopqrstuvwxyz01234X", 0},
	};
	g_autoptr(World) world = world_new(rows, G_N_ELEMENTS(rows));
	g_assert_cmpstr(basis_of(world, "core-1.1.js"), ==, "core-1.0.js");
	g_assert_null(like_of(world, "core-1.1.js"));
}

/* An unchanged file serves a new one that resembles it, two that do are served once. */
static void test_unchanged(void)
{
	static const Row rows[] = {
	    {0, "lib/menu.js", "abcdefgh", 0},   {0, "lib/same.js", "ijkl", 0},
	    {1, "lib/dialog.js", "abcdefgX", 0}, {1, "lib/menu.js", "abcdefgh", 0},
	    {1, "lib/panel.js", "abcdefYh", 0},  {1, "lib/same.js", "ijkl", 0},
	};
	g_autoptr(World) world = world_new(rows, G_N_ELEMENTS(rows));
	g_assert_cmpstr(basis_of(world, "lib/dialog.js"), ==, "lib/menu.js");
	g_assert_cmpstr(basis_of(world, "lib/panel.js"), ==, "lib/menu.js");
	plan(world, 100 * MIB);
	assert_refs(world, 0, "- lib/menu.js\n");
}

/* A file that became another one, while its path stays: what it resembles is listed beside its
 * counterpart, once. */
static void test_changed_path(void)
{
	static const Row rows[] = {
	    {0, "a.js", "abcd", 0}, {0, "b.js", "efgh", 0},       {0, "c.js", "ijkl", 0},
	    {1, "a.js", "efgX", 0}, {1, "b.js", "efghabcdYZ", 0}, {1, "c.js", "efVW", 0},
	};
	g_autoptr(World) world = world_new(rows, G_N_ELEMENTS(rows));
	g_assert_cmpstr(basis_of(world, "a.js"), ==, "a.js");
	g_assert_cmpstr(like_of(world, "a.js"), ==, "b.js");
	g_assert_null(like_of(world, "b.js"));
	g_assert_cmpstr(like_of(world, "c.js"), ==, "b.js");
	plan(world, 100 * MIB);
	/* listed for a.js, and so no counterpart of b.js any more */
	assert_refs(world, 0, "b.js\n- a.js\nc.js\n");
}

/* With little memory, too, a file stands with what it resembles. */
static void test_little_memory(void)
{
	static char names[20][16];
	static char blocks[20][20];
	static Row rows[40];
	for (guint i = 0; i < 20; i++) {
		guint other = 19 - i; /* what holds the content of the new file i */
		g_snprintf(names[i], sizeof names[i], "f%02u.js", i);
		memset(blocks[i], (char)('A' + i), 16);
		rows[i] = (Row){FALSE, names[i], blocks[i], 0};
		rows[20 + i] = (Row){TRUE, names[i], blocks[other], 0};
	}
	/* not the very same content */
	static char changed[20][20];
	for (guint i = 0; i < 20; i++) {
		g_strlcpy(changed[i], rows[20 + i].blocks, sizeof changed[i]);
		changed[i][15] = (char)('a' + i);
		rows[20 + i].blocks = changed[i];
	}
	g_autoptr(World) world = world_new(rows, 40);
	DeltaStream one = {DELTA_CODEC_LZMA2, 0, 100 * 1024, 100 * 1024, 0};
	plan(world, delta_decoder_memory(&one));
	g_assert_cmpuint(world->changes->segments->len, >, 3);
	guint at = 0;
	guint64 left = 0;
	for (guint i = 0; i < world->changes->segments->len; i++) {
		g_autofree char *refs = refs_of(world, world->changes, i);
		left += g_array_index(world->changes->segments, DeltaSegment, i).bytes;
		for (; left > 0; at++, left -= 16 * 1024) {
			guint item = g_array_index(world->changes->order, guint, at);
			g_assert_nonnull(strstr(refs, names[19 - item]));
			g_assert_nonnull(strstr(refs, names[item]));
		}
	}
	g_assert_cmpuint(at, ==, 20);
}

/* A file too large for a segment: its slices go by what it resembles. */
static void test_slices(void)
{
	g_autofree char *large = g_strnfill(400, 'a');
	for (guint i = 0; i < 400; i++)
		large[i] = (char)(i % 2 ? 'a' + i / 2 % 26 : 'A' + i / 52);
	g_autofree char *edited = g_strconcat(large, "!", NULL);
	const Row rows[] = {{0, "a.js", "?", 0}, {0, "b.js", large, 0}, {1, "a.js", edited, 0}};
	g_autoptr(World) world = world_new(rows, G_N_ELEMENTS(rows));
	g_assert_cmpstr(like_of(world, "a.js"), ==, "b.js");
	DeltaStream one = {DELTA_CODEC_LZMA2, 0, 300 * 1024, 300 * 1024, 0};
	plan(world, delta_decoder_memory(&one));
	g_assert_cmpuint(world->changes->segments->len, >, 1);
	for (guint i = 0; i < world->changes->segments->len; i++) {
		g_autofree char *refs = refs_of(world, world->changes, i);
		g_assert_nonnull(strstr(refs, "b.js"));
	}
}

/* Nothing old, nothing new, nothing that resembles. */
static void test_nothing(void)
{
	static const Row rows[] = {{1, "a.js", "abcd", 0}, {1, "empty", "", 0}};
	g_autoptr(World) world = world_new(rows, 2);
	g_assert_null(basis_of(world, "a.js"));
	g_assert_null(like_of(world, "a.js"));
	plan(world, 100 * MIB);
	static const Row gone[] = {{0, "a.js", "abcd", 0}};
	g_autoptr(World) empty = world_new(gone, 1);
	plan(empty, 100 * MIB);
	g_assert_cmpuint(empty->changes->segments->len, ==, 0);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/similar/hashed-names", test_hashed_names);
	g_test_add_func("/similar/good-name", test_good_name);
	g_test_add_func("/similar/unchanged", test_unchanged);
	g_test_add_func("/similar/changed-path", test_changed_path);
	g_test_add_func("/similar/little-memory", test_little_memory);
	g_test_add_func("/similar/slices", test_slices);
	g_test_add_func("/similar/nothing", test_nothing);
	return g_test_run();
}
