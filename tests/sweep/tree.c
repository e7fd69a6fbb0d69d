/* SPDX-License-Identifier: ISC */
/* Trees in memory, and new ones of every shape. */
#include "sweep.h"

#define TIME 1700000000
#define NOWHERE "no\x01where" /* nothing has this name */
#define MIB (1024U * 1024)

static void node_free(gpointer data)
{
	Node *node = data;
	g_free(node->path);
	g_free(node->target);
	if (node->content)
		content_unref(node->content);
	g_free(node);
}

static Node *node_copy(const Node *node)
{
	Node *copy = g_memdup2(node, sizeof *node);
	copy->path = g_strdup(node->path);
	copy->target = g_strdup(node->target);
	if (node->content)
		copy->content = content_ref(node->content);
	return copy;
}

static Tree *tree_empty(void)
{
	Tree *tree = g_new(Tree, 1);
	tree->nodes = g_ptr_array_new_with_free_func(node_free);
	tree->by_path = g_hash_table_new(g_str_hash, g_str_equal);
	return tree;
}

void tree_free(Tree *tree)
{
	if (!tree)
		return;
	g_hash_table_unref(tree->by_path);
	g_ptr_array_unref(tree->nodes);
	g_free(tree);
}

const Node *tree_find(const Tree *tree, const char *path)
{
	return g_hash_table_lookup(tree->by_path, path);
}

guint64 tree_bytes(const Tree *tree)
{
	guint64 bytes = 0;
	for (guint i = 0; i < tree->nodes->len; i++) {
		const Node *node = g_ptr_array_index(tree->nodes, i);
		bytes += node->content ? node->content->bytes->len : 0;
	}
	return bytes;
}

static void insert(Tree *tree, Node *node)
{
	g_ptr_array_add(tree->nodes, node);
	g_hash_table_insert(tree->by_path, node->path, node);
}

/* Mostly as a build leaves them. */
void node_set_facts(Node *node, GRand *rand)
{
	static const mode_t modes[] = {0600, 0400, 0444, 0664, 0700, 0711, 0545, 0775};
	static const gint64 times[] = {0,
				       -1,
				       -86400,
				       1,
				       MANIFEST_MTIME_MIN,
				       MANIFEST_MTIME_MAX,
				       G_MAXINT32,
				       (gint64)G_MAXINT32 + 1,
				       G_MAXUINT32};
	node->mode = node->type == MANIFEST_DIR || one_in(rand, 5) ? 0755 : 0644;
	if (one_in(rand, 12))
		node->mode = node->type == MANIFEST_DIR ? (one_in(rand, 2) ? 0700 : 0775)
							: modes[pick(rand, G_N_ELEMENTS(modes))];
	node->mtime_s = TIME + (one_in(rand, 4) ? pick(rand, 100000) : 0);
	node->mtime_ns = one_in(rand, 4) ? pick(rand, 1000000000) : 0;
	if (!one_in(rand, 20))
		return;
	node->mtime_s = times[pick(rand, G_N_ELEMENTS(times))];
	node->mtime_ns = 0; /* the kernel cuts it at the ends of what a file system holds */
}

gboolean tree_put(Tree *tree, GRand *rand, const Node *node)
{
	if (tree_find(tree, node->path) || !manifest_path_check(node->path, NULL))
		return FALSE;
	for (const char *p = strchr(node->path, '/'); p; p = strchr(p + 1, '/')) {
		g_autofree char *parent = g_strndup(node->path, (gsize)(p - node->path));
		const Node *there = tree_find(tree, parent);
		if (there && there->type != MANIFEST_DIR)
			return FALSE;
		if (there)
			continue;
		Node *made = g_new0(Node, 1);
		made->path = g_steal_pointer(&parent);
		made->type = MANIFEST_DIR;
		node_set_facts(made, rand);
		insert(tree, made);
	}
	insert(tree, node_copy(node));
	return TRUE;
}

void tree_remove(Tree *tree, const char *path)
{
	gsize len = strlen(path);
	g_autofree char *gone = g_strdup(path); /* it may be the node's own */
	for (guint i = tree->nodes->len; i > 0; i--) {
		const Node *node = g_ptr_array_index(tree->nodes, i - 1);
		if (strncmp(node->path, gone, len) != 0 ||
		    (node->path[len] != '\0' && node->path[len] != '/'))
			continue;
		g_hash_table_remove(tree->by_path, node->path);
		g_ptr_array_remove_index(tree->nodes, i - 1);
	}
}

static int compare_nodes(gconstpointer a, gconstpointer b)
{
	return strcmp((*(const Node *const *)a)->path, (*(const Node *const *)b)->path);
}

void tree_sort(Tree *tree)
{
	g_ptr_array_sort(tree->nodes, compare_nodes);
}

/* ---- names ---- */

