/* SPDX-License-Identifier: ISC */
#include <unistd.h>

#include "cmd/tagship-base/base.h"
#include "ledger/ledger.h"
#include "wire/wire.h"

#define CONF_MAX (1024 * 1024)

typedef struct {
	char *node; /* NULL, or: a server of the base's site */
	char *upstream;
	char *central_key;
	char *host_key;     /* NULL for path upstreams */
	char *recovery_key; /* or NULL */
} Join;

static void join_clear(Join *join)
{
	g_free(join->node);
	g_free(join->upstream);
	g_free(join->central_key);
	g_free(join->host_key);
	g_free(join->recovery_key);
}

/* URL#central=BASE64[&host=BASE64][&recovery=BASE64] */
static gboolean join_parse(const char *line, Join *join, GError **error)
{
	g_auto(GStrv) parts = g_strsplit(line, "#", 2);
	g_auto(GStrv) keys = g_strsplit(parts[0] && parts[1] ? parts[1] : "", "&", -1);
	join->upstream = g_strdup(parts[0] ? parts[0] : "");
	for (guint i = 0; keys[i]; i++) {
		const char *equals = strchr(keys[i], '=');
		g_autofree char *key =
		    equals ? g_strconcat("ssh-ed25519 ", equals + 1, NULL) : NULL;
		if (g_str_has_prefix(keys[i], "central="))
			join->central_key = g_steal_pointer(&key);
		else if (g_str_has_prefix(keys[i], "host="))
			join->host_key = g_steal_pointer(&key);
		else if (g_str_has_prefix(keys[i], "recovery="))
			join->recovery_key = g_steal_pointer(&key);
	}
	gboolean ssh = g_str_has_prefix(join->upstream, "ssh://");
	gboolean one_word = strcspn(line, " \t\r\n") == strlen(line);
	if (one_word && join->central_key && util_sshsig_key_ok(join->central_key) &&
	    (!join->recovery_key || util_sshsig_key_ok(join->recovery_key)) &&
	    (ssh ? join->host_key && util_sshsig_key_ok(join->host_key)
		 : g_path_is_absolute(join->upstream)))
		return TRUE;
	return util_error_set(
	    error, TS_ERROR_USAGE,
	    "--join wants the line that \"tagship init\" printed on central, whole "
	    "and in quotes, and nothing around it: URL#central=...[&host=...][&recovery=...]");
}

/* IANA zone of this machine, or NULL. */
static char *local_zone(void)
{
	g_autoptr(GTimeZone) zone = g_time_zone_new_local();
	const char *name = g_time_zone_get_identifier(zone);
	return name && strchr(name, '/') ? g_strdup(name) : NULL;
}

/* So that a plain `git fetch` in the mirror works with stock git and ssh, too. */
static gboolean setup_mirror(const char *root, int dirfd, const char *name, const Join *join,
			     GError **error)
{
	g_autofree char *path = g_build_filename(root, "mirror.git", NULL);
	g_autoptr(Repo) mirror = repo_create(path, error);
	if (!mirror)
		return FALSE;
	g_autofree char *url = NULL;
	if (g_str_has_prefix(join->upstream, "ssh://")) {
		g_autofree char *host = NULL, *user = NULL, *ignored = NULL;
		guint16 port = 22;
		if (!wire_parse_url(join->upstream, &user, &host, &port, &ignored, error))
			return FALSE;
		g_autofree char *line =
		    port == 22 ? g_strdup_printf("%s %s\n", host, join->host_key)
			       : g_strdup_printf("[%s]:%u %s\n", host, port, join->host_key);
		g_autofree char *command = g_strdup_printf(
		    "ssh -i '%s/key' -o IdentitiesOnly=yes -o UserKnownHostsFile='%s/known_hosts' "
		    "-o StrictHostKeyChecking=yes",
		    root, root);
		if (!util_fs_write_file(dirfd, "known_hosts", line, strlen(line), 0644, error) ||
		    !repo_config_set(mirror, "core.sshCommand", command, error))
			return FALSE;
		url = g_strdup_printf("%s/%s.git", join->upstream, name);
	} else {
		url = join->node ? g_strdup_printf("%s/mirror.git", join->upstream)
				 : g_strdup_printf("%s/ledger/%s.git", join->upstream, name);
	}
	/* a base shows its nodes what it accepted as central's branch, but not by a path */
	gboolean own_ref = join->node && !g_str_has_prefix(join->upstream, "ssh://");
	const char *fetch =
	    own_ref ? "+" LEDGER_ACCEPTED ":" LEDGER_SEEN : "+" LEDGER_ORDERS ":" LEDGER_SEEN;
	g_autofree char *target =
	    cmd_sibling("hooks/reference-transaction", TAGSHIP_LIBEXEC "/mirror");
	util_autofd int hooks = -1;
	if (!util_fs_mkdir(dirfd, "mirror.git/hooks", 0755, error))
		return FALSE;
	hooks = util_fs_open_dir(dirfd, "mirror.git/hooks", error);
	return hooks >= 0 &&
	       util_fs_symlink_replace(hooks, target, "reference-transaction", error) &&
	       repo_config_set(mirror, "remote.origin.url", url, error) &&
	       repo_config_set(mirror, "remote.origin.fetch", fetch, error) &&
	       repo_config_set(mirror, "remote.origin.tagOpt", "--no-tags", error);
}

