/* SPDX-License-Identifier: ISC */
/* ROOT/base.cfg. */
#include <string.h>

#include "conf/conf-private.h"

#define FILE_NAME "base.cfg"
#define PULL_ALONE_S 60
#define PULL_WATCHING_S (6 * 3600)
#define AT(field) G_STRUCT_OFFSET(ConfBase, field)
#define APP_AT(field) G_STRUCT_OFFSET(ConfBaseApp, field)
#define COMMAND_AT(phase, field) G_STRUCT_OFFSET(ConfBaseApp, commands[CONF_PHASE_##phase].field)

/* clang-format off */
#define COMMAND_KEYS(word, PHASE, seconds, text) \
	{.name = word, .help = text, .kind = CONF_COMMAND, .offset = COMMAND_AT(PHASE, argv), \
	 .check_list = conf_check_command}, \
	{.name = word "_deadline", .help = "Seconds it may take", .kind = CONF_INT, \
	 .offset = COMMAND_AT(PHASE, deadline_s), .min = 1, .max = 86400, .fallback = seconds}
/* clang-format on */

static const char *const altered_choices[] = {"want", "plain", NULL};

static const ConfKey app_keys[] = {
    {.name = "name",
     .help = "The app's name, as at central",
     .kind = CONF_TEXT,
     .offset = APP_AT(name),
     .required = TRUE,
     .check = conf_check_name},
    {.name = "dir",
     .help = "Its folder; the web server serves dir/current",
     .kind = CONF_TEXT,
     .offset = APP_AT(dir),
     .required = TRUE,
     .check = conf_check_path},
    COMMAND_KEYS("prepare", PREPARE, 60, "Once the next version is staged, ahead of time"),
    COMMAND_KEYS("before", BEFORE, 60, "`lead` seconds before the preset time (drain, notice)"),
    COMMAND_KEYS("stop", STOP, 30, "At the preset time"),
    COMMAND_KEYS("migrate", MIGRATE, 60, "Between stop and the switch (database)"),
    COMMAND_KEYS("unmigrate", UNMIGRATE, 60, "Takes migrate back; without it old code stays down"),
    COMMAND_KEYS("start", START, 60, "After the switch"),
    COMMAND_KEYS("health", HEALTH, 60, "Exit 0: the version is healthy; tried again and again"),
    COMMAND_KEYS("after", AFTER, 60, "At the end, whatever the outcome"),
    {.name = "lead",
     .help = "Seconds before the preset time at which `before` runs",
     .kind = CONF_INT,
     .offset = APP_AT(lead_s),
     .max = 86400},
    {.name = "health_time",
     .help = "Seconds for which health is tried until it passes",
     .kind = CONF_INT,
     .offset = APP_AT(health_time_s),
     .min = 1,
     .max = 86400,
     .fallback = 60},
    {.name = "health_every_ms",
     .help = "Milliseconds between two tries",
     .kind = CONF_INT,
     .offset = APP_AT(health_every_ms),
     .min = 10,
     .max = 600000,
     .fallback = 1000},
    {.name = "max_outage",
     .help = "Longest outage in seconds, stop to healthy; undo starts early enough to fit",
     .kind = CONF_INT,
     .offset = APP_AT(max_outage_s),
     .min = 1,
     .max = 86400,
     .fallback = 300},
    {.name = "kill_after",
     .help = "Seconds from SIGTERM, at a command's deadline, to SIGKILL; 0: SIGKILL at once",
     .kind = CONF_INT,
     .offset = APP_AT(kill_after_s),
     .max = 300,
     .fallback = 5},
    {.name = "keep",
     .help = "Versions kept on disk beside the live and the last good one",
     .kind = CONF_INT,
     .offset = APP_AT(keep),
     .max = 1000,
     .fallback = 2},
    {.name = "bridge",
     .help = "How long files that a new version lacks stay reachable under dir/bridge, e.g. "
	     "\"24h\"; \"0\": not",
     .kind = CONF_TEXT,
     .offset = APP_AT(bridge),
     .fallback_text = "0",
     .check = conf_check_duration},
    {.name = "on_altered",
     .help = "If the live files were altered by hand: \"want\" another bundle, or a \"plain\" one",
     .kind = CONF_TEXT,
     .offset = APP_AT(on_altered),
     .fallback_text = "want",
     .choices = altered_choices},
    {.name = "hard_links",
     .help =
	 "Unchanged files get a second name instead of a copy; only where the app cannot write\n"
	 "to its releases",
     .kind = CONF_BOOL,
     .offset = APP_AT(hard_links)},
};

