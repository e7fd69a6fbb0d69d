/* SPDX-License-Identifier: ISC */
#include "plan/plan-private.h"

#define KEY "Release-At"
#define NAMES_SHOWN 8

/* What a compilation works with beside the plan. */
typedef struct {
	const Plan *plan;
	const PlanFacts *facts;
	PlanZones *zones;
	GPtrArray *bases; /* const PlanBase: the targets */
	PlanTable *table;
} Compiler;

static void target_free(gpointer data)
{
	PlanTarget *target = data;
	g_free(target->base);
	g_free(target->zone);
	g_free(target->local_text);
	g_free(target);
}

/* Sets table->app. */
static gboolean compile_app(Compiler *c, GError **error)
{
	const char *const *names = c->facts->app_names;
	guint n = plan_count(names);
	g_autofree char *list = plan_list(names, NAMES_SHOWN);
	const char *app = c->plan->app;
	if (n == 0)
		return util_error_set(error, TS_ERROR_REFUSED,
				      "Release-App: no app is built from this repository; have the "
				      "admin add one with \"tagship app add\"");
	if (!app && n > 1)
		return util_error_set(error, TS_ERROR_REFUSED,
				      "Release-App is missing: several apps are built from this "
				      "repository (%s); add for example \"Release-App: %s\"",
				      list, names[0]);
	if (app && !g_strv_contains(names, app)) {
		const char *nearest = util_text_nearest(app, names);
		return plan_refuse(error, "Release-App", app,
				   "no app of this repository; did you mean %s? (It has: %s)",
				   nearest ? nearest : names[0], list);
	}
	c->table->app = g_strdup(app ? app : names[0]);
	return TRUE;
}

/* Sets table->version and plan_only. */
static gboolean compile_version(Compiler *c, const char *tag_name, GError **error)
{
	const char *version = c->plan->version;
	const char *const *built = c->facts->versions;
	if (!version || strcmp(version, tag_name) == 0) {
		g_autoptr(GError) why = NULL;
		if (!util_version_check(tag_name, &why))
			return util_error_set(
			    error, TS_ERROR_REFUSED,
			    "this tag's name cannot be a version: %s; name the tag "
			    "otherwise, or name a built version in Release-Version",
			    why->message);
		c->table->version = g_strdup(tag_name);
		return TRUE;
	}
	if (!built || !g_strv_contains(built, version)) {
		const char *nearest = util_text_nearest(version, built);
		g_autofree char *list = plan_list(built, NAMES_SHOWN);
		if (nearest)
			return plan_refuse(error, "Release-Version", version,
					   "no built version of %s; did you mean %s?",
					   c->table->app, nearest);
		return plan_refuse(
		    error, "Release-Version", version,
		    "no built version of %s (built: %s); push that tag first, or leave "
		    "Release-Version out to release this tag itself",
		    c->table->app, list);
	}
	c->table->version = g_strdup(version);
	c->table->plan_only = TRUE;
	return TRUE;
}

/* " (base berlin)" or " (bases berlin, paris)": all targets in this zone. */
static char *bases_in_zone(const Compiler *c, const char *zone)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new();
	for (guint i = 0; i < c->bases->len; i++) {
		const PlanBase *base = g_ptr_array_index(c->bases, i);
		if (strcmp(base->zone, zone) == 0)
			g_ptr_array_add(names, PLAN_BORROW(base->name));
	}
	guint n = names->len;
	g_ptr_array_add(names, NULL);
	g_autofree char *list = plan_list((const char *const *)names->pdata, NAMES_SHOWN);
	return g_strdup_printf(" (base%s %s)", n == 1 ? "" : "s", list);
}

/* The plan's local time in one zone. Problems that are the plan's fault are added to `problems`,
 * a line each; FALSE only for a zone that cannot be used at all. */
