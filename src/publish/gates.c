/* SPDX-License-Identifier: ISC */
/*
 * Central's word for releases that wait for one. A word is a decision in the release's record, then
 * an entry in the ledger of every base of its wave. queue/gates is there while a release waits: so
 * long a worker must run, and reports of bases wake it.
 */
#include "publish/publish-private.h"

#define MARK "gates"

struct PublishGates {
	GHashTable *waiting; /* "APP RELEASE" */
	gint64 next_utc;     /* when to look without a report; 0: nothing waits for a time */
};

PublishGates *publish_gates_new(void)
{
	PublishGates *gates = g_new0(PublishGates, 1);
	gates->waiting = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	return gates;
}

void publish_gates_free(PublishGates *gates)
{
	if (!gates)
		return;
	g_hash_table_unref(gates->waiting);
	g_free(gates);
}

gboolean publish_gates_wait(const PublishGates *gates)
{
	return g_hash_table_size(gates->waiting) > 0;
}

gint64 publish_gates_next_utc(const PublishGates *gates)
{
	return gates->next_utc;
}

void publish_gates_add(PublishGates *gates, const char *app, const char *release)
{
	(void)g_hash_table_add(gates->waiting, g_strconcat(app, " ", release, NULL)); /* a set */
}

gboolean publish_gates_find(PublishGates *gates, Central *central, GError **error)
{
	g_auto(GStrv) apps = conf_app_names(central->dirfd, error);
	g_autoptr(PublishLedgers) ledgers = publish_ledgers_new();
	for (guint a = 0; apps && apps[a]; a++) {
		g_autoptr(GPtrArray) releases =
		    publish_releases(central, ledgers, apps[a], 0, error);
		if (!releases)
			return FALSE;
		for (guint i = 0; i < releases->len; i++) {
			const PublishRelease *release = releases->pdata[i];
			if (!publish_remake_job(central, release, error))
				return FALSE;
			if (decide_release_awaits_gate(release))
				publish_gates_add(gates, apps[a], release->release);
		}
	}
	return apps != NULL;
}

/* Under the lock of the fan-out, unless another worker was first. */
static gboolean say_word(Central *central, const PublishRelease *release,
			 const CentralGateStep *step, GError **error)
{
	util_autofd int lock = publish_lock(central, error);
	if (lock < 0)
		return FALSE;
	g_autoptr(PublishRelease) now =
	    publish_release(central, release->app, release->release, error);
	if (!now || decide_release_gate(now, step->wave))
		return now != NULL;
	g_autoptr(UtilTrailers) text = util_trailers_new();
	util_trailers_add_int(text, "Wave", step->wave);
	util_trailers_add(text, "Reason", step->reason);
	return library_decide(central->library, release->app, release->release,
			      step->word == CENTRAL_GATE_OPEN ? "gate-opened" : "gate-shut", text,
			      NULL, util_clock_now_utc(central->clock), error);
}

/* A shut gate is final, so it waits for a ledger that cannot be read, as long as an open one would
 * be of use. */
static gboolean waits_for_ledger(Central *central, const PublishRelease *release,
				 const CentralGateStep *step)
{
	gint64 now = util_clock_now_utc(central->clock);
	if (step->word != CENTRAL_GATE_SHUT || step->wave != 1)
		return FALSE;
	for (guint i = 0; i < release->targets->len; i++) {
		const PublishTarget *target = release->targets->pdata[i];
		if (!target->trouble || now > target->at_utc + release->grace_s)
			continue;
		publish_note(central, "alarm: %s %s: its gate waits for the ledger of %s: %s",
			     release->app, release->tag, target->base, target->trouble);
		return TRUE;
	}
	return FALSE;
}

static void look_again(PublishGates *gates, gint64 utc)
{
	if (gates->next_utc == 0 || utc < gates->next_utc)
		gates->next_utc = utc;
}

/* All words of one release that can be said now. *ret_done: it waits for none any more. */
static gboolean decide_release(PublishGates *gates, Central *central, const char *app,
			       const char *id, gboolean *ret_done, GError **error)
{
	for (;;) {
		g_autoptr(PublishRelease) release = publish_release(central, app, id, error);
		if (!release)
			return FALSE;
		*ret_done = !decide_release_awaits_gate(release);
		/* orders come first, all at once: a word before them would reach nobody */
		if (*ret_done || !decide_release_is_ordered(release))
			return TRUE;
		CentralGateStep step;
		decide_release_next_gate(release, util_clock_now_utc(central->clock), &step);
		g_autofree char *reason = step.reason;
		if (step.word == CENTRAL_GATE_UNDECIDED) {
			if (step.next_utc > 0)
				look_again(gates, step.next_utc);
			return TRUE;
		}
		if (waits_for_ledger(central, release, &step)) {
			look_again(gates, util_clock_now_utc(central->clock) + central->again_s);
			return TRUE;
		}
		publish_note(central, "%s %s: wave %u is %s: %s", app, release->tag, step.wave,
			     step.word == CENTRAL_GATE_OPEN ? "open" : "shut", reason);
		if (!say_word(central, release, &step, error) ||
		    !publish_tell(central, app, id, error))
			return FALSE;
	}
}

static gboolean set_mark(const PublishGates *gates, Central *central, GError **error)
{
	gboolean there = faccessat(central->queue_dirfd, MARK, F_OK, 0) == 0;
	if (publish_gates_wait(gates) == there)
		return TRUE;
	return there ? util_fs_unlink(central->queue_dirfd, MARK, error)
		     : util_fs_write_file(central->queue_dirfd, MARK, "", 0, 0644, error);
}

gboolean publish_gates_decide(PublishGates *gates, Central *central, GError **error)
{
	GHashTableIter iter;
	gpointer key = NULL;
	gates->next_utc = 0;
	g_hash_table_iter_init(&iter, gates->waiting);
	while (g_hash_table_iter_next(&iter, &key, NULL)) {
		g_auto(GStrv) words = g_strsplit(key, " ", 2);
		g_autoptr(GError) failed = NULL;
		gboolean done = FALSE;
		/* one that cannot be read must not hold up the others; it is looked at again */
		gboolean ok = decide_release(gates, central, words[0], words[1], &done, &failed);
		if (g_error_matches(failed, TS_ERROR, TS_ERROR_NOT_FOUND))
			done = TRUE; /* a tag without a plan */
		else if (!ok) {
			publish_note(central, "alarm: %s: the gate of release %.12s: %s", words[0],
				     words[1], failed->message);
			look_again(gates, util_clock_now_utc(central->clock) + central->again_s);
		}
		if (done)
			g_hash_table_iter_remove(&iter);
	}
	return set_mark(gates, central, error);
}
