/* SPDX-License-Identifier: ISC */
#include "decide/base-private.h"
#include "decide/bug.h"

#define LINE_LOST_S 120 /* a central that is restarted is back sooner */

/* The last second at which it may start. */
static gint64 limit_of(const Order *order)
{
	gint64 limit = order->at_utc + (order->is_now ? DECIDE_NOW_LIMIT_S : order->grace_s);
	return order->not_after_utc > 0 ? MIN(limit, order->not_after_utc) : limit;
}

/* The time that orders go by: while the clock is not trusted, the earlier of what it says and what
 * it should say. */
static gint64 due_utc(const DecideFacts *facts)
{
	if (facts->clock_trusted || facts->projected_utc == 0 || decide_bug(DECIDE_BUG_CLOCK))
		return facts->now_utc;
	return MIN(facts->now_utc, facts->projected_utc);
}

/* It was on the line when central's word was due, and is no more. */
static gboolean lost_the_line(const DecideOrder *order, const DecideFacts *facts)
{
	return !order->order->cut_off_hold && facts->line_failed &&
	       facts->now_utc - facts->heard_utc > LINE_LOST_S;
}

DecideGate decide_gate(const DecideOrder *order, const DecideFacts *facts)
{
	const Order *what = order->order;
	if (order->gate_decided)
		return order->gate_open ? GATE_GO : GATE_WAIT;
	if ((!what->gated && !what->cut_off_hold) || decide_bug(DECIDE_BUG_CUT_OFF))
		return GATE_GO;
	if (facts->heard_utc < what->gate_at_utc)
		return what->cut_off_hold ? GATE_CUT_OFF : GATE_GO;
	return what->gated && !lost_the_line(order, facts) ? GATE_WAIT : GATE_GO;
}

static gboolean is_shut(const DecideOrder *order)
{
	return order->gate_decided && !order->gate_open;
}

static const char *why_missed(const DecideApp *app, const DecideOrder *order,
			      const DecideFacts *facts)
{
	if (order->order->not_after_utc > 0 && facts->now_utc > order->order->not_after_utc)
		return "a freeze began before it was activated";
	if (order->state != ORDER_STAGED)
		return "it was not staged before its grace was over";
	if (order->held || app->held)
		return "it was held until its grace was over";
	if (app->stopped)
		return "central stopped the app until its grace was over";
	switch (decide_gate(order, facts)) {
	case GATE_WAIT:
		return "central did not open its gate before its grace was over";
	case GATE_CUT_OFF:
		return "this base was cut off from central until its grace was over, and its plan "
		       "says to hold then";
	case GATE_GO:
		break;
	}
	return "its time and its grace passed while this base did not activate it";
}

static gboolean past_commit_point(OrderState state)
{
	return state == ORDER_ACTIVATING || state == ORDER_LIVE || state == ORDER_ROLLED_BACK ||
	       state == ORDER_DOWN;
}

static gboolean ranks_below(const DecideApp *app, const DecideOrder *order)
{
	return app->has_rank && !decide_bug(DECIDE_BUG_RANK) &&
	       decide_compare_rank(order->order->at_utc, order->order->seq, app->rank_at_utc,
				   app->rank_seq) < 0;
}

const char *decide_why_refused(const DecideApp *app, const DecideOrder *order)
{
	const char *live = decide_app_live_root(app), *root = order->order->root;
	const char *good = decide_app_tree_root(app, decide_app_last_good_tree(app));
	switch (order->trust) {
	case ORDER_TRUST_CENTRAL:
	case ORDER_TRUST_SIGNED:
		return NULL;
	case ORDER_TRUST_UNSIGNED:
		if (g_strcmp0(root, live) == 0 || g_strcmp0(root, good) == 0)
			return NULL;
		break;
	case ORDER_TRUST_REFUSED:
		break;
	}
	return order->trust_reason ? order->trust_reason : "no signed tag gives it";
}

/* CANCEL, TOO_LATE, REFUSE, SUPERSEDE, MISS: TRUE if this order needs one. */
static gboolean bookkeeping(const DecideApp *app, const DecideOrder *order,
			    const DecideFacts *facts, DecideStep *ret_step)
{
	DecideStep step = {.order = order};
	const char *refused = NULL;
	if (past_commit_point(order->state)) {
		step.kind = STEP_TOO_LATE;
		step.reason = order->cancel_reason ? order->cancel_reason : "";
		if (!order->cancel_asked || order->too_late_said || decide_bug(DECIDE_BUG_TOO_LATE))
			return FALSE;
	} else if (order_state_ended(order->state)) {
		return FALSE;
	} else if (order->cancel_asked &&
		   !(decide_bug(DECIDE_BUG_CANCEL) && order->state == ORDER_STAGED)) {
		step.kind = STEP_CANCEL;
		step.reason = order->cancel_reason ? order->cancel_reason : "";
	} else if ((refused = decide_why_refused(app, order))) {
		step.kind = STEP_REFUSE;
		step.reason = refused;
	} else if (((const DecideEntry *)order)->overtaken || ranks_below(app, order)) {
		step.kind = STEP_SUPERSEDE;
		step.reason = "an order with a later go-live time went live";
	} else if (is_shut(order)) {
		step.kind = STEP_MISS;
		step.reason = order->gate_reason;
	} else if (facts->clock_trusted && facts->now_utc > limit_of(order->order) &&
		   !(decide_bug(DECIDE_BUG_GRACE) && order->state == ORDER_STAGED)) {
		step.kind = STEP_MISS;
		step.reason = why_missed(app, order, facts);
	} else {
		return FALSE;
	}
	*ret_step = step;
	return TRUE;
}

