/* SPDX-License-Identifier: ISC */
/*
 * Pairs of trees made from a seed: an old tree, and a new one that grew out of it.
 *
 *   old_tree = tree_new(rand, shape); new_tree = tree_evolve(old_tree, rand)
 *   tree_write(tree, dirfd); … bundle …; tree_compare(tree, dirfd, &error)
 *
 * A tree is held in memory as what it is meant to be, so that comparing needs nothing of tagship.
 * The same seed gives the same trees on any machine that has the same zlib.
 */
#pragma once

#include "bundle/bundle.h"

/* ---- contents: immutable, shared between trees ---- */

typedef enum { CONTENT_RAW, CONTENT_ZIP, CONTENT_GZIP, CONTENT_TAR } ContentKind;

/* What an archive does beside holding its members. */
typedef enum {
	STYLE_PREFIX = 1,       /* zip: a program stands before it */
	STYLE_COMMENT = 2,      /* zip */
	STYLE_ZIP64_END = 4,    /* zip: the end of the directory in its long form */
	STYLE_SHUFFLED = 8,     /* zip: the directory in another order than the members */
	STYLE_JUNK = 16,        /* bytes after the end */
	STYLE_NAME = 32,        /* gzip: with a file name, comment and extra field */
	STYLE_CRC16 = 64,       /* gzip */
	STYLE_NO_END = 128,     /* tar: without its end blocks */
	STYLE_BLOCKED = 256,    /* tar: filled up to 10 KiB */
	STYLE_PAX = 512,        /* tar: pax headers, else GNU's for long names */
	STYLE_GAPS = 1024,      /* zip: unexplained bytes between members */
	STYLE_WINDOWS_OS = 2048 /* gzip: says so */
} Style;

typedef struct Content {
	ContentKind kind;
	guint style;
	guint32 noise;      /* seed of what has no meaning: gaps, comments, extra fields */
	guint32 damage;     /* 0: none; else seed of where the archive is cut or flipped */
	GPtrArray *members; /* Member; archives only */
	GByteArray *bytes;  /* what the file holds */
} Content;

/* How a member stands in its zip or gzip. */
typedef enum {
	PACK_ENCRYPTED = 1,
	PACK_UTF8 = 2,
	PACK_DESCRIPTOR = 4, /* sizes behind the bytes; zeros in the header */
	PACK_SIGNATURE = 8,  /* and the descriptor has its signature */
	PACK_ZIP64 = 16,     /* sizes in a zip64 extra field */
	PACK_WRONG_CRC = 32,
	PACK_ABSENT = 64, /* not in the directory */
	PACK_FLUSHED = 128,
	PACK_EXTRA = 256,
	PACK_COMMENT = 512,
	PACK_UNIX = 1024 /* attributes as on Unix */
} PackFlags;

#define METHOD_STORED 0
#define METHOD_DEFLATED 8

typedef struct {
	guint method; /* any: what zlib cannot do is written as noise */
	int level, memory_level, window, strategy;
	guint flags;
	guint32 time; /* DOS or Unix */
} Packing;

typedef struct {
	char *name;
	Content *content;
	Packing packing;
} Member;

Content *content_ref(Content *content);
void content_unref(Content *content);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Content, content_unref)
/* Takes the bytes. */
Content *content_from_bytes(GByteArray *bytes);
/* Text, programs, noise, repetition; at most 2^max_log2 bytes. */
Content *content_new_raw(GRand *rand, guint max_log2);
/* So many bytes, of some pattern that is quickly coded. */
Content *content_new_large(GRand *rand, guint bytes);
/* One to a few edits at random places; archives are edited within, mostly. */
Content *content_edit(const Content *content, GRand *rand);
/* Every `from` in raw bytes replaced by `to`, of the same length; itself if there is none. */
Content *content_replace(Content *content, const char *from, const char *to);

/* Archives in archives down to `depth`. */
Content *archive_new(GRand *rand, guint depth);
Content *archive_edit(const Content *content, GRand *rand);
Member *member_new(const char *name, Content *content, const Packing *packing);

