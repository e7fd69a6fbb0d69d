/* SPDX-License-Identifier: ISC */
#include "../publish/world.h"
#include "board/board-private.h"

/* ---- foreign text ---- */

/* What somebody might put into a tag, a name or a log to be taken as markup, or as something else.
 */
static const char *const hostile[] = {
    "<script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</pre></main><h1>all is well</h1>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "\" onmouseover=\"alert(1)",
    "' onfocus='alert(1)' autofocus='",
    "javascript:alert(1)",
    "<a href=\"javascript:alert(1)\">v2</a>",
    "<iframe srcdoc=\"<script>alert(1)</script>\">",
    "<meta http-equiv=refresh content=0;url=//evil.example>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<style>*{display:none}</style>",
    "<base href=//evil.example/>",
    "<form action=//evil.example><input name=q>",
    "<!--",
    "-->",
    "<![CDATA[x]]>",
    "<?php echo 1 ?>",
    "&lt;script&gt;",
    "&#60;script&#62;",
    "&amp;amp;",
    "<scr<script>ipt>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "v2\u202egpj.exe",
    "v2\u200b\u2066hidden\u2069",
    "\x1b[2J\x1b]0;title\x07",
    "\xff\xfe not UTF-8 <b>",
    "<b\tonclick=alert(1)>tab</b>",
    "${alert(1)} {{7*7}} `x`",
    "<template><object data=//evil.example>",
};

static char *shown(const char *text)
{
	g_autoptr(BoardPage) page = board_page_new("", BOARD_FLEET, text, 0);
	board_open_with(page, "p", "id", "it", "title", text, NULL);
	board_text(page, text);
	board_close(page, "p");
	board_link(page, text, text);
	return board_page_end(page);
}

static guint count_of(const char *text, char c)
{
	guint count = 0;
	for (; *text; text++)
		count += *text == c;
	return count;
}

/* The page has as many tags and attributes as with plain words, whatever the text. */
static void test_text(void)
{
	g_autofree char *plain = shown("word");
	g_assert_cmpuint(G_N_ELEMENTS(hostile), >=, 30);
	for (guint i = 0; i < G_N_ELEMENTS(hostile); i++) {
		g_autofree char *page = shown(hostile[i]);
		g_assert_cmpuint(count_of(page, '<'), ==, count_of(plain, '<'));
		g_assert_cmpuint(count_of(page, '>'), ==, count_of(plain, '>'));
		g_assert_cmpuint(count_of(page, '"'), ==, count_of(plain, '"'));
		g_assert_true(g_utf8_validate(page, -1, NULL));
		g_autofree gunichar *letters = g_utf8_to_ucs4(page, -1, NULL, NULL, NULL);
		for (const gunichar *c = letters; *c; c++)
			g_assert_true(*c == '\n' || !(g_unichar_iscntrl(*c) ||
						      g_unichar_type(*c) == G_UNICODE_FORMAT));
	}
}

static char *read_file(const char *dir, const char *path)
{
	g_autofree char *file = g_build_filename(dir, path, NULL);
	char *text = NULL;
	g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
	return text;
}

/* The same through a tag: each as the title of a release. */
static void test_hostile_tags(World *world, gconstpointer data)
{
	(void)data; /* the same for all */
	g_autofree char *dir = g_build_filename(world->path, "board", NULL);
	world_add_base(world, "haikou");
	g_assert_true(publish_look(world->central, "shop", NULL));
	g_autoptr(GPtrArray) releases = g_ptr_array_new_with_free_func(g_free);
	for (guint i = 0; i < G_N_ELEMENTS(hostile); i++) {
		g_autofree char *name = g_strdup_printf("v%u", i);
		g_autofree char *message = g_strdup_printf(
		    "%s\n\n%s\n\nRelease-At: 2098-01-01 02:00 base-local\nRelease-To: all\n",
		    hostile[i], hostile[i]);
		g_ptr_array_add(releases, world_tag(world, name, message));
	}
	world_work(world);
	g_assert_true(board_write(world->central, dir, NULL, NULL));
	guint tags = 0, texts = 0;
	for (guint i = 0; i < releases->len; i++) {
		g_autofree char *path =
		    g_strdup_printf("release/shop/%s.html", (char *)releases->pdata[i]);
		g_autofree char *page = read_file(dir, path);
		tags = i == 0 ? count_of(page, '<') : tags;
		g_assert_cmpuint(count_of(page, '<'), ==, tags);
		texts += strstr(page, "&lt;script&gt;alert(1)&lt;/script&gt;") != NULL;
	}
	g_assert_cmpuint(texts, ==, 3);
}

