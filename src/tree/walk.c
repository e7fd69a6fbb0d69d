/* SPDX-License-Identifier: ISC */
/* What is on disk. */
#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#include "tree/tree-private.h"

char *tree_name(const char *path)
{
	return util_text_printable(path, -1);
}

int tree_open_stat(int dirfd, const char *path, struct stat *ret_st, GError **error)
{
	/* O_NONBLOCK: a FIFO put there must not hang us before fstat tells what it is */
	util_autofd int fd = util_fs_open_beneath(
	    dirfd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0, error);
	if (fd < 0)
		return -1;
	if (fstat(fd, ret_st) == 0 && S_ISREG(ret_st->st_mode))
		return g_steal_fd(&fd);
	g_autofree char *name = tree_name(path);
	if (S_ISREG(ret_st->st_mode))
		util_error_errno(error, errno, "%s", name);
	else
		util_error_set(error, TS_ERROR_CORRUPT, "%s: not a regular file", name);
	return -1;
}

int tree_open_file(int dirfd, const char *path, GError **error)
{
	struct stat st = {.st_mode = S_IFREG};
	return tree_open_stat(dirfd, path, &st, error);
}

static DIR *open_folder(int dirfd, const char *path, GError **error)
{
	int fd = util_fs_open_beneath(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, error);
	if (fd < 0)
		return NULL;
	DIR *dir = fdopendir(fd);
	if (!dir) {
		util_error_errno(error, errno, "%s", path);
		(void)close(fd); /* read only */
	}
	return dir;
}

GPtrArray *tree_list(int dirfd, const char *path, GError **error)
{
	DIR *dir = open_folder(dirfd, path, error);
	if (!dir)
		return NULL;
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	struct dirent *item = NULL;
	errno = 0;
	while ((item = readdir(dir))) {
		if (strcmp(item->d_name, ".") != 0 && strcmp(item->d_name, "..") != 0)
			g_ptr_array_add(names, g_strdup(item->d_name));
		errno = 0;
	}
	int err = errno;
	(void)closedir(dir); /* read only */
	if (err) {
		util_error_errno(error, err, "%s", path);
		return NULL;
	}
	return g_steal_pointer(&names);
}

static void node_clear(gpointer item)
{
	TreeNode *node = item;
	g_free(node->path);
	g_free(node->target);
}

static gboolean node_read(int folder, const char *parent, const char *name, TreeNode *ret_node,
			  GError **error)
{
	TreeNode node = {0};
	node.path =
	    strcmp(parent, ".") == 0 ? g_strdup(name) : g_strconcat(parent, "/", name, NULL);
	gboolean ok = TRUE;
	if (fstatat(folder, name, &node.st, AT_SYMLINK_NOFOLLOW) != 0)
		ok = util_error_errno(error, errno, "%s", node.path);
	else if (S_ISLNK(node.st.st_mode))
		ok = (node.target = util_fs_readlink(folder, name, error)) != NULL;
	if (ok)
		*ret_node = node;
	else
		node_clear(&node);
	return ok;
}

static gboolean walk_folder(int dirfd, const char *path, const char *const *skip, GArray *nodes,
			    GQueue *todo, GError **error)
{
	util_autofd int folder =
	    util_fs_open_beneath(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, error);
	g_autoptr(GPtrArray) names = folder < 0 ? NULL : tree_list(folder, ".", error);
	if (!names)
		return FALSE;
	for (guint i = 0; i < names->len; i++) {
		const char *name = g_ptr_array_index(names, i);
		TreeNode node = {0};
		if (skip && g_strv_contains(skip, name))
			continue;
		if (!node_read(folder, path, name, &node, error))
			return FALSE;
		g_array_append_val(nodes, node);
		if (strlen(node.path) > MANIFEST_PATH_MAX || nodes->len > MANIFEST_ENTRIES_MAX) {
			g_autofree char *shown = util_text_printable(node.path, 200);
			return util_error_set(error, TS_ERROR_REFUSED,
					      "%s: the name is too long, or there are more than %d",
					      shown, MANIFEST_ENTRIES_MAX);
		}
		if (S_ISDIR(node.st.st_mode))
			g_queue_push_tail(todo, g_strdup(node.path));
	}
	return TRUE;
}

GArray *tree_walk(int dirfd, const char *const *skip, GError **error)
{
	g_autoptr(GArray) nodes = g_array_new(FALSE, FALSE, sizeof(TreeNode));
	g_array_set_clear_func(nodes, node_clear);
	GQueue todo = G_QUEUE_INIT;
	g_queue_push_tail(&todo, g_strdup("."));
	gboolean ok = TRUE;
	while (ok && !g_queue_is_empty(&todo)) {
		g_autofree char *path = g_queue_pop_head(&todo);
		/* skip holds for the top only */
		ok = walk_folder(dirfd, path, strcmp(path, ".") == 0 ? skip : NULL, nodes, &todo,
				 error);
	}
	g_queue_clear_full(&todo, g_free);
	return ok ? g_steal_pointer(&nodes) : NULL;
}
