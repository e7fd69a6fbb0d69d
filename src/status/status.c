/* SPDX-License-Identifier: ISC */
#include "status/status-private.h"

#define SENDING_S 60 /* serve notes every few seconds */

static void node_free(gpointer data)
{
	StatusNode *node = data;
	g_free(node->name);
	g_free(node->version);
	g_free(node->state);
	g_free(node->detail);
	g_free(node->live_version);
	g_free(node);
}

static void cell_free(gpointer data)
{
	StatusCell *cell = data;
	g_free(cell->app);
	g_free(cell->base);
	g_free(cell->zone);
	g_free(cell->live_version);
	g_free(cell->next_version);
	g_free(cell->next_state);
	g_free(cell->next_waits);
	g_free(cell->next_local);
	g_free(cell->last_state);
	g_free(cell->last_version);
	g_free(cell->last_detail);
	g_free(cell->down_version);
	g_free(cell->down_detail);
	g_free(cell->held);
	g_ptr_array_unref(cell->nodes);
	g_free(cell);
}

static void app_free(gpointer data)
{
	StatusApp *app = data;
	g_free(app->name);
	g_clear_pointer(&app->releases, g_ptr_array_unref);
	g_free(app);
}

void status_free(Status *status)
{
	if (!status)
		return;
	g_ptr_array_unref(status->apps);
	g_ptr_array_unref(status->cells);
	g_hash_table_unref(status->contacts);
	g_clear_pointer(&status->stops, g_ptr_array_unref);
	g_ptr_array_unref(status->trouble);
	g_free(status->job_running);
	g_free(status);
}

static void replace(char **field, const char *value)
{
	char *copy = g_strdup(value);
	g_free(*field);
	*field = copy;
}

/* What central's word on it depends on, or NULL. */
static char *waits_for(const PublishRelease *release, const PublishTarget *target)
{
	if (!plan_is_gated(release->gate, target->wave) ||
	    decide_release_gate(release, target->wave))
		return NULL;
	return target->wave > 1 ? g_strdup_printf("wave %u", target->wave - 1) : g_strdup("gate");
}

/* The soonest release that is still open here. */
static void cell_next(StatusCell *cell, const PublishRelease *release, const PublishTarget *target,
		      gint64 now_utc)
{
	const char *state = NULL;
	if (publish_target_is_past(release, target, now_utc))
		return;
	switch (target->state) {
	case CENTRAL_ORDERED:
		state = "ordered";
		break;
	case CENTRAL_STAGED:
		state = "staged";
		break;
	case CENTRAL_CANCEL_ASKED:
		state = target->seq > 0 ? "cancel-asked" : NULL;
		break;
	case CENTRAL_NOT_ORDERED:
		/* still on its way through central, unless it ended there */
		if (strcmp(release->state, "building") == 0 ||
		    strcmp(release->state, "bundling") == 0 || strcmp(release->state, "late") == 0)
			state = release->state;
		break;
	case CENTRAL_ENDED:
		break;
	}
	/* at equal times the later order is the one that will serve */
	if (!state || (cell->next_version &&
		       (cell->next_at_utc < target->at_utc ||
			(cell->next_at_utc == target->at_utc && cell->next_seq >= target->seq))))
		return;
	replace(&cell->next_version, release->version);
	replace(&cell->next_state, state);
	g_free(cell->next_waits);
	cell->next_waits = waits_for(release, target);
	replace(&cell->next_local, target->local_text);
	cell->next_at_utc = target->at_utc;
	cell->next_grace_s = release->grace_s;
	cell->next_seq = target->seq;
	cell->next_is_now = release->is_now;
}

static StatusNode *find_node(StatusCell *cell, const char *name)
{
	guint at = 0;
	for (; at < cell->nodes->len; at++) {
		StatusNode *node = g_ptr_array_index(cell->nodes, at);
		int order = strcmp(node->name, name);
		if (order == 0)
			return node;
		if (order > 0)
			break;
	}
	StatusNode *node = g_new0(StatusNode, 1);
	node->name = g_strdup(name);
	g_ptr_array_insert(cell->nodes, (gint)at, node);
	return node;
}

/* One that reported nothing of a release is silent about it; what is older stands. */
static void cell_nodes(StatusCell *cell, const PublishRelease *release, const PublishTarget *target)
{
	for (guint i = 0; i < target->nodes->len; i++) {
		const ReportNode *said = g_ptr_array_index(target->nodes, i);
		StatusNode *node = find_node(cell, said->name);
		if (said->reported && said->event == REPORT_LIVE &&
		    said->time_utc >= node->live_since_utc) {
			replace(&node->live_version, release->version);
			node->live_since_utc = said->time_utc;
		}
		if (!said->reported || said->time_utc < node->utc)
			continue;
		replace(&node->version, release->version);
		replace(&node->state, report_event_name(said->event));
		replace(&node->detail, said->detail);
		node->utc = said->time_utc;
	}
}

/* Of two events within one second the one of the later order came later. */
static gboolean is_later(const PublishTarget *target, gint64 than_utc, guint64 than_seq)
{
	return target->event_utc > than_utc ||
	       (target->event_utc == than_utc && target->seq >= than_seq);
}

