/* SPDX-License-Identifier: ISC */
/* What `tagship notify` and `tagship-base notify` share. */
#pragma once

#include "cmd/cmd.h"
#include "notice/notice.h"
#include "order/order.h"

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

typedef gboolean (*CmdPut)(const char *key, const Notice *notice, gpointer user_data,
			   GError **error);
/* What a base reported, or what the servers of its site did: each end there is an event of its own.
 * key: of the report. */
gboolean cmd_tell_report(const Report *report, const char *key, CmdPut put, gpointer user_data,
			 GError **error);
