/* SPDX-License-Identifier: ISC */
#include <signal.h>

#include "folder.h"

/* The error must be USAGE, and its text hold `part`. */
static void assert_refused(GError **error, const char *text, const char *part)
{
	if (!*error)
		g_error("<%s> was not refused", text);
	if ((*error)->domain != TS_ERROR || (*error)->code != TS_ERROR_USAGE ||
	    !strstr((*error)->message, part))
		g_error("for <%s>\n  wanted USAGE \"%s\"\n  got %d \"%s\"", text, part,
			(*error)->code, (*error)->message);
	g_clear_error(error);
}

typedef struct {
	const char *text;
	const char *part;
} Refusal;

static void test_central_defaults(Folder *folder, gconstpointer data)
{
	static const char *const texts[] = {NULL, "", "# only a comment, without a newline",
					    "\n/* two\nlines */\n"};
	(void)data;
	g_autofree char *template = conf_central_template();

	for (guint i = 0; i <= G_N_ELEMENTS(texts); i++) {
		const char *text = i < G_N_ELEMENTS(texts) ? texts[i] : template;
		g_autoptr(GError) error = NULL;

		if (text)
			put(folder, "central.cfg", text);
		g_autoptr(ConfCentral) conf = conf_central_load(folder->dirfd, &error);
		g_assert_no_error(error);
		g_assert_cmpstr(conf->worker, ==, "hook");
		g_assert_cmpint(conf->push_wait_s, ==, 300);
		g_assert_cmpint(conf->lead_s, ==, 0);
		g_assert_cmpint(conf->line_kbit, ==, 1000);
		g_assert_cmpint(conf->min_free_mb, ==, 256);
		g_assert_cmpint(conf->keep_logs_days, ==, 90);
		g_assert_cmpint(conf->keep_versions, ==, 20);
		g_assert_cmpstr(conf->zone_dir, ==, "/usr/share/zoneinfo");
		g_assert_cmpstr(conf->serve_url, ==, "");
	}
}

