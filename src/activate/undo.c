/* SPDX-License-Identifier: ISC */
#include <unistd.h>

#include "activate/activate-private.h"

#define WAY_BACK ".tmp-current-back"

gboolean activation_down(Activation *a, const char *reason, GError **error)
{
	g_autoptr(UtilTrailers) record = activation_record(a, "down");
	util_trailers_add(record, "Reason", reason);
	util_trailers_add(record, "By", a->by);
	util_trailers_add(record, "Serves", "-");
	if (a->detail->len)
		util_trailers_add(record, "Detail", a->detail->str);
	if (a->log_end && *a->log_end)
		util_trailers_add(record, "Log-End", a->log_end);
	activate_say(&a->app->spec, a->version, "DOWN, nothing healthy serves: %s", reason);
	return activate_record(a->app, record, error);
}

/* After `down` current may point at what is activated now: then it is what was live before. */
static void from_last_good(Activation *a)
{
	const DecideApp *state = a->app->state;
	const char *good = decide_app_last_good_tree(state);
	g_autofree char *target = good ? g_strconcat("releases/", good, NULL) : NULL;
	current_tree_clear(&a->from);
	if (!target || !activate_tree_id(a->app, target, &a->from.dev, &a->from.ino))
		return;
	a->from.target = g_steal_pointer(&target);
	a->from.tree = g_strdup(good);
	a->from.root = g_strdup(decide_app_tree_root(state, good));
	a->from.version = g_strdup(decide_app_tree_version(state, good));
}

void activation_look_at_from(Activation *a)
{
	if (a->from.note)
		activation_note(a, "%s", a->from.note);
	if (!a->was_down)
		return;
	if (g_strcmp0(a->from.tree, a->tree) == 0)
		from_last_good(a);
	/* what undo would go back to may not fit the data any more */
	a->migrated =
	    !a->data_back && decide_app_data(a->app->state, a->from.root) == DECIDE_DATA_OLDER;
}

/* The new server, if it may run. FALSE: it may still run. */
static gboolean stop_new(Activation *a, const ActivationEnv *env)
{
	g_auto(PhaseResult) result = {0};
	gboolean unsure = a->recovering && !a->stopped && a->from.target;
	if (!a->started && !unsure)
		return TRUE;
	if (phase_run(&env->env, CONF_PHASE_STOP, 0, &result))
		return TRUE;
	activation_note(a, "undo: %s", result.reason);
	return FALSE;
}

/* What undo would start, on the data as it is known now. Where the app was not down and nothing was
 * done to the data, that is what served on it until now. Where it was, the data may be another's,
 * or be known to nobody; and on a way back it may have been taken back too far. */
static gboolean data_fits_from(const Activation *a, DecideData data)
{
	if (!a->migrated)
		return !a->was_down || data == DECIDE_DATA_SAME || data == DECIDE_DATA_UNKNOWN;
	return !a->data_back || data == DECIDE_DATA_SAME || data == DECIDE_DATA_NEWER;
}

/* FALSE: the data belongs to the version that is left, and what was there must not start. */
static gboolean take_back_migration(Activation *a, const ActivationEnv *env, char **ret_why)
{
	g_auto(PhaseResult) result = {0};
	ConfPhase phase = activation_data_phase(a, TRUE);
	DecideData data = decide_app_data(a->app->state, a->from.root);
	if (!data_fits_from(a, data)) {
		*ret_why = g_strdup_printf("the data is not what %s was live on",
					   a->from.version ? a->from.version : "what was there");
		return FALSE;
	}
	/* what was there needs no newer data than what was gone back to */
	if (!a->migrated || (a->data_back && data == DECIDE_DATA_SAME))
		return TRUE;
	if (!phase_has(&a->app->spec, phase)) {
		*ret_why = g_strdup_printf("%s ran and there is no %s",
					   conf_phase_name(activation_data_phase(a, FALSE)),
					   conf_phase_name(phase));
		return FALSE;
	}
	if (phase_run(&env->env, phase, 0, &result)) {
		a->migrated = FALSE;
		activation_phase(a, activation_data_event(a, TRUE), NULL);
		return TRUE;
	}
	activation_keep_log(a, &result);
	*ret_why = g_steal_pointer(&result.reason);
	return FALSE;
}

static gboolean link_is(Activation *a, const char *name, const char *target)
{
	g_autofree char *link = util_fs_readlink(a->app->app_dirfd, name, NULL);
	return g_strcmp0(link, target) == 0;
}

gboolean activation_way_back(Activation *a, GError **error)
{
	int dirfd = a->app->app_dirfd;
	return util_fs_unlink(dirfd, WAY_BACK, error) &&
	       (!a->from.target || util_fs_symlink(dirfd, a->from.target, WAY_BACK, error));
}

void activation_way_back_done(Activation *a)
{
	(void)util_fs_unlink(a->app->app_dirfd, WAY_BACK, NULL); /* else gc sweeps it */
}

/* A renamed link needs no room. One of an earlier activation leads elsewhere. */
static gboolean take_way_back(Activation *a)
{
	int dirfd = a->app->app_dirfd;
	return link_is(a, WAY_BACK, a->from.target) &&
	       util_fs_rename_durable(dirfd, WAY_BACK, dirfd, "current", NULL);
}

