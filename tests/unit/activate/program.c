/* SPDX-License-Identifier: ISC */
/* The program tagship-activate itself, by the real clock. It stands beside the tests' folder. */
#include "world.h"

static char *program_path(void)
{
	g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
	g_autofree char *dir = g_path_get_dirname(self);
	g_autofree char *path = g_build_filename(dir, "..", "..", "tagship-activate", NULL);
	return g_canonicalize_filename(path, NULL);
}

static gboolean have_program(void)
{
	g_autofree char *path = program_path();
	if (g_file_test(path, G_FILE_TEST_IS_EXECUTABLE))
		return TRUE;
	g_test_skip("tagship-activate is not built (make all)");
	return FALSE;
}

/* A second app in the first one's ROOT. */
static void second_app(const World *first, World *second)
{
	world_setup(second, NULL);
	g_assert_true(util_fs_remove_tree(second->dirfd, "root", NULL));
	g_assert_cmpint(symlinkat(first->root_path, second->dirfd, "root"), ==, 0);
	g_assert_cmpint(close(second->root_dirfd), ==, 0);
	second->root_dirfd = util_fs_open_dir(AT_FDCWD, first->root_path, NULL);
	g_free(second->app.name);
	second->app.name = g_strdup("blog");
}

static void app_entry(GString *text, const World *world)
{
	static const char *const phases[] = {"stop", "start", "health"};
	g_string_append_printf(
	    text, "%s{ name = \"%s\"; dir = \"%s\"; health_every_ms = 50; bridge = \"24h\";\n",
	    g_str_has_suffix(text->str, "( ") ? "" : ", ", world->app.name, world->app_path);
	for (guint i = 0; i < G_N_ELEMENTS(phases); i++)
		g_string_append_printf(text, "  %s = [ \"/bin/sh\", \"%s/phase.sh\" ];\n",
				       phases[i], world->path);
	g_string_append(text, "}");
}

static void write_conf(const World *world, const World *second)
{
	g_autoptr(GString) text = g_string_new(NULL);
	g_string_append_printf(text,
			       "name = \"haikou\"; upstreams = [ \"/nowhere\" ];\n"
			       "central_keys = [ \"%s\" ];\nkey_file = \"%s\";\napps = ( ",
			       world->public_key, world->conf.key_file);
	app_entry(text, world);
	if (second)
		app_entry(text, second);
	g_string_append(text, " );\n");
	world_put(world, "root/base.cfg", text->str);
}

static gint64 now_utc(void)
{
	return g_get_real_time() / G_USEC_PER_SEC;
}

/* A version staged now, for this many seconds from now. */
static gint64 release_in(World *world, const char *version, const char *content, gint64 seconds)
{
	gint64 at_utc = now_utc() + seconds;
	util_clock_fake_set(world->clock, now_utc());
	world_release(world, version, content, at_utc);
	return at_utc;
}

