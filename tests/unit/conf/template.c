/* SPDX-License-Identifier: ISC */
/* What tagship init and tagship-base init write. */
#include "folder.h"

static void test_base_template(Folder *folder, gconstpointer data)
{
	static const char *const keys[] = {KEY, KEY2, NULL};
	(void)data;
	g_autoptr(GError) error = NULL;
	g_autofree char *text =
	    conf_base_template("oslo", NULL, "ssh://t@c:22", keys, NULL, keys, NULL);
	g_autofree char *local =
	    conf_base_template("oslo", "w2", "/srv/tagship", keys, keys, NULL, NULL);

	put(folder, "base.cfg", text);
	g_autoptr(ConfBase) base = conf_base_load(folder->dirfd, "/r", &error);
	g_assert_no_error(error);
	g_assert_cmpstr(base->upstreams[0], ==, "ssh://t@c:22");
	g_assert_cmpstr(base->central_keys[1], ==, KEY2);
	g_assert_cmpstr(base->key_file, ==, "/r/key");
	put(folder, "base.cfg", local);
	g_autoptr(ConfBase) by_path = conf_base_load(folder->dirfd, "/r", &error);
	g_assert_no_error(error);
	g_assert_cmpuint(g_strv_length(by_path->host_keys), ==, 0);
	g_assert_cmpstr(by_path->node, ==, "w2");
	g_assert_cmpstr(by_path->serve_command, ==, "tagship-base");
	/* with every # before a key taken away it still loads, and is the same */
	g_autoptr(GRegex) commented =
	    g_regex_new("^# ([a-z_]+ = .*;)$", G_REGEX_MULTILINE, 0, NULL);
	g_autofree char *open = g_regex_replace(commented, text, -1, 0, "\\1", 0, NULL);
	put(folder, "base.cfg", open);
	g_autoptr(ConfBase) opened = conf_base_load(folder->dirfd, "/r", &error);
	g_assert_no_error(error);
	g_autofree char *central = conf_central_template();
	g_autofree char *central_open = g_regex_replace(commented, central, -1, 0, "\\1", 0, NULL);
	g_assert_cmpstr(central, !=, central_open);
	put(folder, "central.cfg", central_open);
	g_autoptr(ConfCentral) conf = conf_central_load(folder->dirfd, &error);
	g_assert_no_error(error);
	g_assert_cmpint(conf->push_wait_s, ==, 300);
}

static void test_apps(Folder *folder, gconstpointer data)
{
	(void)data;
	static const char *const keys[] = {KEY, NULL};
	static const char *const apps[] = {"shop=/srv/shop", "docs=/srv/the docs", NULL};
	g_autoptr(GError) error = NULL;
	g_autofree char *text =
	    conf_base_template("oslo", NULL, "ssh://t@c:22", keys, NULL, keys, apps);
	put(folder, "base.cfg", text);
	g_autoptr(ConfBase) base = conf_base_load(folder->dirfd, "/r", &error);
	g_assert_no_error(error);
	g_assert_cmpuint(base->apps->len, ==, 2);
	g_assert_cmpstr(conf_base_app(base, "docs")->dir, ==, "/srv/the docs");
	g_assert_cmpstr(conf_base_app(base, "shop")->dir, ==, "/srv/shop");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add("/conf/template/base", Folder, NULL, folder_setup, test_base_template,
		   folder_teardown);
	g_test_add("/conf/template/apps", Folder, NULL, folder_setup, test_apps, folder_teardown);
	return g_test_run();
}
