/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <openssl/evp.h>
#include <unistd.h>

#include "util/util.h"

struct UtilSha256 {
	EVP_MD_CTX *ctx;
};

UtilSha256 *util_sha256_new(void)
{
	UtilSha256 *sha = g_new0(UtilSha256, 1);
	sha->ctx = EVP_MD_CTX_new();
	int ok = EVP_DigestInit_ex(sha->ctx, EVP_sha256(), NULL);
	g_assert(ok == 1);
	return sha;
}

void util_sha256_update(UtilSha256 *sha, const void *data, gsize len)
{
	int ok = EVP_DigestUpdate(sha->ctx, data, len);
	g_assert(ok == 1);
}

void util_sha256_finish(UtilSha256 *sha, guint8 ret_digest[UTIL_SHA256_BYTES])
{
	int ok = EVP_DigestFinal_ex(sha->ctx, ret_digest, NULL);
	g_assert(ok == 1);
}

void util_sha256_restart(UtilSha256 *sha)
{
	int ok = EVP_DigestInit_ex(sha->ctx, NULL, NULL);
	g_assert(ok == 1);
}

void util_sha256_free(UtilSha256 *sha)
{
	if (!sha)
		return;
	EVP_MD_CTX_free(sha->ctx);
	g_free(sha);
}

void util_sha256_data(const void *data, gsize len, guint8 ret_digest[UTIL_SHA256_BYTES])
{
	g_autoptr(UtilSha256) sha = util_sha256_new();
	util_sha256_update(sha, data, len);
	util_sha256_finish(sha, ret_digest);
}

#define HASH_CHUNK ((gsize)256 * 1024)

gboolean util_sha256_fd(int fd, guint8 ret_digest[UTIL_SHA256_BYTES], guint64 *ret_len,
			GError **error)
{
	g_autoptr(UtilSha256) sha = util_sha256_new();
	g_autofree char *buffer = g_malloc(HASH_CHUNK);
	guint64 offset = 0;
	for (;;) {
		ssize_t n = pread(fd, buffer, HASH_CHUNK, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return util_error_errno(error, errno, "reading to hash");
		if (n == 0)
			break;
		util_sha256_update(sha, buffer, (gsize)n);
		offset += (guint64)n;
	}
	util_sha256_finish(sha, ret_digest);
	if (ret_len)
		*ret_len = offset;
	return TRUE;
}
