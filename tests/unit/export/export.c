/* SPDX-License-Identifier: ISC */
/* The file that is carried: golden ones, what a head may say, and damage anywhere. */
#include <sys/mman.h>
#include <unistd.h>

#include "export/export.h"

#define OID "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SHA "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" /* of nothing */

static char *golden(const char *name, gsize *ret_len)
{
	g_autofree char *path = g_test_build_filename(G_TEST_DIST, "data", "formats", name, NULL);
	char *data = NULL;
	g_assert_true(util_fs_read_file(AT_FDCWD, path, 1024 * 1024, &data, ret_len, NULL));
	return data;
}

static int file_with(const void *data, gsize len)
{
	int fd = memfd_create("export", MFD_CLOEXEC);
	g_assert_true(util_fs_write_all(fd, data, len, NULL));
	return fd;
}

/* All members, as "NAME BYTES CONTENT-HASH\n" each; NULL with error. */
static char *read_all(ExportReader *reader, GError **error)
{
	g_autoptr(GString) all = g_string_new(NULL);
	for (;;) {
		const ExportMember *member = NULL;
		if (!export_reader_next(reader, &member, error))
			return NULL;
		if (!member)
			return g_string_free(g_steal_pointer(&all), FALSE);
		g_autofree char *data = export_reader_bytes(reader, error);
		if (!data)
			return NULL;
		g_autofree char *hash = g_compute_checksum_for_data(
		    G_CHECKSUM_SHA256, (const guchar *)data, (gsize)member->bytes);
		g_string_append_printf(all, "%s %" G_GUINT64_FORMAT " %s\n", member->name,
				       member->bytes, hash);
	}
}

static ExportReader *open_golden(const char *kind, int *ret_fd)
{
	g_autoptr(GError) error = NULL;
	gsize len = 0, key_len = 0;
	g_autofree char *name = g_strdup_printf("export-%s-1.tar", kind);
	g_autofree char *key_name = g_strdup_printf("export-%s-1.pub", kind);
	g_autofree char *data = golden(name, &len);
	g_autofree char *key = g_strchomp(golden(key_name, &key_len));
	const char *keys[] = {key, NULL};
	*ret_fd = file_with(data, len);
	ExportReader *reader = export_reader_new(*ret_fd, &error);
	g_assert_no_error(error);
	g_assert_true(export_reader_verify(reader, keys, &error));
	g_assert_no_error(error);
	return reader;
}