static char *odd_component(GRand *rand)
{
	static const char *const odd[] = {"...",
					  "..a",
					  " ",
					  "-rf",
					  "header",
					  "changes",
					  "contents-1",
					  ".tmp-a1b2c3",
					  "%00",
					  "\n",
					  ".tagship-bundle.",
					  "PaxHeaders",
					  "\xff",
					  ".git",
					  "a\\b",
					  "*?[",
					  "$(x)",
					  "\x7f",
					  "LF\n",
					  "tab\t",
					  ".tmp-",
					  "\xc3\xa4",
					  "a\xcc\x88",
					  "CON"};
	if (one_in(rand, 3))
		return g_strdup(odd[pick(rand, G_N_ELEMENTS(odd))]);
	gsize len = one_in(rand, 4) ? 255 - pick(rand, 3) : 1 + pick(rand, 24);
	char *name = g_malloc0(len + 1);
	for (gsize i = 0; i < len; i++) {
		guint byte = 1 + pick(rand, 255);
		name[i] = byte == '/' ? '_' : (char)byte;
	}
	return name;
}

static char *usual_component(GRand *rand, const char *extension)
{
	static const char *const stems[] = {"index", "app",    "vendor", "core", "main",
					    "chunk", "locale", "icons",  "a",    "README"};
	static const char *const tokens[] = {"a1b2c3d4", "99ff00aa", "1.2.3", "1.2.4", "10.0.0"};
	const char *stem = stems[pick(rand, G_N_ELEMENTS(stems))];
	if (one_in(rand, 2))
		return g_strdup_printf("%s%s", stem, extension);
	if (one_in(rand, 3))
		return g_strdup_printf("%s-%08x%s", stem, g_rand_int(rand), extension);
	return g_strdup_printf("%s-%s%s", stem, tokens[pick(rand, G_N_ELEMENTS(tokens))],
			       extension);
}

static char *random_folder(const Tree *tree, GRand *rand, Shape shape)
{
	static const char *const folders[] = {"assets", "static/js", "lib", "lib/plugins/x",
					      "dist"};
	if (tree->nodes->len > 0 && !one_in(rand, 3)) {
		const Node *node = g_ptr_array_index(tree->nodes, pick(rand, tree->nodes->len));
		if (node->type == MANIFEST_DIR)
			return g_strdup(node->path);
		const char *slash = strrchr(node->path, '/');
		return slash ? g_strndup(node->path, (gsize)(slash - node->path)) : NULL;
	}
	if (shape == SHAPE_NAMES && one_in(rand, 2)) {
		g_autoptr(GString) deep = g_string_new(NULL);
		for (guint i = 1U << pick(rand, 8); i > 0; i--)
			g_string_append_printf(deep, "%s%u", deep->len ? "/" : "", pick(rand, 3));
		return g_string_free(g_steal_pointer(&deep), FALSE);
	}
	return one_in(rand, 3) ? NULL : g_strdup(folders[pick(rand, G_N_ELEMENTS(folders))]);
}

/* As long as a path may be, in many short components or in few long ones. */
static char *longest_path(GRand *rand)
{
	GString *path = g_string_new("deep");
	gboolean shallow = !one_in(rand, 40); /* else it takes long */
	gsize len = MANIFEST_PATH_MAX - pick(rand, 40);
	while (path->len + 2 < len) {
		g_autofree char *name = shallow ? odd_component(rand) : g_strdup("d");
		g_string_append_c(path, '/');
		g_string_append_len(path, name, (gssize)MIN(strlen(name), len - path->len));
	}
	return g_string_free(path, FALSE);
}

char *tree_new_path(const Tree *tree, GRand *rand, Shape shape, const char *extension)
{
	if (shape == SHAPE_NAMES && one_in(rand, 60))
		return longest_path(rand);
	g_autofree char *folder = random_folder(tree, rand, shape);
	g_autofree char *name = shape == SHAPE_NAMES || one_in(rand, 40)
				    ? odd_component(rand)
				    : usual_component(rand, extension);
	return folder ? g_strdup_printf("%s/%s", folder, name) : g_steal_pointer(&name);
}

/* ---- links ---- */

/* To some entry, or to nothing; never above the top. */
char *tree_new_target(const Tree *tree, GRand *rand, const char *path)
{
	const Node *node = tree->nodes->len > 0 && !one_in(rand, 4)
			       ? g_ptr_array_index(tree->nodes, pick(rand, tree->nodes->len))
			       : NULL;
	GString *target = g_string_new(one_in(rand, 10) ? "./" : NULL);
	for (const char *p = node ? path : ""; *p; p++)
		if (*p == '/')
			g_string_append(target, "../");
	if (node)
		g_string_append(target, node->path);
	else if (one_in(rand, 10))
		g_string_append_printf(target, "%0*d", 1000 + (int)pick(rand, 2900), 0);
	else
		g_string_append_printf(target, NOWHERE "%u/\xff", pick(rand, 9));
	if (one_in(rand, 10))
		g_string_append(target, one_in(rand, 2) ? "/." : "//");
	return g_string_free(target, FALSE);
}

