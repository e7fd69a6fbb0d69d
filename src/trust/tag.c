/* SPDX-License-Identifier: ISC */
#include "trust/trust-private.h"

#define BASES_SHOWN 5
#define SIGNER "signer-"

/* Where the signature begins: it is the last thing in the object (plan_tag_parse). */
static gsize signed_length(const PlanTag *tag, const char *raw, gsize len)
{
	const char *signature = g_strstr_len(raw, (gssize)len, tag->signature);
	g_assert(signature != NULL); /* it was cut out of there */
	return (gsize)(signature - raw);
}

static gboolean is_ssh(const PlanTag *tag)
{
	return g_str_has_prefix(tag->signature, "-----BEGIN SSH SIGNATURE-----");
}

char *trust_tag_claims(const PlanTag *tag, const char *raw, gsize len)
{
	if (!tag->signature)
		return NULL;
	char *claims = util_sshsig_signer(UTIL_SSHSIG_NS_GIT, raw, signed_length(tag, raw, len),
					  tag->signature, NULL);
	return claims ? claims
		      : g_strdup("a key that is not known (no SSH signature, or a wrong one)");
}

/* For ssh-keygen: each line under a principal of its own, "signer-7", so that its answer says which
 * one it was; but for those that were tried (NULL: all, and valid at any time). */
static char *keygen_text(const TrustSigners *signers, const guint8 *tried)
{
	GString *text = g_string_new(NULL);
	for (guint i = 0; i < signers->list->len; i++) {
		const TrustSigner *signer = signers->list->pdata[i];
		const char *when = tried ? signer->validity : NULL;
		if (tried && tried[i])
			continue;
		g_string_append_printf(text, SIGNER "%u %s%s%s%s%s\n", i,
				       signer->options ? signer->options : "",
				       signer->options && when ? "," : "", when ? when : "",
				       signer->options || when ? " " : "", signer->key);
	}
	return g_string_free(text, FALSE);
}

/* The index of the one that ssh-keygen names, or -1. */
static int find_signer(const TrustSigners *signers, const guint8 *tried, const TrustAsked *asked)
{
	g_autofree char *text = keygen_text(signers, tried);
	g_autofree char *principal =
	    util_sshsig_principals(text, asked->tag->signature, asked->at_utc, NULL);
	guint64 i = 0;
	if (!principal || !g_str_has_prefix(principal, SIGNER) ||
	    !g_ascii_string_to_unsigned(principal + strlen(SIGNER), 10, 0, G_MAXINT, &i, NULL) ||
	    i >= signers->list->len)
		return -1;
	return (int)i;
}

static gboolean may_base(const TrustSigner *signer, const TrustBase *base)
{
	for (guint i = 0; signer->bases[i]; i++) {
		const char *name = signer->bases[i];
		if (name[0] == '@' ? base->groups && g_strv_contains(base->groups, name + 1)
				   : strcmp(name, base->name) == 0)
			return TRUE;
	}
	return FALSE;
}

/* May this line's signer release the app at all the bases? */
static gboolean check_rights(const TrustSigners *signers, const TrustSigner *signer,
			     const TrustAsked *asked, GError **error)
{
	guint missing = 0;
	g_autoptr(GString) names = g_string_new(NULL);
	if (signer->apps && !g_strv_contains((const char *const *)signer->apps, asked->app))
		return util_error_set(error, TS_ERROR_REFUSED,
				      "%s may not release app %s (%s:%u, apps); have one sign who "
				      "may, or ask the admin",
				      signer->principals, asked->app, signers->name, signer->line);
	for (guint i = 0; signer->bases && i < asked->n_bases; i++)
		if (!may_base(signer, &asked->bases[i]) && ++missing <= BASES_SHOWN)
			g_string_append_printf(names, "%s%s", missing > 1 ? ", " : "",
					       asked->bases[i].name);
	if (missing == 0)
		return TRUE;
	if (missing > BASES_SHOWN)
		g_string_append_printf(names, " and %u more", missing - BASES_SHOWN);
	return util_error_set(error, TS_ERROR_REFUSED,
			      "%s may not release at %s (%s:%u, bases); leave them out, have one "
			      "sign who may, or ask the admin",
			      signer->principals, names->str, signers->name, signer->line);
}

/* By no line: why, as far as can be told. */
static gboolean refuse_key(const TrustSigners *signers, const TrustAsked *asked, const char *claims,
			   GError **error)
{
	g_autofree char *when = util_time_format_utc(asked->at_utc);
	int i = find_signer(signers, NULL, asked);
	const TrustSigner *signer = i < 0 ? NULL : signers->list->pdata[i];
	if (signer)
		return util_error_set(error, TS_ERROR_REFUSED,
				      "signed with the key of %s (%s:%u), which is not valid at %s "
				      "(%s); sign with the new key",
				      signer->principals, signers->name, signer->line, when,
				      signer->validity);
	return util_error_set(
	    error, TS_ERROR_REFUSED,
	    "signed with the key %s, which no line of %s has; sign with a key that "
	    "is there, or have the admin add it",
	    claims, signers->name);
}

static gboolean check_is_signed(const PlanTag *tag, GError **error)
{
	if (!tag->signature)
		return util_error_set(error, TS_ERROR_REFUSED,
				      "the tag is not signed, and must be; sign it with your SSH "
				      "key: git -c gpg.format=ssh tag -s -f %s",
				      tag->name);
	return is_ssh(tag) ||
	       util_error_set(
		   error, TS_ERROR_REFUSED,
		   "the tag's signature is none of ssh's, and only those are known here; "
		   "sign it with your SSH key: git -c gpg.format=ssh tag -s -f %s",
		   tag->name);
}

char *trust_tag_signer(const TrustSigners *signers, const TrustAsked *asked, GError **error)
{
	const PlanTag *tag = asked->tag;
	g_autofree guint8 *tried = g_new0(guint8, signers->list->len + 1);
	g_autoptr(GError) why = NULL;
	if (!check_is_signed(tag, error))
		return NULL;
	gsize len = signed_length(tag, asked->raw, asked->len);
	g_autofree char *claims =
	    util_sshsig_signer(UTIL_SSHSIG_NS_GIT, asked->raw, len, tag->signature, error);
	if (!claims) {
		g_prefix_error(error, "the tag's signature is wrong; sign the tag anew: ");
		return NULL;
	}
	/* a key may stand in several lines, with other rights or at other times */
	for (;;) {
		int i = find_signer(signers, tried, asked);
		if (i < 0)
			break;
		const TrustSigner *signer = signers->list->pdata[i];
		g_autofree char *text = keygen_text(signers, tried);
		g_autofree char *principal = g_strdup_printf(SIGNER "%d", i);
		tried[i] = TRUE;
		g_clear_error(&why);
		if (util_sshsig_verify_as(text, principal, UTIL_SSHSIG_NS_GIT, asked->at_utc,
					  asked->raw, len, tag->signature, &why) &&
		    check_rights(signers, signer, asked, &why))
			return g_strdup_printf("%s %s", signer->principals, claims);
	}
	if (why)
		g_propagate_error(error, g_steal_pointer(&why));
	else
		(void)refuse_key(signers, asked, claims, error); /* it always fails */
	return NULL;
}
