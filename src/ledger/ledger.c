/* SPDX-License-Identifier: ISC */
/* Orders: append and read. */
#include <string.h>

#include "ledger/ledger-private.h"

#define AUTHOR "tagship"

static char *ledger_path(const char *state_path, const char *base)
{
	g_autofree char *file = g_strconcat(base, ".git", NULL);

	return g_build_filename(state_path, "ledger", file, NULL);
}

Repo *ledger_create(const char *state_path, const char *base, GError **error)
{
	g_autofree char *folder = g_build_filename(state_path, "ledger", NULL);
	g_autofree char *path = NULL;
	g_autoptr(Repo) ledger = NULL;

	if (!util_name_check("base", base, error) || !util_fs_mkdir(AT_FDCWD, folder, 0755, error))
		return NULL;
	path = ledger_path(state_path, base);
	ledger = repo_create(path, error);
	/* so that a plain `git log` there shows the orders */
	if (!ledger || !repo_head_set(ledger, LEDGER_ORDERS, error))
		return NULL;
	return g_steal_pointer(&ledger);
}

Repo *ledger_open(const char *state_path, const char *base, GError **error)
{
	g_autofree char *path = NULL;
	Repo *ledger;

	if (!util_name_check("base", base, error))
		return NULL;
	path = ledger_path(state_path, base);
	ledger = repo_open(path, error);
	if (!ledger)
		g_prefix_error(error, "the ledger of %s: ", base);
	return ledger;
}

gboolean ledger_ref(Repo *ledger, const char *ref, char ret_oid[REPO_OID], GError **error)
{
	g_autoptr(GError) local = NULL;

	if (repo_ref_get(ledger, ref, ret_oid, &local))
		return TRUE;
	*ret_oid = '\0';
	if (g_error_matches(local, TS_ERROR, TS_ERROR_NOT_FOUND))
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&local));
	return FALSE;
}

gboolean ledger_oid_is_none(const char *oid)
{
	return !oid || !*oid || g_str_equal(oid, REPO_ZERO);
}

const char *ledger_text(const RepoCommit *commit, GError **error)
{
	const char *end = strchr(commit->message, '\n');

	if (!end || end == commit->message || end[1] != '\n') {
		(void)util_error_set(error, TS_ERROR_CORRUPT,
				     "commit %s is no ledger entry: no summary, or no empty line "
				     "behind it",
				     commit->oid);
		return NULL;
	}
	return end + 2;
}

Order *ledger_order_parse(const RepoCommit *commit, GError **error)
{
	const char *text = ledger_text(commit, error);
	Order *order;

	if (!text)
		return NULL;
	order = order_parse(text, strlen(text), error);
	if (!order)
		g_prefix_error(error, "ledger commit %s: ", commit->oid);
	return order;
}

static char *sign_commit(const char *payload, gsize len, gpointer user_data, GError **error)
{
	const char *key_file = user_data;

	return util_sshsig_sign(key_file, UTIL_SSHSIG_NS_GIT, payload, len, error);
}

/* Numbers the order after the newest one, which must be of the same base. */
static gboolean order_number(Repo *ledger, const char *head, Order *order, GError **error)
{
	g_autoptr(RepoCommit) commit = NULL;
	g_autoptr(Order) last = NULL;

	order->seq = 1;
	if (!*head)
		return TRUE;
	commit = repo_commit_read(ledger, head, error);
	last = commit ? ledger_order_parse(commit, error) : NULL;
	if (!last)
		return FALSE;
	if (g_strcmp0(last->base, order->base) != 0)
		return util_error_set(error, TS_ERROR_USAGE,
				      "%s is the ledger of base %s, the order is for %s",
				      repo_path(ledger), last->base, order->base);
	order->seq = last->seq + 1;
	return TRUE;
}

/* Message of the entry; an order that could not be read back is not written. */
static char *order_message(const Order *order, GError **error)
{
	g_autofree char *text = order_format(order);
	g_autofree char *summary = order_summary(order);
	g_autoptr(Order) again = order_parse(text, strlen(text), error);

	if (!again) {
		g_prefix_error(error, "the order is not written, it could not be read back: ");
		return NULL;
	}
	return g_strconcat(summary, "\n\n", text, NULL);
}

