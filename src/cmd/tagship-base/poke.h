/* SPDX-License-Identifier: ISC */
/*
 * A poke is a file ROOT/poke/now that somebody made: an activation that has something to report, or
 * git after a plain fetch. It is taken away before it is acted on.
 */
#pragma once

#include "cmd/tagship-base/base.h"

/* A descriptor that can be read after a poke; nothing else beneath ROOT wakes it. */
int base_poke_open(const Base *base, GError **error);
/* TRUE if there was one. */
gboolean base_poke_take(const Base *base, int fd);
/* Sleeps until there may be one, or the monotonic time has come (FALSE). */
gboolean base_poke_wait(int fd, gint64 until_us);
/* Makes one; a failure costs only time. */
void base_poke(const Base *base);
