/* SPDX-License-Identifier: ISC */
/*
 * The daemon: keeps `tagship-activate --wait` running (which needs no line) and `tagship-base
 * watch`, or without a watch pulls on schedule and at once when poked. All are children, so this
 * process stays small and a fault in one touches neither the others nor us.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/follower.h"
#include "cmd/tagship-base/poke.h"

#define RESPAWN_US (5 * G_USEC_PER_SEC)

typedef struct {
	const Base *base;
	char *own, *activate;               /* program paths */
	int activate_fd, watch_fd, pull_fd; /* pidfds, -1: not running */
	gint64 next_pull_us, next_activate_us, next_watch_us;
	gboolean poked, stopping;
	int signal_fd, poke_fd; /* poke_fd -1: the watch looks after it */
} Run;

/* A child that gets SIGTERM when we die, as a pidfd; -1 if it could not be started. */
static int start(const char *const *argv)
{
	pid_t parent = getpid();
	pid_t pid = fork();
	if (pid > 0)
		return (int)syscall(SYS_pidfd_open, pid, 0);
	if (pid < 0)
		return -1;
	sigset_t none;
	(void)sigemptyset(&none);                    /* cannot fail */
	(void)sigprocmask(SIG_SETMASK, &none, NULL); /* as above */
	/* when we are killed outright, the children must not stay without an owner */
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent)
		_exit(126);
	union {
		const char *const *in;
		char **out;
	} cast = {.in = argv};
	execv(argv[0], cast.out);
	_exit(127);
}

static void start_pull(Run *run)
{
	const char *argv[] = {run->own, "-C", run->base->root, "-q", "pull", NULL};
	run->pull_fd = start(argv);
}

static void start_due(Run *run)
{
	gint64 now = g_get_monotonic_time();
	if (run->stopping)
		return;
	if (run->activate_fd < 0 && now >= run->next_activate_us) {
		const char *argv[] = {run->activate, run->base->root, "--wait", NULL};
		run->activate_fd = start(argv);
		run->next_activate_us = now + RESPAWN_US;
	}
	if (run->base->conf->watch && run->watch_fd < 0 && now >= run->next_watch_us) {
		const char *argv[] = {run->own, "-C", run->base->root, "watch", NULL};
		run->watch_fd = start(argv);
		run->next_watch_us = now + RESPAWN_US;
	}
	if (run->pull_fd < 0 && !run->base->conf->watch &&
	    (now >= run->next_pull_us || run->poked)) {
		gint64 every = conf_base_pull_every_s(run->base->conf) * G_USEC_PER_SEC;
		run->poked = FALSE;
		/* jitter: a fleet restarted at one moment spreads out */
		run->next_pull_us = now + every + (gint64)(g_random_double() * (double)every / 10);
		start_pull(run);
	}
}

/* Takes an ended child's status; TRUE if it had ended. */
static gboolean reap(int *pidfd, siginfo_t *ret_info)
{
	*ret_info = (siginfo_t){0};
	if (*pidfd < 0 || waitid(P_PIDFD, (id_t)*pidfd, ret_info, WEXITED | WNOHANG) != 0 ||
	    ret_info->si_pid == 0)
		return FALSE;
	util_closep(pidfd);
	*pidfd = -1;
	return TRUE;
}

static void say_ended(const Run *run, const char *program, int *pidfd)
{
	siginfo_t info;
	if (reap(pidfd, &info) && !run->stopping)
		g_printerr("tagship-base run: %s ended (%s %d); starting it again\n", program,
			   info.si_code == CLD_EXITED ? "exit" : "signal", info.si_status);
}

static void reap_all(Run *run)
{
	siginfo_t info;
	(void)reap(&run->pull_fd, &info); /* it told by itself what went wrong */
	say_ended(run, "tagship-activate", &run->activate_fd);
	say_ended(run, "tagship-base watch", &run->watch_fd);
}

