/* SPDX-License-Identifier: ISC */
/* Which way of zlib gives a deflate stream again: by trying those that its first block allows. */
#include "delta/archive-private.h"
#include "delta/deflate-private.h"

#define PIECE_BYTES ((gsize)8 * 1024)
#define MEMORY_DEFAULT 8

/* A member being unpacked, piece by piece. */
typedef struct {
	const DeltaBytes *bytes;
	const DeltaMember *member;
	DeltaDeflate *inflate;
	guint64 read; /* of the packed bytes */
	const guint8 *in;
	gsize in_len;
	gboolean ended;   /* with the last packed byte */
	gboolean damaged; /* or it does not end there */
	gsize made;       /* bytes in unpacked */
	guint8 packed[PIECE_BYTES];
	guint8 unpacked[PIECE_BYTES];
} Unpacker;

static void unpack_start(Unpacker *unpacker)
{
	delta_deflate_reset(unpacker->inflate);
	unpacker->read = 0;
	unpacker->in_len = 0;
	unpacker->ended = FALSE;
	unpacker->damaged = FALSE;
}

static gboolean refill(Unpacker *unpacker, GError **error)
{
	const DeltaMember *member = unpacker->member;
	gsize len = (gsize)MIN(PIECE_BYTES, member->facts.packed_bytes - unpacker->read);
	const DeltaBytes *bytes = unpacker->bytes;
	if (unpacker->in_len > 0 || len == 0)
		return TRUE;
	if (!bytes->read(bytes->user_data, member->offset + unpacker->read, unpacker->packed, len,
			 error))
		return FALSE;
	unpacker->read += len;
	unpacker->in = unpacker->packed;
	unpacker->in_len = len;
	return TRUE;
}

/* The next piece; less than a whole one at the end or where it is damaged. FALSE: a failed read. */
static gboolean unpack_piece(Unpacker *unpacker, GError **error)
{
	DeltaBuffers buffers = {.out = unpacker->unpacked, .out_len = PIECE_BYTES};
	gboolean done = FALSE;
	while (!done && !unpacker->damaged && buffers.out_len > 0) {
		if (!refill(unpacker, error))
			return FALSE;
		gboolean last = unpacker->read == unpacker->member->facts.packed_bytes;
		buffers.in = unpacker->in;
		buffers.in_len = unpacker->in_len;
		unpacker->damaged = !delta_deflate_step(
		    unpacker->inflate, &buffers, last ? DELTA_LAST : DELTA_MORE, &done, NULL);
		unpacker->in = buffers.in;
		unpacker->in_len = buffers.in_len;
		unpacker->ended = done && last && buffers.in_len == 0;
	}
	unpacker->damaged = unpacker->damaged || (done && !unpacker->ended);
	unpacker->made = PIECE_BYTES - buffers.out_len;
	return TRUE;
}

/* Unpacks it once, and looks whether that gives what its facts say. */
static gboolean check_facts(Unpacker *unpacker, gboolean *ret_ok, GError **error)
{
	const DeltaFacts *facts = &unpacker->member->facts;
	guint64 bytes = 0;
	uLong crc = crc32(0, NULL, 0);
	unpack_start(unpacker);
	while (!unpacker->ended && !unpacker->damaged) {
		if (!unpack_piece(unpacker, error))
			return FALSE;
		bytes += unpacker->made;
		crc = crc32(crc, unpacker->unpacked, (uInt)unpacker->made);
	}
	/* gzip counts modulo 2^32 */
	*ret_ok = !unpacker->damaged && crc == facts->crc &&
		  (bytes == facts->bytes || (guint32)bytes == facts->bytes);
	return TRUE;
}

/* What has been packed so far, held against the member. */
typedef struct {
	DeltaWindow window;
	guint64 at;
	gboolean same;
} Comparison;

