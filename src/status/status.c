/* SPDX-License-Identifier: ISC */
#include "status/status.h"

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

/* What a base says of a version that is only staged there is an alarm. */
static void add_staged_alarm(Status *status, const PublishRelease *release,
			     const PublishTarget *target)
{
	if (target->state == CENTRAL_STAGED && target->detail && *target->detail)
		g_ptr_array_add(status->trouble,
				g_strdup_printf("%s at %s: %s staged, but: %s", release->app,
						target->base, release->version, target->detail));
}

/* Of two events within one second the one of the later order came later. */
static gboolean is_later(const PublishTarget *target, gint64 than_utc, guint64 than_seq)
{
	return target->event_utc > than_utc ||
	       (target->event_utc == than_utc && target->seq >= than_seq);
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
	if (is_later(target, cell->last_utc, cell->last_seq)) {
		replace(&cell->last_state, report_event_name(target->event));
		replace(&cell->last_version, release->version);
		replace(&cell->last_detail, target->detail);
		cell->last_utc = target->event_utc;
		cell->last_seq = target->seq;
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

static void add_release_trouble(Status *status, const PublishRelease *release, gboolean newest)
{
	gboolean central_failed = strcmp(release->state, "build-failed") == 0 ||
				  strcmp(release->state, "refused") == 0 ||
				  strcmp(release->state, "late") == 0;
	if (!newest || !central_failed)
		return;
	const char *reason = release->reason ? release->reason : "see its log";
	const char *newline = strchr(reason, '\n');
	g_autofree char *first =
	    newline ? g_strndup(reason, (gsize)(newline - reason)) : g_strdup(reason);
	g_ptr_array_add(status->trouble, g_strdup_printf("%s %s: %s: %s", release->app,
							 release->tag, release->state, first));
}

static gboolean is_trouble(const char *state)
{
	return strcmp(state, "live") != 0 && strcmp(state, "superseded") != 0 &&
	       strcmp(state, "cancelled") != 0 && strcmp(state, "staged") != 0;
}

static void add_node_trouble(Status *status, const StatusCell *cell)
{
	for (guint i = 0; i < cell->nodes->len; i++) {
		const StatusNode *node = g_ptr_array_index(cell->nodes, i);
		if (!node->state || !is_trouble(node->state))
			continue;
		g_ptr_array_add(status->trouble,
				g_strdup_printf("%s at %s, node %s: %s %s%s%s", cell->app,
						cell->base, node->name, node->version, node->state,
						*node->detail ? ": " : "", node->detail));
	}
}

static void add_cell_trouble(Status *status, const StatusCell *cell)
{
	if (cell->last_state && is_trouble(cell->last_state))
		g_ptr_array_add(status->trouble,
				g_strdup_printf("%s at %s: %s %s%s%s", cell->app, cell->base,
						cell->last_version, cell->last_state,
						cell->last_detail ? ": " : "",
						cell->last_detail ? cell->last_detail : ""));
	if (cell->held)
		g_ptr_array_add(status->trouble, g_strdup_printf("%s at %s: held: %s", cell->app,
								 cell->base, cell->held));
}

static gboolean is_stopped(const Status *status, const StatusCell *cell)
{
	for (guint i = 0; i < status->stops->len; i++)
		if (publish_stop_touches(status->stops->pdata[i], cell->app, cell->base))
			return TRUE;
	return FALSE;
}

static void add_overdue(Status *status, StatusCell *cell)
{
	gint64 wait_s = STATUS_OVERDUE_S + (cell->next_waits ? cell->next_grace_s : 0);
	cell->overdue = cell->next_version && !cell->next_is_now && !cell->held &&
			status->now_utc > cell->next_at_utc + wait_s && !is_stopped(status, cell);
	if (!cell->overdue)
		return;
	g_autofree char *at = util_time_format_utc(cell->next_at_utc);
	g_autofree char *heard =
	    cell->heard_utc ? util_time_format_utc(cell->heard_utc) : g_strdup("never");
	g_ptr_array_add(status->trouble,
			g_strdup_printf("%s at %s: %s was to go live at %s, and nothing was heard "
					"of that (last contact: %s)",
					cell->app, cell->base, cell->next_version, at, heard));
}

/* Of many apps or releases the same is said once; takes the text. */
static void add_once(Status *status, char *text)
{
	g_autofree char *owned = text;
	if (!g_ptr_array_find_with_equal_func(status->trouble, text, g_str_equal, NULL))
		g_ptr_array_add(status->trouble, g_steal_pointer(&owned));
}

/* Its releases go live by that clock. */
static void add_clock_trouble(Status *status, const StatusCell *cell, const UtilTrailers *contact)
{
	gint64 offset_ms = 0;
	if (publish_clock_is_off(contact, &offset_ms))
		add_once(status,
			 g_strdup_printf("%s: its clock was %+.3f s off ours when it was last "
					 "heard: check its NTP",
					 cell->base, (double)offset_ms / 1000));
}

static void add_ledger_trouble(Status *status, const PublishTarget *target)
{
	if (target->trouble)
		add_once(status, g_strdup_printf("%s: its ledger here cannot be read: %s",
						 target->base, target->trouble));
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
		add_release_trouble(status, release, i == 0);
		for (guint t = 0; t < release->targets->len; t++) {
			const PublishTarget *target = g_ptr_array_index(release->targets, t);
			StatusCell *cell = g_hash_table_lookup(by_base, target->base);
			if (cell)
				cell_target(cell, release, target, status->now_utc);
			add_staged_alarm(status, release, target);
			add_ledger_trouble(status, target);
		}
	}
	for (guint i = first; i < status->cells->len; i++) {
		StatusCell *cell = g_ptr_array_index(status->cells, i);
		const UtilTrailers *contact = contact_of(status, central, cell->base);
		if (contact) {
			(void)util_trailers_need_time(contact, "Time", &cell->heard_utc, NULL);
			cell_contact(cell, contact);
			add_clock_trouble(status, cell, contact);
		}
		cell_sending(central, cell);
		add_cell_trouble(status, cell);
		add_node_trouble(status, cell);
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
	if (jobs && status->jobs_waiting > 0 && !status->worker_running)
		g_ptr_array_add(status->trouble,
				g_strdup("jobs are waiting and no worker runs: tagship worker"));
	return jobs != NULL;
}

/* "shop at berlin is stopped since … by …: why (heard by all)" */
static void add_stops(Status *status, Central *central, const char *app)
{
	for (guint i = 0; i < status->stops->len; i++) {
		const PublishStop *stop = status->stops->pdata[i];
		g_autoptr(GPtrArray) deaf = g_ptr_array_new();
		if (app && stop->app && strcmp(app, stop->app) != 0)
			continue;
		for (guint c = 0; c < status->cells->len; c++) {
			const StatusCell *cell = status->cells->pdata[c];
			if ((!stop->base || strcmp(stop->base, cell->base) == 0) &&
			    (!stop->app || strcmp(stop->app, cell->app) == 0) &&
			    !g_ptr_array_find_with_equal_func(deaf, cell->base, g_str_equal,
							      NULL) &&
			    publish_stop_heard(central, cell->base, NULL) != PUBLISH_HEARD_YES)
				g_ptr_array_add(deaf, cell->base);
		}
		g_ptr_array_add(deaf, NULL);
		g_autofree char *names = g_strjoinv(", ", (char **)deaf->pdata);
		g_autofree char *since = util_time_format_utc(stop->since_utc);
		g_ptr_array_add(
		    status->trouble,
		    g_strdup_printf("%s%s%s STOPPED by %s since %s: %s (%s%s)",
				    stop->app ? stop->app : "all apps", stop->base ? " at " : "",
				    stop->base ? stop->base : "", stop->who, since, stop->reason,
				    *names ? "not heard yet by " : "heard", names));
	}
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
		add_overdue(status, status->cells->pdata[i]);
	add_stops(status, central, app);
	return g_steal_pointer(&status);
}
