/* SPDX-License-Identifier: ISC */
#include <unistd.h>

#include "activate/activate-private.h"

/* Intent is not journaled without room for all that may follow on a full disk. */
#define ROOM_BYTES ((guint64)32 * 1024)

Activation *activation_new(ActivateApp *app, const char *release, guint64 seq)
{
	Activation *a = g_new0(Activation, 1);
	a->app = app;
	a->release = g_strdup(release);
	a->seq = seq;
	a->attempt = 1;
	a->max_outage_s = app->spec.app->max_outage_s;
	a->was_down = decide_app_is_down(app->state);
	a->detail = g_string_new(NULL);
	return a;
}

Activation *activation_of_order(ActivateApp *app, const Order *order, const char *tree)
{
	Activation *a = activation_new(app, order->release, order->seq);
	a->version = g_strdup(order->version);
	a->root = g_strdup(order->root);
	a->tree = g_strdup(tree);
	a->at_utc = order->at_utc;
	if (order->max_outage_s > 0)
		a->max_outage_s = order->max_outage_s;
	return a;
}

static guint64 id_of(const UtilTrailers *record, const char *key)
{
	guint64 number = 0;
	const char *text = util_trailers_get(record, key);
	if (!text || !g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT64, &number, NULL))
		return 0;
	return number;
}

Activation *activation_from_open(ActivateApp *app, const DecideOpen *open)
{
	const UtilTrailers *intent = open->intent;
	Activation *a = activation_new(app, util_trailers_get(intent, "Release"), 0);
	gint64 seq = 0, at_utc = open->intent_utc;
	/* both were checked when the journal was folded, or are missing */
	(void)util_trailers_opt_int(intent, "Seq", 0, G_MAXINT64, 0, &seq, NULL);
	(void)util_trailers_need_time(intent, "At", &at_utc, NULL);
	a->seq = (guint64)seq;
	a->at_utc = at_utc;
	a->version = g_strdup(util_trailers_get(intent, "Version"));
	a->root = g_strdup(util_trailers_get(intent, "Root"));
	a->tree = g_strdup(open->tree);
	a->by = g_strdup(util_trailers_get(intent, "By"));
	a->back = open->back;
	a->data_back = open->data_back;
	if (util_trailers_get(intent, "Detail"))
		g_string_append(a->detail, util_trailers_get(intent, "Detail"));
	a->from.target = g_strdup(util_trailers_get(intent, "From-Target"));
	a->from.tree = g_strdup(open->from_tree);
	a->from.root = g_strdup(open->from_root);
	a->from.version = g_strdup(util_trailers_get(intent, "From-Version"));
	a->from.dev = id_of(intent, "From-Dev");
	a->from.ino = id_of(intent, "From-Ino");
	if (!a->back && open->order->order->max_outage_s > 0)
		a->max_outage_s = open->order->order->max_outage_s;
	activation_bridge_from_open(a, intent);
	a->stopped = open->stopped;
	a->migrated = open->migrated;
	a->switched = open->switched;
	a->started = open->started;
	a->attempt = open->attempt;
	a->intent_utc = open->intent_utc;
	a->recovering = TRUE;
	return a;
}

void activation_free(Activation *a)
{
	if (!a)
		return;
	g_free(a->release);
	g_free(a->version);
	g_free(a->root);
	g_free(a->tree);
	g_free(a->by);
	current_tree_clear(&a->from);
	g_clear_pointer(&a->bridge, g_ptr_array_unref);
	g_free(a->bridge_link);
	g_free(a->bridge_was);
	g_clear_pointer(&a->supersedes, g_ptr_array_unref);
	g_string_free(a->detail, TRUE);
	g_free(a->log_end);
	g_free(a);
}

void activation_note(Activation *a, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	g_autofree char *text = g_strdup_vprintf(format, args);
	va_end(args);
	g_string_append_printf(a->detail, "%s%s", a->detail->len ? "; " : "", text);
	activate_say(&a->app->spec, a->version, "%s", text);
}

UtilTrailers *activation_record(const Activation *a, const char *event)
{
	UtilTrailers *record = util_trailers_new();
	util_trailers_add(record, "Event", event);
	util_trailers_add(record, "Release", a->release);
	util_trailers_add_int(record, "Seq", (gint64)a->seq);
	util_trailers_add(record, "Version", a->version ? a->version : "");
	return record;
}

static void add_id(UtilTrailers *record, const char *dev_key, guint64 dev, const char *ino_key,
		   guint64 ino)
{
	g_autofree char *dev_text = g_strdup_printf("%" G_GUINT64_FORMAT, dev);
	g_autofree char *ino_text = g_strdup_printf("%" G_GUINT64_FORMAT, ino);
	util_trailers_add(record, dev_key, dev_text);
	util_trailers_add(record, ino_key, ino_text);
}

