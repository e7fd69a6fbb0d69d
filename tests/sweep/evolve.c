/* SPDX-License-Identifier: ISC */
/* What a release does to a tree. */
#include "sweep.h"

typedef struct {
	Tree *tree;
	const Tree *old_tree;
	GRand *rand;
	Shape shape;
	guint largest;
} Evolve;

static Node *random_node(const Evolve *evolve)
{
	GPtrArray *nodes = evolve->tree->nodes;
	return nodes->len > 0 ? g_ptr_array_index(nodes, pick(evolve->rand, nodes->len)) : NULL;
}

static void set_content(Node *node, Content *content) /* takes it */
{
	content_unref(node->content);
	node->content = content;
}

static const char *extension_of(const Node *node)
{
	const char *slash = strrchr(node->path, '/');
	const char *dot = strrchr(slash ? slash : node->path, '.');
	return dot ? dot : "";
}

/* The same node under another path, maybe with its content changed on the way. */
static void put_as(const Evolve *evolve, const Node *node, const char *path)
{
	Node copy = *node;
	g_autofree char *own_path = g_strdup(path);
	g_autoptr(Content) content = NULL;
	copy.path = own_path;
	if (node->content && one_in(evolve->rand, 3)) {
		content = content_edit(node->content, evolve->rand);
		copy.content = content;
	}
	(void)tree_put(evolve->tree, evolve->rand, &copy); /* the name may be taken */
}

static void edit_rename(const Evolve *evolve, const Node *node, gboolean keep)
{
	g_autofree char *path =
	    one_in(evolve->rand, 3)
		? g_strdup_printf("%s-%08x%s", node->path, g_rand_int(evolve->rand),
				  extension_of(node))
		: tree_new_path(evolve->tree, evolve->rand, evolve->shape, extension_of(node));
	g_autofree char *before = g_strdup(node->path);
	if (node->type == MANIFEST_DIR)
		return;
	put_as(evolve, node, path);
	if (!keep)
		tree_remove(evolve->tree, before);
}

/* A folder and all that is in it, to another place. */
static void edit_move_folder(const Evolve *evolve, const Node *folder)
{
	if (folder->type != MANIFEST_DIR)
		return;
	g_autofree char *from = g_strdup(folder->path);
	g_autofree char *to = tree_new_path(evolve->tree, evolve->rand, evolve->shape, "");
	gsize len = strlen(from);
	guint count = evolve->tree->nodes->len;
	if (strncmp(to, from, len) == 0) /* into itself */
		return;
	for (guint i = 0; i < count; i++) {
		const Node *node = g_ptr_array_index(evolve->tree->nodes, i);
		if (strncmp(node->path, from, len) != 0 || node->path[len] != '/')
			continue;
		g_autofree char *path = g_strconcat(to, node->path + len, NULL);
		put_as(evolve, node, path);
	}
	if (!one_in(evolve->rand, 4)) /* else it was copied */
		tree_remove(evolve->tree, from);
}

static void edit_swap(const Evolve *evolve, Node *node)
{
	Node *other = random_node(evolve);
	if (!node->content || !other->content)
		return;
	Content *content = node->content;
	node->content = other->content;
	other->content = content;
}

/* A file where a folder or link was, and so on. */
static void edit_type(const Evolve *evolve, const Node *node)
{
	g_autofree char *path = g_strdup(node->path);
	Node other = {.path = path, .type = MANIFEST_FILE};
	g_autoptr(Content) content = content_new_raw(evolve->rand, 10);
	g_autofree char *target = tree_new_target(evolve->tree, evolve->rand, path);
	if (node->type == MANIFEST_FILE)
		other.type = one_in(evolve->rand, 2) ? MANIFEST_DIR : MANIFEST_LINK;
	other.content = other.type == MANIFEST_FILE ? content : NULL;
	other.target = other.type == MANIFEST_LINK ? target : NULL;
	node_set_facts(&other, evolve->rand);
	tree_remove(evolve->tree, path);
	(void)tree_put(evolve->tree, evolve->rand, &other); /* there is room now */
}

