/* SPDX-License-Identifier: ISC */
/* STATE/apps.d/NAME.cfg, and tagship.cfg in a source tree. */
#include "conf/conf-private.h"

#define FOLDER "apps.d"
#define AT(field) G_STRUCT_OFFSET(ConfApp, field)

static const char *const sandbox_choices[] = {"bwrap", "none", NULL};

static gboolean check_build(const char *value, GError **error);

static const char *const late_choices[] = {"warn", "refuse", NULL};
static const ConfKey keys[] = {
    {.name = "repo",
     .help = "Source repository: absolute path on this machine",
     .kind = CONF_TEXT,
     .offset = AT(repo),
     .required = TRUE,
     .check = conf_check_path},
    {.name = "build",
     .help = "Build command, run by /bin/sh -c in the source tree; empty: the source tree is the "
	     "web app, or its tagship.cfg says",
     .kind = CONF_TEXT,
     .offset = AT(build),
     .fallback_text = "",
     .check = check_build},
    {.name = "output",
     .help = "Folder with the built files, relative to the source tree; \".\": all of it, or what "
	     "its tagship.cfg says",
     .kind = CONF_TEXT,
     .offset = AT(output),
     .fallback_text = ".",
     .check = conf_check_output},
    {.name = "branches",
     .help = "Patterns of branches that are built, as a check, on every push; [] for none",
     .kind = CONF_LIST,
     .offset = AT(branches),
     .check = conf_check_not_empty,
     .unique = TRUE},
    {.name = "require_plan",
     .help = "Pattern of tags that are refused without a plan, e.g. \"v*\"; empty: none",
     .kind = CONF_TEXT,
     .offset = AT(require_plan),
     .fallback_text = ""},
    {.name = "sandbox",
     .help = "\"bwrap\": builds run in bubblewrap; \"none\": they run as this account, unconfined",
     .kind = CONF_TEXT,
     .offset = AT(sandbox),
     .fallback_text = "bwrap",
     .choices = sandbox_choices},
    {.name = "network",
     .help = "Whether builds may use the network",
     .kind = CONF_BOOL,
     .offset = AT(network)},
    {.name = "incremental",
     .help = "Whether the workspace is kept from build to build (faster; may hide stale files)",
     .kind = CONF_BOOL,
     .offset = AT(incremental)},
    {.name = "build_time",
     .help = "Seconds a build may take",
     .kind = CONF_INT,
     .offset = AT(build_time_s),
     .min = 1,
     .max = 604800,
     .fallback = 1800},
    {.name = "build_memory_mb",
     .help = "Megabytes of data each process of a build may have; 0: no limit",
     .kind = CONF_INT,
     .offset = AT(build_memory_mb),
     .max = 10000000},
    {.name = "build_output_mb",
     .help = "Largest built tree in megabytes",
     .kind = CONF_INT,
     .offset = AT(build_output_mb),
     .min = 1,
     .max = 10000000,
     .fallback = 4096},
    {.name = "max_outage",
     .help = "Longest outage in seconds where the plan names none; 0: as each base says",
     .kind = CONF_INT,
     .offset = AT(max_outage_s),
     .max = 86400},
    {.name = "late",
     .help = "A bundle that would arrive after its time: \"warn\", or \"refuse\" to order it",
     .kind = CONF_TEXT,
     .offset = AT(late),
     .fallback_text = "warn",
     .choices = late_choices},
    {.name = "readers",
     .help = "Who may look at it by ssh git@central tagship ...; \"*\": everybody who gets in",
     .kind = CONF_LIST,
     .offset = AT(readers),
     .check = conf_check_not_empty,
     .unique = TRUE},
    {.name = "operators",
     .help = "Who may also retry, cancel, stop and resume that way",
     .kind = CONF_LIST,
     .offset = AT(operators),
     .check = conf_check_not_empty,
     .unique = TRUE},
    {.name = "override",
     .help = "Who may push a plan with Release-Override (as the hooks name pushers)",
     .kind = CONF_LIST,
     .offset = AT(override),
     .check = conf_check_not_empty,
     .unique = TRUE},
    {.name = "require_signed_tags",
     .help = "Whether annotated tags count only if one of the file signers here signed them",
     .kind = CONF_BOOL,
     .offset = AT(require_signed_tags)},
    {.name = "shared",
     .help = "Paths that each base keeps from version to version (uploads); links in the tree",
     .kind = CONF_LIST,
     .offset = AT(shared),
     .check = conf_check_inside,
     .unique = TRUE,
     .check_list = conf_check_apart},
};

