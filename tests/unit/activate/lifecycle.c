/* SPDX-License-Identifier: ISC */
#include "world.h"

static void test_goes_live(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_release(world, "v2", "two", NOON + 60);
	g_assert_cmpint(world_due(world), ==, NOON + 60); /* not yet */
	g_assert_cmpstr(world_state(world, "v2"), ==, "staged");
	assert_serving(world, "one");
	util_clock_fake_set(world->clock, NOON + 60);
	g_assert_cmpint(world_due(world), ==, 0);
	g_assert_cmpstr(world_state(world, "v2"), ==, "live");
	assert_serving(world, "two");
	assert_current(world, "two");
	g_autofree char *calls = world_calls(world);
	g_assert_cmpstr(calls, ==, "stop v2 \nstart v2 \nhealth v2 \n");
	g_autoptr(Report) report = world_report(world, "v2", "live");
	g_assert_nonnull(report);
	g_assert_cmpstr(report->base, ==, "haikou");
	g_assert_cmpstr(report->version, ==, "v2");
	g_assert_cmpstr(report->serves_root, ==, report->root);
	g_assert_cmpint(report->event_utc, ==, NOON + 60);
	g_assert_cmpint(report->outage_ms, >=, 0);
	g_assert_cmpint(report->outage_ms, <, 5000);
	g_autoptr(Report) staged = world_report(world, "v2", "staged");
	g_assert_nonnull(staged);
	g_assert_cmpstr(staged->serves_root, !=, staged->root);
	/* once is enough */
	g_assert_cmpint(world_due(world), ==, 0);
	g_autofree char *again = world_calls(world);
	g_assert_cmpstr(again, ==, "");
}

static void test_environment(World *world, gconstpointer data)
{
	(void)data;
	static const ConfPhase phases[] = {CONF_PHASE_BEFORE, CONF_PHASE_MIGRATE, CONF_PHASE_AFTER};
	world_v1_live(world);
	for (guint i = 0; i < G_N_ELEMENTS(phases); i++)
		world_command(world, phases[i], TRUE);
	world_put(world, "want-env", "");
	g_setenv("TAGSHIP_TEST_LEAK", "yes", TRUE);
	world_release(world, "v2", "two", NOON);
	world_due(world);
	g_unsetenv("TAGSHIP_TEST_LEAK");
	g_autofree char *calls = world_calls(world);
	g_assert_cmpstr(calls, ==,
			"before v2 \nstop v2 \nmigrate v2 \nstart v2 \nhealth v2 \n"
			"after v2 live\n");
	g_autofree char *env = world_get(world, "env-migrate");
	g_autofree char *tree = g_strdup_printf("TAGSHIP_TREE=%s/releases/v2-", world->app_path);
	g_autofree char *previous =
	    g_strdup_printf("TAGSHIP_PREVIOUS_TREE=%s/releases/v1-", world->app_path);
	g_autofree char *pwd = g_strdup_printf("PWD=%s\n", world->app_path);
	g_assert_nonnull(strstr(env, tree));
	g_assert_nonnull(strstr(env, previous));
	g_assert_nonnull(strstr(env, pwd));
	g_assert_nonnull(strstr(env, "TAGSHIP_APP=shop\n"));
	g_assert_nonnull(strstr(env, "HOME=/\n"));
	g_assert_nonnull(strstr(env, "LANG=C.UTF-8\n"));
	g_assert_null(strstr(env, "TAGSHIP_TEST_LEAK"));
	/* the tree is in place before anything is stopped */
	g_autofree char *before_stop = world_get(world, "env-stop");
	g_assert_nonnull(strstr(before_stop, tree));
}

/* The next release works after whatever happened to v2. */
static void assert_next_works(World *world)
{
	static const char *const hooks[] = {"do-stop", "do-start", "do-health", "do-migrate"};
	for (guint i = 0; i < G_N_ELEMENTS(hooks); i++)
		g_assert_true(util_fs_unlink(world->dirfd, hooks[i], NULL));
	world_release(world, "v3", "three", NOON + 1);
	util_clock_fake_set(world->clock, NOON + 1);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v3"), ==, "live");
	assert_serving(world, "three");
}

