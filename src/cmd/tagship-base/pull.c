/* SPDX-License-Identifier: ISC */
/*
 * One contact with central: deliver reports, fetch and accept orders, download what they need (the
 * soonest go-live first), stage, deliver again.
 */
#include "cmd/tagship-base/pulling.h"

#define BUSY_US (10 * G_USEC_PER_SEC) /* most activations are over by then */

static BasePull *open_locked(const Cmd *cmd, const Base *base, int *ret_lock, GError **error)
{
	*ret_lock = util_fs_lock(base->dirfd, BASE_PULL_LOCK, 0, error);
	return *ret_lock < 0 ? NULL : base_pull_open(cmd, base, FALSE, error);
}

static gboolean pull_once(const Cmd *cmd, const Base *base, GError **error)
{
	util_autofd int lock = -1;
	g_autoptr(BasePull) pull = open_locked(cmd, base, &lock, error);
	return pull && base_pull_contact(pull, error) &&
	       (!base_pull_busy(pull) || base_pull_take_in(pull, BUSY_US, error));
}

static gboolean deliver(const Cmd *cmd, const Base *base, GError **error)
{
	util_autofd int lock = -1;
	g_autoptr(BasePull) pull = open_locked(cmd, base, &lock, error);
	return pull && base_pull_deliver(pull, error);
}

void base_deliver_quietly(const Cmd *cmd, const Base *base)
{
	g_autoptr(GError) error = NULL;
	if (!deliver(cmd, base, &error) && cmd->verbose)
		g_printerr("reports stay pending: %s\n", error->message);
	base_notify_quietly(base);
}

void base_accept_offline(const Base *base)
{
	static const char *const none[] = {NULL};
	MirrorSpec spec = {.root_path = base->root,
			   .root_dirfd = base->dirfd,
			   .conf = base->conf,
			   .clock = base->clock,
			   .live = none,
			   .held = none,
			   .incarnation = base->incarnation};
	g_autoptr(GError) error = NULL;
	gboolean moved = FALSE;
	if (!mirror_accept(&spec, &moved, &error) &&
	    !g_error_matches(error, TS_ERROR, TS_ERROR_NOT_FOUND))
		g_printerr("orders in the mirror are not accepted: %s\n", error->message);
	if (moved && base_run_helper(base, "tagship-stage", NULL, &error) < 0)
		g_printerr("%s\n", error->message);
}

int base_pull(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 0, 0, error))
		return 2;
	g_autoptr(Base) base = base_open(cmd, error);
	if (!base)
		return 1;
	gboolean pulled = pull_once(cmd, base, error);
	if (!pulled)
		base_accept_offline(base);
	base_notify_quietly(base);
	return pulled ? 0 : 1;
}
