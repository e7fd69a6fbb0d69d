/* SPDX-License-Identifier: ISC */
/* Plain bundles whose tar is hostile: the pitfalls of every unpacker before ours. */
#include "hostile.h"

#define ENTRIES 4
#define TFILE(name, ...)                                              \
	{                                                             \
		.type = '0', .path = name, .data = "x", ##__VA_ARGS__ \
	}
#define PAX(name, records)                                             \
	{                                                              \
		.type = '0', .path = name, .data = "x", .pax = records \
	}
#define TDIR(name, ...)                                  \
	{                                                \
		.type = '5', .path = name, ##__VA_ARGS__ \
	}
#define TLINK(name, to, ...)                                         \
	{                                                            \
		.type = '2', .path = name, .link = to, ##__VA_ARGS__ \
	}
#define HARD(name, to, ...)                                          \
	{                                                            \
		.type = '1', .path = name, .link = to, ##__VA_ARGS__ \
	}
#define OTHER(letter, name, ...)                            \
	{                                                   \
		.type = letter, .path = name, ##__VA_ARGS__ \
	}
#define LONG(letter, text)                                            \
	{                                                             \
		.type = letter, .path = "././@LongLink", .data = text \
	}
#define ROW(row, why, ...)                                            \
	{                                                             \
		.name = row, .words = why, .entries = { __VA_ARGS__ } \
	}
#define SIZE_ROW(row, why, bytes, ...)                                                \
	{                                                                             \
		.name = row, .words = why, .entries = {__VA_ARGS__}, .decoded = bytes \
	}

#define DOTS "'.' or '..'"
#define TYPE "a type or mode that no tree has"
#define XATTR "extended attributes"
#define FOLDER "is in no folder"
#define ORDER "out of order"
#define LEAVES "leaves the tree"
#define HARD_LINK "a hard link"
#define ROOM "larger than the header leaves room for"

typedef struct {
	const char *name;
	const char *words;
	TarEntry entries[ENTRIES]; /* after the header */
	guint64 decoded;           /* what the header says; 0: as it is */
} Row;

