/* SPDX-License-Identifier: ISC */
/*
 * From the records to the ledgers. The fan-out compares what was decided with what each ledger
 * holds and appends what is missing, so it may be interrupted anywhere and run again. One lock
 * (STATE/fanout.lock) keeps two writers apart. A ledger that cannot be written holds up no other;
 * queue/fan-out is there while something is owed to one, and the worker tries again.
 */
#include "publish/publish-private.h"

#define FANOUT_WAIT_MS (60 * 1000)
#define MARK "fan-out"

int publish_lock(Central *central, GError **error)
{
	return util_fs_lock(central->dirfd, "fanout.lock", FANOUT_WAIT_MS, error);
}

const LibraryDecision *publish_decision(const GPtrArray *decisions, const char *name)
{
	for (guint i = 0; i < decisions->len; i++) {
		const LibraryDecision *decision = g_ptr_array_index(decisions, i);
		if (strcmp(decision->decision, name) == 0)
			return decision;
	}
	return NULL;
}

DecideDecision *publish_decision_facts(const GPtrArray *decisions)
{
	DecideDecision *facts = g_new0(DecideDecision, decisions->len);
	for (guint i = 0; i < decisions->len; i++) {
		const LibraryDecision *decision = g_ptr_array_index(decisions, i);
		facts[i] = (DecideDecision){decision->decision, decision->time_utc, decision->text};
	}
	return facts;
}

const LibraryDecision *publish_cancel_decision(const GPtrArray *decisions, const char *base)
{
	g_autofree DecideDecision *facts = publish_decision_facts(decisions);
	const DecideDecision *cancel = decide_cancel_of(facts, decisions->len, base);
	return cancel ? g_ptr_array_index(decisions, cancel - facts) : NULL;
}

/* ---- what is owed ---- */

gboolean publish_is_owed(Central *central)
{
	return faccessat(central->queue_dirfd, MARK, F_OK, 0) == 0;
}

gboolean publish_owe(Central *central, const char *what, const GError *why, GError **error)
{
	publish_note(central, "alarm: %s: %s; it is tried again", what, why->message);
	return publish_is_owed(central) ||
	       util_fs_write_file(central->queue_dirfd, MARK, "", 0, 0644, error);
}

/* ---- one release ---- */

typedef struct {
	Central *central;
	const char *app, *release;
	GBytes *tag;
	PublishLedgers *ledgers;
	GHashTable *deaf;   /* bases that a stop could not be told; or NULL */
	GHashTable *failed; /* bases that nothing more goes to in this run */
	GString *why;       /* of those that central knows */
} FanOut;

/* What comes later must not overtake what could not be written. */
static void fail_base(FanOut *self, const char *base, const GError *why)
{
	(void)g_hash_table_add(self->failed, g_strdup(base)); /* a set */
	/* one that was removed is owed nothing */
	if (!publish_base_is_gone(self->central, base))
		g_string_append_printf(self->why, "%s%s: %s", self->why->len ? "; " : "", base,
				       why->message);
}

static gboolean append(FanOut *self, const char *base, Order *order, GError **error)
{
	g_autoptr(Repo) ledger = ledger_open(self->central->path, base, error);
	GBytes *tag = order->kind == ORDER_KIND_ORDER ? self->tag : NULL;
	if (!ledger || !publish_append(self->central, ledger, order, tag, error))
		return FALSE;
	/* read again by who asks next */
	(void)g_hash_table_remove(self->ledgers, base);
	return TRUE;
}

static gboolean complete(FanOut *self, const DecideTold *told, GError **error)
{
	const char *base = told->entry->base;
	LedgerView *view = publish_ledgers_get(self->ledgers, self->central, base, error);
	if (!view)
		return FALSE;
	const LedgerOrder *newest = g_hash_table_lookup(view->orders, self->release);
	const DecideHeld held = {
	    .orders = GPOINTER_TO_UINT(g_hash_table_lookup(view->counts, self->release)),
	    .wave = newest ? newest->order->wave : 0,
	    .cancelled = g_hash_table_contains(view->cancels, self->release),
	    .gate_said = newest && newest->gate_seq > 0};
	if (!decide_lacks(told, &held))
		return TRUE;
	if (told->entry->kind == ORDER_KIND_ORDER && self->deaf &&
	    g_hash_table_contains(self->deaf, base))
		return util_error_set(error, TS_ERROR_AGAIN, "a stop could not be told there");
	return append(self, base, told->entry, error);
}

