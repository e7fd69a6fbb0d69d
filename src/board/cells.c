/* SPDX-License-Identifier: ISC */
/* What several pages show. */
#include "board/board-private.h"

void board_cell_time(BoardPage *page, gint64 utc)
{
	board_cell_begin(page);
	board_time(page, utc, NULL);
	board_cell_end(page);
}

void board_cell_go_live(BoardPage *page, const PublishRelease *release, const PublishTarget *target)
{
	board_cell_begin(page);
	if (release->is_now)
		board_word(page, T_NOW);
	else
		board_time(page, target->at_utc, target->local_text);
	board_cell_end(page);
}

void board_cell_next(BoardPage *page, const StatusCell *cell)
{
	board_cell_begin(page);
	if (cell->next_version && cell->next_is_now)
		board_word(page, T_NOW);
	else if (cell->next_version)
		board_time(page, cell->next_at_utc, cell->next_local);
	board_cell_end(page);
}

static void cell_link(BoardPage *page, const char *file, const char *text)
{
	board_cell_begin(page);
	board_link(page, file, text);
	board_cell_end(page);
}

void board_cell_release(BoardPage *page, const PublishRelease *release)
{
	g_autofree char *file = board_release_file(release);
	cell_link(page, file, board_release_name(release));
}

void board_cell_base(BoardPage *page, const char *base)
{
	g_autofree char *file = board_base_file(base);
	cell_link(page, file, base);
}

void board_cell_app(BoardPage *page, const char *app)
{
	g_autofree char *file = board_app_file(app);
	cell_link(page, file, app);
}

void board_cell_state(BoardPage *page, const char *state)
{
	board_cell_begin(page);
	board_state(page, state);
	board_cell_end(page);
}

BoardCost board_visit_cost(const BoardVisit *visit)
{
	const PublishTarget *target = visit->target;
	return (BoardCost){.bytes = target->bundle_bytes,
			   .full_bytes = visit->full_bytes,
			   .outage_ms = target->outage_ms,
			   .slack_s = target->at_utc - target->staged_utc,
			   .ordered = target->seq > 0,
			   .slack_known = !visit->release->is_now && target->staged_utc > 0};
}

/* A figure and its unit stay on one line. */
static void add_figure(BoardPage *page, const char *text)
{
	board_element(page, "span", "figure", text);
}

void board_cell_bytes(BoardPage *page, const BoardCost *cost)
{
	g_autofree char *bytes = util_text_bytes(cost->bytes);
	board_cell_begin(page);
	if (cost->ordered)
		add_figure(page, bytes);
	if (cost->ordered && cost->full_bytes > 0) {
		g_autofree char *share = g_strdup_printf("(%.1f %%)", 100.0 * (double)cost->bytes /
									  (double)cost->full_bytes);
		board_text(page, " ");
		add_figure(page, share);
	}
	board_cell_end(page);
}

void board_cell_outage(BoardPage *page, const BoardCost *cost)
{
	board_cell_begin(page);
	if (cost->outage_ms >= 0) {
		g_autofree char *text = g_strdup_printf("%.1f s", (double)cost->outage_ms / 1000);
		add_figure(page, text);
	}
	board_cell_end(page);
}

void board_cell_slack(BoardPage *page, const BoardCost *cost)
{
	g_autofree char *text = cost->slack_known ? util_text_duration(cost->slack_s) : NULL;
	board_cell_begin(page);
	if (text)
		add_figure(page, text);
	board_cell_end(page);
}

const char *board_kept_back(const StatusCell *cell)
{
	return cell->stopped ? "stopped" : cell->held ? "held" : cell->overdue ? "overdue" : NULL;
}

const char *board_visit_state(const BoardVisit *visit)
{
	const PublishTarget *target = visit->target;
	if (target->state == CENTRAL_CANCEL_ASKED)
		return "cancel-asked";
	if (target->left_out)
		return "left-out";
	if (target->reported)
		return report_event_name(target->event);
	return target->state == CENTRAL_ORDERED ? "ordered" : visit->release->state;
}

void board_fact(BoardPage *page, BoardText name, const char *value)
{
	if (!value || !*value)
		return;
	board_element(page, "dt", NULL, board_text_of(name));
	board_element(page, "dd", NULL, value);
}
