/* SPDX-License-Identifier: ISC */
#include "status/status.h"
#include "cmd/tagship/tagship.h"

#define WATCH_US (2 * G_USEC_PER_SEC)

/* In one unit, so that rows stay narrow. */
static char *ago_text(gint64 utc, gint64 now)
{
	static const struct {
		gint64 below_s, unit_s;
		const char *unit;
	} units[] = {{120, 1, "s"},
		     {120 * 60, 60, "min"},
		     {48 * 3600, 3600, "h"},
		     {G_MAXINT64, 24 * 3600, "d"}};
	guint i = 0;
	if (!utc)
		return g_strdup("never");
	while (now - utc >= units[i].below_s)
		i++;
	return g_strdup_printf("%" G_GINT64_FORMAT " %s ago", (now - utc) / units[i].unit_s,
			       units[i].unit);
}

/* "2026-12-01 02:00 +08:00": the seconds only if there are any. */
static char *local_text(const char *local)
{
	g_auto(GStrv) words = g_strsplit(local, " ", 3);
	if (g_strv_length(words) == 3 && g_str_has_suffix(words[1], ":00") &&
	    strlen(words[1]) == strlen("02:00:00"))
		words[1][strlen("02:00")] = '\0';
	return g_strjoinv(" ", words);
}

/* "fetching 45%, 3 min left" while its bundle is on its way. Of a stop before anything else that it
 * waits for. */
static char *state_text(const StatusCell *cell, gint64 now)
{
	const char *state = cell->down_version ? "down"
			    : cell->held       ? "held"
			    : cell->overdue    ? "overdue"
			    : cell->next_state ? cell->next_state
			    : cell->last_state ? cell->last_state
					       : "";
	gboolean sending =
	    cell->arrives_utc != 0 && cell->bundle_bytes != 0 && strcmp(state, "ordered") == 0;
	g_autofree char *shown = sending
				     ? g_strdup_printf("fetching %" G_GUINT64_FORMAT "%%",
						       cell->sent_bytes * 100 / cell->bundle_bytes)
				     : g_strdup(state);
	if (cell->stopped)
		return g_strconcat(shown, *shown ? ",\n" : "", "stopped", NULL);
	if (cell->down_version || cell->held || cell->overdue)
		return g_steal_pointer(&shown);
	if (sending) {
		g_autofree char *left = util_text_duration(MAX(cell->arrives_utc - now, 0));
		return g_strconcat(shown, ",\n", left, " left", NULL);
	}
	return cell->next_waits ? g_strconcat(shown, ",\nwaits for ", cell->next_waits, NULL)
				: g_steal_pointer(&shown);
}

static void print_cell(CmdTable *table, const StatusCell *cell, gint64 now)
{
	g_autofree char *since =
	    cell->live_since_utc ? ago_text(cell->live_since_utc, now) : g_strdup("");
	g_autofree char *heard = ago_text(cell->heard_utc, now);
	g_autofree char *local =
	    cell->next_version && !cell->next_is_now ? local_text(cell->next_local) : NULL;
	g_autofree char *next = NULL;
	if (cell->next_version)
		next = g_strdup_printf("%s\n%s", cell->next_version,
				       local ? local : "as soon as staged");
	g_autofree char *state = state_text(cell, now);
	cmd_table_row(table, cell->app, cell->base, cell->live_version ? cell->live_version : "-",
		      since, next ? next : "-", state, heard, NULL);
}

/* Beneath their base. */
static void print_nodes(CmdTable *table, const StatusCell *cell, gint64 now)
{
	for (guint i = 0; i < cell->nodes->len; i++) {
		const StatusNode *node = g_ptr_array_index(cell->nodes, i);
		g_autofree char *name = g_strconcat("  ", node->name, NULL);
		g_autofree char *since =
		    node->live_since_utc ? ago_text(node->live_since_utc, now) : g_strdup("");
		cmd_table_row(table, "", name, node->live_version ? node->live_version : "-", since,
			      "", node->state ? node->state : "", "", NULL);
	}
}

static void add_table(GString *text, const Status *status, gint64 now)
{
	static const char *const heads[] = {"APP",  "BASE",  "LIVE",  "SINCE",
					    "NEXT", "STATE", "AS OF", NULL};
	static const guint kinds[] = {CMD_COLUMN_NAME,
				      CMD_COLUMN_NAME,
				      CMD_COLUMN_NAME,
				      CMD_COLUMN_AGE,
				      CMD_COLUMN_NAME | CMD_COLUMN_LINES,
				      CMD_COLUMN_LINES,
				      CMD_COLUMN_AGE};
	g_autoptr(CmdTable) table = cmd_table_new(heads);
	cmd_table_kinds(table, kinds);
	for (guint i = 0; i < status->cells->len; i++) {
		print_cell(table, g_ptr_array_index(status->cells, i), now);
		print_nodes(table, g_ptr_array_index(status->cells, i), now);
	}
	cmd_table_format(table, text);
}

