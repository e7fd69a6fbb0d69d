/* SPDX-License-Identifier: ISC */
/* What happens in a history: plans, people and trouble. */
#include "sim.h"

#define GROWTH_TARGETS 10
#define GROWTH_STEP_S 120

static const char *const zones[] = {"Asia/Shanghai", "Europe/Berlin", "America/Sao_Paulo",
				    "Etc/UTC"};
static const char *const groups[] = {"asia", "europe", "america", "rest"};

/* ---- the world ---- */

static void add_freeze(Sim *sim)
{
	g_autoptr(GError) error = NULL;
	gint64 from = sim->began_utc + sim_between(sim, 1, 2 * DAY);
	g_autoptr(GDateTime) a = g_date_time_new_from_unix_utc(from);
	g_autoptr(GDateTime) b =
	    g_date_time_new_from_unix_utc(from + sim_between(sim, HOUR, 8 * HOUR));
	g_autofree char *begin = g_date_time_format(a, "%Y-%m-%d %H:%M");
	g_autofree char *end = g_date_time_format(b, "%Y-%m-%d %H:%M");
	g_autofree char *text = sim_chance(sim, 500) ? g_strdup_printf("%s to %s fair", begin, end)
						     : g_strdup("08:00 to 10:00 office");
	PlanFreeze *freeze = plan_freeze_parse(text, &error);
	g_assert_no_error(error);
	g_ptr_array_add(sim->freezes, freeze);
}

void gen_world(Sim *sim)
{
	/* around a change of clocks, too */
	static const char *const days[] = {"2026-03-27T00:00:00Z", "2026-10-23T12:00:00Z",
					   "2026-12-01T06:00:00Z", "2027-06-01T00:00:00Z"};
	guint bases = sim->options.bases ? sim->options.bases : 2 + sim_below(sim, 4);
	guint apps = sim->options.apps ? sim->options.apps : 1 + sim_below(sim, SIM_APPS_MAX);
	(void)util_time_parse_utc(days[sim_below(sim, G_N_ELEMENTS(days))], &sim->now_utc, NULL);
	sim->began_utc = sim->now_utc;
	if (sim->options.storm_s == 0)
		sim->options.storm_s = sim_between(sim, DAY / 2, 3 * DAY);
	for (guint i = 0; i < apps; i++)
		g_ptr_array_add(sim->app_names, g_strdup_printf("app%c%u", 'a' + (int)(i % 26), i));
	sim->plan_bases = g_new0(PlanBase, bases);
	for (guint i = 0; i < bases; i++) {
		SimBase *base = base_new(sim, i);
		guint zone = sim_below(sim, G_N_ELEMENTS(zones));
		base->zone = zones[zone];
		base->groups[0] = groups[zone];
		g_ptr_array_add(sim->bases, base);
		sim->plan_bases[i] = (PlanBase){base->name, base->zone, base->groups, TRUE, NULL};
	}
	if (!sim->options.growth && sim_chance(sim, 250))
		add_freeze(sim);
}

/* ---- plans ---- */

static SimBase *some_base(Sim *sim)
{
	return sim->bases->pdata[sim_below(sim, sim->bases->len)];
}

static const char *some_app(Sim *sim)
{
	return sim->app_names->pdata[sim_below(sim, sim->app_names->len)];
}

static void add_at(Sim *sim, GString *text)
{
	gint64 in_s = sim_chance(sim, 600) ? sim_between(sim, 900, 4 * HOUR)
					   : sim_between(sim, HOUR, 36 * HOUR);
	gint64 utc = sim->now_utc + in_s;
	/* equal times are of interest */
	if (sim_chance(sim, 300))
		utc -= utc % HOUR;
	if (sim_chance(sim, 300)) {
		g_string_append(text, "Release-At: now\n");
		return;
	}
	sim->planned_utc = utc;
	guint kind = sim_below(sim, 3);
	g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(utc + (kind < 2 ? 8 * HOUR : 0));
	g_autofree char *shown =
	    g_date_time_format(time, kind == 2 ? "%Y-%m-%dT%H:%MZ" : "%Y-%m-%d %H:%M");
	g_string_append_printf(text, "Release-At: %s%s\n", shown,
			       kind == 0   ? " base-local"
			       : kind == 1 ? " Asia/Shanghai"
					   : "");
}

