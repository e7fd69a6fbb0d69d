/* SPDX-License-Identifier: ISC */
/*
 * Central's notices: what jobs and bases did since the last look, from the queue's jobs and the
 * ledgers of reports, and what lasts and needs somebody, from the status.
 */
#include "cmd/notices.h"
#include "cmd/tagship/tagship.h"
#include "status/status.h"

#define REPORTS_MAX 256 /* of one base since the last look; older ones are not told */

/* Groups of `seen`. */
#define JOBS "jobs"
#define REPORTS "reports"
#define ALARMS "alarms"

typedef struct {
	Central *central;
	const Status *status;
} Side;

static Central *central_of(const CmdLook *look)
{
	return ((const Side *)look->side)->central;
}

static const Status *status_of(const CmdLook *look)
{
	return ((const Side *)look->side)->status;
}

/* ---- jobs ---- */

static const PublishRelease *release_of(const CmdLook *look, const Job *job)
{
	for (guint a = 0; a < status_of(look)->apps->len; a++) {
		const StatusApp *app = status_of(look)->apps->pdata[a];
		for (guint i = 0; i < app->releases->len; i++) {
			const PublishRelease *release = app->releases->pdata[i];
			if (g_strcmp0(release->job, job->id) == 0)
				return release;
		}
	}
	return NULL;
}

static gboolean is_ordered(const PublishRelease *release)
{
	for (guint i = 0; i < release->targets->len; i++)
		if (((const PublishTarget *)release->targets->pdata[i])->seq > 0)
			return TRUE;
	return FALSE;
}

static gboolean tell_job(const CmdLook *look, const Job *job, const char *state, GError **error)
{
	static const char *const prefixes[] = {"refs/tags/", "refs/heads/"};
	gboolean built = strcmp(job->kind, "tag") == 0 || strcmp(job->kind, "branch") == 0;
	const char *version = job->ref;
	if (job->state != JOB_FAILED && !(job->state == JOB_DONE && built))
		return TRUE;
	for (guint i = 0; i < G_N_ELEMENTS(prefixes); i++)
		if (g_str_has_prefix(job->ref, prefixes[i]))
			version = job->ref + strlen(prefixes[i]);
	Notice notice = {.event = job->state == JOB_FAILED ? "failed" : "built",
			 .time_utc = job->ended_utc,
			 .app = job->app,
			 .base = *job->base ? job->base : NULL,
			 .version = *version ? version : NULL,
			 .detail = job->reason,
			 .outage_ms = -1};
	const PublishRelease *release = job->state == JOB_DONE ? release_of(look, job) : NULL;
	if (release && !release->version)
		return TRUE; /* it ended before anything was made */
	if (release && g_strcmp0(release->version, release->tag) != 0) {
		/* a plan for a version that was built before */
		if (!is_ordered(release))
			return TRUE;
		notice.event = "ordered";
		notice.version = release->version;
		notice.detail = release->tag;
	}
	g_autofree char *key = g_strdup_printf("job %s %s", job->id, state);
	return cmd_put_notice(look, key, &notice, error);
}

static gboolean look_at_jobs(CmdLook *look, GError **error)
{
	g_autoptr(GPtrArray) jobs = store_job_list(central_of(look)->queue_dirfd, error);
	for (guint i = 0; jobs && i < jobs->len; i++) {
		const Job *job = jobs->pdata[i];
		g_autofree char *state = g_strdup_printf("%s %" G_GINT64_FORMAT,
							 job_state_name(job->state), job->attempt);
		g_autofree char *before = g_key_file_get_string(look->before, JOBS, job->id, NULL);
		g_key_file_set_string(look->now, JOBS, job->id, state);
		if (!look->first && g_strcmp0(before, state) != 0 &&
		    !tell_job(look, job, state, error))
			return FALSE;
	}
	return jobs != NULL;
}

/* ---- reports ---- */

/* The keys of what came after `before` (NULL: of all). */
static GHashTable *keys_after(Repo *ledger, const char *before, GError **error)
{
	g_autoptr(GPtrArray) reported = ledger_reported(ledger, REPORTS_MAX, error);
	if (!reported)
		return NULL;
	GHashTable *keys = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	for (guint i = 0; i < reported->len; i++) {
		const LedgerReported *one = reported->pdata[i];
		if (g_strcmp0(one->oid, before) == 0)
			break;
		(void)g_hash_table_add(keys, g_strdup(one->key)); /* a set */
	}
	return keys;
}

