/* SPDX-License-Identifier: ISC */
/* What an operator does by hand: hold, unhold, activate, rollback, pin, unpin, maintenance. All of
 * it works with the line down. */
#include "cmd/signals.h"
#include "cmd/tagship-base/base.h"

#define LOCK_WAIT_MS (10 * 1000)

/* Who has the lock, and what to do about it. */
static void say_busy(const ActivateSpec *spec, GError **error)
{
	g_autoptr(DecideApp) state = activate_read(spec, NULL); /* NULL: it was told already */
	DecideOpen open = {0};
	const char *name = spec->app->name;
	if (!error || !g_error_matches(*error, TS_ERROR, TS_ERROR_AGAIN))
		return;
	if (state)
		decide_app_open(state, &open);
	g_autofree char *since = open.order ? util_time_format_utc(open.intent_utc) : NULL;
	g_clear_error(error);
	util_error_set(
	    error, TS_ERROR_AGAIN,
	    "%s is busy: %s%s%s%s; nothing was changed. Watch `tagship-base status %s` and "
	    "`log %s`, and try again when that has ended",
	    name, open.order ? "the activation of " : "",
	    open.order ? util_trailers_get(open.intent, "Version") : "",
	    since ? " has run since "
		  : "an activation begins or ends, or orders are being accepted",
	    since ? since : "", name, name);
}

static ActivateApp *open_app(const ActivateSpec *spec, int wait_ms, GError **error)
{
	ActivateApp *app = activate_open(spec, wait_ms, error);
	if (!app)
		say_busy(spec, error);
	return app;
}

/* What is recorded of one app or of all. */
typedef struct {
	const char *event, *reason; /* event: "held" */
} Mark;

static gboolean record_one(const Base *base, const ConfBaseApp *app, const Mark *mark, int wait_ms,
			   GError **error)
{
	ActivateSpec spec = base_activate_spec(base, app);
	g_autoptr(ActivateApp) opened = open_app(&spec, wait_ms, error);
	if (!opened)
		return FALSE;
	g_autofree char *who = cmd_who();
	g_autoptr(UtilTrailers) record = util_trailers_new();
	util_trailers_add(record, "Event", mark->event);
	util_trailers_add(record, "By", who);
	util_trailers_add(record, "Reason", mark->reason);
	return activate_record(opened, record, error);
}

/* Takes out of `apps` those that were recorded; the errors of the others, a line each, and the code
 * of one that is not only busy. */
static char *record_each(const Base *base, GPtrArray *apps, const Mark *mark, int wait_ms,
			 int *ret_code)
{
	g_autoptr(GString) lines = g_string_new(NULL);
	g_autoptr(GPtrArray) left = g_ptr_array_new();
	*ret_code = TS_ERROR_AGAIN;
	for (guint i = 0; i < apps->len; i++) {
		g_autoptr(GError) failed = NULL;
		if (record_one(base, apps->pdata[i], mark, wait_ms, &failed))
			continue;
		g_ptr_array_add(left, apps->pdata[i]);
		g_string_append_printf(lines, "\n  %s", failed->message);
		if (*ret_code == TS_ERROR_AGAIN)
			*ret_code = failed->code;
	}
	g_ptr_array_set_size(apps, 0);
	g_ptr_array_extend(apps, left, NULL, NULL);
	return g_string_free(g_steal_pointer(&lines), FALSE);
}

static char *names_of(const GPtrArray *apps)
{
	g_autoptr(GString) names = g_string_new(NULL);
	for (guint i = 0; i < apps->len; i++)
		g_string_append_printf(names, "%s%s", i > 0 ? ", " : "",
				       ((const ConfBaseApp *)apps->pdata[i])->name);
	return g_string_free(g_steal_pointer(&names), FALSE);
}

/* Those that nobody is at first: no app waits for the activation of another. */
static gboolean record_all(const Base *base, const Mark *mark, GError **error)
{
	int code = TS_ERROR_AGAIN;
	g_autoptr(GPtrArray) apps = g_ptr_array_new();
	g_ptr_array_extend(apps, base->conf->apps, NULL, NULL);
	g_autofree char *first = record_each(base, apps, mark, 0, &code);
	g_autofree char *why = record_each(base, apps, mark, LOCK_WAIT_MS, &code);
	g_autofree char *names = names_of(apps);
	return apps->len == 0 ||
	       util_error_set(error, code, "NOT %s: %s%s%s", mark->event, names,
			      apps->len < base->conf->apps->len ? "; all others are" : "", why);
}

/* One app, or all of them if `name` is NULL. */
static gboolean record(const Base *base, const char *name, const Mark *mark, GError **error)
{
	const ConfBaseApp *app = name ? base_find_app(base, name, error) : NULL;
	if (!name)
		return record_all(base, mark, error);
	return app && record_one(base, app, mark, LOCK_WAIT_MS, error);
}

/* `hold shop` would hold them all for the reason "shop". */
static gboolean is_reason(const Base *base, const char *reason, GError **error)
{
	return !conf_base_app(base->conf, reason) ||
	       util_error_set(
		   error, TS_ERROR_USAGE,
		   "%s is an app: say why, too: tagship-base hold %s REASON; or, for all "
		   "apps, a reason that says more: tagship-base hold REASON",
		   reason, reason);
}

int base_hold(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 1, 2, error))
		return 2;
	g_autoptr(Base) base = base_open(cmd, error);
	const char *app = cmd->argc > 2 ? cmd->argv[1] : NULL;
	const Mark mark = {"held", cmd->argv[cmd->argc - 1]};
	if (!base || (!app && !is_reason(base, mark.reason, error)))
		return 1;
	gboolean done = record(base, app, &mark, error);
	if (done)
		cmd_say(cmd, "%s: nothing activates until \"tagship-base unhold%s%s\"",
			app ? app : "all apps", app ? " " : "", app ? app : "");
	base_deliver_quietly(cmd, base);
	return done ? 0 : 1;
}

int base_unhold(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 0, 1, error))
		return 2;
	g_autoptr(Base) base = base_open(cmd, error);
	const char *app = cmd->argc > 1 ? cmd->argv[1] : NULL;
	const Mark mark = {"unheld", ""};
	if (!base)
		return 1;
	gboolean done = record(base, app, &mark, error);
	if (done)
		cmd_say(cmd, "%s: no longer held", app ? app : "all apps");
	base_deliver_quietly(cmd, base);
	return done ? 0 : 1;
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
	g_autoptr(ActivateApp) opened = open_app(&spec, LOCK_WAIT_MS, error);
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
