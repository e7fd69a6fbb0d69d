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

/* A report whose signature was checked. */
typedef struct {
	const Report *report;
	const char *text, *signature;
} ServeReport;

/* Where that is what is served, and where what is said goes. */
typedef struct {
	const char *orders;  /* ref of the orders in the ledger */
	const char *bundles; /* their folder */
	char *(*path)(const ServeSpec *spec);
	Repo *(*ledger)(const ServeSpec *spec, GError **error);
	gboolean (*contact)(Serve *serve, const UtilTrailers *contact, GError **error);
	/* A bundle from old_root to the order's tree is to be had. */
	gboolean (*want)(Serve *serve, const Order *order, const char *old_root, GError **error);
	gboolean (*report)(Serve *serve, const ServeReport *said, char ret_oid[REPO_OID],
			   GError **error);
	gboolean (*show)(Repo *ledger, GError **error); /* before git looks; or NULL */
} ServePlace;
const ServePlace *serve_place_of(const ServeSpec *spec);
const ServePlace *serve_place(const Serve *serve);

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

/* A descriptor of its own of STATE. */
int serve_open_state(const ServeSpec *spec, GError **error);

/* hello.c: what a base said of itself, by the line or by a file. */
typedef struct {
	const WireHello *hello;
	gint64 heard_utc; /* when; by a file, when that was written */
	gboolean by_file;
	const GPtrArray *wants; /* "OLD NEW" lines, or NULL */
} ServeContact;
/* REFUSED for another base or incarnation. */
gboolean serve_check_identity(const ServeSpec *spec, const WireHello *hello, GError **error);
/* Records it. Sets in the reply, which begins empty: both heads, and whether reports are lost. */
gboolean serve_contact(Serve *serve, const ServeContact *contact, WireHelloReply *reply,
		       GError **error);

/* upload-pack.c: what git's protocol has for errors, so that the base reads words instead of an
 * end. */
void serve_upload_pack_err(UtilStream *stream, const GError *reply);

/* report.c: signed by this base, and of it. */
gboolean serve_check_report(const ServeSpec *spec, const char *text, gsize len,
			    const char *signature, Report **ret_report, GError **error);
/* bundle.c: is it there, or asked of the worker? */
gboolean serve_ask_bundle(Serve *serve, const char *old_root, const char *root, gboolean *ret_there,
			  GError **error);
/* give.c: objects that were taken in. Whole and signed by us; only then the ref moves, from what it
 * was. */
gboolean serve_adopt(Serve *serve, Repo *ledger, const char *head, GError **error);
