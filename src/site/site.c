/* SPDX-License-Identifier: ISC */
/* What the base makes of it. */
#include "site/site.h"

#define DAY_S 86400
#define TOLD "nodes/.told"

gboolean site_node_live(const SiteNode *node, const char *app, char **ret_root, char **ret_version)
{
	for (guint i = 0; node->contact && i < util_trailers_count(node->contact); i++) {
		g_auto(GStrv) words = g_strsplit(util_trailers_value(node->contact, i), " ", 3);
		if (strcmp(util_trailers_key(node->contact, i), "Live") != 0 ||
		    g_strv_length(words) != 3 || strcmp(words[0], app) != 0 ||
		    !util_sha256_hex_ok(words[1]))
			continue;
		*ret_root = g_strdup(words[1]);
		*ret_version = g_strdup(words[2]);
		return TRUE;
	}
	return FALSE;
}

const Report *site_node_event(const SiteNode *node, const char *release)
{
	const Report *last = NULL;
	for (guint i = 0; i < node->reports->len; i++) {
		const Report *report = node->reports->pdata[i];
		if (strcmp(report->release, release) != 0)
			continue;
		gboolean ends = report_event_ends(report->event);
		gboolean last_ends = last && report_event_ends(last->event);
		gboolean later =
		    last && (report->round != last->round ? report->round > last->round
							  : report->event_utc >= last->event_utc);
		if (!last || ends > last_ends || (ends == last_ends && later))
			last = report;
	}
	return last;
}

gboolean site_order_is_open(const Order *order, gint64 now_utc)
{
	/* `now` orders may go live within a day of their time */
	return now_utc < order->at_utc + (order->is_now ? 2 : 1) * DAY_S;
}

/* It has the tree, or will not take it any more. */
static gboolean is_settled(const SiteNode *node, const Order *order)
{
	const Report *event = site_node_event(node, order->release);
	return event && (report_event_ends(event->event) ||
			 (event->event == REPORT_STAGED && strcmp(event->root, order->root) == 0));
}

static void add_root(GPtrArray *roots, const char *root)
{
	for (guint i = 0; i < roots->len; i++)
		if (strcmp(roots->pdata[i], root) == 0)
			return;
	g_ptr_array_add(roots, g_strdup(root));
}

/* What it asked for; else what goes from the tree that it serves. One without any may not run this
 * app: it has to ask. */
static void add_needed(GPtrArray *roots, const SiteNode *node, const Order *order)
{
	gboolean asked = FALSE;
	g_autofree char *live = NULL, *version = NULL;
	for (guint i = 0; i < node->wants->len; i++) {
		const SiteWant *want = node->wants->pdata[i];
		if (strcmp(want->root, order->root) != 0)
			continue;
		asked = TRUE;
		add_root(roots, want->old_root);
	}
	if (!asked && site_node_live(node, order->app, &live, &version) &&
	    strcmp(live, order->root) != 0)
		add_root(roots, live);
}

GPtrArray *site_roots_needed(const GPtrArray *nodes, const Order *order)
{
	GPtrArray *roots = g_ptr_array_new_with_free_func(g_free);
	for (guint i = 0; i < nodes->len; i++)
		if (!is_settled(nodes->pdata[i], order))
			add_needed(roots, nodes->pdata[i], order);
	return roots;
}

gboolean site_waits(const GPtrArray *nodes, const Order *order)
{
	for (guint i = 0; i < nodes->len; i++) {
		const SiteNode *node = nodes->pdata[i];
		if (node->contact && !is_settled(node, order))
			return TRUE;
	}
	return FALSE;
}

/* ---- what the site reports ---- */

/* The event that ends it, or how far it is. */
static void add_node(Report *report, const SiteNode *node, const Report *event)
{
	ReportNode line = {.name = node->name, .outage_ms = -1};
	if (event) {
		line.reported = TRUE;
		line.event = event->event;
		line.time_utc = event->event_utc;
		line.outage_ms = event->outage_ms;
		line.detail = event->detail;
	}
	report_add_node(report, &line);
	report->event_utc = MAX(report->event_utc, line.time_utc);
}

/* NULL while no node is done. Without the silent ones it changes only with an event. */
static Report *make_report(const GPtrArray *nodes, const Order *order, gboolean silent)
{
	g_autoptr(Report) report = report_new();
	gboolean done = FALSE;
	for (guint i = 0; i < nodes->len && report->nodes->len < REPORT_NODES_MAX; i++) {
		const Report *event = site_node_event(nodes->pdata[i], order->release);
		if (event || silent)
			add_node(report, nodes->pdata[i], event);
		done = done || (event && report_event_ends(event->event));
	}
	if (!done)
		return NULL;
	report->event = REPORT_NODES;
	report->release = g_strdup(order->release);
	report->seq = order->seq;
	report->app = g_strdup(order->app);
	report->version = g_strdup(order->version);
	report->root = g_strdup(order->root);
	return g_steal_pointer(&report);
}

Report *site_report(const GPtrArray *nodes, const Order *order)
{
	return make_report(nodes, order, TRUE);
}

/* What the nodes did, in short; NULL while none is done. */
static char *digest_of(const GPtrArray *nodes, const Order *order)
{
	g_autoptr(Report) report = make_report(nodes, order, FALSE);
	g_autofree char *key = report ? report_key(report) : NULL;
	return key ? g_strdup(strrchr(key, '.') + 1) : NULL;
}

/* The digest, if it is another than that of the last report; else NULL. */
static char *news(int root_dirfd, const GPtrArray *nodes, const Order *order)
{
	g_autofree char *digest = digest_of(nodes, order);
	g_autofree char *path = g_build_filename(TOLD, order->release, NULL);
	g_autofree char *last = NULL;
	if (!digest || (util_fs_read_file(root_dirfd, path, 4096, &last, NULL, NULL) &&
			strcmp(last, digest) == 0))
		return NULL;
	return g_steal_pointer(&digest);
}

gboolean site_has_news(int root_dirfd, const GPtrArray *nodes, const Order *order)
{
	g_autofree char *digest = news(root_dirfd, nodes, order);
	return digest != NULL;
}

gboolean site_tell(const SiteSpec *spec, const GPtrArray *nodes, const Order *order,
		   gboolean *ret_told, GError **error)
{
	g_autofree char *digest = news(spec->root_dirfd, nodes, order);
	*ret_told = FALSE;
	if (!digest)
		return TRUE;
	g_autoptr(Report) report = site_report(nodes, order);
	report->base = g_strdup(spec->base);
	report->incarnation = spec->incarnation;
	g_autofree char *key = report_key(report);
	g_autofree char *text = report_format(report);
	g_autofree char *path = g_build_filename(TOLD, order->release, NULL);
	*ret_told = TRUE;
	return util_fs_mkdir(spec->root_dirfd, TOLD, 0755, error) &&
	       store_pending_put(spec->root_dirfd, key, text, spec->key_file, error) &&
	       util_fs_write_file(spec->root_dirfd, path, digest, strlen(digest), 0644, error);
}
