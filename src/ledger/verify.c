/* SPDX-License-Identifier: ISC */
/* May a mirror accept this head? */
#include <string.h>

#include "ledger/ledger-private.h"

/* A tree object with the one entry "tag": mode, name, NUL, 20 bytes of id. */
#define TAG_ENTRY "100644 " LEDGER_TAG
#define TAG_TREE_BYTES (sizeof TAG_ENTRY + 20)

typedef struct {
	Repo *mirror;
	const char *accepted; /* NULL: nothing was accepted so far */
	const char *base;
	const TrustKeys *keys; /* as of accepted */
	GPtrArray *statements; /* Order of kind KEYS among the new entries, newest first */
} Verify;

static gboolean signature_check(const RepoCommit *commit, const TrustKeys *keys, GError **error)
{
	if (!commit->signature)
		return util_error_set(error, TS_ERROR_NOT_AUTHENTIC,
				      "the ledger's head %s is not signed", commit->oid);
	if (!util_sshsig_verify(trust_keys_list(keys), UTIL_SSHSIG_NS_GIT, commit->payload,
				commit->payload_len, commit->signature, error)) {
		g_prefix_error(error, "the ledger's head %s: ", commit->oid);
		return FALSE;
	}
	return TRUE;
}

/* Nothing but the tag object hides in the tree. */
static gboolean tree_check_plain(Repo *mirror, const RepoCommit *commit, GError **error)
{
	g_autoptr(GBytes) raw = NULL;
	g_autoptr(GBytes) tag = NULL;
	RepoType type = REPO_COMMIT;
	char oid[REPO_OID];
	const guint8 *data;
	gsize len = 0;

	raw = repo_object_read(mirror, commit->tree, TAG_TREE_BYTES, &type, NULL);
	data = raw ? g_bytes_get_data(raw, &len) : NULL;
	if (!raw || type != REPO_TREE ||
	    (len != 0 && (len != TAG_TREE_BYTES || memcmp(data, TAG_ENTRY, sizeof TAG_ENTRY) != 0)))
		return util_error_set(error, TS_ERROR_CORRUPT,
				      "ledger commit %s holds something else than a tag object",
				      commit->oid);
	if (len == 0)
		return TRUE;
	util_hex_encode(data + sizeof TAG_ENTRY, 20, oid);
	tag = repo_object_read(mirror, oid, LEDGER_TAG_MAX, &type, error);
	if (!tag) {
		g_prefix_error(error, "the tag object in ledger commit %s: ", commit->oid);
		return FALSE;
	}
	if (type != REPO_BLOB)
		return util_error_set(error, TS_ERROR_CORRUPT,
				      "the tag object in ledger commit %s is no blob", commit->oid);
	return TRUE;
}

/* newer_seq: of the entry after this one, 0 for the head. */
static gboolean entry_check(const Verify *verify, const RepoCommit *commit, guint64 newer_seq,
			    guint64 *ret_seq, GError **error)
{
	g_autoptr(Order) order = ledger_order_parse(commit, error);

	if (!order)
		return FALSE;
	if (g_strcmp0(order->base, verify->base) != 0)
		return util_error_set(error, TS_ERROR_CORRUPT,
				      "ledger commit %s is for base %s, this is %s", commit->oid,
				      order->base, verify->base);
	if (order->seq == 0 || (newer_seq && order->seq != newer_seq - 1))
		return util_error_set(error, TS_ERROR_CORRUPT,
				      "ledger commit %s has sequence number %" G_GUINT64_FORMAT
				      ", the one after it %" G_GUINT64_FORMAT,
				      commit->oid, order->seq, newer_seq);
	*ret_seq = order->seq;
	if (!tree_check_plain(verify->mirror, commit, error))
		return FALSE;
	if (order->kind == ORDER_KIND_KEYS)
		g_ptr_array_add(verify->statements, g_steal_pointer(&order));
	return TRUE;
}

/* ---- keys that change ---- */

/* With the newline that its field in an order leaves out. */
static char *statement_of(const Order *order)
{
	return g_strconcat(order->statement, "\n", NULL);
}

/* Oldest first; *ret_changed: one of them counts. */
static gboolean apply_statements(const Verify *verify, TrustKeys *keys, gboolean *ret_changed,
				 GError **error)
{
	for (guint i = verify->statements->len; i > 0; i--) {
		const Order *order = verify->statements->pdata[i - 1];
		g_autofree char *statement = statement_of(order);
		TrustKeysChange change = TRUST_KEYS_IGNORED;

		if (!trust_keys_apply(keys, statement, order->signature, &change, error)) {
			g_prefix_error(error, "ledger entry %" G_GUINT64_FORMAT ": ", order->seq);
			return FALSE;
		}
		*ret_changed |= change != TRUST_KEYS_IGNORED;
	}
	return TRUE;
}

/* Is there an entry like this one in what was accepted? */
static gboolean accepted_has(const Verify *verify, const Order *wanted, gboolean *ret_has,
			     GError **error)
{
	char oid[REPO_OID];

	*ret_has = FALSE;
	(void)g_strlcpy(oid, verify->accepted, sizeof oid); /* an id */
	while (*oid && !*ret_has) {
		g_autoptr(RepoCommit) commit = repo_commit_read(verify->mirror, oid, error);
		g_autoptr(Order) order = commit ? ledger_order_parse(commit, error) : NULL;

		if (!order)
			return FALSE;
		*ret_has = g_strcmp0(order->statement, wanted->statement) == 0;
		(void)g_strlcpy(oid, commit->parent, sizeof oid); /* the same size */
	}
	return TRUE;
}

/* For a revocation that was not accepted yet: also if a crash came before that, and after its keys
 * were kept. */
