/* SPDX-License-Identifier: ISC */
#include <sys/ioctl.h>
#include <unistd.h>

#include "cmd/cmd.h"

#define GAP 2 /* between columns */

struct CmdTable {
	guint columns;
	guint *kinds;     /* CmdColumn of each */
	GPtrArray *cells; /* char *, row by row, heads first */
};

/* One way to lay the rows out. */
typedef struct {
	gboolean two_lines;             /* cells break where they may */
	gboolean ages_short, ages_gone; /* without "ago"; not at all */
	gsize name_least, text_least;   /* nothing is cut to less */
} Layout;

/* The first that fits is taken; with the last, rows are cut at their end. */
static const Layout layouts[] = {{FALSE, FALSE, FALSE, G_MAXSIZE, G_MAXSIZE},
				 {FALSE, TRUE, FALSE, 12, G_MAXSIZE},
				 {TRUE, TRUE, FALSE, 12, G_MAXSIZE},
				 {TRUE, TRUE, FALSE, 5, G_MAXSIZE},
				 {TRUE, TRUE, TRUE, 5, 8}};

/* ---- text in cells of the terminal ---- */

/* As g_print shows it: where not all characters can be, marks get a cell of their own. */
static gsize width_of_char(gunichar c)
{
	if (c < 0x80)
		return 1;
	if (!g_get_charset(NULL))
		return 1;
	return g_unichar_iswide(c) ? 2 : g_unichar_iszerowidth(c) ? 0 : 1;
}

static const char *ellipsis(void)
{
	return g_get_charset(NULL) ? "…" : "~";
}

/* Bytes of the character at `text`, or of the escape sequence of ours. */
static gsize length_at(const char *text, gsize *ret_width)
{
	gsize colour = *text == '\033' ? strcspn(text, "m") : 0;
	gunichar c = g_utf8_get_char_validated(text, -1);
	gboolean valid = c != (gunichar)-1 && c != (gunichar)-2;
	*ret_width = colour ? 0 : valid ? width_of_char(c) : 1;
	if (colour)
		return colour + (text[colour] != '\0');
	return valid ? (gsize)g_unichar_to_utf8(c, NULL) : 1;
}

gsize cmd_text_width(const char *text)
{
	gsize all = 0, width = 0;
	for (; *text; all += width)
		text += length_at(text, &width);
	return all;
}

char *cmd_text_cut(const char *text, gsize width)
{
	if (cmd_text_width(text) <= width)
		return g_strdup(text);
	GString *out = g_string_new(NULL);
	gsize used = 1, own = 0; /* by the ellipsis */
	gboolean full = FALSE;
	for (gsize len = 0; *text; text += len) {
		len = length_at(text, &own);
		used += own;
		if (!full && used > width) {
			full = TRUE;
			g_string_append(out, width > 0 ? ellipsis() : "");
		}
		if (!full || *text == '\033')
			g_string_append_len(out, text, (gssize)len);
	}
	return g_string_free(out, FALSE);
}

/* Both ends tell names apart: "v2.0…rc.4". */
static char *cut_name(const char *name, gsize width)
{
	gsize tail = width > 1 ? (width - 1) / 2 : 0, used = 0;
	if (cmd_text_width(name) <= width)
		return g_strdup(name);
	const char *from = name + strlen(name);
	while (from > name) {
		const char *before = g_utf8_prev_char(from);
		used += width_of_char(g_utf8_get_char(before));
		if (used > tail)
			break;
		from = before;
	}
	gsize own = 0, len = 0;
	while (*from && (len = length_at(from, &own)) && own == 0)
		from += len; /* the mark of a letter that is gone */
	g_autofree char *head = cmd_text_cut(name, width - tail);
	return g_strconcat(head, from, NULL);
}

/* ---- what is in a table ---- */

CmdTable *cmd_table_new(const char *const *heads)
{
	CmdTable *table = g_new0(CmdTable, 1);
	table->cells = g_ptr_array_new_with_free_func(g_free);
	for (; heads[table->columns]; table->columns++)
		g_ptr_array_add(table->cells, g_strdup(heads[table->columns]));
	table->kinds = g_new0(guint, table->columns);
	return table;
}

