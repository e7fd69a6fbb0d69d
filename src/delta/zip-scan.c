/* SPDX-License-Identifier: ISC */
/*
 * ZIP taken apart: the central directory and the local headers, side by side from the first entry
 * to the last. Only what is needed to write the form is looked at; whether all else is as it should
 * be shows when the form is put together again (archive.c).
 */
#include "delta/zip-private.h"

/* A central entry. */
typedef struct {
	guint8 fixed[ZIP_CENTRAL_HEADER];
	GByteArray *name; /* ends with NUL */
	GByteArray *extra;
	GByteArray *comment;
	guint64 offset; /* in the archive, of the local header */
	DeltaFacts facts;
	guint layout;
} Record;

typedef struct {
	DeltaWindow central_window, local_window;
	DeltaScanned *scanned;
	/* from the end of the archive */
	guint64 count;
	guint64 central; /* in the archive, of the directory and what follows it */
	guint64 central_end;
	guint64 base;
	guint8 end;
	guint8 end_versions[4];
	GByteArray *comment;
	/* the form */
	DeltaValues columns[ZIP_COLUMNS];
	GByteArray *names;
	GByteArray *opaque;
	GString *name; /* the one before */
} Scan;

/* ---- the end ---- */

/* The zip64 record and its locator right before `end`, if there are some. */
static gboolean read_end_64(Scan *scan, guint64 end, guint64 *ret_bytes, guint64 *ret_offset,
			    GError **error)
{
	gsize len = ZIP_END_64_HEADER + ZIP_LOCATOR_HEADER;
	const guint8 *at =
	    end < len ? NULL : delta_window_at(&scan->central_window, end - len, len, error);
	if (!at || delta_le32(at) != ZIP_END_64_SIGNATURE ||
	    delta_le32(at + ZIP_END_64_HEADER) != ZIP_LOCATOR_SIGNATURE)
		return FALSE;
	memcpy(scan->end_versions, at + 12, 4);
	scan->end |= ZIP_END_64;
	scan->count = delta_le64(at + 32);
	scan->central_end = end - len;
	*ret_bytes = delta_le64(at + 40);
	*ret_offset = delta_le64(at + 48);
	return TRUE;
}

/* at: the end record that was found at `offset`. */
static gboolean read_end(Scan *scan, const guint8 *at, guint64 offset, GError **error)
{
	guint64 bytes = delta_le32(at + 12);
	guint64 start = delta_le32(at + 16);
	guint8 max = (guint8)((delta_le16(at + 10) == G_MAXUINT16 ? ZIP_END_COUNT_MAX : 0) |
			      (bytes == G_MAXUINT32 ? ZIP_END_SIZE_MAX : 0) |
			      (start == G_MAXUINT32 ? ZIP_END_OFFSET_MAX : 0));
	g_byte_array_append(scan->comment, at + ZIP_END_HEADER, delta_le16(at + 20));
	scan->count = delta_le16(at + 10);
	scan->central_end = offset;
	if (read_end_64(scan, offset, &bytes, &start, error))
		scan->end |= max;
	if (scan->count == 0 || scan->count > DELTA_MEMBERS_MAX || bytes > DELTA_FORM_MAX ||
	    bytes > scan->central_end || start > scan->central_end - bytes)
		return FALSE;
	scan->central = scan->central_end - bytes;
	scan->base = scan->central - start;
	return TRUE;
}

/* The last end record whose comment ends with the archive. */
static gboolean find_end(Scan *scan, GError **error)
{
	guint64 size = scan->central_window.bytes->size;
	gsize reach = (gsize)MIN(size, ZIP_END_HEADER + G_MAXUINT16);
	const guint8 *last = delta_window_at(&scan->central_window, size - reach, reach, error);
	if (!last || reach < ZIP_END_HEADER)
		return FALSE;
	for (gsize at = reach - ZIP_END_HEADER;; at--) {
		if (delta_le32(last + at) == ZIP_END_SIGNATURE &&
		    delta_le16(last + at + 20) == reach - ZIP_END_HEADER - at)
			return read_end(scan, last + at, size - reach + at, error);
		if (at == 0)
			return FALSE;
	}
}

/* ---- entries ---- */

