/* SPDX-License-Identifier: ISC */
/* Export files of a base at central: each report once, what is old changes nothing, and whatever is
 * not of this base is refused. */
#include <sys/mman.h>
#include <unistd.h>

#include "export/export.h"
#include "serve/serve.h"
#include "wire/hello.h"

#define NOW 1796090400
#define OID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define OID_C "cccccccccccccccccccccccccccccccccccccccc"
#define ROOT_A "000000000000000000000000000000000000000000000000000000000000000a"
#define ROOT_B "000000000000000000000000000000000000000000000000000000000000000b"

typedef struct {
	char *state, *key, *public, *base_key, *base_public;
	TrustKeys *own_keys;
	int dirfd, queue_dirfd;
	UtilClock *clock;
	ServeSpec spec;
} World;

static char *make_key(const World *world, const char *name, char **ret_public)
{
	g_autoptr(GError) error = NULL;
	char *path = g_build_filename(world->state, name, NULL);
	g_assert_true(util_sshsig_keygen(path, name, &error));
	*ret_public = util_sshsig_public_key(path, &error);
	g_assert_no_error(error);
	return path;
}

static void world_open(World *world, gconstpointer data)
{
	(void)data;
	static const char *const folders[] = {"ledger", "bundles", "queue"};
	g_autoptr(GError) error = NULL;
	*world = (World){.state = g_dir_make_tmp("tagship-import-XXXXXX", NULL)};
	world->dirfd = util_fs_open_dir(AT_FDCWD, world->state, NULL);
	for (guint i = 0; i < G_N_ELEMENTS(folders); i++)
		g_assert_true(util_fs_mkdir(world->dirfd, folders[i], 0750, NULL));
	world->queue_dirfd = util_fs_open_dir(world->dirfd, "queue", NULL);
	g_assert_true(store_queue_init(world->queue_dirfd, &error));
	world->key = make_key(world, "central", &world->public);
	world->base_key = make_key(world, "haikou", &world->base_public);
	world->clock = util_clock_fake_new(NOW);
	g_autoptr(Repo) ledger = ledger_create(world->state, "haikou", &error);
	g_assert_no_error(error);
	const char *const own[] = {world->public, NULL};
	world->own_keys = trust_keys_new(own, NULL);
	world->spec = (ServeSpec){.state_path = world->state,
				  .base = "haikou",
				  .base_key = world->base_public,
				  .own_keys = world->own_keys,
				  .own_key = world->public,
				  .incarnation = 2,
				  .clock = world->clock};
}

static void world_close(World *world, gconstpointer data)
{
	(void)data;
	close(world->dirfd);
	close(world->queue_dirfd);
	g_assert_true(util_fs_remove_tree(AT_FDCWD, world->state, NULL));
	util_clock_fake_free(world->clock);
	trust_keys_free(world->own_keys);
	char *texts[] = {world->state, world->key, world->public, world->base_key,
			 world->base_public};
	for (guint i = 0; i < G_N_ELEMENTS(texts); i++)
		g_free(texts[i]);
}

static void append_order(const World *world, char ret_oid[REPO_OID])
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Order) order = order_new(ORDER_KIND_ORDER);
	char **texts[] = {&order->base, &order->release, &order->root,  &order->app,
			  &order->tag,  &order->version, &order->commit};
	const char *values[] = {"haikou", OID_A, ROOT_A, "shop", "v2", "v2", OID_C};
	for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_free(*texts[i]);
		*texts[i] = g_strdup(values[i]);
	}
	order->written_utc = NOW - 100;
	order->at_utc = NOW + 1000;
	g_autoptr(Repo) ledger = ledger_open(world->state, "haikou", &error);
	g_assert_true(ledger_append(ledger, order, NULL, world->key, ret_oid, &error));
	g_assert_no_error(error);
}

static char *report_text(const char *base, ReportEvent event, char **ret_key)
{
	g_autoptr(Report) report = report_new();
	report->base = g_strdup(base);
	report->incarnation = 2;
	report->release = g_strdup(OID_A);
	report->seq = 1;
	report->app = g_strdup("shop");
	report->version = g_strdup("v2");
	report->root = g_strdup(ROOT_A);
	report->serves_root = g_strdup("-");
	report->event = event;
	report->event_utc = NOW;
	*ret_key = report_key(report);
	return report_format(report);
}

typedef struct {
	const char *base;
	gint64 incarnation, written_utc; /* 0: as it should be */
	gboolean foreign_head, foreign_report;
	const char *report_base;
	const char *want;
	const char *head;
	GByteArray *piece;
	ReportEvent events[3];
	guint n_events;
} Make;

