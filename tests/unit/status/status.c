/* SPDX-License-Identifier: ISC */
#include "../publish/world.h"
#include "status/status.h"

static const StatusCell *cell(const Status *status, guint index)
{
	g_assert_cmpuint(index, <, status->cells->len);
	return g_ptr_array_index(status->cells, index);
}

static void contact(World *world, gint64 time, const char *live)
{
	g_autoptr(UtilTrailers) text = util_trailers_new();
	util_trailers_add_time(text, "Time", time);
	util_trailers_add(text, "Live", live);
	util_trailers_add(text, "Held", "shop maintenance of the network");
	g_autofree char *formatted = util_trailers_format(text);
	g_assert_true(util_fs_write_file(world->central->dirfd, "contacts/haikou", formatted,
					 strlen(formatted), 0644, NULL));
}

static void test_cells(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	world_add_base(world, "haikou");
	g_assert_true(publish_look(world->central, "shop", NULL));
	g_autofree char *plan = world_plan("now", "all", NULL);
	g_autofree char *release = world_tag(world, "v1", plan);
	world_work(world);
	g_autoptr(Status) before = status_load(world->central, NULL, &error);
	g_assert_no_error(error);
	g_assert_null(cell(before, 0)->live_version);
	g_assert_cmpstr(cell(before, 0)->next_version, ==, "v1");
	g_assert_cmpstr(cell(before, 0)->next_state, ==, "ordered");
	g_assert_cmpint(cell(before, 0)->heard_utc, ==, 0);

	g_autoptr(GPtrArray) orders = world_orders(world);
	const char *root = ((LedgerEntry *)g_ptr_array_index(orders, 0))->order->root;
	world_report(world, release, REPORT_LIVE, root, root);
	/* a contact older than the report does not undo it, a newer one counts */
	g_autofree char *other = g_strdup_printf("shop %s v0", root);
	contact(world, 1799999999, other);
	g_autoptr(Status) live = status_load(world->central, "shop", &error);
	g_assert_cmpstr(cell(live, 0)->live_version, ==, "v1");
	g_assert_null(cell(live, 0)->next_version);
	contact(world, 1800000009, other);
	g_autoptr(Status) newer = status_load(world->central, "shop", &error);
	g_assert_cmpstr(cell(newer, 0)->live_version, ==, "v0");
	g_assert_cmpstr(cell(newer, 0)->held, ==, "maintenance of the network");
	g_assert_cmpuint(newer->trouble->len, ==, 1);
	g_assert_null(status_load(world->central, "shoq", &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
	g_assert_nonnull(strstr(error->message, "\"shop\""));
}

static void sending(World *world, gint64 time, const char *version)
{
	g_autoptr(UtilTrailers) text = util_trailers_new();
	util_trailers_add_time(text, "Time", time);
	util_trailers_add_time(text, "Since", time - 10);
	util_trailers_add(text, "App", "shop");
	util_trailers_add(text, "Version", version);
	util_trailers_add_int(text, "From", 200);
	util_trailers_add_int(text, "Offset", 400);
	util_trailers_add_int(text, "Bytes", 1000);
	g_autofree char *formatted = util_trailers_format(text);
	g_assert_true(util_fs_mkdir(world->central->dirfd, "sending", 0750, NULL));
	g_assert_true(util_fs_write_file(world->central->dirfd, "sending/haikou", formatted,
					 strlen(formatted), 0644, NULL));
}

static void put_offset(World *world, const char *key, gint64 offset)
{
	g_autoptr(UtilTrailers) text = util_trailers_new();
	util_trailers_add_time(text, "Time", 1800000000);
	util_trailers_add_int(text, "Clock-Offset-S", 1);
	if (key)
		util_trailers_add_int(text, key, offset);
	g_autofree char *formatted = util_trailers_format(text);
	g_assert_true(util_fs_write_file(world->central->dirfd, "contacts/haikou", formatted,
					 strlen(formatted), 0644, NULL));
}

/* What status says of the base's clock, NULL: nothing. */
static char *clock_trouble(World *world)
{
	g_autoptr(Status) status = status_load(world->central, NULL, NULL);
	for (guint i = 0; i < status->trouble->len; i++)
		if (strstr(status->trouble->pdata[i], "its clock"))
			return g_strdup(status->trouble->pdata[i]);
	return NULL;
}

static void test_clock(World *world, gconstpointer data)
{
	(void)data;
	world_add_base(world, "haikou");
	put_offset(world, NULL, 0);
	g_assert_null(clock_trouble(world));
	put_offset(world, "Clock-Offset-Ms", 2000);
	g_assert_null(clock_trouble(world));
	put_offset(world, "Clock-Offset-Ms", -2001);
	g_autofree char *trouble = clock_trouble(world);
	g_assert_cmpstr(
	    trouble, ==,
	    "haikou: its clock was -2.001 s off ours when it was last heard: check its NTP");
}

static gint64 arrives(World *world)
{
	g_autoptr(Status) status = status_load(world->central, NULL, NULL);
	return cell(status, 0)->arrives_utc;
}

/* A bundle on its way, as serve notes it: 200 bytes in ten seconds, 600 to go. */
static void test_sending(World *world, gconstpointer data)
{
	(void)data;
	gint64 now = util_clock_now_utc(world->central->clock);
	world_add_base(world, "haikou");
	g_assert_true(publish_look(world->central, "shop", NULL));
	g_autofree char *plan = world_plan("now", "all", NULL);
	g_autofree char *release = world_tag(world, "v1", plan);
	world_work(world);
	g_assert_cmpint(arrives(world), ==, 0);
	sending(world, now, "v1");
	g_autoptr(Status) status = status_load(world->central, NULL, NULL);
	g_assert_cmpuint(cell(status, 0)->sent_bytes, ==, 400);
	g_assert_cmpuint(cell(status, 0)->bundle_bytes, ==, 1000);
	g_assert_cmpint(cell(status, 0)->arrives_utc, ==, now + 30);
	/* of another version, or cut off long ago */
	sending(world, now, "v0");
	g_assert_cmpint(arrives(world), ==, 0);
	sending(world, now - 61, "v1");
	g_assert_cmpint(arrives(world), ==, 0);
}

/* Of two at the same time the later order serves, so it is what comes next. */
static void test_same_time(World *world, gconstpointer data)
{
	(void)data;
	static const char *const names[] = {"v1", "v2", "v3"};
	char *ids[G_N_ELEMENTS(names)] = {NULL};
	g_autofree char *root = g_strnfill(64, 'a');
	world_add_base(world, "haikou");
	g_assert_true(publish_look(world->central, "shop", NULL));
	g_autofree char *plan = world_plan("2098-01-01 02:00 base-local", "all", NULL);
	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *release = world_tag(world, names[i], plan);
		world_work(world);
		g_autoptr(Status) status = status_load(world->central, NULL, NULL);
		g_assert_cmpstr(cell(status, 0)->next_version, ==, names[i]);
		ids[i] = g_steal_pointer(&release);
	}
	/* and of two ends within one second the later order's came last */
	for (guint i = G_N_ELEMENTS(names); i > 0; i--) {
		world_report(world, ids[i - 1], REPORT_LIVE, root, root);
		g_autoptr(Status) status = status_load(world->central, NULL, NULL);
		g_assert_cmpstr(cell(status, 0)->last_version, ==, "v3");
		g_assert_cmpstr(cell(status, 0)->live_version, ==, "v3");
		g_free(ids[i - 1]);
	}
	/* a ledger that cannot be read is said, once, and does not end the status */
	g_autofree char *ledger =
	    g_build_filename(world->state, "ledger", "haikou.git", "refs", "heads", "orders", NULL);
	g_assert_true(
	    g_file_set_contents(ledger, "1111111111111111111111111111111111111111\n", -1, NULL));
	g_autoptr(Status) status = status_load(world->central, NULL, NULL);
	guint said = 0;
	for (guint i = 0; i < status->trouble->len; i++)
		said += strstr(status->trouble->pdata[i], "its ledger here") != NULL;
	g_assert_cmpuint(said, ==, 1);
}

static void test_trouble(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(GError) error = NULL;
	world_add_base(world, "haikou");
	g_assert_true(publish_look(world->central, "shop", NULL));
	g_autofree char *plan = world_plan("now", "all", NULL);
	g_autofree char *release = world_tag(world, "v1", plan);
	world_work(world);
	g_autoptr(GPtrArray) orders = world_orders(world);
	world_report(world, release, REPORT_ROLLED_BACK,
		     ((LedgerEntry *)g_ptr_array_index(orders, 0))->order->root, "-");
	g_autoptr(Status) status = status_load(world->central, NULL, &error);
	g_assert_cmpuint(status->trouble->len, ==, 1);
	g_assert_nonnull(strstr(g_ptr_array_index(status->trouble, 0), "rolled-back"));
	/* names and texts from outside stay valid JSON */
	g_autoptr(JsonBuilder) builder = json_builder_new();
	status_to_json(status, builder);
	g_autoptr(JsonGenerator) generator = json_generator_new();
	g_autoptr(JsonNode) node = json_builder_get_root(builder);
	json_generator_set_root(generator, node);
	g_autofree char *text = json_generator_to_data(generator, NULL);
	g_autoptr(JsonParser) parser = json_parser_new();
	g_assert_true(json_parser_load_from_data(parser, text, -1, &error));
	JsonObject *object = json_node_get_object(json_parser_get_root(parser));
	JsonArray *cells = json_object_get_array_member(object, "cells");
	g_assert_cmpstr(
	    json_object_get_string_member(json_array_get_object_element(cells, 0), "last_state"),
	    ==, "rolled-back");
}

/* What is down stays so in all that is shown, until something healthy serves. */
static void test_down(World *world, gconstpointer data)
{
	(void)data;
	static const struct {
		const char *name;
		ReportEvent event;
		const char *live, *down, *last, *first;
	} steps[] = {
	    {"v1", REPORT_LIVE, "v1", NULL, "live", NULL},
	    {"v2", REPORT_DOWN, NULL, "v2", "down", "shop at haikou: v2 down"},
	    {"v3", REPORT_CANCELLED, NULL, "v2", "down", "shop at haikou: v2 down"},
	    {"v4", REPORT_MISSED, NULL, "v2", "missed", "shop at haikou: v2 down"},
	    {"v5", REPORT_LIVE, "v5", NULL, "live", NULL},
	    {"v6", REPORT_ROLLED_BACK, "v5", NULL, "rolled-back", "shop at haikou: v6 rolled-back"},
	    {"v7", REPORT_SUPERSEDED, "v5", NULL, "rolled-back", "shop at haikou: v6 rolled-back"}};
	world_add_base(world, "haikou");
	g_assert_true(publish_look(world->central, "shop", NULL));
	g_autofree char *plan = world_plan("2098-01-01 02:00 base-local", "all", NULL);
	for (guint i = 0; i < G_N_ELEMENTS(steps); i++) {
		g_autofree char *release = world_tag(world, steps[i].name, plan);
		world_work(world);
		g_autoptr(GPtrArray) orders = world_orders(world);
		const char *root = ((LedgerEntry *)orders->pdata[orders->len - 1])->order->root;
		world_report(world, release, steps[i].event, root, root);
		g_autoptr(Status) status = status_load(world->central, NULL, NULL);
		g_assert_cmpstr(cell(status, 0)->live_version, ==, steps[i].live);
		g_assert_cmpstr(cell(status, 0)->down_version, ==, steps[i].down);
		g_assert_cmpstr(cell(status, 0)->last_state, ==, steps[i].last);
		if (!steps[i].first)
			g_assert_cmpuint(status->trouble->len, ==, 0);
		else
			g_assert_true(g_str_has_prefix(status->trouble->pdata[0], steps[i].first));
		g_autofree char *metrics = status_metrics(status);
		g_assert_true(!steps[i].live == !strstr(metrics, "tagship_live_info{app=\"shop\""));
		g_assert_nonnull(strstr(
		    metrics, steps[i].down ? "tagship_down{app=\"shop\",base=\"haikou\"} 1\n"
					   : "tagship_down{app=\"shop\",base=\"haikou\"} 0\n"));
	}
}

static guint silent(World *world)
{
	g_autoptr(Status) status = status_load(world->central, NULL, NULL);
	guint said = 0;
	for (guint i = 0; i < status->trouble->len; i++)
		said += strstr(status->trouble->pdata[i], "its line up?") != NULL;
	return said;
}

static void test_silent(World *world, gconstpointer data)
{
	(void)data;
	world_add_base(world, "haikou");
	g_assert_cmpuint(silent(world), ==, 0);
	contact(world, 1500000000, "shop - v0");
	g_assert_cmpuint(silent(world), ==, 1);
	world->central->conf->silent_s = G_MAXINT;
	g_assert_cmpuint(silent(world), ==, 0);
	world->central->conf->silent_s = 0;
	static const char by_file[] = "Time: 2017-07-14T02:40:00Z\nBy-File: x\n";
	g_assert_true(util_fs_write_file(world->central->dirfd, "contacts/haikou", by_file,
					 strlen(by_file), 0644, NULL));
	g_assert_cmpuint(silent(world), ==, 0);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add("/status/cells", World, NULL, world_setup, test_cells, world_teardown);
	g_test_add("/status/same-time", World, NULL, world_setup, test_same_time, world_teardown);
	g_test_add("/status/trouble", World, NULL, world_setup, test_trouble, world_teardown);
	g_test_add("/status/down", World, NULL, world_setup, test_down, world_teardown);
	g_test_add("/status/silent", World, NULL, world_setup, test_silent, world_teardown);
	g_test_add("/status/clock", World, NULL, world_setup, test_clock, world_teardown);
	g_test_add("/status/sending", World, NULL, world_setup, test_sending, world_teardown);
	return g_test_run();
}
