/* SPDX-License-Identifier: ISC */
#include <dirent.h>
#include <errno.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/util.h"

#define TMP_PREFIX ".tmp-"

int util_fs_open_dir(int dirfd, const char *path, GError **error)
{
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		util_error_errno(error, errno, "folder %s", path);
	return fd;
}

/* Folder part ("." if none); caller frees. */
static char *parent_of(const char *path)
{
	return g_path_get_dirname(path);
}

/* A temporary name in the folder of `path`. */
static char *tmp_name(const char *path)
{
	g_autofree char *dir = parent_of(path);
	g_autofree char *base = g_path_get_basename(path);
	guint32 r = g_random_int();
	if (strcmp(dir, ".") == 0)
		return g_strdup_printf(TMP_PREFIX "%.100s-%08x", base, r);
	return g_strdup_printf("%s/" TMP_PREFIX "%.100s-%08x", dir, base, r);
}

static gboolean fsync_parent(int dirfd, const char *path, GError **error)
{
	g_autofree char *dir = parent_of(path);
	util_autofd int fd = util_fs_open_dir(dirfd, dir, error);
	return fd >= 0 && util_fs_fsync(fd, error);
}

gboolean util_fs_mkdir(int dirfd, const char *path, mode_t mode, GError **error)
{
	int err = util_fault_point("mkdir");
	if (!err && mkdirat(dirfd, path, mode) != 0)
		err = errno;
	if (err == EEXIST)
		return TRUE;
	if (err)
		return util_error_errno(error, err, "making folder %s", path);
	return fsync_parent(dirfd, path, error);
}

gboolean util_fs_mkdir_parents(int dirfd, const char *path, mode_t mode, GError **error)
{
	g_autofree char *copy = g_strdup(path);
	for (char *p = copy + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		struct stat st;
		if (fstatat(dirfd, copy, &st, 0) != 0 && !util_fs_mkdir(dirfd, copy, mode, error))
			return FALSE;
		*p = '/';
	}
	return util_fs_mkdir(dirfd, copy, mode, error);
}

/* Writes a temporary file beside `path`, synced; returns its name. */
static char *write_tmp(int dirfd, const char *path, const void *data, gsize len, mode_t mode,
		       GError **error)
{
	g_autofree char *tmp = tmp_name(path);
	int err = util_fault_point("create");
	int fd =
	    err ? -1
		: openat(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0) {
		util_error_errno(error, err ? err : errno, "creating %s", path);
		return NULL;
	}
	gboolean ok = util_fs_write_all(fd, data, len, error) && util_fs_fsync(fd, error);
	if (close(fd) != 0 && ok)
		ok = util_error_errno(error, errno, "closing %s", path);
	if (!ok) {
		g_prefix_error(error, "%s: ", path);
		(void)unlinkat(dirfd, tmp, 0); /* the first error is the one to tell */
		return NULL;
	}
	return g_steal_pointer(&tmp);
}

gboolean util_fs_write_file(int dirfd, const char *path, const void *data, gsize len, mode_t mode,
			    GError **error)
{
	g_autofree char *tmp = write_tmp(dirfd, path, data, len, mode, error);
	if (!tmp)
		return FALSE;
	if (!util_fs_rename(dirfd, tmp, dirfd, path, error)) {
		(void)unlinkat(dirfd, tmp, 0); /* the first error is the one to tell */
		return FALSE;
	}
	return fsync_parent(dirfd, path, error);
}

gboolean util_fs_create_file(int dirfd, const char *path, const void *data, gsize len, mode_t mode,
			     GError **error)
{
	g_autofree char *tmp = write_tmp(dirfd, path, data, len, mode, error);
	if (!tmp)
		return FALSE;
	gboolean ok = util_fs_link(dirfd, tmp, dirfd, path, error);
	(void)unlinkat(dirfd, tmp, 0); /* left over, it is swept later */
	return ok && fsync_parent(dirfd, path, error);
}

