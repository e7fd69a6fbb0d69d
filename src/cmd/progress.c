/* SPDX-License-Identifier: ISC */
#include <unistd.h>

#include "cmd/cmd.h"

#define BAR_WIDTH 30
#define BAR_EVERY_US (100 * 1000)
#define LINE_EVERY_US (60 * G_USEC_PER_SEC)

typedef struct {
	UtilProgress progress;
	gboolean tty, drawn;
	gint64 last_us, start_us;
	guint64 start_done; /* a resumed download begins in the middle */
	char *what;
} Bar;

static void bar_clear(Bar *bar)
{
	if (bar->drawn)
		g_printerr("\r\033[K");
	bar->drawn = FALSE;
}

/* ", 118.2 KB/s, 12 s left"; "" as long as nothing can be said. */
static char *speed_text(const Bar *bar, gint64 now_us, guint64 done, guint64 total)
{
	gdouble seconds = (gdouble)(now_us - bar->start_us) / G_USEC_PER_SEC;
	if (seconds < 1 || done <= bar->start_done || total < done)
		return g_strdup("");
	gdouble rate = (gdouble)(done - bar->start_done) / seconds;
	g_autofree char *speed = util_text_bytes((guint64)rate);
	g_autofree char *left = util_text_duration((gint64)((gdouble)(total - done) / rate));
	return g_strdup_printf(", %s/s, %s left", speed, left);
}

static void bar_draw(Bar *bar, const char *what, guint64 done, guint64 total, const char *speed)
{
	g_autofree char *bytes = util_text_bytes(done);
	if (total == 0) {
		g_printerr("\r\033[K%s: %s", what, bytes);
	} else {
		guint filled = (guint)(done * BAR_WIDTH / total);
		char cells[BAR_WIDTH + 1];
		memset(cells, '.', BAR_WIDTH);
		memset(cells, '#', MIN(filled, BAR_WIDTH));
		cells[BAR_WIDTH] = '\0';
		g_autofree char *of = util_text_bytes(total);
		g_printerr("\r\033[K%-12s [%s] %3u%% %s of %s%s", what, cells,
			   (guint)(done * 100 / total), bytes, of, speed);
	}
	bar->drawn = TRUE;
}

static void bar_line(const char *what, guint64 done, guint64 total, const char *speed)
{
	g_autofree char *bytes = util_text_bytes(done);
	g_autofree char *of = util_text_bytes(total);
	g_printerr("%s: %s of %s%s\n", what, bytes, of, speed);
}

static void bar_report(gpointer user_data, const char *what, guint64 done, guint64 total)
{
	Bar *bar = user_data;
	gint64 now = g_get_monotonic_time();
	gboolean fresh = g_strcmp0(bar->what, what) != 0;
	if (fresh) {
		g_free(bar->what);
		bar->what = g_strdup(what);
		bar->last_us = bar->start_us = now;
		bar->start_done = done;
	}
	if (now - bar->last_us < (bar->tty ? BAR_EVERY_US : LINE_EVERY_US))
		return;
	bar->last_us = now;
	g_autofree char *speed = speed_text(bar, now, done, total);
	if (bar->tty)
		bar_draw(bar, what, done, total, speed);
	else
		bar_line(what, done, total, speed);
}

UtilProgress *cmd_progress_new(const Cmd *cmd)
{
	Bar *bar = g_new0(Bar, 1);
	bar->tty = isatty(STDERR_FILENO);
	bar->progress.report = cmd->quiet ? NULL : bar_report;
	bar->progress.user_data = bar;
	return &bar->progress;
}

void cmd_progress_free(UtilProgress *progress)
{
	if (!progress)
		return;
	Bar *bar = progress->user_data;
	bar_clear(bar);
	g_free(bar->what);
	g_free(bar);
}
