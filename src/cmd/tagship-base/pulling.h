/* SPDX-License-Identifier: ISC */
/*
 * Contacts with central, one after the other on one connection.
 *
 *   g_autoptr(BasePull) pull = base_pull_open(cmd, base, watch, &error);
 *   base_pull_contact(pull, &error) ... base_pull_wait(pull, fd, until_us, &event, &error) ...
 *
 * The lock is held while there is work, not while waiting. AGAIN: the line was lost; open anew.
 */
#pragma once

#include "cmd/tagship-base/base.h"
#include "mirror/mirror.h"

#define BASE_PULL_LOCK "lock/pull"

typedef struct BasePull BasePull;

/* Connects. watch: be told by central what is new. */
BasePull *base_pull_open(const Cmd *cmd, const Base *base, gboolean watch, GError **error);
void base_pull_close(BasePull *pull);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BasePull, base_pull_close)

/* Deliver reports, fetch and accept orders, download what they need, the soonest go-live first,
 * stage, deliver again. */
gboolean base_pull_contact(BasePull *pull, GError **error);
/* The same without asking central for news: reports, and what nodes or orders that are known
 * already lack. */
gboolean base_pull_poked(BasePull *pull, GError **error);
/* TRUE if an app was busy, so that what is new for it is not taken in yet. */
gboolean base_pull_busy(const BasePull *pull);
/* Takes it in, trying for so long, and then does as if poked; AGAIN if one is busy all the while.
 */
gboolean base_pull_take_in(BasePull *pull, gint64 wait_us, GError **error);
gboolean base_pull_deliver(BasePull *pull, GError **error);
/* As mirror_watch. */
gboolean base_pull_wait(BasePull *pull, int fd, gint64 until_us, MirrorEvent *ret_event,
			GError **error);
/* The last contact put bundles off until then (pull_hours, or they are being made); 0: none. */
gint64 base_pull_look_utc(const BasePull *pull);

/* After a plain `git fetch` (or when the line is down) what is in the mirror already still counts.
 */
void base_accept_offline(const Base *base);
