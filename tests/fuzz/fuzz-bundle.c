/* SPDX-License-Identifier: ISC */
/*
 * Applies bytes as a bundle to a small old tree, with little memory. The first byte says what they
 * are: 0 the file, 1 the tar in it, 2 a delta's change list and (after the length in the second and
 * third byte) the contents of its only segment, in a bundle that is otherwise right. Whatever
 * comes, nothing is written outside the new folder.
 */
#include <lzma.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bundle/bundle.h"
#include "delta/delta.h"
#include "tree/tree.h"

#define MEMORY ((guint64)24 * 1024 * 1024)
#define DECODED ((guint64)1024 * 1024)

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

/* Made once, removed by whoever empties the temporary folder. */
typedef struct {
	char *path; /* holds "old", and "new" for each input */
	int fd;
	BundleTree old_tree;
} World;

static void write_file(int dirfd, const char *path, const char *text)
{
	util_autofd int fd = tree_make_file(dirfd, path, NULL);
	g_assert(util_fs_write_all(fd, text, strlen(text), NULL));
}

static const World *get_world(void)
{
	static World world;
	if (world.path)
		return &world;
	world.path = g_dir_make_tmp("tagship-fuzz-XXXXXX", NULL);
	world.fd = util_fs_open_dir(AT_FDCWD, world.path, NULL);
	g_assert(util_fs_mkdir(world.fd, "old", 0755, NULL));
	int old_fd = util_fs_open_dir(world.fd, "old", NULL);
	g_assert(tree_make_dir(old_fd, "a", NULL));
	write_file(old_fd, "a/app-1a2b3c4d.js", "the quick brown fox jumps over the lazy dog\n");
	write_file(old_fd, "b", "");
	write_file(old_fd, "c.txt", "to be or not to be\n");
	g_assert(tree_make_link(old_fd, "link", "a", NULL));
	TreeScan options = {.normalize = TRUE};
	Manifest *scanned = tree_scan(old_fd, &options, NULL);
	manifest_assign_mtimes(scanned, NULL, 1700000000);
	g_assert(tree_finish(old_fd, scanned, NULL, NULL));
	world.old_tree = (BundleTree){old_fd, scanned};
	return &world;
}

static int file_with(const GByteArray *bytes)
{
	int fd = memfd_create("bundle", MFD_CLOEXEC);
	g_assert(util_fs_write_all(fd, bytes->data, bytes->len, NULL));
	return fd;
}

/* Quick rather than small. */
static GByteArray *pack_xz(const guint8 *tar, gsize len)
{
	GByteArray *out = g_byte_array_new();
	gsize done = 0;
	g_byte_array_set_size(out, (guint)lzma_stream_buffer_bound(len));
	g_assert(lzma_easy_buffer_encode(0, LZMA_CHECK_CRC32, NULL, tar, len, out->data, &done,
					 out->len) == LZMA_OK);
	g_byte_array_set_size(out, (guint)done);
	return out;
}

static void append_member(GByteArray *tar, const char *name, const guint8 *data, gsize len)
{
	char head[512] = "";
	guint sum = 8 * ' ';
	g_strlcpy(head, name, 100);
	g_snprintf(head + 100, 8, "%07o", 0644);
	g_snprintf(head + 108, 8, "%07o", 0);
	g_snprintf(head + 116, 8, "%07o", 0);
	g_snprintf(head + 124, 12, "%011o", (guint)len);
	g_snprintf(head + 136, 12, "%011o", 0);
	head[156] = '0';
	memcpy(head + 257, "ustar\00000", 8);
	for (guint i = 0; i < sizeof head; i++)
		sum += (guchar)head[i];
	g_snprintf(head + 148, 8, "%06o", sum);
	head[155] = ' ';
	g_byte_array_append(tar, (const guint8 *)head, sizeof head);
	if (len > 0)
		g_byte_array_append(tar, data, (guint)len);
	static const guint8 zeros[512];
	g_byte_array_append(tar, zeros, (512 - tar->len % 512) % 512);
}

/* The change list coded as the member is: after the old paths. */
static GByteArray *code_list(const guint8 *list, gsize len)
{
	static const char names[] = "a\na/app-1a2b3c4d.js\nb\nc.txt\nlink\n";
	DeltaStream stream = {DELTA_CODEC_LZMA2, 0, len, sizeof names - 1, 1};
	g_autoptr(DeltaCoder) coder = delta_encoder_new(&stream, (const guint8 *)names, NULL);
	GByteArray *out = g_byte_array_new();
	guint8 head[4] = {0, (guint8)(len & 0x7f), (guint8)(len >> 7)};
	if (len > 0x7f)
		head[1] |= 0x80;
	g_byte_array_append(out, head, len > 0x7f ? 3 : 2);
	g_assert(delta_coder_all(coder, list, len, out, G_MAXUINT, NULL));
	return out;
}

static GByteArray *delta_tar(const BundleTree *old_tree, const guint8 *data, gsize size)
{
	GByteArray *tar = g_byte_array_new();
	char root[UTIL_SHA256_HEX];
	if (size < 3)
		return tar;
	manifest_root(old_tree->manifest, root);
	g_autofree char *header = g_strdup_printf("delta 2 %.16s %s 0 0 0 0 "
						  "%u 0\n",
						  root, root, (guint)data[2]);
	append_member(tar, "header", (const guint8 *)header, strlen(header));
	gsize list_len = MIN(MIN((gsize)(data[0] | data[1] << 8), size - 3), 0x3fff);
	g_autoptr(GByteArray) list = code_list(data + 3, list_len);
	append_member(tar, "changes", list->data, list->len);
	if (size > 3 + list_len)
		append_member(tar, "contents-1", data + 3 + list_len, size - 3 - list_len);
	static const guint8 end[1024];
	g_byte_array_append(tar, end, sizeof end);
	return tar;
}

static int bundle_from(const BundleTree *old_tree, const guint8 *data, gsize size)
{
	g_autoptr(GByteArray) file = NULL;
	if (data[0] == 2) {
		g_autoptr(GByteArray) tar = delta_tar(old_tree, data + 1, size - 1);
		file = pack_xz(tar->data, tar->len);
	} else if (data[0] == 1) {
		file = pack_xz(data + 1, size - 1);
	} else {
		file = g_byte_array_new();
		g_byte_array_append(file, data + 1, (guint)size - 1);
	}
	return file_with(file);
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
	const World *world = get_world();
	g_autoptr(GError) error = NULL;
	g_autoptr(Manifest) manifest = NULL;
	BundleLimits limits = {.memory_bytes = MEMORY, .decoded_bytes = DECODED};
	if (size == 0)
		return 0;
	util_autofd int fd = bundle_from(&world->old_tree, data, size);
	g_assert(util_fs_mkdir(world->fd, "new", 0755, NULL));
	util_autofd int new_fd = util_fs_open_dir(world->fd, "new", NULL);
	gboolean ok = bundle_apply(fd, &world->old_tree, new_fd, &limits, &manifest, &error);
	g_assert(ok == (error == NULL));
	if (ok)
		g_assert(tree_check(new_fd, manifest, NULL, NULL, NULL));
	g_autofree char *list = bundle_list(fd, &world->old_tree, NULL);
	g_assert(!ok || list);
	g_autoptr(GPtrArray) names = util_fs_list(world->fd, ".", NULL);
	g_assert(names->len == 2); /* "new" and "old" */
	g_assert(util_fs_remove_tree(world->fd, "new", NULL));
	return 0;
}
