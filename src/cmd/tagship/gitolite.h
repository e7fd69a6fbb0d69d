/* SPDX-License-Identifier: ISC */
/*
 * Beside gitolite. It owns hooks/ of its repositories: `gitolite setup` links its own there again,
 * and repo-specific hooks replace what they find. So ours go into REPO/tagship-hooks, which
 * core.hooksPath names, and each hook there runs the one in hooks/ first, whatever that is by then.
 */
#pragma once

#include "cmd/tagship/tagship.h"

/* Its update hook links into gitolite's, and git looks for hooks there, or where we put ours. */
gboolean cmd_gitolite_owns(Repo *repo);
/* Makes the folder, with hooks that run those of hooks/; its path. git does not look there yet.
 * ours: hooks that the caller links there; what they run first is in tagship.d. */
char *cmd_gitolite_beside(Repo *repo, const char *const *ours, guint count, GError **error);
/* Names the folder: from now on git looks there. */
gboolean cmd_gitolite_step_aside(Repo *repo, GError **error);
/* Undoes that; nothing where it was not done. */
gboolean cmd_gitolite_step_back(Repo *repo, GError **error);
