/* SPDX-License-Identifier: ISC */
#include "delta/delta.h"

#define MEMORY ((guint64)64 * 1024 * 1024)
#define NOW 2000
#define BEFORE 1000

/* A tree told in lines. Contents are numbers: equal numbers, equal content. */
typedef struct {
	DeltaTree tree;
	GArray *entries;
	GStringChunk *strings;
} Tree;

static void tree_init(Tree *tree)
{
	tree->entries = g_array_new(FALSE, TRUE, sizeof(DeltaEntry));
	tree->strings = g_string_chunk_new(1024);
}

static void tree_clear(Tree *tree)
{
	g_array_unref(tree->entries);
	g_string_chunk_free(tree->strings);
}

static gint by_path(gconstpointer a, gconstpointer b)
{
	return strcmp(((const DeltaEntry *)a)->path, ((const DeltaEntry *)b)->path);
}

static void tree_seal(Tree *tree)
{
	g_array_sort(tree->entries, by_path);
	tree->tree = (DeltaTree){.entries = (const DeltaEntry *)(void *)tree->entries->data,
				 .count = tree->entries->len};
}

static void add_file(Tree *tree, const char *path, guint content, guint64 size, guint16 mode,
		     gint64 mtime_s)
{
	/* strings may hold no NUL: a digest of non-zero bytes */
	char digest[UTIL_SHA256_BYTES + 1];
	g_snprintf(digest, sizeof digest, "%032u", content);
	DeltaEntry entry = {.path = g_string_chunk_insert(tree->strings, path),
			    .sha256 = (guint8 *)g_string_chunk_insert_const(tree->strings, digest),
			    .size = size,
			    .mtime_s = mtime_s,
			    .mode = mode,
			    .type = DELTA_FILE};
	g_array_append_val(tree->entries, entry);
}

static void add_other(Tree *tree, DeltaType type, const char *path, const char *target,
		      gint64 mtime_s)
{
	DeltaEntry entry = {.path = g_string_chunk_insert(tree->strings, path),
			    .target = target ? g_string_chunk_insert(tree->strings, target) : NULL,
			    .mtime_s = mtime_s,
			    .mode = type == DELTA_DIR ? 0755 : 0777,
			    .type = type};
	g_array_append_val(tree->entries, entry);
}

static const DeltaItem *find_item(const DeltaChanges *changes, const char *path)
{
	for (guint i = 0; i < changes->items->len; i++)
		if (strcmp(delta_changes_item(changes, i)->entry.path, path) == 0)
			return delta_changes_item(changes, i);
	g_error("%s is not there", path);
}

static const char *basis_of(const DeltaChanges *changes, const DeltaTree *old_tree,
			    const char *path)
{
	guint basis = find_item(changes, path)->basis;
	return basis == DELTA_NONE ? NULL : old_tree->entries[basis].path;
}

static void assert_same_item(const DeltaItem *a, const DeltaItem *b)
{
	g_assert_cmpstr(a->entry.path, ==, b->entry.path);
	g_assert_cmpstr(a->entry.target, ==, b->entry.target);
	g_assert_cmpuint(a->entry.size, ==, b->entry.size);
	g_assert_cmpint(a->entry.mtime_s, ==, b->entry.mtime_s);
	g_assert_cmpint(a->entry.mode, ==, b->entry.mode);
	g_assert_cmpint(a->entry.type, ==, b->entry.type);
	g_assert_cmpint(a->source, ==, b->source);
	g_assert_cmpuint(a->from, ==, b->from);
	g_assert_cmpuint(a->basis, ==, b->basis);
}

