/* SPDX-License-Identifier: ISC */
/* SHA-256 by libcrypto, which uses the processor's SHA instructions where there are any. */
#pragma once

#include <glib.h>

#define UTIL_SHA256_BYTES 32
#define UTIL_SHA256_HEX 65 /* with the final NUL */

typedef struct UtilSha256 UtilSha256;

UtilSha256 *util_sha256_new(void);
void util_sha256_update(UtilSha256 *sha, const void *data, gsize len);
/* Ends the computation; the object can then only be freed or begun anew. */
void util_sha256_finish(UtilSha256 *sha, guint8 ret_digest[UTIL_SHA256_BYTES]);
void util_sha256_restart(UtilSha256 *sha);
void util_sha256_free(UtilSha256 *sha);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(UtilSha256, util_sha256_free)

void util_sha256_data(const void *data, gsize len, guint8 ret_digest[UTIL_SHA256_BYTES]);
/* Reads fd from its start to its end with pread; the offset is left alone. */
gboolean util_sha256_fd(int fd, guint8 ret_digest[UTIL_SHA256_BYTES], guint64 *ret_len,
			GError **error);

void util_hex_encode(const guint8 *data, gsize len, char *ret_hex /* 2 * len + 1 */);
/* Lower-case hex of exactly len bytes; anything else is FALSE. */
gboolean util_hex_decode(const char *hex, gsize len, guint8 *ret_data);
/* TRUE for exactly 64 lower-case hex digits. */
gboolean util_sha256_hex_ok(const char *hex);
/* TRUE for exactly 40 lower-case hex digits (a git object id). */
gboolean util_oid_hex_ok(const char *hex);