/* What to do where there is nothing to show yet. */
static void add_next_step(GString *text, const Cmd *cmd, const Status *status)
{
	if (status->apps->len == 0)
		g_string_append_printf(
		    text,
		    "no apps yet; next: tagship -C %s app add NAME REPO --build CMD --output DIR\n",
		    cmd->dir);
	else if (status->cells->len == 0)
		g_string_append_printf(
		    text, "no base takes %s yet; next, at each base: tagship-base init\n",
		    status->apps->len == 1 ? ((const StatusApp *)status->apps->pdata[0])->name
					   : "any app");
}

/* As people read it, or machines. ret_json (may be NULL): for machines anyway, which says no "ago".
 */
static char *status_text(const Cmd *cmd, gboolean metrics, char **ret_json, GError **error)
{
	g_autoptr(Central) central = central_open(cmd->dir, error);
	g_autoptr(Status) status =
	    central ? status_load(central, cmd->argc > 1 ? cmd->argv[1] : NULL, error) : NULL;
	if (!status)
		return NULL;
	g_autofree char *json = cmd->json || ret_json ? status_json_text(status) : NULL;
	if (ret_json)
		*ret_json = g_strdup(json);
	if (cmd->json)
		return g_strconcat(json, "\n", NULL);
	if (metrics)
		return status_metrics(status);
	g_autoptr(GString) text = g_string_new(NULL);
	add_table(text, status, util_clock_now_utc(central->clock));
	add_next_step(text, cmd, status);
	if (status->job_running || status->jobs_waiting)
		g_string_append_printf(text, "jobs: %s%s, %u waiting\n",
				       status->job_running ? "running " : "none running",
				       status->job_running ? status->job_running : "",
				       status->jobs_waiting);
	for (guint i = 0; i < status->trouble->len; i++) {
		g_autofree char *line =
		    util_text_printable(g_ptr_array_index(status->trouble, i), -1);
		g_string_append_printf(text, "! %s\n", line);
	}
	return g_string_free(g_steal_pointer(&text), FALSE);
}

/* ---- --watch ---- */

/* One line that ends at the terminal's edge, if not before. Nothing is erased from the last column
 * on: the cursor stays there, and the character would go. */
static void add_line(GString *screen, const char *line, guint columns)
{
	g_autofree char *cut = cmd_text_cut(line, columns);
	gboolean full = cmd_text_width(cut) >= columns;
	g_string_append_printf(screen, "%s%s", cut, full ? "" : "\033[K");
}

/* From the top, over what was there: at most what the terminal holds. The cursor ends below, where
 * a shell goes on, unless that would take one row of two. */
static void redraw(const char *text, guint rows, guint columns)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	guint count = g_strv_length(lines) - 1; /* the last ends with a newline, too */
	guint room = rows > 2 ? rows - 1 : rows;
	guint shown = count <= room ? count : MAX(room - 1, 1);
	g_autoptr(GString) screen = g_string_new("\033[H");
	for (guint i = 0; i < MIN(count, room); i++) {
		g_autofree char *more = g_strdup_printf("%u more lines", count - shown);
		add_line(screen, i < shown ? lines[i] : more, columns);
		g_string_append(screen, i + 1 < rows ? "\n" : "");
	}
	g_string_append(screen, MIN(count, room) < rows ? "\033[J" : "");
	g_print("%s", screen->str);
}

/* Until it is interrupted: on a terminal in place, elsewhere again whenever it changed. */
static int watch(const Cmd *cmd, GError **error)
{
	guint rows = 0, columns = 0;
	g_autofree char *before = NULL;
	for (gboolean first = TRUE;; first = FALSE) {
		g_autofree char *json = NULL;
		g_autofree char *text = status_text(cmd, FALSE, &json, error);
		if (!text)
			return 1;
		gboolean terminal = !cmd->json && cmd_terminal_size(&rows, &columns);
		if (terminal && first)
			g_print("\033[2J");
		if (terminal)
			redraw(text, rows, columns);
		else if (g_strcmp0(json, before) != 0)
			g_print("%s%s", first || cmd->json ? "" : "\n", text);
		(void)fflush(stdout); /* who reads is gone: the next line says so */
		g_free(before);
		before = g_steal_pointer(&json);
		g_usleep(WATCH_US);
	}
}

int cmd_status(Cmd *cmd, GError **error)
{
	gboolean watching = FALSE, metrics = FALSE;
	const GOptionEntry own[] = {{"watch", 'w', 0, G_OPTION_ARG_NONE, &watching,
				     "Show it again and again, until interrupted", NULL},
				    {"metrics", 0, 0, G_OPTION_ARG_NONE, &metrics,
				     "In the text format of Prometheus", NULL},
				    G_OPTION_ENTRY_NULL};
	if (!cmd_options(cmd, own, 0, 1, error))
		return 2;
	if (watching)
		return watch(cmd, error);
	g_autofree char *text = status_text(cmd, metrics, NULL, error);
	if (!text)
		return 1;
	g_print("%s", text);
	return 0;
}
