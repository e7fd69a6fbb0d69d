/* SPDX-License-Identifier: ISC */
/* Central's worker: as publish/worker.c, gates.c, fanout.c and stops.c have it. */
#include "sim.h"

#define GATE_AGAIN_S 60

/* ---- life ---- */

void central_begin(Sim *sim)
{
	SimCentral *central = &sim->central;
	sim_state_init(&central->disk, sim->bases->len);
	central->waiting = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	central->views = g_new0(SimView, sim->bases->len);
	central->up = TRUE;
}

void central_kill(Sim *sim)
{
	SimCentral *central = &sim->central;
	if (!central->up)
		return;
	sim_say(sim, "central", "killed");
	central->up = FALSE;
	central->run++;
	central->job = NULL;
	central->next_wake_utc = 0;
	g_hash_table_remove_all(central->waiting);
	sim_at(sim, sim->now_utc + sim_between(sim, 1, sim_chance(sim, 100) ? 3 * HOUR : 300),
	       central_boot, NULL, NULL, NULL);
}

/* A durable write is next, or was just made: FALSE if central did not live to see it. */
gboolean central_lives(Sim *sim)
{
	if (!sim->central.up)
		return FALSE;
	if (!sim_killed(sim, sim->kill_per_mille))
		return TRUE;
	central_kill(sim);
	return FALSE;
}

void central_back_up(Sim *sim)
{
	SimCentral *central = &sim->central;
	if (central->has_backup)
		sim_state_clear(&central->backup);
	sim_state_copy(sim, &central->disk, &central->backup);
	central->has_backup = TRUE;
	sim_say(sim, "central", "backed up");
}

/* What it lost of its records and reports nobody gives back: laws.c looks only at the bases then.
 */
void central_restore(Sim *sim)
{
	SimCentral *central = &sim->central;
	if (!central->has_backup)
		return;
	central_kill(sim);
	sim_say(sim, "central", "restored from its backup");
	sim_state_clear(&central->disk);
	sim_state_copy(sim, &central->backup, &central->disk);
	central->restored_utc = sim->now_utc;
	sim->counts.restored++;
}

static void work(Sim *sim, gpointer who, gpointer data);

void central_wake(Sim *sim, gint64 in_s)
{
	SimCentral *central = &sim->central;
	gint64 utc = sim->now_utc + in_s;
	if (!central->up || (central->next_wake_utc > 0 && central->next_wake_utc <= utc))
		return;
	central->next_wake_utc = utc;
	sim_at(sim, utc, work, GUINT_TO_POINTER(central->run), NULL, NULL);
}

/* ---- records ---- */

gboolean central_decide(Sim *sim, const char *release, const char *decision,
			const UtilTrailers *text)
{
	GHashTable *records = sim->central.disk.records;
	if (!central_lives(sim))
		return FALSE;
	SimDecision *new =
	    sim_decision_new(sim, g_hash_table_lookup(records, release), decision, text);
	g_hash_table_replace(records, g_strdup(release), new);
	sim_say(sim, "central", "release %.7s: %s%s%s", release, decision,
		util_trailers_get(text, "Reason") ? ": " : "",
		util_trailers_get(text, "Reason") ? util_trailers_get(text, "Reason") : "");
	laws_decision(sim, release, new);
	return central_lives(sim);
}

DecideRelease *central_release(Sim *sim, const char *release)
{
	const SimDecision *head = g_hash_table_lookup(sim->central.disk.records, release);
	guint n = 0;
	g_autofree DecideDecision *decisions = sim_decisions(head, &n);
	if (!head)
		return NULL;
	DecideRelease *folded = decide_release_new("", release, decisions[0].time_utc);
	for (guint i = 0; i < n; i++)
		decide_release_fold(folded, &decisions[i]);
	for (guint i = 0; i < folded->targets->len; i++) {
		DecideTarget *target = folded->targets->pdata[i];
		const SimView *view = sim_view(sim, sim_base_index(target->base));
		const LedgerOrder *entry = g_hash_table_lookup(view->orders, release);
		if (entry)
			decide_target_order(target, entry->order);
		const GPtrArray *reports = g_hash_table_lookup(view->of, release);
		for (guint r = 0; reports && r < reports->len; r++)
			decide_target_report(target, reports->pdata[r]);
	}
	decide_release_sum_up(folded);
	return folded;
}

