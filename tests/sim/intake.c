/* SPDX-License-Identifier: ISC */
/* From pushes to jobs: as the hooks, publish/reconcile.c, admin.c and tag.c have it. */
#include "sim.h"

#define OUTAGE_S 300
#define GATE_LEAD_S 600
#define COMMIT_DIGITS 40
#define ROOT_DIGITS 64

void central_add_hint(Sim *sim, SimHint *hint)
{
	g_ptr_array_add(sim->central.disk.hints, hint);
	central_wake(sim, 0);
}

static char *key_of(const char *app, const char *name)
{
	return g_strdup_printf("%s %s", app, name);
}

static SimVersion *find_version(Sim *sim, const char *app, const char *version)
{
	g_autofree char *key = key_of(app, version);
	return g_hash_table_lookup(sim->central.disk.versions, key);
}

/* ---- plans ---- */

static GPtrArray *versions_of(Sim *sim, const char *app)
{
	GPtrArray *names = g_ptr_array_new();
	GHashTableIter iter;
	gpointer key = NULL, value = NULL;
	g_hash_table_iter_init(&iter, sim->central.disk.versions);
	while (g_hash_table_iter_next(&iter, &key, &value))
		if (g_str_has_prefix(key, app) && ((const char *)key)[strlen(app)] == ' ')
			g_ptr_array_add(names, ((const SimVersion *)value)->version);
	g_ptr_array_add(names, NULL);
	return names;
}

static void facts_of(Sim *sim, const char *app, const GPtrArray *versions, gint64 now_utc,
		     PlanFacts *ret_facts)
{
	for (guint i = 0; i < sim->bases->len; i++)
		sim->plan_bases[i].runs_app = base_app(sim->bases->pdata[i], app) != NULL;
	*ret_facts = (PlanFacts){.bases = sim->plan_bases,
				 .n_bases = sim->bases->len,
				 .versions = (const char *const *)versions->pdata,
				 .zone_dir = sim_zone_dir(),
				 .now_utc = now_utc,
				 .pushed_utc = now_utc,
				 .outage_s = OUTAGE_S,
				 .freezes = sim->freezes,
				 .may_override = TRUE,
				 .gate_lead_s = GATE_LEAD_S};
}

PlanTable *central_compile(Sim *sim, const SimTag *tag, gint64 now_utc, GError **error)
{
	g_autoptr(Plan) plan = NULL;
	g_autoptr(GPtrArray) versions = versions_of(sim, tag->app);
	const char *apps[] = {tag->app, NULL};
	PlanFacts facts;
	if (!plan_parse(tag->message, strlen(tag->message), &plan, error) || !plan)
		return NULL;
	facts_of(sim, tag->app, versions, now_utc, &facts);
	facts.app_names = apps;
	return plan_compile(plan, tag->name, &facts, error);
}

/* ---- pushes ---- */

static gboolean may_withdraw(Sim *sim, const SimTag *tag, GError **error)
{
	g_autoptr(DecideRelease) release = central_release(sim, tag->oid);
	if (!release)
		return TRUE;
	g_autofree CentralTarget *targets = g_new0(CentralTarget, release->targets->len + 1);
	for (guint i = 0; i < release->targets->len; i++) {
		const DecideTarget *target = release->targets->pdata[i];
		gboolean open =
		    release->is_now && target->state == CENTRAL_ORDERED && !target->reported;
		targets[i] = (CentralTarget){.base = target->base,
					     .state = target->state,
					     .ended_as = target->event,
					     .at_utc = open ? G_MAXINT64 : target->at_utc};
	}
	return central_may_withdraw(tag->name, targets, release->targets->len, sim->now_utc, error);
}

static SimTag *tag_new(Sim *sim, const char *app, const char *name, const char *message)
{
	SimTag *tag = g_new0(SimTag, 1);
	char hex[COMMIT_DIGITS + 1];
	sim_hex(sim, hex, COMMIT_DIGITS);
	tag->oid = g_strdup(hex);
	sim_hex(sim, hex, COMMIT_DIGITS);
	tag->commit = g_strdup(hex);
	tag->app = g_strdup(app);
	tag->name = g_strdup(name);
	tag->message = g_strdup(message);
	g_ptr_array_add(sim->tags, tag);
	return tag;
}

