/* SPDX-License-Identifier: ISC */
/* Versions an operator wants kept on this disk. */
#include "activate/activate-private.h"

/* Does this version mean the tree? It may be held under the name of another version of the same
 * content, or be known by its folder's name only. */
static gboolean is_meant(const ActivateApp *app, const char *tree, const char *version)
{
	const GPtrArray *orders = decide_app_orders(app->state);
	g_autofree char *by_name = activate_tree_version(app, tree);
	g_autofree char *plain = g_strdelimit(g_strdup(version), "/", '-');
	for (guint i = 0; i < orders->len; i++) {
		const DecideOrder *order = orders->pdata[i];
		if (g_strcmp0(order->tree, tree) == 0 &&
		    strcmp(order->order->version, version) == 0)
			return TRUE;
	}
	return strcmp(by_name, version) == 0 || strcmp(by_name, plain) == 0;
}

static gboolean journal_pin(ActivateApp *app, const char *event, const char *tree,
			    const char *version, const char *who, GError **error)
{
	g_autoptr(UtilTrailers) record = util_trailers_new();
	util_trailers_add(record, "Event", event);
	util_trailers_add(record, "Tree", tree);
	util_trailers_add(record, "Version", version);
	util_trailers_add(record, "By", who);
	activate_say(&app->spec, version, "%s: %s", event, tree);
	return activate_record(app, record, error);
}

static gint by_name(gconstpointer a, gconstpointer b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "shop v9: WHY: v1, v2" */
static gboolean refuse(const ActivateApp *app, const char *version, const char *why,
		       GPtrArray *versions, GError **error)
{
	g_autoptr(GString) list = g_string_new(NULL);
	g_ptr_array_sort(versions, by_name);
	for (guint i = 0; i < versions->len; i++)
		if (i == 0 || strcmp(versions->pdata[i - 1], versions->pdata[i]) != 0)
			g_string_append_printf(list, "%s%s", list->len ? ", " : "",
					       (const char *)versions->pdata[i]);
	return util_error_set(error, TS_ERROR_REFUSED, "%s %s: %s: %s", app->spec.app->name,
			      version, why, list->len ? list->str : "none");
}

gboolean activate_pin(ActivateApp *app, const char *version, const char *who, GError **error)
{
	if (!activate_open_dir(app, error))
		return FALSE;
	g_autoptr(GPtrArray) trees = activate_trees(app);
	g_autoptr(GPtrArray) versions = g_ptr_array_new_with_free_func(g_free);
	gboolean found = FALSE;
	for (guint i = 0; i < trees->len; i++) {
		const char *tree = trees->pdata[i];
		g_ptr_array_add(versions, activate_tree_version(app, tree));
		if (!is_meant(app, tree, version))
			continue;
		found = TRUE;
		if (!journal_pin(app, "pinned", tree, version, who, error))
			return FALSE;
	}
	return found || refuse(app, version, "not on this disk; here are", versions, error);
}

gboolean activate_unpin(ActivateApp *app, const char *version, const char *who, GError **error)
{
	const GPtrArray *pins = decide_app_pins(app->state);
	g_autoptr(GPtrArray) trees = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GPtrArray) versions = g_ptr_array_new_with_free_func(g_free);
	for (guint i = 0; i < pins->len; i++) {
		const DecidePin *pin = pins->pdata[i];
		g_ptr_array_add(versions, g_strdup(pin->version));
		if (strcmp(pin->version, version) == 0)
			g_ptr_array_add(trees, g_strdup(pin->tree));
	}
	if (trees->len == 0)
		return refuse(app, version, "not pinned; pinned are", versions, error);
	for (guint i = 0; i < trees->len; i++)
		if (!journal_pin(app, "unpinned", trees->pdata[i], version, who, error))
			return FALSE;
	return TRUE;
}
