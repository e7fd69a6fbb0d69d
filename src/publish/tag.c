/* SPDX-License-Identifier: ISC */
/* The road of one annotated tag: plan, build, bundles, orders. Each phase is recorded first. */
#include "publish/publish-private.h"

typedef struct {
	JobRun *run;
	Repo *repo;
	GBytes *raw; /* the tag object */
	PlanTag *tag;
	Plan *plan; /* NULL: an ordinary annotated tag */
	char commit[REPO_OID];
	char *version; /* the version this release runs */
	gboolean plan_only;
} TagRoad;

static void road_clear(TagRoad *road)
{
	g_clear_pointer(&road->raw, g_bytes_unref);
	g_clear_pointer(&road->tag, plan_tag_free);
	g_clear_pointer(&road->plan, plan_free);
	g_clear_pointer(&road->repo, repo_free);
	g_clear_pointer(&road->version, g_free);
}

/* Rollback tags are objects of the library, all others of the app's repository. */
static Repo *repo_with(JobRun *run, gboolean *ret_is_library, GError **error)
{
	Repo *library = library_repo(run->central->library);
	*ret_is_library = strcmp(run->job->ref, "") == 0;
	return repo_open(*ret_is_library ? repo_path(library) : run->app->repo, error);
}

static gboolean road_read(TagRoad *road, GError **error)
{
	gboolean ours = FALSE;
	RepoType type = REPO_BLOB;
	road->repo = repo_with(road->run, &ours, error);
	if (!road->repo)
		return FALSE;
	road->raw =
	    repo_object_read(road->repo, road->run->job->oid, PLAN_MESSAGE_MAX * 4, &type, error);
	if (!road->raw)
		return FALSE;
	gsize len = 0;
	const char *data = g_bytes_get_data(road->raw, &len);
	road->tag = plan_tag_parse(data, len, error);
	if (!road->tag ||
	    !plan_parse(road->tag->message, road->tag->message_len, &road->plan, error))
		return FALSE;
	if (!repo_peel_commit(road->repo, road->run->job->oid, road->commit, error))
		return FALSE;
	const char *named = road->plan ? road->plan->version : NULL;
	road->version = g_strdup(named ? named : road->tag->name);
	road->plan_only = named && strcmp(named, road->tag->name) != 0;
	return TRUE;
}

static void add_gate(UtilTrailers *text, const Central *central, const PlanTable *table)
{
	g_autofree char *gate = plan_gate_format(table->gate, table->quorum_percent);
	if (table->gate != PLAN_GATE_ALONE)
		util_trailers_add(text, "Gate", gate);
	util_trailers_add_int(text, "Gate-Lead", central->conf->gate_lead_s);
	for (guint i = 0; table->waves > 1 && i < table->targets->len; i++) {
		const PlanTarget *target = g_ptr_array_index(table->targets, i);
		g_autofree char *line = g_strdup_printf("%u %s", target->wave, target->base);
		util_trailers_add(text, "Wave", line);
	}
}

gboolean publish_take_plan(Central *central, const ConfApp *app, const Job *job, GBytes *raw,
			   gboolean *ret_plan, GError **error)
{
	gsize len = 0;
	const char *data = g_bytes_get_data(raw, &len);
	g_autoptr(PlanTag) tag = plan_tag_parse(data, len, NULL);
	g_autoptr(Plan) plan = NULL;
	*ret_plan = tag && plan_parse(tag->message, tag->message_len, &plan, NULL) && plan &&
		    (!plan->app || strcmp(plan->app, app->name) == 0);
	if (!*ret_plan)
		return TRUE;
	util_autofd int lock = publish_lock(central, error);
	if (lock < 0)
		return FALSE;
	g_autoptr(GError) none = NULL;
	g_autoptr(GPtrArray) before =
	    library_decisions(central->library, app->name, job->oid, &none);
	if (before)
		return TRUE;
	if (!g_error_matches(none, TS_ERROR, TS_ERROR_NOT_FOUND)) {
		g_propagate_error(error, g_steal_pointer(&none));
		return FALSE;
	}
	g_autoptr(UtilTrailers) text = util_trailers_new();
	util_trailers_add(text, "Tag", tag->name);
	util_trailers_add(text, "Title", plan->title);
	util_trailers_add(text, "Version", plan->version ? plan->version : tag->name);
	util_trailers_add(text, "Job", job->id);
	util_trailers_add(text, "Tagger", tag->tagger);
	util_trailers_add(text, "Pusher", job->pusher);
	return library_decide(central->library, app->name, job->oid, "queued", text, raw,
			      util_clock_now_utc(central->clock), error);
}

