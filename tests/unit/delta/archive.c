/* SPDX-License-Identifier: ISC */
/* ZIP, made here byte by byte. */
#include "archive-test.h"

#define UT_LOCAL "UT\x09\0\3abcdefgh"
#define UT_CENTRAL "UT\5\0\3abcd"

/* How all entries of an archive are written. */
typedef struct {
	const char *label;
	const char *prefix;
	const char *comment;
	gboolean counted; /* offsets count the prefix */
	guint16 flags, method;
	guint gap;      /* bytes of the data descriptor */
	gboolean shown; /* sizes and CRC in the local header in spite of that */
	gboolean local_64, central_64, end_64;
	gboolean extras;
	gboolean wrong_sum; /* CRC and size are not those of the content */
} ZipSpec;

static const ZipSpec zip_specs[] = {
    {.label = "plain", .method = 8},
    {.label = "stored", .method = 0},
    {.label = "descriptor", .method = 8, .flags = 8, .gap = 16},
    {.label = "descriptor without signature", .method = 8, .flags = 8, .gap = 12},
    {.label = "stored with descriptor", .method = 0, .flags = 8, .gap = 16},
    {.label = "descriptor though shown", .method = 8, .flags = 8, .gap = 16, .shown = TRUE},
    {.label = "long descriptor", .method = 8, .flags = 8, .gap = 24, .local_64 = TRUE},
    {.label = "long, without signature", .method = 8, .flags = 8, .gap = 20, .local_64 = TRUE},
    {.label = "local zip64", .method = 8, .local_64 = TRUE, .shown = TRUE},
    {.label = "all zip64", .method = 8, .local_64 = TRUE, .central_64 = TRUE, .end_64 = TRUE},
    {.label = "zip64 end", .method = 8, .end_64 = TRUE, .comment = "and a comment"},
    {.label = "extra fields", .method = 8, .extras = TRUE, .comment = "PK\5\6"},
    {.label = "encrypted", .method = 8, .flags = 1},
    {.label = "another method", .method = 12},
    {.label = "wrong sum", .method = 8, .wrong_sum = TRUE},
    {.label = "stored, wrong sum", .method = 0, .wrong_sum = TRUE},
    {.label = "script before it", .method = 8, .prefix = "#!/bin/sh\nexit 0\n"},
    {.label = "script that counts", .method = 8, .prefix = "#!/bin/sh\n", .counted = TRUE},
};

typedef struct {
	const char *name, *content;
} Content;

static const Content contents[] = {
    {"META-INF/", ""},
    {"META-INF/MANIFEST.MF", "Manifest-Version: 1.0\r\nCreated-By: hand\r\n"},
    {"com/example/Main.class", "some code that is called and called and called"},
    {"com/example/Main$1.class", "other code"},
    {"com/example/empty", ""},
};
static const Content other_contents[] = {
    {"META-INF/", ""},
    {"META-INF/MANIFEST.MF", "Manifest-Version: 1.0\r\nCreated-By: another hand, later\r\n"},
    {"com/example/Main.class", "now it is code that is not even called once"},
    {"com/example/Main$1.class", "and this is longer than it was, too"},
    {"com/example/empty", ""},
};
#define N_CONTENTS G_N_ELEMENTS(contents)

/* One entry while it is written. */
typedef struct {
	const ZipSpec *spec;
	const Content *content;
	GByteArray *packed;
	guint32 crc;
	guint64 bytes, offset;
} ZipEntry;

static void zip_entry_init(ZipEntry *entry, const ZipSpec *spec, const Content *content)
{
	*entry = (ZipEntry){.spec = spec, .content = content, .packed = g_byte_array_new()};
	entry->crc = crc_of(content->content) ^ (spec->wrong_sum ? 0x55 : 0);
	entry->bytes = strlen(content->content) + (spec->wrong_sum ? 5 : 0);
	if (spec->method == 0) {
		put_text(entry->packed, content->content);
	} else {
		g_byte_array_unref(entry->packed);
		entry->packed = deflated(content->content);
	}
}

