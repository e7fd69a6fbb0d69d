/* SPDX-License-Identifier: ISC */
/*
 * A scripted central for the tests of the mirror: this program itself, run as serve_command. It
 * answers from STATE (ledger/, bundles/), writes each verb line to STATE/log, keeps reports under
 * STATE/reports, and misbehaves as STATE/trick says:
 *
 *   cut N          get: ends after N bytes          wrong          get: other bytes
 *   wrong-once     the same, once                   short          get: offers a byte too few
 *   silent         hello: no answer                 junk           hello: not a reply
 *   refuse WORD    report: if its text has WORD     no-commit      report: "ok" alone
 *   again          want, get, report: "again"       deaf           report: refused unread
 *   old            knows no watch                   quits          watch: ends at the first news
 *   late           its clock is 8 hours behind
 *   lost           hello: lacks reports that it confirmed
 *   news           get: at the half of it central's head moves to the commit STATE/next
 */
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include "ledger/ledger.h"
#include "store/store.h"
#include "wire/wire.h"

typedef struct {
	const char *state, *base;
	int dirfd;
	UtilStream *stream;
	char *trick, *argument;
} Central;

static gboolean central_trick(const Central *central, const char *name)
{
	return g_strcmp0(central->trick, name) == 0;
}

static int central_refuse(Central *central, int code, const char *text)
{
	g_autoptr(GError) no = g_error_new_literal(TS_ERROR, code, text);
	wire_reply_error(central->stream, no, NULL);
	return 1;
}

static int central_hello(Central *central)
{
	gsize len = 0;
	char head[REPO_OID] = "-";
	g_autofree char *text = wire_read_all(central->stream, WIRE_HELLO_MAX, &len, NULL);
	if (central_trick(central, "silent"))
		sleep(30);
	if (central_trick(central, "junk"))
		return !util_stream_puts(central->stream, "Welcome!\n", NULL);
	g_assert_true(util_fs_write_file(central->dirfd, "hello", text, len, 0600, NULL));
	g_autoptr(WireHello) hello = wire_hello_parse(text, len, NULL);
	g_assert_nonnull(hello);
	g_autoptr(Repo) ledger = ledger_open(central->state, central->base, NULL);
	if (!ledger || !repo_ref_get(ledger, LEDGER_ORDERS, head, NULL))
		g_strlcpy(head, "-", sizeof head);
	WireHelloReply reply = {
	    .software = (char[]){"fake"}, .now_utc = hello->now_utc - 3, .reports_head = "-"};
	if (central_trick(central, "late"))
		reply.now_utc -= 8 * 3600;
	reply.reports_lost = central_trick(central, "lost");
	g_strlcpy(reply.head, head, sizeof reply.head);
	g_autofree char *answer = wire_hello_reply_format(&reply);
	return !wire_reply_ok(central->stream, (gint64)strlen(answer), NULL) ||
	       !util_stream_puts(central->stream, answer, NULL);
}

static int central_upload_pack(Central *central)
{
	g_autofree char *path = g_strdup_printf("%s/ledger/%s.git", central->state, central->base);
	execlp("git", "git", "upload-pack", "--strict", path, NULL);
	return 1;
}

static int central_get_with_news(Central *central, const char *data, gsize len)
{
	g_autofree char *next = NULL;
	g_autoptr(Repo) ledger = ledger_open(central->state, central->base, NULL);
	g_assert_true(util_fs_read_file(central->dirfd, "next", 100, &next, NULL, NULL));
	util_fs_unlink(central->dirfd, "trick", NULL);
	g_assert_true(central->stream->write(central->stream, data, len / 2, NULL));
	g_assert_true(repo_ref_set(ledger, LEDGER_ORDERS, next, NULL, NULL));
	g_usleep(100 * 1000); /* the watch has told it by now, or will soon */
	/* in small pieces: the base stops when it likes */
	for (gsize at = len / 2; at < len; at += 1000) {
		g_usleep(1000);
		if (!central->stream->write(central->stream, data + at, MIN(1000, len - at), NULL))
			return 1;
	}
	return 0;
}

static int central_get(Central *central, const WireRequest *request)
{
	g_autofree char *path = g_strconcat("bundles/", request->hash, NULL);
	g_autofree char *data = NULL;
	gsize len = 0;
	if (central_trick(central, "again"))
		return central_refuse(central, TS_ERROR_AGAIN, "being made");
	if (!util_fs_read_file(central->dirfd, path, 64 * 1024 * 1024, &data, &len, NULL))
		return central_refuse(central, TS_ERROR_NOT_FOUND, "no such bundle");
	if (central_trick(central, "wrong") || central_trick(central, "wrong-once"))
		memset(data, '!', len);
	if (central_trick(central, "wrong-once"))
		util_fs_unlink(central->dirfd, "trick", NULL);
	gsize rest = len - (gsize)request->offset;
	gsize send = rest;
	if (central_trick(central, "cut"))
		send = MIN(rest, (gsize)g_ascii_strtoull(central->argument, NULL, 10));
	if (central_trick(central, "short"))
		rest = send = rest - 1;
	wire_reply_ok(central->stream, (gint64)rest, NULL);
	if (central_trick(central, "news"))
		return central_get_with_news(central, data + request->offset, send);
	return !central->stream->write(central->stream, data + request->offset, send, NULL);
}

