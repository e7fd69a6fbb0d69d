/* SPDX-License-Identifier: ISC */
#include "world.h"

/* ---- update ---- */

static void expect_clock(const World *world, gboolean trusted)
{
	StoreClock clock;
	store_clock_read(world->spec.root_dirfd, world->clock, 0, &clock);
	g_assert_cmpint(clock.trusted, ==, trusted);
}

static void test_update(World *world, gconstpointer data)
{
	(void)data;
	static const char *const live[] = {"shop " ROOT_A " v1", NULL};
	static const char *const held[] = {"blog disk", NULL};
	char head[REPO_OID];
	world->spec.live = live;
	world->spec.held = held;
	g_autoptr(Mirror) mirror = open_mirror(world);
	expect_update(mirror, FALSE); /* an empty ledger */
	expect_contact(world, "Head", "-");
	order_for(world, "shop", OID_A, NOW + 100);
	order_for(world, "blog", OID_B, NOW + 200); /* base.cfg has no such app: no error */
	central_head(world, head);
	expect_update(mirror, TRUE);
	expect_accepted(world, "shop", 1);
	expect_accepted(world, "blog", 1);
	expect_ref(world, LEDGER_ACCEPTED, head);
	expect_contact(world, "Head", head);
	expect_contact(world, "Time", "2026-12-01T02:00:00Z");
	expect_contact(world, "Good-Time", "2026-12-01T02:00:00Z");
	expect_contact(world, "Central-Now", "2026-12-01T01:59:57Z");
	expect_contact(world, "Clock-Offset-S", "3");
	expect_contact(world, "Clock-Offset-Ms", "3000");
	expect_clock(world, TRUE);
	expect_contact(world, "Error", NULL);
	expect_contact(world, "Behind", NULL);
	g_autofree char *text = NULL;
	g_assert_true(util_fs_read_file(world->state_dirfd, "hello", 10000, &text, NULL, NULL));
	g_assert_nonnull(strstr(text, "Base: haikou\nIncarnation: 1\n"));
	g_assert_nonnull(strstr(text, "Codecs: plain delta\nMemory-Bytes: 134217728\nHead: -\n"));
	g_assert_nonnull(strstr(text, "Live: shop " ROOT_A " v1\nHeld: blog disk\n"));
	/* nothing new: one hello, no fetch; it tells what the last one measured */
	g_free(take_log(world));
	util_clock_fake_set(world->clock, NOW + 7200);
	expect_clock(world, FALSE);
	expect_update(mirror, FALSE);
	expect_clock(world, TRUE); /* central agrees, within a minute */
	g_autofree char *next_text = NULL;
	g_assert_true(
	    util_fs_read_file(world->state_dirfd, "hello", 10000, &next_text, NULL, NULL));
	g_assert_nonnull(strstr(next_text, "Clock-Offset-Ms: 3000\n"));
	g_autofree char *log = take_log(world);
	g_assert_cmpstr(log, ==, "hello\n");
}

static void test_update_clock(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(Mirror) mirror = open_mirror(world);
	set_trick(world, "late");
	expect_update(mirror, FALSE);
	expect_clock(world, FALSE); /* nobody agreed yet: central may be right */
	set_trick(world, NULL);
	expect_update(mirror, FALSE);
	expect_clock(world, TRUE);
	set_trick(world, "late");
	expect_update(mirror, FALSE);
	expect_clock(world, TRUE); /* now it is central that is wrong */
	expect_contact(world, "Clock-Offset-S", "28803");
	/* an order that it wrote while its clock was ahead */
	StoreClock clock;
	order_for(world, "shop", OID_A, NOW + 7200);
	expect_update(mirror, TRUE);
	store_clock_read(world->spec.root_dirfd, world->clock, NOW + 7150, &clock);
	g_assert_cmpint(clock.doubt, ==, STORE_CLOCK_ORDERS);
	set_trick(world, NULL);
	expect_update(mirror, FALSE);
	store_clock_read(world->spec.root_dirfd, world->clock, NOW + 7150, &clock);
	g_assert_true(clock.trusted);
}

static void test_update_folds(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(Mirror) mirror = open_mirror(world);
	order_for(world, "shop", OID_A, NOW + 100);
	order_for(world, "shop", OID_B, NOW + 200);
	expect_update(mirror, TRUE);
	order_for(world, "shop", OID_A, NOW + 300); /* a revision */
	cancel(world, "shop", OID_B);
	expect_update(mirror, TRUE);
	g_autoptr(GPtrArray) all = accepted_of(world, "shop");
	g_assert_cmpuint(all->len, ==, 2);
	const AcceptedOrder *b = all->pdata[0], *a = all->pdata[1];
	g_assert_cmpstr(b->order->release, ==, OID_B);
	g_assert_true(b->cancelled);
	g_assert_cmpuint(b->cancel_seq, ==, 4);
	g_assert_cmpstr(b->cancel_reason, ==, "not \"now\"");
	g_assert_cmpstr(a->order->release, ==, OID_A);
	g_assert_false(a->cancelled);
	g_assert_cmpuint(a->order->seq, ==, 3);
	g_assert_cmpint(a->order->at_utc, ==, NOW + 300);
}

