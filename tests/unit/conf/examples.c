/* SPDX-License-Identifier: ISC */
/* The examples of apps behind real servers; tests/real/check-servers runs releases by them. */
#include <fcntl.h>

#include "conf/conf.h"

#define KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILCoS3wiuM/XWEeob12mVGTTKeeqSjkly2hYbg4g1k2G"
#define HEAD \
	"name = \"haikou\"; upstreams = [ \"/srv/central\" ]; central_keys = [ \"" KEY "\" ];\n"

static ConfBase *load_text(const char *file, char **ret_text)
{
	const char *tests = g_getenv("G_TEST_SRCDIR");
	g_autofree char *path =
	    g_build_filename(tests ? tests : "tests", "..", "config", "examples", file, NULL);
	g_autofree char *folder = g_dir_make_tmp("tagship-conf-XXXXXX", NULL);
	g_autofree char *example = NULL;
	g_autoptr(GError) error = NULL;
	g_file_get_contents(path, &example, NULL, &error);
	g_assert_no_error(error);
	g_autofree char *text =
	    g_strconcat(strstr(example, "upstreams") ? "" : HEAD, example, NULL);
	util_autofd int dirfd = util_fs_open_dir(AT_FDCWD, folder, &error);
	g_assert_true(util_fs_write_file(dirfd, "base.cfg", text, strlen(text), 0644, &error));
	ConfBase *base = conf_base_load(dirfd, folder, &error);
	g_assert_no_error(error);
	g_assert_true(util_fs_remove_tree(AT_FDCWD, folder, &error));
	*ret_text = g_steal_pointer(&example);
	return base;
}

static ConfBase *load(const char *file)
{
	g_autofree char *text = NULL;
	return load_text(file, &text);
}

static gboolean has(const ConfBaseApp *app, ConfPhase phase)
{
	return app->commands[phase].argv && app->commands[phase].argv[0];
}

/* What a hanging stop is killed by, as the comments say, comes before its deadline; and all that is
 * not cut short for the longest outage fits into it, with the undo. */
static void test_fits(void)
{
	static const struct {
		const char *file;
		gint64 timeout_stop_s; /* 0: there is no stop */
	} rows[] = {{"base.cfg", 20},
		    {"base-nginx.cfg", 0},
		    {"base-node.cfg", 20},
		    {"base-tomcat.cfg", 45}};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *text = NULL;
		g_autoptr(ConfBase) base = load_text(rows[i].file, &text);
		g_autofree char *says =
		    g_strdup_printf("TimeoutStopSec=%" G_GINT64_FORMAT, rows[i].timeout_stop_s);
		const ConfBaseApp *app = base->apps->pdata[0];
		gint64 longest_s = app->health_time_s;
		for (guint n = 0; n < CONF_PHASE_COUNT; n++)
			if (n == CONF_PHASE_STOP || n == CONF_PHASE_MIGRATE ||
			    n == CONF_PHASE_UNMIGRATE || n == CONF_PHASE_START)
				longest_s +=
				    has(app, (ConfPhase)n) ? app->commands[n].deadline_s : 0;
		g_assert_cmpint(longest_s, <=, app->max_outage_s);
		g_assert_cmpint(strstr(text, says) != NULL, ==, rows[i].timeout_stop_s > 0);
		g_assert_cmpint(rows[i].timeout_stop_s, <,
				app->commands[CONF_PHASE_STOP].deadline_s);
	}
}

static void test_nginx(void)
{
	g_autoptr(ConfBase) base = load("base-nginx.cfg");
	const ConfBaseApp *app = conf_base_app(base, "docs");
	g_assert_nonnull(app);
	g_assert_true(has(app, CONF_PHASE_HEALTH) && app->hard_links);
	g_assert_false(has(app, CONF_PHASE_STOP) || has(app, CONF_PHASE_START));
}

static void test_tomcat(void)
{
	g_autoptr(ConfBase) base = load("base-tomcat.cfg");
	const ConfBaseApp *app = conf_base_app(base, "shop");
	g_assert_nonnull(app);
	g_assert_true(has(app, CONF_PHASE_STOP) && has(app, CONF_PHASE_START) &&
		      has(app, CONF_PHASE_HEALTH));
	g_assert_cmpint(app->health_time_s, <, app->max_outage_s);
}

static void test_node(void)
{
	g_autoptr(ConfBase) base = load("base-node.cfg");
	const ConfBaseApp *app = conf_base_app(base, "notes");
	g_assert_nonnull(app);
	/* a drain that is taken back, a migration that can be */
	g_assert_true(has(app, CONF_PHASE_BEFORE) && has(app, CONF_PHASE_AFTER) &&
		      has(app, CONF_PHASE_MIGRATE) && has(app, CONF_PHASE_UNMIGRATE));
	g_assert_cmpint(app->lead_s, ==, 60);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/conf/examples/fits", test_fits);
	g_test_add_func("/conf/examples/nginx", test_nginx);
	g_test_add_func("/conf/examples/tomcat", test_tomcat);
	g_test_add_func("/conf/examples/node", test_node);
	return g_test_run();
}