static gboolean switch_back(Activation *a, GError **error)
{
	g_autoptr(GError) failed = NULL;
	int dirfd = a->app->app_dirfd;
	if (!a->from.target)
		return util_fs_unlink(dirfd, "current", error) && util_fs_fsync(dirfd, error);
	if (link_is(a, "current", a->from.target) || take_way_back(a) ||
	    util_fs_symlink_replace(dirfd, a->from.target, "current", &failed))
		return TRUE;
	if (!link_is(a, "current", a->from.target)) {
		g_propagate_error(error, g_steal_pointer(&failed));
		return FALSE;
	}
	/* it is done, but not synced: no reason to leave the app down */
	activation_note(a, "undo: %s", failed->message);
	return TRUE;
}

void activation_look_at_old(Activation *a)
{
	guint64 dev = 0, ino = 0;
	g_autoptr(GError) altered = NULL;
	if (!a->from.target)
		return;
	if (activate_tree_id(a->app, a->from.target, &dev, &ino) &&
	    (dev != a->from.dev || ino != a->from.ino))
		activation_note(a, "the folder of the old version was replaced meanwhile");
	g_autofree char *path = a->from.tree ? g_strconcat("releases/", a->from.tree, NULL) : NULL;
	if (path && a->from.root && !activate_check_tree(a->app, path, a->from.root, &altered))
		activation_note(a, "the old version: %s", altered->message);
}

gboolean activation_rolled_back(Activation *a, const char *reason, gint64 outage_ms, GError **error)
{
	/* an operator's rollback that did not work leaves the release as it was: live */
	gboolean still_live = a->back && a->from.tree && a->from.root;
	const char *from = a->from.version ? a->from.version : "what was there";
	g_autofree char *whose = a->back ? g_strdup_printf("operator %s: from %s back to %s: %s",
							   a->by, from, a->version, reason)
					 : NULL;
	g_autoptr(UtilTrailers) record = util_trailers_new();
	util_trailers_add(record, "Event", still_live ? "live" : "rolled-back");
	util_trailers_add(record, "Release", a->release);
	util_trailers_add_int(record, "Seq", (gint64)a->seq);
	util_trailers_add(record, "Version", still_live ? a->from.version : a->version);
	util_trailers_add(record, "Serves", a->from.root ? a->from.root : "-");
	util_trailers_add(record, "Root", a->from.root);
	util_trailers_add(record, "Tree", a->from.tree);
	util_trailers_add(record, "Serves-Version", a->from.version);
	util_trailers_add_time(record, "At", a->at_utc);
	util_trailers_add_int(record, "Outage-Ms", outage_ms);
	util_trailers_add(record, "Reason", whose ? whose : reason);
	if (a->detail->len)
		util_trailers_add(record, "Detail", a->detail->str);
	if (a->log_end && *a->log_end)
		util_trailers_add(record, "Log-End", a->log_end);
	activate_say(&a->app->spec, a->version, "rolled back to %s, outage %.1f s: %s", from,
		     (double)outage_ms / 1000, reason);
	return activate_record(a->app, record, error);
}

/* Starts the old version and asks its health. */
static gboolean restart_old(Activation *a, const ActivationEnv *env, gboolean new_stopped,
			    char **ret_why)
{
	g_auto(PhaseResult) start = {0};
	g_auto(PhaseResult) health = {0};
	gboolean started = phase_run(&env->env, CONF_PHASE_START, 0, &start);
	if (!started)
		activation_note(a, "undo: %s", start.reason);
	if (!started && !new_stopped && a->started) {
		*ret_why = g_strdup("the new version could not be stopped and the old one not "
				    "started: whichever answers");
		return FALSE;
	}
	if (!phase_has(&a->app->spec, CONF_PHASE_HEALTH)) {
		if (!started)
			*ret_why = g_steal_pointer(&start.reason);
		return started;
	}
	gint64 until_us = g_get_monotonic_time() + a->app->spec.app->health_time_s * G_USEC_PER_SEC;
	if (phase_health(&env->env, until_us, &health))
		return TRUE;
	*ret_why = g_strdup_printf("the old version: %s", health.reason);
	return FALSE;
}

static gboolean down_because(Activation *a, const char *reason, const char *why, GError **error)
{
	g_autofree char *both = g_strdup_printf("%s; undo: %s", reason, why);
	return activation_down(a, both, error);
}

/* The first activation: before the switch nothing was touched. */
static gboolean nothing_to_go_back_to(Activation *a, const char *reason, GError **error)
{
	if (a->switched || a->migrated)
		return down_because(a, reason, "nothing was live before", error);
	g_autoptr(UtilTrailers) record = activation_record(a, "failed");
	util_trailers_add(record, "Reason", reason);
	util_trailers_add(record, "By", a->by);
	if (a->detail->len)
		util_trailers_add(record, "Detail", a->detail->str);
	return activate_record(a->app, record, error);
}

gboolean activation_undo(Activation *a, const char *reason, GError **error)
{
	g_auto(ActivationEnv) env = {0};
	g_autoptr(GError) failed = NULL;
	g_autofree char *why = NULL;
	activation_env(a, TRUE, &env);
	activate_say(&a->app->spec, a->version, "undo: %s", reason);
	activation_phase(a, "undo", reason);
	gboolean new_stopped = stop_new(a, &env);
	if (!take_back_migration(a, &env, &why))
		return down_because(a, reason, why, error);
	if (!switch_back(a, &failed))
		return down_because(a, reason, failed->message, error);
	activation_bridge_back(a);
	if (!a->from.target)
		return nothing_to_go_back_to(a, reason, error);
	if (!restart_old(a, &env, new_stopped, &why))
		return down_because(a, reason, why, error);
	gint64 outage_ms = activation_outage_ms(a);
	activation_look_at_old(a);
	return activation_rolled_back(a, reason, outage_ms, error);
}
