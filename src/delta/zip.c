/* SPDX-License-Identifier: ISC */
/* ZIP put together again from its form. */
#include "delta/zip-private.h"

#define EXTRA_64 1

typedef struct {
	guint64 offset; /* of the local header */
	DeltaFacts facts;
} Placed;

/* Parts of the form, and what is known of the entries so far. */
typedef struct {
	guint count;
	DeltaValue prefix;
	guint64 base; /* what offsets count from */
	guint8 end;
	const guint8 *end_versions;
	DeltaValue comment;
	DeltaValue *columns[ZIP_COLUMNS];
	Placed *placed; /* facts of opaque entries from the beginning */
	guint64 at;
} Zip;

static const char *name_of(const DeltaArchive *archive, guint i)
{
	return g_array_index(archive->members, DeltaMember, i).name;
}

static guint layout_of(const Zip *zip, guint i)
{
	return delta_le16(zip->columns[ZIP_SHAPES][i].data + ZIP_SHAPE_LAYOUT);
}

const guint8 *zip_field_64(const guint8 *extra, gsize extra_len, gsize len)
{
	while (extra_len >= 4) {
		gsize size = delta_le16(extra + 2);
		if (size > extra_len - 4)
			return NULL;
		if (delta_le16(extra) == EXTRA_64)
			return size >= len ? extra + 4 : NULL;
		extra += 4 + size;
		extra_len -= 4 + size;
	}
	return NULL;
}

/* ---- the form ---- */

static gboolean is_zero_64(const guint8 *value)
{
	return delta_le64(value) == 0;
}

/* The local zip64 field has both sizes, whether true or not. */
static gboolean local_extra_fits(const DeltaValue *extra, guint layout)
{
	if (!(layout & (ZIP_LOCAL_BYTES_64 | ZIP_LOCAL_PACKED_64)))
		return TRUE;
	const guint8 *field = zip_field_64(extra->data, extra->len, 16);
	return field && (!(layout & ZIP_LOCAL_BYTES_64) || is_zero_64(field)) &&
	       (!(layout & ZIP_LOCAL_PACKED_64) || is_zero_64(field + 8));
}

/* Bytes of the central zip64 field, which has only what is needed, one after the other. */
static gsize central_64_bytes(guint layout)
{
	return (layout & ZIP_CENTRAL_BYTES_64 ? 8 : 0) + (layout & ZIP_CENTRAL_PACKED_64 ? 8 : 0) +
	       (layout & ZIP_CENTRAL_OFFSET_64 ? 8 : 0);
}

static gboolean central_extra_fits(const DeltaValue *extra, guint layout)
{
	gsize len = central_64_bytes(layout);
	const guint8 *field = len > 0 ? zip_field_64(extra->data, extra->len, len) : NULL;
	for (gsize i = 0; field && i < len; i += 8)
		if (!is_zero_64(field + i))
			return FALSE;
	return len == 0 || field;
}

static gboolean entry_fits(const Zip *zip, guint i)
{
	const guint8 *shape = zip->columns[ZIP_SHAPES][i].data;
	guint layout = layout_of(zip, i);
	guint method = delta_le16(shape + ZIP_SHAPE_METHOD);
	if (layout & ~(guint)ZIP_LAYOUT_BITS || (layout >> ZIP_LOCAL_PACKED & 3) > ZIP_FIELD_MAX ||
	    (layout >> ZIP_LOCAL_BYTES & 3) > ZIP_FIELD_MAX)
		return FALSE;
	if (!(layout & ZIP_DESCRIPTOR) && layout & (ZIP_DESCRIPTOR_SIGNED | ZIP_DESCRIPTOR_LONG))
		return FALSE;
	if (zip_must_be_opaque(delta_le16(shape + ZIP_SHAPE_FLAGS), method)
		? !(layout & ZIP_OPAQUE)
		: layout & ZIP_OPAQUE && method != 0)
		return FALSE;
	return local_extra_fits(&zip->columns[ZIP_LOCAL_EXTRAS][i], layout) &&
	       central_extra_fits(&zip->columns[ZIP_CENTRAL_EXTRAS][i], layout);
}

