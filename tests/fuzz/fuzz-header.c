/* SPDX-License-Identifier: ISC */
/* A bundle's header: the line of a delta, or the trailers of a plain bundle. */
#include "bundle/bundle-private.h"

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

static void check_info(const BundleInfo *info)
{
	const BundleLimits strict = {.memory_bytes = 1, .decoded_bytes = 1, .scratch_bytes = 1};
	g_autofree char *text = bundle_header_format(info);
	g_autoptr(BundleInfo) again = bundle_header_parse(text, strlen(text), NULL);
	g_assert(again);
	g_autofree char *text_again = bundle_header_format(again);
	g_assert_cmpstr(text, ==, text_again);
	g_assert(util_sha256_hex_ok(info->new_root));
	g_autoptr(GError) error = NULL;
	gboolean fits = bundle_header_check(info, &strict, &error);
	g_assert(fits == (error == NULL));
	g_assert(!fits || (info->memory_bytes <= 1 && info->decoded_bytes <= 1));
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
	g_autofree char *copy = g_memdup2(data, size);
	g_autoptr(GError) error = NULL;
	g_autoptr(BundleInfo) info = bundle_header_parse(copy ? copy : "", size, &error);
	g_assert((info != NULL) == (error == NULL));
	if (info)
		check_info(info);
	return 0;
}
