/* SPDX-License-Identifier: ISC */
/* STATE/apps.d and STATE/bases.d: a file per name. */
#include <errno.h>
#include <string.h>

#include "conf/conf-private.h"

#define SUFFIX ".cfg"

char *conf_entry_file(const char *folder, const char *what, const char *name, GError **error)
{
	if (!util_name_check(what, name, error))
		return NULL;
	return g_strdup_printf("%s/%s" SUFFIX, folder, name);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char **conf_entry_names(int state_dirfd, const char *folder, const char *what, GError **error)
{
	g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
	char **names;
	g_autoptr(GError) problem = NULL;
	g_autoptr(GPtrArray) files = util_fs_list(state_dirfd, folder, &problem);

	if (!files && !g_error_matches(problem, TS_ERROR, TS_ERROR_NOT_FOUND)) {
		g_propagate_error(error, g_steal_pointer(&problem));
		return NULL;
	}
	for (guint i = 0; files && i < files->len; i++) {
		const char *file = files->pdata[i];
		g_autofree char *name = NULL;

		/* what editors leave behind (.x.cfg.swp, x.cfg~) is not ours */
		if (*file == '.' || !g_str_has_suffix(file, SUFFIX))
			continue;
		name = g_strndup(file, strlen(file) - strlen(SUFFIX));
		if (!util_name_check(what, name, error)) {
			g_prefix_error(error, "%s/%s: rename this file: ", folder, file);
			return NULL;
		}
		g_strv_builder_add(builder, name);
	}
	names = g_strv_builder_end(builder);
	/* files sort as "a-b.cfg" < "a.cfg", names the other way round */
	qsort(names, g_strv_length(names), sizeof *names, compare_names);
	return names;
}

gboolean conf_entry_remove(int state_dirfd, const char *folder, const char *what, const char *name,
			   GError **error)
{
	g_autofree char *file = conf_entry_file(folder, what, name, error);
	struct stat st;

	if (!file)
		return FALSE;
	if (fstatat(state_dirfd, file, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return util_error_errno(error, errno, "%s", file);
	return util_fs_unlink(state_dirfd, file, error);
}
