/* SPDX-License-Identifier: ISC */
/*
 * The developer's door: `ssh git@central tagship status|log|plan|wait|retry|cancel|stop|resume`,
 * from git-shell-commands/tagship or gitolite's commands/tagship, a script of one line that
 * `tagship developer install` writes. Who asks is told by TAGSHIP_USER, GL_USER, REMOTE_USER or the
 * account; what they may do stands in `readers` and `operators` of each app's file.
 */
#include <unistd.h>

#include "cmd/tagship/tagship.h"

#define SCRIPT "tagship"

typedef struct {
	Central *central;
	char *user;
	char **args;            /* the verb first */
	GPtrArray *names;       /* arguments that are no options; borrowed */
	const char *app_option; /* of --app, or NULL */
	gboolean changes;
} Door;

/* ---- who may what ---- */

static gboolean lists(char *const *names, const char *user)
{
	return g_strv_contains((const char *const *)names, "*") ||
	       g_strv_contains((const char *const *)names, user);
}

static gboolean may(const Door *door, const char *name, GError **error)
{
	g_autoptr(ConfApp) app = conf_app_load(door->central->dirfd, name, error);
	if (!app)
		return FALSE;
	if (lists(app->operators, door->user) ||
	    (!door->changes && lists(app->readers, door->user)))
		return TRUE;
	return util_error_set(error, TS_ERROR_REFUSED,
			      "%s may not %s app %s; an admin adds who may to %s in its file at "
			      "central",
			      door->user, door->changes ? "change releases of" : "look at", name,
			      door->changes ? "operators" : "readers");
}

static gboolean may_all(const Door *door, GError **error)
{
	g_auto(GStrv) apps = conf_app_names(door->central->dirfd, error);
	for (guint i = 0; apps && apps[i]; i++) {
		if (may(door, apps[i], error))
			continue;
		g_prefix_error(error, "without an app's name all apps are meant: ");
		return FALSE;
	}
	return apps != NULL;
}

/* ---- which app is meant ---- */

static const char *name_at(const Door *door, guint i)
{
	return i < door->names->len ? door->names->pdata[i] : NULL;
}

static gboolean of_app(const Door *door, guint at, GError **error)
{
	const char *app = name_at(door, at);
	const char *const apps[] = {app, NULL};
	if (!app)
		return may_all(door, error);
	return cmd_check_apps(door->central, apps, error) && may(door, app, error);
}

static gboolean of_job(const Door *door, GError **error)
{
	const char *id = name_at(door, 0);
	if (!id)
		return util_error_set(error, TS_ERROR_USAGE, "name a job (see tagship log)");
	g_autoptr(Job) job = store_job_read(door->central->queue_dirfd, id, error);
	return job && may(door, job->app, error);
}

/* Its first argument, or all. */
static gboolean of_first(const Door *door, GError **error)
{
	return of_app(door, 0, error);
}

static gboolean check_log(const Door *door, GError **error)
{
	return door->names->len == 1 ? of_job(door, error) : of_app(door, 0, error);
}

/* No file of this machine is read for whoever asks: a plan comes on standard input. */
static gboolean check_plan(const Door *door, GError **error)
{
	const char *verb = name_at(door, 0), *file = name_at(door, 1);
	if (g_strcmp0(verb, "list") == 0)
		return of_app(door, 1, error);
	if (g_strcmp0(verb, "check") == 0 && file && strcmp(file, "-") != 0)
		return util_error_set(error, TS_ERROR_USAGE,
				      "plan check reads standard input here: ssh ... tagship plan "
				      "check < FILE");
	/* neither an editor nor a file here */
	if (g_strcmp0(verb, "new") == 0 &&
	    (file || !g_strv_contains((const char *const *)door->args, "--print")))
		return util_error_set(error, TS_ERROR_USAGE,
				      "plan new prints its template here: plan new --print");
	return !door->app_option || may(door, door->app_option, error);
}

static gboolean check_stop(const Door *door, GError **error)
{
	return door->names->len > 1 ? of_app(door, 0, error) : may_all(door, error);
}

static const struct {
	const char *verb;
	gboolean changes;
	gboolean (*check)(const Door *door, GError **error);
	int (*run)(Cmd *cmd, GError **error);
} verbs[] = {{"status", FALSE, of_first, cmd_status}, {"log", FALSE, check_log, cmd_log},
	     {"plan", FALSE, check_plan, cmd_plan},   {"wait", FALSE, of_job, cmd_wait},
	     {"retry", TRUE, of_job, cmd_retry},      {"cancel", TRUE, of_first, cmd_cancel},
	     {"stop", TRUE, check_stop, cmd_stop},    {"resume", TRUE, of_first, cmd_resume}};

/* ---- arguments ---- */

static char *caller(void)
{
	static const char *const names[] = {"TAGSHIP_USER", "GL_USER", "REMOTE_USER", "LOGNAME",
					    "USER"};
	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		const char *value = g_getenv(names[i]);
		if (value && *value)
			return util_text_printable(value, -1);
	}
	return cmd_who();
}

