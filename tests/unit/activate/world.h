/* SPDX-License-Identifier: ISC */
/*
 * A base in a temporary folder for the activate tests: ROOT, one app "shop" and its lifecycle
 * commands. The "server" is the file `serving`: start copies current/index.html into it, stop
 * empties it, health wants it to say something, and not "sick". A file do-PHASE in the world is
 * sourced before that, and may exit. Every command writes a line to `calls`.
 */
#pragma once

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "activate/activate.h"
#include "order/accepted.h"

#define NOON G_GINT64_CONSTANT(1800000000)

/* Builtins only: a test runs some dozen of these. */
static const char phase_script[] =
    "W=${0%/*}\n"
    "echo \"$TAGSHIP_PHASE $TAGSHIP_VERSION $TAGSHIP_OUTCOME\" >> \"$W/calls\"\n"
    "if [ -e \"$W/want-env\" ]; then env > \"$W/env-$TAGSHIP_PHASE\"; fi\n"
    "if [ -e \"$W/do-$TAGSHIP_PHASE\" ]; then . \"$W/do-$TAGSHIP_PHASE\"; fi\n"
    "case $TAGSHIP_PHASE in\n"
    "stop) : > \"$W/serving\" ;;\n"
    "start) read -r text < current/index.html; printf %s \"$text\" > \"$W/serving\" ;;\n"
    "health)\n"
    "  echo asking; text=; read -r text < \"$W/serving\"; echo \"$text\"\n"
    "  [ -n \"$text\" ] && [ \"$text\" != sick ] ;;\n"
    "esac\n";

typedef struct {
	char *path, *root_path, *app_path, *public_key;
	int dirfd, root_dirfd;
	UtilClock *clock;
	ConfBase conf;
	ConfBaseApp app;
	GPtrArray *accepted; /* AcceptedOrder */
	GString *said;
	const char
	    *asset; /* of the next trees: a file assets/NAME that says its name; may be NULL */
} World;

static inline void world_say(const char *line, gpointer user_data)
{
	World *world = user_data;
	g_string_append_printf(world->said, "%s\n", line);
	g_test_message("%s", line);
}

static inline ActivateSpec world_spec(World *world)
{
	return (ActivateSpec){.root_path = world->root_path,
			      .root_dirfd = world->root_dirfd,
			      .conf = &world->conf,
			      .app = &world->app,
			      .clock = world->clock,
			      .incarnation = 1,
			      .say = world_say,
			      .user_data = world};
}

static inline void world_put(const World *world, const char *name, const char *text)
{
	g_autoptr(GError) error = NULL;
	(void)util_fs_write_file(world->dirfd, name, text, strlen(text), 0755, &error);
	g_assert_no_error(error);
}

/* Content of a file, NULL if it is not there. */
static inline char *world_get(const World *world, const char *name)
{
	char *text = NULL;
	(void)util_fs_read_file(world->dirfd, name, 1 << 20, &text, NULL, NULL);
	return text;
}

static inline void world_command(World *world, ConfPhase phase, gboolean there)
{
	ConfCommand *command = &world->app.commands[phase];
	g_strfreev(command->argv);
	command->argv = g_new0(char *, 3);
	if (there) {
		command->argv[0] = g_strdup("/bin/sh");
		command->argv[1] = g_build_filename(world->path, "phase.sh", NULL);
	}
	command->deadline_s = 20;
}

/* One key pair for all tests of a program. */
static inline void world_key(World *world)
{
	static char *private_key, *public_key;
	g_autoptr(GError) error = NULL;
	if (!private_key) {
		g_assert_true(util_sshsig_keygen(world->conf.key_file, "test", &error));
		public_key = util_sshsig_public_key(world->conf.key_file, &error);
		private_key = world_get(world, "key");
	}
	g_assert_true(util_fs_write_file(world->dirfd, "key", private_key, strlen(private_key),
					 0600, &error));
	world->public_key = g_strdup(public_key);
}

