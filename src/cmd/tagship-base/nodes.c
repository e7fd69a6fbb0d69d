/* SPDX-License-Identifier: ISC */
#include <unistd.h>

#include "cmd/tagship-base/nodes.h"
#include "order/accepted.h"

#define ACCEPTED_MAX (64 * 1024 * 1024)
#define TELL_S (30 * 86400) /* nothing older is told of */

static gint soonest_first(gconstpointer a, gconstpointer b)
{
	return order_compare_due(*(Order *const *)a, *(Order *const *)b);
}

static gboolean add_orders(const Base *base, const char *app, GPtrArray *orders, GError **error)
{
	g_autofree char *path = g_build_filename("accepted", app, NULL);
	g_autofree char *text = NULL;
	gsize len = 0;
	if (!util_fs_read_file(base->dirfd, path, ACCEPTED_MAX, &text, &len, error))
		return FALSE;
	g_autoptr(GPtrArray) accepted = accepted_parse(text, len, NULL, error);
	for (guint i = 0; accepted && i < accepted->len; i++) {
		const AcceptedOrder *order = accepted->pdata[i];
		if (!order->cancelled)
			g_ptr_array_add(orders, order_copy(order->order));
	}
	return accepted != NULL;
}

/* All that stand, of all apps: nodes may run what this base does not. */
static GPtrArray *standing_orders(const Base *base, GError **error)
{
	g_autoptr(GPtrArray) orders = g_ptr_array_new_with_free_func((GDestroyNotify)order_free);
	g_autoptr(GPtrArray) apps = util_fs_list(base->dirfd, "accepted", error);
	if (!apps)
		return NULL;
	for (guint i = 0; i < apps->len; i++)
		if (!add_orders(base, apps->pdata[i], orders, error))
			return NULL;
	g_ptr_array_sort(orders, soonest_first);
	return g_steal_pointer(&orders);
}

/* Nodes and orders; *ret_orders stays NULL where there are no nodes. */
static gboolean load(const Base *base, GPtrArray **ret_nodes, GPtrArray **ret_orders,
		     GError **error)
{
	*ret_nodes = site_nodes(base->dirfd, error);
	if (!*ret_nodes)
		return FALSE;
	if ((*ret_nodes)->len > 0)
		*ret_orders = standing_orders(base, error);
	return (*ret_nodes)->len == 0 || *ret_orders;
}

/* ---- bundles ---- */

static void need_free(gpointer data)
{
	BaseNodeNeed *need = data;
	order_free(need->order);
	g_free(need->old_root);
	g_free(need);
}

static void add_needs(GPtrArray *needs, int partial_dirfd, const GPtrArray *nodes,
		      const Order *order)
{
	g_autoptr(GPtrArray) roots = site_roots_needed(nodes, order);
	for (guint i = 0; i < roots->len; i++) {
		const OrderBundle *bundle = order_find_bundle(order, roots->pdata[i]);
		if (bundle && store_blob_exists(partial_dirfd, bundle->sha256))
			continue;
		BaseNodeNeed *need = g_new0(BaseNodeNeed, 1);
		need->order = order_copy(order);
		need->old_root = g_strdup(roots->pdata[i]);
		need->bundle = order_find_bundle(need->order, need->old_root);
		g_ptr_array_add(needs, need);
	}
}

GPtrArray *base_nodes_needs(const Base *base, GError **error)
{
	gint64 now = util_clock_now_utc(base->clock);
	g_autoptr(GPtrArray) needs = g_ptr_array_new_with_free_func(need_free);
	g_autoptr(GPtrArray) nodes = NULL;
	g_autoptr(GPtrArray) orders = NULL;
	if (!load(base, &nodes, &orders, error))
		return NULL;
	util_autofd int partial = util_fs_open_dir(base->dirfd, "partial", error);
	if (partial < 0 || (orders && !site_wants_prune(base->dirfd, nodes, orders, now, error)))
		return NULL;
	for (guint i = 0; orders && i < orders->len; i++)
		if (site_order_is_open(orders->pdata[i], now))
			add_needs(needs, partial, nodes, orders->pdata[i]);
	return g_steal_pointer(&needs);
}

gboolean base_nodes_keep(const Base *base, GHashTable *bundles, GError **error)
{
	gint64 now = util_clock_now_utc(base->clock);
	g_autoptr(GPtrArray) nodes = NULL;
	g_autoptr(GPtrArray) orders = NULL;
	if (!load(base, &nodes, &orders, error))
		return FALSE;
	for (guint i = 0; orders && i < orders->len; i++) {
		const Order *order = orders->pdata[i];
		if (!site_order_is_open(order, now) || !site_waits(nodes, order))
			continue;
		for (guint b = 0; b < order->bundles->len; b++)
			(void)g_hash_table_add(
			    bundles, g_strdup(((OrderBundle *)order->bundles->pdata[b])->sha256));
	}
	return TRUE;
}

/* ---- reports ---- */

