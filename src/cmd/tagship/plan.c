/* SPDX-License-Identifier: ISC */
#include <unistd.h>

#include "cmd/tagship/tagship.h"
#include "status/status.h"

static char *without_comments(const char *text)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	g_autoptr(GString) kept = g_string_new(NULL);
	for (guint i = 0; lines[i]; i++)
		if (lines[i][0] != '#' && (lines[i + 1] || *lines[i]))
			g_string_append_printf(kept, "%s\n", lines[i]);
	return g_string_free(g_steal_pointer(&kept), FALSE);
}

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
	return without_comments(text);
}

/* As a push by who asks would be judged, but for the tag's commit. */
static PlanTable *judge(Central *central, const Plan *plan, const char *app_name, const char *tag,
			GError **error)
{
	g_autofree char *who = cmd_who();
	g_autofree char *ref = g_strconcat("refs/tags/", tag, NULL);
	g_autoptr(ConfApp) app = conf_app_load(central->dirfd, app_name, error);
	g_auto(GStrv) apps = app ? publish_apps_of_repo(central, app->repo, error) : NULL;
	if (!apps || !central_ref_check(ref, error))
		return NULL;
	if (plan->app && strcmp(plan->app, app_name) != 0) {
		util_error_set(error, TS_ERROR_REFUSED, "Release-App: %s, but --app %s was asked",
			       plan->app, app_name);
		return NULL;
	}
	const PublishAsked asked = {
	    .app = app_name, .app_names = (const char *const *)apps, .tag = tag, .pusher = who};
	return publish_judge_plan(central, &asked, plan, error);
}

