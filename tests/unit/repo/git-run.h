/* SPDX-License-Identifier: ISC */
/* Real git for tests: cleared environment, no configuration but the repository's own. */
#pragma once

#include <stdarg.h>

#include "util/util.h"

typedef struct {
	char *path;
} TmpDir;

static inline TmpDir tmp_dir(void)
{
	g_autoptr(GError) error = NULL;
	TmpDir dir = {g_dir_make_tmp("tagship-unit-XXXXXX", &error)};

	g_assert_no_error(error);
	return dir;
}

static inline void tmp_dir_clear(TmpDir *dir)
{
	g_autoptr(GError) error = NULL;

	(void)util_fs_remove_tree(AT_FDCWD, dir->path, &error);
	g_assert_no_error(error);
	g_free(dir->path);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(TmpDir, tmp_dir_clear)

static inline char *tmp_path(const TmpDir *dir, const char *name)
{
	return g_build_filename(dir->path, name, NULL);
}

/* Exit status of `argv`; its output and error text together, without the last newline. */
static inline int run_in(const char *cwd, const char *const *argv, char **ret_output)
{
	static const char *const env[] = {"PATH=/usr/local/bin:/usr/bin:/bin",
					  "LANG=C.UTF-8",
					  "HOME=/nonexistent",
					  "GIT_CONFIG_GLOBAL=/dev/null",
					  "GIT_CONFIG_NOSYSTEM=1",
					  "GIT_AUTHOR_NAME=test",
					  "GIT_AUTHOR_EMAIL=test@localhost",
					  "GIT_COMMITTER_NAME=test",
					  "GIT_COMMITTER_EMAIL=test@localhost",
					  NULL};
	g_autoptr(GError) error = NULL;
	g_autofree char *output = NULL;
	g_autofree char *errors = NULL;
	int status = 0;

	(void)g_spawn_sync(cwd, (char **)(guintptr)argv, (char **)(guintptr)env,
			   G_SPAWN_SEARCH_PATH, NULL, NULL, &output, &errors, &status, &error);
	g_assert_no_error(error);
	g_assert_true(WIFEXITED(status));
	if (ret_output)
		*ret_output = g_strchomp(g_strconcat(output, errors, NULL));
	return WEXITSTATUS(status);
}

/* git -C dir args…; must succeed; its output, freed by the caller. */
G_GNUC_NULL_TERMINATED G_GNUC_UNUSED static char *git(const char *dir, const char *first, ...)
{
	g_autoptr(GPtrArray) argv = g_ptr_array_new();
	char *output = NULL;
	va_list args;

	g_ptr_array_add(argv, (gpointer)(guintptr) "git");
	va_start(args, first);
	for (const char *arg = first; arg; arg = va_arg(args, const char *))
		g_ptr_array_add(argv, (gpointer)(guintptr)arg);
	va_end(args);
	g_ptr_array_add(argv, NULL);
	if (run_in(dir, (const char *const *)argv->pdata, &output) != 0)
		g_error("git %s … in %s: %s", first, dir, output);
	return output;
}

/* Every object, strictly; says what fsck says if it is not content. */
static inline void assert_fsck(const char *dir)
{
	const char *const argv[] = {"git", "fsck", "--strict", "--no-dangling", NULL};
	g_autofree char *output = NULL;
	int status = run_in(dir, argv, &output);

	if (status != 0 || strstr(output, "warning") || strstr(output, "error"))
		g_error("git fsck in %s: %s", dir, output);
}

static inline void write_text(const char *path, const char *text)
{
	g_autoptr(GError) error = NULL;

	(void)g_file_set_contents(path, text, -1, &error);
	g_assert_no_error(error);
}

static inline char *read_text(const char *path)
{
	g_autoptr(GError) error = NULL;
	char *text = NULL;

	(void)g_file_get_contents(path, &text, NULL, &error);
	g_assert_no_error(error);
	return text;
}
