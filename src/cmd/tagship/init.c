/* SPDX-License-Identifier: ISC */
#include "cmd/tagship/tagship.h"

char *cmd_join_line(Central *central, GError **error)
{
	g_autofree char *key = util_sshsig_public_key(central->key_file, error);
	if (!key)
		return NULL;
	gboolean ssh = *central->conf->serve_url != '\0';
	g_autofree char *pinned = g_build_filename(central->path, "keys", "host.pub", NULL);
	g_autofree char *host = ssh ? cmd_key_of_file(pinned) : NULL;
	if (ssh && !host)
		host = cmd_key_of_file(CMD_HOST_KEY);
	if (ssh && !host) {
		util_error_set(error, TS_ERROR_NOT_FOUND,
			       "no ed25519 ssh host key found to pin: put the server's public host "
			       "key into %s (usually from %s)",
			       pinned, CMD_HOST_KEY);
		return NULL;
	}
	g_autofree char *offline = g_build_filename(central->path, "keys", "recovery.pub", NULL);
	g_autofree char *recovery = cmd_key_of_file(offline);
	return cmd_join_text(ssh ? central->conf->serve_url : central->path, key, host, recovery);
}

static gboolean add_setting(GString *settings, const char *name, const char *value, GError **error)
{
	if (strpbrk(value, "\"\\\n"))
		return util_error_set(error, TS_ERROR_USAGE,
				      "%s: quotes, backslashes and newlines are not allowed",
				      value);
	g_string_append_printf(settings, "\n%s = \"%s\";\n", name, value);
	return TRUE;
}

static gboolean pin_host_key(const char *dir, const char *file, GError **error)
{
	g_autofree char *key = cmd_key_of_file(file);
	if (!key)
		return util_error_set(error, TS_ERROR_USAGE, "%s: not an ed25519 public key file",
				      file);
	g_autofree char *path = g_build_filename(dir, "keys", "host.pub", NULL);
	g_autofree char *line = g_strconcat(key, "\n", NULL);
	return util_fs_write_file(AT_FDCWD, path, line, strlen(line), 0644, error);
}

/* The one that is given; else a new one, which must not stay. */
static gboolean make_recovery(const Cmd *cmd, const char *dir, const char *file, GError **error)
{
	g_autoptr(GError) failed = NULL;
	g_autofree char *path = g_build_filename(dir, PUBLISH_RECOVERY, NULL);
	if (file)
		return cmd_pin_recovery(dir, file, error);
	/* EXISTS: of an attempt that was interrupted */
	if (!util_sshsig_keygen(path, "tagship recovery", &failed) &&
	    !g_error_matches(failed, TS_ERROR, TS_ERROR_EXISTS)) {
		g_propagate_error(error, g_steal_pointer(&failed));
		return FALSE;
	}
	cmd_say(cmd,
		"%s alone can replace a stolen signing key: move it off this machine now\n"
		"(next time: --recovery-key FILE.pub, of a key that was never here)",
		path);
	return TRUE;
}

typedef struct {
	const Cmd *cmd;
	char *url, *host_key, *recovery;
	gboolean service;
} Init;

static void init_clear(Init *init)
{
	g_free(init->url);
	g_free(init->host_key);
	g_free(init->recovery);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Init, init_clear)

static gboolean init_ready(const char *dir, GString *settings, gpointer user_data, GError **error)
{
	const Init *init = user_data;
	return (!init->url || add_setting(settings, "serve_url", init->url, error)) &&
	       (!init->service || add_setting(settings, "worker", "service", error)) &&
	       (!init->host_key || pin_host_key(dir, init->host_key, error)) &&
	       make_recovery(init->cmd, dir, init->recovery, error);
}

int cmd_init(Cmd *cmd, GError **error)
{
	g_auto(Init) init = {.cmd = cmd};
	const GOptionEntry own[] = {
	    {"url", 0, 0, G_OPTION_ARG_STRING, &init.url,
	     "How bases reach this server: ssh://USER@HOST[:PORT] (default: this folder's path)",
	     "URL"},
	    {"host-key", 0, 0, G_OPTION_ARG_FILENAME, &init.host_key,
	     "The server's public ssh host key (default: " CMD_HOST_KEY ")", "FILE"},
	    {"recovery-key", 0, 0, G_OPTION_ARG_FILENAME, &init.recovery,
	     "Public key, kept off line, that bases let revoke central's (default: a new one)",
	     "FILE"},
	    {"service", 0, 0, G_OPTION_ARG_NONE, &init.service,
	     "The worker runs as a service; hooks do not start it", NULL},
	    G_OPTION_ENTRY_NULL};
	if (!cmd_options(cmd, own, 0, 1, error))
		return 2;
	g_autofree char *dir =
	    g_canonicalize_filename(cmd->argc > 1 ? cmd->argv[1] : cmd->dir, NULL);
	g_autoptr(GError) failed = NULL;
	gboolean made = central_create(dir, init_ready, &init, &failed);
	if (!made && !g_error_matches(failed, TS_ERROR, TS_ERROR_EXISTS)) {
		g_propagate_error(error, g_steal_pointer(&failed));
		return 1;
	}
	if (!made && (init.url || init.service || init.host_key || init.recovery)) {
		util_error_set(error, TS_ERROR_EXISTS,
			       "%s is there already; change its central.cfg by hand", dir);
		return 1;
	}
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
