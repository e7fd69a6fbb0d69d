/* SPDX-License-Identifier: ISC */
#include "world.h"

/* ---- download ---- */

static char *make_bundle(const World *world, char ret_sha256[UTIL_SHA256_HEX])
{
	guint8 digest[UTIL_SHA256_BYTES];
	char *data = g_malloc(BUNDLE_BYTES + 1);
	for (gsize i = 0; i < BUNDLE_BYTES; i++)
		data[i] = (char)('a' + (i * 31 + i / 997) % 26);
	data[BUNDLE_BYTES] = '\0';
	util_sha256_data(data, BUNDLE_BYTES, digest);
	util_hex_encode(digest, sizeof digest, ret_sha256);
	g_autofree char *path = g_strconcat("bundles/", ret_sha256, NULL);
	g_assert_true(util_fs_write_file(world->state_dirfd, path, data, BUNDLE_BYTES, 0600, NULL));
	return data;
}

static void expect_bundle(const World *world, const char *sha256, const char *data)
{
	g_autofree char *path = g_strconcat("partial/", sha256, NULL);
	g_autofree char *part = g_strconcat(path, ".part", NULL);
	g_autofree char *found = NULL;
	gsize len = 0;
	g_assert_true(
	    util_fs_read_file(world->spec.root_dirfd, path, BUNDLE_BYTES + 1, &found, &len, NULL));
	g_assert_cmpmem(found, len, data, BUNDLE_BYTES);
	g_assert_cmpint(faccessat(world->spec.root_dirfd, part, F_OK, 0), !=, 0);
}

static guint64 part_bytes(const World *world, const char *sha256)
{
	struct stat st = {0};
	g_autofree char *part = g_strconcat("partial/", sha256, ".part", NULL);
	return fstatat(world->spec.root_dirfd, part, &st, 0) == 0 ? (guint64)st.st_size : 0;
}

static void expect_download_error(Mirror *mirror, const char *sha256, int code, const char *says)
{
	g_autoptr(GError) error = NULL;
	g_assert_false(mirror_download(mirror, sha256, BUNDLE_BYTES, &error));
	if (!strstr(error->message, says))
		g_error("not said: \"%s\" but: %s", says, error->message);
	g_assert_error(error, TS_ERROR, code);
}

typedef struct {
	guint64 last;
	gboolean wrong;
} Told;

static void told_report(gpointer user_data, const char *what, guint64 done, guint64 total)
{
	Told *told = user_data;
	g_assert_cmpuint(total, ==, BUNDLE_BYTES);
	told->last = done;
	told->wrong = told->wrong || strstr(what, "wrong hash") != NULL;
}

static void test_download(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	char sha256[UTIL_SHA256_HEX];
	g_autofree char *bundle = make_bundle(world, sha256);
	Told told = {0};
	UtilProgress progress = {told_report, &told};
	world->spec.progress = &progress;
	g_autoptr(Mirror) mirror = open_mirror(world);
	g_assert_true(mirror_download(mirror, sha256, BUNDLE_BYTES, &error));
	g_assert_no_error(error);
	expect_bundle(world, sha256, bundle);
	g_assert_cmpuint(told.last, ==, BUNDLE_BYTES);
	g_assert_false(told.wrong);
	/* again: nothing is asked */
	g_free(take_log(world));
	g_assert_true(mirror_download(mirror, sha256, BUNDLE_BYTES, &error));
	g_autofree char *log = take_log(world);
	g_assert_cmpstr(log, ==, "");
}

static void test_download_resumes(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	char sha256[UTIL_SHA256_HEX];
	g_autofree char *bundle = make_bundle(world, sha256);
	g_autoptr(Mirror) mirror = open_mirror(world);
	set_trick(world, "cut 300001");
	expect_download_error(mirror, sha256, TS_ERROR_AGAIN, "at 300001 of 700000 bytes");
	g_assert_cmpuint(part_bytes(world, sha256), ==, 300001);
	expect_download_error(mirror, sha256, TS_ERROR_AGAIN, "at 600002 of 700000 bytes");
	mirror_close(g_steal_pointer(&mirror));
	mirror = open_mirror(world); /* another process, another day */
	g_assert_true(mirror_download(mirror, sha256, BUNDLE_BYTES, &error));
	g_assert_no_error(error);
	expect_bundle(world, sha256, bundle);
	g_autofree char *log = take_log(world);
	g_autofree char *want =
	    g_strdup_printf("get %s 0\nget %s 300001\nget %s 600002\n", sha256, sha256, sha256);
	g_assert_cmpstr(log, ==, want);
}

