/* SPDX-License-Identifier: ISC */
/* Generated trees, some hundred pairs: whatever they hold comes back. */
#include <locale.h>

#include "pair.h"

#define DELTA_PAIRS 200
#define PLAIN_PAIRS 50

static const char *const dirs[] = {"", "a/", "b/", "a/deep/", "a/deep/er/", "\xff odd\n/", "v1.2/"};
static const char *const names[] = {
    "index", "app-1a2b3c4d", "app-99ff00aa", "core-2.1.0", "core-2.1.1", " ",
    "-",     "*?[",          "\x01\x7f%00",  "\xc3\xa4"};
static const char *const extensions[] = {"", ".js", ".css", ".jar", ".js.map"};

static char *random_path(GRand *rand)
{
	return g_strdup_printf("%s%s%s", dirs[g_rand_int_range(rand, 0, G_N_ELEMENTS(dirs))],
			       names[g_rand_int_range(rand, 0, G_N_ELEMENTS(names))],
			       extensions[g_rand_int_range(rand, 0, G_N_ELEMENTS(extensions))]);
}

/* Empty, text, noise, or repetition, mostly small. */
static GByteArray *random_content(GRand *rand)
{
	GByteArray *bytes = g_byte_array_new();
	guint kind = (guint)g_rand_int_range(rand, 0, 4);
	guint len = kind == 0 ? 0 : 1U << g_rand_int_range(rand, 0, 13);
	g_byte_array_set_size(bytes, len);
	for (guint i = 0; i < len; i++)
		bytes->data[i] = kind == 1   ? (guint8) "etaoin shrdlu\n"[g_rand_int(rand) % 14]
				 : kind == 2 ? (guint8)g_rand_int(rand)
					     : (guint8)(i % 7 * 36);
	return bytes;
}

/* Overwrites, inserts or cuts somewhere. */
static void edit_content(GRand *rand, GByteArray *bytes)
{
	guint8 noise[8];
	guint at = bytes->len ? (guint)g_rand_int_range(rand, 0, (gint)bytes->len) : 0;
	for (guint i = 0; i < sizeof noise; i++)
		noise[i] = (guint8)g_rand_int(rand);
	if (g_rand_boolean(rand) && bytes->len > 0)
		g_byte_array_remove_range(bytes, at, 1 + (bytes->len - at) / 5);
	else if (at + sizeof noise < bytes->len)
		memcpy(bytes->data + at, noise, sizeof noise);
	else
		g_byte_array_append(bytes, noise, sizeof noise);
}

static void put_parents(const Folder *folder, const char *path)
{
	for (const char *p = strchr(path, '/'); p; p = strchr(p + 1, '/')) {
		g_autofree char *dir = g_strndup(path, (gsize)(p - path));
		if (mkdirat(folder->fd, dir, 0755) != 0)
			g_assert_cmpint(errno, ==, EEXIST);
	}
}

static mode_t random_mode(GRand *rand)
{
	return g_rand_int_range(rand, 0, 4) ? 0644 : 0755;
}

static gint64 random_time(GRand *rand)
{
	switch (g_rand_int_range(rand, 0, 6)) {
	case 0:
		return g_rand_int_range(rand, -100000, 100000);
	case 1:
		return MTIME + g_rand_int_range(rand, 0, 3);
	default:
		return MTIME;
	}
}

