/* SPDX-License-Identifier: ISC */
/*
 * SSH signatures by ssh-keygen -Y (PROTOCOL.sshsig): made with an unencrypted ed25519 key file,
 * checked against a list of public keys. About 5 ms a call.
 */
#pragma once

#include <glib.h>

#define UTIL_SSHSIG_NS_GIT "git"               /* ledger commits: `git verify-commit` agrees */
#define UTIL_SSHSIG_NS_REPORT "report@tagship" /* a base's reports */
#define UTIL_SSHSIG_NS_EXPORT "export@tagship" /* the heads of export files, of both sides */

/* Makes an ed25519 key pair at `path` (0600) and `path`.pub with `comment`; EXISTS if there. */
gboolean util_sshsig_keygen(const char *path, const char *comment, GError **error);

/* The public key in `path` as "ssh-ed25519 AAAA…" without its comment. */
char *util_sshsig_public_key(const char *path, GError **error);

/* The key of a .pub file's text, "ssh-ed25519 AAAA…" without its comment; NULL if it is none. */
char *util_sshsig_key_in(const char *text);

/* TRUE for one line "ssh-ed25519 BASE64" whose blob is a well-formed ed25519 key. */
gboolean util_sshsig_key_ok(const char *public_key);

/* The key file must be a regular file, owned by us (or root), no group or other bits. */
gboolean util_sshsig_check_key_file(const char *path, GError **error);

/* Armoured signature over data; caller frees. */
char *util_sshsig_sign(const char *key_path, const char *name_space, const void *data, gsize len,
		       GError **error);

/* "SHA256:…" of whatever key made this signature over exactly these bytes in this namespace: who it
 * says it is, not whom we trust. NOT_AUTHENTIC if it is wrong or none of ssh's. */
char *util_sshsig_signer(const char *name_space, const void *data, gsize len, const char *signature,
			 GError **error);

/* ---- against the text of an allowed-signers file (ssh-keygen(1)), as of a time ---- */

/* The principals of the first line with the key that made this signature, if it is valid at at_utc.
 * NOT_AUTHENTIC if there is none. Neither bytes nor namespace are looked at. */
char *util_sshsig_principals(const char *signers, const char *signature, gint64 at_utc,
			     GError **error);
/* NOT_AUTHENTIC unless a key of this principal, valid at at_utc, made the signature over exactly
 * these bytes in this namespace. */
gboolean util_sshsig_verify_as(const char *signers, const char *principal, const char *name_space,
			       gint64 at_utc, const void *data, gsize len, const char *signature,
			       GError **error);

/* NOT_AUTHENTIC unless one of the keys (NULL-terminated "ssh-ed25519 AAAA…") signed exactly these
 * bytes in this namespace. */
gboolean util_sshsig_verify(const char *const *keys, const char *name_space, const void *data,
			    gsize len, const char *signature, GError **error);
