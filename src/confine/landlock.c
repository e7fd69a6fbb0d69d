/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <linux/landlock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine/confine-private.h"

/* Newer than the oldest headers we build with; the running kernel's ABI decides what is used. */
#define FS_REFER (1ULL << 13)     /* ABI 2 */
#define FS_TRUNCATE (1ULL << 14)  /* ABI 3 */
#define FS_IOCTL_DEV (1ULL << 15) /* ABI 5 */
#define NET_BIND_TCP (1ULL << 0)  /* ABI 4 */
#define NET_CONNECT_TCP (1ULL << 1)
#define SCOPE_ABSTRACT_UNIX (1ULL << 0) /* ABI 6 */
#define SCOPE_SIGNAL (1ULL << 1)

/* All that a file that is no folder can be given. */
#define FILE_RIGHTS                                                  \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | \
	 LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE)

/* struct landlock_ruleset_attr of ABI 6; older kernels get the front of it. */
typedef struct {
	guint64 fs, net, scoped;
} RulesetAttr;

static const struct {
	ConfineAccess access;
	guint64 rights;
} rights_table[] = {
    {CONFINE_LIST, LANDLOCK_ACCESS_FS_READ_DIR},
    {CONFINE_READ, LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_READ_FILE},
    {CONFINE_FOLDERS, LANDLOCK_ACCESS_FS_MAKE_DIR},
    {CONFINE_REMOVE, LANDLOCK_ACCESS_FS_REMOVE_FILE},
    {CONFINE_WRITE, LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
			LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
			LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SYM | FS_TRUNCATE},
    {CONFINE_MOVE, FS_REFER},
};

/* Held back beside those of the table; no rule gives the latter ones. */
static const guint64 other_rights = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
				    LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
				    LANDLOCK_ACCESS_FS_MAKE_BLOCK | FS_IOCTL_DEV;

/* Programs, and what they and the C library look for. */
static const char *const program_folders[] = {"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64"};

/* Of /etc no more than this: root could read all of it. */
static const ConfineRule system_rules[] = {
    {"/etc/ld.so.cache", CONFINE_READ},
    {"/etc/ld.so.preload", CONFINE_READ},
    {"/etc/nsswitch.conf", CONFINE_READ},
    {"/etc/passwd", CONFINE_READ},
    {"/etc/group", CONFINE_READ},
    {"/etc/localtime", CONFINE_READ},
    {"/etc/locale.alias", CONFINE_READ},
    {"/etc/ssl/openssl.cnf", CONFINE_READ},
    {"/etc/pki/tls/openssl.cnf", CONFINE_READ},
    {"/etc/crypto-policies", CONFINE_READ},
    {"/proc", CONFINE_READ},
    {"/sys/devices/system/cpu", CONFINE_READ},
    {"/dev/null", CONFINE_READ | CONFINE_WRITE},
    {"/dev/urandom", CONFINE_READ},
    {"/dev/random", CONFINE_READ},
#ifdef TAGSHIP_COV
    /* gcov writes its counts when the program ends */
    {TAGSHIP_COV, CONFINE_READ | CONFINE_WRITE},
#endif
};

/* Where services that know accounts are asked. */
static const ConfineRule account_rules[] = {{"/run/systemd/userdb", CONFINE_READ},
					    {"/var/lib/sss", CONFINE_READ}};

static guint64 fs_of_abi(guint abi)
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

static guint64 rights_of(guint access)
{
	guint64 rights = 0;
	for (guint i = 0; i < G_N_ELEMENTS(rights_table); i++)
		if (access & rights_table[i].access)
			rights |= rights_table[i].rights;
	return rights;
}

static int make_ruleset(guint abi, GError **error)
{
	RulesetAttr attr = {.fs = (rights_of(~0U) | other_rights) & fs_of_abi(abi)};
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

static gboolean allow(int ruleset_fd, const char *path, guint64 rights, GError **error)
{
	struct stat st;
	util_autofd int fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == EACCES))
		return TRUE; /* nothing there for us */
	if (fd < 0 || fstat(fd, &st) != 0)
		return util_error_errno(error, errno, "%s", path);
	struct landlock_path_beneath_attr rule = {
	    .allowed_access = S_ISDIR(st.st_mode) ? rights : rights & FILE_RIGHTS, .parent_fd = fd};
	if (rule.allowed_access == 0 ||
	    syscall(SYS_landlock_add_rule, ruleset_fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0)
		return TRUE;
	return util_error_errno(error, errno, "landlock_add_rule %s", path);
}

static gboolean allow_rule(int ruleset_fd, const ConfineRule *rule, guint abi, GError **error)
{
	return allow(ruleset_fd, rule->path, rights_of(rule->access) & fs_of_abi(abi), error);
}

static gboolean allow_system(int ruleset_fd, const ConfineSpec *spec, guint abi, GError **error)
{
	guint64 rights =
	    rights_of(CONFINE_READ) | (spec->programs ? LANDLOCK_ACCESS_FS_EXECUTE : 0);
	for (guint i = 0; i < G_N_ELEMENTS(program_folders); i++)
		if (!allow(ruleset_fd, program_folders[i], rights, error))
			return FALSE;
	for (guint i = 0; i < G_N_ELEMENTS(system_rules); i++)
		if (!allow_rule(ruleset_fd, &system_rules[i], abi, error))
			return FALSE;
	for (guint i = 0; spec->unix_sockets && i < G_N_ELEMENTS(account_rules); i++)
		if (!allow_rule(ruleset_fd, &account_rules[i], abi, error))
			return FALSE;
	return TRUE;
}

#ifdef __SANITIZE_ADDRESS__
/* Reports, and the list of what is none (scripts/with-sanitizers). */
static gboolean allow_reports(int ruleset_fd, guint abi, GError **error)
{
	const ConfineRule rule = {g_getenv("TAGSHIP_SANITIZER_DIR"), CONFINE_READ | CONFINE_WRITE};
	return !rule.path || allow_rule(ruleset_fd, &rule, abi, error);
}
#else
#define allow_reports(ruleset_fd, abi, error) TRUE
#endif

gboolean confine_landlock(const ConfineSpec *spec, guint abi, GError **error)
{
	util_autofd int ruleset_fd = make_ruleset(abi, error);
	if (ruleset_fd < 0 || !allow_system(ruleset_fd, spec, abi, error) ||
	    !allow_reports(ruleset_fd, abi, error))
		return FALSE;
	for (const ConfineRule *rule = spec->rules; rule && rule->path; rule++)
		if (!allow_rule(ruleset_fd, rule, abi, error))
			return FALSE;
	return syscall(SYS_landlock_restrict_self, ruleset_fd, 0) == 0 ||
	       util_error_errno(error, errno, "landlock_restrict_self");
}
