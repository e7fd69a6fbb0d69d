/* SPDX-License-Identifier: ISC */
/* What goes into the file for a base: from where, and which bundles. */
#include <sys/mman.h>

#include "export/export.h"
#include "world.h"

/* The head of a file made now; NULL with error. */
static ExportHead *export(World *world, gboolean all, gboolean plain, PublishExported *ret_done,
			  GError **error)
{
	PublishExportOptions options = {.all = all, .plain = plain};
	util_autofd int fd = memfd_create("file", MFD_CLOEXEC);
	if (!publish_export(world->central, "haikou", &options, fd, ret_done, error))
		return NULL;
	g_autoptr(ExportReader) reader = export_reader_new(fd, error);
	g_assert_no_error(*error);
	const ExportMember *member = NULL;
	do
		g_assert_true(export_reader_next(reader, &member, error));
	while (member);
	g_autofree char *text = export_head_format(export_reader_head(reader));
	return export_head_parse(text, strlen(text), error);
}

static void expect_bundles(World *world, gboolean plain, const OrderBundle *const *bundles)
{
	g_autoptr(GError) error = NULL;
	PublishExported done = {0};
	g_autoptr(ExportHead) head = export(world, FALSE, plain, &done, &error);
	g_assert_no_error(error);
	guint n = 0;
	for (; bundles[n]; n++) {
		const ExportMember *member = g_ptr_array_index(head->members, n + 1);
		g_assert_cmpstr(member->sha256, ==, bundles[n]->sha256);
		g_assert_cmpuint(member->bytes, ==, bundles[n]->bytes);
	}
	g_assert_cmpuint(head->members->len, ==, n + 1);
	g_assert_cmpuint(done.bundles, ==, n);
}

static void expect_no(World *world, gboolean plain, int code, const char *says)
{
	g_autoptr(GError) error = NULL;
	PublishExported done = {0};
	g_assert_null(export(world, FALSE, plain, &done, &error));
	g_assert_error(error, TS_ERROR, code);
	g_assert_nonnull(strstr(error->message, says));
}

/* What the base showed last; NULL-terminated lines "KEY", "VALUE". */
static void contact(World *world, ...) G_GNUC_NULL_TERMINATED;
static void contact(World *world, ...)
{
	g_autoptr(UtilTrailers) text = util_trailers_new();
	va_list args;
	va_start(args, world);
	for (const char *key = NULL; (key = va_arg(args, const char *));)
		util_trailers_add(text, key, va_arg(args, const char *));
	va_end(args);
	g_autofree char *data = util_trailers_format(text);
	g_assert_true(util_fs_write_file(world->central->dirfd, "contacts/haikou", data,
					 strlen(data), 0640, NULL));
}

static guint count_hints(World *world)
{
	g_autoptr(GPtrArray) hints = store_hint_list(world->central->queue_dirfd, NULL);
	return hints->len;
}

/* v1 live by its reports, v2 ordered after it, both "now". */
static GPtrArray *two_orders(World *world, char **ret_first)
{
	world_add_base(world, "haikou");
	expect_no(world, FALSE, TS_ERROR_REFUSED, "nothing was ordered");
	g_assert_true(publish_look(world->central, "shop", NULL));
	g_autofree char *plan = world_plan("now", "all", NULL);
	*ret_first = world_tag(world, "v1", plan);
	world_work(world);
	g_autoptr(GPtrArray) orders = world_orders(world);
	const Order *one = ((LedgerEntry *)g_ptr_array_index(orders, 0))->order;
	const OrderBundle *const first[] = {g_ptr_array_index(one->bundles, 0), NULL};
	expect_bundles(world, FALSE, first);
	world_report(world, *ret_first, REPORT_STAGED, one->root, "-");
	world_report(world, *ret_first, REPORT_LIVE, one->root, one->root);
	world_commit(world, "<h1>two</h1>\n");
	g_autofree char *second = world_tag(world, "v2", plan);
	world_work(world);
	return world_orders(world);
}

