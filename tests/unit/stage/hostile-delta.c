/* SPDX-License-Identifier: ISC */
/*
 * Deltas whose lists lie. The old tree is that of v1: 0 again -> index.html, 1 index.html, 2 lib,
 * 3 lib/large.txt. Numbers in the columns are small varints; z(n) is 2 * n, z(-n) is 2 * n - 1.
 */
#include "hostile.h"

typedef enum {
	OPS,
	ADDS,
	BASES,
	CUTS,
	NAMES,
	TARGETS,
	MTIMES,
	SIZES,
	SOURCES,
	OPENED,
	ORDER,
	SEGMENTS,
	REFS,
	COLUMNS
} Column;

typedef enum {
	P_LENGTHS,
	P_FORMS,
	P_OPS,
	P_FROMS,
	P_SIZES,
	P_BASES,
	P_WAYS,
	P_COLUMNS
} PartsColumn;

typedef struct {
	const char *bytes;
	gsize len;
} Bytes;

typedef struct {
	const char *name;
	const char *words;
	Bytes columns[COLUMNS];
	const Bytes *parts;  /* NULL: no member "archives"; else its columns */
	guint chain;         /* so many archives in each other instead, around lib/large.txt */
	guint64 chain_bytes; /* that each is said to have */
	const char *content; /* NULL: none; else coded as "contents-1" */
	Bytes raw;           /* in its place, as it is */
	guint64 decoded;     /* in the header */
	int code;            /* 0: CORRUPT */
} Row;

#define B(text)                       \
	{                             \
		text, sizeof text - 1 \
	}
#define COL(column, text) [column] = B(text)
#define ROW(row, why, ...)                                            \
	{                                                             \
		.name = row, .words = why, .columns = { __VA_ARGS__ } \
	}
/* An added folder: no basis, nothing kept, `twice` its length. */
#define ADDED(kind, twice, text) \
	COL(ADDS, kind), COL(BASES, "\0"), COL(CUTS, "\0\0" twice), COL(NAMES, text)
#define ADDED_DIR(twice, text) ADDED("\x03", twice, text)
#define ADDED_LINK(to) ADDED("\x04", "\x02", "l"), COL(TARGETS, to "\0")
/* All files go; index.html is 5 bytes that travel. */
#define FIVE COL(OPS, "\x01\x02\x01\x00"), COL(SIZES, "\x04"), COL(ORDER, "\0")
#define SEGMENT(text) FIVE, COL(SEGMENTS, text)
#define NO_REFS "\x01\x00\x00\x05\x00"

/* All files go; x, said to have 50 bytes, is put together from parts. */
#define TOGETHER COL(OPS, "\x01\x00\x01\x00"), COL(SIZES, "\x64"), ADDED("\x05", "\x02", "x")
#define PARTS(...)               \
	(const Bytes[P_COLUMNS]) \
	{                        \
		__VA_ARGS__      \
	}

#define LIST "the change list is damaged"
#define DOTS "'.' or '..'"
#define LEAVES "leaves the tree"