static gboolean local_in_zone(Compiler *c, const char *zone, const char *where, GString *problems,
			      gint64 *ret_utc, GError **error)
{
	PlanInstants instants;
	if (!plan_zones_instants(c->zones, zone, &c->plan->local, &instants, error))
		return FALSE;
	*ret_utc = instants.utc[0];
	if (instants.n == 1)
		return TRUE;
	g_autofree char *why = plan_zones_explain(zone, where, &c->plan->local, &instants);
	g_string_append_printf(problems, "%s" KEY ": %s: %s", problems->len > 0 ? "\n" : "",
			       c->plan->at_text, why);
	return TRUE;
}

static gboolean times_by_zone(Compiler *c, GError **error)
{
	g_autoptr(GString) problems = g_string_new(NULL);
	gint64 utc = 0;
	if (!local_in_zone(c, c->plan->zone, "", problems, &utc, error)) {
		g_autofree char *shown = plan_show(c->plan->at_text);
		g_prefix_error(error, KEY ": %s: ", shown);
		g_autofree char *hint = g_strdup((*error)->message);
		g_clear_error(error);
		return util_error_set(error, TS_ERROR_REFUSED,
				      "%s (for each base's own clock write base-local)", hint);
	}
	if (problems->len > 0)
		return util_error_set(error, TS_ERROR_REFUSED, "%s", problems->str);
	for (guint i = 0; i < c->table->targets->len; i++)
		((PlanTarget *)g_ptr_array_index(c->table->targets, i))->at_utc = utc;
	return TRUE;
}

static gboolean times_by_base(Compiler *c, GError **error)
{
	g_autoptr(GString) problems = g_string_new(NULL);
	g_autoptr(GHashTable) known = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
	for (guint i = 0; i < c->table->targets->len; i++) {
		PlanTarget *target = g_ptr_array_index(c->table->targets, i);
		gint64 *utc = g_hash_table_lookup(known, target->zone);
		if (!utc) {
			g_autofree char *where = bases_in_zone(c, target->zone);
			utc = g_new0(gint64, 1);
			g_hash_table_insert(known, target->zone, utc);
			if (!local_in_zone(c, target->zone, where, problems, utc, error)) {
				g_prefix_error(error, KEY ": %s%s: ", c->plan->at_text, where);
				return FALSE;
			}
		}
		target->at_utc = *utc;
	}
	if (problems->len == 0)
		return TRUE;
	return util_error_set(
	    error, TS_ERROR_REFUSED,
	    "%s\nOr choose another time for all, or leave those bases out and give "
	    "them a tag of their own with Release-Version: %s",
	    problems->str, c->table->version);
}

/* Sets at_utc of all targets. */
static gboolean compile_times(Compiler *c, GError **error)
{
	gint64 utc = c->plan->at == PLAN_AT_NOW ? c->facts->pushed_utc : c->plan->utc;
	switch (c->plan->at) {
	case PLAN_AT_BASE_LOCAL:
		return times_by_base(c, error);
	case PLAN_AT_ZONE:
		return times_by_zone(c, error);
	case PLAN_AT_NOW:
	case PLAN_AT_INSTANT:
		break;
	}
	for (guint i = 0; i < c->table->targets->len; i++)
		((PlanTarget *)g_ptr_array_index(c->table->targets, i))->at_utc = utc;
	return TRUE;
}

static void add_offsets(Compiler *c)
{
	for (guint i = 0; c->plan->waves && i < c->table->targets->len; i++) {
		PlanTarget *target = c->table->targets->pdata[i];
		target->at_utc +=
		    ((const PlanWave *)c->plan->waves->pdata[target->wave - 1])->offset_s;
	}
}

static gboolean check_past(const Compiler *c, GError **error)
{
	gint64 now = c->facts->now_utc;
	if (c->plan->at == PLAN_AT_NOW) {
		if (now <= c->facts->pushed_utc + PLAN_NOW_VALID_S)
			return TRUE;
		return plan_refuse(
		    error, KEY, c->plan->at_text,
		    "the tag came over 24 h ago, and \"now\" is not good for longer; push "
		    "it again under another name");
	}
	g_autoptr(GString) past = g_string_new(NULL);
	guint n = 0;
	for (guint i = 0; i < c->table->targets->len; i++) {
		const PlanTarget *target = g_ptr_array_index(c->table->targets, i);
		if (target->at_utc > now || ++n > NAMES_SHOWN)
			continue;
		g_autofree char *utc = util_time_format_utc(target->at_utc);
		g_autofree char *ago = util_text_duration(now - target->at_utc);
		g_string_append_printf(past, "\n    %s: %s, %s ago", target->base, utc, ago);
	}
	if (n == 0)
		return TRUE;
	g_autofree char *now_text = util_time_format_utc(now);
	return plan_refuse(error, KEY, c->plan->at_text,
			   "this time is past at %u of %u bases (it is %s); choose a later one, or "
			   "\"now\":%s%s",
			   n, c->table->targets->len, now_text, past->str,
			   n > NAMES_SHOWN ? "\n    …" : "");
}

