/* SPDX-License-Identifier: ISC */
#include "board/board.h"
#include "cmd/tagship/tagship.h"

int cmd_board(Cmd *cmd, GError **error)
{
	BoardWritten written = {0};
	if (!cmd_options(cmd, NULL, 0, 1, error))
		return 2;
	g_autoptr(Central) central = central_open(cmd->dir, error);
	const char *dir = !central ? NULL : cmd->argc > 1 ? cmd->argv[1] : central->conf->board;
	if (dir && !*dir) {
		(void)util_error_set(
		    error, TS_ERROR_USAGE,
		    "usage: tagship board DIR: no folder was named, and central.cfg "
		    "has no `board`");
		return 2;
	}
	if (!dir || !board_write(central, dir, &written, error))
		return 1;
	cmd_say(cmd, "%s/index.html: %u files, %u changed", dir, written.files, written.written);
	return 0;
}
