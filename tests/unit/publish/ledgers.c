/* SPDX-License-Identifier: ISC */
/* A ledger that cannot be read or written: the others are told, and it is, once it is mended. */
#include "publish/publish-private.h"
#include "world.h"

static char *ref_file(World *world, const char *base)
{
	return g_strdup_printf("%s/ledger/%s.git/refs/heads/orders", world->state, base);
}

/* Its newest entry is nowhere to be found; gives what mend_ledger needs. */
static char *damage_ledger(World *world, const char *base)
{
	g_autofree char *path = ref_file(world, base);
	char *was = NULL;
	g_assert_true(g_file_get_contents(path, &was, NULL, NULL));
	g_assert_true(
	    g_file_set_contents(path, "1111111111111111111111111111111111111111\n", -1, NULL));
	return was;
}

static void mend_ledger(World *world, const char *base, char *was)
{
	g_autofree char *path = ref_file(world, base);
	g_assert_true(g_file_set_contents(path, was, -1, NULL));
	g_free(was);
}

static char *release_with(World *world, const char *name, const char *lines)
{
	g_autofree char *plan = g_strdup_printf("Title\n\nRelease-To: all\n%s", lines);
	char *release = world_tag(world, name, plan);
	g_assert_true(publish_look(world->central, "shop", NULL));
	g_autoptr(GPtrArray) jobs = store_job_list(world->central->queue_dirfd, NULL);
	g_autoptr(GError) error = NULL;
	for (guint i = 0; i < jobs->len; i++) {
		Job *job = jobs->pdata[i];
		if (job->state != JOB_QUEUED)
			continue;
		g_assert_true(publish_run_job(world->central, job, &error));
		g_assert_cmpstr(job->reason, ==, "");
	}
	g_assert_no_error(error);
	return release;
}

static guint count(World *world, const char *base, OrderKind kind)
{
	g_autoptr(GPtrArray) entries = world_orders_at(world, base);
	guint n = 0;
	for (guint i = 0; entries && i < entries->len; i++)
		n += ((const LedgerEntry *)entries->pdata[i])->order->kind == kind;
	return n;
}

static void begin(World *world)
{
	static const char *const bases[] = {"haikou", "hanoi", "berlin"};
	for (guint i = 0; i < G_N_ELEMENTS(bases); i++)
		world_add_base(world, bases[i]);
	g_assert_true(publish_look(world->central, "shop", NULL));
}

static void test_cancel(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	begin(world);
	g_autofree char *release =
	    release_with(world, "v1", "Release-At: 2098-01-01 02:00 base-local\n");
	char *was = damage_ledger(world, "haikou");
	/* recorded, so it is done: what is owed is another matter */
	g_assert_true(publish_cancel(world->central, "shop", release, NULL, "no", &error));
	g_assert_no_error(error);
	g_assert_cmpuint(count(world, "hanoi", ORDER_KIND_CANCEL), ==, 1);
	g_assert_cmpuint(count(world, "berlin", ORDER_KIND_CANCEL), ==, 1);
	g_assert_true(publish_is_owed(world->central));
	g_assert_true(publish_fan_out_all(world->central, &error));
	g_assert_true(publish_is_owed(world->central));
	/* what is known of it is said */
	g_autoptr(PublishRelease) folded = publish_release(world->central, "shop", release, &error);
	guint in_trouble = 0;
	for (guint i = 0; i < folded->targets->len; i++)
		in_trouble += ((PublishTarget *)folded->targets->pdata[i])->trouble != NULL;
	g_assert_cmpuint(in_trouble, ==, 1);
	mend_ledger(world, "haikou", was);
	g_assert_true(publish_fan_out_all(world->central, &error));
	g_assert_false(publish_is_owed(world->central));
	g_assert_cmpuint(count(world, "haikou", ORDER_KIND_CANCEL), ==, 1);
	g_assert_cmpuint(count(world, "hanoi", ORDER_KIND_CANCEL), ==, 1);
}

