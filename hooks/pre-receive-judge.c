/* SPDX-License-Identifier: ISC */
/*
 * Started by the gate (hooks/gate.c) when a push touches tags, odd names, has options, or when
 * somebody else's hook is there, which runs first. Judges the push before any ref moves: ref names,
 * tags that look like plans, plans themselves, versions bound to other commits, releases that can
 * no longer be taken back. Writes nothing. All refusals of one push are printed, then the push is
 * refused as a whole.
 */
#include <unistd.h>

#include "hook.h"
#include "publish/publish.h"

typedef struct {
	Hook *hook;
	Central *central;
	Repo *repo; /* sees the quarantine */
	guint refused;
	gboolean dry_run; /* the pusher wants the answer only */
	gint64 now_utc;
} Judge;

static void refuse(Judge *judge, const char *ref, const GError *error)
{
	g_autofree char *name = util_text_printable(ref, (gssize)MIN(strlen(ref), 200));
	hook_say(judge->hook, "tagship: %s is refused:", name);
	g_auto(GStrv) lines = g_strsplit(error->message, "\n", -1);
	for (guint i = 0; lines[i]; i++) {
		g_autofree char *safe = util_text_printable(lines[i], -1);
		hook_say(judge->hook, "  %s", safe);
	}
	judge->refused++;
}

/* ---- taking back ---- */

static gboolean may_withdraw(Judge *judge, const char *app, const char *tag, const char *oid,
			     GError **error)
{
	g_autoptr(GError) unknown = NULL;
	g_autoptr(PublishRelease) release = publish_release(judge->central, app, oid, &unknown);
	if (!release)
		return TRUE; /* no release of ours */
	g_autofree CentralTarget *targets = g_new0(CentralTarget, release->targets->len + 1);
	for (guint i = 0; i < release->targets->len; i++) {
		const PublishTarget *target = g_ptr_array_index(release->targets, i);
		gboolean now_and_open =
		    release->is_now && target->state == CENTRAL_ORDERED && !target->reported;
		targets[i] = (CentralTarget){.base = target->base,
					     .state = target->state,
					     .ended_as = target->event,
					     .at_utc = now_and_open ? G_MAXINT64 : target->at_utc};
	}
	return central_may_withdraw(tag, targets, release->targets->len, judge->now_utc, error);
}

/* ---- tags ---- */

static const ConfApp *app_of_plan(Judge *judge, const Plan *plan)
{
	for (guint i = 0; i < judge->hook->confs->len; i++) {
		const ConfApp *app = g_ptr_array_index(judge->hook->confs, i);
		if (!plan->app || strcmp(plan->app, app->name) == 0)
			return app;
	}
	/* plan_compile names the nearest one */
	return g_ptr_array_index(judge->hook->confs, 0);
}

static gboolean known_release(Judge *judge, const ConfApp *app, const char *oid, GError **error)
{
	g_autoptr(PublishRelease) release = publish_release(judge->central, app->name, oid, NULL);
	if (!release || !decide_release_is_cancelled(release))
		return TRUE;
	return util_error_set(
	    error, TS_ERROR_REFUSED,
	    "this very tag object was a release and was cancelled; make a new one "
	    "(git tag -a -f %s) and push that",
	    release->tag);
}

static void say_table(Judge *judge, const PlanTable *table)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *text = plan_table_format(table, judge->now_utc);
	g_autofree char *title = util_text_printable(table->title ? table->title : "", -1);
	hook_say(judge->hook, "tagship: %s %s%s%s", table->app, table->version, *title ? ": " : "",
		 title);
	hook_say_text(judge->hook, text);
	g_autofree char *estimate = publish_estimate(judge->central, table, &error);
	if (estimate)
		hook_say_text(judge->hook, estimate);
	else
		hook_say(judge->hook, "tagship: no estimate of bytes and arrival: %s",
			 error->message);
}

static gboolean check_plan(Judge *judge, const Plan *plan, const PublishTagObject *object,
			   const char *oid, GError **error)
{
	const ConfApp *app = app_of_plan(judge, plan);
	char commit[REPO_OID];
	if (!repo_peel_commit(judge->repo, oid, commit, error)) {
		g_prefix_error(error, "a plan must tag a commit: ");
		return FALSE;
	}
	g_autofree char *pusher = hook_pusher();
	const PublishAsked asked = {.app = app->name,
				    .app_names = (const char *const *)judge->hook->apps,
				    .tag = object->tag->name,
				    .commit = commit,
				    .pusher = pusher,
				    .object = object};
	g_autoptr(PlanTable) table = publish_judge_plan(judge->central, &asked, plan, error);
	if (!table || !known_release(judge, app, oid, error) ||
	    !publish_judge_unused(judge->central, app->name, oid, error))
		return FALSE;
	/* On success nothing is printed: when the pusher is gone already, git's receive-pack dies
	 * of SIGPIPE at the first line, before the refs move, and the push would be lost. The job's
	 * log begins with this table instead. */
	if (judge->dry_run)
		say_table(judge, table);
	return TRUE;
}

static const char *required_by(Judge *judge, const char *name)
{
	for (guint i = 0; i < judge->hook->confs->len; i++) {
		const ConfApp *app = g_ptr_array_index(judge->hook->confs, i);
		if (*app->require_plan && g_pattern_match_simple(app->require_plan, name))
			return app->require_plan;
	}
	return NULL;
}