static int central_report(Central *central)
{
	gsize len = 0, signature_len = 0;
	if (central_trick(central, "deaf"))
		return central_refuse(central, TS_ERROR_REFUSED, "not heard");
	g_autofree char *text = util_stream_read_part(central->stream, WIRE_REPORT_MAX, &len, NULL);
	g_autofree char *signature =
	    util_stream_read_part(central->stream, WIRE_SIGNATURE_MAX, &signature_len, NULL);
	if (central_trick(central, "again"))
		return central_refuse(central, TS_ERROR_AGAIN, "busy");
	if (central_trick(central, "refuse") && strstr(text, central->argument))
		return central_refuse(central, TS_ERROR_REFUSED, "not this one");
	if (central_trick(central, "no-commit"))
		return !wire_reply_ok(central->stream, -1, NULL);
	g_autoptr(Report) report = report_parse(text, len, NULL);
	g_autofree char *key = report_key(report);
	g_autofree char *path = g_strconcat("reports/", key, NULL);
	g_autofree char *both = g_strconcat(text, signature, NULL);
	g_assert_true(util_fs_write_file(central->dirfd, path, both, strlen(both), 0600, NULL));
	wire_reply_ok(central->stream, -1, NULL);
	return !util_stream_puts(central->stream, "1234567890123456789012345678901234567890\n",
				 NULL);
}

/* Keeps what is given in STATE/given. */
/* As serve's, but it looks every few milliseconds. */
static int central_watch(Central *central, const WireRequest *request)
{
	char told[REPO_OID], head[REPO_OID], byte = 0;
	if (central_trick(central, "old"))
		return central_refuse(central, TS_ERROR_UNSUPPORTED, "no such verb");
	g_autoptr(Repo) ledger = ledger_open(central->state, central->base, NULL);
	g_strlcpy(told, request->head, sizeof told);
	wire_reply_ok(central->stream, -1, NULL);
	while (recv(0, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0) {
		g_usleep(5000);
		if (!repo_ref_get(ledger, LEDGER_ORDERS, head, NULL) || strcmp(head, told) == 0)
			continue;
		if (central_trick(central, "quits"))
			return 0;
		g_strlcpy(told, head, sizeof told);
		g_autofree char *line = g_strconcat(head, "\n", NULL);
		util_stream_puts(central->stream, line, NULL);
	}
	return 0;
}

static int central_give(Central *central)
{
	gsize len = 0;
	g_autofree char *text = wire_read_all(central->stream, 1024 * 1024, &len, NULL);
	g_assert_nonnull(text);
	g_assert_true(util_fs_write_file(central->dirfd, "given", text, len, 0600, NULL));
	return wire_reply_ok(central->stream, -1, NULL) ? 0 : 1;
}

static int central_want(Central *central)
{
	if (central_trick(central, "again"))
		return central_refuse(central, TS_ERROR_AGAIN, "being made");
	return !wire_reply_ok(central->stream, -1, NULL);
}

static void central_log(Central *central, const char *line)
{
	int fd = openat(central->dirfd, "log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	g_autofree char *text = g_strconcat(line, "\n", NULL);
	g_assert_true(util_fs_write_all(fd, text, strlen(text), NULL));
	close(fd);
}

static int central_run(Central *central)
{
	const char *line = g_getenv("SSH_ORIGINAL_COMMAND");
	WireRequest request;
	g_assert_true(wire_request_parse(line, strlen(line), &request, NULL));
	central_log(central, line);
	switch (request.verb) {
	case WIRE_HELLO:
		return central_hello(central);
	case WIRE_UPLOAD_PACK:
		return central_upload_pack(central);
	case WIRE_WANT:
		return central_want(central);
	case WIRE_GET:
		return central_get(central, &request);
	case WIRE_REPORT:
		return central_report(central);
	case WIRE_GIVE:
		return central_give(central);
	case WIRE_WATCH:
		return central_watch(central, &request);
	}
	return 1;
}

/* TEST -C STATE serve BASE; does not return if that is what argv says. */
static void central_if_asked(int argc, char **argv)
{
	if (argc != 5 || !g_str_equal(argv[1], "-C") || !g_str_equal(argv[3], "serve"))
		return;
	Central central = {.state = argv[2], .base = argv[4]};
	g_autofree char *trick = NULL;
	central.dirfd = util_fs_open_dir(AT_FDCWD, argv[2], NULL);
	if (util_fs_read_file(central.dirfd, "trick", 1000, &trick, NULL, NULL)) {
		g_auto(GStrv) words = g_strsplit(trick, " ", 2);
		central.trick = g_strdup(words[0]);
		central.argument = g_strdup(words[1]);
	}
	central.stream = util_stream_from_fds(0, 1, 20000);
	_exit(central_run(&central));
}