static gpointer mend_later(gpointer data)
{
	World *world = data;
	g_usleep(1500 * 1000);
	g_autofree char *good = g_build_filename(world->path, "good", NULL);
	char *was = NULL;
	g_assert_true(g_file_get_contents(good, &was, NULL, NULL));
	mend_ledger(world, "haikou", was);
	return NULL;
}

/* A worker that a hook started stays, and tries again. */
static void test_worker_tries_again(World *world, gconstpointer data)
{
	(void)data;
	begin(world);
	g_autofree char *release =
	    release_with(world, "v1", "Release-At: 2098-01-01 02:00 base-local\n");
	g_autofree char *good = g_build_filename(world->path, "good", NULL);
	g_autofree char *was = damage_ledger(world, "haikou");
	g_assert_true(g_file_set_contents(good, was, -1, NULL));
	g_assert_true(publish_cancel(world->central, "shop", release, NULL, "no", NULL));
	world->central->again_s = 1;
	GThread *mender = g_thread_new("mender", mend_later, world);
	world_work(world);
	(void)g_thread_join(mender); /* gives nothing */
	g_assert_cmpuint(count(world, "haikou", ORDER_KIND_CANCEL), ==, 1);
	g_assert_false(publish_is_owed(world->central));
}

/* A release with a gate, at the time of its word. */
static char *gated(World *world, UtilClock *clock)
{
	gint64 now = util_clock_now_utc(world->central->clock);
	g_autofree char *at = util_time_format_utc(now + 1200);
	g_autofree char *lines = g_strdup_printf("Release-At: %s\nRelease-Gate: all-staged\n", at);
	util_clock_fake_set(clock, now);
	world->central->clock = clock;
	char *release = release_with(world, "v1", lines);
	util_clock_fake_set(clock, now + 900); /* gate_lead is ten minutes */
	return release;
}

static void decide(World *world, PublishGates *gates)
{
	g_autoptr(GError) error = NULL;
	g_assert_true(publish_gates_decide(gates, world->central, &error));
	g_assert_no_error(error);
}

/* A gate is not shut for want of a ledger, as long as a word is of use. */
static void test_gate(World *world, gconstpointer data)
{
	(void)data;
	UtilClock *clock = util_clock_fake_new(0);
	g_autoptr(PublishGates) gates = publish_gates_new();
	begin(world);
	g_autofree char *release = gated(world, clock);
	char *was = damage_ledger(world, "haikou");
	publish_gates_add(gates, "shop", release);
	decide(world, gates);
	g_assert_true(publish_gates_wait(gates));
	g_assert_cmpint(publish_gates_next_utc(gates), ==,
			util_clock_now_utc(clock) + world->central->again_s);
	g_assert_cmpuint(count(world, "hanoi", ORDER_KIND_GATE), ==, 0);
	/* in the end it is, and all are told who can be */
	util_clock_fake_set(clock, util_clock_now_utc(clock) + 3600);
	decide(world, gates);
	g_assert_false(publish_gates_wait(gates));
	g_assert_cmpuint(count(world, "hanoi", ORDER_KIND_GATE), ==, 1);
	g_assert_cmpuint(count(world, "berlin", ORDER_KIND_GATE), ==, 1);
	g_assert_true(publish_is_owed(world->central));
	mend_ledger(world, "haikou", was);
	g_assert_true(publish_fan_out_all(world->central, NULL));
	g_assert_cmpuint(count(world, "haikou", ORDER_KIND_GATE), ==, 1);
	world->central->clock = util_clock_system();
	util_clock_fake_free(clock);
}