/* ---- ledgers ---- */

gboolean central_append(Sim *sim, guint base, Order *order)
{
	SimState *disk = &sim->central.disk;
	if (!central_lives(sim))
		return FALSE;
	SimEntry *entry = sim_entry_new(sim, disk->orders[base], order);
	disk->orders[base] = entry;
	g_autofree char *summary = order_summary(entry->entry.order);
	sim_say(sim, "central", "ledger of %s: %s", order->base, summary);
	if (order->kind == ORDER_KIND_ORDER)
		sim->counts.orders++;
	laws_entry(sim, base, entry);
	base_news(sim->bases->pdata[base]);
	return central_lives(sim);
}

static gboolean complete(Sim *sim, const char *release, const DecideTold *told, GHashTable *deaf)
{
	guint base = sim_base_index(told->entry->base);
	const SimView *view = sim_view(sim, base);
	const LedgerOrder *newest = g_hash_table_lookup(view->orders, release);
	const DecideHeld held = {.orders =
				     GPOINTER_TO_UINT(g_hash_table_lookup(view->counts, release)),
				 .wave = newest ? newest->order->wave : 0,
				 .cancelled = g_hash_table_contains(view->cancels, release),
				 .gate_said = newest && newest->gate_seq > 0};
	if (!decide_lacks(told, &held) || (deaf && g_hash_table_contains(deaf, told->entry->base)))
		return TRUE;
	return central_append(sim, base, told->entry);
}

gboolean central_fan_out(Sim *sim, const char *release, GHashTable *deaf)
{
	const SimDecision *head = g_hash_table_lookup(sim->central.disk.records, release);
	g_autoptr(GError) error = NULL;
	guint n = 0;
	g_autofree DecideDecision *decisions = sim_decisions(head, &n);
	const char *app = head ? util_trailers_get(decisions[0].text, "App") : NULL;
	if (!app)
		return TRUE;
	g_autoptr(GPtrArray) told = decide_told(app, release, decisions, n, &error);
	if (!told)
		sim_broken(sim, LAW_TEXT, "a record cannot be read: %s", error->message);
	for (guint i = 0; told && i < told->len; i++)
		if (!complete(sim, release, told->pdata[i], deaf))
			return FALSE;
	return TRUE;
}

gboolean central_cancel(Sim *sim, const char *release, const char *base, const char *reason)
{
	const SimDecision *head = g_hash_table_lookup(sim->central.disk.records, release);
	guint n = 0;
	g_autofree DecideDecision *decisions = sim_decisions(head, &n);
	if (!sim->central.up || !head)
		return sim->central.up;
	if (!decide_cancel_of(decisions, n, base)) {
		g_autoptr(UtilTrailers) text = util_trailers_new();
		util_trailers_add(text, "Base", base);
		util_trailers_add(text, "Reason", reason);
		if (!central_decide(sim, release, "cancelled", text))
			return FALSE;
	}
	central_add_hint(sim, sim_hint_new(HINT_CANCEL));
	return central_fan_out(sim, release, NULL);
}

static gboolean fan_out_all(Sim *sim)
{
	for (guint i = 0; i < sim->releases->len; i++) {
		const SimTag *tag = sim->releases->pdata[i];
		if (!central_fan_out(sim, tag->oid, NULL))
			return FALSE;
	}
	return TRUE;
}

/* ---- stops ---- */

static gboolean covers(const SimStop *stop, const SimBase *base)
{
	return (!stop->base || strcmp(stop->base, base->name) == 0) &&
	       (!stop->app || base_app(base, stop->app));
}

static const char *scope_of(const SimStop *stop)
{
	return stop->app ? stop->app : "-";
}

static const SimStop *wanted(const GPtrArray *stops, const SimBase *base, const char *scope)
{
	const SimStop *found = NULL;
	for (guint i = 0; i < stops->len; i++) {
		const SimStop *stop = stops->pdata[i];
		if (!stop->resumed && covers(stop, base) && strcmp(scope_of(stop), scope) == 0)
			found = stop;
	}
	return found;
}

