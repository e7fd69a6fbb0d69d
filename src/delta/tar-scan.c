/* SPDX-License-Identifier: ISC */
/*
 * tar taken apart, header by header. Whether padding and checksums are as they should be shows when
 * the form is put together again (archive.c).
 */
#include "delta/tar-private.h"

typedef struct {
	DeltaWindow window;
	DeltaScanned *scanned;
	guint64 at;
	guint count;
	guint64 end;
	DeltaValues columns[TAR_COLUMNS];
	GByteArray *names;
	GByteArray *data;
	GString *own, *other; /* names before */
} Scan;

/* Nothing but zeros to the end of the archive. */
static gboolean scan_end(Scan *scan, GError **error)
{
	guint64 size = scan->window.bytes->size;
	guint64 zeros = size - scan->at;
	if (zeros > TAR_END_MAX)
		return FALSE;
	while (scan->at < size) {
		gsize len = (gsize)MIN(size - scan->at, TAR_BLOCK);
		const guint8 *data = delta_window_at(&scan->window, scan->at, len, error);
		if (!data || !tar_is_zero(data, len))
			return FALSE;
		scan->at += len;
	}
	scan->end =
	    size % TAR_RECORD == 0 && zeros >= 2 * TAR_BLOCK && zeros < 2 * TAR_BLOCK + TAR_RECORD
		? 0
		: 1 + zeros;
	return TRUE;
}

/* Appends a text to its column, and blanks it. */
static void take_text(DeltaValues *column, guint8 *field, gsize max)
{
	gsize len = tar_text(field, max);
	delta_values_add(column, field, len);
	memset(field, 0, len);
}

/* All digits become '0'. */
static void blank_number(guint8 *field, const TarNumber *number)
{
	memset(field + number->start, '0', number->digits);
}

/* The header's own data, which goes into the form. */
static gboolean take_data(Scan *scan, guint64 len, GError **error)
{
	const guint8 *data =
	    len > TAR_DATA_MAX ? NULL : delta_window_at(&scan->window, scan->at, (gsize)len, error);
	if (!data)
		return FALSE;
	delta_put_varint(scan->data, len);
	g_byte_array_append(scan->data, data, (guint)len);
	scan->at += len;
	return TRUE;
}

static gboolean take_member(Scan *scan, guint64 bytes)
{
	if (bytes > scan->window.bytes->size - scan->at)
		return FALSE;
	DeltaMember member = {
	    .offset = scan->at, .packing = DELTA_STORED, .facts = {bytes, bytes, 0}};
	g_array_append_val(scan->scanned->members, member);
	scan->at += bytes;
	return TRUE;
}

static void take_header(Scan *scan, guint8 *block, gboolean own)
{
	char name[TAR_NAME_BYTES + 1] = "";
	gsize name_len = tar_text(block + TAR_NAME, TAR_NAME_BYTES);
	memcpy(name, block + TAR_NAME, name_len);
	memset(block + TAR_NAME, 0, name_len);
	delta_name_put(scan->names, own ? scan->own : scan->other, name);
	take_text(&scan->columns[TAR_LINKS], block + TAR_LINK, TAR_LINK_BYTES);
	take_text(&scan->columns[TAR_PREFIXES], block + TAR_PREFIX, TAR_PREFIX_BYTES);
	delta_values_add(&scan->columns[TAR_MTIMES], block + TAR_MTIME, TAR_MTIME_BYTES);
	memset(block + TAR_MTIME, 0, TAR_MTIME_BYTES);
	delta_values_add(&scan->columns[TAR_BLOCKS], block, TAR_BLOCK);
}

/* One header, and what belongs to it. */
static gboolean scan_header(Scan *scan, const guint8 *there, GError **error)
{
	guint8 block[TAR_BLOCK];
	TarKind kind = TAR_NO_DATA;
	TarNumber size;
	TarNumber sum;
	memcpy(block, there, TAR_BLOCK);
	if (!tar_kind(block[TAR_TYPE], &kind) || scan->count == DELTA_MEMBERS_MAX ||
	    !tar_number(block + TAR_SIZE, TAR_SIZE_BYTES, &size) ||
	    !tar_number(block + TAR_SUM, TAR_SUM_BYTES, &sum) ||
	    (kind == TAR_NO_DATA && size.value != 0))
		return FALSE;
	blank_number(block + TAR_SIZE, &size);
	blank_number(block + TAR_SUM, &sum);
	take_header(scan, block, kind == TAR_OWN);
	scan->count++;
	scan->at += TAR_BLOCK;
	if (kind == TAR_FILE && !take_member(scan, size.value))
		return FALSE;
	if (kind == TAR_OWN && !take_data(scan, size.value, error))
		return FALSE;
	scan->at += tar_padding(size.value);
	return TRUE;
}

static gboolean too_large(const Scan *scan)
{
	return scan->columns[TAR_BLOCKS].values->len > DELTA_FORM_MAX ||
	       scan->data->len > DELTA_FORM_MAX;
}

static gboolean scan_all(Scan *scan, GError **error)
{
	guint64 size = scan->window.bytes->size;
	while (scan->at < size && size - scan->at >= TAR_BLOCK) {
		const guint8 *block = delta_window_at(&scan->window, scan->at, TAR_BLOCK, error);
		if (!block)
			return FALSE;
		if (tar_is_zero(block, TAR_BLOCK))
			break;
		if (!scan_header(scan, block, error) || too_large(scan))
			return FALSE;
	}
	return scan->count > 0 && scan->at <= size && scan_end(scan, error);
}

static void put_form(Scan *scan)
{
	GByteArray *form = scan->scanned->form;
	delta_put_varint(form, scan->count);
	delta_put_varint(form, scan->end);
	for (guint i = 0; i < TAR_COLUMNS; i++)
		delta_values_finish(&scan->columns[i], form);
	g_byte_array_append(form, scan->names->data, scan->names->len);
	g_byte_array_append(form, scan->data->data, scan->data->len);
}

gboolean tar_scan(const DeltaBytes *bytes, DeltaScanned *scanned, GError **error)
{
	Scan scan = {.scanned = scanned,
		     .names = g_byte_array_new(),
		     .data = g_byte_array_new(),
		     .own = g_string_new(NULL),
		     .other = g_string_new(NULL)};
	delta_window_init(&scan.window, bytes);
	for (guint i = 0; i < TAR_COLUMNS; i++)
		delta_values_init(&scan.columns[i], tar_column_width((TarColumn)i));
	gboolean ok = scan_all(&scan, error);
	if (ok)
		put_form(&scan);
	for (guint i = 0; i < TAR_COLUMNS; i++)
		delta_values_clear(&scan.columns[i]);
	delta_window_clear(&scan.window);
	g_byte_array_unref(scan.names);
	g_byte_array_unref(scan.data);
	g_string_free(scan.own, TRUE);
	g_string_free(scan.other, TRUE);
	return ok;
}
