/* SPDX-License-Identifier: ISC */
/* Export files at a base: what is taken in, what is refused, and what is written for central. */
#include <sys/mman.h>
#include <unistd.h>

#include "export/export.h"
#include "world.h"

#define BUNDLE "the bundle"

typedef struct {
	const char *from; /* NULL: all */
	const char *base, *key_file;
	gint64 incarnation;
	const char *bundle;   /* content, or NULL */
	const char *reported; /* key, or NULL */
} Make;

/* A file as central writes it, of what its ledger holds now. */
static int make_file(const World *world, const Make *make)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(ExportHead) head = export_head_new(EXPORT_KIND_ORDERS);
	g_autoptr(GByteArray) piece = g_byte_array_new();
	g_autoptr(UtilStream) stream = util_stream_over_memory(NULL, 0, piece);
	g_autoptr(Repo) ledger = ledger_open(world->state, "haikou", &error);
	head->software = g_strdup("test");
	head->base = g_strdup(make->base ? make->base : "haikou");
	head->incarnation = make->incarnation ? make->incarnation : 1;
	head->written_utc = NOW;
	g_strlcpy(head->from, make->from ? make->from : "-", sizeof head->from);
	central_head(world, head->head);
	g_assert_true(ledger_send(ledger, head->head, head->from, stream, &error));
	export_head_add_data(head, EXPORT_LEDGER, piece->data, piece->len);
	if (make->bundle) {
		g_autofree char *hash =
		    g_compute_checksum_for_string(G_CHECKSUM_SHA256, BUNDLE, -1);
		g_autofree char *name = g_strconcat(EXPORT_BUNDLES, hash, NULL);
		export_head_add_member(head, name, strlen(BUNDLE), hash);
	}
	if (make->reported)
		export_head_add_reported(head, make->reported, OID_C);
	util_autofd int fd = memfd_create("file", MFD_CLOEXEC);
	g_autoptr(ExportWriter) writer = export_writer_new(
	    fd, head, make->key_file ? make->key_file : world->central_key_file, &error);
	g_assert_no_error(error);
	g_assert_true(export_writer_add(writer, piece->data, piece->len, &error));
	if (make->bundle)
		g_assert_true(
		    export_writer_add(writer, make->bundle, strlen(make->bundle), &error));
	g_assert_true(export_writer_finish(writer, &error));
	g_assert_no_error(error);
	return g_steal_fd(&fd);
}

static void import(const World *world, int fd, MirrorImported *ret_done)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GHashTable) lacking = g_hash_table_new(g_str_hash, g_str_equal);
	(void)mirror_import(&world->spec, fd, lacking, ret_done, &error); /* the error tells */
	g_assert_no_error(error);
}

static void expect_refused(const World *world, int fd, int code, const char *says)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GHashTable) lacking = g_hash_table_new(g_str_hash, g_str_equal);
	MirrorImported done = {0};
	g_assert_false(mirror_import(&world->spec, fd, lacking, &done, &error));
	if (!strstr(error->message, says))
		g_error("not said: \"%s\" but: %s", says, error->message);
	g_assert_error(error, TS_ERROR, code);
}

static char *bundle_path(void)
{
	g_autofree char *hash = g_compute_checksum_for_string(G_CHECKSUM_SHA256, BUNDLE, -1);
	return g_strconcat("partial/", hash, NULL);
}

static gboolean has_bundle(const World *world)
{
	g_autofree char *path = bundle_path();
	return faccessat(world->spec.root_dirfd, path, F_OK, 0) == 0;
}

static void test_import(World *world, gconstpointer data)
{
	(void)data;
	char first[REPO_OID], head[REPO_OID];
	MirrorImported done = {0};
	order_for(world, "shop", OID_A, NOW + 100);
	central_head(world, first);
	Make make = {.bundle = BUNDLE};
	util_autofd int fd = make_file(world, &make);
	import(world, fd, &done);
	g_assert_true(done.moved);
	g_assert_cmpuint(done.bundles, ==, 1);
	g_assert_cmpuint(done.bundle_bytes, ==, strlen(BUNDLE));
	g_assert_true(has_bundle(world));
	expect_ref(world, LEDGER_ACCEPTED, first);
	expect_accepted(world, "shop", 1);
	expect_contact(world, "By-File", "2026-12-01T02:00:00Z");
	expect_contact(world, "Head", first);
	expect_refused(world, fd, TS_ERROR_REFUSED, "brings nothing new");
	/* only what is new */
	order_for(world, "shop", OID_B, NOW + 200);
	central_head(world, head);
	Make more = {.from = first};
	util_autofd int next = make_file(world, &more);
	import(world, next, &done);
	g_assert_true(done.moved);
	expect_ref(world, LEDGER_ACCEPTED, head);
	expect_accepted(world, "shop", 2);
	expect_refused(world, fd, TS_ERROR_REFUSED, "older than what is here");
	expect_ref(world, LEDGER_ACCEPTED, head);
}

