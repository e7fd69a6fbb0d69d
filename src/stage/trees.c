/* SPDX-License-Identifier: ISC */
#include "stage/stage-private.h"

#define ROOT8 8
#define MARK_MAX_BYTES ((gsize)1024 * 1024)

static void tree_free(gpointer data)
{
	StageTree *tree = data;
	g_free(tree->name);
	g_free(tree->path);
	g_free(tree->root);
	g_free(tree);
}

char *stage_tree_name(const char *version, const char *root)
{
	char *name = g_strdup_printf("%s-%.8s", version, root);
	return g_strdelimit(name, "/", '-');
}

int stage_open_app(const StageSpec *spec, GError **error)
{
	if (!util_fs_mkdir(spec->root_dirfd, "trees", 0755, error))
		return -1;
	util_autofd int fd = util_fs_open_dir(AT_FDCWD, spec->app->dir, error);
	if (fd < 0) {
		g_prefix_error(error, "%s: dir in base.cfg: ", spec->app->name);
		return -1;
	}
	if (!util_fs_mkdir(fd, "releases", 0755, error) ||
	    !util_fs_mkdir(fd, "pre-release", 0755, error)) {
		g_prefix_error(error, "%s: ", spec->app->dir);
		return -1;
	}
	return g_steal_fd(&fd);
}

/* ROOT/trees/ROOTHASH.SUFFIX, relative to ROOT. */
static char *trees_path(const char *root, const char *suffix)
{
	return g_strdup_printf("trees/%s.%s", root, suffix);
}

/* The 8 digits of the root in "VERSION-ROOT8" or "VERSION-ROOT8-rN"; NULL if it is neither. */
static const char *root8_of(const char *name)
{
	const char *end = name + strlen(name);
	for (guint i = 0; i < 2; i++) {
		const char *digits = end - ROOT8;
		if (digits - name >= 2 && digits[-1] == '-' &&
		    strspn(digits, "0123456789abcdef") >= ROOT8)
			return digits;
		/* look before "-rN" */
		while (end > name && g_ascii_isdigit(end[-1]))
			end--;
		if (end - name < 2 || end[-1] != 'r' || end[-2] != '-')
			return NULL;
		end -= 2;
	}
	return NULL;
}

/* The lines of ROOTHASH.altered ("TREE: PATH"), empty if there is none. */
static char **marks_read(const StageSpec *spec, const char *root)
{
	g_autofree char *path = trees_path(root, "altered");
	g_autofree char *text = NULL;
	/* unreadable is as if it were not there: hashes are checked on every copy */
	if (!util_fs_read_file(spec->root_dirfd, path, MARK_MAX_BYTES, &text, NULL, NULL))
		return g_new0(char *, 1);
	return g_strsplit(text, "\n", -1);
}

static gboolean mark_is_of(const char *line, const char *tree)
{
	gsize len = strlen(tree);
	return strncmp(line, tree, len) == 0 && strncmp(line + len, ": ", 2) == 0;
}

static gboolean is_marked(const StageSpec *spec, const char *root, const char *tree)
{
	g_auto(GStrv) lines = marks_read(spec, root);
	for (guint i = 0; lines[i]; i++)
		if (mark_is_of(lines[i], tree))
			return TRUE;
	return FALSE;
}

/* Leaves out the tree's old line; `path` NULL adds no new one. */
static gboolean marks_write(const StageSpec *spec, const char *root, const char *tree,
			    const char *path, GError **error)
{
	g_autoptr(GString) text = g_string_new(NULL);
	g_auto(GStrv) lines = marks_read(spec, root);
	g_autofree char *file = trees_path(root, "altered");
	for (guint i = 0; lines[i]; i++)
		if (*lines[i] && !mark_is_of(lines[i], tree))
			g_string_append_printf(text, "%s\n", lines[i]);
	if (path) {
		g_autofree char *shown = util_text_printable(path, -1);
		g_string_append_printf(text, "%s: %s\n", tree, shown);
	}
	if (text->len == 0)
		return util_fs_unlink(spec->root_dirfd, file, error);
	return util_fs_write_file(spec->root_dirfd, file, text->str, text->len, 0644, error);
}

