/* SPDX-License-Identifier: ISC */
/*
 * Which old bytes stand against which new ones: the cheapest path through shifts (old position
 * minus new one), by dynamic programming over the few shifts that are worth a try at a time.
 */
#include "delta/patch-private.h"

#define BLOCK 16     /* bytes of the old file that are found again wherever they are */
#define STEP 4       /* every how many bytes one of them begins */
#define CHAIN_MAX 16 /* of like blocks looked at */
#define NEAR 64      /* shifts this close to the best one are found by fewer bytes */
#define NEAR_BYTES 4
#define TRACKS 12
#define SYNC 32 /* equal bytes after which there is no doubt about a shift */
#define BACK_MAX 256
#define MERGE 1

/* Costs in bits, as if every byte of the text cost eight. */
#define COST_BYTE 8
#define COST_EDIT 14
#define COST_GIVE_UP 40

#define NONE G_MAXUINT

typedef struct {
	const DeltaPatchPair *pair;
	guint32 *heads, *chain; /* block number + 1; 0 ends */
	guint bits;
} Index;

/* A stretch of the new file that follows one shift, up to where another one begins. */
typedef struct {
	gint64 shift;
	gsize start;
	guint parent;
} Stretch;

typedef struct {
	Stretch stretch;
	guint64 cost;
	gsize run;    /* where the last run of differing bytes begins */
	gsize missed; /* and where it ends */
	guint index;  /* of the stretch, if it stands in the list */
} Track;

typedef struct {
	const DeltaPatchPair *pair;
	Index index;
	GArray *stretches;
	Track tracks[TRACKS];
	guint n_tracks;
	guint best;
} Matcher;

static guint64 load64(const guint8 *p)
{
	guint64 v;
	memcpy(&v, p, sizeof v);
	return GUINT64_FROM_LE(v);
}

static guint32 block_hash(const guint8 *p, guint bits)
{
	guint64 a = load64(p) * G_GUINT64_CONSTANT(0x9e3779b97f4a7c15);
	guint64 b = load64(p + 8) * G_GUINT64_CONSTANT(0xc2b2ae3d27d4eb4f);
	return (guint32)(((a >> 32 | a << 32) ^ b) * G_GUINT64_CONSTANT(0x9e3779b97f4a7c15) >>
			 (64 - bits));
}

static void index_make(Index *index, const DeltaPatchPair *pair)
{
	gsize blocks = pair->old_bytes < BLOCK ? 0 : (pair->old_bytes - BLOCK) / STEP + 1;
	index->pair = pair;
	index->bits = 8;
	while (((gsize)1 << index->bits) < blocks && index->bits < 31)
		index->bits++;
	index->heads = g_new0(guint32, (gsize)1 << index->bits);
	index->chain = g_new(guint32, blocks + 1);
	for (gsize i = 0; i < blocks; i++) {
		guint32 *head = &index->heads[block_hash(pair->old_data + i * STEP, index->bits)];
		index->chain[i + 1] = *head;
		*head = (guint32)(i + 1);
	}
}

static gboolean differs(const DeltaPatchPair *pair, gint64 shift, gsize at)
{
	guint64 old_at = (guint64)((gint64)at + shift);
	return old_at >= pair->old_bytes || pair->old_data[old_at] != pair->new_data[at];
}

/* Equal bytes from here on, at most max. */
static gsize equal_run(const DeltaPatchPair *pair, gint64 shift, gsize at, gsize max)
{
	guint64 old_at = (guint64)((gint64)at + shift);
	if (old_at >= pair->old_bytes)
		return 0;
	max = MIN(max, MIN(pair->old_bytes - old_at, pair->new_bytes - at));
	const guint8 *a = pair->old_data + old_at, *b = pair->new_data + at;
	gsize n = 0;
	while (max - n >= 8 && load64(a + n) == load64(b + n))
		n += 8;
	while (n < max && a[n] == b[n])
		n++;
	return n;
}

static guint64 seek_cost(gint64 seek)
{
	guint64 bytes = 1;
	for (guint64 v = delta_zigzag(seek) >> 7; v > 0; v >>= 7)
		bytes++;
	return bytes * COST_BYTE;
}

static void track_advance(const DeltaPatchPair *pair, Track *track, gsize at)
{
	if (!differs(pair, track->stretch.shift, at))
		return;
	if (at - track->missed <= MERGE && at > 0) {
		track->cost += (at - track->missed + 1) * COST_BYTE;
	} else {
		track->cost += COST_EDIT + COST_BYTE;
		track->run = at;
	}
	track->missed = at + 1;
}

