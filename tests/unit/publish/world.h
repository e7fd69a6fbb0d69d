/* SPDX-License-Identifier: ISC */
/* A central with one app and one base in a temporary folder; builds without a sandbox. */
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include "publish/publish.h"

typedef struct {
	char *path, *state, *source, *base_key;
	Central *central;
	char commit[REPO_OID];
} World;

G_GNUC_UNUSED static char *world_plan(const char *at, const char *to, const char *version)
{
	g_autofree char *more =
	    version ? g_strdup_printf("Release-Version: %s\n", version) : g_strdup("");
	return g_strdup_printf("Title\n\nRelease-At: %s\nRelease-To: %s\n%s", at, to, more);
}

/* A commit with one file. */
G_GNUC_UNUSED static void world_commit(World *world, const char *text)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Repo) repo = repo_open(world->source, &error);
	g_assert_no_error(error);
	RepoTreeEntry entry = {.name = "index.html", .mode = 0100644};
	char tree[REPO_OID];
	g_assert_true(repo_blob_write(repo, text, strlen(text), entry.oid, &error));
	g_assert_true(repo_tree_write(repo, &entry, 1, tree, &error));
	RepoCommitSpec spec = {.parent = *world->commit ? world->commit : NULL,
			       .tree = tree,
			       .message = "work",
			       .author = "dev",
			       .time_utc = 1700000000};
	char commit[REPO_OID];
	g_assert_true(repo_commit_write(repo, &spec, commit, &error));
	memcpy(world->commit, commit, sizeof commit);
	g_assert_true(repo_ref_set(repo, "refs/heads/main", commit, NULL, &error));
}

/* Tags the last commit, as a push would; returns the tag's id. */
G_GNUC_UNUSED static char *world_tag(World *world, const char *name, const char *message)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Repo) repo = repo_open(world->source, &error);
	g_autofree char *ref = g_strconcat("refs/tags/", name, NULL);
	char oid[REPO_OID];
	g_assert_true(repo_tag_write(repo, world->commit, name, message, "dev", "dev@example.com",
				     1700000001, oid, &error));
	g_assert_true(repo_ref_set(repo, ref, oid, NULL, &error));
	return g_strdup(oid);
}

G_GNUC_UNUSED static void world_hint(World *world, const char *update)
{
	g_autoptr(UtilTrailers) hint = util_trailers_new();
	util_trailers_add(hint, "Repo", world->source);
	util_trailers_add(hint, "Pusher", "dev");
	util_trailers_add(hint, "Update", update);
	g_assert_true(store_hint_put(world->central->queue_dirfd, "push", hint, NULL));
}

G_GNUC_UNUSED static void world_work(World *world)
{
	g_autoptr(GError) error = NULL;
	g_assert_true(publish_worker(world->central, TRUE, NULL, &error));
	g_assert_no_error(error);
}

G_GNUC_UNUSED static void world_add_base(World *world, const char *name)
{
	g_autoptr(GError) error = NULL;
	char *none[] = {NULL}, *apps[] = {(char[]){"shop"}, NULL};
	ConfPeer peer = {.name = (char *)(gsize)name,
			 .zone = (char[]){"Asia/Shanghai"},
			 .groups = none,
			 .apps = apps,
			 .key = world->base_key,
			 .incarnation = 1};
	g_autoptr(Repo) ledger = ledger_create(world->state, name, &error);
	g_assert_no_error(error);
	g_assert_true(conf_peer_create(world->central->dirfd, &peer, &error));
	g_assert_no_error(error);
}

/* As `serve` would put it there. */
G_GNUC_UNUSED static void world_report_at(World *world, const char *base, const char *release,
					  ReportEvent event, gint64 round, const char *root,
					  const char *serves)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Report) report = report_new();
	report->base = g_strdup(base);
	report->incarnation = 1;
	report->release = g_strdup(release);
	report->seq = 1;
	report->round = round;
	report->app = g_strdup("shop");
	report->version = g_strdup(strcmp(base, "haikou") == 0 ? "v1" : "v2");
	report->root = g_strdup(root);
	report->serves_root = g_strdup(serves);
	report->event = event;
	report->event_utc = strcmp(base, "haikou") == 0 ? 1800000000 : 1800000100;
	report->outage_ms = event == REPORT_LIVE ? 1200 : -1;
	report->detail = g_strdup(event == REPORT_ROLLED_BACK ? "sick" : "");
	report->log_end = g_strdup(report->detail);
	g_autofree char *text = report_format(report);
	g_autoptr(Repo) ledger = ledger_open(world->state, base, &error);
	char oid[REPO_OID];
	g_assert_true(
	    ledger_report_append(ledger, report, text, "signature", 1800000001, oid, &error));
}

G_GNUC_UNUSED static void world_report_round(World *world, const char *release, ReportEvent event,
					     gint64 round, const char *root, const char *serves)
{
	world_report_at(world, "haikou", release, event, round, root, serves);
}

G_GNUC_UNUSED static void world_report(World *world, const char *release, ReportEvent event,
				       const char *root, const char *serves)
{
	world_report_round(world, release, event, 1, root, serves);
}

G_GNUC_UNUSED static void expect_state(World *world, const char *release, const char *state)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PublishRelease) folded = publish_release(world->central, "shop", release, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(folded->state, ==, state);
}

G_GNUC_UNUSED static GPtrArray *world_orders_at(World *world, const char *base)
{
	g_autoptr(Repo) ledger = ledger_open(world->state, base, NULL);
	return ledger_entries(ledger, LEDGER_ORDERS, NULL, NULL);
}

G_GNUC_UNUSED static GPtrArray *world_orders(World *world)
{
	return world_orders_at(world, "haikou");
}

G_GNUC_UNUSED static void world_setup(World *world, gconstpointer data)
{
	(void)data; /* the same for all */
	g_autoptr(GError) error = NULL;
	world->path = g_dir_make_tmp("tagship-publish-XXXXXX", NULL);
	world->state = g_build_filename(world->path, "state", NULL);
	world->source = g_build_filename(world->path, "shop.git", NULL);
	g_autofree char *key = g_build_filename(world->path, "key", NULL);
	g_assert_true(util_sshsig_keygen(key, "base", &error));
	world->base_key = util_sshsig_public_key(key, &error);
	g_autoptr(Repo) repo = repo_create(world->source, &error);
	g_assert_true(central_create(world->state, NULL, NULL, &error));
	world->central = central_open(world->state, &error);
	g_assert_no_error(error);
	g_autoptr(ConfApp) app = conf_app_new("shop", world->source);
	g_free(app->sandbox);
	app->sandbox = g_strdup("none");
	g_assert_true(conf_app_create(world->central->dirfd, app, &error));
	world_commit(world, "<h1>one</h1>\n");
}

G_GNUC_UNUSED static void world_teardown(World *world, gconstpointer data)
{
	(void)data; /* as above */
	central_close(world->central);
	g_assert_true(util_fs_remove_tree(AT_FDCWD, world->path, NULL));
	g_free(world->path);
	g_free(world->state);
	g_free(world->source);
	g_free(world->base_key);
}
