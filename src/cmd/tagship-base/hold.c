/* SPDX-License-Identifier: ISC */
/* What an operator does by hand: hold, unhold, activate, rollback. All of it works with the line
 * down. */
#include "cmd/tagship-base/base.h"

#define LOCK_WAIT_MS (10 * 1000)

static gboolean record_one(const Base *base, const ConfBaseApp *app, const char *event,
			   const char *reason, GError **error)
{
	ActivateSpec spec = base_activate_spec(base, app);
	g_autoptr(ActivateApp) opened = activate_open(&spec, LOCK_WAIT_MS, error);
	if (!opened)
		return FALSE;
	g_autofree char *who = cmd_who();
	g_autoptr(UtilTrailers) record = util_trailers_new();
	util_trailers_add(record, "Event", event);
	util_trailers_add(record, "By", who);
	util_trailers_add(record, "Reason", reason);
	return activate_record(opened, record, error);
}

/* One app, or all of them if `name` is NULL. */
static gboolean record_all(const Base *base, const char *name, const char *event,
			   const char *reason, GError **error)
{
	for (guint i = 0; i < base->conf->apps->len; i++) {
		const ConfBaseApp *app = g_ptr_array_index(base->conf->apps, i);
		if ((!name || strcmp(name, app->name) == 0) &&
		    !record_one(base, app, event, reason, error))
			return FALSE;
	}
	return TRUE;
}

int base_hold(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 1, 2, error))
		return 2;
	g_autoptr(Base) base = base_open(cmd, error);
	const char *app = cmd->argc > 2 ? cmd->argv[1] : NULL;
	const char *reason = cmd->argv[cmd->argc - 1];
	if (!base || (app && !base_find_app(base, app, error)) ||
	    !record_all(base, app, "held", reason, error))
		return 1;
	cmd_say(cmd, "%s: nothing activates until \"tagship-base unhold%s%s\"",
		app ? app : "all apps", app ? " " : "", app ? app : "");
	base_deliver_quietly(cmd, base);
	return 0;
}

int base_unhold(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 0, 1, error))
		return 2;
	g_autoptr(Base) base = base_open(cmd, error);
	const char *app = cmd->argc > 1 ? cmd->argv[1] : NULL;
	if (!base || (app && !base_find_app(base, app, error)) ||
	    !record_all(base, app, "unheld", "", error))
		return 1;
	cmd_say(cmd, "%s: no longer held", app ? app : "all apps");
	base_deliver_quietly(cmd, base);
	return 0;
}

/* Opens the app named in argv[1], acts, and tells central. */
static int by_hand(Cmd *cmd,
		   gboolean (*act)(ActivateApp *app, const char *version, const char *who,
				   GError **error),
		   GError **error)
{
	g_autoptr(Base) base = base_open(cmd, error);
	const ConfBaseApp *app = base ? base_find_app(base, cmd->argv[1], error) : NULL;
	if (!app)
		return 1;
	ActivateSpec spec = base_activate_spec(base, app);
	g_autoptr(ActivateApp) opened = activate_open(&spec, LOCK_WAIT_MS, error);
	g_autofree char *who = cmd_who();
	gboolean done = opened && act(opened, cmd->argc > 2 ? cmd->argv[2] : NULL, who, error);
	g_clear_pointer(&opened, activate_close);
	/* also what went wrong is told; of what was refused there is nothing to tell */
	if (done || !g_error_matches(*error, TS_ERROR, TS_ERROR_REFUSED))
		base_deliver_quietly(cmd, base);
	return done ? 0 : 1;
}

static gboolean roll_back(ActivateApp *app, const char *version, const char *who, GError **error)
{
	(void)version; /* the last good one */
	return activate_rollback(app, who, error);
}

int base_rollback(Cmd *cmd, GError **error)
{
	return cmd_options(cmd, NULL, 1, 1, error) ? by_hand(cmd, roll_back, error) : 2;
}

int base_activate_by_hand(Cmd *cmd, GError **error)
{
	return by_hand(cmd, activate_by_hand, error);
}
