/* SPDX-License-Identifier: ISC */
/* Stops and resumes, as the ledgers have them. */
#include "publish/publish-private.h"
#include "world.h"

/* How many entries a base's ledger has of this kind. */
static guint count(World *world, const char *base, OrderKind kind)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Repo) ledger = ledger_create(world->central->path, base, &error);
	g_assert_no_error(error);
	g_autoptr(GPtrArray) entries = ledger_entries(ledger, LEDGER_ORDERS, NULL, &error);
	g_assert_no_error(error);
	guint n = 0;
	for (guint i = 0; i < entries->len; i++)
		n += ((const LedgerEntry *)entries->pdata[i])->order->kind == kind;
	return n;
}

static gboolean is_stopped(World *world, const char *base, const char *app)
{
	g_autoptr(Repo) ledger = ledger_create(world->central->path, base, NULL);
	g_autoptr(GPtrArray) entries = ledger_entries(ledger, LEDGER_ORDERS, NULL, NULL);
	g_autoptr(GHashTable) stops = ledger_stops(entries);
	return ledger_stop_of(stops, app) != NULL;
}

static void stop(World *world, const char *app, const char *base)
{
	g_autoptr(GError) error = NULL;
	g_assert_true(publish_stop(world->central, app, base, "ana", "it burns", &error));
	g_assert_no_error(error);
}

static void resume(World *world, const char *app, const char *base)
{
	g_autoptr(GError) error = NULL;
	g_assert_true(publish_resume(world->central, app, base, "ana", &error));
	g_assert_no_error(error);
}

static void test_told_once(World *world, gconstpointer data)
{
	(void)data;
	world_add_base(world, "haikou");
	stop(world, "shop", NULL);
	g_assert_true(publish_stops_fan_out(world->central, NULL));
	stop(world, "shop", NULL);
	g_assert_cmpuint(count(world, "haikou", ORDER_KIND_STOP), ==, 1);
	/* one that came later hears of it */
	world_add_base(world, "hanoi");
	g_assert_true(publish_stops_fan_out(world->central, NULL));
	g_assert_true(is_stopped(world, "hanoi", "shop"));
	resume(world, "shop", NULL);
	g_assert_true(publish_stops_fan_out(world->central, NULL));
	g_assert_cmpuint(count(world, "haikou", ORDER_KIND_RESUME), ==, 1);
	g_assert_false(is_stopped(world, "haikou", "shop") || is_stopped(world, "hanoi", "shop"));
	stop(world, "shop", NULL);
	g_assert_true(is_stopped(world, "haikou", "shop"));
}

static void test_scopes(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	world_add_base(world, "haikou");
	world_add_base(world, "hanoi");
	stop(world, NULL, "haikou");
	g_assert_true(is_stopped(world, "haikou", "shop"));
	g_assert_false(is_stopped(world, "hanoi", "shop"));
	stop(world, "shop", NULL);
	resume(world, NULL, "haikou");
	g_assert_true(is_stopped(world, "haikou", "shop")); /* by the other one */
	resume(world, "shop", NULL);
	g_assert_false(is_stopped(world, "haikou", "shop") || is_stopped(world, "hanoi", "shop"));
	g_assert_false(publish_resume(world->central, "shop", NULL, "ana", &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
}

static void expect_no_resume(World *world, const char *app, const char *base, const char *says)
{
	g_autoptr(GError) error = NULL;
	g_assert_false(publish_resume(world->central, app, base, "ana", &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
	if (!strstr(error->message, says))
		g_error("not said: \"%s\" but: %s", says, error->message);
}

/* A stop ends as it was made: nobody is told "resumed" of what stays stopped. */
static void test_wider_and_narrower(World *world, gconstpointer data)
{
	(void)data;
	world_add_base(world, "haikou");
	world_add_base(world, "hanoi");
	stop(world, "shop", NULL);
	expect_no_resume(world, "shop", "haikou", "(tagship resume shop)");
	expect_no_resume(world, NULL, NULL, "shop, stopped by ana at");
	g_assert_true(is_stopped(world, "haikou", "shop"));
	resume(world, "shop", NULL);
	stop(world, "shop", "hanoi");
	expect_no_resume(world, "shop", NULL, "(tagship resume shop --base hanoi)");
	expect_no_resume(world, NULL, "hanoi", "shop at hanoi");
	g_assert_true(is_stopped(world, "hanoi", "shop"));
	resume(world, "shop", "hanoi");
	g_assert_false(is_stopped(world, "hanoi", "shop"));
}

/* A central restored from a backup of before the stop: nothing starts by itself, and the stop can
 * be ended. */
static void test_restored(World *world, gconstpointer data)
{
	(void)data;
	world_add_base(world, "haikou");
	stop(world, NULL, NULL);
	g_assert_true(util_fs_unlink(world->central->dirfd, "stops", NULL));
	g_assert_true(publish_stops_fan_out(world->central, NULL));
	g_assert_true(is_stopped(world, "haikou", "shop"));
	g_autoptr(GPtrArray) standing = publish_stops(world->central, NULL);
	g_assert_cmpuint(standing->len, ==, 1);
	const PublishStop *stop_there = standing->pdata[0];
	g_assert_null(stop_there->app);
	g_assert_cmpstr(stop_there->base, ==, "haikou");
	g_assert_nonnull(strstr(stop_there->who, "only its ledger knows"));
	resume(world, NULL, NULL);
	g_assert_false(is_stopped(world, "haikou", "shop"));
	g_autoptr(GPtrArray) stops = publish_stops(world->central, NULL);
	g_assert_cmpuint(stops->len, ==, 0);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(World *, gconstpointer);
	} tests[] = {{"/publish/stops/told-once", test_told_once},
		     {"/publish/stops/scopes", test_scopes},
		     {"/publish/stops/wider-and-narrower", test_wider_and_narrower},
		     {"/publish/stops/restored", test_restored}};
	g_test_init(&argc, &argv, NULL);
	for (guint i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].name, World, NULL, world_setup, tests[i].run, world_teardown);
	return g_test_run();
}
