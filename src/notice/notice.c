/* SPDX-License-Identifier: ISC */
#include "notice/notice.h"

#include <json-glib/json-glib.h>

#define FOLDER "notices"
#define SEEN FOLDER "/seen"
#define LOCK FOLDER "/lock"
#define LOCK_WAIT_MS 10000
#define SEEN_MAX (64 * 1024 * 1024)
#define NOTICE_MAX (256 * 1024)
#define KEY_HEX 16
#define DEADLINE_S 60
#define AGAIN_S 60
#define AGAIN_MOST_S 3600
#define GIVE_UP_S (7 * 24 * 3600)
#define OUTPUT_MAX 4096
#define FAILURES_IN_A_ROW 2

int notice_lock(int dirfd, GError **error)
{
	if (!util_fs_mkdir(dirfd, FOLDER, 0700, error))
		return -1;
	return util_fs_lock(dirfd, LOCK, LOCK_WAIT_MS, error);
}

/* ---- as JSON ---- */

static void add_text(JsonBuilder *json, const char *name, const char *text)
{
	json_builder_set_member_name(json, name);
	if (!text) {
		json_builder_add_null_value(json);
		return;
	}
	g_autofree char *valid = g_utf8_make_valid(text, -1);
	json_builder_add_string_value(json, valid);
}

/* For people: "shop v2 at haikou: live". */
static char *sentence(const Notice *notice)
{
	g_autoptr(GString) text = g_string_new(NULL);
	if (notice->app)
		g_string_append(text, notice->app);
	if (notice->version)
		g_string_append_printf(text, " %s", notice->version);
	if (notice->base)
		g_string_append_printf(text, "%s%s", text->len > 0 ? " at " : "", notice->base);
	if (notice->node)
		g_string_append_printf(text, ", node %s", notice->node);
	g_string_append_printf(text, "%s%s%s", text->len > 0 ? ": " : "", notice->event,
			       notice->over ? " no more" : "");
	if (notice->detail && *notice->detail && !notice->over)
		g_string_append_printf(text, ": %s", notice->detail);
	return g_string_free(g_steal_pointer(&text), FALSE);
}

static char *to_json(const Notice *notice)
{
	g_autoptr(JsonBuilder) json = json_builder_new();
	g_autofree char *time = util_time_format_utc(notice->time_utc);
	g_autofree char *text = sentence(notice);
	json_builder_begin_object(json);
	add_text(json, "event", notice->event);
	json_builder_set_member_name(json, "over");
	json_builder_add_boolean_value(json, notice->over);
	add_text(json, "time", time);
	add_text(json, "app", notice->app);
	add_text(json, "base", notice->base);
	add_text(json, "node", notice->node);
	add_text(json, "version", notice->version);
	add_text(json, "release", notice->release);
	add_text(json, "detail", notice->detail);
	add_text(json, "log_end", notice->log_end);
	json_builder_set_member_name(json, "outage_ms");
	if (notice->outage_ms >= 0)
		json_builder_add_int_value(json, notice->outage_ms);
	else
		json_builder_add_null_value(json);
	add_text(json, "text", text);
	json_builder_end_object(json);
	g_autoptr(JsonNode) root = json_builder_get_root(json);
	return json_to_string(root, FALSE);
}

/* ---- the queue ---- */

/* first_utc: of the first try. */
static gboolean write_waiting(int dirfd, const char *path, const char *json, gint64 tries,
			      gint64 first_utc, gint64 next_utc, GError **error)
{
	g_autoptr(UtilTrailers) text = util_trailers_new();
	util_trailers_add_int(text, "Tries", tries);
	util_trailers_add_time(text, "First", first_utc);
	util_trailers_add_time(text, "Next", next_utc);
	util_trailers_add(text, "Json", json);
	g_autofree char *formatted = util_trailers_format(text);
	return util_fs_write_file(dirfd, path, formatted, strlen(formatted), 0600, error);
}

/* TIME-NUMBER-HASH: in the order of events, and within one second in that in which they were put.
 * One that waits already keeps its name. */
static char *name_of(int dirfd, const char *key, gint64 time_utc, GError **error)
{
	g_autofree char *hex = g_compute_checksum_for_string(G_CHECKSUM_SHA256, key, -1);
	guint same_second = 0;
	g_autoptr(GPtrArray) names = util_fs_list(dirfd, FOLDER, error);
	g_autofree char *time = g_strdup_printf("%012" G_GINT64_FORMAT "-", time_utc);
	hex[KEY_HEX] = '\0';
	for (guint i = 0; names && i < names->len; i++) {
		if (!g_str_has_prefix(names->pdata[i], time))
			continue;
		if (g_str_has_suffix(names->pdata[i], hex))
			return g_strconcat(FOLDER "/", names->pdata[i], NULL);
		same_second++;
	}
	return names ? g_strdup_printf(FOLDER "/%s%06u-%s", time, same_second, hex) : NULL;
}

gboolean notice_put(int dirfd, const char *key, const Notice *notice, GError **error)
{
	g_autofree char *json = to_json(notice);
	if (!util_fs_mkdir(dirfd, FOLDER, 0700, error))
		return FALSE;
	g_autofree char *path = name_of(dirfd, key, notice->time_utc, error);
	return path &&
	       write_waiting(dirfd, path, json, 0, notice->time_utc, notice->time_utc, error);
}

/* ---- what was seen ---- */

