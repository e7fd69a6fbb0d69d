/* SPDX-License-Identifier: ISC */
/*
 * After the refs moved: leaves the hint, sees to it that a worker runs, prints the job's id and
 * follows its log until it ends or the configured wait is over. The gate starts it.
 */
#include <unistd.h>

#include "hook.h"

#define POLL_US (100 * 1000)
#define INTAKE_WAIT_S 15

static gboolean relevant(const Hook *hook)
{
	for (guint i = 0; i < hook->updates->len; i++) {
		const HookUpdate *update = g_ptr_array_index(hook->updates, i);
		if (hook_is_relevant(hook, update->ref))
			return TRUE;
	}
	return FALSE;
}

static gboolean hint_is_taken(const Hook *hook, const char *hint)
{
	g_autofree char *path = g_build_filename("in", hint, NULL);
	return faccessat(hook->queue_dirfd, path, F_OK, 0) != 0;
}

/* FALSE: nobody took it in. */
static gboolean wait_for_intake(const Hook *hook, const char *hint)
{
	gint64 until = g_get_monotonic_time() + INTAKE_WAIT_S * G_USEC_PER_SEC;
	gint64 grace = g_get_monotonic_time() + 3 * G_USEC_PER_SEC;
	while (!hint_is_taken(hook, hint)) {
		gint64 now = g_get_monotonic_time();
		if (now > until || (now > grace && !hook_worker_running(hook)))
			return FALSE;
		g_usleep(20 * 1000);
	}
	return TRUE;
}

/* Passes on what the log got since *offset. */
static void show_log(Hook *hook, const Job *job, gsize *offset)
{
	g_autofree char *path = job_log_name(job->id, job->attempt);
	util_autofd int fd = openat(hook->state_dirfd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char buffer[8193];
	ssize_t n = 0;
	while (fd >= 0 && (n = pread(fd, buffer, sizeof buffer - 1, (off_t)*offset)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			if (buffer[i] == '\0')
				buffer[i] = '?';
		buffer[n] = '\0';
		*offset += (gsize)n;
		hook_say_text(hook, buffer);
	}
}

static void say_detached(Hook *hook, const Job *job)
{
	hook_say(hook, "tagship: job %s goes on without you (%s); follow it: tagship -C %s wait %s",
		 job->id, job->phase && *job->phase ? job->phase : job_state_name(job->state),
		 hook->state, job->id);
}

static void follow(Hook *hook, const char *id, gint64 until_us)
{
	gsize offset = 0;
	gint64 attempt = 0;
	gboolean said_queued = FALSE;
	for (;;) {
		g_autoptr(GError) error = NULL;
		g_autoptr(Job) job = store_job_read(hook->queue_dirfd, id, &error);
		if (!job) {
			hook_say(hook, "tagship: job %s: %s", id, error->message);
			return;
		}
		if (job->attempt != attempt)
			offset = 0;
		attempt = job->attempt;
		if (job->state == JOB_QUEUED && !said_queued) {
			hook_say(hook, "tagship: job %s is queued", id);
			said_queued = TRUE;
		}
		if (job->state != JOB_QUEUED)
			show_log(hook, job, &offset);
		if (job->state == JOB_DONE || job->state == JOB_FAILED)
			return;
		if (g_get_monotonic_time() > until_us || hook->output_deadline_us < 0) {
			say_detached(hook, job);
			return;
		}
		if (job->state == JOB_QUEUED && !hook_worker_running(hook)) {
			g_usleep(POLL_US);
			if (hook_worker_running(hook))
				continue;
			hook_say(hook,
				 "tagship: no worker runs; the job is kept and runs when one does: "
				 "tagship -C %s worker",
				 hook->state);
			return;
		}
		g_usleep(POLL_US);
	}
}

static void follow_all(Hook *hook, gint64 wait_s)
{
	gint64 until = g_get_monotonic_time() + wait_s * G_USEC_PER_SEC;
	for (guint i = 0; i < hook->updates->len; i++) {
		const HookUpdate *update = g_ptr_array_index(hook->updates, i);
		if (strcmp(update->new_oid, HOOK_ZERO) == 0 || !hook_is_relevant(hook, update->ref))
			continue;
		for (guint a = 0; a < hook->confs->len; a++) {
			const ConfApp *app = g_ptr_array_index(hook->confs, a);
			g_autofree char *id =
			    job_id_for_ref(app->name, update->ref, update->new_oid);
			g_autoptr(Job) job = store_job_read(hook->queue_dirfd, id, NULL);
			if (job) {
				hook_say(hook, "tagship: job %s", id);
				follow(hook, id, until);
			}
		}
	}
}

static int receive(Hook *hook, GError **error)
{
	g_autofree char *hint = NULL;
	if (!hook_load(hook, error))
		return 1;
	if (!hook->state)
		return 0;
	hook_renew_note(hook);
	if (!relevant(hook))
		return 0;
	if (!hook_enqueue(hook, &hint, error))
		return 1;
	g_auto(GStrv) options = hook_push_options();
	gboolean nowait = g_strv_contains((const char *const *)options, "nowait");
	if (!wait_for_intake(hook, hint) && hook_worker_running(hook)) {
		hook_say(hook,
			 "tagship: the worker has not taken your push in yet; it is recorded, and "
			 "tried again. Why, %s/log/worker.log says",
			 hook->state);
		return 0;
	}
	if (!hint_is_taken(hook, hint)) {
		hook_say(
		    hook,
		    "tagship: the worker is down. Your push is recorded and will be built when "
		    "it runs again.\n"
		    "tagship: an admin starts it with: systemctl start tagship-worker   (or: "
		    "tagship -C %s worker)",
		    hook->state);
		return 0;
	}
	follow_all(hook, nowait ? 0 : hook->conf->push_wait_s);
	return 0;
}

int main(int argc, char **argv)
{
	(void)argc; /* git gives none */
	g_autoptr(Hook) hook = hook_new("post-receive", argv);
	g_autoptr(GError) error = NULL;
	(void)hook_run_chained(hook); /* git ignores it here, too */
	if (receive(hook, &error) != 0)
		hook_say(hook,
			 "tagship: %s\ntagship: the refs have moved; the worker finds this push by "
			 "itself at its next start",
			 error->message);
	return 0;
}
