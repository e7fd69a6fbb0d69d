/* SPDX-License-Identifier: ISC */
/* Charts as SVG without a script: they scale to the width there is. */
#include "board/board-private.h"

#define WIDTH 420
#define LABEL_WIDTH 120
#define VALUE_WIDTH 90
#define ROW 20
#define BAR 11
#define LABEL_CHARS 16 /* what fits LABEL_WIDTH */
#define CHART_ROWS 30  /* more would be no picture */

/* ---- SVG ---- */

static void svg_begin(BoardPage *page, BoardText title, guint rows)
{
	g_autofree char *box = g_strdup_printf("0 0 %d %u", WIDTH, rows * ROW);
	board_open(page, "figure", NULL);
	board_element(page, "figcaption", NULL, board_text_of(title));
	board_open_with(page, "svg", "viewBox", box, "role", "img", "aria-label",
			board_text_of(title), NULL);
}

static void svg_end(BoardPage *page)
{
	board_close(page, "svg");
	board_close(page, "figure");
}

/* As SVG writes numbers, whatever the locale. */
static const char *number(gdouble value, char buffer[G_ASCII_DTOSTR_BUF_SIZE])
{
	return g_ascii_formatd(buffer, G_ASCII_DTOSTR_BUF_SIZE, "%.1f", value);
}

/* title: what a pointer over it is told, or NULL. */
static void add_rect(BoardPage *page, const char *class, guint row, gdouble x, gdouble width,
		     const char *title)
{
	char left[G_ASCII_DTOSTR_BUF_SIZE], wide[G_ASCII_DTOSTR_BUF_SIZE];
	g_autofree char *y = g_strdup_printf("%u", row * ROW + (ROW - BAR) / 2);
	board_open_with(page, "rect", "class", class, "x", number(x, left), "y", y, "width",
			number(MAX(width, 1), wide), "height", G_STRINGIFY(BAR), NULL);
	if (title)
		board_element(page, "title", NULL, title);
	board_close(page, "rect");
}

static void add_word(BoardPage *page, const char *class, gdouble x, guint row, const char *text)
{
	char left[G_ASCII_DTOSTR_BUF_SIZE];
	g_autofree char *y = g_strdup_printf("%u", row * ROW + ROW / 2 + 4);
	board_open_with(page, "text", "class", class, "x", number(x, left), "y", y, NULL);
	board_text(page, text);
	board_close(page, "text");
}

static void add_label(BoardPage *page, guint row, const char *text)
{
	gboolean fits = g_utf8_validate(text, -1, NULL) && g_utf8_strlen(text, -1) <= LABEL_CHARS;
	g_autofree char *cut =
	    fits ? g_strdup(text) : g_strdup_printf("%.*s…", LABEL_CHARS - 1, text);
	add_word(page, "label", 0, row, cut);
}

/* ---- bars ---- */

typedef struct {
	char *label;            /* owned, as is shown */
	char *shown;            /* its value as text */
	gdouble value, against; /* against: 0 for none */
} Bar;

static void bar_clear(gpointer data)
{
	Bar *bar = data;
	g_free(bar->label);
	g_free(bar->shown);
}

static GArray *bars_new(void)
{
	GArray *bars = g_array_new(FALSE, FALSE, sizeof(Bar));
	g_array_set_clear_func(bars, bar_clear);
	return bars;
}

static void bars_add(GArray *bars, char *label, char *shown, gdouble value, gdouble against)
{
	Bar bar = {label, shown, value, against};
	g_array_append_val(bars, bar);
}

static gdouble largest(const GArray *bars)
{
	gdouble most = 0;
	for (guint i = 0; i < bars->len; i++) {
		const Bar *bar = &g_array_index(bars, Bar, i);
		most = MAX(most, MAX(bar->value, bar->against));
	}
	return most > 0 ? most : 1;
}

/* Bars from left to right, one beneath the other, the value as text behind each; frees them.
 * Nothing if there are none. */
static void bars_draw(BoardPage *page, BoardText title, GArray *bars)
{
	g_autoptr(GArray) owned = bars;
	gdouble unit = (WIDTH - LABEL_WIDTH - VALUE_WIDTH) / largest(owned);
	if (owned->len == 0)
		return;
	svg_begin(page, title, owned->len);
	for (guint i = 0; i < owned->len; i++) {
		const Bar *bar = &g_array_index(owned, Bar, i);
		add_label(page, i, bar->label);
		if (bar->against > 0)
			add_rect(page, "against", i, LABEL_WIDTH, bar->against * unit, NULL);
		add_rect(page, bar->value < 0 ? "bar late" : "bar", i, LABEL_WIDTH,
			 ABS(bar->value) * unit, NULL);
		add_word(page, "value", WIDTH - VALUE_WIDTH + 6, i, bar->shown);
	}
	svg_end(page);
}

