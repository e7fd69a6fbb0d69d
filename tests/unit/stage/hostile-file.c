/* SPDX-License-Identifier: ISC */
/*
 * Good bundles cut, lengthened and put together wrongly at each layer; headers that lie; orders for
 * something else; and archives of every other kind.
 */
#include <archive.h>
#include <archive_entry.h>

#include "hostile.h"

typedef GByteArray *(*Make)(gsize number, const char *text);

typedef struct {
	const char *name;
	const char *words;
	Make make;
	gsize number;
	const char *text;
	int code;                        /* 0: CORRUPT */
	enum { ALONE, PLAIN, DELTA } as; /* what the order says: v2 from nothing, or from v1 */
} Row;

static Hostile hostile;

static GByteArray *copy_of(const GByteArray *bytes)
{
	GByteArray *copy = g_byte_array_new();
	g_byte_array_append(copy, bytes->data, bytes->len);
	return copy;
}

static GByteArray *packed(GByteArray *tar)
{
	GByteArray *file = xz_pack(tar);
	g_byte_array_unref(tar);
	return file;
}

/* ---- the file ---- */

/* Only so many percent of it. */
static GByteArray *cut(const GByteArray *good, gsize percent)
{
	GByteArray *file = copy_of(good);
	return g_byte_array_set_size(file, percent == 99 ? file->len - 1
							 : (guint)(file->len * percent / 100));
}

static GByteArray *cut_plain(gsize percent, const char *text)
{
	(void)text; /* of others */
	return cut(hostile.plain, percent);
}

static GByteArray *cut_delta(gsize percent, const char *text)
{
	(void)text; /* of others */
	return cut(hostile.delta, percent);
}

static GByteArray *append_plain(gsize len, const char *text)
{
	GByteArray *file = copy_of(hostile.plain);
	return g_byte_array_append(file, (const guint8 *)text, (guint)len);
}

static GByteArray *twice_plain(gsize number, const char *text)
{
	(void)number, (void)text; /* of others */
	GByteArray *file = copy_of(hostile.plain);
	return g_byte_array_append(file, hostile.plain->data, hostile.plain->len);
}

static GByteArray *flip_plain(gsize percent, const char *text)
{
	(void)text; /* of others */
	GByteArray *file = copy_of(hostile.plain);
	file->data[file->len * percent / 100] ^= 0x10;
	return file;
}

/* The dictionary that the block's header asks for: 2 | bit << (bits / 2 + 11). */
static GByteArray *dictionary(gsize bits, const char *text)
{
	(void)text; /* of others */
	GByteArray *file = copy_of(hostile.plain);
	guint8 *block = file->data + 12;
	gsize size = ((gsize)block[0] + 1) * 4;
	g_assert_cmpint(block[2], ==, 0x21); /* LZMA2, no sizes before */
	block[4] = (guint8)bits;
	guint32 crc = GUINT32_TO_LE(delta_crc32(0, block, size - 4));
	memcpy(block + size - 4, &crc, 4);
	return file;
}

/* ---- the tar in it ---- */

static GByteArray *cut_tar(gsize from_end, const char *text)
{
	(void)text; /* of others */
	GByteArray *tar = xz_unpack(hostile.plain);
	return packed(g_byte_array_set_size(tar, tar->len - (guint)from_end));
}

static GByteArray *cut_delta_tar(gsize percent, const char *text)
{
	(void)text; /* of others */
	GByteArray *tar = xz_unpack(hostile.delta);
	return packed(g_byte_array_set_size(tar, (guint)(tar->len * percent / 100)));
}

static GByteArray *append_tar(gsize len, const char *text)
{
	GByteArray *tar = xz_unpack(hostile.plain);
	g_autofree char *bytes = g_malloc0(len);
	g_byte_array_append(tar, (const guint8 *)bytes, (guint)len);
	if (text)
		g_byte_array_append(tar, (const guint8 *)text, (guint)strlen(text));
	return packed(tar);
}

static GByteArray *twice_tar(gsize number, const char *text)
{
	(void)number, (void)text; /* of others */
	GByteArray *tar = xz_unpack(hostile.plain), *again = xz_unpack(hostile.plain);
	g_byte_array_append(tar, again->data, again->len);
	g_byte_array_unref(again);
	return packed(tar);
}

static GByteArray *flip_tar(gsize at, const char *text)
{
	(void)text; /* of others */
	GByteArray *tar = xz_unpack(hostile.plain);
	tar->data[at] ^= 1;
	return packed(tar);
}