static int compile_here(Cmd *cmd, const Plan *plan, const char *app, const char *tag,
			GError **error)
{
	g_autoptr(Central) central = central_open(cmd->dir, error);
	const char *const apps[] = {app, NULL};
	if (!central || !cmd_check_apps(central, apps, error))
		return 1;
	g_autoptr(PlanTable) table = judge(central, plan, app, tag ? tag : "this-tag", error);
	if (!table)
		return 3;
	g_autofree char *text = plan_table_format(table, util_clock_now_utc(central->clock));
	g_print("%s", text);
	g_autofree char *estimate = publish_estimate(central, table, error);
	if (!estimate)
		return 1;
	g_print("%s", estimate);
	g_autofree char *bound =
	    table->plan_only ? NULL : publish_bound_commit(central, app, table->version);
	if (bound)
		g_print("! version %s is bound to commit %.12s: at another the push is refused\n",
			table->version, bound);
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
static gboolean is_open(const PublishRelease *release, const PublishTarget *target, char **bases,
			gint64 now_utc)
{
	gboolean never = target->state == CENTRAL_CANCEL_ASKED && target->seq == 0;
	return target->state != CENTRAL_ENDED && !never &&
	       !publish_target_is_past(release, target, now_utc) &&
	       g_strv_contains((const char *const *)bases, target->base);
}

/* "Ann Example, signed" */
static char *by_text(const PublishRelease *release)
{
	const char *tagger = release->tagger ? release->tagger : "";
	const char *mail = strstr(tagger, " <");
	g_autofree char *name = mail ? g_strndup(tagger, (gsize)(mail - tagger)) : g_strdup(tagger);
	return g_strconcat(name, release->signer ? ", signed" : "", NULL);
}

/* What is to come at one base. */
typedef struct {
	const PublishRelease *release;
	const PublishTarget *target;
} Coming;

/* Its job has not compiled it: when and where is not known yet. */
static gboolean is_queued(const PublishRelease *release)
{
	return strcmp(release->state, "queued") == 0;
}

static void add_coming(GArray *coming, const PublishRelease *release, char **bases, gint64 now_utc)
{
	for (guint i = 0; i < release->targets->len; i++) {
		const PublishTarget *target = g_ptr_array_index(release->targets, i);
		if (!is_open(release, target, bases, now_utc) ||
		    strcmp(release->state, "cancelled") == 0 ||
		    strcmp(release->state, "build-failed") == 0)
			continue;
		const Coming one = {release, target};
		g_array_append_val(coming, one);
	}
}

static gint soonest_first(gconstpointer a, gconstpointer b)
{
	const Coming *x = a, *y = b;
	if (x->target->at_utc != y->target->at_utc)
		return x->target->at_utc < y->target->at_utc ? -1 : 1;
	return strcmp(x->target->base, y->target->base);
}

static void add_queued(CmdTable *table, const GPtrArray *lists)
{
	for (guint l = 0; l < lists->len; l++) {
		const GPtrArray *releases = lists->pdata[l];
		for (guint i = 0; i < releases->len; i++) {
			const PublishRelease *release = releases->pdata[i];
			g_autofree char *by = by_text(release);
			if (is_queued(release))
				cmd_table_row(table, release->app, release->version, "", "", "", "",
					      "", release->state, release->tag, by,
					      release->pusher ? release->pusher : "", NULL);
		}
	}
}

static void add_row(CmdTable *table, const Coming *one, gint64 now)
{
	const PublishRelease *release = one->release;
	const PublishTarget *target = one->target;
	g_autofree char *utc = util_time_format_utc(target->at_utc);
	g_autofree char *left = util_text_duration(target->at_utc - now);
	g_autofree char *by = by_text(release);
	g_autofree char *wave = release->waves > 1 ? g_strdup_printf("%u", target->wave) : NULL;
	const PublishGate *gate = decide_release_gate(release, target->wave);
	const char *state = target->state == CENTRAL_STAGED         ? "staged"
			    : target->state == CENTRAL_CANCEL_ASKED ? "cancel-asked"
								    : release->state;
	g_autofree char *shown = !plan_is_gated(release->gate, target->wave) || (gate && gate->open)
				     ? g_strdup(state)
				     : g_strdup_printf("%s, %s", state, gate ? "shut" : "waits");
	cmd_table_row(table, release->app, release->version, target->base,
		      release->is_now ? "now" : target->local_text, release->is_now ? "" : utc,
		      release->is_now ? "" : left, wave ? wave : "", shown, release->tag, by,
		      release->pusher ? release->pusher : "", NULL);
}

static void print_frozen(const Coming *one, const PublishFacts *facts)
{
	g_autofree char *frozen = publish_frozen(facts, one->release, one->target);
	if (frozen)
		g_print("! %s %s at %s: %s; replan or cancel it, or push it with "
			"Release-Override: REASON\n",
			one->release->app, one->release->version, one->target->base, frozen);
}

static void print_late(const Coming *one)
{
	const PublishTarget *target = one->target;
	gint64 gate = decide_release_staged_by(one->release), by = gate ? gate : target->at_utc;
	if (one->release->is_now || target->arrival_utc <= by || target->state != CENTRAL_ORDERED)
		return;
	g_autofree char *late = util_text_duration(target->arrival_utc - by);
	g_print("! %s %s at %s: its bundle was expected %s after its %s\n", one->release->app,
		one->release->version, target->base, late, gate ? "gate is decided" : "time");
}

/* Two releases of an app within an outage of each other at one base, bundles that come late, and
 * freezes that came after the plan. */
static void print_conflicts(const GArray *coming, const PublishFacts *facts)
{
	for (guint i = 0; i < coming->len; i++) {
		const Coming *one = &g_array_index(coming, Coming, i);
		const PublishTarget *target = one->target;
		print_frozen(one, facts);
		print_late(one);
		for (guint n = i + 1; n < coming->len; n++) {
			const Coming *other = &g_array_index(coming, Coming, n);
			if (other->target->at_utc - target->at_utc > CONF_MAX_OUTAGE_S)
				break; /* the soonest first */
			if (strcmp(other->release->app, one->release->app) != 0 ||
			    strcmp(other->target->base, target->base) != 0)
				continue;
			g_autofree char *apart =
			    util_text_duration(other->target->at_utc - target->at_utc);
			g_print("! %s at %s: %s (%s) and %s (%s) are %s apart\n", one->release->app,
				target->base, one->release->version, one->release->tag,
				other->release->version, other->release->tag, apart);
		}
	}
}

static void print_list(const GPtrArray *lists, const GArray *coming, const PublishFacts *facts,
		       gint64 now)
{
	static const char *const heads[] = {"APP", "VERSION", "BASE",   "LOCAL TIME",
					    "UTC", "LEFT",    "WAVE",   "STATE",
					    "TAG", "TAGGER",  "PUSHER", NULL};
	g_autoptr(CmdTable) table = cmd_table_new(heads);
	add_queued(table, lists);
	for (guint i = 0; i < coming->len; i++)
		add_row(table, &g_array_index(coming, Coming, i), now);
	cmd_table_print(table);
	print_conflicts(coming, facts);
}

static void print_list_json(const GPtrArray *lists, char **bases, gint64 now)
{
	g_autoptr(JsonBuilder) json = json_builder_new();
	json_builder_begin_array(json);
	for (guint l = 0; l < lists->len; l++) {
		const GPtrArray *releases = lists->pdata[l];
		for (guint i = 0; i < releases->len; i++) {
			g_autoptr(GArray) coming = g_array_new(FALSE, FALSE, sizeof(Coming));
			add_coming(coming, releases->pdata[i], bases, now);
			if (coming->len > 0 || is_queued(releases->pdata[i]))
				status_release_to_json(releases->pdata[i], json);
		}
	}
	json_builder_end_array(json);
	cmd_print_json(json);
}

static int plan_list(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 0, 1, error))
		return 2;
	g_autoptr(Central) central = central_open(cmd->dir, error);
	g_auto(GStrv) apps = central ? conf_app_names(central->dirfd, error) : NULL;
	g_auto(GStrv) bases = apps ? conf_peer_names(central->dirfd, error) : NULL;
	const char *const one_app[] = {cmd->argc > 1 ? cmd->argv[1] : NULL, NULL};
	if (!bases || (one_app[0] && !cmd_check_apps(central, one_app, error)))
		return 1;
	g_autoptr(GPtrArray) lists =
	    g_ptr_array_new_with_free_func((GDestroyNotify)g_ptr_array_unref);
	g_autoptr(PublishLedgers) ledgers = publish_ledgers_new();
	gint64 now = util_clock_now_utc(central->clock);
	g_autoptr(GArray) coming = g_array_new(FALSE, FALSE, sizeof(Coming));
	for (guint a = 0; apps[a]; a++) {
		if (one_app[0] && strcmp(one_app[0], apps[a]) != 0)
			continue;
		GPtrArray *releases = publish_releases(central, ledgers, apps[a], 0, error);
		if (!releases)
			return 1;
		g_ptr_array_add(lists, releases);
		for (guint i = 0; i < releases->len; i++)
			add_coming(coming, releases->pdata[i], bases, now);
	}
	g_array_sort(coming, soonest_first);
	if (cmd->json) {
		print_list_json(lists, bases, now);
		return 0;
	}
	g_autoptr(PublishFacts) facts = publish_facts_new(central, NULL, NULL, NULL, error);
	if (!facts)
		return 1;
	print_list(lists, coming, facts, now);
	return 0;
}