gboolean stage_mark_tree(const StageSpec *spec, const char *root, const char *tree,
			 const char *path, GError **error)
{
	return marks_write(spec, root, tree, path, error);
}

gboolean stage_unmark_tree(const StageSpec *spec, const char *root, const char *tree,
			   GError **error)
{
	return !is_marked(spec, root, tree) || marks_write(spec, root, tree, NULL, error);
}

gboolean stage_mark_altered(const StageSpec *spec, const char *root, const char *path,
			    GError **error)
{
	util_autofd int app_dirfd = stage_open_app(spec, error);
	g_autoptr(GPtrArray) trees = app_dirfd < 0 ? NULL : stage_trees(spec, app_dirfd, error);
	for (guint i = 0; trees && i < trees->len; i++) {
		const StageTree *tree = trees->pdata[i];
		if (strcmp(tree->root, root) == 0 &&
		    !stage_mark_tree(spec, root, tree->name, path, error))
			return FALSE;
	}
	return trees != NULL;
}

Manifest *stage_manifest_load(const StageSpec *spec, const char *root, GError **error)
{
	g_autofree char *path = trees_path(root, "manifest");
	g_autofree char *text = NULL;
	gsize len = 0;
	char found[UTIL_SHA256_HEX];
	if (!util_fs_read_file(spec->root_dirfd, path, STAGE_MANIFEST_MAX, &text, &len, error))
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

gboolean stage_manifest_keep(const StageSpec *spec, const char *root, const Manifest *manifest,
			     GError **error)
{
	g_autofree char *path = trees_path(root, "manifest");
	g_autoptr(GBytes) text = manifest_format(manifest);
	return util_fs_write_file(spec->root_dirfd, path, g_bytes_get_data(text, NULL),
				  g_bytes_get_size(text), 0644, error);
}

gboolean stage_stat_keep(const StageSpec *spec, const char *root, const char *stats, GError **error)
{
	g_autofree char *path = trees_path(root, "stat");
	return util_fs_write_file(spec->root_dirfd, path, stats, strlen(stats), 0644, error);
}

gboolean stage_stats_renew(const StageSpec *spec, const char *root, GError **error)
{
	g_autofree char *path = trees_path(root, "stat");
	g_autofree char *fresh = NULL;
	gsize fresh_len = 0;
	g_autoptr(GPtrArray) names = util_fs_list(spec->root_dirfd, "trees", error);
	if (!names || !util_fs_read_file(spec->root_dirfd, path, STAGE_MANIFEST_MAX, &fresh,
					 &fresh_len, error))
		return FALSE;
	for (guint i = 0; i < names->len; i++) {
		g_autofree char *other = g_strconcat("trees/", names->pdata[i], NULL);
		g_autofree char *stats = NULL;
		gsize len = 0;
		if (!g_str_has_suffix(other, ".stat") || strcmp(other, path) == 0 ||
		    !util_fs_read_file(spec->root_dirfd, other, STAGE_MANIFEST_MAX, &stats, &len,
				       NULL))
			continue; /* unreadable numbers: all is hashed before go-live */
		g_autofree char *renewed = tree_stat_renew(stats, len, fresh, fresh_len);
		if (renewed && !util_fs_write_file(spec->root_dirfd, other, renewed,
						   strlen(renewed), 0644, error))
			return FALSE;
	}
	return TRUE;
}

/* Roots whose manifest is in ROOT/trees. */
static GPtrArray *known_roots(const StageSpec *spec, GError **error)
{
	g_autoptr(GPtrArray) names = util_fs_list(spec->root_dirfd, "trees", error);
	if (!names)
		return NULL;
	GPtrArray *roots = g_ptr_array_new_with_free_func(g_free);
	for (guint i = 0; i < names->len; i++) {
		g_autofree char *root = g_strdup(names->pdata[i]);
		char *dot = strchr(root, '.');
		if (!dot || strcmp(dot, ".manifest") != 0)
			continue;
		*dot = '\0';
		if (util_sha256_hex_ok(root))
			g_ptr_array_add(roots, g_steal_pointer(&root));
	}
	return roots;
}

static void add_tree(const StageSpec *spec, int app_dirfd, GPtrArray *trees, const char *folder,
		     const char *name, const char *root, const char *current)
{
	struct stat st;
	g_autofree char *path = g_strdup_printf("%s/%s", folder, name);
	if (fstatat(app_dirfd, path, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(st.st_mode))
		return;
	StageTree *tree = g_new0(StageTree, 1);
	tree->name = g_strdup(name);
	tree->root = g_strdup(root);
	tree->mtime_s = st.st_mtime;
	tree->staged = strcmp(folder, "pre-release") == 0;
	tree->current = g_strcmp0(current, path) == 0;
	tree->altered = is_marked(spec, root, name);
	tree->path = g_steal_pointer(&path);
	g_ptr_array_add(trees, tree);
}

static gint compare_trees(gconstpointer a, gconstpointer b)
{
	const StageTree *x = *(StageTree *const *)a, *y = *(StageTree *const *)b;
	if (x->current != y->current)
		return x->current ? -1 : 1;
	if (x->mtime_s != y->mtime_s)
		return x->mtime_s > y->mtime_s ? -1 : 1;
	return strcmp(x->path, y->path);
}

GPtrArray *stage_trees(const StageSpec *spec, int app_dirfd, GError **error)
{
	static const char *const folders[] = {"releases", "pre-release"};
	g_autoptr(GPtrArray) roots = known_roots(spec, error);
	g_autoptr(GPtrArray) trees = g_ptr_array_new_with_free_func(tree_free);
	/* no current, or a folder in its place: then nothing is current */
	g_autofree char *current = util_fs_readlink(app_dirfd, "current", NULL);
	for (guint i = 0; roots && i < G_N_ELEMENTS(folders); i++) {
		g_autoptr(GPtrArray) names = util_fs_list(app_dirfd, folders[i], error);
		if (!names)
			return NULL;
		for (guint j = 0; j < names->len; j++) {
			const char *root8 = root8_of(names->pdata[j]);
			for (guint k = 0; root8 && k < roots->len; k++)
				if (strncmp(roots->pdata[k], root8, ROOT8) == 0)
					add_tree(spec, app_dirfd, trees, folders[i],
						 names->pdata[j], roots->pdata[k], current);
		}
	}
	if (!roots)
		return NULL;
	g_ptr_array_sort(trees, compare_trees);
	return g_steal_pointer(&trees);
}

gboolean stage_recheck(const StageSpec *spec, GError **error)
{
	util_autofd int app_dirfd = stage_open_app(spec, error);
	g_autoptr(GPtrArray) trees = app_dirfd < 0 ? NULL : stage_trees(spec, app_dirfd, error);
	for (guint i = 0; trees && i < trees->len; i++) {
		const StageTree *tree = trees->pdata[i];
		g_autoptr(GError) altered = NULL;
		g_autofree char *stats = NULL;
		util_autofd int dirfd = util_fs_open_dir(app_dirfd, tree->path, error);
		if (dirfd < 0)
			return FALSE;
		g_autoptr(Manifest) manifest = stage_manifest_load(spec, tree->root, &altered);
		/* one that is altered is named when it is looked at for its time */
		if (manifest && tree_check(dirfd, manifest, NULL, &stats, &altered) &&
		    !stage_stat_keep(spec, tree->root, stats, error))
			return FALSE;
	}
	return trees != NULL;
}
