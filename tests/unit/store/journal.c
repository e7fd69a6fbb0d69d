/* SPDX-License-Identifier: ISC */
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "store/store.h"

typedef struct {
	char *path;
	int dirfd;
} Folder;

static void folder_setup(Folder *folder, gconstpointer data)
{
	(void)data; /* the same for all */
	folder->path = g_dir_make_tmp("tagship-journal-XXXXXX", NULL);
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

static UtilTrailers *record_new(gint64 number, const char *reason)
{
	UtilTrailers *record = util_trailers_new();
	util_trailers_add(record, "Event", "held");
	util_trailers_add_int(record, "Number", number);
	util_trailers_add(record, "Reason", reason);
	return record;
}

static void append(StoreJournal *journal, gint64 number, const char *reason)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(UtilTrailers) record = record_new(number, reason);
	g_assert_true(store_journal_append(journal, record, &error));
	g_assert_no_error(error);
}

static void check_numbers(const GPtrArray *records, guint count)
{
	g_assert_cmpuint(records->len, ==, count);
	for (guint i = 0; i < count; i++) {
		gint64 number = -1;
		g_assert_true(
		    util_trailers_need_int(records->pdata[i], "Number", 0, 999, &number, NULL));
		g_assert_cmpint(number, ==, i);
	}
}

/* Three records with everything that needs escaping. */
static void make_three(const Folder *folder)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(StoreJournal) journal = store_journal_open(folder->dirfd, "shop", &error);
	g_assert_no_error(error);
	append(journal, 0, "two\nlines \\ and a\ttab \\n");
	append(journal, 1, "");
	append(journal, 2, "the last");
}

static void test_append(Folder *folder, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	make_three(folder);
	g_autoptr(StoreJournal) journal = store_journal_open(folder->dirfd, "shop", &error);
	g_assert_no_error(error);
	check_numbers(store_journal_records(journal), 3);
	g_assert_cmpstr(util_trailers_get(store_journal_records(journal)->pdata[0], "Reason"), ==,
			"two\nlines \\ and a\ttab \\n");
	append(journal, 3, "after opening again");
	g_assert_cmpuint(store_journal_room(journal), >=, STORE_JOURNAL_RESERVE);
	g_autoptr(GPtrArray) read = store_journal_read(folder->dirfd, "shop", &error);
	check_numbers(read, 4);
	g_autoptr(GPtrArray) none = store_journal_read(folder->dirfd, "other", &error);
	g_assert_no_error(error);
	g_assert_cmpuint(none->len, ==, 0);
	struct stat st;
	g_assert_cmpint(fstatat(folder->dirfd, "shop", &st, 0), ==, 0);
	g_assert_cmpint(st.st_size % (64 * 1024), ==, 0);
	/* the room is really there, not a hole */
	g_assert_cmpint(st.st_blocks * 512, >=, STORE_JOURNAL_RESERVE);
}

static void test_grows(Folder *folder, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	g_autofree char *reason = g_strnfill(4000, 'x');
	g_autoptr(StoreJournal) journal = store_journal_open(folder->dirfd, "shop", &error);
	for (guint i = 0; i < 60; i++) {
		append(journal, i, reason);
		g_assert_cmpuint(store_journal_room(journal), >=, STORE_JOURNAL_RESERVE);
	}
	check_numbers(store_journal_records(journal), 60);
}

/* The text of the file up to its NULs. */
static char *content(const Folder *folder)
{
	char *data = NULL;
	g_assert_true(util_fs_read_file(folder->dirfd, "shop", 1 << 20, &data, NULL, NULL));
	return data;
}

static void put(const Folder *folder, const char *data, gsize len)
{
	g_assert_true(util_fs_write_file(folder->dirfd, "shop", data, len, 0644, NULL));
}

/* Cut at every byte of the last record: always the first two, and appending goes on. */
static void test_torn_tail(Folder *folder, gconstpointer data)
{
	(void)data;
	make_three(folder);
	g_autofree char *whole = content(folder);
	gsize len = strlen(whole);
	const char *last = util_text_tail(whole, len, 1, len);
	for (gsize cut = (gsize)(last - whole); cut < len; cut++) {
		g_autoptr(GError) error = NULL;
		put(folder, whole, cut);
		g_autoptr(GPtrArray) read = store_journal_read(folder->dirfd, "shop", &error);
		g_assert_no_error(error);
		check_numbers(read, 2);
		g_autoptr(StoreJournal) journal = store_journal_open(folder->dirfd, "shop", &error);
		g_assert_no_error(error);
		check_numbers(store_journal_records(journal), 2);
		append(journal, 2, "s"); /* shorter than what was torn */
		g_autoptr(GPtrArray) again = store_journal_read(folder->dirfd, "shop", &error);
		check_numbers(again, 3);
	}
}

