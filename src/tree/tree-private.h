/* SPDX-License-Identifier: ISC */
/* Shared by the files of this room only. */
#pragma once

#include "tree/tree.h"

/* One name found on disk. */
typedef struct {
	char *path;
	char *target; /* symlinks */
	struct stat st;
} TreeNode;

/* Everything beneath dirfd, in no particular order; links are not followed. skip: as TreeScan.
 * stat_files FALSE: of regular files only the type in st.st_mode is known, where the folder tells.
 */
GArray *tree_walk(int dirfd, const char *const *skip, gboolean stat_files, GError **error);

/* Names in one folder ("." for the top), without "." and "..". */
GPtrArray *tree_list(int dirfd, const char *path, GError **error);

/* tree_open_file of a name in a folder, and what fstat says; ret_st->st_mode is S_IFREG before.
 * path: for messages. */
int tree_open_stat(int dirfd, const char *name, const char *path, struct stat *ret_st,
		   GError **error);

/* Entries that a thread takes at a time: neighbours share their folder; and from how many on. */
#define TREE_BLOCK 64
#define TREE_THREADS_FILES 2000

/* One file to hash. */
typedef struct {
	const char *path; /* borrowed */
	guint64 size;     /* what is expected */
	struct stat *st;  /* where to put what it was before it was read; may be NULL */
	guint8 sha256[UTIL_SHA256_BYTES];
	gboolean changed; /* another size, no regular file, or changed while it was read */
} TreeHash;

/* Hashes all jobs on all cores; FALSE only if something cannot be read. */
gboolean tree_hash_files(int dirfd, GArray *jobs, const UtilProgress *progress, GError **error);

/* "reading PATH: " and the like, the path made safe to print. */
char *tree_name(const char *path);

/* The folder last opened beneath dirfd: most entries share it with the one before. */
typedef struct {
	int dirfd;
	int fd;
	char *path;
} TreeFolder;
#define TREE_FOLDER(top_dirfd) ((TreeFolder){.dirfd = (top_dirfd), .fd = -1})
/* O_PATH descriptor, the folder's own, of the folder that path is in; -1 with error. ret_name
 * points into path. */
int tree_folder_of(TreeFolder *folder, const char *path, const char **ret_name, GError **error);
void tree_folder_clear(TreeFolder *folder);

/* TRUE: `to` now shares the blocks of `from`. */
gboolean tree_reflink(int from, int to);
