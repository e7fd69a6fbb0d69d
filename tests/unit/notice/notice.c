/* SPDX-License-Identifier: ISC */
#include "notice/notice.h"

#include <json-glib/json-glib.h>

typedef struct {
	char *path;
	int dirfd;
} Folder;

static void setup(Folder *folder, gconstpointer data)
{
	(void)data; /* the same for all */
	folder->path = g_dir_make_tmp("tagship-notice-XXXXXX", NULL);
	folder->dirfd = util_fs_open_dir(AT_FDCWD, folder->path, NULL);
	g_assert_cmpint(folder->dirfd, >=, 0);
}

static void teardown(Folder *folder, gconstpointer data)
{
	(void)data; /* as above */
	util_closep(&folder->dirfd);
	g_assert_true(util_fs_remove_tree(AT_FDCWD, folder->path, NULL));
	g_free(folder->path);
}

static void put(Folder *folder, const char *key, gint64 time_utc)
{
	g_autoptr(GError) error = NULL;
	Notice notice = {.event = "rolled-back",
			 .time_utc = time_utc,
			 .app = "shop",
			 .base = "haikou",
			 .version = "v3",
			 .detail = "not healthy \"twice\"",
			 .log_end = "one\ntwo \xff\n",
			 .outage_ms = 1200};
	g_assert_true(notice_put(folder->dirfd, key, &notice, &error));
	g_assert_no_error(error);
}

/* A command that appends what it gets to FOLDER/told, unless FOLDER/broken is there. */
static NoticeDelivered deliver(Folder *folder, gint64 now_utc)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *script =
	    g_strdup_printf("test ! -e %s/broken || { echo no line >&2; exit 7; }; cat >> %s/told",
			    folder->path, folder->path);
	const char *argv[] = {"/bin/sh", "-c", script, NULL};
	NoticeDelivered delivered;
	util_autofd int lock = notice_lock(folder->dirfd, &error);
	g_assert_cmpint(lock, >=, 0);
	g_assert_true(notice_deliver(folder->dirfd, argv, now_utc, &delivered, &error));
	g_assert_no_error(error);
	return delivered;
}

static char *told(Folder *folder)
{
	g_autofree char *path = g_build_filename(folder->path, "told", NULL);
	char *text = NULL;
	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	return text;
}

static void test_json(Folder *folder, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	put(folder, "one", 1800000000);
	put(folder, "one", 1800000000); /* found again after a crash */
	NoticeDelivered delivered = deliver(folder, 1800000001);
	g_assert_cmpuint(delivered.sent, ==, 1);
	g_assert_null(delivered.failed);
	g_autofree char *text = told(folder);
	g_assert_cmpuint(strlen(text), ==, strcspn(text, "\n") + 1); /* one line */
	g_autoptr(JsonNode) node = json_from_string(text, &error);
	g_assert_no_error(error);
	JsonObject *object = json_node_get_object(node);
	g_assert_cmpstr(json_object_get_string_member(object, "event"), ==, "rolled-back");
	g_assert_cmpstr(json_object_get_string_member(object, "time"), ==, "2027-01-15T08:00:00Z");
	g_assert_cmpstr(json_object_get_string_member(object, "detail"), ==,
			"not healthy \"twice\"");
	g_assert_true(json_object_get_null_member(object, "release"));
	g_assert_cmpint(json_object_get_int_member(object, "outage_ms"), ==, 1200);
	g_assert_cmpstr(json_object_get_string_member(object, "text"), ==,
			"shop v3 at haikou: rolled-back: not healthy \"twice\"");
	g_assert_true(
	    g_str_has_prefix(json_object_get_string_member(object, "log_end"), "one\ntwo "));
	delivered = deliver(folder, 1800000002);
	g_assert_cmpuint(delivered.sent + delivered.waiting, ==, 0);
}

static void break_it(Folder *folder, gboolean broken)
{
	if (broken)
		g_assert_true(util_fs_write_file(folder->dirfd, "broken", "", 0, 0644, NULL));
	else
		g_assert_true(util_fs_unlink(folder->dirfd, "broken", NULL));
}

/* Nothing is lost while the command fails, and it is not run for ever. */
static void test_retry(Folder *folder, gconstpointer data)
{
	(void)data;
	gint64 now = 1800000000;
	for (guint i = 0; i < 5; i++) {
		g_autofree char *key = g_strdup_printf("%u", i);
		put(folder, key, now + i);
	}
	break_it(folder, TRUE);
	NoticeDelivered delivered = deliver(folder, now);
	g_assert_cmpuint(delivered.waiting, ==, 5);
	g_assert_nonnull(strstr(delivered.failed, "exit status 7: no line"));
	g_clear_pointer(&delivered.failed, g_free);
	/* two were tried: a minute later they are again, not before */
	break_it(folder, FALSE);
	delivered = deliver(folder, now + 59);
	g_assert_cmpuint(delivered.sent, ==, 3);
	g_assert_cmpuint(delivered.waiting, ==, 2);
	delivered = deliver(folder, now + 60);
	g_assert_cmpuint(delivered.sent, ==, 2);

	/* each failure doubles the wait, to an hour; after a week it is given up */
	put(folder, "last", now);
	break_it(folder, TRUE);
	guint tries = 0;
	for (gint64 at = now; at < now + 6 * 24 * 3600; at += 60) {
		delivered = deliver(folder, at);
		tries += delivered.failed != NULL;
		g_clear_pointer(&delivered.failed, g_free);
		if (at == now + 3600)
			g_assert_cmpuint(tries, <=, 7);
		at += at > now + 3600 ? 3540 : 0;
	}
	g_assert_cmpuint(tries, >, 100);
	delivered = deliver(folder, now + 8 * 24 * 3600);
	g_assert_cmpuint(delivered.given_up, ==, 1);
	g_clear_pointer(&delivered.failed, g_free);
	delivered = deliver(folder, now + 9 * 24 * 3600);
	g_assert_cmpuint(delivered.waiting, ==, 0);
}

static void test_seen(Folder *folder, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	gboolean first = FALSE;
	g_autoptr(GKeyFile) none = notice_seen_load(folder->dirfd, &first, &error);
	g_assert_true(first);
	g_key_file_set_string(none, "alarms", "late/shop/haikou/123", "2027-01-15T08:00:00Z");
	g_assert_true(notice_seen_save(folder->dirfd, none, &error));
	g_autoptr(GKeyFile) again = notice_seen_load(folder->dirfd, &first, &error);
	g_assert_false(first);
	g_autofree char *since =
	    g_key_file_get_string(again, "alarms", "late/shop/haikou/123", NULL);
	g_assert_cmpstr(since, ==, "2027-01-15T08:00:00Z");
	g_assert_true(util_fs_write_file(folder->dirfd, "notices/seen", "x", 1, 0600, NULL));
	g_assert_null(notice_seen_load(folder->dirfd, &first, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add("/notice/json", Folder, NULL, setup, test_json, teardown);
	g_test_add("/notice/retry", Folder, NULL, setup, test_retry, teardown);
	g_test_add("/notice/seen", Folder, NULL, setup, test_seen, teardown);
	return g_test_run();
}
