/* SPDX-License-Identifier: ISC */
/* retry, rollback, worker, gc. */
#include "status/status.h"
#include "cmd/follower.h"
#include "cmd/tagship/tagship.h"

#define FOLLOW_EVERY_S 60 /* for what only time changes: last contacts, what is overdue */

gboolean cmd_poke_worker(Central *central, GError **error)
{
	if (!store_wake_set(central->queue_dirfd, error))
		return FALSE;
	if (strcmp(central->conf->worker, "hook") != 0 || publish_worker_running(central))
		return TRUE;
	g_autofree char *program = cmd_sibling("tagship", TAGSHIP_BINDIR);
	const char *argv[] = {program, "-C", central->path, "worker", "--once", NULL};
	return util_child_detach(argv, error);
}

gboolean cmd_see_to_it(const Cmd *cmd, Central *central, GError **error)
{
	if (publish_is_owed(central))
		cmd_say(cmd,
			"not every ledger could be written (why, %s/log/worker.log says); it is "
			"tried again until all are",
			central->path);
	return cmd_poke_worker(central, error);
}

int cmd_retry(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 1, 1, error))
		return 2;
	g_autoptr(Central) central = central_open(cmd->dir, error);
	if (!central || !publish_retry(central, cmd->argv[1], error) ||
	    !cmd_poke_worker(central, error))
		return 1;
	cmd_say(cmd, "job %s is queued again; follow it: tagship -C %s wait %s", cmd->argv[1],
		central->path, cmd->argv[1]);
	return 0;
}

static gboolean is_rollback(const PublishRelease *release)
{
	return g_str_has_prefix(release->tag, PUBLISH_ROLLBACK "/");
}

/* The version that was live before the newest one, at the bases concerned. Never the one that a
 * rollback left: twice would be forward again. */
static char *version_before(Central *central, const char *app, const char *base, GError **error)
{
	g_autoptr(GPtrArray) releases = publish_releases(central, NULL, app, 0, error);
	const char *newest = NULL;
	for (guint i = 0; releases && i < releases->len; i++) {
		const PublishRelease *release = g_ptr_array_index(releases, i);
		gboolean was_live = FALSE;
		for (guint t = 0; t < release->targets->len; t++) {
			const PublishTarget *target = g_ptr_array_index(release->targets, t);
			was_live = was_live ||
				   ((!base || strcmp(base, target->base) == 0) &&
				    target->state == CENTRAL_ENDED && target->event == REPORT_LIVE);
		}
		if (!was_live)
			continue;
		if (newest && strcmp(newest, release->version) != 0)
			return g_strdup(release->version);
		newest = release->version;
		if (is_rollback(release)) {
			util_error_set(error, TS_ERROR_REFUSED,
				       "%s of %s is live by a rollback already; name the version "
				       "you want with --to VERSION",
				       newest, app);
			return NULL;
		}
	}
	if (releases)
		util_error_set(error, TS_ERROR_NOT_FOUND,
			       "no version of %s was live before; name one with --to VERSION", app);
	return NULL;
}

int cmd_rollback(Cmd *cmd, GError **error)
{
	g_autofree char *to = NULL, *base = NULL;
	const GOptionEntry own[] = {
	    {"to", 0, 0, G_OPTION_ARG_STRING, &to, "Version (default: the one before)", "VERSION"},
	    {"base", 0, 0, G_OPTION_ARG_STRING, &base, "Only at this base", "BASE"},
	    G_OPTION_ENTRY_NULL};
	if (!cmd_options(cmd, own, 1, 1, error))
		return 2;
	g_autoptr(Central) central = central_open(cmd->dir, error);
	g_autoptr(ConfApp) app =
	    central ? conf_app_load(central->dirfd, cmd->argv[1], error) : NULL;
	if (!app || (!to && !(to = version_before(central, app->name, base, error))))
		return 1;
	g_autofree char *who = cmd_who();
	g_autofree char *id = publish_rollback(central, app->name, to, base, who, error);
	if (!id || !cmd_poke_worker(central, error))
		return 1;
	cmd_say(cmd, "rollback of %s to %s: job %s", app->name, to, id);
	return publish_worker_running(central) || strcmp(central->conf->worker, "hook") == 0
		   ? cmd_follow_job(central, id, TRUE, error)
		   : 0;
}

/* What follows the worker's news, once it works: the board, and who is to be told. */
typedef struct {
	Central *central;
	int log; /* -1: what they say is lost */
	CmdFollower *board, *notices;
} Followers;

static void tell(CmdFollower **follower, const Followers *all, gboolean wanted, const char *command)
{
	g_autofree char *program = cmd_sibling("tagship", TAGSHIP_BINDIR);
	const char *argv[] = {program, command, "-q", "-C", all->central->path, NULL};
	if (*follower)
		cmd_follower_news(*follower);
	else if (wanted)
		*follower = cmd_follower_new(argv, all->log, FOLLOW_EVERY_S);
}

static void tell_followers(gpointer user_data)
{
	Followers *all = user_data;
	const ConfCentral *conf = all->central->conf;
	tell(&all->board, all, *conf->board != '\0', "board");
	tell(&all->notices, all, *conf->notify != NULL, "notify");
}

int cmd_worker(Cmd *cmd, GError **error)
{
	gboolean once = FALSE;
	const GOptionEntry own[] = {
	    {"once", 0, 0, G_OPTION_ARG_NONE, &once, "End when nothing is left to do", NULL},
	    G_OPTION_ENTRY_NULL};
	if (!cmd_options(cmd, own, 0, 0, error))
		return 2;
	g_autoptr(Central) central = central_open(cmd->dir, error);
	if (!central)
		return 1;
	util_autofd int log = publish_open_log(central, NULL);
	Followers followers = {.central = central, .log = log};
	PublishNews news = {tell_followers, &followers};
	gboolean ok = publish_worker(central, once, &news, error);
	cmd_follower_end(followers.board);
	cmd_follower_end(followers.notices);
	return ok ? 0 : 1;
}

int cmd_gc(Cmd *cmd, GError **error)
{
	gboolean dry_run = FALSE;
	const GOptionEntry own[] = {
	    {"dry-run", 'n', 0, G_OPTION_ARG_NONE, &dry_run, "Only say what would go", NULL},
	    G_OPTION_ENTRY_NULL};
	if (!cmd_options(cmd, own, 0, 0, error))
		return 2;
	g_autoptr(Central) central = central_open(cmd->dir, error);
	g_autoptr(GString) said = g_string_new(NULL);
	if (!central || !publish_gc(central, dry_run, said, error))
		return 1;
	cmd_say(cmd, "%s%s", said->str, said->len ? "done" : "nothing to drop");
	return 0;
}
