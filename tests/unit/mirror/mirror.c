/* SPDX-License-Identifier: ISC */
#include <sys/wait.h>

#include "central.h"
#include "mirror/mirror.h"
#include "order/accepted.h"

#define NOW 1796090400
#define DAY 86400
#define OID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define OID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define OID_C "cccccccccccccccccccccccccccccccccccccccc"
#define ROOT_A "000000000000000000000000000000000000000000000000000000000000000a"
#define BUNDLE_BYTES 700000

typedef struct {
	char *dir, *state, *root, *self;
	char *central_key_file, *other_key_file, *key_file;
	char *upstreams[3];
	char *central_keys[2];
	char *no_keys[1];
	int state_dirfd;
	UtilClock *clock;
	ConfBase conf;
	MirrorSpec spec;
} World;

static char *make_key(const World *world, const char *name, char **ret_public)
{
	g_autoptr(GError) error = NULL;
	char *path = g_build_filename(world->dir, name, NULL);
	g_assert_true(util_sshsig_keygen(path, name, &error));
	if (ret_public)
		*ret_public = util_sshsig_public_key(path, &error);
	g_assert_no_error(error);
	return path;
}

static void world_conf(World *world)
{
	world->upstreams[0] = world->state;
	world->conf = (ConfBase){.name = (char[]){"haikou"},
				 .upstreams = world->upstreams,
				 .central_keys = world->central_keys,
				 .host_keys = world->no_keys,
				 .key_file = world->key_file,
				 .serve_command = world->self,
				 .connect_timeout_s = 10,
				 .progress_timeout_s = 10,
				 .memory_mb = 128,
				 .min_free_mb = 1};
	world->conf.name = g_strdup("haikou");
	world->spec = (MirrorSpec){.root_path = world->root,
				   .root_dirfd = util_fs_open_dir(AT_FDCWD, world->root, NULL),
				   .conf = &world->conf,
				   .clock = world->clock,
				   .incarnation = 1,
				   .lock_wait_ms = 200};
}

static void world_open(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	*world = (World){.dir = g_dir_make_tmp("tagship-mirror-XXXXXX", NULL)};
	world->state = g_build_filename(world->dir, "state", NULL);
	world->root = g_build_filename(world->dir, "root", NULL);
	world->self = g_file_read_link("/proc/self/exe", NULL);
	static const char *const folders[] = {"state", "root", "state/ledger", "state/bundles",
					      "state/reports"};
	for (guint i = 0; i < G_N_ELEMENTS(folders); i++) {
		g_autofree char *path = g_build_filename(world->dir, folders[i], NULL);
		g_assert_cmpint(g_mkdir(path, 0700), ==, 0);
	}
	world->state_dirfd = util_fs_open_dir(AT_FDCWD, world->state, NULL);
	world->central_key_file = make_key(world, "central", &world->central_keys[0]);
	world->other_key_file = make_key(world, "other", NULL);
	world->key_file = make_key(world, "key", NULL);
	world->clock = util_clock_fake_new(NOW);
	world_conf(world);
	g_autoptr(Repo) ledger = ledger_create(world->state, "haikou", &error);
	g_assert_no_error(error);
}

static void world_close(World *world, gconstpointer data)
{
	(void)data;
	close(world->state_dirfd);
	close(world->spec.root_dirfd);
	g_assert_true(util_fs_remove_tree(AT_FDCWD, world->dir, NULL));
	util_clock_fake_free(world->clock);
	char *texts[] = {world->dir,
			 world->state,
			 world->root,
			 world->self,
			 world->central_key_file,
			 world->other_key_file,
			 world->key_file,
			 world->central_keys[0],
			 world->conf.name};
	for (guint i = 0; i < G_N_ELEMENTS(texts); i++)
		g_free(texts[i]);
}

/* ---- central's side ---- */

static void set_trick(const World *world, const char *trick)
{
	g_autoptr(GError) error = NULL;
	if (trick)
		util_fs_write_file(world->state_dirfd, "trick", trick, strlen(trick), 0600, &error);
	else
		util_fs_unlink(world->state_dirfd, "trick", &error);
	g_assert_no_error(error);
}

/* What was asked since the last time. */
static char *take_log(const World *world)
{
	char *log = NULL;
	if (!util_fs_read_file(world->state_dirfd, "log", 100000, &log, NULL, NULL))
		return g_strdup("");
	g_assert_true(util_fs_unlink(world->state_dirfd, "log", NULL));
	return log;
}

