/* SPDX-License-Identifier: ISC */
/* What kernel and disk have of what staging uses; tried, not looked up by version. */
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cmd/tagship-base/base.h"
#include "confine/confine.h"

/* Where the first app's trees are. */
static gboolean reflinks(const Base *base)
{
	const ConfBaseApp *app =
	    base->conf->apps->len > 0 ? g_ptr_array_index(base->conf->apps, 0) : NULL;
	const char *dir = app ? app->dir : base->root;
	util_autofd int from = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	util_autofd int to = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	return from >= 0 && to >= 0 && write(from, "x", 1) == 1 && ioctl(to, FICLONE, from) == 0;
}

char *base_features(const Base *base)
{
	g_autoptr(GString) text = g_string_new(NULL);
	ConfineKernel kernel = {0};
	confine_probe(&kernel);
	util_autofd int beneath = util_fs_open_beneath(base->dirfd, "base.cfg", O_RDONLY, 0, NULL);
	if (kernel.landlock_abi > 0)
		g_string_append_printf(text, "landlock=%u ", kernel.landlock_abi);
	if (beneath >= 0)
		g_string_append(text, "openat2 ");
	if (reflinks(base))
		g_string_append(text, "reflink ");
	g_strchomp(text->str);
	return g_strdup(text->str[0] ? text->str : "none");
}
