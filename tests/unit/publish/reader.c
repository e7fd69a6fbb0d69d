/* SPDX-License-Identifier: ISC */
/* What central writes for a base, by what that base said it reads. */
#include "publish/publish-private.h"
#include "world.h"

static void contact(World *world, const char *formats, const char *zlib, gint64 memory, gint64 kbit)
{
	g_autoptr(UtilTrailers) text = util_trailers_new();
	util_trailers_add_time(text, "Time", 1800000000);
	util_trailers_add(text, "Software", "tagship 0.0.9");
	util_trailers_add(text, "Formats", formats);
	util_trailers_add(text, "Codecs", "plain delta");
	util_trailers_add(text, "Zlib", zlib);
	util_trailers_add_int(text, "Memory-Bytes", memory);
	if (kbit > 0)
		util_trailers_add_int(text, "Line-Kbit", kbit);
	g_autofree char *formatted = util_trailers_format(text);
	g_assert_true(util_fs_mkdir(world->central->dirfd, "contacts", 0750, NULL));
	g_assert_true(util_fs_write_file(world->central->dirfd, "contacts/haikou", formatted,
					 strlen(formatted), 0644, NULL));
}

static PublishReader reader(World *world)
{
	PublishReader found = {0};
	publish_reader(world->central, "haikou", &found);
	return found;
}

static void test_slowest(World *world, gconstpointer data)
{
	(void)data;
	PublishTarget near = {.base = (char[]){"hanoi"}}, far = {.base = (char[]){"haikou"}};
	g_autoptr(GPtrArray) targets = g_ptr_array_new();
	world_add_base(world, "haikou");
	world_add_base(world, "hanoi");
	g_ptr_array_add(targets, &near);
	g_ptr_array_add(targets, &far);
	g_assert_cmpint(publish_slowest_kbit(world->central, targets), ==,
			world->central->conf->line_kbit);
	contact(world, "delta=2", NULL, 128 << 20, 640);
	g_assert_cmpint(publish_slowest_kbit(world->central, targets), ==, 640);
	contact(world, "delta=2", NULL, 128 << 20, 64000);
	g_assert_cmpint(publish_slowest_kbit(world->central, targets), ==,
			world->central->conf->line_kbit);
}

static void test_never_heard(World *world, gconstpointer data)
{
	(void)data;
	world_add_base(world, "haikou");
	g_auto(PublishReader) found = reader(world);
	g_assert_false(found.plain || found.whole_archives);
	g_assert_null(found.why);
	g_assert_cmpint(found.line_kbit, ==, world->central->conf->line_kbit);
}

static void test_up_to_date(World *world, gconstpointer data)
{
	(void)data;
	g_autofree char *zlib = bundle_zlib_digest();
	world_add_base(world, "haikou");
	contact(world, "order=1 report=1 manifest=1 plain=1 delta=2", zlib, 128 << 20, 640);
	g_auto(PublishReader) found = reader(world);
	g_assert_false(found.plain || found.whole_archives);
	g_assert_cmpuint(found.memory_bytes, ==, 0);
	g_assert_null(found.why);
	g_assert_cmpint(found.line_kbit, ==, 640);
	/* one that reads more is no reason to write less */
	contact(world, "order=2 report=1 manifest=1 plain=1 delta=3", zlib, 1 << 30, 0);
	g_auto(PublishReader) newer = reader(world);
	g_assert_false(newer.plain || newer.whole_archives);
}

