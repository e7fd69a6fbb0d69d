/* SPDX-License-Identifier: ISC */
/* Reading a change list: shared by parse.c and parse-plan.c only. */
#pragma once

#include "delta/delta-private.h"

/* What is being read. */
typedef struct DeltaPending {
	GByteArray *list;
	DeltaChanges *changes;
	const DeltaTree *old_tree;
	DeltaReader columns[COLUMNS];
	GArray *changed; /* DeltaItem: entries of paths that were there, ascending */
	GArray *added;   /* DeltaItem, ascending */
	/* guint: per new content, its place in `changed`, or in `added` after all of those; later
	 * its item */
	GArray *numbers;
	GString *previous; /* path of the last added entry */
	guint expected_basis;
	guint8 from_end;
	guint together;  /* items that are put together */
	guint *whole_in; /* per old entry: number of the last segment that has it whole */
	guint segment_number;
	guint64 max_bytes;
} DeltaParser;

/* Sets the error; always FALSE. */
gboolean delta_parser_corrupt(GError **error, const char *what);
/* Counts memory; FALSE when that is more than the caller allows. */
gboolean delta_parser_charge(DeltaParser *parser, guint64 bytes);
gboolean delta_parser_empty(const DeltaParser *parser, DeltaColumn column);

/* A size as a step from that of `before` (or NULL). */
gboolean delta_parser_size(DeltaReader *sizes, const DeltaEntry *before, guint64 *ret_size);
/* Counts content; FALSE when it is too much. */
gboolean delta_parser_travels(DeltaParser *parser, guint64 size);

/* What comes once all items are known; frees the parser. */
gboolean delta_parser_finish(DeltaParser *parser, GError **error);
/* Order, segments and references. */
gboolean delta_parser_plan(DeltaParser *parser, GError **error);
