/* SPDX-License-Identifier: ISC */
/* What is taken in while other jobs keep the worker busy. */
#include "publish/publish-private.h"
#include "world.h"

/* As the worker does while a job runs. */
static void take_hints(World *world)
{
	gboolean taken = FALSE;
	g_autoptr(GError) error = NULL;
	g_autoptr(PublishIntake) intake = publish_intake_new();
	g_assert_true(publish_take_hints(intake, world->central, &taken, &error));
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

/* What the log of its first run says. */
static void expect_log(World *world, const char *name, const char *release, const char *says)
{
	g_autofree char *ref = g_strconcat("refs/tags/", name, NULL);
	g_autofree char *id = job_id_for_ref("shop", ref, release);
	g_autofree char *path = job_log_name(id, 1);
	g_autofree char *log = NULL;
	g_assert_true(util_fs_read_file(world->central->dirfd, path, 100000, &log, NULL, NULL));
	if (!strstr(log, says))
		g_error("not said: \"%s\" but: %s", says, log);
}

static void cancel_at(World *world, const char *release, const char *base)
{
	g_autoptr(GError) error = NULL;
	g_assert_true(publish_cancel(world->central, "shop", release, base, "no", &error));
	g_assert_no_error(error);
}

static guint n_orders(World *world, const char *base)
{
	g_autoptr(GPtrArray) orders = world_orders_at(world, base);
	return orders->len;
}

static void want(World *world, const char *base, const char *release, const char *from,
		 const char *root)
{
	g_autoptr(UtilTrailers) hint = util_trailers_new();
	util_trailers_add(hint, "Base", base);
	util_trailers_add(hint, "App", "shop");
	util_trailers_add(hint, "Release", release);
	util_trailers_add(hint, "Old", from);
	util_trailers_add(hint, "New", root);
	g_assert_true(store_hint_put(world->central->queue_dirfd, "want", hint, NULL));
	world_work(world);
}

/* A cancel at one base is nothing to the others, before the order and after it. */
static void test_cancel_at_a_base(World *world, gconstpointer data)
{
	(void)data;
	begin(world);
	world_add_base(world, "hanoi");
	world_add_base(world, "berlin");
	g_autofree char *plan = world_plan("2098-01-01 02:00 base-local", "all", NULL);
	g_autofree char *one = world_tag(world, "v1", plan);
	world_work(world);
	world_commit(world, "<h1>two</h1>\n");
	g_autofree char *two = world_tag(world, "v2", plan);
	g_assert_true(publish_look(world->central, "shop", NULL));
	cancel_at(world, two, "hanoi");
	world_work(world);
	g_assert_cmpuint(n_orders(world, "haikou"), ==, 2);
	g_assert_cmpuint(n_orders(world, "hanoi"), ==, 1);
	expect_log(world, "v2", two, "hanoi            not ordered: cancelled there: no");
	/* a revision for who was not cancelled; none for who was since */
	g_autoptr(GPtrArray) orders = world_orders(world);
	const Order *first = ((LedgerEntry *)orders->pdata[0])->order;
	const Order *second = ((LedgerEntry *)orders->pdata[1])->order;
	want(world, "haikou", two, first->root, second->root);
	g_assert_cmpuint(n_orders(world, "haikou"), ==, 3);
	cancel_at(world, two, "berlin");
	g_assert_cmpuint(n_orders(world, "berlin"), ==, 3);
	want(world, "berlin", two, first->root, second->root);
	g_assert_cmpuint(n_orders(world, "berlin"), ==, 3);
	/* the release ends where it was ordered */
	world_report(world, two, REPORT_LIVE, second->root, second->root);
	g_autoptr(PublishRelease) release = publish_release(world->central, "shop", two, NULL);
	g_assert_cmpstr(release->state, ==, "ordered"); /* berlin has not answered */
	expect_state(world, one, "ordered");
}

static guint n_hints(World *world)
{
	g_autoptr(GPtrArray) names = store_hint_list(world->central->queue_dirfd, NULL);
	return names->len;
}

/* A push that cannot be looked at: the hint, which alone has the deletion on record, stays. */
static void test_hint_stays(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	g_autoptr(PublishIntake) intake = publish_intake_new();
	gboolean taken = FALSE;
	begin(world);
	g_autofree char *plan = world_plan("2098-01-01 02:00 base-local", "all", NULL);
	g_autofree char *release = world_tag(world, "v1", plan);
	world_work(world);
	g_autoptr(Repo) repo = repo_open(world->source, &error);
	g_assert_true(repo_ref_delete(repo, "refs/tags/v1", NULL, &error));
	g_autofree char *away = g_strconcat(world->source, ".away", NULL);
	g_assert_cmpint(rename(world->source, away), ==, 0);
	g_autofree char *deletion = g_strdup_printf("%s %s refs/tags/v1", release, REPO_ZERO);
	world_hint(world, deletion);
	world->central->again_s = 1;
	for (guint i = 0; i < 3; i++) {
		g_assert_true(publish_take_hints(intake, world->central, &taken, &error));
		g_assert_cmpuint(n_hints(world), ==, 1);
	}
	g_assert_true(publish_intake_waits(intake));
	expect_state(world, release, "ordered");
	g_assert_cmpint(rename(away, world->source), ==, 0);
	g_usleep(1100 * 1000);
	g_assert_true(publish_take_hints(intake, world->central, &taken, &error));
	/* the cancel leaves one of its own */
	g_assert_true(publish_take_hints(intake, world->central, &taken, &error));
	g_assert_cmpuint(n_hints(world), ==, 0);
	g_assert_false(publish_intake_waits(intake));
	expect_state(world, release, "cancel-asked");
}

/* The app's build command from now on. */
static void build_by(World *world, const char *command)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(ConfApp) app = conf_app_load(world->central->dirfd, "shop", &error);
	g_assert_true(conf_app_remove(world->central->dirfd, "shop", &error));
	g_free(app->build);
	app->build = g_strdup(command);
	g_free(app->output);
	app->output = g_strdup("out");
	g_assert_true(conf_app_create(world->central->dirfd, app, &error));
}

