/* SPDX-License-Identifier: ISC */
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "files.h"

/* A small tree of everything a tree may have. */
static void fill(const Folder *folder)
{
	put_dir(folder, "a");
	put_dir(folder, "a/deep");
	put_dir(folder, "empty");
	put_file(folder, "a/deep/file", "content");
	put_bytes(folder, "a/run", "#!/bin/sh\n", 10, 0755);
	put_bytes(folder, "nothing", "", 0, 0644);
	put_link(folder, "link", "a/deep");
	put_file(folder, "odd \n\xff\x01%", "odd");
	set_time(folder, "a/deep", MTIME + 1);
	set_time(folder, "a", MTIME + 2);
	set_time(folder, "empty", MTIME + 3);
}

static void test_scan(void)
{
	g_auto(Folder) folder = folder_new();
	fill(&folder);
	g_autoptr(Manifest) manifest = scan_strict(&folder);
	g_autoptr(GBytes) text = manifest_format(manifest);
	static const char expected[] =
	    "tagship-manifest 1\n"
	    "d 0755 1700000002 a\n"
	    "d 0755 1700000001 a/deep\n"
	    "f 0644 7 1700000000 "
	    "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73 a/deep/file\n"
	    "f 0755 10 1700000000 "
	    "a8076d3d28d21e02012b20eaf7dbf75409a6277134439025f282e368e3305abf a/run\n"
	    "d 0755 1700000003 empty\n"
	    "l 1700000000 link a/deep\n"
	    "f 0644 0 1700000000 "
	    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 nothing\n"
	    "f 0644 3 1700000000 "
	    "990cb8ebd0afb7150da453a213036a92f2c05e091df0d803e62d257ea7796c27 "
	    "odd%20%0A\xff%01%25\n";
	g_assert_cmpmem(g_bytes_get_data(text, NULL), g_bytes_get_size(text), expected,
			strlen(expected));
}

static void test_scan_empty(void)
{
	g_auto(Folder) folder = folder_new();
	g_autoptr(Manifest) manifest = scan_strict(&folder);
	g_assert_cmpuint(manifest_count(manifest), ==, 0);
}

static void scan_fails(const Folder *folder, gboolean normalize, const char *words)
{
	g_autoptr(GError) error = NULL;
	TreeScan options = {.normalize = normalize};
	g_autoptr(Manifest) manifest = tree_scan(folder->fd, &options, &error);
	g_assert_null(manifest);
	assert_failed(error, TS_ERROR_REFUSED, words);
}

static void test_modes(void)
{
	g_auto(Folder) folder = folder_new();
	put_bytes(&folder, "f", "x", 1, 0600);
	scan_fails(&folder, FALSE, "f: a file's mode must be 0644 or 0755");
	g_autoptr(Manifest) plain = scan_normal(&folder);
	g_assert_cmpint(manifest_find(plain, "f")->mode, ==, 0644);
	put_bytes(&folder, "f", "x", 1, 0710);
	g_autoptr(Manifest) executable = scan_normal(&folder);
	g_assert_cmpint(manifest_find(executable, "f")->mode, ==, 0755);
	put_dir(&folder, "d");
	g_assert_cmpint(fchmodat(folder.fd, "d", 0700, 0), ==, 0);
	g_autoptr(Manifest) dir = scan_normal(&folder);
	g_assert_cmpint(manifest_find(dir, "d")->mode, ==, 0755);
	put_bytes(&folder, "f", "x", 1, 0644);
	scan_fails(&folder, FALSE, "d: a folder's mode must be 0755");
}

