/* SPDX-License-Identifier: ISC */
/*
 * What the line gives, asked of the kernel, and how much of it we take. The pace is a token bucket
 * told as a time: when all that has passed would have passed at the rate. Not reading makes TCP's
 * window, and with it the sender, keep that pace.
 */
#include <linux/tcp.h> /* not netinet's: it lacks the newer fields */
#include <netinet/in.h>
#include <sys/socket.h>

#include "wire/wire-private.h"

#define BURST_US (100 * 1000) /* what may be made up for after a pause */
#define IP_BYTES 40           /* of headers per packet; IPv6 has 20 more */
#define TIMESTAMP_BYTES 12

gboolean wire_tcp_line(int fd, WireLine *ret)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof info;
	*ret = (WireLine){0};
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0 ||
	    len < G_STRUCT_OFFSET(struct tcp_info, tcpi_min_rtt) + sizeof info.tcpi_min_rtt)
		return FALSE;
	guint header = IP_BYTES;
	if (info.tcpi_options & TCPI_OPT_TIMESTAMPS)
		header += TIMESTAMP_BYTES;
	ret->in = info.tcpi_bytes_received;
	ret->ip_in = info.tcpi_bytes_received + (guint64)info.tcpi_segs_in * header;
	ret->min_rtt_us = info.tcpi_min_rtt == G_MAXUINT32 ? 0 : info.tcpi_min_rtt;
	return TRUE;
}

gint64 wire_pace_until(const WirePace *pace, gint64 now_us)
{
	return pace->kbit > 0 && pace->next_us > now_us ? pace->next_us : 0;
}

void wire_pace_take(WirePace *pace, guint64 bytes, gint64 now_us)
{
	if (pace->kbit <= 0)
		return;
	pace->next_us = MAX(pace->next_us, now_us - BURST_US);
	pace->next_us += (gint64)(bytes * 8000 / (guint64)pace->kbit);
}

gsize wire_window(gint64 bytes_s, gint64 rtt_us)
{
	gint64 in_flight = bytes_s * rtt_us / G_USEC_PER_SEC;
	return (gsize)CLAMP(3 * in_flight, WIRE_WINDOW_MIN, WIRE_WINDOW_MAX);
}
