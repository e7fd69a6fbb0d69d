/* SPDX-License-Identifier: ISC */
/*
 * What central makes of a push and of a release: pure functions. The hooks and the worker gather
 * the facts and perform the answer.
 */
#pragma once

#include "order/order.h"
#include "plan/plan.h"

/* The state of one release at one base, as far as central knows. */
typedef enum {
	CENTRAL_NOT_ORDERED,
	CENTRAL_ORDERED,
	CENTRAL_STAGED,
	CENTRAL_CANCEL_ASKED,
	CENTRAL_ENDED /* see the report's event */
} CentralState;

typedef struct {
	const char *base;
	CentralState state;
	ReportEvent ended_as; /* ENDED */
	gint64 at_utc;
	guint wave; /* from 1 */
} CentralTarget;

/* May this release still be withdrawn or replaced by a push? REFUSED names the bases past their
 * commit point, or from go-live on silent, and what to do instead (a new tag). */
gboolean central_may_withdraw(const char *tag_name, const CentralTarget *targets, guint n_targets,
			      gint64 now_utc, GError **error);

/* ---- gates ---- */

typedef enum { CENTRAL_GATE_UNDECIDED, CENTRAL_GATE_OPEN, CENTRAL_GATE_SHUT } CentralGate;

typedef struct {
	PlanGate gate;
	guint quorum_percent;
	guint waves;
	const gint64 *gates_at_utc; /* of the waves, from index 0: no word opens one before that */
	gint64 grace_s;
	const CentralTarget *targets;
	guint n_targets;
	const CentralGate *words; /* of the waves, from index 0 */
} CentralRelease;

/* What to decide now: one word, for one wave. */
typedef struct {
	CentralGate word; /* UNDECIDED: nothing, look again at next_utc or after a report */
	guint wave;
	gint64 next_utc; /* 0: all is decided, or a report is waited for */
	char *reason;    /* for people; the caller's */
} CentralGateStep;

/* A gate is decided once, at its time, by how many targets are staged then. A later wave opens, not
 * before its time either, when every base of the wave before is live, and is shut when one of them
 * ended otherwise, its own wave was shut, or its grace is over. A target that was cancelled by
 * itself counts nowhere. */
void central_next_gate(const CentralRelease *release, gint64 now_utc, CentralGateStep *ret_step);

/* Ref names central takes: refs/heads/, refs/tags/, refs/notes/ with sane names; REFUSED for
 * refs/replace/ and all else, with what to do. */
gboolean central_ref_check(const char *ref, GError **error);

/* A tag that moves: the version may move unless an order bound it to another commit. */
gboolean central_version_check(const char *version, const char *commit,
			       const char *bound_commit /* or NULL */, GError **error);

/* An admin may ask for a least time from push to go-live (`lead` in central.cfg). */
gboolean central_lead_check(gint64 at_utc, gint64 now_utc, gint64 lead_s, GError **error);

/* Expected arrival: bytes at line_kbit behind queued bytes, counted from now; 6 % for ssh. */
gint64 central_arrival_utc(gint64 now_utc, guint64 bytes, guint64 queued_bytes, gint64 line_kbit);
/* What that means for its time, in words for people. gate_at_utc: when it has to be staged for its
 * gate to open; 0: it waits for none. */
const char *central_arrival_word(gboolean is_now, gint64 arrival_utc, gint64 at_utc, gint64 grace_s,
				 gint64 gate_at_utc);
