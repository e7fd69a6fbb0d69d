/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>

#include "cmd/cmd.h"

#define KEY_OLD_S ((gint64)400 * 24 * 3600)

char *cmd_key_argument(const char *text, GError **error)
{
	char *key = util_sshsig_key_in(text);
	if (!key)
		util_error_set(
		    error, TS_ERROR_USAGE,
		    "--key wants \"ssh-ed25519 AAAA...\" as tagship-base init printed it");
	return key;
}

char *cmd_key_of_file(const char *path)
{
	g_autofree char *text = NULL;
	return g_file_get_contents(path, &text, NULL, NULL) ? util_sshsig_key_in(text) : NULL;
}

gboolean cmd_key_is_old(const char *path, gint64 now_utc)
{
	struct stat st;
	return stat(path, &st) == 0 && now_utc - st.st_mtime > KEY_OLD_S;
}

static void append_key(GString *text, const char *name, const char *key)
{
	if (key)
		g_string_append_printf(text, "&%s=%s", name, strchr(key, ' ') + 1);
}

char *cmd_join_text(const char *url, const char *central_key, const char *host_key,
		    const char *recovery_key)
{
	g_autoptr(GString) text = g_string_new(url);
	g_string_append_printf(text, "#central=%s", strchr(central_key, ' ') + 1);
	append_key(text, "host", host_key);
	append_key(text, "recovery", recovery_key);
	return g_string_free(g_steal_pointer(&text), FALSE);
}
