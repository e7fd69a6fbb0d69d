/* SPDX-License-Identifier: ISC */
/* The verb "hello": who calls, what runs there, how far each side's ledger goes. */
#include "serve/serve-private.h"

/* A ref of the ledger, or "-" where there is none yet. */
static gboolean head_of(Repo *ledger, const char *ref, char ret_head[41], GError **error)
{
	g_autoptr(GError) local = NULL;
	char oid[REPO_OID] = "";
	if (ledger && repo_ref_get(ledger, ref, oid, &local)) {
		g_strlcpy(ret_head, oid, 41);
		return TRUE;
	}
	g_strlcpy(ret_head, "-", 41);
	if (!local || g_error_matches(local, TS_ERROR, TS_ERROR_NOT_FOUND))
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&local));
	return FALSE;
}

/* The ledger, or NULL without error if this base has none yet. */
static gboolean open_ledger(Serve *serve, Repo **ret_ledger, GError **error)
{
	g_autoptr(GError) local = NULL;
	*ret_ledger = serve_place(serve)->ledger(serve->spec, &local);
	if (*ret_ledger || g_error_matches(local, TS_ERROR, TS_ERROR_NOT_FOUND))
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&local));
	return FALSE;
}

/* TRUE if the base knows of a commit that our head does not contain. */
static gboolean lacks(Repo *ledger, const char *commit, const char *our_head, gboolean *ret_lacks,
		      GError **error)
{
	gboolean contained = FALSE;
	*ret_lacks = FALSE;
	if (strcmp(commit, "-") == 0 || strcmp(commit, our_head) == 0)
		return TRUE;
	if (strcmp(our_head, "-") != 0 && repo_object_exists(ledger, commit) &&
	    !repo_is_ancestor(ledger, commit, our_head, &contained, error))
		return FALSE;
	*ret_lacks = !contained;
	return TRUE;
}

/* Of a node nothing goes into a ledger here. */
static gboolean reports_are_lost(const Serve *serve, Repo *ledger, const WireHello *hello,
				 WireHelloReply *reply, GError **error)
{
	for (guint i = 0; !serve->spec->node && hello->reported[i] && !reply->reports_lost; i++)
		if (!lacks(ledger, hello->reported[i], reply->reports_head, &reply->reports_lost,
			   error))
			return FALSE;
	return TRUE;
}

gboolean serve_check_identity(const ServeSpec *spec, const WireHello *hello, GError **error)
{
	if (strcmp(hello->base, spec->base) != 0)
		return util_error_set(error, TS_ERROR_REFUSED,
				      "this key belongs to base \"%s\", the caller says it is "
				      "\"%s\"; its base.cfg or its key is another's",
				      spec->base, hello->base);
	if (!spec->node && hello->incarnation != spec->incarnation)
		return util_error_set(error, TS_ERROR_REFUSED,
				      "base \"%s\" is in its incarnation %" G_GINT64_FORMAT
				      ", the caller is incarnation %" G_GINT64_FORMAT
				      "; replaced hardware must stay away",
				      spec->base, spec->incarnation, hello->incarnation);
	return TRUE;
}