static void add_to(Sim *sim, GString *text)
{
	guint kind = sim_below(sim, 10);
	if (kind < 6)
		g_string_append(text, "Release-To: all\n");
	else if (kind < 8)
		g_string_append_printf(text, "Release-To: %s\n", some_base(sim)->name);
	else if (kind < 9)
		g_string_append_printf(text, "Release-To: all, -%s\n", some_base(sim)->name);
	else
		g_string_append_printf(text, "Release-To: @%s, %s\n",
				       groups[sim_below(sim, G_N_ELEMENTS(groups))],
				       some_base(sim)->name);
}

static void add_gate(Sim *sim, GString *text)
{
	static const char *const gates[] = {"all-staged", "quorum 50%", "quorum 80%", "alone"};
	if (strstr(text->str, "Release-At: now"))
		return;
	if (sim_chance(sim, 350))
		g_string_append_printf(text, "Release-Waves: %s; all +%um\n", some_base(sim)->name,
				       5 + sim_below(sim, 120));
	if (sim_chance(sim, 350))
		g_string_append_printf(text, "Release-Gate: %s\n",
				       gates[sim_below(sim, G_N_ELEMENTS(gates))]);
}

static char *plan_text(Sim *sim, const char *version)
{
	g_autoptr(GString) text = g_string_new("A change\n\n");
	add_at(sim, text);
	add_to(sim, text);
	add_gate(sim, text);
	if (sim_chance(sim, 500))
		g_string_append_printf(text, "Release-If-Cut-Off: %s\n",
				       sim_chance(sim, 400) ? "hold" : "go");
	if (sim_chance(sim, 400))
		g_string_append_printf(text, "Release-Grace: %um\n", 1 + sim_below(sim, 360));
	if (sim_chance(sim, 200))
		g_string_append_printf(text, "Release-Max-Outage: %us\n", 30 + sim_below(sim, 90));
	if (sim_chance(sim, 100))
		g_string_append(text, "Release-Override: it must be\n");
	if (version)
		g_string_append_printf(text, "Release-Version: %s\n", version);
	return g_string_free(g_steal_pointer(&text), FALSE);
}

/* A version of the app that was built, or NULL. */
static const char *some_version(Sim *sim, const char *app)
{
	g_autoptr(GPtrArray) found = g_ptr_array_new();
	GHashTableIter iter;
	gpointer key = NULL, value = NULL;
	g_hash_table_iter_init(&iter, sim->central.disk.versions);
	while (g_hash_table_iter_next(&iter, &key, &value))
		if (g_str_has_prefix(key, app))
			g_ptr_array_add(found, ((SimVersion *)value)->version);
	if (found->len == 0)
		return NULL;
	qsort(found->pdata, found->len, sizeof(gpointer), sim_by_name);
	return found->pdata[sim_below(sim, found->len)];
}

/* A tag of the app that is there, or NULL. */
static char *some_tag(Sim *sim, const char *app)
{
	g_autoptr(GPtrArray) found = g_ptr_array_new();
	GHashTableIter iter;
	gpointer key = NULL;
	gsize len = strlen(app);
	g_hash_table_iter_init(&iter, sim->refs);
	while (g_hash_table_iter_next(&iter, &key, NULL))
		if (g_str_has_prefix(key, app))
			g_ptr_array_add(found, (char *)key + len + 1);
	if (found->len == 0)
		return NULL;
	qsort(found->pdata, found->len, sizeof(gpointer), sim_by_name);
	return g_strdup(found->pdata[sim_below(sim, found->len)]);
}

/* ---- pushes ---- */

/* Cut off from before central's word until after its time. */
static void cut_for_hours(Sim *sim, gpointer who, gpointer data)
{
	SimBase *base = who;
	(void)data;
	if (sim->calm)
		return;
	base->line_down_until = MAX(base->line_down_until, sim->now_utc + 2 * HOUR);
	sim_say(sim, base->name, "the line is cut for two hours");
}

