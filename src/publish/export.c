/* SPDX-License-Identifier: ISC */
/* What a base lacks, as a file that somebody carries there. */
#include "export/export.h"
#include "publish/publish-private.h"

typedef struct {
	Central *central;
	const PublishExportOptions *options;
	ConfPeer *peer;
	Repo *ledger;
	LedgerView *view;
	UtilTrailers *contact; /* NULL: never seen */
	ExportHead *head;
	GByteArray *piece;
	guint wanted; /* bundles the worker was asked for */
	PublishExported done;
} Export;

static void export_clear(Export *self)
{
	g_clear_pointer(&self->peer, conf_peer_free);
	g_clear_pointer(&self->ledger, repo_free);
	g_clear_pointer(&self->view, ledger_view_free);
	g_clear_pointer(&self->contact, util_trailers_free);
	g_clear_pointer(&self->head, export_head_free);
	g_clear_pointer(&self->piece, g_byte_array_unref);
}

/* ---- the piece of the ledger ---- */

/* Where the file begins: at the head that the base last showed, if it is one of ours. */
static gboolean find_from(Export *self, GError **error)
{
	const char *shown = self->contact ? util_trailers_get(self->contact, "Head") : NULL;
	gboolean is_ours = FALSE;
	g_strlcpy(self->done.from, "-", sizeof self->done.from);
	if (self->contact && util_trailers_get(self->contact, "Ahead"))
		return util_error_set(error, TS_ERROR_REFUSED,
				      "%s has accepted orders that this ledger lacks (central was "
				      "restored from a backup); it must give them back first: by "
				      "line, or by tagship-base export --ledger FILE and tagship "
				      "import FILE",
				      self->peer->name);
	if (self->options->all || !shown || !util_oid_hex_ok(shown) ||
	    !repo_object_exists(self->ledger, shown))
		return TRUE;
	if (!repo_is_ancestor(self->ledger, shown, self->done.head, &is_ours, error))
		return FALSE;
	if (is_ours)
		g_strlcpy(self->done.from, shown, sizeof self->done.from);
	return TRUE;
}

static gboolean add_piece(Export *self, GError **error)
{
	gboolean all = strcmp(self->done.from, "-") == 0;
	g_autoptr(GPtrArray) entries =
	    ledger_entries(self->ledger, LEDGER_ORDERS, all ? NULL : self->done.from, error);
	g_autoptr(UtilStream) stream = util_stream_over_memory(NULL, 0, self->piece);
	if (!entries || !ledger_send(self->ledger, self->done.head, self->done.from, stream, error))
		return FALSE;
	self->done.entries = entries->len;
	export_head_add_data(self->head, EXPORT_LEDGER, self->piece->data, self->piece->len);
	return TRUE;
}

static gboolean add_reported(Export *self, GError **error)
{
	g_autoptr(GPtrArray) all = ledger_reported(self->ledger, EXPORT_REPORTED_MAX, error);
	for (guint i = 0; all && i < all->len; i++) {
		const LedgerReported *reported = all->pdata[i];
		export_head_add_reported(self->head, reported->key, reported->oid);
	}
	return all != NULL;
}

/* ---- the bundles ---- */

/* The base has its tree, or is done with it. */
static gboolean is_settled(const LedgerView *view, const Order *order)
{
	for (guint i = 0; i < view->reports->len; i++) {
		const Report *report = view->reports->pdata[i];
		if (strcmp(report->release, order->release) != 0)
			continue;
		if (report_event_ends(report->event) ||
		    (report->event == REPORT_STAGED && strcmp(report->root, order->root) == 0))
			return TRUE;
	}
	return FALSE;
}

static gint soonest_first(gconstpointer a, gconstpointer b)
{
	return order_compare_due(*(Order *const *)a, *(Order *const *)b);
}

/* Orders whose tree the base still needs; they belong to the view. */
static GPtrArray *open_orders(const LedgerView *view)
{
	GPtrArray *open = g_ptr_array_new();
	GHashTableIter iter;
	gpointer value = NULL;
	g_hash_table_iter_init(&iter, view->orders);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		const LedgerOrder *entry = value;
		if (!entry->cancelled && !is_settled(view, entry->order))
			g_ptr_array_add(open, entry->order);
	}
	g_ptr_array_sort(open, soonest_first);
	return open;
}

/* The old root that the base asked a bundle for; NULL if it did not. */
static char *wanted_root(const UtilTrailers *contact, const char *root)
{
	for (guint i = 0; contact && i < util_trailers_count(contact); i++) {
		g_auto(GStrv) words = g_strsplit(util_trailers_value(contact, i), " ", 2);
		if (strcmp(util_trailers_key(contact, i), "Want") == 0 && words[0] &&
		    g_strcmp0(words[1], root) == 0)
			return g_strdup(words[0]);
	}
	return NULL;
}

/* What the base itself said to have live; NULL if it said nothing. */
static char *shown_root(const UtilTrailers *contact, const char *app)
{
	for (guint i = 0; contact && i < util_trailers_count(contact); i++) {
		g_auto(GStrv) words = g_strsplit(util_trailers_value(contact, i), " ", 3);
		if (strcmp(util_trailers_key(contact, i), "Live") == 0 &&
		    g_strcmp0(words[0], app) == 0 && words[1] && util_sha256_hex_ok(words[1]))
			return g_strdup(words[1]);
	}
	return NULL;
}

