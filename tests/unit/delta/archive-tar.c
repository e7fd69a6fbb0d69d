/* SPDX-License-Identifier: ISC */
/* gzip and tar, made here byte by byte. */
#include "archive-test.h"

/* ---- gzip ---- */

typedef struct {
	const char *label;
	guint8 flags;
	const char *fields;
	gsize len;
	const char *name;
} GzipSpec;

#define FIELDS(text) (text), sizeof(text) - 1

static const GzipSpec gzip_specs[] = {
    {"plain", 0, FIELDS(""), ""},
    {"name", 0x08, FIELDS("dist.tar\0"), "dist.tar"},
    {"extra", 0x04, FIELDS("\4\0abcd"), ""},
    {"comment", 0x10, FIELDS("a comment\0"), ""},
    {"sum of the header", 0x02, FIELDS("\x12\x34"), ""},
    {"all of it", 0x1f,
     FIELDS("\2\0ex"
	    "name\0"
	    "comment\0"
	    "\x56\x78"),
     "name"},
};

static GByteArray *make_gzip(const GzipSpec *spec, const char *content)
{
	GByteArray *out = g_byte_array_new();
	g_autoptr(GByteArray) packed = deflated(content);
	put(out, "\x1f\x8b\x08", 3);
	put_le(out, spec->flags, 1);
	put(out, "abcd\2\3", 6);
	put(out, spec->fields, spec->len);
	put(out, packed->data, packed->len);
	put_le(out, crc_of(content), 4);
	put_le(out, strlen(content), 4);
	return out;
}

static void test_gzip(void)
{
	for (guint i = 0; i < G_N_ELEMENTS(gzip_specs); i++) {
		const GzipSpec *spec = &gzip_specs[i];
		g_test_message("%s", spec->label);
		g_autoptr(GByteArray) data = make_gzip(spec, "content, content, content");
		g_autoptr(GByteArray) other = make_gzip(spec, "other content, and more of it");
		g_assert_true(comes_back(data));
		g_autoptr(DeltaArchive) archive = parse(data);
		g_autoptr(DeltaArchive) later = parse(other);
		g_assert_cmpint(archive->kind, ==, DELTA_ARCHIVE_GZIP);
		g_assert_cmpuint(archive->members->len, ==, 1);
		g_assert_cmpstr(member_of(archive, 0)->name, ==, spec->name);
		g_assert_cmpuint(member_of(archive, 0)->facts.bytes, ==, 25);
		g_assert_cmpmem(archive->form->data, archive->form->len, later->form->data,
				later->form->len);
		check_form_damage(archive->form);
		check_failed_reads(data);
	}
	g_autoptr(GByteArray) data = make_gzip(&gzip_specs[0], "content");
	g_autoptr(DeltaArchive) archive = parse(data);
	check_golden(archive, "02006162636402"
			      "03");
}

/* Where the stream ends only unpacking tells: whatever stands there comes back. */
static void test_gzip_ends(void)
{
	g_autoptr(GByteArray) data = make_gzip(&gzip_specs[0], "content");
	put_text(data, "trailing bytes");
	g_assert_true(comes_back(data));
	g_byte_array_set_size(data, 18);
	g_assert_true(comes_back(data));
	g_byte_array_set_size(data, 17);
	g_assert_false(comes_back(data));
	/* flags that are not known, and a header that does not end */
	g_autoptr(GByteArray) unknown = make_gzip(&gzip_specs[0], "content");
	unknown->data[3] = 0x20;
	g_assert_false(comes_back(unknown));
	GzipSpec endless = {.flags = 0x08, .fields = "", .len = 0};
	g_autofree char *text = g_strnfill(10000, 'x');
	g_autoptr(GByteArray) name = make_gzip(&endless, "content");
	g_byte_array_set_size(name, 10);
	put_text(name, text);
	put(name, "\0", 1);
	put_text(name, text);
	g_assert_false(comes_back(name));
}

/* ---- tar ---- */

/* One header and its data. */
typedef struct {
	char type;
	const char *name, *prefix, *link;
	const char *data;
	const char *ends; /* of numbers: NUL by GNU, a space by npm */
} TarSpec;

static void put_zeros(GByteArray *out, gsize len)
{
	for (gsize i = 0; i < len; i++)
		put(out, "", 1);
}

static void put_at(guint8 *block, gsize place, const char *text)
{
	if (text)
		memcpy(block + place, text, strlen(text));
}

