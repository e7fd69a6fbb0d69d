/* SPDX-License-Identifier: ISC */
/*
 * tagship-stage ROOT [APP]: stages every order whose bundle is on disk, soonest go-live first.
 *
 * ROOT/lock/stage is held meanwhile (5: another one is at it); the app's own lock, which
 * activation needs, only to journal what came of it. Exit status: of the last thing that did not
 * work; 5 if something still waits for its bundle.
 */
#include <locale.h>
#include <stdlib.h>

#include "cmd/tagship-stage/all.h"
#include "cmd/tagship-stage/unpack.h"

static int work(const char *root, const char *app, const char *unpack, GError **error)
{
	g_autofree char *root_path = g_canonicalize_filename(root, NULL);
	util_autofd int root_dirfd = store_open_root(root_path, error);
	g_autoptr(ConfBase) conf =
	    root_dirfd < 0 ? NULL : conf_base_load(root_dirfd, root_path, error);
	if (!conf)
		return 1;
	if (unpack)
		return unpack_child(root_path, root_dirfd, conf, app, unpack);
	return stage_all(root_path, root_dirfd, conf, app, error);
}

static gboolean parse(int *argc, char ***argv, char **unpack, gboolean *version, GError **error)
{
	const GOptionEntry entries[] = {
	    {"unpack", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_STRING, unpack,
	     "Used by itself: only unpack this release", "RELEASE"},
	    {"version", 0, 0, G_OPTION_ARG_NONE, version, "Print the version", NULL},
	    G_OPTION_ENTRY_NULL};
	g_autoptr(GOptionContext) context = g_option_context_new("ROOT [APP]");
	g_option_context_set_summary(context,
				     "Builds the next version of each app beside the live one.");
	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, argc, argv, error))
		return FALSE;
	if (*version || (*argc == 3 && *unpack) || (!*unpack && (*argc == 2 || *argc == 3)))
		return TRUE;
	return util_error_set(error, TS_ERROR_USAGE,
			      "usage: tagship-stage ROOT [APP]; ROOT is the folder with base.cfg");
}

int main(int argc, char **argv)
{
	g_autofree char *unpack = NULL;
	g_autoptr(GError) error = NULL;
	gboolean version = FALSE;
	int status = 0;
	(void)setlocale(LC_CTYPE, ""); /* else "C" */
	if (parse(&argc, &argv, &unpack, &version, &error)) {
		if (version)
			g_print("tagship-stage " TAGSHIP_VERSION "\n");
		else
			status = work(argv[1], argc > 2 ? argv[2] : NULL, unpack, &error);
	}
	if (error) {
		g_printerr("tagship-stage: %s\n", error->message);
		status = util_error_exit_status(error);
	}
	return status;
}
