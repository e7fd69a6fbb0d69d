/* SPDX-License-Identifier: ISC */
/* What else must hold: limits, damage, other trees, the same bytes again. */
#include <errno.h>
#include <unistd.h>

#include "pair.h"

#define DAMAGE_MAX ((guint)(4 * PAIR_MIB)) /* larger bundles are not damaged: it takes too long */

/* It must fail with this code; 0: it may also give the right tree, or fail in another honest way.
 */
static gboolean apply_bad(const Pair *pair, int fd, const BundleTree *from,
			  const BundleLimits *limits, TsErrorCode code, const char *what,
			  GError **error)
{
	g_autoptr(GError) inner = NULL;
	pair->progress->damaged++;
	if (!pair_apply(pair, fd, from, limits, &inner, error)) {
		g_prefix_error(error, "%s: ", what);
		return FALSE;
	}
	if (!inner)
		return code == 0 ||
		       util_error_set(error, TS_ERROR_FAILED, "%s: it was not noticed", what);
	if (inner->domain == TS_ERROR &&
	    (inner->code == (gint)code ||
	     (code == 0 && (inner->code == TS_ERROR_CORRUPT || inner->code == TS_ERROR_REFUSED ||
			    inner->code == TS_ERROR_UNSUPPORTED))))
		return TRUE;
	return util_error_set(error, TS_ERROR_FAILED, "%s: it failed as %d: %s", what, inner->code,
			      inner->message);
}

/* The same inputs give the same bytes. */
static gboolean make_again(Pair *pair, GError **error)
{
	g_autoptr(BundleInfo) info = NULL;
	util_autofd int fd = pair_file(pair->dirfd, "again", error);
#ifdef BUNDLE_EFFORT_MAX
	if (strcmp(pair->info->codec, "delta") == 0) {
		pair->options.effort = pair->info->effort;
		pair->options.arrive_kbit = 0;
	}
#endif
	if (fd < 0 || !pair_make_once(pair, fd, &info, error))
		return FALSE;
	if (strcmp(info->sha256, pair->info->sha256) != 0)
		return util_error_set(error, TS_ERROR_FAILED,
				      "made again the bundle has other bytes");
	return util_fs_unlink(pair->dirfd, "again", error);
}

static gboolean check_limits(const Pair *pair, GError **error)
{
	BundleTree from = pair_old(pair);
	BundleLimits exact = {.memory_bytes = pair->info->memory_bytes,
			      .decoded_bytes = pair->info->decoded_bytes};
	if (!pair_apply_whole(pair, &exact, "with the memory that the header asks for", error))
		return FALSE;
	if (pair->info->decoded_bytes < 2)
		return TRUE; /* 0 is no limit */
	BundleLimits less = {.decoded_bytes = pair->info->decoded_bytes - 1};
#ifdef BUNDLE_EFFORT_MAX
	BundleLimits narrow = {.scratch_bytes = pair->info->scratch_bytes - 1};
	if (pair->info->scratch_bytes > 1 &&
	    !apply_bad(pair, pair->fd, &from, &narrow, TS_ERROR_REFUSED, "too little scratch space",
		       error))
		return FALSE;
#endif
	return apply_bad(pair, pair->fd, &from, &less, TS_ERROR_REFUSED,
			 "a byte less than it unpacks to", error);
}

static gboolean apply_bytes(const Pair *pair, const GByteArray *bytes, const char *what,
			    GError **error)
{
	BundleTree from = pair_old(pair);
	util_autofd int fd = pair_file(pair->dirfd, "damaged", error);
	return fd >= 0 && util_fs_write_all(fd, bytes->data, bytes->len, error) &&
	       apply_bad(pair, fd, &from, NULL, 0, what, error) &&
	       util_fs_unlink(pair->dirfd, "damaged", error);
}

