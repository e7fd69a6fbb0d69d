/* SPDX-License-Identifier: ISC */
#include "status/status.h"
#include "cmd/tagship/tagship.h"

static char *ago_text(gint64 utc, gint64 now)
{
	if (!utc)
		return g_strdup("never");
	g_autofree char *text = util_text_duration(now - utc);
	return g_strconcat(text, " ago", NULL);
}

/* "ordered 45%, 3 min left" while its bundle is on its way. */
static char *state_text(const StatusCell *cell, gint64 now)
{
	if (cell->held)
		return g_strdup("held");
	const char *state = cell->next_state   ? cell->next_state
			    : cell->last_state ? cell->last_state
					       : "";
	if (cell->arrives_utc == 0 || cell->bundle_bytes == 0 || strcmp(state, "ordered") != 0)
		return cell->next_waits
			   ? g_strdup_printf("%s, waits for %s", state, cell->next_waits)
			   : g_strdup(state);
	g_autofree char *left = util_text_duration(MAX(cell->arrives_utc - now, 0));
	return g_strdup_printf("fetching %" G_GUINT64_FORMAT "%%, %s left",
			       cell->sent_bytes * 100 / cell->bundle_bytes, left);
}

static void print_cell(CmdTable *table, const StatusCell *cell, gint64 now)
{
	g_autofree char *since =
	    cell->live_since_utc ? ago_text(cell->live_since_utc, now) : g_strdup("");
	g_autofree char *heard = ago_text(cell->heard_utc, now);
	g_autofree char *next = NULL;
	if (cell->next_version)
		next = g_strdup_printf("%s %s", cell->next_version,
				       cell->next_is_now ? "as soon as staged" : cell->next_local);
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

int cmd_status(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 0, 1, error))
		return 2;
	g_autoptr(Central) central = central_open(cmd->dir, error);
	g_autoptr(Status) status =
	    central ? status_load(central, cmd->argc > 1 ? cmd->argv[1] : NULL, error) : NULL;
	if (!status)
		return 1;
	if (cmd->json) {
		g_autoptr(JsonBuilder) json = json_builder_new();
		status_to_json(status, json);
		cmd_print_json(json);
		return 0;
	}
	static const char *const heads[] = {"APP",  "BASE",  "LIVE",  "SINCE",
					    "NEXT", "STATE", "AS OF", NULL};
	g_autoptr(CmdTable) table = cmd_table_new(heads);
	gint64 now = util_clock_now_utc(central->clock);
	for (guint i = 0; i < status->cells->len; i++) {
		print_cell(table, g_ptr_array_index(status->cells, i), now);
		print_nodes(table, g_ptr_array_index(status->cells, i), now);
	}
	cmd_table_print(table);
	if (status->job_running || status->jobs_waiting)
		g_print("jobs: %s%s, %u waiting\n",
			status->job_running ? "running " : "none running",
			status->job_running ? status->job_running : "", status->jobs_waiting);
	for (guint i = 0; i < status->trouble->len; i++) {
		g_autofree char *line =
		    util_text_printable(g_ptr_array_index(status->trouble, i), -1);
		g_print("! %s\n", line);
	}
	return 0;
}
