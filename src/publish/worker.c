/* SPDX-License-Identifier: ISC */
/*
 * The worker: one process by its lock. The main thread takes hints in at once, so that a push
 * is answered while another build runs; a second thread runs the jobs, one at a time.
 */
#include <errno.h>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "publish/publish-private.h"

#define LOCK_NAME "worker.lock"
#define IDLE_WAIT_MS (60 * 1000)
#define BUSY_WAIT_MS 200

/* ---- jobs, in their own thread ---- */

typedef struct {
	char *state_path;
	char *job_id;
	gint ended; /* atomic */
	GError *error;
} JobThread;

static gpointer job_thread(gpointer data)
{
	JobThread *thread = data;
	g_autoptr(Central) central = central_open(thread->state_path, &thread->error);
	g_autoptr(Job) job =
	    central ? store_job_read(central->queue_dirfd, thread->job_id, &thread->error) : NULL;
	if (job)
		(void)publish_run_job(central, job, &thread->error); /* the error tells */
	g_atomic_int_set(&thread->ended, 1);
	return NULL;
}

/* The oldest job to run, or NULL. A job found running at start was cut off: it runs again. */
static char *next_job(Central *central, gboolean starting, GError **error)
{
	g_autoptr(GPtrArray) jobs = store_job_list(central->queue_dirfd, error);
	for (guint i = 0; jobs && i < jobs->len; i++) {
		Job *job = g_ptr_array_index(jobs, i);
		if (job->state == JOB_QUEUED || (starting && job->state == JOB_RUNNING))
			return g_strdup(job->id);
	}
	return NULL;
}

static gboolean requeue_cut_off(Central *central, GError **error)
{
	g_autoptr(GPtrArray) jobs = store_job_list(central->queue_dirfd, error);
	if (!jobs)
		return FALSE;
	for (guint i = 0; i < jobs->len; i++) {
		Job *job = g_ptr_array_index(jobs, i);
		if (job->state != JOB_RUNNING)
			continue;
		publish_note(central, "job %s was cut off; it runs again", job->id);
		job->state = JOB_QUEUED;
		if (!store_job_write(central->queue_dirfd, job, error))
			return FALSE;
	}
	return TRUE;
}

/* ---- heartbeats: a signed sign of life in every ledger whose head is a day old ---- */

static gboolean heartbeat(Central *central, const char *base, gint64 now, GError **error)
{
	char head[REPO_OID];
	g_autoptr(Repo) ledger = ledger_open(central->path, base, error);
	if (!ledger)
		return FALSE;
	if (!repo_ref_get(ledger, LEDGER_ORDERS, head, NULL))
		return TRUE; /* nothing ordered yet */
	g_autoptr(RepoCommit) commit = repo_commit_read(ledger, head, error);
	if (!commit)
		return FALSE;
	if (now - commit->time_utc < LEDGER_BEAT_S)
		return TRUE;
	util_autofd int lock = publish_lock(central, error);
	g_autoptr(Order) beat = order_new(ORDER_KIND_HEARTBEAT);
	beat->base = g_strdup(base);
	beat->written_utc = now;
	return lock >= 0 && publish_append(central, ledger, beat, NULL, error);
}

static void heartbeats(Central *central)
{
	g_auto(GStrv) names = conf_peer_names(central->dirfd, NULL);
	gint64 now = util_clock_now_utc(central->clock);
	for (guint i = 0; names && names[i]; i++) {
		g_autoptr(GError) error = NULL;
		if (!heartbeat(central, names[i], now, &error))
			publish_note(central, "alarm: heartbeat for %s: %s", names[i],
				     error->message);
	}
}

/* ---- the loop ---- */

typedef struct {
	Central *central;
	int inotify_fd;
	GThread *thread;
	JobThread job;
	char *app, *release; /* of the job, if it is a tag's */
	PublishGates *gates;
	PublishIntake *intake;
	PublishPause owed; /* until the ledgers are tried again */
	const PublishNews *news;
} Worker;

