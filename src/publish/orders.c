/* SPDX-License-Identifier: ISC */
/* Orders: made, decided once in the release's record, then fanned out to the ledgers. */
#include "publish/publish-private.h"

/* ---- making orders ---- */

static void set_gate(Order *order, const PublishRelease *release, const PublishTarget *target)
{
	order->wave = target->wave;
	order->waves = release->waves;
	order->gate = release->gate;
	order->quorum_percent = release->quorum_percent;
	order->gated = plan_is_gated(release->gate, target->wave);
	order->cut_off_hold = plan_cut_off_hold(release->cut_off, release->gate, target->wave);
	if (order->gated || order->cut_off_hold)
		order->gate_at_utc = decide_release_gate_at(release, target->wave);
}

static Order *new_order(JobRun *run, const PublishRelease *release, const PublishTarget *target,
			const LibraryVersion *version, const LibraryDecision *accepted)
{
	Order *order = order_new(ORDER_KIND_ORDER);
	const char *pushed = util_trailers_get(accepted->text, "Pushed");
	order->written_utc = util_clock_now_utc(run->central->clock);
	order->base = g_strdup(target->base);
	order->release = g_strdup(release->release);
	order->app = g_strdup(run->app->name);
	order->tag = g_strdup(release->tag);
	order->version = g_strdup(version->version);
	order->root = g_strdup(version->root);
	order->commit = g_strdup(version->commit);
	order->files = version->files;
	order->bytes = version->bytes;
	order->at_utc = target->at_utc;
	order->is_now = release->is_now;
	if (release->is_now && pushed)
		(void)util_time_parse_utc(pushed, &order->at_utc, NULL); /* keeps target's */
	(void)util_trailers_opt_int(accepted->text, "Grace", 0, G_MAXINT64, 1800, &order->grace_s,
				    NULL); /* our own record: parsed when it was written */
	(void)util_trailers_opt_int(accepted->text, "Max-Outage", 0, G_MAXINT64, 0,
				    &order->max_outage_s, NULL); /* as above */
	if (order->max_outage_s == 0)
		order->max_outage_s = run->app->max_outage_s;
	set_gate(order, release, target);
	order->local_text = g_strdup_printf("%s %s", target->local_text, target->zone);
	return order;
}

static gboolean add_bundle(JobRun *run, Order *order, const char *old_root,
			   const LibraryVersion *version, const PublishReader *reader,
			   BundleHaste haste, OrderBundle **ret_bundle, GError **error)
{
	OrderBundle *bundle = publish_bundle(run, old_root, version, haste, reader, error);
	if (!bundle)
		return FALSE;
	if (reader->why && strcmp(old_root, "-") != 0)
		job_say(run, "  %-16s %s", order->base, reader->why);
	order_add_bundle(order, bundle->old_root, bundle->sha256, bundle->bytes, bundle->codec,
			 bundle->decoded_bytes, bundle->memory_bytes);
	*ret_bundle = bundle;
	return TRUE;
}

/* The base itself has said something of it. */
static gboolean has_report(const LedgerView *view, const char *release)
{
	for (guint i = 0; i < view->reports->len; i++) {
		const Report *report = g_ptr_array_index(view->reports, i);
		if (report->event != REPORT_NODES && strcmp(report->release, release) == 0)
			return TRUE;
	}
	return FALSE;
}

guint64 publish_queued_bytes(const LedgerView *view, const char *release)
{
	guint64 sum = 0;
	GHashTableIter iter;
	gpointer key = NULL, value = NULL;
	g_hash_table_iter_init(&iter, view->orders);
	while (g_hash_table_iter_next(&iter, &key, &value)) {
		const LedgerOrder *entry = value;
		gboolean reported =
		    entry->cancelled || strcmp(key, release) == 0 || has_report(view, key);
		if (!reported && entry->order->bundles->len > 0)
			sum += ((OrderBundle *)g_ptr_array_index(entry->order->bundles, 0))->bytes;
	}
	return sum;
}

static void say_target(JobRun *run, const PublishRelease *release, const PublishTarget *target,
		       const Order *order, const OrderBundle *bundle, gint64 arrival_utc,
		       gint64 now_utc)
{
	if (!bundle) {
		job_say(run, "  %-16s nothing to transfer: it holds this tree already",
			target->base);
		return;
	}
	g_autofree char *size = util_text_bytes(bundle->bytes);
	g_autofree char *away = util_text_duration(arrival_utc - now_utc);
	job_say(run, "  %-16s %s (%s), arrives in about %s: %s", target->base, size, bundle->codec,
		away,
		central_arrival_word(order->is_now, arrival_utc, order->at_utc, order->grace_s,
				     decide_release_staged_by(release)));
}

