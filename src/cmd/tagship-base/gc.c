/* SPDX-License-Identifier: ISC */
/*
 * Drops what is no longer needed: never the live tree, the last good one, or a tree or bundle that
 * an open order wants. An app's lock is held only to decide: its trees are put under temporary
 * names then, and removed after, so that an activation does not wait for it.
 */
#include <unistd.h>

#include "cmd/tagship-base/nodes.h"
#include "stage/stage.h"

#define GONE ".tmp-gone-" /* as util_fs_sweep_tmp takes it */
#define LEFT_OVER_S (24 * 3600)
#define CLEAR_OF_ACTIVATION_S 60

typedef struct {
	const Cmd *cmd;
	const Base *base;
	gboolean dry_run;
	gint64 began_utc;
	GHashTable *bundles; /* hashes of open orders */
	GHashTable *roots;   /* roots whose tree stays or is wanted (first 8 digits) */
} Gc;

/* Missed, rolled back and the like, and nothing newer serves: an operator may want it. */
static void keep_for_operator(GHashTable *trees, const DecideApp *state)
{
	const GPtrArray *orders = decide_app_orders(state);
	for (guint i = 0; i < orders->len; i++) {
		const DecideOrder *order = orders->pdata[i];
		if (order->tree && order_state_ended(order->state) &&
		    decide_app_may_by_hand(state, order))
			g_hash_table_add(trees, g_strdup(order->tree));
	}
}

static void keep_order(Gc *gc, GHashTable *trees, const DecideOrder *order)
{
	if (order_state_ended(order->state))
		return;
	for (guint i = 0; i < order->order->bundles->len; i++) {
		const OrderBundle *bundle = g_ptr_array_index(order->order->bundles, i);
		g_hash_table_add(gc->bundles, g_strdup(bundle->sha256));
	}
	g_hash_table_add(trees, stage_tree_name(order->order->version, order->order->root));
	/* it may be held under another version's name */
	if (order->tree)
		g_hash_table_add(trees, g_strdup(order->tree));
}

typedef struct {
	char *name;
	gint64 ctime;
} TreeAge;

static void tree_age_clear(gpointer data)
{
	g_free(((TreeAge *)data)->name);
}

static gint newest_first(gconstpointer a, gconstpointer b)
{
	const TreeAge *left = a, *right = b;
	if (left->ctime != right->ctime)
		return left->ctime > right->ctime ? -1 : 1;
	return strcmp(left->name, right->name);
}

static GArray *list_trees(int releases, GError **error)
{
	g_autoptr(GPtrArray) names = util_fs_list(releases, ".", error);
	if (!names)
		return NULL;
	GArray *trees = g_array_new(FALSE, FALSE, sizeof(TreeAge));
	g_array_set_clear_func(trees, tree_age_clear);
	for (guint i = 0; i < names->len; i++) {
		struct stat st;
		const char *name = g_ptr_array_index(names, i);
		if (fstatat(releases, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(st.st_mode))
			continue;
		TreeAge tree = {g_strdup(name), st.st_ctime};
		g_array_append_val(trees, tree);
	}
	g_array_sort(trees, newest_first);
	return trees;
}

static gboolean drop_tree(Gc *gc, ActivateApp *opened, const ConfBaseApp *app, int releases,
			  const char *name, GError **error)
{
	cmd_say(gc->cmd, "%s: tree %s: no longer needed", app->name, name);
	if (gc->dry_run)
		return TRUE;
	g_autoptr(UtilTrailers) record = util_trailers_new();
	util_trailers_add(record, "Event", "pruned");
	util_trailers_add(record, "Tree", name);
	g_autofree char *gone = g_strconcat(GONE, name, NULL);
	return activate_record(opened, record, error) &&
	       util_fs_rename(releases, name, releases, gone, error);
}

static void keep_root_of(Gc *gc, const char *tree)
{
	/* VERSION-ROOT8, or VERSION-ROOT8-rN beside an altered one */
	g_auto(GStrv) parts = g_strsplit(tree, "-", -1);
	guint n = g_strv_length(parts);
	if (n >= 2 && parts[n - 1][0] == 'r')
		n--;
	if (n >= 2)
		g_hash_table_add(gc->roots, g_strdup(parts[n - 1]));
}

static gboolean prune_folder(Gc *gc, ActivateApp *opened, const ConfBaseApp *app,
			     GHashTable *needed, const char *folder, gint64 spare, GError **error)
{
	g_autofree char *path = g_build_filename(app->dir, folder, NULL);
	if (!g_file_test(path, G_FILE_TEST_IS_DIR))
		return TRUE;
	util_autofd int fd = util_fs_open_dir(AT_FDCWD, path, error);
	g_autoptr(GArray) trees = fd < 0 ? NULL : list_trees(fd, error);
	if (!trees)
		return FALSE;
	for (guint i = 0; i < trees->len; i++) {
		const char *name = g_array_index(trees, TreeAge, i).name;
		if (g_hash_table_contains(needed, name) ||
		    decide_app_bridges(activate_state(opened), name) || spare-- > 0) {
			keep_root_of(gc, name);
			continue;
		}
		if (!drop_tree(gc, opened, app, fd, name, error))
			return FALSE;
	}
	return TRUE;
}

/* What has gone by its name, now or before an interruption: under ROOT/lock/stage nobody else has
 * temporary names here. *removed becomes TRUE if there was a tree. */
static gboolean remove_gone(const ConfBaseApp *app, const char *folder, gboolean *removed,
			    GError **error)
{
	g_autofree char *path = g_build_filename(app->dir, folder, NULL);
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL); /* NULL: nothing was ever put there */
	const char *name = NULL;
	while (dir && (name = g_dir_read_name(dir)))
		*removed |= g_str_has_prefix(name, GONE);
	return !dir || util_fs_sweep_tmp(AT_FDCWD, path, 0, error);
}