static void put_tar(GByteArray *out, const TarSpec *spec)
{
	guint8 block[512] = {0};
	guint sum = 0;
	g_autofree char *size = g_strdup_printf("%011o%s", (guint)strlen(spec->data), spec->ends);
	put_at(block, 0, spec->name);
	put_at(block, 100, "0000644");
	put_at(block, 124, size);
	put_at(block, 136, "03560116604");
	put_at(block, 148, "        ");
	block[156] = (guint8)spec->type;
	put_at(block, 157, spec->link);
	put_at(block, 257, "ustar");
	put_at(block, 263, "00root");
	put_at(block, 345, spec->prefix);
	for (guint i = 0; i < sizeof block; i++)
		sum += block[i];
	g_autofree char *sums = g_strdup_printf("%06o%s", sum, spec->ends);
	put_at(block, 148, sums);
	if (spec->ends[0] == '\0')
		block[154] = 0;
	put(out, block, sizeof block);
	put_text(out, spec->data);
	put_zeros(out, (512 - out->len % 512) % 512);
}

#define LONG_100                                                          \
	"package/0123456789/0123456789/0123456789/0123456789/0123456789/" \
	"0123456789/0123456789/0123456789/abcd"

static const TarSpec tar_specs[] = {
    {'5', "package/", NULL, NULL, "", ""},
    {'0', "package/package.json", NULL, NULL, "{\"name\": \"x\"}\n", ""},
    {'0', "package/empty", NULL, NULL, "", " "},
    {'\0', "package/old", "some/prefix", NULL, "old", ""},
    {'2', "package/link", NULL, "package.json", "", ""},
    {'1', "package/hard", NULL, "package/old", "", ""},
    {'L', "././@LongLink", NULL, NULL, LONG_100 "/efgh", ""},
    {'0', LONG_100, NULL, NULL, "under a long name of GNU", ""},
    {'x', "PaxHeader/x", NULL, NULL, "20 path=package/pax\n", ""},
    {'0', "package/pa", NULL, NULL, "under a long name of pax", ""},
    {'g', "pax_global_header", NULL, NULL, "18 comment=abcdef\n", ""},
    {'7', "package/last", NULL, NULL, "the last one", ""},
};
static const char *const tar_names[] = {
    "package/package.json", "package/empty", "some/prefix/package/old",
    LONG_100 "/efgh",       "package/pax",   "package/last",
};

/* zeros: at the end; with 0 as many as fill a record. */
static GByteArray *make_tar(const char *extra, gsize zeros)
{
	GByteArray *out = g_byte_array_new();
	for (guint i = 0; i < G_N_ELEMENTS(tar_specs); i++) {
		TarSpec spec = tar_specs[i];
		g_autofree char *data = g_strconcat(spec.data, extra, NULL);
		if (spec.type == '0')
			spec.data = data;
		put_tar(out, &spec);
	}
	put_zeros(out, zeros > 0 ? zeros : 10240 - out->len % 10240);
	return out;
}

static void test_tar(void)
{
	static const gsize zeros[] = {0, 512, 1024, 1536, 1000, 20000};
	for (guint i = 0; i < G_N_ELEMENTS(zeros); i++) {
		g_autoptr(GByteArray) data = make_tar("", zeros[i]);
		g_assert_true(comes_back(data));
	}
	g_autoptr(GByteArray) data = make_tar("", 0);
	g_autoptr(DeltaArchive) archive = parse(data);
	g_assert_cmpint(archive->kind, ==, DELTA_ARCHIVE_TAR);
	g_assert_cmpuint(archive->members->len, ==, G_N_ELEMENTS(tar_names));
	for (guint i = 0; i < G_N_ELEMENTS(tar_names); i++) {
		const DeltaMember *member = member_of(archive, i);
		g_assert_cmpstr(member->name, ==, tar_names[i]);
		g_assert_cmpint(member->packing, ==, DELTA_STORED);
		g_assert_cmpuint(member->facts.bytes, ==, member->facts.packed_bytes);
	}
	g_assert_cmpmem(data->data + member_of(archive, 5)->offset, 12, "the last one", 12);
	check_failed_reads(data);
}

