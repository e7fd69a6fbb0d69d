/* SPDX-License-Identifier: ISC */
/* One release: what its tag says, and its road to each base. */
#include "board/board-private.h"

static void add_facts(BoardPage *page, const PublishRelease *release)
{
	g_autofree char *gate = release->gate == PLAN_GATE_ALONE
				    ? NULL
				    : plan_gate_format(release->gate, release->quorum_percent);
	g_autofree char *file = board_app_file(release->app);
	g_autofree char *waves = release->waves > 1 ? g_strdup_printf("%u", release->waves) : NULL;
	board_open(page, "p", NULL);
	board_state(page, release->state);
	board_textf(page, " %s", release->title ? release->title : "");
	board_close(page, "p");
	board_open(page, "dl", NULL);
	board_element(page, "dt", NULL, board_text_of(T_APP));
	board_open(page, "dd", NULL);
	board_link(page, file, release->app);
	board_close(page, "dd");
	board_fact(page, T_TAG, release->tag);
	board_fact(page, T_TAGGER, release->tagger);
	board_fact(page, T_SIGNER, release->signer ? release->signer : board_text_of(T_NOT_SIGNED));
	board_fact(page, T_PUSHER, release->pusher);
	board_fact(page, T_JOB, release->job);
	board_fact(page, T_ROOT, release->root);
	board_fact(page, T_GATE, gate);
	board_fact(page, T_WAVES, waves);
	board_fact(page, T_REASON, release->reason);
	board_close(page, "dl");
}

/* ---- on central ---- */

/* Its steps, in the order in which they were taken. */
static void add_road(BoardPage *page, const GPtrArray *decisions)
{
	static const BoardText heads[] = {T_AT, T_STATE, T_BASE, T_DETAIL};
	board_table_begin(page, "road", board_text_of(T_ROAD), heads, G_N_ELEMENTS(heads));
	for (guint i = 0; i < decisions->len; i++) {
		const LibraryDecision *decision = decisions->pdata[i];
		g_autofree char *moment = util_time_format_utc(decision->time_utc);
		board_row_begin(page, NULL);
		board_cell_begin(page);
		board_time(page, decision->time_utc, moment);
		board_cell_end(page);
		board_cell_state(page, decision->decision);
		board_cell(page, util_trailers_get(decision->text, "Base"));
		board_cell(page, util_trailers_get(decision->text, "Reason"));
		board_row_end(page);
	}
	board_table_end(page);
}

static gint64 ordered_utc(const GPtrArray *decisions)
{
	for (guint i = 0; i < decisions->len; i++) {
		const LibraryDecision *decision = decisions->pdata[i];
		if (strcmp(decision->decision, "ordered") == 0)
			return decision->time_utc;
	}
	return 0;
}

/* ---- at its bases ---- */

static GArray *visits_of(const BoardApp *app, const PublishRelease *release)
{
	GArray *visits = g_array_new(FALSE, FALSE, sizeof(BoardVisit));
	guint64 full = board_full_bytes(app, release->version);
	for (guint i = 0; i < release->targets->len; i++) {
		BoardVisit visit = {
		    .release = release, .target = release->targets->pdata[i], .full_bytes = full};
		g_array_append_val(visits, visit);
	}
	return visits;
}

static void add_detail(BoardPage *page, const PublishTarget *target)
{
	board_cell_begin(page);
	board_text(page, target->left_out  ? target->left_out
			 : target->trouble ? target->trouble
					   : target->detail);
	if (target->log_end && *target->log_end) {
		board_open(page, "details", NULL);
		board_element(page, "summary", NULL, board_text_of(T_LOG_END));
		board_element(page, "pre", NULL, target->log_end);
		board_close(page, "details");
	}
	board_cell_end(page);
}

static void add_visit(BoardPage *page, const BoardVisit *visit)
{
	const PublishTarget *target = visit->target;
	BoardCost cost = board_visit_cost(visit);
	gboolean waves = visit->release->waves > 1;
	g_autofree char *wave = g_strdup_printf("%u", target->wave);
	board_row_begin(page, NULL);
	board_cell_base(page, target->base);
	board_cell_state(page, board_visit_state(visit));
	if (waves)
		board_cell(page, wave);
	board_cell_bytes(page, &cost);
	board_cell_time(page, target->staged_utc);
	board_cell_go_live(page, visit->release, target);
	board_cell_slack(page, &cost);
	board_cell_time(page, target->reported ? target->event_utc : 0);
	board_cell_outage(page, &cost);
	add_detail(page, target);
	board_row_end(page);
}

static void add_visits(BoardPage *page, const PublishRelease *release, const GArray *visits)
{
	static const BoardText all[] = {T_BASE,    T_STATE, T_WAVE,  T_BYTES,  T_STAGED,
					T_GO_LIVE, T_SLACK, T_ENDED, T_OUTAGE, T_DETAIL};
	BoardText heads[G_N_ELEMENTS(all)];
	guint count = 0;
	for (guint i = 0; i < G_N_ELEMENTS(all); i++)
		if (all[i] != T_WAVE || release->waves > 1)
			heads[count++] = all[i];
	board_table_begin(page, "bases", board_text_of(T_ROAD_BASES), heads, count);
	for (guint i = 0; i < visits->len; i++)
		add_visit(page, &g_array_index(visits, BoardVisit, i));
	board_table_end(page);
}

static void add_charts(BoardPage *page, const GArray *visits)
{
	BoardCharts charts;
	board_charts_begin(&charts);
	for (guint i = 0; i < visits->len; i++) {
		const BoardVisit *visit = &g_array_index(visits, BoardVisit, i);
		BoardCost cost = board_visit_cost(visit);
		board_charts_add(&charts, g_strdup(visit->target->base), &cost);
	}
	board_charts_draw(page, &charts);
}

/* ---- the tag ---- */

static void add_tag(BoardPage *page, const BoardData *data, const PublishRelease *release)
{
	g_autoptr(GBytes) raw =
	    library_release_tag(data->central->library, release->app, release->release, NULL);
	gsize len = 0;
	const char *text = raw ? g_bytes_get_data(raw, &len) : NULL;
	g_autoptr(PlanTag) tag = text ? plan_tag_parse(text, len, NULL) : NULL;
	if (!tag) /* a commit that was told as a plan has none */
		return;
	g_autofree char *message = g_strndup(tag->message, tag->message_len);
	board_heading(page, T_TAG_TEXT);
	board_element(page, "pre", NULL, message);
}

char *board_release_page(const BoardData *data, const BoardApp *app, const PublishRelease *release,
			 GError **error)
{
	g_autoptr(GPtrArray) decisions =
	    library_decisions(data->central->library, release->app, release->release, error);
	if (!decisions)
		return NULL;
	g_autofree char *title =
	    g_strdup_printf("%s %s", release->app, board_release_name(release));
	g_autoptr(BoardPage) page = board_page_new("../../", BOARD_NOWHERE, title, 0);
	g_autoptr(GArray) visits = visits_of(app, release);
	add_facts(page, release);
	board_timeline(page, visits, ordered_utc(decisions), data->now_utc);
	add_visits(page, release, visits);
	add_charts(page, visits);
	add_tag(page, data, release);
	add_road(page, decisions);
	return board_page_end(page);
}
