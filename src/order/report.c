/* SPDX-License-Identifier: ISC */
#include "order/order-private.h"

#define FORMAT "Tagship-Report"
#define ROUND_MAX 1000000
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
    [REPORT_UNHELD] = {"unheld", FALSE},          [REPORT_NODES] = {"nodes", FALSE},
};

static const char *const report_keys[] = {
    "Base",  "Incarnation", "Release", "Seq",       "Round",  "App",     "Version", "Root",
    "Event", "Time",        "Serves",  "Outage-Ms", "Detail", "Log-End", "Node",    NULL};

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

static void node_free(gpointer data)
{
	ReportNode *node = data;
	g_free(node->name);
	g_free(node->detail);
	g_free(node);
}

Report *report_new(void)
{
	Report *report = g_new0(Report, 1);
	report->nodes = g_ptr_array_new_with_free_func(node_free);
	report->outage_ms = -1;
	report->round = 1;
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
	g_ptr_array_unref(report->nodes);
	g_free(report);
}

static const char *or_dash(const char *text)
{
	return text ? text : "-";
}

static gint by_name(gconstpointer a, gconstpointer b)
{
	const ReportNode *x = *(ReportNode *const *)a, *y = *(ReportNode *const *)b;
	return strcmp(x->name, y->name);
}

void report_add_node(Report *report, const ReportNode *node)
{
	ReportNode *copy = g_memdup2(node, sizeof *node);
	copy->name = g_strdup(node->name);
	copy->detail = g_strdup(node->detail ? node->detail : "");
	g_ptr_array_add(report->nodes, copy);
	g_ptr_array_sort(report->nodes, by_name);
}

/* "NAME EVENT TIME OUTAGE-MS[ DETAIL]" or "NAME -", one line. */
static char *node_line(const ReportNode *node)
{
	if (!node->reported)
		return g_strconcat(node->name, " -", NULL);
	g_autofree char *time = util_time_format_utc(node->time_utc);
	g_autofree char *line =
	    g_strdup_printf("%s %s %s %" G_GINT64_FORMAT, node->name,
			    report_event_name(node->event), time, node->outage_ms);
	g_autofree char *detail =
	    g_strndup(node->detail ? node->detail : "", REPORT_NODE_DETAIL_MAX);
	const char *end = NULL;
	(void)g_strdelimit(detail, "\n\t", ' '); /* in place */
	if (!g_utf8_validate(detail, -1, &end))
		detail[end - detail] = '\0'; /* no half character */
	return *detail ? g_strconcat(line, " ", detail, NULL) : g_steal_pointer(&line);
}

static void add_nodes(UtilTrailers *trailers, const Report *report)
{
	for (guint i = 0; i < report->nodes->len; i++) {
		g_autofree char *line = node_line(report->nodes->pdata[i]);
		util_trailers_add(trailers, "Node", line);
	}
}

char *report_format(const Report *report)
{
	const char *log_end = report->log_end ? report->log_end : "";
	gsize log_len = strlen(log_end);
	if (log_len > REPORT_LOG_MAX)
		log_end += log_len - REPORT_LOG_MAX;
	g_autoptr(UtilTrailers) t = util_trailers_new();
	/* 1 has no word for a round */
	util_trailers_add(t, FORMAT, report->round > 1 ? "2" : "1");
	util_trailers_add(t, "Base", report->base);
	util_trailers_add_int(t, "Incarnation", report->incarnation);
	util_trailers_add(t, "Release", or_dash(report->release));
	util_trailers_add_int(t, "Seq", (gint64)report->seq);
	if (report->round > 1)
		util_trailers_add_int(t, "Round", report->round);
	util_trailers_add(t, "App", report->app);
	util_trailers_add(t, "Version", or_dash(report->version));
	util_trailers_add(t, "Root", or_dash(report->root));
	util_trailers_add(t, "Event", report_event_name(report->event));
	util_trailers_add_time(t, "Time", report->event_utc);
	util_trailers_add(t, "Serves", or_dash(report->serves_root));
	util_trailers_add_int(t, "Outage-Ms", report->outage_ms);
	field_add_clipped(t, "Detail", report->detail, ORDER_NOTE_MAX);
	field_add_clipped(t, "Log-End", log_end, REPORT_LOG_MAX);
	add_nodes(t, report);
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
	if (reader->ok && util_trailers_get(reader->trailers, "Round"))
		field_int(reader, "Round", 2, ROUND_MAX, &report->round);
	field_text(reader, "App", field_is_name, FALSE, &report->app);
	field_text(reader, "Version", whole_app ? is_dash : field_is_version, FALSE,
		   &report->version);
	field_text(reader, "Root", whole_app ? is_dash : field_is_root, FALSE, &report->root);
}