gboolean util_fs_read_file(int dirfd, const char *path, gsize max_bytes, char **ret_data,
			   gsize *ret_len, GError **error)
{
	/* O_NONBLOCK: a FIFO put there must not hang us before fstat tells what it is */
	util_autofd int fd =
	    openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) != 0)
		return util_error_errno(error, errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return util_error_set(error, TS_ERROR_CORRUPT, "%s: not a regular file", path);
	if ((guint64)st.st_size > max_bytes)
		return util_error_set(error, TS_ERROR_CORRUPT,
				      "%s: larger than the %" G_GSIZE_FORMAT " bytes allowed", path,
				      max_bytes);
	g_autofree char *data = g_malloc((gsize)st.st_size + 1);
	gsize len = 0;
	if (!util_fs_read_full(fd, data, (gsize)st.st_size, &len, error)) {
		g_prefix_error(error, "%s: ", path);
		return FALSE;
	}
	data[len] = '\0';
	*ret_data = g_steal_pointer(&data);
	if (ret_len)
		*ret_len = len;
	return TRUE;
}

gboolean util_fs_file_says(int dirfd, const char *path, const char *text)
{
	gsize want = strlen(text), len = 0;
	g_autofree char *have = NULL;
	return util_fs_read_file(dirfd, path, want, &have, &len, NULL) && len == want &&
	       memcmp(have, text, len) == 0;
}

