/* SPDX-License-Identifier: ISC */
/* The verb "watch": tells each new head of this base's orders, for as long as the base listens. */
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "serve/serve-private.h"

/* Where the kernel watches no more folders for us (fs.inotify.max_user_instances). */
#define LOOK_MS 2000

/* The folder of the branch: a ref is linked or renamed into place. *ret_fd -1: we must look
 * ourselves. */
static gboolean watch_branches(Serve *serve, int *ret_fd, GError **error)
{
	g_autofree char *ledger = serve_place(serve)->path(serve->spec);
	g_autofree char *folder = g_path_get_dirname(serve_place(serve)->orders);
	g_autofree char *path = g_build_filename(ledger, folder, NULL);
	*ret_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (*ret_fd < 0)
		return TRUE;
	if (inotify_add_watch(*ret_fd, path, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) >= 0)
		return TRUE;
	int err = errno;
	util_closep(ret_fd);
	*ret_fd = -1;
	/* a base that was never at central has no such folder yet */
	return err == ENOENT || util_error_errno(error, err, "watching %s", path);
}

static gboolean read_head(Serve *serve, Repo *ledger, char ret_head[REPO_OID], GError **error)
{
	g_autoptr(GError) local = NULL;
	if (repo_ref_get(ledger, serve_place(serve)->orders, ret_head, &local))
		return TRUE;
	g_strlcpy(ret_head, "-", REPO_OID);
	if (g_error_matches(local, TS_ERROR, TS_ERROR_NOT_FOUND))
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&local));
	return FALSE;
}

static gboolean tell(Serve *serve, const char *head, GError **error)
{
	char line[REPO_OID + 1];
	g_snprintf(line, sizeof line, "%s\n", head);
	return serve->stream->write(serve->stream, line, strlen(line), error);
}

/* Sleeps until the branches change; *ret_over once the base has hung up. */
static gboolean sleep_until_moved(int inotify_fd, gboolean *ret_over, GError **error)
{
	char scratch[4096];
	struct pollfd fds[] = {{STDIN_FILENO, POLLIN, 0}, {inotify_fd, POLLIN, 0}};
	if (poll(fds, G_N_ELEMENTS(fds), inotify_fd < 0 ? LOOK_MS : -1) < 0 && errno != EINTR)
		return util_error_errno(error, errno, "poll");
	while (inotify_fd >= 0 && read(inotify_fd, scratch, sizeof scratch) > 0)
		continue;
	if (!fds[0].revents)
		return TRUE;
	*ret_over = TRUE;
	return read(STDIN_FILENO, scratch, 1) <= 0 ||
	       util_error_set(error, TS_ERROR_CORRUPT, "watch has no input");
}

/* Central makes it where nothing was ordered yet, so that there is a branch to watch. */
static Repo *open_ledger(Serve *serve, GError **error)
{
	const ServeSpec *spec = serve->spec;
	return spec->node ? serve_place(serve)->ledger(spec, error)
			  : ledger_create(spec->state_path, spec->base, error);
}

gboolean serve_watch(Serve *serve, const WireRequest *request, GError **error)
{
	char told[REPO_OID], head[REPO_OID];
	gboolean over = FALSE;
	g_autoptr(Repo) ledger = open_ledger(serve, error);
	util_autofd int fd = -1;
	if (!ledger || !watch_branches(serve, &fd, error) || !serve_ok(serve, -1, error))
		return FALSE;
	g_strlcpy(told, request->head, sizeof told);
	(void)malloc_trim(0); /* what it took to come so far is not needed to wait */
	while (!over) {
		if (!read_head(serve, ledger, head, error))
			return FALSE;
		if (strcmp(head, told) != 0 && strcmp(head, "-") != 0 && !tell(serve, head, error))
			return FALSE;
		g_strlcpy(told, head, sizeof told);
		if (!sleep_until_moved(fd, &over, error))
			return FALSE;
	}
	return TRUE;
}
