/* SPDX-License-Identifier: ISC */
/* What an admin asks of central by hand: cancel, rollback, retry, gc. */
#include <stdlib.h>

#include "publish/publish-private.h"

char **publish_apps_of_repo(Central *central, const char *repo_path_text, GError **error)
{
	g_auto(GStrv) names = conf_app_names(central->dirfd, error);
	if (!names)
		return NULL;
	g_autofree char *real = realpath(repo_path_text, NULL);
	GPtrArray *found = g_ptr_array_new();
	for (guint i = 0; names[i]; i++) {
		g_autoptr(ConfApp) app = conf_app_load(central->dirfd, names[i], error);
		if (!app) {
			g_ptr_array_set_free_func(found, g_free);
			g_ptr_array_unref(found);
			return NULL;
		}
		g_autofree char *other = realpath(app->repo, NULL);
		if (strcmp(real ? real : repo_path_text, other ? other : app->repo) == 0)
			g_ptr_array_add(found, g_strdup(names[i]));
	}
	g_ptr_array_add(found, NULL);
	return (char **)g_ptr_array_free(found, FALSE);
}

static gboolean cancel_decided(const GPtrArray *decisions, const char *base)
{
	for (guint i = 0; i < decisions->len; i++) {
		const LibraryDecision *decision = g_ptr_array_index(decisions, i);
		const char *only = util_trailers_get(decision->text, "Base");
		if (strcmp(decision->decision, "cancelled") == 0 &&
		    (!only || g_strcmp0(only, base) == 0))
			return TRUE;
	}
	return FALSE;
}

static gboolean decide_cancel(Central *central, const char *app, const char *release,
			      const char *base, const char *reason, GError **error)
{
	util_autofd int lock = util_fs_lock(central->dirfd, "fanout.lock", 60000, error);
	if (lock < 0)
		return FALSE;
	g_autoptr(GPtrArray) decisions = library_decisions(central->library, app, release, error);
	if (!decisions)
		return FALSE;
	if (cancel_decided(decisions, base))
		return TRUE;
	g_autoptr(UtilTrailers) text = util_trailers_new();
	util_trailers_add(text, "Base", base);
	util_trailers_add(text, "Reason", reason);
	return library_decide(central->library, app, release, "cancelled", text, NULL,
			      util_clock_now_utc(central->clock), error);
}

gboolean publish_cancel(Central *central, const char *app, const char *release, const char *base,
			const char *reason, GError **error)
{
	return decide_cancel(central, app, release, base, reason, error) &&
	       publish_fan_out(central, app, release, error);
}

/* A plan tag object of our own in the library, on its road as if it had been pushed. */
static char *own_plan(Central *central, const char *app, const char *version_name, const char *base,
		      const char *what, const char *who, GError **error)
{
	g_autoptr(LibraryVersion) version =
	    library_version(central->library, app, version_name, error);
	if (!version)
		return NULL;
	char commit[REPO_OID], tag[REPO_OID];
	Repo *repo = library_repo(central->library);
	g_autofree char *ref = g_strdup_printf("refs/versions/%s/%s", app, version_name);
	if (!repo_ref_get(repo, ref, commit, error))
		return NULL;
	gint64 now = util_clock_now_utc(central->clock);
	g_autofree char *name = g_strdup_printf("%s/%s-%" G_GINT64_FORMAT "-%04x", what,
						version_name, now, g_random_int() & 0xffff);
	g_autofree char *message = g_strdup_printf(
	    "%s: %s, by %s on central\n\nRelease-At: now\nRelease-To: %s\nRelease-Version: %s\n"
	    "Release-Override: %s by hand\n",
	    what, version_name, who, base ? base : "all", version_name, what);
	if (!repo_tag_write(repo, commit, name, message, who, "tagship@localhost", now, tag, error))
		return NULL;
	g_autofree char *id = job_id_for_ref(app, name, tag);
	g_autoptr(Job) job = job_new(id, "tag", app);
	g_free(job->oid);
	g_free(job->pusher);
	job->oid = g_strdup(tag);
	job->pusher = g_strdup(who);
	job->created_utc = now;
	job->attempt = 0;
	if (!store_job_create(central->queue_dirfd, job, error) ||
	    !store_wake_set(central->queue_dirfd, error))
		return NULL;
	return g_steal_pointer(&id);
}

