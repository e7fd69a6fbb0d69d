/* SPDX-License-Identifier: ISC */
/* tar put together again from its form. */
#include "delta/tar-private.h"

typedef struct {
	DeltaValue name; /* the field */
	DeltaValue data; /* TAR_OWN */
} Header;

typedef struct {
	guint count;
	guint64 end; /* as in the form */
	DeltaValue *columns[TAR_COLUMNS];
	Header *headers;
	/* the archive so far */
	guint next; /* header */
	guint64 at;
	guint64 member_bytes; /* of the last member, which wants padding */
} Tar;

gboolean tar_kind(guint8 type, TarKind *ret_kind)
{
	switch (type) {
	case '\0':
	case '0':
	case '7':
		*ret_kind = TAR_FILE;
		return TRUE;
	case 'x':
	case 'g':
	case 'L':
	case 'K':
		*ret_kind = TAR_OWN;
		return TRUE;
	case '1':
	case '2':
	case '3':
	case '4':
	case '5':
	case '6':
		*ret_kind = TAR_NO_DATA;
		return TRUE;
	default:
		return FALSE;
	}
}

gsize tar_text(const guint8 *field, gsize max)
{
	return strnlen((const char *)field, max);
}

gboolean tar_is_zero(const guint8 *data, gsize len)
{
	for (gsize i = 0; i < len; i++)
		if (data[i] != 0)
			return FALSE;
	return TRUE;
}

gboolean tar_number(const guint8 *field, gsize len, TarNumber *ret_number)
{
	TarNumber number = {0};
	while (number.start < len && field[number.start] == ' ')
		number.start++;
	gsize at = number.start;
	for (; at < len && field[at] >= '0' && field[at] <= '7'; at++)
		number.value = number.value << 3 | (guint64)(field[at] - '0');
	number.digits = at - number.start;
	while (at < len && (field[at] == ' ' || field[at] == '\0'))
		at++;
	*ret_number = number;
	return number.digits > 0 && at == len;
}

/* Writes the value over the digits that are there. */
static void set_number(guint8 *field, gsize len, guint64 value)
{
	TarNumber number;
	if (!tar_number(field, len, &number))
		return; /* not in a form that was read */
	for (gsize i = number.start + number.digits; i > number.start; i--) {
		field[i - 1] = (guint8)('0' + (value & 7));
		value >>= 3;
	}
}

static TarKind kind_of(const Tar *tar, guint i)
{
	TarKind kind = TAR_NO_DATA;
	(void)tar_kind(tar->columns[TAR_BLOCKS][i].data[TAR_TYPE], &kind); /* was looked at */
	return kind;
}

/* ---- the form ---- */

static gboolean block_fits(const guint8 *block)
{
	TarKind kind = TAR_NO_DATA;
	TarNumber size;
	TarNumber sum;
	return tar_kind(block[TAR_TYPE], &kind) &&
	       tar_number(block + TAR_SIZE, TAR_SIZE_BYTES, &size) && size.value == 0 &&
	       tar_number(block + TAR_SUM, TAR_SUM_BYTES, &sum) && sum.value == 0 &&
	       tar_is_zero(block + TAR_MTIME, TAR_MTIME_BYTES);
}

/* It is a text, and its place is blank up to a NUL after it. */
static gboolean text_fits(const guint8 *field, gsize max, const DeltaValue *text)
{
	return text->len <= max && tar_text(text->data, text->len) == text->len &&
	       tar_is_zero(field, MIN(text->len + 1, max));
}

static gboolean header_fits(const Tar *tar, guint i)
{
	const guint8 *block = tar->columns[TAR_BLOCKS][i].data;
	return text_fits(block + TAR_NAME, TAR_NAME_BYTES, &tar->headers[i].name) &&
	       text_fits(block + TAR_LINK, TAR_LINK_BYTES, &tar->columns[TAR_LINKS][i]) &&
	       text_fits(block + TAR_PREFIX, TAR_PREFIX_BYTES, &tar->columns[TAR_PREFIXES][i]);
}

static gboolean read_start(Tar *tar, DeltaForm *form)
{
	guint64 count = 0;
	if (!delta_get_varint(&form->reader, DELTA_MEMBERS_MAX, &count) || count == 0 ||
	    !delta_get_varint(&form->reader, 1 + TAR_END_MAX, &tar->end))
		return FALSE;
	tar->count = (guint)count;
	return delta_form_charge(form, count * sizeof(Header));
}

