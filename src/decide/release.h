/* SPDX-License-Identifier: ISC */
/*
 * A release as people and central itself see it: folded from its record, which is a list of
 * decisions, and from what the ledger of each target says. Pure.
 *
 *   g_autoptr(DecideRelease) release = decide_release_new(app, id, taken_utc);
 *   for each decision, oldest first: decide_release_fold(release, &decision);
 *   for each target: decide_target_order(target, newest order);
 *                    for each report of it, as they came: decide_target_report(target, report);
 *   decide_release_sum_up(release);
 *
 * Decisions and their keys ([]: may be missing): queued, accepted (Target, [Wave], Grace,
 * Gate-Lead, [Gate], [Cut-Off], Now), refused, built, build-failed, ordered (Order, Arrival,
 * Left-Out), gate-opened and gate-shut (Wave, Reason), cancelled ([Base], Reason), history. What is
 * said twice counts as said last, but the first word of a gate is final, and a cancel of the whole
 * is never taken back.
 */
#pragma once

#include "decide/central.h"

/* One decision of a record. */
typedef struct {
	const char *decision;
	gint64 time_utc;
	const UtilTrailers *text;
} DecideDecision;

/* Central's word for one wave (a release without waves is wave 1). */
typedef struct {
	guint wave;
	gboolean open;
	char *reason;
	gint64 decided_utc;
} DecideWord;

/* One base that the release is for. */
typedef struct {
	char *base;
	char *zone;
	gint64 at_utc;
	char *local_text;
	guint wave; /* from 1 */
	CentralState state;
	ReportEvent event; /* newest report, if reported */
	gboolean reported;
	gint64 incarnation, round; /* that report's */
	CentralState unreported;   /* what it would be without reports */
	gint64 event_utc;
	gint64 staged_utc; /* reported; 0: not yet, or it was not said */
	gint64 outage_ms;
	char *detail;
	char *log_end;
	GPtrArray *nodes;     /* ReportNode: servers of its site, as last reported; may be empty */
	guint64 seq;          /* of the newest order */
	guint64 bundle_bytes; /* 0: nothing to transfer */
	char *codec;
	gint64 arrival_utc; /* expected, at the time of ordering */
	char *left_out;     /* why it was not ordered there, or NULL */
	char *trouble;      /* its ledger cannot be read, so nothing of it is known here; or NULL */
} DecideTarget;

typedef struct {
	char *app;
	char *release;
	char *tag;
	char *version;
	char *title;
	char *state; /* "queued" (no targets yet), "building", "build-failed", "bundling",
			"ordered", "cancelled", "history", "live" (all), … */
	gboolean is_now;
	gboolean was_cancelled; /* as a whole, by one decision */
	PlanGate gate;
	guint quorum_percent;
	guint waves; /* 1: all together */
	gint64 gate_lead_s;
	gint64 grace_s;
	char *cut_off;       /* as PlanTable */
	char *override;      /* why a freeze does not count, or NULL */
	GPtrArray *gates;    /* DecideWord: decided ones, by wave */
	gint64 taken_utc;    /* its record began */
	gint64 accepted_utc; /* 0: not yet */
	char *job;
	char *reason;
	char *tagger, *pusher;
	char *signer;       /* "[PRINCIPALS ]SHA256:…"; NULL: the tag is not signed */
	char *root;         /* of what was built; NULL: nothing yet */
	GPtrArray *targets; /* DecideTarget */
} DecideRelease;

DecideRelease *decide_release_new(const char *app, const char *release_id, gint64 taken_utc);
void decide_release_free(DecideRelease *release);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DecideRelease, decide_release_free)
void decide_release_fold(DecideRelease *release, const DecideDecision *decision);
/* The newest revision of its order there. */
void decide_target_order(DecideTarget *target, const Order *order);
void decide_target_report(DecideTarget *target, const Report *report);
/* `state` from those of the targets. */
void decide_release_sum_up(DecideRelease *release);

/* Its orders are decided, and may be in the ledgers or on their way there. */
gboolean decide_release_is_ordered(const DecideRelease *release);
/* As a whole, or at each of its bases: cancelled, or asked to be and not confirmed everywhere. */
gboolean decide_release_is_cancelled(const DecideRelease *release);
/* Central's word for a wave, or NULL. */
const DecideWord *decide_release_gate(const DecideRelease *release, guint wave);
/* When the word for a wave may be had at the earliest, and a base that was not heard of since is
 * cut off. */
gint64 decide_release_gate_at(const DecideRelease *release, guint wave);
/* Until then its gate has to see it staged, in whatever wave it is; 0: it has none. */
gint64 decide_release_staged_by(const DecideRelease *release);
/* A word is still to be said on it. */
gboolean decide_release_awaits_gate(const DecideRelease *release);
/* See central_next_gate. Orders come first: a word before them would reach nobody. */
void decide_release_next_gate(const DecideRelease *release, gint64 now_utc,
			      CentralGateStep *ret_step);
