/* SPDX-License-Identifier: ISC */
/* Bundles cut and flipped anywhere: an error, never a wrong tree, never a crash. */
#include <archive.h>
#include <archive_entry.h>

#include "pair.h"

static void fill(Pair *pair)
{
	g_autoptr(GString) text = g_string_new(NULL);
	for (guint i = 0; i < 300; i++)
		g_string_append_printf(text, "line %u of %u\n", i * 7919 % 1000, i);
	put_file(&pair->old_folder, "text", text->str);
	g_string_insert(text, 777, "something new, and long enough to be seen");
	put_file(&pair->new_folder, "text", text->str);
	put_file(&pair->old_folder, "moved-from", "moved content");
	put_dir(&pair->new_folder, "dir");
	put_file(&pair->new_folder, "dir/moved-to", "moved content");
	put_bytes(&pair->new_folder, "dir/added", "\x00\x01\x02\x03", 4, 0755);
	put_file(&pair->new_folder, "dir/twin-1", "twin");
	put_file(&pair->new_folder, "dir/twin-2", "twin");
	put_link(&pair->new_folder, "link", "dir/twin-1");
	set_time(&pair->new_folder, "dir", MTIME + 3);
	pair_scan(pair);
}

/* Applying must fail, whatever the reason. */
static void assert_fails(const Pair *pair, const guint8 *data, gsize len)
{
	g_autoptr(GError) error = NULL;
	util_autofd int fd = file_with(data, len);
	g_assert_false(pair_apply(pair, fd, NULL, &error));
	g_assert_nonnull(error);
	/* damage is never taken for a passing trouble */
	g_assert_false(g_error_matches(error, TS_ERROR, TS_ERROR_AGAIN));
}

/* Every offset near the ends, some in between. */
static gsize next_offset(gsize at, gsize len)
{
	return at < 48 || at + 48 > len ? at + 1 : at + 13;
}

static void test_file(gconstpointer data)
{
	BundleMakeOptions options = {.codec = (BundleCodec)GPOINTER_TO_UINT(data)};
	g_auto(Pair) pair = pair_new();
	fill(&pair);
	util_autofd int fd = pair_bundle(&pair, &options, NULL);
	g_autoptr(GByteArray) bundle = read_all(fd);
	for (gsize at = 0; at < bundle->len; at = next_offset(at, bundle->len)) {
		assert_fails(&pair, bundle->data, at);
		bundle->data[at] ^= (guint8)(1U << at % 8);
		assert_fails(&pair, bundle->data, bundle->len);
		bundle->data[at] ^= (guint8)(1U << at % 8);
	}
	static const char tail[] = "\0\0\0\0";
	g_byte_array_append(bundle, (const guint8 *)tail, sizeof tail);
	assert_fails(&pair, bundle->data, bundle->len);
}

/* The same inside the .xz, whose checks are then right: what is left is our own. Bytes that mean
 * nothing (owner names, padding) may change; then the tree is right, as pair_apply made sure. */
static void test_tar(gconstpointer data)
{
	BundleMakeOptions options = {.codec = (BundleCodec)GPOINTER_TO_UINT(data)};
	g_auto(Pair) pair = pair_new();
	guint failed = 0;
	fill(&pair);
	util_autofd int fd = pair_bundle(&pair, &options, NULL);
	g_autoptr(GByteArray) bundle = read_all(fd);
	g_autoptr(GByteArray) tar = unpack_xz(bundle);
	for (gsize at = 0; at < tar->len; at += 23) {
		guint8 before = tar->data[at];
		tar->data[at] ^= (guint8)(1U << at % 8);
		util_autofd int flipped = pack_xz(tar->data, tar->len);
		g_autoptr(GError) error = NULL;
		failed += !pair_apply(&pair, flipped, NULL, &error);
		tar->data[at] = before;
	}
	/* headers have checksums and contents are hashed */
	g_assert_cmpuint(failed, >, tar->len / 23 / 4);
	for (gsize at = 0; at + 1024 < tar->len; at += 128) {
		util_autofd int cut = pack_xz(tar->data, at);
		g_assert_false(pair_apply(&pair, cut, NULL, NULL));
	}
}

