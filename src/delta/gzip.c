/* SPDX-License-Identifier: ISC */
/*
 * gzip (RFC 1952) of one member. The form after the kind byte: its header from the flags byte on.
 * The trailer follows from the member.
 */
#include "delta/archive-private.h"

#define START_BYTES 3   /* ID1, ID2, CM */
#define FIXED_BYTES 10  /* and FLG, MTIME, XFL, OS */
#define TRAILER_BYTES 8 /* CRC32, ISIZE */
#define HEADER_MAX 4096
#define FLAG_HCRC 0x02
#define FLAG_EXTRA 0x04
#define FLAG_NAME 0x08
#define FLAG_COMMENT 0x10
#define FLAGS_UNKNOWN 0xe0

static const guint8 start[START_BYTES] = {0x1f, 0x8b, 8};

typedef struct {
	DeltaFacts facts;
} Gzip;

static gboolean gzip_sniff(const guint8 *data, gsize len)
{
	return len >= FIXED_BYTES && memcmp(data, start, START_BYTES) == 0 &&
	       !(data[START_BYTES] & FLAGS_UNKNOWN);
}

static gboolean skip(DeltaReader *reader, gsize len)
{
	if (len > (gsize)(reader->end - reader->at))
		return FALSE;
	reader->at += len;
	return TRUE;
}

/* Moves over a header that begins with its flags. */
static gboolean skip_header(DeltaReader *reader, const char **ret_name)
{
	const guint8 *header = reader->at;
	const char *text = NULL;
	*ret_name = "";
	if (!skip(reader, FIXED_BYTES - START_BYTES) || header[0] & FLAGS_UNKNOWN)
		return FALSE;
	const guint8 *extra = reader->at;
	if (header[0] & FLAG_EXTRA && (!skip(reader, 2) || !skip(reader, delta_le16(extra))))
		return FALSE;
	if (header[0] & FLAG_NAME && !delta_get_text(reader, ret_name))
		return FALSE;
	if (header[0] & FLAG_COMMENT && !delta_get_text(reader, &text))
		return FALSE;
	return !(header[0] & FLAG_HCRC) || skip(reader, 2);
}

static gboolean gzip_scan(const DeltaBytes *bytes, DeltaScanned *scanned, GError **error)
{
	g_auto(DeltaWindow) window = {0};
	delta_window_init(&window, bytes);
	gsize len = (gsize)MIN(bytes->size, HEADER_MAX);
	const guint8 *header = delta_window_at(&window, 0, len, error);
	if (!header || !gzip_sniff(header, len))
		return FALSE;
	const char *name = NULL;
	DeltaReader reader = {header + START_BYTES, header + len};
	if (!skip_header(&reader, &name))
		return FALSE;
	guint64 at = (guint64)(reader.at - header);
	if (bytes->size - at < TRAILER_BYTES)
		return FALSE;
	g_byte_array_append(scanned->form, header + START_BYTES, (guint)at - START_BYTES);
	DeltaMember member = {.offset = at, .packing = DELTA_DEFLATED};
	const guint8 *trailer =
	    delta_window_at(&window, bytes->size - TRAILER_BYTES, TRAILER_BYTES, error);
	if (!trailer)
		return FALSE;
	member.facts.crc = delta_le32(trailer);
	member.facts.bytes = delta_le32(trailer + 4);
	member.facts.packed_bytes = bytes->size - at - TRAILER_BYTES;
	g_array_append_val(scanned->members, member);
	return TRUE;
}

static gboolean gzip_read(DeltaArchive *archive, DeltaForm *form)
{
	const char *name = NULL;
	if (form->reader.end - form->reader.at > HEADER_MAX - START_BYTES ||
	    !skip_header(&form->reader, &name) ||
	    !delta_archive_add_member(archive, form, name, DELTA_DEFLATED))
		return FALSE;
	archive->parsed = g_new0(Gzip, 1);
	return TRUE;
}

static void gzip_head(DeltaArchive *archive, guint i, const DeltaFacts *facts, GByteArray *out)
{
	(void)i; /* there is but one */
	((Gzip *)archive->parsed)->facts = *facts;
	g_byte_array_append(out, start, START_BYTES);
	g_byte_array_append(out, archive->form->data + 1, archive->form->len - 1);
}

static void gzip_tail(DeltaArchive *archive, GByteArray *out)
{
	const Gzip *gzip = archive->parsed;
	delta_put_le(out, gzip->facts.crc, 4);
	delta_put_le(out, gzip->facts.bytes, 4);
}

const DeltaFormat delta_gzip_format = {.kind = DELTA_ARCHIVE_GZIP,
				       .sniff = gzip_sniff,
				       .scan = gzip_scan,
				       .read = gzip_read,
				       .head = gzip_head,
				       .tail = gzip_tail,
				       .free = g_free};