static void put_zip_common(GByteArray *out, const ZipEntry *entry)
{
	put_le(out, entry->spec->local_64 ? 45 : 20, 2);
	put_le(out, entry->spec->flags, 2);
	put_le(out, entry->spec->method, 2);
	put_le(out, 0x21 + strlen(entry->content->name) / 16, 2);
	put_le(out, 0x2821, 2);
}

static void put_zip_local(GByteArray *out, const ZipEntry *entry)
{
	const ZipSpec *spec = entry->spec;
	gboolean shown = spec->gap == 0 || spec->shown;
	g_autoptr(GByteArray) extra = g_byte_array_new();
	if (spec->extras)
		put(extra, UT_LOCAL, sizeof UT_LOCAL - 1);
	if (spec->local_64) {
		put_le(extra, 1, 2);
		put_le(extra, 16, 2);
		put_le(extra, entry->bytes, 8);
		put_le(extra, shown ? entry->packed->len : 0, 8);
	}
	put_text(out, "PK\3\4");
	put_zip_common(out, entry);
	put_le(out, shown ? entry->crc : 0, 4);
	put_le(out, spec->local_64 ? G_MAXUINT32 : shown ? entry->packed->len : 0, 4);
	put_le(out, spec->local_64 ? G_MAXUINT32 : shown ? entry->bytes : 0, 4);
	put_le(out, strlen(entry->content->name), 2);
	put_le(out, extra->len, 2);
	put_text(out, entry->content->name);
	put(out, extra->data, extra->len);
	put(out, entry->packed->data, entry->packed->len);
	if (spec->gap % 8 == 0 && spec->gap > 0)
		put_text(out, "PK\7\10");
	if (spec->gap > 0) {
		put_le(out, entry->crc, 4);
		put_le(out, entry->packed->len, spec->gap >= 20 ? 8 : 4);
		put_le(out, entry->bytes, spec->gap >= 20 ? 8 : 4);
	}
}

static void put_zip_central(GByteArray *out, const ZipEntry *entry)
{
	const ZipSpec *spec = entry->spec;
	g_autoptr(GByteArray) extra = g_byte_array_new();
	if (spec->central_64) {
		put_le(extra, 1, 2);
		put_le(extra, 24, 2);
		put_le(extra, entry->bytes, 8);
		put_le(extra, entry->packed->len, 8);
		put_le(extra, entry->offset, 8);
	}
	if (spec->extras)
		put(extra, UT_CENTRAL, sizeof UT_CENTRAL - 1);
	put_text(out, "PK\1\2");
	put_le(out, 0x031e, 2);
	put_zip_common(out, entry);
	put_le(out, entry->crc, 4);
	put_le(out, spec->central_64 ? G_MAXUINT32 : entry->packed->len, 4);
	put_le(out, spec->central_64 ? G_MAXUINT32 : entry->bytes, 4);
	put_le(out, strlen(entry->content->name), 2);
	put_le(out, extra->len, 2);
	put_le(out, spec->extras ? 4 : 0, 2);
	put_le(out, 0, 4);
	put_le(out, 0100644u << 16, 4);
	put_le(out, spec->central_64 ? G_MAXUINT32 : entry->offset, 4);
	put_text(out, entry->content->name);
	put(out, extra->data, extra->len);
	put_text(out, spec->extras ? "note" : "");
}

static void put_zip_end(GByteArray *out, const ZipSpec *spec, guint64 central, guint64 base)
{
	guint64 bytes = out->len - central;
	guint64 end = out->len - base;
	const char *comment = spec->comment ? spec->comment : "";
	central -= base;
	if (spec->end_64) {
		put_text(out, "PK\6\6");
		put_le(out, 44, 8);
		put_le(out, 0x002d031e, 4);
		put_le(out, 0, 8);
		put_le(out, N_CONTENTS, 8);
		put_le(out, N_CONTENTS, 8);
		put_le(out, bytes, 8);
		put_le(out, central, 8);
		put_text(out, "PK\6\7");
		put_le(out, 0, 4);
		put_le(out, end, 8);
		put_le(out, 1, 4);
	}
	put_text(out, "PK\5\6");
	put_le(out, 0, 4);
	put_le(out, spec->central_64 ? G_MAXUINT16 : N_CONTENTS, 2);
	put_le(out, spec->central_64 ? G_MAXUINT16 : N_CONTENTS, 2);
	put_le(out, bytes, 4);
	put_le(out, spec->central_64 ? G_MAXUINT32 : central, 4);
	put_le(out, strlen(comment), 2);
	put_text(out, comment);
}

