/* SPDX-License-Identifier: ISC */
/* Trees written entry by entry beneath a folder descriptor. */
#include <errno.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tree/tree-private.h"

#define COPY_CHUNK ((gsize)256 * 1024)

/* Opens the folder a path is in; ret_name points into path. */
static int open_parent(int dirfd, const char *path, const char **ret_name, GError **error)
{
	const char *slash = strrchr(path, '/');
	*ret_name = slash ? slash + 1 : path;
	g_autofree char *parent = slash ? g_strndup(path, (gsize)(slash - path)) : g_strdup(".");
	return util_fs_open_beneath(dirfd, parent, O_PATH | O_DIRECTORY, 0, error);
}

gboolean tree_make_dir(int dirfd, const char *path, GError **error)
{
	const char *name = NULL;
	util_autofd int parent = open_parent(dirfd, path, &name, error);
	if (parent < 0)
		return FALSE;
	int err = util_fault_point("mkdir");
	if (!err && mkdirat(parent, name, 0700) != 0)
		err = errno;
	return err ? util_error_errno(error, err, "making folder %s", path) : TRUE;
}

gboolean tree_make_link(int dirfd, const char *path, const char *target, GError **error)
{
	const char *name = NULL;
	util_autofd int parent = open_parent(dirfd, path, &name, error);
	return parent >= 0 && util_fs_symlink(parent, target, name, error);
}

int tree_make_file(int dirfd, const char *path, GError **error)
{
	return util_fs_open_beneath(dirfd, path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600,
				    error);
}

/* Copies up to the end of `from`; the digest of what was written. */
static gboolean copy_bytes(int from, int to, guint64 size, guint8 ret_digest[UTIL_SHA256_BYTES],
			   GError **error)
{
	g_autoptr(UtilSha256) sha = util_sha256_new();
	g_autofree char *buffer = g_malloc(COPY_CHUNK);
	for (guint64 done = 0; done < size;) {
		gsize n = 0;
		gsize want = (gsize)MIN(size - done, COPY_CHUNK);
		if (!util_fs_read_full(from, buffer, want, &n, error))
			return FALSE;
		if (n != want)
			break; /* shorter than stat said: the digest will differ */
		util_sha256_update(sha, buffer, n);
		if (!util_fs_write_all(to, buffer, n, error))
			return FALSE;
		done += n;
	}
	util_sha256_finish(sha, ret_digest);
	return TRUE;
}

gboolean tree_reflink(int from, int to)
{
	return util_fault_point("reflink") == 0 && ioctl(to, FICLONE, from) == 0;
}

static gboolean copy_and_check(int from, int to, const ManifestEntry *entry, GError **error)
{
	struct stat st;
	guint8 digest[UTIL_SHA256_BYTES] = {0};
	if (fstat(from, &st) != 0)
		return util_error_errno(error, errno, "stat");
	if ((guint64)st.st_size != entry->size)
		return util_error_set(error, TS_ERROR_CORRUPT,
				      "it has %" G_GINT64_FORMAT " bytes, not %" G_GUINT64_FORMAT,
				      (gint64)st.st_size, entry->size);
	/* a reflink is a snapshot: the copy is what is hashed */
	gboolean cloned = entry->size > 0 && tree_reflink(from, to);
	if (!(cloned ? util_sha256_fd(to, digest, NULL, error)
		     : copy_bytes(from, to, entry->size, digest, error)))
		return FALSE;
	if (memcmp(digest, entry->sha256, UTIL_SHA256_BYTES) != 0)
		return util_error_set(error, TS_ERROR_CORRUPT,
				      "its content is not what the manifest says");
	return TRUE;
}

gboolean tree_copy_file(int from_dirfd, const char *from_path, int to_dirfd, const char *to_path,
			const ManifestEntry *entry, GError **error)
{
	util_autofd int from = tree_open_file(from_dirfd, from_path, error);
	if (from < 0)
		return FALSE;
	util_autofd int to = tree_make_file(to_dirfd, to_path, error);
	if (to < 0)
		return FALSE;
	gboolean ok = copy_and_check(from, to, entry, error);
	if (!ok) {
		g_autofree char *name = tree_name(from_path);
		g_prefix_error(error, "%s: ", name);
	}
	int fd = to;
	to = -1;
	if (close(fd) != 0 && ok)
		return util_error_errno(error, errno, "closing %s", to_path);
	return ok;
}

/* Mode and time are as they should be; a file with a second name is the old tree's as well, which
 * is not for us to change. */
static gboolean is_finished(const ManifestEntry *entry, const struct stat *st)
{
	if (entry->type == MANIFEST_FILE && st->st_nlink > 1)
		return TRUE;
	return entry->type == MANIFEST_FILE && (st->st_mode & 07777) == entry->mode &&
	       st->st_mtim.tv_sec == entry->mtime_s && st->st_mtim.tv_nsec == 0;
}

static gboolean finish_entry(TreeFolder *folder, const ManifestEntry *entry, GError **error)
{
	const char *name = NULL;
	struct stat st;
	struct timespec times[2] = {{entry->mtime_s, 0}, {entry->mtime_s, 0}};
	int parent = tree_folder_of(folder, entry->path, &name, error);
	if (parent < 0)
		return FALSE;
	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return util_error_errno(error, errno, "%s", entry->path);
	if (is_finished(entry, &st))
		return TRUE;
	if (entry->type == MANIFEST_LINK)
		return utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW) == 0 ||
		       util_error_errno(error, errno, "setting the time of %s", entry->path);
	int flags = entry->type == MANIFEST_DIR ? O_DIRECTORY : O_NONBLOCK;
	util_autofd int fd =
	    util_fs_open_beneath(parent, name, O_RDONLY | O_NOFOLLOW | flags, 0, error);
	if (fd < 0)
		return FALSE;
	int err = util_fault_point("chmod");
	if (!err && (fchmod(fd, entry->mode) != 0 || futimens(fd, times) != 0))
		err = errno;
	return err ? util_error_errno(error, err, "setting mode and time of %s", entry->path)
		   : TRUE;
}

gboolean tree_finish(int dirfd, const Manifest *manifest, const guint8 *taken, GError **error)
{
	TreeFolder folder = TREE_FOLDER(dirfd);
	gboolean ok = TRUE;
	/* backwards: whatever is in a folder comes before the folder */
	for (guint i = manifest_count(manifest); ok && i > 0; i--)
		ok = (taken && taken[i - 1]) ||
		     finish_entry(&folder, manifest_entry(manifest, i - 1), error);
	tree_folder_clear(&folder);
	if (ok && fchmod(dirfd, 0755) != 0)
		return util_error_errno(error, errno, "setting the mode of the tree's folder");
	return ok;
}