/* ---- files ---- */

static void test_files(World *world, gconstpointer data)
{
	(void)data; /* as above */
	g_autoptr(GError) error = NULL;
	g_autofree char *dir = g_build_filename(world->path, "www", "board", NULL);
	g_autofree char *state = g_build_filename(world->state, NULL);
	g_assert_false(board_write(world->central, state, NULL, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
	g_assert_nonnull(strstr(error->message, "is no board of ours"));
	g_clear_error(&error);

	BoardWritten written = {0};
	world_add_base(world, "haikou");
	world_add_base(world, "berlin");
	g_assert_true(board_write(world->central, dir, &written, &error));
	g_assert_no_error(error);
	g_assert_cmpuint(written.written, ==, written.files);
	g_autofree char *empty = read_file(dir, "index.html");
	g_assert_nonnull(strstr(empty, "href=\"base/haikou.html\""));
	g_assert_nonnull(strstr(empty, board_text_of(T_NOTHING_YET)));

	/* one base's contact changes its page and the fleet's, not the other's */
	g_autofree char *before = read_file(dir, "base/berlin.html");
	g_autofree char *contact =
	    g_strdup("Time: 2027-01-15T08:00:00Z\nLine-Kbit: 870\nDisk-Free-Bytes: 5000000000\n");
	g_assert_true(util_fs_write_file(world->central->dirfd, "contacts/haikou", contact,
					 strlen(contact), 0644, NULL));
	g_assert_true(board_write(world->central, dir, &written, &error));
	g_assert_cmpuint(written.written, >=, 3);
	g_assert_cmpuint(written.written, <, written.files);
	g_autofree char *haikou = read_file(dir, "base/haikou.html");
	g_assert_nonnull(strstr(haikou, "870 kbit/s"));
	g_assert_nonnull(strstr(haikou, "5.0 GB"));
	g_autofree char *after = read_file(dir, "base/berlin.html");
	g_assert_cmpstr(before, ==, after);

	/* a base that is gone has no page */
	g_assert_true(conf_peer_remove(world->central->dirfd, "berlin", &error));
	g_assert_true(board_write(world->central, dir, NULL, &error));
	g_autofree char *gone = g_build_filename(dir, "base", "berlin.html", NULL);
	g_assert_false(g_file_test(gone, G_FILE_TEST_EXISTS));
	g_autofree char *there = g_build_filename(dir, "base", "haikou.html", NULL);
	g_assert_true(g_file_test(there, G_FILE_TEST_EXISTS));
}

/* ---- 500 events ---- */

#define EVENTS 500
#define RELEASES 22
static const char *const bases[] = {"accra", "berlin", "cairo", "dakar",   "erfurt", "fes",
				    "graz",  "haikou", "izmir", "jakarta", "kyiv",   "lima"};

typedef struct {
	char *release, *version, *root;
	guint base;
	guint64 seq;
	gboolean staged, ended;
} Visit;

static void visit_clear(gpointer data)
{
	Visit *visit = data;
	g_free(visit->release);
	g_free(visit->version);
	g_free(visit->root);
}

static void report(World *world, const Visit *visit, ReportEvent event, guint n)
{
	g_autoptr(Report) text = report_new();
	text->base = g_strdup(bases[visit->base]);
	text->incarnation = 1;
	text->release = g_strdup(visit->release);
	text->seq = visit->seq;
	text->round = 1;
	text->app = g_strdup("shop");
	text->version = g_strdup(visit->version);
	text->root = g_strdup(visit->root);
	text->serves_root = g_strdup(visit->root);
	text->event = event;
	text->event_utc = 1800000000 + n;
	text->outage_ms = event == REPORT_LIVE ? (gint64)n : -1;
	text->detail = g_strdup("");
	text->log_end = g_strdup("");
	g_autofree char *formatted = report_format(text);
	g_autoptr(Repo) ledger = ledger_open(world->state, text->base, NULL);
	char oid[REPO_OID];
	g_assert_true(
	    ledger_report_append(ledger, text, formatted, "signature", 1800000000 + n, oid, NULL));
}

static void add_release(World *world, GArray *visits, guint n, gboolean now)
{
	g_autofree char *name = g_strdup_printf("v%u", n);
	g_autofree char *at =
	    now ? g_strdup("now") : g_strdup_printf("2098-01-%02u 02:00 base-local", 1 + n % 28);
	g_autofree char *plan = world_plan(at, "all", NULL);
	g_autofree char *release = world_tag(world, name, plan);
	world_work(world);
	for (guint b = 0; b < G_N_ELEMENTS(bases); b++) {
		g_autoptr(GPtrArray) orders = world_orders_at(world, bases[b]);
		const LedgerEntry *entry = orders->pdata[orders->len - 1];
		Visit visit = {.release = g_strdup(release),
			       .version = g_strdup(name),
			       .root = g_strdup(entry->order->root),
			       .base = b,
			       .seq = entry->order->seq};
		g_assert_cmpstr(entry->order->release, ==, release);
		g_array_append_val(visits, visit);
	}
}

/* The next thing that happens to one that is open; FALSE if there is none. */
static gboolean go_on(World *world, GArray *visits, GRand *random, guint n)
{
	for (guint tries = 0; tries < 50; tries++) {
		Visit *visit =
		    &g_array_index(visits, Visit, g_rand_int_range(random, 0, (gint)visits->len));
		gint dice = g_rand_int_range(random, 0, 10);
		if (visit->ended)
			continue;
		visit->ended = visit->staged;
		report(world, visit,
		       !visit->staged ? REPORT_STAGED
		       : dice < 7     ? REPORT_LIVE
		       : dice < 9     ? REPORT_ROLLED_BACK
				      : REPORT_MISSED,
		       n);
		visit->staged = TRUE;
		return TRUE;
	}
	return FALSE;
}

/* What a ledger alone says of a base. */
typedef struct {
	const char *live, *last, *next;
	ReportEvent last_event;
} Recomputed;

static void recompute(const GPtrArray *orders, const GPtrArray *reports, Recomputed *ret)
{
	gint64 live_utc = 0, last_utc = 0, next_at = 0;
	g_autoptr(GHashTable) ended = g_hash_table_new(g_str_hash, g_str_equal);
	*ret = (Recomputed){0};
	for (guint i = 0; i < reports->len; i++) {
		const Report *report = reports->pdata[i];
		if (report->event == REPORT_STAGED)
			continue;
		g_hash_table_add(ended, report->release);
		if (report->event == REPORT_LIVE && report->event_utc >= live_utc) {
			ret->live = report->version;
			live_utc = report->event_utc;
		}
		if (report->event_utc >= last_utc) {
			ret->last = report->version;
			ret->last_event = report->event;
			last_utc = report->event_utc;
		}
	}
	for (guint i = 0; i < orders->len; i++) {
		const Order *order = ((const LedgerEntry *)orders->pdata[i])->order;
		if (order->kind != ORDER_KIND_ORDER || g_hash_table_contains(ended, order->release))
			continue;
		if (!ret->next || order->at_utc <= next_at) {
			ret->next = order->version;
			next_at = order->at_utc;
		}
	}
}

static void check_status(World *world, const char *board)
{
	g_autoptr(Status) status = status_load(world->central, "shop", NULL);
	g_autofree char *json = status_json_text(status);
	g_autofree char *written = read_file(board, "status.json");
	g_assert_cmpuint(status->cells->len, ==, G_N_ELEMENTS(bases));
	g_assert_cmpmem(json, strlen(json), written, strlen(written) - 1);
	for (guint b = 0; b < G_N_ELEMENTS(bases); b++) {
		const StatusCell *cell = status->cells->pdata[b];
		g_autoptr(Repo) ledger = ledger_open(world->state, bases[b], NULL);
		g_autoptr(GPtrArray) orders = ledger_entries(ledger, LEDGER_ORDERS, NULL, NULL);
		g_autoptr(GPtrArray) reports = ledger_reports(ledger, NULL);
		Recomputed fresh;
		recompute(orders, reports, &fresh);
		g_assert_cmpstr(cell->base, ==, bases[b]);
		g_assert_cmpstr(cell->live_version, ==, fresh.live);
		g_assert_cmpstr(cell->last_version, ==, fresh.last);
		g_assert_cmpstr(cell->next_version, ==, fresh.next);
		if (fresh.last)
			g_assert_cmpstr(cell->last_state, ==, report_event_name(fresh.last_event));
	}
}

/* Every file of one board is the same in the other. */
static void check_same(const char *one, const char *other)
{
	g_autoptr(GDir) dir = g_dir_open(one, 0, NULL);
	for (const char *name; (name = g_dir_read_name(dir));) {
		g_autofree char *a = g_build_filename(one, name, NULL);
		g_autofree char *b = g_build_filename(other, name, NULL);
		if (g_file_test(a, G_FILE_TEST_IS_DIR)) {
			check_same(a, b);
			continue;
		}
		g_autofree char *left = read_file(one, name), *right = read_file(other, name);
		if (strcmp(left, right) != 0)
			g_error("%s differs", a);
	}
}

/* A board that was kept through 500 events, its status, and what the ledgers say when they are read
 * anew, are one. */
static void test_events(World *world, gconstpointer data)
{
	(void)data; /* as above */
	g_autofree char *kept = g_build_filename(world->path, "kept", NULL);
	g_autofree char *fresh = g_build_filename(world->path, "fresh", NULL);
	g_autoptr(GRand) random = g_rand_new_with_seed(7);
	UtilClock *later = util_clock_fake_new(1800000000 + EVENTS);
	g_autoptr(GArray) visits = g_array_new(FALSE, FALSE, sizeof(Visit));
	g_array_set_clear_func(visits, visit_clear);
	for (guint b = 0; b < G_N_ELEMENTS(bases); b++)
		world_add_base(world, bases[b]);
	g_assert_true(publish_look(world->central, "shop", NULL));
	guint releases = 0;
	for (guint n = 0; n < EVENTS; n++) {
		gboolean push = releases < RELEASES && g_rand_int_range(random, 0, 12) == 0;
		if (push || visits->len == 0 || !go_on(world, visits, random, n))
			add_release(world, visits, releases++, g_rand_boolean(random));
		if (n % 50 != 0 && n != EVENTS - 1)
			continue;
		world->central->clock = later; /* files say when they were made */
		g_assert_true(board_write(world->central, kept, NULL, NULL));
		check_status(world, kept);
		world->central->clock = util_clock_system();
	}
	world->central->clock = later;
	g_assert_true(board_write(world->central, fresh, NULL, NULL));
	check_same(fresh, kept);
	world->central->clock = util_clock_system();
	util_clock_fake_free(later);
	g_test_message("%u releases", releases);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/board/text", test_text);
	g_test_add("/board/hostile-tags", World, NULL, world_setup, test_hostile_tags,
		   world_teardown);
	g_test_add("/board/files", World, NULL, world_setup, test_files, world_teardown);
	g_test_add("/board/events", World, NULL, world_setup, test_events, world_teardown);
	return g_test_run();
}
