/* SPDX-License-Identifier: ISC */
/*
 * The servers of this base's site: their enrolment, and the other end of their line. They speak to
 * this base as it speaks to central.
 */
#include "cmd/serve.h"
#include "cmd/tagship-base/base.h"
#include "cmd/tagship-base/nodes.h"
#include "cmd/tagship-base/poke.h"

#define EXIT_AGAIN 5 /* of a verb that is answered with TS_ERROR_AGAIN */

static int node_add(Cmd *cmd, GError **error)
{
	g_autofree char *key_text = NULL;
	gboolean replace = FALSE;
	const GOptionEntry own[] = {
	    {"key", 0, 0, G_OPTION_ARG_STRING, &key_text, "The node's public key", "KEY"},
	    {"replace", 0, 0, G_OPTION_ARG_NONE, &replace, "New hardware: a new key", NULL},
	    G_OPTION_ENTRY_NULL};
	if (!cmd_options(cmd, own, 1, 1, error))
		return 2;
	if (!key_text) {
		util_error_set(error, TS_ERROR_USAGE,
			       "usage: tagship-base node add NAME --key KEY");
		return 2;
	}
	g_autoptr(Base) base = base_open(cmd, error);
	g_autofree char *key = base ? cmd_key_argument(key_text, error) : NULL;
	if (!key || !site_node_add(base->dirfd, cmd->argv[1], key, replace, error))
		return 1;
	cmd_say(cmd, "node %s; its line for authorized_keys: tagship-base -C %s authorized-keys",
		cmd->argv[1], base->root);
	return 0;
}

static int node_remove(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 1, 1, error))
		return 2;
	g_autoptr(Base) base = base_open(cmd, error);
	if (!base || !site_node_remove(base->dirfd, cmd->argv[1], error))
		return 1;
	cmd_say(cmd, "node %s is removed", cmd->argv[1]);
	return 0;
}

static int node_list(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 0, 0, error))
		return 2;
	g_autoptr(Base) base = base_open(cmd, error);
	g_autoptr(GPtrArray) nodes = base ? site_nodes(base->dirfd, error) : NULL;
	if (!nodes)
		return 1;
	if (cmd->json) {
		g_autoptr(JsonBuilder) json = json_builder_new();
		base_nodes_json(base, nodes, json);
		cmd_print_json(json);
	} else {
		base_nodes_print(base, nodes);
	}
	return 0;
}

static int node_join(Cmd *cmd, GError **error)
{
	g_autofree char *url = NULL, *file = NULL;
	const GOptionEntry own[] = {
	    {"url", 0, 0, G_OPTION_ARG_STRING, &url,
	     "How nodes reach this base: ssh://user@host[:port] (default: the folder's path)",
	     "URL"},
	    {"host-key", 0, 0, G_OPTION_ARG_FILENAME, &file,
	     "This machine's public ssh host key (default: " CMD_HOST_KEY ")", "FILE"},
	    G_OPTION_ENTRY_NULL};
	if (!cmd_options(cmd, own, 0, 0, error))
		return 2;
	g_autoptr(Base) base = base_open(cmd, error);
	if (!base)
		return 1;
	g_autofree char *host = url ? cmd_key_of_file(file ? file : CMD_HOST_KEY) : NULL;
	if (url && !host) {
		util_error_set(error, TS_ERROR_NOT_FOUND, "%s: not an ed25519 public key file",
			       file ? file : CMD_HOST_KEY);
		return 1;
	}
	g_autofree char *join = cmd_join_text(url ? url : base->root, base->conf->central_keys[0],
					      host, base->conf->recovery_keys[0]);
	cmd_say(cmd, "on each node, run:");
	g_print("tagship-base init %s --node NODE --join '%s'\n", base->conf->name, join);
	return 0;
}

int base_node(Cmd *cmd, GError **error)
{
	static const CmdVerb verbs[] = {{"add", node_add},
					{"list", node_list},
					{"remove", node_remove},
					{"join", node_join},
					{NULL, NULL}};
	return cmd_verb(cmd, verbs, error);
}

typedef struct {
	const Base *base;
	const char *verb;
} Served;

/* Our own pull fetches what the node lacks, and tells what it did. */
static void poke_pull(int status, gpointer user_data)
{
	const Served *served = user_data;
	if (status == EXIT_AGAIN || (status == 0 && strcmp(served->verb, "report") == 0 &&
				     base_nodes_have_news(served->base)))
		base_poke(served->base);
}

int base_serve(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 1, 1, error))
		return 2;
	const char *verb = g_getenv("SSH_ORIGINAL_COMMAND");
	if (!verb) {
		util_error_set(error, TS_ERROR_USAGE,
			       "this answers the nodes of this base's site over ssh; there is no "
			       "shell here");
		return 2;
	}
	g_autoptr(Base) base = base_open(cmd, error);
	g_autofree char *key = base ? site_node_key(base->dirfd, cmd->argv[1], error) : NULL;
	if (!key)
		return 1;
	ServeSpec spec = {.state_path = base->root,
			  .base = base->conf->name,
			  .node = cmd->argv[1],
			  .base_key = key,
			  .clock = base->clock,
			  .state_dirfd = base->dirfd};
	Served about = {base, verb};
	CmdServed served = {poke_pull, &about};
	return cmd_serve_verb(cmd, &spec, verb, &served, error);
}

int base_authorized_keys(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 0, 2, error))
		return 2;
	g_autoptr(Base) base = base_open(cmd, error);
	g_auto(GStrv) names = base ? site_node_names(base->dirfd, error) : NULL;
	if (!names)
		return 1;
	g_autofree char *program = cmd_sibling("tagship-base", TAGSHIP_BINDIR);
	for (guint i = 0; names[i]; i++) {
		g_autofree char *key = site_node_key(base->dirfd, names[i], error);
		if (!key)
			return 1;
		g_print("restrict,command=\"%s -C %s serve %s\" %s %s\n", program, base->root,
			names[i], key, names[i]);
	}
	return 0;
}