/* After a restore from a backup, orders and the word on them come in one go. */
static void test_gate_after_give(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	UtilClock *clock = util_clock_fake_new(0);
	g_autoptr(PublishGates) gates = publish_gates_new();
	begin(world);
	g_autofree char *release = gated(world, clock);
	publish_gates_add(gates, "shop", release);
	decide(world, gates);
	g_autoptr(Repo) ledger = ledger_open(world->state, "haikou", NULL);
	g_assert_true(repo_ref_delete(ledger, LEDGER_ORDERS, NULL, NULL));
	g_assert_true(publish_fan_out(world->central, "shop", release, &error));
	g_assert_no_error(error);
	g_assert_cmpuint(count(world, "haikou", ORDER_KIND_ORDER), ==, 1);
	g_assert_cmpuint(count(world, "haikou", ORDER_KIND_GATE), ==, 1);
	world->central->clock = util_clock_system();
	util_clock_fake_free(clock);
}

static void test_stop(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	begin(world);
	g_autofree char *release =
	    release_with(world, "v1", "Release-At: 2098-01-01 02:00 base-local\n");
	char *was = damage_ledger(world, "berlin");
	g_assert_true(publish_stop(world->central, NULL, NULL, "ana", "fire", &error));
	g_assert_no_error(error);
	g_assert_cmpuint(count(world, "haikou", ORDER_KIND_STOP), ==, 1);
	g_assert_cmpuint(count(world, "hanoi", ORDER_KIND_STOP), ==, 1);
	g_assert_true(publish_is_owed(world->central));
	mend_ledger(world, "berlin", was);
	g_assert_true(publish_fan_out_all(world->central, &error));
	g_assert_cmpuint(count(world, "berlin", ORDER_KIND_STOP), ==, 1);
	g_assert_false(publish_is_owed(world->central));
}

static gpointer work(gpointer data)
{
	const World *world = data;
	g_autoptr(GError) error = NULL;
	g_autoptr(Central) central = central_open(world->state, &error);
	g_assert_true(publish_worker(central, TRUE, NULL, &error));
	g_assert_no_error(error);
	return NULL;
}

/* As long as a worker that looks once a minute would not. */
static guint count_soon(World *world, const char *base, OrderKind kind)
{
	for (guint i = 0; i < 100 && count(world, base, kind) == 0; i++)
		g_usleep(200 * 1000);
	return count(world, base, kind);
}

/* The silent base of wave one is cancelled: wave two is free in time, not once its grace is over.
 */
static void test_cancel_wakes(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	begin(world);
	g_autofree char *at = util_time_format_utc(g_get_real_time() / G_USEC_PER_SEC + 5);
	g_autofree char *plan = g_strdup_printf("Release-At: %s\n"
						"Release-Waves: haikou; all +5s\n"
						"Release-Max-Outage: 1s\n",
						at);
	g_autofree char *release = release_with(world, "v1", plan);
	GThread *worker = g_thread_new("worker", work, world);
	while (!publish_worker_running(world->central))
		g_usleep(10 * 1000);
	g_usleep(1000 * 1000); /* it has looked, and waits */
	g_assert_true(publish_cancel(world->central, "shop", release, "haikou", "no", &error));
	g_assert_cmpuint(count_soon(world, "hanoi", ORDER_KIND_GATE), ==, 1);
	g_assert_true(publish_cancel(world->central, "shop", release, NULL, "no", &error));
	(void)g_thread_join(worker); /* gives nothing */
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(World *, gconstpointer);
	} tests[] = {{"/publish/ledgers/cancel", test_cancel},
		     {"/publish/ledgers/worker-tries-again", test_worker_tries_again},
		     {"/publish/ledgers/gate", test_gate},
		     {"/publish/ledgers/gate-after-give", test_gate_after_give},
		     {"/publish/ledgers/cancel-wakes", test_cancel_wakes},
		     {"/publish/ledgers/stop", test_stop}};
	g_test_init(&argc, &argv, NULL);
	for (guint i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].name, World, NULL, world_setup, tests[i].run, world_teardown);
	return g_test_run();
}