static void test_never_healthy(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world->app.health_every_ms = 50;
	world_release(world, "v2", "sick", NOON);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "rolled-back");
	assert_serving(world, "one");
	assert_current(world, "one");
	g_autofree char *calls = world_calls(world);
	g_assert_true(g_str_has_prefix(calls, "stop v2 \nstart v2 \nhealth v2 \nhealth v2 \n"));
	g_assert_true(
	    g_str_has_suffix(calls, "health v2 \nstop v1 undo\nstart v1 undo\nhealth v1 undo\n"));
	g_autoptr(Report) report = world_report(world, "v2", "rolled-back");
	g_autoptr(Report) v1 = world_report(world, "v1", "live");
	g_assert_cmpstr(report->serves_root, ==, v1->root);
	g_assert_nonnull(strstr(report->detail, "not healthy after"));
	g_assert_nonnull(strstr(report->log_end, "sick"));
	g_assert_cmpint(report->outage_ms, >=, 900);
	assert_next_works(world);
}

/* It becomes healthy late, but in time. */
static void test_healthy_late(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world->app.health_time_s = 10;
	world->app.health_every_ms = 50;
	world_put(world, "do-health", "[ $(grep -c health \"$W/calls\") -ge 4 ] || exit 1\n");
	world_release(world, "v2", "two", NOON);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "live");
}

/* Undo begins early enough to fit into the maximum outage, the order's own. */
static void test_max_outage(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world->app.health_time_s = 60;
	world->app.health_every_ms = 50;
	AcceptedOrder *accepted = world_release(world, "v2", "sick", NOON);
	accepted->order->max_outage_s = 2;
	world_accept(world);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "rolled-back");
	g_autoptr(Report) report = world_report(world, "v2", "rolled-back");
	g_assert_cmpint(report->outage_ms, <=, 2000);
}

static void test_start_fails(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_put(world, "do-start", "[ $TAGSHIP_VERSION = v1 ] || { echo port taken; exit 7; }\n");
	world_release(world, "v2", "two", NOON);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "rolled-back");
	assert_serving(world, "one");
	g_autoptr(Report) report = world_report(world, "v2", "rolled-back");
	g_assert_nonnull(strstr(report->detail, "start: exit status 7"));
	g_assert_cmpstr(report->log_end, ==, "port taken");
	assert_next_works(world);
}

/* A stop that hangs is killed; the old server still runs, and health says so. */
static void test_stop_hangs(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world->app.commands[CONF_PHASE_STOP].deadline_s = 1;
	world_put(world, "do-stop", "exec sleep 60\n");
	world_release(world, "v2", "two", NOON);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "rolled-back");
	assert_serving(world, "one");
	assert_current(world, "one");
	g_autofree char *calls = world_calls(world);
	g_assert_cmpstr(calls, ==, "stop v2 \nstart v1 undo\nhealth v1 undo\n");
	g_autoptr(Report) report = world_report(world, "v2", "rolled-back");
	g_assert_nonnull(strstr(report->detail, "stop: not done after 1 s"));
	assert_next_works(world);
}

/* A stop that ignores SIGTERM, and what it started: killed after kill_after, all of it. */
static void test_stop_ignores_term(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world->app.commands[CONF_PHASE_STOP].deadline_s = 1;
	world->app.kill_after_s = 1;
	world_put(world, "do-stop",
		  "trap '' TERM\n"
		  "( sleep 60; : > \"$W/outlived\" ) &\n"
		  "echo $! > \"$W/child\"\n"
		  "while :; do sleep 1; echo asked >> \"$W/asked\"; done\n");
	world_release(world, "v2", "two", NOON);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "rolled-back");
	assert_serving(world, "one");
	g_autoptr(Report) report = world_report(world, "v2", "rolled-back");
	g_assert_nonnull(strstr(report->detail, "stop: not done after 1 s, nor 1 s after SIGTERM"));
	g_autofree char *child = world_get(world, "child");
	g_autofree char *proc = g_strdup_printf("/proc/%s/stat", g_strchomp(child));
	g_autofree char *stat = NULL;
	/* gone, or waiting to be reaped by whoever inherited it */
	g_assert_true(!g_file_get_contents(proc, &stat, NULL, NULL) || strstr(stat, ") Z "));
	g_assert_true(util_fs_unlink(world->dirfd, "do-stop", NULL));
	assert_next_works(world);
}

