/* SPDX-License-Identifier: ISC */
/* Running one job: its log, its phases, its end. */
#include <errno.h>
#include <unistd.h>

#include "publish/publish-private.h"

void job_say(JobRun *run, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	g_autofree char *text = g_strdup_vprintf(format, args);
	va_end(args);
	g_autofree char *line = g_strconcat(text, "\n", NULL);
	if (run->log_fd >= 0)
		(void)util_fs_write_all(run->log_fd, line, strlen(line), NULL); /* log only */
}

gboolean job_phase(JobRun *run, const char *phase, GError **error)
{
	g_free(run->job->phase);
	run->job->phase = g_strdup(phase);
	return store_job_write(run->central->queue_dirfd, run->job, error);
}

static gboolean job_begin(JobRun *run, GError **error)
{
	Job *job = run->job;
	job->attempt++;
	job->state = JOB_RUNNING;
	job->started_utc = util_clock_now_utc(run->central->clock);
	job->ended_utc = 0;
	g_free(job->reason);
	job->reason = g_strdup("");
	if (!job_phase(run, "start", error))
		return FALSE;
	g_autofree char *path = job_log_name(job->id, job->attempt);
	run->log_fd = openat(run->central->dirfd, path,
			     O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (run->log_fd < 0)
		return util_error_errno(error, errno, "%s", path);
	return TRUE;
}

static gboolean job_work(JobRun *run, GError **error)
{
	run->app = conf_app_load(run->central->dirfd, run->job->app, error);
	if (!run->app)
		return FALSE;
	if (strcmp(run->job->kind, "tag") == 0)
		return publish_job_tag(run, error);
	if (strcmp(run->job->kind, "branch") == 0)
		return publish_job_branch(run, error);
	if (strcmp(run->job->kind, "bundle") == 0)
		return publish_job_bundle(run, error);
	return util_error_set(error, TS_ERROR_UNSUPPORTED, "job kind \"%s\" is not known here",
			      run->job->kind);
}

/* First line only: for status and for the pusher. */
static char *one_line(const char *text)
{
	const char *newline = strchr(text, '\n');
	return newline ? g_strndup(text, (gsize)(newline - text)) : g_strdup(text);
}

/* Only what can help is advised. */
static void say_retry(JobRun *run)
{
	g_autoptr(GError) never = NULL;
	if (publish_may_retry(run->central, run->job, &never))
		job_say(run, "to try again, without a new commit: tagship -C %s retry %s",
			run->central->path, run->job->id);
	else
		job_say(run, "trying again does not help: %s", never->message);
}

static gboolean job_end(JobRun *run, const GError *failure, GError **error)
{
	Job *job = run->job;
	job->state = failure ? JOB_FAILED : JOB_DONE;
	job->ended_utc = util_clock_now_utc(run->central->clock);
	if (failure) {
		g_free(job->reason);
		job->reason = one_line(failure->message);
		job_say(run, "job %s failed: %s", job->id, failure->message);
		say_retry(run);
		return store_job_write(run->central->queue_dirfd, job, error);
	}
	g_autofree char *took = util_text_duration(job->ended_utc - job->started_utc);
	job_say(run, "job %s done in %s", job->id, took);
	return job_phase(run, "done", error);
}

gboolean publish_run_job(Central *central, Job *job, GError **error)
{
	JobRun run = {.central = central, .job = job, .log_fd = -1};
	g_autoptr(GError) failure = NULL;
	gboolean ok = job_begin(&run, error);
	if (ok) {
		(void)job_work(&run, &failure); /* failure tells */
		ok = job_end(&run, failure, error);
	}
	if (run.app)
		conf_app_free(run.app);
	util_closep(&run.log_fd);
	return ok;
}
