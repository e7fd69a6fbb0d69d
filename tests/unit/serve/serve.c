/* SPDX-License-Identifier: ISC */
/* Verbs answered by a child on a socket pair, from a real STATE with real ledgers. */
#include "world.h"

/* ---- get ---- */

static char *get(const World *world, const char *sha256, guint64 offset, gint64 *ret_length)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *line = g_strdup_printf("get %s %" G_GUINT64_FORMAT, sha256, offset);
	Call made = call(world, line);
	g_assert_true(wire_reply_read(made.stream, ret_length, &error));
	char *data = g_malloc0((gsize)*ret_length + 1);
	g_assert_true(util_stream_read_full(made.stream, data, (gsize)*ret_length, &error));
	g_assert_cmpint(made.stream->read(made.stream, &(char){0}, 1, &error), ==, 0);
	g_assert_cmpint(call_end(&made), ==, 0);
	return data;
}

static void test_get(World *world, gconstpointer data)
{
	(void)data;
	gint64 length = 0;
	/* of the older revision: a download that began then still ends */
	g_autofree char *all = get(world, world->blob_a, 0, &length);
	g_assert_cmpstr(all, ==, "0123456789");
	g_autofree char *rest = get(world, world->blob_a, 7, &length);
	g_assert_cmpstr(rest, ==, "789");
	g_autofree char *none = get(world, world->blob_a, 10, &length);
	g_assert_cmpint(length, ==, 0);
	g_autofree char *big = get(world, world->blob_a2, 1, &length);
	g_assert_cmpint(length, ==, 199999);
	g_assert_cmpuint(strspn(big, "a"), ==, 199999);
	g_assert_cmpuint(count_hints(world), ==, 0);
	/* for status: how far it came */
	g_autofree char *note = NULL;
	g_assert_true(util_fs_read_file(world->dirfd, "sending/haikou", 4096, &note, NULL, NULL));
	g_assert_nonnull(strstr(note, "App: shop\n"));
	g_assert_nonnull(strstr(note, "From: 1\nOffset: 200000\nBytes: 200000\n"));
	g_autofree char *past = g_strdup_printf("get %s 11", world->blob_a);
	expect_error(world, "haikou", past, TS_ERROR_USAGE, "past the end");
}

static void test_get_of_others(World *world, gconstpointer data)
{
	(void)data;
	/* the file is there, another base's ledger names it */
	g_autofree char *line = g_strdup_printf("get %s 0", world->blob_other);
	expect_error(world, "haikou", line, TS_ERROR_NOT_FOUND, "no order of this base");
	char unnamed[UTIL_SHA256_HEX];
	put_blob(world, "secret", 6, unnamed);
	g_autofree char *line2 = g_strdup_printf("get %s 0", unnamed);
	expect_error(world, "haikou", line2, TS_ERROR_NOT_FOUND, "no order of this base");
	g_assert_cmpuint(count_hints(world), ==, 0);
	Call made = call_as(world, "berlin", line);
	gsize len = 0;
	g_autofree char *answer = wire_read_all(made.stream, 100, &len, NULL);
	g_assert_cmpstr(answer, ==, "ok 9\nof berlin");
	g_assert_cmpint(call_end(&made), ==, 0);
}

static void test_get_pruned(World *world, gconstpointer data)
{
	(void)data;
	expect_error(world, "haikou", "get " NO_SUCH " 0", TS_ERROR_AGAIN, "made again");
	g_autoptr(UtilTrailers) hint = only_hint(world);
	g_assert_cmpstr(util_trailers_get(hint, "Hint"), ==, "want");
	g_assert_cmpstr(util_trailers_get(hint, "Base"), ==, "haikou");
	g_assert_cmpstr(util_trailers_get(hint, "App"), ==, "shop");
	g_assert_cmpstr(util_trailers_get(hint, "Release"), ==, OID_A);
	g_assert_cmpstr(util_trailers_get(hint, "Old"), ==, "-");
	g_assert_cmpstr(util_trailers_get(hint, "New"), ==, ROOT_A);
	/* asking again does not fill the queue, but wakes the worker again */
	gboolean was_set = FALSE;
	g_assert_true(store_wake_clear(world->queue_dirfd, &was_set, NULL));
	g_assert_true(was_set);
	expect_error(world, "haikou", "get " NO_SUCH " 5", TS_ERROR_AGAIN, "made again");
	g_assert_cmpuint(count_hints(world), ==, 1);
	g_assert_true(store_wake_clear(world->queue_dirfd, &was_set, NULL));
	g_assert_true(was_set);
}

