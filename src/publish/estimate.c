/* SPDX-License-Identifier: ISC */
/* What a plan would bring over each base's line, told before anything is built or made. */
#include "publish/publish-private.h"

#define LAST_ORDERS 5 /* what these took tells what the next one takes */

/* Bytes, and how they are known. */
typedef struct {
	guint64 bytes;
	char *how; /* NULL: nothing is known */
} Guess;

static gint newest_first(gconstpointer a, gconstpointer b)
{
	const Order *const *left = a, *const *right = b;
	return (*left)->written_utc > (*right)->written_utc   ? -1
	       : (*left)->written_utc < (*right)->written_utc ? 1
							      : 0;
}

/* The most that the app's last releases took at this base, first copies left out. */
static guint guess_by_orders(const LedgerView *view, const char *app, Guess *guess)
{
	g_autoptr(GPtrArray) orders = g_ptr_array_new();
	GHashTableIter iter;
	gpointer value = NULL;
	g_hash_table_iter_init(&iter, view->orders);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		Order *order = ((const LedgerOrder *)value)->order;
		if (strcmp(order->app, app) == 0 && order->bundles->len > 0 &&
		    strcmp(((OrderBundle *)order->bundles->pdata[0])->old_root, "-") != 0)
			g_ptr_array_add(orders, order);
	}
	g_ptr_array_sort(orders, newest_first);
	guint n = MIN(orders->len, LAST_ORDERS);
	for (guint i = 0; i < n; i++) {
		const OrderBundle *bundle = ((Order *)orders->pdata[i])->bundles->pdata[0];
		guess->bytes = MAX(guess->bytes, bundle->bytes);
	}
	return n;
}

/* Nothing was ordered there yet, or only first copies: no more than a whole tree. */
static gboolean guess_by_tree(Central *central, const char *app, const char *version, Guess *guess,
			      GError **error)
{
	g_autoptr(GPtrArray) versions = library_versions(central->library, app, error);
	const LibraryVersion *found = NULL;
	for (guint i = 0; versions && i < versions->len; i++) {
		const LibraryVersion *one = versions->pdata[i];
		if (!found || strcmp(one->version, version) == 0 ||
		    (strcmp(found->version, version) != 0 && one->bytes > found->bytes))
			found = one;
	}
	if (found) {
		guess->bytes = found->bytes;
		guess->how = g_strdup_printf("at most, as the files of %s", found->version);
	}
	return versions != NULL;
}

/* Of a version that is in the library already, what is known stands for what was seen. */
static gboolean guess_bytes(Central *central, const LedgerView *view, const char *app,
			    const char *version, const LibraryVersion *built,
			    const PublishReader *reader, Guess *guess, GError **error)
{
	const char *live = ledger_view_live_root(view, app);
	if (built && ledger_view_had_root(view, app, built->root)) {
		guess->how = g_strdup("it holds this tree already");
		return TRUE;
	}
	g_autoptr(OrderBundle) made =
	    built ? publish_bundle_made(central, live, built, reader) : NULL;
	if (made) {
		guess->bytes = made->bytes;
		guess->how = g_strdup("the bundle is made already");
		return TRUE;
	}
	guint n = strcmp(live, "-") == 0 ? 0 : guess_by_orders(view, app, guess);
	if (n > 0)
		guess->how = n == 1 ? g_strdup("as the last release")
				    : g_strdup_printf("the most of the last %u releases", n);
	return n > 0 || guess_by_tree(central, app, version, guess, error);
}

static gboolean add_line(Central *central, const PlanTable *table, const PlanTarget *target,
			 const LibraryVersion *built, GString *text, GError **error)
{
	g_autoptr(LedgerView) view = ledger_view_load(central, target->base, error);
	g_auto(PublishReader) reader = {0};
	Guess guess = {0};
	if (!view)
		return FALSE;
	publish_reader(central, target->base, &reader);
	if (!guess_bytes(central, view, table->app, table->version, built, &reader, &guess, error))
		return FALSE;
	g_autofree char *how = guess.how;
	g_string_append_printf(text, "  %-16s ", target->base);
	if (!how) {
		g_string_append(text,
				"nothing of this app was built yet, so its size is not known\n");
		return TRUE;
	}
	if (guess.bytes == 0) {
		g_string_append_printf(text, "nothing to transfer: %s\n", how);
		return TRUE;
	}
	guint64 queued = publish_queued_bytes(view, "");
	gint64 now = util_clock_now_utc(central->clock);
	gint64 arrival = central_arrival_utc(now, guess.bytes, queued, reader.line_kbit);
	g_autofree char *size = util_text_bytes(guess.bytes);
	g_autofree char *away = util_text_duration(arrival - now);
	g_autofree char *before = util_text_bytes(queued);
	g_string_append_printf(text,
			       "about %s (%s)%s%s%s, arrives about %s after it is built: %s\n",
			       size, how, queued > 0 ? ", behind " : "", queued > 0 ? before : "",
			       queued > 0 ? " queued" : "", away,
			       central_arrival_word(table->is_now, arrival, target->at_utc,
						    table->grace_s, table->gate_at_utc));
	return TRUE;
}

char *publish_estimate(Central *central, const PlanTable *table, GError **error)
{
	g_autoptr(LibraryVersion) built =
	    table->plan_only ? library_version(central->library, table->app, table->version, error)
			     : NULL;
	g_autoptr(GString) text = g_string_new(NULL);
	if (table->plan_only && !built)
		return NULL;
	for (guint i = 0; i < table->targets->len; i++)
		if (!add_line(central, table, table->targets->pdata[i], built, text, error))
			return NULL;
	return g_string_free(g_steal_pointer(&text), FALSE);
}
