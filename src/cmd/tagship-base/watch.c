/* SPDX-License-Identifier: ISC */
/*
 * `tagship-base watch`: pulls, then waits on a quiet connection until central's ledger moves, this
 * base has something to report, or it is time to look; for ever. A lost line is made anew after a
 * pause that doubles, at random around its length: a fleet that lost its central comes back spread
 * out.
 */
#ifdef TAGSHIP_COV
#include <gcov.h>
#include <signal.h>
#endif
#include <malloc.h>
#include <sys/stat.h>

#include "cmd/follower.h"
#include "cmd/tagship-base/contact.h"
#include "cmd/tagship-base/pulling.h"
#include "cmd/tagship-base/poke.h"

#define LOCK "lock/watch"
#define NOTE "watching"
#define PAUSE_FIRST_US ((gint64)2 * G_USEC_PER_SEC)
#define PAUSE_MOST_US ((gint64)300 * G_USEC_PER_SEC)
#define SETTLED_US \
	((gint64)60 * G_USEC_PER_SEC)           /* so long a connection lasts that is no accident */
#define BUSY_MS (60 * 1000)                     /* another pull may be at work */
#define TAKE_IN_US ((gint64)2 * G_USEC_PER_SEC) /* so often a busy app is looked at */

typedef struct {
	const Cmd *cmd;
	Base *base;
	struct stat conf; /* base.cfg as it was read */
	int poke_fd;
	gint64 pause_us, next_us, began_us, since_utc;
	gboolean said_old;
} Watch;

static gboolean conf_changed(const Watch *watch)
{
	struct stat now;
	return fstatat(watch->base->dirfd, "base.cfg", &now, 0) == 0 &&
	       (now.st_ino != watch->conf.st_ino || now.st_size != watch->conf.st_size ||
		now.st_mtim.tv_sec != watch->conf.st_mtim.tv_sec ||
		now.st_mtim.tv_nsec != watch->conf.st_mtim.tv_nsec);
}

/* base.cfg may have changed; one that cannot be read is said, and the one before stays. */
static void reload(Watch *watch)
{
	g_autoptr(GError) error = NULL;
	struct stat now;
	if (fstatat(watch->base->dirfd, "base.cfg", &now, 0) == 0)
		watch->conf = now;
	Base *base = base_open(watch->cmd, &error);
	if (!base) {
		g_printerr("tagship-base watch: going on with the configuration of before: %s\n",
			   error->message);
		return;
	}
	base_close(watch->base);
	watch->base = base;
}

static void look_at(Watch *watch, gint64 utc)
{
	gint64 now = util_clock_now_utc(watch->base->clock);
	if (utc > 0)
		watch->next_us =
		    MIN(watch->next_us, g_get_monotonic_time() + (utc - now) * G_USEC_PER_SEC);
}

/* What was put off is looked at sooner than all else; and a base that is not cut off when a gate is
 * decided must be able to say so. */
static void look_sooner(Watch *watch, const BasePull *pull)
{
	gint64 gate = base_next_gate_utc(watch->base);
	look_at(watch, base_pull_look_utc(pull));
	look_at(watch, gate > 0 ? gate + 1 : 0);
}

/* When to look without being told. */
static void plan_next(Watch *watch, const BasePull *pull)
{
	gint64 every = conf_base_pull_every_s(watch->base->conf) * G_USEC_PER_SEC;
	watch->next_us =
	    g_get_monotonic_time() + every + (gint64)(g_random_double() * (double)every / 10);
	look_sooner(watch, pull);
}

static gboolean with_lock(const Watch *watch, BasePull *pull,
			  gboolean (*work)(BasePull *pull, GError **error), GError **error)
{
	util_autofd int lock = util_fs_lock(watch->base->dirfd, BASE_PULL_LOCK, BUSY_MS, error);
	return lock >= 0 && work(pull, error);
}

static gboolean take_in(BasePull *pull, GError **error)
{
	return base_pull_take_in(pull, 0, error);
}

/* What is new for an app that was busy, without asking central; FALSE only for the line. */
static gboolean handle_busy(Watch *watch, BasePull *pull, GError **error)
{
	g_autoptr(GError) failed = NULL;
	if (with_lock(watch, pull, take_in, &failed) || base_pull_busy(pull))
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&failed));
	return FALSE;
}

/* What was fetched by hand counts, what is to be told is told, and what a node asked for is
 * fetched. */
static gboolean handle_poke(Watch *watch, BasePull *pull, GError **error)
{
	if (!base_poke_take(watch->base, watch->poke_fd))
		return TRUE;
	base_accept_offline(watch->base);
	return with_lock(watch, pull, base_pull_poked, error);
}

/* For status: since when it watches, and when central last told something. */
static void note_watching(Watch *watch, gboolean news)
{
	gint64 now = util_clock_now_utc(watch->base->clock);
	g_autoptr(UtilTrailers) note = util_trailers_new();
	if (!news)
		watch->since_utc = now;
	util_trailers_add_time(note, "Since", watch->since_utc);
	if (news)
		util_trailers_add_time(note, "News", now);
	g_autofree char *text = util_trailers_format(note);
	(void)util_fs_write_file(watch->base->dirfd, NOTE, text, strlen(text), 0644, NULL);
}

