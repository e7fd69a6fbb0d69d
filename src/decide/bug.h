/* SPDX-License-Identifier: ISC */
/*
 * Seeded bugs: in builds with -DTAGSHIP_BUGS a decision can be broken on purpose, so that the
 * simulator (tests/sim) is shown to be able to fail: each has to be found. Without the macro the
 * question is a constant FALSE and costs nothing; no program of ours is built with it.
 */
#pragma once

#include <glib.h>

typedef enum {
	DECIDE_BUG_NONE,
	DECIDE_BUG_GRACE,    /* activates after its grace */
	DECIDE_BUG_RANK,     /* supersedes nothing */
	DECIDE_BUG_CANCEL,   /* takes no cancel of what is staged */
	DECIDE_BUG_TOO_LATE, /* leaves a cancel unanswered that came too late */
	DECIDE_BUG_STOP,     /* does not mind central's stop */
	DECIDE_BUG_CUT_OFF,  /* goes without a word, whatever its policy */
	DECIDE_BUG_CLOCK,    /* believes a clock that jumped */
	DECIDE_BUG_DATA,     /* takes all data for what a version knows */
	DECIDE_BUG_WAVE,     /* opens a wave before all of the one before are live */
	DECIDE_BUG_TWICE,    /* fans an order out again */
	DECIDE_BUG_COUNT
} DecideBug;

#ifdef TAGSHIP_BUGS
gboolean decide_bug(DecideBug bug);
/* One at a time, of this process. FALSE: there is none like that. */
gboolean decide_bug_set(DecideBug bug);
const char *decide_bug_name(DecideBug bug);
/* COUNT if there is none of this name. */
DecideBug decide_bug_find(const char *name);
#else
static inline gboolean decide_bug(DecideBug bug)
{
	(void)bug; /* never asked for */
	return FALSE;
}
#endif