static gboolean tell_after(CmdLook *look, Repo *ledger, const char *before, GError **error)
{
	g_autoptr(GHashTable) keys = keys_after(ledger, before, error);
	g_autoptr(GPtrArray) reports = keys ? ledger_reports(ledger, error) : NULL;
	for (guint i = 0; reports && i < reports->len; i++) {
		const Report *report = reports->pdata[i];
		g_autofree char *key = report_key(report);
		if (g_hash_table_contains(keys, key) && !cmd_put_report(look, report, key, error))
			return FALSE;
	}
	return reports != NULL;
}

/* One that cannot be read keeps its place, and the others are looked at. */
static void look_at_ledger(CmdLook *look, const char *base)
{
	char head[REPO_OID] = "";
	g_autoptr(GError) error = NULL;
	g_autoptr(Repo) ledger = ledger_open(central_of(look)->path, base, &error);
	g_autofree char *before = g_key_file_get_string(look->before, REPORTS, base, NULL);
	gboolean some = ledger && repo_ref_get(ledger, LEDGER_REPORTS, head, NULL);
	gboolean told = some && (look->first || g_strcmp0(head, before) == 0 ||
				 tell_after(look, ledger, before, &error));
	g_key_file_set_string(look->now, REPORTS, base, told ? head : before ? before : "");
	if (error)
		g_printerr("tagship notify: %s: %s\n", base, error->message);
}

static gboolean look_at_reports(CmdLook *look, GError **error)
{
	g_auto(GStrv) bases = conf_peer_names(central_of(look)->dirfd, error);
	for (guint i = 0; bases && bases[i]; i++)
		look_at_ledger(look, bases[i]);
	return bases != NULL;
}

/* ---- what lasts ---- */

/* "EVENT/…": told when it begins; look_at_ends tells when it has ended. */
static gboolean tell_alarm(CmdLook *look, const char *key, const Notice *notice, GError **error)
{
	g_autofree char *since = util_time_format_utc(notice->time_utc);
	g_autofree char *before = g_key_file_get_string(look->before, ALARMS, key, NULL);
	g_key_file_set_string(look->now, ALARMS, key, before ? before : since);
	if (before)
		return TRUE;
	g_autofree char *identity = g_strdup_printf("alarm %s %s", key, since);
	return cmd_put_notice(look, identity, notice, error);
}

static gboolean look_at_cell(CmdLook *look, const StatusCell *cell, GError **error)
{
	Notice notice = {.time_utc = status_of(look)->now_utc,
			 .app = cell->app,
			 .base = cell->base,
			 .version = cell->next_version,
			 .outage_ms = -1};
	if (cell->overdue) {
		g_autofree char *key = g_strdup_printf("overdue/%s/%s/%" G_GUINT64_FORMAT,
						       cell->app, cell->base, cell->next_seq);
		notice.event = "overdue";
		notice.detail = "its time is over, and nothing was heard of it";
		if (!tell_alarm(look, key, &notice, error))
			return FALSE;
	}
	if (cell->held) {
		g_autofree char *key = g_strdup_printf("held/%s/%s", cell->app, cell->base);
		notice.event = "held";
		notice.version = NULL;
		notice.detail = cell->held;
		return tell_alarm(look, key, &notice, error);
	}
	return TRUE;
}

/* `cell`: any of the base. */
static gboolean look_at_base(CmdLook *look, const StatusCell *cell, GError **error)
{
	const char *base = cell->base;
	const UtilTrailers *contact = g_hash_table_lookup(status_of(look)->contacts, base);
	gint64 offset_ms = 0;
	Notice notice = {.time_utc = status_of(look)->now_utc, .base = base, .outage_ms = -1};
	g_autofree char *key = g_strconcat("silent/", base, NULL);
	/* of one that never called, only its first call is an end: its file may be written anew */
	gboolean still = !contact && g_key_file_has_key(look->before, ALARMS, key, NULL);
	if (cell->silent_since_utc || still) {
		g_autofree char *since = util_time_format_utc(cell->silent_since_utc);
		g_autofree char *detail = g_strdup_printf(
		    "%s %s", contact ? "not heard since" : "never heard, and enrolled on", since);
		notice.event = "silent";
		notice.detail = detail;
		if (!tell_alarm(look, key, &notice, error))
			return FALSE;
	}
	if (contact && publish_clock_is_off(contact, &offset_ms)) {
		g_autofree char *clock_key = g_strconcat("clock-off/", base, NULL);
		g_autofree char *detail =
		    g_strdup_printf("%+.3f s off central's", (double)offset_ms / 1000);
		notice.event = "clock-off";
		notice.detail = detail;
		return tell_alarm(look, clock_key, &notice, error);
	}
	return TRUE;
}

