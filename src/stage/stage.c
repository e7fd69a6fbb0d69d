/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "stage/stage-private.h"

#define TMP_NAME ".tmp-stage"

/* One run. */
typedef struct {
	const StageSpec *spec;
	int app_dirfd, pre_dirfd, partial_dirfd;
	GPtrArray *trees; /* StageTree */
	StageResult *result;
	GError *last; /* why the last thing tried did not work */
} Run;

void stage_result_free(StageResult *result)
{
	if (!result)
		return;
	g_free(result->tree);
	g_free(result->how);
	g_clear_pointer(&result->altered, g_ptr_array_unref);
	g_free(result);
}

static void run_clear(Run *run)
{
	util_closep(&run->app_dirfd);
	util_closep(&run->pre_dirfd);
	util_closep(&run->partial_dirfd);
	g_clear_pointer(&run->trees, g_ptr_array_unref);
	g_clear_pointer(&run->result, stage_result_free);
	g_clear_error(&run->last);
}

static gboolean run_init(Run *run, const StageSpec *spec, GError **error)
{
	memset(run, 0, sizeof *run);
	run->spec = spec;
	run->app_dirfd = run->pre_dirfd = run->partial_dirfd = -1;
	run->result = g_new0(StageResult, 1);
	run->result->altered = g_ptr_array_new_with_free_func(g_free);
	run->app_dirfd = stage_open_app(spec, error);
	if (run->app_dirfd < 0)
		return FALSE;
	/* what a crash left; only one stager runs at a time (ROOT/lock/stage) */
	if (!util_fs_sweep_tmp(run->app_dirfd, "pre-release", 0, error))
		return FALSE;
	run->pre_dirfd = util_fs_open_dir(run->app_dirfd, "pre-release", error);
	if (run->pre_dirfd < 0)
		return FALSE;
	/* not there: nothing was downloaded yet */
	run->partial_dirfd = util_fs_open_dir(spec->root_dirfd, "partial", NULL);
	run->trees = stage_trees(spec, run->app_dirfd, error);
	return run->trees != NULL;
}

/* One line per tree: what is found out later is more exact. */
static void say_altered(Run *run, const StageTree *tree, const char *what)
{
	GPtrArray *altered = run->result->altered;
	g_autofree char *prefix = g_strconcat(tree->name, ": ", NULL);
	for (guint i = altered->len; i > 0; i--)
		if (g_str_has_prefix(altered->pdata[i - 1], prefix))
			g_ptr_array_remove_index(altered, i - 1);
	g_ptr_array_add(altered, g_strconcat(prefix, what, NULL));
}

/* A file changed by hand may not be one that the bundle needs: it is said, ahead of the time, and
 * the tree is used as far as its hashes match. */
static void look_for_changes(Run *run, const StageTree *tree, int dirfd, const Manifest *manifest)
{
	g_autoptr(GError) changed = NULL;
	g_autofree char *path = g_strdup_printf("trees/%s.stat", tree->root);
	g_autofree char *stats = NULL;
	gsize len = 0;
	/* without stat numbers only what is read is checked */
	if (util_fs_read_file(run->spec->root_dirfd, path, STAGE_MANIFEST_MAX, &stats, &len,
			      NULL) &&
	    !tree_stat_check(dirfd, stats, len, manifest, &changed))
		say_altered(run, tree, changed->message);
}

/* Says that a tree is altered and remembers it, so that it is no source again. */
static void found_altered(Run *run, StageTree *tree, const char *path)
{
	say_altered(run, tree, path);
	tree->altered = TRUE;
	/* not written: it is found out again */
	(void)stage_mark_tree(run->spec, tree->root, tree->name, path, NULL);
}

/* The entry to name: a file rather than the folder whose time changed with it. */
static const char *worst_path(const GPtrArray *altered, const Manifest *manifest,
			      const char *fallback)
{
	for (guint i = 0; altered && i < altered->len; i++) {
		const ManifestEntry *entry = manifest_find(manifest, altered->pdata[i]);
		if (!entry || entry->type != MANIFEST_DIR)
			return altered->pdata[i];
	}
	return altered && altered->len ? altered->pdata[0] : fallback;
}