static gboolean read_start(Zip *zip, DeltaForm *form)
{
	guint64 count = 0;
	if (!delta_get_varint(&form->reader, DELTA_MEMBERS_MAX, &count) || count == 0 ||
	    !delta_form_value(form, G_MAXUINT, &zip->prefix) ||
	    !delta_get_varint(&form->reader, zip->prefix.len, &zip->base) ||
	    !delta_get_byte(&form->reader, &zip->end) || zip->end & ~ZIP_END_FLAGS)
		return FALSE;
	zip->count = (guint)count;
	if (zip->end & ZIP_END_64 ? !delta_form_bytes(form, 4, &zip->end_versions) : zip->end != 0)
		return FALSE;
	return delta_form_value(form, G_MAXUINT16, &zip->comment) &&
	       delta_form_charge(form, (guint64)count * sizeof(Placed));
}

static gboolean read_names(DeltaArchive *archive, const Zip *zip, DeltaForm *form)
{
	g_autoptr(GString) name = g_string_new(NULL);
	for (guint i = 0; i < zip->count; i++) {
		const guint8 *shape = zip->columns[ZIP_SHAPES][i].data;
		gboolean deflated = delta_le16(shape + ZIP_SHAPE_METHOD) == ZIP_METHOD_DEFLATED &&
				    !(layout_of(zip, i) & ZIP_OPAQUE);
		gsize lens =
		    zip->columns[ZIP_CENTRAL_EXTRAS][i].len + zip->columns[ZIP_COMMENTS][i].len;
		/* the tail will be as long as all central entries, and twice that while it grows */
		if (!delta_name_get(form, name, G_MAXUINT16) ||
		    !delta_form_charge(form, 2 * (ZIP_CENTRAL_HEADER + name->len + lens)) ||
		    !delta_archive_add_member(archive, form, name->str,
					      deflated ? DELTA_DEFLATED : DELTA_STORED))
			return FALSE;
	}
	return TRUE;
}

static gboolean read_opaque(Zip *zip, DeltaForm *form)
{
	const guint8 *crc = NULL;
	for (guint i = 0; i < zip->count; i++) {
		if (!(layout_of(zip, i) & ZIP_OPAQUE))
			continue;
		DeltaFacts *facts = &zip->placed[i].facts;
		if (!delta_get_varint(&form->reader, G_MAXUINT64, &facts->bytes) ||
		    !delta_form_bytes(form, 4, &crc))
			return FALSE;
		facts->crc = delta_le32(crc);
	}
	return TRUE;
}

static gboolean zip_read(DeltaArchive *archive, DeltaForm *form)
{
	Zip *zip = g_new0(Zip, 1);
	archive->parsed = zip;
	if (!read_start(zip, form))
		return FALSE;
	zip->placed = g_new0(Placed, zip->count);
	for (guint i = 0; i < ZIP_COLUMNS; i++) {
		zip->columns[i] = delta_values_read(form, zip->count,
						    zip_column_width((ZipColumn)i), G_MAXUINT16);
		if (!zip->columns[i])
			return FALSE;
	}
	for (guint i = 0; i < zip->count; i++)
		if (!entry_fits(zip, i))
			return FALSE;
	return read_names(archive, zip, form) && read_opaque(zip, form);
}

static void zip_free(gpointer parsed)
{
	Zip *zip = parsed;
	for (guint i = 0; i < ZIP_COLUMNS; i++)
		g_free(zip->columns[i]);
	g_free(zip->placed);
	g_free(zip);
}

/* ---- the archive ---- */

static void put_value(GByteArray *out, const DeltaValue *value)
{
	if (value->len > 0)
		g_byte_array_append(out, value->data, value->len);
}

static void put_name(GByteArray *out, const char *name)
{
	g_byte_array_append(out, (const guint8 *)name, (guint)strlen(name));
}

/* The extra field, with n values in its zip64 field. */
static void put_extra(GByteArray *out, const DeltaValue *extra, const guint64 *values, guint n)
{
	const guint8 *field = n > 0 ? zip_field_64(extra->data, extra->len, (gsize)8 * n) : NULL;
	if (!field) {
		put_value(out, extra);
		return;
	}
	guint before = (guint)(field - extra->data);
	DeltaValue rest = {field + (gsize)8 * n, extra->len - before - 8 * n};
	g_byte_array_append(out, extra->data, before);
	for (guint i = 0; i < n; i++)
		delta_put_le(out, values[i], 8);
	put_value(out, &rest);
}

static guint32 local_field(guint layout, guint shift, guint64 value)
{
	switch ((ZipField)(layout >> shift & 3)) {
	case ZIP_FIELD_TRUE:
		return (guint32)value;
	case ZIP_FIELD_ZERO:
		return 0;
	case ZIP_FIELD_MAX:
		break;
	}
	return G_MAXUINT32;
}