static void test_import_lost_bundle(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	MirrorImported done = {0};
	g_autofree char *path = bundle_path();
	order_for(world, "shop", OID_A, NOW + 100);
	Make make = {.bundle = BUNDLE};
	util_autofd int fd = make_file(world, &make);
	import(world, fd, &done);
	g_assert_true(util_fs_unlink(world->spec.root_dirfd, path, &error));
	expect_refused(world, fd, TS_ERROR_REFUSED, "brings nothing new");
	/* an order waits for it */
	g_autoptr(GHashTable) lacking = g_hash_table_new(g_str_hash, g_str_equal);
	g_hash_table_add(lacking, path + strlen("partial/"));
	g_assert_true(mirror_import(&world->spec, fd, lacking, &done, &error));
	g_assert_no_error(error);
	g_assert_false(done.moved);
	g_assert_true(has_bundle(world));
}

/* What a cut download left is no hindrance, whatever it holds. */
static void test_import_over_part(World *world, gconstpointer data)
{
	(void)data;
	MirrorImported done = {0};
	g_autofree char *path = bundle_path();
	g_autofree char *part = g_strconcat(path, ".part", NULL);
	g_assert_true(util_fs_mkdir(world->spec.root_dirfd, "partial", 0755, NULL));
	g_assert_true(util_fs_write_file(world->spec.root_dirfd, part, "junk", 4, 0600, NULL));
	order_for(world, "shop", OID_A, NOW + 100);
	Make make = {.bundle = BUNDLE};
	util_autofd int fd = make_file(world, &make);
	import(world, fd, &done);
	g_assert_true(has_bundle(world));
	g_assert_cmpint(faccessat(world->spec.root_dirfd, part, F_OK, 0), !=, 0);
}

static void test_import_no(World *world, gconstpointer data)
{
	(void)data;
	static const struct {
		Make make;
		int code;
		const char *says;
	} rows[] = {
	    {{.base = "berlin"}, TS_ERROR_REFUSED, "\"berlin\""},
	    {{.incarnation = 2}, TS_ERROR_REFUSED, "incarnation 2"},
	    {{.key_file = "other"}, TS_ERROR_NOT_AUTHENTIC, "the head of the file"},
	    {{.from = OID_A}, TS_ERROR_NOT_FOUND, "export --all haikou"},
	    {{.bundle = "the bumble"}, TS_ERROR_CORRUPT, "is damaged"},
	};
	order_for(world, "shop", OID_A, NOW + 100);
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		Make make = rows[i].make;
		if (make.key_file)
			make.key_file = world->other_key_file;
		util_autofd int fd = make_file(world, &make);
		expect_refused(world, fd, rows[i].code, rows[i].says);
		g_assert_false(has_bundle(world));
		g_assert_null(accepted_of(world, "shop"));
	}
	/* busy elsewhere */
	util_autofd int lock = util_fs_lock(world->spec.root_dirfd, "lock/.download", 0, NULL);
	Make good = {.bundle = BUNDLE};
	util_autofd int fd = make_file(world, &good);
	expect_refused(world, fd, TS_ERROR_AGAIN, "a pull is downloading");
	expect_ref(world, LEDGER_ACCEPTED, "");
}

/* Signed head, but the ledger part is not what a mirror accepts. */
static void test_import_bad_ledger(World *world, gconstpointer data)
{
	(void)data;
	char old[REPO_OID];
	MirrorImported done = {0};
	Make make = {.bundle = BUNDLE};
	order_for(world, "shop", OID_A, NOW + 100);
	central_head(world, old);
	order_with(world, "shop", OID_B, NOW + 200, "haikou", world->other_key_file);
	util_autofd int unsigned_fd = make_file(world, &make);
	expect_refused(world, unsigned_fd, TS_ERROR_NOT_AUTHENTIC, "");
	g_assert_false(has_bundle(world));
	central_set_head(world, old);
	util_autofd int good = make_file(world, &make);
	import(world, good, &done);
	/* another history */
	central_set_head(world, NULL);
	order_for(world, "shop", OID_C, NOW + 300);
	util_autofd int forked = make_file(world, &make);
	expect_refused(world, forked, TS_ERROR_NOT_AUTHENTIC, "forked");
	expect_ref(world, LEDGER_ACCEPTED, old);
}

static char *put_pending(const World *world, ReportEvent event)
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
	report->event_utc = NOW; /* all in one second */
	char *key = report_key(report);
	g_autofree char *text = report_format(report);
	g_autofree char *path = g_strconcat("pending/", key, NULL);
	g_assert_true(util_fs_mkdir(world->spec.root_dirfd, "pending", 0755, &error));
	g_assert_true(
	    util_fs_write_file(world->spec.root_dirfd, path, text, strlen(text), 0600, &error));
	g_assert_no_error(error);
	return key;
}

