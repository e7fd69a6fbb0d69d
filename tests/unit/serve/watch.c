/* SPDX-License-Identifier: ISC */
/* The verb "watch", and callers that want what is not theirs. */
#include "world.h"

/* ---- watch ---- */

static void head_of(const World *world, const char *base, char ret_oid[REPO_OID])
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Repo) ledger = ledger_open(world->state, base, &error);
	g_assert_true(repo_ref_get(ledger, LEDGER_ORDERS, ret_oid, &error));
}

static void test_watch(World *world, gconstpointer data)
{
	char head[REPO_OID];
	(void)data;
	/* what is there already is told at once, then each new head; orders of others are not */
	Call made = call(world, "watch -");
	g_assert_true(wire_reply_read(made.stream, NULL, NULL));
	head_of(world, "haikou", head);
	g_autofree char *first = util_stream_read_line(made.stream, 100, NULL);
	g_assert_cmpstr(first, ==, head);
	g_autoptr(Order) other = make_order("berlin", OID_B, ROOT_B);
	append(world, other);
	append_cancel(world, OID_B);
	head_of(world, "haikou", head);
	g_autofree char *second = util_stream_read_line(made.stream, 100, NULL);
	g_assert_cmpstr(second, ==, head);
	g_assert_cmpint(call_end(&made), ==, 0);
}

static void test_watch_known(World *world, gconstpointer data)
{
	char head[REPO_OID];
	(void)data;
	head_of(world, "haikou", head);
	g_autofree char *line = g_strconcat("watch ", head, NULL);
	Call made = call(world, line);
	g_assert_true(wire_reply_read(made.stream, NULL, NULL));
	append_cancel(world, OID_B);
	head_of(world, "haikou", head);
	g_autofree char *told = util_stream_read_line(made.stream, 100, NULL);
	g_assert_cmpstr(told, ==, head);
	/* whoever talks instead of listening is refused */
	g_assert_true(made.stream->write(made.stream, "x", 1, NULL));
	g_assert_cmpint(made.stream->read(made.stream, &(char){0}, 1, NULL), ==, 0);
	g_assert_cmpint(call_end(&made), ==, 10 + TS_ERROR_CORRUPT);
}

/* A base without orders yet. */
static void test_watch_first(World *world, gconstpointer data)
{
	char head[REPO_OID];
	g_autoptr(GError) error = NULL;
	(void)data;
	Call made = call_as(world, "lima", "watch -");
	g_assert_true(wire_reply_read(made.stream, NULL, NULL));
	g_autoptr(Order) order = make_order("lima", OID_A, ROOT_A);
	append(world, order);
	head_of(world, "lima", head);
	g_autofree char *told = util_stream_read_line(made.stream, 100, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(told, ==, head);
	g_assert_cmpint(call_end(&made), ==, 0);
}

/* ---- nothing of another base's, whatever is said ---- */

static void expect_refused(World *world, const char *line)
{
	g_autoptr(GError) error = NULL;
	gsize len = 0;
	Call made = call(world, line);
	(void)made.stream->shut(made.stream, NULL); /* it may have hung up by now */
	g_assert_false(wire_reply_read(made.stream, NULL, &error));
	if (!g_error_matches(error, TS_ERROR, TS_ERROR_USAGE) &&
	    !g_error_matches(error, TS_ERROR, TS_ERROR_NOT_FOUND) &&
	    !g_error_matches(error, TS_ERROR, TS_ERROR_CORRUPT))
		g_error("\"%.100s\": %s", line, error->message);
	/* and nothing comes after the reply */
	g_autofree char *rest = wire_read_all(made.stream, 1000, &len, NULL);
	g_assert_cmpuint(len, ==, 0);
	g_assert_cmpint(call_end(&made), >=, 10);
}

static void test_hostile(World *world, gconstpointer data)
{
	static const char *const verbs[] = {"get %s 0", "get %s 1", "want - %s", "want %s " ROOT_A,
					    "watch %s", "hello %s", "report %s", "give %s",
					    "%s",       "get %s",   "want %s",   "get 0 %s"};
	g_autofree char *huge = g_strnfill(1 << 20, 'a');
	const char *const arguments[] = {world->blob_other,
					 "../berlin",
					 "'",
					 "\"",
					 "--upload-pack=id",
					 "$(id)",
					 "`id`",
					 ";id",
					 "|id",
					 "&&id",
					 "a b",
					 "/etc/passwd",
					 "ledger/berlin.git",
					 "\n",
					 "\t",
					 "\x01",
					 "\\",
					 "*",
					 "~",
					 "-",
					 "HEAD",
					 "refs/heads/orders",
					 "%00",
					 "\xff\xfe",
					 "berlin",
					 huge,
					 "../bundles/x",
					 "18446744073709551616",
					 "-1",
					 "0x10",
					 "1e3",
					 "",
					 " "};
	(void)data;
	for (guint v = 0; v < G_N_ELEMENTS(verbs); v++)
		for (guint a = 0; a < G_N_ELEMENTS(arguments); a++) {
			g_auto(GStrv) parts = g_strsplit(verbs[v], "%s", 2);
			g_autofree char *line = g_strconcat(parts[0], arguments[a], parts[1], NULL);
			/* proper, and its own: "watch -", "want OLD ROOT_A" */
			gboolean own = g_str_has_suffix(line, " " ROOT_A) && a == 0;
			own = own || strcmp(arguments[a], "-") == 0;
			if (!own)
				expect_refused(world, line);
		}
	g_assert_cmpuint(count_hints(world), ==, 0);
}

/* git's own verb takes a path, as git clients send one: it changes nothing. */
static void test_hostile_paths(World *world, gconstpointer data)
{
	static const char *const paths[] = {"'%s/ledger/berlin.git'", "'../berlin.git'", "''",
					    "'--help'"};
	char own[REPO_OID], other[REPO_OID];
	(void)data;
	head_of(world, "haikou", own);
	head_of(world, "berlin", other);
	for (guint i = 0; i < G_N_ELEMENTS(paths); i++) {
		char advert[400] = "";
		g_auto(GStrv) parts = g_strsplit(paths[i], "%s", 2);
		g_autofree char *path = g_strjoinv(world->state, parts);
		g_autofree char *line = g_strconcat("git-upload-pack ", path, NULL);
		Call made = call(world, line);
		for (gsize at = 0; at < sizeof advert - 1; at++)
			if (made.stream->read(made.stream, advert + at, 1, NULL) != 1 ||
			    g_str_has_suffix(advert, "0000"))
				break;
		if (advert[0] != '0' || !strstr(advert, own)) /* refused, in git's words or ours */
			g_assert_nonnull(strstr(advert, "rror"));
		g_assert_null(strstr(advert, other));
		(void)call_end(&made); /* hung up on */
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(World *, gconstpointer);
	} tests[] = {
	    {"/serve/watch", test_watch},
	    {"/serve/watch-known", test_watch_known},
	    {"/serve/watch-first", test_watch_first},
	    {"/serve/hostile", test_hostile},
	    {"/serve/hostile-paths", test_hostile_paths},
	};
	World template;
	g_test_init(&argc, &argv, NULL);
	template_open(&template);
	for (guint i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].name, World, &template, world_open, tests[i].run, world_close);
	int status = g_test_run();
	world_close(&template, NULL);
	return status;
}
