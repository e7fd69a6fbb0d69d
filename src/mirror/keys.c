/* SPDX-License-Identifier: ISC */
/*
 * Which of central's keys count here: those of base.cfg, as the accepted ledger has changed them
 * since (ROOT/central-keys). Other keys in base.cfg are an operator's word, and count from then on.
 */
#include "mirror/mirror-private.h"

#define FILE_NAME "central-keys"
#define FILE_MAX (1024 * 1024)

TrustKeys *mirror_keys(const MirrorSpec *spec, GError **error)
{
	g_autoptr(GError) failed = NULL;
	gsize len = 0;
	g_autofree char *text = NULL;
	if (!util_fs_read_file(spec->root_dirfd, FILE_NAME, FILE_MAX, &text, &len, &failed) &&
	    g_error_matches(failed, TS_ERROR, TS_ERROR_NOT_FOUND))
		g_clear_error(&failed);
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
	g_autofree char *text = trust_keys_format(keys);
	return util_fs_file_says(spec->root_dirfd, FILE_NAME, text) ||
	       util_fs_write_file(spec->root_dirfd, FILE_NAME, text, strlen(text), 0644, error);
}