static gboolean check_no_plan(Judge *judge, const char *name, gboolean annotated, GError **error)
{
	const char *pattern = required_by(judge, name);
	if (!pattern)
		return TRUE;
	return util_error_set(
	    error, TS_ERROR_REFUSED,
	    "tags like \"%s\" must carry a release plan here, and this one is %s. For example:\n"
	    "git tag -a -f %s -m 'Title\n\nRelease-At: now\nRelease-To: all'",
	    pattern, annotated ? "without one" : "lightweight", name);
}

static gboolean check_tag(Judge *judge, const char *ref, const char *oid, GError **error)
{
	const char *name = ref + strlen("refs/tags/");
	RepoType type = REPO_BLOB;
	g_autoptr(GBytes) raw =
	    repo_object_read(judge->repo, oid, (gsize)64 * 1024 * 1024, &type, error);
	if (!raw)
		return FALSE;
	if (type != REPO_TAG)
		return check_no_plan(judge, name, FALSE, error);
	gsize len = 0;
	const char *data = g_bytes_get_data(raw, &len);
	g_autoptr(PlanTag) tag = plan_tag_parse(data, len, error);
	if (!tag)
		return FALSE;
	if (strcmp(tag->name, name) != 0)
		return util_error_set(
		    error, TS_ERROR_REFUSED,
		    "the tag object calls itself \"%s\" and is pushed as \"%s\"; a "
		    "signed plan must not be put under another name. Tag again: "
		    "git tag -a %s",
		    tag->name, name, name);
	g_autoptr(Plan) plan = NULL;
	if (!plan_parse(tag->message, tag->message_len, &plan, error))
		return FALSE;
	const PublishTagObject object = {
	    .tag = tag, .plan = plan, .raw = data, .len = len, .at_utc = judge->now_utc};
	if (plan)
		return check_plan(judge, plan, &object, oid, error);
	if (!check_no_plan(judge, name, TRUE, error))
		return FALSE;
	char commit[REPO_OID];
	for (guint i = 0; i < judge->hook->confs->len; i++) {
		const ConfApp *app = g_ptr_array_index(judge->hook->confs, i);
		if (repo_peel_commit(judge->repo, oid, commit, NULL) &&
		    !publish_judge_version(judge->central, app->name, name, commit, error))
			return FALSE;
		g_autofree char *signer = NULL;
		if (app->require_signed_tags &&
		    !publish_judge_signer(judge->central, app, &object, NULL, NULL, &signer, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean check_old_tag(Judge *judge, const HookUpdate *update, GError **error)
{
	for (guint i = 0; i < judge->hook->confs->len; i++) {
		const ConfApp *app = g_ptr_array_index(judge->hook->confs, i);
		if (!may_withdraw(judge, app->name, update->ref + strlen("refs/tags/"),
				  update->old_oid, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean check_update(Judge *judge, const HookUpdate *update, GError **error)
{
	gboolean deletes = strcmp(update->new_oid, HOOK_ZERO) == 0;
	/* what has a bad name already may go */
	if (!deletes && !central_ref_check(update->ref, error))
		return FALSE;
	if (!g_str_has_prefix(update->ref, "refs/tags/"))
		return TRUE;
	if (strcmp(update->old_oid, HOOK_ZERO) != 0 && !check_old_tag(judge, update, error))
		return FALSE;
	return deletes || check_tag(judge, update->ref, update->new_oid, error);
}

static int judge_push(Judge *judge)
{
	g_auto(GStrv) options = hook_push_options();
	judge->dry_run = g_strv_contains((const char *const *)options, "dry-run");
	for (guint i = 0; i < judge->hook->updates->len; i++) {
		const HookUpdate *update = g_ptr_array_index(judge->hook->updates, i);
		g_autoptr(GError) error = NULL;
		if (!check_update(judge, update, &error))
			refuse(judge, update->ref, error);
	}
	if (judge->refused > 0)
		return 1;
	if (!judge->dry_run)
		return 0;
	hook_say(judge->hook, "tagship: dry run: the push is good, and refused because you asked "
			      "only for this answer");
	return 1;
}

static int cannot_judge(Hook *hook, const GError *error)
{
	hook_say(hook,
		 "tagship: this push cannot be judged, so it is refused: %s\n"
		 "tagship: an admin can look with: tagship hook check %s",
		 error->message, hook->git_dir);
	return 1;
}

int main(int argc, char **argv)
{
	(void)argc; /* git gives none */
	g_autoptr(Hook) hook = hook_new("pre-receive", argv);
	g_autoptr(GError) error = NULL;
	int chained = hook_run_chained(hook);
	if (chained != 0)
		return chained;
	if (!hook_load(hook, &error))
		return cannot_judge(hook, error);
	if (!hook->state || hook->confs->len == 0)
		return 0;
	g_autoptr(Central) central = central_open(hook->state, &error);
	g_autoptr(Repo) repo = central ? repo_open_in_hook(&error) : NULL;
	if (!repo)
		return cannot_judge(hook, error);
	Judge judge = {.hook = hook,
		       .central = central,
		       .repo = repo,
		       .now_utc = util_clock_now_utc(central->clock)};
	int refused = judge_push(&judge);
	if (refused == 0 && !hook_announce_deletions(hook, &error))
		return cannot_judge(hook, error);
	return refused;
}
