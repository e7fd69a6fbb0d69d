/* SPDX-License-Identifier: ISC */
/* The text exposition format of Prometheus, version 0.0.4. */
#include "status/status.h"

#define PREFIX "tagship_"

/* ---- the format ---- */

static void begin(GString *out, const char *name, const char *help)
{
	g_string_append_printf(out, "# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s gauge\n", name,
			       help, name);
}

/* Label by label: name, value, ..., NULL. */
static void add_labels(GString *out, va_list labels)
{
	const char *separator = "{";
	for (const char *name = NULL; (name = va_arg(labels, const char *)); separator = ",") {
		const char *value = va_arg(labels, const char *);
		g_autofree char *shown = util_text_printable(value ? value : "", -1);
		g_string_append_printf(out, "%s%s=\"", separator, name);
		for (const char *c = shown; *c; c++)
			g_string_append_printf(out, "%s%c", strchr("\\\"", *c) ? "\\" : "", *c);
		g_string_append_c(out, '"');
	}
	g_string_append(out, *separator == ',' ? "} " : " ");
}

static void add(GString *out, const char *name, gdouble value, ...) G_GNUC_NULL_TERMINATED;
static void add(GString *out, const char *name, gdouble value, ...)
{
	char number[G_ASCII_DTOSTR_BUF_SIZE];
	va_list labels;
	g_string_append_printf(out, PREFIX "%s", name);
	va_start(labels, value);
	add_labels(out, labels);
	va_end(labels);
	g_ascii_formatd(number, sizeof number, "%.15g", value);
	g_string_append_printf(out, "%s\n", number);
}

/* ---- one app at one base ---- */

/* The newest release of an app that was ordered at a base. */
typedef struct {
	const PublishTarget *target;
	gboolean is_now; /* it has no minute to arrive before */
} Newest;

static Newest *newest_new(const PublishRelease *release, const PublishTarget *target)
{
	Newest *newest = g_new0(Newest, 1);
	*newest = (Newest){target, release->is_now};
	return newest;
}

typedef struct {
	const char *name, *help;
	/* FALSE: nothing is known of it there; one that is counted over versions or states has
	 * them as labels */
	gboolean (*value)(const StatusCell *cell, const Newest *newest, gdouble *ret_value);
} Gauge;

static gboolean live_since(const StatusCell *cell, const Newest *newest, gdouble *ret_value)
{
	(void)newest;
	*ret_value = (gdouble)cell->live_since_utc;
	return cell->live_since_utc > 0;
}

static gboolean go_live(const StatusCell *cell, const Newest *newest, gdouble *ret_value)
{
	(void)newest;
	*ret_value = (gdouble)cell->next_at_utc;
	return cell->next_version && !cell->next_is_now;
}

static gboolean silent(const StatusCell *cell, const Newest *newest, gdouble *ret_value)
{
	(void)newest;
	*ret_value = cell->silent_since_utc > 0;
	return TRUE;
}

static gboolean down(const StatusCell *cell, const Newest *newest, gdouble *ret_value)
{
	(void)newest;
	*ret_value = cell->down_version != NULL;
	return TRUE;
}

static gboolean overdue(const StatusCell *cell, const Newest *newest, gdouble *ret_value)
{
	(void)newest;
	*ret_value = cell->overdue;
	return TRUE;
}

static gboolean held(const StatusCell *cell, const Newest *newest, gdouble *ret_value)
{
	(void)newest;
	*ret_value = cell->held != NULL;
	return TRUE;
}

static gboolean bundle_bytes(const StatusCell *cell, const Newest *newest, gdouble *ret_value)
{
	(void)cell;
	*ret_value = newest ? (gdouble)newest->target->bundle_bytes : 0;
	return newest != NULL;
}

static gboolean outage(const StatusCell *cell, const Newest *newest, gdouble *ret_value)
{
	(void)cell;
	*ret_value = newest ? (gdouble)newest->target->outage_ms / 1000 : 0;
	return newest && newest->target->outage_ms >= 0;
}

static gboolean slack(const StatusCell *cell, const Newest *newest, gdouble *ret_value)
{
	(void)cell;
	*ret_value = newest ? (gdouble)(newest->target->at_utc - newest->target->staged_utc) : 0;
	return newest && !newest->is_now && newest->target->staged_utc > 0;
}

static const Gauge gauges[] = {
    {"live_timestamp_seconds", "When the live version went live.", live_since},
    {"go_live_timestamp_seconds", "When the next version goes live.", go_live},
    {"silent", "1 if the base was not heard for too long.", silent},
    {"down", "1 if nothing healthy serves.", down},
    {"overdue", "1 if the next version's time is over and nothing was heard of it.", overdue},
    {"held", "1 if nothing activates there until somebody lets it.", held},
    {"bundle_bytes", "What the newest ordered release takes of the line.", bundle_bytes},
    {"outage_seconds", "How long the app was away for the newest ordered release.", outage},
    {"arrival_slack_seconds", "How long before its go-live the newest ordered release had arrived.",
     slack}};

/* The newest release of the app that was ordered at each base: its name, borrowed -> Newest */
static GHashTable *newest_targets(const StatusApp *app)
{
	GHashTable *newest = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
	for (guint r = 0; r < app->releases->len; r++) {
		const PublishRelease *release = app->releases->pdata[r];
		for (guint t = 0; t < release->targets->len; t++) {
			PublishTarget *target = release->targets->pdata[t];
			if (target->seq > 0 && !g_hash_table_contains(newest, target->base))
				g_hash_table_insert(newest, target->base,
						    newest_new(release, target));
		}
	}
	return newest;
}

