/* SPDX-License-Identifier: ISC */
/* One pair through the bundle room: made, applied, compared; every twentieth also checked further.
 */
#include <errno.h>
#include <unistd.h>

#include "pair.h"
#include "tree/tree.h"

#define STANDARD_MEMORY (128 * PAIR_MIB)

static void pair_clear(Pair *pair)
{
	util_closep(&pair->old_fd);
	util_closep(&pair->new_fd);
	util_closep(&pair->fd);
	tree_free(pair->old_tree);
	tree_free(pair->new_tree);
	g_clear_pointer(&pair->old_manifest, manifest_free);
	g_clear_pointer(&pair->new_manifest, manifest_free);
	g_clear_pointer(&pair->info, bundle_info_free);
	g_clear_pointer(&pair->bytes, g_byte_array_unref);
	g_clear_pointer(&pair->rand, g_rand_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Pair, pair_clear)

static int make_folder(int dirfd, const char *name, GError **error)
{
	if (mkdirat(dirfd, name, 0755) != 0)
		return util_error_errno(error, errno, "%s", name) - 1;
	return util_fs_open_dir(dirfd, name, error);
}

int pair_file(int dirfd, const char *name, GError **error)
{
	int fd = openat(dirfd, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		util_error_errno(error, errno, "%s", name);
	return fd;
}

static Shape random_shape(GRand *rand)
{
	static const struct {
		Shape shape;
		guint weight; /* of 400 */
	} table[] = {{SHAPE_LARGE, 1},  {SHAPE_MEDIUM, 9},     {SHAPE_MANY, 10},
		     {SHAPE_NAMES, 70}, {SHAPE_ARCHIVES, 150}, {SHAPE_SMALL, 160}};
	guint at = pick(rand, 400);
	guint i = 0;
	for (; i + 1 < G_N_ELEMENTS(table) && at >= table[i].weight; i++)
		at -= table[i].weight;
	return table[i].shape;
}

/* Plain is rare: it is not where mistakes can be made. */
static BundleMakeOptions random_options(GRand *rand, int dirfd)
{
	static const BundleCodec codecs[] = {BUNDLE_CODEC_PLAIN, BUNDLE_CODEC_AUTO};
	BundleMakeOptions options = {.codec = BUNDLE_CODEC_DELTA};
	if (one_in(rand, 4))
		options.codec = codecs[pick(rand, G_N_ELEMENTS(codecs))];
	if (!one_in(rand, 3))
		options.base_memory_bytes = (16 + pick(rand, 113)) * PAIR_MIB;
	guint effort = pick(rand, 10);
	guint kbit = one_in(rand, 4) ? 64U << pick(rand, 12) : 0;
#ifdef BUNDLE_EFFORT_MAX
	options.effort = kbit ? 0 : MIN(effort, BUNDLE_EFFORT_MAX);
	options.arrive_kbit = kbit;
	options.scratch_dirfd = dirfd;
#else
	(void)effort; /* drawn all the same: a seed's trees stay what they are */
	(void)kbit;
	(void)dirfd;
#endif
	return options;
}

static gboolean fill_pair(Pair *pair, Shape shape, guint largest, GError **error)
{
	pair->old_tree = tree_new(pair->rand, shape, largest);
	pair->new_tree = one_in(pair->rand, 25)
			     ? tree_new(pair->rand, shape, largest)
			     : tree_evolve(pair->old_tree, pair->rand, shape, largest);
	gboolean nothing = one_in(pair->rand, 25);
	pair->old_fd = make_folder(pair->dirfd, "old", error);
	pair->new_fd = pair->old_fd < 0 ? -1 : make_folder(pair->dirfd, "new", error);
	if (pair->new_fd < 0 || !tree_write(pair->old_tree, pair->old_fd, error) ||
	    !tree_write(pair->new_tree, pair->new_fd, error))
		return FALSE;
	TreeScan scan = {.normalize = TRUE};
	if (!nothing && !(pair->old_manifest = tree_scan(pair->old_fd, &scan, error)))
		return FALSE;
	pair->new_manifest = tree_scan(pair->new_fd, &scan, error);
	if (!pair->new_manifest)
		return FALSE;
	if (manifest_count(pair->new_manifest) != pair->new_tree->nodes->len)
		return util_error_set(error, TS_ERROR_FAILED,
				      "the scan found %u entries, not the %u that were written",
				      manifest_count(pair->new_manifest),
				      pair->new_tree->nodes->len);
	pair->progress->tree_bytes += tree_bytes(pair->new_tree);
	for (guint i = 0; i < pair->new_tree->nodes->len; i++) {
		const Node *node = g_ptr_array_index(pair->new_tree->nodes, i);
		if (node->content)
			pair->progress->largest_file =
			    MAX(pair->progress->largest_file, node->content->bytes->len);
	}
	return TRUE;
}

BundleTree pair_old(const Pair *pair)
{
	return (BundleTree){pair->old_fd, pair->old_manifest};
}

gboolean pair_make_once(const Pair *pair, int fd, BundleInfo **ret_info, GError **error)
{
	BundleTree from = pair_old(pair);
	BundleTree to = {pair->new_fd, pair->new_manifest};
	return bundle_make(&from, &to, fd, &pair->options, ret_info, error);
}

/* With little memory a delta may be refused; with the standard one it never is. */
static gboolean make(Pair *pair, GError **error)
{
	g_autoptr(GError) inner = NULL;
	pair->fd = pair_file(pair->dirfd, "bundle", error);
	if (pair->fd < 0)
		return FALSE;
	gboolean ok = pair_make_once(pair, pair->fd, &pair->info, &inner);
	if (!ok && g_error_matches(inner, TS_ERROR, TS_ERROR_REFUSED) &&
	    pair->options.base_memory_bytes && pair->options.base_memory_bytes < STANDARD_MEMORY) {
		pair->progress->refused++;
		pair->options.base_memory_bytes = STANDARD_MEMORY;
		util_closep(&pair->fd);
		pair->fd = pair_file(pair->dirfd, "bundle", error);
		if (pair->fd < 0)
			return FALSE;
		g_clear_error(&inner);
		ok = pair_make_once(pair, pair->fd, &pair->info, &inner);
	}
	if (!ok || !pair->info) {
		g_propagate_prefixed_error(error, g_steal_pointer(&inner), "making the bundle: ");
		return FALSE;
	}
	guint64 allowed =
	    pair->options.base_memory_bytes ? pair->options.base_memory_bytes : STANDARD_MEMORY;
	pair->progress->bundle_bytes += pair->info->bytes;
#ifdef BUNDLE_EFFORT_MAX
	pair->progress->put_together += pair->info->zlib != NULL;
#endif
	return pair->info->memory_bytes <= allowed ||
	       util_error_set(error, TS_ERROR_FAILED,
			      "the bundle wants more memory than it was to");
}

gboolean pair_apply(const Pair *pair, int fd, const BundleTree *from, const BundleLimits *limits,
		    GError **ret_error, GError **error)
{
	g_autoptr(Manifest) manifest = NULL;
	char root[UTIL_SHA256_HEX];
	util_autofd int out_fd = make_folder(pair->dirfd, "out", error);
	if (out_fd < 0)
		return FALSE;
	pair->progress->applied++;
	if (!bundle_apply(fd, from, out_fd, limits, &manifest, ret_error)) {
		if (!*ret_error || manifest)
			return util_error_set(error, TS_ERROR_FAILED,
					      "it failed without an error, or with a manifest");
		return util_fs_remove_tree(pair->dirfd, "out", error);
	}
	manifest_root(manifest, root);
	if (strcmp(root, pair->info->new_root) != 0)
		return util_error_set(error, TS_ERROR_FAILED, "the new tree has another root");
	return tree_compare(pair->new_tree, out_fd, error) &&
	       util_fs_remove_tree(pair->dirfd, "out", error);
}

gboolean pair_apply_whole(const Pair *pair, const BundleLimits *limits, const char *what,
			  GError **error)
{
	g_autoptr(GError) inner = NULL;
	BundleTree from = pair_old(pair);
	if (pair_apply(pair, pair->fd, &from, limits, &inner, error)) {
		if (!inner)
			return TRUE;
		g_propagate_error(error, g_steal_pointer(&inner));
	}
	g_prefix_error(error, "%s: ", what);
	return FALSE;
}

static void tell(const Pair *pair, guint32 seed, Shape shape, gint64 began)
{
	static const char *const names[SHAPES] = {"small", "archives", "names",
						  "many",  "medium",   "large"};
	g_print("# %u %s: %u entries of %" G_GUINT64_FORMAT " bytes, then %u of %" G_GUINT64_FORMAT
		"; %s, %" G_GUINT64_FORMAT " bytes, memory %" G_GUINT64_FORMAT
		" MiB; %" G_GINT64_FORMAT " ms\n",
		seed, names[shape], pair->old_tree->nodes->len, tree_bytes(pair->old_tree),
		pair->new_tree->nodes->len, tree_bytes(pair->new_tree), pair->info->codec,
		pair->info->bytes, pair->info->memory_bytes / PAIR_MIB,
		(g_get_monotonic_time() - began) / 1000);
}

gboolean pair_run(int dirfd, guint32 seed, const PairOptions *options, Progress *progress,
		  GError **error)
{
	g_auto(Pair) pair = {.dirfd = dirfd,
			     .old_fd = -1,
			     .new_fd = -1,
			     .fd = -1,
			     .rand = g_rand_new_with_seed(seed),
			     .progress = progress};
	gint64 began = g_get_monotonic_time();
	Shape shape = random_shape(pair.rand);
	pair.options = random_options(pair.rand, dirfd);
	if (!fill_pair(&pair, shape, options->largest, error) || !make(&pair, error))
		return FALSE;
	BundleLimits limits = {.memory_bytes = pair.options.base_memory_bytes,
			       .expect_new_root = pair.info->new_root};
	if (!pair_apply_whole(&pair, &limits, "applying the bundle", error))
		return FALSE;
	if (!tree_compare_written(pair.old_tree, pair.old_fd, error)) {
		g_prefix_error(error, "the old tree was changed: ");
		return FALSE;
	}
	if (seed % 20 == 0 && shape != SHAPE_LARGE && !pair_check_more(&pair, error))
		return FALSE;
	if (options->verbose)
		tell(&pair, seed, shape, began);
	progress->pairs++;
	progress->shapes[shape]++;
	if (options->keep)
		return TRUE;
	return util_fs_remove_tree(dirfd, "old", error) &&
	       util_fs_remove_tree(dirfd, "new", error) && util_fs_unlink(dirfd, "bundle", error);
}