static gboolean copy(DeltaWindow *window, guint64 *at, gsize len, GByteArray *ret, GError **error)
{
	const guint8 *data = delta_window_at(window, *at, len, error);
	g_byte_array_set_size(ret, 0);
	if (!data)
		return FALSE;
	if (len > 0)
		g_byte_array_append(ret, data, (guint)len);
	*at += len;
	return TRUE;
}

/* A value of the central entry, which zip64 takes out of the fixed part. The values taken are
 * zeroed. */
static gboolean take(Record *record, guint place, guint bit, gsize *taken, guint64 *ret_value)
{
	*ret_value = delta_le32(record->fixed + place);
	if (*ret_value != G_MAXUINT32)
		return TRUE;
	const guint8 *field = zip_field_64(record->extra->data, record->extra->len, *taken + 8);
	if (!field)
		return FALSE;
	guint8 *value = record->extra->data + (field - record->extra->data) + *taken;
	*ret_value = delta_le64(value);
	delta_set_le(value, 0, 8);
	*taken += 8;
	record->layout |= bit;
	return TRUE;
}

/* The central entry at *at, which moves on. */
static gboolean read_record(Scan *scan, guint64 *at, Record *record, GError **error)
{
	DeltaWindow *window = &scan->central_window;
	const guint8 *fixed = delta_window_at(window, *at, ZIP_CENTRAL_HEADER, error);
	if (!fixed || delta_le32(fixed) != ZIP_CENTRAL_SIGNATURE)
		return FALSE;
	memcpy(record->fixed, fixed, ZIP_CENTRAL_HEADER);
	*at += ZIP_CENTRAL_HEADER;
	gsize name_len = delta_le16(record->fixed + 28);
	if (!copy(window, at, name_len, record->name, error) ||
	    !copy(window, at, delta_le16(record->fixed + 30), record->extra, error) ||
	    !copy(window, at, delta_le16(record->fixed + 32), record->comment, error))
		return FALSE;
	delta_put_zeros(record->name, 1);
	if (strlen((const char *)record->name->data) != name_len)
		return FALSE;
	gsize taken = 0;
	record->layout = 0;
	record->facts.crc = delta_le32(record->fixed + 16);
	if (!take(record, 24, ZIP_CENTRAL_BYTES_64, &taken, &record->facts.bytes) ||
	    !take(record, 20, ZIP_CENTRAL_PACKED_64, &taken, &record->facts.packed_bytes) ||
	    !take(record, 42, ZIP_CENTRAL_OFFSET_64, &taken, &record->offset) ||
	    record->offset > scan->central - scan->base)
		return FALSE;
	record->offset += scan->base;
	return TRUE;
}

/* How a number of the local header is written. Where a descriptor follows, zeros are meant as
 * zeros, even if the number is zero: all entries of that kind are to look alike. */
static gboolean field_of(guint32 value, guint64 truth, gboolean described, ZipField *ret_field)
{
	if (value == truth && (value != 0 || !described))
		*ret_field = ZIP_FIELD_TRUE;
	else if (value == 0)
		*ret_field = ZIP_FIELD_ZERO;
	else if (value == G_MAXUINT32)
		*ret_field = ZIP_FIELD_MAX;
	else
		return FALSE;
	return TRUE;
}

/* What stands between the packed bytes and the next header. */
static gboolean descriptor_of(guint64 gap, guint *ret_layout)
{
	static const guint layouts[] = {0, ZIP_DESCRIPTOR, ZIP_DESCRIPTOR | ZIP_DESCRIPTOR_SIGNED,
					ZIP_DESCRIPTOR | ZIP_DESCRIPTOR_LONG,
					ZIP_DESCRIPTOR | ZIP_DESCRIPTOR_LONG |
					    ZIP_DESCRIPTOR_SIGNED};
	static const guint8 gaps[] = {0, 12, 16, 20, 24};
	for (guint i = 0; i < G_N_ELEMENTS(gaps); i++) {
		if (gap == gaps[i]) {
			*ret_layout |= layouts[i];
			return TRUE;
		}
	}
	return FALSE;
}

/* The same in the zip64 field, where what is not true stays as it is. */
static gboolean blank_64(guint8 *value, guint64 truth, gboolean described)
{
	if (delta_le64(value) != truth || (truth == 0 && described))
		return FALSE;
	memset(value, 0, 8);
	return TRUE;
}

