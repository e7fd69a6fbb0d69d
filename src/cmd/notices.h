/* SPDX-License-Identifier: ISC */
/* What `tagship notify` and `tagship-base notify` share. */
#pragma once

#include "cmd/cmd.h"
#include "notice/notice.h"

/* Says what came of it, a failure even with -q; the exit status. Frees what `delivered` holds. */
int cmd_say_notices(const Cmd *cmd, NoticeDelivered *delivered);