static char *hello_text(const Make *make)
{
	static const char *const live[] = {"shop " ROOT_B " v1", NULL};
	g_auto(GStrv) live_lines = g_strdupv((char **)(gsize)live);
	WireHello hello = {.software = (char[]){"tagship 9"},
			   .base = (char *)(gsize)(make->base ? make->base : "haikou"),
			   .incarnation = make->incarnation ? make->incarnation : 2,
			   .formats = (char[]){"order=1"},
			   .codecs = (char[]){"plain delta"},
			   .memory_bytes = 1024,
			   .now_utc = make->written_utc ? make->written_utc : NOW - 60,
			   .live = live_lines};
	g_strlcpy(hello.head, make->head ? make->head : "-", sizeof hello.head);
	return g_strchomp(wire_hello_format(&hello));
}

static void add_report(const World *world, const Make *make, ReportEvent event, ExportHead *head,
		       GPtrArray *contents)
{
	g_autofree char *key = NULL;
	const char *base = make->report_base ? make->report_base : "haikou";
	char *text = report_text(base, event, &key);
	char *signature = util_sshsig_sign(make->foreign_report ? world->key : world->base_key,
					   UTIL_SSHSIG_NS_REPORT, text, strlen(text), NULL);
	g_autofree char *name = g_strconcat(EXPORT_REPORTS, key, NULL);
	g_autofree char *signature_name = g_strconcat(name, EXPORT_SIG, NULL);
	export_head_add_data(head, name, text, strlen(text));
	export_head_add_data(head, signature_name, signature, strlen(signature));
	g_ptr_array_add(contents, text);
	g_ptr_array_add(contents, signature);
}

/* As tagship-base would write it. */
static int make_file(const World *world, const Make *make)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) contents = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(ExportHead) head = export_head_new(EXPORT_KIND_REPORTS);
	head->software = g_strdup("test");
	head->base = g_strdup(make->base ? make->base : "haikou");
	head->incarnation = make->incarnation ? make->incarnation : 2;
	head->written_utc = make->written_utc ? make->written_utc : NOW - 60;
	g_strlcpy(head->head, make->head ? make->head : "-", sizeof head->head);
	head->hello = hello_text(make);
	if (make->want)
		g_ptr_array_add(head->wants, g_strdup(make->want));
	if (make->piece)
		export_head_add_data(head, EXPORT_LEDGER, make->piece->data, make->piece->len);
	for (guint i = 0; i < make->n_events; i++)
		add_report(world, make, make->events[i], head, contents);
	util_autofd int fd = memfd_create("file", MFD_CLOEXEC);
	g_autoptr(ExportWriter) writer =
	    export_writer_new(fd, head, make->foreign_head ? world->key : world->base_key, &error);
	g_assert_no_error(error);
	if (make->piece)
		g_assert_true(
		    export_writer_add(writer, make->piece->data, make->piece->len, &error));
	for (guint i = 0; i < contents->len; i++)
		g_assert_true(export_writer_add(writer, contents->pdata[i],
						strlen(contents->pdata[i]), &error));
	g_assert_true(export_writer_finish(writer, &error));
	return g_steal_fd(&fd);
}

static ServeImported import(const World *world, const Make *make)
{
	g_autoptr(GError) error = NULL;
	ServeImported done = {0};
	util_autofd int fd = make_file(world, make);
	(void)serve_import(&world->spec, fd, &done, &error); /* the error tells */
	g_assert_no_error(error);
	return done;
}

static char *contact_of(const World *world, const char *key)
{
	g_autofree char *text = NULL;
	gsize len = 0;
	if (!util_fs_read_file(world->dirfd, "contacts/haikou", 100000, &text, &len, NULL))
		return NULL;
	g_autoptr(UtilTrailers) contact = util_trailers_parse(text, len, NULL);
	return g_strdup(util_trailers_get(contact, key));
}

static void expect_contact(const World *world, const char *key, const char *value)
{
	g_autofree char *found = contact_of(world, key);
	g_assert_cmpstr(found, ==, value);
}

static guint count_reports(const World *world)
{
	g_autoptr(Repo) ledger = ledger_open(world->state, "haikou", NULL);
	g_autoptr(GPtrArray) reports = ledger_reports(ledger, NULL);
	return reports->len;
}

static guint count_hints(const World *world)
{
	g_autoptr(GPtrArray) hints = store_hint_list(world->queue_dirfd, NULL);
	return hints->len;
}

