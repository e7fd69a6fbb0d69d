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

const LibraryDecision *publish_cancel_decision(const GPtrArray *decisions, const char *base)
{
	for (guint i = 0; i < decisions->len; i++) {
		const LibraryDecision *decision = g_ptr_array_index(decisions, i);
		const char *only = util_trailers_get(decision->text, "Base");
		if (strcmp(decision->decision, "cancelled") == 0 &&
		    (!only || g_strcmp0(only, base) == 0))
			return decision;
	}
	return NULL;
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
	GHashTable *views;
	GHashTable *decided; /* base -> orders decided so far (GUINT) */
	GHashTable *deaf;    /* bases that a stop could not be told; or NULL */
	GHashTable *failed;  /* bases that nothing more goes to in this run */
	GString *why;        /* of those that central knows */
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
	(void)g_hash_table_remove(self->views, base);
	return TRUE;
}

/* The n-th order decided for its base, appended if the ledger has fewer. */
static gboolean order_base(FanOut *self, const char *base, Order *order, guint nth, GError **error)
{
	LedgerView *view = ledger_views_get(self->views, self->central, base, error);
	if (!view)
		return FALSE;
	guint have = GPOINTER_TO_UINT(g_hash_table_lookup(view->counts, self->release));
	if (have >= nth)
		return TRUE;
	if (self->deaf && g_hash_table_contains(self->deaf, base))
		return util_error_set(error, TS_ERROR_AGAIN, "a stop could not be told there");
	return append(self, base, order, error);
}

static gboolean cancel_base(FanOut *self, const char *base, const LibraryDecision *decision,
			    GError **error)
{
	LedgerView *view = ledger_views_get(self->views, self->central, base, error);
	if (!view || g_hash_table_contains(view->cancels, self->release))
		return view != NULL;
	g_autoptr(Order) cancel = order_new(ORDER_KIND_CANCEL);
	cancel->base = g_strdup(base);
	cancel->release = g_strdup(self->release);
	cancel->app = g_strdup(self->app);
	cancel->reason = g_strdup(util_trailers_get(decision->text, "Reason"));
	cancel->written_utc = decision->time_utc;
	return append(self, base, cancel, error);
}

/* If it is of this wave, has an order and no such word yet. */
static gboolean gate_base(FanOut *self, const char *base, const LibraryDecision *decision,
			  GError **error)
{
	gint64 wave = 0;
	LedgerView *view = ledger_views_get(self->views, self->central, base, error);
	if (!view ||
	    !util_trailers_need_int(decision->text, "Wave", 1, PLAN_WAVES_MAX, &wave, error))
		return FALSE;
	const LedgerOrder *entry = g_hash_table_lookup(view->orders, self->release);
	if (!entry || entry->order->wave != (guint)wave || entry->gate_seq > 0)
		return TRUE;
	g_autoptr(Order) gate = order_new(ORDER_KIND_GATE);
	gate->base = g_strdup(base);
	gate->release = g_strdup(self->release);
	gate->app = g_strdup(self->app);
	gate->gate_open = strcmp(decision->decision, "gate-opened") == 0;
	gate->reason = g_strdup(util_trailers_get(decision->text, "Reason"));
	gate->written_utc = decision->time_utc;
	return append(self, base, gate, error);
}

/* To every base that has an order by now, or only to the one that is named. */
static void fan_word(FanOut *self, const LibraryDecision *decision,
		     gboolean (*tell)(FanOut *self, const char *base,
				      const LibraryDecision *decision, GError **error))
{
	const char *only = util_trailers_get(decision->text, "Base");
	g_autoptr(GList) bases =
	    g_list_sort(g_hash_table_get_keys(self->decided), (GCompareFunc)strcmp);
	for (GList *at = bases; at; at = at->next) {
		g_autoptr(GError) why = NULL;
		const char *base = at->data;
		if ((only && strcmp(only, base) != 0) || g_hash_table_contains(self->failed, base))
			continue;
		if (!tell(self, base, decision, &why))
			fail_base(self, base, why);
	}
}

static gboolean fan_order(FanOut *self, const char *text, GError **error)
{
	g_autoptr(GError) why = NULL;
	g_autoptr(Order) order = order_parse(text, strlen(text), error);
	if (!order)
		return FALSE;
	guint nth = GPOINTER_TO_UINT(g_hash_table_lookup(self->decided, order->base)) + 1;
	g_hash_table_replace(self->decided, g_strdup(order->base), GUINT_TO_POINTER(nth));
	if (!g_hash_table_contains(self->failed, order->base) &&
	    !order_base(self, order->base, order, nth, &why))
		fail_base(self, order->base, why);
	return TRUE;
}

static gboolean fan_decision(FanOut *self, const LibraryDecision *decision, GError **error)
{
	if (g_str_has_prefix(decision->decision, "gate-"))
		fan_word(self, decision, gate_base);
	if (strcmp(decision->decision, "cancelled") == 0)
		fan_word(self, decision, cancel_base);
	if (strcmp(decision->decision, "ordered") != 0)
		return TRUE;
	for (guint i = 0; i < util_trailers_count(decision->text); i++)
		if (strcmp(util_trailers_key(decision->text, i), "Order") == 0 &&
		    !fan_order(self, util_trailers_value(decision->text, i), error))
			return FALSE;
	return TRUE;
}

static gboolean fan_out(FanOut *self, GError **error)
{
	g_autoptr(GPtrArray) decisions =
	    library_decisions(self->central->library, self->app, self->release, error);
	if (!decisions || !publish_decision(decisions, "ordered"))
		return decisions != NULL;
	self->tag = library_release_tag(self->central->library, self->app, self->release, error);
	for (guint i = 0; self->tag && i < decisions->len; i++)
		if (!fan_decision(self, g_ptr_array_index(decisions, i), error))
			return FALSE;
	if (!self->tag || self->why->len == 0)
		return self->tag != NULL;
	return util_error_set(error, TS_ERROR_AGAIN, "not every ledger could be written: %s",
			      self->why->str);
}

gboolean publish_fan_out_locked(Central *central, const char *app, const char *release,
				GHashTable *deaf, GError **error)
{
	g_autoptr(GHashTable) views = ledger_views_new();
	g_autoptr(GHashTable) decided =
	    g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	g_autoptr(GHashTable) failed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	g_autoptr(GString) why = g_string_new(NULL);
	g_autoptr(GError) local = NULL;
	g_autofree char *what = g_strdup_printf("%s: release %.12s", app, release);
	FanOut self = {.central = central,
		       .app = app,
		       .release = release,
		       .views = views,
		       .decided = decided,
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
