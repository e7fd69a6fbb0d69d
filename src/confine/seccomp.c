/* SPDX-License-Identifier: ISC */
/*
 * A list of what is refused, not of what is allowed: libraries of every system that we run on make
 * calls of their own, and a new one must not end a release. Calls are named and looked up at run
 * time: one that this machine or this libseccomp does not know is left out.
 */
#include <errno.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "confine/confine-private.h"

/* Nobody calls these by mistake. */
static const char *const deadly[] = {
    "kexec_load",      "kexec_file_load", "init_module",  "finit_module",
    "delete_module",   "create_module",   "reboot",       "swapon",
    "swapoff",         "pivot_root",      "settimeofday", "clock_settime",
    "clock_settime64", "stime",           "iopl",         "ioperm"};

static const char *const refused[] = {
    /* the line is on descriptors that are open */
    "bind", "listen", "accept", "accept4",
/* other processes; a debugger and the leak check need the first ones */
#ifndef __SANITIZE_ADDRESS__
    "ptrace", "process_vm_readv", "personality",
#endif
    "process_vm_writev", "process_madvise", "pidfd_getfd", "kcmp",
    /* the view of the file system, and ways around it */
    "mount", "umount", "umount2", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount",
    "fspick", "mount_setattr", "chroot", "setns", "unshare", "open_by_handle_at", "mknod",
    "mknodat", "quotactl", "quotactl_fd", "fanotify_init",
    /* owners and attributes, which Landlock does not know */
    "chown", "fchown", "lchown", "fchownat", "chown32", "fchown32", "lchown32", "setxattr",
    "lsetxattr", "fsetxattr", "removexattr", "lremovexattr", "fremovexattr",
    /* parts of the kernel where others found holes */
    "bpf", "perf_event_open", "userfaultfd", "keyctl", "add_key", "request_key", "io_uring_setup",
    "io_uring_enter", "io_uring_register", "modify_ldt", "lookup_dcookie", "remap_file_pages",
    "uselib", "vm86", "vm86old",
    /* the machine */
    "adjtimex", "clock_adjtime", "clock_adjtime64", "acct", "syslog", "sethostname",
    "setdomainname", "vhangup", "nfsservctl", "sysfs", "_sysctl"};

/* Unless programs may be run. */
static const char *const of_programs[] = {"execve", "execveat", "fork", "vfork"};

static const guint64 namespaces[] = {CLONE_NEWUSER, CLONE_NEWNS,  CLONE_NEWNET,   CLONE_NEWPID,
				     CLONE_NEWIPC,  CLONE_NEWUTS, CLONE_NEWCGROUP};

#ifdef __s390__
#define CLONE_FLAGS 1
#else
#define CLONE_FLAGS 0
#endif

/* A filter being made; the first failure stays. */
typedef struct {
	scmp_filter_ctx context;
	int failed; /* negative errno */
} Filter;

static void add(Filter *filter, guint32 action, const char *name, guint count,
		const struct scmp_arg_cmp *compare)
{
	int number = seccomp_syscall_resolve_name(name);
	if (number == __NR_SCMP_ERROR || filter->failed)
		return;
	int result = seccomp_rule_add_array(filter->context, action, number, count, compare);
	/* our action is what unlisted calls get: cannot be; another arch's call: no matter */
	filter->failed = result == -EDOM ? 0 : result;
}

static void add_if(Filter *filter, const char *name, struct scmp_arg_cmp compare)
{
	add(filter, SCMP_ACT_ERRNO(EPERM), name, 1, &compare);
}

static void add_all(Filter *filter, guint32 action, const char *const *names, gsize count)
{
	for (gsize i = 0; i < count; i++)
		add(filter, action, names[i], 0, NULL);
}

/* A local stream between processes is no network. Other kinds can be sent to any name. */
static void add_sockets(Filter *filter, gboolean unix_sockets)
{
	static const guint kinds[] = {SOCK_DGRAM, SOCK_RAW};
	if (unix_sockets) {
		add_if(filter, "socket", SCMP_A0(SCMP_CMP_NE, AF_UNIX, 0));
	} else {
		add(filter, SCMP_ACT_ERRNO(EPERM), "socket", 0, NULL);
		add(filter, SCMP_ACT_ERRNO(EPERM), "connect", 0, NULL);
	}
	add_if(filter, "socketpair", SCMP_A0(SCMP_CMP_NE, AF_UNIX, 0));
	for (guint i = 0; i < G_N_ELEMENTS(kinds); i++)
		add_if(filter, "socketpair", SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, kinds[i]));
}

static void add_processes(Filter *filter, gboolean programs)
{
	for (guint i = 0; i < G_N_ELEMENTS(namespaces); i++)
		add_if(filter, "clone",
		       SCMP_CMP(CLONE_FLAGS, SCMP_CMP_MASKED_EQ, namespaces[i], namespaces[i]));
	/* its flags cannot be seen from here; the C library then uses clone */
	add(filter, SCMP_ACT_ERRNO(ENOSYS), "clone3", 0, NULL);
	if (programs)
		return;
	add_all(filter, SCMP_ACT_ERRNO(EPERM), of_programs, G_N_ELEMENTS(of_programs));
#ifndef __SANITIZE_ADDRESS__ /* its leak check is no thread */
	add_if(filter, "clone", SCMP_CMP(CLONE_FLAGS, SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
#endif
}

static void add_rules(Filter *filter, const ConfineSpec *spec)
{
	add_all(filter, SCMP_ACT_KILL_PROCESS, deadly, G_N_ELEMENTS(deadly));
	add_all(filter, SCMP_ACT_ERRNO(EPERM), refused, G_N_ELEMENTS(refused));
	add_sockets(filter, spec->unix_sockets);
	add_processes(filter, spec->programs);
	/* writing into the terminal's input */
	add_if(filter, "ioctl", SCMP_A1(SCMP_CMP_MASKED_EQ, G_MAXUINT32, TIOCSTI));
	add_if(filter, "ioctl", SCMP_A1(SCMP_CMP_MASKED_EQ, G_MAXUINT32, TIOCLINUX));
}

gboolean confine_seccomp(const ConfineSpec *spec, GError **error)
{
	Filter filter = {.context = seccomp_init(SCMP_ACT_ALLOW)};
	if (!filter.context)
		return util_error_set(error, TS_ERROR_FAILED, "seccomp: out of memory");
	/* calls of another word size would not be what the numbers say */
	filter.failed =
	    seccomp_attr_set(filter.context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	add_rules(&filter, spec);
	if (!filter.failed)
		filter.failed = seccomp_load(filter.context);
	seccomp_release(filter.context);
	return filter.failed == 0 ||
	       util_error_errno(error, -filter.failed, "seccomp: the filter cannot be set");
}