static gboolean fan_out(FanOut *self, GError **error)
{
	g_autoptr(GPtrArray) decisions =
	    library_decisions(self->central->library, self->app, self->release, error);
	if (!decisions || !publish_decision(decisions, "ordered"))
		return decisions != NULL;
	g_autofree DecideDecision *facts = publish_decision_facts(decisions);
	self->tag = library_release_tag(self->central->library, self->app, self->release, error);
	g_autoptr(GPtrArray) told =
	    self->tag ? decide_told(self->app, self->release, facts, decisions->len, error) : NULL;
	for (guint i = 0; told && i < told->len; i++) {
		g_autoptr(GError) why = NULL;
		const DecideTold *one = g_ptr_array_index(told, i);
		if (!g_hash_table_contains(self->failed, one->entry->base) &&
		    !complete(self, one, &why))
			fail_base(self, one->entry->base, why);
	}
	if (!told || self->why->len == 0)
		return told != NULL;
	return util_error_set(error, TS_ERROR_AGAIN, "not every ledger could be written: %s",
			      self->why->str);
}

gboolean publish_fan_out_locked(Central *central, const char *app, const char *release,
				GHashTable *deaf, GError **error)
{
	g_autoptr(PublishLedgers) ledgers = publish_ledgers_new();
	g_autoptr(GHashTable) failed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	g_autoptr(GString) why = g_string_new(NULL);
	g_autoptr(GError) local = NULL;
	g_autofree char *what = g_strdup_printf("%s: release %.12s", app, release);
	FanOut self = {.central = central,
		       .app = app,
		       .release = release,
		       .ledgers = ledgers,
		       .deaf = deaf,
		       .failed = failed,
		       .why = why};
	gboolean ok = fan_out(&self, &local);
	g_clear_pointer(&self.tag, g_bytes_unref);
	if (ok)
		return TRUE;
	if (publish_owe(central, what, local, error))
		g_propagate_error(error, g_steal_pointer(&local));
	return FALSE;
}

gboolean publish_fan_out(Central *central, const char *app, const char *release, GError **error)
{
	util_autofd int lock = publish_lock(central, error);
	return lock >= 0 && publish_fan_out_locked(central, app, release, NULL, error);
}

gboolean publish_tell(Central *central, const char *app, const char *release, GError **error)
{
	g_autoptr(GError) why = NULL;
	g_autofree char *what = g_strdup_printf("%s: release %.12s", app, release);
	if (publish_fan_out(central, app, release, &why) || publish_is_owed(central))
		return TRUE;
	return publish_owe(central, what, why, error);
}

/* ---- all releases ---- */

static gboolean fan_out_app(Central *central, const char *app, GError **error)
{
	g_autoptr(GPtrArray) releases = library_releases(central->library, app, error);
	for (guint i = 0; releases && i < releases->len; i++)
		if (!publish_tell(central, app, g_ptr_array_index(releases, i), error))
			return FALSE;
	return releases != NULL;
}

static gboolean tell_keys(Central *central, GError **error)
{
	util_autofd int lock = publish_lock(central, error);
	return lock >= 0 && publish_keys_complete(central, error);
}

gboolean publish_fan_out_all(Central *central, GError **error)
{
	g_auto(GStrv) apps = conf_app_names(central->dirfd, error);
	/* first: whoever owes something from now on sets it again */
	if (!apps || !util_fs_unlink(central->queue_dirfd, MARK, error) ||
	    !tell_keys(central, error) || !publish_stops_fan_out(central, error))
		return FALSE;
	for (guint i = 0; apps[i]; i++)
		if (!fan_out_app(central, apps[i], error))
			return FALSE;
	return TRUE;
}
