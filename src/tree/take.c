/* SPDX-License-Identifier: ISC */
/* Files of an old tree that a new one has as well. */
#include <errno.h>
#include <unistd.h>

#include "tree/tree-private.h"

struct TreeTaker {
	TreeTake how;
	int from_dirfd, to_dirfd;
	TreeFolder from, to;
};

void tree_folder_clear(TreeFolder *folder)
{
	util_closep(&folder->fd);
	folder->fd = -1;
	g_clear_pointer(&folder->path, g_free);
}

int tree_folder_of(TreeFolder *folder, const char *path, const char **ret_name, GError **error)
{
	const char *slash = strrchr(path, '/');
	gsize len = slash ? (gsize)(slash - path) : 0;
	*ret_name = slash ? slash + 1 : path;
	if (folder->path && strncmp(folder->path, path, len) == 0 && folder->path[len] == '\0')
		return folder->fd;
	g_autofree char *parent = g_strndup(path, len);
	int fd =
	    util_fs_open_beneath(folder->dirfd, len ? parent : ".", O_PATH | O_DIRECTORY, 0, error);
	if (fd < 0)
		return -1;
	tree_folder_clear(folder);
	folder->fd = fd;
	folder->path = g_steal_pointer(&parent);
	return fd;
}

TreeTaker *tree_taker_new(int from_dirfd, int to_dirfd, TreeTake how)
{
	TreeTaker *taker = g_new0(TreeTaker, 1);
	taker->how = how;
	taker->from_dirfd = from_dirfd;
	taker->to_dirfd = to_dirfd;
	taker->from = TREE_FOLDER(from_dirfd);
	taker->to = TREE_FOLDER(to_dirfd);
	return taker;
}

void tree_taker_free(TreeTaker *taker)
{
	if (!taker)
		return;
	tree_folder_clear(&taker->from);
	tree_folder_clear(&taker->to);
	g_free(taker);
}

/* TRUE: the file has a second name now. If not, whatever kept it from that, it is copied. */
static gboolean link_file(TreeTaker *taker, const ManifestEntry *from, const ManifestEntry *to)
{
	const char *from_name = NULL, *to_name = NULL;
	if (from->mode != to->mode || from->mtime_s != to->mtime_s)
		return FALSE;
	int from_fd = tree_folder_of(&taker->from, from->path, &from_name, NULL);
	int to_fd = from_fd < 0 ? -1 : tree_folder_of(&taker->to, to->path, &to_name, NULL);
	return to_fd >= 0 && util_fs_link(from_fd, from_name, to_fd, to_name, NULL);
}

/* All of `from`, by the kernel. */
static gboolean copy_range(int from, int to, guint64 size, GError **error)
{
	int err = util_fault_point("copy");
	for (guint64 left = size; !err && left > 0;) {
		ssize_t n = copy_file_range(from, NULL, to, NULL, (size_t)left, 0);
		if (n == 0)
			return util_error_set(error, TS_ERROR_CORRUPT, "it became shorter");
		if (n > 0)
			left -= (guint64)n;
		else if (errno != EINTR)
			err = errno;
	}
	return err ? util_error_errno(error, err, "copying") : TRUE;
}

static gboolean fill(int from, int to, const ManifestEntry *entry, GError **error)
{
	struct stat st;
	struct timespec times[2] = {{entry->mtime_s, 0}, {entry->mtime_s, 0}};
	if (fstat(from, &st) != 0)
		return util_error_errno(error, errno, "stat");
	if ((guint64)st.st_size != entry->size)
		return util_error_set(error, TS_ERROR_CORRUPT,
				      "it has %" G_GINT64_FORMAT " bytes, not %" G_GUINT64_FORMAT,
				      (gint64)st.st_size, entry->size);
	if (entry->size > 0 && !tree_reflink(from, to) && !copy_range(from, to, entry->size, error))
		return FALSE;
	int err = util_fault_point("chmod");
	if (!err && (fchmod(to, entry->mode) != 0 || futimens(to, times) != 0))
		err = errno;
	return err ? util_error_errno(error, err, "setting mode and time") : TRUE;
}

