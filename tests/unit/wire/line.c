/* SPDX-License-Identifier: ISC */
/* The same calls over both kinds of line: a child on a socket pair, and a real sshd. */
#include "line.h"

typedef enum { LOCAL, SSH } Transport;

static Place place;

typedef struct {
	Transport transport;
	char *url;
	const char *host_keys[3];
	WirePeer peer;
	WireSession *session;
} Line;

static gboolean line_open(Line *line, gconstpointer data, gint64 progress_s)
{
	g_autoptr(GError) error = NULL;
	*line = (Line){.transport = GPOINTER_TO_INT(data)};
	if (line->transport == SSH && !place.sshd) {
		g_test_skip("no sshd here");
		return FALSE;
	}
	line->url = line->transport == LOCAL
			? g_strdup(place.state)
			: g_strdup_printf("ssh://%s@127.0.0.1:%u", g_get_user_name(), place.port);
	line->host_keys[0] = place.other_key; /* a second one, as while rotating */
	line->host_keys[1] = place.host_key;
	line->peer = (WirePeer){.url = line->url,
				.base_name = BASE,
				.host_keys = line->host_keys,
				.key_file = place.key_file,
				.serve_command = place.self,
				.connect_timeout_s = 15,
				.progress_timeout_s = progress_s};
	line->session = wire_connect(&line->peer, &error);
	g_assert_no_error(error);
	return TRUE;
}

static void line_close(Line *line)
{
	gint64 began = g_get_monotonic_time();
	wire_disconnect(line->session);
	g_assert_cmpfloat(since(began), <, 3.5);
	g_free(line->url);
}

static WireCall *line_call(Line *line, const char *mode)
{
	g_autoptr(GError) error = NULL;
	place_mode(&place, mode);
	WireCall *call = wire_call(line->session, "report", &error);
	g_assert_no_error(error);
	return call;
}

static void test_echo(gconstpointer data)
{
	Line line;
	g_autoptr(GError) error = NULL;
	if (!line_open(&line, data, 15))
		return;
	for (gsize size = 0; size <= 300000; size += 100000) { /* several calls on one session */
		WireCall *call = line_call(&line, "echo");
		UtilStream *stream = wire_call_stream(call);
		g_autofree char *sent = g_malloc(size + 1);
		g_autofree char *got = g_malloc(size + 1);
		gint64 length = 0;
		for (gsize i = 0; i < size; i++)
			sent[i] = (char)(i * 7 + i / 251);
		g_assert_true(stream->write(stream, sent, size, &error));
		g_assert_true(stream->shut(stream, &error));
		g_assert_true(wire_reply_read(stream, &length, &error));
		g_assert_cmpint(length, ==, size);
		g_assert_true(util_stream_read_full(stream, got, size, &error));
		g_assert_cmpmem(sent, size, got, size);
		g_assert_true(wire_call_finish(call, &error));
		g_assert_no_error(error);
	}
	guint64 in = 0, out = 0;
	wire_session_bytes(line.session, &in, &out);
	g_assert_cmpuint(out, ==, 600000);
	g_assert_cmpuint(in, >, 600000);
	line_close(&line);
}