static void add_needed(GHashTable *needed, const char *tree)
{
	if (tree)
		g_hash_table_add(needed, g_strdup(tree));
}

static gboolean activates_soon(const Gc *gc)
{
	for (guint i = 0; i < gc->base->conf->apps->len; i++) {
		ActivateSpec spec = base_activate_spec(gc->base, gc->base->conf->apps->pdata[i]);
		ActivateNeed need = ACTIVATE_IDLE;
		gint64 next_utc = 0;
		if (!activate_look(&spec, &need, &next_utc, NULL) || need == ACTIVATE_DUE ||
		    (next_utc > 0 && next_utc <= gc->began_utc + CLEAR_OF_ACTIVATION_S))
			return TRUE;
	}
	return FALSE;
}

static gboolean gc_app_locked(Gc *gc, const ConfBaseApp *app, ActivateApp *opened, GError **error)
{
	if (!activate_bridge_gc(opened, gc->dry_run, error))
		return FALSE;
	const DecideApp *state = activate_state(opened);
	g_autoptr(GHashTable) needed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	const GPtrArray *orders = decide_app_orders(state);
	for (guint i = 0; i < orders->len; i++)
		keep_order(gc, needed, g_ptr_array_index(orders, i));
	if (app->keep > 0)
		keep_for_operator(needed, state);
	for (guint i = 0; i < decide_app_pins(state)->len; i++)
		add_needed(needed, ((DecidePin *)decide_app_pins(state)->pdata[i])->tree);
	add_needed(needed, decide_app_live_tree(state));
	add_needed(needed, decide_app_last_good_tree(state));
	/* and whatever `current` points at, in case somebody changed it by hand */
	g_autofree char *current = g_build_filename(app->dir, "current", NULL);
	g_autofree char *target = util_fs_readlink(AT_FDCWD, current, NULL);
	g_autofree char *tree = target ? g_path_get_basename(target) : NULL;
	add_needed(needed, tree);
	return prune_folder(gc, opened, app, needed, "releases", app->keep, error) &&
	       prune_folder(gc, opened, app, needed, "pre-release", 0, error);
}

static gboolean gc_app(Gc *gc, const ConfBaseApp *app, GError **error)
{
	ActivateSpec spec = base_activate_spec(gc->base, app);
	g_autoptr(ActivateApp) opened = activate_open(&spec, 0, error);
	if (!opened || !gc_app_locked(gc, app, opened, error))
		return FALSE;
	g_clear_pointer(&opened, activate_close);
	if (gc->dry_run)
		return TRUE;
	gboolean removed = FALSE;
	StageSpec stage = {.root_path = gc->base->root, .root_dirfd = gc->base->dirfd, .app = app};
	return remove_gone(app, "releases", &removed, error) &&
	       remove_gone(app, "pre-release", &removed, error) &&
	       (!removed || !app->hard_links || stage_recheck(&stage, error));
}

static gboolean gc_bundles(Gc *gc, GError **error)
{
	util_autofd int fd = util_fs_open_dir(gc->base->dirfd, "partial", error);
	g_autoptr(GPtrArray) names = fd < 0 ? NULL : util_fs_list(fd, ".", error);
	for (guint i = 0; names && i < names->len; i++) {
		const char *name = g_ptr_array_index(names, i);
		g_autofree char *hash = g_strndup(name, UTIL_SHA256_HEX - 1);
		struct stat st;
		/* one of after we looked at the orders may belong to a newer order */
		if (g_hash_table_contains(gc->bundles, hash) ||
		    fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		    st.st_mtime >= gc->began_utc)
			continue;
		cmd_say(gc->cmd, "bundle %.12s: no open order needs it", name);
		if (!gc->dry_run && !util_fs_unlink(fd, name, error))
			return FALSE;
	}
	return names != NULL;
}