/* The first blocks of the last record did not reach the disk, its end did: whatever length was
 * lost, nothing of it shows up again behind the next record. */
static void test_torn_front(Folder *folder, gconstpointer data)
{
	(void)data;
	make_three(folder);
	g_autofree char *whole = content(folder);
	gsize len = strlen(whole);
	gsize last = (gsize)(util_text_tail(whole, len, 1, len) - whole);
	for (gsize lost = 1; lost < len - last; lost++) {
		g_autoptr(GError) error = NULL;
		g_autofree char *torn = g_memdup2(whole, len + 1);
		memset(torn + last, 0, lost);
		put(folder, torn, len);
		g_autoptr(GPtrArray) read = store_journal_read(folder->dirfd, "shop", &error);
		check_numbers(read, 2);
		g_autoptr(StoreJournal) journal = store_journal_open(folder->dirfd, "shop", &error);
		g_assert_no_error(error);
		check_numbers(store_journal_records(journal), 2);
		append(journal, 2, "");
		g_autoptr(GPtrArray) again = store_journal_read(folder->dirfd, "shop", &error);
		g_assert_no_error(error);
		check_numbers(again, 3);
	}
}

/* A flipped bit anywhere in a whole record is said, and the file is left as it is. */
static void test_damage(Folder *folder, gconstpointer data)
{
	(void)data;
	make_three(folder);
	g_autofree char *whole = content(folder);
	gsize len = strlen(whole);
	for (gsize i = 0; i + 1 < len; i++) {
		g_autoptr(GError) error = NULL;
		whole[i] ^= 1;
		put(folder, whole, len);
		if (whole[i] != '\0' && (whole[i] ^ 1) != '\n') {
			g_assert_null(store_journal_open(folder->dirfd, "shop", &error));
			g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
			g_clear_error(&error);
			g_assert_null(store_journal_read(folder->dirfd, "shop", &error));
			g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
			g_autofree char *after = content(folder);
			g_assert_cmpstr(after, ==, whole);
		}
		whole[i] ^= 1;
	}
}

/* A disk that takes no more: RLIMIT_FSIZE stops the file from growing. What was preallocated
 * still takes records; then appending is an error, and the journal stays whole. */
static void full_disk_child(const Folder *folder)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(StoreJournal) journal = store_journal_open(folder->dirfd, "shop", &error);
	struct rlimit limit = {64 * 1024, 64 * 1024};
	g_autofree char *reason = g_strnfill(1000, 'y');
	guint written = 3;
	g_assert_no_error(error);
	(void)signal(SIGXFSZ, SIG_IGN);
	g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
	for (;; written++) {
		g_autoptr(UtilTrailers) record = record_new(written, reason);
		if (!store_journal_append(journal, record, &error))
			break;
	}
	g_assert_nonnull(error);
	g_assert_cmpuint(written, >=, 3 + 60);
	g_assert_cmpuint(written, <, 3 + 66);
	check_numbers(store_journal_records(journal), written);
	g_clear_pointer(&journal, store_journal_close);
	g_clear_error(&error);
	journal = store_journal_open(folder->dirfd, "shop", &error); /* opens all the same */
	g_assert_no_error(error);
	check_numbers(store_journal_records(journal), written);
}

static void test_full_disk(Folder *folder, gconstpointer data)
{
	(void)data;
	make_three(folder);
	g_test_trap_subprocess("/store/journal/full-disk/subprocess/child", 0,
			       G_TEST_SUBPROCESS_INHERIT_STDERR);
	g_test_trap_assert_passed();
}

static void test_full_disk_in_child(Folder *folder, gconstpointer data)
{
	(void)data;
	make_three(folder);
	full_disk_child(folder);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
#define ADD(path, function) g_test_add(path, Folder, NULL, folder_setup, function, folder_teardown)
	ADD("/store/journal/append", test_append);
	ADD("/store/journal/grows", test_grows);
	ADD("/store/journal/torn-tail", test_torn_tail);
	ADD("/store/journal/torn-front", test_torn_front);
	ADD("/store/journal/damage", test_damage);
	ADD("/store/journal/full-disk", test_full_disk);
	ADD("/store/journal/full-disk/subprocess/child", test_full_disk_in_child);
	return g_test_run();
}