static void test_golden_orders(void)
{
	g_autoptr(GError) error = NULL;
	util_autofd int fd = -1;
	g_autoptr(ExportReader) reader = open_golden("orders", &fd);
	const ExportHead *head = export_reader_head(reader);
	g_assert_cmpint(head->kind, ==, EXPORT_KIND_ORDERS);
	g_assert_cmpstr(head->software, ==, "tagship 0.1.0");
	g_assert_cmpstr(head->base, ==, "haikou");
	g_assert_cmpint(head->incarnation, ==, 1);
	g_assert_cmpstr(head->from, ==, "-");
	g_assert_cmpstr(head->head, ==, "ca3ec0bbb0ba3b4125e8a53d8946a4df4ef3a445");
	g_assert_null(head->hello);
	g_assert_cmpuint(head->reported->len, ==, 2);
	const ExportReported *reported = head->reported->pdata[0];
	g_assert_cmpstr(reported->key, ==, "33d2c27c358c7283a3f067eedab981a327689ccd.1.live");
	g_assert_cmpstr(reported->commit, ==, "fcdcde8a5bdf9c4d749e79563b568f6fd6e966bd");
	g_autofree char *all = read_all(reader, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(
	    all, ==,
	    "ledger 2659 22f710c5738d72e2baca2ae00642bf82234b13a7bb7b3f1aeb74436bd7277045\n"
	    "bundles/99415e278ad7dea3006a5201a86fe15f15b631c9d4510a9c1edb440ca48382e0 352 "
	    "99415e278ad7dea3006a5201a86fe15f15b631c9d4510a9c1edb440ca48382e0\n");
}

static void test_golden_reports(void)
{
	g_autoptr(GError) error = NULL;
	util_autofd int fd = -1;
	g_autoptr(ExportReader) reader = open_golden("reports", &fd);
	const ExportHead *head = export_reader_head(reader);
	g_assert_cmpint(head->kind, ==, EXPORT_KIND_REPORTS);
	g_assert_cmpstr(head->head, ==, "d7aa35e137c47ac8936bd9896dc38027a493d842");
	g_assert_true(g_str_has_prefix(head->hello, "Tagship-Hello: 1\nSoftware: tagship 0.1.0\n"));
	g_assert_true(g_str_has_suffix(head->hello, " v1"));
	g_assert_cmpuint(head->wants->len, ==, 0);
	g_assert_cmpuint(head->members->len, ==, 4);
	g_autofree char *all = read_all(reader, &error);
	g_assert_no_error(error);
	g_assert_nonnull(strstr(all, ".1.live 322 6767cf89"));
}

/* A flipped bit is found, or one that nothing depends on. */
static void test_damage(gconstpointer user_data)
{
	const char *kind = user_data;
	gsize len = 0, key_len = 0;
	util_autofd int good_fd = -1;
	g_autoptr(ExportReader) good = open_golden(kind, &good_fd);
	g_autofree char *good_head = export_head_format(export_reader_head(good));
	g_autofree char *good_all = read_all(good, NULL);
	g_autofree char *name = g_strdup_printf("export-%s-1.tar", kind);
	g_autofree char *key_name = g_strdup_printf("export-%s-1.pub", kind);
	g_autofree char *data = golden(name, &len);
	g_autofree char *key = g_strchomp(golden(key_name, &key_len));
	const char *keys[] = {key, NULL};
	guint verified = 0;
	for (gsize i = 0; i < len; i++) {
		g_autoptr(GError) error = NULL;
		data[i] ^= (char)(1 << i % 7);
		util_autofd int fd = file_with(data, len);
		g_autoptr(ExportReader) reader = export_reader_new(fd, &error);
		g_autofree char *all = reader ? read_all(reader, &error) : NULL;
		g_autofree char *head = all ? export_head_format(export_reader_head(reader)) : NULL;
		data[i] ^= (char)(1 << i % 7);
		if (!all) {
			g_assert_true(error->code == TS_ERROR_CORRUPT ||
				      error->code == TS_ERROR_UNSUPPORTED);
			continue;
		}
		g_assert_cmpstr(all, ==, good_all);
		/* ssh-keygen takes its time: some of them */
		if (strcmp(head, good_head) != 0 && verified++ % 8 == 0)
			g_assert_false(export_reader_verify(reader, keys, NULL));
	}
	g_assert_cmpuint(verified, >, 8);
}

static void test_cut_short(void)
{
	gsize len = 0;
	g_autofree char *data = golden("export-orders-1.tar", &len);
	for (gsize i = 0; i < len; i++) {
		/* all cuts near blocks, some between */
		if (i % 512 > 2 && i % 512 < 510 && i % 37 != 0)
			continue;
		g_autoptr(GError) error = NULL;
		util_autofd int fd = file_with(data, i);
		g_autoptr(ExportReader) reader = export_reader_new(fd, &error);
		g_autofree char *all = reader ? read_all(reader, &error) : NULL;
		g_assert_null(all);
		g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	}
}

/* Something between the end of the tar and zeros at the end of the file. */
static void test_bytes_after(void)
{
	gsize len = 0;
	g_autofree char *data = golden("export-orders-1.tar", &len);
	g_autoptr(GError) error = NULL;
	g_autofree char *longer = g_malloc0(len + 4096);
	memcpy(longer, data, len);
	util_autofd int padded = file_with(longer, len + 4096);
	g_autoptr(ExportReader) fine = export_reader_new(padded, &error);
	g_autofree char *members = fine ? read_all(fine, &error) : NULL;
	g_assert_no_error(error);
	g_assert_nonnull(members);
	longer[len + 100] = 'x';
	util_autofd int fd = file_with(longer, len + 4096);
	g_autoptr(ExportReader) reader = export_reader_new(fd, &error);
	g_autofree char *all = reader ? read_all(reader, &error) : NULL;
	g_assert_null(all);
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
}

#define HEAD_START "Tagship-Export: 1\nKind: orders\nSoftware: t\nBase: haikou\nIncarnation: 1\n"
#define HEAD_ORDERS HEAD_START "Written: 2026-12-01T02:00:00Z\nFrom: -\nHead: " OID "\n"
#define LEDGER "Member: ledger 10 " SHA "\n"
#define BUNDLE "Member: bundles/" SHA " 0 " SHA "\n"
#define HEAD_REPORTS                                                                    \
	"Tagship-Export: 1\nKind: reports\nSoftware: t\nBase: haikou\nIncarnation: 1\n" \
	"Written: 2026-12-01T02:00:00Z\nHead: -\nHello: x\n"
#define REPORT "Member: reports/a.1.live 5 " SHA "\n"
#define SIG "Member: reports/a.1.live.sig 5 " SHA "\n"

static void test_heads(void)
{
	static const struct {
		const char *text;
		int code; /* -1: fine */
	} rows[] = {
	    {HEAD_ORDERS LEDGER, -1},
	    {HEAD_ORDERS LEDGER BUNDLE, -1},
	    {HEAD_ORDERS "Reported: a.1.live " OID "\n" LEDGER, -1},
	    {HEAD_ORDERS "X-Later: 1\n" LEDGER, -1},
	    {HEAD_REPORTS, -1},
	    {HEAD_REPORTS REPORT SIG, -1},
	    {HEAD_REPORTS LEDGER REPORT SIG, -1},
	    {HEAD_REPORTS "Want: - " SHA "\n" REPORT SIG, -1},
	    {"", TS_ERROR_CORRUPT},
	    {"Tagship-Export: 2\n", TS_ERROR_UNSUPPORTED},
	    {"Kind: orders\nTagship-Export: 1\n", TS_ERROR_CORRUPT},
	    {HEAD_ORDERS, TS_ERROR_CORRUPT},
	    {HEAD_ORDERS BUNDLE LEDGER, TS_ERROR_CORRUPT},
	    {HEAD_ORDERS LEDGER LEDGER, TS_ERROR_CORRUPT},
	    {HEAD_ORDERS LEDGER REPORT SIG, TS_ERROR_CORRUPT},
	    {HEAD_ORDERS LEDGER "Reported: a.1.live " OID "\n", TS_ERROR_CORRUPT},
	    {HEAD_ORDERS "Later: 1\n" LEDGER, TS_ERROR_CORRUPT},
	    {HEAD_ORDERS "Hello: x\n" LEDGER, TS_ERROR_CORRUPT},
	    {HEAD_ORDERS "Want: - " SHA "\n" LEDGER, TS_ERROR_CORRUPT},
	    {HEAD_ORDERS "Reported: ../x " OID "\n" LEDGER, TS_ERROR_CORRUPT},
	    {HEAD_ORDERS LEDGER "Member: bundles/../x 1 " SHA "\n", TS_ERROR_CORRUPT},
	    {HEAD_ORDERS "Member: ledger 010 " SHA "\n", TS_ERROR_CORRUPT},
	    {HEAD_ORDERS "Member: ledger 10\n", TS_ERROR_CORRUPT},
	    {HEAD_ORDERS "Member: ledger 100663297 " SHA "\n", TS_ERROR_CORRUPT},
	    {HEAD_START "Written: 2026-12-01T02:00:00Z\nFrom: -\nHead: -\n" LEDGER,
	     TS_ERROR_CORRUPT},
	    {HEAD_REPORTS REPORT, TS_ERROR_CORRUPT},
	    {HEAD_REPORTS SIG REPORT, TS_ERROR_CORRUPT},
	    {HEAD_REPORTS REPORT "Member: reports/b.sig 5 " SHA "\n", TS_ERROR_CORRUPT},
	    {HEAD_REPORTS REPORT SIG BUNDLE, TS_ERROR_CORRUPT},
	    {HEAD_REPORTS "Reported: a.1.live " OID "\n", TS_ERROR_CORRUPT},
	    {HEAD_REPORTS "From: -\n", TS_ERROR_CORRUPT},
	};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(ExportHead) head =
		    export_head_parse(rows[i].text, strlen(rows[i].text), &error);
		if ((head != NULL) != (rows[i].code < 0) || (error && error->code != rows[i].code))
			g_error("row %u: %s", i, error ? error->message : "taken");
	}
}