static void stop_child(int pidfd)
{
	if (pidfd >= 0)
		(void)syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0); /* gone: fine */
}

static void handle_signals(Run *run)
{
	struct signalfd_siginfo info;
	while (read(run->signal_fd, &info, sizeof info) == sizeof info) {
		run->stopping = TRUE;
		stop_child(run->activate_fd); /* it ends what it began */
		stop_child(run->watch_fd);    /* resumes next time */
		stop_child(run->pull_fd);     /* likewise */
	}
}

static void handle_pokes(Run *run)
{
	if (run->poke_fd >= 0 && base_poke_take(run->base, run->poke_fd))
		run->poked = TRUE;
}

static int wait_ms(const Run *run)
{
	gboolean watch = run->base->conf->watch;
	gint64 next = watch ? G_MAXINT64 : run->next_pull_us;
	if (watch && run->watch_fd < 0)
		next = MIN(next, run->next_watch_us);
	if (run->activate_fd < 0)
		next = MIN(next, run->next_activate_us);
	if (next == G_MAXINT64)
		return -1;
	return (int)CLAMP((next - g_get_monotonic_time()) / 1000 + 1, 20, G_MAXINT32);
}

static void loop(Run *run)
{
	handle_pokes(run);
	while (!run->stopping || run->activate_fd >= 0 || run->watch_fd >= 0 || run->pull_fd >= 0) {
		start_due(run);
		/* that a pull has ended matters only if something waits for it: idle, we wake
		 * once per pull */
		gboolean watch_pull = run->poked || run->stopping;
		struct pollfd fds[] = {{run->signal_fd, POLLIN, 0},
				       {run->poke_fd, POLLIN, 0},
				       {run->activate_fd, POLLIN, 0},
				       {run->watch_fd, POLLIN, 0},
				       {watch_pull ? run->pull_fd : -1, POLLIN, 0}};
		(void)poll(fds, G_N_ELEMENTS(fds),
			   run->stopping ? -1 : wait_ms(run)); /* looks again */
		handle_signals(run);
		reap_all(run);
		handle_pokes(run);
	}
}

static gboolean prepare(Run *run, GError **error)
{
	sigset_t set;
	(void)sigemptyset(&set);                  /* cannot fail */
	(void)sigaddset(&set, SIGTERM);           /* as above */
	(void)sigaddset(&set, SIGINT);            /* as above */
	(void)sigprocmask(SIG_BLOCK, &set, NULL); /* as above */
	run->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (run->signal_fd < 0)
		return util_error_errno(error, errno, "signalfd");
	if (!run->base->conf->watch)
		run->poke_fd = base_poke_open(run->base, error);
	return run->base->conf->watch || run->poke_fd >= 0;
}

int base_run(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 0, 0, error))
		return 2;
	g_autoptr(Base) base = base_open(cmd, error);
	util_autofd int lock =
	    base ? util_fs_lock(base->dirfd, "lock/run", UTIL_FS_LOOK_MS, error) : -1;
	if (lock < 0)
		return 1;
	g_autofree char *own = cmd_sibling("tagship-base", TAGSHIP_BINDIR);
	g_autofree char *activate = cmd_sibling("tagship-activate", TAGSHIP_LIBEXEC);
	Run run = {.base = base,
		   .own = own,
		   .activate = activate,
		   .activate_fd = -1,
		   .watch_fd = -1,
		   .pull_fd = -1,
		   .signal_fd = -1,
		   .poke_fd = -1};
	gboolean ok = prepare(&run, error);
	const char *notify[] = {own, "notify", "-q", "-C", base->root, NULL};
	g_autoptr(CmdFollower) notices =
	    ok && *base->conf->notify
		? cmd_follower_new(notify, STDERR_FILENO, BASE_NOTICES_EVERY_S)
		: NULL;
	if (ok)
		loop(&run);
	util_closep(&run.signal_fd);
	util_closep(&run.poke_fd);
	return ok ? 0 : 1;
}
