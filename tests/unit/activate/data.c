/* SPDX-License-Identifier: ISC */
/* The app's data: what migrate and unmigrate are run for, whichever way a version comes back. */
#include "world.h"

static void run_at(World *world, gint64 at_utc)
{
	util_clock_fake_set(world->clock, at_utc);
	world_due(world);
}

/* An order for the tree of `of` under another name, as a plan tag with Release-Version makes it. */
static void order_again(World *world, const char *name, const char *of, gint64 at_utc)
{
	for (guint i = 0; i < world->accepted->len; i++) {
		const AcceptedOrder *other = world->accepted->pdata[i];
		if (strcmp(other->order->version, of) != 0)
			continue;
		g_autofree char *tree = g_strdup_printf("%s-%.8s", of, other->order->root);
		AcceptedOrder *again = world_order(world, name, other->order->root, at_utc);
		world_accept(world);
		world_staged(world, again, tree);
		return;
	}
	g_assert_not_reached();
}

/* v1, then v2, for which migrate ran. */
static void v2_live(World *world)
{
	world_v1_live(world);
	world_command(world, CONF_PHASE_MIGRATE, TRUE);
	world_release(world, "v2", "two", NOON);
	run_at(world, NOON);
	g_assert_cmpstr(world_state(world, "v2"), ==, "live");
	g_free(world_calls(world));
}

/* The same, but v2 does not start, and there is no way back. */
static void v2_down(World *world)
{
	world_v1_live(world);
	world_command(world, CONF_PHASE_MIGRATE, TRUE);
	world_put(world, "do-start", "[ $TAGSHIP_VERSION != v2 ] || exit 1\n");
	world_release(world, "v2", "two", NOON);
	run_at(world, NOON);
	g_assert_cmpstr(world_state(world, "v2"), ==, "down");
}

static void test_plan_back_refused(World *world, gconstpointer data)
{
	(void)data;
	v2_live(world);
	world_command(world, CONF_PHASE_BEFORE, TRUE);
	order_again(world, "back", "v1", NOON + 5);
	run_at(world, NOON + 5);
	g_assert_cmpstr(world_state(world, "back"), ==, "failed");
	assert_serving(world, "two");
	g_autofree char *calls = world_calls(world);
	g_assert_cmpstr(calls, ==, "");
	g_autoptr(Report) report = world_report(world, "back", "failed");
	g_assert_nonnull(strstr(report->detail, "no unmigrate"));
}

/* There and back and there again: each time the data is taken along. */
static void test_plan_back(World *world, gconstpointer data)
{
	(void)data;
	v2_live(world);
	world_command(world, CONF_PHASE_UNMIGRATE, TRUE);
	order_again(world, "back", "v1", NOON + 5);
	run_at(world, NOON + 5);
	g_assert_cmpstr(world_state(world, "back"), ==, "live");
	assert_serving(world, "one");
	order_again(world, "again", "v2", NOON + 9);
	run_at(world, NOON + 9);
	assert_serving(world, "two");
	g_autofree char *calls = world_calls(world);
	g_assert_cmpstr(calls, ==,
			"stop back \nunmigrate back \nstart back \nhealth back \n"
			"stop again \nmigrate again \nstart again \nhealth again \n");
	/* a new version is migrated for, and goes back over two */
	world_release(world, "v3", "three", NOON + 15);
	run_at(world, NOON + 15);
	order_again(world, "far", "v1", NOON + 20);
	run_at(world, NOON + 20);
	assert_serving(world, "one");
	g_free(g_steal_pointer(&calls));
	calls = world_calls(world);
	g_assert_nonnull(strstr(calls, "unmigrate far"));
}

/* Its undo takes the data forward again; interrupted, too. */
static void test_plan_back_undone(World *world, gconstpointer data)
{
	(void)data;
	v2_live(world);
	world_command(world, CONF_PHASE_UNMIGRATE, TRUE);
	world_put(world, "do-start", "[ $TAGSHIP_VERSION != back ] || exit 1\n");
	order_again(world, "back", "v1", NOON + 5);
	run_at(world, NOON + 5);
	g_assert_cmpstr(world_state(world, "back"), ==, "rolled-back");
	assert_serving(world, "two");
	g_autofree char *calls = world_calls(world);
	g_assert_cmpstr(calls, ==,
			"stop back \nunmigrate back \nstart back \nstop v2 undo\nmigrate v2 undo\n"
			"start v2 undo\nhealth v2 undo\n");
}

/* Down on data that only v2 fits: an order for v1 must not start it there. */
static void test_down(World *world, gconstpointer data)
{
	(void)data;
	v2_down(world);
	order_again(world, "back", "v1", NOON + 5);
	run_at(world, NOON + 5);
	g_assert_cmpstr(world_state(world, "back"), ==, "failed");
	/* with a way to take it back it may */
	world_command(world, CONF_PHASE_UNMIGRATE, TRUE);
	g_free(world_calls(world));
	order_again(world, "again", "v1", NOON + 9);
	run_at(world, NOON + 9);
	g_assert_cmpstr(world_state(world, "again"), ==, "live");
	assert_serving(world, "one");
	g_autofree char *calls = world_calls(world);
	g_assert_cmpstr(calls, ==, "stop again \nunmigrate again \nstart again \nhealth again \n");
}

