/* SPDX-License-Identifier: ISC */
#include "manifest/manifest.h"

static char *golden(gsize *ret_len)
{
	g_autofree char *path =
	    g_test_build_filename(G_TEST_DIST, "data", "formats", "manifest-1.txt", NULL);
	char *text = NULL;
	g_autoptr(GError) error = NULL;
	g_file_get_contents(path, &text, ret_len, &error);
	g_assert_no_error(error);
	return text;
}

static void add(Manifest *manifest, ManifestType type, const char *path, const char *target)
{
	g_autofree char *copy = g_strdup(path);
	g_autofree char *to = g_strdup(target);
	ManifestEntry entry = {.path = copy, .target = to, .type = type, .mtime_s = 1700000000};
	entry.mode = type == MANIFEST_DIR ? 0755 : type == MANIFEST_FILE ? 0644 : 0777;
	manifest_add(manifest, &entry);
}

static void add_file(Manifest *manifest, const char *path, guint16 mode, const char *content,
		     gint64 mtime_s)
{
	g_autofree char *copy = g_strdup(path);
	ManifestEntry entry = {.path = copy,
			       .size = strlen(content),
			       .mtime_s = mtime_s,
			       .type = MANIFEST_FILE,
			       .mode = mode};
	util_sha256_data(content, strlen(content), entry.sha256);
	manifest_add(manifest, &entry);
}

