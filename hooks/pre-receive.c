/* SPDX-License-Identifier: ISC */
/*
 * The door: runs the hooks that were there before, lets plain pushes pass at once, and hands
 * everything else to pre-receive-judge, which loads libgit2 and the rest. An ordinary push pays for
 * none of that.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "decide/refname.h"
#include "hook.h"

/* A push that touches no tag and has only sane names needs nothing of ours opened. */
static gboolean only_plain_refs(const Hook *hook)
{
	if (g_getenv("GIT_PUSH_OPTION_0"))
		return FALSE;
	for (guint i = 0; i < hook->updates->len; i++) {
		const HookUpdate *update = g_ptr_array_index(hook->updates, i);
		if (g_str_has_prefix(update->ref, "refs/tags/") ||
		    !central_ref_check(update->ref, NULL))
			return FALSE;
	}
	return TRUE;
}

/* The judge reads the same standard input again, from memory. */
static gboolean rewind_input(const Hook *hook, GError **error)
{
	gsize len = 0;
	const void *data = g_bytes_get_data(hook->input, &len);
	int fd = memfd_create("updates", MFD_CLOEXEC);
	if (fd < 0)
		return util_error_errno(error, errno, "memfd_create");
	if (!util_fs_write_all(fd, data, len, error))
		return FALSE;
	if (lseek(fd, 0, SEEK_SET) != 0 || dup2(fd, STDIN_FILENO) < 0)
		return util_error_errno(error, errno, "handing the input on");
	return TRUE;
}

int main(int argc, char **argv)
{
	(void)argc; /* git gives none */
	g_autoptr(Hook) hook = hook_new("pre-receive", argv);
	g_autoptr(GError) error = NULL;
	int chained = hook_run_chained(hook);
	if (chained != 0)
		return chained;
	if (only_plain_refs(hook))
		return 0;
	g_autofree char *exe = g_file_read_link("/proc/self/exe", NULL);
	g_autofree char *judge = g_strconcat(exe ? exe : "", "-judge", NULL);
	if (rewind_input(hook, &error)) {
		execl(judge, judge, (char *)NULL);
		util_error_errno(&error, errno, "%s", judge);
	}
	hook_say(hook, "tagship: this push cannot be judged, so it is refused: %s", error->message);
	return 1;
}