static gboolean may_fork(const Verify *verify, gboolean *ret_may, GError **error)
{
	*ret_may = FALSE;
	for (guint i = 0; i < verify->statements->len && !*ret_may; i++) {
		const Order *order = verify->statements->pdata[i];
		g_autofree char *statement = statement_of(order);
		gboolean known = TRUE;

		if (!trust_keys_is_revocation(verify->keys, statement, order->signature))
			continue;
		if (!accepted_has(verify, order, &known, error))
			return FALSE;
		*ret_may = !known;
	}
	return TRUE;
}

/* ---- the history ---- */

/* The newest accepted entry's number; 0 if there is none. */
static gboolean accepted_seq(const Verify *verify, guint64 *ret_seq, GError **error)
{
	g_autoptr(RepoCommit) commit = NULL;
	g_autoptr(Order) order = NULL;

	*ret_seq = 0;
	if (!verify->accepted)
		return TRUE;
	commit = repo_commit_read(verify->mirror, verify->accepted, error);
	order = commit ? ledger_order_parse(commit, error) : NULL;
	if (!order) {
		g_prefix_error(error, "the accepted head: ");
		return FALSE;
	}
	*ret_seq = order->seq;
	return TRUE;
}

static gboolean not_forward(const Verify *verify, const char *head, GError **error)
{
	gboolean is_older = FALSE;

	if (!repo_is_ancestor(verify->mirror, head, verify->accepted, &is_older, error))
		return FALSE;
	if (is_older)
		return util_error_set(
		    error, TS_ERROR_NOT_AUTHENTIC,
		    "the ledger went back: its head %s is older than the accepted "
		    "%s; was central restored from a backup?",
		    head, verify->accepted);
	return util_error_set(error, TS_ERROR_NOT_AUTHENTIC,
			      "the ledger was forked: its head %s does not descend from the "
			      "accepted %s",
			      head, verify->accepted);
}

/* From the head back to what was accepted; *ret_first is the number of the oldest new entry.
 * *ret_forked: it never came there. */
static gboolean history_check(const Verify *verify, const char *head, guint64 *ret_first,
			      gboolean *ret_forked, GError **error)
{
	char oid[REPO_OID];
	guint64 seq = 0;

	(void)g_strlcpy(oid, head, sizeof oid); /* checked to be an id by the first read */
	while (*oid && !(verify->accepted && g_str_equal(oid, verify->accepted))) {
		g_autoptr(RepoCommit) commit = repo_commit_read(verify->mirror, oid, error);

		if (!commit || !entry_check(verify, commit, seq, &seq, error))
			return FALSE;
		(void)g_strlcpy(oid, commit->parent, sizeof oid); /* the same size */
	}
	*ret_first = seq;
	*ret_forked = verify->accepted && !*oid;
	return TRUE;
}

/* Does it continue what was accepted? */
static gboolean place_check(const Verify *verify, const char *head, guint64 first, gboolean forked,
			    GError **error)
{
	guint64 before = 0;
	gboolean may = FALSE;

	if (forked && !may_fork(verify, &may, error))
		return FALSE;
	if (forked && !may)
		return not_forward(verify, head, error);
	if (!forked && !accepted_seq(verify, &before, error))
		return FALSE;
	return first == before + 1 ||
	       util_error_set(error, TS_ERROR_CORRUPT,
			      "the ledger goes on with sequence number %" G_GUINT64_FORMAT
			      " after %" G_GUINT64_FORMAT,
			      first, before);
}

/* Signed by a key that counts as of itself. One that is not, by the keys of before, is looked at
 * for statements alone, which prove themselves: whatever else is wrong with it, it is not
 * authentic. */
static gboolean verify_head(const Verify *verify, const char *head, TrustKeys *keys, GError **error)
{
	g_autoptr(RepoCommit) commit = repo_commit_read(verify->mirror, head, error);
	g_autoptr(GError) not_ours = NULL;
	g_autoptr(GError) wrong = NULL;
	guint64 first = 0;
	gboolean forked = FALSE, changed = FALSE;

	if (!commit)
		return FALSE;
	(void)signature_check(commit, verify->keys, &not_ours); /* in not_ours */
	if (!history_check(verify, head, &first, &forked, &wrong) ||
	    !apply_statements(verify, keys, &changed, &wrong) ||
	    (changed && !signature_check(commit, keys, &wrong))) {
		g_propagate_error(error,
				  not_ours ? g_steal_pointer(&not_ours) : g_steal_pointer(&wrong));
		return FALSE;
	}
	if (not_ours && !changed) {
		g_propagate_error(error, g_steal_pointer(&not_ours));
		return FALSE;
	}
	return place_check(verify, head, first, forked, error);
}

gboolean ledger_verify(Repo *mirror, const char *head, const char *accepted, const char *base,
		       TrustKeys **keys, GError **error)
{
	g_autoptr(GPtrArray) statements =
	    g_ptr_array_new_with_free_func((GDestroyNotify)order_free);
	g_autoptr(TrustKeys) next = trust_keys_copy(*keys);
	const Verify verify = {.mirror = mirror,
			       .accepted = ledger_oid_is_none(accepted) ? NULL : accepted,
			       .base = base,
			       .keys = *keys,
			       .statements = statements};

	if (verify.accepted && g_str_equal(head, verify.accepted))
		return TRUE;
	if (!verify_head(&verify, head, next, error))
		return FALSE;
	trust_keys_free(*keys);
	*keys = g_steal_pointer(&next);
	return TRUE;
}

gboolean ledger_verify_by(Repo *mirror, const char *head, const char *accepted, const char *base,
			  const char *const *keys, GError **error)
{
	g_autoptr(TrustKeys) own = trust_keys_new(keys, NULL);

	return ledger_verify(mirror, head, accepted, base, &own, error);
}
