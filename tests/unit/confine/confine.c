/* SPDX-License-Identifier: ISC */
/* Each in a child of its own, since confinement cannot be undone. */
#include <errno.h>
#include <linux/landlock.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "confine/confine.h"

typedef struct {
	char *path;
	int dirfd;
	ConfineKernel kernel;
} World;

static const char *const folders[] = {"read", "read/below", "list", "write", "other", "made"};
static const char *const files[] = {"read/a", "read/below/b", "list/c", "write/d", "other/e"};

static void setup(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	world->path = g_dir_make_tmp("tagship-confine-XXXXXX", NULL);
	world->dirfd = util_fs_open_dir(AT_FDCWD, world->path, &error);
	for (guint i = 0; i < G_N_ELEMENTS(folders); i++)
		g_assert_true(util_fs_mkdir(world->dirfd, folders[i], 0755, &error));
	for (guint i = 0; i < G_N_ELEMENTS(files); i++)
		g_assert_true(util_fs_write_file(world->dirfd, files[i], "x", 1, 0644, &error));
	confine_probe(&world->kernel);
}

static void teardown(World *world, gconstpointer data)
{
	(void)data;
	g_assert_cmpint(close(world->dirfd), ==, 0);
	g_assert_true(util_fs_remove_tree(AT_FDCWD, world->path, NULL));
	g_free(world->path);
}

/* Runs `child` confined by the spec, with the world's usual rules; what waitpid says. */
static int run(const World *world, ConfineSpec spec, void (*child)(const World *world))
{
	g_autofree char *readable = g_build_filename(world->path, "read", NULL);
	g_autofree char *list = g_build_filename(world->path, "list", NULL);
	g_autofree char *writable = g_build_filename(world->path, "write", NULL);
	g_autofree char *made = g_build_filename(world->path, "made", NULL);
	g_autofree char *missing = g_build_filename(world->path, "missing", NULL);
	const ConfineRule rules[] = {
	    {missing, CONFINE_READ},
	    {readable, CONFINE_READ},
	    {list, CONFINE_LIST},
	    {made, CONFINE_LIST | CONFINE_FOLDERS},
	    {writable, CONFINE_READ | CONFINE_WRITE},
	    {NULL, 0},
	};
	int status = 0;
	spec.rules = rules;
	pid_t pid = fork();
	if (pid == 0) {
		g_autoptr(GError) error = NULL;
		gboolean ok = confine_self(&spec, NULL, &error);
		g_assert_no_error(error);
		g_assert_true(ok);
		child(world);
		_exit(0);
	}
	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	return status;
}

/* ---- the file system ---- */

static int try_open(const World *world, const char *path, int flags)
{
	int fd = openat(world->dirfd, path, flags | O_CLOEXEC, 0644);
	int err = fd < 0 ? errno : 0;
	if (fd >= 0)
		g_assert_cmpint(close(fd), ==, 0);
	return err;
}

static void read_and_list(const World *world)
{
	g_assert_cmpint(try_open(world, "read", O_RDONLY), ==, 0);
	g_assert_cmpint(try_open(world, "read/below/b", O_RDONLY), ==, 0);
	g_assert_cmpint(try_open(world, "list", O_RDONLY), ==, 0);
	g_assert_cmpint(try_open(world, "list/c", O_RDONLY), ==, EACCES);
	g_assert_cmpint(try_open(world, "other", O_RDONLY), ==, EACCES);
	g_assert_cmpint(try_open(world, "other/e", O_RDONLY), ==, EACCES);
	g_assert_cmpint(try_open(world, ".", O_RDONLY), ==, EACCES);
	g_assert_cmpint(try_open(world, "/etc/passwd", O_RDONLY), ==, 0);
	g_assert_cmpint(try_open(world, "/etc/shadow", O_RDONLY), ==, EACCES);
	g_assert_cmpint(try_open(world, "/dev/null", O_RDWR), ==, 0);
	/* not by another way either */
	g_assert_cmpint(try_open(world, "read/../other/e", O_RDONLY), ==, EACCES);
	g_autofree char *self = g_strdup_printf("/proc/self/fd/%d/other/e", world->dirfd);
	g_assert_cmpint(try_open(world, self, O_RDONLY), ==, EACCES);
	g_assert_cmpint(try_open(world, "/proc/1/environ", O_RDONLY), ==, EACCES);
}