static void test_central_values(Folder *folder, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	put(folder, "central.cfg",
	    "worker = \"service\"; // @include \"/etc/passwd\"\n"
	    "/* @include \"/etc/passwd\"\n@include \"/etc/passwd\" */\n"
	    "push_wait: 0\nlead = 60L;\nline_kbit = +512;\nmin_free_mb = 0, keep_logs_days = 1;\n"
	    "keep_versions=7\r\n"
	    "zone_dir = \"/srv/\" \"zones\";\n"
	    "serve_url = \"ssh://tagship@[::1]:2222/srv/tagship\";");
	g_autoptr(ConfCentral) conf = conf_central_load(folder->dirfd, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(conf->worker, ==, "service");
	g_assert_cmpint(conf->push_wait_s, ==, 0);
	g_assert_cmpint(conf->lead_s, ==, 60);
	g_assert_cmpint(conf->line_kbit, ==, 512);
	g_assert_cmpint(conf->min_free_mb, ==, 0);
	g_assert_cmpint(conf->keep_logs_days, ==, 1);
	g_assert_cmpint(conf->keep_versions, ==, 7);
	g_assert_cmpstr(conf->zone_dir, ==, "/srv/zones");
	g_assert_cmpstr(conf->serve_url, ==, "ssh://tagship@[::1]:2222/srv/tagship");
}

static void test_central_refused(Folder *folder, gconstpointer data)
{
	static const Refusal rows[] = {
	    {"push_wayt = 3;",
	     "central.cfg:1: push_wayt: unknown key; did you mean \"push_wait\"?"},
	    {"\n\nxyzzy = 3;", "central.cfg:3: xyzzy: unknown key; remove it (known here: worker "},
	    {"push_wait_s = 3;", "did you mean \"push_wait\"?"},
	    {"push_wait = 1;\npush_wait = 2;", "central.cfg:2: duplicate setting name"},
	    {"push_wait = \"300\";", "central.cfg:1: push_wait: a number is needed"},
	    {"push_wait = true;", "push_wait: a number is needed"},
	    {"push_wait = [ 1 ];", "push_wait: a number is needed"},
	    {"push_wait = { a = 1; };", "push_wait: a number is needed"},
	    {"push_wait = -1;", "push_wait: -1 is out of range; write a number from 0 to 86400"},
	    {"push_wait = 86401;", "86401 is out of range"},
	    {"push_wait = 86401L;", "86401 is out of range"},
	    {"line_kbit = 0;", "0 is out of range"},
	    /* what libconfig would make 5, -2147483648, -1, inf, 8 */
	    {"push_wait = 4294967301;", "central.cfg:1: the number 4294967301 is too large"},
	    {"push_wait = 2147483648;", "the number 2147483648 is too large"},
	    {"push_wait = -4294967291;", "the number -4294967291 is too large"},
	    {"push_wait = 99999999999999999999999L;", "is too large"},
	    {"push_wait = 4294967301L;", "4294967301 is out of range"},
	    {"push_wait = 0x1ffffffff;", "\"0x1ffffffff\" is not a whole decimal number"},
	    {"push_wait = 0x10L;", "\"0x10L\" is not a whole decimal number"},
	    {"push_wait = 1e400;", "\"1e400\" is not a whole decimal number"},
	    {"push_wait = 1.5;", "\"1.5\" is not a whole decimal number"},
	    {"push_wait = .5;", "\".5\" is not a whole decimal number"},
	    {"push_wait = 010;", "\"010\" begins with 0"},
	    {"push_wait = 300s;", "\"300s\" is not a whole decimal number"},
	    {"push_wait = 30-4294967301;", "the number -4294967301 is too large"},
	    {"worker = \"cron\";", "worker: \"cron\" is not known; write \"hook\" or \"service\""},
	    {"worker = hook;", "central.cfg:1: syntax error"},
	    {"worker = 1;", "worker: a text in quotes is needed"},
	    {"zone_dir = \"zones\";", "zone_dir: \"zones\" is not an absolute path"},
	    {"zone_dir = \"/a\\nb\";", "is not an absolute path"},
	    {"zone_dir = \"//\";", "is the whole file system"},
	    {"serve_url = \"https://x/\";", "\"https://x/\" is not an ssh URL"},
	    {"serve_url = \"ssh://u:p@x/\";", "is not an ssh URL"},
	    {"serve_url = \"ssh://-oProxyCommand=x/\";", "is not an ssh URL"},
	    {"serve_url = \"ssh://-l@x/\";", "is not an ssh URL"},
	    {"serve_url = \"ssh://x:70000/\";", "is not an ssh URL"},
	    {"serve_url = \"ssh://x y/\";", "is not an ssh URL"},
	    {"serve_url = \"central:/srv\";", "is not an ssh URL"},
	    /* the library would open it, hang on it, or exit */
	    {"@include \"/etc/hostname\"\n", "central.cfg:1: @include is not allowed here"},
	    {"lead = 1;\n \t@include \"/\"\n", "central.cfg:2: @include is not allowed here"},
	    {"lead = 1; @include \"/\"\n", "@include is not allowed"},
	    {"/* x */ @include \"/\"\n", "@include is not allowed"},
	    {"zone_dir = \"/x\\\\\"\n@include \"/etc/hostname\"\n#\"", "central.cfg:2: @include"},
	    {"# \"\n@include \"/etc/hostname\"\n", "central.cfg:2: @include is not allowed"},
	    {"// /*\n@include \"/etc/hostname\"\n", "central.cfg:2: @include is not allowed"},
	    {"lead = 1; /* never", "central.cfg:1: the comment that begins here has no end"},
	    {"\nzone_dir = \"/x;\n\n", "central.cfg:2: the string that begins here has no end"},
	    {"zone_dir = \"/x\\\"", "the string that begins here has no end"},
	    {"lead = ((((((((((1))))))))));", "brackets are nested too deeply"},
	    {"lead = 1; }", "central.cfg:1: syntax error"},
	    {"lead", "syntax error"},
	    {"lead = 1; \xff\n", "central.cfg:1: bytes that are not UTF-8"},
	};
	(void)data;

	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = NULL;

		put(folder, "central.cfg", rows[i].text);
		g_autoptr(ConfCentral) none = conf_central_load(folder->dirfd, &error);
		assert_refused(&error, rows[i].text, rows[i].part);
	}
}