/* The path a target names, or NULL if it leaves the tree. It has ".." only at its beginning. */
static char *target_path(const char *path, const char *target)
{
	g_autoptr(GString) here = g_string_new(path);
	g_auto(GStrv) parts = g_strsplit(target, "/", -1);
	const char *slash = strrchr(here->str, '/');
	g_string_truncate(here, slash ? (gsize)(slash - here->str) : 0);
	for (char **part = parts; *part; part++) {
		if (!**part || strcmp(*part, ".") == 0)
			continue;
		if (strcmp(*part, "..") != 0) {
			g_string_append_printf(here, "%s%s", here->len ? "/" : "", *part);
			continue;
		}
		if (here->len == 0)
			return NULL;
		slash = strrchr(here->str, '/');
		g_string_truncate(here, slash ? (gsize)(slash - here->str) : 0);
	}
	return g_string_free(g_steal_pointer(&here), FALSE);
}

/* Links may lead to links before them in order, and never through one: no circles. */
static gboolean link_is_good(const Tree *tree, const Node *link)
{
	g_autofree char *path = target_path(link->path, link->target);
	if (!path || !manifest_link_check(link->path, link->target, NULL))
		return FALSE;
	for (char *p = strchr(path, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		const Node *through = tree_find(tree, path);
		*p = '/';
		if (through && through->type == MANIFEST_LINK)
			return FALSE;
	}
	const Node *to = tree_find(tree, path);
	return !to || to->type != MANIFEST_LINK || strcmp(to->path, link->path) < 0;
}

void tree_settle_links(Tree *tree)
{
	for (guint i = 0; i < tree->nodes->len; i++) {
		Node *node = g_ptr_array_index(tree->nodes, i);
		if (node->type != MANIFEST_LINK || link_is_good(tree, node))
			continue;
		g_free(node->target);
		node->target = g_strdup(NOWHERE);
	}
}

/* ---- new trees ---- */

static Content *random_content(GRand *rand, Shape shape, guint largest)
{
	guint size;
	switch (shape) {
	case SHAPE_MANY:
		return content_new_raw(rand, 7);
	case SHAPE_MEDIUM:
		return one_in(rand, 3) ? content_new_large(rand, pick(rand, MIN(4 * MIB, largest)))
				       : content_new_raw(rand, 17);
	case SHAPE_LARGE:
		size = (1U << (23 + pick(rand, 5))) + pick(rand, 1U << 23);
		if (one_in(rand, 6))
			size = 300 * MIB - pick(rand, 2 * MIB);
		return content_new_large(rand, MIN(size, largest));
	case SHAPE_ARCHIVES:
		return archive_new(rand, pick(rand, 5));
	case SHAPE_SMALL:
	case SHAPE_NAMES:
	case SHAPES:
		break;
	}
	return one_in(rand, 8) ? archive_new(rand, pick(rand, 3)) : content_new_raw(rand, 13);
}

static const char *random_extension(GRand *rand, const Content *content)
{
	static const char *const raw[] = {".js", ".css", ".js.map", ".wasm", "", ".txt"};
	static const char *const archives[][3] = {
	    {".jar", ".zip", ".war"}, {".gz", ".tgz", ".svgz"}, {".tar", ".tar", ""}};
	if (content->kind == CONTENT_RAW || one_in(rand, 10))
		return raw[pick(rand, G_N_ELEMENTS(raw))];
	return archives[content->kind - 1][pick(rand, 3)];
}

void tree_put_new(Tree *tree, GRand *rand, Shape shape, guint largest)
{
	Node node = {.type = MANIFEST_FILE};
	guint kind = pick(rand, 12);
	g_autoptr(Content) content = NULL;
	if (kind > 1) {
		content = random_content(rand, shape, largest);
		node.content = content;
	} else {
		node.type = kind == 0 ? MANIFEST_DIR : MANIFEST_LINK;
	}
	g_autofree char *path =
	    tree_new_path(tree, rand, shape, content ? random_extension(rand, content) : "");
	g_autofree char *target =
	    node.type == MANIFEST_LINK ? tree_new_target(tree, rand, path) : NULL;
	node.path = path;
	node.target = target;
	node_set_facts(&node, rand);
	(void)tree_put(tree, rand, &node); /* the name may be taken */
}

Tree *tree_new(GRand *rand, Shape shape, guint largest)
{
	static const guint counts[SHAPES] = {20, 6, 24, 1500, 8, 4};
	Tree *tree = tree_empty();
	guint count = 1 + pick(rand, counts[shape]);
	if (one_in(rand, 30))
		return tree; /* nothing at all */
	if (shape == SHAPE_LARGE) {
		g_autoptr(Content) content = random_content(rand, SHAPE_LARGE, largest);
		char path[] = "large";
		Node node = {.type = MANIFEST_FILE, .path = path, .content = content};
		node_set_facts(&node, rand);
		(void)tree_put(tree, rand, &node); /* the first one fits */
		shape = SHAPE_SMALL;
	}
	for (guint i = 0; i < count; i++)
		tree_put_new(tree, rand, shape, largest);
	tree_settle_links(tree);
	return tree;
}

Tree *tree_copy(const Tree *tree)
{
	Tree *copy = tree_empty();
	for (guint i = 0; i < tree->nodes->len; i++)
		insert(copy, node_copy(g_ptr_array_index(tree->nodes, i)));
	return copy;
}
