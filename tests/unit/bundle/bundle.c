/* SPDX-License-Identifier: ISC */
#include "pair.h"

static char *words(guint32 seed, guint count)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
	GString *text = g_string_new(NULL);
	for (guint i = 0; i < count; i++)
		g_string_append_printf(text, "word%u%c", (guint)g_rand_int_range(rand, 0, 500),
				       i % 12 == 11 ? '\n' : ' ');
	return g_string_free(text, FALSE);
}

/* One of everything, told apart in the counts below. */
static void fill(Pair *pair)
{
	const Folder *old = &pair->old_folder;
	const Folder *now = &pair->new_folder;
	g_autofree char *text = words(1, 4000);
	g_autofree char *more = g_strconcat("new beginning\n", text, "new end\n", NULL);
	g_autofree char *other = words(2, 2000);
	put_file(old, "kept", "kept");
	put_file(now, "kept", "kept");
	put_file(old, "changed.txt", text);
	put_file(now, "changed.txt", more);
	set_time(now, "changed.txt", MTIME + 10);
	put_file(old, "app.1a2b3c.js", other);
	g_autofree char *other_now = g_strconcat(other, "tail", NULL);
	put_file(now, "app.4d5e6f.js", other_now);
	g_autofree char *third = words(4, 2000);
	put_file(old, "moved", third);
	put_dir(now, "sub");
	put_file(now, "sub/moved-here", third);
	put_file(now, "twin-a", "twins are the same");
	put_bytes(now, "twin-b", "twins are the same", 18, 0755);
	put_file(now, "empty", "");
	put_file(old, "deleted", "deleted");
	put_link(old, "link", "kept");
	put_link(now, "link", "sub");
	put_file(old, "mode", "#!/bin/sh\n");
	put_bytes(now, "mode", "#!/bin/sh\n", 10, 0755);
	put_dir(now, "void");
	set_time(now, "void", MTIME + 5);
	set_time(now, "sub", MTIME - 5);
	pair_scan(pair);
}

static void test_delta(void)
{
	g_auto(Pair) pair = pair_new();
	g_autoptr(BundleInfo) info = NULL;
	fill(&pair);
	pair_round_trip(&pair, NULL, &info);
	char root[UTIL_SHA256_HEX];
	manifest_root(pair.old_manifest, root);
	g_assert_cmpstr(info->codec, ==, "delta");
	g_assert_cmpstr(info->old_root, ==, root);
	g_assert_cmpstr(info->new_root, ==, pair.root);
	g_assert_cmpuint(info->files_changed, ==, 4); /* changed, app, twin-a, empty */
	g_assert_cmpuint(info->files_copied, ==, 2);  /* moved, twin-b */
	g_assert_cmpuint(info->files_kept, ==, 2);    /* kept, mode */
	g_assert_cmpuint(info->files_deleted, ==, 3); /* app, moved, deleted */
	g_assert_cmpuint(info->decoded_bytes, ==, manifest_bytes(pair.new_manifest));
	g_assert_cmpuint(info->bytes, <, 900);
}

static void test_plain(void)
{
	g_auto(Pair) pair = pair_new();
	g_autoptr(BundleInfo) info = NULL;
	BundleMakeOptions options = {.codec = BUNDLE_CODEC_PLAIN};
	fill(&pair);
	pair_round_trip(&pair, &options, &info);
	g_assert_cmpstr(info->codec, ==, "plain");
	g_assert_cmpstr(info->old_root, ==, "-");
	g_assert_cmpuint(info->files_changed, ==, manifest_files(pair.new_manifest));
}

/* Without an old tree: plain, unless a delta from nothing is asked for. */
static void test_from_nothing(void)
{
	g_auto(Pair) pair = pair_new();
	fill(&pair);
	BundleTree new_tree = pair_new_tree(&pair);
	static const BundleCodec codecs[] = {BUNDLE_CODEC_AUTO, BUNDLE_CODEC_DELTA};
	for (guint i = 0; i < 2; i++) {
		g_autoptr(BundleInfo) info = NULL;
		g_autoptr(GError) error = NULL;
		g_auto(Folder) out = folder_new();
		BundleMakeOptions options = {.codec = codecs[i]};
		util_autofd int fd = temporary_file();
		bundle_make(NULL, &new_tree, fd, &options, &info, &error);
		g_assert_no_error(error);
		g_assert_cmpstr(info->codec, ==, i == 0 ? "plain" : "delta");
		g_assert_cmpstr(info->old_root, ==, "-");
		bundle_apply(fd, NULL, out.fd, NULL, NULL, &error);
		g_assert_no_error(error);
		tree_check(out.fd, pair.new_manifest, NULL, NULL, &error);
		g_assert_no_error(error);
	}
}

