/* SPDX-License-Identifier: ISC */
/* What the files of the repo room share. Includes libgit2, so it comes first in a .c file. */
#pragma once

#include <git2.h>
#include <git2/sys/transport.h>

#include "repo/repo.h"

struct Repo {
	git_repository *git;
	char *path;
	int dirfd; /* of the git folder */
	gboolean in_hook;
};

/* libgit2's error as ours, with its own words; always FALSE. */
gboolean repo_error(GError **error, int code, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* 40 lower-case hex digits; anything else is USAGE. */
gboolean repo_oid_parse(const char *hex, git_oid *ret_oid, GError **error);
void repo_oid_text(const git_oid *oid, char ret_hex[REPO_OID]);

/* The room's names for libgit2's object types and back; FALSE for anything but the four. */
gboolean repo_type_from_git(git_object_t git_type, RepoType *ret_type);
git_object_t repo_type_to_git(RepoType type);

/* Between these two a ref, HEAD, packed-refs or the configuration is written: one writer of ours at
 * a time, and a lock file that a killed one left behind is removed (ref.c). REPO_UPDATE_ALL: any
 * ref. */
#define REPO_UPDATE_ALL "refs/"
#define REPO_UPDATE_CONFIG "config"
int repo_update_begin(Repo *repo, const char *name, GError **error);
void repo_update_end(int fd);

/* A name that a tree may hold: not empty, ".", "..", nor with "/"; nor ".git" in any spelling that
 * git refuses. */
gboolean repo_tree_name_ok(const char *name);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(git_reference, git_reference_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(git_reference_iterator, git_reference_iterator_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(git_object, git_object_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(git_commit, git_commit_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(git_tree, git_tree_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(git_tree_entry, git_tree_entry_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(git_treebuilder, git_treebuilder_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(git_odb, git_odb_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(git_odb_object, git_odb_object_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(git_odb_stream, git_odb_stream_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(git_signature, git_signature_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(git_config, git_config_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(git_config_iterator, git_config_iterator_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(git_remote, git_remote_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(git_refspec, git_refspec_free)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(git_buf, git_buf_dispose)