static void assert_refused(Manifest *manifest, const char *words)
{
	g_autoptr(GError) error = NULL;
	g_assert_false(manifest_seal(manifest, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
	if (!strstr(error->message, words))
		g_error("\"%s\" not in \"%s\"", words, error->message);
	manifest_free(manifest);
}

static void test_golden(void)
{
	gsize len = 0;
	g_autofree char *text = golden(&len);
	g_autoptr(GError) error = NULL;
	g_autoptr(Manifest) manifest = manifest_parse(text, len, &error);
	g_assert_no_error(error);
	g_autoptr(GBytes) again = manifest_format(manifest);
	g_assert_cmpmem(g_bytes_get_data(again, NULL), g_bytes_get_size(again), text, len);

	char root[UTIL_SHA256_HEX];
	manifest_root(manifest, root);
	/* as sha256sum prints it for the file */
	g_assert_cmpstr(root, ==,
			"5b9f195fa67b04462f2d4b46564d3f9311725d3a45825a63d2127854223cd8c9");
	g_assert_cmpuint(manifest_count(manifest), ==, 9);
	g_assert_cmpuint(manifest_files(manifest), ==, 5);
	g_assert_cmpuint(manifest_bytes(manifest), ==, 14);
	const ManifestEntry *odd = manifest_find(manifest, "a dir/100%\n\x7f\xff");
	g_assert_nonnull(odd);
	g_assert_cmpint(odd->mode, ==, 0755);
	g_assert_cmpint(odd->mtime_s, ==, -1);
	g_assert_cmpstr(manifest_find(manifest, "current")->target, ==, "a dir/x y");
	g_assert_null(manifest_find(manifest, "nothing"));
	guint index = 0;
	g_assert_true(manifest_index(manifest, "z", &index));
	g_assert_cmpuint(index, ==, 7);
}

/* Every single spelling but the canonical one is refused. */
static void test_parse_refusals(void)
{
#define HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define HEAD "tagship-manifest 1\n"
	static const char *const texts[] = {
	    "",
	    "tagship-manifest 1",
	    "tagship-manifest 2\n",
	    HEAD "d 0755 0 a", /* no newline */
	    HEAD "\n",         /* empty line */
	    HEAD "d 0755 0 a\n\n",
	    HEAD "x 0755 0 a\n",
	    HEAD "dd 0755 0 a\n",
	    HEAD "d 0644 0 a\n",
	    HEAD "d 0700 0 a\n",
	    HEAD "d 755 0 a\n",
	    HEAD "d 0755 00 a\n",
	    HEAD "d 0755 01 a\n",
	    HEAD "d 0755 -0 a\n",
	    HEAD "d 0755 +1 a\n",
	    HEAD "d 0755 15032385536 a\n", /* after the year 2446 */
	    HEAD "d 0755 -2147483649 a\n",
	    HEAD "d 0755 99999999999999999999 a\n",
	    HEAD "d 0755  0 a\n",
	    HEAD "d 0755 0  a\n",
	    HEAD "d 0755 0 a \n",
	    HEAD "d 0755 0 a b\n",
	    HEAD "d 0755 0 \n",
	    HEAD "d 0755 0\n",
	    HEAD "d 0755 0 a\td\n",
	    HEAD "d 0755 0 a%2\n",
	    HEAD "d 0755 0 a%61\n", /* quoted without need */
	    HEAD "d 0755 0 a%0a\n", /* lower case */
	    HEAD "d 0755 0 a%00\n",
	    HEAD "d 0755 0 a%\n",
	    HEAD "d 0755 0 /a\n",
	    HEAD "d 0755 0 a/\n",
	    HEAD "d 0755 0 a\nd 0755 0 a//b\n",
	    HEAD "d 0755 0 a\nd 0755 0 a/./b\n",
	    HEAD "d 0755 0 ..\n",
	    HEAD "d 0755 0 .tagship-bundle\n",
	    HEAD "d 0755 0 b\nd 0755 0 a\n", /* out of order */
	    HEAD "d 0755 0 a\nd 0755 0 a\n",
	    HEAD "f 0644 0 0 " HASH " a/b\n", /* no parent */
	    HEAD "f 0644 0 0 " HASH " a\nf 0644 0 0 " HASH " a/b\n",
	    HEAD "f 0644 0 0 a\n",
	    HEAD "f 0644 -1 0 " HASH " a\n",
	    HEAD "f 0644 1125899906842625 0 " HASH " a\n", /* too large */
	    HEAD "f 0644 0 0 E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855 a\n",
	    HEAD "f 0600 0 0 " HASH " a\n",
	    HEAD "f 04755 0 0 " HASH " a\n",
	    HEAD "f 0644 0 0 " HASH "0 a\n",
	    HEAD "l 0 a\n",
	    HEAD "l 0 a \n",
	    HEAD "l 0 a b c\n",
	    HEAD "l 0 a /etc/passwd\n",
	    HEAD "l 0 a ..\n",
	    HEAD "l 0777 0 a b\n",
	};
	for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(Manifest) manifest = manifest_parse(texts[i], strlen(texts[i]), &error);
		if (manifest)
			g_error("row %u was accepted: %s", i, texts[i]);
		g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	}
	g_autoptr(GError) error = NULL;
	g_autoptr(Manifest) nul = manifest_parse(HEAD "d 0755 0 a\0b\n", strlen(HEAD) + 14, &error);
	g_assert_null(nul);
}

/* Cut at every byte, and every byte changed: an error, or another manifest that is canonical. */
static void test_damage(void)
{
	gsize len = 0;
	g_autofree char *text = golden(&len);
	for (gsize i = 0; i < len; i++) {
		g_autoptr(Manifest) cut = manifest_parse(text, i, NULL);
		g_assert_true(!cut || text[i - 1] == '\n');
		char before = text[i];
		for (guint bit = 0; bit < 8; bit++) {
			text[i] = (char)((guchar)before ^ (1U << bit));
			g_autoptr(Manifest) other = manifest_parse(text, len, NULL);
			if (!other)
				continue;
			g_autoptr(GBytes) again = manifest_format(other);
			g_assert_cmpmem(g_bytes_get_data(again, NULL), g_bytes_get_size(again),
					text, len);
		}
		text[i] = before;
	}
}

static void test_paths(void)
{
	g_autofree char *component = g_strnfill(255, 'x');
	g_autofree char *long_component = g_strnfill(256, 'x');
	g_autofree char *slashes = g_strnfill(MANIFEST_PATH_MAX + 1, 'y');
	for (gsize i = 1; i < MANIFEST_PATH_MAX; i += 2)
		slashes[i] = '/';
	const char *const bad[] = {"",
				   "/",
				   "/a",
				   "a/",
				   "a//b",
				   ".",
				   "..",
				   "./a",
				   "a/.",
				   "a/..",
				   "a/../b",
				   ".tagship-bundle",
				   ".tagship-bundle/x",
				   long_component,
				   slashes};
	const char *const good[] = {"a",
				    "a/b",
				    "...",
				    "..a",
				    "a..",
				    ".git/x",
				    "\n",
				    "\x01\xff ",
				    ".tagship-bundles",
				    "a/.tagship-bundle",
				    component};
	for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(GError) error = NULL;
		if (manifest_path_check(bad[i], &error))
			g_error("accepted: %s", bad[i]);
		g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
	}
	for (guint i = 0; i < G_N_ELEMENTS(good); i++) {
		g_autoptr(GError) error = NULL;
		manifest_path_check(good[i], &error);
		g_assert_no_error(error);
	}
	slashes[MANIFEST_PATH_MAX] = '\0';
	slashes[MANIFEST_PATH_MAX - 1] = 'y';
	g_autoptr(GError) error = NULL;
	manifest_path_check(slashes, &error);
	g_assert_no_error(error);
}