static void write_here_only(const World *world)
{
	g_assert_true(util_fs_write_file(world->dirfd, "write/new", "x", 1, 0644, NULL));
	g_assert_true(util_fs_mkdir(world->dirfd, "write/folder", 0755, NULL));
	g_assert_true(util_fs_unlink(world->dirfd, "write/d", NULL));
	g_assert_cmpint(mkdirat(world->dirfd, "made/folder", 0755), ==, 0);
	g_assert_cmpint(try_open(world, "made/file", O_WRONLY | O_CREAT), ==, EACCES);
	g_assert_cmpint(try_open(world, "read/a", O_WRONLY), ==, EACCES);
	g_assert_cmpint(try_open(world, "read/new", O_WRONLY | O_CREAT), ==, EACCES);
	g_assert_cmpint(try_open(world, "other/e", O_WRONLY | O_TRUNC), ==, EACCES);
	g_assert_cmpint(unlinkat(world->dirfd, "other/e", 0), !=, 0);
	g_assert_cmpint(renameat(world->dirfd, "read/a", world->dirfd, "write/a"), !=, 0);
	g_assert_cmpint(linkat(world->dirfd, "read/a", world->dirfd, "write/a", 0), !=, 0);
	g_assert_cmpint(symlinkat("x", world->dirfd, "other/link"), !=, 0);
	g_assert_cmpint(mkfifoat(world->dirfd, "write/fifo", 0644), !=, 0);
}

/* Reading a link that leads out is reading what it leads to. */
static void links(const World *world)
{
	g_assert_cmpint(symlinkat("../other/e", world->dirfd, "write/link"), ==, 0);
	g_assert_cmpint(try_open(world, "write/link", O_RDONLY), ==, EACCES);
	g_assert_cmpint(try_open(world, "write/link", O_WRONLY), ==, EACCES);
}

static void test_files(World *world, gconstpointer data)
{
	void (*const *child)(const World *world) = data;
	if (world->kernel.landlock_abi < 3)
		g_test_skip("this kernel's Landlock is none or old");
	else
		g_assert_cmpint(run(world, (ConfineSpec){0}, *child), ==, 0);
}

/* ---- system calls ---- */

static void assert_refused(const char *what, long result)
{
	if (result != -1 || errno != EPERM)
		g_error("%s: %ld (%s)", what, result, g_strerror(errno));
}