char *publish_rollback(Central *central, const char *app, const char *version, const char *base,
		       const char *who, GError **error)
{
	return own_plan(central, app, version, base, PUBLISH_ROLLBACK, who, error);
}

/* When this release last went live at any base; 0: never. */
static gint64 last_live_utc(const PublishRelease *release)
{
	gint64 last = 0;
	for (guint i = 0; i < release->targets->len; i++) {
		const PublishTarget *target = g_ptr_array_index(release->targets, i);
		if (target->state == CENTRAL_ENDED && target->event == REPORT_LIVE)
			last = MAX(last, target->event_utc);
	}
	return last;
}

char *publish_settle(Central *central, const char *app, const char *base, const char *who,
		     GError **error)
{
	g_autoptr(GPtrArray) releases = publish_releases(central, app, 0, error);
	const PublishRelease *newest = NULL;
	for (guint i = 0; releases && i < releases->len; i++) {
		const PublishRelease *release = g_ptr_array_index(releases, i);
		if (last_live_utc(release) > (newest ? last_live_utc(newest) : 0))
			newest = release;
	}
	return newest ? own_plan(central, app, newest->version, base, "settle", who, error) : NULL;
}

gboolean publish_retry(Central *central, const char *job_id, GError **error)
{
	g_autoptr(Job) job = store_job_read(central->queue_dirfd, job_id, error);
	if (!job)
		return FALSE;
	if (job->state != JOB_FAILED)
		return util_error_set(error, TS_ERROR_REFUSED,
				      "job %s is %s; only a failed job can be retried", job_id,
				      job_state_name(job->state));
	job->state = JOB_QUEUED;
	job->started_utc = job->ended_utc = 0;
	g_autoptr(UtilTrailers) hint = util_trailers_new();
	util_trailers_add(hint, "Job", job_id);
	return store_job_write(central->queue_dirfd, job, error) &&
	       store_hint_put(central->queue_dirfd, "retry", hint, error);
}

/* ---- gc ---- */

static void keep_order_bundles(GHashTable *keep, const LedgerView *view)
{
	GHashTableIter iter;
	gpointer key = NULL, value = NULL;
	g_hash_table_iter_init(&iter, view->orders);
	while (g_hash_table_iter_next(&iter, &key, &value)) {
		const LedgerOrder *entry = value;
		gboolean ended = FALSE;
		for (guint i = 0; i < view->reports->len && !ended; i++) {
			const Report *report = g_ptr_array_index(view->reports, i);
			ended =
			    strcmp(report->release, key) == 0 && report_event_ends(report->event);
		}
		for (guint i = 0; !ended && i < entry->order->bundles->len; i++) {
			const OrderBundle *bundle = g_ptr_array_index(entry->order->bundles, i);
			g_hash_table_add(keep, g_strdup(bundle->sha256));
		}
	}
}

static gboolean gc_bundles(Central *central, gboolean dry_run, GString *said, GError **error)
{
	g_autoptr(GHashTable) keep = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	g_auto(GStrv) bases = conf_peer_names(central->dirfd, error);
	if (!bases)
		return FALSE;
	for (guint i = 0; bases[i]; i++) {
		g_autoptr(LedgerView) view = ledger_view_load(central, bases[i], error);
		if (!view)
			return FALSE;
		keep_order_bundles(keep, view);
	}
	g_autoptr(GPtrArray) names = util_fs_list(central->bundles_dirfd, ".", error);
	for (guint i = 0; names && i < names->len; i++) {
		const char *name = g_ptr_array_index(names, i);
		if (!util_sha256_hex_ok(name) || g_hash_table_contains(keep, name))
			continue;
		g_string_append_printf(said, "bundle %.12s: no open order needs it\n", name);
		if (!dry_run && !util_fs_unlink(central->bundles_dirfd, name, error))
			return FALSE;
	}
	return names != NULL && util_fs_sweep_tmp(central->bundles_dirfd, ".", 3600, error);
}