/* A delta's members, named by letters: h(eader), c(hanges), 1 (contents-1), x (another). */
static GByteArray *members(gsize number, const char *text)
{
	(void)number; /* of others */
	g_autoptr(GByteArray) good = xz_unpack(hostile.delta);
	GByteArray *tar = g_byte_array_new();
	for (const char *letter = text; *letter; letter++) {
		gboolean found = *letter == 'x';
		if (found)
			tar_file(tar, "extra", "x");
		for (gsize at = 0; at < good->len && good->data[at] && !found;) {
			gsize size =
			    (gsize)g_ascii_strtoull((char *)good->data + at + 124, NULL, 8);
			gsize whole = 512 + (size + 511) / 512 * 512;
			const char *name = (const char *)good->data + at;
			found =
			    name[0] == *letter || (*letter == '1' && g_str_has_suffix(name, "-1"));
			if (found)
				g_byte_array_append(tar, good->data + at, (guint)whole);
			at += whole;
		}
		g_assert_true(found);
	}
	tar_end(tar);
	return packed(tar);
}

/* ---- headers ---- */

static GByteArray *header_of(const char *name, const char *text)
{
	GByteArray *tar = g_byte_array_new();
	tar_file(tar, name, text);
	tar_end(tar);
	return packed(tar);
}

static GByteArray *plain_header(gsize number, const char *text)
{
	(void)number; /* of others */
	return header_of(".tagship-bundle", text);
}

static GByteArray *delta_header(gsize number, const char *text)
{
	(void)number; /* of others */
	return header_of("header", text);
}

static GByteArray *long_header(gsize len, const char *text)
{
	(void)text; /* of others */
	g_autofree char *header = g_strnfill(len, 'x');
	return header_of(".tagship-bundle", header);
}

/* The first entry has this type. */
static GByteArray *typed_header(gsize type, const char *text)
{
	GByteArray *tar = g_byte_array_new();
	const TarEntry entry = {.type = (char)type, .path = text, .link = "x"};
	tar_add(tar, &entry);
	tar_end(tar);
	return packed(tar);
}

static GByteArray *two_headers(gsize number, const char *text)
{
	(void)number; /* of others */
	GByteArray *tar = g_byte_array_new();
	tar_file(tar, ".tagship-bundle", HOSTILE_HEADER("1", "plain", "1", "20000000"));
	tar_file(tar, text, HOSTILE_HEADER("1", "plain", "1", "20000000"));
	tar_end(tar);
	return packed(tar);
}

/* ---- names too long for a tar's header, and headers that are bombs ---- */

/* Components of `text` bytes length, as many as fit. */
static GByteArray *long_name(gsize len, const char *text)
{
	gsize component = (gsize)g_ascii_strtoull(text, NULL, 10);
	g_autofree char *name = g_strnfill(len, 'n');
	for (gsize at = component; at < len; at += component + 1)
		name[at] = '/';
	g_autofree char *pax = g_strconcat("path=", name, "\n", NULL);
	GByteArray *tar = g_byte_array_new();
	const TarEntry entry = {.type = '0', .path = "n", .data = "x", .pax = pax};
	tar_file(tar, ".tagship-bundle", HOSTILE_HEADER("1", "plain", "1", "20000000"));
	tar_add(tar, &entry);
	tar_end(tar);
	return packed(tar);
}

/* An extended header of this type and many bytes. */
static GByteArray *bomb(gsize len, const char *text)
{
	g_autofree char *bytes = g_strnfill(len, 'n');
	GByteArray *tar = g_byte_array_new();
	const TarEntry entry = {.type = text[0], .path = "././@LongLink"};
	tar_file(tar, ".tagship-bundle", HOSTILE_HEADER("1", "plain", "1", "20000000"));
	tar_head(tar, &entry, len);
	tar_append(tar, bytes, len);
	tar_file(tar, "a", "x");
	tar_end(tar);
	return packed(tar);
}

/* ---- other archives ---- */

static la_ssize_t on_write(struct archive *archive, void *user_data, const void *data, size_t len)
{
	(void)archive; /* cannot fail */
	g_byte_array_append(user_data, data, (guint)len);
	return (la_ssize_t)len;
}

