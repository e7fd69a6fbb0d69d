/* SPDX-License-Identifier: ISC */
/* What the pages of the board are made of. */
#pragma once

#include "board/board.h"
#include "board/page.h"
#include "status/status.h"

#define BOARD_RELEASES_MAX 100 /* of an app, the newest: only these are written */

/* A release at one of its bases. */
typedef struct {
	const PublishRelease *release;
	const PublishTarget *target;
	guint64 full_bytes;     /* of its tree; 0: not known any more */
	const StatusCell *cell; /* of its app there; NULL where no page asks for it, or none is */
} BoardVisit;

/* What it took to bring a release to a base, or to the base where it took most. */
typedef struct {
	guint64 bytes, full_bytes; /* bytes: if ordered; full_bytes 0: not known any more */
	gint64 outage_ms;          /* -1: none */
	gint64 slack_s;            /* ahead of its go-live, if slack_known */
	gboolean ordered, slack_known;
} BoardCost;
BoardCost board_visit_cost(const BoardVisit *visit);

typedef struct {
	const StatusApp *app;
	GHashTable *sizes; /* version -> LibraryVersion */
} BoardApp;

typedef struct {
	ConfPeer *peer;
	const UtilTrailers *contact; /* NULL: never heard */
	GPtrArray *cells;            /* StatusCell, of the status */
	GArray *visits;              /* BoardVisit, newest release of each app first */
} BoardBase;

typedef struct {
	Central *central;
	gint64 now_utc;
	Status *status;
	GPtrArray *apps;  /* BoardApp, by name */
	GPtrArray *bases; /* BoardBase, by name */
} BoardData;

BoardData *board_data_load(Central *central, GError **error);
void board_data_free(BoardData *data);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BoardData, board_data_free)
/* How many of its releases are shown. */
guint board_releases(const BoardApp *app);
guint64 board_full_bytes(const BoardApp *app, const char *version);
/* What a release that has no version yet is called. */
const char *board_release_name(const PublishRelease *release);

/* Files in the board's folder. Callers free. */
char *board_app_file(const char *app);
char *board_release_file(const PublishRelease *release);
char *board_base_file(const char *base);

/* Each gives a whole page; caller frees. */
char *board_fleet_page(const BoardData *data);
char *board_calendar_page(const BoardData *data);
char *board_app_page(const BoardApp *app);
char *board_release_page(const BoardData *data, const BoardApp *app, const PublishRelease *release,
			 GError **error);
char *board_base_page(const BoardBase *base);

/* ---- what several pages show ---- */

/* Cells of the open row. */
void board_cell_time(BoardPage *page, gint64 utc);
/* The minute of go-live as its base reads it, or that there is none. */
void board_cell_go_live(BoardPage *page, const PublishRelease *release,
			const PublishTarget *target);
/* When its next version goes live. */
void board_cell_next(BoardPage *page, const StatusCell *cell);
void board_cell_release(BoardPage *page, const PublishRelease *release);
void board_cell_base(BoardPage *page, const char *base);
void board_cell_app(BoardPage *page, const char *app);
void board_cell_state(BoardPage *page, const char *state);
/* "1.2 MB (4.1 %)": of a full copy. */
void board_cell_bytes(BoardPage *page, const BoardCost *cost);
void board_cell_outage(BoardPage *page, const BoardCost *cost);
/* How long before its go-live it had arrived. */
void board_cell_slack(BoardPage *page, const BoardCost *cost);
/* What keeps its next version back: "stopped", "held", "overdue"; NULL: nothing. */
const char *board_kept_back(const StatusCell *cell);
/* How it is there: the event that it last reported, or how far central is. */
const char *board_visit_state(const BoardVisit *visit);
/* dt and dd; nothing without a value. */
void board_fact(BoardPage *page, BoardText name, const char *value);

/* ---- chart.c ---- */

/* Bytes, outage and slack of many, beside each other. */
typedef struct {
	GArray *bytes, *outage, *slack; /* bars */
} BoardCharts;
void board_charts_begin(BoardCharts *charts);
/* Takes the label. What is not known of it has no bar. */
void board_charts_add(BoardCharts *charts, char *label, const BoardCost *cost);
void board_charts_draw(BoardPage *page, BoardCharts *charts);
/* When a release came where: from order to arrival, the minute of its go-live, its end. */
void board_timeline(BoardPage *page, const GArray *visits, gint64 ordered_utc, gint64 now_utc);
