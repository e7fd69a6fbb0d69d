/* SPDX-License-Identifier: ISC */
/* What is to come, day by day (of UTC), with the local time of each base. */
#include "board/board-private.h"

#define DAY_LEN (sizeof "2026-12-01" - 1)

static gboolean comes(const BoardData *data, const PublishRelease *release,
		      const PublishTarget *target)
{
	return target->state != CENTRAL_ENDED && target->state != CENTRAL_CANCEL_ASKED &&
	       !target->left_out && !decide_release_is_cancelled(release) &&
	       strcmp(release->state, "refused") != 0 &&
	       strcmp(release->state, "build-failed") != 0 &&
	       !publish_target_is_past(release, target, data->now_utc);
}

static gint soonest_first(gconstpointer a, gconstpointer b)
{
	const BoardVisit *x = a, *y = b;
	if (x->target->at_utc != y->target->at_utc)
		return x->target->at_utc < y->target->at_utc ? -1 : 1;
	int app = strcmp(x->release->app, y->release->app);
	return app != 0 ? app : strcmp(x->target->base, y->target->base);
}

static GArray *list_coming(const BoardData *data)
{
	GArray *coming = g_array_new(FALSE, FALSE, sizeof(BoardVisit));
	for (guint b = 0; b < data->bases->len; b++) {
		const BoardBase *base = data->bases->pdata[b];
		for (guint v = 0; v < base->visits->len; v++) {
			const BoardVisit *visit = &g_array_index(base->visits, BoardVisit, v);
			if (comes(data, visit->release, visit->target))
				g_array_append_vals(coming, visit, 1);
		}
	}
	g_array_sort(coming, soonest_first);
	return coming;
}

/* As the fleet shows it, for what comes first there and for what is behind it. */
static const char *state_of(const BoardData *data, const BoardVisit *visit)
{
	const char *kept = visit->cell ? board_kept_back(visit->cell) : NULL;
	if (kept && (strcmp(kept, "overdue") != 0 ||
		     data->now_utc > visit->target->at_utc + STATUS_OVERDUE_S))
		return kept;
	return board_visit_state(visit);
}

static void add_row(BoardPage *page, const BoardData *data, const BoardVisit *visit)
{
	board_row_begin(page, NULL);
	board_cell_begin(page);
	if (visit->release->is_now)
		board_word(page, T_NOW);
	else
		board_time(page, visit->target->at_utc, NULL);
	board_cell_end(page);
	board_cell_go_live(page, visit->release, visit->target);
	board_cell(page, visit->target->zone);
	board_cell_base(page, visit->target->base);
	board_cell_app(page, visit->release->app);
	board_cell_release(page, visit->release);
	board_cell_state(page, state_of(data, visit));
	board_row_end(page);
}

char *board_calendar_page(const BoardData *data)
{
	static const BoardText heads[] = {T_UTC, T_LOCAL,   T_ZONE, T_BASE,
					  T_APP, T_RELEASE, T_STATE};
	g_autoptr(BoardPage) page =
	    board_page_new("", BOARD_CALENDAR, board_text_of(T_CALENDAR), 0);
	g_autoptr(GArray) coming = list_coming(data);
	g_autofree char *open = NULL;
	if (coming->len == 0)
		board_element(page, "p", NULL, board_text_of(T_NOTHING_COMES));
	for (guint i = 0; i < coming->len; i++) {
		const BoardVisit *visit = &g_array_index(coming, BoardVisit, i);
		g_autofree char *day = util_time_format_utc(visit->target->at_utc);
		day[DAY_LEN] = '\0';
		if (g_strcmp0(day, open) != 0) {
			g_autofree char *id = g_strconcat("day-", day, NULL);
			if (open)
				board_table_end(page);
			g_free(open);
			open = g_strdup(day);
			board_table_begin(page, id, day, heads, G_N_ELEMENTS(heads));
		}
		add_row(page, data, visit);
	}
	if (open)
		board_table_end(page);
	return board_page_end(page);
}
