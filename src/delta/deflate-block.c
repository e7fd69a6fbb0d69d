/* SPDX-License-Identifier: ISC */
/*
 * How many symbols the first block of a deflate stream (RFC 1951) has: zlib ends a block when its
 * buffer is full, so that this number tells the memory level, or that it was not zlib. Codes are
 * read bit by bit, as in M. Adler's puff; a few thousand symbols do not need more.
 */
#include "delta/archive-private.h"
#include "delta/deflate-private.h"

#define HELD_BYTES 4096
#define CODE_BITS 15
#define LITERALS 288
#define DISTANCES 32
#define LENGTH_CODES 19
#define END_OF_BLOCK 256
#define LITERALS_MAX 286 /* that mean something */
#define DISTANCES_MAX 30

typedef struct {
	const DeltaBytes *bytes;
	guint64 at, end;
	GError **error;
	gboolean ended; /* or the last read failed */
	gboolean read_failed;
	guint32 bits;
	guint n_bits;
	gsize used, len; /* of held */
	guint8 held[HELD_BYTES];
} Bits;

/* A canonical Huffman code: symbols in order, and how many have each length. */
typedef struct {
	guint16 counts[CODE_BITS + 1];
	guint16 symbols[LITERALS];
} Code;

/* FALSE at the end. */
static gboolean refill(Bits *bits)
{
	const DeltaBytes *bytes = bits->bytes;
	gsize len = (gsize)MIN(HELD_BYTES, bits->end - bits->at);
	if (bits->ended || len == 0)
		return FALSE;
	bits->read_failed = !bytes->read(bytes->user_data, bits->at, bits->held, len, bits->error);
	if (bits->read_failed)
		return FALSE;
	bits->at += len;
	bits->used = 0;
	bits->len = len;
	return TRUE;
}

static guint next_byte(Bits *bits)
{
	if (bits->used == bits->len && !refill(bits)) {
		bits->ended = TRUE;
		return 0;
	}
	return bits->held[bits->used++];
}

/* Up to 16 bits; zeros after the end. */
static guint take(Bits *bits, guint n)
{
	while (bits->n_bits < n) {
		bits->bits |= (guint32)next_byte(bits) << bits->n_bits;
		bits->n_bits += 8;
	}
	guint value = bits->bits & ((1u << n) - 1);
	bits->bits >>= n;
	bits->n_bits -= n;
	return value;
}

static void make_code(Code *code, const guint8 *lengths, guint n)
{
	guint places[CODE_BITS + 1] = {0};
	memset(code, 0, sizeof *code);
	for (guint i = 0; i < n; i++)
		code->counts[lengths[i]]++;
	code->counts[0] = 0;
	for (guint len = 1; len < CODE_BITS; len++)
		places[len + 1] = places[len] + code->counts[len];
	for (guint i = 0; i < n; i++)
		if (lengths[i] > 0)
			code->symbols[places[lengths[i]]++] = (guint16)i;
}

/* LITERALS for what is no code word. */
static guint next_symbol(Bits *bits, const Code *code)
{
	gint word = 0;
	gint first = 0;
	gint place = 0;
	for (guint len = 1; len <= CODE_BITS; len++) {
		gint count = code->counts[len];
		word |= (gint)take(bits, 1);
		if (word < first + count)
			return code->symbols[place + (word - first)];
		place += count;
		first = (first + count) << 1;
		word <<= 1;
	}
	return LITERALS;
}

static void fixed_codes(Code *literals, Code *distances)
{
	guint8 lengths[LITERALS];
	for (guint i = 0; i < LITERALS; i++)
		lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
	make_code(literals, lengths, LITERALS);
	memset(lengths, 5, DISTANCES);
	make_code(distances, lengths, DISTANCES);
}

static gboolean dynamic_codes(Bits *bits, Code *literals, Code *distances)
{
	static const guint8 order[LENGTH_CODES] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
						   11, 4,  12, 3, 13, 2, 14, 1, 15};
	guint8 lengths[LITERALS + DISTANCES] = {0};
	guint n_literals = take(bits, 5) + 257;
	guint n_distances = take(bits, 5) + 1;
	guint n_lengths = take(bits, 4) + 4;
	for (guint i = 0; i < n_lengths; i++)
		lengths[order[i]] = (guint8)take(bits, 3);
	Code code;
	make_code(&code, lengths, LENGTH_CODES);
	memset(lengths, 0, LENGTH_CODES);
	for (guint at = 0; at < n_literals + n_distances;) {
		guint symbol = next_symbol(bits, &code);
		guint again = symbol < 16    ? 1
			      : symbol == 16 ? 3 + take(bits, 2)
			      : symbol == 17 ? 3 + take(bits, 3)
					     : 11 + take(bits, 7);
		if (symbol > 18 || (symbol == 16 && at == 0) ||
		    again > n_literals + n_distances - at)
			return FALSE;
		guint8 length = symbol < 16 ? (guint8)symbol : symbol == 16 ? lengths[at - 1] : 0;
		memset(lengths + at, length, again);
		at += again;
	}
	make_code(literals, lengths, n_literals);
	make_code(distances, lengths + n_literals, n_distances);
	return TRUE;
}

/* Up to max; 0 if it is damaged. */
static guint count_symbols(Bits *bits, const Code *literals, const Code *distances, guint max)
{
	guint count = 0;
	for (; count < max && !bits->ended; count++) {
		guint symbol = next_symbol(bits, literals);
		if (symbol == END_OF_BLOCK)
			return count;
		if (symbol < END_OF_BLOCK)
			continue;
		if (symbol >= LITERALS_MAX)
			return 0;
		/* lengths from 265 and distances from 4 on have extra bits, one more every 4 or 2
		 */
		take(bits, symbol < 265 || symbol == 285 ? 0 : (symbol - 261) / 4);
		guint distance = next_symbol(bits, distances);
		if (distance >= DISTANCES_MAX)
			return 0;
		take(bits, distance < 4 ? 0 : distance / 2 - 1);
	}
	return bits->ended ? 0 : count;
}

gboolean delta_deflate_block(const DeltaBytes *bytes, const DeltaMember *member,
			     DeltaBlock *ret_block, GError **error)
{
	Bits bits = {.bytes = bytes,
		     .at = member->offset,
		     .end = member->offset + member->facts.packed_bytes,
		     .error = error};
	Code literals;
	Code distances;
	DeltaBlock block = {.final = take(&bits, 1) == 1};
	guint type = take(&bits, 2);
	gboolean coded = type == 1 || type == 2;
	if (type == 1)
		fixed_codes(&literals, &distances);
	if (type == 2)
		coded = dynamic_codes(&bits, &literals, &distances);
	if (coded && !bits.ended)
		block.symbols = count_symbols(&bits, &literals, &distances, DELTA_BLOCK_MAX);
	block.known = coded && (block.symbols > 0 || block.final);
	*ret_block = block;
	return !bits.read_failed;
}
