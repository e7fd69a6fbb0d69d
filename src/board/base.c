/* SPDX-License-Identifier: ISC */
/* One base: its line, its clock, what runs there, and what happened there. */
#include "board/board-private.h"

static gint64 number_of(const BoardBase *base, const char *key, gint64 fallback)
{
	gint64 value = fallback;
	if (base->contact &&
	    !util_trailers_opt_int(base->contact, key, 0, G_MAXINT64, fallback, &value, NULL))
		return fallback;
	return value;
}

static void add_line(BoardPage *page, const BoardBase *base)
{
	gint64 kbit = number_of(base, "Line-Kbit", base->peer->line_kbit);
	gint64 rtt_ms = number_of(base, "Line-Rtt-Ms", 0);
	g_autofree char *rate = g_strdup_printf("%" G_GINT64_FORMAT " kbit/s", kbit);
	g_autofree char *both =
	    g_strdup_printf("%" G_GINT64_FORMAT " kbit/s, %" G_GINT64_FORMAT " ms", kbit, rtt_ms);
	board_fact(page, T_LINE, kbit == 0 ? board_text_of(T_UNKNOWN) : rtt_ms > 0 ? both : rate);
}

static void add_contact(BoardPage *page, const BoardBase *base)
{
	gint64 offset_ms = 0, heard_utc = 0;
	gint64 disk = number_of(base, "Disk-Free-Bytes", 0);
	g_autofree char *free_bytes = disk > 0 ? util_text_bytes((guint64)disk) : NULL;
	board_element(page, "dt", NULL, board_text_of(T_HEARD));
	board_open(page, "dd", NULL);
	if (base->contact && util_trailers_need_time(base->contact, "Time", &heard_utc, NULL))
		board_time(page, heard_utc, NULL);
	else
		board_word(page, T_NEVER);
	board_close(page, "dd");
	if (!base->contact)
		return;
	(void)publish_clock_is_off(base->contact, &offset_ms); /* the number says it */
	g_autofree char *offset = g_strdup_printf("%+.3f s", (double)offset_ms / 1000);
	board_fact(page, T_CLOCK, offset);
	board_fact(page, T_DISK, free_bytes);
	board_fact(page, T_SOFTWARE, util_trailers_get(base->contact, "Software"));
	board_fact(page, T_FEATURES, util_trailers_get(base->contact, "Features"));
	board_fact(page, T_HEAD, util_trailers_get(base->contact, "Head"));
}

static void add_facts(BoardPage *page, const BoardBase *base)
{
	g_autofree char *groups = g_strjoinv(", ", base->peer->groups);
	board_open(page, "dl", NULL);
	board_fact(page, T_ZONE, base->peer->zone);
	board_fact(page, T_GROUPS, groups);
	add_line(page, base);
	add_contact(page, base);
	board_close(page, "dl");
}

/* ---- what runs ---- */

static void add_cell(BoardPage *page, const StatusCell *cell)
{
	board_row_begin(page, NULL);
	board_cell_app(page, cell->app);
	board_cell(page, cell->live_version);
	board_cell_time(page, cell->live_since_utc);
	board_cell(page, cell->next_version);
	board_cell_next(page, cell);
	board_cell_state(page, cell->held         ? "held"
			       : cell->overdue    ? "overdue"
			       : cell->next_state ? cell->next_state
						  : cell->last_state);
	board_row_end(page);
}

static void add_cells(BoardPage *page, const BoardBase *base)
{
	static const BoardText heads[] = {T_APP, T_LIVE, T_SINCE, T_NEXT, T_GO_LIVE, T_STATE};
	board_table_begin(page, "here", board_text_of(T_HERE), heads, G_N_ELEMENTS(heads));
	for (guint i = 0; i < base->cells->len; i++)
		add_cell(page, base->cells->pdata[i]);
	board_table_end(page);
}

static void add_nodes(BoardPage *page, const BoardBase *base)
{
	static const BoardText heads[] = {T_NODE, T_APP, T_LIVE, T_SINCE, T_LAST, T_DETAIL};
	guint count = 0;
	for (guint i = 0; i < base->cells->len; i++)
		count += ((const StatusCell *)base->cells->pdata[i])->nodes->len;
	if (count == 0)
		return;
	board_table_begin(page, "nodes", board_text_of(T_NODES), heads, G_N_ELEMENTS(heads));
	for (guint i = 0; i < base->cells->len; i++) {
		const StatusCell *cell = base->cells->pdata[i];
		for (guint n = 0; n < cell->nodes->len; n++) {
			const StatusNode *node = cell->nodes->pdata[n];
			board_row_begin(page, NULL);
			board_cell(page, node->name);
			board_cell_app(page, cell->app);
			board_cell(page, node->live_version);
			board_cell_time(page, node->live_since_utc);
			board_cell_state(page, node->state);
			board_cell(page, node->detail);
			board_row_end(page);
		}
	}
	board_table_end(page);
}

/* ---- what happened ---- */

static void add_charts(BoardPage *page, const BoardBase *base)
{
	BoardCharts charts;
	board_charts_begin(&charts);
	for (guint i = 0; i < base->visits->len; i++) {
		const BoardVisit *visit = &g_array_index(base->visits, BoardVisit, i);
		BoardCost cost = board_visit_cost(visit);
		board_charts_add(&charts,
				 g_strdup_printf("%s %s", visit->release->app,
						 board_release_name(visit->release)),
				 &cost);
	}
	board_charts_draw(page, &charts);
}

static void add_visit(BoardPage *page, const BoardVisit *visit)
{
	BoardCost cost = board_visit_cost(visit);
	board_row_begin(page, NULL);
	board_cell_release(page, visit->release);
	board_cell_app(page, visit->release->app);
	board_cell_go_live(page, visit->release, visit->target);
	board_cell_state(page, board_visit_state(visit));
	board_cell_bytes(page, &cost);
	board_cell_slack(page, &cost);
	board_cell_outage(page, &cost);
	board_cell(page, visit->target->left_out ? visit->target->left_out : visit->target->detail);
	board_row_end(page);
}

static void add_visits(BoardPage *page, const BoardBase *base)
{
	static const BoardText heads[] = {T_RELEASE, T_APP,   T_GO_LIVE, T_STATE,
					  T_BYTES,   T_SLACK, T_OUTAGE,  T_DETAIL};
	board_table_begin(page, "history", board_text_of(T_HISTORY), heads, G_N_ELEMENTS(heads));
	for (guint i = 0; i < base->visits->len; i++)
		add_visit(page, &g_array_index(base->visits, BoardVisit, i));
	board_table_end(page);
}

char *board_base_page(const BoardBase *base)
{
	g_autoptr(BoardPage) page = board_page_new("../", BOARD_NOWHERE, base->peer->name, 0);
	add_facts(page, base);
	add_cells(page, base);
	add_nodes(page, base);
	add_charts(page, base);
	add_visits(page, base);
	return board_page_end(page);
}
