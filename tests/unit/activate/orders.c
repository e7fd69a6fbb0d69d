/* SPDX-License-Identifier: ISC */
/* Altered trees, hands on `current`, holds, cancels, several orders, rollback, reports. */
#include <sys/mount.h>

#include "world.h"

/* The tree of a version in a folder of APP, absolute. */
static char *tree_path(const World *world, const char *folder, const char *version)
{
	g_autofree char *dir = g_build_filename(world->app_path, folder, NULL);
	g_autofree char *prefix = g_strconcat(version, "-", NULL);
	g_autoptr(GDir) open = g_dir_open(dir, 0, NULL);
	const char *name = NULL;
	while ((name = g_dir_read_name(open)))
		if (g_str_has_prefix(name, prefix))
			return g_build_filename(dir, name, NULL);
	return NULL;
}

static void alter(const World *world, const char *folder, const char *version)
{
	g_autofree char *tree = tree_path(world, folder, version);
	g_autofree char *index = g_build_filename(tree, "index.html", NULL);
	g_assert_true(g_file_set_contents(index, "altered", -1, NULL));
}

static void test_altered(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_release(world, "v2", "two", NOON);
	alter(world, "pre-release", "v2");
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "failed");
	g_autofree char *calls = world_calls(world);
	g_assert_cmpstr(calls, ==, ""); /* nothing was stopped */
	assert_serving(world, "one");
	g_autoptr(Report) report = world_report(world, "v2", "failed");
	g_assert_nonnull(strstr(report->detail, "index.html"));
	g_assert_cmpint(report->outage_ms, ==, -1);
}

static void test_staged_tree_gone(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_release(world, "v2", "two", NOON);
	g_autofree char *tree = tree_path(world, "pre-release", "v2");
	g_assert_true(util_fs_remove_tree(AT_FDCWD, tree, NULL));
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "failed");
	assert_serving(world, "one");
}

/* A manifest that was exchanged for another one does not let another tree in. */
static void test_manifest_exchanged(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	AcceptedOrder *accepted = world_release(world, "v2", "two", NOON);
	g_autofree char *other = world_tree(world, "releases", "evil", "evil", NULL);
	g_autofree char *from = g_strdup_printf("trees/%s.manifest", other);
	g_autofree char *to = g_strdup_printf("trees/%s.manifest", accepted->order->root);
	g_assert_true(util_fs_rename(world->root_dirfd, from, world->root_dirfd, to, NULL));
	alter(world, "pre-release", "v2");
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "failed");
	assert_serving(world, "one");
}

static void point_current(const World *world, const char *target)
{
	g_assert_true(util_fs_symlink_replace(world->dirfd, target, "app/current", NULL));
}

/* Undo returns to what was there, and the report says that a hand was in it. */
static void test_current_changed(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	g_autofree char *tree = NULL;
	g_autofree char *root = world_tree(world, "releases", "hand", "by hand", &tree);
	g_autofree char *target = g_strdup_printf("%s/releases/%s", world->app_path, tree);
	point_current(world, target); /* absolute, as people do */
	world_release(world, "v2", "sick", NOON);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "rolled-back");
	assert_serving(world, "by hand");
	assert_current(world, "by hand");
	g_autoptr(Report) report = world_report(world, "v2", "rolled-back");
	g_assert_nonnull(strstr(report->detail, "current was changed by hand"));
	g_assert_cmpstr(report->serves_root, ==, root);
	world_release(world, "v3", "three", NOON + 1);
	util_clock_fake_set(world->clock, NOON + 1);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v3"), ==, "live");
	g_autoptr(Report) v3 = world_report(world, "v3", "live");
	g_assert_cmpstr(v3->detail, ==, ""); /* said once */
}