static void app_free(gpointer data);

static const ConfTable app_table = {.keys = app_keys,
				    .n_keys = G_N_ELEMENTS(app_keys),
				    .size = sizeof(ConfBaseApp),
				    .free = app_free};

static const ConfKey keys[] = {
    {.name = "name",
     .help = "This base's permanent name",
     .kind = CONF_TEXT,
     .offset = AT(name),
     .required = TRUE,
     .check = conf_check_name},
    {.name = "node",
     .help = "Set on the servers of a site that fetch from the base of this name: their own name",
     .kind = CONF_TEXT,
     .offset = AT(node),
     .check = conf_check_name},
    {.name = "upstreams",
     .help = "Central, tried in this order: ssh://user@host[:port], or the path of a state folder",
     .kind = CONF_LIST,
     .offset = AT(upstreams),
     .required = TRUE,
     .check = conf_check_upstream,
     .unique = TRUE},
    {.name = "central_keys",
     .help = "Central's signing keys; orders signed by any other are refused",
     .kind = CONF_LIST,
     .offset = AT(central_keys),
     .required = TRUE,
     .check = conf_check_key,
     .unique = TRUE},
    {.name = "recovery_keys",
     .help = "Keys kept off line that may revoke central's signing keys and name new ones",
     .kind = CONF_LIST,
     .offset = AT(recovery_keys),
     .check = conf_check_key,
     .unique = TRUE},
    {.name = "host_keys",
     .help = "SSH host keys of the upstreams; several while keys rotate",
     .kind = CONF_LIST,
     .offset = AT(host_keys),
     .check = conf_check_key,
     .unique = TRUE},
    {.name = "key_file",
     .help = "This base's private key; default: key, beside this file",
     .kind = CONF_TEXT,
     .offset = AT(key_file),
     .check = conf_check_path},
    {.name = "serve_command",
     .help = "Program run for an upstream that is a path; default: tagship, at a node tagship-base",
     .kind = CONF_TEXT,
     .offset = AT(serve_command),
     .check = conf_check_not_empty},
    {.name = "watch",
     .help = "Keep a quiet connection on which central tells what is new",
     .kind = CONF_BOOL,
     .offset = AT(watch),
     .fallback = TRUE},
    {.name = "pull_every",
     .help = "Seconds between two looks at central; 0: 60, or 21600 while watching",
     .kind = CONF_INT,
     .offset = AT(pull_every_s),
     .max = 86400},
    {.name = "pull_hours",
     .help =
	 "Bundles come only at these hours, e.g. [ \"02:00-06:00\" ]; `now` and late ones at once",
     .kind = CONF_LIST,
     .offset = AT(pull_hours),
     .check = conf_check_hours},
    {.name = "rate_kbit",
     .help = "Most that downloads may take of the line, in kbit/s; 0: all of it",
     .kind = CONF_INT,
     .offset = AT(rate_kbit),
     .max = CONF_RATE_MAX},
    {.name = "rate_hours",
     .help = "Another rate at some hours, e.g. [ \"08:00-18:00 300\" ]",
     .kind = CONF_LIST,
     .offset = AT(rate_hours),
     .check = conf_check_rate_hours},
    {.name = "connect_timeout",
     .help = "Seconds for connecting, for the handshake, for the login: each",
     .kind = CONF_INT,
     .offset = AT(connect_timeout_s),
     .min = 1,
     .max = 3600,
     .fallback = 20},
    {.name = "progress_timeout",
     .help = "Seconds without a byte after which a transfer is given up, to be resumed",
     .kind = CONF_INT,
     .offset = AT(progress_timeout_s),
     .min = 1,
     .max = 3600,
     .fallback = 30},
    {.name = "memory_mb",
     .help = "Megabytes that decoding a bundle may take",
     .kind = CONF_INT,
     .offset = AT(memory_mb),
     .min = 16,
     .max = 65536,
     .fallback = 128},
    {.name = "min_free_mb",
     .help = "Nothing is downloaded or staged that leaves fewer megabytes free",
     .kind = CONF_INT,
     .offset = AT(min_free_mb),
     .max = 10000000,
     .fallback = 64},
    {.name = "keep_logs_days",
     .help = "Days for which logs are kept",
     .kind = CONF_INT,
     .offset = AT(keep_logs_days),
     .min = 1,
     .max = 3650,
     .fallback = 90},
    CONF_NOTIFY_KEYS("central"),
    {.name = "signers",
     .help = "File of those whose signed tags orders must come from, in the form of tagship.cfg(5)",
     .kind = CONF_TEXT,
     .offset = AT(signers),
     .check = conf_check_path},
    {.name = "zone",
     .help = "With signers: this base's time zone, by which it works the tags' times out itself",
     .kind = CONF_TEXT,
     .offset = AT(zone),
     .check = conf_check_not_empty},
    {.name = "groups",
     .help = "With signers: the groups this base is in",
     .kind = CONF_LIST,
     .offset = AT(groups),
     .check = conf_check_name,
     .unique = TRUE},
    {.name = "apps",
     .help = "The apps this base runs",
     .kind = CONF_GROUPS,
     .offset = AT(apps),
     .sub = &app_table},
};

