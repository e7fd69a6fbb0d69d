/* SPDX-License-Identifier: ISC */
/* Keys of an app in base.cfg: the bridge's duration, escalation to kill. */
#include "conf/conf-private.h"

#define BASE                                                                                      \
	"name = \"b\"; upstreams = [ \"/srv/t\" ]; central_keys = "                               \
	"[ \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILCoS3wiuM/XWEeob12mVGTTKeeqSjkly2hYbg4g1k2G\" " \
	"];\n"

static void test_durations(void)
{
	static const struct {
		const char *text;
		gint64 s; /* -1: refused */
	} rows[] = {{"0", 0},       {"0s", 0},      {"90s", 90},      {"30m", 1800},
		    {"24h", 86400}, {"7d", 604800}, {"31d", 2678400}, {"32d", -1},
		    {"24", -1},     {"", -1},       {"h", -1},        {"1h30m", -1},
		    {"-1h", -1},    {"1 h", -1},    {"1H", -1},       {"999999999s", -1}};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = NULL;
		g_test_message("%s", rows[i].text);
		g_assert_cmpint(conf_duration_s(rows[i].text), ==, rows[i].s);
		g_assert_true(conf_check_duration(rows[i].text, &error) == (rows[i].s >= 0));
		if (rows[i].s < 0)
			g_assert_error(error, TS_ERROR, TS_ERROR_USAGE);
	}
}

/* base.cfg with these lines in its app; the error's text or NULL. */
static char *load(const char *lines, ConfBase **ret_base)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *path = g_dir_make_tmp("tagship-conf-XXXXXX", NULL);
	util_autofd int dirfd = util_fs_open_dir(AT_FDCWD, path, NULL);
	g_autofree char *text = g_strdup_printf(
	    BASE "apps = ( { name = \"shop\"; dir = \"/srv/shop\"; %s } );\n", lines);
	g_assert_true(util_fs_write_file(dirfd, "base.cfg", text, strlen(text), 0644, NULL));
	*ret_base = conf_base_load(dirfd, path, &error);
	g_assert_true(util_fs_remove_tree(AT_FDCWD, path, NULL));
	return error ? g_strdup(error->message) : NULL;
}

static void test_bridge(void)
{
	g_autoptr(ConfBase) given = NULL;
	g_autoptr(ConfBase) none = NULL;
	g_autoptr(ConfBase) bad = NULL;
	g_assert_null(load("bridge = \"36h\";", &given));
	g_assert_cmpint(conf_app_bridge_s(conf_base_app(given, "shop")), ==, 36 * 3600);
	g_assert_null(load("", &none));
	g_assert_cmpint(conf_app_bridge_s(conf_base_app(none, "shop")), ==, 0);
	g_autofree char *why = load("bridge = \"1w\";", &bad);
	g_assert_nonnull(
	    strstr(why, "bridge: \"1w\" is no duration up to 31 days; write 0, or as"));
}

static void test_kill_after(void)
{
	static const struct {
		const char *lines, *refused;
		gint64 s;
	} rows[] = {{"", NULL, 5},
		    {"kill_after = 0;", NULL, 0},
		    {"kill_after = 300;", NULL, 300},
		    {"kill_after = 301;", "kill_after", 0},
		    {"kill_after = -1;", "kill_after", 0}};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(ConfBase) base = NULL;
		g_autofree char *why = load(rows[i].lines, &base);
		g_test_message("%s", why ? why : "taken");
		g_assert_true((why != NULL) == (rows[i].refused != NULL));
		if (why)
			g_assert_nonnull(strstr(why, rows[i].refused));
		else
			g_assert_cmpint(conf_base_app(base, "shop")->kill_after_s, ==, rows[i].s);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/conf/app/durations", test_durations);
	g_test_add_func("/conf/app/bridge", test_bridge);
	g_test_add_func("/conf/app/kill-after", test_kill_after);
	return g_test_run();
}