static gboolean want(Export *self, const Order *order, const char *old_root, GError **error)
{
	g_autoptr(UtilTrailers) hint = util_trailers_new();
	util_trailers_add(hint, "Base", order->base);
	util_trailers_add(hint, "App", order->app);
	util_trailers_add(hint, "Release", order->release);
	util_trailers_add(hint, "Old", old_root);
	util_trailers_add(hint, "New", order->root);
	self->wanted++;
	return store_hint_put(self->central->queue_dirfd, "want", hint, error);
}

/* Into the head, or asked of the worker if it was pruned. */
static gboolean add_bundle(Export *self, const Order *order, const OrderBundle *bundle,
			   GError **error)
{
	g_autofree char *name = g_strconcat(EXPORT_BUNDLES, bundle->sha256, NULL);
	for (guint i = 0; i < self->head->members->len; i++)
		if (strcmp(((ExportMember *)self->head->members->pdata[i])->name, name) == 0)
			return TRUE;
	if (!store_blob_exists(self->central->bundles_dirfd, bundle->sha256))
		return want(self, order, bundle->old_root, error);
	export_head_add_member(self->head, name, bundle->bytes, bundle->sha256);
	self->done.bundles++;
	self->done.bundle_bytes += bundle->bytes;
	return TRUE;
}

/* The one the base asked for; else from what it last said to run, else from what it is settled on
 * by its reports, else from nothing. What it asked for is made if need be. */
static gboolean add_order(Export *self, const Order *order, GError **error)
{
	g_autofree char *wanted = wanted_root(self->contact, order->root);
	g_autofree char *shown = shown_root(self->contact, order->app);
	const char *settled = ledger_view_live_root(self->view, order->app);
	const char *first = wanted ? wanted : shown ? shown : settled;
	const OrderBundle *bundle = order_find_bundle(order, first);
	const OrderBundle *plain = order_find_bundle(order, "-");
	if (!bundle && !wanted)
		bundle = order_find_bundle(order, settled);
	if (!bundle && !wanted)
		bundle = plain;
	if (!bundle && (wanted || order->bundles->len > 0) && !want(self, order, first, error))
		return FALSE;
	if (bundle && !add_bundle(self, order, bundle, error))
		return FALSE;
	if (!self->options->plain || bundle == plain)
		return TRUE;
	return plain ? add_bundle(self, order, plain, error) : want(self, order, "-", error);
}

static gboolean add_bundles(Export *self, GError **error)
{
	g_autoptr(GPtrArray) orders = open_orders(self->view);
	for (guint i = 0; i < orders->len; i++)
		if (!add_order(self, orders->pdata[i], error))
			return FALSE;
	if (self->wanted == 0)
		return TRUE;
	return util_error_set(error, TS_ERROR_AGAIN,
			      "%u bundles are not there, and are being made; export again then "
			      "(tagship log shows the jobs)",
			      self->wanted);
}

/* ---- the file ---- */

static gboolean load(Export *self, const char *base, GError **error)
{
	self->peer = conf_peer_load(self->central->dirfd, base, error);
	self->ledger = self->peer ? ledger_open(self->central->path, base, error) : NULL;
	if (!self->ledger)
		return FALSE;
	if (!repo_ref_get(self->ledger, LEDGER_ORDERS, self->done.head, NULL))
		return util_error_set(error, TS_ERROR_REFUSED, "nothing was ordered for %s yet",
				      base);
	self->contact = publish_contact(self->central, base);
	self->view = ledger_view_load(self->central, base, error);
	return self->view != NULL;
}

static gboolean fill_head(Export *self, GError **error)
{
	self->piece = g_byte_array_new();
	self->head = export_head_new(EXPORT_KIND_ORDERS);
	self->head->software = g_strdup(TAGSHIP_SOFTWARE);
	self->head->base = g_strdup(self->peer->name);
	self->head->incarnation = self->peer->incarnation;
	self->head->written_utc = util_clock_now_utc(self->central->clock);
	g_strlcpy(self->head->from, self->done.from, sizeof self->head->from);
	g_strlcpy(self->head->head, self->done.head, sizeof self->head->head);
	return add_reported(self, error) && add_piece(self, error) && add_bundles(self, error);
}

static gboolean write_file(Export *self, int fd, GError **error)
{
	g_autoptr(ExportWriter) writer =
	    export_writer_new(fd, self->head, self->central->key_file, error);
	if (!writer || !export_writer_add(writer, self->piece->data, self->piece->len, error))
		return FALSE;
	for (guint i = 1; i < self->head->members->len; i++) {
		const ExportMember *member = self->head->members->pdata[i];
		guint64 bytes = 0;
		util_autofd int bundle =
		    store_blob_open(self->central->bundles_dirfd,
				    member->name + strlen(EXPORT_BUNDLES), &bytes, error);
		if (bundle < 0 || !export_writer_add_fd(writer, bundle, error))
			return FALSE;
	}
	return export_writer_finish(writer, error);
}

gboolean publish_export(Central *central, const char *base, const PublishExportOptions *options,
			int fd, PublishExported *ret_exported, GError **error)
{
	Export self = {.central = central, .options = options};
	gboolean ok = load(&self, base, error) && find_from(&self, error) &&
		      fill_head(&self, error) && write_file(&self, fd, error);
	if (ok)
		*ret_exported = self.done;
	export_clear(&self);
	return ok;
}
