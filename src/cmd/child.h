/* SPDX-License-Identifier: ISC */
/* Part of a command in a process of its own, which may be confined while the command is not. */
#pragma once

#include <sys/types.h>

#include "cmd/cmd.h"

typedef gboolean (*CmdChildRun)(gpointer user_data, GError **error);
/* The child prints the error that `run` ends with, as the command would. It does not outlive us.
 * Before any thread is started. -1 with error. */
pid_t cmd_child_start(const Cmd *cmd, CmdChildRun run, gpointer user_data, GError **error);
/* Its exit status; -1 with error if a signal ended it. */
int cmd_child_wait(pid_t pid, const char *what, GError **error);
typedef gboolean (*CmdChildAnswer)(gconstpointer asked, gpointer answer, GError **error);
/* Both. If it went well, what `run` left in `answer` (len bytes, no pointers) is there: to be
 * looked at before it is believed, for the child may have been taken over by what it read. The exit
 * status: not 0 with or without error. */
int cmd_child_run(const Cmd *cmd, CmdChildAnswer run, gconstpointer asked, gpointer answer,
		  gsize len, GError **error);
