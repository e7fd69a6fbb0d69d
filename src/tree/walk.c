/* SPDX-License-Identifier: ISC */
/* What is on disk: names, and hashes on all cores. */
#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#include "tree/tree-private.h"

#define THREADS_BYTES ((guint64)1024 * 1024)

char *tree_name(const char *path)
{
	return util_text_printable(path, -1);
}

int tree_open_file(int dirfd, const char *path, GError **error)
{
	/* O_NONBLOCK: a FIFO put there must not hang us before fstat tells what it is */
	util_autofd int fd = util_fs_open_beneath(
	    dirfd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0, error);
	struct stat st;
	if (fd < 0)
		return -1;
	g_autofree char *name = tree_name(path);
	if (fstat(fd, &st) != 0) {
		util_error_errno(error, errno, "%s", name);
		return -1;
	}
	if (!S_ISREG(st.st_mode)) {
		util_error_set(error, TS_ERROR_CORRUPT, "%s: not a regular file", name);
		return -1;
	}
	int ret = fd;
	fd = -1;
	return ret;
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

/* What the hashing threads share. */
typedef struct {
	int dirfd;
	GMutex lock;
	GCond done_cond;
	guint left;         /* jobs not yet done */
	guint64 bytes_done; /* of finished jobs */
	GError *error;      /* the first one */
} HashPool;

static gboolean hash_one(int dirfd, TreeHash *job, GError **error)
{
	util_autofd int fd = tree_open_file(dirfd, job->path, error);
	if (fd < 0)
		return FALSE;
	struct stat before;
	struct stat after;
	guint64 len = 0;
	if (fstat(fd, &before) != 0)
		return util_error_errno(error, errno, "%s", job->path);
	job->changed = (guint64)before.st_size != job->size;
	if (job->changed)
		return TRUE;
	if (!util_sha256_fd(fd, job->sha256, &len, error)) {
		g_autofree char *name = tree_name(job->path);
		g_prefix_error(error, "%s: ", name);
		return FALSE;
	}
	if (fstat(fd, &after) != 0)
		return util_error_errno(error, errno, "%s", job->path);
	job->changed = len != job->size || after.st_size != before.st_size ||
		       after.st_mtim.tv_sec != before.st_mtim.tv_sec ||
		       after.st_mtim.tv_nsec != before.st_mtim.tv_nsec;
	return TRUE;
}

static void hash_thread(gpointer item, gpointer user_data)
{
	HashPool *pool = user_data;
	TreeHash *job = item;
	g_autoptr(GError) error = NULL;
	gboolean ok = hash_one(pool->dirfd, job, &error);
	if (!ok && (g_error_matches(error, TS_ERROR, TS_ERROR_NOT_FOUND) ||
		    g_error_matches(error, TS_ERROR, TS_ERROR_CORRUPT))) {
		job->changed = TRUE; /* gone, or no longer a file */
		ok = TRUE;
	}
	g_mutex_lock(&pool->lock);
	if (!ok && !pool->error)
		pool->error = g_steal_pointer(&error);
	pool->bytes_done += job->size;
	pool->left--;
	g_cond_signal(&pool->done_cond);
	g_mutex_unlock(&pool->lock);
}

/* Waits for the threads, telling how far they are some ten times a second. */
static void hash_wait(HashPool *pool, const UtilProgress *progress, guint64 total)
{
	g_mutex_lock(&pool->lock);
	while (pool->left > 0) {
		gint64 until = g_get_monotonic_time() + G_USEC_PER_SEC / 10;
		while (pool->left > 0 && g_cond_wait_until(&pool->done_cond, &pool->lock, until))
			continue;
		guint64 done = pool->bytes_done;
		g_mutex_unlock(&pool->lock);
		util_progress(progress, "hashing", done, total);
		g_mutex_lock(&pool->lock);
	}
	g_mutex_unlock(&pool->lock);
}

/* Threads are worth their start only where there is something to do. */
static void hash_in_threads(HashPool *pool, GArray *jobs, const UtilProgress *progress,
			    guint64 total)
{
	GThreadPool *threads =
	    g_thread_pool_new(hash_thread, pool, (gint)g_get_num_processors(), FALSE, NULL);
	for (guint i = 0; i < jobs->len; i++)
		/* fails only where no thread starts, and then another one takes it */
		(void)g_thread_pool_push(threads, &g_array_index(jobs, TreeHash, i), NULL);
	hash_wait(pool, progress, total);
	g_thread_pool_free(threads, FALSE, TRUE);
}

gboolean tree_hash_files(int dirfd, GArray *jobs, const UtilProgress *progress, GError **error)
{
	HashPool pool = {.dirfd = dirfd, .left = jobs->len};
	guint64 total = 0;
	g_mutex_init(&pool.lock);
	g_cond_init(&pool.done_cond);
	for (guint i = 0; i < jobs->len; i++)
		total += g_array_index(jobs, TreeHash, i).size;
	if (total >= THREADS_BYTES) {
		hash_in_threads(&pool, jobs, progress, total);
	} else {
		for (guint i = 0; i < jobs->len; i++)
			hash_thread(&g_array_index(jobs, TreeHash, i), &pool);
		util_progress(progress, "hashing", total, total);
	}
	g_mutex_clear(&pool.lock);
	g_cond_clear(&pool.done_cond);
	if (pool.error) {
		g_propagate_error(error, pool.error);
		return FALSE;
	}
	return TRUE;
}
