/* SPDX-License-Identifier: ISC */
/* Opening and making repositories, and libgit2's errors as ours. */
#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "repo/repo-private.h"

/* Left-over temporary files of libgit2, which `git gc` does not know, go after this time. */
#define SWEEP_AGE_S (24 * 3600)

static TsErrorCode code_of_class(const git_error *last)
{
	if (!last)
		return TS_ERROR_FAILED;
	if (last->message && strstr(last->message, g_strerror(ENOSPC)))
		return TS_ERROR_NO_SPACE;
	switch (last->klass) {
	case GIT_ERROR_ZLIB:
	case GIT_ERROR_ODB:
	case GIT_ERROR_OBJECT:
	case GIT_ERROR_TREE:
	case GIT_ERROR_TAG:
	case GIT_ERROR_INDEXER:
	case GIT_ERROR_REFERENCE:
		return TS_ERROR_CORRUPT;
	default: /* libgit2's enum, not ours */
		return TS_ERROR_FAILED;
	}
}

static TsErrorCode code_of(int code, const git_error *last)
{
	switch (code) {
	case GIT_ENOTFOUND:
		return TS_ERROR_NOT_FOUND;
	case GIT_EEXISTS:
		return TS_ERROR_EXISTS;
	case GIT_EMODIFIED:
	case GIT_ELOCKED:
		return TS_ERROR_AGAIN;
	case GIT_EMISMATCH:
		return TS_ERROR_CORRUPT;
	case GIT_EINVALIDSPEC:
	case GIT_EINVALID:
		return TS_ERROR_USAGE;
	default: /* libgit2's enum, not ours */
		return code_of_class(last);
	}
}

gboolean repo_error(GError **error, int code, const char *format, ...)
{
	const git_error *last = git_error_last();
	g_autofree char *context = NULL;
	va_list args;

	va_start(args, format);
	context = g_strdup_vprintf(format, args);
	va_end(args);
	g_set_error(error, TS_ERROR, code_of(code, last), "%s: %s", context,
		    last && last->message ? last->message : "libgit2 gives no reason");
	git_error_clear();
	return FALSE;
}

gboolean repo_oid_parse(const char *hex, git_oid *ret_oid, GError **error)
{
	if (!hex || !util_oid_hex_ok(hex) || git_oid_fromstr(ret_oid, hex) < 0) {
		g_autofree char *shown = util_text_printable(hex ? hex : "", -1);

		return util_error_set(error, TS_ERROR_USAGE,
				      "'%s' is not a git object id of 40 lower-case hex digits",
				      shown);
	}
	return TRUE;
}

void repo_oid_text(const git_oid *oid, char ret_hex[REPO_OID])
{
	(void)git_oid_tostr(ret_hex, REPO_OID, oid); /* returns ret_hex */
}

static void library_begin(void)
{
	(void)git_libgit2_init(); /* counts its callers; cannot fail once the process runs */
	(void)git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 1);
}

static char *user_name(uid_t uid)
{
	struct passwd entry;
	struct passwd *found = NULL;
	char buffer[4096];

	if (getpwuid_r(uid, &entry, buffer, sizeof buffer, &found) == 0 && found)
		return g_strdup_printf("%s (uid %u)", found->pw_name, (unsigned)uid);
	return g_strdup_printf("uid %u", (unsigned)uid);
}

/* Says why libgit2 would not open: most often nothing is there, or it belongs to another user. */
static gboolean open_error(GError **error, int code, const char *path)
{
	g_autofree char *git_dir = g_build_filename(path, ".git", NULL);
	g_autofree char *real = realpath(path, NULL);
	struct stat st, inner;

	if (stat(path, &st) < 0)
		return util_error_errno(error, errno, "cannot open the repository %s", path);
	if (st.st_uid == geteuid() && stat(git_dir, &inner) == 0)
		st = inner; /* a work tree */
	if (st.st_uid != geteuid() && (code == GIT_EOWNER || code == GIT_ENOTFOUND)) {
		g_autofree char *owner = user_name(st.st_uid);
		g_autofree char *we = user_name(geteuid());

		git_error_clear();
		return util_error_set(
		    error, TS_ERROR_FAILED,
		    "the repository %s belongs to %s, and this runs as %s: git trusts "
		    "no repository of another user; run as its owner, or as %s once: "
		    "git config --global --add safe.directory %s",
		    path, owner, we, we, real ? real : path);
	}
	return repo_error(error, code, "cannot open the repository %s", path);
}

