/* SPDX-License-Identifier: ISC */
#include <gio/gio.h>

#include "board/assets.h" /* generated */
#include "board/board-private.h"

#define LOCK_WAIT_MS (60 * 1000)
#define ASSETS "/tagship/board/"

typedef struct {
	const BoardData *data;
	int dirfd;
	BoardWritten done;
} Writing;

static gboolean write_file(Writing *self, const char *path, const char *text, GError **error)
{
	self->done.files++;
	if (util_fs_file_says(self->dirfd, path, text))
		return TRUE;
	self->done.written++;
	return util_fs_write_file(self->dirfd, path, text, strlen(text), 0644, error);
}

/* Takes the page; NULL: making it failed. */
static gboolean write_page(Writing *self, const char *path, char *page, GError **error)
{
	g_autofree char *owned = page;
	return owned && write_file(self, path, owned, error);
}

/* ---- pages ---- */

static gboolean write_app(Writing *self, const BoardApp *app, GError **error)
{
	g_autofree char *file = board_app_file(app->app->name);
	g_autofree char *folder = g_strconcat("release/", app->app->name, NULL);
	if (!util_fs_mkdir(self->dirfd, folder, 0755, error) ||
	    !write_page(self, file, board_app_page(app), error))
		return FALSE;
	for (guint i = 0; i < board_releases(app); i++) {
		const PublishRelease *release = app->app->releases->pdata[i];
		g_autofree char *path = board_release_file(release);
		if (!write_page(self, path, board_release_page(self->data, app, release, error),
				error))
			return FALSE;
	}
	return TRUE;
}

static gboolean write_apps(Writing *self, GError **error)
{
	for (guint i = 0; i < self->data->apps->len; i++)
		if (!write_app(self, self->data->apps->pdata[i], error))
			return FALSE;
	return TRUE;
}

static gboolean write_bases(Writing *self, GError **error)
{
	for (guint i = 0; i < self->data->bases->len; i++) {
		const BoardBase *base = self->data->bases->pdata[i];
		g_autofree char *file = board_base_file(base->peer->name);
		if (!write_page(self, file, board_base_page(base), error))
			return FALSE;
	}
	return TRUE;
}

static gboolean write_status(Writing *self, GError **error)
{
	g_autofree char *json = status_json_text(self->data->status);
	return write_page(self, "status.json", g_strconcat(json, "\n", NULL), error);
}

static gboolean write_metrics(Writing *self, GError **error)
{
	return write_page(self, "metrics.prom", status_metrics(self->data->status), error);
}

static gboolean write_as_of(Writing *self, GError **error)
{
	g_autofree char *now = util_time_format_utc(self->data->now_utc);
	return write_page(self, "as-of.js", g_strdup_printf("boardAsOf(\"%s\");\n", now), error);
}

static gboolean write_asset(Writing *self, const char *name, GError **error)
{
	g_autofree char *path = g_strconcat(ASSETS, name, NULL);
	g_autoptr(GBytes) bytes =
	    g_resource_lookup_data(board_get_resource(), path, G_RESOURCE_LOOKUP_FLAGS_NONE, error);
	gsize len = 0;
	const char *text = bytes ? g_bytes_get_data(bytes, &len) : NULL;
	return text && write_page(self, name, g_strndup(text, len), error);
}

/* ---- what is gone ---- */

/* Removes pages in `folder` that nothing leads to any more; `is_known` by their name. */
static gboolean sweep(Writing *self, const char *folder, const char *const *known, GError **error)
{
	g_autoptr(GPtrArray) names = util_fs_list(self->dirfd, folder, error);
	for (guint i = 0; names && i < names->len; i++) {
		g_autofree char *name = g_strdup(names->pdata[i]);
		g_autofree char *path = g_build_filename(folder, name, NULL);
		if (g_str_has_suffix(name, ".html"))
			name[strlen(name) - strlen(".html")] = '\0';
		if (!g_strv_contains(known, name) && !util_fs_remove_tree(self->dirfd, path, error))
			return FALSE;
	}
	return names != NULL;
}

static gboolean sweep_all(Writing *self, GError **error)
{
	g_autoptr(GPtrArray) apps = g_ptr_array_new(), bases = g_ptr_array_new();
	for (guint i = 0; i < self->data->apps->len; i++)
		g_ptr_array_add(apps, ((BoardApp *)self->data->apps->pdata[i])->app->name);
	for (guint i = 0; i < self->data->bases->len; i++)
		g_ptr_array_add(bases, ((BoardBase *)self->data->bases->pdata[i])->peer->name);
	g_ptr_array_add(apps, NULL);
	g_ptr_array_add(bases, NULL);
	return sweep(self, "app", (const char *const *)apps->pdata, error) &&
	       sweep(self, "release", (const char *const *)apps->pdata, error) &&
	       sweep(self, "base", (const char *const *)bases->pdata, error);
}

/* ---- all of it ---- */

/* A page is there before another leads to it. */
static gboolean write_all(Writing *self, GError **error)
{
	return util_fs_mkdir(self->dirfd, "release", 0755, error) &&
	       util_fs_mkdir(self->dirfd, "app", 0755, error) &&
	       util_fs_mkdir(self->dirfd, "base", 0755, error) &&
	       write_asset(self, "board.css", error) && write_asset(self, "board.js", error) &&
	       write_apps(self, error) && write_bases(self, error) &&
	       write_page(self, "calendar.html", board_calendar_page(self->data), error) &&
	       write_page(self, "index.html", board_fleet_page(self->data), error) &&
	       write_status(self, error) && write_metrics(self, error) &&
	       write_as_of(self, error) && sweep_all(self, error);
}

/* Our mark comes first: a board that was interrupted is one. */
static gboolean make_ours(int dirfd, const char *dir, GError **error)
{
	if (faccessat(dirfd, BOARD_MARK, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return TRUE;
	g_autoptr(GPtrArray) names = util_fs_list(dirfd, ".", error);
	if (names && names->len > 0)
		return util_error_set(error, TS_ERROR_REFUSED,
				      "%s holds \"%s\" and is no board of ours; name a folder that "
				      "is not there yet, or an empty one",
				      dir, (const char *)names->pdata[0]);
	return names && util_fs_write_file(dirfd, BOARD_MARK, "", 0, 0644, error);
}

gboolean board_write(Central *central, const char *dir, BoardWritten *ret_written, GError **error)
{
	if (!util_fs_mkdir_parents(AT_FDCWD, dir, 0755, error))
		return FALSE;
	util_autofd int dirfd = util_fs_open_dir(AT_FDCWD, dir, error);
	if (dirfd < 0 || !make_ours(dirfd, dir, error))
		return FALSE;
	/* another one may be at it, with what was known before */
	util_autofd int lock = util_fs_lock(dirfd, BOARD_MARK, LOCK_WAIT_MS, error);
	g_autoptr(BoardData) data = lock >= 0 ? board_data_load(central, error) : NULL;
	Writing self = {.data = data, .dirfd = dirfd};
	if (!data || !write_all(&self, error))
		return FALSE;
	if (ret_written)
		*ret_written = self.done;
	return TRUE;
}