static gboolean judge(Sim *sim, const SimTag *tag, const SimTag *before, GError **error)
{
	g_autoptr(Plan) plan = NULL;
	const SimVersion *known = find_version(sim, tag->app, tag->name);
	if (!plan_parse(tag->message, strlen(tag->message), &plan, error))
		return FALSE;
	g_autoptr(PlanTable) table = plan ? central_compile(sim, tag, sim->now_utc, error) : NULL;
	return (!plan || table) &&
	       ((table && table->plan_only) ||
		central_version_check(tag->name, tag->commit,
				      known && known->bound ? known->commit : NULL, error)) &&
	       (!before || may_withdraw(sim, before, error));
}

/* A hook that dies leaves no hint: the refs are looked at when there is time. */
static void tell_worker(Sim *sim, SimHint *hint)
{
	if (!sim->calm && sim_chance(sim, 60)) {
		sim_hint_free(hint);
		sim->central.refs_changed = TRUE;
		central_wake(sim, 60);
		return;
	}
	central_add_hint(sim, hint);
}

void central_push(Sim *sim, const char *app, const char *name, const char *message)
{
	g_autoptr(GError) refused = NULL;
	g_autofree char *key = key_of(app, name);
	SimTag *before = g_hash_table_lookup(sim->refs, key);
	SimTag *tag = tag_new(sim, app, name, message);
	if (!judge(sim, tag, before, &refused)) {
		sim->counts.refused++;
		sim_say(sim, "push", "%s %s refused: %s", app, name, refused->message);
		return;
	}
	sim_say(sim, "push", "%s %s is %.7s\n%s", app, name, tag->oid, message);
	if (before)
		(void)g_hash_table_add(sim->deleted, g_strdup(before->oid));
	g_hash_table_replace(sim->refs, g_steal_pointer(&key), tag);
	SimHint *hint = sim_hint_new(HINT_PUSH);
	hint->app = g_strdup(app);
	tell_worker(sim, hint);
}

void central_delete(Sim *sim, const char *app, const char *name, gboolean recorded)
{
	g_autoptr(GError) refused = NULL;
	g_autofree char *key = key_of(app, name);
	const SimTag *tag = g_hash_table_lookup(sim->refs, key);
	if (!tag)
		return;
	if (recorded && !may_withdraw(sim, tag, &refused)) {
		sim->counts.refused++;
		return;
	}
	sim_say(sim, "push", "%s %s %s", app, name, recorded ? "deleted" : "is gone");
	(void)g_hash_table_remove(sim->refs, key);
	SimHint *hint = sim_hint_new(HINT_PUSH);
	hint->app = g_strdup(app);
	if (recorded) {
		hint->name = g_strdup(name);
		hint->oid = g_strdup(tag->oid);
		(void)g_hash_table_add(sim->deleted, g_strdup(tag->oid));
	}
	tell_worker(sim, hint);
}

/* ---- refs ---- */

static void note_release(Sim *sim, SimTag *tag)
{
	if (g_ptr_array_find(sim->releases, tag, NULL))
		return;
	g_ptr_array_add(sim->releases, tag);
	sim->counts.releases++;
}

static SimJob *job_of(Sim *sim, const SimTag *tag)
{
	for (guint i = 0; i < sim->central.disk.jobs->len; i++) {
		SimJob *job = sim->central.disk.jobs->pdata[i];
		if (job->tag == tag)
			return job;
	}
	return NULL;
}

static gboolean make_job(Sim *sim, SimTag *tag)
{
	if (job_of(sim, tag) || !central_lives(sim))
		return sim->central.up;
	SimJob *job = g_new0(SimJob, 1);
	job->tag = tag;
	job->created_utc = sim->now_utc;
	g_ptr_array_add(sim->central.disk.jobs, job);
	central_wake(sim, 0);
	return TRUE;
}

gboolean central_tag_moved(Sim *sim, const SimTag *tag)
{
	g_autofree char *key = key_of(tag->app, tag->name);
	const SimTag *now = g_hash_table_lookup(sim->refs, key);
	return now && now != tag;
}

/* As remake.c. */
gboolean central_remake_job(Sim *sim, SimTag *tag)
{
	g_autoptr(DecideRelease) release = central_release(sim, tag->oid);
	if (!release || strcmp(release->state, "queued") != 0 || job_of(sim, tag))
		return TRUE;
	return !central_tag_moved(sim, tag) ||
	       central_cancel(sim, tag->oid, NULL, "its tag was moved");
}

