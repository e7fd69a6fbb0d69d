/* SPDX-License-Identifier: ISC */
/* The change list as bytes. */
#include "delta/delta-private.h"

/* What is being written. */
typedef struct {
	const DeltaChanges *changes;
	const DeltaTree *old_tree;
	GByteArray *columns[COLUMNS];
	guint *number;        /* per item: which new content it is */
	const char *previous; /* added path before, for names without a basis */
	guint expected_basis;
	gboolean from_end;
} Writer;

static void put_byte(GByteArray *out, guint byte)
{
	guint8 value = (guint8)byte;
	g_byte_array_append(out, &value, 1);
}

/* Length and bytes include the final NUL. */
static void put_text(GByteArray *out, const char *text, gsize len)
{
	g_byte_array_append(out, (const guint8 *)text, (guint)len);
	put_byte(out, 0);
}

/* The mtime bits for an item; an odd mtime goes to its column. `before`: an old entry or NULL. */
static guint put_mtime(Writer *writer, const DeltaItem *item, const DeltaEntry *before)
{
	gint64 mtime = item->entry.mtime_s;
	gint64 standard = writer->changes->default_mtime_s;
	if (mtime == standard)
		return MTIME_DEFAULT << MTIME_SHIFT;
	if (before && mtime == before->mtime_s)
		return MTIME_BEFORE << MTIME_SHIFT;
	delta_put_zigzag(writer->columns[COLUMN_MTIMES], mtime - standard);
	return MTIME_GIVEN << MTIME_SHIFT;
}

static void put_size(Writer *writer, const DeltaItem *item, const DeltaEntry *before)
{
	gint64 expected = before ? (gint64)before->size : 0;
	delta_put_zigzag(writer->columns[COLUMN_SIZES], (gint64)item->entry.size - expected);
}

static void put_target(Writer *writer, const DeltaItem *item)
{
	const char *target = item->entry.target;
	put_text(writer->columns[COLUMN_TARGETS], target, strlen(target));
}

/* An item whose path was there before, as a different one of the same type. */
static void put_op(Writer *writer, const DeltaItem *item)
{
	const DeltaEntry *before = &writer->old_tree->entries[item->basis];
	guint op = OP_SAME;
	if (item->entry.type == DELTA_LINK && strcmp(before->target, item->entry.target) != 0) {
		op = OP_TARGET;
		put_target(writer, item);
	} else if (item->entry.type == DELTA_FILE &&
		   (item->source == DELTA_NEW || item->source == DELTA_TOGETHER)) {
		op = item->source == DELTA_NEW ? OP_NEW : OP_TOGETHER;
		put_size(writer, item, before);
	} else if (item->source == DELTA_TWIN ||
		   (item->source == DELTA_COPIED && item->from != item->basis)) {
		op = OP_SOURCE;
		delta_put_varint(writer->columns[COLUMN_SOURCES],
				 item->source == DELTA_TWIN
				     ? (guint64)writer->number[item->from] * 2 + 1
				     : (guint64)item->from * 2);
	}
	if (before->mode != item->entry.mode)
		op |= FLAG_MODE;
	op |= put_mtime(writer, item, before);
	put_byte(writer->columns[COLUMN_OPS], op);
}

/* Walks the old tree: stretches that stay, deletions, changes. */
static void put_ops(Writer *writer)
{
	const DeltaChanges *changes = writer->changes;
	GByteArray *out = writer->columns[COLUMN_OPS];
	guint item_at = 0;
	guint kept = 0;
	guint deleted_at = 0;
	for (guint o = 0; o < writer->old_tree->count; o++) {
		if (deleted_at < changes->deleted->len &&
		    g_array_index(changes->deleted, guint, deleted_at) == o) {
			deleted_at++;
			delta_put_varint(out, kept);
			put_byte(out, OP_DELETED);
			kept = 0;
			continue;
		}
		const DeltaItem *item = delta_changes_item(changes, item_at++);
		while (item->basis != o || delta_item_added(item, writer->old_tree))
			item = delta_changes_item(changes, item_at++);
		if (item->source == DELTA_KEPT) {
			kept++;
			continue;
		}
		delta_put_varint(out, kept);
		put_op(writer, item);
		kept = 0;
	}
}