static gboolean journal_intent(Activation *a, GError **error)
{
	g_autoptr(UtilTrailers) record = activation_record(a, "intent");
	g_autofree char *path = activate_find_tree(a->app, a->tree);
	guint64 dev = 0, ino = 0;
	util_trailers_add(record, "Root", a->root);
	util_trailers_add(record, "Tree", a->tree);
	util_trailers_add_time(record, "At", a->at_utc);
	util_trailers_add_int(record, "Attempt", a->attempt);
	util_trailers_add(record, "By", a->by);
	if (a->by && !a->back)
		util_trailers_add(record, "Hand", "yes");
	if (a->migrated && a->attempt == 1)
		util_trailers_add(record, "Migrated", "yes");
	if (a->data_back || a->back)
		util_trailers_add(record, "Data", a->data_back ? "back" : "forward");
	for (guint i = 0; a->supersedes && i < a->supersedes->len; i++)
		util_trailers_add(record, "Supersedes", a->supersedes->pdata[i]);
	if (a->detail->len)
		util_trailers_add(record, "Detail", a->detail->str);
	if (path && activate_tree_id(a->app, path, &dev, &ino))
		add_id(record, "Dev", dev, "Ino", ino);
	util_trailers_add(record, "From-Target", a->from.target);
	util_trailers_add(record, "From-Tree", a->from.tree);
	util_trailers_add(record, "From-Root", a->from.root);
	util_trailers_add(record, "From-Version", a->from.version);
	if (a->from.target)
		add_id(record, "From-Dev", a->from.dev, "From-Ino", a->from.ino);
	activation_bridge_intent(a, record);
	return activate_record(a->app, record, error);
}

void activation_phase(Activation *a, const char *event, const char *reason)
{
	g_autoptr(GError) failed = NULL;
	g_autoptr(UtilTrailers) record = activation_record(a, event);
	util_trailers_add(record, "Reason", reason);
	/* from stop on the road has only two ends, and a full or broken disk is neither */
	if (!activate_record(a->app, record, &failed))
		activate_say(&a->app->spec, a->version, "%s could not be journaled: %s", event,
			     failed->message);
}

void activation_env(const Activation *a, gboolean undo, ActivationEnv *ret_env)
{
	const ActivateSpec *spec = &a->app->spec;
	g_autofree char *release = g_strconcat("releases/", a->tree, NULL);
	char *next = activate_target_path(spec, release);
	char *from = activate_target_path(spec, a->from.target);
	const char *from_version = a->from.version ? a->from.version : "";
	ret_env->tree = undo ? from : next;
	ret_env->previous = undo ? next : from;
	ret_env->env = (PhaseEnv){.spec = spec,
				  .version = undo ? from_version : a->version,
				  .tree = ret_env->tree,
				  .previous = ret_env->previous,
				  .outcome = undo ? "undo" : NULL};
}

void activation_env_clear(ActivationEnv *env)
{
	g_clear_pointer(&env->tree, g_free);
	g_clear_pointer(&env->previous, g_free);
}

void activation_keep_log(Activation *a, PhaseResult *result)
{
	if (!a->log_end)
		a->log_end = g_steal_pointer(&result->log_end);
}

gint64 activation_outage_ms(const Activation *a)
{
	return a->before_ms + (g_get_monotonic_time() - a->start_us) / 1000;
}

/* There is something that takes back what was done to the data. */
static gboolean takes_back(const Activation *a)
{
	return a->migrated && phase_has(&a->app->spec, activation_data_phase(a, TRUE));
}

/* When undo has to begin, so that the outage stays within its limit. */
static gint64 undo_begins_us(const Activation *a)
{
	gint64 limit_us = a->max_outage_s * G_USEC_PER_SEC;
	gint64 undo_ms = 2 * (a->stop_ms + a->start_ms) + a->app->spec.app->health_every_ms + 1000;
	if (takes_back(a))
		undo_ms += a->migrate_ms;
	return a->start_us + limit_us - MIN(undo_ms * 1000, limit_us / 2);
}

/* So long a phase may take before undo has to begin. */
static gint64 left_ms(const Activation *a)
{
	return MAX((undo_begins_us(a) - g_get_monotonic_time()) / 1000, 1000);
}

/* Runs one phase; a failure leaves its reason for the undo. */
static gboolean run_phase(Activation *a, ConfPhase phase, gint64 limit_ms, gint64 *ret_ms,
			  char **ret_reason)
{
	g_auto(ActivationEnv) env = {0};
	g_auto(PhaseResult) result = {0};
	activation_env(a, FALSE, &env);
	gboolean ok = phase_run(&env.env, phase, limit_ms, &result);
	*ret_ms = result.wall_ms;
	if (!ok) {
		activation_keep_log(a, &result);
		*ret_reason = g_steal_pointer(&result.reason);
	}
	return ok;
}

