/* SPDX-License-Identifier: ISC */
/*
 * Can this machine's clock be trusted? A note of what the time was at a moment since the machine
 * started lets us tell, later in the same run of the machine, what the clock should say now: if it
 * says something else, somebody or something set it, or central knows better. And orders say when
 * they were written: by then it must be that late.
 *
 *   store_clock_contact(dirfd, clock, offset_ms, orders_utc, error);   at each contact
 *   store_clock_note(dirfd, clock, orders_utc, error);                 an operator: it is right
 *   store_clock_keep(dirfd, clock, FALSE, error);                      now and then
 *   store_clock_read(dirfd, clock, orders_utc, &found);                whenever time counts
 *
 *   ROOT/clock   trailer text: Boot, Boot-Us, Clock-Us, By (who says that it was Clock-Us then:
 *                "agreed": central and the clock, or an operator; "central": central alone;
 *                "itself", or no such line: the clock alone), Orders-Utc (when the newest order was
 *                written that was here when they agreed last: orders up to then say no more)
 *
 * What is ahead after a restart is believed until central is reached: the machine may have been off
 * for as long. Written by rename: the old note or the new one. A missing or damaged one is none.
 */
#pragma once

#include "util/util.h"

#define STORE_CLOCK_JUMP_S 60

/* What is wrong with it. */
typedef enum {
	STORE_CLOCK_SURE,
	STORE_CLOCK_JUMPED,    /* since it was noted last, in this run of the machine */
	STORE_CLOCK_RESTARTED, /* it says less than before the machine was started again */
	STORE_CLOCK_CENTRAL,   /* central says something else, and nobody ever agreed in this run */
	STORE_CLOCK_ORDERS     /* an order is from later, and nobody agreed since it came */
} StoreClockDoubt;

typedef struct {
	gint64 now_utc;
	/* What it should say by the note and the time since boot; 0: not known, for the note is of
	 * an earlier run of the machine or there is none. */
	gint64 projected_utc;
	gboolean trusted; /* FALSE: it is more than STORE_CLOCK_JUMP_S off */
	StoreClockDoubt doubt;
	gint64 off_s; /* if not trusted: ahead (or, negative, behind) of what it should say; after a
		       * restart: behind what it said before that; or behind the newest order */
} StoreClock;

/* orders_utc, here and below: when the newest order that was accepted here was written; 0: there is
 * none. */
void store_clock_read(int root_dirfd, UtilClock *clock, gint64 orders_utc, StoreClock *ret_clock);
/* Why it is not trusted: "it jumped 8h ahead"; NULL: it is. */
char *store_clock_why(const StoreClock *clock);
/* It is right now: an operator says so. */
gboolean store_clock_note(int root_dirfd, UtilClock *clock, gint64 orders_utc, GError **error);
/* Central was reached, and our clock is offset_ms ahead of its. If that is not more than
 * STORE_CLOCK_JUMP_S, both are right. If it is, central's time is what ours should be, unless ours
 * was agreed upon in this run of the machine: then it may be central that is wrong. */
gboolean store_clock_contact(int root_dirfd, UtilClock *clock, gint64 offset_ms, gint64 orders_utc,
			     GError **error);
/* Renews the note of a trusted clock once an hour, so that what NTP mends bit by bit is no jump. A
 * first note is only made if `begin`: a dead clock must not be what others are measured by. */
gboolean store_clock_keep(int root_dirfd, UtilClock *clock, gboolean begin, GError **error);

/* ---- without the file: pure, and what the above go by. note: NULL if there is none ---- */

/* Who says that it was that late. */
typedef enum { STORE_CLOCK_BY_ITSELF, STORE_CLOCK_BY_CENTRAL, STORE_CLOCK_BY_AGREED } StoreClockBy;

typedef struct {
	char *boot;
	gint64 boot_us, clock_us;
	StoreClockBy by;
	gint64 orders_utc;
} StoreClockNote;
void store_clock_note_clear(StoreClockNote *note);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(StoreClockNote, store_clock_note_clear)

void store_clock_judge(const StoreClockNote *note, UtilClock *clock, gint64 orders_utc,
		       StoreClock *ret_clock);
/* The note of who says that it is right. */
void store_clock_agreed(UtilClock *clock, gint64 orders_utc, StoreClockNote *ret_note);
/* The note after a contact, and after a while: FALSE, and the old one stays. */
gboolean store_clock_told(const StoreClockNote *note, UtilClock *clock, gint64 offset_ms,
			  gint64 orders_utc, StoreClockNote *ret_note);
gboolean store_clock_kept(const StoreClockNote *note, UtilClock *clock, gboolean begin,
			  StoreClockNote *ret_note);
