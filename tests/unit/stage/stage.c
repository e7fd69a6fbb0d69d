/* SPDX-License-Identifier: ISC */
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/statvfs.h>

#include "world.h"

static void test_names(void)
{
	g_autofree char *name = stage_tree_name("v1.4.0", "1a2b3c4d5e6f");
	g_assert_cmpstr(name, ==, "v1.4.0-1a2b3c4d");
	g_autofree char *slash = stage_tree_name("plan/friday", "1a2b3c4d5e6f");
	g_assert_cmpstr(slash, ==, "plan-friday-1a2b3c4d");
}

static void test_plain_then_delta(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(BundleInfo) info = NULL;
	g_autofree char *v1 = v1_live(world, NULL);
	g_autofree char *v2 = v2_ordered(world, &info);
	g_autoptr(StageResult) result = stage(world);
	g_assert_true(g_str_has_prefix(result->how, "delta from v1-"));
	g_assert_cmpuint(result->altered->len, ==, 0);
	assert_tree(world, "pre-release", result->tree, v2);
	g_autofree char *expected = stage_tree_name("v2", v2);
	g_assert_cmpstr(result->tree, ==, expected);
	/* again: it is held, and not built a second time */
	g_autoptr(StageResult) again = stage(world);
	g_assert_cmpstr(again->how, ==, "held");
	g_assert_cmpstr(again->tree, ==, result->tree);
}

static guint64 link_count(const World *world, const char *folder, const char *tree,
			  const char *file, struct stat *ret_st)
{
	g_autofree char *path = g_strdup_printf("app/%s/%s/%s", folder, tree, file);
	g_assert_cmpint(fstatat(world->dirfd, path, ret_st, AT_SYMLINK_NOFOLLOW), ==, 0);
	return ret_st->st_nlink;
}

/* What did not change has two names, and the numbers of the old tree are renewed with it: it is not
 * hashed again before go-live. A change by hand is found in both. */
