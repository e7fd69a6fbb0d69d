/* SPDX-License-Identifier: ISC */
/*
 * Can this machine's clock be trusted? A note of what the wall clock said at a moment since the
 * machine started lets us tell, later in the same run of the machine, what it should say now: if it
 * says something else, somebody or something set it.
 *
 *   ROOT/clock   trailer text: Boot, Boot-Us, Clock-Us
 *
 * Written by rename: the old note or the new one. A missing or damaged one is none.
 */
#pragma once

#include "util/util.h"

#define STORE_CLOCK_JUMP_S 60

typedef struct {
	gint64 now_utc;
	/* What it should say by the note and the time since boot; 0: not known, for the note is of
	 * an earlier run of the machine or there is none. */
	gint64 projected_utc;
	gboolean trusted;
	gint64 off_s; /* if not trusted: ahead (or, negative, behind) of what it should say; after a
		       * restart: behind what it said before that */
} StoreClock;

/* Untrusted: more than STORE_CLOCK_JUMP_S off what it should say, or that much behind what it said
 * before the machine was started again. */
void store_clock_read(int root_dirfd, UtilClock *clock, StoreClock *ret_clock);
/* It is right now: central or an operator says so. */
gboolean store_clock_note(int root_dirfd, UtilClock *clock, GError **error);
/* Renews the note of a trusted clock once an hour, so that what NTP mends bit by bit is no jump. A
 * first note is only made if `begin`: a dead clock must not be what others are measured by. */
gboolean store_clock_keep(int root_dirfd, UtilClock *clock, gboolean begin, GError **error);
