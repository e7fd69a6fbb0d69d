/* SPDX-License-Identifier: ISC */
#include <signal.h>
#include <unistd.h>

#include "cmd/serve.h"
#include "cmd/tagship/tagship.h"

typedef struct {
	const Cmd *cmd;
	int state_dirfd;
} Served;

/* A verb may have left a hint, releases wait for central's word, or a ledger is owed something;
 * where hooks start the worker, so do we. */
static void poke_worker(int status, gpointer user_data)
{
	const Served *served = user_data;
	const Cmd *cmd = served->cmd;
	int state_dirfd = served->state_dirfd;
	(void)status; /* a refused verb tells no less of what waits */
	g_autoptr(ConfCentral) conf = NULL;
	g_autoptr(GError) error = NULL;
	if (faccessat(state_dirfd, "queue/wake", F_OK, 0) != 0 &&
	    faccessat(state_dirfd, "queue/gates", F_OK, 0) != 0 &&
	    faccessat(state_dirfd, "queue/fan-out", F_OK, 0) != 0)
		return;
	conf = conf_central_load(state_dirfd, &error);
	if (!conf || strcmp(conf->worker, "hook") != 0 ||
	    util_fs_locked(state_dirfd, "worker.lock"))
		return;
	g_autofree char *program = cmd_sibling("tagship", TAGSHIP_BINDIR);
	const char *argv[] = {program, "-C", cmd->dir, "worker", "--once", NULL};
	if (!util_child_detach(argv, &error))
		g_printerr("tagship serve: %s\n", error->message);
}

int cmd_serve(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 1, 1, error))
		return 2;
	const char *verb = g_getenv("SSH_ORIGINAL_COMMAND");
	if (!verb) {
		util_error_set(error, TS_ERROR_USAGE,
			       "this answers tagship-base over ssh; there is no shell here");
		return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN); /* a base that went away is an error, not a death */
	util_autofd int state = store_open_state(cmd->dir, error);
	g_autoptr(ConfPeer) peer = state >= 0 ? conf_peer_load(state, cmd->argv[1], error) : NULL;
	if (!peer)
		return 1;
	g_autofree char *own_key = publish_key_public(state, PUBLISH_KEY ".pub");
	g_autoptr(TrustKeys) own_keys = publish_own_keys(state, own_key);
	ServeSpec spec = {.state_path = cmd->dir,
			  .own_keys = own_keys,
			  .own_key = own_key,
			  .base = peer->name,
			  .base_key = peer->key,
			  .incarnation = peer->incarnation,
			  .clock = util_clock_system(),
			  .state_dirfd = state};
	Served about = {cmd, state};
	CmdServed served = {poke_worker, &about};
	return cmd_serve_verb(cmd, &spec, verb, &served, error);
}

int cmd_authorized_keys(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 0, 2, error))
		return 2;
	g_autoptr(Central) central = central_open(cmd->dir, error);
	g_auto(GStrv) names = central ? conf_peer_names(central->dirfd, error) : NULL;
	if (!names)
		return 1;
	g_autofree char *program = cmd_sibling("tagship", TAGSHIP_BINDIR);
	for (guint i = 0; names[i]; i++) {
		g_autoptr(ConfPeer) peer = conf_peer_load(central->dirfd, names[i], error);
		if (!peer)
			return 1;
		g_print("restrict,command=\"%s -C %s serve %s\" %s %s\n", program, central->path,
			peer->name, peer->key, peer->name);
	}
	return 0;
}
