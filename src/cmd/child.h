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
/* Both; `run` gets `data`, and if it went well, what it left there (len bytes) is there. The exit
 * status: not 0 with or without error. */
int cmd_child_run(const Cmd *cmd, CmdChildRun run, gpointer data, gsize len, GError **error);
