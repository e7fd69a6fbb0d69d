/* SPDX-License-Identifier: ISC */
/* Nodes of a site: what they say, what they need, what the site makes of it. */
#include <unistd.h>

#include "site/site.h"

#define NOW 1796090400
#define DAY 86400
#define OID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define OID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define ROOT_OLD "0000000000000000000000000000000000000000000000000000000000000001"
#define ROOT_A "000000000000000000000000000000000000000000000000000000000000000a"
#define ROOT_C "000000000000000000000000000000000000000000000000000000000000000c"

typedef struct {
	char *dir, *key, *public;
	int dirfd;
	SiteSpec spec;
} World;

static void world_open(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	world->dir = g_dir_make_tmp("tagship-site-XXXXXX", NULL);
	world->dirfd = util_fs_open_dir(AT_FDCWD, world->dir, NULL);
	world->key = g_build_filename(world->dir, "key", NULL);
	g_assert_true(util_sshsig_keygen(world->key, "base", &error));
	world->public = util_sshsig_public_key(world->key, &error);
	g_assert_true(util_fs_mkdir(world->dirfd, "pending", 0755, &error));
	g_assert_no_error(error);
	world->spec = (SiteSpec){world->dirfd, "haikou", 1, world->key};
}

static void world_close(World *world, gconstpointer data)
{
	(void)data;
	close(world->dirfd);
	g_assert_true(util_fs_remove_tree(AT_FDCWD, world->dir, NULL));
	g_free(world->dir);
	g_free(world->key);
	g_free(world->public);
}

static Order *make_order(const char *release, const char *root)
{
	Order *order = order_new(ORDER_KIND_ORDER);
	char **texts[] = {&order->base, &order->release, &order->root,  &order->app,
			  &order->tag,  &order->version, &order->commit};
	const char *values[] = {"haikou", release, root, "shop", "v2", "v2", OID_A};
	for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_free(*texts[i]);
		*texts[i] = g_strdup(values[i]);
	}
	order->seq = 3;
	order->at_utc = NOW;
	return order;
}

static void add(const World *world, const char *name, const char *live)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(UtilTrailers) contact = util_trailers_new();
	g_assert_true(site_node_add(world->dirfd, name, world->public, FALSE, &error));
	util_trailers_add_time(contact, "Time", NOW);
	if (live) {
		g_autofree char *line = g_strdup_printf("shop %s v1", live);
		util_trailers_add(contact, "Live", line);
		g_assert_true(site_node_contact(world->dirfd, name, contact, &error));
	}
	g_assert_no_error(error);
}

static void report_round(const World *world, const char *name, const char *release,
			 ReportEvent event, gint64 round, gint64 utc)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Report) said = report_new();
	said->base = g_strdup("haikou");
	said->incarnation = 1;
	said->release = g_strdup(release);
	said->seq = 3;
	said->round = round;
	said->app = g_strdup("shop");
	said->version = g_strdup("v2");
	said->root = g_strdup(ROOT_A);
	said->serves_root = g_strdup("-");
	said->event = event;
	said->event_utc = utc;
	said->outage_ms = event == REPORT_LIVE ? 900 : -1;
	said->detail = g_strdup(event == REPORT_FAILED ? "altered: x" : "");
	g_autofree char *text = report_format(said);
	g_assert_true(site_node_report(world->dirfd, name, said, text, "signature", &error));
	g_assert_no_error(error);
}

static void report(const World *world, const char *name, const char *release, ReportEvent event,
		   gint64 utc)
{
	report_round(world, name, release, event, 1, utc);
}

static GPtrArray *load(const World *world)
{
	g_autoptr(GError) error = NULL;
	GPtrArray *nodes = site_nodes(world->dirfd, &error);
	g_assert_no_error(error);
	return nodes;
}

