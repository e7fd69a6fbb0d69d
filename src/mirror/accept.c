/* SPDX-License-Identifier: ISC */
/*
 * From a fetched head to accepted orders: verify, lock the apps whose orders change, move
 * refs/tagship/accepted, write accepted/APP. A crash between the last two is healed by the next
 * pull, which compares the files with the ref.
 */
#include "mirror/mirror-private.h"
#include "order/accepted.h"

#define KEEP_S (400 * G_GINT64_CONSTANT(86400))
#define LOCK_WAIT_MS 10000
#define ACCEPTED_MAX (64 * 1024 * 1024)

gboolean mirror_ref(Repo *repo, const char *ref, char ret_oid[REPO_OID], GError **error)
{
	g_autoptr(GError) local = NULL;
	ret_oid[0] = '\0';
	if (repo_ref_get(repo, ref, ret_oid, &local))
		return TRUE;
	ret_oid[0] = '\0';
	if (g_error_matches(local, TS_ERROR, TS_ERROR_NOT_FOUND))
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&local));
	return FALSE;
}

static gint by_seq(gconstpointer a, gconstpointer b)
{
	const AcceptedOrder *x = *(AcceptedOrder *const *)a, *y = *(AcceptedOrder *const *)b;
	return x->order->seq < y->order->seq ? -1 : x->order->seq > y->order->seq;
}

/* All orders of the last 400 days, and the latest one whatever its age. */
static void drop_old(GPtrArray *orders, gint64 now_utc)
{
	gint64 latest = G_MININT64;
	for (guint i = 0; i < orders->len; i++)
		latest = MAX(latest, ((AcceptedOrder *)orders->pdata[i])->order->at_utc);
	for (guint i = orders->len; i > 0; i--) {
		gint64 at = ((AcceptedOrder *)orders->pdata[i - 1])->order->at_utc;
		if (at < now_utc - KEEP_S && at < latest)
			g_ptr_array_remove_index(orders, i - 1);
	}
}

static GPtrArray *orders_of(GHashTable *apps, const char *app)
{
	GPtrArray *orders = g_hash_table_lookup(apps, app);
	if (!orders) {
		orders = g_ptr_array_new_with_free_func((GDestroyNotify)accepted_order_free);
		g_hash_table_insert(apps, g_strdup(app), orders);
	}
	return orders;
}

/* App name -> GPtrArray of AcceptedOrder. */
static GHashTable *group_by_app(const GPtrArray *entries, GError **error)
{
	g_autoptr(GHashTable) folded = ledger_fold(entries);
	g_autoptr(GHashTable) apps = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
							   (GDestroyNotify)g_ptr_array_unref);
	GHashTableIter iter;
	gpointer value = NULL;
	g_hash_table_iter_init(&iter, folded);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		const LedgerOrder *from = value;
		/* it becomes a file name */
		if (!util_name_check("app", from->order->app, error)) {
			g_prefix_error(error, "order %" G_GUINT64_FORMAT ": ", from->order->seq);
			return NULL;
		}
		AcceptedOrder *accepted = g_new0(AcceptedOrder, 1);
		accepted->order = order_copy(from->order);
		accepted->cancelled = from->cancelled;
		accepted->cancel_seq = from->cancelled ? from->cancel_seq : 0;
		accepted->cancel_reason = from->cancelled ? g_strdup(from->cancel_reason) : NULL;
		accepted->gate_decided = from->gate_seq > 0;
		accepted->gate_open = from->gate_open;
		accepted->gate_reason = g_strdup(from->gate_reason);
		g_ptr_array_add(orders_of(apps, from->order->app), accepted);
	}
	return g_steal_pointer(&apps);
}

/* App name -> text of its file. */
static GHashTable *texts_by_app(const MirrorSpec *spec, const GPtrArray *entries, GError **error)
{
	g_autoptr(GHashTable) apps = group_by_app(entries, error);
	if (!apps)
		return NULL;
	GHashTable *texts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	g_autoptr(GHashTable) stops = ledger_stops(entries);
	GHashTableIter iter;
	gpointer app = NULL, orders = NULL;
	g_hash_table_iter_init(&iter, apps);
	while (g_hash_table_iter_next(&iter, &app, &orders)) {
		const LedgerStop *stopped = ledger_stop_of(stops, app);
		AcceptedStop stop = {stopped ? stopped->seq : 0, stopped ? stopped->reason : NULL};
		drop_old(orders, util_clock_now_utc(spec->clock));
		g_ptr_array_sort(orders, by_seq);
		g_hash_table_insert(texts, g_strdup(app), accepted_format(orders, &stop));
	}
	return texts;
}

static char *file_of(const char *app)
{
	return g_strconcat("accepted/", app, NULL);
}

/* Leaves only the apps whose file says something else. */
static gboolean is_written(gpointer app, gpointer text, gpointer user_data)
{
	const MirrorSpec *spec = user_data;
	g_autofree char *path = file_of(app);
	g_autofree char *have = NULL;
	gsize len = 0;
	/* missing or damaged is written anew */
	return util_fs_read_file(spec->root_dirfd, path, ACCEPTED_MAX, &have, &len, NULL) &&
	       len == strlen(text) && memcmp(have, text, len) == 0;
}

static void close_lock(gpointer fd)
{
	util_closep(fd);
}

