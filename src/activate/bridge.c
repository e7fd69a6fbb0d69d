/* SPDX-License-Identifier: ISC */
/* APP/bridge: what the new version lacks of those that were left, for pages that are open. */
#include <errno.h>
#include <unistd.h>

#include "activate/activate-private.h"

#define LINK "bridge"
#define FOLDER "bridges"
#define NOTHING "-"
#define TMP_NAME ".tmp-bridge"
#define DIGEST_CHARS 8

/* One bridge being made. */
typedef struct {
	int root_dirfd, app_dirfd;
	const char *from_tree, *from_root; /* what is left; NULL: not known */
	const char *to_tree, *to_root;
	const GPtrArray *sources; /* DecideBridge */
	gboolean to_is_source;    /* of the bridge that is in effect */
	Manifest *from, *to;
	GHashTable *links; /* path -> tree it leads into, owned by sources */
	GHashTable *dirs;  /* paths */
} Bridge;

static void bridge_clear(Bridge *bridge)
{
	g_clear_pointer(&bridge->from, manifest_free);
	g_clear_pointer(&bridge->to, manifest_free);
	g_clear_pointer(&bridge->links, g_hash_table_unref);
	g_clear_pointer(&bridge->dirs, g_hash_table_unref);
}

/* TREE-DIGEST: what it holds is what its name says, so one that is there is used again. */
static char *name_of(const Bridge *bridge)
{
	guint8 digest[UTIL_SHA256_BYTES];
	char hex[UTIL_SHA256_HEX];
	g_autoptr(GString) text = g_string_new(NULL);
	g_string_append_printf(text, "%s %s\n", bridge->from_root ? bridge->from_root : NOTHING,
			       bridge->to_root);
	if (bridge->to_is_source)
		g_string_append(text, "back\n");
	for (guint i = 0; i < bridge->sources->len; i++) {
		const DecideBridge *source = bridge->sources->pdata[i];
		g_string_append_printf(text, "%s %s\n", source->tree, source->root);
	}
	util_sha256_data(text->str, text->len, digest);
	util_hex_encode(digest, sizeof digest, hex);
	return g_strdup_printf("%s-%.*s", bridge->to_tree, DIGEST_CHARS, hex);
}

static gboolean serves_path(const Manifest *manifest, const char *path)
{
	const ManifestEntry *entry = manifest ? manifest_find(manifest, path) : NULL;
	return entry && entry->type != MANIFEST_DIR;
}

/* Folders above a path; FALSE if one of them is a link of a newer source. */
static gboolean add_dirs(Bridge *bridge, const char *path)
{
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		g_autofree char *dir = g_strndup(path, (gsize)(slash - path));
		if (g_hash_table_contains(bridge->links, dir))
			return FALSE;
		(void)g_hash_table_add(bridge->dirs, g_steal_pointer(&dir));
	}
	return TRUE;
}

/* While the switch is under way the bridge stands beside either version: what one of the two lacks
 * is there. */
static void collect(Bridge *bridge, const Manifest *manifest, const char *tree)
{
	for (guint i = 0; i < manifest_count(manifest); i++) {
		const ManifestEntry *entry = manifest_entry(manifest, i);
		if (entry->type == MANIFEST_DIR || manifest_is_shared_link(entry) ||
		    (serves_path(bridge->to, entry->path) &&
		     serves_path(bridge->from, entry->path)) ||
		    g_hash_table_contains(bridge->links, entry->path) ||
		    g_hash_table_contains(bridge->dirs, entry->path) ||
		    !add_dirs(bridge, entry->path))
			continue;
		g_hash_table_insert(bridge->links, g_strdup(entry->path), (gpointer)(gsize)tree);
	}
}