static GByteArray *make_zip(const ZipSpec *spec, const Content *list)
{
	GByteArray *out = g_byte_array_new();
	ZipEntry entries[N_CONTENTS];
	put_text(out, spec->prefix ? spec->prefix : "");
	guint64 base = spec->counted ? 0 : out->len;
	for (guint i = 0; i < N_CONTENTS; i++) {
		zip_entry_init(&entries[i], spec, &list[i]);
		entries[i].offset = out->len - base;
		put_zip_local(out, &entries[i]);
	}
	guint64 central = out->len;
	for (guint i = 0; i < N_CONTENTS; i++) {
		put_zip_central(out, &entries[i]);
		g_byte_array_unref(entries[i].packed);
	}
	put_zip_end(out, spec, central, base);
	return out;
}

static gboolean is_opaque(const ZipSpec *spec)
{
	return spec->flags & 1 || spec->method == 12 || (spec->method == 0 && spec->wrong_sum);
}

static void check_zip_members(const ZipSpec *spec, const DeltaArchive *archive)
{
	g_assert_cmpuint(archive->members->len, ==, N_CONTENTS);
	for (guint i = 0; i < N_CONTENTS; i++) {
		const DeltaMember *member = member_of(archive, i);
		gsize len = strlen(contents[i].content);
		g_assert_cmpstr(member->name, ==, contents[i].name);
		g_assert_cmpint(member->packing, ==,
				spec->method == 8 && !is_opaque(spec) ? DELTA_DEFLATED
								      : DELTA_STORED);
		g_assert_cmpuint(member->facts.bytes, ==, len + (spec->wrong_sum ? 5 : 0));
		g_assert_cmphex(member->facts.crc, ==,
				crc_of(contents[i].content) ^ (spec->wrong_sum ? 0x55 : 0));
	}
}

static void test_zip(void)
{
	for (guint i = 0; i < G_N_ELEMENTS(zip_specs); i++) {
		const ZipSpec *spec = &zip_specs[i];
		g_test_message("%s", spec->label);
		g_autoptr(GByteArray) data = make_zip(spec, contents);
		g_assert_true(comes_back(data));
		g_autoptr(DeltaArchive) archive = parse(data);
		g_assert_cmpint(archive->kind, ==, DELTA_ARCHIVE_ZIP);
		check_zip_members(spec, archive);
	}
}

/* Nothing that follows from the members is in the form. */
static void test_zip_form(void)
{
	for (guint i = 0; i < G_N_ELEMENTS(zip_specs); i++) {
		g_autoptr(GByteArray) one = make_zip(&zip_specs[i], contents);
		g_autoptr(GByteArray) two = make_zip(&zip_specs[i], other_contents);
		g_autoptr(DeltaArchive) archive = parse(one);
		g_autoptr(DeltaArchive) other = parse(two);
		g_test_message("%s", zip_specs[i].label);
		if (!is_opaque(&zip_specs[i]))
			g_assert_cmpmem(archive->form->data, archive->form->len, other->form->data,
					other->form->len);
	}
}

/* What goes over the line stays as it is. */
static void test_golden(void)
{
	g_autoptr(GByteArray) data = make_zip(&zip_specs[0], contents);
	g_autoptr(DeltaArchive) archive = parse(data);
	check_golden(archive,
		     "01050000000000041e0314000000080000000000a48100000000000000000000000000"
		     "0000032100212822002128000400000400000400004d4554412d494e462f00094d41"
		     "4e49464553542e4d460000636f6d2f6578616d706c652f4d61696e2e636c61737300"
		     "1024312e636c617373000c656d70747900");
}

