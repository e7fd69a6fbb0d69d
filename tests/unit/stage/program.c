/* SPDX-License-Identifier: ISC */
/* The program tagship-stage itself, which confines its unpacking. It stands beside the tests'
 * folder. */
#include "order/accepted.h"
#include "world.h"

static char *program_path(void)
{
	g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
	g_autofree char *dir = g_path_get_dirname(self);
	g_autofree char *path = g_build_filename(dir, "..", "..", "tagship-stage", NULL);
	return g_canonicalize_filename(path, NULL);
}

static gboolean have_program(void)
{
	g_autofree char *path = program_path();
	if (g_file_test(path, G_FILE_TEST_IS_EXECUTABLE))
		return TRUE;
	g_test_skip("tagship-stage is not built (make all)");
	return FALSE;
}

static void write_conf(const World *world, const char *more)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *key = g_build_filename(world->path, "key", NULL);
	if (!g_file_test(key, G_FILE_TEST_EXISTS))
		g_assert_true(util_sshsig_keygen(key, "test", &error));
	g_autofree char *public_key = util_sshsig_public_key(key, &error);
	g_assert_no_error(error);
	g_autofree char *text = g_strdup_printf(
	    "name = \"haikou\"; upstreams = [ \"/nowhere\" ]; central_keys = [ \"%s\" ];\n"
	    "key_file = \"%s\"; min_free_mb = 0;\n"
	    "apps = ( { name = \"shop\"; dir = \"%s\"; %s } );\n",
	    public_key, key, world->app_path, more);
	put(world, "root/base.cfg", text);
}

/* The order, complete, in ROOT/accepted. */
static void accept_order(const World *world)
{
	Order *order = world->order;
	g_autoptr(GPtrArray) all =
	    g_ptr_array_new_with_free_func((GDestroyNotify)accepted_order_free);
	AcceptedOrder *accepted = g_new0(AcceptedOrder, 1);
	order->seq = 1;
	order->written_utc = g_get_real_time() / G_USEC_PER_SEC;
	order->at_utc = order->written_utc + 3600;
	order->grace_s = 1800;
	order->files = 2;
	order->base = g_strdup("haikou");
	order->tag = g_strdup(order->version);
	order->release = g_strnfill(40, 'a');
	order->commit = g_strnfill(40, 'b');
	order->local_text = g_strdup("noon");
	accepted->order = order_copy(order);
	g_ptr_array_add(all, accepted);
	g_autofree char *text = accepted_format(all, NULL);
	g_assert_true(util_fs_mkdir(world->root_dirfd, "accepted", 0755, NULL));
	put(world, "root/accepted/shop", text);
}

/* Exit status; all output as a test message, and in *ret_output. */
static int run(const World *world, char **ret_output)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *path = program_path();
	const char *const argv[] = {path, world->root_path, NULL};
	UtilChildResult result = {0};
	util_autofd int fd = util_fs_open_beneath(world->dirfd, "program.log",
						  O_WRONLY | O_CREAT | O_TRUNC, 0644, &error);
	UtilChildSpec spec = {.argv = argv, .output_fd = fd, .deadline_s = 60};
	(void)util_child_run(&spec, &result, &error);
	g_assert_no_error(error);
	g_autofree char *text = NULL;
	g_assert_true(util_fs_read_file(world->dirfd, "program.log", 1 << 20, &text, NULL, &error));
	g_test_message("%s", text);
	if (ret_output)
		*ret_output = g_steal_pointer(&text);
	return result.exit_status;
}

/* How often the journal has this event; *ret_reason: of the last one. */
static guint count_events(const World *world, const char *event, char **ret_reason)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) records =
	    store_journal_read(world->root_dirfd, "journal/shop", &error);
	guint n = 0;
	g_assert_no_error(error);
	for (guint i = 0; i < records->len; i++) {
		if (strcmp(util_trailers_get(records->pdata[i], "Event"), event) != 0)
			continue;
		n++;
		if (ret_reason) {
			g_free(*ret_reason);
			*ret_reason = g_strdup(util_trailers_get(records->pdata[i], "Reason"));
		}
	}
	return n;
}

static void test_stages(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(BundleInfo) info = NULL;
	g_autofree char *output = NULL;
	if (!have_program())
		return;
	g_autofree char *v1 = v1_live(world, NULL);
	g_autofree char *v2 = v2_ordered(world, &info);
	write_conf(world, "");
	accept_order(world);
	g_assert_cmpint(run(world, &output), ==, 0);
	g_assert_nonnull(strstr(output, "shop v2: staged (delta from v1-"));
	g_assert_cmpuint(count_events(world, "staged", NULL), ==, 1);
	g_autofree char *tree = stage_tree_name("v2", v2);
	assert_tree(world, "pre-release", tree, v2);
	g_autofree char *report =
	    g_strdup_printf("root/pending/%s.1.staged", world->order->release);
	g_assert_cmpint(faccessat(world->dirfd, report, F_OK, 0), ==, 0);
	/* again: nothing to do */
	g_autofree char *again = NULL;
	g_assert_cmpint(run(world, &again), ==, 0);
	g_assert_cmpstr(again, ==, "");
}