static void assert_same_plan(const DeltaChanges *a, const DeltaChanges *b)
{
	g_assert_cmpmem(a->order->data, a->order->len * sizeof(guint), b->order->data,
			b->order->len * sizeof(guint));
	g_assert_cmpuint(a->segments->len, ==, b->segments->len);
	for (guint i = 0; i < a->segments->len; i++) {
		const DeltaSegment *x = &g_array_index(a->segments, DeltaSegment, i);
		const DeltaSegment *y = &g_array_index(b->segments, DeltaSegment, i);
		g_assert_cmpuint(x->codec, ==, y->codec);
		g_assert_cmpuint(x->props, ==, y->props);
		g_assert_cmpuint(x->flags, ==, y->flags);
		g_assert_cmpuint(x->bytes, ==, y->bytes);
		g_assert_cmpuint(x->ref_bytes, ==, y->ref_bytes);
		g_assert_cmpuint(x->first_ref, ==, y->first_ref);
		g_assert_cmpuint(x->n_refs, ==, y->n_refs);
		g_assert_cmpuint(x->n_listed, ==, y->n_listed);
	}
	g_assert_cmpuint(a->refs->len, ==, b->refs->len);
	for (guint i = 0; i < a->refs->len; i++) {
		const DeltaRef *x = &g_array_index(a->refs, DeltaRef, i);
		const DeltaRef *y = &g_array_index(b->refs, DeltaRef, i);
		g_assert_cmpuint(x->old_index, ==, y->old_index);
		g_assert_cmpuint(x->offset, ==, y->offset);
		g_assert_cmpuint(x->length, ==, y->length);
	}
}

/* What was read back is what was written, and rebuilds the new tree. Returns the coded size. */
static gsize assert_round_trip(const DeltaChanges *changes, const DeltaTree *old_tree,
			       const DeltaTree *new_tree)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GByteArray) coded = delta_changes_encode(changes, old_tree, &error);
	g_assert_no_error(error);
	g_autoptr(DeltaChanges) back =
	    delta_changes_decode(coded->data, coded->len, old_tree, MEMORY, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(back->items->len, ==, new_tree->count);
	for (guint i = 0; i < back->items->len; i++) {
		assert_same_item(delta_changes_item(back, i), delta_changes_item(changes, i));
		DeltaEntry entry = delta_changes_item(back, i)->entry;
		g_assert_cmpstr(entry.path, ==, new_tree->entries[i].path);
		g_assert_cmpuint(entry.size, ==, new_tree->entries[i].size);
		g_assert_cmpint(entry.mtime_s, ==, new_tree->entries[i].mtime_s);
		g_assert_cmpint(entry.mode, ==, new_tree->entries[i].mode);
	}
	g_assert_cmpmem(back->deleted->data, back->deleted->len * sizeof(guint),
			changes->deleted->data, changes->deleted->len * sizeof(guint));
	assert_same_plan(changes, back);
	g_assert_cmpuint(back->content_bytes, ==, changes->content_bytes);
	g_assert_cmpuint(back->list_bytes, <=, delta_changes_list_bytes(changes, old_tree));
	return coded->len;
}

static void plan(DeltaChanges *changes, const DeltaTree *old_tree)
{
	g_autoptr(GError) error = NULL;
	DeltaLimits limits = {.decode_bytes = 100 << 20, .encode_bytes = 1100 << 20};
	delta_plan(changes, old_tree, &limits, &error);
	g_assert_no_error(error);
}

