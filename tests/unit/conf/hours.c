/* SPDX-License-Identifier: ISC */
/* Hours of the day in base.cfg. */
#include <fcntl.h>

#include "conf/conf.h"

#define KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILCoS3wiuM/XWEeob12mVGTTKeeqSjkly2hYbg4g1k2G"

/* 2026-11-24 is a Tuesday; the tests run in UTC. */
static void test_hours(void)
{
	const gint64 midnight = 1795478400;
	char *night[] = {(char[]){"22:00-06:30"}, NULL}, *none[] = {NULL};
	char *rates[] = {(char[]){"08:00-12:00 300"}, (char[]){"11:00-24:00 500"}, NULL};
	g_assert_cmpint(conf_hours_opens_s(none, midnight), ==, 0);
	g_assert_cmpint(conf_hours_opens_s(night, midnight), ==, 0);
	g_assert_cmpint(conf_hours_opens_s(night, midnight + 6 * 3600 + 1799), ==, 0);
	g_assert_cmpint(conf_hours_opens_s(night, midnight + 6 * 3600 + 1800), ==,
			15 * 3600 + 1800);
	g_assert_cmpint(conf_hours_opens_s(night, midnight + 22 * 3600 - 1), ==, 1);
	g_assert_cmpint(conf_hours_opens_s(night, midnight + 22 * 3600), ==, 0);
	g_assert_cmpint(conf_hours_number(rates, midnight, 7), ==, 7);
	g_assert_cmpint(conf_hours_number(rates, midnight + 8 * 3600, 7), ==, 300);
	g_assert_cmpint(conf_hours_number(rates, midnight + 11 * 3600, 7), ==, 300);
	g_assert_cmpint(conf_hours_number(rates, midnight + 12 * 3600, 7), ==, 500);
	g_assert_cmpint(conf_hours_number(rates, midnight + 86399, 7), ==, 500);
	g_assert_cmpint(conf_hours_number(none, midnight, 7), ==, 7);
}

static void test_refused(void)
{
	static const char *const lines[] = {"pull_hours = [ \"2:00-6:00\" ];",
					    "pull_hours = [ \"02:00-02:00\" ];",
					    "pull_hours = [ \"02:00-25:00\" ];",
					    "pull_hours = [ \"02:60-03:00\" ];",
					    "pull_hours = [ \"02:00-06:00 300\" ];",
					    "pull_hours = [ \"24:00-06:00\" ];",
					    "rate_hours = [ \"02:00-06:00\" ];",
					    "rate_hours = [ \"02:00-06:00 15\" ];",
					    "rate_hours = [ \"02:00-06:00  99\" ];",
					    "rate_hours = [ \"\" ];",
					    "rate_kbit = 15;",
					    "rate_kbit = -1;"};
	g_autofree char *path = g_dir_make_tmp("tagship-hours-XXXXXX", NULL);
	util_autofd int dirfd = util_fs_open_dir(AT_FDCWD, path, NULL);
	for (guint i = 0; i < G_N_ELEMENTS(lines); i++) {
		g_autoptr(GError) error = NULL;
		g_autofree char *text = g_strconcat(
		    "name = \"b\"; upstreams = [ \"/state\" ]; central_keys = [ \"" KEY "\" ];\n",
		    lines[i], "\n", NULL);
		g_assert_true(
		    util_fs_write_file(dirfd, "base.cfg", text, strlen(text), 0600, NULL));
		g_autoptr(ConfBase) base = conf_base_load(dirfd, "/r", &error);
		g_assert_null(base);
		g_assert_error(error, TS_ERROR, TS_ERROR_USAGE);
	}
	static const char good[] = "name = \"b\"; upstreams = [ \"/state\" ]; "
				   "central_keys = [ \"" KEY "\" ];\n";
	g_assert_true(util_fs_write_file(dirfd, "base.cfg", good, strlen(good), 0600, NULL));
	g_autoptr(ConfBase) base = conf_base_load(dirfd, "/r", NULL);
	g_assert_true(base->watch);
	g_assert_true(util_fs_remove_tree(AT_FDCWD, path, NULL));
}

static void test_base(void)
{
	char *rates[] = {(char[]){"08:00-18:00 300"}, NULL};
	ConfBase base = {.watch = TRUE, .rate_kbit = 900, .rate_hours = rates};
	g_assert_cmpint(conf_base_pull_every_s(&base), ==, 6 * 3600);
	g_assert_cmpint(conf_base_rate_kbit(&base, 1795478400), ==, 900);
	g_assert_cmpint(conf_base_rate_kbit(&base, 1795478400 + 9 * 3600), ==, 300);
	base.watch = FALSE;
	g_assert_cmpint(conf_base_pull_every_s(&base), ==, 60);
	base.pull_every_s = 7;
	g_assert_cmpint(conf_base_pull_every_s(&base), ==, 7);
}

int main(int argc, char **argv)
{
	g_setenv("TZ", "UTC", TRUE);
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/conf/hours", test_hours);
	g_test_add_func("/conf/hours-base", test_base);
	g_test_add_func("/conf/hours-refused", test_refused);
	return g_test_run();
}
