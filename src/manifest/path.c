/* SPDX-License-Identifier: ISC */
/* Which paths and links a tree may have. */
#include "manifest/manifest-private.h"

#define COMPONENT_MAX 255
#define HEADER_NAME ".tagship-bundle"
#define LINK_HOPS_MAX 40 /* as the kernel */

/* What is wrong with the path, or NULL. */
static const char *path_fault(const char *path)
{
	if (!*path)
		return "an empty name";
	if (*path == '/')
		return "an absolute name";
	if (strlen(path) > MANIFEST_PATH_MAX)
		return "a name of more than " G_STRINGIFY(MANIFEST_PATH_MAX) " bytes";
	for (const char *p = path;; p++) {
		gsize n = strcspn(p, "/");
		if (n == 0)
			return "an empty name in the path";
		if ((n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
			return "'.' or '..' in the path";
		if (n > COMPONENT_MAX)
			return "a name of more than " G_STRINGIFY(COMPONENT_MAX) " bytes";
		if (p == path && n == strlen(HEADER_NAME) && strncmp(p, HEADER_NAME, n) == 0)
			return "the name " HEADER_NAME " is tagship's own";
		p += n;
		if (!*p)
			return NULL;
	}
}

gboolean manifest_path_check(const char *path, GError **error)
{
	const char *fault = path_fault(path);
	if (!fault)
		return TRUE;
	g_autofree char *name = util_text_printable(path, (gssize)strnlen(path, 200));
	return util_error_set(error, TS_ERROR_REFUSED, "%s: %s", name, fault);
}

static gboolean refuse_link(const char *path, const char *target, const char *why, GError **error)
{
	g_autofree char *name = util_text_printable(path, -1);
	g_autofree char *to = util_text_printable(target, (gssize)strnlen(target, 200));
	return util_error_set(error, TS_ERROR_REFUSED, "%s -> %s: %s", name, to, why);
}

char *manifest_shared_target(const char *path)
{
	GString *target = g_string_new("../../");
	for (const char *p = path; *p; p++)
		if (*p == '/')
			g_string_append(target, "../");
	g_string_append_printf(target, MANIFEST_SHARED_FOLDER "/%s", path);
	return g_string_free(target, FALSE);
}

static gboolean is_shared(const char *path, const char *target)
{
	g_autofree char *shared = manifest_shared_target(path);
	return strcmp(shared, target) == 0;
}

gboolean manifest_is_shared_link(const ManifestEntry *entry)
{
	return entry->type == MANIFEST_LINK && is_shared(entry->path, entry->target);
}

gboolean manifest_link_check(const char *path, const char *target, GError **error)
{
	if (!target || !*target)
		return refuse_link(path, "", "a link without a target", error);
	if (strlen(target) > MANIFEST_PATH_MAX)
		return refuse_link(path, target, "its target is too long", error);
	if (*target == '/')
		return refuse_link(path, target, "links must be relative", error);
	if (is_shared(path, target))
		return TRUE;
	int depth = 0;
	for (const char *p = path; *p; p++)
		depth += *p == '/';
	for (const char *p = target; *p;) {
		gsize n = strcspn(p, "/");
		if (n == 2 && p[0] == '.' && p[1] == '.')
			depth--;
		else if (n > 1 || (n == 1 && *p != '.'))
			depth++;
		if (depth < 0)
			return refuse_link(path, target, "it leaves the tree", error);
		p += n;
		p += strspn(p, "/");
	}
	return TRUE;
}

/* Puts the components of `text` in front of what is still to be walked (last one on top of the
 * array first). */
static void push_components(GPtrArray *todo, const char *text)
{
	g_auto(GStrv) parts = g_strsplit(text, "/", -1);
	for (guint i = g_strv_length(parts); i > 0; i--)
		g_ptr_array_add(todo, g_steal_pointer(&parts[i - 1]));
}

/* One step of a walk: FALSE if it leaves the tree. */
static gboolean walk_up(GString *here)
{
	if (here->len == 0)
		return FALSE;
	const char *slash = strrchr(here->str, '/');
	g_string_truncate(here, slash ? (gsize)(slash - here->str) : 0);
	return TRUE;
}

gboolean manifest_link_resolves(const Manifest *manifest, const ManifestEntry *link, GError **error)
{
	if (manifest_is_shared_link(link))
		return TRUE;
	g_autoptr(GPtrArray) todo = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GString) here = g_string_new(NULL);
	push_components(todo, link->path);
	guint hops = 0;
	while (todo->len > 0) {
		g_autofree char *part = g_ptr_array_steal_index(todo, todo->len - 1);
		if (!*part || strcmp(part, ".") == 0)
			continue;
		if (strcmp(part, "..") == 0) {
			if (!walk_up(here))
				return refuse_link(link->path, link->target,
						   "followed through other links it leaves the "
						   "tree",
						   error);
			continue;
		}
		gsize before = here->len;
		g_string_append_printf(here, "%s%s", here->len ? "/" : "", part);
		const ManifestEntry *at = manifest_find(manifest, here->str);
		if (!at || at->type != MANIFEST_LINK)
			continue;
		if (++hops > LINK_HOPS_MAX || here->len > 4 * MANIFEST_PATH_MAX)
			return refuse_link(link->path, link->target, "it runs in a circle of links",
					   error);
		g_string_truncate(here, before);
		push_components(todo, at->target);
	}
	return TRUE;
}
