/* SPDX-License-Identifier: ISC */
/*
 * tagship-activate ROOT [--once|--wait]: does what is due at this base. Needs no line.
 *
 *   --once       (the default) what is due now or within the next 65 s, then ends: for timers
 *   --wait       stays and does everything at its second; SIGTERM ends it after what it began
 *   --app NAME   (used by itself) what is due now for one app
 */
#include <locale.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "cmd/signals.h"
#include "cmd/tagship-activate/watch.h"

#define LOCK_WAIT_MS (5 * 1000)

typedef struct {
	gboolean once, wait, version;
	char *app;
} Options;

static void say(const char *line, gpointer user_data)
{
	(void)user_data; /* nothing to know */
	g_print("%s\n", line);
}

/* Reports are waiting: `tagship-base run` delivers them at once. */
static void poke(int root_dirfd)
{
	g_autoptr(GPtrArray) pending = util_fs_list(root_dirfd, "pending", NULL);
	/* if it fails, the next pull delivers them */
	if (pending && pending->len > 0 && util_fs_mkdir(root_dirfd, "poke", 0755, NULL))
		(void)util_fs_write_file(root_dirfd, "poke/now", "", 0, 0644, NULL); /* as above */
}

/* FALSE: the clock was set, or there is no timer: whoever started us looks again. */
static gboolean wait_until(gint64 utc)
{
	guint64 times = 0;
	struct itimerspec when = {.it_value = {.tv_sec = utc}};
	util_autofd int fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC);
	return fd >= 0 &&
	       timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &when, NULL) == 0 &&
	       read(fd, &times, sizeof times) == sizeof times;
}

/* We are started some seconds ahead: all that can be done before is done, and the lock is taken at
 * the second. NULL without error: nothing to do now. */
static ActivateApp *open_in_time(const ActivateSpec *spec, GError **error)
{
	g_autoptr(ActivateApp) app = activate_open(spec, LOCK_WAIT_MS, error);
	gint64 at_utc = app ? activate_ahead(app) : 0;
	if (at_utc == 0)
		return g_steal_pointer(&app);
	g_clear_pointer(&app, activate_close);
	return wait_until(at_utc) ? activate_open(spec, LOCK_WAIT_MS, error) : NULL;
}

static gboolean do_app(const char *root_path, int root_dirfd, const char *name, GError **error)
{
	gint64 next_utc = 0, incarnation = 1;
	UtilClock *clock = util_clock_system();
	g_autoptr(ConfBase) conf = conf_base_load(root_dirfd, root_path, error);
	if (!conf || !activate_incarnation(root_dirfd, &incarnation, error))
		return FALSE;
	const ConfBaseApp *app = conf_base_app(conf, name);
	if (!app)
		return util_error_set(error, TS_ERROR_USAGE, "no app \"%s\" in %s/base.cfg", name,
				      root_path);
	g_auto(ActivateReady) ready = {0};
	ActivateSpec spec = {.root_path = root_path,
			     .root_dirfd = root_dirfd,
			     .conf = conf,
			     .app = app,
			     .clock = clock,
			     .incarnation = incarnation,
			     .say = say,
			     .ready = &ready};
	g_autoptr(ActivateApp) opened = open_in_time(&spec, error);
	if (!opened)
		return error == NULL || *error == NULL;
	cmd_outlive_signals();
	gboolean ok = TRUE;
	do {
		ok = activate_due(opened, &next_utc, error);
		poke(root_dirfd);
	} while (ok && next_utc > 0 && next_utc <= util_clock_now_utc(clock));
	return ok;
}

static gboolean parse(int *argc, char ***argv, Options *options, GError **error)
{
	const GOptionEntry entries[] = {
	    {"once", 0, 0, G_OPTION_ARG_NONE, &options->once,
	     "What is due now or within 65 s, then end (default)", NULL},
	    {"wait", 0, 0, G_OPTION_ARG_NONE, &options->wait,
	     "Stay, and do everything at its second", NULL},
	    {"app", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_STRING, &options->app,
	     "Only this app, now", "NAME"},
	    {"version", 0, 0, G_OPTION_ARG_NONE, &options->version, "Print the version", NULL},
	    G_OPTION_ENTRY_NULL};
	g_autoptr(GOptionContext) context = g_option_context_new("ROOT");
	g_option_context_set_summary(context, "Activates at this base what is due.");
	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, argc, argv, error))
		return FALSE;
	if (options->version || (*argc == 2 && !(options->once && options->wait)))
		return TRUE;
	return util_error_set(error, TS_ERROR_USAGE,
			      "usage: tagship-activate ROOT [--once|--wait]; ROOT is the folder "
			      "with base.cfg");
}

static int run(const char *root, const Options *options, GError **error)
{
	g_autofree char *root_path = g_canonicalize_filename(root, NULL);
	util_autofd int root_dirfd = store_open_root(root_path, error);
	if (root_dirfd < 0)
		return 1;
	if (options->app)
		return do_app(root_path, root_dirfd, options->app, error) ? 0 : 1;
	WatchSpec spec = {.root_path = root_path, .root_dirfd = root_dirfd, .once = !options->wait};
	return watch_run(&spec, error);
}

int main(int argc, char **argv)
{
	Options options = {0};
	g_autoptr(GError) error = NULL;
	int status = 0;
	(void)setlocale(LC_CTYPE, ""); /* else "C" */
	if (parse(&argc, &argv, &options, &error)) {
		if (options.version)
			g_print("tagship-activate " TAGSHIP_VERSION "\n");
		else
			status = run(argv[1], &options, &error);
	}
	if (error) {
		g_printerr("tagship-activate: %s\n", error->message);
		status = util_error_exit_status(error);
	}
	g_free(options.app);
	return status;
}