static void test_special_files(void)
{
	for (guint normalize = 0; normalize < 2; normalize++) {
		g_auto(Folder) folder = folder_new();
		g_assert_cmpint(mkfifoat(folder.fd, "pipe", 0644), ==, 0);
		scan_fails(&folder, normalize == 1, "pipe: a FIFO");
		g_assert_cmpint(unlinkat(folder.fd, "pipe", 0), ==, 0);

		put_bytes(&folder, "su", "x", 1, 04755);
		scan_fails(&folder, normalize == 1, "su: set-uid");
		put_bytes(&folder, "su", "x", 1, 02755);
		scan_fails(&folder, normalize == 1, "su: set-uid");
		g_assert_cmpint(unlinkat(folder.fd, "su", 0), ==, 0);

		put_link(&folder, "l", "../out");
		scan_fails(&folder, normalize == 1, "l -> ../out: it leaves the tree");
		g_assert_cmpint(unlinkat(folder.fd, "l", 0), ==, 0);
		put_link(&folder, "l", "/etc/passwd");
		scan_fails(&folder, normalize == 1, "l -> /etc/passwd");
		g_assert_cmpint(unlinkat(folder.fd, "l", 0), ==, 0);

		struct sockaddr_un address = {.sun_family = AF_UNIX};
		g_snprintf(address.sun_path, sizeof address.sun_path, "%s/sock", folder.path);
		util_autofd int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		g_assert_cmpint(bind(sock, (struct sockaddr *)&address, sizeof address), ==, 0);
		scan_fails(&folder, normalize == 1, "sock: a socket");
	}
}

/* Only root can make these. */
static void test_root_files(void)
{
	/* struct vfs_cap_data of version 2: CAP_NET_BIND_SERVICE, permitted and effective */
	static const guint8 capability[20] = {1, 0, 0, 2, 0, 4};
	for (guint normalize = 0; normalize < 2; normalize++) {
		g_auto(Folder) folder = folder_new();
		put_bytes(&folder, "server", "x", 1, 0755);
		g_autofree char *path = g_build_filename(folder.path, "server", NULL);
		if (mknodat(folder.fd, "null", S_IFCHR | 0644, 0x103) != 0 ||
		    setxattr(path, "security.capability", capability, sizeof capability, 0) != 0) {
			g_test_skip("not allowed here");
			return;
		}
		scan_fails(&folder, normalize == 1, "null: a device");
		g_assert_cmpint(unlinkat(folder.fd, "null", 0), ==, 0);
		scan_fails(&folder, normalize == 1, "server: files with capabilities");
		g_assert_cmpint(removexattr(path, "security.capability"), ==, 0);
		g_autoptr(Manifest) manifest = scan_normal(&folder);
		g_assert_cmpuint(manifest_count(manifest), ==, 1);
	}
}

static void test_limits(void)
{
	g_auto(Folder) folder = folder_new();
	g_autoptr(GError) error = NULL;
	put_file(&folder, "a", "12345");
	put_file(&folder, "b", "12345");
	TreeScan options = {.max_bytes = 9};
	g_autoptr(Manifest) refused = tree_scan(folder.fd, &options, &error);
	g_assert_null(refused);
	assert_failed(error, TS_ERROR_REFUSED, "larger than 9 B");
	options.max_bytes = 10;
	g_autoptr(Manifest) fits = tree_scan(folder.fd, &options, NULL);
	g_assert_nonnull(fits);
}