static UtilTrailers *accepted_text(TagRoad *road, const PlanTable *table, const char *signer)
{
	const Job *job = road->run->job;
	UtilTrailers *text = util_trailers_new();
	util_trailers_add(text, "Tag", road->tag->name);
	util_trailers_add(text, "Title", table->title);
	util_trailers_add(text, "Version", table->version);
	util_trailers_add(text, "Plan-Only", table->plan_only ? "yes" : "no");
	util_trailers_add(text, "Now", table->is_now ? "yes" : "no");
	util_trailers_add_int(text, "Grace", table->grace_s);
	util_trailers_add_int(text, "Max-Outage", table->max_outage_s);
	util_trailers_add(text, "Cut-Off", table->cut_off);
	add_gate(text, road->run->central, table);
	util_trailers_add_time(text, "Pushed", job->created_utc);
	util_trailers_add(text, "Job", job->id);
	util_trailers_add(text, "Tagger", road->tag->tagger);
	util_trailers_add(text, "Pusher", job->pusher);
	util_trailers_add(text, "Signer", signer);
	util_trailers_add(text, "Override", table->override);
	for (guint i = 0; i < table->targets->len; i++) {
		const PlanTarget *target = g_ptr_array_index(table->targets, i);
		g_autofree char *when = util_time_format_utc(target->at_utc);
		g_autofree char *line = g_strdup_printf("%s %s %s %s", target->base, target->zone,
							when, target->local_text);
		util_trailers_add(text, "Target", line);
	}
	return text;
}

/* pre-receive has judged who pushed; a push whose hint was lost has no name here. */
static const char *known_pusher(const Job *job)
{
	return *job->ref && *job->pusher ? job->pusher : NULL;
}

/* A rollback's tag is central's own. */
static gboolean judge_signer(const TagRoad *road, const PlanTable *table, const PlanFacts *facts,
			     char **ret_signer, GError **error)
{
	JobRun *run = road->run;
	PublishTagObject object = {
	    .tag = road->tag, .plan = road->plan, .at_utc = run->job->created_utc};
	object.raw = g_bytes_get_data(road->raw, &object.len);
	return *run->job->ref == '\0' || publish_judge_signer(run->central, run->app, &object,
							      table, facts, ret_signer, error);
}

static PlanTable *compile(TagRoad *road, char **ret_signer, GError **error)
{
	Central *central = road->run->central;
	const char *app = road->run->app->name;
	g_auto(GStrv) apps = publish_apps_of_repo(central, road->run->app->repo, error);
	if (!apps)
		return NULL;
	g_autoptr(PublishFacts) facts = publish_facts_new(central, app, (const char *const *)apps,
							  known_pusher(road->run->job), error);
	if (!facts)
		return NULL;
	/* judged as of the push: a busy worker must not turn a good plan into a bad one */
	PlanFacts plan_facts = *publish_facts_plan(facts);
	plan_facts.now_utc = plan_facts.pushed_utc = road->run->job->created_utc;
	g_autoptr(PlanTable) table = plan_compile(road->plan, road->tag->name, &plan_facts, error);
	if (!table || !judge_signer(road, table, &plan_facts, ret_signer, error) ||
	    !publish_judge_unused(central, app, road->run->job->oid, error))
		return NULL;
	return g_steal_pointer(&table);
}