static void append_signed(const World *world, Order *order, const char *key_file)
{
	g_autoptr(GError) error = NULL;
	char oid[REPO_OID];
	g_autoptr(Repo) ledger = ledger_open(world->state, "haikou", &error);
	order->written_utc = NOW;
	g_assert_true(ledger_append(ledger, order, NULL, key_file, oid, &error));
	g_assert_no_error(error);
}

static void order_with(const World *world, const char *app, const char *release, gint64 at_utc,
		       const char *base, const char *key_file)
{
	g_autoptr(Order) order = order_new(ORDER_KIND_ORDER);
	char **texts[] = {&order->base, &order->release, &order->root,  &order->app,
			  &order->tag,  &order->version, &order->commit};
	const char *values[] = {base, release, ROOT_A, app, "v2", "v2", OID_C};
	for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_free(*texts[i]);
		*texts[i] = g_strdup(values[i]);
	}
	order->at_utc = at_utc;
	order->grace_s = 1800;
	append_signed(world, order, key_file);
}

static void order_for(const World *world, const char *app, const char *release, gint64 at_utc)
{
	order_with(world, app, release, at_utc, "haikou", world->central_key_file);
}

static void cancel(const World *world, const char *app, const char *release)
{
	g_autoptr(Order) order = order_new(ORDER_KIND_CANCEL);
	order->base = g_strdup("haikou");
	order->app = g_strdup(app);
	order->release = g_strdup(release);
	order->reason = g_strdup("not \"now\"");
	append_signed(world, order, world->central_key_file);
}

static void central_head(const World *world, char ret_oid[REPO_OID])
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Repo) ledger = ledger_open(world->state, "haikou", &error);
	g_assert_true(repo_ref_get(ledger, LEDGER_ORDERS, ret_oid, &error));
}

/* As after a restore from a backup. */
static void central_set_head(const World *world, const char *oid)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Repo) ledger = ledger_open(world->state, "haikou", &error);
	if (oid)
		g_assert_true(repo_ref_set(ledger, LEDGER_ORDERS, oid, NULL, &error));
	else
		g_assert_true(repo_ref_delete(ledger, LEDGER_ORDERS, NULL, &error));
}

/* ---- the base's side ---- */

static GPtrArray *accepted_of(const World *world, const char *app)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *path = g_strconcat("accepted/", app, NULL);
	g_autofree char *text = NULL;
	gsize len = 0;
	if (!util_fs_read_file(world->spec.root_dirfd, path, 100000, &text, &len, NULL))
		return NULL;
	GPtrArray *orders = accepted_parse(text, len, &error);
	g_assert_no_error(error);
	return orders;
}

static void expect_accepted(const World *world, const char *app, guint orders)
{
	g_autoptr(GPtrArray) all = accepted_of(world, app);
	g_assert_nonnull(all);
	g_assert_cmpuint(all->len, ==, orders);
}

static void expect_ref(const World *world, const char *ref, const char *oid)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *path = g_build_filename(world->root, "mirror.git", NULL);
	g_autoptr(Repo) repo = repo_open(path, &error);
	char found[REPO_OID] = "";
	g_assert_no_error(error);
	if (!repo_ref_get(repo, ref, found, NULL))
		found[0] = '\0';
	g_assert_cmpstr(found, ==, oid);
}

static char *contact_of(const World *world, const char *key)
{
	g_autofree char *text = NULL;
	gsize len = 0;
	g_assert_true(
	    util_fs_read_file(world->spec.root_dirfd, "contact", 100000, &text, &len, NULL));
	g_autoptr(UtilTrailers) contact = util_trailers_parse(text, len, NULL);
	return g_strdup(util_trailers_get(contact, key));
}

static void expect_contact(const World *world, const char *key, const char *value)
{
	g_autofree char *found = contact_of(world, key);
	g_assert_cmpstr(found, ==, value);
}

static Mirror *open_mirror(const World *world)
{
	g_autoptr(GError) error = NULL;
	Mirror *mirror = mirror_open(&world->spec, &error);
	g_assert_no_error(error);
	return mirror;
}

static void expect_update(Mirror *mirror, gboolean moved)
{
	g_autoptr(GError) error = NULL;
	gboolean did = !moved;
	g_assert_true(mirror_update(mirror, &did, &error));
	g_assert_no_error(error);
	g_assert_cmpint(did, ==, moved);
}

