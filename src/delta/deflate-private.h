/* SPDX-License-Identifier: ISC */
/* Shared by deflate.c, deflate-block.c and zlib-find.c only. */
#pragma once

#define ZLIB_CONST
#include <zlib.h>

#include "delta/archive.h"

/* Ways are numbered level by level within a memory level: 1 ... DELTA_ZLIB_WAYS. */
#define DELTA_ZLIB_LEVELS 9
#define DELTA_ZLIB_MEMORIES 9
#define DELTA_ZLIB_WAYS (DELTA_ZLIB_LEVELS * DELTA_ZLIB_MEMORIES)

static inline DeltaZlib delta_zlib_way(guint level, guint memory)
{
	return (DeltaZlib)((memory - 1) * DELTA_ZLIB_LEVELS + level);
}

/* Begins anew, which costs less than another stream. */
void delta_deflate_reset(DeltaDeflate *stream);

/* Symbols that zlib makes a block of, but for the last one, which has fewer. */
#define DELTA_BLOCK_SYMBOLS(memory) ((1u << ((memory) + 6)) - 1)
#define DELTA_BLOCK_MAX (DELTA_BLOCK_SYMBOLS(DELTA_ZLIB_MEMORIES) + 1)

/* The first block of a stream. */
typedef struct {
	guint symbols;  /* without its end; at most DELTA_BLOCK_MAX */
	gboolean known; /* stored blocks have none, and damaged ones no meaning */
	gboolean final;
} DeltaBlock;

/* FALSE for a failed read. */
gboolean delta_deflate_block(const DeltaBytes *bytes, const DeltaMember *member,
			     DeltaBlock *ret_block, GError **error);