/* Opens the library anew: libgit2 goes on seeing packs that a `tagship gc` has taken away. */
static gboolean reopen_library(Central *central, GError **error)
{
	Library *fresh = library_open(central->path, error);
	if (!fresh)
		return FALSE;
	library_free(central->library);
	central->library = fresh;
	return TRUE;
}

static void reconcile_all(Central *central)
{
	g_autoptr(GError) error = NULL;
	g_auto(GStrv) apps = conf_app_names(central->dirfd, &error);
	for (guint i = 0; apps && apps[i]; i++) {
		g_clear_error(&error);
		if (!publish_reconcile(central, apps[i], NULL, &error))
			publish_note(central, "alarm: %s: %s", apps[i], error->message);
	}
}

static gboolean start_job(Worker *self, gboolean *ret_started, GError **error)
{
	g_autoptr(GError) failed = NULL;
	char *id = next_job(self->central, FALSE, &failed);
	g_autoptr(Job) job = id ? store_job_read(self->central->queue_dirfd, id, NULL) : NULL;
	gboolean of_tag = job && strcmp(job->kind, "tag") == 0;
	*ret_started = id != NULL;
	if (failed) {
		g_propagate_error(error, g_steal_pointer(&failed));
		return FALSE;
	}
	if (!id)
		return TRUE;
	self->app = of_tag ? g_strdup(job->app) : NULL;
	self->release = of_tag ? g_strdup(job->oid) : NULL;
	self->job = (JobThread){.state_path = g_strdup(self->central->path), .job_id = id};
	self->thread = g_thread_new("job", job_thread, &self->job);
	return TRUE;
}

/* Joins an ended job; its own failure is in the job file, an error here stops the worker. */
static gboolean reap_job(Worker *self, gboolean wait, gboolean *ret_reaped, GError **error)
{
	if (!self->thread || (!wait && !g_atomic_int_get(&self->job.ended)))
		return TRUE;
	g_thread_join(g_steal_pointer(&self->thread));
	g_free(self->job.state_path);
	g_free(self->job.job_id);
	if (self->app)
		publish_gates_add(self->gates, self->app, self->release);
	*ret_reaped = TRUE;
	g_clear_pointer(&self->app, g_free);
	g_clear_pointer(&self->release, g_free);
	if (!self->job.error)
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&self->job.error));
	return FALSE;
}

/* FALSE: nothing came. */
static gboolean wait_for_hints(Worker *self, int wait_ms)
{
	struct pollfd pfd = {self->inotify_fd, POLLIN, 0};
	if (poll(&pfd, self->inotify_fd >= 0 ? 1 : 0, wait_ms) <= 0)
		return FALSE;
	char buffer[4096];
	while (read(self->inotify_fd, buffer, sizeof buffer) > 0)
		;
	return TRUE;
}

/* After a report (or any other hint), a job, or when it is time. */
static gboolean decide_gates(Worker *self, gboolean news, GError **error)
{
	gint64 next = publish_gates_next_utc(self->gates);
	if (!news && (next == 0 || util_clock_now_utc(self->central->clock) < next))
		return TRUE;
	return publish_gates_decide(self->gates, self->central, error);
}

static int wait_ms(const Worker *self)
{
	gint64 next = publish_gates_next_utc(self->gates);
	gint64 left_ms = (next - util_clock_now_utc(self->central->clock)) * 1000;
	int most =
	    self->thread ? BUSY_WAIT_MS : (int)MIN(IDLE_WAIT_MS, self->central->again_s * 1000);
	return next == 0 ? most : (int)CLAMP(left_ms, 0, most);
}

static gboolean pay_owed(Worker *self, GError **error)
{
	if (!publish_is_owed(self->central)) {
		self->owed = (PublishPause){0};
		return TRUE;
	}
	if (self->owed.tries == 0)
		publish_pause_begin(&self->owed, self->central);
	if (!publish_pause_over(&self->owed))
		return TRUE;
	publish_pause_begin(&self->owed, self->central);
	return publish_fan_out_all(self->central, error);
}

