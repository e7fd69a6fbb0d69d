/* SPDX-License-Identifier: ISC */
/* What is known of the nodes: written as they say it, and read together. */
#include "site/site.h"

#define NODES "nodes"
#define TEXT_MAX (256 * 1024)
#define NOTHING "none" /* in a file's name, for "-" */

static char *path_of(const char *name, const char *file)
{
	return g_build_filename(NODES, name, file, NULL);
}

static gboolean make_folder(int root_dirfd, const char *name, const char *folder, GError **error)
{
	g_autofree char *path = path_of(name, folder);
	return util_fs_mkdir(root_dirfd, NODES, 0755, error) &&
	       util_fs_mkdir_parents(root_dirfd, path, 0755, error);
}

gboolean site_node_add(int root_dirfd, const char *name, const char *key, gboolean replace,
		       GError **error)
{
	g_autofree char *path = path_of(name, "key");
	g_autofree char *line = g_strconcat(key, "\n", NULL);
	if (!util_name_check("node", name, error) || !make_folder(root_dirfd, name, NULL, error))
		return FALSE;
	if (replace)
		return util_fs_write_file(root_dirfd, path, line, strlen(line), 0644, error);
	if (util_fs_create_file(root_dirfd, path, line, strlen(line), 0644, error))
		return TRUE;
	g_prefix_error(error, "node %s is there already (--replace for a new key): ", name);
	return FALSE;
}

gboolean site_node_remove(int root_dirfd, const char *name, GError **error)
{
	g_autofree char *key = site_node_key(root_dirfd, name, error);
	g_autofree char *path = path_of(name, NULL);
	return key && util_fs_remove_tree(root_dirfd, path, error);
}

char **site_node_names(int root_dirfd, GError **error)
{
	g_autoptr(GStrvBuilder) names = g_strv_builder_new();
	g_autoptr(GError) local = NULL;
	g_autoptr(GPtrArray) found = util_fs_list(root_dirfd, NODES, &local);
	if (!found && !g_error_matches(local, TS_ERROR, TS_ERROR_NOT_FOUND)) {
		g_propagate_error(error, g_steal_pointer(&local));
		return NULL;
	}
	for (guint i = 0; found && i < found->len; i++)
		if (util_name_check("node", found->pdata[i], NULL))
			g_strv_builder_add(names, found->pdata[i]);
	return g_strv_builder_end(names);
}

char *site_node_key(int root_dirfd, const char *name, GError **error)
{
	g_autofree char *text = NULL;
	if (!util_name_check("node", name, error))
		return NULL;
	g_autofree char *path = path_of(name, "key");
	if (!util_fs_read_file(root_dirfd, path, 4096, &text, NULL, error)) {
		g_prefix_error(error, "no node %s (tagship-base node add makes one): ", name);
		return NULL;
	}
	(void)g_strchomp(text); /* in place */
	if (util_sshsig_key_ok(text))
		return g_steal_pointer(&text);
	util_error_set(error, TS_ERROR_CORRUPT, "%s: not an ed25519 key", path);
	return NULL;
}

/* ---- what a node says ---- */

gboolean site_node_contact(int root_dirfd, const char *name, const UtilTrailers *contact,
			   GError **error)
{
	g_autofree char *path = path_of(name, "contact");
	g_autofree char *text = util_trailers_format(contact);
	return util_fs_write_file(root_dirfd, path, text, strlen(text), 0644, error);
}

static char *want_path(const char *name, const char *old_root, const char *root)
{
	gboolean nothing = strcmp(old_root, "-") == 0;
	g_autofree char *file = g_strdup_printf("wants/%s-%s", nothing ? NOTHING : old_root, root);
	return path_of(name, file);
}

gboolean site_node_want(int root_dirfd, const char *name, const char *old_root, const char *root,
			GError **error)
{
	g_autofree char *path = want_path(name, old_root, root);
	return make_folder(root_dirfd, name, "wants", error) &&
	       util_fs_write_file(root_dirfd, path, "", 0, 0644, error);
}

gboolean site_node_report(int root_dirfd, const char *name, const Report *report, const char *text,
			  const char *signature, GError **error)
{
	g_autofree char *key = report_key(report);
	g_autofree char *folder = path_of(name, "reports");
	g_autofree char *path = g_build_filename(folder, key, NULL);
	g_autofree char *sig_path = g_strconcat(path, ".sig", NULL);
	return make_folder(root_dirfd, name, "reports", error) &&
	       util_fs_write_file(root_dirfd, sig_path, signature, strlen(signature), 0644,
				  error) &&
	       util_fs_write_file(root_dirfd, path, text, strlen(text), 0644, error);
}

