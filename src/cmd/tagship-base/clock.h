/* SPDX-License-Identifier: ISC */
/* What is said of this machine's clock by clock, status and doctor. */
#pragma once

#include "cmd/tagship-base/base.h"

/* Our clock minus central's, of the last good contact; FALSE: not known. contact may be NULL. */
gboolean base_clock_offset(const UtilTrailers *contact, gint64 *ret_offset_ms);
/* More than people may be left in the dark about. */
gboolean base_clock_is_off(gint64 offset_ms);
/* Why the clock is not trusted, and what to do; NULL: it is. */
char *base_clock_doubt(const Base *base);
/* A line with the offset, one if the clock is not trusted. */
void base_clock_print(const Base *base);