/* Neither sizes nor sums, nor the zeros that fill a record, are in the form. */
static void test_tar_form(void)
{
	g_autoptr(GByteArray) data = make_tar("", 0);
	g_autoptr(GByteArray) other = make_tar(LONG_100 LONG_100 LONG_100 LONG_100 LONG_100, 0);
	g_autoptr(DeltaArchive) archive = parse(data);
	g_autoptr(DeltaArchive) later = parse(other);
	guint8 digest[UTIL_SHA256_BYTES];
	char hex[UTIL_SHA256_HEX];
	g_assert_cmpmem(archive->form->data, archive->form->len, later->form->data,
			later->form->len);
	check_form_damage(archive->form);
	/* what goes over the line stays as it is */
	util_sha256_data(archive->form->data, archive->form->len, digest);
	util_hex_encode(digest, sizeof digest, hex);
	g_assert_cmpstr(hex, ==,
			"850f1a3c665ca719f01741fcdc759315cfaf8ae8de1f6a75523005993e37edb4");
}

static void test_tar_damage(void)
{
	g_autoptr(GByteArray) data = make_tar("", 1024);
	g_autoptr(GByteArray) flipped = g_byte_array_new();
	put(flipped, data->data, data->len);
	for (guint i = 0; i < data->len; i++) {
		flipped->data[i] ^= 0x10;
		(void)comes_back(flipped); /* asserts inside */
		flipped->data[i] ^= 0x10;
	}
	/* cut within the blocks at the end it is another tar */
	gsize all = data->len - 1024;
	for (gsize len = all - 1; len > 0; len -= MIN(len, 31)) {
		g_byte_array_set_size(data, (guint)len);
		if (len % 512 != 0)
			g_assert_false(comes_back(data));
		(void)comes_back(data);
	}
}

static void check_odd(const TarSpec *spec, gsize place, const char *bytes, gsize len)
{
	g_autoptr(GByteArray) data = g_byte_array_new();
	put_tar(data, &tar_specs[1]);
	put_tar(data, spec);
	put_zeros(data, 1024);
	memcpy(data->data + 1024 + place, bytes, len);
	g_assert_false(comes_back(data));
}

static void test_tar_odd(void)
{
	static const TarSpec sparse = {'S', "sparse", NULL, NULL, "", ""};
	static const TarSpec folder = {'5', "folder", NULL, NULL, "with data", ""};
	static const TarSpec file = {'0', "file", NULL, NULL, "data", ""};
	check_odd(&sparse, 0, "sparse", 6);
	check_odd(&folder, 0, "folder", 6);
	check_odd(&file, 124, "\x80\0\0\0\0\0\0\0\0\0\0\4", 12); /* another base */
	check_odd(&file, 124, "           8", 12);
	check_odd(&file, 124, "77777777777\0", 12);
	check_odd(&file, 148, "0000000\0", 8);
	check_odd(&file, 512 + 4, "x", 1);    /* padding */
	check_odd(&file, 1024 + 600, "x", 1); /* after the end */
	g_autoptr(GByteArray) zeros = g_byte_array_new();
	put_zeros(zeros, 2048);
	g_assert_false(comes_back(zeros));
}

/* Other endings of numbers, texts without NUL, bytes after a NUL: kept as they are. */
static void test_tar_variants(void)
{
	static const char *const sizes[] = {"0000000004 \0", "       4 \0 \0", "000000000004",
					    "          4 "};
	for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
		TarSpec spec = {'0', "file\0junk", NULL, LONG_100, "data", ""};
		g_autoptr(GByteArray) data = g_byte_array_new();
		guint sum = 0;
		put_tar(data, &spec);
		memcpy(data->data + 124, sizes[i], 12);
		memcpy(data->data + 20, "junk", 4);
		memcpy(data->data + 148, "        ", 8);
		for (guint k = 0; k < 512; k++)
			sum += data->data[k];
		g_autofree char *sums = g_strdup_printf(i % 2 ? "%6o" : "%07o", sum);
		memcpy(data->data + 148, sums, strlen(sums) + (i % 2 ? 0 : 1));
		put_zeros(data, 1024);
		g_assert_true(comes_back(data));
		g_autoptr(DeltaArchive) archive = parse(data);
		g_assert_cmpuint(member_of(archive, 0)->facts.bytes, ==, 4);
		g_assert_cmpstr(member_of(archive, 0)->name, ==, "file");
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/archive/gzip", test_gzip);
	g_test_add_func("/archive/gzip-ends", test_gzip_ends);
	g_test_add_func("/archive/tar", test_tar);
	g_test_add_func("/archive/tar-form", test_tar_form);
	g_test_add_func("/archive/tar-damage", test_tar_damage);
	g_test_add_func("/archive/tar-odd", test_tar_odd);
	g_test_add_func("/archive/tar-variants", test_tar_variants);
	return g_test_run();
}
