/* SPDX-License-Identifier: ISC */
/* Versions stored and exported, bound, removed; decisions; what was seen. */
#include <glib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../repo/git-run.h"
#include "library/library.h"
#include "tree/tree.h"

#define COMMIT "1111111111111111111111111111111111111111"
#define OTHER "2222222222222222222222222222222222222222"
#define TAG_UTC 1700000000

typedef struct {
	TmpDir dir;
	Library *library;
	char *built;
} Fixture;

static void setup(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	(void)data;
	f->dir = tmp_dir();
	f->built = tmp_path(&f->dir, "built");
	g_assert_cmpint(mkdir(f->built, 0755), ==, 0);
	f->library = library_open(f->dir.path, &error);
	g_assert_no_error(error);
}

static void teardown(Fixture *f, gconstpointer data)
{
	g_autofree char *path = g_strdup(repo_path(library_repo(f->library)));

	(void)data;
	library_free(f->library);
	assert_fsck(path);
	g_free(f->built);
	tmp_dir_clear(&f->dir);
}

static void put(Fixture *f, const char *name, const char *text)
{
	g_autofree char *path = g_build_filename(f->built, name, NULL);
	g_autofree char *parent = g_path_get_dirname(path);

	g_assert_cmpint(g_mkdir_with_parents(parent, 0755), ==, 0);
	write_text(path, text);
}

static void put_sample(Fixture *f)
{
	g_autofree char *link = g_build_filename(f->built, "css/link", NULL);
	g_autofree char *empty = g_build_filename(f->built, "void/deep", NULL);
	g_autofree char *run = g_build_filename(f->built, "run.sh", NULL);

	put(f, "index.html", "<h1>one</h1>\n");
	put(f, "css/app.css", "body {}\n");
	put(f, "css-old", "sorts between\n");
	put(f, "css/deep/er/file", "deep\n");
	put(f, "run.sh", "#!/bin/sh\n");
	put(f, "empty", "");
	g_assert_cmpint(chmod(run, 0755), ==, 0);
	g_assert_cmpint(symlink("app.css", link), ==, 0);
	g_assert_cmpint(g_mkdir_with_parents(empty, 0755), ==, 0);
}

static Manifest *scan(const char *path)
{
	g_autoptr(GError) error = NULL;
	TreeScan options = {.normalize = TRUE};
	util_autofd int fd = util_fs_open_dir(AT_FDCWD, path, &error);
	Manifest *manifest = tree_scan(fd, &options, &error);

	g_assert_no_error(error);
	return manifest;
}

static LibraryVersion *named(const char *app, const char *name, const char *commit,
			     gint64 built_utc)
{
	LibraryVersion *version = library_version_new();

	version->app = g_strdup(app);
	version->version = g_strdup(name);
	version->commit = g_strdup(commit);
	version->built_utc = built_utc;
	version->job = g_strdup("job-1");
	return version;
}

static gboolean store(Fixture *f, LibraryVersion *version, const Manifest *previous, gint64 tag_utc,
		      GError **error)
{
	g_autoptr(Manifest) manifest = scan(f->built);
	util_autofd int fd = util_fs_open_dir(AT_FDCWD, f->built, NULL);

	return library_store(f->library, fd, manifest, previous, tag_utc, version, error);
}

static LibraryVersion *must_store(Fixture *f, const char *name, const char *commit,
				  const char *before, gint64 tag_utc)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Manifest) previous = NULL;
	LibraryVersion *version = named("shop", name, commit, tag_utc);

	if (before) {
		previous = library_manifest(f->library, "shop", before, &error);
		g_assert_no_error(error);
	}
	(void)store(f, version, previous, tag_utc, &error);
	g_assert_no_error(error);
	return version;
}

/* The exported tree is what the manifest says, to the mtime. */
static void assert_export(Fixture *f, const char *name, const char *folder)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Manifest) manifest = NULL;
	g_autofree char *dest = tmp_path(&f->dir, folder);
	util_autofd int fd = -1;

	g_assert_cmpint(mkdir(dest, 0755), ==, 0);
	(void)library_export(f->library, "shop", name, dest, &manifest, &error);
	g_assert_no_error(error);
	fd = util_fs_open_dir(AT_FDCWD, dest, NULL);
	(void)tree_check(fd, manifest, NULL, NULL, &error);
	g_assert_no_error(error);
}

