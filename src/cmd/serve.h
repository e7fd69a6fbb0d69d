/* SPDX-License-Identifier: ISC */
/* What `tagship serve` and `tagship-base serve` share. */
#pragma once

#include "cmd/cmd.h"
#include "serve/serve.h"

/* Called once the verb is over, with its exit status, in a process that is not confined; not after
 * a watch or git-upload-pack. */
typedef struct {
	void (*after)(int status, gpointer user_data);
	gpointer user_data;
} CmdServed;

/* Answers the verb on descriptors 0 and 1, confined; its exit status. */
int cmd_serve_verb(const Cmd *cmd, const ServeSpec *spec, const char *verb, const CmdServed *served,
		   GError **error);