static gboolean tag_tree(Repo *ledger, GBytes *tag_object, char ret_tree[REPO_OID], GError **error)
{
	RepoTreeEntry entry = {.name = LEDGER_TAG, .mode = 0100644};
	gsize len = 0;
	const void *data;

	if (!tag_object)
		return repo_tree_write(ledger, NULL, 0, ret_tree, error);
	data = g_bytes_get_data(tag_object, &len);
	if (len > LEDGER_TAG_MAX)
		return util_error_set(error, TS_ERROR_REFUSED,
				      "the tag object is larger than %" G_GSIZE_FORMAT " bytes",
				      LEDGER_TAG_MAX);
	return repo_blob_write(ledger, data, len, entry.oid, error) &&
	       repo_tree_write(ledger, &entry, 1, ret_tree, error);
}

gboolean ledger_append(Repo *ledger, Order *order, GBytes *tag_object, const char *key_file,
		       char ret_oid[REPO_OID], GError **error)
{
	g_autofree char *message = NULL;
	g_autofree char *key = g_strdup(key_file);
	char head[REPO_OID], tree[REPO_OID];
	RepoCommitSpec spec = {.tree = tree,
			       .author = AUTHOR,
			       .time_utc = order->written_utc,
			       .sign = sign_commit,
			       .sign_data = key};

	if (!ledger_ref(ledger, LEDGER_ORDERS, head, error) ||
	    !order_number(ledger, head, order, error))
		return FALSE;
	message = order_message(order, error);
	if (!message || !tag_tree(ledger, tag_object, tree, error))
		return FALSE;
	spec.message = message;
	spec.parent = *head ? head : NULL;
	return repo_commit_write(ledger, &spec, ret_oid, error) &&
	       repo_ref_set(ledger, LEDGER_ORDERS, ret_oid, *head ? head : REPO_ZERO, error);
}

static void entry_free(gpointer data)
{
	LedgerEntry *entry = data;

	if (!entry)
		return;
	order_free(entry->order);
	g_free(entry->tag_oid_blob);
	g_free(entry);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LedgerEntry, entry_free)

static LedgerEntry *entry_read(Repo *ledger, const RepoCommit *commit, GError **error)
{
	g_autoptr(LedgerEntry) entry = g_new0(LedgerEntry, 1);
	g_autoptr(GError) local = NULL;
	char blob[REPO_OID];

	(void)g_strlcpy(entry->oid, commit->oid, sizeof entry->oid); /* the same size */
	entry->order = ledger_order_parse(commit, error);
	if (!entry->order)
		return NULL;
	if (repo_tree_lookup(ledger, commit->oid, LEDGER_TAG, blob, &local)) {
		entry->tag_oid_blob = g_strdup(blob);
	} else if (!g_error_matches(local, TS_ERROR, TS_ERROR_NOT_FOUND)) {
		g_propagate_error(error, g_steal_pointer(&local));
		return NULL;
	}
	return g_steal_pointer(&entry);
}

static void reverse(GPtrArray *array)
{
	for (guint i = 0; i < array->len / 2; i++) {
		gpointer other = array->pdata[i];

		array->pdata[i] = array->pdata[array->len - 1 - i];
		array->pdata[array->len - 1 - i] = other;
	}
}

GPtrArray *ledger_entries(Repo *ledger, const char *ref, const char *until, GError **error)
{
	g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func(entry_free);
	gboolean has_end = !ledger_oid_is_none(until);
	char oid[REPO_OID];

	if (!ledger_ref(ledger, ref, oid, error))
		return NULL;
	while (*oid && !(has_end && g_str_equal(oid, until))) {
		g_autoptr(RepoCommit) commit = repo_commit_read(ledger, oid, error);
		LedgerEntry *entry = commit ? entry_read(ledger, commit, error) : NULL;

		if (!entry)
			return NULL;
		g_ptr_array_add(entries, entry);
		(void)g_strlcpy(oid, commit->parent, sizeof oid); /* the same size */
	}
	if (has_end && !*oid && entries->len > 0) {
		(void)util_error_set(error, TS_ERROR_CORRUPT, "%s in %s does not descend from %s",
				     ref, repo_path(ledger), until);
		return NULL;
	}
	reverse(entries);
	return g_steal_pointer(&entries);
}

