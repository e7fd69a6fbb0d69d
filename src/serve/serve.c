/* SPDX-License-Identifier: ISC */
#include <errno.h>

#include "serve/serve-private.h"

#define HINTS_MAX 1000 /* waiting; more means that no worker runs */

typedef gboolean (*Answer)(Serve *serve, const WireRequest *request, GError **error);

static const Answer answers[] = {
    [WIRE_HELLO] = serve_hello, [WIRE_UPLOAD_PACK] = serve_upload_pack, [WIRE_WANT] = serve_want,
    [WIRE_GET] = serve_get,     [WIRE_REPORT] = serve_report,           [WIRE_WATCH] = serve_watch,
    [WIRE_GIVE] = serve_give,
};

gboolean serve_ok(Serve *serve, gint64 length, GError **error)
{
	serve->replied = TRUE; /* also when it fails: half a line may be out */
	return wire_reply_ok(serve->stream, length, error);
}

GPtrArray *serve_entries(Serve *serve, GError **error)
{
	const ServePlace *place = serve_place(serve);
	g_autoptr(Repo) ledger = place->ledger(serve->spec, error);
	return ledger ? ledger_entries(ledger, place->orders, NULL, error) : NULL;
}

/* The same kind, and the same lines in the same order. */
static gboolean same_hint(const UtilTrailers *waiting, const char *kind, const UtilTrailers *hint)
{
	g_autoptr(UtilTrailers) full = util_trailers_new();
	util_trailers_add(full, "Hint", kind);
	for (guint i = 0; i < util_trailers_count(hint); i++)
		util_trailers_add(full, util_trailers_key(hint, i), util_trailers_value(hint, i));
	g_autofree char *a = util_trailers_format(waiting);
	g_autofree char *b = util_trailers_format(full);
	return strcmp(a, b) == 0;
}

static gboolean hint_waits(int queue_dirfd, const char *kind, const UtilTrailers *hint,
			   gboolean *ret_waits, GError **error)
{
	g_autoptr(GPtrArray) names = store_hint_list(queue_dirfd, error);
	if (!names)
		return FALSE;
	if (names->len >= HINTS_MAX)
		return util_error_set(error, TS_ERROR_AGAIN,
				      "central's queue has %u hints waiting; is its worker "
				      "running?",
				      names->len);
	for (guint i = 0; i < names->len && !*ret_waits; i++) {
		/* taken by the worker meanwhile, or damaged: then it is not ours */
		g_autoptr(UtilTrailers) waiting =
		    store_hint_read(queue_dirfd, names->pdata[i], NULL);
		*ret_waits = waiting && same_hint(waiting, kind, hint);
	}
	return TRUE;
}

gboolean serve_hint(Serve *serve, const char *kind, UtilTrailers *hint, GError **error)
{
	gboolean waits = FALSE;
	util_autofd int queue_dirfd = util_fs_open_dir(serve->state_dirfd, "queue", error);
	if (queue_dirfd < 0 || !hint_waits(queue_dirfd, kind, hint, &waits, error))
		return FALSE;
	return waits ? store_wake_set(queue_dirfd, error)
		     : store_hint_put(queue_dirfd, kind, hint, error);
}

int serve_open_state(const ServeSpec *spec, GError **error)
{
	if (spec->state_dirfd <= 0)
		return util_fs_open_dir(AT_FDCWD, spec->state_path, error);
	int fd = fcntl(spec->state_dirfd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		util_error_errno(error, errno, "folder %s", spec->state_path);
	return fd;
}

static gboolean answer(Serve *serve, const char *verb_line, GError **error)
{
	WireRequest request;
	if (!wire_request_parse(verb_line, strlen(verb_line), &request, error))
		return FALSE;
	if (!util_name_check("base", serve->spec->base, error))
		return FALSE;
	serve->state_dirfd = serve_open_state(serve->spec, error);
	return serve->state_dirfd >= 0 && answers[request.verb](serve, &request, error);
}

void serve_refuse(const char *verb_line, UtilStream *stream, const GError *reply)
{
	WireRequest request;
	if (wire_request_parse(verb_line, strlen(verb_line), &request, NULL) &&
	    request.verb == WIRE_UPLOAD_PACK)
		serve_upload_pack_err(stream, reply);
	else
		(void)wire_reply_error(stream, reply, NULL); /* the peer may be gone */
}

gboolean serve_verb(const ServeSpec *spec, const char *verb_line, UtilStream *stream,
		    GError **error)
{
	Serve serve = {.spec = spec, .stream = stream, .state_dirfd = -1};
	g_autoptr(GError) local = NULL;
	gboolean ok = answer(&serve, verb_line, &local);
	util_closep(&serve.state_dirfd);
	if (ok)
		return TRUE;
	if (!serve.replied)
		serve_refuse(verb_line, stream, local);
	g_propagate_error(error, g_steal_pointer(&local));
	return FALSE;
}