static gboolean collect_all(Bridge *bridge, GError **error)
{
	bridge->links = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	bridge->dirs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	bridge->to = activate_manifest(bridge->root_dirfd, bridge->to_root, error);
	if (!bridge->to)
		return FALSE;
	if (bridge->from_root)
		bridge->from = activate_manifest(bridge->root_dirfd, bridge->from_root, error);
	if (bridge->from_root && !bridge->from)
		return FALSE;
	for (guint i = 0; i < bridge->sources->len; i++) {
		const DecideBridge *source = bridge->sources->pdata[i];
		g_autoptr(Manifest) manifest =
		    activate_manifest(bridge->root_dirfd, source->root, error);
		if (!manifest)
			return FALSE;
		collect(bridge, manifest, source->tree);
	}
	/* until `current` is switched, its files are reached as before */
	if (bridge->to_is_source)
		collect(bridge, bridge->to, bridge->to_tree);
	return TRUE;
}

/* Its own mode whatever the umask: another account serves from it. */
static gboolean open_up(int dirfd, const char *path, GError **error)
{
	util_autofd int fd = util_fs_open_dir(dirfd, path, error);
	if (fd < 0)
		return FALSE;
	if (fchmod(fd, 0755) != 0)
		return util_error_errno(error, errno, "%s", path);
	return util_fs_fsync(fd, error);
}

static gboolean write_links(const Bridge *bridge, int dirfd, GError **error)
{
	GHashTableIter iter;
	gpointer path = NULL, tree = NULL;
	g_hash_table_iter_init(&iter, bridge->links);
	while (g_hash_table_iter_next(&iter, &path, &tree)) {
		g_autoptr(GString) target = g_string_new("../../");
		for (const char *p = path; *p; p++)
			if (*p == '/')
				g_string_append(target, "../");
		g_string_append_printf(target, "releases/%s/%s", (const char *)tree,
				       (const char *)path);
		if (!util_fs_symlink(dirfd, target->str, path, error))
			return FALSE;
	}
	return TRUE;
}

