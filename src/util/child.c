/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/util.h"

#define GROUP_LOOK_US (20 * 1000)

static const char *const default_env[] = {UTIL_CHILD_PATH, "LANG=C.UTF-8", NULL};

/* GLib takes char **, and promises not to write. */
static char **as_strv(const char *const *strings)
{
	union {
		const char *const *in;
		char **out;
	} cast = {.in = strings};
	return cast.out;
}

/* Runs in the child between fork and exec: only async-signal-safe calls. */
static void child_setup(gpointer data)
{
	const UtilChildSpec *spec = data;
	sigset_t none;
	(void)setpgid(0, 0);      /* cannot fail in a fresh child */
	(void)sigemptyset(&none); /* cannot fail */
	(void)sigprocmask(SIG_SETMASK, &none,
			  NULL); /* who waits for signals by descriptor blocks them */
	if (spec->max_file_bytes) {
		struct rlimit limit = {spec->max_file_bytes, spec->max_file_bytes};
		(void)setrlimit(RLIMIT_FSIZE, &limit); /* lowering is always allowed */
	}
	if (spec->max_memory_bytes) {
		struct rlimit limit = {spec->max_memory_bytes, spec->max_memory_bytes};
		(void)setrlimit(RLIMIT_DATA, &limit); /* as above */
	}
}

/* A copy above the standard descriptors: GLib marks what it is given close-on-exec, which would
 * close our own 1 or 2 in the child when it is to become the same number there. */
static int own_copy(int fd, int fallback)
{
	return fcntl(fd > 0 ? fd : fallback, F_DUPFD_CLOEXEC, 3);
}

static gboolean spawn(const UtilChildSpec *spec, GPid *ret_pid, GError **error)
{
	g_autoptr(GError) failed = NULL;
	util_autofd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	util_autofd int in = own_copy(spec->input_fd, null);
	util_autofd int out = own_copy(spec->output_fd, null);
	util_autofd int err = own_copy(spec->error_fd, out);
	int fault = util_fault_point("child");
	if (fault || null < 0 || in < 0 || out < 0 || err < 0)
		return util_error_errno(error, fault ? fault : errno, "starting %s", spec->argv[0]);
	if (!g_spawn_async_with_pipes_and_fds(
		spec->cwd ? spec->cwd : "/", spec->argv, spec->env ? spec->env : default_env,
		G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_SEARCH_PATH_FROM_ENVP, child_setup,
		(gpointer)(gsize)spec, in, out, err, NULL, NULL, 0, ret_pid, NULL, NULL, NULL,
		&failed))
		return util_error_set(error,
				      g_error_matches(failed, G_SPAWN_ERROR, G_SPAWN_ERROR_NOENT)
					  ? TS_ERROR_NOT_FOUND
					  : TS_ERROR_FAILED,
				      "starting %s: %s", spec->argv[0], failed->message);
	return TRUE;
}

/* Waits up to wait_ms (-1: for ever) for the child to end; TRUE if it has. */
static gboolean wait_end(int pidfd, int wait_ms)
{
	struct pollfd pfd = {pidfd, POLLIN, 0};
	return poll(&pfd, 1, wait_ms) > 0;
}

/* Milliseconds until the next thing to do, -1 for none. */
static int next_wait(const UtilChildSpec *spec, gint64 deadline_us)
{
	gint64 wait_ms = -1;
	if (deadline_us > 0)
		wait_ms = MAX(0, (deadline_us - g_get_monotonic_time()) / 1000 + 1);
	if (spec->tick && spec->tick_ms > 0 && (wait_ms < 0 || wait_ms > spec->tick_ms))
		wait_ms = spec->tick_ms;
	return (int)MIN(wait_ms, 3600 * 1000);
}

/* "PID (NAME) STATE PARENT GROUP ...": does it live, and in this group? */
static gboolean lives_in(const char *pid, GPid group)
{
	g_autofree char *path = g_build_filename("/proc", pid, "stat", NULL);
	g_autofree char *text = NULL;
	gint64 found = 0;
	if (!g_file_get_contents(path, &text, NULL, NULL)) /* it ended meanwhile */
		return FALSE;
	const char *name_end = strrchr(text, ')');
	g_auto(GStrv) words = g_strsplit(name_end ? name_end : "", " ", 5);
	return g_strv_length(words) == 5 && strcmp(words[1], "Z") != 0 &&
	       g_ascii_string_to_signed(words[3], 10, 0, G_MAXINT32, &found, NULL) &&
	       found == group;
}

/* kill(-group, 0) would count the leader's zombie. Where nobody can tell, it may. */
static gboolean group_lives(GPid group)
{
	g_autoptr(GDir) proc = g_dir_open("/proc", 0, NULL);
	const char *name = NULL;
	while (proc && (name = g_dir_read_name(proc)) != NULL)
		if (g_ascii_isdigit(*name) && lives_in(name, group))
			return TRUE;
	return proc == NULL;
}

/* SIGTERM, then SIGKILL for what is left, also where the leader itself has obeyed. Nobody has
 * waited for the leader yet: its number, which is the group's, is not anybody else's. */