/* May be activated as far as holds and staging go. */
static gboolean is_ready(const DecideApp *app, const DecideOrder *order)
{
	return order->state == ORDER_STAGED && !order->held && !app->held &&
	       (!app->stopped || decide_bug(DECIDE_BUG_STOP));
}

static gboolean is_due(const DecideApp *app, const DecideOrder *order, const DecideFacts *facts)
{
	return is_ready(app, order) && decide_gate(order, facts) == GATE_GO &&
	       (order->order->is_now || due_utc(facts) >= order->order->at_utc) &&
	       (due_utc(facts) <= limit_of(order->order) || decide_bug(DECIDE_BUG_GRACE));
}

/* `before` runs ahead only where the time is known ahead. */
static gboolean wants_before(const DecideApp *app, const DecideOrder *order,
			     const DecideFacts *facts)
{
	return facts->lead_s > 0 && is_ready(app, order) && !order->before_done &&
	       !order->order->is_now && due_utc(facts) < order->order->at_utc &&
	       decide_gate(order, facts) == GATE_GO;
}

/* When the clock will say so, at the latest: it may be ahead of what it should say. */
static void look_again(gint64 due, const DecideFacts *facts, gint64 *next_utc)
{
	gint64 now_utc = facts->now_utc, utc = due + (now_utc - due_utc(facts));
	if (utc > now_utc && (*next_utc == 0 || utc < *next_utc))
		*next_utc = utc;
}

static gint64 next_moment(const DecideApp *app, const DecideFacts *facts)
{
	gint64 next_utc = 0;
	for (guint i = 0; i < app->orders->len; i++) {
		const DecideOrder *order = app->orders->pdata[i];
		if (order->state >= ORDER_ACTIVATING)
			continue;
		if (wants_before(app, order, facts))
			look_again(order->order->at_utc - facts->lead_s, facts, &next_utc);
		if (is_ready(app, order))
			look_again(order->order->at_utc, facts, &next_utc);
		/* for the line, which may be lost meanwhile */
		if (is_ready(app, order) && !order->order->cut_off_hold &&
		    due_utc(facts) >= order->order->at_utc &&
		    decide_gate(order, facts) == GATE_WAIT && !is_shut(order))
			look_again(due_utc(facts) + LINE_LOST_S / 4, facts, &next_utc);
		if (facts->clock_trusted)
			look_again(limit_of(order->order) + 1, facts, &next_utc);
	}
	return next_utc;
}

static gboolean waits_for_bundle(const DecideOrder *order)
{
	return order->state == ORDER_ORDERED || order->state == ORDER_FETCHING;
}

/* As soon as it is staged, what ranks below it is superseded. */
static gboolean is_about_to_go_live(const DecideApp *app, const DecideOrder *order)
{
	if (!order->order->is_now || order->cancel_asked || order->held || app->held ||
	    app->stopped || decide_why_refused(app, order))
		return FALSE;
	return order->state == ORDER_STAGED || (waits_for_bundle(order) && !order->reason);
}

gboolean decide_app_outranked(const DecideApp *app, const DecideOrder *order)
{
	for (guint i = app->orders->len; i > 0 && app->orders->pdata[i - 1] != order; i--)
		if (is_about_to_go_live(app, app->orders->pdata[i - 1]))
			return TRUE;
	return FALSE;
}

gboolean decide_app_wants(const DecideApp *app, const DecideOrder *order)
{
	return waits_for_bundle(order) && !order->cancel_asked && !decide_why_refused(app, order) &&
	       !decide_app_outranked(app, order);
}

static void next_to_stage(const DecideApp *app, DecideStep *step)
{
	for (guint i = 0; i < app->orders->len; i++) {
		const DecideOrder *order = app->orders->pdata[i];
		if (decide_app_wants(app, order)) {
			step->kind = STEP_STAGE;
			step->order = order;
			return;
		}
	}
}

static void next_to_activate(const DecideApp *app, const DecideFacts *facts, DecideStep *step)
{
	/* the highest that is due; else the first whose lead has begun */
	for (guint i = app->orders->len; i > 0; i--) {
		const DecideOrder *order = app->orders->pdata[i - 1];
		if (is_due(app, order, facts)) {
			step->kind = STEP_ACTIVATE;
			step->order = order;
			return;
		}
	}
	for (guint i = 0; i < app->orders->len; i++) {
		const DecideOrder *order = app->orders->pdata[i];
		if (wants_before(app, order, facts) &&
		    due_utc(facts) >= order->order->at_utc - facts->lead_s) {
			step->kind = STEP_PREPARE;
			step->order = order;
			return;
		}
	}
}

void decide_app_next(const DecideApp *app, const DecideFacts *facts, gboolean stage,
		     DecideStep *ret_step)
{
	DecideStep step = {.kind = STEP_NONE};
	if (app->open_entry && !stage) {
		step.kind = STEP_RECOVER;
		step.order = &app->open_entry->pub;
		*ret_step = step;
		return;
	}
	for (guint i = 0; i < app->orders->len; i++)
		if (bookkeeping(app, app->orders->pdata[i], facts, ret_step))
			return;
	if (stage)
		next_to_stage(app, &step);
	else
		next_to_activate(app, facts, &step);
	if (step.kind == STEP_NONE)
		step.next_utc = next_moment(app, facts);
	*ret_step = step;
}

DecideRecovery decide_recovery(const DecideOpen *open, gboolean has_unmigrate)
{
	if (open->switched && !open->undoing && open->attempt < 2)
		return RECOVER_GO_ON;
	return open->migrated && !has_unmigrate ? RECOVER_DOWN : RECOVER_UNDO;
}