static gboolean stop_old(Activation *a, char **ret_reason)
{
	if (!a->from.target || run_phase(a, CONF_PHASE_STOP, left_ms(a), &a->stop_ms, ret_reason))
		return TRUE;
	if (!a->was_down)
		return FALSE;
	/* nothing healthy was running: a stop command that finds nothing must not block */
	activation_note(a, "%s (the app was down)", *ret_reason);
	g_clear_pointer(ret_reason, g_free);
	g_clear_pointer(&a->log_end, g_free);
	return TRUE;
}

ConfPhase activation_data_phase(const Activation *a, gboolean undo)
{
	return a->data_back == undo ? CONF_PHASE_MIGRATE : CONF_PHASE_UNMIGRATE;
}

const char *activation_data_event(const Activation *a, gboolean undo)
{
	return a->data_back == undo ? "migrated" : "unmigrated";
}

gboolean activation_before(Activation *a, PhaseResult *ret_result, gboolean *ret_went_well,
			   GError **error)
{
	/* it may still stand in pre-release */
	g_autofree char *found = activate_find_tree(a->app, a->tree);
	g_autofree char *path = activate_target_path(&a->app->spec, found);
	g_autofree char *previous = activate_target_path(&a->app->spec, a->from.target);
	const PhaseEnv env = {
	    .spec = &a->app->spec, .version = a->version, .tree = path, .previous = previous};
	g_autoptr(UtilTrailers) begins = activation_record(a, "before-begins");
	if (!activate_record(a->app, begins, error))
		return FALSE;
	*ret_went_well = phase_run(&env, CONF_PHASE_BEFORE, 0, ret_result);
	if (!*ret_went_well && !a->was_down)
		return TRUE;
	if (!*ret_went_well)
		activation_note(a, "%s (the app was down)", ret_result->reason);
	*ret_went_well = TRUE;
	g_autoptr(UtilTrailers) ran = activation_record(a, "before");
	return activate_record(a->app, ran, error);
}

gboolean activation_plan_data(Activation *a, GError **error)
{
	const ActivateSpec *spec = &a->app->spec;
	DecideData data = decide_app_data(a->app->state, a->root);
	a->data_back = data == DECIDE_DATA_OLDER;
	/* an operator's way back migrates only where that is known to be needed */
	a->data_same = a->back && (data == DECIDE_DATA_SAME || data == DECIDE_DATA_UNKNOWN);
	return !a->data_back || phase_has(spec, CONF_PHASE_UNMIGRATE) ||
	       util_error_set(error, TS_ERROR_REFUSED,
			      "%s: migrate ran since %s was live here, and base.cfg has no "
			      "unmigrate: it must not run on that data. Give it one (/bin/true, if "
			      "the data fits both)",
			      spec->app->name, a->version);
}

static gboolean migrate(Activation *a, char **ret_reason)
{
	ConfPhase phase = activation_data_phase(a, FALSE);
	if (a->data_same || !phase_has(&a->app->spec, phase))
		return TRUE;
	a->migrated = TRUE;
	activation_phase(a, activation_data_event(a, FALSE), NULL);
	/* what takes it back may take as long */
	return run_phase(a, phase, takes_back(a) ? MAX(left_ms(a) / 2, 1000) : left_ms(a),
			 &a->migrate_ms, ret_reason);
}

static gboolean switch_to_new(Activation *a, char **ret_reason)
{
	g_autoptr(GError) failed = NULL;
	g_autofree char *target = g_strconcat("releases/", a->tree, NULL);
	a->switched = TRUE;
	activation_bridge_go(a);
	if (util_fs_symlink_replace(a->app->app_dirfd, target, "current", &failed)) {
		activation_phase(a, "switched", NULL);
		return TRUE;
	}
	*ret_reason = g_strdup_printf("switch: %s", failed->message);
	return FALSE;
}

static gboolean start_and_check(Activation *a, char **ret_reason)
{
	g_auto(ActivationEnv) env = {0};
	g_auto(PhaseResult) health = {0};
	a->started = TRUE;
	activation_phase(a, "started", NULL);
	if (!run_phase(a, CONF_PHASE_START, left_ms(a), &a->start_ms, ret_reason))
		return FALSE;
	gint64 until_us = g_get_monotonic_time() + a->app->spec.app->health_time_s * G_USEC_PER_SEC;
	activation_env(a, FALSE, &env);
	if (phase_health(&env.env, MIN(until_us, undo_begins_us(a)), &health))
		return TRUE;
	activation_keep_log(a, &health);
	*ret_reason = g_steal_pointer(&health.reason);
	return FALSE;
}