/* Down before the switch, on data that was migrated: what is interrupted after that does not start
 * the old version on it either, and a version that fits goes live. */
static void test_down_migrated(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_command(world, CONF_PHASE_MIGRATE, TRUE);
	world_put(world, "do-migrate", "[ $TAGSHIP_VERSION != v2 ] || exit 1\n");
	world_release(world, "v2", "two", NOON);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "down");
	assert_current(world, "one");
	g_free(world_calls(world));
	for (guint i = 3; i <= 4; i++) {
		g_autofree char *version = g_strdup_printf("v%u", i);
		world_put(world, "do-stop", "rm \"$W/do-stop\"; kill -9 $PPID\n");
		world_release(world, version, version, NOON + i);
		util_clock_fake_set(world->clock, NOON + i);
		world_due_killed(world);
		world_due(world);
		g_assert_cmpstr(world_state(world, version), ==, "down");
		g_autofree char *calls = world_calls(world);
		g_assert_null(strstr(calls, "start v1"));
	}
	world_release(world, "v5", "five", NOON + 5);
	util_clock_fake_set(world->clock, NOON + 5);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v5"), ==, "live");
	assert_serving(world, "five");
}

/* Each command broken in turn, also in the undo: there is an end, and the next release works. */
static void test_broken_commands(World *world, gconstpointer data)
{
	static const char *const breaks[] = {"exit 7\n", "exec sleep 60\n", "kill -9 $$\n"};
	static const ConfPhase phases[] = {
	    CONF_PHASE_BEFORE, CONF_PHASE_STOP,   CONF_PHASE_MIGRATE, CONF_PHASE_UNMIGRATE,
	    CONF_PHASE_START,  CONF_PHASE_HEALTH, CONF_PHASE_AFTER};
	(void)data;
	gint64 at_utc = NOON;
	guint number = 2;
	for (guint i = 0; i < G_N_ELEMENTS(phases); i++)
		world_command(world, phases[i], TRUE);
	world_v1_live(world);
	for (guint p = 0; p < G_N_ELEMENTS(phases); p++) {
		for (guint b = 0; b < G_N_ELEMENTS(breaks); b++, number++, at_utc++) {
			const char *phase = conf_phase_name(phases[p]);
			g_autofree char *version = g_strdup_printf("v%u", number);
			g_autofree char *file = g_strconcat("do-", phase, NULL);
			/* a second each: of the many, two */
			if (b == 1 && phases[p] != CONF_PHASE_STOP &&
			    phases[p] != CONF_PHASE_UNMIGRATE)
				continue;
			world->app.commands[phases[p]].deadline_s = 1;
			world_put(world, file, breaks[b]);
			/* unmigrate only runs in an undo */
			if (phases[p] == CONF_PHASE_UNMIGRATE)
				world_put(world, "do-start", "[ $TAGSHIP_OUTCOME ] || exit 1\n");
			world_release(world, version, version, at_utc);
			util_clock_fake_set(world->clock, at_utc);
			world_due(world);
			const char *state = world_state(world, version);
			g_test_message("%s: %s: %s", phase, breaks[b], state);
			g_assert_false(strcmp(state, "activating") == 0 ||
				       strcmp(state, "staged") == 0);
			g_autoptr(Report) report = world_report(world, version, state);
			g_assert_nonnull(report);
			g_assert_true(util_fs_unlink(world->dirfd, file, NULL));
			g_assert_true(util_fs_unlink(world->dirfd, "do-start", NULL));
			world->app.commands[phases[p]].deadline_s = 20;
			g_autofree char *next = g_strdup_printf("next%u", number);
			world_release(world, next, next, ++at_utc);
			util_clock_fake_set(world->clock, at_utc);
			world_due(world);
			g_assert_cmpstr(world_state(world, next), ==, "live");
			assert_serving(world, next);
			assert_current(world, next);
		}
	}
}

