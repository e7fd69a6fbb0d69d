/* SPDX-License-Identifier: ISC */
/*
 * From refs to jobs. The refs of the source repository are the truth; `seen` in the library says
 * which of them were dealt with. A hint only tells where to look, who pushed, and which refs were
 * deleted on purpose: a tag that is missing without such a record is noted, never acted on,
 * because an unreadable or restored repository must not cancel a fleet.
 */
#include <stdlib.h>

#include "publish/publish-private.h"

#define DELETION_WAIT_S 600 /* from pre-receive to where the tag is gone */

typedef struct {
	Central *central;
	ConfApp *app;
	Repo *repo;
	const UtilTrailers *hint; /* or NULL */
	const char *pusher;       /* of the hint, or NULL */
	GHashTable *seen;
	gboolean changed;
	gint64 now_utc;
} Reconcile;

static gboolean branch_is_checked(const ConfApp *app, const char *ref)
{
	if (!g_str_has_prefix(ref, "refs/heads/"))
		return FALSE;
	for (guint i = 0; app->branches[i]; i++)
		if (g_pattern_match_simple(app->branches[i], ref + strlen("refs/heads/")))
			return TRUE;
	return FALSE;
}

/* Nothing is left to withdraw: it never came to an order, or has ended at every base. What is past
 * its commit point somewhere answers a cancel by itself. */
static gboolean is_over(const PublishRelease *release)
{
	guint ended = 0;
	for (guint i = 0; i < release->targets->len; i++) {
		const PublishTarget *target = g_ptr_array_index(release->targets, i);
		ended += target->state == CENTRAL_ENDED ||
			 (target->state == CENTRAL_CANCEL_ASKED && target->seq == 0);
	}
	return strcmp(release->state, "refused") == 0 || decide_release_is_cancelled(release) ||
	       (ended > 0 && ended == release->targets->len);
}

/* The tag that was this release is not at it any more. */
static gboolean withdraw(Reconcile *self, const char *oid, const char *reason, GError **error)
{
	g_autoptr(GError) failed = NULL;
	g_autoptr(PublishRelease) release =
	    publish_release(self->central, self->app->name, oid, &failed);
	/* one that cannot be folded, for a damaged ledger, is withdrawn as well */
	if (g_error_matches(failed, TS_ERROR, TS_ERROR_NOT_FOUND) || (release && is_over(release)))
		return TRUE;
	return publish_cancel(self->central, self->app->name, oid, NULL, reason, error);
}

/* Before the job: that may wait behind others for hours, while the old release goes live. */
static gboolean withdraw_moved(Reconcile *self, const char *name, const char *oid, gboolean plan,
			       GError **error)
{
	const char *tag = name + strlen("refs/tags/");
	g_autofree char *reason =
	    plan ? g_strdup_printf("replaced by a new plan in tag %s", tag)
		 : g_strdup_printf("tag %s was moved by %s, and has no plan for %s any more", tag,
				   self->pusher ? self->pusher : "a push", self->app->name);
	return withdraw(self, oid, reason, error);
}

static gboolean withdraw_deleted(Reconcile *self, const char *name, const char *oid, GError **error)
{
	g_autofree char *reason =
	    g_strdup_printf("tag %s was deleted by %s", name + strlen("refs/tags/"),
			    self->pusher ? self->pusher : "a push");
	return withdraw(self, oid, reason, error);
}

static Job *new_job(Reconcile *self, const char *kind, const RepoRef *ref)
{
	g_autofree char *id = job_id_for_ref(self->app->name, ref->name, ref->oid);
	Job *job = job_new(id, kind, self->app->name);
	g_free(job->ref);
	job->ref = g_strdup(ref->name);
	g_free(job->oid);
	job->oid = g_strdup(ref->oid);
	if (self->pusher) {
		g_free(job->pusher);
		job->pusher = g_strdup(self->pusher);
	}
	job->attempt = 0;
	job->created_utc = self->now_utc;
	return job;
}