gboolean base_nodes_tell(const Base *base, GError **error)
{
	gint64 since = util_clock_now_utc(base->clock) - TELL_S;
	SiteSpec spec = {.root_dirfd = base->dirfd,
			 .base = base->conf->name,
			 .incarnation = base->incarnation,
			 .key_file = base->conf->key_file};
	g_autoptr(GPtrArray) nodes = NULL;
	g_autoptr(GPtrArray) orders = NULL;
	if (!load(base, &nodes, &orders, error))
		return FALSE;
	for (guint i = 0; orders && i < orders->len; i++) {
		const Order *order = orders->pdata[i];
		gboolean told = FALSE;
		if (order->at_utc >= since && !site_tell(&spec, nodes, order, &told, error))
			return FALSE;
	}
	return TRUE;
}

gboolean base_nodes_have_news(const Base *base)
{
	g_autoptr(GPtrArray) nodes = NULL;
	g_autoptr(GPtrArray) orders = NULL;
	if (!load(base, &nodes, &orders, NULL))
		return FALSE;
	for (guint i = 0; orders && i < orders->len; i++)
		if (site_has_news(base->dirfd, nodes, orders->pdata[i]))
			return TRUE;
	return FALSE;
}

/* ---- old files ---- */

static gboolean gc_node(const Base *base, const char *name, gint64 limit, gboolean dry_run,
			GError **error)
{
	g_autofree char *path = g_build_filename("nodes", name, "reports", NULL);
	if (faccessat(base->dirfd, path, F_OK, 0) != 0)
		return TRUE;
	util_autofd int fd = util_fs_open_dir(base->dirfd, path, error);
	g_autoptr(GPtrArray) files = fd < 0 ? NULL : util_fs_list(fd, ".", error);
	for (guint i = 0; files && i < files->len; i++) {
		struct stat st;
		if (fstatat(fd, files->pdata[i], &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_mtime < limit && !dry_run && !util_fs_unlink(fd, files->pdata[i], error))
			return FALSE;
	}
	return files != NULL;
}

gboolean base_nodes_gc(const Base *base, gboolean dry_run, GError **error)
{
	gint64 days = base->conf->keep_logs_days;
	/* what may still be told must stay known */
	gint64 limit = util_clock_now_utc(base->clock) - MAX(days * 86400, 2 * TELL_S);
	g_auto(GStrv) names = site_node_names(base->dirfd, error);
	for (guint i = 0; names && names[i]; i++)
		if (!gc_node(base, names[i], limit, dry_run, error))
			return FALSE;
	return names != NULL;
}

/* ---- shown ---- */

static const Report *newest_report(const SiteNode *node)
{
	const Report *newest = NULL;
	for (guint i = 0; i < node->reports->len; i++) {
		const Report *report = node->reports->pdata[i];
		if (!newest || report->event_utc > newest->event_utc ||
		    (report->event_utc == newest->event_utc && report_event_ends(report->event)))
			newest = report;
	}
	return newest;
}

/* "shop v3, blog v1" */
static char *runs_text(const SiteNode *node)
{
	g_autoptr(GString) text = g_string_new(NULL);
	for (guint i = 0; node->contact && i < util_trailers_count(node->contact); i++) {
		g_auto(GStrv) words = g_strsplit(util_trailers_value(node->contact, i), " ", 3);
		if (strcmp(util_trailers_key(node->contact, i), "Live") == 0 &&
		    g_strv_length(words) == 3)
			g_string_append_printf(text, "%s%s %s", text->len > 0 ? ", " : "", words[0],
					       words[2]);
	}
	return g_string_free(g_steal_pointer(&text), FALSE);
}

static char *last_text(const Report *report)
{
	if (!report)
		return g_strdup("");
	return g_strdup_printf("%s %s %s%s%s", report->app, report->version,
			       report_event_name(report->event), *report->detail ? ": " : "",
			       report->detail);
}

void base_nodes_print(const Base *base, const GPtrArray *nodes)
{
	static const char *const heads[] = {"NODE", "HEARD", "RUNS", "LAST", NULL};
	g_autoptr(CmdTable) table = cmd_table_new(heads);
	gint64 now = util_clock_now_utc(base->clock);
	for (guint i = 0; i < nodes->len; i++) {
		const SiteNode *node = nodes->pdata[i];
		g_autofree char *ago = util_text_duration(now - node->heard_utc);
		g_autofree char *heard =
		    node->heard_utc ? g_strconcat(ago, " ago", NULL) : g_strdup("never");
		g_autofree char *runs = runs_text(node);
		g_autofree char *last = last_text(newest_report(node));
		cmd_table_row(table, node->name, heard, *runs ? runs : "-", last, NULL);
	}
	cmd_table_print(table);
}

static void json_text(JsonBuilder *json, const char *name, const char *value)
{
	g_autofree char *safe = util_text_printable(value, -1);
	json_builder_set_member_name(json, name);
	json_builder_add_string_value(json, safe);
}

void base_nodes_json(const Base *base, const GPtrArray *nodes, JsonBuilder *json)
{
	(void)base; /* times are absolute */
	json_builder_begin_array(json);
	for (guint i = 0; i < nodes->len; i++) {
		const SiteNode *node = nodes->pdata[i];
		g_autofree char *heard =
		    node->heard_utc ? util_time_format_utc(node->heard_utc) : g_strdup("");
		g_autofree char *runs = runs_text(node);
		g_autofree char *last = last_text(newest_report(node));
		json_builder_begin_object(json);
		json_text(json, "node", node->name);
		json_text(json, "heard", heard);
		json_text(json, "runs", runs);
		json_text(json, "last", last);
		json_builder_end_object(json);
	}
	json_builder_end_array(json);
}