static void put_part(const World *world, const char *sha256, const char *data, gsize len)
{
	g_autofree char *part = g_strconcat("partial/", sha256, ".part", NULL);
	g_assert_true(util_fs_write_file(world->spec.root_dirfd, part, data, len, 0600, NULL));
}

static void test_download_crash_leftovers(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	char sha256[UTIL_SHA256_HEX];
	g_autofree char *bundle = make_bundle(world, sha256);
	g_autoptr(Mirror) mirror = open_mirror(world);
	/* all there, only not renamed: nothing is asked */
	put_part(world, sha256, bundle, BUNDLE_BYTES);
	g_assert_true(mirror_download(mirror, sha256, BUNDLE_BYTES, &error));
	expect_bundle(world, sha256, bundle);
	g_autofree char *log = take_log(world);
	g_assert_cmpstr(log, ==, "");
	/* too long, and damaged in the middle: both start once more */
	g_autofree char *final = g_strconcat("partial/", sha256, NULL);
	g_assert_true(util_fs_unlink(world->spec.root_dirfd, final, NULL));
	put_part(world, sha256, bundle, BUNDLE_BYTES + 1);
	g_assert_true(mirror_download(mirror, sha256, BUNDLE_BYTES, &error));
	g_assert_no_error(error);
	expect_bundle(world, sha256, bundle);
	g_assert_true(util_fs_unlink(world->spec.root_dirfd, final, NULL));
	g_autofree char *damaged = g_strnfill(500000, '#');
	put_part(world, sha256, damaged, 500000);
	g_free(take_log(world));
	g_assert_true(mirror_download(mirror, sha256, BUNDLE_BYTES, &error));
	g_assert_no_error(error);
	expect_bundle(world, sha256, bundle);
	g_autofree char *log2 = take_log(world);
	g_autofree char *want = g_strdup_printf("get %s 500000\nget %s 0\n", sha256, sha256);
	g_assert_cmpstr(log2, ==, want);
}

static void test_download_wrong(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	char sha256[UTIL_SHA256_HEX];
	g_autofree char *bundle = make_bundle(world, sha256);
	Told told = {0};
	UtilProgress progress = {told_report, &told};
	world->spec.progress = &progress;
	g_autoptr(Mirror) mirror = open_mirror(world);
	set_trick(world, "wrong");
	expect_download_error(mirror, sha256, TS_ERROR_NOT_AUTHENTIC, "SHA-256");
	g_assert_true(told.wrong);
	g_autofree char *log = take_log(world);
	g_autofree char *want = g_strdup_printf("get %s 0\nget %s 0\n", sha256, sha256);
	g_assert_cmpstr(log, ==, want); /* once more, not for ever */
	set_trick(world, "wrong-once");
	told.wrong = FALSE;
	g_assert_true(mirror_download(mirror, sha256, BUNDLE_BYTES, &error));
	g_assert_no_error(error);
	g_assert_true(told.wrong);
	expect_bundle(world, sha256, bundle);
}

static void test_download_refused(World *world, gconstpointer data)
{
	(void)data;
	char sha256[UTIL_SHA256_HEX];
	g_autofree char *bundle = make_bundle(world, sha256);
	g_autoptr(Mirror) mirror = open_mirror(world);
	set_trick(world, "short");
	expect_download_error(mirror, sha256, TS_ERROR_CORRUPT, "the order says 700000");
	set_trick(world, "again");
	expect_download_error(mirror, sha256, TS_ERROR_AGAIN, "central: being made");
	set_trick(world, NULL);
	expect_download_error(mirror, ROOT_A, TS_ERROR_NOT_FOUND, "central: no such bundle");
	g_free(take_log(world));
	world->conf.min_free_mb = G_MAXINT32;
	expect_download_error(mirror, sha256, TS_ERROR_NO_SPACE, "min_free_mb");
	g_autofree char *log = take_log(world);
	g_assert_cmpstr(log, ==, ""); /* checked before the first byte */
	g_autoptr(GError) error = NULL;
	g_assert_false(mirror_download(mirror, "../../key", 5, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	util_autofd int lock = util_fs_lock(world->spec.root_dirfd, "lock/.download", 0, NULL);
	expect_download_error(mirror, sha256, TS_ERROR_AGAIN, "another pull is downloading");
}

/* ---- reports ---- */

static char *put_pending(const World *world, ReportEvent event, gint64 event_utc,
			 gboolean is_signed)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Report) report = report_new();
	report->base = g_strdup("haikou");
	report->incarnation = 1;
	report->release = g_strdup(OID_A);
	report->seq = 1;
	report->app = g_strdup("shop");
	report->version = g_strdup("v2");
	report->root = g_strdup(ROOT_A);
	report->serves_root = g_strdup("-");
	report->event = event;
	report->event_utc = event_utc;
	report->detail = g_strdup("");
	report->log_end = g_strdup("");
	char *key = report_key(report);
	g_autofree char *text = report_format(report);
	g_autofree char *path = g_strconcat("pending/", key, NULL);
	g_autofree char *signature_path = g_strconcat(path, ".sig", NULL);
	int rootfd = world->spec.root_dirfd;
	g_assert_true(util_fs_write_file(rootfd, path, text, strlen(text), 0600, &error));
	if (is_signed) {
		g_autofree char *signature = util_sshsig_sign(
		    world->key_file, UTIL_SSHSIG_NS_REPORT, text, strlen(text), &error);
		g_assert_true(util_fs_write_file(rootfd, signature_path, signature,
						 strlen(signature), 0600, &error));
	}
	g_assert_no_error(error);
	return key;
}