static void add_left_out(JobRun *run, UtilTrailers *ordered, const char *base, const char *why)
{
	g_autofree char *text = g_strdup_printf("%s %s", base, why);
	util_trailers_add(ordered, "Left-Out", text);
	job_say(run, "  %-16s not ordered: %s", base, why);
}

/* Nothing activates in a freeze, also if it was late, or is for now: the order ends before one
 * begins. Why there can be none, or NULL. */
static char *mind_freezes(const PlanFacts *facts, const PublishRelease *release, Order *order,
			  const PublishReader *reader, gint64 now_utc)
{
	gint64 from = order->is_now ? now_utc : order->at_utc;
	gint64 until = order->at_utc + (order->is_now ? PLAN_NOW_VALID_S : order->grace_s);
	gint64 begins = release->override ? 0 : plan_freeze_begins(facts, order->base, from, until);
	if (begins == 0)
		return NULL;
	if (begins <= from) {
		g_autofree char *frozen = plan_freeze_alarm(facts, order->base, from);
		return g_strdup_printf("a freeze: %s", frozen ? frozen : "");
	}
	if (!order->is_now)
		order->grace_s = begins - 1 - order->at_utc;
	else if (!reader->old_orders)
		order->not_after_utc = begins - 1;
	return NULL;
}

/* What the orders of a release share. */
typedef struct {
	const PublishRelease *release;
	const LibraryVersion *version;
	const LibraryDecision *accepted;
	const PlanFacts *facts;
	BundleHaste haste;
	UtilTrailers *ordered; /* the decision that is to be recorded */
} Ordering;

/* One target's order, as text into `ordered`; a target that is left out goes into it
 * with the reason. */
static gboolean order_target(JobRun *run, const Ordering *ordering, const PublishTarget *target,
			     GError **error)
{
	const PublishRelease *release = ordering->release;
	const LibraryVersion *version = ordering->version;
	UtilTrailers *ordered = ordering->ordered;
	g_autoptr(Order) order = new_order(run, release, target, version, ordering->accepted);
	g_autoptr(LedgerView) view = ledger_view_load(run->central, target->base, error);
	g_autoptr(OrderBundle) bundle = NULL;
	if (!view)
		return FALSE;
	g_auto(PublishReader) reader = {0};
	publish_reader(run->central, target->base, &reader);
	if (reader.old_orders && (order->gated || order->cut_off_hold || order->waves > 1)) {
		add_left_out(run, ordered, target->base,
			     "tagship there is older than waves, gates and If-Cut-Off: hold; "
			     "update it");
		return TRUE;
	}
	const char *live = ledger_view_live_root(view, run->app->name);
	g_autofree char *frozen = mind_freezes(ordering->facts, release, order, &reader,
					       util_clock_now_utc(run->central->clock));
	if (frozen) {
		add_left_out(run, ordered, target->base, frozen);
		return TRUE;
	}
	if (!ledger_view_had_root(view, run->app->name, version->root) &&
	    !add_bundle(run, order, live, version, &reader, ordering->haste, &bundle, error))
		return FALSE;
	gint64 now = util_clock_now_utc(run->central->clock);
	if (!order->is_now && now > order->at_utc + order->grace_s) {
		g_autofree char *late =
		    g_strdup_printf("its time %s and its grace have passed", target->local_text);
		add_left_out(run, ordered, target->base, late);
		return TRUE;
	}
	gint64 arrival = bundle ? central_arrival_utc(now, bundle->bytes,
						      publish_queued_bytes(view, release->release),
						      reader.line_kbit)
				: now;
	say_target(run, release, target, order, bundle, arrival, now);
	gint64 gate = decide_release_staged_by(release), by = gate ? gate : order->at_utc;
	if (!order->is_now && arrival > by && strcmp(run->app->late, "refuse") == 0) {
		g_autofree char *away = util_text_duration(arrival - by);
		g_autofree char *late = g_strdup_printf(
		    "its bundle would come %s after its %s, and `late` of app %s says refuse", away,
		    by < order->at_utc ? "gate is decided" : "time", run->app->name);
		add_left_out(run, ordered, target->base, late);
		return TRUE;
	}
	order->seq = 1; /* the ledger counts; this is only the decision's text */
	g_autofree char *text = order_format(order);
	g_autofree char *when = util_time_format_utc(arrival);
	g_autofree char *line = g_strdup_printf("%s %s", target->base, when);
	util_trailers_add(ordered, "Order", text);
	util_trailers_add(ordered, "Arrival", line);
	return TRUE;
}