static Repo *repo_take(git_repository *git, gboolean in_hook, GError **error)
{
	Repo *repo = g_new0(Repo, 1);
	gsize len;

	repo->git = git;
	repo->in_hook = in_hook;
	repo->path = g_strdup(git_repository_path(git));
	len = strlen(repo->path);
	while (len > 1 && repo->path[len - 1] == '/')
		repo->path[--len] = '\0';
	repo->dirfd = util_fs_open_dir(AT_FDCWD, repo->path, error);
	if (repo->dirfd < 0)
		g_clear_pointer(&repo, repo_free);
	return repo;
}

Repo *repo_open(const char *path, GError **error)
{
	git_repository *git = NULL;
	int code;

	library_begin();
	code = git_repository_open_ext(&git, path, GIT_REPOSITORY_OPEN_NO_SEARCH, NULL);
	if (code < 0) {
		(void)open_error(error, code, path);
		(void)git_libgit2_shutdown(); /* the count of library_begin */
		return NULL;
	}
	return repo_take(git, FALSE, error);
}

Repo *repo_open_in_hook(GError **error)
{
	git_repository *git = NULL;
	int code;

	library_begin();
	code = git_repository_open_ext(&git, NULL, GIT_REPOSITORY_OPEN_FROM_ENV, NULL);
	if (code < 0) {
		(void)open_error(error, code, "."); /* git runs hooks in the git folder */
		(void)git_libgit2_shutdown();       /* the count of library_begin */
		return NULL;
	}
	return repo_take(git, TRUE, error);
}

/* core.fsync is the last: where it is set, all is, and all is on the disk. */
static gboolean repo_configure(Repo *repo, GError **error)
{
	g_auto(GStrv) fsync_is = repo_config_get(repo, "core.fsync", error);

	if (!fsync_is)
		return FALSE;
	/* the lock is of whoever made the repository and was killed before it was removed */
	return g_strcmp0(fsync_is[0], "all") == 0 ||
	       (util_fs_unlink(repo->dirfd, "HEAD.lock", error) &&
		repo_config_set(repo, "core.logAllRefUpdates", "false", error) &&
		repo_config_set(repo, "gc.auto", "0", error) &&
		util_fs_syncfs(repo->dirfd, error) &&
		repo_config_set(repo, "core.fsync", "all", error));
}

static void sweep_folder(Repo *repo, const char *folder)
{
	g_autoptr(GPtrArray) names = util_fs_list(repo->dirfd, folder, NULL);
	gint64 now = util_clock_now_utc(util_clock_system());

	for (guint i = 0; names && i < names->len; i++) {
		const char *name = g_ptr_array_index(names, i);
		g_autofree char *path = g_build_filename(folder, name, NULL);
		struct stat st;

		if (!strstr(name, "_git2_") ||
		    (!g_str_has_prefix(name, "pack_") && !g_str_has_prefix(name, "tmp_object_") &&
		     !g_str_has_prefix(name, "_git2_")))
			continue;
		if (fstatat(repo->dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode)) && st.st_mtime < now - SWEEP_AGE_S)
			(void)util_fs_unlink(repo->dirfd, path, NULL); /* only litter stays */
	}
}