static gboolean write_conf(int dirfd, const char *name, const Join *join, const char *const *apps,
			   GError **error)
{
	const char *const central[] = {join->central_key, NULL};
	const char *const host[] = {join->host_key, NULL};
	const char *const recovery[] = {join->recovery_key, NULL};
	g_autofree char *text =
	    conf_base_template(name, join->node, join->upstream, central, recovery, host, apps);
	g_autoptr(GError) failed = NULL;
	g_autofree char *there = NULL;
	if (util_fs_create_file(dirfd, "base.cfg", text, strlen(text), 0644, &failed))
		return TRUE;
	/* an init that was killed before it printed its line is repeated */
	if (g_error_matches(failed, TS_ERROR, TS_ERROR_EXISTS) &&
	    util_fs_read_file(dirfd, "base.cfg", CONF_MAX, &there, NULL, NULL) &&
	    strcmp(there, text) == 0)
		return TRUE;
	if (g_error_matches(failed, TS_ERROR, TS_ERROR_EXISTS))
		return util_error_set(
		    error, TS_ERROR_EXISTS,
		    "there is a base here already (base.cfg); remove it or choose "
		    "another folder with -C");
	g_propagate_error(error, g_steal_pointer(&failed));
	return FALSE;
}

static gboolean write_incarnation(int dirfd, gint incarnation, GError **error)
{
	g_autofree char *text = g_strdup_printf("%d\n", MAX(incarnation, 1));
	return util_fs_write_file(dirfd, "incarnation", text, strlen(text), 0644, error);
}

static gboolean make_base(const char *root, const char *name, const Join *join,
			  const char *const *apps, gint incarnation, char **ret_key, GError **error)
{
	g_autofree char *comment = g_strdup_printf("tagship base %s", name);
	g_autofree char *key_path = g_build_filename(root, "key", NULL);
	if (!util_fs_mkdir_parents(AT_FDCWD, root, 0755, error))
		return FALSE;
	util_autofd int dirfd = util_fs_open_dir(AT_FDCWD, root, error);
	if (dirfd < 0 || !store_make_root(dirfd, error))
		return FALSE;
	if (!g_file_test(key_path, G_FILE_TEST_EXISTS) &&
	    !util_sshsig_keygen(key_path, comment, error))
		return FALSE;
	*ret_key = util_sshsig_public_key(key_path, error);
	if (!*ret_key)
		return FALSE;
	/* base.cfg last, because it is the mark of a complete base */
	gboolean complete = faccessat(dirfd, "base.cfg", F_OK, 0) == 0;
	return (complete || (setup_mirror(root, dirfd, name, join, error) &&
			     write_incarnation(dirfd, incarnation, error))) &&
	       write_conf(dirfd, name, join, apps, error);
}

