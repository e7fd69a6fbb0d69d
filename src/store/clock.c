/* SPDX-License-Identifier: ISC */
#include "store/clock.h"

#define FILE_NAME "clock"
#define MAX_BYTES ((gsize)4096)
#define RENEW_US (G_GINT64_CONSTANT(3600) * G_USEC_PER_SEC)

typedef enum { BY_ITSELF, BY_CENTRAL, BY_AGREED } By;
static const char *const by_names[] = {"itself", "central", "agreed"};

typedef struct {
	char *boot;
	gint64 boot_us, clock_us;
	By by;
	gint64 orders_utc;
} Note;

static void note_clear(Note *note)
{
	g_clear_pointer(&note->boot, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Note, note_clear)

static gboolean note_read(int root_dirfd, Note *ret_note)
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
			ret_note->by = (By)i;
	return TRUE;
}

static gboolean note_write(int root_dirfd, UtilClock *clock, const Note *what, GError **error)
{
	g_autoptr(UtilTrailers) note = util_trailers_new();
	g_autofree char *boot = clock->boot_id(clock);
	util_trailers_add(note, "Boot", boot);
	util_trailers_add_int(note, "Boot-Us", clock->boot_us(clock));
	util_trailers_add_int(note, "Clock-Us", what->clock_us);
	util_trailers_add(note, "By", by_names[what->by]);
	util_trailers_add_int(note, "Orders-Utc", what->orders_utc);
	g_autofree char *text = util_trailers_format(note);
	return util_fs_write_file(root_dirfd, FILE_NAME, text, strlen(text), 0644, error);
}

static gboolean same_boot(const Note *note, UtilClock *clock)
{
	g_autofree char *boot = clock->boot_id(clock);
	return strcmp(boot, note->boot) == 0;
}

static void judge(const Note *note, UtilClock *clock, StoreClock *ret_clock)
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
	ret_clock->doubt = !same                    ? STORE_CLOCK_RESTARTED
			   : note->by == BY_CENTRAL ? STORE_CLOCK_CENTRAL
						    : STORE_CLOCK_JUMPED;
}

void store_clock_read(int root_dirfd, UtilClock *clock, gint64 orders_utc, StoreClock *ret_clock)
{
	g_auto(Note) note = {0};
	*ret_clock = (StoreClock){.now_utc = util_clock_now_utc(clock), .trusted = TRUE};
	if (note_read(root_dirfd, &note))
		judge(&note, clock, ret_clock);
	gint64 off_s = ret_clock->now_utc - orders_utc;
	if (!ret_clock->trusted || off_s >= -STORE_CLOCK_JUMP_S || orders_utc <= note.orders_utc)
		return;
	ret_clock->trusted = FALSE;
	ret_clock->doubt = STORE_CLOCK_ORDERS;
	ret_clock->off_s = off_s;
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

gboolean store_clock_note(int root_dirfd, UtilClock *clock, gint64 orders_utc, GError **error)
{
	const Note note = {
	    .clock_us = clock->now_us(clock), .by = BY_AGREED, .orders_utc = orders_utc};
	return note_write(root_dirfd, clock, &note, error);
}

gboolean store_clock_contact(int root_dirfd, UtilClock *clock, gint64 offset_ms, gint64 orders_utc,
			     GError **error)
{
	g_auto(Note) note = {0};
	if (ABS(offset_ms) <= STORE_CLOCK_JUMP_S * 1000)
		return store_clock_note(root_dirfd, clock, orders_utc, error);
	if (note_read(root_dirfd, &note) && same_boot(&note, clock) && note.by == BY_AGREED)
		return store_clock_keep(root_dirfd, clock, FALSE, error);
	note.by = BY_CENTRAL;
	note.clock_us = clock->now_us(clock) - offset_ms * 1000;
	return note_write(root_dirfd, clock, &note, error);
}

gboolean store_clock_keep(int root_dirfd, UtilClock *clock, gboolean begin, GError **error)
{
	g_auto(Note) note = {0};
	StoreClock state = {.trusted = TRUE};
	gboolean noted = note_read(root_dirfd, &note);
	gboolean same = noted && same_boot(&note, clock);
	if (noted)
		judge(&note, clock, &state);
	if (noted ? !state.trusted || (same && clock->boot_us(clock) - note.boot_us < RENEW_US)
		  : !begin)
		return TRUE;
	if (!same || note.by == BY_CENTRAL)
		note.by = BY_ITSELF;
	note.clock_us = clock->now_us(clock);
	return note_write(root_dirfd, clock, &note, error);
}