static gboolean was_resumed(const GPtrArray *stops, const SimBase *base, const char *scope,
			    const LedgerStop *had)
{
	for (guint i = 0; i < stops->len; i++) {
		const SimStop *stop = stops->pdata[i];
		if (stop->resumed && covers(stop, base) && stop->since_utc >= had->since_utc &&
		    strcmp(scope_of(stop), scope) == 0)
			return TRUE;
	}
	return FALSE;
}

static gboolean append_stop(Sim *sim, const SimBase *base, OrderKind kind, const char *scope,
			    const char *reason)
{
	g_autoptr(Order) order = order_new(kind);
	order->base = g_strdup(base->name);
	order->app = strcmp(scope, "-") == 0 ? NULL : g_strdup(scope);
	order->reason = g_strdup(reason);
	order->written_utc = sim->now_utc;
	return central_append(sim, base->index, order);
}

static gboolean complete_stops_at(Sim *sim, const SimBase *base, const char *scope)
{
	const GPtrArray *stops = sim->central.disk.stops;
	const SimStop *stop = wanted(stops, base, scope);
	const LedgerStop *had = g_hash_table_lookup(sim_view(sim, base->index)->stops, scope);
	if (stop && !had)
		return append_stop(sim, base, ORDER_KIND_STOP, scope, stop->reason);
	if (!stop && had && was_resumed(stops, base, scope, had))
		return append_stop(sim, base, ORDER_KIND_RESUME, scope, NULL);
	return TRUE;
}

gboolean central_stops_complete(Sim *sim)
{
	if (sim->central.disk.stops->len == 0)
		return TRUE;
	for (guint b = 0; b < sim->bases->len; b++) {
		const SimBase *base = sim->bases->pdata[b];
		if (!complete_stops_at(sim, base, "-"))
			return FALSE;
		for (guint a = 0; a < sim->app_names->len; a++)
			if (!complete_stops_at(sim, base, sim->app_names->pdata[a]))
				return FALSE;
	}
	return TRUE;
}

void central_stop(Sim *sim, const char *app, const char *base, gboolean resume)
{
	GPtrArray *stops = sim->central.disk.stops;
	if (!central_lives(sim))
		return;
	for (guint i = stops->len; i > 0; i--) {
		const SimStop *old = stops->pdata[i - 1];
		if (g_strcmp0(old->app, app) == 0 && g_strcmp0(old->base, base) == 0)
			g_ptr_array_remove_index(stops, i - 1);
	}
	SimStop *stop = g_new0(SimStop, 1);
	stop->app = g_strdup(app);
	stop->base = g_strdup(base);
	stop->since_utc = sim->now_utc;
	stop->reason = g_strdup(resume ? "-" : "fire");
	stop->resumed = resume;
	g_ptr_array_add(stops, stop);
	if (resume)
		(void)g_hash_table_add(sim->resumed, g_strdup(app ? app : "-"));
	sim_say(sim, "central", "%s %s at %s", resume ? "resume" : "stop", app ? app : "all",
		base ? base : "all");
	(void)central_stops_complete(sim); /* else who is started next does it */
}

/* ---- gates ---- */

/* FALSE: it was killed. *ret_done: it waits for no word any more. */
static gboolean decide_words(Sim *sim, const char *id, gint64 *next_utc, gboolean *ret_done)
{
	for (;;) {
		g_autoptr(DecideRelease) release = central_release(sim, id);
		*ret_done = !release || !decide_release_awaits_gate(release);
		if (*ret_done || !decide_release_is_ordered(release))
			return TRUE;
		CentralGateStep step;
		decide_release_next_gate(release, sim->now_utc, &step);
		g_autofree char *reason = step.reason;
		if (step.word == CENTRAL_GATE_UNDECIDED) {
			if (step.next_utc > sim->now_utc &&
			    (*next_utc == 0 || step.next_utc < *next_utc))
				*next_utc = step.next_utc;
			return TRUE;
		}
		g_autoptr(UtilTrailers) text = util_trailers_new();
		util_trailers_add_int(text, "Wave", step.wave);
		util_trailers_add(text, "Reason", reason);
		gboolean open = step.word == CENTRAL_GATE_OPEN;
		if (!central_decide(sim, id, open ? "gate-opened" : "gate-shut", text) ||
		    !central_fan_out(sim, id, NULL))
			return FALSE;
	}
}

