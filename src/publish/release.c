/* SPDX-License-Identifier: ISC */
/* A release as people see it: its record folded with what the ledgers say (decide/release.h). */
#include "publish/publish-private.h"

#define TREES_KEPT 4 /* the live one, the last good one, and `keep` of base.cfg by default */

/* ---- one base's ledger ---- */

static void ledger_order_maybe(LedgerView *view, const LedgerEntry *entry)
{
	const char *release = entry->order->release;
	if (entry->order->kind == ORDER_KIND_CANCEL)
		g_hash_table_add(view->cancels, g_strdup(release));
	if (entry->order->kind != ORDER_KIND_ORDER)
		return;
	guint count = GPOINTER_TO_UINT(g_hash_table_lookup(view->counts, release)) + 1;
	g_hash_table_replace(view->counts, g_strdup(release), GUINT_TO_POINTER(count));
}

LedgerView *ledger_view_load(Central *central, const char *base, GError **error)
{
	g_autoptr(Repo) ledger = ledger_open(central->path, base, error);
	if (!ledger)
		return NULL;
	g_autoptr(LedgerView) view = g_new0(LedgerView, 1);
	view->counts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	view->cancels = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	g_autoptr(GPtrArray) entries = ledger_entries(ledger, LEDGER_ORDERS, NULL, error);
	if (!entries)
		return NULL;
	for (guint i = 0; i < entries->len; i++)
		ledger_order_maybe(view, g_ptr_array_index(entries, i));
	view->orders = ledger_fold(entries);
	view->reports = ledger_reports(ledger, error);
	return view->reports ? g_steal_pointer(&view) : NULL;
}

void ledger_view_free(LedgerView *view)
{
	if (!view)
		return;
	g_clear_pointer(&view->orders, g_hash_table_unref);
	g_clear_pointer(&view->counts, g_hash_table_unref);
	g_clear_pointer(&view->cancels, g_hash_table_unref);
	g_clear_pointer(&view->reports, g_ptr_array_unref);
	g_free(view);
}

const char *ledger_view_live_root(const LedgerView *view, const char *app)
{
	const char *root = "-";
	for (guint i = 0; i < view->reports->len; i++) {
		const Report *report = g_ptr_array_index(view->reports, i);
		if (strcmp(report->app, app) == 0 && report->serves_root &&
		    util_sha256_hex_ok(report->serves_root))
			root = report->serves_root;
	}
	return root;
}

gboolean ledger_view_had_root(const LedgerView *view, const char *app, const char *root)
{
	g_autoptr(GHashTable) newest = g_hash_table_new(g_str_hash, g_str_equal);
	for (guint i = view->reports->len; i > 0; i--) {
		const Report *report = g_ptr_array_index(view->reports, i - 1);
		if (strcmp(report->app, app) != 0 ||
		    (report->event != REPORT_STAGED && report->event != REPORT_LIVE))
			continue;
		if (strcmp(report->root, root) == 0)
			return TRUE;
		g_hash_table_add(newest, report->root);
		if (g_hash_table_size(newest) >= TREES_KEPT)
			return FALSE;
	}
	return FALSE;
}

PublishLedgers *publish_ledgers_new(void)
{
	return g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
				     (GDestroyNotify)ledger_view_free);
}

LedgerView *publish_ledgers_get(PublishLedgers *ledgers, Central *central, const char *base,
				GError **error)
{
	LedgerView *view = g_hash_table_lookup(ledgers, base);
	if (!view) {
		view = ledger_view_load(central, base, error);
		if (view)
			g_hash_table_insert(ledgers, g_strdup(base), view);
	}
	return view;
}

/* ---- the release ---- */

gboolean publish_target_is_past(const PublishRelease *release, const PublishTarget *target,
				gint64 now_utc)
{
	gint64 grace_s = release->is_now ? PLAN_NOW_VALID_S : release->grace_s;
	return target->state == CENTRAL_NOT_ORDERED && now_utc > target->at_utc + grace_s;
}

