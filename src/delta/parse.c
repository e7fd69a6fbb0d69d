/* SPDX-License-Identifier: ISC */
/* The change list read back; nothing in it is trusted. */
#include "delta/parse-private.h"

#define MTIME_LIMIT (G_GINT64_CONSTANT(1) << 40)

gboolean delta_parser_corrupt(GError **error, const char *what)
{
	return util_error_set(error, TS_ERROR_CORRUPT, "the change list is damaged: %s", what);
}

gboolean delta_parser_charge(DeltaParser *parser, guint64 bytes)
{
	parser->changes->list_bytes += bytes;
	return parser->changes->list_bytes <= parser->max_bytes;
}

gboolean delta_parser_empty(const DeltaParser *parser, DeltaColumn column)
{
	return parser->columns[column].at == parser->columns[column].end;
}

static gboolean get_mtime(DeltaParser *parser, guint flags, const DeltaEntry *before,
			  gint64 *ret_mtime_s)
{
	gint64 standard = parser->changes->default_mtime_s;
	gint64 step = 0;
	switch (flags >> MTIME_SHIFT) {
	case MTIME_DEFAULT:
		*ret_mtime_s = standard;
		return TRUE;
	case MTIME_BEFORE:
		*ret_mtime_s = before ? before->mtime_s : 0;
		return before != NULL;
	case MTIME_GIVEN:
		if (!delta_get_zigzag(&parser->columns[COLUMN_MTIMES], &step) ||
		    step < -MTIME_LIMIT || step > MTIME_LIMIT)
			return FALSE;
		*ret_mtime_s = standard + step;
		return TRUE;
	default:
		return FALSE;
	}
}

gboolean delta_parser_size(DeltaReader *sizes, const DeltaEntry *before, guint64 *ret_size)
{
	gint64 step = 0;
	gint64 expected = before && before->type == DELTA_FILE ? (gint64)before->size : 0;
	if (!delta_get_zigzag(sizes, &step) || step > (gint64)DELTA_BYTES_MAX ||
	    step < -(gint64)DELTA_BYTES_MAX || expected + step < 0)
		return FALSE;
	*ret_size = (guint64)(expected + step);
	return *ret_size <= DELTA_BYTES_MAX;
}

gboolean delta_parser_travels(DeltaParser *parser, guint64 size)
{
	parser->changes->content_bytes += size;
	return parser->changes->content_bytes <= DELTA_BYTES_MAX;
}

static gboolean get_target(DeltaParser *parser, const char **ret_target)
{
	const char *target = NULL;
	if (!delta_get_text(&parser->columns[COLUMN_TARGETS], &target) ||
	    !delta_parser_charge(parser, strlen(target) + 1))
		return FALSE;
	*ret_target = g_string_chunk_insert(parser->changes->strings, target);
	return TRUE;
}

/* A file of the old tree whose content an item takes. */
static gboolean take_old(const DeltaParser *parser, DeltaItem *item, guint64 index)
{
	if (index >= parser->old_tree->count || parser->old_tree->entries[index].type != DELTA_FILE)
		return FALSE;
	item->source = DELTA_COPIED;
	item->from = (guint)index;
	item->entry.size = parser->old_tree->entries[index].size;
	return TRUE;
}

static gboolean get_op_source(DeltaParser *parser, DeltaItem *item)
{
	guint64 value = 0;
	if (!delta_get_varint(&parser->columns[COLUMN_SOURCES], (guint64)G_MAXUINT * 2, &value))
		return FALSE;
	if (!(value & 1))
		return take_old(parser, item, value / 2);
	item->source = DELTA_TWIN;
	item->from = (guint)(value / 2);
	return TRUE;
}