/* Stop fails, and start finds the old server still running: health decides. */
static void test_stop_fails_start_refuses(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_put(world, "do-stop", "exit 1\n");
	world_put(world, "do-start", "exit 98\n");
	world_release(world, "v2", "two", NOON);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "rolled-back");
	assert_serving(world, "one");
	g_autoptr(Report) report = world_report(world, "v2", "rolled-back");
	g_assert_nonnull(strstr(report->detail, "undo: start: exit status 98"));
	assert_next_works(world);
}

/* The new version runs and cannot be stopped, the old one cannot start: whatever the health check
 * hears is not the old version. */
static void test_new_cannot_be_stopped(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_put(world, "do-start", "[ $TAGSHIP_VERSION = v2 ] || exit 98\n");
	world_put(world, "do-stop", "[ $TAGSHIP_VERSION = v2 ] || exit 1\n");
	world_put(world, "do-health", "[ $TAGSHIP_VERSION = v1 ]\nexit\n");
	world_release(world, "v2", "two", NOON);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "down");
	g_autoptr(Report) report = world_report(world, "v2", "down");
	g_assert_cmpstr(report->serves_root, ==, "-");
	assert_next_works(world);
}

static void test_old_sick_too(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_put(world, "do-health", "exit 1\n");
	world_release(world, "v2", "two", NOON);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "down");
	assert_current(world, "one"); /* the old tree, whole */
	/* a stop command that finds nothing running must not keep the next release away */
	g_assert_true(util_fs_unlink(world->dirfd, "do-health", NULL));
	world_put(world, "do-stop", "exit 5\n");
	world_release(world, "v3", "three", NOON + 1);
	util_clock_fake_set(world->clock, NOON + 1);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v3"), ==, "live");
	g_autoptr(Report) report = world_report(world, "v3", "live");
	g_assert_nonnull(strstr(report->detail, "the app was down"));
}

/* A command that is not there. */
static void test_command_missing(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	g_free(world->app.commands[CONF_PHASE_STOP].argv[0]);
	world->app.commands[CONF_PHASE_STOP].argv[0] = g_strdup("/nowhere/stop");
	world_release(world, "v2", "two", NOON);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "rolled-back");
	assert_serving(world, "one");
	g_autoptr(Report) report = world_report(world, "v2", "rolled-back");
	g_assert_nonnull(strstr(report->detail, "/nowhere/stop"));
	world_command(world, CONF_PHASE_STOP, TRUE);
	assert_next_works(world);
}

static void test_first_ever(World *world, gconstpointer data)
{
	(void)data;
	world_release(world, "v1", "one", NOON);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v1"), ==, "live");
	assert_serving(world, "one");
	g_autofree char *calls = world_calls(world);
	g_assert_cmpstr(calls, ==, "start v1 \nhealth v1 \n"); /* nothing to stop */
}

static void test_first_ever_sick(World *world, gconstpointer data)
{
	(void)data;
	world_release(world, "v1", "sick", NOON);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v1"), ==, "down");
	assert_serving(world, NULL);
	assert_current(world, NULL); /* as before */
	assert_next_works(world);
}

static void test_migrate_fails(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_command(world, CONF_PHASE_MIGRATE, TRUE);
	world_command(world, CONF_PHASE_UNMIGRATE, TRUE);
	world_put(world, "do-migrate", "exit 1\n");
	world_release(world, "v2", "two", NOON);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "rolled-back");
	g_autofree char *calls = world_calls(world);
	g_assert_cmpstr(calls, ==,
			"stop v2 \nmigrate v2 \nunmigrate v1 undo\nstart v1 undo\n"
			"health v1 undo\n");
	assert_next_works(world);
}

/* Old code is never started on new data. */
static void test_no_unmigrate(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_command(world, CONF_PHASE_MIGRATE, TRUE);
	world_release(world, "v2", "sick", NOON);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "down");
	g_autofree char *calls = world_calls(world);
	g_assert_null(strstr(calls, "start v1"));
	g_assert_true(g_str_has_suffix(calls, "stop v1 undo\n"));
	g_autoptr(Report) report = world_report(world, "v2", "down");
	g_assert_nonnull(strstr(report->detail, "there is no unmigrate"));
	g_assert_cmpstr(report->serves_root, ==, "-");
	assert_next_works(world);
}

