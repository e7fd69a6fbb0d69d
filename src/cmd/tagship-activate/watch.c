/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/tagship-activate/watch.h"

#define LOOK_AGAIN_MS (G_GINT64_CONSTANT(60) * 1000) /* idle: at most once a minute */
#define LOOK_BLIND_MS (G_GINT64_CONSTANT(5) * 1000)  /* without inotify */
#define RETRY_FIRST_US (G_USEC_PER_SEC / 5)
#define RETRY_LAST_US (10 * G_USEC_PER_SEC)

/* One app of base.cfg. */
typedef struct {
	const ConfBaseApp *app;
	int pidfd; /* of its child; -1: none runs */
	gint64 next_utc;
	gint64 not_before_us; /* monotonic: a child that failed is not started at once again */
	gint64 retry_us;
	gint64 reports_us; /* monotonic: when reports that cannot be made are tried again */
	gboolean gave_up;  /* --once: it failed */
	int status;        /* exit status of its last child */
	char *problem;     /* said, so that it is not said every minute */
} AppWatch;

typedef struct {
	const WatchSpec *spec;
	ConfBase *conf;
	struct timespec conf_mtime;
	GPtrArray *apps; /* AppWatch */
	int timer_fd, inotify_fd, signal_fd;
	gint64 until_utc; /* --once: nothing later is waited for */
	gboolean stopping;
	StoreClockDoubt doubt; /* of the clock, as it was said */
} Watch;

static void app_watch_free(gpointer data)
{
	AppWatch *w = data;
	util_closep(&w->pidfd);
	g_free(w->problem);
	g_free(w);
}

static void watch_clear(Watch *watch)
{
	g_clear_pointer(&watch->apps, g_ptr_array_unref);
	g_clear_pointer(&watch->conf, conf_base_free);
	util_closep(&watch->timer_fd);
	util_closep(&watch->inotify_fd);
	util_closep(&watch->signal_fd);
}

static struct timespec conf_mtime(const Watch *watch)
{
	struct stat st = {0};
	(void)fstatat(watch->spec->root_dirfd, "base.cfg", &st, 0); /* loading it tells */
	return st.st_mtim;
}

static gboolean load_conf(Watch *watch, GError **error)
{
	const WatchSpec *spec = watch->spec;
	watch->conf_mtime = conf_mtime(watch);
	ConfBase *conf = conf_base_load(spec->root_dirfd, spec->root_path, error);
	if (!conf)
		return FALSE;
	g_clear_pointer(&watch->apps, g_ptr_array_unref);
	g_clear_pointer(&watch->conf, conf_base_free);
	watch->conf = conf;
	watch->apps = g_ptr_array_new_with_free_func(app_watch_free);
	for (guint i = 0; i < conf->apps->len; i++) {
		AppWatch *w = g_new0(AppWatch, 1);
		w->app = conf->apps->pdata[i];
		w->pidfd = -1;
		w->retry_us = RETRY_FIRST_US;
		g_ptr_array_add(watch->apps, w);
	}
	return TRUE;
}

static guint running(const Watch *watch)
{
	guint n = 0;
	for (guint i = 0; i < watch->apps->len; i++)
		n += ((const AppWatch *)watch->apps->pdata[i])->pidfd >= 0;
	return n;
}

/* base.cfg was edited: children read it anew anyway, we need its list of apps. */
static void reload_conf(Watch *watch)
{
	struct timespec now = conf_mtime(watch);
	g_autoptr(GError) failed = NULL;
	if (running(watch) > 0 ||
	    (now.tv_sec == watch->conf_mtime.tv_sec && now.tv_nsec == watch->conf_mtime.tv_nsec))
		return;
	if (!load_conf(watch, &failed))
		g_printerr("tagship-activate: going on with what was read before: %s\n",
			   failed->message);
}

static gboolean add_watch(const Watch *watch, const char *folder, GError **error)
{
	g_autofree char *path = g_build_filename(watch->spec->root_path, folder, NULL);
	if (!util_fs_mkdir(watch->spec->root_dirfd, folder, 0755, error))
		return FALSE;
	if (inotify_add_watch(watch->inotify_fd, path, IN_MODIFY | IN_MOVED_TO | IN_CREATE) < 0)
		return util_error_errno(error, errno, "watching %s", path);
	return TRUE;
}

/* Without it the folders are looked at every few seconds: nothing may keep a base from its
 * activations. */
static void open_inotify(Watch *watch)
{
	g_autoptr(GError) local = NULL;
	watch->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (watch->inotify_fd < 0)
		util_error_errno(&local, errno, "inotify");
	else if (add_watch(watch, "accepted", &local) && add_watch(watch, "journal", &local))
		return;
	util_closep(&watch->inotify_fd);
	watch->inotify_fd = -1;
	g_printerr("tagship-activate: %s; looking for orders every %d s instead (raise "
		   "fs.inotify.max_user_instances and max_user_watches)\n",
		   local->message, (int)(LOOK_BLIND_MS / 1000));
}