/* To a folder tagship knows nothing of. */
static void test_current_elsewhere(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	g_assert_true(util_fs_mkdir(world->dirfd, "app/mine", 0755, NULL));
	world_put(world, "app/mine/index.html", "mine");
	point_current(world, "mine");
	world_release(world, "v2", "sick", NOON);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "rolled-back");
	assert_serving(world, "mine");
	g_autoptr(Report) report = world_report(world, "v2", "rolled-back");
	g_assert_cmpstr(report->serves_root, ==, "-");
}

static void test_current_removed(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	g_assert_true(util_fs_unlink(world->dirfd, "app/current", NULL));
	world_release(world, "v2", "sick", NOON);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "rolled-back");
	assert_current(world, "one"); /* what the journal says was live */
	g_autoptr(Report) report = world_report(world, "v2", "rolled-back");
	g_assert_nonnull(strstr(report->detail, "current was removed by hand"));
}

static void test_current_dangling(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	point_current(world, "releases/nowhere");
	world_release(world, "v2", "two", NOON);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "live");
	g_autoptr(Report) report = world_report(world, "v2", "live");
	g_assert_nonnull(strstr(report->detail, "which is not there"));
}

static void test_current_is_folder(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	g_assert_true(util_fs_unlink(world->dirfd, "app/current", NULL));
	g_assert_true(util_fs_mkdir(world->dirfd, "app/current", 0755, NULL));
	world_release(world, "v2", "two", NOON);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "failed");
	g_autoptr(Report) report = world_report(world, "v2", "failed");
	g_assert_nonnull(strstr(report->detail, "not a symlink"));
	g_autofree char *calls = world_calls(world);
	g_assert_cmpstr(calls, ==, "");
}

static void test_old_tree_altered(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	alter(world, "releases", "v1");
	world_release(world, "v2", "sick", NOON);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "rolled-back");
	assert_serving(world, "altered"); /* what was live */
	g_autoptr(Report) report = world_report(world, "v2", "rolled-back");
	g_assert_nonnull(strstr(report->detail, "the old version: "));
	g_assert_nonnull(strstr(report->detail, "index.html"));
}

/* What was changed by hand is not in the new version: it is said. */
static void test_left_tree_altered(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	alter(world, "releases", "v1");
	world_release(world, "v2", "two", NOON);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "live");
	g_autoptr(Report) report = world_report(world, "v2", "live");
	g_assert_nonnull(strstr(report->detail, "the old version: "));
	g_assert_nonnull(strstr(report->detail, "index.html"));
}

/* Two are due: the higher one goes, the other is superseded without an outage. */
static void test_supersede(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_release(world, "v2", "two", NOON + 10);
	world_release(world, "v3", "three", NOON + 20);
	world_release(world, "v4", "four", NOON + 500);
	util_clock_fake_set(world->clock, NOON + 30);
	g_assert_cmpint(world_due(world), ==, NOON + 500);
	g_assert_cmpstr(world_state(world, "v3"), ==, "live");
	g_assert_cmpstr(world_state(world, "v2"), ==, "superseded");
	g_assert_cmpstr(world_state(world, "v4"), ==, "staged");
	g_autofree char *calls = world_calls(world);
	g_assert_null(strstr(calls, "v2"));
	g_autoptr(Report) report = world_report(world, "v2", "superseded");
	g_assert_nonnull(report);
	util_clock_fake_set(world->clock, NOON + 500);
	world_due(world);
	assert_serving(world, "four");
}

/* The higher one is sick: the lower one is tried next. */
static void test_sick_does_not_supersede(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_release(world, "v2", "two", NOON + 10);
	world_release(world, "v3", "sick", NOON + 20);
	util_clock_fake_set(world->clock, NOON + 30);
	g_assert_cmpint(world_due(world), ==, NOON + 30); /* one activation a call */
	g_assert_cmpstr(world_state(world, "v3"), ==, "rolled-back");
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "live");
}

