/* SPDX-License-Identifier: ISC */
/* The base's side of a contact as a file that somebody carries to central. */
#include "export/export.h"
#include "mirror/mirror-private.h"

/* a report and its signature each, beside a ledger */
#define REPORTS_MAX ((EXPORT_MEMBERS_MAX - 1) / 2)

typedef struct {
	const MirrorSpec *spec;
	const MirrorExportOptions *options;
	GPtrArray *pending; /* MirrorPending */
	GByteArray *piece;  /* of the ledger */
	ExportHead *head;
} Export;

static void export_clear(Export *self)
{
	g_clear_pointer(&self->pending, g_ptr_array_unref);
	g_clear_pointer(&self->piece, g_byte_array_unref);
	g_clear_pointer(&self->head, export_head_free);
}

static gboolean add_ledger(Export *self, Repo *repo, const char *accepted, GError **error)
{
	g_autoptr(UtilStream) stream = util_stream_over_memory(NULL, 0, self->piece);
	if (accepted[0] == '\0')
		return util_error_set(error, TS_ERROR_REFUSED, "nothing was accepted here yet");
	if (!ledger_send(repo, accepted, "-", stream, error))
		return FALSE;
	export_head_add_data(self->head, EXPORT_LEDGER, self->piece->data, self->piece->len);
	return TRUE;
}

static void add_report(ExportHead *head, const MirrorPending *pending)
{
	g_autofree char *name = g_strconcat(EXPORT_REPORTS, pending->key, NULL);
	g_autofree char *signature = g_strconcat(name, EXPORT_SIG, NULL);
	export_head_add_data(head, name, pending->text, pending->len);
	export_head_add_data(head, signature, pending->signature, strlen(pending->signature));
}

static gboolean fill_head(Export *self, GError **error)
{
	char accepted[REPO_OID] = "";
	const char *const *wants = self->options->wants;
	g_autoptr(Repo) repo = mirror_repo(self->spec, error);
	if (!repo || !mirror_ref(repo, LEDGER_ACCEPTED, accepted, error))
		return FALSE;
	self->head = export_head_new(EXPORT_KIND_REPORTS);
	self->head->software = g_strdup(TAGSHIP_SOFTWARE);
	self->head->base = g_strdup(self->spec->conf->name);
	self->head->incarnation = self->spec->incarnation;
	self->head->written_utc = util_clock_now_utc(self->spec->clock);
	g_strlcpy(self->head->head, accepted[0] ? accepted : "-", sizeof self->head->head);
	self->head->hello = g_strchomp(mirror_hello_text(self->spec, NULL, accepted));
	for (guint i = 0; wants && wants[i] && i < EXPORT_WANTS_MAX; i++)
		g_ptr_array_add(self->head->wants, g_strdup(wants[i]));
	if (self->options->ledger && !add_ledger(self, repo, accepted, error))
		return FALSE;
	for (guint i = 0; i < self->pending->len; i++)
		add_report(self->head, self->pending->pdata[i]);
	return TRUE;
}

static gboolean write_file(Export *self, int fd, GError **error)
{
	g_autoptr(ExportWriter) writer =
	    export_writer_new(fd, self->head, self->spec->conf->key_file, error);
	if (!writer)
		return FALSE;
	if (self->options->ledger &&
	    !export_writer_add(writer, self->piece->data, self->piece->len, error))
		return FALSE;
	for (guint i = 0; i < self->pending->len; i++) {
		const MirrorPending *pending = self->pending->pdata[i];
		if (!export_writer_add(writer, pending->text, pending->len, error) ||
		    !export_writer_add(writer, pending->signature, strlen(pending->signature),
				       error))
			return FALSE;
	}
	return export_writer_finish(writer, error);
}

/* The oldest first; what does not fit comes with the next file. */
static gboolean list_reports(Export *self, MirrorExported *done, GError **error)
{
	g_autoptr(GError) unfit = NULL;
	guint again = 0;
	if (!mirror_make_folders(self->spec, error))
		return FALSE;
	/* a central that lost the ledger lost the reports, too */
	if (self->options->ledger && (!mirror_reported_again(self->spec, &again, error) ||
				      !mirror_reported_seen(self->spec, "-", error)))
		return FALSE;
	util_autofd int dirfd = util_fs_open_dir(self->spec->root_dirfd, "pending", error);
	if (dirfd < 0)
		return FALSE;
	self->pending = mirror_pending_list(self->spec, dirfd, &unfit, error);
	if (!self->pending)
		return FALSE;
	if (self->pending->len > REPORTS_MAX) {
		done->left = self->pending->len - REPORTS_MAX;
		g_ptr_array_set_size(self->pending, REPORTS_MAX);
	}
	done->reports = self->pending->len;
	done->trouble = unfit ? g_strdup(unfit->message) : NULL;
	return TRUE;
}

gboolean mirror_export(const MirrorSpec *spec, int fd, const MirrorExportOptions *options,
		       MirrorExported *ret_exported, GError **error)
{
	Export self = {.spec = spec, .options = options, .piece = g_byte_array_new()};
	MirrorExported done = {0};
	gboolean ok = list_reports(&self, &done, error) && fill_head(&self, error) &&
		      write_file(&self, fd, error);
	if (ok)
		*ret_exported = done;
	else
		g_free(done.trouble);
	export_clear(&self);
	return ok;
}