static void add_cancelled(JobRun *run, UtilTrailers *ordered, const char *base,
			  const LibraryDecision *cancel)
{
	const char *reason = util_trailers_get(cancel->text, "Reason");
	g_autofree char *why =
	    g_strdup_printf("cancelled there%s%s", reason ? ": " : "", reason ? reason : "");
	add_left_out(run, ordered, base, why);
}

/* What was cancelled at a base while bundles were made is left out; the rest as it is. */
static UtilTrailers *without_cancelled(JobRun *run, const UtilTrailers *ordered,
				       const GPtrArray *decisions, GError **error)
{
	g_autoptr(UtilTrailers) kept = util_trailers_new();
	for (guint i = 0; i < util_trailers_count(ordered); i++) {
		const char *key = util_trailers_key(ordered, i);
		const char *value = util_trailers_value(ordered, i);
		gboolean is_order = strcmp(key, "Order") == 0;
		g_autoptr(Order) order = is_order ? order_parse(value, strlen(value), error) : NULL;
		if (is_order && !order)
			return NULL;
		g_autofree char *base =
		    order ? g_strdup(order->base) : g_strndup(value, strcspn(value, " "));
		const LibraryDecision *cancel = is_order || strcmp(key, "Arrival") == 0
						    ? publish_cancel_decision(decisions, base)
						    : NULL;
		if (cancel && is_order)
			add_cancelled(run, kept, base, cancel);
		else if (!cancel)
			util_trailers_add(kept, key, value);
	}
	return g_steal_pointer(&kept);
}

typedef enum { DECIDED_ORDERS, DECIDED_NOTHING, DECIDED_CANCELLED } Decided;

/* Decides and fans out under the lock, unless a cancel came first: of the whole, or of all bases
 * that a revision is for. From the first order on its version is bound, and not before: a tag that
 * was moved while it was built is free. */
static gboolean decide_orders(JobRun *run, const char *release, const char *version,
			      const UtilTrailers *wanted, Decided *ret_decided, GError **error)
{
	Central *central = run->central;
	util_autofd int lock = publish_lock(central, error);
	if (lock < 0)
		return FALSE;
	g_autoptr(GPtrArray) decisions =
	    library_decisions(central->library, run->app->name, release, error);
	if (!decisions)
		return FALSE;
	*ret_decided = DECIDED_CANCELLED;
	if (publish_cancel_decision(decisions, NULL))
		return TRUE;
	g_autoptr(UtilTrailers) ordered = without_cancelled(run, wanted, decisions, error);
	if (!ordered)
		return FALSE;
	gboolean any = util_trailers_get(ordered, "Order") != NULL;
	if (!any && publish_decision(decisions, "ordered"))
		return TRUE;
	*ret_decided = any ? DECIDED_ORDERS : DECIDED_NOTHING;
	g_autoptr(GHashTable) deaf = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	return (!any || library_bind(central->library, run->app->name, version, error)) &&
	       library_decide(central->library, run->app->name, release, "ordered", ordered, NULL,
			      util_clock_now_utc(central->clock), error) &&
	       publish_stops_complete(central, deaf, error) &&
	       publish_fan_out_locked(central, run->app->name, release, deaf, error);
}

static gboolean order_new_release(JobRun *run, const PublishRelease *release,
				  const GPtrArray *decisions, const LibraryVersion *version,
				  GError **error)
{
	const LibraryDecision *accepted = publish_decision(decisions, "accepted");
	g_autoptr(UtilTrailers) ordered = util_trailers_new();
	util_trailers_add(ordered, "Version", version->version);
	util_trailers_add(ordered, "Root", version->root);
	if (!accepted)
		return util_error_set(error, TS_ERROR_CORRUPT, "release %.12s was never accepted",
				      release->release);
	/* what goes live at once must arrive; for the rest there is time */
	BundleHaste haste = {0};
	if (release->is_now)
		haste.arrive_kbit = publish_slowest_kbit(run->central, release->targets);
	g_autoptr(PublishFacts) facts = publish_facts_new(run->central, NULL, NULL, NULL, error);
	if (!facts)
		return FALSE;
	const Ordering ordering = {.release = release,
				   .version = version,
				   .accepted = accepted,
				   .facts = publish_facts_plan(facts),
				   .haste = haste,
				   .ordered = ordered};
	for (guint i = 0; i < release->targets->len; i++) {
		const PublishTarget *target = g_ptr_array_index(release->targets, i);
		const LibraryDecision *cancel = publish_cancel_decision(decisions, target->base);
		if (cancel)
			add_cancelled(run, ordered, target->base, cancel);
		else if (!order_target(run, &ordering, target, error))
			return FALSE;
	}
	if (!job_phase(run, "order", error))
		return FALSE;
	Decided decided = DECIDED_CANCELLED;
	if (!decide_orders(run, release->release, version->version, ordered, &decided, error))
		return FALSE;
	if (decided == DECIDED_CANCELLED) {
		job_say(run, "release %s was cancelled meanwhile; nothing is ordered",
			release->tag);
		return TRUE;
	}
	if (decided == DECIDED_NOTHING)
		return util_error_set(
		    error, TS_ERROR_FAILED,
		    "nothing is ordered at any base, for the reasons above; push a new plan");
	job_say(run, "ordered: %s %s", run->app->name, version->version);
	return TRUE;
}

