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
/* Zeros that parent and child share, until both end; NULL with error. */
gpointer cmd_child_memory(gsize len, GError **error);
