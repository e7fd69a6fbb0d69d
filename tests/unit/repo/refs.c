/* SPDX-License-Identifier: ISC */
/* Opening, making, configuration, refs. */
#include <glib.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "git-run.h"
#include "repo/repo.h"

static Repo *make_repo(const TmpDir *dir, char **ret_path)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *path = tmp_path(dir, "repo.git");
	Repo *repo = repo_create(path, &error);

	g_assert_no_error(error);
	if (ret_path)
		*ret_path = g_steal_pointer(&path);
	return repo;
}

static void make_commit(Repo *repo, const char *message, const char *parent, char ret_oid[REPO_OID])
{
	g_autoptr(GError) error = NULL;
	RepoCommitSpec spec = {
	    .parent = parent, .message = message, .author = "test", .time_utc = 1700000000};

	(void)repo_commit_write(repo, &spec, ret_oid, &error);
	g_assert_no_error(error);
}

static void test_create(void)
{
	g_auto(TmpDir) dir = tmp_dir();
	g_autoptr(GError) error = NULL;
	g_autofree char *path = NULL;
	g_autoptr(Repo) repo = make_repo(&dir, &path);
	g_autofree char *fsync_value = git(path, "config", "core.fsync", NULL);
	g_autofree char *auto_value = git(path, "config", "gc.auto", NULL);
	g_autofree char *log_value = git(path, "config", "core.logallrefupdates", NULL);
	g_autofree char *bare_value = git(path, "config", "core.bare", NULL);
	g_autoptr(Repo) again = NULL;

	g_assert_cmpstr(fsync_value, ==, "all");
	g_assert_cmpstr(auto_value, ==, "0");
	g_assert_cmpstr(log_value, ==, "false");
	g_assert_cmpstr(bare_value, ==, "true");
	g_assert_true(g_str_has_suffix(repo_path(repo), "/repo.git"));
	again = repo_create(path, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(repo_path(again), ==, repo_path(repo));
	assert_fsck(path);
}

/* A crash in repo_create may leave any prefix of its work. */
static void test_create_half_made(void)
{
	static const char *const gone[] = {"HEAD", "config", "objects", "refs"};

	for (gsize i = 0; i < G_N_ELEMENTS(gone); i++) {
		g_auto(TmpDir) dir = tmp_dir();
		g_autoptr(GError) error = NULL;
		g_autofree char *path = NULL;
		g_autoptr(Repo) repo = make_repo(&dir, &path);
		g_autofree char *victim = g_build_filename(path, gone[i], NULL);
		g_autoptr(Repo) again = NULL;
		g_autofree char *value = NULL;

		g_assert_true(util_fs_remove_tree(AT_FDCWD, victim, NULL));
		again = repo_create(path, &error);
		g_assert_no_error(error);
		value = git(path, "config", "core.fsync", NULL);
		g_assert_cmpstr(value, ==, "all");
		assert_fsck(path);
	}
}

static void test_open_missing(void)
{
	g_auto(TmpDir) dir = tmp_dir();
	g_autoptr(GError) error = NULL;
	g_autofree char *path = tmp_path(&dir, "none.git");

	g_assert_null(repo_open(path, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
	g_clear_error(&error);
	/* an empty folder, and no looking upwards from inside a repository */
	g_assert_null(repo_open(dir.path, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
}

static void test_open_foreign(void)
{
	g_auto(TmpDir) dir = tmp_dir();
	g_autoptr(GError) error = NULL;
	g_autofree char *path = NULL;
	g_autoptr(Repo) repo = make_repo(&dir, &path);
	g_autofree char *config = NULL;
	g_autofree char *text = NULL;
	g_autofree char *home = g_strdup(g_getenv("HOME"));
	g_autofree char *hint =
	    g_strdup_printf("git config --global --add safe.directory %s", path);

	if (geteuid() != 0) {
		g_test_skip("needs root to give a repository away");
		return;
	}
	g_assert_cmpint(chown(path, 12345, 12345), ==, 0);
	g_assert_null(repo_open(path, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_FAILED);
	g_assert_nonnull(strstr(error->message, "uid 12345"));
	g_assert_nonnull(strstr(error->message, hint));
	/* and what it says to do helps */
	g_clear_error(&error);
	g_clear_pointer(&repo, repo_free); /* libgit2 looks for the home folder at its start */
	config = tmp_path(&dir, ".gitconfig");
	text = g_strdup_printf("[safe]\n\tdirectory = %s\n", path);
	write_text(config, text);
	g_assert_true(g_setenv("HOME", dir.path, TRUE));
	repo = repo_open(path, &error);
	g_assert_true(g_setenv("HOME", home ? home : "/", TRUE));
	g_assert_no_error(error);
}

static void test_config(void)
{
	g_auto(TmpDir) dir = tmp_dir();
	g_autoptr(GError) error = NULL;
	g_autofree char *path = NULL;
	g_autoptr(Repo) repo = make_repo(&dir, &path);
	g_autofree char *seen = NULL;
	char **values = repo_config_get(repo, "tagship.app", &error);

	g_assert_no_error(error);
	g_assert_cmpuint(g_strv_length(values), ==, 0);
	g_strfreev(values);
	g_assert_true(repo_config_add(repo, "tagship.app", "shop", &error));
	g_assert_true(repo_config_add(repo, "tagship.app", "cms", &error));
	g_assert_true(repo_config_add(repo, "tagship.app", "shop", &error));
	values = repo_config_get(repo, "tagship.app", &error);
	g_assert_cmpuint(g_strv_length(values), ==, 2);
	g_assert_cmpstr(values[0], ==, "shop");
	g_assert_cmpstr(values[1], ==, "cms");
	g_strfreev(values);
	seen = git(path, "config", "--get-all", "tagship.app", NULL);
	g_assert_cmpstr(seen, ==, "shop\ncms");
	g_assert_true(repo_config_set(repo, "tagship.app", "only \"this\" #1", &error));
	values = repo_config_get(repo, "tagship.app", &error);
	g_assert_cmpuint(g_strv_length(values), ==, 1);
	g_assert_cmpstr(values[0], ==, "only \"this\" #1");
	g_strfreev(values);
	g_assert_true(repo_config_unset(repo, "tagship.app", &error));
	g_assert_true(repo_config_unset(repo, "tagship.app", &error));
	g_assert_no_error(error);
	g_assert_false(repo_config_set(repo, "not a key", "x", &error));
	g_assert_nonnull(error);
}

static void test_ref_swap(void)
{
	g_auto(TmpDir) dir = tmp_dir();
	g_autoptr(GError) error = NULL;
	g_autofree char *path = NULL;
	g_autoptr(Repo) repo = make_repo(&dir, &path);
	char one[REPO_OID], two[REPO_OID], now[REPO_OID];

	make_commit(repo, "one\n", NULL, one);
	make_commit(repo, "two\n", one, two);
	g_assert_false(repo_ref_get(repo, "refs/heads/x", now, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
	g_clear_error(&error);
	/* was something, is gone */
	g_assert_false(repo_ref_set(repo, "refs/heads/x", one, two, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_AGAIN);
	g_clear_error(&error);
	g_assert_true(repo_ref_set(repo, "refs/heads/x", one, REPO_ZERO, &error));
	g_assert_false(repo_ref_set(repo, "refs/heads/x", two, REPO_ZERO, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_AGAIN);
	g_clear_error(&error);
	g_assert_false(repo_ref_set(repo, "refs/heads/x", two, two, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_AGAIN);
	g_clear_error(&error);
	g_assert_true(repo_ref_set(repo, "refs/heads/x", two, one, &error));
	g_assert_true(repo_ref_get(repo, "refs/heads/x", now, &error));
	g_assert_cmpstr(now, ==, two);
	g_assert_true(repo_ref_set(repo, "refs/heads/x", one, NULL, &error));
	/* the same while packed */
	g_free(git(path, "pack-refs", "--all", NULL));
	g_assert_false(repo_ref_set(repo, "refs/heads/x", two, REPO_ZERO, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_AGAIN);
	g_clear_error(&error);
	g_assert_false(repo_ref_delete(repo, "refs/heads/x", two, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_AGAIN);
	g_clear_error(&error);
	g_assert_true(repo_ref_delete(repo, "refs/heads/x", one, &error));
	g_assert_false(repo_ref_get(repo, "refs/heads/x", now, NULL));
	g_assert_false(repo_ref_delete(repo, "refs/heads/x", NULL, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
	assert_fsck(path);
}

static void test_ref_refused(void)
{
	g_auto(TmpDir) dir = tmp_dir();
	g_autoptr(GError) error = NULL;
	g_autofree char *path = NULL;
	g_autoptr(Repo) repo = make_repo(&dir, &path);
	char one[REPO_OID];
	static const char *const bad[] = {"refs/heads/../x", "refs/heads/a..b", "refs/heads/x.lock",
					  "refs/heads/",     "nonsense",        "refs/heads/a b"};

	make_commit(repo, "one\n", NULL, one);
	for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_assert_false(repo_ref_set(repo, bad[i], one, NULL, &error));
		g_assert_error(error, TS_ERROR, TS_ERROR_USAGE);
		g_clear_error(&error);
	}
	g_assert_false(repo_ref_set(repo, "refs/heads/x", "12345", NULL, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_USAGE);
	g_clear_error(&error);
	g_assert_false(repo_ref_set(repo, "refs/heads/x",
				    "1111111111111111111111111111111111111111", NULL, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
	g_clear_error(&error);
	/* a folder and a name at once, loose and packed */
	g_assert_true(repo_ref_set(repo, "refs/heads/a", one, NULL, &error));
	g_assert_false(repo_ref_set(repo, "refs/heads/a/b", one, NULL, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_EXISTS);
	g_clear_error(&error);
	g_free(git(path, "pack-refs", "--all", NULL));
	g_assert_false(repo_ref_set(repo, "refs/heads/a/b", one, REPO_ZERO, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_EXISTS);
	assert_fsck(path);
}

static void test_ref_list(void)
{
	g_auto(TmpDir) dir = tmp_dir();
	g_autoptr(GError) error = NULL;
	g_autofree char *path = NULL;
	g_autoptr(Repo) repo = make_repo(&dir, &path);
	g_autoptr(GPtrArray) refs = NULL;
	g_autofree char *broken = g_build_filename(path, "refs/tags/broken", NULL);
	g_autofree char *hostile = g_build_filename(path, "refs/tags/a b~^:", NULL);
	g_autofree char *empty = g_build_filename(path, "refs/tags/empty", NULL);
	g_autofree char *packed = g_build_filename(path, "packed-refs", NULL);
	char one[REPO_OID];

	make_commit(repo, "one\n", NULL, one);
	g_assert_true(repo_ref_set(repo, "refs/tags/b", one, NULL, &error));
	g_assert_true(repo_ref_set(repo, "refs/tags/a/x", one, NULL, &error));
	g_free(git(path, "pack-refs", "--all", NULL));
	g_assert_true(repo_ref_set(repo, "refs/tags/v1.0", one, NULL, &error));
	g_assert_true(repo_ref_set(repo, "refs/heads/main", one, NULL, &error));
	g_free(git(path, "symbolic-ref", "refs/tags/sym", "refs/heads/main", NULL));
	g_free(git(path, "symbolic-ref", "refs/tags/dangling", "refs/heads/none", NULL));
	write_text(broken, "this is no object id\n");
	write_text(hostile, one);
	write_text(empty, "");
	refs = repo_ref_list(repo, "refs/tags/", &error);
	g_assert_no_error(error);
	g_assert_cmpuint(refs->len, ==, 4);
	g_assert_cmpstr(((RepoRef *)refs->pdata[0])->name, ==, "refs/tags/a/x");
	g_assert_cmpstr(((RepoRef *)refs->pdata[1])->name, ==, "refs/tags/b");
	g_assert_cmpstr(((RepoRef *)refs->pdata[2])->name, ==, "refs/tags/sym");
	g_assert_cmpstr(((RepoRef *)refs->pdata[2])->oid, ==, one);
	g_assert_cmpstr(((RepoRef *)refs->pdata[3])->name, ==, "refs/tags/v1.0");
	g_clear_pointer(&refs, g_ptr_array_unref);
	refs = repo_ref_list(repo, "refs/tags/v", &error);
	g_assert_cmpuint(refs->len, ==, 1);
	g_clear_pointer(&refs, g_ptr_array_unref);
	refs = repo_ref_list(repo, "refs/tags/*", &error);
	g_assert_cmpuint(refs->len, ==, 0);
	g_clear_pointer(&refs, g_ptr_array_unref);
	/* a damaged list of packed refs is not an empty one */
	write_text(packed, "# pack-refs with: peeled fully-peeled sorted\ngarbage\n");
	refs = repo_ref_list(repo, "refs/tags/", &error);
	g_assert_null(refs);
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
}

/* libgit2 was killed while it tried what the disk can do, or wrote: a day later that goes. */
static void test_litter(void)
{
	static const char *const left[] = {"_git2_link", "_git2_file", "objects/pack/pack_git2_x",
					   "info/refs_ab", "objects/info/packs_ab"};
	const struct timespec old[2] = {{1000000000, 0}, {1000000000, 0}};
	g_auto(TmpDir) dir = tmp_dir();
	g_autoptr(GError) error = NULL;
	g_autofree char *path = NULL;
	g_autoptr(Repo) repo = make_repo(&dir, &path);

	for (gsize i = 0; i < 2 * G_N_ELEMENTS(left); i++) {
		const char *name = left[i / 2];
		g_autofree char *file =
		    g_strdup_printf("%s/%s%s", path, name, i % 2 ? "-new" : "-old");
		if (strstr(name, "link"))
			g_assert_cmpint(symlink("testing", file), ==, 0);
		else
			write_text(file, "");
		if (i % 2 == 0)
			g_assert_cmpint(utimensat(AT_FDCWD, file, old, AT_SYMLINK_NOFOLLOW), ==, 0);
	}
	g_autoptr(Repo) again = repo_create(path, &error);
	g_assert_no_error(error);
	for (gsize i = 0; i < 2 * G_N_ELEMENTS(left); i++) {
		g_autofree char *file =
		    g_strdup_printf("%s/%s%s", path, left[i / 2], i % 2 ? "-new" : "-old");
		struct stat st;
		g_assert_cmpint(lstat(file, &st), ==, i % 2 ? 0 : -1);
	}
}

/* A `git pack-refs` of ours was killed: its locks may be anywhere. */
static void test_stale_gc(void)
{
	static const char *const left[] = {"refs/heads/y.lock", "refs/seen/app/z.lock",
					   "packed-refs.lock", "packed-refs.new"};
	g_auto(TmpDir) dir = tmp_dir();
	g_autoptr(GError) error = NULL;
	g_autofree char *path = NULL;
	g_autoptr(Repo) repo = make_repo(&dir, &path);
	g_autofree char *note = g_build_filename(path, "tagship.lock", NULL);
	g_autofree char *pid_lock = g_build_filename(path, "gc.pid.lock", NULL);
	const struct timespec old[2] = {{1000000000, 0}, {1000000000, 0}};
	g_autofree char *deep = g_build_filename(path, "refs/seen/app", NULL);
	char one[REPO_OID], two[REPO_OID], now[REPO_OID];

	make_commit(repo, "one\n", NULL, one);
	make_commit(repo, "two\n", NULL, two);
	g_assert_true(repo_ref_set(repo, "refs/heads/x", one, REPO_ZERO, &error));
	g_assert_cmpint(g_mkdir_with_parents(deep, 0755), ==, 0);
	write_text(note, "refs/");
	for (gsize i = 0; i < G_N_ELEMENTS(left); i++) {
		g_autofree char *file = g_build_filename(path, left[i], NULL);
		write_text(file, "");
	}
	/* a power cut while git wrote who is at it: not in the way for ever */
	write_text(pid_lock, "");
	g_assert_cmpint(utimensat(AT_FDCWD, pid_lock, old, 0), ==, 0);
	g_assert_true(repo_gc(repo, FALSE, &error));
	g_assert_no_error(error);
	for (gsize i = 0; i < G_N_ELEMENTS(left); i++) {
		g_autofree char *file = g_build_filename(path, left[i], NULL);
		g_assert_false(g_file_test(file, G_FILE_TEST_EXISTS));
	}
	g_assert_true(repo_ref_get(repo, "refs/heads/x", now, &error));
	g_assert_cmpstr(now, ==, one);
	g_assert_true(repo_ref_set(repo, "refs/heads/x", two, one, &error));
	g_assert_no_error(error);
}

/* A `git notes` of ours was killed in a repository of others. */
static void test_stale_note(void)
{
	g_auto(TmpDir) dir = tmp_dir();
	g_autoptr(GError) error = NULL;
	g_autofree char *path = NULL;
	g_autoptr(Repo) repo = make_repo(&dir, &path);
	g_autofree char *notes = g_build_filename(path, "refs/notes", NULL);
	g_autofree char *lock = g_build_filename(notes, "releases.lock", NULL);
	g_autofree char *foreign = g_build_filename(path, "packed-refs.lock", NULL);
	int fd = repo_ref_guard(repo, "refs/notes/releases", &error);

	g_assert_no_error(error);
	g_assert_cmpint(g_mkdir_with_parents(notes, 0755), ==, 0);
	write_text(lock, "");
	write_text(foreign, "");
	repo_ref_unguard(fd, FALSE);
	fd = repo_ref_guard(repo, "refs/notes/releases", &error);
	g_assert_no_error(error);
	g_assert_false(g_file_test(lock, G_FILE_TEST_EXISTS));
	g_assert_true(g_file_test(foreign, G_FILE_TEST_EXISTS));
	write_text(lock, "");
	repo_ref_unguard(fd, TRUE);
	fd = repo_ref_guard(repo, "refs/notes/releases", &error);
	g_assert_no_error(error);
	g_assert_true(g_file_test(lock, G_FILE_TEST_EXISTS));
	repo_ref_unguard(fd, TRUE);
}

/* Killed while it configured a repository that it had made, or had not yet. */
static void test_stale_config(void)
{
	g_auto(TmpDir) dir = tmp_dir();
	g_autoptr(GError) error = NULL;
	g_autofree char *path = NULL;
	g_autoptr(Repo) repo = make_repo(&dir, &path);
	g_autofree char *note = g_build_filename(path, "tagship.lock", NULL);
	g_autofree char *lock = g_build_filename(path, "config.lock", NULL);
	g_autofree char *twice = g_build_filename(path, "config.lock.lock", NULL);
	g_autofree char *head = g_build_filename(path, "HEAD", NULL);

	write_text(note, "config");
	write_text(lock, "");
	write_text(twice, "");
	g_assert_true(repo_config_unset(repo, "core.fsync", &error));
	g_assert_no_error(error);
	g_clear_pointer(&repo, repo_free);
	write_text(head, ""); /* the power went before anything was synced */
	write_text(lock, "");
	repo = repo_create(path, &error);
	g_assert_no_error(error);
	g_assert_nonnull(repo);
	/* that of git itself is respected */
	write_text(lock, "");
	g_assert_false(repo_config_set(repo, "core.fsync", "none", &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_AGAIN);
	g_clear_error(&error);
	g_assert_cmpint(unlink(lock), ==, 0);
	g_assert_true(repo_config_set(repo, "core.fsync", "none", &error));
	g_assert_no_error(error);
	g_assert_false(g_file_test(lock, G_FILE_TEST_EXISTS));
}

/* A writer of ours that was killed holding git's lock file. */
static void test_stale_lock(void)
{
	g_auto(TmpDir) dir = tmp_dir();
	g_autoptr(GError) error = NULL;
	g_autofree char *path = NULL;
	g_autoptr(Repo) repo = make_repo(&dir, &path);
	g_autofree char *note = g_build_filename(path, "tagship.lock", NULL);
	g_autofree char *lock = g_build_filename(path, "refs/heads/x.lock", NULL);
	g_autofree char *foreign = g_build_filename(path, "refs/heads/y.lock", NULL);
	char one[REPO_OID];
	gint64 start;

	make_commit(repo, "one\n", NULL, one);
	write_text(note, "refs/heads/x");
	write_text(lock, "");
	write_text(foreign, "");
	g_assert_true(repo_ref_set(repo, "refs/heads/x", one, REPO_ZERO, &error));
	g_assert_no_error(error);
	g_assert_false(g_file_test(lock, G_FILE_TEST_EXISTS));
	/* that of git itself is respected */
	start = g_get_monotonic_time();
	g_assert_false(repo_ref_set(repo, "refs/heads/y", one, REPO_ZERO, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_AGAIN);
	g_assert_cmpint(g_get_monotonic_time() - start, <, 10 * G_USEC_PER_SEC);
	g_assert_true(g_file_test(foreign, G_FILE_TEST_EXISTS));
	g_clear_error(&error);
	g_assert_cmpint(unlink(foreign), ==, 0);
	/* a note that is none of ours deletes nothing */
	write_text(note, "refs/../../victim");
	g_assert_true(repo_ref_set(repo, "refs/heads/y", one, REPO_ZERO, &error));
	g_assert_no_error(error);
	assert_fsck(path);
}

/* Writers killed anywhere: the next one goes on at once, from a whole commit. */
static void test_killed(void)
{
	enum { ROUNDS = 25 };
	g_auto(TmpDir) dir = tmp_dir();
	g_autoptr(GError) error = NULL;
	g_autofree char *path = NULL;
	g_autoptr(Repo) repo = make_repo(&dir, &path);
	char root[REPO_OID];

	make_commit(repo, "root\n", NULL, root);
	g_assert_true(repo_ref_set(repo, "refs/heads/x", root, REPO_ZERO, &error));
	for (int round = 0; round < ROUNDS; round++) {
		char old[REPO_OID], new[REPO_OID];
		gint64 start;
		int status = 0;
		pid_t pid = fork();

		g_assert_cmpint(pid, >=, 0);
		while (pid == 0) {
			if (!repo_ref_get(repo, "refs/heads/x", old, NULL))
				_exit(1);
			make_commit(repo, "step\n", old, new);
			(void)repo_ref_set(repo, "refs/heads/x", new, old, NULL);
		}
		g_usleep((gulong)(3000 + 1700 * round));
		g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
		g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
		g_assert_true(WIFSIGNALED(status));
		start = g_get_monotonic_time();
		g_assert_true(repo_ref_get(repo, "refs/heads/x", old, &error));
		make_commit(repo, "after\n", old, new);
		g_assert_true(repo_ref_set(repo, "refs/heads/x", new, old, &error));
		g_assert_no_error(error);
		g_assert_cmpint(g_get_monotonic_time() - start, <, 2 * G_USEC_PER_SEC);
	}
	assert_fsck(path);
}

/* Many processes count one ref up by compare and swap; every step is there. */
static void test_swap_race(void)
{
	enum { WRITERS = 4, STEPS = 10 };
	g_auto(TmpDir) dir = tmp_dir();
	g_autoptr(GError) error = NULL;
	g_autofree char *path = NULL;
	g_autoptr(Repo) repo = make_repo(&dir, &path);
	g_autofree char *count = NULL;
	char root[REPO_OID];
	pid_t pids[WRITERS];

	make_commit(repo, "root\n", NULL, root);
	g_assert_true(repo_ref_set(repo, "refs/heads/x", root, REPO_ZERO, &error));
	for (int w = 0; w < WRITERS; w++) {
		pids[w] = fork();
		g_assert_cmpint(pids[w], >=, 0);
		if (pids[w] > 0)
			continue;
		for (int done = 0; done < STEPS;) {
			g_autoptr(Repo) own = repo_open(path, NULL);
			g_autofree char *message = g_strdup_printf("%d %d\n", w, done);
			char old[REPO_OID], new[REPO_OID];

			if (!own || !repo_ref_get(own, "refs/heads/x", old, NULL))
				_exit(1);
			make_commit(own, message, old, new);
			if (repo_ref_set(own, "refs/heads/x", new, old, NULL))
				done++;
		}
		_exit(0);
	}
	for (int w = 0; w < WRITERS; w++) {
		int status = 0;

		g_assert_cmpint(waitpid(pids[w], &status, 0), ==, pids[w]);
		g_assert_cmpint(status, ==, 0);
	}
	count = git(path, "rev-list", "--count", "refs/heads/x", NULL);
	g_assert_cmpstr(count, ==, "41");
	assert_fsck(path);
}

static void test_head(void)
{
	g_auto(TmpDir) dir = tmp_dir();
	g_autoptr(GError) error = NULL;
	g_autofree char *path = NULL;
	g_autoptr(Repo) repo = make_repo(&dir, &path);
	g_autofree char *head = NULL;

	g_assert_true(repo_head_set(repo, "refs/heads/orders", &error));
	head = git(path, "symbolic-ref", "HEAD", NULL);
	g_assert_cmpstr(head, ==, "refs/heads/orders");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/repo/create", test_create);
	g_test_add_func("/repo/create/half-made", test_create_half_made);
	g_test_add_func("/repo/create/litter", test_litter);
	g_test_add_func("/repo/open/missing", test_open_missing);
	g_test_add_func("/repo/open/foreign", test_open_foreign);
	g_test_add_func("/repo/config", test_config);
	g_test_add_func("/repo/ref/swap", test_ref_swap);
	g_test_add_func("/repo/ref/refused", test_ref_refused);
	g_test_add_func("/repo/ref/list", test_ref_list);
	g_test_add_func("/repo/ref/stale-gc", test_stale_gc);
	g_test_add_func("/repo/ref/stale-note", test_stale_note);
	g_test_add_func("/repo/ref/stale-config", test_stale_config);
	g_test_add_func("/repo/ref/stale-lock", test_stale_lock);
	g_test_add_func("/repo/ref/killed", test_killed);
	g_test_add_func("/repo/ref/race", test_swap_race);
	g_test_add_func("/repo/head", test_head);
	return g_test_run();
}
