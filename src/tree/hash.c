/* SPDX-License-Identifier: ISC */
/* Hashes on all cores. */
#include <errno.h>
#include <unistd.h>

#include "tree/tree-private.h"

#define THREADS_BYTES ((guint64)1024 * 1024)
#define CHUNK ((gsize)256 * 1024)

/* What the hashing threads share. Each takes the next job: a queue with a lock for each file would
 * cost as much as hashing a small one. */
typedef struct {
	int dirfd;
	GArray *jobs;
	gint next;        /* atomic */
	gsize bytes_done; /* atomic: of jobs ended */
	GMutex lock;
	GError *error; /* the first one, under lock */
} HashPool;

/* The next bytes of a file; 0 at its end, -1 with error. */
static gssize read_some(int fd, guint8 *buffer, guint64 offset, GError **error)
{
	ssize_t n = 0;
	do
		n = pread(fd, buffer, CHUNK, (off_t)offset);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		util_error_errno(error, errno, "reading to hash");
	return n;
}

/* *ret_len: what was there; a read that gives less than asked for was the last. */
static gboolean hash_content(int fd, guint64 size, guint8 *buffer, UtilSha256 *sha,
			     guint8 ret_digest[UTIL_SHA256_BYTES], guint64 *ret_len, GError **error)
{
	guint64 done = 0;
	util_sha256_restart(sha);
	for (;;) {
		gssize n = read_some(fd, buffer, done, error);
		if (n < 0)
			return FALSE;
		util_sha256_update(sha, buffer, (gsize)n);
		done += (guint64)n;
		if (n == 0 || (done == size && (gsize)n < CHUNK))
			break;
	}
	util_sha256_finish(sha, ret_digest);
	*ret_len = done;
	return TRUE;
}

static gboolean hash_one(TreeFolder *folder, TreeHash *job, guint8 *buffer, UtilSha256 *sha,
			 GError **error)
{
	struct stat before = {.st_mode = S_IFREG};
	struct stat after;
	guint64 len = 0;
	const char *name = NULL;
	int parent = tree_folder_of(folder, job->path, &name, error);
	util_autofd int fd =
	    parent < 0 ? -1 : tree_open_stat(parent, name, job->path, &before, error);
	if (fd < 0)
		return FALSE;
	if (job->st)
		*job->st = before;
	job->changed = (guint64)before.st_size != job->size;
	if (job->changed)
		return TRUE;
	if (!hash_content(fd, job->size, buffer, sha, job->sha256, &len, error)) {
		g_autofree char *shown = tree_name(job->path);
		g_prefix_error(error, "%s: ", shown);
		return FALSE;
	}
	/* whoever keeps the numbers of before sees by them what was changed since */
	if (job->st) {
		job->changed = len != job->size;
		return TRUE;
	}
	if (fstat(fd, &after) != 0)
		return util_error_errno(error, errno, "%s", job->path);
	job->changed = len != job->size || after.st_size != before.st_size ||
		       after.st_mtim.tv_sec != before.st_mtim.tv_sec ||
		       after.st_mtim.tv_nsec != before.st_mtim.tv_nsec;
	return TRUE;
}

static void keep_error(HashPool *pool, GError **error)
{
	g_mutex_lock(&pool->lock);
	if (!pool->error)
		pool->error = g_steal_pointer(error);
	g_mutex_unlock(&pool->lock);
}

static gpointer hash_jobs(gpointer user_data)
{
	HashPool *pool = user_data;
	g_autofree guint8 *buffer = g_malloc(CHUNK);
	g_autoptr(UtilSha256) sha = util_sha256_new();
	TreeFolder folder = TREE_FOLDER(pool->dirfd);
	for (;;) {
		guint i = (guint)g_atomic_int_add(&pool->next, 1);
		if (i >= pool->jobs->len)
			break;
		TreeHash *job = &g_array_index(pool->jobs, TreeHash, i);
		g_autoptr(GError) error = NULL;
		gboolean ok = hash_one(&folder, job, buffer, sha, &error);
		if (!ok && (g_error_matches(error, TS_ERROR, TS_ERROR_NOT_FOUND) ||
			    g_error_matches(error, TS_ERROR, TS_ERROR_CORRUPT)))
			job->changed = TRUE; /* gone, or no longer a file */
		else if (!ok)
			keep_error(pool, &error);
		g_atomic_pointer_add(&pool->bytes_done, (gssize)job->size);
	}
	tree_folder_clear(&folder);
	return NULL;
}

/* Threads are worth their start only where there is something to do. This one waits for them and
 * tells how far they are. */
static void hash_in_threads(HashPool *pool, const UtilProgress *progress, guint64 total)
{
	g_autoptr(GPtrArray) threads = g_ptr_array_new();
	for (guint i = 0; i < g_get_num_processors(); i++) {
		GThread *thread = g_thread_try_new("hash", hash_jobs, pool, NULL);
		if (thread)
			g_ptr_array_add(threads, thread);
	}
	if (threads->len == 0)
		(void)hash_jobs(pool); /* no thread to be had: here */
	for (gsize done = 0; progress && done < total;) {
		done = (gsize)g_atomic_pointer_get(&pool->bytes_done);
		util_progress(progress, "hashing", done, total);
		g_usleep(G_USEC_PER_SEC / 20);
	}
	for (guint i = 0; i < threads->len; i++)
		(void)g_thread_join(threads->pdata[i]); /* they return nothing */
}

gboolean tree_hash_files(int dirfd, GArray *jobs, const UtilProgress *progress, GError **error)
{
	HashPool pool = {.dirfd = dirfd, .jobs = jobs};
	guint64 total = 0;
	g_mutex_init(&pool.lock);
	for (guint i = 0; i < jobs->len; i++)
		total += g_array_index(jobs, TreeHash, i).size;
	if (total >= THREADS_BYTES)
		hash_in_threads(&pool, progress, total);
	else
		(void)hash_jobs(&pool); /* returns nothing */
	util_progress(progress, "hashing", total, total);
	g_mutex_clear(&pool.lock);
	if (pool.error) {
		g_propagate_error(error, pool.error);
		return FALSE;
	}
	return TRUE;
}