/* ... and unmigrate failing, nothing starts on what it leaves. */
static void test_down_unmigrate_fails(World *world, gconstpointer data)
{
	(void)data;
	v2_down(world);
	world_command(world, CONF_PHASE_UNMIGRATE, TRUE);
	world_put(world, "do-unmigrate", "exit 1\n");
	g_free(world_calls(world));
	order_again(world, "back", "v1", NOON + 5);
	run_at(world, NOON + 5);
	g_assert_cmpstr(world_state(world, "back"), ==, "down");
	g_autofree char *calls = world_calls(world);
	g_assert_null(strstr(calls, "start"));
}

/* ... nor if we are killed before unmigrate: what is there is v1, too, and the data is v2's. */
static void test_down_killed(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_command(world, CONF_PHASE_MIGRATE, TRUE);
	world_put(world, "do-migrate", "exit 1\n");
	world_release(world, "v2", "two", NOON);
	run_at(world, NOON);
	g_assert_cmpstr(world_state(world, "v2"), ==, "down");
	world_command(world, CONF_PHASE_UNMIGRATE, TRUE);
	world_put(world, "do-stop", "kill -9 $PPID\n");
	order_again(world, "back", "v1", NOON + 5);
	util_clock_fake_set(world->clock, NOON + 5);
	world_due_killed(world);
	world_put(world, "do-stop", "");
	g_free(world_calls(world));
	world_due(world);
	g_assert_cmpstr(world_state(world, "back"), ==, "down");
	g_autofree char *calls = world_calls(world);
	g_assert_null(strstr(calls, "start"));
	g_autoptr(Report) report = world_report(world, "back", "down");
	g_assert_nonnull(strstr(report->detail, "the data is not what v1 was live on"));
}

/* v0 is what is there, down on data that nobody knows; an order for v1 takes the data back to v1's,
 * and v1 is not healthy: v0 must not start on that. */
static void test_down_back_too_far(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_command(world, CONF_PHASE_MIGRATE, TRUE);
	world_command(world, CONF_PHASE_UNMIGRATE, TRUE);
	world_release(world, "v2", "two", NOON);
	run_at(world, NOON);
	order_again(world, "back", "v1", NOON + 5);
	run_at(world, NOON + 5);
	g_assert_cmpstr(world_state(world, "back"), ==, "live");
	world_put(world, "do-migrate", "exit 1\n");
	world_put(world, "do-unmigrate", "exit 1\n");
	world_release(world, "v3", "three", NOON + 9);
	run_at(world, NOON + 9);
	g_assert_cmpstr(world_state(world, "v3"), ==, "down");
	world_put(world, "do-unmigrate", "");
	world_put(world, "do-start", "[ $TAGSHIP_VERSION != again ] || exit 1\n");
	g_free(world_calls(world));
	order_again(world, "again", "v2", NOON + 15);
	run_at(world, NOON + 15);
	g_assert_cmpstr(world_state(world, "again"), ==, "down");
	g_autofree char *calls = world_calls(world);
	g_assert_cmpstr(calls, ==, "stop again \nunmigrate again \nstart again \nstop back undo\n");
}

/* By hand current was led to a version that is older than the data, and serves: a stop that fails
 * is no reason to leave it down. */
static void test_by_hand_stop_fails(World *world, gconstpointer data)
{
	(void)data;
	v2_live(world);
	g_autofree char *tree = NULL;
	for (guint i = 0; i < world->accepted->len; i++) {
		const AcceptedOrder *one = world->accepted->pdata[i];
		if (strcmp(one->order->version, "v1") == 0)
			tree = g_strdup_printf("releases/v1-%.8s", one->order->root);
	}
	g_autofree char *current = g_build_filename(world->app_path, "current", NULL);
	g_assert_cmpint(unlink(current), ==, 0);
	g_assert_cmpint(symlink(tree, current), ==, 0);
	world_put(world, "do-stop", "[ $TAGSHIP_VERSION != v3 ] || exit 1\n");
	world_release(world, "v3", "three", NOON + 5);
	run_at(world, NOON + 5);
	g_assert_cmpstr(world_state(world, "v3"), ==, "rolled-back");
	assert_serving(world, "one");
}

/* A long migrate is ended so that what takes it back still fits into the outage. */
static void test_outage(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_command(world, CONF_PHASE_MIGRATE, TRUE);
	world_command(world, CONF_PHASE_UNMIGRATE, TRUE);
	world_put(world, "do-migrate", "exec sleep 60\n");
	AcceptedOrder *accepted = world_release(world, "v2", "two", NOON);
	accepted->order->max_outage_s = 4;
	world_accept(world);
	run_at(world, NOON);
	g_assert_cmpstr(world_state(world, "v2"), ==, "rolled-back");
	assert_serving(world, "one");
	g_autoptr(Report) report = world_report(world, "v2", "rolled-back");
	g_assert_cmpint(report->outage_ms, <=, 4000);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
#define ADD(name, function) \
	g_test_add("/activate/data/" name, World, NULL, world_setup, function, world_teardown)
	ADD("plan-back-refused", test_plan_back_refused);
	ADD("plan-back", test_plan_back);
	ADD("plan-back-undone", test_plan_back_undone);
	ADD("down", test_down);
	ADD("down-unmigrate-fails", test_down_unmigrate_fails);
	ADD("down-killed", test_down_killed);
	ADD("down-back-too-far", test_down_back_too_far);
	ADD("by-hand-stop-fails", test_by_hand_stop_fails);
	ADD("outage", test_outage);
	return g_test_run();
}