static inline void world_setup_at(World *world, char *path)
{
	g_autoptr(GError) error = NULL;
	memset(world, 0, sizeof *world);
	world->path = path;
	world->root_path = g_build_filename(path, "root", NULL);
	world->app_path = g_build_filename(path, "app", NULL);
	world->dirfd = util_fs_open_dir(AT_FDCWD, path, &error);
	g_assert_no_error(error);
	static const char *const folders[] = {"root", "root/trees",   "root/accepted",
					      "app",  "app/releases", "app/pre-release"};
	for (guint i = 0; i < G_N_ELEMENTS(folders); i++)
		g_assert_true(util_fs_mkdir(world->dirfd, folders[i], 0755, &error));
	world->root_dirfd = util_fs_open_dir(world->dirfd, "root", &error);
	world->clock = util_clock_fake_new(NOON);
	world->accepted = g_ptr_array_new_with_free_func((GDestroyNotify)accepted_order_free);
	world->said = g_string_new(NULL);
	world->conf.name = g_strdup("haikou");
	world->conf.key_file = g_build_filename(path, "key", NULL);
	world_key(world);
	world->app.name = g_strdup("shop");
	world->app.dir = world->app_path;
	for (guint i = 0; i < CONF_PHASE_COUNT; i++)
		world_command(world, (ConfPhase)i,
			      i == CONF_PHASE_STOP || i == CONF_PHASE_START ||
				  i == CONF_PHASE_HEALTH);
	world->app.health_time_s = 1;
	world->app.health_every_ms = 2000; /* one try in that second: short tests */
	world->app.max_outage_s = 60;
	world_put(world, "phase.sh", phase_script);
}

static inline void world_setup(World *world, gconstpointer data)
{
	(void)data; /* the same for all */
	world_setup_at(world, g_dir_make_tmp("tagship-activate-XXXXXX", NULL));
}

static inline void world_teardown(World *world, gconstpointer data)
{
	(void)data; /* as above */
	g_assert_null(strstr(world->said->str, "could not be journaled"));
	for (guint i = 0; i < CONF_PHASE_COUNT; i++)
		g_strfreev(world->app.commands[i].argv);
	g_assert_cmpint(close(world->root_dirfd), ==, 0);
	g_assert_cmpint(close(world->dirfd), ==, 0);
	g_assert_true(util_fs_remove_tree(AT_FDCWD, world->path, NULL));
	util_clock_fake_free(world->clock);
	g_ptr_array_unref(world->accepted);
	g_string_free(world->said, TRUE);
	g_free(world->conf.name);
	g_free(world->conf.key_file);
	g_free(world->app.name);
	g_free(world->path);
	g_free(world->root_path);
	g_free(world->app_path);
	g_free(world->public_key);
}

/* The tree VERSION with this index.html in app/FOLDER, its manifest and stat in root/trees.
 * Returns its root; *ret_tree its name. */
