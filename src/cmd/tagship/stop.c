/* SPDX-License-Identifier: ISC */
/* tagship stop and resume: a signed hold in every ledger, and who has read it. */
#include "cmd/tagship/tagship.h"

#define HEAR_US (5 * G_USEC_PER_SEC) /* a base that watches reads it within a second or two */
#define LOOK_US (G_USEC_PER_SEC / 4)

/* The bases it is for. */
static char **bases_of(Central *central, const char *app, const char *base, GError **error)
{
	g_auto(GStrv) names = conf_peer_names(central->dirfd, error);
	g_autoptr(GStrvBuilder) found = g_strv_builder_new();
	for (guint i = 0; names && names[i]; i++) {
		g_autoptr(ConfPeer) peer = conf_peer_load(central->dirfd, names[i], error);
		if (!peer)
			return NULL;
		if ((!base || strcmp(base, peer->name) == 0) &&
		    (!app || g_strv_contains((const char *const *)peer->apps, app)))
			g_strv_builder_add(found, peer->name);
	}
	return names ? g_strv_builder_end(found) : NULL;
}

static guint deaf(Central *central, char **bases, GError **error)
{
	guint n = 0;
	for (guint i = 0; bases[i]; i++)
		n += publish_stop_heard(central, bases[i], error) == PUBLISH_HEARD_NOT_YET;
	return n;
}

static void say_heard(const Cmd *cmd, Central *central, char **bases)
{
	static const char *const texts[] = {
	    [PUBLISH_HEARD_NOT_YET] = "has not read it yet",
	    [PUBLISH_HEARD_YES] = "has read it",
	    [PUBLISH_HEARD_NEVER] = "CANNOT read it: tagship there is too old; hold it by hand"};
	gint64 now = util_clock_now_utc(central->clock), heard = 0;
	for (guint i = 0; bases[i]; i++) {
		PublishHeard how = publish_stop_heard(central, bases[i], NULL);
		g_autoptr(UtilTrailers) contact = publish_contact(central, bases[i]);
		gboolean known = contact && util_trailers_need_time(contact, "Time", &heard, NULL);
		g_autofree char *ago = known ? util_text_duration(now - heard) : NULL;
		cmd_say(cmd, "  %-16s %s%s%s%s", bases[i], texts[how],
			how == PUBLISH_HEARD_YES ? ""
			: known                  ? " (last contact "
						 : " (never heard of)",
			how != PUBLISH_HEARD_YES && ago ? ago : "",
			how != PUBLISH_HEARD_YES && ago ? " ago)" : "");
	}
}

/* Exit 5 if not all have read it. */
static int wait_heard(const Cmd *cmd, Central *central, const char *app, const char *base,
		      GError **error)
{
	g_auto(GStrv) bases = bases_of(central, app, base, error);
	gint64 until = g_get_monotonic_time() + HEAR_US;
	if (!bases || !cmd_see_to_it(cmd, central, error))
		return 1;
	while (deaf(central, bases, NULL) > 0 && g_get_monotonic_time() < until)
		g_usleep(LOOK_US);
	say_heard(cmd, central, bases);
	for (guint i = 0; bases[i]; i++)
		if (publish_stop_heard(central, bases[i], NULL) != PUBLISH_HEARD_YES)
			return 5;
	return 0;
}

/* `stop shop` would stop them all for the reason "shop". */
static gboolean is_reason(Central *central, const char *reason, GError **error)
{
	g_auto(GStrv) apps = conf_app_names(central->dirfd, error);
	if (!apps)
		return FALSE;
	return !g_strv_contains((const char *const *)apps, reason) ||
	       util_error_set(error, TS_ERROR_USAGE,
			      "%s is an app: say why, too: tagship stop %s REASON; or, for all "
			      "apps, a reason that says more: tagship stop REASON",
			      reason, reason);
}

static gboolean check(Central *central, const char *app, const char *base, GError **error)
{
	const char *const apps[] = {app, NULL};
	if (app && !cmd_check_apps(central, apps, error))
		return FALSE;
	g_autoptr(ConfPeer) peer = base ? conf_peer_load(central->dirfd, base, error) : NULL;
	return !base || peer;
}

int cmd_stop(Cmd *cmd, GError **error)
{
	g_autofree char *base = NULL;
	const GOptionEntry own[] = {
	    {"base", 0, 0, G_OPTION_ARG_STRING, &base, "Only at this base", "BASE"},
	    G_OPTION_ENTRY_NULL};
	if (!cmd_options(cmd, own, 1, 2, error))
		return 2;
	const char *app = cmd->argc > 2 ? cmd->argv[1] : NULL, *reason = cmd->argv[cmd->argc - 1];
	g_autofree char *who = cmd_who();
	g_autofree char *safe = util_text_printable(reason, -1);
	g_autoptr(Central) central = central_open(cmd->dir, error);
	if (!central || !check(central, app, base, error) ||
	    (!app && !is_reason(central, reason, error)) ||
	    !publish_stop(central, app, base, who, g_strdelimit(safe, "\n", ' '), error))
		return 1;
	cmd_say(cmd, "%s%s%s: nothing activates until \"tagship resume%s%s%s%s\"",
		app ? app : "all apps", base ? " at " : "", base ? base : "", app ? " " : "",
		app ? app : "", base ? " --base " : "", base ? base : "");
	return wait_heard(cmd, central, app, base, error);
}

/* What others stopped goes on. */
static gboolean say_standing(const Cmd *cmd, Central *central, const char *app, const char *base,
			     GError **error)
{
	g_autoptr(GPtrArray) stops = publish_stops(central, error);
	for (guint i = 0; stops && i < stops->len; i++) {
		g_autofree char *text = publish_stop_text(stops->pdata[i]);
		if (publish_stop_touches(stops->pdata[i], app, base))
			cmd_say(cmd, "  still stopped: %s", text);
	}
	return stops != NULL;
}

int cmd_resume(Cmd *cmd, GError **error)
{
	g_autofree char *base = NULL;
	const GOptionEntry own[] = {
	    {"base", 0, 0, G_OPTION_ARG_STRING, &base, "The stop of this base", "BASE"},
	    G_OPTION_ENTRY_NULL};
	if (!cmd_options(cmd, own, 0, 1, error))
		return 2;
	const char *app = cmd->argc > 1 ? cmd->argv[1] : NULL;
	g_autofree char *who = cmd_who();
	g_autoptr(Central) central = central_open(cmd->dir, error);
	if (!central || !check(central, app, base, error) ||
	    !publish_resume(central, app, base, who, error))
		return 1;
	cmd_say(cmd, "%s%s%s: resumed", app ? app : "all apps", base ? " at " : "",
		base ? base : "");
	if (!say_standing(cmd, central, app, base, error))
		return 1;
	return wait_heard(cmd, central, app, base, error);
}