/* One of everything. */
static void fill_pair(Tree *old, Tree *now)
{
	tree_init(old);
	tree_init(now);
	add_file(old, "kept", 1, 10, 0644, BEFORE);
	add_file(now, "kept", 1, 10, 0644, BEFORE);
	add_file(old, "touched", 2, 10, 0644, BEFORE);
	add_file(now, "touched", 2, 10, 0644, NOW);
	add_file(old, "mode", 3, 10, 0644, BEFORE);
	add_file(now, "mode", 3, 10, 0755, BEFORE);
	add_file(old, "changed", 4, 10, 0755, BEFORE);
	add_file(now, "changed", 5, 17, 0644, NOW);
	add_file(old, "changed-time-kept", 6, 10, 0644, BEFORE);
	add_file(now, "changed-time-kept", 7, 10, 0644, BEFORE);
	add_file(old, "renamed", 8, 30, 0644, BEFORE);
	add_file(now, "renamed-to", 8, 30, 0644, BEFORE);
	add_file(now, "duplicate", 1, 10, 0755, NOW);
	add_file(old, "overwritten", 9, 10, 0644, BEFORE);
	add_file(now, "overwritten", 1, 10, 0644, NOW);
	add_file(now, "added", 10, 44, 0644, NOW);
	add_file(now, "twin", 10, 44, 0755, 7777);
	add_file(old, "z-twin", 90, 5, 0644, BEFORE);
	add_file(now, "z-twin", 10, 44, 0644, NOW);
	add_file(old, "deleted", 11, 10, 0644, BEFORE);
	add_file(now, "empty", 12, 0, 0644, NOW);
	add_other(old, DELTA_DIR, "d", NULL, BEFORE);
	add_other(now, DELTA_DIR, "d", NULL, BEFORE);
	add_other(old, DELTA_DIR, "d-touched", NULL, BEFORE);
	add_other(now, DELTA_DIR, "d-touched", NULL, -5);
	add_other(now, DELTA_DIR, "d-new", NULL, NOW);
	add_other(old, DELTA_LINK, "l", "kept", BEFORE);
	add_other(now, DELTA_LINK, "l", "added", NOW);
	add_other(old, DELTA_LINK, "l-touched", "kept", BEFORE);
	add_other(now, DELTA_LINK, "l-touched", "kept", NOW);
	add_other(now, DELTA_LINK, "l-new", "x\xff\n", BEFORE);
	add_file(old, "was-file", 13, 10, 0644, BEFORE);
	add_other(now, DELTA_DIR, "was-file", NULL, NOW);
	add_other(old, DELTA_DIR, "was-dir", NULL, BEFORE);
	add_file(now, "was-dir", 14, 10, 0644, NOW);
	tree_seal(old);
	tree_seal(now);
}

static void test_diff(void)
{
	Tree old;
	Tree now;
	fill_pair(&old, &now);
	g_autoptr(DeltaChanges) changes = delta_diff(&old.tree, &now.tree);
	static const struct {
		const char *path;
		DeltaSource source;
		const char *from; /* old path */
	} rows[] = {
	    {"kept", DELTA_KEPT, "kept"},
	    {"touched", DELTA_COPIED, "touched"},
	    {"mode", DELTA_COPIED, "mode"},
	    {"changed", DELTA_NEW, NULL},
	    {"changed-time-kept", DELTA_NEW, NULL},
	    {"renamed-to", DELTA_COPIED, "renamed"},
	    {"duplicate", DELTA_COPIED, "kept"},
	    {"overwritten", DELTA_COPIED, "kept"},
	    {"added", DELTA_TWIN, NULL},
	    {"twin", DELTA_TWIN, NULL},
	    {"z-twin", DELTA_NEW, NULL}, /* it has an old counterpart: the others are its twins */
	    {"empty", DELTA_NEW, NULL},
	    {"was-dir", DELTA_NEW, NULL},
	};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		const DeltaItem *item = find_item(changes, rows[i].path);
		if (item->source != rows[i].source)
			g_error("%s: source %d", rows[i].path, item->source);
		if (rows[i].from)
			g_assert_cmpstr(old.tree.entries[item->from].path, ==, rows[i].from);
	}
	g_assert_cmpuint(changes->content_bytes, ==, 17 + 10 + 44 + 10);
	g_assert_cmpint(changes->default_mtime_s, ==, NOW);
	guint n_deleted = changes->deleted->len;
	g_assert_cmpuint(n_deleted, ==, 4);
	plan(changes, &old.tree);
	assert_round_trip(changes, &old.tree, &now.tree);
	tree_clear(&old);
	tree_clear(&now);
}

