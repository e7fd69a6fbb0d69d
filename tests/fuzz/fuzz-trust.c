/* SPDX-License-Identifier: ISC */
/*
 * Signers files, statements of keys, their history at central and what a base keeps of it. Input:
 * one byte that chooses, then the text. What is read formats to the same again; refusals say why.
 * Signatures are not made here: a statement without a good one changes nothing.
 */
#include <string.h>

#include "trust/keys.h"
#include "trust/trust.h"

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

static void check_error(gboolean ok, const GError *error)
{
	g_assert(ok == (error == NULL));
	g_assert(ok || (error->domain == TS_ERROR && *error->message));
}

static void signers(const char *text, gsize len)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(TrustSigners) file = trust_signers_parse(text, len, "signers", &error);
	check_error(file != NULL, error);
	g_assert(!file || util_sha256_hex_ok(trust_signers_sha256(file)));
	g_assert(file || g_str_has_prefix(error->message, "signers:"));
}

static void statement(const char *text, gsize len)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(TrustStatement) parsed = trust_statement_parse(text, len, &error);
	check_error(parsed != NULL, error);
	if (!parsed)
		return;
	g_autofree char *again = trust_statement_format(parsed);
	g_assert(strlen(again) == len && memcmp(again, text, len) == 0);
	g_assert((parsed->replaces != NULL) != (parsed->revokes[0] != NULL));
	/* by nobody who counts here: nothing happens, and no signature is looked at */
	g_autoptr(TrustKeys) keys = trust_keys_new(NULL, NULL);
	TrustKeysChange change = TRUST_KEYS_ROTATED;
	g_assert(trust_keys_apply(keys, again, "", &change, NULL));
	g_assert(change == TRUST_KEYS_IGNORED && !trust_keys_list(keys)[0]);
}

static void history(const char *text, gsize len)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) parsed = trust_history_parse(text, len, &error);
	check_error(parsed != NULL, error);
	if (!parsed)
		return;
	g_autofree char *formatted = trust_history_format(parsed);
	g_autoptr(GPtrArray) again = trust_history_parse(formatted, strlen(formatted), NULL);
	g_assert(again && again->len == parsed->len);
	g_autoptr(TrustKeys) own = trust_history_own(parsed, "ssh-ed25519 AAAA", NULL);
	g_assert(trust_keys_list(own)[0]);
}

static void kept(const char *text, gsize len)
{
	static const char *const pinned[] = {"ssh-ed25519 AAAA", NULL};
	g_autoptr(GError) error = NULL;
	g_autoptr(TrustKeys) keys = trust_keys_parse(text, len, pinned, pinned, &error);
	check_error(keys != NULL, error);
	if (!keys)
		return;
	g_autofree char *formatted = trust_keys_format(keys);
	g_autoptr(TrustKeys) again =
	    trust_keys_parse(formatted, strlen(formatted), pinned, pinned, NULL);
	g_autofree char *second = again ? trust_keys_format(again) : NULL;
	g_assert(second && strcmp(formatted, second) == 0);
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
	static void (*const parsers[])(const char *text, gsize len) = {signers, statement, history,
								       kept};
	if (size == 0)
		return 0;
	/* with a byte behind it that is none of it */
	g_autofree char *text = g_malloc(size);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = 'x';
	parsers[data[0] % G_N_ELEMENTS(parsers)](text, size - 1);
	return 0;
}
