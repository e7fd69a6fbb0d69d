/* SPDX-License-Identifier: ISC */
/*
 * Fault points for whole programs: preloaded, it stands before every call of libc that changes a
 * file system or starts a child, in our programs and hooks, in the libraries they use and in the
 * git and ssh-keygen they start. So the programs under test are the ones that are installed, and
 * libgit2's refs, objects and packs have points, too.
 *
 * A point is named LABEL:INSTANCE:NUMBER: the program and its verb, which start of it, which call
 * in it; so it means the same in the next run. The map (points.h) says which one fails, and how.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "points.h"

static PointsMap *map;
static char label[48];
static char map_path[PATH_MAX], preload[PATH_MAX];
static uint32_t instance;
static pid_t instance_pid;
static atomic_uint number;
static int active, counts_children, waits_for_others;

/* ---- who this process is ---- */

static const char *verb_of(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-C") == 0 || strcmp(argv[i], "-c") == 0)
			i++;
		else if (argv[i][0] != '-' && argv[i][0] != '/')
			return argv[i];
	}
	return "";
}

static void name_process(int argc, char **argv)
{
	char exe[PATH_MAX] = "";
	ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
	const char *slash = n > 0 ? strrchr(exe, '/') : NULL;
	const char *name = slash ? slash + 1 : exe;
	const char *start = argc > 0 ? strrchr(argv[0], '/') : NULL;
	start = argc > 0 ? (start ? start + 1 : argv[0]) : "";
	const char *verb = "";
	if (strncmp(start, "git-", 4) == 0 && strncmp(name, "git", 3) == 0) {
		name = "git";
		verb = start + 4;
	} else if (strcmp(name, "git") == 0 || strcmp(name, "tagship") == 0 ||
		   strcmp(name, "tagship-base") == 0) {
		verb = verb_of(argc, argv);
	}
	(void)snprintf(label, sizeof label, "%.20s%s%.20s", name, *verb ? "-" : "", verb);
	int git = strncmp(label, "git", 3) == 0;
	int hook = strncmp(label, "pre-receive", 11) == 0 ||
		   strncmp(label, "post-receive", 12) == 0 ||
		   strncmp(label, "reference-transaction", 21) == 0;
	active =
	    git || hook || strncmp(label, "tagship", 7) == 0 || strcmp(label, "ssh-keygen") == 0;
	waits_for_others = strncmp(label, "post-receive", 12) == 0 ||
			   strcmp(label, "tagship-stop") == 0 ||
			   strcmp(label, "tagship-resume") == 0;
	/* what the developer's side starts is none of ours */
	counts_children = active && strcmp(label, "git-push") != 0;
}

static void enter_instance(void)
{
	uint32_t own = atomic_fetch_add(&map->instances, 1);
	instance = 1;
	instance_pid = getpid();
	atomic_store(&number, 0);
	if (own >= POINTS_INSTANCES)
		abort();
	memcpy(map->labels[own], label, sizeof label);
	for (uint32_t i = 0; i < own; i++)
		instance += strcmp(map->labels[i], label) == 0;
}

__attribute__((constructor)) static void points_begin(int argc, char **argv)
{
	const char *path = getenv(POINTS_MAP_ENV);
	const char *own = getenv("LD_PRELOAD");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	void *at = mmap(NULL, sizeof *map, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);
	if (at == MAP_FAILED || ((PointsMap *)at)->magic != POINTS_MAGIC)
		return;
	(void)snprintf(map_path, sizeof map_path, POINTS_MAP_ENV "=%s", path);
	(void)snprintf(preload, sizeof preload, "LD_PRELOAD=%s", own ? own : "");
	map = at;
	name_process(argc, argv);
	if (active)
		enter_instance();
}

/* ---- which calls count ---- */

static int on_device(int dirfd, const char *path)
{
	struct stat st;
	size_t len = map ? strlen(map->root) : 0;
	if (!map || !active || !path)
		return 0;
	if (path[0] == '/')
		return strncmp(path, map->root, len) == 0 && (!path[len] || path[len] == '/');
	return (dirfd == AT_FDCWD ? stat(".", &st) : fstat(dirfd, &st)) == 0 &&
	       st.st_dev == map->dev;
}

static int fd_on_device(int fd)
{
	struct stat st;
	return map && active && fstat(fd, &st) == 0 && st.st_dev == map->dev &&
	       (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
}

static void path_of(int fd, char *path, size_t size)
{
	char link[64];
	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, size - 1);
	path[n > 0 ? n : 0] = '\0';
}

