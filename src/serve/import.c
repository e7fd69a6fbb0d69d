/* SPDX-License-Identifier: ISC */
/* An export file of a base, carried here: hello, reports, wants, and what a restored central lost.
 */
#include "export/export.h"
#include "serve/serve-private.h"

typedef struct {
	char *text, *signature;
	Report *report;
} Carried;

static void carried_free(gpointer data)
{
	Carried *carried = data;
	g_free(carried->text);
	g_free(carried->signature);
	report_free(carried->report);
	g_free(carried);
}

typedef struct {
	Serve serve;
	ExportReader *reader;
	const ExportHead *head;
	WireHello *hello;
	GPtrArray *reports; /* Carried */
	char *ledger;       /* NULL: none */
	gsize ledger_bytes;
	ServeImported done;
} Import;

static void import_clear(Import *self)
{
	g_clear_pointer(&self->reader, export_reader_free);
	g_clear_pointer(&self->hello, wire_hello_free);
	g_clear_pointer(&self->reports, g_ptr_array_unref);
	g_clear_pointer(&self->ledger, g_free);
	util_closep(&self->serve.state_dirfd);
}

/* ---- checked ---- */

static gboolean check_head(Import *self, GError **error)
{
	const ServeSpec *spec = self->serve.spec;
	const char *keys[] = {spec->base_key, NULL};
	if (self->head->kind != EXPORT_KIND_REPORTS)
		return util_error_set(
		    error, TS_ERROR_REFUSED,
		    "this file has orders for base \"%s\": tagship-base import FILE "
		    "there",
		    self->head->base);
	if (!export_reader_verify(self->reader, keys, error))
		return FALSE;
	g_autofree char *hello = g_strconcat(self->head->hello, "\n", NULL);
	self->hello = wire_hello_parse(hello, strlen(hello), error);
	return self->hello && serve_check_identity(spec, self->hello, error);
}

static gboolean read_report(Import *self, const ExportMember *member, GError **error)
{
	const ExportMember *next = NULL;
	Carried *carried = g_new0(Carried, 1);
	g_ptr_array_add(self->reports, carried);
	carried->text = export_reader_bytes(self->reader, error);
	if (!carried->text || !export_reader_next(self->reader, &next, error))
		return FALSE;
	carried->signature = export_reader_bytes(self->reader, error);
	return carried->signature &&
	       serve_check_report(self->serve.spec, carried->text, (gsize)member->bytes,
				  carried->signature, &carried->report, error);
}

static gboolean read_member(Import *self, const ExportMember *member, GError **error)
{
	if (strcmp(member->name, EXPORT_LEDGER) == 0) {
		self->ledger_bytes = (gsize)member->bytes;
		self->ledger = export_reader_bytes(self->reader, error);
		return self->ledger != NULL;
	}
	if (read_report(self, member, error))
		return TRUE;
	g_prefix_error(error, "%s: ", member->name);
	return FALSE;
}

static gboolean check_file(Import *self, int fd, GError **error)
{
	const ExportMember *member = NULL;
	self->reader = export_reader_new(fd, error);
	if (!self->reader)
		return FALSE;
	self->head = export_reader_head(self->reader);
	self->done.written_utc = self->head->written_utc;
	if (!check_head(self, error))
		return FALSE;
	do {
		if (!export_reader_next(self->reader, &member, error) ||
		    (member && !read_member(self, member, error)))
			return FALSE;
	} while (member);
	self->done.reports = self->reports->len;
	return TRUE;
}

/* ---- taken in ---- */

static gboolean take_ledger(Import *self, GError **error)
{
	const ServeSpec *spec = self->serve.spec;
	char head[REPO_OID];
	if (!self->ledger)
		return TRUE;
	if (!spec->own_keys)
		return util_error_set(error, TS_ERROR_UNSUPPORTED,
				      "central's own key is not known here");
	g_autoptr(UtilStream) stream =
	    util_stream_over_memory(self->ledger, self->ledger_bytes, NULL);
	g_autoptr(Repo) ledger = ledger_create(spec->state_path, spec->base, error);
	self->done.ledger = TRUE;
	return ledger && ledger_take(ledger, stream, head, error) &&
	       serve_adopt(&self->serve, ledger, head, error);
}

