/* SPDX-License-Identifier: ISC */
/*
 * What the three hooks share: their input, the hooks that were there before, the repository's
 * tagship settings, and output that never blocks for long.
 *
 *   g_autoptr(Hook) hook = hook_new("pre-receive", argc, argv);
 *   int status = hook_run_chained(hook);             hooks of others run first, with the same input
 *   ... hook->updates ...
 *
 * Hooks run as whoever pushes; they validate or enqueue, in milliseconds, and write nothing but a
 * hint.
 */
#pragma once

#include "conf/conf.h"
#include "store/store.h"

#define HOOK_ZERO "0000000000000000000000000000000000000000"

typedef struct {
	char *old_oid, *new_oid, *ref;
} HookUpdate;

typedef struct {
	const char *name;
	char **argv;
	GBytes *input;      /* standard input, whole */
	GPtrArray *updates; /* HookUpdate */
	char *git_dir;      /* absolute */
	char *state;        /* tagship.state or NULL: not ours to do anything */
	char **apps;        /* tagship.app values */
	int state_dirfd, queue_dirfd;
	GPtrArray *confs; /* ConfApp of each app */
	ConfCentral *conf;
	gint64 output_deadline_us;
} Hook;

Hook *hook_new(const char *name, char **argv);
void hook_free(Hook *hook);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Hook, hook_free)

/* Runs hooks/tagship.d/NAME if it is there; its exit status, 0 if there is none. */
int hook_run_chained(const Hook *hook);

/* Reads settings of the repository; FALSE with error if they are there and broken; TRUE with
 * hook->state NULL if the repository is not set up. */
gboolean hook_load(Hook *hook, GError **error);

/* Writes the note beside the hooks anew if an app's file changed since, for the gate. */
void hook_renew_note(const Hook *hook);

/* A line to the pusher (standard error). Output stops after 20 s without a reader: what git did
 * with the refs counts, not whether somebody still watches. */
void hook_say(Hook *hook, const char *format, ...) G_GNUC_PRINTF(2, 3);
void hook_say_text(Hook *hook, const char *text);

/* TRUE for refs the worker would look at: tags, and branches that an app checks. */
gboolean hook_is_relevant(const Hook *hook, const char *ref);

/* Notes which tags this push is about to delete, before it does: git may be killed between that and
 * post-receive, and a tag that is gone without a note withdraws nothing. */
gboolean hook_announce_deletions(Hook *hook, GError **error);
/* Writes the hint and starts the worker if the hook does that here. */
gboolean hook_enqueue(Hook *hook, char **ret_hint, GError **error);
gboolean hook_worker_running(const Hook *hook);

/* Path of a program of ours: beside the folder of the hooks in a build tree, else installed. */
char *hook_program(const char *name);

/* Who pushes: GL_USER (gitolite), REMOTE_USER, or the account. */
char *hook_pusher(void);
/* Push options as git hands them over; caller frees. */
char **hook_push_options(void);
