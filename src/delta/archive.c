/* SPDX-License-Identifier: ISC */
/* Archives of every format: who takes it apart, and the proof that it comes back. */
#include "delta/archive-private.h"

#define AHEAD_BYTES 4096
#define COMPARE_BYTES (16 * 1024)
/* Of the lists that a form of DELTA_FORM_MAX becomes. */
#define PARSE_MEMORY (4 * DELTA_FORM_MAX)
/* What head and tail append must fit into a GByteArray, with room for the caller's. */
#define READ_MEMORY_MAX ((guint64)1024 * 1024 * 1024)

static const DeltaFormat *format_of(DeltaArchiveKind kind)
{
	switch (kind) {
	case DELTA_ARCHIVE_ZIP:
		break;
	case DELTA_ARCHIVE_GZIP:
		return &delta_gzip_format;
	case DELTA_ARCHIVE_TAR:
		return &delta_tar_format;
	}
	return &delta_zip_format;
}

void delta_put_le(GByteArray *out, guint64 value, guint width)
{
	guint8 bytes[8];
	delta_set_le(bytes, value, width);
	g_byte_array_append(out, bytes, width);
}

void delta_put_zeros(GByteArray *out, gsize len)
{
	guint before = out->len;
	g_byte_array_set_size(out, before + (guint)len);
	if (len > 0)
		memset(out->data + before, 0, len);
}

void delta_window_init(DeltaWindow *window, const DeltaBytes *bytes)
{
	*window = (DeltaWindow){.bytes = bytes, .held = g_byte_array_new()};
}

void delta_window_clear(DeltaWindow *window)
{
	g_clear_pointer(&window->held, g_byte_array_unref);
}

const guint8 *delta_window_at(DeltaWindow *window, guint64 offset, gsize len, GError **error)
{
	const DeltaBytes *bytes = window->bytes;
	if (offset > bytes->size || len > bytes->size - offset)
		return NULL;
	if (len == 0)
		return (const guint8 *)"";
	if (offset < window->start || offset - window->start > window->held->len ||
	    len > window->held->len - (offset - window->start)) {
		gsize ahead = (gsize)MIN(MAX(len, AHEAD_BYTES), bytes->size - offset);
		g_byte_array_set_size(window->held, (guint)ahead);
		window->start = offset;
		if (!bytes->read(bytes->user_data, offset, window->held->data, ahead, error)) {
			g_byte_array_set_size(window->held, 0);
			return NULL;
		}
	}
	return window->held->data + (offset - window->start);
}

static DeltaArchive *archive_new(DeltaArchiveKind kind, GByteArray *form)
{
	DeltaArchive *archive = g_new0(DeltaArchive, 1);
	archive->kind = kind;
	archive->members = g_array_new(FALSE, TRUE, sizeof(DeltaMember));
	archive->form = form;
	archive->strings = g_string_chunk_new(4096);
	return archive;
}

void delta_archive_free(DeltaArchive *archive)
{
	if (!archive)
		return;
	if (archive->parsed)
		format_of(archive->kind)->free(archive->parsed);
	g_array_unref(archive->members);
	g_byte_array_unref(archive->form);
	g_string_chunk_free(archive->strings);
	g_free(archive);
}

guint64 delta_archive_memory(const DeltaArchive *archive)
{
	return archive->memory_bytes;
}

gboolean delta_archive_add_member(DeltaArchive *archive, DeltaForm *form, const char *name,
				  DeltaPacking packing)
{
	/* an array that grows is there twice */
	if (!delta_form_charge(form, strlen(name) + 1 + 2 * sizeof(DeltaMember)))
		return FALSE;
	DeltaMember member = {.name = g_string_chunk_insert(archive->strings, name),
			      .packing = packing};
	g_array_append_val(archive->members, member);
	return TRUE;
}

/* Takes the form. */
static DeltaArchive *read_form(GByteArray *bytes, guint64 max_bytes, GError **error)
{
	DeltaForm form = {.left_bytes = MIN(max_bytes, READ_MEMORY_MAX)};
	guint8 kind = bytes->len > 0 ? bytes->data[0] : 0;
	gboolean known = kind >= DELTA_ARCHIVE_ZIP && kind <= DELTA_ARCHIVE_TAR;
	g_autoptr(DeltaArchive) archive =
	    archive_new(known ? (DeltaArchiveKind)kind : DELTA_ARCHIVE_ZIP, bytes);
	if (known) {
		form.reader = (DeltaReader){bytes->data + 1, bytes->data + bytes->len};
		if (delta_form_charge(&form, bytes->len) &&
		    format_of(archive->kind)->read(archive, &form) &&
		    form.reader.at == form.reader.end) {
			archive->memory_bytes =
			    sizeof *archive + MIN(max_bytes, READ_MEMORY_MAX) - form.left_bytes;
			return g_steal_pointer(&archive);
		}
	}
	util_error_set(error, TS_ERROR_CORRUPT, "what puts an archive together again is damaged");
	return NULL;
}

