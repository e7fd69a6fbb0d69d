/* SPDX-License-Identifier: ISC */
/* What central keeps: ledgers, reports and records as chains, and copies of all of it. */
#include "sim.h"

int sim_by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Of "base7": 7. */
guint sim_base_index(const char *base)
{
	return (guint)g_ascii_strtoull(base + strlen("base"), NULL, 10);
}

/* ---- ledgers ---- */

SimEntry *sim_entry_new(Sim *sim, const SimEntry *parent, Order *order)
{
	g_autoptr(GError) error = NULL;
	SimEntry *entry = g_new0(SimEntry, 1);
	order->seq = parent ? parent->entry.order->seq + 1 : 1;
	g_autofree char *text = order_format(order);
	entry->entry.order = order_parse(text, strlen(text), &error);
	entry->parent = parent;
	g_ptr_array_add(sim->entries, entry);
	if (!entry->entry.order) {
		sim_broken(sim, LAW_TEXT, "an order that is written cannot be read: %s\n%s",
			   error->message, text);
		entry->entry.order = order_copy(order);
	}
	sim_hex(sim, entry->entry.oid, 40);
	return entry;
}

gboolean sim_entry_has(const SimEntry *head, const SimEntry *entry)
{
	guint64 seq = entry ? entry->entry.order->seq : 0;
	while (head && head->entry.order->seq > seq)
		head = head->parent;
	return head == entry;
}

GPtrArray *sim_entries(const SimEntry *head)
{
	guint n = head ? (guint)head->entry.order->seq : 0;
	GPtrArray *entries = g_ptr_array_sized_new(n);
	g_ptr_array_set_size(entries, (gint)n);
	for (; head; head = head->parent)
		/* only read: the chain owns them */
		entries->pdata[--n] = (gpointer)(gsize)&head->entry;
	return entries;
}

/* ---- records ---- */

SimDecision *sim_decision_new(Sim *sim, const SimDecision *parent, const char *decision,
			      const UtilTrailers *text)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *written = util_trailers_format(text);
	SimDecision *new = g_new0(SimDecision, 1);
	new->decision = g_strdup(decision);
	new->time_utc = sim->now_utc;
	new->text = util_trailers_parse(written, strlen(written), &error);
	new->parent = parent;
	new->count = parent ? parent->count + 1 : 1;
	g_ptr_array_add(sim->decisions, new);
	if (!new->text) {
		sim_broken(sim, LAW_TEXT, "a decision that is written cannot be read: %s",
			   error->message);
		new->text = util_trailers_new();
	}
	return new;
}

DecideDecision *sim_decisions(const SimDecision *head, guint *ret_n)
{
	guint n = *ret_n = head ? head->count : 0;
	DecideDecision *decisions = g_new0(DecideDecision, n + 1);
	for (; head; head = head->parent)
		decisions[--n] = (DecideDecision){head->decision, head->time_utc, head->text};
	return decisions;
}

/* ---- reports ---- */

const SimReport *sim_report_find(const SimReport *head, const char *key)
{
	while (head && strcmp(head->key, key) != 0)
		head = head->parent;
	return head;
}

SimReport *sim_report_new(Sim *sim, const SimReport *parent, const char *text)
{
	g_autoptr(GError) error = NULL;
	SimReport *report = g_new0(SimReport, 1);
	report->report = report_parse(text, strlen(text), &error);
	g_ptr_array_add(sim->reports, report);
	if (!report->report) {
		sim_broken(sim, LAW_TEXT, "a report that is written cannot be read: %s\n%s",
			   error->message, text);
		report->report = report_new();
	}
	report->key = report_key(report->report);
	report->parent = parent;
	report->count = parent ? parent->count + 1 : 1;
	return report;
}

/* ---- hints and jobs ---- */

SimHint *sim_hint_new(SimHintKind kind)
{
	SimHint *hint = g_new0(SimHint, 1);
	hint->kind = kind;
	return hint;
}

static SimHint *hint_copy(const SimHint *hint)
{
	SimHint *copy = g_new(SimHint, 1);
	*copy = *hint;
	copy->app = g_strdup(hint->app);
	copy->name = g_strdup(hint->name);
	copy->oid = g_strdup(hint->oid);
	copy->release = g_strdup(hint->release);
	copy->old_root = g_strdup(hint->old_root);
	return copy;
}

void sim_hint_free(gpointer data)
{
	SimHint *hint = data;
	if (!hint)
		return;
	g_free(hint->app);
	g_free(hint->name);
	g_free(hint->oid);
	g_free(hint->release);
	g_free(hint->old_root);
	g_free(hint);
}

static void job_free(gpointer data)
{
	SimJob *job = data;
	sim_hint_free(job->want);
	g_free(job);
}

static void stop_free(gpointer data)
{
	SimStop *stop = data;
	g_free(stop->app);
	g_free(stop->base);
	g_free(stop->reason);
	g_free(stop);
}

static void version_free(gpointer data)
{
	SimVersion *version = data;
	g_free(version->version);
	g_free(version->root);
	g_free(version->commit);
	g_free(version);
}

/* ---- all of it ---- */

void sim_state_init(SimState *state, guint bases)
{
	state->records = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	state->versions = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, version_free);
	state->seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	state->stops = g_ptr_array_new_with_free_func(stop_free);
	state->orders = g_new0(const SimEntry *, bases);
	state->reports = g_new0(const SimReport *, bases);
	state->hints = g_ptr_array_new_with_free_func(sim_hint_free);
	state->jobs = g_ptr_array_new_with_free_func(job_free);
	state->owed = FALSE;
}

