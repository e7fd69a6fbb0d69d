/* SPDX-License-Identifier: ISC */
#include "cmd/notices.h"

static int say(const Cmd *cmd, NoticeDelivered *delivered)
{
	g_autofree char *failed = g_steal_pointer(&delivered->failed);
	if (failed)
		g_printerr("%s notify: %s; %u wait and are tried again\n", cmd->program->name,
			   failed, delivered->waiting);
	if (delivered->given_up > 0)
		g_printerr("%s notify: %u notices could not be told for a week, and are dropped\n",
			   cmd->program->name, delivered->given_up);
	cmd_say(cmd, "%u told, %u waiting", delivered->sent, delivered->waiting);
	return failed ? 5 : 0;
}

int cmd_tell(const Cmd *cmd, const CmdTelling *telling, GError **error)
{
	NoticeDelivered delivered = {0};
	if (!*telling->argv) {
		cmd_say(cmd, "the configuration has no `notify`: nobody is told");
		return 0;
	}
	util_autofd int lock = notice_lock(telling->dirfd, error);
	if (lock < 0)
		return 1;
	/* what waits is told, whatever keeps us from seeing what is new */
	g_autoptr(GError) blind = NULL;
	gboolean looked = telling->look(telling->side, &blind);
	if (!notice_deliver(telling->dirfd, (const char *const *)telling->argv, telling->now_utc,
			    &delivered, error))
		return 1;
	int status = say(cmd, &delivered);
	if (looked)
		return status;
	g_propagate_error(error, g_steal_pointer(&blind));
	return 1;
}

static gboolean tell_node(const Report *report, const ReportNode *node, CmdPut put,
			  gpointer user_data, GError **error)
{
	g_autofree char *key =
	    g_strdup_printf("report %s %s %s %s %" G_GINT64_FORMAT, report->base, report->release,
			    node->name, report_event_name(node->event), node->time_utc);
	Notice notice = {.event = report_event_name(node->event),
			 .time_utc = node->time_utc,
			 .app = report->app,
			 .base = report->base,
			 .node = node->name,
			 .version = report->version,
			 .release = report->release,
			 .detail = node->detail,
			 .outage_ms = node->outage_ms};
	return !node->reported || !report_event_ends(node->event) ||
	       put(key, &notice, user_data, error);
}

gboolean cmd_tell_report(const Report *report, const char *key, CmdPut put, gpointer user_data,
			 GError **error)
{
	g_autofree char *identity = g_strdup_printf("report %s %s", report->base, key);
	Notice notice = {.event = report_event_name(report->event),
			 .time_utc = report->event_utc,
			 .app = report->app,
			 .base = report->base,
			 .version = report->version,
			 .release = report->release,
			 .detail = report->detail,
			 .log_end = report->log_end,
			 .outage_ms = report->outage_ms};
	if (report->event != REPORT_NODES)
		return put(identity, &notice, user_data, error);
	for (guint i = 0; i < report->nodes->len; i++)
		if (!tell_node(report, report->nodes->pdata[i], put, user_data, error))
			return FALSE;
	return TRUE;
}
