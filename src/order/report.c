/* SPDX-License-Identifier: ISC */
#include "order/order-private.h"

#define FORMAT "Tagship-Report"
#define OUTAGE_MAX_MS (G_GINT64_CONSTANT(31) * 24 * 3600 * 1000)

static const struct {
	const char *name;
	gboolean ends;
} events[] = {
    [REPORT_STAGED] = {"staged", FALSE},          [REPORT_LIVE] = {"live", TRUE},
    [REPORT_ROLLED_BACK] = {"rolled-back", TRUE}, [REPORT_DOWN] = {"down", TRUE},
    [REPORT_FAILED] = {"failed", TRUE},           [REPORT_MISSED] = {"missed", TRUE},
    [REPORT_CANCELLED] = {"cancelled", TRUE},     [REPORT_SUPERSEDED] = {"superseded", TRUE},
    [REPORT_TOO_LATE] = {"too-late", FALSE},      [REPORT_HELD] = {"held", FALSE},
    [REPORT_UNHELD] = {"unheld", FALSE},
};

static const char *const report_keys[] = {"Base",      "Incarnation", "Release", "Seq",  "App",
					  "Version",   "Root",        "Event",   "Time", "Serves",
					  "Outage-Ms", "Detail",      "Log-End", NULL};

const char *report_event_name(ReportEvent event)
{
	return events[event].name;
}

gboolean report_event_parse(const char *name, ReportEvent *ret_event)
{
	for (guint i = 0; i < G_N_ELEMENTS(events); i++) {
		if (strcmp(events[i].name, name) == 0) {
			*ret_event = (ReportEvent)i;
			return TRUE;
		}
	}
	return FALSE;
}

gboolean report_event_ends(ReportEvent event)
{
	return events[event].ends;
}

Report *report_new(void)
{
	Report *report = g_new0(Report, 1);
	report->outage_ms = -1;
	return report;
}

void report_free(Report *report)
{
	if (!report)
		return;
	g_free(report->base);
	g_free(report->release);
	g_free(report->app);
	g_free(report->version);
	g_free(report->root);
	g_free(report->serves_root);
	g_free(report->detail);
	g_free(report->log_end);
	g_free(report);
}

static const char *or_dash(const char *text)
{
	return text ? text : "-";
}

char *report_format(const Report *report)
{
	const char *log_end = report->log_end ? report->log_end : "";
	gsize log_len = strlen(log_end);
	if (log_len > REPORT_LOG_MAX)
		log_end += log_len - REPORT_LOG_MAX;
	g_autoptr(UtilTrailers) t = util_trailers_new();
	util_trailers_add(t, FORMAT, "1");
	util_trailers_add(t, "Base", report->base);
	util_trailers_add_int(t, "Incarnation", report->incarnation);
	util_trailers_add(t, "Release", or_dash(report->release));
	util_trailers_add_int(t, "Seq", (gint64)report->seq);
	util_trailers_add(t, "App", report->app);
	util_trailers_add(t, "Version", or_dash(report->version));
	util_trailers_add(t, "Root", or_dash(report->root));
	util_trailers_add(t, "Event", report_event_name(report->event));
	util_trailers_add_time(t, "Time", report->event_utc);
	util_trailers_add(t, "Serves", or_dash(report->serves_root));
	util_trailers_add_int(t, "Outage-Ms", report->outage_ms);
	field_add_clipped(t, "Detail", report->detail, ORDER_NOTE_MAX);
	field_add_clipped(t, "Log-End", log_end, REPORT_LOG_MAX);
	return util_trailers_format(t);
}

static gboolean is_log(const char *value)
{
	gsize len = strlen(value);
	return len > 0 && len <= REPORT_LOG_MAX;
}

static gboolean is_dash(const char *value)
{
	return strcmp(value, "-") == 0;
}

static void read_event(FieldReader *reader, Report *report)
{
	const char *name = NULL;
	if (reader->ok)
		reader->ok = util_trailers_need(reader->trailers, "Event", &name, reader->error);
	if (!reader->ok || report_event_parse(name, &report->event))
		return;
	g_autofree char *shown = util_text_printable(name, (gssize)MIN(strlen(name), 80));
	field_wrong(reader, "Event", "unknown event \"%s\"", shown);
}

/* Only a hold of a whole app concerns no order: "-" for release, version and root, sequence 0. */
static void read_order(FieldReader *reader, Report *report)
{
	gboolean whole_app = (report->event == REPORT_HELD || report->event == REPORT_UNHELD) &&
			     g_strcmp0(util_trailers_get(reader->trailers, "Release"), "-") == 0;
	gint64 least = whole_app ? 0 : 1, most = whole_app ? 0 : G_MAXINT64;
	field_text(reader, "Release", whole_app ? is_dash : field_is_oid, FALSE, &report->release);
	field_uint(reader, "Seq", least, most, &report->seq);
	field_text(reader, "App", field_is_name, FALSE, &report->app);
	field_text(reader, "Version", whole_app ? is_dash : field_is_version, FALSE,
		   &report->version);
	field_text(reader, "Root", whole_app ? is_dash : field_is_root, FALSE, &report->root);
}

Report *report_parse(const char *text, gsize len, GError **error)
{
	g_autoptr(UtilTrailers) trailers = field_parse(FORMAT, report_keys, NULL, text, len, error);
	if (!trailers) {
		g_prefix_error(error, "report: ");
		return NULL;
	}
	g_autoptr(Report) report = report_new();
	FieldReader reader = {trailers, error, TRUE};
	field_text(&reader, "Base", field_is_name, FALSE, &report->base);
	field_int(&reader, "Incarnation", 1, G_MAXINT32, &report->incarnation);
	read_event(&reader, report);
	read_order(&reader, report);
	field_time(&reader, "Time", &report->event_utc);
	field_text(&reader, "Serves", field_is_root_or_dash, FALSE, &report->serves_root);
	field_int(&reader, "Outage-Ms", -1, OUTAGE_MAX_MS, &report->outage_ms);
	field_text(&reader, "Detail", field_is_note, TRUE, &report->detail);
	field_text(&reader, "Log-End", is_log, TRUE, &report->log_end);
	g_autofree char *canonical = reader.ok ? report_format(report) : NULL;
	if (!reader.ok || !field_check_canonical(trailers, canonical, error)) {
		g_prefix_error(error, "report: ");
		return NULL;
	}
	report->detail = report->detail ? report->detail : g_strdup("");
	report->log_end = report->log_end ? report->log_end : g_strdup("");
	return g_steal_pointer(&report);
}

char *report_key(const Report *report)
{
	return g_strdup_printf("%s.%" G_GUINT64_FORMAT ".%s", or_dash(report->release), report->seq,
			       report_event_name(report->event));
}
