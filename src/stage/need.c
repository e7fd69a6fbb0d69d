/* SPDX-License-Identifier: ISC */
#include "stage/stage-private.h"

void stage_need_clear(StageNeed *need)
{
	g_clear_pointer(&need->old_root, g_free);
	g_clear_pointer(&need->why, g_free);
	need->bundle = NULL;
	need->kind = STAGE_NEED_NOTHING;
}

/* A tree of this root that is not marked as altered; *ret_altered: there is one that is. */
static const StageTree *find_intact(const GPtrArray *trees, const char *root, gboolean *ret_altered)
{
	const StageTree *found = NULL;
	for (guint i = 0; i < trees->len; i++) {
		const StageTree *tree = trees->pdata[i];
		if (strcmp(tree->root, root) != 0)
			continue;
		if (tree->altered && ret_altered)
			*ret_altered = TRUE;
		if (!tree->altered && !found)
			found = tree;
	}
	return found;
}

typedef struct {
	const OrderBundle *delta, *plain; /* smallest that fits here, or NULL */
	gboolean on_disk;                 /* one that fits is downloaded */
	gboolean altered;                 /* an old tree is here, but altered by hand */
	gboolean too_large;               /* one was left out: it needs too much memory */
} Fits;

static void look_at_bundles(const StageSpec *spec, const GPtrArray *trees, int partial_dirfd,
			    Fits *ret_fits)
{
	Fits fits = {0};
	for (guint i = 0; i < spec->order->bundles->len; i++) {
		const OrderBundle *bundle = spec->order->bundles->pdata[i];
		gboolean plain = strcmp(bundle->old_root, "-") == 0;
		if (!plain && !find_intact(trees, bundle->old_root, &fits.altered))
			continue;
		if (bundle->memory_bytes > spec->memory_bytes) {
			fits.too_large = TRUE;
			continue;
		}
		fits.on_disk |=
		    partial_dirfd >= 0 && store_blob_exists(partial_dirfd, bundle->sha256);
		const OrderBundle **best = plain ? &fits.plain : &fits.delta;
		if (!*best || bundle->bytes < (*best)->bytes)
			*best = bundle;
	}
	*ret_fits = fits;
}

/* The best old tree to ask a bundle for, or NULL. */
static const StageTree *best_source(const GPtrArray *trees)
{
	for (guint i = 0; i < trees->len; i++) {
		const StageTree *tree = trees->pdata[i];
		if (!tree->altered)
			return tree;
	}
	return NULL;
}

static char *why_other(const Fits *fits, const char *what)
{
	const char *because = "central did not know which tree is here";
	if (fits->altered)
		because = "the tree it was to start from was altered by hand";
	else if (fits->too_large)
		because = "the ordered bundle needs more memory than memory_mb allows";
	return g_strdup_printf("%s: %s", because, what);
}

static void choose(const StageSpec *spec, const GPtrArray *trees, const Fits *fits, StageNeed *need)
{
	gboolean by_want = strcmp(spec->app->on_altered, "plain") != 0;
	const StageTree *source = best_source(trees);
	if (fits->delta && (!fits->plain || fits->delta->bytes <= fits->plain->bytes)) {
		need->kind = STAGE_NEED_BUNDLE;
		need->bundle = fits->delta;
	} else if (fits->plain && !(fits->altered && by_want && source)) {
		need->kind = STAGE_NEED_BUNDLE;
		need->bundle = fits->plain;
		if (spec->order->bundles->len > 1)
			need->why = why_other(fits, "the whole tree is fetched");
	} else if (source && (by_want || !fits->altered)) {
		need->kind = STAGE_NEED_WANT;
		need->old_root = g_strdup(source->root);
		g_autofree char *what =
		    g_strdup_printf("a bundle from %s is asked for", source->name);
		need->why = why_other(fits, what);
	} else {
		need->kind = STAGE_NEED_WANT;
		need->old_root = g_strdup("-");
		need->why = why_other(fits, "a bundle with the whole tree is asked for");
	}
}

gboolean stage_need(const StageSpec *spec, StageNeed *ret_need, GError **error)
{
	StageNeed need = {.kind = STAGE_NEED_NOTHING};
	Fits fits;
	util_autofd int app_dirfd = stage_open_app(spec, error);
	g_autoptr(GPtrArray) trees = app_dirfd < 0 ? NULL : stage_trees(spec, app_dirfd, error);
	if (!trees)
		return FALSE;
	/* no partial/ yet: nothing was downloaded */
	util_autofd int partial_dirfd = util_fs_open_dir(spec->root_dirfd, "partial", NULL);
	look_at_bundles(spec, trees, partial_dirfd, &fits);
	if (!find_intact(trees, spec->order->root, NULL) && !fits.on_disk)
		choose(spec, trees, &fits, &need);
	*ret_need = need;
	return TRUE;
}
