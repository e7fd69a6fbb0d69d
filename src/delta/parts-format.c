/* SPDX-License-Identifier: ISC */
/* The member "archives": how new archives are put together. */
#include "delta/archive.h"
#include "delta/delta-private.h"

GByteArray *delta_old_forms(const DeltaTree *old_tree)
{
	GByteArray *forms = g_byte_array_new();
	for (guint i = 0; i < old_tree->n_opened; i++) {
		const GByteArray *form = old_tree->opened[i].archive->form;
		g_byte_array_append(forms, form->data, form->len);
		if (forms->len > 2 * DELTA_FORMS_MAX)
			g_byte_array_remove_range(forms, 0, forms->len - DELTA_FORMS_MAX);
	}
	if (forms->len > DELTA_FORMS_MAX)
		g_byte_array_remove_range(forms, 0, forms->len - DELTA_FORMS_MAX);
	return forms;
}

/* What is being written. */
typedef struct {
	const DeltaChanges *changes;
	const DeltaTree *old_tree;
	guint *numbers;
	GByteArray *columns[PARTS_COLUMNS];
	guint run;           /* parts since the last op that need none */
	guint expected_from; /* old part after the one used last */
	guint expected_basis;
} Writer;

static void put_op(Writer *writer, guint8 op)
{
	delta_put_varint(writer->columns[PARTS_OPS], writer->run);
	g_byte_array_append(writer->columns[PARTS_OPS], &op, 1);
	writer->run = 0;
}

static void put_from(Writer *writer, guint index)
{
	delta_put_zigzag(writer->columns[PARTS_FROMS],
			 (gint64)index - (gint64)writer->expected_from);
	writer->expected_from = index + 1;
}

static void put_basis(Writer *writer, const DeltaItem *item)
{
	const DeltaEntry *before =
	    item->basis == DELTA_NONE ? NULL : &writer->old_tree->entries[item->basis];
	delta_put_zigzag(writer->columns[PARTS_SIZES],
			 (gint64)item->entry.size - (gint64)(before ? before->size : 0));
	if (!before) {
		delta_put_varint(writer->columns[PARTS_BASES], 0);
		return;
	}
	gint64 step = (gint64)item->basis - (gint64)writer->expected_basis;
	delta_put_varint(writer->columns[PARTS_BASES], 1 + delta_zigzag(step));
	writer->expected_basis = item->basis + 1;
}

static void put_part(Writer *writer, const DeltaItem *item, const DeltaMember *member)
{
	switch (item->source) {
	case DELTA_PACKED_COPY:
		if (item->from == writer->expected_from) {
			writer->run++;
			writer->expected_from++;
			return;
		}
		put_op(writer, PART_PACKED_COPY);
		put_from(writer, item->from);
		return;
	case DELTA_NEW:
		put_op(writer, PART_NEW);
		put_basis(writer, item);
		break;
	case DELTA_COPIED:
	case DELTA_KEPT: /* no part is */
		put_op(writer, PART_COPIED);
		put_from(writer, item->from);
		break;
	case DELTA_TWIN:
		put_op(writer, PART_TWIN);
		delta_put_varint(writer->columns[PARTS_FROMS], writer->numbers[item->from]);
		break;
	case DELTA_TOGETHER:
		put_op(writer, PART_TOGETHER);
		put_basis(writer, item);
		break;
	}
	if (member->packing == DELTA_DEFLATED)
		g_byte_array_append(writer->columns[PARTS_WAYS], &item->entry.way, 1);
}

static GByteArray *format(const DeltaChanges *changes, const DeltaTree *old_tree)
{
	Writer writer = {
	    .changes = changes, .old_tree = old_tree, .expected_from = old_tree->count};
	writer.numbers = delta_numbers(changes, old_tree);
	for (guint i = 0; i < PARTS_COLUMNS; i++)
		writer.columns[i] = g_byte_array_new();
	for (guint a = 0; a < changes->archives->len; a++) {
		const DeltaTogether *together = &g_array_index(changes->archives, DeltaTogether, a);
		const DeltaArchive *archive = together->archive;
		delta_put_varint(writer.columns[PARTS_LENGTHS], archive->form->len);
		g_byte_array_append(writer.columns[PARTS_FORMS], archive->form->data,
				    archive->form->len);
		for (guint i = 0; i < together->count; i++)
			put_part(&writer, delta_changes_item(changes, together->first + i),
				 &g_array_index(archive->members, DeltaMember, i));
	}
	g_free(writer.numbers);
	return delta_columns_join(writer.columns, PARTS_COLUMNS);
}

guint64 delta_parts_list_bytes(const DeltaChanges *changes, const DeltaTree *old_tree)
{
	if (changes->archives->len == 0 && old_tree->n_opened == 0)
		return 0;
	g_autoptr(GByteArray) list = format(changes, old_tree);
	g_autoptr(GByteArray) forms = delta_old_forms(old_tree);
	guint64 bytes = delta_list_memory(forms->len, list->len);
	for (guint a = 0; a < changes->archives->len; a++) {
		const DeltaTogether *together = &g_array_index(changes->archives, DeltaTogether, a);
		bytes += 2 * sizeof *together + delta_archive_memory(together->archive) +
			 (guint64)together->count * 2 * sizeof(DeltaItem);
	}
	return bytes;
}

GByteArray *delta_parts_encode(const DeltaChanges *changes, const DeltaTree *old_tree,
			       GError **error)
{
	if (changes->archives->len == 0 && old_tree->n_opened == 0)
		return g_byte_array_new();
	g_autoptr(GByteArray) list = format(changes, old_tree);
	g_autoptr(GByteArray) forms = delta_old_forms(old_tree);
	GByteArray *out = delta_list_encode(list, forms, error);
	if (!out)
		g_prefix_error(error, "archives: ");
	return out;
}
