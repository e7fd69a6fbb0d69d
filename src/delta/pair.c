/* SPDX-License-Identifier: ISC */
/*
 * Which old file a new one most likely comes from, by name: hashed names of web builds
 * (app.3f2a1b.js), versions in names (core-2.42.0.jar), moved folders.
 */
#include "delta/delta-private.h"

#define HASH_LETTERS 8 /* a word this long at the end of a name may be a hash without digits */

gsize delta_shared_start(const char *a, const char *b)
{
	gsize n = 0;
	while (a[n] && a[n] == b[n])
		n++;
	return n;
}

const char *delta_extension(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	const char *dot = strrchr(name, '.');
	return dot && dot != name ? dot : "";
}

/* The name with everything that varies from release to release as '#'. */
static void append_pattern(GString *key, const char *text)
{
	const char *extension = delta_extension(text);
	const char *stop = *extension ? extension : text + strlen(text);
	for (const char *p = text; *p;) {
		gsize n = 0;
		gboolean digits = FALSE;
		while (g_ascii_isalnum(p[n])) {
			digits = digits || g_ascii_isdigit(p[n]);
			n++;
		}
		gboolean last = p + n == stop && n >= HASH_LETTERS;
		if (n == 0)
			g_string_append_c(key, *p++);
		else if (digits || last)
			g_string_append_c(key, '#');
		else
			g_string_append_len(key, p, (gssize)n);
		p += n;
	}
}

typedef char *(*KeyOf)(const char *path);

static char *key_of_path(const char *path)
{
	GString *key = g_string_new(NULL);
	append_pattern(key, path);
	return g_string_free(key, FALSE);
}

static char *key_of_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return key_of_path(slash ? slash + 1 : path);
}

static char *key_of_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	gsize folder = slash ? (gsize)(slash - path) + 1 : 0;
	GString *key = g_string_new_len(path, (gssize)folder);
	g_string_append(key, delta_extension(path));
	return g_string_free(key, FALSE);
}

/* One side of a pairing: a key and who has it. */
typedef struct {
	char *key;
	const char *path;
	guint64 size;
	guint index;
	gboolean taken;
} Named;

static void named_clear(gpointer item)
{
	g_free(((Named *)item)->key);
}

static gint named_compare(gconstpointer a, gconstpointer b)
{
	const Named *x = a;
	const Named *y = b;
	int order = strcmp(x->key, y->key);
	return order ? order : strcmp(x->path, y->path);
}

static GArray *named_new(void)
{
	GArray *list = g_array_new(FALSE, TRUE, sizeof(Named));
	g_array_set_clear_func(list, named_clear);
	return list;
}

static void named_add(GArray *list, KeyOf key_of, const DeltaEntry *entry, guint index)
{
	Named named = {
	    .key = key_of(entry->path), .path = entry->path, .size = entry->size, .index = index};
	g_array_append_val(list, named);
}

static guint64 size_gap(const Named *a, const Named *b)
{
	return a->size > b->size ? a->size - b->size : b->size - a->size;
}

#define NEIGHBOURS 64

/* Of the old ones around `at` in the same key's range, the one whose path starts most alike, then
 * the one nearest in size. */
static Named *nearest_old(GArray *olds, guint from, guint to, guint at, const Named *wanted)
{
	Named *best = NULL;
	gsize best_shared = 0;
	guint low = at > from + NEIGHBOURS ? at - NEIGHBOURS : from;
	guint high = MIN(to, at + NEIGHBOURS);
	for (guint i = low; i < high; i++) {
		Named *old = &g_array_index(olds, Named, i);
		if (old->taken)
			continue;
		gsize shared = delta_shared_start(old->path, wanted->path);
		if (!best || shared > best_shared ||
		    (shared == best_shared && size_gap(old, wanted) < size_gap(best, wanted))) {
			best = old;
			best_shared = shared;
		}
	}
	return best;
}

/* Pairs within one key: news[n0..n1) with olds[o0..o1), both sorted by path. */
static void pair_range(DeltaChanges *changes, const GArray *news, guint n0, guint n1, GArray *olds,
		       guint o0, guint o1)
{
	guint at = o0;
	for (guint n = n0; n < n1; n++) {
		const Named *wanted = &g_array_index(news, Named, n);
		while (at < o1 && strcmp(g_array_index(olds, Named, at).path, wanted->path) < 0)
			at++;
		Named *old = nearest_old(olds, o0, o1, at, wanted);
		if (!old)
			continue;
		old->taken = TRUE;
		delta_changes_item(changes, wanted->index)->basis = old->index;
	}
}

static guint key_end(const GArray *list, guint start)
{
	guint end = start + 1;
	const char *key = g_array_index(list, Named, start).key;
	while (end < list->len && strcmp(g_array_index(list, Named, end).key, key) == 0)
		end++;
	return end;
}

/* Joins the two sorted lists on their keys. */
static void pair_lists(DeltaChanges *changes, GArray *news, GArray *olds)
{
	g_array_sort(news, named_compare);
	g_array_sort(olds, named_compare);
	guint o = 0;
	for (guint n = 0; n < news->len && o < olds->len;) {
		int order =
		    strcmp(g_array_index(news, Named, n).key, g_array_index(olds, Named, o).key);
		if (order < 0) {
			n = key_end(news, n);
		} else if (order > 0) {
			o = key_end(olds, o);
		} else {
			guint n1 = key_end(news, n);
			guint o1 = key_end(olds, o);
			pair_range(changes, news, n, n1, olds, o, o1);
			n = n1;
			o = o1;
		}
	}
}

void delta_pair(DeltaChanges *changes, guint first, const DeltaTree *old_tree,
		const GArray *candidates)
{
	static const KeyOf passes[] = {key_of_path, key_of_name, key_of_folder};
	g_autofree guint8 *taken = g_malloc0((gsize)old_tree->count + old_tree->parts + 1);
	for (guint pass = 0; pass < G_N_ELEMENTS(passes); pass++) {
		g_autoptr(GArray) news = named_new();
		g_autoptr(GArray) olds = named_new();
		for (guint i = first; i < changes->items->len; i++) {
			const DeltaItem *item = delta_changes_item(changes, i);
			if (item->entry.type == DELTA_FILE && item->basis == DELTA_NONE &&
			    (item->source == DELTA_NEW || item->source == DELTA_TOGETHER))
				named_add(news, passes[pass], &item->entry, i);
		}
		for (guint i = 0; i < candidates->len; i++) {
			guint index = g_array_index(candidates, guint, i);
			if (!taken[index])
				named_add(olds, passes[pass], &old_tree->entries[index], index);
		}
		pair_lists(changes, news, olds);
		for (guint i = 0; i < olds->len; i++)
			if (g_array_index(olds, Named, i).taken)
				taken[g_array_index(olds, Named, i).index] = 1;
	}
}
