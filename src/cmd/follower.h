/* SPDX-License-Identifier: ISC */
/*
 * A command that is run after news, beside what brings them: never two at once, never waited for,
 * and so seldom that it takes at most a twentieth of the time, but at least once in its interval.
 */
#pragma once

#include "cmd/cmd.h"

typedef struct CmdFollower CmdFollower;
/* argv is copied; what it prints goes to output_fd, which must outlive the follower. every_s: it is
 * run so often without news, too. */
CmdFollower *cmd_follower_new(const char *const *argv, int output_fd, gint64 every_s);
void cmd_follower_news(CmdFollower *follower);
/* Waits until the last news are followed. NULL: nothing. */
void cmd_follower_end(CmdFollower *follower);
/* The same, but ends what runs, and follows nothing more: for who may not wait. */
void cmd_follower_stop(CmdFollower *follower);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CmdFollower, cmd_follower_stop)