/* Is this tree exactly what its manifest says? FALSE without error: no, and said. */
static gboolean tree_is_intact(Run *run, StageTree *tree, const Manifest *manifest, GError **error)
{
	g_autoptr(GError) failed = NULL;
	g_autoptr(GPtrArray) altered = NULL;
	g_autofree char *stats = NULL;
	util_autofd int dirfd = util_fs_open_dir(run->app_dirfd, tree->path, error);
	if (dirfd < 0)
		return FALSE;
	if (tree_check(dirfd, manifest, &altered, &stats, &failed))
		return stage_unmark_tree(run->spec, tree->root, tree->name, error) &&
		       stage_stat_keep(run->spec, tree->root, stats, error);
	if (!g_error_matches(failed, TS_ERROR, TS_ERROR_CORRUPT)) {
		g_propagate_error(error, g_steal_pointer(&failed));
		return FALSE;
	}
	found_altered(run, tree, worst_path(altered, manifest, failed->message));
	return FALSE;
}

/* The folders that the tree's shared links lead to; what is there already is left alone. */
static gboolean make_shared(const Run *run, const Manifest *manifest, GError **error)
{
	for (guint i = 0; i < manifest_count(manifest); i++) {
		const ManifestEntry *entry = manifest_entry(manifest, i);
		struct stat st;
		if (!manifest_is_shared_link(entry))
			continue;
		g_autofree char *path = g_build_filename(MANIFEST_SHARED_FOLDER, entry->path, NULL);
		if (fstatat(run->app_dirfd, path, &st, 0) == 0)
			continue;
		if (!util_fs_mkdir_parents(run->app_dirfd, path, 0755, error)) {
			g_prefix_error(error, "%s/%s, which the app shares between versions: ",
				       run->spec->app->dir, path);
			return FALSE;
		}
	}
	return TRUE;
}

/* The ordered tree is here already: nothing is transferred. TRUE if so. */
static gboolean use_held(Run *run, GError **error)
{
	const char *root = run->spec->order->root;
	g_autoptr(Manifest) manifest = NULL;
	for (guint i = 0; i < run->trees->len; i++) {
		g_autoptr(GError) failed = NULL;
		StageTree *tree = run->trees->pdata[i];
		if (strcmp(tree->root, root) != 0)
			continue;
		if (!manifest)
			manifest = stage_manifest_load(run->spec, root, &failed);
		if (manifest && tree_is_intact(run, tree, manifest, &failed)) {
			run->result->tree = g_strdup(tree->name);
			run->result->how = g_strdup("held");
			return make_shared(run, manifest, error);
		}
		if (failed && !g_error_matches(failed, TS_ERROR, TS_ERROR_CORRUPT)) {
			g_propagate_error(error, g_steal_pointer(&failed));
			return FALSE;
		}
		/* nothing serves from pre-release: a bad tree there is only in the way */
		if (tree->altered && tree->staged &&
		    !util_fs_remove_tree(run->app_dirfd, tree->path, error))
			return FALSE;
	}
	return FALSE;
}

/* Enough room for the whole tree (a reflink takes less, but that is not known before). */
static gboolean check_space(const Run *run, GError **error)
{
	const StageSpec *spec = run->spec;
	guint64 need = spec->order->bytes + spec->min_free_bytes, free_bytes = 0;
	struct statvfs st;
	if (fstatvfs(run->pre_dirfd, &st) != 0)
		return util_error_errno(error, errno, "%s", spec->app->dir);
	if (!util_fs_free_bytes(run->pre_dirfd, &free_bytes, error))
		return FALSE;
	if (free_bytes >= need)
		return TRUE;
	g_autofree char *tree_text = util_text_bytes(spec->order->bytes);
	g_autofree char *keep_text = util_text_bytes(spec->min_free_bytes);
	g_autofree char *free_text = util_text_bytes(free_bytes);
	if ((guint64)st.f_blocks * st.f_frsize < need)
		return util_error_set(error, TS_ERROR_UNSUPPORTED,
				      "%s can never hold it: the tree has %s, %s are to stay free, "
				      "and the whole disk is smaller",
				      spec->app->dir, tree_text, keep_text);
	return util_error_set(error, TS_ERROR_NO_SPACE,
			      "%s has %s free; the tree needs %s and %s are to stay free "
			      "(min_free_mb): make room there",
			      spec->app->dir, free_text, tree_text, keep_text);
}