static void record(unsigned mine, const char *call, int dirfd, const char *path)
{
	char where[PATH_MAX] = "";
	uint32_t at = atomic_fetch_add(&map->records, 1);
	if (at >= POINTS_RECORDS)
		return;
	if (dirfd >= 0 && (!path || path[0] != '/'))
		path_of(dirfd, where, sizeof where);
	size_t root = strlen(map->root);
	const char *shown = strncmp(where, map->root, root) == 0 ? where + root : where;
	if (path && strncmp(path, map->root, root) == 0)
		path += root;
	(void)snprintf(map->texts[at], POINTS_TEXT, "%s:%u:%u %s %.80s%s%.80s", label, instance,
		       mine, call, shown, *shown && path ? "/" : "", path ? path : "");
}

static _Noreturn void stop_here(int cut)
{
	if (!cut)
		(void)kill(getpid(), SIGKILL);
	atomic_store(&map->cut_asked, 1);
	for (;;) /* aim ends us */
		(void)pause();
}

/* Counts; returns what the call must do: go on, fail (errno is set), or end. */
static PointsFault point(const char *call, int dirfd, const char *path)
{
	if (instance_pid != getpid())
		enter_instance(); /* forked, and no other program yet */
	unsigned mine = atomic_fetch_add(&number, 1) + 1;
	record(mine, call, dirfd, path);
	if (map->fault == POINTS_NONE || mine != map->aim_number || instance != map->aim_instance ||
	    strcmp(label, map->aim_label) != 0)
		return POINTS_NONE;
	atomic_store(&map->reached, 1);
	if (map->fault == POINTS_ENOSPC || map->fault == POINTS_EIO)
		errno = map->fault == POINTS_EIO ? EIO : ENOSPC;
	return (PointsFault)map->fault;
}

/* TRUE if the call must fail. */
static int fails(const char *call, int dirfd, const char *path)
{
	PointsFault fault = point(call, dirfd, path);
	if (fault == POINTS_KILL || fault == POINTS_CUT)
		stop_here(fault == POINTS_CUT);
	return fault != POINTS_NONE;
}

#define REAL(name)                     \
	static __typeof__(name) *real; \
	if (!real)                     \
	real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

/* ---- contents ---- */