static const Row rows[] = {
    /* names */
    ROW("parent", DOTS, ADDED_DIR("\x04", "..")),
    ROW("parent-deep", DOTS, ADDED_DIR("\x16", "lib/../evil")),
    ROW("absolute", "an absolute name", ADDED_DIR("\x0a", "/evil")),
    ROW("dot", DOTS, ADDED_DIR("\x0a", "lib/.")),
    ROW("double-slash", "an empty name", ADDED_DIR("\x0a", "lib//")),
    ROW("empty-name", LIST, ADDED_DIR("\x00", "")),
    ROW("nul-in-name", LIST, ADDED_DIR("\x06", "a\0b")),
    ROW("own-name", "tagship's own", ADDED_DIR("\x1e", ".tagship-bundle")),
    ROW("beneath-link", "its folder is no folder", ADDED_DIR("\x0e", "again/x")),
    ROW("beneath-file", "its folder is no folder", ADDED_DIR("\x18", "index.html/x")),
    ROW("beneath-nothing", "its folder is not in the list", ADDED_DIR("\x06", "a/b")),
    ROW("onto-itself", LIST, ADDED_DIR("\x14", "index.html")),
    ROW("added-twice", LIST, COL(ADDS, "\x03\x03"), COL(BASES, "\0\0"), COL(CUTS, "\0\0\x02\0\x02"),
	COL(NAMES, "xx")),
    ROW("added-descending", LIST, COL(ADDS, "\x03\x03"), COL(BASES, "\0\0"),
	COL(CUTS, "\0\0\x02\0\x02"), COL(NAMES, "ba")),
    ROW("renamed-onto-itself", LIST, COL(ADDS, "\x02"), COL(BASES, "\x03"),
	COL(CUTS, "\0\x0a\0\0")),
    ROW("folder-executable", LIST, ADDED("\x0b", "\x02", "x")),
    ROW("link-executable", LIST, ADDED("\x0c", "\x02", "x"), COL(TARGETS, "a\0")),
    ROW("kind-unknown", LIST, ADDED("\x07", "\x02", "x")),
    ROW("flags-unknown", LIST, ADDED("\x43", "\x02", "x")),
    ROW("names-too-short", LIST, ADDED_DIR("\x7e", "x")),
    ROW("names-too-long", LIST, ADDED_DIR("\x02", "xyz")),
    ROW("name-negative", LIST, ADDED_DIR("\x03", "x")),
    ROW("cut-past-name", LIST, COL(ADDS, "\x03"), COL(BASES, "\x03"), COL(CUTS, "\0\x7f\0\0")),
    ROW("cut-flag", LIST, COL(CUTS, "\x02")),
    ROW("cuts-missing", LIST, COL(CUTS, "")),
    ROW("basis-past-end", LIST, COL(ADDS, "\x03"), COL(BASES, "\x63"), COL(CUTS, "\0\0\x02"),
	COL(NAMES, "x")),
    ROW("basis-before-start", LIST, COL(ADDS, "\x03"), COL(BASES, "\x04"), COL(CUTS, "\0\0\0\x02"),
	COL(NAMES, "x")),
    /* links */
    ROW("link-up", LEAVES, ADDED_LINK("..")),
    ROW("link-out", LEAVES, ADDED_LINK("../../outside/canary")),
    ROW("link-absolute", "links must be relative", ADDED_LINK("/etc/passwd")),
    ROW("link-empty", "without a target", ADDED_LINK("")),
    ROW("link-loop", "a circle of links", ADDED_LINK("l")),
    ROW("link-endless", LIST, ADDED("\x04", "\x02", "l"), COL(TARGETS, "abc")),
    ROW("link-turned-out", LEAVES, COL(OPS, "\x00\x04"), COL(TARGETS, "../x\0")),
    ROW("link-of-file", LIST, COL(OPS, "\x01\x04"), COL(TARGETS, "again\0")),
    ROW("targets-too-many", LIST, COL(TARGETS, "again\0")),
    /* what there is not */
    ROW("deletes-past-end", LIST, COL(OPS, "\x04\x00")),
    ROW("keeps-past-end", LIST, COL(OPS, "\x64\x00")),
    ROW("deletes-with-flags", LIST, COL(OPS, "\x01\x08")),
    ROW("op-unknown", LIST, COL(OPS, "\x01\x07")),
    ROW("op-cut-off", LIST, COL(OPS, "\x01")),
    ROW("deletes-folder-of-file", "its folder is not in the list", COL(OPS, "\x02\x00")),
    ROW("copies-past-end", LIST, COL(OPS, "\x01\x03"), COL(SOURCES, "\x62")),
    ROW("copies-folder", LIST, COL(OPS, "\x01\x03"), COL(SOURCES, "\x04")),
    ROW("copies-link", LIST, COL(OPS, "\x01\x03"), COL(SOURCES, "\x00")),
    ROW("twin-of-none", LIST, COL(OPS, "\x01\x03"), COL(SOURCES, "\x01")),
    ROW("added-twin-of-none", LIST, ADDED("\x01", "\x02", "x"), COL(SOURCES, "\x05")),
    ROW("added-copy-of-none", LIST, ADDED("\x02", "\x02", "x")),
    ROW("copy-of-folder", LIST, COL(ADDS, "\x02"), COL(BASES, "\x05"), COL(CUTS, "\0\0\0\x02"),
	COL(NAMES, "x")),
    ROW("mode-of-folder", LIST, COL(OPS, "\x02\x09")),
    ROW("content-of-folder", LIST, COL(OPS, "\x02\x02"), COL(SIZES, "\0")),
    ROW("time-unknown", LIST, COL(OPS, "\x01\x31")),
    ROW("time-far", LIST, COL(OPS, "\x01\x21"), COL(MTIMES, "\x80\x80\x80\x80\x80\x80\x01")),
    ROW("time-missing", LIST, COL(OPS, "\x01\x21")),
    ROW("time-of-no-basis", LIST, ADDED("\x13", "\x02", "x")),
    ROW("size-negative", LIST, COL(OPS, "\x01\x02"), COL(SIZES, "\x09")),
    ROW("size-2-pib", LIST, COL(OPS, "\x01\x02"), COL(SIZES, "\x80\x80\x80\x80\x80\x80\x80\x08")),
    ROW("varint-not-shortest", LIST, COL(OPS, "\x81\x00\x00")),
    ROW("varint-endless", LIST,
	COL(OPS, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00")),
    /* contents */
    ROW("order-past-end", LIST, COL(OPS, "\x01\x02\x01\x00"), COL(SIZES, "\x04"),
	COL(ORDER, "\x0a"), COL(SEGMENTS, NO_REFS)),
    ROW("segments-missing", LIST, FIVE),
    ROW("segments-too-many", LIST, SEGMENT(NO_REFS NO_REFS)),
    ROW("segment-empty", LIST, SEGMENT("\x01\x00\x00\x00\x00" NO_REFS)),
    ROW("segment-too-long", LIST, SEGMENT("\x01\x00\x00\x06\x00")),
    ROW("segment-flags", LIST, SEGMENT("\x01\x00\x04\x05\x00")),
    {.name = "codec-unknown",
     .words = "codec 9 is not known",
     .columns = {SEGMENT("\x09\x00\x00\x05\x00")},
     .code = TS_ERROR_UNSUPPORTED},
    ROW("reference-past-end", LIST, SEGMENT("\x01\x00\x00\x05\x01"), COL(REFS, "\x50")),
    ROW("reference-before-start", LIST, SEGMENT("\x01\x00\x00\x05\x01"), COL(REFS, "\x06")),
    ROW("reference-folder", LIST, SEGMENT("\x01\x00\x00\x05\x01"), COL(REFS, "\x08")),
    ROW("reference-link", LIST, SEGMENT("\x01\x00\x00\x05\x01"), COL(REFS, "\x00")),
    ROW("offset-past-end", LIST, SEGMENT("\x01\x00\x00\x05\x01"), COL(REFS, "\x05\x04\x00")),
    ROW("length-past-end", LIST, SEGMENT("\x01\x00\x00\x05\x01"), COL(REFS, "\x05\x01\x03")),
    ROW("length-wraps", LIST, SEGMENT("\x01\x00\x00\x05\x01"),
	COL(REFS, "\x05\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")),
    ROW("references-missing", LIST, SEGMENT("\x01\x00\x00\x05\xff\xff\x03")),
    ROW("references-too-many", LIST, SEGMENT(NO_REFS), COL(REFS, "\x04")),
    ROW("patch-without-basis", LIST, COL(OPS, "\x01\x00\x01\x00"), COL(SIZES, "\x0a"),
	ADDED("\x00", "\x02", "x"), COL(ORDER, "\0"), COL(SEGMENTS, "\x02\x00\x01\x05\x00")),
    {.name = "props-wild",
     .words = "of memory allowed",
     .columns = {SEGMENT("\x01\xff\x00\x05\x00")},
     .content = "12345",
     .decoded = 5,
     .code = TS_ERROR_REFUSED},
    {.name = "content-missing", .words = "is missing", .columns = {SEGMENT(NO_REFS)}, .decoded = 5},
    {.name = "content-short",
     .words = "less than its size",
     .columns = {SEGMENT(NO_REFS)},
     .content = "1234",
     .decoded = 5},
    {.name = "content-bomb",
     .words = "more than its size",
     .columns = {SEGMENT(NO_REFS)},
     .content = "1234567890123456789012345678901234567890",
     .decoded = 5},
    {.name = "content-garbage",
     .words = "is damaged",
     .columns = {SEGMENT(NO_REFS)},
     .raw = B("\xff\xff\xff\xff\xff\xff"),
     .decoded = 5},
    {.name = "content-wrong",
     .words = "has root",
     .columns = {SEGMENT(NO_REFS)},
     .content = "wrong",
     .decoded = 5},
    {.name = "content-unasked",
     .words = "more in it than it should",
     .columns = {COL(OPS, "\x01\x00\x01\x00")},
     .content = "wrong"},
    {.name = "header-larger",
     .words = "differ in size",
     .columns = {SEGMENT(NO_REFS)},
     .decoded = 6},
    {.name = "header-smaller",
     .words = "differ in size",
     .columns = {SEGMENT(NO_REFS)},
     .decoded = 4},
    /* archives */
    ROW("opens-past-end", LIST, COL(OPENED, "\x50")),
    ROW("opens-folder", LIST, COL(OPENED, "\x04")),
    ROW("opens-twice", LIST, COL(OPENED, "\x02\x01")),
    {.name = "opens-no-archive",
     .words = "takes it for an archive",
     .columns = {COL(OPENED, "\x02")},
     .parts = PARTS()},
    ROW("archives-missing", "\"archives\" is missing", TOGETHER),
    {.name = "form-missing", .words = "a form's length", .columns = {TOGETHER}, .parts = PARTS()},
    {.name = "form-past-end",
     .words = "a form's length",
     .columns = {TOGETHER},
     .parts = PARTS([P_LENGTHS] = B("\x7f"))},
    {.name = "form-empty",
     .words = "puts an archive together again is damaged",
     .columns = {TOGETHER},
     .parts = PARTS([P_LENGTHS] = B("\x00"))},
    {.name = "form-unknown",
     .words = "puts an archive together again is damaged",
     .columns = {TOGETHER},
     .parts = PARTS([P_LENGTHS] = B("\x01"), [P_FORMS] = B("\x09"))},
    {.name = "form-many-members",
     .words = "puts an archive together again is damaged",
     .columns = {TOGETHER},
     .parts = PARTS([P_LENGTHS] = B("\x06"), [P_FORMS] = B("\x01\xff\xff\xff\xff\x0f"))},
    {.name = "nested-too-deep", .words = "a part", .columns = {TOGETHER}, .chain = 7},
    {.name = "nested-10000-deep", .words = "a part", .columns = {TOGETHER}, .chain = 10000},
    {.name = "expands-in-file",
     .words = "larger",
     .columns = {TOGETHER},
     .chain = 1,
     .chain_bytes = 50,
     .decoded = 50},
    {.name = "expands-nested",
     .words = "larger",
     .columns = {TOGETHER},
     .chain = 3,
     .chain_bytes = 50,
     .decoded = 50},
    {.name = "nested-64-tib",
     .words = "archives in archives",
     .columns = {TOGETHER},
     .chain = 2,
     .chain_bytes = (guint64)1 << 46,
     .decoded = 50,
     .code = TS_ERROR_REFUSED},
};

static Hostile hostile;

static void put_varint(GByteArray *out, guint64 value)
{
	delta_varint_append(out, value);
}

/* As the members "changes" and "archives" are coded. */
static GByteArray *code_list(const GByteArray *list, const char *before)
{
	g_autoptr(GError) error = NULL;
	DeltaStream stream = {DELTA_CODEC_LZMA2, 0, list->len, strlen(before), 1};
	g_autoptr(DeltaCoder) coder = delta_encoder_new(&stream, (const guint8 *)before, &error);
	GByteArray *out = g_byte_array_new();
	g_byte_array_append(out, (const guint8 *)"", 1);
	put_varint(out, list->len);
	(void)delta_coder_all(coder, list->data, list->len, out, G_MAXUINT, &error);
	g_assert_no_error(error);
	return out;
}

static void add_member(GByteArray *tar, const char *name, const void *data, gsize len)
{
	const TarEntry entry = {.type = '0', .path = name};
	tar_head(tar, &entry, len);
	if (len > 0)
		tar_append(tar, data, len);
}

static void add_header(GByteArray *tar, const char *old_root, guint64 decoded)
{
	g_autofree char *header = g_strdup_printf(
	    "delta 2 %.16s " HOSTILE_ROOT " 1 0 0 0 %" G_GUINT64_FORMAT " 1\n", old_root, decoded);
	add_member(tar, "header", header, strlen(header));
}

static void add_list(GByteArray *tar, const Row *row)
{
	g_autoptr(GByteArray) list = g_byte_array_new();
	put_varint(list, 0);
	for (guint i = 0; i < COLUMNS; i++) {
		const Bytes *column = &row->columns[i];
		gboolean cuts = i == CUTS && !column->bytes; /* its first byte is always there */
		put_varint(list, cuts ? 1 : column->len);
		g_byte_array_append(list, (const guint8 *)(cuts ? "" : column->bytes),
				    cuts ? 1 : (guint)column->len);
	}
	g_autoptr(GByteArray) coded = code_list(list, "again\nindex.html\nlib\nlib/large.txt\n");
	add_member(tar, "changes", coded->data, coded->len);
}

static gboolean read_bytes(gpointer user_data, guint64 offset, guint8 *out, gsize len,
			   GError **error)
{
	const guint8 *bytes = user_data;
	(void)error; /* never fails */
	memcpy(out, bytes + offset, len);
	return TRUE;
}

/* The form of a gzip file of one byte, stored. */
static GByteArray *gzip_form(void)
{
	static const guint8 gzip[] = {0x1f, 0x8b, 8,    0,   0,    0,    0,    0,    0, 3, 1, 1,
				      0,    0xfe, 0xff, 'x', 0x83, 0x16, 0xdc, 0x8c, 1, 0, 0, 0};
	const DeltaBytes bytes = {read_bytes, (gpointer)(guintptr)gzip, sizeof gzip};
	g_autoptr(DeltaArchive) archive = delta_archive_parse(&bytes, NULL);
	g_assert_nonnull(archive);
	return g_byte_array_ref(archive->form);
}

/* Archives of one part each, which is the next archive; the last one's is an old file. */
static void fill_chain(GByteArray *columns[P_COLUMNS], const Row *row)
{
	g_autoptr(GByteArray) form = gzip_form();
	for (guint i = 0; i < row->chain; i++) {
		gboolean last = i + 1 == row->chain;
		put_varint(columns[P_LENGTHS], form->len);
		g_byte_array_append(columns[P_FORMS], form->data, form->len);
		put_varint(columns[P_OPS], 0);
		put_varint(columns[P_OPS], last ? 2 : 4);
		put_varint(columns[P_WAYS], 0);
		put_varint(last ? columns[P_FROMS] : columns[P_BASES], last ? 1 : 0);
		if (!last)
			put_varint(columns[P_SIZES], 2 * row->chain_bytes);
	}
}

static void add_archives(GByteArray *tar, const Row *row)
{
	g_autoptr(GByteArray) list = g_byte_array_new();
	GByteArray *columns[P_COLUMNS];
	for (guint i = 0; i < P_COLUMNS; i++)
		columns[i] = g_byte_array_new();
	if (row->chain)
		fill_chain(columns, row);
	for (guint i = 0; i < P_COLUMNS; i++) {
		const Bytes *given = row->parts ? &row->parts[i] : NULL;
		if (given && given->len > 0)
			g_byte_array_append(columns[i], (const guint8 *)given->bytes,
					    (guint)given->len);
		put_varint(list, columns[i]->len);
		g_byte_array_append(list, columns[i]->data, columns[i]->len);
		g_byte_array_unref(columns[i]);
	}
	g_autoptr(GByteArray) coded = code_list(list, "");
	add_member(tar, "archives", coded->data, coded->len);
}

static void add_content(GByteArray *tar, const Row *row)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GByteArray) out = g_byte_array_new();
	if (row->raw.bytes) {
		add_member(tar, "contents-1", row->raw.bytes, row->raw.len);
		return;
	}
	DeltaStream stream = {DELTA_CODEC_LZMA2, 0, strlen(row->content), 0, 1};
	g_autoptr(DeltaCoder) coder = delta_encoder_new(&stream, NULL, &error);
	(void)delta_coder_all(coder, (const guint8 *)row->content, strlen(row->content), out,
			      G_MAXUINT, &error);
	g_assert_no_error(error);
	add_member(tar, "contents-1", out->data, out->len);
}

static void on_row(gconstpointer data)
{
	const Row *row = data;
	const HostileCase which = {.name = row->name,
				   .code = row->code ? row->code : TS_ERROR_CORRUPT,
				   .words = row->words,
				   .old_root = hostile.v1};
	g_autoptr(GByteArray) tar = g_byte_array_new();
	add_header(tar, hostile.v1, row->decoded);
	add_list(tar, row);
	if (row->parts || row->chain)
		add_archives(tar, row);
	if (row->content || row->raw.bytes)
		add_content(tar, row);
	tar_end(tar);
	g_autoptr(GByteArray) file = xz_pack(tar);
	hostile_refused(&hostile, &which, file);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	hostile_init(&hostile);
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *path = g_strconcat("/hostile/delta/", rows[i].name, NULL);
		g_test_add_data_func(path, &rows[i], on_row);
	}
	int status = g_test_run();
	hostile_clear(&hostile);
	return status;
}