/* Ordered, and by all that is known it will not be there in time. */
static gboolean look_at_late(CmdLook *look, const PublishRelease *release, GError **error)
{
	for (guint i = 0; i < release->targets->len; i++) {
		const PublishTarget *target = release->targets->pdata[i];
		if (release->is_now || target->state != CENTRAL_ORDERED ||
		    target->arrival_utc <= target->at_utc)
			continue;
		g_autofree char *key = g_strdup_printf("late/%s/%s/%.12s", release->app,
						       target->base, release->release);
		g_autofree char *arrival = util_time_format_utc(target->arrival_utc);
		g_autofree char *detail =
		    g_strdup_printf("expected at %s, goes live at %s", arrival, target->local_text);
		Notice notice = {.event = "late",
				 .time_utc = status_of(look)->now_utc,
				 .app = release->app,
				 .base = target->base,
				 .version = release->version,
				 .release = release->release,
				 .detail = detail,
				 .outage_ms = -1};
		if (!tell_alarm(look, key, &notice, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean look_at_key(CmdLook *look, GError **error)
{
	gint64 now = status_of(look)->now_utc;
	if (!cmd_key_is_old(central_of(look)->key_file, now))
		return TRUE;
	Notice notice = {.event = "key-old",
			 .time_utc = now,
			 .detail = "central's signing key is over a year old: tagship key rotate",
			 .outage_ms = -1};
	return tell_alarm(look, "key-old/central", &notice, error);
}

/* What was an alarm and is none any more. */
static gboolean look_at_ends(CmdLook *look, GError **error)
{
	g_auto(GStrv) keys = g_key_file_get_keys(look->before, ALARMS, NULL, NULL);
	for (guint i = 0; keys && keys[i]; i++) {
		if (g_key_file_has_key(look->now, ALARMS, keys[i], NULL))
			continue;
		g_auto(GStrv) words = g_strsplit(keys[i], "/", 4);
		g_autofree char *since = g_key_file_get_string(look->before, ALARMS, keys[i], NULL);
		gboolean of_app = g_strv_length(words) > 2;
		Notice notice = {.event = words[0],
				 .over = TRUE,
				 .time_utc = status_of(look)->now_utc,
				 .app = of_app ? words[1] : NULL,
				 .base = of_app ? words[2] : words[1],
				 .outage_ms = -1};
		g_autofree char *identity = g_strdup_printf("over %s %s", keys[i], since);
		if (!cmd_put_notice(look, identity, &notice, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean look_at_alarms(CmdLook *look, GError **error)
{
	g_autoptr(GHashTable) bases = g_hash_table_new(g_str_hash, g_str_equal);
	for (guint i = 0; i < status_of(look)->cells->len; i++) {
		const StatusCell *cell = status_of(look)->cells->pdata[i];
		if (!look_at_cell(look, cell, error) ||
		    (g_hash_table_add(bases, cell->base) && !look_at_base(look, cell, error)))
			return FALSE;
	}
	for (guint a = 0; a < status_of(look)->apps->len; a++) {
		const GPtrArray *releases =
		    ((const StatusApp *)status_of(look)->apps->pdata[a])->releases;
		for (guint i = 0; i < releases->len; i++)
			if (!look_at_late(look, releases->pdata[i], error))
				return FALSE;
	}
	return look_at_key(look, error) && look_at_ends(look, error);
}

/* ---- the command ---- */

static gboolean find_news(CmdLook *look, GError **error)
{
	Side *side = look->side;
	g_autoptr(Status) status = status_load(side->central, NULL, error);
	side->status = status;
	return status && look_at_jobs(look, error) && look_at_reports(look, error) &&
	       look_at_alarms(look, error);
}

int cmd_notify(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 0, 0, error))
		return 2;
	g_autoptr(Central) central = central_open(cmd->dir, error);
	if (!central)
		return 1;
	Side side = {.central = central};
	const CmdTelling telling = {.dirfd = central->dirfd,
				    .argv = central->conf->notify,
				    .events = central->conf->notify_events,
				    .now_utc = util_clock_now_utc(central->clock),
				    .find = find_news,
				    .side = &side};
	return cmd_tell(cmd, &telling, error);
}