static pid_t start(const World *world, const char *option)
{
	g_autofree char *path = program_path();
	fflush(stdout); /* the child must not print it again */
	pid_t pid = fork();
	if (pid == 0) {
		/* its lines must not look like TAP */
		int log = openat(world->dirfd, "program.log",
				 O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		if (log < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
			_exit(126);
		execl(path, "tagship-activate", world->root_path, option, (char *)NULL);
		_exit(127);
	}
	g_assert_cmpint(pid, >, 0);
	return pid;
}

static int wait_end(const World *world, pid_t pid)
{
	int status = 0;
	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	g_autofree char *log = world_get(world, "program.log");
	g_test_message("%s", log ? log : "");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Up to 20 s; FALSE if it did not come. */
static gboolean wait_for_state(World *world, const char *version, const char *state)
{
	for (guint i = 0; i < 400; i++) {
		if (strcmp(world_state(world, version), state) == 0)
			return TRUE;
		g_usleep(50 * 1000);
	}
	return FALSE;
}

static void test_usage(World *world, gconstpointer data)
{
	(void)data;
	if (!have_program())
		return;
	g_assert_cmpint(wait_end(world, start(world, "--nonsense")), ==, 2);
	g_assert_cmpint(wait_end(world, start(world, "--once")), !=, 0); /* no base.cfg */
}

static void test_once(World *world, gconstpointer data)
{
	(void)data;
	if (!have_program())
		return;
	write_conf(world, NULL);
	gint64 begun = g_get_monotonic_time();
	g_assert_cmpint(wait_end(world, start(world, "--once")), ==, 0); /* nothing to do */
	g_assert_cmpint(g_get_monotonic_time() - begun, <, 10 * G_USEC_PER_SEC);
	/* its start notes the time */
	world_put(world, "do-start", "date +%s > \"$W/started\"\n");
	gint64 at_utc = release_in(world, "v1", "one", 2);
	release_in(world, "v9", "nine", 3600); /* not waited for */
	g_assert_cmpint(wait_end(world, start(world, "--once")), ==, 0);
	g_assert_cmpint(now_utc() - at_utc, <, 20);
	g_assert_cmpstr(world_state(world, "v1"), ==, "live");
	g_assert_cmpstr(world_state(world, "v9"), ==, "staged");
	g_autofree char *started = world_get(world, "started");
	gint64 started_utc = g_ascii_strtoll(started, NULL, 10);
	g_assert_cmpint(started_utc, >=, at_utc); /* never early */
	g_assert_cmpint(started_utc, <=, at_utc + 5);
	assert_serving(world, "one");
	/* the report waits, and whoever delivers is poked */
	g_autofree char *poke = world_get(world, "root/poke/now");
	g_assert_nonnull(poke);
}

/* Two apps due at the same second do not wait for one another. */
static void test_two_apps(World *world, gconstpointer data)
{
	(void)data;
	World second;
	if (!have_program())
		return;
	second_app(world, &second);
	write_conf(world, &second);
	/* each start waits for the other to begin: one after the other, both would hang */
	g_autofree char *wait_first = g_strdup_printf(
	    ": > \"$W/begun\"; while [ ! -e %s/begun ]; do sleep 0.05; done\n", second.path);
	g_autofree char *wait_second = g_strdup_printf(
	    ": > \"$W/begun\"; while [ ! -e %s/begun ]; do sleep 0.05; done\n", world->path);
	world_put(world, "do-start", wait_first);
	world_put(&second, "do-start", wait_second);
	release_in(world, "v1", "one", 1);
	release_in(&second, "b1", "blog", 1);
	g_assert_cmpint(wait_end(world, start(world, "--once")), ==, 0);
	assert_serving(world, "one");
	assert_serving(&second, "blog");
	world_teardown(&second, NULL);
}

/* The daemon: an order that comes while it waits, a killed activation, SIGTERM in the middle. */
static void test_wait(World *world, gconstpointer data)
{
	(void)data;
	if (!have_program())
		return;
	write_conf(world, NULL);
	pid_t pid = start(world, "--wait");
	g_usleep(300 * 1000);
	release_in(world, "v1", "one", 1);
	gboolean ok = wait_for_state(world, "v1", "live");
	/* the activation is killed in its start: it is finished by the next one */
	world_put(world, "do-start",
		  "[ -e \"$W/killed\" ] || { : > \"$W/killed\"; kill -9 $PPID; }\n");
	release_in(world, "v2", "two", 0);
	ok = ok && wait_for_state(world, "v2", "live");
	/* SIGTERM: what has begun is ended */
	world_put(world, "do-start", ": > \"$W/begun\"; sleep 1\n");
	release_in(world, "v3", "three", 0);
	for (guint i = 0; i < 200 && faccessat(world->dirfd, "begun", F_OK, 0) != 0; i++)
		g_usleep(50 * 1000);
	g_assert_cmpint(kill(pid, SIGTERM), ==, 0);
	g_assert_cmpint(wait_end(world, pid), ==, 0);
	g_assert_true(ok);
	assert_serving(world, "three");
	g_assert_cmpstr(world_state(world, "v3"), ==, "live");
}

/* Killed outright with its activation running: the next start goes on once that has ended. */
static void test_wait_killed(World *world, gconstpointer data)
{
	(void)data;
	if (!have_program())
		return;
	write_conf(world, NULL);
	world_put(world, "do-start", ": > \"$W/begun\"; sleep 1\n");
	release_in(world, "v1", "one", 0);
	pid_t pid = start(world, "--wait");
	for (guint i = 0; i < 200 && faccessat(world->dirfd, "begun", F_OK, 0) != 0; i++)
		g_usleep(50 * 1000);
	g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
	g_assert_cmpint(wait_end(world, pid), ==, 128 + SIGKILL);
	g_assert_cmpint(wait_end(world, start(world, "--once")), ==, 0);
	g_assert_cmpstr(world_state(world, "v1"), ==, "live");
	g_autofree char *calls = world_calls(world);
	g_assert_cmpstr(calls, ==, "start v1 \nhealth v1 \n"); /* once */
}

/* A damaged journal is said, and is no reason to spin. */
static void test_damaged_journal(World *world, gconstpointer data)
{
	(void)data;
	if (!have_program())
		return;
	write_conf(world, NULL);
	release_in(world, "v1", "one", 0);
	world_put(world, "root/journal/shop", "00000000 nonsense\n00000000 nonsense\n");
	g_assert_cmpint(wait_end(world, start(world, "--once")), ==, 4);
}

/* The program with fault points (make faults), with one of them set. */
static int run_faulty(const World *world, const char *fault, const char *log)
{
	g_autofree char *path = program_path();
	g_autofree char *dir = g_path_get_dirname(path);
	g_autofree char *faulty = g_build_filename(dir, "faults", "tagship-activate", NULL);
	fflush(stdout); /* the child must not print it again */
	pid_t pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
		if (null < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 ||
		    setenv(log ? "TAGSHIP_FAULT_LOG" : "TAGSHIP_FAULT", log ? log : fault, 1) != 0)
			_exit(126);
		execl(faulty, "tagship-activate", world->root_path, "--app", "shop", (char *)NULL);
		_exit(127);
	}
	int status = 0;
	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Release NUMBER says "content NUMBER" and has assets/NUMBER. */
static void release_number(World *world, guint number)
{
	g_autofree char *version = g_strdup_printf("v%u", number);
	g_autofree char *content = g_strdup_printf("content %u", number);
	g_autofree char *asset = g_strdup_printf("%u", number);
	world->asset = asset;
	release_in(world, version, content, 0);
	world->asset = NULL;
}

/* What serves, and what was left last (0: the bridge to it could not be made, as was said). */
typedef struct {
	guint serving, left;
} Served;

static void went_live(Served *served, guint number, const Report *report)
{
	served->left = strstr(report->detail, "bridge") ? 0 : served->serving;
	served->serving = number;
}

/* A page of the version that was left is open: its asset is still there. */
static void assert_bridged(const World *world, const Served *served)
{
	g_autofree char *asset =
	    g_strdup_printf("%s/bridge/assets/%u", world->app_path, served->left);
	g_assert_true(served->left == 0 || g_file_test(asset, G_FILE_TEST_IS_REGULAR));
}

/* One release, with a fault, then without. Whatever the fault was, it has one of the ends,
 * reported, and what serves is what current shows and the report says. */
static void one_fault(World *world, guint number, const char *fault, Served *served)
{
	g_autofree char *version = g_strdup_printf("v%u", number);
	release_number(world, number);
	int status = run_faulty(world, fault, NULL);
	g_test_message("%s %s: exit status %d", version, fault, status);
	g_assert_cmpint(wait_end(world, start(world, "--once")), ==, 0);
	const char *state = world_state(world, version);
	g_assert_true(
	    g_strv_contains((const char *const[]){"live", "rolled-back", "failed", NULL}, state));
	g_autoptr(Report) report = world_report(world, version, state);
	gboolean live = strcmp(state, "live") == 0;
	g_assert_true(report && (strcmp(report->serves_root, report->root) == 0) == live);
	if (live)
		went_live(served, number, report);
	else if (strstr(report->detail, "bridge"))
		served->left = 0;
	g_autofree char *content = g_strdup_printf("content %u", served->serving);
	assert_serving(world, content);
	assert_current(world, content);
	assert_bridged(world, served);
	g_assert_true(util_fs_unlink(world->dirfd, "program.log", NULL));
}

/* Every system call that writes is a point where we are killed, or where the disk is full or
 * broken. All of them with -m slow, else some. */
static void test_faults(World *world, gconstpointer data)
{
	static const char *const kinds[] = {"kill", "enospc", "eio"};
	(void)data;
	g_autofree char *log = g_build_filename(world->path, "points", NULL);
	Served served = {.serving = 2, .left = 1};
	write_conf(world, NULL);
	for (guint i = 1; i <= 2; i++) {
		release_number(world, i);
		g_assert_true(util_fs_unlink(world->dirfd, "points", NULL));
		if (have_program() && run_faulty(world, NULL, log) == 0)
			continue;
		g_test_skip("no tagship-activate with fault points is built (make faults)");
		return;
	}
	assert_bridged(world, &served);
	g_autofree char *lines = world_get(world, "points");
	g_auto(GStrv) points = g_strsplit(lines, "\n", -1);
	guint count = g_strv_length(points), step = g_test_slow() ? 1 : 19, number = 3;
	g_test_message("%u points", count);
	for (guint kind = 0; kind < G_N_ELEMENTS(kinds); kind++) {
		for (guint i = 1 + kind; i < count + 4; i += step) {
			g_autofree char *fault = g_strdup_printf("%u=%s", i, kinds[kind]);
			one_fault(world, number++, fault, &served);
		}
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
#define ADD(name, function) \
	g_test_add("/activate/program/" name, World, NULL, world_setup, function, world_teardown)
	ADD("usage", test_usage);
	ADD("once", test_once);
	ADD("two-apps", test_two_apps);
	ADD("wait", test_wait);
	ADD("wait-killed", test_wait_killed);
	ADD("damaged-journal", test_damaged_journal);
	ADD("faults", test_faults);
	return g_test_run();
}
