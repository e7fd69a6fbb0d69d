/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <unistd.h>

#include "activate/activate-private.h"

#define MANIFEST_MAX ((gsize)512 * 1024 * 1024)
#define RELEASES "releases/"
#define ROOT8 8

void current_tree_clear(CurrentTree *current)
{
	g_clear_pointer(&current->target, g_free);
	g_clear_pointer(&current->tree, g_free);
	g_clear_pointer(&current->root, g_free);
	g_clear_pointer(&current->version, g_free);
	g_clear_pointer(&current->note, g_free);
}

char *activate_target_path(const ActivateSpec *spec, const char *target)
{
	if (!target)
		return NULL;
	return g_path_is_absolute(target) ? g_strdup(target)
					  : g_build_filename(spec->app->dir, target, NULL);
}

gboolean activate_tree_id(const ActivateApp *app, const char *path, guint64 *ret_dev,
			  guint64 *ret_ino)
{
	struct stat st;
	if (fstatat(app->app_dirfd, path, &st, 0) != 0 || !S_ISDIR(st.st_mode))
		return FALSE;
	*ret_dev = st.st_dev;
	*ret_ino = st.st_ino;
	return TRUE;
}

/* VERSION-ROOT8 of VERSION-ROOT8-rN (stage_run's second folder of one root). */
static char *plain_name(const char *tree)
{
	const char *end = tree + strlen(tree);
	while (end > tree && g_ascii_isdigit(end[-1]))
		end--;
	if (*end && end - tree > ROOT8 + 2 && end[-1] == 'r' && end[-2] == '-')
		return g_strndup(tree, (gsize)(end - 2 - tree));
	return g_strdup(tree);
}

/* The root of a tree the journal does not know, by the manifests held; NULL if not exactly one. */
static char *root_by_name(const ActivateApp *app, const char *tree)
{
	g_autofree char *plain = plain_name(tree);
	gsize len = strlen(plain);
	const char *root8 = len > ROOT8 ? plain + len - ROOT8 : plain;
	g_autoptr(GPtrArray) names = util_fs_list(app->spec.root_dirfd, "trees", NULL);
	char *found = NULL;
	for (guint i = 0; names && i < names->len; i++) {
		const char *name = names->pdata[i];
		if (!g_str_has_prefix(name, root8) || !g_str_has_suffix(name, ".manifest"))
			continue;
		g_autofree char *root = g_strndup(name, UTIL_SHA256_HEX - 1);
		if (found || !util_sha256_hex_ok(root)) {
			g_free(found);
			return NULL;
		}
		found = g_steal_pointer(&root);
	}
	return found;
}

/* "v1.4.0" of "v1.4.0-1a2b3c4d", for trees the journal does not know. */
static char *version_by_name(const char *tree)
{
	g_autofree char *plain = plain_name(tree);
	const char *dash = strrchr(plain, '-');
	return g_strndup(plain, dash ? (gsize)(dash - plain) : strlen(plain));
}

/* TREE of a link to releases/TREE, however it is spelt; NULL for anything else. */
static char *tree_of_target(const ActivateApp *app, const char *target)
{
	g_autofree char *full = g_canonicalize_filename(target, app->spec.app->dir);
	g_autofree char *releases = g_canonicalize_filename("releases", app->spec.app->dir);
	g_autofree char *parent = g_path_get_dirname(full);
	return strcmp(parent, releases) == 0 ? g_path_get_basename(full) : NULL;
}

/* Root and version of the tree that current points to. */
static void describe(const ActivateApp *app, CurrentTree *current)
{
	current->tree = tree_of_target(app, current->target);
	if (!current->tree) {
		current->version = g_path_get_basename(current->target);
		return;
	}
	current->root = g_strdup(decide_app_tree_root(app->state, current->tree));
	current->version = g_strdup(decide_app_tree_version(app->state, current->tree));
	if (!current->root)
		current->root = root_by_name(app, current->tree);
	if (!current->version)
		current->version = version_by_name(current->tree);
}

/* What current should be by the journal: live, or after `down` what was live before. */
static const char *expected_tree(const ActivateApp *app)
{
	const char *live = decide_app_live_tree(app->state);
	return live ? live : decide_app_last_good_tree(app->state);
}

static void compare_with_journal(const ActivateApp *app, CurrentTree *current, const char *link)
{
	const char *live = decide_app_live_tree(app->state);
	if (!link && live)
		current->note =
		    g_strdup_printf("current was removed by hand (the journal says %s)", live);
	else if (link && !current->target)
		current->note = g_strdup_printf("current pointed to %s, which is not there", link);
	else if (link && !decide_app_is_down(app->state) && g_strcmp0(current->tree, live) != 0)
		current->note = g_strdup_printf(
		    "current was changed by hand: it pointed to %s (the journal says %s)", link,
		    live ? live : "nothing was live");
}