static gboolean create_job(Reconcile *self, const Job *job, GError **error)
{
	g_autoptr(GError) failed = NULL;
	if (store_job_create(self->central->queue_dirfd, job, &failed) ||
	    g_error_matches(failed, TS_ERROR, TS_ERROR_EXISTS))
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&failed));
	return FALSE;
}

static gboolean take_branch(Reconcile *self, const RepoRef *ref, GError **error)
{
	g_autoptr(Job) job = new_job(self, "branch", ref);
	return create_job(self, job, error);
}

/* A plan is on record before its job is made: so it can be cancelled. *ret_put_off: it cannot be
 * read now; it is looked at again. */
static gboolean take_tag(Reconcile *self, const RepoRef *ref, const char *before,
			 gboolean *ret_put_off, GError **error)
{
	RepoType type = REPO_BLOB;
	gboolean plan = FALSE;
	g_autoptr(GError) failed = NULL;
	g_autoptr(GBytes) raw =
	    repo_object_read(self->repo, ref->oid, PLAN_MESSAGE_MAX * 4, &type, &failed);
	if (!raw) {
		publish_note(self->central, "alarm: %s: %s cannot be read: %s", self->app->name,
			     ref->name, failed->message);
		/* what is there, and is too big for a plan, stays so */
		*ret_put_off = !repo_object_exists(self->repo, ref->oid);
		if (*ret_put_off)
			return TRUE;
		type = REPO_BLOB;
	}
	g_autoptr(Job) job = type == REPO_TAG ? new_job(self, "tag", ref) : NULL;
	return (!job || publish_take_plan(self->central, self->app, job, raw, &plan, error)) &&
	       (!before || withdraw_moved(self, ref->name, before, plan, error)) &&
	       (!job || create_job(self, job, error));
}

static gboolean take_ref(Reconcile *self, const RepoRef *ref, gboolean first_sight, GError **error)
{
	gboolean branch = branch_is_checked(self->app, ref->name), put_off = FALSE;
	if (!branch && !g_str_has_prefix(ref->name, "refs/tags/"))
		return TRUE;
	const char *before = g_hash_table_lookup(self->seen, ref->name);
	if (before && strcmp(before, ref->oid) == 0)
		return TRUE;
	if (!first_sight && !(branch ? take_branch(self, ref, error)
				     : take_tag(self, ref, before, &put_off, error)))
		return FALSE;
	if (put_off)
		return TRUE;
	g_hash_table_replace(self->seen, g_strdup(ref->name), g_strdup(ref->oid));
	self->changed = TRUE;
	return TRUE;
}

/* "OLD NEW REF" in words if this line of a hint is an update; else NULL. */
static char **update_words(const UtilTrailers *hint, guint line)
{
	g_auto(GStrv) words = g_strsplit(util_trailers_value(hint, line), " ", 3);
	return strcmp(util_trailers_key(hint, line), "Update") == 0 && g_strv_length(words) == 3
		   ? g_steal_pointer(&words)
		   : NULL;
}

/* TRUE if the hint records that a push deleted this ref when it was at oid, or moved it from there:
 * the same push or a later one deleted it then. */
static gboolean deletion_recorded(const UtilTrailers *hint, const char *name, const char *oid)
{
	for (guint i = 0; hint && i < util_trailers_count(hint); i++) {
		g_auto(GStrv) words = update_words(hint, i);
		if (words && strcmp(words[0], oid) == 0 && strcmp(words[2], name) == 0)
			return TRUE;
	}
	return FALSE;
}

/* An admin has dealt with it by hand. */
static gboolean is_cancelled(Reconcile *self, const char *oid)
{
	g_autoptr(PublishRelease) release =
	    publish_release(self->central, self->app->name, oid, NULL);
	return release && decide_release_is_cancelled(release);
}

/* What was deleted on purpose, and was never seen where it was: central was down meanwhile. */
static gboolean take_deletions(Reconcile *self, GHashTable *present, GError **error)
{
	for (guint i = 0; self->hint && i < util_trailers_count(self->hint); i++) {
		g_auto(GStrv) words = update_words(self->hint, i);
		if (!words || strcmp(words[1], REPO_ZERO) != 0 ||
		    !g_str_has_prefix(words[2], "refs/tags/") || !util_oid_hex_ok(words[0]) ||
		    g_hash_table_contains(present, words[2]) ||
		    g_hash_table_contains(self->seen, words[2]))
			continue;
		if (!withdraw_deleted(self, words[2], words[0], error))
			return FALSE;
	}
	return TRUE;
}

