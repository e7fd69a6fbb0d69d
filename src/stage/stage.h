/* SPDX-License-Identifier: ISC */
/*
 * Staging: builds the complete next tree in APP/pre-release, from a tree that is on disk and a
 * bundle, ahead of time. No line, no libgit2, no libssh2.
 *
 *   ROOT/trees/ROOTHASH.manifest   manifest of a tree this base holds
 *   ROOT/trees/ROOTHASH.stat       stat numbers taken when it was checked (tree_check)
 *   ROOT/trees/ROOTHASH.altered    "TREE: PATH" per folder of that root found altered by hand
 *   ROOT/partial/SHA256            bundles
 *   APP/releases/TREE, APP/pre-release/TREE    TREE is VERSION-ROOT8; if releases/ holds an
 *                                  altered tree of that name, VERSION-ROOT8-r2 and so on
 *
 *   stage_need(&spec, &need, error)      what to download or ask for, if anything
 *   stage_run(&spec, &result, error)     under ROOT/lock/stage: one at a time
 *
 *   APP/shared/PATH                made for the tree's links to it (manifest.h), never touched
 * again
 *
 * A tree is held if its folder is in releases/ or pre-release/ and its manifest in ROOT/trees.
 * Built under APP/pre-release/.tmp-…, checked whole, synced once, renamed. A crash leaves a
 * temporary folder that the next run removes.
 */
#pragma once

#include "bundle/bundle.h"
#include "conf/conf.h"
#include "order/order.h"
#include "store/store.h"

typedef struct {
	const char *root_path; /* the base's ROOT */
	int root_dirfd;
	const ConfBaseApp *app;
	const Order *order;
	guint64 memory_bytes;
	guint64 min_free_bytes;
	const UtilProgress *progress;
} StageSpec;

/* Confines this process, once, before any thread, to what stage_run of this spec needs: it reads
 * the app's trees and the bundles, writes pre-release trees and ROOT/trees, makes folders of the
 * app, and neither starts programs nor opens sockets. ROOT and the app's folders must be there.
 * *ret_note: what the kernel lacks for that, or NULL (see confine.h). */
gboolean stage_confine(const StageSpec *spec, char **ret_note, GError **error);

typedef struct {
	char *tree; /* folder name, in pre-release or (held) in releases */
	char *how;  /* "held", "delta from v1.3.0-…", "plain" */
	GPtrArray
	    *altered; /* old trees found altered by hand: "TREE: WHAT" (char *), may be empty */
} StageResult;
void stage_result_free(StageResult *result);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StageResult, stage_result_free)

/* Tries, in this order: the tree itself if it is already there (pre-release or releases, under any
 * version's name) and checks out; each bundle on disk whose old tree is held and intact; a plain
 * bundle. REFUSED if none fits (the caller then wants or downloads one); NO_SPACE, CORRUPT and
 * others: try again later; UNSUPPORTED: this base can never hold it, or the bundle needs a newer
 * tagship. A damaged bundle file is removed. Old trees found altered are marked, also when FALSE
 * is returned. */
gboolean stage_run(const StageSpec *spec, StageResult **ret_result, GError **error);

/* After trees were removed that shared files with others (hard_links): that changed the others'
 * stat numbers, so those that are still as released get new ones, lest all is hashed again at
 * go-live. spec->order is not looked at. Under ROOT/lock/stage. */
gboolean stage_recheck(const StageSpec *spec, GError **error);

/* Folder name of a tree: VERSION ('/' as '-') + "-" + first 8 of the root. */
char *stage_tree_name(const char *version, const char *root);

/* What is needed to stage this order: the bundle to download (points into order), or want. */
typedef enum { STAGE_NEED_NOTHING, STAGE_NEED_BUNDLE, STAGE_NEED_WANT } StageNeedKind;
typedef struct {
	StageNeedKind kind;
	const OrderBundle *bundle; /* NEED_BUNDLE; belongs to the order */
	char *old_root;            /* NEED_WANT: "-" or a root this base holds intact */
	char *why;                 /* for people, may be NULL */
} StageNeed;
void stage_need_clear(StageNeed *need);
gboolean stage_need(const StageSpec *spec, StageNeed *ret_need, GError **error);
/* Marks an old tree as altered (a failed apply found it so), so that stage_need avoids it;
 * ROOT/trees/ROOTHASH.altered. */
gboolean stage_mark_altered(const StageSpec *spec, const char *root, const char *path,
			    GError **error);
