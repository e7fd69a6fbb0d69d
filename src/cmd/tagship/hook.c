/* SPDX-License-Identifier: ISC */
/*
 * Hooks of a source repository: symlinks to our compiled ones. What was there moves to
 * tagship.d/ beside them and runs first.
 */
#include <unistd.h>

#include "cmd/tagship/gitolite.h"

#define UNSET "unset"

/* git by itself does not sync what a push brings: after a power cut refs would name empty objects.
 */
static const struct {
	const char *key, *value, *before;
} settings[] = {
    {"receive.advertisePushOptions", "true", "tagship.pushOptionsBefore"},
    {"core.fsync", "all", "tagship.fsyncBefore"},
};

static const char *const hook_names[] = {"pre-receive", "post-receive", "reference-transaction"};

static char *our_hook(const char *name)
{
	g_autofree char *sub = g_build_filename("hooks", name, NULL);
	return cmd_sibling(sub, TAGSHIP_LIBEXEC);
}

static gboolean is_ours(int dirfd, const char *name, const char *target)
{
	g_autofree char *now = util_fs_readlink(dirfd, name, NULL);
	return now && strcmp(now, target) == 0;
}

/* Moves a hook that is there into tagship.d/, links ours. */
static gboolean install_one(Cmd *cmd, int dirfd, const char *name, GError **error)
{
	g_autofree char *target = our_hook(name);
	g_autofree char *chained = g_build_filename(CONF_HOOKS_OURS, name, NULL);
	if (!g_file_test(target, G_FILE_TEST_IS_EXECUTABLE))
		return util_error_set(error, TS_ERROR_NOT_FOUND,
				      "%s is missing; run make install again", target);
	if (is_ours(dirfd, name, target))
		return TRUE;
	if (faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		g_autofree char *old = util_fs_readlink(dirfd, name, NULL);
		/* an older installation of ours is replaced, not chained */
		gboolean older = old && g_str_has_suffix(old, name) && strstr(old, "tagship");
		if (!older && faccessat(dirfd, chained, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return util_error_set(
			    error, TS_ERROR_EXISTS,
			    "both %s and %s are there and neither is ours; remove "
			    "one",
			    name, chained);
		if (!older) {
			if (!util_fs_rename_durable(dirfd, name, dirfd, chained, error))
				return FALSE;
			cmd_say(cmd, "  %s was there: it moved to %s and runs first", name,
				chained);
		}
	}
	return util_fs_symlink_replace(dirfd, target, name, error);
}

/* The repository's own value is kept beside ours, for hook remove. */
static gboolean set_one(Repo *repo, const char *key, const char *value, const char *before_key,
			GError **error)
{
	g_auto(GStrv) before = repo_config_get(repo, key, error);
	g_auto(GStrv) saved = before ? repo_config_get(repo, before_key, error) : NULL;
	if (!saved)
		return FALSE;
	if (!saved[0] && !repo_config_set(repo, before_key, before[0] ? before[0] : UNSET, error))
		return FALSE;
	return repo_config_set(repo, key, value, error);
}

static gboolean restore_one(Repo *repo, const char *key, const char *before_key, GError **error)
{
	g_auto(GStrv) saved = repo_config_get(repo, before_key, error);
	if (!saved)
		return FALSE;
	if (!saved[0])
		return TRUE;
	gboolean ok = strcmp(saved[0], UNSET) == 0 ? repo_config_unset(repo, key, error)
						   : repo_config_set(repo, key, saved[0], error);
	return ok && repo_config_unset(repo, before_key, error);
}

static gboolean restore_settings(Repo *repo, GError **error)
{
	for (guint i = 0; i < G_N_ELEMENTS(settings); i++)
		if (!restore_one(repo, settings[i].key, settings[i].before, error))
			return FALSE;
	return TRUE;
}

static gboolean set_config(Central *central, Repo *repo, char **apps, GError **error)
{
	if (!repo_config_set(repo, "tagship.state", central->path, error) ||
	    !repo_config_unset(repo, "tagship.app", error))
		return FALSE;
	for (guint i = 0; i < G_N_ELEMENTS(settings); i++)
		if (!set_one(repo, settings[i].key, settings[i].value, settings[i].before, error))
			return FALSE;
	for (guint i = 0; apps[i]; i++)
		if (!repo_config_add(repo, "tagship.app", apps[i], error))
			return FALSE;
	return TRUE;
}

#define NOTE CONF_HOOKS_OURS "/settings"

static gboolean remove_one(int dirfd, const char *name, GError **error)
{
	g_autofree char *target = our_hook(name);
	g_autofree char *chained = g_build_filename(CONF_HOOKS_OURS, name, NULL);
	if (!is_ours(dirfd, name, target))
		return TRUE;
	if (!util_fs_unlink(dirfd, name, error))
		return FALSE;
	if (faccessat(dirfd, chained, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
		return TRUE;
	return util_fs_rename_durable(dirfd, chained, dirfd, name, error);
}

static gboolean remove_all(const char *dir, GError **error)
{
	util_autofd int dirfd = util_fs_open_dir(AT_FDCWD, dir, error);
	if (dirfd < 0)
		return FALSE;
	for (guint i = 0; i < G_N_ELEMENTS(hook_names); i++)
		if (!remove_one(dirfd, hook_names[i], error))
			return FALSE;
	if (!util_fs_unlink(dirfd, NOTE, error))
		return FALSE;
	(void)unlinkat(dirfd, CONF_HOOKS_OURS,
		       AT_REMOVEDIR); /* stays if the admin put more into it */
	return TRUE;
}

/* git looks beside gitolite's from now on, where ours are; what is left of ours among those goes.
 */
static gboolean step_aside(const Cmd *cmd, Repo *repo, GError **error)
{
	g_autofree char *dir = g_build_filename(repo_path(repo), "hooks", NULL);
	if (!cmd_gitolite_step_aside(repo, error) || !remove_all(dir, error))
		return FALSE;
	cmd_say(cmd,
		"gitolite owns hooks/: ours stand beside it, and run what it links there first");
	return TRUE;
}

/* 0; else the exit status, with error. */
static int install_hooks(Cmd *cmd, Central *central, const char *path, GError **error)
{
	g_autoptr(Repo) repo = repo_open(path, error);
	g_auto(GStrv) apps = repo ? publish_apps_of_repo(central, repo_path(repo), error) : NULL;
	if (!apps)
		return 1;
	if (!apps[0]) {
		util_error_set(
		    error, TS_ERROR_USAGE,
		    "no app is built from %s; add one first: tagship -C %s app add NAME %s", path,
		    central->path, path);
		return 2;
	}
	/* ours and what they run first are all there before git looks there */
	gboolean aside = cmd_gitolite_owns(repo);
	g_autofree char *dir =
	    aside ? cmd_gitolite_beside(repo, hook_names, G_N_ELEMENTS(hook_names), error)
		  : repo_hooks_dir(path, error);
	if (!dir || !util_fs_mkdir_parents(AT_FDCWD, dir, 0755, error))
		return 1;
	util_autofd int dirfd = util_fs_open_dir(AT_FDCWD, dir, error);
	if (dirfd < 0 || !util_fs_mkdir(dirfd, CONF_HOOKS_OURS, 0755, error) ||
	    !set_config(central, repo, apps, error) ||
	    !conf_note_write(dirfd, repo_path(repo), central->path, (const char *const *)apps,
			     error))
		return 1;
	for (guint i = 0; i < G_N_ELEMENTS(hook_names); i++)
		if (!install_one(cmd, dirfd, hook_names[i], error))
			return 1;
	if (aside && !step_aside(cmd, repo, error))
		return 1;
	for (guint i = 0; apps[i]; i++)
		if (!publish_look(central, apps[i], error))
			return 1;
	cmd_say(cmd, "hooks are in %s; existing tags are history, the next push is work", dir);
	return 0;
}

gboolean cmd_hooks_install(Cmd *cmd, Central *central, const char *repo, GError **error)
{
	return install_hooks(cmd, central, repo, error) == 0;
}

static int hook_install(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 1, 1, error))
		return 2;
	g_autoptr(Central) central = central_open(cmd->dir, error);
	g_autofree char *path = g_canonicalize_filename(cmd->argv[1], NULL);
	return central ? install_hooks(cmd, central, path, error) : 1;
}

char *cmd_hooks_missing(const char *repo, GError **error)
{
	g_autofree char *dir = repo_hooks_dir(repo, error);
	util_autofd int dirfd = dir ? util_fs_open_dir(AT_FDCWD, dir, error) : -1;
	if (dirfd < 0)
		return NULL;
	g_autoptr(GString) missing = g_string_new(NULL);
	for (guint i = 0; i < G_N_ELEMENTS(hook_names); i++) {
		g_autofree char *target = our_hook(hook_names[i]);
		if (!is_ours(dirfd, hook_names[i], target))
			g_string_append_printf(missing, "%s%s", missing->len ? ", " : "",
					       hook_names[i]);
	}
	return g_string_free(g_steal_pointer(&missing), FALSE);
}

char *cmd_hooks_broken(void)
{
	g_autoptr(GString) broken = g_string_new(NULL);
	for (guint i = 0; i < G_N_ELEMENTS(hook_names); i++) {
		g_autofree char *target = our_hook(hook_names[i]);
		if (!g_file_test(target, G_FILE_TEST_IS_EXECUTABLE))
			g_string_append_printf(broken, "%s%s", broken->len ? ", " : "", target);
	}
	return g_string_free(g_steal_pointer(&broken), FALSE);
}

char *cmd_hooks_chained(const char *repo)
{
	g_autofree char *dir = repo_hooks_dir(repo, NULL);
	util_autofd int dirfd = dir ? util_fs_open_dir(AT_FDCWD, dir, NULL) : -1;
	if (dirfd < 0)
		return NULL;
	g_autoptr(GString) chained = g_string_new(NULL);
	for (guint i = 0; i < G_N_ELEMENTS(hook_names); i++) {
		g_autofree char *path = g_build_filename(CONF_HOOKS_OURS, hook_names[i], NULL);
		if (faccessat(dirfd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			g_string_append_printf(chained, "%s%s", chained->len ? ", " : "",
					       hook_names[i]);
	}
	return g_string_free(g_steal_pointer(&chained), FALSE);
}

static gboolean check_one(int dirfd, const char *name)
{
	g_autofree char *target = our_hook(name);
	g_autofree char *chained = g_build_filename(CONF_HOOKS_OURS, name, NULL);
	gboolean ours = is_ours(dirfd, name, target);
	gboolean good = ours && g_file_test(target, G_FILE_TEST_IS_EXECUTABLE);
	const char *note = good    ? "ok"
			   : !ours ? "NOT OURS: run tagship hook install again"
				   : "BROKEN: its program is missing, run make install again";
	if (faccessat(dirfd, chained, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		g_print("%s: %s, after %s\n", name, note, chained);
	else
		g_print("%s: %s\n", name, note);
	return good;
}

static gboolean note_is_good(int dirfd, const char *repo)
{
	g_autoptr(ConfNote) note = conf_note_read(dirfd, NULL);
	return note && strcmp(note->repo, repo) == 0 && conf_note_is_current(dirfd, note);
}

static int hook_check(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 1, 1, error))
		return 2;
	g_autofree char *path = g_canonicalize_filename(cmd->argv[1], NULL);
	g_autoptr(Repo) repo = repo_open(path, error);
	g_autofree char *dir = repo ? repo_hooks_dir(path, error) : NULL;
	util_autofd int dirfd = dir ? util_fs_open_dir(AT_FDCWD, dir, error) : -1;
	if (dirfd < 0)
		return 1;
	gboolean good = TRUE;
	for (guint i = 0; i < G_N_ELEMENTS(hook_names); i++)
		good = check_one(dirfd, hook_names[i]) && good;
	g_auto(GStrv) state = repo_config_get(repo, "tagship.state", error);
	if (!state)
		return 1;
	g_autoptr(GError) bad = NULL;
	g_autoptr(Central) central = state[0] ? central_open(state[0], &bad) : NULL;
	g_print("tagship.state: %s\n", central    ? "ok"
				       : state[0] ? bad->message
						  : "not set: run tagship hook install again");
	if (central && !note_is_good(dirfd, repo_path(repo)))
		g_print("tagship.d/settings: older than an app's file or not this repository's: "
			"pushes take longer; run tagship hook install again\n");
	if (!good || !central) {
		util_error_set(error, TS_ERROR_FAILED, "%s is not guarded as it should be", path);
		return 1;
	}
	return 0;
}

/* Another app's repository that looks for its hooks in `dir`, too (core.hooksPath), or NULL. */
static char *who_else_uses(Central *central, const char *dir, const char *repo)
{
	g_auto(GStrv) names = conf_app_names(central->dirfd, NULL);
	for (guint i = 0; names && names[i]; i++) {
		g_autoptr(ConfApp) app = conf_app_load(central->dirfd, names[i], NULL);
		g_autoptr(Repo) other = app ? repo_open(app->repo, NULL) : NULL;
		if (!other || strcmp(repo_path(other), repo) == 0)
			continue;
		g_auto(GStrv) state = repo_config_get(other, "tagship.state", NULL);
		g_autofree char *its = repo_hooks_dir(app->repo, NULL);
		if (state && state[0] && its && strcmp(its, dir) == 0)
			return g_strdup(repo_path(other));
	}
	return NULL;
}

static int hook_remove(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 1, 1, error))
		return 2;
	g_autofree char *path = g_canonicalize_filename(cmd->argv[1], NULL);
	g_autoptr(Repo) repo = repo_open(path, error);
	g_autofree char *dir = repo ? repo_hooks_dir(path, error) : NULL;
	g_auto(GStrv) state = dir ? repo_config_get(repo, "tagship.state", error) : NULL;
	if (!state)
		return 1;
	/* without a state folder nobody else can be known */
	g_autoptr(Central) central = state[0] ? central_open(state[0], NULL) : NULL;
	g_autofree char *other = central ? who_else_uses(central, dir, repo_path(repo)) : NULL;
	if (!other && !remove_all(dir, error))
		return 1;
	if (!repo_config_unset(repo, "tagship.state", error) ||
	    !repo_config_unset(repo, "tagship.app", error) || !restore_settings(repo, error) ||
	    !cmd_gitolite_step_back(repo, error))
		return 1;
	if (other)
		cmd_say(cmd, "%s is no longer tagship's; the hooks stay in %s: %s uses them, too",
			path, dir, other);
	else
		cmd_say(cmd, "hooks are removed from %s; what was there before is back", dir);
	return 0;
}

int cmd_hook(Cmd *cmd, GError **error)
{
	static const CmdVerb verbs[] = {{"install", hook_install},
					{"check", hook_check},
					{"remove", hook_remove},
					{NULL, NULL}};
	return cmd_verb(cmd, verbs, error);
}
