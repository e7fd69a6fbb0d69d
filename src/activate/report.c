/* SPDX-License-Identifier: ISC */
#include "activate/activate-private.h"

/* The report event of a journal record; FALSE if central wants none. */
static gboolean report_event_of(const UtilTrailers *record, ReportEvent *ret_event)
{
	const char *event = util_trailers_get(record, "Event");
	if (!event || !util_trailers_get(record, "Release"))
		return FALSE;
	if (strcmp(event, "refused") == 0)
		event = "failed";
	return report_event_parse(event, ret_event);
}

gboolean activate_is_reportable(const UtilTrailers *record)
{
	ReportEvent event;
	return report_event_of(record, &event);
}

/* Reason and detail in one text. */
static char *detail_of(const UtilTrailers *record)
{
	const char *reason = util_trailers_get(record, "Reason");
	const char *detail = util_trailers_get(record, "Detail");
	if (reason && *reason && detail && *detail)
		return g_strconcat(reason, "; ", detail, NULL);
	return g_strdup(reason && *reason ? reason : detail ? detail : "");
}

/* All that a report says stands in its record. NULL if something is missing. */
static Report *report_of(const ActivateSpec *spec, const UtilTrailers *record)
{
	g_autoptr(Report) report = report_new();
	gint64 seq = 0, round = 1;
	if (!report_event_of(record, &report->event) ||
	    !util_trailers_need_int(record, "Seq", 1, G_MAXINT64, &seq, NULL) ||
	    !util_trailers_opt_int(record, "Round", 1, G_MAXINT64, 1, &round, NULL) ||
	    !util_trailers_need_time(record, "Time", &report->event_utc, NULL) ||
	    !util_trailers_opt_int(record, "Outage-Ms", -1, G_MAXINT64, -1, &report->outage_ms,
				   NULL) ||
	    !util_trailers_get(record, "Order-Version") || !util_trailers_get(record, "Order-Root"))
		return NULL;
	report->seq = (guint64)seq;
	report->round = round;
	report->base = g_strdup(spec->conf->name);
	report->incarnation = spec->incarnation;
	report->release = g_strdup(util_trailers_get(record, "Release"));
	report->app = g_strdup(spec->app->name);
	report->version = g_strdup(util_trailers_get(record, "Order-Version"));
	report->root = g_strdup(util_trailers_get(record, "Order-Root"));
	report->serves_root = g_strdup(util_trailers_get(record, "Serves"));
	report->detail = detail_of(record);
	report->log_end = g_strdup(util_trailers_get(record, "Log-End"));
	return g_steal_pointer(&report);
}

static gboolean make_report(ActivateApp *app, const Report *report, const char *key, GError **error)
{
	g_autofree char *text = report_format(report);
	if (!store_pending_put(app->spec.root_dirfd, key, text, app->spec.conf->key_file, error))
		return FALSE;
	g_autoptr(UtilTrailers) note = util_trailers_new();
	util_trailers_add(note, "Event", "report");
	util_trailers_add_time(note, "Time", util_clock_now_utc(app->spec.clock));
	util_trailers_add(note, "Key", key);
	return store_journal_append(app->journal, note, error);
}

/* Keys of reports that were put into pending/, or that central has. */
static GHashTable *noted_keys(const GPtrArray *records)
{
	GHashTable *keys = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	for (guint i = 0; i < records->len; i++) {
		const char *event = util_trailers_get(records->pdata[i], "Event");
		const char *key = util_trailers_get(records->pdata[i], "Key");
		if (key && (strcmp(event, "report") == 0 || strcmp(event, "reported") == 0))
			(void)g_hash_table_add(keys, g_strdup(key));
	}
	return keys;
}

void activate_missing_reports(ActivateApp *app)
{
	const GPtrArray *records = store_journal_records(app->journal);
	g_autoptr(GHashTable) keys = noted_keys(records);
	guint count = records->len; /* more are appended on the way */
	for (guint i = 0; i < count; i++) {
		g_autoptr(GError) failed = NULL;
		g_autoptr(Report) report = report_of(&app->spec, records->pdata[i]);
		g_autofree char *key = report ? report_key(report) : NULL;
		if (!key || g_hash_table_contains(keys, key))
			continue;
		if (!make_report(app, report, key, &failed))
			activate_say(&app->spec, report->version,
				     "the report \"%s\" could not be made, and is tried again: %s",
				     report_event_name(report->event), failed->message);
		(void)g_hash_table_add(keys, g_steal_pointer(&key));
	}
}

gboolean activate_reports_missing(const ActivateSpec *spec, const GPtrArray *records)
{
	g_autoptr(GHashTable) keys = noted_keys(records);
	for (guint i = 0; i < records->len; i++) {
		g_autoptr(Report) report = report_of(spec, records->pdata[i]);
		g_autofree char *key = report ? report_key(report) : NULL;
		if (key && !g_hash_table_contains(keys, key))
			return TRUE;
	}
	return FALSE;
}