static gboolean take_missing(Reconcile *self, GHashTable *present, GError **error)
{
	g_autoptr(GList) names = g_hash_table_get_keys(self->seen);
	for (GList *l = names; l; l = l->next) {
		const char *name = l->data;
		if (g_hash_table_contains(present, name))
			continue;
		const char *oid = g_hash_table_lookup(self->seen, name);
		gboolean open_tag =
		    g_str_has_prefix(name, "refs/tags/") && !is_cancelled(self, oid);
		if (open_tag && !deletion_recorded(self->hint, name, oid)) {
			publish_note(self->central,
				     "alarm: %s: tag %s is gone from %s without a recorded "
				     "deletion; nothing is cancelled",
				     self->app->name, name, self->app->repo);
			continue;
		}
		if (open_tag && !withdraw_deleted(self, name, oid, error))
			return FALSE;
		g_hash_table_remove(self->seen, name);
		self->changed = TRUE;
	}
	return TRUE;
}

static gboolean reconcile_refs(Reconcile *self, gboolean first_sight, GError **error)
{
	g_autoptr(GPtrArray) refs = repo_ref_list(self->repo, "refs/", error);
	if (!refs)
		return FALSE;
	g_autoptr(GHashTable) present = g_hash_table_new(g_str_hash, g_str_equal);
	for (guint i = 0; i < refs->len; i++) {
		RepoRef *ref = g_ptr_array_index(refs, i);
		g_hash_table_add(present, ref->name);
		if (!take_ref(self, ref, first_sight, error))
			return FALSE;
	}
	return take_deletions(self, present, error) && take_missing(self, present, error);
}

gboolean publish_reconcile(Central *central, const char *app, const UtilTrailers *hint,
			   GError **error)
{
	Reconcile self = {.central = central,
			  .hint = hint,
			  .pusher = hint ? util_trailers_get(hint, "Pusher") : NULL,
			  .now_utc = util_clock_now_utc(central->clock)};
	g_autoptr(ConfApp) conf = conf_app_load(central->dirfd, app, error);
	g_autoptr(Repo) repo = conf ? repo_open(conf->repo, error) : NULL;
	if (!repo)
		return FALSE;
	self.app = conf;
	self.repo = repo;
	g_autoptr(GError) failed = NULL;
	g_autoptr(GHashTable) seen = library_seen(central->library, app, &failed);
	if (failed) {
		g_propagate_error(error, g_steal_pointer(&failed));
		return FALSE;
	}
	gboolean first_sight = seen == NULL;
	if (first_sight)
		seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	self.seen = seen;
	if (!reconcile_refs(&self, first_sight, error))
		return FALSE;
	if (!self.changed && !first_sight)
		return TRUE;
	/* only now, when every job is durable */
	return library_seen_set(central->library, app, seen, self.now_utc, error);
}

/* ---- hints ---- */

static gboolean same_repo(const char *a, const char *b)
{
	g_autofree char *real_a = realpath(a, NULL);
	g_autofree char *real_b = realpath(b, NULL);
	return strcmp(real_a ? real_a : a, real_b ? real_b : b) == 0;
}

/* What only this hint tells: which tags were deleted on purpose. */
static gboolean records_a_deletion(const UtilTrailers *hint)
{
	for (guint i = 0; i < util_trailers_count(hint); i++)
		if (strcmp(util_trailers_key(hint, i), "Update") == 0 &&
		    strstr(util_trailers_value(hint, i), " " REPO_ZERO " refs/tags/"))
			return TRUE;
	return FALSE;
}

