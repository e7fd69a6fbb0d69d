/* SPDX-License-Identifier: ISC */
/* Archives in trees: they travel by their parts, and come back bit for bit. */
#include <archive.h>
#include <archive_entry.h>

#include "pair.h"

/* Text that deflates, and says which release it is of. */
static char *page(guint n, guint release)
{
	GString *text = g_string_new(NULL);
	g_autoptr(GRand) rand = g_rand_new_with_seed(n);
	for (guint i = 0; i < 400; i++)
		g_string_append_printf(text, "line %u of page %u: %u\n", i, n,
				       g_rand_int_range(rand, 0, 1000));
	g_string_append_printf(text, "release %u\n", n % 5 == 0 ? release : 0);
	return g_string_free(text, FALSE);
}

static void add_member(struct archive *archive, const char *name, const void *data, gsize len)
{
	struct archive_entry *entry = archive_entry_new();
	archive_entry_set_pathname(entry, name);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, 0644);
	archive_entry_set_mtime(entry, 1700000000, 0);
	archive_entry_set_size(entry, (la_int64_t)len);
	g_assert_cmpint(archive_write_header(archive, entry), ==, ARCHIVE_OK);
	g_assert_cmpint(archive_write_data(archive, data, len), ==, (la_ssize_t)len);
	archive_entry_free(entry);
}

typedef enum { ZIP, TGZ } Format;

/* 20 pages, and `inner` (may be NULL) as lib/inner-RELEASE.jar. */
static GByteArray *make_archive(Format format, guint release, const GByteArray *inner)
{
	GByteArray *out = g_byte_array_new();
	size_t used = 0;
	g_byte_array_set_size(out, 4 * 1024 * 1024);
	struct archive *archive = archive_write_new();
	if (format == ZIP) {
		archive_write_set_format_zip(archive);
	} else {
		archive_write_set_format_ustar(archive);
		archive_write_add_filter_gzip(archive);
		archive_write_set_options(archive, "gzip:timestamp=");
	}
	archive_write_set_bytes_per_block(archive, 0); /* no padding */
	g_assert_cmpint(archive_write_open_memory(archive, out->data, out->len, &used), ==,
			ARCHIVE_OK);
	for (guint i = 0; i < 20; i++) {
		g_autofree char *text = page(i, release);
		g_autofree char *name = g_strdup_printf("pages/%u.html", i);
		add_member(archive, name, text, strlen(text));
	}
	if (inner) {
		g_autofree char *name = g_strdup_printf("lib/inner-%u.jar", release);
		add_member(archive, name, inner->data, inner->len);
	}
	g_assert_cmpint(archive_write_close(archive), ==, ARCHIVE_OK);
	archive_write_free(archive);
	g_byte_array_set_size(out, (guint)used);
	return out;
}

static void put_archive(const Folder *folder, const char *name, GByteArray *bytes)
{
	put_bytes(folder, name, bytes->data, bytes->len, 0644);
	g_byte_array_unref(bytes);
}

static char *list_of(Pair *pair, int fd)
{
	g_autoptr(GError) error = NULL;
	BundleTree old_tree = {pair->old_folder.fd, pair->old_manifest};
	g_assert_cmpint(lseek(fd, 0, SEEK_SET), ==, 0);
	char *list = bundle_list(fd, &old_tree, &error);
	g_assert_no_error(error);
	return list;
}

static void assert_list(Pair *pair, const char *pattern, gboolean wanted)
{
	g_autoptr(BundleInfo) info = NULL;
	util_autofd int fd = pair_bundle(pair, NULL, &info);
	g_autofree char *list = list_of(pair, fd);
	if (g_regex_match_simple(pattern, list, G_REGEX_MULTILINE, 0) != wanted)
		g_error("%s is %s in\n%s", pattern, wanted ? "not" : "there", list);
}

/* A jar whose name carries its version. */
static void test_renamed_zip(void)
{
	g_auto(Pair) pair = pair_new();
	g_autoptr(BundleInfo) info = NULL;
	put_archive(&pair.old_folder, "app-1.0.jar", make_archive(ZIP, 1, NULL));
	put_archive(&pair.new_folder, "app-1.1.jar", make_archive(ZIP, 2, NULL));
	pair_scan(&pair);
	pair_round_trip(&pair, NULL, &info);
	g_assert_cmpuint(info->bytes, <, 1000); /* four pages changed by a digit each */
	g_assert_nonnull(info->zlib);
	assert_list(&pair, "^added .*app-1\\.1\\.jar  \\(zip of 20 parts, like app-1\\.0\\.jar\\)$",
		    TRUE);
	assert_list(&pair, "^ part .*app-1\\.1\\.jar/pages/5\\.html", TRUE);
	assert_list(&pair, "^ part .*app-1\\.1\\.jar/pages/6\\.html", FALSE);
}

/* A jar in a jar, that in a tar, that in gzip; and the jar in it has another name. */
static void test_nested(void)
{
	g_auto(Pair) pair = pair_new();
	g_autoptr(BundleInfo) info = NULL;
	for (guint release = 1; release <= 2; release++) {
		const Folder *folder = release == 1 ? &pair.old_folder : &pair.new_folder;
		g_autoptr(GByteArray) inner = make_archive(ZIP, release, NULL);
		g_autoptr(GByteArray) middle = make_archive(ZIP, release, inner);
		put_archive(folder, "all.tgz", make_archive(TGZ, release, middle));
	}
	pair_scan(&pair);
	pair_round_trip(&pair, NULL, &info);
	g_assert_cmpuint(info->bytes, <, 2500);
	g_assert_cmpuint(info->scratch_bytes, >, 0);
	assert_list(&pair,
		    "^ part .*all\\.tgz/.*/lib/inner-2\\.jar/lib/inner-2\\.jar/pages/0\\.html",
		    TRUE);
}

