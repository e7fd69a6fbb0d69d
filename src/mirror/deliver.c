/* SPDX-License-Identifier: ISC */
#include "mirror/mirror-private.h"

#define SIG_SUFFIX ".sig"

void mirror_pending_free(MirrorPending *pending)
{
	if (!pending)
		return;
	g_free(pending->key);
	g_free(pending->text);
	g_free(pending->signature);
	report_free(pending->report);
	g_free(pending);
}

static gint oldest_first(gconstpointer a, gconstpointer b)
{
	const MirrorPending *x = *(MirrorPending *const *)a, *y = *(MirrorPending *const *)b;
	if (x->report->event_utc != y->report->event_utc)
		return x->report->event_utc < y->report->event_utc ? -1 : 1;
	if (x->report->seq != y->report->seq)
		return x->report->seq < y->report->seq ? -1 : 1;
	if (x->report->round != y->report->round)
		return x->report->round < y->report->round ? -1 : 1;
	/* within one second: staged before live */
	gboolean x_ends = report_event_ends(x->report->event);
	if (x_ends != report_event_ends(y->report->event))
		return x_ends ? 1 : -1;
	return strcmp(x->key, y->key);
}

/* The signature beside the report; made here if a crash came between the two files. */
static char *read_signature(const MirrorSpec *spec, int dirfd, const MirrorPending *pending,
			    GError **error)
{
	g_autofree char *name = g_strconcat(pending->key, SIG_SUFFIX, NULL);
	g_autoptr(GError) local = NULL;
	char *signature = NULL;
	if (util_fs_read_file(dirfd, name, WIRE_SIGNATURE_MAX, &signature, NULL, &local))
		return signature;
	if (g_error_matches(local, TS_ERROR, TS_ERROR_NOT_FOUND))
		return util_sshsig_sign(spec->conf->key_file, UTIL_SSHSIG_NS_REPORT, pending->text,
					pending->len, error);
	g_propagate_error(error, g_steal_pointer(&local));
	return NULL;
}

static MirrorPending *read_pending(const MirrorSpec *spec, int dirfd, const char *key,
				   GError **error)
{
	g_autoptr(MirrorPending) pending = g_new0(MirrorPending, 1);
	pending->key = g_strdup(key);
	if (util_fs_read_file(dirfd, key, WIRE_REPORT_MAX, &pending->text, &pending->len, error)) {
		pending->report = report_parse(pending->text, pending->len, error);
		if (pending->report)
			pending->signature = read_signature(spec, dirfd, pending, error);
	}
	if (pending->signature)
		return g_steal_pointer(&pending);
	g_prefix_error(error, "pending/%s: ", key);
	return NULL;
}

/* Keeps the first error, so that one bad report does not keep back the others. */
static void note_error(GError **first, GError *error)
{
	if (*first)
		g_error_free(error);
	else
		*first = error;
}

GPtrArray *mirror_pending_list(const MirrorSpec *spec, int dirfd, GError **first, GError **error)
{
	g_autoptr(GPtrArray) names = util_fs_list(dirfd, ".", error);
	if (!names)
		return NULL;
	GPtrArray *all = g_ptr_array_new_with_free_func((GDestroyNotify)mirror_pending_free);
	for (guint i = 0; i < names->len; i++) {
		const char *name = names->pdata[i];
		GError *local = NULL;
		if (g_str_has_suffix(name, SIG_SUFFIX))
			continue;
		MirrorPending *pending = read_pending(spec, dirfd, name, &local);
		if (pending)
			g_ptr_array_add(all, pending);
		else
			note_error(first, local);
	}
	g_ptr_array_sort(all, oldest_first);
	return all;
}

/* Sends one; *ret_commit is central's commit. *ret_line_ok: the error, if any, was central's
 * judgement of this report, so that the next may fare better. */