/* *ret_over: the plan was accepted before, or cancelled. Refused before: REFUSED again. */
static gboolean is_judged(TagRoad *road, gboolean *ret_over, GError **error)
{
	JobRun *run = road->run;
	g_autoptr(GError) none = NULL;
	g_autoptr(GPtrArray) before =
	    library_decisions(run->central->library, run->app->name, run->job->oid, &none);
	*ret_over = FALSE;
	if (!before && g_error_matches(none, TS_ERROR, TS_ERROR_NOT_FOUND))
		return TRUE;
	if (!before) {
		g_propagate_error(error, g_steal_pointer(&none));
		return FALSE;
	}
	const LibraryDecision *refused = publish_decision(before, "refused");
	if (refused) {
		const char *reason = util_trailers_get(refused->text, "Reason");
		return util_error_set(error, TS_ERROR_REFUSED, "%s",
				      reason ? reason : "the plan was refused");
	}
	*ret_over = publish_decision(before, "accepted") || publish_cancel_decision(before, NULL);
	return TRUE;
}

/* Its tag was moved while central was down, before it was seen there. */
static gboolean cancel_moved(JobRun *run, const GError *moved, GError **error)
{
	g_autoptr(UtilTrailers) text = util_trailers_new();
	util_trailers_add(text, "Reason", "its tag was moved");
	job_say(run, "%s", moved->message);
	return library_decide(run->central->library, run->app->name, run->job->oid, "cancelled",
			      text, NULL, util_clock_now_utc(run->central->clock), error);
}

/* Decides on the plan, once; under the lock, because a cancel may come at any time. */
static gboolean accept_plan(TagRoad *road, GError **error)
{
	JobRun *run = road->run;
	Library *library = run->central->library;
	gint64 now = util_clock_now_utc(run->central->clock);
	gboolean over = FALSE;
	util_autofd int lock = publish_lock(run->central, error);
	if (lock < 0 || !is_judged(road, &over, error))
		return FALSE;
	if (over)
		return TRUE;
	gboolean moved = FALSE;
	g_autoptr(GError) elsewhere = NULL;
	if (!publish_check_tag(run->central, run->job, &moved, &elsewhere)) {
		if (moved)
			return cancel_moved(run, elsewhere, error);
		g_propagate_error(error, g_steal_pointer(&elsewhere));
		return FALSE;
	}
	g_autoptr(GError) refused = NULL;
	g_autofree char *signer = NULL;
	g_autoptr(PlanTable) table = compile(road, &signer, &refused);
	g_autoptr(UtilTrailers) text = NULL;
	if (!table) {
		text = util_trailers_new();
		util_trailers_add(text, "Tag", road->tag->name);
		util_trailers_add(text, "Version", road->version);
		util_trailers_add(text, "Job", run->job->id);
		util_trailers_add(text, "Reason", refused->message);
		if (!library_decide(library, run->app->name, run->job->oid, "refused", text,
				    road->raw, now, error))
			return FALSE;
		g_propagate_error(error, g_steal_pointer(&refused));
		return FALSE;
	}
	g_autofree char *shown = plan_table_format(table, now);
	job_say(run, "%s %s: %s\n%s", table->app, table->version, table->title ? table->title : "",
		g_strchomp(shown));
	text = accepted_text(road, table, signer);
	return library_decide(library, run->app->name, run->job->oid, "accepted", text, road->raw,
			      now, error);
}

static gboolean is_cancelled(TagRoad *road)
{
	g_autoptr(GPtrArray) decisions = library_decisions(
	    road->run->central->library, road->run->app->name, road->run->job->oid, NULL);
	return decisions && publish_cancel_decision(decisions, NULL);
}

