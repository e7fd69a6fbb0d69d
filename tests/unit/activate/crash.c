/* SPDX-License-Identifier: ISC */
/* A journal left at every point, and the process really killed in every phase: the release ends
 * right, once, and the next one works. */
#include "world.h"

typedef struct {
	const char *name;
	const char *events; /* journaled before the crash; "intent2": the second attempt */
	gboolean link_switched;
	gboolean has_migrate, has_unmigrate;
	const char *expected; /* state of v2 */
	const char *calls;
} CrashRow;

#define UNDO_RUNNING "stop v1 undo\nstart v1 undo\nhealth v1 undo\n"

static const CrashRow rows[] = {
    {"intent", "intent", FALSE, FALSE, FALSE, "rolled-back", UNDO_RUNNING},
    {"stopped", "intent stopped", FALSE, FALSE, FALSE, "rolled-back",
     "start v1 undo\nhealth v1 undo\n"},
    {"link-but-no-record", "intent stopped", TRUE, FALSE, FALSE, "rolled-back",
     "start v1 undo\nhealth v1 undo\n"},
    {"switched", "intent stopped switched", TRUE, FALSE, FALSE, "live", "start v2 \nhealth v2 \n"},
    {"started", "intent stopped switched started", TRUE, FALSE, FALSE, "live",
     "stop v2 \nstart v2 \nhealth v2 \n"},
    {"second-time", "intent stopped switched started intent2", TRUE, FALSE, FALSE, "rolled-back",
     UNDO_RUNNING},
    {"undo", "intent stopped switched started undo", TRUE, FALSE, FALSE, "rolled-back",
     UNDO_RUNNING},
    {"undo-switched-back", "intent stopped switched started undo", FALSE, FALSE, FALSE,
     "rolled-back", UNDO_RUNNING},
    {"undo-of-failed-stop", "intent undo", FALSE, FALSE, FALSE, "rolled-back", UNDO_RUNNING},
    {"migrated", "intent stopped migrated", FALSE, TRUE, FALSE, "down", ""},
    {"migrated-unmigrate", "intent stopped migrated", FALSE, TRUE, TRUE, "rolled-back",
     "unmigrate v1 undo\nstart v1 undo\nhealth v1 undo\n"},
    {"migrated-switched", "intent stopped migrated switched", TRUE, TRUE, FALSE, "live",
     "start v2 \nhealth v2 \n"},
    {"migrated-second-time", "intent stopped migrated switched started intent2", TRUE, TRUE, FALSE,
     "down", ""},
};

/* One record as activation writes it. */
static void leave(World *world, StoreJournal *journal, const char *event)
{
	const AcceptedOrder *v2 = world->accepted->pdata[1], *v1 = world->accepted->pdata[0];
	gboolean second = strcmp(event, "intent2") == 0;
	g_autofree char *tree = g_strdup_printf("v2-%.8s", v2->order->root);
	g_autofree char *from = g_strdup_printf("v1-%.8s", v1->order->root);
	g_autofree char *target = g_strconcat("releases/", from, NULL);
	g_autoptr(UtilTrailers) record = util_trailers_new();
	util_trailers_add(record, "Event", second ? "intent" : event);
	util_trailers_add_time(record, "Time", NOON);
	util_trailers_add(record, "Release", v2->order->release);
	util_trailers_add_int(record, "Seq", (gint64)v2->order->seq);
	util_trailers_add(record, "Version", "v2");
	util_trailers_add(record, "Root", v2->order->root);
	util_trailers_add(record, "Tree", tree);
	util_trailers_add(record, "Attempt", second ? "2" : "1");
	util_trailers_add_time(record, "At", NOON);
	util_trailers_add(record, "From-Target", target);
	util_trailers_add(record, "From-Tree", from);
	util_trailers_add(record, "From-Root", v1->order->root);
	util_trailers_add(record, "From-Version", "v1");
	g_assert_true(store_journal_append(journal, record, NULL));
}

