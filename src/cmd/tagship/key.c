/* SPDX-License-Identifier: ISC */
/* Central's signing key, and the recovery key that is kept off line. */
#include "cmd/tagship/tagship.h"

#define STATEMENT_MAX 8192

/* ---- list ---- */

static void add_change(JsonBuilder *json, const TrustChange *change)
{
	g_autofree char *when = util_time_format_utc(change->statement->written_utc);
	json_builder_begin_object(json);
	json_builder_set_member_name(json, "written");
	json_builder_add_string_value(json, when);
	json_builder_set_member_name(json, "change");
	json_builder_add_string_value(json,
				      change->statement->replaces ? "rotation" : "revocation");
	json_builder_set_member_name(json, "key");
	json_builder_add_string_value(json, change->statement->key);
	json_builder_end_object(json);
}

static void add_member(JsonBuilder *json, const char *name, const char *value)
{
	json_builder_set_member_name(json, name);
	if (value)
		json_builder_add_string_value(json, value);
	else
		json_builder_add_null_value(json);
}

static void list_json(const char *key, const char *recovery, const GPtrArray *history)
{
	g_autoptr(JsonBuilder) json = json_builder_new();
	json_builder_begin_object(json);
	add_member(json, "key", key);
	add_member(json, "recovery", recovery);
	json_builder_set_member_name(json, "history");
	json_builder_begin_array(json);
	for (guint i = 0; i < history->len; i++)
		add_change(json, history->pdata[i]);
	json_builder_end_array(json);
	json_builder_end_object(json);
	cmd_print_json(json);
}

static gboolean say_untold(Central *central, GError **error)
{
	g_auto(GStrv) bases = conf_peer_names(central->dirfd, error);
	for (guint i = 0; bases && bases[i]; i++) {
		guint lacks = 0;
		g_autoptr(GError) failed = NULL;
		if (!publish_key_told(central, bases[i], &lacks, &failed) &&
		    !g_error_matches(failed, TS_ERROR, TS_ERROR_NOT_FOUND))
			g_print("! base %s: %s\n", bases[i], failed->message);
		if (lacks > 0)
			g_print("! base %s: its ledger lacks %u changes; the worker tries again\n",
				bases[i], lacks);
	}
	return bases != NULL;
}

static int key_list(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 0, 0, error))
		return 2;
	g_autoptr(Central) central = central_open(cmd->dir, error);
	g_autoptr(GPtrArray) history = central ? publish_key_history(central, error) : NULL;
	g_autofree char *key = history ? util_sshsig_public_key(central->key_file, error) : NULL;
	if (!key)
		return 1;
	g_autofree char *recovery = publish_key_recovery(central);
	if (cmd->json) {
		list_json(key, recovery, history);
		return 0;
	}
	g_print("signs now: %s\nrecovery:  %s\n", key, recovery ? recovery : "none");
	for (guint i = 0; i < history->len; i++) {
		const TrustStatement *statement =
		    ((const TrustChange *)history->pdata[i])->statement;
		g_autofree char *when = util_time_format_utc(statement->written_utc);
		g_print("%s %s %s\n", when, statement->replaces ? "rotated to" : "revoked for",
			statement->key);
	}
	return say_untold(central, error) ? 0 : 1;
}

/* ---- changes ---- */

static int say_new_key(Cmd *cmd, Central *central, GError **error)
{
	g_autofree char *key = util_sshsig_public_key(central->key_file, error);
	if (!key)
		return 1;
	cmd_say(cmd, "central signs with this key now; bases follow when they read their ledger:");
	g_print("%s\n", key);
	cmd_say(cmd, "join lines of before hold the old one; \"tagship init\" prints the new one");
	if (publish_is_owed(central))
		cmd_say(cmd, "not every ledger could be told; the worker tries again (tagship key "
			     "list)");
	return cmd_poke_worker(central, error) ? 0 : 1;
}

static int key_rotate(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 0, 0, error))
		return 2;
	g_autoptr(Central) central = central_open(cmd->dir, error);
	if (!central || !publish_key_rotate(central, error))
		return central ? util_error_exit_status(*error) : 1;
	return say_new_key(cmd, central, error);
}

static int write_revocation(Cmd *cmd, Central *central, const char *path, GError **error)
{
	g_autofree char *text = publish_key_revocation(central, error);
	if (!text)
		return util_error_exit_status(*error);
	if (!util_fs_create_file(AT_FDCWD, path, text, strlen(text), 0644, error))
		return 1;
	cmd_say(cmd,
		"%s revokes the keys there were and names a new one. Nothing has changed yet.\n"
		"Where the recovery key is:  ssh-keygen -Y sign -n " TRUST_KEYS_NS
		" -f RECOVERY-KEY %s\n"
		"Then here, with %s.sig beside it:  tagship key revoke --signed %s",
		path, path, path, path);
	return 0;
}

static int take_revocation(Cmd *cmd, Central *central, const char *path, GError **error)
{
	g_autofree char *sig_path = g_strconcat(path, ".sig", NULL);
	g_autofree char *text = NULL, *signature = NULL;
	if (!util_fs_read_file(AT_FDCWD, path, STATEMENT_MAX, &text, NULL, error) ||
	    !util_fs_read_file(AT_FDCWD, sig_path, STATEMENT_MAX, &signature, NULL, error))
		return 1;
	if (!publish_key_revoke(central, text, signature, error))
		return util_error_exit_status(*error);
	return say_new_key(cmd, central, error);
}

static int key_revoke(Cmd *cmd, GError **error)
{
	gboolean is_signed = FALSE;
	const GOptionEntry own[] = {
	    {"signed", 0, 0, G_OPTION_ARG_NONE, &is_signed,
	     "FILE was signed with the recovery key, FILE.sig is beside it: revoke now", NULL},
	    G_OPTION_ENTRY_NULL};
	if (!cmd_options(cmd, own, 1, 1, error))
		return 2;
	g_autoptr(Central) central = central_open(cmd->dir, error);
	if (!central)
		return 1;
	return is_signed ? take_revocation(cmd, central, cmd->argv[1], error)
			 : write_revocation(cmd, central, cmd->argv[1], error);
}

gboolean cmd_pin_recovery(const char *dir, const char *file, GError **error)
{
	g_autofree char *key = cmd_key_of_file(file);
	g_autofree char *path = g_build_filename(dir, PUBLISH_RECOVERY ".pub", NULL);
	if (!key)
		return util_error_set(error, TS_ERROR_USAGE, "%s: not an ed25519 public key file",
				      file);
	g_autofree char *line = g_strconcat(key, "\n", NULL);
	return util_fs_write_file(AT_FDCWD, path, line, strlen(line), 0644, error);
}

static int key_recovery(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 1, 1, error))
		return 2;
	g_autoptr(Central) central = central_open(cmd->dir, error);
	if (!central || !cmd_pin_recovery(central->path, cmd->argv[1], error))
		return 1;
	g_autofree char *key = publish_key_recovery(central);
	cmd_say(cmd,
		"new bases get it with their join line; in base.cfg of those there are, write");
	g_print("recovery_keys = [ \"%s\" ];\n", key);
	return 0;
}

int cmd_key(Cmd *cmd, GError **error)
{
	static const CmdVerb verbs[] = {{"list", key_list},
					{"rotate", key_rotate},
					{"revoke", key_revoke},
					{"recovery", key_recovery},
					{NULL, NULL}};
	return cmd_verb(cmd, verbs, error);
}