/* Not hashed: that is for the check of the whole tree. */
static gboolean copy_file(TreeTaker *taker, const ManifestEntry *from, const ManifestEntry *to,
			  GError **error)
{
	util_autofd int from_fd = tree_open_file(taker->from_dirfd, from->path, error);
	util_autofd int to_fd = from_fd < 0 ? -1 : tree_make_file(taker->to_dirfd, to->path, error);
	if (to_fd < 0)
		return FALSE;
	gboolean ok = fill(from_fd, to_fd, to, error);
	if (!ok) {
		g_autofree char *name = tree_name(from->path);
		g_prefix_error(error, "%s: ", name);
	}
	int fd = to_fd;
	to_fd = -1;
	if (close(fd) != 0 && ok)
		return util_error_errno(error, errno, "closing %s", to->path);
	return ok;
}

gboolean tree_take_file(TreeTaker *taker, const ManifestEntry *from, const ManifestEntry *to,
			GError **error)
{
	switch (taker->how) {
	case TREE_TAKE_CHECKED:
		return tree_copy_file(taker->from_dirfd, from->path, taker->to_dirfd, to->path,
				      from, error);
	case TREE_TAKE_LINKS:
		if (link_file(taker, from, to))
			return TRUE;
		break;
	case TREE_TAKE_COPIES:
		break;
	}
	return copy_file(taker, from, to, error);
}

/* What the threads share. */
typedef struct {
	int from_dirfd, to_dirfd;
	TreeTake how;
	const GArray *pairs;
	gint next; /* atomic: of the next block */
	GMutex lock;
	GError *error; /* under lock, with the index of what failed */
	guint error_at;
} TakePool;

static gboolean failed_before(TakePool *pool, guint index)
{
	g_mutex_lock(&pool->lock);
	gboolean failed = pool->error && pool->error_at < index;
	g_mutex_unlock(&pool->lock);
	return failed;
}

static void keep_first_error(TakePool *pool, guint index, GError **error)
{
	g_mutex_lock(&pool->lock);
	if (!pool->error || index < pool->error_at) {
		g_clear_error(&pool->error);
		pool->error = g_steal_pointer(error);
		pool->error_at = index;
	}
	g_mutex_unlock(&pool->lock);
}

static void take_blocks(TakePool *pool, const UtilProgress *progress)
{
	g_autoptr(TreeTaker) taker = tree_taker_new(pool->from_dirfd, pool->to_dirfd, pool->how);
	for (;;) {
		guint i = (guint)g_atomic_int_add(&pool->next, TREE_BLOCK);
		guint end = MIN(i + TREE_BLOCK, pool->pairs->len);
		if (i >= pool->pairs->len || failed_before(pool, i))
			return;
		for (; i < end; i++) {
			const TreePair *pair = &g_array_index(pool->pairs, TreePair, i);
			g_autoptr(GError) error = NULL;
			if (!tree_take_file(taker, pair->from, pair->to, &error)) {
				keep_first_error(pool, i, &error);
				return;
			}
			util_progress(progress, "copying", i, pool->pairs->len);
		}
	}
}

static gpointer take_thread(gpointer user_data)
{
	take_blocks(user_data, NULL);
	return NULL;
}

gboolean tree_take_files(int from_dirfd, int to_dirfd, TreeTake how, const GArray *pairs,
			 const UtilProgress *progress, GError **error)
{
	TakePool pool = {
	    .from_dirfd = from_dirfd, .to_dirfd = to_dirfd, .how = how, .pairs = pairs};
	g_autoptr(GPtrArray) threads = g_ptr_array_new();
	guint more = pairs->len >= TREE_THREADS_FILES ? g_get_num_processors() - 1 : 0;
	g_mutex_init(&pool.lock);
	for (guint i = 0; i < more; i++) {
		GThread *thread = g_thread_try_new("take", take_thread, &pool, NULL);
		if (thread)
			g_ptr_array_add(threads, thread);
	}
	take_blocks(&pool, progress);
	for (guint i = 0; i < threads->len; i++)
		(void)g_thread_join(threads->pdata[i]); /* they return nothing */
	g_mutex_clear(&pool.lock);
	if (!pool.error)
		return TRUE;
	g_propagate_error(error, pool.error);
	return FALSE;
}
