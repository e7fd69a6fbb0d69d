/* SPDX-License-Identifier: ISC */
/* Programs travel as byte-wise differences where that is smaller, and cost what they cost. */
#include "pair.h"

#define WORDS 40000

/* Machine code, more or less: one word in 12 is an address behind `moved`, which everything moved
 * by as much. */
static guint32 *program(guint32 seed, guint32 moved)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
	guint32 *words = g_new(guint32, WORDS);
	for (guint i = 0; i < WORDS; i++) {
		guint32 word = g_rand_int(rand) & 0x7f00ff03;
		guint32 address = 0x400000 + (guint32)g_rand_int_range(rand, 0, 4 * WORDS);
		words[i] = GUINT32_TO_LE(i % 12 == 0 ? address + moved : word);
	}
	return words;
}

static void put_program(const Folder *folder, const char *name, guint32 seed, guint32 moved)
{
	g_autofree guint32 *words = program(seed, moved);
	put_bytes(folder, name, words, WORDS * sizeof *words, 0755);
}

/* The cost of this file, and that it is coded so. */
static guint64 cost_of(const char *list, const char *name, const char *codec)
{
	g_autofree char *pattern =
	    g_strdup_printf("^(?:changed|added) +[0-9]+ +([0-9]+)  %s  \\(%s", name, codec);
	g_autoptr(GRegex) regex = g_regex_new(pattern, G_REGEX_MULTILINE, 0, NULL);
	g_autoptr(GMatchInfo) match = NULL;
	if (!g_regex_match(regex, list, 0, &match))
		g_error("no %s with %s in\n%s", name, codec, list);
	g_autofree char *cost = g_match_info_fetch(match, 1);
	return g_ascii_strtoull(cost, NULL, 10);
}

static char *show(const Pair *pair, const BundleMakeOptions *options, BundleInfo **ret_info)
{
	g_autoptr(GError) error = NULL;
	BundleTree old_tree = pair_old(pair);
	util_autofd int fd = pair_bundle(pair, options, ret_info);
	char *list = bundle_list(fd, &old_tree, &error);
	g_assert_no_error(error);
	return list;
}

static void test_programs(void)
{
	g_auto(Pair) pair = pair_new();
	put_program(&pair.old_folder, "moved", 1, 0);
	put_program(&pair.new_folder, "moved", 1, 0x240);
	put_program(&pair.old_folder, "other", 2, 0);
	put_program(&pair.new_folder, "other", 3, 0);
	put_program(&pair.old_folder, "same", 4, 0);
	put_program(&pair.new_folder, "same", 4, 0);
	pair_scan(&pair);
	for (guint effort = 1; effort <= BUNDLE_EFFORT_MAX; effort += 4) {
		BundleMakeOptions options = {.effort = effort};
		g_autoptr(BundleInfo) info = NULL;
		g_autoptr(BundleInfo) made = NULL;
		pair_round_trip(&pair, &options, &info);
		g_autofree char *list = show(&pair, &options, &made);
		g_assert_cmpstr(made->sha256, ==, info->sha256);
		guint64 moved = cost_of(list, "moved", "patch");
		guint64 other = cost_of(list, "other", "lzma2");
		/* 3,333 addresses; what was random is random still */
		g_assert_cmpuint(moved, <, 8000);
		g_assert_cmpuint(other, >, 50000);
		g_assert_cmpuint(moved + other, <=, made->coded_bytes);
		g_assert_cmpuint(moved + other + 64, >, made->coded_bytes);
	}
}

/* A base with little memory gets the same tree without differences. */
static void test_little_memory(void)
{
	g_auto(Pair) pair = pair_new();
	g_autoptr(BundleInfo) much = NULL;
	g_autoptr(BundleInfo) little = NULL;
	put_program(&pair.old_folder, "moved", 1, 0);
	put_program(&pair.new_folder, "moved", 1, 0x240);
	pair_scan(&pair);
	pair_round_trip(&pair, NULL, &much);
	BundleMakeOptions options = {.base_memory_bytes = much->memory_bytes - 100 * 1024};
	pair_round_trip(&pair, &options, &little);
	g_assert_cmpuint(little->memory_bytes, <=, options.base_memory_bytes);
	g_assert_cmpuint(little->bytes, >, much->bytes);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/edited/programs", test_programs);
	g_test_add_func("/edited/little-memory", test_little_memory);
	return g_test_run();
}
