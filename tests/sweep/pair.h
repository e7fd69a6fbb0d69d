/* SPDX-License-Identifier: ISC */
/* One pair at work. */
#pragma once

#include "sweep.h"

#define PAIR_MIB ((guint64)1024 * 1024)

typedef struct {
	int dirfd, old_fd, new_fd, fd; /* fd: the bundle */
	Tree *old_tree, *new_tree;
	Manifest *old_manifest, *new_manifest; /* old: NULL for none at all */
	BundleMakeOptions options;
	BundleInfo *info;
	GByteArray *bytes; /* of the bundle, where it is to be damaged */
	GRand *rand;
	Progress *progress;
} Pair;

BundleTree pair_old(const Pair *pair);
/* A new file beside the trees; -1 with error. */
int pair_file(int dirfd, const char *name, GError **error);
gboolean pair_make_once(const Pair *pair, int fd, BundleInfo **ret_info, GError **error);
/* FALSE only if what came out is wrong; *ret_error if bundle_apply said no. */
gboolean pair_apply(const Pair *pair, int fd, const BundleTree *from, const BundleLimits *limits,
		    GError **ret_error, GError **error);
/* It must work. */
gboolean pair_apply_whole(const Pair *pair, const BundleLimits *limits, const char *what,
			  GError **error);
/* Limits, damage, other trees. The old tree is not what it was after it. */
gboolean pair_check_more(Pair *pair, GError **error);