/* The good tree's header and a file, in this format, by these filters. */
static GByteArray *foreign(gsize format, const char *filter)
{
	static const char header[] = HOSTILE_HEADER("1", "plain", "1", "20000000");
	GByteArray *out = g_byte_array_new();
	struct archive *archive = archive_write_new();
	struct archive_entry *entry = archive_entry_new();
	g_assert_cmpint(archive_write_set_format(archive, (int)format), ==, ARCHIVE_OK);
	if (*filter && strcmp(filter, "xz") != 0)
		g_assert_cmpint(archive_write_add_filter_by_name(archive, filter), ==, ARCHIVE_OK);
	archive_write_set_bytes_per_block(archive, 0);
	archive_write_open(archive, out, NULL, on_write, NULL);
	archive_entry_copy_pathname(entry, ".tagship-bundle");
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, 0644);
	archive_entry_set_mtime(entry, 1700000000, 0);
	archive_entry_set_size(entry, sizeof header - 1);
	g_assert_cmpint(archive_write_header(archive, entry), ==, ARCHIVE_OK);
	g_assert_cmpint(archive_write_data(archive, header, sizeof header - 1), >, 0);
	archive_entry_free(entry);
	g_assert_cmpint(archive_write_free(archive), ==, ARCHIVE_OK);
	return strcmp(filter, "xz") == 0 ? packed(out) : out;
}

static GByteArray *bytes(gsize len, const char *text)
{
	GByteArray *out = g_byte_array_new();
	return g_byte_array_append(out, (const guint8 *)text, (guint)len);
}

static GByteArray *good_plain(gsize number, const char *text)
{
	(void)number, (void)text; /* of others */
	return copy_of(hostile.plain);
}

static GByteArray *good_delta(gsize number, const char *text)
{
	(void)number, (void)text; /* of others */
	return copy_of(hostile.delta);
}

#define HEX HOSTILE_ROOT
#define UNSUPPORTED .code = TS_ERROR_UNSUPPORTED
#define REFUSED .code = TS_ERROR_REFUSED
#define ROW(row, why, ...)                             \
	{                                              \
		.name = row, .words = why, __VA_ARGS__ \
	}
#define FORM(kind, filter) .make = foreign, .number = kind, .text = filter
#define NOT_XZ "it is not an .xz file"

