/* SPDX-License-Identifier: ISC */
#include <unistd.h>

#include "cmd/tagship/tagship.h"
#include "status/status.h"

/* The message from FILE or standard input; comment lines of git's editor are left out. */
static char *read_message(const char *path, GError **error)
{
	g_autofree char *text = NULL;
	gsize len = 0;
	if (path && strcmp(path, "-") != 0) {
		if (!util_fs_read_file(AT_FDCWD, path, PLAN_MESSAGE_MAX * 2, &text, &len, error))
			return NULL;
	} else {
		text = g_malloc0(PLAN_MESSAGE_MAX * 2 + 1);
		if (!util_fs_read_full(STDIN_FILENO, text, PLAN_MESSAGE_MAX * 2, &len, error))
			return NULL;
	}
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	g_autoptr(GString) kept = g_string_new(NULL);
	for (guint i = 0; lines[i]; i++)
		if (lines[i][0] != '#' && (lines[i + 1] || *lines[i]))
			g_string_append_printf(kept, "%s\n", lines[i]);
	return g_string_free(g_steal_pointer(&kept), FALSE);
}

static int compile_here(Cmd *cmd, const Plan *plan, const char *app, const char *tag,
			GError **error)
{
	g_autoptr(Central) central = central_open(cmd->dir, error);
	const char *const apps[] = {app, NULL};
	if (!central || !cmd_check_apps(central, apps, error))
		return 1;
	g_autoptr(PublishFacts) facts = publish_facts_new(central, app, apps, NULL, error);
	g_autoptr(PlanTable) table =
	    facts ? plan_compile(plan, tag ? tag : "this-tag", publish_facts_plan(facts), error)
		  : NULL;
	if (!table)
		return 3;
	g_autofree char *text = plan_table_format(table, util_clock_now_utc(central->clock));
	g_print("%s", text);
	return 0;
}

static int plan_check(Cmd *cmd, GError **error)
{
	g_autofree char *app = NULL, *tag = NULL;
	const GOptionEntry own[] = {
	    {"app", 0, 0, G_OPTION_ARG_STRING, &app,
	     "Compile against this app's bases (needs central's state)", "APP"},
	    {"tag", 0, 0, G_OPTION_ARG_STRING, &tag, "The tag's name", "NAME"},
	    G_OPTION_ENTRY_NULL};
	if (!cmd_options(cmd, own, 0, 1, error))
		return 2;
	g_autofree char *message = read_message(cmd->argc > 1 ? cmd->argv[1] : NULL, error);
	g_autoptr(Plan) plan = NULL;
	if (!message || !plan_parse(message, strlen(message), &plan, error))
		return 3;
	if (!plan) {
		cmd_say(cmd, "no plan in it: an ordinary annotated tag");
		return 0;
	}
	if (app)
		return compile_here(cmd, plan, app, tag, error);
	cmd_say(cmd, "the plan reads well: at %s; with --app APP it is compiled for its bases",
		plan->at_text);
	return 0;
}

/* To come, at a base that is still ours. */
static gboolean is_open(const PublishTarget *target, char **bases)
{
	return target->state != CENTRAL_ENDED &&
	       g_strv_contains((const char *const *)bases, target->base);
}

static void list_release(CmdTable *table, JsonBuilder *json, const PublishRelease *release,
			 char **bases, gint64 now)
{
	gboolean open = FALSE;
	for (guint i = 0; i < release->targets->len; i++) {
		const PublishTarget *target = g_ptr_array_index(release->targets, i);
		if (!is_open(target, bases) || strcmp(release->state, "cancelled") == 0 ||
		    strcmp(release->state, "build-failed") == 0)
			continue;
		open = TRUE;
		g_autofree char *utc = util_time_format_utc(target->at_utc);
		g_autofree char *left = util_text_duration(target->at_utc - now);
		cmd_table_row(table, release->app, release->version, target->base,
			      release->is_now ? "now" : target->local_text,
			      release->is_now ? "" : utc, release->is_now ? "" : left,
			      release->state, release->tag, NULL);
	}
	if (open)
		status_release_to_json(release, json);
}

static int plan_list(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 0, 1, error))
		return 2;
	g_autoptr(Central) central = central_open(cmd->dir, error);
	g_auto(GStrv) apps = central ? conf_app_names(central->dirfd, error) : NULL;
	g_auto(GStrv) bases = apps ? conf_peer_names(central->dirfd, error) : NULL;
	if (!bases)
		return 1;
	static const char *const heads[] = {"APP",  "VERSION", "BASE", "LOCAL TIME", "UTC",
					    "LEFT", "STATE",   "TAG",  NULL};
	g_autoptr(CmdTable) table = cmd_table_new(heads);
	g_autoptr(JsonBuilder) json = json_builder_new();
	json_builder_begin_array(json);
	for (guint a = 0; apps[a]; a++) {
		if (cmd->argc > 1 && strcmp(cmd->argv[1], apps[a]) != 0)
			continue;
		g_autoptr(GPtrArray) releases = publish_releases(central, apps[a], 0, error);
		if (!releases)
			return 1;
		for (guint i = 0; i < releases->len; i++)
			list_release(table, json, g_ptr_array_index(releases, i), bases,
				     util_clock_now_utc(central->clock));
	}
	json_builder_end_array(json);
	if (cmd->json)
		cmd_print_json(json);
	else
		cmd_table_print(table);
	return 0;
}

int cmd_plan(Cmd *cmd, GError **error)
{
	static const CmdVerb verbs[] = {{"check", plan_check}, {"list", plan_list}, {NULL, NULL}};
	return cmd_verb(cmd, verbs, error);
}