static void test_waits_for_bundle(World *world, gconstpointer data)
{
	(void)data;
	g_autofree char *output = NULL;
	if (!have_program())
		return;
	g_autofree char *v1 = v1_live(world, NULL);
	g_autofree char *v2 = make_version(world, "v2", "two");
	new_order(world, "v2", v2);
	write_conf(world, "");
	accept_order(world);
	g_assert_cmpint(run(world, &output), ==, 5);
	g_assert_nonnull(strstr(output, "waits for its bundle"));
	g_assert_cmpuint(count_events(world, "stage-failed", NULL), ==, 0);
}

/* Tried every time, journaled once; then it works. */
static void test_prepare_fails(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(BundleInfo) info = NULL;
	g_autofree char *reason = NULL;
	if (!have_program())
		return;
	g_autofree char *v1 = v1_live(world, NULL);
	g_autofree char *v2 = v2_ordered(world, &info);
	write_conf(world, "prepare = [ \"/bin/sh\", \"-c\", \"echo no cache; exit 3\" ];");
	accept_order(world);
	g_assert_cmpint(run(world, NULL), ==, 1);
	g_assert_cmpint(run(world, NULL), ==, 1);
	g_assert_cmpuint(count_events(world, "stage-failed", &reason), ==, 1);
	g_assert_nonnull(strstr(reason, "prepare: exit status 3"));
	g_assert_nonnull(strstr(reason, "no cache"));
	g_assert_cmpuint(count_events(world, "staged", NULL), ==, 0);
	/* `prepare` is the site's own: it is not confined as unpacking is */
	write_conf(world, "prepare = [ \"/bin/sh\", \"-c\", \"echo x > ../prepared\" ];");
	g_assert_cmpint(run(world, NULL), ==, 0);
	g_assert_cmpuint(count_events(world, "staged", NULL), ==, 1);
	g_assert_cmpint(faccessat(world->dirfd, "prepared", F_OK, 0), ==, 0);
}

static void test_never_fits(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(BundleInfo) info = NULL;
	if (!have_program())
		return;
	g_autofree char *v1 = v1_live(world, NULL);
	g_autofree char *v2 = v2_ordered(world, &info);
	world->order->bytes = (guint64)1 << 50;
	write_conf(world, "");
	accept_order(world);
	g_assert_cmpint(run(world, NULL), ==, 1);
	g_assert_cmpuint(count_events(world, "refused", NULL), ==, 1);
	g_autofree char *report =
	    g_strdup_printf("root/pending/%s.1.failed", world->order->release);
	g_assert_cmpint(faccessat(world->dirfd, report, F_OK, 0), ==, 0);
	g_assert_cmpint(run(world, NULL), ==, 0); /* it has ended */
}

/* The delta's source is altered: said; the next one gets another bundle. */
static void test_altered(World *world, gconstpointer data)
{
	(void)data;
	g_autoptr(BundleInfo) info = NULL;
	g_autofree char *tree = NULL, *output = NULL;
	if (!have_program())
		return;
	g_autofree char *v1 = v1_live(world, &tree);
	g_autofree char *v2 = v2_ordered(world, &info);
	alter(world, "releases", tree, "lib/large.txt");
	write_conf(world, "");
	accept_order(world);
	g_assert_cmpint(run(world, &output), ==, 4);
	g_assert_nonnull(strstr(output, "large.txt"));
	g_autofree char *second = NULL;
	g_assert_cmpint(run(world, &second), ==, 5);
	g_assert_nonnull(strstr(second, "waits for its bundle"));
	g_assert_nonnull(strstr(second, "altered by hand"));
}

static void test_locked(World *world, gconstpointer data)
{
	(void)data;
	if (!have_program())
		return;
	write_conf(world, "");
	g_assert_true(util_fs_mkdir(world->root_dirfd, "lock", 0755, NULL));
	util_autofd int lock = util_fs_lock(world->root_dirfd, "lock/stage", 0, NULL);
	g_assert_cmpint(lock, >=, 0);
	g_assert_cmpint(run(world, NULL), ==, 5);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
#define ADD(name, function) \
	g_test_add("/stage/program/" name, World, NULL, setup, function, teardown)
	ADD("stages", test_stages);
	ADD("waits-for-bundle", test_waits_for_bundle);
	ADD("prepare-fails", test_prepare_fails);
	ADD("never-fits", test_never_fits);
	ADD("altered", test_altered);
	ADD("locked", test_locked);
	return g_test_run();
}