static const Row rows[] = {
    /* layers of a plain bundle */
    ROW("file-empty", "the compressed data ends too early", .make = cut_plain, .number = 0,
	.as = PLAIN),
    ROW("file-cut-first", "the compressed data ends too early", .make = cut_plain, .number = 1,
	.as = PLAIN),
    ROW("file-cut-half", "the compressed data ends too early", .make = cut_plain, .number = 50,
	.as = PLAIN),
    ROW("file-cut-last", "the compressed data ends too early", .make = cut_plain, .number = 99,
	.as = PLAIN),
    ROW("file-flipped", "the compressed data is damaged", .make = flip_plain, .number = 50,
	.as = PLAIN),
    ROW("file-flipped-start", "it is not an .xz file", .make = flip_plain, .number = 0,
	.as = PLAIN),
    ROW("file-flipped-end", "the compressed data is damaged", .make = flip_plain, .number = 98,
	.as = PLAIN),
    ROW("bytes-after", "bytes after its end", .make = append_plain, .number = 1, .text = "x",
	.as = PLAIN),
    ROW("padding-after", "bytes after its end", .make = append_plain, .number = 4, .text = "\0\0\0",
	.as = PLAIN),
    ROW("two-files", "bytes after its end", .make = twice_plain, .as = PLAIN),
    ROW("dictionary-4-gib", "more memory than allowed", .make = dictionary, .number = 40,
	.as = PLAIN, REFUSED),
    ROW("dictionary-128-mib", "more memory than allowed", .make = dictionary, .number = 30,
	.as = PLAIN, REFUSED),
    ROW("dictionary-unknown", "the compressed data is damaged", .make = dictionary, .number = 63,
	.as = PLAIN),
    ROW("tar-cut-in-end", "Truncated", .make = cut_tar, .number = 1025, .as = PLAIN),
    ROW("tar-cut-in-data", "Truncated", .make = cut_tar, .number = 3000, .as = PLAIN),
    ROW("tar-cut-in-header", "Truncated", .make = cut_tar, .number = 1500, .as = PLAIN),
    ROW("tar-bytes-after", "bytes after the end of the archive", .make = append_tar, .number = 512,
	.text = "x", .as = PLAIN),
    ROW("tar-zeros-after", "bytes after the end of the archive", .make = append_tar,
	.number = 100 << 10, .as = PLAIN),
    ROW("tar-bomb-after", "bytes after the end of the archive", .make = append_tar,
	.number = 32 << 20, .as = PLAIN),
    ROW("two-tars", "bytes after the end of the archive", .make = twice_tar, .as = PLAIN),
    ROW("tar-header-flipped", "Unrecognized archive format", .make = flip_tar, .number = 3,
	.as = PLAIN),
    ROW("tar-header-sum-flipped", "Unrecognized archive format", .make = flip_tar, .number = 150,
	.as = PLAIN),
    ROW("tar-magic-flipped", "Damaged tar archive", .make = flip_tar, .number = 1024 + 258,
	.as = PLAIN),
    /* of a delta */
    ROW("delta-cut-half", "the compressed data ends too early", .make = cut_delta, .number = 50,
	.as = DELTA),
    ROW("delta-cut-last", "the compressed data ends too early", .make = cut_delta, .number = 99,
	.as = DELTA),
    ROW("delta-tar-cut", "the member \"contents-1\" is missing", .make = cut_delta_tar,
	.number = 50, .as = DELTA),
    ROW("delta-header-only", "the member \"changes\" is missing", .make = members, .text = "h",
	.as = DELTA),
    ROW("delta-two-headers", "the member \"changes\" is missing", .make = members, .text = "hhc1",
	.as = DELTA),
    ROW("delta-no-header", "not a tagship bundle", .make = members, .text = "c1", .as = DELTA),
    ROW("delta-header-last", "not a tagship bundle", .make = members, .text = "c1h", .as = DELTA),
    ROW("delta-changes-twice", "the member \"contents-1\" is missing", .make = members,
	.text = "hcc1", .as = DELTA),
    ROW("delta-no-changes", "the member \"changes\" is missing", .make = members, .text = "h1",
	.as = DELTA),
    ROW("delta-no-contents", "the member \"contents-1\" is missing", .make = members, .text = "hc",
	.as = DELTA),
    ROW("delta-contents-twice", "more in it than it should have", .make = members, .text = "hc11",
	.as = DELTA),
    ROW("delta-swapped", "the member \"changes\" is missing", .make = members, .text = "h1c",
	.as = DELTA),
    ROW("delta-extra", "more in it than it should have", .make = members, .text = "hc1x",
	.as = DELTA),
    ROW("delta-extra-first", "not a tagship bundle", .make = members, .text = "xhc1", .as = DELTA),
    /* right bundles, but not for this order */
    ROW("other-root", "leads to root", .make = good_plain),
    ROW("delta-from-nothing", "starts from root", .make = good_delta, .as = PLAIN),
    /* headers */
    ROW("header-empty", "Format is missing", .make = plain_header, .text = ""),
    ROW("header-garbage", "a control character", .make = plain_header, .text = "\xff\xfe\x01\n"),
    ROW("header-no-root", "Old-Root is missing", .make = plain_header,
	.text = "Format: 1\nCodec: plain\n"),
    ROW("header-format-9", "format 9", .make = plain_header,
	.text = HOSTILE_HEADER("9", "plain", "1", "1"), UNSUPPORTED),
    ROW("header-format-0", "Format: ", .make = plain_header,
	.text = HOSTILE_HEADER("0", "plain", "1", "1")),
    ROW("header-codec", "codec \"zpaq\"", .make = plain_header,
	.text = HOSTILE_HEADER("1", "zpaq", "1", "1"), UNSUPPORTED),
    ROW("header-1-pib", "unpacks to", .make = plain_header,
	.text = HOSTILE_HEADER("1", "plain", "1125899906842624", "1"), REFUSED),
    ROW("header-negative", "Decoded-Bytes: ", .make = plain_header,
	.text = HOSTILE_HEADER("1", "plain", "-1", "1")),
    ROW("header-over-64-bits", "Decoded-Bytes: ", .make = plain_header,
	.text = HOSTILE_HEADER("1", "plain", "99999999999999999999", "1")),
    ROW("header-memory", "of memory", .make = plain_header,
	.text = HOSTILE_HEADER("1", "plain", "1", "9223372036854775807"), REFUSED),
    ROW("header-delta-as-plain", "do not belong together", .make = plain_header,
	.text = "delta 2 - " HEX " 1 0 0 0 1 1\n"),
    ROW("header-plain-as-delta", "do not belong together", .make = delta_header,
	.text = HOSTILE_HEADER("1", "plain", "1", "1")),
    ROW("header-delta-3", "format 3", .make = delta_header,
	.text = "delta 3 - " HEX " 1 0 0 0 1 1\n", UNSUPPORTED),
    ROW("header-delta-short", "a root or number is malformed", .make = delta_header,
	.text = "delta 2 - " HEX " 1 0 0 0 1\n"),
    ROW("header-delta-root", "a root or number is malformed", .make = delta_header,
	.text = "delta 2 - xyz 1 0 0 0 1 1\n"),
    ROW("header-delta-scratch", "of scratch disk", .make = delta_header,
	.text = "delta 2 - " HEX " 1 0 0 0 1 1 9223372036854775807 12345678\n", REFUSED),
    ROW("header-delta-zlib", "packs archives otherwise", .make = delta_header,
	.text = "delta 2 - " HEX " 1 0 0 0 1 1 1 12345678\n", UNSUPPORTED),
    ROW("header-long", "larger than the 65536 bytes allowed", .make = long_header, .number = 70000,
	REFUSED),
    ROW("header-folder", "not a tagship bundle", .make = typed_header, .number = '5',
	.text = ".tagship-bundle/"),
    ROW("header-link", "not a tagship bundle", .make = typed_header, .number = '2',
	.text = ".tagship-bundle"),
    ROW("header-hard-link", "a hard link", .make = typed_header, .number = '1', .text = "header"),
    ROW("header-device", "a type or mode", .make = typed_header, .number = '3', .text = "header"),
    ROW("header-missing", "not a tagship bundle", .make = typed_header, .number = '0',
	.text = "index.html"),
    ROW("two-headers", "tagship's own", .make = two_headers, .text = ".tagship-bundle"),
    /* long names */
    ROW("path-8043", "more than 4000 bytes", .make = long_name, .number = 8043, .text = "200"),
    ROW("path-60000", "a type or mode", .make = long_name, .number = 60000, .text = "1"),
    ROW("component-256", "more than 255 bytes", .make = long_name, .number = 256, .text = "256"),
    ROW("name-bomb", "Special header too large", .make = bomb, .number = 8 << 20, .text = "L"),
    ROW("link-name-bomb", "Special header too large", .make = bomb, .number = 8 << 20, .text = "K"),
    ROW("pax-bomb", "Special header too large", .make = bomb, .number = 8 << 20, .text = "x"),
    ROW("global-bomb", "Special header too large", .make = bomb, .number = 8 << 20, .text = "g"),
    /* other archives, and other compression */
    ROW("tar-bare", NOT_XZ, FORM(ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, "")),
    ROW("tar-gzip", NOT_XZ, FORM(ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, "gzip")),
    ROW("tar-bzip2", NOT_XZ, FORM(ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, "bzip2")),
    ROW("tar-lzma", NOT_XZ, FORM(ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, "lzma")),
    ROW("tar-lzip", NOT_XZ, FORM(ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, "lzip")),
    ROW("tar-compress", NOT_XZ, FORM(ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, "compress")),
    ROW("tar-uuencode", NOT_XZ, FORM(ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, "uuencode")),
    ROW("zip", NOT_XZ, FORM(ARCHIVE_FORMAT_ZIP, "")),
    ROW("7zip", NOT_XZ, FORM(ARCHIVE_FORMAT_7ZIP, "")),
    ROW("rar", NOT_XZ, .make = bytes, .number = 24, .text = "Rar!\x1a\x07\x01\0----------------"),
    ROW("cpio", "Unrecognized archive format", FORM(ARCHIVE_FORMAT_CPIO_SVR4_NOCRC, "xz")),
    ROW("cpio-odc", "Unrecognized archive format", FORM(ARCHIVE_FORMAT_CPIO_POSIX, "xz")),
    ROW("shar", "Unrecognized archive format", FORM(ARCHIVE_FORMAT_SHAR_DUMP, "xz")),
    ROW("mtree", "Unrecognized archive format", FORM(ARCHIVE_FORMAT_MTREE, "xz")),
    ROW("warc", "Unrecognized archive format", FORM(ARCHIVE_FORMAT_WARC, "xz")),
    ROW("zip-in-xz", "Unrecognized archive format", FORM(ARCHIVE_FORMAT_ZIP, "xz")),
    ROW("xar", NOT_XZ, .make = bytes, .number = 24, .text = "xar!\0\x1c\0\1----------------"),
};

static void on_row(gconstpointer data)
{
	const Row *row = data;
	const HostileCase which = {.name = row->name,
				   .code = row->code ? row->code : TS_ERROR_CORRUPT,
				   .words = row->words,
				   .old_root = row->as == DELTA ? hostile.v1 : NULL,
				   .root = row->as == ALONE ? NULL : hostile.v2,
				   .decoded = (guint64)1 << 20};
	g_autoptr(GByteArray) file = row->make(row->number, row->text);
	hostile_refused(&hostile, &which, file);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	hostile_init(&hostile);
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *path = g_strconcat("/hostile/file/", rows[i].name, NULL);
		g_test_add_data_func(path, &rows[i], on_row);
	}
	int status = g_test_run();
	hostile_clear(&hostile);
	return status;
}
