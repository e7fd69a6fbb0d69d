/* SPDX-License-Identifier: ISC */
#include <sys/socket.h>

#include "wire/wire-private.h"

#define HEX64 "2222222222222222222222222222222222222222222222222222222222222222"
#define HEX40 "1111111111111111111111111111111111111111"

static void test_request_good(void)
{
	static const char *const lines[] = {
	    "hello",   "git-upload-pack", "want - " HEX64, "want " HEX64 " " HEX64,
	    "report",  "get " HEX64 " 0", "give",          "get " HEX64 " 9223372036854775807",
	    "watch -", "watch " HEX40,
	};
	for (guint i = 0; i < G_N_ELEMENTS(lines); i++) {
		g_autoptr(GError) error = NULL;
		WireRequest request;
		g_assert_true(wire_request_parse(lines[i], strlen(lines[i]), &request, &error));
		g_assert_no_error(error);
		g_autofree char *again = wire_request_format(&request);
		g_assert_cmpstr(again, ==, lines[i]);
	}
}

static void test_request_git_spelling(void)
{
	WireRequest request = {.verb = WIRE_GIVE};
	const char *line = "git-upload-pack '/srv/some where/../x.git'";
	g_assert_true(wire_request_parse(line, strlen(line), &request, NULL));
	g_assert_cmpint(request.verb, ==, WIRE_UPLOAD_PACK);
	static const char *const bad[] = {
	    "git-upload-pack 'a' 'b'", "git-upload-pack 'a'; id '", "git-upload-pack '",
	    "git-upload-pack 'a\nid'", "git-upload-pack a",         "git-upload-pack \"a\"",
	    "git-upload-pack 'a\\'",   "git-upload-pack  'a'",      " git-upload-pack 'a'",
	    "git-receive-pack 'a'",    "git-upload-archive 'a'",
	};
	for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(GError) error = NULL;
		g_assert_false(wire_request_parse(bad[i], strlen(bad[i]), &request, &error));
		g_assert_error(error, TS_ERROR, TS_ERROR_USAGE);
	}
}

static void test_request_bad(void)
{
	static const char *const lines[] = {
	    "",
	    " ",
	    "hello ",
	    " hello",
	    "hello x",
	    "HELLO",
	    "hello\n",
	    "hello;id",
	    "hello`id`",
	    "hello $(id)",
	    "hello|cat",
	    "hello>x",
	    "hell\303\266",
	    "get",
	    "get " HEX64,
	    "get " HEX64 "  0",
	    "get " HEX64 " -1",
	    "get " HEX64 " 00",
	    "get " HEX64 " 01",
	    "get " HEX64 " 0x1",
	    "get " HEX64 " 1 1",
	    "get " HEX64 " 9223372036854775808",
	    "get " HEX64 " 99999999999999999999999",
	    "get " HEX40 " 0",
	    "get ../../etc/passwd 0",
	    "get /etc/passwd 0",
	    "get - 0",
	    "get --help 0",
	    "want - -",
	    "want " HEX64 " -",
	    "want " HEX64,
	    "want -x " HEX64,
	    "want 222222222222222222222222222222222222222222222222222222222222222G " HEX64,
	    "want 222222222222222222222222222222222222222222222222222222222222222A " HEX64,
	    "watch",
	    "watch x",
	    "watch " HEX64,
	    "report x",
	    "upload-pack",
	    "sh -c id",
	};
	for (guint i = 0; i < G_N_ELEMENTS(lines); i++) {
		g_autoptr(GError) error = NULL;
		WireRequest request = {.verb = WIRE_WATCH, .offset = 77};
		if (wire_request_parse(lines[i], strlen(lines[i]), &request, &error))
			g_error("accepted: %s", lines[i]);
		g_assert_error(error, TS_ERROR, TS_ERROR_USAGE);
		g_assert_cmpuint(request.offset, ==, 77); /* untouched */
	}
}

