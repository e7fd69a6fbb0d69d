/* SPDX-License-Identifier: ISC */
#include "publish/publish-private.h"
#include "world.h"

static void test_create(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	g_assert_false(central_create(world->state, NULL, NULL, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_EXISTS);
	g_clear_error(&error);
	g_assert_null(central_open(world->path, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
	g_assert_nonnull(strstr(error->message, "tagship init"));
	g_clear_error(&error);
	g_assert_true(util_sshsig_check_key_file(world->central->key_file, &error));
	/* one worker */
	g_assert_false(publish_worker_running(world->central));
	util_autofd int lock = util_fs_lock(world->central->dirfd, "worker.lock", 0, NULL);
	g_assert_true(publish_worker_running(world->central));
	g_assert_false(publish_worker(world->central, TRUE, NULL, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_AGAIN);
}

static void test_history(World *world, gconstpointer data)
{
	(void)data;
	world_add_base(world, "haikou");
	g_autofree char *plan = world_plan("now", "all", NULL);
	g_autofree char *old = world_tag(world, "v0", plan);
	g_assert_true(publish_look(world->central, "shop", NULL));
	world_work(world);
	g_autoptr(GPtrArray) orders = world_orders(world);
	g_assert_cmpuint(orders->len, ==, 0);
	g_assert_null(publish_release(world->central, "shop", old, NULL));
}

static void test_road(World *world, gconstpointer data)
{
	(void)data;
	world_add_base(world, "haikou");
	g_assert_true(publish_look(world->central, "shop", NULL));
	g_autofree char *plan = world_plan("now", "all", NULL);
	g_autofree char *release = world_tag(world, "v1", plan);
	world_work(world); /* no hint at all: the refs are enough */
	world_work(world);
	g_autoptr(GPtrArray) orders = world_orders(world);
	g_assert_cmpuint(orders->len, ==, 1);
	const Order *order = ((LedgerEntry *)g_ptr_array_index(orders, 0))->order;
	g_assert_cmpstr(order->release, ==, release);
	g_assert_cmpstr(order->version, ==, "v1");
	g_assert_cmpuint(order->bundles->len, ==, 1);
	const OrderBundle *bundle = g_ptr_array_index(order->bundles, 0);
	g_assert_cmpstr(bundle->old_root, ==, "-");
	g_assert_true(store_blob_exists(world->central->bundles_dirfd, bundle->sha256));
	expect_state(world, release, "ordered");
	world_report(world, release, REPORT_STAGED, order->root, "-");
	expect_state(world, release, "staged");
	world_report(world, release, REPORT_LIVE, order->root, order->root);
	expect_state(world, release, "live");

	/* the second travels as a delta from what the base reported */
	world_commit(world, "<h1>two</h1>\n");
	g_autofree char *second = world_tag(world, "v2", plan);
	world_work(world);
	g_autoptr(GPtrArray) more = world_orders(world);
	g_assert_cmpuint(more->len, ==, 2);
	const Order *next = ((LedgerEntry *)g_ptr_array_index(more, 1))->order;
	bundle = g_ptr_array_index(next->bundles, 0);
	g_assert_cmpstr(bundle->old_root, ==, order->root);
	g_assert_true(g_str_has_prefix(bundle->codec, "delta-"));

	/* back to v1: it held that tree, nothing travels */
	g_autofree char *back_plan = world_plan("now", "haikou", "v1");
	g_autofree char *back = world_tag(world, "plan/back", back_plan);
	world_work(world);
	g_autoptr(GPtrArray) three = world_orders(world);
	const Order *last = ((LedgerEntry *)g_ptr_array_index(three, 2))->order;
	g_assert_cmpstr(last->root, ==, order->root);
	g_assert_cmpuint(last->bundles->len, ==, 0);
	g_assert_cmpstr(last->release, ==, back);
}

/* What a base did with an order after its end replaces that end; what comes late does not. */
static void test_rounds(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	world_add_base(world, "haikou");
	g_assert_true(publish_look(world->central, "shop", NULL));
	g_autofree char *plan = world_plan("now", "all", NULL);
	g_autofree char *release = world_tag(world, "v1", plan);
	world_work(world);
	g_autoptr(GPtrArray) orders = world_orders(world);
	const Order *order = ((LedgerEntry *)g_ptr_array_index(orders, 0))->order;
	world_report(world, release, REPORT_ROLLED_BACK, order->root, "-");
	expect_state(world, release, "rolled-back");
	world_report_round(world, release, REPORT_LIVE, 2, order->root, order->root);
	expect_state(world, release, "live");
	g_autoptr(PublishRelease) folded = publish_release(world->central, "shop", release, &error);
	const PublishTarget *target = g_ptr_array_index(folded->targets, 0);
	g_assert_null(target->detail);
	g_assert_null(target->log_end);
	world_report(world, release, REPORT_MISSED, order->root, "-");
	expect_state(world, release, "live");
	world_report_round(world, release, REPORT_ROLLED_BACK, 3, order->root, "-");
	expect_state(world, release, "rolled-back");
}

static void test_cancel(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	world_add_base(world, "haikou");
	g_assert_true(publish_look(world->central, "shop", NULL));
	g_autofree char *plan = world_plan("2098-01-01 02:00 base-local", "all", NULL);
	g_autofree char *release = world_tag(world, "v1", plan);
	world_work(world);
	/* gone without a recorded deletion: nothing is cancelled */
	g_autoptr(Repo) repo = repo_open(world->source, &error);
	g_assert_true(repo_ref_delete(repo, "refs/tags/v1", NULL, &error));
	world_work(world);
	expect_state(world, release, "ordered");
	/* with it, it is */
	g_autofree char *update = g_strdup_printf("%s %s refs/tags/v1", release, REPO_ZERO);
	world_hint(world, update);
	world_work(world);
	expect_state(world, release, "cancel-asked");
	world_work(world);
	g_assert_true(publish_cancel(world->central, "shop", release, NULL, "again", &error));
	g_autoptr(GPtrArray) orders = world_orders(world);
	g_assert_cmpuint(orders->len, ==, 2);
	g_assert_cmpint(((LedgerEntry *)g_ptr_array_index(orders, 1))->order->kind, ==,
			ORDER_KIND_CANCEL);
}

static void test_replan(World *world, gconstpointer data)
{
	(void)data;
	world_add_base(world, "haikou");
	g_assert_true(publish_look(world->central, "shop", NULL));
	g_autofree char *plan = world_plan("2098-01-01 02:00 base-local", "all", NULL);
	g_autofree char *plan2 = world_plan("2098-01-02 02:00 base-local", "all", NULL);
	g_autofree char *first = world_tag(world, "v1", plan);
	world_work(world);
	g_autofree char *second = world_tag(world, "v1", plan2);
	world_work(world);
	expect_state(world, first, "cancel-asked");
	expect_state(world, second, "ordered");
}

static void test_failed_build(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	world_add_base(world, "haikou");
	g_assert_true(publish_look(world->central, "shop", NULL));
	g_autoptr(ConfApp) app = conf_app_load(world->central->dirfd, "shop", &error);
	g_assert_true(conf_app_remove(world->central->dirfd, "shop", &error));
	g_free(app->build);
	app->build = g_strdup("exit 7");
	g_free(app->output);
	app->output = g_strdup("out");
	g_assert_true(conf_app_create(world->central->dirfd, app, &error));
	g_autofree char *plan = world_plan("now", "all", NULL);
	g_autofree char *release = world_tag(world, "v1", plan);
	world_work(world);
	expect_state(world, release, "build-failed");
	g_autofree char *id = job_id_for_ref("shop", "refs/tags/v1", release);
	g_autoptr(Job) job = store_job_read(world->central->queue_dirfd, id, &error);
	g_assert_cmpint(job->state, ==, JOB_FAILED);
	g_assert_nonnull(strstr(job->reason, "7"));
	/* mended, and tried again without a new tag */
	g_assert_true(conf_app_remove(world->central->dirfd, "shop", &error));
	g_free(app->build);
	app->build = g_strdup("mkdir out; cp index.html out");
	g_assert_true(conf_app_create(world->central->dirfd, app, &error));
	g_assert_true(publish_retry(world->central, id, &error));
	g_assert_false(publish_retry(world->central, id, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
	world_work(world);
	expect_state(world, release, "ordered");
}

/* A base asks for a bundle from a tree it holds: a signed revision covers it. */
static void test_want(World *world, gconstpointer data)
{
	(void)data;
	world_add_base(world, "haikou");
	g_assert_true(publish_look(world->central, "shop", NULL));
	g_autofree char *plan = world_plan("now", "all", NULL);
	g_autofree char *first = world_tag(world, "v1", plan);
	world_work(world);
	world_commit(world, "<h1>two</h1>\n");
	g_autofree char *second = world_tag(world, "v2", plan);
	world_work(world);
	g_autoptr(GPtrArray) orders = world_orders(world);
	const Order *one = ((LedgerEntry *)g_ptr_array_index(orders, 0))->order;
	const Order *two = ((LedgerEntry *)g_ptr_array_index(orders, 1))->order;
	g_autoptr(UtilTrailers) hint = util_trailers_new();
	util_trailers_add(hint, "Base", "haikou");
	util_trailers_add(hint, "App", "shop");
	util_trailers_add(hint, "Release", second);
	util_trailers_add(hint, "Old", one->root);
	util_trailers_add(hint, "New", two->root);
	g_assert_true(store_hint_put(world->central->queue_dirfd, "want", hint, NULL));
	world_work(world);
	g_autoptr(GPtrArray) after = world_orders(world);
	g_assert_cmpuint(after->len, ==, 3);
	const Order *revised = ((LedgerEntry *)g_ptr_array_index(after, 2))->order;
	g_assert_cmpstr(revised->release, ==, second);
	g_assert_nonnull(order_find_bundle(revised, one->root));
	g_assert_nonnull(order_find_bundle(revised, "-"));
}

static void test_rollback_and_gc(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	world_add_base(world, "haikou");
	g_assert_true(publish_look(world->central, "shop", NULL));
	g_autofree char *plan = world_plan("now", "all", NULL);
	g_autofree char *release = world_tag(world, "v1", plan);
	world_work(world);
	g_assert_null(publish_rollback(world->central, "shop", "v9", NULL, "admin", &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
	g_clear_error(&error);
	g_autofree char *id =
	    publish_rollback(world->central, "shop", "v1", "haikou", "admin", &error);
	g_assert_no_error(error);
	world_work(world);
	g_autoptr(GPtrArray) orders = world_orders(world);
	g_assert_cmpuint(orders->len, ==, 2);
	const Order *order = ((LedgerEntry *)g_ptr_array_index(orders, 0))->order;
	const OrderBundle *bundle = g_ptr_array_index(order->bundles, 0);
	g_autoptr(GString) said = g_string_new(NULL);
	g_assert_true(publish_gc(world->central, FALSE, said, &error));
	g_assert_true(store_blob_exists(world->central->bundles_dirfd, bundle->sha256));
	/* both ended: nobody needs the bundle any more */
	world_report(world, release, REPORT_LIVE, order->root, order->root);
	const Order *back = ((LedgerEntry *)g_ptr_array_index(orders, 1))->order;
	world_report(world, back->release, REPORT_LIVE, order->root, order->root);
	/* a young one may be for an order that is being made */
	g_assert_true(publish_gc(world->central, FALSE, said, &error));
	g_assert_true(store_blob_exists(world->central->bundles_dirfd, bundle->sha256));
	const struct timespec old[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
	g_assert_cmpint(utimensat(world->central->bundles_dirfd, bundle->sha256, old, 0), ==, 0);
	g_assert_true(publish_gc(world->central, FALSE, said, &error));
	g_assert_false(store_blob_exists(world->central->bundles_dirfd, bundle->sha256));
}

/* Object file of a loose object. */
static char *object_file(World *world, const char *oid)
{
	return g_strdup_printf("%s/objects/%.2s/%s", world->source, oid, oid + 2);
}

static gboolean is_noted(World *world, const char *commit)
{
	const char *argv[] = {"git",      "--git-dir", world->source, "notes", "--ref",
			      "releases", "show",      commit,        NULL};
	int status = -1;
	g_assert_true(util_child_capture(argv, NULL, NULL, 20, 4096, NULL, NULL, &status, NULL));
	return status == 0;
}

/* A commit that is gone from the repository keeps back no other note. */
static void test_notes(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	char commits[6][REPO_OID];
	world_add_base(world, "haikou");
	g_assert_true(publish_look(world->central, "shop", NULL));
	g_autofree char *plan = world_plan("now", "all", NULL);
	for (guint i = 0; i < G_N_ELEMENTS(commits); i++) {
		g_autofree char *text = g_strdup_printf("<h1>%u</h1>\n", i);
		g_autofree char *name = g_strdup_printf("v%u", i);
		*world->commit = '\0'; /* no parent: it can go by itself */
		world_commit(world, text);
		memcpy(commits[i], world->commit, REPO_OID);
		g_autofree char *release = world_tag(world, name, plan);
		world_work(world);
		g_autoptr(GPtrArray) orders = world_orders(world);
		const Order *order = ((LedgerEntry *)orders->pdata[i])->order;
		world_report(world, release, REPORT_LIVE, order->root, order->root);
	}
	for (guint i = 1; i < G_N_ELEMENTS(commits); i++) {
		g_autofree char *file = object_file(world, commits[i]);
		if (i % 2)
			g_assert_cmpint(unlink(file), ==, 0);
	}
	g_assert_true(publish_notes_write(world->central, "shop", &error));
	g_assert_no_error(error);
	for (guint i = 0; i < G_N_ELEMENTS(commits); i += 2)
		g_assert_true(is_noted(world, commits[i]));
}

/* The worker does it by itself, once a day. */
static void test_gc_daily(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	const struct timespec old[2] = {{1, 0}, {1, 0}};
	char sha256[UTIL_SHA256_HEX] = {0};
	memset(sha256, 'a', sizeof sha256 - 1);
	world_work(world);
	int dirfd = world->central->bundles_dirfd;
	g_assert_true(util_fs_write_file(dirfd, sha256, "old", 3, 0644, &error));
	g_assert_cmpint(utimensat(dirfd, sha256, old, 0), ==, 0);
	world_work(world);
	g_assert_true(store_blob_exists(dirfd, sha256));
	g_assert_cmpint(utimensat(world->central->queue_dirfd, "gc", old, 0), ==, 0);
	world_work(world);
	g_assert_false(store_blob_exists(dirfd, sha256));
}

/* Enrolled later, a base takes the version its app is settled on. */
static void test_settle(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	world_add_base(world, "haikou");
	g_assert_true(publish_look(world->central, "shop", NULL));
	g_autofree char *plan = world_plan("now", "all", NULL);
	g_autofree char *release = world_tag(world, "v1", plan);
	world_work(world);
	g_autoptr(GPtrArray) orders = world_orders(world);
	const Order *order = ((LedgerEntry *)g_ptr_array_index(orders, 0))->order;
	world_add_base(world, "berlin");
	g_autofree char *none = publish_settle(world->central, "shop", "berlin", "admin", &error);
	g_assert_no_error(error);
	g_assert_null(none); /* nothing is live anywhere yet */
	world_report(world, release, REPORT_LIVE, order->root, order->root);
	g_autofree char *id = publish_settle(world->central, "shop", "berlin", "admin", &error);
	g_assert_nonnull(id);
	world_work(world);
	g_autoptr(Repo) ledger = ledger_open(world->state, "berlin", &error);
	g_autoptr(GPtrArray) entries = ledger_entries(ledger, LEDGER_ORDERS, NULL, &error);
	g_assert_cmpuint(entries->len, ==, 1);
	g_assert_cmpstr(((LedgerEntry *)g_ptr_array_index(entries, 0))->order->version, ==, "v1");
	/* one of two has begun to try another: a third gets what was there before */
	const Order *settled = ((LedgerEntry *)g_ptr_array_index(entries, 0))->order;
	g_autofree char *other = g_strnfill(64, 'a');
	world_report_at(world, "berlin", settled->release, REPORT_LIVE, 1, other, other);
	world_add_base(world, "oslo");
	g_autofree char *third = publish_settle(world->central, "shop", "oslo", "admin", &error);
	g_assert_no_error(error);
	g_test_message("%s", third);
	g_assert_nonnull(third);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(World *, gconstpointer);
	} tests[] = {{"create", test_create},     {"history", test_history},
		     {"road", test_road},         {"cancel", test_cancel},
		     {"replan", test_replan},     {"failed-build", test_failed_build},
		     {"want", test_want},         {"rollback-and-gc", test_rollback_and_gc},
		     {"gc-daily", test_gc_daily}, {"settle", test_settle},
		     {"notes", test_notes},       {"rounds", test_rounds}};
	g_test_init(&argc, &argv, NULL);
	for (guint i = 0; i < G_N_ELEMENTS(tests); i++) {
		g_autofree char *path = g_strconcat("/publish/", tests[i].name, NULL);
		g_test_add(path, World, NULL, world_setup, tests[i].run, world_teardown);
	}
	return g_test_run();
}