static inline char *world_tree(World *world, const char *folder, const char *version,
			       const char *content, char **ret_tree)
{
	g_autoptr(GError) error = NULL;
	char root[UTIL_SHA256_HEX];
	g_autofree char *tmp = g_strdup_printf("app/%s/%s", folder, version);
	g_autofree char *index = g_strconcat(tmp, "/index.html", NULL);
	g_assert_true(util_fs_mkdir(world->dirfd, tmp, 0755, &error));
	g_assert_true(
	    util_fs_write_file(world->dirfd, index, content, strlen(content), 0644, &error));
	if (world->asset) {
		g_autofree char *assets = g_strconcat(tmp, "/assets", NULL);
		g_autofree char *asset = g_build_filename(assets, world->asset, NULL);
		g_assert_true(util_fs_mkdir(world->dirfd, assets, 0755, &error));
		world_put(world, asset, world->asset);
	}
	util_autofd int dirfd = util_fs_open_dir(world->dirfd, tmp, &error);
	TreeScan scan = {.normalize = TRUE};
	g_autoptr(Manifest) manifest = tree_scan(dirfd, &scan, &error);
	g_assert_no_error(error);
	g_assert_true(tree_finish(dirfd, manifest, NULL, &error));
	g_autofree char *stats = NULL;
	(void)tree_check(dirfd, manifest, NULL, &stats, &error);
	g_assert_no_error(error);
	g_autoptr(GBytes) text = manifest_format(manifest);
	manifest_root(manifest, root);
	g_autofree char *manifest_path = g_strdup_printf("root/trees/%s.manifest", root);
	g_autofree char *stat_path = g_strdup_printf("root/trees/%s.stat", root);
	g_assert_true(util_fs_write_file(world->dirfd, manifest_path, g_bytes_get_data(text, NULL),
					 g_bytes_get_size(text), 0644, &error));
	g_assert_true(
	    util_fs_write_file(world->dirfd, stat_path, stats, strlen(stats), 0644, &error));
	g_autofree char *tree = g_strdup_printf("%s-%.8s", version, root);
	g_autofree char *path = g_strdup_printf("app/%s/%s", folder, tree);
	g_assert_true(util_fs_rename(world->dirfd, tmp, world->dirfd, path, &error));
	if (ret_tree)
		*ret_tree = g_steal_pointer(&tree);
	return g_strdup(root);
}

static inline char *release_of(const char *version)
{
	guint8 digest[UTIL_SHA256_BYTES];
	char hex[UTIL_SHA256_HEX];
	util_sha256_data(version, strlen(version), digest);
	util_hex_encode(digest, sizeof digest, hex);
	return g_strndup(hex, 40);
}

/* Accepts an order; the accepted file is written. */
static inline AcceptedOrder *world_order(World *world, const char *version, const char *root,
					 gint64 at_utc)
{
	AcceptedOrder *accepted = g_new0(AcceptedOrder, 1);
	Order *order = order_new(ORDER_KIND_ORDER);
	accepted->order = order;
	order->seq = world->accepted->len + 1;
	order->written_utc = at_utc - 3600;
	order->base = g_strdup("haikou");
	order->release = release_of(version);
	order->app = g_strdup(world->app.name);
	order->tag = g_strdup(version);
	order->version = g_strdup(version);
	order->root = g_strdup(root);
	order->commit = release_of(root);
	order->files = 1;
	order->bytes = 10;
	order->at_utc = at_utc;
	order->grace_s = 1800;
	order->local_text = g_strdup("noon");
	g_ptr_array_add(world->accepted, accepted);
	return accepted;
}

static inline void world_accept(const World *world)
{
	g_autofree char *text = accepted_format(world->accepted, NULL);
	g_autofree char *path = g_strconcat("accepted/", world->app.name, NULL);
	g_assert_true(util_fs_write_file(world->root_dirfd, path, text, strlen(text), 0644, NULL));
}

static inline ActivateApp *world_open(World *world)
{
	g_autoptr(GError) error = NULL;
	ActivateSpec spec = world_spec(world);
	ActivateApp *app = activate_open(&spec, 30 * 1000, &error);
	g_assert_no_error(error);
	return app;
}

static inline void world_staged(World *world, const AcceptedOrder *accepted, const char *tree)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(ActivateApp) app = world_open(world);
	g_autoptr(UtilTrailers) record = util_trailers_new();
	util_trailers_add(record, "Event", "staged");
	util_trailers_add(record, "Release", accepted->order->release);
	util_trailers_add(record, "Root", accepted->order->root);
	util_trailers_add(record, "Tree", tree);
	(void)activate_record(app, record, &error);
	g_assert_no_error(error);
}