static void test_quote(void)
{
	char all[256];
	for (guint i = 0; i < 255; i++)
		all[i] = (char)(i + 1);
	all[255] = '\0';
	g_autofree char *quoted = manifest_quote(all);
	g_assert_null(strpbrk(quoted, " \n\t\x7f"));
	g_autofree char *back = manifest_unquote(quoted, strlen(quoted));
	g_assert_cmpstr(back, ==, all);
	g_autofree char *percent = manifest_quote("50% off\n");
	g_assert_cmpstr(percent, ==, "50%25%20off%0A");
}

static void test_links(void)
{
	static const struct {
		const char *path, *target;
		gboolean good;
	} rows[] = {
	    {"a", "b", TRUE},           {"a", "./b", TRUE},
	    {"a", "b/", TRUE},          {"a", "b/..", TRUE},
	    {"d/a", "..", TRUE},        {"d/a", "../b", TRUE},
	    {"d/e/a", "../../b", TRUE}, {"a", ".", TRUE},
	    {"a", "..b", TRUE},         {"a", "", FALSE},
	    {"a", "/b", FALSE},         {"a", "..", FALSE},
	    {"a", "../b", FALSE},       {"d/a", "../..", FALSE},
	    {"a", "b/../..", FALSE},    {"d/a", "x/../../..", FALSE},
	    {"a", ".././b", FALSE},     {"a", "b//../..", FALSE},
	};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = NULL;
		if (manifest_link_check(rows[i].path, rows[i].target, &error) != rows[i].good)
			g_error("%s -> %s", rows[i].path, rows[i].target);
	}
}

/* Links that look harmless one by one leave the tree together. */
/* The one link that may leave a tree: by its own path and target only. */
static void test_shared_links(void)
{
	static const struct {
		const char *path, *target;
		gboolean good;
	} rows[] = {
	    {"uploads", "../../shared/uploads", TRUE},
	    {"data/media", "../../../shared/data/media", TRUE},
	    {"a/b/c", "../../../../shared/a/b/c", TRUE},
	    {"shared", "../../shared/shared", TRUE},
	    {"uploads", "../../shared/other", FALSE},
	    {"uploads", "../../shared", FALSE},
	    {"uploads", "../../shared/", FALSE},
	    {"uploads", "../../shared/uploads/", FALSE},
	    {"uploads", "../../shared/uploads/..", FALSE},
	    {"uploads", "../../shared/./uploads", FALSE},
	    {"uploads", "../..//shared/uploads", FALSE},
	    {"uploads", "../../../shared/uploads", FALSE},
	    {"uploads", "../shared/uploads", FALSE},
	    {"uploads", "../../releases/uploads", FALSE},
	    {"data/media", "../../shared/data/media", FALSE},
	    {"data/media", "../../../shared/media", FALSE},
	    {"uploads", "/shared/uploads", FALSE},
	};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = NULL;
		if (manifest_link_check(rows[i].path, rows[i].target, &error) != rows[i].good)
			g_error("row %u", i);
		g_autofree char *target = manifest_shared_target(rows[i].path);
		g_assert_true((strcmp(target, rows[i].target) == 0) == rows[i].good);
	}
	/* no other link leads through it */
	Manifest *through = manifest_new();
	add(through, MANIFEST_LINK, "uploads", "../../shared/uploads");
	add(through, MANIFEST_LINK, "logo", "uploads/logo.png");
	assert_refused(through, "logo -> uploads/logo.png: followed through other links");
	/* nor is a tree's own folder reached by a link on the way */
	Manifest *beneath = manifest_new();
	add(beneath, MANIFEST_LINK, "data", "lib");
	add(beneath, MANIFEST_DIR, "lib", NULL);
	add(beneath, MANIFEST_LINK, "data/media", "../../../shared/data/media");
	assert_refused(beneath, "data/media: its folder is no folder");
}