static gboolean watch_open(Watch *watch, GError **error)
{
	sigset_t set;
	(void)sigemptyset(&set);                  /* cannot fail */
	(void)sigaddset(&set, SIGTERM);           /* as above */
	(void)sigaddset(&set, SIGINT);            /* as above */
	(void)sigprocmask(SIG_BLOCK, &set, NULL); /* as above */
	watch->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	watch->timer_fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (watch->signal_fd < 0 || watch->timer_fd < 0)
		return util_error_errno(error, errno, "signalfd or timerfd");
	open_inotify(watch);
	return load_conf(watch, error);
}

/* This program with --app, with the usual signals. */
static gboolean start_child(const Watch *watch, AppWatch *w)
{
	const char *const argv[] = {"tagship-activate", "--app", w->app->name,
				    watch->spec->root_path, NULL};
	posix_spawnattr_t attr;
	sigset_t none;
	pid_t pid = 0;
	(void)sigemptyset(&none); /* cannot fail */
	if (posix_spawnattr_init(&attr) != 0)
		return FALSE;
	(void)posix_spawnattr_setsigmask(&attr, &none);                /* cannot fail */
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK); /* as above */
	int err = posix_spawn(&pid, "/proc/self/exe", NULL, &attr, (char *const *)(gsize)argv,
			      environ);       /* it promises not to write */
	(void)posix_spawnattr_destroy(&attr); /* cannot fail */
	if (err == 0)
		w->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (err != 0 || w->pidfd < 0)
		g_printerr("%s: starting its activation: %s\n", w->app->name,
			   g_strerror(err ? err : errno));
	return w->pidfd >= 0;
}

/* A child that failed, or one after which the same is still due, is tried again later and later. */
static void postpone(Watch *watch, AppWatch *w)
{
	w->not_before_us = g_get_monotonic_time() + w->retry_us;
	w->gave_up = watch->spec->once && w->retry_us > 4 * RETRY_FIRST_US;
	w->retry_us = MIN(w->retry_us * 2, RETRY_LAST_US);
}

static void say_problem(AppWatch *w, const char *text)
{
	if (g_strcmp0(w->problem, text) != 0)
		g_printerr("%s: %s\n", w->app->name, text);
	g_free(w->problem);
	w->problem = g_strdup(text);
}

/* TRUE if something is to be done now; else next_utc says when. */
static gboolean is_due(Watch *watch, AppWatch *w)
{
	g_autoptr(GError) failed = NULL;
	ActivateNeed need = ACTIVATE_IDLE;
	ActivateSpec spec = {.root_path = watch->spec->root_path,
			     .root_dirfd = watch->spec->root_dirfd,
			     .conf = watch->conf,
			     .app = w->app,
			     .clock = util_clock_system()};
	if (!activate_look(&spec, &need, &w->next_utc, &failed)) {
		say_problem(w, failed->message);
		w->status = util_error_exit_status(failed);
		postpone(watch, w);
		return FALSE;
	}
	/* its child waits for the second itself, with all that can be done before behind it */
	if (need == ACTIVATE_DUE ||
	    (w->next_utc > 0 &&
	     w->next_utc <= util_clock_now_utc(util_clock_system()) + ACTIVATE_AHEAD_S))
		return TRUE;
	if (need == ACTIVATE_IDLE)
		return FALSE;
	/* a key or a disk that is not right: not urgent, tried once a minute */
	gint64 now_us = g_get_monotonic_time();
	gboolean now = now_us >= w->reports_us;
	if (now)
		w->reports_us = watch->spec->once ? G_MAXINT64 : now_us + LOOK_AGAIN_MS * 1000;
	return now;
}

/* Said once when trust is lost, or for another reason, and once when it is back. */
static void look_at_clock(Watch *watch)
{
	StoreClock clock;
	int root_dirfd = watch->spec->root_dirfd;
	activate_clock(root_dirfd, util_clock_system(), &clock);
	/* not written: what NTP mends bit by bit may look like a jump after weeks, no worse */
	if (clock.trusted)
		(void)store_clock_keep(root_dirfd, util_clock_system(), FALSE, NULL);
	if (clock.doubt == watch->doubt)
		return;
	watch->doubt = clock.doubt;
	g_autofree char *why = store_clock_why(&clock);
	if (why)
		g_printerr("tagship-activate: the clock is not trusted: %s. Until central agrees "
			   "within a minute, or `tagship-base clock confirm`, an order is due only "
			   "when the time since boot says so too, and none is missed\n",
			   why);
	else
		g_print("the clock is trusted again\n");
}

static void start_due(Watch *watch)
{
	gint64 now_us = g_get_monotonic_time();
	for (guint i = 0; i < watch->apps->len && !watch->stopping; i++) {
		AppWatch *w = watch->apps->pdata[i];
		if (w->pidfd >= 0 || w->gave_up || now_us < w->not_before_us)
			continue;
		w->not_before_us = 0;
		if (!is_due(watch, w)) {
			if (w->not_before_us == 0)
				w->retry_us = RETRY_FIRST_US;
			continue;
		}
		/* if the child changes nothing, the next one comes later */
		postpone(watch, w);
		(void)start_child(watch, w); /* told; tried again */
	}
}