/* A tar of our own making, as a bundle. */
typedef struct {
	struct archive *archive;
	GByteArray *tar;
} Forge;

static la_ssize_t on_write(struct archive *archive, void *user_data, const void *data, size_t len)
{
	(void)archive; /* cannot fail */
	g_byte_array_append(user_data, data, (guint)len);
	return (la_ssize_t)len;
}

static void forge_add(Forge *forge, struct archive_entry *entry, const void *data, gsize len)
{
	g_assert_cmpint(archive_write_header(forge->archive, entry), ==, ARCHIVE_OK);
	if (len > 0)
		g_assert_cmpint(archive_write_data(forge->archive, data, len), ==, (gint)len);
	archive_entry_free(entry);
}

static struct archive_entry *entry_new(const char *path, mode_t type, mode_t perm, gsize size)
{
	struct archive_entry *entry = archive_entry_new();
	archive_entry_copy_pathname(entry, path);
	archive_entry_set_filetype(entry, type);
	archive_entry_set_perm(entry, perm);
	archive_entry_set_mtime(entry, MTIME, 0);
	if (type == AE_IFREG)
		archive_entry_set_size(entry, (la_int64_t)size);
	return entry;
}

static void forge_file(Forge *forge, const char *path, const void *data, gsize len)
{
	forge_add(forge, entry_new(path, AE_IFREG, 0644, len), data, len);
}

static Forge forge_new(const char *header_name, const char *header)
{
	Forge forge = {archive_write_new(), g_byte_array_new()};
	archive_write_set_format_pax_restricted(forge.archive);
	archive_write_set_bytes_per_block(forge.archive, 0);
	archive_write_open(forge.archive, forge.tar, NULL, on_write, NULL);
	if (header)
		forge_file(&forge, header_name, header, strlen(header));
	return forge;
}

static int forge_finish(Forge *forge)
{
	g_assert_cmpint(archive_write_free(forge->archive), ==, ARCHIVE_OK);
	int fd = pack_xz(forge->tar->data, forge->tar->len);
	g_byte_array_unref(forge->tar);
	return fd;
}

#define ROOT "1111111111111111111111111111111111111111111111111111111111111111"
#define HEADER(format, codec, old_root, decoded, memory)                                \
	"Format: " format "\nCodec: " codec "\nOld-Root: " old_root "\nNew-Root: " ROOT \
	"\nFiles: 1 0 0 0\nDecoded-Bytes: " decoded "\nMemory-Bytes: " memory "\n"
#define DELTA_HEADER(old_root, decoded, memory) \
	"delta 2 " old_root " " ROOT " 1 0 0 0 " decoded " " memory "\n"
#define PLAIN_HEADER HEADER("1", "plain", "-", "1000", "20000000")

/* What a hostile plain bundle may try; each must end the apply, and nothing may get out. */
typedef void (*Attack)(Forge *forge, const char *outside);

static void attack_absolute(Forge *forge, const char *outside)
{
	g_autofree char *path = g_strconcat(outside, "/evil", NULL);
	forge_file(forge, path, "x", 1);
}

static void attack_parent(Forge *forge, const char *outside)
{
	(void)outside;
	forge_file(forge, "../evil", "x", 1);
}

static void attack_parent_deep(Forge *forge, const char *outside)
{
	(void)outside;
	forge_add(forge, entry_new("a", AE_IFDIR, 0755, 0), NULL, 0);
	forge_file(forge, "a/../../evil", "x", 1);
}

static void attack_dot(Forge *forge, const char *outside)
{
	(void)outside;
	forge_file(forge, "./a", "x", 1);
}

static void attack_link_out(Forge *forge, const char *outside)
{
	struct archive_entry *entry = entry_new("a", AE_IFLNK, 0777, 0);
	archive_entry_copy_symlink(entry, outside);
	forge_add(forge, entry, NULL, 0);
}

