/* SPDX-License-Identifier: ISC */
#include "cmd/tagship/tagship.h"

#define GIT_S 60
#define GIT_OUTPUT_MAX 4096

static void take(char **field, char **value)
{
	if (!*value)
		return;
	g_free(*field);
	*field = g_steal_pointer(value);
}

/* An empty bare repository, whose first branch is main; one that is there stays as it is. */
static gboolean make_repo(const char *path, GError **error)
{
	const char *const argv[] = {"git", "init", "-q", "--bare", "-b", "main", path, NULL};
	g_autoptr(GBytes) output = NULL;
	g_autofree char *errors = NULL;
	int status = 0;
	if (g_file_test(path, G_FILE_TEST_EXISTS))
		return TRUE;
	if (!util_child_capture(argv, NULL, NULL, GIT_S, GIT_OUTPUT_MAX, &output, &errors, &status,
				error))
		return FALSE;
	return status == 0 ||
	       util_error_set(error, TS_ERROR_FAILED, "git init %s: %s", path, g_strchomp(errors));
}

static int app_add(Cmd *cmd, GError **error)
{
	g_autofree char *build = NULL, *output = NULL, *require = NULL, *sandbox = NULL;
	g_auto(GStrv) branches = NULL;
	gboolean network = FALSE, incremental = FALSE, new_repo = FALSE;
	gint64 time_s = 0, memory_mb = 0;
	const GOptionEntry own[] = {
	    {"new", 0, 0, G_OPTION_ARG_NONE, &new_repo,
	     "Make the bare repository if there is none, and install the hooks", NULL},
	    {"build", 0, 0, G_OPTION_ARG_STRING, &build, "Build command (run by /bin/sh -c)",
	     "CMD"},
	    {"output", 0, 0, G_OPTION_ARG_STRING, &output, "Folder with the built app", "DIR"},
	    {"branch", 0, 0, G_OPTION_ARG_STRING_ARRAY, &branches,
	     "Check-build this branch (pattern) on every push; may be repeated", "PATTERN"},
	    {"require-plan", 0, 0, G_OPTION_ARG_STRING, &require,
	     "Refuse tags of this pattern without a plan", "PATTERN"},
	    {"sandbox", 0, 0, G_OPTION_ARG_STRING, &sandbox, "bwrap (default) or none", "HOW"},
	    {"network", 0, 0, G_OPTION_ARG_NONE, &network, "The build may use the network", NULL},
	    {"incremental", 0, 0, G_OPTION_ARG_NONE, &incremental,
	     "Keep the workspace between builds", NULL},
	    {"build-time", 0, 0, G_OPTION_ARG_INT64, &time_s, "Longest build, in seconds", "S"},
	    {"build-memory", 0, 0, G_OPTION_ARG_INT64, &memory_mb, "Memory per process", "MB"},
	    G_OPTION_ENTRY_NULL};
	if (!cmd_options(cmd, own, 2, 2, error))
		return 2;
	g_autoptr(Central) central = central_open(cmd->dir, error);
	if (!central || !util_name_check("app", cmd->argv[1], error))
		return 2;
	g_autofree char *path = g_canonicalize_filename(cmd->argv[2], NULL);
	g_autoptr(Repo) repo = !new_repo || make_repo(path, error) ? repo_open(path, error) : NULL;
	if (!repo)
		return 1;
	g_autoptr(ConfApp) app = conf_app_new(cmd->argv[1], repo_path(repo));
	take(&app->build, &build);
	take(&app->output, &output);
	take(&app->require_plan, &require);
	take(&app->sandbox, &sandbox);
	if (branches) {
		g_strfreev(app->branches);
		app->branches = g_steal_pointer(&branches);
	}
	app->network = network;
	app->incremental = incremental;
	if (time_s > 0)
		app->build_time_s = time_s;
	if (memory_mb > 0)
		app->build_memory_mb = memory_mb;
	if (!conf_app_create(central->dirfd, app, error))
		return 1;
	/* What was written must be what is read: a bad value is refused here, not at a push. And
	 * existing tags are history: from now on only what is pushed is work. */
	g_autoptr(ConfApp) again = conf_app_load(central->dirfd, app->name, error);
	if (!again || !publish_look(central, again->name, error)) {
		(void)conf_app_remove(central->dirfd, app->name, NULL); /* first error tells */
		return 1;
	}
	if (new_repo) {
		cmd_say(cmd, "app %s: %s/apps.d/%s.cfg", app->name, central->path, app->name);
		return cmd_hooks_install(cmd, central, app->repo, error) ? 0 : 1;
	}
	cmd_say(cmd, "app %s: %s/apps.d/%s.cfg\nnext: tagship -C %s hook install %s", app->name,
		central->path, app->name, central->path, app->repo);
	return 0;
}

