/* SPDX-License-Identifier: ISC */
/* What an operator activates by hand. */
#include "world.h"

static void by_hand(World *world, const char *version, const char *expected_error)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(ActivateApp) app = world_open(world);
	gboolean ok = activate_by_hand(app, version, "alice", &error);
	g_test_message("%s", error ? error->message : "done");
	g_assert_true(ok == (expected_error == NULL));
	if (expected_error)
		g_assert_nonnull(strstr(error->message, expected_error));
}

static void hold(World *world, const char *event)
{
	g_autoptr(ActivateApp) app = world_open(world);
	g_autoptr(UtilTrailers) record = util_trailers_new();
	util_trailers_add(record, "Event", event);
	util_trailers_add(record, "Reason", "the fair");
	g_assert_true(activate_record(app, record, NULL));
}

/* Ahead of its time, and held: it goes live, the hold stays. */
static void test_staged(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_command(world, CONF_PHASE_BEFORE, TRUE);
	world_command(world, CONF_PHASE_AFTER, TRUE);
	world_release(world, "v2", "two", NOON + 3600);
	hold(world, "held");
	by_hand(world, NULL, NULL);
	assert_serving(world, "two");
	assert_current(world, "two");
	g_assert_cmpstr(world_state(world, "v2"), ==, "live");
	g_autofree char *calls = world_calls(world);
	g_assert_cmpstr(calls, ==, "before v2 \nstop v2 \nstart v2 \nhealth v2 \nafter v2 live\n");
	g_autoptr(Report) report = world_report(world, "v2", "live");
	g_assert_cmpstr(report->detail, ==,
			"operator alice: by hand (it was staged, held: the fair)");
	g_assert_cmpint(report->round, ==, 1);
	ActivateSpec spec = world_spec(world);
	g_autoptr(DecideApp) state = activate_read(&spec, NULL);
	g_assert_true(decide_app_held(state, NULL));
	by_hand(world, "v2", "it is live");
	/* and not once more at its time */
	hold(world, "unheld");
	util_clock_fake_set(world->clock, NOON + 3600);
	world_due(world);
	g_autofree char *again = world_calls(world);
	g_assert_cmpstr(again, ==, "");
}

static void test_missed(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_release(world, "v2", "two", NOON);
	util_clock_fake_set(world->clock, NOON + 1801);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "missed");
	by_hand(world, "v2", NULL);
	assert_serving(world, "two");
	g_autoptr(Report) report = world_report(world, "v2", "live");
	g_assert_cmpint(report->round, ==, 2);
	g_assert_nonnull(strstr(report->detail, "it was missed"));
	/* what comes later supersedes nothing it should not */
	world_release(world, "v3", "three", NOON + 4000);
	util_clock_fake_set(world->clock, NOON + 4000);
	world_due(world);
	assert_serving(world, "three");
	by_hand(world, "v2", "live before");
}

/* Sick, undone, repaired beside it, by hand: live; and once more after the operator's way back.
 * Each end is reported. */
static void test_rolled_back(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_put(world, "do-health",
		  "[ $TAGSHIP_VERSION != v2 ] || [ -e \"$W/well\" ] || exit 1\n");
	world_release(world, "v2", "two", NOON);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "rolled-back");
	by_hand(world, "v2", "what was live serves again");
	assert_serving(world, "one");
	g_assert_cmpstr(world_state(world, "v2"), ==, "rolled-back");
	world_put(world, "well", "");
	by_hand(world, "v2", NULL);
	assert_serving(world, "two");
	g_autoptr(GError) error = NULL;
	g_autoptr(ActivateApp) app = world_open(world);
	g_assert_true(activate_rollback(app, "bob", &error));
	g_clear_pointer(&app, activate_close);
	assert_serving(world, "one");
	by_hand(world, "v2", NULL);
	assert_serving(world, "two");
	static const struct {
		const char *event, *detail;
	} rounds[] = {{"rolled-back", "not healthy"},
		      {"rolled-back", "operator alice: by hand (it was rolled-back)"},
		      {"live", "operator alice"},
		      {"rolled-back", "operator bob: from v2 back to v1"},
		      {"live", "operator alice"}};
	for (guint i = 0; i < G_N_ELEMENTS(rounds); i++) {
		g_autoptr(Report) report = world_report_of(world, "v2", rounds[i].event, i + 1);
		g_assert_nonnull(report);
		g_assert_cmpint(report->round, ==, i + 1);
		g_assert_nonnull(strstr(report->detail, rounds[i].detail));
	}
	/* the way back is still there */
	app = world_open(world);
	g_assert_true(activate_rollback(app, "bob", &error));
	assert_serving(world, "one");
}

