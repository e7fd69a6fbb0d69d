/* SPDX-License-Identifier: ISC */
/*
 * Children: argv arrays, a cleared environment, explicit descriptors, a deadline. Never a shell.
 *
 *   UtilChildSpec spec = {.argv = argv, .env = env, .deadline_s = 60, .output_fd = log_fd};
 *   UtilChildResult result;
 *   if (!util_child_run(&spec, &result, error)) ...   (FALSE only if it could not be started)
 *   if (result.timed_out || result.exit_status != 0) ...
 *
 * Each child leads a process group of its own; at the deadline the group gets SIGTERM and, after
 * kill_after_s, what is left of it SIGKILL, also if the child itself has obeyed. A child that ends
 * in time has ended when its own process has: grandchildren live on, and if they keep the output
 * open they are not waited for. Output goes to a file, not a pipe, for that reason.
 * Close-on-exec keeps all other descriptors out.
 */
#pragma once

#include <glib.h>

/* The PATH of every program we start. */
#define UTIL_CHILD_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

typedef struct {
	const char *const *argv;  /* argv[0] is looked up in env's PATH, or absolute */
	const char *const *env;   /* NULL: only UTIL_CHILD_PATH and LANG=C.UTF-8 */
	const char *cwd;          /* NULL: "/" */
	int input_fd;             /* 0 or -1: /dev/null; else given to the child as 0 */
	int output_fd;            /* 0 or -1: /dev/null; else the child's 1 */
	int error_fd;             /* 0 or -1: same as output; else the child's 2 */
	gint64 deadline_s;        /* 0: none */
	gint64 kill_after_s;      /* at most this from SIGTERM to SIGKILL; 0: at once SIGKILL */
	guint64 max_file_bytes;   /* RLIMIT_FSIZE; 0: no limit */
	guint64 max_memory_bytes; /* RLIMIT_DATA; 0: no limit */
	/* Called about every `tick_ms` while waiting (0: never); FALSE ends the child as at the
	 * deadline, with result->stopped set. */
	gboolean (*tick)(gpointer user_data);
	gpointer user_data;
	int tick_ms;
} UtilChildSpec;

typedef struct {
	int exit_status; /* exit code, or 128 + signal */
	gboolean timed_out;
	gboolean stopped;
	gint64 wall_ms;
} UtilChildResult;

gboolean util_child_run(const UtilChildSpec *spec, UtilChildResult *ret_result, GError **error);

/* Short helper programs (ssh-keygen): feeds `input`, collects output and error text up to
 * max_bytes each, deadline as given. Non-zero exit is not an error here. */
gboolean util_child_capture(const char *const *argv, const char *const *env, GBytes *input,
			    gint64 deadline_s, gsize max_bytes, GBytes **ret_output,
			    char **ret_errors, int *ret_exit_status, GError **error);

/* Starts argv fully detached: double fork, setsid, chdir "/", all descriptors on /dev/null, empty
 * environment but PATH and LANG (so that a git push never waits for it). Returns once it
 * is started or could not be. */
gboolean util_child_detach(const char *const *argv, GError **error);
