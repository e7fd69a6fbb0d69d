/* SPDX-License-Identifier: ISC */
#include "store/clock.h"

#define FILE_NAME "clock"
#define MAX_BYTES ((gsize)4096)
#define RENEW_US (G_GINT64_CONSTANT(3600) * G_USEC_PER_SEC)

static const char *const by_names[] = {"itself", "central", "agreed"};

void store_clock_note_clear(StoreClockNote *note)
{
	g_clear_pointer(&note->boot, g_free);
}

static gboolean note_read(int root_dirfd, StoreClockNote *ret_note)
{
	g_autofree char *text = NULL;
	gsize len = 0;
	const char *boot = NULL;
	if (!util_fs_read_file(root_dirfd, FILE_NAME, MAX_BYTES, &text, &len, NULL))
		return FALSE;
	g_autoptr(UtilTrailers) note = util_trailers_parse(text, len, NULL);
	if (!note || !util_trailers_need(note, "Boot", &boot, NULL) ||
	    !util_trailers_need_int(note, "Boot-Us", 0, G_MAXINT64, &ret_note->boot_us, NULL) ||
	    !util_trailers_need_int(note, "Clock-Us", 0, G_MAXINT64, &ret_note->clock_us, NULL) ||
	    !util_trailers_opt_int(note, "Orders-Utc", 0, G_MAXINT64, 0, &ret_note->orders_utc,
				   NULL))
		return FALSE;
	ret_note->boot = g_strdup(boot);
	for (guint i = 0; i < G_N_ELEMENTS(by_names); i++)
		if (g_strcmp0(util_trailers_get(note, "By"), by_names[i]) == 0)
			ret_note->by = (StoreClockBy)i;
	return TRUE;
}

static gboolean note_write(int root_dirfd, const StoreClockNote *what, GError **error)
{
	g_autoptr(UtilTrailers) note = util_trailers_new();
	util_trailers_add(note, "Boot", what->boot);
	util_trailers_add_int(note, "Boot-Us", what->boot_us);
	util_trailers_add_int(note, "Clock-Us", what->clock_us);
	util_trailers_add(note, "By", by_names[what->by]);
	util_trailers_add_int(note, "Orders-Utc", what->orders_utc);
	g_autofree char *text = util_trailers_format(note);
	return util_fs_write_file(root_dirfd, FILE_NAME, text, strlen(text), 0644, error);
}

/* ---- pure ---- */

static gboolean same_boot(const StoreClockNote *note, UtilClock *clock)
{
	g_autofree char *boot = clock->boot_id(clock);
	return strcmp(boot, note->boot) == 0;
}

static void judge_by_note(const StoreClockNote *note, UtilClock *clock, StoreClock *ret_clock)
{
	gint64 now_us = clock->now_us(clock), should_us = note->clock_us;
	gboolean same = same_boot(note, clock);
	if (same) {
		should_us += clock->boot_us(clock) - note->boot_us;
		ret_clock->projected_utc = should_us / G_USEC_PER_SEC;
	}
	gint64 off_us = now_us - should_us, jump_us = STORE_CLOCK_JUMP_S * G_USEC_PER_SEC;
	ret_clock->trusted = off_us >= -jump_us && (!same || off_us <= jump_us);
	if (ret_clock->trusted)
		return;
	ret_clock->off_s = off_us / G_USEC_PER_SEC;
	ret_clock->doubt = !same                                ? STORE_CLOCK_RESTARTED
			   : note->by == STORE_CLOCK_BY_CENTRAL ? STORE_CLOCK_CENTRAL
								: STORE_CLOCK_JUMPED;
}

void store_clock_judge(const StoreClockNote *note, UtilClock *clock, gint64 orders_utc,
		       StoreClock *ret_clock)
{
	*ret_clock = (StoreClock){.now_utc = util_clock_now_utc(clock), .trusted = TRUE};
	if (note)
		judge_by_note(note, clock, ret_clock);
	gint64 off_s = ret_clock->now_utc - orders_utc;
	if (!ret_clock->trusted || off_s >= -STORE_CLOCK_JUMP_S ||
	    orders_utc <= (note ? note->orders_utc : 0))
		return;
	ret_clock->trusted = FALSE;
	ret_clock->doubt = STORE_CLOCK_ORDERS;
	ret_clock->off_s = off_s;
}