static void test_skip(void)
{
	static const char *const skip[] = {".git", "node_modules", NULL};
	g_auto(Folder) folder = folder_new();
	g_autoptr(GError) error = NULL;
	TreeScan options = {.normalize = TRUE, .skip = skip};
	put_dir(&folder, ".git");
	put_file(&folder, ".git/x", "x");
	put_dir(&folder, "a");
	put_dir(&folder, "a/.git");
	g_autoptr(Manifest) manifest = tree_scan(folder.fd, &options, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(manifest_count(manifest), ==, 2);
	g_assert_nonnull(manifest_find(manifest, "a/.git"));
}

/* Two names of one file are two files. */
static void test_hard_links(void)
{
	g_auto(Folder) folder = folder_new();
	put_file(&folder, "a", "same");
	g_assert_cmpint(linkat(folder.fd, "a", folder.fd, "b", 0), ==, 0);
	g_autoptr(Manifest) manifest = scan_strict(&folder);
	g_assert_cmpuint(manifest_bytes(manifest), ==, 8);
}

static void test_deep(void)
{
	g_auto(Folder) folder = folder_new();
	g_autoptr(GString) path = g_string_new("d");
	g_autoptr(GError) error = NULL;
	put_dir(&folder, path->str);
	while (path->len < MANIFEST_PATH_MAX - 2) {
		g_string_append(path, "/d");
		put_dir(&folder, path->str);
	}
	g_autoptr(Manifest) manifest = scan_normal(&folder);
	g_assert_cmpuint(manifest_count(manifest), ==, MANIFEST_PATH_MAX / 2);
	tree_finish(folder.fd, manifest, NULL, &error);
	g_assert_no_error(error);
	tree_check(folder.fd, manifest, NULL, NULL, &error);
	g_assert_no_error(error);
}

static void check_fails(const Folder *folder, const Manifest *manifest, const char *path,
			const char *what)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) altered = NULL;
	g_autofree char *words = g_strdup_printf("%s (%s)", path, what);
	g_assert_false(tree_check(folder->fd, manifest, &altered, NULL, &error));
	assert_failed(error, TS_ERROR_CORRUPT, words);
	g_assert_cmpuint(altered->len, >=, 1);
	gboolean named = FALSE;
	for (guint i = 0; i < altered->len; i++)
		named = named || strcmp(g_ptr_array_index(altered, i), path) == 0;
	g_assert_true(named);
}

/* Each kind of change that the numbers of a file or folder may show. */
typedef struct {
	const char *name;
	void (*change)(const Folder *folder);
	const char *path, *what;
} Alteration;

static void alter_content(const Folder *folder)
{
	put_file(folder, "a/deep/file", "cONTENT");
}

static void alter_size(const Folder *folder)
{
	put_file(folder, "a/deep/file", "content!");
}

static void alter_time(const Folder *folder)
{
	set_time(folder, "a/run", MTIME + 60);
}

static void alter_mode(const Folder *folder)
{
	g_assert_cmpint(fchmodat(folder->fd, "a/run", 0644, 0), ==, 0);
}

static void alter_target(const Folder *folder)
{
	g_assert_cmpint(unlinkat(folder->fd, "link", 0), ==, 0);
	put_link(folder, "link", "a/deep/");
	set_time(folder, "link", MTIME);
}

static void alter_type(const Folder *folder)
{
	g_assert_cmpint(unlinkat(folder->fd, "nothing", 0), ==, 0);
	put_link(folder, "nothing", "a");
}

static void alter_extra(const Folder *folder)
{
	put_file(folder, "empty/new", "");
	set_time(folder, "empty", MTIME + 3);
}

static void alter_missing(const Folder *folder)
{
	g_assert_cmpint(unlinkat(folder->fd, "a/deep/file", 0), ==, 0);
	set_time(folder, "a/deep", MTIME + 1);
}

static void alter_folder_time(const Folder *folder)
{
	set_time(folder, "a", MTIME);
}

static void alter_folder_to_link(const Folder *folder)
{
	g_assert_cmpint(renameat(folder->fd, "a/deep", folder->fd, "moved"), ==, 0);
	put_link(folder, "a/deep", "../moved");
	set_time(folder, "a", MTIME + 2);
}

static void alter_fifo(const Folder *folder)
{
	g_assert_cmpint(unlinkat(folder->fd, "nothing", 0), ==, 0);
	g_assert_cmpint(mkfifoat(folder->fd, "nothing", 0644), ==, 0);
}

static const Alteration alterations[] = {
    {"content", alter_content, "a/deep/file", "altered"},
    {"size", alter_size, "a/deep/file", "another size"},
    {"time", alter_time, "a/run", "another time"},
    {"mode", alter_mode, "a/run", "another mode"},
    {"target", alter_target, "link", "another target"},
    {"type", alter_type, "nothing", "another type"},
    {"extra", alter_extra, "empty/new", "extra"},
    {"missing", alter_missing, "a/deep/file", "missing"},
    {"folder-time", alter_folder_time, "a", "another time"},
    {"folder-to-link", alter_folder_to_link, "a/deep", "another type"},
    {"fifo", alter_fifo, "nothing", "another type"},
};