static gboolean decide_build(TagRoad *road, const char *decision, const LibraryVersion *version,
			     const char *reason, GError **error)
{
	JobRun *run = road->run;
	if (!road->plan)
		return TRUE;
	g_autoptr(UtilTrailers) text = util_trailers_new();
	util_trailers_add(text, "Version", road->version);
	util_trailers_add(text, "Job", run->job->id);
	util_trailers_add_int(text, "Attempt", run->job->attempt);
	util_trailers_add(text, "Reason", reason);
	if (version) {
		util_trailers_add(text, "Root", version->root);
		util_trailers_add(text, "Commit", version->commit);
		util_trailers_add_int(text, "Files", (gint64)version->files);
		util_trailers_add_int(text, "Bytes", (gint64)version->bytes);
	}
	return library_decide(run->central->library, run->app->name, run->job->oid, decision, text,
			      NULL, util_clock_now_utc(run->central->clock), error);
}

/* It is in the library; is it what the plan means? */
static gboolean built(TagRoad *road, const LibraryVersion *version, GError **error)
{
	g_autoptr(GError) other = NULL;
	if (!road->plan || publish_judge_root(road->plan, version, &other))
		return decide_build(road, "built", version, NULL, error);
	(void)decide_build(road, "build-failed", NULL, other->message, NULL); /* the job says it */
	g_propagate_error(error, g_steal_pointer(&other));
	return FALSE;
}

static gboolean build_or_find(TagRoad *road, LibraryVersion **ret_version, GError **error)
{
	JobRun *run = road->run;
	g_autoptr(GError) failed = NULL;
	g_autoptr(LibraryVersion) known =
	    library_version(run->central->library, run->app->name, road->version, &failed);
	if (!known && !g_error_matches(failed, TS_ERROR, TS_ERROR_NOT_FOUND)) {
		g_propagate_error(error, g_steal_pointer(&failed));
		return FALSE;
	}
	g_clear_error(&failed);
	if (known && (road->plan_only || strcmp(known->commit, road->commit) == 0)) {
		job_say(run, "version %s is in the library: root %.12s", known->version,
			known->root);
		*ret_version = g_steal_pointer(&known);
		return built(road, *ret_version, error);
	}
	gboolean may =
	    road->plan_only
		? util_error_set(&failed, TS_ERROR_REFUSED,
				 "Release-Version: %s is not in the library; push its tag first",
				 road->version)
		: !known || central_version_check(road->version, road->commit,
						  known->bound ? known->commit : NULL, &failed);
	if (may && publish_build(run, repo_path(road->repo), road->commit, road->version,
				 road->tag->tagged_utc, ret_version, &failed))
		return built(road, *ret_version, error);
	(void)decide_build(road, "build-failed", NULL, failed->message, NULL); /* the job says it */
	g_propagate_error(error, g_steal_pointer(&failed));
	return FALSE;
}

static gboolean walk(TagRoad *road, GError **error)
{
	JobRun *run = road->run;
	if (road->plan && road->plan->app && strcmp(road->plan->app, run->app->name) != 0) {
		job_say(run, "tag %s is for app %s", road->tag->name, road->plan->app);
		return TRUE;
	}
	if (road->plan && !accept_plan(road, error))
		return FALSE;
	if (road->plan && is_cancelled(road)) {
		job_say(run, "release %s was cancelled; nothing to do", road->tag->name);
		return TRUE;
	}
	g_autoptr(LibraryVersion) version = NULL;
	g_autofree char *signer = NULL;
	if ((!road->plan && !judge_signer(road, NULL, NULL, &signer, error)) ||
	    !build_or_find(road, &version, error))
		return FALSE;
	if (!road->plan) {
		job_say(run,
			"version %s is ready; no plan in this tag, so nothing is ordered. To "
			"release it: git tag -a plan/NAME with \"Release-Version: %s\"",
			version->version, version->version);
		return TRUE;
	}
	return publish_order_release(run, run->job->oid, version, error);
}

gboolean publish_job_tag(JobRun *run, GError **error)
{
	TagRoad road = {.run = run};
	gboolean ok = road_read(&road, error);
	if (ok) {
		job_say(run, "%s %s at %.12s", road.plan ? "release" : "version", road.tag->name,
			road.commit);
		ok = walk(&road, error);
	}
	road_clear(&road);
	return ok;
}
