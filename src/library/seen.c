/* SPDX-License-Identifier: ISC */
/* Which source refs were dealt with: one blob of lines "OID NAME", sorted by name. */
#include <string.h>

#include "library/library-private.h"

#define SEEN "refs/seen/"
#define SEEN_NAME "refs"
#define SEEN_MAX ((gsize)256 * 1024 * 1024)
#define OID_LEN (REPO_OID - 1)

static gboolean line_parse(GHashTable *seen, const char *line, gsize len, GError **error)
{
	g_autofree char *oid = g_strndup(line, MIN(len, (gsize)OID_LEN));

	if (len < OID_LEN + 2 || line[OID_LEN] != ' ' || !util_oid_hex_ok(oid) ||
	    memchr(line, '\0', len))
		return util_error_set(error, TS_ERROR_CORRUPT, "line %u is damaged",
				      g_hash_table_size(seen) + 1);
	if (!g_hash_table_insert(seen, g_strndup(line + OID_LEN + 1, len - OID_LEN - 1),
				 g_steal_pointer(&oid)))
		return util_error_set(error, TS_ERROR_CORRUPT, "line %u is a repetition",
				      g_hash_table_size(seen) + 1);
	return TRUE;
}

static GHashTable *seen_parse(const char *text, gsize len, GError **error)
{
	g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);

	while (len > 0) {
		const char *end = memchr(text, '\n', len);

		if (!end) {
			(void)util_error_set(error, TS_ERROR_CORRUPT, "the last line is cut off");
			return NULL;
		}
		if (!line_parse(seen, text, (gsize)(end - text), error))
			return NULL;
		len -= (gsize)(end - text) + 1;
		text = end + 1;
	}
	return g_steal_pointer(&seen);
}

/* The commit that holds the map; an empty string if there is none. */
static gboolean seen_head(Library *library, const char *app, char ret_oid[REPO_OID], GError **error)
{
	g_autofree char *ref = g_strconcat(SEEN, app, NULL);
	g_autoptr(GError) local = NULL;

	if (!util_name_check("app", app, error))
		return FALSE;
	if (repo_ref_get(library->repo, ref, ret_oid, &local))
		return TRUE;
	*ret_oid = '\0';
	if (g_error_matches(local, TS_ERROR, TS_ERROR_NOT_FOUND))
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&local));
	return FALSE;
}

GHashTable *library_seen(Library *library, const char *app, GError **error)
{
	g_autoptr(GBytes) bytes = NULL;
	GHashTable *seen;
	char head[REPO_OID], oid[REPO_OID];
	const char *text;
	gsize len = 0;

	if (!seen_head(library, app, head, error) || !*head)
		return NULL;
	if (!repo_tree_lookup(library->repo, head, SEEN_NAME, oid, error))
		return NULL;
	bytes = repo_object_read(library->repo, oid, SEEN_MAX, NULL, error);
	if (!bytes)
		return NULL;
	text = g_bytes_get_data(bytes, &len);
	seen = seen_parse(text, len, error);
	if (!seen)
		g_prefix_error(error, "what was seen of %s: ", app);
	return seen;
}

static int name_compare(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static gboolean seen_format(GHashTable *seen, GString *text, GError **error)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new();
	GHashTableIter iter;
	gpointer key;

	g_hash_table_iter_init(&iter, seen);
	while (g_hash_table_iter_next(&iter, &key, NULL))
		g_ptr_array_add(names, key);
	g_ptr_array_sort(names, name_compare);
	for (guint i = 0; i < names->len; i++) {
		const char *name = g_ptr_array_index(names, i);
		const char *oid = g_hash_table_lookup(seen, name);

		if (!*name || strchr(name, '\n') || !util_oid_hex_ok(oid))
			return util_error_set(error, TS_ERROR_USAGE, "'%s' is no ref with its id",
					      name);
		g_string_append_printf(text, "%s %s\n", oid, name);
	}
	return TRUE;
}

gboolean library_seen_set(Library *library, const char *app, GHashTable *seen, gint64 now_utc,
			  GError **error)
{
	g_autofree char *ref = g_strconcat(SEEN, app, NULL);
	g_autofree char *message = NULL;
	g_autoptr(GString) text = g_string_new(NULL);
	RepoTreeEntry entry = {.name = SEEN_NAME, .mode = 0100644};
	char head[REPO_OID], tree[REPO_OID], now[REPO_OID], oid[REPO_OID];
	RepoCommitSpec spec = {.tree = tree, .author = LIBRARY_AUTHOR, .time_utc = now_utc};

	if (!seen_head(library, app, head, error) || !seen_format(seen, text, error) ||
	    !repo_blob_write(library->repo, text->str, text->len, entry.oid, error) ||
	    !repo_tree_write(library->repo, &entry, 1, tree, error))
		return FALSE;
	if (*head) {
		if (!repo_tree_lookup(library->repo, head, "", now, error))
			return FALSE;
		if (g_str_equal(now, tree))
			return TRUE;
	}
	message = g_strdup_printf("%s: %u refs seen\n", app, g_hash_table_size(seen));
	spec.message = message;
	/* no parent: what was seen before is of no use to anybody */
	return repo_commit_write(library->repo, &spec, oid, error) &&
	       repo_ref_set(library->repo, ref, oid, *head ? head : REPO_ZERO, error);
}
