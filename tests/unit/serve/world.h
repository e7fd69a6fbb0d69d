/* SPDX-License-Identifier: ISC */
/* A central with ledgers of two bases in a temporary folder, and calls on it, for the tests of this
 * room. */
#pragma once

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include "serve/serve.h"
#include "wire/hello.h"

#define NOW 1796090400
#define OID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define OID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define OID_C "cccccccccccccccccccccccccccccccccccccccc"
#define ROOT_OLD "0000000000000000000000000000000000000000000000000000000000000001"
#define ROOT_A "000000000000000000000000000000000000000000000000000000000000000a"
#define ROOT_B "000000000000000000000000000000000000000000000000000000000000000b"
#define ROOT_C "000000000000000000000000000000000000000000000000000000000000000c"
#define NO_SUCH "00000000000000000000000000000000000000000000000000000000000000ff"

typedef struct {
	char *state, *key, *base_key_file, *base_key;
	int dirfd, queue_dirfd, bundles_dirfd;
	UtilClock *clock;
	char blob_a[UTIL_SHA256_HEX], blob_a2[UTIL_SHA256_HEX], blob_other[UTIL_SHA256_HEX];
} World;

G_GNUC_UNUSED static char *path_in(const World *world, const char *name)
{
	return g_build_filename(world->state, name, NULL);
}

G_GNUC_UNUSED static void put_blob(World *world, const char *data, gsize len,
				   char ret_sha256[UTIL_SHA256_HEX])
{
	g_autoptr(GError) error = NULL;
	g_autofree char *name = NULL;
	guint64 bytes = 0;
	util_autofd int fd = store_blob_new(world->bundles_dirfd, &name, &error);
	g_assert_true(util_fs_write_all(fd, data, len, &error));
	g_assert_true(store_blob_keep(world->bundles_dirfd, name, fd, ret_sha256, &bytes, &error));
	g_assert_no_error(error);
}

G_GNUC_UNUSED static Order *make_order(const char *base, const char *release, const char *root)
{
	Order *order = order_new(ORDER_KIND_ORDER);
	char **texts[] = {&order->base, &order->release, &order->root,  &order->app,
			  &order->tag,  &order->version, &order->commit};
	const char *values[] = {base, release, root, "shop", "v2", "v2", OID_C};
	for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_free(*texts[i]);
		*texts[i] = g_strdup(values[i]);
	}
	order->written_utc = NOW - 100;
	order->at_utc = NOW + 1000;
	order->grace_s = 1800;
	return order;
}

G_GNUC_UNUSED static void append(const World *world, Order *order)
{
	g_autoptr(GError) error = NULL;
	char oid[REPO_OID];
	g_autoptr(Repo) ledger = ledger_open(world->state, order->base, &error);
	g_assert_no_error(error);
	g_assert_true(ledger_append(ledger, order, NULL, world->key, oid, &error));
	g_assert_no_error(error);
}

G_GNUC_UNUSED static void append_cancel(const World *world, const char *release)
{
	g_autoptr(Order) cancel = order_new(ORDER_KIND_CANCEL);
	cancel->base = g_strdup("haikou");
	cancel->release = g_strdup(release);
	cancel->app = g_strdup("shop");
	cancel->written_utc = NOW;
	append(world, cancel);
}

/* haikou: A in two revisions (the second covers another old root too), B without bundles, C
 * cancelled. berlin: one order with a bundle of its own. */
G_GNUC_UNUSED static void fill_ledgers(World *world)
{
	g_autoptr(Order) a = make_order("haikou", OID_A, ROOT_A);
	order_add_bundle(a, ROOT_OLD, world->blob_a, 10, "delta", 100, 1024);
	append(world, a);
	g_autoptr(Order) a2 = make_order("haikou", OID_A, ROOT_A);
	order_add_bundle(a2, ROOT_OLD, world->blob_a2, 200000, "delta", 100, 1024);
	order_add_bundle(a2, "-", NO_SUCH, 77, "plain", 100, 1024);
	append(world, a2);
	g_autoptr(Order) b = make_order("haikou", OID_B, ROOT_B);
	append(world, b);
	g_autoptr(Order) c = make_order("haikou", OID_C, ROOT_C);
	append(world, c);
	append_cancel(world, OID_C);
	g_autoptr(Order) other = make_order("berlin", OID_A, ROOT_A);
	order_add_bundle(other, "-", world->blob_other, 9, "plain", 100, 1024);
	append(world, other);
}

G_GNUC_UNUSED static void open_folders(World *world)
{
	g_autoptr(GError) error = NULL;
	world->dirfd = util_fs_open_dir(AT_FDCWD, world->state, &error);
	world->queue_dirfd = util_fs_open_dir(world->dirfd, "queue", &error);
	world->bundles_dirfd = util_fs_open_dir(world->dirfd, "bundles", &error);
	g_assert_no_error(error);
}

