/* SPDX-License-Identifier: ISC */
/* A release as people see it: its record folded with what the ledgers say. */
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

GHashTable *ledger_views_new(void)
{
	return g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
				     (GDestroyNotify)ledger_view_free);
}

LedgerView *ledger_views_get(GHashTable *views, Central *central, const char *base, GError **error)
{
	LedgerView *view = g_hash_table_lookup(views, base);
	if (!view) {
		view = ledger_view_load(central, base, error);
		if (view)
			g_hash_table_insert(views, g_strdup(base), view);
	}
	return view;
}

/* ---- the release ---- */

static void target_free(gpointer data)
{
	PublishTarget *target = data;
	g_free(target->base);
	g_free(target->zone);
	g_free(target->local_text);
	g_free(target->detail);
	g_free(target->log_end);
	g_free(target->codec);
	g_free(target->trouble);
	g_free(target->left_out);
	g_ptr_array_unref(target->nodes);
	g_free(target);
}

void publish_release_free(PublishRelease *release)
{
	if (!release)
		return;
	g_free(release->app);
	g_free(release->release);
	g_free(release->tag);
	g_free(release->version);
	g_free(release->title);
	g_free(release->state);
	g_free(release->job);
	g_free(release->reason);
	g_free(release->tagger);
	g_free(release->pusher);
	g_free(release->signer);
	g_free(release->root);
	g_free(release->cut_off);
	g_free(release->override);
	g_ptr_array_unref(release->gates);
	g_ptr_array_unref(release->targets);
	g_free(release);
}

gboolean publish_release_is_cancelled(const PublishRelease *release)
{
	return strcmp(release->state, "cancelled") == 0 ||
	       strcmp(release->state, "cancel-asked") == 0;
}

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
	    target->state == CENTRAL_CANCEL_ASKED || publish_release_is_cancelled(release) ||
	    strcmp(release->state, "build-failed") == 0)
		return NULL;
	return plan_freeze_alarm(publish_facts_plan(facts), target->base, target->at_utc);
}

gboolean publish_release_is_ordered(const PublishRelease *release)
{
	for (guint i = 0; i < release->targets->len; i++)
		if (((const PublishTarget *)release->targets->pdata[i])->seq > 0)
			return TRUE;
	return FALSE;
}

static PublishTarget *find_target(PublishRelease *release, const char *base)
{
	for (guint i = 0; i < release->targets->len; i++) {
		PublishTarget *target = g_ptr_array_index(release->targets, i);
		if (strcmp(target->base, base) == 0)
			return target;
	}
	return NULL;
}

/* "BASE ZONE UTC LOCAL…" */
static void add_target(PublishRelease *release, const char *line)
{
	g_auto(GStrv) words = g_strsplit(line, " ", 4);
	gint64 at_utc = 0;
	if (g_strv_length(words) < 4 || !util_time_parse_utc(words[2], &at_utc, NULL))
		return;
	PublishTarget *target = g_new0(PublishTarget, 1);
	target->base = g_strdup(words[0]);
	target->zone = g_strdup(words[1]);
	target->at_utc = at_utc;
	target->local_text = g_strdup(words[3]);
	target->outage_ms = -1;
	target->wave = 1;
	target->nodes = g_ptr_array_new();
	g_ptr_array_add(release->targets, target);
}

static void set_text(char **field, const UtilTrailers *text, const char *key)
{
	const char *value = util_trailers_get(text, key);
	if (!value)
		return;
	g_free(*field);
	*field = g_strdup(value);
}

static void set_state(PublishRelease *release, const char *state)
{
	g_free(release->state);
	release->state = g_strdup(state);
}

static void fold_ordered(PublishRelease *release, const UtilTrailers *text)
{
	for (guint i = 0; i < util_trailers_count(text); i++) {
		const char *key = util_trailers_key(text, i);
		gboolean left_out = strcmp(key, "Left-Out") == 0;
		if (!left_out && strcmp(key, "Arrival") != 0)
			continue;
		g_auto(GStrv) words = g_strsplit(util_trailers_value(text, i), " ", 2);
		PublishTarget *target = words[0] ? find_target(release, words[0]) : NULL;
		if (!target || !words[1])
			continue;
		if (!left_out) {
			(void)util_time_parse_utc(words[1], &target->arrival_utc, NULL); /* 0 */
			continue;
		}
		g_free(target->left_out);
		target->left_out = g_strdup(words[1]);
	}
}

