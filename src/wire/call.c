/* SPDX-License-Identifier: ISC */
#include "wire/wire-private.h"

#define TAIL_LINES 5
#define TAIL_BYTES 500
#define DRAIN_MAX (1024 * 1024) /* what may still come when a call is being finished */

gboolean wire_meter_add(WireMeter *meter, gint64 waited_us, guint64 bytes, gint64 min_rate_bytes_s)
{
	meter->waited_us += waited_us;
	meter->bytes += bytes;
	if (meter->waited_us < WIRE_METER_US)
		return TRUE;
	gint64 seconds = meter->waited_us / G_USEC_PER_SEC;
	gboolean enough = meter->bytes <= WIRE_METER_QUIET ||
			  meter->bytes >= (guint64)(min_rate_bytes_s * seconds);
	*meter = (WireMeter){0};
	return enough;
}

void wire_call_said(WireCall *call, const char *text, gsize len)
{
	g_string_append_len(call->said, text, (gssize)len);
	if (call->said->len > WIRE_SAID_MAX)
		g_string_erase(call->said, 0, (gssize)(call->said->len - WIRE_SAID_MAX));
}

char *wire_call_tail(const WireCall *call)
{
	const char *tail = util_text_tail(call->said->str, call->said->len, TAIL_LINES, TAIL_BYTES);
	g_autofree char *copy = g_strdup(tail);
	g_strdelimit(g_strstrip(copy), "\n", '|');
	g_autofree char *said = util_text_printable(copy, -1);
	return said[0] ? g_strconcat(": ", said, NULL) : g_strdup("");
}

/* Every error of a call names peer and verb, and leaves the line broken. */
static gssize call_broken(WireCall *call, GError **error)
{
	gsize word = strcspn(call->verb_line, " ");
	call->session->broken = TRUE;
	g_prefix_error(error, "%s: %.*s: ", call->session->url, (int)word, call->verb_line);
	return -1;
}

static gssize call_late(WireCall *call, const char *doing, GError **error)
{
	const char *verdict = call->ops->verdict(call);
	util_error_set(error, TS_ERROR_AGAIN, "no byte could be %s for %d s%s", doing,
		       (int)(call->session->progress_us / G_USEC_PER_SEC), verdict ? verdict : "");
	return call_broken(call, error);
}

static gssize call_slow(WireCall *call, GError **error)
{
	util_error_set(error, TS_ERROR_AGAIN,
		       "the line gave less than %" G_GINT64_FORMAT " bytes a second for %d s",
		       call->session->min_rate_bytes_s, (int)(WIRE_METER_US / G_USEC_PER_SEC));
	return call_broken(call, error);
}

/* The call is over, the line is not. */
static gssize call_gone(WireCall *call, GError **error)
{
	g_autofree char *said = wire_call_tail(call);
	gsize word = strcspn(call->verb_line, " ");
	util_error_set(error, TS_ERROR_AGAIN, "%s: %.*s: central ended the call early%s",
		       call->session->url, (int)word, call->verb_line, said);
	return -1;
}

/* A step of the call: read, write (data and len apply), shut or end. */
typedef struct {
	WireWaitFor what;
	const char *doing;
	void *buffer;
	const void *data;
	gsize len;
	gboolean shut;
	int *ret_status;
} Step;

static gssize step_try(WireCall *call, const Step *step, GError **error)
{
	if (step->what == WIRE_FOR_READ)
		return call->ops->read(call, step->buffer, step->len, error);
	if (step->what == WIRE_FOR_END)
		return call->ops->ended(call, step->ret_status, error);
	if (step->shut)
		return call->ops->shut(call, error);
	return call->ops->write(call, step->data, step->len, error);
}

static gsize written(const Step *step, gssize n)
{
	return step->what == WIRE_FOR_WRITE && n > 0 ? (gsize)n : 0;
}

/* Repeats the step until it got somewhere or the deadline on progress passed. */
static gssize step_run(WireCall *call, const Step *step, GError **error)
{
	gint64 last = g_get_monotonic_time();
	gint64 until = last + call->session->progress_us;
	for (;;) {
		guint64 heard = call->ops->heard(call);
		gssize n = step_try(call, step, error);
		gint64 now = g_get_monotonic_time();
		heard = call->ops->heard(call) - heard;
		if (n == -1)
			return call_broken(call, error);
		if (n == WIRE_GONE)
			return call_gone(call, error);
		if (!wire_meter_add(&call->meter, now - last, heard + (guint64)written(step, n),
				    call->session->min_rate_bytes_s))
			return call_slow(call, error);
		last = now;
		if (n != WIRE_WAIT)
			return n;
		if (now >= until)
			return call_late(call, step->doing, error);
		if (!call->ops->wait(call, step->what, until, error))
			return call_broken(call, error);
	}
}

/* The exit status of a serve says what its own program would have (design section 8). */
static TsErrorCode status_code(int status)
{
	switch (status) {
	case 2:
		return TS_ERROR_USAGE;
	case 3:
		return TS_ERROR_REFUSED;
	case 4:
		return TS_ERROR_CORRUPT;
	case 5:
		return TS_ERROR_AGAIN;
	default:
		return status > 128 ? TS_ERROR_AGAIN : TS_ERROR_FAILED;
	}
}

