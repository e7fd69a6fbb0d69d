/* SPDX-License-Identifier: ISC */
/* What central no longer needs: bundles, logs, versions. */
#include <sys/stat.h>
#include <time.h>

#include "publish/publish-private.h"

#define YOUNG_S 3600
#define DAY_S ((time_t)24 * 3600)
#define DAILY_MARK "gc" /* in STATE/queue: when that was done last */

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

/* A younger one may be for an order that is being made. */
static gboolean is_old(int dirfd, const char *name)
{
	struct stat st;
	return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_mtime < time(NULL) - YOUNG_S;
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
		if (!util_sha256_hex_ok(name) || g_hash_table_contains(keep, name) ||
		    !is_old(central->bundles_dirfd, name))
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

/* Old `seen` maps and many small packs. automatic: where git finds it worth while, and then it goes
 * on in the background. */
static gboolean gc_repositories(Central *central, gboolean automatic, GError **error)
{
	g_auto(GStrv) bases = conf_peer_names(central->dirfd, error);
	if (!bases || !repo_gc(library_repo(central->library), automatic, error))
		return FALSE;
	for (guint i = 0; bases[i]; i++) {
		g_autoptr(Repo) ledger = ledger_open(central->path, bases[i], error);
		if (!ledger || !repo_gc(ledger, automatic, error))
			return FALSE;
	}
	return TRUE;
}

/* Beside the hooks that admins installed, where we may. */
static void gc_hooks(Central *central, const char *name)
{
	static const char *const folders[] = {".", CONF_HOOKS_OURS, NULL};
	g_autoptr(ConfApp) app = conf_app_load(central->dirfd, name, NULL);
	g_autofree char *dir = app ? repo_hooks_dir(app->repo, NULL) : NULL;
	util_autofd int dirfd = dir ? util_fs_open_dir(AT_FDCWD, dir, NULL) : -1;
	if (dirfd >= 0) /* only litter stays */
		(void)util_fs_sweep_tmp_all(dirfd, folders, DAY_S, NULL);
}

/* What killed programs left half-written, wherever they write. */
static gboolean gc_left_over(Central *central, GError **error)
{
	static const char *const folders[] = {
	    ".",        "apps.d",     "bases.d", "contacts",         "keys", "log", "queue",
	    "queue/in", "queue/jobs", "sending", "bundles/by-roots", "tmp",  NULL};
	g_auto(GStrv) apps = conf_app_names(central->dirfd, error);
	gboolean ok = apps && util_fs_sweep_tmp_all(central->dirfd, folders, DAY_S, error);
	for (guint i = 0; ok && apps[i]; i++) {
		g_autofree char *work = g_build_filename("work", apps[i], NULL);
		const char *const one[] = {work, NULL};
		ok = util_fs_sweep_tmp_all(central->dirfd, one, DAY_S, error);
		gc_hooks(central, apps[i]);
	}
	return ok;
}

static gboolean gc_files(Central *central, gboolean dry_run, GString *said, GError **error)
{
	return gc_bundles(central, dry_run, said, error) &&
	       gc_logs(central, dry_run, said, error) &&
	       gc_versions(central, dry_run, said, error) &&
	       (dry_run || gc_left_over(central, error));
}

gboolean publish_gc(Central *central, gboolean dry_run, GString *ret_said, GError **error)
{
	return gc_files(central, dry_run, ret_said, error) &&
	       (dry_run || gc_repositories(central, FALSE, error));
}

void publish_gc_daily(Central *central)
{
	struct stat st;
	g_autoptr(GString) said = g_string_new(NULL);
	g_autoptr(GError) error = NULL;
	if (fstatat(central->queue_dirfd, DAILY_MARK, &st, 0) == 0 &&
	    st.st_mtime > time(NULL) - DAY_S)
		return;
	/* the mark first: what fails is tried again tomorrow, not with every push */
	if (!util_fs_write_file(central->queue_dirfd, DAILY_MARK, "", 0, 0644, &error) ||
	    !gc_files(central, FALSE, said, &error) || !gc_repositories(central, TRUE, &error))
		publish_note(central, "alarm: gc: %s", error->message);
	g_auto(GStrv) lines = g_strsplit(g_strchomp(said->str), "\n", -1);
	for (guint i = 0; lines[i]; i++)
		publish_note(central, "gc: %s", lines[i]);
}
