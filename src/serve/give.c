/* SPDX-License-Identifier: ISC */
/*
 * The verb "give": central was restored from a backup or moved, and the base returns the part of
 * its ledger that central lost. Our own signature on the head proves all of it. What central
 * appended meanwhile, and this base never accepted, is dropped from the ledger and fanned out again
 * by the worker from the release records.
 */
#include "serve/serve-private.h"

#define GIVEN_BYTES_MAX ((guint64)64 * 1024 * 1024)
#define OBJECT_BYTES_MAX ((gsize)1024 * 1024)

static gboolean object_type(const char *word, RepoType *ret_type)
{
	static const struct {
		const char *word;
		RepoType type;
	} types[] = {{"commit", REPO_COMMIT}, {"tree", REPO_TREE}, {"blob", REPO_BLOB}};
	for (guint i = 0; i < G_N_ELEMENTS(types); i++)
		if (strcmp(types[i].word, word) == 0) {
			*ret_type = types[i].type;
			return TRUE;
		}
	return FALSE;
}

/* "TYPE" part, content part; *ret_end at the end of the input. */
static gboolean take_object(Serve *serve, RepoPack *pack, guint64 *left, gboolean *ret_end,
			    GError **error)
{
	char oid[REPO_OID];
	gsize len = 0;
	RepoType type = REPO_BLOB;
	g_autofree char *word = wire_part_read(serve->stream, 16, &len, error);
	if (!word)
		return FALSE;
	*ret_end = strcmp(word, "end") == 0;
	if (*ret_end)
		return TRUE;
	if (!object_type(word, &type))
		return util_error_set(error, TS_ERROR_CORRUPT, "give: an object of no known type");
	g_autofree char *data = wire_part_read(serve->stream, OBJECT_BYTES_MAX, &len, error);
	if (!data)
		return FALSE;
	if (len > *left)
		return util_error_set(error, TS_ERROR_REFUSED,
				      "give: more than %" G_GUINT64_FORMAT " bytes at once",
				      GIVEN_BYTES_MAX);
	*left -= len;
	return repo_pack_add(pack, type, data, len, oid, error);
}

static gboolean take_objects(Serve *serve, Repo *ledger, GError **error)
{
	g_autoptr(RepoPack) pack = repo_pack_begin(ledger, error);
	guint64 left = GIVEN_BYTES_MAX;
	gboolean end = FALSE;
	while (pack && !end)
		if (!take_object(serve, pack, &left, &end, error))
			return FALSE;
	return pack && repo_pack_finish(pack, error);
}

static char *read_head(Serve *serve, GError **error)
{
	gsize len = 0;
	g_autofree char *head = wire_part_read(serve->stream, 40, &len, error);
	if (head && util_oid_hex_ok(head))
		return g_steal_pointer(&head);
	if (head)
		util_error_set(error, TS_ERROR_CORRUPT, "give: no commit id at the start");
	return NULL;
}

/* Whole and signed by us; only then the ref moves, from what it was. */
static gboolean adopt(Serve *serve, Repo *ledger, const char *head, GError **error)
{
	const char *const keys[] = {serve->spec->central_key, NULL};
	char before[REPO_OID] = REPO_ZERO;
	gboolean contained = FALSE;
	g_autoptr(GError) missing = NULL;
	if (!ledger_verify(ledger, head, "", serve->spec->base, keys, error))
		return FALSE;
	if (!repo_ref_get(ledger, LEDGER_ORDERS, before, &missing))
		g_strlcpy(before, REPO_ZERO, sizeof before);
	else if (!repo_is_ancestor(ledger, head, before, &contained, error))
		return FALSE;
	return contained || repo_ref_set(ledger, LEDGER_ORDERS, head, before, error);
}

gboolean serve_give(Serve *serve, const WireRequest *request, GError **error)
{
	(void)request; /* has no arguments */
	if (!serve->spec->central_key)
		return util_error_set(error, TS_ERROR_UNSUPPORTED,
				      "central's own key is not known here");
	g_autofree char *head = read_head(serve, error);
	g_autoptr(Repo) ledger =
	    head ? ledger_create(serve->spec->state_path, serve->spec->base, error) : NULL;
	if (!ledger || !take_objects(serve, ledger, error) || !adopt(serve, ledger, head, error))
		return FALSE;
	g_autoptr(UtilTrailers) hint = util_trailers_new();
	util_trailers_add(hint, "Base", serve->spec->base);
	return serve_hint(serve, "given", hint, error) && serve_ok(serve, -1, error);
}