/* New content, or put together: numbered alike. */
static gboolean get_new(DeltaParser *parser, DeltaItem *item, gboolean together, guint place,
			const DeltaEntry *before)
{
	item->source = together ? DELTA_TOGETHER : DELTA_NEW;
	item->from = DELTA_NONE;
	g_array_append_val(parser->numbers, place);
	parser->together += together;
	return delta_parser_size(&parser->columns[COLUMN_SIZES], before, &item->entry.size) &&
	       (together || delta_parser_travels(parser, item->entry.size));
}

/* An op other than a deletion on the old entry `index`. */
static gboolean get_change(DeltaParser *parser, guint index, guint op)
{
	const DeltaEntry *before = &parser->old_tree->entries[index];
	gboolean is_file = before->type == DELTA_FILE;
	DeltaItem item = {.entry = *before, .source = DELTA_NEW, .from = DELTA_NONE};
	gboolean ok = FALSE;
	item.basis = index;
	item.entry.sha256 = NULL;
	switch (op & KIND_MASK) {
	case OP_SAME:
		ok = is_file ? take_old(parser, &item, index) : TRUE;
		break;
	case OP_NEW:
	case OP_TOGETHER:
		ok = is_file && get_new(parser, &item, (op & KIND_MASK) == OP_TOGETHER,
					parser->changed->len, before);
		break;
	case OP_SOURCE:
		ok = is_file && get_op_source(parser, &item);
		break;
	case OP_TARGET:
		ok = before->type == DELTA_LINK && get_target(parser, &item.entry.target);
		break;
	}
	if (op & FLAG_MODE) {
		ok = ok && is_file;
		item.entry.mode = before->mode == 0644 ? 0755 : 0644;
	}
	if (!ok || !get_mtime(parser, op, before, &item.entry.mtime_s))
		return FALSE;
	g_array_append_val(parser->changed, item);
	return TRUE;
}

static void keep(DeltaParser *parser, guint from, guint to)
{
	for (guint i = from; i < to; i++) {
		DeltaItem item = {.entry = parser->old_tree->entries[i],
				  .source = DELTA_KEPT,
				  .from = i,
				  .basis = i};
		g_array_append_val(parser->changed, item);
	}
}

static gboolean get_ops(DeltaParser *parser, GError **error)
{
	guint count = parser->old_tree->count;
	DeltaReader *ops = &parser->columns[COLUMN_OPS];
	guint at = 0;
	while (!delta_parser_empty(parser, COLUMN_OPS)) {
		guint64 kept = 0;
		guint8 op = 0;
		if (!delta_get_varint(ops, count - at, &kept) || kept == count - at ||
		    !delta_get_byte(ops, &op) || op > FLAGS_MAX)
			return delta_parser_corrupt(error, "column ops");
		keep(parser, at, at + (guint)kept);
		at += (guint)kept;
		if (op == OP_DELETED)
			g_array_append_val(parser->changes->deleted, at);
		else if ((op & KIND_MASK) == OP_DELETED || !get_change(parser, at, op))
			return delta_parser_corrupt(error, "a changed entry");
		at++;
	}
	keep(parser, at, count);
	return TRUE;
}

static gboolean get_basis(DeltaParser *parser, guint *ret_basis)
{
	guint64 value = 0;
	*ret_basis = DELTA_NONE;
	if (!delta_get_varint(&parser->columns[COLUMN_BASES], G_MAXUINT64, &value))
		return FALSE;
	if (value == 0)
		return TRUE;
	gint64 step = delta_unzigzag(value - 1);
	gint64 expected = parser->expected_basis;
	if (step < -expected || step >= (gint64)parser->old_tree->count - expected)
		return FALSE;
	*ret_basis = (guint)(expected + step);
	parser->expected_basis = *ret_basis + 1;
	return TRUE;
}

/* The next `len` bytes of the names. */
static gboolean get_name(DeltaParser *parser, gint64 len, GString *path)
{
	DeltaReader *names = &parser->columns[COLUMN_NAMES];
	if (len < 0 || len > names->end - names->at || memchr(names->at, 0, (gsize)len))
		return FALSE;
	g_string_append_len(path, (const char *)names->at, (gssize)len);
	names->at += len;
	return TRUE;
}