static gboolean layout_of_local(Record *record, const guint8 *local, GByteArray *extra)
{
	const DeltaFacts *facts = &record->facts;
	gboolean described = (record->layout & ZIP_DESCRIPTOR) != 0;
	ZipField crc = ZIP_FIELD_TRUE;
	ZipField packed = ZIP_FIELD_TRUE;
	ZipField bytes = ZIP_FIELD_TRUE;
	if (!field_of(delta_le32(local + 14), facts->crc, described, &crc) ||
	    crc == ZIP_FIELD_MAX ||
	    !field_of(delta_le32(local + 18), facts->packed_bytes, described, &packed) ||
	    !field_of(delta_le32(local + 22), facts->bytes, described, &bytes))
		return FALSE;
	record->layout |= (crc == ZIP_FIELD_ZERO ? ZIP_LOCAL_CRC_ZERO : 0) |
			  (guint)packed << ZIP_LOCAL_PACKED | (guint)bytes << ZIP_LOCAL_BYTES;
	const guint8 *field = zip_field_64(extra->data, extra->len, 16);
	gsize at = field ? (gsize)(field - extra->data) : 0;
	if (field && blank_64(extra->data + at, facts->bytes, described))
		record->layout |= ZIP_LOCAL_BYTES_64;
	if (field && blank_64(extra->data + at + 8, facts->packed_bytes, described))
		record->layout |= ZIP_LOCAL_PACKED_64;
	return TRUE;
}

static DeltaPacking packing_of(Record *record)
{
	guint method = delta_le16(record->fixed + 10);
	gboolean opaque = zip_must_be_opaque(delta_le16(record->fixed + 8), method);
	if (opaque ||
	    (method == ZIP_METHOD_STORED && record->facts.bytes != record->facts.packed_bytes))
		record->layout |= ZIP_OPAQUE;
	return method == ZIP_METHOD_DEFLATED && !opaque ? DELTA_DEFLATED : DELTA_STORED;
}

static void add_columns(Scan *scan, const Record *record, const guint8 *local,
			const GByteArray *local_extra)
{
	guint8 shape[ZIP_SHAPE_BYTES];
	memcpy(shape, record->fixed + 4, ZIP_SHAPE_ATTRIBUTES);
	memcpy(shape + ZIP_SHAPE_ATTRIBUTES, record->fixed + 36,
	       ZIP_SHAPE_XOR - ZIP_SHAPE_ATTRIBUTES);
	for (guint i = 0; i < ZIP_SHAPE_XOR_BYTES; i++)
		shape[ZIP_SHAPE_XOR + i] = local[4 + i] ^ record->fixed[6 + i];
	delta_set_le(shape + ZIP_SHAPE_LAYOUT, record->layout, 2);
	delta_values_add(&scan->columns[ZIP_SHAPES], shape, sizeof shape);
	delta_values_add(&scan->columns[ZIP_TIMES], record->fixed + 12, 4);
	delta_values_add(&scan->columns[ZIP_LOCAL_EXTRAS], local_extra->data, local_extra->len);
	delta_values_add(&scan->columns[ZIP_CENTRAL_EXTRAS], record->extra->data,
			 record->extra->len);
	delta_values_add(&scan->columns[ZIP_COMMENTS], record->comment->data, record->comment->len);
	delta_name_put(scan->names, scan->name, (const char *)record->name->data);
	if (record->layout & ZIP_OPAQUE) {
		delta_put_varint(scan->opaque, record->facts.bytes);
		delta_put_le(scan->opaque, record->facts.crc, 4);
	}
}

/* next: where the next header begins. */
static gboolean add_entry(Scan *scan, Record *record, guint64 next, GError **error)
{
	guint8 local[ZIP_LOCAL_HEADER];
	DeltaWindow *window = &scan->local_window;
	const guint8 *fixed = delta_window_at(window, record->offset, ZIP_LOCAL_HEADER, error);
	if (!fixed || delta_le32(fixed) != ZIP_LOCAL_SIGNATURE)
		return FALSE;
	memcpy(local, fixed, ZIP_LOCAL_HEADER);
	g_autoptr(GByteArray) extra = g_byte_array_new();
	guint64 at = record->offset + ZIP_LOCAL_HEADER + delta_le16(local + 26);
	if (!copy(window, &at, delta_le16(local + 28), extra, error) || at > next ||
	    record->facts.packed_bytes > next - at ||
	    !descriptor_of(next - at - record->facts.packed_bytes, &record->layout) ||
	    !layout_of_local(record, local, extra))
		return FALSE;
	DeltaMember member = {.offset = at, .facts = record->facts, .packing = packing_of(record)};
	g_array_append_val(scan->scanned->members, member);
	add_columns(scan, record, local, extra);
	return TRUE;
}