DeltaArchive *delta_archive_from_form(const guint8 *form, gsize len, guint64 max_bytes,
				      GError **error)
{
	if (len > DELTA_FORM_MAX || len > max_bytes) {
		util_error_set(error, TS_ERROR_CORRUPT,
			       "what puts an archive together again is larger than allowed");
		return NULL;
	}
	GByteArray *copy = g_byte_array_sized_new((guint)len);
	if (len > 0)
		g_byte_array_append(copy, form, (guint)len);
	return read_form(copy, max_bytes, error);
}

void delta_archive_head(DeltaArchive *archive, guint i, const DeltaFacts *facts, GByteArray *out)
{
	g_assert(i < archive->members->len);
	format_of(archive->kind)->head(archive, i, facts, out);
}

void delta_archive_tail(DeltaArchive *archive, GByteArray *out)
{
	format_of(archive->kind)->tail(archive, out);
}

/* The bytes at *at are those of `made`; moves on. */
static gboolean follows(const DeltaBytes *bytes, guint64 *at, const GByteArray *made,
			GError **error)
{
	guint8 there[COMPARE_BYTES];
	if (made->len > bytes->size - *at)
		return FALSE;
	for (gsize done = 0; done < made->len;) {
		gsize len = MIN(sizeof there, made->len - done);
		if (!bytes->read(bytes->user_data, *at, there, len, error) ||
		    memcmp(there, made->data + done, len) != 0)
			return FALSE;
		done += len;
		*at += len;
	}
	return TRUE;
}

/* Puts it together but for the members' bytes, and compares. */
static gboolean proves(DeltaArchive *archive, const DeltaBytes *bytes, GError **error)
{
	g_autoptr(GByteArray) made = g_byte_array_new();
	guint64 at = 0;
	for (guint i = 0; i < archive->members->len; i++) {
		const DeltaMember *member = &g_array_index(archive->members, DeltaMember, i);
		guint64 packed = member->facts.packed_bytes;
		g_byte_array_set_size(made, 0);
		delta_archive_head(archive, i, &member->facts, made);
		if (!follows(bytes, &at, made, error) || at != member->offset ||
		    packed > bytes->size - at)
			return FALSE;
		at += packed;
	}
	g_byte_array_set_size(made, 0);
	delta_archive_tail(archive, made);
	return follows(bytes, &at, made, error) && at == bytes->size;
}

/* What is shipped is read back here: the archive goes by its form, as it will at the other end. */
static DeltaArchive *parse_as(const DeltaFormat *format, const DeltaBytes *bytes, GError **error)
{
	DeltaScanned scanned = {.form = g_byte_array_new(),
				.members = g_array_new(FALSE, TRUE, sizeof(DeltaMember))};
	g_autoptr(GArray) members = scanned.members;
	g_autoptr(GByteArray) form = scanned.form;
	guint8 kind = (guint8)format->kind;
	g_byte_array_append(form, &kind, 1);
	if (!format->scan(bytes, &scanned, error) || form->len > DELTA_FORM_MAX)
		return NULL;
	g_autoptr(DeltaArchive) archive = read_form(g_steal_pointer(&form), PARSE_MEMORY, NULL);
	if (!archive || archive->members->len != members->len)
		return NULL;
	for (guint i = 0; i < members->len; i++) {
		DeltaMember *member = &g_array_index(archive->members, DeltaMember, i);
		member->offset = g_array_index(members, DeltaMember, i).offset;
		member->facts = g_array_index(members, DeltaMember, i).facts;
		if (member->packing == DELTA_DEFLATED && member->facts.bytes > DELTA_BYTES_MAX)
			return NULL;
	}
	return proves(archive, bytes, error) ? g_steal_pointer(&archive) : NULL;
}

/* The first format that it may be of, or NULL. */
static const DeltaFormat *sniff(const guint8 *data, gsize len)
{
	for (guint kind = DELTA_ARCHIVE_ZIP; kind <= DELTA_ARCHIVE_TAR; kind++) {
		const DeltaFormat *format = format_of((DeltaArchiveKind)kind);
		if (format->sniff(data, len))
			return format;
	}
	return NULL;
}

gboolean delta_archive_sniff(const guint8 *data, gsize len)
{
	return sniff(data, len) != NULL;
}

DeltaArchive *delta_archive_parse(const DeltaBytes *bytes, GError **error)
{
	guint8 start[DELTA_SNIFF_BYTES];
	gsize len = (gsize)MIN(bytes->size, sizeof start);
	if (!bytes->read(bytes->user_data, 0, start, len, error))
		return NULL;
	const DeltaFormat *format = sniff(start, len);
	return format ? parse_as(format, bytes, error) : NULL;
}