static void attack_link_up(Forge *forge, const char *outside)
{
	(void)outside;
	struct archive_entry *entry = entry_new("a", AE_IFLNK, 0777, 0);
	archive_entry_copy_symlink(entry, "..");
	forge_add(forge, entry, NULL, 0);
}

static void attack_through_link(Forge *forge, const char *outside)
{
	(void)outside;
	forge_add(forge, entry_new("a", AE_IFDIR, 0755, 0), NULL, 0);
	struct archive_entry *entry = entry_new("b", AE_IFLNK, 0777, 0);
	archive_entry_copy_symlink(entry, "a");
	forge_add(forge, entry, NULL, 0);
	forge_file(forge, "b/evil", "x", 1);
}

static void attack_hard_link(Forge *forge, const char *outside)
{
	(void)outside;
	struct archive_entry *entry = entry_new("a", AE_IFREG, 0644, 0);
	archive_entry_copy_hardlink(entry, "/etc/passwd");
	forge_add(forge, entry, NULL, 0);
}

static void attack_fifo(Forge *forge, const char *outside)
{
	(void)outside;
	forge_add(forge, entry_new("a", AE_IFIFO, 0644, 0), NULL, 0);
}

static void attack_device(Forge *forge, const char *outside)
{
	(void)outside;
	forge_add(forge, entry_new("a", AE_IFCHR, 0644, 0), NULL, 0);
}

static void attack_setuid(Forge *forge, const char *outside)
{
	(void)outside;
	forge_add(forge, entry_new("a", AE_IFREG, 04755, 1), "x", 1);
}

static void attack_mode(Forge *forge, const char *outside)
{
	(void)outside;
	forge_add(forge, entry_new("a", AE_IFREG, 0666, 1), "x", 1);
}

static void attack_folder_mode(Forge *forge, const char *outside)
{
	(void)outside;
	forge_add(forge, entry_new("a", AE_IFDIR, 0777, 0), NULL, 0);
}

static void attack_sparse(Forge *forge, const char *outside)
{
	(void)outside;
	struct archive_entry *entry = entry_new("a", AE_IFREG, 0644, 900);
	archive_entry_sparse_add_entry(entry, 899, 1);
	g_assert_cmpint(archive_write_header(forge->archive, entry), ==, ARCHIVE_OK);
	archive_entry_free(entry);
	char zeros[900] = "";
	g_assert_cmpint(archive_write_data(forge->archive, zeros, 900), ==, 900);
}

static void attack_xattr(Forge *forge, const char *outside)
{
	(void)outside;
	struct archive_entry *entry = entry_new("a", AE_IFREG, 0644, 1);
	archive_entry_xattr_add_entry(entry, "security.capability", "x", 1);
	forge_add(forge, entry, "x", 1);
}

static void attack_nanoseconds(Forge *forge, const char *outside)
{
	(void)outside;
	struct archive_entry *entry = entry_new("a", AE_IFREG, 0644, 1);
	archive_entry_set_mtime(entry, MTIME, 5);
	forge_add(forge, entry, "x", 1);
}

static void attack_order(Forge *forge, const char *outside)
{
	(void)outside;
	forge_file(forge, "b", "x", 1);
	forge_file(forge, "a", "x", 1);
}

static void attack_twice(Forge *forge, const char *outside)
{
	(void)outside;
	forge_file(forge, "a", "x", 1);
	forge_file(forge, "a", "y", 1);
}

static void attack_no_parent(Forge *forge, const char *outside)
{
	(void)outside;
	forge_file(forge, "a/b", "x", 1);
}

static void attack_file_parent(Forge *forge, const char *outside)
{
	(void)outside;
	forge_file(forge, "a", "x", 1);
	forge_file(forge, "a/b", "x", 1);
}

static void attack_second_header(Forge *forge, const char *outside)
{
	(void)outside;
	forge_file(forge, ".tagship-bundle", PLAIN_HEADER, strlen(PLAIN_HEADER));
}

