/* SPDX-License-Identifier: ISC */
/* The flag file APP/maintenance, which a web server can test. */
#include <unistd.h>

#include "activate/activate-private.h"

#define FLAG "maintenance"

gboolean activate_in_maintenance(const ActivateSpec *spec)
{
	g_autofree char *path = g_build_filename(spec->app->dir, FLAG, NULL);
	return g_file_test(path, G_FILE_TEST_EXISTS);
}

/* For the page that is shown: why, and since when. */
static gboolean write_flag(const ActivateApp *app, GError **error)
{
	const char *reason = NULL;
	g_autofree char *since = util_time_format_utc(decide_app_maintenance(app->state, &reason));
	g_autofree char *text =
	    g_strdup_printf("%s%ssince %s\n", reason ? reason : "", reason ? "\n" : "", since);
	return util_fs_write_file(app->app_dirfd, FLAG, text, strlen(text), 0644, error);
}

gboolean activate_maintenance(ActivateApp *app, gboolean on, const char *reason, const char *who,
			      GError **error)
{
	g_autoptr(UtilTrailers) record = util_trailers_new();
	util_trailers_add(record, "Event", on ? "maintenance-on" : "maintenance-off");
	util_trailers_add(record, "Reason", on && reason && *reason ? reason : NULL);
	util_trailers_add(record, "By", who);
	if (!activate_open_dir(app, error) || !activate_record(app, record, error))
		return FALSE;
	if (on)
		return write_flag(app, error);
	return util_fs_unlink(app->app_dirfd, FLAG, error) && util_fs_fsync(app->app_dirfd, error);
}