/* What git repack was killed at while it wrote what dumb transports read. */
static void sweep_info(Repo *repo, const char *folder, const char *prefix)
{
	g_autoptr(GPtrArray) names = util_fs_list(repo->dirfd, folder, NULL);
	gint64 now = util_clock_now_utc(util_clock_system());

	for (guint i = 0; names && i < names->len; i++) {
		const char *name = names->pdata[i];
		g_autofree char *path = g_build_filename(folder, name, NULL);
		struct stat st;

		if (g_str_has_prefix(name, prefix) && strlen(name) == strlen(prefix) + 6 &&
		    fstatat(repo->dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode) && st.st_mtime < now - SWEEP_AGE_S)
			(void)util_fs_unlink(repo->dirfd, path, NULL); /* only litter stays */
	}
}

/* libgit2 makes these by a lock and a rename, and syncs neither: after a crash the lock may be
 * left, or nothing be in the file. Nobody else writes, for it is no repository yet. */
static gboolean clear_half_made(const char *path, GError **error)
{
	static const char *const files[] = {"config", "HEAD"};
	util_autofd int dirfd = -1;

	if (access(path, F_OK) < 0)
		return TRUE;
	dirfd = util_fs_open_dir(AT_FDCWD, path, error);
	for (gsize i = 0; dirfd >= 0 && i < G_N_ELEMENTS(files); i++) {
		g_autofree char *lock = g_strconcat(files[i], ".lock", NULL);
		struct stat st;
		gboolean empty = fstatat(dirfd, files[i], &st, 0) == 0 && st.st_size == 0;

		if (!util_fs_unlink(dirfd, lock, error) ||
		    (empty && !util_fs_unlink(dirfd, files[i], error)))
			return FALSE;
	}
	return dirfd >= 0;
}

static gboolean repo_init(const char *path, GError **error)
{
	git_repository_init_options options;
	git_repository *git = NULL;
	int code;

	/* fails only for another version of libgit2 than we were built with */
	(void)git_repository_init_options_init(&options, GIT_REPOSITORY_INIT_OPTIONS_VERSION);
	options.flags = GIT_REPOSITORY_INIT_BARE | GIT_REPOSITORY_INIT_MKPATH;
	options.mode = GIT_REPOSITORY_INIT_SHARED_UMASK;
	options.initial_head = "main";
	if (!clear_half_made(path, error))
		return FALSE;
	library_begin();
	code = git_repository_init_ext(&git, path, &options);
	if (code < 0)
		(void)repo_error(error, code, "cannot make the repository %s", path);
	git_repository_free(git);
	(void)git_libgit2_shutdown(); /* the count of library_begin */
	return code >= 0;
}

/* A crash may have left anything between an empty folder and a whole repository. */
static gboolean repo_is_whole(const char *path)
{
	static const char *const parts[] = {"HEAD", "config", "objects", "refs"};

	for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
		g_autofree char *part = g_build_filename(path, parts[i], NULL);
		struct stat st;

		if (stat(part, &st) < 0 || (S_ISREG(st.st_mode) && st.st_size == 0))
			return FALSE;
	}
	return TRUE;
}

Repo *repo_create(const char *path, GError **error)
{
	g_autoptr(Repo) repo = NULL;

	if (!repo_is_whole(path) && !repo_init(path, error))
		return NULL;
	repo = repo_open(path, error);
	if (!repo || !repo_configure(repo, error))
		return NULL;
	sweep_folder(repo, ".");
	(void)util_fs_sweep_tmp(repo->dirfd, ".", SWEEP_AGE_S, NULL); /* only litter stays */
	sweep_folder(repo, "objects");
	sweep_folder(repo, "objects/pack");
	sweep_info(repo, "info", "refs_");
	sweep_info(repo, "objects/info", "packs_");
	return g_steal_pointer(&repo);
}

void repo_free(Repo *repo)
{
	if (!repo)
		return;
	git_repository_free(repo->git);
	if (repo->dirfd >= 0)
		(void)close(repo->dirfd); /* a folder: nothing to lose */
	g_free(repo->path);
	g_free(repo);
	(void)git_libgit2_shutdown(); /* the count of library_begin */
}

const char *repo_path(Repo *repo)
{
	return repo->path;
}