/* Adds something at a random place, unless there is something already. */
static void put_random(GRand *rand, const Folder *folder, const GByteArray *content)
{
	g_autofree char *path = random_path(rand);
	struct stat st;
	put_parents(folder, path);
	if (fstatat(folder->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return;
	switch (g_rand_int_range(rand, 0, 10)) {
	case 0:
		put_dir(folder, path);
		break;
	case 1:
		put_link(folder, path, g_rand_boolean(rand) ? "x\xff y" : "./.");
		break;
	default:
		put_bytes(folder, path, content->data, content->len, random_mode(rand));
	}
	set_time(folder, path, random_time(rand));
}

/* The new tree begins as the old one; then each entry meets its fate. */
static void evolve(GRand *rand, const Folder *old, const Manifest *manifest, const Folder *now)
{
	for (guint i = 0; i < manifest_count(manifest); i++) {
		const ManifestEntry *entry = manifest_entry(manifest, i);
		guint fate = (guint)g_rand_int_range(rand, 0, 10);
		g_autofree char *path = fate == 1 ? random_path(rand) : g_strdup(entry->path);
		struct stat st;
		if (fate == 0 || entry->type == MANIFEST_DIR ||
		    fstatat(now->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		put_parents(now, path);
		if (entry->type == MANIFEST_LINK) {
			put_link(now, path, fate == 2 ? "elsewhere" : entry->target);
		} else {
			g_autofree char *data = NULL;
			gsize len = 0;
			g_autoptr(GError) error = NULL;
			util_fs_read_file(old->fd, entry->path, 1 << 20, &data, &len, &error);
			g_assert_no_error(error);
			g_autoptr(GByteArray) bytes = g_byte_array_new();
			g_byte_array_append(bytes, (guint8 *)data, (guint)len);
			if (fate == 2 || fate == 3)
				edit_content(rand, bytes);
			put_bytes(now, path, bytes->data, bytes->len,
				  fate == 4 ? random_mode(rand) : entry->mode);
		}
		set_time(now, path, fate == 5 ? random_time(rand) : entry->mtime_s);
	}
}

/* Folder times last: filling a folder changes its time. */
static void settle_folders(GRand *rand, const Folder *folder)
{
	g_autoptr(Manifest) manifest = scan_normal(folder);
	for (guint i = manifest_count(manifest); i > 0; i--)
		if (manifest_entry(manifest, i - 1)->type == MANIFEST_DIR)
			set_time(folder, manifest_entry(manifest, i - 1)->path, random_time(rand));
}

static void fill_pair(GRand *rand, Pair *pair)
{
	g_autoptr(GPtrArray) contents =
	    g_ptr_array_new_with_free_func((GDestroyNotify)g_byte_array_unref);
	for (guint i = 0; i < 5; i++)
		g_ptr_array_add(contents, random_content(rand));
	guint count = (guint)g_rand_int_range(rand, 0, 14);
	for (guint i = 0; i < count; i++)
		put_random(rand, &pair->old_folder,
			   g_ptr_array_index(contents, g_rand_int_range(rand, 0, 5)));
	settle_folders(rand, &pair->old_folder);
	g_autoptr(Manifest) manifest = scan_normal(&pair->old_folder);
	evolve(rand, &pair->old_folder, manifest, &pair->new_folder);
	count = (guint)g_rand_int_range(rand, 0, 6);
	for (guint i = 0; i < count; i++)
		put_random(rand, &pair->new_folder,
			   g_ptr_array_index(contents, g_rand_int_range(rand, 0, 5)));
	settle_folders(rand, &pair->new_folder);
	pair_scan(pair);
}

static void test_random(gconstpointer data)
{
	BundleMakeOptions options = {.codec = (BundleCodec)GPOINTER_TO_UINT(data)};
	guint32 pairs = options.codec == BUNDLE_CODEC_DELTA ? DELTA_PAIRS : PLAIN_PAIRS;
	for (guint32 seed = 0; seed < pairs; seed++) {
		g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
		g_auto(Pair) pair = pair_new();
		fill_pair(rand, &pair);
		pair_round_trip(&pair, &options, NULL);
	}
}

/* Names are bytes, whatever the program's locale makes of them. */
static void test_locale(void)
{
	if (!setlocale(LC_ALL, "C.UTF-8")) {
		g_test_skip("no locale C.UTF-8");
		return;
	}
	for (guint32 seed = 1000; seed < 1020; seed++) {
		g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
		g_auto(Pair) pair = pair_new();
		BundleMakeOptions options = {.codec = BUNDLE_CODEC_PLAIN};
		fill_pair(rand, &pair);
		util_autofd int fd_utf8 = pair_bundle(&pair, &options, NULL);
		setlocale(LC_ALL, "C"); /* made in one, read in the other */
		util_autofd int fd = pair_bundle(&pair, &options, NULL);
		g_assert_true(pair_apply(&pair, fd_utf8, NULL, NULL));
		setlocale(LC_ALL, "C.UTF-8");
		g_assert_true(pair_apply(&pair, fd, NULL, NULL));
		g_autoptr(GByteArray) a = read_all(fd_utf8);
		g_autoptr(GByteArray) b = read_all(fd);
		g_assert_cmpmem(a->data, a->len, b->data, b->len);
	}
	setlocale(LC_ALL, "C");
}

/* Files of any size against a reader of little memory. */
static void test_large_files(void)
{
	static const guint sizes[][2] = {
	    {0, 3000000}, {3000000, 0}, {2500000, 2500001}, {100, 1500000}, {1500000, 100}};
	g_autoptr(GRand) rand = g_rand_new_with_seed(7);
	g_auto(Pair) pair = pair_new();
	for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
		g_autofree char *name = g_strdup_printf("large-%u", i);
		for (guint side = 0; side < 2; side++) {
			g_autoptr(GByteArray) bytes = g_byte_array_new();
			g_byte_array_set_size(bytes, sizes[i][side]);
			for (guint k = 0; k < bytes->len; k++)
				bytes->data[k] = (guint8)((k >> 8) * 31 + (k & 15) + i);
			for (guint k = 0; side && k < 20 && bytes->len; k++)
				bytes->data[g_rand_int_range(rand, 0, (gint)bytes->len)] ^= 1;
			put_bytes(side ? &pair.new_folder : &pair.old_folder, name, bytes->data,
				  bytes->len, 0644);
		}
	}
	pair_scan(&pair);
	BundleMakeOptions options = {.codec = BUNDLE_CODEC_DELTA,
				     .base_memory_bytes = (guint64)13 << 20};
	pair_round_trip(&pair, &options, NULL);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_data_func("/random/delta", GUINT_TO_POINTER(BUNDLE_CODEC_DELTA), test_random);
	g_test_add_data_func("/random/plain", GUINT_TO_POINTER(BUNDLE_CODEC_PLAIN), test_random);
	g_test_add_func("/random/locale", test_locale);
	g_test_add_func("/random/large-files", test_large_files);
	return g_test_run();
}