static void test_check(void)
{
	g_auto(Folder) folder = folder_new();
	g_autoptr(GPtrArray) altered = NULL;
	g_autoptr(GError) error = NULL;
	fill(&folder);
	g_autoptr(Manifest) manifest = scan_strict(&folder);
	g_assert_true(tree_check(folder.fd, manifest, &altered, NULL, &error));
	g_assert_no_error(error);
	g_assert_cmpuint(altered->len, ==, 0);
}

static void test_check_alteration(gconstpointer data)
{
	const Alteration *row = data;
	g_auto(Folder) folder = folder_new();
	fill(&folder);
	g_autoptr(Manifest) manifest = scan_strict(&folder);
	row->change(&folder);
	check_fails(&folder, manifest, row->path, row->what);
}

static void test_check_many(void)
{
	g_auto(Folder) folder = folder_new();
	g_auto(Folder) other = folder_new();
	g_autoptr(GPtrArray) altered = NULL;
	g_autoptr(GError) error = NULL;
	for (guint i = 0; i < 20; i++) {
		g_autofree char *name = g_strdup_printf("f%02u", i);
		put_file(&folder, name, name);
	}
	g_autoptr(Manifest) manifest = scan_strict(&folder);
	g_assert_false(tree_check(other.fd, manifest, &altered, NULL, &error));
	g_assert_cmpuint(altered->len, ==, 20);
	assert_failed(error, TS_ERROR_CORRUPT, "20 entries are not as released");
	assert_failed(error, TS_ERROR_CORRUPT, "and 15 more");
}

/* The same alterations must be found from the numbers alone. */
static void test_stat_alteration(gconstpointer data)
{
	const Alteration *row = data;
	g_auto(Folder) folder = folder_new();
	g_autoptr(GError) error = NULL;
	fill(&folder);
	g_autoptr(Manifest) manifest = scan_strict(&folder);
	g_autofree char *stats = NULL;
	(void)tree_check(folder.fd, manifest, NULL, &stats, &error);
	g_assert_no_error(error);
	g_assert_true(tree_stat_check(folder.fd, stats, strlen(stats), manifest, &error));
	g_assert_no_error(error);
	g_usleep(20 * 1000); /* past the clock tick of ctime */
	row->change(&folder);
	g_assert_false(tree_stat_check(folder.fd, stats, strlen(stats), manifest, &error));
	assert_failed(error, TS_ERROR_CORRUPT, row->path);
}

/* Touched but equal: accepted. Numbers lost or damaged: everything is hashed. */
static void test_stat_equal(void)
{
	g_auto(Folder) folder = folder_new();
	g_autoptr(GError) error = NULL;
	fill(&folder);
	g_autoptr(Manifest) manifest = scan_strict(&folder);
	g_autofree char *stats = NULL;
	(void)tree_check(folder.fd, manifest, NULL, &stats, &error);
	put_file(&folder, "a/deep/file", "content");
	set_time(&folder, "a/deep", MTIME + 1);
	g_assert_cmpint(renameat(folder.fd, "a", folder.fd, "b"), ==, 0);
	g_assert_cmpint(renameat(folder.fd, "b", folder.fd, "a"), ==, 0);
	g_assert_true(tree_stat_check(folder.fd, stats, strlen(stats), manifest, &error));
	g_assert_no_error(error);
	static const char *const damaged[] = {
	    "", "x", "tagship-stat 1\n", "tagship-stat 1\n1 2 3\n", "tagship-stat 1\n a\n\n \n"};
	for (guint i = 0; i < G_N_ELEMENTS(damaged); i++) {
		g_assert_true(
		    tree_stat_check(folder.fd, damaged[i], strlen(damaged[i]), manifest, &error));
		g_assert_no_error(error);
	}
	for (gsize cut = strlen(stats); cut > 0; cut -= MIN(cut, 37))
		g_assert_true(tree_stat_check(folder.fd, stats, cut, manifest, NULL));
}

