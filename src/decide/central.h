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
} CentralTarget;

/* May this release still be withdrawn or replaced by a push? REFUSED names the bases past their
 * commit point, or from go-live on silent, and what to do instead (a new tag). */
gboolean central_may_withdraw(const char *tag_name, const CentralTarget *targets, guint n_targets,
			      gint64 now_utc, GError **error);

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
