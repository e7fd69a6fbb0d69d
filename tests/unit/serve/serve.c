/* SPDX-License-Identifier: ISC */
/* Verbs answered by a child on a socket pair, from a real STATE with real ledgers. */
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include "serve/serve.h"
#include "wire/hello.h"

#define NOW 1796090400
#define OID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define OID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define OID_C "cccccccccccccccccccccccccccccccccccccccc"
#define ROOT_OLD "0000000000000000000000000000000000000000000000000000000000000001"
#define ROOT_A "000000000000000000000000000000000000000000000000000000000000000a"
#define ROOT_B "000000000000000000000000000000000000000000000000000000000000000b"
#define ROOT_C "000000000000000000000000000000000000000000000000000000000000000c"
#define NO_SUCH "00000000000000000000000000000000000000000000000000000000000000ff"

typedef struct {
	char *state, *key, *base_key_file, *base_key;
	int dirfd, queue_dirfd, bundles_dirfd;
	UtilClock *clock;
	char blob_a[UTIL_SHA256_HEX], blob_a2[UTIL_SHA256_HEX], blob_other[UTIL_SHA256_HEX];
} World;

static char *path_in(const World *world, const char *name)
{
	return g_build_filename(world->state, name, NULL);
}

static void put_blob(World *world, const char *data, gsize len, char ret_sha256[UTIL_SHA256_HEX])
{
	g_autoptr(GError) error = NULL;
	g_autofree char *name = NULL;
	guint64 bytes = 0;
	util_autofd int fd = store_blob_new(world->bundles_dirfd, &name, &error);
	g_assert_true(util_fs_write_all(fd, data, len, &error));
	g_assert_true(store_blob_keep(world->bundles_dirfd, name, fd, ret_sha256, &bytes, &error));
	g_assert_no_error(error);
}

static Order *make_order(const char *base, const char *release, const char *root)
{
	Order *order = order_new(ORDER_KIND_ORDER);
	char **texts[] = {&order->base, &order->release, &order->root,  &order->app,
			  &order->tag,  &order->version, &order->commit};
	const char *values[] = {base, release, root, "shop", "v2", "v2", OID_C};
	for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_free(*texts[i]);
		*texts[i] = g_strdup(values[i]);
	}
	order->written_utc = NOW - 100;
	order->at_utc = NOW + 1000;
	order->grace_s = 1800;
	return order;
}

static void append(const World *world, Order *order)
{
	g_autoptr(GError) error = NULL;
	char oid[REPO_OID];
	g_autoptr(Repo) ledger = ledger_open(world->state, order->base, &error);
	g_assert_no_error(error);
	g_assert_true(ledger_append(ledger, order, NULL, world->key, oid, &error));
	g_assert_no_error(error);
}

static void append_cancel(const World *world, const char *release)
{
	g_autoptr(Order) cancel = order_new(ORDER_KIND_CANCEL);
	cancel->base = g_strdup("haikou");
	cancel->release = g_strdup(release);
	cancel->app = g_strdup("shop");
	cancel->written_utc = NOW;
	append(world, cancel);
}

/* haikou: A in two revisions (the second covers another old root too), B without bundles, C
 * cancelled. berlin: one order with a bundle of its own. */
static void fill_ledgers(World *world)
{
	g_autoptr(Order) a = make_order("haikou", OID_A, ROOT_A);
	order_add_bundle(a, ROOT_OLD, world->blob_a, 10, "delta", 100, 1024);
	append(world, a);
	g_autoptr(Order) a2 = make_order("haikou", OID_A, ROOT_A);
	order_add_bundle(a2, ROOT_OLD, world->blob_a2, 200000, "delta", 100, 1024);
	order_add_bundle(a2, "-", NO_SUCH, 77, "plain", 100, 1024);
	append(world, a2);
	g_autoptr(Order) b = make_order("haikou", OID_B, ROOT_B);
	append(world, b);
	g_autoptr(Order) c = make_order("haikou", OID_C, ROOT_C);
	append(world, c);
	append_cancel(world, OID_C);
	g_autoptr(Order) other = make_order("berlin", OID_A, ROOT_A);
	order_add_bundle(other, "-", world->blob_other, 9, "plain", 100, 1024);
	append(world, other);
}

static void open_folders(World *world)
{
	g_autoptr(GError) error = NULL;
	world->dirfd = util_fs_open_dir(AT_FDCWD, world->state, &error);
	world->queue_dirfd = util_fs_open_dir(world->dirfd, "queue", &error);
	world->bundles_dirfd = util_fs_open_dir(world->dirfd, "bundles", &error);
	g_assert_no_error(error);
}

/* Made once, because it signs a lot; each test gets a copy. */
static void template_open(World *world)
{
	static const char *const folders[] = {"ledger", "bundles", "queue"};
	static const char *const bases[] = {"haikou", "berlin"};
	g_autoptr(GError) error = NULL;
	*world = (World){.state = g_dir_make_tmp("tagship-serve-XXXXXX", NULL)};
	for (guint i = 0; i < G_N_ELEMENTS(folders); i++) {
		g_autofree char *path = path_in(world, folders[i]);
		g_assert_cmpint(g_mkdir(path, 0750), ==, 0);
	}
	open_folders(world);
	g_assert_true(store_queue_init(world->queue_dirfd, &error));
	world->key = path_in(world, "central-key");
	world->base_key_file = path_in(world, "base-key");
	g_assert_true(util_sshsig_keygen(world->key, "central", &error));
	g_assert_true(util_sshsig_keygen(world->base_key_file, "haikou", &error));
	world->base_key = util_sshsig_public_key(world->base_key_file, &error);
	g_assert_no_error(error);
	g_autofree char *big = g_strnfill(200000, 'a');
	put_blob(world, "0123456789", 10, world->blob_a);
	put_blob(world, big, 200000, world->blob_a2);
	put_blob(world, "of berlin", 9, world->blob_other);
	for (guint i = 0; i < G_N_ELEMENTS(bases); i++) {
		g_autoptr(Repo) ledger = ledger_create(world->state, bases[i], &error);
		g_assert_no_error(error);
	}
	fill_ledgers(world);
}

