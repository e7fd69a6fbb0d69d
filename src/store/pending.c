/* SPDX-License-Identifier: ISC */
#include "store/pending.h"

gboolean store_pending_put(int root_dirfd, const char *key, const char *text, const char *key_file,
			   GError **error)
{
	g_autofree char *path = g_strconcat("pending/", key, NULL);
	g_autofree char *sig_path = g_strconcat(path, ".sig", NULL);
	g_autofree char *signature =
	    util_sshsig_sign(key_file, UTIL_SSHSIG_NS_REPORT, text, strlen(text), error);
	return signature &&
	       util_fs_write_file(root_dirfd, sig_path, signature, strlen(signature), 0644,
				  error) &&
	       util_fs_write_file(root_dirfd, path, text, strlen(text), 0644, error);
}