/* ---- plan new ---- */

#define TEMPLATE                                                                               \
	"%s\n\nRelease-At: %s\nRelease-To: %s\n%s%s%s"                                         \
	"# When, in each base's own time, and where: bases, @groups, all, -base to leave one " \
	"out.\n"                                                                               \
	"# Further trailers, each on a line of its own right below the others "                \
	"(tagship-plan(5)):\n"                                                                 \
	"#   Release-Waves: haikou; @asia +30m; all +2h\n"                                     \
	"#   Release-Gate: all-staged\n"                                                       \
	"#   Release-Grace: 30m\n"                                                             \
	"#   Release-Max-Outage: 5m\n"                                                         \
	"# Lines that begin with # are left out. Then: git tag -a -F FILE --cleanup=verbatim " \
	"NAME\n"

/* The text in the caller's editor, as git does it; FALSE if that fails. */
static gboolean edit(char **text, GError **error)
{
	static const char *const names[] = {"GIT_EDITOR", "VISUAL", "EDITOR"};
	const char *editor = "vi";
	g_autofree char *path = NULL, *after = NULL;
	for (guint i = G_N_ELEMENTS(names); i > 0; i--)
		if (g_getenv(names[i - 1]) && *g_getenv(names[i - 1]))
			editor = g_getenv(names[i - 1]);
	util_autofd int fd = g_file_open_tmp("tagship-plan-XXXXXX", &path, error);
	if (fd < 0 || !util_fs_write_all(fd, *text, strlen(*text), error))
		return FALSE;
	/* the editor's line may have arguments of its own: a shell, as git has it */
	g_autofree char *line = g_strconcat(editor, " \"$1\"", NULL);
	char *argv[] = {(char[]){"/bin/sh"}, (char[]){"-c"}, line, (char[]){"sh"}, path, NULL};
	int status = 0;
	gboolean ok = g_spawn_sync(NULL, argv, NULL, G_SPAWN_CHILD_INHERITS_STDIN, NULL, NULL, NULL,
				   NULL, &status, error) &&
		      g_spawn_check_wait_status(status, error) &&
		      g_file_get_contents(path, &after, NULL, error);
	(void)unlink(path); /* ours; whatever came of it */
	if (!ok)
		return FALSE;
	g_free(*text);
	*text = g_steal_pointer(&after);
	return TRUE;
}