gboolean current_tree_read(ActivateApp *app, CurrentTree *ret_current, GError **error)
{
	CurrentTree current = {0};
	struct stat st;
	g_autofree char *link = NULL;
	if (fstatat(app->app_dirfd, "current", &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (!S_ISLNK(st.st_mode))
			return util_error_set(error, TS_ERROR_FAILED,
					      "%s/current is not a symlink, and only a symlink can "
					      "be replaced at once: move it away",
					      app->spec.app->dir);
		link = util_fs_readlink(app->app_dirfd, "current", error);
		if (!link)
			return FALSE;
	} else if (errno != ENOENT) {
		return util_error_errno(error, errno, "%s/current", app->spec.app->dir);
	}
	/* a link into nowhere is nothing to go back to; a removed one is made again from the
	 * journal */
	if (link)
		current.target = g_strdup(link);
	else if (expected_tree(app))
		current.target = g_strconcat(RELEASES, expected_tree(app), NULL);
	if (current.target && !activate_tree_id(app, current.target, &current.dev, &current.ino))
		g_clear_pointer(&current.target, g_free);
	if (current.target)
		describe(app, &current);
	compare_with_journal(app, &current, link);
	*ret_current = current;
	return TRUE;
}

GPtrArray *activate_trees(const ActivateApp *app)
{
	static const char *const folders[] = {"releases", "pre-release"};
	GPtrArray *trees = g_ptr_array_new_with_free_func(g_free);
	for (guint i = 0; i < G_N_ELEMENTS(folders); i++) {
		/* not there: nothing is in it */
		g_autoptr(GPtrArray) names = util_fs_list(app->app_dirfd, folders[i], NULL);
		for (guint n = 0; names && n < names->len; n++) {
			struct stat st;
			g_autofree char *path = g_build_filename(folders[i], names->pdata[n], NULL);
			if (fstatat(app->app_dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			    S_ISDIR(st.st_mode))
				g_ptr_array_add(trees, g_strdup(names->pdata[n]));
		}
	}
	return trees;
}

char *activate_tree_version(const ActivateApp *app, const char *tree)
{
	const char *known = decide_app_tree_version(app->state, tree);
	return known ? g_strdup(known) : version_by_name(tree);
}

char *activate_find_tree(const ActivateApp *app, const char *tree)
{
	static const char *const folders[] = {"pre-release", "releases"};
	for (guint i = 0; i < G_N_ELEMENTS(folders); i++) {
		struct stat st;
		g_autofree char *path = g_strdup_printf("%s/%s", folders[i], tree);
		if (fstatat(app->app_dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISDIR(st.st_mode))
			return g_steal_pointer(&path);
	}
	return NULL;
}

Manifest *activate_manifest(int root_dirfd, const char *root, GError **error)
{
	g_autofree char *path = g_strdup_printf("trees/%s.manifest", root);
	g_autofree char *text = NULL;
	gsize len = 0;
	char found[UTIL_SHA256_HEX];
	if (!util_fs_read_file(root_dirfd, path, MANIFEST_MAX, &text, &len, error))
		return NULL;
	g_autoptr(Manifest) manifest = manifest_parse(text, len, error);
	if (!manifest) {
		g_prefix_error(error, "%s: ", path);
		return NULL;
	}
	manifest_root(manifest, found);
	if (strcmp(found, root) != 0) {
		util_error_set(error, TS_ERROR_CORRUPT, "%s: it lists another tree, %.8s", path,
			       found);
		return NULL;
	}
	return g_steal_pointer(&manifest);
}

gboolean activate_check_tree(const ActivateApp *app, const char *path, const char *root,
			     GError **error)
{
	g_autofree char *stat_path = g_strdup_printf("trees/%s.stat", root);
	g_autofree char *stats = NULL;
	gsize len = 0;
	g_autoptr(Manifest) manifest = activate_manifest(app->spec.root_dirfd, root, error);
	util_autofd int dirfd = manifest ? util_fs_open_dir(app->app_dirfd, path, error) : -1;
	if (dirfd < 0)
		return FALSE;
	gboolean ok = FALSE;
	/* without readable stat numbers everything is hashed */
	if (util_fs_read_file(app->spec.root_dirfd, stat_path, MANIFEST_MAX, &stats, &len, NULL))
		ok = tree_stat_check(dirfd, stats, len, manifest, error);
	else
		ok = tree_check(dirfd, manifest, NULL, NULL, error);
	if (!ok)
		g_prefix_error(error, "%s was altered by hand: ", path);
	return ok;
}

gboolean activate_move_tree(const ActivateApp *app, const char *tree, GError **error)
{
	g_autofree char *staged = g_strconcat("pre-release/", tree, NULL);
	g_autofree char *release = g_strconcat(RELEASES, tree, NULL);
	struct stat st;
	if (fstatat(app->app_dirfd, staged, &st, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT)
		return TRUE;
	return util_fs_mkdir(app->app_dirfd, "releases", 0755, error) &&
	       util_fs_rename_durable(app->app_dirfd, staged, app->app_dirfd, release, error);
}
