/* SPDX-License-Identifier: ISC */
/*
 * Feeds the files of a folder to a fuzz target, without a fuzzer: `replay-NAME FOLDER`. TAP, one
 * test per file. A target that finds something wrong aborts.
 */
#include "util/util.h"

#define INPUT_MAX ((gsize)64 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

int main(int argc, char **argv)
{
	g_autoptr(GError) error = NULL;
	if (argc != 2) {
		g_printerr("usage: %s FOLDER\n", argv[0]);
		return 2;
	}
	util_autofd int dirfd = util_fs_open_dir(AT_FDCWD, argv[1], &error);
	g_autoptr(GPtrArray) names = dirfd < 0 ? NULL : util_fs_list(dirfd, ".", &error);
	if (!names) {
		g_printerr("%s: %s\n", argv[1], error->message);
		return 1;
	}
	g_print("1..%u\n", names->len);
	for (guint i = 0; i < names->len; i++) {
		g_autofree char *data = NULL;
		gsize len = 0;
		const char *name = g_ptr_array_index(names, i);
		if (!util_fs_read_file(dirfd, name, INPUT_MAX, &data, &len, &error)) {
			g_printerr("%s\n", error->message);
			return 1;
		}
		/* of exactly this size, so that a sanitizer sees a read behind it */
		g_autofree guint8 *input = g_memdup2(data, len);
		(void)LLVMFuzzerTestOneInput(input, len); /* always 0 */
		g_print("ok %u - %s\n", i + 1, name);
	}
	return 0;
}