/* It is kept until the machine is started again; what does not fit is found out anew. */
static void test_zlib_kept(World *world, gconstpointer data)
{
	static const char *const bad[] = {"", "boot1 9.9 00000000\n", "boot1", "?"};
	(void)data;
	int dirfd = world->central->dirfd;
	g_autofree char *right = bundle_zlib_digest();
	g_autofree char *first = bundle_zlib_digest_kept(dirfd, "boot1");
	g_assert_cmpstr(first, ==, right);
	g_autofree char *text = NULL;
	gsize len = 0;
	g_assert_true(util_fs_read_file(dirfd, "zlib", 300, &text, &len, NULL));
	memset(text + len - 9, 'f', 8);
	g_assert_true(util_fs_write_file(dirfd, "zlib", text, len, 0600, NULL));
	g_autofree char *kept = bundle_zlib_digest_kept(dirfd, "boot1");
	g_assert_cmpstr(kept, ==, "ffffffff");
	g_autofree char *again = bundle_zlib_digest_kept(dirfd, "boot2");
	g_assert_cmpstr(again, ==, right);
	for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_assert_true(
		    util_fs_write_file(dirfd, "zlib", bad[i], strlen(bad[i]), 0600, NULL));
		g_autofree char *found = bundle_zlib_digest_kept(dirfd, "boot1");
		g_assert_cmpstr(found, ==, right);
	}
}

static void test_older(World *world, gconstpointer data)
{
	static const char *const formats[] = {"order=1 report=1 manifest=1 bundle=1",
					      "order=1 plain=1 delta=1", "order=1 delta=x"};
	(void)data;
	world_add_base(world, "haikou");
	for (guint i = 0; i < G_N_ELEMENTS(formats); i++) {
		contact(world, formats[i], NULL, 64 << 20, 0);
		g_auto(PublishReader) found = reader(world);
		g_assert_true(found.plain);
		g_assert_cmpuint(found.memory_bytes, ==, 64 << 20);
		g_assert_nonnull(strstr(found.why, "tagship 0.0.9"));
	}
}

static void test_other_zlib(World *world, gconstpointer data)
{
	(void)data;
	world_add_base(world, "haikou");
	contact(world, "order=1 plain=1 delta=2", "00000000", 128 << 20, 0);
	g_auto(PublishReader) found = reader(world);
	g_assert_false(found.plain);
	g_assert_true(found.whole_archives);
	g_assert_nonnull(strstr(found.why, "zlib"));
}

/* The whole way: the second order of an old base names a plain bundle. */
static void test_orders(World *world, gconstpointer data)
{
	(void)data;
	world_add_base(world, "haikou");
	g_assert_true(publish_look(world->central, "shop", NULL));
	g_autofree char *plan = world_plan("now", "all", NULL);
	g_autofree char *first = world_tag(world, "v1", plan);
	world_work(world);
	g_autoptr(GPtrArray) orders = world_orders(world);
	const char *root = ((LedgerEntry *)g_ptr_array_index(orders, 0))->order->root;
	world_report(world, first, REPORT_LIVE, root, root);
	contact(world, "order=1 report=1 manifest=1 bundle=1", NULL, 128 << 20, 0);
	world_commit(world, "two");
	g_autofree char *second = world_tag(world, "v2", plan);
	world_work(world);
	g_autoptr(GPtrArray) after = world_orders(world);
	const Order *order = ((LedgerEntry *)g_ptr_array_index(after, after->len - 1))->order;
	g_assert_cmpstr(order->version, ==, "v2");
	g_assert_cmpuint(order->bundles->len, ==, 1);
	const OrderBundle *bundle = g_ptr_array_index(order->bundles, 0);
	g_assert_cmpstr(bundle->codec, ==, "plain");
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(World *, gconstpointer);
	} tests[] = {{"/publish/reader/never-heard", test_never_heard},
		     {"/publish/reader/up-to-date", test_up_to_date},
		     {"/publish/reader/zlib-kept", test_zlib_kept},
		     {"/publish/reader/older", test_older},
		     {"/publish/reader/other-zlib", test_other_zlib},
		     {"/publish/reader/slowest", test_slowest},
		     {"/publish/reader/orders", test_orders}};
	g_test_init(&argc, &argv, NULL);
	for (guint i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].name, World, NULL, world_setup, tests[i].run, world_teardown);
	return g_test_run();
}