/* A hint of its own for the app that could not be looked at, so that the push is answered. */
static gboolean put_off(Central *central, const UtilTrailers *hint, const char *app, GError **error)
{
	g_autoptr(UtilTrailers) again = util_trailers_new();
	util_trailers_add(again, "App", app);
	for (guint i = 0; i < util_trailers_count(hint); i++)
		if (strcmp(util_trailers_key(hint, i), "Hint") != 0)
			util_trailers_add(again, util_trailers_key(hint, i),
					  util_trailers_value(hint, i));
	return store_hint_put(central->queue_dirfd, "push", again, error);
}

/* One bad application file or repository must not stop the others. */
static gboolean take_push_for(Central *central, const UtilTrailers *hint, const char *name,
			      GError **error)
{
	const char *path = util_trailers_get(hint, "Repo");
	g_autoptr(GError) failed = NULL;
	g_autoptr(ConfApp) app = conf_app_load(central->dirfd, name, &failed);
	if (app && ((path && !same_repo(app->repo, path)) ||
		    publish_reconcile(central, name, hint, &failed)))
		return TRUE;
	if (util_trailers_get(hint, "App")) {
		g_propagate_prefixed_error(error, g_steal_pointer(&failed), "%s: ", name);
		return FALSE;
	}
	publish_note(central, "alarm: %s: %s", name, failed->message);
	/* whose repository it is nobody knows: refs that are there are looked at anyway */
	return (!app && !records_a_deletion(hint)) || put_off(central, hint, name, error);
}

static gboolean take_push(Central *central, const UtilTrailers *hint, GError **error)
{
	const char *only = util_trailers_get(hint, "App");
	g_auto(GStrv) apps = conf_app_names(central->dirfd, error);
	for (guint i = 0; apps && apps[i]; i++)
		if ((!only || strcmp(only, apps[i]) == 0) &&
		    !take_push_for(central, hint, apps[i], error))
			return FALSE;
	return apps != NULL;
}

static gboolean take_want(Central *central, const UtilTrailers *hint, GError **error)
{
	const char *base = util_trailers_get(hint, "Base");
	const char *app = util_trailers_get(hint, "App");
	const char *release = util_trailers_get(hint, "Release");
	const char *old_root = util_trailers_get(hint, "Old");
	const char *root = util_trailers_get(hint, "New");
	if (!base || !app || !release || !old_root || !root)
		return TRUE;
	g_autofree char *id =
	    g_strdup_printf("%s-bundle-%s-%.8s-%.8s-%.7s", app, base, old_root, root, release);
	g_autoptr(Job) job = job_new(id, "bundle", app);
	g_free(job->oid);
	g_free(job->base);
	g_free(job->old_root);
	g_free(job->root);
	job->oid = g_strdup(release);
	job->base = g_strdup(base);
	job->old_root = g_strdup(old_root);
	job->root = g_strdup(root);
	job->created_utc = util_clock_now_utc(central->clock);
	g_autoptr(Job) before = store_job_read(central->queue_dirfd, id, NULL);
	if (before && (before->state == JOB_QUEUED || before->state == JOB_RUNNING))
		return TRUE;
	job->attempt = before ? before->attempt : 0;
	return store_job_write(central->queue_dirfd, job, error);
}

/* An order has ended somewhere. Notes are for reading: without them all goes on. */
static void take_report(Central *central, const UtilTrailers *hint)
{
	g_autoptr(GError) error = NULL;
	const char *app = util_trailers_get(hint, "App");
	if (app && !publish_notes_write(central, app, &error))
		publish_note(central, "alarm: %s: notes on releases: %s", app, error->message);
}

/* What pre-receive saw coming. *ret_later: a tag is still there, so the push may be under way; when
 * it cannot be any more, what is gone counts, and what stayed is forgotten. */
static gboolean take_deletion(Central *central, const UtilTrailers *hint, gboolean *ret_later,
			      GError **error)
{
	const char *path = util_trailers_get(hint, "Repo");
	gint64 time_utc = 0, now_utc = util_clock_now_utc(central->clock);
	g_autoptr(Repo) repo = path ? repo_open(path, error) : NULL;
	gboolean there = FALSE;
	if (!repo)
		return !path; /* one that cannot be read now is asked again */
	for (guint i = 0; i < util_trailers_count(hint); i++) {
		char now[REPO_OID];
		g_auto(GStrv) words = update_words(hint, i);
		there = there || (words && repo_ref_get(repo, words[2], now, NULL) &&
				  strcmp(now, words[0]) == 0);
	}
	*ret_later = there && util_trailers_need_time(hint, "Time", &time_utc, NULL) &&
		     now_utc - time_utc < DELETION_WAIT_S && time_utc <= now_utc;
	return *ret_later || take_push(central, hint, error);
}