/* What is not true in the zip64 field stays as it is. */
static void put_local_extra(const DeltaValue *extra, const DeltaFacts *facts, guint layout,
			    GByteArray *out)
{
	const guint8 *field = zip_field_64(extra->data, extra->len, 16);
	if (!field) {
		put_value(out, extra);
		return;
	}
	guint64 values[] = {layout & ZIP_LOCAL_BYTES_64 ? facts->bytes : delta_le64(field),
			    layout & ZIP_LOCAL_PACKED_64 ? facts->packed_bytes
							 : delta_le64(field + 8)};
	put_extra(out, extra, values, G_N_ELEMENTS(values));
}

static void put_local(const DeltaArchive *archive, guint i, GByteArray *out)
{
	const Zip *zip = archive->parsed;
	const DeltaFacts *facts = &zip->placed[i].facts;
	const guint8 *shape = zip->columns[ZIP_SHAPES][i].data;
	const DeltaValue *extra = &zip->columns[ZIP_LOCAL_EXTRAS][i];
	const char *name = name_of(archive, i);
	guint layout = layout_of(zip, i);
	guint8 fixed[ZIP_LOCAL_HEADER];
	delta_set_le(fixed, ZIP_LOCAL_SIGNATURE, 4);
	memcpy(fixed + 4, shape + 2, 6);
	memcpy(fixed + 10, zip->columns[ZIP_TIMES][i].data, 4);
	for (guint k = 0; k < ZIP_SHAPE_XOR_BYTES; k++)
		fixed[4 + k] ^= shape[ZIP_SHAPE_XOR + k];
	delta_set_le(fixed + 14, layout & ZIP_LOCAL_CRC_ZERO ? 0 : facts->crc, 4);
	delta_set_le(fixed + 18, local_field(layout, ZIP_LOCAL_PACKED, facts->packed_bytes), 4);
	delta_set_le(fixed + 22, local_field(layout, ZIP_LOCAL_BYTES, facts->bytes), 4);
	delta_set_le(fixed + 26, strlen(name), 2);
	delta_set_le(fixed + 28, extra->len, 2);
	g_byte_array_append(out, fixed, sizeof fixed);
	put_name(out, name);
	put_local_extra(extra, facts, layout, out);
}

static void put_descriptor(const Zip *zip, guint i, GByteArray *out)
{
	const DeltaFacts *facts = &zip->placed[i].facts;
	guint layout = layout_of(zip, i);
	guint width = layout & ZIP_DESCRIPTOR_LONG ? 8 : 4;
	if (!(layout & ZIP_DESCRIPTOR))
		return;
	if (layout & ZIP_DESCRIPTOR_SIGNED)
		delta_put_le(out, ZIP_DESCRIPTOR_SIGNATURE, 4);
	delta_put_le(out, facts->crc, 4);
	delta_put_le(out, facts->packed_bytes, width);
	delta_put_le(out, facts->bytes, width);
}

static void zip_head(DeltaArchive *archive, guint i, const DeltaFacts *facts, GByteArray *out)
{
	Zip *zip = archive->parsed;
	Placed *placed = &zip->placed[i];
	guint before = out->len;
	if (i == 0) {
		zip->at = 0;
		put_value(out, &zip->prefix);
	} else {
		put_descriptor(zip, i - 1, out);
	}
	placed->offset = zip->at + (out->len - before);
	placed->facts.packed_bytes = facts->packed_bytes;
	if (!(layout_of(zip, i) & ZIP_OPAQUE))
		placed->facts = *facts;
	put_local(archive, i, out);
	zip->at += out->len - before + facts->packed_bytes;
}

static void put_central_extra(const DeltaValue *extra, const Placed *placed, guint64 base,
			      guint layout, GByteArray *out)
{
	guint64 values[3];
	guint n = 0;
	if (layout & ZIP_CENTRAL_BYTES_64)
		values[n++] = placed->facts.bytes;
	if (layout & ZIP_CENTRAL_PACKED_64)
		values[n++] = placed->facts.packed_bytes;
	if (layout & ZIP_CENTRAL_OFFSET_64)
		values[n++] = placed->offset - base;
	put_extra(out, extra, values, n);
}

static void set_or_max(guint8 *at, guint64 value, guint in_64)
{
	delta_set_le(at, in_64 ? G_MAXUINT32 : value, 4);
}

