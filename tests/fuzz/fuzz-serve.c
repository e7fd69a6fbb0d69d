/* SPDX-License-Identifier: ISC */
/*
 * A whole call of a base: the first line is what sshd hands over, the rest what then comes on the
 * stream. Whatever it is, central answers with one good reply, and neither the ledger's orders nor
 * another base's are touched. git-upload-pack and watch use descriptors, and are left out.
 */
#include "files.h"
#include "serve/serve.h"

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

#define NOW 1795504800
#define ROOT "000000000000000000000000000000000000000000000000000000000000000a"

typedef struct {
	ServeSpec spec;
	Repo *ledger;
	char head[REPO_OID];
	int queue_fd;
} Central;

static char *make_key(const FuzzWorld *world, const char *name)
{
	g_autofree char *path = g_build_filename(world->path, name, NULL);
	g_assert(util_sshsig_keygen(path, "fuzz", NULL));
	return util_sshsig_public_key(path, NULL);
}

/* One order, with one bundle of ten bytes. */
static void order_something(const FuzzWorld *world, Central *central)
{
	char sha256[UTIL_SHA256_HEX];
	guint64 bytes = 0;
	g_autofree char *name = NULL, *key = g_build_filename(world->path, "central", NULL);
	util_autofd int bundles_fd = util_fs_open_dir(world->fd, "bundles", NULL);
	util_autofd int fd = store_blob_new(bundles_fd, &name, NULL);
	g_assert(util_fs_write_all(fd, "0123456789", 10, NULL));
	g_assert(store_blob_keep(bundles_fd, name, fd, sha256, &bytes, NULL));
	g_autoptr(Order) order = order_new(ORDER_KIND_ORDER);
	char **texts[] = {&order->base, &order->app,     &order->tag,   &order->version,
			  &order->root, &order->release, &order->commit};
	const char *values[] = {"haikou", "shop", "v2", "v2", ROOT, NULL, NULL};
	for (guint i = 0; i < G_N_ELEMENTS(texts); i++)
		*texts[i] = values[i] ? g_strdup(values[i]) : g_strnfill(40, 'c');
	order->written_utc = NOW - 100;
	order->at_utc = NOW + 1000;
	order->grace_s = 1800;
	order_add_bundle(order, "-", sha256, bytes, "plain", 100, 1024);
	g_assert(ledger_append(central->ledger, order, NULL, key, central->head, NULL));
}

static const Central *get_central(const FuzzWorld *world)
{
	static Central central;
	static const char *const folders[] = {"ledger", "bundles", "queue", "contacts", "sending"};
	if (central.ledger)
		return &central;
	for (guint i = 0; i < G_N_ELEMENTS(folders); i++)
		g_assert(util_fs_mkdir(world->fd, folders[i], 0755, NULL));
	central.queue_fd = util_fs_open_dir(world->fd, "queue", NULL);
	g_assert(store_queue_init(central.queue_fd, NULL));
	central.spec = (ServeSpec){.state_path = world->path,
				   .base = "haikou",
				   .base_key = make_key(world, "base"),
				   .incarnation = 1,
				   .own_key = make_key(world, "central"),
				   .clock = util_clock_fake_new(NOW)};
	const char *const own[] = {central.spec.own_key, NULL};
	central.spec.own_keys = trust_keys_new(own, NULL); /* as long as the target */
	central.ledger = ledger_create(world->path, "haikou", NULL);
	g_assert(central.ledger);
	order_something(world, &central);
	return &central;
}

static void forget_hints(const Central *central)
{
	g_autoptr(GPtrArray) names = store_hint_list(central->queue_fd, NULL);
	for (guint i = 0; i < names->len; i++)
		g_assert(store_hint_remove(central->queue_fd, names->pdata[i], NULL));
}

static void check_reply(const GByteArray *written, gboolean ok)
{
	g_autoptr(UtilStream) said = util_stream_over_memory(written->data, written->len, NULL);
	g_autoptr(GError) error = NULL;
	gint64 length = -1;
	gboolean good = wire_reply_read(said, &length, &error);
	g_assert(good || error->message);
	g_assert(!ok || good);
}

static gboolean uses_descriptors(const char *line)
{
	return g_str_has_prefix(line, "git-upload-pack") || g_str_has_prefix(line, "watch");
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
	const Central *central = get_central(fuzz_world());
	const guint8 *newline = size > 0 ? memchr(data, '\n', size) : NULL;
	gsize len = newline ? (gsize)(newline - data) : size;
	g_autofree char *line = g_strndup((const char *)data, len);
	if (uses_descriptors(line) || !newline)
		return 0;
	char head[REPO_OID] = "";
	g_autoptr(GByteArray) written = g_byte_array_new();
	g_autoptr(UtilStream) stream =
	    util_stream_over_memory(newline + 1, size - len - 1, written);
	g_autoptr(GError) error = NULL;
	gboolean ok = serve_verb(&central->spec, line, stream, &error);
	g_assert(ok == (error == NULL));
	check_reply(written, ok);
	g_assert(repo_ref_get(central->ledger, LEDGER_ORDERS, head, NULL));
	g_assert_cmpstr(head, ==, central->head);
	forget_hints(central);
	return 0;
}
