/* SPDX-License-Identifier: ISC */
/* A piece of a ledger as a stream: what "give" says on the line, and what export files carry. */
#include <string.h>

#include "ledger/ledger-private.h"

#define OBJECT_BYTES_MAX ((gsize)1024 * 1024)
#define WORD_MAX 16

static const struct {
	const char *word;
	RepoType type;
} types[] = {{"commit", REPO_COMMIT}, {"tree", REPO_TREE}, {"blob", REPO_BLOB}};

static gboolean send_text(UtilStream *stream, const char *text, GError **error)
{
	return util_stream_write_part(stream, text, strlen(text), error);
}

static gboolean send_object(Repo *ledger, const char *oid, const char *word, UtilStream *stream,
			    GError **error)
{
	gsize len = 0;
	g_autoptr(GBytes) raw = repo_object_read(ledger, oid, OBJECT_BYTES_MAX, NULL, error);
	const void *data = raw ? g_bytes_get_data(raw, &len) : NULL;

	return raw && send_text(stream, word, error) &&
	       util_stream_write_part(stream, data ? data : "", len, error);
}

static gboolean send_commit(Repo *ledger, const RepoCommit *commit, UtilStream *stream,
			    GError **error)
{
	char blob[REPO_OID];

	if (!send_object(ledger, commit->oid, "commit", stream, error) ||
	    !send_object(ledger, commit->tree, "tree", stream, error))
		return FALSE;
	return !repo_tree_lookup(ledger, commit->oid, LEDGER_TAG, blob, NULL) ||
	       send_object(ledger, blob, "blob", stream, error);
}

gboolean ledger_send(Repo *ledger, const char *head, const char *have, UtilStream *stream,
		     GError **error)
{
	g_autofree char *at = g_strdup(head);

	if (!send_text(stream, head, error))
		return FALSE;
	while (*at && strcmp(at, have) != 0) {
		g_autoptr(RepoCommit) commit = repo_commit_read(ledger, at, error);

		if (!commit || !send_commit(ledger, commit, stream, error))
			return FALSE;
		g_free(at);
		at = g_strdup(commit->parent);
	}
	return send_text(stream, "end", error);
}

static gboolean take_head(UtilStream *stream, char ret_head[REPO_OID], GError **error)
{
	gsize len = 0;
	g_autofree char *head = util_stream_read_part(stream, REPO_OID - 1, &len, error);

	if (!head)
		return FALSE;
	if (!util_oid_hex_ok(head))
		return util_error_set(error, TS_ERROR_CORRUPT, "no commit id at the start");
	(void)g_strlcpy(ret_head, head, REPO_OID); /* just fits */
	return TRUE;
}

static gboolean object_type(const char *word, RepoType *ret_type)
{
	for (guint i = 0; i < G_N_ELEMENTS(types); i++) {
		if (strcmp(types[i].word, word) == 0) {
			*ret_type = types[i].type;
			return TRUE;
		}
	}
	return FALSE;
}

/* "TYPE" part, content part; *ret_end at the end of the input. */
static gboolean take_object(UtilStream *stream, RepoPack *pack, guint64 *left, gboolean *ret_end,
			    GError **error)
{
	char oid[REPO_OID];
	gsize len = 0;
	RepoType type = REPO_BLOB;
	g_autofree char *word = util_stream_read_part(stream, WORD_MAX, &len, error);
	g_autofree char *data = NULL;

	if (!word)
		return FALSE;
	*ret_end = strcmp(word, "end") == 0;
	if (*ret_end)
		return TRUE;
	if (!object_type(word, &type))
		return util_error_set(error, TS_ERROR_CORRUPT, "an object of no known type");
	data = util_stream_read_part(stream, OBJECT_BYTES_MAX, &len, error);
	if (!data)
		return FALSE;
	if (len > *left)
		return util_error_set(error, TS_ERROR_REFUSED, "more than %d bytes at once",
				      LEDGER_PIECE_MAX);
	*left -= len;
	return repo_pack_add(pack, type, data, len, oid, error);
}

gboolean ledger_take(Repo *ledger, UtilStream *stream, char ret_head[REPO_OID], GError **error)
{
	g_autoptr(RepoPack) pack = NULL;
	guint64 left = LEDGER_PIECE_MAX;
	gboolean end = FALSE;

	if (!take_head(stream, ret_head, error))
		return FALSE;
	pack = repo_pack_begin(ledger, error);
	while (pack && !end) {
		if (!take_object(stream, pack, &left, &end, error))
			return FALSE;
	}
	return pack && repo_pack_finish(pack, error);
}