void store_clock_agreed(UtilClock *clock, gint64 orders_utc, StoreClockNote *ret_note)
{
	*ret_note = (StoreClockNote){.boot = clock->boot_id(clock),
				     .boot_us = clock->boot_us(clock),
				     .clock_us = clock->now_us(clock),
				     .by = STORE_CLOCK_BY_AGREED,
				     .orders_utc = orders_utc};
}

gboolean store_clock_kept(const StoreClockNote *note, UtilClock *clock, gboolean begin,
			  StoreClockNote *ret_note)
{
	StoreClock state = {.trusted = TRUE};
	gboolean same = note && same_boot(note, clock);
	if (note)
		judge_by_note(note, clock, &state);
	if (note ? !state.trusted || (same && clock->boot_us(clock) - note->boot_us < RENEW_US)
		 : !begin)
		return FALSE;
	store_clock_agreed(clock, note ? note->orders_utc : 0, ret_note);
	ret_note->by =
	    !same || note->by == STORE_CLOCK_BY_CENTRAL ? STORE_CLOCK_BY_ITSELF : note->by;
	return TRUE;
}

gboolean store_clock_told(const StoreClockNote *note, UtilClock *clock, gint64 offset_ms,
			  gint64 orders_utc, StoreClockNote *ret_note)
{
	gboolean off = ABS(offset_ms) > STORE_CLOCK_JUMP_S * 1000;
	if (off && note && same_boot(note, clock) && note->by == STORE_CLOCK_BY_AGREED)
		return store_clock_kept(note, clock, FALSE, ret_note);
	store_clock_agreed(clock, orders_utc, ret_note);
	if (!off)
		return TRUE;
	ret_note->by = STORE_CLOCK_BY_CENTRAL;
	ret_note->clock_us -= offset_ms * 1000;
	ret_note->orders_utc = note ? note->orders_utc : 0;
	return TRUE;
}

char *store_clock_why(const StoreClock *clock)
{
	g_autofree char *off = util_text_duration(ABS(clock->off_s));
	const char *way = clock->off_s > 0 ? "ahead" : "back";
	switch (clock->doubt) {
	case STORE_CLOCK_SURE:
		return NULL;
	case STORE_CLOCK_JUMPED:
		return g_strdup_printf("it jumped %s %s", off, way);
	case STORE_CLOCK_RESTARTED:
		return g_strdup_printf("after a restart it is %s %s", off, way);
	case STORE_CLOCK_CENTRAL:
		return g_strdup_printf("it is %s %s central's, and since this machine was "
				       "started they never agreed",
				       off, clock->off_s > 0 ? "ahead of" : "behind");
	case STORE_CLOCK_ORDERS:
		return g_strdup_printf("it is %s behind the newest order here", off);
	}
	g_assert_not_reached();
}

/* ---- the file ---- */

void store_clock_read(int root_dirfd, UtilClock *clock, gint64 orders_utc, StoreClock *ret_clock)
{
	g_auto(StoreClockNote) note = {0};
	gboolean noted = note_read(root_dirfd, &note);
	store_clock_judge(noted ? &note : NULL, clock, orders_utc, ret_clock);
}

gboolean store_clock_note(int root_dirfd, UtilClock *clock, gint64 orders_utc, GError **error)
{
	g_auto(StoreClockNote) note = {0};
	store_clock_agreed(clock, orders_utc, &note);
	return note_write(root_dirfd, &note, error);
}

gboolean store_clock_contact(int root_dirfd, UtilClock *clock, gint64 offset_ms, gint64 orders_utc,
			     GError **error)
{
	g_auto(StoreClockNote) note = {0};
	g_auto(StoreClockNote) next = {0};
	gboolean noted = note_read(root_dirfd, &note);
	return !store_clock_told(noted ? &note : NULL, clock, offset_ms, orders_utc, &next) ||
	       note_write(root_dirfd, &next, error);
}

gboolean store_clock_keep(int root_dirfd, UtilClock *clock, gboolean begin, GError **error)
{
	g_auto(StoreClockNote) note = {0};
	g_auto(StoreClockNote) next = {0};
	gboolean noted = note_read(root_dirfd, &note);
	return !store_clock_kept(noted ? &note : NULL, clock, begin, &next) ||
	       note_write(root_dirfd, &next, error);
}