/* How a name differs from the one it is like: bytes shared at the start and at the end. Words are
 * not split: hashes then always have their whole length, which costs less than the letters they
 * share by chance. */
typedef struct {
	gsize start, end;
} Shared;

static Shared compare_names(const char *path, const char *like)
{
	gsize len = strlen(path);
	gsize like_len = strlen(like);
	Shared shared = {.start = delta_shared_start(path, like)};
	if (shared.start == len && shared.start == like_len)
		return shared;
	while (shared.start > 0 && g_ascii_isalnum(path[shared.start - 1]))
		shared.start--;
	while (shared.end < MIN(len, like_len) - shared.start &&
	       path[len - 1 - shared.end] == like[like_len - 1 - shared.end])
		shared.end++;
	while (shared.end > 0 && g_ascii_isalnum(path[len - shared.end]))
		shared.end--;
	return shared;
}

/* Which of the two lengths changes less often from name to name. */
static gboolean choose_from_end(const DeltaChanges *changes, const DeltaTree *old_tree)
{
	Shared before = {0};
	guint changes_start = 0;
	guint changes_end = 0;
	for (guint i = 0; i < changes->count; i++) {
		const DeltaItem *item = delta_changes_item(changes, i);
		if (item->basis == DELTA_NONE || !delta_item_added(item, old_tree))
			continue;
		Shared shared =
		    compare_names(item->entry.path, old_tree->entries[item->basis].path);
		changes_start += shared.start != before.start;
		changes_end += shared.end != before.end;
		before = shared;
	}
	return changes_end < changes_start;
}

/* before: the entry the name is like, or NULL. */
static void put_name(Writer *writer, const DeltaItem *item, const DeltaEntry *before)
{
	const char *path = item->entry.path;
	gsize len = strlen(path);
	gsize left_out = 0;
	Shared shared = {0};
	GByteArray *cuts = writer->columns[COLUMN_CUTS];
	if (before) {
		shared = compare_names(path, before->path);
		left_out = strlen(before->path) - shared.start - shared.end;
		delta_put_varint(cuts, writer->from_end ? shared.end : shared.start);
		delta_put_varint(cuts, left_out);
	} else {
		shared.start = delta_shared_start(path, writer->previous);
		delta_put_varint(cuts, shared.start);
	}
	gsize put_in = len - shared.start - shared.end;
	delta_put_zigzag(cuts, (gint64)put_in - (gint64)left_out);
	g_byte_array_append(writer->columns[COLUMN_NAMES], (const guint8 *)path + shared.start,
			    (guint)put_in);
	writer->previous = path;
}

static guint add_kind(const DeltaItem *item)
{
	switch (item->entry.type) {
	case DELTA_DIR:
		return ADD_DIR;
	case DELTA_LINK:
		return ADD_LINK;
	case DELTA_FILE:
		break;
	}
	if (item->source == DELTA_TOGETHER)
		return ADD_TOGETHER;
	return item->source == DELTA_NEW      ? ADD_NEW
	       : item->source == DELTA_COPIED ? ADD_COPIED
					      : ADD_TWIN;
}

static void put_add(Writer *writer, const DeltaItem *item)
{
	guint add = add_kind(item);
	GByteArray *bases = writer->columns[COLUMN_BASES];
	const DeltaEntry *before =
	    item->basis == DELTA_NONE ? NULL : &writer->old_tree->entries[item->basis];
	if (before) {
		delta_put_varint(
		    bases, 1 + delta_zigzag((gint64)item->basis - (gint64)writer->expected_basis));
		writer->expected_basis = item->basis + 1;
	} else {
		delta_put_varint(bases, 0);
	}
	put_name(writer, item, before);
	if (add == ADD_NEW || add == ADD_TOGETHER)
		put_size(writer, item, before);
	else if (add == ADD_TWIN)
		delta_put_varint(writer->columns[COLUMN_SOURCES], writer->number[item->from]);
	else if (add == ADD_LINK)
		put_target(writer, item);
	if (item->entry.type == DELTA_FILE && item->entry.mode == 0755)
		add |= FLAG_MODE;
	add |= put_mtime(writer, item, before);
	put_byte(writer->columns[COLUMN_ADDS], add);
}