static void world_close(World *world, gconstpointer data)
{
	(void)data;
	close(world->queue_dirfd);
	close(world->bundles_dirfd);
	close(world->dirfd);
	g_assert_true(util_fs_remove_tree(AT_FDCWD, world->state, NULL));
	util_clock_fake_free(world->clock);
	g_free(world->state);
	g_free(world->key);
	g_free(world->base_key_file);
	g_free(world->base_key);
}

static void world_open(World *world, gconstpointer data)
{
	const World *template = data;
	g_autoptr(GError) error = NULL;
	int status = -1;
	*world = *template;
	world->state = g_strconcat(template->state, "-copy", NULL);
	const char *argv[] = {"cp", "-a", template->state, world->state, NULL};
	g_assert_true(util_child_capture(argv, NULL, NULL, 20, 4096, NULL, NULL, &status, &error));
	g_assert_cmpint(status, ==, 0);
	world->key = path_in(world, "central-key");
	world->base_key_file = path_in(world, "base-key");
	world->base_key = g_strdup(template->base_key);
	world->clock = util_clock_fake_new(NOW);
	open_folders(world);
}

/* ---- calls ---- */

typedef struct {
	UtilStream *stream;
	pid_t pid;
} Call;

static ServeSpec spec_for(const World *world, const char *base)
{
	return (ServeSpec){.state_path = world->state,
			   .base = base,
			   .base_key = world->base_key,
			   .incarnation = 2,
			   .clock = world->clock};
}

/* The sanitizer's own check at exit never runs in these children. */
static gboolean leaked(void)
{
#ifdef __SANITIZE_ADDRESS__
	return __lsan_do_recoverable_leak_check() != 0;
#else
	return FALSE;
#endif
}

static Call call_as(const World *world, const char *base, const char *verb_line)
{
	int pair[2];
	g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
	pid_t pid = fork();
	g_assert_cmpint(pid, >=, 0);
	if (pid == 0) {
		g_autoptr(GError) error = NULL;
		ServeSpec spec = spec_for(world, base);
		if (dup2(pair[1], 0) < 0 || dup2(pair[1], 1) < 0)
			_exit(90);
		close(pair[0]);
		close(pair[1]);
		UtilStream *stream = util_stream_from_fds(0, 1, 5000);
		gboolean ok = serve_verb(&spec, verb_line, stream, &error);
		util_stream_free(stream);
		_exit(leaked() ? 99 : ok ? 0 : 10 + error->code);
	}
	close(pair[1]);
	return (Call){util_stream_from_fds(pair[0], pair[0], 10000), pid};
}

static Call call(const World *world, const char *verb_line)
{
	return call_as(world, "haikou", verb_line);
}

/* Exit status: 0, or 10 + error code. */
static int call_end(Call *made)
{
	int status = 0;
	util_stream_free(made->stream);
	g_assert_cmpint(waitpid(made->pid, &status, 0), ==, made->pid);
	g_assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* The call must be answered by an error of this code. */
static void expect_error(const World *world, const char *base, const char *verb_line, int code,
			 const char *says)
{
	g_autoptr(GError) error = NULL;
	Call made = call_as(world, base, verb_line);
	g_assert_true(made.stream->shut(made.stream, NULL));
	g_assert_false(wire_reply_read(made.stream, NULL, &error));
	if (!strstr(error->message, says))
		g_error("%s: not said: \"%s\" but: %s", verb_line, says, error->message);
	g_assert_error(error, TS_ERROR, code);
	g_assert_cmpint(call_end(&made), ==, 10 + code);
}

static guint count_hints(const World *world)
{
	g_autoptr(GPtrArray) names = store_hint_list(world->queue_dirfd, NULL);
	return names->len;
}

static UtilTrailers *only_hint(const World *world)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) names = store_hint_list(world->queue_dirfd, NULL);
	g_assert_cmpuint(names->len, ==, 1);
	UtilTrailers *hint = store_hint_read(world->queue_dirfd, names->pdata[0], &error);
	g_assert_no_error(error);
	return hint;
}

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
	g_assert_true(ledger_verify(mirror, seen, "", "haikou", keys, &error));
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

static void test_caller_goes_away(World *world, gconstpointer data)
{
	(void)data;
	g_autofree char *line = g_strdup_printf("get %s 0", world->blob_a2);
	Call made = call(world, line);
	g_assert_true(wire_reply_read(made.stream, NULL, NULL));
	/* closing early ends the other side with an error, not with a signal */
	g_assert_cmpint(call_end(&made), >=, 10);
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
	    {"/serve/hostile", test_hostile},
	    {"/serve/hostile-paths", test_hostile_paths},
	    {"/serve/watch", test_watch},
	    {"/serve/watch-known", test_watch_known},
	    {"/serve/watch-first", test_watch_first},
	    {"/serve/hello", test_hello},
	    {"/serve/hello-ahead", test_hello_ahead},
	    {"/serve/hello-without-ledger", test_hello_without_ledger},
	    {"/serve/hello-no", test_hello_no},
	    {"/serve/upload-pack", test_upload_pack},
	    {"/serve/upload-pack-without-ledger", test_upload_pack_without_ledger},
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
