/* SPDX-License-Identifier: ISC */
/*
 * Configuration: the first byte says which file the rest is. 't' tagship.cfg of a source tree,
 * which comes with a push; 'c' central's, 'a' an app's, 'p' a base's at central, 'b' base.cfg, 'n'
 * the note beside the hooks; 'h' hours of the day. What was read can be written, and is then read
 * the same.
 */
#include "conf/conf-private.h"
#include "files.h"

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

#define APP_FILE "apps.d/shop.cfg"
#define PEER_FILE "bases.d/haikou.cfg"

static void check_result(gconstpointer result, const GError *error)
{
	g_assert((result != NULL) == (error == NULL));
	if (error)
		fuzz_check_error(error);
}

static void try_tree(const guint8 *data, gsize len)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(ConfTree) tree = conf_tree_parse((const char *)data, len, &error);
	check_result(tree, error);
	if (!tree || !tree->output)
		return;
	g_auto(GStrv) parts = g_strsplit(tree->output, "/", -1);
	g_assert(tree->output[0] != '/' && !g_strv_contains((const char *const *)parts, ".."));
}

static void try_central(const FuzzWorld *world)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(ConfCentral) conf = conf_central_load(world->fd, &error);
	check_result(conf, error);
}

static void try_app(const FuzzWorld *world)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(ConfApp) app = conf_app_load(world->fd, "shop", &error);
	check_result(app, error);
	if (!app)
		return;
	g_assert(conf_app_remove(world->fd, "shop", NULL));
	g_assert(conf_app_create(world->fd, app, NULL));
	g_autofree char *text = fuzz_get(world, APP_FILE);
	g_autoptr(ConfApp) again = conf_app_load(world->fd, "shop", NULL);
	g_assert(again && conf_app_remove(world->fd, "shop", NULL));
	g_assert(conf_app_create(world->fd, again, NULL));
	g_autofree char *text_again = fuzz_get(world, APP_FILE);
	g_assert_cmpstr(text, ==, text_again);
}

static void try_peer(const FuzzWorld *world)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(ConfPeer) peer = conf_peer_load(world->fd, "haikou", &error);
	check_result(peer, error);
	if (!peer)
		return;
	g_assert(conf_peer_replace(world->fd, peer, NULL));
	g_autofree char *text = fuzz_get(world, PEER_FILE);
	g_autoptr(ConfPeer) again = conf_peer_load(world->fd, "haikou", NULL);
	g_assert(again && conf_peer_replace(world->fd, again, NULL));
	g_autofree char *text_again = fuzz_get(world, PEER_FILE);
	g_assert_cmpstr(text, ==, text_again);
}

static void try_base(const FuzzWorld *world)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(ConfBase) base = conf_base_load(world->fd, world->path, &error);
	check_result(base, error);
	if (!base)
		return;
	g_assert(conf_base_pull_every_s(base) > 0);
	g_assert(conf_base_rate_kbit(base, 1795504800) >= 0);
	for (guint i = 0; i < base->apps->len; i++) {
		const ConfBaseApp *app = base->apps->pdata[i];
		g_assert(app->dir[0] == '/' && conf_app_bridge_s(app) >= 0);
		g_assert(conf_base_app(base, app->name));
	}
}

static void try_note(const FuzzWorld *world)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(ConfNote) note = conf_note_read(world->fd, &error);
	check_result(note, error);
	if (note)
		(void)conf_note_is_current(world->fd, note); /* either */
}

static void try_hours(const guint8 *data, gsize len)
{
	g_autofree char *text = g_strndup((const char *)data, len);
	char *hours[] = {text, NULL};
	g_autoptr(GError) error = NULL;
	gboolean plain = conf_check_hours(text, NULL);
	gboolean rate = conf_check_rate_hours(text, &error);
	g_assert(rate == (error == NULL) && !(plain && rate));
	if (error)
		fuzz_check_error(error);
	if (plain)
		g_assert(conf_hours_opens_s(hours, 1795504800) <= 2 * 86400);
	if (rate)
		g_assert(conf_hours_number(hours, 1795504800, 7) <= CONF_RATE_MAX);
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
	static const struct {
		char letter;
		const char *file;
		void (*run)(const FuzzWorld *world);
	} files[] = {{'c', "central.cfg", try_central},
		     {'a', APP_FILE, try_app},
		     {'p', PEER_FILE, try_peer},
		     {'b', "base.cfg", try_base},
		     {'n', "tagship.d/settings", try_note}};
	static gboolean made;
	const FuzzWorld *world = fuzz_world();
	for (guint i = 0; !made && i < G_N_ELEMENTS(files); i++) {
		g_autofree char *folder = g_path_get_dirname(files[i].file);
		g_assert(util_fs_mkdir_parents(world->fd, folder, 0755, NULL));
	}
	made = TRUE;
	for (guint i = 0; size > 0 && i < G_N_ELEMENTS(files); i++) {
		if (data[0] != (guint8)files[i].letter)
			continue;
		fuzz_put(world, files[i].file, data + 1, size - 1);
		files[i].run(world);
	}
	if (size > 0 && data[0] == 't')
		try_tree(data + 1, size - 1);
	if (size > 0 && data[0] == 'h')
		try_hours(data + 1, size - 1);
	return 0;
}
