/* SPDX-License-Identifier: ISC */
/* The verb "git-upload-pack": git itself takes over descriptors 0 and 1. */
#include <errno.h>
#include <glib-unix.h>
#include <unistd.h>

#include "serve/serve-private.h"

#define TIMEOUT_S "60"
#define ERR_MAX 1000

static const char *const git_paths[] = {"/usr/local/bin/git", "/usr/bin/git", "/bin/git"};

/* Only the two branches exist for a base; no configuration but the repository's own is read. */
static gboolean exec_git(const char *repo, GError **error)
{
	const char *argv[] = {"git",
			      "-c",
			      "transfer.hideRefs=refs",
			      "-c",
			      "transfer.hideRefs=HEAD",
			      "-c",
			      "transfer.hideRefs=!" LEDGER_ORDERS,
			      "-c",
			      "transfer.hideRefs=!" LEDGER_REPORTS,
			      "upload-pack",
			      "--strict",
			      "--timeout=" TIMEOUT_S,
			      repo,
			      NULL};
	const char *env[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8",
			     "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", NULL};
	int err = ENOENT;
	for (guint i = 0; i < G_N_ELEMENTS(git_paths); i++) {
		/* execve's prototype predates const; it changes neither list */
		(void)execve(git_paths[i], (char *const *)(gpointer)argv,
			     (char *const *)(gpointer)env);
		if (errno != ENOENT)
			err = errno;
	}
	return util_error_errno(error, err, "cannot run git; is it installed in /usr/bin?");
}

void serve_upload_pack_err(UtilStream *stream, const GError *reply)
{
	g_autofree char *printable = util_text_printable(reply->message, -1);
	g_autofree char *text = g_strndup(printable, ERR_MAX);
	g_autofree char *packet = g_strdup_printf("%04x"
						  "ERR %s",
						  (guint)(strlen(text) + 8), text);
	(void)util_stream_puts(stream, packet, NULL); /* the peer may be gone */
}

static gboolean hand_over(Serve *serve, GError **error)
{
	const ServePlace *place = serve_place(serve);
	g_autofree char *path = place->path(serve->spec);
	/* opened and closed: a missing or damaged ledger gets our words, not git's */
	g_autoptr(Repo) ledger = place->ledger(serve->spec, error);
	if (!ledger || (place->show && !place->show(ledger, error)))
		return FALSE;
	if (!g_path_is_absolute(path))
		return util_error_set(error, TS_ERROR_USAGE,
				      "the state folder must be given by an absolute path");
	/* git waits in read and write; sockets of ours may be non-blocking */
	return g_unix_set_fd_nonblocking(STDIN_FILENO, FALSE, error) &&
	       g_unix_set_fd_nonblocking(STDOUT_FILENO, FALSE, error) && exec_git(path, error);
}

gboolean serve_upload_pack(Serve *serve, const WireRequest *request, GError **error)
{
	(void)request; /* a path in it is ignored: identity decides */
	return hand_over(serve, error);
}
