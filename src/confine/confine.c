/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine/confine-private.h"

#define ABI_MOVES 2 /* before, Landlock lets no file move from folder to folder */
#define ABI_WHOLE 6 /* from which on it has all that we use */

void confine_probe(ConfineKernel *ret_kernel)
{
	guint32 action = SECCOMP_RET_KILL_PROCESS;
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	ret_kernel->landlock_abi = abi > 0 ? (guint)abi : 0;
	ret_kernel->seccomp = syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

char *confine_lack(const ConfineKernel *kernel)
{
	g_autoptr(GPtrArray) lacks = g_ptr_array_new_with_free_func(g_free);
	if (kernel->landlock_abi == 0)
		g_ptr_array_add(lacks, g_strdup("no Landlock (files are not held back; Linux 5.19 "
						"or newer with \"landlock\" among the boot "
						"parameter lsm= has it)"));
	else if (kernel->landlock_abi < ABI_WHOLE)
		g_ptr_array_add(lacks,
				g_strdup_printf("Landlock only of ABI %u%s (Linux 6.12 has all)",
						kernel->landlock_abi,
						kernel->landlock_abi < ABI_MOVES
						    ? ", which keeps files from being moved"
						    : ""));
	if (!kernel->seccomp)
		g_ptr_array_add(lacks, g_strdup("no seccomp filters (system calls are not held "
						"back; a kernel with CONFIG_SECCOMP_FILTER has "
						"them, and a container must allow them)"));
	if (lacks->len == 0)
		return NULL;
	g_ptr_array_add(lacks, NULL);
	return g_strjoinv(", ", (char **)lacks->pdata);
}

gboolean confine_account_is_local(void)
{
	struct passwd entry = {0}, *found = NULL;
	char buffer[4096];
	FILE *passwd = fopen("/etc/passwd", "re");
	gboolean local = FALSE;
	while (passwd && !local && fgetpwent_r(passwd, &entry, buffer, sizeof buffer, &found) == 0)
		local = found->pw_uid == getuid();
	if (passwd)
		(void)fclose(passwd); /* was only read */
	return local;
}

static gboolean moves_files(const ConfineSpec *spec)
{
	for (const ConfineRule *rule = spec->rules; rule && rule->path; rule++)
		if (rule->access & CONFINE_MOVE)
			return TRUE;
	return FALSE;
}

gboolean confine_self(const ConfineSpec *spec, char **ret_note, GError **error)
{
	ConfineKernel kernel = {0};
	confine_probe(&kernel);
	g_autofree char *lack = confine_lack(&kernel);
	gboolean landlock = kernel.landlock_abi >= (moves_files(spec) ? ABI_MOVES : 1);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return util_error_errno(error, errno, "no_new_privs");
	if (landlock && !confine_landlock(spec, kernel.landlock_abi, error))
		return FALSE;
	if (kernel.seccomp && !confine_seccomp(spec, error))
		return FALSE;
	if (ret_note)
		*ret_note =
		    landlock && kernel.seccomp ? NULL : g_strdup_printf("this kernel has %s", lack);
	return TRUE;
}