static void act_push(Sim *sim)
{
	const char *app = some_app(sim);
	g_autofree char *name = g_strdup_printf("v%u", ++sim->next_version);
	g_autofree char *text =
	    sim_chance(sim, 100) ? g_strdup("Only built\n") : plan_text(sim, NULL);
	central_push(sim, app, name, text);
	if (sim_chance(sim, 250) && sim->planned_utc > sim->now_utc)
		sim_at(sim, sim->planned_utc - sim_between(sim, 60, 1500), cut_for_hours,
		       some_base(sim), NULL, NULL);
}

static void act_plan_only(Sim *sim)
{
	const char *app = some_app(sim), *version = some_version(sim, app);
	g_autofree char *name = g_strdup_printf("plan/%u", ++sim->next_version);
	g_autofree char *text = version ? plan_text(sim, version) : NULL;
	if (text)
		central_push(sim, app, name, text);
}

static void act_replan(Sim *sim)
{
	const char *app = some_app(sim);
	g_autofree char *name = some_tag(sim, app);
	const char *version =
	    name && g_str_has_prefix(name, "plan/") ? some_version(sim, app) : NULL;
	g_autofree char *text = name ? plan_text(sim, version) : NULL;
	if (text)
		central_push(sim, app, name, text);
}

static void act_delete(Sim *sim)
{
	const char *app = some_app(sim);
	g_autofree char *name = some_tag(sim, app);
	if (name)
		central_delete(sim, app, name, sim_chance(sim, 700));
}

/* ---- people at central ---- */

static const SimTag *some_release(Sim *sim)
{
	guint n = sim->releases->len;
	return n ? sim->releases->pdata[n - 1 - sim_below(sim, MIN(n, 4))] : NULL;
}

static void act_cancel(Sim *sim)
{
	const SimTag *tag = some_release(sim);
	if (tag && sim->central.up)
		(void)central_cancel(
		    sim, tag->oid, sim_chance(sim, 500) ? some_base(sim)->name : NULL, "a mistake");
}

static void act_rollback_at_central(Sim *sim)
{
	const char *app = some_app(sim), *version = some_version(sim, app);
	const SimBase *base = sim_chance(sim, 500) ? some_base(sim) : NULL;
	if (version && (!base || base_app(base, app)))
		central_own_plan(sim, app, version, base ? base->name : NULL, "rollback");
}

static void act_stop(Sim *sim)
{
	const char *app = sim_chance(sim, 500) ? some_app(sim) : NULL;
	const char *base = sim_chance(sim, 500) ? some_base(sim)->name : NULL;
	central_stop(sim, app, base, FALSE);
}

static void act_resume(Sim *sim)
{
	const GPtrArray *stops = sim->central.disk.stops;
	if (stops->len == 0)
		return;
	const SimStop *stop = stops->pdata[sim_below(sim, stops->len)];
	g_autofree char *app = g_strdup(stop->app);
	g_autofree char *base = g_strdup(stop->base);
	central_stop(sim, app, base, TRUE);
}

/* ---- people at a base ---- */

/* One that is up and not busy, or NULL. */
static SimApp *open_app(Sim *sim)
{
	const SimBase *base = some_base(sim);
	SimApp *app = base->apps->len ? base->apps->pdata[sim_below(sim, base->apps->len)] : NULL;
	return app && base->up && app->busy_until <= sim->now_utc && app_open(app) ? app : NULL;
}

static void act_hold(Sim *sim)
{
	SimApp *app = open_app(sim);
	if (!app)
		return;
	g_autoptr(UtilTrailers) record =
	    app_event(sim_chance(sim, 500) ? "held" : "unheld", NULL, "wait");
	if (app_record(app, record))
		app_look_in(app, 0);
}

static void act_by_hand(Sim *sim)
{
	SimApp *app = open_app(sim);
	if (!app)
		return;
	const GPtrArray *orders = decide_app_orders(app->state);
	if (orders->len == 0)
		return;
	const DecideOrder *order = orders->pdata[sim_below(sim, orders->len)];
	g_autofree char *version = g_strdup(order->order->version);
	(void)app_by_hand(app, version);
}

