/* SPDX-License-Identifier: ISC */
/* Files of versions that were left stay reachable for a while. */
#include "world.h"

#define DAY (24 * 3600)

static void bridge_setup(World *world, gconstpointer data)
{
	world_setup(world, data);
	world->app.bridge = (char *)(gsize) "24h";
}

/* VERSION with assets/VERSION.js, staged, and the time come. */
static AcceptedOrder *release(World *world, const char *version, gint64 at_utc)
{
	g_autofree char *asset = g_strconcat(version, ".js", NULL);
	world->asset = asset;
	AcceptedOrder *accepted = world_release(world, version, version, at_utc);
	world->asset = NULL;
	util_clock_fake_set(world->clock, at_utc);
	return accepted;
}

static AcceptedOrder *go(World *world, const char *version, gint64 at_utc)
{
	AcceptedOrder *accepted = release(world, version, at_utc);
	world_due(world);
	return accepted;
}

static gboolean file_is_there(const World *world, const char *link, const char *version)
{
	g_autofree char *path =
	    g_strdup_printf("%s/%s/assets/%s.js", world->app_path, link, version);
	g_autofree char *want = g_strconcat(version, ".js", NULL);
	g_autofree char *text = NULL;
	return g_file_get_contents(path, &text, NULL, NULL) && strcmp(text, want) == 0;
}

/* The bridge has exactly these of v1 to v5. */
static void assert_bridge(const World *world, const char *versions)
{
	static const char *const all[] = {"v1", "v2", "v3", "v4", "v5"};
	for (guint i = 0; i < G_N_ELEMENTS(all); i++) {
		g_test_message("%s of \"%s\"", all[i], versions);
		g_assert_true(file_is_there(world, "bridge", all[i]) ==
			      (strstr(versions, all[i]) != NULL));
	}
}

static gboolean link_is_there(const World *world)
{
	g_autofree char *path = g_build_filename(world->app_path, "bridge", NULL);
	return g_file_test(path, G_FILE_TEST_IS_SYMLINK);
}

static char *link_text(const World *world)
{
	return util_fs_readlink(world->dirfd, "app/bridge", NULL);
}

static gboolean bridges(World *world, const AcceptedOrder *accepted)
{
	g_autofree char *tree =
	    g_strdup_printf("%s-%.8s", accepted->order->version, accepted->order->root);
	ActivateSpec spec = world_spec(world);
	g_autoptr(DecideApp) state = activate_read(&spec, NULL);
	return decide_app_bridges(state, tree);
}

static void gc(World *world, gboolean dry_run)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(ActivateApp) app = world_open(world);
	(void)activate_bridge_gc(app, dry_run, &error);
	g_assert_no_error(error);
}

static guint bridges_on_disk(const World *world)
{
	g_autoptr(GPtrArray) names = util_fs_list(world->dirfd, "app/bridges", NULL);
	return names ? names->len : 0;
}

static void test_chain(World *world, gconstpointer data)
{
	(void)data;
	AcceptedOrder *v1 = go(world, "v1", NOON);
	g_assert_false(link_is_there(world)); /* nothing was left */
	AcceptedOrder *v2 = go(world, "v2", NOON + 10);
	assert_bridge(world, "v1");
	g_assert_true(file_is_there(world, "current", "v2"));
	g_autofree char *same = g_build_filename(world->app_path, "bridge/index.html", NULL);
	g_assert_false(g_file_test(same, G_FILE_TEST_EXISTS)); /* the new one has it */
	(void)go(world, "v3", NOON + 3600);
	assert_bridge(world, "v1 v2");
	g_assert_true(bridges(world, v1) && bridges(world, v2));
	/* v1's time is over, v2's is not */
	(void)go(world, "v4", NOON + DAY + 11);
	assert_bridge(world, "v2 v3");
	g_assert_false(bridges(world, v1));
	gc(world, FALSE);
	assert_bridge(world, "v2 v3");
	g_assert_cmpuint(bridges_on_disk(world), ==, 1);
	/* all over: gc ends it, once */
	util_clock_fake_set(world->clock, NOON + 3 * DAY);
	gc(world, TRUE);
	assert_bridge(world, "v2 v3");
	gc(world, FALSE);
	g_assert_false(link_is_there(world));
	g_assert_cmpuint(bridges_on_disk(world), ==, 0);
	g_assert_false(bridges(world, v2));
	gc(world, FALSE);
	/* switched off: the next activation makes none, and takes away what there is */
	(void)go(world, "v5", NOON + 3 * DAY + 1);
	assert_bridge(world, "v4");
	world->app.bridge = NULL;
	world_release(world, "v6", "six", NOON + 3 * DAY + 2);
	util_clock_fake_set(world->clock, NOON + 3 * DAY + 2);
	world_due(world);
	g_assert_false(link_is_there(world));
}