/* ---- want ---- */

static void test_want(World *world, gconstpointer data)
{
	(void)data;
	/* the newest revision covers it, and the file is there */
	Call made = call(world, "want " ROOT_OLD " " ROOT_A);
	g_autoptr(GError) error = NULL;
	gint64 length = 0;
	g_assert_true(wire_reply_read(made.stream, &length, &error));
	g_assert_cmpint(length, ==, -1);
	g_assert_cmpint(call_end(&made), ==, 0);
	g_assert_cmpuint(count_hints(world), ==, 0);
	/* covered, but the file is gone; not covered at all */
	expect_error(world, "haikou", "want - " ROOT_A, TS_ERROR_AGAIN, "from nothing to");
	g_assert_cmpuint(count_hints(world), ==, 1);
	expect_error(world, "haikou", "want " ROOT_OLD " " ROOT_B, TS_ERROR_AGAIN, "is being made");
	expect_error(world, "haikou", "want " ROOT_OLD " " ROOT_B, TS_ERROR_AGAIN, "is being made");
	g_assert_cmpuint(count_hints(world), ==, 2);
}

static void test_want_no(World *world, gconstpointer data)
{
	(void)data;
	expect_error(world, "haikou", "want - " NO_SUCH, TS_ERROR_NOT_FOUND, "no order");
	expect_error(world, "haikou", "want - " ROOT_C, TS_ERROR_REFUSED, "cancelled");
	expect_error(world, "haikou", "want " ROOT_A " " ROOT_A, TS_ERROR_USAGE, "the same");
	expect_error(world, "berlin", "want - " ROOT_B, TS_ERROR_NOT_FOUND, "no order");
	g_assert_cmpuint(count_hints(world), ==, 0);
}

static void test_clogged_queue(World *world, gconstpointer data)
{
	(void)data;
	for (guint i = 0; i < 1000; i++) {
		g_autofree char *name = g_strdup_printf("queue/in/%04u", i);
		g_autofree char *path = path_in(world, name);
		g_assert_true(g_file_set_contents_full(path, "Hint: tag\n", -1,
						       G_FILE_SET_CONTENTS_NONE, 0600, NULL));
	}
	expect_error(world, "haikou", "want - " ROOT_A, TS_ERROR_AGAIN, "is its worker running?");
	g_assert_cmpuint(count_hints(world), ==, 1000);
}

/* ---- report ---- */

static Report *make_report(void)
{
	Report *report = report_new();
	report->base = g_strdup("haikou");
	report->incarnation = 2;
	report->release = g_strdup(OID_A);
	report->seq = 2;
	report->app = g_strdup("shop");
	report->version = g_strdup("v2");
	report->root = g_strdup(ROOT_A);
	report->serves_root = g_strdup(ROOT_A);
	report->event = REPORT_LIVE;
	report->event_utc = NOW - 5;
	report->outage_ms = 1200;
	report->detail = g_strdup("");
	report->log_end = g_strdup("started\n");
	return report;
}

/* Sends it; central's commit, or NULL with error. */
static char *send_report(const World *world, const char *base, const char *text, gsize len,
			 const char *signature, GError **error)
{
	Call made = call_as(world, base, "report");
	char *commit = NULL;
	g_assert_true(util_stream_write_part(made.stream, text, len, NULL));
	g_assert_true(util_stream_write_part(made.stream, signature, strlen(signature), NULL));
	g_assert_true(made.stream->shut(made.stream, NULL));
	if (wire_reply_read(made.stream, NULL, error))
		commit = util_stream_read_line(made.stream, 100, error);
	g_assert_cmpint(call_end(&made) == 0, ==, commit != NULL);
	return commit;
}

static char *sign(const World *world, const char *text, const char *name_space)
{
	g_autoptr(GError) error = NULL;
	char *signature =
	    util_sshsig_sign(world->base_key_file, name_space, text, strlen(text), &error);
	g_assert_no_error(error);
	return signature;
}