static void test_already_live(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	g_autofree char *full = tree_path(world, "releases", "v1");
	g_autofree char *tree = g_path_get_basename(full);
	const AcceptedOrder *v1 = world->accepted->pdata[0];
	AcceptedOrder *again = world_order(world, "v1.1", v1->order->root, NOON);
	world_accept(world);
	world_staged(world, again, tree);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v1.1"), ==, "live");
	g_autofree char *calls = world_calls(world);
	g_assert_cmpstr(calls, ==, "");
	g_autoptr(Report) report = world_report(world, "v1.1", "live");
	g_assert_cmpstr(report->detail, ==, "already live");
	g_assert_cmpint(report->outage_ms, ==, 0);
}

/* A rollback plan: the old tree stands in releases, nothing moves. */
static void test_plan_back(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_release(world, "v2", "two", NOON);
	world_due(world);
	g_autofree char *full = tree_path(world, "releases", "v1");
	g_autofree char *tree = g_path_get_basename(full);
	const AcceptedOrder *v1 = world->accepted->pdata[0];
	AcceptedOrder *back = world_order(world, "back", v1->order->root, NOON + 5);
	world_accept(world);
	world_staged(world, back, tree);
	util_clock_fake_set(world->clock, NOON + 5);
	world_due(world);
	g_assert_cmpstr(world_state(world, "back"), ==, "live");
	assert_serving(world, "one");
}

static void cancel(World *world, AcceptedOrder *accepted)
{
	accepted->cancelled = TRUE;
	accepted->cancel_seq = world->accepted->len + 10;
	accepted->cancel_reason = g_strdup("wrong day");
	world_accept(world);
}

static void test_cancel(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	AcceptedOrder *v2 = world_release(world, "v2", "two", NOON);
	cancel(world, v2);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "cancelled");
	assert_serving(world, "one");
	g_autoptr(Report) report = world_report(world, "v2", "cancelled");
	g_assert_cmpstr(report->detail, ==, "wrong day");
}

static void test_too_late(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	AcceptedOrder *v2 = world_release(world, "v2", "two", NOON);
	world_due(world);
	cancel(world, v2);
	world_due(world);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "live");
	g_autoptr(Report) report = world_report(world, "v2", "too-late");
	g_assert_nonnull(strstr(report->detail, "the order is live"));
	const char *said = strstr(world->said->str, "too-late");
	g_assert_nonnull(said);
	g_assert_null(strstr(said + 1, "too-late"));
}

static void hold(World *world, const char *event, const char *version)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(ActivateApp) app = world_open(world);
	g_autoptr(UtilTrailers) record = util_trailers_new();
	util_trailers_add(record, "Event", event);
	if (version) {
		g_autofree char *release = release_of(version);
		util_trailers_add(record, "Release", release);
	}
	util_trailers_add(record, "Reason", "inventory");
	util_trailers_add(record, "By", "root");
	(void)activate_record(app, record, &error);
	g_assert_no_error(error);
}

static void test_hold(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_release(world, "v2", "two", NOON);
	hold(world, "held", NULL);
	g_assert_cmpint(world_due(world), ==, NOON + 1801);
	g_assert_cmpstr(world_state(world, "v2"), ==, "staged");
	hold(world, "unheld", NULL);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "live");
	world_release(world, "v3", "three", NOON + 1);
	hold(world, "held", "v3");
	g_autoptr(Report) held = world_report(world, "v3", "held");
	g_assert_cmpstr(held->detail, ==, "inventory");
	util_clock_fake_set(world->clock, NOON + 1802);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v3"), ==, "missed");
	g_autoptr(Report) missed = world_report(world, "v3", "missed");
	g_assert_nonnull(strstr(missed->detail, "held"));
	g_assert_nonnull(strstr(missed->detail, "inventory"));
	assert_serving(world, "two");
}

static void test_missed_unstaged(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	g_autofree char *root = g_strnfill(64, 'a');
	world_order(world, "v2", root, NOON);
	world_accept(world);
	g_assert_cmpint(world_due(world), ==, NOON + 1801);
	util_clock_fake_set(world->clock, NOON + 1801);
	g_assert_cmpint(world_due(world), ==, 0);
	g_assert_cmpstr(world_state(world, "v2"), ==, "missed");
}