static void fold_cancelled(PublishRelease *release, const UtilTrailers *text)
{
	const char *only = util_trailers_get(text, "Base");
	for (guint i = 0; i < release->targets->len; i++) {
		PublishTarget *target = g_ptr_array_index(release->targets, i);
		if (!only || strcmp(only, target->base) == 0)
			target->state = CENTRAL_CANCEL_ASKED;
	}
	if (!only) {
		set_state(release, "cancelled");
		set_text(&release->reason, text, "Reason");
	}
}

static void gate_free(gpointer data)
{
	PublishGate *gate = data;
	g_free(gate->reason);
	g_free(gate);
}

/* "WAVE BASE" */
static void fold_wave(PublishRelease *release, const char *line)
{
	g_auto(GStrv) words = g_strsplit(line, " ", 2);
	guint64 wave = 0;
	PublishTarget *target = words[0] && words[1] ? find_target(release, words[1]) : NULL;
	if (!target || !g_ascii_string_to_unsigned(words[0], 10, 1, PLAN_WAVES_MAX, &wave, NULL))
		return;
	target->wave = (guint)wave;
	release->waves = MAX(release->waves, (guint)wave);
}

static void fold_accepted(PublishRelease *release, const LibraryDecision *decision)
{
	const UtilTrailers *text = decision->text;
	const char *gate = util_trailers_get(text, "Gate");
	release->accepted_utc = decision->time_utc;
	release->is_now = g_strcmp0(util_trailers_get(text, "Now"), "yes") == 0;
	set_text(&release->cut_off, text, "Cut-Off");
	set_text(&release->override, text, "Override");
	/* our own record: parsed when it was written */
	(void)util_trailers_opt_int(text, "Grace", 0, G_MAXINT64, 1800, &release->grace_s, NULL);
	(void)util_trailers_opt_int(text, "Gate-Lead", 0, G_MAXINT64, 600, &release->gate_lead_s,
				    NULL);
	if (gate)
		(void)plan_gate_parse(gate, &release->gate, &release->quorum_percent);
	for (guint i = 0; i < util_trailers_count(text); i++)
		if (strcmp(util_trailers_key(text, i), "Target") == 0)
			add_target(release, util_trailers_value(text, i));
	for (guint i = 0; i < util_trailers_count(text); i++)
		if (strcmp(util_trailers_key(text, i), "Wave") == 0)
			fold_wave(release, util_trailers_value(text, i));
}

/* The first word is final. */
static void fold_gate(PublishRelease *release, const LibraryDecision *decision)
{
	gint64 wave = 0;
	const char *reason = util_trailers_get(decision->text, "Reason");
	if (!util_trailers_need_int(decision->text, "Wave", 1, PLAN_WAVES_MAX, &wave, NULL) ||
	    publish_release_gate(release, (guint)wave))
		return;
	PublishGate *gate = g_new0(PublishGate, 1);
	gate->wave = (guint)wave;
	gate->open = strcmp(decision->decision, "gate-opened") == 0;
	gate->reason = g_strdup(reason ? reason : "");
	gate->decided_utc = decision->time_utc;
	g_ptr_array_add(release->gates, gate);
}

const PublishGate *publish_release_gate(const PublishRelease *release, guint wave)
{
	for (guint i = 0; i < release->gates->len; i++)
		if (((const PublishGate *)release->gates->pdata[i])->wave == wave)
			return release->gates->pdata[i];
	return NULL;
}

gint64 publish_release_gate_at(const PublishRelease *release, guint wave)
{
	gint64 first = G_MAXINT64, before = G_MININT64;
	for (guint i = 0; i < release->targets->len; i++) {
		const PublishTarget *target = release->targets->pdata[i];
		if (target->wave == wave)
			first = MIN(first, target->at_utc);
		if (target->wave + 1 == wave)
			before = MAX(before, target->at_utc);
	}
	return release->is_now ? first : MAX(first - release->gate_lead_s, before);
}

gint64 publish_release_staged_by(const PublishRelease *release)
{
	return release->gate == PLAN_GATE_ALONE ? 0 : publish_release_gate_at(release, 1);
}