/* A name that nothing has yet: the live tree of the same root may be there, altered. */
static char *free_tree_name(const Run *run)
{
	g_autofree char *plain = stage_tree_name(run->spec->order->version, run->spec->order->root);
	for (guint i = 1;; i++) {
		struct stat st;
		g_autofree char *name =
		    i == 1 ? g_strdup(plain) : g_strdup_printf("%s-r%u", plain, i);
		g_autofree char *release = g_strconcat("releases/", name, NULL);
		if (fstatat(run->app_dirfd, release, &st, AT_SYMLINK_NOFOLLOW) != 0 &&
		    fstatat(run->pre_dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			return g_steal_pointer(&name);
	}
}

typedef struct {
	const StageSpec *spec;
	const Manifest *manifest;
	int dirfd;
	GThread *thread; /* NULL: none was to be had */
	GError *error;
} Sync;

/* A manifest without its tree says nothing: it may be there before the tree is checked. */
static gpointer sync_thread(gpointer user_data)
{
	Sync *sync = user_data;
	if (stage_manifest_keep(sync->spec, sync->spec->order->root, sync->manifest, &sync->error))
		(void)util_fs_syncfs(sync->dirfd, &sync->error); /* the error is looked at */
	return NULL;
}

/* All is written: while the disk syncs, the processors hash. */
static gboolean check_and_sync(const StageSpec *spec, int tree_dirfd, const Manifest *manifest,
			       char **ret_stats, GError **error)
{
	Sync sync = {.spec = spec, .manifest = manifest, .dirfd = tree_dirfd};
	sync.thread = g_thread_try_new("sync", sync_thread, &sync, NULL);
	gboolean ok = tree_check(tree_dirfd, manifest, NULL, ret_stats, error);
	if (sync.thread)
		(void)g_thread_join(sync.thread); /* returns nothing */
	else
		(void)sync_thread(&sync); /* as above */
	if (ok && sync.error) {
		g_propagate_error(error, sync.error);
		return FALSE;
	}
	g_clear_error(&sync.error);
	return ok;
}

/* Checks what was built, syncs it once, and gives it its name. */
static gboolean keep_tree(Run *run, const char *tmp, int tree_dirfd, const Manifest *manifest,
			  GError **error)
{
	const StageSpec *spec = run->spec;
	g_autofree char *stats = NULL;
	char root[UTIL_SHA256_HEX];
	manifest_root(manifest, root);
	if (strcmp(root, spec->order->root) != 0)
		return util_error_set(error, TS_ERROR_NOT_AUTHENTIC,
				      "the bundle made tree %.8s, ordered was %.8s", root,
				      spec->order->root);
	if (fchmod(tree_dirfd, 0755) != 0)
		return util_error_errno(error, errno, "%s", tmp);
	if (!check_and_sync(spec, tree_dirfd, manifest, &stats, error) ||
	    !make_shared(run, manifest, error) || !stage_stat_keep(spec, root, stats, error) ||
	    (spec->app->hard_links && !stage_stats_renew(spec, root, error)))
		return FALSE;
	g_autofree char *name = free_tree_name(run);
	if (!util_fs_rename_durable(run->pre_dirfd, tmp, run->pre_dirfd, name, error))
		return FALSE;
	run->result->tree = g_steal_pointer(&name);
	return TRUE;
}

/* A damaged file is removed, so that it is fetched again. */
static int open_bundle(const Run *run, const OrderBundle *bundle, GError **error)
{
	guint64 bytes = 0;
	guint8 digest[UTIL_SHA256_BYTES];
	char found[UTIL_SHA256_HEX];
	util_autofd int fd = store_blob_open(run->partial_dirfd, bundle->sha256, &bytes, error);
	if (fd < 0 || !util_sha256_fd(fd, digest, &bytes, error))
		return -1;
	util_hex_encode(digest, sizeof digest, found);
	if (strcmp(found, bundle->sha256) != 0) {
		(void)util_fs_unlink(run->partial_dirfd, bundle->sha256, NULL); /* told below */
		util_error_set(error, TS_ERROR_CORRUPT,
			       "bundle %.8s was damaged on this disk; removed, to be fetched again",
			       bundle->sha256);
		return -1;
	}
	return g_steal_fd(&fd);
}

static gboolean apply_into(Run *run, const OrderBundle *bundle, const BundleTree *old_tree,
			   const char *tmp, GError **error)
{
	const StageSpec *spec = run->spec;
	g_autoptr(Manifest) manifest = NULL;
	BundleLimits limits = {.memory_bytes = spec->memory_bytes,
			       .decoded_bytes = bundle->decoded_bytes,
			       .expect_new_root = spec->order->root,
			       /* keep_tree checks the whole */
			       .take = spec->app->hard_links ? TREE_TAKE_LINKS : TREE_TAKE_COPIES,
			       .progress = spec->progress};
	util_autofd int bundle_fd = open_bundle(run, bundle, error);
	util_autofd int new_dirfd =
	    bundle_fd < 0 ? -1 : util_fs_open_dir(run->pre_dirfd, tmp, error);
	return new_dirfd >= 0 &&
	       bundle_apply(bundle_fd, old_tree, new_dirfd, &limits, &manifest, error) &&
	       keep_tree(run, tmp, new_dirfd, manifest, error);
}

/* Builds the tree in a temporary folder; NULL old: from nothing. */
static gboolean apply(Run *run, const OrderBundle *bundle, StageTree *old, GError **error)
{
	BundleTree old_tree = {.dirfd = -1};
	util_autofd int old_dirfd = -1;
	g_autoptr(Manifest) manifest = NULL;
	if (old) {
		manifest = stage_manifest_load(run->spec, old->root, error);
		old_dirfd = manifest ? util_fs_open_dir(run->app_dirfd, old->path, error) : -1;
		if (old_dirfd < 0)
			return FALSE;
		old_tree = (BundleTree){.dirfd = old_dirfd, .manifest = manifest};
		look_for_changes(run, old, old_dirfd, manifest);
	}
	g_autoptr(GError) failed = NULL;
	g_autofree char *tmp = util_fs_mkdtemp(run->pre_dirfd, TMP_NAME, error);
	if (!tmp)
		return FALSE;
	if (apply_into(run, bundle, &old_tree, tmp, &failed))
		return TRUE;
	(void)util_fs_remove_tree(run->pre_dirfd, tmp, NULL); /* else the next run sweeps it */
	/* the bundle's own hash is right: was the old tree altered? */
	if (old && g_error_matches(failed, TS_ERROR, TS_ERROR_CORRUPT))
		(void)tree_is_intact(run, old, manifest, NULL); /* `failed` is told in any case */
	g_propagate_error(error, g_steal_pointer(&failed));
	return FALSE;
}

/* TRUE if the tree was built. FALSE with error: give up; without: try the next. */
static gboolean try_bundle(Run *run, const OrderBundle *bundle, StageTree *old, GError **error)
{
	g_autoptr(GError) failed = NULL;
	if (!check_space(run, error))
		return FALSE;
	if (apply(run, bundle, old, &failed)) {
		run->result->how =
		    old ? g_strdup_printf("delta from %s", old->name) : g_strdup("plain");
		return TRUE;
	}
	if (g_error_matches(failed, TS_ERROR, TS_ERROR_NO_SPACE)) {
		g_propagate_error(error, g_steal_pointer(&failed));
		return FALSE;
	}
	g_prefix_error(&failed, "bundle %.8s from %s: ", bundle->sha256,
		       old ? old->name : "nothing");
	g_clear_error(&run->last);
	run->last = g_steal_pointer(&failed);
	return FALSE;
}

/* All bundles on disk, deltas first. */
static gboolean use_bundles(Run *run, GError **error)
{
	const GPtrArray *bundles = run->spec->order->bundles;
	for (guint plain = 0; plain < 2; plain++) {
		for (guint i = 0; i < bundles->len; i++) {
			GError *failed = NULL;
			const OrderBundle *bundle = bundles->pdata[i];
			if ((strcmp(bundle->old_root, "-") == 0) != plain ||
			    bundle->memory_bytes > run->spec->memory_bytes ||
			    !store_blob_exists(run->partial_dirfd, bundle->sha256))
				continue;
			if (plain && try_bundle(run, bundle, NULL, &failed))
				return TRUE;
			for (guint j = 0; !plain && !failed && j < run->trees->len; j++) {
				StageTree *old = run->trees->pdata[j];
				if (!old->altered && strcmp(old->root, bundle->old_root) == 0 &&
				    try_bundle(run, bundle, old, &failed))
					return TRUE;
			}
			if (failed) {
				g_propagate_error(error, failed);
				return FALSE;
			}
		}
	}
	return FALSE;
}

/* What to say when nothing worked. */
static void set_why(Run *run, GError **error)
{
	if (run->last) {
		g_propagate_error(error, g_steal_pointer(&run->last));
		return;
	}
	util_error_set(
	    error, TS_ERROR_REFUSED, "no bundle on disk fits a tree that is held here%s%s%s",
	    run->result->altered->len ? " unaltered (altered: " : "",
	    run->result->altered->len ? (const char *)run->result->altered->pdata[0] : "",
	    run->result->altered->len ? ")" : "");
}

gboolean stage_run(const StageSpec *spec, StageResult **ret_result, GError **error)
{
	Run run;
	GError *failed = NULL;
	gboolean ok = run_init(&run, spec, &failed);
	if (ok)
		ok = use_held(&run, &failed) ||
		     (!failed && run.partial_dirfd >= 0 && use_bundles(&run, &failed));
	if (ok)
		*ret_result = g_steal_pointer(&run.result);
	else if (failed)
		g_propagate_error(error, failed);
	else
		set_why(&run, error);
	run_clear(&run);
	return ok;
}
