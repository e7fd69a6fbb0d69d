/* SPDX-License-Identifier: ISC */
/* The folder a build runs in. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "build/build-private.h"

#define TREE_FILE "tagship.cfg"
#define TREE_FILE_MAX ((gsize)64 * 1024)

void build_workspace_free(BuildWorkspace *workspace)
{
	if (!workspace)
		return;
	if (workspace->app_dirfd >= 0) {
		g_autofree char *name = g_path_get_basename(workspace->tmp_path);

		/* what stays is removed before the next build */
		(void)util_fs_remove_tree(workspace->app_dirfd, name, NULL);
	}
	util_closep(&workspace->app_dirfd);
	util_closep(&workspace->dirfd);
	g_free(workspace->app_path);
	g_free(workspace->path);
	g_free(workspace->tmp_path);
	g_free(workspace->command);
	g_free(workspace->output);
	g_free(workspace->renewed);
	g_free(workspace);
}

/* Folders, and what was there before: gone, or kept. */
static gboolean make_folders(BuildWorkspace *workspace, gboolean keep, GError **error)
{
	g_autofree char *tmp_name = g_path_get_basename(workspace->tmp_path);
	g_autofree char *checkout_name = g_strdup_printf(".tagship-checkout-%s", workspace->name);

	if (!util_fs_remove_tree(workspace->app_dirfd, tmp_name, error))
		return FALSE;
	/* the folder first: a checkout's list without its folder is harmless, the other way not */
	if (!keep && (!util_fs_remove_tree(workspace->app_dirfd, workspace->name, error) ||
		      !util_fs_unlink(workspace->app_dirfd, checkout_name, error)))
		return FALSE;
	if (!util_fs_mkdir(workspace->app_dirfd, workspace->name, 0755, error) ||
	    !util_fs_mkdir(workspace->app_dirfd, tmp_name, 0700, error))
		return FALSE;
	util_closep(&workspace->dirfd);
	workspace->dirfd = util_fs_open_beneath(workspace->app_dirfd, workspace->name,
						O_RDONLY | O_DIRECTORY, 0, error);
	return workspace->dirfd >= 0;
}

static gboolean commit_has(Repo *repo, const char *commit, const char *path)
{
	char oid[REPO_OID];

	return repo_tree_lookup(repo, commit, path, oid, NULL);
}

static gboolean checkout(BuildWorkspace *workspace, const BuildSpec *spec, Repo *repo,
			 GError **error)
{
	if (commit_has(repo, spec->commit, BUILD_HOME))
		return util_error_set(error, TS_ERROR_REFUSED,
				      "the source tree has " BUILD_HOME
				      " at its top, which is the build's home folder; rename it");
	if (!repo_checkout(repo, spec->commit, "", workspace->path, TRUE, error)) {
		g_prefix_error(error, "checking out %.12s: ", spec->commit);
		return FALSE;
	}
	return util_fs_mkdir(workspace->dirfd, BUILD_HOME, 0700, error);
}

/* tagship.cfg of this commit; an empty one if it has none. */
static ConfTree *read_tree_file(BuildWorkspace *workspace, const BuildSpec *spec, Repo *repo,
				GError **error)
{
	g_autofree char *text = NULL;
	g_autoptr(GError) problem = NULL;
	ConfTree *tree = NULL;
	gsize len = 0;

	/* a file of that name that an earlier build made does not count */
	if (!commit_has(repo, spec->commit, TREE_FILE))
		return conf_tree_parse("", 0, error);
	if (util_fs_read_file(workspace->dirfd, TREE_FILE, TREE_FILE_MAX, &text, &len, &problem))
		tree = conf_tree_parse(text, len, &problem);
	else
		g_prefix_error(&problem, "it must be a regular file of at most 64 KiB: ");
	if (!tree)
		util_error_set(error, TS_ERROR_REFUSED, "the source tree's " TREE_FILE ": %s",
			       problem->message);
	return tree;
}

static gboolean find_command(BuildWorkspace *workspace, const BuildSpec *spec, Repo *repo,
			     GError **error)
{
	g_autoptr(ConfTree) tree = read_tree_file(workspace, spec, repo, error);

	if (!tree)
		return FALSE;
	workspace->command = g_strdup(*spec->app->build ? spec->app->build
				      : tree->build     ? tree->build
							: "");
	workspace->output = g_strdup(!g_str_equal(spec->app->output, ".") ? spec->app->output
				     : tree->output                       ? tree->output
									  : ".");
	return TRUE;
}

static gboolean remove_output(BuildWorkspace *workspace, GError **error)
{
	g_autofree char *parent = g_path_get_dirname(workspace->output);
	g_autofree char *name = g_path_get_basename(workspace->output);
	g_autoptr(GError) problem = NULL;
	util_autofd int dirfd = -1;

	if (!*workspace->command || g_str_equal(workspace->output, "."))
		return TRUE;
	dirfd = util_fs_open_beneath(workspace->dirfd, parent, O_RDONLY | O_DIRECTORY, 0, &problem);
	if (dirfd >= 0)
		return util_fs_remove_tree(dirfd, name, error);
	if (g_error_matches(problem, TS_ERROR, TS_ERROR_NOT_FOUND))
		return TRUE;
	return util_error_set(
	    error, TS_ERROR_REFUSED,
	    "the output folder \"%s\" cannot be emptied (%s); it must not lie behind "
	    "a link or a file",
	    workspace->output, problem->message);
}

/* Made new if what an earlier build left cannot be used again. */
static gboolean prepare(BuildWorkspace *workspace, const BuildSpec *spec, Repo *repo,
			GError **error)
{
	g_autoptr(GError) problem = NULL;

	if (spec->app->incremental) {
		if (make_folders(workspace, TRUE, &problem) &&
		    checkout(workspace, spec, repo, &problem))
			return TRUE;
		if (g_error_matches(problem, TS_ERROR, TS_ERROR_REFUSED) ||
		    g_error_matches(problem, TS_ERROR, TS_ERROR_NO_SPACE)) {
			g_propagate_error(error, g_steal_pointer(&problem));
			return FALSE;
		}
		workspace->renewed = g_strdup(problem->message);
	}
	return make_folders(workspace, FALSE, error) && checkout(workspace, spec, repo, error);
}

BuildWorkspace *build_workspace_open(const BuildSpec *spec, GError **error)
{
	g_autoptr(BuildWorkspace) workspace = g_new0(BuildWorkspace, 1);
	g_autoptr(Repo) repo = repo_open(spec->source_repo, error);
	g_autofree char *tmp_name = NULL;

	workspace->app_dirfd = workspace->dirfd = -1;
	workspace->name = spec->is_release ? "release" : "branch";
	workspace->app_path = g_build_filename(spec->work_path, spec->app->name, NULL);
	workspace->path = g_build_filename(workspace->app_path, workspace->name, NULL);
	tmp_name = g_strdup_printf("%s.tmp", workspace->name);
	workspace->tmp_path = g_build_filename(workspace->app_path, tmp_name, NULL);
	if (!repo || !util_fs_mkdir_parents(AT_FDCWD, workspace->app_path, 0700, error))
		return NULL;
	workspace->app_dirfd = util_fs_open_dir(AT_FDCWD, workspace->app_path, error);
	if (workspace->app_dirfd < 0 || !prepare(workspace, spec, repo, error) ||
	    !find_command(workspace, spec, repo, error) || !remove_output(workspace, error))
		return NULL;
	return g_steal_pointer(&workspace);
}