static void edit_facts(const Evolve *evolve, Node *node)
{
	if (one_in(evolve->rand, 2))
		node_set_facts(node, evolve->rand);
	else if (node->type == MANIFEST_FILE)
		node->mode ^= 0111;
	if (node->type == MANIFEST_LINK) {
		g_free(node->target);
		node->target = tree_new_target(evolve->tree, evolve->rand, node->path);
	}
}

static void edit_content(const Evolve *evolve, Node *node)
{
	if (!node->content)
		return;
	set_content(node, content_edit(node->content, evolve->rand));
	if (one_in(evolve->rand, 2) && node->mtime_s < MANIFEST_MTIME_MAX)
		node->mtime_s++;
	if (one_in(evolve->rand, 20)) {
		g_autoptr(GByteArray) none = g_byte_array_new();
		set_content(node, content_from_bytes(g_byte_array_ref(none)));
	}
}

static void edit_once(const Evolve *evolve)
{
	Node *node = random_node(evolve);
	guint kind = pick(evolve->rand, 20);
	if (!node || kind < 3) {
		tree_put_new(evolve->tree, evolve->rand, evolve->shape, evolve->largest);
		return;
	}
	switch (kind) {
	case 3:
	case 4:
		tree_remove(evolve->tree, node->path);
		break;
	case 5:
	case 6:
		edit_rename(evolve, node, FALSE);
		break;
	case 7:
		edit_rename(evolve, node, TRUE);
		break;
	case 8:
		edit_move_folder(evolve, node);
		break;
	case 9:
		edit_swap(evolve, node);
		break;
	case 10:
		edit_type(evolve, node);
		break;
	case 11:
	case 12:
		edit_facts(evolve, node);
		break;
	default:
		edit_content(evolve, node);
	}
}

/* A web build: names get new hashes or versions, and what refers to them follows. */
static void rebuild(const Evolve *evolve)
{
	static const char *const tokens[][2] = {
	    {"a1b2c3d4", "0f1e2d3c"}, {"99ff00aa", "aa00ff99"}, {"1.2.3", "1.2.4"}};
	const char *const *token = tokens[pick(evolve->rand, G_N_ELEMENTS(tokens))];
	guint count = evolve->tree->nodes->len;
	for (guint i = 0; i < count; i++) {
		Node *node = g_ptr_array_index(evolve->tree->nodes, i);
		if (node->content)
			set_content(node, content_replace(node->content, token[0], token[1]));
	}
	for (guint i = count; i > 0; i--) {
		Node *node = g_ptr_array_index(evolve->tree->nodes, i - 1);
		const char *name = strrchr(node->path, '/');
		char *at = strstr(name ? name : node->path, token[0]);
		if (!at || node->type == MANIFEST_DIR)
			continue;
		g_autofree char *path = g_strdup(node->path);
		memcpy(path + (at - node->path), token[1], strlen(token[1]));
		if (tree_find(evolve->tree, path))
			continue;
		g_hash_table_remove(evolve->tree->by_path, node->path);
		g_free(node->path);
		node->path = g_steal_pointer(&path);
		g_hash_table_insert(evolve->tree->by_path, node->path, node);
	}
}

Tree *tree_evolve(const Tree *old_tree, GRand *rand, Shape shape, guint largest)
{
	if (shape == SHAPE_LARGE)
		shape = SHAPE_SMALL; /* one such file is enough */
	Evolve evolve = {tree_copy(old_tree), old_tree, rand, shape, largest};
	guint count = one_in(rand, 20) ? 0 : 1U << pick(rand, shape == SHAPE_MANY ? 9 : 5);
	if (one_in(rand, 5))
		rebuild(&evolve);
	for (guint i = 0; i < count; i++)
		edit_once(&evolve);
	if (!one_in(rand, 3)) /* what is often changed: all of a kind */
		for (guint i = 0; i < evolve.tree->nodes->len; i++) {
			Node *node = g_ptr_array_index(evolve.tree->nodes, i);
			if (node->type == MANIFEST_FILE && one_in(rand, 4))
				node->mtime_s = 1700100000;
		}
	tree_settle_links(evolve.tree);
	return evolve.tree;
}
