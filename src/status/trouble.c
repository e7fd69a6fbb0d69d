/* SPDX-License-Identifier: ISC */
/* What needs somebody, one line each: what is down first, then what went wrong, what should have
 * come, and what may go wrong. */
#include "status/status-private.h"

static void say(Status *status, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void say(Status *status, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	g_autofree char *text = g_strdup_vprintf(format, args);
	va_end(args);
	g_ptr_array_add(status->trouble, g_steal_pointer(&text));
}

/* ": detail", or nothing. */
static char *because(const char *detail)
{
	return detail && *detail ? g_strconcat(": ", detail, NULL) : g_strdup("");
}

/* ---- of one app at one base ---- */

static void look_at_down(Status *status, const StatusCell *cell)
{
	g_autofree char *why = because(cell->down_detail);
	if (cell->down_version)
		say(status, "%s at %s: %s down%s", cell->app, cell->base, cell->down_version, why);
}

static gboolean is_trouble(const char *state)
{
	return strcmp(state, "live") != 0 && strcmp(state, "superseded") != 0 &&
	       strcmp(state, "cancelled") != 0 && strcmp(state, "staged") != 0;
}

static void look_at_end(Status *status, const StatusCell *cell)
{
	g_autofree char *why = because(cell->last_detail);
	if (cell->last_state && is_trouble(cell->last_state) &&
	    strcmp(cell->last_state, "down") != 0)
		say(status, "%s at %s: %s %s%s", cell->app, cell->base, cell->last_version,
		    cell->last_state, why);
}

static void look_at_nodes(Status *status, const StatusCell *cell)
{
	for (guint i = 0; i < cell->nodes->len; i++) {
		const StatusNode *node = g_ptr_array_index(cell->nodes, i);
		g_autofree char *why = because(node->detail);
		if (node->state && is_trouble(node->state))
			say(status, "%s at %s, node %s: %s %s%s", cell->app, cell->base, node->name,
			    node->version, node->state, why);
	}
}

static void look_at_overdue(Status *status, const StatusCell *cell)
{
	if (!cell->overdue)
		return;
	g_autofree char *at = util_time_format_utc(cell->next_at_utc);
	g_autofree char *heard =
	    cell->heard_utc ? util_time_format_utc(cell->heard_utc) : g_strdup("never");
	say(status,
	    "%s at %s: %s was to go live at %s, and nothing was heard of that (last contact: %s)",
	    cell->app, cell->base, cell->next_version, at, heard);
}

static void look_at_held(Status *status, const StatusCell *cell)
{
	if (cell->held)
		say(status, "%s at %s: held: %s", cell->app, cell->base, cell->held);
}

static void each_cell(Status *status, void (*look)(Status *status, const StatusCell *cell))
{
	for (guint i = 0; i < status->cells->len; i++)
		look(status, status->cells->pdata[i]);
}

/* ---- of releases ---- */

/* How an app's newest release ended on central. */
static void look_at_newest(Status *status, const PublishRelease *release)
{
	if (strcmp(release->state, "build-failed") != 0 && strcmp(release->state, "refused") != 0 &&
	    strcmp(release->state, "late") != 0)
		return;
	const char *reason = release->reason ? release->reason : "see its log";
	g_autofree char *first = g_strndup(reason, strcspn(reason, "\n"));
	say(status, "%s %s: %s: %s", release->app, release->tag, release->state, first);
}

/* `said`: bases whose ledger was told of. */
static void look_at_targets(Status *status, const PublishRelease *release, GHashTable *said)
{
	for (guint t = 0; t < release->targets->len; t++) {
		const PublishTarget *target = g_ptr_array_index(release->targets, t);
		/* what a base says of a version that is only staged there is an alarm */
		if (target->state == CENTRAL_STAGED && target->detail && *target->detail)
			say(status, "%s at %s: %s staged, but: %s", release->app, target->base,
			    release->version, target->detail);
		if (target->trouble && g_hash_table_add(said, target->base))
			say(status, "%s: its ledger here cannot be read: %s", target->base,
			    target->trouble);
	}
}

static void each_release(Status *status)
{
	g_autoptr(GHashTable) said = g_hash_table_new(g_str_hash, g_str_equal);
	for (guint i = 0; i < status->apps->len; i++) {
		const StatusApp *app = status->apps->pdata[i];
		if (app->releases->len > 0)
			look_at_newest(status, app->releases->pdata[0]);
	}
	for (guint i = 0; i < status->apps->len; i++) {
		const StatusApp *app = status->apps->pdata[i];
		for (guint r = 0; r < app->releases->len; r++)
			look_at_targets(status, app->releases->pdata[r], said);
	}
}

/* ---- of bases ---- */

static void look_at_bases(Status *status)
{
	g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
	for (guint i = 0; i < status->cells->len; i++) {
		const StatusCell *cell = status->cells->pdata[i];
		const char *base = cell->base;
		const UtilTrailers *contact = g_hash_table_lookup(status->contacts, base);
		gint64 offset_ms = 0;
		if (!g_hash_table_add(seen, cell->base))
			continue; /* of another app */
		if (cell->silent_since_utc) {
			g_autofree char *since = util_time_format_utc(cell->silent_since_utc);
			say(status, "%s: %s %s: does it run, is its line up?", base,
			    contact ? "not heard since" : "never heard, and enrolled on", since);
		}
		/* its releases go live by that clock */
		if (contact && publish_clock_is_off(contact, &offset_ms))
			say(status,
			    "%s: its clock was %+.3f s off ours when it was last heard: check its "
			    "NTP",
			    base, (double)offset_ms / 1000);
	}
}

/* ---- stops ---- */

/* Bases that have not heard of it yet, "a, b". */
static char *deaf_to(const Status *status, Central *central, const PublishStop *stop)
{
	g_autoptr(GPtrArray) deaf = g_ptr_array_new();
	for (guint c = 0; c < status->cells->len; c++) {
		const StatusCell *cell = status->cells->pdata[c];
		if (publish_stop_touches(stop, cell->app, cell->base) &&
		    !g_ptr_array_find_with_equal_func(deaf, cell->base, g_str_equal, NULL) &&
		    publish_stop_heard(central, cell->base, NULL) != PUBLISH_HEARD_YES)
			g_ptr_array_add(deaf, cell->base);
	}
	g_ptr_array_add(deaf, NULL);
	return g_strjoinv(", ", (char **)deaf->pdata);
}

static void look_at_stops(Status *status, Central *central, const char *app)
{
	for (guint i = 0; i < status->stops->len; i++) {
		const PublishStop *stop = status->stops->pdata[i];
		if (app && stop->app && strcmp(app, stop->app) != 0)
			continue;
		g_autofree char *names = deaf_to(status, central, stop);
		g_autofree char *since = util_time_format_utc(stop->since_utc);
		say(status, "%s%s%s STOPPED by %s since %s: %s (%s%s)",
		    stop->app ? stop->app : "all apps", stop->base ? " at " : "",
		    stop->base ? stop->base : "", stop->who, since, stop->reason,
		    *names ? "not heard yet by " : "heard", names);
	}
}

void status_find_trouble(Status *status, Central *central, const char *app)
{
	each_cell(status, look_at_down);
	each_cell(status, look_at_overdue);
	each_cell(status, look_at_end);
	each_cell(status, look_at_nodes);
	if (status->jobs_waiting > 0 && !status->worker_running)
		say(status, "jobs are waiting and no worker runs: tagship worker");
	each_release(status);
	look_at_bases(status);
	look_at_stops(status, central, app);
	each_cell(status, look_at_held);
}