static void expect_update_error(Mirror *mirror, int code, const char *says)
{
	g_autoptr(GError) error = NULL;
	gboolean moved = FALSE;
	g_assert_false(mirror_update(mirror, &moved, &error));
	if (!strstr(error->message, says))
		g_error("not said: \"%s\" but: %s", says, error->message);
	g_assert_error(error, TS_ERROR, code);
	g_assert_false(moved);
}

/* ---- update ---- */

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
	expect_contact(world, "Error", NULL);
	expect_contact(world, "Behind", NULL);
	g_autofree char *text = NULL;
	g_assert_true(util_fs_read_file(world->state_dirfd, "hello", 10000, &text, NULL, NULL));
	g_assert_nonnull(strstr(text, "Base: haikou\nIncarnation: 1\n"));
	g_assert_nonnull(strstr(text, "Codecs: plain delta\nMemory-Bytes: 134217728\nHead: -\n"));
	g_assert_nonnull(strstr(text, "Live: shop " ROOT_A " v1\nHeld: blog disk\n"));
	/* nothing new: one hello, no fetch */
	g_free(take_log(world));
	expect_update(mirror, FALSE);
	g_autofree char *log = take_log(world);
	g_assert_cmpstr(log, ==, "hello\n");
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

static void test_lock_is_busy(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(Mirror) mirror = open_mirror(world);
	order_for(world, "shop", OID_A, NOW + 100);
	order_for(world, "blog", OID_B, NOW + 100);
	{
		util_autofd int lock = util_fs_lock(world->spec.root_dirfd, "lock/shop", 0, NULL);
		g_assert_cmpint(lock, >=, 0);
		expect_update_error(mirror, TS_ERROR_AGAIN, "shop is busy");
		expect_ref(world, LEDGER_ACCEPTED, "");
		g_assert_null(accepted_of(world, "blog"));
	}
	g_free(take_log(world));
	expect_update(mirror, TRUE);
	g_autofree char *log = take_log(world);
	g_assert_cmpstr(log, ==, "hello\n"); /* fetched already */
	expect_accepted(world, "shop", 1);
	expect_accepted(world, "blog", 1);
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
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
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

/* ---- download ---- */

static char *make_bundle(const World *world, char ret_sha256[UTIL_SHA256_HEX])
{
	guint8 digest[UTIL_SHA256_BYTES];
	char *data = g_malloc(BUNDLE_BYTES + 1);
	for (gsize i = 0; i < BUNDLE_BYTES; i++)
		data[i] = (char)('a' + (i * 31 + i / 997) % 26);
	data[BUNDLE_BYTES] = '\0';
	util_sha256_data(data, BUNDLE_BYTES, digest);
	util_hex_encode(digest, sizeof digest, ret_sha256);
	g_autofree char *path = g_strconcat("bundles/", ret_sha256, NULL);
	g_assert_true(util_fs_write_file(world->state_dirfd, path, data, BUNDLE_BYTES, 0600, NULL));
	return data;
}

static void expect_bundle(const World *world, const char *sha256, const char *data)
{
	g_autofree char *path = g_strconcat("partial/", sha256, NULL);
	g_autofree char *part = g_strconcat(path, ".part", NULL);
	g_autofree char *found = NULL;
	gsize len = 0;
	g_assert_true(
	    util_fs_read_file(world->spec.root_dirfd, path, BUNDLE_BYTES + 1, &found, &len, NULL));
	g_assert_cmpmem(found, len, data, BUNDLE_BYTES);
	g_assert_cmpint(faccessat(world->spec.root_dirfd, part, F_OK, 0), !=, 0);
}

static guint64 part_bytes(const World *world, const char *sha256)
{
	struct stat st = {0};
	g_autofree char *part = g_strconcat("partial/", sha256, ".part", NULL);
	return fstatat(world->spec.root_dirfd, part, &st, 0) == 0 ? (guint64)st.st_size : 0;
}

static void expect_download_error(Mirror *mirror, const char *sha256, int code, const char *says)
{
	g_autoptr(GError) error = NULL;
	g_assert_false(mirror_download(mirror, sha256, BUNDLE_BYTES, &error));
	if (!strstr(error->message, says))
		g_error("not said: \"%s\" but: %s", says, error->message);
	g_assert_error(error, TS_ERROR, code);
}

typedef struct {
	guint64 last;
	gboolean wrong;
} Told;

static void told_report(gpointer user_data, const char *what, guint64 done, guint64 total)
{
	Told *told = user_data;
	g_assert_cmpuint(total, ==, BUNDLE_BYTES);
	told->last = done;
	told->wrong = told->wrong || strstr(what, "wrong hash") != NULL;
}

static void test_download(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	char sha256[UTIL_SHA256_HEX];
	g_autofree char *bundle = make_bundle(world, sha256);
	Told told = {0};
	UtilProgress progress = {told_report, &told};
	world->spec.progress = &progress;
	g_autoptr(Mirror) mirror = open_mirror(world);
	g_assert_true(mirror_download(mirror, sha256, BUNDLE_BYTES, &error));
	g_assert_no_error(error);
	expect_bundle(world, sha256, bundle);
	g_assert_cmpuint(told.last, ==, BUNDLE_BYTES);
	g_assert_false(told.wrong);
	/* again: nothing is asked */
	g_free(take_log(world));
	g_assert_true(mirror_download(mirror, sha256, BUNDLE_BYTES, &error));
	g_autofree char *log = take_log(world);
	g_assert_cmpstr(log, ==, "");
}

static void test_download_resumes(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	char sha256[UTIL_SHA256_HEX];
	g_autofree char *bundle = make_bundle(world, sha256);
	g_autoptr(Mirror) mirror = open_mirror(world);
	set_trick(world, "cut 300001");
	expect_download_error(mirror, sha256, TS_ERROR_AGAIN, "at 300001 of 700000 bytes");
	g_assert_cmpuint(part_bytes(world, sha256), ==, 300001);
	expect_download_error(mirror, sha256, TS_ERROR_AGAIN, "at 600002 of 700000 bytes");
	mirror_close(g_steal_pointer(&mirror));
	mirror = open_mirror(world); /* another process, another day */
	g_assert_true(mirror_download(mirror, sha256, BUNDLE_BYTES, &error));
	g_assert_no_error(error);
	expect_bundle(world, sha256, bundle);
	g_autofree char *log = take_log(world);
	g_autofree char *want =
	    g_strdup_printf("get %s 0\nget %s 300001\nget %s 600002\n", sha256, sha256, sha256);
	g_assert_cmpstr(log, ==, want);
}

static void put_part(const World *world, const char *sha256, const char *data, gsize len)
{
	g_autofree char *part = g_strconcat("partial/", sha256, ".part", NULL);
	g_assert_true(util_fs_write_file(world->spec.root_dirfd, part, data, len, 0600, NULL));
}

static void test_download_crash_leftovers(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	char sha256[UTIL_SHA256_HEX];
	g_autofree char *bundle = make_bundle(world, sha256);
	g_autoptr(Mirror) mirror = open_mirror(world);
	/* all there, only not renamed: nothing is asked */
	put_part(world, sha256, bundle, BUNDLE_BYTES);
	g_assert_true(mirror_download(mirror, sha256, BUNDLE_BYTES, &error));
	expect_bundle(world, sha256, bundle);
	g_autofree char *log = take_log(world);
	g_assert_cmpstr(log, ==, "");
	/* too long, and damaged in the middle: both start once more */
	g_autofree char *final = g_strconcat("partial/", sha256, NULL);
	g_assert_true(util_fs_unlink(world->spec.root_dirfd, final, NULL));
	put_part(world, sha256, bundle, BUNDLE_BYTES + 1);
	g_assert_true(mirror_download(mirror, sha256, BUNDLE_BYTES, &error));
	g_assert_no_error(error);
	expect_bundle(world, sha256, bundle);
	g_assert_true(util_fs_unlink(world->spec.root_dirfd, final, NULL));
	g_autofree char *damaged = g_strnfill(500000, '#');
	put_part(world, sha256, damaged, 500000);
	g_free(take_log(world));
	g_assert_true(mirror_download(mirror, sha256, BUNDLE_BYTES, &error));
	g_assert_no_error(error);
	expect_bundle(world, sha256, bundle);
	g_autofree char *log2 = take_log(world);
	g_autofree char *want = g_strdup_printf("get %s 500000\nget %s 0\n", sha256, sha256);
	g_assert_cmpstr(log2, ==, want);
}

static void test_download_wrong(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	char sha256[UTIL_SHA256_HEX];
	g_autofree char *bundle = make_bundle(world, sha256);
	Told told = {0};
	UtilProgress progress = {told_report, &told};
	world->spec.progress = &progress;
	g_autoptr(Mirror) mirror = open_mirror(world);
	set_trick(world, "wrong");
	expect_download_error(mirror, sha256, TS_ERROR_NOT_AUTHENTIC, "SHA-256");
	g_assert_true(told.wrong);
	g_autofree char *log = take_log(world);
	g_autofree char *want = g_strdup_printf("get %s 0\nget %s 0\n", sha256, sha256);
	g_assert_cmpstr(log, ==, want); /* once more, not for ever */
	set_trick(world, "wrong-once");
	told.wrong = FALSE;
	g_assert_true(mirror_download(mirror, sha256, BUNDLE_BYTES, &error));
	g_assert_no_error(error);
	g_assert_true(told.wrong);
	expect_bundle(world, sha256, bundle);
}

static void test_download_refused(World *world, gconstpointer data)
{
	(void)data;
	char sha256[UTIL_SHA256_HEX];
	g_autofree char *bundle = make_bundle(world, sha256);
	g_autoptr(Mirror) mirror = open_mirror(world);
	set_trick(world, "short");
	expect_download_error(mirror, sha256, TS_ERROR_CORRUPT, "the order says 700000");
	set_trick(world, "again");
	expect_download_error(mirror, sha256, TS_ERROR_AGAIN, "central: being made");
	set_trick(world, NULL);
	expect_download_error(mirror, ROOT_A, TS_ERROR_NOT_FOUND, "central: no such bundle");
	g_free(take_log(world));
	world->conf.min_free_mb = G_MAXINT32;
	expect_download_error(mirror, sha256, TS_ERROR_NO_SPACE, "min_free_mb");
	g_autofree char *log = take_log(world);
	g_assert_cmpstr(log, ==, ""); /* checked before the first byte */
	g_autoptr(GError) error = NULL;
	g_assert_false(mirror_download(mirror, "../../key", 5, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	util_autofd int lock = util_fs_lock(world->spec.root_dirfd, "lock/.download", 0, NULL);
	expect_download_error(mirror, sha256, TS_ERROR_AGAIN, "another pull is downloading");
}

/* ---- reports ---- */

static char *put_pending(const World *world, ReportEvent event, gint64 event_utc,
			 gboolean is_signed)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Report) report = report_new();
	report->base = g_strdup("haikou");
	report->incarnation = 1;
	report->release = g_strdup(OID_A);
	report->seq = 1;
	report->app = g_strdup("shop");
	report->version = g_strdup("v2");
	report->root = g_strdup(ROOT_A);
	report->serves_root = g_strdup("-");
	report->event = event;
	report->event_utc = event_utc;
	report->detail = g_strdup("");
	report->log_end = g_strdup("");
	char *key = report_key(report);
	g_autofree char *text = report_format(report);
	g_autofree char *path = g_strconcat("pending/", key, NULL);
	g_autofree char *signature_path = g_strconcat(path, ".sig", NULL);
	int rootfd = world->spec.root_dirfd;
	g_assert_true(util_fs_write_file(rootfd, path, text, strlen(text), 0600, &error));
	if (is_signed) {
		g_autofree char *signature = util_sshsig_sign(
		    world->key_file, UTIL_SSHSIG_NS_REPORT, text, strlen(text), &error);
		g_assert_true(util_fs_write_file(rootfd, signature_path, signature,
						 strlen(signature), 0600, &error));
	}
	g_assert_no_error(error);
	return key;
}

static guint count_files(int dirfd, const char *folder)
{
	g_autoptr(GPtrArray) names = util_fs_list(dirfd, folder, NULL);
	return names ? names->len : 0;
}

static void told_delivered(gpointer user_data, const Report *report, const char *commit)
{
	g_assert_cmpuint(strlen(commit), ==, 40);
	g_string_append_printf(user_data, "%s ", report_event_name(report->event));
}

static void expect_deliver(Mirror *mirror, guint sent, int code, const char *says)
{
	g_autoptr(GError) error = NULL;
	guint count = 99;
	gboolean ok = mirror_deliver(mirror, &count, &error);
	g_assert_cmpuint(count, ==, sent);
	if (code < 0) {
		g_assert_no_error(error);
		g_assert_true(ok);
		return;
	}
	g_assert_false(ok);
	if (!strstr(error->message, says))
		g_error("not said: \"%s\" but: %s", says, error->message);
	g_assert_error(error, TS_ERROR, code);
}

static void test_deliver(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GString) told = g_string_new(NULL);
	world->spec.delivered = told_delivered;
	world->spec.user_data = told;
	g_autoptr(Mirror) mirror = open_mirror(world);
	expect_deliver(mirror, 0, -1, NULL);
	g_autofree char *live = put_pending(world, REPORT_LIVE, NOW + 10, TRUE);
	g_autofree char *staged = put_pending(world, REPORT_STAGED, NOW, TRUE);
	/* a crash between the report and its signature */
	g_autofree char *held = put_pending(world, REPORT_HELD, NOW + 20, FALSE);
	expect_deliver(mirror, 3, -1, NULL);
	g_assert_cmpstr(told->str, ==, "staged live held ");
	g_assert_cmpuint(count_files(world->spec.root_dirfd, "pending"), ==, 0);
	g_assert_cmpuint(count_files(world->state_dirfd, "reports"), ==, 3);
	/* the signature made here is a good one */
	g_autofree char *path = g_strconcat("reports/", held, NULL);
	g_autofree char *both = NULL;
	g_assert_true(util_fs_read_file(world->state_dirfd, path, 100000, &both, NULL, NULL));
	char *signature = strstr(both, "-----BEGIN");
	g_autofree char *key = util_sshsig_public_key(world->key_file, NULL);
	const char *keys[] = {key, NULL};
	g_autoptr(GError) error = NULL;
	g_assert_true(util_sshsig_verify(keys, UTIL_SSHSIG_NS_REPORT, both,
					 (gsize)(signature - both), signature, &error));
	g_assert_no_error(error);
}