static void test_update_drops_old(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(Mirror) mirror = open_mirror(world);
	order_for(world, "shop", OID_A, NOW - 401 * DAY);
	order_for(world, "shop", OID_B, NOW - 399 * DAY);
	order_for(world, "shop", OID_C, NOW - 1000 * DAY);
	order_for(world, "blog", OID_A, NOW - 900 * DAY); /* the only one stays */
	expect_update(mirror, TRUE);
	expect_accepted(world, "shop", 1);
	expect_accepted(world, "blog", 1);
	g_autoptr(GPtrArray) all = accepted_of(world, "shop");
	g_assert_cmpstr(((AcceptedOrder *)all->pdata[0])->order->release, ==, OID_B);
}

static void test_update_not_authentic(World *world, gconstpointer data)
{
	(void)data;
	char good[REPO_OID];
	g_autoptr(Mirror) mirror = open_mirror(world);
	order_for(world, "shop", OID_A, NOW + 100);
	central_head(world, good);
	expect_update(mirror, TRUE);
	order_with(world, "shop", OID_B, NOW + 200, "haikou", world->other_key_file);
	for (guint i = 0; i < 2; i++) { /* the second time it is fetched already */
		expect_update_error(mirror, TS_ERROR_NOT_AUTHENTIC, "");
		expect_ref(world, LEDGER_ACCEPTED, good);
		expect_accepted(world, "shop", 1);
		g_autofree char *said = contact_of(world, "Error");
		g_assert_nonnull(said);
		expect_contact(world, "Head", good);
		expect_contact(world, "Good-Time", "2026-12-01T02:00:00Z");
	}
	gboolean moved = TRUE;
	g_autoptr(GError) error = NULL;
	g_assert_false(mirror_accept(&world->spec, &moved, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_AUTHENTIC);
	/* central repaired its ledger */
	central_set_head(world, good);
	expect_update(mirror, FALSE);
	expect_contact(world, "Error", NULL);
}

static void test_update_of_another_base(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(Mirror) mirror = open_mirror(world);
	g_autoptr(GError) error = NULL;
	gboolean moved = FALSE;
	order_with(world, "shop", OID_A, NOW + 100, "berlin", world->central_key_file);
	g_assert_false(mirror_update(mirror, &moved, &error));
	g_assert_true(error->code == TS_ERROR_NOT_AUTHENTIC || error->code == TS_ERROR_CORRUPT);
	g_assert_null(accepted_of(world, "shop"));
	expect_ref(world, LEDGER_ACCEPTED, "");
}

/* What was given last: this head first, and so many commits. */
static void expect_given(World *world, const char *head, guint commits)
{
	g_autofree char *text = NULL;
	gsize len = 0;
	g_assert_true(
	    util_fs_read_file(world->state_dirfd, "given", 1024 * 1024, &text, &len, NULL));
	g_autofree char *start = g_strdup_printf("40\n%s6\ncommit", head);
	g_assert_true(g_str_has_prefix(text, start));
	guint found = 0;
	for (gsize i = 0; i + 8 <= len; i++)
		found += memcmp(text + i, "6\ncommit", 8) == 0;
	g_assert_cmpuint(found, ==, commits);
	g_assert_true(util_fs_unlink(world->state_dirfd, "given", NULL));
}

static void test_central_restored(World *world, gconstpointer data)
{
	(void)data;
	char old[REPO_OID], head[REPO_OID];
	g_autoptr(Mirror) mirror = open_mirror(world);
	order_for(world, "shop", OID_A, NOW + 100);
	central_head(world, old);
	order_for(world, "shop", OID_B, NOW + 200);
	central_head(world, head);
	expect_update(mirror, TRUE);
	central_set_head(world, old);
	expect_update(mirror, FALSE);
	expect_ref(world, LEDGER_ACCEPTED, head);
	expect_accepted(world, "shop", 2);
	expect_contact(world, "Behind", "yes");
	expect_contact(world, "Head", old);
	/* the one commit that central lacks was given back */
	expect_given(world, head, 1);
	central_set_head(world, NULL);
	expect_update(mirror, FALSE);
	expect_contact(world, "Behind", "yes");
	expect_given(world, head, 2);
	/* an older head by a plain git fetch moves nothing either */
	g_autofree char *path = g_build_filename(world->root, "mirror.git", NULL);
	g_autoptr(Repo) repo = repo_open(path, NULL);
	gboolean moved = TRUE;
	g_assert_true(repo_ref_set(repo, LEDGER_SEEN, old, NULL, NULL));
	g_assert_true(mirror_accept(&world->spec, &moved, NULL));
	g_assert_false(moved);
	expect_ref(world, LEDGER_ACCEPTED, head);
	/* central went on from the old copy: another history with the same numbers */
	central_set_head(world, old);
	order_for(world, "shop", OID_C, NOW + 300);
	expect_update(mirror, FALSE);
	expect_contact(world, "Behind", "yes");
	expect_given(world, head, 2);
	expect_ref(world, LEDGER_ACCEPTED, head);
	expect_accepted(world, "shop", 2);
}

static void stop_all(const World *world)
{
	g_autoptr(Order) order = order_new(ORDER_KIND_STOP);
	order->base = g_strdup("haikou");
	order->reason = g_strdup("it burns");
	append_signed(world, order, world->central_key_file);
}

static void expect_stopped(const World *world, const char *app, gboolean stopped)
{
	g_auto(AcceptedStop) stop = {0};
	g_autofree char *path = g_strconcat("accepted/", app, NULL);
	g_autofree char *text = NULL;
	gsize len = 0;
	g_assert_true(util_fs_read_file(world->spec.root_dirfd, path, 100000, &text, &len, NULL));
	g_autoptr(GPtrArray) orders = accepted_parse(text, len, &stop, NULL);
	g_assert_nonnull(orders);
	g_assert_cmpint(stop.seq > 0, ==, stopped);
}

static void test_lock_is_busy(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	gboolean moved = FALSE;
	char head[REPO_OID];
	g_autoptr(Mirror) mirror = open_mirror(world);
	order_for(world, "shop", OID_A, NOW + 100);
	order_for(world, "blog", OID_B, NOW + 100);
	{
		util_autofd int lock = util_fs_lock(world->spec.root_dirfd, "lock/shop", 0, NULL);
		g_assert_cmpint(lock, >=, 0);
		expect_update(mirror, TRUE);
		/* it was read, and whoever is free has it; no line is needed for the rest */
		central_head(world, head);
		expect_ref(world, LEDGER_ACCEPTED, head);
		expect_accepted(world, "blog", 1);
		g_assert_null(accepted_of(world, "shop"));
		g_assert_cmpstr(mirror_busy(mirror), ==, "shop");
		g_assert_false(mirror_take_in(mirror, &error));
		g_assert_error(error, TS_ERROR, TS_ERROR_AGAIN);
		g_clear_error(&error);
		/* a stop and a cancel reach the one that is free as well */
		stop_all(world);
		cancel(world, "blog", OID_B);
		expect_update(mirror, TRUE);
		expect_stopped(world, "blog", TRUE);
		g_autoptr(GPtrArray) blog = accepted_of(world, "blog");
		g_assert_true(((AcceptedOrder *)blog->pdata[0])->cancelled);
		g_assert_null(accepted_of(world, "shop"));
		/* nor does one that only looks at what is there */
		g_assert_false(mirror_accept(&world->spec, &moved, &error));
		g_assert_error(error, TS_ERROR, TS_ERROR_AGAIN);
		g_clear_error(&error);
	}
	g_free(take_log(world));
	g_assert_true(mirror_take_in(mirror, &error));
	g_assert_null(mirror_busy(mirror));
	g_autofree char *log = take_log(world);
	g_assert_cmpstr(log, ==, "");
	expect_accepted(world, "shop", 1);
	expect_stopped(world, "shop", TRUE);
	/* an order of one app does not wait for another app */
	util_autofd int lock = util_fs_lock(world->spec.root_dirfd, "lock/shop", 0, NULL);
	order_for(world, "blog", OID_A, NOW + 200);
	expect_update(mirror, TRUE);
	expect_accepted(world, "blog", 2);
}

static void test_files_are_healed(World *world, gconstpointer data)
{
	(void)data;
	gboolean moved = TRUE;
	g_autoptr(Mirror) mirror = open_mirror(world);
	order_for(world, "shop", OID_A, NOW + 100);
	expect_update(mirror, TRUE);
	int rootfd = world->spec.root_dirfd;
	/* a crash between the ref and the file; a file of before; a torn one */
	g_assert_true(util_fs_unlink(rootfd, "accepted/shop", NULL));
	expect_update(mirror, FALSE);
	expect_accepted(world, "shop", 1);
	g_assert_true(
	    util_fs_write_file(rootfd, "accepted/shop", "tagship-accepted 1\n", 19, 0644, NULL));
	g_assert_true(mirror_accept(&world->spec, &moved, NULL));
	g_assert_false(moved);
	expect_accepted(world, "shop", 1);
	/* untouched when right: the same file stays */
	struct stat before, after;
	g_assert_cmpint(fstatat(rootfd, "accepted/shop", &before, 0), ==, 0);
	expect_update(mirror, FALSE);
	g_assert_cmpint(fstatat(rootfd, "accepted/shop", &after, 0), ==, 0);
	g_assert_cmpuint(before.st_ino, ==, after.st_ino);
}

static void test_accept_after_git_fetch(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	gboolean moved = TRUE;
	char head[REPO_OID];
	g_assert_true(mirror_accept(&world->spec, &moved, &error)); /* nothing there yet */
	g_assert_no_error(error);
	g_assert_false(moved);
	order_for(world, "shop", OID_A, NOW + 100);
	central_head(world, head);
	g_autofree char *mirror = g_build_filename(world->root, "mirror.git", NULL);
	g_autofree char *ledger = g_build_filename(world->state, "ledger", "haikou.git", NULL);
	const char *argv[] = {
	    "git", "-C", mirror, "fetch", "-q", ledger, "+" LEDGER_ORDERS ":" LEDGER_SEEN, NULL};
	int status = -1;
	g_assert_true(util_child_capture(argv, NULL, NULL, 20, 4096, NULL, NULL, &status, &error));
	g_assert_cmpint(status, ==, 0);
	g_assert_true(mirror_accept(&world->spec, &moved, &error));
	g_assert_no_error(error);
	g_assert_true(moved);
	expect_ref(world, LEDGER_ACCEPTED, head);
	expect_accepted(world, "shop", 1);
	g_assert_true(mirror_accept(&world->spec, &moved, &error));
	g_assert_false(moved);
}

/* ---- the line ---- */

static void test_upstreams(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	g_autofree char *gone = g_build_filename(world->dir, "gone", NULL);
	world->upstreams[0] = gone;
	g_assert_null(mirror_open(&world->spec, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_AGAIN);
	g_autofree char *said = contact_of(world, "Error");
	g_assert_cmpstr(said, ==, error->message);
	expect_contact(world, "Good-Time", NULL);
	world->upstreams[1] = world->state;
	g_autoptr(Mirror) mirror = open_mirror(world);
	expect_update(mirror, FALSE);
	expect_contact(world, "Upstream", world->state);
	g_clear_error(&error);
	world->upstreams[0] = NULL;
	g_assert_null(mirror_open(&world->spec, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_USAGE);
}

static void test_connects_anew(World *world, gconstpointer data)
{
	(void)data;
	guint64 in = 0, out = 0, in_after = 0;
	world->conf.progress_timeout_s = 1;
	g_autoptr(Mirror) mirror = open_mirror(world);
	set_trick(world, "silent");
	expect_update_error(mirror, TS_ERROR_AGAIN, "no byte could be read for 1 s");
	mirror_bytes(mirror, &in, &out);
	g_assert_cmpuint(out, >, 100);
	set_trick(world, "junk");
	expect_update_error(mirror, TS_ERROR_CORRUPT, "\"Welcome!\" is no reply");
	set_trick(world, NULL);
	world->conf.progress_timeout_s = 10;
	order_for(world, "shop", OID_A, NOW + 100);
	expect_update(mirror, TRUE);
	mirror_bytes(mirror, &in_after, &out);
	g_assert_cmpuint(in_after, >, in);
}

static void test_want(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	g_autoptr(Mirror) mirror = open_mirror(world);
	g_assert_true(mirror_want(mirror, "-", ROOT_A, &error));
	g_autofree char *log = take_log(world);
	g_assert_cmpstr(log, ==, "want - " ROOT_A "\n");
	set_trick(world, "again");
	g_assert_false(mirror_want(mirror, ROOT_A, ROOT_A, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_AGAIN);
	g_assert_cmpstr(error->message, ==, "central: being made");
	set_trick(world, NULL);
	g_clear_error(&error);
	g_assert_true(mirror_want(mirror, "-", ROOT_A, &error));
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(World *, gconstpointer);
	} tests[] = {
	    {"/mirror/update", test_update},
	    {"/mirror/update-clock", test_update_clock},
	    {"/mirror/update-folds", test_update_folds},
	    {"/mirror/update-drops-old", test_update_drops_old},
	    {"/mirror/update-not-authentic", test_update_not_authentic},
	    {"/mirror/update-of-another-base", test_update_of_another_base},
	    {"/mirror/central-restored", test_central_restored},
	    {"/mirror/lock-is-busy", test_lock_is_busy},
	    {"/mirror/files-are-healed", test_files_are_healed},
	    {"/mirror/accept-after-git-fetch", test_accept_after_git_fetch},
	    {"/mirror/upstreams", test_upstreams},
	    {"/mirror/connects-anew", test_connects_anew},
	    {"/mirror/want", test_want},
	};
	central_if_asked(argc, argv);
	g_test_init(&argc, &argv, NULL);
	for (guint i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].name, World, NULL, world_open, tests[i].run, world_close);
	return g_test_run();
}