/* To an empty tree, from an empty one, and no change. */
static void test_extremes(void)
{
	g_auto(Pair) pair = pair_new();
	fill(&pair);
	static const guint8 sides[][2] = {{0, 1}, {1, 0}, {0, 0}, {1, 1}};
	for (guint i = 0; i < G_N_ELEMENTS(sides); i++) {
		g_auto(Folder) empty = folder_new();
		g_autoptr(Manifest) nothing = scan_strict(&empty);
		BundleTree full = pair_new_tree(&pair);
		BundleTree none = {empty.fd, nothing};
		for (guint codec = BUNDLE_CODEC_PLAIN; codec <= BUNDLE_CODEC_DELTA; codec++) {
			g_auto(Folder) out = folder_new();
			g_autoptr(GError) error = NULL;
			const BundleTree *from = sides[i][0] ? &full : &none;
			const BundleTree *to = sides[i][1] ? &full : &none;
			BundleMakeOptions options = {.codec = (BundleCodec)codec};
			util_autofd int fd = temporary_file();
			bundle_make(from, to, fd, &options, NULL, &error);
			g_assert_no_error(error);
			bundle_apply(fd, from, out.fd, NULL, NULL, &error);
			g_assert_no_error(error);
			tree_check(out.fd, to->manifest, NULL, NULL, &error);
			g_assert_no_error(error);
		}
	}
}

static void test_deterministic(void)
{
	g_auto(Pair) pair = pair_new();
	fill(&pair);
	for (guint codec = BUNDLE_CODEC_PLAIN; codec <= BUNDLE_CODEC_DELTA; codec++) {
		BundleMakeOptions options = {.codec = (BundleCodec)codec};
		g_autoptr(BundleInfo) info_a = NULL;
		g_autoptr(BundleInfo) info_b = NULL;
		util_autofd int fd_a = pair_bundle(&pair, &options, &info_a);
		util_autofd int fd_b = pair_bundle(&pair, &options, &info_b);
		g_autoptr(GByteArray) a = read_all(fd_a);
		g_autoptr(GByteArray) b = read_all(fd_b);
		g_assert_cmpmem(a->data, a->len, b->data, b->len);
		g_assert_cmpstr(info_a->sha256, ==, info_b->sha256);
		guint8 digest[UTIL_SHA256_BYTES];
		char hex[UTIL_SHA256_HEX];
		util_sha256_data(a->data, a->len, digest);
		util_hex_encode(digest, sizeof digest, hex);
		g_assert_cmpstr(info_a->sha256, ==, hex);
		g_assert_cmpuint(info_a->bytes, ==, a->len);
	}
}

