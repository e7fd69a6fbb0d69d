/* SPDX-License-Identifier: ISC */
/* Checkouts: content, modes, links, what stays and what goes, hostile workspaces and trees. */
#include <glib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "git-run.h"
#include "repo/repo.h"

typedef struct {
	TmpDir dir;
	char *work; /* a git work tree, where commits are made */
	char *dest;
	Repo *repo;
} Fixture;

static void setup(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	(void)data;
	f->dir = tmp_dir();
	f->work = tmp_path(&f->dir, "work");
	f->dest = tmp_path(&f->dir, "dest");
	g_free(git(f->dir.path, "init", "-q", "-b", "main", "work", NULL));
	g_assert_cmpint(mkdir(f->dest, 0755), ==, 0);
	f->repo = repo_open(f->work, &error);
	g_assert_no_error(error);
}

static void teardown(Fixture *f, gconstpointer data)
{
	(void)data;
	repo_free(f->repo);
	g_free(f->work);
	g_free(f->dest);
	tmp_dir_clear(&f->dir);
}

static char *in(const char *folder, const char *name)
{
	return g_build_filename(folder, name, NULL);
}

static void put(const char *folder, const char *name, const char *text)
{
	g_autofree char *path = in(folder, name);
	g_autofree char *parent = g_path_get_dirname(path);

	g_assert_cmpint(g_mkdir_with_parents(parent, 0755), ==, 0);
	write_text(path, text);
}

static void assert_text(const char *folder, const char *name, const char *text)
{
	g_autofree char *path = in(folder, name);
	g_autofree char *now = read_text(path);

	g_assert_cmpstr(now, ==, text);
}

static void assert_gone(const char *folder, const char *name)
{
	g_autofree char *path = in(folder, name);
	struct stat st;

	g_assert_cmpint(lstat(path, &st), ==, -1);
}

static struct stat stat_of(const char *folder, const char *name)
{
	g_autofree char *path = in(folder, name);
	struct stat st;

	g_assert_cmpint(lstat(path, &st), ==, 0);
	return st;
}

static char *commit_all(Fixture *f)
{
	g_free(git(f->work, "add", "-A", NULL));
	g_free(git(f->work, "commit", "-q", "--allow-empty", "-m", "c", NULL));
	return git(f->work, "rev-parse", "HEAD", NULL);
}

static void check_out(Fixture *f, const char *commit, gboolean prune)
{
	g_autoptr(GError) error = NULL;

	(void)repo_checkout(f->repo, commit, "", f->dest, prune, &error);
	g_assert_no_error(error);
}

static void test_plain(Fixture *f, gconstpointer data)
{
	g_autofree char *script = in(f->work, "run.sh");
	g_autofree char *link = in(f->work, "link");
	g_autofree char *target = NULL;
	g_autofree char *link_out = in(f->dest, "link");
	g_autofree char *commit = NULL;
	mode_t mask = umask(077);

	(void)data;
	put(f->work, "a/b/c.txt", "deep\n");
	put(f->work, "crlf.txt", "one\r\ntwo\n");
	put(f->work, "a-b", "sorts between\n");
	put(f->work, "empty", "");
	put(f->work, "run.sh", "#!/bin/sh\n");
	/* neither end of line conversion nor filters nor ident */
	put(f->work, ".gitattributes", "*.txt text eol=crlf ident filter=evil\n");
	g_assert_cmpint(chmod(script, 0755), ==, 0);
	g_assert_cmpint(symlink("../outside", link), ==, 0);
	commit = commit_all(f);
	check_out(f, commit, FALSE);
	(void)umask(mask);
	target = g_file_read_link(link_out, NULL);
	g_assert_cmpstr(target, ==, "../outside");
	g_assert_cmpuint(stat_of(f->dest, "run.sh").st_mode & 07777, ==, 0755);
	g_assert_cmpuint(stat_of(f->dest, "empty").st_mode & 07777, ==, 0644);
	assert_text(f->dest, "a/b/c.txt", "deep\n");
	/* git stored the text with line feeds, and that is what is written */
	assert_text(f->dest, "crlf.txt", "one\ntwo\n");
	assert_gone(f->dir.path, ".tagship-checkout-dest");
}