static void crash_at(World *world, const CrashRow *row)
{
	g_autoptr(GError) error = NULL;
	const AcceptedOrder *v2 = world->accepted->pdata[1];
	g_autoptr(StoreJournal) journal =
	    store_journal_open(world->root_dirfd, "journal/shop", &error);
	g_assert_no_error(error);
	g_auto(GStrv) events = g_strsplit(row->events, " ", -1);
	for (guint i = 0; events[i]; i++)
		leave(world, journal, events[i]);
	g_autofree char *staged = g_strdup_printf("app/pre-release/v2-%.8s", v2->order->root);
	g_autofree char *release = g_strdup_printf("app/releases/v2-%.8s", v2->order->root);
	g_autofree char *target = g_strdup_printf("releases/v2-%.8s", v2->order->root);
	if (events[1]) /* right after intent the tree did not move yet */
		g_assert_true(util_fs_rename(world->dirfd, staged, world->dirfd, release, &error));
	if (row->link_switched)
		g_assert_true(util_fs_symlink_replace(world->dirfd, target, "app/current", &error));
}

static void assert_next_works(World *world)
{
	world_release(world, "v3", "three", NOON + 50);
	util_clock_fake_set(world->clock, NOON + 50);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v3"), ==, "live");
	assert_serving(world, "three");
	assert_current(world, "three");
}

static void test_journal_left(World *world, gconstpointer data)
{
	const CrashRow *row = data;
	world_v1_live(world);
	world_command(world, CONF_PHASE_MIGRATE, row->has_migrate);
	world_command(world, CONF_PHASE_UNMIGRATE, row->has_unmigrate);
	world_release(world, "v2", "two", NOON);
	crash_at(world, row);
	util_clock_fake_set(world->clock, NOON + 7);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, row->expected);
	g_autofree char *calls = world_calls(world);
	g_assert_cmpstr(calls, ==, row->calls);
	g_autoptr(Report) report = world_report(world, "v2", row->expected);
	g_assert_nonnull(report);
	g_assert_nonnull(strstr(report->detail, "interrupted"));
	if (strcmp(row->expected, "down") != 0) {
		g_assert_cmpint(report->outage_ms, >=, 7000);
		gboolean live = strcmp(row->expected, "live") == 0;
		assert_serving(world, live ? "two" : "one");
		assert_current(world, live ? "two" : "one");
	}
	/* once */
	world_due(world);
	g_autofree char *again = world_calls(world);
	g_assert_cmpstr(again, ==, "");
	assert_next_works(world);
}

/* The accepted orders are gone as well: the activation is still ended. */
static void test_accepted_lost(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_release(world, "v2", "two", NOON);
	crash_at(world, &rows[2]);
	g_assert_true(util_fs_unlink(world->root_dirfd, "accepted/shop", NULL));
	world_due(world);
	world_accept(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "rolled-back");
	assert_current(world, "one");
}

/* First activation ever, interrupted after the switch: it goes on. */
static void test_first_ever(World *world, gconstpointer data)
{
	(void)data;
	world_release(world, "v0", "zero", NOON - 50);
	world_put(world, "do-start",
		  "[ -e \"$W/killed\" ] || { : > \"$W/killed\"; kill -9 $PPID; }\n");
	world_due_killed(world);
	g_assert_cmpstr(world_state(world, "v0"), ==, "activating");
	world_due(world);
	g_assert_cmpstr(world_state(world, "v0"), ==, "live");
	assert_serving(world, "zero");
}

typedef struct {
	const char *phase;
	const char *expected;
} KillRow;

static const KillRow kill_rows[] = {
    {"before", "live"}, {"stop", "rolled-back"}, {"migrate", "rolled-back"},
    {"start", "live"},  {"health", "live"},      {"after", "live"},
};