static int plan_new(Cmd *cmd, GError **error)
{
	g_autofree char *at = NULL, *to = NULL, *version = NULL, *title = NULL;
	gboolean print = FALSE;
	const GOptionEntry own[] = {
	    {"at", 0, 0, G_OPTION_ARG_STRING, &at, "Release-At (default: tomorrow, 02:00)", "TIME"},
	    {"to", 0, 0, G_OPTION_ARG_STRING, &to, "Release-To (default: all)", "BASES"},
	    {"release-version", 0, 0, G_OPTION_ARG_STRING, &version, "Release-Version", "TAG"},
	    {"title", 0, 0, G_OPTION_ARG_STRING, &title, "First line", "TEXT"},
	    {"print", 0, 0, G_OPTION_ARG_NONE, &print, "Print it, start no editor", NULL},
	    G_OPTION_ENTRY_NULL};
	if (!cmd_options(cmd, own, 0, 1, error))
		return 2;
	g_autoptr(GDateTime) now = g_date_time_new_now_local();
	g_autoptr(GDateTime) tomorrow = g_date_time_add_days(now, 1);
	g_autofree char *day = g_date_time_format(tomorrow, "%Y-%m-%d 02:00 base-local");
	g_autofree char *text = g_strdup_printf(
	    TEMPLATE, title ? title : "What is new, in a line", at ? at : day, to ? to : "all",
	    version ? "Release-Version: " : "", version ? version : "", version ? "\n" : "");
	if (print || !isatty(STDIN_FILENO)) {
		g_print("%s", text);
		return 0;
	}
	if (!edit(&text, error))
		return 1;
	g_autofree char *message = without_comments(text);
	g_autoptr(Plan) plan = NULL;
	const char *file = cmd->argc > 1 ? cmd->argv[1] : "-";
	CmdFile out;
	/* kept also if it is wrong: nobody types it twice */
	gboolean kept = cmd_file_make(&out, file, FALSE, error) &&
			util_fs_write_all(out.fd, message, strlen(message), error) &&
			cmd_file_keep(&out, error);
	cmd_file_clear(&out);
	if (!kept)
		return 1;
	if (!plan_parse(message, strlen(message), &plan, error))
		return 3;
	if (!plan) {
		util_error_set(error, TS_ERROR_REFUSED, "%s: no plan in it", file);
		return 3;
	}
	if (strcmp(file, "-") != 0)
		cmd_say(cmd, "git tag -a -F %s --cleanup=verbatim NAME && git push origin NAME",
			file);
	return 0;
}

int cmd_plan(Cmd *cmd, GError **error)
{
	static const CmdVerb verbs[] = {
	    {"new", plan_new}, {"check", plan_check}, {"list", plan_list}, {NULL, NULL}};
	return cmd_verb(cmd, verbs, error);
}
