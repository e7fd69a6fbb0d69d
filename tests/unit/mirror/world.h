/* SPDX-License-Identifier: ISC */
/* A base and a scripted central in a temporary folder, shared by the tests of this room. */
#pragma once

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

G_GNUC_UNUSED static char *make_key(const World *world, const char *name, char **ret_public)
{
	g_autoptr(GError) error = NULL;
	char *path = g_build_filename(world->dir, name, NULL);
	g_assert_true(util_sshsig_keygen(path, name, &error));
	if (ret_public)
		*ret_public = util_sshsig_public_key(path, &error);
	g_assert_no_error(error);
	return path;
}

G_GNUC_UNUSED static void world_conf(World *world)
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

G_GNUC_UNUSED static void world_open(World *world, gconstpointer data)
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

G_GNUC_UNUSED static void world_close(World *world, gconstpointer data)
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

G_GNUC_UNUSED static void set_trick(const World *world, const char *trick)
{
	g_autoptr(GError) error = NULL;
	if (trick)
		util_fs_write_file(world->state_dirfd, "trick", trick, strlen(trick), 0600, &error);
	else
		util_fs_unlink(world->state_dirfd, "trick", &error);
	g_assert_no_error(error);
}

/* What was asked since the last time. */
G_GNUC_UNUSED static char *take_log(const World *world)
{
	char *log = NULL;
	if (!util_fs_read_file(world->state_dirfd, "log", 100000, &log, NULL, NULL))
		return g_strdup("");
	g_assert_true(util_fs_unlink(world->state_dirfd, "log", NULL));
	return log;
}

G_GNUC_UNUSED static void append_signed(const World *world, Order *order, const char *key_file)
{
	g_autoptr(GError) error = NULL;
	char oid[REPO_OID];
	g_autoptr(Repo) ledger = ledger_open(world->state, "haikou", &error);
	order->written_utc = order->at_utc > NOW ? order->at_utc - 50 : NOW;
	g_assert_true(ledger_append(ledger, order, NULL, key_file, oid, &error));
	g_assert_no_error(error);
}

G_GNUC_UNUSED static void order_with(const World *world, const char *app, const char *release,
				     gint64 at_utc, const char *base, const char *key_file)
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

G_GNUC_UNUSED static void order_for(const World *world, const char *app, const char *release,
				    gint64 at_utc)
{
	order_with(world, app, release, at_utc, "haikou", world->central_key_file);
}

G_GNUC_UNUSED static void cancel(const World *world, const char *app, const char *release)
{
	g_autoptr(Order) order = order_new(ORDER_KIND_CANCEL);
	order->base = g_strdup("haikou");
	order->app = g_strdup(app);
	order->release = g_strdup(release);
	order->reason = g_strdup("not \"now\"");
	append_signed(world, order, world->central_key_file);
}

G_GNUC_UNUSED static void central_head(const World *world, char ret_oid[REPO_OID])
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Repo) ledger = ledger_open(world->state, "haikou", &error);
	g_assert_true(repo_ref_get(ledger, LEDGER_ORDERS, ret_oid, &error));
}

/* As after a restore from a backup. */
G_GNUC_UNUSED static void central_set_head(const World *world, const char *oid)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Repo) ledger = ledger_open(world->state, "haikou", &error);
	if (oid)
		g_assert_true(repo_ref_set(ledger, LEDGER_ORDERS, oid, NULL, &error));
	else
		g_assert_true(repo_ref_delete(ledger, LEDGER_ORDERS, NULL, &error));
}

/* ---- the base's side ---- */

G_GNUC_UNUSED static GPtrArray *accepted_of(const World *world, const char *app)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *path = g_strconcat("accepted/", app, NULL);
	g_autofree char *text = NULL;
	gsize len = 0;
	if (!util_fs_read_file(world->spec.root_dirfd, path, 100000, &text, &len, NULL))
		return NULL;
	GPtrArray *orders = accepted_parse(text, len, NULL, &error);
	g_assert_no_error(error);
	return orders;
}

G_GNUC_UNUSED static void expect_accepted(const World *world, const char *app, guint orders)
{
	g_autoptr(GPtrArray) all = accepted_of(world, app);
	g_assert_nonnull(all);
	g_assert_cmpuint(all->len, ==, orders);
}

G_GNUC_UNUSED static void expect_ref(const World *world, const char *ref, const char *oid)
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

G_GNUC_UNUSED static char *contact_of(const World *world, const char *key)
{
	g_autofree char *text = NULL;
	gsize len = 0;
	g_assert_true(
	    util_fs_read_file(world->spec.root_dirfd, "contact", 100000, &text, &len, NULL));
	g_autoptr(UtilTrailers) contact = util_trailers_parse(text, len, NULL);
	return g_strdup(util_trailers_get(contact, key));
}

G_GNUC_UNUSED static void expect_contact(const World *world, const char *key, const char *value)
{
	g_autofree char *found = contact_of(world, key);
	g_assert_cmpstr(found, ==, value);
}

G_GNUC_UNUSED static Mirror *open_mirror(const World *world)
{
	g_autoptr(GError) error = NULL;
	Mirror *mirror = mirror_open(&world->spec, &error);
	g_assert_no_error(error);
	return mirror;
}

G_GNUC_UNUSED static void expect_update(Mirror *mirror, gboolean moved)
{
	g_autoptr(GError) error = NULL;
	gboolean did = !moved;
	g_assert_true(mirror_update(mirror, &did, &error));
	g_assert_no_error(error);
	g_assert_cmpint(did, ==, moved);
}

G_GNUC_UNUSED static void expect_update_error(Mirror *mirror, int code, const char *says)
{
	g_autoptr(GError) error = NULL;
	gboolean moved = FALSE;
	g_assert_false(mirror_update(mirror, &moved, &error));
	if (!strstr(error->message, says))
		g_error("not said: \"%s\" but: %s", says, error->message);
	g_assert_error(error, TS_ERROR, code);
	g_assert_false(moved);
}