/* The command of the phase kills us with SIGKILL; then we are started again. */
static void test_killed(World *world, gconstpointer data)
{
	const KillRow *row = data;
	static const ConfPhase phases[] = {CONF_PHASE_BEFORE, CONF_PHASE_MIGRATE,
					   CONF_PHASE_UNMIGRATE, CONF_PHASE_AFTER};
	world_v1_live(world);
	for (guint i = 0; i < G_N_ELEMENTS(phases); i++)
		world_command(world, phases[i], TRUE);
	g_autofree char *file = g_strconcat("do-", row->phase, NULL);
	world_put(world, file, "[ -e \"$W/killed\" ] || { : > \"$W/killed\"; kill -9 $PPID; }\n");
	world_release(world, "v2", "two", NOON);
	world_due_killed(world);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, row->expected);
	assert_serving(world, strcmp(row->expected, "live") == 0 ? "two" : "one");
	g_autofree char *calls = world_calls(world);
	g_autofree char *after = g_strdup_printf("after v2 %s\n", row->expected);
	g_assert_true(g_str_has_suffix(calls, after));
	/* migrate had begun: what it did is taken back before old code runs */
	g_assert_true((strcmp(row->phase, "migrate") == 0) ==
		      (strstr(calls, "unmigrate v1 undo\nstart v1 undo\n") != NULL));
	assert_next_works(world);
}

/* Killed during the undo: it is undone again. */
static void test_killed_in_undo(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_put(world, "do-start",
		  "[ $TAGSHIP_VERSION = v2 ] || [ -e \"$W/killed\" ] ||"
		  " { : > \"$W/killed\"; kill -9 $PPID; }\n");
	world_release(world, "v2", "sick", NOON);
	world_due_killed(world);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "rolled-back");
	assert_serving(world, "one");
	assert_next_works(world);
}

/* Killed while an operator goes back: after the switch it goes on. */
static void test_killed_in_rollback(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_release(world, "v2", "two", NOON);
	world_due(world);
	world_put(world, "do-start",
		  "[ -e \"$W/killed\" ] || { : > \"$W/killed\"; kill -9 $PPID; }\n");
	pid_t pid = fork();
	if (pid == 0) {
		g_autoptr(ActivateApp) app = world_open(world);
		(void)activate_rollback(app, "alice", NULL);
		_exit(0);
	}
	int status = 0;
	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	g_assert_true(WIFSIGNALED(status));
	world_due(world);
	g_assert_cmpstr(world_state(world, "v2"), ==, "rolled-back");
	assert_serving(world, "one");
	g_autoptr(Report) report = world_report(world, "v2", "rolled-back");
	g_assert_nonnull(strstr(report->detail, "operator alice"));
	assert_next_works(world);
}

/* A stop command of before the crash is still at work when we are started again: what it stops must
 * not be what undo just started. */
static void test_stop_still_at_work(World *world, gconstpointer data)
{
	(void)data;
	world_v1_live(world);
	world_put(world, "do-stop",
		  "if [ ! -e \"$W/killed\" ]; then : > \"$W/killed\"; kill -9 $PPID; sleep 0.3;"
		  " echo slow > \"$W/slow\"; fi\n"
		  "while [ ! -e \"$W/slow\" ]; do sleep 0.05; done\n");
	world_release(world, "v2", "two", NOON);
	world_due_killed(world);
	world_due(world);
	g_usleep(500 * 1000);
	g_assert_cmpstr(world_state(world, "v2"), ==, "rolled-back");
	assert_serving(world, "one");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *path = g_strconcat("/activate/crash/journal/", rows[i].name, NULL);
		g_test_add(path, World, &rows[i], world_setup, test_journal_left, world_teardown);
	}
	for (guint i = 0; i < G_N_ELEMENTS(kill_rows); i++) {
		g_autofree char *path =
		    g_strconcat("/activate/crash/killed/", kill_rows[i].phase, NULL);
		g_test_add(path, World, &kill_rows[i], world_setup, test_killed, world_teardown);
	}
#define ADD(name, function) \
	g_test_add("/activate/crash/" name, World, NULL, world_setup, function, world_teardown)
	ADD("accepted-lost", test_accepted_lost);
	ADD("first-ever", test_first_ever);
	ADD("killed-in-undo", test_killed_in_undo);
	ADD("killed-in-rollback", test_killed_in_rollback);
	ADD("stop-still-at-work", test_stop_still_at_work);
	return g_test_run();
}
