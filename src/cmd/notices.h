/* SPDX-License-Identifier: ISC */
/* What `tagship notify` and `tagship-base notify` share. */
#pragma once

#include "cmd/cmd.h"
#include "notice/notice.h"

typedef struct {
	int dirfd;
	char **argv; /* `notify` of the configuration */
	gint64 now_utc;
	gboolean (*look)(gpointer side, GError **error); /* puts notices of what is new */
	gpointer side;
} CmdTelling;
/* Looks and delivers, one process at a time, and says what came of it, a failure even with -q; the
 * exit status. */
int cmd_tell(const Cmd *cmd, const CmdTelling *telling, GError **error);