static void fold_decision(PublishRelease *release, const LibraryDecision *decision)
{
	static const struct {
		const char *decision, *state;
	} states[] = {
	    {"queued", "queued"},  {"accepted", "building"},         {"refused", "refused"},
	    {"built", "bundling"}, {"build-failed", "build-failed"}, {"ordered", "ordered"}};
	const UtilTrailers *text = decision->text;
	/* a build that was under way goes on, and changes nothing any more */
	gboolean cancelled = strcmp(release->state, "cancelled") == 0;
	for (guint i = 0; !cancelled && i < G_N_ELEMENTS(states); i++)
		if (strcmp(states[i].decision, decision->decision) == 0)
			set_state(release, states[i].state);
	set_text(&release->tag, text, "Tag");
	set_text(&release->title, text, "Title");
	set_text(&release->version, text, "Version");
	set_text(&release->job, text, "Job");
	set_text(&release->tagger, text, "Tagger");
	set_text(&release->pusher, text, "Pusher");
	set_text(&release->signer, text, "Signer");
	set_text(&release->root, text, "Root");
	if (strcmp(decision->decision, "build-failed") == 0 ||
	    strcmp(decision->decision, "refused") == 0)
		set_text(&release->reason, text, "Reason");
	if (strcmp(decision->decision, "built") == 0)
		g_clear_pointer(&release->reason, g_free);
	if (strcmp(decision->decision, "accepted") == 0)
		fold_accepted(release, decision);
	if (g_str_has_prefix(decision->decision, "gate-"))
		fold_gate(release, decision);
	if (strcmp(decision->decision, "ordered") == 0)
		fold_ordered(release, text);
	if (strcmp(decision->decision, "cancelled") == 0)
		fold_cancelled(release, text);
}

/* The nodes of the site change nothing for the base itself. */
static void fold_nodes(PublishTarget *target, const Report *report)
{
	g_ptr_array_unref(target->nodes);
	target->nodes = g_ptr_array_ref(report->nodes);
}

static void fold_report(PublishTarget *target, const Report *report)
{
	if (report->event == REPORT_NODES) {
		fold_nodes(target, report);
		return;
	}
	/* one that was delayed says nothing of what came after it */
	if (report->round < target->round)
		return;
	if (report->round > target->round) {
		target->round = report->round;
		g_clear_pointer(&target->detail, g_free);
		g_clear_pointer(&target->log_end, g_free);
	}
	if (report->event != REPORT_TOO_LATE || !target->reported) {
		target->event = report->event;
		target->event_utc = report->event_utc;
	}
	target->reported = TRUE;
	if (report->outage_ms >= 0)
		target->outage_ms = report->outage_ms;
	if (report->detail && *report->detail) {
		g_free(target->detail);
		target->detail = g_strdup(report->detail);
	}
	if (report->log_end && *report->log_end) {
		g_free(target->log_end);
		target->log_end = g_strdup(report->log_end);
	}
	if (report_event_ends(report->event))
		target->state = CENTRAL_ENDED;
	else if (report->event == REPORT_STAGED && target->state == CENTRAL_ORDERED)
		target->state = CENTRAL_STAGED;
}

static void fold_ledger(PublishTarget *target, const LedgerView *view, const char *release)
{
	const LedgerOrder *entry = g_hash_table_lookup(view->orders, release);
	if (entry && entry->order) {
		target->seq = entry->order->seq;
		if (target->state == CENTRAL_NOT_ORDERED)
			target->state = CENTRAL_ORDERED;
		if (entry->order->bundles->len > 0) {
			const OrderBundle *bundle = g_ptr_array_index(
			    entry->order->bundles, entry->order->bundles->len - 1);
			target->bundle_bytes = bundle->bytes;
			g_free(target->codec);
			target->codec = g_strdup(bundle->codec);
		}
	}
	for (guint i = 0; i < view->reports->len; i++) {
		const Report *report = g_ptr_array_index(view->reports, i);
		if (strcmp(report->release, release) == 0)
			fold_report(target, report);
	}
}

/* How bad an end is: the worst one names the release. */
static int badness(ReportEvent event)
{
	switch (event) {
	case REPORT_DOWN:
		return 7;
	case REPORT_ROLLED_BACK:
		return 6;
	case REPORT_FAILED:
		return 5;
	case REPORT_MISSED:
		return 4;
	case REPORT_CANCELLED:
		return 3;
	case REPORT_SUPERSEDED:
		return 2;
	case REPORT_LIVE:
		return 1;
	case REPORT_STAGED:
	case REPORT_TOO_LATE:
	case REPORT_HELD:
	case REPORT_UNHELD:
	case REPORT_NODES:
		return 0;
	}
	return 0;
}