static const ConfTable table = {
    .keys = keys, .n_keys = G_N_ELEMENTS(keys), .size = sizeof(ConfBase)};

static void app_free(gpointer data)
{
	conf_table_clear(&app_table, data);
	g_free(data);
}

void conf_base_free(ConfBase *base)
{
	if (!base)
		return;
	conf_table_clear(&table, base);
	g_free(base);
}

const char *conf_phase_name(ConfPhase phase)
{
	static const char *const names[CONF_PHASE_COUNT] = {
	    [CONF_PHASE_PREPARE] = "prepare",     [CONF_PHASE_BEFORE] = "before",
	    [CONF_PHASE_STOP] = "stop",           [CONF_PHASE_MIGRATE] = "migrate",
	    [CONF_PHASE_UNMIGRATE] = "unmigrate", [CONF_PHASE_START] = "start",
	    [CONF_PHASE_HEALTH] = "health",       [CONF_PHASE_AFTER] = "after",
	};

	g_assert(phase < CONF_PHASE_COUNT);
	return names[phase];
}

/* GLib keeps two slashes in front, as POSIX allows. */
static char *canonical_dir(const char *dir)
{
	return g_canonicalize_filename(dir + strspn(dir, "/") - 1, "/");
}

static gboolean check_apps(const ConfBase *base, GError **error)
{
	g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
	g_autoptr(GHashTable) dirs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

	for (guint i = 0; i < base->apps->len; i++) {
		const ConfBaseApp *app = base->apps->pdata[i];

		if (!g_hash_table_add(names, app->name))
			return util_error_set(error, TS_ERROR_USAGE,
					      FILE_NAME ": apps: \"%s\" is there twice; remove one",
					      app->name);
		if (!g_hash_table_add(dirs, canonical_dir(app->dir)))
			return util_error_set(error, TS_ERROR_USAGE,
					      FILE_NAME
					      ": apps: %s: dir: %s already belongs to "
					      "another app; give each a folder of its own",
					      app->name, app->dir);
	}
	return TRUE;
}

static gboolean check_base(const ConfBase *base, GError **error)
{
	gboolean by_ssh = FALSE;

	if (!*base->upstreams)
		return util_error_set(error, TS_ERROR_USAGE,
				      FILE_NAME ": upstreams: none; name central, e.g. "
						"[ \"ssh://tagship@central\" ]");
	if (!*base->central_keys)
		return util_error_set(error, TS_ERROR_USAGE,
				      FILE_NAME ": central_keys: none; copy the key from the line "
						"that `tagship init` printed");
	if (base->signers && !base->zone)
		return util_error_set(error, TS_ERROR_USAGE,
				      FILE_NAME
				      ": zone: missing; with signers, this base works out "
				      "the times of tags itself, e.g. \"Asia/Shanghai\"");
	for (char **p = base->upstreams; *p; p++)
		by_ssh |= **p != '/';
	if (by_ssh && !*base->host_keys)
		return util_error_set(error, TS_ERROR_USAGE,
				      FILE_NAME
				      ": host_keys: none, but an upstream is reached by ssh; "
				      "copy the host's key "
				      "(/etc/ssh/ssh_host_ed25519_key.pub there)");
	if (base->rate_kbit > 0 && base->rate_kbit < CONF_RATE_MIN)
		return util_error_set(error, TS_ERROR_USAGE,
				      FILE_NAME ": rate_kbit: %" G_GINT64_FORMAT
						" kbit/s would bring no release anywhere; give "
						"at least %d, or 0 for all of the line",
				      base->rate_kbit, CONF_RATE_MIN);
	return check_apps(base, error);
}