static gboolean has_run(ReportEvent event)
{
	return event != REPORT_CANCELLED && event != REPORT_SUPERSEDED;
}

/* Whether anything healthy serves: the newest of what says so counts. */
static void cell_serves(StatusCell *cell, const PublishRelease *release,
			const PublishTarget *target)
{
	gboolean down = target->event == REPORT_DOWN;
	if ((!down && target->event != REPORT_LIVE && target->event != REPORT_ROLLED_BACK) ||
	    !is_later(target, cell->serves_utc, cell->serves_seq))
		return;
	replace(&cell->down_version, down ? release->version : NULL);
	replace(&cell->down_detail, down ? target->detail : NULL);
	cell->serves_utc = target->event_utc;
	cell->serves_seq = target->seq;
}

static void cell_target(StatusCell *cell, const PublishRelease *release,
			const PublishTarget *target, gint64 now_utc)
{
	cell_next(cell, release, target, now_utc);
	cell_nodes(cell, release, target);
	if (target->state != CENTRAL_ENDED)
		return;
	if (target->event == REPORT_LIVE &&
	    is_later(target, cell->live_since_utc, cell->live_seq)) {
		replace(&cell->live_version, release->version);
		cell->live_since_utc = target->event_utc;
		cell->live_seq = target->seq;
	}
	cell_serves(cell, release, target);
	/* what never ran does not hide how the last one that did ended */
	gboolean ran = has_run(target->event);
	if (ran != cell->last_ran ? ran : is_later(target, cell->last_utc, cell->last_seq)) {
		replace(&cell->last_state, report_event_name(target->event));
		replace(&cell->last_version, release->version);
		replace(&cell->last_detail, target->detail);
		cell->last_utc = target->event_utc;
		cell->last_seq = target->seq;
		cell->last_ran = ran;
	}
}

/* What the base itself said at its last contact outranks older reports. */
static void cell_contact(StatusCell *cell, const UtilTrailers *contact)
{
	gboolean newer = cell->heard_utc >= cell->last_utc;
	for (guint i = 0; i < util_trailers_count(contact); i++) {
		const char *key = util_trailers_key(contact, i);
		g_auto(GStrv) words = g_strsplit(util_trailers_value(contact, i), " ", 3);
		if (!words[0] || strcmp(words[0], cell->app) != 0)
			continue;
		if (newer && strcmp(key, "Live") == 0 && words[1] && words[2])
			replace(&cell->live_version, words[2]);
		if (strcmp(key, "Held") == 0)
			replace(&cell->held, words[1]
						 ? strchr(util_trailers_value(contact, i), ' ') + 1
						 : "no reason given");
	}
}

/* What serve noted of a download; an old note is one that was cut off. */
static void cell_sending(Central *central, StatusCell *cell)
{
	g_autofree char *path = g_strconcat("sending/", cell->base, NULL);
	g_autofree char *text = NULL;
	gsize len = 0;
	gint64 time = 0, since = 0, from = 0, offset = 0, bytes = 0;
	if (!cell->next_version ||
	    !util_fs_read_file(central->dirfd, path, 4096, &text, &len, NULL))
		return;
	g_autoptr(UtilTrailers) note = util_trailers_parse(text, len, NULL);
	if (!note || g_strcmp0(util_trailers_get(note, "App"), cell->app) != 0 ||
	    g_strcmp0(util_trailers_get(note, "Version"), cell->next_version) != 0 ||
	    !util_trailers_need_time(note, "Time", &time, NULL) ||
	    !util_trailers_need_time(note, "Since", &since, NULL) ||
	    !util_trailers_need_int(note, "From", 0, G_MAXINT64, &from, NULL) ||
	    !util_trailers_need_int(note, "Offset", from, G_MAXINT64, &offset, NULL) ||
	    !util_trailers_need_int(note, "Bytes", offset, G_MAXINT64, &bytes, NULL))
		return;
	if (util_clock_now_utc(central->clock) - time > SENDING_S)
		return;
	gdouble rate = (gdouble)(offset - from) / (gdouble)MAX(time - since, 1);
	cell->sent_bytes = (guint64)offset;
	cell->bundle_bytes = (guint64)bytes;
	cell->arrives_utc = time + (rate > 0 ? (gint64)((gdouble)(bytes - offset) / rate) : 0);
}

/* by_base: their names, borrowed -> themselves. */
static gboolean add_cells(Status *status, Central *central, const char *app, GHashTable *by_base,
			  GError **error)
{
	g_auto(GStrv) names = conf_peer_names(central->dirfd, error);
	if (!names)
		return FALSE;
	for (guint i = 0; names[i]; i++) {
		g_autoptr(ConfPeer) peer = conf_peer_load(central->dirfd, names[i], error);
		if (!peer)
			return FALSE;
		if (!g_strv_contains((const char *const *)peer->apps, app))
			continue;
		StatusCell *cell = g_new0(StatusCell, 1);
		cell->app = g_strdup(app);
		cell->base = g_strdup(peer->name);
		cell->zone = g_strdup(peer->zone);
		cell->nodes = g_ptr_array_new_with_free_func(node_free);
		g_ptr_array_add(status->cells, cell);
		g_hash_table_insert(by_base, cell->base, cell);
	}
	return TRUE;
}

