/* SPDX-License-Identifier: ISC */
#include "cmd/tagship/tagship.h"

#define DEFAULT_HOST_KEY "/etc/ssh/ssh_host_ed25519_key.pub"

/* "ssh-ed25519 AAAA…" of a public key file, or NULL. */
static char *host_key_of(const char *path)
{
	g_autofree char *text = NULL;
	if (!g_file_get_contents(path, &text, NULL, NULL))
		return NULL;
	g_auto(GStrv) words = g_strsplit(g_strstrip(text), " ", 3);
	if (!words[0] || !words[1])
		return NULL;
	g_autofree char *key = g_strjoin(" ", words[0], words[1], NULL);
	return util_sshsig_key_ok(key) ? g_steal_pointer(&key) : NULL;
}

/* One word: URL#central=BASE64[&host=BASE64], the keys without their "ssh-ed25519 ". */
char *cmd_join_line(Central *central, GError **error)
{
	g_autofree char *key = util_sshsig_public_key(central->key_file, error);
	if (!key)
		return NULL;
	gboolean ssh = *central->conf->serve_url != '\0';
	g_autoptr(GString) line = g_string_new(ssh ? central->conf->serve_url : central->path);
	g_string_append_printf(line, "#central=%s", strchr(key, ' ') + 1);
	g_autofree char *pinned = g_build_filename(central->path, "keys", "host.pub", NULL);
	g_autofree char *host = ssh ? host_key_of(pinned) : NULL;
	if (ssh && !host)
		host = host_key_of(DEFAULT_HOST_KEY);
	if (ssh && !host) {
		util_error_set(error, TS_ERROR_NOT_FOUND,
			       "no ed25519 ssh host key found to pin: put the server's public host "
			       "key into %s (usually from %s)",
			       pinned, DEFAULT_HOST_KEY);
		return NULL;
	}
	if (host)
		g_string_append_printf(line, "&host=%s", strchr(host, ' ') + 1);
	return g_string_free(g_steal_pointer(&line), FALSE);
}

static gboolean append_setting(const char *dir, const char *name, const char *value, GError **error)
{
	g_autofree char *text = NULL;
	g_autofree char *path = g_build_filename(dir, "central.cfg", NULL);
	gsize len = 0;
	if (strpbrk(value, "\"\\\n"))
		return util_error_set(error, TS_ERROR_USAGE,
				      "%s: quotes, backslashes and newlines are not allowed",
				      value);
	if (!util_fs_read_file(AT_FDCWD, path, 1024 * 1024, &text, &len, error))
		return FALSE;
	g_autofree char *more = g_strdup_printf("%s\n%s = \"%s\";\n", text, name, value);
	return util_fs_write_file(AT_FDCWD, path, more, strlen(more), 0644, error);
}

static gboolean pin_host_key(const char *dir, const char *file, GError **error)
{
	g_autofree char *key = host_key_of(file);
	if (!key)
		return util_error_set(error, TS_ERROR_USAGE, "%s: not an ed25519 public key file",
				      file);
	g_autofree char *path = g_build_filename(dir, "keys", "host.pub", NULL);
	g_autofree char *line = g_strconcat(key, "\n", NULL);
	return util_fs_write_file(AT_FDCWD, path, line, strlen(line), 0644, error);
}

int cmd_init(Cmd *cmd, GError **error)
{
	g_autofree char *url = NULL;
	g_autofree char *host_key = NULL;
	gboolean service = FALSE;
	const GOptionEntry own[] = {
	    {"url", 0, 0, G_OPTION_ARG_STRING, &url,
	     "How bases reach this server: ssh://USER@HOST[:PORT] (default: this folder's path)",
	     "URL"},
	    {"host-key", 0, 0, G_OPTION_ARG_FILENAME, &host_key,
	     "The server's public ssh host key (default: " DEFAULT_HOST_KEY ")", "FILE"},
	    {"service", 0, 0, G_OPTION_ARG_NONE, &service,
	     "The worker runs as a service; hooks do not start it", NULL},
	    G_OPTION_ENTRY_NULL};
	if (!cmd_options(cmd, own, 0, 1, error))
		return 2;
	g_autofree char *dir =
	    g_canonicalize_filename(cmd->argc > 1 ? cmd->argv[1] : cmd->dir, NULL);
	g_autoptr(GError) failed = NULL;
	gboolean made = central_create(dir, &failed);
	if (!made && !g_error_matches(failed, TS_ERROR, TS_ERROR_EXISTS)) {
		g_propagate_error(error, g_steal_pointer(&failed));
		return 1;
	}
	if (!made && (url || service || host_key)) {
		util_error_set(error, TS_ERROR_EXISTS,
			       "%s is there already; change its central.cfg by hand", dir);
		return 1;
	}
	if ((url && !append_setting(dir, "serve_url", url, error)) ||
	    (service && !append_setting(dir, "worker", "service", error)) ||
	    (host_key && !pin_host_key(dir, host_key, error)))
		return 1;
	g_autoptr(Central) central = central_open(dir, error);
	g_autofree char *line = central ? cmd_join_line(central, error) : NULL;
	if (!line)
		return 1;
	cmd_say(cmd, "%s %s\nnext: tagship -C %s app add NAME REPO --build CMD --output DIR", dir,
		made ? "is ready" : "was there already", dir);
	cmd_say(cmd, "at each base: tagship-base init NAME --join JOIN, with this JOIN:");
	g_print("%s\n", line);
	return 0;
}
