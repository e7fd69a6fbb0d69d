/* SPDX-License-Identifier: ISC */
#include "delta/delta-private.h"

void delta_put_varint(GByteArray *out, guint64 value)
{
	do {
		guint8 byte = (guint8)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
		g_byte_array_append(out, &byte, 1);
		value >>= 7;
	} while (value > 0);
}

gboolean delta_get_byte(DeltaReader *reader, guint8 *ret_byte)
{
	if (reader->at == reader->end)
		return FALSE;
	*ret_byte = *reader->at++;
	return TRUE;
}

gboolean delta_get_varint(DeltaReader *reader, guint64 max, guint64 *ret_value)
{
	guint64 value = 0;
	guint8 byte = 0;
	for (guint shift = 0; shift < 64; shift += 7) {
		if (!delta_get_byte(reader, &byte))
			return FALSE;
		if ((byte == 0 && shift > 0) || (shift == 63 && byte > 1))
			return FALSE; /* not the shortest form, or more than 64 bits */
		value |= (guint64)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret_value = value;
			return value <= max;
		}
	}
	return FALSE;
}

gboolean delta_get_zigzag(DeltaReader *reader, gint64 *ret_value)
{
	guint64 value = 0;
	if (!delta_get_varint(reader, G_MAXUINT64, &value))
		return FALSE;
	*ret_value = delta_unzigzag(value);
	return TRUE;
}

gboolean delta_get_index(DeltaReader *reader, guint expected, guint count, guint *ret_index)
{
	gint64 step = 0;
	if (!delta_get_zigzag(reader, &step) || step < -(gint64)expected ||
	    step >= (gint64)count - (gint64)expected)
		return FALSE;
	*ret_index = (guint)((gint64)expected + step);
	return TRUE;
}

gboolean delta_get_text(DeltaReader *reader, const char **ret_text)
{
	gsize left = (gsize)(reader->end - reader->at);
	const guint8 *nul = left > 0 ? memchr(reader->at, 0, left) : NULL;
	if (!nul)
		return FALSE;
	*ret_text = (const char *)reader->at;
	reader->at = nul + 1;
	return TRUE;
}

void delta_varint_append(GByteArray *out, guint64 value)
{
	delta_put_varint(out, value);
}

gboolean delta_varint_read(const guint8 *data, gsize len, guint64 *ret_value, gsize *ret_bytes)
{
	DeltaReader reader = {data, len > 0 ? data + len : data};
	if (!delta_get_varint(&reader, G_MAXUINT64, ret_value))
		return FALSE;
	*ret_bytes = (gsize)(reader.at - data);
	return TRUE;
}
