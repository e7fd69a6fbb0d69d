/* SPDX-License-Identifier: ISC */
/*
 * A commit's files into a folder, written from the objects themselves: no filters, no attributes,
 * no hooks. What a build left there is not trusted: every name is opened beneath the folder, never
 * through a link. A file that already has the right content and mode is not touched, so that its
 * mtime stays.
 *
 * With prune, DEST/../.tagship-checkout-NAME lists the files that checkouts made. It is written
 * before the first file, as the union of old and new, and after the last as the new ones: after a
 * crash the next checkout still knows them all. Workspaces are not synced: they can be made again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "repo/repo-private.h"

#define STATE_PREFIX ".tagship-checkout-"
#define STATE_HEADER "tagship-checkout 1\n"
#define STATE_MAX_BYTES ((gsize)512 * 1024 * 1024)
#define ENTRIES_MAX 1000000
#define PATH_MAX_BYTES 4000
#define LINK_MAX_BYTES 4095
#define CHUNK_BYTES (256 * 1024)

typedef struct {
	char *path;
	git_oid id;
	git_filemode_t mode;
} Item;

typedef struct {
	Repo *repo;
	git_odb *odb;
	GPtrArray *items;  /* Item: folders before what is in them */
	GHashTable *files; /* paths of all but folders, owned by the items */
	int dirfd;         /* the folder */
	int state_dirfd;   /* the one above */
	char *state_name;
} Checkout;

static void item_free(gpointer data)
{
	Item *item = data;

	g_free(item->path);
	g_free(item);
}

static void checkout_clear(Checkout *checkout)
{
	git_odb_free(checkout->odb);
	g_clear_pointer(&checkout->files, g_hash_table_unref);
	g_clear_pointer(&checkout->items, g_ptr_array_unref);
	util_closep(&checkout->dirfd);
	util_closep(&checkout->state_dirfd);
	g_free(checkout->state_name);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Checkout, checkout_clear)

static gboolean item_add(Checkout *checkout, const char *prefix, const git_tree_entry *entry,
			 GError **error)
{
	const char *name = git_tree_entry_name(entry);
	Item *item;

	if (!repo_tree_name_ok(name) || strlen(prefix) + strlen(name) > PATH_MAX_BYTES) {
		g_autofree char *shown = util_text_printable(name, (gssize)strnlen(name, 80));

		return util_error_set(
		    error, TS_ERROR_REFUSED,
		    "the commit has a file that cannot be checked out: '%s' in '%s'", shown,
		    prefix);
	}
	if (checkout->items->len >= ENTRIES_MAX)
		return util_error_set(error, TS_ERROR_REFUSED, "the commit has more than %d files",
				      ENTRIES_MAX);
	item = g_new0(Item, 1);
	item->path = g_strconcat(prefix, name, NULL);
	item->mode = git_tree_entry_filemode(entry);
	git_oid_cpy(&item->id, git_tree_entry_id(entry));
	g_ptr_array_add(checkout->items, item);
	if (item->mode != GIT_FILEMODE_TREE)
		(void)g_hash_table_add(checkout->files, item->path); /* twice is once */
	return TRUE;
}

/* All of one tree; recursion ends at PATH_MAX_BYTES. */
static gboolean items_collect(Checkout *checkout, const git_oid *tree_id, const char *prefix,
			      GError **error)
{
	g_autoptr(git_tree) tree = NULL;
	int code = git_tree_lookup(&tree, checkout->repo->git, tree_id);

	if (code < 0)
		return repo_error(error, code, "cannot read the folder '%s' of the commit", prefix);
	for (gsize i = 0; i < git_tree_entrycount(tree); i++) {
		const git_tree_entry *entry = git_tree_entry_byindex(tree, i);
		g_autofree char *below = NULL;

		if (git_tree_entry_filemode(entry) == GIT_FILEMODE_COMMIT)
			continue; /* a submodule */
		if (!item_add(checkout, prefix, entry, error))
			return FALSE;
		if (git_tree_entry_filemode(entry) != GIT_FILEMODE_TREE)
			continue;
		below = g_strconcat(prefix, git_tree_entry_name(entry), "/", NULL);
		if (!items_collect(checkout, git_tree_entry_id(entry), below, error))
			return FALSE;
	}
	return TRUE;
}

/* Folder that holds `path`, and its last component. */
static int parent_open(int dirfd, const char *path, const char **ret_name, GError **error)
{
	const char *slash = strrchr(path, '/');
	g_autofree char *parent = slash ? g_strndup(path, (gsize)(slash - path)) : g_strdup(".");

	*ret_name = slash ? slash + 1 : path;
	return util_fs_open_beneath(dirfd, parent, O_RDONLY | O_DIRECTORY, 0, error);
}