static void test_hard_links(World *world, gconstpointer data)
{
	(void)data;
	g_autofree char *tree = NULL;
	g_autofree char *v1 = v1_live(world, &tree);
	g_autoptr(BundleInfo) info = NULL;
	g_autofree char *v2 = v2_ordered(world, &info);
	struct stat st;
	g_autofree char *path = g_strdup_printf("root/trees/%s.stat", v1);
	g_autofree char *stats = NULL;
	g_autoptr(GError) error = NULL;
	gsize len = 0;
	world->app.hard_links = TRUE;
	g_autoptr(StageResult) result = stage(world);
	assert_tree(world, "pre-release", result->tree, v2);
	g_assert_cmpuint(link_count(world, "releases", tree, "lib/large.txt", &st), ==, 2);
	g_autofree char *ctime = g_strdup_printf(" %" G_GINT64_FORMAT ".%09ld lib/large.txt\n",
						 (gint64)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
	g_assert_cmpuint(link_count(world, "releases", tree, "index.html", &st), ==, 1);
	g_assert_true(util_fs_read_file(world->dirfd, path, 100000, &stats, &len, &error));
	g_assert_nonnull(strstr(stats, ctime));
	assert_tree(world, "releases", tree, v1);
	/* in place */
	g_autofree char *large = g_strdup_printf("app/releases/%s/lib/large.txt", tree);
	util_autofd int fd = openat(world->dirfd, large, O_WRONLY | O_CLOEXEC);
	g_assert_true(util_fs_pwrite_all(fd, "by hand", 7, 0, &error));
	g_autofree char *staged = g_strconcat("app/pre-release/", result->tree, NULL);
	util_autofd int dirfd = util_fs_open_dir(world->dirfd, staged, &error);
	g_autofree char *manifest_path = g_strdup_printf("root/trees/%s.manifest", v2);
	g_autofree char *text = NULL;
	g_assert_true(util_fs_read_file(world->dirfd, manifest_path, 100000, &text, &len, &error));
	g_autoptr(Manifest) manifest = manifest_parse(text, len, &error);
	g_assert_false(tree_check(dirfd, manifest, NULL, NULL, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
}

/* One of the names goes with its tree: the numbers of the other are renewed, or go-live would hash
 * all of it again. */
static void test_renew(World *world, gconstpointer data)
{
	(void)data;
	g_autofree char *tree = NULL;
	g_autofree char *v1 = v1_live(world, &tree);
	g_autoptr(BundleInfo) info = NULL;
	g_autofree char *v2 = v2_ordered(world, &info);
	g_autoptr(GError) error = NULL;
	struct stat st;
	gsize len = 0;
	world->app.hard_links = TRUE;
	g_autoptr(StageResult) result = stage(world);
	g_autofree char *old = g_strconcat("app/releases/", tree, NULL);
	g_usleep(20000); /* a clock tick of the file system's */
	g_assert_true(util_fs_remove_tree(world->dirfd, old, &error));
	StageSpec spec = make_spec(world);
	spec.order = NULL;
	g_assert_true(stage_recheck(&spec, &error));
	g_assert_cmpuint(link_count(world, "pre-release", result->tree, "lib/large.txt", &st), ==,
			 1);
	g_autofree char *ctime = g_strdup_printf(" %" G_GINT64_FORMAT ".%09ld lib/large.txt\n",
						 (gint64)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
	g_autofree char *path = g_strdup_printf("root/trees/%s.stat", v2);
	g_autofree char *stats = NULL;
	g_assert_true(util_fs_read_file(world->dirfd, path, 100000, &stats, &len, &error));
	g_assert_nonnull(strstr(stats, ctime));
	/* not of what was altered */
	alter(world, "pre-release", result->tree, "lib/large.txt");
	g_assert_true(stage_recheck(&spec, &error));
	g_autofree char *same = NULL;
	g_assert_true(util_fs_read_file(world->dirfd, path, 100000, &same, &len, &error));
	g_assert_cmpstr(same, ==, stats);
}

/* An order for a tree that is in releases needs no bundle, whatever its version is called. */
static void test_held(World *world, gconstpointer data)
{
	(void)data;
	g_autofree char *tree = NULL;
	g_autofree char *v1 = v1_live(world, &tree);
	new_order(world, "v9", v1);
	g_autoptr(StageResult) result = stage(world);
	g_assert_cmpstr(result->how, ==, "held");
	g_assert_cmpstr(result->tree, ==, tree);
}

/* The old tree was altered where the delta needs it: named, remembered, and the plain one used. */
static void test_altered_old(World *world, gconstpointer data)
{
	(void)data;
	g_autofree char *tree = NULL;
	g_autoptr(BundleInfo) info = NULL;
	g_autofree char *v1 = v1_live(world, &tree);
	g_autofree char *v2 = v2_ordered(world, &info);
	alter(world, "releases", tree, "lib/large.txt");
	stage_fails(world, TS_ERROR_CORRUPT, "large.txt");
	stage_fails(world, TS_ERROR_REFUSED, NULL); /* remembered */
	g_autofree char *mark = g_strdup_printf("root/trees/%s.altered", v1);
	g_autofree char *text = NULL;
	g_assert_true(util_fs_read_file(world->dirfd, mark, 1000, &text, NULL, NULL));
	g_autofree char *expected = g_strdup_printf("%s: lib/large.txt\n", tree);
	g_assert_cmpstr(text, ==, expected);
	g_autoptr(BundleInfo) plain = make_bundle(world, NULL, "v2");
	add_bundle(world, plain);
	g_autoptr(StageResult) result = stage(world);
	g_assert_cmpstr(result->how, ==, "plain");
	assert_tree(world, "pre-release", result->tree, v2);
}

/* Both bundles are there: the altered tree is said, and the other one is used in the same run. */
static void test_altered_says(World *world, gconstpointer data)
{
	(void)data;
	g_autofree char *tree = NULL;
	g_autoptr(BundleInfo) info = NULL;
	g_autofree char *v1 = v1_live(world, &tree);
	g_autofree char *v2 = v2_ordered(world, &info);
	g_autoptr(BundleInfo) plain = make_bundle(world, NULL, "v2");
	add_bundle(world, plain);
	alter(world, "releases", tree, "lib/large.txt");
	g_autoptr(StageResult) result = stage(world);
	g_assert_cmpstr(result->how, ==, "plain");
	g_assert_cmpuint(result->altered->len, ==, 1);
	g_autofree char *expected = g_strdup_printf("%s: lib/large.txt", tree);
	g_assert_cmpstr(result->altered->pdata[0], ==, expected);
}

/* A changed file that the bundle does not need: said, and the delta is used all the same. */
static void test_altered_harmless(World *world, gconstpointer data)
{
	(void)data;
	g_autofree char *tree = NULL;
	g_autoptr(BundleInfo) info = NULL;
	g_autofree char *v1 = v1_live(world, &tree);
	g_autofree char *v2 = v2_ordered(world, &info);
	g_autofree char *more = g_strdup_printf("app/releases/%s/more.html", tree);
	put(world, more, "by hand");
	g_autofree char *link = g_strdup_printf("app/releases/%s/again", tree);
	g_assert_true(util_fs_symlink_replace(world->dirfd, "lib/large.txt", link, NULL));
	g_autoptr(StageResult) result = stage(world);
	g_assert_true(g_str_has_prefix(result->how, "delta from"));
	assert_tree(world, "pre-release", result->tree, v2);
	g_assert_cmpuint(result->altered->len, ==, 1);
	g_test_message("%s", (const char *)result->altered->pdata[0]);
	g_assert_nonnull(strstr(result->altered->pdata[0], "again"));
}

/* What was staged is altered before the time: it is built again. */
static void test_altered_staged(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(BundleInfo) info = NULL;
	g_autofree char *v1 = v1_live(world, NULL);
	g_autofree char *v2 = v2_ordered(world, &info);
	g_autoptr(StageResult) first = stage(world);
	alter(world, "pre-release", first->tree, "index.html");
	g_autoptr(StageResult) second = stage(world);
	g_assert_true(g_str_has_prefix(second->how, "delta from"));
	assert_tree(world, "pre-release", second->tree, v2);
}

/* The ordered tree is live, but altered: it is not touched, a good one is put beside it. */
static void test_altered_live(World *world, gconstpointer data)
{
	(void)data;
	g_autofree char *tree = NULL;
	g_autofree char *v1 = v1_live(world, &tree);
	alter(world, "releases", tree, "index.html");
	new_order(world, "v1", v1);
	g_autoptr(BundleInfo) plain = make_bundle(world, NULL, "v1");
	add_bundle(world, plain);
	g_autoptr(StageResult) result = stage(world);
	g_autofree char *expected = g_strconcat(tree, "-r2", NULL);
	g_assert_cmpstr(result->tree, ==, expected);
	g_assert_cmpuint(result->altered->len, ==, 1);
	assert_tree(world, "pre-release", expected, v1);
	/* the second one is held under its own name */
	g_autoptr(StageResult) again = stage(world);
	g_assert_cmpstr(again->tree, ==, expected);
	g_assert_cmpstr(again->how, ==, "held");
}

static void test_damaged_bundle(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(BundleInfo) info = NULL;
	g_autofree char *v1 = v1_live(world, NULL);
	g_autofree char *v2 = v2_ordered(world, &info);
	g_autofree char *path = g_strdup_printf("root/partial/%s", info->sha256);
	put(world, path, "not a bundle");
	stage_fails(world, TS_ERROR_CORRUPT, "damaged");
	/* it is gone, so that it is fetched again */
	StageNeed need = {0};
	StageSpec spec = make_spec(world);
	g_assert_true(stage_need(&spec, &need, NULL));
	g_assert_cmpint(need.kind, ==, STAGE_NEED_BUNDLE);
	g_assert_cmpstr(need.bundle->sha256, ==, info->sha256);
	stage_need_clear(&need);
}

/* A bundle that is whole but makes another tree than the order says. */
static void test_wrong_tree(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(BundleInfo) info = NULL;
	g_autofree char *v1 = v1_live(world, NULL);
	g_autofree char *v2 = v2_ordered(world, &info);
	g_autofree char *v3 = make_version(world, "v3", "three");
	g_free(world->order->root);
	world->order->root = g_strdup(v3);
	g_autoptr(GError) error = NULL;
	StageSpec spec = make_spec(world);
	StageResult *result = NULL;
	g_assert_false(stage_run(&spec, &result, &error));
	g_assert_nonnull(error);
	g_autofree char *pre = g_build_filename(world->app_path, "pre-release", NULL);
	g_autoptr(GDir) dir = g_dir_open(pre, 0, NULL);
	g_assert_null(g_dir_read_name(dir));
}

static void test_no_space(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(BundleInfo) info = NULL;
	g_autofree char *v1 = v1_live(world, NULL);
	g_autofree char *v2 = v2_ordered(world, &info);
	struct statvfs st;
	g_assert_cmpint(fstatvfs(world->dirfd, &st), ==, 0);
	/* between what is free and what there is */
	world->order->bytes = ((guint64)st.f_bavail + st.f_blocks) / 2 * st.f_frsize;
	stage_fails(world, TS_ERROR_NO_SPACE, "make room");
	world->order->bytes = G_MAXINT64;
	stage_fails(world, TS_ERROR_UNSUPPORTED, "can never hold it");
}

/* The disk is full while unpacking: nothing is left, and it works when there is room. */
static void test_disk_fills(World *world, gconstpointer data)
{
	(void)data;
	g_autofree char *root = make_version(world, "v1", "one");
	g_autoptr(BundleInfo) info = make_bundle(world, NULL, "v1");
	if (mount("none", world->app_path, "tmpfs", 0, "size=64k") != 0) {
		g_test_skip("needs to mount a tmpfs");
		return;
	}
	new_order(world, "v1", root);
	add_bundle(world, info);
	world->order->bytes = 1000; /* it lies: the check before lets it through */
	stage_fails(world, TS_ERROR_NO_SPACE, NULL);
	g_assert_cmpint(mount("none", world->app_path, NULL, MS_REMOUNT, "size=4m"), ==, 0);
	StageResult *result = stage(world);
	assert_tree(world, "pre-release", result->tree, root);
	stage_result_free(result);
	g_assert_cmpint(umount(world->app_path), ==, 0);
}

/* What a crash left is removed, other apps' and other files are not. */
static void test_leftovers(World *world, gconstpointer data)
{
	(void)data;
	g_autofree char *v1 = v1_live(world, NULL);
	g_autoptr(BundleInfo) info = NULL;
	g_autofree char *v2 = v2_ordered(world, &info);
	g_assert_true(util_fs_mkdir(world->dirfd, "app/pre-release/.tmp-stage-1234", 0700, NULL));
	put(world, "app/pre-release/.tmp-stage-1234/half", "half a file");
	g_autoptr(StageResult) result = stage(world);
	g_autofree char *pre = g_build_filename(world->app_path, "pre-release", NULL);
	g_autoptr(GDir) dir = g_dir_open(pre, 0, NULL);
	g_assert_cmpstr(g_dir_read_name(dir), ==, result->tree);
	g_assert_null(g_dir_read_name(dir));
}

/* A manifest of another tree under this root's name is never believed. */
static void test_wrong_manifest(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(BundleInfo) info = NULL;
	g_autofree char *v1 = v1_live(world, NULL);
	g_autofree char *v2 = v2_ordered(world, &info);
	g_autofree char *path = g_strdup_printf("root/trees/%s.manifest", v1);
	put(world, path, "tagship-manifest 1\n");
	stage_fails(world, TS_ERROR_CORRUPT, "another tree");
}

static void assert_need(World *world, StageNeedKind kind, const char *sha256, const char *old_root,
			const char *why)
{
	g_autoptr(GError) error = NULL;
	StageNeed need = {0};
	StageSpec spec = make_spec(world);
	(void)stage_need(&spec, &need, &error);
	g_assert_no_error(error);
	g_test_message("%s", need.why ? need.why : "-");
	g_assert_cmpint(need.kind, ==, kind);
	g_assert_cmpstr(need.bundle ? need.bundle->sha256 : NULL, ==, sha256);
	g_assert_cmpstr(need.old_root, ==, old_root);
	if (why)
		g_assert_nonnull(strstr(need.why, why));
	stage_need_clear(&need);
}

static void forget_bundle(const World *world, const BundleInfo *info)
{
	g_autofree char *path = g_strdup_printf("root/partial/%s", info->sha256);
	g_assert_true(util_fs_unlink(world->dirfd, path, NULL));
}

static void test_need(World *world, gconstpointer data)
{
	(void)data;
	g_autofree char *tree = NULL;
	g_autoptr(BundleInfo) info = NULL;
	g_autofree char *v1 = v1_live(world, &tree);
	g_autofree char *v2 = v2_ordered(world, &info);
	g_autoptr(BundleInfo) plain = make_bundle(world, NULL, "v2");
	assert_need(world, STAGE_NEED_NOTHING, NULL, NULL, NULL); /* on disk */
	forget_bundle(world, info);
	forget_bundle(world, plain);
	add_bundle(world, plain);
	assert_need(world, STAGE_NEED_BUNDLE, info->sha256, NULL, NULL); /* the delta is smaller */
	StageSpec spec = make_spec(world);
	g_assert_true(stage_mark_altered(&spec, v1, "index.html", NULL));
	/* its only source is altered: the whole tree */
	assert_need(world, STAGE_NEED_BUNDLE, plain->sha256, NULL, "altered by hand");
	/* not in the order: asked for */
	new_order(world, "v2", v2);
	add_bundle(world, info);
	assert_need(world, STAGE_NEED_WANT, NULL, "-", "altered by hand");
	/* another tree is here and intact: better ask for a bundle from that */
	g_autofree char *v3 = make_version(world, "v3", "three");
	g_autoptr(BundleInfo) three = make_bundle(world, NULL, "v3");
	new_order(world, "v3", v3);
	add_bundle(world, three);
	g_autoptr(StageResult) result = stage(world);
	new_order(world, "v2", v2);
	add_bundle(world, info);
	add_bundle(world, plain);
	assert_need(world, STAGE_NEED_WANT, NULL, v3, "altered by hand");
	/* the policy says otherwise */
	g_free(world->app.on_altered);
	world->app.on_altered = g_strdup("plain");
	assert_need(world, STAGE_NEED_BUNDLE, plain->sha256, NULL, "altered by hand");
	new_order(world, "v2", v2);
	add_bundle(world, info);
	assert_need(world, STAGE_NEED_WANT, NULL, "-", "altered by hand");
	/* held: nothing, whatever the order says */
	new_order(world, "v3", v3);
	assert_need(world, STAGE_NEED_NOTHING, NULL, NULL, NULL);
}

/* Central thought another tree is here. */
static void test_need_other_root(World *world, gconstpointer data)
{
	(void)data;
	g_autofree char *v1 = v1_live(world, NULL);
	g_autofree char *v2 = make_version(world, "v2", "two");
	g_autofree char *v3 = make_version(world, "v3", "three");
	g_autoptr(BundleInfo) info = make_bundle(world, "v2", "v3");
	new_order(world, "v3", v3);
	add_bundle(world, info);
	assert_need(world, STAGE_NEED_WANT, NULL, v1, "did not know");
	stage_fails(world, TS_ERROR_REFUSED, NULL);
}

static void test_need_memory(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(BundleInfo) info = NULL;
	g_autofree char *v1 = v1_live(world, NULL);
	g_autofree char *v2 = v2_ordered(world, &info);
	OrderBundle *bundle = world->order->bundles->pdata[0];
	bundle->memory_bytes = (guint64)1 << 40;
	assert_need(world, STAGE_NEED_WANT, NULL, v1, "memory");
	stage_fails(world, TS_ERROR_REFUSED, NULL);
}

static void test_nothing_held(World *world, gconstpointer data)
{
	(void)data;
	g_autofree char *v1 = make_version(world, "v1", "one");
	new_order(world, "v1", v1);
	assert_need(world, STAGE_NEED_WANT, NULL, "-", NULL);
	g_autoptr(BundleInfo) info = make_bundle(world, NULL, "v1");
	add_bundle(world, info);
	assert_need(world, STAGE_NEED_NOTHING, NULL, NULL, NULL);
	forget_bundle(world, info);
	assert_need(world, STAGE_NEED_BUNDLE, info->sha256, NULL, NULL);
}

static void test_no_app_folder(World *world, gconstpointer data)
{
	(void)data;
	g_autofree char *v1 = make_version(world, "v1", "one");
	new_order(world, "v1", v1);
	g_assert_true(util_fs_remove_tree(world->dirfd, "app", NULL));
	g_autoptr(GError) error = NULL;
	StageSpec spec = make_spec(world);
	StageResult *result = NULL;
	g_assert_false(stage_run(&spec, &result, &error));
	g_assert_nonnull(strstr(error->message, "base.cfg"));
}

/* Whether a confined process can read a file of the world. */
static gboolean reads(const World *world, const char *path)
{
	return util_fs_read_file(world->dirfd, path, 1000, (char *[]){NULL}, NULL, NULL);
}

static gboolean writes(const World *world, const char *path)
{
	return util_fs_write_file(world->dirfd, path, "x", 1, 0644, NULL);
}

/* In a child, since it cannot be undone. */
static void confined_child(const World *world, const char *tree)
{
	g_autofree char *note = NULL, *live = NULL, *mark = NULL;
	StageSpec spec = make_spec(world);
	g_autoptr(StageResult) result = NULL;
	g_autoptr(GError) error = NULL;
	gboolean confined = stage_confine(&spec, &note, &error);
	g_assert_no_error(error);
	g_assert_true(confined);
	if (note)
		_exit(77);
	/* it does its work */
	(void)stage_run(&spec, &result, &error);
	g_assert_no_error(error);
	g_assert_true(g_str_has_prefix(result->how, "delta from v1-"));
	live = g_strdup_printf("app/releases/%s/index.html", tree);
	mark = g_strdup_printf("app/releases/%s/mark", tree);
	g_assert_true(reads(world, live));
	/* and nothing else */
	g_assert_false(reads(world, "root/key"));
	g_assert_false(reads(world, "root/journal/shop"));
	g_assert_false(reads(world, "app/shared/secret"));
	g_assert_false(reads(world, "victim"));
	g_assert_cmpint(open("/etc/ssh/sshd_config", O_RDONLY | O_CLOEXEC), <, 0);
	g_assert_false(writes(world, "root/inside"));
	g_assert_false(writes(world, "root/journal/shop"));
	g_assert_false(writes(world, "root/partial/more"));
	g_assert_false(writes(world, "app/current"));
	g_assert_false(writes(world, "outside"));
	g_assert_cmpint(writes(world, mark), ==, world->app.hard_links);
	g_assert_false(util_fs_unlink(world->dirfd, "victim", NULL));
	g_assert_cmpint(mkfifoat(world->dirfd, "app/pre-release/fifo", 0600), !=, 0);
	g_assert_cmpint(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), <, 0);
	g_assert_cmpint(execl("/bin/true", "true", NULL), <, 0);
	_exit(0);
}

static void confined(World *world, gboolean hard_links)
{
	g_autofree char *tree = NULL;
	g_autofree char *v1 = v1_live(world, &tree);
	g_autoptr(BundleInfo) info = NULL;
	g_autofree char *v2 = v2_ordered(world, &info);
	world->app.hard_links = hard_links;
	g_assert_true(util_fs_mkdir(world->root_dirfd, "journal", 0755, NULL));
	g_assert_true(util_fs_mkdir(world->dirfd, "app/shared", 0755, NULL));
	put(world, "root/key", "x");
	put(world, "root/journal/shop", "x");
	put(world, "app/shared/secret", "x");
	put(world, "victim", "x");
	pid_t pid = fork();
	if (pid == 0)
		confined_child(world, tree);
	int status = 0;
	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		g_test_skip("this kernel lacks Landlock or seccomp");
	else
		g_assert_cmpint(status, ==, 0);
}

static void test_confined(World *world, gconstpointer data)
{
	(void)data;
	confined(world, FALSE);
}

static void test_confined_links(World *world, gconstpointer data)
{
	(void)data;
	confined(world, TRUE);
	g_autofree char *path = g_build_filename(world->app_path, "pre-release", NULL);
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
	const char *name = g_dir_read_name(dir);
	struct stat st;
	if (name)
		g_assert_cmpuint(link_count(world, "pre-release", name, "lib/large.txt", &st), ==,
				 2);
}

/* What all versions share is made once, and never touched again. */
static void test_shared(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	g_assert_true(util_fs_mkdir(world->dirfd, "shop/v1", 0755, &error));
	g_assert_true(util_fs_mkdir(world->dirfd, "shop/v1/data", 0755, &error));
	g_assert_true(
	    util_fs_symlink(world->dirfd, "../../shared/uploads", "shop/v1/uploads", &error));
	g_assert_true(util_fs_symlink(world->dirfd, "../../../shared/data/media",
				      "shop/v1/data/media", &error));
	g_autofree char *root = make_version(world, "v1", "one");
	g_autoptr(BundleInfo) info = make_bundle(world, NULL, "v1");
	new_order(world, "v1", root);
	add_bundle(world, info);
	put(world, "app/shared", "in the way");
	stage_fails(world, TS_ERROR_FAILED, "which the app shares between versions");
	g_assert_true(util_fs_unlink(world->dirfd, "app/shared", NULL));
	g_assert_true(util_fs_mkdir(world->dirfd, "app/shared", 0755, &error));
	g_assert_true(util_fs_mkdir(world->dirfd, "app/shared/uploads", 0700, &error));
	put(world, "app/shared/uploads/mine.txt", "a user's");
	g_autoptr(StageResult) first = stage(world);
	assert_tree(world, "pre-release", first->tree, root);
	g_autofree char *media = g_strdup_printf("app/pre-release/%s/data/media/clip", first->tree);
	put(world, media, "through the link"); /* not in the tree */
	g_autofree char *clip = NULL;
	g_assert_true(
	    util_fs_read_file(world->dirfd, "app/shared/data/media/clip", 100, &clip, NULL, NULL));
	struct stat st;
	g_assert_cmpint(fstatat(world->dirfd, "app/shared/uploads", &st, 0), ==, 0);
	g_assert_cmpint(st.st_mode & 0777, ==, 0700);
	/* held already, and the folders gone: made again */
	g_assert_true(util_fs_remove_tree(world->dirfd, "app/shared", NULL));
	g_autoptr(StageResult) again = stage(world);
	g_assert_cmpstr(again->how, ==, "held");
	g_assert_cmpint(fstatat(world->dirfd, "app/shared/data/media", &st, 0), ==, 0);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/stage/names", test_names);
#define ADD(name, function) g_test_add("/stage/" name, World, NULL, setup, function, teardown)
	ADD("shared", test_shared);
	ADD("confined", test_confined);
	ADD("confined-links", test_confined_links);
	ADD("plain-then-delta", test_plain_then_delta);
	ADD("hard-links", test_hard_links);
	ADD("renew", test_renew);
	ADD("held", test_held);
	ADD("altered-old", test_altered_old);
	ADD("altered-says", test_altered_says);
	ADD("altered-harmless", test_altered_harmless);
	ADD("altered-staged", test_altered_staged);
	ADD("altered-live", test_altered_live);
	ADD("damaged-bundle", test_damaged_bundle);
	ADD("wrong-tree", test_wrong_tree);
	ADD("no-space", test_no_space);
	ADD("disk-fills", test_disk_fills);
	ADD("leftovers", test_leftovers);
	ADD("wrong-manifest", test_wrong_manifest);
	ADD("need", test_need);
	ADD("need-other-root", test_need_other_root);
	ADD("need-memory", test_need_memory);
	ADD("nothing-held", test_nothing_held);
	ADD("no-app-folder", test_no_app_folder);
	return g_test_run();
}