/* From nothing, to nothing, and no change at all. */
static void test_diff_extremes(void)
{
	Tree old;
	Tree now;
	fill_pair(&old, &now);
	static const DeltaTree nothing = {0};
	g_autoptr(DeltaChanges) first = delta_diff(&nothing, &now.tree);
	plan(first, &nothing);
	assert_round_trip(first, &nothing, &now.tree);
	g_autoptr(DeltaChanges) last = delta_diff(&old.tree, &nothing);
	plan(last, &old.tree);
	assert_round_trip(last, &old.tree, &nothing);
	g_assert_cmpuint(last->deleted->len, ==, old.tree.count);
	g_autoptr(DeltaChanges) same = delta_diff(&old.tree, &old.tree);
	plan(same, &old.tree);
	g_assert_cmpuint(assert_round_trip(same, &old.tree, &old.tree), <, 32);
	tree_clear(&old);
	tree_clear(&now);
}

static void test_pairing(void)
{
	static const struct {
		const char *old_path, *new_path;
	} rows[] = {
	    {"assets/Canvas-GNiokRsW.js", "assets/Canvas-D0v2YLVF.js"},
	    {"assets/Chunk-s6Z_8p.js", "assets/Chunk-T60aAx.js"},
	    {"js/app.3f2a1b.js", "js/app.99aa00.js"},
	    {"js/app.3f2a1b.js.map", "js/app.99aa00.js.map"},
	    {"lib/core-2.42.0.jar", "lib/core-2.42.1.jar"},
	    {"lib/plugin-api-2.42.0.jar", "lib/plugin-api-2.42.1.jar"},
	    {"v1/deep/main.css", "v2/deep/main.css"},
	    {"old-home/readme-en.txt", "new-home/readme-en.txt"},
	    {"pages/welcome.html", "pages/greeting.html"}, /* nothing but folder and extension */
	};
	Tree old;
	Tree now;
	tree_init(&old);
	tree_init(&now);
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		add_file(&old, rows[i].old_path, 100 + i, 1000 * (i + 1), 0644, BEFORE);
		add_file(&now, rows[i].new_path, 200 + i, 1000 * (i + 1) + 7, 0644, NOW);
	}
	add_file(&now, "lonely.bin", 300, 5, 0644, NOW);
	add_file(&old, "kept/core-2.42.0.jar", 301, 5, 0644, BEFORE);
	add_file(&now, "kept/core-2.42.0.jar", 301, 5, 0644, BEFORE);
	tree_seal(&old);
	tree_seal(&now);
	g_autoptr(DeltaChanges) changes = delta_diff(&old.tree, &now.tree);
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
		g_assert_cmpstr(basis_of(changes, &old.tree, rows[i].new_path), ==,
				rows[i].old_path);
	g_assert_null(basis_of(changes, &old.tree, "lonely.bin"));
	plan(changes, &old.tree);
	assert_round_trip(changes, &old.tree, &now.tree);
	tree_clear(&old);
	tree_clear(&now);
}

/* A renamed folder of many files costs little. */
static void test_rename_is_cheap(void)
{
	Tree old;
	Tree now;
	tree_init(&old);
	tree_init(&now);
	add_other(&old, DELTA_DIR, "version-1", NULL, BEFORE);
	add_other(&now, DELTA_DIR, "version-2", NULL, NOW);
	for (guint i = 0; i < 1000; i++) {
		g_autofree char *from = g_strdup_printf("version-1/file%03u", i);
		g_autofree char *to = g_strdup_printf("version-2/file%03u", i);
		add_file(&old, from, i + 1, 50, 0644, BEFORE);
		add_file(&now, to, i + 1, 50, 0644, BEFORE);
	}
	tree_seal(&old);
	tree_seal(&now);
	g_autoptr(DeltaChanges) changes = delta_diff(&old.tree, &now.tree);
	plan(changes, &old.tree);
	g_assert_cmpuint(changes->content_bytes, ==, 0);
	g_assert_cmpuint(changes->segments->len, ==, 0);
	g_assert_cmpuint(assert_round_trip(changes, &old.tree, &now.tree), <, 120);
	tree_clear(&old);
	tree_clear(&now);
}