static void expect_no_retry(World *world, const char *name, const char *release, const char *says)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *ref = g_strconcat("refs/tags/", name, NULL);
	g_autofree char *id = job_id_for_ref("shop", ref, release);
	g_assert_false(publish_retry(world->central, id, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
	if (!strstr(error->message, says))
		g_error("not said: \"%s\" but: %s", says, error->message);
}

/* The job of a plan that was replaced since, or of one that was refused, is not run again. */
static void test_retry_of_the_past(World *world, gconstpointer data)
{
	(void)data;
	begin(world);
	build_by(world, "exit 7");
	g_autofree char *plan = world_plan("2098-01-01 02:00 base-local", "all", NULL);
	g_autofree char *plan2 = world_plan("2098-01-02 02:00 base-local", "all", NULL);
	g_autofree char *old = world_tag(world, "v2", plan);
	world_work(world);
	build_by(world, "mkdir out; cp index.html out");
	expect_log(world, "v2", old, "to try again, without a new commit");
	g_autofree char *now = world_tag(world, "v2", plan2);
	world_work(world);
	expect_no_retry(world, "v2", old, "cancelled");
	world_work(world);
	expect_state(world, now, "ordered");
	g_autofree char *bad = world_plan("2098-01-01 02:00 base-local", "nowhere", NULL);
	g_autofree char *refused = world_tag(world, "v3", bad);
	world_work(world);
	expect_state(world, refused, "refused");
	expect_no_retry(world, "v3", refused, "was refused");
	expect_log(world, "v3", refused, "trying again does not help");
	/* of no plan at all: only the tag tells */
	build_by(world, "exit 7");
	g_autofree char *plain = world_tag(world, "v4", "No plan");
	world_work(world);
	g_autofree char *other = world_tag(world, "v4", "No plan either");
	expect_no_retry(world, "v4", plain, "is at ");
	world_work(world);
	g_autoptr(Repo) repo = repo_open(world->source, NULL);
	g_assert_true(repo_ref_delete(repo, "refs/tags/v4", NULL, NULL));
	expect_no_retry(world, "v4", other, "is gone; push the tag again");
}

/* While the build waits for it: cancels what is built. */
static gpointer cancel_meanwhile(gpointer data)
{
	World *world = data;
	g_autoptr(GError) error = NULL;
	g_autoptr(Repo) repo = repo_open(world->source, &error);
	g_autofree char *begun = g_build_filename(world->path, "begun", NULL);
	g_autofree char *go = g_build_filename(world->path, "go", NULL);
	char release[REPO_OID];
	while (!g_file_test(begun, G_FILE_TEST_EXISTS))
		g_usleep(10000);
	g_assert_true(repo_ref_get(repo, "refs/tags/v1", release, &error));
	g_autoptr(Central) central = central_open(world->state, &error);
	g_assert_no_error(error);
	g_assert_true(publish_cancel(central, "shop", release, NULL, "no", &error));
	g_assert_no_error(error);
	g_assert_true(g_file_set_contents(go, "", -1, NULL));
	return NULL;
}

static gboolean is_bound(World *world, const char *name)
{
	g_autoptr(LibraryVersion) version =
	    library_version(world->central->library, "shop", name, NULL);
	return version && version->bound;
}

/* A version is bound by its first order: what was moved before that is free. */
static void test_bound_when_ordered(World *world, gconstpointer data)
{
	(void)data;
	g_autofree char *command = g_strdup_printf("touch %s/begun; while [ ! -e %s/go ]; do sleep "
						   "0.02; done; mkdir out; cp index.html out",
						   world->path, world->path);
	g_autofree char *plan = world_plan("2098-01-01 02:00 base-local", "all", NULL);
	begin(world);
	build_by(world, command);
	GThread *thread = g_thread_new("cancel", cancel_meanwhile, world);
	g_autofree char *first = world_tag(world, "v1", plan);
	world_work(world);
	(void)g_thread_join(thread); /* gives nothing */
	expect_state(world, first, "cancelled");
	g_assert_false(is_bound(world, "v1"));
	world_commit(world, "<h1>two</h1>\n");
	g_autofree char *second = world_tag(world, "v1", plan);
	world_work(world);
	expect_state(world, second, "ordered");
	g_assert_true(is_bound(world, "v1"));
	/* a push that no hook saw: it says what became of it */
	world_commit(world, "<h1>three</h1>\n");
	g_autofree char *third = world_tag(world, "v1", plan);
	world_work(world);
	expect_state(world, third, "build-failed");
}

static char *push_new(World *world, const char *name, const char *message)
{
	g_autofree char *ref = g_strconcat("refs/tags/", name, NULL);
	char *oid = world_tag(world, name, message);
	push(world, REPO_ZERO, oid, ref);
	expect_state(world, oid, "queued");
	return oid;
}

static void lose_job(World *world, const char *name, const char *oid)
{
	g_autofree char *ref = g_strconcat("refs/tags/", name, NULL);
	g_autofree char *id = job_id_for_ref("shop", ref, oid);
	g_autofree char *path = g_strconcat("jobs/", id, NULL);
	g_assert_true(util_fs_unlink(world->central->queue_dirfd, path, NULL));
}

/* queue/ was lost, or central was killed before it made the job. */
static void test_job_lost(World *world, gconstpointer data)
{
	(void)data;
	begin(world);
	g_autofree char *plan = world_plan("2098-01-01 02:00 base-local", "all", NULL);
	g_autofree char *stays = push_new(world, "v1", plan);
	world_commit(world, "<h1>two</h1>\n");
	g_autofree char *gone = push_new(world, "v2", plan);
	lose_job(world, "v1", stays);
	lose_job(world, "v2", gone);
	g_autoptr(Repo) repo = repo_open(world->source, NULL);
	g_assert_true(repo_ref_delete(repo, "refs/tags/v2", NULL, NULL));
	world_work(world);
	expect_state(world, stays, "ordered");
	expect_state(world, gone, "queued"); /* an alarm: nobody is known to have deleted it */
}

/* Moved and deleted before anybody looked: both that was there and what came are withdrawn. */
static void test_moved_and_deleted(World *world, gconstpointer data)
{
	(void)data;
	begin(world);
	g_autofree char *plan = world_plan("2098-01-01 02:00 base-local", "all", NULL);
	g_autofree char *later = world_plan("2098-01-01 03:00 base-local", "all", NULL);
	g_autofree char *first = world_tag(world, "v1", plan);
	world_work(world);
	expect_state(world, first, "ordered");
	g_autofree char *second = world_tag(world, "v1", later);
	g_autoptr(Repo) repo = repo_open(world->source, NULL);
	g_assert_true(repo_ref_delete(repo, "refs/tags/v1", NULL, NULL));
	push(world, first, second, "refs/tags/v1");
	push(world, second, REPO_ZERO, "refs/tags/v1");
	expect_state(world, first, "cancel-asked");
}

/* Queued, its job lost before it was seen, and deleted on purpose. */
static void test_deleted_unseen(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GHashTable) seen = NULL;
	begin(world);
	seen = library_seen(world->central->library, "shop", NULL);
	g_autofree char *plan = world_plan("2098-01-01 02:00 base-local", "all", NULL);
	g_autofree char *lost = push_new(world, "v1", plan);
	lose_job(world, "v1", lost);
	g_assert_true(library_seen_set(world->central->library, "shop", seen, 1, NULL));
	delete_tag(world, "refs/tags/v1", lost);
	expect_state(world, lost, "cancelled");
}