static void test_import(World *world, gconstpointer data)
{
	(void)data;
	Make make = {.events = {REPORT_STAGED, REPORT_LIVE}, .n_events = 2};
	ServeImported done = import(world, &make);
	g_assert_cmpuint(done.reports, ==, 2);
	g_assert_cmpuint(done.fresh, ==, 2);
	g_assert_true(done.contact);
	g_assert_cmpint(done.heard_utc, ==, 0);
	expect_contact(world, "Time", "2026-12-01T01:59:00Z");
	expect_contact(world, "By-File", "yes");
	expect_contact(world, "Clock-Offset-S", NULL);
	expect_contact(world, "Live", "shop " ROOT_B " v1");
	g_assert_cmpuint(count_reports(world), ==, 2);
	/* the same again; then an older one with what the newer one had too */
	done = import(world, &make);
	g_assert_cmpuint(done.fresh, ==, 0);
	g_assert_false(done.contact);
	g_assert_cmpint(done.heard_utc, ==, NOW - 60);
	make.written_utc = NOW - 1000;
	make.n_events = 1;
	done = import(world, &make);
	g_assert_cmpuint(done.fresh, ==, 0);
	g_assert_false(done.contact);
	expect_contact(world, "Time", "2026-12-01T01:59:00Z");
	/* a clock that is ahead does not make later files old */
	make = (Make){.written_utc = NOW + 5000, .events = {REPORT_ROLLED_BACK}, .n_events = 1};
	done = import(world, &make);
	g_assert_cmpuint(done.fresh, ==, 1);
	expect_contact(world, "Time", "2026-12-01T02:00:00Z");
	g_assert_cmpuint(count_reports(world), ==, 3);
}

static void test_import_no(World *world, gconstpointer data)
{
	(void)data;
	static const struct {
		Make make;
		int code;
	} rows[] = {
	    {{.foreign_head = TRUE}, TS_ERROR_NOT_AUTHENTIC},
	    {{.foreign_report = TRUE, .n_events = 2}, TS_ERROR_NOT_AUTHENTIC},
	    {{.report_base = "berlin", .n_events = 1}, TS_ERROR_REFUSED},
	    {{.base = "berlin"}, TS_ERROR_REFUSED},
	    {{.incarnation = 1}, TS_ERROR_REFUSED},
	};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = NULL;
		ServeImported done = {0};
		Make make = rows[i].make;
		make.events[0] = REPORT_LIVE;
		util_autofd int fd = make_file(world, &make);
		g_assert_false(serve_import(&world->spec, fd, &done, &error));
		g_assert_error(error, TS_ERROR, rows[i].code);
		g_assert_cmpuint(count_reports(world), ==, 0);
		expect_contact(world, "Time", NULL);
	}
}

static void test_import_wants(World *world, gconstpointer data)
{
	(void)data;
	char head[REPO_OID];
	append_order(world, head);
	Make make = {.want = ROOT_B " " ROOT_A};
	ServeImported done = import(world, &make);
	g_assert_cmpuint(done.wants, ==, 1);
	g_assert_cmpuint(count_hints(world), ==, 1);
	expect_contact(world, "Want", ROOT_B " " ROOT_A);
	/* no order leads there: no reason to refuse the rest */
	make.want = ROOT_A " " ROOT_B;
	make.written_utc = NOW - 30;
	done = import(world, &make);
	g_assert_cmpuint(done.wants, ==, 0);
	g_assert_true(done.contact);
}

static void test_import_ledger(World *world, gconstpointer data)
{
	(void)data;
	char head[REPO_OID], now[REPO_OID];
	g_autoptr(GError) error = NULL;
	g_autoptr(GByteArray) piece = g_byte_array_new();
	g_autoptr(UtilStream) stream = util_stream_over_memory(NULL, 0, piece);
	append_order(world, head);
	g_autoptr(Repo) ledger = ledger_open(world->state, "haikou", &error);
	g_assert_true(ledger_send(ledger, head, "-", stream, &error));
	repo_free(g_steal_pointer(&ledger));
	/* a backup from before it */
	g_assert_true(util_fs_remove_tree(world->dirfd, "ledger/haikou.git", &error));
	Make make = {.head = head, .n_events = 0};
	ServeImported done = import(world, &make);
	expect_contact(world, "Ahead", "yes");
	make.piece = piece;
	make.written_utc = NOW - 30;
	done = import(world, &make);
	g_assert_true(done.ledger);
	expect_contact(world, "Ahead", NULL);
	g_autoptr(Repo) again = ledger_open(world->state, "haikou", &error);
	g_assert_true(repo_ref_get(again, LEDGER_ORDERS, now, &error));
	g_assert_cmpstr(now, ==, head);
	g_assert_cmpuint(count_hints(world), ==, 1);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(World *, gconstpointer);
	} tests[] = {
	    {"/serve/import", test_import},
	    {"/serve/import-no", test_import_no},
	    {"/serve/import-wants", test_import_wants},
	    {"/serve/import-ledger", test_import_ledger},
	};
	g_test_init(&argc, &argv, NULL);
	for (guint i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].name, World, NULL, world_open, tests[i].run, world_close);
	return g_test_run();
}
