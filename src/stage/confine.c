/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <linux/landlock.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "stage/confine.h"

/* Newer than the oldest headers we build with; the running kernel's ABI decides what is used. */
#define FS_REFER (1ULL << 13)     /* ABI 2 */
#define FS_TRUNCATE (1ULL << 14)  /* ABI 3 */
#define FS_IOCTL_DEV (1ULL << 15) /* ABI 5 */
#define NET_BIND_TCP (1ULL << 0)  /* ABI 4 */
#define NET_CONNECT_TCP (1ULL << 1)
#define SCOPE_ABSTRACT_UNIX (1ULL << 0) /* ABI 6 */
#define SCOPE_SIGNAL (1ULL << 1)

/* struct landlock_ruleset_attr of ABI 6; older kernels get the front of it. */
typedef struct {
	guint64 fs, net, scoped;
} RulesetAttr;

/* All ways of writing. Those that unpacking needs are allowed beneath the folders; making devices,
 * sockets and FIFOs is not. */
static const guint64 fs_allowed = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
				  LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
				  LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SYM |
				  FS_REFER | FS_TRUNCATE;
static const guint64 fs_refused = LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_SOCK |
				  LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
				  FS_IOCTL_DEV;

static guint64 fs_of_abi(long abi)
{
	guint64 known = FS_REFER - 1;
	if (abi >= 2)
		known |= FS_REFER;
	if (abi >= 3)
		known |= FS_TRUNCATE;
	if (abi >= 5)
		known |= FS_IOCTL_DEV;
	return known;
}

static int make_ruleset(long abi, GError **error)
{
	RulesetAttr attr = {.fs = (fs_allowed | fs_refused) & fs_of_abi(abi)};
	gsize size = sizeof attr.fs;
	if (abi >= 4) {
		attr.net = NET_BIND_TCP | NET_CONNECT_TCP;
		size = G_STRUCT_OFFSET(RulesetAttr, scoped);
	}
	if (abi >= 6) {
		attr.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
		size = sizeof attr;
	}
	long fd = syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (fd < 0)
		util_error_errno(error, errno, "landlock_create_ruleset");
	return (int)fd;
}

static gboolean allow_folder(int ruleset_fd, const char *folder, long abi, GError **error)
{
	util_autofd int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return util_error_errno(error, errno, "%s", folder);
	struct landlock_path_beneath_attr rule = {.allowed_access = fs_allowed & fs_of_abi(abi),
						  .parent_fd = fd};
	if (syscall(SYS_landlock_add_rule, ruleset_fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
		return util_error_errno(error, errno, "landlock_add_rule %s", folder);
	return TRUE;
}

gboolean stage_confine(const char *const *folders, char **ret_note, GError **error)
{
	*ret_note = NULL;
	/* only root may; Landlock's network rules are there for all others */
	(void)unshare(CLONE_NEWNET);
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (abi < 1) {
		*ret_note =
		    g_strdup_printf("unpacking is not confined: this kernel has no Landlock "
				    "(%s)",
				    g_strerror(errno));
		return TRUE;
	}
	util_autofd int ruleset_fd = make_ruleset(abi, error);
	if (ruleset_fd < 0)
		return FALSE;
	for (guint i = 0; folders[i]; i++)
		if (!allow_folder(ruleset_fd, folders[i], abi, error))
			return FALSE;
#ifdef TAGSHIP_COV
	/* gcov writes its counts when the program ends */
	if (!allow_folder(ruleset_fd, TAGSHIP_COV, abi, error))
		return FALSE;
#endif
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return util_error_errno(error, errno, "no_new_privs");
	if (syscall(SYS_landlock_restrict_self, ruleset_fd, 0) != 0)
		return util_error_errno(error, errno, "landlock_restrict_self");
	return TRUE;
}
