/* SPDX-License-Identifier: ISC */
/* What an operator does by hand: hold, unhold, activate, rollback, pin, unpin, maintenance. All of
 * it works with the line down. */
#include "cmd/signals.h"
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

/* What is done with one app; `argument` is what stands behind it, or NULL. */
typedef gboolean (*Act)(ActivateApp *app, const char *argument, const char *who, GError **error);

/* Opens the app named in argv[1], and acts. */
static gboolean act_on(Cmd *cmd, const Base *base, Act act, GError **error)
{
	const ConfBaseApp *app = base_find_app(base, cmd->argv[1], error);
	if (!app)
		return FALSE;
	ActivateSpec spec = base_activate_spec(base, app);
	g_autoptr(ActivateApp) opened = activate_open(&spec, LOCK_WAIT_MS, error);
	g_autofree char *who = cmd_who();
	return opened && act(opened, cmd->argc > 2 ? cmd->argv[2] : NULL, who, error);
}

/* The same, and central is told. */
static int act_and_tell(Cmd *cmd, Act act, GError **error)
{
	g_autoptr(Base) base = base_open(cmd, error);
	if (!base)
		return 1;
	cmd_outlive_signals();
	gboolean done = act_on(cmd, base, act, error);
	/* also what went wrong is told; of what was refused there is nothing to tell */
	if (done || g_error_matches(*error, TS_ERROR, TS_ERROR_FAILED))
		base_deliver_quietly(cmd, base);
	return done ? 0 : 1;
}

static gboolean roll_back(ActivateApp *app, const char *argument, const char *who, GError **error)
{
	(void)argument; /* there is none: the last good version */
	return activate_rollback(app, who, error);
}

int base_rollback(Cmd *cmd, GError **error)
{
	return cmd_options(cmd, NULL, 1, 1, error) ? act_and_tell(cmd, roll_back, error) : 2;
}

int base_activate_by_hand(Cmd *cmd, GError **error)
{
	return act_and_tell(cmd, activate_by_hand, error);
}

static int pin_with(Cmd *cmd, Act act, GError **error)
{
	if (!cmd_options(cmd, NULL, 2, 2, error))
		return 2;
	g_autoptr(Base) base = base_open(cmd, error);
	return base && act_on(cmd, base, act, error) ? 0 : 1;
}

int base_pin(Cmd *cmd, GError **error)
{
	return pin_with(cmd, activate_pin, error);
}

int base_unpin(Cmd *cmd, GError **error)
{
	return pin_with(cmd, activate_unpin, error);
}

static gboolean maintenance_on(ActivateApp *app, const char *reason, const char *who,
			       GError **error)
{
	return activate_maintenance(app, TRUE, reason, who, error);
}

static gboolean maintenance_off(ActivateApp *app, const char *reason, const char *who,
				GError **error)
{
	(void)reason; /* needs none */
	return activate_maintenance(app, FALSE, NULL, who, error);
}

int base_maintenance(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 2, 3, error))
		return 2;
	const char *word = cmd->argv[2];
	gboolean on = strcmp(word, "on") == 0;
	if ((!on && strcmp(word, "off") != 0) || (!on && cmd->argc > 3)) {
		util_error_set(error, TS_ERROR_USAGE,
			       "maintenance: \"%s\"; write: maintenance APP on [REASON], or "
			       "maintenance APP off",
			       word);
		return 2;
	}
	g_autoptr(Base) base = base_open(cmd, error);
	if (!base)
		return 1;
	/* what stands behind the app is now the reason, or nothing */
	cmd->argv[2] = cmd->argc > 3 ? cmd->argv[3] : NULL;
	cmd->argc = cmd->argc > 3 ? 3 : 2;
	if (!act_on(cmd, base, on ? maintenance_on : maintenance_off, error))
		return 1;
	cmd_say(cmd, "%s: %s", cmd->argv[1],
		on ? "in maintenance until \"maintenance off\"" : "no longer in maintenance");
	return 0;
}
