/* SPDX-License-Identifier: ISC */
/* What doctor looks at outside of the state folder. */
#pragma once

#include "cmd/tagship/tagship.h"

/* All of STATE belongs to one account, and nobody else may write there. */
void cmd_check_ownership(CmdDoctor *doctor, Central *central);
/* If bases come by ssh to an account of this machine: its shell, its keys, and sshd's settings, as
 * `sshd -T` says them. */
void cmd_check_sshd(CmdDoctor *doctor, Central *central, char **bases);
