/* SPDX-License-Identifier: ISC */
#include "cmd/tagship/tagship.h"
#include "status/status.h"

static char **or_empty(char **list)
{
	return list ? g_strdupv(list) : g_new0(char *, 1);
}

gboolean cmd_check_apps(Central *central, const char *const *apps, GError **error)
{
	g_auto(GStrv) known = conf_app_names(central->dirfd, error);
	if (!known)
		return FALSE;
	for (guint i = 0; apps && apps[i]; i++) {
		if (g_strv_contains((const char *const *)known, apps[i]))
			continue;
		const char *near = util_text_nearest(apps[i], (const char *const *)known);
		return util_error_set(error, TS_ERROR_USAGE,
				      "no app \"%s\"%s%s; add it first: "
				      "tagship app add",
				      apps[i], near ? "; did you mean " : "", near ? near : "");
	}
	return TRUE;
}

/* A new or replaced base takes what its apps are settled on, as soon as staged. */
static gboolean settle(Cmd *cmd, Central *central, const char *base, char **apps, GError **error)
{
	g_autofree char *who = cmd_who();
	gboolean any = FALSE;
	for (guint i = 0; apps[i]; i++) {
		g_autoptr(GError) failed = NULL;
		g_autofree char *id = publish_settle(central, apps[i], base, who, &failed);
		if (failed) {
			g_propagate_error(error, g_steal_pointer(&failed));
			return FALSE;
		}
		if (!id)
			continue;
		any = TRUE;
		cmd_say(cmd, "it takes the version of %s that is live elsewhere: job %s", apps[i],
			id);
	}
	return !any || cmd_poke_worker(central, error);
}

/* A zone in a tag is for a rule to refuse, one on the command line is a slip. */
static gboolean check_zone(Central *central, const char *zone, GError **error)
{
	g_autoptr(GError) refused = NULL;
	return plan_zone_check(central->conf->zone_dir, zone, &refused) ||
	       util_error_set(error, TS_ERROR_USAGE, "%s", refused->message);
}

static int base_add(Cmd *cmd, GError **error)
{
	g_autofree char *zone = NULL, *key_text = NULL;
	g_auto(GStrv) groups = NULL, apps = NULL;
	gint64 kbit = 0;
	const GOptionEntry own[] = {
	    {"zone", 0, 0, G_OPTION_ARG_STRING, &zone, "IANA time zone, e.g. Asia/Shanghai",
	     "ZONE"},
	    {"key", 0, 0, G_OPTION_ARG_STRING, &key_text, "The base's public key", "KEY"},
	    {"group", 0, 0, G_OPTION_ARG_STRING_ARRAY, &groups, "Group; may be repeated", "NAME"},
	    {"app", 0, 0, G_OPTION_ARG_STRING_ARRAY, &apps, "App it runs; may be repeated", "NAME"},
	    {"line-kbit", 0, 0, G_OPTION_ARG_INT64, &kbit, "Its line rate", "KBIT"},
	    G_OPTION_ENTRY_NULL};
	if (!cmd_options(cmd, own, 1, 1, error))
		return 2;
	if (!zone || !key_text) {
		util_error_set(error, TS_ERROR_USAGE,
			       "usage: tagship base add NAME --zone ZONE --key KEY [--app APP]...");
		return 2;
	}
	g_autoptr(Central) central = central_open(cmd->dir, error);
	g_autofree char *key = central ? cmd_key_argument(key_text, error) : NULL;
	if (!key || !util_name_check("base", cmd->argv[1], error) ||
	    !check_zone(central, zone, error) ||
	    !cmd_check_apps(central, (const char *const *)apps, error))
		return 2;
	ConfPeer peer = {.name = cmd->argv[1],
			 .zone = zone,
			 .groups = or_empty(groups),
			 .apps = or_empty(apps),
			 .key = key,
			 .line_kbit = kbit,
			 .incarnation = 1};
	g_autoptr(Repo) ledger = ledger_create(central->path, peer.name, error);
	gboolean ok = ledger && conf_peer_create(central->dirfd, &peer, error) &&
		      settle(cmd, central, peer.name, peer.apps, error);
	g_strfreev(peer.groups);
	g_strfreev(peer.apps);
	if (!ok)
		return 1;
	cmd_say(cmd, "base %s: %s/bases.d/%s.cfg", cmd->argv[1], central->path, cmd->argv[1]);
	if (*central->conf->serve_url)
		cmd_say(cmd, "its line for authorized_keys: tagship -C %s authorized-keys",
			central->path);
	return 0;
}

static void json_peer(JsonBuilder *json, const ConfPeer *peer, gint64 heard)
{
	json_builder_begin_object(json);
	json_builder_set_member_name(json, "base");
	json_builder_add_string_value(json, peer->name);
	json_builder_set_member_name(json, "zone");
	json_builder_add_string_value(json, peer->zone);
	json_builder_set_member_name(json, "apps");
	json_builder_begin_array(json);
	for (guint i = 0; peer->apps[i]; i++)
		json_builder_add_string_value(json, peer->apps[i]);
	json_builder_end_array(json);
	json_builder_set_member_name(json, "heard");
	g_autofree char *text = util_time_format_utc(heard);
	if (heard)
		json_builder_add_string_value(json, text);
	else
		json_builder_add_null_value(json);
	json_builder_end_object(json);
}