/* Packs a piece as far as it is the same. */
static gboolean compare_piece(const Unpacker *unpacker, DeltaDeflate *deflate,
			      Comparison *comparison, GError **error)
{
	const DeltaMember *member = unpacker->member;
	guint8 chunk[PIECE_BYTES];
	DeltaBuffers buffers = {.in = unpacker->unpacked, .in_len = unpacker->made};
	DeltaRun run = unpacker->ended ? DELTA_LAST : DELTA_MORE;
	gboolean done = FALSE;
	do {
		buffers.out = chunk;
		buffers.out_len = sizeof chunk;
		if (!delta_deflate_step(deflate, &buffers, run, &done, error))
			return FALSE;
		gsize made = sizeof chunk - buffers.out_len;
		if (made > member->facts.packed_bytes - comparison->at) {
			comparison->same = FALSE;
			return TRUE;
		}
		const guint8 *there = delta_window_at(&comparison->window,
						      member->offset + comparison->at, made, error);
		if (!there)
			return FALSE;
		comparison->same = memcmp(there, chunk, made) == 0;
		comparison->at += made;
	} while (comparison->same && (run == DELTA_LAST ? !done : buffers.out_len == 0));
	return TRUE;
}

static gboolean try_way(Unpacker *unpacker, DeltaZlib way, gboolean *ret_same, GError **error)
{
	g_autoptr(DeltaDeflate) deflate = delta_deflate_new(way, error);
	if (!deflate)
		return FALSE;
	Comparison comparison = {.same = TRUE};
	delta_window_init(&comparison.window, unpacker->bytes);
	unpack_start(unpacker);
	gboolean ok = TRUE;
	while (ok && comparison.same && !unpacker->ended && !unpacker->damaged)
		ok = unpack_piece(unpacker, error) &&
		     compare_piece(unpacker, deflate, &comparison, error);
	delta_window_clear(&comparison.window);
	*ret_same = ok && comparison.same && unpacker->ended &&
		    comparison.at == unpacker->member->facts.packed_bytes;
	return ok;
}

/* A memory level only says how many symbols make a block: of those that give the same, one is
 * tried. */
static gboolean memory_fits(const DeltaBlock *block, const DeltaFacts *facts, guint memory)
{
	guint symbols = DELTA_BLOCK_SYMBOLS(memory);
	guint64 fewer = memory > MEMORY_DEFAULT ? DELTA_BLOCK_SYMBOLS(MEMORY_DEFAULT) : 0;
	if (!block->known) /* there are no more symbols than bytes */
		return memory == MEMORY_DEFAULT || facts->bytes >= MAX(fewer, symbols);
	if (!block->final)
		return block->symbols == symbols;
	return memory >= MEMORY_DEFAULT && block->symbols >= fewer && block->symbols < symbols;
}

/* All ways that can be, the likely ones first. */
static gboolean try_all(Unpacker *unpacker, DeltaZlib hint, DeltaZlib *ret_way, GError **error)
{
	static const guint8 levels[DELTA_ZLIB_LEVELS] = {6, 9, 8, 1, 5, 7, 4, 3, 2};
	static const guint8 memories[DELTA_ZLIB_MEMORIES] = {8, 9, 7, 6, 5, 4, 3, 2, 1};
	DeltaBlock block;
	gboolean same = FALSE;
	*ret_way = 0;
	if (!delta_deflate_block(unpacker->bytes, unpacker->member, &block, error))
		return FALSE;
	for (guint i = 0; i < DELTA_ZLIB_WAYS; i++) {
		guint memory = memories[i / DELTA_ZLIB_LEVELS];
		DeltaZlib way = delta_zlib_way(levels[i % DELTA_ZLIB_LEVELS], memory);
		if (way == hint || !memory_fits(&block, &unpacker->member->facts, memory))
			continue;
		if (!try_way(unpacker, way, &same, error))
			return FALSE;
		if (same) {
			*ret_way = way;
			return TRUE;
		}
	}
	return TRUE;
}

gboolean delta_zlib_find(const DeltaBytes *bytes, const DeltaMember *member, DeltaZlib hint,
			 DeltaZlib *ret_way, GError **error)
{
	g_autofree Unpacker *unpacker = g_new0(Unpacker, 1);
	g_autoptr(DeltaDeflate) inflate = delta_inflate_new();
	gboolean unpacks = FALSE;
	gboolean same = FALSE;
	unpacker->bytes = bytes;
	unpacker->member = member;
	unpacker->inflate = inflate;
	*ret_way = 0;
	if (member->packing != DELTA_DEFLATED)
		return TRUE;
	if (!check_facts(unpacker, &unpacks, error))
		return FALSE;
	if (!unpacks)
		return TRUE;
	if (hint > 0 && hint <= DELTA_ZLIB_WAYS && !try_way(unpacker, hint, &same, error))
		return FALSE;
	*ret_way = same ? hint : 0;
	return same || try_all(unpacker, hint, ret_way, error);
}