static guint hints_waiting(World *world)
{
	g_autoptr(GPtrArray) names = store_hint_list(world->central->queue_dirfd, NULL);
	guint count = 0;
	for (guint i = 0; i < names->len; i++) {
		g_autoptr(UtilTrailers) hint =
		    store_hint_read(world->central->queue_dirfd, names->pdata[i], NULL);
		count += g_strcmp0(util_trailers_get(hint, "Hint"), "deletion") == 0;
	}
	return count;
}

/* other: a second tag of the same push, or NULL. */
static void announce(World *world, const char *name, const char *oid, const char *other,
		     const char *other_oid, gint64 time_utc)
{
	g_autoptr(UtilTrailers) hint = util_trailers_new();
	g_autofree char *update = g_strdup_printf("%s " REPO_ZERO " refs/tags/%s", oid, name);
	g_autofree char *second =
	    other ? g_strdup_printf("%s " REPO_ZERO " refs/tags/%s", other_oid, other) : NULL;
	util_trailers_add(hint, "Repo", world->source);
	util_trailers_add(hint, "Pusher", "dev");
	util_trailers_add_time(hint, "Time", time_utc);
	util_trailers_add(hint, "Update", update);
	util_trailers_add(hint, "Update", second);
	g_assert_true(store_hint_put(world->central->queue_dirfd, "deletion", hint, NULL));
}