static gboolean check_damage(const Pair *pair, GError **error)
{
	for (guint i = 0; i < 10; i++) {
		g_autoptr(GByteArray) bytes = g_byte_array_new();
		g_byte_array_append(bytes, pair->bytes->data, pair->bytes->len);
		guint at = pick(pair->rand, bytes->len);
		g_autofree char *what =
		    g_strdup_printf("%s at byte %u", i < 4 ? "cut" : "flipped", at);
		if (i < 4)
			g_byte_array_set_size(bytes, at);
		else
			bytes->data[at] ^= (guint8)(1U << pick(pair->rand, 8));
		if (!apply_bytes(pair, bytes, what, error))
			return FALSE;
	}
	return TRUE;
}

/* An old file that is not what the manifest says: found out, or not needed. */
static gboolean check_altered(const Pair *pair, GError **error)
{
	BundleTree from = pair_old(pair);
	for (guint i = 0; i < pair->old_tree->nodes->len; i++) {
		const Node *node = g_ptr_array_index(pair->old_tree->nodes, i);
		if (node->type != MANIFEST_FILE || node->content->bytes->len == 0 ||
		    !one_in(pair->rand, 3))
			continue;
		guint at = pick(pair->rand, node->content->bytes->len);
		guint8 byte = node->content->bytes->data[at] ^ 0x20;
		if (fchmodat(pair->old_fd, node->path, 0600, 0) != 0)
			return util_error_errno(error, errno, "%s", node->path);
		util_autofd int fd = openat(pair->old_fd, node->path, O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			return util_error_errno(error, errno, "%s", node->path);
		return util_fs_pwrite_all(fd, &byte, 1, at, error) &&
		       apply_bad(pair, pair->fd, &from, NULL, 0, "with an altered old file", error);
	}
	return TRUE;
}

static gboolean check_wrong_tree(const Pair *pair, GError **error)
{
	BundleTree wrong = {pair->new_fd, pair->new_manifest};
	char root[UTIL_SHA256_HEX];
	manifest_root(pair->new_manifest, root);
	if (strcmp(pair->info->codec, "plain") == 0 || strcmp(root, pair->info->old_root) == 0)
		return TRUE;
	return apply_bad(pair, pair->fd, &wrong, NULL, TS_ERROR_CORRUPT, "with another old tree",
			 error);
}

static gboolean check_shown(const Pair *pair, GError **error)
{
	BundleTree from = pair_old(pair);
	g_autofree char *list = bundle_list(pair->fd, &from, error);
	g_autoptr(BundleInfo) info = list ? bundle_show(pair->fd, error) : NULL;
	return info && (strcmp(info->sha256, pair->info->sha256) == 0 ||
			util_error_set(error, TS_ERROR_FAILED, "bundle_show has another hash"));
}

/* Reads the bundle for check_damage; whole it must be what its hash says. */
static gboolean read_bundle(Pair *pair, GError **error)
{
	guint8 digest[UTIL_SHA256_BYTES];
	char hex[UTIL_SHA256_HEX];
	pair->bytes = g_byte_array_new();
	g_byte_array_set_size(pair->bytes, (guint)pair->info->bytes);
	if (!util_fs_pread_full(pair->fd, pair->bytes->data, pair->bytes->len, 0, error))
		return FALSE;
	util_sha256_data(pair->bytes->data, pair->bytes->len, digest);
	util_hex_encode(digest, sizeof digest, hex);
	return strcmp(hex, pair->info->sha256) == 0 ||
	       util_error_set(error, TS_ERROR_FAILED, "the bundle's hash is not that of its bytes");
}

gboolean pair_check_more(Pair *pair, GError **error)
{
	if (!make_again(pair, error) || !check_limits(pair, error) || !check_shown(pair, error) ||
	    !check_wrong_tree(pair, error))
		return FALSE;
	if (pair->info->bytes > DAMAGE_MAX)
		return TRUE;
	return read_bundle(pair, error) && check_damage(pair, error) && check_altered(pair, error);
}