/* The path of an added entry: parts of its basis' path, or the start of the path before, and
 * what is new. */
static gboolean get_path_text(DeltaParser *parser, guint basis, GString *path)
{
	gboolean with_basis = basis != DELTA_NONE;
	const char *like =
	    with_basis ? parser->old_tree->entries[basis].path : parser->previous->str;
	gsize len = strlen(like);
	guint64 kept = 0;
	guint64 left_out = 0;
	gint64 more = 0;
	DeltaReader *cuts = &parser->columns[COLUMN_CUTS];
	if (!delta_get_varint(cuts, len, &kept) ||
	    (with_basis && !delta_get_varint(cuts, len - kept, &left_out)) ||
	    !delta_get_zigzag(cuts, &more) || more > G_MAXINT || more < -G_MAXINT)
		return FALSE;
	gsize start = with_basis && parser->from_end ? len - kept - left_out : kept;
	g_string_append_len(path, like, (gssize)start);
	if (!get_name(parser, (gint64)left_out + more, path))
		return FALSE;
	if (with_basis)
		g_string_append(path, like + start + left_out);
	return TRUE;
}

static gboolean get_path(DeltaParser *parser, guint basis, const char **ret_path)
{
	g_autoptr(GString) path = g_string_new(NULL);
	if (!get_path_text(parser, basis, path))
		return FALSE;
	/* longer ones are refused by every tree; here they must not multiply */
	if (path->len == 0 || path->len > 8192 || !delta_parser_charge(parser, path->len + 1))
		return FALSE;
	if (parser->added->len > 0 && strcmp(parser->previous->str, path->str) >= 0)
		return FALSE;
	*ret_path = g_string_chunk_insert(parser->changes->strings, path->str);
	g_string_assign(parser->previous, path->str);
	return TRUE;
}

static gboolean get_add_kind(DeltaParser *parser, guint kind, const DeltaEntry *before,
			     DeltaItem *item)
{
	guint64 n = 0;
	item->entry.type = DELTA_FILE;
	switch (kind) {
	case ADD_NEW:
	case ADD_TOGETHER:
		return get_new(parser, item, kind == ADD_TOGETHER,
			       parser->old_tree->count + parser->added->len, before);
	case ADD_TWIN:
		item->source = DELTA_TWIN;
		if (!delta_get_varint(&parser->columns[COLUMN_SOURCES], G_MAXUINT - 1, &n))
			return FALSE;
		item->from = (guint)n;
		return TRUE;
	case ADD_COPIED:
		return item->basis != DELTA_NONE && take_old(parser, item, item->basis);
	case ADD_DIR:
		item->entry.type = DELTA_DIR;
		item->entry.mode = 0755;
		return TRUE;
	case ADD_LINK:
		item->entry.type = DELTA_LINK;
		item->entry.mode = 0777;
		return get_target(parser, &item->entry.target);
	default:
		return FALSE;
	}
}

static gboolean get_add(DeltaParser *parser, guint add)
{
	DeltaItem item = {.source = DELTA_NEW, .from = DELTA_NONE, .basis = DELTA_NONE};
	item.entry.mode = add & FLAG_MODE ? 0755 : 0644;
	if (!get_basis(parser, &item.basis) || !get_path(parser, item.basis, &item.entry.path))
		return FALSE;
	const DeltaEntry *before =
	    item.basis == DELTA_NONE ? NULL : &parser->old_tree->entries[item.basis];
	if (!get_add_kind(parser, add & KIND_MASK, before, &item) ||
	    (add & FLAG_MODE && item.entry.type != DELTA_FILE) ||
	    !get_mtime(parser, add, before, &item.entry.mtime_s))
		return FALSE;
	g_array_append_val(parser->added, item);
	return TRUE;
}

