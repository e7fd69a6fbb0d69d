/* SPDX-License-Identifier: ISC */
/* How this machine's clock stands, and an operator's word that it is right. */
#include "cmd/tagship-base/clock.h"

#define ALARM_MS 2000

gboolean base_clock_offset(const UtilTrailers *contact, gint64 *ret_offset_ms)
{
	gint64 seconds = 0;
	if (!contact)
		return FALSE;
	if (util_trailers_need_int(contact, "Clock-Offset-Ms", G_MININT64 / 2, G_MAXINT64 / 2,
				   ret_offset_ms, NULL))
		return TRUE;
	gboolean known = util_trailers_need_int(contact, "Clock-Offset-S", -G_MAXINT32, G_MAXINT32,
						&seconds, NULL);
	*ret_offset_ms = seconds * 1000;
	return known;
}

gboolean base_clock_is_off(gint64 offset_ms)
{
	return ABS(offset_ms) > ALARM_MS;
}

char *base_clock_doubt(const Base *base)
{
	StoreClock clock;
	activate_clock(base->dirfd, base->clock, &clock);
	g_autofree char *why = store_clock_why(&clock);
	return why ? g_strdup_printf(
			 "%s; nothing is missed until central agrees within a minute, or "
			 "`tagship-base clock confirm` says that it is right",
			 why)
		   : NULL;
}

void base_clock_print(const Base *base)
{
	gint64 offset_ms = 0;
	g_autoptr(UtilTrailers) contact = base_last_contact(base);
	g_autofree char *doubt = base_clock_doubt(base);
	if (base_clock_offset(contact, &offset_ms))
		g_print("clock: %s%+.3f s off central's%s\n",
			base_clock_is_off(offset_ms) ? "WRONG, " : "", (double)offset_ms / 1000,
			base_clock_is_off(offset_ms) ? "; check NTP here and there" : "");
	if (doubt)
		g_print("clock: NOT TRUSTED, %s\n", doubt);
}

int base_clock(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 0, 1, error))
		return 2;
	if (cmd->argc > 1 && strcmp(cmd->argv[1], "confirm") != 0) {
		util_error_set(error, TS_ERROR_USAGE, "usage: tagship-base clock [confirm]");
		return 2;
	}
	g_autoptr(Base) base = base_open(cmd, error);
	if (!base)
		return 1;
	g_autofree char *now = util_time_format_utc(util_clock_now_utc(base->clock));
	if (cmd->argc > 1) {
		if (!store_clock_note(base->dirfd, base->clock, activate_orders_utc(base->dirfd),
				      error))
			return 1;
		cmd_say(cmd, "%s is taken for right; orders go by it from now on", now);
		return 0;
	}
	g_print("clock: %s\n", now);
	base_clock_print(base);
	return 0;
}
