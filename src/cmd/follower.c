/* SPDX-License-Identifier: ISC */
#include "cmd/follower.h"

#define DEADLINE_S 600
#define SHARE 20 /* of the time */
#define KILL_AFTER_S 2
#define TICK_MS 200

struct CmdFollower {
	char **argv;
	int output_fd;
	gint64 every_s;
	GThread *thread;
	GMutex mutex; /* of what follows */
	GCond changed;
	gboolean news, ending;
	gint stopping; /* atomic */
};

static gboolean goes_on(gpointer data)
{
	CmdFollower *self = data;
	return !g_atomic_int_get(&self->stopping);
}

/* How long it took. What it says goes to output_fd. */
static gint64 follow(CmdFollower *self)
{
	UtilChildSpec spec = {.argv = (const char *const *)self->argv,
			      .output_fd = self->output_fd,
			      .deadline_s = DEADLINE_S,
			      .kill_after_s = KILL_AFTER_S,
			      .tick = goes_on,
			      .tick_ms = TICK_MS,
			      .user_data = self};
	UtilChildResult result = {0};
	g_autoptr(GError) error = NULL;
	gboolean ran = util_child_run(&spec, &result, &error);
	g_autofree char *line = !ran ? g_strdup_printf("%s\n", error->message)
				: result.timed_out
				    ? g_strdup_printf("%s %s took over %d s, and was ended\n",
						      self->argv[0], self->argv[1], DEADLINE_S)
				    : NULL;
	if (line && self->output_fd > 0)
		(void)util_fs_write_all(self->output_fd, line, strlen(line), NULL); /* a note */
	return result.wall_ms;
}

/* Until there are news, or it is time, or the end; FALSE at the end without news. */
static gboolean wait_for_news(CmdFollower *self, gint64 not_before_us)
{
	gint64 until_us = g_get_monotonic_time() + self->every_s * G_USEC_PER_SEC;
	while (!self->ending && g_get_monotonic_time() < not_before_us)
		(void)g_cond_wait_until(&self->changed, &self->mutex, not_before_us); /* asked */
	while (!self->ending && !self->news && g_get_monotonic_time() < until_us)
		(void)g_cond_wait_until(&self->changed, &self->mutex, until_us); /* asked */
	gboolean follow_now = (self->news || !self->ending) && !g_atomic_int_get(&self->stopping);
	self->news = FALSE;
	return follow_now;
}

static gpointer follower_thread(gpointer data)
{
	CmdFollower *self = data;
	gint64 not_before_us = 0;
	g_mutex_lock(&self->mutex);
	while (wait_for_news(self, not_before_us)) {
		g_mutex_unlock(&self->mutex);
		gint64 took_ms = follow(self);
		gint64 pause_us = MIN(took_ms * 1000 * SHARE, self->every_s * G_USEC_PER_SEC);
		not_before_us = g_get_monotonic_time() + pause_us;
		g_mutex_lock(&self->mutex);
	}
	g_mutex_unlock(&self->mutex);
	return NULL;
}

CmdFollower *cmd_follower_new(const char *const *argv, int output_fd, gint64 every_s)
{
	CmdFollower *self = g_new0(CmdFollower, 1);
	self->argv = g_strdupv((char **)(gsize)argv);
	self->output_fd = output_fd;
	self->every_s = every_s;
	self->news = TRUE;
	g_mutex_init(&self->mutex);
	g_cond_init(&self->changed);
	self->thread = g_thread_new("follower", follower_thread, self);
	return self;
}

void cmd_follower_news(CmdFollower *self)
{
	g_mutex_lock(&self->mutex);
	self->news = TRUE;
	g_cond_signal(&self->changed);
	g_mutex_unlock(&self->mutex);
}

void cmd_follower_end(CmdFollower *self)
{
	if (!self)
		return;
	g_mutex_lock(&self->mutex);
	self->ending = TRUE;
	g_cond_signal(&self->changed);
	g_mutex_unlock(&self->mutex);
	(void)g_thread_join(self->thread); /* returns nothing */
	g_mutex_clear(&self->mutex);
	g_cond_clear(&self->changed);
	g_strfreev(self->argv);
	g_free(self);
}

void cmd_follower_stop(CmdFollower *self)
{
	if (self)
		g_atomic_int_set(&self->stopping, 1);
	cmd_follower_end(self);
}