ConfBase *conf_base_load(int root_dirfd, const char *root_path, GError **error)
{
	g_autoptr(ConfBase) base = g_new0(ConfBase, 1);

	conf_table_defaults(&table, base);
	if (!conf_table_load(&table, root_dirfd, FILE_NAME, base, error) ||
	    !check_base(base, error))
		return NULL;
	if (!base->key_file)
		base->key_file = g_build_filename(root_path, "key", NULL);
	if (!base->serve_command)
		base->serve_command = g_strdup(base->node ? "tagship-base" : "tagship");
	return g_steal_pointer(&base);
}

gint64 conf_base_pull_every_s(const ConfBase *base)
{
	if (base->pull_every_s > 0)
		return base->pull_every_s;
	return base->watch ? PULL_WATCHING_S : PULL_ALONE_S;
}

gint64 conf_base_rate_kbit(const ConfBase *base, gint64 utc)
{
	return conf_hours_number(base->rate_hours, utc, base->rate_kbit);
}

gint64 conf_app_bridge_s(const ConfBaseApp *app)
{
	return app->bridge ? conf_duration_s(app->bridge) : 0;
}

const ConfBaseApp *conf_base_app(const ConfBase *base, const char *name)
{
	for (guint i = 0; i < base->apps->len; i++) {
		const ConfBaseApp *app = base->apps->pdata[i];

		if (g_str_equal(app->name, name))
			return app;
	}
	return NULL;
}

static const char example_app[] =
    "# The apps, a group for each. Commands are lists of arguments, run without a shell; all are\n"
    "# optional. An example; tagship-base.cfg(5) has every key:\n"
    "#\n"
    "# apps = (\n"
    "#   { name = \"shop\";\n"
    "#     dir = \"/srv/shop\";\n"
    "#     stop = [ \"systemctl\", \"stop\", \"shop\" ];\n"
    "#     stop_deadline = 30;   # more than TimeoutStopSec of the unit\n"
    "#     start = [ \"systemctl\", \"start\", \"shop\" ];\n"
    "#     health = [ \"curl\", \"-fsS\", \"http://127.0.0.1:8080/healthz\" ];\n"
    "#     health_time = 60;\n"
    "#   }\n"
    "# );\n";

static void add_apps(GString *text, const char *const *apps)
{
	if (!apps || !*apps) {
		g_string_append(text, "apps = ( );\n");
		return;
	}
	g_string_append(text, "apps = (\n");
	for (; *apps; apps++) {
		g_auto(GStrv) words = g_strsplit(*apps, "=", 2);
		g_string_append_printf(text, "  { name = \"%s\";\n    dir = \"%s\";\n  }%s\n",
				       words[0], words[1], apps[1] ? "," : "");
	}
	g_string_append(text, ");\n");
}

static void set_list(char ***field, const char *const *values)
{
	g_autoptr(GStrvBuilder) builder = g_strv_builder_new();

	for (; values && *values; values++)
		g_strv_builder_add(builder, *values);
	g_strfreev(*field);
	*field = g_strv_builder_end(builder);
}

char *conf_base_template(const char *name, const char *node, const char *upstream,
			 const char *const *central_keys, const char *const *recovery_keys,
			 const char *const *host_keys, const char *const *apps)
{
	const char *const live[] = {
	    "name", "upstreams", "central_keys", "recovery_keys", "host_keys", node ? "node" : NULL,
	    NULL};
	const char *const upstreams[] = {upstream, NULL};
	g_autoptr(ConfBase) base = g_new0(ConfBase, 1);
	GString *text =
	    g_string_new("# tagship base. Keys with # in front stand at their defaults. See "
			 "tagship-base.cfg(5).\n\n");

	conf_table_defaults(&table, base);
	base->name = g_strdup(name);
	base->key_file = g_strdup("/var/lib/tagship-base/key");
	base->serve_command = g_strdup("tagship");
	base->signers = g_strdup("/etc/tagship/signers");
	base->zone = g_strdup("Asia/Shanghai");
	base->node = g_strdup(node ? node : "web1");
	set_list(&base->upstreams, upstreams);
	set_list(&base->central_keys, central_keys);
	set_list(&base->recovery_keys, recovery_keys);
	set_list(&base->host_keys, host_keys);
	conf_table_format(&table, base, live, "", text);
	g_string_append(text, example_app);
	add_apps(text, apps);
	return g_string_free(text, FALSE);
}