/* The link that undo needs cannot be made: nothing begins, and what serves has not failed. */
static void test_no_way_back(World *world, gconstpointer data)
{
	static const char taken[] = "app/.tmp-current-back";
	(void)data;
	world_v1_live(world);
	world_release(world, "v2", "two", NOON);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "live");
	g_assert_true(util_fs_mkdir(world->dirfd, taken, 0755, NULL));
	g_autoptr(GError) error = NULL;
	g_autoptr(ActivateApp) app = world_open(world);
	g_assert_false(activate_rollback(app, "bob", &error));
	g_clear_pointer(&app, activate_close);
	assert_serving(world, "two");
	g_assert_cmpstr(world_state(world, "v2"), ==, "live");
	world_release(world, "v3", "three", NOON);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v3"), ==, "failed");
	assert_serving(world, "two");
	g_assert_true(util_fs_remove_tree(world->dirfd, taken, NULL));
	app = world_open(world);
	g_clear_error(&error);
	g_assert_true(activate_rollback(app, "bob", &error));
	assert_serving(world, "one");
}

/* `before` failing, an altered or missing tree: refused, and the order stays as it was. */
static void test_stays(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	AcceptedOrder *v2 = world_release(world, "v2", "two", NOON + 60);
	world_command(world, CONF_PHASE_BEFORE, TRUE);
	world_put(world, "do-before", "exit 3\n");
	by_hand(world, NULL, "nothing was stopped");
	g_assert_cmpstr(world_state(world, "v2"), ==, "staged");
	world_command(world, CONF_PHASE_BEFORE, FALSE);
	g_autofree char *index =
	    g_strdup_printf("app/pre-release/v2-%.8s/index.html", v2->order->root);
	world_put(world, index, "altered");
	by_hand(world, NULL, "altered by hand");
	g_autofree char *tree = g_strdup_printf("app/pre-release/v2-%.8s", v2->order->root);
	g_assert_true(util_fs_remove_tree(world->dirfd, tree, NULL));
	by_hand(world, "v2", "not on this disk");
	g_assert_cmpstr(world_state(world, "v2"), ==, "staged");
	assert_serving(world, "one");
	v2->cancelled = TRUE;
	v2->cancel_seq = 9;
	world_accept(world);
	by_hand(world, "v2", "cancelled");
}

/* From `down`, with current still at what is activated: undo goes to what was live before. */
static void test_down(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_command(world, CONF_PHASE_MIGRATE, TRUE);
	world_put(world, "do-health",
		  "[ $TAGSHIP_VERSION != v2 ] || [ -e \"$W/well\" ] || exit 1\n");
	world_release(world, "v2", "two", NOON);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "down");
	/* the data is v2's: v1 is not started, again */
	g_free(world_calls(world));
	by_hand(world, "v2", "the app is down");
	g_autofree char *calls = world_calls(world);
	g_assert_null(strstr(calls, "start v1"));
	/* nor after a crash before migrate */
	world_put(world, "do-stop",
		  "[ -e \"$W/killed\" ] || { : > \"$W/killed\"; kill -9 $PPID; }\n");
	pid_t pid = fork();
	if (pid == 0) {
		g_autoptr(ActivateApp) app = world_open(world);
		(void)activate_by_hand(app, "v2", "alice", NULL);
		_exit(0);
	}
	int status = 0;
	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	g_assert_true(WIFSIGNALED(status));
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "down");
	g_autofree char *crashed = world_calls(world);
	g_assert_null(strstr(crashed, "start v1"));
	world_put(world, "well", "");
	by_hand(world, "v2", NULL);
	assert_serving(world, "two");
	g_assert_cmpstr(world_state(world, "v2"), ==, "live");
	/* with unmigrate the way back is to v1 */
	world_command(world, CONF_PHASE_UNMIGRATE, TRUE);
	g_autoptr(ActivateApp) app = world_open(world);
	g_assert_true(activate_rollback(app, "bob", NULL));
	assert_serving(world, "one");
}