/* The latest round counts, also within one second. */
static void test_rounds(World *world, gconstpointer data)
{
	(void)data;
	g_autofree char *release = g_strnfill(40, 'a');
	add(world, "web1", NULL);
	report_round(world, "web1", release, REPORT_LIVE, 2, NOW);
	report_round(world, "web1", release, REPORT_ROLLED_BACK, 1, NOW);
	report_round(world, "web1", release, REPORT_STAGED, 1, NOW + 5);
	g_autoptr(GPtrArray) nodes = load(world);
	const SiteNode *node = g_ptr_array_index(nodes, 0);
	g_assert_cmpuint(node->reports->len, ==, 3);
	g_assert_cmpint(site_node_event(node, release)->event, ==, REPORT_LIVE);
}

static void test_enrolment(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	g_auto(GStrv) none = site_node_names(world->dirfd, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(g_strv_length(none), ==, 0);
	add(world, "web2", NULL);
	add(world, "web1", NULL);
	g_assert_false(site_node_add(world->dirfd, "web1", world->public, FALSE, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_EXISTS);
	g_clear_error(&error);
	g_assert_true(site_node_add(world->dirfd, "web1", world->public, TRUE, &error));
	g_assert_false(site_node_add(world->dirfd, "../web", world->public, FALSE, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_USAGE);
	g_clear_error(&error);
	g_auto(GStrv) two = site_node_names(world->dirfd, &error);
	g_assert_cmpstr(two[0], ==, "web1");
	g_assert_cmpstr(two[1], ==, "web2");
	g_autofree char *key = site_node_key(world->dirfd, "web2", &error);
	g_assert_cmpstr(key, ==, world->public);
	g_assert_null(site_node_key(world->dirfd, "web3", &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
	g_clear_error(&error);
	g_assert_true(site_node_remove(world->dirfd, "web1", &error));
	g_assert_false(site_node_remove(world->dirfd, "web1", &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
}

static void expect_needed(const World *world, const Order *order, const char *wanted)
{
	g_autoptr(GPtrArray) nodes = load(world);
	g_autoptr(GPtrArray) roots = site_roots_needed(nodes, order);
	g_autoptr(GString) found = g_string_new(NULL);
	for (guint i = 0; i < roots->len; i++)
		g_string_append_printf(found, "%s ", (char *)roots->pdata[i]);
	g_assert_cmpstr(found->str, ==, wanted);
}

static void test_needs(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	g_autoptr(Order) order = make_order(OID_A, ROOT_A);
	g_autoptr(GPtrArray) orders = g_ptr_array_new();
	add(world, "web1", ROOT_OLD);
	add(world, "web2", ROOT_OLD);
	add(world, "web3", ROOT_A); /* serves it already */
	add(world, "web4", NULL);   /* was never heard */
	expect_needed(world, order, ROOT_OLD " ");
	/* what it asks for goes before what it serves */
	g_assert_true(site_node_want(world->dirfd, "web2", "-", ROOT_A, &error));
	g_assert_true(site_node_want(world->dirfd, "web2", "-", ROOT_C, &error));
	expect_needed(world, order, ROOT_OLD " - ");
	report(world, "web1", OID_A, REPORT_STAGED, NOW);
	expect_needed(world, order, "- ");
	g_autoptr(GPtrArray) nodes = load(world);
	g_assert_true(site_waits(nodes, order));
	/* wants of what is not ordered go */
	g_ptr_array_add(orders, order);
	g_assert_true(site_wants_prune(world->dirfd, nodes, orders, NOW, &error));
	expect_needed(world, order, "- ");
	g_autoptr(GPtrArray) pruned = load(world);
	g_assert_cmpuint(((SiteNode *)pruned->pdata[1])->wants->len, ==, 1);
	g_assert_true(site_order_is_open(order, NOW + DAY - 1));
	g_assert_false(site_order_is_open(order, NOW + DAY));
	order->is_now = TRUE;
	g_assert_true(site_order_is_open(order, NOW + DAY));
	g_assert_true(site_wants_prune(world->dirfd, nodes, orders, NOW + 2 * DAY, &error));
	expect_needed(world, order, ROOT_OLD " ");
	report(world, "web2", OID_A, REPORT_FAILED, NOW);
	report(world, "web3", OID_A, REPORT_LIVE, NOW);
	expect_needed(world, order, "");
	g_autoptr(GPtrArray) done = load(world);
	g_assert_false(site_waits(done, order));
}

static guint count_pending(const World *world)
{
	g_autoptr(GPtrArray) names = util_fs_list(world->dirfd, "pending", NULL);
	return names->len / 2;
}

static gboolean tell(const World *world, const Order *order)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) nodes = load(world);
	gboolean told = FALSE;
	gboolean news = site_has_news(world->dirfd, nodes, order);
	g_assert_true(site_tell(&world->spec, nodes, order, &told, &error));
	g_assert_no_error(error);
	g_assert_cmpint(news, ==, told);
	return told;
}

static void test_tell(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(Order) order = make_order(OID_A, ROOT_A);
	g_autoptr(Order) other = make_order(OID_B, ROOT_C);
	add(world, "web1", ROOT_OLD);
	add(world, "web2", ROOT_OLD);
	report(world, "web1", OID_A, REPORT_STAGED, NOW - 100);
	g_assert_false(tell(world, order)); /* nobody is done */
	report(world, "web1", OID_A, REPORT_LIVE, NOW + 1);
	g_assert_true(tell(world, order));
	g_assert_false(tell(world, order));
	g_assert_cmpuint(count_pending(world), ==, 1);
	/* a node that was only added is no news, nor is another revision */
	add(world, "web3", NULL);
	order->seq++;
	g_assert_false(tell(world, order));
	report(world, "web2", OID_A, REPORT_FAILED, NOW + 2);
	g_assert_true(tell(world, order));
	g_assert_cmpuint(count_pending(world), ==, 2);
	g_assert_false(tell(world, other));
	g_autoptr(GPtrArray) nodes = load(world);
	g_autoptr(Report) all = site_report(nodes, order);
	g_assert_cmpuint(all->nodes->len, ==, 3);
	g_assert_cmpint(all->event_utc, ==, NOW + 2);
	const ReportNode *one = all->nodes->pdata[0], *two = all->nodes->pdata[1],
			 *three = all->nodes->pdata[2];
	g_assert_cmpint(one->event, ==, REPORT_LIVE);
	g_assert_cmpint(one->outage_ms, ==, 900);
	g_assert_cmpint(two->event, ==, REPORT_FAILED);
	g_assert_cmpstr(two->detail, ==, "altered: x");
	g_assert_false(three->reported);
}

static void test_damaged(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(Order) order = make_order(OID_A, ROOT_A);
	add(world, "web1", ROOT_OLD);
	report(world, "web1", OID_A, REPORT_LIVE, NOW);
	g_assert_true(util_fs_write_file(world->dirfd, "nodes/web1/contact", "?", 1, 0644, NULL));
	g_assert_true(util_fs_write_file(world->dirfd, "nodes/web1/reports/x", "?", 1, 0644, NULL));
	g_assert_true(util_fs_mkdir(world->dirfd, "nodes/web1/wants", 0755, NULL));
	g_assert_true(util_fs_write_file(world->dirfd, "nodes/web1/wants/x-y", "", 0, 0644, NULL));
	g_autoptr(GPtrArray) nodes = load(world);
	const SiteNode *node = nodes->pdata[0];
	g_assert_null(node->contact);
	g_assert_cmpuint(node->wants->len, ==, 0);
	g_assert_cmpuint(node->reports->len, ==, 1);
	g_assert_true(tell(world, order));
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(World *, gconstpointer);
	} tests[] = {
	    {"/site/enrolment", test_enrolment}, {"/site/rounds", test_rounds},
	    {"/site/needs", test_needs},         {"/site/tell", test_tell},
	    {"/site/damaged", test_damaged},
	};
	g_test_init(&argc, &argv, NULL);
	for (guint i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].name, World, NULL, world_open, tests[i].run, world_close);
	return g_test_run();
}
