/* SPDX-License-Identifier: ISC */
#include "decide/told.h"

#include "decide/bug.h"

typedef struct {
	const char *app, *release;
	GHashTable *orders; /* base -> orders decided so far (GUINT) */
	GPtrArray *told;
} Telling;

static void told_free(gpointer data)
{
	DecideTold *told = data;
	order_free(told->entry);
	g_free(told);
}

static void tell(Telling *self, Order *entry, guint nth)
{
	DecideTold *told = g_new0(DecideTold, 1);
	told->entry = entry;
	told->nth = nth;
	g_ptr_array_add(self->told, told);
}

static gboolean tell_order(Telling *self, const char *text, GError **error)
{
	Order *order = order_parse(text, strlen(text), error);
	if (!order)
		return FALSE;
	guint nth = GPOINTER_TO_UINT(g_hash_table_lookup(self->orders, order->base)) + 1;
	g_hash_table_replace(self->orders, g_strdup(order->base), GUINT_TO_POINTER(nth));
	tell(self, order, nth);
	return TRUE;
}

static gboolean tell_orders(Telling *self, const DecideDecision *decision, GError **error)
{
	for (guint i = 0; i < util_trailers_count(decision->text); i++)
		if (strcmp(util_trailers_key(decision->text, i), "Order") == 0 &&
		    !tell_order(self, util_trailers_value(decision->text, i), error))
			return FALSE;
	return TRUE;
}

/* A cancel or a word. */
static void tell_all(Telling *self, const DecideDecision *decision, OrderKind kind, guint wave)
{
	const char *only = util_trailers_get(decision->text, "Base");
	g_autoptr(GList) bases =
	    g_list_sort(g_hash_table_get_keys(self->orders), (GCompareFunc)strcmp);
	for (GList *at = bases; at; at = at->next) {
		if (only && strcmp(only, at->data) != 0)
			continue;
		Order *entry = order_new(kind);
		entry->base = g_strdup(at->data);
		entry->release = g_strdup(self->release);
		entry->app = g_strdup(self->app);
		entry->wave = wave;
		entry->gate_open = strcmp(decision->decision, "gate-opened") == 0;
		entry->reason = g_strdup(util_trailers_get(decision->text, "Reason"));
		entry->written_utc = decision->time_utc;
		tell(self, entry, 0);
	}
}

static gboolean tell_decision(Telling *self, const DecideDecision *decision, GError **error)
{
	gint64 wave = 1;
	if (strcmp(decision->decision, "ordered") == 0)
		return tell_orders(self, decision, error);
	if (strcmp(decision->decision, "cancelled") == 0)
		tell_all(self, decision, ORDER_KIND_CANCEL, 1);
	if (!g_str_has_prefix(decision->decision, "gate-"))
		return TRUE;
	if (!util_trailers_need_int(decision->text, "Wave", 1, PLAN_WAVES_MAX, &wave, error))
		return FALSE;
	tell_all(self, decision, ORDER_KIND_GATE, (guint)wave);
	return TRUE;
}

GPtrArray *decide_told(const char *app, const char *release, const DecideDecision *decisions,
		       guint n_decisions, GError **error)
{
	g_autoptr(GHashTable) orders = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	g_autoptr(GPtrArray) told = g_ptr_array_new_with_free_func(told_free);
	Telling self = {.app = app, .release = release, .orders = orders, .told = told};
	for (guint i = 0; i < n_decisions; i++)
		if (!tell_decision(&self, &decisions[i], error))
			return NULL;
	return g_steal_pointer(&told);
}

gboolean decide_lacks(const DecideTold *told, const DecideHeld *held)
{
	switch (told->entry->kind) {
	case ORDER_KIND_ORDER:
		return held->orders < told->nth || decide_bug(DECIDE_BUG_TWICE);
	case ORDER_KIND_CANCEL:
		return !held->cancelled;
	case ORDER_KIND_GATE:
		/* if it is of this wave, has an order and no such word yet */
		return held->orders > 0 && held->wave == told->entry->wave && !held->gate_said;
	case ORDER_KIND_HEARTBEAT:
	case ORDER_KIND_STOP:
	case ORDER_KIND_RESUME:
	case ORDER_KIND_KEYS:
		break;
	}
	g_assert_not_reached();
}

const DecideDecision *decide_cancel_of(const DecideDecision *decisions, guint n_decisions,
				       const char *base)
{
	for (guint i = 0; i < n_decisions; i++) {
		const char *only = util_trailers_get(decisions[i].text, "Base");
		if (strcmp(decisions[i].decision, "cancelled") == 0 &&
		    (!only || g_strcmp0(only, base) == 0))
			return &decisions[i];
	}
	return NULL;
}