/* The clock stands before central wrote the order: nothing is missed, nothing goes early. */
static void test_clock_before_order(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_release(world, "v2", "two", NOON + 60);
	util_clock_fake_set(world->clock, NOON - 400 * 24 * 3600);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "staged");
	util_clock_fake_set(world->clock, NOON + 60);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "live");
}

static void rollback(World *world, const char *expected_error)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(ActivateApp) app = world_open(world);
	gboolean ok = activate_rollback(app, "alice", &error);
	g_assert_true(ok == (expected_error == NULL));
	if (expected_error)
		g_assert_nonnull(strstr(error->message, expected_error));
}

static void test_rollback(World *world, gconstpointer data)
{
	(void)data;
	rollback(world, "none to go back to");
	world_v1_live(world);
	rollback(world, "none to go back to");
	world_release(world, "v2", "two", NOON);
	world_due(world);
	world_command(world, CONF_PHASE_AFTER, TRUE);
	g_free(world_calls(world));
	rollback(world, NULL);
	assert_serving(world, "one");
	assert_current(world, "one");
	g_assert_cmpstr(world_state(world, "v2"), ==, "rolled-back");
	g_autofree char *calls = world_calls(world);
	g_assert_cmpstr(calls, ==, "stop v1 \nstart v1 \nhealth v1 \nafter v2 rolled-back\n");
	g_autoptr(Report) report = world_report(world, "v2", "rolled-back");
	g_autoptr(Report) v1 = world_report(world, "v1", "live");
	g_assert_cmpstr(report->serves_root, ==, v1->root);
	g_assert_cmpstr(report->detail, ==, "operator alice: from v2 back to v1");
	g_assert_cmpint(report->outage_ms, >=, 0);
	/* v2 is no good: there is nothing further back */
	rollback(world, "none to go back to");
	/* and it does not come back by itself */
	world_due(world);
	assert_serving(world, "one");
}

static void test_rollback_fails(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_release(world, "v2", "two", NOON);
	world_due(world);
	world_put(world, "do-start", "[ $TAGSHIP_VERSION = v2 ] || exit 1\n");
	rollback(world, "what was live serves again");
	assert_serving(world, "two");
	g_assert_cmpstr(world_state(world, "v2"), ==, "live");
	g_autoptr(Report) report = world_report_of(world, "v2", "live", 2);
	g_assert_nonnull(strstr(report->detail, "operator alice: from v2 back to v1: start"));
	g_assert_true(util_fs_unlink(world->dirfd, "do-start", NULL));
	rollback(world, NULL);
	assert_serving(world, "one");
}

/* After `down` the way back is to what was live before. */
static void test_rollback_from_down(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_put(world, "do-health", "exit 1\n");
	world_release(world, "v2", "two", NOON);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "down");
	g_assert_true(util_fs_unlink(world->dirfd, "do-health", NULL));
	rollback(world, NULL);
	assert_serving(world, "one");
	g_assert_cmpstr(world_state(world, "v2"), ==, "rolled-back");
}

/* The data goes back with the code; where it cannot, neither does. */
static void test_rollback_migrated(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_command(world, CONF_PHASE_MIGRATE, TRUE);
	world_release(world, "v2", "two", NOON);
	world_due(world);
	rollback(world, "no unmigrate");
	assert_serving(world, "two");
	world_command(world, CONF_PHASE_UNMIGRATE, TRUE);
	g_free(world_calls(world));
	/* v1 does not start: v2 serves again, on its data */
	world_put(world, "do-start", "[ $TAGSHIP_VERSION = v2 ] || exit 1\n");
	rollback(world, "what was live serves again");
	g_autofree char *calls = world_calls(world);
	g_assert_cmpstr(calls, ==,
			"stop v1 \nunmigrate v1 \nstart v1 \nstop v2 undo\nmigrate v2 undo\n"
			"start v2 undo\nhealth v2 undo\n");
	g_assert_true(util_fs_unlink(world->dirfd, "do-start", NULL));
	rollback(world, NULL);
	g_autofree char *again = world_calls(world);
	g_assert_cmpstr(again, ==, "stop v1 \nunmigrate v1 \nstart v1 \nhealth v1 \n");
	assert_serving(world, "one");
}