static void act_back(Sim *sim)
{
	SimApp *app = open_app(sim);
	if (app)
		(void)app_rollback(app);
}

static void act_pin(Sim *sim)
{
	SimApp *app = open_app(sim);
	const char *tree = app ? decide_app_live_tree(app->state) : NULL;
	if (!tree)
		return;
	g_autoptr(UtilTrailers) record =
	    app_event(sim_chance(sim, 600) ? "pinned" : "unpinned", NULL, NULL);
	util_trailers_add(record, "Tree", tree);
	util_trailers_add(record, "Version", decide_app_live_version(app->state));
	(void)app_record(app, record);
}

static void act_maintenance(Sim *sim)
{
	SimApp *app = open_app(sim);
	if (!app)
		return;
	g_autoptr(UtilTrailers) record =
	    app_event(sim_chance(sim, 500) ? "maintenance-on" : "maintenance-off", NULL, NULL);
	(void)app_record(app, record);
}

static void act_gc(Sim *sim)
{
	SimApp *app = open_app(sim);
	if (app)
		stage_gc(app);
}

static void act_confirm(Sim *sim)
{
	SimBase *base = some_base(sim);
	/* who says that it is right has looked */
	if (base->up && ABS(base->off_us) < STORE_CLOCK_JUMP_S * G_USEC_PER_SEC)
		base_confirm_clock(base);
}

/* ---- trouble ---- */

static void act_cut(Sim *sim)
{
	SimBase *base = some_base(sim);
	gint64 s = sim_chance(sim, 300) ? sim_between(sim, 6 * HOUR, 2 * DAY)
					: sim_between(sim, 60, 3 * HOUR);
	base->line_down_until = MAX(base->line_down_until, sim->now_utc + s);
	sim_say(sim, base->name, "the line is cut for %" G_GINT64_FORMAT " s", s);
}

static void act_kill_base(Sim *sim)
{
	base_kill(some_base(sim));
}

static gint64 wrong_us(Sim *sim)
{
	guint kind = sim_below(sim, 4);
	gint64 s = kind == 0   ? 0
		   : kind == 1 ? sim_between(sim, -50, 50)
		   : kind == 2 ? sim_between(sim, -8 * HOUR, 8 * HOUR)
			       : -sim_between(sim, DAY, 3000 * (gint64)DAY);
	return s * G_USEC_PER_SEC;
}

static void act_reboot(Sim *sim)
{
	base_reboot(some_base(sim), wrong_us(sim), sim_between(sim, 30, 2 * HOUR));
}

static void act_jump(Sim *sim)
{
	SimBase *base = some_base(sim);
	base->off_us = wrong_us(sim);
	sim_say(sim, base->name, "its clock is set to %+" G_GINT64_FORMAT " s off",
		base->off_us / G_USEC_PER_SEC);
	for (guint i = 0; i < base->apps->len; i++)
		app_look_in(base->apps->pdata[i], 0);
}

/* NTP. */
static void act_mend_clock(Sim *sim)
{
	SimBase *base = some_base(sim);
	base->off_us = 0;
	for (guint i = 0; i < base->apps->len; i++)
		app_look_in(base->apps->pdata[i], 0);
}

static void act_replace(Sim *sim)
{
	if (sim_chance(sim, 600))
		base_replace(some_base(sim));
}

static void act_restore(Sim *sim)
{
	if (sim_chance(sim, 500))
		central_restore(sim);
}

static const struct {
	guint weight;
	void (*act)(Sim *sim);
} acts[] = {
    {220, act_push},      {60, act_plan_only},   {50, act_replan},
    {30, act_delete},     {50, act_cancel},      {30, act_rollback_at_central},
    {25, act_stop},       {25, act_resume},      {40, act_hold},
    {50, act_by_hand},    {40, act_back},        {10, act_pin},
    {5, act_maintenance}, {40, act_gc},          {10, act_confirm},
    {80, act_cut},        {60, act_kill_base},   {40, central_kill},
    {30, act_reboot},     {30, act_jump},        {30, act_mend_clock},
    {10, act_replace},    {20, central_back_up}, {20, act_restore},
};