static void test_with_shared(void)
{
	static const char *const paths[] = {"uploads", "data/media", "data/x/y", "there", NULL};
	static const struct {
		const char *path;
		ManifestType type;
		const char *words;
	} bad[] = {
	    {"uploads/a.txt", MANIFEST_FILE, "has uploads/a.txt; let the build leave it out"},
	    {"uploads", MANIFEST_FILE, "uploads is shared"},
	    {"uploads", MANIFEST_LINK, "uploads is shared"},
	    {"data", MANIFEST_FILE,
	     "data/media is shared: each base keeps its own, but the "
	     "built tree has data;"}};
	g_autoptr(GError) error = NULL;
	g_autoptr(Manifest) built = manifest_new();
	add_file(built, "index.html", 0644, "hi", 1700000000);
	add(built, MANIFEST_DIR, "uploads", NULL); /* empty: replaced */
	add(built, MANIFEST_LINK, "there", "../../shared/there");
	g_assert_true(manifest_seal(built, &error));
	g_autoptr(Manifest) with = manifest_with_shared(built, paths, &error);
	g_assert_no_error(error);
	g_autoptr(GBytes) text = manifest_format(with);
	g_autoptr(Manifest) again =
	    manifest_parse(g_bytes_get_data(text, NULL), g_bytes_get_size(text), &error);
	g_assert_no_error(error);
	g_assert_cmpuint(manifest_count(again), ==, 7); /* index.html, data, data/x, four links */
	for (guint i = 0; paths[i]; i++)
		g_assert_true(manifest_is_shared_link(manifest_find(again, paths[i])));
	g_assert_cmpint(manifest_find(again, "data/x")->type, ==, MANIFEST_DIR);
	for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(Manifest) tree = manifest_new();
		g_autoptr(GError) refused = NULL;
		if (strchr(bad[i].path, '/'))
			add(tree, MANIFEST_DIR, "uploads", NULL);
		add(tree, bad[i].type, bad[i].path, bad[i].type == MANIFEST_LINK ? "x" : NULL);
		g_assert_true(manifest_seal(tree, NULL));
		g_assert_null(manifest_with_shared(tree, paths, &refused));
		g_assert_error(refused, TS_ERROR, TS_ERROR_REFUSED);
		if (!strstr(refused->message, bad[i].words))
			g_error("\"%s\" not in \"%s\"", bad[i].words, refused->message);
	}
}

static void test_link_chains(void)
{
	Manifest *manifest = manifest_new();
	add(manifest, MANIFEST_DIR, "a", NULL);
	add(manifest, MANIFEST_DIR, "a/b", NULL);
	add(manifest, MANIFEST_LINK, "a/b/top", "../..");
	add(manifest, MANIFEST_LINK, "out", "a/b/top/..");
	assert_refused(manifest, "out -> a/b/top/..");

	manifest = manifest_new();
	add(manifest, MANIFEST_LINK, "x", "y");
	add(manifest, MANIFEST_LINK, "y", "x");
	assert_refused(manifest, "circle");

	g_autoptr(Manifest) fine = manifest_new();
	g_autoptr(GError) error = NULL;
	add(fine, MANIFEST_DIR, "a", NULL);
	add(fine, MANIFEST_DIR, "a/b", NULL);
	add(fine, MANIFEST_LINK, "a/b/top", "../..");
	add(fine, MANIFEST_LINK, "c", "a/b/top/a");
	add(fine, MANIFEST_LINK, "shared", "not/there");
	g_assert_true(manifest_seal(fine, &error));
	g_assert_no_error(error);
}