/* A member that is a file of the tree now, of another name and nearly the same: no basis of it. */
static void test_moved_out(void)
{
	g_auto(Pair) pair = pair_new();
	g_autoptr(BundleInfo) info = NULL;
	g_autoptr(GRand) rand = g_rand_new_with_seed(1);
	guint32 words[2000];
	for (guint i = 0; i < G_N_ELEMENTS(words); i++)
		words[i] = g_rand_int(rand) & 0x3f3f3f3f;
	g_autoptr(GByteArray) inner = g_byte_array_new();
	g_byte_array_append(inner, (const guint8 *)words, sizeof words);
	put_archive(&pair.old_folder, "app.jar", make_archive(ZIP, 1, inner));
	put_archive(&pair.new_folder, "app.jar", make_archive(ZIP, 2, NULL));
	words[1000] = 0;
	put_bytes(&pair.new_folder, "inner-2.jar", words, sizeof words, 0644);
	pair_scan(&pair);
	pair_round_trip(&pair, NULL, &info);
	g_assert_cmpuint(info->bytes, <, 2000);
	assert_list(&pair, "^added .*inner-2\\.jar  \\(lzma2\\)$", TRUE);
}

/* The same jar twice, once renamed, and one that is gone. */
static void test_twins(void)
{
	g_auto(Pair) pair = pair_new();
	g_autoptr(BundleInfo) info = NULL;
	put_archive(&pair.old_folder, "a.jar", make_archive(ZIP, 1, NULL));
	put_archive(&pair.old_folder, "gone.jar", make_archive(ZIP, 3, NULL));
	put_archive(&pair.new_folder, "a.jar", make_archive(ZIP, 2, NULL));
	put_archive(&pair.new_folder, "b.jar", make_archive(ZIP, 2, NULL));
	g_autofree char *text = page(5, 2);
	put_file(&pair.new_folder, "page-of-the-jar", text);
	pair_scan(&pair);
	pair_round_trip(&pair, NULL, &info);
	g_assert_cmpuint(info->bytes, <, 2500); /* the page travels whole, once */
	assert_list(&pair, "^copied .*  b\\.jar  \\(from a\\.jar\\)$", TRUE);
}

/* Cut, and with any byte flipped: it comes back as it is, taken apart or whole. */
static void test_damaged(void)
{
	g_autoptr(GByteArray) good = make_archive(ZIP, 1, NULL);
	g_autoptr(GRand) rand = g_rand_new_with_seed(7);
	for (guint i = 0; i < 60; i++) {
		g_auto(Pair) pair = pair_new();
		g_autoptr(GByteArray) bad = make_archive(ZIP, 2, NULL);
		g_autoptr(GByteArray) old = g_byte_array_new();
		g_byte_array_append(old, good->data, good->len);
		guint at = (guint)g_rand_int_range(rand, 0, (gint)bad->len);
		if (i % 3 == 0)
			g_byte_array_set_size(bad, at);
		else
			bad->data[at] ^= 1 << (i % 8);
		if (i % 4 == 0) /* the old one, too */
			old->data[at % old->len] ^= 4;
		put_bytes(&pair.old_folder, "x.jar", old->data, old->len, 0644);
		put_bytes(&pair.new_folder, "x.jar", bad->data, bad->len, 0644);
		pair_scan(&pair);
		pair_round_trip(&pair, NULL, NULL);
	}
}

/* An old archive that was altered by hand is named. */
static void test_altered_old(void)
{
	g_auto(Pair) pair = pair_new();
	g_autoptr(GError) error = NULL;
	g_auto(Folder) out = folder_new();
	put_archive(&pair.old_folder, "x.jar", make_archive(ZIP, 1, NULL));
	put_archive(&pair.new_folder, "x.jar", make_archive(ZIP, 2, NULL));
	pair_scan(&pair);
	util_autofd int fd = pair_bundle(&pair, NULL, NULL);
	g_autoptr(GByteArray) other = make_archive(ZIP, 3, NULL);
	util_autofd int file = openat(pair.old_folder.fd, "x.jar", O_WRONLY | O_CLOEXEC);
	g_assert_true(util_fs_pwrite_all(file, other->data, 64, 500, NULL));
	BundleTree old_tree = {pair.old_folder.fd, pair.old_manifest};
	g_assert_false(bundle_apply(fd, &old_tree, out.fd, NULL, NULL, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	g_assert_nonnull(
	    strstr(error->message, "x.jar: its content is not what the manifest says"));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/bundle/archives/renamed-zip", test_renamed_zip);
	g_test_add_func("/bundle/archives/nested", test_nested);
	g_test_add_func("/bundle/archives/moved-out", test_moved_out);
	g_test_add_func("/bundle/archives/twins", test_twins);
	g_test_add_func("/bundle/archives/damaged", test_damaged);
	g_test_add_func("/bundle/archives/altered-old", test_altered_old);
	return g_test_run();
}
