/* SPDX-License-Identifier: ISC */
/* The first page: base × app, what needs somebody first. */
#include "board/board-private.h"

/* How soon somebody should look; the higher the sooner. */
static guint urgency(const StatusCell *cell)
{
	static const struct {
		const char *state;
		guint urgency;
	} states[] = {{"rolled-back", 5}, {"failed", 5}, {"missed", 4}};
	if (cell->down_version)
		return 7;
	if (cell->overdue)
		return 6;
	for (guint i = 0; cell->last_state && i < G_N_ELEMENTS(states); i++)
		if (strcmp(cell->last_state, states[i].state) == 0)
			return states[i].urgency;
	return cell->held || cell->stopped ? 3 : cell->silent_since_utc ? 2 : 0;
}

static gint urgent_first(gconstpointer a, gconstpointer b)
{
	const StatusCell *x = *(StatusCell *const *)a, *y = *(StatusCell *const *)b;
	guint left = urgency(x), right = urgency(y);
	if (left != right)
		return left > right ? -1 : 1;
	int app = strcmp(x->app, y->app);
	return app != 0 ? app : strcmp(x->base, y->base);
}

static GPtrArray *sorted_cells(const BoardData *data)
{
	GPtrArray *cells = g_ptr_array_sized_new(data->status->cells->len);
	for (guint i = 0; i < data->status->cells->len; i++)
		g_ptr_array_add(cells, data->status->cells->pdata[i]);
	g_ptr_array_sort(cells, urgent_first);
	return cells;
}

/* ---- trouble ---- */

static void add_trouble(BoardPage *page, const Status *status)
{
	board_heading(page, T_TROUBLE);
	if (status->trouble->len == 0) {
		board_element(page, "p", NULL, board_text_of(T_NO_TROUBLE));
		return;
	}
	board_open(page, "ul", "trouble");
	for (guint i = 0; i < status->trouble->len; i++)
		board_element(page, "li", NULL, status->trouble->pdata[i]);
	board_close(page, "ul");
}

/* ---- the table ---- */

static void add_progress(BoardPage *page, const StatusCell *cell)
{
	if (cell->arrives_utc == 0 || cell->bundle_bytes == 0)
		return;
	g_autofree char *done = g_strdup_printf("%" G_GUINT64_FORMAT, cell->sent_bytes);
	g_autofree char *all = g_strdup_printf("%" G_GUINT64_FORMAT, cell->bundle_bytes);
	board_text(page, " ");
	board_open_with(page, "progress", "value", done, "max", all, "aria-label",
			board_text_of(T_BYTES), NULL);
	board_close(page, "progress");
	board_textf(page, " %" G_GUINT64_FORMAT " %%", cell->sent_bytes * 100 / cell->bundle_bytes);
}

static void add_next(BoardPage *page, const StatusCell *cell)
{
	board_cell(page, cell->next_version);
	board_cell_next(page, cell);
	board_cell_begin(page);
	const char *kept = board_kept_back(cell);
	board_state(page, cell->down_version ? "down" : kept ? kept : cell->next_state);
	if (cell->next_waits)
		board_textf(page, " %s", cell->next_waits);
	add_progress(page, cell);
	board_cell_end(page);
}

static void add_last(BoardPage *page, const StatusCell *cell)
{
	board_cell_begin(page);
	if (cell->last_state) {
		board_textf(page, "%s ", cell->last_version);
		board_state(page, cell->last_state);
	}
	board_cell_end(page);
	board_cell_begin(page);
	board_time(page, cell->heard_utc, NULL);
	if (cell->heard_utc == 0)
		board_word(page, T_NEVER);
	board_cell_end(page);
}

static void add_row(BoardPage *page, const StatusCell *cell)
{
	board_row_begin(page, urgency(cell) > 0 ? "urgent" : NULL);
	board_cell_base(page, cell->base);
	board_cell_app(page, cell->app);
	board_cell(page, cell->live_version);
	board_cell_time(page, cell->live_since_utc);
	add_next(page, cell);
	add_last(page, cell);
	board_row_end(page);
}

static void add_filter(BoardPage *page)
{
	board_open_with(page, "p", "class", "filter", "hidden", "", NULL); /* without a script */
	board_open_with(page, "label", "for", "filter", NULL);
	board_word(page, T_FILTER);
	board_close(page, "label");
	board_open_with(page, "input", "id", "filter", "type", "search", "aria-controls", "fleet",
			"aria-describedby", "filter-key", "placeholder",
			board_text_of(T_FILTER_HINT), NULL);
	board_open_with(page, "span", "id", "filter-key", "class", "hint", NULL);
	board_word(page, T_FILTER_KEY);
	board_close(page, "span");
	board_open_with(page, "output", "for", "filter", "data-word", board_text_of(T_SHOWN), NULL);
	board_close(page, "output");
	board_close(page, "p");
}

static void add_fleet(BoardPage *page, const BoardData *data)
{
	static const BoardText heads[] = {T_BASE,    T_APP,   T_LIVE, T_SINCE, T_NEXT,
					  T_GO_LIVE, T_STATE, T_LAST, T_HEARD};
	g_autoptr(GPtrArray) cells = sorted_cells(data);
	add_filter(page);
	board_table_begin(page, "fleet", board_text_of(T_CELLS), heads, G_N_ELEMENTS(heads));
	for (guint i = 0; i < cells->len; i++)
		add_row(page, cells->pdata[i]);
	board_table_end(page);
}

/* ---- apps ---- */

static void add_apps(BoardPage *page, const BoardData *data)
{
	static const BoardText heads[] = {T_APP, T_RELEASE, T_STATE, T_TITLE};
	board_table_begin(page, "apps", board_text_of(T_APPS), heads, G_N_ELEMENTS(heads));
	for (guint i = 0; i < data->apps->len; i++) {
		const BoardApp *app = data->apps->pdata[i];
		board_row_begin(page, NULL);
		board_cell_app(page, app->app->name);
		if (board_releases(app) > 0) {
			const PublishRelease *newest = app->app->releases->pdata[0];
			board_cell_release(page, newest);
			board_cell_state(page, newest->state);
			board_cell(page, newest->title);
		} else {
			board_cell(page, board_text_of(T_NOTHING_YET));
			board_cell(page, NULL);
			board_cell(page, NULL);
		}
		board_row_end(page);
	}
	board_table_end(page);
}

char *board_fleet_page(const BoardData *data)
{
	g_autoptr(BoardPage) page =
	    board_page_new("", BOARD_FLEET, board_text_of(T_FLEET), data->now_utc);
	add_trouble(page, data->status);
	add_fleet(page, data);
	add_apps(page, data);
	return board_page_end(page);
}
