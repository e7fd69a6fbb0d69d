/* SPDX-License-Identifier: ISC */
#include <stdarg.h>

#include "board/page.h"

struct BoardPage {
	GString *out;
	const char *root;
	const BoardText *heads; /* of the open table */
	guint columns, column;
};

/* ---- text ---- */

static void add_escaped(GString *out, const char *text)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	for (guint i = 0; lines[i]; i++) {
		g_autofree char *shown = util_text_printable(lines[i], -1);
		g_autofree char *escaped = g_markup_escape_text(shown, -1);
		if (i > 0)
			g_string_append_c(out, '\n');
		g_string_append(out, escaped);
	}
}

void board_text(BoardPage *page, const char *text)
{
	if (text)
		add_escaped(page->out, text);
}

void board_textf(BoardPage *page, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	g_autofree char *text = g_strdup_vprintf(format, args);
	va_end(args);
	board_text(page, text);
}

void board_word(BoardPage *page, BoardText text)
{
	board_text(page, board_text_of(text));
}

/* ---- elements ---- */

void board_open_with(BoardPage *page, const char *element, ...)
{
	va_list args;
	g_string_append_printf(page->out, "<%s", element);
	va_start(args, element);
	for (const char *name = NULL; (name = va_arg(args, const char *));) {
		const char *value = va_arg(args, const char *);
		if (!value)
			continue;
		g_string_append_printf(page->out, " %s=\"", name);
		add_escaped(page->out, value);
		g_string_append_c(page->out, '"');
	}
	va_end(args);
	g_string_append_c(page->out, '>');
}

void board_open(BoardPage *page, const char *element, const char *class)
{
	board_open_with(page, element, "class", class, NULL);
}

void board_close(BoardPage *page, const char *element)
{
	static const char *const inlines[] = {"a",    "span", "time", "th", "td",
					      "text", "rect", "pre",  NULL};
	g_string_append_printf(page->out, "</%s>%s", element,
			       g_strv_contains(inlines, element) ? "" : "\n");
}

void board_element(BoardPage *page, const char *element, const char *class, const char *text)
{
	board_open(page, element, class);
	board_text(page, text);
	board_close(page, element);
}

void board_heading(BoardPage *page, BoardText text)
{
	board_element(page, "h2", NULL, board_text_of(text));
}

void board_link(BoardPage *page, const char *file, const char *text)
{
	g_autofree char *href = g_strconcat(page->root, file, NULL);
	board_open_with(page, "a", "href", href, NULL);
	board_text(page, text);
	board_close(page, "a");
}

void board_state(BoardPage *page, const char *state)
{
	if (!state || !*state)
		return;
	g_autofree char *class = g_strconcat("state s-", state, NULL);
	board_element(page, "span", class, state);
}

char *board_minute(gint64 utc)
{
	g_autofree char *moment = util_time_format_utc(utc);
	return g_strdup_printf("%.10s %.5sZ", moment, moment + strlen("2026-12-01T"));
}

void board_time(BoardPage *page, gint64 utc, const char *shown)
{
	if (utc == 0)
		return;
	g_autofree char *moment = util_time_format_utc(utc);
	g_autofree char *minute = board_minute(utc);
	board_open_with(page, "time", "datetime", moment, NULL);
	board_text(page, shown ? shown : minute);
	board_close(page, "time");
}

/* ---- tables ---- */

void board_table_begin(BoardPage *page, const char *id, const char *caption, const BoardText *heads,
		       guint count)
{
	page->heads = heads;
	page->columns = count;
	board_open(page, "div", "wide");
	board_open_with(page, "table", "id", id, NULL);
	board_element(page, "caption", NULL, caption);
	board_open(page, "thead", NULL);
	board_open(page, "tr", NULL);
	for (guint i = 0; i < count; i++) {
		board_open_with(page, "th", "scope", "col", NULL);
		board_word(page, heads[i]);
		board_close(page, "th");
	}
	board_close(page, "tr");
	board_close(page, "thead");
	board_open(page, "tbody", NULL);
}

void board_row_begin(BoardPage *page, const char *class)
{
	page->column = 0;
	board_open(page, "tr", class);
}

static const char *cell_element(const BoardPage *page)
{
	return page->column == 0 ? "th" : "td";
}