static void no_sockets(const World *world)
{
	static const int families[] = {AF_INET, AF_INET6, AF_UNIX, AF_NETLINK, AF_PACKET};
	int pair[2];
	(void)world;
	for (guint i = 0; i < G_N_ELEMENTS(families); i++)
		assert_refused("socket", socket(families[i], SOCK_DGRAM | SOCK_CLOEXEC, 0));
	assert_refused("connect", connect(0, NULL, 0));
	assert_refused("bind", bind(0, NULL, 0));
	assert_refused("listen", listen(0, 1));
	assert_refused("accept", accept4(0, NULL, NULL, SOCK_CLOEXEC));
	assert_refused("socketpair", socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair));
	assert_refused("socketpair", socketpair(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
}

static void no_tricks(const World *world)
{
	(void)world;
#ifndef __SANITIZE_ADDRESS__
	assert_refused("ptrace", ptrace(PTRACE_TRACEME, 0, NULL, NULL));
	assert_refused("personality", syscall(SYS_personality, 0xffffffffUL));
	assert_refused("process_vm_readv", syscall(SYS_process_vm_readv, getppid(), 0, 0, 0, 0, 0));
#endif
	assert_refused("mount", mount("none", "/", NULL, MS_REMOUNT, NULL));
	assert_refused("umount", umount2("/", 0));
	assert_refused("chroot", chroot("/"));
	assert_refused("unshare", unshare(CLONE_NEWUSER));
	assert_refused("setns", setns(0, 0));
	assert_refused("mknod", mknodat(world->dirfd, "write/dev", S_IFCHR | 0600, 0x103));
	assert_refused("mknod", mknodat(world->dirfd, "write/plain", S_IFREG | 0600, 0));
	assert_refused("bpf", syscall(SYS_bpf, 0, NULL, 0));
	assert_refused("perf_event_open", syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0));
	assert_refused("userfaultfd", syscall(SYS_userfaultfd, 0));
	assert_refused("keyctl", syscall(SYS_keyctl, 0, 0, 0, 0, 0));
	assert_refused("io_uring", syscall(SYS_io_uring_setup, 1, NULL));
	assert_refused("open_by_handle_at", syscall(SYS_open_by_handle_at, 0, NULL, 0));
	assert_refused("chown", fchown(world->dirfd, 0, 0));
	assert_refused("setxattr", fsetxattr(world->dirfd, "user.x", "x", 1, 0));
	assert_refused("TIOCSTI", ioctl(0, TIOCSTI, "x"));
	assert_refused("namespace", syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
	g_assert_cmpint(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), ==, 1);
	g_assert_cmpint(prctl(PR_GET_SECCOMP), ==, 2);
}

static void no_programs(const World *world)
{
	char name[] = "/bin/true";
	char *argv[] = {name, NULL};
	(void)world;
	assert_refused("execve", execv(name, argv));
	assert_refused("execveat", syscall(SYS_execveat, 0, name, argv, NULL, 0));
#ifndef __SANITIZE_ADDRESS__
	assert_refused("fork", fork());
#endif
}

static gpointer nothing(gpointer user_data)
{
	return user_data;
}

static void threads(const World *world)
{
	(void)world;
	GThread *thread = g_thread_try_new("test", nothing, NULL, NULL);
	g_assert_nonnull(thread);
	g_assert_null(g_thread_join(thread));
}

static void test_calls(World *world, gconstpointer data)
{
	void (*const *child)(const World *world) = data;
	if (!world->kernel.seccomp)
		g_test_skip("this kernel has no seccomp filters");
	else
		g_assert_cmpint(run(world, (ConfineSpec){0}, *child), ==, 0);
}

static void set_clock(const World *world)
{
	(void)world;
	(void)syscall(SYS_clock_settime, -1, NULL); /* nothing if it were allowed */
}

static void reboot_it(const World *world)
{
	(void)world;
	(void)syscall(SYS_reboot, 0, 0, 0, NULL); /* as above: the numbers are wrong */
}

static void load_module(const World *world)
{
	(void)world;
	(void)syscall(SYS_finit_module, -1, "", 0); /* as above */
}

static void pivot(const World *world)
{
	(void)world;
	(void)syscall(SYS_pivot_root, "", ""); /* as above */
}

#ifdef __x86_64__
/* Of the x32 word size: getpid. */
static void other_words(const World *world)
{
	(void)world;
	(void)syscall(0x40000000L + SYS_getpid); /* as above */
}
#endif

static void test_deadly(World *world, gconstpointer data)
{
	static void (*const children[])(const World *) = {set_clock, reboot_it, load_module, pivot,
#ifdef __x86_64__
							  other_words
#endif
	};
	(void)data;
	if (!world->kernel.seccomp) {
		g_test_skip("this kernel has no seccomp filters");
		return;
	}
	for (guint i = 0; i < G_N_ELEMENTS(children); i++) {
		int status = run(world, (ConfineSpec){.programs = TRUE}, children[i]);
		g_test_message("%u: status %d", i, status);
		g_assert_true(WIFSIGNALED(status));
		g_assert_cmpint(WTERMSIG(status), ==, SIGSYS);
	}
}

/* ---- what may be allowed ---- */

