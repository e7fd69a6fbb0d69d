/* SPDX-License-Identifier: ISC */
/*
 * In a source repository: once refs are committed, leaves a hint and starts the worker, so that a
 * pusher whose connection dies after the refs moved still gets the build (post-receive would not
 * run).
 * In a base's mirror (tagship.mirror = ROOT): a plain `git fetch` pokes the base's pull.
 * It never fails a transaction, and does nothing but poke.
 */
#include "hook.h"

static gboolean relevant(const Hook *hook)
{
	for (guint i = 0; i < hook->updates->len; i++) {
		const HookUpdate *update = g_ptr_array_index(hook->updates, i);
		if (hook_is_relevant(hook, update->ref))
			return TRUE;
	}
	return FALSE;
}

/* Only names are looked at before anything is read: most transactions are none of ours. Branches
 * are post-receive's: a branch check that a dying push misses is made at the worker's next look. */
static gboolean may_be_ours(const Hook *hook)
{
	for (guint i = 0; i < hook->updates->len; i++) {
		const HookUpdate *update = g_ptr_array_index(hook->updates, i);
		if (g_str_has_prefix(update->ref, "refs/tags/") ||
		    g_str_has_prefix(update->ref, "refs/tagship/"))
			return TRUE;
	}
	return FALSE;
}

/* ROOT of the base whose mirror this is: ROOT/mirror.git with base.cfg beside it. */
static char *mirror_root(const Hook *hook)
{
	g_autofree char *name = g_path_get_basename(hook->git_dir);
	g_autofree char *root = g_path_get_dirname(hook->git_dir);
	g_autofree char *mark = g_build_filename(root, "base.cfg", NULL);
	if (strcmp(name, "mirror.git") == 0 && g_file_test(mark, G_FILE_TEST_IS_REGULAR))
		return g_steal_pointer(&root);
	return NULL;
}

/* A running `tagship-base run` sees the file; where none runs, one pull is started. */
static gboolean poke_base(const char *root, GError **error)
{
	util_autofd int dirfd = util_fs_open_dir(AT_FDCWD, root, error);
	if (dirfd < 0 || !util_fs_mkdir(dirfd, "poke", 0755, error) ||
	    !util_fs_write_file(dirfd, "poke/now", "", 0, 0644, error))
		return FALSE;
	util_autofd int lock = util_fs_lock(dirfd, "lock/run", 0, NULL);
	if (lock < 0)
		return TRUE;
	g_autofree char *program = hook_program("tagship-base");
	const char *argv[] = {program, "-C", root, "-q", "pull", NULL};
	return util_child_detach(argv, error);
}

int main(int argc, char **argv)
{
	g_autoptr(Hook) hook = hook_new("reference-transaction", argv);
	g_autoptr(GError) error = NULL;
	int chained = hook_run_chained(hook);
	if (argc < 2 || strcmp(argv[1], "committed") != 0 || !may_be_ours(hook))
		return chained;
	g_autofree char *root = mirror_root(hook);
	if (root) {
		if (!poke_base(root, &error))
			g_printerr("tagship: %s\n", error->message);
		return chained;
	}
	if (!hook_load(hook, &error) ||
	    (hook->state && relevant(hook) && !hook_enqueue(hook, NULL, &error)))
		g_printerr("tagship: this push is not queued: %s\n"
			   "tagship: the worker finds it by itself at its next start\n",
			   error->message);
	return chained;
}
