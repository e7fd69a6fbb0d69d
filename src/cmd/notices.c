/* SPDX-License-Identifier: ISC */
#include "cmd/notices.h"

int cmd_say_notices(const Cmd *cmd, NoticeDelivered *delivered)
{
	g_autofree char *failed = g_steal_pointer(&delivered->failed);
	if (failed)
		g_printerr("%s notify: %s; %u wait and are tried again\n", cmd->program->name,
			   failed, delivered->waiting);
	if (delivered->given_up > 0)
		g_printerr("%s notify: %u notices could not be told for a week, and are dropped\n",
			   cmd->program->name, delivered->given_up);
	cmd_say(cmd, "%u told, %u waiting", delivered->sent, delivered->waiting);
	return failed ? 5 : 0;
}
