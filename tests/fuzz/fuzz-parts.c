/* SPDX-License-Identifier: ISC */
/*
 * The member "archives", against a small old tree with an archive in an archive: two bytes with the
 * length of a change list, the list, then a byte that says whether the rest is the columns of the
 * member (0) or the member as it is coded. What is taken must be sound.
 */
#include <zlib.h>

#include "delta/archive.h"

#include "changes-sound.h"

#define MEMORY ((guint64)1024 * 1024)
#define CHUNK_MAX ((gsize)64 * 1024)

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

/* ---- the old tree ---- */

/* A member of a zip. */
typedef struct {
	const char *name;
	const guint8 *data;
	gsize len;
	gboolean deflated;
} Content;

typedef struct {
	guint8 head[30], central[46]; /* as in APPNOTE 6.3.10 */
	GByteArray *packed;
} Record;

static void put_le(guint8 *at, guint64 value, guint width)
{
	for (guint i = 0; i < width; i++)
		at[i] = (guint8)(value >> 8 * i);
}

static GByteArray *pack(const Content *content)
{
	GByteArray *out = g_byte_array_new();
	z_stream z = {.next_in = (Bytef *)(guintptr)content->data, .avail_in = (uInt)content->len};
	if (!content->deflated) {
		g_byte_array_append(out, content->data, (guint)content->len);
		return out;
	}
	g_assert(deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) == Z_OK);
	g_byte_array_set_size(out, (guint)deflateBound(&z, (uLong)content->len));
	z.next_out = out->data;
	z.avail_out = out->len;
	g_assert(deflate(&z, Z_FINISH) == Z_STREAM_END);
	g_byte_array_set_size(out, (guint)z.total_out);
	(void)deflateEnd(&z); /* only frees */
	return out;
}

static void zip_record(Record *record, const Content *content, gsize offset)
{
	guint8 *head = record->head;
	guint8 *central = record->central;
	memset(record, 0, sizeof *record);
	record->packed = pack(content);
	memcpy(head, "PK\3\4\24", 5);
	put_le(head + 8, content->deflated ? 8 : 0, 2);
	put_le(head + 10, 0x28215000, 4);
	put_le(head + 14, crc32(0, content->data, (uInt)content->len), 4);
	put_le(head + 18, record->packed->len, 4);
	put_le(head + 22, content->len, 4);
	put_le(head + 26, strlen(content->name), 2);
	memcpy(central, "PK\1\2\24", 5);
	memcpy(central + 6, head + 4, 26);
	put_le(central + 42, offset, 4);
}

static GByteArray *zip_of(const Content *contents, guint n)
{
	GByteArray *zip = g_byte_array_new();
	g_autoptr(GByteArray) directory = g_byte_array_new();
	for (guint i = 0; i < n; i++) {
		Record record;
		const guint8 *name = (const guint8 *)contents[i].name;
		guint name_len = (guint)strlen(contents[i].name);
		zip_record(&record, &contents[i], zip->len);
		g_byte_array_append(zip, record.head, sizeof record.head);
		g_byte_array_append(zip, name, name_len);
		g_byte_array_append(zip, record.packed->data, record.packed->len);
		g_byte_array_append(directory, record.central, sizeof record.central);
		g_byte_array_append(directory, name, name_len);
		g_byte_array_unref(record.packed);
	}
	guint8 end[22] = "PK\5\6";
	put_le(end + 8, n, 2);
	put_le(end + 10, n, 2);
	put_le(end + 12, directory->len, 4);
	put_le(end + 16, zip->len, 4);
	g_byte_array_append(zip, directory->data, directory->len);
	g_byte_array_append(zip, end, sizeof end);
	return zip;
}

#define BYTES(text) (const guint8 *)(text), sizeof(text) - 1

static GByteArray *old_zip(void)
{
	static const Content inner[] = {
	    {"inner/notes.txt", BYTES("to be or not to be, that is the question\n"), FALSE},
	    {"inner/Code.class", BYTES("some code that is called and called and called"), TRUE}};
	g_autoptr(GByteArray) inner_zip = zip_of(inner, G_N_ELEMENTS(inner));
	const Content outer[] = {
	    {"META-INF/MANIFEST.MF", BYTES("Manifest-Version: 1.0\r\nCreated-By: hand\r\n"), FALSE},
	    {"com/example/Main.class", BYTES("the quick brown fox jumps over the lazy dog"), TRUE},
	    {"lib/inner-1.0.jar", inner_zip->data, inner_zip->len, FALSE}};
	return zip_of(outer, G_N_ELEMENTS(outer));
}

/* An archive that lies in other bytes, as bundle/opened.c has them. */
static gboolean read_bytes(gpointer user_data, guint64 offset, guint8 *out, gsize len,
			   GError **error)
{
	(void)error; /* never fails */
	if (len > 0)
		memcpy(out, (const guint8 *)user_data + offset, len);
	return TRUE;
}

static DeltaArchive *parse_zip(const guint8 *data, guint64 size)
{
	DeltaBytes bytes = {read_bytes, (gpointer)(guintptr)data, size};
	DeltaArchive *archive = delta_archive_parse(&bytes, NULL);
	g_assert(archive);
	return archive;
}

/* A tree and the archives in it. */
typedef struct {
	GArray *entries;
	GArray *opened;
	GStringChunk *strings;
	DeltaTree tree;
} Opened;

