/* SPDX-License-Identifier: ISC */
/* A repository's own configuration file. */
#include <errno.h>
#include <unistd.h>

#include "repo/repo-private.h"

#define HOOKS_S 30 /* git has for an answer */
#define HOOKS_MAX 8192

#define CONFIG "config"
#define CONFIG_LOCK CONFIG ".lock"
#define CONFIG_MAX (16 * 1024 * 1024)
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

/* An edit that has been locked: git's own lock file, which becomes the configuration. libgit2 and
 * git would rename it without a sync, and a power cut would leave the file empty. */
typedef struct {
	Repo *repo;
	int fd; /* of repo_update_begin */
	char *path;
	git_config *config; /* the lock file's */
} Edit;

static void edit_clear(Edit *edit)
{
	g_clear_pointer(&edit->config, git_config_free);
	g_free(edit->path);
	if (edit->fd >= 0)
		repo_update_end(edit->fd);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Edit, edit_clear)

static gboolean edit_lock(Edit *edit, GError **error)
{
	Repo *repo = edit->repo;
	g_autoptr(GError) failed = NULL;
	g_autofree char *text = NULL;
	util_autofd int fd = -1;
	struct stat st;
	gsize len = 0;

	if (fstatat(repo->dirfd, CONFIG, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return util_error_errno(error, errno, CONFIG);
	/* libgit2 locks what it edits, the lock file, once more */
	if (!util_fs_read_file(repo->dirfd, CONFIG, CONFIG_MAX, &text, &len, error) ||
	    !util_fs_unlink(repo->dirfd, CONFIG_LOCK ".lock", error))
		return FALSE;
	fd = util_fs_open_beneath(repo->dirfd, CONFIG_LOCK, O_WRONLY | O_CREAT | O_EXCL,
				  st.st_mode & 0777, &failed);
	if (fd >= 0) {
		edit->path = g_build_filename(repo->path, CONFIG_LOCK, NULL);
		return util_fs_write_all(fd, text, len, error);
	}
	if (g_error_matches(failed, TS_ERROR, TS_ERROR_EXISTS))
		return util_error_set(error, TS_ERROR_AGAIN,
				      "git writes it now, or was killed at it: see " CONFIG_LOCK);
	g_propagate_error(error, g_steal_pointer(&failed));
	return FALSE;
}

static gboolean edit_begin(Edit *edit, GError **error)
{
	int code;

	edit->fd = repo_update_begin(edit->repo, REPO_UPDATE_CONFIG, error);
	if (edit->fd < 0)
		return FALSE;
	if (!edit_lock(edit, error)) {
		g_prefix_error(error, "the configuration of %s: ", edit->repo->path);
		return FALSE;
	}
	code = git_config_open_ondisk(&edit->config, edit->path);
	return code >= 0 || repo_error(error, code, "cannot read %s", edit->path);
}

/* ok: the edit is to stay. */
static gboolean edit_end(Edit *edit, gboolean ok, GError **error)
{
	int dirfd = edit->repo->dirfd;
	util_autofd int file = -1;

	if (!edit->path)
		return FALSE;
	if (ok) {
		file = openat(dirfd, CONFIG_LOCK, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		ok = file >= 0 ? util_fs_fsync(file, error)
			       : util_error_errno(error, errno, "%s", edit->path);
	}
	if (ok && util_fs_rename_durable(dirfd, CONFIG_LOCK, dirfd, CONFIG, error))
		return TRUE;
	(void)util_fs_unlink(dirfd, CONFIG_LOCK, NULL); /* the first error is the one to tell */
	return FALSE;
}

static gboolean edit_unset(Edit *edit, const char *key, GError **error)
{
	int code = git_config_delete_multivar(edit->config, key, MATCH_ALL);

	if (code < 0 && code != GIT_ENOTFOUND)
		return repo_error(error, code, "cannot remove %s from the configuration of %s", key,
				  edit->repo->path);
	git_error_clear();
	return TRUE;
}

static gboolean edit_set(Edit *edit, const char *key, const char *value, GError **error)
{
	int code = git_config_set_string(edit->config, key, value);

	return code >= 0 || repo_error(error, code, "cannot set %s in the configuration of %s", key,
				       edit->repo->path);
}

/* By git itself: libgit2 1.5 leaks for each value that its regular expression does not match. */
static gboolean edit_add(Edit *edit, const char *key, const char *value, GError **error)
{
	const char *argv[] = {"git", "config", "--file", edit->path, "--add", key, value, NULL};
	g_autoptr(GBytes) output = NULL;
	g_autofree char *errors = NULL;
	int status = 0;

	if (!util_child_capture(argv, NULL, NULL, CHILD_DEADLINE_S, CHILD_OUTPUT_BYTES, &output,
				&errors, &status, error))
		return FALSE;
	if (status != 0)
		return util_error_set(error, TS_ERROR_FAILED,
				      "cannot add to %s in the configuration of %s: %s", key,
				      edit->repo->path, g_strchomp(errors));
	return TRUE;
}

gboolean repo_config_unset(Repo *repo, const char *key, GError **error)
{
	g_auto(Edit) edit = {.repo = repo, .fd = -1};
	g_auto(GStrv) now = repo_config_get(repo, key, error);

	if (!now || !now[0])
		return now != NULL;
	return edit_end(&edit, edit_begin(&edit, error) && edit_unset(&edit, key, error), error);
}

gboolean repo_config_set(Repo *repo, const char *key, const char *value, GError **error)
{
	g_auto(Edit) edit = {.repo = repo, .fd = -1};
	g_auto(GStrv) now = repo_config_get(repo, key, error);

	if (!now)
		return FALSE;
	if (g_strv_length(now) == 1 && strcmp(now[0], value) == 0)
		return TRUE;
	return edit_end(&edit,
			edit_begin(&edit, error) &&
			    (g_strv_length(now) <= 1 || edit_unset(&edit, key, error)) &&
			    edit_set(&edit, key, value, error),
			error);
}

gboolean repo_config_add(Repo *repo, const char *key, const char *value, GError **error)
{
	g_auto(Edit) edit = {.repo = repo, .fd = -1};
	g_auto(GStrv) now = repo_config_get(repo, key, error);

	if (!now)
		return FALSE;
	if (g_strv_length(now) == 0)
		return repo_config_set(repo, key, value, error);
	if (g_strv_contains((const char *const *)now, value))
		return TRUE;
	return edit_end(&edit, edit_begin(&edit, error) && edit_add(&edit, key, value, error),
			error);
}

typedef int (*FindConfig)(git_buf *ret_path);

/* A relative name is meant from the folder of the file that includes it. */
static void add_included(GStrvBuilder *files, const char *folder, const char *value)
{
	g_auto(git_buf) path = GIT_BUF_INIT;

	if (git_config_parse_path(&path, value) < 0) /* with "~/" */
		return;
	g_autofree char *full = g_canonicalize_filename(path.ptr, folder ? folder : "/");
	g_strv_builder_add(files, full);
}

static gboolean includes(const git_config_entry *entry)
{
	return g_str_equal(entry->name, "include.path") ||
	       (g_str_has_prefix(entry->name, "includeif.") &&
		g_str_has_suffix(entry->name, ".path"));
}

static void add_includes(GStrvBuilder *files, const char *folder)
{
	g_autoptr(git_config) config = NULL;
	g_autoptr(git_config_iterator) iterator = NULL;
	git_config_entry *entry = NULL;

	/* damaged: whoever opens a repository is told */
	if (git_config_open_default(&config) < 0 || git_config_iterator_new(&iterator, config) < 0)
		return;
	/* not by a pattern: libgit2 1.5 leaks for each name that does not match */
	while (git_config_next(&entry, iterator) == 0)
		if (entry->value && includes(entry))
			add_included(files, folder, entry->value);
}

char **repo_config_files(void)
{
	static const FindConfig finds[] = {git_config_find_system, git_config_find_programdata,
					   git_config_find_xdg, git_config_find_global};
	g_autoptr(GStrvBuilder) files = g_strv_builder_new();
	g_autofree char *folder = NULL;

	/* stays: it takes milliseconds, and who asks goes on to open a repository */
	(void)git_libgit2_init();
	for (gsize i = 0; i < G_N_ELEMENTS(finds); i++) {
		g_auto(git_buf) path = GIT_BUF_INIT;

		if (finds[i](&path) < 0)
			continue;
		g_strv_builder_add(files, path.ptr);
		g_free(folder);
		folder = g_path_get_dirname(path.ptr); /* of the last, which is the account's own */
	}
	add_includes(files, folder);
	git_error_clear();
	return g_strv_builder_end(files);
}

char *repo_hooks_dir(const char *path, GError **error)
{
	const char *argv[] = {"git", "-C", path, "rev-parse", "--git-path", "hooks", NULL};
	g_autoptr(GBytes) output = NULL;
	g_autofree char *errors = NULL;
	g_auto(GStrv) env = g_get_environ();
	const char *text;
	gsize len = 0;
	int status = 0;

	if (!util_child_capture(argv, (const char *const *)env, NULL, HOOKS_S, HOOKS_MAX, &output,
				&errors, &status, error))
		return NULL;
	if (status != 0) {
		(void)util_error_set(error, TS_ERROR_NOT_FOUND, "%s: %s", path, g_strstrip(errors));
		return NULL;
	}
	text = g_bytes_get_data(output, &len);
	g_autofree char *line = g_strndup(text, len);
	return g_canonicalize_filename(g_strchomp(line), path);
}