static gboolean send_one(Mirror *mirror, const MirrorPending *pending, char **ret_commit,
			 gboolean *ret_line_ok, GError **error)
{
	WireRequest request = {.verb = WIRE_REPORT};
	*ret_line_ok = FALSE;
	WireCall *call = mirror_call(mirror, &request, error);
	if (!call)
		return FALSE;
	UtilStream *stream = wire_call_stream(call);
	if (!util_stream_write_part(stream, pending->text, pending->len, error) ||
	    !util_stream_write_part(stream, pending->signature, strlen(pending->signature),
				    error) ||
	    !stream->shut(stream, error))
		return mirror_call_failed(call, error);
	g_autoptr(GError) local = NULL;
	if (!wire_reply_read(stream, NULL, &local)) {
		(void)wire_call_finish(call, NULL); /* the reply has said it */
		*ret_line_ok = wire_session_usable(mirror->session) &&
			       !g_error_matches(local, TS_ERROR, TS_ERROR_AGAIN);
		g_propagate_error(error, g_steal_pointer(&local));
		return FALSE;
	}
	g_autofree char *commit = util_stream_read_line(stream, REPO_OID, &local);
	(void)wire_call_finish(call, NULL); /* the line below is what counts */
	if (!commit || !util_oid_hex_ok(commit))
		return util_error_set(error, TS_ERROR_AGAIN,
				      "central confirmed without a commit id%s%s",
				      local ? ": " : "", local ? local->message : "");
	*ret_commit = g_steal_pointer(&commit);
	return TRUE;
}

gboolean mirror_pending_forget(const MirrorSpec *spec, int dirfd, const MirrorPending *pending,
			       const char *commit, GError **error)
{
	g_autofree char *signature = g_strconcat(pending->key, SIG_SUFFIX, NULL);
	if (spec->delivered)
		spec->delivered(spec->user_data, pending->report, commit);
	return util_fs_unlink(dirfd, signature, error) &&
	       mirror_reported_keep(spec, dirfd, pending->key, commit, error);
}

/* What can be sent; if that is anything, central was greeted. NULL with error. */
static GPtrArray *list_to_send(Mirror *mirror, int dirfd, GError **first, GError **error)
{
	g_autoptr(GPtrArray) all = mirror_pending_list(mirror->spec, dirfd, first, error);
	guint again = mirror->again;
	if (!all || all->len == 0)
		return g_steal_pointer(&all);
	if (!mirror_greet(mirror, error))
		return NULL;
	if (mirror->again == again)
		return g_steal_pointer(&all);
	g_clear_error(first);
	return mirror_pending_list(mirror->spec, dirfd, first, error);
}

gboolean mirror_deliver(Mirror *mirror, guint *ret_sent, GError **error)
{
	GError *first = NULL;
	*ret_sent = 0;
	util_autofd int dirfd = util_fs_open_dir(mirror->spec->root_dirfd, "pending", error);
	g_autoptr(GPtrArray) all = dirfd < 0 ? NULL : list_to_send(mirror, dirfd, &first, error);
	if (!all) {
		g_clear_error(&first);
		return FALSE;
	}
	for (guint i = 0; i < all->len; i++) {
		const MirrorPending *pending = all->pdata[i];
		g_autofree char *commit = NULL;
		gboolean line_ok = TRUE;
		GError *local = NULL;
		if (send_one(mirror, pending, &commit, &line_ok, &local) &&
		    mirror_pending_forget(mirror->spec, dirfd, pending, commit, &local)) {
			(*ret_sent)++;
			continue;
		}
		g_prefix_error(&local, "report %s: ", pending->key);
		note_error(&first, local);
		if (!line_ok)
			break;
	}
	if (*ret_sent > 0)
		mirror_reported_sweep(mirror->spec);
	if (!first)
		return TRUE;
	g_propagate_error(error, first);
	return FALSE;
}

gboolean mirror_is_usable(const Mirror *mirror)
{
	return wire_session_usable(mirror->session);
}
