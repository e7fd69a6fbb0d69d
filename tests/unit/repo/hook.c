/* SPDX-License-Identifier: ISC */
/* Inside a real pre-receive hook: pushed objects are seen, refs are not written. The test program
 * is its own hook. */
#include <glib.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "git-run.h"
#include "repo/repo.h"

/* What the hook found, on its standard error: the pusher sees it as "remote: …". */
static int hook_main(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Repo) repo = repo_open_in_hook(&error);
	g_autoptr(Repo) plain = repo_open(".", NULL);
	g_autoptr(GBytes) bytes = NULL;
	char old[REPO_OID], new[REPO_OID], name[200], commit[REPO_OID] = "";
	RepoType type = REPO_BLOB;

	if (!repo) {
		(void)fprintf(stderr, "OPEN %s\n", error->message);
		return 1;
	}
	if (scanf("%40s %40s %199s", old, new, name) != 3)
		return 1;
	bytes = repo_object_read(repo, new, 100000, &type, NULL);
	(void)fprintf(stderr, "TYPE %d PLAIN %d PEEL %d\n", bytes ? (int)type : -1,
		      plain ? repo_object_exists(plain, new) : -1,
		      repo_peel_commit(repo, new, commit, NULL));
	if (repo_ref_set(repo, "refs/heads/sneaked", commit, NULL, &error))
		(void)fprintf(stderr, "WROTE\n");
	else
		(void)fprintf(stderr, "REFUSED %d\n", error->code == TS_ERROR_REFUSED);
	(void)fprintf(stderr, "PATH %s\n", repo_path(repo));
	return 1;
}

static void test_hook(void)
{
	g_auto(TmpDir) dir = tmp_dir();
	g_autoptr(GError) error = NULL;
	g_autofree char *bare = tmp_path(&dir, "bare.git");
	g_autofree char *work = tmp_path(&dir, "work");
	g_autofree char *hooks = g_build_filename(bare, "hooks", NULL);
	g_autofree char *hook = g_build_filename(hooks, "pre-receive", NULL);
	g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
	g_autofree char *script = g_strdup_printf("#!/bin/sh\nexec '%s' --as-hook\n", self);
	g_autofree char *output = NULL;
	g_autofree char *path_line = g_strdup_printf("PATH %s", bare);
	const char *const push[] = {"git", "push", "../bare.git", "v1", NULL};
	g_autoptr(Repo) repo = repo_create(bare, &error);
	g_autoptr(GPtrArray) refs = NULL;

	g_assert_no_error(error);
	g_assert_cmpint(g_mkdir_with_parents(hooks, 0755), ==, 0);
	write_text(hook, script);
	g_assert_cmpint(chmod(hook, 0755), ==, 0);
	g_free(git(dir.path, "init", "-q", "-b", "main", "work", NULL));
	g_free(git(work, "commit", "-q", "--allow-empty", "-m", "one", NULL));
	g_free(git(work, "tag", "-a", "-m", "a plan", "v1", NULL));
	g_assert_cmpint(run_in(work, push, &output), !=, 0);
	g_test_message("%s", output);
	g_assert_nonnull(strstr(output, "TYPE 3 PLAIN 0 PEEL 1"));
	g_assert_nonnull(strstr(output, "REFUSED 1"));
	g_assert_nonnull(strstr(output, path_line));
	refs = repo_ref_list(repo, "refs/", &error);
	g_assert_no_error(error);
	g_assert_cmpuint(refs->len, ==, 0);
}

/* Outside of any repository. */
static void test_no_hook(void)
{
	g_auto(TmpDir) dir = tmp_dir();
	g_autoptr(GError) error = NULL;
	g_autofree char *here = g_get_current_dir();

	g_assert_cmpint(chdir(dir.path), ==, 0);
	g_assert_null(repo_open_in_hook(&error));
	g_assert_nonnull(error);
	g_assert_cmpint(chdir(here), ==, 0);
}

int main(int argc, char **argv)
{
	if (argc > 1 && g_str_equal(argv[1], "--as-hook"))
		return hook_main();
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/hook/quarantine", test_hook);
	g_test_add_func("/hook/nowhere", test_no_hook);
	return g_test_run();
}