static gboolean gc_logs(Central *central, gboolean dry_run, GString *said, GError **error)
{
	gint64 limit =
	    util_clock_now_utc(central->clock) - central->conf->keep_logs_days * 24 * 3600;
	g_autoptr(GPtrArray) jobs = store_job_list(central->queue_dirfd, error);
	for (guint i = 0; jobs && i < jobs->len; i++) {
		const Job *job = g_ptr_array_index(jobs, i);
		if (job->ended_utc == 0 || job->ended_utc > limit)
			continue;
		g_string_append_printf(said,
				       "log of job %s: older than %" G_GINT64_FORMAT " days\n",
				       job->id, central->conf->keep_logs_days);
		for (gint64 n = 1; !dry_run && n <= job->attempt; n++) {
			g_autofree char *name = job_log_name(job->id, n);
			if (!util_fs_unlink(central->dirfd, name, error))
				return FALSE;
		}
	}
	return jobs != NULL;
}

/* Versions that no order ever named, beyond the newest keep_versions of an app. */
static gboolean gc_versions(Central *central, gboolean dry_run, GString *said, GError **error)
{
	g_auto(GStrv) apps = conf_app_names(central->dirfd, error);
	for (guint a = 0; apps && apps[a]; a++) {
		g_autoptr(GPtrArray) versions = library_versions(central->library, apps[a], error);
		gint64 spare = central->conf->keep_versions;
		if (!versions)
			return FALSE;
		for (guint i = 0; i < versions->len; i++) {
			const LibraryVersion *version = g_ptr_array_index(versions, i);
			if (version->bound || spare-- > 0)
				continue;
			g_string_append_printf(said, "version %s of %s: never ordered\n",
					       version->version, apps[a]);
			if (!dry_run &&
			    !library_remove(central->library, apps[a], version->version, error))
				return FALSE;
		}
	}
	return apps != NULL;
}

static gboolean git_gc(const char *path, GError **error)
{
	const char *argv[] = {"git", "-C", path, "gc", "--quiet", NULL};
	g_autofree char *errors = NULL;
	int status = 0;
	if (!util_child_capture(argv, NULL, NULL, 3600, 65536, NULL, &errors, &status, error))
		return FALSE;
	return status == 0 ||
	       util_error_set(error, TS_ERROR_FAILED, "git gc in %s: %s", path, g_strstrip(errors));
}

/* Old `seen` maps and many small packs. */
static gboolean gc_repositories(Central *central, GError **error)
{
	g_auto(GStrv) bases = conf_peer_names(central->dirfd, error);
	if (!bases || !git_gc(repo_path(library_repo(central->library)), error))
		return FALSE;
	for (guint i = 0; bases[i]; i++) {
		g_autofree char *name = g_strconcat(bases[i], ".git", NULL);
		g_autofree char *path = g_build_filename(central->path, "ledger", name, NULL);
		if (!git_gc(path, error))
			return FALSE;
	}
	return TRUE;
}

gboolean publish_gc(Central *central, gboolean dry_run, GString *ret_said, GError **error)
{
	return gc_bundles(central, dry_run, ret_said, error) &&
	       gc_logs(central, dry_run, ret_said, error) &&
	       gc_versions(central, dry_run, ret_said, error) &&
	       (dry_run || gc_repositories(central, error)) &&
	       util_fs_sweep_tmp(central->dirfd, "tmp", 24 * 3600, error);
}