gboolean publish_order_release(JobRun *run, const char *release_id, const LibraryVersion *version,
			       GError **error)
{
	Central *central = run->central;
	g_autoptr(GPtrArray) decisions =
	    library_decisions(central->library, run->app->name, release_id, error);
	if (!decisions)
		return FALSE;
	if (publish_decision(decisions, "ordered")) {
		job_say(run, "already ordered; completing what ledgers lack");
		return publish_fan_out(central, run->app->name, release_id, error);
	}
	g_autoptr(PublishRelease) release =
	    publish_release(central, run->app->name, release_id, error);
	return release && job_phase(run, "bundle", error) &&
	       order_new_release(run, release, decisions, version, error);
}

/* ---- a base holds another tree: a signed revision that covers it ---- */

static const Order *newest_order(const LedgerView *view, const char *release)
{
	const LedgerOrder *entry = g_hash_table_lookup(view->orders, release);
	return entry && !entry->cancelled ? entry->order : NULL;
}

static gboolean revise(JobRun *run, const Order *order, const LibraryVersion *version,
		       GError **error)
{
	g_autoptr(Order) revised = order_copy(order);
	g_autoptr(OrderBundle) bundle = NULL;
	g_auto(PublishReader) reader = {0};
	publish_reader(run->central, order->base, &reader);
	BundleHaste haste = {.arrive_kbit = order->is_now ? reader.line_kbit : 0};
	if (!add_bundle(run, revised, run->job->old_root, version, &reader, haste, &bundle, error))
		return FALSE;
	revised->written_utc = util_clock_now_utc(run->central->clock);
	g_autofree char *text = order_format(revised);
	g_autoptr(UtilTrailers) ordered = util_trailers_new();
	util_trailers_add(ordered, "Version", version->version);
	util_trailers_add(ordered, "Root", version->root);
	util_trailers_add(ordered, "Order", text);
	Decided decided = DECIDED_CANCELLED;
	if (!decide_orders(run, order->release, version->version, ordered, &decided, error))
		return FALSE;
	if (decided == DECIDED_CANCELLED)
		job_say(run, "its order was cancelled meanwhile");
	return TRUE;
}

gboolean publish_job_bundle(JobRun *run, GError **error)
{
	Job *job = run->job;
	g_autoptr(LedgerView) view = ledger_view_load(run->central, job->base, error);
	if (!view)
		return FALSE;
	job_say(run, "base %s asks for a bundle from %.12s to %.12s", job->base, job->old_root,
		job->root);
	const Order *order = newest_order(view, job->oid);
	if (!order || strcmp(order->root, job->root) != 0)
		return util_error_set(error, TS_ERROR_REFUSED,
				      "base %s has no open order for this tree", job->base);
	g_autoptr(LibraryVersion) version =
	    library_version(run->central->library, run->app->name, order->version, error);
	if (!version || !job_phase(run, "bundle", error))
		return FALSE;
	const OrderBundle *lost = order_find_bundle(order, job->old_root);
	if (lost) {
		/* its file was lost: made again the same way, it has the same bytes and name */
		BundleHaste haste = {.effort = publish_bundle_effort(lost)};
		g_auto(PublishReader) reader = {0};
		publish_reader(run->central, job->base, &reader);
		g_autoptr(OrderBundle) again =
		    publish_bundle(run, job->old_root, version, haste, &reader, error);
		if (!again || strcmp(again->sha256, lost->sha256) == 0)
			return again != NULL;
		job_say(run, "made again it is another bundle (another liblzma or zlib?)");
	}
	return revise(run, order, version, error);
}