/* A release that was undone is not what an operator goes back from. */
static void test_rollback_after_undo(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_release(world, "v2", "two", NOON);
	world_due(world);
	world_release(world, "v3", "sick", NOON + 1);
	util_clock_fake_set(world->clock, NOON + 1);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v3"), ==, "rolled-back");
	rollback(world, NULL);
	assert_serving(world, "one");
	g_assert_cmpstr(world_state(world, "v2"), ==, "rolled-back");
	g_autoptr(Report) report = world_report(world, "v2", "rolled-back");
	g_assert_cmpstr(report->detail, ==, "operator alice: from v2 back to v1");
}

static void test_rollback_pruned(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_release(world, "v2", "two", NOON);
	world_due(world);
	g_autofree char *tree = tree_path(world, "releases", "v1");
	g_assert_true(util_fs_remove_tree(AT_FDCWD, tree, NULL));
	rollback(world, "not on this disk any more");
	assert_serving(world, "two");
}

/* A report that cannot be signed now is made at the next opening, with the same text. */
static void test_report_later(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	g_assert_true(util_fs_rename(world->dirfd, "key", world->dirfd, "key.away", NULL));
	world_release(world, "v2", "two", NOON);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "live");
	g_assert_nonnull(strstr(world->said->str, "could not be made"));
	g_assert_null(world_report(world, "v2", "live"));
	g_assert_true(util_fs_rename(world->dirfd, "key.away", world->dirfd, "key", NULL));
	util_clock_fake_set(world->clock, NOON + 100);
	world_due(world);
	g_autoptr(Report) report = world_report(world, "v2", "live");
	g_assert_cmpint(report->event_utc, ==, NOON);
	g_autoptr(Report) staged = world_report(world, "v2", "staged");
	g_assert_cmpint(staged->event_utc, ==, NOON);
}

/* Delivered reports are taken away by mirror, and are not made again. */
static void test_report_once(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	g_assert_true(util_fs_remove_tree(world->root_dirfd, "pending", NULL));
	world_due(world);
	g_assert_null(world_report(world, "v1", "live"));
}

/* The disk is full when the time comes: the release goes live all the same, without its logs; the
 * report is made when there is room again. */
static void test_full_disk(World *world, gconstpointer data)
{
	(void)data;
	g_autofree char *dir = g_build_filename(world->path, "disk", NULL);
	g_assert_cmpint(g_mkdir(dir, 0755), ==, 0);
	if (mount("none", dir, "tmpfs", 0, "size=2m") != 0) {
		g_test_skip("needs to mount a tmpfs");
		return;
	}
	World small;
	g_autofree char *sub = g_build_filename(dir, "w", NULL);
	g_assert_cmpint(g_mkdir(sub, 0755), ==, 0);
	world_setup_at(&small, g_steal_pointer(&sub));
	world_v1_live(&small);
	world_release(&small, "v2", "two", NOON);
	/* commands that need no disk */
	world_put(&small, "phase.sh", "exit 0\n");
	g_autofree char *filler = g_build_filename(dir, "filler", NULL);
	util_autofd int fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	g_autofree char *block = g_malloc0(4096);
	while (write(fd, block, 4096) > 0)
		;
	g_autoptr(GError) error = NULL;
	gint64 next_utc = 0;
	ActivateSpec spec = world_spec(&small);
	ActivateApp *app = activate_open(&spec, 0, &error);
	g_assert_no_error(error);
	g_assert_true(activate_due(app, &next_utc, &error));
	g_assert_no_error(error);
	activate_close(app);
	g_assert_cmpstr(world_state(&small, "v2"), ==, "live");
	assert_current(&small, "two");
	g_assert_null(world_report(&small, "v2", "live"));
	g_assert_cmpint(unlink(filler), ==, 0);
	util_closep(&fd);
	fd = -1;
	world_due(&small);
	g_autoptr(Report) report = world_report(&small, "v2", "live");
	g_assert_nonnull(report);
	world_teardown(&small, NULL);
	g_assert_cmpint(umount(dir), ==, 0);
}

