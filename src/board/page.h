/* SPDX-License-Identifier: ISC */
/*
 * One page of the board: HTML that is built from the outside in. Text is always escaped, and shown
 * as util_text_printable does: no foreign text is ever markup, or hides what it is. Only names of
 * elements and classes, which are ours, are taken as they are.
 *
 *   g_autoptr(BoardPage) page = board_page_new("../", BOARD_FLEET, "Fleet", 0);
 *   board_open(page, "p", NULL); board_text(page, message); board_close(page, "p");
 *   char *html = board_page_end(page);
 */
#pragma once

#include "board/text.h"
#include "util/util.h"

typedef enum { BOARD_FLEET, BOARD_CALENDAR, BOARD_NOWHERE } BoardPlace;

typedef struct BoardPage BoardPage;
/* root: the way from the page to the board's folder, "", "../" or "../../". place: where the reader
 * is among what the head of each page leads to. now_utc: when it was made, for a page that is made
 * anew each time; 0: only as-of.js says that. */
BoardPage *board_page_new(const char *root, BoardPlace place, const char *title, gint64 now_utc);
/* The whole page; caller frees. */
char *board_page_end(BoardPage *page);
void board_page_free(BoardPage *page);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BoardPage, board_page_free)

/* <element class="class">; class may be NULL. */
void board_open(BoardPage *page, const char *element, const char *class);
/* The same, with further attributes: name, value, ..., NULL. A NULL value leaves its name out. */
void board_open_with(BoardPage *page, const char *element, ...) G_GNUC_NULL_TERMINATED;
void board_close(BoardPage *page, const char *element);
/* NULL: nothing. Newlines stay. */
void board_text(BoardPage *page, const char *text);
void board_textf(BoardPage *page, const char *format, ...) G_GNUC_PRINTF(2, 3);
void board_word(BoardPage *page, BoardText text);
/* One element with text alone. */
void board_element(BoardPage *page, const char *element, const char *class, const char *text);
void board_heading(BoardPage *page, BoardText text);
/* file: within the board's folder. */
void board_link(BoardPage *page, const char *file, const char *text);

/* "live" and the like: a word, a colour and a sign of its own. NULL: nothing. */
void board_state(BoardPage *page, const char *state);
/* "2026-12-01 02:00Z"; caller frees. */
char *board_minute(gint64 utc);
/* <time>: the moment, and what people read of it (NULL: its minute in UTC). 0: nothing. */
void board_time(BoardPage *page, gint64 utc, const char *shown);

/* ---- tables ---- */

/* heads: BoardText of each column. */
void board_table_begin(BoardPage *page, const char *id, const char *caption, const BoardText *heads,
		       guint count);
void board_row_begin(BoardPage *page, const char *class);
/* The next cell of the row; the first one heads it. Phones show the column's head beside it. */
void board_cell_begin(BoardPage *page);
void board_cell_end(BoardPage *page);
void board_cell(BoardPage *page, const char *text);
void board_row_end(BoardPage *page);
void board_table_end(BoardPage *page);