static void test_from(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	g_autofree char *first = NULL;
	g_autoptr(GPtrArray) orders = two_orders(world, &first);
	const LedgerEntry *one = g_ptr_array_index(orders, 0);
	PublishExported done = {0};
	g_autoptr(ExportHead) whole = export(world, FALSE, FALSE, &done, &error);
	g_assert_cmpstr(whole->from, ==, "-");
	g_assert_cmpuint(done.entries, ==, 2);
	/* which reports came is told with each file */
	g_assert_cmpuint(whole->reported->len, ==, 2);
	const ExportReported *newest = g_ptr_array_index(whole->reported, 0);
	g_assert_true(g_str_has_prefix(newest->key, first));
	g_assert_true(g_str_has_suffix(newest->key, ".1.live"));
	contact(world, "Time", "2026-12-01T02:00:00Z", "Head", one->oid, NULL);
	g_autoptr(ExportHead) rest = export(world, FALSE, FALSE, &done, &error);
	g_assert_cmpstr(rest->from, ==, one->oid);
	g_assert_cmpuint(done.entries, ==, 1);
	g_autoptr(ExportHead) all = export(world, TRUE, FALSE, &done, &error);
	g_assert_cmpstr(all->from, ==, "-");
	/* a head that is none of ours */
	contact(world, "Head", "1111111111111111111111111111111111111111", NULL);
	g_autoptr(ExportHead) foreign = export(world, FALSE, FALSE, &done, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(foreign->from, ==, "-");
	contact(world, "Head", one->oid, "Ahead", "yes", NULL);
	expect_no(world, FALSE, TS_ERROR_REFUSED, "export --ledger");
}

static void test_bundles(World *world, gconstpointer data)
{
	(void)data;
	g_autofree char *first = NULL;
	g_autoptr(GPtrArray) orders = two_orders(world, &first);
	const Order *one = ((LedgerEntry *)g_ptr_array_index(orders, 0))->order;
	const Order *two = ((LedgerEntry *)g_ptr_array_index(orders, 1))->order;
	const OrderBundle *const delta[] = {order_find_bundle(two, one->root), NULL};
	/* by its reports, and by what it said */
	expect_bundles(world, FALSE, delta);
	g_autofree char *live = g_strdup_printf("shop %s v1", one->root);
	contact(world, "Head", "-", "Live", live, NULL);
	expect_bundles(world, FALSE, delta);
	/* it can make nothing of an old tree: it asked for the whole one, which is made first */
	g_autofree char *want = g_strdup_printf("- %s", two->root);
	contact(world, "Head", "-", "Live", live, "Want", want, NULL);
	expect_no(world, FALSE, TS_ERROR_AGAIN, "being made");
	g_assert_cmpuint(count_hints(world), ==, 1);
	world_work(world);
	g_autoptr(GPtrArray) revised = world_orders(world);
	const Order *again = ((LedgerEntry *)g_ptr_array_index(revised, 2))->order;
	const OrderBundle *const plain[] = {order_find_bundle(again, "-"), NULL};
	expect_bundles(world, FALSE, plain);
	contact(world, "Head", "-", "Live", live, NULL);
	const OrderBundle *const both[] = {order_find_bundle(again, one->root),
					   order_find_bundle(again, "-"), NULL};
	expect_bundles(world, TRUE, both);
	/* pruned: asked of the worker */
	g_assert_true(util_fs_unlink(world->central->bundles_dirfd, both[0]->sha256, NULL));
	expect_no(world, FALSE, TS_ERROR_AGAIN, "being made");
	world_work(world);
	const OrderBundle *const made_again[] = {both[0], NULL};
	expect_bundles(world, FALSE, made_again);
	/* staged there: it needs nothing */
	world_report(world, two->release, REPORT_STAGED, two->root, one->root);
	const OrderBundle *const none[] = {NULL};
	expect_bundles(world, FALSE, none);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add("/publish/export/from", World, NULL, world_setup, test_from, world_teardown);
	g_test_add("/publish/export/bundles", World, NULL, world_setup, test_bundles,
		   world_teardown);
	return g_test_run();
}