/* ---- the whole ---- */

static void record_init(Record *record)
{
	*record = (Record){
	    .name = g_byte_array_new(), .extra = g_byte_array_new(), .comment = g_byte_array_new()};
}

static void record_clear(Record *record)
{
	g_byte_array_unref(record->name);
	g_byte_array_unref(record->extra);
	g_byte_array_unref(record->comment);
}

static gboolean put_start(Scan *scan, guint64 prefix_bytes, GError **error)
{
	GByteArray *form = scan->scanned->form;
	const guint8 *prefix =
	    prefix_bytes > DELTA_FORM_MAX
		? NULL
		: delta_window_at(&scan->local_window, 0, (gsize)prefix_bytes, error);
	if (!prefix || scan->base > prefix_bytes)
		return FALSE;
	delta_put_varint(form, scan->count);
	delta_put_varint(form, prefix_bytes);
	g_byte_array_append(form, prefix, (guint)prefix_bytes);
	delta_put_varint(form, scan->base);
	g_byte_array_append(form, &scan->end, 1);
	if (scan->end & ZIP_END_64)
		g_byte_array_append(form, scan->end_versions, sizeof scan->end_versions);
	delta_put_varint(form, scan->comment->len);
	g_byte_array_append(form, scan->comment->data, scan->comment->len);
	return TRUE;
}

static void put_columns(Scan *scan)
{
	GByteArray *form = scan->scanned->form;
	for (guint i = 0; i < ZIP_COLUMNS; i++)
		delta_values_finish(&scan->columns[i], form);
	g_byte_array_append(form, scan->names->data, scan->names->len);
	g_byte_array_append(form, scan->opaque->data, scan->opaque->len);
}

/* An entry ends where the next begins, so two records are looked at. */
static gboolean scan_entries(Scan *scan, Record records[2], GError **error)
{
	guint64 at = scan->central;
	for (guint64 i = 0; i <= scan->count; i++) {
		guint64 next = scan->central;
		if (i < scan->count) {
			if (!read_record(scan, &at, &records[i & 1], error))
				return FALSE;
			next = records[i & 1].offset;
		}
		if (i == 0 ? !put_start(scan, next, error)
			   : !add_entry(scan, &records[~i & 1], next, error))
			return FALSE;
		/* all else is not more than the directory */
		if (scan->columns[ZIP_LOCAL_EXTRAS].values->len > DELTA_FORM_MAX)
			return FALSE;
	}
	put_columns(scan);
	return TRUE;
}

gboolean zip_scan(const DeltaBytes *bytes, DeltaScanned *scanned, GError **error)
{
	Record records[2];
	Scan scan = {.scanned = scanned,
		     .comment = g_byte_array_new(),
		     .names = g_byte_array_new(),
		     .opaque = g_byte_array_new(),
		     .name = g_string_new(NULL)};
	delta_window_init(&scan.central_window, bytes);
	delta_window_init(&scan.local_window, bytes);
	for (guint i = 0; i < ZIP_COLUMNS; i++)
		delta_values_init(&scan.columns[i], zip_column_width((ZipColumn)i));
	record_init(&records[0]);
	record_init(&records[1]);
	gboolean ok = find_end(&scan, error) && scan_entries(&scan, records, error);
	record_clear(&records[0]);
	record_clear(&records[1]);
	for (guint i = 0; i < ZIP_COLUMNS; i++)
		delta_values_clear(&scan.columns[i]);
	delta_window_clear(&scan.central_window);
	delta_window_clear(&scan.local_window);
	g_byte_array_unref(scan.comment);
	g_byte_array_unref(scan.names);
	g_byte_array_unref(scan.opaque);
	g_string_free(scan.name, TRUE);
	return ok;
}