static void reap(AppWatch *w)
{
	siginfo_t info = {0};
	if (w->pidfd < 0 || waitid(P_PIDFD, (id_t)w->pidfd, &info, WEXITED | WNOHANG) != 0 ||
	    info.si_pid == 0)
		return;
	util_closep(&w->pidfd);
	w->pidfd = -1;
	w->status = info.si_code == CLD_EXITED ? info.si_status : 1;
	if (info.si_code != CLD_EXITED)
		g_printerr("%s: its activation ended by signal %d; it is finished or undone next\n",
			   w->app->name, info.si_status);
	if (w->status != 0) /* it told why */
		return;
	w->not_before_us = MIN(w->not_before_us, g_get_monotonic_time() + RETRY_FIRST_US);
	w->gave_up = FALSE;
	g_clear_pointer(&w->problem, g_free);
}

/* Sets the timer to shortly before the next due moment; a clock that is set wakes us as well. */
static void set_timer(const Watch *watch)
{
	gint64 next_utc = 0;
	for (guint i = 0; i < watch->apps->len; i++) {
		const AppWatch *w = watch->apps->pdata[i];
		if (w->pidfd < 0 && w->next_utc > 0 && (next_utc == 0 || w->next_utc < next_utc))
			next_utc = w->next_utc;
	}
	/* before that second: its child waits for it */
	next_utc = next_utc > 0 ? MAX(next_utc - ACTIVATE_AHEAD_S, 1) : 0;
	struct itimerspec when = {.it_value = {.tv_sec = next_utc}};
	(void)timerfd_settime(watch->timer_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &when,
			      NULL); /* the values are fine; else we look again in a minute */
}

static int wait_ms(const Watch *watch)
{
	gint64 now_us = g_get_monotonic_time();
	gint64 wait_us = 1000 * (watch->inotify_fd < 0 ? LOOK_BLIND_MS : LOOK_AGAIN_MS);
	for (guint i = 0; i < watch->apps->len; i++) {
		const AppWatch *w = watch->apps->pdata[i];
		if (w->pidfd < 0 && !w->gave_up && w->not_before_us > now_us)
			wait_us = MIN(wait_us, w->not_before_us - now_us);
	}
	return (int)(wait_us / 1000) + 1;
}

static void drain(int fd)
{
	char buffer[4096];
	while (read(fd, buffer, sizeof buffer) > 0)
		;
}

static void wait_for_something(Watch *watch)
{
	guint n = watch->apps->len;
	g_autofree struct pollfd *fds = g_new0(struct pollfd, n + 3);
	fds[n] = (struct pollfd){watch->signal_fd, POLLIN, 0};
	fds[n + 1] = (struct pollfd){watch->inotify_fd, POLLIN, 0};
	fds[n + 2] = (struct pollfd){watch->timer_fd, POLLIN, 0};
	for (guint i = 0; i < n; i++)
		fds[i] = (struct pollfd){((AppWatch *)watch->apps->pdata[i])->pidfd, POLLIN, 0};
	set_timer(watch);
	(void)poll(fds, n + 3, wait_ms(watch)); /* whatever it says: everything is looked at */
	if (fds[n].revents) {
		drain(watch->signal_fd);
		watch->stopping = TRUE;
	}
	drain(watch->inotify_fd);
	drain(watch->timer_fd); /* ECANCELED: the clock was set; looked at as well */
	for (guint i = 0; i < n; i++)
		reap(watch->apps->pdata[i]);
}

/* --once: nothing runs, and nothing is due soon. */
static gboolean nothing_soon(const Watch *watch)
{
	for (guint i = 0; i < watch->apps->len; i++) {
		const AppWatch *w = watch->apps->pdata[i];
		gboolean retried = w->not_before_us > 0 && !w->gave_up;
		if (w->pidfd >= 0 || retried ||
		    (!w->gave_up && w->next_utc > 0 && w->next_utc <= watch->until_utc))
			return FALSE;
	}
	return TRUE;
}

int watch_run(const WatchSpec *spec, GError **error)
{
	Watch watch = {.spec = spec, .timer_fd = -1, .inotify_fd = -1, .signal_fd = -1};
	watch.until_utc = util_clock_now_utc(util_clock_system()) + ONCE_WAIT_S;
	if (!watch_open(&watch, error)) {
		watch_clear(&watch);
		return 1;
	}
	for (;;) {
		look_at_clock(&watch);
		start_due(&watch);
		if (watch.stopping ? running(&watch) == 0 : spec->once && nothing_soon(&watch))
			break;
		wait_for_something(&watch);
		reload_conf(&watch);
	}
	int status = 0;
	for (guint i = 0; spec->once && i < watch.apps->len; i++)
		status = MAX(status, ((const AppWatch *)watch.apps->pdata[i])->status);
	watch_clear(&watch);
	return status;
}