/* The tree that was gone to serves. */
static gboolean reached(Activation *a, GError **error)
{
	gint64 outage_ms = activation_outage_ms(a);
	activation_bridge_reached(a);
	/* what was changed there by hand is not in the new version: people want to know */
	activation_look_at_old(a);
	g_autoptr(UtilTrailers) record = activation_record(a, a->back ? "rolled-back" : "live");
	util_trailers_add(record, "Root", a->root);
	util_trailers_add(record, "Tree", a->tree);
	util_trailers_add_time(record, "At", a->at_utc);
	util_trailers_add_int(record, "Outage-Ms", outage_ms);
	util_trailers_add(record, "Serves", a->root);
	util_trailers_add(record, "By", a->by);
	if (a->back) {
		g_autofree char *reason =
		    g_strdup_printf("operator %s: from %s back to %s", a->by,
				    a->from.version ? a->from.version : "nothing", a->version);
		util_trailers_add(record, "Reason", reason);
		util_trailers_add(record, "Serves-Version", a->version);
	}
	if (a->detail->len)
		util_trailers_add(record, "Detail", a->detail->str);
	activate_say(&a->app->spec, a->version, "%s, outage %.1f s",
		     a->back ? "serves again" : "live", (double)outage_ms / 1000);
	return activate_record(a->app, record, error);
}

static gboolean never_switched(Activation *a, const GError *why, GError **error)
{
	if (a->back && a->was_down)
		return activation_down(a, why->message, error);
	/* the release that an operator wanted to leave has not failed */
	if (a->back)
		return activation_rolled_back(a, why->message, 0, error);
	g_autoptr(UtilTrailers) record = activation_record(a, "failed");
	util_trailers_add(record, "Reason", why->message);
	if (a->detail->len)
		util_trailers_add(record, "Detail", a->detail->str);
	activate_say(&a->app->spec, a->version, "failed, nothing was stopped: %s", why->message);
	return activate_record(a->app, record, error);
}

static gboolean go_forward(Activation *a, char **ret_reason)
{
	if (!stop_old(a, ret_reason))
		return FALSE;
	a->stopped = TRUE;
	activation_phase(a, "stopped", NULL);
	return migrate(a, ret_reason) && switch_to_new(a, ret_reason) &&
	       start_and_check(a, ret_reason);
}

static gboolean end_with(Activation *a, gboolean ok, const char *reason, gboolean *ret_reached,
			 GError **error)
{
	if (ret_reached)
		*ret_reached = ok;
	gboolean told = ok ? reached(a, error) : activation_undo(a, reason, error);
	activation_way_back_done(a);
	return told;
}

gboolean activation_run(Activation *a, gboolean *ret_reached, GError **error)
{
	g_autoptr(GError) failed = NULL;
	g_autofree char *reason = NULL;
	if (ret_reached)
		*ret_reached = FALSE;
	if (store_journal_room(a->app->journal) < ROOM_BYTES)
		return util_error_set(error, TS_ERROR_NO_SPACE,
				      "%s: no room for the journal in %s/journal: make room there",
				      a->app->spec.app->name, a->app->spec.root_path);
	activation_bridge_plan(a);
	a->intent_utc = util_clock_now_utc(a->app->spec.clock);
	if (!journal_intent(a, error))
		return FALSE;
	if (!activate_move_tree(a->app, a->tree, &failed) || !activation_way_back(a, &failed))
		return never_switched(a, failed, error);
	a->start_us = g_get_monotonic_time();
	gboolean ok = go_forward(a, &reason);
	return end_with(a, ok, reason, ret_reached, error);
}

/* A stop of before the crash, or the server it left, may still be there. */
static void stop_again(Activation *a)
{
	g_autofree char *reason = NULL;
	if (!run_phase(a, CONF_PHASE_STOP, 0, &a->stop_ms, &reason))
		activation_note(a, "%s", reason);
	g_clear_pointer(&a->log_end, g_free);
}

gboolean activation_recover(Activation *a, DecideRecovery how, gboolean *ret_reached,
			    GError **error)
{
	g_autofree char *reason = NULL;
	gint64 now_utc = util_clock_now_utc(a->app->spec.clock);
	if (ret_reached)
		*ret_reached = FALSE;
	a->start_us = g_get_monotonic_time();
	a->before_ms = MAX(0, now_utc - a->intent_utc) * 1000;
	activation_note(a, "interrupted (outage by the wall clock)");
	switch (how) {
	case RECOVER_UNDO:
		return activation_undo(
		    a, a->switched ? "interrupted a second time" : "interrupted before the switch",
		    error);
	case RECOVER_DOWN:
		return activation_down(a,
				       "interrupted after migrate began, and there is no "
				       "unmigrate: what was there must not start",
				       error);
	case RECOVER_GO_ON:
		break;
	}
	a->attempt++;
	if (!journal_intent(a, error))
		return FALSE;
	if (a->started)
		stop_again(a);
	gboolean ok = start_and_check(a, &reason);
	return end_with(a, ok, reason, ret_reached, error);
}