static void attack_size(Forge *forge, const char *outside)
{
	(void)outside;
	char data[1001] = "";
	forge_file(forge, "a", data, sizeof data); /* the header says 1000 in all */
}

static void attack_fewer(Forge *forge, const char *outside)
{
	(void)outside;
	forge_file(forge, "a", "x", 1);
}

static void attack_root(Forge *forge, const char *outside)
{
	(void)outside;
	char data[1000] = "";
	forge_file(forge, "a", data, sizeof data); /* all is well but the root */
}

static void attack_long_name(Forge *forge, const char *outside)
{
	(void)outside;
	g_autofree char *name = g_strnfill(300, 'n');
	forge_file(forge, name, "x", 1);
}

static void test_attack(gconstpointer data)
{
	union {
		gconstpointer pointer;
		Attack function;
	} attack = {.pointer = data};
	g_auto(Pair) pair = pair_new();
	g_auto(Folder) outside = folder_new();
	g_autoptr(GError) error = NULL;
	fill(&pair);
	Forge forge = forge_new(".tagship-bundle", PLAIN_HEADER);
	attack.function(&forge, outside.path);
	util_autofd int fd = forge_finish(&forge);
	g_assert_false(pair_apply(&pair, fd, NULL, &error));
	assert_failed(error, TS_ERROR_CORRUPT, "bundle: ");
	g_autoptr(GPtrArray) names = util_fs_list(outside.fd, ".", NULL);
	g_assert_cmpuint(names->len, ==, 0);
}

/* Headers that claim, lie or come from the future. */
static void test_headers(void)
{
	static const struct {
		const char *name, *header;
		TsErrorCode code;
		const char *words;
	} rows[] = {
	    {".tagship-bundle", HEADER("1", "plain", "-", "1125899906842624", "1"),
	     TS_ERROR_REFUSED, "unpacks to 1125.9 TB"},
	    {".tagship-bundle", HEADER("1", "plain", "-", "1000", "9223372036854775807"),
	     TS_ERROR_REFUSED, "of memory"},
	    {"header", DELTA_HEADER("-", "1000", "999999999"), TS_ERROR_REFUSED, "of memory"},
	    {".tagship-bundle", HEADER("1", "plain", "-", "-1", "1"), TS_ERROR_CORRUPT, "Decoded"},
	    {".tagship-bundle", HEADER("1", "plain", "-", "99999999999999999999", "1"),
	     TS_ERROR_CORRUPT, "Decoded"},
	    {".tagship-bundle", DELTA_HEADER("-", "1000", "1"), TS_ERROR_CORRUPT, "belong"},
	    {"header", HEADER("1", "plain", "-", "1000", "1"), TS_ERROR_CORRUPT, "belong"},
	    {"header", DELTA_HEADER("x", "1000", "1"), TS_ERROR_CORRUPT, "malformed"},
	    {"header", HEADER("1", "zpaq", "-", "1000", "1"), TS_ERROR_UNSUPPORTED,
	     "another tagship"},
	    {"header", "Format: 3\nAnything: else\n", TS_ERROR_UNSUPPORTED, "newer tagship"},
	    {"header", "delta 3 and so on\n", TS_ERROR_UNSUPPORTED, "another tagship"},
	    {"header", "", TS_ERROR_CORRUPT, "header"},
	    {"header", "\xff\xff\n", TS_ERROR_CORRUPT, "header"},
	    {"header", DELTA_HEADER("-", "1000", "1"), TS_ERROR_CORRUPT, "starts from root -"},
	    {"hello", "world", TS_ERROR_CORRUPT, "not a tagship bundle"},
	    {NULL, NULL, TS_ERROR_CORRUPT, "not a tagship bundle"},
	};
	g_auto(Pair) pair = pair_new();
	fill(&pair);
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = NULL;
		Forge forge = forge_new(rows[i].name, rows[i].header);
		util_autofd int fd = forge_finish(&forge);
		g_assert_false(pair_apply(&pair, fd, NULL, &error));
		assert_failed(error, rows[i].code, rows[i].words);
	}
	g_autofree char *huge = g_strnfill(70000, 'x');
	Forge forge = forge_new("header", huge);
	util_autofd int fd = forge_finish(&forge);
	g_autoptr(GError) error = NULL;
	g_assert_false(pair_apply(&pair, fd, NULL, &error));
	assert_failed(error, TS_ERROR_REFUSED, "65536 bytes allowed");
}

