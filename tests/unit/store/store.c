/* SPDX-License-Identifier: ISC */
#include <unistd.h>

#include "store/store.h"

typedef struct {
	char *path;
	int dirfd;
} Folder;

static void folder_setup(Folder *folder, gconstpointer data)
{
	(void)data; /* the same for all */
	folder->path = g_dir_make_tmp("tagship-store-XXXXXX", NULL);
	folder->dirfd = util_fs_open_dir(AT_FDCWD, folder->path, NULL);
	g_assert_cmpint(folder->dirfd, >=, 0);
}

static void folder_teardown(Folder *folder, gconstpointer data)
{
	(void)data; /* as above */
	g_assert_cmpint(close(folder->dirfd), ==, 0);
	g_assert_true(util_fs_remove_tree(AT_FDCWD, folder->path, NULL));
	g_free(folder->path);
}

static void hash_of(const char *text, char ret_sha256[UTIL_SHA256_HEX])
{
	guint8 digest[UTIL_SHA256_BYTES];
	util_sha256_data(text, strlen(text), digest);
	util_hex_encode(digest, sizeof digest, ret_sha256);
}

/* Names in the folder, temporary ones included. */
static guint count_names(const Folder *folder)
{
	g_autoptr(GDir) dir = g_dir_open(folder->path, 0, NULL);
	guint n = 0;
	while (g_dir_read_name(dir))
		n++;
	return n;
}