/* ---- what releases cost ---- */

void board_charts_begin(BoardCharts *charts)
{
	*charts = (BoardCharts){bars_new(), bars_new(), bars_new()};
}

void board_charts_add(BoardCharts *charts, char *label, const BoardCost *cost)
{
	g_autofree char *owned = label;
	if (cost->ordered && charts->bytes->len < CHART_ROWS)
		bars_add(charts->bytes, g_strdup(owned), util_text_bytes(cost->bytes),
			 (gdouble)cost->bytes, (gdouble)cost->full_bytes);
	if (cost->outage_ms >= 0 && charts->outage->len < CHART_ROWS)
		bars_add(charts->outage, g_strdup(owned),
			 g_strdup_printf("%.1f s", (gdouble)cost->outage_ms / 1000),
			 (gdouble)cost->outage_ms, 0);
	if (cost->slack_known && charts->slack->len < CHART_ROWS)
		bars_add(charts->slack, g_strdup(owned), util_text_duration(cost->slack_s),
			 (gdouble)cost->slack_s, 0);
}

void board_charts_draw(BoardPage *page, BoardCharts *charts)
{
	board_open(page, "div", "charts");
	bars_draw(page, T_BYTES_CHART, charts->bytes);
	bars_draw(page, T_OUTAGE_CHART, charts->outage);
	bars_draw(page, T_SLACK_CHART, charts->slack);
	board_close(page, "div");
}

/* ---- the timeline ---- */

typedef struct {
	gint64 from_utc, to_utc;
} Span;

static Span span_of(const GArray *visits, gint64 ordered_utc, gint64 now_utc)
{
	Span span = {ordered_utc, ordered_utc + 60};
	for (guint i = 0; i < visits->len; i++) {
		const BoardVisit *visit = &g_array_index(visits, BoardVisit, i);
		const PublishTarget *target = visit->target;
		if (!visit->release->is_now)
			span.to_utc = MAX(span.to_utc, target->at_utc);
		if (target->reported)
			span.to_utc = MAX(span.to_utc, target->event_utc);
		else if (target->state == CENTRAL_ORDERED)
			span.to_utc = MAX(span.to_utc, MIN(now_utc, target->at_utc));
	}
	return span;
}

static gdouble x_of(Span span, gint64 utc)
{
	gdouble wide = WIDTH - LABEL_WIDTH - VALUE_WIDTH;
	gdouble share =
	    (gdouble)(utc - span.from_utc) / (gdouble)MAX(span.to_utc - span.from_utc, 1);
	return LABEL_WIDTH + wide * CLAMP(share, 0, 1);
}

static void add_visit(BoardPage *page, guint row, Span span, const BoardVisit *visit)
{
	const PublishTarget *target = visit->target;
	const char *state = board_visit_state(visit);
	g_autofree char *class = g_strconcat("mark s-", state, NULL);
	gdouble from = x_of(span, span.from_utc);
	add_label(page, row, target->base);
	if (target->staged_utc > 0)
		add_rect(page, "bar", row, from, x_of(span, target->staged_utc) - from,
			 board_text_of(T_STAGED));
	if (!visit->release->is_now)
		add_rect(page, "tick", row, x_of(span, target->at_utc), 2,
			 board_text_of(T_GO_LIVE));
	if (target->reported && report_event_ends(target->event))
		add_rect(page, class, row, x_of(span, target->event_utc) - BAR / 2.0, BAR / 2.0,
			 state);
	add_word(page, class, WIDTH - VALUE_WIDTH + 6, row, state);
}

void board_timeline(BoardPage *page, const GArray *visits, gint64 ordered_utc, gint64 now_utc)
{
	guint rows = MIN(visits->len, CHART_ROWS);
	Span span = span_of(visits, ordered_utc, now_utc);
	g_autofree char *from = board_minute(span.from_utc);
	g_autofree char *to = board_minute(span.to_utc);
	if (rows == 0 || ordered_utc == 0)
		return;
	svg_begin(page, T_TIMELINE, rows + 1);
	for (guint i = 0; i < rows; i++)
		add_visit(page, i, span, &g_array_index(visits, BoardVisit, i));
	add_word(page, "axis", LABEL_WIDTH, rows, from);
	add_word(page, "axis end", WIDTH, rows, to);
	board_close(page, "svg");
	board_element(page, "p", "hint", board_text_of(T_TIMELINE_HINT));
	board_close(page, "figure");
}