static void sum_up(PublishRelease *release)
{
	guint ended = 0, staged = 0, ordered = 0, asked = 0, never = 0;
	ReportEvent worst = REPORT_LIVE;
	for (guint i = 0; i < release->targets->len; i++) {
		const PublishTarget *target = g_ptr_array_index(release->targets, i);
		ordered += target->state != CENTRAL_NOT_ORDERED;
		staged += target->state == CENTRAL_STAGED;
		never += target->state == CENTRAL_CANCEL_ASKED && target->seq == 0;
		asked += target->state == CENTRAL_CANCEL_ASKED && target->seq > 0;
		if (target->state != CENTRAL_ENDED)
			continue;
		ended++;
		if (badness(target->event) > badness(worst))
			worst = target->event;
	}
	/* cancelled there before it was ordered: nothing is to come from it */
	guint n = release->targets->len - never;
	if (g_strcmp0(release->state, "cancelled") == 0 && asked > 0)
		set_state(release, "cancel-asked");
	if (g_strcmp0(release->state, "ordered") != 0 || release->targets->len == 0)
		return;
	if (n == 0)
		set_state(release, "cancelled");
	else if (ended == n)
		set_state(release, report_event_name(worst));
	else if (staged + ended == n)
		set_state(release, "staged");
	else if (ordered == never)
		set_state(release, "late");
}

PublishRelease *publish_release_with(Central *central, GHashTable *views, const char *app,
				     const char *release_id, GError **error)
{
	g_autoptr(GPtrArray) decisions =
	    library_decisions(central->library, app, release_id, error);
	if (!decisions)
		return NULL;
	g_autoptr(PublishRelease) release = g_new0(PublishRelease, 1);
	release->app = g_strdup(app);
	release->release = g_strdup(release_id);
	release->state = g_strdup("accepted");
	release->waves = 1;
	release->taken_utc = ((const LibraryDecision *)decisions->pdata[0])->time_utc;
	release->gates = g_ptr_array_new_with_free_func(gate_free);
	release->targets = g_ptr_array_new_with_free_func(target_free);
	for (guint i = 0; i < decisions->len; i++)
		fold_decision(release, g_ptr_array_index(decisions, i));
	for (guint i = 0; i < release->targets->len; i++) {
		PublishTarget *target = g_ptr_array_index(release->targets, i);
		g_autoptr(GError) gone = NULL;
		LedgerView *view = ledger_views_get(views, central, target->base, &gone);
		if (view)
			fold_ledger(target, view, release_id);
		else if (!publish_base_is_gone(central, target->base))
			target->trouble = g_strdup(gone->message);
	}
	sum_up(release);
	return g_steal_pointer(&release);
}

PublishRelease *publish_release(Central *central, const char *app, const char *release_id,
				GError **error)
{
	g_autoptr(GHashTable) views = ledger_views_new();
	return publish_release_with(central, views, app, release_id, error);
}

static gint newest_first(gconstpointer a, gconstpointer b)
{
	const PublishRelease *left = *(PublishRelease *const *)a;
	const PublishRelease *right = *(PublishRelease *const *)b;
	if (left->taken_utc != right->taken_utc)
		return left->taken_utc < right->taken_utc ? 1 : -1;
	/* a plan and the one it replaced within the same second */
	gboolean over = publish_release_is_cancelled(left);
	if (over != publish_release_is_cancelled(right))
		return over ? 1 : -1;
	return strcmp(left->release, right->release);
}

GPtrArray *publish_releases(Central *central, const char *app, guint max, GError **error)
{
	g_autoptr(GPtrArray) ids = library_releases(central->library, app, error);
	if (!ids)
		return NULL;
	g_autoptr(GHashTable) views = ledger_views_new();
	g_autoptr(GPtrArray) releases =
	    g_ptr_array_new_with_free_func((GDestroyNotify)publish_release_free);
	for (guint i = 0; i < ids->len; i++) {
		PublishRelease *release =
		    publish_release_with(central, views, app, g_ptr_array_index(ids, i), error);
		if (!release)
			return NULL;
		g_ptr_array_add(releases, release);
	}
	g_ptr_array_sort(releases, newest_first);
	if (max > 0 && releases->len > max)
		g_ptr_array_set_size(releases, (gint)max);
	return g_steal_pointer(&releases);
}