static void end_group(const UtilChildSpec *spec, GPid pid, int pidfd)
{
	gint64 until = g_get_monotonic_time() + spec->kill_after_s * G_USEC_PER_SEC;
	if (spec->kill_after_s > 0) {
		(void)kill(-pid, SIGTERM);                             /* gone already: fine */
		(void)wait_end(pidfd, (int)spec->kill_after_s * 1000); /* looked at next */
		while (g_get_monotonic_time() < until && group_lives(pid))
			g_usleep(GROUP_LOOK_US);
	}
	(void)kill(-pid, SIGKILL); /* as above */
	(void)wait_end(pidfd, -1); /* SIGKILL ends it */
}

gboolean util_child_run(const UtilChildSpec *spec, UtilChildResult *ret_result, GError **error)
{
	UtilChildResult result = {0};
	gint64 start = g_get_monotonic_time();
	gint64 deadline = spec->deadline_s > 0 ? start + spec->deadline_s * G_USEC_PER_SEC : 0;
	GPid pid = 0;
	if (!spawn(spec, &pid, error))
		return FALSE;
	util_autofd int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0) {
		util_error_errno(error, errno, "pidfd_open");
		(void)kill(-pid, SIGKILL);   /* cannot watch it: must not stay */
		(void)waitpid(pid, NULL, 0); /* ours: cannot fail */
		return FALSE;
	}
	while (!wait_end(pidfd, next_wait(spec, deadline))) {
		result.timed_out = deadline > 0 && g_get_monotonic_time() >= deadline;
		result.stopped = !result.timed_out && spec->tick && !spec->tick(spec->user_data);
		if (result.timed_out || result.stopped) {
			end_group(spec, pid, pidfd);
			break;
		}
	}
	int status = 0;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	result.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	result.wall_ms = (g_get_monotonic_time() - start) / 1000;
	*ret_result = result;
	return TRUE;
}

/* An unnamed file with these bytes (may be NULL), at its start. */
static int memory_file(GBytes *content, GError **error)
{
	int fd = memfd_create("tagship", MFD_CLOEXEC);
	if (fd < 0) {
		util_error_errno(error, errno, "memfd_create");
		return -1;
	}
	gsize len = 0;
	const void *data = content ? g_bytes_get_data(content, &len) : NULL;
	if (!util_fs_write_all(fd, data, len, error) || lseek(fd, 0, SEEK_SET) != 0) {
		(void)close(fd); /* memory only */
		return -1;
	}
	return fd;
}

static GBytes *memory_read(int fd, gsize max_bytes, GError **error)
{
	struct stat st;
	if (fstat(fd, &st) != 0) {
		util_error_errno(error, errno, "fstat");
		return NULL;
	}
	gsize len = MIN((gsize)st.st_size, max_bytes);
	g_autofree char *data = g_malloc(len + 1);
	if (!util_fs_pread_full(fd, data, len, 0, error))
		return NULL;
	data[len] = '\0';
	return g_bytes_new_take(g_steal_pointer(&data), len);
}

gboolean util_child_capture(const char *const *argv, const char *const *env, GBytes *input,
			    gint64 deadline_s, gsize max_bytes, GBytes **ret_output,
			    char **ret_errors, int *ret_exit_status, GError **error)
{
	util_autofd int in = memory_file(input, error);
	util_autofd int out = in < 0 ? -1 : memory_file(NULL, error);
	util_autofd int err = out < 0 ? -1 : memory_file(NULL, error);
	if (err < 0)
		return FALSE;
	UtilChildSpec spec = {.argv = argv,
			      .env = env,
			      .input_fd = in,
			      .output_fd = out,
			      .error_fd = err,
			      .deadline_s = deadline_s};
	UtilChildResult result;
	if (!util_child_run(&spec, &result, error))
		return FALSE;
	if (result.timed_out)
		return util_error_set(error, TS_ERROR_FAILED,
				      "%s did not end within %" G_GINT64_FORMAT " s", argv[0],
				      deadline_s);
	g_autoptr(GBytes) output = memory_read(out, max_bytes, error);
	g_autoptr(GBytes) errors = output ? memory_read(err, max_bytes, error) : NULL;
	if (!errors)
		return FALSE;
	if (ret_output)
		*ret_output = g_steal_pointer(&output);
	if (ret_errors)
		*ret_errors = util_text_printable(g_bytes_get_data(errors, NULL),
						  (gssize)g_bytes_get_size(errors));
	*ret_exit_status = result.exit_status;
	return TRUE;
}

/* In the grandchild: nothing of the caller's stays open. */
static void detached_exec(const char *const *argv)
{
	/* to be inherited: it becomes 0, 1 and 2 */
	int null = open("/dev/null", O_RDWR); /* NOLINT(android-cloexec-open) */
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 ||
	    chdir("/") != 0)
		_exit(126);
	(void)syscall(SYS_close_range, 3, ~0U, 0); /* an old kernel keeps them: close-on-exec */
	execve(argv[0], as_strv(argv), as_strv(default_env));
	_exit(127);
}

gboolean util_child_detach(const char *const *argv, GError **error)
{
	g_assert(g_path_is_absolute(argv[0]));
	int fault = util_fault_point("child");
	pid_t pid = fault ? -1 : fork();
	if (pid < 0)
		return util_error_errno(error, fault ? fault : errno, "fork");
	if (pid == 0) {
		if (setsid() < 0)
			_exit(126);
		pid_t grandchild = fork();
		if (grandchild == 0)
			detached_exec(argv);
		_exit(grandchild < 0 ? 126 : 0);
	}
	int status = 0;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return util_error_set(error, TS_ERROR_FAILED,
				      "could not start %s in the background", argv[0]);
	return TRUE;
}