/* With fresh numbers nothing is hashed: content altered behind the numbers' back goes unseen.
 * (That is what makes it cheap; ctime is what no user can set back.) */
static void test_stat_is_cheap(void)
{
	g_auto(Folder) folder = folder_new();
	g_autoptr(GError) error = NULL;
	fill(&folder);
	g_autoptr(Manifest) manifest = scan_strict(&folder);
	guint index = 0;
	static const guint8 wrong[UTIL_SHA256_BYTES] = {1};
	g_assert_true(manifest_index(manifest, "a/run", &index));
	g_autofree char *stats = NULL;
	(void)tree_check(folder.fd, manifest, NULL, &stats, &error);
	manifest_set_sha256(manifest, index, wrong);
	g_assert_true(tree_stat_check(folder.fd, stats, strlen(stats), manifest, &error));
	g_assert_false(tree_check(folder.fd, manifest, NULL, NULL, &error));
}

static void test_write(void)
{
	g_auto(Folder) from = folder_new();
	g_auto(Folder) to = folder_new();
	g_autoptr(GError) error = NULL;
	fill(&from);
	g_autoptr(Manifest) manifest = scan_strict(&from);
	for (guint i = 0; i < manifest_count(manifest); i++) {
		const ManifestEntry *entry = manifest_entry(manifest, i);
		if (entry->type == MANIFEST_DIR)
			tree_make_dir(to.fd, entry->path, &error);
		else if (entry->type == MANIFEST_LINK)
			tree_make_link(to.fd, entry->path, entry->target, &error);
		else
			tree_copy_file(from.fd, entry->path, to.fd, entry->path, entry, &error);
		g_assert_no_error(error);
	}
	tree_finish(to.fd, manifest, NULL, &error);
	g_assert_no_error(error);
	tree_check(to.fd, manifest, NULL, NULL, &error);
	g_assert_no_error(error);
	struct stat st;
	g_assert_cmpint(fstat(to.fd, &st), ==, 0);
	g_assert_cmpint(st.st_mode & 07777, ==, 0755);
}

/* Nothing is written or read outside, or through links, and nothing is overwritten. */
static void test_beneath(void)
{
	g_auto(Folder) outside = folder_new();
	g_auto(Folder) folder = folder_new();
	put_file(&outside, "secret", "secret");
	put_link(&folder, "out", outside.path);
	put_dir(&folder, "d");
	put_file(&folder, "d/f", "f");
	static const char *const names[] = {"out/new", "../new", "/tmp/new", "d/../../new",
					    "d/f",     "d",      "out",      "none/new"};
	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autoptr(GError) error = NULL;
		util_autofd int fd = tree_make_file(folder.fd, names[i], &error);
		if (fd >= 0)
			g_error("made %s", names[i]);
		g_assert_nonnull(error);
		g_assert_false(tree_make_dir(folder.fd, names[i], NULL));
		g_assert_false(tree_make_link(folder.fd, names[i], "x", NULL));
	}
	util_autofd int secret = tree_open_file(folder.fd, "out/secret", NULL);
	g_assert_cmpint(secret, ==, -1);
	g_autoptr(GPtrArray) left = util_fs_list(outside.fd, ".", NULL);
	g_assert_cmpuint(left->len, ==, 1);
}