/* A version staged and ordered for at_utc. */
static inline AcceptedOrder *world_release(World *world, const char *version, const char *content,
					   gint64 at_utc)
{
	g_autofree char *tree = NULL;
	g_autofree char *root = world_tree(world, "pre-release", version, content, &tree);
	AcceptedOrder *accepted = world_order(world, version, root, at_utc);
	world_accept(world);
	world_staged(world, accepted, tree);
	return accepted;
}

static inline gint64 world_due(World *world)
{
	g_autoptr(GError) error = NULL;
	gint64 next_utc = -1;
	g_autoptr(ActivateApp) app = world_open(world);
	(void)activate_due(app, &next_utc, &error);
	g_assert_no_error(error);
	return next_utc;
}

/* The same in a process of its own, which a command kills. */
static inline void world_due_killed(World *world)
{
	int status = 0;
	pid_t pid = fork();
	if (pid == 0) {
		world_due(world);
		_exit(0);
	}
	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	g_assert_true(WIFSIGNALED(status));
}

/* The state of the order for a version, by the journal. */
static inline const char *world_state(World *world, const char *version)
{
	g_autoptr(GError) error = NULL;
	ActivateSpec spec = world_spec(world);
	g_autofree char *release = release_of(version);
	g_autoptr(DecideApp) state = activate_read(&spec, &error);
	g_assert_no_error(error);
	const DecideOrder *order = decide_app_find(state, release);
	return order ? order_state_name(order->state) : "none";
}

/* A report in pending/, its signature checked; NULL if it is not there. `round` 1: the first. */
static inline Report *world_report_of(World *world, const char *version, const char *event,
				      guint round)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *release = release_of(version);
	g_autofree char *suffix = round > 1 ? g_strdup_printf("-%u", round) : g_strdup("");
	for (guint seq = 1; seq <= world->accepted->len + 10; seq++) {
		g_autofree char *path =
		    g_strdup_printf("root/pending/%s.%u.%s%s", release, seq, event, suffix);
		g_autofree char *sig_path = g_strconcat(path, ".sig", NULL);
		g_autofree char *text = world_get(world, path);
		g_autofree char *sig = world_get(world, sig_path);
		if (!text)
			continue;
		g_assert_nonnull(sig);
		const char *keys[] = {world->public_key, NULL};
		g_assert_true(util_sshsig_verify(keys, UTIL_SSHSIG_NS_REPORT, text, strlen(text),
						 sig, &error));
		Report *report = report_parse(text, strlen(text), &error);
		g_assert_no_error(error);
		return report;
	}
	return NULL;
}

/* That of the latest round. */
static inline Report *world_report(World *world, const char *version, const char *event)
{
	Report *report = NULL;
	for (guint round = 9; round > 0 && !report; round--)
		report = world_report_of(world, version, event, round);
	return report;
}

static inline void assert_serving(const World *world, const char *content)
{
	g_autofree char *serving = world_get(world, "serving");
	g_assert_cmpstr(serving && *serving ? serving : NULL, ==, content);
}

/* What current leads to. */
static inline void assert_current(const World *world, const char *content)
{
	g_autofree char *path = g_build_filename(world->app_path, "current/index.html", NULL);
	g_autofree char *text = NULL;
	(void)g_file_get_contents(path, &text, NULL, NULL);
	g_assert_cmpstr(text, ==, content);
}

/* Lines of `calls`, forgotten afterwards. */
static inline char *world_calls(const World *world)
{
	char *calls = world_get(world, "calls");
	g_assert_true(util_fs_unlink(world->dirfd, "calls", NULL));
	return calls ? calls : g_strdup("");
}

/* v1 live and served, quietly. */
static inline void world_v1_live(World *world)
{
	world_release(world, "v1", "one", NOON - 100);
	world_due(world);
	g_assert_cmpstr(world_state(world, "v1"), ==, "live");
	assert_serving(world, "one");
	g_free(world_calls(world));
	g_string_truncate(world->said, 0);
}