static gboolean folder_make(int parent, const char *name, GError **error)
{
	struct stat st;

	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (S_ISDIR(st.st_mode))
			return TRUE;
		if (!util_fs_remove_tree(parent, name, error))
			return FALSE;
	}
	/* not util_fs_mkdir: a sync for each folder of a source tree buys nothing here */
	if (mkdirat(parent, name, 0755) < 0)
		return util_error_errno(error, errno, "cannot make the folder %s", name);
	return TRUE;
}

static gboolean hash_file(int fd, guint64 size, git_oid *ret_id)
{
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA1);
	g_autofree char *header = g_strdup_printf("blob %" G_GUINT64_FORMAT, size);
	g_autofree guint8 *chunk = g_malloc(CHUNK_BYTES);
	guint64 done = 0;

	g_checksum_update(sum, (const guchar *)header, (gssize)strlen(header) + 1);
	while (done < size) {
		gsize want = (gsize)MIN(size - done, (guint64)CHUNK_BYTES);

		if (!util_fs_pread_full(fd, chunk, want, done, NULL))
			return FALSE;
		g_checksum_update(sum, chunk, (gssize)want);
		done += want;
	}
	return git_oid_fromstr(ret_id, g_checksum_get_string(sum)) == 0;
}

static gboolean file_is_same(Checkout *checkout, int parent, const char *name, const Item *item,
			     mode_t mode)
{
	util_autofd int fd = -1;
	git_object_t type = GIT_OBJECT_INVALID;
	struct stat st;
	git_oid id;
	size_t size = 0;

	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
	    (st.st_mode & 07777) != mode)
		return FALSE;
	if (git_odb_read_header(&size, &type, checkout->odb, &item->id) < 0) {
		git_error_clear();
		return FALSE;
	}
	if ((guint64)st.st_size != size)
		return FALSE;
	fd = util_fs_open_beneath(parent, name, O_RDONLY, 0, NULL);
	return fd >= 0 && hash_file(fd, size, &id) && git_oid_equal(&id, &item->id);
}

static gboolean file_write(Checkout *checkout, int parent, const char *name, const Item *item,
			   mode_t mode, GError **error)
{
	guint8 sha256[UTIL_SHA256_BYTES];
	char oid[REPO_OID];
	guint64 len = 0;
	int fd;

	repo_oid_text(&item->id, oid);
	if (!util_fs_remove_tree(parent, name, error))
		return FALSE;
	fd = util_fs_open_beneath(parent, name, O_WRONLY | O_CREAT | O_EXCL, 0600, error);
	if (fd < 0)
		return FALSE;
	if (!repo_blob_read_fd(checkout->repo, oid, fd, sha256, &len, error)) {
		(void)close(fd); /* an error is set already */
		return FALSE;
	}
	if (fchmod(fd, mode) < 0) {
		(void)util_error_errno(error, errno, "cannot set the mode of a file");
		(void)close(fd); /* an error is set already */
		return FALSE;
	}
	return g_close(fd, error);
}

static gboolean link_write(Checkout *checkout, int parent, const char *name, const Item *item,
			   GError **error)
{
	g_autoptr(GBytes) bytes = NULL;
	g_autofree char *target = NULL;
	g_autofree char *now = util_fs_readlink(parent, name, NULL);
	char oid[REPO_OID];
	gsize len = 0;
	const char *data;

	repo_oid_text(&item->id, oid);
	bytes = repo_object_read(checkout->repo, oid, LINK_MAX_BYTES, NULL, error);
	if (!bytes)
		return FALSE;
	data = g_bytes_get_data(bytes, &len);
	if (len == 0 || memchr(data, '\0', len))
		return util_error_set(error, TS_ERROR_REFUSED, "it is a link with a broken target");
	target = g_strndup(data, len);
	if (now && g_str_equal(now, target))
		return TRUE;
	return util_fs_remove_tree(parent, name, error) &&
	       util_fs_symlink(parent, target, name, error);
}

static gboolean item_write(Checkout *checkout, const Item *item, GError **error)
{
	mode_t mode = item->mode == GIT_FILEMODE_BLOB_EXECUTABLE ? 0755 : 0644;
	util_autofd int parent = -1;
	const char *name;

	parent = parent_open(checkout->dirfd, item->path, &name, error);
	if (parent < 0)
		return FALSE;
	if (item->mode == GIT_FILEMODE_TREE)
		return folder_make(parent, name, error);
	if (item->mode == GIT_FILEMODE_LINK)
		return link_write(checkout, parent, name, item, error);
	return file_is_same(checkout, parent, name, item, mode) ||
	       file_write(checkout, parent, name, item, mode, error);
}