static void test_file_kinds(Folder *folder, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	g_autofree char *big = g_strnfill(300 * 1024, ' ');

	put_bytes(folder, "central.cfg", "lead = 1;\n\0push = 2;", 20);
	g_assert_null(conf_central_load(folder->dirfd, &error));
	assert_refused(&error, "NUL", "central.cfg:2: a NUL byte");

	put(folder, "central.cfg", big);
	g_assert_null(conf_central_load(folder->dirfd, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	g_clear_error(&error);

	g_assert_cmpint(unlinkat(folder->dirfd, "central.cfg", 0), ==, 0);
	g_assert_cmpint(mkfifoat(folder->dirfd, "central.cfg", 0644), ==, 0);
	alarm(10); /* a hang ends the test */
	g_assert_null(conf_central_load(folder->dirfd, &error));
	alarm(0);
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	g_clear_error(&error);

	g_assert_cmpint(unlinkat(folder->dirfd, "central.cfg", 0), ==, 0);
	g_assert_cmpint(mkdirat(folder->dirfd, "central.cfg", 0755), ==, 0);
	g_assert_null(conf_central_load(folder->dirfd, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
}

static void test_note(Folder *folder, gconstpointer data)
{
	(void)data;
	static const char *const apps[] = {"shop", NULL};
	g_autoptr(GError) error = NULL;
	g_assert_null(conf_note_read(folder->dirfd, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
	g_clear_error(&error);
	put(folder, "apps.d/shop.cfg",
	    "repo = \"/r.git\"; build = \"make\"; output = \"out\";\n"
	    "branches = [\"main\", \"release/*\", \"*\"];\n");
	g_assert_true(conf_note_write(folder->dirfd, "/r.git", folder->path, apps, &error));
	g_assert_no_error(error);
	g_autofree char *text = NULL;
	g_assert_true(
	    util_fs_read_file(folder->dirfd, "tagship.d/settings", 65536, &text, NULL, &error));
	g_assert_nonnull(
	    strstr(text, "Branches: refs/heads/main\nBranches: refs/heads/release/\n"));
	g_assert_nonnull(strstr(text, "Branches: refs/heads/\n"));
	g_autoptr(ConfNote) note = conf_note_read(folder->dirfd, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(note->repo, ==, "/r.git");
	g_assert_cmpstr(note->state, ==, folder->path);
	g_assert_true(g_strv_equal((const char *const *)note->apps, apps));
	g_assert_true(conf_note_is_current(folder->dirfd, note));
	put(folder, "apps.d/shop.cfg", "repo = \"/r.git\"; build = \"make\"; output = \"out\";\n");
	g_assert_false(conf_note_is_current(folder->dirfd, note));
	g_assert_true(conf_note_write(folder->dirfd, "/r.git", folder->path, apps, &error));
	g_assert_true(conf_note_is_current(folder->dirfd, note));
	g_assert_cmpint(unlinkat(folder->dirfd, "apps.d/shop.cfg", 0), ==, 0);
	g_assert_false(conf_note_is_current(folder->dirfd, note));
	g_assert_false(conf_note_write(folder->dirfd, "/r.git", folder->path, apps, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
}

static void test_app_create(Folder *folder, gconstpointer data)
{
	static const char *const branches[] = {"main", "release/*", NULL};
	static const char *const shared[] = {"uploads", "var/cache \"x\"", NULL};
	(void)data;
	g_autoptr(GError) error = NULL;
	g_autoptr(ConfApp) app = conf_app_new("shop", "/srv/git/shop.git");

	g_assert_cmpint(app->build_time_s, ==, 1800);
	g_assert_cmpstr(app->output, ==, ".");
	g_free(app->build);
	app->build = g_strdup("set -e\n\tmake \"a\\b\" # @include \"/\"\n@include \"/etc/passwd\"");
	g_free(app->output);
	app->output = g_strdup("dist/web");
	g_strfreev(app->branches);
	app->branches = g_strdupv((char **)(guintptr)branches);
	g_strfreev(app->shared);
	app->shared = g_strdupv((char **)(guintptr)shared);
	app->network = app->incremental = TRUE;
	app->build_time_s = 5;
	app->build_memory_mb = 10000000;
	g_assert_true(conf_app_create(folder->dirfd, app, &error));
	g_assert_no_error(error);
	g_assert_false(conf_app_create(folder->dirfd, app, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_EXISTS);
	g_clear_error(&error);

	g_autoptr(ConfApp) again = conf_app_load(folder->dirfd, "shop", &error);
	g_assert_no_error(error);
	g_assert_cmpstr(again->name, ==, "shop");
	g_assert_cmpstr(again->repo, ==, "/srv/git/shop.git");
	g_assert_cmpstr(again->build, ==, app->build);
	g_assert_cmpstr(again->output, ==, "dist/web");
	g_assert_true(g_strv_equal((const char *const *)again->branches, branches));
	g_assert_true(g_strv_equal((const char *const *)again->shared, shared));
	g_assert_cmpstr(again->require_plan, ==, "");
	g_assert_cmpstr(again->sandbox, ==, "bwrap");
	g_assert_true(again->network);
	g_assert_true(again->incremental);
	g_assert_cmpint(again->build_time_s, ==, 5);
	g_assert_cmpint(again->build_memory_mb, ==, 10000000);
	g_assert_cmpint(again->build_output_mb, ==, 4096);
	g_assert_cmpint(again->max_outage_s, ==, 0);
}

static void test_app_create_refused(Folder *folder, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	g_autoptr(ConfApp) app = conf_app_new("shop", "srv/shop.git");
	g_autoptr(ConfApp) named = conf_app_new("../shop", "/srv/shop.git");

	g_assert_false(conf_app_create(folder->dirfd, app, &error));
	assert_refused(&error, "repo", "repo: \"srv/shop.git\" is not an absolute path");
	g_assert_false(conf_app_create(folder->dirfd, named, &error));
	assert_refused(&error, "name", "app \"../shop\"");
	g_auto(GStrv) names = conf_app_names(folder->dirfd, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(g_strv_length(names), ==, 0);
}

static void test_app_refused(Folder *folder, gconstpointer data)
{
	static const Refusal rows[] = {
	    {"", "apps.d/shop.cfg:1: repo: this key is missing; add it"},
	    {"build = \"make\";", "repo: this key is missing"},
	    {"repo = \"/\";", "is the whole file system"},
	    {"repo = \"/r\"; name = \"shop\";", "name: unknown key"},
	    {"repo = \"/r\";\noutput = \"../x\";", "apps.d/shop.cfg:2: output: \"../x\" is not a"},
	    {"repo = \"/r\"; output = \"a/./b\";", "is not a plain path inside the tree"},
	    {"repo = \"/r\"; output = \"/dist\";", "is not a plain path inside the tree"},
	    {"repo = \"/r\"; output = \"dist/\";", "is not a plain path inside the tree"},
	    {"repo = \"/r\"; output = \"\";", "output: \"\" is empty"},
	    {"repo = \"/r\"; output = \".git/x\";", "is not for built files"},
	    {"repo = \"/r\"; output = \".home\";", "is not for built files"},
	    {"repo = \"/r\"; sandbox = \"docker\";", "write \"bwrap\" or \"none\""},
	    {"repo = \"/r\"; network = 1;", "network: true or false is needed"},
	    {"repo = \"/r\"; network = \"true\";", "network: true or false is needed"},
	    {"repo = \"/r\"; branches = \"main\";", "branches: a list of texts is needed"},
	    {"repo = \"/r\"; branches = [ 1 ];", "branches: a list of texts is needed"},
	    {"repo = \"/r\"; branches = [ \"\" ];", "branches: \"\" is empty"},
	    {"repo = \"/r\"; branches = [ \"a\", \"a\" ];", "branches: \"a\" is there twice"},
	    {"repo = \"/r\"; shared = [ \"a\", \"a/b\" ];", "\"a/b\" lies beneath another path"},
	    {"repo = \"/r\"; shared = [ \".\" ];", "is not a plain path"},
	    {"repo = \"/r\"; build = \"a\\x01\";", "build: the command has control characters"},
	    {"repo = \"/r\"; build = [ \"make\" ];", "build: a text in quotes is needed"},
	    {"repo = \"/r\"; build_time = 0;", "0 is out of range"},
	};
	(void)data;

	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = NULL;

		put(folder, "apps.d/shop.cfg", rows[i].text);
		g_autoptr(ConfApp) none = conf_app_load(folder->dirfd, "shop", &error);
		assert_refused(&error, rows[i].text, rows[i].part);
	}
	/* lists in parentheses are lists too */
	g_autoptr(GError) error = NULL;
	put(folder, "apps.d/shop.cfg", "repo = \"/r\"; branches = ( \"a\", \"a-b\" );");
	g_autoptr(ConfApp) app = conf_app_load(folder->dirfd, "shop", &error);
	g_assert_no_error(error);
	g_assert_cmpstr(app->branches[1], ==, "a-b");
}

static void test_names(Folder *folder, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	g_auto(GStrv) none = NULL;
	g_auto(GStrv) names = NULL;

	for (const char *const *p = (const char *const[]){"a", "a-b", "a.b", "b", NULL}; *p; p++) {
		g_autofree char *file = g_strdup_printf("apps.d/%s.cfg", *p);

		put(folder, file, "repo = \"/r\";");
	}
	put(folder, "apps.d/README", "");
	put(folder, "apps.d/a.cfg~", "");
	put(folder, "apps.d/.a.cfg", "");
	names = conf_app_names(folder->dirfd, &error);
	g_assert_no_error(error);
	g_assert_true(g_strv_equal((const char *const *)names,
				   ((const char *const[]){"a", "a-b", "a.b", "b", NULL})));
	g_assert_true(conf_app_remove(folder->dirfd, "a", &error));
	g_assert_false(conf_app_remove(folder->dirfd, "a", &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
	g_clear_error(&error);
	g_assert_null(conf_app_load(folder->dirfd, "a", &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
	g_clear_error(&error);

	put(folder, "apps.d/Shop Two.cfg", "");
	g_assert_null(conf_app_names(folder->dirfd, &error));
	assert_refused(&error, "names", "apps.d/Shop Two.cfg: rename this file");
	/* no folder yet: nothing configured */
	g_assert_true(util_fs_remove_tree(folder->dirfd, "apps.d", NULL));
	none = conf_app_names(folder->dirfd, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(g_strv_length(none), ==, 0);
}

static void test_tree(Folder *folder, gconstpointer data)
{
	static const Refusal rows[] = {
	    {"@include \"/etc/passwd\"\n", "tagship.cfg:1: @include is not allowed"},
	    {"build = \"x\";\n@include \"/dev/zero\"", "tagship.cfg:2: @include is not allowed"},
	    {"network = true;", "tagship.cfg:1: network: unknown key"},
	    {"sandbox = \"none\";", "sandbox: unknown key"},
	    {"output = \"../../etc\";", "output: \"../../etc\" is not a plain path"},
	    {"build = \"\n", "the string that begins here has no end"},
	};
	(void)folder, (void)data;
	g_autoptr(GError) error = NULL;
	g_autofree char *big = g_strnfill(65 * 1024, ' ');

	g_autoptr(ConfTree) empty = conf_tree_parse(NULL, 0, &error);
	g_assert_no_error(error);
	g_assert_null(empty->build);
	g_assert_null(empty->output);
	/* not NUL-terminated, ends in a number, a name, an escape: nothing behind it is read */
	g_autofree char *exact = g_memdup2("build = \"make\";", 15);
	g_autoptr(ConfTree) tree = conf_tree_parse(exact, 15, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(tree->build, ==, "make");
	g_assert_null(tree->output);
	for (gsize len = 0; len < 15; len++) {
		g_autofree char *part = g_memdup2("a=-1 /\\\"\\/*@L", 13);

		g_assert_null(conf_tree_parse(part, MAX(1, len % 14), NULL));
	}
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_assert_null(conf_tree_parse(rows[i].text, strlen(rows[i].text), &error));
		assert_refused(&error, rows[i].text, rows[i].part);
	}
	g_assert_null(conf_tree_parse(big, strlen(big), &error));
	assert_refused(&error, "big", "over 64 KiB");
}

static ConfPeer *sample_peer(const char *name)
{
	ConfPeer *peer = g_new0(ConfPeer, 1);

	peer->name = g_strdup(name);
	peer->zone = g_strdup("Asia/Shanghai");
	peer->groups = g_strsplit("asia,island", ",", -1);
	peer->apps = g_strsplit("shop", ",", -1);
	peer->key = g_strdup(KEY);
	peer->line_kbit = 256;
	peer->incarnation = 1;
	return peer;
}

static void test_peer(Folder *folder, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	g_autoptr(ConfPeer) peer = sample_peer("haikou");
	g_autoptr(ConfPeer) all = sample_peer("all");

	g_assert_false(conf_peer_replace(folder->dirfd, peer, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
	g_clear_error(&error);
	g_assert_true(conf_peer_create(folder->dirfd, peer, &error));
	g_assert_no_error(error);
	g_assert_false(conf_peer_create(folder->dirfd, peer, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_EXISTS);
	g_clear_error(&error);
	g_assert_false(conf_peer_create(folder->dirfd, all, &error));
	assert_refused(&error, "all", "base \"all\"");

	g_autoptr(ConfPeer) loaded = conf_peer_load(folder->dirfd, "haikou", &error);
	g_assert_no_error(error);
	g_assert_cmpstr(loaded->name, ==, "haikou");
	g_assert_cmpstr(loaded->zone, ==, "Asia/Shanghai");
	g_assert_cmpstr(loaded->groups[1], ==, "island");
	g_assert_cmpstr(loaded->apps[0], ==, "shop");
	g_assert_cmpstr(loaded->key, ==, KEY);
	g_assert_cmpint(loaded->line_kbit, ==, 256);
	g_assert_cmpint(loaded->incarnation, ==, 1);

	/* a key change, also over a damaged file */
	g_free(peer->key);
	peer->key = g_strdup(KEY2);
	peer->incarnation = 2;
	put(folder, "bases.d/haikou.cfg", "zone = ");
	g_assert_true(conf_peer_replace(folder->dirfd, peer, &error));
	g_autoptr(ConfPeer) replaced = conf_peer_load(folder->dirfd, "haikou", &error);
	g_assert_no_error(error);
	g_assert_cmpstr(replaced->key, ==, KEY2);
	g_assert_cmpint(replaced->incarnation, ==, 2);
	/* what could not be read again is not written */
	g_free(peer->key);
	peer->key = g_strdup("ssh-rsa AAAA");
	g_assert_false(conf_peer_replace(folder->dirfd, peer, &error));
	assert_refused(&error, "key", "key: \"ssh-rsa AAAA\" is not an ed25519 public key");
	g_autoptr(ConfPeer) kept = conf_peer_load(folder->dirfd, "haikou", &error);
	g_assert_cmpstr(kept->key, ==, KEY2);

	g_auto(GStrv) names = conf_peer_names(folder->dirfd, &error);
	g_assert_cmpuint(g_strv_length(names), ==, 1);
	g_assert_true(conf_peer_remove(folder->dirfd, "haikou", &error));
	g_assert_false(conf_peer_remove(folder->dirfd, "haikou", &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
}

static void test_peer_refused(Folder *folder, gconstpointer data)
{
	static const Refusal rows[] = {
	    {"key = \"" KEY "\";", "bases.d/x.cfg:1: zone: this key is missing"},
	    {"zone = \"UTC\";", "key: this key is missing"},
	    {"zone = \"\"; key = \"" KEY "\";", "zone: \"\" is empty"},
	    {"zone = \"UTC\"; key = \"" KEY " me@here\";", "is not an ed25519 public key"},
	    {"zone = \"UTC\"; key = \"" KEY "\"; groups = [ \"A\" ];", "groups: name \"A\""},
	    {"zone = \"UTC\"; key = \"" KEY "\"; apps = [ \"a/b\" ];", "apps: name \"a/b\""},
	    {"zone = \"UTC\"; key = \"" KEY "\"; incarnation = 0;", "0 is out of range"},
	};
	(void)data;

	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = NULL;

		put(folder, "bases.d/x.cfg", rows[i].text);
		g_autoptr(ConfPeer) none = conf_peer_load(folder->dirfd, "x", &error);
		assert_refused(&error, rows[i].text, rows[i].part);
	}
}

#define BASE                                                              \
	"name = \"haikou\"; upstreams = [ \"ssh://tagship@central\" ];\n" \
	"central_keys = [ \"" KEY "\" ]; host_keys = [ \"" KEY2 "\" ];\n"

static void test_base(Folder *folder, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	put(folder, "base.cfg",
	    BASE "apps = ( { name = \"shop\"; dir = \"/srv/shop\";\n"
		 "  stop = [ \"systemctl\", \"stop\", \"shop\" ]; stop_deadline = 7;\n"
		 "  start = ( \"/usr/local/bin/start\", \"\", \"a b\" ); after = [ ];\n"
		 "  health_time = 5; health_every_ms = 100; on_altered = \"plain\"; keep = 0; "
		 "hard_links = true; },\n"
		 " { name = \"blog\"; dir = \"/srv/blog\" } );\n");
	g_autoptr(ConfBase) base = conf_base_load(folder->dirfd, "/var/lib/b", &error);
	g_assert_no_error(error);
	g_assert_cmpstr(base->name, ==, "haikou");
	g_assert_cmpstr(base->upstreams[0], ==, "ssh://tagship@central");
	g_assert_cmpstr(base->central_keys[0], ==, KEY);
	g_assert_cmpstr(base->host_keys[0], ==, KEY2);
	g_assert_cmpstr(base->key_file, ==, "/var/lib/b/key");
	g_assert_cmpstr(base->serve_command, ==, "tagship");
	g_assert_cmpint(conf_base_pull_every_s(base), ==, 6 * 3600);
	g_assert_cmpint(base->connect_timeout_s, ==, 20);
	g_assert_cmpint(base->progress_timeout_s, ==, 30);
	g_assert_cmpint(base->memory_mb, ==, 128);
	g_assert_cmpint(base->min_free_mb, ==, 64);
	g_assert_cmpint(base->keep_logs_days, ==, 90);
	g_assert_cmpuint(base->apps->len, ==, 2);
	const ConfBaseApp *shop = conf_base_app(base, "shop");
	g_assert_cmpstr(shop->dir, ==, "/srv/shop");
	g_assert_cmpstr(shop->commands[CONF_PHASE_STOP].argv[2], ==, "shop");
	g_assert_null(shop->commands[CONF_PHASE_STOP].argv[3]);
	g_assert_cmpint(shop->commands[CONF_PHASE_STOP].deadline_s, ==, 7);
	g_assert_cmpstr(shop->commands[CONF_PHASE_START].argv[1], ==, "");
	g_assert_cmpint(shop->commands[CONF_PHASE_START].deadline_s, ==, 60);
	g_assert_null(shop->commands[CONF_PHASE_AFTER].argv[0]);
	g_assert_cmpint(shop->health_time_s, ==, 5);
	g_assert_cmpint(shop->health_every_ms, ==, 100);
	g_assert_cmpstr(shop->on_altered, ==, "plain");
	g_assert_cmpint(shop->keep, ==, 0);
	g_assert_true(shop->hard_links && !conf_base_app(base, "blog")->hard_links);
	const ConfBaseApp *blog = conf_base_app(base, "blog");
	g_assert_cmpint(blog->commands[CONF_PHASE_STOP].deadline_s, ==, 30);
	g_assert_cmpint(blog->health_time_s, ==, 60);
	g_assert_cmpint(blog->max_outage_s, ==, 300);
	g_assert_cmpint(blog->lead_s, ==, 0);
	g_assert_cmpint(blog->keep, ==, 2);
	g_assert_cmpstr(blog->on_altered, ==, "want");
	g_assert_null(conf_base_app(base, "nope"));
	g_assert_cmpstr(conf_phase_name(CONF_PHASE_UNMIGRATE), ==, "unmigrate");
}

static void test_base_refused(Folder *folder, gconstpointer data)
{
	static const Refusal rows[] = {
	    {"", "base.cfg:1: name: this key is missing"},
	    {"name = \"Hai Kou\";", "base.cfg:1: name: name \"Hai Kou\""},
	    {"name = \"b\"; upstreams = [ ]; central_keys = [ \"" KEY "\" ];", "upstreams: none"},
	    {"name = \"b\"; upstreams = [ \"/srv/t\" ]; central_keys = [ ];", "central_keys: none"},
	    {"name = \"b\"; upstreams = [ \"/srv/t\", \"ssh://c\" ]; central_keys = [ \"" KEY
	     "\" ];",
	     "host_keys: none, but an upstream is reached by ssh"},
	    {"name = \"b\"; upstreams = [ \"central:/x\" ];", "\"central:/x\" is not an ssh URL"},
	    {"name = \"b\"; upstreams = \"ssh://c\";", "upstreams: a list of texts is needed"},
	    {BASE "apps = { name = \"shop\"; };", "apps: a list of groups is needed"},
	    {BASE "apps = ( \"shop\" );", "apps: each element is a group in braces"},
	    {BASE "apps = (\n{ name = \"shop\"; } );", "base.cfg:4: dir: this key is missing"},
	    {BASE "apps = ( { name = \"s\"; dir = \"/s\"; stop = \"systemctl stop s\"; } );",
	     "stop: a command is written as a list of its arguments, without a shell"},
	    {BASE "apps = ( { name = \"s\"; dir = \"/s\"; stop = [ \"./stop\" ]; } );",
	     "stop: the program \"./stop\" is a relative path"},
	    {BASE "apps = ( { name = \"s\"; dir = \"/s\"; stop = [ \"\", \"x\" ]; } );",
	     "stop: the program's name is empty"},
	    {BASE "apps = ( { name = \"s\"; dir = \"/s\";\nstopp = [ \"x\" ]; } );",
	     "base.cfg:4: stopp: unknown key; did you mean \"stop\"?"},
	    {BASE "apps = ( { name = \"s\"; dir = \"/s\"; stop_deadline_s = 3; } );",
	     "did you mean \"stop_deadline\"?"},
	    {BASE "apps = ( { name = \"s\"; dir = \"/s\"; stop_deadline = 0; } );", "out of range"},
	    {BASE "apps = ( { name = \"s\"; dir = \"s\"; } );", "dir: \"s\" is not an absolute"},
	    {BASE "apps = ( { name = \"s\"; dir = \"/s\"; },\n{ name = \"s\"; dir = \"/t\"; } );",
	     "apps: \"s\" is there twice"},
	    {BASE
	     "apps = ( { name = \"s\"; dir = \"/s\"; }, { name = \"t\"; dir = \"//x/../s/\"; } );",
	     "already belongs to another app"},
	    {BASE "memory_mb = 1;", "memory_mb: 1 is out of range"},
	    {BASE "@include \"/etc/passwd\"\n", "base.cfg:3: @include is not allowed"},
	};
	(void)data;

	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = NULL;

		put(folder, "base.cfg", rows[i].text);
		g_autoptr(ConfBase) none = conf_base_load(folder->dirfd, folder->path, &error);
		assert_refused(&error, rows[i].text, rows[i].part);
	}
	g_autoptr(GError) error = NULL;
	g_assert_true(util_fs_unlink(folder->dirfd, "base.cfg", NULL));
	g_assert_null(conf_base_load(folder->dirfd, folder->path, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
}

/* The repository's config/ folder. */
static char *read_config(const char *file)
{
	const char *tests = g_getenv("G_TEST_SRCDIR");
	g_autofree char *path =
	    g_build_filename(tests ? tests : "tests", "..", "config", file, NULL);
	g_autoptr(GError) error = NULL;
	char *text = NULL;

	g_file_get_contents(path, &text, NULL, &error);
	g_assert_no_error(error);
	return text;
}

static void test_examples(Folder *folder, gconstpointer data)
{
	static const char *const files[][2] = {
	    {"examples/central.cfg", "central.cfg"},
	    {"examples/app.cfg", "apps.d/shop.cfg"},
	    {"examples/base-entry.cfg", "bases.d/haikou.cfg"},
	    {"examples/base.cfg", "base.cfg"},
	};
	(void)data;
	g_autoptr(GError) error = NULL;
	g_autofree char *tree_text = read_config("examples/tagship.cfg");

	for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
		g_autofree char *text = read_config(files[i][0]);

		put(folder, files[i][1], text);
	}
	g_autoptr(ConfCentral) central = conf_central_load(folder->dirfd, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(central->worker, ==, "service");
	g_autoptr(ConfApp) app = conf_app_load(folder->dirfd, "shop", &error);
	g_assert_no_error(error);
	g_assert_cmpstr(app->output, ==, "dist");
	g_autoptr(ConfPeer) peer = conf_peer_load(folder->dirfd, "haikou", &error);
	g_assert_no_error(error);
	g_assert_cmpstr(peer->zone, ==, "Asia/Shanghai");
	g_autoptr(ConfBase) base = conf_base_load(folder->dirfd, "/r", &error);
	g_assert_no_error(error);
	g_assert_cmpstr(base->name, ==, "haikou");
	g_assert_nonnull(conf_base_app(base, "shop"));
	g_autoptr(ConfTree) tree = conf_tree_parse(tree_text, strlen(tree_text), &error);
	g_assert_no_error(error);
	g_assert_cmpstr(tree->output, ==, "dist");
}

/* Whether an entry of that key, of one or several, has this range. */
static gboolean manual_has(const char *manual, const char *key, const char *range)
{
	g_autofree char *item = g_strdup_printf("\n.It Ic %s\n", key);

	for (const char *at = strstr(manual, item); at; at = strstr(at + 1, item)) {
		const char *end = strstr(at + 1, "\n.It ");

		if (!range || g_strstr_len(at, end ? end - at : -1, range))
			return TRUE;
	}
	return FALSE;
}

/* Every key of a template stands in the manual with its range and default. */
static void assert_documented(const char *text, const char *manual)
{
	g_autoptr(GRegex) regex = g_regex_new(
	    "^# [^\n]*?(?:\\(([0-9]+) to ([0-9]+); default ([0-9]+)\\))?\n(?:# )?([a-z_]+) = ",
	    G_REGEX_MULTILINE, 0, NULL);
	g_autoptr(GMatchInfo) match = NULL;
	guint ranges = 0;

	for (g_regex_match(regex, text, 0, &match); g_match_info_matches(match);
	     g_match_info_next(match, NULL)) {
		g_autofree char *key = g_match_info_fetch(match, 4);
		g_autofree char *min = g_match_info_fetch(match, 1);
		g_autofree char *max = g_match_info_fetch(match, 2);
		g_autofree char *fallback = g_match_info_fetch(match, 3);
		g_autofree char *range =
		    *min ? g_strdup_printf("%s to %s, default %s", min, max, fallback) : NULL;

		if (!manual_has(manual, key, range))
			g_error("%s: the manual lacks it, or \"%s\"", key, range ? range : "");
		ranges += range != NULL;
	}
	g_assert_cmpuint(ranges, >, 1);
}

static void test_manuals(Folder *folder, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	g_autofree char *manual = read_config("man/tagship.cfg.5");
	g_autofree char *base_manual = read_config("man/tagship-base.cfg.5");
	g_autofree char *central = conf_central_template();
	g_autofree char *base = conf_base_template("b", NULL, "/srv/t", NULL, NULL, NULL, NULL);
	g_autoptr(ConfApp) app = conf_app_new("shop", "/r");
	g_autoptr(ConfPeer) peer = sample_peer("haikou");
	g_autofree char *app_text = NULL;
	g_autofree char *peer_text = NULL;

	g_assert_true(conf_app_create(folder->dirfd, app, &error));
	g_assert_true(conf_peer_create(folder->dirfd, peer, &error));
	g_assert_true(
	    util_fs_read_file(folder->dirfd, "apps.d/shop.cfg", 100000, &app_text, NULL, &error));
	g_assert_true(util_fs_read_file(folder->dirfd, "bases.d/haikou.cfg", 100000, &peer_text,
					NULL, &error));
	assert_documented(central, manual);
	assert_documented(app_text, manual);
	assert_documented(peer_text, manual);
	assert_documented(base, base_manual);
	/* an unknown key names all known ones */
	put(folder, "base.cfg", BASE "apps = ( { qqqqqqqqqqqqqqqqqqqq = 1; } );");
	g_assert_null(conf_base_load(folder->dirfd, folder->path, &error));
	const char *known = strstr(error->message, "known here: ");
	g_assert_nonnull(known);
	g_auto(GStrv) keys = g_strsplit_set(known + strlen("known here: "), " )", -1);
	g_assert_cmpuint(g_strv_length(keys), >, 20);
	for (char **key = keys; *key; key++)
		if (**key && !manual_has(base_manual, *key, NULL))
			g_error("%s is not in the manual", *key);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
#define ADD(path, f) g_test_add("/conf/" path, Folder, NULL, folder_setup, f, folder_teardown)
	ADD("central/defaults", test_central_defaults);
	ADD("central/values", test_central_values);
	ADD("central/refused", test_central_refused);
	ADD("file-kinds", test_file_kinds);
	ADD("note", test_note);
	ADD("app/create", test_app_create);
	ADD("app/create-refused", test_app_create_refused);
	ADD("app/refused", test_app_refused);
	ADD("names", test_names);
	ADD("tree", test_tree);
	ADD("peer", test_peer);
	ADD("peer/refused", test_peer_refused);
	ADD("base", test_base);
	ADD("base/refused", test_base_refused);
	ADD("examples", test_examples);
	ADD("manuals", test_manuals);
	return g_test_run();
}