static gboolean check_apps(char **apps, GError **error)
{
	for (guint i = 0; apps && apps[i]; i++) {
		g_auto(GStrv) words = g_strsplit(apps[i], "=", 2);
		if (!words[0] || !words[1] || !g_path_is_absolute(words[1]) ||
		    strpbrk(words[1], "\"\\\n\t") || strcmp(words[1], "/") == 0)
			return util_error_set(
			    error, TS_ERROR_USAGE,
			    "--app %s: write the app's name and the absolute path "
			    "of its folder, as shop=/srv/shop",
			    apps[i]);
		if (!util_name_check("app", words[0], error))
			return FALSE;
	}
	return TRUE;
}

/* Where this account may; else whoever may is told. */
static void make_folders(const Cmd *cmd, char **apps)
{
	for (guint i = 0; apps && apps[i]; i++) {
		const char *dir = strchr(apps[i], '=') + 1;
		g_autoptr(GError) error = NULL;
		if (!util_fs_mkdir_parents(AT_FDCWD, dir, 0755, &error))
			cmd_say(cmd, "make %s for this account: %s", dir, error->message);
	}
}

/* The line that central is to run. */
static void print_add(const char *name, const char *zone, const char *key, char **apps)
{
	g_print("tagship base add %s --zone %s --key '%s'", name, zone ? zone : "ZONE", key);
	for (guint i = 0; apps && apps[i]; i++)
		g_print(" --app %.*s", (int)strcspn(apps[i], "="), apps[i]);
	g_print("%s\n", apps && apps[0] ? "" : " --app APP");
}

int base_init(Cmd *cmd, GError **error)
{
	g_autofree char *line = NULL, *zone = NULL, *node = NULL;
	g_auto(GStrv) apps = NULL;
	gint incarnation = 1;
	const GOptionEntry own[] = {
	    {"join", 0, 0, G_OPTION_ARG_STRING, &line, "What \"tagship init\" printed", "JOIN"},
	    {"app", 0, 0, G_OPTION_ARG_STRING_ARRAY, &apps,
	     "An app that runs here, and its folder; may be repeated", "NAME=DIR"},
	    {"node", 0, 0, G_OPTION_ARG_STRING, &node,
	     "This is a server of that base's site, of this name, and fetches from the base",
	     "NODE"},
	    {"incarnation", 0, 0, G_OPTION_ARG_INT, &incarnation,
	     "For new hardware of an old base: the number \"tagship base key --replace\" printed",
	     "N"},
	    {"zone", 0, 0, G_OPTION_ARG_STRING, &zone, "IANA time zone (default: this machine's)",
	     "ZONE"},
	    G_OPTION_ENTRY_NULL};
	if (!cmd_options(cmd, own, 1, 1, error))
		return 2;
	const char *name = cmd->argv[1];
	if (!line) {
		util_error_set(error, TS_ERROR_USAGE, "usage: tagship-base init NAME --join JOIN");
		return 2;
	}
	Join join = {.node = g_strdup(node)};
	g_autofree char *key = NULL;
	gboolean ok =
	    util_name_check("base", name, error) &&
	    (!node || util_name_check("node", node, error)) && check_apps(apps, error) &&
	    join_parse(line, &join, error) &&
	    make_base(cmd->dir, name, &join, (const char *const *)apps, incarnation, &key, error);
	join_clear(&join);
	if (!ok)
		return 1;
	if (node) {
		cmd_say(cmd, "node %s of %s is in %s; add your app to %s/base.cfg", node, name,
			cmd->dir, cmd->dir);
		cmd_say(cmd, "on the base, run:");
		g_print("tagship-base node add %s --key '%s'\n", node, key);
		return 0;
	}
	if (!zone)
		zone = local_zone();
	make_folders(cmd, apps);
	if (apps && apps[0])
		cmd_say(cmd,
			"base %s is in %s; how its apps are stopped, started and checked goes into "
			"%s/base.cfg",
			name, cmd->dir, cmd->dir);
	else
		cmd_say(cmd, "base %s is in %s; add your app to %s/base.cfg (an example is in it)",
			name, cmd->dir, cmd->dir);
	cmd_say(cmd, "on central, run:");
	print_add(name, zone, key, apps);
	return 0;
}