/* On record before its job is made, so that it can be cancelled. */
static gboolean take_plan(Sim *sim, SimTag *tag, gboolean *ret_plan)
{
	g_autoptr(Plan) plan = NULL;
	*ret_plan = plan_parse(tag->message, strlen(tag->message), &plan, NULL) && plan;
	if (!*ret_plan || g_hash_table_contains(sim->central.disk.records, tag->oid))
		return TRUE;
	note_release(sim, tag);
	g_autoptr(UtilTrailers) text = util_trailers_new();
	util_trailers_add(text, "App", tag->app);
	util_trailers_add(text, "Tag", tag->name);
	util_trailers_add(text, "Title", plan->title);
	util_trailers_add(text, "Version", plan->version ? plan->version : tag->name);
	return central_decide(sim, tag->oid, "queued", text);
}

/* As reconcile.c: nothing is left to withdraw. */
static gboolean is_over(const DecideRelease *release)
{
	guint ended = 0;
	for (guint i = 0; i < release->targets->len; i++) {
		const DecideTarget *target = release->targets->pdata[i];
		ended += target->state == CENTRAL_ENDED ||
			 (target->state == CENTRAL_CANCEL_ASKED && target->seq == 0);
	}
	return strcmp(release->state, "refused") == 0 || decide_release_is_cancelled(release) ||
	       (ended > 0 && ended == release->targets->len);
}

static gboolean withdraw(Sim *sim, const char *oid, const char *reason)
{
	g_autoptr(DecideRelease) release = central_release(sim, oid);
	if (!release || is_over(release))
		return TRUE;
	return central_cancel(sim, oid, NULL, reason);
}

static gboolean take_ref(Sim *sim, const char *key, SimTag *tag)
{
	GHashTable *seen = sim->central.disk.seen;
	const char *before = g_hash_table_lookup(seen, key);
	gboolean plan = FALSE;
	if (before && strcmp(before, tag->oid) == 0)
		return TRUE;
	if (!take_plan(sim, tag, &plan) ||
	    (before && !withdraw(sim, before, "replaced by a new plan")) || !make_job(sim, tag) ||
	    !central_lives(sim))
		return FALSE;
	g_hash_table_replace(seen, g_strdup(key), g_strdup(tag->oid));
	return TRUE;
}

static gboolean take_missing(Sim *sim, const char *key, const SimHint *hint)
{
	const char *oid = g_hash_table_lookup(sim->central.disk.seen, key);
	g_autofree char *named = hint && hint->name ? key_of(hint->app, hint->name) : NULL;
	g_autoptr(DecideRelease) release = central_release(sim, oid);
	if (!release || !decide_release_is_cancelled(release)) {
		if (g_strcmp0(named, key) != 0 || strcmp(hint->oid, oid) != 0)
			return TRUE; /* an alarm, and nothing is done */
		if (!withdraw(sim, oid, "deleted"))
			return FALSE;
	}
	(void)g_hash_table_remove(sim->central.disk.seen, key);
	return TRUE;
}

/* Sorted, since the order of a table is not that of the history. */
static char **sorted_keys(GHashTable *table)
{
	guint n = 0;
	char **borrowed = (char **)g_hash_table_get_keys_as_array(table, &n);
	char **keys = g_new0(char *, n + 1);
	for (guint i = 0; i < n; i++)
		keys[i] = g_strdup(borrowed[i]);
	g_free(borrowed);
	qsort(keys, n, sizeof *keys, sim_by_name);
	return keys;
}

gboolean central_reconcile(Sim *sim, const SimHint *hint)
{
	g_auto(GStrv) refs = sorted_keys(sim->refs);
	g_auto(GStrv) seen = sorted_keys(sim->central.disk.seen);
	gboolean all = !hint;
	for (guint i = 0; refs[i]; i++)
		if (all || g_str_has_prefix(refs[i], hint->app))
			if (!take_ref(sim, refs[i], g_hash_table_lookup(sim->refs, refs[i])))
				return FALSE;
	for (guint i = 0; seen[i]; i++)
		if ((all || g_str_has_prefix(seen[i], hint->app)) &&
		    !g_hash_table_contains(sim->refs, seen[i]) && !take_missing(sim, seen[i], hint))
			return FALSE;
	if (all)
		sim->central.refs_changed = FALSE;
	return TRUE;
}