static int export(const World *world, const MirrorExportOptions *options, guint reports)
{
	g_autoptr(GError) error = NULL;
	MirrorExported done = {0};
	util_autofd int fd = memfd_create("file", MFD_CLOEXEC);
	g_assert_true(mirror_export(&world->spec, fd, options, &done, &error));
	g_assert_no_error(error);
	g_assert_cmpuint(done.reports, ==, reports);
	g_assert_cmpuint(done.left, ==, 0);
	g_assert_null(done.trouble);
	return g_steal_fd(&fd);
}

static void test_export(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	static const char *const live[] = {"shop " ROOT_A " v1", NULL};
	static const char *const wants[] = {"- " ROOT_A, NULL};
	MirrorExportOptions options = {.wants = wants};
	world->spec.live = live;
	g_autofree char *live_key = put_pending(world, REPORT_LIVE);
	g_autofree char *staged_key = put_pending(world, REPORT_STAGED);
	util_autofd int fd = export(world, &options, 2);
	g_autofree char *public = util_sshsig_public_key(world->key_file, &error);
	const char *keys[] = {public, NULL};
	g_autoptr(ExportReader) reader = export_reader_new(fd, &error);
	g_assert_no_error(error);
	g_assert_true(export_reader_verify(reader, keys, &error));
	const ExportHead *head = export_reader_head(reader);
	g_assert_cmpstr(head->head, ==, "-");
	g_assert_nonnull(strstr(head->hello, "\nLive: shop " ROOT_A " v1"));
	g_assert_cmpstr(head->wants->pdata[0], ==, "- " ROOT_A);
	g_assert_cmpuint(head->members->len, ==, 4);
	/* staged before live, though both were in one second */
	const ExportMember *first = head->members->pdata[0];
	g_assert_true(g_str_has_suffix(first->name, staged_key));
	/* they stay, until a file of central tells that they came */
	util_autofd int again = export(world, &options, 2);
	MirrorImported done = {0};
	order_for(world, "shop", OID_A, NOW + 100);
	Make make = {.reported = live_key};
	util_autofd int orders = make_file(world, &make);
	import(world, orders, &done);
	g_assert_cmpuint(done.delivered, ==, 1);
	util_autofd int rest = export(world, &options, 1);
	/* no newer head, but word of the other one */
	make.reported = staged_key;
	util_autofd int word = make_file(world, &make);
	import(world, word, &done);
	g_assert_false(done.moved);
	g_assert_cmpuint(done.delivered, ==, 1);
	expect_refused(world, word, TS_ERROR_REFUSED, "brings nothing new");
	/* what is no report is left out, and said */
	MirrorExported left = {0};
	g_assert_true(util_fs_write_file(world->spec.root_dirfd, "pending/x", "?", 1, 0600, NULL));
	g_assert_true(mirror_export(&world->spec, fd, &options, &left, &error));
	g_assert_nonnull(strstr(left.trouble, "pending/x"));
	g_free(left.trouble);
}

static void test_export_ledger(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	MirrorExportOptions options = {.ledger = TRUE};
	MirrorExported none;
	MirrorImported done = {0};
	util_autofd int nowhere = memfd_create("file", MFD_CLOEXEC);
	g_assert_false(mirror_export(&world->spec, nowhere, &options, &none, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
	g_clear_error(&error);
	order_for(world, "shop", OID_A, NOW + 100);
	Make make = {.from = NULL};
	util_autofd int orders = make_file(world, &make);
	import(world, orders, &done);
	util_autofd int fd = export(world, &options, 0);
	g_autoptr(ExportReader) reader = export_reader_new(fd, &error);
	const ExportMember *member = NULL;
	g_assert_true(export_reader_next(reader, &member, &error));
	g_assert_cmpstr(member->name, ==, EXPORT_LEDGER);
	g_autofree char *piece = export_reader_bytes(reader, &error);
	g_assert_true(g_str_has_prefix(piece, "40\n"));
	expect_refused(world, fd, TS_ERROR_REFUSED, "tagship import");
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(World *, gconstpointer);
	} tests[] = {
	    {"/mirror/import", test_import},
	    {"/mirror/import-lost-bundle", test_import_lost_bundle},
	    {"/mirror/import-over-part", test_import_over_part},
	    {"/mirror/import-no", test_import_no},
	    {"/mirror/import-bad-ledger", test_import_bad_ledger},
	    {"/mirror/export", test_export},
	    {"/mirror/export-ledger", test_export_ledger},
	};
	central_if_asked(argc, argv);
	g_test_init(&argc, &argv, NULL);
	for (guint i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].name, World, NULL, world_open, tests[i].run, world_close);
	return g_test_run();
}
