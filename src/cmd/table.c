/* SPDX-License-Identifier: ISC */
#include <sys/ioctl.h>
#include <unistd.h>

#include "cmd/cmd.h"

#define GAP 2      /* between columns */
#define CELL_MIN 8 /* no column is cut to less */

struct CmdTable {
	guint columns;
	GPtrArray *cells; /* char *, row by row, heads first */
};

CmdTable *cmd_table_new(const char *const *heads)
{
	CmdTable *table = g_new0(CmdTable, 1);
	table->cells = g_ptr_array_new_with_free_func(g_free);
	for (; heads[table->columns]; table->columns++)
		g_ptr_array_add(table->cells, g_strdup(heads[table->columns]));
	return table;
}

void cmd_table_free(CmdTable *table)
{
	if (!table)
		return;
	g_ptr_array_unref(table->cells);
	g_free(table);
}

void cmd_table_row(CmdTable *table, ...)
{
	va_list args;
	va_start(args, table);
	const char *cell = NULL;
	guint n = 0;
	while (n < table->columns && (cell = va_arg(args, const char *))) {
		g_ptr_array_add(table->cells, util_text_printable(cell, -1));
		n++;
	}
	va_end(args);
	for (; n < table->columns; n++)
		g_ptr_array_add(table->cells, g_strdup(""));
}

gboolean cmd_colours(void)
{
	const char *term = g_getenv("TERM");
	return isatty(STDOUT_FILENO) && !g_getenv("NO_COLOR") && term && strcmp(term, "dumb") != 0;
}

gboolean cmd_terminal_size(guint *ret_rows, guint *ret_columns)
{
	struct winsize size = {0};
	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 ||
	    size.ws_row == 0 || size.ws_col == 0)
		return FALSE;
	*ret_rows = size.ws_row;
	*ret_columns = size.ws_col;
	return TRUE;
}

/* By the first word of the cell. */
static const char *colour_of(const char *cell)
{
	static const struct {
		const char *word, *colour;
	} colours[] = {
	    {"live", "\033[32m"},         {"staged", "\033[36m"},    {"ordered", "\033[34m"},
	    {"fetching", "\033[34m"},     {"building", "\033[34m"},  {"bundling", "\033[34m"},
	    {"rolled-back", "\033[31m"},  {"down", "\033[1;31m"},    {"failed", "\033[31m"},
	    {"build-failed", "\033[31m"}, {"overdue", "\033[31m"},   {"refused", "\033[31m"},
	    {"missed", "\033[33m"},       {"late", "\033[33m"},      {"held", "\033[33m"},
	    {"cancel-asked", "\033[33m"}, {"activating", "\033[35m"}};
	gsize len = strspn(cell, "abcdefghijklmnopqrstuvwxyz-");
	for (guint i = 0; i < G_N_ELEMENTS(colours); i++)
		if (strlen(colours[i].word) == len && strncmp(colours[i].word, cell, len) == 0)
			return colours[i].colour;
	return NULL;
}

static gsize width_of(const char *cell)
{
	return (gsize)g_utf8_strlen(cell, -1);
}

static void add_cell(GString *text, const char *cell, gsize width, gboolean colours, gboolean last)
{
	const char *colour = colours ? colour_of(cell) : NULL;
	gsize len = width_of(cell);
	g_autofree char *cut = len > width ? g_utf8_substring(cell, 0, (glong)width - 1) : NULL;
	g_string_append_printf(text, "%s%s%s%s", colour ? colour : "", cut ? cut : cell,
			       cut ? "…" : "", colour ? "\033[0m" : "");
	if (!last)
		g_string_append_printf(text, "%*s", (int)(width - MIN(len, width) + GAP), "");
}

/* The widest column is cut until a row fits, or nothing is left to cut. */
static void fit(gsize *widths, guint columns, gsize room)
{
	gsize all = GAP * (columns - 1);
	for (guint c = 0; c < columns; c++)
		all += widths[c];
	while (all > room) {
		guint widest = 0;
		for (guint c = 1; c < columns; c++)
			if (widths[c] > widths[widest])
				widest = c;
		if (widths[widest] <= CELL_MIN)
			return;
		widths[widest]--;
		all--;
	}
}

void cmd_table_format(const CmdTable *table, GString *text)
{
	gboolean colours = cmd_colours();
	guint rows = table->cells->len / table->columns;
	guint height = 0, room = 0;
	g_autofree gsize *widths = g_new0(gsize, table->columns);
	for (guint i = 0; i < table->cells->len; i++) {
		gsize width = width_of(g_ptr_array_index(table->cells, i));
		widths[i % table->columns] = MAX(widths[i % table->columns], width);
	}
	if (cmd_terminal_size(&height, &room))
		fit(widths, table->columns, room);
	for (guint r = 0; r < rows; r++) {
		for (guint c = 0; c < table->columns; c++)
			add_cell(text, g_ptr_array_index(table->cells, r * table->columns + c),
				 widths[c], colours && r > 0, c + 1 == table->columns);
		g_string_append_c(text, '\n');
	}
}

void cmd_table_print(const CmdTable *table)
{
	g_autoptr(GString) text = g_string_new(NULL);
	cmd_table_format(table, text);
	g_print("%s", text->str);
}

void cmd_print_list(const Cmd *cmd, JsonBuilder *json, const CmdTable *table)
{
	if (cmd->json)
		cmd_print_json(json);
	else
		cmd_table_print(table);
}
