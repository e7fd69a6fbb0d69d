/* SPDX-License-Identifier: ISC */
/* Bundles of each format that was released must be read for ever. */
#include "golden.h"

typedef struct {
	const char *file;
	void (*fill)(Pair *pair);
	const char *root;
} Golden;

static const Golden plain_1 = {"bundle-plain-1.tar.xz", golden_fill,
			       "a49dacc57f2db5cb8c48bbeb93c12b9ea052a953ff2210525abe32b23d3703b8"};
static const Golden delta_2 = {"bundle-delta-2", golden_fill_2,
			       "ab2f5089fa5934bdb906150db46a11b3e7d2bded0760719cb9d4754727cf656c"};

static int open_golden(const char *name)
{
	g_autofree char *path = g_test_build_filename(G_TEST_DIST, "data", "formats", name, NULL);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	g_assert_cmpint(fd, >=, 0);
	return fd;
}

static void test_golden(gconstpointer data)
{
	const Golden *golden = data;
	g_auto(Pair) pair = pair_new();
	g_autoptr(GError) error = NULL;
	golden->fill(&pair);
	g_assert_cmpstr(pair.root, ==, golden->root);
	util_autofd int fd = open_golden(golden->file);
	g_autoptr(BundleInfo) info = bundle_show(fd, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(info->new_root, ==, golden->root);
	BundleLimits limits = {.expect_new_root = golden->root};
	pair_apply(&pair, fd, &limits, &error);
	g_assert_no_error(error);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_data_func("/golden/plain-1", &plain_1, test_golden);
	g_test_add_data_func("/golden/delta-2", &delta_2, test_golden);
	return g_test_run();
}
