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

PlanTable *publish_judge_plan(Central *central, const PublishAsked *asked, const Plan *plan,
			      GError **error)
{
	gboolean own = !plan->version || strcmp(plan->version, asked->tag) == 0;
	g_autoptr(PublishFacts) facts =
	    publish_facts_new(central, asked->app, asked->app_names, asked->pusher, error);
	g_autoptr(PlanTable) table =
	    facts ? plan_compile(plan, asked->tag, publish_facts_plan(facts), error) : NULL;
	if (!table || !check_lead(central, table, error) ||
	    (own && asked->commit &&
	     !publish_judge_version(central, asked->app, asked->tag, asked->commit, error)))
		return NULL;
	return g_steal_pointer(&table);
}