static gboolean record_contact(Serve *serve, const ServeContact *contact, gboolean ahead,
			       GError **error)
{
	const WireHello *hello = contact->hello;
	g_autoptr(UtilTrailers) text = util_trailers_new();
	util_trailers_add_time(text, "Time", contact->heard_utc);
	util_trailers_add(text, "Software", hello->software);
	util_trailers_add(text, "Formats", hello->formats);
	util_trailers_add(text, "Codecs", hello->codecs);
	util_trailers_add_int(text, "Memory-Bytes", (gint64)hello->memory_bytes);
	util_trailers_add(text, "Zlib", hello->zlib);
	util_trailers_add(text, "Features", hello->features);
	if (hello->disk_free_bytes > 0)
		util_trailers_add_int(text, "Disk-Free-Bytes", (gint64)hello->disk_free_bytes);
	if (hello->line_kbit > 0) {
		util_trailers_add_int(text, "Line-Kbit", hello->line_kbit);
		util_trailers_add_int(text, "Line-Rtt-Ms", hello->line_rtt_ms);
	}
	util_trailers_add(text, "Head", hello->head);
	util_trailers_add(text, "Ahead", ahead ? "yes" : NULL);
	if (contact->by_file)
		util_trailers_add(text, "By-File", "yes");
	else
		util_trailers_add_int(text, "Clock-Offset-S", hello->now_utc - contact->heard_utc);
	if (!contact->by_file && hello->offset_known)
		util_trailers_add_int(text, "Clock-Offset-Ms", hello->offset_ms);
	for (guint i = 0; hello->live[i]; i++)
		util_trailers_add(text, "Live", hello->live[i]);
	for (guint i = 0; hello->held[i]; i++)
		util_trailers_add(text, "Held", hello->held[i]);
	for (guint i = 0; contact->wants && i < contact->wants->len; i++)
		util_trailers_add(text, "Want", contact->wants->pdata[i]);
	return serve_place(serve)->contact(serve, text, error);
}

/* Where hooks start the worker, nobody may have done so for days; a base that comes sees to it that
 * it gets its heartbeat. */
static gboolean ask_heartbeat(Serve *serve, Repo *ledger, const char *head, gint64 now_utc,
			      GError **error)
{
	if (serve->spec->node || !util_oid_hex_ok(head))
		return TRUE;
	g_autoptr(RepoCommit) commit = repo_commit_read(ledger, head, error);
	if (!commit || now_utc - commit->time_utc < LEDGER_BEAT_S)
		return commit != NULL;
	g_autoptr(UtilTrailers) hint = util_trailers_new();
	util_trailers_add(hint, "Base", serve->spec->base);
	return serve_hint(serve, "beat", hint, error);
}

gboolean serve_contact(Serve *serve, const ServeContact *contact, WireHelloReply *reply,
		       GError **error)
{
	gboolean ahead = FALSE;
	g_autoptr(Repo) ledger = NULL;
	return open_ledger(serve, &ledger, error) &&
	       head_of(ledger, serve_place(serve)->orders, reply->head, error) &&
	       head_of(ledger, LEDGER_REPORTS, reply->reports_head, error) &&
	       lacks(ledger, contact->hello->head, reply->head, &ahead, error) &&
	       reports_are_lost(serve, ledger, contact->hello, reply, error) &&
	       record_contact(serve, contact, ahead, error) &&
	       ask_heartbeat(serve, ledger, reply->head, util_clock_now_utc(serve->spec->clock),
			     error);
}

gboolean serve_hello(Serve *serve, const WireRequest *request, GError **error)
{
	(void)request; /* has no arguments */
	gsize len = 0;
	g_autofree char *text = wire_read_all(serve->stream, WIRE_HELLO_MAX, &len, error);
	/* once all has come: the base takes half of its way here and back off */
	gint64 now_us = serve->spec->clock->now_us(serve->spec->clock);
	gint64 now = now_us / G_USEC_PER_SEC;
	g_autoptr(WireHello) hello = text ? wire_hello_parse(text, len, error) : NULL;
	ServeContact contact = {.hello = hello, .heard_utc = now};
	WireHelloReply reply = {
	    .software = (char[]){TAGSHIP_SOFTWARE}, .now_utc = now, .now_ms = now_us / 1000 % 1000};
	if (!hello || !serve_check_identity(serve->spec, hello, error) ||
	    !serve_contact(serve, &contact, &reply, error))
		return FALSE;
	g_autofree char *answer = wire_hello_reply_format(&reply);
	return serve_ok(serve, (gint64)strlen(answer), error) &&
	       util_stream_puts(serve->stream, answer, error);
}
