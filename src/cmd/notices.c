/* SPDX-License-Identifier: ISC */
#include "cmd/notices.h"

static int say(const Cmd *cmd, NoticeDelivered *delivered)
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

int cmd_tell(const Cmd *cmd, const CmdTelling *telling, GError **error)
{
	NoticeDelivered delivered = {0};
	if (!*telling->argv) {
		cmd_say(cmd, "the configuration has no `notify`: nobody is told");
		return 0;
	}
	util_autofd int lock = notice_lock(telling->dirfd, error);
	if (lock < 0 || !telling->look(telling->side, error) ||
	    !notice_deliver(telling->dirfd, (const char *const *)telling->argv, telling->now_utc,
			    &delivered, error))
		return 1;
	return say(cmd, &delivered);
}
