/* SPDX-License-Identifier: ISC */
#include <unistd.h>

#include "cmd/cmd.h"

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

static const char *colour_of(const char *cell)
{
	static const struct {
		const char *word, *colour;
	} colours[] = {{"live", "\033[32m"},        {"staged", "\033[36m"},
		       {"rolled-back", "\033[31m"}, {"down", "\033[1;31m"},
		       {"failed", "\033[31m"},      {"build-failed", "\033[31m"},
		       {"missed", "\033[33m"},      {"late", "\033[33m"},
		       {"refused", "\033[31m"},     {"activating", "\033[35m"}};
	for (guint i = 0; i < G_N_ELEMENTS(colours); i++)
		if (strcmp(colours[i].word, cell) == 0)
			return colours[i].colour;
	return NULL;
}

static gsize width_of(const char *cell)
{
	return (gsize)g_utf8_strlen(cell, -1);
}

static void print_cell(const char *cell, gsize width, gboolean colours, gboolean last)
{
	const char *colour = colours ? colour_of(cell) : NULL;
	gsize pad = last ? 0 : width - width_of(cell) + 2;
	g_print("%s%s%s%*s", colour ? colour : "", cell, colour ? "\033[0m" : "", (int)pad, "");
}

void cmd_table_print(const CmdTable *table)
{
	gboolean colours = cmd_colours();
	guint rows = table->cells->len / table->columns;
	g_autofree gsize *widths = g_new0(gsize, table->columns);
	for (guint i = 0; i < table->cells->len; i++) {
		gsize width = width_of(g_ptr_array_index(table->cells, i));
		widths[i % table->columns] = MAX(widths[i % table->columns], width);
	}
	for (guint r = 0; r < rows; r++) {
		for (guint c = 0; c < table->columns; c++)
			print_cell(g_ptr_array_index(table->cells, r * table->columns + c),
				   widths[c], colours && r > 0, c + 1 == table->columns);
		g_print("\n");
	}
}
