/* SPDX-License-Identifier: ISC */
/* Shared by the files that make and apply patch texts. */
#pragma once

#include "delta/delta-private.h"
#include "delta/patch.h"

/* What an op does; its low bits in the text. */
typedef enum {
	PATCH_EDIT,   /* differences to as many old bytes */
	PATCH_INSERT, /* new bytes */
	PATCH_SEEK,   /* new bytes, then the old file goes on elsewhere */
	PATCH_REPLACE /* new bytes in place of as many old ones */
} PatchKind;
#define PATCH_KIND_BITS 2
#define PATCH_KIND_MASK 3

/* After `gap` bytes as in the old file come `count` others; then the old file goes on `seek` bytes
 * from where it would be had they replaced as many. */
typedef struct {
	gsize gap;
	gsize count;
	gint64 seek;
} PatchOp;

/* PatchOp; the new file's bytes after the last of them are as in the old file. NULL as soon as the
 * text would surely have more than max_bytes. */
GArray *delta_patch_match(const DeltaPatchPair *pair, guint64 max_bytes);
