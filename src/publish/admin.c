/* SPDX-License-Identifier: ISC */
/* What an admin asks of central by hand: cancel, rollback, retry. */
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

static gboolean decide_cancel(Central *central, const char *app, const char *release,
			      const char *base, const char *reason, GError **error)
{
	util_autofd int lock = publish_lock(central, error);
	if (lock < 0)
		return FALSE;
	g_autoptr(GPtrArray) decisions = library_decisions(central->library, app, release, error);
	if (!decisions)
		return FALSE;
	if (publish_cancel_decision(decisions, base))
		return TRUE;
	g_autoptr(UtilTrailers) text = util_trailers_new();
	util_trailers_add(text, "Base", base);
	util_trailers_add(text, "Reason", reason);
	return library_decide(central->library, app, release, "cancelled", text, NULL,
			      util_clock_now_utc(central->clock), error);
}

/* A later wave may have waited for this base alone: the worker looks at once. */
static gboolean wake_worker(Central *central, GError **error)
{
	g_autoptr(UtilTrailers) hint = util_trailers_new();
	return store_hint_put(central->queue_dirfd, "cancel", hint, error);
}

gboolean publish_cancel(Central *central, const char *app, const char *release, const char *base,
			const char *reason, GError **error)
{
	return decide_cancel(central, app, release, base, reason, error) &&
	       wake_worker(central, error) && publish_tell(central, app, release, error);
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
	gboolean plan = FALSE;
	g_autoptr(ConfApp) conf = conf_app_load(central->dirfd, app, error);
	g_autoptr(GBytes) raw =
	    conf ? repo_object_read(repo, tag, PLAN_MESSAGE_MAX * 4, NULL, error) : NULL;
	/* the job first: no ref leads to this tag, so that a record without it would wait for ever
	 */
	if (!raw || !store_job_create(central->queue_dirfd, job, error) ||
	    !publish_take_plan(central, conf, job, raw, &plan, error) ||
	    !store_wake_set(central->queue_dirfd, error))
		return NULL;
	return g_steal_pointer(&id);
}

char *publish_rollback(Central *central, const char *app, const char *version, const char *base,
		       const char *who, GError **error)
{
	return own_plan(central, app, version, base, PUBLISH_ROLLBACK, who, error);
}

/* A version that serves at bases now. */
typedef struct {
	const char *version;
	gint64 first_utc; /* when it first went live at any */
	guint bases;
} Served;

static void count_served(GArray *served, const char *version, gint64 live_utc)
{
	guint i = 0;
	while (i < served->len && strcmp(g_array_index(served, Served, i).version, version) != 0)
		i++;
	if (i == served->len) {
		const Served one = {.version = version, .first_utc = live_utc};
		g_array_append_val(served, one);
	}
	Served *found = &g_array_index(served, Served, i);
	found->bases++;
	found->first_utc = MIN(found->first_utc, live_utc);
}

/* What the reports say last of an app at a base; NULL: nothing serves. */
static const Report *serves_now(const LedgerView *view, const char *app, const char *root)
{
	for (guint i = view->reports->len; i > 0; i--) {
		const Report *report = view->reports->pdata[i - 1];
		if (strcmp(report->app, app) == 0 && report->event == REPORT_LIVE &&
		    strcmp(report->root, root) == 0)
			return report;
	}
	return NULL;
}

/* What most bases of the app run; of several, what has been live longest: not what the first wave
 * has just begun to try. */
char *publish_settle(Central *central, const char *app, const char *base, const char *who,
		     GError **error)
{
	g_autoptr(PublishLedgers) ledgers = publish_ledgers_new();
	g_auto(GStrv) bases = conf_peer_names(central->dirfd, error);
	g_autoptr(GArray) served = g_array_new(FALSE, FALSE, sizeof(Served));
	const Served *best = NULL;
	const Report *own = NULL; /* of a base that was replaced */
	for (guint i = 0; bases && bases[i]; i++) {
		LedgerView *view = publish_ledgers_get(ledgers, central, bases[i], error);
		if (!view)
			return NULL;
		const Report *report = serves_now(view, app, ledger_view_live_root(view, app));
		if (strcmp(bases[i], base) == 0)
			own = report;
		else if (report)
			count_served(served, report->version, report->event_utc);
	}
	if (own && served->len == 0)
		count_served(served, own->version, own->event_utc);
	for (guint i = 0; i < served->len; i++) {
		const Served *one = &g_array_index(served, Served, i);
		if (!best || one->bases > best->bases ||
		    (one->bases == best->bases && one->first_utc < best->first_utc))
			best = one;
	}
	return best ? own_plan(central, app, best->version, base, "settle", who, error) : NULL;
}

gboolean publish_may_retry(Central *central, const Job *job, GError **error)
{
	if (strcmp(job->kind, "tag") != 0)
		return TRUE;
	g_autoptr(GPtrArray) decisions =
	    library_decisions(central->library, job->app, job->oid, NULL);
	const LibraryDecision *ordered = decisions ? publish_decision(decisions, "ordered") : NULL;
	if (decisions && publish_decision(decisions, "refused"))
		return util_error_set(error, TS_ERROR_REFUSED,
				      "its plan was refused; mend it and push the tag again "
				      "(git tag -a -f, git push -f)");
	if (decisions && publish_cancel_decision(decisions, NULL))
		return util_error_set(error, TS_ERROR_REFUSED,
				      "its release was cancelled; push a new plan");
	if (ordered && !util_trailers_get(ordered->text, "Order"))
		return util_error_set(error, TS_ERROR_REFUSED,
				      "it was ordered at no base, which is final; push a new plan");
	gboolean moved = FALSE;
	return publish_check_tag(central, job, &moved, error);
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
	if (!publish_may_retry(central, job, error)) {
		g_prefix_error(error, "job %s cannot be retried: ", job_id);
		return FALSE;
	}
	job->state = JOB_QUEUED;
	job->started_utc = job->ended_utc = 0;
	g_autoptr(UtilTrailers) hint = util_trailers_new();
	util_trailers_add(hint, "Job", job_id);
	return store_job_write(central->queue_dirfd, job, error) &&
	       store_hint_put(central->queue_dirfd, "retry", hint, error);
}