static int app_list(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 0, 0, error))
		return 2;
	g_autoptr(Central) central = central_open(cmd->dir, error);
	g_auto(GStrv) names = central ? conf_app_names(central->dirfd, error) : NULL;
	if (!names)
		return 1;
	g_autoptr(JsonBuilder) json = json_builder_new();
	static const char *const heads[] = {"APP", "REPOSITORY", "BUILD", "OUTPUT", NULL};
	g_autoptr(CmdTable) table = cmd_table_new(heads);
	json_builder_begin_array(json);
	for (guint i = 0; names[i]; i++) {
		g_autoptr(ConfApp) app = conf_app_load(central->dirfd, names[i], error);
		if (!app)
			return 1;
		cmd_table_row(table, app->name, app->repo, app->build, app->output, NULL);
		json_builder_begin_object(json);
		json_builder_set_member_name(json, "app");
		json_builder_add_string_value(json, app->name);
		json_builder_set_member_name(json, "repo");
		json_builder_add_string_value(json, app->repo);
		json_builder_end_object(json);
	}
	json_builder_end_array(json);
	cmd_print_list(cmd, json, table);
	return 0;
}

static int app_show(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 1, 1, error))
		return 2;
	g_autoptr(Central) central = central_open(cmd->dir, error);
	g_autoptr(ConfApp) app =
	    central ? conf_app_load(central->dirfd, cmd->argv[1], error) : NULL;
	if (!app)
		return 1;
	g_autofree char *path = g_strdup_printf("apps.d/%s.cfg", app->name);
	g_autofree char *text = NULL;
	if (!util_fs_read_file(central->dirfd, path, 1024 * 1024, &text, NULL, error))
		return 1;
	g_print("# %s/%s\n%s", central->path, path, text);
	g_autoptr(GPtrArray) versions = library_versions(central->library, app->name, error);
	for (guint i = 0; versions && i < versions->len; i++) {
		const LibraryVersion *version = g_ptr_array_index(versions, i);
		g_autofree char *size = util_text_bytes(version->bytes);
		g_print("# version %s: root %.12s, %" G_GUINT64_FORMAT " files, %s%s\n",
			version->version, version->root, version->files, size,
			version->bound ? ", ordered" : "");
	}
	return versions ? 0 : 1;
}

static int app_remove(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 1, 1, error))
		return 2;
	g_autoptr(Central) central = central_open(cmd->dir, error);
	if (!central || !util_name_check("app", cmd->argv[1], error) ||
	    !conf_app_remove(central->dirfd, cmd->argv[1], error))
		return 1;
	cmd_say(cmd,
		"app %s is removed; its versions and records stay in the library, its hooks do "
		"nothing until \"hook remove\"",
		cmd->argv[1]);
	return 0;
}

int cmd_app(Cmd *cmd, GError **error)
{
	static const CmdVerb verbs[] = {{"add", app_add},
					{"list", app_list},
					{"show", app_show},
					{"remove", app_remove},
					{NULL, NULL}};
	return cmd_verb(cmd, verbs, error);
}