static void test_seal_refusals(void)
{
	Manifest *manifest = manifest_new();
	add(manifest, MANIFEST_FILE, "a/b", NULL);
	assert_refused(manifest, "a/b: its folder is not in the list");
	manifest = manifest_new();
	add(manifest, MANIFEST_FILE, "a", NULL);
	add(manifest, MANIFEST_FILE, "a/b", NULL);
	assert_refused(manifest, "no folder in the list");
	manifest = manifest_new();
	add(manifest, MANIFEST_LINK, "a", "c");
	add(manifest, MANIFEST_FILE, "a/b", NULL);
	assert_refused(manifest, "no folder in the list");
	manifest = manifest_new();
	add(manifest, MANIFEST_FILE, "a", NULL);
	add(manifest, MANIFEST_DIR, "a", NULL);
	assert_refused(manifest, "a is listed twice");
	manifest = manifest_new();
	add_file(manifest, "a", 0600, "", 0);
	assert_refused(manifest, "mode must be 0644 or 0755");
	manifest = manifest_new();
	add_file(manifest, "a", 0644, "", MANIFEST_MTIME_MAX + 1);
	assert_refused(manifest, "time is out of range");
}

/* Order of adding does not matter. */
static void test_order(void)
{
	g_autoptr(Manifest) one = manifest_new();
	g_autoptr(Manifest) two = manifest_new();
	g_autoptr(GError) error = NULL;
	add(one, MANIFEST_DIR, "a", NULL);
	add(one, MANIFEST_FILE, "a/b", NULL);
	add(one, MANIFEST_FILE, "a-b", NULL);
	add(two, MANIFEST_FILE, "a-b", NULL);
	add(two, MANIFEST_FILE, "a/b", NULL);
	add(two, MANIFEST_DIR, "a", NULL);
	g_assert_true(manifest_seal(one, &error));
	g_assert_true(manifest_seal(two, &error));
	char root_one[UTIL_SHA256_HEX];
	char root_two[UTIL_SHA256_HEX];
	manifest_root(one, root_one);
	manifest_root(two, root_two);
	g_assert_cmpstr(root_one, ==, root_two);
	g_assert_cmpstr(manifest_entry(one, 1)->path, ==, "a-b");
}

static void test_mtimes(void)
{
	g_autoptr(Manifest) old = manifest_new();
	g_autoptr(Manifest) now = manifest_new();
	g_autoptr(GError) error = NULL;
	add_file(old, "same", 0644, "x", 1000);
	add_file(old, "changed", 0644, "x", 1000);
	add_file(old, "changed-late", 0644, "x", 9000);
	add_file(old, "mode", 0644, "x", 1000);
	add_file(old, "moved", 0644, "m", 1000);
	add_file(now, "same", 0644, "x", 77);
	add_file(now, "changed", 0644, "y", 77);
	add_file(now, "changed-late", 0644, "y", 77);
	add_file(now, "mode", 0755, "x", 77);
	add_file(now, "moved-here", 0644, "m", 77);
	g_assert_true(manifest_seal(old, &error));
	g_assert_true(manifest_seal(now, &error));
	manifest_assign_mtimes(now, old, 5000);
	g_assert_cmpint(manifest_find(now, "same")->mtime_s, ==, 1000);
	g_assert_cmpint(manifest_find(now, "changed")->mtime_s, ==, 5000);
	g_assert_cmpint(manifest_find(now, "changed-late")->mtime_s, ==, 9001);
	g_assert_cmpint(manifest_find(now, "mode")->mtime_s, ==, 5000);
	g_assert_cmpint(manifest_find(now, "moved-here")->mtime_s, ==, 5000);
	manifest_assign_mtimes(now, NULL, 6000);
	g_assert_cmpint(manifest_find(now, "same")->mtime_s, ==, 6000);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/manifest/golden", test_golden);
	g_test_add_func("/manifest/parse-refusals", test_parse_refusals);
	g_test_add_func("/manifest/damage", test_damage);
	g_test_add_func("/manifest/paths", test_paths);
	g_test_add_func("/manifest/quote", test_quote);
	g_test_add_func("/manifest/links", test_links);
	g_test_add_func("/manifest/link-chains", test_link_chains);
	g_test_add_func("/manifest/shared-links", test_shared_links);
	g_test_add_func("/manifest/with-shared", test_with_shared);
	g_test_add_func("/manifest/seal-refusals", test_seal_refusals);
	g_test_add_func("/manifest/order", test_order);
	g_test_add_func("/manifest/mtimes", test_mtimes);
	return g_test_run();
}
