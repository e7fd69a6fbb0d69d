/* SPDX-License-Identifier: ISC */
/*
 * Beside gitolite. It owns hooks/ of its repositories: `gitolite setup` links its own there again,
 * and repo-specific hooks replace what they find. So ours go into REPO/tagship-hooks, which
 * core.hooksPath names, and each hook there runs the one in hooks/ first, whatever that is by then.
 */
#pragma once

#include "cmd/tagship/tagship.h"

/* Its update hook links into gitolite's. */
gboolean cmd_gitolite_owns(const char *repo);
/* Makes the folder, with hooks that run those of hooks/, and names it. ours: hooks that the caller
 * links there; what they run first is in tagship.d. Idempotent; a crash leaves the old folder or
 * the new one in charge. */
gboolean cmd_gitolite_step_aside(Repo *repo, const char *const *ours, guint count, GError **error);
/* Undoes that; nothing where it was not done. */
gboolean cmd_gitolite_step_back(Repo *repo, GError **error);
