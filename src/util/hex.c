/* SPDX-License-Identifier: ISC */
/* Apart from hash.c, so that programs which only look at names do not load libcrypto. */
#include "util/util.h"

void util_hex_encode(const guint8 *data, gsize len, char *ret_hex)
{
	static const char digits[] = "0123456789abcdef";
	for (gsize i = 0; i < len; i++) {
		ret_hex[2 * i] = digits[data[i] >> 4];
		ret_hex[2 * i + 1] = digits[data[i] & 15];
	}
	ret_hex[2 * len] = '\0';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

gboolean util_hex_decode(const char *hex, gsize len, guint8 *ret_data)
{
	for (gsize i = 0; i < len; i++) {
		int high = hex_digit(hex[2 * i]);
		int low = high < 0 ? -1 : hex_digit(hex[2 * i + 1]);
		if (low < 0)
			return FALSE;
		ret_data[i] = (guint8)(high << 4 | low);
	}
	return hex[2 * len] == '\0';
}

static gboolean hex_ok(const char *hex, gsize digits)
{
	gsize i = 0;
	while (hex && hex_digit(hex[i]) >= 0)
		i++;
	return i == digits && hex[i] == '\0';
}

gboolean util_sha256_hex_ok(const char *hex)
{
	return hex_ok(hex, UTIL_SHA256_HEX - 1);
}

gboolean util_oid_hex_ok(const char *hex)
{
	return hex_ok(hex, 40);
}