static guint count_reports(const World *world)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Repo) ledger = ledger_open(world->state, "haikou", &error);
	g_autoptr(GPtrArray) reports = ledger_reports(ledger, &error);
	g_assert_no_error(error);
	return reports->len;
}

static void test_report(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	g_autoptr(Report) report = make_report();
	g_autofree char *text = report_format(report);
	g_autofree char *signature = sign(world, text, UTIL_SSHSIG_NS_REPORT);
	g_autofree char *commit =
	    send_report(world, "haikou", text, strlen(text), signature, &error);
	g_assert_no_error(error);
	g_assert_true(util_oid_hex_ok(commit));
	g_autofree char *again =
	    send_report(world, "haikou", text, strlen(text), signature, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(again, ==, commit);
	g_assert_cmpuint(count_reports(world), ==, 1);
}

static void expect_refused_report(const World *world, const char *text, const char *signature,
				  int code)
{
	g_autoptr(GError) error = NULL;
	g_assert_null(send_report(world, "haikou", text, strlen(text), signature, &error));
	g_assert_error(error, TS_ERROR, code);
	g_assert_cmpuint(count_reports(world), ==, 0);
	g_assert_cmpuint(count_hints(world), ==, 0);
}

static void test_report_forged(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(Report) report = make_report();
	g_autofree char *text = report_format(report);
	g_autofree char *good = sign(world, text, UTIL_SSHSIG_NS_REPORT);
	g_autofree char *other_space = sign(world, text, UTIL_SSHSIG_NS_GIT);
	g_autofree char *changed = g_strconcat(text, "X-More: 1\n", NULL);
	g_autofree char *by_central =
	    util_sshsig_sign(world->key, UTIL_SSHSIG_NS_REPORT, text, strlen(text), NULL);
	expect_refused_report(world, text, "", TS_ERROR_NOT_AUTHENTIC);
	expect_refused_report(world, text, "no signature\n", TS_ERROR_NOT_AUTHENTIC);
	expect_refused_report(world, text, other_space, TS_ERROR_NOT_AUTHENTIC);
	expect_refused_report(world, text, by_central, TS_ERROR_NOT_AUTHENTIC);
	expect_refused_report(world, changed, good, TS_ERROR_NOT_AUTHENTIC);
	/* signed well, but not a report, of another base, of replaced hardware */
	g_autofree char *junk_signature = sign(world, "junk\n", UTIL_SSHSIG_NS_REPORT);
	expect_refused_report(world, "junk\n", junk_signature, TS_ERROR_CORRUPT);
	g_free(report->base);
	report->base = g_strdup("berlin");
	g_autofree char *of_berlin = report_format(report);
	g_autofree char *of_berlin_signature = sign(world, of_berlin, UTIL_SSHSIG_NS_REPORT);
	expect_refused_report(world, of_berlin, of_berlin_signature, TS_ERROR_REFUSED);
	g_free(report->base);
	report->base = g_strdup("haikou");
	report->incarnation = 1;
	g_autofree char *replaced = report_format(report);
	g_autofree char *replaced_signature = sign(world, replaced, UTIL_SSHSIG_NS_REPORT);
	expect_refused_report(world, replaced, replaced_signature, TS_ERROR_REFUSED);
}

static void test_report_bad_input(World *world, gconstpointer data)
{
	(void)data;
	static const char *const inputs[] = {"",       "12\nshort",        "-1\n", "999999999\n",
					     "3\nabc", "3\nabc99999999\n", "x\n"};
	for (guint i = 0; i < G_N_ELEMENTS(inputs); i++) {
		g_autoptr(GError) error = NULL;
		Call made = call(world, "report");
		g_assert_true(util_stream_puts(made.stream, inputs[i], NULL));
		g_assert_true(made.stream->shut(made.stream, NULL));
		g_assert_false(wire_reply_read(made.stream, NULL, &error));
		g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
		g_assert_cmpint(call_end(&made), ==, 10 + TS_ERROR_CORRUPT);
	}
}

/* ---- hello ---- */

static const char *const live[] = {"shop " ROOT_OLD " v1", NULL};

static WireHelloReply *say_hello(const World *world, const char *base, const char *name,
				 gint64 incarnation, const char *head, GError **error)
{
	g_autofree char *own_name = g_strdup(name);
	g_auto(GStrv) live_lines = g_strdupv((char **)(gsize)live);
	WireHello hello = {.software = (char[]){"tagship 9"},
			   .base = own_name,
			   .incarnation = incarnation,
			   .formats = (char[]){"order=1"},
			   .codecs = (char[]){"plain delta"},
			   .memory_bytes = 1024,
			   .now_utc = NOW + 7,
			   .live = live_lines};
	g_strlcpy(hello.head, head, sizeof hello.head);
	g_autofree char *text = wire_hello_format(&hello);
	Call made = call_as(world, base, "hello");
	WireHelloReply *reply = NULL;
	gint64 length = 0;
	g_assert_true(util_stream_puts(made.stream, text, NULL));
	g_assert_true(made.stream->shut(made.stream, NULL));
	if (wire_reply_read(made.stream, &length, error)) {
		g_autofree char *answer = g_malloc((gsize)length);
		g_assert_true(util_stream_read_full(made.stream, answer, (gsize)length, NULL));
		reply = wire_hello_reply_parse(answer, (gsize)length, error);
	}
	g_assert_cmpint(call_end(&made) == 0, ==, reply != NULL);
	return reply;
}

static UtilTrailers *read_contact(const World *world, const char *base)
{
	g_autofree char *path = g_strconcat("contacts/", base, NULL);
	g_autofree char *text = NULL;
	gsize len = 0;
	if (!util_fs_read_file(world->dirfd, path, 65536, &text, &len, NULL))
		return NULL;
	return util_trailers_parse(text, len, NULL);
}

static void test_hello(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	g_autoptr(Repo) ledger = ledger_open(world->state, "haikou", &error);
	char head[REPO_OID];
	g_assert_true(repo_ref_get(ledger, LEDGER_ORDERS, head, &error));
	g_autoptr(WireHelloReply) reply = say_hello(world, "haikou", "haikou", 2, "-", &error);
	g_assert_no_error(error);
	g_assert_cmpstr(reply->head, ==, head);
	g_assert_cmpstr(reply->reports_head, ==, "-");
	g_assert_cmpint(reply->now_utc, ==, NOW);
	g_autoptr(UtilTrailers) contact = read_contact(world, "haikou");
	g_assert_cmpstr(util_trailers_get(contact, "Time"), ==, "2026-12-01T02:00:00Z");
	g_assert_cmpstr(util_trailers_get(contact, "Software"), ==, "tagship 9");
	g_assert_cmpstr(util_trailers_get(contact, "Head"), ==, "-");
	g_assert_cmpstr(util_trailers_get(contact, "Clock-Offset-S"), ==, "7");
	g_assert_cmpstr(util_trailers_get(contact, "Live"), ==, live[0]);
	g_assert_null(util_trailers_get(contact, "Ahead"));
}

static void test_hello_ahead(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	g_autoptr(Repo) ledger = ledger_open(world->state, "haikou", &error);
	g_autoptr(GPtrArray) entries = ledger_entries(ledger, LEDGER_ORDERS, NULL, &error);
	const LedgerEntry *older = entries->pdata[1], *newest = entries->pdata[entries->len - 1];
	/* a head that this ledger contains */
	g_autoptr(WireHelloReply) one = say_hello(world, "haikou", "haikou", 2, older->oid, &error);
	g_autoptr(UtilTrailers) contact = read_contact(world, "haikou");
	g_assert_cmpstr(util_trailers_get(contact, "Head"), ==, older->oid);
	g_assert_null(util_trailers_get(contact, "Ahead"));
	/* one it has never seen, and one it has lost from its branch */
	g_autoptr(WireHelloReply) two = say_hello(world, "haikou", "haikou", 2, OID_A, &error);
	g_assert_nonnull(two);
	g_autoptr(UtilTrailers) contact2 = read_contact(world, "haikou");
	g_assert_cmpstr(util_trailers_get(contact2, "Ahead"), ==, "yes");
	g_assert_true(repo_ref_set(ledger, LEDGER_ORDERS, older->oid, newest->oid, &error));
	g_autoptr(WireHelloReply) three =
	    say_hello(world, "haikou", "haikou", 2, newest->oid, &error);
	g_assert_cmpstr(three->head, ==, older->oid);
	g_autoptr(UtilTrailers) contact3 = read_contact(world, "haikou");
	g_assert_cmpstr(util_trailers_get(contact3, "Ahead"), ==, "yes");
	g_assert_no_error(error);
}

static void test_hello_without_ledger(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	g_autoptr(WireHelloReply) reply = say_hello(world, "lima", "lima", 2, "-", &error);
	g_assert_no_error(error);
	g_assert_cmpstr(reply->head, ==, "-");
	g_autoptr(UtilTrailers) contact = read_contact(world, "lima");
	g_assert_nonnull(contact);
	g_autoptr(WireHelloReply) ahead = say_hello(world, "lima", "lima", 2, OID_A, &error);
	g_assert_nonnull(ahead);
	g_autoptr(UtilTrailers) contact2 = read_contact(world, "lima");
	g_assert_cmpstr(util_trailers_get(contact2, "Ahead"), ==, "yes");
}

static void test_hello_no(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	g_assert_null(say_hello(world, "haikou", "berlin", 2, "-", &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
	g_clear_error(&error);
	g_assert_null(say_hello(world, "haikou", "haikou", 1, "-", &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
	g_assert_null(read_contact(world, "haikou"));
	g_assert_null(read_contact(world, "berlin"));
	expect_error(world, "haikou", "hello", TS_ERROR_CORRUPT, "Tagship-Hello");
	Call made = call(world, "hello");
	g_autofree char *flood = g_strnfill(200000, 'x');
	(void)util_stream_puts(made.stream, flood, NULL); /* may not all be taken */
	(void)made.stream->shut(made.stream, NULL);
	g_clear_error(&error);
	g_assert_false(wire_reply_read(made.stream, NULL, &error));
	(void)call_end(&made);
}

/* ---- the ledger by git ---- */

static UtilStream *connect_call(const char *service, gpointer user_data, GError **error)
{
	(void)error;
	g_assert_cmpstr(service, ==, "git-upload-pack");
	return g_steal_pointer(&((Call *)user_data)->stream);
}

static gboolean fetch(const World *world, const char *base, const char *refspec, Repo **ret_mirror,
		      int *ret_status, GError **error)
{
	g_autofree char *name = g_strconcat("mirror-", base, ".git", NULL);
	g_autofree char *path = path_in(world, name);
	Call made = call_as(world, base, "git-upload-pack '/../berlin.git'");
	RepoFetchSpec spec = {.connect = connect_call,
			      .user_data = &made,
			      .refspec = refspec,
			      .max_pack_bytes = 1024 * 1024};
	*ret_mirror = repo_create(path, NULL);
	gboolean ok = repo_fetch(*ret_mirror, &spec, error);
	*ret_status = call_end(&made);
	return ok;
}

static void test_upload_pack(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	g_autoptr(Repo) ledger = ledger_open(world->state, "haikou", &error);
	g_autoptr(Repo) mirror = NULL;
	char head[REPO_OID], seen[REPO_OID];
	int status = 0;
	g_assert_true(repo_ref_get(ledger, LEDGER_ORDERS, head, &error));
	/* refs that are none of a base's business */
	g_assert_true(repo_ref_set(ledger, "refs/heads/secret", head, REPO_ZERO, &error));
	g_assert_true(repo_ref_set(ledger, "refs/tagship/inner", head, REPO_ZERO, &error));
	g_assert_true(fetch(world, "haikou", "+refs/*:refs/got/*", &mirror, &status, &error));
	g_assert_no_error(error);
	g_autoptr(GPtrArray) refs = repo_ref_list(mirror, "refs/got/", &error);
	g_assert_cmpuint(refs->len, ==, 1);
	g_assert_cmpstr(((RepoRef *)refs->pdata[0])->name, ==, "refs/got/heads/orders");
	g_assert_true(repo_ref_get(mirror, "refs/got/heads/orders", seen, &error));
	g_assert_cmpstr(seen, ==, head);
	const char *keys[] = {NULL, NULL};
	g_autofree char *key = util_sshsig_public_key(world->key, &error);
	keys[0] = key;
	g_assert_true(ledger_verify_by(mirror, seen, "", "haikou", keys, &error));
	g_assert_no_error(error);
}

static void test_upload_pack_without_ledger(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	g_autoptr(Repo) mirror = NULL;
	int status = 0;
	g_assert_false(
	    fetch(world, "lima", "+refs/heads/orders:refs/got/orders", &mirror, &status, &error));
	g_assert_cmpint(status, ==, 10 + TS_ERROR_NOT_FOUND);
	g_test_message("%s", error->message);
	/* our words reach the base in git's own form */
	Call made = call_as(world, "lima", "git-upload-pack");
	char size[5] = "";
	g_assert_true(util_stream_read_full(made.stream, size, 4, NULL));
	gsize len = 0;
	g_autofree char *rest = wire_read_all(made.stream, 2000, &len, NULL);
	g_assert_true(g_str_has_prefix(rest, "ERR "));
	g_assert_cmpuint(g_ascii_strtoull(size, NULL, 16), ==, len + 4);
	(void)call_end(&made);
}

/* ---- everything else ---- */

static void test_refused_lines(World *world, gconstpointer data)
{
	(void)data;
	static const char *const lines[] = {
	    "",
	    "sh -c id",
	    "get ../../central-key 0",
	    "get " NO_SUCH " -1",
	    "want 'x' y",
	    "hello; id",
	    "git-receive-pack 'x'",
	    "git-upload-archive 'x'",
	    "git-upload-pack x",
	    "--help",
	    "report\n",
	};
	for (guint i = 0; i < G_N_ELEMENTS(lines); i++)
		expect_error(world, "haikou", lines[i], TS_ERROR_USAGE, "");
	g_autofree char *long_line = g_strnfill(100000, 'a');
	expect_error(world, "haikou", long_line, TS_ERROR_USAGE, "512");
	expect_error(world, "haikou", "watch HEAD", TS_ERROR_USAGE, "");
	expect_error(world, "../haikou", "hello", TS_ERROR_USAGE, "base");
	expect_error(world, "lima", "want - " ROOT_A, TS_ERROR_NOT_FOUND, "");
	g_assert_cmpuint(count_hints(world), ==, 0);
}

static void test_caller_goes_away(World *world, gconstpointer data)
{
	(void)data;
	g_autofree char *line = g_strdup_printf("get %s 0", world->blob_a2);
	Call made = call(world, line);
	g_assert_true(wire_reply_read(made.stream, NULL, NULL));
	/* closing early ends the other side with an error, not with a signal */
	g_assert_cmpint(call_end(&made), >=, 10);
}

/* Each peer gets words in its own protocol. */
static void test_refuse(World *world, gconstpointer data)
{
	static const struct {
		const char *verb, *says;
	} rows[] = {{"hello", "error no-space full\n"},
		    {"git-upload-pack 'ledger'", "000cERR full"},
		    {"no verb", "error no-space full\n"}};
	(void)world;
	(void)data;
	g_autoptr(GError) full = g_error_new_literal(TS_ERROR, TS_ERROR_NO_SPACE, "full");
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GByteArray) said = g_byte_array_new();
		g_autoptr(UtilStream) stream = util_stream_over_memory(NULL, 0, said);
		serve_refuse(rows[i].verb, stream, full);
		g_autofree char *text = g_strndup((char *)said->data, said->len);
		g_assert_cmpstr(text, ==, rows[i].says);
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(World *, gconstpointer);
	} tests[] = {
	    {"/serve/get", test_get},
	    {"/serve/get-of-others", test_get_of_others},
	    {"/serve/get-pruned", test_get_pruned},
	    {"/serve/want", test_want},
	    {"/serve/want-no", test_want_no},
	    {"/serve/clogged-queue", test_clogged_queue},
	    {"/serve/report", test_report},
	    {"/serve/report-forged", test_report_forged},
	    {"/serve/report-bad-input", test_report_bad_input},
	    {"/serve/hello", test_hello},
	    {"/serve/hello-ahead", test_hello_ahead},
	    {"/serve/hello-without-ledger", test_hello_without_ledger},
	    {"/serve/hello-no", test_hello_no},
	    {"/serve/upload-pack", test_upload_pack},
	    {"/serve/upload-pack-without-ledger", test_upload_pack_without_ledger},
	    {"/serve/refuse", test_refuse},
	    {"/serve/refused-lines", test_refused_lines},
	    {"/serve/caller-goes-away", test_caller_goes_away},
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