void cmd_table_kinds(CmdTable *table, const guint *kinds)
{
	for (guint c = 0; c < table->columns; c++)
		table->kinds[c] = kinds[c];
}

void cmd_table_free(CmdTable *table)
{
	if (!table)
		return;
	g_ptr_array_unref(table->cells);
	g_free(table->kinds);
	g_free(table);
}

static char *printable_lines(const char *cell)
{
	g_auto(GStrv) lines = g_strsplit(cell, "\n", 2);
	for (guint i = 0; lines[i]; i++) {
		char *line = util_text_printable(lines[i], -1);
		g_free(lines[i]);
		lines[i] = line;
	}
	return g_strjoinv("\n", lines);
}

void cmd_table_row(CmdTable *table, ...)
{
	va_list args;
	va_start(args, table);
	const char *cell = NULL;
	guint n = 0;
	while (n < table->columns && (cell = va_arg(args, const char *))) {
		g_ptr_array_add(table->cells, table->kinds[n] & CMD_COLUMN_LINES
						  ? printable_lines(cell)
						  : util_text_printable(cell, -1));
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

/* By the first word of the cell, unless it is stopped. */
static const char *colour_of(const char *cell)
{
	static const struct {
		const char *word, *colour;
	} colours[] = {
	    {"live", "\033[32m"},         {"staged", "\033[36m"},       {"ordered", "\033[34m"},
	    {"fetching", "\033[34m"},     {"building", "\033[34m"},     {"bundling", "\033[34m"},
	    {"rolled-back", "\033[31m"},  {"down", "\033[1;31m"},       {"failed", "\033[31m"},
	    {"build-failed", "\033[31m"}, {"overdue", "\033[31m"},      {"refused", "\033[31m"},
	    {"missed", "\033[33m"},       {"late", "\033[33m"},         {"held", "\033[33m"},
	    {"stopped", "\033[33m"},      {"cancel-asked", "\033[33m"}, {"activating", "\033[35m"}};
	if (g_str_has_suffix(cell, ",\nstopped"))
		cell = "stopped";
	gsize len = strspn(cell, "abcdefghijklmnopqrstuvwxyz-");
	for (guint i = 0; i < G_N_ELEMENTS(colours); i++)
		if (strlen(colours[i].word) == len && strncmp(colours[i].word, cell, len) == 0)
			return colours[i].colour;
	return NULL;
}

/* ---- laying it out ---- */

/* What a cell shows on one line of its row: a name, which may be shortened, and the rest. */
typedef struct {
	char *name, *rest;
} Piece;

static void piece_clear(Piece *piece)
{
	g_free(piece->name);
	g_free(piece->rest);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Piece, piece_clear)

static Piece piece_of(const CmdTable *table, const Layout *layout, guint i, guint line)
{
	const char *cell = g_ptr_array_index(table->cells, i);
	guint kind = table->kinds[i % table->columns];
	const char *brk = kind & CMD_COLUMN_LINES ? strchr(cell, '\n') : NULL;
	gsize len = brk ? (gsize)(brk - cell) : strlen(cell);
	if (line > 0)
		return (Piece){g_strdup(""), g_strdup(brk ? brk + 1 : "")};
	if (kind & CMD_COLUMN_AGE && layout->ages_short && g_str_has_suffix(cell, " ago"))
		len -= strlen(" ago");
	char *first = g_strndup(cell, len);
	char *second = brk && !layout->two_lines ? g_strconcat(" ", brk + 1, NULL) : g_strdup("");
	if (kind & CMD_COLUMN_NAME)
		return (Piece){first, second};
	Piece piece = {g_strdup(""), g_strconcat(first, second, NULL)};
	g_free(first);
	g_free(second);
	return piece;
}

static gboolean is_gone(const CmdTable *table, const Layout *layout, guint column)
{
	return table->kinds[column] & CMD_COLUMN_AGE && layout->ages_gone;
}

/* How wide the columns are, and how narrow they may get by cutting names. */
static void measure(const CmdTable *table, const Layout *layout, gsize *widths, gsize *least)
{
	for (guint c = 0; c < table->columns; c++)
		widths[c] = least[c] = 0;
	for (guint i = 0; i < 2 * table->cells->len; i++) {
		guint c = i / 2 % table->columns;
		if (is_gone(table, layout, c) || (i % 2 > 0 && !layout->two_lines))
			continue;
		g_auto(Piece) piece = piece_of(table, layout, i / 2, i % 2);
		gsize name = cmd_text_width(piece.name), rest = cmd_text_width(piece.rest);
		widths[c] = MAX(widths[c], name + rest);
		least[c] = MAX(least[c], MIN(name, layout->name_least) + rest);
	}
}

/* The column with most to spare is cut, again and again; how much too wide rows still are. */
static gsize narrow(gsize *widths, const gsize *least, guint columns, gsize over)
{
	for (; over > 0; over--) {
		guint most = 0;
		for (guint c = 1; c < columns; c++)
			if (widths[c] - least[c] > widths[most] - least[most])
				most = c;
		if (widths[most] == least[most])
			break;
		widths[most]--;
	}
	return over;
}

/* FALSE: rows do not fit that way. */
static gboolean fit(const CmdTable *table, const Layout *layout, gsize room, gsize *widths)
{
	g_autofree gsize *least = g_new0(gsize, table->columns);
	gsize all = 0;
	measure(table, layout, widths, least);
	for (guint c = 0; c < table->columns; c++)
		all += is_gone(table, layout, c) ? 0 : widths[c] + (c > 0 ? GAP : 0);
	gsize over = narrow(widths, least, table->columns, all > room ? all - room : 0);
	for (guint c = 0; c < table->columns; c++)
		least[c] = MIN(widths[c], layout->text_least);
	return narrow(widths, least, table->columns, over) == 0;
}

static void add_piece(GString *text, const Piece *piece, gsize width, const char *colour)
{
	gsize rest = cmd_text_width(piece->rest);
	g_autofree char *name = cut_name(piece->name, width > rest ? width - rest : 1);
	g_autofree char *whole = g_strconcat(name, piece->rest, NULL);
	g_autofree char *cut = cmd_text_cut(whole, width);
	g_string_append_printf(text, "%s%s%s", colour ? colour : "", cut, colour ? "\033[0m" : "");
}

/* One line of a row, as wide as it gets. */
static char *row_line(const CmdTable *table, const Layout *layout, const gsize *widths, guint row,
		      guint line)
{
	GString *text = g_string_new(NULL);
	gboolean colours = row > 0 && cmd_colours();
	gsize column = 0;
	for (guint c = 0; c < table->columns; c++) {
		guint i = row * table->columns + c;
		if (is_gone(table, layout, c))
			continue;
		g_auto(Piece) piece = piece_of(table, layout, i, line);
		if (line == 0 || *piece.rest) { /* no name is there */
			gsize used = cmd_text_width(text->str);
			g_string_append_printf(text, "%*s", (int)(column - used), "");
			add_piece(text, &piece, widths[c],
				  colours ? colour_of(g_ptr_array_index(table->cells, i)) : NULL);
		}
		column += widths[c] + GAP;
	}
	return g_string_free(text, FALSE);
}

static gboolean has_second_line(const CmdTable *table, guint row)
{
	for (guint c = 0; c < table->columns; c++)
		if (table->kinds[c] & CMD_COLUMN_LINES &&
		    strchr(g_ptr_array_index(table->cells, row * table->columns + c), '\n'))
			return TRUE;
	return FALSE;
}

void cmd_table_format(const CmdTable *table, GString *text)
{
	guint rows = table->cells->len / table->columns;
	guint height = 0, columns = 0;
	gsize room = cmd_terminal_size(&height, &columns) ? columns : G_MAXSIZE;
	g_autofree gsize *widths = g_new0(gsize, table->columns);
	const Layout *layout = layouts;
	while (!fit(table, layout, room, widths) && layout + 1 < layouts + G_N_ELEMENTS(layouts))
		layout++;
	for (guint r = 0; r < rows; r++) {
		guint lines = layout->two_lines && has_second_line(table, r) ? 2 : 1;
		for (guint line = 0; line < lines; line++) {
			g_autofree char *whole = row_line(table, layout, widths, r, line);
			g_autofree char *cut = cmd_text_cut(whole, room);
			g_string_append_printf(text, "%s\n", cut);
		}
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
