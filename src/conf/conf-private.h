/* SPDX-License-Identifier: ISC */
/*
 * Inside of the conf room. Each file has one table of keys; one loader fills a struct by it, one
 * writer makes a file's text from it.
 *
 *   text ─ conf_scan_text ─► libconfig ─ conf_table_parse ─► struct ─ conf_table_format ─► text
 *
 * conf_scan_text goes first: it refuses what libconfig 1.5 would silently get wrong (see there).
 * A struct that a loader began to fill and then refused is freed by conf_table_clear.
 */
#pragma once

#include "conf/conf.h"

#define CONF_FILE_MAX ((gsize)256 * 1024)
#define CONF_TREE_MAX ((gsize)64 * 1024)
#define CONF_TEXT_MAX ((gsize)16 * 1024) /* one string */
#define CONF_LIST_MAX 1000               /* elements of a list */

typedef enum {
	CONF_INT,     /* gint64, min to max */
	CONF_BOOL,    /* gboolean */
	CONF_TEXT,    /* char * */
	CONF_LIST,    /* char **, each element checked */
	CONF_COMMAND, /* char **, an argument vector */
	CONF_GROUPS   /* GPtrArray * of structs by `sub` */
} ConfKind;

/* USAGE with what is wrong with the value and what to write instead, without file or key. */
typedef gboolean (*ConfCheck)(const char *value, GError **error);

typedef gboolean (*ConfListCheck)(const char *const *values, GError **error);

typedef struct ConfTable ConfTable;

typedef struct {
	const char *name;
	const char *help; /* one line, written above the key */
	ConfKind kind;
	gsize offset;
	gint64 min, max, fallback;  /* CONF_INT; fallback also CONF_BOOL */
	const char *fallback_text;  /* CONF_TEXT; NULL leaves NULL */
	gboolean required;          /* must be in the file */
	ConfCheck check;            /* CONF_TEXT and elements of CONF_LIST; may be NULL */
	const char *const *choices; /* the only values allowed; may be NULL */
	gboolean unique;            /* no element of a CONF_LIST twice */
	ConfListCheck check_list;   /* the whole of CONF_LIST, CONF_COMMAND; may be NULL */
	const ConfTable *sub;       /* CONF_GROUPS */
} ConfKey;

struct ConfTable {
	const ConfKey *keys;
	guint n_keys;
	gsize size;          /* of the struct */
	GDestroyNotify free; /* of one struct in a CONF_GROUPS array */
};

/* Refuses, with "FILE:LINE: …": NUL bytes, bytes that are not UTF-8, @include, numbers that
 * libconfig would wrap, strings and comments without an end (libconfig takes the latter), deep
 * nesting. */
gboolean conf_scan_text(const char *file, const char *text, gsize len, GError **error);

/* Fills a struct of zeros with every key's fallback. */
void conf_table_defaults(const ConfTable *table, gpointer object);
/* Fills by the text (`file` only names it in errors); keys not given keep what is in `object`. */
gboolean conf_table_parse(const ConfTable *table, const char *file, const char *text, gsize len,
			  gpointer object, GError **error);
/* Frees what the struct's keys hold, not the struct. */
void conf_table_clear(const ConfTable *table, gpointer object);
/* All keys (but CONF_GROUPS) with their help; `live` NULL: all set. Else only keys named in it are
 * set, the others stand as comments. Each line begins with `indent`. */
void conf_table_format(const ConfTable *table, gconstpointer object, const char *const *live,
		       const char *indent, GString *text);

/* Reads FILE beneath dirfd and fills by it; a missing file is NOT_FOUND. */
gboolean conf_table_load(const ConfTable *table, int dirfd, const char *file, gpointer object,
			 GError **error);

/* STATE/FOLDER/NAME.cfg: a file per name. */
char *conf_entry_file(const char *folder, const char *what, const char *name, GError **error);
char **conf_entry_names(int state_dirfd, const char *folder, const char *what, GError **error);
gboolean conf_entry_remove(int state_dirfd, const char *folder, const char *what, const char *name,
			   GError **error);

/* The keys of notices, the same on both sides; whom: who may be silent. AT as in its file. */
#define CONF_NOTIFY_KEYS(whom)                                                                     \
	{.name = "notify",                                                                         \
	 .help = "Program and arguments that get a JSON object on standard input for each event",  \
	 .kind = CONF_COMMAND,                                                                     \
	 .offset = AT(notify),                                                                     \
	 .check_list = conf_check_command},                                                        \
	    {.name = "notify_events",                                                              \
	     .help = "Only these events, e.g. [\"failed\", \"rolled-back\", \"down\"]; none: all", \
	     .kind = CONF_LIST,                                                                    \
	     .offset = AT(notify_events),                                                          \
	     .check = conf_check_name,                                                             \
	     .unique = TRUE},                                                                      \
	{                                                                                          \
		.name = "silent",                                                                  \
		.help = "Seconds after which " whom " that is not heard is told of",               \
		.kind = CONF_INT, .offset = AT(silent_s), .min = 60, .max = 31536000,              \
		.fallback = 86400                                                                  \
	}

/* Checks of values (check.c). */
gboolean conf_check_name(const char *value, GError **error);
gboolean conf_check_not_empty(const char *value, GError **error);
/* Absolute, no control characters, not "/". */
gboolean conf_check_path(const char *value, GError **error);
/* Relative, stays inside, in its shortest spelling. */
gboolean conf_check_inside(const char *value, GError **error);
/* The same, or ".". */
gboolean conf_check_output(const char *value, GError **error);
gboolean conf_check_key(const char *value, GError **error);
/* ssh://[user@]host[:port][/path]. */
gboolean conf_check_ssh_url(const char *value, GError **error);
/* Empty or the above. */
gboolean conf_check_serve_url(const char *value, GError **error);
gboolean conf_check_board(const char *value, GError **error);
/* An ssh URL or an absolute path. */
gboolean conf_check_upstream(const char *value, GError **error);
/* "0", or a number with s, m, h or d, at most 31 days. */
gboolean conf_check_duration(const char *value, GError **error);
gint64 conf_duration_s(const char *value);
gboolean conf_check_command(const char *const *argv, GError **error);
/* "02:00-06:00" (hours.c). */
gboolean conf_check_hours(const char *value, GError **error);
/* "08:00-18:00 300". */
gboolean conf_check_rate_hours(const char *value, GError **error);
/* One beneath another of the list is refused. */
gboolean conf_check_apart(const char *const *paths, GError **error);
