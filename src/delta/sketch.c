/* SPDX-License-Identifier: ISC */
/*
 * Sketches by one hash of every piece: P. Li, A. Owen, C.-H. Zhang, "One permutation hashing"
 * (2012). A piece's hash says its slot and its rank in it; a slot keeps the lowest rank. Slots that
 * saw no piece borrow from the next that did: A. Shrivastava, P. Li, "Densifying one permutation
 * hashing via rotation" (2014).
 */
#include "delta/sketch.h"

#define SLOTS DELTA_SKETCH_SLOTS
#define SLOT_BITS 5
G_STATIC_ASSERT(SLOTS == 1 << SLOT_BITS);

/* A byte leaves the rolling hash after PIECE_BYTES shifts. */
#define PIECE_SHIFT 4
#define PIECE_BYTES (64 / PIECE_SHIFT)
/* What is shorter has too few pieces to tell. */
#define BYTES_MIN 48

#define EMPTY G_MAXUINT32
#define SPREAD G_GUINT64_CONSTANT(0x9e3779b97f4a7c15)

struct DeltaSketcher {
	guint64 words[256]; /* what each byte adds to the hash */
	guint64 hash;
	guint64 bytes;
	guint32 slots[SLOTS];
};

/* S. Vigna's splitmix64: the same words on any machine. */
static guint64 next_word(guint64 *state)
{
	guint64 z = *state += SPREAD;
	z = (z ^ z >> 30) * G_GUINT64_CONSTANT(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * G_GUINT64_CONSTANT(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* The rolling hash is a sum, in which the oldest bytes count little: pieces that differ by a digit
 * would stay neighbours. */
static inline guint64 mix(guint64 hash)
{
	hash *= SPREAD;
	return (hash ^ hash >> 32) * G_GUINT64_CONSTANT(0xd6e8feb86659fd93);
}

static void begin(DeltaSketcher *sketcher)
{
	sketcher->hash = 0;
	sketcher->bytes = 0;
	for (guint i = 0; i < SLOTS; i++)
		sketcher->slots[i] = EMPTY;
}

DeltaSketcher *delta_sketcher_new(void)
{
	DeltaSketcher *sketcher = g_new(DeltaSketcher, 1);
	guint64 state = 0;
	for (guint i = 0; i < G_N_ELEMENTS(sketcher->words); i++)
		sketcher->words[i] = next_word(&state);
	begin(sketcher);
	return sketcher;
}

void delta_sketcher_free(DeltaSketcher *sketcher)
{
	g_free(sketcher);
}

void delta_sketcher_update(DeltaSketcher *sketcher, const guint8 *data, gsize len)
{
	guint64 hash = sketcher->hash;
	gsize i = 0;
	/* the first pieces are not whole */
	for (; i < len && sketcher->bytes + i < PIECE_BYTES - 1; i++)
		hash = (hash << PIECE_SHIFT) + sketcher->words[data[i]];
	for (; i < len; i++) {
		hash = (hash << PIECE_SHIFT) + sketcher->words[data[i]];
		guint64 mixed = mix(hash);
		guint32 *slot = &sketcher->slots[mixed >> (64 - SLOT_BITS)];
		guint32 rank = (guint32)(mixed >> (32 - SLOT_BITS));
		if (rank < *slot)
			*slot = rank;
	}
	sketcher->hash = hash;
	sketcher->bytes += len;
}

void delta_sketcher_finish(DeltaSketcher *sketcher, DeltaSketch *ret_sketch)
{
	*ret_sketch = (DeltaSketch){.bytes = sketcher->bytes};
	for (guint i = 0; i < SLOTS; i++) {
		guint step = 0;
		while (step < SLOTS && sketcher->slots[(i + step) % SLOTS] == EMPTY)
			step++;
		/* the distance is part of it: a borrowed rank is not the lender's */
		ret_sketch->slots[i] =
		    step < SLOTS ? sketcher->slots[(i + step) % SLOTS] + step * (guint32)SPREAD
				 : EMPTY;
	}
	begin(sketcher);
}

guint delta_sketch_likeness(const DeltaSketch *a, const DeltaSketch *b)
{
	guint agree = 0;
	if (a->bytes < BYTES_MIN || b->bytes < BYTES_MIN)
		return 0;
	for (guint i = 0; i < SLOTS; i++)
		agree += a->slots[i] == b->slots[i];
	return agree;
}

/* ---- index ---- */

/* Of all that agree in a slot, this many nearest in size are looked at on either side. */
#define NEIGHBOURS 64

typedef struct {
	DeltaSketch sketch;
	guint id;
	guint looked; /* number of the find that looked at it last */
} Added;

/* A slot's value, and who has it. */
typedef struct {
	guint32 value;
	guint32 added;
} Holder;

struct DeltaSketches {
	GArray *added;          /* Added; once sealed by size and id */
	GArray *holders[SLOTS]; /* Holder, by value and added */
	guint finds;
	gboolean sealed;
};

DeltaSketches *delta_sketches_new(void)
{
	DeltaSketches *index = g_new0(DeltaSketches, 1);
	index->added = g_array_new(FALSE, FALSE, sizeof(Added));
	for (guint i = 0; i < SLOTS; i++)
		index->holders[i] = g_array_new(FALSE, FALSE, sizeof(Holder));
	return index;
}

void delta_sketches_free(DeltaSketches *index)
{
	if (!index)
		return;
	g_array_unref(index->added);
	for (guint i = 0; i < SLOTS; i++)
		g_array_unref(index->holders[i]);
	g_free(index);
}

void delta_sketches_add(DeltaSketches *index, const DeltaSketch *sketch, guint id)
{
	Added added = {*sketch, id, 0};
	if (sketch->bytes < BYTES_MIN)
		return;
	g_array_append_val(index->added, added);
	index->sealed = FALSE;
}

static gint compare_added(gconstpointer a, gconstpointer b)
{
	const Added *x = a;
	const Added *y = b;
	if (x->sketch.bytes != y->sketch.bytes)
		return x->sketch.bytes < y->sketch.bytes ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

static gint compare_holders(gconstpointer a, gconstpointer b)
{
	const Holder *x = a;
	const Holder *y = b;
	if (x->value != y->value)
		return x->value < y->value ? -1 : 1;
	return (x->added > y->added) - (x->added < y->added);
}

static void seal(DeltaSketches *index)
{
	g_array_sort(index->added, compare_added);
	for (guint slot = 0; slot < SLOTS; slot++) {
		GArray *holders = index->holders[slot];
		g_array_set_size(holders, index->added->len);
		for (guint i = 0; i < index->added->len; i++)
			g_array_index(holders, Holder, i) =
			    (Holder){g_array_index(index->added, Added, i).sketch.slots[slot], i};
		g_array_sort(holders, compare_holders);
	}
	index->sealed = TRUE;
}

/* The first of the added that is at least this large. */
static guint first_of_size(const DeltaSketches *index, guint64 bytes)
{
	guint low = 0;
	guint high = index->added->len;
	while (low < high) {
		guint middle = low + (high - low) / 2;
		if (g_array_index(index->added, Added, middle).sketch.bytes < bytes)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The first holder that is not before `key`. */
static guint first_holder(const GArray *holders, Holder key)
{
	guint low = 0;
	guint high = holders->len;
	while (low < high) {
		guint middle = low + (high - low) / 2;
		if (compare_holders(&g_array_index(holders, Holder, middle), &key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* What a find is about, and the best so far. */
typedef struct {
	const DeltaSketch *sketch;
	const Added *best;
	guint likeness;
} Search;

static guint64 size_gap(const Added *added, const DeltaSketch *sketch)
{
	guint64 bytes = added->sketch.bytes;
	return bytes > sketch->bytes ? bytes - sketch->bytes : sketch->bytes - bytes;
}

static gboolean is_better(const Search *search, const Added *added, guint likeness)
{
	if (likeness != search->likeness || !search->best)
		return likeness > search->likeness;
	guint64 gap = size_gap(added, search->sketch);
	guint64 best_gap = size_gap(search->best, search->sketch);
	return gap != best_gap ? gap < best_gap : added->id < search->best->id;
}

static void look_at(DeltaSketches *index, guint at, Search *search)
{
	Added *added = &g_array_index(index->added, Added, at);
	if (added->looked == index->finds)
		return;
	added->looked = index->finds;
	guint likeness = delta_sketch_likeness(&added->sketch, search->sketch);
	if (is_better(search, added, likeness)) {
		search->best = added;
		search->likeness = likeness;
	}
}

/* Those that agree in this slot, from `middle` (the nearest in size) to both sides. */
static void look_around(DeltaSketches *index, guint slot, guint middle, Search *search)
{
	const GArray *holders = index->holders[slot];
	guint32 value = search->sketch->slots[slot];
	guint at = first_holder(holders, (Holder){value, middle});
	for (guint i = at; i < holders->len && i < at + NEIGHBOURS; i++) {
		const Holder *holder = &g_array_index(holders, Holder, i);
		if (holder->value != value)
			break;
		look_at(index, holder->added, search);
	}
	for (guint i = at; i > 0 && i + NEIGHBOURS > at; i--) {
		const Holder *holder = &g_array_index(holders, Holder, i - 1);
		if (holder->value != value)
			break;
		look_at(index, holder->added, search);
	}
}

gboolean delta_sketches_find(DeltaSketches *index, const DeltaSketch *sketch, guint least,
			     guint *ret_id, guint *ret_likeness)
{
	Search search = {.sketch = sketch};
	if (!index->sealed)
		seal(index);
	if (sketch->bytes < BYTES_MIN)
		return FALSE;
	index->finds++;
	guint middle = first_of_size(index, sketch->bytes);
	for (guint slot = 0; slot < SLOTS; slot++)
		look_around(index, slot, middle, &search);
	if (!search.best || search.likeness < least)
		return FALSE;
	*ret_id = search.best->id;
	*ret_likeness = search.likeness;
	return TRUE;
}
