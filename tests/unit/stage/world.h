/* SPDX-License-Identifier: ISC */
/* A base and a workshop in a temporary folder, for the tests of staging. */
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include "stage/stage.h"
#include "tree/tree.h"

/* A base with the app "shop", and a workshop where trees and bundles are made. */
typedef struct {
	char *path;
	int dirfd, root_dirfd;
	char *root_path, *app_path;
	ConfBaseApp app;
	Order *order;
} World;

static const char *const folders[] = {"root",         "root/partial",    "root/trees", "app",
				      "app/releases", "app/pre-release", "shop"};

static inline void setup(World *world, gconstpointer data)
{
	(void)data; /* the same for all */
	memset(world, 0, sizeof *world);
	world->path = g_dir_make_tmp("tagship-stage-XXXXXX", NULL);
	world->dirfd = util_fs_open_dir(AT_FDCWD, world->path, NULL);
	for (guint i = 0; i < G_N_ELEMENTS(folders); i++)
		g_assert_true(util_fs_mkdir(world->dirfd, folders[i], 0755, NULL));
	world->root_path = g_build_filename(world->path, "root", NULL);
	world->app_path = g_build_filename(world->path, "app", NULL);
	world->root_dirfd = util_fs_open_dir(AT_FDCWD, world->root_path, NULL);
	world->app.name = g_strdup("shop");
	world->app.dir = world->app_path;
	world->app.on_altered = g_strdup("want");
}

static inline void teardown(World *world, gconstpointer data)
{
	(void)data; /* as above */
	order_free(world->order);
	g_assert_cmpint(close(world->root_dirfd), ==, 0);
	g_assert_cmpint(close(world->dirfd), ==, 0);
	g_assert_true(util_fs_remove_tree(AT_FDCWD, world->path, NULL));
	g_free(world->app.name);
	g_free(world->app.on_altered);
	g_free(world->root_path);
	g_free(world->app_path);
	g_free(world->path);
}

static inline StageSpec make_spec(const World *world)
{
	return (StageSpec){.root_path = world->root_path,
			   .root_dirfd = world->root_dirfd,
			   .app = &world->app,
			   .order = world->order,
			   .memory_bytes = (guint64)128 * 1024 * 1024,
			   .min_free_bytes = 1000};
}

static inline void put(const World *world, const char *path, const char *text)
{
	g_autoptr(GError) error = NULL;
	(void)util_fs_write_file(world->dirfd, path, text, strlen(text), 0644, &error);
	g_assert_no_error(error);
}

/* A version in the workshop: index.html with `text`, a large file that is the same in all, a folder
 * and a link. Returns its root. */
static inline char *make_version(const World *world, const char *version, const char *text)
{
	g_autoptr(GError) error = NULL;
	char root[UTIL_SHA256_HEX];
	g_autofree char *dir = g_strconcat("shop/", version, NULL);
	g_autofree char *sub = g_strconcat(dir, "/lib", NULL);
	g_autofree char *index = g_strconcat(dir, "/index.html", NULL);
	g_autofree char *large = g_strconcat(sub, "/large.txt", NULL);
	g_autofree char *link = g_strconcat(dir, "/again", NULL);
	GString *body = g_string_new(NULL);
	for (guint i = 0; i < 3000; i++)
		g_string_append_printf(body, "line %u of a file that stays\n", i * i);
	g_assert_true(util_fs_mkdir(world->dirfd, dir, 0755, &error));
	g_assert_true(util_fs_mkdir(world->dirfd, sub, 0755, &error));
	put(world, index, text);
	put(world, large, body->str);
	/* the same in all, also when the versions are made in two seconds */
	const struct timespec times[2] = {{1700000000, 0}, {1700000000, 0}};
	g_assert_cmpint(utimensat(world->dirfd, large, times, 0), ==, 0);
	g_string_free(body, TRUE);
	g_assert_true(util_fs_symlink(world->dirfd, "index.html", link, &error));
	util_autofd int dirfd = util_fs_open_dir(world->dirfd, dir, &error);
	TreeScan scan = {.normalize = TRUE};
	g_autoptr(Manifest) manifest = tree_scan(dirfd, &scan, &error);
	g_assert_no_error(error);
	g_assert_true(tree_finish(dirfd, manifest, NULL, &error));
	manifest_root(manifest, root);
	return g_strdup(root);
}

/* A bundle between two versions of the workshop (NULL: from nothing) in root/partial. */
static inline BundleInfo *make_bundle(const World *world, const char *from, const char *to)
{
	g_autoptr(GError) error = NULL;
	TreeScan scan = {0};
	BundleTree trees[2] = {{.dirfd = -1}, {.dirfd = -1}};
	const char *const names[] = {from, to};
	BundleInfo *info = NULL;
	BundleMakeOptions options = {0};
	for (guint i = 0; i < 2; i++) {
		if (!names[i])
			continue;
		g_autofree char *dir = g_strconcat("shop/", names[i], NULL);
		trees[i].dirfd = util_fs_open_dir(world->dirfd, dir, &error);
		trees[i].manifest = tree_scan(trees[i].dirfd, &scan, &error);
		g_assert_no_error(error);
	}
	util_autofd int partial = util_fs_open_dir(world->root_dirfd, "partial", &error);
	g_autofree char *name = NULL;
	util_autofd int fd = store_blob_new(partial, &name, &error);
	(void)bundle_make(&trees[0], &trees[1], fd, &options, &info, &error);
	g_assert_no_error(error);
	char sha256[UTIL_SHA256_HEX];
	guint64 bytes = 0;
	g_assert_true(store_blob_keep(partial, name, fd, sha256, &bytes, &error));
	for (guint i = 0; i < 2; i++) {
		if (trees[i].dirfd >= 0)
			g_assert_cmpint(close(trees[i].dirfd), ==, 0);
		union {
			const Manifest *in;
			Manifest *out;
		} cast = {.in = trees[i].manifest};
		manifest_free(cast.out);
	}
	return info;
}

