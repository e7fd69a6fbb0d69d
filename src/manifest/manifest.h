/* SPDX-License-Identifier: ISC */
/*
 * The canonical list of a built tree, and its root. Pure.
 *
 * Format 1, all lines end with a newline, entries in byte order of path:
 *
 *   tagship-manifest 1
 *   d 0755 MTIME PATH
 *   f 0644|0755 SIZE MTIME SHA256 PATH
 *   l MTIME PATH TARGET
 *
 * Numbers in decimal without leading zeros (an MTIME before 1970 with '-'); bytes of PATH and
 * TARGET below 0x21, 0x7f and '%' are written %XX (upper case hex), all others as they are. Every
 * parent folder is listed. The root is the SHA-256 of exactly this text, in lower-case hex: there
 * is one text for one tree, and the parser refuses any other spelling.
 */
#pragma once

#include "util/util.h"

#define MANIFEST_ENTRIES_MAX 2000000
#define MANIFEST_PATH_MAX 4000
/* What today's file systems can hold (ext4: to the year 2446). */
#define MANIFEST_MTIME_MIN (-G_GINT64_CONSTANT(2147483648))
#define MANIFEST_MTIME_MAX G_GINT64_CONSTANT(15032385535)
/* Of one file, and of all files together. */
#define MANIFEST_SIZE_MAX (G_GUINT64_CONSTANT(1) << 50)

typedef enum { MANIFEST_DIR = 'd', MANIFEST_FILE = 'f', MANIFEST_LINK = 'l' } ManifestType;

typedef struct {
	char *path;
	char *target; /* links, else NULL */
	guint64 size; /* files */
	gint64 mtime_s;
	ManifestType type;
	guint16 mode;                     /* files 0644 or 0755; folders 0755; links 0777 */
	guint8 sha256[UTIL_SHA256_BYTES]; /* files */
} ManifestEntry;

typedef struct Manifest Manifest;

Manifest *manifest_new(void);
void manifest_free(Manifest *manifest);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Manifest, manifest_free)

/* Takes a copy. Order does not matter until manifest_seal(). */
void manifest_add(Manifest *manifest, const ManifestEntry *entry);
/* Sorts and checks: paths good, no duplicates, every parent a listed folder, links that stay in the
 * tree even when followed through one another. REFUSED with the name otherwise. After it the
 * manifest is immutable but for manifest_assign_mtimes and manifest_set_sha256. */
gboolean manifest_seal(Manifest *manifest, GError **error);
/* For a reader that knows all but the content before it unpacks: the hash of a file, once known. */
void manifest_set_sha256(Manifest *manifest, guint index, const guint8 sha256[UTIL_SHA256_BYTES]);

/* CORRUPT, with the line, for anything that manifest_format would not have written. */
Manifest *manifest_parse(const char *text, gsize len, GError **error);
GBytes *manifest_format(const Manifest *manifest);
void manifest_root(const Manifest *manifest, char ret_root[UTIL_SHA256_HEX]);

guint manifest_count(const Manifest *manifest);
const ManifestEntry *manifest_entry(const Manifest *manifest, guint index);
/* By path, or NULL. */
const ManifestEntry *manifest_find(const Manifest *manifest, const char *path);
/* The same as a number for manifest_entry. */
gboolean manifest_index(const Manifest *manifest, const char *path, guint *ret_index);
guint manifest_files(const Manifest *manifest);
guint64 manifest_bytes(const Manifest *manifest);

/* Relative, no empty, "." or ".." component, no NUL, at most MANIFEST_PATH_MAX bytes, components at
 * most 255; not ".tagship-bundle" at the top (the header of plain bundles). */
gboolean manifest_path_check(const char *path, GError **error);
/* A link may point only to something inside the tree: relative, never above the top. The one
 * exception is manifest_is_shared_link. */
gboolean manifest_link_check(const char *path, const char *target, GError **error);
/* ---- what a base keeps from version to version ----
 *
 * A tree stands in a folder of a folder of the app's folder (APP/releases/TREE,
 * APP/pre-release/TREE). A link at PATH to SHARED_FOLDER/PATH of the app's folder is good in any
 * tree, and is the only link that may leave it; other links must not lead through it. */
#define MANIFEST_SHARED_FOLDER "shared"
/* The only target it may have: "../../shared/uploads" for "uploads"; caller frees. */
char *manifest_shared_target(const char *path);
gboolean manifest_is_shared_link(const ManifestEntry *entry);
/* A sealed copy with such a link at each of the paths, whose folders are made where missing. An
 * empty folder there is replaced. REFUSED, by name and with what to do, if the tree has anything
 * else there. */
Manifest *manifest_with_shared(const Manifest *manifest, const char *const *paths, GError **error);

/* Same type, mode, content, target; mtime is not looked at. */
gboolean manifest_entry_same(const ManifestEntry *a, const ManifestEntry *b);

/* Design section 4: an unchanged entry keeps its mtime of `old` (may be NULL); any other gets
 * max(tag time, the old one's + 1). */
void manifest_assign_mtimes(Manifest *manifest, const Manifest *old, gint64 tag_utc);

/* %XX quoting as above; caller frees. */
char *manifest_quote(const char *path);
/* NULL if not canonical. */
char *manifest_unquote(const char *text, gsize len);