static gboolean take_hint(Central *central, const char *name, gboolean *ret_later, GError **error)
{
	g_autoptr(GError) bad = NULL;
	g_autoptr(UtilTrailers) hint = store_hint_read(central->queue_dirfd, name, &bad);
	if (!hint) {
		publish_note(central, "hint %s dropped: %s", name, bad->message);
		return store_hint_remove(central->queue_dirfd, name, error);
	}
	const char *kind = util_trailers_get(hint, "Hint");
	gboolean ok = TRUE;
	if (g_strcmp0(kind, "push") == 0)
		ok = take_push(central, hint, error);
	else if (g_strcmp0(kind, "deletion") == 0)
		ok = take_deletion(central, hint, ret_later, error);
	else if (g_strcmp0(kind, "want") == 0)
		ok = take_want(central, hint, error);
	else if (g_strcmp0(kind, "given") == 0)
		ok = publish_fan_out_all(central, error);
	else if (g_strcmp0(kind, "report") == 0)
		take_report(central, hint);
	return ok && (*ret_later || store_hint_remove(central->queue_dirfd, name, error));
}

struct PublishIntake {
	GHashTable *paused; /* name of a hint -> PublishPause */
};

PublishIntake *publish_intake_new(void)
{
	PublishIntake *intake = g_new0(PublishIntake, 1);
	intake->paused = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	return intake;
}

void publish_intake_free(PublishIntake *intake)
{
	if (!intake)
		return;
	g_hash_table_unref(intake->paused);
	g_free(intake);
}

gboolean publish_intake_waits(const PublishIntake *intake)
{
	GHashTableIter iter;
	gpointer pause = NULL;
	g_hash_table_iter_init(&iter, intake->paused);
	while (g_hash_table_iter_next(&iter, NULL, &pause))
		if (publish_pause_worth(pause))
			return TRUE;
	return FALSE;
}

static void pause_hint(PublishIntake *intake, const Central *central, const char *name)
{
	PublishPause *pause = g_hash_table_lookup(intake->paused, name);
	if (!pause) {
		pause = g_new0(PublishPause, 1);
		g_hash_table_insert(intake->paused, g_strdup(name), pause);
	}
	publish_pause_begin(pause, central);
}

/* One that somebody took away is waited for no more. */
static gboolean is_no_hint(gpointer name, gpointer pause, gpointer names)
{
	(void)pause;
	return !g_ptr_array_find_with_equal_func(names, name, g_str_equal, NULL);
}

gboolean publish_take_hints(PublishIntake *intake, Central *central, gboolean *ret_taken,
			    GError **error)
{
	g_autoptr(GPtrArray) names = store_hint_list(central->queue_dirfd, error);
	if (names)
		(void)g_hash_table_foreach_remove(intake->paused, is_no_hint, names);
	for (guint i = 0; names && i < names->len; i++) {
		g_autoptr(GError) failed = NULL;
		const char *name = g_ptr_array_index(names, i);
		const PublishPause *pause = g_hash_table_lookup(intake->paused, name);
		if (pause && !publish_pause_over(pause))
			continue;
		gboolean later = FALSE;
		if (take_hint(central, name, &later, &failed)) {
			(void)g_hash_table_remove(intake->paused, name); /* if it was there */
			*ret_taken = *ret_taken || !later;
			continue;
		}
		publish_note(central, "alarm: hint %s: %s; it stays, and is tried again", name,
			     failed->message);
		pause_hint(intake, central, name);
	}
	return names != NULL;
}

gboolean publish_look(Central *central, const char *app, GError **error)
{
	return publish_reconcile(central, app, NULL, error);
}