/* How much earlier a stretch had better begin than `at`: *ret_gain is what that saves. */
static gsize extend_back(const DeltaPatchPair *pair, const Track *from, gint64 shift, gsize at,
			 gint64 *ret_gain)
{
	gint64 gain = 0, most = 0;
	gsize back = 0, limit = MIN(at - from->stretch.start, BACK_MAX);
	for (gsize i = 1; i <= limit && gain > most - COST_GIVE_UP; i++) {
		gain += differs(pair, from->stretch.shift, at - i) ? COST_BYTE : 0;
		gain -= differs(pair, shift, at - i) ? COST_EDIT + COST_BYTE : 0;
		if (gain > most) {
			most = gain;
			back = i;
		}
	}
	*ret_gain = most;
	return back;
}

static guint keep_stretch(Matcher *matcher, Track *track)
{
	if (track->index == NONE) {
		track->index = matcher->stretches->len;
		g_array_append_val(matcher->stretches, track->stretch);
	}
	return track->index;
}

static void try_shift(Matcher *matcher, gint64 shift, gsize at)
{
	Track *from = &matcher->tracks[matcher->best];
	if (shift == from->stretch.shift)
		return;
	gint64 gain = 0, seek = shift - from->stretch.shift;
	gsize start = at - extend_back(matcher->pair, from, shift, at, &gain);
	guint64 cost = from->cost - (guint64)gain;
	if (from->missed < start || from->run == from->missed)
		cost += COST_EDIT;
	if (seek == (gint64)from->run - (gint64)start && from->missed >= start)
		cost += 2;
	else
		cost += seek_cost(seek);
	guint slot = NONE;
	for (guint i = 0; i < matcher->n_tracks; i++)
		if (matcher->tracks[i].stretch.shift == shift) {
			if (matcher->tracks[i].cost <= cost)
				return;
			slot = i;
		}
	if (slot == NONE && matcher->n_tracks < TRACKS) {
		slot = matcher->n_tracks++;
	} else if (slot == NONE) {
		slot = 0;
		for (guint i = 1; i < TRACKS; i++)
			if (matcher->tracks[i].cost > matcher->tracks[slot].cost)
				slot = i;
		if (slot == matcher->best || matcher->tracks[slot].cost <= cost)
			return;
	}
	if (slot == matcher->best)
		return;
	guint parent = keep_stretch(matcher, from);
	matcher->tracks[slot] = (Track){{shift, start, parent}, cost, start, start, NONE};
}

static void try_near(Matcher *matcher, gsize at)
{
	const DeltaPatchPair *pair = matcher->pair;
	gint64 shift = matcher->tracks[matcher->best].stretch.shift;
	for (gint64 d = 1; d <= NEAR; d++) {
		if (equal_run(pair, shift + d, at, NEAR_BYTES) == NEAR_BYTES)
			try_shift(matcher, shift + d, at);
		if (equal_run(pair, shift - d, at, NEAR_BYTES) == NEAR_BYTES)
			try_shift(matcher, shift - d, at);
	}
}

static void try_far(Matcher *matcher, gsize at)
{
	const DeltaPatchPair *pair = matcher->pair;
	const Index *index = &matcher->index;
	if (pair->new_bytes - at < BLOCK)
		return;
	guint32 block = index->heads[block_hash(pair->new_data + at, index->bits)];
	for (guint i = 0; block && i < CHAIN_MAX; i++, block = index->chain[block]) {
		gint64 shift = (gint64)((gsize)(block - 1) * STEP) - (gint64)at;
		if (equal_run(pair, shift, at, BLOCK) == BLOCK)
			try_shift(matcher, shift, at);
	}
}

static void choose_best(Matcher *matcher)
{
	matcher->best = 0;
	for (guint i = 1; i < matcher->n_tracks; i++)
		if (matcher->tracks[i].cost < matcher->tracks[matcher->best].cost)
			matcher->best = i;
}

/* Drops all tracks that cost more than the best one by more than it takes to change to them. */
static void prune(Matcher *matcher, gsize at)
{
	Track best = matcher->tracks[matcher->best];
	gboolean sure = at - best.missed >= SYNC && at - best.stretch.start >= SYNC;
	guint kept = 0;
	for (guint i = 0; i < matcher->n_tracks; i++) {
		Track *track = &matcher->tracks[i];
		if (i == matcher->best) {
			matcher->best = kept;
			matcher->tracks[kept++] = *track;
		} else if (!sure &&
			   track->cost <= best.cost + COST_EDIT +
					      seek_cost(track->stretch.shift - best.stretch.shift))
			matcher->tracks[kept++] = *track;
	}
	matcher->n_tracks = kept;
}

