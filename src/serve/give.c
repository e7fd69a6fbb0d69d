/* SPDX-License-Identifier: ISC */
/*
 * The verb "give": central was restored from a backup or moved, and the base returns the part of
 * its ledger that central lost. Our own signature on the head proves all of it. What central
 * appended meanwhile, and this base never accepted, is dropped from the ledger and fanned out again
 * by the worker from the release records.
 */
#include "serve/serve-private.h"

/* Signed by us; and with the key that we sign with now, or one before it: what we append on top of
 * it must count at the base. */
static gboolean verify_own(const ServeSpec *spec, Repo *ledger, const char *head, GError **error)
{
	g_autoptr(TrustKeys) keys = trust_keys_copy(spec->own_keys);
	if (!ledger_verify(ledger, head, "", spec->base, &keys, error))
		return FALSE;
	return g_strv_contains(trust_keys_list(keys), spec->own_key) ||
	       util_error_set(error, TS_ERROR_REFUSED,
			      "central was restored from before its signing key was changed: put "
			      "the private half of \"%s\" back into keys/central (and its history "
			      "beside it), or name a new key with \"tagship key revoke\"",
			      trust_keys_list(keys)[0]);
}

gboolean serve_adopt(Serve *serve, Repo *ledger, const char *head, GError **error)
{
	char before[REPO_OID] = REPO_ZERO;
	gboolean contained = FALSE;
	g_autoptr(GError) missing = NULL;
	if (!verify_own(serve->spec, ledger, head, error))
		return FALSE;
	if (!repo_ref_get(ledger, LEDGER_ORDERS, before, &missing))
		g_strlcpy(before, REPO_ZERO, sizeof before);
	else if (!repo_is_ancestor(ledger, head, before, &contained, error))
		return FALSE;
	if (!contained && !repo_ref_set(ledger, LEDGER_ORDERS, head, before, error))
		return FALSE;
	g_autoptr(UtilTrailers) hint = util_trailers_new();
	util_trailers_add(hint, "Base", serve->spec->base);
	return serve_hint(serve, "given", hint, error);
}

gboolean serve_give(Serve *serve, const WireRequest *request, GError **error)
{
	(void)request; /* has no arguments */
	if (serve->spec->node)
		return util_error_set(error, TS_ERROR_AGAIN,
				      "this base knows less than its node; it has to pull first");
	if (!serve->spec->own_keys)
		return util_error_set(error, TS_ERROR_UNSUPPORTED,
				      "central's own key is not known here");
	char head[REPO_OID];
	g_autoptr(Repo) ledger = ledger_create(serve->spec->state_path, serve->spec->base, error);
	if (!ledger || !ledger_take(ledger, serve->stream, head, error)) {
		g_prefix_error(error, "give: ");
		return FALSE;
	}
	return serve_adopt(serve, ledger, head, error) && serve_ok(serve, -1, error);
}