/* One that a hook started waits for what it can still do; what it leaves, the next one finds. */
static gboolean waits(const Worker *self)
{
	return publish_gates_wait(self->gates) || publish_intake_waits(self->intake) ||
	       publish_pause_worth(&self->owed);
}

static void tell_news(const Worker *self)
{
	if (self->news)
		self->news->tell(self->news->user_data);
}

/* *ret_idle: there is none. */
static gboolean begin_job(Worker *self, gboolean *ret_idle, GError **error)
{
	gboolean started = FALSE;
	if (!start_job(self, &started, error))
		return FALSE;
	*ret_idle = !started;
	if (started)
		tell_news(self);
	else
		publish_gc_daily(self->central);
	return TRUE;
}

/* Until there is nothing to do (once) or for ever. */
static gboolean work(Worker *self, gboolean once, GError **error)
{
	gint64 next_beat_us = 0;
	gboolean first = TRUE;
	for (;;) {
		gboolean woken = FALSE, news = first;
		first = FALSE;
		if (!store_wake_clear(self->central->queue_dirfd, &woken, error) ||
		    !publish_take_hints(self->intake, self->central, &news, error) ||
		    !reap_job(self, FALSE, &news, error) || !decide_gates(self, news, error) ||
		    !pay_owed(self, error))
			return FALSE;
		if (news)
			tell_news(self);
		if (g_get_monotonic_time() >= next_beat_us) {
			heartbeats(self->central);
			next_beat_us = g_get_monotonic_time() + (gint64)3600 * G_USEC_PER_SEC;
		}
		gboolean idle = FALSE;
		if (!self->thread && !begin_job(self, &idle, error))
			return FALSE;
		if (idle && once && !waits(self))
			return TRUE;
		/* a hook may have died before it left a hint: idle, the refs are looked at */
		if (wait_for_hints(self, wait_ms(self)) || self->thread)
			continue;
		if (!reopen_library(self->central, error))
			return FALSE;
		reconcile_all(self->central);
	}
}

static gboolean locked_run(Worker *self, gboolean once, GError **error)
{
	Central *central = self->central;
	(void)util_fs_sweep_tmp(central->dirfd, "tmp", 0, NULL); /* tried again next time */
	if (!requeue_cut_off(central, error) || !publish_fan_out_all(central, error))
		return FALSE;
	/* hints first: they say who pushed */
	gboolean taken = FALSE;
	if (!publish_take_hints(self->intake, central, &taken, error))
		return FALSE;
	reconcile_all(central);
	if (!publish_gates_find(self->gates, central, error))
		return FALSE;
	gboolean ok = work(self, once, error), reaped = FALSE;
	return reap_job(self, TRUE, &reaped, ok ? error : NULL) && ok;
}

static gboolean wake_is_set(Central *central)
{
	return faccessat(central->queue_dirfd, "wake", F_OK, 0) == 0;
}

gboolean publish_worker(Central *central, gboolean once, const PublishNews *news, GError **error)
{
	Worker self = {.central = central, .inotify_fd = -1, .news = news};
	g_autofree char *in = g_build_filename(central->path, "queue", "in", NULL);
	self.inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (self.inotify_fd >= 0)
		(void)inotify_add_watch(self.inotify_fd, in, IN_MOVED_TO | IN_CREATE); /* polls */
	gboolean ok = TRUE;
	g_autoptr(PublishGates) gates = publish_gates_new();
	g_autoptr(PublishIntake) intake = publish_intake_new();
	self.gates = gates;
	self.intake = intake;
	do {
		util_autofd int lock =
		    util_fs_lock(central->dirfd, LOCK_NAME, UTIL_FS_LOOK_MS, error);
		ok = lock >= 0 && locked_run(&self, once, error);
		/* a hook that came after our last scan saw the lock and left it to us */
	} while (ok && once && wake_is_set(central));
	util_closep(&self.inotify_fd);
	return ok;
}

gboolean publish_worker_running(Central *central)
{
	return util_fs_locked(central->dirfd, LOCK_NAME);
}