/* Paths that earlier checkouts made; an empty array if there was none. */
static GPtrArray *state_read(Checkout *checkout, GError **error)
{
	g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GError) local = NULL;
	g_autofree char *data = NULL;
	gsize len = 0, at = strlen(STATE_HEADER);

	if (!util_fs_read_file(checkout->state_dirfd, checkout->state_name, STATE_MAX_BYTES, &data,
			       &len, &local)) {
		if (g_error_matches(local, TS_ERROR, TS_ERROR_NOT_FOUND))
			return g_steal_pointer(&paths);
		g_propagate_error(error, g_steal_pointer(&local));
		return NULL;
	}
	if (len < at || memcmp(data, STATE_HEADER, at) != 0 ||
	    (len > at && data[len - 1] != '\0')) {
		(void)util_error_set(error, TS_ERROR_CORRUPT,
				     "%s is damaged: remove it and the workspace beside it",
				     checkout->state_name);
		return NULL;
	}
	for (; at < len; at += strlen(data + at) + 1)
		g_ptr_array_add(paths, g_strdup(data + at));
	return g_steal_pointer(&paths);
}

/* Writes the files of this checkout and those of `old` (may be NULL). */
static gboolean state_write(Checkout *checkout, const GPtrArray *old, GError **error)
{
	g_autoptr(GString) text = g_string_new(STATE_HEADER);
	GHashTableIter iter;
	gpointer path;

	g_hash_table_iter_init(&iter, checkout->files);
	while (g_hash_table_iter_next(&iter, &path, NULL))
		g_string_append_len(text, path, (gssize)strlen(path) + 1);
	for (guint i = 0; old && i < old->len; i++) {
		const char *other = g_ptr_array_index(old, i);

		if (!g_hash_table_contains(checkout->files, other))
			g_string_append_len(text, other, (gssize)strlen(other) + 1);
	}
	return util_fs_write_file(checkout->state_dirfd, checkout->state_name, text->str, text->len,
				  0600, error);
}

/* Removes one file of an earlier checkout, and folders that this empties. */
static gboolean prune_path(Checkout *checkout, const char *path, GError **error)
{
	g_autofree char *at = g_strdup(path);
	util_autofd int parent = -1;
	const char *name;
	struct stat st;
	char *slash;

	parent = parent_open(checkout->dirfd, path, &name, NULL);
	if (parent < 0 || fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    S_ISDIR(st.st_mode))
		return TRUE; /* gone, or something else by now */
	if (!util_fs_unlink(parent, name, error))
		return FALSE;
	while ((slash = strrchr(at, '/'))) {
		util_autofd int above = -1;

		*slash = '\0';
		above = parent_open(checkout->dirfd, at, &name, NULL);
		if (above < 0 || unlinkat(above, name, AT_REMOVEDIR) < 0)
			break; /* not empty */
	}
	return TRUE;
}

static gboolean prune_old(Checkout *checkout, GError **error)
{
	g_autoptr(GPtrArray) old = state_read(checkout, error);

	if (!old || !state_write(checkout, old, error))
		return FALSE;
	for (guint i = 0; i < old->len; i++) {
		const char *path = g_ptr_array_index(old, i);

		if (!g_hash_table_contains(checkout->files, path) &&
		    !prune_path(checkout, path, error)) {
			g_prefix_error(error, "cannot remove %s: ", path);
			return FALSE;
		}
	}
	return TRUE;
}

static gboolean checkout_open(Checkout *checkout, const char *dest, GError **error)
{
	char *real = realpath(dest, NULL);
	g_autofree char *base = NULL;
	g_autofree char *above = NULL;
	int code = git_repository_odb(&checkout->odb, checkout->repo->git);

	if (code < 0) {
		free(real);
		return repo_error(error, code, "cannot open the objects of %s",
				  checkout->repo->path);
	}
	if (!real)
		return util_error_errno(error, errno, "cannot check out into %s", dest);
	base = g_path_get_basename(real);
	above = g_path_get_dirname(real);
	checkout->state_name = g_strconcat(STATE_PREFIX, base, NULL);
	checkout->dirfd = util_fs_open_dir(AT_FDCWD, real, error);
	free(real);
	checkout->state_dirfd = checkout->dirfd < 0 ? -1 : util_fs_open_dir(AT_FDCWD, above, error);
	return checkout->state_dirfd >= 0;
}

gboolean repo_checkout(Repo *repo, const char *commit, const char *path, const char *dest,
		       gboolean prune, GError **error)
{
	g_auto(Checkout) checkout = {.repo = repo, .dirfd = -1, .state_dirfd = -1};
	char tree[REPO_OID];
	git_oid tree_id;

	checkout.items = g_ptr_array_new_with_free_func(item_free);
	checkout.files = g_hash_table_new(g_str_hash, g_str_equal);
	if (!repo_tree_lookup(repo, commit, path, tree, error) ||
	    !repo_oid_parse(tree, &tree_id, error) || !checkout_open(&checkout, dest, error) ||
	    !items_collect(&checkout, &tree_id, "", error))
		return FALSE;
	if (prune && !prune_old(&checkout, error))
		return FALSE;
	for (guint i = 0; i < checkout.items->len; i++) {
		const Item *item = g_ptr_array_index(checkout.items, i);

		if (!item_write(&checkout, item, error)) {
			g_prefix_error(error, "cannot check out %s: ", item->path);
			return FALSE;
		}
	}
	return !prune || state_write(&checkout, NULL, error);
}