static void test_show(void)
{
	g_auto(Pair) pair = pair_new();
	g_autoptr(GError) error = NULL;
	g_autoptr(BundleInfo) made = NULL;
	fill(&pair);
	util_autofd int fd = pair_bundle(&pair, NULL, &made);
	g_autoptr(BundleInfo) shown = bundle_show(fd, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(shown->codec, ==, made->codec);
	g_assert_true(g_str_has_prefix(made->old_root, shown->old_root));
	g_assert_cmpuint(strlen(shown->old_root), ==, 8);
	g_assert_cmpstr(shown->new_root, ==, made->new_root);
	g_assert_cmpstr(shown->sha256, ==, made->sha256);
	g_assert_cmpuint(shown->bytes, ==, made->bytes);
	g_assert_cmpuint(shown->decoded_bytes, ==, made->decoded_bytes);
	g_assert_cmpuint(shown->memory_bytes, ==, made->memory_bytes);
	g_assert_cmpuint(shown->files_copied, ==, made->files_copied);
	BundleTree old_tree = pair_old(&pair);
	g_autofree char *list = bundle_list(fd, &old_tree, &error);
	g_assert_no_error(error);
	static const char *const lines[] = {
	    "\ndeleted             7          0  deleted\n",
	    "  app.4d5e6f.js  (patch, like app.1a2b3c.js)\n",
	    "  sub/moved-here  (from moved)\n",
	    "\ncopied             18          0  twin-b  (from twin-a)\n",
	    "\nmeta               10          0  mode\n",
	    "\nrelinked            0          0  link\n",
	    "\nfolder              0          0  void\n",
	};
	for (guint i = 0; i < G_N_ELEMENTS(lines); i++)
		if (!strstr(list, lines[i]))
			g_error("\"%s\" not in %s", lines[i], list);
	g_assert_null(strstr(list, " kept\n"));
	g_autofree char *header = bundle_list(fd, NULL, &error);
	g_assert_true(g_str_has_prefix(list, header));
	BundleTree wrong = pair_new_tree(&pair);
	g_autofree char *refused = bundle_list(fd, &wrong, &error);
	g_assert_null(refused);
	assert_failed(error, TS_ERROR_CORRUPT, "starts from root");
}

/* GNU tar lists and unpacks what the plain codec wrote, whatever the names. */
static void test_any_tar(void)
{
	g_auto(Pair) pair = pair_new();
	g_auto(Folder) out = folder_new();
	g_autofree char *component = g_strnfill(250, 'n');
	g_autofree char *deep = g_strconcat(component, "/", component, NULL);
	g_autofree char *target = g_strconcat(component, "/", component, NULL);
	for (guint odd = 0; odd < 3; odd++) {
		g_auto(Folder) tree = folder_new();
		put_dir(&tree, component);
		put_file(&tree, deep, "deep");
		put_link(&tree, "long-link", target);
		put_bytes(&tree, "run", "x", 1, 0755);
		if (odd >= 1)
			put_file(&tree, "\xc3\xa4 \xff\n\x01", "odd");
		if (odd >= 2)
			set_time(&tree, "run", -1000);
		g_autoptr(Manifest) manifest = scan_normal(&tree);
		g_autofree char *file = g_build_filename(out.path, "b.tar.xz", NULL);
		g_autofree char *dest = g_build_filename(out.path, "tree", NULL);
		BundleTree new_tree = {tree.fd, manifest};
		g_autoptr(GError) error = NULL;
		util_autofd int fd = open(file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		bundle_make(NULL, &new_tree, fd, NULL, NULL, &error);
		g_assert_no_error(error);
		g_assert_cmpint(mkdir(dest, 0755), ==, 0);
		const char *argv[] = {"tar", "-xpf", file, "-C", dest, NULL};
		GBytes *output = NULL;
		g_autofree char *errors = NULL;
		int status = -1;
		util_child_capture(argv, NULL, NULL, 20, 1 << 16, &output, &errors, &status,
				   &error);
		g_assert_no_error(error);
		g_assert_cmpint(status, ==, 0);
		if (odd < 2)
			g_assert_cmpstr(errors, ==, "");
		g_bytes_unref(output);
		util_autofd int dest_fd = util_fs_open_dir(AT_FDCWD, dest, &error);
		g_assert_cmpint(unlinkat(dest_fd, ".tagship-bundle", 0), ==, 0);
		tree_check(dest_fd, manifest, NULL, NULL, &error);
		g_assert_no_error(error);
		util_fs_remove_tree(AT_FDCWD, dest, &error);
		g_assert_no_error(error);
	}
}

static gboolean apply_limited(const Pair *pair, int fd, BundleLimits limits, TsErrorCode code,
			      const char *expected)
{
	g_autoptr(GError) error = NULL;
	if (pair_apply(pair, fd, &limits, &error))
		return TRUE;
	assert_failed(error, code, expected);
	return FALSE;
}

static void test_limits(void)
{
	g_auto(Pair) pair = pair_new();
	fill(&pair);
	for (guint codec = BUNDLE_CODEC_PLAIN; codec <= BUNDLE_CODEC_DELTA; codec++) {
		g_autoptr(BundleInfo) info = NULL;
		BundleMakeOptions options = {.codec = (BundleCodec)codec};
		util_autofd int fd = pair_bundle(&pair, &options, &info);
		g_assert_true(apply_limited(&pair, fd,
					    (BundleLimits){.memory_bytes = info->memory_bytes,
							   .decoded_bytes = info->decoded_bytes},
					    0, NULL));
		g_assert_false(apply_limited(&pair, fd,
					     (BundleLimits){.memory_bytes = info->memory_bytes - 1},
					     TS_ERROR_REFUSED, "of memory"));
		g_assert_false(apply_limited(&pair, fd, (BundleLimits){.memory_bytes = 4096},
					     TS_ERROR_REFUSED, "memory"));
		g_assert_false(apply_limited(
		    &pair, fd, (BundleLimits){.decoded_bytes = info->decoded_bytes - 1},
		    TS_ERROR_REFUSED, "more than the"));
		g_assert_false(apply_limited(&pair, fd,
					     (BundleLimits){.expect_new_root = info->sha256},
					     TS_ERROR_CORRUPT, "leads to root"));
	}
}

/* A base with little memory gets the same tree in many segments. */
static void test_little_memory(void)
{
	g_auto(Pair) pair = pair_new();
	g_autofree char *large = words(3, 100000);
	g_autofree char *larger = g_strconcat("begin ", large, " end", NULL);
	put_file(&pair.old_folder, "large.txt", large);
	put_file(&pair.new_folder, "large.txt", larger);
	for (guint i = 0; i < 6; i++) {
		g_autofree char *name = g_strdup_printf("f%u.txt", i);
		g_autofree char *text = words(i + 10, 12000);
		g_autofree char *more = g_strconcat(text, "more", NULL);
		put_file(&pair.old_folder, name, text);
		put_file(&pair.new_folder, name, more);
	}
	pair_scan(&pair);
	g_autoptr(BundleInfo) info = NULL;
	g_autoptr(GError) error = NULL;
	BundleMakeOptions options = {.base_memory_bytes = (guint64)13 << 20};
	BundleLimits limits = {.memory_bytes = options.base_memory_bytes};
	util_autofd int fd = pair_bundle(&pair, &options, &info);
	pair_apply(&pair, fd, &limits, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(info->memory_bytes, <=, options.base_memory_bytes);
	/* still a delta: the text is some 1.3 MB, of which 0.3 MB would travel as plain */
	g_assert_cmpuint(info->bytes, <, 20000);
	g_autoptr(GByteArray) bundle = read_all(fd);
	g_autoptr(GByteArray) tar = unpack_xz(bundle);
	g_assert_nonnull(memmem(tar->data, tar->len, "contents-3", 10));
	/* the same again: threads do not show */
	util_autofd int again = pair_bundle(&pair, &options, NULL);
	g_autoptr(GByteArray) second = read_all(again);
	g_assert_cmpmem(bundle->data, bundle->len, second->data, second->len);

	options.base_memory_bytes = 1 << 20;
	BundleTree old_tree = pair_old(&pair);
	BundleTree new_tree = pair_new_tree(&pair);
	for (guint codec = BUNDLE_CODEC_PLAIN; codec <= BUNDLE_CODEC_DELTA; codec++) {
		util_autofd int none = temporary_file();
		options.codec = (BundleCodec)codec;
		g_assert_false(bundle_make(&old_tree, &new_tree, none, &options, NULL, &error));
		assert_failed(error, TS_ERROR_REFUSED, "bytes of memory");
		g_clear_error(&error);
	}
}

/* A tree that is not what its manifest says, on either side, is named, by maker and reader. */
static void test_altered_trees(void)
{
	static const struct {
		const char *file, *content;
	} alterations[] = {{"kept", "KEPT"}, {"moved", "x"}, {"changed.txt", "x"}, {"moved", NULL}};
	for (guint i = 0; i < G_N_ELEMENTS(alterations); i++) {
		g_auto(Pair) pair = pair_new();
		g_autoptr(GError) error = NULL;
		const char *file = alterations[i].file;
		fill(&pair);
		util_autofd int fd = pair_bundle(&pair, NULL, NULL);
		g_assert_cmpint(unlinkat(pair.old_folder.fd, file, 0), ==, 0);
		if (alterations[i].content)
			put_file(&pair.old_folder, file, alterations[i].content);
		g_assert_false(pair_apply(&pair, fd, NULL, &error));
		assert_failed(error, TS_ERROR_CORRUPT, file);
		assert_failed(error, TS_ERROR_CORRUPT, "old tree: ");
	}
	g_auto(Pair) pair = pair_new();
	fill(&pair);
	BundleTree old_tree = pair_old(&pair);
	BundleTree new_tree = pair_new_tree(&pair);
	static const char *const files[] = {"twin-a", "changed.txt"};
	for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
		for (guint codec = BUNDLE_CODEC_PLAIN; codec <= BUNDLE_CODEC_DELTA; codec++) {
			g_autoptr(GError) error = NULL;
			BundleMakeOptions options = {.codec = (BundleCodec)codec};
			util_autofd int fd = temporary_file();
			put_file(&pair.new_folder, files[i], "twins ARE the same");
			g_assert_false(
			    bundle_make(&old_tree, &new_tree, fd, &options, NULL, &error));
			assert_failed(error, TS_ERROR_CORRUPT, files[i]);
		}
		put_file(&pair.new_folder, "twin-a", "twins are the same");
	}
}

static void test_wrong_old_tree(void)
{
	g_auto(Pair) pair = pair_new();
	g_auto(Folder) out = folder_new();
	g_autoptr(GError) error = NULL;
	fill(&pair);
	util_autofd int fd = pair_bundle(&pair, NULL, NULL);
	BundleTree wrong = pair_new_tree(&pair);
	g_assert_false(bundle_apply(fd, &wrong, out.fd, NULL, NULL, &error));
	assert_failed(error, TS_ERROR_CORRUPT, "starts from root");
	g_clear_error(&error);
	g_assert_false(bundle_apply(fd, NULL, out.fd, NULL, NULL, &error));
	assert_failed(error, TS_ERROR_CORRUPT, "the old tree is -");
	/* found before anything was written */
	g_autoptr(GPtrArray) names = util_fs_list(out.fd, ".", NULL);
	g_assert_cmpuint(names->len, ==, 0);
}

/* An altered part of a file that was only used in part is still named. */
static void test_altered_part(void)
{
	g_auto(Pair) pair = pair_new();
	g_autoptr(GError) error = NULL;
	g_autofree char *large = words(3, 100000);
	g_autofree char *larger = g_strconcat("begin ", large, " end", NULL);
	put_file(&pair.old_folder, "large.txt", large);
	put_file(&pair.new_folder, "large.txt", larger);
	pair_scan(&pair);
	BundleMakeOptions options = {.base_memory_bytes = (guint64)13 << 20};
	util_autofd int fd = pair_bundle(&pair, &options, NULL);
	memcpy(large + 300000, "ALTERED", 7);
	put_file(&pair.old_folder, "large.txt", large);
	g_assert_false(pair_apply(&pair, fd, NULL, &error));
	assert_failed(error, TS_ERROR_CORRUPT, "old tree: large.txt");
}

static void on_progress(gpointer user_data, const char *what, guint64 done, guint64 total)
{
	GHashTable *seen = user_data;
	g_assert_cmpuint(done, <=, total);
	g_hash_table_add(seen, g_strdup(what));
}

static void test_progress(void)
{
	g_auto(Pair) pair = pair_new();
	g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	UtilProgress progress = {on_progress, seen};
	fill(&pair);
	for (guint codec = BUNDLE_CODEC_PLAIN; codec <= BUNDLE_CODEC_DELTA; codec++) {
		BundleMakeOptions options = {.codec = (BundleCodec)codec, .progress = &progress};
		BundleLimits limits = {.progress = &progress};
		util_autofd int fd = pair_bundle(&pair, &options, NULL);
		g_assert_true(pair_apply(&pair, fd, &limits, NULL));
	}
	static const char *const expected[] = {"compressing", "unpacking", "copying", "decoding",
					       "encoding"};
	for (guint i = 0; i < G_N_ELEMENTS(expected); i++)
		g_assert_true(g_hash_table_contains(seen, expected[i]));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/bundle/delta", test_delta);
	g_test_add_func("/bundle/plain", test_plain);
	g_test_add_func("/bundle/from-nothing", test_from_nothing);
	g_test_add_func("/bundle/extremes", test_extremes);
	g_test_add_func("/bundle/deterministic", test_deterministic);
	g_test_add_func("/bundle/show", test_show);
	g_test_add_func("/bundle/any-tar", test_any_tar);
	g_test_add_func("/bundle/limits", test_limits);
	g_test_add_func("/bundle/little-memory", test_little_memory);
	g_test_add_func("/bundle/altered-trees", test_altered_trees);
	g_test_add_func("/bundle/wrong-old-tree", test_wrong_old_tree);
	g_test_add_func("/bundle/altered-part", test_altered_part);
	g_test_add_func("/bundle/progress", test_progress);
	return g_test_run();
}
