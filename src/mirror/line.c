/* SPDX-License-Identifier: ISC */
/* What the line gave lately, and how much of it may be taken now. */
#include "mirror/mirror-private.h"

#define BYTES_MIN ((guint64)128 * 1024) /* less says little */

void mirror_line_limit(Mirror *mirror)
{
	gint64 utc = util_clock_now_utc(mirror->spec->clock);
	mirror->limit_kbit = conf_base_rate_kbit(mirror->spec->conf, utc);
	if (mirror->session)
		wire_session_limit(mirror->session, mirror->limit_kbit);
}

void mirror_line_begin(Mirror *mirror, MirrorLine *ret)
{
	gint64 rtt = 0;
	*ret = (MirrorLine){.since_us = g_get_monotonic_time(), .limit_kbit = mirror->limit_kbit};
	ret->known = mirror->session && wire_session_line(mirror->session, &ret->ip_in, &rtt);
}

/* A download that was held back says nothing of the line, unless the line gave even less. */
void mirror_line_end(Mirror *mirror, const MirrorLine *line)
{
	guint64 ip_in = 0;
	gint64 rtt_us = 0;
	gint64 ms = (g_get_monotonic_time() - line->since_us) / 1000;
	if (!line->known || !mirror->session || ms < 1000 ||
	    !wire_session_line(mirror->session, &ip_in, &rtt_us) || ip_in < line->ip_in + BYTES_MIN)
		return;
	gint64 kbit = (gint64)(ip_in - line->ip_in) * 8 / ms;
	gint64 limit = MAX(line->limit_kbit, mirror->limit_kbit);
	if (limit > 0 && kbit > limit * 9 / 10)
		return;
	mirror->line_kbit = mirror->line_kbit > 0 ? (mirror->line_kbit + 3 * kbit) / 4 : kbit;
	mirror->line_rtt_ms = rtt_us / 1000;
	mirror_contact_line(mirror->spec, mirror->line_kbit, mirror->line_rtt_ms);
}
