/* SPDX-License-Identifier: ISC */
/* Bundles written by format 1 must be read for ever. */
#include "golden.h"

#define NEW_ROOT "a49dacc57f2db5cb8c48bbeb93c12b9ea052a953ff2210525abe32b23d3703b8"

static int open_golden(const char *name)
{
	g_autofree char *path = g_test_build_filename(G_TEST_DIST, "data", "formats", name, NULL);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	g_assert_cmpint(fd, >=, 0);
	return fd;
}

static void test_golden(gconstpointer name)
{
	g_auto(Pair) pair = pair_new();
	g_autoptr(GError) error = NULL;
	golden_fill(&pair);
	g_assert_cmpstr(pair.root, ==, NEW_ROOT);
	util_autofd int fd = open_golden(name);
	g_autoptr(BundleInfo) info = bundle_show(fd, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(info->new_root, ==, NEW_ROOT);
	BundleLimits limits = {.expect_new_root = NEW_ROOT};
	pair_apply(&pair, fd, &limits, &error);
	g_assert_no_error(error);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_data_func("/golden/plain", "bundle-plain-1.tar.xz", test_golden);
	g_test_add_data_func("/golden/delta", "bundle-delta-1", test_golden);
	return g_test_run();
}
