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

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(World *, gconstpointer);
	} tests[] = {{"/publish/intake/cancel-queued", test_cancel_queued}};
	g_test_init(&argc, &argv, NULL);
	for (guint i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].name, World, NULL, world_setup, tests[i].run, world_teardown);
	return g_test_run();
}