/* One that the ledger has already moves nothing. */
static gboolean take_report(Import *self, Repo *ledger, const Carried *carried, GError **error)
{
	char before[REPO_OID] = "", after[REPO_OID] = "", oid[REPO_OID];
	/* none yet: stays empty */
	(void)repo_ref_get(ledger, LEDGER_REPORTS, before, NULL);
	const ServeReport said = {carried->report, carried->text, carried->signature};
	if (!serve_place(&self->serve)->report(&self->serve, &said, oid, error) ||
	    !repo_ref_get(ledger, LEDGER_REPORTS, after, error))
		return FALSE;
	self->done.fresh += strcmp(before, after) != 0;
	return TRUE;
}

static gboolean take_reports(Import *self, GError **error)
{
	const ServeSpec *spec = self->serve.spec;
	g_autoptr(Repo) ledger = NULL;
	if (self->reports->len == 0)
		return TRUE;
	ledger = ledger_open(spec->state_path, spec->base, error);
	for (guint i = 0; ledger && i < self->reports->len; i++)
		if (!take_report(self, ledger, self->reports->pdata[i], error))
			return FALSE;
	return ledger != NULL;
}

static gint64 last_heard(Import *self)
{
	gint64 heard = 0;
	gsize len = 0;
	g_autofree char *path = g_strconcat("contacts/", self->serve.spec->base, NULL);
	g_autofree char *text = NULL;
	g_autoptr(UtilTrailers) contact = NULL;
	/* missing or damaged: never */
	if (util_fs_read_file(self->serve.state_dirfd, path, WIRE_HELLO_MAX * 2, &text, &len, NULL))
		contact = util_trailers_parse(text, len, NULL);
	if (contact)
		(void)util_trailers_need_time(contact, "Time", &heard, NULL); /* 0: never */
	return heard;
}

static gboolean take_contact(Import *self, GError **error)
{
	WireHelloReply unsaid = {0};
	gint64 now = util_clock_now_utc(self->serve.spec->clock);
	/* a clock that is ahead must not make later files look old */
	ServeContact contact = {.hello = self->hello,
				.heard_utc = MIN(self->hello->now_utc, now),
				.by_file = TRUE,
				.wants = self->head->wants};
	self->done.heard_utc = last_heard(self);
	self->done.contact = contact.heard_utc > self->done.heard_utc;
	if (!self->done.contact)
		return TRUE;
	if (!serve_contact(&self->serve, &contact, &unsaid, error))
		return FALSE;
	self->done.reports_lost = unsaid.reports_lost && !self->done.ledger;
	return TRUE;
}

/* A tree that is not ordered any more is no reason to refuse the rest. */
static gboolean take_wants(Import *self, GError **error)
{
	for (guint i = 0; self->done.contact && i < self->head->wants->len; i++) {
		gboolean there = FALSE;
		g_autoptr(GError) failed = NULL;
		g_auto(GStrv) roots = g_strsplit(self->head->wants->pdata[i], " ", 2);
		if (!serve_ask_bundle(&self->serve, roots[0], roots[1], &there, &failed)) {
			if (failed->code != TS_ERROR_NOT_FOUND &&
			    failed->code != TS_ERROR_REFUSED && failed->code != TS_ERROR_USAGE) {
				g_propagate_error(error, g_steal_pointer(&failed));
				return FALSE;
			}
			continue;
		}
		self->done.wants += !there;
	}
	return TRUE;
}

gboolean serve_import(const ServeSpec *spec, int fd, ServeImported *ret_imported, GError **error)
{
	Import self = {.serve = {.spec = spec, .state_dirfd = -1},
		       .reports = g_ptr_array_new_with_free_func(carried_free)};
	self.serve.state_dirfd = serve_open_state(spec, error);
	gboolean ok = self.serve.state_dirfd >= 0 && check_file(&self, fd, error) &&
		      take_ledger(&self, error) && take_reports(&self, error) &&
		      take_contact(&self, error) && take_wants(&self, error);
	if (ok)
		*ret_imported = self.done;
	import_clear(&self);
	return ok;
}