/* git was killed when the tag was gone, before post-receive: pre-receive had seen it coming. */
static void test_deletion_announced(World *world, gconstpointer data)
{
	(void)data;
	gint64 now = util_clock_now_utc(world->central->clock);
	g_autoptr(GError) error = NULL;
	g_autoptr(Repo) repo = repo_open(world->source, &error);
	g_autofree char *plan = world_plan("2098-01-01 02:00 base-local", "all", NULL);
	begin(world);
	g_autofree char *one = world_tag(world, "v1", plan);
	world_work(world);
	announce(world, "v1", one, NULL, NULL, now);
	take_hints(world); /* still there: the push may be under way */
	expect_state(world, one, "ordered");
	g_assert_cmpuint(hints_waiting(world), ==, 1);
	g_assert_true(repo_ref_delete(repo, "refs/tags/v1", NULL, &error));
	take_hints(world);
	expect_state(world, one, "cancel-asked");
	g_assert_cmpuint(hints_waiting(world), ==, 0);
	/* the push came to nothing: what it said is forgotten */
	g_autofree char *other = world_tag(world, "v2", plan);
	world_work(world);
	announce(world, "v2", other, NULL, NULL, now - 601);
	take_hints(world);
	g_assert_cmpuint(hints_waiting(world), ==, 0);
	g_assert_true(repo_ref_delete(repo, "refs/tags/v2", NULL, &error));
	take_hints(world);
	expect_state(world, other, "ordered");
	/* of two tags one went: it counts once the other cannot go any more */
	g_autofree char *went = world_tag(world, "v3", plan);
	g_autofree char *stayed = world_tag(world, "v4", plan);
	world_work(world);
	announce(world, "v3", went, "v4", stayed, now - 601);
	g_assert_true(repo_ref_delete(repo, "refs/tags/v3", NULL, &error));
	take_hints(world);
	expect_state(world, went, "cancel-asked");
	expect_state(world, stayed, "ordered");
}