/* Somebody else is at it. */
static void test_locked(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	g_autoptr(ActivateApp) app = world_open(world);
	ActivateSpec spec = world_spec(world);
	g_assert_null(activate_open(&spec, 0, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_AGAIN);
}

static void test_prepare(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	ActivateSpec spec = world_spec(world);
	world_v1_live(world);
	world_command(world, CONF_PHASE_PREPARE, TRUE);
	world_put(world, "want-env", "");
	AcceptedOrder *v2 = world_release(world, "v2", "two", NOON);
	g_autofree char *full = tree_path(world, "pre-release", "v2");
	g_autofree char *tree = g_path_get_basename(full);
	g_assert_true(activate_prepare(&spec, v2->order, tree, &error));
	g_autofree char *env = world_get(world, "env-prepare");
	g_autofree char *expected = g_strdup_printf("TAGSHIP_TREE=%s\n", full);
	g_assert_nonnull(strstr(env, expected));
	world_put(world, "do-prepare", "echo no cache; exit 4\n");
	g_assert_false(activate_prepare(&spec, v2->order, tree, &error));
	g_assert_nonnull(strstr(error->message, "prepare: exit status 4"));
	g_assert_nonnull(strstr(error->message, "no cache"));
}

static void test_incarnation(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	gint64 number = 0;
	g_assert_true(activate_incarnation(world->root_dirfd, &number, &error));
	g_assert_cmpint(number, ==, 1);
	world_put(world, "root/incarnation", "3\n");
	g_assert_true(activate_incarnation(world->root_dirfd, &number, &error));
	g_assert_cmpint(number, ==, 3);
	world_put(world, "root/incarnation", "none\n");
	g_assert_false(activate_incarnation(world->root_dirfd, &number, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
#define ADD(name, function) \
	g_test_add("/activate/orders/" name, World, NULL, world_setup, function, world_teardown)
	ADD("altered", test_altered);
	ADD("staged-tree-gone", test_staged_tree_gone);
	ADD("manifest-exchanged", test_manifest_exchanged);
	ADD("current-changed", test_current_changed);
	ADD("current-elsewhere", test_current_elsewhere);
	ADD("current-removed", test_current_removed);
	ADD("current-dangling", test_current_dangling);
	ADD("current-is-folder", test_current_is_folder);
	ADD("old-tree-altered", test_old_tree_altered);
	ADD("left-tree-altered", test_left_tree_altered);
	ADD("supersede", test_supersede);
	ADD("sick-does-not-supersede", test_sick_does_not_supersede);
	ADD("already-live", test_already_live);
	ADD("plan-back", test_plan_back);
	ADD("cancel", test_cancel);
	ADD("too-late", test_too_late);
	ADD("hold", test_hold);
	ADD("missed-unstaged", test_missed_unstaged);
	ADD("clock-before-order", test_clock_before_order);
	ADD("rollback", test_rollback);
	ADD("rollback-fails", test_rollback_fails);
	ADD("rollback-from-down", test_rollback_from_down);
	ADD("rollback-migrated", test_rollback_migrated);
	ADD("rollback-after-undo", test_rollback_after_undo);
	ADD("rollback-pruned", test_rollback_pruned);
	ADD("report-later", test_report_later);
	ADD("report-once", test_report_once);
	ADD("full-disk", test_full_disk);
	ADD("locked", test_locked);
	ADD("prepare", test_prepare);
	ADD("incarnation", test_incarnation);
	return g_test_run();
}
