/* SPDX-License-Identifier: ISC */
#include <sched.h>

#include "confine/confine.h"
#include "stage/stage.h"

gboolean stage_confine(const StageSpec *spec, char **ret_note, GError **error)
{
	const char *app = spec->app->dir;
	g_autofree char *partial = g_build_filename(spec->root_path, "partial", NULL);
	g_autofree char *trees = g_build_filename(spec->root_path, "trees", NULL);
	g_autofree char *releases = g_build_filename(app, "releases", NULL);
	g_autofree char *pre_release = g_build_filename(app, "pre-release", NULL);
	g_autofree char *shared = g_build_filename(app, MANIFEST_SHARED_FOLDER, NULL);
	guint all = CONFINE_READ | CONFINE_WRITE;
	/* a second name in another folder must not give more rights than the first */
	guint held = spec->app->hard_links ? all | CONFINE_MOVE : CONFINE_READ;
	const ConfineRule rules[] = {
	    {partial, CONFINE_READ | CONFINE_REMOVE},
	    {trees, all},
	    {app, CONFINE_LIST | CONFINE_FOLDERS},
	    {shared, CONFINE_LIST | CONFINE_FOLDERS}, /* elsewhere, if it is a link */
	    {releases, held},
	    {pre_release, spec->app->hard_links ? held : all},
	    {NULL, 0},
	};
	const ConfineSpec confine = {.rules = rules};
	/* only root may; for all others, and for root too, there are no sockets */
	(void)unshare(CLONE_NEWNET);
	return confine_self(&confine, ret_note, error);
}
