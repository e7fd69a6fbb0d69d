/* SPDX-License-Identifier: ISC */
/* One verb's surroundings, and the verbs. */
#pragma once

#include "serve/serve.h"
#include "wire/hello.h"

typedef struct {
	const ServeSpec *spec;
	UtilStream *stream;
	int state_dirfd;
	gboolean replied; /* a reply line is out: an error can no longer be sent as one */
} Serve;

/* Each answers its verb; FALSE with error, before or after serve->replied. */
gboolean serve_hello(Serve *serve, const WireRequest *request, GError **error);
gboolean serve_upload_pack(Serve *serve, const WireRequest *request, GError **error);
gboolean serve_want(Serve *serve, const WireRequest *request, GError **error);
gboolean serve_get(Serve *serve, const WireRequest *request, GError **error);
gboolean serve_give(Serve *serve, const WireRequest *request, GError **error);
gboolean serve_watch(Serve *serve, const WireRequest *request, GError **error);
gboolean serve_report(Serve *serve, const WireRequest *request, GError **error);

/* Sends the "ok" and notes that it went out. */
gboolean serve_ok(Serve *serve, gint64 length, GError **error);
/* All entries of this base's orders, oldest first, older revisions and cancels included. */
GPtrArray *serve_entries(Serve *serve, GError **error);
/* Puts the hint unless an equal one waits already; AGAIN if the queue is clogged. */
gboolean serve_hint(Serve *serve, const char *kind, UtilTrailers *hint, GError **error);
