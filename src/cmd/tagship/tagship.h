/* SPDX-License-Identifier: ISC */
/* The subcommands of tagship, each in a file of its own or with its close kin. */
#pragma once

#include "cmd/cmd.h"
#include "publish/publish.h"

int cmd_init(Cmd *cmd, GError **error);
int cmd_app(Cmd *cmd, GError **error);
int cmd_base(Cmd *cmd, GError **error);
int cmd_key(Cmd *cmd, GError **error);
int cmd_hook(Cmd *cmd, GError **error);
int cmd_plan(Cmd *cmd, GError **error);
int cmd_status(Cmd *cmd, GError **error);
int cmd_log(Cmd *cmd, GError **error);
int cmd_wait(Cmd *cmd, GError **error);
int cmd_retry(Cmd *cmd, GError **error);
int cmd_cancel(Cmd *cmd, GError **error);
int cmd_developer(Cmd *cmd, GError **error);
int cmd_rollback(Cmd *cmd, GError **error);
int cmd_stop(Cmd *cmd, GError **error);
int cmd_resume(Cmd *cmd, GError **error);
int cmd_bundle(Cmd *cmd, GError **error);
int cmd_export(Cmd *cmd, GError **error);
int cmd_import(Cmd *cmd, GError **error);
int cmd_notify(Cmd *cmd, GError **error);
int cmd_board(Cmd *cmd, GError **error);
int cmd_doctor(Cmd *cmd, GError **error);
int cmd_worker(Cmd *cmd, GError **error);
int cmd_gc(Cmd *cmd, GError **error);
int cmd_serve(Cmd *cmd, GError **error);
int cmd_authorized_keys(Cmd *cmd, GError **error);

/* Starts a worker in the background if the configuration says so and none runs. */
gboolean cmd_poke_worker(Central *central, GError **error);
/* The same after a decision, and says if a ledger lacks it. */
gboolean cmd_see_to_it(const Cmd *cmd, Central *central, GError **error);

/* Prints the job's log as it grows until the job ends; returns the exit status of the job. */
int cmd_follow_job(Central *central, const char *job_id, gboolean follow, GError **error);

/* Links our hooks into the repository, of which an app is built already. */
gboolean cmd_hooks_install(Cmd *cmd, Central *central, const char *repo, GError **error);
/* The hooks of ours that the repository lacks, "a, b" ("" for none), where git looks for them. */
char *cmd_hooks_missing(const char *repo, GError **error);

/* Our hooks' programs that are not there or not executable, "PATH, PATH" ("" for none). */
char *cmd_hooks_broken(void);
/* The hooks that were there before ours and run first, "a, b" ("" for none); NULL: not known. */
char *cmd_hooks_chained(const char *repo);

/* Central's public key from keys/central.pub, "ssh-ed25519 AAAA…"; NULL if it cannot be read. */
char *cmd_public_key(int state_dirfd);
/* Writes the key in this .pub file to where STATE's recovery key stands. */
gboolean cmd_pin_recovery(const char *dir, const char *file, GError **error);

/* USAGE, with the nearest name, if one of these apps does not exist; `apps` may be NULL. */
gboolean cmd_check_apps(Central *central, const char *const *apps, GError **error);

/* The line a base is enrolled with. */
char *cmd_join_line(Central *central, GError **error);