gboolean util_fs_write_all(int fd, const void *data, gsize len, GError **error)
{
	const char *p = data;
	int err = util_fault_point("write");
	if (err)
		return util_error_errno(error, err, "write");
	while (len > 0) {
		ssize_t n = write(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return util_error_errno(error, errno, "write");
		p += n;
		len -= (gsize)n;
	}
	return TRUE;
}

gboolean util_fs_pwrite_all(int fd, const void *data, gsize len, guint64 offset, GError **error)
{
	const char *p = data;
	int err = util_fault_point("pwrite");
	if (err)
		return util_error_errno(error, err, "write");
	while (len > 0) {
		ssize_t n = pwrite(fd, p, len, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return util_error_errno(error, errno, "write");
		p += n;
		offset += (guint64)n;
		len -= (gsize)n;
	}
	return TRUE;
}

gboolean util_fs_read_full(int fd, void *data, gsize len, gsize *ret_len, GError **error)
{
	gsize done = 0;
	while (done < len) {
		ssize_t n = read(fd, (char *)data + done, len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return util_error_errno(error, errno, "read");
		if (n == 0)
			break;
		done += (gsize)n;
	}
	*ret_len = done;
	return TRUE;
}

gboolean util_fs_pread_full(int fd, void *data, gsize len, guint64 offset, GError **error)
{
	gsize done = 0;
	while (done < len) {
		ssize_t n =
		    pread(fd, (char *)data + done, len - done, (off_t)(offset + (guint64)done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return util_error_errno(error, errno, "read");
		if (n == 0)
			return util_error_set(error, TS_ERROR_CORRUPT,
					      "the file is %" G_GSIZE_FORMAT " bytes too short",
					      len - done);
		done += (gsize)n;
	}
	return TRUE;
}

gboolean util_fs_fsync(int fd, GError **error)
{
	int err = util_fault_point("fsync");
	if (!err && fsync(fd) != 0)
		err = errno;
	return err ? util_error_errno(error, err, "fsync") : TRUE;
}

gboolean util_fs_fdatasync(int fd, GError **error)
{
	int err = util_fault_point("fsync");
	if (!err && fdatasync(fd) != 0)
		err = errno;
	return err ? util_error_errno(error, err, "fdatasync") : TRUE;
}

gboolean util_fs_syncfs(int fd, GError **error)
{
	int err = util_fault_point("syncfs");
	if (!err && syncfs(fd) != 0)
		err = errno;
	return err ? util_error_errno(error, err, "syncfs") : TRUE;
}

gboolean util_fs_rename(int from_dirfd, const char *from, int to_dirfd, const char *to,
			GError **error)
{
	int err = util_fault_point("rename");
	if (!err && renameat(from_dirfd, from, to_dirfd, to) != 0)
		err = errno;
	return err ? util_error_errno(error, err, "renaming %s to %s", from, to) : TRUE;
}

gboolean util_fs_rename_durable(int from_dirfd, const char *from, int to_dirfd, const char *to,
				GError **error)
{
	return util_fs_rename(from_dirfd, from, to_dirfd, to, error) &&
	       fsync_parent(to_dirfd, to, error) && fsync_parent(from_dirfd, from, error);
}

gboolean util_fs_symlink(int dirfd, const char *target, const char *path, GError **error)
{
	int err = util_fault_point("symlink");
	if (!err && symlinkat(target, dirfd, path) != 0)
		err = errno;
	return err ? util_error_errno(error, err, "making link %s", path) : TRUE;
}

gboolean util_fs_symlink_replace(int dirfd, const char *target, const char *path, GError **error)
{
	g_autofree char *tmp = tmp_name(path);
	if (!util_fs_symlink(dirfd, target, tmp, error))
		return FALSE;
	if (!util_fs_rename(dirfd, tmp, dirfd, path, error)) {
		(void)unlinkat(dirfd, tmp, 0); /* the first error is the one to tell */
		return FALSE;
	}
	return fsync_parent(dirfd, path, error);
}

gboolean util_fs_unlink(int dirfd, const char *path, GError **error)
{
	int err = util_fault_point("unlink");
	if (!err && unlinkat(dirfd, path, 0) != 0)
		err = errno;
	return !err || err == ENOENT ? TRUE : util_error_errno(error, err, "removing %s", path);
}

gboolean util_fs_link(int from_dirfd, const char *from, int to_dirfd, const char *to,
		      GError **error)
{
	int err = util_fault_point("link");
	if (!err && linkat(from_dirfd, from, to_dirfd, to, 0) != 0)
		err = errno;
	return err ? util_error_errno(error, err, "%s", to) : TRUE;
}

static gboolean remove_content(int fd, GError **error)
{
	/* fdopendir takes the descriptor over */
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	DIR *dir = own < 0 ? NULL : fdopendir(own);
	if (!dir)
		return util_error_errno(error, errno, "reading a folder");
	gboolean ok = TRUE;
	struct dirent *entry = NULL;
	while (ok && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			ok = util_fs_remove_tree(fd, entry->d_name, error);
	(void)closedir(dir); /* read only */
	return ok;
}

gboolean util_fs_remove_tree(int dirfd, const char *path, GError **error)
{
	int err = util_fault_point("unlink");
	if (!err && unlinkat(dirfd, path, 0) != 0)
		err = errno;
	if (!err || err == ENOENT)
		return TRUE;
	if (err != EISDIR && err != EPERM)
		return util_error_errno(error, err, "removing %s", path);
	util_autofd int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == EACCES && fchmodat(dirfd, path, 0700, 0) == 0)
		fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return util_error_errno(error, errno, "removing %s", path);
	(void)fchmod(fd, 0700); /* fails for foreign folders only, and then the unlink tells */
	if (!remove_content(fd, error)) {
		g_prefix_error(error, "%s: ", path);
		return FALSE;
	}
	if (unlinkat(dirfd, path, AT_REMOVEDIR) != 0 && errno != ENOENT)
		return util_error_errno(error, errno, "removing folder %s", path);
	return TRUE;
}

char *util_fs_readlink(int dirfd, const char *path, GError **error)
{
	char target[4096];
	ssize_t n = readlinkat(dirfd, path, target, sizeof target);
	if (n < 0 || (gsize)n >= sizeof target) {
		util_error_errno(error, n < 0 ? errno : ENAMETOOLONG, "link %s", path);
		return NULL;
	}
	return g_strndup(target, (gsize)n);
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *util_fs_list(int dirfd, const char *path, GError **error)
{
	int fd = util_fs_open_dir(dirfd, path, error);
	if (fd < 0)
		return NULL;
	DIR *dir = fdopendir(fd);
	if (!dir) {
		util_error_errno(error, errno, "folder %s", path);
		(void)close(fd); /* read only */
		return NULL;
	}
	GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
	struct dirent *entry = NULL;
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    !g_str_has_prefix(entry->d_name, TMP_PREFIX))
			g_ptr_array_add(names, g_strdup(entry->d_name));
	(void)closedir(dir); /* read only */
	g_ptr_array_sort(names, compare_names);
	return names;
}

gboolean util_fs_sweep_tmp(int dirfd, const char *path, gint64 age_s, GError **error)
{
	int fd = util_fs_open_dir(dirfd, path, error);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return fd < 0 ? FALSE : util_error_errno(error, errno, "folder %s", path);
	gint64 limit = g_get_real_time() / G_USEC_PER_SEC - age_s;
	gboolean ok = TRUE;
	struct dirent *entry = NULL;
	while (ok && (entry = readdir(dir))) {
		struct stat st;
		if (g_str_has_prefix(entry->d_name, TMP_PREFIX) &&
		    fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_ctime <= limit)
			ok = util_fs_remove_tree(fd, entry->d_name, error);
	}
	(void)closedir(dir); /* read only */
	return ok;
}

gboolean util_fs_sweep_tmp_all(int dirfd, const char *const *paths, gint64 age_s, GError **error)
{
	for (guint i = 0; paths[i]; i++)
		if (faccessat(dirfd, paths[i], F_OK, 0) == 0 &&
		    !util_fs_sweep_tmp(dirfd, paths[i], age_s, error))
			return FALSE;
	return TRUE;
}

char *util_fs_mkdtemp(int dirfd, const char *prefix, GError **error)
{
	for (guint i = 0; i < 100; i++) {
		g_autofree char *name = g_strdup_printf("%s-%08x", prefix, g_random_int());
		int err = util_fault_point("mkdir");
		if (!err && mkdirat(dirfd, name, 0700) == 0)
			return g_steal_pointer(&name);
		if (err || errno != EEXIST) {
			util_error_errno(error, err ? err : errno, "making folder %s", name);
			return NULL;
		}
	}
	util_error_set(error, TS_ERROR_FAILED, "no free temporary name for %s", prefix);
	return NULL;
}

gboolean util_fs_free_bytes(int fd, guint64 *ret_bytes, GError **error)
{
	struct statvfs st;
	if (fstatvfs(fd, &st) != 0)
		return util_error_errno(error, errno, "statvfs");
	*ret_bytes = (guint64)st.f_bavail * st.f_frsize;
	return TRUE;
}

int util_fs_open_beneath(int dirfd, const char *path, int flags, mode_t mode, GError **error)
{
	struct open_how how = {0};
	how.flags = (guint64)(flags | O_CLOEXEC);
	how.mode = flags & O_CREAT ? mode : 0;
	how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
	int err = flags & O_CREAT ? util_fault_point("create") : 0;
	long fd = err ? -1 : syscall(SYS_openat2, dirfd, path, &how, sizeof how);
	if (fd < 0)
		util_error_errno(error, err ? err : errno, "%s", path);
	return (int)fd;
}

int util_fs_lock(int dirfd, const char *path, int wait_ms, GError **error)
{
	int fd = openat(dirfd, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0660);
	if (fd < 0) {
		util_error_errno(error, errno, "lock %s", path);
		return -1;
	}
	gint64 until = g_get_monotonic_time() + (gint64)wait_ms * 1000;
	while (flock(fd, LOCK_EX | (wait_ms < 0 ? 0 : LOCK_NB)) != 0) {
		int err = errno;
		if (err == EINTR)
			continue;
		if (err == EWOULDBLOCK && g_get_monotonic_time() < until) {
			g_usleep(20 * 1000);
			continue;
		}
		if (err == EWOULDBLOCK)
			util_error_set(error, TS_ERROR_AGAIN, "lock %s is held by another process",
				       path);
		else
			util_error_errno(error, err, "lock %s", path);
		(void)close(fd); /* never written */
		return -1;
	}
	return fd;
}

gboolean util_fs_locked(int dirfd, const char *path)
{
	util_autofd int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}