static gboolean get_adds(DeltaParser *parser, GError **error)
{
	guint8 add = 0;
	const DeltaReader *adds = &parser->columns[COLUMN_ADDS];
	gsize count = (gsize)(adds->end - adds->at);
	if (!delta_parser_charge(parser, DELTA_LISTED * count * sizeof(DeltaItem)))
		return delta_parser_corrupt(error, "it is larger than the memory allowed");
	parser->added = g_array_sized_new(FALSE, TRUE, sizeof(DeltaItem), (guint)count);
	if (!delta_get_byte(&parser->columns[COLUMN_CUTS], &parser->from_end) ||
	    parser->from_end > 1)
		return delta_parser_corrupt(error, "column cuts");
	while (delta_get_byte(&parser->columns[COLUMN_ADDS], &add))
		if (add > FLAGS_MAX || !get_add(parser, add))
			return delta_parser_corrupt(error, "an added entry");
	return TRUE;
}

/* Both lists become one in byte order of path; ret_place: where each went. */
static gboolean merge(DeltaParser *parser, guint *ret_place, GError **error)
{
	const GArray *changed = parser->changed;
	const GArray *added = parser->added;
	GArray *items = parser->changes->items;
	guint c = 0;
	guint a = 0;
	while (c < changed->len || a < added->len) {
		const DeltaItem *from_c =
		    c < changed->len ? &g_array_index(changed, DeltaItem, c) : NULL;
		const DeltaItem *from_a =
		    a < added->len ? &g_array_index(added, DeltaItem, a) : NULL;
		int order = !from_c   ? 1
			    : !from_a ? -1
				      : strcmp(from_c->entry.path, from_a->entry.path);
		if (order == 0)
			return delta_parser_corrupt(error, "an added path that is there already");
		if (order < 0)
			ret_place[c++] = items->len;
		else
			ret_place[parser->old_tree->count + a++] = items->len;
		g_array_append_vals(items, order < 0 ? from_c : from_a, 1);
	}
	return TRUE;
}

/* From here on numbers of new contents are indexes of items. */
static gboolean resolve(DeltaParser *parser, GError **error)
{
	/* as large as it will be: nothing is spent on growing */
	g_array_unref(parser->changes->items);
	parser->changes->items = g_array_sized_new(FALSE, TRUE, sizeof(DeltaItem),
						   parser->changed->len + parser->added->len);
	g_autofree guint *place =
	    g_new0(guint, (gsize)parser->old_tree->count + parser->added->len + 1);
	if (!merge(parser, place, error))
		return FALSE;
	parser->changes->count = parser->changes->items->len;
	for (guint i = 0; i < parser->numbers->len; i++) {
		guint *number = &g_array_index(parser->numbers, guint, i);
		*number = place[*number];
	}
	for (guint i = 0; i < parser->changes->items->len; i++) {
		DeltaItem *item = delta_changes_item(parser->changes, i);
		if (item->source != DELTA_TWIN)
			continue;
		if (item->from >= parser->numbers->len)
			return delta_parser_corrupt(error, "a file like one that is not there");
		item->from = g_array_index(parser->numbers, guint, item->from);
		item->entry.size = delta_changes_item(parser->changes, item->from)->entry.size;
	}
	return TRUE;
}

static gboolean get_columns(DeltaParser *parser, GError **error)
{
	const GByteArray *list = parser->list;
	if (list->len == 0)
		return delta_parser_corrupt(error, "it is empty");
	DeltaReader all = {list->data, list->data + list->len};
	if (!delta_get_zigzag(&all, &parser->changes->default_mtime_s) ||
	    parser->changes->default_mtime_s > MTIME_LIMIT ||
	    parser->changes->default_mtime_s < -MTIME_LIMIT)
		return delta_parser_corrupt(error, "its beginning");
	for (guint i = 0; i < COLUMNS; i++) {
		guint64 size = 0;
		if (!delta_get_varint(&all, G_MAXUINT64, &size) ||
		    size > (guint64)(all.end - all.at))
			return delta_parser_corrupt(error, "a column's length");
		parser->columns[i] = (DeltaReader){all.at, all.at + size};
		all.at += size;
	}
	return all.at == all.end || delta_parser_corrupt(error, "bytes after its end");
}