static inline void new_order(World *world, const char *version, const char *root)
{
	order_free(world->order);
	world->order = order_new(ORDER_KIND_ORDER);
	world->order->app = g_strdup("shop");
	world->order->version = g_strdup(version);
	world->order->root = g_strdup(root);
	world->order->bytes = 100 * 1000;
}

static inline void add_bundle(World *world, const BundleInfo *info)
{
	order_add_bundle(world->order, info->old_root, info->sha256, info->bytes, info->codec,
			 info->decoded_bytes, info->memory_bytes);
}

static inline StageResult *stage(World *world)
{
	g_autoptr(GError) error = NULL;
	StageSpec spec = make_spec(world);
	StageResult *result = NULL;
	(void)stage_run(&spec, &result, &error);
	g_assert_no_error(error);
	return result;
}

static inline void stage_fails(World *world, int code, const char *why)
{
	g_autoptr(GError) error = NULL;
	StageSpec spec = make_spec(world);
	StageResult *result = NULL;
	g_assert_false(stage_run(&spec, &result, &error));
	g_test_message("%s", error->message);
	g_assert_error(error, TS_ERROR, code);
	if (why)
		g_assert_nonnull(strstr(error->message, why));
	/* nothing is left half done */
	g_autofree char *pre = g_build_filename(world->app_path, "pre-release", NULL);
	g_autoptr(GDir) dir = g_dir_open(pre, 0, NULL);
	const char *name = NULL;
	while ((name = g_dir_read_name(dir)))
		g_assert_false(g_str_has_prefix(name, ".tmp-"));
}

/* The tree at app/FOLDER/TREE is exactly the one of this root. */
static inline void assert_tree(const World *world, const char *folder, const char *tree,
			       const char *root)
{
	g_autoptr(GError) error = NULL;
	char found[UTIL_SHA256_HEX];
	TreeScan scan = {0};
	g_autofree char *path = g_strdup_printf("app/%s/%s", folder, tree);
	util_autofd int dirfd = util_fs_open_dir(world->dirfd, path, &error);
	g_autoptr(Manifest) manifest = tree_scan(dirfd, &scan, &error);
	g_assert_no_error(error);
	manifest_root(manifest, found);
	g_assert_cmpstr(found, ==, root);
	struct stat st;
	g_assert_cmpint(fstat(dirfd, &st), ==, 0);
	g_assert_cmpint(st.st_mode & 07777, ==, 0755);
}

/* Stages v1 from a plain bundle and moves it to releases, current. Returns root and tree. */
static inline char *v1_live(World *world, char **ret_tree)
{
	g_autofree char *root = make_version(world, "v1", "one");
	g_autoptr(BundleInfo) info = make_bundle(world, NULL, "v1");
	new_order(world, "v1", root);
	add_bundle(world, info);
	g_autoptr(StageResult) result = stage(world);
	g_assert_cmpstr(result->how, ==, "plain");
	assert_tree(world, "pre-release", result->tree, root);
	g_autofree char *from = g_strconcat("app/pre-release/", result->tree, NULL);
	g_autofree char *to = g_strconcat("app/releases/", result->tree, NULL);
	g_autofree char *target = g_strconcat("releases/", result->tree, NULL);
	g_assert_true(util_fs_rename(world->dirfd, from, world->dirfd, to, NULL));
	g_assert_true(util_fs_symlink_replace(world->dirfd, target, "app/current", NULL));
	g_autofree char *blob = g_strconcat("root/partial/", info->sha256, NULL);
	g_assert_true(util_fs_unlink(world->dirfd, blob, NULL));
	if (ret_tree)
		*ret_tree = g_strdup(result->tree);
	return g_steal_pointer(&root);
}

/* v2 ordered, with its delta from v1 on disk. */
static inline char *v2_ordered(World *world, BundleInfo **ret_info)
{
	g_autofree char *root = make_version(world, "v2", "two");
	BundleInfo *info = make_bundle(world, "v1", "v2");
	g_assert_cmpstr(info->codec, ==, "delta");
	new_order(world, "v2", root);
	add_bundle(world, info);
	*ret_info = info;
	return g_steal_pointer(&root);
}

static inline void alter(const World *world, const char *folder, const char *tree, const char *file)
{
	g_autofree char *path = g_strdup_printf("app/%s/%s/%s", folder, tree, file);
	put(world, path, "by hand");
}