char *publish_frozen(const PublishFacts *facts, const PublishRelease *release,
		     const PublishTarget *target)
{
	if (release->is_now || release->override || target->state == CENTRAL_ENDED ||
	    target->state == CENTRAL_CANCEL_ASKED || decide_release_is_cancelled(release) ||
	    strcmp(release->state, "build-failed") == 0)
		return NULL;
	return plan_freeze_alarm(publish_facts_plan(facts), target->base, target->at_utc);
}

static void fold_ledger(PublishTarget *target, const LedgerView *view, const char *release)
{
	const LedgerOrder *entry = g_hash_table_lookup(view->orders, release);
	if (entry && entry->order)
		decide_target_order(target, entry->order);
	for (guint i = 0; i < view->reports->len; i++) {
		const Report *report = g_ptr_array_index(view->reports, i);
		if (strcmp(report->release, release) == 0)
			decide_target_report(target, report);
	}
}

PublishRelease *publish_release_with(Central *central, PublishLedgers *ledgers, const char *app,
				     const char *release_id, GError **error)
{
	g_autoptr(GPtrArray) decisions =
	    library_decisions(central->library, app, release_id, error);
	if (!decisions)
		return NULL;
	g_autoptr(PublishRelease) release = decide_release_new(
	    app, release_id, ((const LibraryDecision *)decisions->pdata[0])->time_utc);
	g_autofree DecideDecision *facts = publish_decision_facts(decisions);
	for (guint i = 0; i < decisions->len; i++)
		decide_release_fold(release, &facts[i]);
	for (guint i = 0; i < release->targets->len; i++) {
		PublishTarget *target = g_ptr_array_index(release->targets, i);
		g_autoptr(GError) gone = NULL;
		LedgerView *view = publish_ledgers_get(ledgers, central, target->base, &gone);
		if (view)
			fold_ledger(target, view, release_id);
		else if (!publish_base_is_gone(central, target->base))
			target->trouble = g_strdup(gone->message);
	}
	decide_release_sum_up(release);
	return g_steal_pointer(&release);
}

PublishRelease *publish_release(Central *central, const char *app, const char *release_id,
				GError **error)
{
	g_autoptr(PublishLedgers) ledgers = publish_ledgers_new();
	return publish_release_with(central, ledgers, app, release_id, error);
}

static gint newest_first(gconstpointer a, gconstpointer b)
{
	const PublishRelease *left = *(PublishRelease *const *)a;
	const PublishRelease *right = *(PublishRelease *const *)b;
	if (left->taken_utc != right->taken_utc)
		return left->taken_utc < right->taken_utc ? 1 : -1;
	/* a plan and the one it replaced within the same second */
	gboolean over = decide_release_is_cancelled(left);
	if (over != decide_release_is_cancelled(right))
		return over ? 1 : -1;
	return strcmp(left->release, right->release);
}

GPtrArray *publish_releases(Central *central, PublishLedgers *ledgers, const char *app, guint max,
			    GError **error)
{
	g_autoptr(GPtrArray) ids = library_releases(central->library, app, error);
	if (!ids)
		return NULL;
	g_autoptr(PublishLedgers) own = ledgers ? NULL : publish_ledgers_new();
	g_autoptr(GPtrArray) releases =
	    g_ptr_array_new_with_free_func((GDestroyNotify)decide_release_free);
	for (guint i = 0; i < ids->len; i++) {
		PublishRelease *release = publish_release_with(central, ledgers ? ledgers : own,
							       app, ids->pdata[i], error);
		if (!release)
			return NULL;
		g_ptr_array_add(releases, release);
	}
	g_ptr_array_sort(releases, newest_first);
	if (max > 0 && releases->len > max)
		g_ptr_array_set_size(releases, (gint)max);
	return g_steal_pointer(&releases);
}