/* Made once, because it signs a lot; each test gets a copy. */
G_GNUC_UNUSED static void template_open(World *world)
{
	static const char *const folders[] = {"ledger", "bundles", "queue"};
	static const char *const bases[] = {"haikou", "berlin"};
	g_autoptr(GError) error = NULL;
	*world = (World){.state = g_dir_make_tmp("tagship-serve-XXXXXX", NULL)};
	for (guint i = 0; i < G_N_ELEMENTS(folders); i++) {
		g_autofree char *path = path_in(world, folders[i]);
		g_assert_cmpint(g_mkdir(path, 0750), ==, 0);
	}
	open_folders(world);
	g_assert_true(store_queue_init(world->queue_dirfd, &error));
	world->key = path_in(world, "central-key");
	world->base_key_file = path_in(world, "base-key");
	g_assert_true(util_sshsig_keygen(world->key, "central", &error));
	g_assert_true(util_sshsig_keygen(world->base_key_file, "haikou", &error));
	world->base_key = util_sshsig_public_key(world->base_key_file, &error);
	g_assert_no_error(error);
	g_autofree char *big = g_strnfill(200000, 'a');
	put_blob(world, "0123456789", 10, world->blob_a);
	put_blob(world, big, 200000, world->blob_a2);
	put_blob(world, "of berlin", 9, world->blob_other);
	for (guint i = 0; i < G_N_ELEMENTS(bases); i++) {
		g_autoptr(Repo) ledger = ledger_create(world->state, bases[i], &error);
		g_assert_no_error(error);
	}
	fill_ledgers(world);
}

G_GNUC_UNUSED static void world_close(World *world, gconstpointer data)
{
	(void)data;
	close(world->queue_dirfd);
	close(world->bundles_dirfd);
	close(world->dirfd);
	g_assert_true(util_fs_remove_tree(AT_FDCWD, world->state, NULL));
	util_clock_fake_free(world->clock);
	g_free(world->state);
	g_free(world->key);
	g_free(world->base_key_file);
	g_free(world->base_key);
}

G_GNUC_UNUSED static void world_open(World *world, gconstpointer data)
{
	const World *template = data;
	g_autoptr(GError) error = NULL;
	int status = -1;
	*world = *template;
	world->state = g_strconcat(template->state, "-copy", NULL);
	const char *argv[] = {"cp", "-a", template->state, world->state, NULL};
	g_assert_true(util_child_capture(argv, NULL, NULL, 20, 4096, NULL, NULL, &status, &error));
	g_assert_cmpint(status, ==, 0);
	world->key = path_in(world, "central-key");
	world->base_key_file = path_in(world, "base-key");
	world->base_key = g_strdup(template->base_key);
	world->clock = util_clock_fake_new(NOW);
	open_folders(world);
}

/* ---- calls ---- */

typedef struct {
	UtilStream *stream;
	pid_t pid;
} Call;

G_GNUC_UNUSED static ServeSpec spec_for(const World *world, const char *base)
{
	return (ServeSpec){.state_path = world->state,
			   .base = base,
			   .base_key = world->base_key,
			   .incarnation = 2,
			   .clock = world->clock};
}

/* The sanitizer's own check at exit never runs in these children. */
G_GNUC_UNUSED static gboolean leaked(void)
{
#ifdef __SANITIZE_ADDRESS__
	return __lsan_do_recoverable_leak_check() != 0;
#else
	return FALSE;
#endif
}

G_GNUC_UNUSED static Call call_as(const World *world, const char *base, const char *verb_line)
{
	int pair[2];
	g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
	pid_t pid = fork();
	g_assert_cmpint(pid, >=, 0);
	if (pid == 0) {
		g_autoptr(GError) error = NULL;
		ServeSpec spec = spec_for(world, base);
		if (dup2(pair[1], 0) < 0 || dup2(pair[1], 1) < 0)
			_exit(90);
		close(pair[0]);
		close(pair[1]);
		UtilStream *stream = util_stream_from_fds(0, 1, 5000);
		spec.state_dirfd = dup(world->dirfd);
		/* as the programs do */
		gboolean confined = serve_confine(&spec, verb_line, &error);
		gboolean ok = confined && serve_verb(&spec, verb_line, stream, &error);
		if (!confined)
			(void)wire_reply_error(stream, error, NULL);
		util_stream_free(stream);
		_exit(leaked() ? 99 : ok ? 0 : 10 + error->code);
	}
	close(pair[1]);
	return (Call){util_stream_from_fds(pair[0], pair[0], 10000), pid};
}

G_GNUC_UNUSED static Call call(const World *world, const char *verb_line)
{
	return call_as(world, "haikou", verb_line);
}

/* Exit status: 0, or 10 + error code. */
G_GNUC_UNUSED static int call_end(Call *made)
{
	int status = 0;
	util_stream_free(made->stream);
	g_assert_cmpint(waitpid(made->pid, &status, 0), ==, made->pid);
	g_assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* The call must be answered by an error of this code. */
G_GNUC_UNUSED static void expect_error(const World *world, const char *base, const char *verb_line,
				       int code, const char *says)
{
	g_autoptr(GError) error = NULL;
	Call made = call_as(world, base, verb_line);
	g_assert_true(made.stream->shut(made.stream, NULL));
	g_assert_false(wire_reply_read(made.stream, NULL, &error));
	if (!strstr(error->message, says))
		g_error("%s: not said: \"%s\" but: %s", verb_line, says, error->message);
	g_assert_error(error, TS_ERROR, code);
	g_assert_cmpint(call_end(&made), ==, 10 + code);
}

G_GNUC_UNUSED static guint count_hints(const World *world)
{
	g_autoptr(GPtrArray) names = store_hint_list(world->queue_dirfd, NULL);
	return names->len;
}

G_GNUC_UNUSED static UtilTrailers *only_hint(const World *world)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) names = store_hint_list(world->queue_dirfd, NULL);
	g_assert_cmpuint(names->len, ==, 1);
	UtilTrailers *hint = store_hint_read(world->queue_dirfd, names->pdata[0], &error);
	g_assert_no_error(error);
	return hint;
}