/* FALSE: it costs more than that. */
static gboolean match(Matcher *matcher, guint64 max_cost)
{
	const DeltaPatchPair *pair = matcher->pair;
	gsize at = 0;
	while (at < pair->new_bytes) {
		Track *best = &matcher->tracks[matcher->best];
		gsize equal = equal_run(pair, best->stretch.shift, at, BLOCK);
		if (matcher->n_tracks == 1 && equal == BLOCK) {
			at += equal_run(pair, best->stretch.shift, at, pair->new_bytes);
			continue;
		}
		if (equal < BLOCK && (at == 0 || at - best->missed < SYNC || equal == 0)) {
			try_near(matcher, at);
			try_far(matcher, at);
		}
		for (guint i = 0; i < matcher->n_tracks; i++)
			track_advance(pair, &matcher->tracks[i], at);
		at++;
		choose_best(matcher);
		prune(matcher, at);
		if (matcher->tracks[matcher->best].cost > max_cost)
			return FALSE;
	}
	return TRUE;
}

/* From the last stretch back to the first. */
static GArray *path(Matcher *matcher)
{
	GArray *list = g_array_new(FALSE, FALSE, sizeof(Stretch));
	Stretch stretch = matcher->tracks[matcher->best].stretch;
	g_array_append_val(list, stretch);
	while (stretch.parent != NONE) {
		stretch = g_array_index(matcher->stretches, Stretch, stretch.parent);
		g_array_append_val(list, stretch);
	}
	for (guint i = 0; i < list->len / 2; i++) {
		Stretch *a = &g_array_index(list, Stretch, i);
		Stretch *b = &g_array_index(list, Stretch, list->len - 1 - i);
		Stretch swap = *a;
		*a = *b;
		*b = swap;
	}
	return list;
}

/* The ops so far, and the one that is still open. */
typedef struct {
	const DeltaPatchPair *pair;
	GArray *ops;
	gsize done; /* the text so far gives this many new bytes */
	gboolean open;
	gsize run;  /* the open op replaces from here */
	gsize last; /* after the last differing byte */
	gint64 seek;
} Ops;

static void close_op(Ops *ops)
{
	PatchOp op = {ops->run - ops->done, ops->last - ops->run, ops->seek};
	g_array_append_val(ops->ops, op);
	ops->done = ops->last;
	ops->open = FALSE;
}

static void open_op(Ops *ops, gsize at)
{
	if (ops->open)
		return;
	ops->open = TRUE;
	ops->run = ops->last = at;
	ops->seek = 0;
}

/* Bytes from `at` on that differ; after the last of them. */
static gsize take_run(Ops *ops, gint64 shift, gsize at, gsize end)
{
	while (at < end && differs(ops->pair, shift, at))
		at++;
	ops->last = at;
	return at;
}

/* Another shift begins at `at`. */
static gsize put_shift(Ops *ops, gint64 step, gint64 shift, gsize at, gsize end)
{
	if (ops->open && ops->last < at) /* bytes between are equal in the stretch before */
		close_op(ops);
	open_op(ops, at);
	ops->seek += step;
	return take_run(ops, shift, at, end);
}

static void put_runs(Ops *ops, gint64 shift, gsize at, gsize end)
{
	while (at < end) {
		at += equal_run(ops->pair, shift, at, end - at);
		if (at >= end)
			return;
		if (ops->open && (at > ops->last + MERGE || ops->seek != 0))
			close_op(ops);
		open_op(ops, at);
		at = take_run(ops, shift, at, end);
	}
}

static GArray *ops_of(const DeltaPatchPair *pair, const GArray *list)
{
	Ops ops = {.pair = pair, .ops = g_array_new(FALSE, FALSE, sizeof(PatchOp))};
	gint64 before = 0;
	for (guint s = 0; s < list->len; s++) {
		const Stretch *stretch = &g_array_index(list, Stretch, s);
		gsize end =
		    s + 1 < list->len ? g_array_index(list, Stretch, s + 1).start : pair->new_bytes;
		gsize at = stretch->start;
		if (stretch->shift != before)
			at = put_shift(&ops, stretch->shift - before, stretch->shift, at, end);
		put_runs(&ops, stretch->shift, at, end);
		before = stretch->shift;
	}
	if (ops.open)
		close_op(&ops);
	return ops.ops;
}

GArray *delta_patch_match(const DeltaPatchPair *pair, guint64 max_bytes)
{
	/* costs are guesses: four times as much is sure */
	guint64 max_cost =
	    max_bytes < G_MAXUINT64 / (4 * COST_BYTE) ? max_bytes * 4 * COST_BYTE : G_MAXUINT64;
	Matcher matcher = {.pair = pair, .n_tracks = 1};
	index_make(&matcher.index, pair);
	matcher.stretches = g_array_new(FALSE, FALSE, sizeof(Stretch));
	matcher.tracks[0] = (Track){{0, 0, NONE}, 0, 0, 0, NONE};
	GArray *ops = NULL;
	if (match(&matcher, max_cost)) {
		g_autoptr(GArray) list = path(&matcher);
		ops = ops_of(pair, list);
	}
	g_array_unref(matcher.stretches);
	g_free(matcher.index.heads);
	g_free(matcher.index.chain);
	return ops;
}