static void test_copy_refusals(void)
{
	g_auto(Folder) from = folder_new();
	g_auto(Folder) to = folder_new();
	put_file(&from, "f", "content");
	put_link(&from, "l", "f");
	g_assert_cmpint(mkfifoat(from.fd, "p", 0644), ==, 0);
	g_autofree char *path = g_strdup("f");
	ManifestEntry entry = {.path = path, .size = 7, .type = MANIFEST_FILE, .mode = 0644};
	util_sha256_data("content", 7, entry.sha256);
	g_autoptr(GError) error = NULL;
	g_assert_true(tree_copy_file(from.fd, "f", to.fd, "ok", &entry, &error));

	g_assert_false(tree_copy_file(from.fd, "f", to.fd, "ok", &entry, &error));
	assert_failed(error, TS_ERROR_EXISTS, "ok");
	g_clear_error(&error);
	put_file(&from, "f", "cONTENT");
	g_assert_false(tree_copy_file(from.fd, "f", to.fd, "altered", &entry, &error));
	assert_failed(error, TS_ERROR_CORRUPT, "f: its content is not what the manifest says");
	g_clear_error(&error);
	put_file(&from, "f", "content!");
	g_assert_false(tree_copy_file(from.fd, "f", to.fd, "longer", &entry, &error));
	assert_failed(error, TS_ERROR_CORRUPT, "f: it has 8 bytes, not 7");
	g_clear_error(&error);
	g_assert_false(tree_copy_file(from.fd, "p", to.fd, "pipe", &entry, &error));
	assert_failed(error, TS_ERROR_CORRUPT, "p: not a regular file");
	g_clear_error(&error);
	g_assert_false(tree_copy_file(from.fd, "l", to.fd, "link", &entry, &error));
	g_clear_error(&error);
	g_assert_false(tree_copy_file(from.fd, "none", to.fd, "none", &entry, &error));
	assert_failed(error, TS_ERROR_NOT_FOUND, "none");
}

static void count_progress(gpointer user_data, const char *what, guint64 done, guint64 total)
{
	guint64 *last = user_data;
	g_assert_cmpstr(what, ==, "hashing");
	g_assert_cmpuint(done, <=, total);
	g_assert_cmpuint(done, >=, *last);
	*last = done;
}

static guint64 inode_of(const Folder *folder, const char *path, struct stat *ret_st)
{
	g_assert_cmpint(fstatat(folder->fd, path, ret_st, AT_SYMLINK_NOFOLLOW), ==, 0);
	return ret_st->st_ino;
}

/* A second name only where mode and time stay; what is copied has its own. The old file is never
 * changed. */
static void test_take(void)
{
	g_auto(Folder) from = folder_new();
	g_auto(Folder) to = folder_new();
	put_file(&from, "f", "content");
	struct timespec times[2] = {{1000, 0}, {1000, 0}};
	g_assert_cmpint(utimensat(from.fd, "f", times, 0), ==, 0);
	g_assert_cmpint(fchmodat(from.fd, "f", 0644, 0), ==, 0);
	g_autoptr(GError) error = NULL;
	g_autofree char *name = g_strdup("f");
	ManifestEntry old = {
	    .path = name, .size = 7, .type = MANIFEST_FILE, .mode = 0644, .mtime_s = 1000};
	const struct {
		const char *path;
		TreeTake how;
		mode_t mode;
		gint64 mtime_s;
		gboolean linked;
	} rows[] = {{"linked", TREE_TAKE_LINKS, 0644, 1000, TRUE},
		    {"other-mode", TREE_TAKE_LINKS, 0755, 1000, FALSE},
		    {"other-time", TREE_TAKE_LINKS, 0644, 2000, FALSE},
		    {"copied", TREE_TAKE_COPIES, 0644, 1000, FALSE}};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct stat a;
		struct stat b;
		g_autofree char *path = g_strdup(rows[i].path);
		g_autoptr(TreeTaker) taker = tree_taker_new(from.fd, to.fd, rows[i].how);
		ManifestEntry new = {.path = path,
				     .size = 7,
				     .type = MANIFEST_FILE,
				     .mode = rows[i].mode,
				     .mtime_s = rows[i].mtime_s};
		g_assert_true(tree_take_file(taker, &old, &new, &error));
		g_assert_no_error(error);
		g_assert_cmpint(inode_of(&from, "f", &a) == inode_of(&to, path, &b), ==,
				rows[i].linked);
		g_assert_cmpint(b.st_mode & 07777, ==, rows[i].mode);
		g_assert_cmpint(b.st_mtim.tv_sec, ==, rows[i].mtime_s);
		g_assert_cmpint(a.st_mtim.tv_sec, ==, 1000);
		g_assert_cmpint(a.st_mode & 07777, ==, 0644);
		g_autofree char *text = NULL;
		g_assert_true(util_fs_read_file(to.fd, path, 100, &text, NULL, &error));
		g_assert_cmpstr(text, ==, "content");
	}
}

