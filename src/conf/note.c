/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <sys/stat.h>

#include "conf/conf-private.h"

#define NOTE_FILE CONF_HOOKS_OURS "/settings"
#define NOTE_MAX 65536
#define LEFT_OVER_S (24 * 3600)

/* "SIZE MTIME PATH": the file the branches were read from, as it was then. */
static char *config_line(const char *state, const char *app, GError **error)
{
	g_autofree char *file = g_strconcat(app, ".cfg", NULL);
	g_autofree char *path = g_build_filename(state, "apps.d", file, NULL);
	struct stat st;
	if (stat(path, &st) != 0) {
		util_error_errno(error, errno, "%s", path);
		return NULL;
	}
	return g_strdup_printf("%" G_GINT64_FORMAT " %" G_GINT64_FORMAT ".%09ld %s",
			       (gint64)st.st_size, (gint64)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
			       path);
}

/* What every branch that the pattern means begins with. */
static char *pattern_prefix(const char *pattern)
{
	return g_strndup(pattern, strcspn(pattern, "*?"));
}

static gboolean add_app(UtilTrailers *note, int state_dirfd, const char *state, const char *name,
			GError **error)
{
	/* before the file is read: a change in between makes the note old, not wrong */
	g_autofree char *config = config_line(state, name, error);
	g_autoptr(ConfApp) app = config ? conf_app_load(state_dirfd, name, error) : NULL;
	if (!app)
		return FALSE;
	util_trailers_add(note, "App", name);
	util_trailers_add(note, "Config", config);
	for (guint i = 0; app->branches[i]; i++) {
		g_autofree char *prefix = pattern_prefix(app->branches[i]);
		g_autofree char *ref = g_strconcat("refs/heads/", prefix, NULL);
		util_trailers_add(note, "Branches", ref);
	}
	return TRUE;
}

gboolean conf_note_write(int hooks_dirfd, const char *repo, const char *state,
			 const char *const *apps, GError **error)
{
	g_autoptr(UtilTrailers) lines = util_trailers_new();
	util_autofd int state_dirfd = util_fs_open_dir(AT_FDCWD, state, error);
	if (state_dirfd < 0)
		return FALSE;
	util_trailers_add(lines, "Repo", repo);
	util_trailers_add(lines, "State", state);
	for (guint i = 0; apps[i]; i++)
		if (!add_app(lines, state_dirfd, state, apps[i], error))
			return FALSE;
	g_autofree char *text = util_trailers_format(lines);
	return util_fs_mkdir(hooks_dirfd, CONF_HOOKS_OURS, 0755, error) &&
	       util_fs_sweep_tmp(hooks_dirfd, CONF_HOOKS_OURS, LEFT_OVER_S, error) &&
	       util_fs_write_file(hooks_dirfd, NOTE_FILE, text, strlen(text), 0644, error);
}

static UtilTrailers *read_lines(int hooks_dirfd, GError **error)
{
	g_autofree char *text = NULL;
	gsize len = 0;
	if (!util_fs_read_file(hooks_dirfd, NOTE_FILE, NOTE_MAX, &text, &len, error))
		return NULL;
	return util_trailers_parse(text, len, error);
}

ConfNote *conf_note_read(int hooks_dirfd, GError **error)
{
	g_autoptr(UtilTrailers) lines = read_lines(hooks_dirfd, error);
	if (!lines)
		return NULL;
	const char *repo = util_trailers_get(lines, "Repo");
	const char *state = util_trailers_get(lines, "State");
	if (!repo || !state) {
		util_error_set(error, TS_ERROR_CORRUPT, "%s: no Repo or no State", NOTE_FILE);
		return NULL;
	}
	g_autoptr(GPtrArray) apps = g_ptr_array_new();
	for (guint i = 0; i < util_trailers_count(lines); i++)
		if (strcmp(util_trailers_key(lines, i), "App") == 0)
			g_ptr_array_add(apps, g_strdup(util_trailers_value(lines, i)));
	g_ptr_array_add(apps, NULL);
	ConfNote *note = g_new0(ConfNote, 1);
	note->repo = g_strdup(repo);
	note->state = g_strdup(state);
	note->apps = (char **)g_ptr_array_free(g_steal_pointer(&apps), FALSE);
	return note;
}

gboolean conf_note_is_current(int hooks_dirfd, const ConfNote *note)
{
	g_autoptr(UtilTrailers) lines = read_lines(hooks_dirfd, NULL);
	guint app = 0;
	for (guint i = 0; lines && i < util_trailers_count(lines); i++) {
		if (strcmp(util_trailers_key(lines, i), "Config") != 0)
			continue;
		g_autofree char *now =
		    note->apps[app] ? config_line(note->state, note->apps[app], NULL) : NULL;
		if (!now || strcmp(now, util_trailers_value(lines, i)) != 0)
			return FALSE;
		app++;
	}
	return lines && !note->apps[app];
}

void conf_note_free(ConfNote *note)
{
	if (!note)
		return;
	g_free(note->repo);
	g_free(note->state);
	g_strfreev(note->apps);
	g_free(note);
}
