/* SPDX-License-Identifier: ISC */
/*
 * Who is believed: the signers of release plans, and what a signed tag object gives an order.
 * Nothing is written; signatures are checked by ssh-keygen (5 to 10 ms each).
 *
 *   g_autoptr(TrustSigners) signers = trust_signers_parse(text, len, "STATE/signers", &error);
 *   g_autofree char *signer = trust_tag_signer(signers, &asked, &error);    NULL: refused
 *
 * The signers file has the syntax of OpenSSH's allowed signers (ssh-keygen(1)), a line each:
 *
 *   PRINCIPALS [OPTIONS] KEYTYPE BASE64 [COMMENT]
 *
 * with the options namespaces, valid-after and valid-before as there, and two of our own:
 * apps="shop,blog" and bases="haikou,@asia" name what this signer may release, and where; without
 * them all apps, all bases. Certificate authorities are not taken. What cannot be read is USAGE
 * with FILE:LINE, never skipped.
 */
#pragma once

#include "order/order.h"

#define TRUST_SIGNERS_MAX (256 * 1024)

typedef struct TrustSigners TrustSigners;

/* name: of the file, for errors. */
TrustSigners *trust_signers_parse(const char *text, gsize len, const char *name, GError **error);
/* The file at `path`, relative to dirfd; NOT_FOUND if it is not there. */
TrustSigners *trust_signers_load(int dirfd, const char *path, GError **error);
void trust_signers_free(TrustSigners *signers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TrustSigners, trust_signers_free)
guint trust_signers_count(const TrustSigners *signers);
/* SHA-256 of the file's text: another one is another decision of the admin. */
const char *trust_signers_sha256(const TrustSigners *signers);

/* One base as far as rights go. */
typedef struct {
	const char *name;
	const char *const *groups; /* NULL-terminated; NULL: in none */
} TrustBase;

/* A tag object, and what it is to release. */
typedef struct {
	const PlanTag *tag;
	const char *raw; /* the whole object, that `tag` was parsed from */
	gsize len;
	const char *app;
	const TrustBase *bases; /* NULL: it releases nothing, only makes a version */
	guint n_bases;
	gint64 at_utc; /* the signer's key must be valid then */
} TrustAsked;

/* "PRINCIPALS SHA256:…" of who signed exactly the bytes before the signature, and may release this
 * app at all these bases. REFUSED: not signed, by no key of the file, or without the right to;
 * NOT_AUTHENTIC: the signature is wrong. The text says what to do. Caller frees. */
char *trust_tag_signer(const TrustSigners *signers, const TrustAsked *asked, GError **error);

/* "SHA256:…" of whatever key signed it: who it says it is, not whom we trust. NULL: it is not
 * signed; a text that says so where there is a signature and it is wrong or none of ssh's. */
char *trust_tag_claims(const PlanTag *tag, const char *raw, gsize len);

/* ---- at a base that keeps a signers file of its own ---- */

typedef struct {
	const TrustSigners *signers;
	const char *name; /* of the base */
	const char *zone;
	const char *const *groups;
	const char *zone_dir; /* NULL: the system's */
	guint apps;           /* how many it runs */
} TrustSelf;

/* Does this tag object (NULL: the order came without one, or with one of central's making) give
 * this order? It must be the release's own, signed by one who may, not under another name, and say
 * the same app, version, commit, root, time, wave, gate and policy for this base as the order does;
 * where the order is stricter, that is central's to say. A `now` is refused 24 h after it was
 * tagged. seen_utc: when the order came, by the base's clock. REFUSED or NOT_AUTHENTIC with what is
 * wrong. */
gboolean trust_order_check(const TrustSelf *self, const Order *order, const char *raw, gsize len,
			   gint64 seen_utc, char **ret_signer, GError **error);