guint *delta_numbers(const DeltaChanges *changes, const DeltaTree *old_tree)
{
	guint *numbers = g_new0(guint, (gsize)changes->items->len + 1);
	guint next = 0;
	for (guint added = 0; added < 2; added++)
		for (guint i = 0; i < changes->count; i++) {
			const DeltaItem *item = delta_changes_item(changes, i);
			if (item->entry.type == DELTA_FILE &&
			    (item->source == DELTA_NEW || item->source == DELTA_TOGETHER) &&
			    delta_item_added(item, old_tree) == (added == 1))
				numbers[i] = next++;
		}
	for (guint i = changes->count; i < changes->items->len; i++)
		if (delta_changes_item(changes, i)->source == DELTA_NEW)
			numbers[i] = next++;
	return numbers;
}

static void put_opened(Writer *writer)
{
	guint expected = 0;
	for (guint i = 0; i < writer->old_tree->n_opened; i++) {
		guint entry = writer->old_tree->opened[i].entry;
		if (entry >= writer->old_tree->count)
			break; /* those in others are opened with them */
		delta_put_zigzag(writer->columns[COLUMN_OPENED], (gint64)entry - (gint64)expected);
		expected = entry + 1;
	}
}

/* The listed references; counterparts need no telling. */
static void put_refs(Writer *writer, const DeltaSegment *segment, guint *expected)
{
	GByteArray *out = writer->columns[COLUMN_REFS];
	for (guint i = 0; i < segment->n_listed; i++) {
		const DeltaRef *ref =
		    &g_array_index(writer->changes->refs, DeltaRef, segment->first_ref + i);
		gboolean part = ref->offset != 0 ||
				ref->length != writer->old_tree->entries[ref->old_index].size;
		guint64 step = delta_zigzag((gint64)ref->old_index - (gint64)*expected);
		delta_put_varint(out, step << 1 | (part ? 1 : 0));
		if (part) {
			delta_put_varint(out, ref->offset);
			delta_put_varint(out, ref->length);
		}
		*expected = ref->old_index + 1;
	}
}

static void put_plan(Writer *writer)
{
	const DeltaChanges *changes = writer->changes;
	guint expected = 0;
	guint expected_ref = 0;
	for (guint i = 0; i < changes->order->len; i++) {
		guint n = writer->number[g_array_index(changes->order, guint, i)];
		delta_put_zigzag(writer->columns[COLUMN_ORDER], (gint64)n - (gint64)expected);
		expected = n + 1;
	}
	for (guint i = 0; i < changes->segments->len; i++) {
		const DeltaSegment *segment = &g_array_index(changes->segments, DeltaSegment, i);
		GByteArray *out = writer->columns[COLUMN_SEGMENTS];
		put_byte(out, segment->codec);
		put_byte(out, segment->props);
		put_byte(out, segment->flags);
		delta_put_varint(out, segment->bytes);
		delta_put_varint(out, segment->n_listed);
		put_refs(writer, segment, &expected_ref);
	}
}

GByteArray *delta_columns_join(GByteArray **columns, guint n)
{
	GByteArray *out = g_byte_array_new();
	for (guint i = 0; i < n; i++) {
		delta_put_varint(out, columns[i]->len);
		g_byte_array_append(out, columns[i]->data, columns[i]->len);
		g_byte_array_unref(columns[i]);
	}
	return out;
}

GByteArray *delta_changes_format(const DeltaChanges *changes, const DeltaTree *old_tree)
{
	Writer writer = {.changes = changes, .old_tree = old_tree, .previous = ""};
	writer.number = delta_numbers(changes, old_tree);
	for (guint i = 0; i < COLUMNS; i++)
		writer.columns[i] = g_byte_array_new();
	writer.from_end = choose_from_end(changes, old_tree);
	put_byte(writer.columns[COLUMN_CUTS], writer.from_end);
	put_ops(&writer);
	put_opened(&writer);
	for (guint i = 0; i < changes->count; i++) {
		const DeltaItem *item = delta_changes_item(changes, i);
		if (delta_item_added(item, old_tree))
			put_add(&writer, item);
	}
	put_plan(&writer);
	g_free(writer.number);
	g_autoptr(GByteArray) columns = delta_columns_join(writer.columns, COLUMNS);
	GByteArray *out = g_byte_array_new();
	delta_put_zigzag(out, changes->default_mtime_s);
	g_byte_array_append(out, columns->data, columns->len);
	return out;
}
