/* SPDX-License-Identifier: ISC */
/*
 * Which of central's keys count here: those of base.cfg, as the accepted ledger has changed them
 * since (ROOT/central-keys). Other keys in base.cfg are an operator's word, and count from then on.
 */
#include "mirror/mirror-private.h"

#define FILE_NAME "central-keys"
#define FILE_MAX (1024 * 1024)

static char *read_file(const MirrorSpec *spec, gsize *ret_len, GError **error)
{
	g_autoptr(GError) failed = NULL;
	char *text = NULL;
	if (!util_fs_read_file(spec->root_dirfd, FILE_NAME, FILE_MAX, &text, ret_len, &failed) &&
	    !g_error_matches(failed, TS_ERROR, TS_ERROR_NOT_FOUND))
		g_propagate_error(error, g_steal_pointer(&failed));
	return text;
}

TrustKeys *mirror_keys(const MirrorSpec *spec, GError **error)
{
	g_autoptr(GError) failed = NULL;
	gsize len = 0;
	g_autofree char *text = read_file(spec, &len, &failed);
	TrustKeys *keys =
	    failed ? NULL
		   : trust_keys_parse(text, len, (const char *const *)spec->conf->central_keys,
				      (const char *const *)spec->conf->recovery_keys, &failed);
	if (!keys)
		/* trusting what is pinned instead would trust what may have been revoked */
		g_propagate_prefixed_error(
		    error, g_steal_pointer(&failed),
		    FILE_NAME " cannot be read; compare central_keys in base.cfg with what "
			      "\"tagship key list\" shows, then remove it: ");
	return keys;
}

gboolean mirror_keys_keep(const MirrorSpec *spec, const TrustKeys *keys, GError **error)
{
	gsize len = 0;
	g_autofree char *text = trust_keys_format(keys);
	g_autofree char *have = read_file(spec, &len, NULL);
	if (have && len == strlen(text) && memcmp(have, text, len) == 0)
		return TRUE;
	return util_fs_write_file(spec->root_dirfd, FILE_NAME, text, strlen(text), 0644, error);
}