static void test_store(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(LibraryVersion) stored = NULL;
	g_autoptr(LibraryVersion) read = NULL;
	g_autoptr(LibraryVersion) by_root = NULL;
	g_autofree char *listed = NULL;
	const char *path = repo_path(library_repo(f->library));

	(void)data;
	put_sample(f);
	stored = must_store(f, "v1.0", COMMIT, NULL, TAG_UTC);
	g_assert_cmpuint(stored->files, ==, 6);
	g_assert_true(util_sha256_hex_ok(stored->root));
	read = library_version(f->library, "shop", "v1.0", &error);
	g_assert_no_error(error);
	g_assert_cmpstr(read->root, ==, stored->root);
	g_assert_cmpstr(read->commit, ==, COMMIT);
	g_assert_cmpstr(read->job, ==, "job-1");
	g_assert_cmpuint(read->bytes, ==, stored->bytes);
	g_assert_cmpint(read->built_utc, ==, TAG_UTC);
	g_assert_false(read->bound);
	listed = git(path, "ls-tree", "-r", "refs/versions/shop/v1.0",
		     "--format=%(objectmode) %(path)", NULL);
	g_assert_cmpstr(listed, ==,
			"100644 manifest\n100644 tree/css-old\n100644 tree/css/app.css\n"
			"100644 tree/css/deep/er/file\n120000 tree/css/link\n100644 tree/empty\n"
			"100644 tree/index.html\n100755 tree/run.sh");
	assert_export(f, "v1.0", "out");
	by_root = library_by_root(f->library, "shop", stored->root, &error);
	g_assert_cmpstr(by_root->version, ==, "v1.0");
	g_assert_null(library_by_root(f->library, "shop", COMMIT, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
	g_clear_error(&error);
	g_assert_null(library_version(f->library, "shop", "v2.0", &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
	g_clear_error(&error);
	g_assert_null(library_version(f->library, "cms", "v1.0", &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
	g_clear_error(&error);
	g_assert_null(library_version(f->library, "../x", "v1.0", &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_USAGE);
	/* packed by gc, all is as before */
	g_free(git(path, "gc", "-q", "--prune=now", NULL));
	assert_export(f, "v1.0", "out-packed");
}

static void test_store_again(Fixture *f, gconstpointer data)
{
	g_autoptr(LibraryVersion) one = NULL;
	g_autoptr(LibraryVersion) two = NULL;
	g_autofree char *before = NULL;
	g_autofree char *after = NULL;
	const char *path = repo_path(library_repo(f->library));

	(void)data;
	put_sample(f);
	one = must_store(f, "v1.0", COMMIT, NULL, TAG_UTC);
	before = git(path, "rev-parse", "refs/versions/shop/v1.0", NULL);
	/* built again later, against another version: same content, so the same root and commit */
	put(f, "index.html", "<h1>two</h1>\n");
	two = must_store(f, "v2.0", OTHER, "v1.0", TAG_UTC + 1000);
	g_assert_cmpstr(two->root, !=, one->root);
	put(f, "index.html", "<h1>one</h1>\n");
	g_clear_pointer(&two, library_version_free);
	two = must_store(f, "v1.0", COMMIT, "v2.0", TAG_UTC + 5000);
	g_assert_cmpstr(two->root, ==, one->root);
	after = git(path, "rev-parse", "refs/versions/shop/v1.0", NULL);
	g_assert_cmpstr(after, ==, before);
}

/* Unchanged files keep their mtime, changed ones get the tag's time. */
static void test_mtimes(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Manifest) two = NULL;
	g_autoptr(Manifest) three = NULL;

	(void)data;
	put_sample(f);
	library_version_free(must_store(f, "v1.0", COMMIT, NULL, TAG_UTC));
	put(f, "index.html", "<h1>two</h1>\n");
	library_version_free(must_store(f, "v2.0", OTHER, "v1.0", TAG_UTC + 1000));
	two = library_manifest(f->library, "shop", "v2.0", &error);
	g_assert_no_error(error);
	g_assert_cmpint(manifest_find(two, "index.html")->mtime_s, ==, TAG_UTC + 1000);
	g_assert_cmpint(manifest_find(two, "css/app.css")->mtime_s, ==, TAG_UTC);
	put(f, "index.html", "<h1>three</h1>\n");
	library_version_free(must_store(f, "v3.0", OTHER, "v2.0", TAG_UTC - 99));
	three = library_manifest(f->library, "shop", "v3.0", &error);
	g_assert_cmpint(manifest_find(three, "index.html")->mtime_s, ==, TAG_UTC + 1001);
	assert_export(f, "v2.0", "two");
	assert_export(f, "v3.0", "three");
}

/* Content of the version before is not written again, wherever it moved. */
static void test_known(Fixture *f, gconstpointer data)
{
	g_autofree char *big = g_strnfill(3000000, 'b');
	g_autofree char *from = g_build_filename(f->built, "big", NULL);
	g_autofree char *to = g_build_filename(f->built, "moved", NULL);
	g_autofree char *packs = NULL;
	const char *path = repo_path(library_repo(f->library));

	(void)data;
	put(f, "big", big);
	put(f, "other", "1\n");
	library_version_free(must_store(f, "v1.0", COMMIT, NULL, TAG_UTC));
	g_assert_cmpint(rename(from, to), ==, 0);
	put(f, "other", "2\n");
	library_version_free(must_store(f, "v2.0", OTHER, "v1.0", TAG_UTC + 1));
	packs = git(path, "count-objects", "-v", NULL);
	g_assert_nonnull(strstr(packs, "packs: 2"));
	assert_export(f, "v2.0", "out");
	/* even if the version it is in goes */
	g_assert_true(library_remove(f->library, "shop", "v1.0", NULL));
	g_free(git(path, "gc", "-q", "--prune=now", NULL));
	assert_export(f, "v2.0", "out-packed");
}

static void test_bind(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(LibraryVersion) version = NULL;
	g_autoptr(LibraryVersion) again = NULL;
	g_autoptr(LibraryVersion) other = NULL;

	(void)data;
	put_sample(f);
	library_version_free(must_store(f, "v1.0", COMMIT, NULL, TAG_UTC));
	/* not bound: a tag that moved is another build */
	put(f, "index.html", "<h1>two</h1>\n");
	version = must_store(f, "v1.0", OTHER, NULL, TAG_UTC);
	g_assert_true(library_bind(f->library, "shop", "v1.0", &error));
	g_assert_true(library_bind(f->library, "shop", "v1.0", &error));
	g_assert_no_error(error);
	again = library_version(f->library, "shop", "v1.0", &error);
	g_assert_true(again->bound);
	g_assert_cmpstr(again->root, ==, version->root);
	g_assert_cmpstr(again->commit, ==, OTHER);
	assert_export(f, "v1.0", "out");
	/* bound: the same again is fine, another commit or another tree is not */
	g_clear_pointer(&again, library_version_free);
	again = must_store(f, "v1.0", OTHER, NULL, TAG_UTC + 7);
	g_assert_true(again->bound);
	g_assert_cmpstr(again->root, ==, version->root);
	other = named("shop", "v1.0", COMMIT, TAG_UTC);
	g_assert_false(store(f, other, NULL, TAG_UTC, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
	g_clear_error(&error);
	put(f, "index.html", "<h1>three</h1>\n");
	g_free(other->commit);
	other->commit = g_strdup(OTHER);
	g_assert_false(store(f, other, NULL, TAG_UTC, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
	g_test_message("%s", error->message);
	g_clear_error(&error);
	g_assert_false(library_bind(f->library, "shop", "v9", &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
}

static void test_remove(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(LibraryVersion) bound = NULL;
	g_autoptr(LibraryVersion) again = NULL;
	g_autoptr(LibraryVersion) other = named("shop", "v2.0", COMMIT, TAG_UTC);
	g_autoptr(GPtrArray) versions = NULL;
	g_autofree char *count = NULL;
	const char *path = repo_path(library_repo(f->library));

	(void)data;
	put_sample(f);
	library_version_free(must_store(f, "v1.0", COMMIT, NULL, TAG_UTC));
	bound = must_store(f, "v2.0", OTHER, NULL, TAG_UTC + 1);
	g_assert_true(library_bind(f->library, "shop", "v2.0", &error));
	g_assert_true(library_remove(f->library, "shop", "v1.0", &error));
	g_assert_true(library_remove(f->library, "shop", "v2.0", &error));
	g_assert_no_error(error);
	g_assert_false(library_remove(f->library, "shop", "v2.0", &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
	g_clear_error(&error);
	g_assert_null(library_version(f->library, "shop", "v2.0", &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
	g_clear_error(&error);
	g_assert_null(library_by_root(f->library, "shop", bound->root, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
	g_clear_error(&error);
	versions = library_versions(f->library, "shop", &error);
	g_assert_cmpuint(versions->len, ==, 0);
	/* the trees are gone, but for one commit without tree */
	g_free(git(path, "gc", "-q", "--prune=now", NULL));
	count = git(path, "rev-list", "--all", "--objects", "--count", NULL);
	g_assert_cmpstr(count, ==, "2");
	/* the binding is not */
	g_assert_false(store(f, other, NULL, TAG_UTC, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
	again = must_store(f, "v2.0", OTHER, NULL, TAG_UTC + 1);
	g_assert_true(again->bound);
	g_assert_cmpstr(again->root, ==, bound->root);
	assert_export(f, "v2.0", "out");
}

static void test_names(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(LibraryVersion) folder = named("shop", "release", COMMIT, TAG_UTC);
	g_autoptr(LibraryVersion) below = named("shop", "release/1.0/a", COMMIT, TAG_UTC);
	g_autoptr(LibraryVersion) bad = named("shop", "a..b", COMMIT, TAG_UTC);
	g_autoptr(LibraryVersion) bad_app = named("Sh/op", "v1", COMMIT, TAG_UTC);
	g_autoptr(GPtrArray) versions = NULL;

	(void)data;
	put_sample(f);
	library_version_free(must_store(f, "release/1.0", COMMIT, NULL, TAG_UTC));
	library_version_free(must_store(f, "release/1.1", COMMIT, NULL, TAG_UTC + 5));
	library_version_free(must_store(f, "alpha", COMMIT, NULL, TAG_UTC + 5));
	assert_export(f, "release/1.0", "out");
	g_assert_false(store(f, folder, NULL, TAG_UTC, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
	g_test_message("%s", error->message);
	g_clear_error(&error);
	g_assert_false(store(f, below, NULL, TAG_UTC, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
	g_test_message("%s", error->message);
	g_clear_error(&error);
	g_assert_false(store(f, bad, NULL, TAG_UTC, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_USAGE);
	g_clear_error(&error);
	g_assert_false(store(f, bad_app, NULL, TAG_UTC, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_USAGE);
	g_clear_error(&error);
	/* newest build first */
	versions = library_versions(f->library, "shop", &error);
	g_assert_cmpuint(versions->len, ==, 3);
	g_assert_cmpstr(((LibraryVersion *)versions->pdata[0])->version, ==, "alpha");
	g_assert_cmpstr(((LibraryVersion *)versions->pdata[1])->version, ==, "release/1.1");
	g_assert_cmpstr(((LibraryVersion *)versions->pdata[2])->version, ==, "release/1.0");
	/* an app whose name begins like the other's */
	g_ptr_array_unref(versions);
	versions = library_versions(f->library, "sho", &error);
	g_assert_cmpuint(versions->len, ==, 0);
}

static void test_empty_tree(Fixture *f, gconstpointer data)
{
	(void)data;
	library_version_free(must_store(f, "v0", COMMIT, NULL, TAG_UTC));
	assert_export(f, "v0", "out");
}

static void test_refused_files(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(LibraryVersion) version = named("shop", "v1.0", COMMIT, TAG_UTC);
	g_autoptr(Manifest) manifest = NULL;
	util_autofd int fd = util_fs_open_dir(AT_FDCWD, f->built, NULL);

	(void)data;
	put(f, "site/.git/config", "[core]\n");
	g_assert_false(store(f, version, NULL, TAG_UTC, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
	g_assert_nonnull(strstr(error->message, ".git"));
	g_clear_error(&error);
	/* a file that changes between scan and store, by size and by content alone */
	g_assert_true(util_fs_remove_tree(fd, "site", NULL));
	put(f, "file", "1234\n");
	manifest = scan(f->built);
	put(f, "file", "4321\n");
	g_assert_false(library_store(f->library, fd, manifest, NULL, TAG_UTC, version, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_AGAIN);
	g_clear_error(&error);
	put(f, "file", "longer than before\n");
	g_assert_false(library_store(f->library, fd, manifest, NULL, TAG_UTC, version, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_AGAIN);
	g_clear_error(&error);
	g_assert_true(util_fs_remove_tree(fd, "file", NULL));
	g_assert_false(library_store(f->library, fd, manifest, NULL, TAG_UTC, version, &error));
	g_assert_nonnull(error);
	g_clear_error(&error);
	g_assert_null(library_version(f->library, "shop", "v1.0", &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
}

/* A library that says one thing and holds another. */
static void test_damaged(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *dest = tmp_path(&f->dir, "dest");
	g_autofree char *tree = NULL;
	g_autofree char *commit = NULL;
	g_autofree char *message = NULL;
	g_autofree char *inner = NULL;
	g_autofree char *made = NULL;
	Repo *repo = library_repo(f->library);
	RepoTreeEntry entry = {.name = "tree/index.html", .mode = 0100644};
	char root[REPO_OID], oid[REPO_OID];

	(void)data;
	put_sample(f);
	library_version_free(must_store(f, "v1.0", COMMIT, NULL, TAG_UTC));
	/* not into a folder that has something */
	g_assert_cmpint(mkdir(dest, 0755), ==, 0);
	made = g_build_filename(dest, "x", NULL);
	write_text(made, "x");
	g_assert_false(library_export(f->library, "shop", "v1.0", dest, NULL, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_EXISTS);
	g_clear_error(&error);
	g_assert_cmpint(unlink(made), ==, 0);
	/* other content under the same manifest */
	commit = git(repo_path(repo), "rev-parse", "refs/versions/shop/v1.0", NULL);
	tree = git(repo_path(repo), "rev-parse", "refs/versions/shop/v1.0^{tree}", NULL);
	message = git(repo_path(repo), "log", "-1", "--format=%B", commit, NULL);
	g_assert_true(repo_blob_write(repo, "<h1>evil</h1>", 13, entry.oid, &error));
	g_assert_true(repo_tree_add(repo, tree, &entry, 1, root, &error));
	{
		g_autofree char *text = g_strconcat(message, "\n", NULL);
		RepoCommitSpec spec = {
		    .tree = root, .message = text, .author = "x", .time_utc = TAG_UTC};

		g_assert_true(repo_commit_write(repo, &spec, oid, &error));
		g_assert_true(repo_ref_set(repo, "refs/versions/shop/v1.0", oid, NULL, &error));
		g_assert_no_error(error);
		g_assert_false(library_export(f->library, "shop", "v1.0", dest, NULL, &error));
		g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
		g_assert_nonnull(strstr(error->message, "index.html"));
		g_clear_error(&error);
		/* the record of one version under another's name, and a manifest that is none */
		g_assert_true(repo_ref_set(repo, "refs/versions/shop/v2.0", oid, NULL, &error));
		g_assert_null(library_version(f->library, "shop", "v2.0", &error));
		g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
		g_clear_error(&error);
		g_assert_null(library_versions(f->library, "shop", &error));
		g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
		g_clear_error(&error);
		entry.name = "manifest";
		g_assert_true(repo_tree_add(repo, tree, &entry, 1, root, &error));
		g_assert_true(repo_commit_write(repo, &spec, oid, &error));
		g_assert_true(repo_ref_set(repo, "refs/versions/shop/v1.0", oid, NULL, &error));
		g_assert_null(library_manifest(f->library, "shop", "v1.0", &error));
		g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
		g_clear_error(&error);
		spec.message = "hand made\n";
		g_assert_true(repo_commit_write(repo, &spec, oid, &error));
		g_assert_true(repo_ref_set(repo, "refs/versions/shop/v1.0", oid, NULL, &error));
		g_assert_null(library_version(f->library, "shop", "v1.0", &error));
		g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	}
}

static void test_decisions(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(UtilTrailers) text = util_trailers_new();
	g_autoptr(GBytes) tag = g_bytes_new("object 1\ntype commit\n", 21);
	g_autoptr(GBytes) other = g_bytes_new("object 2\n", 9);
	g_autoptr(GBytes) read = NULL;
	g_autoptr(GPtrArray) decisions = NULL;
	g_autoptr(GPtrArray) releases = NULL;
	const LibraryDecision *decision;

	(void)data;
	g_assert_null(library_decisions(f->library, "shop", COMMIT, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
	g_clear_error(&error);
	util_trailers_add(text, "Version", "v1");
	util_trailers_add(text, "Note", "two\nlines");
	util_trailers_add(text, "Base", "haikou");
	util_trailers_add(text, "Base", "oslo");
	g_assert_true(
	    library_decide(f->library, "shop", COMMIT, "accepted", text, tag, 100, &error));
	g_assert_no_error(error);
	g_assert_true(library_decide(f->library, "shop", COMMIT, "built", NULL, NULL, 200, &error));
	g_assert_true(
	    library_decide(f->library, "shop", COMMIT, "ordered", text, tag, 300, &error));
	g_assert_no_error(error);
	g_assert_false(
	    library_decide(f->library, "shop", COMMIT, "accepted", text, other, 400, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_EXISTS);
	g_clear_error(&error);
	g_assert_true(library_decide(f->library, "shop", OTHER, "history", NULL, NULL, 50, &error));
	decisions = library_decisions(f->library, "shop", COMMIT, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(decisions->len, ==, 3);
	decision = decisions->pdata[0];
	g_assert_cmpstr(decision->decision, ==, "accepted");
	g_assert_cmpint(decision->time_utc, ==, 100);
	g_assert_cmpstr(util_trailers_get(decision->text, "Note"), ==, "two\nlines");
	g_assert_cmpuint(util_trailers_count(decision->text), ==, 5);
	decision = decisions->pdata[2];
	g_assert_cmpstr(decision->decision, ==, "ordered");
	read = library_release_tag(f->library, "shop", COMMIT, &error);
	g_assert_true(g_bytes_equal(read, tag));
	g_assert_null(library_release_tag(f->library, "shop", OTHER, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
	g_clear_error(&error);
	releases = library_releases(f->library, "shop", &error);
	g_assert_cmpuint(releases->len, ==, 2);
	g_assert_cmpstr(releases->pdata[0], ==, COMMIT);
	g_assert_cmpstr(releases->pdata[1], ==, OTHER);
	g_assert_false(library_decide(f->library, "shop", "nonsense", "x", NULL, NULL, 1, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_USAGE);
}

/* Two writers at once: what one wrote is never lost, the other gets AGAIN. */
static void test_decide_race(Fixture *f, gconstpointer data)
{
	enum { WRITERS = 3, EACH = 5 };
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) decisions = NULL;
	pid_t pids[WRITERS];

	(void)data;
	for (int w = 0; w < WRITERS; w++) {
		pids[w] = fork();
		g_assert_cmpint(pids[w], >=, 0);
		if (pids[w] > 0)
			continue;
		for (int i = 0; i < EACH;) {
			g_autoptr(Library) own = library_open(f->dir.path, NULL);
			g_autoptr(GError) lost = NULL;

			if (!own)
				_exit(1);
			if (library_decide(own, "shop", COMMIT, "tick", NULL, NULL, 100, &lost))
				i++;
			else if (!g_error_matches(lost, TS_ERROR, TS_ERROR_AGAIN))
				_exit(2);
		}
		_exit(0);
	}
	for (int w = 0; w < WRITERS; w++) {
		int status = 0;

		g_assert_cmpint(waitpid(pids[w], &status, 0), ==, pids[w]);
		g_assert_cmpint(status, ==, 0);
	}
	decisions = library_decisions(f->library, "shop", COMMIT, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(decisions->len, ==, WRITERS * EACH);
}

static void test_seen(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GHashTable) seen = library_seen(f->library, "shop", &error);
	g_autoptr(GHashTable) map = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	g_autofree char *one = NULL;
	g_autofree char *two = NULL;
	g_autofree char *parents = NULL;
	const char *path = repo_path(library_repo(f->library));

	(void)data;
	g_assert_no_error(error);
	g_assert_null(seen);
	/* seen, and nothing there, is something else */
	g_assert_true(library_seen_set(f->library, "shop", map, 100, &error));
	g_assert_no_error(error);
	seen = library_seen(f->library, "shop", &error);
	g_assert_cmpuint(g_hash_table_size(seen), ==, 0);
	g_hash_table_unref(seen);
	for (int i = 0; i < 10000; i++)
		(void)g_hash_table_insert(map, g_strdup_printf("refs/tags/caf\xc3\xa9/v%d", i),
					  g_strdup_printf("%040x", i));
	g_assert_true(library_seen_set(f->library, "shop", map, 200, &error));
	g_assert_no_error(error);
	one = git(path, "rev-parse", "refs/seen/shop", NULL);
	seen = library_seen(f->library, "shop", &error);
	g_assert_cmpuint(g_hash_table_size(seen), ==, 10000);
	g_assert_cmpstr(g_hash_table_lookup(seen, "refs/tags/caf\xc3\xa9/v255"), ==,
			"00000000000000000000000000000000000000ff");
	/* the same again writes nothing */
	g_assert_true(library_seen_set(f->library, "shop", seen, 300, &error));
	two = git(path, "rev-parse", "refs/seen/shop", NULL);
	g_assert_cmpstr(two, ==, one);
	parents = git(path, "log", "--format=%P", "refs/seen/shop", NULL);
	g_assert_cmpstr(parents, ==, "");
	(void)g_hash_table_insert(map, g_strdup("refs/heads/x"), g_strdup("not an id"));
	g_assert_false(library_seen_set(f->library, "shop", map, 400, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_USAGE);
	g_clear_error(&error);
	g_assert_null(library_seen(f->library, "Not An App", &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_USAGE);
}

static void test_seen_damaged(Fixture *f, gconstpointer data)
{
	static const char *const texts[] = {
	    "x\n",
	    COMMIT "\n",
	    COMMIT " \n",
	    COMMIT " refs/heads/x",
	    COMMIT " refs/heads/x\n" COMMIT " refs/heads/x\n",
	    COMMIT "\trefs/heads/x\n",
	};
	Repo *repo = library_repo(f->library);

	(void)data;
	for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_autoptr(GError) error = NULL;
		RepoTreeEntry entry = {.name = "refs", .mode = 0100644};
		char tree[REPO_OID], oid[REPO_OID];
		RepoCommitSpec spec = {.tree = tree, .message = "x\n", .author = "x"};

		g_assert_true(repo_blob_write(repo, texts[i], strlen(texts[i]), entry.oid, NULL));
		g_assert_true(repo_tree_write(repo, &entry, 1, tree, NULL));
		g_assert_true(repo_commit_write(repo, &spec, oid, NULL));
		g_assert_true(repo_ref_set(repo, "refs/seen/shop", oid, NULL, NULL));
		g_assert_null(library_seen(f->library, "shop", &error));
		g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	}
}

#define ADD(name, func) g_test_add(name, Fixture, NULL, setup, func, teardown)

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("/library/store", test_store);
	ADD("/library/store/again", test_store_again);
	ADD("/library/store/mtimes", test_mtimes);
	ADD("/library/store/known", test_known);
	ADD("/library/store/empty", test_empty_tree);
	ADD("/library/store/refused", test_refused_files);
	ADD("/library/bind", test_bind);
	ADD("/library/remove", test_remove);
	ADD("/library/names", test_names);
	ADD("/library/damaged", test_damaged);
	ADD("/library/decisions", test_decisions);
	ADD("/library/decisions/race", test_decide_race);
	ADD("/library/seen", test_seen);
	ADD("/library/seen/damaged", test_seen_damaged);
	return g_test_run();
}