static void test_take_refusals(void)
{
	g_auto(Folder) from = folder_new();
	g_auto(Folder) to = folder_new();
	put_file(&from, "f", "content!");
	put_link(&from, "l", "f");
	g_autofree char *file = g_strdup("f");
	g_autofree char *link = g_strdup("l");
	g_autofree char *none = g_strdup("none");
	g_autoptr(TreeTaker) taker = tree_taker_new(from.fd, to.fd, TREE_TAKE_COPIES);
	ManifestEntry entry = {.path = file, .size = 7, .type = MANIFEST_FILE, .mode = 0644};
	g_autoptr(GError) error = NULL;
	g_assert_false(tree_take_file(taker, &entry, &entry, &error));
	assert_failed(error, TS_ERROR_CORRUPT, "f: it has 8 bytes, not 7");
	g_clear_error(&error);
	entry.path = link;
	g_assert_false(tree_take_file(taker, &entry, &entry, &error));
	g_clear_error(&error);
	entry.path = none;
	g_assert_false(tree_take_file(taker, &entry, &entry, &error));
	assert_failed(error, TS_ERROR_NOT_FOUND, "none");
}

/* Enough for threads: all are there, and of two that fail the first is told. */
static void test_take_files(void)
{
	g_auto(Folder) from = folder_new();
	g_auto(Folder) to = folder_new();
	g_auto(Folder) again = folder_new();
	enum { COUNT = 2500 };
	g_autofree ManifestEntry *entries = g_new0(ManifestEntry, COUNT);
	g_autoptr(GArray) pairs = g_array_new(FALSE, FALSE, sizeof(TreePair));
	g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GError) error = NULL;
	for (guint i = 0; i < COUNT; i++) {
		char *path = g_strdup_printf("f%u", i);
		g_ptr_array_add(paths, path);
		put_file(&from, path, "content");
		entries[i] = (ManifestEntry){
		    .path = path, .size = 7, .type = MANIFEST_FILE, .mode = 0644, .mtime_s = 5};
		TreePair pair = {&entries[i], &entries[i]};
		g_array_append_val(pairs, pair);
	}
	g_assert_true(tree_take_files(from.fd, to.fd, TREE_TAKE_COPIES, pairs, NULL, &error));
	g_assert_no_error(error);
	g_autoptr(GPtrArray) names = util_fs_list(to.fd, ".", NULL);
	g_assert_cmpuint(names->len, ==, COUNT);
	put_file(&from, "f700", "longer than it was");
	put_file(&from, "f2400", "longer than it was");
	g_assert_false(tree_take_files(from.fd, again.fd, TREE_TAKE_COPIES, pairs, NULL, &error));
	assert_failed(error, TS_ERROR_CORRUPT, "f700: ");
}

/* Mode and time of a file with a second name are the old tree's too. */
static void test_finish_linked(void)
{
	g_auto(Folder) folder = folder_new();
	struct stat st;
	put_file(&folder, "f", "x");
	g_autoptr(GError) error = NULL;
	g_autoptr(Manifest) manifest = tree_scan(folder.fd, &(TreeScan){.normalize = TRUE}, &error);
	g_assert_no_error(error);
	g_assert_cmpint(linkat(folder.fd, "f", folder.fd, "g", 0), ==, 0);
	g_assert_cmpint(fchmodat(folder.fd, "f", 0600, 0), ==, 0);
	g_assert_true(tree_finish(folder.fd, manifest, NULL, &error));
	(void)inode_of(&folder, "g", &st);
	g_assert_cmpint(st.st_mode & 07777, ==, 0600);
	g_assert_cmpint(unlinkat(folder.fd, "g", 0), ==, 0);
	g_assert_true(tree_finish(folder.fd, manifest, NULL, &error));
	(void)inode_of(&folder, "f", &st);
	g_assert_cmpint(st.st_mode & 07777, ==, 0644);
}