static gboolean parse_node(const char *value, ReportNode *node, char **words)
{
	guint n = g_strv_length(words);
	if (n < 2 || !util_name_check("node", words[0], NULL) || strchr(value, '\n'))
		return FALSE;
	node->name = words[0];
	node->outage_ms = -1;
	if (n == 2)
		return strcmp(words[1], "-") == 0;
	if (n < 4 || !report_event_parse(words[1], &node->event) || node->event == REPORT_NODES ||
	    !util_time_parse_utc(words[2], &node->time_utc, NULL) ||
	    !g_ascii_string_to_signed(words[3], 10, -1, OUTAGE_MAX_MS, &node->outage_ms, NULL))
		return FALSE;
	node->reported = TRUE;
	node->detail = words[4]; /* or NULL, behind the end */
	return TRUE;
}

/* "nodes" has some, in order; other events have none. */
static void read_nodes(FieldReader *reader, Report *report)
{
	const char *last = "";
	for (guint i = 0; reader->ok && i < util_trailers_count(reader->trailers); i++) {
		const char *value = util_trailers_value(reader->trailers, i);
		g_auto(GStrv) words = g_strsplit(value, " ", 5);
		ReportNode node = {.name = NULL};
		if (strcmp(util_trailers_key(reader->trailers, i), "Node") != 0)
			continue;
		if (report->event != REPORT_NODES || report->nodes->len >= REPORT_NODES_MAX ||
		    !parse_node(value, &node, words) || strcmp(node.name, last) <= 0) {
			field_wrong(reader, "Node", "not of its form, or not in its place");
			return;
		}
		report_add_node(report, &node);
		last = ((ReportNode *)report->nodes->pdata[report->nodes->len - 1])->name;
	}
	if (report->event == REPORT_NODES && report->nodes->len == 0)
		field_wrong(reader, "Node", "none stands there");
}

Report *report_parse(const char *text, gsize len, GError **error)
{
	g_autoptr(UtilTrailers) trailers =
	    field_parse(FORMAT, 2, report_keys, "Node", text, len, error);
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
	read_nodes(&reader, report);
	g_autofree char *canonical = reader.ok ? report_format(report) : NULL;
	if (!reader.ok || !field_check_canonical(trailers, canonical, error)) {
		g_prefix_error(error, "report: ");
		return NULL;
	}
	report->detail = report->detail ? report->detail : g_strdup("");
	report->log_end = report->log_end ? report->log_end : g_strdup("");
	return g_steal_pointer(&report);
}

/* So that what the nodes did later is another report. */
static char *nodes_digest(const Report *report)
{
	guint8 digest[UTIL_SHA256_BYTES];
	char hex[UTIL_SHA256_HEX];
	g_autoptr(UtilTrailers) lines = util_trailers_new();
	add_nodes(lines, report);
	g_autofree char *text = util_trailers_format(lines);
	util_sha256_data(text, strlen(text), digest);
	util_hex_encode(digest, sizeof digest, hex);
	return g_strdup_printf("-%.8s", hex);
}

char *report_key(const Report *report)
{
	g_autofree char *suffix = NULL;
	if (report->event == REPORT_NODES)
		suffix = nodes_digest(report);
	else if (report->round > 1)
		suffix = g_strdup_printf("-%" G_GINT64_FORMAT, report->round);
	g_autofree char *hardware = report->incarnation > 1
					? g_strdup_printf(".%" G_GINT64_FORMAT, report->incarnation)
					: NULL;
	return g_strdup_printf("%s.%" G_GUINT64_FORMAT ".%s%s%s", or_dash(report->release),
			       report->seq, report_event_name(report->event), suffix ? suffix : "",
			       hardware ? hardware : "");
}