static void act(Sim *sim, gpointer who, gpointer data)
{
	guint all = 0, at = 0;
	(void)who;
	(void)data;
	for (guint i = 0; i < G_N_ELEMENTS(acts); i++)
		all += sim->weights[i];
	guint chosen = sim_below(sim, all);
	while (chosen >= sim->weights[at])
		chosen -= sim->weights[at++];
	acts[at].act(sim);
}

/* ---- growth ---- */

static void grow(Sim *sim, gpointer who, gpointer data)
{
	guint left = GPOINTER_TO_UINT(who), app = left % sim->app_names->len;
	g_autofree char *name = g_strdup_printf("v%u", ++sim->next_version);
	g_autoptr(GString) text = g_string_new("A change\n\nRelease-At: ");
	(void)data;
	g_autoptr(GDateTime) time =
	    g_date_time_new_from_unix_utc(sim->now_utc + sim_between(sim, HOUR / 3, HOUR));
	g_autofree char *at = g_date_time_format(time, "%Y-%m-%dT%H:%M:%SZ");
	g_string_append_printf(text, "%s\nRelease-To: ", at);
	/* those that run it: every tenth base */
	guint first = (10 - app % 10) % 10 + 10 * sim_below(sim, sim->bases->len / 10);
	for (guint i = 0; i < GROWTH_TARGETS; i++)
		g_string_append_printf(text, "%sbase%u", i ? ", " : "",
				       (first + 10 * i) % sim->bases->len);
	g_string_append(text, left % 10 ? "\n" : "\nRelease-Gate: quorum 50%\n");
	central_push(sim, sim->app_names->pdata[app], name, text->str);
	if (left % 1000 == 0)
		g_print("# %u releases to come\n", left);
	if (left > 1)
		sim_at(sim, sim->now_utc + GROWTH_STEP_S, grow, GUINT_TO_POINTER(left - 1), NULL,
		       NULL);
}

/* ---- from storm to calm ---- */

/* Some things happen often in one history and never in another: so rare ones meet. */
static void mix(Sim *sim)
{
	static const guint rates[] = {0, 2, 5, 10, 30};
	static const guint times[] = {0, 1, 1, 1, 4};
	G_STATIC_ASSERT(G_N_ELEMENTS(acts) <= SIM_ACTS_MAX);
	sim->kill_per_mille = rates[sim_below(sim, G_N_ELEMENTS(rates))];
	for (guint i = 0; i < G_N_ELEMENTS(acts); i++)
		sim->weights[i] =
		    acts[i].weight * (i == 0 ? 1 : times[sim_below(sim, G_N_ELEMENTS(times))]);
}

void gen_storm(Sim *sim)
{
	guint n = sim->options.acts ? sim->options.acts : 5 + sim_below(sim, 30);
	mix(sim);
	sim_at(sim, sim->now_utc, central_boot, NULL, NULL, NULL);
	for (guint i = 0; i < sim->bases->len; i++)
		base_pull_in(sim->bases->pdata[i], sim_between(sim, 0, 600));
	if (sim->options.growth) {
		sim->options.storm_s = (gint64)n * GROWTH_STEP_S + HOUR;
		sim_at(sim, sim->now_utc + 60, grow, GUINT_TO_POINTER(n), NULL, NULL);
		return;
	}
	for (guint i = 0; i < n; i++)
		sim_at(sim, sim->now_utc + sim_between(sim, 60, sim->options.storm_s), act, NULL,
		       NULL, NULL);
}

void gen_calm(Sim *sim)
{
	sim->central.refs_changed = TRUE;
	central_wake(sim, 60);
	for (guint i = 0; i < sim->bases->len; i++) {
		SimBase *base = sim->bases->pdata[i];
		base->line_down_until = 0;
		base->off_us = 0;
		base_pull_in(base, sim_between(sim, 0, 60));
		for (guint a = 0; a < base->apps->len; a++)
			app_look_in(base->apps->pdata[a], 0);
	}
}