/* Names with a new hash cost about the hash. */
static void test_hashed_names_are_cheap(void)
{
	Tree old;
	Tree now;
	tree_init(&old);
	tree_init(&now);
	g_autoptr(GRand) rand = g_rand_new_with_seed(1);
	for (guint i = 0; i < 300; i++) {
		g_autofree char *from =
		    g_strdup_printf("assets/part%03u-%08x.js", i, g_rand_int(rand));
		g_autofree char *to =
		    g_strdup_printf("assets/part%03u-%08x.js", i, g_rand_int(rand));
		add_file(&old, from, i + 1, 500, 0644, BEFORE);
		add_file(&now, to, i + 1001, 500, 0644, NOW);
	}
	tree_seal(&old);
	tree_seal(&now);
	g_autoptr(DeltaChanges) changes = delta_diff(&old.tree, &now.tree);
	for (guint i = 0; i < changes->items->len; i++) {
		const DeltaItem *item = delta_changes_item(changes, i);
		g_assert_cmpmem(old.tree.entries[item->basis].path, 15, item->entry.path, 15);
	}
	plan(changes, &old.tree);
	/* 300 times 4 random bytes, and a third more */
	g_assert_cmpuint(assert_round_trip(changes, &old.tree, &now.tree), <, 1600);
	tree_clear(&old);
	tree_clear(&now);
}

static void random_tree(GRand *rand, Tree *tree, const Tree *like)
{
	static const char *const dirs[] = {"a", "b", "c/d", "a/e", "long-name/\xff", "v1.2.3"};
	static const char *const exts[] = {"", ".js", ".jar", ".css", ".js.map"};
	g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
	tree_init(tree);
	guint count = (guint)g_rand_int_range(rand, 0, 40);
	for (guint i = 0; i < count; i++) {
		g_autofree char *name = g_strdup_printf(
		    "%s/%c-%x%s", dirs[g_rand_int_range(rand, 0, 6)],
		    (char)('a' + g_rand_int_range(rand, 0, 4)), (guint)g_rand_int_range(rand, 0, 3),
		    exts[g_rand_int_range(rand, 0, 5)]);
		const char *path = g_string_chunk_insert_const(tree->strings, name);
		gint64 mtime = g_rand_int_range(rand, 0, 3) ? NOW : g_rand_int_range(rand, -9, 9);
		guint16 mode = g_rand_boolean(rand) ? 0644 : 0755;
		guint content = (guint)g_rand_int_range(rand, 0, 30);
		if (!g_hash_table_add(seen, (gpointer)(guintptr)path))
			continue;
		switch (g_rand_int_range(rand, 0, 8)) {
		case 0:
			add_other(tree, DELTA_DIR, path, NULL, mtime);
			break;
		case 1:
			add_other(tree, DELTA_LINK, path, g_rand_boolean(rand) ? "a" : "b/..",
				  mtime);
			break;
		default:
			/* the size belongs to the content */
			add_file(tree, path, content, content * 37 % 101, mode, mtime);
		}
	}
	for (guint i = 0; like && i < like->tree.count; i++) {
		const DeltaEntry *entry = &like->tree.entries[i];
		if (g_rand_int_range(rand, 0, 3) &&
		    g_hash_table_add(seen, (gpointer)(guintptr)entry->path))
			g_array_append_val(tree->entries, *entry);
	}
	tree_seal(tree);
}

static void test_random(void)
{
	for (guint32 seed = 0; seed < 2000; seed++) {
		g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
		Tree old;
		Tree now;
		random_tree(rand, &old, NULL);
		random_tree(rand, &now, &old);
		g_autoptr(DeltaChanges) changes = delta_diff(&old.tree, &now.tree);
		g_autoptr(GError) error = NULL;
		DeltaLimits limits = {.decode_bytes = 100 << 20, .encode_bytes = 1100 << 20};
		delta_plan(changes, &old.tree, &limits, &error);
		g_assert_no_error(error);
		g_autoptr(GByteArray) list = delta_changes_format(changes, &old.tree);
		g_autoptr(DeltaChanges) back =
		    delta_changes_parse(list->data, list->len, &old.tree, MEMORY, &error);
		g_assert_no_error(error);
		g_assert_cmpuint(back->items->len, ==, now.tree.count);
		for (guint i = 0; i < back->items->len; i++)
			assert_same_item(delta_changes_item(back, i),
					 delta_changes_item(changes, i));
		assert_same_plan(changes, back);
		tree_clear(&old);
		tree_clear(&now);
	}
}