/* The other side has closed its output: 0 if it ended well, else -1 with what it said. */
static gssize call_end(WireCall *call, GError **error)
{
	int status = 0;
	Step step = {.what = WIRE_FOR_END, .doing = "read", .ret_status = &status};
	call->at_end = TRUE;
	if (step_run(call, &step, error) < 0)
		return -1;
	if (status == 0)
		return 0;
	g_autofree char *said = wire_call_tail(call);
	gsize word = strcspn(call->verb_line, " ");
	util_error_set(error, status_code(status),
		       "%s: %.*s: central's side ended with status %d%s", call->session->url,
		       (int)word, call->verb_line, status, said[0] ? said : " and said nothing");
	return -1;
}

/* It is empty now. */
static void fit_buffer(WireCall *call)
{
	if (call->want_bytes == call->buffer_bytes)
		return;
	g_free(call->buffer);
	call->buffer_bytes = call->want_bytes;
	call->buffer = g_malloc(call->buffer_bytes);
}

static gssize call_read(UtilStream *stream, void *buffer, gsize len, GError **error)
{
	WireCall *call = (WireCall *)stream;
	if (call->start == call->end) {
		if (call->at_end)
			return 0;
		fit_buffer(call);
		Step step = {.what = WIRE_FOR_READ,
			     .doing = "read",
			     .buffer = call->buffer,
			     .len = call->buffer_bytes};
		gssize n = step_run(call, &step, error);
		if (n < 0)
			return -1;
		if (n == 0)
			return call_end(call, error);
		call->start = 0;
		call->end = (gsize)n;
		call->session->in += (guint64)n;
	}
	gsize take = MIN(len, call->end - call->start);
	memcpy(buffer, call->buffer + call->start, take);
	call->start += take;
	return (gssize)take;
}

static gboolean call_write(UtilStream *stream, const void *data, gsize len, GError **error)
{
	WireCall *call = (WireCall *)stream;
	g_assert(!call->was_shut);
	for (gsize done = 0; done < len;) {
		Step step = {.what = WIRE_FOR_WRITE,
			     .doing = "written",
			     .data = (const char *)data + done,
			     .len = len - done};
		gssize n = step_run(call, &step, error);
		if (n < 0)
			return FALSE;
		done += (gsize)n;
		call->session->out += (guint64)n;
	}
	return TRUE;
}

static gboolean call_shut(UtilStream *stream, GError **error)
{
	WireCall *call = (WireCall *)stream;
	if (call->was_shut)
		return TRUE;
	call->was_shut = TRUE;
	Step step = {.what = WIRE_FOR_WRITE, .doing = "written", .shut = TRUE};
	return step_run(call, &step, error) >= 0;
}

static void call_stream_free(UtilStream *stream)
{
	(void)stream; /* the call owns it: wire_call_finish, wire_call_abort */
}

WireCall *wire_call_new(WireSession *session, const WireOps *ops, const char *verb_line)
{
	WireCall *call = g_new0(WireCall, 1);
	call->stream = (UtilStream){call_read, call_write, call_shut, call_stream_free};
	call->session = session;
	call->ops = ops;
	call->verb_line = g_strdup(verb_line);
	call->said = g_string_new(NULL);
	call->buffer_bytes = call->want_bytes = WIRE_BUFFER;
	call->buffer = g_malloc(WIRE_BUFFER);
	return call;
}

static void call_free(WireCall *call)
{
	call->ops->close(call);
	if (call->session->call == call)
		call->session->call = NULL;
	g_string_free(call->said, TRUE);
	g_free(call->verb_line);
	g_free(call->buffer);
	g_free(call);
}

WireCall *wire_call_open(WireSession *session, const char *verb_line, GError **error)
{
	WireRequest request;
	if (!wire_request_parse(verb_line, strlen(verb_line), &request, error))
		return NULL;
	if (session->broken) {
		util_error_set(error, TS_ERROR_AGAIN, "%s: the connection was lost", session->url);
		return NULL;
	}
	WireCall *call =
	    wire_call_new(session, session->ssh ? &wire_ssh_ops : &wire_local_ops, verb_line);
	if (call->ops->start(call, error))
		return call;
	(void)call_broken(call, error); /* gives -1 */
	call_free(call);
	return NULL;
}

WireCall *wire_call(WireSession *session, const char *verb_line, GError **error)
{
	g_assert(!session->call);
	session->call = wire_call_open(session, verb_line, error);
	return session->call;
}

UtilStream *wire_call_stream(WireCall *call)
{
	return &call->stream;
}

/* Reads to the end what nobody asked for. */
static gboolean call_drain(WireCall *call, GError **error)
{
	gsize drained = 0;
	char scratch[4096];
	while (!call->at_end || call->start < call->end) {
		gssize n = call_read(&call->stream, scratch, sizeof scratch, error);
		if (n < 0)
			return FALSE;
		drained += (gsize)n;
		if (drained > DRAIN_MAX) {
			util_error_set(error, TS_ERROR_CORRUPT, "more came than was asked for");
			return call_broken(call, error) == 0;
		}
	}
	return TRUE;
}

gboolean wire_call_finish(WireCall *call, GError **error)
{
	gboolean ok = call_shut(&call->stream, error) && call_drain(call, error);
	call_free(call);
	return ok;
}

void wire_call_abort(WireCall *call)
{
	if (call)
		call_free(call);
}