static guint count_files(int dirfd, const char *folder)
{
	g_autoptr(GPtrArray) names = util_fs_list(dirfd, folder, NULL);
	return names ? names->len : 0;
}

static void told_delivered(gpointer user_data, const Report *report, const char *commit)
{
	g_assert_cmpuint(strlen(commit), ==, 40);
	g_string_append_printf(user_data, "%s ", report_event_name(report->event));
}

static void expect_deliver(Mirror *mirror, guint sent, int code, const char *says)
{
	g_autoptr(GError) error = NULL;
	guint count = 99;
	gboolean ok = mirror_deliver(mirror, &count, &error);
	g_assert_cmpuint(count, ==, sent);
	if (code < 0) {
		g_assert_no_error(error);
		g_assert_true(ok);
		return;
	}
	g_assert_false(ok);
	if (!strstr(error->message, says))
		g_error("not said: \"%s\" but: %s", says, error->message);
	g_assert_error(error, TS_ERROR, code);
}

static void test_deliver(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GString) told = g_string_new(NULL);
	world->spec.delivered = told_delivered;
	world->spec.user_data = told;
	g_autoptr(Mirror) mirror = open_mirror(world);
	expect_deliver(mirror, 0, -1, NULL);
	g_autofree char *live = put_pending(world, REPORT_LIVE, NOW + 10, TRUE);
	g_autofree char *staged = put_pending(world, REPORT_STAGED, NOW, TRUE);
	/* a crash between the report and its signature */
	g_autofree char *held = put_pending(world, REPORT_HELD, NOW + 20, FALSE);
	expect_deliver(mirror, 3, -1, NULL);
	g_assert_cmpstr(told->str, ==, "staged live held ");
	g_assert_cmpuint(count_files(world->spec.root_dirfd, "pending"), ==, 0);
	g_assert_cmpuint(count_files(world->state_dirfd, "reports"), ==, 3);
	/* the signature made here is a good one */
	g_autofree char *path = g_strconcat("reports/", held, NULL);
	g_autofree char *both = NULL;
	g_assert_true(util_fs_read_file(world->state_dirfd, path, 100000, &both, NULL, NULL));
	char *signature = strstr(both, "-----BEGIN");
	g_autofree char *key = util_sshsig_public_key(world->key_file, NULL);
	const char *keys[] = {key, NULL};
	g_autoptr(GError) error = NULL;
	g_assert_true(util_sshsig_verify(keys, UTIL_SSHSIG_NS_REPORT, both,
					 (gsize)(signature - both), signature, &error));
	g_assert_no_error(error);
}

static void test_deliver_refused(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(Mirror) mirror = open_mirror(world);
	g_autofree char *staged = put_pending(world, REPORT_STAGED, NOW, TRUE);
	g_autofree char *live = put_pending(world, REPORT_LIVE, NOW + 10, TRUE);
	int rootfd = world->spec.root_dirfd;
	g_assert_true(util_fs_write_file(rootfd, "pending/damaged", "?", 1, 0600, NULL));
	/* neither a damaged nor a refused one keeps back the others */
	set_trick(world, "refuse Event: staged");
	expect_deliver(mirror, 1, TS_ERROR_CORRUPT, "pending/damaged");
	g_assert_true(util_fs_unlink(rootfd, "pending/damaged", NULL));
	expect_deliver(mirror, 0, TS_ERROR_REFUSED, "central: not this one");
	g_assert_cmpuint(count_files(rootfd, "pending"), ==, 2);
	/* refused before it was read, and a confirmation that is none */
	set_trick(world, "deaf");
	expect_deliver(mirror, 0, TS_ERROR_REFUSED, "central: not heard");
	set_trick(world, "no-commit");
	expect_deliver(mirror, 0, TS_ERROR_AGAIN, "without a commit id");
	g_assert_cmpuint(count_files(rootfd, "pending"), ==, 2);
	/* "later" is for all of them */
	g_autofree char *held = put_pending(world, REPORT_HELD, NOW + 20, TRUE);
	g_free(take_log(world));
	set_trick(world, "again");
	expect_deliver(mirror, 0, TS_ERROR_AGAIN, "central: busy");
	g_autofree char *log = take_log(world);
	g_assert_cmpstr(log, ==, "report\n");
	set_trick(world, NULL);
	expect_deliver(mirror, 2, -1, NULL);
	g_assert_cmpuint(count_files(rootfd, "pending"), ==, 0);
}