/* Every cut is an error; every flipped bit an error, or a list that is sound in itself. */
static void test_damage(void)
{
	Tree old;
	Tree now;
	fill_pair(&old, &now);
	g_autoptr(DeltaChanges) changes = delta_diff(&old.tree, &now.tree);
	plan(changes, &old.tree);
	g_autoptr(GByteArray) list = delta_changes_format(changes, &old.tree);
	for (guint i = 0; i < list->len; i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(DeltaChanges) cut =
		    delta_changes_parse(list->data, i, &old.tree, MEMORY, &error);
		g_assert_null(cut);
		g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
		for (guint bit = 0; bit < 8; bit++) {
			list->data[i] ^= (guint8)(1U << bit);
			g_autoptr(DeltaChanges) other =
			    delta_changes_parse(list->data, list->len, &old.tree, MEMORY, NULL);
			for (guint k = 1; other && k < other->items->len; k++)
				g_assert_cmpstr(delta_changes_item(other, k - 1)->entry.path, <,
						delta_changes_item(other, k)->entry.path);
			list->data[i] ^= (guint8)(1U << bit);
		}
	}
	g_autoptr(GByteArray) coded = delta_changes_encode(changes, &old.tree, NULL);
	for (guint i = 0; i < coded->len; i++) {
		g_autoptr(DeltaChanges) cut =
		    delta_changes_decode(coded->data, i, &old.tree, MEMORY, NULL);
		g_assert_null(cut);
	}
	g_byte_array_append(coded, (const guint8 *)"", 1);
	g_autoptr(DeltaChanges) longer =
	    delta_changes_decode(coded->data, coded->len, &old.tree, MEMORY, NULL);
	g_assert_null(longer);
	tree_clear(&old);
	tree_clear(&now);
}

/* A few bytes must not ask for much memory. */
static void test_memory(void)
{
	static const DeltaTree nothing = {0};
	/* props, a claimed length of 1 GiB, an empty stream */
	static const guint8 huge[] = {0, 0x80, 0x80, 0x80, 0x80, 0x04, 0};
	g_autoptr(GError) error = NULL;
	g_autoptr(DeltaChanges) changes =
	    delta_changes_decode(huge, sizeof huge, &nothing, MEMORY, &error);
	g_assert_null(changes);
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	/* more entries than memory */
	Tree now;
	tree_init(&now);
	for (guint i = 0; i < 2000; i++) {
		g_autofree char *path = g_strdup_printf("%04u", i);
		add_file(&now, path, 1, 0, 0644, NOW);
	}
	tree_seal(&now);
	g_autoptr(DeltaChanges) many = delta_diff(&nothing, &now.tree);
	plan(many, &nothing);
	g_autoptr(GByteArray) list = delta_changes_format(many, &nothing);
	g_autoptr(DeltaChanges) refused =
	    delta_changes_parse(list->data, list->len, &nothing, 256 * 1024, NULL);
	g_assert_null(refused);
	g_autoptr(DeltaChanges) fine =
	    delta_changes_parse(list->data, list->len, &nothing, MEMORY, NULL);
	g_assert_nonnull(fine);
	g_assert_cmpuint(fine->list_bytes, >, 256 * 1024);
	tree_clear(&now);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/delta/diff", test_diff);
	g_test_add_func("/delta/diff-extremes", test_diff_extremes);
	g_test_add_func("/delta/pairing", test_pairing);
	g_test_add_func("/delta/rename-is-cheap", test_rename_is_cheap);
	g_test_add_func("/delta/hashed-names-are-cheap", test_hashed_names_are_cheap);
	g_test_add_func("/delta/random", test_random);
	g_test_add_func("/delta/damage", test_damage);
	g_test_add_func("/delta/memory", test_memory);
	return g_test_run();
}
