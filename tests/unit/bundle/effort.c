/* SPDX-License-Identifier: ISC */
/* Which effort arrives first, and that it can be had again. */
#include "pair.h"

#define MB ((guint64)1000 * 1000)

static void test_slow_lines_want_small_bundles(void)
{
	static const guint64 contents[] = {0, 1, 1000, MB, 30 * MB, 1000 * MB, G_MAXUINT32};
	for (guint i = 0; i < G_N_ELEMENTS(contents); i++) {
		guint before = BUNDLE_EFFORT_MAX;
		for (guint64 kbit = 1; kbit < 1000 * MB; kbit *= 2) {
			guint effort = bundle_effort_for(contents[i], contents[i], kbit);
			g_assert_cmpuint(effort, >=, 1);
			g_assert_cmpuint(effort, <=, before);
			before = effort;
		}
	}
}

/* The ends, and the line that tagship is for: making counts there as much as sending. */
static void test_choice(void)
{
	g_assert_cmpuint(bundle_effort_for(30 * MB, 30 * MB, 1), >=, BUNDLE_EFFORT_DEFAULT);
	g_assert_cmpuint(bundle_effort_for(30 * MB, 30 * MB, 0), >=, BUNDLE_EFFORT_DEFAULT);
	g_assert_cmpuint(bundle_effort_for(30 * MB, 30 * MB, 1000 * MB), ==, 1);
	guint here = bundle_effort_for(30 * MB, 30 * MB, 1000);
	guint slower = bundle_effort_for(30 * MB, 30 * MB, 50);
	g_assert_cmpuint(here, <, slower);
	g_assert_cmpuint(slower, <, BUNDLE_EFFORT_MAX);
	/* what has little to compare with is made sooner */
	g_assert_cmpuint(bundle_effort_for(30 * MB, 0, 100), >=,
			 bundle_effort_for(30 * MB, 100 * MB, 100));
}

static void write_noise(const Folder *folder, const char *name, guint32 seed)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
	g_autoptr(GString) text = g_string_new(NULL);
	for (guint i = 0; i < 20000; i++)
		g_string_append_printf(text, "line %u\n", g_rand_int(rand) % 3000);
	put_file(folder, name, text->str);
}

static void test_comes_again(void)
{
	g_auto(Pair) pair = pair_new();
	write_noise(&pair.old_folder, "a.js", 1);
	write_noise(&pair.new_folder, "a.js", 2);
	pair_scan(&pair);
	BundleMakeOptions options = {.arrive_kbit = 1000};
	g_autoptr(BundleInfo) chosen = NULL;
	g_autoptr(BundleInfo) again = NULL;
	g_autoptr(BundleInfo) standard = NULL;
	util_autofd int fd = pair_bundle(&pair, &options, &chosen);
	BundleMakeOptions same = {.effort = chosen->effort};
	util_autofd int fd_again = pair_bundle(&pair, &same, &again);
	BundleMakeOptions none = {0};
	util_autofd int fd_none = pair_bundle(&pair, &none, &standard);
	g_assert_cmpuint(chosen->effort, >, 0);
	g_assert_cmpstr(again->sha256, ==, chosen->sha256);
	g_assert_cmpuint(standard->effort, ==, BUNDLE_EFFORT_DEFAULT);
	g_assert_cmpuint(standard->bytes, <, chosen->bytes);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/effort/slow-lines", test_slow_lines_want_small_bundles);
	g_test_add_func("/effort/choice", test_choice);
	g_test_add_func("/effort/comes-again", test_comes_again);
	return g_test_run();
}
