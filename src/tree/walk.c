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

int tree_open_stat(int dirfd, const char *name, const char *path, struct stat *ret_st,
		   GError **error)
{
	/* O_NONBLOCK: a FIFO put there must not hang us before fstat tells what it is */
	util_autofd int fd = util_fs_open_beneath(
	    dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0, error);
	if (fd < 0)
		return -1;
	if (fstat(fd, ret_st) == 0 && S_ISREG(ret_st->st_mode))
		return g_steal_fd(&fd);
	g_autofree char *shown = tree_name(path);
	if (S_ISREG(ret_st->st_mode))
		util_error_errno(error, errno, "%s", shown);
	else
		util_error_set(error, TS_ERROR_CORRUPT, "%s: not a regular file", shown);
	return -1;
}

int tree_open_file(int dirfd, const char *path, GError **error)
{
	struct stat st = {.st_mode = S_IFREG};
	return tree_open_stat(dirfd, path, path, &st, error);
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

/* A walk. */
typedef struct {
	int dirfd;
	gboolean stat_files;
	GArray *nodes;
	GQueue todo; /* paths of folders */
} Walk;

static gboolean node_read(const Walk *walk, int folder, const char *parent,
			  const struct dirent *item, TreeNode *ret_node, GError **error)
{
	const char *name = item->d_name;
	TreeNode node = {0};
	node.path =
	    strcmp(parent, ".") == 0 ? g_strdup(name) : g_strconcat(parent, "/", name, NULL);
	gboolean ok = TRUE;
	if (item->d_type == DT_REG && !walk->stat_files)
		node.st.st_mode = S_IFREG;
	else if (fstatat(folder, name, &node.st, AT_SYMLINK_NOFOLLOW) != 0)
		ok = util_error_errno(error, errno, "%s", node.path);
	else if (S_ISLNK(node.st.st_mode))
		ok = (node.target = util_fs_readlink(folder, name, error)) != NULL;
	if (ok)
		*ret_node = node;
	else
		node_clear(&node);
	return ok;
}

static gboolean add_node(Walk *walk, int folder, const char *parent, const struct dirent *item,
			 GError **error)
{
	TreeNode node = {0};
	if (!node_read(walk, folder, parent, item, &node, error))
		return FALSE;
	g_array_append_val(walk->nodes, node);
	if (strlen(node.path) > MANIFEST_PATH_MAX || walk->nodes->len > MANIFEST_ENTRIES_MAX) {
		g_autofree char *shown = util_text_printable(node.path, 200);
		return util_error_set(error, TS_ERROR_REFUSED,
				      "%s: the name is too long, or there are more than %d", shown,
				      MANIFEST_ENTRIES_MAX);
	}
	if (S_ISDIR(node.st.st_mode))
		g_queue_push_tail(&walk->todo, g_strdup(node.path));
	return TRUE;
}

static gboolean walk_folder(Walk *walk, const char *path, const char *const *skip, GError **error)
{
	DIR *dir = open_folder(walk->dirfd, path, error);
	if (!dir)
		return FALSE;
	struct dirent *item = NULL;
	gboolean ok = TRUE;
	errno = 0;
	while (ok && (item = readdir(dir))) {
		if (strcmp(item->d_name, ".") != 0 && strcmp(item->d_name, "..") != 0 &&
		    !(skip && g_strv_contains(skip, item->d_name)))
			ok = add_node(walk, dirfd(dir), path, item, error);
		errno = 0;
	}
	if (ok && errno)
		ok = util_error_errno(error, errno, "%s", path);
	(void)closedir(dir); /* read only */
	return ok;
}

GArray *tree_walk(int top_dirfd, const char *const *skip, gboolean stat_files, GError **error)
{
	g_autoptr(GArray) nodes = g_array_new(FALSE, FALSE, sizeof(TreeNode));
	Walk walk = {.dirfd = top_dirfd, .stat_files = stat_files, .nodes = nodes};
	g_array_set_clear_func(nodes, node_clear);
	g_queue_push_tail(&walk.todo, g_strdup("."));
	gboolean ok = TRUE;
	while (ok && !g_queue_is_empty(&walk.todo)) {
		g_autofree char *path = g_queue_pop_head(&walk.todo);
		/* skip holds for the top only */
		ok = walk_folder(&walk, path, strcmp(path, ".") == 0 ? skip : NULL, error);
	}
	g_queue_clear_full(&walk.todo, g_free);
	return ok ? g_steal_pointer(&nodes) : NULL;
}