static void test_deliver_refused(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(Mirror) mirror = open_mirror(world);
	g_autofree char *staged = put_pending(world, REPORT_STAGED, NOW, TRUE);
	g_autofree char *live = put_pending(world, REPORT_LIVE, NOW + 10, TRUE);
	int rootfd = world->spec.root_dirfd;
	g_assert_true(util_fs_write_file(rootfd, "pending/damaged", "?", 1, 0600, NULL));
	/* neither a damaged nor a refused one keeps back the others */
	set_trick(world, "refuse Event: staged");
	expect_deliver(mirror, 1, TS_ERROR_CORRUPT, "pending/damaged");
	g_assert_true(util_fs_unlink(rootfd, "pending/damaged", NULL));
	expect_deliver(mirror, 0, TS_ERROR_REFUSED, "central: not this one");
	g_assert_cmpuint(count_files(rootfd, "pending"), ==, 2);
	/* refused before it was read, and a confirmation that is none */
	set_trick(world, "deaf");
	expect_deliver(mirror, 0, TS_ERROR_REFUSED, "central: not heard");
	set_trick(world, "no-commit");
	expect_deliver(mirror, 0, TS_ERROR_AGAIN, "without a commit id");
	g_assert_cmpuint(count_files(rootfd, "pending"), ==, 2);
	/* "later" is for all of them */
	g_autofree char *held = put_pending(world, REPORT_HELD, NOW + 20, TRUE);
	g_free(take_log(world));
	set_trick(world, "again");
	expect_deliver(mirror, 0, TS_ERROR_AGAIN, "central: busy");
	g_autofree char *log = take_log(world);
	g_assert_cmpstr(log, ==, "report\n");
	set_trick(world, NULL);
	expect_deliver(mirror, 2, -1, NULL);
	g_assert_cmpuint(count_files(rootfd, "pending"), ==, 0);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(World *, gconstpointer);
	} tests[] = {
	    {"/mirror/update", test_update},
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
	    {"/mirror/download", test_download},
	    {"/mirror/download-resumes", test_download_resumes},
	    {"/mirror/download-crash-leftovers", test_download_crash_leftovers},
	    {"/mirror/download-wrong", test_download_wrong},
	    {"/mirror/download-refused", test_download_refused},
	    {"/mirror/deliver", test_deliver},
	    {"/mirror/deliver-refused", test_deliver_refused},
	};
	central_if_asked(argc, argv);
	g_test_init(&argc, &argv, NULL);
	for (guint i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].name, World, NULL, world_open, tests[i].run, world_close);
	return g_test_run();
}