static void test_part(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *commit = NULL;

	(void)data;
	put(f->work, "dist/x/app.js", "app\n");
	put(f->work, "src.c", "src\n");
	commit = commit_all(f);
	g_assert_true(repo_checkout(f->repo, commit, "dist", f->dest, FALSE, &error));
	g_assert_no_error(error);
	assert_text(f->dest, "x/app.js", "app\n");
	assert_gone(f->dest, "src.c");
	g_assert_false(repo_checkout(f->repo, commit, "none", f->dest, FALSE, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
	g_clear_error(&error);
	g_assert_false(repo_checkout(f->repo, commit, "src.c", f->dest, FALSE, &error));
	g_assert_nonnull(error);
	g_clear_error(&error);
	g_assert_false(repo_checkout(f->repo, commit, "", "/nonexistent/dest", FALSE, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
}

/* An incremental workspace: same content keeps its mtime, what the build made stays, what the next
 * commit lacks goes. */
static void test_incremental(Fixture *f, gconstpointer data)
{
	g_autofree char *one = NULL;
	g_autofree char *two = NULL;
	g_autofree char *run = in(f->work, "run.sh");
	g_autofree char *gone = in(f->work, "old");
	struct stat same, changed, mode;

	(void)data;
	put(f->work, "same", "same\n");
	put(f->work, "changed", "one\n");
	put(f->work, "run.sh", "#!/bin/sh\n");
	put(f->work, "old/deep/file", "old\n");
	put(f->work, "mixed/tracked", "old\n");
	one = commit_all(f);
	check_out(f, one, TRUE);
	put(f->dest, "mixed/made.o", "made\n");
	put(f->dest, "out/app", "made\n");
	same = stat_of(f->dest, "same");
	changed = stat_of(f->dest, "changed");
	mode = stat_of(f->dest, "run.sh");
	put(f->work, "changed", "two\n");
	g_assert_cmpint(chmod(run, 0755), ==, 0);
	g_assert_true(util_fs_remove_tree(AT_FDCWD, gone, NULL));
	g_free(git(f->work, "rm", "-q", "mixed/tracked", NULL));
	two = commit_all(f);
	g_usleep(20000);
	check_out(f, two, TRUE);
	g_assert_cmpint(stat_of(f->dest, "same").st_ino, ==, same.st_ino);
	g_assert_cmpint(stat_of(f->dest, "same").st_mtim.tv_nsec, ==, same.st_mtim.tv_nsec);
	g_assert_cmpint(stat_of(f->dest, "same").st_ctim.tv_nsec, ==, same.st_ctim.tv_nsec);
	g_assert_false(stat_of(f->dest, "changed").st_mtim.tv_nsec == changed.st_mtim.tv_nsec);
	g_assert_cmpuint(mode.st_mode & 0777, ==, 0644);
	g_assert_cmpuint(stat_of(f->dest, "run.sh").st_mode & 0777, ==, 0755);
	assert_text(f->dest, "changed", "two\n");
	assert_gone(f->dest, "old");
	assert_gone(f->dest, "mixed/tracked");
	assert_text(f->dest, "mixed/made.o", "made\n");
	assert_text(f->dest, "out/app", "made\n");
	/* and back */
	check_out(f, one, TRUE);
	assert_text(f->dest, "old/deep/file", "old\n");
	assert_text(f->dest, "changed", "one\n");
}

/* The build altered, replaced and removed tracked files: the commit's come back. */
static void test_repair(Fixture *f, gconstpointer data)
{
	g_autofree char *commit = NULL;
	g_autofree char *dir = in(f->dest, "dir");
	g_autofree char *file = in(f->dest, "file");
	g_autofree char *fifo = in(f->dest, "fifo");
	g_autofree char *outside = in(f->dir.path, "outside");
	g_autofree char *other = in(f->dest, "other");

	(void)data;
	put(f->work, "dir/in", "in\n");
	put(f->work, "file", "file\n");
	put(f->work, "fifo", "plain\n");
	put(f->work, "other", "other\n");
	commit = commit_all(f);
	check_out(f, commit, TRUE);
	/* a folder became a link that leads out, a file a folder, another a FIFO, another a link */
	g_assert_cmpint(mkdir(outside, 0755), ==, 0);
	put(outside, "in", "not ours\n");
	put(outside, "victim", "not ours\n");
	g_assert_true(util_fs_remove_tree(AT_FDCWD, dir, NULL));
	g_assert_cmpint(symlink("../outside", dir), ==, 0);
	g_assert_cmpint(unlink(file), ==, 0);
	put(f->dest, "file/with/content", "x\n");
	g_assert_cmpint(unlink(fifo), ==, 0);
	g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
	g_assert_cmpint(unlink(other), ==, 0);
	g_assert_cmpint(symlink("../outside/victim", other), ==, 0);
	check_out(f, commit, TRUE);
	assert_text(f->dest, "dir/in", "in\n");
	assert_text(f->dest, "file", "file\n");
	assert_text(f->dest, "fifo", "plain\n");
	assert_text(f->dest, "other", "other\n");
	assert_text(outside, "in", "not ours\n");
	assert_text(outside, "victim", "not ours\n");
	g_assert_true(S_ISDIR(stat_of(f->dest, "dir").st_mode));
	g_assert_true(S_ISREG(stat_of(f->dest, "other").st_mode));
}

/* Pruning does not follow a link out of the workspace either. */
static void test_prune_link(Fixture *f, gconstpointer data)
{
	g_autofree char *one = NULL;
	g_autofree char *two = NULL;
	g_autofree char *dir = in(f->dest, "dir");
	g_autofree char *outside = in(f->dir.path, "outside");

	(void)data;
	put(f->work, "dir/in", "in\n");
	put(f->work, "keep", "keep\n");
	one = commit_all(f);
	check_out(f, one, TRUE);
	g_free(git(f->work, "rm", "-q", "dir/in", NULL));
	two = commit_all(f);
	g_assert_cmpint(mkdir(outside, 0755), ==, 0);
	put(outside, "in", "not ours\n");
	g_assert_true(util_fs_remove_tree(AT_FDCWD, dir, NULL));
	g_assert_cmpint(symlink("../outside", dir), ==, 0);
	check_out(f, two, TRUE);
	assert_text(outside, "in", "not ours\n");
}

/* Files become folders and the other way round. */
static void test_kinds(Fixture *f, gconstpointer data)
{
	g_autofree char *one = NULL;
	g_autofree char *two = NULL;
	g_autofree char *y = in(f->work, "y");

	(void)data;
	put(f->work, "x", "a file\n");
	put(f->work, "y/z", "in a folder\n");
	one = commit_all(f);
	g_free(git(f->work, "rm", "-q", "-r", "x", "y", NULL));
	put(f->work, "x/deep/er", "in a folder\n");
	put(f->work, "y", "a file\n");
	two = commit_all(f);
	for (int i = 0; i < 2; i++) {
		check_out(f, one, TRUE);
		assert_text(f->dest, "x", "a file\n");
		assert_text(f->dest, "y/z", "in a folder\n");
		check_out(f, two, TRUE);
		assert_text(f->dest, "x/deep/er", "in a folder\n");
		assert_text(f->dest, "y", "a file\n");
	}
}

/* A checkout killed half way: the list names old and new files, so the next one prunes both. */
static void test_cut_off(Fixture *f, gconstpointer data)
{
	g_autofree char *one = NULL;
	g_autofree char *two = NULL;
	g_autofree char *three = NULL;
	g_autoptr(GError) error = NULL;
	char zeros[] = "2222222222222222222222222222222222222222";
	g_autofree char *tree = NULL;
	g_autofree char *broken = NULL;
	g_autofree char *make = NULL;
	const char *const argv[] = {"sh", "-c", NULL, NULL};
	const char *call[4];

	(void)data;
	put(f->work, "first", "one\n");
	one = commit_all(f);
	check_out(f, one, TRUE);
	g_free(git(f->work, "rm", "-q", "first", NULL));
	put(f->work, "second", "two\n");
	two = commit_all(f);
	/* a commit whose last file is missing from the repository: the checkout ends there */
	make = g_strdup_printf(
	    "(git ls-tree HEAD; printf '100644 blob %s\\tzzz\\n') | git mktree --missing", zeros);
	memcpy(call, argv, sizeof call);
	call[2] = make;
	g_assert_cmpint(run_in(f->work, call, &tree), ==, 0);
	broken = git(f->work, "commit-tree", "-m", "broken", tree, NULL);
	g_assert_false(repo_checkout(f->repo, broken, "", f->dest, TRUE, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
	g_assert_nonnull(strstr(error->message, "zzz"));
	assert_text(f->dest, "second", "two\n");
	g_free(git(f->work, "rm", "-q", "second", NULL));
	put(f->work, "third", "three\n");
	three = commit_all(f);
	check_out(f, three, TRUE);
	assert_gone(f->dest, "first");
	assert_gone(f->dest, "second");
	assert_text(f->dest, "third", "three\n");
}

static void test_list_damaged(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *commit = NULL;

	(void)data;
	put(f->work, "x", "x\n");
	commit = commit_all(f);
	check_out(f, commit, TRUE);
	put(f->dir.path, ".tagship-checkout-dest", "something else");
	g_assert_false(repo_checkout(f->repo, commit, "", f->dest, TRUE, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
}

/* Trees that git would not make, but takes from a push. */
static void test_hostile(Fixture *f, gconstpointer data)
{
	static const char *const names[] = {"..", ".git", ".GIT", "a/b", "git~1"};
	g_autofree char *blob = NULL;

	(void)data;
	put(f->work, "x", "x\n");
	g_free(commit_all(f));
	blob = git(f->work, "rev-parse", "HEAD:x", NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(RepoPack) pack = repo_pack_begin(f->repo, &error);
		g_autoptr(GString) raw = g_string_new(NULL);
		g_autofree char *commit = NULL;
		guint8 id[20];
		char tree[REPO_OID];

		g_assert_true(util_hex_decode(blob, sizeof id, id));
		g_string_append_printf(raw, "100644 %s", names[i]);
		g_string_append_c(raw, '\0');
		g_string_append_len(raw, (const char *)id, sizeof id);
		g_assert_true(repo_pack_add(pack, REPO_TREE, raw->str, raw->len, tree, &error));
		g_assert_true(repo_pack_finish(pack, &error));
		g_assert_no_error(error);
		commit = git(f->work, "commit-tree", "-m", "hostile", tree, NULL);
		g_assert_false(repo_checkout(f->repo, commit, "", f->dest, TRUE, &error));
		g_assert_nonnull(error);
		g_test_message("%s", error->message);
	}
	assert_gone(f->dest, "x");
}

static void test_submodule(Fixture *f, gconstpointer data)
{
	g_autofree char *head = NULL;
	g_autofree char *info = NULL;
	g_autofree char *commit = NULL;

	(void)data;
	put(f->work, "x", "x\n");
	head = commit_all(f);
	info = g_strdup_printf("160000,%s,sub", head);
	g_free(git(f->work, "update-index", "--add", "--cacheinfo", info, NULL));
	g_free(git(f->work, "commit", "-q", "-m", "sub", NULL));
	commit = git(f->work, "rev-parse", "HEAD", NULL);
	check_out(f, commit, FALSE);
	assert_text(f->dest, "x", "x\n");
	assert_gone(f->dest, "sub");
}

#define ADD(name, func) g_test_add(name, Fixture, NULL, setup, func, teardown)

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("/checkout/plain", test_plain);
	ADD("/checkout/part", test_part);
	ADD("/checkout/incremental", test_incremental);
	ADD("/checkout/repair", test_repair);
	ADD("/checkout/prune-link", test_prune_link);
	ADD("/checkout/kinds", test_kinds);
	ADD("/checkout/cut-off", test_cut_off);
	ADD("/checkout/list-damaged", test_list_damaged);
	ADD("/checkout/hostile", test_hostile);
	ADD("/checkout/submodule", test_submodule);
	return g_test_run();
}