/* Manifests and stat lists of trees that are gone. */
static gboolean gc_manifests(Gc *gc, GError **error)
{
	util_autofd int fd = util_fs_open_dir(gc->base->dirfd, "trees", error);
	g_autoptr(GPtrArray) names = fd < 0 ? NULL : util_fs_list(fd, ".", error);
	for (guint i = 0; names && i < names->len; i++) {
		const char *name = g_ptr_array_index(names, i);
		g_autofree char *root8 = g_strndup(name, 8);
		if (g_hash_table_contains(gc->roots, root8))
			continue;
		if (!gc->dry_run && !util_fs_unlink(fd, name, error))
			return FALSE;
	}
	return names != NULL;
}

static gboolean gc_logs(Gc *gc, const ConfBaseApp *app, GError **error)
{
	g_autofree char *path = g_build_filename("log", app->name, NULL);
	gint64 limit =
	    util_clock_now_utc(gc->base->clock) - gc->base->conf->keep_logs_days * 24 * 3600;
	if (faccessat(gc->base->dirfd, path, F_OK, 0) != 0)
		return TRUE;
	util_autofd int fd = util_fs_open_dir(gc->base->dirfd, path, error);
	g_autoptr(GPtrArray) names = fd < 0 ? NULL : util_fs_list(fd, ".", error);
	for (guint i = 0; names && i < names->len; i++) {
		struct stat st;
		const char *name = g_ptr_array_index(names, i);
		if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || st.st_mtime > limit)
			continue;
		cmd_say(gc->cmd, "%s: log %s: old", app->name, name);
		if (!gc->dry_run && !util_fs_unlink(fd, name, error))
			return FALSE;
	}
	return names != NULL;
}

/* What killed programs left half-written in ROOT and beside `current`. */
static gboolean gc_left_over(Gc *gc, GError **error)
{
	static const char *const folders[] = {".",     "accepted", "journal",          "log",
					      "nodes", "partial",  "pending",          "reported",
					      "poke",  "trees",    "mirror.git/hooks", NULL};
	static const char *const here[] = {".", NULL};
	const GPtrArray *apps = gc->base->conf->apps;
	gboolean ok = util_fs_sweep_tmp_all(gc->base->dirfd, folders, LEFT_OVER_S, error);
	for (guint i = 0; ok && i < apps->len; i++) {
		const ConfBaseApp *app = g_ptr_array_index(apps, i);
		util_autofd int fd = open(app->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		ok = fd < 0 || util_fs_sweep_tmp_all(fd, here, LEFT_OVER_S, error);
	}
	return ok;
}

static gboolean gc_all(Gc *gc, GError **error)
{
	/* staging must not build on a tree that we take away */
	util_autofd int lock = util_fs_lock(gc->base->dirfd, "lock/stage", 0, error);
	if (lock < 0)
		return FALSE;
	for (guint i = 0; i < gc->base->conf->apps->len; i++) {
		const ConfBaseApp *app = g_ptr_array_index(gc->base->conf->apps, i);
		if (!gc_app(gc, app, error) || !gc_logs(gc, app, error))
			return FALSE;
	}
	return base_nodes_keep(gc->base, gc->bundles, error) && gc_bundles(gc, error) &&
	       gc_manifests(gc, error) && base_nodes_gc(gc->base, gc->dry_run, error) &&
	       (gc->dry_run || gc_left_over(gc, error));
}

/* by_itself: an activation that is near has the disk for itself. */
static gboolean gc_run(const Cmd *cmd, const Base *base, gboolean dry_run, gboolean by_itself,
		       GError **error)
{
	Gc gc = {.cmd = cmd,
		 .base = base,
		 .dry_run = dry_run,
		 .began_utc = util_clock_now_utc(base->clock),
		 .bundles = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
		 .roots = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL)};
	gboolean ok = (by_itself && activates_soon(&gc)) || gc_all(&gc, error);
	g_hash_table_unref(gc.bundles);
	g_hash_table_unref(gc.roots);
	return ok;
}

int base_gc(Cmd *cmd, GError **error)
{
	gboolean dry_run = FALSE;
	const GOptionEntry own[] = {
	    {"dry-run", 'n', 0, G_OPTION_ARG_NONE, &dry_run, "Only say what would go", NULL},
	    G_OPTION_ENTRY_NULL};
	if (!cmd_options(cmd, own, 0, 0, error))
		return 2;
	g_autoptr(Base) base = base_open(cmd, error);
	if (!base)
		return 1;
	return gc_run(cmd, base, dry_run, FALSE, error) ? 0 : 1;
}

void base_gc_quietly(const Cmd *cmd, const Base *base)
{
	g_autoptr(GError) error = NULL;
	if (!gc_run(cmd, base, FALSE, TRUE, &error) &&
	    !g_error_matches(error, TS_ERROR, TS_ERROR_AGAIN))
		g_printerr("what is no longer needed stays on disk: %s\n", error->message);
}
