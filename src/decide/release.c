/* SPDX-License-Identifier: ISC */
#include "decide/release.h"

static void target_free(gpointer data)
{
	DecideTarget *target = data;
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

static void gate_free(gpointer data)
{
	DecideWord *gate = data;
	g_free(gate->reason);
	g_free(gate);
}

void decide_release_free(DecideRelease *release)
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

DecideRelease *decide_release_new(const char *app, const char *release_id, gint64 taken_utc)
{
	DecideRelease *release = g_new0(DecideRelease, 1);
	release->app = g_strdup(app);
	release->release = g_strdup(release_id);
	release->state = g_strdup("accepted");
	release->waves = 1;
	release->taken_utc = taken_utc;
	release->gates = g_ptr_array_new_with_free_func(gate_free);
	release->targets = g_ptr_array_new_with_free_func(target_free);
	return release;
}

/* One by one; `known`: each base has said so, or was never told of the release. */
static gboolean is_cancelled_everywhere(const DecideRelease *release, gboolean known)
{
	for (guint i = 0; i < release->targets->len; i++) {
		const DecideTarget *target = release->targets->pdata[i];
		gboolean asked = target->state == CENTRAL_CANCEL_ASKED;
		if (!(asked && (!known || target->seq == 0)) &&
		    !(target->state == CENTRAL_ENDED && target->event == REPORT_CANCELLED))
			return FALSE;
	}
	return release->targets->len > 0;
}

gboolean decide_release_is_cancelled(const DecideRelease *release)
{
	return release->was_cancelled || is_cancelled_everywhere(release, FALSE);
}

gboolean decide_release_is_ordered(const DecideRelease *release)
{
	for (guint i = 0; i < release->targets->len; i++)
		if (((const DecideTarget *)release->targets->pdata[i])->seq > 0)
			return TRUE;
	return FALSE;
}

static DecideTarget *find_target(DecideRelease *release, const char *base)
{
	for (guint i = 0; i < release->targets->len; i++) {
		DecideTarget *target = g_ptr_array_index(release->targets, i);
		if (strcmp(target->base, base) == 0)
			return target;
	}
	return NULL;
}

/* "BASE ZONE UTC LOCAL…" */
static void add_target(DecideRelease *release, const char *line)
{
	g_auto(GStrv) words = g_strsplit(line, " ", 4);
	gint64 at_utc = 0;
	if (g_strv_length(words) < 4 || !util_time_parse_utc(words[2], &at_utc, NULL))
		return;
	DecideTarget *target = g_new0(DecideTarget, 1);
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

static void set_state(DecideRelease *release, const char *state)
{
	g_free(release->state);
	release->state = g_strdup(state);
}

static void fold_ordered(DecideRelease *release, const UtilTrailers *text)
{
	for (guint i = 0; i < util_trailers_count(text); i++) {
		const char *key = util_trailers_key(text, i);
		gboolean left_out = strcmp(key, "Left-Out") == 0;
		if (!left_out && strcmp(key, "Arrival") != 0)
			continue;
		g_auto(GStrv) words = g_strsplit(util_trailers_value(text, i), " ", 2);
		DecideTarget *target = words[0] ? find_target(release, words[0]) : NULL;
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

static void fold_cancelled(DecideRelease *release, const UtilTrailers *text)
{
	const char *only = util_trailers_get(text, "Base");
	for (guint i = 0; i < release->targets->len; i++) {
		DecideTarget *target = g_ptr_array_index(release->targets, i);
		if (!only || strcmp(only, target->base) == 0)
			target->state = CENTRAL_CANCEL_ASKED;
	}
	if (!only) {
		release->was_cancelled = TRUE;
		set_state(release, "cancelled");
		set_text(&release->reason, text, "Reason");
	}
}

/* "WAVE BASE" */
static void fold_wave(DecideRelease *release, const char *line)
{
	g_auto(GStrv) words = g_strsplit(line, " ", 2);
	guint64 wave = 0;
	DecideTarget *target = words[0] && words[1] ? find_target(release, words[1]) : NULL;
	if (!target || !g_ascii_string_to_unsigned(words[0], 10, 1, PLAN_WAVES_MAX, &wave, NULL))
		return;
	target->wave = (guint)wave;
	release->waves = MAX(release->waves, (guint)wave);
}

static void fold_accepted(DecideRelease *release, const DecideDecision *decision)
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
static void fold_gate(DecideRelease *release, const DecideDecision *decision)
{
	gint64 wave = 0;
	const char *reason = util_trailers_get(decision->text, "Reason");
	if (!util_trailers_need_int(decision->text, "Wave", 1, PLAN_WAVES_MAX, &wave, NULL) ||
	    decide_release_gate(release, (guint)wave))
		return;
	DecideWord *gate = g_new0(DecideWord, 1);
	gate->wave = (guint)wave;
	gate->open = strcmp(decision->decision, "gate-opened") == 0;
	gate->reason = g_strdup(reason ? reason : "");
	gate->decided_utc = decision->time_utc;
	g_ptr_array_add(release->gates, gate);
}

const DecideWord *decide_release_gate(const DecideRelease *release, guint wave)
{
	for (guint i = 0; i < release->gates->len; i++)
		if (((const DecideWord *)release->gates->pdata[i])->wave == wave)
			return release->gates->pdata[i];
	return NULL;
}

gint64 decide_release_gate_at(const DecideRelease *release, guint wave)
{
	gint64 first = G_MAXINT64, before = G_MININT64;
	for (guint i = 0; i < release->targets->len; i++) {
		const DecideTarget *target = release->targets->pdata[i];
		if (target->wave == wave)
			first = MIN(first, target->at_utc);
		if (target->wave + 1 == wave)
			before = MAX(before, target->at_utc);
	}
	return release->is_now ? first : MAX(first - release->gate_lead_s, before);
}

gint64 decide_release_staged_by(const DecideRelease *release)
{
	return release->gate == PLAN_GATE_ALONE ? 0 : decide_release_gate_at(release, 1);
}

void decide_release_fold(DecideRelease *release, const DecideDecision *decision)
{
	static const struct {
		const char *decision, *state;
	} states[] = {
	    {"queued", "queued"},  {"accepted", "building"},         {"refused", "refused"},
	    {"built", "bundling"}, {"build-failed", "build-failed"}, {"ordered", "ordered"}};
	const UtilTrailers *text = decision->text;
	/* a build that was under way, or a job that was cut off and runs again, goes on, and
	 * changes nothing any more */
	gboolean over =
	    strcmp(release->state, "cancelled") == 0 || strcmp(release->state, "ordered") == 0;
	for (guint i = 0; !over && i < G_N_ELEMENTS(states); i++)
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
static void fold_nodes(DecideTarget *target, const Report *report)
{
	g_ptr_array_unref(target->nodes);
	target->nodes = g_ptr_array_ref(report->nodes);
}

/* New hardware knows nothing of what the old one did. */
static void begin_anew(DecideTarget *target, gint64 incarnation)
{
	if (target->incarnation == 0)
		target->unreported = target->state;
	target->state = target->unreported;
	target->incarnation = incarnation;
	target->round = 0;
	target->reported = FALSE;
	target->staged_utc = 0;
	target->outage_ms = -1;
}

void decide_target_report(DecideTarget *target, const Report *report)
{
	if (report->event == REPORT_NODES) {
		fold_nodes(target, report);
		return;
	}
	/* one that was delayed says nothing of what came after it */
	if (report->incarnation < target->incarnation ||
	    (report->incarnation == target->incarnation && report->round < target->round))
		return;
	if (report->incarnation > target->incarnation)
		begin_anew(target, report->incarnation);
	if (report->round > target->round) {
		target->round = report->round;
		g_clear_pointer(&target->detail, g_free);
		g_clear_pointer(&target->log_end, g_free);
	}
	/* nothing comes after an end: a base sends by its clock's times, and that may have been set
	 * back since it staged */
	gboolean news = report->event != REPORT_TOO_LATE &&
			(report_event_ends(report->event) || target->state != CENTRAL_ENDED);
	if (news || !target->reported) {
		target->event = report->event;
		target->event_utc = report->event_utc;
	}
	target->reported = TRUE;
	if (report->event == REPORT_STAGED)
		target->staged_utc = report->event_utc;
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

void decide_target_order(DecideTarget *target, const Order *order)
{
	target->seq = order->seq;
	if (target->state == CENTRAL_NOT_ORDERED)
		target->state = CENTRAL_ORDERED;
	if (order->bundles->len == 0)
		return;
	const OrderBundle *bundle = g_ptr_array_index(order->bundles, order->bundles->len - 1);
	target->bundle_bytes = bundle->bytes;
	g_free(target->codec);
	target->codec = g_strdup(bundle->codec);
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

void decide_release_sum_up(DecideRelease *release)
{
	guint ended = 0, staged = 0, ordered = 0, asked = 0, never = 0;
	ReportEvent worst = REPORT_LIVE;
	for (guint i = 0; i < release->targets->len; i++) {
		const DecideTarget *target = g_ptr_array_index(release->targets, i);
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

static gboolean needs_no_word(const DecideRelease *release)
{
	static const char *const over[] = {"refused", "build-failed", "history", "late", NULL};
	/* a base that was asked to cancel may end otherwise */
	return g_strv_contains(over, release->state) || release->was_cancelled ||
	       is_cancelled_everywhere(release, TRUE) ||
	       (release->gate == PLAN_GATE_ALONE && release->waves < 2);
}

static gboolean words_are_said(const DecideRelease *release)
{
	for (guint wave = 1; wave <= release->waves; wave++)
		if (plan_is_gated(release->gate, wave) && !decide_release_gate(release, wave))
			return FALSE;
	return TRUE;
}

gboolean decide_release_awaits_gate(const DecideRelease *release)
{
	return !needs_no_word(release) && !words_are_said(release);
}

void decide_release_next_gate(const DecideRelease *release, gint64 now_utc,
			      CentralGateStep *ret_step)
{
	g_autofree CentralTarget *targets = g_new0(CentralTarget, release->targets->len);
	g_autofree CentralGate *words = g_new0(CentralGate, release->waves);
	g_autofree gint64 *gates_at = g_new0(gint64, release->waves);
	for (guint i = 0; i < release->targets->len; i++) {
		const DecideTarget *target = release->targets->pdata[i];
		targets[i] = (CentralTarget){.base = target->base,
					     .state = target->state,
					     .ended_as = target->event,
					     .at_utc = target->at_utc,
					     .wave = target->wave};
	}
	for (guint wave = 1; wave <= release->waves; wave++) {
		const DecideWord *gate = decide_release_gate(release, wave);
		gates_at[wave - 1] = decide_release_gate_at(release, wave);
		if (gate)
			words[wave - 1] = gate->open ? CENTRAL_GATE_OPEN : CENTRAL_GATE_SHUT;
	}
	const CentralRelease facts = {.gate = release->gate,
				      .quorum_percent = release->quorum_percent,
				      .waves = release->waves,
				      .gates_at_utc = gates_at,
				      .grace_s = release->grace_s,
				      .targets = targets,
				      .n_targets = release->targets->len,
				      .words = words};
	central_next_gate(&facts, now_utc, ret_step);
}