void board_cell_begin(BoardPage *page)
{
	g_assert(page->column < page->columns);
	board_open_with(page, cell_element(page), "scope", page->column == 0 ? "row" : NULL,
			"data-head", board_text_of(page->heads[page->column]), NULL);
}

void board_cell_end(BoardPage *page)
{
	board_close(page, cell_element(page));
	page->column++;
}

void board_cell(BoardPage *page, const char *text)
{
	board_cell_begin(page);
	board_text(page, text);
	board_cell_end(page);
}

void board_row_end(BoardPage *page)
{
	g_assert(page->column == page->columns);
	board_close(page, "tr");
}

void board_table_end(BoardPage *page)
{
	board_close(page, "tbody");
	board_close(page, "table");
	board_close(page, "div");
}

/* ---- the page ---- */

static void add_file(BoardPage *page, const char *element, const char *attribute, const char *file)
{
	g_autofree char *path = g_strconcat(page->root, file, NULL);
	gboolean style = strcmp(element, "link") == 0;
	board_open_with(page, element, "rel", style ? "stylesheet" : NULL, "defer",
			style ? NULL : "", attribute, path, NULL);
	if (!style)
		board_close(page, element);
}

static void add_head(BoardPage *page, const char *title)
{
	g_string_append(page->out, "<!DOCTYPE html>\n");
	board_open_with(page, "html", "lang", "en", NULL);
	board_open(page, "head", NULL);
	g_string_append(page->out, "<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
				   "content=\"width=device-width, initial-scale=1\">\n"
				   "<meta name=\"color-scheme\" content=\"light dark\">\n"
				   "<link rel=\"icon\" href=\"data:,\">\n");
	board_open(page, "title", NULL);
	board_textf(page, "%s · %s", title, board_text_of(T_SITE));
	board_close(page, "title");
	add_file(page, "link", "href", "board.css");
	add_file(page, "script", "src", "board.js");
	add_file(page, "script", "src", "as-of.js");
	board_close(page, "head");
}

static void add_nav(BoardPage *page, BoardPlace place)
{
	static const struct {
		BoardPlace place;
		BoardText text;
		const char *file;
	} places[] = {{BOARD_FLEET, T_FLEET, "index.html"},
		      {BOARD_CALENDAR, T_CALENDAR, "calendar.html"}};
	board_open_with(page, "nav", "aria-label", board_text_of(T_SITE), NULL);
	for (guint i = 0; i < G_N_ELEMENTS(places); i++) {
		g_autofree char *href = g_strconcat(page->root, places[i].file, NULL);
		board_open_with(page, "a", "href", href, "aria-current",
				places[i].place == place ? "page" : NULL, NULL);
		board_word(page, places[i].text);
		board_close(page, "a");
	}
	board_close(page, "nav");
}

static void add_as_of(BoardPage *page, gint64 now_utc)
{
	board_open_with(page, "p", "id", "as-of", "hidden", now_utc == 0 ? "" : NULL, "data-stale",
			board_text_of(T_STALE), NULL);
	board_textf(page, "%s ", board_text_of(T_AS_OF));
	if (now_utc == 0) /* board.js fills it */
		board_element(page, "time", NULL, NULL);
	board_time(page, now_utc, NULL);
	board_close(page, "p");
}

BoardPage *board_page_new(const char *root, BoardPlace place, const char *title, gint64 now_utc)
{
	BoardPage *page = g_new0(BoardPage, 1);
	page->out = g_string_new(NULL);
	page->root = root;
	add_head(page, title);
	board_open(page, "body", NULL);
	board_open_with(page, "a", "href", "#main", "class", "skip", NULL);
	board_word(page, T_SKIP);
	board_close(page, "a");
	board_open(page, "header", NULL);
	add_nav(page, place);
	add_as_of(page, now_utc);
	board_close(page, "header");
	board_open_with(page, "main", "id", "main", "tabindex", "-1", NULL);
	board_element(page, "h1", NULL, title);
	return page;
}

char *board_page_end(BoardPage *page)
{
	board_close(page, "main");
	board_close(page, "body");
	board_close(page, "html");
	return g_string_free(g_steal_pointer(&page->out), FALSE);
}

void board_page_free(BoardPage *page)
{
	if (!page)
		return;
	if (page->out)
		g_string_free(page->out, TRUE);
	g_free(page);
}
