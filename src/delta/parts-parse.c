/* SPDX-License-Identifier: ISC */
/* The member "archives" read back; nothing in it is trusted. */
#include "delta/archive.h"
#include "delta/parse-private.h"

/* What is being read. */
typedef struct {
	DeltaParser *parser;
	const DeltaTree *old_tree;
	DeltaChanges *changes;
	DeltaReader columns[PARTS_COLUMNS];
	guint64 run; /* parts still to come that need no op */
	gboolean run_known;
	guint expected_from, expected_basis;
} Parts;

static gboolean corrupt(GError **error, const char *what)
{
	return util_error_set(error, TS_ERROR_CORRUPT, "archives: it is damaged: %s", what);
}

static guint old_count(const Parts *parts)
{
	return parts->old_tree->count + parts->old_tree->parts;
}

static gboolean get_from(Parts *parts, guint from_count, guint *ret_index)
{
	if (!delta_get_index(&parts->columns[PARTS_FROMS], parts->expected_from, from_count,
			     ret_index) ||
	    parts->old_tree->entries[*ret_index].type != DELTA_FILE)
		return FALSE;
	parts->expected_from = *ret_index + 1;
	return TRUE;
}

static gboolean get_basis(Parts *parts, DeltaItem *item)
{
	guint64 value = 0;
	if (!delta_get_varint(&parts->columns[PARTS_BASES], G_MAXUINT64, &value))
		return FALSE;
	if (value > 0) {
		gint64 step = delta_unzigzag(value - 1);
		gint64 expected = parts->expected_basis;
		if (step < -expected || step >= (gint64)old_count(parts) - expected)
			return FALSE;
		item->basis = (guint)(expected + step);
		parts->expected_basis = item->basis + 1;
	}
	const DeltaEntry *before =
	    item->basis == DELTA_NONE ? NULL : &parts->old_tree->entries[item->basis];
	return delta_parser_size(&parts->columns[PARTS_SIZES], before, &item->entry.size);
}

/* An archive takes its number and waits for its form. */
static gboolean add_together(Parts *parts, guint item, guint depth)
{
	DeltaTogether together = {.item = item, .depth = depth};
	delta_changes_item(parts->changes, item)->from = parts->changes->archives->len;
	g_array_append_val(parts->changes->archives, together);
	/* putting them together goes as deep */
	return depth <= DELTA_DEPTH && delta_parser_charge(parts->parser, 2 * sizeof together);
}

static gboolean packed_copy(Parts *parts, DeltaItem *item, guint index)
{
	if (index < parts->old_tree->count || index >= old_count(parts))
		return FALSE;
	item->source = DELTA_PACKED_COPY;
	item->from = index;
	item->entry.size = parts->old_tree->entries[index].size;
	parts->expected_from = index + 1;
	return TRUE;
}

static gboolean get_twin(Parts *parts, DeltaItem *item)
{
	guint64 n = 0;
	const GArray *numbers = parts->parser->numbers;
	if (numbers->len == 0 ||
	    !delta_get_varint(&parts->columns[PARTS_FROMS], numbers->len - 1, &n))
		return FALSE;
	item->from = g_array_index(numbers, guint, n);
	item->source = DELTA_TWIN;
	item->entry.size = delta_changes_item(parts->changes, item->from)->entry.size;
	/* what is put together is there only when all files are */
	return delta_changes_item(parts->changes, item->from)->source == DELTA_NEW;
}

static gboolean get_op(Parts *parts, DeltaItem *item)
{
	guint8 op = 0;
	guint index = 0;
	guint place = parts->changes->items->len;
	if (!delta_get_byte(&parts->columns[PARTS_OPS], &op))
		return FALSE;
	switch (op) {
	case PART_PACKED_COPY:
		return get_from(parts, old_count(parts), &index) && packed_copy(parts, item, index);
	case PART_NEW:
		g_array_append_val(parts->parser->numbers, place);
		return get_basis(parts, item) &&
		       delta_parser_travels(parts->parser, item->entry.size);
	case PART_COPIED:
		item->source = DELTA_COPIED;
		if (!get_from(parts, old_count(parts), &item->from))
			return FALSE;
		item->entry.size = parts->old_tree->entries[item->from].size;
		return TRUE;
	case PART_TWIN:
		return get_twin(parts, item);
	case PART_TOGETHER:
		item->source = DELTA_TOGETHER;
		return get_basis(parts, item);
	default:
		return FALSE;
	}
}

