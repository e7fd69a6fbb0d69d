/* SPDX-License-Identifier: ISC */
/* For the targets of the order room. */
#pragma once

#include "order/accepted.h"

/* What a parser takes, it writes back as it was, but for keys of later versions ("X-"). */
static inline void check_same(const char *text, gsize len, const char *again)
{
	if (len == strlen(again) && memcmp(text, again, len) == 0)
		return;
	g_assert(g_strstr_len(text, (gssize)len, "\nX-"));
}