/* Nothing says that the tag was seen where it was, when it has been moved. */
static void test_moved_unseen(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GHashTable) seen = NULL;
	begin(world);
	seen = library_seen(world->central->library, "shop", NULL);
	g_assert_nonnull(seen);
	g_autofree char *plan = world_plan("2098-01-01 02:00 base-local", "all", NULL);
	g_autofree char *later = world_plan("2098-01-01 03:00 base-local", "all", NULL);
	g_autofree char *waits = push_new(world, "v1", plan);
	world_commit(world, "<h1>two</h1>\n");
	g_autofree char *lost = push_new(world, "v2", plan);
	lose_job(world, "v2", lost);
	g_assert_true(library_seen_set(world->central->library, "shop", seen, 1, NULL));
	g_autofree char *one = world_tag(world, "v1", later);
	g_autofree char *two = world_tag(world, "v2", later);
	world_work(world);
	expect_state(world, waits, "cancelled");
	expect_state(world, lost, "cancelled");
	expect_state(world, two, "ordered");
	g_autoptr(GPtrArray) orders = world_orders(world);
	for (guint i = 0; i < orders->len; i++) {
		const Order *order = ((LedgerEntry *)g_ptr_array_index(orders, i))->order;
		g_assert_true(strcmp(order->release, one) == 0 || strcmp(order->release, two) == 0);
	}
}

/* The same tag object in the repositories of two apps: a release is known by it, so it is one. */
static void test_tag_of_two_apps(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	g_autofree char *plan = world_plan("2098-01-01 02:00 base-local", "all", NULL);
	begin(world);
	char *shop = world->source;
	world->source = g_build_filename(world->path, "blog.git", NULL);
	*world->commit = '\0';
	g_autoptr(Repo) repo = repo_create(world->source, &error);
	world_commit(world, "<h1>one</h1>\n");
	g_autoptr(ConfApp) blog = conf_app_new("blog", world->source);
	g_free(blog->sandbox);
	blog->sandbox = g_strdup("none");
	g_assert_true(conf_app_create(world->central->dirfd, blog, &error));
	g_autoptr(ConfPeer) peer = conf_peer_load(world->central->dirfd, "haikou", &error);
	g_strfreev(peer->apps);
	peer->apps = g_strsplit("blog shop", " ", 0);
	g_assert_true(conf_peer_replace(world->central->dirfd, peer, &error));
	g_assert_true(publish_look(world->central, "blog", &error));
	g_autofree char *one = world_tag(world, "v1", plan);
	g_free(world->source);
	world->source = shop;
	g_autofree char *other = world_tag(world, "v1", plan);
	g_assert_cmpstr(one, ==, other);
	world_work(world);
	g_autoptr(PublishRelease) ordered = publish_release(world->central, "blog", one, &error);
	g_assert_cmpstr(ordered->state, ==, "ordered");
	g_autoptr(PublishRelease) refused = publish_release(world->central, "shop", one, &error);
	g_assert_cmpstr(refused->state, ==, "refused");
	g_assert_nonnull(strstr(refused->reason, "is a release of app \"blog\" already"));
	g_autoptr(GPtrArray) orders = world_orders(world);
	g_assert_cmpuint(orders->len, ==, 1);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(World *, gconstpointer);
	} tests[] = {{"/publish/intake/cancel-queued", test_cancel_queued},
		     {"/publish/intake/moved", test_moved},
		     {"/publish/intake/moved-after-its-end", test_moved_after_its_end},
		     {"/publish/intake/hint-stays", test_hint_stays},
		     {"/publish/intake/cancel-at-a-base", test_cancel_at_a_base},
		     {"/publish/intake/bound-when-ordered", test_bound_when_ordered},
		     {"/publish/intake/job-lost", test_job_lost},
		     {"/publish/intake/moved-unseen", test_moved_unseen},
		     {"/publish/intake/moved-and-deleted", test_moved_and_deleted},
		     {"/publish/intake/deleted-unseen", test_deleted_unseen},
		     {"/publish/intake/retry-of-the-past", test_retry_of_the_past},
		     {"/publish/intake/deletion-announced", test_deletion_announced},
		     {"/publish/intake/tag-of-two-apps", test_tag_of_two_apps}};
	g_test_init(&argc, &argv, NULL);
	for (guint i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].name, World, NULL, world_setup, tests[i].run, world_teardown);
	return g_test_run();
}