/* What an archive's bytes are, by its members and style. */
void zip_format(const Content *archive, GByteArray *out);
void gzip_format(const Content *archive, GByteArray *out);
void tar_format(const Content *archive, GByteArray *out);
/* A raw deflate stream. */
GByteArray *pack_deflate(const GByteArray *bytes, const Packing *packing);

static inline guint pick(GRand *rand, guint n) /* 0 … n - 1 */
{
	return n > 1 ? (guint)g_rand_int_range(rand, 0, (gint32)n) : 0;
}
static inline gboolean one_in(GRand *rand, guint n)
{
	return pick(rand, n) == 0;
}
void append_noise(GByteArray *out, GRand *rand, guint len);

/* ---- trees ---- */

typedef struct {
	char *path;
	ManifestType type;
	mode_t mode; /* as written; tagship makes 0644 or 0755 of it */
	gint64 mtime_s;
	guint32 mtime_ns; /* as written; tagship cuts it */
	char *target;     /* links */
	Content *content; /* files */
} Node;

typedef struct {
	GPtrArray *nodes; /* Node, in no order */
	GHashTable *by_path;
} Tree;

typedef enum {
	SHAPE_SMALL,
	SHAPE_ARCHIVES,
	SHAPE_NAMES, /* every legal byte, long names, deep folders */
	SHAPE_MANY,
	SHAPE_MEDIUM, /* some files of some MiB */
	SHAPE_LARGE,  /* one file of up to 300 MiB */
	SHAPES
} Shape;

/* No file larger than `largest`. */
Tree *tree_new(GRand *rand, Shape shape, guint largest);
Tree *tree_evolve(const Tree *old_tree, GRand *rand, Shape shape, guint largest);
Tree *tree_copy(const Tree *tree);
void tree_free(Tree *tree);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Tree, tree_free)
const Node *tree_find(const Tree *tree, const char *path);
guint64 tree_bytes(const Tree *tree);
/* FALSE if there is no room for it: the name is taken, or a parent is no folder. Parents that are
 * missing are made. */
gboolean tree_put(Tree *tree, GRand *rand, const Node *node);
/* Something new somewhere, if there is room. */
void tree_put_new(Tree *tree, GRand *rand, Shape shape, guint largest);
/* With everything beneath. */
void tree_remove(Tree *tree, const char *path);
void tree_sort(Tree *tree);
/* No link may lead through another one to where tagship refuses it. */
void tree_settle_links(Tree *tree);
/* A name for something new; caller frees. */
char *tree_new_path(const Tree *tree, GRand *rand, Shape shape, const char *extension);
/* A target for a link with this path; caller frees. */
char *tree_new_target(const Tree *tree, GRand *rand, const char *path);
/* Sets mode and mtime. */
void node_set_facts(Node *node, GRand *rand);

/* Into an empty folder. */
gboolean tree_write(Tree *tree, int dirfd, GError **error);
/* Everything in the folder is exactly as tagship is to write it, and nothing more is there. */
gboolean tree_compare(const Tree *tree, int dirfd, GError **error);
/* The same, but modes and times as tree_write wrote them. */
gboolean tree_compare_written(const Tree *tree, int dirfd, GError **error);

/* ---- pairs ---- */

/* What one process has done; in memory that its parent sees. */
typedef struct {
	guint32 seed; /* at work on */
	guint pairs, refused, applied, damaged;
	guint put_together; /* bundles whose reader packs archives again */
	guint shapes[SHAPES];
	guint64 tree_bytes, bundle_bytes, largest_file;
	char folder[128]; /* where its trees are */
} Progress;

typedef struct {
	guint largest;    /* bytes of any file */
	gboolean verbose; /* a line per pair */
	gboolean keep;    /* the trees and the bundle */
} PairOptions;

/* Everything with one seed, beneath the folder, which is empty before, and after if all was well.
 */
gboolean pair_run(int dirfd, guint32 seed, const PairOptions *options, Progress *progress,
		  GError **error);