/* Appends the parts of the archive that `entry` is. */
static void open_zip(Opened *opened, guint entry, const guint8 *zip, guint64 size)
{
	DeltaArchive *archive = parse_zip(zip, size);
	DeltaOpened one = {entry, opened->entries->len, archive->members->len, archive};
	const char *owner = g_array_index(opened->entries, DeltaEntry, entry).path;
	for (guint i = 0; i < one.count; i++) {
		const DeltaMember *member = &g_array_index(archive->members, DeltaMember, i);
		g_autofree char *path = g_strconcat(owner, "/", member->name, NULL);
		DeltaEntry part = {.path = g_string_chunk_insert(opened->strings, path),
				   .size = member->packing == DELTA_STORED
					       ? member->facts.packed_bytes
					       : member->facts.bytes,
				   .mode = 0644,
				   .type = DELTA_FILE};
		g_array_append_val(opened->entries, part);
	}
	g_array_append_val(opened->opened, one);
	for (guint i = 0; i < one.count; i++) {
		const DeltaMember *member = &g_array_index(archive->members, DeltaMember, i);
		if (member->packing == DELTA_STORED &&
		    delta_archive_sniff(zip + member->offset, (gsize)member->facts.bytes))
			open_zip(opened, one.first + i, zip + member->offset, member->facts.bytes);
	}
}

static void open_tree(Opened *opened, const DeltaEntry *entries, guint count, guint entry,
		      const GByteArray *zip)
{
	*opened = (Opened){.entries = g_array_new(FALSE, TRUE, sizeof(DeltaEntry)),
			   .opened = g_array_new(FALSE, TRUE, sizeof(DeltaOpened)),
			   .strings = g_string_chunk_new(4096)};
	g_array_append_vals(opened->entries, entries, count);
	if (zip)
		open_zip(opened, entry, zip->data, zip->len);
	opened->tree =
	    (DeltaTree){(const DeltaEntry *)(gpointer)opened->entries->data, count,
			opened->entries->len - count,
			(const DeltaOpened *)(gpointer)opened->opened->data, opened->opened->len};
}

#define ARCHIVE 3
static DeltaEntry old_entries[] = {
    {.path = "a.txt", .size = 5000, .mtime_s = 1000, .mode = 0644, .type = DELTA_FILE},
    {.path = "empty", .mtime_s = 1000, .mode = 0644, .type = DELTA_FILE},
    {.path = "lib", .mtime_s = 1000, .mode = 0755, .type = DELTA_DIR},
    {.path = "lib/app-1.0.jar", .mtime_s = 1000, .mode = 0644, .type = DELTA_FILE},
    {.path = "link", .target = "a.txt", .mtime_s = 1000, .mode = 0777, .type = DELTA_LINK},
};

/* With its archive taken apart, and as it is. */
static const DeltaTree *old_tree(gboolean apart)
{
	static Opened trees[2];
	if (!trees[0].entries) {
		GByteArray *zip = old_zip();
		old_entries[ARCHIVE].size = zip->len;
		open_tree(&trees[0], old_entries, G_N_ELEMENTS(old_entries), ARCHIVE, NULL);
		open_tree(&trees[1], old_entries, G_N_ELEMENTS(old_entries), ARCHIVE, zip);
		g_assert(trees[1].tree.n_opened == 2 && trees[1].tree.parts == 5);
		g_byte_array_unref(zip);
	}
	return &trees[apart ? 1 : 0].tree;
}

/* ---- inputs ---- */

/* The columns coded as the member is, quick rather than small: LZMA2 has chunks that are stored and
 * want no dictionary. */
static GByteArray *code_columns(const guint8 *data, gsize size)
{
	GByteArray *out = g_byte_array_new();
	static const guint8 props = 0;
	static const guint8 end = 0;
	g_byte_array_append(out, &props, 1);
	delta_varint_append(out, size);
	for (gsize at = 0; at < size; at += CHUNK_MAX) {
		gsize len = MIN(size - at, CHUNK_MAX);
		guint8 head[] = {1, (guint8)((len - 1) >> 8), (guint8)(len - 1)};
		g_byte_array_append(out, head, sizeof head);
		g_byte_array_append(out, data + at, (guint)len);
	}
	g_byte_array_append(out, &end, 1);
	return out;
}

/* TRUE if the archives that the list names are those of a tree here. */
static gboolean find_tree(const DeltaChanges *changes, const DeltaTree **ret_tree)
{
	*ret_tree = old_tree(changes->opened->len > 0);
	return changes->opened->len == 0 ||
	       (changes->opened->len == 1 && g_array_index(changes->opened, guint, 0) == ARCHIVE);
}

static void check_member(DeltaChanges *changes, const guint8 *data, gsize size)
{
	const DeltaTree *tree = NULL;
	g_autoptr(GError) error = NULL;
	g_autoptr(GByteArray) coded = NULL;
	if (size == 0 || !find_tree(changes, &tree))
		return;
	if (data[0] % 2 == 0)
		coded = code_columns(data + 1, size - 1);
	gboolean ok = coded ? delta_parts_decode(changes, coded->data, coded->len, tree, &error)
			    : delta_parts_decode(changes, data + 1, size - 1, tree, &error);
	g_assert(ok == (error == NULL));
	if (!ok)
		return;
	g_assert(!changes->pending);
	check_changes(changes, tree, MEMORY);
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
	if (size < 2)
		return 0;
	gsize list_len = MIN((gsize)(data[0] | data[1] << 8), size - 2);
	g_autofree guint8 *list = g_memdup2(data + 2, list_len);
	g_autoptr(GError) error = NULL;
	g_autoptr(DeltaChanges) changes =
	    delta_changes_parse(list, list_len, old_tree(FALSE), MEMORY, &error);
	g_assert((changes != NULL) == (error == NULL));
	if (!changes)
		return 0;
	check_changes(changes, old_tree(FALSE), MEMORY);
	if (delta_changes_wants_parts(changes))
		check_member(changes, data + 2 + list_len, size - 2 - list_len);
	return 0;
}
