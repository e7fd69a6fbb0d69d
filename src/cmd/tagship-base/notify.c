/* SPDX-License-Identifier: ISC */
/*
 * A base's notices, with or without a line: its own reports, which wait for central or were
 * confirmed, and what lasts and needs somebody here.
 */
#include "cmd/notices.h"
#include "cmd/tagship-base/clock.h"
#include "cmd/tagship-base/contact.h"

#define REPORT_MAX (1024 * 1024)

/* Groups of `seen`. */
#define REPORTS "reports"
#define ALARMS "alarms"

/* ---- reports ---- */

/* *ret_told stays FALSE if it was confirmed or dropped just now: it is found where it went. */
static gboolean tell_report(CmdLook *look, const char *path, const char *key, gboolean *ret_told,
			    GError **error)
{
	g_autofree char *text = NULL;
	gsize len = 0;
	if (!util_fs_read_file(look->dirfd, path, REPORT_MAX, &text, &len, NULL))
		return TRUE;
	*ret_told = TRUE;
	g_autoptr(Report) report = report_parse(text, len, NULL);
	if (!report) /* nothing can be told of it */
		return TRUE;
	return cmd_put_report(look, report, key, error);
}

static gboolean look_at_reports(CmdLook *look, const char *folder, GError **error)
{
	g_autoptr(GPtrArray) names = util_fs_list(look->dirfd, folder, error);
	for (guint i = 0; names && i < names->len; i++) {
		const char *key = names->pdata[i];
		g_autofree char *path = g_build_filename(folder, key, NULL);
		if (g_str_has_suffix(key, ".sig") || strcmp(key, "commits") == 0)
			continue;
		gboolean known = g_key_file_has_key(look->before, REPORTS, key, NULL) ||
				 g_key_file_has_key(look->now, REPORTS, key, NULL);
		gboolean told = look->first || known;
		if (!told && !tell_report(look, path, key, &told, error))
			return FALSE;
		if (told)
			g_key_file_set_string(look->now, REPORTS, key, "");
	}
	return names != NULL;
}

/* ---- what lasts ---- */

/* detail NULL: it is not so, or no more. */
static gboolean look_at_alarm(CmdLook *look, const char *event, const char *detail, GError **error)
{
	const Base *base = look->side;
	g_autofree char *before = g_key_file_get_string(look->before, ALARMS, event, NULL);
	g_autofree char *now = util_time_format_utc(look->now_utc);
	Notice notice = {.event = event,
			 .over = !detail,
			 .time_utc = look->now_utc,
			 .base = base->conf->name,
			 .detail = detail,
			 .outage_ms = -1};
	if (detail)
		g_key_file_set_string(look->now, ALARMS, event, before ? before : now);
	if (!before == !detail)
		return TRUE;
	g_autofree char *key = g_strdup_printf("alarm %s %s %s", event, detail ? "begins" : "ends",
					       before ? before : now);
	return cmd_put_notice(look, key, &notice, error);
}

static char *silence(const CmdLook *look, const UtilTrailers *contact)
{
	const Base *base = look->side;
	gint64 heard_utc = 0;
	if (!contact || util_trailers_get(contact, "By-File") ||
	    !util_trailers_need_time(contact, "Good-Time", &heard_utc, NULL) ||
	    look->now_utc - heard_utc <= base->conf->silent_s)
		return NULL;
	g_autofree char *since = util_time_format_utc(heard_utc);
	return g_strdup_printf("central was not reached since %s", since);
}

static char *full_disk(const Base *base)
{
	guint64 bytes = 0;
	if (!mirror_free_bytes(base->dirfd, base->conf, &bytes) ||
	    bytes > (guint64)base->conf->min_free_mb * 1000000)
		return NULL;
	g_autofree char *text = util_text_bytes(bytes);
	return g_strdup_printf("%s free, below min_free_mb: nothing is fetched", text);
}

static char *old_key(const CmdLook *look)
{
	const Base *base = look->side;
	return cmd_key_is_old(base->conf->key_file, look->now_utc)
		   ? g_strdup("its key is over a year old: tagship-base key rotate")
		   : NULL;
}

static gboolean look_at_alarms(CmdLook *look, GError **error)
{
	const Base *base = look->side;
	gint64 offset_ms = 0;
	g_autoptr(UtilTrailers) contact = base_last_contact(base);
	g_autofree char *silent = silence(look, contact);
	g_autofree char *head = base_head_alarm(base);
	g_autofree char *doubt = base_clock_doubt(base);
	g_autofree char *disk = full_disk(base);
	g_autofree char *key = old_key(look);
	gboolean off = base_clock_offset(contact, &offset_ms) && base_clock_is_off(offset_ms);
	g_autofree char *offset =
	    off ? g_strdup_printf("%+.3f s off central's", (double)offset_ms / 1000) : NULL;
	return look_at_alarm(look, "silent", silent, error) &&
	       look_at_alarm(look, "head-old", head, error) &&
	       look_at_alarm(look, "clock-off", offset, error) &&
	       look_at_alarm(look, "clock-doubt", doubt, error) &&
	       look_at_alarm(look, "disk-full", disk, error) &&
	       look_at_alarm(look, "key-old", key, error);
}

/* ---- the command ---- */

static gboolean find_news(CmdLook *look, GError **error)
{
	/* what is confirmed meanwhile goes from the first to the second */
	return look_at_reports(look, "pending", error) &&
	       look_at_reports(look, "reported", error) && look_at_alarms(look, error);
}

void base_notify_quietly(const Base *base)
{
	g_autofree char *own = cmd_sibling("tagship-base", TAGSHIP_BINDIR);
	const char *argv[] = {own, "notify", "-q", "-C", base->root, NULL};
	if (*base->conf->notify)
		(void)util_child_detach(argv, NULL); /* the next one tells */
}

int base_notify(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 0, 0, error))
		return 2;
	g_autoptr(Base) base = base_open(cmd, error);
	if (!base)
		return 1;
	if (base->conf->node) {
		cmd_say(cmd, "what happens on a node is told by its base");
		return 0;
	}
	const CmdTelling telling = {.dirfd = base->dirfd,
				    .argv = base->conf->notify,
				    .events = base->conf->notify_events,
				    .now_utc = util_clock_now_utc(base->clock),
				    .find = find_news,
				    .side = base};
	return cmd_tell(cmd, &telling, error);
}
