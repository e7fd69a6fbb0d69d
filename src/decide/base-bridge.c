/* SPDX-License-Identifier: ISC */
/* Which trees the bridge leads to, and until when. */
#include "decide/base-private.h"

void decide_bridge_free(DecideBridge *bridge)
{
	if (!bridge)
		return;
	g_free(bridge->tree);
	g_free(bridge->root);
	g_free(bridge);
}

static DecideBridge *bridge_new(const char *tree, const char *root, gint64 until_utc)
{
	DecideBridge *bridge = g_new0(DecideBridge, 1);
	bridge->tree = g_strdup(tree);
	bridge->root = g_strdup(root);
	bridge->until_utc = until_utc;
	return bridge;
}

static GPtrArray *bridges_new(void)
{
	return g_ptr_array_new_with_free_func((GDestroyNotify)decide_bridge_free);
}

char *decide_bridge_format(const DecideBridge *bridge)
{
	g_autofree char *until = util_time_format_utc(bridge->until_utc);
	return g_strdup_printf("%s %s %s", bridge->tree, bridge->root, until);
}

static DecideBridge *bridge_parse(const char *text)
{
	g_auto(GStrv) words = g_strsplit(text, " ", -1);
	gint64 until_utc = 0;
	if (g_strv_length(words) != 3 || !*words[0] || strchr(words[0], '/') ||
	    !util_sha256_hex_ok(words[1]) || !util_time_parse_utc(words[2], &until_utc, NULL))
		return NULL;
	return bridge_new(words[0], words[1], until_utc);
}

gboolean decide_fold_bridge(DecideApp *app, const UtilTrailers *intent, GError **error)
{
	g_clear_pointer(&app->open_bridge, g_ptr_array_unref);
	if (!util_trailers_get(intent, "Bridge-Link"))
		return TRUE;
	app->open_bridge = bridges_new();
	for (guint i = 0; i < util_trailers_count(intent); i++) {
		if (strcmp(util_trailers_key(intent, i), "Bridge") != 0)
			continue;
		DecideBridge *bridge = bridge_parse(util_trailers_value(intent, i));
		if (!bridge)
			return util_error_set(error, TS_ERROR_CORRUPT,
					      "Bridge: not a tree, its root and a time");
		g_ptr_array_add(app->open_bridge, bridge);
	}
	return TRUE;
}

void decide_adopt_bridge(DecideApp *app, const char *tree)
{
	if (!app->open_bridge || g_strcmp0(util_trailers_get(app->intent, "Tree"), tree) != 0)
		return;
	g_ptr_array_unref(app->bridge);
	app->bridge = g_steal_pointer(&app->open_bridge);
}

const GPtrArray *decide_app_bridge(const DecideApp *app)
{
	return app->bridge;
}

static const DecideBridge *find(const GPtrArray *bridges, const char *tree)
{
	for (guint i = 0; bridges && i < bridges->len; i++)
		if (strcmp(((const DecideBridge *)bridges->pdata[i])->tree, tree) == 0)
			return bridges->pdata[i];
	return NULL;
}

gboolean decide_app_bridges(const DecideApp *app, const char *tree)
{
	return find(app->bridge, tree) || (app->open_entry && find(app->open_bridge, tree));
}

GPtrArray *decide_app_bridge_next(const DecideApp *app, const char *from_tree,
				  const char *from_root, const char *to_tree, gint64 now_utc,
				  gint64 bridge_s)
{
	GPtrArray *next = bridges_new();
	if (bridge_s <= 0)
		return next;
	if (from_tree && from_root && strcmp(from_tree, to_tree) != 0)
		g_ptr_array_add(next, bridge_new(from_tree, from_root, now_utc + bridge_s));
	for (guint i = 0; i < app->bridge->len && next->len < DECIDE_BRIDGE_MAX; i++) {
		const DecideBridge *old = app->bridge->pdata[i];
		if (old->until_utc > now_utc && strcmp(old->tree, to_tree) != 0 &&
		    !find(next, old->tree))
			g_ptr_array_add(next, bridge_new(old->tree, old->root, old->until_utc));
	}
	return next;
}

gboolean decide_app_bridge_is_over(const DecideApp *app, gint64 now_utc)
{
	for (guint i = 0; i < app->bridge->len; i++)
		if (((const DecideBridge *)app->bridge->pdata[i])->until_utc > now_utc)
			return FALSE;
	return app->bridge->len > 0;
}