static void test_unmigrate_fails(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_command(world, CONF_PHASE_MIGRATE, TRUE);
	world_command(world, CONF_PHASE_UNMIGRATE, TRUE);
	world_put(world, "do-unmigrate", "exit 1\n");
	world_release(world, "v2", "sick", NOON);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "down");
	g_autofree char *calls = world_calls(world);
	g_assert_null(strstr(calls, "start v1"));
}

/* A server that start leaves in the background keeps its output open and lives on. */
static void test_server_survives(World *world, gconstpointer data)
{
	(void)data;
	world_put(world, "do-start", "sleep 30 & echo $! > \"$W/pid\"\n");
	world_release(world, "v1", "one", NOON);
	gint64 begun_us = g_get_monotonic_time();
	world_due(world);
	g_assert_cmpint(g_get_monotonic_time() - begun_us, <, 10 * G_USEC_PER_SEC);
	g_autofree char *text = world_get(world, "pid");
	pid_t pid = (pid_t)g_ascii_strtoll(text, NULL, 10);
	g_assert_cmpint(kill(pid, 0), ==, 0);
	g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
}

static void test_logs(World *world, gconstpointer data)
{
	(void)data;
	world_put(world, "do-start", "echo out; echo err >&2\n");
	world_release(world, "v1+a", "one", NOON);
	world_due(world);
	g_autoptr(GPtrArray) names = util_fs_list(world->root_dirfd, "log/shop", NULL);
	g_assert_cmpuint(names->len, ==, 2);
	g_assert_cmpstr(names->pdata[1], ==, "20270115T080000Z-v1+a-start.log");
	g_autofree char *log = world_get(world, "root/log/shop/20270115T080000Z-v1+a-start.log");
	g_assert_cmpstr(log, ==, "out\nerr\n");
}

static void test_before_lead(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_command(world, CONF_PHASE_BEFORE, TRUE);
	world_command(world, CONF_PHASE_AFTER, TRUE);
	world->app.lead_s = 300;
	world_release(world, "v2", "two", NOON + 600);
	g_assert_cmpint(world_due(world), ==, NOON + 300);
	util_clock_fake_set(world->clock, NOON + 300);
	g_assert_cmpint(world_due(world), ==, NOON + 600);
	g_assert_cmpint(world_due(world), ==, NOON + 600); /* only once */
	g_autofree char *ahead = world_calls(world);
	g_assert_cmpstr(ahead, ==, "before v2 \n");
	util_clock_fake_set(world->clock, NOON + 600);
	world_due(world);
	g_autofree char *calls = world_calls(world);
	g_assert_cmpstr(calls, ==, "stop v2 \nstart v2 \nhealth v2 \nafter v2 live\n");
}

/* The page that `before` put up is taken down again, also if the release never happens. */
static void test_cancel_after_before(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_command(world, CONF_PHASE_BEFORE, TRUE);
	world_command(world, CONF_PHASE_AFTER, TRUE);
	world->app.lead_s = 300;
	AcceptedOrder *accepted = world_release(world, "v2", "two", NOON + 300);
	world_due(world);
	accepted->cancelled = TRUE;
	accepted->cancel_seq = 9;
	accepted->cancel_reason = g_strdup("a mistake");
	world_accept(world);
	world_due(world);
	g_autofree char *calls = world_calls(world);
	g_assert_cmpstr(calls, ==, "before v2 \nafter v2 cancelled\n");
	g_assert_cmpstr(world_state(world, "v2"), ==, "cancelled");
	g_autoptr(Report) report = world_report(world, "v2", "cancelled");
	g_assert_cmpstr(report->detail, ==, "a mistake");
	assert_serving(world, "one");
}

static void test_before_fails(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_command(world, CONF_PHASE_BEFORE, TRUE);
	world_command(world, CONF_PHASE_AFTER, TRUE);
	world_put(world, "do-before", "echo no backup; exit 3\n");
	world_release(world, "v2", "two", NOON);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "failed");
	g_autofree char *calls = world_calls(world);
	g_assert_cmpstr(calls, ==, "before v2 \nafter v2 failed\n");
	g_autoptr(Report) report = world_report(world, "v2", "failed");
	g_assert_cmpstr(report->log_end, ==, "no backup");
	assert_serving(world, "one");
}

