/* SPDX-License-Identifier: ISC */
/*
 * libFuzzer target for everything the wire room reads from a peer. The first byte picks the
 * parser. What was accepted must come back the same when it is written and read again.
 */
#include "wire/wire.h"

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

/* A stream whose far end said exactly these bytes. */
typedef struct {
	UtilStream stream;
	const guint8 *at, *end;
} Said;

static gssize said_read(UtilStream *stream, void *buffer, gsize len, GError **error)
{
	(void)error; /* never fails */
	Said *said = (Said *)stream;
	gsize n = MIN(len, (gsize)(said->end - said->at));
	if (n > 0)
		memcpy(buffer, said->at, n);
	said->at += n;
	return (gssize)n;
}

static Said said_new(const guint8 *data, gsize size)
{
	return (Said){.stream = {.read = said_read}, .at = data, .end = data + size};
}

static void fuzz_request(const guint8 *data, gsize size)
{
	WireRequest request, again;
	if (!wire_request_parse((const char *)data, size, &request, NULL))
		return;
	g_autofree char *line = wire_request_format(&request);
	g_assert_true(wire_request_parse(line, strlen(line), &again, NULL));
	g_autofree char *line_again = wire_request_format(&again);
	g_assert_cmpstr(line, ==, line_again);
}

static void fuzz_reply(const guint8 *data, gsize size)
{
	Said said = said_new(data, size);
	g_autoptr(GError) error = NULL;
	gint64 length = -2;
	if (wire_reply_read(&said.stream, &length, &error))
		g_assert_cmpint(length, >=, -1);
	else
		g_assert_true(g_utf8_validate(error->message, -1, NULL));
}

static void fuzz_parts(const guint8 *data, gsize size)
{
	Said said = said_new(data, size);
	gsize len = 0;
	g_autofree char *one = util_stream_read_part(&said.stream, 64, &len, NULL);
	g_assert_true(!one || len <= 64);
	g_autofree char *rest = wire_read_all(&said.stream, 128, &len, NULL);
	g_assert_true(!rest || len <= 128);
}

static void fuzz_hello(const guint8 *data, gsize size)
{
	g_autoptr(WireHello) hello = wire_hello_parse((const char *)data, size, NULL);
	if (!hello)
		return;
	g_autofree char *text = wire_hello_format(hello);
	g_autoptr(WireHello) again = wire_hello_parse(text, strlen(text), NULL);
	g_assert_nonnull(again);
	g_autofree char *text_again = wire_hello_format(again);
	g_assert_cmpstr(text, ==, text_again);
}

static void fuzz_hello_reply(const guint8 *data, gsize size)
{
	g_autoptr(WireHelloReply) reply = wire_hello_reply_parse((const char *)data, size, NULL);
	if (!reply)
		return;
	g_autofree char *text = wire_hello_reply_format(reply);
	g_autoptr(WireHelloReply) again = wire_hello_reply_parse(text, strlen(text), NULL);
	g_assert_nonnull(again);
}

static void fuzz_url(const guint8 *data, gsize size)
{
	g_autofree char *url = g_strndup((const char *)data, size);
	g_autofree char *user = NULL, *host = NULL, *path = NULL;
	guint16 port = 0;
	if (wire_parse_url(url, &user, &host, &port, &path, NULL))
		g_assert_true(host[0] != '\0' && host[0] != '-' && port > 0);
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
	static void (*const targets[])(const guint8 *, gsize) = {
	    fuzz_request, fuzz_reply, fuzz_parts, fuzz_hello, fuzz_hello_reply, fuzz_url,
	};
	if (size == 0)
		return 0;
	targets[data[0] % G_N_ELEMENTS(targets)](data + 1, size - 1);
	return 0;
}