/* Of all cells; `newest`: app, borrowed -> newest_targets */
static void add_gauges(GString *out, const Status *status, GHashTable *newest)
{
	for (guint g = 0; g < G_N_ELEMENTS(gauges); g++) {
		begin(out, gauges[g].name, gauges[g].help);
		for (guint i = 0; i < status->cells->len; i++) {
			const StatusCell *cell = status->cells->pdata[i];
			GHashTable *targets = g_hash_table_lookup(newest, cell->app);
			gdouble value = 0;
			if (gauges[g].value(cell, g_hash_table_lookup(targets, cell->base), &value))
				add(out, gauges[g].name, value, "app", cell->app, "base",
				    cell->base, NULL);
		}
	}
}

/* A line with the version, and the state unless it is NULL; nothing without a version. */
static void add_version(GString *out, const char *name, const StatusCell *cell, const char *version,
			const char *state)
{
	if (version)
		add(out, name, 1, "app", cell->app, "base", cell->base, "version", version,
		    state ? "state" : NULL, state, NULL);
}

static void add_versions(GString *out, const Status *status)
{
	begin(out, "live_info", "The version that is live.");
	for (guint i = 0; i < status->cells->len; i++) {
		const StatusCell *cell = status->cells->pdata[i];
		add_version(out, "live_info", cell, cell->live_version, NULL);
	}
	begin(out, "order_state", "The next version, and how far it is.");
	for (guint i = 0; i < status->cells->len; i++) {
		const StatusCell *cell = status->cells->pdata[i];
		add_version(out, "order_state", cell, cell->next_version, cell->next_state);
	}
	begin(out, "end_state", "How the newest release that ended ended.");
	for (guint i = 0; i < status->cells->len; i++) {
		const StatusCell *cell = status->cells->pdata[i];
		add_version(out, "end_state", cell, cell->last_version, cell->last_state);
	}
}

/* ---- bases ---- */

typedef struct {
	const char *name, *help;
	const char *key; /* of its last contact; "Time" is a time */
	gdouble unit;
	gboolean age; /* how long ago that time is */
} BaseGauge;

static const BaseGauge base_gauges[] = {
    {"last_contact_timestamp_seconds", "When the base was heard last.", "Time", 1, FALSE},
    {"last_contact_age_seconds", "How long ago that was when this was written.", "Time", 1, TRUE},
    {"clock_offset_seconds", "The base's clock minus central's.", "Clock-Offset-Ms", 0.001, FALSE},
    {"disk_free_bytes", "Free where releases are.", "Disk-Free-Bytes", 1, FALSE},
    {"line_bits_per_second", "What the line gave lately.", "Line-Kbit", 1000, FALSE}};

static gboolean read_contact(const UtilTrailers *contact, const char *key, gint64 *ret_value)
{
	if (strcmp(key, "Time") != 0)
		return util_trailers_need_int(contact, key, G_MININT64, G_MAXINT64, ret_value,
					      NULL);
	/* files are carried when somebody goes there */
	return !util_trailers_get(contact, "By-File") &&
	       util_trailers_need_time(contact, key, ret_value, NULL);
}

static void add_bases(GString *out, const Status *status)
{
	g_autoptr(GList) bases = g_hash_table_get_keys(status->contacts);
	bases = g_list_sort(bases, (GCompareFunc)strcmp);
	for (guint g = 0; g < G_N_ELEMENTS(base_gauges); g++) {
		const BaseGauge *gauge = &base_gauges[g];
		begin(out, gauge->name, gauge->help);
		for (const GList *at = bases; at; at = at->next) {
			const UtilTrailers *contact =
			    g_hash_table_lookup(status->contacts, at->data);
			gint64 value = 0;
			if (!read_contact(contact, gauge->key, &value))
				continue;
			value = gauge->age ? status->now_utc - value : value;
			add(out, gauge->name, (gdouble)value * gauge->unit, "base", at->data, NULL);
		}
	}
}

char *status_metrics(const Status *status)
{
	GString *out = g_string_new(NULL);
	g_autoptr(GHashTable) newest = g_hash_table_new_full(g_str_hash, g_str_equal, NULL,
							     (GDestroyNotify)g_hash_table_unref);
	for (guint i = 0; i < status->apps->len; i++) {
		const StatusApp *app = status->apps->pdata[i];
		g_hash_table_insert(newest, app->name, newest_targets(app));
	}
	add_versions(out, status);
	add_gauges(out, status, newest);
	add_bases(out, status);
	begin(out, "written_timestamp_seconds", "When this was written.");
	add(out, "written_timestamp_seconds", (gdouble)status->now_utc, NULL);
	begin(out, "worker_running", "1 if central's worker runs.");
	add(out, "worker_running", status->worker_running, NULL);
	begin(out, "jobs_waiting", "Jobs that wait for the worker.");
	add(out, "jobs_waiting", status->jobs_waiting, NULL);
	begin(out, "trouble", "Lines that tagship status begins with an exclamation mark.");
	add(out, "trouble", status->trouble->len, NULL);
	return g_string_free(out, FALSE);
}