/* By what has come: news, a poke, or that it is time for a look. */
static gboolean handle(Watch *watch, BasePull *pull, MirrorEvent event, GError **error)
{
	if (event == MIRROR_NEWS)
		note_watching(watch, TRUE);
	if (event == MIRROR_TIME && base_pull_busy(pull) && g_get_monotonic_time() < watch->next_us)
		return handle_busy(watch, pull, error);
	if (event == MIRROR_POKED) {
		if (!handle_poke(watch, pull, error))
			return FALSE;
		look_sooner(watch, pull);
		return TRUE;
	}
	if (!with_lock(watch, pull, base_pull_contact, error))
		return FALSE;
	plan_next(watch, pull);
	return TRUE;
}

static gint64 wake_us(const Watch *watch, const BasePull *pull)
{
	return base_pull_busy(pull) ? MIN(watch->next_us, g_get_monotonic_time() + TAKE_IN_US)
				    : watch->next_us;
}

/* One connection, until it is lost (FALSE) or base.cfg changes. */
static gboolean connection(Watch *watch, GError **error)
{
	MirrorEvent event = MIRROR_TIME;
	g_autoptr(BasePull) pull =
	    base_pull_open(watch->cmd, watch->base, watch->base->conf->watch, error);
	if (!pull)
		return FALSE;
	watch->began_us = g_get_monotonic_time();
	if (!with_lock(watch, pull, base_pull_contact, error))
		return FALSE;
	plan_next(watch, pull);
	note_watching(watch, FALSE);
	while (!conf_changed(watch)) {
		(void)malloc_trim(0); /* what the work took is not needed to wait */
		if (!base_pull_wait(pull, watch->poke_fd, wake_us(watch, pull), &event, error) ||
		    !handle(watch, pull, event, error))
			return FALSE;
	}
	return TRUE;
}

static void sleep_until(Watch *watch, gint64 until_us)
{
	while (g_get_monotonic_time() < until_us && !conf_changed(watch))
		if (base_poke_wait(watch->poke_fd, until_us) &&
		    base_poke_take(watch->base, watch->poke_fd)) {
			base_accept_offline(watch->base);
			return; /* there is something to tell: try */
		}
}

static void pause_after(Watch *watch, const GError *error)
{
	gint64 now = g_get_monotonic_time();
	if (g_error_matches(error, TS_ERROR, TS_ERROR_UNSUPPORTED)) {
		if (!watch->said_old)
			g_printerr("tagship-base watch: %s; looking every %" G_GINT64_FORMAT
				   " s instead\n",
				   error->message, (gint64)60);
		watch->said_old = TRUE;
		sleep_until(watch, now + SETTLED_US);
		return;
	}
	if (watch->began_us > 0 && now - watch->began_us >= SETTLED_US)
		watch->pause_us = PAUSE_FIRST_US;
	gint64 pause = (gint64)((0.25 + 1.5 * g_random_double()) * (double)watch->pause_us);
	pause = MIN(pause, PAUSE_MOST_US);
	g_printerr("tagship-base watch: %s; trying again in %.0f s\n", error->message,
		   (double)pause / G_USEC_PER_SEC);
	watch->pause_us = MIN(2 * watch->pause_us, PAUSE_MOST_US);
	sleep_until(watch, now + pause);
}

static void watch_for_ever(Watch *watch)
{
	for (;;) {
		g_autoptr(GError) error = NULL;
		watch->began_us = 0;
		if (conf_changed(watch))
			reload(watch);
		gboolean ok = connection(watch, &error);
		(void)util_fs_unlink(watch->base->dirfd, NOTE, NULL); /* for status only */
		if (ok)
			continue;
		base_accept_offline(watch->base);
		pause_after(watch, error);
	}
}

#ifdef TAGSHIP_COV
static void write_counts(int signo)
{
	__gcov_dump();
	(void)signal(signo, SIG_DFL);
	(void)raise(signo);
}
#endif

int base_watch(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 0, 0, error))
		return 2;
	Watch watch = {.cmd = cmd, .pause_us = PAUSE_FIRST_US, .poke_fd = -1};
	watch.base = base_open(cmd, error);
	util_autofd int lock =
	    watch.base ? util_fs_lock(watch.base->dirfd, LOCK, UTIL_FS_LOOK_MS, error) : -1;
	if (lock >= 0)
		watch.poke_fd = base_poke_open(watch.base, error);
	if (watch.poke_fd >= 0) {
		reload(&watch);
		/* `run` looks by itself */
		g_autofree char *own = cmd_sibling("tagship-base", TAGSHIP_BINDIR);
		const char *notify[] = {own, "notify", "-q", "-C", watch.base->root, NULL};
		gboolean alone = !util_fs_locked(watch.base->dirfd, "lock/run");
		g_autoptr(CmdFollower) notices =
		    alone && *watch.base->conf->notify
			? cmd_follower_new(notify, STDERR_FILENO, BASE_NOTICES_EVERY_S)
			: NULL;
#ifdef TAGSHIP_COV
		(void)signal(SIGTERM, write_counts);
#endif
		watch_for_ever(&watch); /* until a signal */
	}
	base_close(watch.base);
	return 1;
}