/* Read once for all apps of the base. NULL: never heard. */
static const UtilTrailers *contact_of(Status *status, Central *central, const char *base)
{
	UtilTrailers *contact = g_hash_table_lookup(status->contacts, base);
	if (!contact)
		contact = publish_contact(central, base);
	if (contact && !g_hash_table_contains(status->contacts, base))
		g_hash_table_insert(status->contacts, g_strdup(base), contact);
	return contact;
}

static gboolean load_app(Status *status, Central *central, PublishLedgers *ledgers, const char *app,
			 GError **error)
{
	g_autoptr(GHashTable) by_base = g_hash_table_new(g_str_hash, g_str_equal);
	guint first = status->cells->len;
	StatusApp *loaded = g_new0(StatusApp, 1);
	loaded->name = g_strdup(app);
	g_ptr_array_add(status->apps, loaded);
	if (!add_cells(status, central, app, by_base, error))
		return FALSE;
	loaded->releases = publish_releases(central, ledgers, app, 0, error);
	if (!loaded->releases)
		return FALSE;
	const GPtrArray *releases = loaded->releases;
	for (guint i = 0; i < releases->len; i++) {
		const PublishRelease *release = g_ptr_array_index(releases, i);
		for (guint t = 0; t < release->targets->len; t++) {
			const PublishTarget *target = g_ptr_array_index(release->targets, t);
			StatusCell *cell = g_hash_table_lookup(by_base, target->base);
			if (cell)
				cell_target(cell, release, target, status->now_utc);
		}
	}
	for (guint i = first; i < status->cells->len; i++) {
		StatusCell *cell = g_ptr_array_index(status->cells, i);
		const UtilTrailers *contact = contact_of(status, central, cell->base);
		if (contact) {
			(void)util_trailers_need_time(contact, "Time", &cell->heard_utc, NULL);
			cell_contact(cell, contact);
		}
		if (cell->down_version) {
			/* what was live last serves nobody */
			replace(&cell->live_version, NULL);
			cell->live_since_utc = 0;
		}
		gint64 since_utc = 0;
		if (publish_base_is_silent(central, cell->base, contact, &since_utc))
			cell->silent_since_utc = since_utc;
		cell_sending(central, cell);
	}
	return TRUE;
}

static gboolean load_jobs(Status *status, Central *central, GError **error)
{
	g_autoptr(GPtrArray) jobs = store_job_list(central->queue_dirfd, error);
	for (guint i = 0; jobs && i < jobs->len; i++) {
		const Job *job = g_ptr_array_index(jobs, i);
		status->jobs_waiting += job->state == JOB_QUEUED;
		if (job->state == JOB_RUNNING)
			replace(&status->job_running, job->id);
	}
	status->worker_running = publish_worker_running(central);
	return jobs != NULL;
}

static void cell_overdue(const Status *status, StatusCell *cell)
{
	gint64 wait_s = STATUS_OVERDUE_S + (cell->next_waits ? cell->next_grace_s : 0);
	for (guint i = 0; i < status->stops->len && !cell->stopped; i++)
		cell->stopped =
		    publish_stop_touches(status->stops->pdata[i], cell->app, cell->base);
	cell->overdue = cell->next_version && !cell->next_is_now && !cell->held && !cell->stopped &&
			status->now_utc > cell->next_at_utc + wait_s;
}

Status *status_load(Central *central, const char *app, GError **error)
{
	g_autoptr(Status) status = g_new0(Status, 1);
	g_autoptr(PublishLedgers) ledgers = publish_ledgers_new();
	status->apps = g_ptr_array_new_with_free_func(app_free);
	status->now_utc = util_clock_now_utc(central->clock);
	status->contacts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
						 (GDestroyNotify)util_trailers_free);
	status->cells = g_ptr_array_new_with_free_func(cell_free);
	status->trouble = g_ptr_array_new_with_free_func(g_free);
	g_auto(GStrv) apps = conf_app_names(central->dirfd, error);
	if (!apps)
		return NULL;
	if (app && !g_strv_contains((const char *const *)apps, app)) {
		const char *near = util_text_nearest(app, (const char *const *)apps);
		util_error_set(error, TS_ERROR_NOT_FOUND, "no app \"%s\"%s%s%s", app,
			       near ? "; did you mean \"" : "", near ? near : "",
			       near ? "\"?" : "");
		return NULL;
	}
	for (guint i = 0; apps[i]; i++)
		if ((!app || strcmp(app, apps[i]) == 0) &&
		    !load_app(status, central, ledgers, apps[i], error))
			return NULL;
	status->stops = publish_stops(central, error);
	if (!status->stops || !load_jobs(status, central, error))
		return NULL;
	for (guint i = 0; i < status->cells->len; i++)
		cell_overdue(status, status->cells->pdata[i]);
	status_find_trouble(status, central, app);
	return g_steal_pointer(&status);
}
