/* SPDX-License-Identifier: ISC */
/* What base.c (state), base-fold.c (journal records) and base-next.c (steps) share. */
#pragma once

#include "decide/base.h"

/* An order with what only the journal knows of it. `pub` comes first: orders are handed out as
 * DecideOrder. pub.order is NULL while only the journal names the release. */
typedef struct {
	DecideOrder pub;
	char *release;
	char *staged_root;
	gboolean accepted;
	gboolean overtaken; /* an operator brought a later one forward */
} DecideEntry;

/* A tree that was live, oldest first in DecideApp.history; the last one is live unless down. */
typedef struct {
	char *tree, *root, *version;
	char *release; /* that made it live */
	guint64 seq;
	gint64 since_utc;
	gint64 at_utc; /* by which it ranks */
} DecideLive;

struct DecideApp {
	char *name;
	GHashTable *entries; /* release -> DecideEntry, owned */
	GPtrArray *orders;   /* the accepted ones, sorted */
	GPtrArray *history;
	gboolean down;
	gboolean held;
	char *hold_reason;
	gboolean stopped; /* by central */
	char *stop_reason;
	/* rank of the highest order that ever went live */
	gboolean has_rank;
	gint64 rank_at_utc;
	guint64 rank_seq;
	char *down_release; /* whose activation ended in `down` */
	guint64 down_seq;
	GPtrArray *pins;        /* DecidePin */
	gint64 maintenance_utc; /* since; 0: none */
	char *maintenance_reason;
	GPtrArray *bridge; /* DecideBridge */
	/* steps of the data, see DecideData: now it is of one from data_low to data; the highest
	 * ever; before the open activation; of each root */
	gint64 data, data_low, data_most, data_before, data_before_low;
	GHashTable *data_of; /* root -> GINT_TO_POINTER */
	/* the open activation */
	GPtrArray *open_bridge; /* NULL: it leaves the bridge as it is */
	DecideEntry *open_entry;
	UtilTrailers *intent;
	DecideOpen open;
};

void decide_set_text(char **text, const char *value);
/* Made if it is not there. */
DecideEntry *decide_entry_for(DecideApp *app, const char *release);
/* NULL if there is none. */
DecideLive *decide_history_top(const DecideApp *app);
DecideLive *decide_history_find(const DecideApp *app, const char *tree);
/* Reads the intent's bridge; at the end of an activation whose tree serves, makes it the one in
 * effect. */
gboolean decide_fold_bridge(DecideApp *app, const UtilTrailers *intent, GError **error);
void decide_adopt_bridge(DecideApp *app, const char *tree);
/* The step of a root; FALSE: it was never live here. */
gboolean decide_data_of(const DecideApp *app, const char *root, gint64 *ret_step);
/* Does unmigrate stand for migrate in an activation with this intent? */
gboolean decide_data_back(const UtilTrailers *intent);
/* Why this base's own signers forbid the order, or NULL. */
const char *decide_why_refused(const DecideApp *app, const DecideOrder *order);
/* <0, 0, >0 */
gint decide_compare_rank(gint64 at_a, guint64 seq_a, gint64 at_b, guint64 seq_b);