/* `after` fails: what serves is not changed by it. */
static void test_after_fails(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_command(world, CONF_PHASE_AFTER, TRUE);
	world_put(world, "do-after", "exit 3\n");
	world_release(world, "v2", "two", NOON);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "live");
	g_assert_nonnull(strstr(world->said->str, "after: exit status 3"));
	world_due(world);
	g_autofree char *calls = world_calls(world);
	g_assert_nonnull(strstr(calls, "after"));
	g_assert_null(strstr(strstr(calls, "after") + 1, "after")); /* not again and again */
}

/* The line was cut, or the power, while `before` ran ahead of the time: what it began is ended, and
 * it runs again. */
static void test_before_interrupted(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_command(world, CONF_PHASE_BEFORE, TRUE);
	world_command(world, CONF_PHASE_AFTER, TRUE);
	world->app.lead_s = 60;
	world_release(world, "v2", "two", NOON + 30);
	g_autofree char *release = release_of("v2");
	g_autoptr(UtilTrailers) record = util_trailers_new();
	util_trailers_add(record, "Event", "before-begins");
	util_trailers_add(record, "Release", release);
	g_autoptr(ActivateApp) app = world_open(world);
	g_assert_true(activate_record(app, record, NULL));
	g_clear_pointer(&app, activate_close);
	ActivateSpec spec = world_spec(world);
	ActivateNeed need = ACTIVATE_IDLE;
	gint64 next_utc = 0;
	g_assert_true(activate_look(&spec, &need, &next_utc, NULL));
	g_assert_cmpint(need, ==, ACTIVATE_DUE);
	world_due(world);
	g_autofree char *calls = world_calls(world);
	g_assert_cmpstr(calls, ==, "after v2 staged\nbefore v2 \n");
}

/* A drain that asks a server which is not there must not keep the next version from starting. */
static void test_before_fails_down(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_put(world, "do-start", "[ -e \"$W/well\" ] || exit 1\n");
	world_release(world, "v2", "two", NOON);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "down");
	world_put(world, "well", "");
	world_command(world, CONF_PHASE_BEFORE, TRUE);
	world_put(world, "do-before", "exit 1\n");
	world_release(world, "v3", "three", NOON + 5);
	util_clock_fake_set(world->clock, NOON + 5);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v3"), ==, "live");
	g_autoptr(Report) report = world_report(world, "v3", "live");
	g_assert_nonnull(strstr(report->detail, "before: exit status 1 (the app was down)"));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
#define ADD(name, function) \
	g_test_add("/activate/lifecycle/" name, World, NULL, world_setup, function, world_teardown)
	ADD("goes-live", test_goes_live);
	ADD("environment", test_environment);
	ADD("never-healthy", test_never_healthy);
	ADD("healthy-late", test_healthy_late);
	ADD("max-outage", test_max_outage);
	ADD("start-fails", test_start_fails);
	ADD("stop-hangs", test_stop_hangs);
	ADD("stop-ignores-term", test_stop_ignores_term);
	ADD("broken-commands", test_broken_commands);
	ADD("down-migrated", test_down_migrated);
	ADD("stop-fails-start-refuses", test_stop_fails_start_refuses);
	ADD("new-cannot-be-stopped", test_new_cannot_be_stopped);
	ADD("old-sick-too", test_old_sick_too);
	ADD("command-missing", test_command_missing);
	ADD("first-ever", test_first_ever);
	ADD("first-ever-sick", test_first_ever_sick);
	ADD("migrate-fails", test_migrate_fails);
	ADD("no-unmigrate", test_no_unmigrate);
	ADD("unmigrate-fails", test_unmigrate_fails);
	ADD("server-survives", test_server_survives);
	ADD("logs", test_logs);
	ADD("before-lead", test_before_lead);
	ADD("cancel-after-before", test_cancel_after_before);
	ADD("before-fails", test_before_fails);
	ADD("before-interrupted", test_before_interrupted);
	ADD("before-fails-down", test_before_fails_down);
	ADD("after-fails", test_after_fails);
	return g_test_run();
}
