/* SPDX-License-Identifier: ISC */
/*
 * Runs an app's build command on a commit, in bubblewrap: read-only system, writable workspace at
 * /build, a /tmp of its own on the same disk, no STATE, no source repository, no home folders, own
 * PID, IPC, UTS and (unless the app says network) network namespace, no capabilities, cleared
 * environment (PATH HOME=/build/.home LANG TZ=UTC SOURCE_DATE_EPOCH TAGSHIP_APP TAGSHIP_VERSION
 * TAGSHIP_COMMIT). When the build's first process ends or time is up, everything it started is
 * killed with the namespace; when build_run returns TRUE, nothing of it is left.
 *
 * What is seen of the system: the folders at the top, read-only, but /tmp /home /root /run /srv
 * /mnt /media /sys /boot; of /var only what package tools read; of /etc not the passwords and
 * private keys. Tools in a home folder (~/.pyenv, ~/.nvm) are therefore not there: install them in
 * /usr/local or /opt. A worker that is root builds as "nobody", without root's rights.
 *
 * sandbox = "none": the command runs in the workspace as the worker's account, with the same
 * environment (HOME=WORKSPACE/.home); at the end its process group is killed, not what left it.
 *
 * Workspaces: WORK/APP/release and WORK/APP/branch (never shared); made new each time unless the
 * app is incremental (then unchanged files keep their mtimes, and what builds made stays). The
 * command is the app's; if that is empty, tagship.cfg's; if there is none, nothing is run. The
 * output folder likewise, with "." for not given. With a command, the output folder is removed
 * before it runs, unless it is ".". A crash leaves a workspace that the next build replaces (or,
 * incremental, reuses after a fresh checkout over it, or makes new if that fails, and says so).
 */
#pragma once

#include "conf/conf.h"
#include "library/library.h"

typedef struct {
	const ConfApp *app;
	const char *source_repo; /* path */
	const char *commit;
	const char *version; /* tag or branch name, for the environment */
	gint64 commit_utc;   /* SOURCE_DATE_EPOCH */
	gboolean is_release;
	const char *state_path; /* hidden from the build */
	const char *work_path;  /* STATE/work */
	guint64 min_free_bytes; /* the build ends when the disk gets fuller */
	int log_fd;             /* output of the build; 0 or -1: nowhere */
	const char *bwrap_path; /* NULL: "bwrap" in the system's PATH */
} BuildSpec;

typedef struct {
	char *output_path; /* absolute folder with the built tree */
	int output_dirfd;
	Manifest *manifest; /* normalized scan, mtimes not assigned yet */
	gint64 wall_ms;
} BuildResult;
void build_result_free(BuildResult *result);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BuildResult, build_result_free)

/* The log gets a header, the command's output and a closing line that says how it ended.
 * FAILED: the command failed or ran out of time or memory; REFUSED: the tree has files that may
 * not be released, or bwrap does not work and the app does not say sandbox = "none"; NO_SPACE.
 * The text is one line, good for status and for the pusher. */
gboolean build_run(const BuildSpec *spec, BuildResult **ret_result, GError **error);

/* Tries a bwrap sandbox with `true`; REFUSED, and the error says what to do. */
gboolean build_sandbox_works(GError **error);