static void test_blob(Folder *folder, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	char sha256[UTIL_SHA256_HEX], expected[UTIL_SHA256_HEX];
	guint64 bytes = 0;
	hash_of("hello", expected);
	for (guint i = 0; i < 2; i++) { /* twice: an equal file there is fine */
		g_autofree char *name = NULL;
		util_autofd int fd = store_blob_new(folder->dirfd, &name, &error);
		g_assert_no_error(error);
		g_assert_true(util_fs_write_all(fd, "hello", 5, &error));
		g_assert_true(store_blob_keep(folder->dirfd, name, fd, sha256, &bytes, &error));
		g_assert_cmpstr(sha256, ==, expected);
		g_assert_cmpuint(bytes, ==, 5);
		g_assert_cmpuint(count_names(folder), ==, 1);
	}
	g_assert_true(store_blob_exists(folder->dirfd, expected));
	util_autofd int fd = store_blob_open(folder->dirfd, expected, &bytes, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(bytes, ==, 5);
	hash_of("other", expected);
	g_assert_false(store_blob_exists(folder->dirfd, expected));
	g_assert_cmpint(store_blob_open(folder->dirfd, expected, &bytes, &error), <, 0);
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
	g_clear_error(&error);
	g_assert_false(store_blob_exists(folder->dirfd, "../x"));
	g_assert_cmpint(store_blob_open(folder->dirfd, "../x", &bytes, &error), <, 0);
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
}

static void test_blob_odd_files(Folder *folder, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	char sha256[UTIL_SHA256_HEX];
	guint64 bytes = 0;
	hash_of("fifo", sha256);
	g_assert_cmpint(mkfifoat(folder->dirfd, sha256, 0600), ==, 0);
	g_assert_cmpint(store_blob_open(folder->dirfd, sha256, &bytes, &error), <, 0);
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	g_clear_error(&error);
	hash_of("link", sha256);
	g_assert_cmpint(symlinkat("/etc/passwd", folder->dirfd, sha256), ==, 0);
	g_assert_false(store_blob_exists(folder->dirfd, sha256));
	g_assert_cmpint(store_blob_open(folder->dirfd, sha256, &bytes, &error), <, 0);
	g_assert_nonnull(error);
}

static void test_partial(Folder *folder, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	char sha256[UTIL_SHA256_HEX];
	guint64 offset = 99;
	hash_of("0123456789", sha256);
	{
		util_autofd int fd = store_partial_open(folder->dirfd, sha256, &offset, &error);
		g_assert_no_error(error);
		g_assert_cmpuint(offset, ==, 0);
		g_assert_true(util_fs_write_all(fd, "01234", 5, &error));
		g_assert_true(store_partial_sync(fd, &error));
		/* too early: the part stays and the caller goes on */
		g_assert_false(store_partial_finish(folder->dirfd, sha256, fd, 10, &error));
		g_assert_error(error, TS_ERROR, TS_ERROR_AGAIN);
		g_clear_error(&error);
	}
	util_autofd int fd = store_partial_open(folder->dirfd, sha256, &offset, &error);
	g_assert_cmpuint(offset, ==, 5);
	g_assert_true(util_fs_write_all(fd, "56789", 5, &error));
	g_assert_false(store_blob_exists(folder->dirfd, sha256));
	g_assert_true(store_partial_finish(folder->dirfd, sha256, fd, 10, &error));
	g_assert_true(store_blob_exists(folder->dirfd, sha256));
	g_assert_cmpuint(count_names(folder), ==, 1);
}

static void test_partial_wrong(Folder *folder, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	char sha256[UTIL_SHA256_HEX];
	guint64 offset = 0;
	static const char *const contents[] = {"012345678X", "0123456789 and more"};
	hash_of("0123456789", sha256);
	for (guint i = 0; i < G_N_ELEMENTS(contents); i++) {
		util_autofd int fd = store_partial_open(folder->dirfd, sha256, &offset, &error);
		g_assert_cmpuint(offset, ==, 0);
		g_assert_true(util_fs_write_all(fd, contents[i], strlen(contents[i]), &error));
		g_assert_false(store_partial_finish(folder->dirfd, sha256, fd, 10, &error));
		g_assert_error(error, TS_ERROR, TS_ERROR_NOT_AUTHENTIC);
		g_clear_error(&error);
		g_assert_cmpuint(count_names(folder), ==, 0);
	}
}

static void test_queue_hints(Folder *folder, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	gboolean was_set = TRUE;
	g_assert_true(store_queue_init(folder->dirfd, &error));
	g_assert_true(store_queue_init(folder->dirfd, &error));
	g_assert_true(store_wake_clear(folder->dirfd, &was_set, &error));
	g_assert_false(was_set);
	for (guint i = 0; i < 3; i++) {
		g_autoptr(UtilTrailers) hint = util_trailers_new();
		util_trailers_add_int(hint, "Number", i);
		g_assert_true(store_hint_put(folder->dirfd, "push", hint, &error));
		g_usleep(1000);
	}
	g_assert_true(store_wake_clear(folder->dirfd, &was_set, &error));
	g_assert_true(was_set);
	g_autoptr(GPtrArray) names = store_hint_list(folder->dirfd, &error);
	g_assert_cmpuint(names->len, ==, 3);
	for (guint i = 0; i < 3; i++) { /* oldest first */
		gint64 number = -1;
		g_autoptr(UtilTrailers) hint =
		    store_hint_read(folder->dirfd, names->pdata[i], &error);
		g_assert_no_error(error);
		g_assert_cmpstr(util_trailers_get(hint, "Hint"), ==, "push");
		g_assert_true(util_trailers_need_int(hint, "Number", 0, 9, &number, &error));
		g_assert_cmpint(number, ==, i);
	}
	g_assert_true(store_hint_remove(folder->dirfd, names->pdata[0], &error));
	g_assert_null(store_hint_read(folder->dirfd, names->pdata[0], &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
}

/* Whatever a pusher puts into in/ is CORRUPT, never a hang and never a file elsewhere. */
static void test_queue_bad_hints(Folder *folder, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	static const char *const bad[] = {"text", "folder",  "fifo",
					  "link", "../wake", "/etc/passwd"};
	g_assert_true(store_queue_init(folder->dirfd, &error));
	g_assert_true(
	    util_fs_write_file(folder->dirfd, "in/text", "not trailers", 12, 0644, &error));
	g_assert_true(util_fs_mkdir(folder->dirfd, "in/folder", 0755, &error));
	g_assert_cmpint(mkfifoat(folder->dirfd, "in/fifo", 0600), ==, 0);
	g_assert_cmpint(symlinkat("/etc/passwd", folder->dirfd, "in/link"), ==, 0);
	for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_assert_null(store_hint_read(folder->dirfd, bad[i], &error));
		g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
		g_clear_error(&error);
		g_assert_true(store_hint_remove(folder->dirfd, bad[i], NULL) == (i < 4));
	}
	g_autoptr(GPtrArray) names = store_hint_list(folder->dirfd, &error);
	g_assert_cmpuint(names->len, ==, 0);
}

static void test_jobs(Folder *folder, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	g_assert_true(store_queue_init(folder->dirfd, &error));
	g_autoptr(Job) job = job_new("shop-v1-1a2b3c4", "tag", "shop");
	g_free(job->reason);
	job->reason = g_strdup("it failed\nbecause");
	job->state = JOB_FAILED;
	job->created_utc = 200;
	g_assert_true(store_job_create(folder->dirfd, job, &error));
	g_assert_false(store_job_create(folder->dirfd, job, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_EXISTS);
	g_clear_error(&error);
	job->attempt = 2;
	g_assert_true(store_job_write(folder->dirfd, job, &error));
	g_autoptr(Job) again = store_job_read(folder->dirfd, job->id, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(again->reason, ==, job->reason);
	g_assert_cmpstr(again->ref, ==, "");
	g_assert_cmpint(again->state, ==, JOB_FAILED);
	g_assert_cmpint(again->attempt, ==, 2);
	g_assert_cmpint(again->created_utc, ==, 200);
	g_autoptr(Job) older = job_new("shop-v2-1a2b3c4", "tag", "shop");
	older->created_utc = 100;
	g_assert_true(store_job_create(folder->dirfd, older, &error));
	g_autoptr(GPtrArray) jobs = store_job_list(folder->dirfd, &error);
	g_assert_cmpuint(jobs->len, ==, 2);
	g_assert_cmpstr(((Job *)jobs->pdata[0])->id, ==, older->id);
	g_assert_null(store_job_read(folder->dirfd, "../in", &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
}

static void test_damaged_jobs(Folder *folder, gconstpointer data)
{
	(void)data;
	static const char *const bad[] = {
	    "",
	    "Job: j\nKind: tag\nApp: shop\n",
	    "Job: j\nKind: tag\nApp: shop\nState: lost\n",
	    "Job: other\nKind: tag\nApp: shop\nState: queued\n",
	    "Job: j\nKind: tag\nApp: shop\nState: queued\nCreated: soon\n",
	    "Job: j\nKind: tag\nApp: shop\nState: queued\nAttempt: -1\n",
	};
	g_assert_true(store_queue_init(folder->dirfd, NULL));
	for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(GError) error = NULL;
		g_assert_true(util_fs_write_file(folder->dirfd, "jobs/j", bad[i], strlen(bad[i]),
						 0644, &error));
		g_assert_null(store_job_read(folder->dirfd, "j", &error));
		g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
		g_assert_nonnull(strstr(error->message, "jobs/j"));
	}
}

static void test_job_ids(void)
{
	static const char oid[] = "1a2b3c4d5e6f";
	g_autofree char *plain = job_id_for_ref("shop", "refs/tags/v1.4.0", oid);
	g_assert_cmpstr(plain, ==, "shop-v1.4.0-1a2b3c4");
	g_autofree char *slash = job_id_for_ref("shop", "refs/heads/a/b", oid);
	g_autofree char *dash = job_id_for_ref("shop", "refs/heads/a-b", oid);
	g_assert_cmpstr(slash, !=, dash);
	g_assert_null(strchr(slash, '/'));
	g_autofree char *ref = g_strdup_printf("refs/tags/%0200d", 1);
	g_autofree char *lengthy = job_id_for_ref("shop", ref, oid);
	g_assert_cmpuint(strlen(lengthy), <, 150);
}

/* Each of them is a folder, not there, or refused. */
static void check_links(const Folder *folder, int (*open_at)(const char *, GError **),
			const char *const *names)
{
	util_autofd int whole = open_at(folder->path, NULL);
	g_assert_cmpint(whole, >=, 0);
	for (guint i = 0; names[i]; i++) {
		g_autoptr(GError) error = NULL;
		g_autofree char *parent = g_path_get_dirname(names[i]);
		(void)util_fs_remove_tree(folder->dirfd, names[i], NULL); /* if it is there */
		g_assert_true(util_fs_mkdir_parents(folder->dirfd, parent, 0755, NULL));
		g_assert_cmpint(symlinkat("/tmp", folder->dirfd, names[i]), ==, 0);
		util_autofd int linked = open_at(folder->path, &error);
		g_assert_cmpint(linked, <, 0);
		g_assert_error(error, TS_ERROR, TS_ERROR_NOT_AUTHENTIC);
		g_assert_nonnull(strstr(error->message, names[i]));
		g_assert_cmpint(unlinkat(folder->dirfd, names[i], 0), ==, 0);
		util_autofd int without = open_at(folder->path, NULL);
		g_assert_cmpint(without, >=, 0);
	}
}

static void test_root_links(Folder *folder, gconstpointer data)
{
	static const char *const names[] = {"partial", "pending", "journal",  "log",        "lock",
					    "trees",   "nodes",   "accepted", "mirror.git", NULL};
	(void)data; /* none */
	g_assert_true(store_make_root(folder->dirfd, NULL));
	g_assert_true(store_make_root(folder->dirfd, NULL));
	check_links(folder, store_open_root, names);
}

static void test_state_links(Folder *folder, gconstpointer data)
{
	static const char *const names[] = {"apps.d",   "bases.d",    "ledger",
					    "queue/in", "queue/jobs", "queue",
					    "log",      "contacts",   "bundles/by-roots",
					    "bundles",  "sending",    "library.git",
					    "work",     "tmp",        "keys",
					    NULL};
	(void)data; /* none */
	g_assert_true(store_make_state(folder->dirfd, NULL));
	g_assert_true(store_make_state(folder->dirfd, NULL));
	check_links(folder, store_open_state, names);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
#define ADD(path, function) g_test_add(path, Folder, NULL, folder_setup, function, folder_teardown)
	ADD("/store/blob", test_blob);
	ADD("/store/blob/odd-files", test_blob_odd_files);
	ADD("/store/partial", test_partial);
	ADD("/store/partial/wrong", test_partial_wrong);
	ADD("/store/queue/hints", test_queue_hints);
	ADD("/store/queue/bad-hints", test_queue_bad_hints);
	ADD("/store/jobs", test_jobs);
	ADD("/store/jobs/damaged", test_damaged_jobs);
	ADD("/store/folders/root", test_root_links);
	ADD("/store/folders/state", test_state_links);
	g_test_add_func("/store/jobs/ids", test_job_ids);
	return g_test_run();
}