#define WRITES(name, half, ...)                                                              \
	do {                                                                                 \
		PointsFault fault = fd_on_device(fd) ? point(#name, fd, NULL) : POINTS_NONE; \
		if (fault == POINTS_KILL || fault == POINTS_CUT) {                           \
			(void)!(half);                                                       \
			stop_here(fault == POINTS_CUT);                                      \
		}                                                                            \
		if (fault != POINTS_NONE)                                                    \
			return -1;                                                           \
		return real(__VA_ARGS__);                                                    \
	} while (0)

ssize_t write(int fd, const void *data, size_t len)
{
	REAL(write);
	WRITES(write, real(fd, data, len / 2), fd, data, len);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
	REAL(pwrite);
	WRITES(pwrite, real(fd, data, len / 2, at), fd, data, len, at);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at)
{
	REAL(pwrite64);
	WRITES(pwrite64, real(fd, data, len / 2, at), fd, data, len, at);
}

ssize_t copy_file_range(int from, off64_t *from_at, int fd, off64_t *at, size_t len, unsigned flags)
{
	REAL(copy_file_range);
	WRITES(copy_file_range, real(from, from_at, fd, at, len / 2, flags), from, from_at, fd, at,
	       len, flags);
}

int ftruncate(int fd, off_t len)
{
	REAL(ftruncate);
	WRITES(ftruncate, 0, fd, len);
}

int ftruncate64(int fd, off64_t len)
{
	REAL(ftruncate64);
	WRITES(ftruncate64, 0, fd, len);
}

int fsync(int fd)
{
	REAL(fsync);
	WRITES(fsync, 0, fd);
}

int fdatasync(int fd)
{
	REAL(fdatasync);
	WRITES(fdatasync, 0, fd);
}

int syncfs(int fd)
{
	REAL(syncfs);
	WRITES(syncfs, 0, fd);
}

int fchmod(int fd, mode_t mode)
{
	REAL(fchmod);
	WRITES(fchmod, 0, fd, mode);
}

int futimens(int fd, const struct timespec times[2])
{
	REAL(futimens);
	WRITES(futimens, 0, fd, times);
}

/* these return the error */
int posix_fallocate(int fd, off_t at, off_t len)
{
	REAL(posix_fallocate);
	return fd_on_device(fd) && fails("fallocate", fd, NULL) ? errno : real(fd, at, len);
}

int posix_fallocate64(int fd, off64_t at, off64_t len)
{
	REAL(posix_fallocate64);
	return fd_on_device(fd) && fails("fallocate", fd, NULL) ? errno : real(fd, at, len);
}

int ioctl(int fd, unsigned long request, ...)
{
	REAL(ioctl);
	va_list args;
	va_start(args, request);
	void *arg = va_arg(args, void *);
	va_end(args);
	if (request == FICLONE && fd_on_device(fd) && fails("reflink", fd, NULL))
		return -1;
	return real(fd, request, arg);
}

/* ---- names ---- */

#define NAMES(call, dirfd, path, ...) \
	return on_device(dirfd, path) && fails(call, dirfd, path) ? -1 : real(__VA_ARGS__)

static int open_creates(int flags)
{
	return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
}

#define OPENS(name, dirfd, params, args_at, ...)                                                   \
	int name params                                                                            \
	{                                                                                          \
		REAL(name);                                                                        \
		va_list args;                                                                      \
		va_start(args, args_at);                                                           \
		mode_t mode = open_creates(flags) ? (mode_t)va_arg(args, int) : 0;                 \
		va_end(args);                                                                      \
		if (open_creates(flags) && on_device(dirfd, path) && fails("create", dirfd, path)) \
			return -1;                                                                 \
		return real(__VA_ARGS__, mode);                                                    \
	}

OPENS(open, AT_FDCWD, (const char *path, int flags, ...), flags, path, flags)
OPENS(open64, AT_FDCWD, (const char *path, int flags, ...), flags, path, flags)
OPENS(openat, dirfd, (int dirfd, const char *path, int flags, ...), flags, dirfd, path, flags)
OPENS(openat64, dirfd, (int dirfd, const char *path, int flags, ...), flags, dirfd, path, flags)

static FILE *open_stream(FILE *(*real)(const char *, const char *), const char *path,
			 const char *mode)
{
	if (mode[0] != 'r' && on_device(AT_FDCWD, path) && fails("create", AT_FDCWD, path))
		return NULL;
	return real(path, mode);
}

FILE *fopen(const char *path, const char *mode)
{
	REAL(fopen);
	return open_stream(real, path, mode);
}

FILE *fopen64(const char *path, const char *mode)
{
	REAL(fopen64);
	return open_stream(real, path, mode);
}

/* libc writes a stream by calls of its own: one point where it gives all away */
static int stream_fails(const char *call, FILE *stream)
{
	int fd = fileno(stream);
	return fd > 2 && (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY && fd_on_device(fd) &&
	       fails(call, fd, NULL);
}

int fflush(FILE *stream)
{
	REAL(fflush);
	return stream && stream_fails("fflush", stream) ? EOF : real(stream);
}

int fclose(FILE *stream)
{
	REAL(fclose);
	if (!stream_fails("fclose", stream))
		return real(stream);
	int err = errno;
	(void)real(stream);
	errno = err;
	return EOF;
}

int mkdir(const char *path, mode_t mode)
{
	REAL(mkdir);
	NAMES("mkdir", AT_FDCWD, path, path, mode);
}

int mkdirat(int dirfd, const char *path, mode_t mode)
{
	REAL(mkdirat);
	NAMES("mkdir", dirfd, path, dirfd, path, mode);
}

int rmdir(const char *path)
{
	REAL(rmdir);
	NAMES("rmdir", AT_FDCWD, path, path);
}

int unlink(const char *path)
{
	REAL(unlink);
	NAMES("unlink", AT_FDCWD, path, path);
}

int unlinkat(int dirfd, const char *path, int flags)
{
	REAL(unlinkat);
	NAMES("unlink", dirfd, path, dirfd, path, flags);
}

int rename(const char *from, const char *to)
{
	REAL(rename);
	NAMES("rename", AT_FDCWD, to, from, to);
}

int renameat(int from_dirfd, const char *from, int to_dirfd, const char *to)
{
	REAL(renameat);
	NAMES("rename", to_dirfd, to, from_dirfd, from, to_dirfd, to);
}

int renameat2(int from_dirfd, const char *from, int to_dirfd, const char *to, unsigned flags)
{
	REAL(renameat2);
	NAMES("rename", to_dirfd, to, from_dirfd, from, to_dirfd, to, flags);
}

int link(const char *from, const char *to)
{
	REAL(link);
	NAMES("link", AT_FDCWD, to, from, to);
}

int linkat(int from_dirfd, const char *from, int to_dirfd, const char *to, int flags)
{
	REAL(linkat);
	NAMES("link", to_dirfd, to, from_dirfd, from, to_dirfd, to, flags);
}

int symlink(const char *target, const char *path)
{
	REAL(symlink);
	NAMES("symlink", AT_FDCWD, path, target, path);
}

int symlinkat(const char *target, int dirfd, const char *path)
{
	REAL(symlinkat);
	NAMES("symlink", dirfd, path, target, dirfd, path);
}

int chmod(const char *path, mode_t mode)
{
	REAL(chmod);
	NAMES("chmod", AT_FDCWD, path, path, mode);
}

int fchmodat(int dirfd, const char *path, mode_t mode, int flags)
{
	REAL(fchmodat);
	NAMES("chmod", dirfd, path, dirfd, path, mode, flags);
}

int utimensat(int dirfd, const char *path, const struct timespec times[2], int flags)
{
	REAL(utimensat);
	NAMES("utimens", dirfd, path, dirfd, path, times, flags);
}

/* openat2 has no function of its own */
long syscall(long nr, ...)
{
	REAL(syscall);
	long a[6];
	va_list args;
	va_start(args, nr);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (nr == SYS_openat2) {
		const struct open_how *how = (const struct open_how *)a[2];
		const char *path = (const char *)a[1];
		if (open_creates((int)how->flags) && on_device((int)a[0], path) &&
		    fails("create", (int)a[0], path))
			return -1;
	}
	return real(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* ---- time ---- */

/* A push gives an absent worker some seconds to come, a stop the bases to read it. In a world
 * without them these pass quickly. */
#define HURRY 40
static atomic_long skipped_ms;

int clock_gettime(clockid_t clock, struct timespec *ret_now)
{
	REAL(clock_gettime);
	static int64_t began_ns;
	int ret = real(clock, ret_now);
	if (ret != 0 || !map || clock != CLOCK_MONOTONIC)
		return ret;
	ret_now->tv_sec += atomic_load(&skipped_ms) / 1000;
	if (!waits_for_others)
		return ret;
	int64_t now_ns = ret_now->tv_sec * INT64_C(1000000000) + ret_now->tv_nsec;
	if (began_ns == 0)
		began_ns = now_ns;
	now_ns = began_ns + (now_ns - began_ns) * HURRY;
	ret_now->tv_sec = now_ns / INT64_C(1000000000);
	ret_now->tv_nsec = now_ns % INT64_C(1000000000);
	return 0;
}

/* The worker tries again after a minute. Where nobody has anything for it within a moment, the
 * minute is over. */
#define LONG_WAIT_MS 5000
#define MOMENT_MS 200

static int waits_for_hints(const struct pollfd *fds, nfds_t n)
{
	char path[PATH_MAX];
	if (n != 1)
		return 0;
	path_of(fds->fd, path, sizeof path);
	return strcmp(path, "anon_inode:inotify") == 0;
}

int poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	REAL(poll);
	if (!map || !active || timeout_ms < LONG_WAIT_MS || !waits_for_hints(fds, n))
		return real(fds, n, timeout_ms);
	int ready = real(fds, n, MOMENT_MS);
	if (ready == 0)
		atomic_fetch_add(&skipped_ms, timeout_ms);
	return ready;
}

/* ---- children ---- */

pid_t fork(void)
{
	REAL(fork);
	return map && counts_children && fails("child", -1, NULL) ? -1 : real();
}

/* The environment of a child, with what brings the points into it; the caller frees. */
static char **with_points(char *const *env)
{
	size_t n = 0, kept = 0;
	while (env && env[n])
		n++;
	char **all = calloc(n + 3, sizeof *all);
	if (!all)
		abort();
	for (size_t i = 0; i < n; i++)
		if (strncmp(env[i], "LD_PRELOAD=", 11) != 0 &&
		    strncmp(env[i], POINTS_MAP_ENV "=", sizeof POINTS_MAP_ENV) != 0)
			all[kept++] = env[i];
	all[kept++] = preload;
	all[kept] = map_path;
	return all;
}

int execve(const char *path, char *const argv[], char *const env[])
{
	REAL(execve);
	if (!map)
		return real(path, argv, env);
	char **all = with_points(env);
	int ret = real(path, argv, all);
	int err = errno;
	free(all);
	errno = err;
	return ret;
}

int execv(const char *path, char *const argv[])
{
	return execve(path, argv, environ);
}

int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
		const posix_spawnattr_t *attr, char *const argv[], char *const env[])
{
	REAL(posix_spawn);
	if (!map)
		return real(pid, path, actions, attr, argv, env);
	if (counts_children && fails("child", -1, path))
		return errno;
	char **all = with_points(env);
	int ret = real(pid, path, actions, attr, argv, all);
	free(all);
	return ret;
}