static gint by_name(gconstpointer a, gconstpointer b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static gboolean write_all(const Bridge *bridge, int folder_fd, const char *tmp, GError **error)
{
	util_autofd int dirfd = util_fs_open_dir(folder_fd, tmp, error);
	guint count = 0;
	g_autofree char **dirs = (char **)g_hash_table_get_keys_as_array(bridge->dirs, &count);
	qsort(dirs, count, sizeof *dirs, by_name); /* a folder before what is in it */
	for (guint i = 0; dirfd >= 0 && i < count; i++)
		if (!util_fs_mkdir(dirfd, dirs[i], 0755, error))
			return FALSE;
	if (dirfd < 0 || !write_links(bridge, dirfd, error))
		return FALSE;
	for (guint i = 0; i < count; i++)
		if (!open_up(dirfd, dirs[i], error))
			return FALSE;
	return open_up(dirfd, ".", error);
}

/* Complete under its name, or not there. */
static gboolean make_folder(const Bridge *bridge, const char *name, GError **error)
{
	if (!util_fs_mkdir(bridge->app_dirfd, FOLDER, 0755, error))
		return FALSE;
	util_autofd int folder_fd = util_fs_open_dir(bridge->app_dirfd, FOLDER, error);
	g_autofree char *tmp = folder_fd < 0 ? NULL : util_fs_mkdtemp(folder_fd, TMP_NAME, error);
	if (!tmp)
		return FALSE;
	struct stat st;
	gboolean ok = write_all(bridge, folder_fd, tmp, error) &&
		      util_fs_rename_durable(folder_fd, tmp, folder_fd, name, error);
	if (ok)
		return TRUE;
	(void)util_fs_remove_tree(folder_fd, tmp, NULL); /* else gc sweeps it */
	if (fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return FALSE;
	g_clear_error(error); /* staging made the same one meanwhile */
	return TRUE;
}

/* "bridges/NAME", or NULL with error. */
static char *bridge_make(Bridge *bridge, GError **error)
{
	struct stat st;
	g_autofree char *name = name_of(bridge);
	g_autofree char *target = g_strconcat(FOLDER "/", name, NULL);
	gboolean ok = fstatat(bridge->app_dirfd, target, &st, AT_SYMLINK_NOFOLLOW) == 0 ||
		      (collect_all(bridge, error) && make_folder(bridge, name, error));
	bridge_clear(bridge);
	return ok ? g_steal_pointer(&target) : NULL;
}

gboolean activate_bridge_ahead(const ActivateSpec *spec, const char *tree, const char *root,
			       GError **error)
{
	gint64 bridge_s = conf_app_bridge_s(spec->app);
	g_autoptr(DecideApp) state = bridge_s > 0 ? activate_read(spec, error) : NULL;
	if (!state)
		return bridge_s == 0;
	const char *from_tree = decide_app_live_tree(state);
	const char *from_root = decide_app_live_root(state);
	g_autoptr(GPtrArray) sources = decide_app_bridge_next(
	    state, from_tree, from_root, tree, util_clock_now_utc(spec->clock), bridge_s);
	util_autofd int app_dirfd = util_fs_open_dir(AT_FDCWD, spec->app->dir, error);
	if (app_dirfd < 0 || sources->len == 0)
		return app_dirfd >= 0;
	Bridge bridge = {.root_dirfd = spec->root_dirfd,
			 .app_dirfd = app_dirfd,
			 .from_tree = from_tree,
			 .from_root = from_root,
			 .to_tree = tree,
			 .to_root = root,
			 .sources = sources,
			 .to_is_source = decide_app_bridges(state, tree)};
	g_autofree char *target = bridge_make(&bridge, error);
	return target != NULL;
}

void activation_bridge_plan(Activation *a)
{
	g_autoptr(GError) failed = NULL;
	const ActivateSpec *spec = &a->app->spec;
	a->bridge_was = util_fs_readlink(a->app->app_dirfd, LINK, NULL);
	a->bridge =
	    decide_app_bridge_next(a->app->state, a->from.tree, a->from.root, a->tree,
				   util_clock_now_utc(spec->clock), conf_app_bridge_s(spec->app));
	if (a->bridge->len == 0) {
		a->bridge_link = a->bridge_was ? g_strdup(NOTHING) : NULL;
		return;
	}
	Bridge bridge = {.root_dirfd = spec->root_dirfd,
			 .app_dirfd = a->app->app_dirfd,
			 .from_tree = a->from.tree,
			 .from_root = a->from.root,
			 .to_tree = a->tree,
			 .to_root = a->root,
			 .sources = a->bridge,
			 .to_is_source = decide_app_bridges(a->app->state, a->tree)};
	a->bridge_link = bridge_make(&bridge, &failed);
	if (!a->bridge_link)
		activation_note(a, "the bridge could not be made, open pages may miss files: %s",
				failed->message);
}

void activation_bridge_intent(const Activation *a, UtilTrailers *record)
{
	if (!a->bridge_link || a->attempt > 1)
		return;
	util_trailers_add(record, "Bridge-Link", a->bridge_link);
	util_trailers_add(record, "Bridge-Was", a->bridge_was ? a->bridge_was : NOTHING);
	for (guint i = 0; i < a->bridge->len; i++) {
		g_autofree char *source = decide_bridge_format(a->bridge->pdata[i]);
		util_trailers_add(record, "Bridge", source);
	}
}

void activation_bridge_from_open(Activation *a, const UtilTrailers *intent)
{
	const char *was = util_trailers_get(intent, "Bridge-Was");
	a->bridge_link = g_strdup(util_trailers_get(intent, "Bridge-Link"));
	a->bridge_was = was && strcmp(was, NOTHING) != 0 ? g_strdup(was) : NULL;
}

/* NULL target: no link. What fails is noted, and stops nothing. */
static void set_link(Activation *a, const char *target)
{
	g_autoptr(GError) failed = NULL;
	int dirfd = a->app->app_dirfd;
	g_autofree char *is = util_fs_readlink(dirfd, LINK, NULL);
	if (g_strcmp0(is, target) == 0)
		return;
	gboolean ok = target
			  ? util_fs_symlink_replace(dirfd, target, LINK, &failed)
			  : util_fs_unlink(dirfd, LINK, &failed) && util_fs_fsync(dirfd, &failed);
	if (!ok)
		activation_note(a, "bridge: %s", failed->message);
}

/* Not synced by itself: `current`, in the same folder, is next. */
void activation_bridge_go(Activation *a)
{
	g_autoptr(GError) failed = NULL;
	int dirfd = a->app->app_dirfd;
	if (!a->bridge_link || strcmp(a->bridge_link, NOTHING) == 0)
		return;
	if (!util_fs_unlink(dirfd, TMP_NAME, &failed) || /* left by a crash */
	    !util_fs_symlink(dirfd, a->bridge_link, TMP_NAME, &failed) ||
	    !util_fs_rename(dirfd, TMP_NAME, dirfd, LINK, &failed))
		activation_note(a, "bridge: %s", failed->message);
}

void activation_bridge_reached(Activation *a)
{
	if (a->bridge_link && strcmp(a->bridge_link, NOTHING) == 0)
		set_link(a, NULL);
}

void activation_bridge_back(Activation *a)
{
	if (a->bridge_link && strcmp(a->bridge_link, NOTHING) != 0)
		set_link(a, a->bridge_was);
}

/* Made ahead for an order that waits. */
static gboolean is_wanted(const DecideApp *state, const char *name)
{
	const GPtrArray *orders = decide_app_orders(state);
	for (guint i = 0; i < orders->len; i++) {
		const DecideOrder *order = orders->pdata[i];
		if (order_state_ended(order->state) || !order->tree)
			continue;
		gsize len = strlen(order->tree);
		if (strncmp(name, order->tree, len) == 0 && name[len] == '-' &&
		    strlen(name + len + 1) == DIGEST_CHARS)
			return TRUE;
	}
	return FALSE;
}

static gboolean sweep(ActivateApp *app, gboolean dry_run, GError **error)
{
	g_autoptr(GPtrArray) names = util_fs_list(app->app_dirfd, FOLDER, NULL);
	if (!names) /* there never was a bridge */
		return TRUE;
	g_autofree char *link = util_fs_readlink(app->app_dirfd, LINK, NULL);
	for (guint i = 0; i < names->len; i++) {
		g_autofree char *path = g_build_filename(FOLDER, names->pdata[i], NULL);
		if (g_strcmp0(path, link) == 0 || is_wanted(app->state, names->pdata[i]))
			continue;
		activate_say(&app->spec, NULL, "%s: no longer needed", path);
		if (!dry_run && !util_fs_remove_tree(app->app_dirfd, path, error))
			return FALSE;
	}
	return dry_run || util_fs_sweep_tmp(app->app_dirfd, FOLDER, 3600, error);
}

static gboolean end_bridge(ActivateApp *app, GError **error)
{
	g_autoptr(UtilTrailers) record = util_trailers_new();
	util_trailers_add(record, "Event", "unbridged");
	return activate_record(app, record, error) && util_fs_unlink(app->app_dirfd, LINK, error) &&
	       util_fs_fsync(app->app_dirfd, error);
}

gboolean activate_bridge_gc(ActivateApp *app, gboolean dry_run, GError **error)
{
	DecideFacts facts;
	DecideOpen open;
	struct stat st;
	decide_app_open(app->state, &open);
	if (open.order || !activate_open_dir(app, NULL))
		return TRUE; /* an activation comes first; no folder has no bridge */
	activate_facts(&app->spec, &facts);
	gboolean none =
	    decide_app_bridge(app->state)->len == 0 && !decide_app_is_down(app->state) &&
	    fstatat(app->app_dirfd, LINK, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
	gboolean over = facts.clock_trusted && decide_app_bridge_is_over(app->state, facts.now_utc);
	if (over || none)
		activate_say(&app->spec, NULL, "the bridge to earlier versions has ended");
	if ((over || none) && !dry_run && !end_bridge(app, error))
		return FALSE;
	return sweep(app, dry_run, error);
}