/* Back and forth: while the switch is under way, what was reached by the bridge still is. */
static void test_back(World *world, gconstpointer data)
{
	(void)data;
	(void)go(world, "v1", NOON);
	AcceptedOrder *v2 = go(world, "v2", NOON + 10);
	g_autoptr(ActivateApp) app = world_open(world);
	g_assert_true(activate_rollback(app, "alice", NULL));
	assert_serving(world, "v1");
	assert_bridge(world, "v1 v2"); /* v1: for the instant before `current` follows */
	g_clear_pointer(&app, activate_close);
	g_assert_true(bridges(world, v2));
	app = world_open(world);
	g_assert_true(activate_by_hand(app, "v2", "alice", NULL));
	assert_bridge(world, "v1 v2");
	g_assert_true(file_is_there(world, "current", "v2"));
}

/* Undone: the bridge is what it was. */
static void test_undo(World *world, gconstpointer data)
{
	(void)data;
	(void)go(world, "v1", NOON);
	world_put(world, "do-start", "[ $TAGSHIP_VERSION != v2 ] || exit 1\n");
	(void)go(world, "v2", NOON + 10);
	g_assert_cmpstr(world_state(world, "v2"), ==, "rolled-back");
	g_assert_false(link_is_there(world));
	(void)go(world, "v3", NOON + 20);
	assert_bridge(world, "v1");
	g_autofree char *before = link_text(world);
	world_put(world, "do-start", "[ $TAGSHIP_VERSION != v4 ] || exit 1\n");
	AcceptedOrder *v4 = go(world, "v4", NOON + 30);
	g_autofree char *after = link_text(world);
	g_assert_cmpstr(after, ==, before);
	g_assert_false(bridges(world, v4));
	assert_bridge(world, "v1");
}

/* Staging made it: activation uses that one. */
static void test_ahead(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	struct stat made, used;
	(void)go(world, "v1", NOON);
	world->asset = "v2.js";
	AcceptedOrder *v2 = world_release(world, "v2", "two", NOON + 10);
	g_autofree char *tree = g_strdup_printf("v2-%.8s", v2->order->root);
	ActivateSpec spec = world_spec(world);
	for (guint i = 0; i < 2; i++) /* again is the same */
		g_assert_true(activate_bridge_ahead(&spec, tree, v2->order->root, &error));
	g_assert_cmpuint(bridges_on_disk(world), ==, 1);
	gc(world, FALSE); /* it is waited for */
	g_autoptr(GPtrArray) names = util_fs_list(world->dirfd, "app/bridges", NULL);
	g_autofree char *path = g_strconcat("app/bridges/", names->pdata[0], NULL);
	g_assert_cmpint(fstatat(world->dirfd, path, &made, 0), ==, 0);
	g_assert_cmpint(made.st_mode & 07777, ==, 0755);
	g_assert_false(link_is_there(world));
	util_clock_fake_set(world->clock, NOON + 10);
	world_due(world);
	g_assert_cmpint(fstatat(world->dirfd, "app/bridge", &used, 0), ==, 0);
	g_assert_cmpuint(made.st_ino, ==, used.st_ino);
	assert_bridge(world, "v1");
}

/* It cannot be made: the release goes live all the same, and it is said. */
static void test_impossible(World *world, gconstpointer data)
{
	(void)data;
	(void)go(world, "v1", NOON);
	world_put(world, "app/bridges", "in the way");
	(void)go(world, "v2", NOON + 10);
	g_assert_cmpstr(world_state(world, "v2"), ==, "live");
	g_autoptr(Report) report = world_report(world, "v2", "live");
	g_assert_nonnull(strstr(report->detail, "the bridge could not be made"));
}

typedef struct {
	const char *phase;
	const char *bridge;
} KillRow;

static const KillRow kill_rows[] = {{"stop", ""}, {"start", "v1"}, {"health", "v1"}};

static void test_killed(World *world, gconstpointer data)
{
	const KillRow *row = data;
	g_autofree char *file = g_strconcat("do-", row->phase, NULL);
	(void)go(world, "v1", NOON);
	world_put(world, file, "[ -e \"$W/killed\" ] || { : > \"$W/killed\"; kill -9 $PPID; }\n");
	(void)release(world, "v2", NOON + 10);
	world_due_killed(world);
	gc(world, FALSE); /* in between it touches nothing */
	world_due(world);
	assert_bridge(world, row->bridge);
	g_assert_true(link_is_there(world) == (*row->bridge != '\0'));
	(void)go(world, "v3", NOON + 20);
	g_assert_true(file_is_there(world, "bridge", *row->bridge ? "v2" : "v1"));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	for (guint i = 0; i < G_N_ELEMENTS(kill_rows); i++) {
		g_autofree char *path =
		    g_strconcat("/activate/bridge/killed/", kill_rows[i].phase, NULL);
		g_test_add(path, World, &kill_rows[i], bridge_setup, test_killed, world_teardown);
	}
#define ADD(name, function) \
	g_test_add("/activate/bridge/" name, World, NULL, bridge_setup, function, world_teardown)
	ADD("chain", test_chain);
	ADD("back", test_back);
	ADD("undo", test_undo);
	ADD("ahead", test_ahead);
	ADD("impossible", test_impossible);
	return g_test_run();
}
