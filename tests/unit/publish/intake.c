/* SPDX-License-Identifier: ISC */
/* What is taken in while other jobs keep the worker busy. */
#include "publish/publish-private.h"
#include "world.h"

/* As the worker does while a job runs. */
static void take_hints(World *world)
{
	gboolean taken = FALSE;
	g_autoptr(GError) error = NULL;
	g_assert_true(publish_take_hints(world->central, &taken, &error));
	g_assert_no_error(error);
}

static void push(World *world, const char *old_oid, const char *new_oid, const char *ref)
{
	g_autofree char *update = g_strdup_printf("%s %s %s", old_oid, new_oid, ref);
	world_hint(world, update);
	take_hints(world);
}

static void delete_tag(World *world, const char *ref, const char *oid)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Repo) repo = repo_open(world->source, &error);
	g_assert_true(repo_ref_delete(repo, ref, NULL, &error));
	push(world, oid, REPO_ZERO, ref);
}

static void begin(World *world)
{
	world_add_base(world, "haikou");
	g_assert_true(publish_look(world->central, "shop", NULL));
}

/* Deleted, or cancelled by hand, while its job still waits: it is never ordered. */
static void test_cancel_queued(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	begin(world);
	g_autofree char *plan = world_plan("now", "all", NULL);
	g_autofree char *deleted = world_tag(world, "v1", plan);
	world_commit(world, "<h1>two</h1>\n");
	g_autofree char *cancelled = world_tag(world, "v2", plan);
	push(world, REPO_ZERO, deleted, "refs/tags/v1");
	expect_state(world, deleted, "queued");
	expect_state(world, cancelled, "queued");
	delete_tag(world, "refs/tags/v1", deleted);
	g_assert_true(publish_cancel(world->central, "shop", cancelled, NULL, "no", &error));
	world_work(world);
	expect_state(world, deleted, "cancelled");
	expect_state(world, cancelled, "cancelled");
	g_autoptr(GPtrArray) orders = world_orders(world);
	g_assert_cmpuint(orders->len, ==, 0);
	/* a tag without a plan is no release */
	g_autofree char *plain = world_tag(world, "v3", "No plan");
	world_work(world);
	g_assert_null(publish_release(world->central, "shop", plain, NULL));
}

/* Moved while its new job waits, to whatever: the old release is withdrawn at once. */
static void expect_withdrawn(World *world, const char *name, const char *message)
{
	g_autofree char *ref = g_strconcat("refs/tags/", name, NULL);
	g_autofree char *plan = world_plan("2098-01-01 02:00 base-local", "all", NULL);
	g_autofree char *first = world_tag(world, name, plan);
	world_work(world);
	expect_state(world, first, "ordered");
	g_autofree char *second =
	    message ? world_tag(world, name, message) : g_strdup(world->commit);
	g_autoptr(Repo) repo = repo_open(world->source, NULL);
	g_assert_true(repo_ref_set(repo, ref, second, NULL, NULL));
	push(world, first, second, ref);
	expect_state(world, first, "cancel-asked");
	push(world, first, second, ref);
	g_autoptr(GPtrArray) orders = world_orders(world);
	const Order *last = ((LedgerEntry *)g_ptr_array_index(orders, orders->len - 1))->order;
	g_assert_cmpint(last->kind, ==, ORDER_KIND_CANCEL);
	g_assert_cmpstr(last->release, ==, first);
	world_work(world);
}

static void test_moved(World *world, gconstpointer data)
{
	(void)data;
	begin(world);
	g_autofree char *later = world_plan("2098-01-01 03:00 base-local", "all", NULL);
	expect_withdrawn(world, "v1", later);
	expect_withdrawn(world, "v2", "No plan");
	expect_withdrawn(world, "v3", "T\n\nRelease-At: now\nRelease-To: all\nRelease-App: blog\n");
	expect_withdrawn(world, "v4", NULL);
}

/* What is over stays what it was. */
static void test_moved_after_its_end(World *world, gconstpointer data)
{
	(void)data;
	begin(world);
	g_autofree char *plan = world_plan("2098-01-01 02:00 base-local", "all", NULL);
	g_autofree char *first = world_tag(world, "v1", plan);
	world_work(world);
	g_autoptr(GPtrArray) orders = world_orders(world);
	const Order *order = ((LedgerEntry *)g_ptr_array_index(orders, 0))->order;
	world_report(world, first, REPORT_LIVE, order->root, order->root);
	g_autofree char *second = world_tag(world, "v1", "No plan");
	push(world, first, second, "refs/tags/v1");
	expect_state(world, first, "live");
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(World *, gconstpointer);
	} tests[] = {{"/publish/intake/cancel-queued", test_cancel_queued},
		     {"/publish/intake/moved", test_moved},
		     {"/publish/intake/moved-after-its-end", test_moved_after_its_end}};
	g_test_init(&argc, &argv, NULL);
	for (guint i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].name, World, NULL, world_setup, tests[i].run, world_teardown);
	return g_test_run();
}