/* ---- read ---- */

static void want_free(gpointer data)
{
	SiteWant *want = data;
	g_free(want->old_root);
	g_free(want->root);
	g_free(want);
}

static void node_free(gpointer data)
{
	SiteNode *node = data;
	g_free(node->name);
	util_trailers_free(node->contact);
	g_ptr_array_unref(node->wants);
	g_ptr_array_unref(node->reports);
	g_free(node);
}

/* Missing is empty. */
static GPtrArray *list(int root_dirfd, const SiteNode *node, const char *folder)
{
	g_autofree char *path = path_of(node->name, folder);
	GPtrArray *names = util_fs_list(root_dirfd, path, NULL);
	return names ? names : g_ptr_array_new();
}

static void read_contact(int root_dirfd, SiteNode *node)
{
	g_autofree char *path = path_of(node->name, "contact");
	g_autofree char *text = NULL;
	gsize len = 0;
	if (util_fs_read_file(root_dirfd, path, TEXT_MAX, &text, &len, NULL))
		node->contact = util_trailers_parse(text, len, NULL);
	if (node->contact)
		(void)util_trailers_need_time(node->contact, "Time", &node->heard_utc, NULL);
}

static void read_wants(int root_dirfd, SiteNode *node)
{
	g_autoptr(GPtrArray) names = list(root_dirfd, node, "wants");
	for (guint i = 0; i < names->len; i++) {
		g_auto(GStrv) roots = g_strsplit(names->pdata[i], "-", 2);
		gboolean nothing = g_strcmp0(roots[0], NOTHING) == 0;
		if (!roots[0] || !roots[1] || !util_sha256_hex_ok(roots[1]) ||
		    (!nothing && !util_sha256_hex_ok(roots[0])))
			continue;
		SiteWant *want = g_new0(SiteWant, 1);
		want->old_root = g_strdup(nothing ? "-" : roots[0]);
		want->root = g_strdup(roots[1]);
		g_ptr_array_add(node->wants, want);
	}
}

static void read_reports(int root_dirfd, SiteNode *node)
{
	g_autoptr(GPtrArray) names = list(root_dirfd, node, "reports");
	for (guint i = 0; i < names->len; i++) {
		g_autofree char *folder = path_of(node->name, "reports");
		g_autofree char *path = g_build_filename(folder, names->pdata[i], NULL);
		g_autofree char *text = NULL;
		gsize len = 0;
		if (g_str_has_suffix(path, ".sig") ||
		    !util_fs_read_file(root_dirfd, path, TEXT_MAX, &text, &len, NULL))
			continue;
		Report *report = report_parse(text, len, NULL);
		if (report)
			g_ptr_array_add(node->reports, report);
	}
}

GPtrArray *site_nodes(int root_dirfd, GError **error)
{
	g_auto(GStrv) names = site_node_names(root_dirfd, error);
	if (!names)
		return NULL;
	GPtrArray *nodes = g_ptr_array_new_with_free_func(node_free);
	for (guint i = 0; names[i]; i++) {
		SiteNode *node = g_new0(SiteNode, 1);
		node->name = g_strdup(names[i]);
		node->wants = g_ptr_array_new_with_free_func(want_free);
		node->reports = g_ptr_array_new_with_free_func((GDestroyNotify)report_free);
		read_contact(root_dirfd, node);
		read_wants(root_dirfd, node);
		read_reports(root_dirfd, node);
		g_ptr_array_add(nodes, node);
	}
	return nodes;
}

static gboolean is_wanted(const SiteWant *want, const GPtrArray *orders, gint64 now_utc)
{
	for (guint i = 0; i < orders->len; i++) {
		const Order *order = orders->pdata[i];
		if (strcmp(order->root, want->root) == 0 && site_order_is_open(order, now_utc))
			return TRUE;
	}
	return FALSE;
}

gboolean site_wants_prune(int root_dirfd, const GPtrArray *nodes, const GPtrArray *orders,
			  gint64 now_utc, GError **error)
{
	for (guint i = 0; i < nodes->len; i++) {
		const SiteNode *node = nodes->pdata[i];
		for (guint w = 0; w < node->wants->len; w++) {
			const SiteWant *want = node->wants->pdata[w];
			g_autofree char *path = want_path(node->name, want->old_root, want->root);
			if (!is_wanted(want, orders, now_utc) &&
			    !util_fs_unlink(root_dirfd, path, error))
				return FALSE;
		}
	}
	return TRUE;
}