static void test_stat_renew(void)
{
	static const char head[] = "tagship-stat 1\n";
	g_autofree char *old =
	    g_strconcat(head, "1 11 5 100.000000000 200.000000000 a\n",
			"1 12 5 100.000000000 200.000000000 b\n",
			"1 13 6 100.000000000 200.000000000 c\n", "broken", NULL);
	/* a: another name was given to it; b: its time changed too; c: another size */
	g_autofree char *fresh = g_strconcat(head, "1 11 5 100.000000000 300.000000000 x/a\n",
					     "1 12 5 101.000000000 300.000000000 b\n",
					     "1 13 5 100.000000000 300.000000000 c\n", NULL);
	g_autofree char *expected =
	    g_strconcat(head, "1 11 5 100.000000000 300.000000000 a\n",
			"1 12 5 100.000000000 200.000000000 b\n",
			"1 13 6 100.000000000 200.000000000 c\n", "broken", NULL);
	g_autofree char *renewed = tree_stat_renew(old, strlen(old), fresh, strlen(fresh));
	g_assert_cmpstr(renewed, ==, expected);
	g_assert_null(tree_stat_renew(renewed, strlen(renewed), fresh, strlen(fresh)));
	g_assert_null(tree_stat_renew("", 0, fresh, strlen(fresh)));
}

static void test_progress(void)
{
	g_auto(Folder) folder = folder_new();
	g_autoptr(GError) error = NULL;
	guint64 last = 0;
	UtilProgress progress = {count_progress, &last};
	TreeScan options = {.progress = &progress};
	g_autofree char *text = g_strnfill(100000, 'x');
	for (guint i = 0; i < 50; i++) {
		g_autofree char *name = g_strdup_printf("f%02u", i);
		put_file(&folder, name, text);
	}
	g_autoptr(Manifest) manifest = tree_scan(folder.fd, &options, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(last, ==, 5000000);
	guint8 digest[UTIL_SHA256_BYTES];
	util_sha256_data(text, 100000, digest);
	for (guint i = 0; i < 50; i++)
		g_assert_cmpmem(manifest_entry(manifest, i)->sha256, sizeof digest, digest,
				sizeof digest);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/tree/scan", test_scan);
	g_test_add_func("/tree/scan-empty", test_scan_empty);
	g_test_add_func("/tree/modes", test_modes);
	g_test_add_func("/tree/special-files", test_special_files);
	g_test_add_func("/tree/root-files", test_root_files);
	g_test_add_func("/tree/limits", test_limits);
	g_test_add_func("/tree/skip", test_skip);
	g_test_add_func("/tree/hard-links", test_hard_links);
	g_test_add_func("/tree/deep", test_deep);
	g_test_add_func("/tree/check", test_check);
	for (guint i = 0; i < G_N_ELEMENTS(alterations); i++) {
		g_autofree char *check = g_strconcat("/tree/check/", alterations[i].name, NULL);
		g_autofree char *stat = g_strconcat("/tree/stat/", alterations[i].name, NULL);
		g_test_add_data_func(check, &alterations[i], test_check_alteration);
		g_test_add_data_func(stat, &alterations[i], test_stat_alteration);
	}
	g_test_add_func("/tree/check-many", test_check_many);
	g_test_add_func("/tree/stat-equal", test_stat_equal);
	g_test_add_func("/tree/stat-is-cheap", test_stat_is_cheap);
	g_test_add_func("/tree/write", test_write);
	g_test_add_func("/tree/beneath", test_beneath);
	g_test_add_func("/tree/copy-refusals", test_copy_refusals);
	g_test_add_func("/tree/take", test_take);
	g_test_add_func("/tree/take-refusals", test_take_refusals);
	g_test_add_func("/tree/take-files", test_take_files);
	g_test_add_func("/tree/finish-linked", test_finish_linked);
	g_test_add_func("/tree/stat-renew", test_stat_renew);
	g_test_add_func("/tree/progress", test_progress);
	return g_test_run();
}
