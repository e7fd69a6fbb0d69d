/* SPDX-License-Identifier: ISC */
#include "cmd/tagship-base/base.h"

static void print_record(const char *app, const UtilTrailers *record)
{
	static const char *const hidden[] = {"Event", "Time", "Dev", "Ino", "Release", NULL};
	const char *time = util_trailers_get(record, "Time");
	const char *release = util_trailers_get(record, "Release");
	g_print("%s %s %s", time ? time : "-", app, util_trailers_get(record, "Event"));
	if (release)
		g_print(" %.7s", release);
	for (guint i = 0; i < util_trailers_count(record); i++) {
		const char *key = util_trailers_key(record, i);
		const char *value = util_trailers_value(record, i);
		if (g_strv_contains(hidden, key) || !*value)
			continue;
		g_autofree char *safe = util_text_printable(value, -1);
		gboolean hash = util_sha256_hex_ok(value);
		g_print(" %s=%.*s", key, hash ? 12 : (int)strlen(safe), safe);
	}
	g_print("\n");
}

static void json_record(JsonBuilder *json, const char *app, const UtilTrailers *record)
{
	json_builder_begin_object(json);
	json_builder_set_member_name(json, "app");
	json_builder_add_string_value(json, app);
	for (guint i = 0; i < util_trailers_count(record); i++) {
		g_autofree char *name = g_ascii_strdown(util_trailers_key(record, i), -1);
		g_autofree char *safe = util_text_printable(util_trailers_value(record, i), -1);
		json_builder_set_member_name(json, g_strdelimit(name, "-", '_'));
		json_builder_add_string_value(json, safe);
	}
	json_builder_end_object(json);
}

int base_log(Cmd *cmd, GError **error)
{
	gint lines = 0;
	const GOptionEntry own[] = {
	    {"lines", 'n', 0, G_OPTION_ARG_INT, &lines, "Only the last N", "N"},
	    G_OPTION_ENTRY_NULL};
	if (!cmd_options(cmd, own, 0, 1, error))
		return 2;
	g_autoptr(Base) base = base_open(cmd, error);
	if (!base || (cmd->argc > 1 && !base_find_app(base, cmd->argv[1], error)))
		return 1;
	g_autoptr(JsonBuilder) json = json_builder_new();
	json_builder_begin_array(json);
	for (guint i = 0; i < base->conf->apps->len; i++) {
		const ConfBaseApp *app = g_ptr_array_index(base->conf->apps, i);
		if (cmd->argc > 1 && strcmp(cmd->argv[1], app->name) != 0)
			continue;
		g_autofree char *path = g_build_filename("journal", app->name, NULL);
		g_autoptr(GPtrArray) records = store_journal_read(base->dirfd, path, error);
		if (!records)
			return 1;
		guint from =
		    lines > 0 && records->len > (guint)lines ? records->len - (guint)lines : 0;
		for (guint r = from; r < records->len; r++) {
			if (cmd->json)
				json_record(json, app->name, g_ptr_array_index(records, r));
			else
				print_record(app->name, g_ptr_array_index(records, r));
		}
	}
	json_builder_end_array(json);
	if (cmd->json)
		cmd_print_json(json);
	return 0;
}
