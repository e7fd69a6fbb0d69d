/* SPDX-License-Identifier: ISC */
/* Being told by central what is new. */
#include "world.h"

static gint64 in_seconds(gint64 seconds)
{
	return g_get_monotonic_time() + seconds * G_USEC_PER_SEC;
}

static void expect_event(Mirror *mirror, int fd, gint64 until_us, MirrorEvent wanted)
{
	g_autoptr(GError) error = NULL;
	MirrorEvent event = MIRROR_TIME;
	g_assert_true(mirror_watch(mirror, fd, until_us, &event, &error));
	g_assert_no_error(error);
	g_assert_cmpint(event, ==, wanted);
}

static void expect_lost(Mirror *mirror, int code, const char *says)
{
	g_autoptr(GError) error = NULL;
	MirrorEvent event = MIRROR_TIME;
	g_assert_false(mirror_watch(mirror, -1, in_seconds(20), &event, &error));
	if (!strstr(error->message, says))
		g_error("not said: \"%s\" but: %s", says, error->message);
	g_assert_error(error, TS_ERROR, code);
}

static void test_news(World *world, gconstpointer data)
{
	int ends[2];
	(void)data;
	world->spec.watch = TRUE;
	order_for(world, "shop", OID_A, NOW + DAY);
	g_autoptr(Mirror) mirror = open_mirror(world);
	expect_update(mirror, TRUE);
	/* what was fetched is no news */
	expect_event(mirror, -1, in_seconds(0), MIRROR_TIME);
	g_assert_false(mirror_has_news(mirror));
	order_for(world, "shop", OID_B, NOW + 2 * DAY);
	expect_event(mirror, -1, in_seconds(20), MIRROR_NEWS);
	g_assert_true(mirror_has_news(mirror));
	expect_update(mirror, TRUE);
	expect_accepted(world, "shop", 2);
	g_assert_false(mirror_has_news(mirror));
	/* one watch for all of it */
	g_autofree char *log = take_log(world);
	g_assert_nonnull(strstr(log, "watch "));
	g_assert_null(strstr(strstr(log, "watch ") + 1, "watch "));
	g_assert_cmpint(pipe(ends), ==, 0);
	g_assert_cmpint(write(ends[1], "x", 1), ==, 1);
	expect_event(mirror, ends[0], in_seconds(20), MIRROR_POKED);
	close(ends[0]);
	close(ends[1]);
}

/* The first orders ever. */
static void test_first(World *world, gconstpointer data)
{
	(void)data;
	world->spec.watch = TRUE;
	g_autoptr(Mirror) mirror = open_mirror(world);
	expect_update(mirror, FALSE);
	order_for(world, "shop", OID_A, NOW + DAY);
	expect_event(mirror, -1, in_seconds(20), MIRROR_NEWS);
	expect_update(mirror, TRUE);
}

static void test_old_central(World *world, gconstpointer data)
{
	(void)data;
	world->spec.watch = TRUE;
	set_trick(world, "old");
	g_autoptr(Mirror) mirror = open_mirror(world);
	expect_update(mirror, FALSE);
	expect_lost(mirror, TS_ERROR_UNSUPPORTED, "older");
	/* all else works, and it is not asked again */
	order_for(world, "shop", OID_A, NOW + DAY);
	g_free(take_log(world));
	expect_update(mirror, TRUE);
	g_autofree char *log = take_log(world);
	g_assert_null(strstr(log, "watch"));
}

static void test_lost(World *world, gconstpointer data)
{
	(void)data;
	world->spec.watch = TRUE;
	set_trick(world, "quits");
	g_autoptr(Mirror) mirror = open_mirror(world);
	expect_update(mirror, FALSE);
	order_for(world, "shop", OID_A, NOW + DAY);
	expect_lost(mirror, TS_ERROR_AGAIN, "ended the watch");
	set_trick(world, NULL);
	expect_lost(mirror, TS_ERROR_AGAIN, "lost");
	/* the next contact connects anew, and watches again */
	expect_update(mirror, TRUE);
	expect_event(mirror, -1, in_seconds(0), MIRROR_TIME);
}

static void test_not_wanted(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(Mirror) mirror = open_mirror(world);
	expect_update(mirror, FALSE);
	g_autofree char *log = take_log(world);
	g_assert_null(strstr(log, "watch"));
	g_assert_false(mirror_has_news(mirror));
}

/* News put a download off; it goes on where it was. */
static void test_overtakes(World *world, gconstpointer data)
{
	char first[REPO_OID], next[REPO_OID], sha256[UTIL_SHA256_HEX];
	guint8 digest[UTIL_SHA256_BYTES];
	g_autoptr(GError) error = NULL;
	(void)data;
	world->spec.watch = TRUE;
	order_for(world, "shop", OID_A, NOW + DAY);
	central_head(world, first);
	order_for(world, "shop", OID_B, NOW + DAY);
	central_head(world, next);
	central_set_head(world, first);
	g_assert_true(util_fs_write_file(world->state_dirfd, "next", next, 40, 0600, NULL));
	g_autofree char *bundle = g_strnfill(BUNDLE_BYTES, 'b');
	util_sha256_data(bundle, BUNDLE_BYTES, digest);
	util_hex_encode(digest, sizeof digest, sha256);
	g_autofree char *path = g_strconcat("bundles/", sha256, NULL);
	g_assert_true(
	    util_fs_write_file(world->state_dirfd, path, bundle, BUNDLE_BYTES, 0600, NULL));
	set_trick(world, "news");
	g_autoptr(Mirror) mirror = open_mirror(world);
	expect_update(mirror, TRUE);
	g_assert_false(mirror_download(mirror, sha256, BUNDLE_BYTES, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_AGAIN);
	g_assert_nonnull(strstr(error->message, "put off"));
	g_assert_true(mirror_has_news(mirror));
	expect_update(mirror, TRUE);
	g_free(take_log(world));
	g_clear_error(&error);
	g_assert_true(mirror_download(mirror, sha256, BUNDLE_BYTES, &error));
	g_assert_no_error(error);
	g_autofree char *log = take_log(world);
	g_auto(GStrv) words = g_strsplit(log, " ", 3);
	g_assert_cmpstr(words[0], ==, "get");
	g_assert_cmpuint(g_ascii_strtoull(words[2], NULL, 10), >=, BUNDLE_BYTES / 4);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(World *, gconstpointer);
	} tests[] = {
	    {"/mirror/watch/news", test_news},
	    {"/mirror/watch/first", test_first},
	    {"/mirror/watch/old-central", test_old_central},
	    {"/mirror/watch/lost", test_lost},
	    {"/mirror/watch/not-wanted", test_not_wanted},
	    {"/mirror/watch/overtakes", test_overtakes},
	};
	central_if_asked(argc, argv);
	g_test_init(&argc, &argv, NULL);
	for (guint i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].name, World, NULL, world_open, tests[i].run, world_close);
	return g_test_run();
}