/* A program runs, and is held back as we are. */
static void programs(const World *world)
{
	g_autoptr(GBytes) output = NULL;
	g_autoptr(GError) error = NULL;
	g_autofree char *readable = g_build_filename(world->path, "read", "a", NULL);
	g_autofree char *other = g_build_filename(world->path, "other", "e", NULL);
	const char *good[] = {"cat", readable, NULL}, *bad[] = {"cat", other, NULL};
	int status = -1;
	(void)util_child_capture(good, NULL, NULL, 20, 100, &output, NULL, &status, &error);
	g_assert_no_error(error);
	g_assert_cmpint(status, ==, 0);
	(void)util_child_capture(bad, NULL, NULL, 20, 100, NULL, NULL, &status, &error);
	g_assert_no_error(error);
	g_assert_cmpint(status, !=, 0);
	/* only the system's */
	g_assert_true(
	    util_fs_write_file(world->dirfd, "write/sh", "#!/bin/sh\n", 10, 0755, &error));
	g_autofree char *script = g_build_filename(world->path, "write", "sh", NULL);
	g_assert_cmpint(execl(script, "sh", NULL), ==, -1);
	g_assert_cmpint(errno, ==, EACCES);
}

static void test_programs(World *world, gconstpointer data)
{
	(void)data;
	if (world->kernel.landlock_abi < 3)
		g_test_skip("this kernel's Landlock is none or old");
	else
		g_assert_cmpint(run(world, (ConfineSpec){.programs = TRUE}, programs), ==, 0);
}

static void unix_sockets(const World *world)
{
	(void)world;
	g_assert_cmpint(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), >=, 0);
	assert_refused("socket", socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	g_assert_cmpint(connect(-1, NULL, 0), ==, -1);
	g_assert_cmpint(errno, ==, EBADF);
}

static void test_unix_sockets(World *world, gconstpointer data)
{
	(void)data;
	if (!world->kernel.seccomp)
		g_test_skip("this kernel has no seccomp filters");
	else
		g_assert_cmpint(run(world, (ConfineSpec){.unix_sockets = TRUE}, unix_sockets), ==,
				0);
}

/* ---- what is said ---- */

static void test_lack(void)
{
	g_autofree char *none = confine_lack(&(ConfineKernel){0, FALSE});
	g_assert_nonnull(strstr(none, "no Landlock"));
	g_assert_nonnull(strstr(none, "no seccomp"));
	g_autofree char *old = confine_lack(&(ConfineKernel){1, TRUE});
	g_assert_nonnull(strstr(old, "ABI 1, which keeps files from being moved"));
	g_autofree char *middle = confine_lack(&(ConfineKernel){3, TRUE});
	g_assert_nonnull(strstr(middle, "ABI 3 ("));
	g_assert_null(confine_lack(&(ConfineKernel){6, TRUE}));
	g_assert_null(confine_lack(&(ConfineKernel){99, TRUE}));
}

int main(int argc, char **argv)
{
	static void (*const reading)(const World *) = read_and_list;
	static void (*const writing)(const World *) = write_here_only;
	static void (*const linking)(const World *) = links;
	static void (*const sockets)(const World *) = no_sockets;
	static void (*const tricks)(const World *) = no_tricks;
	static void (*const running)(const World *) = no_programs;
	static void (*const threading)(const World *) = threads;
	g_test_init(&argc, &argv, NULL);
#define ADD(name, data, function) \
	g_test_add("/confine/" name, World, data, setup, function, teardown)
	ADD("read", &reading, test_files);
	ADD("write", &writing, test_files);
	ADD("links", &linking, test_files);
	ADD("sockets", &sockets, test_calls);
	ADD("tricks", &tricks, test_calls);
	ADD("no-programs", &running, test_calls);
	ADD("threads", &threading, test_calls);
	ADD("deadly", NULL, test_deadly);
	ADD("programs", NULL, test_programs);
	ADD("unix-sockets", NULL, test_unix_sockets);
	g_test_add_func("/confine/lack", test_lack);
	return g_test_run();
}