/* Of members that cannot be unpacked the caller only knows the packed bytes. */
static void test_zip_opaque(void)
{
	for (guint i = 0; i < G_N_ELEMENTS(zip_specs); i++) {
		if (!is_opaque(&zip_specs[i]))
			continue;
		g_autoptr(GByteArray) data = make_zip(&zip_specs[i], contents);
		g_autoptr(DeltaArchive) archive = parse(data);
		for (guint k = 0; k < archive->members->len; k++) {
			DeltaMember *member = &g_array_index(archive->members, DeltaMember, k);
			member->facts.bytes = member->facts.packed_bytes;
			member->facts.crc = 0x12345678;
		}
		g_autoptr(GByteArray) again = rebuild(archive, data);
		g_assert_cmpmem(again->data, again->len, data->data, data->len);
	}
}

static void test_damage(void)
{
	for (guint i = 0; i < G_N_ELEMENTS(zip_specs); i++) {
		g_autoptr(GByteArray) data = make_zip(&zip_specs[i], contents);
		g_autoptr(DeltaArchive) archive = parse(data);
		check_damage(data);
		check_form_damage(archive->form);
		check_failed_reads(data);
		put_text(data, "x");
		g_assert_false(comes_back(data));
	}
}

/* Changes one place of a plain archive into something odd; it is left whole. */
static void check_odd(gsize place, const char *bytes, gsize len)
{
	g_autoptr(GByteArray) data = make_zip(&zip_specs[0], contents);
	g_assert_true(comes_back(data));
	g_assert_cmpint(memcmp(data->data + place, bytes, len), !=, 0);
	memcpy(data->data + place, bytes, len);
	g_assert_false(comes_back(data));
}

static gsize find(const GByteArray *data, const char *what, gsize from)
{
	const guint8 *at = memmem(data->data + from, data->len - from, what, strlen(what));
	g_assert_nonnull(at);
	return (gsize)(at - data->data);
}

static void test_odd(void)
{
	g_autoptr(GByteArray) data = make_zip(&zip_specs[0], contents);
	gsize central = find(data, "PK\1\2", 0);
	gsize end = find(data, "PK\5\6", 0);
	check_odd(find(data, "Main.class", 0), "Lain", 4);       /* names differ */
	check_odd(find(data, "Main.class", central), "M\0", 2);  /* NUL in a name */
	check_odd(14, "x", 1);                                   /* CRC in the local header */
	check_odd(central + 42, "\1", 1);                        /* offset */
	check_odd(central + 34, "\1", 1);                        /* disk */
	check_odd(end + 4, "\1", 1);                             /* disk */
	check_odd(end + 8, "\4\0\4", 3);                         /* an entry less */
	check_odd(end + 10, "\6", 1);                            /* counts differ */
	check_odd(end + 16, "\0\0\0\0", 4);                      /* directory elsewhere */
	g_byte_array_remove_range(data, (guint)central, 46 + 9); /* one entry not in it */
	g_assert_false(comes_back(data));
}

/* Gaps and bytes that no entry owns. */
static void test_gaps(void)
{
	static const guint gaps[] = {1, 11, 13, 17, 25, 100};
	for (guint i = 0; i < G_N_ELEMENTS(gaps); i++) {
		ZipSpec spec = {.label = "gap", .method = 8};
		spec.prefix = "#!/bin/sh\n0123456789012345678901234567890123456789";
		g_autoptr(GByteArray) data = make_zip(&spec, contents);
		gsize central = find(data, "PK\1\2", 0);
		g_autoptr(GByteArray) odd = g_byte_array_new();
		put(odd, data->data, central);
		g_byte_array_set_size(odd, odd->len + gaps[i]);
		memset(odd->data + central, 'x', gaps[i]);
		put(odd, data->data + central, data->len - central);
		g_assert_false(comes_back(odd));
	}
}

