/* SPDX-License-Identifier: ISC */
/* The base's own key, and another one in its place. */
#include <unistd.h>

#include "cmd/tagship-base/base.h"
#include "cmd/tagship-base/pulling.h"

#define SIG_SUFFIX ".sig"

static int key_show(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 0, 0, error))
		return 2;
	g_autoptr(Base) base = base_open(cmd, error);
	g_autofree char *key = base ? util_sshsig_public_key(base->conf->key_file, error) : NULL;
	if (!key)
		return 1;
	g_print("%s\n", key);
	return 0;
}

static char *next_path(const Base *base)
{
	return g_strconcat(base->conf->key_file, ".next", NULL);
}

static int key_rotate(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 0, 0, error))
		return 2;
	g_autoptr(Base) base = base_open(cmd, error);
	if (!base)
		return 1;
	g_autofree char *path = next_path(base);
	g_autofree char *comment = g_strdup_printf("tagship base %s", base->conf->name);
	if (!g_file_test(path, G_FILE_TEST_EXISTS) && !util_sshsig_keygen(path, comment, error))
		return 1;
	g_autofree char *key = util_sshsig_public_key(path, error);
	if (!key)
		return 1;
	cmd_say(cmd, "%s is made; nothing has changed yet. On central, run:", path);
	g_print("tagship base key %s --key '%s'\n", base->conf->name, key);
	cmd_say(cmd, "then here: tagship-base key finish");
	return 0;
}

/* Reports that wait are signed anew when they are delivered. */
static gboolean drop_signatures(const Base *base, GError **error)
{
	util_autofd int dirfd = util_fs_open_dir(base->dirfd, "pending", error);
	g_autoptr(GPtrArray) names = dirfd < 0 ? NULL : util_fs_list(dirfd, ".", error);
	for (guint i = 0; names && i < names->len; i++)
		if (g_str_has_suffix(names->pdata[i], SIG_SUFFIX) &&
		    !util_fs_unlink(dirfd, names->pdata[i], error))
			return FALSE;
	return names != NULL;
}

static gboolean take_next(const char *next, const char *key, GError **error)
{
	g_autofree char *next_pub = g_strconcat(next, ".pub", NULL);
	g_autofree char *key_pub = g_strconcat(key, ".pub", NULL);
	/* the public half is for people: without it the private one says it */
	(void)util_fs_rename(AT_FDCWD, next_pub, AT_FDCWD, key_pub, NULL);
	return util_fs_rename(AT_FDCWD, next, AT_FDCWD, key, error);
}

static int key_finish(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 0, 0, error))
		return 2;
	g_autoptr(Base) base = base_open(cmd, error);
	if (!base)
		return 1;
	/* nobody delivers meanwhile */
	util_autofd int lock = util_fs_lock(base->dirfd, BASE_PULL_LOCK, 10000, error);
	if (lock < 0)
		return util_error_exit_status(*error);
	g_autofree char *next = next_path(base);
	gboolean there = g_file_test(next, G_FILE_TEST_EXISTS);
	/* before and after: a report may be written in between */
	if (!drop_signatures(base, error) ||
	    (there && !take_next(next, base->conf->key_file, error)) ||
	    !drop_signatures(base, error))
		return 1;
	cmd_say(cmd, there ? "this base has its new key; central must know it by now"
			   : "there is no key to change to (tagship-base key rotate makes one)");
	return there ? 0 : 1;
}

int base_key(Cmd *cmd, GError **error)
{
	static const CmdVerb verbs[] = {
	    {"show", key_show}, {"rotate", key_rotate}, {"finish", key_finish}, {NULL, NULL}};
	return cmd_verb(cmd, verbs, error);
}
