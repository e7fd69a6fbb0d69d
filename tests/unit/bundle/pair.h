/* SPDX-License-Identifier: ISC */
/* An old and a new tree, a bundle between them, and what applying it gives. */
#pragma once

#include "bundle/bundle.h"
#include "delta/delta.h"

#include "../tree/files.h"

typedef struct {
	Folder old_folder, new_folder;
	Manifest *old_manifest, *new_manifest;
	char root[UTIL_SHA256_HEX]; /* of the new tree */
} Pair;

/* Both folders empty. */
static inline void pair_init(Pair *pair)
{
	folder_init(&pair->old_folder);
	folder_init(&pair->new_folder);
	pair->old_manifest = NULL;
	pair->new_manifest = NULL;
}

static inline Pair pair_new(void)
{
	Pair pair;
	pair_init(&pair);
	return pair;
}

/* After the folders were filled. */
static inline void pair_scan(Pair *pair)
{
	pair->old_manifest = scan_normal(&pair->old_folder);
	pair->new_manifest = scan_normal(&pair->new_folder);
	manifest_root(pair->new_manifest, pair->root);
}

static inline void pair_clear(Pair *pair)
{
	folder_clear(&pair->old_folder);
	folder_clear(&pair->new_folder);
	g_clear_pointer(&pair->old_manifest, manifest_free);
	g_clear_pointer(&pair->new_manifest, manifest_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Pair, pair_clear)

static inline BundleTree pair_old(const Pair *pair)
{
	return (BundleTree){pair->old_folder.fd, pair->old_manifest};
}

static inline BundleTree pair_new_tree(const Pair *pair)
{
	return (BundleTree){pair->new_folder.fd, pair->new_manifest};
}

/* An unlinked temporary file. */
static inline int temporary_file(void)
{
	g_autofree char *name = NULL;
	g_autoptr(GError) error = NULL;
	int fd = g_file_open_tmp("tagship-test-XXXXXX", &name, &error);
	g_assert_no_error(error);
	g_assert_cmpint(unlink(name), ==, 0);
	return fd;
}

static inline int pair_bundle(const Pair *pair, const BundleMakeOptions *options,
			      BundleInfo **ret_info)
{
	BundleTree old_tree = pair_old(pair);
	BundleTree new_tree = pair_new_tree(pair);
	g_autoptr(GError) error = NULL;
	int fd = temporary_file();
	bundle_make(&old_tree, &new_tree, fd, options, ret_info, &error);
	g_assert_no_error(error);
	return fd;
}

static inline GByteArray *read_all(int fd)
{
	struct stat st;
	g_autoptr(GError) error = NULL;
	g_assert_cmpint(fstat(fd, &st), ==, 0);
	GByteArray *bytes = g_byte_array_new();
	g_byte_array_set_size(bytes, (guint)st.st_size);
	if (bytes->len > 0)
		util_fs_pread_full(fd, bytes->data, bytes->len, 0, &error);
	g_assert_no_error(error);
	return bytes;
}

static inline int file_with(const guint8 *data, gsize len)
{
	g_autoptr(GError) error = NULL;
	int fd = temporary_file();
	util_fs_write_all(fd, data, len, &error);
	g_assert_no_error(error);
	return fd;
}

/* Applies into a fresh folder; when it says it worked, the tree must be exactly the new one. */
static inline gboolean pair_apply(const Pair *pair, int fd, const BundleLimits *limits,
				  GError **error)
{
	g_auto(Folder) out = folder_new();
	g_autoptr(Manifest) manifest = NULL;
	g_autoptr(GError) wrong = NULL;
	char root[UTIL_SHA256_HEX];
	BundleTree old_tree = pair_old(pair);
	if (!bundle_apply(fd, &old_tree, out.fd, limits, &manifest, error)) {
		g_assert_null(manifest);
		g_assert_true(!error || *error);
		return FALSE;
	}
	manifest_root(manifest, root);
	g_assert_cmpstr(root, ==, pair->root);
	tree_check(out.fd, pair->new_manifest, NULL, NULL, &wrong);
	g_assert_no_error(wrong);
	return TRUE;
}

static inline void pair_round_trip(const Pair *pair, const BundleMakeOptions *options,
				   BundleInfo **ret_info)
{
	g_autoptr(GError) error = NULL;
	BundleLimits limits = {.expect_new_root = pair->root};
	if (options)
		limits.memory_bytes = options->base_memory_bytes;
	util_autofd int fd = pair_bundle(pair, options, ret_info);
	pair_apply(pair, fd, &limits, &error);
	g_assert_no_error(error);
}

/* The tar inside a bundle, and a bundle around a tar. */
static inline GByteArray *unpack_xz(const GByteArray *bundle)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(DeltaCoder) coder = delta_xz_decoder_new((guint64)256 << 20, &error);
	g_assert_no_error(error);
	GByteArray *tar = g_byte_array_new();
	delta_coder_all(coder, bundle->data, bundle->len, tar, 256 << 20, &error);
	g_assert_no_error(error);
	return tar;
}

static inline int pack_xz(const guint8 *tar, gsize len)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(DeltaCoder) coder = delta_xz_encoder_new(64 << 10, 3, &error);
	g_assert_no_error(error);
	g_autoptr(GByteArray) out = g_byte_array_new();
	delta_coder_all(coder, tar, len, out, G_MAXUINT, &error);
	g_assert_no_error(error);
	return file_with(out->data, out->len);
}
