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

static gboolean look_for_news(const CmdTelling *telling, GError **error)
{
	CmdLook look = {.dirfd = telling->dirfd,
			.now_utc = telling->now_utc,
			.events = telling->events,
			.side = telling->side};
	g_autoptr(GKeyFile) before = notice_seen_load(telling->dirfd, &look.first, error);
	g_autoptr(GKeyFile) now = g_key_file_new();
	look.before = before;
	look.now = now;
	return before && telling->find(&look, error) &&
	       notice_seen_save(telling->dirfd, now, error);
}

void cmd_check_notify(CmdDoctor *doctor, int dirfd, char *const *argv)
{
	if (!*argv)
		return;
	g_autofree char *program = g_find_program_in_path(argv[0]);
	guint failed = notice_failed(dirfd);
	cmd_finding(doctor, program != NULL, "notify: %s%s", argv[0],
		    program ? "" : " cannot be run, and nobody is told: is it there, executable?");
	if (failed > 0)
		cmd_finding(doctor, FALSE,
			    "notify: %u could not be told so far; the command notify says why",
			    failed);
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
	gboolean looked = look_for_news(telling, &blind);
	if (!notice_deliver(telling->dirfd, (const char *const *)telling->argv, telling->now_utc,
			    &delivered, error))
		return 1;
	int status = say(cmd, &delivered);
	if (looked)
		return status;
	g_propagate_error(error, g_steal_pointer(&blind));
	return 1;
}

gboolean cmd_put_notice(const CmdLook *look, const char *key, const Notice *notice, GError **error)
{
	gboolean wanted =
	    !*look->events || g_strv_contains((const char *const *)look->events, notice->event);
	return !wanted || notice_put(look->dirfd, key, notice, error);
}

/* of_base: what it says of the report as a whole. */
static gboolean put_node(const CmdLook *look, const Notice *of_base, const ReportNode *node,
			 GError **error)
{
	const char *event = report_event_name(node->event);
	g_autofree char *key =
	    g_strdup_printf("report %s %s %s %s %" G_GINT64_FORMAT, of_base->base, of_base->release,
			    node->name, event, node->time_utc);
	Notice notice = *of_base;
	notice.event = event;
	notice.node = node->name;
	notice.time_utc = node->time_utc;
	notice.detail = node->detail;
	notice.outage_ms = node->outage_ms;
	return !node->reported || !report_event_ends(node->event) ||
	       cmd_put_notice(look, key, &notice, error);
}

gboolean cmd_put_report(const CmdLook *look, const Report *report, const char *key, GError **error)
{
	g_autofree char *identity = g_strdup_printf("report %s %s", report->base, key);
	Notice notice = {.event = report_event_name(report->event),
			 .time_utc = report->event_utc,
			 .app = report->app,
			 .base = report->base,
			 .version = report->version,
			 .release = report->release,
			 .detail = report->detail,
			 .outage_ms = report->outage_ms};
	for (guint i = 0; report->event == REPORT_NODES && i < report->nodes->len; i++)
		if (!put_node(look, &notice, report->nodes->pdata[i], error))
			return FALSE;
	notice.log_end = report->log_end;
	return report->event == REPORT_NODES || cmd_put_notice(look, identity, &notice, error);
}