static gboolean take_want(Sim *sim, const SimHint *hint)
{
	GPtrArray *jobs = sim->central.disk.jobs;
	for (guint i = 0; i < jobs->len; i++) {
		SimJob *job = jobs->pdata[i];
		if (!job->want || job->want->base != hint->base ||
		    strcmp(job->want->release, hint->release) != 0 ||
		    strcmp(job->want->old_root, hint->old_root) != 0)
			continue;
		if (job->state == SIM_JOB_DONE)
			job->state = SIM_JOB_QUEUED;
		return TRUE;
	}
	SimJob *job = g_new0(SimJob, 1);
	job->want = sim_hint_new(HINT_WANT);
	job->want->base = hint->base;
	job->want->app = g_strdup(hint->app);
	job->want->release = g_strdup(hint->release);
	job->want->old_root = g_strdup(hint->old_root);
	job->created_utc = sim->now_utc;
	g_ptr_array_add(jobs, job);
	return TRUE;
}

static gboolean take_given(Sim *sim)
{
	if (!central_stops_complete(sim))
		return FALSE;
	for (guint i = 0; i < sim->releases->len; i++)
		if (!central_fan_out(sim, ((const SimTag *)sim->releases->pdata[i])->oid, NULL))
			return FALSE;
	return TRUE;
}

static gboolean take_hint(Sim *sim, const SimHint *hint)
{
	switch (hint->kind) {
	case HINT_PUSH:
		return central_reconcile(sim, hint);
	case HINT_WANT:
		return take_want(sim, hint);
	case HINT_GIVEN:
		return take_given(sim);
	case HINT_CANCEL:
	case HINT_REPORT:
		return TRUE; /* gates are looked at anyway */
	}
	g_assert_not_reached();
}

gboolean central_take(Sim *sim)
{
	GPtrArray *hints = sim->central.disk.hints;
	while (hints->len > 0) {
		const SimHint *hint = hints->pdata[0];
		if (!take_hint(sim, hint))
			return FALSE;
		g_ptr_array_remove_index(hints, 0);
	}
	return TRUE;
}

/* ---- central's own plans ---- */

void central_own_plan(Sim *sim, const char *app, const char *version, const char *base,
		      const char *what)
{
	const SimVersion *known = find_version(sim, app, version);
	gboolean plan = FALSE;
	if (!known || !sim->central.up)
		return;
	g_autofree char *name = g_strdup_printf("%s/%s-%" G_GINT64_FORMAT "-%u", what, version,
						sim->now_utc, sim->next_oid++);
	g_autofree char *message =
	    g_strdup_printf("%s: %s\n\nRelease-At: now\nRelease-To: %s\nRelease-Version: %s\n"
			    "Release-Override: %s by hand\n",
			    what, version, base ? base : "all", version, what);
	SimTag *tag = tag_new(sim, app, name, message);
	g_free(tag->commit);
	tag->commit = g_strdup(known->commit);
	sim_say(sim, "central", "%s of %s to %s at %s: %.7s", what, app, version,
		base ? base : "all", tag->oid);
	note_release(sim, tag);
	if (make_job(sim, tag))
		(void)take_plan(sim, tag, &plan); /* killed: the job goes on */
}

/* What most other bases of the app run. */
void central_settle(Sim *sim, const char *app, guint base)
{
	const char *best = NULL;
	guint most = 0;
	g_autoptr(GHashTable) counts = g_hash_table_new(g_str_hash, g_str_equal);
	for (guint b = 0; b < sim->bases->len; b++) {
		const SimView *view = sim_view(sim, b);
		const Report *serves = NULL;
		for (guint i = 0; i < view->reports->len; i++) {
			const Report *report = view->reports->pdata[i];
			if (strcmp(report->app, app) == 0 && report->event == REPORT_LIVE)
				serves = report;
		}
		if (!serves || b == base)
			continue;
		guint n = GPOINTER_TO_UINT(g_hash_table_lookup(counts, serves->version)) + 1;
		g_hash_table_insert(counts, serves->version, GUINT_TO_POINTER(n));
		if (n > most) {
			most = n;
			best = serves->version;
		}
	}
	if (best)
		central_own_plan(sim, app, best, ((SimBase *)sim->bases->pdata[base])->name,
				 "settle");
}