static void put_central(const DeltaArchive *archive, guint i, GByteArray *out)
{
	const Zip *zip = archive->parsed;
	const Placed *placed = &zip->placed[i];
	const guint8 *shape = zip->columns[ZIP_SHAPES][i].data;
	const DeltaValue *extra = &zip->columns[ZIP_CENTRAL_EXTRAS][i];
	const DeltaValue *comment = &zip->columns[ZIP_COMMENTS][i];
	const char *name = name_of(archive, i);
	guint layout = layout_of(zip, i);
	guint8 fixed[ZIP_CENTRAL_HEADER] = {0};
	delta_set_le(fixed, ZIP_CENTRAL_SIGNATURE, 4);
	memcpy(fixed + 4, shape, ZIP_SHAPE_ATTRIBUTES);
	memcpy(fixed + 12, zip->columns[ZIP_TIMES][i].data, 4);
	delta_set_le(fixed + 16, placed->facts.crc, 4);
	set_or_max(fixed + 20, placed->facts.packed_bytes, layout & ZIP_CENTRAL_PACKED_64);
	set_or_max(fixed + 24, placed->facts.bytes, layout & ZIP_CENTRAL_BYTES_64);
	delta_set_le(fixed + 28, strlen(name), 2);
	delta_set_le(fixed + 30, extra->len, 2);
	delta_set_le(fixed + 32, comment->len, 2);
	memcpy(fixed + 36, shape + ZIP_SHAPE_ATTRIBUTES, ZIP_SHAPE_XOR - ZIP_SHAPE_ATTRIBUTES);
	set_or_max(fixed + 42, placed->offset - zip->base, layout & ZIP_CENTRAL_OFFSET_64);
	g_byte_array_append(out, fixed, sizeof fixed);
	put_name(out, name);
	put_central_extra(extra, placed, zip->base, layout, out);
	put_value(out, comment);
}

static void put_end_64(const Zip *zip, guint64 central, guint64 central_bytes, GByteArray *out)
{
	delta_put_le(out, ZIP_END_64_SIGNATURE, 4);
	delta_put_le(out, ZIP_END_64_HEADER - 12, 8);
	g_byte_array_append(out, zip->end_versions, 4);
	delta_put_zeros(out, 8); /* disks */
	delta_put_le(out, zip->count, 8);
	delta_put_le(out, zip->count, 8);
	delta_put_le(out, central_bytes, 8);
	delta_put_le(out, central - zip->base, 8);
	delta_put_le(out, ZIP_LOCATOR_SIGNATURE, 4);
	delta_put_zeros(out, 4);
	delta_put_le(out, central + central_bytes - zip->base, 8);
	delta_put_le(out, 1, 4); /* disks in all */
}

static void zip_tail(DeltaArchive *archive, GByteArray *out)
{
	const Zip *zip = archive->parsed;
	guint before = out->len;
	put_descriptor(zip, zip->count - 1, out);
	guint64 central = zip->at + (out->len - before);
	before = out->len;
	for (guint i = 0; i < zip->count; i++)
		put_central(archive, i, out);
	guint64 central_bytes = out->len - before;
	if (zip->end & ZIP_END_64)
		put_end_64(zip, central, central_bytes, out);
	guint64 count = zip->end & ZIP_END_COUNT_MAX ? G_MAXUINT16 : zip->count;
	delta_put_le(out, ZIP_END_SIGNATURE, 4);
	delta_put_zeros(out, 4); /* disks */
	delta_put_le(out, count, 2);
	delta_put_le(out, count, 2);
	delta_put_le(out, zip->end & ZIP_END_SIZE_MAX ? G_MAXUINT32 : central_bytes, 4);
	delta_put_le(out, zip->end & ZIP_END_OFFSET_MAX ? G_MAXUINT32 : central - zip->base, 4);
	delta_put_le(out, zip->comment.len, 2);
	put_value(out, &zip->comment);
}

/* A script that unpacks itself, or a program, may stand before the archive. */
static gboolean zip_sniff(const guint8 *data, gsize len)
{
	return (len >= 4 && delta_le32(data) == ZIP_LOCAL_SIGNATURE) ||
	       (len >= 2 && (memcmp(data, "#!", 2) == 0 || memcmp(data, "MZ", 2) == 0));
}

const DeltaFormat delta_zip_format = {.kind = DELTA_ARCHIVE_ZIP,
				      .sniff = zip_sniff,
				      .scan = zip_scan,
				      .read = zip_read,
				      .head = zip_head,
				      .tail = zip_tail,
				      .free = zip_free};