void sim_state_clear(SimState *state)
{
	g_hash_table_unref(state->records);
	g_hash_table_unref(state->versions);
	g_hash_table_unref(state->seen);
	g_ptr_array_unref(state->stops);
	g_free(state->orders);
	g_free(state->reports);
	g_ptr_array_unref(state->hints);
	g_ptr_array_unref(state->jobs);
}

static void copy_tables(const SimState *from, SimState *to)
{
	GHashTableIter iter;
	gpointer key = NULL, value = NULL;
	g_hash_table_iter_init(&iter, from->records);
	while (g_hash_table_iter_next(&iter, &key, &value))
		g_hash_table_insert(to->records, g_strdup(key), value);
	g_hash_table_iter_init(&iter, from->seen);
	while (g_hash_table_iter_next(&iter, &key, &value))
		g_hash_table_insert(to->seen, g_strdup(key), g_strdup(value));
	g_hash_table_iter_init(&iter, from->versions);
	while (g_hash_table_iter_next(&iter, &key, &value)) {
		const SimVersion *old = value;
		SimVersion *version = g_new(SimVersion, 1);
		*version = (SimVersion){g_strdup(old->version), g_strdup(old->root),
					g_strdup(old->commit), old->bound};
		g_hash_table_insert(to->versions, g_strdup(key), version);
	}
}

void sim_state_copy(Sim *sim, const SimState *from, SimState *to)
{
	sim_state_init(to, sim->bases->len);
	copy_tables(from, to);
	for (guint i = 0; i < from->stops->len; i++) {
		const SimStop *old = from->stops->pdata[i];
		SimStop *stop = g_new(SimStop, 1);
		*stop = *old;
		stop->app = g_strdup(old->app);
		stop->base = g_strdup(old->base);
		stop->reason = g_strdup(old->reason);
		g_ptr_array_add(to->stops, stop);
	}
	for (guint i = 0; i < sim->bases->len; i++) {
		to->orders[i] = from->orders[i];
		to->reports[i] = from->reports[i];
	}
	for (guint i = 0; i < from->hints->len; i++)
		g_ptr_array_add(to->hints, hint_copy(from->hints->pdata[i]));
	for (guint i = 0; i < from->jobs->len; i++) {
		const SimJob *old = from->jobs->pdata[i];
		SimJob *job = g_new(SimJob, 1);
		*job = *old;
		job->want = old->want ? hint_copy(old->want) : NULL;
		g_ptr_array_add(to->jobs, job);
	}
	to->owed = from->owed;
}

/* ---- a ledger as central reads it ---- */

void sim_view_clear(SimView *view)
{
	g_clear_pointer(&view->orders, g_hash_table_unref);
	g_clear_pointer(&view->counts, g_hash_table_unref);
	g_clear_pointer(&view->cancels, g_hash_table_unref);
	g_clear_pointer(&view->stops, g_hash_table_unref);
	g_clear_pointer(&view->reports, g_ptr_array_unref);
	g_clear_pointer(&view->of, g_hash_table_unref);
}

static void index_reports(SimView *view)
{
	g_clear_pointer(&view->of, g_hash_table_unref);
	view->of =
	    g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)g_ptr_array_unref);
	for (guint i = 0; i < view->reports->len; i++) {
		Report *report = view->reports->pdata[i];
		GPtrArray *of = g_hash_table_lookup(view->of, report->release);
		if (!of) {
			of = g_ptr_array_new();
			g_hash_table_insert(view->of, report->release, of);
		}
		g_ptr_array_add(of, report);
	}
}

static void count_entries(SimView *view, const GPtrArray *entries)
{
	view->counts = g_hash_table_new(g_str_hash, g_str_equal);
	view->cancels = g_hash_table_new(g_str_hash, g_str_equal);
	for (guint i = 0; i < entries->len; i++) {
		const Order *order = ((const LedgerEntry *)entries->pdata[i])->order;
		if (order->kind == ORDER_KIND_CANCEL)
			(void)g_hash_table_add(view->cancels, order->release);
		if (order->kind != ORDER_KIND_ORDER)
			continue;
		guint n = GPOINTER_TO_UINT(g_hash_table_lookup(view->counts, order->release)) + 1;
		(void)g_hash_table_replace(view->counts, order->release, GUINT_TO_POINTER(n));
	}
}

const SimView *sim_view(Sim *sim, guint base)
{
	SimView *view = &sim->central.views[base];
	const SimEntry *orders = sim->central.disk.orders[base];
	const SimReport *reports = sim->central.disk.reports[base];
	if (!view->counts || view->orders_head != orders) {
		g_autoptr(GPtrArray) entries = sim_entries(orders);
		g_clear_pointer(&view->orders, g_hash_table_unref);
		g_clear_pointer(&view->counts, g_hash_table_unref);
		g_clear_pointer(&view->cancels, g_hash_table_unref);
		g_clear_pointer(&view->stops, g_hash_table_unref);
		count_entries(view, entries);
		view->orders = ledger_fold(entries);
		view->stops = ledger_stops(entries);
		view->orders_head = orders;
	}
	if (!view->reports || view->reports_head != reports) {
		guint n = reports ? reports->count : 0;
		g_clear_pointer(&view->reports, g_ptr_array_unref);
		view->reports = g_ptr_array_sized_new(n);
		g_ptr_array_set_size(view->reports, (gint)n);
		view->reports_head = reports;
		for (; reports; reports = reports->parent)
			view->reports->pdata[--n] = reports->report;
		index_reports(view);
	}
	return view;
}
