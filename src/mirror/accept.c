/* SPDX-License-Identifier: ISC */
/*
 * From a fetched head to accepted orders: verify, move refs/tagship/accepted, then write
 * accepted/APP of each app whose orders change, under its lock. So what was verified once is never
 * verified again, and an app that is activating keeps nothing from the others: its own file is
 * written when its lock is free, by whoever accepts next. The file is what counts for the app: what
 * is not in it yet came after its commit point. A crash before all files are written is healed the
 * same way, by comparing them with the ref.
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

static void drop_old_of_all(GHashTable *apps, gint64 now_utc)
{
	GHashTableIter iter;
	gpointer orders = NULL;
	g_hash_table_iter_init(&iter, apps);
	while (g_hash_table_iter_next(&iter, NULL, &orders))
		drop_old(orders, now_utc);
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
		g_ptr_array_add(orders_of(apps, from->order->app), ledger_order_accepted(from));
	}
	return g_steal_pointer(&apps);
}

/* App name -> text of its file. */
static GHashTable *texts_by_app(const MirrorSpec *spec, Repo *repo, const GPtrArray *entries,
				GError **error)
{
	g_autoptr(GHashTable) apps = group_by_app(entries, error);
	if (!apps)
		return NULL;
	drop_old_of_all(apps, util_clock_now_utc(spec->clock));
	if (!mirror_judge_orders(spec, repo, entries, apps, error))
		return NULL;
	GHashTable *texts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	g_autoptr(GHashTable) stops = ledger_stops(entries);
	GHashTableIter iter;
	gpointer app = NULL, orders = NULL;
	g_hash_table_iter_init(&iter, apps);
	while (g_hash_table_iter_next(&iter, &app, &orders)) {
		const LedgerStop *stopped = ledger_stop_of(stops, app);
		AcceptedStop stop = {stopped ? stopped->seq : 0, stopped ? stopped->reason : NULL};
		g_ptr_array_sort(orders, accepted_compare_seq);
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
	return util_fs_file_says(spec->root_dirfd, path, text);
}

/* What is to be accepted, and from where. */
typedef struct {
	char accepted[REPO_OID]; /* "" for none */
	char head[REPO_OID];
	gboolean moves;
	TrustKeys *keys; /* as of head */
} Move;

static void move_clear(Move *move)
{
	g_clear_pointer(&move->keys, trust_keys_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Move, move_clear)

/* The keys first: a head that they would not vouch for any more is never the accepted one. */
static gboolean set_accepted(const MirrorSpec *spec, Repo *repo, const Move *move, GError **error)
{
	return !move->moves ||
	       (mirror_keys_keep(spec, move->keys, error) &&
		repo_ref_set(repo, LEDGER_ACCEPTED, move->head,
			     move->accepted[0] ? move->accepted : REPO_ZERO, error));
}

/* Under the app's lock: another program that has gone on meanwhile writes what is newer. */
static gboolean is_still_accepted(Repo *repo, const Move *move, GError **error)
{
	char now[REPO_OID] = "";
	if (!mirror_ref(repo, LEDGER_ACCEPTED, now, error))
		return FALSE;
	return strcmp(now, move->moves ? move->head : move->accepted) == 0 ||
	       util_error_set(error, TS_ERROR_AGAIN, LEDGER_ACCEPTED " moved meanwhile");
}

/* *ret_written FALSE: its lock was held all the while. */
static gboolean write_app(const MirrorSpec *spec, Repo *repo, const Move *move, const char *app,
			  const char *text, int wait_ms, gboolean *ret_written, GError **error)
{
	g_autoptr(GError) busy = NULL;
	g_autofree char *path = file_of(app);
	g_autofree char *lock_path = g_strconcat("lock/", app, NULL);
	util_autofd int lock = util_fs_lock(spec->root_dirfd, lock_path, wait_ms, &busy);
	*ret_written = lock >= 0;
	if (g_error_matches(busy, TS_ERROR, TS_ERROR_AGAIN))
		return TRUE;
	if (busy) {
		g_propagate_error(error, g_steal_pointer(&busy));
		return FALSE;
	}
	return is_still_accepted(repo, move, error) &&
	       util_fs_write_file(spec->root_dirfd, path, text, strlen(text), 0644, error);
}

/* Leaves in `texts` those that are busy. */
static gboolean write_files(const MirrorSpec *spec, Repo *repo, const Move *move, GHashTable *texts,
			    gint64 until_us, GError **error)
{
	g_autoptr(GList) apps = g_list_sort(g_hash_table_get_keys(texts), (GCompareFunc)strcmp);
	for (GList *at = apps; at; at = at->next) {
		gboolean written = FALSE;
		gint64 left_ms = (until_us - g_get_monotonic_time()) / 1000;
		if (!write_app(spec, repo, move, at->data, g_hash_table_lookup(texts, at->data),
			       (int)MAX(left_ms, 0), &written, error))
			return FALSE;
		if (written)
			(void)g_hash_table_remove(texts, at->data);
	}
	return TRUE;
}

/* Who is free does not wait for who is not. */
static gboolean write_all(const MirrorSpec *spec, Repo *repo, const Move *move, GHashTable *texts,
			  GError **error)
{
	int wait_ms = spec->lock_wait_ms > 0 ? spec->lock_wait_ms : LOCK_WAIT_MS;
	gint64 now_us = g_get_monotonic_time();
	return write_files(spec, repo, move, texts, now_us, error) &&
	       write_files(spec, repo, move, texts, now_us + (gint64)wait_ms * 1000, error);
}

static char *names_of(GHashTable *texts)
{
	g_autoptr(GList) apps = g_list_sort(g_hash_table_get_keys(texts), (GCompareFunc)strcmp);
	g_autoptr(GString) names = g_string_new(NULL);
	for (GList *at = apps; at; at = at->next)
		g_string_append_printf(names, "%s%s", names->len ? ", " : "", (char *)at->data);
	return names->len ? g_string_free(g_steal_pointer(&names), FALSE) : NULL;
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
	for (guint i = 0; i < entries->len; i++)
		ret->written_utc = MAX(
		    ret->written_utc, ((const LedgerEntry *)entries->pdata[i])->order->written_utc);
	g_autoptr(GHashTable) texts = texts_by_app(spec, repo, entries, error);
	if (!texts || !set_accepted(spec, repo, move, error))
		return FALSE;
	ret->moved = move->moves;
	ret->answer =
	    move->moves && last &&
	    (last->order->kind == ORDER_KIND_STOP || last->order->kind == ORDER_KIND_RESUME);
	/* the spec is only read there */
	(void)g_hash_table_foreach_remove(texts, is_written, (gpointer)(gsize)spec);
	guint changed = g_hash_table_size(texts);
	if (!write_all(spec, repo, move, texts, error))
		return FALSE;
	ret->wrote = changed > g_hash_table_size(texts);
	g_free(ret->busy);
	ret->busy = names_of(texts);
	return TRUE;
}

void mirror_accepted_clear(MirrorAccepted *accepted)
{
	g_clear_pointer(&accepted->busy, g_free);
}

gboolean mirror_busy_error(const MirrorAccepted *accepted, GError **error)
{
	return !accepted->busy ||
	       util_error_set(error, TS_ERROR_AGAIN,
			      "%s is busy; what is new for it is taken in at the next pull, or if "
			      "this is done again",
			      accepted->busy);
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
	move->keys = mirror_keys(spec, error);
	return move->keys &&
	       ledger_verify(repo, head, move->accepted, spec->conf->name, &move->keys, error);
}

gboolean mirror_verify(const MirrorSpec *spec, GError **error)
{
	char accepted[REPO_OID] = "";
	g_autofree char *path = g_build_filename(spec->root_path, "mirror.git", NULL);
	g_autoptr(Repo) repo = repo_open(path, error); /* one that is gone is not made again */
	if (!repo || !mirror_ref(repo, LEDGER_ACCEPTED, accepted, error))
		return FALSE;
	g_autoptr(GPtrArray) apps = util_fs_list(spec->root_dirfd, "accepted", NULL);
	if (!accepted[0] && apps && apps->len > 0)
		return util_error_set(error, TS_ERROR_CORRUPT,
				      "mirror.git has lost what was accepted, and so what keeps "
				      "older orders from coming again");
	if (!accepted[0])
		return TRUE;
	g_autoptr(TrustKeys) keys = mirror_keys(spec, error);
	return keys && ledger_verify(repo, accepted, "", spec->conf->name, &keys, error);
}

gboolean mirror_accept_head(const MirrorSpec *spec, Repo *repo, const char *head,
			    MirrorAccepted *ret, GError **error)
{
	g_auto(Move) move = {.accepted = ""};
	return judge_head(spec, repo, head, &move, &ret->behind, error) &&
	       accept_orders(spec, repo, &move, ret, error);
}

gboolean mirror_accept(const MirrorSpec *spec, gboolean *ret_moved, GError **error)
{
	char seen[REPO_OID] = "";
	g_auto(MirrorAccepted) accepted = {0};
	g_autoptr(Repo) repo = mirror_repo(spec, error);
	gboolean ok = repo && util_fs_mkdir(spec->root_dirfd, "accepted", 0755, error) &&
		      util_fs_mkdir(spec->root_dirfd, "lock", 0755, error) &&
		      mirror_ref(repo, LEDGER_SEEN, seen, error) &&
		      mirror_accept_head(spec, repo, seen, &accepted, error);
	*ret_moved = accepted.moved;
	return ok && mirror_busy_error(&accepted, error);
}