/* In the order of names, so that two programs cannot wait for each other. */
static GArray *lock_apps(const MirrorSpec *spec, GList *apps, GError **error)
{
	int wait_ms = spec->lock_wait_ms > 0 ? spec->lock_wait_ms : LOCK_WAIT_MS;
	gint64 until = g_get_monotonic_time() + (gint64)wait_ms * 1000;
	g_autoptr(GArray) locks = g_array_new(FALSE, FALSE, sizeof(int));
	g_array_set_clear_func(locks, close_lock);
	for (GList *at = apps; at; at = at->next) {
		const char *app = at->data;
		g_autofree char *path = g_strconcat("lock/", app, NULL);
		gint64 left_ms = (until - g_get_monotonic_time()) / 1000;
		int fd = util_fs_lock(spec->root_dirfd, path, (int)MAX(left_ms, 0), error);
		if (fd < 0) {
			g_prefix_error(error,
				       "%s is busy; its orders are accepted at the next "
				       "pull: ",
				       app);
			return NULL;
		}
		g_array_append_val(locks, fd);
	}
	return g_steal_pointer(&locks);
}

static gboolean write_files(const MirrorSpec *spec, GHashTable *texts, GError **error)
{
	GHashTableIter iter;
	gpointer app = NULL, text = NULL;
	g_hash_table_iter_init(&iter, texts);
	while (g_hash_table_iter_next(&iter, &app, &text)) {
		g_autofree char *path = file_of(app);
		if (!util_fs_write_file(spec->root_dirfd, path, text, strlen(text), 0644, error))
			return FALSE;
	}
	return TRUE;
}

/* What is to be accepted, and from where. */
typedef struct {
	char accepted[REPO_OID]; /* "" for none */
	char head[REPO_OID];
	gboolean moves;
} Move;

/* Under the locks. Where nothing moves, files are written only for what is still accepted: another
 * program may have gone on meanwhile. */
static gboolean set_accepted(Repo *repo, const Move *move, GError **error)
{
	char now[REPO_OID] = "";
	if (move->moves)
		return repo_ref_set(repo, LEDGER_ACCEPTED, move->head,
				    move->accepted[0] ? move->accepted : REPO_ZERO, error);
	if (!mirror_ref(repo, LEDGER_ACCEPTED, now, error))
		return FALSE;
	return strcmp(now, move->accepted) == 0 ||
	       util_error_set(error, TS_ERROR_AGAIN, LEDGER_ACCEPTED " moved meanwhile");
}

static gboolean accept_orders(const MirrorSpec *spec, Repo *repo, const Move *move,
			      MirrorAccepted *ret, GError **error)
{
	const char *ref = move->moves ? LEDGER_SEEN : LEDGER_ACCEPTED;
	g_autoptr(GPtrArray) entries = ledger_entries(repo, ref, NULL, error);
	if (!entries)
		return FALSE;
	const LedgerEntry *last = entries->len > 0 ? entries->pdata[entries->len - 1] : NULL;
	if (move->moves && (!last || strcmp(last->oid, move->head) != 0))
		return util_error_set(error, TS_ERROR_AGAIN,
				      LEDGER_SEEN " moved meanwhile (another fetch)");
	ret->answer = move->moves && (last->order->kind == ORDER_KIND_STOP ||
				      last->order->kind == ORDER_KIND_RESUME);
	for (guint i = 0; i < entries->len; i++)
		ret->written_utc = MAX(
		    ret->written_utc, ((const LedgerEntry *)entries->pdata[i])->order->written_utc);
	g_autoptr(GHashTable) texts = texts_by_app(spec, entries, error);
	if (!texts)
		return FALSE;
	/* the spec is only read there */
	(void)g_hash_table_foreach_remove(texts, is_written, (gpointer)(gsize)spec);
	g_autoptr(GList) apps = g_list_sort(g_hash_table_get_keys(texts), (GCompareFunc)strcmp);
	g_autoptr(GArray) locks = lock_apps(spec, apps, error);
	return locks && set_accepted(repo, move, error) && write_files(spec, texts, error);
}

/* Whether head is new, old news, or nothing of ours. */
static gboolean judge_head(const MirrorSpec *spec, Repo *repo, const char *head, Move *move,
			   gboolean *ret_behind, GError **error)
{
	if (!mirror_ref(repo, LEDGER_ACCEPTED, move->accepted, error))
		return FALSE;
	if (head[0] == '\0' || strcmp(head, move->accepted) == 0)
		return TRUE;
	if (move->accepted[0] && !repo_is_ancestor(repo, head, move->accepted, ret_behind, error))
		return FALSE;
	if (*ret_behind)
		return TRUE;
	g_strlcpy(move->head, head, sizeof move->head);
	move->moves = TRUE;
	return ledger_verify(repo, head, move->accepted, spec->conf->name,
			     (const char *const *)spec->conf->central_keys, error);
}

gboolean mirror_accept_head(const MirrorSpec *spec, Repo *repo, const char *head,
			    MirrorAccepted *ret, GError **error)
{
	Move move = {.accepted = ""};
	MirrorAccepted done = {0};
	if (!judge_head(spec, repo, head, &move, &done.behind, error) ||
	    !accept_orders(spec, repo, &move, &done, error))
		return FALSE;
	done.moved = move.moves;
	*ret = done;
	return TRUE;
}

gboolean mirror_accept(const MirrorSpec *spec, gboolean *ret_moved, GError **error)
{
	char seen[REPO_OID] = "";
	MirrorAccepted accepted = {0};
	g_autoptr(Repo) repo = mirror_repo(spec, error);
	if (!repo || !util_fs_mkdir(spec->root_dirfd, "accepted", 0755, error) ||
	    !util_fs_mkdir(spec->root_dirfd, "lock", 0755, error) ||
	    !mirror_ref(repo, LEDGER_SEEN, seen, error) ||
	    !mirror_accept_head(spec, repo, seen, &accepted, error))
		return FALSE;
	*ret_moved = accepted.moved;
	return TRUE;
}