GKeyFile *notice_seen_load(int dirfd, gboolean *ret_first, GError **error)
{
	g_autoptr(GKeyFile) seen = g_key_file_new();
	g_autoptr(GError) none = NULL;
	g_autofree char *text = NULL;
	gsize len = 0;
	gboolean there = util_fs_read_file(dirfd, SEEN, SEEN_MAX, &text, &len, &none);
	*ret_first = !there;
	if (!there && !g_error_matches(none, TS_ERROR, TS_ERROR_NOT_FOUND)) {
		g_propagate_error(error, g_steal_pointer(&none));
		return NULL;
	}
	if (there && len > 0 &&
	    !g_key_file_load_from_data(seen, text, len, G_KEY_FILE_NONE, &none)) {
		util_error_set(error, TS_ERROR_CORRUPT,
			       FOLDER
			       "/seen: %s; remove it: what is known by then is not told again",
			       none->message);
		return NULL;
	}
	return g_steal_pointer(&seen);
}

gboolean notice_seen_save(int dirfd, GKeyFile *seen, GError **error)
{
	gsize len = 0;
	g_autofree char *text = g_key_file_to_data(seen, &len, NULL);
	if (util_fs_file_says(dirfd, SEEN, text))
		return TRUE;
	return util_fs_mkdir(dirfd, FOLDER, 0700, error) &&
	       util_fs_write_file(dirfd, SEEN, text, len, 0600, error);
}

/* ---- delivery ---- */

/* The command's exit status 0; else why not, owned by the caller. */
static char *run_command(const char *const *argv, const char *json)
{
	g_autofree char *line = g_strconcat(json, "\n", NULL);
	g_autoptr(GBytes) input = g_bytes_new(line, strlen(line));
	g_autoptr(GBytes) output = NULL;
	g_autoptr(GError) error = NULL;
	g_autofree char *errors = NULL;
	int status = 0;
	if (!util_child_capture(argv, NULL, input, DEADLINE_S, OUTPUT_MAX, &output, &errors,
				&status, &error))
		return g_strdup(error->message);
	if (status == 0)
		return NULL;
	g_strchomp(errors);
	return g_strdup_printf("%s: exit status %d%s%s", argv[0], status, *errors ? ": " : "",
			       errors);
}

/* One that waits; *ret_failed as run_command's. */
static gboolean deliver_one(int dirfd, const char *name, const char *const *argv, gint64 now_utc,
			    NoticeDelivered *delivered, char **ret_failed, GError **error)
{
	g_autofree char *path = g_strconcat(FOLDER "/", name, NULL);
	g_autofree char *text = NULL;
	gsize len = 0;
	gint64 tries = 0, first_utc = 0, next_utc = 0;
	const char *json = NULL;
	if (!util_fs_read_file(dirfd, path, NOTICE_MAX, &text, &len, error))
		return FALSE;
	g_autoptr(UtilTrailers) waiting = util_trailers_parse(text, len, NULL);
	if (!waiting || !util_trailers_need_int(waiting, "Tries", 0, G_MAXINT32, &tries, NULL) ||
	    !util_trailers_need_time(waiting, "First", &first_utc, NULL) ||
	    !util_trailers_need_time(waiting, "Next", &next_utc, NULL) ||
	    !util_trailers_need(waiting, "Json", &json, NULL)) {
		*ret_failed = g_strdup_printf("%s is damaged, and dropped", path);
		delivered->given_up++;
		return util_fs_unlink(dirfd, path, error);
	}
	if (tries > 0 && next_utc > now_utc) {
		delivered->waiting++;
		return TRUE;
	}
	*ret_failed = run_command(argv, json);
	if (!*ret_failed) {
		delivered->sent++;
		return util_fs_unlink(dirfd, path, error);
	}
	if (tries > 0 && now_utc - first_utc > GIVE_UP_S) {
		delivered->given_up++;
		return util_fs_unlink(dirfd, path, error);
	}
	delivered->waiting++;
	return write_waiting(dirfd, path, json, tries + 1, tries > 0 ? first_utc : now_utc,
			     now_utc + MIN((gint64)AGAIN_S << MIN(tries, 16), AGAIN_MOST_S), error);
}

static gboolean is_waiting(const char *name)
{
	return g_ascii_isdigit(*name);
}

guint notice_failed(int dirfd)
{
	guint count = 0;
	g_autoptr(GPtrArray) names = util_fs_list(dirfd, FOLDER, NULL);
	for (guint i = 0; names && i < names->len; i++) {
		g_autofree char *path = g_strconcat(FOLDER "/", names->pdata[i], NULL);
		g_autofree char *text = NULL;
		gsize len = 0;
		gint64 tries = 0;
		if (!is_waiting(names->pdata[i]) ||
		    !util_fs_read_file(dirfd, path, NOTICE_MAX, &text, &len, NULL))
			continue;
		g_autoptr(UtilTrailers) waiting = util_trailers_parse(text, len, NULL);
		count += waiting &&
			 util_trailers_need_int(waiting, "Tries", 1, G_MAXINT32, &tries, NULL);
	}
	return count;
}

gboolean notice_deliver(int dirfd, const char *const *argv, gint64 now_utc,
			NoticeDelivered *ret_delivered, GError **error)
{
	guint in_a_row = 0;
	*ret_delivered = (NoticeDelivered){0};
	g_autoptr(GPtrArray) names = util_fs_list(dirfd, FOLDER, error);
	for (guint i = 0; names && i < names->len; i++) {
		g_autofree char *failed = NULL;
		if (!is_waiting(names->pdata[i]))
			continue;
		if (in_a_row >= FAILURES_IN_A_ROW) {
			ret_delivered->waiting++;
			continue;
		}
		if (!deliver_one(dirfd, names->pdata[i], argv, now_utc, ret_delivered, &failed,
				 error))
			return FALSE;
		in_a_row = failed ? in_a_row + 1 : 0;
		if (failed) {
			g_free(ret_delivered->failed);
			ret_delivered->failed = g_steal_pointer(&failed);
		}
	}
	return names != NULL;
}