static int write_file(const ExportHead *head, const char *key, const char *content, GError **error)
{
	util_autofd int fd = memfd_create("export", MFD_CLOEXEC);
	g_autoptr(ExportWriter) writer = export_writer_new(fd, head, key, error);
	if (!writer || !export_writer_add(writer, content, strlen(content), error) ||
	    !export_writer_finish(writer, error))
		return -1;
	return g_steal_fd(&fd);
}

static ExportHead *orders_head(const char *base)
{
	ExportHead *head = export_head_new(EXPORT_KIND_ORDERS);
	head->software = g_strdup("t");
	head->base = g_strdup(base);
	head->incarnation = 3;
	head->written_utc = 1796090400;
	g_strlcpy(head->from, "-", sizeof head->from);
	g_strlcpy(head->head, OID, sizeof head->head);
	export_head_add_data(head, EXPORT_LEDGER, "piece", 5);
	return head;
}

static void test_written(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *dir = g_dir_make_tmp("tagship-export-XXXXXX", NULL);
	g_autofree char *key = g_build_filename(dir, "key", NULL);
	g_assert_true(util_sshsig_keygen(key, "central", &error));
	g_autofree char *public = util_sshsig_public_key(key, &error);
	const char *keys[] = {public, NULL};
	g_autoptr(ExportHead) head = orders_head("haikou");
	util_autofd int fd = write_file(head, key, "piece", &error);
	g_assert_no_error(error);
	g_autoptr(ExportReader) reader = export_reader_new(fd, &error);
	g_assert_no_error(error);
	g_assert_true(export_reader_verify(reader, keys, &error));
	g_autofree char *all = read_all(reader, &error);
	g_assert_true(all && g_str_has_prefix(all, "ledger 5 "));
	/* something else than the head says is not written, or not read */
	g_assert_cmpint(write_file(head, key, "pieces", &error), ==, -1);
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	g_clear_error(&error);
	util_autofd int other = write_file(head, key, "peace", &error);
	g_autoptr(ExportReader) liar = export_reader_new(other, &error);
	g_assert_null(read_all(liar, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	g_clear_error(&error);
	g_autoptr(ExportHead) unreadable = orders_head("../haikou");
	g_assert_cmpint(write_file(unreadable, key, "piece", &error), ==, -1);
	g_assert_nonnull(error);
	g_assert_true(util_fs_remove_tree(AT_FDCWD, dir, NULL));
}

static void test_no_file(void)
{
	g_autoptr(GError) error = NULL;
	util_autofd int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	g_assert_null(export_reader_new(dir, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_USAGE);
	g_clear_error(&error);
	/* nothing but the end of a tar */
	static const char zeros[10240];
	util_autofd int fd = file_with(zeros, sizeof zeros);
	g_assert_null(export_reader_new(fd, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/export/golden-orders", test_golden_orders);
	g_test_add_func("/export/golden-reports", test_golden_reports);
	g_test_add_data_func("/export/damaged-orders", "orders", test_damage);
	g_test_add_data_func("/export/damaged-reports", "reports", test_damage);
	g_test_add_func("/export/cut-short", test_cut_short);
	g_test_add_func("/export/bytes-after", test_bytes_after);
	g_test_add_func("/export/heads", test_heads);
	g_test_add_func("/export/written", test_written);
	g_test_add_func("/export/no-file", test_no_file);
	return g_test_run();
}