static gboolean read_columns(Tar *tar, DeltaForm *form)
{
	for (guint i = 0; i < TAR_COLUMNS; i++) {
		tar->columns[i] = delta_values_read(
		    form, tar->count, tar_column_width((TarColumn)i), TAR_PREFIX_BYTES);
		if (!tar->columns[i])
			return FALSE;
	}
	for (guint i = 0; i < tar->count; i++)
		if (!block_fits(tar->columns[TAR_BLOCKS][i].data))
			return FALSE;
	return TRUE;
}

static gboolean read_names(DeltaArchive *archive, Tar *tar, DeltaForm *form)
{
	g_autoptr(GString) own = g_string_new(NULL);
	g_autoptr(GString) other = g_string_new(NULL);
	for (guint i = 0; i < tar->count; i++) {
		GString *name = kind_of(tar, i) == TAR_OWN ? own : other;
		/* the tail may be all headers, and they are there twice while it grows */
		if (!delta_name_get(form, name, TAR_NAME_BYTES) ||
		    !delta_form_charge(form, name->len + 1 + 2 * TAR_BLOCK))
			return FALSE;
		const char *copy = g_string_chunk_insert(archive->strings, name->str);
		tar->headers[i].name = (DeltaValue){(const guint8 *)copy, (guint)name->len};
		if (!header_fits(tar, i))
			return FALSE;
	}
	return TRUE;
}

/* ---- names of members ---- */

/* The value of the last record with that key, if any. A record is "LENGTH KEY=VALUE\n". */
static gboolean pax_find(const DeltaValue *data, const char *key, DeltaValue *ret_value)
{
	gboolean found = FALSE;
	gsize key_len = strlen(key);
	const guint8 *at = data->data;
	const guint8 *end = at + data->len;
	while (at < end) {
		gsize len = 0;
		const guint8 *digit = at;
		for (; digit < end && g_ascii_isdigit(*digit) && len <= TAR_DATA_MAX; digit++)
			len = len * 10 + (gsize)(*digit - '0');
		gsize before = (gsize)(digit - at) + 1;
		if (digit == end || *digit != ' ' || len > (gsize)(end - at) || len <= before)
			break;
		if (len - before > key_len + 1 && memcmp(digit + 1, key, key_len) == 0 &&
		    digit[1 + key_len] == '=') {
			*ret_value =
			    (DeltaValue){digit + 2 + key_len, (guint)(len - before - key_len - 2)};
			found = TRUE;
		}
		at += len;
	}
	return found;
}

/* A longer name from a header of our own for the next one. */
static void long_name(const Tar *tar, guint i, GString *name)
{
	DeltaValue data = tar->headers[i].data;
	guint8 type = tar->columns[TAR_BLOCKS][i].data[TAR_TYPE];
	if (type == 'L' || (type == 'x' && pax_find(&data, "path", &data))) {
		g_string_truncate(name, 0);
		g_string_append_len(name, (const char *)data.data,
				    (gssize)tar_text(data.data, data.len));
	}
}

static void field_name(const Tar *tar, guint i, GString *name)
{
	const DeltaValue *prefix = &tar->columns[TAR_PREFIXES][i];
	if (prefix->len > 0) {
		g_string_append_len(name, (const char *)prefix->data, prefix->len);
		g_string_append_c(name, '/');
	}
	g_string_append(name, (const char *)tar->headers[i].name.data);
}

static gboolean read_members(DeltaArchive *archive, Tar *tar, DeltaForm *form)
{
	g_autoptr(GString) name = g_string_new(NULL);
	for (guint i = 0; i < tar->count; i++) {
		Header *header = &tar->headers[i];
		TarKind kind = kind_of(tar, i);
		if (kind == TAR_OWN) {
			/* it will come out, too, with padding */
			if (!delta_form_value(form, TAR_DATA_MAX, &header->data) ||
			    !delta_form_charge(form, 2 * ((guint64)header->data.len + TAR_BLOCK)))
				return FALSE;
			long_name(tar, i, name);
			continue;
		}
		if (name->len == 0)
			field_name(tar, i, name);
		if (kind == TAR_FILE &&
		    !delta_archive_add_member(archive, form, name->str, DELTA_STORED))
			return FALSE;
		g_string_truncate(name, 0);
	}
	return TRUE;
}