/* A base with a bad zone is the admin's to mend, whatever the plan says. */
static gboolean add_targets(Compiler *c, GError **error)
{
	c->table->targets = g_ptr_array_new_with_free_func(target_free);
	for (guint i = 0; i < c->bases->len; i++) {
		const PlanBase *base = g_ptr_array_index(c->bases, i);
		if (!plan_zones_check(c->zones, base->zone, error)) {
			g_prefix_error(
			    error, "base %s: its zone must be mended by the admin: ", base->name);
			return FALSE;
		}
		PlanTarget *target = g_new0(PlanTarget, 1);
		target->base = g_strdup(base->name);
		target->zone = g_strdup(base->zone);
		g_ptr_array_add(c->table->targets, target);
	}
	return TRUE;
}

static gint compare_targets(gconstpointer a, gconstpointer b)
{
	const PlanTarget *one = *(const PlanTarget *const *)a;
	const PlanTarget *two = *(const PlanTarget *const *)b;
	if (one->wave != two->wave)
		return one->wave < two->wave ? -1 : 1;
	if (one->at_utc != two->at_utc)
		return one->at_utc < two->at_utc ? -1 : 1;
	return strcmp(one->base, two->base);
}

static void finish(Compiler *c)
{
	for (guint i = 0; i < c->table->targets->len; i++) {
		PlanTarget *target = g_ptr_array_index(c->table->targets, i);
		target->local_text = plan_zones_format(c->zones, target->zone, target->at_utc);
	}
	g_ptr_array_sort(c->table->targets, compare_targets);
}

PlanTable *plan_compile(const Plan *plan, const char *tag_name, const PlanFacts *facts,
			GError **error)
{
	g_autoptr(PlanTable) table = g_new0(PlanTable, 1);
	Compiler c = {.plan = plan, .facts = facts, .table = table};
	table->is_now = plan->at == PLAN_AT_NOW;
	table->grace_s = plan->grace_s;
	table->max_outage_s = plan->max_outage_s;
	table->cut_off = g_strdup(plan->cut_off);
	table->override = g_strdup(plan->override);
	table->root = g_strdup(plan->root);
	table->gate = plan->gate;
	table->quorum_percent = plan->quorum_percent;
	table->title = g_strdup(plan->title);
	if (!compile_app(&c, error) || !compile_version(&c, tag_name, error))
		return NULL;
	g_autoptr(GPtrArray) bases = plan_targets_resolve(plan, table->app, facts, error);
	g_autoptr(PlanZones) zones = bases ? plan_zones_load(facts->zone_dir, error) : NULL;
	c.bases = bases;
	c.zones = zones;
	if (!zones || !add_targets(&c, error) || !plan_waves_assign(plan, bases, table, error) ||
	    !compile_times(&c, error))
		return NULL;
	add_offsets(&c);
	if (!check_past(&c, error) || !plan_waves_check(plan, facts, table, error) ||
	    !plan_freezes_check(zones, plan, facts, bases, table, error))
		return NULL;
	finish(&c);
	return g_steal_pointer(&table);
}

void plan_table_free(PlanTable *table)
{
	if (!table)
		return;
	g_free(table->app);
	g_free(table->version);
	g_free(table->title);
	g_free(table->cut_off);
	g_free(table->override);
	g_free(table->root);
	if (table->targets)
		g_ptr_array_unref(table->targets);
	g_free(table);
}