static const ConfTable table = {
    .keys = keys, .n_keys = G_N_ELEMENTS(keys), .size = sizeof(ConfApp)};

static const ConfKey tree_keys[] = {
    {.name = "build",
     .help = "Build command",
     .kind = CONF_TEXT,
     .offset = G_STRUCT_OFFSET(ConfTree, build),
     .check = check_build},
    {.name = "output",
     .help = "Folder with the built files",
     .kind = CONF_TEXT,
     .offset = G_STRUCT_OFFSET(ConfTree, output),
     .check = conf_check_output},
};

static const ConfTable tree_table = {
    .keys = tree_keys, .n_keys = G_N_ELEMENTS(tree_keys), .size = sizeof(ConfTree)};

/* Newlines and tabs are a shell script's; other control characters are a slip. */
static gboolean check_build(const char *value, GError **error)
{
	for (; *value; value++)
		if (((guchar)*value < 0x20 && *value != '\n' && *value != '\t') || *value == 0x7f)
			return util_error_set(error, TS_ERROR_USAGE,
					      "the command has control characters; remove them");
	return TRUE;
}

static ConfApp *app_new(const char *name)
{
	ConfApp *app = g_new0(ConfApp, 1);

	app->name = g_strdup(name);
	conf_table_defaults(&table, app);
	return app;
}

ConfApp *conf_app_new(const char *name, const char *repo)
{
	ConfApp *app = app_new(name);

	app->repo = g_strdup(repo);
	return app;
}

void conf_app_free(ConfApp *app)
{
	if (!app)
		return;
	conf_table_clear(&table, app);
	g_free(app->name);
	g_free(app);
}

ConfApp *conf_app_load(int state_dirfd, const char *name, GError **error)
{
	g_autofree char *file = conf_entry_file(FOLDER, "app", name, error);
	g_autoptr(ConfApp) app = NULL;

	if (!file)
		return NULL;
	app = app_new(name);
	if (!conf_table_load(&table, state_dirfd, file, app, error))
		return NULL;
	return g_steal_pointer(&app);
}

char **conf_app_names(int state_dirfd, GError **error)
{
	return conf_entry_names(state_dirfd, FOLDER, "app", error);
}

gboolean conf_app_create(int state_dirfd, const ConfApp *app, GError **error)
{
	g_autofree char *file = conf_entry_file(FOLDER, "app", app->name, error);
	g_autoptr(GString) text = g_string_new(NULL);
	g_autoptr(ConfApp) again = NULL;

	if (!file)
		return FALSE;
	g_string_printf(text, "# tagship app %s. See tagship.cfg(5).\n\n", app->name);
	conf_table_format(&table, app, NULL, "", text);
	/* what cannot be read again is not written */
	again = app_new(app->name);
	return conf_table_parse(&table, file, text->str, text->len, again, error) &&
	       util_fs_mkdir(state_dirfd, FOLDER, 0755, error) &&
	       util_fs_create_file(state_dirfd, file, text->str, text->len, 0644, error);
}

gboolean conf_app_remove(int state_dirfd, const char *name, GError **error)
{
	return conf_entry_remove(state_dirfd, FOLDER, "app", name, error);
}

ConfTree *conf_tree_parse(const char *text, gsize len, GError **error)
{
	g_autoptr(ConfTree) tree = g_new0(ConfTree, 1);

	if (len > CONF_TREE_MAX) {
		util_error_set(error, TS_ERROR_USAGE, "tagship.cfg:1: the file is over 64 KiB");
		return NULL;
	}
	conf_table_defaults(&tree_table, tree);
	if (!conf_table_parse(&tree_table, "tagship.cfg", text, len, tree, error))
		return NULL;
	return g_steal_pointer(&tree);
}

void conf_tree_free(ConfTree *tree)
{
	if (!tree)
		return;
	conf_table_clear(&tree_table, tree);
	g_free(tree);
}
