/* SPDX-License-Identifier: ISC */
/* Texts applied; nothing in them is trusted. */
#include "delta/patch-private.h"

#define CHUNK_BYTES 4096

/* Where the text of a pair has come to. */
typedef struct {
	const DeltaPatchPair *pair;
	gsize old_at, new_at;
	DeltaReader ops;
	DeltaPatchSink sink;
	gpointer user_data;
} Patch;

/* One op, checked. */
typedef struct {
	gsize old_at;
	gsize gap, count;
	PatchKind kind;
	const guint8 *bytes;
} Step;

static gboolean corrupt(GError **error)
{
	return util_error_set(error, TS_ERROR_CORRUPT, "the differences do not fit the old files");
}

/* Moves on in the old file by what an op says; FALSE if that is outside of it. */
static gboolean move_old(Patch *patch, const Step *step, gint64 seek)
{
	gsize at = step->old_at + step->gap, left = patch->pair->old_bytes - at;
	switch (step->kind) {
	case PATCH_EDIT:
	case PATCH_REPLACE:
		if (step->count > left)
			return FALSE;
		at += step->count;
		break;
	case PATCH_INSERT:
		break;
	case PATCH_SEEK:
		/* counts and places are far below 2^62, as memory is */
		seek += (gint64)step->count;
		if (seek < -(gint64)at || seek > (gint64)left)
			return FALSE;
		at = (gsize)((gint64)at + seek);
		break;
	}
	patch->old_at = at;
	return TRUE;
}

static gboolean read_op(Patch *patch, Step *step)
{
	guint64 value = 0, seek = 0;
	if (!delta_get_varint(&patch->ops, G_MAXUINT64, &value))
		return FALSE;
	step->kind = (PatchKind)(value & PATCH_KIND_MASK);
	value >>= PATCH_KIND_BITS;
	if (value > patch->pair->new_bytes - patch->new_at ||
	    (value == 0 && step->kind != PATCH_SEEK))
		return FALSE;
	step->count = (gsize)value;
	if (step->kind == PATCH_SEEK && !delta_get_varint(&patch->ops, G_MAXINT64, &seek))
		return FALSE;
	if (step->count > (gsize)(patch->ops.end - patch->ops.at))
		return FALSE;
	step->bytes = patch->ops.at;
	patch->ops.at += step->count;
	patch->new_at += step->count;
	return move_old(patch, step, delta_unzigzag(seek));
}

/* The next op of a pair that is not complete. */
static gboolean next_step(Patch *patch, Step *step)
{
	gsize left = patch->pair->new_bytes - patch->new_at;
	guint64 gap = 0;
	*step = (Step){.old_at = patch->old_at};
	if (!delta_get_varint(&patch->ops, G_MAXUINT64, &gap))
		return FALSE;
	guint64 as_before = gap == 0 ? left : gap - 1;
	if (as_before > left || as_before > patch->pair->old_bytes - patch->old_at)
		return FALSE;
	step->gap = (gsize)as_before;
	patch->new_at += step->gap;
	patch->old_at += step->gap;
	return gap == 0 || read_op(patch, step);
}

/* Old bytes become new ones; returns and takes what is carried on to the next ones. */
static guint add_values(guint8 *bytes, const guint8 *values, gsize len, guint carry)
{
	for (gsize i = 0; i < len; i++) {
		guint value = (guint)(values[i] >> 1) ^ (values[i] & 1 ? 0xff : 0);
		carry += bytes[i] + value;
		bytes[i] = (guint8)carry;
		carry >>= 8;
	}
	return carry;
}

static gboolean give(const Patch *patch, const guint8 *data, gsize len, GError **error)
{
	return len == 0 || patch->sink(patch->user_data, data, len, error);
}

static gboolean give_edited(const Patch *patch, const Step *step, GError **error)
{
	guint8 chunk[CHUNK_BYTES];
	const guint8 *old_data = patch->pair->old_data + step->old_at + step->gap;
	guint carry = 0;
	for (gsize at = 0; at < step->count; at += sizeof chunk) {
		gsize n = MIN(step->count - at, sizeof chunk);
		memcpy(chunk, old_data + at, n);
		carry = add_values(chunk, step->bytes + at, n, carry);
		if (!give(patch, chunk, n, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean apply_pair(Patch *patch, const DeltaPatchPair *pair, GError **error)
{
	Step step;
	patch->pair = pair;
	patch->old_at = patch->new_at = 0;
	while (patch->new_at < pair->new_bytes) {
		if (!next_step(patch, &step))
			return corrupt(error);
		if (step.gap > 0 && !give(patch, pair->old_data + step.old_at, step.gap, error))
			return FALSE;
		gboolean edited = step.kind == PATCH_EDIT;
		if (edited ? !give_edited(patch, &step, error)
			   : !give(patch, step.bytes, step.count, error))
			return FALSE;
	}
	return TRUE;
}

/* ret_bytes may be NULL. */
static gboolean apply_all(Patch *patch, const DeltaPatchPair *pairs, guint n, guint64 *ret_bytes,
			  GError **error)
{
	for (guint i = 0; i < n; i++) {
		const guint8 *from = patch->ops.at;
		if (!apply_pair(patch, &pairs[i], error))
			return FALSE;
		if (ret_bytes)
			ret_bytes[i] = (guint64)(patch->ops.at - from);
	}
	return patch->ops.at == patch->ops.end || corrupt(error);
}

gboolean delta_patch_apply(const guint8 *text, gsize len, const DeltaPatchPair *pairs, guint n,
			   DeltaPatchSink sink, gpointer user_data, GError **error)
{
	Patch patch = {.sink = sink, .user_data = user_data};
	patch.ops = (DeltaReader){text, len > 0 ? text + len : text};
	return apply_all(&patch, pairs, n, NULL, error);
}

static gboolean no_sink(gpointer user_data, const guint8 *data, gsize len, GError **error)
{
	(void)user_data, (void)data, (void)len, (void)error; /* only counted */
	return TRUE;
}

gboolean delta_patch_measure(const guint8 *text, gsize len, const DeltaPatchPair *pairs, guint n,
			     guint64 *ret_bytes, GError **error)
{
	Patch patch = {.sink = no_sink};
	patch.ops = (DeltaReader){text, len > 0 ? text + len : text};
	return apply_all(&patch, pairs, n, ret_bytes, error);
}