static const Row rows[] = {
    /* names */
    ROW("parent", DOTS, TFILE("../evil")),
    ROW("parent-of-folder", DOTS, TDIR("a/"), TFILE("a/../../evil")),
    ROW("parent-inside", DOTS, TDIR("a/"), TFILE("a/../evil")),
    ROW("parent-at-end", DOTS, TDIR("a/"), TDIR("a/../")),
    ROW("parent-alone", DOTS, TDIR("../")),
    ROW("absolute", "an absolute name", TFILE("/tmp/tagship-evil")),
    ROW("absolute-double", "an absolute name", TFILE("//tmp/tagship-evil")),
    ROW("empty", "an empty name", TFILE("")),
    ROW("dot", DOTS, TDIR("./")),
    ROW("dot-first", DOTS, TFILE("./evil")),
    ROW("dot-inside", DOTS, TDIR("a/"), TFILE("a/./evil")),
    ROW("double-slash", "an empty name in the path", TDIR("a/"), TFILE("a//evil")),
    ROW("trailing-slash", TYPE, TFILE("evil/")),
    ROW("folder-without-slash", TYPE, TDIR("evil")),
    ROW("folder-two-slashes", "an empty name in the path", TDIR("evil//")),
    ROW("own-name", "tagship's own", TFILE(".tagship-bundle/evil")),
    ROW("pax-parent", DOTS, PAX("fine", "path=../evil\n")),
    ROW("pax-absolute", "an absolute name", PAX("fine", "path=/tmp/evil\n")),
    ROW("gnu-long-parent", DOTS, LONG('L', "../evil"), TFILE("fine")),
    ROW("sparse-name-parent", "Line too long",
	PAX("fine", "GNU.sparse.major=1\nGNU.sparse.minor=0\nGNU.sparse.name=../evil\n"
		    "GNU.sparse.realsize=1\n")),
    ROW("no-parent", FOLDER, TFILE("a/evil")),
    ROW("file-as-parent", FOLDER, TFILE("a"), TFILE("a/evil")),
    ROW("link-as-parent", FOLDER, TDIR("a/"), TLINK("b", "a"), TFILE("b/evil")),
    ROW("twice", ORDER, TFILE("a"), TFILE("a")),
    ROW("folder-twice", ORDER, TDIR("a/"), TDIR("a/")),
    ROW("file-then-folder", ORDER, TFILE("a"), TDIR("a/")),
    ROW("folder-then-link", ORDER, TDIR("a/"), TLINK("a", "..")),
    ROW("link-then-file", ORDER, TLINK("a", "b"), TFILE("a")),
    ROW("descending", ORDER, TFILE("b"), TFILE("a")),
    /* links */
    ROW("link-absolute", "links must be relative", TLINK("a", "/etc/passwd")),
    ROW("link-up", LEAVES, TLINK("a", "..")),
    ROW("link-out", LEAVES, TLINK("a", "../../../outside/canary")),
    ROW("link-out-deep", LEAVES, TDIR("a/"), TLINK("a/b", "x/../../../y")),
    ROW("link-chain", LEAVES, TDIR("d/"), TDIR("d/e/"), TLINK("d/e/up", "../.."),
	TLINK("l", "d/e/up/../x")),
    ROW("link-loop", "a circle of links", TLINK("a", "b"), TLINK("b", "a")),
    ROW("link-self", "a circle of links", TLINK("a", "a")),
    ROW("link-nowhere", TYPE, TLINK("a", "")),
    ROW("pax-link-absolute", "links must be relative", TLINK("a", "b", .pax = "linkpath=/etc\n")),
    ROW("gnu-long-link", "links must be relative", LONG('K', "/etc"), TLINK("a", "b")),
    ROW("link-other-shared", LEAVES, TLINK("a", "../../shared/b")),
    ROW("hard-link-out", HARD_LINK, HARD("a", "/etc/passwd")),
    ROW("hard-link-up", HARD_LINK, HARD("a", "../../../outside/canary")),
    ROW("hard-link-in", HARD_LINK, TFILE("a"), HARD("b", "a")),
    ROW("hard-link-to-link", HARD_LINK, TLINK("a", "b"), HARD("c", "a")),
    ROW("hard-link-with-data", HARD_LINK, HARD("a", "/etc/passwd", .data = "x")),
    /* types and modes */
    ROW("char-device", TYPE, OTHER('3', "a")),
    ROW("block-device", TYPE, OTHER('4', "a")),
    ROW("fifo", TYPE, OTHER('6', "a")),
    ROW("multi-volume", TYPE, OTHER('M', "a", .data = "x")),
    ROW("dump-folder", TYPE, OTHER('D', "a/", .data = "x")),
    ROW("set-uid", "set-uid", TFILE("a", .mode = 04755)),
    ROW("set-gid", "set-uid", TFILE("a", .mode = 02755)),
    ROW("sticky-folder", "sticky", TDIR("a/", .mode = 01755)),
    ROW("set-gid-folder", "set-uid", TDIR("a/", .mode = 02755)),
    ROW("world-writable", TYPE, TFILE("a", .mode = 0666)),
    ROW("unreadable", TYPE, TFILE("a", .mode = 0200)),
    ROW("folder-writable", TYPE, TDIR("a/", .mode = 0777)),
    ROW("xattr-capability", XATTR, PAX("a", "SCHILY.xattr.security.capability=x\n")),
    ROW("xattr-libarchive", XATTR, PAX("a", "LIBARCHIVE.xattr.user.a=eA==\n")),
    ROW("acl", XATTR,
	PAX("a", "SCHILY.acl.access=user::rwx,group::r-x,other::---,user:root:rwx\n")),
    ROW("flags", XATTR, PAX("a", "SCHILY.fflags=immutable\n")),
    /* sizes and times */
    ROW("gnu-sparse", ROOM, OTHER('S', "a", .size = "\x80\0\0\0\0\0\1\0\0\0\0")),
    ROW("sparse-map-1tib", "a sparse file",
	PAX("a", "GNU.sparse.size=1099511627776\nGNU.sparse.numblocks=1\n"
		 "GNU.sparse.map=1099511627775,1\n")),
    ROW("pax-size-larger", ROOM, PAX("a", "size=900\n")),
    ROW("pax-size-negative", "negative", PAX("a", "size=-1\n")),
    ROW("pax-size-huge", "overflow", PAX("a", "size=9223372036854775807\n")),
    ROW("size-negative", "negative",
	TFILE("a", .size = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")),
    ROW("size-huge", "overflow", TFILE("a", .size = "\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff")),
    ROW("size-not-octal", "Damaged tar", TFILE("a", .size = "zzzzzzzzzzz")),
    ROW("time-fraction", "whole seconds", PAX("a", "mtime=1700000000.5\n")),
    ROW("time-before-all", "out of range", TFILE("a", .mtime = "\xff\x80\0\0\0\0\0\0\0\0\0")),
    SIZE_ROW("larger-than-header", ROOM, 1, OTHER('0', "a", .data = "xyz")),
    SIZE_ROW("pax-size-over-header", ROOM, 1000, PAX("a", "size=1001\n")),
    SIZE_ROW("fewer-bytes", "fewer bytes", 2, TFILE("a")),
    SIZE_ROW("no-entries", "fewer bytes", 1000, {0}),
    ROW("root", "has root", TFILE("a")),
};

static Hostile hostile;

static void on_row(gconstpointer data)
{
	const Row *row = data;
	const HostileCase which = {
	    .name = row->name, .code = TS_ERROR_CORRUPT, .words = row->words};
	g_autoptr(GByteArray) tar = g_byte_array_new();
	guint64 decoded = row->decoded;
	for (guint i = 0; i < ENTRIES && !row->decoded; i++)
		decoded += row->entries[i].type == '0' ? strlen(row->entries[i].data) : 0;
	g_autofree char *header = g_strdup_printf(
	    HOSTILE_HEADER("1", "plain", "%" G_GUINT64_FORMAT, "20000000"), decoded);
	tar_file(tar, ".tagship-bundle", header);
	for (guint i = 0; i < ENTRIES && row->entries[i].type; i++)
		tar_add(tar, &row->entries[i]);
	tar_end(tar);
	g_autoptr(GByteArray) file = xz_pack(tar);
	hostile_refused(&hostile, &which, file);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	hostile_init(&hostile);
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *path = g_strconcat("/hostile/tar/", rows[i].name, NULL);
		g_test_add_data_func(path, &rows[i], on_row);
	}
	int status = g_test_run();
	hostile_clear(&hostile);
	return status;
}