/* depth: of the archive it is a part of */
static gboolean get_part(Parts *parts, const DeltaMember *member, guint depth)
{
	DeltaReader *ops = &parts->columns[PARTS_OPS];
	DeltaItem item = {.entry = {.path = "", .mode = 0644, .type = DELTA_FILE},
			  .source = DELTA_NEW,
			  .from = DELTA_NONE,
			  .basis = DELTA_NONE};
	if (!parts->run_known && ops->at == ops->end) {
		parts->run = G_MAXUINT64; /* all the rest */
		parts->run_known = TRUE;
	}
	if (!parts->run_known && !delta_get_varint(ops, G_MAXUINT, &parts->run))
		return FALSE;
	parts->run_known = parts->run > 0;
	if (parts->run > 0) {
		parts->run--;
		if (!packed_copy(parts, &item, parts->expected_from))
			return FALSE;
	} else if (!get_op(parts, &item) ||
		   (member->packing == DELTA_DEFLATED && item.source != DELTA_PACKED_COPY &&
		    !delta_get_byte(&parts->columns[PARTS_WAYS], &item.entry.way))) {
		return FALSE;
	}
	g_array_append_val(parts->changes->items, item);
	return item.source != DELTA_TOGETHER ||
	       add_together(parts, parts->changes->items->len - 1, depth + 1);
}

static gboolean get_archive(Parts *parts, guint number, GError **error)
{
	DeltaReader *forms = &parts->columns[PARTS_FORMS];
	guint64 len = 0;
	if (!delta_get_varint(&parts->columns[PARTS_LENGTHS], (guint64)(forms->end - forms->at),
			      &len))
		return corrupt(error, "a form's length");
	guint64 left = parts->parser->max_bytes - parts->changes->list_bytes;
	DeltaArchive *archive = delta_archive_from_form(forms->at, (gsize)len, left, error);
	if (!archive)
		return FALSE;
	forms->at += len;
	DeltaTogether *together = &g_array_index(parts->changes->archives, DeltaTogether, number);
	guint depth = together->depth;
	together->archive = archive;
	together->first = parts->changes->items->len;
	together->count = archive->members->len;
	/* items grow by doubling; what the archive itself holds */
	if (!delta_parser_charge(parts->parser,
				 delta_archive_memory(archive) +
				     (guint64)archive->members->len * 2 * sizeof(DeltaItem)))
		return corrupt(error, "it is larger than the memory allowed");
	for (guint i = 0; i < archive->members->len; i++)
		if (!get_part(parts, &g_array_index(archive->members, DeltaMember, i), depth))
			return corrupt(error, "a part");
	return TRUE;
}

static gboolean get_columns(Parts *parts, const GByteArray *list, GError **error)
{
	DeltaReader all = {list->data, list->len > 0 ? list->data + list->len : list->data};
	for (guint i = 0; i < PARTS_COLUMNS; i++) {
		guint64 size = 0;
		if (!delta_get_varint(&all, G_MAXUINT64, &size) ||
		    size > (guint64)(all.end - all.at))
			return corrupt(error, "a column's length");
		parts->columns[i] = (DeltaReader){all.at, all.at + size};
		all.at += size;
	}
	return all.at == all.end || corrupt(error, "bytes after its end");
}

static gboolean parse(Parts *parts, const GByteArray *list, GError **error)
{
	DeltaChanges *changes = parts->changes;
	if (!get_columns(parts, list, error))
		return FALSE;
	for (guint i = 0; i < changes->count; i++)
		if (delta_changes_item(changes, i)->source == DELTA_TOGETHER &&
		    !add_together(parts, i, 0))
			return corrupt(error, "it is larger than the memory allowed");
	for (guint i = 0; i < changes->archives->len; i++)
		if (!get_archive(parts, i, error))
			return FALSE;
	for (guint i = 0; i < PARTS_COLUMNS; i++)
		if (parts->columns[i].at != parts->columns[i].end)
			return corrupt(error, "a column is too long");
	return TRUE;
}

gboolean delta_parts_decode(DeltaChanges *changes, const guint8 *data, gsize len,
			    const DeltaTree *old_tree, GError **error)
{
	DeltaParser *parser = changes->pending;
	g_assert(parser && parser->old_tree->count == old_tree->count);
	parser->old_tree = old_tree;
	guint64 coder = 0;
	guint64 left = parser->max_bytes - changes->list_bytes;
	g_autoptr(GByteArray) forms = delta_old_forms(old_tree);
	g_autoptr(GByteArray) list = delta_list_decode(data, len, forms, left, &coder, error);
	if (!list) {
		g_prefix_error(error, "archives: ");
		return FALSE;
	}
	Parts parts = {.parser = parser,
		       .old_tree = old_tree,
		       .changes = changes,
		       .expected_from = old_tree->count};
	changes->list_bytes += coder;
	return parse(&parts, list, error) && delta_parser_finish(parser, error);
}
