/* SPDX-License-Identifier: ISC */
/* Trees on disk: written, and compared without any help of tagship. */
#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#include "sweep.h"

#define CHUNK ((gsize)1024 * 1024)

static gboolean write_file(const Node *node, int dirfd, GError **error)
{
	util_autofd int fd =
	    openat(dirfd, node->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	const GByteArray *bytes = node->content->bytes;
	if (fd < 0)
		return util_error_errno(error, errno, "%s", node->path);
	return util_fs_write_all(fd, bytes->data, bytes->len, error);
}

static gboolean write_node(const Node *node, int dirfd, GError **error)
{
	switch (node->type) {
	case MANIFEST_DIR:
		return mkdirat(dirfd, node->path, 0700) == 0 ||
		       util_error_errno(error, errno, "%s", node->path);
	case MANIFEST_LINK:
		return symlinkat(node->target, dirfd, node->path) == 0 ||
		       util_error_errno(error, errno, "%s", node->path);
	case MANIFEST_FILE:
		break;
	}
	return write_file(node, dirfd, error);
}

gboolean tree_write(Tree *tree, int dirfd, GError **error)
{
	tree_sort(tree);
	for (guint i = 0; i < tree->nodes->len; i++)
		if (!write_node(g_ptr_array_index(tree->nodes, i), dirfd, error))
			return FALSE;
	/* folders last: filling them changes their times */
	for (guint i = tree->nodes->len; i > 0; i--) {
		const Node *node = g_ptr_array_index(tree->nodes, i - 1);
		struct timespec times[2] = {{node->mtime_s, node->mtime_ns},
					    {node->mtime_s, node->mtime_ns}};
		if (node->type != MANIFEST_LINK && fchmodat(dirfd, node->path, node->mode, 0) != 0)
			return util_error_errno(error, errno, "%s", node->path);
		if (utimensat(dirfd, node->path, times, AT_SYMLINK_NOFOLLOW) != 0)
			return util_error_errno(error, errno, "%s", node->path);
	}
	return TRUE;
}

static gboolean differs(const Node *node, const char *what, GError **error)
{
	g_autofree char *name = util_text_printable(node->path, -1);
	return util_error_set(error, TS_ERROR_FAILED, "%s: its %s is not as it was", name, what);
}

static gboolean compare_content(const Node *node, int dirfd, GError **error)
{
	const GByteArray *bytes = node->content->bytes;
	g_autofree guint8 *buffer = g_malloc(CHUNK);
	gsize at = 0, len = 0;
	util_autofd int fd = openat(dirfd, node->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return util_error_errno(error, errno, "%s", node->path);
	do {
		if (!util_fs_read_full(fd, buffer, CHUNK, &len, error))
			return FALSE;
		if (len > bytes->len - at ||
		    (len > 0 && memcmp(bytes->data + at, buffer, len) != 0))
			return differs(node, "content", error);
		at += len;
	} while (len > 0);
	return at == bytes->len || differs(node, "content", error);
}

static gboolean compare_target(const Node *node, int dirfd, GError **error)
{
	char target[MANIFEST_PATH_MAX + 2];
	ssize_t len = readlinkat(dirfd, node->path, target, sizeof target);
	return (len >= 0 && (gsize)len == strlen(node->target) &&
		memcmp(target, node->target, (gsize)len) == 0) ||
	       differs(node, "target", error);
}

static gboolean compare_node(const Node *node, int dirfd, gboolean written, GError **error)
{
	struct stat st;
	static const struct {
		ManifestType type;
		mode_t mode;
	} types[] = {{MANIFEST_DIR, S_IFDIR}, {MANIFEST_LINK, S_IFLNK}, {MANIFEST_FILE, S_IFREG}};
	mode_t type = 0;
	mode_t mode = node->type == MANIFEST_DIR || node->mode & 0111 ? 0755 : 0644;
	for (guint i = 0; i < G_N_ELEMENTS(types); i++)
		if (types[i].type == node->type)
			type = types[i].mode;
	if (fstatat(dirfd, node->path, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return differs(node, "existence", error);
	if ((st.st_mode & S_IFMT) != type)
		return differs(node, "type", error);
	if (type != S_IFLNK && (st.st_mode & 07777) != (written ? node->mode : mode))
		return differs(node, "mode", error);
	if (st.st_mtim.tv_sec != node->mtime_s ||
	    st.st_mtim.tv_nsec != (written ? node->mtime_ns : 0))
		return differs(node, "mtime", error);
	if (type == S_IFREG)
		return compare_content(node, dirfd, error);
	return type == S_IFLNK ? compare_target(node, dirfd, error) : TRUE;
}

/* Nothing in this folder (NULL: the top) that is not in the tree. */
static gboolean compare_names(const Tree *tree, const char *path, int dirfd, GError **error)
{
	const struct dirent *entry = NULL;
	int fd = openat(dirfd, path ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	gboolean ok = TRUE;
	if (!dir)
		return util_error_errno(error, errno, "%s", path ? path : ".");
	while (ok && (entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		g_autofree char *name =
		    g_strconcat(path ? path : "", path ? "/" : "", entry->d_name, NULL);
		g_autofree char *printable = util_text_printable(name, -1);
		ok =
		    tree_find(tree, name) ||
		    util_error_set(error, TS_ERROR_FAILED, "%s: it should not be there", printable);
	}
	(void)closedir(dir); /* only read */
	return ok;
}

static gboolean compare(const Tree *tree, int dirfd, gboolean written, GError **error)
{
	for (guint i = 0; i < tree->nodes->len; i++) {
		const Node *node = g_ptr_array_index(tree->nodes, i);
		if (!compare_node(node, dirfd, written, error) ||
		    (node->type == MANIFEST_DIR && !compare_names(tree, node->path, dirfd, error)))
			return FALSE;
	}
	return compare_names(tree, NULL, dirfd, error);
}

gboolean tree_compare(const Tree *tree, int dirfd, GError **error)
{
	return compare(tree, dirfd, FALSE, error);
}

gboolean tree_compare_written(const Tree *tree, int dirfd, GError **error)
{
	return compare(tree, dirfd, TRUE, error);
}
