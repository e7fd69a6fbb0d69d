/* SPDX-License-Identifier: ISC */
#include "bundle/bundle-private.h"

gboolean bundle_make(const BundleTree *old_tree, const BundleTree *new_tree, int out_fd,
		     const BundleMakeOptions *options, BundleInfo **ret_info, GError **error)
{
	static const BundleTree nothing = {.dirfd = -1};
	BundleMakeOptions own = options ? *options : (BundleMakeOptions){0};
	const BundleTree *from = old_tree ? old_tree : &nothing;
	if (!own.base_memory_bytes)
		own.base_memory_bytes = BUNDLE_MEMORY_BYTES;
	if (!new_tree->manifest)
		return util_error_set(error, TS_ERROR_USAGE, "there is no new tree to bundle");
	gboolean delta =
	    own.codec == BUNDLE_CODEC_DELTA || (own.codec == BUNDLE_CODEC_AUTO && from->manifest);
	char root[UTIL_SHA256_HEX];
	g_autoptr(BundleInfo) info = g_new0(BundleInfo, 1);
	info->codec = g_strdup(delta ? "delta" : "plain");
	bundle_tree_root(delta ? from : &nothing, root);
	info->old_root = g_strdup(root);
	bundle_tree_root(new_tree, root);
	info->new_root = g_strdup(root);
	if (!(delta ? bundle_make_delta(from, new_tree, out_fd, &own, info, error)
		    : bundle_make_plain(new_tree, out_fd, &own, info, error)))
		return FALSE;
	if (ret_info)
		*ret_info = g_steal_pointer(&info);
	return TRUE;
}

gboolean bundle_apply(int bundle_fd, const BundleTree *old_tree, int new_dirfd,
		      const BundleLimits *limits, Manifest **ret_manifest, GError **error)
{
	static const BundleTree nothing = {.dirfd = -1};
	static const BundleLimits standard = {0};
	const BundleTree *from = old_tree ? old_tree : &nothing;
	if (!limits)
		limits = &standard;
	g_autoptr(BundleInfo) info = NULL;
	g_autoptr(Manifest) manifest = NULL;
	g_autoptr(BundleReader) reader = bundle_open(bundle_fd, limits->memory_bytes, &info, error);
	if (!reader || !bundle_header_check(info, limits, error))
		return FALSE;
	gboolean plain = strcmp(info->codec, "plain") == 0;
	if (!(plain ? bundle_apply_plain(reader, info, new_dirfd, limits, &manifest, error)
		    : bundle_apply_delta(reader, info, from, new_dirfd, limits, &manifest, error)))
		return FALSE;
	if (ret_manifest)
		*ret_manifest = g_steal_pointer(&manifest);
	return TRUE;
}