static int base_list(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 0, 0, error))
		return 2;
	g_autoptr(Central) central = central_open(cmd->dir, error);
	g_auto(GStrv) names = central ? conf_peer_names(central->dirfd, error) : NULL;
	if (!names)
		return 1;
	g_autoptr(JsonBuilder) json = json_builder_new();
	static const char *const heads[] = {"BASE", "ZONE", "GROUPS", "APPS", "HEARD", NULL};
	g_autoptr(CmdTable) table = cmd_table_new(heads);
	json_builder_begin_array(json);
	for (guint i = 0; names[i]; i++) {
		g_autoptr(ConfPeer) peer = conf_peer_load(central->dirfd, names[i], error);
		if (!peer)
			return 1;
		g_autofree char *groups = g_strjoinv(",", peer->groups);
		g_autofree char *apps = g_strjoinv(",", peer->apps);
		g_autoptr(UtilTrailers) contact = publish_contact(central, names[i]);
		gint64 heard = 0;
		if (contact)
			(void)util_trailers_need_time(contact, "Time", &heard, NULL); /* 0: never */
		g_autofree char *ago =
		    util_text_duration(util_clock_now_utc(central->clock) - heard);
		g_autofree char *text = heard ? g_strconcat(ago, " ago", NULL) : g_strdup("never");
		cmd_table_row(table, peer->name, peer->zone, groups, apps, text, NULL);
		json_peer(json, peer, heard);
	}
	json_builder_end_array(json);
	cmd_print_list(cmd, json, table);
	return 0;
}

static int base_show(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 1, 1, error))
		return 2;
	g_autoptr(Central) central = central_open(cmd->dir, error);
	g_autoptr(ConfPeer) peer =
	    central ? conf_peer_load(central->dirfd, cmd->argv[1], error) : NULL;
	if (!peer)
		return 1;
	g_autofree char *path = g_strdup_printf("bases.d/%s.cfg", peer->name);
	g_autofree char *text = NULL;
	if (!util_fs_read_file(central->dirfd, path, 1024 * 1024, &text, NULL, error))
		return 1;
	g_print("# %s/%s\n%s", central->path, path, text);
	g_autoptr(UtilTrailers) contact = publish_contact(central, peer->name);
	g_autofree char *said = contact ? util_trailers_format(contact) : g_strdup("never\n");
	g_print("# last contact:\n%s", said);
	return 0;
}

/* The same base, with another key. */
static int change_key(Cmd *cmd, Central *central, const ConfPeer *peer, GError **error)
{
	if (!conf_peer_replace(central->dirfd, peer, error))
		return 1;
	cmd_say(cmd,
		"base %s has a new key; its old one is refused from now on. At the base: "
		"tagship-base key finish",
		peer->name);
	cmd_say(cmd, "its line for authorized_keys: tagship -C %s authorized-keys", central->path);
	return 0;
}

static int base_key(Cmd *cmd, GError **error)
{
	g_autofree char *key_text = NULL;
	gboolean replace = FALSE;
	const GOptionEntry own[] = {
	    {"replace", 0, 0, G_OPTION_ARG_NONE, &replace, "New hardware: a new incarnation", NULL},
	    {"key", 0, 0, G_OPTION_ARG_STRING, &key_text, "The new public key", "KEY"},
	    G_OPTION_ENTRY_NULL};
	if (!cmd_options(cmd, own, 1, 1, error))
		return 2;
	g_autoptr(Central) central = central_open(cmd->dir, error);
	g_autoptr(ConfPeer) peer =
	    central ? conf_peer_load(central->dirfd, cmd->argv[1], error) : NULL;
	if (!peer)
		return 1;
	if (!replace && !key_text) {
		g_print("%s\n", peer->key);
		return 0;
	}
	char *key = key_text ? cmd_key_argument(key_text, error) : NULL;
	if (!key) {
		if (!key_text)
			util_error_set(error, TS_ERROR_USAGE,
				       "usage: tagship base key NAME --replace --key KEY");
		return 2;
	}
	g_free(peer->key);
	peer->key = key;
	if (!replace)
		return change_key(cmd, central, peer, error);
	peer->incarnation++;
	if (!conf_peer_replace(central->dirfd, peer, error) ||
	    !settle(cmd, central, peer->name, peer->apps, error))
		return 1;
	cmd_say(cmd,
		"on the new hardware: echo %" G_GINT64_FORMAT
		" > ROOT/incarnation (or tagship-base "
		"init --incarnation)",
		peer->incarnation);
	cmd_say(cmd,
		"base %s has a new key (incarnation %" G_GINT64_FORMAT
		"); its old key is refused from now on",
		peer->name, peer->incarnation);
	return 0;
}

static int base_remove(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 1, 1, error))
		return 2;
	g_autoptr(Central) central = central_open(cmd->dir, error);
	if (!central || !util_name_check("base", cmd->argv[1], error) ||
	    !conf_peer_remove(central->dirfd, cmd->argv[1], error))
		return 1;
	cmd_say(cmd, "base %s is removed; its ledger stays in %s/ledger", cmd->argv[1],
		central->path);
	return 0;
}

int cmd_base(Cmd *cmd, GError **error)
{
	static const CmdVerb verbs[] = {{"add", base_add},       {"list", base_list},
					{"show", base_show},     {"key", base_key},
					{"remove", base_remove}, {NULL, NULL}};
	return cmd_verb(cmd, verbs, error);
}
