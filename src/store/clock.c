/* SPDX-License-Identifier: ISC */
#include "store/clock.h"

#define FILE_NAME "clock"
#define MAX_BYTES ((gsize)4096)
#define RENEW_US (G_GINT64_CONSTANT(3600) * G_USEC_PER_SEC)

typedef struct {
	char *boot;
	gint64 boot_us, clock_us;
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
	    !util_trailers_need_int(note, "Clock-Us", 0, G_MAXINT64, &ret_note->clock_us, NULL))
		return FALSE;
	ret_note->boot = g_strdup(boot);
	return TRUE;
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
	if (!ret_clock->trusted)
		ret_clock->off_s = off_us / G_USEC_PER_SEC;
}

void store_clock_read(int root_dirfd, UtilClock *clock, StoreClock *ret_clock)
{
	g_auto(Note) note = {0};
	*ret_clock = (StoreClock){.now_utc = util_clock_now_utc(clock), .trusted = TRUE};
	if (note_read(root_dirfd, &note))
		judge(&note, clock, ret_clock);
}

gboolean store_clock_note(int root_dirfd, UtilClock *clock, GError **error)
{
	g_autoptr(UtilTrailers) note = util_trailers_new();
	g_autofree char *boot = clock->boot_id(clock);
	util_trailers_add(note, "Boot", boot);
	util_trailers_add_int(note, "Boot-Us", clock->boot_us(clock));
	util_trailers_add_int(note, "Clock-Us", clock->now_us(clock));
	g_autofree char *text = util_trailers_format(note);
	return util_fs_write_file(root_dirfd, FILE_NAME, text, strlen(text), 0644, error);
}

gboolean store_clock_keep(int root_dirfd, UtilClock *clock, gboolean begin, GError **error)
{
	g_auto(Note) note = {0};
	StoreClock state = {.trusted = TRUE};
	if (!note_read(root_dirfd, &note))
		return !begin || store_clock_note(root_dirfd, clock, error);
	judge(&note, clock, &state);
	if (!state.trusted ||
	    (same_boot(&note, clock) && clock->boot_us(clock) - note.boot_us < RENEW_US))
		return TRUE;
	return store_clock_note(root_dirfd, clock, error);
}
