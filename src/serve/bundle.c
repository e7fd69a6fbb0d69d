/* SPDX-License-Identifier: ISC */
/* The verbs "want" and "get": what a base may have is what its own ledger names. */
#include "serve/serve-private.h"

#define CHUNK_BYTES (64 * 1024)
#define NOTE_US (5 * G_USEC_PER_SEC)

static int open_bundles(Serve *serve, GError **error)
{
	return util_fs_open_dir(serve->state_dirfd, serve_place(serve)->bundles, error);
}

/* The newest order that is not cancelled and leads to this root; NULL if there is none.
 * *ret_cancelled: there is one, but cancelled. */
static const Order *order_for_root(GHashTable *orders, const char *root, gboolean *ret_cancelled)
{
	GHashTableIter iter;
	gpointer value = NULL;
	const Order *best = NULL;
	g_hash_table_iter_init(&iter, orders);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		const LedgerOrder *candidate = value;
		if (g_strcmp0(candidate->order->root, root) != 0)
			continue;
		if (candidate->cancelled)
			*ret_cancelled = TRUE;
		else if (!best || candidate->order->seq > best->seq)
			best = candidate->order;
	}
	return best;
}

gboolean serve_ask_bundle(Serve *serve, const char *old_root, const char *root, gboolean *ret_there,
			  GError **error)
{
	gboolean cancelled = FALSE;
	g_autoptr(GPtrArray) entries = serve_entries(serve, error);
	if (!entries)
		return FALSE;
	g_autoptr(GHashTable) orders = ledger_fold(entries);
	const Order *order = order_for_root(orders, root, &cancelled);
	if (!order)
		return util_error_set(error, cancelled ? TS_ERROR_REFUSED : TS_ERROR_NOT_FOUND,
				      cancelled ? "the order for %.8s is cancelled"
						: "no order of this base leads to %.8s",
				      root);
	if (strcmp(old_root, root) == 0)
		return util_error_set(error, TS_ERROR_USAGE, "old and new root are the same");
	const OrderBundle *bundle = order_find_bundle(order, old_root);
	util_autofd int bundles = open_bundles(serve, error);
	if (bundles < 0)
		return FALSE;
	*ret_there = bundle && store_blob_exists(bundles, bundle->sha256);
	return *ret_there || serve_place(serve)->want(serve, order, old_root, error);
}

gboolean serve_want(Serve *serve, const WireRequest *request, GError **error)
{
	gboolean there = FALSE;
	if (!serve_ask_bundle(serve, request->old_root, request->hash, &there, error))
		return FALSE;
	if (there)
		return serve_ok(serve, -1, error);
	gboolean from_nothing = strcmp(request->old_root, "-") == 0;
	return util_error_set(error, TS_ERROR_AGAIN, "the bundle from %.8s to %.8s is being made",
			      from_nothing ? "nothing" : request->old_root, request->hash);
}

/* The newest order that names this bundle, and the bundle's entry in it. */
static const Order *order_for_bundle(const GPtrArray *entries, const char *sha256,
				     const OrderBundle **ret_bundle)
{
	for (guint i = entries->len; i > 0; i--) {
		const LedgerEntry *entry = entries->pdata[i - 1];
		const GPtrArray *bundles = entry->order->bundles;
		for (guint j = 0; bundles && j < bundles->len; j++) {
			*ret_bundle = bundles->pdata[j];
			if (strcmp((*ret_bundle)->sha256, sha256) == 0)
				return entry->order;
		}
	}
	return NULL;
}

/* The file was pruned or lost: have it made again. */
static gboolean make_again(Serve *serve, const Order *order, const OrderBundle *bundle,
			   GError **error)
{
	if (!serve_place(serve)->want(serve, order, bundle->old_root, error))
		return FALSE;
	return util_error_set(error, TS_ERROR_AGAIN,
			      serve->spec->node
				  ? "the bundle %.8s is not here yet; it was asked for"
				  : "the bundle %.8s is no longer here; it is being made again",
			      bundle->sha256);
}

/* A bundle on its way. */
typedef struct {
	Serve *serve;
	const Order *order;
	guint64 from, offset, size;
	gint64 since_utc, noted_us;
} Sending;

/* For status: how far this base is. That it cannot be written must not stop the bundle. */
static void note_sending(Sending *sending)
{
	Serve *serve = sending->serve;
	if (serve->spec->node)
		return; /* a base shows none of it */
	g_autoptr(UtilTrailers) note = util_trailers_new();
	g_autofree char *path = g_strconcat("sending/", serve->spec->base, NULL);
	util_trailers_add_time(note, "Time", util_clock_now_utc(serve->spec->clock));
	util_trailers_add_time(note, "Since", sending->since_utc);
	util_trailers_add(note, "App", sending->order->app);
	util_trailers_add(note, "Version", sending->order->version);
	util_trailers_add_int(note, "From", (gint64)sending->from);
	util_trailers_add_int(note, "Offset", (gint64)sending->offset);
	util_trailers_add_int(note, "Bytes", (gint64)sending->size);
	g_autofree char *text = util_trailers_format(note);
	if (util_fs_mkdir(serve->state_dirfd, "sending", 0750, NULL))
		(void)util_fs_write_file(serve->state_dirfd, path, text, strlen(text), 0640, NULL);
	sending->noted_us = g_get_monotonic_time();
}

static gboolean send_file(Sending *sending, int fd, GError **error)
{
	Serve *serve = sending->serve;
	g_autofree char *chunk = g_malloc(CHUNK_BYTES);
	if (!serve_ok(serve, (gint64)(sending->size - sending->offset), error))
		return FALSE;
	note_sending(sending);
	while (sending->offset < sending->size) {
		gsize len = (gsize)MIN(CHUNK_BYTES, sending->size - sending->offset);
		if (!util_fs_pread_full(fd, chunk, len, sending->offset, error) ||
		    !serve->stream->write(serve->stream, chunk, len, error))
			return FALSE;
		sending->offset += len;
		if (g_get_monotonic_time() - sending->noted_us >= NOTE_US)
			note_sending(sending);
	}
	note_sending(sending);
	return TRUE;
}

gboolean serve_get(Serve *serve, const WireRequest *request, GError **error)
{
	const OrderBundle *bundle = NULL;
	guint64 size = 0;
	g_autoptr(GError) local = NULL;
	g_autoptr(GPtrArray) entries = serve_entries(serve, error);
	if (!entries)
		return FALSE;
	const Order *order = order_for_bundle(entries, request->hash, &bundle);
	if (!order)
		return util_error_set(error, TS_ERROR_NOT_FOUND,
				      "no order of this base names the bundle %.8s", request->hash);
	util_autofd int bundles = open_bundles(serve, error);
	if (bundles < 0)
		return FALSE;
	util_autofd int fd = store_blob_open(bundles, request->hash, &size, &local);
	if (g_error_matches(local, TS_ERROR, TS_ERROR_NOT_FOUND))
		return make_again(serve, order, bundle, error);
	if (fd < 0) {
		g_propagate_error(error, g_steal_pointer(&local));
		return FALSE;
	}
	if (request->offset > size)
		return util_error_set(error, TS_ERROR_USAGE,
				      "offset %" G_GUINT64_FORMAT " is past the end: the bundle "
				      "has %" G_GUINT64_FORMAT " bytes",
				      request->offset, size);
	Sending sending = {.serve = serve,
			   .order = order,
			   .from = request->offset,
			   .offset = request->offset,
			   .size = size,
			   .since_utc = util_clock_now_utc(serve->spec->clock)};
	return send_file(&sending, fd, error);
}
