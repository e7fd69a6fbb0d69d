/* SPDX-License-Identifier: ISC */
/* Within the stage room: the trees a base holds, and what is known of them. */
#pragma once

#include "stage/stage.h"
#include "tree/tree.h"

#define STAGE_MANIFEST_MAX ((gsize)512 * 1024 * 1024)

/* A folder in APP/releases or APP/pre-release whose manifest is in ROOT/trees. */
typedef struct {
	char *name; /* VERSION-ROOT8 */
	char *path; /* beneath APP: releases/NAME or pre-release/NAME */
	char *root;
	gint64 mtime_s;
	gboolean staged;  /* in pre-release */
	gboolean current; /* APP/current points to it */
	gboolean altered; /* marked so earlier */
} StageTree;

/* Makes releases/ and pre-release/, and ROOT/trees; returns APP's descriptor, -1 with error. */
int stage_open_app(const StageSpec *spec, GError **error);
/* What is held, best source first: current, then the newest. */
GPtrArray *stage_trees(const StageSpec *spec, int app_dirfd, GError **error);
/* ROOT/trees/ROOTHASH.manifest, its root checked. */
Manifest *stage_manifest_load(const StageSpec *spec, const char *root, GError **error);
gboolean stage_manifest_keep(const StageSpec *spec, const char *root, const Manifest *manifest,
			     GError **error);
/* Takes the stat numbers of a tree just checked into ROOT/trees/ROOTHASH.stat. */
gboolean stage_stat_keep(const StageSpec *spec, const char *root, const char *stats,
			 GError **error);
/* Files of this tree, just checked, were linked from others: those get the new numbers too. */
gboolean stage_stats_renew(const StageSpec *spec, const char *root, GError **error);
/* Notes in ROOT/trees/ROOTHASH.altered that `path` of the folder `tree` is not as its manifest
 * says, or takes that back. */
gboolean stage_mark_tree(const StageSpec *spec, const char *root, const char *tree,
			 const char *path, GError **error);
gboolean stage_unmark_tree(const StageSpec *spec, const char *root, const char *tree,
			   GError **error);