static gboolean decide_gates(Sim *sim)
{
	GHashTable *waiting = sim->central.waiting;
	g_autofree char **ids = (char **)g_hash_table_get_keys_as_array(waiting, NULL);
	guint n = g_hash_table_size(waiting);
	gint64 next_utc = 0;
	/* a table's order is its own: not that of the history */
	qsort(ids, n, sizeof *ids, sim_by_name);
	for (guint i = 0; i < n; i++) {
		gboolean done = FALSE;
		if (!decide_words(sim, ids[i], &next_utc, &done))
			return FALSE;
		if (done)
			(void)g_hash_table_remove(waiting, ids[i]);
	}
	if (next_utc > 0)
		central_wake(sim, next_utc - sim->now_utc);
	return TRUE;
}

/* FALSE: killed. */
static gboolean find_gates(Sim *sim)
{
	for (guint i = 0; i < sim->releases->len; i++) {
		SimTag *tag = sim->releases->pdata[i];
		if (!central_remake_job(sim, tag))
			return FALSE;
		g_autoptr(DecideRelease) release = central_release(sim, tag->oid);
		if (release && decide_release_awaits_gate(release))
			(void)g_hash_table_add(sim->central.waiting, g_strdup(tag->oid));
	}
	return TRUE;
}

/* ---- the loop ---- */

static gboolean is_pause(const Sim *sim)
{
	return sim->central.disk.hints->len == 0;
}

static void work(Sim *sim, gpointer who, gpointer data)
{
	SimCentral *central = &sim->central;
	(void)data; /* there is none */
	if (!central->up || GPOINTER_TO_UINT(who) != central->run ||
	    central->next_wake_utc > sim->now_utc)
		return;
	central->next_wake_utc = 0;
	if (!central_take(sim) || !decide_gates(sim))
		return;
	if (is_pause(sim) && central->refs_changed && !central_reconcile(sim, NULL))
		return;
	central_job_start(sim);
}

static void heartbeats(Sim *sim, gpointer who, gpointer data)
{
	(void)data; /* there is none */
	if (!sim->central.up || GPOINTER_TO_UINT(who) != sim->central.run)
		return;
	for (guint i = 0; i < sim->bases->len; i++) {
		const SimEntry *head = sim->central.disk.orders[i];
		if (!head || sim->now_utc - head->entry.order->written_utc < DAY)
			continue;
		g_autoptr(Order) beat = order_new(ORDER_KIND_HEARTBEAT);
		beat->base = g_strdup(head->entry.order->base);
		beat->written_utc = sim->now_utc;
		if (!central_append(sim, i, beat))
			return;
	}
	sim_at(sim, sim->now_utc + 6 * HOUR, heartbeats, who, NULL, NULL);
}

static void requeue(Sim *sim)
{
	for (guint i = 0; i < sim->central.disk.jobs->len; i++) {
		SimJob *job = sim->central.disk.jobs->pdata[i];
		if (job->state == SIM_JOB_RUNNING)
			job->state = SIM_JOB_QUEUED;
	}
}

void central_boot(Sim *sim, gpointer who, gpointer data)
{
	SimCentral *central = &sim->central;
	(void)who;
	(void)data;
	if (central->up && central->run > 0)
		return;
	central->up = TRUE;
	central->run++;
	sim_say(sim, "central", "starts");
	requeue(sim);
	central->refs_changed = TRUE;
	if (!central_stops_complete(sim) || !fan_out_all(sim) || !find_gates(sim))
		return;
	central_wake(sim, 0);
	for (guint i = 0; i < sim->bases->len; i++)
		base_news(sim->bases->pdata[i]);
	sim_at(sim, sim->now_utc + HOUR, heartbeats, GUINT_TO_POINTER(central->run), NULL, NULL);
}