static void test_request_odd_bytes(void)
{
	g_autoptr(GError) error = NULL;
	WireRequest request;
	g_assert_false(wire_request_parse("hello\0x", 7, &request, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_USAGE);
	g_clear_error(&error);
	g_autofree char *long_line = g_strnfill(1024 * 1024, 'a');
	g_assert_false(wire_request_parse(long_line, 1024 * 1024, &request, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_USAGE);
	g_clear_error(&error);
	g_autofree char *path = g_strdup_printf("git-upload-pack '%s'", long_line);
	g_assert_false(wire_request_parse(path, strlen(path), &request, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_USAGE);
	g_clear_error(&error);
	g_assert_false(wire_request_parse("wans - x", 8, &request, &error));
	g_assert_nonnull(strstr(error->message, "\"want\""));
}

typedef struct {
	UtilStream *near, *far;
} Pair;

static void pair_open(Pair *pair, gconstpointer data)
{
	(void)data;
	int fds[2];
	g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
	pair->near = util_stream_from_fds(fds[0], fds[0], 2000);
	pair->far = util_stream_from_fds(fds[1], fds[1], 2000);
}

static void pair_close(Pair *pair, gconstpointer data)
{
	(void)data;
	util_stream_free(pair->near);
	util_stream_free(pair->far);
}

static void test_reply_ok(Pair *pair, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	gint64 length = 5;
	g_assert_true(wire_reply_ok(pair->far, -1, NULL));
	g_assert_true(wire_reply_ok(pair->far, 0, NULL));
	g_assert_true(wire_reply_ok(pair->far, G_MAXINT64, NULL));
	g_assert_true(wire_reply_read(pair->near, &length, &error));
	g_assert_cmpint(length, ==, -1);
	g_assert_true(wire_reply_read(pair->near, &length, &error));
	g_assert_cmpint(length, ==, 0);
	g_assert_true(wire_reply_read(pair->near, &length, &error));
	g_assert_cmpint(length, ==, G_MAXINT64);
}

static void test_reply_errors(Pair *pair, gconstpointer data)
{
	(void)data;
	for (int code = TS_ERROR_FAILED; code <= TS_ERROR_UNSUPPORTED; code++) {
		g_autoptr(GError) sent = g_error_new(TS_ERROR, code, "first\nsecond \x1b[31m");
		g_autoptr(GError) error = NULL;
		g_assert_true(wire_reply_error(pair->far, sent, NULL));
		g_assert_false(wire_reply_read(pair->near, NULL, &error));
		g_assert_error(error, TS_ERROR, code);
		g_assert_cmpstr(error->message, ==, "central: first|second \\x1b[31m");
	}
	g_autoptr(GError) foreign = g_error_new(G_FILE_ERROR, G_FILE_ERROR_ACCES, "no");
	g_autoptr(GError) error = NULL;
	g_assert_true(wire_reply_error(pair->far, foreign, NULL));
	g_assert_false(wire_reply_read(pair->near, NULL, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_FAILED);
}

static void test_reply_long_text(Pair *pair, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	g_autoptr(GString) text = g_string_new(NULL);
	for (guint i = 0; i < 5000; i++)
		g_string_append(text, "\303\244");
	g_autoptr(GError) sent = g_error_new_literal(TS_ERROR, TS_ERROR_REFUSED, text->str);
	g_assert_true(wire_reply_error(pair->far, sent, NULL));
	g_assert_false(wire_reply_read(pair->near, NULL, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
	g_assert_true(g_utf8_validate(error->message, -1, NULL));
	g_assert_cmpuint(strlen(error->message), >, 800);
}

static void test_reply_bad(Pair *pair, gconstpointer data)
{
	(void)data;
	static const struct {
		const char *line;
		TsErrorCode code;
	} rows[] = {
	    {"ok \n", TS_ERROR_CORRUPT},
	    {"ok -1\n", TS_ERROR_CORRUPT},
	    {"ok 1x\n", TS_ERROR_CORRUPT},
	    {"ok 9223372036854775808\n", TS_ERROR_CORRUPT},
	    {"okay\n", TS_ERROR_CORRUPT},
	    {"Welcome to Debian\n", TS_ERROR_CORRUPT},
	    {"\n", TS_ERROR_CORRUPT},
	    {"error\n", TS_ERROR_CORRUPT},
	    {"error sorry dave\n", TS_ERROR_FAILED},
	    {"error again\n", TS_ERROR_AGAIN},
	};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = NULL;
		gint64 length = 0;
		g_assert_true(util_stream_puts(pair->far, rows[i].line, NULL));
		g_assert_false(wire_reply_read(pair->near, &length, &error));
		g_assert_error(error, TS_ERROR, (int)rows[i].code);
	}
	g_autoptr(GError) error = NULL;
	g_assert_true(util_stream_puts(pair->far, "ok", NULL));
	g_assert_true(pair->far->shut(pair->far, NULL));
	g_assert_false(wire_reply_read(pair->near, NULL, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	g_clear_error(&error);
	g_assert_false(wire_reply_read(pair->near, NULL, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_AGAIN);
}

static void test_parts(Pair *pair, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	gsize len = 0;
	g_assert_true(util_stream_write_part(pair->far, "a\0b", 3, NULL));
	g_assert_true(util_stream_write_part(pair->far, "", 0, NULL));
	g_autofree char *one = util_stream_read_part(pair->near, 3, &len, &error);
	g_assert_cmpmem(one, len, "a\0b", 3);
	g_autofree char *two = util_stream_read_part(pair->near, 3, &len, &error);
	g_assert_cmpuint(len, ==, 0);
	g_assert_cmpstr(two, ==, "");
	static const char *const bad[] = {"4\nabcd", "-1\n", "03\nabc",
					  "3x\n",    "\n",   "99999999999999999999\n"};
	for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
		Pair fresh;
		pair_open(&fresh, NULL);
		g_assert_true(util_stream_puts(fresh.far, bad[i], NULL));
		g_assert_null(util_stream_read_part(fresh.near, 3, &len, &error));
		g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
		g_clear_error(&error);
		pair_close(&fresh, NULL);
	}
	g_assert_true(util_stream_puts(pair->far, "3\nab", NULL));
	g_assert_true(pair->far->shut(pair->far, NULL));
	g_assert_null(util_stream_read_part(pair->near, 3, &len, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	g_clear_error(&error);
	g_assert_null(util_stream_read_part(pair->near, 3, &len, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
}

static void test_read_all(Pair *pair, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	gsize len = 0;
	g_autofree char *text = g_strnfill(9000, 'x');
	g_assert_true(util_stream_puts(pair->far, text, NULL));
	g_assert_true(pair->far->shut(pair->far, NULL));
	g_autofree char *all = wire_read_all(pair->near, 9000, &len, &error);
	g_assert_cmpuint(len, ==, 9000);
	g_assert_cmpstr(all, ==, text);
	g_autofree char *none = wire_read_all(pair->near, 0, &len, &error);
	g_assert_cmpstr(none, ==, "");
	Pair fresh;
	pair_open(&fresh, NULL);
	g_assert_true(util_stream_puts(fresh.far, text, NULL));
	g_assert_null(wire_read_all(fresh.near, 8999, &len, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	pair_close(&fresh, NULL);
}

static char *golden(const char *name, gsize *ret_len)
{
	g_autofree char *path = g_test_build_filename(G_TEST_DIST, "data", "formats", name, NULL);
	char *text = NULL;
	g_autoptr(GError) error = NULL;
	g_assert_true(g_file_get_contents(path, &text, ret_len, &error));
	return text;
}

/* Thousandths and the measured offset come back; who does not say them is read as before. */
static void test_hello_clock(void)
{
	static const char *const bad[] = {"Now-Ms: 1000\n", "Now-Ms: -1\n", "Clock-Offset-Ms: x\n"};
	gsize len = 0;
	g_autoptr(GError) error = NULL;
	g_autofree char *text = golden("hello-1.txt", &len);
	g_autoptr(WireHello) hello = wire_hello_parse(text, len, &error);
	g_assert_no_error(error);
	g_assert_cmpint(hello->now_ms, ==, 0);
	g_assert_false(hello->offset_known);
	hello->now_ms = 123;
	hello->offset_known = TRUE;
	hello->offset_ms = -2500;
	g_autofree char *said = wire_hello_format(hello);
	g_autoptr(WireHello) again = wire_hello_parse(said, strlen(said), &error);
	g_assert_no_error(error);
	g_assert_cmpint(again->now_ms, ==, 123);
	g_assert_true(again->offset_known);
	g_assert_cmpint(again->offset_ms, ==, -2500);
	for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autofree char *wrong = g_strconcat(text, bad[i], NULL);
		g_assert_null(wire_hello_parse(wrong, strlen(wrong), &error));
		g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
		g_clear_error(&error);
	}
	WireHelloReply reply = {.software = (char[]){"x"}, .now_utc = 1796090400, .now_ms = 7};
	g_strlcpy(reply.head, "-", sizeof reply.head);
	g_strlcpy(reply.reports_head, "-", sizeof reply.reports_head);
	g_autofree char *answer = wire_hello_reply_format(&reply);
	g_autoptr(WireHelloReply) heard = wire_hello_reply_parse(answer, strlen(answer), &error);
	g_assert_no_error(error);
	g_assert_cmpint(heard->now_ms, ==, 7);
}

static void test_hello_reported(void)
{
	gsize len = 0;
	g_autoptr(GError) error = NULL;
	g_autofree char *text = golden("hello-1.txt", &len);
	g_autoptr(WireHello) hello = wire_hello_parse(text, len, &error);
	g_assert_no_error(error);
	g_assert_null(hello->reported[0]);
	g_autoptr(GString) more = g_string_new(text);
	for (guint i = 0; i < WIRE_HELLO_REPORTED_MAX; i++)
		g_string_append_printf(more, "Reported: %040u\n", i);
	g_autoptr(WireHello) all = wire_hello_parse(more->str, more->len, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(g_strv_length(all->reported), ==, WIRE_HELLO_REPORTED_MAX);
	g_autofree char *said = wire_hello_format(all);
	g_autoptr(WireHello) again = wire_hello_parse(said, strlen(said), &error);
	g_assert_no_error(error);
	g_assert_true(
	    g_strv_equal((const char *const *)again->reported, (const char *const *)all->reported));
	g_string_append_printf(more, "Reported: %040u\n", 99);
	g_assert_null(wire_hello_parse(more->str, more->len, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	g_clear_error(&error);
	g_autofree char *wrong = g_strconcat(text, "Reported: -\n", NULL);
	g_assert_null(wire_hello_parse(wrong, strlen(wrong), &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	g_clear_error(&error);
	WireHelloReply reply = {.software = (char[]){"x"}, .head = "-", .reports_head = "-"};
	for (guint lost = 0; lost < 2; lost++) {
		reply.reports_lost = lost > 0;
		g_autofree char *answer = wire_hello_reply_format(&reply);
		g_autoptr(WireHelloReply) heard =
		    wire_hello_reply_parse(answer, strlen(answer), &error);
		g_assert_no_error(error);
		g_assert_cmpint(heard->reports_lost, ==, reply.reports_lost);
	}
}

static void test_hello_golden(void)
{
	g_autoptr(GError) error = NULL;
	gsize len = 0;
	g_autofree char *text = golden("hello-1.txt", &len);
	g_autoptr(WireHello) hello = wire_hello_parse(text, len, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(hello->base, ==, "haikou");
	g_assert_cmpint(hello->incarnation, ==, 1);
	g_assert_cmpuint(hello->memory_bytes, ==, 134217728);
	g_assert_cmpint(hello->now_utc, ==, 1796090400);
	g_assert_cmpstr(hello->live[0], ==, "shop " HEX64 " v1.4.0");
	g_assert_cmpstr(hello->held[0], ==, "blog disk is being replaced");
	g_assert_null(hello->live[1]);
	g_autofree char *again = wire_hello_format(hello);
	g_assert_cmpstr(again, ==, text);
	g_autofree char *reply_text = golden("hello-reply-1.txt", &len);
	g_autoptr(WireHelloReply) reply = wire_hello_reply_parse(reply_text, len, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(reply->reports_head, ==, "-");
	g_autofree char *reply_again = wire_hello_reply_format(reply);
	g_assert_cmpstr(reply_again, ==, reply_text);
}

/* With what a base says of itself since there is a watch; one from before said none of it. */
static void test_hello_golden_line(void)
{
	g_autoptr(GError) error = NULL;
	gsize len = 0;
	g_autofree char *text = golden("hello-1-line.txt", &len);
	g_autoptr(WireHello) hello = wire_hello_parse(text, len, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(hello->formats, ==, "order=1 report=1 manifest=1 plain=1 delta=2");
	g_assert_cmpstr(hello->zlib, ==, "03909860");
	g_assert_cmpstr(hello->features, ==, "landlock=7 openat2 reflink");
	g_assert_cmpint(hello->line_kbit, ==, 978);
	g_assert_cmpint(hello->line_rtt_ms, ==, 350);
	g_autofree char *again = wire_hello_format(hello);
	g_assert_cmpstr(again, ==, text);
	g_autofree char *old_text = golden("hello-1.txt", &len);
	g_autoptr(WireHello) old = wire_hello_parse(old_text, len, &error);
	g_assert_null(old->zlib);
	g_assert_null(old->features);
	g_assert_cmpint(old->line_kbit, ==, 0);
}

/* The golden hello with one line replaced by another (or by nothing). */
static void check_changed(const char *old_line, const char *new_line, int code)
{
	gsize len = 0;
	g_autoptr(GError) error = NULL;
	g_autofree char *text = golden("hello-1.txt", &len);
	g_auto(GStrv) parts = g_strsplit(text, old_line, 2);
	g_assert_nonnull(parts[1]);
	g_autofree char *changed = g_strconcat(parts[0], new_line, parts[1], NULL);
	g_autoptr(WireHello) hello = wire_hello_parse(changed, strlen(changed), &error);
	if (code < 0) {
		g_assert_no_error(error);
		return;
	}
	if (hello)
		g_error("accepted: %s", new_line);
	g_assert_error(error, TS_ERROR, code);
}

static void test_hello_changed(void)
{
	static const char live[] = "Live: shop " HEX64 " v1.4.0\n";
	check_changed("Now:", "Knows-More: yes\nNow:", -1); /* a newer base */
	check_changed(live, "", -1);
	check_changed(live, "Live: shop " HEX64 " v1.4.0\nLive: blog " HEX64 " v1\n", -1);
	check_changed("Tagship-Hello: 1", "Tagship-Hello: 2", TS_ERROR_UNSUPPORTED);
	check_changed("Tagship-Hello: 1", "Tagship-Hallo: 1", TS_ERROR_CORRUPT);
	check_changed("Now:", "Line-Kbit: 0\nNow:", TS_ERROR_CORRUPT);
	check_changed("Now:", "Line-Rtt-Ms: -1\nNow:", TS_ERROR_CORRUPT);
	check_changed("Base: haikou\n", "", TS_ERROR_CORRUPT);
	check_changed("Base: haikou", "Base: ../haikou", TS_ERROR_USAGE);
	check_changed("Incarnation: 1", "Incarnation: 0", TS_ERROR_CORRUPT);
	check_changed("Incarnation: 1", "Incarnation: 4294967297", TS_ERROR_CORRUPT);
	check_changed("Head: 1111", "Head: 111", TS_ERROR_CORRUPT);
	check_changed("Now: 2026-12-01T02:00:00Z", "Now: soon", TS_ERROR_CORRUPT);
	check_changed(live, "Live: shop v1.4.0\n", TS_ERROR_CORRUPT);
	check_changed(live, "Live: ../x " HEX64 " v1\n", TS_ERROR_CORRUPT);
	check_changed(live, "Live: shop " HEX64 " v1\n 2\n", TS_ERROR_CORRUPT);
	check_changed("Held: blog disk", "Held: disk\nHeld: blog disk", -1); /* no reason */
	check_changed("Held: blog disk", "Held: Disk\nHeld: blog disk", TS_ERROR_CORRUPT);
	check_changed("Memory-Bytes: 1", "Memory-Bytes: -1", TS_ERROR_CORRUPT);
}

static void test_hello_too_many(void)
{
	g_autoptr(GString) lines = g_string_new(NULL);
	for (guint i = 0; i < WIRE_HELLO_LIST_MAX; i++)
		g_string_append(lines, "Held: blog x\n");
	g_autofree char *most = g_strconcat(lines->str, "Now:", NULL);
	g_autofree char *more = g_strconcat("Held: blog x\n", most, NULL);
	check_changed("Held: blog disk is being replaced\n", lines->str, -1);
	check_changed("Now:", most, TS_ERROR_CORRUPT); /* with the golden one it is one too many */
	check_changed("Now:", more, TS_ERROR_CORRUPT);
}

/* However much there is to tell, central takes it. */
static void test_hello_fits(void)
{
	g_autofree char *reason = g_strnfill(5000, 'r');
	g_autofree char *line = g_strconcat("shop ", reason, NULL);
	g_autofree char **lines = g_new0(char *, 1001);
	for (guint i = 0; i < 1000; i++)
		lines[i] = line;
	WireHello hello = {.software = (char[]){"s"},
			   .base = (char[]){"b"},
			   .incarnation = 1,
			   .formats = (char[]){"f"},
			   .codecs = (char[]){"c"},
			   .head = "-",
			   .held = lines};
	g_autofree char *text = wire_hello_format(&hello);
	g_assert_cmpuint(strlen(text), <=, WIRE_HELLO_MAX);
	g_autoptr(GError) error = NULL;
	g_autoptr(WireHello) back = wire_hello_parse(text, strlen(text), &error);
	g_assert_no_error(error);
	g_assert_cmpuint(g_strv_length(back->held), >, 50);
}

static void test_hello_folded_reason(void)
{
	const char *held[] = {"shop first\nsecond\tthird", NULL};
	WireHello hello = {.software = (char[]){"s"},
			   .base = (char[]){"b"},
			   .incarnation = 1,
			   .formats = (char[]){"f"},
			   .codecs = (char[]){"c"},
			   .head = "-"};
	g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
	g_strv_builder_add(builder, held[0]);
	g_auto(GStrv) lines = g_strv_builder_end(builder);
	hello.held = lines;
	g_autofree char *text = wire_hello_format(&hello);
	g_autoptr(GError) error = NULL;
	g_autoptr(WireHello) back = wire_hello_parse(text, strlen(text), &error);
	g_assert_no_error(error);
	g_assert_cmpstr(back->held[0], ==, "shop first second third");
}

static void test_url(void)
{
	static const struct {
		const char *url, *user, *host;
		guint16 port;
		const char *path;
	} rows[] = {
	    {"ssh://git@central.example", "git", "central.example", 22, NULL},
	    {"ssh://git@central.example:2222/srv/state", "git", "central.example", 2222,
	     "/srv/state"},
	    {"ssh://git@[::1]:2222", "git", "::1", 2222, NULL},
	    {"ssh://10.0.0.1/", NULL, "10.0.0.1", 22, "/"},
	};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *user = NULL, *host = NULL, *path = NULL;
		guint16 port = 0;
		g_autoptr(GError) error = NULL;
		g_assert_true(wire_parse_url(rows[i].url, &user, &host, &port, &path, &error));
		g_assert_cmpstr(user, ==, rows[i].user);
		g_assert_cmpstr(host, ==, rows[i].host);
		g_assert_cmpint(port, ==, rows[i].port);
		g_assert_cmpstr(path, ==, rows[i].path);
	}
	static const char *const bad[] = {
	    "",
	    "central",
	    "git@central:state",
	    "http://git@central",
	    "ssh://",
	    "ssh://git@",
	    "ssh://git@-oProxyCommand=id",
	    "ssh://-x@central",
	    "ssh://@central",
	    "ssh://git:secret@central",
	    "ssh://git@central:0",
	    "ssh://git@central:65536",
	    "ssh://git@central:x",
	    "ssh://git@central?x=1",
	    "ssh://git@central#x",
	    "ssh://git@cen tral",
	    "ssh://git@cen%0atral",
	    "ssh://g%20it@central",
	    "ssh://git@[::1",
	};
	for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autofree char *user = NULL, *host = NULL, *path = NULL;
		guint16 port = 0;
		g_autoptr(GError) error = NULL;
		if (wire_parse_url(bad[i], &user, &host, &port, &path, &error))
			g_error("accepted: %s", bad[i]);
		g_assert_error(error, TS_ERROR, TS_ERROR_USAGE);
	}
}

static void test_meter(void)
{
	WireMeter meter = {0};
	/* many short waits are judged together, once they make the whole time */
	for (guint i = 0; i < 14; i++)
		g_assert_true(wire_meter_add(&meter, G_USEC_PER_SEC, 0, 500));
	g_assert_false(wire_meter_add(&meter, G_USEC_PER_SEC, 7499, 500));
	g_assert_true(wire_meter_add(&meter, WIRE_METER_US, 7500, 500));
	g_assert_true(wire_meter_add(&meter, WIRE_METER_US, 500, 0));
	/* a burst does not make up for the next time */
	g_assert_true(wire_meter_add(&meter, WIRE_METER_US + 1, 1000000, 500));
	g_assert_false(wire_meter_add(&meter, WIRE_METER_US + 1, 300, 500));
	/* silence is not slow: that is what the deadline on progress is for */
	g_assert_true(wire_meter_add(&meter, WIRE_METER_US, 0, 500));
	g_assert_true(wire_meter_add(&meter, WIRE_METER_US, 200, 500));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/wire/request/good", test_request_good);
	g_test_add_func("/wire/request/git-spelling", test_request_git_spelling);
	g_test_add_func("/wire/request/bad", test_request_bad);
	g_test_add_func("/wire/request/odd-bytes", test_request_odd_bytes);
	g_test_add("/wire/reply/ok", Pair, NULL, pair_open, test_reply_ok, pair_close);
	g_test_add("/wire/reply/errors", Pair, NULL, pair_open, test_reply_errors, pair_close);
	g_test_add("/wire/reply/long", Pair, NULL, pair_open, test_reply_long_text, pair_close);
	g_test_add("/wire/reply/bad", Pair, NULL, pair_open, test_reply_bad, pair_close);
	g_test_add("/wire/parts", Pair, NULL, pair_open, test_parts, pair_close);
	g_test_add("/wire/read-all", Pair, NULL, pair_open, test_read_all, pair_close);
	g_test_add_func("/wire/hello/golden", test_hello_golden);
	g_test_add_func("/wire/hello/clock", test_hello_clock);
	g_test_add_func("/wire/hello/reported", test_hello_reported);
	g_test_add_func("/wire/hello/golden-line", test_hello_golden_line);
	g_test_add_func("/wire/hello/changed", test_hello_changed);
	g_test_add_func("/wire/hello/too-many", test_hello_too_many);
	g_test_add_func("/wire/hello/fits", test_hello_fits);
	g_test_add_func("/wire/hello/folded", test_hello_folded_reason);
	g_test_add_func("/wire/url", test_url);
	g_test_add_func("/wire/meter", test_meter);
	return g_test_run();
}