static gboolean tar_read(DeltaArchive *archive, DeltaForm *form)
{
	Tar *tar = g_new0(Tar, 1);
	archive->parsed = tar;
	if (!read_start(tar, form) || !read_columns(tar, form))
		return FALSE;
	tar->headers = g_new0(Header, tar->count);
	return read_names(archive, tar, form) && read_members(archive, tar, form);
}

static void tar_free(gpointer parsed)
{
	Tar *tar = parsed;
	for (guint i = 0; i < TAR_COLUMNS; i++)
		g_free(tar->columns[i]);
	g_free(tar->headers);
	g_free(tar);
}

/* ---- the archive ---- */

static void set_text(guint8 *field, const DeltaValue *text)
{
	if (text->len > 0)
		memcpy(field, text->data, text->len);
}

static void put_header(const Tar *tar, guint i, guint64 bytes, GByteArray *out)
{
	guint8 block[TAR_BLOCK];
	guint64 sum = 0;
	memcpy(block, tar->columns[TAR_BLOCKS][i].data, TAR_BLOCK);
	set_text(block + TAR_NAME, &tar->headers[i].name);
	set_text(block + TAR_MTIME, &tar->columns[TAR_MTIMES][i]);
	set_text(block + TAR_LINK, &tar->columns[TAR_LINKS][i]);
	set_text(block + TAR_PREFIX, &tar->columns[TAR_PREFIXES][i]);
	set_number(block + TAR_SIZE, TAR_SIZE_BYTES, bytes);
	for (guint k = 0; k < TAR_BLOCK; k++)
		sum += k >= TAR_SUM && k < TAR_SUM + TAR_SUM_BYTES ? ' ' : block[k];
	set_number(block + TAR_SUM, TAR_SUM_BYTES, sum);
	g_byte_array_append(out, block, TAR_BLOCK);
}

/* What stands before the next member or the end; ends the member before. */
static void put_headers(Tar *tar, guint64 next_bytes, GByteArray *out)
{
	gboolean is_member = FALSE;
	delta_put_zeros(out, tar_padding(tar->member_bytes));
	for (; tar->next < tar->count && !is_member; tar->next++) {
		const DeltaValue *data = &tar->headers[tar->next].data;
		is_member = kind_of(tar, tar->next) == TAR_FILE;
		put_header(tar, tar->next, is_member ? next_bytes : data->len, out);
		if (data->len > 0)
			g_byte_array_append(out, data->data, data->len);
		delta_put_zeros(out, tar_padding(data->len));
	}
}

static void tar_head(DeltaArchive *archive, guint i, const DeltaFacts *facts, GByteArray *out)
{
	Tar *tar = archive->parsed;
	guint before = out->len;
	if (i == 0) {
		tar->next = 0;
		tar->at = 0;
		tar->member_bytes = 0;
	}
	put_headers(tar, facts->packed_bytes, out);
	tar->at += out->len - before + facts->packed_bytes;
	tar->member_bytes = facts->packed_bytes;
}

static void tar_tail(DeltaArchive *archive, GByteArray *out)
{
	Tar *tar = archive->parsed;
	guint before = out->len;
	if (archive->members->len == 0) {
		tar->next = 0;
		tar->at = 0;
	}
	put_headers(tar, 0, out);
	guint64 at = tar->at + (out->len - before) + 2 * TAR_BLOCK;
	gsize fill = (gsize)(TAR_RECORD - at % TAR_RECORD) % TAR_RECORD;
	delta_put_zeros(out, tar->end > 0 ? (gsize)tar->end - 1 : 2 * TAR_BLOCK + fill);
}

gboolean tar_sniff(const guint8 *data, gsize len)
{
	return len >= TAR_BLOCK && memcmp(data + TAR_MAGIC, "ustar", 5) == 0;
}

const DeltaFormat delta_tar_format = {.kind = DELTA_ARCHIVE_TAR,
				      .sniff = tar_sniff,
				      .scan = tar_scan,
				      .read = tar_read,
				      .head = tar_head,
				      .tail = tar_tail,
				      .free = tar_free};
