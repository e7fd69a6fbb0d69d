/* SPDX-License-Identifier: ISC */
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/util.h"

typedef struct {
	char *path;
	int dirfd;
} Folder;

static void folder_setup(Folder *folder, gconstpointer data)
{
	(void)data; /* the same for all */
	folder->path = g_dir_make_tmp("tagship-util-XXXXXX", NULL);
	folder->dirfd = util_fs_open_dir(AT_FDCWD, folder->path, NULL);
	g_assert_cmpint(folder->dirfd, >=, 0);
}

static void folder_teardown(Folder *folder, gconstpointer data)
{
	(void)data; /* as above */
	close(folder->dirfd);
	g_assert_true(util_fs_remove_tree(AT_FDCWD, folder->path, NULL));
	g_free(folder->path);
}

static void test_write_read(Folder *folder, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	g_autofree char *text = NULL;
	gsize len = 0;
	g_assert_true(util_fs_mkdir_parents(folder->dirfd, "a/b", 0755, &error));
	g_assert_true(util_fs_write_file(folder->dirfd, "a/b/f", "one", 3, 0600, &error));
	g_assert_true(util_fs_write_file(folder->dirfd, "a/b/f", "two!", 4, 0600, &error));
	g_assert_true(util_fs_read_file(folder->dirfd, "a/b/f", 4, &text, &len, &error));
	g_assert_cmpstr(text, ==, "two!");
	g_assert_false(util_fs_read_file(folder->dirfd, "a/b/f", 3, &text, &len, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	g_clear_error(&error);
	g_assert_false(util_fs_create_file(folder->dirfd, "a/b/f", "x", 1, 0600, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_EXISTS);
	g_clear_error(&error);
	g_assert_false(util_fs_read_file(folder->dirfd, "a/none", 3, &text, &len, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
	g_clear_error(&error);
	/* no temporary file stays behind */
	g_autoptr(GDir) dir = NULL;
	g_autofree char *sub = g_build_filename(folder->path, "a/b", NULL);
	dir = g_dir_open(sub, 0, NULL);
	g_assert_cmpstr(g_dir_read_name(dir), ==, "f");
	g_assert_null(g_dir_read_name(dir));
}

static void test_fifo_and_links(Folder *folder, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	char *text = NULL;
	g_autofree char *fifo = g_build_filename(folder->path, "fifo", NULL);
	g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
	g_assert_false(util_fs_read_file(folder->dirfd, "fifo", 10, &text, NULL, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	g_clear_error(&error);
	g_assert_true(util_fs_symlink_replace(folder->dirfd, "one", "link", &error));
	g_assert_true(util_fs_symlink_replace(folder->dirfd, "two", "link", &error));
	g_autofree char *target = util_fs_readlink(folder->dirfd, "link", &error);
	g_assert_cmpstr(target, ==, "two");
	g_assert_true(util_fs_write_file(folder->dirfd, "two", "x", 1, 0600, &error));
	g_assert_false(util_fs_read_file(folder->dirfd, "link", 10, &text, NULL, &error));
	g_clear_error(&error);
	g_assert_cmpint(util_fs_open_beneath(folder->dirfd, "link", O_RDONLY, 0, &error), <, 0);
	g_clear_error(&error);
	g_assert_cmpint(util_fs_open_beneath(folder->dirfd, "../x", O_RDONLY, 0, &error), <, 0);
}

static void test_remove_and_sweep(Folder *folder, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	g_assert_true(util_fs_mkdir_parents(folder->dirfd, "t/ro/deep", 0755, &error));
	g_assert_true(util_fs_write_file(folder->dirfd, "t/ro/deep/f", "x", 1, 0444, &error));
	g_assert_true(util_fs_write_file(folder->dirfd, "keep", "x", 1, 0444, &error));
	g_assert_true(util_fs_symlink(folder->dirfd, "../../keep", "t/ro/link", &error));
	g_assert_cmpint(fchmodat(folder->dirfd, "t/ro", 0500, 0), ==, 0);
	g_assert_true(util_fs_remove_tree(folder->dirfd, "t", &error));
	g_assert_true(util_fs_remove_tree(folder->dirfd, "t", &error));
	g_assert_cmpint(faccessat(folder->dirfd, "keep", F_OK, 0), ==, 0);
	g_assert_true(util_fs_write_file(folder->dirfd, "x", "x", 1, 0600, &error));
	g_assert_cmpint(renameat(folder->dirfd, "x", folder->dirfd, ".tmp-x"), ==, 0);
	g_autoptr(GPtrArray) names = util_fs_list(folder->dirfd, ".", &error);
	g_assert_cmpuint(names->len, ==, 1);
	g_assert_true(util_fs_sweep_tmp(folder->dirfd, ".", 3600, &error));
	g_assert_cmpint(faccessat(folder->dirfd, ".tmp-x", F_OK, 0), ==, 0);
	g_assert_true(util_fs_sweep_tmp(folder->dirfd, ".", 0, &error));
	g_assert_cmpint(faccessat(folder->dirfd, ".tmp-x", F_OK, 0), !=, 0);
}

static void test_lock(Folder *folder, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	int fd = util_fs_lock(folder->dirfd, "lock", 0, &error);
	g_assert_cmpint(fd, >=, 0);
	g_assert_cmpint(util_fs_lock(folder->dirfd, "lock", 50, &error), <, 0);
	g_assert_error(error, TS_ERROR, TS_ERROR_AGAIN);
	g_clear_error(&error);
	g_assert_true(util_fs_locked(folder->dirfd, "lock"));
	close(fd);
	/* somebody else looks at the same moment: still nobody holds it */
	util_autofd int look = openat(folder->dirfd, "lock", O_RDONLY | O_CLOEXEC);
	g_assert_cmpint(flock(look, LOCK_SH | LOCK_NB), ==, 0);
	g_assert_false(util_fs_locked(folder->dirfd, "lock"));
	g_assert_false(util_fs_locked(folder->dirfd, "none"));
	util_closep(&look);
	look = -1;
	fd = util_fs_lock(folder->dirfd, "lock", 0, &error);
	g_assert_cmpint(fd, >=, 0);
	close(fd);
}

static void test_trailers(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(UtilTrailers) t = util_trailers_new();
	util_trailers_add(t, "App", "shop");
	util_trailers_add(t, "Text", "one\n two\n\nthree");
	util_trailers_add(t, "Empty", "");
	util_trailers_add(t, "Bad", "a\rb");
	util_trailers_add_int(t, "N", -5);
	g_autofree char *text = util_trailers_format(t);
	g_assert_cmpstr(text, ==,
			"App: shop\nText: one\n  two\n \n three\nEmpty: \nBad: a?b\nN: -5\n");
	g_autoptr(UtilTrailers) again = util_trailers_parse(text, strlen(text), &error);
	g_assert_no_error(error);
	g_assert_cmpstr(util_trailers_get(again, "Text"), ==, "one\n two\n\nthree");
	gint64 n = 0;
	g_assert_true(util_trailers_need_int(again, "N", -9, 9, &n, &error));
	g_assert_cmpint(n, ==, -5);
	g_assert_false(util_trailers_need_int(again, "N", 0, 9, &n, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
}

static void test_trailers_bad(void)
{
	static const char *const bad[] = {"App shop\n",    "App: shop",  " x\n",      ": x\n",
					  "A b: x\n",      "App:shop\n", "\n",        "9a: x\n",
					  "App: a\001b\n", "App: x\r\n", "App: x\n\n"};
	for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(GError) error = NULL;
		g_assert_null(util_trailers_parse(bad[i], strlen(bad[i]), &error));
		g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	}
	g_autoptr(GError) error = NULL;
	g_assert_null(util_trailers_parse("A: x\0y\n", 7, &error));
}

static void test_names(void)
{
	static const char *const good[] = {"shop", "a", "1.2-x_y", "haikou-2"};
	static const char *const bad[] = {"",     "Shop", "../x",   "a/b", ".a",   "-a",
					  "a..b", "a.",   "a.lock", "a b", "a\nb", "a;b"};
	for (guint i = 0; i < G_N_ELEMENTS(good); i++)
		g_assert_true(util_name_check("app", good[i], NULL));
	for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
		g_assert_false(util_name_check("app", bad[i], NULL));
	static const char *const versions[] = {"v1.0", "release/1.2", "A+b"};
	static const char *const not_versions[] = {"",      "a//b",  "a/",  "/a",  "-a",
						   "a/.b",  "a..b",  "a b", "a~1", "x.lock",
						   "a\x7f", "a@{1}", "a/-b"};
	for (guint i = 0; i < G_N_ELEMENTS(versions); i++)
		g_assert_true(util_version_check(versions[i], NULL));
	for (guint i = 0; i < G_N_ELEMENTS(not_versions); i++)
		g_assert_false(util_version_check(not_versions[i], NULL));
}

static void test_text(void)
{
	static const char *const words[] = {"Release-At", "Release-To", "Release-Grace", NULL};
	g_assert_cmpstr(util_text_nearest("release-at", words), ==, "Release-At");
	g_assert_cmpstr(util_text_nearest("Release-Grade", words), ==, "Release-Grace");
	static const char *const groups[] = {"@europe", "@asia", NULL};
	g_assert_cmpstr(util_text_nearest("@asai", groups), ==, "@asia");
	g_assert_null(util_text_nearest("Something-Else-Entirely", words));
	g_autofree char *shown = util_text_printable("a\033[1m\xff\xe2\x80\xae"
						     "b\xc3\xa9",
						     -1);
	g_assert_cmpstr(shown, ==, "a\\x1b[1m\\xff\\xe2\\x80\\xaeb\xc3\xa9");
	g_autofree char *kb = util_text_bytes(12345);
	g_assert_cmpstr(kb, ==, "12.3 KB");
	g_autofree char *mb = util_text_bytes(999999);
	g_assert_cmpstr(mb, ==, "1.0 MB");
	g_autofree char *d = util_text_duration(3 * 3600 + 5 * 60);
	g_assert_cmpstr(d, ==, "3 h 05 min");
	g_assert_cmpstr(util_text_tail("a\nb\nc\n", 6, 2, 100), ==, "b\nc\n");
	g_assert_cmpstr(util_text_tail("a\nb\nc\n", 6, 9, 3), ==, "\nc\n");
}

static void test_time(void)
{
	gint64 t = 0;
	g_assert_true(util_time_parse_utc("2026-12-01T02:00:00Z", &t, NULL));
	g_autofree char *text = util_time_format_utc(t);
	g_assert_cmpstr(text, ==, "2026-12-01T02:00:00Z");
	static const char *const bad[] = {"",
					  "now",
					  "2026-12-01 02:00:00Z",
					  "2026-12-01T02:00:00",
					  "2026-02-30T00:00:00Z",
					  "2026-12-01T02:00:60Z",
					  "2026-12-01T02:00:0+1"};
	for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
		g_assert_false(util_time_parse_utc(bad[i], &t, NULL));
}

static void test_hash(void)
{
	guint8 digest[UTIL_SHA256_BYTES];
	char hex[UTIL_SHA256_HEX];
	util_sha256_data("abc", 3, digest);
	util_hex_encode(digest, sizeof digest, hex);
	/* FIPS 180-2, appendix B.1 */
	g_assert_cmpstr(hex, ==,
			"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	guint8 back[UTIL_SHA256_BYTES];
	g_assert_true(util_hex_decode(hex, sizeof back, back));
	g_assert_cmpmem(back, sizeof back, digest, sizeof digest);
	hex[3] = 'G';
	g_assert_false(util_hex_decode(hex, sizeof back, back));
	g_assert_false(util_sha256_hex_ok(hex));
	g_assert_true(util_oid_hex_ok("0123456789012345678901234567890123456789"));
	g_assert_false(util_oid_hex_ok("012345678901234567890123456789012345678"));
}

static gboolean always_stop(gpointer data)
{
	(*(int *)data)++;
	return FALSE;
}

static void test_child(void)
{
	g_autoptr(GError) error = NULL;
	UtilChildResult result;
	const char *hang[] = {"sh", "-c", "trap '' TERM; sleep 30 & sleep 30", NULL};
	UtilChildSpec spec = {.argv = hang, .deadline_s = 1, .kill_after_s = 1};
	g_assert_true(util_child_run(&spec, &result, &error));
	g_assert_true(result.timed_out);
	g_assert_cmpint(result.exit_status, ==, 128 + SIGKILL);
	g_assert_cmpint(result.wall_ms, <, 20000);
	int ticks = 0;
	const char *sleeper[] = {"sleep", "30", NULL};
	spec = (UtilChildSpec){
	    .argv = sleeper, .tick = always_stop, .user_data = &ticks, .tick_ms = 20};
	g_assert_true(util_child_run(&spec, &result, &error));
	g_assert_true(result.stopped);
	g_assert_cmpint(ticks, ==, 1);
	const char *seven[] = {"sh", "-c", "exit 7", NULL};
	spec = (UtilChildSpec){.argv = seven};
	g_assert_true(util_child_run(&spec, &result, &error));
	g_assert_cmpint(result.exit_status, ==, 7);
	/* our own standard output can be handed on */
	g_autofree char *path = g_build_filename(g_get_tmp_dir(), "tagship-out-XXXXXX", NULL);
	int file = g_mkstemp(path), kept = dup(STDOUT_FILENO);
	fflush(stdout);
	g_assert_cmpint(dup2(file, STDOUT_FILENO), ==, STDOUT_FILENO);
	const char *say[] = {"sh", "-c", "echo out; echo err >&2", NULL};
	spec = (UtilChildSpec){.argv = say, .output_fd = STDOUT_FILENO, .error_fd = STDOUT_FILENO};
	g_assert_true(util_child_run(&spec, &result, &error));
	g_assert_cmpint(dup2(kept, STDOUT_FILENO), ==, STDOUT_FILENO);
	close(kept);
	g_autofree char *said = NULL;
	g_assert_true(g_file_get_contents(path, &said, NULL, NULL));
	g_assert_cmpstr(said, ==, "out\nerr\n");
	close(file);
	unlink(path);
	const char *none[] = {"no-such-program-here", NULL};
	spec = (UtilChildSpec){.argv = none};
	g_assert_false(util_child_run(&spec, &result, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
}

static void test_capture(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GBytes) input = g_bytes_new_static("hello", 5);
	g_autoptr(GBytes) output = NULL;
	g_autofree char *errors = NULL;
	int status = -1;
	g_setenv("TAGSHIP_SECRET", "x", TRUE);
	const char *argv[] = {"sh", "-c", "cat; echo \"[$TAGSHIP_SECRET]\" >&2; exit 3", NULL};
	g_assert_true(
	    util_child_capture(argv, NULL, input, 10, 4, &output, &errors, &status, &error));
	g_assert_cmpint(status, ==, 3);
	g_assert_cmpuint(g_bytes_get_size(output), ==, 4);
	g_assert_cmpstr(errors, ==, "[]\\x0a");
}

static void test_sshsig(Folder *folder, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	g_autofree char *path = g_build_filename(folder->path, "key", NULL);
	g_autofree char *other = g_build_filename(folder->path, "other", NULL);
	g_assert_true(util_sshsig_keygen(path, "test", &error));
	g_assert_true(util_sshsig_keygen(other, "test", &error));
	g_assert_false(util_sshsig_keygen(path, "test", &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_EXISTS);
	g_clear_error(&error);
	g_autofree char *key = util_sshsig_public_key(path, &error);
	g_autofree char *key2 = util_sshsig_public_key(other, &error);
	g_assert_no_error(error);
	g_autofree char *signature =
	    util_sshsig_sign(path, UTIL_SSHSIG_NS_REPORT, "abc", 3, &error);
	g_assert_no_error(error);
	const char *both[] = {key2, key, NULL};
	const char *foreign[] = {key2, NULL};
	g_assert_true(util_sshsig_verify(both, UTIL_SSHSIG_NS_REPORT, "abc", 3, signature, &error));
	g_assert_false(util_sshsig_verify(both, UTIL_SSHSIG_NS_REPORT, "abd", 3, signature, NULL));
	g_assert_false(util_sshsig_verify(both, UTIL_SSHSIG_NS_GIT, "abc", 3, signature, NULL));
	g_assert_false(
	    util_sshsig_verify(foreign, UTIL_SSHSIG_NS_REPORT, "abc", 3, signature, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_AUTHENTIC);
	g_clear_error(&error);
	g_assert_cmpint(chmod(path, 0644), ==, 0);
	g_assert_null(util_sshsig_sign(path, UTIL_SSHSIG_NS_REPORT, "abc", 3, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_AUTHENTIC);
	g_assert_false(util_sshsig_key_ok("ssh-rsa AAAA"));
	g_assert_false(util_sshsig_key_ok("ssh-ed25519 AAAA"));
}

static void test_stream(void)
{
	int fds[2];
	g_autoptr(GError) error = NULL;
	g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
	g_autoptr(UtilStream) a = util_stream_from_fds(fds[0], fds[0], 100);
	UtilStream *b = util_stream_from_fds(fds[1], fds[1], 100);
	g_assert_true(util_stream_puts(a, "line one\nrest", &error));
	g_autofree char *line = util_stream_read_line(b, 100, &error);
	g_assert_cmpstr(line, ==, "line one");
	char rest[5] = {0};
	g_assert_true(util_stream_read_full(b, rest, 4, &error));
	g_assert_cmpstr(rest, ==, "rest");
	g_assert_cmpint(b->read(b, rest, 1, &error), <, 0);
	g_assert_error(error, TS_ERROR, TS_ERROR_AGAIN);
	g_clear_error(&error);
	g_assert_true(util_stream_puts(a, "0123456789\n", &error));
	g_assert_null(util_stream_read_line(b, 5, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	g_clear_error(&error);
	util_stream_free(b);
	g_assert_null(util_stream_read_line(a, 5, &error));
}

/* The process that a command noted in FOLDER/pid. */
static pid_t noted_pid(const Folder *folder)
{
	g_autofree char *text = NULL;
	gint64 pid = 0;
	g_assert_true(util_fs_read_file(folder->dirfd, "pid", 100, &text, NULL, NULL));
	g_assert_true(g_ascii_string_to_signed(g_strstrip(text), 10, 2, G_MAXINT32, &pid, NULL));
	return (pid_t)pid;
}

/* Gone within two seconds, or a zombie that nobody waits for here. */
static gboolean is_gone(pid_t pid)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid);
	for (guint i = 0; i < 100; i++) {
		g_autofree char *text = NULL;
		if (!g_file_get_contents(path, &text, NULL, NULL) || strstr(text, ") Z "))
			return TRUE;
		g_usleep(20 * 1000);
	}
	return FALSE;
}

/* The leader obeys SIGTERM; what it started ends by itself, obeys after a moment, or never does. */
static void test_child_group(Folder *folder, gconstpointer data)
{
	static const struct {
		const char *script;
		gboolean timed_out, gone;
		gint64 at_least_ms, at_most_ms;
	} rows[] = {
	    {"(trap '' TERM; exec sleep 60) & echo $! > pid; exec sleep 60", TRUE, TRUE, 3000,
	     20000},
	    {"(trap 'sleep 0.3; exit' TERM; while :; do sleep 0.1; done) & echo $! > pid;"
	     " exec sleep 60",
	     TRUE, TRUE, 1300, 2900},
	    {"sleep 60 & echo $! > pid; exec sleep 60", TRUE, TRUE, 1000, 2500},
	    {"sleep 60 & echo $! > pid", FALSE, FALSE, 0, 20000},
	};
	(void)data;
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		UtilChildResult result;
		const char *argv[] = {"sh", "-c", rows[i].script, NULL};
		UtilChildSpec spec = {
		    .argv = argv, .cwd = folder->path, .deadline_s = 1, .kill_after_s = 2};
		g_assert_true(util_child_run(&spec, &result, NULL));
		g_test_message("row %u: %" G_GINT64_FORMAT " ms", i, result.wall_ms);
		g_assert_cmpint(result.timed_out, ==, rows[i].timed_out);
		g_assert_cmpint(result.exit_status, ==, rows[i].timed_out ? 128 + SIGTERM : 0);
		g_assert_cmpint(result.wall_ms, >=, rows[i].at_least_ms);
		g_assert_cmpint(result.wall_ms, <=, rows[i].at_most_ms);
		pid_t pid = noted_pid(folder);
		g_assert_cmpint(rows[i].gone ? is_gone(pid) : kill(pid, 0) != 0, ==, rows[i].gone);
		if (!rows[i].gone)
			g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add("/util/fs/write-read", Folder, NULL, folder_setup, test_write_read,
		   folder_teardown);
	g_test_add("/util/fs/fifo-and-links", Folder, NULL, folder_setup, test_fifo_and_links,
		   folder_teardown);
	g_test_add("/util/fs/remove-and-sweep", Folder, NULL, folder_setup, test_remove_and_sweep,
		   folder_teardown);
	g_test_add("/util/fs/lock", Folder, NULL, folder_setup, test_lock, folder_teardown);
	g_test_add("/util/sshsig", Folder, NULL, folder_setup, test_sshsig, folder_teardown);
	g_test_add_func("/util/trailers/round-trip", test_trailers);
	g_test_add_func("/util/trailers/bad", test_trailers_bad);
	g_test_add_func("/util/names", test_names);
	g_test_add_func("/util/text", test_text);
	g_test_add_func("/util/time", test_time);
	g_test_add_func("/util/hash", test_hash);
	g_test_add_func("/util/child", test_child);
	g_test_add("/util/child-group", Folder, NULL, folder_setup, test_child_group,
		   folder_teardown);
	g_test_add_func("/util/capture", test_capture);
	g_test_add_func("/util/stream", test_stream);
	return g_test_run();
}