GBytes *ledger_entry_tag(Repo *ledger, const LedgerEntry *entry, GError **error)
{
	if (!entry->tag_oid_blob)
		return NULL;
	return repo_object_read(ledger, entry->tag_oid_blob, LEDGER_TAG_MAX, NULL, error);
}

static void order_state_free(gpointer data)
{
	LedgerOrder *state = data;

	order_free(state->order);
	g_free(state->cancel_reason);
	g_free(state->gate_reason);
	g_free(state);
}

static void fold_order(GHashTable *orders, const Order *order)
{
	LedgerOrder *state = g_hash_table_lookup(orders, order->release);

	if (state && state->order->seq > order->seq)
		return;
	if (!state) {
		state = g_new0(LedgerOrder, 1);
		(void)g_hash_table_insert(orders, g_strdup(order->release), state);
	}
	order_free(state->order);
	state->order = order_copy(order);
}

static void fold_cancel(GHashTable *orders, const Order *cancel)
{
	LedgerOrder *state = g_hash_table_lookup(orders, cancel->release);

	if (!state || cancel->seq < state->order->seq || cancel->seq < state->cancel_seq)
		return;
	state->cancelled = TRUE;
	state->cancel_seq = cancel->seq;
	g_free(state->cancel_reason);
	state->cancel_reason = g_strdup(cancel->reason ? cancel->reason : "");
}

static void fold_gate(GHashTable *orders, const Order *gate)
{
	LedgerOrder *state = g_hash_table_lookup(orders, gate->release);

	if (!state || state->gate_seq > 0)
		return;
	state->gate_seq = gate->seq;
	state->gate_open = gate->gate_open;
	state->gate_reason = g_strdup(gate->reason ? gate->reason : "");
}

static void stop_free(gpointer data)
{
	LedgerStop *stop = data;

	g_free(stop->reason);
	g_free(stop);
}

GHashTable *ledger_stops(const GPtrArray *entries)
{
	GHashTable *stops = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, stop_free);

	for (guint i = 0; i < entries->len; i++) {
		const Order *order = ((const LedgerEntry *)entries->pdata[i])->order;
		const char *app = order->app ? order->app : "-";

		if (order->kind == ORDER_KIND_RESUME)
			(void)g_hash_table_remove(stops, app);
		if (order->kind != ORDER_KIND_STOP)
			continue;
		LedgerStop *stop = g_new0(LedgerStop, 1);
		stop->seq = order->seq;
		stop->since_utc = order->written_utc;
		stop->reason = g_strdup(order->reason ? order->reason : "");
		(void)g_hash_table_replace(stops, g_strdup(app), stop);
	}
	return stops;
}

const LedgerStop *ledger_stop_of(GHashTable *stops, const char *app)
{
	const LedgerStop *own = g_hash_table_lookup(stops, app);

	return own ? own : g_hash_table_lookup(stops, "-");
}

GHashTable *ledger_fold(const GPtrArray *entries)
{
	GHashTable *orders =
	    g_hash_table_new_full(g_str_hash, g_str_equal, g_free, order_state_free);

	for (guint i = 0; i < entries->len; i++) {
		const LedgerEntry *entry = entries->pdata[i];

		if (entry->order->kind == ORDER_KIND_ORDER)
			fold_order(orders, entry->order);
	}
	for (guint i = 0; i < entries->len; i++) {
		const LedgerEntry *entry = entries->pdata[i];

		if (entry->order->kind == ORDER_KIND_CANCEL)
			fold_cancel(orders, entry->order);
		if (entry->order->kind == ORDER_KIND_GATE)
			fold_gate(orders, entry->order);
	}
	return orders;
}

AcceptedOrder *ledger_order_accepted(const LedgerOrder *from)
{
	AcceptedOrder *accepted = g_new0(AcceptedOrder, 1);

	accepted->order = order_copy(from->order);
	accepted->cancelled = from->cancelled;
	accepted->cancel_seq = from->cancelled ? from->cancel_seq : 0;
	accepted->cancel_reason = from->cancelled ? g_strdup(from->cancel_reason) : NULL;
	accepted->gate_decided = from->gate_seq > 0;
	accepted->gate_open = from->gate_open;
	accepted->gate_reason = g_strdup(from->gate_reason);
	return accepted;
}
