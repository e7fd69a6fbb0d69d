/* SPDX-License-Identifier: ISC */
#include "cmd/tagship/gitolite.h"

#define FOLDER "tagship-hooks"
#define HOOKS_PATH "core.hooksPath"

/* git looks for a bare repository's hooks from within it. gitolite's driver of repo-specific hooks
 * goes by the name that git calls it by. */
#define RUN_THEIRS                                                                   \
	"#!/bin/sh\n# What gitolite keeps in hooks/, by the name that it expects.\n" \
	"test ! -x hooks/%s || exec hooks/%s \"$@\"\n"

static const char *const theirs[] = {"update", "post-update", "pre-auto-gc"};

gboolean cmd_gitolite_owns(Repo *repo)
{
	g_autofree char *path = g_build_filename(repo_path(repo), "hooks", "update", NULL);
	g_autofree char *target = util_fs_readlink(AT_FDCWD, path, NULL);
	g_auto(GStrv) hooks_path = repo_config_get(repo, HOOKS_PATH, NULL);
	gboolean elsewhere = hooks_path && hooks_path[0] && strcmp(hooks_path[0], FOLDER) != 0;
	return target && strstr(target, "/.gitolite/hooks/") && !elsewhere;
}

static gboolean write_one(int dirfd, const char *path, const char *name, GError **error)
{
	g_autofree char *text = g_strdup_printf(RUN_THEIRS, name, name);
	return util_fs_write_file(dirfd, path, text, strlen(text), 0755, error);
}

static gboolean write_all(int dirfd, const char *const *ours, guint count, GError **error)
{
	for (guint i = 0; i < G_N_ELEMENTS(theirs); i++)
		if (!write_one(dirfd, theirs[i], theirs[i], error))
			return FALSE;
	for (guint i = 0; i < count; i++) {
		g_autofree char *path = g_build_filename(CONF_HOOKS_OURS, ours[i], NULL);
		if (!write_one(dirfd, path, ours[i], error))
			return FALSE;
	}
	return TRUE;
}

char *cmd_gitolite_beside(Repo *repo, const char *const *ours, guint count, GError **error)
{
	g_autofree char *dir = g_build_filename(repo_path(repo), FOLDER, NULL);
	if (!util_fs_mkdir_parents(AT_FDCWD, dir, 0755, error))
		return NULL;
	util_autofd int dirfd = util_fs_open_dir(AT_FDCWD, dir, error);
	if (dirfd < 0 || !util_fs_mkdir(dirfd, CONF_HOOKS_OURS, 0755, error) ||
	    !write_all(dirfd, ours, count, error))
		return NULL;
	return g_steal_pointer(&dir);
}

gboolean cmd_gitolite_step_aside(Repo *repo, GError **error)
{
	return repo_config_set(repo, HOOKS_PATH, FOLDER, error);
}

gboolean cmd_gitolite_step_back(Repo *repo, GError **error)
{
	g_auto(GStrv) path = repo_config_get(repo, HOOKS_PATH, error);
	g_autofree char *dir = g_build_filename(repo_path(repo), FOLDER, NULL);
	if (!path)
		return FALSE;
	if (!path[0] || strcmp(path[0], FOLDER) != 0)
		return TRUE;
	return repo_config_unset(repo, HOOKS_PATH, error) &&
	       util_fs_remove_tree(AT_FDCWD, dir, error);
}
