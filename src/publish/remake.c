/* SPDX-License-Identifier: ISC */
/*
 * Releases whose job is not there: central was killed between the two, or queue/ was lost. Their
 * tags decide, which may have been moved meanwhile.
 */
#include "publish/publish-private.h"

gboolean publish_check_tag(Central *central, const Job *job, gboolean *ret_moved, GError **error)
{
	char now[REPO_OID] = "";
	*ret_moved = FALSE;
	if (!*job->ref)
		return TRUE;
	g_autoptr(GError) gone = NULL;
	g_autoptr(ConfApp) app = conf_app_load(central->dirfd, job->app, error);
	g_autoptr(Repo) repo = app ? repo_open(app->repo, error) : NULL;
	if (!repo)
		return FALSE;
	if (repo_ref_get(repo, job->ref, now, &gone)) {
		*ret_moved = strcmp(now, job->oid) != 0;
		return !*ret_moved ||
		       util_error_set(error, TS_ERROR_REFUSED,
				      "%s is at %.12s now, and this job is about %.12s; what is "
				      "there now has a job of its own (tagship log)",
				      job->ref, now, job->oid);
	}
	if (g_error_matches(gone, TS_ERROR, TS_ERROR_NOT_FOUND))
		return util_error_set(error, TS_ERROR_REFUSED,
				      "%s is gone; push the tag again, then tagship retry",
				      job->ref);
	g_propagate_error(error, g_steal_pointer(&gone));
	return FALSE;
}

static gboolean needs_job(Central *central, const PublishRelease *release)
{
	static const char *const states[] = {"queued", "building", "bundling", NULL};
	g_autoptr(GError) none = NULL;
	if (!release->job || !g_strv_contains(states, release->state))
		return FALSE;
	g_autoptr(Job) job = store_job_read(central->queue_dirfd, release->job, &none);
	return !job && g_error_matches(none, TS_ERROR, TS_ERROR_NOT_FOUND);
}

/* As it was made when the tag was pushed. Central's own plans are tags in no repository; their
 * names have a slash, and their jobs are called by those alone. */
static Job *make_job(const PublishRelease *release)
{
	g_autofree char *own = job_id_for_ref(release->app, release->tag, release->release);
	Job *job = job_new(release->job, "tag", release->app);
	g_free(job->oid);
	job->oid = g_strdup(release->release);
	if (!strchr(release->tag, '/') || strcmp(release->job, own) != 0) {
		g_free(job->ref);
		job->ref = g_strconcat("refs/tags/", release->tag, NULL);
	}
	if (release->pusher) {
		g_free(job->pusher);
		job->pusher = g_strdup(release->pusher);
	}
	job->attempt = 0;
	job->created_utc = release->taken_utc;
	return job;
}

gboolean publish_remake_job(Central *central, const PublishRelease *release, GError **error)
{
	gboolean moved = FALSE;
	g_autoptr(GError) other = NULL;
	if (!release->tag || !needs_job(central, release))
		return TRUE;
	g_autoptr(Job) job = make_job(release);
	if (publish_check_tag(central, job, &moved, &other)) {
		publish_note(central, "%s %s: its job was not there; it is made again",
			     release->app, release->tag);
		return store_job_create(central->queue_dirfd, job, error);
	}
	if (moved)
		return publish_cancel(central, release->app, release->release, NULL,
				      "its tag was moved", error);
	publish_note(central,
		     "alarm: %s %s is %s, and has no job: %s; or cancel it (tagship cancel)",
		     release->app, release->tag, release->state, other->message);
	return TRUE;
}