/* A central that was restored from a backup: what it had confirmed goes there once more. */
static void test_reports_lost(World *world, gconstpointer data)
{
	(void)data;
	gboolean moved = FALSE;
	g_autofree char *hello = NULL;
	int rootfd = world->spec.root_dirfd;
	g_autoptr(Mirror) mirror = open_mirror(world);
	g_autofree char *live = put_pending(world, REPORT_LIVE, NOW + 10, TRUE);
	g_autofree char *staged = put_pending(world, REPORT_STAGED, NOW, TRUE);
	expect_deliver(mirror, 2, -1, NULL);
	/* it is asked about each commit that it gave */
	g_assert_true(mirror_update(mirror, &moved, NULL));
	g_assert_true(util_fs_read_file(world->state_dirfd, "hello", 100000, &hello, NULL, NULL));
	g_assert_nonnull(strstr(hello, "\nReported: 1234567890123456789012345678901234567890\n"));
	g_assert_cmpuint(mirror_reports_again(mirror), ==, 0);
	g_assert_cmpuint(count_files(rootfd, "pending"), ==, 0);
	g_assert_true(util_fs_remove_tree(world->state_dirfd, "reports", NULL));
	g_assert_true(util_fs_mkdir(world->state_dirfd, "reports", 0700, NULL));
	set_trick(world, "lost");
	g_assert_true(mirror_update(mirror, &moved, NULL));
	g_assert_cmpuint(mirror_reports_again(mirror), ==, 2);
	g_assert_cmpuint(mirror_reports_again(mirror), ==, 0);
	set_trick(world, NULL);
	expect_deliver(mirror, 2, -1, NULL);
	g_assert_cmpuint(count_files(world->state_dirfd, "reports"), ==, 2);
}

/* The first report over a new connection: what was lost goes there before it. */
static void test_reports_lost_first(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GString) told = g_string_new(NULL);
	int rootfd = world->spec.root_dirfd;
	g_autoptr(Mirror) before = open_mirror(world);
	g_autofree char *live = put_pending(world, REPORT_LIVE, NOW + 10, TRUE);
	g_autofree char *staged = put_pending(world, REPORT_STAGED, NOW, TRUE);
	expect_deliver(before, 2, -1, NULL);
	/* one of the hardware before this stays where it is */
	g_autofree char *held = put_pending(world, REPORT_HELD, NOW + 20, TRUE);
	g_autofree char *path = g_strconcat("pending/", held, NULL);
	g_autofree char *old = NULL;
	gsize len = 0;
	g_assert_true(util_fs_read_file(rootfd, path, 10000, &old, &len, NULL));
	g_auto(GStrv) halves = g_strsplit(old, "Incarnation: 1\n", 2);
	g_autofree char *other = g_strjoinv("Incarnation: 7\n", halves);
	g_assert_true(util_fs_write_file(rootfd, "reported/old", other, strlen(other), 0600, NULL));
	set_trick(world, "lost");
	world->spec.delivered = told_delivered;
	world->spec.user_data = told;
	g_autoptr(Mirror) mirror = open_mirror(world);
	expect_deliver(mirror, 3, -1, NULL);
	g_assert_cmpstr(told->str, ==, "staged live held ");
	g_assert_cmpuint(mirror_reports_again(mirror), ==, 2);
	g_assert_cmpint(faccessat(rootfd, "reported/old", F_OK, 0), ==, 0);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(World *, gconstpointer);
	} tests[] = {
	    {"/mirror/download", test_download},
	    {"/mirror/download-resumes", test_download_resumes},
	    {"/mirror/download-crash-leftovers", test_download_crash_leftovers},
	    {"/mirror/download-wrong", test_download_wrong},
	    {"/mirror/download-refused", test_download_refused},
	    {"/mirror/deliver", test_deliver},
	    {"/mirror/deliver-refused", test_deliver_refused},
	    {"/mirror/reports-lost", test_reports_lost},
	    {"/mirror/reports-lost-first", test_reports_lost_first},
	};
	central_if_asked(argc, argv);
	g_test_init(&argc, &argv, NULL);
	for (guint i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].name, World, NULL, world_open, tests[i].run, world_close);
	return g_test_run();
}