static void test_verb_and_environment(gconstpointer data)
{
	Line line;
	g_autoptr(GError) error = NULL;
	if (!line_open(&line, data, 15))
		return;
	place_mode(&place, "verb");
	WireCall *call = wire_call(line.session, "git-upload-pack", &error);
	g_autofree char *verb = util_stream_read_line(wire_call_stream(call), 100, &error);
	g_assert_cmpstr(verb, ==, "git-upload-pack");
	g_assert_true(wire_call_finish(call, &error));
	g_setenv("TAGSHIP_SECRET", "x", TRUE);
	call = line_call(&line, "env");
	gsize len = 0;
	g_autofree char *env = wire_read_all(wire_call_stream(call), 100000, &len, &error);
	g_assert_no_error(error);
	g_assert_nonnull(strstr(env, "SSH_ORIGINAL_COMMAND=report\n"));
	g_assert_nonnull(strstr(env, "HOME=/"));
	g_assert_null(strstr(env, "TAGSHIP_SECRET"));
	g_assert_true(wire_call_finish(call, &error));
	g_assert_null(wire_call(line.session, "sh -c id", &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_USAGE);
	g_assert_true(wire_session_usable(line.session));
	line_close(&line);
}

static void test_big(gconstpointer data)
{
	Line line;
	g_autoptr(GError) error = NULL;
	if (!line_open(&line, data, 15))
		return;
	WireCall *call = line_call(&line, "big");
	gint64 length = 0;
	g_assert_true(wire_reply_read(wire_call_stream(call), &length, &error));
	g_assert_cmpint(length, ==, BIG_BYTES);
	g_autofree char *all = g_malloc(BIG_BYTES);
	g_assert_true(util_stream_read_full(wire_call_stream(call), all, BIG_BYTES, &error));
	for (gsize i = 0; i < BIG_BYTES; i++)
		g_assert_true(all[i] == 'y');
	g_assert_cmpint(wire_call_stream(call)->read(wire_call_stream(call), all, 1, &error), ==,
			0);
	g_assert_true(wire_call_finish(call, &error));
	line_close(&line);
}

/* Calls that fail: what the reader is told, and how soon. */
typedef struct {
	const char *mode;
	gint64 progress_s;
	gint64 want_bytes; /* read after the reply */
	gboolean reply;    /* whether one comes */
	int code;
	const char *says;
	gboolean usable;     /* the session afterwards */
	gboolean local_only; /* sshd shows it as one of the others */
} Failure;

static const Failure failures[] = {
    {"hang", 1, 0, FALSE, TS_ERROR_AGAIN, "no byte could be read for 1 s", FALSE, FALSE},
    {"stall", 1, 100000, TRUE, TS_ERROR_AGAIN, "no byte could be read for 1 s", FALSE, FALSE},
    {"flood-for-ever", 1, 0, FALSE, TS_ERROR_AGAIN, "no byte could be read for 1 s", FALSE, TRUE},
    {"flood-fail", 15, 0, FALSE, TS_ERROR_FAILED, "f|the last words", TRUE, FALSE},
    {"no-disk", 15, 0, FALSE, TS_ERROR_AGAIN, "ended with status 5: no disk\\x1b[31m", TRUE, FALSE},
    {"killed", 15, 0, FALSE, TS_ERROR_AGAIN, "ended with status", TRUE, FALSE},
    {"early", 15, 100000, TRUE, TS_ERROR_CORRUPT, "the stream ended", TRUE, FALSE},
    {"refused", 15, 0, FALSE, TS_ERROR_REFUSED, "central: not today", TRUE, FALSE},
    {"orphan", 1, 1, TRUE, TS_ERROR_AGAIN, "no byte could be read for 1 s", FALSE, TRUE},
    {"deaf", 15, 0, FALSE, TS_ERROR_FAILED, "ended with status 7 and said nothing", TRUE, FALSE},
};

static void check_failure(const Failure *row, gconstpointer data)
{
	Line line;
	g_autoptr(GError) error = NULL;
	if (!line_open(&line, data, row->progress_s))
		return;
	WireCall *call = line_call(&line, row->mode);
	gint64 began = g_get_monotonic_time();
	UtilStream *stream = wire_call_stream(call);
	gboolean ok = wire_reply_read(stream, NULL, &error);
	if (ok && row->want_bytes > 0) {
		g_autofree char *buffer = g_malloc((gsize)row->want_bytes);
		ok = util_stream_read_full(stream, buffer, (gsize)row->want_bytes, &error);
	}
	if (ok || !strstr(error->message, row->says))
		g_error("%s: %s", row->mode, ok ? "no error" : error->message);
	g_assert_error(error, TS_ERROR, row->code);
	/* the wait, one more for what came before it, and a slow machine */
	g_assert_cmpfloat(since(began), <,
			  row->progress_s < 10 ? 2.0 * (double)row->progress_s + 3 : 15);
	gint64 closing = g_get_monotonic_time();
	if (row->usable)
		(void)wire_call_finish(call, NULL);
	else
		wire_call_abort(call);
	g_assert_cmpfloat(since(closing), <, 3.5);
	g_assert_cmpint(wire_session_usable(line.session), ==, row->usable);
	if (!row->usable) {
		g_clear_error(&error);
		g_assert_null(wire_call(line.session, "report", &error));
		g_assert_error(error, TS_ERROR, TS_ERROR_AGAIN);
	}
	line_close(&line);
}

static void test_failures(gconstpointer data)
{
	for (guint i = 0; i < G_N_ELEMENTS(failures); i++)
		if (!failures[i].local_only || GPOINTER_TO_INT(data) == LOCAL)
			check_failure(&failures[i], data);
}

static void test_flood_is_no_harm(gconstpointer data)
{
	Line line;
	g_autoptr(GError) error = NULL;
	if (!line_open(&line, data, 15))
		return;
	WireCall *call = line_call(&line, "flood-ok");
	g_assert_true(wire_reply_read(wire_call_stream(call), NULL, &error));
	g_assert_true(wire_call_finish(call, &error));
	g_assert_no_error(error);
	line_close(&line);
}

static void test_finish_tells(gconstpointer data)
{
	Line line;
	g_autoptr(GError) error = NULL;
	if (!line_open(&line, data, 15))
		return;
	/* a status alone, and more than was asked for, are errors of finish */
	g_assert_false(wire_call_finish(line_call(&line, "no-disk"), &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_AGAIN);
	g_clear_error(&error);
	g_assert_false(wire_call_finish(line_call(&line, "more"), &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	g_assert_nonnull(strstr(error->message, "more came"));
	line_close(&line);
}

static void test_write_to_the_deaf(gconstpointer data)
{
	Line line;
	g_autoptr(GError) error = NULL;
	if (!line_open(&line, data, 3))
		return;
	WireCall *call = line_call(&line, "deaf");
	UtilStream *stream = wire_call_stream(call);
	g_autofree char *much = g_malloc0(8 * 1024 * 1024);
	g_assert_false(stream->write(stream, much, 8 * 1024 * 1024, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_AGAIN);
	g_assert_nonnull(strstr(error->message, "ended the call early"));
	/* the call is over, the line is not */
	g_assert_true(wire_session_usable(line.session));
	g_clear_error(&error);
	g_assert_false(wire_call_finish(call, &error));
	g_assert_nonnull(strstr(error->message, "status 7"));
	g_clear_error(&error);
	call = line_call(&line, "verb");
	g_assert_true(wire_call_finish(call, &error));
	g_assert_no_error(error);
	line_close(&line);
}

static void test_abort_in_mid_stream(gconstpointer data)
{
	Line line;
	g_autoptr(GError) error = NULL;
	if (!line_open(&line, data, 15))
		return;
	WireCall *call = line_call(&line, "big");
	g_assert_true(wire_reply_read(wire_call_stream(call), NULL, &error));
	gint64 began = g_get_monotonic_time();
	wire_call_abort(call);
	/* a disconnect closes an open call too */
	if (wire_session_usable(line.session))
		(void)line_call(&line, "hang");
	line_close(&line);
	g_assert_cmpfloat(since(began), <, 8);
}

static void add(const char *name, GTestDataFunc test)
{
	g_autofree char *local = g_strconcat("/wire/local/", name, NULL);
	g_autofree char *ssh = g_strconcat("/wire/ssh/", name, NULL);
	g_test_add_data_func(local, GINT_TO_POINTER(LOCAL), test);
	g_test_add_data_func(ssh, GINT_TO_POINTER(SSH), test);
}

int main(int argc, char **argv)
{
	fake_serve_if_asked(argc, argv);
	g_test_init(&argc, &argv, NULL);
	place_open(&place);
	(void)place_start_sshd(&place, "ed25519"); /* its tests skip without */
	add("echo", test_echo);
	add("verb", test_verb_and_environment);
	add("big", test_big);
	add("failures", test_failures);
	add("flood", test_flood_is_no_harm);
	add("finish", test_finish_tells);
	add("deaf", test_write_to_the_deaf);
	add("abort", test_abort_in_mid_stream);
	int status = g_test_run();
	place_close(&place);
	return status;
}