/* Old files to be taken apart, ascending. */
static gboolean get_opened(DeltaParser *parser, GError **error)
{
	guint expected = 0;
	while (!delta_parser_empty(parser, COLUMN_OPENED)) {
		guint index = 0;
		if (!delta_parser_charge(parser, 2 * sizeof index) ||
		    !delta_get_index(&parser->columns[COLUMN_OPENED], expected,
				     parser->old_tree->count, &index) ||
		    index < expected || parser->old_tree->entries[index].type != DELTA_FILE)
			return delta_parser_corrupt(error, "column opened");
		g_array_append_val(parser->changes->opened, index);
		expected = index + 1;
	}
	return TRUE;
}

static void parser_free(DeltaParser *parser)
{
	g_byte_array_unref(parser->list);
	g_array_unref(parser->changed);
	g_clear_pointer(&parser->added, g_array_unref);
	g_array_unref(parser->numbers);
	g_string_free(parser->previous, TRUE);
	g_free(parser);
}

void delta_pending_charged(DeltaChanges *changes, guint64 bytes)
{
	changes->list_bytes += bytes;
	if (changes->pending)
		changes->pending->max_bytes += bytes;
}

void delta_pending_free(DeltaChanges *changes)
{
	if (changes->pending)
		parser_free(changes->pending);
	changes->pending = NULL;
}

gboolean delta_parser_finish(DeltaParser *parser, GError **error)
{
	DeltaChanges *changes = parser->changes;
	if (!delta_parser_plan(parser, error))
		return FALSE;
	for (guint i = 0; i < COLUMNS; i++)
		if (!delta_parser_empty(parser, (DeltaColumn)i))
			return delta_parser_corrupt(error, "a column is too long");
	delta_pending_free(changes);
	return TRUE;
}

static gboolean parse_all(DeltaParser *parser, GError **error)
{
	/* the bytes, and the coder that they came out of */
	if (!delta_parser_charge(parser, 2 * (guint64)parser->list->len +
					     (guint64)parser->old_tree->count * DELTA_LISTED *
						 sizeof(DeltaItem)))
		return delta_parser_corrupt(error, "it is larger than the memory allowed");
	return get_columns(parser, error) && get_ops(parser, error) && get_adds(parser, error) &&
	       resolve(parser, error) && get_opened(parser, error) &&
	       (delta_changes_wants_parts(parser->changes) || delta_parser_finish(parser, error));
}

gboolean delta_changes_wants_parts(const DeltaChanges *changes)
{
	return changes->archives->len > 0 || changes->opened->len > 0 ||
	       (changes->pending && changes->pending->together > 0);
}

DeltaChanges *delta_changes_parse(const guint8 *data, gsize len, const DeltaTree *old_tree,
				  guint64 max_bytes, GError **error)
{
	DeltaChanges *changes = delta_changes_new();
	DeltaParser *parser = changes->pending = g_new0(DeltaParser, 1);
	changes->owns_archives = TRUE;
	parser->changes = changes;
	parser->old_tree = old_tree;
	parser->max_bytes = max_bytes;
	parser->list = g_byte_array_sized_new((guint)len);
	g_byte_array_append(parser->list, data, (guint)len);
	parser->changed = g_array_sized_new(FALSE, TRUE, sizeof(DeltaItem), old_tree->count);
	parser->numbers = g_array_new(FALSE, FALSE, sizeof(guint));
	parser->previous = g_string_new(NULL);
	if (parse_all(parser, error))
		return changes;
	delta_changes_free(changes);
	return NULL;
}