/* The same tree ordered again after `down`: undo goes to what was live before. */
static void test_down_again(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_put(world, "do-health", "exit 1\n");
	AcceptedOrder *v2 = world_release(world, "v2", "two", NOON);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "down");
	world_put(world, "do-health", "[ $TAGSHIP_VERSION = v1 ] || exit 1\n");
	/* undo after a failed health switched back to v1 already: as if by hand */
	g_autofree char *tree = g_strdup_printf("v2-%.8s", v2->order->root);
	g_autofree char *target = g_strconcat("releases/", tree, NULL);
	g_assert_true(util_fs_symlink_replace(world->dirfd, target, "app/current", NULL));
	AcceptedOrder *again = world_order(world, "v2.1", v2->order->root, NOON + 5);
	world_accept(world);
	world_staged(world, again, tree);
	util_clock_fake_set(world->clock, NOON + 5);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2.1"), ==, "rolled-back");
	assert_serving(world, "one");
	assert_current(world, "one");
}

/* A missed order activated by hand, the process killed in every phase: it ends right, once, and
 * both ends are reported. */
static void test_killed(World *world, gconstpointer data)
{
	static const ConfPhase phases[] = {CONF_PHASE_BEFORE, CONF_PHASE_MIGRATE,
					   CONF_PHASE_UNMIGRATE, CONF_PHASE_AFTER};
	const char *phase = data;
	gboolean before_switch = strcmp(phase, "stop") == 0 || strcmp(phase, "migrate") == 0;
	gboolean untouched = strcmp(phase, "before") == 0;
	const char *expected = untouched ? "missed" : before_switch ? "rolled-back" : "live";
	world_v1_live(world);
	for (guint i = 0; i < G_N_ELEMENTS(phases); i++)
		world_command(world, phases[i], TRUE);
	g_autofree char *file = g_strconcat("do-", phase, NULL);
	world_release(world, "v2", "two", NOON);
	util_clock_fake_set(world->clock, NOON + 1801);
	world_due(world);
	world_put(world, file, "[ -e \"$W/killed\" ] || { : > \"$W/killed\"; kill -9 $PPID; }\n");
	pid_t pid = fork();
	if (pid == 0) {
		g_autoptr(ActivateApp) app = world_open(world);
		(void)activate_by_hand(app, "v2", "alice", NULL);
		_exit(0);
	}
	int status = 0;
	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	g_assert_true(WIFSIGNALED(status));
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, expected);
	assert_serving(world, strcmp(expected, "live") == 0 ? "two" : "one");
	g_autoptr(Report) missed = world_report_of(world, "v2", "missed", 1);
	g_assert_nonnull(missed);
	if (!untouched) {
		g_autoptr(Report) report = world_report_of(world, "v2", expected, 2);
		g_assert_nonnull(strstr(report->detail, "operator alice: by hand (it was missed)"));
	}
	if (strcmp(expected, "live") == 0)
		return;
	by_hand(world, NULL, NULL);
	assert_serving(world, "two");
	g_autoptr(Report) live = world_report_of(world, "v2", "live", untouched ? 2 : 3);
	g_assert_nonnull(live);
}

static void pin(World *world, const char *version, gboolean on, const char *expected_error)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(ActivateApp) app = world_open(world);
	gboolean ok = on ? activate_pin(app, version, "alice", &error)
			 : activate_unpin(app, version, "alice", &error);
	g_assert_true(ok == (expected_error == NULL));
	if (!expected_error)
		return;
	g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
	g_assert_nonnull(strstr(error->message, expected_error));
}

static guint pins(World *world)
{
	ActivateSpec spec = world_spec(world);
	g_autoptr(DecideApp) state = activate_read(&spec, NULL);
	return decide_app_pins(state)->len;
}

static void test_pin(World *world, gconstpointer data)
{
	(void)data;
	pin(world, "v1", TRUE, "here are: none");
	world_v1_live(world);
	world_release(world, "v2", "two", NOON + 60);
	pin(world, "v3", TRUE, "shop v3: not on this disk; here are: v1, v2");
	pin(world, "v1", TRUE, NULL);
	pin(world, "v1", TRUE, NULL); /* twice is once */
	pin(world, "v2", TRUE, NULL); /* also what only stands beside it */
	g_assert_cmpuint(pins(world), ==, 2);
	/* a version that is held under the name of another of the same content */
	ActivateSpec spec = world_spec(world);
	g_autoptr(DecideApp) state = activate_read(&spec, NULL);
	AcceptedOrder *same =
	    world_order(world, "release/v1.0", decide_app_live_root(state), NOON + 70);
	world_accept(world);
	world_staged(world, same, decide_app_live_tree(state));
	pin(world, "release/v1.0", TRUE, NULL);
	pin(world, "v1", FALSE, "pinned are: release/v1.0, v2");
	pin(world, "release/v1.0", FALSE, NULL);
	pin(world, "v2", FALSE, NULL);
	pin(world, "v2", FALSE, "pinned are: none");
	g_assert_cmpuint(pins(world), ==, 0);
}

