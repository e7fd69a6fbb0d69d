/* SPDX-License-Identifier: ISC */
/* What `tagship notify` and `tagship-base notify` share. */
#pragma once

#include "cmd/cmd.h"
#include "notice/notice.h"
#include "order/order.h"

/* One look for what is new. */
typedef struct {
	int dirfd;
	gint64 now_utc;
	char **events;    /* only these; empty: all */
	GKeyFile *before; /* what was seen */
	GKeyFile *now;    /* what is to be seen then; `find` fills it */
	gboolean first;   /* all there is is history */
	gpointer side;    /* of who looks */
} CmdLook;

typedef struct {
	int dirfd;
	char **argv;   /* `notify` of the configuration */
	char **events; /* its `notify_events` */
	gint64 now_utc;
	gboolean (*find)(CmdLook *look, GError **error); /* puts notices of what is new */
	gpointer side;
} CmdTelling;
/* Looks and delivers, one process at a time, and says what came of it, a failure even with -q; the
 * exit status. */
int cmd_tell(const Cmd *cmd, const CmdTelling *telling, GError **error);

/* For doctor: whether somebody can be told by `notify`, and was. */
void cmd_check_notify(CmdDoctor *doctor, int dirfd, char *const *argv);

/* As notice_put, if the event is one of those that are told. */
gboolean cmd_put_notice(const CmdLook *look, const char *key, const Notice *notice, GError **error);
/* What a base reported, or what the servers of its site did: each end there is an event of its own.
 * key: of the report. */
gboolean cmd_put_report(const CmdLook *look, const Report *report, const char *key, GError **error);
