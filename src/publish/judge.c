/* SPDX-License-Identifier: ISC */
/* What pre-receive asks of a plan, and whoever wants to know before the push. */
#include "publish/publish-private.h"

static gboolean check_lead(Central *central, const PlanTable *table, GError **error)
{
	/* by time: the first is the earliest */
	const PlanTarget *first = g_ptr_array_index(table->targets, 0);
	return table->is_now ||
	       central_lead_check(first->at_utc, util_clock_now_utc(central->clock),
				  central->conf->lead_s, error);
}

char *publish_bound_commit(Central *central, const char *app, const char *version)
{
	g_autoptr(LibraryVersion) known = library_version(central->library, app, version, NULL);
	return known && known->bound ? g_strdup(known->commit) : NULL;
}

gboolean publish_judge_version(Central *central, const char *app, const char *tag,
			       const char *commit, GError **error)
{
	g_autofree char *bound = publish_bound_commit(central, app, tag);
	return central_version_check(tag, commit, bound, error);
}

gboolean publish_judge_root(const Plan *plan, const LibraryVersion *version, GError **error)
{
	return !plan->root || strcmp(plan->root, version->root) == 0 ||
	       util_error_set(error, TS_ERROR_REFUSED,
			      "Release-Root: %s: version %s is the tree %s; if that is the one you "
			      "mean, tag anew with it",
			      plan->root, version->version, version->root);
}

/* A version that is not built yet is held against it when it is. */
static gboolean check_root(Central *central, const char *app, const Plan *plan,
			   const PlanTable *table, GError **error)
{
	g_autoptr(LibraryVersion) known =
	    plan->root ? library_version(central->library, app, table->version, NULL) : NULL;
	return !known || publish_judge_root(plan, known, error);
}

static const PlanBase *find_base(const PlanFacts *facts, const char *name)
{
	for (guint i = 0; i < facts->n_bases; i++)
		if (strcmp(facts->bases[i].name, name) == 0)
			return &facts->bases[i];
	return NULL;
}

/* Who signs for one app must not have signed for another one that has a tag of this name. */
static gboolean check_names_app(Central *central, const ConfApp *app, const Plan *plan,
				GError **error)
{
	if (!plan || plan->app)
		return TRUE;
	g_auto(GStrv) apps = conf_app_names(central->dirfd, error);
	return apps && (g_strv_length(apps) < 2 ||
			util_error_set(
			    error, TS_ERROR_REFUSED,
			    "Release-App is missing: signed plans must name their app where there "
			    "are several; add \"Release-App: %s\"",
			    app->name));
}

static gboolean ask_signers(Central *central, const ConfApp *app, const PublishTagObject *object,
			    const PlanTable *table, const PlanFacts *facts, char **ret_signer,
			    GError **error)
{
	guint n = table ? table->targets->len : 0;
	g_autofree TrustBase *bases = g_new0(TrustBase, n + 1);
	g_autoptr(TrustSigners) signers =
	    trust_signers_load(central->dirfd, PUBLISH_SIGNERS, error);
	if (!signers) {
		g_prefix_error(error,
			       "app %s requires signed tags, and nobody can be asked whose "
			       "signatures count; an admin must mend this: ",
			       app->name);
		return FALSE;
	}
	for (guint i = 0; i < n; i++) {
		const PlanTarget *target = table->targets->pdata[i];
		const PlanBase *base = find_base(facts, target->base);
		bases[i] = (TrustBase){.name = target->base, .groups = base ? base->groups : NULL};
	}
	const TrustAsked asked = {.tag = object->tag,
				  .raw = object->raw,
				  .len = object->len,
				  .app = app->name,
				  .bases = bases,
				  .n_bases = n,
				  .at_utc = object->at_utc};
	*ret_signer = trust_tag_signer(signers, &asked, error);
	return *ret_signer != NULL;
}

gboolean publish_judge_signer(Central *central, const ConfApp *app, const PublishTagObject *object,
			      const PlanTable *table, const PlanFacts *facts, char **ret_signer,
			      GError **error)
{
	if (app->require_signed_tags)
		return ask_signers(central, app, object, table, facts, ret_signer, error) &&
		       check_names_app(central, app, object->plan, error);
	*ret_signer = trust_tag_claims(object->tag, object->raw, object->len);
	return TRUE;
}

static gboolean check_signer(Central *central, const PublishAsked *asked, const PlanTable *table,
			     const PlanFacts *facts, GError **error)
{
	g_autofree char *signer = NULL;
	g_autoptr(ConfApp) app =
	    asked->object ? conf_app_load(central->dirfd, asked->app, error) : NULL;
	if (!asked->object)
		return TRUE;
	return app &&
	       (!app->require_signed_tags ||
		publish_judge_signer(central, app, asked->object, table, facts, &signer, error));
}

gboolean publish_judge_unused(Central *central, const char *app, const char *release,
			      GError **error)
{
	g_auto(GStrv) apps = conf_app_names(central->dirfd, error);
	for (guint i = 0; apps && apps[i]; i++) {
		g_autoptr(GPtrArray) decisions =
		    strcmp(apps[i], app) == 0
			? NULL
			: library_decisions(central->library, apps[i], release, NULL);
		if (!decisions || !publish_decision(decisions, "accepted"))
			continue;
		return util_error_set(
		    error, TS_ERROR_REFUSED,
		    "this very tag object is a release of app \"%s\" already, and "
		    "a tag object is released once; give app \"%s\" a tag of its "
		    "own: tag again, with \"Release-App: %s\" in its message",
		    apps[i], app, app);
	}
	return apps != NULL;
}

PlanTable *publish_judge_plan(Central *central, const PublishAsked *asked, const Plan *plan,
			      GError **error)
{
	gboolean own = !plan->version || strcmp(plan->version, asked->tag) == 0;
	g_autoptr(PublishFacts) facts =
	    publish_facts_new(central, asked->app, asked->app_names, asked->pusher, error);
	const PlanFacts *known = facts ? publish_facts_plan(facts) : NULL;
	g_autoptr(PlanTable) table = known ? plan_compile(plan, asked->tag, known, error) : NULL;
	if (!table || !check_lead(central, table, error) ||
	    (own && asked->commit &&
	     !publish_judge_version(central, asked->app, asked->tag, asked->commit, error)) ||
	    !check_root(central, asked->app, plan, table, error) ||
	    !check_signer(central, asked, table, known, error))
		return NULL;
	return g_steal_pointer(&table);
}