/* Brought forward: what was to come before it by its plan does not, what is ordered after it does.
 */
static void test_forward(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_release(world, "v2", "two", NOON + 3600);
	world_release(world, "v3", "three", NOON + 3 * 24 * 3600);
	by_hand(world, "v3", NULL);
	assert_serving(world, "three");
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "superseded");
	/* a hotfix, days before v3 was to come */
	world_release(world, "v4", "four", NOON + 60);
	util_clock_fake_set(world->clock, NOON + 60);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v4"), ==, "live");
	assert_serving(world, "four");
	by_hand(world, "v3", "live before");
	/* one that is planned for before v3's old time may go by hand, too */
	world_release(world, "v5", "five", NOON + 7200);
	by_hand(world, "v5", NULL);
	assert_serving(world, "five");
}

/* Killed while `before` runs, or failing: what it began `after` ends, and the order stays. */
static void test_before_ends(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_command(world, CONF_PHASE_BEFORE, TRUE);
	world_command(world, CONF_PHASE_AFTER, TRUE);
	world_put(world, "do-before", "exit 1\n");
	world_release(world, "v2", "two", NOON + 3600);
	by_hand(world, "v2", "nothing was stopped");
	g_assert_cmpstr(world_state(world, "v2"), ==, "staged");
	g_autofree char *calls = world_calls(world);
	g_assert_cmpstr(calls, ==, "before v2 \nafter v2 staged\n");
	assert_serving(world, "one");
}

static void maintenance(World *world, gboolean on, const char *reason)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(ActivateApp) app = world_open(world);
	(void)activate_maintenance(app, on, reason, "alice", &error);
	g_assert_no_error(error);
}

/* The flag is there through an activation, and commands are told. */
static void test_maintenance(World *world, gconstpointer data)
{
	(void)data;
	world_put(world, "do-start", "echo \"[$TAGSHIP_MAINTENANCE]\" > \"$W/told\"\n");
	world_v1_live(world);
	g_autofree char *told = world_get(world, "told");
	g_assert_cmpstr(told, ==, "[]\n");
	maintenance(world, TRUE, "moving house");
	g_autofree char *flag = world_get(world, "app/maintenance");
	g_assert_cmpstr(flag, ==, "moving house\nsince 2027-01-15T08:00:00Z\n");
	world_release(world, "v2", "two", NOON);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "live");
	g_autofree char *still = world_get(world, "app/maintenance");
	g_assert_cmpstr(still, ==, flag);
	g_autofree char *told_on = world_get(world, "told");
	g_assert_cmpstr(told_on, ==, "[on]\n");
	maintenance(world, TRUE, NULL);
	g_autofree char *bare = world_get(world, "app/maintenance");
	g_assert_cmpstr(bare, ==, "since 2027-01-15T08:00:00Z\n");
	maintenance(world, FALSE, NULL);
	maintenance(world, FALSE, NULL);
	g_assert_null(world_get(world, "app/maintenance"));
}

int main(int argc, char **argv)
{
	static const char *const phases[] = {"before", "stop",   "migrate",
					     "start",  "health", "after"};
	g_test_init(&argc, &argv, NULL);
	for (guint i = 0; i < G_N_ELEMENTS(phases); i++) {
		g_autofree char *path = g_strconcat("/activate/hand/killed/", phases[i], NULL);
		g_test_add(path, World, phases[i], world_setup, test_killed, world_teardown);
	}
#define ADD(name, function) \
	g_test_add("/activate/hand/" name, World, NULL, world_setup, function, world_teardown)
	ADD("staged", test_staged);
	ADD("missed", test_missed);
	ADD("rolled-back", test_rolled_back);
	ADD("no-way-back", test_no_way_back);
	ADD("stays", test_stays);
	ADD("down", test_down);
	ADD("down-again", test_down_again);
	ADD("forward", test_forward);
	ADD("before-ends", test_before_ends);
	ADD("pin", test_pin);
	ADD("maintenance", test_maintenance);
	return g_test_run();
}