/* The state folder is not for the caller to choose. */
static gboolean check_option(const char *arg, GError **error)
{
	gboolean folder = g_str_has_prefix(arg, "--") ? g_str_has_prefix(arg, "--directory")
						      : strchr(arg, 'C') != NULL;
	return !folder || util_error_set(error, TS_ERROR_USAGE, "%s: not here", arg);
}

static gboolean take_args(Door *door, GError **error)
{
	static const char *const valued[] = {
	    "--base", "--app", "--tag", "--at", "--to", "--release-version", "--title", NULL};
	door->names = g_ptr_array_new();
	for (guint i = 1; door->args[i]; i++) {
		const char *arg = door->args[i];
		if (arg[0] != '-' || arg[1] == '\0') {
			g_ptr_array_add(door->names, door->args[i]);
			continue;
		}
		if (!check_option(arg, error))
			return FALSE;
		if (g_str_has_prefix(arg, "--app="))
			door->app_option = arg + strlen("--app=");
		if (!g_strv_contains(valued, arg) || !door->args[i + 1])
			continue;
		i++;
		if (strcmp(arg, "--app") == 0)
			door->app_option = door->args[i];
	}
	return TRUE;
}

static int run_verb(Cmd *cmd, Door *door, GError **error)
{
	g_autoptr(GString) names = g_string_new(NULL);
	for (guint i = 0; i < G_N_ELEMENTS(verbs); i++) {
		g_string_append_printf(names, "%s%s", i > 0 ? ", " : "", verbs[i].verb);
		if (strcmp(door->args[0], verbs[i].verb) != 0)
			continue;
		door->changes = verbs[i].changes;
		if (!take_args(door, error) || !verbs[i].check(door, error))
			return 3;
		/* what is recorded is who asked, not the account all share */
		g_setenv("LOGNAME", door->user, TRUE);
		g_unsetenv("SUDO_USER");
		/* parsing takes out of the array what it has understood */
		guint n = g_strv_length(door->args);
		g_autofree char **argv = g_memdup2(door->args, (n + 1) * sizeof(char *));
		cmd->argv = argv;
		cmd->argc = (int)n;
		int status = verbs[i].run(cmd, error);
		cmd->argv = door->args;
		return status;
	}
	util_error_set(error, TS_ERROR_USAGE, "%s: not here; there are %s", door->args[0],
		       names->str);
	return 2;
}

/* ---- the script ---- */

static int install(Cmd *cmd, const char *folder, GError **error)
{
	g_autofree char *program = cmd_sibling("tagship", TAGSHIP_BINDIR);
	g_autofree char *quoted = g_shell_quote(program);
	g_autofree char *dir = g_shell_quote(cmd->dir);
	g_autofree char *text = g_strdup_printf("#!/bin/sh\n# written by tagship developer "
						"install\nexec %s -C %s developer -- \"$@\"\n",
						quoted, dir);
	util_autofd int fd = -1;
	if (!util_fs_mkdir_parents(AT_FDCWD, folder, 0755, error))
		return 1;
	fd = util_fs_open_dir(AT_FDCWD, folder, error);
	if (fd < 0 || !util_fs_write_file(fd, SCRIPT, text, strlen(text), 0755, error))
		return 1;
	cmd_say(cmd,
		"%s/" SCRIPT
		": for git-shell its folder is ~/git-shell-commands of the git account, "
		"for gitolite LOCAL_CODE/commands (then enable \"" SCRIPT "\" in .gitolite.rc)",
		folder);
	return 0;
}

/* What a script that was written before "--" was leads here with. */
static gboolean came_by_ssh(void)
{
	return g_getenv("SSH_ORIGINAL_COMMAND") || g_getenv("GL_USER") || g_getenv("TAGSHIP_USER");
}

int cmd_developer(Cmd *cmd, GError **error)
{
	/* behind "--" is what was asked by ssh: no folder is named from there */
	gboolean asked = cmd->argc >= 2 && strcmp(cmd->argv[1], "--") == 0;
	if (!asked && cmd->argc >= 2 && strcmp(cmd->argv[1], "install") == 0) {
		if (came_by_ssh()) {
			util_error_set(error, TS_ERROR_REFUSED,
				       "install: only by hand on central; its own script there is "
				       "from an older tagship: install it anew");
			return 3;
		}
		return cmd_options(cmd, NULL, 2, 2, error) ? install(cmd, cmd->argv[2], error) : 2;
	}
	cmd->argv += asked;
	cmd->argc -= asked;
	/* options behind the verb are the verb's */
	if ((cmd->argc < 2 || cmd->argv[1][0] == '-') && !cmd_options(cmd, NULL, 1, 0, error))
		return 2;
	g_autoptr(Central) central = central_open(cmd->dir, error);
	if (!central)
		return 1;
	Door door = {.central = central, .user = caller(), .args = g_strdupv(cmd->argv + 1)};
	int status = run_verb(cmd, &door, error);
	g_clear_pointer(&door.names, g_ptr_array_unref);
	g_free(door.user);
	g_strfreev(door.args);
	cmd->argv = NULL;
	return status;
}