/* Members of a delta that lie: the change list of another bundle, doubled or missing contents. */
static void test_members(void)
{
	g_auto(Pair) pair = pair_new();
	char old_root[UTIL_SHA256_HEX];
	fill(&pair);
	manifest_root(pair.old_manifest, old_root);
	g_autofree char *header =
	    g_strdup_printf("delta 2 %.16s %s 1 0 0 0 "
			    "%" G_GUINT64_FORMAT " 1\n",
			    old_root, pair.root, manifest_bytes(pair.new_manifest));
	static const char *const members[][2] = {
	    {"changes", ""},
	    {"changes", "x"},
	    {"changes", "\x05\x80\x80\x80\x80\x08\x01"}, /* claims 2 GiB */
	    {"contents-1", "x"},
	    {NULL, NULL},
	};
	for (guint i = 0; i < G_N_ELEMENTS(members); i++) {
		g_autoptr(GError) error = NULL;
		Forge forge = forge_new("header", header);
		if (members[i][0])
			forge_file(&forge, members[i][0], members[i][1], strlen(members[i][1]));
		util_autofd int fd = forge_finish(&forge);
		g_assert_false(pair_apply(&pair, fd, NULL, &error));
		assert_failed(error, TS_ERROR_CORRUPT, "bundle: ");
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		Attack attack;
	} attacks[] = {
	    {"absolute", attack_absolute},
	    {"parent", attack_parent},
	    {"parent-deep", attack_parent_deep},
	    {"dot", attack_dot},
	    {"link-out", attack_link_out},
	    {"link-up", attack_link_up},
	    {"through-link", attack_through_link},
	    {"hard-link", attack_hard_link},
	    {"fifo", attack_fifo},
	    {"device", attack_device},
	    {"setuid", attack_setuid},
	    {"mode", attack_mode},
	    {"folder-mode", attack_folder_mode},
	    {"sparse", attack_sparse},
	    {"xattr", attack_xattr},
	    {"nanoseconds", attack_nanoseconds},
	    {"order", attack_order},
	    {"twice", attack_twice},
	    {"no-parent", attack_no_parent},
	    {"file-parent", attack_file_parent},
	    {"second-header", attack_second_header},
	    {"size", attack_size},
	    {"fewer", attack_fewer},
	    {"root", attack_root},
	    {"long-name", attack_long_name},
	};
	g_test_init(&argc, &argv, NULL);
	g_test_add_data_func("/damage/file/plain", GUINT_TO_POINTER(BUNDLE_CODEC_PLAIN), test_file);
	g_test_add_data_func("/damage/file/delta", GUINT_TO_POINTER(BUNDLE_CODEC_DELTA), test_file);
	g_test_add_data_func("/damage/tar/plain", GUINT_TO_POINTER(BUNDLE_CODEC_PLAIN), test_tar);
	g_test_add_data_func("/damage/tar/delta", GUINT_TO_POINTER(BUNDLE_CODEC_DELTA), test_tar);
	for (guint i = 0; i < G_N_ELEMENTS(attacks); i++) {
		g_autofree char *path = g_strconcat("/damage/attack/", attacks[i].name, NULL);
		union {
			Attack function;
			gconstpointer pointer;
		} attack = {.function = attacks[i].attack};
		g_test_add_data_func(path, attack.pointer, test_attack);
	}
	g_test_add_func("/damage/headers", test_headers);
	g_test_add_func("/damage/members", test_members);
	return g_test_run();
}
