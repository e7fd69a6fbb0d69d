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
} Verify;

static gboolean signature_check(const RepoCommit *commit, const char *const *keys, GError **error)
{
	if (!commit->signature)
		return util_error_set(error, TS_ERROR_NOT_AUTHENTIC,
				      "the ledger's head %s is not signed", commit->oid);
	if (!util_sshsig_verify(keys, UTIL_SSHSIG_NS_GIT, commit->payload, commit->payload_len,
				commit->signature, error)) {
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
	return tree_check_plain(verify->mirror, commit, error);
}

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

/* From the head back to what was accepted; *ret_first is the number of the oldest new entry. */
static gboolean history_check(const Verify *verify, const char *head, guint64 *ret_first,
			      GError **error)
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
	if (verify->accepted && !*oid)
		return not_forward(verify, head, error);
	*ret_first = seq;
	return TRUE;
}

gboolean ledger_verify(Repo *mirror, const char *head, const char *accepted, const char *base,
		       const char *const *keys, GError **error)
{
	Verify verify = {.mirror = mirror,
			 .accepted = ledger_oid_is_none(accepted) ? NULL : accepted,
			 .base = base};
	g_autoptr(RepoCommit) commit = NULL;
	guint64 first = 0, before = 0;

	if (verify.accepted && g_str_equal(head, verify.accepted))
		return TRUE;
	commit = repo_commit_read(mirror, head, error);
	/* the signature first: nothing that is not signed is looked at any further */
	if (!commit || !signature_check(commit, keys, error) ||
	    !accepted_seq(&verify, &before, error) || !history_check(&verify, head, &first, error))
		return FALSE;
	if (first != before + 1)
		return util_error_set(error, TS_ERROR_CORRUPT,
				      "the ledger goes on with sequence number %" G_GUINT64_FORMAT
				      " after %" G_GUINT64_FORMAT,
				      first, before);
	return TRUE;
}