/* What a member says of its size is summed up before it is unpacked. */
static void test_sizes(void)
{
	static const struct {
		guint64 bytes;
		gboolean apart;
	} sizes[] = {{G_MAXUINT64, FALSE},
		     {(guint64)1 << 63, FALSE},
		     {DELTA_BYTES_MAX + 1, FALSE},
		     {DELTA_BYTES_MAX, TRUE}};
	ZipSpec spec = {.label = "sizes", .method = 8, .central_64 = TRUE, .end_64 = TRUE};
	spec.local_64 = TRUE;
	for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
		g_autoptr(GByteArray) data = make_zip(&spec, contents);
		gsize local = find(data, "META-INF/MANIFEST.MF", 0);
		gsize central = find(data, "META-INF/MANIFEST.MF", find(data, "PK\1\2", 0));
		/* both have it behind the name and the start of the zip64 field */
		for (guint byte = 0; byte < 8; byte++) {
			data->data[local + 20 + 4 + byte] = (guint8)(sizes[i].bytes >> 8 * byte);
			data->data[central + 20 + 4 + byte] = (guint8)(sizes[i].bytes >> 8 * byte);
		}
		g_assert_cmpint(comes_back(data), ==, sizes[i].apart);
	}
}

/* A few bytes that say they are much. */
static void test_bombs(void)
{
	/* 200,000 entries of one shape, time, extra field, comment and name */
	static const guint8 start[] = {1, 0xc0, 0x9a, 0x0c, 0, 0, 0, 0};
	static const guint8 all[] = {0, 0xbf, 0x9a, 0x0c};
	g_autoptr(GByteArray) form = g_byte_array_new();
	put(form, start, sizeof start);
	for (guint column = 0; column < 5; column++) {
		put(form, all, sizeof all);
		g_byte_array_set_size(form, form->len + (column == 0 ? 26 : column == 1 ? 4 : 0));
		if (column == 0)
			memset(form->data + form->len - 26, 0, 26);
		if (column < 2)
			continue;
		put_le(form, 0x83e8, 2); /* 1000 bytes */
		form->data[form->len - 2] = 0xe8;
		form->data[form->len - 1] = 0x07;
		for (guint i = 0; i < 1000; i++)
			put_le(form, 'x', 1);
	}
	for (guint i = 0; i < 200000; i++) {
		put_text(form, i == 0 ? "" : "\1");
		put(form, i == 0 ? "\0a" : "", i == 0 ? 3 : 1);
	}
	try_form(form->data, form->len, MEMORY);
	g_autoptr(GError) error = NULL;
	g_autoptr(DeltaArchive) small =
	    delta_archive_from_form(form->data, form->len, MEMORY, &error);
	g_assert_null(small);
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	/* with memory for it, it is an archive: 200,000 times 3,000 bytes in all */
	g_autoptr(DeltaArchive) large =
	    delta_archive_from_form(form->data, form->len, (guint64)1 << 30, NULL);
	g_assert_nonnull(large);
	g_assert_cmpuint(large->members->len, ==, 200000);
}

static void test_sniff(void)
{
	static const guint8 none[DELTA_SNIFF_BYTES];
	g_assert_false(delta_archive_sniff(none, 0));
	g_assert_false(delta_archive_sniff(none, sizeof none));
	g_assert_false(delta_archive_sniff((const guint8 *)"PK\3", 3));
	g_assert_true(delta_archive_sniff((const guint8 *)"PK\3\4", 4));
	g_assert_true(delta_archive_sniff((const guint8 *)"#!/bin/sh", 9));
	g_assert_false(delta_archive_sniff((const guint8 *)"\x1f\x8b\10\340234567", 10));
	g_assert_true(delta_archive_sniff((const guint8 *)"\x1f\x8b\10\0"
							  "34567890",
					  12));
	g_autoptr(GByteArray) script = g_byte_array_new();
	put_text(script, "#!/bin/sh\necho PK\n");
	g_assert_false(comes_back(script));
	g_autoptr(GByteArray) empty = g_byte_array_new();
	g_assert_false(comes_back(empty));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/archive/zip", test_zip);
	g_test_add_func("/archive/zip-form", test_zip_form);
	g_test_add_func("/archive/zip-sizes", test_sizes);
	g_test_add_func("/archive/zip-golden", test_golden);
	g_test_add_func("/archive/zip-opaque", test_zip_opaque);
	g_test_add_func("/archive/zip-damage", test_damage);
	g_test_add_func("/archive/zip-odd", test_odd);
	g_test_add_func("/archive/zip-gaps", test_gaps);
	g_test_add_func("/archive/zip-bombs", test_bombs);
	g_test_add_func("/archive/sniff", test_sniff);
	return g_test_run();
}
