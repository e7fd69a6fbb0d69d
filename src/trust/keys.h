/* SPDX-License-Identifier: ISC */
/*
 * Central's signing keys, as they change. Each change is a statement of its own, which travels in
 * the ledgers (order kind "keys") and proves itself:
 *
 *   Tagship-Keys: 1
 *   Number: 1 and up                      revocations count up (by the second they are written
 *                                         in, so that they do after a restore, too)
 *   Written: 2026-12-01T02:00:00Z
 *   Key: ssh-ed25519 AAAA…                that signs from now on
 *   Replaces: ssh-ed25519 AAAA…           a rotation: the key before, which signed this
 *   Revokes: ssh-ed25519 AAAA…            or a revocation, one line for each: never to be believed
 *                                         again; the recovery key signed this
 *
 * with its SSHSIG in namespace keys@tagship. After TUF's root role: an old key may name its
 * successor; only a key that is kept off line may say that one was stolen.
 *
 *   g_autoptr(TrustKeys) keys = trust_keys_new(pinned, recovery);
 *   trust_keys_apply(keys, statement, signature, &applied, &error);     in the ledger's order
 *   … trust_keys_list(keys) sign what counts now
 *
 * No crash behaviour: nothing is written.
 */
#pragma once

#include "util/util.h"

#define TRUST_KEYS_NS "keys@tagship"
#define TRUST_KEYS_MAX 20 /* Revokes lines of one statement */

typedef struct {
	guint64 number;
	gint64 written_utc;
	char *key;
	char *replaces; /* NULL: a revocation */
	char **revokes; /* NULL-terminated; empty for a rotation */
} TrustStatement;

void trust_statement_free(TrustStatement *statement);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TrustStatement, trust_statement_free)
/* Text with its last newline. */
char *trust_statement_format(const TrustStatement *statement);
/* CORRUPT for anything but the form above. */
TrustStatement *trust_statement_parse(const char *text, gsize len, GError **error);

typedef struct TrustKeys TrustKeys;

/* Lists may be NULL. */
TrustKeys *trust_keys_new(const char *const *pinned, const char *const *recovery);
TrustKeys *trust_keys_copy(const TrustKeys *keys);
void trust_keys_free(TrustKeys *keys);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TrustKeys, trust_keys_free)
/* Those that count now; NULL-terminated. */
const char *const *trust_keys_list(const TrustKeys *keys);
/* Of the newest revocation; 0: there was none. */
guint64 trust_keys_number(const TrustKeys *keys);

typedef enum {
	TRUST_KEYS_IGNORED, /* by a key that does not count, or of before: nothing changes */
	TRUST_KEYS_ROTATED,
	TRUST_KEYS_REVOKED
} TrustKeysChange;
/* Idempotent: what was applied is ignored the second time. CORRUPT: no statement. NOT_AUTHENTIC: by
 * the name of a key that counts, but not signed by it. */
gboolean trust_keys_apply(TrustKeys *keys, const char *statement, const char *signature,
			  TrustKeysChange *ret_change, GError **error);

/* A revocation by a recovery key, that is not older than the newest that was applied: one may go
 * back behind what was accepted for it, since that may be a thief's. */
gboolean trust_keys_is_revocation(const TrustKeys *keys, const char *statement,
				  const char *signature);

/* What is to be kept between two runs, as trailer text, and back. The keys that were pinned stand
 * in it: when others are pinned, it starts anew from them. NULL text: from nothing. */
char *trust_keys_format(const TrustKeys *keys);
TrustKeys *trust_keys_parse(const char *text, gsize len, const char *const *pinned,
			    const char *const *recovery, GError **error);

/* ---- at central: all changes there were ---- */

typedef struct {
	TrustStatement *statement;
	char *text, *signature; /* with their last newlines */
} TrustChange;

/* CORRUPT if the text is no statement; the signature is the caller's to check. */
TrustChange *trust_change_new(const char *text, const char *signature, GError **error);
void trust_change_free(TrustChange *change);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TrustChange, trust_change_free)

#define TRUST_HISTORY                                                               \
	"keys/history" /* in STATE: trailer text, "Statement" and "Signature" pairs \
			*/
#define TRUST_HISTORY_MAX (1024 * 1024)
/* Array of TrustChange, oldest first; NULL text: none. */
GPtrArray *trust_history_parse(const char *text, gsize len, GError **error);
char *trust_history_format(const GPtrArray *history);
/* The keys that this central signed with and that were not revoked, to know its own ledgers by;
 * recovery may be NULL. */
TrustKeys *trust_history_own(const GPtrArray *history, const char *current, const char *recovery);
