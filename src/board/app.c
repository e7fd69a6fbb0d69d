/* SPDX-License-Identifier: ISC */
/* One app: its releases, and what they cost. */
#include "board/board-private.h"

/* At its worst: the largest bundle, the longest outage, the least time ahead. */
static BoardCost worst_of(const BoardApp *app, const PublishRelease *release)
{
	BoardCost worst = {.full_bytes = board_full_bytes(app, release->version), .outage_ms = -1};
	for (guint i = 0; i < release->targets->len; i++) {
		BoardVisit visit = {.release = release, .target = release->targets->pdata[i]};
		BoardCost cost = board_visit_cost(&visit);
		worst.ordered = worst.ordered || cost.ordered;
		worst.bytes = MAX(worst.bytes, cost.bytes);
		worst.outage_ms = MAX(worst.outage_ms, cost.outage_ms);
		if (!cost.slack_known)
			continue;
		worst.slack_s = worst.slack_known ? MIN(worst.slack_s, cost.slack_s) : cost.slack_s;
		worst.slack_known = TRUE;
	}
	return worst;
}

static void add_charts(BoardPage *page, const BoardApp *app)
{
	BoardCharts charts;
	board_charts_begin(&charts);
	for (guint i = 0; i < board_releases(app); i++) {
		const PublishRelease *release = app->app->releases->pdata[i];
		BoardCost worst = worst_of(app, release);
		board_charts_add(&charts, g_strdup(board_release_name(release)), &worst);
	}
	board_charts_draw(page, &charts);
}

static void add_release(BoardPage *page, const BoardApp *app, const PublishRelease *release)
{
	BoardCost worst = worst_of(app, release);
	board_row_begin(page, NULL);
	board_cell_release(page, release);
	board_cell_state(page, release->state);
	board_cell_time(page, release->taken_utc);
	board_cell(page, release->tagger);
	board_cell_bytes(page, &worst);
	board_cell_slack(page, &worst);
	board_cell_outage(page, &worst);
	board_cell(page, release->title);
	board_row_end(page);
}

char *board_app_page(const BoardApp *app)
{
	static const BoardText heads[] = {T_RELEASE, T_STATE, T_AT,     T_TAGGER,
					  T_BYTES,   T_SLACK, T_OUTAGE, T_TITLE};
	g_autoptr(BoardPage) page = board_page_new("../", BOARD_NOWHERE, app->app->name, 0);
	if (board_releases(app) == 0) {
		board_element(page, "p", NULL, board_text_of(T_NOTHING_YET));
		return board_page_end(page);
	}
	add_charts(page, app);
	board_table_begin(page, "releases", board_text_of(T_RELEASES), heads, G_N_ELEMENTS(heads));
	for (guint i = 0; i < board_releases(app); i++)
		add_release(page, app, app->app->releases->pdata[i]);
	board_table_end(page);
	return board_page_end(page);
}
