/* SPDX-License-Identifier: ISC */
/* A repository's own configuration file. */
#include "repo/repo-private.h"

#define MATCH_ALL ".*"
#define CHILD_DEADLINE_S 30
#define CHILD_OUTPUT_BYTES 4096

static git_config *config_own(Repo *repo, GError **error)
{
	g_autoptr(git_config) config = NULL;
	git_config *own = NULL;
	int code = git_repository_config(&config, repo->git);

	if (code >= 0)
		code = git_config_open_level(&own, config, GIT_CONFIG_LEVEL_LOCAL);
	if (code < 0) {
		(void)repo_error(error, code, "cannot read the configuration of %s", repo->path);
		return NULL;
	}
	return own;
}

char **repo_config_get(Repo *repo, const char *key, GError **error)
{
	g_autoptr(git_config) config = config_own(repo, error);
	g_autoptr(git_config_iterator) iterator = NULL;
	g_autoptr(GStrvBuilder) values = g_strv_builder_new();
	git_config_entry *entry = NULL;
	int code;

	if (!config)
		return NULL;
	code = git_config_multivar_iterator_new(&iterator, config, key, NULL);
	while (code == 0 && (code = git_config_next(&entry, iterator)) == 0)
		g_strv_builder_add(values, entry->value ? entry->value : "true");
	if (code != GIT_ITEROVER && code != GIT_ENOTFOUND) {
		(void)repo_error(error, code, "cannot read %s in the configuration of %s", key,
				 repo->path);
		return NULL;
	}
	git_error_clear();
	return g_strv_builder_end(values);
}

static gboolean config_unset(Repo *repo, const char *key, GError **error)
{
	g_autoptr(git_config) config = config_own(repo, error);
	int code;

	if (!config)
		return FALSE;
	code = git_config_delete_multivar(config, key, MATCH_ALL);
	if (code < 0 && code != GIT_ENOTFOUND)
		return repo_error(error, code, "cannot remove %s from the configuration of %s", key,
				  repo->path);
	git_error_clear();
	return TRUE;
}

static gboolean config_set(Repo *repo, const char *key, const char *value, GError **error)
{
	g_autoptr(git_config) config = config_own(repo, error);
	int code;

	if (!config)
		return FALSE;
	code = git_config_set_string(config, key, value);
	if (code < 0)
		return repo_error(error, code, "cannot set %s in the configuration of %s", key,
				  repo->path);
	return TRUE;
}

gboolean repo_config_unset(Repo *repo, const char *key, GError **error)
{
	int fd = repo_update_begin(repo, REPO_UPDATE_CONFIG, error);
	gboolean ok = fd >= 0 && config_unset(repo, key, error);

	if (fd >= 0)
		repo_update_end(fd);
	return ok;
}

gboolean repo_config_set(Repo *repo, const char *key, const char *value, GError **error)
{
	g_auto(GStrv) now = repo_config_get(repo, key, error);
	gboolean ok;
	int fd;

	if (!now)
		return FALSE;
	fd = repo_update_begin(repo, REPO_UPDATE_CONFIG, error);
	if (fd < 0)
		return FALSE;
	ok = (g_strv_length(now) <= 1 || config_unset(repo, key, error)) &&
	     config_set(repo, key, value, error);
	repo_update_end(fd);
	return ok;
}

/* By git itself: libgit2 1.5 leaks for each value that its regular expression does not match. */
static gboolean config_add_by_git(Repo *repo, const char *key, const char *value, GError **error)
{
	g_autofree char *file = g_build_filename(repo->path, "config", NULL);
	const char *argv[] = {"git", "config", "--file", file, "--add", key, value, NULL};
	g_autoptr(GBytes) output = NULL;
	g_autofree char *errors = NULL;
	int status = 0;

	if (!util_child_capture(argv, NULL, NULL, CHILD_DEADLINE_S, CHILD_OUTPUT_BYTES, &output,
				&errors, &status, error))
		return FALSE;
	if (status != 0)
		return util_error_set(error, TS_ERROR_FAILED,
				      "cannot add to %s in the configuration of %s: %s", key,
				      repo->path, g_strchomp(errors));
	return TRUE;
}

gboolean repo_config_add(Repo *repo, const char *key, const char *value, GError **error)
{
	g_auto(GStrv) now = repo_config_get(repo, key, error);
	gboolean ok;
	int fd;

	if (!now)
		return FALSE;
	if (g_strv_length(now) == 0)
		return repo_config_set(repo, key, value, error);
	if (g_strv_contains((const char *const *)now, value))
		return TRUE;
	fd = repo_update_begin(repo, REPO_UPDATE_CONFIG, error);
	ok = fd >= 0 && config_add_by_git(repo, key, value, error);
	if (fd >= 0)
		repo_update_end(fd);
	return ok;
}
